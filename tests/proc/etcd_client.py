"""The few etcd v3 calls that the tests make, over HTTP/2 in the clear, with the standard library.

A unary call has succeeded when its message has arrived whole: a gRPC error comes with no message, so
response headers need not be decoded."""

import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
WINDOW_BYTES = 1 << 30
PAGE = 20


class Failed(Exception):
    """The call was refused or its outcome is unknown."""


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            value, at = read_varint(data, at)
        else:
            size, at = read_varint(data, at)
            value = data[at : at + size]
            at += size
        yield tag >> 3, value


def revision_of(answer):
    return dict(fields(dict(fields(answer))[1])).get(3, 0)


def literal(name, value):
    """An HPACK header field, not indexed."""

    def text(raw):
        assert len(raw) < 127
        return bytes([len(raw)]) + raw

    return b"\x00" + text(name.encode()) + text(value.encode())


class Client:
    """One connection, made when needed. Not for several threads."""

    def __init__(self, host, port=2379):
        self.host, self.port = host, port
        self.socket = None

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def call(self, path, message, timeout=2.0):
        try:
            return self._call(path, message, time.monotonic() + timeout)
        except (OSError, struct.error, Failed) as error:
            self.close()
            raise Failed(f"{self.host}{path}: {error or type(error).__name__}") from error

    def _connect(self, deadline):
        left = deadline - time.monotonic()
        self.socket = socket.create_connection((self.host, self.port), max(left, 0.001))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = 1
        self.sendable = 65535
        settings = struct.pack(">HI", 4, WINDOW_BYTES)
        self.socket.sendall(PREFACE + self._frame(SETTINGS, 0, 0, settings)
                            + self._frame(WINDOW, 0, 0, struct.pack(">I", WINDOW_BYTES)))

    @staticmethod
    def _frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    def _read(self, size, deadline):
        out = bytearray()
        while len(out) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failed("timed out")
            self.socket.settimeout(left)
            piece = self.socket.recv(size - len(out))
            if not piece:
                raise Failed("the connection ended")
            out += piece
        return bytes(out)

    def _next(self, deadline):
        head = self._read(9, deadline)
        size = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = self._read(size, deadline)
        if kind == SETTINGS and not flags & ACK:
            self.socket.sendall(self._frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self.socket.sendall(self._frame(PING, ACK, 0, payload))
        elif kind == WINDOW and stream == 0:
            self.sendable += struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            raise Failed("the server goes away")
        return kind, flags, stream, payload

    def _send(self, stream, body, deadline):
        while body:
            piece = body[: min(16384, self.sendable)]
            if not piece:
                self._next(deadline)
                continue
            body = body[len(piece):]
            self.sendable -= len(piece)
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self.socket.sendall(self._frame(DATA, 0 if body else END_STREAM, stream, piece))

    def _begin(self, path, deadline):
        """A stream for this call -> its number"""
        if self.socket is None:
            self._connect(deadline)
        stream, self.stream = self.stream, self.stream + 2
        head = b"".join(literal(name, value) for name, value in (
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", self.host),
            ("content-type", "application/grpc"), ("te", "trailers")))
        self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        self.socket.sendall(self._frame(HEADERS, END_HEADERS, stream, head))
        return stream

    def _call(self, path, message, deadline):
        stream = self._begin(path, deadline)
        self._send(stream, struct.pack(">BI", 0, len(message)) + message, deadline)
        body, consumed = bytearray(), 0
        while True:
            kind, flags, of, payload = self._next(deadline)
            if of != stream:
                continue
            if kind == RST:
                raise Failed("the call was reset")
            if kind == DATA:
                body += payload
                consumed += len(payload)
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                break
        if consumed:
            self.socket.sendall(self._frame(WINDOW, 0, 0, struct.pack(">I", consumed)))
        if len(body) < 5 or len(body) - 5 != struct.unpack(">I", body[1:5])[0]:
            raise Failed("refused")
        return bytes(body[5:])

    def put(self, key, value, timeout=2.0, lease=0):
        """-> the revision"""
        request = field(1, key) + field(2, value) + field(3, lease)
        return revision_of(self.call("/etcdserverpb.KV/Put", request, timeout))

    def grant(self, seconds, timeout=2.0):
        """-> the id of a new lease"""
        answer = dict(fields(self.call("/etcdserverpb.Lease/LeaseGrant", field(1, seconds), timeout)))
        return answer[2]

    def keep_alive(self, lease, timeout=2.0):
        """-> the seconds it has from now on, 0 when it is gone"""
        answer = self.call("/etcdserverpb.Lease/LeaseKeepAlive", field(1, lease), timeout)
        return dict(fields(answer)).get(3, 0)

    def delete(self, key, timeout=2.0):
        self.call("/etcdserverpb.KV/DeleteRange", field(1, key), timeout)

    def compact(self, revision, timeout=2.0):
        self.call("/etcdserverpb.KV/Compact", field(1, revision), timeout)

    def swap(self, key, expected, value, timeout=2.0):
        """Puts the value if it is as expected. -> whether it was"""
        compare = field(2, 3) + field(3, key) + field(7, expected)  # The value, equal.
        put = field(2, field(1, key) + field(2, value))
        answer = self.call("/etcdserverpb.KV/Txn", field(1, compare) + field(2, put), timeout)
        return bool(dict(fields(answer)).get(2, 0))

    def replace(self, key, revision, value, timeout=2.0):
        """Puts the value if the key was last changed then (0: is not there). -> its new revision, or 0"""
        compare = field(2, 2) + field(3, key) + field(6, revision)  # The revision of the change, equal.
        put = field(2, field(1, key) + field(2, value))
        answer = dict(fields(self.call("/etcdserverpb.KV/Txn", field(1, compare) + field(2, put), timeout)))
        return dict(fields(answer[1]))[3] if answer.get(2, 0) else 0

    def get(self, key, timeout=2.0):
        """(revision, {key: (modification revision, value)})"""
        request = field(1, key)
        found, revision = {}, 0
        for number, value in fields(self.call("/etcdserverpb.KV/Range", request, timeout)):
            if number == 1:
                revision = dict(fields(value)).get(3, 0)
            elif number == 2:
                pair = dict(fields(value))
                found[pair[1]] = (pair.get(3, 0), pair.get(5, b""))
        return revision, found

    def range(self, start, end, timeout=2.0, serializable=False, revision=0):
        """get(), in pages of one revision (0: the newest), so that no answer is too big."""
        found = {}
        while True:
            request = (field(1, start) + field(2, end) + field(3, PAGE) + field(4, revision)
                       + field(7, int(serializable)))
            more = 0
            for number, value in fields(self.call("/etcdserverpb.KV/Range", request, timeout)):
                if number == 1:
                    revision = revision or dict(fields(value)).get(3, 0)
                elif number == 2:
                    pair = dict(fields(value))
                    found[pair[1]] = (pair.get(3, 0), pair.get(5, b""))
                    start = pair[1] + b"\0"
                elif number == 3:
                    more = value
            if not more:
                return revision, found

    def term(self, timeout=1.0):
        answer = dict(fields(self.call("/etcdserverpb.Maintenance/Status", b"", timeout)))
        return answer.get(6, 0)

    def status(self, timeout=1.0):
        """(id of this member, id of the leader or 0)"""
        answer = dict(fields(self.call("/etcdserverpb.Maintenance/Status", b"", timeout)))
        return dict(fields(answer[1]))[2], answer.get(4, 0)


class Watch(Client):
    """One watch of a range, on a connection of its own: answers() has what it is told."""

    def __init__(self, host, start, end, revision, port=2379):
        super().__init__(host, port)
        create = (field(1, start) + field(2, end) + field(3, revision) + field(4, 1)  # Progress.
                  + field(6, 1))  # With what stood there before.
        deadline = time.monotonic() + 2.0
        self.body = bytearray()
        try:
            self.of = self._begin("/etcdserverpb.Watch/Watch", deadline)
            self.ask(field(1, create))
        except (OSError, struct.error, Failed) as error:
            self.close()
            raise Failed(str(error)) from error

    def ask(self, request):
        self.socket.settimeout(1.0)
        self.socket.sendall(self._frame(DATA, 0, self.of,
                                        struct.pack(">BI", 0, len(request)) + request))

    def ask_progress(self):
        self.ask(field(3, b""))

    def answer(self, seconds):
        """-> the next message of the stream"""
        try:
            return self._answer(time.monotonic() + seconds)
        except (OSError, struct.error, Failed) as error:
            self.close()
            raise Failed(str(error)) from error

    def _answer(self, deadline):
        while True:
            if len(self.body) >= 5:
                size = struct.unpack(">I", self.body[1:5])[0]
                if len(self.body) >= 5 + size:
                    message = bytes(self.body[5:5 + size])
                    del self.body[:5 + size]
                    return message
            kind, flags, of, payload = self._next(deadline)
            if of == self.of and kind == DATA:
                self.body += payload
                if payload:
                    self.socket.sendall(self._frame(WINDOW, 0, 0, struct.pack(">I", len(payload))))
            if of == self.of and (kind == RST or flags & END_STREAM and kind in (DATA, HEADERS)):
                raise Failed("the watch ended")
