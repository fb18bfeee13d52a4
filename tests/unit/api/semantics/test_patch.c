/* The examples of RFC 6902 and RFC 7386, and the directives of strategic merge. */
#include "lib/api/codec.h"
#include "lib/api/json_value.h"
#include "lib/api/patch.h"
#include "lib/api/patch_typed.h"
#include "lib/api/schema.h"
#include "lib/api/status.h"

#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <errno.h>

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static struct json_value *parse(const char *text)
{
    struct json_value *value = NULL;
    ck_assert_int_eq(json_parse(arena, slice_text(text), &value, NULL), 0);
    return value;
}

enum format { RFC6902, RFC7386, STRATEGIC };

static int apply(enum format format, const char *document, const char *patch,
                 struct json_value **ret_result)
{
    const struct api_status *status = NULL;
    const struct api_message *pod = api_message_find("k8s.io.api.core.v1.Pod");
    switch (format) {
    case RFC6902:
        return api_patch_json(arena, parse(document), slice_text(patch), ret_result, &status);
    case RFC7386:
        return api_patch_merge(arena, parse(document), slice_text(patch), ret_result, &status);
    case STRATEGIC:
        return api_patch_strategic(arena, pod, parse(document), slice_text(patch), ret_result,
                                   &status);
    }
    return -1;
}

static void check_row(enum format format, const char *document, const char *patch,
                      const char *expected)
{
    struct json_value *result = NULL;
    int code = apply(format, document, patch, &result);
    if (expected == NULL) {
        ck_assert_msg(code != 0, "%s must not apply", patch);
        return;
    }
    ck_assert_msg(code == 0, "%s must apply", patch);
    ck_assert_msg(json_equal(result, parse(expected)), "%s gives something else", patch);
}

struct row {
    const char *document, *patch, *expected; /* NULL: must be refused. */
};

START_TEST(json_patch_follows_the_rfc)
{
    static const struct row rows[] = {
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":2}]", "{\"a\":1,\"b\":2}"},
        {"{\"a\":[1,3]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]", "{\"a\":[1,2,3]}"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":2}]", "{\"a\":[1,2]}"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/2\",\"value\":2}]", NULL},
        {"{\"a\":1,\"b\":2}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", "{\"a\":1}"},
        {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}"},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":1}]", NULL},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/c\"}]",
         "{\"a\":{},\"c\":1}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", NULL},
        {"{\"a\":[1]}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]",
         "{\"a\":[1],\"b\":[1]}"},
        {"{\"a/b\":1,\"c~d\":2}",
         "[{\"op\":\"test\",\"path\":\"/a~1b\",\"value\":1},"
         "{\"op\":\"test\",\"path\":\"/c~0d\",\"value\":2}]",
         "{\"a/b\":1,\"c~d\":2}"},
        {"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":\"1\"}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"fly\",\"path\":\"/a\"}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/a\"},{\"op\":\"remove\",\"path\":\"/a\"}]",
         NULL},
        {"{\"a\":1}",
         "[{\"op\":\"remove\",\"path\":\"/a\"},{\"op\":\"replace\",\"path\":\"/a\",\"value\":2}]",
         NULL},
        {"{\"a\":1}",
         "[{\"op\":\"remove\",\"path\":\"/a\"},{\"op\":\"add\",\"path\":\"/a\",\"value\":2}]",
         "{\"a\":2}"},
        {"{\"a\":{\"b\":1,\"c\":2}}",
         "[{\"op\":\"remove\",\"path\":\"/a/b\"},{\"op\":\"test\",\"path\":\"/"
         "a\",\"value\":{\"c\":2}}]",
         "{\"a\":{\"c\":2}}"},
        {"{\"a\":[{\"b\":1,\"c\":2}]}",
         "[{\"op\":\"remove\",\"path\":\"/a/0/b\"},{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/"
         "d\"}]",
         "{\"a\":[{\"c\":2}],\"d\":[{\"c\":2}]}"},
        {"{\"a\":1}", "{}", NULL},
        {"{\"a\":1}", "[{", NULL},
        {"{\"a\":1}", "[1]", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_row(RFC6902, rows[i].document, rows[i].patch, rows[i].expected);
    }
}
END_TEST

/* CVE-2019-1002100 */
START_TEST(json_patch_copies_cannot_grow_without_limit)
{
    /* Each copy doubles the document: 40 of them would make a terabyte. */
    struct json_value *result = NULL;
    CLEANUP(buffer_release) struct buffer patch;
    buffer_init(&patch, 1 << 20);
    buffer_append_text(&patch, "[");
    for (int i = 0; i < 40; i++) {
        buffer_printf(&patch, "%s{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/c%d\"}",
                      i == 0 ? "" : ",", i);
    }
    buffer_append_text(&patch, "]");
    ck_assert_int_ne(apply(RFC6902, "{\"a\":{\"x\":\"0123456789\"}}", buffer_text(&patch), &result),
                     0);
}
END_TEST

/* "[" and `count` times what is printed for 0, 1, ..., with commas, and "]". */
static void print_list(struct buffer *out, size_t count,
                       void (*print)(struct buffer *out, size_t index))
{
    buffer_append_text(out, "[");
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i == 0 ? "" : ",");
        print(out, i);
    }
    buffer_append_text(out, "]");
}

static void print_brackets(struct buffer *out, size_t count, char bracket)
{
    for (size_t i = 0; i < count; i++) {
        buffer_append_byte(out, (uint8_t)bracket);
    }
}

enum { DEEP = 6000 };

/* A list in a list in a list, in the innermost one of which the operations before have made. */
static void print_nesting(struct buffer *out, size_t index)
{
    buffer_append_text(out, "{\"op\":\"add\",\"path\":\"/a");
    for (size_t i = 0; i < index * DEEP; i++) {
        buffer_append_text(out, "/0");
    }
    buffer_append_text(out, "\",\"value\":");
    print_brackets(out, DEEP, '[');
    print_brackets(out, DEEP, ']');
    buffer_append_text(out, "}");
}

START_TEST(json_patch_cannot_nest_deeper_than_a_document)
{
    /* What walks over a document does so on its stack: such a patch ended the process. */
    struct json_value *result = NULL;
    CLEANUP(buffer_release) struct buffer patch;
    buffer_init(&patch, 1 << 20);
    print_list(&patch, 1, print_nesting);
    ck_assert_int_eq(apply(RFC6902, "{}", buffer_text(&patch), &result), 0);
    buffer_clear(&patch);
    print_list(&patch, 2, print_nesting);
    ck_assert_int_eq(apply(RFC6902, "{}", buffer_text(&patch), &result), -E2BIG);
}
END_TEST

static void print_number(struct buffer *out, size_t index)
{
    (void)index;
    buffer_append_text(out, "1");
}

static void print_insertion(struct buffer *out, size_t index)
{
    (void)index;
    buffer_append_text(out, "{\"op\":\"add\",\"path\":\"/0\",\"value\":1}");
}

static void print_removal(struct buffer *out, size_t index)
{
    (void)index;
    buffer_append_text(out, "{\"op\":\"remove\",\"path\":\"/0\"}");
}

START_TEST(json_patch_moves_a_bounded_number_of_items)
{
    struct json_value *result = NULL;
    CLEANUP(buffer_release) struct buffer document, patch;
    buffer_init(&document, 1 << 20);
    buffer_init(&patch, 1 << 20);
    print_list(&document, 50000, print_number);
    print_list(&patch, 1000, print_insertion);
    ck_assert_int_eq(apply(RFC6902, buffer_text(&document), buffer_text(&patch), &result), 0);
    ck_assert_uint_eq(result->count, 51000);
    buffer_clear(&patch);
    print_list(&patch, 2000, print_insertion);
    ck_assert_int_eq(apply(RFC6902, buffer_text(&document), buffer_text(&patch), &result), -E2BIG);
    buffer_clear(&patch);
    print_list(&patch, 2000, print_removal);
    ck_assert_int_eq(apply(RFC6902, buffer_text(&document), buffer_text(&patch), &result), -E2BIG);
}
END_TEST

enum { MANY = 30000 };

static void print_renaming(struct buffer *out, size_t index)
{
    buffer_printf(out, "{\"op\":\"move\",\"from\":\"/k%zu\",\"path\":\"/j%zu\"}", index, index);
}

/* Each moved the rest, and the next one made a new index of the whole: minutes, and the memory of
 * the process. */
START_TEST(json_patch_takes_members_of_large_objects_away_one_by_one)
{
    struct json_value *result = NULL;
    CLEANUP(buffer_release) struct buffer document, patch;
    buffer_init(&document, 1 << 20);
    buffer_init(&patch, 1 << 20);
    for (size_t i = 0; i < MANY; i++) {
        buffer_printf(&document, "%c\"k%zu\":%zu", i == 0 ? '{' : ',', i, i);
    }
    buffer_append_text(&document, "}");
    print_list(&patch, 10000, print_renaming);
    ck_assert_int_eq(apply(RFC6902, buffer_text(&document), buffer_text(&patch), &result), 0);
    ck_assert_uint_eq(result->count, MANY);
    ck_assert_ptr_null(json_get_text(result, "k9999"));
    ck_assert_ptr_nonnull(json_get_text(result, "k10000"));
    ck_assert(json_equal(json_get_text(result, "j9999"), json_new_int(arena, 9999)));
}
END_TEST

static void print_variable(struct buffer *out, size_t index)
{
    buffer_printf(out, "{\"name\":\"V%zu\"}", index);
}

static void print_deletion(struct buffer *out, size_t index)
{
    buffer_printf(out, "{\"$patch\":\"delete\",\"name\":\"V%zu\"}", index * 2);
}

static struct json_value *variables_of(const struct json_value *document)
{
    const struct json_value *spec = json_get_text(document, "spec");
    const struct json_value *containers = json_get_text(spec, "containers");
    return json_get_text(containers->items[0], "env");
}

static void print_pod(struct buffer *out, size_t count,
                      void (*print)(struct buffer *out, size_t index))
{
    buffer_append_text(out, "{\"spec\":{\"containers\":[{\"name\":\"c\",\"env\":");
    print_list(out, count, print);
    buffer_append_text(out, "}]}}");
}

START_TEST(strategic_merge_deletes_many_items_at_once)
{
    struct json_value *result = NULL;
    CLEANUP(buffer_release) struct buffer document, patch;
    buffer_init(&document, 1 << 22);
    buffer_init(&patch, 1 << 22);
    print_pod(&document, MANY, print_variable);
    print_pod(&patch, MANY / 2, print_deletion);
    ck_assert_int_eq(apply(STRATEGIC, buffer_text(&document), buffer_text(&patch), &result), 0);
    const struct json_value *left = variables_of(result);
    ck_assert_uint_eq(left->count, MANY / 2);
    ck_assert_str_eq((const char *)json_get_text(left->items[1], "name")->text.data, "V3");
}
END_TEST

START_TEST(strategic_merge_orders_many_lists)
{
    struct json_value *result = NULL;
    CLEANUP(buffer_release) struct buffer patch;
    buffer_init(&patch, 1 << 22);
    buffer_append_text(&patch, "{\"$patch\":\"merge\"");
    for (size_t i = 0; i < MANY; i++) {
        buffer_printf(&patch, ",\"k%zu\":1", i);
    }
    for (size_t i = 0; i < MANY; i++) {
        buffer_printf(&patch, ",\"$setElementOrder/j%zu\":[]", i);
    }
    buffer_append_text(&patch, "}");
    ck_assert_int_eq(apply(STRATEGIC, "{}", buffer_text(&patch), &result), 0);
    ck_assert_uint_eq(result->count, MANY);
}
END_TEST

START_TEST(merge_patch_follows_the_rfc)
{
    static const struct row rows[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":1}", "{\"b\":{\"c\":{\"d\":null}}}", "{\"a\":1,\"b\":{\"c\":{}}}"},
        {"{\"a\":1}", "[]", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_row(RFC7386, rows[i].document, rows[i].patch, rows[i].expected);
    }
}
END_TEST

START_TEST(strategic_merge_knows_the_keys_of_lists)
{
    static const struct row rows[] = {
        {"{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"b\",\"image\":\"2\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},"
         "{\"name\":\"b\",\"image\":\"2\"}]}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\",\"$patch\":\"delete\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"b\"}]}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"n\"},{\"$patch\":\"replace\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"n\"}]}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
         "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}}"},
        {"{\"spec\":{\"containers\":[{\"name\":\"a\",\"command\":[\"x\",\"y\"]}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\",\"command\":[\"z\"]}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\",\"command\":[\"z\"]}]}}"},
        {"{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}", "{\"metadata\":{\"finalizers\":[\"c\"]}}",
         "{\"metadata\":{\"finalizers\":[\"c\",\"a\",\"b\"]}}"},
        {"{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
         "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"a\"]}}",
         "{\"metadata\":{\"finalizers\":[\"b\"]}}"},
        {"{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}",
         "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/\"},"
         "\"$retainKeys\":[\"name\",\"hostPath\"]}]}}",
         "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/\"}}]}}"},
        {"{\"metadata\":{\"labels\":{\"a\":\"1\"}}}",
         "{\"metadata\":{\"labels\":{\"$patch\":\"replace\",\"b\":\"2\"}}}",
         "{\"metadata\":{\"labels\":{\"b\":\"2\"}}}"},
        {"{\"spec\":{\"containers\":[]}}", "{\"spec\":{\"containers\":[{\"image\":\"x\"}]}}", NULL},
        {"{\"spec\":{}}", "{\"spec\":{\"$patch\":\"explode\"}}", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_row(STRATEGIC, rows[i].document, rows[i].patch, rows[i].expected);
    }
}
END_TEST

/* --- Patches of decoded objects ----------------------------------------------------------------
 */

static const char POD[] =
    "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"finalizers\":[\"f/x\"]},"
    "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"limits\":{\"cpu\":"
    "\"1\"}}},"
    "{\"name\":\"d\",\"image\":\"j\"}],\"securityContext\":{\"runAsUser\":0},\"priority\":7},"
    "\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}";

static const char *pod_text(const void *pod)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 65536);
    api_encode_json(api_message_find("k8s.io.api.core.v1.Pod"), pod, NULL, &out);
    return arena_text_n(arena, buffer_text(&out), out.len);
}

static const char *patched_by_trees(enum api_merge_style style, const char *patch)
{
    const struct api_message *table = api_message_find("k8s.io.api.core.v1.Pod");
    struct json_value *result = NULL;
    void *pod = NULL;
    ck_assert_int_eq(apply(style == API_MERGE_STRATEGIC ? STRATEGIC : RFC7386, POD, patch, &result),
                     0);
    ck_assert_int_eq(api_message_from_json(arena, table, result, NULL, &pod, NULL), 0);
    return pod_text(pod);
}

static int patch_pod(enum api_merge_style style, const char *patch, void **ret_pod)
{
    const struct api_message *table = api_message_find("k8s.io.api.core.v1.Pod");
    void *pod = NULL;
    ck_assert_int_eq(api_decode_json(arena, table, slice_text(POD), NULL, &pod, NULL), 0);
    const char *before = pod_text(pod);
    int result = api_patch_members(arena, table, pod, style, slice_text(patch), ret_pod);
    ck_assert_str_eq(pod_text(pod), before); /* It is not the caller's object that changes. */
    return result;
}

START_TEST(patching_the_named_members_gives_what_patching_the_whole_tree_gives)
{
    static const char *const patches[] = {
        "{}",
        "{\"metadata\":{\"labels\":{\"a\":null,\"c\":\"3\"}}}",
        "{\"metadata\":{\"annotations\":{\"new\":\"x\"},\"labels\":null}}",
        "{\"metadata\":{\"finalizers\":[\"f/y\"]}}",
        "{\"metadata\":{\"labels\":{\"$patch\":\"replace\",\"z\":\"1\"}}}",
        "{\"spec\":{\"containers\":[{\"name\":\"d\",\"image\":\"k\"},{\"name\":\"e\"}]}}",
        "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"d\"},{\"name\":\"c\"}],"
        "\"containers\":[{\"name\":\"c\",\"image\":\"k\"}]}}",
        "{\"spec\":{\"securityContext\":{\"runAsUser\":null,\"fsGroup\":4},\"priority\":null}}",
        "{\"spec\":{\"affinity\":{\"podAffinity\":{}},\"hostNetwork\":true}}",
        "{\"spec\":null}",
        "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}],\"phase\":"
        "\"Failed\"}}",
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(patches); i++) {
        enum api_merge_style style = i % 2 == 0 ? API_MERGE_PLAIN : API_MERGE_STRATEGIC;
        const char *patch = patches[i / 2];
        void *pod = NULL;
        if (style == API_MERGE_PLAIN && strchr(patch, '$') != NULL) {
            continue; /* Unknown fields: the test below. */
        }
        ck_assert_msg(patch_pod(style, patch, &pod) == 0, "%s must apply", patch);
        ck_assert_str_eq(pod_text(pod), patched_by_trees(style, patch));
    }
}
END_TEST

START_TEST(what_has_to_be_reported_is_left_to_the_way_by_trees)
{
    static const char *const patches[] = {
        "{",
        "[]",
        "{\"kind\":\"Pod\"}",
        "{\"spec\":{\"unknown\":1}}",
        "{\"spec\":{\"affinity\":{\"unknown\":1}}}",
        "{\"spec\":{\"priority\":\"x\"}}",
        "{\"spec\":{\"containers\":[{\"image\":\"no key\"}]}}",
        "{\"spec\":{\"$patch\":\"explode\"}}",
        "{\"$patch\":\"delete\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(patches); i++) {
        void *pod = NULL;
        ck_assert_msg(patch_pod(API_MERGE_STRATEGIC, patches[i], &pod) == -ENOTSUP, "%s",
                      patches[i]);
        ck_assert_ptr_null(pod);
    }
}
END_TEST

static const char *mistyped(const char *pod)
{
    const char *why =
        patch_find_mistyped(arena, api_message_find("k8s.io.api.core.v1.Pod"), parse(pod));
    return why == NULL ? "" : why;
}

START_TEST(the_first_value_of_a_wrong_type_is_named_by_its_type)
{
    ck_assert_str_eq(mistyped("{\"spec\":{\"priority\":1.0,\"hostPID\":null}}"), "");
    ck_assert_str_eq(mistyped("{\"spec\":{\"priority\":1.5}}"), "cannot convert float64 to int32");
    ck_assert_str_eq(mistyped("{\"spec\":{\"hostPID\":\"yes\"}}"), "unrecognized type: bool");
    ck_assert_str_eq(mistyped("{\"spec\":{\"nodeName\":{}}}"), "unrecognized type: string");
    ck_assert_str_eq(mistyped("{\"spec\":{\"containers\":{}}}"), "cannot restore slice from map");
    ck_assert_str_eq(mistyped("{\"spec\":{\"nodeSelector\":[]}}"), "cannot restore map from slice");
    ck_assert_str_eq(mistyped("{\"spec\":1,\"status\":true}"), "cannot restore struct from: int64");
}
END_TEST

START_TEST(a_patch_is_shown_as_go_prints_it)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, 1024);
    patch_print_go(parse("{\"b\":[1,\"x\",null],\"a\":{\"t\":true,\"m\":{}}}"), &text);
    ck_assert_str_eq(buffer_text(&text), "map[a:map[m:map[] t:true] b:[1 x <nil>]]");
}
END_TEST

static const char *problems_of(const char *patch, bool operations)
{
    struct api_problems problems = {0};
    api_patch_problems(arena, slice_text(patch), operations, &problems);
    return arena_join(arena, problems.texts, problems.count, "; ");
}

START_TEST(what_a_patch_says_twice_is_found_in_its_text)
{
    ck_assert_str_eq(problems_of("{\"a\":[{\"b\":1,\"b\":2}],\"c\":{\"d\":1},\"c\":3}", false),
                     "duplicate field \"a[0].b\"; duplicate field \"c\"");
    ck_assert_str_eq(problems_of("{\"a\":{\"b\":1},\"c\":{\"b\":1}}", false), "");
    ck_assert_str_eq(problems_of("[{\"op\":\"test\",\"path\":\"/a\",\"from\":\"\",\"value\":{}},"
                                 "{\"op\":\"add\",\"Path\":1,\"value\":1,\"value\":{}}]",
                                 true),
                     "json patch duplicate field \"[1].value\"; "
                     "json patch unknown field \"[1].Path\"");
    ck_assert_str_eq(problems_of("[1,null,[]]", true), "");
    ck_assert_str_eq(problems_of("{\"a\":1,\"a\":2}", true), "");
    ck_assert_str_eq(problems_of("{\"a\":", false), "");
}
END_TEST

Suite *patch_suite(void)
{
    Suite *suite = suite_create("patch");
    TCase *formats = tcase_create("formats");
    tcase_set_timeout(formats, 100); /* Some patches are as long as they may be. */
    tcase_add_checked_fixture(formats, setup, teardown);
    tcase_add_test(formats, json_patch_follows_the_rfc);
    tcase_add_test(formats, json_patch_copies_cannot_grow_without_limit);
    tcase_add_test(formats, json_patch_cannot_nest_deeper_than_a_document);
    tcase_add_test(formats, json_patch_moves_a_bounded_number_of_items);
    tcase_add_test(formats, json_patch_takes_members_of_large_objects_away_one_by_one);
    tcase_add_test(formats, strategic_merge_deletes_many_items_at_once);
    tcase_add_test(formats, strategic_merge_orders_many_lists);
    tcase_add_test(formats, merge_patch_follows_the_rfc);
    tcase_add_test(formats, strategic_merge_knows_the_keys_of_lists);
    tcase_add_test(formats, patching_the_named_members_gives_what_patching_the_whole_tree_gives);
    tcase_add_test(formats, what_has_to_be_reported_is_left_to_the_way_by_trees);
    tcase_add_test(formats, the_first_value_of_a_wrong_type_is_named_by_its_type);
    tcase_add_test(formats, a_patch_is_shown_as_go_prints_it);
    tcase_add_test(formats, what_a_patch_says_twice_is_found_in_its_text);
    suite_add_tcase(suite, formats);
    return suite;
}
