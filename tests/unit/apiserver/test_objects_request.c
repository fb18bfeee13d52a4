/* What calls of coracle.v1.Objects are as HTTP requests. */
#include "apiserver/limits.h"
#include "apiserver/objects_request.h"
#include "lib/api/codec.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct arena *arena;
static struct objects_request parsed;
static const char *problem;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
    parsed = (struct objects_request){0};
    problem = NULL;
}

static void teardown(void)
{
    arena_free(arena);
}

static int parse(enum objects_method method, const void *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(arena, len + 1);
    (void)protobuf_c_message_pack(message, bytes);
    return objects_request_parse(arena, method, slice_of(bytes, len), &parsed, &problem);
}

static Objects__V1__Resource resource(const char *group, const char *version, const char *plural,
                                      const char *namespace)
{
    Objects__V1__Resource message;
    objects__v1__resource__init(&message);
    message.group = (char *)(uintptr_t)group;
    message.version = (char *)(uintptr_t)version;
    message.resource = (char *)(uintptr_t)plural;
    message.namespace_ = (char *)(uintptr_t) namespace;
    return message;
}

static int parse_get(const char *plural, const char *namespace, const char *name,
                     const char *subresource)
{
    Objects__V1__Resource of = resource("", "v1", plural, namespace);
    Objects__V1__GetRequest get;
    objects__v1__get_request__init(&get);
    get.resource = &of;
    get.name = (char *)(uintptr_t)name;
    get.subresource = (char *)(uintptr_t)subresource;
    return parse(OBJECTS_GET, &get);
}

START_TEST(a_get_is_a_path)
{
    ck_assert_int_eq(parse_get("pods", "default", "web-0", "status"), 0);
    ck_assert_str_eq(parsed.info.path, "/api/v1/namespaces/default/pods/web-0/status");
    ck_assert_int_eq(parsed.info.verb, VERB_GET);
    ck_assert_str_eq(parsed.info.namespace, "default");
    ck_assert_str_eq(parsed.info.subresource, "status");
    ck_assert_uint_eq(parsed.body.len, 0);
}
END_TEST

START_TEST(a_namespace_is_asked_for_by_its_name)
{
    ck_assert_int_eq(parse_get("namespaces", "", "a", ""), 0);
    ck_assert_str_eq(parsed.info.resource, "namespaces");
    ck_assert_str_eq(parsed.info.namespace, "a"); /* As of the HTTP path. */
}
END_TEST

START_TEST(names_cannot_be_paths)
{
    static const char *const bad[] = {"a/b", "..", ".", "", "a/status"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(parse_get("pods", "default", bad[i], ""), -EINVAL);
        ck_assert_ptr_nonnull(problem);
        ck_assert_int_eq(parse_get("pods", bad[i][0] == 0 ? "a/b" : bad[i], "x", ""), -EINVAL);
        ck_assert_int_eq(parse_get(bad[i], "default", "x", ""), -EINVAL);
    }
    ck_assert_int_eq(parse_get("pods", "default", "", "status"), -EINVAL);
}
END_TEST

START_TEST(a_resource_cannot_pose_as_a_part_of_the_path)
{
    ck_assert_int_eq(parse_get("watch", "", "pods", ""), -EINVAL);
    ck_assert_int_eq(parse_get("status", "default", "x", ""), -EINVAL);
    ck_assert_int_eq(parse_get("pods?limit=1", "default", "x", ""), 0);
    ck_assert_str_eq(parsed.info.resource, "pods?limit=1"); /* Escaped: no query. */
    ck_assert_uint_eq(parsed.info.query.count, 0);
}
END_TEST

START_TEST(a_deletion_without_a_name_is_not_one_of_all)
{
    Objects__V1__Resource of = resource("", "v1", "pods", "default");
    Objects__V1__DeleteRequest delete;
    objects__v1__delete_request__init(&delete);
    delete.resource = &of;
    ck_assert_int_eq(parse(OBJECTS_DELETE, &delete), -EINVAL);
    ck_assert_str_eq(problem, "name: is needed");
    delete.name = (char *)(uintptr_t) "x";
    ck_assert_int_eq(parse(OBJECTS_DELETE, &delete), 0);
    ck_assert_int_eq(parsed.info.verb, VERB_DELETE);
}
END_TEST

/* PUT of a collection has the verb of a PUT. */
START_TEST(an_update_needs_a_name)
{
    Objects__V1__Resource of = resource("", "v1", "pods", "default");
    Objects__V1__Object object;
    Objects__V1__UpdateRequest update;
    objects__v1__object__init(&object);
    objects__v1__update_request__init(&update);
    object.payload_case = OBJECTS__V1__OBJECT__PAYLOAD_JSON;
    object.json = (char *)(uintptr_t) "{}";
    update.resource = &of;
    update.object = &object;
    ck_assert_int_eq(parse(OBJECTS_UPDATE, &update), -EINVAL);
    ck_assert_str_eq(problem, "name: is needed");
    update.name = (char *)(uintptr_t) "x";
    ck_assert_int_eq(parse(OBJECTS_UPDATE, &update), 0);
}
END_TEST

START_TEST(options_of_a_list_are_its_query)
{
    Objects__V1__Resource of = resource("apps", "v1", "deployments", "");
    Objects__V1__ListRequest list;
    objects__v1__list_request__init(&list);
    list.resource = &of;
    list.label_selector = (char *)(uintptr_t) "a in (b,c)&limit=7";
    list.limit = 500;
    list.continue_token = (char *)(uintptr_t) "abc=";
    ck_assert_int_eq(parse(OBJECTS_LIST, &list), 0);
    ck_assert_str_eq(parsed.info.path, "/apis/apps/v1/deployments");
    ck_assert_str_eq(query_get(&parsed.info.query, "labelSelector"), "a in (b,c)&limit=7");
    ck_assert_str_eq(query_get(&parsed.info.query, "limit"), "500");
    ck_assert_str_eq(parsed.uri, "/apis/apps/v1/deployments?labelSelector=a%20in%20%28b%2Cc%29%26"
                                 "limit%3D7&limit=500&continue=abc%3D");
    ck_assert_str_eq(query_get(&parsed.info.query, "continue"), "abc=");
    ck_assert_ptr_null(query_get(&parsed.info.query, "fieldSelector"));
}
END_TEST

START_TEST(absent_and_false_initial_events_differ)
{
    Objects__V1__Resource of = resource("", "v1", "pods", "");
    Objects__V1__WatchRequest watch;
    objects__v1__watch_request__init(&watch);
    watch.resource = &of;
    ck_assert_int_eq(parse(OBJECTS_WATCH, &watch), 0);
    ck_assert_int_eq(parsed.info.verb, VERB_WATCH);
    ck_assert_ptr_null(query_get(&parsed.info.query, "sendInitialEvents"));
    watch.initial_events_case = OBJECTS__V1__WATCH_REQUEST__INITIAL_EVENTS_SEND_INITIAL_EVENTS;
    ck_assert_int_eq(parse(OBJECTS_WATCH, &watch), 0);
    ck_assert_str_eq(query_get(&parsed.info.query, "sendInitialEvents"), "false");
}
END_TEST

START_TEST(a_bare_message_gets_the_envelope_that_it_lacks)
{
    static uint8_t raw[] = {0x0a, 0x00};
    Objects__V1__Resource of = resource("", "v1", "configmaps", "ns");
    Objects__V1__Object object;
    Objects__V1__CreateRequest create;
    objects__v1__object__init(&object);
    objects__v1__create_request__init(&create);
    create.resource = &of;
    ck_assert_int_eq(parse(OBJECTS_CREATE, &create), -EINVAL); /* Nothing to create. */
    object.payload_case = OBJECTS__V1__OBJECT__PAYLOAD_PROTOBUF;
    object.protobuf = (ProtobufCBinaryData){.data = raw, .len = sizeof(raw)};
    object.kind = (char *)(uintptr_t) "ConfigMap";
    create.object = &object;
    ck_assert_int_eq(parse(OBJECTS_CREATE, &create), 0);
    struct api_envelope envelope;
    ck_assert_int_eq(api_parse_envelope(parsed.body, &envelope, NULL), 0);
    ck_assert(slice_is(envelope.kind, "ConfigMap"));
    ck_assert_uint_eq(envelope.api_version.len, 0);
    ck_assert_uint_eq(envelope.raw.len, sizeof(raw));
}
END_TEST

START_TEST(a_patch_says_which_it_is)
{
    Objects__V1__Resource of = resource("", "v1", "pods", "ns");
    Objects__V1__PatchRequest patch;
    objects__v1__patch_request__init(&patch);
    patch.resource = &of;
    patch.name = (char *)(uintptr_t) "x";
    patch.patch = (char *)(uintptr_t) "{}";
    ck_assert_int_eq(parse(OBJECTS_PATCH, &patch), -EINVAL);
    patch.type = (Objects__V1__PatchRequest__Type)99;
    ck_assert_int_eq(parse(OBJECTS_PATCH, &patch), -EINVAL);
    patch.type = OBJECTS__V1__PATCH_REQUEST__TYPE__APPLY;
    patch.force = true;
    ck_assert_int_eq(parse(OBJECTS_PATCH, &patch), 0);
    ck_assert(slice_is(parsed.body_type, "application/apply-patch+yaml"));
    ck_assert(slice_is(parsed.body, "{}"));
    ck_assert(query_bool(&parsed.info.query, "force", false));
}
END_TEST

/* Empty messages take a hundred times what they are on the wire. */
START_TEST(a_message_that_grows_is_given_up)
{
    enum { COUNT = 2 * 1024 * 1024 };
    uint8_t *bytes = malloc(2 * COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        bytes[2 * i] = 0x0a; /* resource, of no bytes */
        bytes[2 * i + 1] = 0;
    }
    size_t before = arena_used(arena);
    ck_assert_int_eq(
        objects_request_parse(arena, OBJECTS_GET, slice_of(bytes, 2 * COUNT), &parsed, &problem),
        -EINVAL);
    ck_assert_uint_le(arena_used(arena) - before, OBJECTS_MESSAGE_ARENA_MAX + 1024 * 1024);
    free(bytes);
}
END_TEST

START_TEST(texts_have_a_limit)
{
    char *name = arena_alloc(arena, OBJECTS_TARGET_MAX + 1);
    memset(name, 'a', OBJECTS_TARGET_MAX);
    name[OBJECTS_TARGET_MAX] = 0;
    ck_assert_int_eq(parse_get("pods", "ns", name, ""), -EINVAL);
}
END_TEST

Suite *objects_request_suite(void);

Suite *objects_request_suite(void)
{
    Suite *suite = suite_create("apiserver/objects_request");
    TCase *tcase = tcase_create("requests");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_get_is_a_path);
    tcase_add_test(tcase, a_namespace_is_asked_for_by_its_name);
    tcase_add_test(tcase, names_cannot_be_paths);
    tcase_add_test(tcase, a_resource_cannot_pose_as_a_part_of_the_path);
    tcase_add_test(tcase, a_deletion_without_a_name_is_not_one_of_all);
    tcase_add_test(tcase, an_update_needs_a_name);
    tcase_add_test(tcase, options_of_a_list_are_its_query);
    tcase_add_test(tcase, absent_and_false_initial_events_differ);
    tcase_add_test(tcase, a_bare_message_gets_the_envelope_that_it_lacks);
    tcase_add_test(tcase, a_patch_says_which_it_is);
    tcase_add_test(tcase, a_message_that_grows_is_given_up);
    tcase_add_test(tcase, texts_have_a_limit);
    suite_add_tcase(suite, tcase);
    return suite;
}
