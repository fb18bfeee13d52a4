/* coracle.v1.Objects, one call at a time: every verb and encoding. What clients learn of errors is
 * in test_objects_errors.c, streams are in test_objects_streams.c. */
#include "k8s/core_v1.pb-c.h"
#include "tests/unit/apiserver/objects_calls.h"
#include <stdlib.h>

static struct objects_fixture fixture;

static void setup(void)
{
    objects_fixture_init(&fixture);
}

static void teardown(void)
{
    objects_fixture_release(&fixture);
}

static bool has(const char *whole, const char *part)
{
    return strstr(whole, part) != NULL;
}

START_TEST(an_object_lives_through_all_verbs)
{
    Objects__V1__Object *made =
        objects_only(objects_create_json(&fixture, objects_config_maps(&fixture),
                                         "{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"1\"}}"));
    ck_assert_str_eq(made->api_version, "v1");
    ck_assert_str_eq(made->kind, "ConfigMap");
    ck_assert(made->created);
    ck_assert(has(made->json, "\"uid\":"));
    Objects__V1__Object *seen =
        objects_only(objects_get_json(&fixture, objects_config_maps(&fixture), "x"));
    ck_assert_str_eq(seen->json, made->json);
    ck_assert(!seen->created);
    Objects__V1__Object *updated =
        objects_only(objects_update_json(&fixture, objects_config_maps(&fixture), "x",
                                         "{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"2\"}}"));
    ck_assert(has(updated->json, "\"data\":{\"a\":\"2\"}"));
    Objects__V1__Object *gone =
        objects_only(objects_delete(&fixture, objects_config_maps(&fixture), "x", NULL));
    ck_assert_str_eq(gone->kind, "Status");
    ck_assert(has(gone->json, "\"status\":\"Success\""));
    ck_assert_int_eq(objects_get_json(&fixture, objects_config_maps(&fixture), "x")->code,
                     GRPC_NOT_FOUND);
}
END_TEST

START_TEST(every_encoding_says_the_same)
{
    objects_make(&fixture, "x");
    const struct api_message *schema = core("configmaps")->message;
    Objects__V1__Object *objects[3];
    void *messages[3];
    for (int i = 0; i < 3; i++) {
        objects[i] = objects_only(
            objects_get(&fixture, fixture.admin, objects_config_maps(&fixture), "x",
                        (Objects__V1__Encoding)(OBJECTS__V1__ENCODING__ENCODING_JSON + i)));
        ck_assert_str_eq(objects[i]->kind, "ConfigMap");
    }
    ck_assert_int_eq(objects[0]->payload_case, OBJECTS__V1__OBJECT__PAYLOAD_JSON);
    ck_assert_int_eq(objects[1]->payload_case, OBJECTS__V1__OBJECT__PAYLOAD_PROTOBUF);
    ck_assert_int_eq(objects[2]->payload_case, OBJECTS__V1__OBJECT__PAYLOAD_ENVELOPE);
    struct slice raw = slice_of(objects[1]->protobuf.data, objects[1]->protobuf.len);
    struct api_envelope envelope;
    ck_assert_int_eq(
        api_parse_envelope(slice_of(objects[2]->envelope.data, objects[2]->envelope.len), &envelope,
                           NULL),
        0);
    struct arena *arena = fixture.base.arena;
    ck_assert_int_eq(
        api_decode_json(arena, schema, slice_text(objects[0]->json), NULL, &messages[0], NULL), 0);
    ck_assert_int_eq(api_decode_protobuf(arena, schema, raw, &messages[1], NULL), 0);
    ck_assert_int_eq(api_decode_protobuf(arena, schema, envelope.raw, &messages[2], NULL), 0);
    ck_assert(slice_is(envelope.kind, "ConfigMap"));
    ck_assert(api_message_equal(schema, messages[0], messages[1]));
    ck_assert(api_message_equal(schema, messages[0], messages[2]));
}
END_TEST

START_TEST(protobuf_comes_in_bare_and_enveloped)
{
    CLEANUP(buffer_release) struct buffer raw;
    CLEANUP(buffer_release) struct buffer envelope;
    buffer_init(&raw, 65536);
    buffer_init(&envelope, 65536);
    struct api_object object = api_object_new(fixture.base.arena, core("configmaps"));
    api_object_meta(&object)->name = objects_text("bare");
    api_encode_protobuf(object.kind->message, object.message, &raw);
    api_object_meta(&object)->name = objects_text("enveloped");
    api_object_encode(&object, &envelope);
    Objects__V1__Object *body = objects_json(&fixture, "");
    body->payload_case = OBJECTS__V1__OBJECT__PAYLOAD_PROTOBUF;
    body->protobuf = (ProtobufCBinaryData){.data = raw.data, .len = raw.len};
    (void)objects_only(objects_create(&fixture, objects_config_maps(&fixture), body, NULL));
    body->payload_case = OBJECTS__V1__OBJECT__PAYLOAD_ENVELOPE;
    body->envelope = (ProtobufCBinaryData){.data = envelope.data, .len = envelope.len};
    (void)objects_only(objects_create(&fixture, objects_config_maps(&fixture), body, NULL));
    (void)objects_only(objects_get_json(&fixture, objects_config_maps(&fixture), "bare"));
    (void)objects_only(objects_get_json(&fixture, objects_config_maps(&fixture), "enveloped"));
    body->kind = objects_text("Secret");
    body->payload_case = OBJECTS__V1__OBJECT__PAYLOAD_PROTOBUF;
    body->protobuf = (ProtobufCBinaryData){.data = raw.data, .len = raw.len};
    ck_assert_int_eq(objects_create(&fixture, objects_config_maps(&fixture), body, NULL)->code,
                     GRPC_INVALID_ARGUMENT);
}
END_TEST

START_TEST(each_type_of_patch_changes_what_it_says)
{
    objects_make(&fixture, "x");
    Objects__V1__Object *object = objects_only(
        objects_patch(&fixture, "x", OBJECTS__V1__PATCH_REQUEST__TYPE__JSON,
                      "[{\"op\":\"add\",\"path\":\"/data/b\",\"value\":\"2\"}]", "", false));
    ck_assert(has(object->json, "\"data\":{\"a\":\"1\",\"b\":\"2\"}"));
    object = objects_only(objects_patch(&fixture, "x", OBJECTS__V1__PATCH_REQUEST__TYPE__MERGE,
                                        "{\"data\":{\"a\":null}}", "", false));
    ck_assert(has(object->json, "\"data\":{\"b\":\"2\"}"));
    object =
        objects_only(objects_patch(&fixture, "x", OBJECTS__V1__PATCH_REQUEST__TYPE__STRATEGIC_MERGE,
                                   "{\"data\":{\"c\":\"3\"}}", "", false));
    ck_assert(has(object->json, "\"data\":{\"b\":\"2\",\"c\":\"3\"}"));
    object = objects_only(objects_patch(&fixture, "new", OBJECTS__V1__PATCH_REQUEST__TYPE__APPLY,
                                        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\n"
                                        "data: {d: \"4\"}\n",
                                        "me", false));
    ck_assert(object->created);
    ck_assert(has(object->json, "\"data\":{\"d\":\"4\"}"));
}
END_TEST

static const char *applied(const char *value)
{
    return arena_printf(fixture.base.arena,
                        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                        "\"x\"},\"data\":{\"a\":\"%s\"}}",
                        value);
}

START_TEST(who_applies_what_another_owns_is_told_whose_it_is)
{
    const Objects__V1__PatchRequest__Type apply = OBJECTS__V1__PATCH_REQUEST__TYPE__APPLY;
    (void)objects_only(objects_patch(&fixture, "x", apply, applied("1"), "first", false));
    struct answer *conflict = objects_patch(&fixture, "x", apply, applied("2"), "second", false);
    ck_assert_int_eq(conflict->code, GRPC_ABORTED);
    ck_assert_str_eq(conflict->status->reason, "Conflict");
    ck_assert_uint_eq(conflict->status->details->n_causes, 1);
    ck_assert_str_eq(conflict->status->details->causes[0]->field, ".data.a");
    ck_assert(has(conflict->status->details->causes[0]->message, "first"));
    (void)objects_only(objects_patch(&fixture, "x", apply, applied("2"), "second", true));
    ck_assert_int_eq(objects_patch(&fixture, "x", apply, applied("3"), "", false)->code,
                     GRPC_INVALID_ARGUMENT);
}
END_TEST

START_TEST(a_deletion_keeps_to_its_preconditions)
{
    objects_make(&fixture, "x");
    Objects__V1__DeleteOptions options;
    objects__v1__delete_options__init(&options);
    options.uid = objects_text("another");
    ck_assert_int_eq(objects_delete(&fixture, objects_config_maps(&fixture), "x", &options)->code,
                     GRPC_ABORTED);
    options.uid = objects_text("");
    options.resource_version = objects_text("1");
    ck_assert_int_eq(objects_delete(&fixture, objects_config_maps(&fixture), "x", &options)->code,
                     GRPC_ABORTED);
    options.resource_version = objects_text("");
    options.propagation_policy = objects_text("Sideways");
    ck_assert_int_eq(objects_delete(&fixture, objects_config_maps(&fixture), "x", &options)->code,
                     GRPC_INVALID_ARGUMENT);
    options.propagation_policy = objects_text("Background");
    options.dry_run = true;
    (void)objects_only(objects_delete(&fixture, objects_config_maps(&fixture), "x", &options));
    options.dry_run = false;
    options.grace_period_case = OBJECTS__V1__DELETE_OPTIONS__GRACE_PERIOD_GRACE_PERIOD_SECONDS;
    (void)objects_only(objects_delete(&fixture, objects_config_maps(&fixture), "x", &options));
    ck_assert_int_eq(objects_get_json(&fixture, objects_config_maps(&fixture), "x")->code,
                     GRPC_NOT_FOUND);
}
END_TEST

START_TEST(a_finalizer_keeps_the_object_that_is_answered)
{
    (void)objects_only(
        objects_create_json(&fixture, objects_config_maps(&fixture),
                            "{\"metadata\":{\"name\":\"x\",\"finalizers\":[\"a.b/c\"]}}"));
    Objects__V1__Object *object =
        objects_only(objects_delete(&fixture, objects_config_maps(&fixture), "x", NULL));
    ck_assert_str_eq(object->kind, "ConfigMap");
    ck_assert(has(object->json, "\"deletionTimestamp\""));
}
END_TEST

START_TEST(a_dry_run_leaves_nothing)
{
    Objects__V1__WriteOptions options;
    objects__v1__write_options__init(&options);
    options.dry_run = true;
    Objects__V1__Object *object = objects_only(
        objects_create(&fixture, objects_config_maps(&fixture),
                       objects_json(&fixture, "{\"metadata\":{\"name\":\"x\"}}"), &options));
    ck_assert(has(object->json, "\"uid\":"));
    ck_assert_int_eq(objects_get_json(&fixture, objects_config_maps(&fixture), "x")->code,
                     GRPC_NOT_FOUND);
}
END_TEST

START_TEST(unknown_fields_are_warned_of_ignored_or_refused)
{
    static const char body[] = "{\"metadata\":{\"generateName\":\"x-\"},\"dada\":{}}";
    Objects__V1__WriteOptions options;
    objects__v1__write_options__init(&options);
    struct answer *answer = objects_create(&fixture, objects_config_maps(&fixture),
                                           objects_json(&fixture, body), &options);
    (void)objects_only(answer);
    ck_assert_uint_eq(answer->warning_count, 1);
    ck_assert_str_eq(answer->warnings[0], "299 - \"unknown field \\\"dada\\\"\"");
    options.field_validation = OBJECTS__V1__FIELD_VALIDATION__FIELD_VALIDATION_IGNORE;
    answer = objects_create(&fixture, objects_config_maps(&fixture), objects_json(&fixture, body),
                            &options);
    (void)objects_only(answer);
    ck_assert_uint_eq(answer->warning_count, 0);
    options.field_validation = OBJECTS__V1__FIELD_VALIDATION__FIELD_VALIDATION_STRICT;
    answer = objects_create(&fixture, objects_config_maps(&fixture), objects_json(&fixture, body),
                            &options);
    ck_assert_int_eq(answer->code, GRPC_INVALID_ARGUMENT);
    ck_assert(has(answer->message, "strict decoding error: unknown field \"dada\""));
    options.field_validation = (Objects__V1__FieldValidation)9;
    ck_assert_int_eq(objects_create(&fixture, objects_config_maps(&fixture),
                                    objects_json(&fixture, body), &options)
                         ->code,
                     GRPC_INVALID_ARGUMENT);
}
END_TEST

START_TEST(subresources_have_messages_of_their_own)
{
    Objects__V1__Resource *deployments = objects_in(&fixture, "apps", "v1", "deployments", "ns");
    (void)objects_only(objects_create_json(
        &fixture, deployments,
        "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{"
        "\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
        "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"));
    Objects__V1__GetRequest get;
    objects__v1__get_request__init(&get);
    get.resource = deployments;
    get.name = objects_text("d");
    get.subresource = objects_text("scale");
    get.format = objects_format(&fixture, OBJECTS__V1__ENCODING__ENCODING_JSON);
    Objects__V1__Object *scale = objects_only(objects_ask(&fixture, fixture.admin, "Get", &get));
    ck_assert_str_eq(scale->api_version, "autoscaling/v1");
    ck_assert_str_eq(scale->kind, "Scale");
    ck_assert(has(scale->json, "\"spec\":{\"replicas\":2}"));
    Objects__V1__CreateRequest review;
    objects__v1__create_request__init(&review);
    review.resource = objects_in(&fixture, "authentication.k8s.io", "v1", "selfsubjectreviews", "");
    review.object = objects_json(&fixture, "{}");
    review.format = get.format;
    Objects__V1__Object *me = objects_only(objects_ask(&fixture, fixture.admin, "Create", &review));
    ck_assert(has(me->json, "\"username\":\"admin\""));
}
END_TEST

START_TEST(streams_to_pods_are_not_served_here)
{
    Objects__V1__GetRequest get;
    objects__v1__get_request__init(&get);
    get.resource = objects_in(&fixture, "", "v1", "pods", "ns");
    get.name = objects_text("p");
    get.subresource = objects_text("log");
    ck_assert_int_eq(objects_ask(&fixture, fixture.admin, "Get", &get)->code, GRPC_UNIMPLEMENTED);
}
END_TEST

static void take_file(void *data, struct slice message)
{
    *(struct slice *)data = arena_slice(fixture.base.arena, message);
}

static void never_end(void *data, const struct grpc_status *status)
{
    (void)data;
    ck_abort_msg("%s", status->message);
}

/* As grpcurl's `describe` asks. */
START_TEST(reflection_describes_the_service)
{
    static const struct grpc_stream_events events = {.on_message = take_file, .on_end = never_end};
    static const char symbol[] = "coracle.v1.Objects";
    const struct grpc_call_options options = {
        .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"};
    struct slice answer = {0};
    CLEANUP(buffer_release) struct buffer request;
    buffer_init(&request, 256);
    api_put_field_head(4, sizeof(symbol) - 1, &request); /* file_containing_symbol */
    buffer_append_text(&request, symbol);
    struct grpc_stream *stream = grpc_stream_open(fixture.admin, &options, &events, &answer);
    (void)grpc_stream_send(stream, buffer_slice(&request));
    while (answer.len == 0) {
        loop_turn(fixture.base.loop, true);
    }
    ck_assert_ptr_nonnull(memmem(answer.data, answer.len, "coracle/v1/objects.proto", 24));
    ck_assert_ptr_nonnull(memmem(answer.data, answer.len, "DeleteCollectionRequest", 23));
    grpc_stream_cancel(stream);
}
END_TEST

START_TEST(metadata_alone_is_a_partial_object)
{
    objects_make(&fixture, "x");
    Objects__V1__GetRequest get;
    objects__v1__get_request__init(&get);
    get.resource = objects_config_maps(&fixture);
    get.name = objects_text("x");
    get.format = objects_format(&fixture, OBJECTS__V1__ENCODING__ENCODING_JSON);
    get.format->metadata_only = true;
    Objects__V1__Object *object = objects_only(objects_ask(&fixture, fixture.admin, "Get", &get));
    ck_assert_str_eq(object->api_version, "meta.k8s.io/v1");
    ck_assert_str_eq(object->kind, "PartialObjectMetadata");
    ck_assert(has(object->json, "\"name\":\"x\""));
    ck_assert(!has(object->json, "\"data\""));
}
END_TEST

static const char definition[] =
    "{\"metadata\":{\"name\":\"toys.shop.example\"},\"spec\":{\"group\":\"shop.example\",\"scope\":"
    "\"Namespaced\",\"names\":{\"plural\":\"toys\",\"singular\":\"toy\",\"kind\":\"Toy\","
    "\"listKind\":\"ToyList\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
    "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":"
    "\"object\",\"properties\":{\"size\":{\"type\":\"integer\",\"maximum\":9}}}}}}}]}}";

START_TEST(custom_objects_are_json)
{
    (void)objects_only(objects_create_json(
        &fixture,
        objects_in(&fixture, "apiextensions.k8s.io", "v1", "customresourcedefinitions", ""),
        definition));
    Objects__V1__Resource *toys = objects_in(&fixture, "shop.example", "v1", "toys", "ns");
    static const char body[] = "{\"apiVersion\":\"shop.example/v1\",\"kind\":\"Toy\",\"metadata\":{"
                               "\"name\":\"t\"},\"spec\":{\"size\":3}}";
    struct answer *answer = objects_create_json(&fixture, toys, body);
    while (answer->code == GRPC_NOT_FOUND) { /* A moment until it is established. */
        loop_turn(fixture.base.loop, true);
        answer = objects_create_json(&fixture, toys, body);
    }
    ck_assert_str_eq(objects_only(answer)->kind, "Toy");
    Objects__V1__Object *seen = objects_only(objects_get(
        &fixture, fixture.admin, toys, "t", OBJECTS__V1__ENCODING__ENCODING_UNSPECIFIED));
    ck_assert_int_eq(seen->payload_case, OBJECTS__V1__OBJECT__PAYLOAD_JSON);
    ck_assert(has(seen->json, "\"spec\":{\"size\":3}"));
    ck_assert_int_eq(
        objects_get(&fixture, fixture.admin, toys, "t", OBJECTS__V1__ENCODING__ENCODING_PROTOBUF)
            ->code,
        GRPC_INVALID_ARGUMENT);
    answer =
        objects_update_json(&fixture, toys, "t",
                            "{\"apiVersion\":\"shop.example/v1\",\"kind\":\"Toy\",\"metadata\":{"
                            "\"name\":\"t\"},\"spec\":{\"size\":10}}");
    ck_assert_int_eq(answer->code, GRPC_INVALID_ARGUMENT);
    (void)objects_only(objects_delete(&fixture, toys, "t", NULL));
}
END_TEST

Suite *objects_suite(void);

Suite *objects_suite(void)
{
    Suite *suite = suite_create("apiserver/objects");
    TCase *tcase = tcase_create("verbs");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, an_object_lives_through_all_verbs);
    tcase_add_test(tcase, every_encoding_says_the_same);
    tcase_add_test(tcase, protobuf_comes_in_bare_and_enveloped);
    tcase_add_test(tcase, each_type_of_patch_changes_what_it_says);
    tcase_add_test(tcase, who_applies_what_another_owns_is_told_whose_it_is);
    tcase_add_test(tcase, a_deletion_keeps_to_its_preconditions);
    tcase_add_test(tcase, a_finalizer_keeps_the_object_that_is_answered);
    tcase_add_test(tcase, a_dry_run_leaves_nothing);
    tcase_add_test(tcase, unknown_fields_are_warned_of_ignored_or_refused);
    tcase_add_test(tcase, subresources_have_messages_of_their_own);
    tcase_add_test(tcase, streams_to_pods_are_not_served_here);
    tcase_add_test(tcase, reflection_describes_the_service);
    tcase_add_test(tcase, metadata_alone_is_a_partial_object);
    tcase_add_test(tcase, custom_objects_are_json);
    suite_add_tcase(suite, tcase);
    return suite;
}
