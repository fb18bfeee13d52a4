#include "apiserver/objects_request.h"

#include "apiserver/limits.h"
#include "k8s/meta_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/base/buffer.h"
#include <errno.h>
#include <string.h>

/* --- The message --- */

struct message_memory {
    struct arena *arena;
    size_t left;
};

/* Refusing makes protobuf-c give the message up: empty messages take far more than they say. */
static void *take(void *data, size_t size)
{
    struct message_memory *memory = data;
    if (size > memory->left) {
        return NULL;
    }
    memory->left -= size;
    return arena_alloc(memory->arena, size);
}

static void give_back(void *data, void *memory)
{
    (void)data;
    (void)memory; /* It goes with the arena. */
}

static void *unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                    struct slice bytes)
{
    struct message_memory memory = {.arena = arena, .left = OBJECTS_MESSAGE_ARENA_MAX};
    ProtobufCAllocator allocator = {take, give_back, &memory};
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.len, bytes.data);
}

/* --- Path and query --- */

/* What is read of a message, on its way to being a request. */
struct target {
    struct arena *arena;
    const Objects__V1__Resource *resource;
    const char *name, *subresource;
    const Objects__V1__Format *format;
    struct buffer path, query;
    struct objects_request *request; /* Gets body and body_type. */
    const char *problem;
};

static void add_segment(struct target *target, const char *text)
{
    buffer_append_byte(&target->path, '/');
    percent_append(&target->path, text);
}

static void add_path(struct target *target)
{
    const Objects__V1__Resource *resource = target->resource;
    bool core = resource->group[0] == 0;
    buffer_append_text(&target->path, core ? "/api" : "/apis");
    if (!core) {
        add_segment(target, resource->group);
    }
    add_segment(target, resource->version);
    if (resource->namespace_[0] != 0) {
        add_segment(target, "namespaces");
        add_segment(target, resource->namespace_);
    }
    add_segment(target, resource->resource);
    if (target->name[0] != 0) {
        add_segment(target, target->name);
    }
    if (target->subresource[0] != 0) {
        add_segment(target, target->subresource);
    }
}

/* "" is as if it were not there, for each of them. */
static void add_text(struct target *target, const char *key, const char *value)
{
    if (value[0] != 0) {
        query_append(&target->query, target->query.len == 0, key, value);
    }
}

static void add_number(struct target *target, const char *key, int64_t value)
{
    if (value != 0) {
        add_text(target, key, arena_printf(target->arena, "%lld", (long long)value));
    }
}

static void add_true(struct target *target, const char *key, bool value)
{
    add_text(target, key, value ? "true" : "");
}

static void add_selectors(struct target *target, const char *labels, const char *fields)
{
    add_text(target, "labelSelector", labels);
    add_text(target, "fieldSelector", fields);
}

static void add_versions(struct target *target, const char *version, const char *match)
{
    add_text(target, "resourceVersion", version);
    add_text(target, "resourceVersionMatch", match);
}

static void add_write_options(struct target *target, const Objects__V1__WriteOptions *options)
{
    static const char *const modes[] = {"", "Warn", "Ignore", "Strict"};
    if (options == NULL) {
        return;
    }
    bool known =
        options->field_validation >= 0 && (size_t)options->field_validation < ARRAY_LEN(modes);
    add_text(target, "dryRun", options->dry_run ? "All" : "");
    add_text(target, "fieldManager", options->field_manager);
    add_text(target, "fieldValidation",
             known ? modes[options->field_validation]
                   : arena_printf(target->arena, "%d", (int)options->field_validation));
}

/* --- Bodies --- */

static const char protobuf_type[] = "application/vnd.kubernetes.protobuf";

static struct slice enveloped(struct arena *arena, const char *api_version, const char *kind,
                              struct slice raw)
{
    const struct api_type_meta meta = {.api_version = api_version, .kind = kind};
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    api_wrap_envelope(raw, &meta, &out);
    return arena_slice(arena, buffer_slice(&out));
}

static int set_object(struct target *target, const Objects__V1__Object *object)
{
    struct objects_request *request = target->request;
    Objects__V1__Object__PayloadCase payload =
        object == NULL ? OBJECTS__V1__OBJECT__PAYLOAD__NOT_SET : object->payload_case;
    switch (payload) {
    case OBJECTS__V1__OBJECT__PAYLOAD_JSON:
        request->body = slice_text(object->json);
        request->body_type = slice_text("application/json");
        return 0;
    case OBJECTS__V1__OBJECT__PAYLOAD_PROTOBUF:
        request->body = enveloped(target->arena, object->api_version, object->kind,
                                  slice_of(object->protobuf.data, object->protobuf.len));
        request->body_type = slice_text(protobuf_type);
        return 0;
    case OBJECTS__V1__OBJECT__PAYLOAD_ENVELOPE:
        request->body = slice_of(object->envelope.data, object->envelope.len);
        request->body_type = slice_text(protobuf_type);
        return 0;
    case OBJECTS__V1__OBJECT__PAYLOAD__NOT_SET:
    case _OBJECTS__V1__OBJECT__PAYLOAD__CASE_IS_INT_SIZE:
        break;
    }
    target->problem = "object: json, protobuf or envelope is needed";
    return -EINVAL;
}

static int set_patch(struct target *target, const Objects__V1__PatchRequest *patch)
{
    static const char *const types[] = {
        [OBJECTS__V1__PATCH_REQUEST__TYPE__TYPE_UNSPECIFIED] = NULL,
        [OBJECTS__V1__PATCH_REQUEST__TYPE__JSON] = "application/json-patch+json",
        [OBJECTS__V1__PATCH_REQUEST__TYPE__MERGE] = "application/merge-patch+json",
        [OBJECTS__V1__PATCH_REQUEST__TYPE__STRATEGIC_MERGE] =
            "application/strategic-merge-patch+json",
        [OBJECTS__V1__PATCH_REQUEST__TYPE__APPLY] = "application/apply-patch+yaml",
    };
    bool known = patch->type > 0 && (size_t)patch->type < ARRAY_LEN(types);
    if (!known) {
        target->problem = "type: must be JSON, MERGE, STRATEGIC_MERGE or APPLY";
        return -EINVAL;
    }
    target->request->body = slice_text(patch->patch);
    target->request->body_type = slice_text(types[patch->type]);
    return 0;
}

static void set_delete_options(struct target *target, const Objects__V1__DeleteOptions *options)
{
    if (options == NULL) {
        return;
    }
    const struct api_message *schema =
        api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions");
    Meta__V1__DeleteOptions *body = api_message_new(target->arena, schema);
    Meta__V1__Preconditions preconditions;
    meta__v1__preconditions__init(&preconditions);
    if (options->grace_period_case ==
        OBJECTS__V1__DELETE_OPTIONS__GRACE_PERIOD_GRACE_PERIOD_SECONDS) {
        body->has_grace_period_seconds = true;
        body->grace_period_seconds = options->grace_period_seconds;
    }
    if (options->propagation_policy[0] != 0) {
        body->propagation_policy = options->propagation_policy;
    }
    if (options->uid[0] != 0) {
        preconditions.uid = options->uid;
        body->preconditions = &preconditions;
    }
    if (options->resource_version[0] != 0) {
        preconditions.resource_version = options->resource_version;
        body->preconditions = &preconditions;
    }
    CLEANUP(buffer_release) struct buffer raw;
    buffer_init(&raw, ENCODED_OBJECT_MAX);
    api_encode_protobuf(schema, body, &raw);
    target->request->body = enveloped(target->arena, "v1", "DeleteOptions", buffer_slice(&raw));
    target->request->body_type = slice_text(protobuf_type);
    add_text(target, "dryRun", options->dry_run ? "All" : "");
}

/* --- Methods: from the message to the target; 0 or -EINVAL with target->problem --- */

static int read_get(struct target *target, const void *message)
{
    const Objects__V1__GetRequest *get = message;
    target->resource = get->resource;
    target->name = get->name;
    target->subresource = get->subresource;
    target->format = get->format;
    add_versions(target, get->resource_version, "");
    return 0;
}

static int read_list(struct target *target, const void *message)
{
    const Objects__V1__ListRequest *list = message;
    target->resource = list->resource;
    target->format = list->format;
    add_selectors(target, list->label_selector, list->field_selector);
    add_versions(target, list->resource_version, list->resource_version_match);
    add_number(target, "limit", list->limit);
    add_text(target, "continue", list->continue_token);
    return 0;
}

static int read_watch(struct target *target, const void *message)
{
    const Objects__V1__WatchRequest *watch = message;
    target->resource = watch->resource;
    target->format = watch->format;
    add_text(target, "watch", "true");
    add_selectors(target, watch->label_selector, watch->field_selector);
    add_versions(target, watch->resource_version, watch->resource_version_match);
    if (watch->initial_events_case ==
        OBJECTS__V1__WATCH_REQUEST__INITIAL_EVENTS_SEND_INITIAL_EVENTS) {
        add_text(target, "sendInitialEvents", watch->send_initial_events ? "true" : "false");
    }
    add_true(target, "allowWatchBookmarks", watch->bookmarks);
    add_number(target, "timeoutSeconds", watch->timeout_seconds);
    return 0;
}

static int read_create(struct target *target, const void *message)
{
    const Objects__V1__CreateRequest *create = message;
    target->resource = create->resource;
    target->name = create->name;
    target->subresource = create->subresource;
    target->format = create->format;
    add_write_options(target, create->options);
    return set_object(target, create->object);
}

static int read_update(struct target *target, const void *message)
{
    const Objects__V1__UpdateRequest *update = message;
    target->resource = update->resource;
    target->name = update->name;
    target->subresource = update->subresource;
    target->format = update->format;
    add_write_options(target, update->options);
    return set_object(target, update->object);
}

static int read_patch(struct target *target, const void *message)
{
    const Objects__V1__PatchRequest *patch = message;
    target->resource = patch->resource;
    target->name = patch->name;
    target->subresource = patch->subresource;
    target->format = patch->format;
    add_write_options(target, patch->options);
    add_true(target, "force", patch->force);
    return set_patch(target, patch);
}

static int read_delete(struct target *target, const void *message)
{
    const Objects__V1__DeleteRequest *delete = message;
    target->resource = delete->resource;
    target->name = delete->name;
    target->format = delete->format;
    set_delete_options(target, delete->options);
    return 0;
}

static int read_delete_collection(struct target *target, const void *message)
{
    const Objects__V1__DeleteCollectionRequest *delete = message;
    target->resource = delete->resource;
    target->format = delete->format;
    add_selectors(target, delete->label_selector, delete->field_selector);
    add_number(target, "limit", delete->limit);
    add_text(target, "continue", delete->continue_token);
    set_delete_options(target, delete->options);
    return 0;
}

static const struct method {
    const ProtobufCMessageDescriptor *descriptor;
    const char *http;
    enum request_verb verb;
    bool named;
    int (*read)(struct target *target, const void *message);
} methods[OBJECTS_METHODS] = {
    [OBJECTS_GET] = {&objects__v1__get_request__descriptor, "GET", VERB_GET, true, read_get},
    [OBJECTS_LIST] = {&objects__v1__list_request__descriptor, "GET", VERB_LIST, false, read_list},
    [OBJECTS_WATCH] = {&objects__v1__watch_request__descriptor, "GET", VERB_WATCH, false,
                       read_watch},
    [OBJECTS_CREATE] = {&objects__v1__create_request__descriptor, "POST", VERB_CREATE, false,
                        read_create},
    [OBJECTS_UPDATE] = {&objects__v1__update_request__descriptor, "PUT", VERB_UPDATE, true,
                        read_update},
    [OBJECTS_PATCH] = {&objects__v1__patch_request__descriptor, "PATCH", VERB_PATCH, true,
                       read_patch},
    [OBJECTS_DELETE] = {&objects__v1__delete_request__descriptor, "DELETE", VERB_DELETE, true,
                        read_delete},
    [OBJECTS_DELETE_COLLECTION] = {&objects__v1__delete_collection_request__descriptor, "DELETE",
                                   VERB_DELETE_COLLECTION, false, read_delete_collection},
};

/* --- Together --- */

/* That the path says what the message said: "pods/x" is no name. */
static const char *misread(const struct method *method, const struct target *target)
{
    const Objects__V1__Resource *resource = target->resource;
    const struct request_info *info = &target->request->info;
    bool alike = info->is_resource && strcmp(info->group, resource->group) == 0 &&
                 strcmp(info->version, resource->version) == 0 &&
                 strcmp(info->resource, resource->resource) == 0;
    if (!alike) {
        return "resource: is not the name of a resource";
    }
    if (strcmp(info->name, target->name) != 0 ||
        strcmp(info->subresource, target->subresource) != 0 || info->verb != method->verb) {
        return "name: is not that of an object";
    }
    return NULL;
}

static int parse_target(const struct method *method, struct target *target)
{
    const Objects__V1__Resource *resource = target->resource;
    if (resource == NULL || resource->version[0] == 0 || resource->resource[0] == 0) {
        target->problem = "resource: version and resource are needed";
        return -EINVAL;
    }
    if (target->name[0] == 0 && (method->named || target->subresource[0] != 0)) {
        target->problem = "name: is needed";
        return -EINVAL;
    }
    add_path(target);
    struct slice query = buffer_slice(&target->query);
    if (query.len > 0) {
        query = slice_of(query.data + 1, query.len - 1); /* Without the '?'. */
    }
    if (buffer_error(&target->path) < 0 || buffer_error(&target->query) < 0) {
        target->problem = "the texts of the request are too long";
        return -EINVAL;
    }
    if (request_info_parse(target->arena, method->http, buffer_slice(&target->path), query,
                           &target->request->info) < 0) {
        target->problem = "resource or name: is not a segment of a path";
        return -EINVAL;
    }
    target->request->uri = arena_printf(target->arena, "%s%s", buffer_text(&target->path),
                                        buffer_text(&target->query));
    target->problem = misread(method, target);
    return target->problem == NULL ? 0 : -EINVAL;
}

int objects_request_parse(struct arena *arena, enum objects_method method, struct slice bytes,
                          struct objects_request *ret_request, const char **ret_problem)
{
    struct objects_request request = {.encoding = OBJECTS__V1__ENCODING__ENCODING_UNSPECIFIED};
    struct target target = {.arena = arena, .name = "", .subresource = "", .request = &request};
    const void *message = unpack(arena, methods[method].descriptor, bytes);
    if (message == NULL) {
        *ret_problem = "malformed message";
        return -EINVAL;
    }
    buffer_init(&target.path, OBJECTS_TARGET_MAX);
    buffer_init(&target.query, OBJECTS_TARGET_MAX);
    int status = methods[method].read(&target, message);
    if (status == 0) {
        status = parse_target(&methods[method], &target);
    }
    buffer_release(&target.path);
    buffer_release(&target.query);
    if (status < 0) {
        *ret_problem = target.problem;
        return status;
    }
    if (target.format != NULL) {
        request.encoding = target.format->encoding;
        request.metadata_only = target.format->metadata_only;
    }
    *ret_request = request;
    return 0;
}
