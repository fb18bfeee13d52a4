"""Servers to measure, Coracle's and etcd's, and the loads that measure them. Used by tests/bench/run."""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORACLE = os.environ.get("CORACLE") or os.path.join(TOP, "build/release/cmd/coracle")
LOAD = os.path.join(TOP, "build/release/tests/bench/etcd_load")
WATCH_LOAD = os.path.join(TOP, "build/release/tests/bench/watch_load")
TICK = os.sysconf("SC_CLK_TCK")
NET = os.environ.get("CORACLE_BENCH_NET", "127.0.77")  # Two runs at once need two.
SHARED_KEYS = ("ca.crt", "ca.key", "sa.key", "sa.pub")
START_SECONDS = 15


class Server:
    """One process of ours; `stop` ends exactly this one."""

    def __init__(self, argv, log, env=None):
        self.argv, self.log, self.env = argv, log, env
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.env)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.kill()

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK  # utime, stime: proc(5)

    def cpu_seconds_exactly(self):
        """Of the threads that live now: what ended ones took is missing, but ticks are too coarse for little."""
        total = 0
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{thread}/schedstat") as stat:
                total += int(stat.read().split()[0])
        return total / 1e9

    def pss_mb(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup") as rollup:
            return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) / 1000


def wait_for(what, check, seconds=START_SECONDS):
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def listens(host, port):
    try:
        socket.create_connection((host, port), timeout=0.2).close()
        return True
    except OSError:
        return False


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, (len(values) * percent + 99) // 100 - 1)]


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)


class Cluster:
    """Three (or one) Coracle members on NET.11 and up, peers and etcd API without TLS."""

    def __init__(self, directory, members=3, flags=()):
        self.hosts = [f"{NET}.{11 + i}" for i in range(members)]
        self.directory = directory
        names = [f"n{i + 1}" for i in range(members)]
        peers = ",".join(f"{n}=http://{h}:2380" for n, h in zip(names, self.hosts))
        self.servers = []
        try:
            for name, host in zip(names, self.hosts):
                self.share_keys(name)
                self.servers.append(Server(
                    [CORACLE, "server", "--name", name, "--data-dir", f"{directory}/{name}",
                     "--api-listen", f"{host}:6443", "--etcd-listen", f"http://{host}:2379",
                     "--peer-url", f"http://{host}:2380", "--initial-cluster", peers, *flags],
                    f"{directory}/{name}.log"))
                if name == "n1":
                    wait_for("keys of n1", lambda: listens(self.hosts[0], 2379))
        except BaseException:
            self.stop()
            raise

    def share_keys(self, name):
        if name != "n1":
            os.makedirs(f"{self.directory}/{name}/pki", mode=0o700)
            for key in SHARED_KEYS:
                shutil.copy(f"{self.directory}/n1/pki/{key}", f"{self.directory}/{name}/pki/{key}")

    def endpoints(self):
        return ",".join(f"{host}:2379" for host in self.hosts)

    def tls(self):
        pki = f"{self.directory}/n1/pki"
        context = ssl.create_default_context(cafile=f"{pki}/ca.crt")
        context.load_cert_chain(f"{pki}/admin.crt", f"{pki}/admin.key")
        return context

    def stop(self):
        for server in self.servers:
            server.stop()


class Etcd:
    """Three members of the machine's etcd on NET.21 and up, its own defaults."""

    def __init__(self, directory):
        self.hosts = [f"{NET}.{21 + i}" for i in range(3)]
        names = [f"e{i + 1}" for i in range(3)]
        peers = ",".join(f"{n}=http://{h}:2380" for n, h in zip(names, self.hosts))
        self.servers = [Server(
            ["etcd", "--name", name, "--data-dir", f"{directory}/{name}",
             "--listen-client-urls", f"http://{host}:2379", "--advertise-client-urls", f"http://{host}:2379",
             "--listen-peer-urls", f"http://{host}:2380", "--initial-advertise-peer-urls", f"http://{host}:2380",
             "--initial-cluster", peers, "--initial-cluster-token", "bench", "--logger", "zap"],
            f"{directory}/{name}.log") for name, host in zip(names, self.hosts)]

    def endpoints(self):
        return ",".join(f"{host}:2379" for host in self.hosts)

    def stop(self):
        for server in self.servers:
            server.stop()


def figures_of(output):
    """What a load generator prints, as a dict."""
    return {key: float(value) for key, value in (pair.split("=") for pair in output.split())}


def figures(argv, seconds, check=True):
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=seconds, check=check)
    return figures_of(done.stdout)


def load(endpoints, operation, clients, seconds, timeout_ms=10000, check=True):
    """Runs etcd_load; its figures as a dict."""
    return figures([LOAD, "-e", endpoints, "-o", operation, "-n", str(clients), "-c", str(min(clients, 16)),
                    "-s", str(seconds), "-t", str(timeout_ms)], seconds + 60, check)
