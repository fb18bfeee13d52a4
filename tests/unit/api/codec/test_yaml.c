#include "lib/api/codec.h"
#include "tests/unit/api/codec/suites.h"
#include <errno.h>

static const char *json_of(struct arena *arena, const char *yaml, struct api_problems *problems)
{
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 1 << 20);
    if (api_yaml_to_json(arena, slice_text(yaml), problems, &out, &error) < 0) {
        return arena_text(arena, error_message(&error));
    }
    return arena_text(arena, buffer_text(&out));
}

START_TEST(plain_scalars_have_the_types_of_yaml_1_1)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(json_of(arena,
                             "a: yes\nb: \"yes\"\nc: 0644\nd: 0x1F\ne: 1.50\nf: ~\ng: 1_000\n"
                             "h: 2024-01-01\ni: v1\nj: 12e\nk: -5\nl: !!str 5\nm: 1e3\n",
                             NULL),
                     "{\"a\":true,\"b\":\"yes\",\"c\":420,\"d\":31,\"e\":1.5,\"f\":null,\"g\":1000,"
                     "\"h\":\"2024-01-01\",\"i\":\"v1\",\"j\":\"12e\",\"k\":-5,\"l\":\"5\","
                     "\"m\":1000}");
}
END_TEST

START_TEST(anchors_and_merge_keys_are_written_out)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(json_of(arena, "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\nc: *x\n", NULL),
                     "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"p\":1},\"c\":{\"p\":1,\"q\":2}}");
}
END_TEST

START_TEST(errors_name_the_line_as_go_counts_it)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(json_of(arena, "apiVersion: v1\nkind: X\nb: c: d\n", NULL),
                     "yaml: line 3: mapping values are not allowed in this context");
    ck_assert_str_eq(json_of(arena, "a: *x\n", NULL), "yaml: unknown anchor 'x' referenced");
    ck_assert_str_eq(json_of(arena, "", NULL), "null");
}
END_TEST

/* CVE-2019-11253 */
START_TEST(a_document_that_grows_by_aliases_is_refused)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer yaml;
    buffer_init(&yaml, 1 << 20);
    buffer_append_text(&yaml, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 12; i++) {
        buffer_printf(&yaml, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1,
                      i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    ck_assert_str_eq(json_of(arena, buffer_text(&yaml), NULL),
                     "yaml: document contains excessive aliasing");
}
END_TEST

START_TEST(duplicate_keys_are_reported_and_the_last_wins)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct api_problems problems = {0};
    ck_assert_str_eq(json_of(arena, "a: 1\nb: 2\na: 3\n", &problems), "{\"a\":3,\"b\":2}");
    ck_assert_uint_eq(problems.count, 1);
    ck_assert_str_eq(problems.texts[0],
                     "yaml: unmarshal errors:\n  line 3: key \"a\" already set in map");
}
END_TEST

START_TEST(yaml_is_written_as_kubectl_writes_it)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 1 << 16);
    ck_assert_int_eq(
        api_json_to_yaml(
            slice_text("{\"b\":[{\"x\":1,\"a\":\"yes\"}],\"a\":{},\"c\":\"l1\\nl2\\n\","
                       "\"d\":\"5\",\"e\":null,\"f\":[],\"g\":\"it: "
                       "is\",\"h\":\"2026-11-21T07:22:03Z\",\"i\":\"2026-11-21-x\"}"),
            &out, NULL),
        0);
    ck_assert_str_eq(buffer_text(&out), "a: {}\nb:\n- a: \"yes\"\n  x: 1\nc: |\n  l1\n  l2\n"
                                        "d: \"5\"\ne: null\nf: []\ng: 'it: is'\n"
                                        "h: \"2026-11-21T07:22:03Z\"\ni: 2026-11-21-x\n");
}
END_TEST

Suite *yaml_suite(void)
{
    Suite *suite = suite_create("api/yaml");
    TCase *tcase = tcase_create("yaml");
    tcase_add_test(tcase, plain_scalars_have_the_types_of_yaml_1_1);
    tcase_add_test(tcase, anchors_and_merge_keys_are_written_out);
    tcase_add_test(tcase, errors_name_the_line_as_go_counts_it);
    tcase_add_test(tcase, a_document_that_grows_by_aliases_is_refused);
    tcase_add_test(tcase, duplicate_keys_are_reported_and_the_last_wins);
    tcase_add_test(tcase, yaml_is_written_as_kubectl_writes_it);
    suite_add_tcase(suite, tcase);
    return suite;
}
