"""Three members in network namespaces of their own, with links that can be cut one way, both ways, or
lose packets. Run inside a namespace made for it (unshare -n): nothing of the machine's network is
touched, and all of it is gone with the processes."""

import os
import subprocess

from members import NAMES, Cluster, Member

NETWORK = "10.77.0"
ADDRESS = {name: f"{NETWORK}.{number}" for number, name in enumerate(NAMES, 1)}


def command(*words, inside=None):
    prefix = ["nsenter", "-t", str(inside), "-n"] if inside else []
    subprocess.run([*prefix, *words], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


class Namespace:
    """What holds one member's network, and its filter."""

    def __init__(self, number, address):
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            pass  # It has not left ours yet.
        inside = self.holder.pid
        here, there = f"to{number}", f"in{number}"
        command("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns",
                str(inside))
        command("ip", "link", "set", here, "master", "hub", "up")
        command("ip", "addr", "add", f"{address}/24", "dev", there, inside=inside)
        command("ip", "link", "set", there, "up", inside=inside)
        command("ip", "link", "set", "lo", "up", inside=inside)
        command("nft", "add table inet faults", inside=inside)
        command("nft", "add chain inet faults arrives { type filter hook input priority 0; }",
                inside=inside)

    def rules(self, *rules):
        """These and no others, at once."""
        lines = ["flush chain inet faults arrives"]
        lines += [f"add rule inet faults arrives {rule}" for rule in rules]
        command("nft", "; ".join(lines), inside=self.holder.pid)

    def close(self):
        self.holder.kill()
        self.holder.wait()


class NamespaceMember(Member):
    def __init__(self, program, directory, name, flags, namespace):
        super().__init__(program, directory, name, flags, ADDRESS)
        self.namespace = namespace
        self.command = ["nsenter", "-t", str(namespace.holder.pid), "-n", *self.command]


class NamespaceCluster(Cluster):
    def __init__(self, program, directory, flags=()):
        command("ip", "link", "add", "hub", "type", "bridge")
        command("ip", "addr", "add", f"{NETWORK}.254/24", "dev", "hub")
        command("ip", "link", "set", "hub", "up")
        command("ip", "link", "set", "lo", "up")
        self.namespaces = {name: Namespace(number, ADDRESS[name])
                           for number, name in enumerate(NAMES, 1)}
        super().__init__(program, directory, flags)

    def make(self, program, directory, name, flags):
        return NamespaceMember(program, directory, name, flags, self.namespaces[name])

    def cut(self, *links):
        """Cuts these directed links (from, to), and no others; loses no packets."""
        for name, namespace in self.namespaces.items():
            namespace.rules(*[f"ip saddr {ADDRESS[source]} drop"
                              for source, target in links if target == name])

    def lose(self, percent):
        for namespace in self.namespaces.values():
            peers = ", ".join(ADDRESS.values())
            namespace.rules(
                f"ip saddr {{ {peers} }} numgen random mod 100 < {percent} drop")

    def stop(self):
        super().stop()
        for namespace in self.namespaces.values():
            namespace.close()
