"""Links between members that a test can make bad: each goes through a relay of its own, which delays,
stalls, trickles, cuts in the middle of what is sent, or ends one direction only. What arrives is
always a beginning of what was sent, as with TCP."""

import random
import socket
import struct
import threading
import time

PIECE = 64 * 1024


class Link:
    """All connections that one member makes to another's peer port."""

    def __init__(self, host, port, port_to, seed):
        self.target, self.choice = (host, port_to), random.Random(seed)
        self.kind, self.amount = "pass", 0.0
        self.ending = False
        self.connections, self.lock = set(), threading.Lock()
        self.cuts = 0
        self.listener = socket.create_server((host, port), backlog=16)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def set(self, kind="pass", amount=0.0):
        """pass; delay, each piece by up to `amount` seconds; stall; trickle, a few bytes at a time;
        cut, after up to `amount` bytes; half, the same but the sender is not told; refuse."""
        was, self.kind, self.amount = self.kind, kind, amount
        if was == "half" or kind in ("cut", "half", "refuse"):
            self.reset()

    def reset(self):
        with self.lock:
            for each in self.connections:
                abort(each)

    def close(self):
        self.ending = True
        self.listener.close()
        self.reset()

    def _accept(self):
        while not self.ending:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.kind == "refuse":
                abort(near)
                near.close()
                continue
            threading.Thread(target=self._relay, args=(near,), daemon=True).start()

    def _relay(self, near):
        try:
            far = socket.create_connection(self.target, 1.0)
        except OSError:
            abort(near)
            near.close()
            return
        pair = (near, far)
        for each in pair:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            each.settimeout(None)
        with self.lock:
            self.connections.update(pair)
        back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
        back.start()
        self._pump(near, far)
        back.join()
        with self.lock:
            self.connections.difference_update(pair)
            for each in pair:
                each.close()

    def _pump(self, source, target):
        """Ends both directions when one has ended."""
        try:
            left = self.choice.randint(1, max(1, int(self.amount))) if self.kind in ("cut", "half") else None
            while True:
                data = source.recv(PIECE)
                if not data:
                    break
                if not self._forward(data, target, left):
                    break
                left = None if left is None else max(0, left - len(data))
        except OSError:
            pass
        abort(source)
        abort(target)

    def _forward(self, data, target, left):
        """-> whether the connection goes on"""
        while self.kind == "stall" and not self.ending:
            time.sleep(0.005)
        if self.kind == "delay":
            time.sleep(self.choice.uniform(0, self.amount))
        if self.kind == "trickle":
            for at in range(0, len(data), 3):
                target.sendall(data[at:at + 3])
                if self.kind != "trickle":
                    target.sendall(data[at + 3:])
                    return True
            return True
        if left is not None and len(data) >= left and self.kind in ("cut", "half"):
            self.cuts += 1
            target.sendall(data[:left])
            if self.kind == "cut":
                return False
            target.shutdown(socket.SHUT_WR)
            while self.kind == "half" and not self.ending:
                time.sleep(0.01)  # The sender's bytes go into nothing.
            return False
        target.sendall(data)
        return True


def abort(connection):
    """With a reset, as when a machine is gone."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class Proxy:
    """A relay for each link, in each direction, of these members: {name: host}."""

    PORT, FIRST = 2380, 2400

    def __init__(self, hosts, seed):
        self.hosts = hosts
        self.ports = {name: self.FIRST + number for number, name in enumerate(hosts)}
        self.links = {(source, target): Link(host, self.ports[source], self.PORT, seed + number)
                      for number, source in enumerate(hosts)
                      for target, host in hosts.items() if target != source}

    def environment(self, name, shim):
        return {"LD_PRELOAD": shim, "SHIM_PORT": str(self.PORT), "SHIM_PORT_TO": str(self.ports[name])}

    def heal(self):
        for link in self.links.values():
            link.set()

    def close(self):
        for link in self.links.values():
            link.close()
