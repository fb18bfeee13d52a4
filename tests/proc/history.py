"""Clients that write down what they asked, when, and what came of it; and the question whether that
history is linearizable, put to the checker that the simulator has, too (tests/sim/linear.h)."""

import itertools
import random
import subprocess
import threading
import time

from etcd_client import Client, Failed
from members import Wrong

KEYS = 5
TIMEOUT = 1.0


class History:
    def __init__(self, hosts, clients=8, pause=0.004):
        self.hosts, self.pause = hosts, pause
        self.lines, self.lock = [], threading.Lock()
        self.values = itertools.count(1)
        self.ending = threading.Event()
        self.done = self.unknown = 0
        self.last, self.longest = time.monotonic(), 0.0
        self.error = None
        self.threads = [threading.Thread(target=self._guard, args=(number,))
                        for number in range(clients)]

    def _guard(self, number):
        try:
            self._client(random.Random(number), number)
        except Exception as error:  # Told in __exit__.
            self.error = self.error or error

    def _write_down(self, key, call, end, kind, value, expected=0):
        with self.lock:
            self.lines.append(f"{key} {call} {end} {kind} {value} {expected}")
            if end == "-":
                self.unknown += 1
                return
            self.done += 1
            now = time.monotonic()
            self.longest = max(self.longest, now - self.last)
            self.last = now

    def _operation(self, client, choice, seen):
        key = choice.randrange(KEYS)
        name = b"h/%d" % key
        call = time.monotonic_ns()
        pick = choice.random()
        value = 0 if pick < 0.45 else next(self.values)
        kind, expected = "read", 0
        try:
            if pick < 0.45:
                found = client.get(name, TIMEOUT)[1]
                value = int(found[name][1]) if name in found else 0
            elif pick < 0.75 or (pick >= 0.82 and not seen.get(key)):
                kind = "write"
                client.put(name, b"%d" % value, TIMEOUT)
            elif pick < 0.82:
                kind, value = "write", 0
                client.delete(name, TIMEOUT)
            else:
                kind, expected = "swap", seen[key]
                if not client.swap(name, b"%d" % expected, b"%d" % value, TIMEOUT):
                    kind = "keep"
        except Failed:
            if kind != "read":
                self._write_down(key, call, "-", kind, value, expected)
            return False
        self._write_down(key, call, time.monotonic_ns(), kind, value, expected)
        if kind in ("read", "write", "swap"):
            seen[key] = value
        return True

    def _client(self, choice, number):
        at, seen = number % len(self.hosts), {}
        client = Client(self.hosts[at])
        while not self.ending.is_set():
            if not self._operation(client, choice, seen):
                client.close()
                at = choice.randrange(len(self.hosts))
                client = Client(self.hosts[at])
            time.sleep(self.pause)
        client.close()

    def check(self, checker):
        answer = subprocess.run([checker], input="\n".join(self.lines) + "\n", text=True,
                                stdout=subprocess.PIPE, check=False)
        if answer.returncode != 0:
            raise Wrong(answer.stdout.strip())
        return f"{answer.stdout.strip()} ({self.unknown} of unknown outcome)"

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, error, trace):
        self.ending.set()
        for thread in self.threads:
            thread.join()
        if kind is None and self.error is not None:
            raise self.error
