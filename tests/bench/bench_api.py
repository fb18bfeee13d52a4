"""Parts of tests/bench/run that measure the API: requests, lists, watches, and the memory of pods and watches.
Beside each figure stands what kube-apiserver 1.32 with etcd 3.5 took on the reference machine."""
import http.client
import json
import os
import resource
import shutil
import subprocess
import time

from bench_servers import TOP, Cluster, figures_of, listens, table, wait_for

API_LOAD = os.path.join(TOP, "build/release/tests/bench/api_load")
OBJECTS_LOAD = os.path.join(TOP, "build/release/tests/bench/objects_load")
API_WATCH_LOAD = os.path.join(TOP, "build/release/tests/bench/api_watch_load")
PROTOBUF = "application/vnd.kubernetes.protobuf"
PODS = "/api/v1/namespaces/default/pods"
STRATEGIC = "application/strategic-merge-patch+json"
# Server CPU in ms an operation and p99 in ms of kube-apiserver, one member with a store of one member.
KUBE = {"create": (1.34, 152), "get": (0.467, 50), "patch": (3.4, 107), "delete": (1.6, 111)}


def pod_template():
    """A pod that takes 2.4 KB of JSON when stored; api_load puts numbers in the place of '@' and '#'."""
    labels = {"app": "app-@@", "pod-template-hash": "5d4f8c7b9"}
    mounts = [{"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}]
    sources = [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
               {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bench-@@@@@@", "labels": labels},
            "spec": {"nodeName": "hollow-@@", "volumes": [{"name": "kube-api-access", "projected": {"sources": sources}}],
                     "containers": [{"name": "app", "image": "registry.example/app:1.2.3", "volumeMounts": mounts,
                                     "env": [{"name": "MODE", "value": "bench"}],
                                     "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}}


HANDSHAKES_SECONDS = 0.3  # A client has its connection before the server has verified the client's certificate.


class Api:
    """One member with its API and nothing else, and the loads on it."""

    def __init__(self, directory, name):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
        self.place = f"{directory}/{name}"
        os.mkdir(self.place)
        self.cluster = Cluster(self.place, members=1, flags=("--disable", "scheduler,controllers"))
        self.host, self.server = self.cluster.hosts[0], self.cluster.servers[0]
        self.patches = 0  # Rounds of them: each has values of its own.
        self.target = ("-e", f"{self.host}:6443", "-k", f"{self.place}/n1/pki")

    def __enter__(self):
        wait_for("listener", lambda: listens(self.host, 6443))
        self.context = self.cluster.tls()
        wait_for("/readyz", lambda: self.request("GET", "/readyz")[0] == 200)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        self.request("POST", "/api/v1/namespaces/default/serviceaccounts", json.dumps(account))
        return self

    def __exit__(self, *error):
        self.cluster.stop()
        shutil.rmtree(self.place)

    def request(self, method, path, body=None):
        connection = http.client.HTTPSConnection(self.host, 6443, context=self.context, timeout=30)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def file(self, name, content):
        path = f"{self.place}/{name}"
        with open(path, "w") as out:
            json.dump(content, out)
        return path

    def run(self, *flags, program=API_LOAD):
        """A load from start to end: its figures, with the CPU seconds of the server meanwhile as "cpu"."""
        return self.finish(self.begin(*flags, program=program))

    def begin(self, *flags, program=API_LOAD):
        """Returns when all of its connections are there."""
        load = subprocess.Popen([program, *self.target, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if load.stdout.readline() != "ready\n":
            load.kill()
            raise RuntimeError(f"{os.path.basename(program)} {' '.join(flags)}: no connection")
        time.sleep(HANDSHAKES_SECONDS)
        return load

    def finish(self, load, before=None):
        before = self.server.cpu_seconds() if before is None else before
        output, _ = load.communicate("\n", timeout=600)
        if load.returncode != 0:
            raise RuntimeError(f"{' '.join(load.args)}: {output}")
        return dict(figures_of(output), cpu=self.server.cpu_seconds() - before)

    def create(self, count, clients=64):
        body = self.file("pod", pod_template())
        return self.run("-m", "POST", "-p", PODS, "-b", body, "-x", "201", "-O", str(count), "-N", str(count), "-n", str(clients))

    def patch_flags(self, count, pods, clients):
        self.patches += 1
        body = self.file("patch", {"metadata": {"annotations": {"bench": f"{self.patches}-########"}}})
        return ("-m", "PATCH", "-p", f"{PODS}/bench-@@@@@@", "-b", body, "-t", STRATEGIC, "-O", str(pods), "-N", str(count),
                "-n", str(clients))


def requests_part(options, directory):
    """create, get, patch and delete of pods by 64 clients."""
    pods, rows = options.pods, []
    with Api(directory, "requests") as api:
        get = ("-p", f"{PODS}/bench-@@@@@@", "-O", str(pods), "-N", str(8 * pods), "-n", "64")
        steps = (("create", lambda: api.create(pods)),
                 ("get", lambda: api.run(*get)),
                 ("get, protobuf", lambda: api.run(*get, "-a", PROTOBUF)),
                 ("patch", lambda: api.run(*api.patch_flags(pods, pods, 64))),
                 ("delete", lambda: api.run("-m", "DELETE", "-p", f"{PODS}/bench-@@@@@@?gracePeriodSeconds=0", "-O", str(pods),
                                            "-N", str(pods), "-n", "64")))
        for name, step in steps:
            got = step()
            cpu_ms, p99_ms = KUBE[name.split(",")[0]]
            rows.append((name, f"{got['rate']:,.0f}", f"{got['p50_us'] / 1000:.2f}", f"{got['p99_us'] / 1000:.2f}", p99_ms,
                         f"{got['cpu'] * 1e6 / got['ops']:.1f}", f"{cpu_ms * 1000:.0f}",
                         f"{cpu_ms * got['ops'] / got['cpu'] / 1000:.1f}", f"{got['client_cpu_us']:.1f}",
                         f"{api.server.pss_mb():.1f}"))
    print(f"{pods} pods (2.4 KB of JSON when stored) by 64 clients over TLS (HTTP/1.1), one member:\n")
    table(("operation", "ops/s", "p50 ms", "p99 ms", "p99 ms, kube", "server CPU µs/op", "µs/op, kube", "times less CPU",
           "client CPU µs/op", "PSS MB after"), rows)


def objects_part(options, directory):
    """create and get of pods by 64 clients, over gRPC (coracle.v1.Objects) and over HTTP by turns."""
    pods, rows = options.pods, []
    with Api(directory, "objects") as api:
        body = api.file("pod", pod_template())
        many = ("-O", str(pods), "-N", str(8 * pods), "-n", "64")
        once = ("-O", str(pods), "-N", str(pods), "-n", "64")
        get = ("-p", f"{PODS}/bench-@@@@@@", *many)
        remove = ("-m", "DELETE", "-p", f"{PODS}/bench-@@@@@@?gracePeriodSeconds=0", *once)
        steps = (("create, HTTP", lambda: api.create(pods)),
                 (None, lambda: api.run(*remove)),
                 ("create, gRPC", lambda: api.run("-b", body, "-j", *once, program=OBJECTS_LOAD)),
                 ("get JSON, HTTP", lambda: api.run(*get)),
                 ("get JSON, gRPC", lambda: api.run("-j", *many, program=OBJECTS_LOAD)),
                 ("get protobuf, HTTP", lambda: api.run(*get, "-a", PROTOBUF)),
                 ("get protobuf, gRPC", lambda: api.run(*many, program=OBJECTS_LOAD)),
                 (None, lambda: api.run(*remove)))
        for turn in range(2):
            for name, step in steps:
                got = step()
                if name is not None:
                    rows.append((turn + 1, name, f"{got['rate']:,.0f}", f"{got['p50_us'] / 1000:.2f}", f"{got['p99_us'] / 1000:.2f}",
                                 f"{got['cpu'] * 1e6 / got['ops']:.1f}", f"{got['client_cpu_us']:.1f}"))
    print(f"{pods} pods by 64 clients over TLS, one member; HTTP/1.1, and gRPC with a connection for each client:\n")
    table(("turn", "operation", "ops/s", "p50 ms", "p99 ms", "server CPU µs/op", "client CPU µs/op"), rows)


def list_part(options, directory):
    """LIST of all pods, and of 1 % of them by label; the memory that each pod takes."""
    pods, rows = options.pods, []
    kinds = (("all, JSON", "application/json", "", options.lists * 4, "100"),
             ("all, protobuf", PROTOBUF, "", options.lists * 4, "100"),
             ("1 % by label, JSON", "application/json", "?labelSelector=app%3Dapp-07", options.lists * 100, "3.2 ms a list"),
             ("1 % by label, protobuf", PROTOBUF, "?labelSelector=app%3Dapp-07", options.lists * 100, "3.2 ms a list"))
    with Api(directory, "list") as api:
        fresh = api.server.pss_mb()
        got = api.create(pods)
        created = api.server.pss_mb()
        print(f"{pods} pods created: PSS {fresh:.1f} MB before, {created:.1f} MB after, "
              f"{(created - fresh) * 1000 / pods:.2f} KB a pod\n")
        for name, accept, query, count, kube in kinds:
            flags = ("-p", "/api/v1/pods" + query, "-a", accept, "-n", "4")
            api.run(*flags, "-N", "4")
            got = api.run(*flags, "-N", str(count))
            pss = api.server.pss_mb()
            rows.append((name, f"{got['bytes'] / got['ops'] / 1e6:.2f}", f"{got['rate']:,.0f}", f"{got['p50_us'] / 1000:.2f}",
                         f"{got['p99_us'] / 1000:.2f}", f"{got['cpu'] * 1000 / got['ops']:.3f}",
                         f"{got['bytes'] / 1e6 / got['cpu']:,.0f}", kube, f"{pss:.1f}", f"{(pss - fresh) * 1000 / pods:.2f}"))
    print(f"LIST of {pods} pods over TLS, 4 clients on the same cores:\n")
    table(("list", "MB a list", "lists/s", "p50 ms", "p99 ms", "server CPU ms a list", "MB a CPU second", "the same, kube",
           "PSS MB after", "KB a pod"), rows)


def fanout(api, options, watches, connections, patches):
    revision = json.loads(api.request("GET", f"{PODS}?limit=1")[1])["metadata"]["resourceVersion"]
    watch = api.begin("-p", f"/api/v1/pods?watch=1&resourceVersion={revision}", "-w", str(watches), "-c", str(connections),
                      "-x", str(patches), "-s", "60", program=API_WATCH_LOAD)
    writer = api.begin(*api.patch_flags(patches, options.pods, 8))
    before = api.server.cpu_seconds()
    watch.stdin.write("\n")
    watch.stdin.flush()
    written = api.finish(writer)
    got = api.finish(watch, before)
    return (watches, connections, f"{written['rate']:,.0f}", f"{written['p99_us'] / 1000:.1f}", f"{got['events']:,.0f}",
            int(got["missing"]), f"{got['rate']:,.0f}", f"{got['events'] / got['cpu']:,.0f}", f"{got['client_cpu_s']:.2f}")


def podwatch_part(options, directory):
    """Patches of pods by 8 clients, seen by many watches; and the memory of idle watches."""
    rows, memory = [], []
    with Api(directory, "podwatch") as api:
        api.create(options.pods)
        for watches, connections, patches in ((100, 100, 4000), (100, 4, 4000), (1000, 32, 1000)):
            rows.append(fanout(api, options, watches, connections, patches))
        for connections in (10, 10000):
            before = api.server.pss_mb()
            revision = json.loads(api.request("GET", f"{PODS}?limit=1")[1])["metadata"]["resourceVersion"]
            watch = api.begin("-p", f"/api/v1/pods?watch=1&resourceVersion={revision}", "-w", "10000", "-c", str(connections),
                              program=API_WATCH_LOAD)
            time.sleep(1)
            pss = api.server.pss_mb()
            watch.kill()
            watch.wait()
            memory.append((10000, connections, f"{before:.1f}", f"{pss:.1f}", f"{(pss - before) * 1000 / 10000:.2f}"))
            time.sleep(1)
    print(f"{options.pods} pods, patched by 8 clients, every patch seen by every watch (HTTP/2, JSON); kube-apiserver with 100 "
          "watches: 327 patches/s with a p99 of 107 ms, 32,448 events/s, 29,412 events a CPU second:\n")
    table(("watches", "connections", "patches/s", "p99 ms", "events", "missing", "events/s", "events a CPU second",
           "client CPU s"), rows)
    print("Idle watches:\n")
    table(("watches", "connections", "PSS MB before", "PSS MB with them", "KB a watch"), memory)
