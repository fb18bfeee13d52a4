"""Three members as processes of their own, and the clients that watch over what was acknowledged."""

import functools
import os
import shutil
import signal
import subprocess
import threading
import time

from etcd_client import Client, Failed

NAMES = ("n1", "n2", "n3")
NET = os.environ.get("CORACLE_TEST_NET", "127.0.0")  # Two runs at a time need two of them.
HOSTS = {"n1": f"{NET}.31", "n2": f"{NET}.32", "n3": f"{NET}.33"}


class Wrong(Exception):
    """A rule does not hold."""


def check(holds, rule):
    if not holds:
        raise Wrong(rule)


PATIENCE = 4  # A machine that others take away at times gets so many times what a quiet one needs.


def wait_for(what, seconds, probe):
    end = time.monotonic() + seconds * PATIENCE
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > end:
            raise Wrong(f"not within {seconds * PATIENCE} s: {what}")
        time.sleep(0.02)


def held_up():
    """Seconds since the machine began for which something could not run: others had the processors, of
    this machine or of the one under it, or the disk. By what it grows a short limit is too short."""
    seconds = 0.0
    for what in ("cpu", "io"):
        try:
            with open(f"/proc/pressure/{what}", encoding="ascii") as pressure:
                seconds += int(pressure.readline().rsplit("total=", 1)[1]) / 1e6
        except OSError:
            pass  # A kernel that does not count it.
    with open("/proc/stat", encoding="ascii") as stat:
        return seconds + int(stat.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


class Member:
    def __init__(self, program, directory, name, flags, hosts=None):
        hosts = hosts or HOSTS
        peers = ",".join(f"{peer}=http://{hosts[peer]}:2380" for peer in NAMES)
        self.name, self.host = name, hosts[name]
        self.data = os.path.join(directory, name)
        self.raft = os.path.join(self.data, "raft")
        self.log = os.path.join(directory, name + ".log")
        self.process = None
        self.environment = {}  # More than ours.
        self.command = [
            program, "server", "--name", name, "--data-dir", self.data,
            "--api-listen", f"{self.host}:6443", "--etcd-listen", f"http://{self.host}:2379",
            "--peer-url", f"http://{self.host}:2380", "--initial-cluster", peers,
            "--disable", "api,scheduler,controllers", *flags]

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log,
                                            env={**os.environ, **self.environment})

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def terminate(self, seconds=2.0):
        """Within two seconds and with status 0: what an operator's restart relies on."""
        begin, held_up_before = time.monotonic(), held_up()
        self.process.terminate()
        while self.process.poll() is None:
            limit = seconds + held_up() - held_up_before
            check(time.monotonic() - begin < limit, f"{self.name} still runs {limit} s after SIGTERM")
            time.sleep(0.01)
        status = self.process.returncode
        check(status == 0, f"{self.name} ended with status {status} after SIGTERM")
        return time.monotonic() - begin

    def refuses(self, text, seconds=10):
        """Starts, and must end by itself with a message that has `text`."""
        at = os.path.getsize(self.log)
        self.start()
        try:
            status = self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Wrong(f"{self.name} goes on, without: {text}") from None
        check(status > 0, f"{self.name} ended with status {status}, must be an exit status above 0")
        said = self.logged(at)
        check(text in said, f"{self.name} does not say '{text}':\n{said}")
        return said

    def logged(self, at=0):
        with open(self.log, "rb") as log:
            log.seek(at)
            return log.read().decode(errors="replace")

    def files(self, prefix):
        return sorted(os.path.join(self.raft, name) for name in os.listdir(self.raft)
                      if name.startswith(prefix))


class Cluster:
    def __init__(self, program, directory, flags=()):
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        self.members = {name: self.make(program, directory, name, flags) for name in NAMES}
        self.written = {}  # Acknowledged: key -> value.
        self.sequence = 0
        self.newest = None  # Key of the newest acknowledged write.

    def make(self, program, directory, name, flags):
        return Member(program, directory, name, flags)

    def __iter__(self):
        return iter(self.members.values())

    def start(self):
        for member in self:
            member.start()
        return self.leader()

    def stop(self):
        for member in self:
            member.kill()

    def leader(self, seconds=10, but=None):
        """The member that leads, once a write of this moment has gone through."""

        def probe():
            ids, leaders = {}, []
            for member in self:
                if member is but or member.process is None or member.process.poll() is not None:
                    continue
                client = Client(member.host)
                try:
                    own, leader = client.status(0.5)
                    ids[own] = member
                    leaders.append(leader)
                except Failed:
                    pass
                client.close()
            for candidate in leaders:
                if leaders.count(candidate) >= 2 and candidate in ids:
                    return ids[candidate]
            return None

        return wait_for("two members agree on who leads", seconds, probe)

    def write(self, clients, size=0, seconds=15):
        """One write, tried at one member after the other until it is acknowledged. -> tries"""
        self.sequence += 1
        key = b"k/%08d" % self.sequence
        value = b"v%d" % self.sequence + b"." * size
        seconds *= PATIENCE
        end = time.monotonic() + seconds
        tries = 0
        while True:
            client = clients[tries % len(clients)]
            tries += 1
            try:
                client.put(key, value)
            except Failed as failure:
                if time.monotonic() > end:
                    raise Wrong(f"no member takes a write for {seconds} s: {failure}") from None
                time.sleep(0.01)
                continue
            self.written[key] = value
            self.newest = key
            clients[:] = clients[tries - 1 :] + clients[: tries - 1] if tries <= len(clients) else clients
            return tries

    def write_many(self, count, size=0, but=None):
        clients = [Client(member.host) for member in self if member is not but]
        for _ in range(count):
            self.write(clients, size)
        for client in clients:
            client.close()

    def verify(self, but=None, seconds=15):
        """Every acknowledged write is on every member, and all of them hold the same at one revision: a
        write whose client gave up may come at any later time, between two reads, too."""
        clients = {member: Client(member.host) for member in self if member is not but}

        def newest(member, client):
            try:
                return client.get(b"k/")[0]
            except Failed:
                check(member.process.poll() is None,
                      f"{member.name} has ended with status {member.process.returncode}")
                return None

        def held(client, revision):
            try:
                return client.range(b"k/", b"k0", serializable=True, revision=revision)
            except Failed:
                return None  # Of the future, for a member that is behind.

        revision = max(wait_for(f"{member.name} answers a linearizable read", seconds,
                                functools.partial(newest, member, client))
                       for member, client in clients.items())
        states = {}
        for member, client in clients.items():
            _, pairs = wait_for(f"{member.name} catches up", seconds,
                                functools.partial(held, client, revision))
            lost = [key for key, value in self.written.items() if pairs.get(key, (0, b""))[1] != value]
            check(not lost, f"{member.name} lacks {len(lost)} acknowledged writes, from {lost[:3]} on")
            states[member.name] = str(sorted(pairs.items()))
            client.close()
        check(len(set(states.values())) == 1, f"the members differ at revision {revision}")


class Load:
    """Writes and linearizable reads for as long as the `with` lasts: a read must find the newest
    write that was acknowledged before the read began."""

    def __init__(self, cluster, size=0):
        self.cluster, self.size = cluster, size
        self.ending = threading.Event()
        self.wrong = None
        self.reads = self.writes = 0
        self.longest = 0.0  # Between two acknowledgements.
        self.threads = [threading.Thread(target=self._guard, args=(self._write,))]
        self.threads += [threading.Thread(target=self._guard, args=(self._read, member.host))
                         for member in cluster]

    def _guard(self, work, *arguments):
        try:
            work(*arguments)
        except Exception as error:  # Told to the case in __exit__.
            self.wrong = self.wrong or error

    def _write(self):
        clients = [Client(member.host) for member in self.cluster]
        last = time.monotonic()
        while not self.ending.is_set():
            self.cluster.write(clients, self.size)
            self.writes += 1
            now = time.monotonic()
            self.longest = max(self.longest, now - last)
            last = now

    def _read(self, host):
        client = Client(host)
        while not self.ending.is_set():
            key = self.cluster.newest
            if key is None:
                time.sleep(0.01)
                continue
            try:
                revision, found = client.get(key)
            except Failed:
                time.sleep(0.02)
                continue
            self.reads += 1
            if key not in found:
                raise Wrong(f"stale read: {host} does not find {key.decode()} at revision {revision}")

    def acknowledged(self, count, seconds=15):
        """Waits until so many more writes went through."""
        goal = self.writes + count
        wait_for(f"{count} more writes", seconds, lambda: self.wrong or self.writes >= goal)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, error, trace):
        self.ending.set()
        for thread in self.threads:
            thread.join()
        if kind is None and self.wrong is not None:
            raise self.wrong
