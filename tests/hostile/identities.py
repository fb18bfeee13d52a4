"""Who may call what: every RPC of every service, and the main HTTP paths, for each kind of caller."""
import http.client
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time

import client
from client import HOST, case
from grpc_calls import Calls, Refused

API, ETCD, PLAIN, PEER = 6543, 2579, 2581, 2580  # Of a server of its own, with TLS on the etcd port.
PROTO = pathlib.Path(__file__).parent.parent.parent / "proto"


def text(number, value):
    return bytes([number << 3 | 2, len(value)]) + value


OK = 0
TLS = "TLS"  # Refused before anything can be asked.
INVALID, NOT_FOUND, FORBIDDEN, UNIMPLEMENTED, UNKNOWN_CALLER = 3, 5, 7, 12, 16  # Codes of gRPC.
EMPTY, TOKEN, DENIED = ("etcdserver: " + t for t in ("user name is empty", "invalid auth token", "permission denied"))


def rpcs_of_protos():
    """{"package.Service/Rpc": (whether requests are a stream, whether answers are)} of what is served here."""
    found = {}
    for file in PROTO.rglob("*.proto"):
        source = file.read_text()
        package = re.search(r"^package ([\w.]+);", source, re.M)
        for service, body in re.findall(r"^service (\w+) {(.*?)^}", source, re.M | re.S):
            for name, taken, given in re.findall(r"^\s*rpc (\w+)\s*\((stream )?[\w.]+\)\s*returns\s*\((stream )?",
                                                 body, re.M):
                found[f"{package.group(1)}.{service}/{name}"] = bool(taken), bool(given)
    return found


RPCS = rpcs_of_protos()
LIST_SERVICES = text(7, b"*")
SECRETS = text(1, text(2, b"v1") + text(3, b"secrets") + text(4, b"kube-system"))
SECRET = text(4, text(4, b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"kube-system"}}'))
A_NAMED_A = text(1, b"a") + text(2, b"a")
LEADER = text(1, text(1, b"a") + text(2, b"a/1"))
PUT_A = text(2, text(2, A_NAMED_A))

# On the API port. RPC, request: nobody, of another CA, ended, without rights, node n7
EVERYBODY = (OK, OK, OK, OK, OK)
NO_SECRETS = (FORBIDDEN, UNKNOWN_CALLER, UNKNOWN_CALLER, FORBIDDEN, FORBIDDEN)
API_ROWS = [
    ("grpc.health.v1.Health/Check", b"", EVERYBODY),
    ("grpc.health.v1.Health/Watch", b"", EVERYBODY),
    ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", LIST_SERVICES, EVERYBODY),
    ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", LIST_SERVICES, EVERYBODY),
    ("coracle.member.v1.MemberService/GetCa", b"", EVERYBODY),  # Public: it is in each TLS handshake.
    ("coracle.member.v1.MemberService/Join", text(1, b"abcdef.0123456789abcdef") + text(2, b"n2"),
     (UNKNOWN_CALLER,) * 5),
    ("coracle.node.v1.NodeService/RegisterNode", text(1, b"n7") + text(3, b"x"),
     (UNKNOWN_CALLER, UNKNOWN_CALLER, UNKNOWN_CALLER, UNKNOWN_CALLER, INVALID)),  # n7 may; this is no wish.
    ("coracle.node.v1.NodeService/RegisterNode", text(1, b"n8") + text(3, b"x"), (UNKNOWN_CALLER,) * 5),
    ("coracle.node.v1.NodeService/Session", text(1, text(1, b"n8")),
     (UNKNOWN_CALLER, UNKNOWN_CALLER, UNKNOWN_CALLER, FORBIDDEN, FORBIDDEN)),
    ("coracle.v1.Objects/Get", SECRETS + text(2, b"s"), NO_SECRETS),
    ("coracle.v1.Objects/List", SECRETS, NO_SECRETS),
    ("coracle.v1.Objects/Watch", SECRETS, NO_SECRETS),
    ("coracle.v1.Objects/Create", SECRETS + SECRET, NO_SECRETS),
    ("coracle.v1.Objects/Update", SECRETS + text(2, b"s") + SECRET, NO_SECRETS),
    ("coracle.v1.Objects/Patch", SECRETS + text(2, b"s") + b"\x20\x02" + text(5, b"{}"), NO_SECRETS),
    ("coracle.v1.Objects/Delete", SECRETS + text(2, b"s"), NO_SECRETS),
    ("coracle.v1.Objects/DeleteCollection", SECRETS, NO_SECRETS),
]

# On the etcd port. Without users nothing is served to those that TLS lets in and that are no administrators. With
# users, RPC, request: no token, a bad token, a user without a role.
OPEN = (OK, OK, OK)
ROLE = (EMPTY, TOKEN, DENIED)
USER = (EMPTY, TOKEN, OK)
USER_NONE_SUCH = (EMPTY, TOKEN, NOT_FOUND)
NOT_SERVED = (UNIMPLEMENTED,) * 3
ETCD_ROWS = [
    ("grpc.health.v1.Health/Check", b"", OPEN),
    ("grpc.health.v1.Health/Watch", b"", OPEN),
    ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", LIST_SERVICES, OPEN),
    ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", LIST_SERVICES, OPEN),
    ("etcdserverpb.KV/Range", text(1, b"a"), ROLE),
    ("etcdserverpb.KV/RangeStream", text(1, b"a"), NOT_SERVED),
    ("etcdserverpb.KV/Put", A_NAMED_A, ROLE),
    ("etcdserverpb.KV/DeleteRange", text(1, b"a"), ROLE),
    ("etcdserverpb.KV/Txn", PUT_A, ROLE),
    ("etcdserverpb.KV/Compact", b"\x08\1", ROLE),
    ("etcdserverpb.Watch/Watch", text(1, text(1, b"a")), ROLE),
    ("etcdserverpb.Lease/LeaseGrant", b"\x08\x0a", USER),
    ("etcdserverpb.Lease/LeaseRevoke", b"\x08\7", USER_NONE_SUCH),
    ("etcdserverpb.Lease/LeaseKeepAlive", b"\x08\7", USER),
    ("etcdserverpb.Lease/LeaseTimeToLive", b"\x08\7", USER),
    ("etcdserverpb.Lease/LeaseLeases", b"", USER),
    ("etcdserverpb.Cluster/MemberAdd", text(1, b"http://127.0.0.9:2380"), ROLE),
    ("etcdserverpb.Cluster/MemberRemove", b"\x08\7", ROLE),
    ("etcdserverpb.Cluster/MemberUpdate", b"\x08\7" + text(2, b"http://127.0.0.9:2380"), ROLE),
    ("etcdserverpb.Cluster/MemberList", b"", USER),
    ("etcdserverpb.Cluster/MemberPromote", b"\x08\7", ROLE),
    ("etcdserverpb.Maintenance/Alarm", b"\x08\1\x18\1", ROLE),
    ("etcdserverpb.Maintenance/Status", b"", USER),
    ("etcdserverpb.Maintenance/Defragment", b"", ROLE),
    ("etcdserverpb.Maintenance/Hash", b"", ROLE),
    ("etcdserverpb.Maintenance/HashKV", b"", ROLE),
    ("etcdserverpb.Maintenance/Snapshot", b"", ROLE),
    ("etcdserverpb.Maintenance/MoveLeader", b"\x08\7", ROLE),
    ("etcdserverpb.Maintenance/Downgrade", b"\x08\1" + text(2, b"3.4.0"), (INVALID,) * 3),  # Nobody can.
    ("etcdserverpb.Auth/AuthEnable", b"", ROLE),
    ("etcdserverpb.Auth/AuthDisable", b"", ROLE),
    ("etcdserverpb.Auth/AuthStatus", b"", ROLE),
    ("etcdserverpb.Auth/Authenticate", text(1, b"root") + text(2, b"no"), (INVALID,) * 3),
    ("etcdserverpb.Auth/UserAdd", A_NAMED_A, ROLE),
    ("etcdserverpb.Auth/UserGet", text(1, b"root"), ROLE),
    ("etcdserverpb.Auth/UserList", b"", ROLE),
    ("etcdserverpb.Auth/UserDelete", text(1, b"root"), ROLE),
    ("etcdserverpb.Auth/UserChangePassword", text(1, b"root") + text(2, b"a"), ROLE),
    ("etcdserverpb.Auth/UserGrantRole", text(1, b"low") + text(2, b"root"), ROLE),
    ("etcdserverpb.Auth/UserRevokeRole", text(1, b"root") + text(2, b"root"), ROLE),
    ("etcdserverpb.Auth/RoleAdd", text(1, b"a"), ROLE),
    ("etcdserverpb.Auth/RoleGet", text(1, b"root"), ROLE),
    ("etcdserverpb.Auth/RoleList", b"", ROLE),
    ("etcdserverpb.Auth/RoleDelete", text(1, b"root"), ROLE),
    ("etcdserverpb.Auth/RoleGrantPermission", text(1, b"root") + text(2, text(2, b"a")), ROLE),
    ("etcdserverpb.Auth/RoleRevokePermission", A_NAMED_A, ROLE),
    ("v3electionpb.Election/Campaign", text(1, b"a"), ROLE),
    ("v3electionpb.Election/Proclaim", LEADER, ROLE),
    ("v3electionpb.Election/Leader", text(1, b"a"), ROLE),
    ("v3electionpb.Election/Observe", text(1, b"a"), ROLE),
    ("v3electionpb.Election/Resign", LEADER, ROLE),
    ("v3lockpb.Lock/Lock", text(1, b"a"), ROLE),
    ("v3lockpb.Lock/Unlock", text(1, b"a"), ROLE),
]

CERTIFICATES = ("nobody", "foreign", "ended", "poor", "node")
DISCOVERY = (403, 401, 401, 200, 200)
PUBLIC = (200, 401, 401, 200, 200)  # A certificate that is shown must be good, as in Kubernetes.
RIGHTS = (403, 401, 401, 403, 403)
CERTIFIED = (TLS, TLS, TLS, 200, 200)  # As in etcd.
HTTP_ROWS = [
    (API, "/version", PUBLIC), (API, "/healthz", PUBLIC), (API, "/livez", PUBLIC), (API, "/readyz", PUBLIC),
    (API, "/api", DISCOVERY), (API, "/apis", DISCOVERY),
    (API, "/openapi/v2", DISCOVERY), (API, "/openapi/v3", DISCOVERY),
    (API, "/metrics", RIGHTS), (API, "/logs", RIGHTS), (API, "/api/v1/namespaces/kube-system/secrets", RIGHTS),
    (API, "/api/v1/namespaces/kube-system/secrets/s", RIGHTS),
    (API, "/apis/rbac.authorization.k8s.io/v1/clusterroles", RIGHTS),
    (API, "/api/v1/nodes", RIGHTS), (API, "/api/v1/nodes/n8", RIGHTS),
    (API, "/api/v1/nodes/n7", (403, 401, 401, 403, 404)),  # It may ask for its own, which is not there.
    (API, "/api/v1/nodes/n7/proxy/pods", RIGHTS), (API, "/api/v1/namespaces/default/pods/p/exec?command=a", RIGHTS),
    (ETCD, "/health", CERTIFIED), (ETCD, "/version", CERTIFIED), (ETCD, "/metrics", CERTIFIED),
    (ETCD, "/debug/pprof/", (TLS, TLS, TLS, 404, 404)),
]


def openssl(*arguments, given=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Guarded:
    """A server with TLS on each port (and one port of etcd's in the clear), and certificates for its callers."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="hostile-", dir="/var/tmp"))
        self.pki = self.directory / "n1/pki"
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                [client.server.process.args[0], "server", "--name", "n1", "--data-dir", str(self.directory / "n1"),
                 "--api-listen", f"{HOST}:{API}", "--peer-url", f"https://{HOST}:{PEER}",
                 "--initial-cluster", f"n1=https://{HOST}:{PEER}",
                 "--etcd-listen", f"https://{HOST}:{ETCD},http://{HOST}:{PLAIN}"], stdout=log, stderr=subprocess.STDOUT)

    def wait_ready(self):
        end = time.monotonic() + client.PATIENCE_S
        while True:
            try:
                calls = Calls(HOST, PLAIN)
                code, _, _ = calls.call("/etcdserverpb.KV/Range", text(1, b"a"))
                calls.close()
                if code == 0 and self.http("admin", API, "/readyz") == 200:
                    return
            except (OSError, Refused):
                pass
            assert self.process.poll() is None, "the server ended at its start"
            assert time.monotonic() < end, "the server is not ready after a minute"
            time.sleep(0.05)

    def wait_rights(self):
        """The roles that everybody has are written by the server once it leads."""
        end = time.monotonic() + client.PATIENCE_S
        while self.http("poor", API, "/api") != 200 or self.http("nobody", API, "/version") != 200:
            assert time.monotonic() < end, "no roles after a minute"
            time.sleep(0.05)

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            self.process.wait()
        log = (self.directory / "log").read_text(errors="replace")
        assert self.process.returncode == 0 and "runtime error:" not in log, f"no clean end: {self.directory}/log"
        shutil.rmtree(self.directory)

    def certificate(self, name, subject, days=1, authority="ca"):
        directory, pki = self.directory, self.pki
        extensions, wish = directory / "extensions", directory / (name + ".csr")
        extensions.write_text("extendedKeyUsage=clientAuth\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
                "-keyout", directory / (name + ".key"), "-out", wish)
        folder = pki if authority == "ca" else directory
        openssl("x509", "-req", "-in", wish, "-CA", folder / (authority + ".crt"), "-CAkey",
                folder / (authority + ".key"), "-days", days, "-set_serial", "7", "-extfile", extensions,
                "-out", directory / (name + ".crt"))

    def make_certificates(self):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                "-subj", "/CN=coracle-ca", "-keyout", self.directory / "evil.key", "-out", self.directory / "evil.crt")
        self.certificate("foreign", "/O=system:masters/CN=coracle-member", authority="evil")
        self.certificate("ended", "/O=system:masters/CN=coracle-member", days=-1)
        self.certificate("poor", "/CN=poor")
        self.certificate("node", "/O=system:nodes/CN=system:node:n7")

    def context(self, who):
        pair = None
        if who in ("admin", "server"):
            pair = (self.pki / (who + ".crt"), self.pki / (who + ".key"))
        elif who != "nobody":
            pair = (self.directory / (who + ".crt"), self.directory / (who + ".key"))
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        context.check_hostname = False
        if pair:
            context.load_cert_chain(*pair)
        return context

    def http(self, who, port, path):
        connection = http.client.HTTPSConnection(HOST, port, context=self.context(who), timeout=client.PATIENCE_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (ssl.SSLError, ConnectionError):
            return "TLS"
        finally:
            connection.close()

    def peer_port(self, who, patience_s=10.0):
        """Members do not speak first: whoever is let in hears nothing."""
        try:
            with socket.create_connection((HOST, PEER), timeout=patience_s) as raw, \
                    self.context(who).wrap_socket(raw, server_hostname=HOST) as stream:
                return TLS if stream.recv(1) == b"" else "an answer"
        except TimeoutError:
            return OK
        except (ssl.SSLError, ConnectionError):
            return TLS

    def rpc(self, row, calls, **metadata):
        path, body = row
        streams_in, streams_out = RPCS[path]
        code, told, answer = calls.call("/" + path, body, streams_in, streams_out, **metadata)
        if path == "etcdserverpb.Watch/Watch":  # As in etcd it is the watch that is refused, not the stream.
            found = re.search(rb"etcdserver: [a-z ]+", answer)
            told = found.group().decode() if found else told
        for outcome in (EMPTY, TOKEN, DENIED):
            if told == outcome:
                return outcome
        return code


def check_rows(calls, rows):
    """Each RPC of each service that the port names must have a row."""
    _, _, answer = calls.call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", LIST_SERVICES,
                              streams_in=True, streams_out=True)
    services = {s.decode() for s in re.findall(rb"\n[\x05-\x7f]([a-z]\w*(?:\.\w+)*\.[A-Z]\w*)", answer)}
    named = {path for path, _, _ in rows}
    assert services == {path.split("/")[0] for path in named}, f"services without rows, or rows without: {services}"
    expected = {path for path in RPCS if path.split("/")[0] in services}
    assert named == expected, f"no rows for {expected - named}; rows of nothing: {named - expected}"


def differing(found, path, who, expected, got):
    if got != expected:
        found.append(f"{path} for {who}: {got!r} in place of {expected!r}")


def check_certificates(server, found):
    for i, who in enumerate(CERTIFICATES):
        for port, path, expected in HTTP_ROWS:
            differing(found, f"{port}{path}", who, expected[i], server.http(who, port, path))
        differing(found, "the peer port", who, TLS, server.peer_port(who))
        calls = Calls(HOST, API, server.context(who))
        for path, body, expected in API_ROWS:
            differing(found, path, who, expected[i], server.rpc((path, body), calls))
        calls.close()
        try:
            calls = Calls(HOST, ETCD, server.context(who))
        except Refused:
            assert who in CERTIFICATES[:3], f"{who} is refused by TLS"
            continue
        assert who not in CERTIFICATES[:3], f"{who} is not refused by TLS"
        for path, body, _ in ETCD_ROWS:
            differing(found, path, who, DENIED, server.rpc((path, body), calls))
        calls.close()


def enable_users(calls):
    """-> the tokens of a user without a role, and of root"""
    for name, body in (("UserAdd", text(1, b"root") + text(2, b"pw")), ("UserAdd", text(1, b"low") + text(2, b"pw")),
                       ("RoleAdd", text(1, b"root")), ("UserGrantRole", text(1, b"root") + text(2, b"root")),
                       ("AuthEnable", b"")):
        code, told, _ = calls.call("/etcdserverpb.Auth/" + name, body)
        assert code == 0, f"{name}: {told}"
    return tuple(token_of(calls, user) for user in (b"low", b"root"))


def token_of(calls, user):
    code, told, answer = calls.call("/etcdserverpb.Auth/Authenticate", text(1, user) + text(2, b"pw"))
    assert code == 0, told
    at = 2 + answer[1]  # Behind the header.
    return answer[at + 2:at + 2 + answer[at + 1]].decode()


def check_users(server, found):
    calls = Calls(HOST, PLAIN)
    low, root = enable_users(calls)
    callers = (("no token", {}), ("a bad token", {"token": "x.1"}), ("no role", {"token": low}))
    for i, (who, metadata) in enumerate(callers):
        for path, body, expected in ETCD_ROWS:
            differing(found, path, who, expected[i], server.rpc((path, body), calls, **metadata))
    differing(found, "Range", "root", OK, server.rpc(("etcdserverpb.KV/Range", text(1, b"a")), calls, token=root))
    calls.close()
    calls = Calls(HOST, ETCD, server.context("poor"))  # Its name is that of no user.
    for path, body, expected in ETCD_ROWS:
        nobody = DENIED if expected[0] == EMPTY else expected[0]
        differing(found, path, "a name that is no user", nobody, server.rpc((path, body), calls))
    calls.close()


# The table of all RPCs, for whoever might call them. CVE-2026-33413: calls of the etcd API without any check.
@case
def each_call_is_for_whom_the_table_says():
    server = Guarded()
    try:
        server.wait_ready()
        server.make_certificates()
        server.wait_rights()
        found = []
        for port, rows, read in ((API, API_ROWS, ("coracle.v1.Objects/List", SECRETS)),
                                 (ETCD, ETCD_ROWS, ("etcdserverpb.KV/Range", text(1, b"a")))):
            calls = Calls(HOST, port, server.context("admin"))
            check_rows(calls, rows)
            differing(found, read[0], "the administrator", OK, server.rpc(read, calls))
            calls.close()
        differing(found, "the peer port", "a member", OK, server.peer_port("server", patience_s=0.5))
        check_certificates(server, found)
        check_users(server, found)
        assert not found, f"{len(found)} differ:\n" + "\n".join(found)
    finally:
        server.end()
