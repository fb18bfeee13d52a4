"""What members and operators do while a file fails, for tests/fs/io_faults, and what must hold after each. A scenario
has run(), which does it; went_well(), of what that gave when nothing failed; and settle(), which looks after the fault
and gives the exit status."""

import collections
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../proc"))
from etcd_client import Client, Failed  # noqa: E402 (the folder is not a package)

from io_member import Wrong, check, exactly, number_of, read_back, start_again, write  # noqa: E402

STOP_SECONDS = 15.0  # It takes milliseconds, but for a machine that others take away at times.
DOWN = ("kill-before", "kill-after", "power-before", "power-after")
HARMLESS = ("eintr", "short")  # The call says so, and has to be made again or gone on with.

# What the acknowledgements rest on: no write and no flush of these may fail and be survived, be it
# for want of room: the log has its blocks before it is written, and term and vote are written in
# place. A disk that fills up is noticed at the spare segment and at snapshots, which are not here.
VITAL = {"write": ("/raft/log-#", "/raft/raft-meta", "/raft/raft-meta.new"),
         "flush": ("/raft/log-#", "/raft/raft-meta", "/raft/raft-meta.new", "/raft"),
         "rename": ("/raft/log-#", "/raft/raft-meta")}
REMOVED = "has been permanently removed"  # As etcd says it.
SURVIVES = "survives what it must not survive"


Site = collections.namedtuple("Site", "operation address file before")
Task = collections.namedtuple("Task", "scenario site action nth")


def vital(site):
    """The shim names files from its folder on: /data/raft/log-#"""
    return site.file.endswith(VITAL.get(site.operation, ()))


def members_of(scenario):
    return 3 if isinstance(scenario, Follower) else 1


def check_vital(task, status, took):
    if vital(task.site) and task.action not in (*HARMLESS, *DOWN, "kill-torn"):
        check(status > 0, SURVIVES)
        check(took < STOP_SECONDS, f"stops only after {took:.1f} s")


def check_status(task, server, status):
    """-> whether it was killed, as was asked"""
    if task.action.startswith(("kill", "power")):
        check(status == -9, f"goes on after it has been killed: {status}")
        return True
    check(status >= 0, f"dies of signal {-status}")
    check(status == 0 or task.action not in HARMLESS, f"a harmless {task.action} ends it with {status}")
    if status > 0:
        said = server.said()
        check(" level=error" in said or "coracle " in said, "does not say why it stops")
    return False


class Scenario:
    """A member that is all of its cluster: what is in its data directory before, and what is written
    then."""

    only_new = False  # Only sites that no scenario before has.
    only_vital = False  # Only what the acknowledgements rest on.
    first_only = False  # By the first runner: its addresses are in the data.

    def __init__(self, name, count, size):
        self.name, self.count, self.size = name, count, size
        self.fixture, self.known = None, {}

    def run(self, server, environment):
        """-> (what was written, exit status)"""
        server.start(environment)
        written = write(server, self.count, self.size, self.known)
        return written, server.stop() if server.running() else server.process.wait()

    def went_well(self, result):
        written, status = result
        return status == 0 and all(acked == sent for acked, sent in written.values())

    def settle(self, task, server, result, took):
        """What must hold after the fault. -> exit status"""
        written, status = result
        if not check_status(task, server, status):
            complete = all(acked > 0 for acked, _ in written.values())
            check(status > 0 or complete, "goes on but takes no writes")
            check_vital(task, status, took)
        start_again(server, {**exactly(self.known), **written})
        return status


class Save:
    """`coracle snapshot save` of a member that runs."""

    name, only_new, only_vital, first_only = "snapshot save", False, False, False

    def __init__(self, fixture, known):
        self.fixture, self.known = fixture, known

    @staticmethod
    def file(server):
        return server.data + ".db"

    def run(self, server, environment):
        server.start()
        read_back(server)
        return server.command_line("snapshot", "save", self.file(server), "--endpoints",
                                   f"http://{server.host}:2379", environment=environment)

    def went_well(self, status):
        return status == 0

    def settle(self, task, server, status, took):
        check_status(task, server, status)
        there = os.path.exists(self.file(server))
        check(there or status != 0, "success without a file")
        check(not there or server.command_line("snapshot", "status", self.file(server)) == 0,
              "what has the name of the backup is none")
        check(self.run_again(server) == 0, "does not succeed without the fault")
        return status

    def run_again(self, server):
        return server.command_line("snapshot", "save", self.file(server), "--endpoints",
                                   f"http://{server.host}:2379")


class Restore:
    """`coracle snapshot restore` of a backup that is in the data directory."""

    name, only_new, only_vital, first_only = "snapshot restore", False, False, False

    def __init__(self, fixture, known):
        self.fixture, self.known = fixture, known

    def run(self, server, environment):
        return server.command_line(
            "snapshot", "restore", os.path.join(server.data, "backup.db"), "--data-dir", server.data,
            "--name", "n1", "--peer-url", f"http://{server.host}:2380", environment=environment)

    def went_well(self, status):
        return status == 0

    def settle(self, task, server, status, took):
        check_status(task, server, status)
        there = os.path.exists(os.path.join(server.data, "raft"))
        check(there or status != 0, "success without data")
        check(there or self.run(server, None) == 0, "does not succeed without the fault")
        start_again(server, exactly(self.known))
        return status


class Recover:
    """`coracle recover` of one of three members, when the others are lost."""

    name, only_new, only_vital, first_only = "recover", False, False, True

    def __init__(self, fixture, known):
        self.fixture, self.known = fixture, known

    def run(self, server, environment):
        return server.command_line("recover", "--data-dir", server.data, "--name", "n1", "--peer-url",
                                   f"http://{server.host}:2380", environment=environment)

    def went_well(self, status):
        return status == 0

    def settle(self, task, server, status, took):
        check_status(task, server, status)
        done = status == 0
        again = self.run(server, None)  # Refused when it had been done: one of one is a majority.
        check(done or again == 0 or "majority" in server.said(), "does not succeed without the fault")
        start_again(server, exactly(self.known))
        return status


class Follower:
    """A member that gets what it lacks from two others: a snapshot, or what is damaged."""

    only_new, only_vital, first_only = True, False, True

    def __init__(self, name, fixture, known):
        self.name, self.fixture, self.known = name, fixture, known

    def run(self, server, environment):
        for other in server.others:
            other.start()
        read_back(server.others[0])
        server.start(environment)
        self.wait(server, must=not faulty(environment))
        return server.stop() if server.running() else server.process.wait()

    def wait(self, server, must=False):
        """Until it has what the others have, or ended."""
        client, end = Client(server.host), time.monotonic() + (120 if must else 40)
        while server.running() and time.monotonic() < end:
            try:
                pairs = client.range(b"w/", b"w0", serializable=True)[1]
                if {key: number_of(pair) for key, pair in pairs.items()} == self.known:
                    client.close()
                    return
            except Failed:
                pass
            time.sleep(0.02)
        client.close()
        check(not must, f"does not catch up ({server.process.poll()})")

    def went_well(self, status):
        return status == 0

    def settle(self, task, server, status, took):
        check_vital(task, status, took)
        check_status(task, server, status)
        server.start()
        self.wait(server, must=True)
        return status


class Join(Follower):
    """A new member of a cluster of one, by --join. It knows its place after a fault, too."""

    @staticmethod
    def arrange(server):
        """-> who is there already"""
        there = server.others[0]
        there.join(None)
        server.join(there)
        return there

    def run(self, server, environment):
        there = self.arrange(server)
        there.start()
        read_back(there)
        server.start(environment)
        self.wait(server, must=not faulty(environment))
        return server.stop() if server.running() else server.process.wait()


class Change(Follower):
    """One of three members while another one is added, as a learner, and removed again. That is in
    the log alone: no site is new, but what is vital may fail just then."""

    only_new, only_vital = False, True

    def run(self, server, environment):
        for other in server.others:
            other.start()
        read_back(server.others[0])
        server.start(environment)
        self.wait(server, must=not faulty(environment))
        self.change(server)
        self.wait(server, must=not faulty(environment))
        return server.stop() if server.running() else server.process.wait()

    def change(self, server):
        url = f"http://{server.host}9:2380"
        for arguments in (("add", url, "--learner"), ("remove", url)):
            check(self.member(server.others[0], *arguments) == 0,
                  f"the others cannot {arguments[0]} a member:\n" + server.others[0].said())

    @staticmethod
    def member(at, *arguments):
        return at.command_line("member", *arguments, "--endpoints", f"http://{at.host}:2379")

    def settle(self, task, server, result, took):
        status = super().settle(task, server, result, took)
        client = Client(server.host)
        try:
            client.put(b"x", b"", timeout=30.0)  # Of the members that there are, it is one.
        except Failed as failed:
            raise Wrong(f"takes no write after the change: {failed}") from None
        finally:
            client.close()
        return status


class Removed(Change):
    """A member that is removed: it ends, and does not come back with the data that it has."""

    def change(self, server):
        check(self.member(server.others[0], "remove", "n1") == 0,
              "the others cannot remove it:\n" + server.others[0].said())
        ended(server, 40)

    def wait(self, server, must=False):
        if REMOVED not in server.said():
            super().wait(server, must)

    def went_well(self, status):
        return status > 0

    def settle(self, task, server, result, took):
        if task.action.startswith(("kill", "power")):
            check_status(task, server, result)
        else:
            check(result > 0, f"ends with {result} though it was removed")
        server.start()
        ended(server, 40)
        check(REMOVED in server.said(), "does not say that it was removed")
        return result


def faulty(environment):
    return "SHIM_SITE" in environment


def ended(server, seconds):
    try:
        server.process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise Wrong("goes on though it was removed") from None
