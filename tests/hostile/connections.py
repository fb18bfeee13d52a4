"""Clients that send requests in pieces, never end them, or go away; and those without credentials."""
import base64
import json
import os
import re
import socket
import ssl
import subprocess
import time

import client
from client import HOST, MAPS, PODS, PORT, case, connect, exchange, expect, read_all, request

GET = f"GET {MAPS} HTTP/1.1\r\nHost: a\r\n".encode()
POST = f"POST {MAPS} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n".encode()


def answers(raw):
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", raw)


@case
def half_requests_are_dropped_with_their_connection():
    for raw in (b"G", b"GET ", GET, GET + b"X-A", POST + b"Content-Length: 100\r\n\r\n{",
                POST + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{", POST + b"Content-Length: 9"):
        for _ in range(10):
            stream = connect()
            stream.sendall(raw)
            stream.close()


@case
def slow_clients_hold_nobody_up():
    slow = []
    for raw in (GET, POST + b"Content-Length: 3000000\r\n\r\n{"):
        for _ in range(20):
            slow.append(connect())
            slow[-1].sendall(raw)
    for _ in range(10):
        for stream in slow:
            stream.sendall(b"X" if stream in slow[:20] else b" ")
        client.healthy()
    for stream in slow:
        stream.close()


@case
def clients_may_leave_in_the_middle_of_an_answer():
    for path in (MAPS + "?watch=1", PODS + "?watch=1&allowWatchBookmarks=true", MAPS, "/openapi/v2"):
        for _ in range(15):
            stream = connect()
            stream.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            if _ % 3:
                stream.recv(100)
            if _ % 2:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            stream.close()


# CVE-2020-8552: requests that leave something behind.
@case
def two_hundred_watches_come_and_go():
    before = client.server.fds()
    watches = []
    for i in range(200):
        stream = connect()
        stream.sendall(f"GET {MAPS}?watch=1 HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        watches.append(stream)
    assert watches[-1].recv(12) == b"HTTP/1.1 200"
    client.healthy()
    for stream in watches:
        stream.close()
    end = time.monotonic() + client.PATIENCE_S
    while client.server.fds() > before + 5 and time.monotonic() < end:
        time.sleep(0.05)
    assert client.server.fds() <= before + 5, f"{before} -> {client.server.fds()} descriptors"


@case
def pipelined_requests_are_answered_in_order():
    close = GET + b"Connection: close\r\n\r\n"
    got = exchange((GET + b"\r\n") * 50 + b"GET /no HTTP/1.1\r\nHost: a\r\n\r\n" + close)
    assert answers(got) == [b"200"] * 50 + [b"404", b"200"], answers(got)
    got = exchange((GET + b"\r\n") * 1000 + close)
    assert len(answers(got)) == 1001, len(answers(got))


@case
def smuggling_shapes_are_refused():
    inner = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    for fields in (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: -1\r\n",
                   b"Content-Length: 5, 6\r\n", b"Content-Length: +5\r\n", b"Content-Length: 0x5\r\n",
                   b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
                   b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                   b"Transfer-Encoding : chunked\r\n", b"Content-Length: 99999999999999999999\r\n",
                   b"X: a\r\n b\r\n\0: x\r\n", b"X\0: a\r\n", b"X: a\0b\r\n", b" X: a\r\n", b": a\r\n",
                   b"X: a\rb\r\n", b"Host: b\r\n"):
        got = answers(exchange(POST + fields + b"\r\n0\r\n\r\n" + inner))
        assert len(got) == 1 and got[0] in (b"400", b"501"), f"{fields}: {got}"
    # Both lengths: Go serves the chunked body; whatever follows it must not be served as another.
    got = answers(exchange(POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
                           inner))
    assert len(got) == 1 or got[-1] == b"404", got
    for line in (b"GET\r\n", b"GET / HTTP/9.9\r\n", b"GET / HTTP/1.1 x\r\n", b"GET  / HTTP/1.1\r\n",
                 b"G\0T / HTTP/1.1\r\n", b"GET /\x01 HTTP/1.1\r\n", b"get", b"\x16\x03\x01" * 9):
        got = answers(exchange(line + b"Host: a\r\n\r\n"))
        assert len(got) == 1 and got[0] in (b"400", b"404", b"405", b"505"), f"{line}: {got}"
    for chunk in (b"x\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"1\r\nab", b"1;" + b"x" * 9000):
        got = answers(exchange(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"\r\n\r\n"))
        assert got == [b"400"], f"{chunk[:20]}: {got}"


@case
def huge_headers_are_refused():
    for fields in (b"X: " + b"a" * 1100000, b"X: y\r\n" * 200000, b"X" * 1100000):
        got = exchange(GET + fields + b"\r\n\r\n")
        assert answers(got) == [b"431"], f"{fields[:9]}: {got[:100]}"
    got = exchange(b"GET /" + b"a" * 1100000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answers(got) and answers(got)[0] in (b"431", b"414"), got[:100]


# GHSA-6vch-q96h-7gc3: silent handshakes held up all the others.
@case
def handshakes_may_stall_alone():
    stalled = []
    for raw in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x16"):
        for _ in range(20):
            stream = socket.create_connection((HOST, PORT), timeout=5)
            stream.sendall(raw)
            stalled.append(stream)
    client.healthy()
    begin = time.monotonic()
    stalled[0].settimeout(client.PATIENCE_S)
    try:
        assert stalled[0].recv(1) == b"", "the server talks first"
    except ConnectionResetError:
        pass
    assert time.monotonic() - begin < 30, "a stalled handshake is held for more than 10 s"
    for stream in stalled:
        stream.close()


@case
def garbage_on_the_tls_port_is_closed():
    for raw in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5000, os.urandom(20000), b"\x16\x03\x01\xff\xff" * 99,
                b"\x80\x2e\x01\x00\x02", b"\x15\x03\x03\x00\x02\x02\x28", b"\x17\x03\x03\x40\x01" * 9):
        with socket.create_connection((HOST, PORT), timeout=5) as stream:
            try:
                stream.sendall(raw)
                stream.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            got = read_all(stream)
            assert len(got) < 5000, f"{raw[:10]}: {len(got)} bytes"
    stream = connect()
    os.write(stream.fileno(), os.urandom(5000))  # Beneath the encryption.
    read_all(stream)
    stream.close()


# Any CA will do for whoever does not look: system:masters by a certificate of one's own.
@case
def strangers_are_told_apart():
    expect(403, "Forbidden", "GET", PODS, client=None,
           message='pods is forbidden: User "system:anonymous" cannot list resource "pods" in API '
                   'group "" in the namespace "default"')
    expect(403, "Forbidden", "GET", "/metrics", client=None)
    for path in ("/version", "/readyz"):
        assert request("GET", path, client=None)[0] == 200
    directory = client.server.directory
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/O=system:masters/CN=admin", "-keyout", directory / "evil.key", "-out",
         directory / "evil.crt"], capture_output=True)
    assert made.returncode == 0, made.stderr
    wrong = (directory / "evil.crt", directory / "evil.key")
    expect(401, "Unauthorized", "GET", PODS, client=wrong)


def signed(name, days, usage):
    """A certificate of the cluster's own CA for one of system:masters."""
    directory, pki = client.server.directory, client.server.data / "pki"
    key, certificate, extensions = (directory / (name + end) for end in (".key", ".crt", ".ext"))
    extensions.write_text(f"extendedKeyUsage={usage}\n")
    wish = subprocess.run(["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=system:masters/CN=admin",
                           "-keyout", key], capture_output=True)
    made = subprocess.run(["openssl", "x509", "-req", "-CA", pki / "ca.crt", "-CAkey", pki / "ca.key", "-days", str(days),
                           "-set_serial", "7", "-extfile", extensions, "-out", certificate], input=wish.stdout,
                          capture_output=True)
    assert made.returncode == 0, made.stderr
    return certificate, key


@case
def a_certificate_that_has_ended_or_is_for_servers_is_nobodys():
    assert request("GET", PODS, client=signed("good", 1, "clientAuth"))[0] == 200
    for bad in (signed("ended", -1, "clientAuth"), signed("server", 1, "serverAuth")):
        expect(401, "Unauthorized", "GET", PODS, client=bad)


# CVE-2015-9235, CVE-2018-0114: tokens that say themselves how to check them.
@case
def bad_tokens_are_refused():
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = part({"sub": "system:serviceaccount:kube-system:default", "iss": "x", "exp": 1 << 62})
    for token in ("x", "", "a.b.c", "." * 9, part({"alg": "none"}) + "." + claims + ".",
                  part({"alg": "HS256"}) + "." + claims + ".AAAA", "x" * 100000, "e30.e30.e30",
                  part({"alg": "RS256", "kid": "../../x"}) + "." + claims + "." + "A" * 342,
                  part({"alg": "RS256"}) + "." + part([]) + ".", "\xff\xfe"):
        code, _, text = request("GET", PODS, headers={"Authorization": "Bearer " + token}, client=None)
        wanted = 403 if token == "" else 401
        assert code == wanted, f"{token[:40]!r}: {code} {text[:200]}"
    for field in ("Basic YTpi", "Bearer", "Negotiate x", " "):
        code, _, text = request("GET", PODS, headers={"Authorization": field}, client=None)
        assert code in (401, 403), f"{field}: {code} {text[:200]}"
    code, _, _ = request("GET", PODS, headers={"Impersonate-User": "x"}, client=None)
    assert code == 403, code


# CVE-2018-1002105: what follows a failed upgrade went to the backend.
@case
def failed_upgrades_leave_no_pipe():
    body = client.pod("stuck")
    assert request("POST", PODS, json.dumps(body))[0] in (201, 403, 409)
    upgrade = "Connection: Upgrade\r\nUpgrade: {}\r\nSec-WebSocket-Version: {}\r\n" \
              "Sec-WebSocket-Key: {}\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    after = f"GET {PODS}/none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    for name in ("stuck", "none"):
        for fields in (upgrade.format("SPDY/3.1", "13", key), upgrade.format("websocket", "13", key),
                       upgrade.format("websocket", "7", key), upgrade.format("websocket", "13", "x"),
                       upgrade.format("teapot", "13", key), ""):
            for query in ("command=sh&stdout=1", "", "stdin=x&command=" + "a" * 5000):
                got = exchange(f"POST {PODS}/{name}/exec?{query} HTTP/1.1\r\nHost: a\r\n{fields}"
                               f"Content-Length: 0\r\n\r\n{after}".encode(), timeout=3)
                codes = answers(got)
                assert codes, f"{name} {fields[:60]} {query[:20]}: no answer"
                assert codes[0] in (b"400", b"403", b"404", b"500", b"503"), f"{name}: {got[:200]}"
    request("DELETE", PODS + "/stuck?gracePeriodSeconds=0")
