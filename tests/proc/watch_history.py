"""Watchers that go on from one member to the next, and what must hold of what they were told, whatever
happened to the members meanwhile: in the order of revisions, each event once, none left out, the
events of one revision in one answer, nothing behind a promised progress, the value that stood there
before, the version; and every watcher the same."""

import threading
import time

from etcd_client import Client, Failed, Watch, fields
from members import check

PREFIX, END = b"h/", b"h0"
SILENCE = 2.0  # Seconds after which a watcher tries another member.
PROGRESS_EVERY = 0.7


class Event:
    def __init__(self, revision, key, value, version, before):
        self.revision, self.key, self.value, self.version = revision, key, value, version
        self.before = before  # Value, or None.

    def __eq__(self, other):
        return self.__dict__ == other.__dict__

    def __repr__(self):
        return f"{self.revision} {self.key.decode()} = {self.value} (version {self.version})"


def event_of(data):
    parts = dict(fields(data))
    pair = dict(fields(parts[2]))
    deleted = parts.get(1, 0) == 1
    before = dict(fields(parts[3])).get(5, b"") if 3 in parts else None
    return Event(pair.get(3, 0), pair[1], None if deleted else pair.get(5, b""), pair.get(4, 0), before)


class Watcher(threading.Thread):
    """From revision 1 on, at one member until it fails, then at the next from where it was."""

    def __init__(self, hosts, number):
        super().__init__(daemon=True)
        self.hosts, self.number = hosts, number
        self.events, self.promised, self.resumed = [], 0, -1
        self.ending, self.error, self.asked = False, None, 0.0

    def next_revision(self):
        return max(self.events[-1].revision if self.events else 0, self.promised) + 1

    def run(self):
        try:
            while not self.ending:
                try:
                    self._watch(self.hosts[(self.number + self.resumed + 1) % len(self.hosts)])
                except Failed:
                    time.sleep(0.02)
                self.resumed += 1
        except Exception as error:
            self.error = error

    def _watch(self, host):
        watch = Watch(host, PREFIX, END, self.next_revision())
        try:
            while not self.ending:
                if time.monotonic() > self.asked + PROGRESS_EVERY:
                    watch.ask_progress()
                    self.asked = time.monotonic()
                self._take(watch.answer(SILENCE))
        except OSError as error:
            raise Failed(str(error)) from error
        finally:
            watch.close()

    def _take(self, answer):
        events, canceled, header, created = [], 0, b"", 0
        for number, value in fields(answer):
            if number == 1:
                header = value
            elif number == 3:
                created = value
            elif number == 4:
                canceled = value
            elif number == 11:
                events.append(event_of(value))
        if canceled:
            raise Failed("the watch was cancelled")
        revision = dict(fields(header)).get(3, 0)
        for event in events:
            newest = self.events[-1].revision if self.events else 0
            check(event.revision > self.promised,
                  f"behind the promised progress {self.promised}: {event}")
            check(event.revision >= newest, f"goes back from {newest}: {event}")
            check(event.revision > newest or event is not events[0],
                  f"revision {newest} comes in two answers: {event}")
            check(event.revision <= revision, f"an event of later than the answer's {revision}: {event}")
            self.events.append(event)
        if not events and not created:
            self.promised = max(self.promised, revision)


class WatchHistory:
    def __init__(self, hosts, count=6):
        self.hosts = hosts
        self.watchers = [Watcher(hosts, number) for number in range(count)]

    def __enter__(self):
        for watcher in self.watchers:
            watcher.start()
        return self

    def __exit__(self, kind, error, trace):
        for watcher in self.watchers:
            watcher.ending = True
        for watcher in self.watchers:
            watcher.join()

    def catch_up(self, seconds=15):
        """Waits until every watcher knows of all that is there now."""
        client, end = Client(self.hosts[0]), time.monotonic() + seconds
        revision = 0
        while revision == 0:
            try:
                revision = client.put(PREFIX + b"last", b"")
            except Failed as failed:
                check(time.monotonic() < end, f"no last write: {failed}")
                time.sleep(0.05)
        client.close()
        for watcher in self.watchers:
            while not watcher.events or watcher.events[-1].revision < revision:
                check(watcher.error is None, f"watcher {watcher.number}: {watcher.error}")
                check(time.monotonic() < end, f"watcher {watcher.number} is at "
                      f"{watcher.next_revision() - 1}, must come to {revision}")
                time.sleep(0.02)

    def verify(self, acknowledged):
        """After __exit__. `acknowledged`: the values of writes that were acknowledged."""
        for watcher in self.watchers:
            check(watcher.error is None, f"watcher {watcher.number}: {watcher.error}")
        whole = max((watcher.events for watcher in self.watchers), key=len)
        for watcher in self.watchers:
            for told, event in zip(watcher.events, whole):
                check(told == event, f"watcher {watcher.number} was told {told}, others {event}")
        self._follow(whole)
        seen = {event.value for event in whole}
        lost = [value for value in acknowledged if value not in seen]
        check(not lost, f"{len(lost)} acknowledged writes were told to nobody: {lost[:3]}")
        resumed = sum(watcher.resumed for watcher in self.watchers)
        return f"{len(self.watchers)} watchers told {len(whole)} events, resumed {resumed} times"

    @staticmethod
    def _follow(events):
        """Each event follows from those before it."""
        now = {}
        for event in events:
            value, version = now.get(event.key, (None, 0))
            check(event.before == value, f"{event}: stood there before {value}, told {event.before}")
            check(event.value is None or event.version == version + 1,
                  f"{event}: the version before was {version}")
            check(event.value is not None or value is not None, f"{event}: deletes what is not there")
            now[event.key] = (event.value, event.version) if event.value is not None else (None, 0)
