"""All that clients do at the same time, and what must hold of what they saw."""

from history import History
from lease_history import LeaseHistory
from members import wait_for
from watch_history import WatchHistory


class Histories:
    """Values, watches and leases. `exact` as in lease_history.LeaseHistory."""

    def __init__(self, hosts, checker, exact=1.0):
        self.checker = checker
        self.values = History(hosts)
        self.watches = WatchHistory(hosts)
        self.leases = LeaseHistory(hosts, exact=exact)

    def __enter__(self):
        for each in (self.watches, self.leases, self.values):
            each.__enter__()
        return self

    def __exit__(self, kind, error, trace):
        try:
            self.values.__exit__(kind, error, trace)
            if kind is None:
                self.watches.catch_up()
        finally:
            self.leases.__exit__(kind, error, trace)
            self.watches.__exit__(kind, error, trace)

    def goes_on(self, what, count=50):
        """After a fault, which may have made another leader."""
        self.leases.disturb()
        done = self.values.done
        wait_for(f"operations go on {what}", 20, lambda: self.values.done > done + count)

    def verify(self):
        lines = [line.split() for line in self.values.lines]
        acknowledged = [line[4].encode() for line in lines
                        if line[2] != "-" and line[3] in ("write", "swap") and line[4] != "0"]
        return "; ".join((self.values.check(self.checker), self.watches.verify(acknowledged),
                          self.leases.verify(),
                          f"longest pause {self.values.longest * 1000:.0f} ms"))
