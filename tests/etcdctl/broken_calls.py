"""broken_calls.py HOST: gRPC calls that are none, sent as they are; prints for each how it ends: the code and text,
and whether there was an answer. What a library says of the bytes that are no message differs by language: left out."""
import gzip
import os
import re
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hostile"))
from grpc_calls import Inflater  # noqa: E402
from http2 import (ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST, SETTINGS,  # noqa: E402
                   field, frame, message)

PATIENCE_S = 60.0
RANGE, WATCH = "/etcdserverpb.KV/Range", "/etcdserverpb.Watch/Watch"
KEEPALIVE, SNAPSHOT = "/etcdserverpb.Lease/LeaseKeepAlive", "/etcdserverpb.Maintenance/Snapshot"
KEY = b"\x0a\x01a"
GOOD, GARBAGE, CUT = message(KEY), message(b"\xff\xff\xff"), b"\0\0\0"

CASES = [
    ("/foo.Bar/Baz", GOOD, {}), ("/etcdserverpb.KV/Nope", GOOD, {}), ("/etcdserverpb.Watch/Nope", GOOD, {}),
    ("/a/etcdserverpb.KV/Range", GOOD, {}), ("/etcdserverpb.KV/", GOOD, {}), ("/etcdserverpb.K/Range", GOOD, {}),
    (RANGE, GOOD, {"grpc-encoding": "gzip"}), (RANGE, message(gzip.compress(KEY), 1), {"grpc-encoding": "gzip"}),
    (RANGE, GOOD, {"grpc-encoding": "identity"}), (WATCH, GOOD, {"grpc-encoding": "snappy"}),
    (RANGE, message(KEY, 1), {}), (RANGE, message(KEY, 1), {"grpc-encoding": "identity"}), (RANGE, message(KEY, 2), {}),
    (WATCH, message(KEY, 1), {}), (RANGE, GOOD, {"content-type": "application/grpc+proto"}),
    (RANGE, message(b"", size=0xffffffff), {}), (WATCH, message(b"", size=0xffffffff), {}),
    (RANGE, GOOD + GOOD, {}), (RANGE, GOOD + CUT, {}), (RANGE, GOOD + message(KEY, 1), {}),
    (RANGE, GOOD[:-1], {}), (RANGE, CUT, {}), (RANGE, b"", {}), (RANGE, GARBAGE, {}), (RANGE, message(KEY + b"\x0a"), {}),
    (WATCH, GARBAGE, {}), (WATCH, CUT, {}), (KEEPALIVE, GARBAGE, {}), (KEEPALIVE, CUT, {}),
    (SNAPSHOT, GARBAGE, {}), (SNAPSHOT, CUT, {}), (SNAPSHOT, b"", {}),
]


def frames(stream):
    pending = b""
    while True:
        while len(pending) < 9 or len(pending) < 9 + int.from_bytes(pending[:3], "big"):
            part = stream.recv(65536)
            if not part:
                return
            pending += part
        size = int.from_bytes(pending[:3], "big")
        yield pending[3], pending[4], int.from_bytes(pending[5:9], "big"), pending[9:9 + size]
        pending = pending[9 + size:]


def outcome(host, path, body, metadata):
    names = {":method": "POST", ":scheme": "http", ":authority": "a", ":path": path,
             "content-type": "application/grpc", "te": "trailers", **metadata}
    head = b"".join(field(name.encode(), value.encode()) for name, value in names.items())
    fields, received, inflater = {}, b"", Inflater()
    with socket.create_connection((host, 2379), timeout=PATIENCE_S) as stream:
        stream.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, head) +
                       frame(DATA, END_STREAM, 1, body))
        for kind, flags, number, part in frames(stream):
            if kind == SETTINGS and not flags & ACK:
                stream.sendall(frame(SETTINGS, ACK, 0))
            elif kind == HEADERS:
                fields.update(inflater.fields(part))
            elif kind == DATA:
                received += part
            if kind in (RST, GOAWAY) or (number == 1 and flags & END_STREAM and kind in (HEADERS, DATA)):
                break
    inflater.close()
    text = re.sub(r"(grpc: error unmarshalling request|failed to unmarshal the received message).*", r"\1",
                  fields.get("grpc-message", ""))
    return f"code {fields.get('grpc-status')} '{text}'" + (" with an answer" if received else "")


for at, case in enumerate(CASES):
    print(at, case[0], case[2], outcome(sys.argv[1], *case))
