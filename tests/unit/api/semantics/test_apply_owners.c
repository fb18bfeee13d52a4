/* Owners of fields: those that clients send, too many of them, those of before an apply, and what
 * moves from client-side to server-side apply. */
#include "lib/api/apply.h"

#include "lib/api/codec.h"
#include "lib/api/json_value.h"
#include "lib/api/kinds.h"
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

static struct api_apply_request by(const char *manager)
{
    return (struct api_apply_request){.kind = api_kind_find("", "v1", "configmaps"),
                                      .manager = manager,
                                      .subresource = "",
                                      .now_s = NOW_S};
}

/* --- What clients send ------------------------------------------------------------------------ */

/* A ConfigMap whose metadata and data are these JSON members. */
static void *map_of(const char *metadata, const char *data)
{
    const struct api_message *table = api_message_find("k8s.io.api.core.v1.ConfigMap");
    void *map = NULL;
    const char *text = arena_printf(arena, "{\"metadata\":{%s},\"data\":{%s}}", metadata, data);
    ck_assert_int_eq(api_decode_json(arena, table, slice_text(text), NULL, &map, NULL), 0);
    return map;
}

static const char *text_of(const char *text)
{
    return text == NULL ? "" : text;
}

/* "manager operation fields", by line, of all entries. */
static const char *owners_of(const void *map)
{
    const Meta__V1__ObjectMeta *meta =
        api_message_meta(api_message_find("k8s.io.api.core.v1.ConfigMap"), map);
    const char *all = "";
    for (size_t i = 0; i < meta->n_managed_fields; i++) {
        const Meta__V1__ManagedFieldsEntry *each = meta->managed_fields[i];
        all = arena_printf(arena, "%s%s %s %.*s\n", all, each->manager, text_of(each->operation),
                           (int)each->fields_v1->raw.len, (const char *)each->fields_v1->raw.data);
    }
    return all;
}

static const char *entry(const char *manager, const char *operation, const char *fields)
{
    return arena_printf(arena,
                        "{\"manager\":\"%s\",\"operation\":\"%s\",\"apiVersion\":\"v1\","
                        "\"fieldsType\":\"FieldsV1\",\"fieldsV1\":%s}",
                        manager, operation, fields);
}

/* Owners after "n" has changed data.a of a map of "m" and sent these managedFields. */
static const char *after_sending(const char *sent, const char *subresource)
{
    const struct api_apply_request first = by("m");
    struct api_apply_request second = by("n");
    void *made = map_of("", "\"a\":\"1\",\"b\":\"1\"");
    api_managed_fields_track(arena, &first, NULL, made);
    void *changed = map_of(sent, "\"a\":\"2\",\"b\":\"1\"");
    second.subresource = subresource;
    api_managed_fields_track(arena, &second, made, changed);
    return owners_of(changed);
}

#define A_OF_N "n Update {\"f:data\":{\"f:a\":{}}}\n"
#define B_OF_M "m Update {\"f:data\":{\".\":{},\"f:b\":{}}}\n"

START_TEST(owners_that_are_sent_replace_those_of_the_object)
{
    const char *sent = arena_printf(arena, "\"managedFields\":[%s]",
                                    entry("o", "Apply", "{\"f:data\":{\"f:a\":{},\"f:b\":{}}}"));
    ck_assert_str_eq(after_sending(sent, ""), "o Apply {\"f:data\":{\"f:b\":{}}}\n" A_OF_N);
}
END_TEST

/* A client that prints JSON in its own way sends back what it read. */
START_TEST(owners_that_are_sent_are_kept_in_one_form_however_they_are_spelt)
{
    const struct api_apply_request request = by("m");
    void *made = map_of("", "\"a\":\"1\",\"b\":\"1\"");
    api_managed_fields_track(arena, &request, NULL, made);
    const char *before = arena_printf(arena, "%s", owners_of(made));
    const char *sent =
        arena_printf(arena, "\"managedFields\":[%s]",
                     entry("m", "Update", "{\"f:data\": {\"f:b\": {}, \"f:a\": {}, \".\": {}}}"));
    void *again = map_of(sent, "\"a\":\"1\",\"b\":\"1\"");
    api_managed_fields_track(arena, &request, made, again);
    ck_assert_str_eq(owners_of(again), before);
}
END_TEST

START_TEST(owners_that_are_not_sent_or_do_not_read_stay)
{
    static const char *const unread[] = {"{}",          "[]",         "1",
                                         "{\"f:a\":1}", "{\"a\":{}}", "{\"k:{\":{}}"};
    ck_assert_str_eq(after_sending("", ""), B_OF_M A_OF_N);
    ck_assert_str_eq(after_sending("\"managedFields\":null", ""), B_OF_M A_OF_N);
    for (size_t i = 1; i < ARRAY_LEN(unread); i++) {
        const char *sent =
            arena_printf(arena, "\"managedFields\":[%s]", entry("o", "Apply", unread[i]));
        ck_assert_str_eq(after_sending(sent, ""), B_OF_M A_OF_N);
    }
    const char *other =
        arena_printf(arena, "\"managedFields\":[%s]", entry("o", "Patch", "{\"f:data\":{}}"));
    ck_assert_str_eq(after_sending(other, ""), B_OF_M A_OF_N);
}
END_TEST

START_TEST(what_is_wrong_with_owners_is_said_in_the_words_of_v1_32)
{
    static const struct {
        const char *fields, *problem;
    } cases[] = {
        {"{\"manager\":\"m\"}", "operation must be `Apply` or `Update`"},
        {"{\"operation\":\"Apply\"}", "apiVersion must not be empty"},
        {"{\"operation\":\"Update\",\"apiVersion\":\"v1\"}",
         "missing fieldsType in managed fields entry 0"},
        {"{\"operation\":\"Update\",\"apiVersion\":\"v1\",\"fieldsType\":\"x\"}",
         "invalid fieldsType \"x\" in managed fields entry 0"},
        {"{\"operation\":\"Update\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\","
         "\"fieldsV1\":[]}",
         "error decoding set"},
        {"{\"operation\":\"Update\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\"}", ""},
    };
    const struct api_message *table = by("m").kind->message;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const void *map =
            map_of(arena_printf(arena, "\"managedFields\":[%s]", cases[i].fields), "");
        ck_assert_str_eq(text_of(api_managed_fields_problem(arena, table, map)), cases[i].problem);
    }
}
END_TEST

START_TEST(owners_are_cleared_by_an_empty_list_or_entry_and_stay_so_until_an_apply)
{
    const struct api_apply_request request = by("n");
    ck_assert_str_eq(after_sending("\"managedFields\":[]", ""), "");
    ck_assert_str_eq(after_sending("\"managedFields\":[{}]", ""), "");
    void *unowned = map_of("", "\"a\":\"1\"");
    void *changed = map_of("", "\"a\":\"2\"");
    api_managed_fields_track(arena, &request, unowned, changed);
    ck_assert_str_eq(owners_of(changed), "");
}
END_TEST

START_TEST(owners_that_are_sent_through_a_subresource_do_not_count)
{
    const char *sent =
        arena_printf(arena, "\"managedFields\":[%s]", entry("o", "Apply", "{\"f:data\":{}}"));
    ck_assert_str_eq(after_sending(sent, "status"), B_OF_M A_OF_N);
    ck_assert_str_eq(after_sending("\"managedFields\":[]", "status"), B_OF_M A_OF_N);
}
END_TEST

START_TEST(an_owner_of_a_version_that_is_not_served_owns_nothing)
{
    const char *sent = "\"managedFields\":[{\"manager\":\"o\",\"operation\":\"Update\","
                       "\"apiVersion\":\"v0\",\"fieldsType\":\"FieldsV1\","
                       "\"fieldsV1\":{\"f:data\":{\"f:b\":{}}}}]";
    ck_assert_str_eq(after_sending(sent, ""), A_OF_N);
}
END_TEST

START_TEST(the_oldest_of_more_than_ten_that_update_are_merged)
{
    void *map = map_of("", "\"k0\":\"1\"");
    struct api_apply_request request = by("m0");
    api_managed_fields_track(arena, &request, NULL, map);
    const char *data = "\"k0\":\"1\"";
    for (int i = 1; i < 12; i++) {
        data = arena_printf(arena, "%s,\"k%d\":\"1\"", data, i);
        void *next = map_of("", data);
        request.manager = arena_printf(arena, "m%d", i);
        request.now_s = NOW_S + i;
        api_managed_fields_track(arena, &request, map, next);
        map = next;
    }
    const Meta__V1__ObjectMeta *meta = api_message_meta(request.kind->message, map);
    ck_assert_uint_eq(meta->n_managed_fields, 10);
    const char *first = "ancient-changes Update {\"f:data\":{\".\":{},\"f:k0\":{},\"f:k1\":{},"
                        "\"f:k2\":{}}}\nm3 Update {\"f:data\":{\"f:k3\":{}}}\n";
    ck_assert_msg(strncmp(owners_of(map), first, strlen(first)) == 0, "%s", owners_of(map));
    ck_assert_int_eq(meta->managed_fields[0]->time->seconds, NOW_S + 2);
    ck_assert_str_eq(meta->managed_fields[9]->manager, "m11");
}
END_TEST

START_TEST(only_who_writes_has_written_now)
{
    const struct api_apply_request first = by("m");
    struct api_apply_request second = by("n");
    void *made = map_of("", "\"a\":\"1\",\"b\":\"1\"");
    api_managed_fields_track(arena, &first, NULL, made);
    second.now_s = NOW_S + 5;
    void *changed = map_of("", "\"a\":\"2\",\"b\":\"1\"");
    api_managed_fields_track(arena, &second, made, changed);
    const Meta__V1__ObjectMeta *meta = api_message_meta(first.kind->message, changed);
    ck_assert_str_eq(owners_of(changed), B_OF_M A_OF_N);
    ck_assert_int_eq(meta->managed_fields[0]->time->seconds, NOW_S);
    ck_assert_int_eq(meta->managed_fields[1]->time->seconds, NOW_S + 5);
}
END_TEST

/* --- Apply ------------------------------------------------------------------------------------ */

static struct json_value *tree_of(const char *text)
{
    struct json_value *tree = NULL;
    ck_assert_int_eq(json_parse(arena, slice_text(text), &tree, NULL), 0);
    return tree;
}

static struct json_value *tree_of_map(const char *metadata, const char *data)
{
    return tree_of(arena_printf(arena,
                                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                                "\"name\":\"o\"%s},\"data\":{%s}}",
                                metadata, data));
}

/* What was refused, or NULL when the configuration was applied to `live`. */
static const char *apply_to(struct json_value **live, const char *manager, const char *metadata,
                            const char *data)
{
    const struct api_apply_request request = by(manager);
    const struct api_status *status = NULL;
    int result = api_apply(arena, &request, *live, tree_of_map(metadata, data), live, &status);
    ck_assert_int_eq(result, status == NULL ? 0 : -EEXIST);
    return status == NULL ? NULL : status->message;
}

/* Managers and their times, by line. */
static const char *managers_of(const struct json_value *object)
{
    const struct json_value *entries =
        json_get_text(json_get_text(object, "metadata"), "managedFields");
    const char *all = "";
    for (size_t i = 0; entries != NULL && i < entries->count; i++) {
        const struct json_value *at = json_get_text(entries->items[i], "time");
        all = arena_printf(arena, "%s%s %s%s\n", all,
                           (const char *)json_get_text(entries->items[i], "manager")->text.data,
                           (const char *)json_get_text(entries->items[i], "operation")->text.data,
                           at == NULL ? " at no time" : "");
    }
    return all;
}

START_TEST(what_nobody_owns_is_before_the_first_apply)
{
    struct json_value *live = tree_of_map("", "\"a\":\"1\",\"b\":\"1\"");
    ck_assert_str_eq(apply_to(&live, "m", "", "\"a\":\"2\""),
                     "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: "
                     ".data.a");
    ck_assert_ptr_null(apply_to(&live, "m", "", "\"a\":\"1\",\"c\":\"3\""));
    ck_assert_str_eq(managers_of(live), "m Apply\nbefore-first-apply Update\n");
}
END_TEST

START_TEST(who_applies_what_is_so_already_has_written_at_no_time)
{
    struct json_value *live = NULL;
    ck_assert_ptr_null(apply_to(&live, "m", "", "\"a\":\"1\""));
    ck_assert_ptr_null(apply_to(&live, "n", "", "\"a\":\"1\""));
    ck_assert_str_eq(managers_of(live), "n Apply at no time\nm Apply\n");
}
END_TEST

START_TEST(conflicts_are_told_manager_by_manager)
{
    struct json_value *live = NULL;
    ck_assert_ptr_null(apply_to(&live, "z", "", "\"a\":\"1\""));
    ck_assert_ptr_null(apply_to(&live, "y", "", "\"b\":\"1\",\"c\":\"1\""));
    ck_assert_str_eq(apply_to(&live, "m", "", "\"a\":\"2\",\"b\":\"2\",\"c\":\"2\""),
                     "Apply failed with 3 conflicts: conflicts with \"y\":\n- .data.b\n- .data.c\n"
                     "conflicts with \"z\":\n- .data.a");
}
END_TEST

#define LAST "kubectl.kubernetes.io/last-applied-configuration"

/* An object of client-side apply: the writer owns all of it by updating. */
static struct json_value *applied_by_client(const char *data, const char *last)
{
    return tree_of_map(
        arena_printf(arena,
                     ",\"annotations\":{\"" LAST "\":\"{\\\"apiVersion\\\":\\\"v1\\\",\\\"kind\\\":"
                     "\\\"ConfigMap\\\",\\\"data\\\":{%s}}\"},\"managedFields\":[%s]",
                     last,
                     entry("kubectl-client-side-apply", "Update",
                           "{\"f:data\":{\".\":{},\"f:a\":{},\"f:b\":{}}}")),
        data);
}

START_TEST(kubectl_takes_over_what_it_applied_as_a_client)
{
    const char *data = "\"a\":\"1\",\"b\":\"1\"";
    const char *last = "\\\"a\\\":\\\"1\\\",\\\"b\\\":\\\"1\\\"";
    struct json_value *live = applied_by_client(data, last);
    ck_assert_str_eq(apply_to(&live, "other", "", "\"a\":\"2\""),
                     "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" "
                     "using v1: .data.a");
    ck_assert_ptr_null(apply_to(&live, "kubectl", "", "\"a\":\"2\""));
    const struct json_value *annotations =
        json_get_text(json_get_text(live, "metadata"), "annotations");
    ck_assert_str_eq((const char *)json_get_text(annotations, LAST)->text.data,
                     "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"2\"},\"kind\":\"ConfigMap\","
                     "\"metadata\":{\"name\":\"o\"}}\n");
}
END_TEST

START_TEST(kubectl_does_not_take_over_what_somebody_changed_since)
{
    struct json_value *live =
        applied_by_client("\"a\":\"1\",\"b\":\"9\"", "\\\"a\\\":\\\"1\\\",\\\"b\\\":\\\"1\\\"");
    ck_assert_str_eq(apply_to(&live, "kubectl", "", "\"a\":\"2\",\"b\":\"2\""),
                     "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" "
                     "using v1: .data.b");
}
END_TEST

Suite *apply_owners_suite(void)
{
    Suite *suite = suite_create("apply_owners");
    TCase *cases = tcase_create("apply_owners");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, owners_that_are_sent_replace_those_of_the_object);
    tcase_add_test(cases, owners_that_are_sent_are_kept_in_one_form_however_they_are_spelt);
    tcase_add_test(cases, owners_that_are_not_sent_or_do_not_read_stay);
    tcase_add_test(cases, what_is_wrong_with_owners_is_said_in_the_words_of_v1_32);
    tcase_add_test(cases, owners_are_cleared_by_an_empty_list_or_entry_and_stay_so_until_an_apply);
    tcase_add_test(cases, owners_that_are_sent_through_a_subresource_do_not_count);
    tcase_add_test(cases, an_owner_of_a_version_that_is_not_served_owns_nothing);
    tcase_add_test(cases, the_oldest_of_more_than_ten_that_update_are_merged);
    tcase_add_test(cases, only_who_writes_has_written_now);
    tcase_add_test(cases, what_nobody_owns_is_before_the_first_apply);
    tcase_add_test(cases, who_applies_what_is_so_already_has_written_at_no_time);
    tcase_add_test(cases, conflicts_are_told_manager_by_manager);
    tcase_add_test(cases, kubectl_takes_over_what_it_applied_as_a_client);
    tcase_add_test(cases, kubectl_does_not_take_over_what_somebody_changed_since);
    suite_add_tcase(suite, cases);
    return suite;
}
