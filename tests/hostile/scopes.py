"""Requests that reach for what lies outside the scope they were given: other kinds, other namespaces, addresses
of the node itself, descriptors of the process. Each is named after what it did to somebody."""
import json
import os
import socket
import ssl
import time

import client
from client import HOST, MAPS, PORT, case, expect, request

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "hostile.example.com"
CUSTOM = f"/apis/{GROUP}/v1"


def define(plural, kind, scope):
    """A custom kind, served when this returns."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{GROUP}"},
            "spec": {"group": GROUP, "scope": scope, "names": {"plural": plural, "kind": kind},
                     "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}]}}
    assert request("POST", DEFINITIONS, json.dumps(body))[0] in (201, 409)
    until(lambda: request("GET", f"{CUSTOM}/{plural}")[0] == 200, f"{plural} are not served")


def until(condition, problem, seconds=client.PATIENCE_S):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, problem
        time.sleep(0.05)


def custom(kind, name):
    return json.dumps({"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}})


def namespace(name):
    code, _, _ = request("POST", "/api/v1/namespaces",
                         json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
    assert code in (201, 409), code
    return f"/api/v1/namespaces/{name}"


def names(path):
    code, _, text = request("GET", path)
    assert code == 200, f"{path}: {code} {text[:200]}"
    return [item["metadata"]["name"] for item in json.loads(text)["items"]]


def remove(*paths):
    for path in paths:
        request("DELETE", path)


# CVE-2022-3162: who might list one custom kind could read another kind of its group.
@case
def a_list_holds_nothing_of_a_kind_or_namespace_whose_name_begins_alike():
    define("widgets", "Widget", "Namespaced")
    define("widgetsecrets", "WidgetSecret", "Namespaced")
    short, long = namespace("hostile"), namespace("hostile-2")
    inside = f"{CUSTOM}/namespaces/hostile"
    for path, kind in (("widgets", "Widget"), ("widgetsecrets", "WidgetSecret")):
        assert request("POST", f"{inside}/{path}", custom(kind, kind.lower()))[0] in (201, 409)
    assert request("POST", f"{long}/configmaps", json.dumps(client.config_map("long")))[0] in (201, 409)
    for path in (f"{inside}/widgets", f"{CUSTOM}/widgets", f"{CUSTOM}/widgets?limit=1"):
        assert names(path) == ["widget"], f"{path}: {names(path)}"
    assert "long" not in names(f"{short}/configmaps")
    for path in ("widgets/..%2fwidgetsecrets", "widgets%2f..%2fwidgetsecrets", "widgets/%2e%2e/widgetsecrets",
                 "widgets/..;/widgetsecrets", "widgets%00secrets", "widget"):
        code, _, text = request("GET", f"{inside}/{path}")
        assert code in (400, 403, 404), f"{path}: {code} {text[:200]}"
    remove(f"{DEFINITIONS}/widgets.{GROUP}", f"{DEFINITIONS}/widgetsecrets.{GROUP}", short, long)


# CVE-2019-11247: with a role in a namespace, objects of the cluster were read and written through its path.
@case
def an_object_of_the_cluster_is_not_reached_through_a_namespace():
    define("gadgets", "Gadget", "Cluster")
    assert request("POST", f"{CUSTOM}/gadgets", custom("Gadget", "g"))[0] in (201, 409)
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "hostile"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}]}
    assert request("POST", f"{rbac}/rolebindings", json.dumps(role))[0] in (201, 409)
    mallory = {"Impersonate-User": "mallory"}
    until(lambda: request("GET", MAPS, headers=mallory)[0] == 200, "the role is not in force")
    for path in (f"{CUSTOM}/gadgets", f"{CUSTOM}/gadgets/g", "/api/v1/nodes", "/api/v1/persistentvolumes"):
        expect(403, "Forbidden", "GET", path, headers=mallory)
    for path in (f"{CUSTOM}/namespaces/default/gadgets", f"{CUSTOM}/namespaces/default/gadgets/g",
                 "/api/v1/namespaces/default/nodes", "/api/v1/namespaces/default/persistentvolumes/x",
                 "/apis/rbac.authorization.k8s.io/v1/namespaces/default/clusterroles/admin"):
        for method in ("GET", "DELETE", "PUT"):
            body = custom("Gadget", "g") if method == "PUT" else None
            code, _, text = request(method, path, body, headers=mallory)
            assert code in (403, 404, 405), f"{method} {path}: {code} {text[:200]}"
    assert names(f"{CUSTOM}/gadgets") == ["g"]
    remove(f"{DEFINITIONS}/gadgets.{GROUP}", f"{rbac}/rolebindings/hostile")


# CVE-2021-25740: endpoints that point at the node, or at the cloud's metadata, lead a proxy there.
@case
def endpoints_are_not_addresses_of_the_node_itself():
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    for family, address in (("IPv4", "127.0.0.1"), ("IPv4", "169.254.169.254"), ("IPv4", "0.0.0.0"),
                            ("IPv4", "224.0.0.1"), ("IPv6", "::1"), ("IPv6", "fe80::1"), ("IPv6", "::"),
                            ("IPv4", "0127.0.0.1"), ("IPv4", "::ffff:127.0.0.1"),
                            ("IPv4", "2130706433")):
        body = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "evil"},
                "addressType": family, "endpoints": [{"addresses": [address]}]}
        expect(422, "Invalid", "POST", slices, json.dumps(body))
        body = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "evil"},
                "subsets": [{"addresses": [{"ip": address}], "ports": [{"port": 80}]}]}
        expect(422, "Invalid", "POST", "/api/v1/namespaces/default/endpoints", json.dumps(body))
    # Read in decimal, as Kubernetes does, and never in octal, which would be this machine's own.
    body = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "decimal"},
            "subsets": [{"addresses": [{"ip": "0177.0.0.1"}], "ports": [{"port": 80}]}]}
    expect(201, None, "POST", "/api/v1/namespaces/default/endpoints?dryRun=All", json.dumps(body))


def service(addresses):
    return json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hostile"},
                       "spec": {"ports": [{"port": 80}], "externalIPs": addresses}})


# CVE-2020-8554: a Service takes the traffic to any address that it names; a policy keeps users from it.
@case
def external_addresses_of_services_can_be_kept_from_users():
    services = "/api/v1/namespaces/default/services"
    for address in ("127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "x"):
        expect(422, "Invalid", "POST", services, service([address]), causes=["spec.externalIPs[0]"])
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
    version = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["services"]}
    policy = {"apiVersion": version, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "hostile"},
              "spec": {"matchConstraints": {"resourceRules": [rule]},
                       "validations": [{"expression": "!has(object.spec.externalIPs)"}]}}
    binding = {"apiVersion": version, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "hostile"},
               "spec": {"policyName": "hostile", "validationActions": ["Deny"]}}
    assert request("POST", policies + "ies", json.dumps(policy))[0] in (201, 409)
    assert request("POST", policies + "ybindings", json.dumps(binding))[0] in (201, 409)
    until(lambda: request("POST", services + "?dryRun=All", service(["1.1.1.1"]))[0] == 422, "no policy is in force")
    code, _, text = request("POST", services + "?dryRun=All", service([]))
    assert code == 201, f"{code} {text[:200]}"
    remove(policies + "ybindings/hostile", policies + "ies/hostile")


# CVE-2019-11248: a profiler on the port that everybody may ask.
@case
def nobody_finds_a_profiler():
    for path in ("/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile?seconds=30", "/debug/flags/v", "/configz"):
        expect(403, "Forbidden", "GET", path, client=None)
        expect(404, None, "GET", path)


# CVE-2024-21626: a descriptor that a child inherits leads out of whatever the child is locked into.
@case
def no_descriptor_would_reach_a_child():
    folder = f"/proc/{client.server.process.pid}"
    open_ones = [connection() for _ in range(5)]
    left = []
    for number in os.listdir(folder + "/fd"):
        try:
            flags = next(line for line in open(f"{folder}/fdinfo/{number}") if line.startswith("flags:"))
            target = os.readlink(f"{folder}/fd/{number}")
        except FileNotFoundError:
            continue  # Closed meanwhile.
        if int(number) > 2 and not int(flags.split()[1], 8) & os.O_CLOEXEC:
            left.append(f"{number} -> {target}")
    for stream in open_ones:
        stream.close()
    assert not left, f"not closed on exec: {left}"


def connection():
    stream = client.connect()
    stream.sendall(f"GET {MAPS}?watch=1 HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert stream.recv(12) == b"HTTP/1.1 200"
    return stream


# CVE-2023-32187: each name that a client asked for was added to the server's certificate, for ever.
@case
def names_that_clients_ask_for_add_nothing_to_the_certificate():
    context = client.tls_context(None)
    certificates = set()
    for i in range(100):
        with socket.create_connection((HOST, PORT), timeout=5) as raw, \
                context.wrap_socket(raw, server_hostname=f"host-{i}.{'x' * 60}.example.com") as stream:
            certificates.add(ssl.DER_cert_to_PEM_cert(stream.getpeercert(binary_form=True)))
    assert len(certificates) == 1, f"{len(certificates)} certificates"
    assert len(certificates.pop()) < 4000
