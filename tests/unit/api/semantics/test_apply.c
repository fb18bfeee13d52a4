/* Who owns which fields. */
#include "lib/api/apply.h"

#include "lib/api/apply_compare.h"
#include "lib/api/json_value.h"
#include "lib/api/kinds.h"
#include "lib/api/limits.h"
#include "lib/api/object.h"
#include "lib/api/status.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <errno.h>

enum { NOW_S = 1767225600 };

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static struct json_value *tree_of(const char *text)
{
    struct json_value *tree = NULL;
    ck_assert_int_eq(json_parse(arena, slice_text(text), &tree, NULL), 0);
    return tree;
}

static struct api_apply_request through(const char *version)
{
    return (struct api_apply_request){
        .kind = api_kind_find("autoscaling", version, "horizontalpodautoscalers"),
        .manager = "m",
        .subresource = "",
        .now_s = NOW_S};
}

/* "Apply autoscaling/v1" of the entry. */
static const char *entry(const struct json_value *object, size_t index)
{
    const struct json_value *entries =
        json_get_text(json_get_text(object, "metadata"), "managedFields");
    ck_assert_uint_lt(index, entries->count);
    const struct json_value *each = entries->items[index];
    return arena_printf(arena, "%s %s", (const char *)json_get_text(each, "operation")->text.data,
                        (const char *)json_get_text(each, "apiVersion")->text.data);
}

static size_t entry_count(const struct json_value *object)
{
    return json_get_text(json_get_text(object, "metadata"), "managedFields")->count;
}

static struct json_value *autoscaler(const char *version, const char *spec)
{
    return tree_of(arena_printf(arena,
                                "{\"apiVersion\":\"autoscaling/%s\",\"kind\":"
                                "\"HorizontalPodAutoscaler\",\"metadata\":{\"name\":\"o\","
                                "\"namespace\":\"n\"},\"spec\":%s}",
                                version, spec));
}

START_TEST(who_applies_through_two_versions_is_one_manager)
{
    const char *spec = "{\"maxReplicas\":3}";
    const struct api_apply_request first = through("v1"), second = through("v2");
    struct json_value *object = NULL, *again = NULL;
    ck_assert_int_eq(api_apply(arena, &first, NULL, autoscaler("v1", spec), &object, NULL), 0);
    ck_assert_int_eq(api_apply(arena, &second, object, autoscaler("v2", spec), &again, NULL), 0);
    ck_assert_uint_eq(entry_count(again), 1);
    ck_assert_str_eq(entry(again, 0), "Apply autoscaling/v2");
}
END_TEST

/* The message of the status that refuses it. */
static const char *refused(const struct json_value *applied, int code)
{
    const struct api_apply_request request = through("v2");
    const struct api_status *status = NULL;
    struct json_value *object = NULL;
    ck_assert_int_eq(api_apply(arena, &request, NULL, applied, &object, &status), -EINVAL);
    ck_assert_int_eq(status->code, code);
    return status->message;
}

START_TEST(what_is_applied_is_of_the_kind_of_the_url)
{
    ck_assert_str_eq(refused(autoscaler("v1", "{}"), 400),
                     "invalid object type: autoscaling/v1, Kind=HorizontalPodAutoscaler");
    ck_assert_str_eq(refused(tree_of("{}"), 400), "invalid object type: /, Kind=");
    ck_assert_str_eq(refused(tree_of("{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}"), 400),
                     "invalid object type: /v1, Kind=Pod");
}
END_TEST

START_TEST(what_is_applied_has_only_what_the_schema_declares)
{
#define UNTYPED                                                                                    \
    "failed to create typed patch object (n/o; autoscaling/v2, Kind=HorizontalPodAutoscaler): "
    ck_assert_str_eq(refused(autoscaler("v2", "{\"bogus\":1}"), 500),
                     UNTYPED ".spec.bogus: field not declared in schema");
    ck_assert_str_eq(
        refused(autoscaler("v2", "{\"metrics\":[{\"typ\":\"Pods\"}],\"maxReplicas\":\"3\"}"), 500),
        UNTYPED "errors:\n  .spec.metrics[0].typ: field not declared in schema\n"
                "  .spec.maxReplicas: expected numeric (int or float), got string");
#undef UNTYPED
}
END_TEST

START_TEST(items_of_a_keyed_list_have_their_keys_once)
{
    const struct api_apply_request request = {
        .kind = api_kind_find("", "v1", "pods"), .manager = "m", .subresource = ""};
    const struct api_status *status = NULL;
    struct json_value *object = NULL;
    const struct json_value *pod =
        tree_of("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"o\"},\"spec\":{"
                "\"containers\":[{\"name\":\"c\",\"imagee\":\"i\"},{\"name\":\"c\"}]}}");
    ck_assert_int_eq(api_apply(arena, &request, NULL, pod, &object, &status), -EINVAL);
    ck_assert_str_eq(status->message,
                     "failed to create typed patch object (/o; /v1, Kind=Pod): errors:\n"
                     "  .spec.containers[name=\"c\"].imagee: field not declared in schema\n"
                     "  .spec.containers: duplicate entries for key [name=\"c\"]");
}
END_TEST

/* A pod whose container has a name of 100,000 characters, and 10,000 variables of this value. */
static const struct json_value *long_pod(const char *value)
{
    enum { NAME_LEN = 100000, VARIABLES = 10000 };
    char *name = arena_alloc(arena, NAME_LEN + 1);
    memset(name, 'c', NAME_LEN);
    name[NAME_LEN] = '\0';
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, 1 << 20);
    buffer_printf(&text,
                  "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"o\"},\"spec\":{"
                  "\"containers\":[{\"name\":\"%s\",\"env\":[",
                  name);
    for (int i = 0; i < VARIABLES; i++) {
        buffer_printf(&text, "%s{\"name\":\"V%d\",\"value\":\"%s\"}", i == 0 ? "" : ",", i, value);
    }
    buffer_append_text(&text, "]}]}}");
    return tree_of(buffer_text(&text));
}

/* The path of each took the memory of the whole name: together that of the process. */
START_TEST(what_is_inside_of_something_with_a_long_name_takes_little_memory)
{
    enum { PATHS_MAX = 100 * 1024 * 1024 };
    struct api_apply_request request = {
        .kind = api_kind_find("", "v1", "pods"), .manager = "m", .subresource = ""};
    const struct api_status *status = NULL;
    struct json_value *object = NULL, *other = NULL;
    ck_assert_int_eq(api_apply(arena, &request, NULL, long_pod("a"), &object, &status), 0);
    ck_assert_uint_lt(arena_used(arena), PATHS_MAX);
    request.manager = "n";
    ck_assert_int_eq(api_apply(arena, &request, object, long_pod("b"), &other, &status), -EEXIST);
    ck_assert_uint_eq(status->cause_count, API_CAUSES_MAX);
    ck_assert_uint_lt(arena_used(arena), 2 * PATHS_MAX);
}
END_TEST

/* --- Tracking of other writes ------------------------------------------------------------------
 */

/* An object of the request's kind from JSON. */
static void *object_of(const struct api_apply_request *request, const char *text)
{
    void *object = NULL;
    ck_assert_int_eq(
        api_decode_json(arena, request->kind->message, slice_text(text), NULL, &object, NULL), 0);
    return object;
}

/* "manager operation apiVersion fields", by line, of all entries. */
static const char *owners_of(const struct api_apply_request *request, const void *object)
{
    const Meta__V1__ObjectMeta *meta = api_message_meta(request->kind->message, object);
    const char *all = "";
    for (size_t i = 0; i < meta->n_managed_fields; i++) {
        const Meta__V1__ManagedFieldsEntry *each = meta->managed_fields[i];
        ck_assert_int_eq(each->time->seconds, NOW_S);
        all = arena_printf(arena, "%s%s %s %s %.*s\n", all, each->manager, each->operation,
                           each->api_version, (int)each->fields_v1->raw.len,
                           (const char *)each->fields_v1->raw.data);
    }
    return all;
}

START_TEST(who_updates_through_two_versions_has_an_entry_for_each)
{
    const struct api_apply_request first = through("v2"), second = through("v1");
    void *created = object_of(&first, "{\"spec\":{\"maxReplicas\":3}}");
    api_managed_fields_track(arena, &first, NULL, created);
    void *old = object_of(&second, "{\"spec\":{\"maxReplicas\":3}}");
    void *changed = object_of(&second, "{\"spec\":{\"maxReplicas\":3,\"minReplicas\":2}}");
    *api_message_meta(second.kind->message, old) = *api_message_meta(first.kind->message, created);
    api_managed_fields_track(arena, &second, old, changed);
    ck_assert_str_eq(owners_of(&second, changed),
                     "m Update autoscaling/v1 {\"f:spec\":{\"f:minReplicas\":{}}}\n"
                     "m Update autoscaling/v2 {\"f:spec\":{\"f:maxReplicas\":{}}}\n");
}
END_TEST

START_TEST(a_field_goes_to_its_last_writer_and_a_field_that_goes_is_nobodys)
{
    const struct api_apply_request first = through("v2");
    struct api_apply_request second = first;
    second.manager = "n";
    void *created =
        object_of(&first, "{\"metadata\":{\"labels\":{\"a\":\"1\"}},\"spec\":{\"maxReplicas\":3}}");
    api_managed_fields_track(arena, &first, NULL, created);
    void *changed = object_of(&first, "{\"spec\":{\"maxReplicas\":4}}");
    api_managed_fields_track(arena, &second, created, changed);
    ck_assert_str_eq(owners_of(&first, changed),
                     "n Update autoscaling/v2 {\"f:spec\":{\"f:maxReplicas\":{}}}\n");
}
END_TEST

/* --- Differences ------------------------------------------------------------------------------ */

static const char *text_of_tree(const struct json_value *tree)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 65536);
    json_print(tree, /* sorted= */ true, &out);
    return arena_text_n(arena, buffer_text(&out), out.len);
}

static void check_difference(const struct api_message *table, const void *before, const void *after)
{
    const struct apply_shape root = apply_shape_of_message(table);
    const struct json_value *old = api_message_to_json(arena, table, before, NULL);
    const struct json_value *new = api_message_to_json(arena, table, after, NULL);
    const struct apply_difference trees = apply_compare(arena, &root, old, new);
    const struct apply_difference difference = apply_difference(arena, table, before, after);
    ck_assert_str_eq(text_of_tree(difference.changed), text_of_tree(trees.changed));
    ck_assert_str_eq(text_of_tree(difference.gone), text_of_tree(trees.gone));
}

START_TEST(objects_differ_by_their_tables_as_they_do_by_their_trees)
{
    static const char *const texts[] = {
        "{}",
        "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"1\",\"b\":\"2\"}}}",
        "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"1\",\"c\":\"2\"},\"finalizers\":[\"f/"
        "x\"],"
        "\"ownerReferences\":[{\"uid\":\"u\",\"name\":\"n\",\"kind\":\"K\",\"apiVersion\":\"v1\"}]}"
        "}",
        "{\"metadata\":{\"finalizers\":[\"f/y\",\"f/x\"],\"labels\":{}},"
        "\"spec\":{\"containers\":[]}}",
        "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"containerPort\":"
        "1},"
        "{\"containerPort\":1,\"protocol\":\"UDP\",\"hostPort\":2}],\"resources\":{\"limits\":"
        "{\"cpu\":\"1\"}},\"env\":[{\"name\":\"E\",\"value\":\"\"}]}],\"securityContext\":{}}}",
        "{\"spec\":{\"containers\":[{\"name\":\"d\"},{\"name\":\"c\",\"image\":\"j\"}],"
        "\"securityContext\":{\"runAsUser\":0},\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],"
        "\"affinity\":{\"nodeAffinity\":{}},\"nodeSelector\":{\"a\":\"b\"}}}",
        "{\"spec\":{\"affinity\":{},\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/\"}}],"
        "\"tolerations\":[{\"key\":\"k\"}],\"topologySpreadConstraints\":[{\"topologyKey\":\"z\","
        "\"whenUnsatisfiable\":\"DoNotSchedule\",\"maxSkew\":1}]},"
        "\"status\":{\"phase\":\"Running\",\"podIPs\":[{\"ip\":\"10.0.0.1\"}],"
        "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
        "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"},"
        "{\"type\":\"Initialized\",\"status\":\"True\"}],\"startTime\":\"2026-01-01T00:00:00Z\"}}",
        "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"},{\"name\":\"c\",\"image\":"
        "\"j\"},"
        "{\"name\":\"a<\xc3\xa4\\\"\"},{\"image\":\"without a name\"}]}}",
        "{\"metadata\":{\"labels\":{\"m\":\"\",\"l\":\"\",\"k\":\"\",\"j\":\"\",\"i\":\"\",\"h\":"
        "\"\","
        "\"g\":\"\",\"f\":\"\",\"e\":\"\",\"d\":\"\",\"c\":\"\",\"b\":\"\",\"a\":\"\"}}}",
    };
    const struct api_message *table = api_message_find("k8s.io.api.core.v1.Pod");
    enum { PODS = ARRAY_LEN(texts) + 1 };
    void *pods[PODS] = {api_message_new(arena, table)}; /* What creation begins with. */
    for (size_t i = 1; i < PODS; i++) {
        ck_assert_int_eq(
            api_decode_json(arena, table, slice_text(texts[i - 1]), NULL, &pods[i], NULL), 0);
    }
    for (size_t i = 0; i < (size_t)PODS * PODS; i++) {
        check_difference(table, pods[i / PODS], pods[i % PODS]);
    }
}
END_TEST

Suite *apply_suite(void)
{
    Suite *suite = suite_create("apply");
    TCase *cases = tcase_create("apply");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, who_applies_through_two_versions_is_one_manager);
    tcase_add_test(cases, what_is_applied_is_of_the_kind_of_the_url);
    tcase_add_test(cases, what_is_applied_has_only_what_the_schema_declares);
    tcase_add_test(cases, items_of_a_keyed_list_have_their_keys_once);
    tcase_add_test(cases, what_is_inside_of_something_with_a_long_name_takes_little_memory);
    tcase_add_test(cases, who_updates_through_two_versions_has_an_entry_for_each);
    tcase_add_test(cases, a_field_goes_to_its_last_writer_and_a_field_that_goes_is_nobodys);
    tcase_add_test(cases, objects_differ_by_their_tables_as_they_do_by_their_trees);
    suite_add_tcase(suite, cases);
    return suite;
}
