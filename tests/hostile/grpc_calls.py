"""gRPC calls whose outcome is told as a client sees it: code and message, over TLS or in the clear."""
import ctypes
import socket
import ssl
import struct

from http2 import ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST, SETTINGS, frame, field, message

SILENCE_S = 10.0  # Nobody thinks for so long about what a stream asks.
PATIENCE_S = 60.0  # For an answer that must come.
EMIT, FINAL = 2, 1


class Refused(Exception):
    """By TLS: nothing was asked."""


class Pair(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("value", ctypes.c_void_p), ("name_size", ctypes.c_size_t),
                ("value_size", ctypes.c_size_t), ("flags", ctypes.c_uint8)]


class Inflater:
    """The header blocks of one connection, by the library that the server uses itself."""

    def __init__(self):
        self.library = ctypes.CDLL("libnghttp2.so.14")
        self.library.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
        self.state = ctypes.c_void_p()
        assert self.library.nghttp2_hd_inflate_new(ctypes.byref(self.state)) == 0

    def close(self):
        self.library.nghttp2_hd_inflate_del(self.state)

    def fields(self, block):
        found, at = {}, 0
        while True:
            pair, flags = Pair(), ctypes.c_int(0)
            used = self.library.nghttp2_hd_inflate_hd2(self.state, ctypes.byref(pair), ctypes.byref(flags),
                                                       block[at:], ctypes.c_size_t(len(block) - at), 1)
            assert used >= 0, f"a broken header block: {used}"
            at += used
            if flags.value & EMIT:
                found[ctypes.string_at(pair.name, pair.name_size).decode()] = \
                    ctypes.string_at(pair.value, pair.value_size).decode()
            if flags.value & FINAL:
                self.library.nghttp2_hd_inflate_end_headers(self.state)
                return found


class Calls:
    """One connection. context is None for one in the clear."""

    def __init__(self, host, port, context=None):
        self.stream = socket.create_connection((host, port), timeout=PATIENCE_S)
        self.inflater, self.number, self.pending = Inflater(), 1, b""
        try:
            if context is not None:
                context.set_alpn_protocols(["h2"])
                self.stream = context.wrap_socket(self.stream, server_hostname=host)
            self.stream.sendall(PREFACE + frame(SETTINGS, 0, 0))
            while self._next()[0] != SETTINGS:  # With TLS 1.3 a refusal comes only now.
                pass
            self.stream.sendall(frame(SETTINGS, ACK, 0))
        except (ssl.SSLError, ConnectionError, BrokenPipeError) as error:
            self.close()
            raise Refused(str(error)) from error

    def close(self):
        self.stream.close()
        self.inflater.close()

    def _next(self):
        while len(self.pending) < 9 or len(self.pending) < 9 + int.from_bytes(self.pending[:3], "big"):
            part = self.stream.recv(65536)
            if not part:
                raise ConnectionResetError("closed")
            self.pending += part
        size = int.from_bytes(self.pending[:3], "big")
        kind, flags, number = self.pending[3], self.pending[4], int.from_bytes(self.pending[5:9], "big")
        body, self.pending = self.pending[9:9 + size], self.pending[9 + size:]
        return kind, flags, number, body

    def call(self, path, body=b"", streams_in=False, streams_out=False, **metadata):
        """-> (code, text, first message). A stream that sends a message, or is silent for SILENCE_S, is let in: 0."""
        number, self.number = self.number, self.number + 2
        names = {":method": "POST", ":scheme": "https", ":authority": "a", ":path": path,
                 "content-type": "application/grpc", "te": "trailers", **metadata}
        head = b"".join(field(name.encode(), value.encode()) for name, value in names.items())
        self.stream.settimeout(SILENCE_S if streams_out else PATIENCE_S)
        self.stream.sendall(frame(HEADERS, END_HEADERS, number, head) +
                            frame(DATA, 0 if streams_in else END_STREAM, number, message(body)))
        fields, received, end = {}, b"", False
        try:
            while not end and not (streams_out and received):
                kind, flags, of, part = self._next()
                assert kind != GOAWAY, f"{path}: the server goes away"
                if kind == HEADERS:
                    part = self.inflater.fields(part)
                if of != number:
                    continue
                if kind == HEADERS:
                    fields.update(part)
                elif kind == DATA:
                    received += part
                end = kind == RST or (kind in (HEADERS, DATA) and flags & END_STREAM)
        except TimeoutError:
            assert streams_out, f"{path}: no answer"
        if not end:
            self.stream.sendall(frame(RST, 0, number, struct.pack(">I", 8)))
            return 0, "", received[5:]
        return int(fields.get("grpc-status", -1)), fields.get("grpc-message", ""), received[5:]
