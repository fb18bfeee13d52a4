"""The Kubernetes client for Python, unchanged, against one server of ours, as its users use it."""

import base64
import datetime
import json
import os
import shutil
import subprocess
import tempfile
import threading
import unittest

from kubernetes import client, config, utils, watch
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock
from kubernetes.stream import stream
from support import NAMESPACE, POD, Case, config_map, refusal, within


class Objects(Case):
    def test_pages_are_of_one_state(self):
        for i in range(7):
            self.make(f"page-{i}", {"list": "pages"})
        names, more = [], None
        while more != "":
            page = self.core.list_namespaced_config_map(NAMESPACE, label_selector="list=pages", limit=3, _continue=more)
            if more is None:
                first = page.metadata
                self.assertIsNone(first.remaining_item_count)  # Of a list that is selected it is not told.
                self.delete("page-6")
            names += [item.metadata.name for item in page.items]
            self.assertEqual(page.metadata.resource_version, first.resource_version)
            more = page.metadata._continue or ""
        self.assertEqual(names, [f"page-{i}" for i in range(7)])
        self.assertEqual(self.core.list_namespaced_config_map(NAMESPACE, limit=1).metadata.remaining_item_count,
                         len(self.core.list_namespaced_config_map(NAMESPACE).items) - 1)
        wrong = refusal(self.core.list_namespaced_config_map, NAMESPACE, limit=3, _continue="nonsense")
        self.assertEqual((wrong["code"], wrong["reason"]), (400, "BadRequest"))

    def test_refusals_say_why(self):
        status = refusal(self.core.create_namespaced_config_map, NAMESPACE, config_map("Not A Name"))
        self.assertEqual(status["reason"], "Invalid")
        self.assertEqual(status["details"]["causes"][0]["field"], "metadata.name")
        status = refusal(self.core.create_namespaced_config_map, "nowhere", config_map("a"))
        self.assertEqual((status["reason"], status["message"]), ("NotFound", 'namespaces "nowhere" not found'))
        with self.assertRaises(client.ApiException) as caught:
            client.BatchV1beta1Api().list_cron_job_for_all_namespaces()
        self.assertEqual((caught.exception.status, json.loads(caught.exception.body)["reason"]), (404, "NotFound"))
        status = refusal(self.core.list_namespaced_config_map, NAMESPACE, label_selector="a in (")
        self.assertEqual(status["reason"], "BadRequest")
        status = refusal(self.core.list_namespaced_config_map, NAMESPACE, field_selector="spec.x=1")
        self.assertIn("is not a known field selector", status["message"])

    def test_selectors(self):
        for name, labels in (("s-a", {"tier": "front", "of": "select"}), ("s-b", {"tier": "back", "of": "select"}),
                             ("s-c", {"of": "select"})):
            self.make(name, labels)

        def select(labels, fields=None):
            found = self.core.list_namespaced_config_map(
                NAMESPACE, label_selector="of=select," + labels, field_selector=fields)
            return [item.metadata.name for item in found.items]
        self.assertEqual(select("tier"), ["s-a", "s-b"])
        self.assertEqual(select("!tier"), ["s-c"])
        self.assertEqual(select("tier notin (front)"), ["s-b", "s-c"])
        self.assertEqual(select("tier!=front", "metadata.name!=s-c"), ["s-b"])
        self.core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="of=select,tier in (front, back)")
        self.assertEqual(select("of"), ["s-c"])

    def test_threads_write_one_object(self):
        self.make("counted", n="0")
        api = client.CoreV1Api()

        def count(times):
            for _ in range(times):
                while True:
                    read = api.read_namespaced_config_map("counted", NAMESPACE)
                    read.data["n"] = str(int(read.data["n"]) + 1)
                    if refusal(api.replace_namespaced_config_map, "counted", NAMESPACE, read) is None:
                        break
        threads = [threading.Thread(target=count, args=(10,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.core.read_namespaced_config_map("counted", NAMESPACE).data["n"], "40")

    def test_asynchronous_requests(self):
        pending = [self.core.create_namespaced_config_map(NAMESPACE, config_map(f"async-{i}"), async_req=True)
                   for i in range(8)]
        self.assertEqual({made.get().metadata.name for made in pending}, {f"async-{i}" for i in range(8)})

    def test_multi_document_files(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("# Nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-yaml}\n---\n---\n"
                       "apiVersion: v1\nkind: List\nitems:\n"
                       "- {apiVersion: v1, kind: Secret, metadata: {name: from-yaml}, stringData: {a: b}}\n"
                       "- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: from-yaml},"
                       " spec: {podSelector: {}}}\n")
            file.flush()
            made = utils.create_from_yaml(client.ApiClient(), file.name, namespace=NAMESPACE)
            self.assertEqual([item.kind for document in made for item in document],
                             ["ConfigMap", "Secret", "NetworkPolicy"])
            with self.assertRaises(utils.FailToCreateError) as caught:
                utils.create_from_yaml(client.ApiClient(), file.name, namespace=NAMESPACE)
            self.assertEqual([error.status for error in caught.exception.api_exceptions], [409] * 3)
        self.assertEqual(base64.b64decode(self.core.read_namespaced_secret("from-yaml", NAMESPACE).data["a"]), b"b")

    def test_scales(self):
        apps = client.AppsV1Api()
        template = {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]}
        apps.create_namespaced_deployment(NAMESPACE, {"metadata": {"name": "scaled"}, "spec": {
            "replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}})
        scale = apps.read_namespaced_deployment_scale("scaled", NAMESPACE)
        self.assertEqual((scale.kind, scale.spec.replicas, scale.status.selector), ("Scale", None, "a=b"))
        scale = apps.patch_namespaced_deployment_scale("scaled", NAMESPACE, {"spec": {"replicas": 2}})
        self.assertEqual(scale.spec.replicas, 2)
        within("the pods", lambda: len(self.core.list_namespaced_pod(NAMESPACE, label_selector="a=b").items) == 2)
        within("the status", lambda: apps.read_namespaced_deployment_status("scaled", NAMESPACE).status.replicas == 2)
        apps.delete_namespaced_deployment("scaled", NAMESPACE, propagation_policy="Foreground")
        within("the end", lambda: refusal(apps.read_namespaced_deployment, "scaled", NAMESPACE) is not None)
        self.assertEqual(apps.list_namespaced_replica_set(NAMESPACE, label_selector="a=b").items, [])

    def test_events(self):
        self.core.create_namespaced_event(NAMESPACE, client.CoreV1Event(
            metadata=client.V1ObjectMeta(name="told"), reason="Tested", message="it was", type="Warning", count=1,
            event_time=datetime.datetime.now(datetime.timezone.utc), action="testing",
            reporting_component="example/tests", reporting_instance="tests-1",
            involved_object=client.V1ObjectReference(kind="ConfigMap", name="told-of", namespace=NAMESPACE)))
        found = self.core.list_namespaced_event(NAMESPACE, field_selector="involvedObject.name=told-of,type=Warning")
        self.assertEqual([event.reason for event in found.items], ["Tested"])
        other = client.EventsV1Api().read_namespaced_event("told", NAMESPACE)
        self.assertEqual((other.note, other.deprecated_count, other.regarding.name), ("it was", 1, "told-of"))


class Watches(Case):
    def events(self, function, *args, count=None, **more):
        watcher, seen = watch.Watch(), []
        for event in watcher.stream(function, *args, **more):
            seen.append(event)
            if len(seen) == count:
                watcher.stop()
        return seen

    def test_changes_are_told_from_a_version_on(self):
        version = self.version()
        self.make("watched", {"watched": "yes"}, a="1")
        self.make("unwatched")
        self.core.patch_namespaced_config_map("watched", NAMESPACE, {"data": {"a": "2"}})
        self.core.patch_namespaced_config_map("watched", NAMESPACE, {"metadata": {"labels": {"watched": None}}})
        self.core.patch_namespaced_config_map("watched", NAMESPACE, {"metadata": {"labels": {"watched": "yes"}}})
        self.delete("watched")
        selected = {"label_selector": "watched", "resource_version": version}
        events = self.events(self.core.list_namespaced_config_map, NAMESPACE, count=5, **selected)
        self.assertEqual([event["type"] for event in events], ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"])
        self.assertIsInstance(events[0]["object"], client.V1ConfigMap)
        self.assertEqual([event["object"].data["a"] for event in events[:2]], ["1", "2"])
        selected["resource_version"] = events[1]["object"].metadata.resource_version
        again = self.events(self.core.list_config_map_for_all_namespaces, count=3, **selected)
        self.assertEqual([event["raw_object"] for event in again], [event["raw_object"] for event in events[2:]])

    def test_what_is_there_is_told_first(self):
        self.make("there", {"first": "told"})
        for version in ({}, {"resource_version": 0}):
            events = self.events(self.core.list_namespaced_config_map, NAMESPACE, label_selector="first=told",
                                 timeout_seconds=1, **version)
            self.assertEqual([(event["type"], event["object"].metadata.name) for event in events],
                             [("ADDED", "there")])

    def test_bookmarks_end_a_watch(self):
        version = self.version()
        self.make("bookmarked")
        events = self.events(self.core.list_namespaced_config_map, NAMESPACE, label_selector="no=such",
                             resource_version=version, allow_watch_bookmarks=True, timeout_seconds=2)
        self.assertEqual(events[-1]["type"], "BOOKMARK")
        told = events[-1]["raw_object"]
        self.assertEqual(told["kind"], "ConfigMap")
        self.assertGreater(int(told["metadata"]["resourceVersion"]), int(version))

    def test_one_that_is_named(self):
        self.make("named")
        version = self.version()
        self.delete("named")
        events = self.events(self.core.list_namespaced_config_map, NAMESPACE, field_selector="metadata.name=named",
                             resource_version=version, count=1)
        self.assertEqual([event["type"] for event in events], ["DELETED"])

    def test_a_version_that_is_no_longer_kept_is_gone(self):
        listed = self.core.list_namespaced_pod_template(NAMESPACE).metadata.resource_version
        container = {"name": "c", "image": "i", "env": [{"name": "LARGE", "value": ""}]}
        self.core.create_namespaced_pod_template(
            NAMESPACE, {"metadata": {"name": "large"}, "template": {"spec": {"containers": [container]}}})
        for i in range(36):  # History is kept up to 32 MiB.
            container["env"][0]["value"] = str(i).zfill(1000000)
            self.core.patch_namespaced_pod_template(
                "large", NAMESPACE, {"template": {"spec": {"containers": [container]}}}, _preload_content=False)
        for more in ({}, {"timeout_seconds": 60}):  # With the one the client does not try again.
            with self.assertRaises(client.ApiException) as caught:
                self.events(self.core.list_namespaced_pod_template, NAMESPACE, resource_version=listed, **more)
            self.assertEqual(caught.exception.status, 410)
            self.assertRegex(caught.exception.reason, r"^Expired: too old resource version: \d+ \(\d+\)")
        self.core.delete_namespaced_pod_template("large", NAMESPACE)

    @unittest.skipUnless(shutil.which("etcdctl"), "etcdctl is not installed")
    def test_a_list_that_was_compacted_goes_on(self):
        page = self.core.list_namespaced_config_map(NAMESPACE, limit=1)
        self.make("compacted")
        subprocess.run(["etcdctl", "--endpoints", os.environ["CLIENTS_ETCD"], "compact", self.version()],
                       env={**os.environ, "ETCDCTL_API": "3"}, check=True, stdout=subprocess.DEVNULL)
        status = refusal(self.core.list_namespaced_config_map, NAMESPACE, limit=1, _continue=page.metadata._continue)
        self.assertEqual((status["code"], status["reason"]), (410, "Expired"))
        rest = self.core.list_namespaced_config_map(NAMESPACE, _continue=status["metadata"]["continue"])
        self.assertIn("compacted", [item.metadata.name for item in rest.items])


class Access(Case):
    def test_reviews(self):
        access = client.AuthorizationV1Api()
        attributes = client.V1ResourceAttributes(verb="delete", resource="nodes")
        mine = access.create_self_subject_access_review(
            client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)))
        self.assertTrue(mine.status.allowed)
        other = access.create_subject_access_review(client.V1SubjectAccessReview(
            spec=client.V1SubjectAccessReviewSpec(user="nobody", resource_attributes=attributes)))
        self.assertFalse(other.status.allowed)
        local = access.create_namespaced_local_subject_access_review(NAMESPACE, client.V1LocalSubjectAccessReview(
            metadata=client.V1ObjectMeta(namespace=NAMESPACE), spec=client.V1SubjectAccessReviewSpec(
                user="nobody",
                resource_attributes=client.V1ResourceAttributes(verb="get", resource="pods", namespace=NAMESPACE))))
        self.assertFalse(local.status.allowed)
        rules = access.create_self_subject_rules_review(
            client.V1SelfSubjectRulesReview(spec=client.V1SelfSubjectRulesReviewSpec(namespace=NAMESPACE)))
        self.assertIn(["*"], [rule.verbs for rule in rules.status.resource_rules])

    def test_tokens_are_used_as_in_a_cluster(self):
        self.core.create_namespaced_service_account(NAMESPACE, {"metadata": {"name": "inside"}})
        request = client.AuthenticationV1TokenRequest(
            spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600))
        token = self.core.create_namespaced_service_account_token("inside", NAMESPACE, request).status.token
        review = client.AuthenticationV1Api().create_token_review(
            client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token)))
        self.assertEqual((review.status.authenticated, review.status.user.username),
                         (True, f"system:serviceaccount:{NAMESPACE}:inside"))
        outside = client.Configuration.get_default_copy()
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("token", token), ("ca.crt", open(outside.ssl_ca_cert).read())):
                with open(os.path.join(folder, name), "w") as file:
                    file.write(text)
            address, port = outside.host.removeprefix("https://").split(":")
            inside = client.Configuration()
            config.incluster_config.InClusterConfigLoader(
                token_filename=os.path.join(folder, "token"), cert_filename=os.path.join(folder, "ca.crt"),
                environ={"KUBERNETES_SERVICE_HOST": address, "KUBERNETES_SERVICE_PORT": port}).load_and_set(inside)
            core = client.CoreV1Api(client.ApiClient(inside))
            denied = refusal(core.list_namespaced_pod, NAMESPACE)
            self.assertIn(f'User "system:serviceaccount:{NAMESPACE}:inside" cannot list resource "pods"',
                          denied["message"])
            roles = client.RbacAuthorizationV1Api()
            roles.create_namespaced_role_binding(NAMESPACE, {
                "metadata": {"name": "inside"}, "subjects": [{"kind": "ServiceAccount", "name": "inside"}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}})
            within("the role", lambda: refusal(core.list_namespaced_pod, NAMESPACE) is None)
            self.core.delete_namespaced_service_account("inside", NAMESPACE)
            within("the token's end", lambda: (refusal(core.list_namespaced_pod, NAMESPACE) or {}).get("code") == 401)

    def test_impersonation(self):
        other = client.ApiClient()
        other.set_default_header("Impersonate-User", "somebody")
        other.set_default_header("Impersonate-Group", "some")
        status = refusal(client.CoreV1Api(other).list_namespaced_secret, NAMESPACE)
        self.assertEqual((status["code"], status["reason"]), (403, "Forbidden"))
        self.assertIn('User "somebody" cannot list resource "secrets"', status["message"])

    def test_who_shows_a_wrong_token_is_refused(self):
        wrong = client.Configuration.get_default_copy()
        wrong.cert_file = wrong.key_file = None
        wrong.api_key = {"authorization": "Bearer nonsense"}
        status = refusal(client.CoreV1Api(client.ApiClient(wrong)).list_namespace)
        self.assertEqual((status["code"], status["message"]), (401, "Unauthorized"))


class Pods(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.core.create_namespaced_pod(NAMESPACE, POD)

    def test_log_is_empty_and_exec_refused_without_a_node(self):
        self.assertEqual(self.core.read_namespaced_pod_log("nowhere", NAMESPACE), "")
        status = refusal(self.core.read_namespaced_pod_log, "nowhere", NAMESPACE, container="other")
        self.assertIn("container other is not valid for pod nowhere", status["message"])
        status = refusal(self.core.read_namespaced_pod_log, "none", NAMESPACE)
        self.assertEqual(status["reason"], "NotFound")
        with self.assertRaises(client.ApiException) as caught:
            stream(self.core.connect_get_namespaced_pod_exec, "nowhere", NAMESPACE, command=["true"], stdout=True)
        self.assertEqual(caught.exception.status, 0)
        self.assertRegex(caught.exception.reason, "Handshake status (400|500)")

    def test_eviction_keeps_to_budgets(self):
        policy = client.PolicyV1Api()
        self.core.create_namespaced_pod(NAMESPACE, {**POD, "metadata": {"name": "kept", "labels": {"app": "kept"}}})
        self.core.patch_namespaced_pod_status("kept", NAMESPACE, {"status": {
            "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
        policy.create_namespaced_pod_disruption_budget(NAMESPACE, {
            "metadata": {"name": "kept"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "kept"}}}})
        eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name="kept", namespace=NAMESPACE))
        status = refusal(self.core.create_namespaced_pod_eviction, "kept", NAMESPACE, eviction)
        self.assertEqual((status["code"], status["reason"]), (429, "TooManyRequests"))
        self.assertEqual(status["details"]["causes"][0]["reason"], "DisruptionBudget")
        policy.delete_namespaced_pod_disruption_budget("kept", NAMESPACE)

        def evicted():
            self.core.create_namespaced_pod_eviction("kept", NAMESPACE, eviction, dry_run="All")
            return True
        within("the eviction", lambda: refusal(evicted) is None)
        self.core.create_namespaced_pod_eviction("kept", NAMESPACE, eviction)
        within("its end", lambda: refusal(self.core.read_namespaced_pod, "kept", NAMESPACE) is not None)

    def test_binding(self):
        self.core.create_namespaced_pod(NAMESPACE, {**POD, "metadata": {"name": "bound"}})
        # The client cannot read the Status that answers a binding as the Binding that it expects.
        self.core.create_namespaced_pod_binding("bound", NAMESPACE, client.V1Binding(
            metadata=client.V1ObjectMeta(name="bound"),
            target=client.V1ObjectReference(kind="Node", name="some", api_version="v1")), _preload_content=False)
        self.assertEqual(self.core.read_namespaced_pod("bound", NAMESPACE).spec.node_name, "some")


class Leaders(Case):
    def test_another_leads_when_one_dies(self):
        class Dying(ConfigMapLock):
            dead = False

            def get(self, name, namespace):
                if self.dead:
                    raise SystemExit
                return super().get(name, namespace)

        led, locks = [], {}

        def candidate(identity):
            locks[identity] = Dying("leader", NAMESPACE, identity)
            elected = electionconfig.Config(
                locks[identity], lease_duration=4, renew_deadline=3, retry_period=1,
                onstarted_leading=lambda: led.append(identity), onstopped_leading=lambda: None)
            thread = threading.Thread(target=leaderelection.LeaderElection(elected).run, daemon=True)
            thread.start()
            return thread
        threads = [candidate("one"), candidate("other")]
        within("a leader", lambda: led)
        locks[led[0]].dead = True
        within("the other leader", lambda: len(led) == 2)
        self.assertEqual(set(led), {"one", "other"})
        locks[led[1]].dead = True
        for thread in threads:
            thread.join(60)
        record = self.core.read_namespaced_config_map("leader", NAMESPACE).metadata.annotations
        self.assertEqual(json.loads(record["control-plane.alpha.kubernetes.io/leader"])["holderIdentity"], led[1])


class Server(Case):
    def test_it_tells_what_it_is(self):
        version = client.VersionApi().get_code()
        self.assertEqual((version.major, version.minor), ("1", "32"))
        groups = client.ApisApi().get_api_versions().groups
        self.assertIn("apps", [group.name for group in groups])
        self.assertEqual(client.CoreApi().get_api_versions().versions, ["v1"])
        resources = client.AppsV1Api().get_api_resources().resources
        self.assertIn("deployments/scale", [resource.name for resource in resources])
        short = [name for each in self.core.get_api_resources().resources for name in each.short_names or []]
        self.assertIn("po", short)

    def test_openapi(self):
        api = client.ApiClient()

        def get(path):
            return api.call_api(path, "GET", response_type="object", auth_settings=["BearerToken"],
                                _return_http_data_only=True)
        self.assertIn("io.k8s.api.core.v1.Pod", get("/openapi/v2")["definitions"])
        address = get("/openapi/v3")["paths"]["apis/apps/v1"]["serverRelativeURL"]
        self.assertTrue(address.startswith("/openapi/v3/apis/apps/v1?hash="))
        keys = client.WellKnownApi().get_service_account_issuer_open_id_configuration(_preload_content=False)
        self.assertIn("jwks_uri", json.loads(keys.data))
