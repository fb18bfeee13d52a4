/* What a node may write, and in which words the rest is refused. Each test is one node, n1, against
 * objects of its own, of another node, and of nobody. */
#include "k8s/authentication_v1.pb-c.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/policy_v1.pb-c.h"
#include "tests/unit/apiserver/registry_fixture.h"

static const char *const groups[] = {"system:nodes", "system:authenticated"};
static const struct user node_n1 = {
    .name = "system:node:n1", .uid = "", .groups = groups, .group_count = 2};
static const struct user nameless = {
    .name = "system:node:", .uid = "", .groups = groups, .group_count = 2};

static struct fixture fixture;

static void setup(void)
{
    fixture_init(&fixture);
    make_namespace(&fixture);
    ck_assert_ptr_null(
        create(&fixture, "serviceaccounts", "ns", "{\"metadata\":{\"name\":\"default\"}}").status);
    ck_assert_ptr_null(create(&fixture, "nodes", "", "{\"metadata\":{\"name\":\"n1\"}}").status);
    ck_assert_ptr_null(create(&fixture, "nodes", "", "{\"metadata\":{\"name\":\"n2\"}}").status);
}

static void teardown(void)
{
    fixture_release(&fixture);
}

static void *decoded(const struct api_message *message, const char *json)
{
    void *object = NULL;
    ck_assert_int_eq(api_decode_json(fixture.arena, message, slice_text(json), NULL, &object, NULL),
                     0);
    return object;
}

/* The words after `... is forbidden: `, or "" when the call was accepted. */
static const char *outcome(const struct registry_call *call)
{
    static const char mark[] = "is forbidden: ";
    if (call->status == NULL) {
        return "";
    }
    const char *words = strstr(call->status->message, mark);
    return words == NULL ? call->status->message : words + strlen(mark);
}

static const char *creates(const char *plural, const char *namespace, const char *json)
{
    struct registry_call call = {.verb = REGISTRY_CREATE,
                                 .kind = core(plural),
                                 .namespace = namespace,
                                 .user = &node_n1,
                                 .body = decoded(core(plural)->message, json)};
    run(&fixture, &call);
    return outcome(&call);
}

static const char *patches(const char *plural, const char *namespace, const char *name,
                           const char *subresource, const char *patch)
{
    struct registry_call call = {.verb = REGISTRY_PATCH,
                                 .kind = core(plural),
                                 .namespace = namespace,
                                 .name = name,
                                 .subresource = subresource,
                                 .user = &node_n1,
                                 .patch_type = REGISTRY_PATCH_MERGE,
                                 .patch = slice_text(patch)};
    run(&fixture, &call);
    return outcome(&call);
}

static const char *deletes(const char *plural, const char *namespace, const char *name)
{
    struct registry_call call = {.verb = REGISTRY_DELETE,
                                 .kind = core(plural),
                                 .namespace = namespace,
                                 .name = name,
                                 .user = &node_n1};
    run(&fixture, &call);
    return outcome(&call);
}

/* Made by the server, on a node. */
static const Core__V1__Pod *pod_on(const char *name, const char *node)
{
    struct registry_call call = create(
        &fixture, "pods", "ns",
        arena_printf(fixture.arena,
                     "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"a\":\"b\"}},\"spec\":{"
                     "\"nodeName\":\"%s\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
                     name, node));
    ck_assert_msg(call.status == NULL, "%s", call.status == NULL ? "" : call.status->message);
    return call.result;
}

START_TEST(a_node_may_only_be_itself)
{
    ck_assert_str_eq(creates("nodes", "", "{\"metadata\":{\"name\":\"n3\"}}"),
                     "node \"n1\" is not allowed to modify node \"n3\"");
    ck_assert_str_eq(patches("nodes", "", "n2", "", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"),
                     "node \"n1\" is not allowed to modify node \"n2\"");
    ck_assert_str_eq(patches("nodes", "", "n2", "status", "{\"status\":{}}"),
                     "node \"n1\" is not allowed to modify node \"n2\"");
    ck_assert_str_eq(patches("nodes", "", "n1", "", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"),
                     "");
}
END_TEST

START_TEST(a_node_sets_no_label_that_others_rely_on)
{
    ck_assert_str_eq(
        patches("nodes", "", "n1", "",
                "{\"metadata\":{\"labels\":{\"node-restriction.kubernetes.io/x\":\"y\","
                "\"kubernetes.io/os\":\"linux\",\"example.com/a\":\"b\",\"a.k8s.io/z\":\"\"}}}"),
        "is not allowed to modify labels: a.k8s.io/z, node-restriction.kubernetes.io/x");
    ck_assert_str_eq(
        patches("nodes", "", "n1", "",
                "{\"metadata\":{\"labels\":{\"kubernetes.io/os\":\"linux\",\"example.com/a\":\"b\","
                "\"node.kubernetes.io/x\":\"y\",\"a.kubelet.kubernetes.io/x\":\"y\"}}}"),
        "");
    ck_assert_str_eq(creates("nodes", "",
                             "{\"metadata\":{\"name\":\"n1\",\"labels\":{"
                             "\"node-role.kubernetes.io/control-plane\":\"\"}}}"),
                     "node \"n1\" is not allowed to set the following labels: "
                     "node-role.kubernetes.io/control-plane");
}
END_TEST

START_TEST(a_node_removes_no_label_that_others_gave_it)
{
    struct registry_call give = {
        .verb = REGISTRY_PATCH,
        .kind = core("nodes"),
        .name = "n1",
        .patch_type = REGISTRY_PATCH_MERGE,
        .patch = slice_text(
            "{\"metadata\":{\"labels\":{\"a.node-restriction.kubernetes.io/x\":\"y\"}}}")};
    run(&fixture, &give);
    ck_assert_ptr_null(give.status);
    ck_assert_str_eq(patches("nodes", "", "n1", "",
                             "{\"metadata\":{\"labels\":{"
                             "\"a.node-restriction.kubernetes.io/x\":null}}}"),
                     "is not allowed to modify labels: a.node-restriction.kubernetes.io/x");
}
END_TEST

START_TEST(a_node_neither_adds_nor_removes_its_taints)
{
    ck_assert_str_eq(patches("nodes", "", "n1", "", "{\"spec\":{\"taints\":[]}}"),
                     "node \"n1\" is not allowed to modify taints");
    ck_assert_str_eq(patches("nodes", "", "n1", "", "{\"spec\":{\"unschedulable\":true}}"), "");
}
END_TEST

/* CVE-2025-5187: whose owner is gone is deleted, and a node that comes back has no taints. */
START_TEST(a_node_takes_no_owner_and_loses_none)
{
    static const char owner[] = "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"v1\","
                                "\"kind\":\"Namespace\",\"name\":\"gone\",\"uid\":\"u\"}]}}";
    static const char refusal[] = "node \"n1\" is not allowed to modify ownerReferences";
    ck_assert_str_eq(patches("nodes", "", "n1", "", owner), refusal);
    struct registry_call give = {.verb = REGISTRY_PATCH,
                                 .kind = core("nodes"),
                                 .name = "n1",
                                 .patch_type = REGISTRY_PATCH_MERGE,
                                 .patch = slice_text(owner)};
    run(&fixture, &give);
    ck_assert_ptr_null(give.status);
    ck_assert_str_eq(patches("nodes", "", "n1", "", "{\"metadata\":{\"ownerReferences\":null}}"),
                     refusal);
    ck_assert_str_eq(patches("nodes", "", "n1", "", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"),
                     "");
}
END_TEST

START_TEST(a_pods_status_and_end_are_those_of_its_node)
{
    static const char status[] = "{\"status\":{\"phase\":\"Running\"}}";
    pod_on("p1", "n1");
    pod_on("p2", "n2");
    ck_assert_str_eq(patches("pods", "ns", "p1", "status", status), "");
    ck_assert_str_eq(patches("pods", "ns", "p2", "status", status),
                     "node \"n1\" can only update pod status for pods with spec.nodeName set to "
                     "itself");
    ck_assert_str_eq(
        patches("pods", "ns", "p1", "status", "{\"metadata\":{\"labels\":{\"a\":\"c\"}}}"),
        "node \"n1\" cannot update labels through pod status");
    ck_assert_str_eq(patches("pods", "ns", "p1", "", "{\"metadata\":{\"labels\":{\"a\":\"c\"}}}"),
                     "unexpected operation \"UPDATE\", node \"n1\" can only create and delete "
                     "mirror pods");
    ck_assert_str_eq(deletes("pods", "ns", "p2"),
                     "node \"n1\" can only delete pods with spec.nodeName set to itself");
    ck_assert_str_eq(deletes("pods", "ns", "p1"), "");
    ck_assert_str_eq(deletes("pods", "ns", "none"), "pods \"none\" not found");
}
END_TEST

START_TEST(a_node_evicts_its_own_pods_only)
{
    pod_on("p2", "n2");
    const struct api_message *table = api_message_find("k8s.io.api.policy.v1.Eviction");
    struct registry_call call = {.verb = REGISTRY_CREATE,
                                 .kind = core("pods"),
                                 .namespace = "ns",
                                 .name = "p2",
                                 .subresource = "eviction",
                                 .user = &node_n1,
                                 .body = decoded(table, "{\"metadata\":{\"name\":\"p2\"}}")};
    run(&fixture, &call);
    ck_assert_str_eq(outcome(&call),
                     "node n1 can only evict pods with spec.nodeName set to itself");
}
END_TEST

static const char *mirror(const char *metadata, const char *spec)
{
    return creates("pods", "ns",
                   arena_printf(fixture.arena,
                                "{\"metadata\":{\"name\":\"m\",\"annotations\":{"
                                "\"kubernetes.io/config.mirror\":\"x\"}%s},\"spec\":{%s"
                                "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
                                metadata, spec));
}

static const char *owned(const char *rest)
{
    struct registry_call read = simple(&fixture, REGISTRY_GET, "nodes", "", "n1");
    const Core__V1__Node *node = read.result;
    return arena_printf(fixture.arena,
                        ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":"
                        "\"n1\",\"uid\":\"%s\"%s}]",
                        node->metadata->uid, rest);
}

START_TEST(a_node_makes_mirrors_of_its_own_only)
{
    ck_assert_str_eq(
        creates("pods", "ns",
                "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\","
                "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"),
        "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n1\" can "
        "only create mirror pods");
    ck_assert_str_eq(mirror("", "\"nodeName\":\"n2\","),
                     "node \"n1\" can only create pods with spec.nodeName set to itself");
    ck_assert_str_eq(mirror("", "\"nodeName\":\"n1\","),
                     "node \"n1\" can only create pods with an owner reference set to itself");
    ck_assert_str_eq(mirror(owned(""), "\"nodeName\":\"n1\","),
                     "node \"n1\" can only create pods with a controller owner reference set to "
                     "itself");
    ck_assert_str_eq(
        mirror(owned(",\"controller\":true,\"blockOwnerDeletion\":true"), "\"nodeName\":\"n1\","),
        "node \"n1\" must not set blockOwnerDeletion on an owner reference");
    ck_assert_int_eq(strncmp(mirror(",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":"
                                    "\"Node\",\"name\":\"n1\",\"uid\":\"u\",\"controller\":true}]",
                                    "\"nodeName\":\"n1\","),
                             "node n1 UID mismatch: expected u got ", 37),
                     0);
    ck_assert_str_eq(mirror(owned(",\"controller\":true"), "\"nodeName\":\"n1\","), "");
}
END_TEST

START_TEST(a_mirror_gives_no_way_to_what_others_own)
{
    static const struct {
        const char *spec, *refusal;
    } escapes[] = {
        {"\"serviceAccountName\":\"default\",", "a mirror pod may not reference service accounts"},
        {"\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"s\"}}],",
         "a mirror pod may not reference secrets"},
        {"\"imagePullSecrets\":[{\"name\":\"s\"}],", "a mirror pod may not reference secrets"},
        {"\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"m\"}}"
         "]}}],",
         "node \"n1\" can not create pods that reference configmaps"},
        {"\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"c\"}}],",
         "node \"n1\" can not create pods that reference persistentvolumeclaims"},
    };
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
        ck_assert_str_eq(
            mirror(owned(",\"controller\":true"),
                   arena_printf(fixture.arena, "\"nodeName\":\"n1\",%s", escapes[i].spec)),
            escapes[i].refusal);
    }
}
END_TEST

/* CVE-2025-4563: claims were looked at when a status changed, and not when a pod was made. */
START_TEST(a_mirror_claims_no_devices)
{
    static const char refusal[] = "node \"n1\" can not create pods that reference resourceclaims";
    static const char claim[] = "[{\"name\":\"d\",\"resourceClaimName\":\"others\"}]";
    const char *metadata = owned(",\"controller\":true");
    ck_assert_str_eq(
        mirror(metadata,
               arena_printf(fixture.arena, "\"nodeName\":\"n1\",\"resourceClaims\":%s,", claim)),
        refusal);
    metadata = arena_printf(fixture.arena, "%s},\"status\":{\"resourceClaimStatuses\":%s", metadata,
                            claim);
    ck_assert_str_eq(mirror(metadata, "\"nodeName\":\"n1\","), refusal);
}
END_TEST

START_TEST(a_node_has_one_lease_in_one_namespace)
{
    const struct api_kind *leases = api_kind_find("coordination.k8s.io", "v1", "leases");
    static const struct {
        const char *namespace, *name, *words;
    } cases[] = {
        {"ns", "n1", "can only access leases in the \"kube-node-lease\" system namespace"},
        {"kube-node-lease", "n2",
         "can only access node lease with the same name as the requesting node"},
        {"kube-node-lease", "n1", ""},
    };
    ck_assert_ptr_null(
        create(&fixture, "namespaces", "", "{\"metadata\":{\"name\":\"kube-node-lease\"}}").status);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct registry_call call = {
            .verb = REGISTRY_CREATE,
            .kind = leases,
            .namespace = cases[i].namespace,
            .user = &node_n1,
            .body = decoded(
                leases->message,
                arena_printf(fixture.arena, "{\"metadata\":{\"name\":\"%s\"}}", cases[i].name))};
        run(&fixture, &call);
        ck_assert_str_eq(outcome(&call), cases[i].words);
    }
}
END_TEST

START_TEST(a_node_gets_tokens_for_its_own_pods_only)
{
    const Core__V1__Pod *other = pod_on("p2", "n2");
    const struct {
        const char *bound, *words;
    } cases[] = {
        {"", "node requested token not bound to a pod"},
        {"\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"p2\"}",
         "node requested token with a pod binding without a uid"},
        {arena_printf(fixture.arena,
                      "\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"p2\","
                      "\"uid\":\"%s\"}",
                      other->metadata->uid),
         "node requested token bound to a pod scheduled on a different node"},
        {"\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"p2\",\"uid\":"
         "\"u\"}",
         "the UID in the bound object reference (u) does not match the UID in record. The object "
         "might have been deleted and then recreated"},
    };
    const struct api_message *table = api_message_find("k8s.io.api.authentication.v1.TokenRequest");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct registry_call call = {
            .verb = REGISTRY_CREATE,
            .kind = core("serviceaccounts"),
            .namespace = "ns",
            .name = "default",
            .subresource = "token",
            .user = &node_n1,
            .body = decoded(table, arena_printf(fixture.arena, "{\"spec\":{%s}}", cases[i].bound))};
        run(&fixture, &call);
        ck_assert_str_eq(outcome(&call), cases[i].words);
    }
}
END_TEST

START_TEST(who_is_a_node_without_a_name_writes_nothing)
{
    struct registry_call call = {
        .verb = REGISTRY_CREATE,
        .kind = core("nodes"),
        .user = &nameless,
        .body = decoded(core("nodes")->message, "{\"metadata\":{\"name\":\"n3\"}}")};
    run(&fixture, &call);
    ck_assert_str_eq(outcome(&call), "could not determine node from user \"system:node:\"");
}
END_TEST

Suite *node_restriction_suite(void);
Suite *node_restriction_suite(void)
{
    Suite *suite = suite_create("apiserver/node_restriction");
    TCase *tcase = tcase_create("writes");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, a_node_may_only_be_itself);
    tcase_add_test(tcase, a_node_sets_no_label_that_others_rely_on);
    tcase_add_test(tcase, a_node_removes_no_label_that_others_gave_it);
    tcase_add_test(tcase, a_node_neither_adds_nor_removes_its_taints);
    tcase_add_test(tcase, a_node_takes_no_owner_and_loses_none);
    tcase_add_test(tcase, a_pods_status_and_end_are_those_of_its_node);
    tcase_add_test(tcase, a_node_evicts_its_own_pods_only);
    tcase_add_test(tcase, a_node_makes_mirrors_of_its_own_only);
    tcase_add_test(tcase, a_mirror_gives_no_way_to_what_others_own);
    tcase_add_test(tcase, a_mirror_claims_no_devices);
    tcase_add_test(tcase, a_node_has_one_lease_in_one_namespace);
    tcase_add_test(tcase, a_node_gets_tokens_for_its_own_pods_only);
    tcase_add_test(tcase, who_is_a_node_without_a_name_writes_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
