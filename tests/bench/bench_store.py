"""The store against etcd: puts, gets, watches, many keys, and what disturbs writers."""
import json
import os
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from bench_servers import LOAD, WATCH_LOAD, Cluster, Etcd, figures, load, table, wait_for

STORE_ONLY = ("--disable", "api,scheduler,controllers")


def systems():
    """What to measure: name and how to start three members in a directory."""
    rows = [("Coracle", lambda directory: Cluster(directory, flags=STORE_ONLY))]
    if shutil.which("etcd"):
        version = subprocess.run(["etcd", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        rows.append(("etcd " + version.split()[2], Etcd))
    return rows


def takes_writes(cluster):
    return load(cluster.endpoints(), "put", 1, 1, check=False)["ops"] > 0


def cpu_seconds(cluster):
    return sum(server.cpu_seconds() for server in cluster.servers)


class Running:
    """A system in a directory of its own, stopped and removed at the end."""

    def __init__(self, name, start, directory):
        self.name, self.start = name, start
        self.place = tempfile.mkdtemp(prefix=name.split()[0].lower() + "-", dir=directory)
        self.cluster = None

    def __enter__(self):
        self.cluster = self.start(self.place)
        try:
            wait_for(f"{self.name} takes writes", lambda: takes_writes(self.cluster))
        except BaseException:
            self.__exit__()
            raise
        return self.cluster

    def __exit__(self, *_):
        self.cluster.stop()
        shutil.rmtree(self.place)


def etcd_part(options, directory):
    """Put and get against three members, Coracle and then etcd."""
    rounds = [("put", 1), ("put", 256), ("get", 256), ("get-serializable", 256)]
    rows, rates = [], {}
    for name, start in systems():
        with Running(name, start, directory) as cluster:
            load(cluster.endpoints(), "put", 256, 1)  # All keys exist, all is warm.
            for operation, clients in rounds:
                before = cpu_seconds(cluster)
                got = load(cluster.endpoints(), operation, clients, options.seconds)
                cpu = cpu_seconds(cluster) - before
                rates[name.split()[0], operation, clients] = got["rate"], cpu / got["ops"]
                rows.append((name, operation, clients, f"{got['rate']:,.0f}", f"{got['p50_us'] / 1000:.2f}",
                             f"{got['p99_us'] / 1000:.2f}", f"{cpu * 1e6 / got['ops']:.1f}",
                             f"{got['client_cpu_us']:.1f}", int(got["failed"]),
                             f"{sum(server.pss_mb() for server in cluster.servers) / 3:.0f}"))
    print("Three members, 256-byte values, 10,000 keys, client on the same cores:\n")
    table(("system", "operation", "clients", "ops/s", "p50 ms", "p99 ms", "server CPU µs/op (3 members)",
           "client CPU µs/op", "failed tries", "PSS a member after, MB"), rows)
    for operation, clients in rounds:
        if ("etcd", operation, clients) in rates:
            ours, theirs = rates["Coracle", operation, clients], rates["etcd", operation, clients]
            print(f"{operation}, {clients} clients: {ours[0] / theirs[0]:.1f} times etcd's rate, "
                  f"{theirs[1] / ours[1]:.1f} times less CPU an operation")
    print(flush=True)


def watch_part(options, directory):
    """1,000 watches of one prefix on 32 connections; every event is counted."""
    rows = []
    for name, start in systems():
        with Running(name, start, directory) as cluster:
            before = cpu_seconds(cluster)
            got = figures([WATCH_LOAD, "-e", cluster.endpoints().split(",")[0], "-w", "1000", "-c", "32",
                           "-p", str(options.puts)], 120)
            cpu = cpu_seconds(cluster) - before
            rows.append((name, int(got["puts"]), f"{got['events']:,.0f}", int(got["missing"]), f"{got['rate']:,.0f}",
                         f"{got['events'] / cpu:,.0f}", f"{got['client_cpu_s']:.2f}"))
    print("1,000 watches of one prefix on 32 connections of one member, 256-byte values, 16 puts under way:\n")
    table(("system", "puts", "events", "missing", "events/s", "events a CPU second (3 members)", "client CPU s"), rows)


def answers(cluster, key):
    return key in etcdctl(cluster.endpoints(), "get", key, "--keys-only", check=False).stdout


def etcdctl(endpoints, *words, check=True):
    return subprocess.run(["etcdctl", "--endpoints", endpoints, "--command-timeout", "60s", *words], check=check,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          env=dict(os.environ, ETCDCTL_API="3"))


def keys_part(options, directory):
    """Memory with many keys, and the time from kill -9 and a new start to the first answer."""
    with Running("Coracle", lambda place: Cluster(place, members=1, flags=STORE_ONLY), directory) as cluster:
        subprocess.run([LOAD, "-e", cluster.endpoints(), "-o", "put", "-n", "256", "-c", "16", "-k", str(options.keys),
                        "-N", str(options.keys), "-s", "600"], stdout=subprocess.PIPE, check=True)
        server, times = cluster.servers[0], []
        full = server.pss_mb()
        for _ in range(3):
            server.kill()
            begin = time.monotonic()
            server.start()
            wait_for("an answer", lambda: answers(cluster, "/bench/k00000001"), 60)
            times.append((time.monotonic() - begin) * 1000)
        print(f"{options.keys:,} keys of 256 bytes in one member, killed (-9) and started again:\n")
        table(("PSS MB full", "PSS MB after a start", "start to first answer, ms, three times"),
              [(f"{full:.0f}", f"{server.pss_mb():.0f}", ", ".join(f"{ms:.0f}" for ms in times))])


def statuses(cluster):
    done = etcdctl(cluster.endpoints(), "endpoint", "status", "--write-out=json", check=False)
    return [one["Status"]["header"]["member_id"] for one in json.loads(done.stdout or "[]")], \
        [one["Status"]["leader"] for one in json.loads(done.stdout or "[]")]


def transfer_part(options, directory):
    """Writes go on while the leader hands over."""
    gaps, failed = [], 0
    with Running("Coracle", lambda place: Cluster(place, flags=STORE_ONLY), directory) as cluster:
        hosts = cluster.endpoints().split(",")
        for _ in range(options.transfers):
            members, leaders = statuses(cluster)
            leader = members.index(leaders[0])
            target = (leader + 1) % len(members)
            with ThreadPoolExecutor(1) as pool:
                writer = pool.submit(load, cluster.endpoints(), "put", 8, 3)
                time.sleep(1.5)
                etcdctl(hosts[leader], "move-leader", f"{members[target]:x}")
                got = writer.result()
            gaps.append(got["gap_ms"])
            failed += int(got["failed"])
    print("Leader handed over by `etcdctl move-leader` under 8 writers; longest time without an acknowledged write:\n")
    table(("transfers", "min ms", "max ms", "writes that failed"),
          [(len(gaps), f"{min(gaps):.0f}", f"{max(gaps):.0f}", failed)])


def upkeep_part(options, directory):
    """The tail of puts while backups are taken and history is compacted, against quiet times."""
    rows = []
    for name, start in systems():
        with Running(name, start, directory) as cluster:
            host = cluster.endpoints().split(",")[0]
            load(cluster.endpoints(), "put", 256, options.seconds)
            quiet = load(cluster.endpoints(), "put", 16, options.seconds)
            with ThreadPoolExecutor(1) as pool:
                writer = pool.submit(load, cluster.endpoints(), "put", 16, options.seconds)
                backups = 0
                while not writer.done():
                    file = os.path.join(directory, "backup")
                    etcdctl(host, "snapshot", "save", file)
                    revision = json.loads(etcdctl(host, "get", "x", "--write-out=json").stdout)["header"]["revision"]
                    etcdctl(host, "compact", str(revision - 1000), check=False)
                    os.remove(file)
                    backups += 1
                busy = writer.result()
            rows.append((name, backups, f"{quiet['p99_us'] / 1000:.1f}", f"{busy['p99_us'] / 1000:.1f}",
                         f"{busy['p99_us'] / quiet['p99_us']:.1f}", f"{busy['gap_ms']:.0f}"))
    print("p99 of puts of 16 clients, quiet and with backup after backup and a compaction after each:\n")
    table(("system", "backups", "quiet p99 ms", "busy p99 ms", "ratio", "longest gap ms"), rows)
