"""HTTP/2 frames written by hand: floods on the API port, and broken gRPC on the etcd port."""
import json
import socket
import struct
import time

import client
from client import HOST, ETCD_PORT, MAPS, case, connect, request

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags, stream, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def field(name, value):
    """A literal header field without indexing; lengths below 127 only."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(method, path, extra=()):
    fields = [(b":method", method), (b":scheme", b"https"), (b":authority", b"a"), (b":path", path)]
    return b"".join(field(n, v) for n, v in [*fields, *extra])


def frames(received):
    at = 0
    found = []
    while at + 9 <= len(received):
        size = int.from_bytes(received[at:at + 3], "big")
        found.append((received[at + 3], received[at + 4],
                      int.from_bytes(received[at + 5:at + 9], "big"), received[at + 9:at + 9 + size]))
        at += 9 + size
    return found


def send_all(stream, raw):
    """True when the server took all of it."""
    try:
        stream.sendall(raw)
        return True
    except OSError:
        return False


def flood(raw, seconds=2.0, settings=b""):
    """Sends the bytes again and again; the server must close, or must go on serving others."""
    with connect(alpn=["h2"]) as stream:
        assert stream.selected_alpn_protocol() == "h2"
        stream.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            piece = raw() if callable(raw) else raw
            if not send_all(stream, piece):
                return True
            stream.setblocking(False)
            try:
                if stream.recv(1 << 20) == b"":
                    return True
            except (OSError, ValueError):
                pass
            stream.settimeout(client.PATIENCE_S)
            client.healthy()
    return False


# CVE-2023-44487: streams are opened and reset at once, their requests are worked on.
@case
def rapid_resets_end_the_connection():
    state = {"id": 1}

    def raw():
        out = b""
        for _ in range(500):
            out += frame(HEADERS, END_HEADERS | END_STREAM, state["id"], head(b"GET", MAPS.encode()))
            out += frame(RST, 0, state["id"], struct.pack(">I", 8))
            state["id"] += 2
        return out

    assert flood(raw, client.PATIENCE_S), "reset streams for a minute without an end"


# CVE-2025-8671, CVE-2019-9514: errors of a stream make the server reset it, while its request is still worked on.
@case
def resets_that_the_server_is_made_to_send_end_the_connection():
    for provoke in (lambda i: frame(WINDOW, 0, i, struct.pack(">I", 0)),
                    lambda i: frame(WINDOW, 0, i, struct.pack(">I", 0x7fffffff)),
                    lambda i: frame(HEADERS, END_HEADERS, i, field(b"x", b"y"))):
        state = {"id": 1}

        def raw():
            out = b""
            for _ in range(500):
                out += frame(HEADERS, END_HEADERS, state["id"], head(b"POST", MAPS.encode()))
                out += provoke(state["id"])
                state["id"] += 2
            return out

        assert flood(raw, client.PATIENCE_S), "made to reset streams for a minute without an end"


# CVE-2024-28182, CVE-2024-30255: a head that never ends.
@case
def continuations_without_end_are_refused():
    state = {"first": True}

    def raw():
        out = b""
        if state["first"]:
            out = frame(HEADERS, END_STREAM, 1, head(b"GET", b"/version"))
            state["first"] = False
        return out + frame(CONTINUATION, 0, 1, field(b"x" * 100, b"y" * 100) * 60) * 50

    assert flood(raw, client.PATIENCE_S), "CONTINUATION for a minute without an end"
    state["first"] = True
    empty = frame(CONTINUATION, 0, 1) * 5000

    def raw_empty():
        first, state["first"] = state["first"], False
        return (frame(HEADERS, END_STREAM, 1, head(b"GET", b"/version")) if first else b"") + empty

    assert flood(raw_empty, client.PATIENCE_S), "empty CONTINUATION for a minute without an end"


# CVE-2019-9512 (PING), CVE-2019-9515 (SETTINGS), CVE-2019-9513 (PRIORITY): answers that nobody reads pile up.
@case
def control_frame_floods_are_bounded():
    for raw in (frame(PING, 0, 0, b"12345678") * 2000, frame(SETTINGS, 0, 0) * 2000,
                frame(PRIORITY, 0, 3, b"\0\0\0\1\7") * 2000, frame(WINDOW, 0, 0, b"\0\0\0\1") * 2000,
                frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 4096) * 100) * 200):
        flood(raw, 1.5)


@case
def broken_frames_end_the_connection():
    get = head(b"GET", b"/version")
    both = END_HEADERS | END_STREAM
    for raw in (frame(DATA, 0, 0, b"x"), frame(HEADERS, both, 0, get), frame(HEADERS, both, 2, get),
                frame(HEADERS, both, 1, b"\xff" * 50), frame(HEADERS, both, 1, b"\x80"),
                frame(SETTINGS, 0, 0, b"x"), frame(SETTINGS, 0, 1), frame(PING, 0, 0, b"1"),
                frame(WINDOW, 0, 0, b"\0\0\0\0"), frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 2,
                frame(RST, 0, 1, b"\0\0\0\0"), frame(CONTINUATION, 4, 1, get), b"\xff" * 200,
                frame(PUSH, 4, 1, b"\0\0\0\2"), frame(DATA, 8, 1, b"\xff"),
                frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0xffffffff)),
                frame(HEADERS, both, 1, b"\x3f\xff\xff\xff\xff\xff\x0f")):
        with connect(alpn=["h2"]) as stream:
            send_all(stream, PREFACE + frame(SETTINGS, 0, 0) + raw)
            kinds = [f[0] for f in frames(client.read_all(stream))]
            assert GOAWAY in kinds or RST in kinds, f"{raw[:20]}: {kinds}"
    for raw in (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"\0" * 100, PREFACE + get):
        with connect(alpn=["h2"], timeout=3) as stream:
            send_all(stream, raw)
            assert len(client.read_all(stream)) < 1000


@case
def bad_h2_requests_are_answered_alone():
    both = END_HEADERS | END_STREAM
    bad = [head(b"GET", b"/version")[:30], field(b":method", b"GET"), head(b"GET", b""),
           head(b"GET", b"/version", [(b"Upper", b"x")]),
           head(b"GET", b"/version", [(b"connection", b"x")]),
           head(b"GET", b"/version", [(b":path", b"/b")]),
           head(b"GET", b"/version", [(b"content-length", b"7")]),
           head(b"GET", b"/version", [(b"x", b"a\r\nb: c")]), head(b"GET", b"no-slash")]
    for block in bad:
        with connect(alpn=["h2"]) as stream:
            send_all(stream, PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, both, 1, block) +
                     frame(HEADERS, both, 3, head(b"GET", b"/version")))
            received = frames(read_some(stream, 2))
            assert any(f[0] in (RST, GOAWAY) or (f[0] == HEADERS and f[2] == 1) for f in received), \
                f"{block[:60]}: {[f[:3] for f in received]}"
    bomb = b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * 8000  # One field, named 8,000 times.
    flood(frame(HEADERS, both, 1, head(b"GET", b"/version") + bomb), 0.5)


def read_some(stream, wanted_heads):
    received = b""
    try:
        while True:
            part = stream.recv(65536)
            if not part:
                break
            received += part
            if sum(1 for f in frames(received) if f[0] in (HEADERS, RST)) >= wanted_heads:
                break
    except OSError:
        pass
    return received


# CVE-2019-9517, CVE-2019-9511: much is asked for and nothing read.
@case
def readers_with_a_closed_window_hold_nobody_up():
    for i in range(40):
        body = client.config_map(f"big-{i}", {"a": "x" * 200000})
        assert request("POST", MAPS, json.dumps(body))[0] in (201, 409)
    before = client.server.rss_kb()
    waiting = []
    both = END_HEADERS | END_STREAM
    for _ in range(5):
        stream = connect(alpn=["h2"], receive_buffer=4096)
        stream.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0)))
        for i in range(50):
            stream.sendall(frame(HEADERS, both, 2 * i + 1, head(b"GET", MAPS.encode())))
        waiting.append(stream)
    for _ in range(5):  # The same with HTTP/1.1: a client that does not read.
        stream = connect(receive_buffer=4096)
        stream.sendall(f"GET {MAPS} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 20)
        waiting.append(stream)
    for _ in range(5):
        client.healthy("/api/v1/namespaces/default")
        time.sleep(0.1)
    grown = client.server.rss_kb() - before
    for stream in waiting:
        stream.close()
    for i in range(40):
        request("DELETE", f"{MAPS}/big-{i}")
    assert grown < 150 * 1024, f"{grown} KiB for 255 lists of 8 MB that nobody reads"


def grpc(path, body, extra=(), end=True):
    """One call on the etcd port: (frames received, whether the server closed)."""
    fields = [(b"content-type", b"application/grpc"), (b"te", b"trailers"), *extra]
    with socket.create_connection((HOST, ETCD_PORT), timeout=client.PATIENCE_S) as stream:
        raw = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1,
                                                      head(b"POST", path, fields))
        if not send_all(stream, raw):
            return []
        for at in range(0, len(body), 16384):
            if not send_all(stream, frame(DATA, 0, 1, body[at:at + 16384])):
                break
        if end:
            send_all(stream, frame(DATA, END_STREAM, 1))
        return frames(read_until_end(stream))


def read_until_end(stream):
    received = b""
    try:
        while True:
            part = stream.recv(65536)
            if not part:
                break
            received += part
            if any(f[0] in (RST, GOAWAY) or (f[0] == HEADERS and f[1] & END_STREAM)
                   for f in frames(received)):
                break
    except OSError:
        pass
    return received


def message(raw, compressed=0, size=None):
    return bytes([compressed]) + struct.pack(">I", len(raw) if size is None else size) + raw


RANGE = b"/etcdserverpb.KV/Range"
PUT = b"/etcdserverpb.KV/Put"


@case
def broken_grpc_calls_end_with_a_status():
    bodies = [b"", b"\0", b"\0\0\0", message(b"", size=0xffffffff), message(b"x", size=100),
              message(b"x", compressed=1), message(b"x", compressed=7), message(b"\xff" * 50),
              message(b"\x0a\xff\xff\xff\xff\x0f"), message(b"\x0b" * 3000), message(b"\x80" * 11),
              message(b"\x0a\x01a") + message(b"\x0a\x01a"), message(b"\x07\x00"), message(b"")]
    for path in (RANGE, PUT, b"/etcdserverpb.KV/Txn", b"/etcdserverpb.Lease/LeaseGrant",
                 b"/etcdserverpb.Watch/Watch", b"/etcdserverpb.Lease/LeaseKeepAlive"):
        for body in bodies:
            got = grpc(path, body)
            assert any(f[0] in (RST, GOAWAY) or (f[0] == HEADERS and f[1] & END_STREAM)
                       for f in got), f"{path} {body[:20]}: {[f[:3] for f in got]}"
    for path in (b"/etcdserverpb.KV/Nothing", b"/no/such", b"/", b"/etcdserverpb.KV/", b"//", b"/a"):
        got = grpc(path, message(b""))
        assert any(f[0] in (HEADERS, RST, GOAWAY) for f in got), f"{path}: {got}"


@case
def huge_grpc_messages_are_refused():
    for body in (message(b"\x0a\x01a\x12" + b"\x80\x80\xc0\x02" + b"x" * (5 << 20)),
                 message(b"", size=5 << 20)):
        got = grpc(PUT, body)
        assert any(f[0] in (RST, GOAWAY, HEADERS) for f in got), [f[:3] for f in got]


@case
def the_etcd_port_survives_garbage():
    for raw in (b"GET /health HTTP/1.1\r\n\r\n", b"\0" * 5000, b"\xff" * 5000, PREFACE + b"\xff" * 500,
                PREFACE[:10], PREFACE + frame(HEADERS, 5, 1, b"\xff" * 99), b"\x16\x03\x01" * 50):
        with socket.create_connection((HOST, ETCD_PORT), timeout=2) as stream:
            send_all(stream, raw)
            try:
                stream.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            client.read_all(stream)
    got = grpc(RANGE, message(b"\x0a\x01a"))
    assert any(f[0] == HEADERS and f[1] & END_STREAM for f in got), "a good call is not answered"
