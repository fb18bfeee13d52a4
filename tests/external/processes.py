"""The processes of these tests, an etcd and API servers on it, and plain clients of them."""
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

START_S = 20
PATIENCE = 4  # A machine that others take away at times gets so many times what a quiet one needs.
ETCD = os.environ.get("EXTERNAL_ETCD_HOST", "127.0.0.71")
SERVERS = {"a": os.environ.get("EXTERNAL_A_HOST", "127.0.0.72"),
           "b": os.environ.get("EXTERNAL_B_HOST", "127.0.0.73")}
MAPS = "/api/v1/namespaces/default/configmaps"


class Wrong(Exception):
    """A rule does not hold."""


def check(holds, rule):
    if not holds:
        raise Wrong(rule)


def wait_for(what, seconds, probe):
    seconds *= PATIENCE
    end, problem = time.monotonic() + seconds, ""
    while True:
        try:
            result = probe()
            if result:
                return result
        except (OSError, http.client.HTTPException) as error:  # Of a server that has no time just now.
            problem = f": {type(error).__name__}: {error}"
        if time.monotonic() > end:
            raise Wrong(f"not within {seconds} s: {what}{problem}")
        time.sleep(0.05)


class Process:
    def __init__(self, name, command, directory):
        self.command = command
        self.log = os.path.join(directory, name + ".log")
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def terminate(self, seconds):
        """Ends in order, with status 0 and no sanitizer report."""
        seconds *= PATIENCE
        self.process.terminate()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Wrong(f"still runs {seconds} s after SIGTERM") from None
        with open(self.log, errors="replace") as log:
            text = log.read()
        check(status == 0 and "ERROR: AddressSanitizer" not in text and "runtime error" not in text,
              f"ended with status {status}: {text[-2000:]}")


def make_certificates(directory):
    """A CA, and one certificate for the etcd's address that serves as the client's too."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=etcd-ca")
    openssl("req", "-x509", *key, "-keyout", "etcd.key", "-out", "etcd.crt", "-subj", "/CN=etcd",
            "-CA", "ca.crt", "-CAkey", "ca.key", "-addext", f"subjectAltName=IP:{ETCD}",
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "extendedKeyUsage=serverAuth,clientAuth")
    return [os.path.join(directory, name) for name in ("ca.crt", "etcd.crt", "etcd.key")]


class Etcd(Process):
    """Debian's etcd, or with `program` a store of our own without an API server."""

    def __init__(self, directory, program=None, certificates=None):
        scheme = "https" if certificates else "http"
        client, peer = f"{scheme}://{ETCD}:2379", f"http://{ETCD}:2380"
        data = os.path.join(directory, "etcd" if program is None else "store")
        command = ["etcd", "--name", "e", "--data-dir", data, "--listen-client-urls", client,
                   "--advertise-client-urls", client, "--listen-peer-urls", peer,
                   "--initial-advertise-peer-urls", peer, "--initial-cluster", f"e={peer}"]
        if program is not None:
            command = [program, "server", "--name", "e", "--data-dir", data, "--etcd-listen", client,
                       "--peer-url", peer, "--initial-cluster", f"e={peer}",
                       "--api-listen", f"{ETCD}:6443", "--disable", "api,scheduler,controllers"]
        self.client_flags = ["--endpoints", client]
        if certificates:
            ca, cert, key = certificates
            command += ["--client-cert-auth", "--trusted-ca-file", ca, "--cert-file", cert,
                        "--key-file", key]
            self.client_flags += ["--cacert", ca, "--cert", cert, "--key", key]
        super().__init__("etcd", command, directory)

    def start(self):
        super().start()
        wait_for("etcd listens", START_S, self.listens)

    @staticmethod
    def listens():
        try:
            socket.create_connection((ETCD, 2379), timeout=1).close()
            return True
        except OSError:
            return False

    def ctl(self, *arguments):
        """etcdctl's answer; again for as long as the etcd is only starting."""
        environment = {**os.environ, "ETCDCTL_API": "3"}
        end = time.monotonic() + 10 * PATIENCE
        while True:
            result = subprocess.run(["etcdctl", *self.client_flags, *arguments],
                                    env=environment, capture_output=True, text=True, check=False)
            if result.returncode == 0:
                return result.stdout
            check(time.monotonic() < end, f"etcdctl {arguments}: {result.stderr}")
            time.sleep(0.1)


class Server(Process):
    def __init__(self, program, directory, name, flags=()):
        self.name, self.host = name, SERVERS[name]
        self.data = os.path.join(directory, name)
        command = [program, "server", "--name", name, "--data-dir", self.data, "--api-listen",
                   f"{self.host}:6443", *(flags or ("--store-endpoints", f"http://{ETCD}:2379"))]
        super().__init__(name, command, directory)

    def copy_shared(self, other):
        """The CA and the key of tokens are the cluster's, not the server's."""
        os.makedirs(os.path.join(self.data, "pki"))
        for file in ("ca.crt", "ca.key", "sa.key", "sa.pub"):
            shutil.copy2(os.path.join(other.data, "pki", file), os.path.join(self.data, "pki", file))

    def start(self, ready=True):
        super().start()
        if ready:
            wait_for(f"{self.name} is ready", START_S, self.is_ready)

    def is_ready(self):
        check(self.process.poll() is None, f"{self.name} has ended")
        try:
            return self.request("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def context(self):
        context = ssl.create_default_context(cafile=os.path.join(self.data, "pki/ca.crt"))
        context.check_hostname = False
        context.load_cert_chain(os.path.join(self.data, "pki/admin.crt"),
                                os.path.join(self.data, "pki/admin.key"))
        return context

    def connect(self, timeout=15):
        return http.client.HTTPSConnection(self.host, 6443, timeout=timeout, context=self.context())

    def request(self, method, path, body=None, timeout=15):
        connection = self.connect(timeout)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def read(self, path):
        status, text = self.request("GET", path)
        check(status == 200, f"GET {path} of {self.name}: {status} {text[:300]}")
        return json.loads(text)

    def metric(self, name):
        for line in self.request("GET", "/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise Wrong(f"{self.name} has no metric {name}")

    def put_map(self, name, value):
        """Makes or changes a map; its resourceVersion when that was acknowledged, else None."""
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                "data": {"v": str(value)}}
        try:
            status, text = self.request("PUT", f"{MAPS}/{name}", body)
            if status == 404:
                status, text = self.request("POST", MAPS, body)
        except (OSError, http.client.HTTPException):
            return None
        return json.loads(text)["metadata"]["resourceVersion"] if status in (200, 201) else None


class Watcher(threading.Thread):
    """Follows the maps of one server from a list on, over reconnects, and keeps what it is told."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        listed = server.read(MAPS)
        self.version = listed["metadata"]["resourceVersion"]
        self.state = {item["metadata"]["name"]: item for item in listed["items"]}
        self.events = []
        self.problem = None
        self.ending = False
        self.connection = None

    def run(self):
        while not self.ending and self.problem is None:
            try:
                self.follow()
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.05)

    def follow(self):
        connection = self.connection = self.server.connect(timeout=60)
        try:
            connection.request("GET", f"{MAPS}?watch=1&resourceVersion={self.version}"
                                      "&allowWatchBookmarks=true")
            answer = connection.getresponse()
            if answer.status != 200:
                self.problem = f"watch from {self.version}: {answer.status} {answer.read()[:300]}"
                return
            while not self.ending:
                line = answer.readline()
                if not line:
                    return
                self.take(json.loads(line))
        finally:
            connection.close()

    def take(self, event):
        kind, item = event["type"], event["object"]
        if kind == "ERROR":
            self.problem = f"watch from {self.version}: {item}"
            return
        version, name = item["metadata"]["resourceVersion"], item["metadata"].get("name")
        known = name in self.state
        if kind == "BOOKMARK":
            if int(version) < int(self.version):
                self.problem = f"a bookmark of {version} after {self.version}"
        elif int(version) <= int(self.version):
            self.problem = f"{kind} {name} at {version} after {self.version}"
        elif (kind == "ADDED") == known:
            self.problem = f"{kind} {name} at {version}, which was {'' if known else 'not '}there"
        elif kind == "DELETED":
            del self.state[name]
        else:
            self.state[name] = item
        if kind != "BOOKMARK":
            self.events.append((kind, name, version))
        self.version = version

    def end(self):
        self.ending = True
        if self.connection.sock is not None:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.join(10 * PATIENCE)
        check(not self.is_alive(), f"watcher of {self.server.name}: does not end")
        check(self.problem is None, f"watcher of {self.server.name}: {self.problem}")

    def caught_up(self):
        """Waits until its state is what the server lists."""
        def same():
            check(self.problem is None, f"watcher of {self.server.name}: {self.problem}")
            listed = self.server.read(MAPS)["items"]
            return {item["metadata"]["name"]: item["metadata"]["resourceVersion"]
                    for item in listed} == {name: item["metadata"]["resourceVersion"]
                                            for name, item in list(self.state.items())}
        wait_for(f"the watcher of {self.server.name} knows the state", 10, same)
