#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "lib/api/json_print.h"
#include "lib/api/json_value.h"
#include "tests/unit/api/codec/suites.h"
#include <errno.h>

/* Decodes a Pod and encodes it again; or the error's text. */
static const char *through(struct arena *arena, const char *text, struct api_problems *problems)
{
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(buffer_release) struct buffer out;
    void *object;

    buffer_init(&out, 1 << 20);
    if (api_decode_json(arena, &core__v1__pod__schema, slice_text(text), problems, &object,
                        &error) < 0) {
        return arena_text(arena, error_message(&error));
    }
    api_encode_json(&core__v1__pod__schema, object, NULL, &out);
    return arena_text(arena, buffer_text(&out));
}

START_TEST(empty_structs_and_null_times_are_shown_as_kubernetes_shows_them)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(through(arena, "{}", NULL),
                     "{\"metadata\":{\"creationTimestamp\":null},\"spec\":{\"containers\":null},"
                     "\"status\":{}}");
    ck_assert_str_eq(through(arena, "{\"spec\":{\"containers\":[{\"name\":\"c\"}]}}", NULL),
                     "{\"metadata\":{\"creationTimestamp\":null},\"spec\":{\"containers\":[{"
                     "\"name\":\"c\",\"resources\":{}}]},\"status\":{}}");
}
END_TEST

START_TEST(texts_are_escaped_as_go_escapes_them)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(
        through(arena,
                "{\"metadata\":{\"name\":\"<&>\\u00e9\\ud83d\\ude00\\u2028\\n\\u0001\xff\"}}",
                NULL),
        "{\"metadata\":{\"name\":\"\\u003c\\u0026\\u003e\xc3\xa9\xf0\x9f\x98\x80\\u2028\\n\\u0001"
        "\xef\xbf\xbd\",\"creationTimestamp\":null},\"spec\":{\"containers\":null},\"status\":{}}");
}
END_TEST

START_TEST(raw_json_loses_its_white_space_and_nothing_else)
{
    static const char *const cases[][2] = {
        {"{ \"a b\" :\t[ 1 ,\n\"  \" ] ,\r\n\"\" : { } }", "{\"a b\":[1,\"  \"],\"\":{}}"},
        {"[\"\\\" ,\", \"\\\\\" , \"x\\u0041\"]", "[\"\\\" ,\",\"\\\\\",\"x\\u0041\"]"},
        {"{\"<a>\": \"&\"}", "{\"\\u003ca\\u003e\":\"\\u0026\"}"},
        {"\"\xe2\x80\xa8 \xe2\x80\xa9\xe2\x80\xaa\xc3\xa9 \x7f\"",
         "\"\\u2028 \\u2029\xe2\x80\xaa\xc3\xa9 \x7f\""},
        {"\"cut off \\", "\"cut off \\"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(buffer_release) struct buffer out;
        buffer_init(&out, 1 << 10);
        json_print_compact(slice_text(cases[i][0]), &out);
        ck_assert_str_eq(buffer_text(&out), cases[i][1]);
    }
}
END_TEST

START_TEST(pointers_keep_zero_and_lose_null)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(through(arena,
                             "{\"spec\":{\"terminationGracePeriodSeconds\":0,"
                             "\"activeDeadlineSeconds\":null,\"hostNetwork\":false}}",
                             NULL),
                     "{\"metadata\":{\"creationTimestamp\":null},\"spec\":{\"containers\":null,"
                     "\"terminationGracePeriodSeconds\":0},\"status\":{}}");
}
END_TEST

START_TEST(unknown_and_duplicate_fields_are_named_by_their_path)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct api_problems problems = {0};
    (void)through(arena,
                  "{\"kind\":\"Pod\",\"kind\":\"Pod\",\"x\":1,\"spec\":{\"containers\":[{},{\"y\":"
                  "{\"z\":1}}],\"hostPID\":true,\"hostPID\":false},\"metadata\":{\"labels\":{\"b\":"
                  "\"1\",\"a\":\"1\",\"b\":\"2\"}}}",
                  &problems);
    ck_assert_uint_eq(problems.count, 5);
    ck_assert_str_eq(problems.texts[0], "duplicate field \"kind\"");
    ck_assert_str_eq(problems.texts[1], "unknown field \"x\"");
    ck_assert_str_eq(problems.texts[2], "unknown field \"spec.containers[1].y\"");
    ck_assert_str_eq(problems.texts[3], "duplicate field \"spec.hostPID\"");
    ck_assert_str_eq(problems.texts[4], "duplicate field \"metadata.labels.b\"");
}
END_TEST

START_TEST(values_of_the_wrong_type_are_reported_as_go_reports_them)
{
    static const char *const cases[][2] = {
        {"{\"spec\":{\"containers\":{}}}",
         "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type "
         "[]v1.Container"},
        {"{\"spec\":{\"containers\":[{\"image\":1}]}}",
         "json: cannot unmarshal number into Go struct field Container.spec.containers.image of "
         "type string"},
        {"{\"spec\":{\"priority\":1.5}}",
         "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of type "
         "int32"},
        {"{\"spec\":{\"priority\":3000000000}}",
         "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of "
         "type int32"},
        {"{\"metadata\":{\"labels\":{\"a\":true}}}",
         "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type "
         "string"},
        {"{\"metadata\":{\"uid\":[]}}",
         "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.uid of type "
         "types.UID"},
        {"[]", "json: cannot unmarshal array into Go value of type v1.Pod"},
    };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_str_eq(through(arena, cases[i][0], NULL), cases[i][1]);
    }
}
END_TEST

START_TEST(syntax_errors_have_the_words_of_go)
{
    static const char *const cases[][2] = {
        {"", "unexpected end of JSON input"},
        {"{\"a\":", "unexpected end of JSON input"},
        {"{a}", "invalid character 'a' looking for beginning of object key string"},
        {"{\"a\" 1}", "invalid character '1' after object key"},
        {"{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"},
        {"{\"a\":[1 2]}", "invalid character '2' after array element"},
        {"{} x", "invalid character 'x' after top-level value"},
        {"{\"a\":tru }", "invalid character ' ' in literal true (expecting 'e')"},
        {"{\"a\":1.}", "invalid character '}' after decimal point in numeric literal"},
        {"{\"a\":\"\\x\"}", "invalid character 'x' in string escape code"},
        {"{\"a\":01}", "invalid character '1' after object key:value pair"},
    };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_str_eq(through(arena, cases[i][0], NULL), cases[i][1]);
    }
}
END_TEST

START_TEST(nesting_beyond_the_limit_is_refused_not_crashed_on)
{
    enum { DEPTH = 20000 };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, 1 << 20);
    buffer_append_text(&text, "{\"x\":");
    for (int i = 0; i < DEPTH; i++) {
        buffer_append_byte(&text, '[');
    }
    ck_assert_str_eq(through(arena, buffer_text(&text), NULL), "exceeded max depth");
}
END_TEST

/* The class of CVE-2019-11253, without aliases. */
START_TEST(a_small_body_cannot_take_much_memory)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(8 << 20);
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, 4 << 20);
    buffer_append_text(&text, "{\"spec\":{\"containers\":[");
    for (int i = 0; i < 100000; i++) {
        buffer_append_text(&text, "{},");
    }
    buffer_append_text(&text, "{}]}}");
    ck_assert_str_eq(through(arena, buffer_text(&text), NULL), "object is too large");
}
END_TEST

START_TEST(kind_and_version_are_read_without_the_rest)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(error_release) struct error error = {0};
    struct api_type_meta meta;
    ck_assert_int_eq(api_peek_json(arena,
                                   slice_text("{\"a\":{\"kind\":\"x\"},\"kind\":\"Pod\","
                                              "\"apiVersion\":\"v1\"}"),
                                   &meta, &error),
                     0);
    ck_assert_str_eq(meta.kind, "Pod");
    ck_assert_str_eq(meta.api_version, "v1");
    ck_assert_int_eq(api_peek_json(arena, slice_text("[]"), &meta, &error), -EBADMSG);
    ck_assert_str_eq(
        error_message(&error),
        "json: cannot unmarshal array into Go value of type struct { APIVersion string "
        "\"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
        "\"json:\\\"kind,omitempty\\\"\" }");
}
END_TEST

START_TEST(trees_keep_order_and_take_the_last_duplicate)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer out;
    struct json_value *value, *other;

    buffer_init(&out, 4096);
    ck_assert_int_eq(
        json_parse(arena, slice_text("{\"b\":1,\"a\":[1.0,true,null],\"b\":\"x\"}"), &value, NULL),
        0);
    json_print(value, false, &out);
    ck_assert_str_eq(buffer_text(&out), "{\"b\":\"x\",\"a\":[1.0,true,null]}");
    ck_assert_int_eq(
        json_parse(arena, slice_text("{\"a\":[1,true,null],\"b\":\"x\"}"), &other, NULL), 0);
    ck_assert(json_equal(value, other));
    json_remove_at(json_get_text(other, "a"), 0);
    ck_assert(!json_equal(value, other));
    buffer_clear(&out);
    json_indent(slice_text("{\"a\":[],\"b\":[1,{}]}"), &out);
    static const char indented[] = "{\n  \"a\": [],\n  \"b\": [\n    1,\n    {}\n  ]\n}";
    ck_assert_str_eq(buffer_text(&out), indented);
    buffer_clear(&out);
    struct json_indent state = {0};
    json_indent_part(&state, slice_text("{\"a\":["), &out);
    json_indent_part(&state, slice_text("],\"b\":["), &out);
    json_indent_part(&state, slice_text("1,{}]}"), &out);
    ck_assert_str_eq(buffer_text(&out), indented);
}
END_TEST

START_TEST(schemas_in_schemas_keep_their_special_forms)
{
    static const char text[] =
        "{\"type\":\"object\",\"maximum\":1.5,\"items\":{\"type\":\"string\"},"
        "\"properties\":{\"x\":{\"default\":{\"a\":1},\"additionalProperties\":false},"
        "\"y\":{\"items\":[{},{}],\"additionalProperties\":{\"type\":\"integer\"}}},"
        "\"x-kubernetes-int-or-string\":true}";
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer out;
    struct json_value *before, *after;
    void *object;

    buffer_init(&out, 4096);
    ck_assert_int_eq(api_decode_json(arena, &apiextensions__v1__jsonschema_props__schema,
                                     slice_text(text), NULL, &object, NULL),
                     0);
    api_encode_json(&apiextensions__v1__jsonschema_props__schema, object, NULL, &out);
    ck_assert_int_eq(json_parse(arena, slice_text(text), &before, NULL), 0);
    ck_assert_int_eq(json_parse(arena, buffer_slice(&out), &after, NULL), 0);
    ck_assert_msg(json_equal(before, after), "%s", buffer_text(&out));
}
END_TEST

START_TEST(members_of_an_object_with_very_many_are_found_whatever_came_and_went)
{
    enum { MANY = 1000 };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct json_value *object = json_new_object(arena);
    for (int64_t i = 0; i < MANY; i++) {
        json_set_text(arena, object, arena_printf(arena, "%d", (int)i), json_new_int(arena, i));
    }
    json_set_text(arena, object, "500", json_new_int(arena, -500));
    ck_assert_uint_eq(object->count, MANY);
    ck_assert(json_remove(object, slice_text("7")));
    ck_assert(!json_remove(object, slice_text("7")));
    for (int i = 0; i < MANY; i += 2) {
        json_drop(object, slice_text(arena_printf(arena, "%d", i)));
    }
    json_set_text(arena, object, "10", json_new_int(arena, -10)); /* Comes back in its place. */
    json_sweep(arena, object);
    ck_assert_uint_eq(object->count, MANY / 2); /* Without 7, with 10. */
    const struct json_value *copies[] = {object, json_copy(arena, object),
                                         json_copy_members(arena, object)};
    for (size_t c = 0; c < sizeof(copies) / sizeof(copies[0]); c++) {
        for (int i = 0; i < MANY; i++) {
            int64_t number = 0;
            const struct json_value *value = json_get_text(copies[c], arena_printf(arena, "%d", i));
            bool there = i == 10 || (i % 2 == 1 && i != 7);
            ck_assert_int_eq(value != NULL, there);
            if (there) {
                ck_assert_int_eq(json_int64(value, &number), 0);
                ck_assert_int_eq(number, i == 10 ? -10 : i);
            }
        }
    }
}
END_TEST

Suite *json_suite(void)
{
    Suite *suite = suite_create("api/json");
    TCase *tcase = tcase_create("json");
    tcase_add_test(tcase, empty_structs_and_null_times_are_shown_as_kubernetes_shows_them);
    tcase_add_test(tcase, members_of_an_object_with_very_many_are_found_whatever_came_and_went);
    tcase_add_test(tcase, texts_are_escaped_as_go_escapes_them);
    tcase_add_test(tcase, raw_json_loses_its_white_space_and_nothing_else);
    tcase_add_test(tcase, pointers_keep_zero_and_lose_null);
    tcase_add_test(tcase, unknown_and_duplicate_fields_are_named_by_their_path);
    tcase_add_test(tcase, values_of_the_wrong_type_are_reported_as_go_reports_them);
    tcase_add_test(tcase, syntax_errors_have_the_words_of_go);
    tcase_add_test(tcase, nesting_beyond_the_limit_is_refused_not_crashed_on);
    tcase_add_test(tcase, a_small_body_cannot_take_much_memory);
    tcase_add_test(tcase, kind_and_version_are_read_without_the_rest);
    tcase_add_test(tcase, trees_keep_order_and_take_the_last_duplicate);
    tcase_add_test(tcase, schemas_in_schemas_keep_their_special_forms);
    suite_add_tcase(suite, tcase);
    return suite;
}
