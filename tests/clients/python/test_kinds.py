"""One object of every kind through the models of the Kubernetes client for Python: what was written is what is read."""

import copy
import datetime
import json
import os
import re
import unittest

import yaml

from kubernetes import client, utils
from support import NAMESPACE, connect, refusal, retry_conflicts

OBJECTS = os.path.join(os.path.dirname(__file__), "..", "objects.yaml")
CLUSTER_WIDE = {
    "Namespace", "Node", "PersistentVolume", "IngressClass", "RuntimeClass", "ClusterRole", "ClusterRoleBinding",
    "PriorityClass", "StorageClass", "CSIDriver", "CSINode", "VolumeAttachment", "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration", "APIService",
}
# Their names are not free: the endpoints of a service, the group and version of an API.
NAMED = {"APIService"}


def snake(kind):
    return re.sub("([a-z0-9])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()


class Kind:
    """The functions that the client has for a kind."""

    def __init__(self, manifest):
        group, _, version = manifest["apiVersion"].rpartition("/")
        group = "".join(word.capitalize() for word in re.sub(r"\.k8s\.io$", "", group or "core").split("."))
        self.api = getattr(client, group + version.capitalize() + "Api")()
        self.kind = manifest["kind"]
        self.name = manifest["metadata"]["name"]
        self.namespaced = self.kind not in CLUSTER_WIDE

    def has(self, verb, subresource=""):
        return hasattr(self.api, self.function_name(verb, subresource))

    def function_name(self, verb, subresource=""):
        name = verb + ("_namespaced_" if self.namespaced else "_") + snake(self.kind)
        return name + ("_" + subresource if subresource else "")

    def call(self, verb, *args, subresource="", **more):
        if verb not in ("create", "list", "delete_collection"):
            args = (self.name, *([NAMESPACE] if self.namespaced else []), *args)
        elif self.namespaced:
            args = (NAMESPACE, *args)
        return getattr(self.api, self.function_name(verb, subresource))(*args, **more)


def known_to(model_name, raw):
    """What of RAW the model has attributes for: the client is older than the server."""
    if raw is None:
        return None
    if match := re.fullmatch(r"list\[(.*)\]", model_name):
        return [known_to(match[1], item) for item in raw]
    if match := re.fullmatch(r"dict\(str, (.*)\)", model_name):
        return {key: known_to(match[1], value) for key, value in raw.items()}
    if model_name == "datetime":
        return datetime.datetime.fromisoformat(raw.replace("Z", "+00:00")).isoformat()
    model = getattr(client, model_name, None)
    if model is None:
        return raw
    names = {name: model.openapi_types[attribute] for attribute, name in model.attribute_map.items()}
    return {name: known_to(names[name], value) for name, value in raw.items() if name in names}


def without_empty(value):
    """Models leave out what is null, and cannot tell an empty object from none."""
    if isinstance(value, dict):
        members = {key: without_empty(item) for key, item in value.items()}
        return {key: item for key, item in members.items() if item not in ({}, None)}
    return [without_empty(item) for item in value] if isinstance(value, list) else value


class Holder:
    """Holds what is the same but for members that came to it, as defaults do."""

    def __init__(self, raw):
        self.raw = raw

    def __repr__(self):
        return repr(self.raw)

    def __contains__(self, written):
        if isinstance(written, dict):
            return all(name in self.raw and value in Holder(self.raw[name]) for name, value in written.items())
        if isinstance(written, list):
            return len(written) <= len(self.raw) and all(a in Holder(b) for a, b in zip(written, self.raw))
        return self.raw == written


class Kinds(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        connect()

    def test_every_kind(self):
        with open(OBJECTS) as file:
            manifests = list(yaml.safe_load_all(file))
        self.assertGreater(len(manifests), 40)
        for manifest in manifests:
            if manifest["kind"] not in NAMED:
                manifest["metadata"]["name"] = "python-" + manifest["metadata"]["name"]
            with self.subTest(manifest["apiVersion"] + " " + manifest["kind"]):
                self.walk(Kind(manifest), manifest)

    def walk(self, kind, manifest):
        api_client = kind.api.api_client
        dry, = utils.create_from_dict(api_client, copy.deepcopy(manifest), namespace=NAMESPACE, dry_run="All")
        self.assertIsNotNone(dry.metadata.uid)
        self.assertEqual(refusal(kind.call, "read")["reason"], "NotFound")
        made, = utils.create_from_dict(api_client, copy.deepcopy(manifest), namespace=NAMESPACE)
        self.assertEqual((made.kind, made.api_version), (manifest["kind"], manifest["apiVersion"]))
        self.assertEqual(refusal(utils.create_from_dict, api_client, manifest, namespace=NAMESPACE)["reason"],
                         "AlreadyExists")
        self.read_whole(kind, type(made).__name__, manifest)
        self.write_back(kind)
        self.patch(kind)
        self.find(kind)
        if kind.has("read", "status"):
            self.status(kind)
        self.delete(kind)

    def read_whole(self, kind, model_name, manifest):
        """The model holds all of the JSON that it has attributes for, and that all of what was written."""
        raw = json.loads(kind.call("read", _preload_content=False).data)
        model = kind.api.api_client.deserialize(type("Response", (), {"data": json.dumps(raw)}), model_name)
        again = kind.api.api_client.sanitize_for_serialization(model)
        self.assertEqual(without_empty(known_to(model_name, raw)), without_empty(again))
        written = {field: value for field, value in manifest.items() if field != "stringData"}
        self.assertIn(written, Holder(raw))

    def write_back(self, kind):
        """What is written as it was read changes nothing."""
        def attempt():
            model = kind.call("read")
            again = kind.call("replace", model)
            self.assertEqual(again.metadata.resource_version, model.metadata.resource_version)
            return model
        model = retry_conflicts(attempt)

        def label():
            changed = kind.call("read")
            changed.metadata.labels = {**(changed.metadata.labels or {}), "replaced": "yes"}
            return kind.call("replace", changed)
        self.assertEqual(retry_conflicts(label).metadata.labels["replaced"], "yes")
        status = refusal(kind.call, "replace", model)
        self.assertEqual((status["code"], status["reason"]), (409, "Conflict"))

    def patch(self, kind):
        # The type of a patch that is no list is a strategic merge; another is asked for by the header.
        kind.call("patch", {"metadata": {"labels": {"strategic": "yes"}}})
        kind.call("patch", [{"op": "add", "path": "/metadata/labels/json", "value": "yes"}])
        with client.ApiClient(header_name="Content-Type", header_value="application/merge-patch+json") as merging:
            merge = Kind.__new__(Kind)
            merge.__dict__.update(kind.__dict__, api=type(kind.api)(merging))
            labels = merge.call("patch", {"metadata": {"labels": {"merge": "yes", "replaced": None}}}).metadata.labels
        self.assertEqual({"strategic": "yes", "json": "yes", "merge": "yes"}.items() - labels.items(), set())
        self.assertNotIn("replaced", labels)

    def find(self, kind):
        by_label = kind.call("list", label_selector="strategic=yes,json in (yes)")
        self.assertEqual([item.metadata.name for item in by_label.items], [kind.name])
        by_field = kind.call("list", field_selector=f"metadata.name={kind.name}", limit=1)
        self.assertEqual([item.metadata.name for item in by_field.items], [kind.name])
        self.assertEqual(by_label.kind, kind.kind + "List")
        if kind.namespaced:
            everywhere = getattr(kind.api, f"list_{snake(kind.kind)}_for_all_namespaces")(label_selector="merge")
            self.assertIn(kind.name, [item.metadata.name for item in everywhere.items])

    def status(self, kind):
        read = kind.call("read", subresource="status")
        self.assertEqual(read.metadata.name, kind.name)
        patched = kind.call("patch", {"metadata": {"annotations": {"status": "patched"}}}, subresource="status")
        self.assertEqual(patched.metadata.name, kind.name)
        retry_conflicts(
            lambda: kind.call("replace", kind.call("read", subresource="status"), subresource="status"))

    def delete(self, kind):
        if kind.has("delete_collection"):
            kind.call("delete_collection", label_selector="strategic=no")
            kind.call("delete_collection", label_selector="strategic=yes", dry_run="All")
        kind.call("read")
        wrong = refusal(kind.call, "delete", body=client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="0")))
        self.assertEqual(wrong["reason"], "Conflict")
        if kind.has("delete_collection") and kind.kind not in ("Pod", "PersistentVolume", "PersistentVolumeClaim"):
            kind.call("delete_collection", label_selector="strategic=yes")
        else:
            kind.call("delete", grace_period_seconds=0)
