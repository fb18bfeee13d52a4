"""The part of tests/bench/run that is about CustomResourceDefinitions: what many of them cost a member."""
import http.client
import json
import os
import time

from bench_servers import Cluster, listens, percentile, table, wait_for

GROUP = "bench.example.com"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PROPERTIES = 60  # With descriptions, as generated definitions have them: 10 KB of JSON.


def definition(number):
    plural = f"things{number}"
    fields = {f"field{i}": {"type": "string", "description": f"The field with the number {i}, of things of kind {number}, "
                            "as a generator of definitions describes it.", "maxLength": 253} for i in range(PROPERTIES)}
    spec = {"type": "object", "properties": fields, "required": ["field0"]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{GROUP}"},
            "spec": {"group": GROUP, "scope": "Namespaced", "names": {"plural": plural, "kind": f"Thing{number}"},
                     "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                                   "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}}


class Client:
    def __init__(self, cluster):
        self.connection = http.client.HTTPSConnection(cluster.hosts[0], 6443, context=cluster.tls(), timeout=60)

    def call(self, method, path, body=None):
        self.connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]}")
        return json.loads(text)

    def is_served(self, path):
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status == 200

    def establish(self, number):
        """Seconds from the request to create it until its objects are served; one is made and listed."""
        start = time.monotonic()
        self.call("POST", DEFINITIONS, definition(number))
        objects = f"/apis/{GROUP}/v1/namespaces/default/things{number}"
        while not self.is_served(objects):
            time.sleep(0.001)
        established = time.monotonic() - start
        thing = {"apiVersion": f"{GROUP}/v1", "kind": f"Thing{number}", "metadata": {"name": "one"},
                 "spec": {"field0": "x"}}
        self.call("POST", objects, thing)
        assert len(self.call("GET", objects)["items"]) == 1
        return established


def definitions_part(options, directory):
    """Memory for each definition with one object of it, and the time until it is established."""
    place = f"{directory}/definitions"
    os.mkdir(place)
    cluster = Cluster(place, members=1, flags=["--disable", "scheduler"])
    try:
        wait_for("listener", lambda: listens(cluster.hosts[0], 6443), 60)
        client = Client(cluster)
        wait_for("namespace default", lambda: client.call("GET", "/api/v1/namespaces")["items"])
        client.establish(0)
        client.call("GET", "/openapi/v2")
        time.sleep(2)
        before = cluster.servers[0].pss_mb()
        cpu = cluster.servers[0].cpu_seconds()
        times = [client.establish(number) * 1000 for number in range(1, options.definitions + 1)]
        cpu = cluster.servers[0].cpu_seconds() - cpu
        time.sleep(2)
        after = cluster.servers[0].pss_mb()
        client.call("GET", "/apis")
        size = len(json.dumps(definition(1)))
        rows = [(options.definitions, f"{size / 1024:.0f} KB", f"{(after - before) * 1000 / options.definitions:.0f} KB",
                 f"{percentile(times, 50):.1f}", f"{percentile(times, 99):.1f}", f"{cpu * 1000 / options.definitions:.1f}")]
        print("Definitions, one after the other, each with an object that is made and listed:\n")
        table(("definitions", "size of one", "PSS for one", "established p50 ms", "p99 ms", "server CPU ms each"), rows)
    finally:
        cluster.stop()
