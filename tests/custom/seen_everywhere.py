#!/usr/bin/env python3
"""seen_everywhere.py CA CERT KEY ROUNDS HOST...: definitions made through one member; as soon as that member says that
one is established, all others must serve it, in discovery too. Prints what was not so."""
import http.client
import json
import ssl
import sys

GROUP = "seen.example.com"


def definition(plural):
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{GROUP}"},
            "spec": {"group": GROUP, "scope": "Cluster", "names": {"plural": plural, "kind": plural.capitalize()},
                     "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}]}}


class Member:
    def __init__(self, host, context):
        self.connection = http.client.HTTPSConnection(host, 6443, context=context, timeout=20)

    def call(self, method, path, body=None):
        self.connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read() or "null")


def is_established(member, name):
    _, found = member.call("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?resourceVersion=0")
    return any(c["type"] == "Established" and c["status"] == "True"
               for c in found.get("status", {}).get("conditions") or [])


def main():
    ca, cert, key, rounds, *hosts = sys.argv[1:]
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
    members = [Member(host, context) for host in hosts]
    failures = 0
    for number in range(int(rounds)):
        plural = f"seen{number}s"
        maker = members[number % len(members)]
        code, _ = maker.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(plural))
        assert code == 201, code
        while not is_established(maker, f"{plural}.{GROUP}"):
            pass
        for member in members:
            if number % 2 == 0:
                code, _ = member.call("GET", f"/apis/{GROUP}/v1/{plural}")
                seen = code == 200
            else:
                code, found = member.call("GET", f"/apis/{GROUP}/v1")
                seen = code == 200 and any(r["name"] == plural for r in found["resources"])
            if not seen:
                failures += 1
                print(f"{plural}: {code} from {hosts[members.index(member)]}")
    sys.exit(failures > 0)


main()
