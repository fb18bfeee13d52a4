"""A member whose files fail, for tests/fs/io_faults: how it is started and asked, what is written to it, and what must
be there when it has come back."""

import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../proc"))
from etcd_client import Client, Failed  # noqa: E402 (the folder is not a package)

WRITERS = 4
PUT_SECONDS = 10.0  # For a machine that others take away at times; a member that ends is noticed at once.
ENOUGH_SECONDS = 120


class Wrong(Exception):
    """A rule does not hold."""


def check(holds, rule):
    if not holds:
        raise Wrong(rule)


class Server:
    """A member; all of its cluster, if no others are told."""

    def __init__(self, program, host, data, log, name="n1", cluster=None):
        self.host, self.data, self.log, self.process = host, data, log, None
        peers = ",".join(f"{peer}=http://{at}:2380" for peer, at in (cluster or {name: host}).items())
        self.program, self.command = program, [
            program, "server", "--name", name, "--data-dir", data,
            "--api-listen", f"{host}:6443", "--etcd-listen", f"http://{host}:2379",
            "--peer-url", f"http://{host}:2380", "--initial-cluster", peers,
            "--disable", "api,scheduler,controllers", "--snapshot-entries", "100"]

    def join(self, other):
        """Instead of making a cluster with all that were told; None: makes one of its own."""
        at = self.command.index("--initial-cluster")
        peer = self.command[self.command.index("--peer-url") + 1]
        name = self.command[self.command.index("--name") + 1]
        self.command[at:at + 2] = (["--join", f"http://{other.host}:2379"] if other else
                                   ["--initial-cluster", f"{name}={peer}"])

    def start(self, environment=None):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log,
                                            env={**os.environ, **(environment or {})})

    def running(self):
        return self.process.poll() is None

    def command_line(self, *arguments, environment=None):
        """An operator's command -> its exit status"""
        with open(self.log, "ab") as log:
            return subprocess.run([self.program, *arguments], stdout=log, stderr=log, timeout=120,
                                  env={**os.environ, **(environment or {})}, check=False).returncode

    def wait_for_names(self, names):
        """Each member says its name once it takes part."""
        end, found = time.monotonic() + 120, set()
        while found != names:
            check(time.monotonic() < end, f"only {found} have said their names:\n" + self.said())
            listed = subprocess.run([self.program, "member", "list", "--json", "--endpoints",
                                     f"http://{self.host}:2379"], stdout=subprocess.PIPE, timeout=120, check=False)
            if listed.returncode == 0:
                found = {member["name"] for member in json.loads(listed.stdout)["members"]}

    def kill(self):
        if self.process is not None:
            if self.running():
                self.process.kill()
            self.process.wait()

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            raise Wrong("still runs 60 s after SIGTERM") from None

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()


class Writer(threading.Thread):
    """Overwrites its own key with growing numbers, until there is enough or the member has ended. Each write is for what
    is there: one whose outcome was not heard may still come, and is then too late for what followed."""

    def __init__(self, server, number, count, size, known):
        super().__init__(daemon=True)
        self.server, self.key, self.count, self.size = server, b"w/%d" % number, count, size
        self.acked = self.sent = known.get(self.key, 0)

    def run(self):
        client, end = Client(self.server.host), time.monotonic() + ENOUGH_SECONDS
        goal, there = self.acked + self.count, None
        while self.acked < goal and self.server.running() and time.monotonic() < end:
            try:
                if there is None:
                    there = client.get(self.key, timeout=PUT_SECONDS)[1].get(self.key, (0, b"0"))
                    self.acked = max(self.acked, number_of(there))
                value = b"%d" % (self.sent + 1) + b"." * self.size
                self.sent += 1
                there = (client.replace(self.key, there[0], value, timeout=PUT_SECONDS), value)
                self.acked = self.sent if there[0] else self.acked
                there = there if there[0] else None
            except Failed:
                there = None
                time.sleep(0.005)
        client.close()


def write(server, count, size, known):
    """-> {key: (last acknowledged, last sent)}"""
    writers = [Writer(server, number, count, size, known) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return {writer.key: (writer.acked, writer.sent) for writer in writers}


def write_all(server, count, size, known):
    """As write(), of a member that has nothing to fail of. -> {key: number}"""
    written = write(server, count, size, known)
    for key, (acked, _) in written.items():
        goal = known.get(key, 0) + count  # Or beyond it: one that was refused has a number, too.
        check(acked >= goal, f"{key} got to {acked}, not to {goal}:\n" + server.said())
    return {key: acked for key, (acked, _) in written.items()}


def number_of(pair):
    return int(pair[1].split(b".")[0])


def read_back(server, seconds=120):
    client, end = Client(server.host), time.monotonic() + seconds
    try:
        while True:
            try:
                pairs = client.range(b"w/", b"w0")[1]
                return {key: number_of(pair) for key, pair in pairs.items()}
            except Failed:
                if not server.running() or time.monotonic() > end:
                    raise Wrong("does not come back without the fault") from None
                time.sleep(0.01)
    finally:
        client.close()


def start_again(server, known):
    """Without the fault: everything known is there, and it takes writes."""
    at = len(server.said())
    server.start()
    compare(read_back(server), known)
    client = Client(server.host)
    try:
        client.put(b"x", b"", timeout=30.0)
    except Failed as failed:
        raise Wrong(f"takes no write after the next start: {failed}") from None
    finally:
        client.close()
    compare(read_back(server), known)
    check(" level=error" not in server.said()[at:], "complains at the next start")


def compare(found, known):
    """`known`: {key: (least, most)}"""
    for key, (least, most) in known.items():
        check(least <= found.get(key, 0) <= most, f"{key} is at {found.get(key, 0)}; {least} was "
              f"acknowledged, {most} sent")


def exactly(known):
    return {key: (number, number) for key, number in known.items()}


def kill(server):
    for each in (server, *server.others):
        each.kill()
