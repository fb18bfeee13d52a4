/* coracle.v1.Objects, one call at a time: every verb and encoding, and what clients learn of
 * errors. Streams are in test_objects_streams.c. */
#include "k8s/core_v1.pb-c.h"
#include "tests/unit/apiserver/objects_fixture.h"
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

/* --- Requests --- */

static char *text(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

static Objects__V1__Resource *in(const char *group, const char *version, const char *plural,
                                 const char *namespace)
{
    Objects__V1__Resource *resource = arena_alloc(fixture.base.arena, sizeof(*resource));
    objects__v1__resource__init(resource);
    resource->group = text(group);
    resource->version = text(version);
    resource->resource = text(plural);
    resource->namespace_ = text(namespace);
    return resource;
}

static Objects__V1__Resource *config_maps(void)
{
    return in("", "v1", "configmaps", "ns");
}

static Objects__V1__Object *json(const char *body)
{
    Objects__V1__Object *object = arena_alloc(fixture.base.arena, sizeof(*object));
    objects__v1__object__init(object);
    object->payload_case = OBJECTS__V1__OBJECT__PAYLOAD_JSON;
    object->json = text(body);
    return object;
}

static Objects__V1__Format *format(Objects__V1__Encoding encoding)
{
    Objects__V1__Format *message = arena_alloc(fixture.base.arena, sizeof(*message));
    objects__v1__format__init(message);
    message->encoding = encoding;
    return message;
}

static struct answer *create_with(Objects__V1__Resource *resource, Objects__V1__Object *object,
                                  Objects__V1__WriteOptions *options)
{
    Objects__V1__CreateRequest create_message;
    objects__v1__create_request__init(&create_message);
    create_message.resource = resource;
    create_message.object = object;
    create_message.options = options;
    create_message.format = format(OBJECTS__V1__ENCODING__ENCODING_JSON);
    return objects_ask(&fixture, fixture.admin, "Create", &create_message);
}

static struct answer *create_json(Objects__V1__Resource *resource, const char *body)
{
    return create_with(resource, json(body), NULL);
}

static struct answer *get_by(struct grpc_channel *channel, Objects__V1__Resource *resource,
                             const char *name, Objects__V1__Encoding encoding)
{
    Objects__V1__GetRequest get;
    objects__v1__get_request__init(&get);
    get.resource = resource;
    get.name = text(name);
    get.format = format(encoding);
    return objects_ask(&fixture, channel, "Get", &get);
}

static struct answer *get_json(Objects__V1__Resource *resource, const char *name)
{
    return get_by(fixture.admin, resource, name, OBJECTS__V1__ENCODING__ENCODING_JSON);
}

static struct answer *patch_as(const char *name, Objects__V1__PatchRequest__Type type,
                               const char *patch, const char *manager, bool force)
{
    Objects__V1__PatchRequest message;
    Objects__V1__WriteOptions options;
    objects__v1__patch_request__init(&message);
    objects__v1__write_options__init(&options);
    options.field_manager = text(manager);
    message.resource = config_maps();
    message.name = text(name);
    message.type = type;
    message.patch = text(patch);
    message.force = force;
    message.options = &options;
    message.format = format(OBJECTS__V1__ENCODING__ENCODING_JSON);
    return objects_ask(&fixture, fixture.admin, "Patch", &message);
}

static struct answer *update_json(Objects__V1__Resource *resource, const char *name,
                                  const char *body)
{
    Objects__V1__UpdateRequest update;
    objects__v1__update_request__init(&update);
    update.resource = resource;
    update.name = text(name);
    update.object = json(body);
    update.format = format(OBJECTS__V1__ENCODING__ENCODING_JSON);
    return objects_ask(&fixture, fixture.admin, "Update", &update);
}

static struct answer *delete_one(Objects__V1__Resource *resource, const char *name,
                                 Objects__V1__DeleteOptions *options)
{
    Objects__V1__DeleteRequest message;
    objects__v1__delete_request__init(&message);
    message.resource = resource;
    message.name = text(name);
    message.options = options;
    message.format = format(OBJECTS__V1__ENCODING__ENCODING_JSON);
    return objects_ask(&fixture, fixture.admin, "Delete", &message);
}

static void make(const char *name)
{
    const char *body = arena_printf(
        fixture.base.arena, "{\"metadata\":{\"name\":\"%s\"},\"data\":{\"a\":\"1\"}}", name);
    (void)objects_only(create_json(config_maps(), body));
}

static bool has(const char *whole, const char *part)
{
    return strstr(whole, part) != NULL;
}

/* --- Verbs --- */

START_TEST(an_object_lives_through_all_verbs)
{
    Objects__V1__Object *made = objects_only(
        create_json(config_maps(), "{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"1\"}}"));
    ck_assert_str_eq(made->api_version, "v1");
    ck_assert_str_eq(made->kind, "ConfigMap");
    ck_assert(made->created);
    ck_assert(has(made->json, "\"uid\":"));
    Objects__V1__Object *seen = objects_only(get_json(config_maps(), "x"));
    ck_assert_str_eq(seen->json, made->json);
    ck_assert(!seen->created);
    Objects__V1__Object *updated = objects_only(
        update_json(config_maps(), "x", "{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"2\"}}"));
    ck_assert(has(updated->json, "\"data\":{\"a\":\"2\"}"));
    Objects__V1__Object *gone = objects_only(delete_one(config_maps(), "x", NULL));
    ck_assert_str_eq(gone->kind, "Status");
    ck_assert(has(gone->json, "\"status\":\"Success\""));
    ck_assert_int_eq(get_json(config_maps(), "x")->code, GRPC_NOT_FOUND);
}
END_TEST

START_TEST(every_encoding_says_the_same)
{
    make("x");
    const struct api_message *schema = core("configmaps")->message;
    Objects__V1__Object *objects[3];
    void *messages[3];
    for (int i = 0; i < 3; i++) {
        objects[i] =
            objects_only(get_by(fixture.admin, config_maps(), "x",
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
    api_object_meta(&object)->name = text("bare");
    api_encode_protobuf(object.kind->message, object.message, &raw);
    api_object_meta(&object)->name = text("enveloped");
    api_object_encode(&object, &envelope);
    Objects__V1__Object *body = json("");
    body->payload_case = OBJECTS__V1__OBJECT__PAYLOAD_PROTOBUF;
    body->protobuf = (ProtobufCBinaryData){.data = raw.data, .len = raw.len};
    (void)objects_only(create_with(config_maps(), body, NULL));
    body->payload_case = OBJECTS__V1__OBJECT__PAYLOAD_ENVELOPE;
    body->envelope = (ProtobufCBinaryData){.data = envelope.data, .len = envelope.len};
    (void)objects_only(create_with(config_maps(), body, NULL));
    (void)objects_only(get_json(config_maps(), "bare"));
    (void)objects_only(get_json(config_maps(), "enveloped"));
    body->kind = text("Secret");
    body->payload_case = OBJECTS__V1__OBJECT__PAYLOAD_PROTOBUF;
    body->protobuf = (ProtobufCBinaryData){.data = raw.data, .len = raw.len};
    ck_assert_int_eq(create_with(config_maps(), body, NULL)->code, GRPC_INVALID_ARGUMENT);
}
END_TEST

START_TEST(each_type_of_patch_changes_what_it_says)
{
    make("x");
    Objects__V1__Object *object = objects_only(
        patch_as("x", OBJECTS__V1__PATCH_REQUEST__TYPE__JSON,
                 "[{\"op\":\"add\",\"path\":\"/data/b\",\"value\":\"2\"}]", "", false));
    ck_assert(has(object->json, "\"data\":{\"a\":\"1\",\"b\":\"2\"}"));
    object = objects_only(patch_as("x", OBJECTS__V1__PATCH_REQUEST__TYPE__MERGE,
                                   "{\"data\":{\"a\":null}}", "", false));
    ck_assert(has(object->json, "\"data\":{\"b\":\"2\"}"));
    object = objects_only(patch_as("x", OBJECTS__V1__PATCH_REQUEST__TYPE__STRATEGIC_MERGE,
                                   "{\"data\":{\"c\":\"3\"}}", "", false));
    ck_assert(has(object->json, "\"data\":{\"b\":\"2\",\"c\":\"3\"}"));
    object = objects_only(patch_as("new", OBJECTS__V1__PATCH_REQUEST__TYPE__APPLY,
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
    (void)objects_only(patch_as("x", apply, applied("1"), "first", false));
    struct answer *conflict = patch_as("x", apply, applied("2"), "second", false);
    ck_assert_int_eq(conflict->code, GRPC_ABORTED);
    ck_assert_str_eq(conflict->status->reason, "Conflict");
    ck_assert_uint_eq(conflict->status->details->n_causes, 1);
    ck_assert_str_eq(conflict->status->details->causes[0]->field, ".data.a");
    ck_assert(has(conflict->status->details->causes[0]->message, "first"));
    (void)objects_only(patch_as("x", apply, applied("2"), "second", true));
    ck_assert_int_eq(patch_as("x", apply, applied("3"), "", false)->code, GRPC_INVALID_ARGUMENT);
}
END_TEST

START_TEST(a_deletion_keeps_to_its_preconditions)
{
    make("x");
    Objects__V1__DeleteOptions options;
    objects__v1__delete_options__init(&options);
    options.uid = text("another");
    ck_assert_int_eq(delete_one(config_maps(), "x", &options)->code, GRPC_ABORTED);
    options.uid = text("");
    options.resource_version = text("1");
    ck_assert_int_eq(delete_one(config_maps(), "x", &options)->code, GRPC_ABORTED);
    options.resource_version = text("");
    options.propagation_policy = text("Sideways");
    ck_assert_int_eq(delete_one(config_maps(), "x", &options)->code, GRPC_INVALID_ARGUMENT);
    options.propagation_policy = text("Background");
    options.dry_run = true;
    (void)objects_only(delete_one(config_maps(), "x", &options));
    options.dry_run = false;
    options.grace_period_case = OBJECTS__V1__DELETE_OPTIONS__GRACE_PERIOD_GRACE_PERIOD_SECONDS;
    (void)objects_only(delete_one(config_maps(), "x", &options));
    ck_assert_int_eq(get_json(config_maps(), "x")->code, GRPC_NOT_FOUND);
}
END_TEST

START_TEST(a_finalizer_keeps_the_object_that_is_answered)
{
    (void)objects_only(
        create_json(config_maps(), "{\"metadata\":{\"name\":\"x\",\"finalizers\":[\"a.b/c\"]}}"));
    Objects__V1__Object *object = objects_only(delete_one(config_maps(), "x", NULL));
    ck_assert_str_eq(object->kind, "ConfigMap");
    ck_assert(has(object->json, "\"deletionTimestamp\""));
}
END_TEST

START_TEST(a_dry_run_leaves_nothing)
{
    Objects__V1__WriteOptions options;
    objects__v1__write_options__init(&options);
    options.dry_run = true;
    Objects__V1__Object *object =
        objects_only(create_with(config_maps(), json("{\"metadata\":{\"name\":\"x\"}}"), &options));
    ck_assert(has(object->json, "\"uid\":"));
    ck_assert_int_eq(get_json(config_maps(), "x")->code, GRPC_NOT_FOUND);
}
END_TEST

START_TEST(unknown_fields_are_warned_of_ignored_or_refused)
{
    static const char body[] = "{\"metadata\":{\"generateName\":\"x-\"},\"dada\":{}}";
    Objects__V1__WriteOptions options;
    objects__v1__write_options__init(&options);
    struct answer *answer = create_with(config_maps(), json(body), &options);
    (void)objects_only(answer);
    ck_assert_uint_eq(answer->warning_count, 1);
    ck_assert_str_eq(answer->warnings[0], "299 - \"unknown field \\\"dada\\\"\"");
    options.field_validation = OBJECTS__V1__FIELD_VALIDATION__FIELD_VALIDATION_IGNORE;
    answer = create_with(config_maps(), json(body), &options);
    (void)objects_only(answer);
    ck_assert_uint_eq(answer->warning_count, 0);
    options.field_validation = OBJECTS__V1__FIELD_VALIDATION__FIELD_VALIDATION_STRICT;
    answer = create_with(config_maps(), json(body), &options);
    ck_assert_int_eq(answer->code, GRPC_INVALID_ARGUMENT);
    ck_assert(has(answer->message, "strict decoding error: unknown field \"dada\""));
    options.field_validation = (Objects__V1__FieldValidation)9;
    ck_assert_int_eq(create_with(config_maps(), json(body), &options)->code, GRPC_INVALID_ARGUMENT);
}
END_TEST

START_TEST(subresources_have_messages_of_their_own)
{
    Objects__V1__Resource *deployments = in("apps", "v1", "deployments", "ns");
    (void)objects_only(create_json(
        deployments,
        "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{"
        "\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
        "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"));
    Objects__V1__GetRequest get;
    objects__v1__get_request__init(&get);
    get.resource = deployments;
    get.name = text("d");
    get.subresource = text("scale");
    get.format = format(OBJECTS__V1__ENCODING__ENCODING_JSON);
    Objects__V1__Object *scale = objects_only(objects_ask(&fixture, fixture.admin, "Get", &get));
    ck_assert_str_eq(scale->api_version, "autoscaling/v1");
    ck_assert_str_eq(scale->kind, "Scale");
    ck_assert(has(scale->json, "\"spec\":{\"replicas\":2}"));
    Objects__V1__CreateRequest review;
    objects__v1__create_request__init(&review);
    review.resource = in("authentication.k8s.io", "v1", "selfsubjectreviews", "");
    review.object = json("{}");
    review.format = get.format;
    Objects__V1__Object *me = objects_only(objects_ask(&fixture, fixture.admin, "Create", &review));
    ck_assert(has(me->json, "\"username\":\"admin\""));
}
END_TEST

START_TEST(streams_to_pods_are_not_served_here)
{
    Objects__V1__GetRequest get;
    objects__v1__get_request__init(&get);
    get.resource = in("", "v1", "pods", "ns");
    get.name = text("p");
    get.subresource = text("log");
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
    make("x");
    Objects__V1__GetRequest get;
    objects__v1__get_request__init(&get);
    get.resource = config_maps();
    get.name = text("x");
    get.format = format(OBJECTS__V1__ENCODING__ENCODING_JSON);
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
    (void)objects_only(
        create_json(in("apiextensions.k8s.io", "v1", "customresourcedefinitions", ""), definition));
    Objects__V1__Resource *toys = in("shop.example", "v1", "toys", "ns");
    static const char body[] = "{\"apiVersion\":\"shop.example/v1\",\"kind\":\"Toy\",\"metadata\":{"
                               "\"name\":\"t\"},\"spec\":{\"size\":3}}";
    struct answer *answer = create_json(toys, body);
    while (answer->code == GRPC_NOT_FOUND) { /* A moment until it is established. */
        loop_turn(fixture.base.loop, true);
        answer = create_json(toys, body);
    }
    ck_assert_str_eq(objects_only(answer)->kind, "Toy");
    Objects__V1__Object *seen =
        objects_only(get_by(fixture.admin, toys, "t", OBJECTS__V1__ENCODING__ENCODING_UNSPECIFIED));
    ck_assert_int_eq(seen->payload_case, OBJECTS__V1__OBJECT__PAYLOAD_JSON);
    ck_assert(has(seen->json, "\"spec\":{\"size\":3}"));
    ck_assert_int_eq(
        get_by(fixture.admin, toys, "t", OBJECTS__V1__ENCODING__ENCODING_PROTOBUF)->code,
        GRPC_INVALID_ARGUMENT);
    answer = update_json(toys, "t",
                         "{\"apiVersion\":\"shop.example/v1\",\"kind\":\"Toy\",\"metadata\":{"
                         "\"name\":\"t\"},\"spec\":{\"size\":10}}");
    ck_assert_int_eq(answer->code, GRPC_INVALID_ARGUMENT);
    (void)objects_only(delete_one(toys, "t", NULL));
}
END_TEST

/* --- Errors --- */

START_TEST(what_is_not_there_is_named)
{
    struct answer *answer = get_json(config_maps(), "x");
    ck_assert_int_eq(answer->code, GRPC_NOT_FOUND);
    ck_assert_str_eq(answer->message, "configmaps \"x\" not found");
    ck_assert_str_eq(answer->status->reason, "NotFound");
    ck_assert_int_eq(answer->status->code, 404);
    ck_assert_str_eq(answer->status->details->name, "x");
    ck_assert_int_eq(get_json(in("", "v1", "unicorns", "ns"), "x")->code, GRPC_NOT_FOUND);
    ck_assert_int_eq(get_json(in("no.such", "v1", "unicorns", "ns"), "x")->code, GRPC_NOT_FOUND);
}
END_TEST

START_TEST(what_is_there_already_is_not_made_twice)
{
    make("x");
    struct answer *answer = create_json(config_maps(), "{\"metadata\":{\"name\":\"x\"}}");
    ck_assert_int_eq(answer->code, GRPC_ALREADY_EXISTS);
    ck_assert_str_eq(answer->status->reason, "AlreadyExists");
}
END_TEST

START_TEST(every_cause_of_a_refusal_is_told)
{
    struct answer *answer =
        create_json(config_maps(), "{\"metadata\":{\"name\":\"X Y\",\"labels\":{\"a b\":\"c\"}}}");
    ck_assert_int_eq(answer->code, GRPC_INVALID_ARGUMENT);
    ck_assert_str_eq(answer->status->reason, "Invalid");
    ck_assert_uint_eq(answer->status->details->n_causes, 2);
    ck_assert_str_eq(answer->status->details->causes[0]->field, "metadata.name");
    ck_assert_str_eq(answer->status->details->causes[1]->field, "metadata.labels");
}
END_TEST

START_TEST(an_error_without_end_is_cut_to_what_clients_take)
{
    CLEANUP(buffer_release) struct buffer body;
    buffer_init(&body, (size_t)1 << 20);
    buffer_append_text(&body, "{\"metadata\":{\"name\":\"x\",\"labels\":{");
    for (int i = 0; i < 500; i++) {
        buffer_printf(&body, "%s\"a b%d\":\"not good %d\"", i == 0 ? "" : ",", i, i);
    }
    buffer_append_text(&body, "}}}");
    struct answer *answer = create_json(config_maps(), buffer_text(&body));
    ck_assert_int_eq(answer->code, GRPC_INVALID_ARGUMENT);
    ck_assert_uint_le(strlen(answer->message), 1100);
    ck_assert_ptr_nonnull(answer->status);
    ck_assert_uint_gt(answer->status->details->n_causes, 0);
    ck_assert_uint_lt(answer->status->details->n_causes, 500);
}
END_TEST

START_TEST(a_stale_update_is_a_conflict)
{
    make("x");
    struct answer *answer = update_json(
        config_maps(), "x", "{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"1\"}}");
    ck_assert_int_eq(answer->code, GRPC_ABORTED);
    ck_assert_str_eq(answer->status->reason, "Conflict");
}
END_TEST

START_TEST(who_may_not_is_refused)
{
    make("x");
    struct answer *answer =
        get_by(fixture.jane, config_maps(), "x", OBJECTS__V1__ENCODING__ENCODING_JSON);
    ck_assert_int_eq(answer->code, GRPC_PERMISSION_DENIED);
    ck_assert(has(answer->message, "User \"jane\" cannot get resource \"configmaps\""));
    struct grpc_channel *nobody = objects_fixture_channel(&fixture, NULL, NULL, 0);
    answer = get_by(nobody, config_maps(), "x", OBJECTS__V1__ENCODING__ENCODING_JSON);
    ck_assert_int_eq(answer->code, GRPC_PERMISSION_DENIED);
    ck_assert(has(answer->message, "system:anonymous"));
    grpc_channel_close(nobody);
}
END_TEST

static struct answer *whoami(struct grpc_channel *channel, const struct http_header *metadata,
                             size_t count)
{
    Objects__V1__CreateRequest review;
    objects__v1__create_request__init(&review);
    review.resource = in("authentication.k8s.io", "v1", "selfsubjectreviews", "");
    review.object = json("{}");
    review.format = format(OBJECTS__V1__ENCODING__ENCODING_JSON);
    const struct grpc_call_options options = {.metadata = metadata, .metadata_count = count};
    struct answer *answer = objects_open(&fixture, channel, "Create", &review, &options);
    objects_await(&fixture, answer, SIZE_MAX);
    return answer;
}

START_TEST(metadata_says_who_asks)
{
    const struct http_header bad[] = {http_header("authorization", "Bearer nonsense")};
    struct grpc_channel *nobody = objects_fixture_channel(&fixture, NULL, NULL, 0);
    struct answer *answer = whoami(nobody, bad, 1);
    ck_assert_int_eq(answer->code, GRPC_UNAUTHENTICATED);
    ck_assert_str_eq(answer->status->reason, "Unauthorized");
    grpc_channel_close(nobody);
    const struct http_header other[] = {http_header("impersonate-user", "jane"),
                                        http_header("impersonate-group", "friends")};
    answer = whoami(fixture.admin, other, 2);
    /* The authorizer may hear of the default roles only now. */
    for (int tries = 0; answer->code == GRPC_PERMISSION_DENIED && tries < 1000; tries++) {
        answer = whoami(fixture.admin, other, 2);
    }
    Objects__V1__Object *me = objects_only(answer);
    ck_assert(has(me->json, "\"username\":\"jane\""));
    ck_assert(has(me->json, "\"friends\""));
    ck_assert_int_eq(whoami(fixture.jane, other, 1)->code, GRPC_PERMISSION_DENIED);
}
END_TEST

START_TEST(requests_have_limits)
{
    char *large = arena_alloc(fixture.base.arena, 5 << 20);
    memset(large, 'a', 5 << 20);
    large[(5 << 20) - 1] = 0;
    struct answer *answer = create_json(config_maps(), large);
    ck_assert_int_eq(answer->code, GRPC_RESOURCE_EXHAUSTED); /* The message. */
    large[(3 << 20) + 1] = 0;
    answer = create_json(config_maps(), large);
    ck_assert_int_eq(answer->code, GRPC_RESOURCE_EXHAUSTED); /* The object. */
    ck_assert_str_eq(answer->status->reason, "RequestEntityTooLarge");
    ck_assert_int_eq(get_json(config_maps(), "")->code, GRPC_INVALID_ARGUMENT);
    ck_assert_int_eq(create_with(config_maps(), NULL, NULL)->code, GRPC_INVALID_ARGUMENT);
}
END_TEST

Suite *objects_suite(void);

Suite *objects_suite(void)
{
    Suite *suite = suite_create("apiserver/objects");
    TCase *verbs = tcase_create("verbs");
    TCase *errors = tcase_create("errors");
    tcase_add_checked_fixture(verbs, setup, teardown);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_set_timeout(verbs, 60);
    tcase_set_timeout(errors, 60);
    tcase_add_test(verbs, an_object_lives_through_all_verbs);
    tcase_add_test(verbs, every_encoding_says_the_same);
    tcase_add_test(verbs, protobuf_comes_in_bare_and_enveloped);
    tcase_add_test(verbs, each_type_of_patch_changes_what_it_says);
    tcase_add_test(verbs, who_applies_what_another_owns_is_told_whose_it_is);
    tcase_add_test(verbs, a_deletion_keeps_to_its_preconditions);
    tcase_add_test(verbs, a_finalizer_keeps_the_object_that_is_answered);
    tcase_add_test(verbs, a_dry_run_leaves_nothing);
    tcase_add_test(verbs, unknown_fields_are_warned_of_ignored_or_refused);
    tcase_add_test(verbs, subresources_have_messages_of_their_own);
    tcase_add_test(verbs, streams_to_pods_are_not_served_here);
    tcase_add_test(verbs, reflection_describes_the_service);
    tcase_add_test(verbs, metadata_alone_is_a_partial_object);
    tcase_add_test(verbs, custom_objects_are_json);
    tcase_add_test(errors, what_is_not_there_is_named);
    tcase_add_test(errors, what_is_there_already_is_not_made_twice);
    tcase_add_test(errors, every_cause_of_a_refusal_is_told);
    tcase_add_test(errors, an_error_without_end_is_cut_to_what_clients_take);
    tcase_add_test(errors, a_stale_update_is_a_conflict);
    tcase_add_test(errors, who_may_not_is_refused);
    tcase_add_test(errors, metadata_says_who_asks);
    tcase_add_test(errors, requests_have_limits);
    suite_add_tcase(suite, verbs);
    suite_add_tcase(suite, errors);
    return suite;
}
