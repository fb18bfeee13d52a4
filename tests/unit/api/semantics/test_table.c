/* Ages as kubectl prints them, and rows of kinds without columns of their own. */
#include "lib/api/table.h"

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

Suite *table_suite(void)
{
    Suite *suite = suite_create("table");
    TCase *text = tcase_create("text");
    tcase_add_test(text, ages_lose_precision_as_they_grow);
    suite_add_tcase(suite, text);
    TCase *metadata = tcase_create("metadata");
    tcase_add_test(metadata, a_row_of_a_daemon_set_does_not_show_its_template_generation);
    suite_add_tcase(suite, metadata);
    return suite;
}
