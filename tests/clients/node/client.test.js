// The Kubernetes client for Node.js, unchanged, against one server of ours: KUBECONFIG says which.
// No node is there: what needs one is checked for its clear error.
import assert from "node:assert/strict";
import { test, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import stream from "node:stream";
import * as k8s from "@kubernetes/client-node";

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const namespace = "clients";
const PATIENCE_MS = 60000;

const configMap = (name, data = {}, labels = {}) => ({ metadata: { name, labels }, data });
const create = (name, data, labels) =>
    core.createNamespacedConfigMap({ namespace, body: configMap(name, data, labels) });

async function within(what, condition) {
    const end = Date.now() + PATIENCE_MS;
    while (!(await condition())) {
        assert.ok(Date.now() < end, `not within the time: ${what}`);
        await sleep(20);
    }
}

// The Status that a refused request answers with.
async function refusal(promise) {
    try {
        await promise;
    } catch (error) {
        assert.ok(error instanceof k8s.ApiException, String(error));
        return JSON.parse(error.body);
    }
    assert.fail("was not refused");
}

before(async () => {
    await core.createNamespace({ body: { metadata: { name: namespace } } });
});

test("an object is created, read, replaced and deleted", async () => {
    const made = await create("whole", { a: "1" });
    assert.ok(made.metadata.uid);
    assert.ok(made.metadata.creationTimestamp instanceof Date);
    made.data.a = "2";
    const body = await core.replaceNamespacedConfigMap({ name: "whole", namespace, body: made });
    assert.equal(body.data.a, "2");
    const stale = await refusal(
        core.replaceNamespacedConfigMap({ name: "whole", namespace, body: made }),
    );
    assert.equal(stale.reason, "Conflict");
    const gone = await core.deleteNamespacedConfigMap({ name: "whole", namespace });
    assert.equal(gone.status, "Success");
    const missing = await refusal(core.readNamespacedConfigMap({ name: "whole", namespace }));
    assert.deepEqual([missing.code, missing.reason], [404, "NotFound"]);
    assert.equal(missing.details.name, "whole");
});

test("refusals name their causes", async () => {
    const status = await refusal(create("Not A Name"));
    assert.equal(status.reason, "Invalid");
    assert.equal(status.details.causes[0].field, "metadata.name");
});

test("each type of patch does what it is", async () => {
    await create("patched", { a: "1" });
    const patch = (type, body, more = {}) =>
        core.patchNamespacedConfigMap(
            { name: "patched", namespace, body, ...more },
            k8s.setHeaderOptions("Content-Type", type),
        );
    const { JsonPatch, MergePatch, StrategicMergePatch, ServerSideApply } = k8s.PatchStrategy;
    let body = await patch(JsonPatch, [{ op: "add", path: "/data/b", value: "2" }]);
    assert.deepEqual(body.data, { a: "1", b: "2" });
    body = await patch(MergePatch, { data: { a: null } });
    assert.deepEqual(body.data, { b: "2" });
    body = await patch(StrategicMergePatch, { metadata: { labels: { l: "x" } } });
    assert.equal(body.metadata.labels.l, "x");
    const applied = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "patched" } };
    applied.data = { b: "3" };
    const conflict = await refusal(patch(ServerSideApply, applied, { fieldManager: "me" }));
    assert.equal(conflict.reason, "Conflict");
    assert.equal(conflict.details.causes[0].reason, "FieldManagerConflict");
    body = await patch(ServerSideApply, applied, { fieldManager: "me", force: true });
    assert.equal(body.data.b, "3");
    assert.ok(body.metadata.managedFields.some((entry) => entry.manager === "me"));
});

test("pages of a list are of one state", async () => {
    for (let i = 0; i < 7; i++) {
        await create(`page-${i}`, {}, { list: "pages" });
    }
    const names = [];
    let page = { metadata: {} };
    do {
        page = await core.listNamespacedConfigMap({
            namespace,
            labelSelector: "list=pages",
            limit: 3,
            _continue: page.metadata._continue,
        });
        assert.ok(page.items.length <= 3);
        names.push(...page.items.map((item) => item.metadata.name));
        if (names.length === 3) {
            await core.deleteNamespacedConfigMap({ name: "page-6", namespace });
        }
    } while (page.metadata._continue);
    assert.deepEqual(names, [0, 1, 2, 3, 4, 5, 6].map((i) => `page-${i}`));
});

test("a watch tells changes and bookmarks, and goes on from a version", async () => {
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const watch = (query, events) =>
        new Promise((resolve, reject) => {
            const seen = [];
            let controller;
            new k8s.Watch(config)
                .watch(
                    path,
                    query,
                    (type, object) => {
                        seen.push([type, object.metadata.name, object.metadata.resourceVersion]);
                        if (seen.length === events) {
                            controller.abort();
                        }
                    },
                    () => resolve(seen),
                )
                .then((made) => (controller = made), reject);
        });
    const { metadata } = await core.listNamespacedConfigMap({ namespace });
    const selected = { labelSelector: "watched", resourceVersion: metadata.resourceVersion };
    const told = watch({ ...selected, allowWatchBookmarks: true }, 4);
    await create("seen", {}, { watched: "yes" });
    await create("unseen");
    await core.patchNamespacedConfigMap(
        { name: "seen", namespace, body: { data: { a: "1" } } },
        k8s.setHeaderOptions("Content-Type", k8s.PatchStrategy.MergePatch),
    );
    await core.deleteNamespacedConfigMap({ name: "seen", namespace });
    await create("seen", {}, { watched: "again" });
    const events = await told;
    assert.deepEqual(events.map(([type]) => type), ["ADDED", "MODIFIED", "DELETED", "ADDED"]);
    const later = await watch({ ...selected, resourceVersion: events[1][2] }, 2);
    assert.deepEqual(later, events.slice(2));
    const ended = await watch({ ...selected, timeoutSeconds: 1, allowWatchBookmarks: true }, 99);
    assert.equal(ended.at(-1)[0], "BOOKMARK");
});

test("an informer's cache is what the server has", async () => {
    const path = `/api/v1/namespaces/${namespace}/secrets`;
    const informer = k8s.makeInformer(config, path, () => core.listNamespacedSecret({ namespace }));
    const told = { add: 0, update: 0, delete: 0 };
    for (const verb of Object.keys(told)) {
        informer.on(verb, () => told[verb]++);
    }
    const errors = [];
    informer.on("error", (error) => errors.push(error));
    await core.createNamespacedSecret({ namespace, body: { metadata: { name: "early" } } });
    await informer.start();
    assert.ok(informer.get("early", namespace));
    const secret = (name) => ({ metadata: { name }, stringData: { a: "1" } });
    for (let i = 0; i < 20; i++) {
        await core.createNamespacedSecret({ namespace, body: secret(`s-${i}`) });
    }
    await core.replaceNamespacedSecret({ name: "s-0", namespace, body: secret("s-0") });
    const changed = { ...secret("s-1"), stringData: { a: "2" } };
    await core.replaceNamespacedSecret({ name: "s-1", namespace, body: changed });
    await core.deleteCollectionNamespacedSecret({
        namespace,
        fieldSelector: "metadata.name!=early,metadata.name!=s-1",
    });
    await within("the deletions", () => informer.list(namespace).length === 2);
    await within("the change", () =>
        Buffer.from(informer.get("s-1", namespace).data.a, "base64").equals(Buffer.from("2")),
    );
    assert.deepEqual(told, { add: 21, update: 1, delete: 19 });
    assert.deepEqual(errors, []);
    await informer.stop();
});

test("one of many takes a lease", async () => {
    const leases = config.makeApiClient(k8s.CoordinationV1Api);
    const spec = (holderIdentity) => ({
        holderIdentity,
        leaseDurationSeconds: 5,
        renewTime: new k8s.V1MicroTime(Date.now()),
    });
    const body = (who) => ({ metadata: { name: "leader" }, spec: spec(who) });
    const candidates = ["a", "b", "c", "d"];
    const made = await Promise.allSettled(
        candidates.map((who) => leases.createNamespacedLease({ namespace, body: body(who) })),
    );
    assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
    const lease = await leases.readNamespacedLease({ name: "leader", namespace });
    const taken = await Promise.allSettled(
        candidates.map((who) =>
            leases.replaceNamespacedLease({
                name: "leader",
                namespace,
                body: { ...lease, spec: spec(who) },
            }),
        ),
    );
    assert.equal(taken.filter(({ status }) => status === "fulfilled").length, 1);
    for (const { reason } of taken.filter(({ status }) => status === "rejected")) {
        assert.equal(JSON.parse(reason.body).reason, "Conflict");
    }
});

/* As clients do: who reads and writes starts over when another, here a control loop, has written between. */
async function untilNoConflict(change) {
    for (;;) {
        try {
            return await change();
        } catch (error) {
            if (error.code !== 409) {
                throw error;
            }
        }
    }
}

test("objects of any kind go through discovery", async () => {
    const client = k8s.KubernetesObjectApi.makeApiClient(config);
    const deployment = {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "any", namespace },
        spec: {
            replicas: 0,
            selector: { matchLabels: { a: "b" } },
            template: {
                metadata: { labels: { a: "b" } },
                spec: { containers: [{ name: "c", image: "i" }] },
            },
        },
    };
    const made = await client.create(deployment);
    assert.equal(made.spec.strategy.type, "RollingUpdate");
    const apps = config.makeApiClient(k8s.AppsV1Api);
    await untilNoConflict(async () => {
        const scale = await apps.readNamespacedDeploymentScale({ name: "any", namespace });
        scale.spec.replicas = 2;
        await apps.replaceNamespacedDeploymentScale({ name: "any", namespace, body: scale });
    });
    assert.equal((await client.read(deployment)).spec.replicas, 2);
    await client.delete(deployment);
});

test("custom objects are served once they are defined", async () => {
    const extensions = config.makeApiClient(k8s.ApiextensionsV1Api);
    const schema = {
        type: "object",
        properties: {
            spec: { type: "object", properties: { size: { type: "integer", maximum: 9 } } },
        },
    };
    await extensions.createCustomResourceDefinition({
        body: {
            metadata: { name: "toys.clients.example" },
            spec: {
                group: "clients.example",
                scope: "Namespaced",
                names: { plural: "toys", singular: "toy", kind: "Toy", listKind: "ToyList" },
                versions: [
                    { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } },
                ],
            },
        },
    });
    const custom = config.makeApiClient(k8s.CustomObjectsApi);
    const toys = { group: "clients.example", version: "v1", namespace, plural: "toys" };
    const toy = (name, size) => ({
        apiVersion: "clients.example/v1",
        kind: "Toy",
        metadata: { name },
        spec: { size },
    });
    await within("the definition", async () =>
        custom.listNamespacedCustomObject(toys).then(
            () => true,
            () => false,
        ),
    );
    await custom.createNamespacedCustomObject({ ...toys, body: toy("t", 3) });
    const large = custom.createNamespacedCustomObject({ ...toys, body: toy("u", 10) });
    assert.equal((await refusal(large)).details.causes[0].field, "spec.size");
    const { items } = await custom.listNamespacedCustomObject(toys);
    assert.deepEqual(items.map((item) => item.spec.size), [3]);
});

test("exec of a pod that is on no node says so, and its log is empty", async () => {
    await within("the account", () =>
        core.readNamespacedServiceAccount({ name: "default", namespace }).then(
            () => true,
            () => false,
        ),
    );
    const containers = [{ name: "c", image: "i" }];
    await core.createNamespacedPod({
        namespace,
        body: { metadata: { name: "nowhere" }, spec: { containers } },
    });
    const exec = new k8s.Exec(config);
    const sink = new stream.PassThrough();
    await assert.rejects(
        exec.exec(namespace, "nowhere", "c", ["true"], sink, sink, null, false),
        (event) => /Unexpected server response: (400|404|500)/.test(event.message),
    );
    // There is none yet: 204 without content, which this client does not read.
    await assert.rejects(core.readNamespacedPodLog({ name: "nowhere", namespace }), /No Content-Type defined/);
    await core.deleteNamespacedPod({ name: "nowhere", namespace, gracePeriodSeconds: 0 });
});

test("who asks is known, and what he may do", async () => {
    const access = config.makeApiClient(k8s.AuthorizationV1Api);
    const review = await access.createSelfSubjectAccessReview({
        body: { spec: { resourceAttributes: { verb: "delete", resource: "nodes" } } },
    });
    assert.equal(review.status.allowed, true);
    const other = new k8s.KubeConfig();
    other.loadFromString(config.exportConfig());
    other.users = [{ name: other.getCurrentUser().name, token: "nonsense" }];
    await assert.rejects(
        other.makeApiClient(k8s.CoreV1Api).listNamespace(),
        (error) => error.code === 401, // This client drops the body of a 401.
    );
});
