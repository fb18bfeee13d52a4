"""Custom resources, and the dynamic client, which finds out by itself what a server has."""

import json
import os
import tempfile

from kubernetes import client, dynamic, watch
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, ResourceNotFoundError
from kubernetes.dynamic.resource import ResourceList
from support import NAMESPACE, POD, Case, refusal, within


class Custom(Case):
    GROUP = {"group": "python.example", "version": "v1", "namespace": NAMESPACE, "plural": "toys"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        schema = {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "integer", "maximum": 9}}},
            "status": {"type": "object", "properties": {"size": {"type": "integer"}, "said": {"type": "string"}}}}}
        extensions = client.ApiextensionsV1Api()
        made = extensions.create_custom_resource_definition({
            "metadata": {"name": "toys.python.example"},
            "spec": {"group": "python.example", "scope": "Namespaced", "names": {"plural": "toys", "kind": "Toy"},
                     "versions": [{"name": "v1", "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": schema},
                                   "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size",
                                                                            "statusReplicasPath": ".status.size"}}}]}})
        assert made.spec.names.list_kind == "ToyList", made

        def established():
            definition = extensions.read_custom_resource_definition_status("toys.python.example")
            return any(each.type == "Established" and each.status == "True"
                       for each in definition.status.conditions or [])
        within("the definition", established)
        cls.custom = client.CustomObjectsApi()
        within("the kind", lambda: refusal(cls.custom.list_namespaced_custom_object, **cls.GROUP) is None)

    def toy(self, name, size=1):
        return {"apiVersion": "python.example/v1", "kind": "Toy", "metadata": {"name": name}, "spec": {"size": size}}

    def test_objects(self):
        custom, group = self.custom, self.GROUP
        made = custom.create_namespaced_custom_object(body=self.toy("t"), **group)
        large = refusal(custom.create_namespaced_custom_object, body=self.toy("u", 10), **group)
        self.assertEqual(large["details"]["causes"][0]["field"], "spec.size")
        made["spec"]["size"] = 2
        changed = custom.replace_namespaced_custom_object(name="t", body=made, **group)
        self.assertEqual(changed["metadata"]["generation"], 2)
        self.assertEqual(refusal(custom.replace_namespaced_custom_object, name="t", body=made, **group)["code"], 409)
        patched = custom.patch_namespaced_custom_object(name="t", body={"spec": {"size": 3}}, **group)
        self.assertEqual(patched["spec"]["size"], 3)
        with client.ApiClient(header_name="Content-Type", header_value="application/json-patch+json") as other:
            patched = client.CustomObjectsApi(other).patch_namespaced_custom_object(
                name="t", body=[{"op": "replace", "path": "/spec/size", "value": 4}], **group)
        self.assertEqual(patched["spec"]["size"], 4)
        status = custom.patch_namespaced_custom_object_status(name="t", body={"status": {"said": "a"}}, **group)
        self.assertEqual((status["status"]["said"], status["metadata"]["generation"]), ("a", 4))
        scale = custom.get_namespaced_custom_object_scale(name="t", **group)
        self.assertEqual((scale["kind"], scale["spec"]["replicas"]), ("Scale", 4))
        scale = custom.patch_namespaced_custom_object_scale(name="t", body={"spec": {"replicas": 5}}, **group)
        self.assertEqual(custom.get_namespaced_custom_object(name="t", **group)["spec"]["size"], 5)
        everywhere = custom.list_cluster_custom_object("python.example", "v1", "toys", label_selector="!no")
        self.assertIn("t", [item["metadata"]["name"] for item in everywhere["items"]])
        gone = custom.delete_namespaced_custom_object(name="t", **group)
        self.assertEqual(gone["status"], "Success")

    def test_watches(self):
        listed = self.custom.list_namespaced_custom_object(**self.GROUP)
        self.custom.create_namespaced_custom_object(body=self.toy("w"), **self.GROUP)
        self.custom.delete_namespaced_custom_object(name="w", **self.GROUP)
        watcher, seen = watch.Watch(), []
        for event in watcher.stream(self.custom.list_namespaced_custom_object, field_selector="metadata.name=w",
                                    resource_version=listed["metadata"]["resourceVersion"], **self.GROUP):
            seen.append((event["type"], event["object"]["kind"]))
            if len(seen) == 2:
                watcher.stop()
        self.assertEqual(seen, [("ADDED", "Toy"), ("DELETED", "Toy")])

    def test_the_dynamic_client_finds_them(self):
        with tempfile.TemporaryDirectory() as folder:
            cache = os.path.join(folder, "cache")
            toys = dynamic.DynamicClient(client.ApiClient(), cache_file=cache).resources.get(
                api_version="python.example/v1", kind="Toy")
            again = dynamic.DynamicClient(client.ApiClient(), cache_file=cache)  # From the cache this time.
            toys = again.resources.get(api_version="python.example/v1", kind="Toy")
            with self.assertRaises(ResourceNotFoundError):
                again.resources.get(api_version="python.example/v2", kind="Toy")
        toys.create(body=self.toy("dynamic"), namespace=NAMESPACE)
        merge = {"content_type": "application/merge-patch+json"}
        self.assertEqual(toys.patch(body={"spec": {"size": 7}}, name="dynamic", namespace=NAMESPACE, **merge).spec.size,
                         7)
        toys.status.patch(body={"status": {"size": 6}}, name="dynamic", namespace=NAMESPACE, **merge)
        self.assertEqual(toys.scale.get(name="dynamic", namespace=NAMESPACE).status.replicas, 6)
        toys.delete(name="dynamic", namespace=NAMESPACE)
        with self.assertRaises(NotFoundError):
            toys.get(name="dynamic", namespace=NAMESPACE)


class Dynamic(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory()
        cls.dynamic = dynamic.DynamicClient(client.ApiClient(), cache_file=os.path.join(cls.folder.name, "cache"))
        cls.maps = cls.dynamic.resources.get(api_version="v1", kind="ConfigMap")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_every_kind_is_listed(self):
        self.assertRegex(self.dynamic.version["kubernetes"]["gitVersion"], r"^v1\.32\.")
        listed = set()
        for resource in (each for found in self.dynamic.resources for each in found):
            if not isinstance(resource, ResourceList) and "list" in resource.verbs:
                self.assertEqual(resource.get(limit=1).kind, resource.kind + "List")
                listed.add(resource.kind)
        self.assertGreater(len(listed), 45)

    def test_apply(self):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "1"}}

        def apply(**more):  # This version of the client sends a text only.
            return self.maps.server_side_apply(body=json.dumps(body), name="applied", namespace=NAMESPACE, **more)
        made = apply(field_manager="one")
        self.assertEqual([(entry.manager, entry.operation) for entry in made.metadata.managedFields],
                         [("one", "Apply")])
        body["data"]["a"] = "2"
        with self.assertRaises(ConflictError) as caught:
            apply(field_manager="two")
        self.assertEqual(json.loads(caught.exception.body)["details"]["causes"][0]["field"], ".data.a")
        self.assertEqual(apply(field_manager="two", force_conflicts=True).data.a, "2")
        body["data"] = {}
        self.assertIsNone(apply(field_manager="two", dry_run="All").data)
        self.assertEqual(self.maps.get(name="applied", namespace=NAMESPACE).data.a, "2")

    def test_watch(self):
        made = self.maps.create(body={"metadata": {"name": "dynamic"}}, namespace=NAMESPACE)
        self.maps.patch(body={"data": {"a": "1"}}, name="dynamic", namespace=NAMESPACE)
        self.maps.delete(name="dynamic", namespace=NAMESPACE)
        events = []
        watcher = watch.Watch()
        for event in self.maps.watch(namespace=NAMESPACE, field_selector="metadata.name=dynamic", watcher=watcher,
                                     resource_version=made.metadata.resourceVersion, timeout=60):
            events.append((event["type"], event["object"].metadata.name))
            if len(events) == 2:
                watcher.stop()
        self.assertEqual(events, [("MODIFIED", "dynamic"), ("DELETED", "dynamic")])

    def test_subresources(self):
        pods = self.dynamic.resources.get(api_version="v1", kind="Pod")
        pods.create(body={**POD, "metadata": {"name": "dynamic"}}, namespace=NAMESPACE)
        pods.status.patch(body={"status": {"message": "said"}}, name="dynamic", namespace=NAMESPACE)
        self.assertEqual(pods.get(name="dynamic", namespace=NAMESPACE).status.message, "said")
        self.assertEqual(pods.get(namespace=NAMESPACE, field_selector="metadata.name=dynamic").items[0].status.phase,
                         "Pending")
        pods.delete(name="dynamic", namespace=NAMESPACE, body={"gracePeriodSeconds": 0})
