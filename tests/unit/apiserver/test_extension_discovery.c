/* What extension servers say of themselves, and what is made of it. */
#include "apiserver/extension_discovery.h"
#include "apiserver/limits.h"
#include <check.h>
#include <errno.h>

static const char *resources_of(struct arena *arena, const char *list, int *ret_status)
{
    struct buffer out;
    buffer_init(&out, (size_t)1 << 20);
    *ret_status = extension_discovery_resources(arena, slice_text(list), "g.io/v1", &out);
    const char *text = arena_text(arena, buffer_text(&out));
    buffer_release(&out);
    return text;
}

#define LIST(resources)                                                                            \
    "{\"kind\":\"APIResourceList\",\"groupVersion\":\"g.io/v1\",\"resources\":" resources "}"

START_TEST(subresources_stand_with_their_resource)
{
    int status = -1;
    struct arena *arena = arena_new(SIZE_MAX);
    const char *text = resources_of(
        arena,
        LIST("[{\"name\":\"foos/status\",\"kind\":\"Foo\",\"verbs\":[\"get\"]},"
             "{\"name\":\"foos\",\"singularName\":\"foo\",\"namespaced\":true,\"kind\":\"Foo\","
             "\"verbs\":[\"get\",\"list\"],\"shortNames\":[\"f\"],\"categories\":[\"all\"]},"
             "{\"name\":\"foos/scale\",\"group\":\"autoscaling\",\"version\":\"v1\","
             "\"kind\":\"Scale\",\"verbs\":[]},{\"name\":\"foosball\",\"kind\":\"Ball\"}]"),
        &status);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(
        text,
        "[{\"resource\":\"foos\",\"responseKind\":{\"group\":\"\",\"version\":\"\",\"kind\":"
        "\"Foo\"},\"scope\":\"Namespaced\",\"singularResource\":\"foo\",\"verbs\":[\"get\","
        "\"list\"],\"shortNames\":[\"f\"],\"categories\":[\"all\"],\"subresources\":[{"
        "\"subresource\":\"status\",\"responseKind\":{\"group\":\"\",\"version\":\"\",\"kind\":"
        "\"Foo\"},\"verbs\":[\"get\"]},{\"subresource\":\"scale\",\"responseKind\":{\"group\":"
        "\"autoscaling\",\"version\":\"v1\",\"kind\":\"Scale\"},\"verbs\":[]}]},{\"resource\":"
        "\"foosball\",\"responseKind\":{\"group\":\"\",\"version\":\"\",\"kind\":\"Ball\"},"
        "\"scope\":\"Cluster\",\"singularResource\":\"\",\"verbs\":[]}]");
    arena_free(arena);
}
END_TEST

START_TEST(a_list_of_nothing_is_empty)
{
    int status = -1;
    struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(resources_of(arena, LIST("null"), &status), "[]");
    ck_assert_int_eq(status, 0);
    arena_free(arena);
}
END_TEST

START_TEST(what_is_no_list_of_this_version_is_refused)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"kind\":\"APIResourceList\",\"groupVersion\":\"g.io/v2\"}",
        "{\"kind\":\"Status\",\"groupVersion\":\"g.io/v1\"}",
        LIST("[1]"),
        LIST("[{}")};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int status = 0;
        struct arena *arena = arena_new(SIZE_MAX);
        (void)resources_of(arena, texts[i], &status);
        ck_assert_msg(status == -EINVAL, "%s", texts[i]);
        arena_free(arena);
    }
}
END_TEST

START_TEST(more_resources_than_any_server_has_are_refused)
{
    int status = 0;
    struct arena *arena = arena_new(SIZE_MAX);
    struct buffer list;
    buffer_init(&list, (size_t)1 << 20);
    buffer_append_text(
        &list, "{\"kind\":\"APIResourceList\",\"groupVersion\":\"g.io/v1\",\"resources\":[{}");
    for (int i = 0; i < EXTENSION_RESOURCES_MAX; i++) {
        buffer_append_text(&list, ",{}");
    }
    buffer_append_text(&list, "]}");
    (void)resources_of(arena, buffer_text(&list), &status);
    ck_assert_int_eq(status, -EINVAL);
    buffer_release(&list);
    arena_free(arena);
}
END_TEST

START_TEST(the_hash_of_a_document_is_found_in_the_index)
{
    struct arena *arena = arena_new(SIZE_MAX);
    const char *hash = "untouched";
    struct slice index = slice_text(
        "{\"paths\":{\"apis/g.io/v1\":{\"serverRelativeURL\":\"/openapi/v3/apis/g.io/v1?hash=A1b\"}"
        ",\"apis/h/v1\":{\"serverRelativeURL\":\"/x?hash=\\\"},\"},\"apis/i/v1\":{}}}");
    ck_assert_int_eq(extension_openapi_hash(arena, index, "apis/j/v1", &hash), -ENOENT);
    ck_assert_int_eq(extension_openapi_hash(arena, slice_text("[]"), "a", &hash), -EINVAL);
    ck_assert_str_eq(hash, "untouched");
    ck_assert_int_eq(extension_openapi_hash(arena, index, "apis/g.io/v1", &hash), 0);
    ck_assert_str_eq(hash, "A1b");
    ck_assert_int_eq(extension_openapi_hash(arena, index, "apis/h/v1", &hash), 0);
    ck_assert_str_eq(hash, ""); /* Nothing that could end our own text. */
    ck_assert_int_eq(extension_openapi_hash(arena, index, "apis/i/v1", &hash), 0);
    ck_assert_str_eq(hash, "");
    arena_free(arena);
}
END_TEST

Suite *extension_discovery_suite(void);
Suite *extension_discovery_suite(void)
{
    Suite *suite = suite_create("apiserver/extension_discovery");
    TCase *tcase = tcase_create("documents");
    tcase_add_test(tcase, subresources_stand_with_their_resource);
    tcase_add_test(tcase, a_list_of_nothing_is_empty);
    tcase_add_test(tcase, what_is_no_list_of_this_version_is_refused);
    tcase_add_test(tcase, more_resources_than_any_server_has_are_refused);
    tcase_add_test(tcase, the_hash_of_a_document_is_found_in_the_index);
    suite_add_tcase(suite, tcase);
    return suite;
}
