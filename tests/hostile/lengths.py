"""Lists and maps of thousands of items: whoever sends a request chooses their length, so a server that holds each item
against all others, or says of each what it says of the whole, can be kept busy or be brought down by one request."""
import json
import os
import time

import client
from client import PATIENCE_S, PODS, case, pod, request

APPLY_PATCH = "application/apply-patch+yaml"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
SECRETS = "/api/v1/namespaces/default/secrets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CERTIFICATE_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
FEW, MANY = 4000, 16000
# Four times the items take four times the time. Sixteen times would be seconds.
GROWTH_MAX, GRACE_S = 6, 0.4


def cpu_s():
    with open(f"/proc/{client.server.process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spec(name):
    def made(items):
        whole = pod("long")
        whole["spec"][name] = items
        return whole
    return made


def limit_range(items):
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "long"},
            "spec": {"limits": [{"type": "Container", "max": items}]}}


def node(items):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "long"}, "spec": {"taints": items}}


def storage_class(items):
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "long"},
            "provisioner": "a", "allowedTopologies": items}


def policy(items):
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "long"},
            "spec": {"matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"],
                                                             "operations": ["CREATE"]}]},
                     "variables": items, "validations": [{"expression": "true"}]}}


def access_review(items):
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": "a", "extra": {"a.b/c": items}, "resourceAttributes": {"verb": "get", "resource": "pods"}}}


def certificate_request(items):
    return {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "long"},
            "spec": {"request": "", "signerName": "a.b/c", "usages": items}}


def definition(items):
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "longs.a.b"},
            "spec": {"group": "a.b", "scope": "Namespaced", "names": {"plural": "longs", "kind": "Long"},
                     "versions": items}}


def keyed_definition(items):
    names = [f"k{i}" for i in items]
    keyed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": names,
             "items": {"type": "object", "required": names, "properties": {name: {"type": "string"} for name in names}}}
    return definition([{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
        "type": "object", "properties": {"long": keyed}}}}])


def named_definition(items):
    properties = {f"p{i}": {"type": "string"} for i in items}
    alternative = {"properties": {f"p{i}": {"maxLength": 9} for i in items}}
    return definition([{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
        "type": "object", "properties": properties, "allOf": [alternative]}}}])


def webhook(**more):
    hook = {"name": "a.b.c", "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://a/b"}}
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "long"}, "webhooks": [{**hook, **more}]}


SHAPES = {
    "env": (PODS, lambda i: {"name": f"V{i}"}, lambda items: pod("long", env=items)),
    "volumes": (PODS, lambda i: {"name": f"v{i}", "emptyDir": {}}, spec("volumes")),
    "host aliases": (PODS, lambda i: {"ip": f"1.{i >> 16}.{i >> 8 & 255}.{i & 255}"}, spec("hostAliases")),
    "containers": (PODS, lambda i: {"name": f"c{i}", "image": "i"}, spec("containers")),
    "init containers": (PODS, lambda i: {"name": f"d{i}", "image": "i"}, spec("initContainers")),
    "gates": (PODS, lambda i: {"name": f"s{i}"}, spec("schedulingGates")),
    "claims": (PODS, lambda i: {"name": f"s{i}", "resourceClaimName": "a"}, spec("resourceClaims")),
    "taints": ("/api/v1/nodes", lambda i: {"key": f"s{i}", "effect": "NoSchedule"}, node),
    "topologies": ("/apis/storage.k8s.io/v1/storageclasses",
                   lambda i: {"matchLabelExpressions": [{"key": f"s{i}", "values": ["b"]}]}, storage_class),
    "equal topologies": ("/apis/storage.k8s.io/v1/storageclasses",
                         lambda i: {"matchLabelExpressions": [{"key": "s", "values": ["b"]}]}, storage_class),
    "variables": ("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
                  lambda i: {"name": f"v{i}", "expression": "1"}, policy),
    "usages": (CERTIFICATE_REQUESTS, lambda i: f"u{i}", certificate_request),
    "equal usages": (CERTIFICATE_REQUESTS, lambda i: "any", certificate_request),
    "versions": (DEFINITIONS, lambda i: {"name": f"v{i + 1}"}, definition),
    "keys of a list": (DEFINITIONS, lambda i: i, keyed_definition),
    "properties of an alternative": (DEFINITIONS, lambda i: i, named_definition),
    "versions of reviews": (WEBHOOKS, lambda i: f"v{i + 1}", lambda items: webhook(admissionReviewVersions=items)),
    "resources of a rule": (WEBHOOKS, lambda i: f"r{i}/s", lambda items: webhook(rules=[
        {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": items}])),
    "extra": ("/apis/authorization.k8s.io/v1/subjectaccessreviews", str, access_review),
    "limits": ("/api/v1/namespaces/default/limitranges", None,
               lambda items: limit_range({f"a.b/s{i}": "1" for i in range(len(items))})),
}


def cost_s(path, body):
    before = cpu_s()
    code, _, text = request("POST", path + "?dryRun=All", json.dumps(body, separators=(",", ":")))
    assert code in (201, 413, 422), f"{code}: {text[:200]}"
    return cpu_s() - before


@case
def long_lists_take_time_for_their_length():
    for name, (path, item, made) in SHAPES.items():
        few, many = (cost_s(path, made([item(i) if item else i for i in range(count)]))
                     for count in (FEW, MANY))
        assert many <= few * GROWTH_MAX + GRACE_S, f"{name}: {FEW} take {few:.2f} s of CPU, {MANY} {many:.2f} s"


@case
def long_lists_are_merged_in_time_for_their_length():
    costs = []
    for count in (FEW // 2, MANY // 2):
        body = json.dumps(pod("merged", env=[{"name": f"V{i}"} for i in range(count)]))
        code, _, text = request("POST", PODS, body)
        assert code == 201, f"{code}: {text[:200]}"
        before = cpu_s()
        code, _, text = request("PATCH", PODS + "/merged?dryRun=All", body, STRATEGIC_PATCH)
        costs.append(cpu_s() - before)
        assert code == 200, f"{code}: {text[:200]}"
        code, _, text = request("DELETE", PODS + "/merged?gracePeriodSeconds=0")
        assert code == 200, f"{code}: {text[:200]}"
    assert costs[1] <= costs[0] * GROWTH_MAX + GRACE_S, f"{costs[0]:.2f} s of CPU, four times the items {costs[1]:.2f} s"


@case
def long_texts_of_a_secret_are_written_in_time_for_their_length():
    costs = []
    for count in (FEW, MANY):
        body = json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "texts"},
                           "stringData": {f"k{i}": "1" for i in range(count)}})
        code, _, text = request("POST", SECRETS, body)
        assert code == 201, f"{code}: {text[:200]}"
        before = cpu_s()
        code, _, text = request("PATCH", SECRETS + "/texts?dryRun=All", body, "application/merge-patch+json")
        costs.append(cpu_s() - before)
        assert code == 200, f"{code}: {text[:200]}"
        code, _, text = request("DELETE", SECRETS + "/texts")
        assert code == 200, f"{code}: {text[:200]}"
    assert costs[1] <= costs[0] * GROWTH_MAX + GRACE_S, f"{costs[0]:.2f} s of CPU, four times the items {costs[1]:.2f} s"


# Each of these ended the server, whose memory for one request was full.
@case
def bodies_as_long_as_they_may_be_end_no_server():
    for body in (pod("long", env=[{"name": f"V{i:06}"} for i in range(150000)]),
                 spec("volumes")([{"name": f"v{i:05}", "emptyDir": {}} for i in range(87000)])):
        text = json.dumps(body, separators=(",", ":"))
        for method, path, media in (("POST", f"{PODS}?dryRun=All", client.JSON),
                                    ("PATCH", f"{PODS}/long?dryRun=All&fieldManager=a", APPLY_PATCH)):
            code, _, answer = request(method, path, text, media)
            assert code in (201, 400, 413, 422), f"{method} {code}: {answer[:200]}"
    assert client.server.process.poll() is None


# Each of these ended the server: what it said of every item was kept, and some of it names the whole list.
@case
def what_is_wrong_with_thousands_is_said_in_bounds():
    body = pod("wrong", env=[{"name": "V", "value": str(i)} for i in range(12000)])
    code, _, text = request("PATCH", PODS + "/wrong?fieldManager=a&force=true", json.dumps(body), APPLY_PATCH)
    assert code == 500 and b"duplicate entries for key" in text, f"{code}: {text[:200]}"
    body = pod("wrong")
    body["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "A", "name": f"s{i}", "uid": f"u{i}",
                                            "controller": True} for i in range(12000)]
    code, _, text = request("POST", PODS, json.dumps(body))
    assert code == 422 and b"Only one reference can have Controller" in text, f"{code}: {text[:200]}"


# Each of these ended the server: the long name was written out for each of what is called after it, or stands in it.
@case
def long_names_are_not_copied_for_each_of_thousands():
    inside = pod("long", env=[{"name": f"V{i}"} for i in range(20000)])
    inside["spec"]["containers"][0]["name"] = "c" * 1000000
    after = spec("volumes")([{"name": "p", "persistentVolumeClaim": {"claimName": "x"}}] +
                            [{"name": f"v{i}", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}} for i in range(6000)])
    after["metadata"]["name"] = "n" * 1000000
    for method, path, body, media in (("PATCH", f"{PODS}/long?dryRun=All&fieldManager=a", inside, APPLY_PATCH),
                                      ("POST", f"{PODS}?dryRun=All", after, client.JSON)):
        code, _, answer = request(method, path, json.dumps(body, separators=(",", ":")), media)
        assert code in (413, 422), f"{method} {code}: {answer[:200]}"
    assert client.server.process.poll() is None


# A loop that copied them one by one ended the leader, and each that led after it.
@case
def thousands_of_labels_end_no_control_loop():
    labels = {f"s{i}": "" for i in range(12000)}
    body = {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "labels", "annotations": {f"a{i}": "" for i in range(12000)}},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"s1": ""}},
                     "template": {"metadata": {"labels": labels},
                                  "spec": {"containers": [{"name": "c", "image": "i"}]}}}}
    code, _, text = request("POST", DEPLOYMENTS, json.dumps(body))
    assert code == 201, f"{code}: {text[:200]}"

    end, made = time.monotonic() + PATIENCE_S, False
    while not made and time.monotonic() < end:
        made = json.loads(request("GET", "/apis/apps/v1/namespaces/default/replicasets?limit=1")[2])["items"]
        time.sleep(0.1)
    assert made, "no ReplicaSet is made"
    code, _, text = request("DELETE", DEPLOYMENTS + "/labels?propagationPolicy=Foreground")
    assert code == 200, f"{code}: {text[:200]}"
