/* Ages as kubectl prints them, and rows of kinds without columns of their own. */
#include "lib/api/table.h"

#include "k8s/flowcontrol_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/api/defaults.h"
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

START_TEST(ages_lose_precision_as_they_grow)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {{-5, "<invalid>"},  {-1, "0s"},       {0, "0s"},      {119, "119s"},
                {120, "2m"},        {303, "5m3s"},    {600, "10m"},   {10799, "179m"},
                {10800, "3h"},      {11400, "3h10m"}, {28800, "8h"},  {172799, "47h"},
                {172800, "2d"},     {187200, "2d4h"}, {691200, "8d"}, {63072000, "2y"},
                {63158400, "2y1d"}, {252288000, "8y"}};
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ck_assert_str_eq(api_human_duration(arena, rows[i].seconds), rows[i].text);
    }
}
END_TEST

/* v1.32 keeps the counter in a field, which apps/v1 shows as an annotation. */
START_TEST(a_row_of_a_daemon_set_does_not_show_its_template_generation)
{
    static const char counter[] = "deprecated.daemonset.template.generation";
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_kind *kind = api_kind_find("apps", "v1", "daemonsets");
    void *message = api_message_new(arena, kind->message);
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    api_meta_set_annotation(arena, meta, counter, "1");
    api_meta_set_annotation(arena, meta, "mine", "yes");
    const Meta__V1__ObjectMeta *shown = api_table_meta(arena, kind, message);
    ck_assert_ptr_null(api_meta_annotation(shown, counter));
    ck_assert_str_eq(api_meta_annotation(shown, "mine"), "yes");
    ck_assert_str_eq(api_meta_annotation(meta, counter), "1"); /* The object has it still. */
}
END_TEST

static const char *row_of(struct arena *arena, const struct api_kind *kind, const char *json)
{
    struct error error = {0};
    void *message = NULL;
    struct api_table_cell cells[API_TABLE_COLUMNS_MAX];
    struct api_table_condition condition;
    size_t count = 0;
    ck_assert_msg(api_decode_json(arena, kind->message, slice_text(json), NULL, &message, &error) ==
                      0,
                  "%s", error_message(&error));
    api_default_object(arena, kind, message);
    api_table_row(arena, kind, message, 0, cells, &condition);
    (void)api_table_columns(kind, &count);
    const char *row = "";
    for (size_t i = 0; i < count; i++) {
        const char *cell = cells[i].type == API_CELL_TEXT
                               ? cells[i].text
                               : arena_printf(arena, "%lld", (long long)cells[i].number);
        row = arena_printf(arena, "%s%s%s", row, i == 0 ? "" : "|", cell);
    }
    return row;
}

START_TEST(the_class_that_claims_without_one_get_says_so)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_kind *kind = api_kind_find("storage.k8s.io", "v1", "storageclasses");
    ck_assert_str_eq(row_of(arena, kind,
                            "{\"metadata\":{\"name\":\"a\",\"annotations\":{"
                            "\"storageclass.kubernetes.io/is-default-class\":\"true\"}},"
                            "\"provisioner\":\"p\"}"),
                     "a (default)|p|Delete|Immediate|0|<unknown>");
    ck_assert_str_eq(row_of(arena, kind,
                            "{\"metadata\":{\"name\":\"a\",\"annotations\":{"
                            "\"storageclass.beta.kubernetes.io/is-default-class\":\"false\"}},"
                            "\"provisioner\":\"p\"}"),
                     "a|p|Delete|Immediate|0|<unknown>");
}
END_TEST

START_TEST(a_claim_that_waits_for_its_volume_has_none_of_it)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_kind *kind = api_kind_find("", "v1", "persistentvolumeclaims");
    ck_assert_str_eq(row_of(arena, kind,
                            "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"volumeName\":\"v\"},"
                            "\"status\":{\"phase\":\"Pending\"}}"),
                     "a|Pending|v|0|||<unset>|<unknown>|Filesystem");
}
END_TEST

START_TEST(a_scale_is_a_row_too)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_kind kind = {.group = "autoscaling",
                                  .kind = "Scale",
                                  .message = api_message_find("k8s.io.api.autoscaling.v1.Scale")};
    ck_assert_str_eq(row_of(arena, &kind,
                            "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"replicas\":3},"
                            "\"status\":{\"replicas\":2}}"),
                     "a|3|2|<unknown>");
}
END_TEST

START_TEST(flow_schemas_are_in_the_order_in_which_they_match)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_kind *kind =
        api_kind_find("flowcontrol.apiserver.k8s.io", "v1", "flowschemas");
    static const struct {
        const char *name;
        int precedence;
    } rows[] = {{"z", 1}, {"a", 2}, {"b", 2}};
    const void *messages[ARRAY_LEN(rows)];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Flowcontrol__V1__FlowSchema *schema = api_message_new(arena, kind->message);
        schema->metadata->name = arena_text(arena, rows[i].name);
        schema->spec->matching_precedence = rows[i].precedence;
        messages[i] = schema;
    }
    for (size_t i = 1; i < ARRAY_LEN(rows); i++) {
        ck_assert_int_lt(api_table_order(kind)(&messages[i - 1], &messages[i]), 0);
        ck_assert_int_gt(api_table_order(kind)(&messages[i], &messages[i - 1]), 0);
    }
    ck_assert(api_table_order(api_kind_find("", "v1", "pods")) == NULL);
}
END_TEST

Suite *table_suite(void)
{
    Suite *suite = suite_create("table");
    TCase *text = tcase_create("text");
    tcase_add_test(text, ages_lose_precision_as_they_grow);
    suite_add_tcase(suite, text);
    TCase *metadata = tcase_create("metadata");
    tcase_add_test(metadata, a_row_of_a_daemon_set_does_not_show_its_template_generation);
    suite_add_tcase(suite, metadata);
    TCase *rows = tcase_create("rows");
    tcase_add_test(rows, the_class_that_claims_without_one_get_says_so);
    tcase_add_test(rows, a_claim_that_waits_for_its_volume_has_none_of_it);
    tcase_add_test(rows, a_scale_is_a_row_too);
    tcase_add_test(rows, flow_schemas_are_in_the_order_in_which_they_match);
    suite_add_tcase(suite, rows);
    return suite;
}
