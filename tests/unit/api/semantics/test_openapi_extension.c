/* OpenAPI v2 documents of extension servers: what is kept of one, and how they become part of ours.
 */
#include "lib/api/json_value.h"
#include "lib/api/limits_semantics.h"
#include "lib/api/openapi_extension.h"
#include "lib/base/alloc.h"
#include "tests/unit/api/semantics/suites.h"
#include <errno.h>
#include <stdlib.h>

#define META_NAME "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

/* Quotes are easier to read as '. */
static const char *quoted(const char *text)
{
    char *copy = arena_text(arena, text);
    for (char *c = copy; *c != 0; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    return copy;
}

static int keep(const char *text, const char **ret_kept)
{
    CLEANUP(buffer_release) struct buffer out = {0};
    CLEANUP(error_release) struct error error = {0};
    buffer_init(&out, (size_t)8 << 20);
    int status = api_openapi_extension_keep(slice_text(text), "g.io", "v1", &out, &error);
    ck_assert((status == 0) == (error.code == 0));
    ck_assert(status == 0 || error_message(&error)[0] != 0);
    *ret_kept = arena_text(arena, buffer_text(&out));
    return status;
}

/* Of a path that refers to definition "A", with these definitions and parameters. */
static const char *document(const char *definitions, const char *parameters)
{
    return arena_printf(
        arena,
        "{\"swagger\":\"2.0\",\"definitions\":{%s},\"parameters\":{%s},\"paths\":{"
        "\"/apis/g.io/v1/as\":{\"get\":{\"responses\":{\"200\":{\"description\":\"OK\","
        "\"schema\":{\"$ref\":\"#/definitions/A\"}}}}}}}",
        quoted(definitions), quoted(parameters));
}

#define PATHS                                                                                      \
    "'paths':{'/apis/g.io/v1/as':{'get':{'responses':{'200':{'description':'OK','schema':{"        \
    "'$ref':'#/definitions/A'}}}}}}}"

static void check_kept(const char *definitions, const char *wanted)
{
    const char *kept = NULL;
    ck_assert_int_eq(keep(document(definitions, ""), &kept), 0);
    ck_assert_str_eq(
        kept, quoted(arena_printf(arena, "{'parameters':{},'definitions':{%s}," PATHS, wanted)));
}

/* --- What is kept ------------------------------------------------------------------------------
 */

START_TEST(paths_of_the_version_are_kept_with_all_that_they_refer_to)
{
    const char *kept = NULL;
    const char *text = quoted(
        "{'swagger':'2.0','host':'evil','paths':{'/apis/g.io/v1/as':{'get':{'parameters':[{'$ref':"
        "'#/parameters/p'},{'$ref':'#/parameters/none'}],'responses':{}}},'/apis/g.io/v2/as':{},"
        "'/apis/g.io/v1':{},'/api/v1/pods':{},'/':{}},'parameters':{'p':{'name':'body','in':'body',"
        "'schema':{'$ref':'#/definitions/A'}},'q':{'in':'query','name':'q'}},'definitions':{"
        "'A':{'items':1,'properties':{'b':{'$ref':'#/definitions/B'}}},'B':{'type':'array',"
        "'items':{'$ref':'#/definitions/A'}},'C':{}}}");
    ck_assert_int_eq(keep(text, &kept), 0);
    ck_assert_str_eq(
        kept, quoted("{'parameters':{'p':{'name':'body','in':'body','schema':{'$ref':"
                     "'#/definitions/A'}}},'definitions':{'A':{'properties':{'b':{'$ref':"
                     "'#/definitions/B'}}},'B':{'type':'array','items':{'$ref':'#/definitions/A'}"
                     "}},'paths':{'/apis/g.io/v1/as':{'get':{'parameters':[{'$ref':"
                     "'#/parameters/p'}],'responses':{}}}}}"));
}
END_TEST

START_TEST(what_keeps_readers_from_the_rest_is_left_out)
{
    check_kept("'A':{'type':'object','properties':{'a':{'$ref':'#/definitions/None','default':1},"
               "'b':{'$ref':'http://h/x'},'c':{'$ref':'#/definitions/N'}},'additionalProperties':{"
               "'type':['integer']}},'N':7",
               "'A':{'type':'object','properties':{'a':{'default':1},'b':{},'c':{}},"
               "'additionalProperties':{'type':'integer'}}");
    check_kept("'A':{'type':['string','null'],'items':{},'properties':{'a':{}}}", "'A':{}");
    check_kept("'A':{'type':'file'}", "'A':{}");
    check_kept("'A':{'type':'array'}", "'A':{'type':'array','items':{}}");
    check_kept("'A':{'type':'array','items':[{}]}", "'A':{'type':'array','items':{}}");
    check_kept("'A':{'type':'object','properties':{}}", "'A':{'type':'object'}");
    check_kept("'A':{'$ref':'#/definitions/A','type':'object','properties':{},'description':'d'}",
               "'A':{'$ref':'#/definitions/A','description':'d'}");
}
END_TEST

START_TEST(members_that_are_unknown_or_of_another_type_are_left_out)
{
    check_kept("'A':{'anyOf':[{}],'nullable':true,'maximum':1e999,'minLength':'a','minimum':1.5,"
               "'required':['a',1],'enum':[1,'b',{'c':null}],'description':5,'title':'t',"
               "'uniqueItems':true,'x-more':{'a':[1]},'y':1}",
               "'A':{'title':'t','minimum':1.5,'uniqueItems':true,'enum':[1,'b',{'c':null}],"
               "'x-more':{'a':[1]}}");
}
END_TEST

START_TEST(schemas_are_of_kinds_of_their_own_version_only)
{
    check_kept(
        "'A':{'x-kubernetes-group-version-kind':[{'group':'apps','version':'v1','kind':"
        "'Deployment'},{'group':'g.io','version':'v1','kind':'A'},{'group':'g.io','version':'v2',"
        "'kind':'A'},7]}",
        "'A':{'x-kubernetes-group-version-kind':[{'group':'g.io','version':'v1','kind':'A'}]}");
    check_kept("'A':{'x-kubernetes-group-version-kind':'A'}", "'A':{}");
}
END_TEST

START_TEST(what_is_no_document_of_version_two_is_refused)
{
    static const char *const texts[] = {
        "",
        "[]",
        "null",
        "{}",
        "{\"swagger\":2.0}",
        "{\"swagger\":\"2.0\"",
        "{\"swagger\":\"2.0\"}{}",
        "{\"swagger\":\"2.0\",\"paths\":{\"/apis/g.io/v1/a\":{\"get\":x}}}",
        "{\"openapi\":\"3.0.0\",\"paths\":{}}",
        ("\x0a\x03"
         "2.0")};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *kept = NULL;
        ck_assert_msg(keep(texts[i], &kept) == -EINVAL, "%s", texts[i]);
        ck_assert_str_eq(kept, "");
    }
}
END_TEST

START_TEST(a_document_that_says_nothing_of_the_version_adds_nothing)
{
    static const char *const texts[] = {"{\"swagger\":\"2.0\"}",
                                        "{\"swagger\":\"2.0\",\"paths\":null,\"definitions\":[]}"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *kept = NULL;
        ck_assert_int_eq(keep(texts[i], &kept), 0);
        ck_assert_str_eq(kept, "{\"parameters\":{},\"definitions\":{},\"paths\":{}}");
    }
}
END_TEST

START_TEST(of_members_of_one_name_the_last_counts)
{
    check_kept("'A':{'title':'a'},'B':{},'A':{'title':'b'}", "'A':{'title':'b'}");
}
END_TEST

START_TEST(schemas_that_nest_too_deep_end)
{
    struct buffer text;
    const char *kept = NULL;
    buffer_init(&text, (size_t)1 << 20);
    buffer_append_text(&text, "'A':");
    for (int i = 0; i < 5000; i++) {
        buffer_append_text(&text, "{'additionalProperties':");
    }
    buffer_append_text(&text, "{}");
    for (int i = 0; i < 5000; i++) {
        buffer_append_text(&text, "}");
    }
    ck_assert_int_eq(keep(document(buffer_text(&text), ""), &kept), 0);
    size_t depth = 0;
    for (const char *at = kept; (at = strstr(at, "additionalProperties")) != NULL; at++) {
        depth++;
    }
    ck_assert_uint_eq(depth, API_OPENAPI_DEPTH_MAX + 1);
    buffer_release(&text);
}
END_TEST

START_TEST(documents_that_are_too_large_are_refused)
{
    struct buffer text;
    const char *kept = NULL;
    buffer_init(&text, (size_t)8 << 20);
    buffer_append_text(&text, "'A':{'description':'");
    for (int i = 0; i < API_OPENAPI_KEPT_MAX; i++) {
        buffer_append_byte(&text, 'x');
    }
    buffer_append_text(&text, "'}");
    ck_assert_int_eq(keep(document(buffer_text(&text), ""), &kept), -E2BIG);
    buffer_clear(&text);
    buffer_append_text(&text, "'A':{}");
    for (int i = 0; i < API_OPENAPI_NAMES_MAX; i++) {
        buffer_printf(&text, ",'A%d':{}", i);
    }
    ck_assert_int_eq(keep(document(buffer_text(&text), ""), &kept), -E2BIG);
    buffer_release(&text);
}
END_TEST

/* --- Together ----------------------------------------------------------------------------------
 */

static struct api_openapi_merge *merge;

static void begin_merge(void)
{
    setup();
    merge = api_openapi_merge_new(NULL, 0);
}

static void end_merge(void)
{
    api_openapi_merge_free(merge);
    teardown();
}

static void add(const char *version, const char *definitions)
{
    const char *text =
        quoted(arena_printf(arena,
                            "{'definitions':{%s},'paths':{'/apis/g.io/%s/as':{'get':{'responses':{"
                            "'200':{'schema':{'$ref':'#/definitions/A'}}}}}}}",
                            definitions, version));
    ck_assert_int_eq(api_openapi_merge_add(merge, slice_text(text), "g.io", version), 0);
}

static void check_part(enum api_openapi_part part, const char *wanted)
{
    ck_assert_str_eq(buffer_text(api_openapi_merge_json(merge, part)), quoted(wanted));
}

#define PATH(version, name)                                                                        \
    ",'/apis/g.io/" version                                                                        \
    "/as':{'get':{'responses':{'200':{'schema':{'$ref':'#/definitions/" name "'}}}}}"

START_TEST(a_definition_that_is_there_is_not_added_again)
{
    add("v1", "'A':{'properties':{'b':{'$ref':'#/definitions/B'}}},'B':{'title':'b','format':'f'}");
    add("v2", "'B':{'format':'f','title':'b'},'A':{'properties':{'b':{'$ref':'#/definitions/B'}}}");
    check_part(API_OPENAPI_DEFINITIONS, ",'A':{'properties':{'b':{'$ref':'#/definitions/B'}}},"
                                        "'B':{'title':'b','format':'f'}");
    check_part(API_OPENAPI_PATHS, PATH("v1", "A") PATH("v2", "A"));
}
END_TEST

START_TEST(another_definition_of_a_name_gets_a_number)
{
    add("v1", "'A':{'title':'1'},'A_v2':{'title':'mine'}");
    add("v2", "'A':{'title':'2'},'A_v3':{'title':'mine'}");
    add("v3", "'A':{'title':'3'}");
    add("v4", "'A':{'title':'2'}");
    check_part(API_OPENAPI_DEFINITIONS,
               ",'A':{'title':'1'},'A_v2':{'title':'mine'},'A_v4':{'title':'2'},'A_v3':{'title':"
               "'mine'},'A_v5':{'title':'3'}");
    check_part(API_OPENAPI_PATHS,
               PATH("v1", "A") PATH("v2", "A_v4") PATH("v3", "A_v5") PATH("v4", "A_v4"));
}
END_TEST

/* The same text says something else where what it refers to is something else. */
START_TEST(who_refers_to_a_renamed_one_is_another_one_too)
{
    static const char other[] = "'A':{'properties':{'b':{'$ref':'#/definitions/B'}}},'B':{"
                                "'properties':{'c':{'$ref':'#/definitions/C'}}},'C':{'title':'2'}";
    static const char as_text[] = ",'A%s':{'properties':{'b':{'$ref':'#/definitions/B%s'}}},"
                                  "'B%s':{'properties':{'c':{'$ref':'#/definitions/C%s'}}},"
                                  "'C%s':{'title':'%d'}";
    add("v1", "'A':{'properties':{'b':{'$ref':'#/definitions/B'}}},'B':{'properties':{'c':{'$ref':"
              "'#/definitions/C'}}},'C':{'title':'1'}");
    add("v2", other);
    add("v3", other);
    check_part(API_OPENAPI_DEFINITIONS,
               arena_printf(arena, "%s%s", arena_printf(arena, as_text, "", "", "", "", "", 1),
                            arena_printf(arena, as_text, "_v2", "_v2", "_v2", "_v2", "_v2", 2)));
    check_part(API_OPENAPI_PATHS, PATH("v1", "A") PATH("v2", "A_v2") PATH("v3", "A_v2"));
}
END_TEST

START_TEST(definitions_in_a_circle_are_shared_and_renamed_together)
{
    static const char text[] = "'A':{'properties':{'b':{'$ref':'#/definitions/B'},'a':{'$ref':"
                               "'#/definitions/A'}}},'B':{'title':'%s','properties':{'a':{'$ref':"
                               "'#/definitions/A'}}}";
    add("v1", arena_printf(arena, text, "1"));
    add("v2", arena_printf(arena, text, "1"));
    add("v3", arena_printf(arena, text, "2"));
    check_part(API_OPENAPI_PATHS, PATH("v1", "A") PATH("v2", "A") PATH("v3", "A_v2"));
    check_part(API_OPENAPI_DEFINITIONS,
               arena_printf(arena,
                            ",%s,'A_v2':{'properties':{'b':{'$ref':'#/definitions/B_v2'},'a':{"
                            "'$ref':'#/definitions/A_v2'}}},'B_v2':{'title':'2','properties':{'a':{"
                            "'$ref':'#/definitions/A_v2'}}}",
                            arena_printf(arena, text, "1")));
}
END_TEST

START_TEST(parameters_are_renamed_as_definitions_are)
{
    static const char text[] =
        "{'parameters':{'pretty':{'name':'pretty','in':'query','description':'%s'}},'paths':{"
        "'/apis/g.io/%s/as':{'parameters':[{'$ref':'#/parameters/pretty'}]}}}";
    const char *const documents[] = {arena_printf(arena, text, "1", "v1"),
                                     arena_printf(arena, text, "2", "v2"),
                                     arena_printf(arena, text, "1", "v3")};
    for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
        ck_assert_int_eq(api_openapi_merge_add(merge, slice_text(quoted(documents[i])), "g.io",
                                               arena_printf(arena, "v%zu", i + 1)),
                         0);
    }
    check_part(API_OPENAPI_PARAMETERS,
               ",'pretty_v2':{'name':'pretty','in':'query','description':'1'},'pretty_v3':{'name':"
               "'pretty','in':'query','description':'2'}");
    check_part(API_OPENAPI_PATHS,
               ",'/apis/g.io/v1/as':{'parameters':[{'$ref':'#/parameters/pretty_v2'}]},"
               "'/apis/g.io/v2/as':{'parameters':[{'$ref':'#/parameters/pretty_v3'}]},"
               "'/apis/g.io/v3/as':{'parameters':[{'$ref':'#/parameters/pretty_v2'}]}");
}
END_TEST

static const struct json_value *own_definitions(void)
{
    CLEANUP(buffer_release) struct buffer text = {0};
    struct json_value *tree = NULL;
    buffer_init(&text, SIZE_MAX);
    ck_assert_int_eq(api_openapi_v2(API_OPENAPI_PARAMETERS, &text), 0);
    ck_assert_int_eq(api_openapi_v2(API_OPENAPI_DEFINITIONS, &text), 0);
    buffer_append_text(&text, "}}");
    ck_assert_int_eq(json_parse(arena, buffer_slice(&text), &tree, NULL), 0);
    return json_get_text(tree, "definitions");
}

/* By which it is told that a name may be one of these. */
START_TEST(the_names_of_our_own_definitions_begin_alike)
{
    const struct json_value *own = own_definitions();
    ck_assert_uint_gt(own->count, 100);
    for (size_t i = 0; i < own->count; i++) {
        ck_assert(slice_starts_with(own->members[i].name, slice_text("io.k8s.")));
    }
}
END_TEST

START_TEST(our_own_definitions_are_shared_and_stay_as_they_are)
{
    CLEANUP(buffer_release) struct buffer own = {0};
    buffer_init(&own, SIZE_MAX);
    json_print(json_get_text(own_definitions(), "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"),
               /* sorted= */ true, &own);
    const char *fields = buffer_text(&own);
    ck_assert_ptr_nonnull(strstr(fields, "description"));
    add("v1", arena_printf(arena,
                           "'A':{'properties':{'metadata':{'$ref':'#/definitions/" META_NAME "'},"
                           "'f':{'$ref':'#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1."
                           "FieldsV1'}}},'" META_NAME "':{'title':'x'},"
                           "'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1':%s",
                           fields));
    check_part(API_OPENAPI_DEFINITIONS,
               ",'A':{'properties':{'metadata':{'$ref':'#/definitions/" META_NAME "_v2'},'f':{"
               "'$ref':'#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1'}}},"
               "'" META_NAME "_v2':{'title':'x'}");
}
END_TEST

START_TEST(what_is_no_kept_document_is_left_out)
{
    static const char *const texts[] = {"", "[]", "{", "7"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        ck_assert_int_eq(api_openapi_merge_add(merge, slice_text(texts[i]), "g.io", "v1"), -EINVAL);
    }
    check_part(API_OPENAPI_DEFINITIONS, "");
    char *large = alloc_bytes(API_OPENAPI_MERGED_MAX + 1);
    memset(large, ' ', API_OPENAPI_MERGED_MAX + 1);
    ck_assert_int_eq(
        api_openapi_merge_add(merge, slice_of(large, API_OPENAPI_MERGED_MAX + 1), "g.io", "v1"),
        -E2BIG);
    free(large);
}
END_TEST

START_TEST(the_protobuf_form_has_the_same_names)
{
    add("v1", "'A':{'title':'1'}");
    add("v2", "'A':{'title':'2','default':'\\u007f'}");
    const struct buffer *out = api_openapi_merge_protobuf(merge);
    /* NamedSchema: name, and value with a title. */
    static const uint8_t first[] = {1 << 3 | 2, 1, 'A', 2 << 3 | 2, 3, 3 << 3 | 2, 1, '1'};
    static const uint8_t second[] = {1 << 3 | 2, 4, 'A', '_', 'v', '2', 2 << 3 | 2};
    ck_assert_ptr_nonnull(memmem(out->data, out->len, first, sizeof(first)));
    ck_assert_ptr_nonnull(memmem(out->data, out->len, second, sizeof(second)));
    ck_assert_ptr_nonnull(memmem(out->data, out->len, "#/definitions/A_v2", 18));
    ck_assert_ptr_nonnull(memmem(out->data, out->len, "\"\\u007f\"", 8)); /* YAML has it so only. */
    ck_assert_ptr_nonnull(memmem(out->data, out->len, "/apis/g.io/v2/as", 16));
}
END_TEST

Suite *openapi_extension_suite(void)
{
    Suite *suite = suite_create("openapi_extension");
    TCase *kept = tcase_create("kept");
    tcase_add_checked_fixture(kept, setup, teardown);
    tcase_add_test(kept, paths_of_the_version_are_kept_with_all_that_they_refer_to);
    tcase_add_test(kept, what_keeps_readers_from_the_rest_is_left_out);
    tcase_add_test(kept, members_that_are_unknown_or_of_another_type_are_left_out);
    tcase_add_test(kept, schemas_are_of_kinds_of_their_own_version_only);
    tcase_add_test(kept, what_is_no_document_of_version_two_is_refused);
    tcase_add_test(kept, a_document_that_says_nothing_of_the_version_adds_nothing);
    tcase_add_test(kept, of_members_of_one_name_the_last_counts);
    tcase_add_test(kept, schemas_that_nest_too_deep_end);
    tcase_add_test(kept, documents_that_are_too_large_are_refused);
    suite_add_tcase(suite, kept);
    TCase *together = tcase_create("together");
    tcase_add_checked_fixture(together, begin_merge, end_merge);
    tcase_add_test(together, a_definition_that_is_there_is_not_added_again);
    tcase_add_test(together, another_definition_of_a_name_gets_a_number);
    tcase_add_test(together, who_refers_to_a_renamed_one_is_another_one_too);
    tcase_add_test(together, definitions_in_a_circle_are_shared_and_renamed_together);
    tcase_add_test(together, parameters_are_renamed_as_definitions_are);
    tcase_add_test(together, the_names_of_our_own_definitions_begin_alike);
    tcase_add_test(together, our_own_definitions_are_shared_and_stay_as_they_are);
    tcase_add_test(together, what_is_no_kept_document_is_left_out);
    tcase_add_test(together, the_protobuf_form_has_the_same_names);
    suite_add_tcase(suite, together);
    return suite;
}
