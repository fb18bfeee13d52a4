"""Clients that keep leases alive for a while and then let go. A lease may not end while its time, as
its owner knows it at the least, has not run out; and it must end soon after, and stay so."""

import random
import threading
import time

from etcd_client import Client, Failed
from members import check

SECONDS = 2
SLACK = 12.0  # A new leader gives each lease its whole time again; so many leaders may come by chance.


class Holder(threading.Thread):
    def __init__(self, history, number):
        super().__init__(daemon=True)
        self.history, self.number = history, number
        self.choice = random.Random(number)
        self.client, self.error = None, None
        self.leases = 0

    def _once(self, call, *arguments):
        """-> (when it was asked, the answer)"""
        if self.client is None:
            self.client = Client(self.choice.choice(self.history.hosts))
        begin = time.monotonic()
        try:
            return begin, getattr(self.client, call)(*arguments)
        except Failed:
            self.client.close()
            self.client = None
            raise

    def _try(self, call, *arguments):
        """At one member after the other"""
        while True:
            try:
                return self._once(call, *arguments)
            except Failed:
                if self.history.ending.is_set():
                    raise
                time.sleep(0.02)

    def _there(self, key):
        """-> (when the answer came, whether the key is there)"""
        _, (_, found) = self._try("get", key, 1.0)
        return time.monotonic(), key in found

    def _hold(self):
        asked, lease = self._try("grant", SECONDS)
        sure = asked + SECONDS * self.history.exact
        key = b"l/%d/%d" % (self.number, self.leases)
        self.leases += 1
        while not self._put(key, lease):  # A lease that has ended takes no key, either.
            sure = self._renew(lease, key, sure)
            if sure is None:
                return
        until = time.monotonic() + self.choice.uniform(0, 4)
        while time.monotonic() < until:
            sure = self._renew(lease, key, sure)
            if sure is None:
                return
            time.sleep(self.choice.uniform(0.1, 0.6))
            came, there = self._there(key)
            check(there or came > sure, f"{key} is gone {sure - came:.2f} s early")
        self._wait_for_end(lease, key, sure)

    def _put(self, key, lease):
        try:
            self._once("put", key, b"x", 1.0, lease)
            return True
        except Failed:
            if self.history.ending.is_set():
                raise
            time.sleep(0.02)
            return False

    def _renew(self, lease, key, sure):
        """-> until when it must live now, or None when it has ended"""
        asked, left = self._try("keep_alive", lease, 1.0)
        came = time.monotonic()
        check(left > 0 or came > sure, f"lease {lease:x} ended {sure - came:.2f} s early")
        if left == 0:
            self._check_ended(lease, key)
            return None
        return asked + SECONDS * self.history.exact

    def _check_ended(self, lease, key):
        """For all time, from the moment on in which one member has said so."""
        _, left = self._try("keep_alive", lease, 1.0)
        check(left == 0, f"lease {lease:x} is renewed after its end")
        _, there = self._there(key)
        check(not there, f"{key} is there after the end of its lease")

    def _wait_for_end(self, lease, key, sure):
        begin = time.monotonic()
        while True:
            came, there = self._there(key)
            if not there:
                check(came > sure, f"{key} ended {sure - came:.2f} s early")
                self._check_ended(lease, key)
                return
            check(came < max(begin, self.history.disturbed) + SLACK, f"lease {lease:x} is there {came - sure:.1f} s after its time")
            time.sleep(0.05)

    def run(self):
        try:
            while not self.history.ending.is_set():
                try:
                    self._hold()
                except Failed:
                    pass
        except Exception as error:
            self.error = error
        if self.client is not None:
            self.client.close()


class LeaseHistory:
    """`exact`: the part of its time that a lease must have had; less than 1 where clocks are wrong."""

    def __init__(self, hosts, count=4, exact=1.0):
        self.hosts, self.exact = hosts, exact
        self.disturbed = 0.0  # When something was last done that may have made another leader.
        self.ending = threading.Event()
        self.holders = [Holder(self, number) for number in range(count)]

    def disturb(self):
        self.disturbed = time.monotonic()

    def __enter__(self):
        for holder in self.holders:
            holder.start()
        return self

    def __exit__(self, kind, error, trace):
        self.ending.set()
        for holder in self.holders:
            holder.join()

    def verify(self):
        for holder in self.holders:
            check(holder.error is None, f"holder {holder.number}: {holder.error}")
        return f"{sum(holder.leases for holder in self.holders)} leases"
