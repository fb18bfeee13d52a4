"""Clients that send a request's headers a byte at a time, for as long as the server lets them."""
import threading
import time

from client import MAPS, case, connect

HEADER_LIMIT_S = 32  # As ReadHeaderTimeout of v1.32; each byte must not begin it anew.
SLACK_S = 20
slow = []


class SlowClient(threading.Thread):
    def __init__(self, first):
        super().__init__(daemon=True)
        self.stream = connect(timeout=1)
        self.stream.sendall(first)
        self.begun = time.monotonic()
        self.took = None

    def run(self):
        while self.took is None:
            try:
                self.stream.sendall(b"x")
                if self.stream.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.took = time.monotonic() - self.begun


@case
def slow_headers_begin():
    for first in (b"G", f"GET {MAPS} HTTP/1.1\r\nX: ".encode()):
        slow.append(SlowClient(first))
        slow[-1].start()


def slow_headers_have_been_closed():
    for one in slow:
        one.join(max(0.0, one.begun + HEADER_LIMIT_S + SLACK_S - time.monotonic()))
        assert one.took is not None, "headers may take for ever"
        assert one.took < HEADER_LIMIT_S + SLACK_S, f"closed after {one.took:.0f} s"
