/* Priority and fairness: which schema a request falls under, how seats are shared and lent, and
 * what a cluster starts with. */
#include "apiserver/access_selector.h"
#include "apiserver/flow_defaults.h"
#include "apiserver/flow_match.h"
#include "apiserver/flow_share.h"
#include "apiserver/flow_watches.h"
#include "apiserver/limits.h"
#include "lib/api/defaults.h"
#include "lib/api/object.h"
#include "lib/api/status.h"
#include "lib/api/validate.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

/* --- Matching --- */

static const struct user *user_of(const char *name, const char *group)
{
    struct user *user = arena_zeroed(arena, sizeof(*user));
    const char **groups = arena_array(arena, 2, sizeof(char *));
    groups[0] = "system:authenticated";
    groups[1] = group;
    *user = (struct user){.name = name, .uid = "", .groups = groups, .group_count = 2};
    return user;
}

static struct access resource(const char *verb, const char *group, const char *plural,
                              const char *subresource, const char *namespace)
{
    return (struct access){.verb = verb,
                           .is_resource = true,
                           .group = group,
                           .resource = plural,
                           .subresource = subresource,
                           .namespace = namespace,
                           .name = "",
                           .path = ""};
}

static struct access path_of(const char *path)
{
    struct access access = resource("get", "", "", "", "");
    access.is_resource = false;
    access.path = path;
    return access;
}

/* The default schema that a request falls under. */
static const Flowcontrol__V1__FlowSchema *schema_for(const struct user *user, struct access access)
{
    const Flowcontrol__V1__FlowSchema *best = NULL;
    for (size_t i = 0; i < flow_default_count(); i++) {
        struct default_object each = flow_default_at(i, arena);
        if (strcmp(each.kind->plural, "flowschemas") == 0 &&
            flow_schema_matches(each.message, user, &access) &&
            (best == NULL || flow_schema_compare(each.message, best) < 0)) {
            best = each.message;
        }
    }
    ck_assert_ptr_nonnull(best);
    return best;
}

START_TEST(requests_fall_under_the_schemas_that_v1_32_puts_them_under)
{
    static const struct {
        const char *user, *group, *verb, *api_group, *plural, *subresource, *namespace, *schema;
    } cases[] = {
        {"admin", "system:masters", "list", "", "pods", "", "", "exempt"},
        {"system:node:n1", "system:nodes", "update", "", "nodes", "status", "", "system-node-high"},
        {"system:node:n1", "system:nodes", "update", "coordination.k8s.io", "leases", "",
         "kube-node-lease", "system-node-high"},
        {"system:node:n1", "system:nodes", "get", "", "pods", "", "a", "system-nodes"},
        {"system:kube-scheduler", "g", "update", "coordination.k8s.io", "leases", "", "kube-system",
         "system-leader-election"},
        {"system:kube-scheduler", "g", "get", "", "pods", "", "a", "kube-scheduler"},
        {"system:serviceaccount:kube-system:x", "system:serviceaccounts", "get", "", "configmaps",
         "", "kube-system", "workload-leader-election"},
        {"system:serviceaccount:kube-system:x", "system:serviceaccounts", "get", "", "pods", "",
         "a", "kube-system-service-accounts"},
        {"system:serviceaccount:kube-systemx:x", "system:serviceaccounts", "get", "", "pods", "",
         "a", "service-accounts"},
        {"system:serviceaccount:kube-system:endpoint-controller", "system:serviceaccounts",
         "update", "", "endpoints", "", "a", "endpoint-controller"},
        {"jane", "staff", "get", "", "pods", "", "a", "global-default"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const Flowcontrol__V1__FlowSchema *schema =
            schema_for(user_of(cases[i].user, cases[i].group),
                       resource(cases[i].verb, cases[i].api_group, cases[i].plural,
                                cases[i].subresource, cases[i].namespace));
        ck_assert_str_eq(schema->metadata->name, cases[i].schema);
    }
    ck_assert_str_eq(schema_for(user_of("jane", "x"), path_of("/livez"))->metadata->name, "probes");
    ck_assert_str_eq(schema_for(user_of("jane", "x"), path_of("/livez/x"))->metadata->name,
                     "global-default");
}
END_TEST

static Flowcontrol__V1__FlowSchema *schema_from(const char *json)
{
    void *message = NULL;
    const struct api_message *table = api_message_find("k8s.io.api.flowcontrol.v1.FlowSchema");
    ck_assert_int_eq(api_decode_json(arena, table, slice_text(json), NULL, &message, NULL), 0);
    return message;
}

START_TEST(a_rule_is_for_the_cluster_or_for_namespaces_and_for_parts_by_name)
{
    const Flowcontrol__V1__FlowSchema *schema = schema_from(
        "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"rules\":[{"
        "\"subjects\":[{\"kind\":\"User\",\"user\":{\"name\":\"*\"}}],"
        "\"resourceRules\":[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],"
        "\"resources\":[\"pods/status\"],\"namespaces\":[\"a\"]}],"
        "\"nonResourceRules\":[{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"/x/*\"]}]}]}}");
    const struct user *user = user_of("jane", "x");
    struct access status = resource("get", "", "pods", "status", "a");
    struct access whole = resource("get", "", "pods", "", "a");
    struct access other = resource("get", "", "pods", "status", "b");
    struct access cluster = resource("get", "", "pods", "status", "");
    ck_assert(flow_schema_matches(schema, user, &status));
    ck_assert(!flow_schema_matches(schema, user, &whole));
    ck_assert(!flow_schema_matches(schema, user, &other));
    ck_assert(!flow_schema_matches(schema, user, &cluster));
    struct access below = path_of("/x/y"), beside = path_of("/xy"), itself = path_of("/x");
    ck_assert(flow_schema_matches(schema, user, &below));
    ck_assert(!flow_schema_matches(schema, user, &beside));
    ck_assert(!flow_schema_matches(schema, user, &itself));
}
END_TEST

START_TEST(flows_are_told_apart_as_the_schema_says)
{
    Flowcontrol__V1__FlowSchema *schema =
        schema_from("{\"metadata\":{\"name\":\"s\"},\"spec\":{"
                    "\"distinguisherMethod\":{\"type\":\"ByUser\"}}}");
    struct access a = resource("get", "", "pods", "", "a"),
                  b = resource("get", "", "pods", "", "b");
    const struct user *jane = user_of("jane", "x"), *john = user_of("john", "x");
    ck_assert(flow_hash(schema, jane, &a) == flow_hash(schema, jane, &b));
    ck_assert(flow_hash(schema, jane, &a) != flow_hash(schema, john, &a));
    schema->spec->distinguisher_method->type = arena_text(arena, "ByNamespace");
    ck_assert(flow_hash(schema, jane, &a) == flow_hash(schema, john, &a));
    ck_assert(flow_hash(schema, jane, &a) != flow_hash(schema, jane, &b));
    schema->spec->distinguisher_method = NULL;
    ck_assert(flow_hash(schema, jane, &a) == flow_hash(schema, john, &b));
}
END_TEST

/* --- Shares --- */

static struct flow_share share_of(const char *name, uint32_t seats)
{
    uint64_t all = 0;
    struct flow_share share = {0};
    const Flowcontrol__V1__PriorityLevelConfigurationSpec *wanted = NULL;
    for (size_t i = 0; i < flow_default_count(); i++) {
        struct default_object each = flow_default_at(i, arena);
        if (strcmp(each.kind->plural, "prioritylevelconfigurations") == 0) {
            const Flowcontrol__V1__PriorityLevelConfiguration *level = each.message;
            all += flow_shares_of(level->spec);
            wanted = strcmp(each.name, name) == 0 ? level->spec : wanted;
        }
    }
    ck_assert_uint_eq(all, 245);
    ck_assert_ptr_nonnull(wanted);
    flow_share_set(&share, wanted, all, seats);
    return share;
}

/* --- Watches --- */

START_TEST(a_change_is_told_to_watches_of_all_of_its_namespace_and_of_its_name)
{
    struct flow_watches *watches = flow_watches_new(/* seed= */ 1);
    struct access change = resource("update", "", "pods", "", "ns");
    struct access watch[] = {
        resource("watch", "", "pods", "", ""),   resource("watch", "", "pods", "", "ns"),
        resource("watch", "", "pods", "", "ns"), resource("watch", "", "pods", "", "other"),
        resource("watch", "", "nodes", "", ""),  resource("watch", "apps", "pods", "", ""),
        resource("watch", "", "pods", "", ""),   resource("watch", "", "pods", "", "")};
    change.name = watch[2].name = "p";
    watch[6].fields = access_selector_of_fields(arena, "spec.nodeName=n1");
    watch[7].fields = access_selector_of_fields(arena, "spec.nodeName!=n1");
    for (size_t i = 0; i < ARRAY_LEN(watch); i++) {
        flow_watches_add(watches, &watch[i]);
    }
    flow_watches_add(watches, &watch[1]);
    ck_assert_uint_eq(flow_watches_interested(watches, &change), 5);
    change.name = "q";
    ck_assert_uint_eq(flow_watches_interested(watches, &change), 4);
    flow_watches_remove(watches, &watch[1]);
    ck_assert_uint_eq(flow_watches_interested(watches, &change), 3);
    for (size_t i = 0; i < ARRAY_LEN(watch); i++) {
        flow_watches_remove(watches, &watch[i]);
    }
    ck_assert_uint_eq(flow_watches_interested(watches, &change), 0);
    flow_watches_free(watches);
}
END_TEST

START_TEST(seats_go_by_shares)
{
    struct flow_share low = share_of("workload-low", 600);
    ck_assert_uint_eq(low.nominal, 245); /* 600 * 100 / 245, rounded up. */
    ck_assert_uint_eq(low.least, 245 - 221);
    ck_assert_uint_eq(low.most, 845);
    struct flow_share rest = share_of("catch-all", 600);
    ck_assert_uint_eq(rest.nominal, 13);
    ck_assert_uint_eq(rest.least, 13);
    ck_assert_uint_eq(share_of("exempt", 600).nominal, 0);
}
END_TEST

START_TEST(what_one_level_does_not_need_another_may_borrow)
{
    struct flow_share low = share_of("workload-low", 600), high = share_of("workload-high", 600);
    struct flow_share system = share_of("system", 600);
    struct flow_share *const shares[] = {&low, &high, &system};
    uint32_t seats = low.nominal + high.nominal + system.nominal;
    const struct flow_demand busy = {.mean = 300, .high = 300}, idle = {.mean = 0};
    flow_share_note(&low, &idle);
    flow_share_note(&high, &busy);
    flow_share_note(&system, &idle);
    flow_share_out(shares, ARRAY_LEN(shares), seats);
    ck_assert_uint_ge(high.current, 250); /* Its own 98 and most of what the others lend. */
    ck_assert_uint_ge(low.current, low.least);
    ck_assert_uint_ge(system.current, system.least);
    ck_assert_uint_le(low.current + high.current + system.current, seats + 2); /* Rounding. */
    flow_share_note(&low, &busy);
    flow_share_out(shares, ARRAY_LEN(shares), seats);
    ck_assert_uint_ge(low.current, low.nominal); /* It takes back at once what is its own. */
}
END_TEST

/* --- What a cluster starts with --- */

START_TEST(defaults_are_brought_back_unless_somebody_owns_them)
{
    for (size_t i = 0; i < flow_default_count(); i++) {
        struct default_object wanted = flow_default_at(i, arena);
        void *message = NULL;
        ck_assert_int_eq(flow_default_repair(&wanted, wanted.message, arena, &message),
                         DEFAULT_AS_IT_SHOULD_BE);
        if (strcmp(wanted.kind->plural, "flowschemas") != 0) {
            continue;
        }
        Flowcontrol__V1__FlowSchema *changed =
            api_message_copy(arena, wanted.kind->message, wanted.message);
        changed->spec->matching_precedence += 1;
        ck_assert_int_eq(flow_default_repair(&wanted, changed, arena, &message), DEFAULT_UPDATE);
        const Flowcontrol__V1__FlowSchema *repaired = message;
        ck_assert_int_eq(repaired->spec->matching_precedence,
                         changed->spec->matching_precedence - 1);
        api_meta_set_annotation(arena, changed->metadata, "apf.kubernetes.io/autoupdate-spec",
                                "false");
        ck_assert_int_eq(flow_default_repair(&wanted, changed, arena, &message),
                         flow_default_is_mandatory(wanted.name) ? DEFAULT_UPDATE
                                                                : DEFAULT_AS_IT_SHOULD_BE);
    }
}
END_TEST

#define AUTOUPDATE "apf.kubernetes.io/autoupdate-spec"

/* As the cluster has it: a default schema with another precedence. */
static Flowcontrol__V1__FlowSchema *changed_schema(const struct default_object *wanted,
                                                   const char *wish, int64_t generation)
{
    Flowcontrol__V1__FlowSchema *schema =
        api_message_copy(arena, wanted->kind->message, wanted->message);
    schema->spec->matching_precedence += 1;
    schema->metadata->generation = generation;
    api_meta_remove_annotation(schema->metadata, AUTOUPDATE);
    if (wish != NULL) {
        api_meta_set_annotation(arena, schema->metadata, AUTOUPDATE, wish);
    }
    return schema;
}

static struct default_object default_schema(const char *name)
{
    for (size_t i = 0; i < flow_default_count(); i++) {
        struct default_object each = flow_default_at(i, arena);
        if (strcmp(each.kind->plural, "flowschemas") == 0 && strcmp(each.name, name) == 0) {
            return each;
        }
    }
    ck_abort_msg("no default schema %s", name);
}

START_TEST(without_the_annotation_only_what_nobody_has_changed_is_brought_back)
{
    static const struct {
        const char *schema, *wish;
        int64_t generation;
        bool brought_back;
        const char *wish_after; /* NULL: left alone. */
    } cases[] = {
        {"service-accounts", NULL, 1, true, "true"},
        {"service-accounts", NULL, 2, false, "false"},
        {"service-accounts", "maybe", 1, true, "true"},
        {"service-accounts", "maybe", 2, false, "false"},
        {"service-accounts", "t", 2, true, "t"},
        {"service-accounts", "0", 1, false, NULL},
        {"catch-all", "false", 2, true, "true"},
        {"catch-all", NULL, 2, true, "true"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct default_object wanted = default_schema(cases[i].schema);
        const Flowcontrol__V1__FlowSchema *present =
            changed_schema(&wanted, cases[i].wish, cases[i].generation);
        void *message = NULL;
        enum default_repair repair = flow_default_repair(&wanted, present, arena, &message);
        ck_assert_int_eq(repair,
                         cases[i].wish_after == NULL ? DEFAULT_AS_IT_SHOULD_BE : DEFAULT_UPDATE);
        if (repair == DEFAULT_UPDATE) {
            const Flowcontrol__V1__FlowSchema *after = message;
            ck_assert_int_eq(after->spec->matching_precedence != present->spec->matching_precedence,
                             cases[i].brought_back);
            ck_assert_str_eq(api_meta_annotation(after->metadata, AUTOUPDATE), cases[i].wish_after);
        }
    }
}
END_TEST

START_TEST(what_an_earlier_version_started_with_is_obsolete_unless_somebody_owns_it)
{
    static const struct {
        const char *name, *wish;
        bool obsolete;
    } cases[] = {{"old", "true", true},         {"old", "1", true},   {"old", "false", false},
                 {"old", "maybe", false},       {"old", NULL, false}, {"probes", "true", false},
                 {"workload-low", "true", true}}; /* A level's name. */
    const struct default_object probes = default_schema("probes");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Flowcontrol__V1__FlowSchema *schema = changed_schema(&probes, cases[i].wish, 1);
        schema->metadata->name = arena_text(arena, cases[i].name);
        ck_assert_int_eq(flow_default_is_obsolete(probes.kind, schema), cases[i].obsolete);
    }
}
END_TEST

START_TEST(every_default_is_an_object_that_may_be_made)
{
    for (size_t i = 0; i < flow_default_count(); i++) {
        struct default_object wanted = flow_default_at(i, arena);
        struct api_causes causes;
        api_causes_init(&causes, arena);
        api_default_object(arena, wanted.kind, wanted.message);
        api_validate_create(arena, wanted.kind, wanted.message, &causes);
        ck_assert_msg(causes.count == 0, "%s: %s: %s", wanted.name, causes.items[0].field,
                      causes.items[0].message);
    }
}
END_TEST

Suite *flow_suite(void);

Suite *flow_suite(void)
{
    Suite *suite = suite_create("apiserver/flow");
    TCase *tests = tcase_create("schemas, shares, defaults");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, requests_fall_under_the_schemas_that_v1_32_puts_them_under);
    tcase_add_test(tests, a_rule_is_for_the_cluster_or_for_namespaces_and_for_parts_by_name);
    tcase_add_test(tests, flows_are_told_apart_as_the_schema_says);
    tcase_add_test(tests, a_change_is_told_to_watches_of_all_of_its_namespace_and_of_its_name);
    tcase_add_test(tests, seats_go_by_shares);
    tcase_add_test(tests, what_one_level_does_not_need_another_may_borrow);
    tcase_add_test(tests, defaults_are_brought_back_unless_somebody_owns_them);
    tcase_add_test(tests, without_the_annotation_only_what_nobody_has_changed_is_brought_back);
    tcase_add_test(tests, what_an_earlier_version_started_with_is_obsolete_unless_somebody_owns_it);
    tcase_add_test(tests, every_default_is_an_object_that_may_be_made);
    suite_add_tcase(suite, tests);
    return suite;
}
