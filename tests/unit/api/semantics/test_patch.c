/* The examples of RFC 6902 and RFC 7386, and the directives of strategic merge. */
#include "lib/api/json_value.h"
#include "lib/api/patch.h"
#include "lib/api/schema.h"
#include "lib/api/status.h"

#include "tests/unit/api/semantics/suites.h"
#include <check.h>

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

Suite *patch_suite(void)
{
    Suite *suite = suite_create("patch");
    TCase *formats = tcase_create("formats");
    tcase_add_checked_fixture(formats, setup, teardown);
    tcase_add_test(formats, json_patch_follows_the_rfc);
    tcase_add_test(formats, json_patch_copies_cannot_grow_without_limit);
    tcase_add_test(formats, merge_patch_follows_the_rfc);
    tcase_add_test(formats, strategic_merge_knows_the_keys_of_lists);
    suite_add_tcase(suite, formats);
    return suite;
}
