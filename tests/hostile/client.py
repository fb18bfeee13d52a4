"""The server under test, the plain clients that the cases use, and the loop over the cases."""
import contextlib
import glob
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

HOST = os.environ.get("HOSTILE_HOST", "127.0.0.51")
PORT = 6443
ETCD_PORT = 2379
PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
JSON = "application/json"
ANSWER_S = 1.0  # A well-behaved client's request, whatever others do.
PATIENCE_S = 60  # For what must come, on a machine that others take away at times.
FDS_GROWTH_MAX = 20
RSS_GROWTH_MAX_KB = 160 * 1024  # Also holds the history of what the cases wrote.

CASES = []


def case(function):
    CASES.append(function)
    return function


def start_etcd(directory):
    """For a server that keeps its objects in somebody's etcd."""
    with open(directory / "etcd.log", "wb") as log:
        return subprocess.Popen(
            ["etcd", "--name", "e1", "--data-dir", str(directory / "etcd"),
             "--listen-client-urls", f"http://{HOST}:{ETCD_PORT}",
             "--advertise-client-urls", f"http://{HOST}:{ETCD_PORT}",
             "--listen-peer-urls", f"http://{HOST}:2380",
             "--initial-advertise-peer-urls", f"http://{HOST}:2380",
             "--initial-cluster", f"e1=http://{HOST}:2380"],
            stdout=log, stderr=subprocess.STDOUT)


class Server:
    """One server process with a data directory of its own."""

    def __init__(self, build, *flags):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="hostile-", dir="/var/tmp"))
        self.data = self.directory / "n1"
        self.log = self.directory / "log"
        # Freed memory goes back soon, so that what stays is what is held.
        sanitizer = "quarantine_size_mb=16:allocator_release_to_os_interval_ms=100"
        environment = {**os.environ, "ASAN_OPTIONS": sanitizer}
        self.etcd = start_etcd(self.directory) if "EXTERNAL_ETCD" in os.environ else None
        store = (["--store-endpoints", f"http://{HOST}:{ETCD_PORT}"] if self.etcd else
                 ["--etcd-listen", f"http://{HOST}:{ETCD_PORT}", "--peer-url",
                  f"http://{HOST}:2380", "--initial-cluster", f"n1=http://{HOST}:2380"])
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [build + "/cmd/coracle", "server", "--name", "n1", "--data-dir", str(self.data),
                 "--api-listen", f"{HOST}:{PORT}", *flags] + store,
                stdout=log, stderr=subprocess.STDOUT, env=environment)

    def wait_ready(self):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                if request("GET", "/readyz")[0] == 200 and request("GET", MAPS)[0] == 200 and \
                        request("GET", "/api/v1/namespaces/default")[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            assert self.process.poll() is None, "the server ended at its start"
            time.sleep(0.05)
        raise AssertionError(f"the server is not ready after {PATIENCE_S} s")

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def rss_kb(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def pss_kb(self):
        for line in open(f"/proc/{self.process.pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                return int(line.split()[1])
        return 0

    def end(self):
        try:
            return self.end_server()
        finally:
            if self.etcd:
                self.etcd.kill()
                self.etcd.wait()

    def end_server(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return f"did not end within {PATIENCE_S} s of SIGTERM"
        return None if self.process.returncode == 0 else f"exit code {self.process.returncode}"


server = None


def tls_context(client="admin", alpn=None):
    context = ssl.create_default_context(cafile=str(server.data / "pki/ca.crt"))
    context.check_hostname = False
    if client == "admin":
        context.load_cert_chain(server.data / "pki/admin.crt", server.data / "pki/admin.key")
    elif client is not None:
        context.load_cert_chain(*client)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def connect(client="admin", alpn=None, timeout=PATIENCE_S, receive_buffer=None):
    raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.settimeout(timeout)
    raw.connect((HOST, PORT))
    return tls_context(client, alpn).wrap_socket(raw, server_hostname=HOST)


def request(method, path, body=None, content_type=JSON, headers=None, client="admin", timeout=PATIENCE_S):
    """One request on a connection of its own: (code, headers, body)."""
    connection = http.client.HTTPSConnection(HOST, PORT, context=tls_context(client),
                                             timeout=timeout)
    try:
        fields = {"Content-Type": content_type} if body is not None and content_type else {}
        fields.update(headers or {})
        if isinstance(body, str):
            body = body.encode()
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in fields.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        try:
            connection.endheaders(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # Refused before the body's end: the answer is there.
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def exchange(raw, client="admin", timeout=20, half_close=False):
    """Writes raw bytes and reads until the server closes or is silent."""
    with connect(client, timeout=timeout) as stream:
        try:
            stream.sendall(raw)
        except OSError:
            pass
        return read_all(stream)


def read_all(stream):
    received = b""
    try:
        while True:
            part = stream.recv(65536)
            if not part:
                break
            received += part
    except (TimeoutError, OSError, ssl.SSLError):
        pass
    return received


def expect(code, reason, method, path, body=None, content_type=JSON, headers=None, message=None,
           causes=None, client="admin"):
    """The answer must be this Status."""
    got, _, text = request(method, path, body, content_type, headers, client)
    shown = text[:300]
    assert got == code, f"{method} {path}: {got} for {code}: {shown}"
    if reason is None:
        return text
    status = json.loads(text)
    assert status.get("kind") == "Status", f"{method} {path}: no Status: {shown}"
    assert status.get("code") == code, f"{method} {path}: code {status.get('code')}: {shown}"
    assert status.get("reason", "") == reason, f"{method} {path}: {status.get('reason')}: {shown}"
    if message is not None:
        assert message in status.get("message", ""), f"{method} {path}: message: {shown}"
    if causes is not None:
        fields = [c.get("field") for c in status.get("details", {}).get("causes", [])]
        assert fields == causes, f"{method} {path}: causes {fields} for {causes}: {shown}"
    return text


def config_map(name, data=None, **fields):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {},
            **fields}


def pod(name, **container):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [{"name": "c", "image": "i", **container}]}}


def withheld_s():
    """What the machine kept from this process and the server until now: processors that were given to others."""
    waited_ns = 0
    for pid in ("self", server.process.pid):
        for thread in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            with contextlib.suppress(OSError), open(thread) as stat:  # Threads come and go.
                waited_ns += int(stat.read().split()[1])
    with open("/proc/stat") as stat:
        stolen = int(stat.readline().split()[8])
    return waited_ns / 1e9 + stolen / os.sysconf("SC_CLK_TCK")


def healthy(path=MAPS):
    """A well-behaved client is served at once, but for the time in which the machine let nobody work."""
    withheld, begin = withheld_s(), time.monotonic()
    code, _, _ = request("GET", path, timeout=PATIENCE_S)
    took = time.monotonic() - begin
    withheld = withheld_s() - withheld
    assert code == 200, f"a well-behaved client got {code}"
    assert took < ANSWER_S + max(withheld, 0), \
        f"a well-behaved client waited {took:.2f} s, {withheld:.2f} s of them for processors"


def failure_of(function):
    try:
        function()
        return None
    except (AssertionError, OSError, ssl.SSLError, http.client.HTTPException, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def check_growth(fds, rss):
    end = time.monotonic() + PATIENCE_S
    while server.fds() > fds + FDS_GROWTH_MAX and time.monotonic() < end:
        time.sleep(0.1)
    assert server.fds() <= fds + FDS_GROWTH_MAX, f"descriptors: {fds} -> {server.fds()}"
    assert server.rss_kb() <= rss + RSS_GROWTH_MAX_KB, f"RSS: {rss} -> {server.rss_kb()} KiB"


def check_end():
    idle = None
    if server.process.poll() is None:  # Must neither delay the end nor be leaked by it.
        idle = http.client.HTTPSConnection(HOST, PORT, context=tls_context(), timeout=PATIENCE_S)
        idle.request("GET", "/version")
        idle.getresponse().read()
    problem = server.end()
    if idle is not None:
        idle.close()
    text = server.log.read_text(errors="replace")
    for mark in ("AddressSanitizer", "LeakSanitizer", "runtime error:", "Assertion"):
        assert mark not in text, f"{mark} in the log, kept at {server.log}"
    assert problem is None, problem


def main(arguments):
    global server
    if not arguments or not os.path.exists(arguments[0] + "/cmd/coracle"):
        print("usage: tests/hostile/run BUILD_DIR [case-name-part]")
        return 2
    chosen = [c for c in CASES if len(arguments) < 2 or arguments[1] in c.__name__]
    server = Server(arguments[0])
    results = []
    begun = time.monotonic()
    try:
        server.wait_ready()
        for _ in range(20):
            healthy()
        fds, rss = server.fds(), server.rss_kb()
        for function in chosen:
            begin = time.monotonic()
            problem = failure_of(function)
            took = time.monotonic() - begin
            if server.process.poll() is not None:
                results.append(f"the server ended: {problem}")
                print(f"FAILED {function.__name__}: {results[-1]}", flush=True)
                break
            problem = problem or failure_of(healthy)
            results.append(problem)
            if problem or "VERBOSE" in os.environ:
                print(f"{'FAILED' if problem else 'ok'} {function.__name__} ({took:.1f} s, "
                      f"{server.rss_kb()} KiB): {problem or ''}", flush=True)
        else:
            grown = failure_of(lambda: check_growth(fds, rss))
            results.append(grown)
            print(f"{'FAILED' if grown else 'ok'} growth: descriptors {fds} -> {server.fds()}, "
                  f"RSS {rss} -> {server.rss_kb()} KiB")
    finally:
        ended = failure_of(check_end)
        results.append(ended)
        if ended:
            print(f"FAILED clean end: {ended}")
            results_kept = True
        else:
            results_kept = False
    if not results_kept:
        shutil.rmtree(server.directory)
    failed = sum(1 for r in results if r)
    print(f"{len(results) - failed} passed, {failed} failed ({time.monotonic() - begun:.0f} s)")
    return 1 if failed else 0
