/* The tuple of a request: what authorization, routing and storage agree on. */
#include "apiserver/request_info.h"

#include <check.h>
#include <errno.h>

static struct request_info parse(struct arena *arena, const char *method, const char *path,
                                 const char *query)
{
    struct request_info info = {0};
    ck_assert_int_eq(request_info_parse(arena, method, slice_text(path), slice_text(query), &info),
                     0);
    return info;
}

START_TEST(a_named_object_in_a_namespace)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct request_info info =
        parse(arena, "GET", "/apis/apps/v1/namespaces/ns/deployments/web/scale", "");
    ck_assert(info.is_resource);
    ck_assert_str_eq(info.group, "apps");
    ck_assert_str_eq(info.version, "v1");
    ck_assert_str_eq(info.namespace, "ns");
    ck_assert_str_eq(info.resource, "deployments");
    ck_assert_str_eq(info.name, "web");
    ck_assert_str_eq(info.subresource, "scale");
    ck_assert_int_eq(info.verb, VERB_GET);
}
END_TEST

START_TEST(a_namespace_is_a_resource_itself)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct request_info info = parse(arena, "PUT", "/api/v1/namespaces/ns/finalize", "");
    ck_assert_str_eq(info.resource, "namespaces");
    ck_assert_str_eq(info.name, "ns");
    ck_assert_str_eq(info.namespace, "ns");
    ck_assert_str_eq(info.subresource, "finalize");
    ck_assert_int_eq(info.verb, VERB_UPDATE);
    info = parse(arena, "GET", "/api/v1/namespaces", "");
    ck_assert_int_eq(info.verb, VERB_LIST);
}
END_TEST

START_TEST(the_query_turns_a_list_into_a_watch)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_int_eq(parse(arena, "GET", "/api/v1/pods", "watch=1").verb, VERB_WATCH);
    ck_assert_int_eq(parse(arena, "GET", "/api/v1/pods", "watch=false").verb, VERB_LIST);
    ck_assert_int_eq(parse(arena, "GET", "/api/v1/watch/pods", "").verb, VERB_WATCH);
    ck_assert_int_eq(parse(arena, "DELETE", "/api/v1/namespaces/n/pods", "").verb,
                     VERB_DELETE_COLLECTION);
}
END_TEST

START_TEST(an_object_is_only_watched_below_the_path_for_it)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_int_eq(parse(arena, "GET", "/api/v1/nodes/n", "watch=1").verb, VERB_GET);
    struct request_info info = parse(arena, "GET", "/api/v1/watch/nodes/n", "");
    ck_assert_int_eq(info.verb, VERB_WATCH);
    ck_assert_str_eq(info.name, "n");
    info = parse(arena, "GET", "/api/v1/watch", "");
    ck_assert(info.is_resource);
    ck_assert_str_eq(info.resource, "");
}
END_TEST

/* CVE-2022-3162: authorization and storage must see the same kind, namespace and name. */
START_TEST(segments_cannot_climb_or_hide_slashes)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    static const char *const bad[] = {
        "/api/v1/namespaces/../secrets/x",         "/api/v1/namespaces/%2e%2e/secrets/x",
        "/api/v1/namespaces/a%2fsecrets/pods",     "/api/v1/namespaces/a/pods/b%2fproxy/c",
        "/api/v1/namespaces/a/pods/b/proxy%2fc",   "/api/v1/namespaces/a/pods/b/log/c%2fd",
        "/api/v1/namespaces/a/pods/b/proxy/c%2f.."};
    struct request_info info = {.method = "untouched"};
    for (size_t i = 0; i < 7; i++) {
        ck_assert_int_eq(
            request_info_parse(arena, "GET", slice_text(bad[i]), slice_text(""), &info), -EPERM);
    }
    static const char *const broken[] = {"/api/v1/pods/%zz", "/api/v1/pods/%0", "/a%00b"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(
            request_info_parse(arena, "GET", slice_text(broken[i]), slice_text(""), &info),
            -EINVAL);
    }
    ck_assert_str_eq(info.method, "untouched");
}
END_TEST

START_TEST(query_values_are_decoded)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct request_info info =
        parse(arena, "GET", "/api/v1/pods", "labelSelector=a%3Db+c&limit=5&empty&bad=x");
    int64_t number = 7;
    ck_assert_str_eq(query_get(&info.query, "labelSelector"), "a=b c");
    ck_assert_int_eq(query_int(&info.query, "limit", &number), 0);
    ck_assert_int_eq(number, 5);
    ck_assert_int_eq(query_int(&info.query, "absent", &number), -ENOENT);
    ck_assert_int_eq(query_int(&info.query, "bad", &number), -EINVAL);
    ck_assert_int_eq(number, 5);
    ck_assert_str_eq(query_get(&info.query, "empty"), "");
}
END_TEST

Suite *request_info_suite(void);

Suite *request_info_suite(void)
{
    Suite *suite = suite_create("apiserver/request_info");
    TCase *tcase = tcase_create("paths");
    tcase_add_test(tcase, a_named_object_in_a_namespace);
    tcase_add_test(tcase, a_namespace_is_a_resource_itself);
    tcase_add_test(tcase, the_query_turns_a_list_into_a_watch);
    tcase_add_test(tcase, an_object_is_only_watched_below_the_path_for_it);
    tcase_add_test(tcase, segments_cannot_climb_or_hide_slashes);
    tcase_add_test(tcase, query_values_are_decoded);
    suite_add_tcase(suite, tcase);
    return suite;
}
