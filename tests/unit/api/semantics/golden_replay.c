/* One recorded case against the library: what each request does. */
#include "tests/unit/api/semantics/golden_replay.h"

#include "k8s/core_v1.pb-c.h"
#include "lib/api/apply.h"
#include "lib/api/defaults.h"
#include "lib/api/object.h"
#include "lib/api/patch.h"
#include "lib/api/status.h"
#include "lib/api/strategy.h"
#include "lib/api/table.h"
#include "lib/api/validate.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATH_PARTS_MAX = 16 };

const char *golden_text(const struct json_value *object, const char *name)
{
    const struct json_value *value = object == NULL ? NULL : json_get_text(object, name);
    return value == NULL || value->type != JSON_STRING ? "" : (const char *)value->text.data;
}

/* --- Requests ----------------------------------------------------------------------------------
 */

static bool kind_is_ours(const struct api_kind *kind)
{
    static const char *const ours[] = {
        "pods",    "services",        "nodes",       "namespaces",          "configmaps",
        "secrets", "serviceaccounts", "events",      "endpoints",           "endpointslices",
        "leases",  "deployments",     "replicasets", "controllerrevisions", NULL};
    for (const char *const *at = ours; *at != NULL; at++) {
        if (strcmp(*at, kind->plural) == 0) {
            return kind->message != NULL;
        }
    }
    return false;
}

static bool parse_path(struct replay *replay, const char *url, struct request *request)
{
    const char *parts[PATH_PARTS_MAX];
    size_t count = 0, at = 0;
    char *copy = arena_text_n(replay->arena, url, strcspn(url, "?")), *save = NULL;
    *request = (struct request){.subresource = "",
                                .namespace_name = "",
                                .object_name = "",
                                .force = strstr(url, "force=true") != NULL,
                                .dry_run = strstr(url, "dryRun=All") != NULL};
    const char *manager = strstr(url, "fieldManager=");
    request->manager = manager == NULL
                           ? ""
                           : arena_text_n(replay->arena, manager + strlen("fieldManager="),
                                          strcspn(manager + strlen("fieldManager="), "&"));
    for (char *part = strtok_r(copy, "/", &save); part != NULL && count < PATH_PARTS_MAX;
         part = strtok_r(NULL, "/", &save)) {
        parts[count++] = part;
    }
    bool core = count > 1 && strcmp(parts[0], "api") == 0;
    if (!core && (count < 3 || strcmp(parts[0], "apis") != 0)) {
        return false;
    }
    const char *group = core ? "" : parts[1], *version = core ? parts[1] : parts[2];
    at = core ? 2 : 3;
    if (count > at + 2 && strcmp(parts[at], "namespaces") == 0 &&
        api_kind_find(group, version, parts[at + 2]) != NULL) {
        request->namespace_name = parts[at + 1];
        at += 2;
    }
    if (at >= count) {
        return false;
    }
    request->kind = api_kind_find(group, version, parts[at]);
    request->object_name = count > at + 1 ? parts[at + 1] : "";
    request->subresource = count > at + 2 ? parts[at + 2] : "";
    return request->kind != NULL && kind_is_ours(request->kind);
}

struct stored *golden_find(struct replay *replay, const struct request *request, const char *name)
{
    for (size_t i = 0; i < replay->stored_count; i++) {
        const Meta__V1__ObjectMeta *meta =
            api_message_meta(replay->stored[i].kind->message, replay->stored[i].message);
        if (strcmp(replay->stored[i].kind->plural, request->kind->plural) == 0 &&
            meta->name != NULL && strcmp(meta->name, name) == 0) {
            return &replay->stored[i];
        }
    }
    return NULL;
}

static const char *value_of_variable(const char *name, size_t len)
{
    if (len == 2 && strncmp(name, "NS", len) == 0) {
        return "ns";
    }
    return len == 3 && strncmp(name, "RUN", len) == 0 ? "a1b2c3d4" : "1";
}

/* ${NS}, ${RUN}, and saved variables, which are resource versions here. */
static char *expand(struct arena *arena, const char *text)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2);
    while (*text != '\0') {
        const char *close = strncmp(text, "${", 2) == 0 ? strchr(text, '}') : NULL;
        if (close == NULL) {
            buffer_append_byte(&out, (uint8_t)*text++);
            continue;
        }
        buffer_append_text(&out, value_of_variable(text + 2, (size_t)(close - text) - 2));
        text = close + 1;
    }
    return arena_text_n(arena, buffer_text(&out), out.len);
}

struct slice golden_print(struct arena *arena, const struct json_value *value)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2);
    json_print(value, /* sorted= */ false, &out);
    return slice_text(arena_text_n(arena, buffer_text(&out), out.len));
}

/* --- What a server does, without one -----------------------------------------------------------
 */

static void *admit(struct replay *replay, const struct request *request, void *message)
{
    Meta__V1__ObjectMeta *meta = api_message_meta(request->kind->message, message);
    if (request->kind->namespaced) {
        meta->namespace_ = arena_text(replay->arena, request->namespace_name);
    }
    return message;
}

/* Admission has named the account of a pod that names none. */
static void validate_new(struct replay *replay, const struct request *request, void *message,
                         struct api_causes *causes)
{
    Core__V1__Pod *pod = strcmp(request->kind->kind, "Pod") == 0 ? message : NULL;
    bool nameless =
        pod != NULL && pod->spec != NULL && *text_or_empty(pod->spec->service_account_name) == '\0';
    char *before = nameless ? pod->spec->service_account_name : NULL;
    if (nameless) {
        pod->spec->service_account_name = arena_text(replay->arena, "default");
    }
    api_validate_create(replay->arena, request->kind, message, causes);
    if (nameless) {
        pod->spec->service_account_name = before;
    }
}

/* Services get an address as soon as they exist. */
static void allocate(struct replay *replay, const struct request *request, void *message)
{
    Core__V1__Service *service = message;
    if (strcmp(request->kind->kind, "Service") == 0 && service->spec->n_cluster_ips == 0 &&
        strcmp(service->spec->type, "ExternalName") != 0) {
        service->spec->cluster_ip = arena_text(replay->arena, "10.96.0.10");
        service->spec->cluster_ips = arena_array(replay->arena, 1, sizeof(char *));
        service->spec->cluster_ips[0] = service->spec->cluster_ip;
        service->spec->n_cluster_ips = 1;
        service->spec->ip_families = arena_array(replay->arena, 1, sizeof(char *));
        service->spec->ip_families[0] = arena_text(replay->arena, "IPv4");
        service->spec->n_ip_families = 1;
    }
}

/* What is written by other means than apply belongs to its manager, too. */
static void *track(struct replay *replay, const struct request *request, const void *before,
                   void *message)
{
    struct api_apply_request update = {.kind = request->kind,
                                       .manager = *request->manager == 0 ? "x" : request->manager,
                                       .subresource = request->subresource,
                                       .now_s = 1893456000};
    if (!request->applied) {
        api_managed_fields_track(replay->arena, &update, before, message);
    }
    return message;
}

static int create(struct replay *replay, const struct request *request, struct slice body,
                  struct outcome *outcome)
{
    void *message = NULL;
    struct error error = {0};
    int result =
        api_decode_json(replay->arena, request->kind->message, body, NULL, &message, &error);
    error_release(&error);
    if (result != 0) {
        return 400;
    }
    (void)admit(replay, request, message);
    api_default_object(replay->arena, request->kind, message);
    api_prepare_create(replay->arena, request->kind, message);
    api_default_object(replay->arena, request->kind, message);
    Meta__V1__ObjectMeta *meta = api_message_meta(request->kind->message, message);
    if ((meta->name == NULL || *meta->name == '\0') && meta->generate_name != NULL) {
        meta->name = arena_printf(replay->arena, "%sabcde", meta->generate_name);
    }
    validate_new(replay, request, message, &outcome->causes);
    if (outcome->causes.count > 0) {
        return 422;
    }
    meta->uid = arena_text(replay->arena, "u-1");
    meta->resource_version = arena_text(replay->arena, "1");
    message = track(replay, request, NULL, message);
    if (replay->stored_count == STORED_MAX) {
        return 500;
    }
    replay->stored[replay->stored_count++] =
        (struct stored){.kind = request->kind, .message = message};
    allocate(replay, request, message);
    outcome->message = message;
    return 201;
}

static int update(struct replay *replay, const struct request *request, struct stored *stored,
                  void *message, struct outcome *outcome)
{
    Meta__V1__ObjectMeta *meta = api_message_meta(request->kind->message, message);
    (void)admit(replay, request, message);
    api_default_object(replay->arena, request->kind, message);
    api_prepare_update(replay->arena, request->kind, stored->message, message,
                       request->subresource);
    if (meta->resource_version == NULL || *meta->resource_version == '\0') {
        meta->resource_version = arena_text(replay->arena, "1");
    }
    api_validate_update(replay->arena, request->kind, stored->message, message,
                        request->subresource, &outcome->causes);
    if (outcome->causes.count > 0) {
        return 422;
    }
    stored->message = track(replay, request, stored->message, message);
    outcome->message = stored->message;
    return 200;
}

static int put(struct replay *replay, const struct request *request, struct slice body,
               struct outcome *outcome)
{
    struct stored *stored = golden_find(replay, request, request->object_name);
    void *message = NULL;
    if (stored == NULL) {
        return 404;
    }
    if (api_decode_json(replay->arena, request->kind->message, body, NULL, &message, NULL) != 0) {
        return 400;
    }
    return update(replay, request, stored, message, outcome);
}

static int patch(struct replay *replay, const struct request *request, const char *type,
                 struct slice body, struct outcome *outcome)
{
    struct stored *stored = golden_find(replay, request, request->object_name);
    const struct api_status *status = NULL;
    struct json_value *patched = NULL;
    void *message = NULL;
    int result = 0;
    if (stored == NULL) {
        return 404;
    }
    const struct api_object object = {stored->kind, stored->message};
    struct api_type_meta meta = api_object_type_meta(&object);
    struct json_value *document =
        api_message_to_json(replay->arena, stored->kind->message, stored->message, &meta);
    if (strstr(type, "json-patch") != NULL) {
        result = api_patch_json(replay->arena, document, body, &patched, &status);
    } else if (strstr(type, "strategic") != NULL) {
        result = api_patch_strategic(replay->arena, stored->kind->message, document, body, &patched,
                                     &status);
    } else {
        result = api_patch_merge(replay->arena, document, body, &patched, &status);
    }
    if (result != 0) {
        return status->code;
    }
    if (api_message_from_json(replay->arena, stored->kind->message, patched, NULL, &message,
                              NULL) != 0) {
        return 422;
    }
    return update(replay, request, stored, message, outcome);
}

/* Server-side apply, with the object made when it is not there. */
static int apply(struct replay *replay, const struct request *request,
                 const struct json_value *body, struct outcome *outcome)
{
    struct stored *stored = golden_find(replay, request, request->object_name);
    const struct api_status *status = NULL;
    struct json_value *live = NULL, *result = NULL;
    void *message = NULL;
    struct api_apply_request apply_request = {.kind = request->kind,
                                              .manager = request->manager,
                                              .subresource = request->subresource,
                                              .now_s = 1893456000,
                                              .force = request->force};
    if (stored != NULL) {
        const struct api_object object = {stored->kind, stored->message};
        struct api_type_meta meta = api_object_type_meta(&object);
        live = api_message_to_json(replay->arena, stored->kind->message, stored->message, &meta);
    }
    if (api_apply(replay->arena, &apply_request, live, body, &result, &status) != 0) {
        for (size_t i = 0; status->code == 409 && i < status->cause_count; i++) {
            api_cause_add(&outcome->causes, status->causes[i].reason, status->causes[i].message,
                          status->causes[i].field);
        }
        return status->code;
    }
    if (stored == NULL) {
        return create(replay, request, golden_print(replay->arena, result), outcome);
    }
    if (api_message_from_json(replay->arena, stored->kind->message, result, NULL, &message, NULL) !=
        0) {
        return 422;
    }
    return update(replay, request, stored, message, outcome);
}

/* --- Steps -------------------------------------------------------------------------------------
 */

static enum golden_result read_step(struct replay *replay, const struct request *request,
                                    const struct json_value *step)
{
    const struct json_value *expect = json_get_text(step, "expect");
    struct json_value *body = json_get_text(expect, "body");
    if (body == NULL || strcmp(golden_text(step, "compare"), "status") == 0) {
        return GOLDEN_PASSED;
    }
    if (strcmp(golden_text(body, "kind"), "Table") == 0) {
        return golden_table_matches(replay, request, body) ? GOLDEN_PASSED : GOLDEN_FAILED;
    }
    struct stored *stored = golden_find(replay, request, request->object_name);
    if (stored == NULL || !golden_status_is(expect, 200) ||
        strcmp(golden_text(body, "kind"), request->kind->kind) != 0) {
        return GOLDEN_PASSED; /* Lists and the like are the server's. */
    }
    return golden_object_matches(replay, request, step, NULL, stored->message) ? GOLDEN_PASSED
                                                                               : GOLDEN_FAILED;
}

static enum golden_result run_step(struct replay *replay, const struct json_value *step)
{
    struct request request;
    const char *method = golden_text(step, "method");
    const struct json_value *expect = json_get_text(step, "expect");
    const struct json_value *body = json_get_text(step, "body");
    const struct json_value *raw = json_get_text(step, "raw");
    struct outcome outcome = {.status = 0};
    if (*golden_text(step, "type") != '\0' || expect == NULL ||
        !parse_path(replay, golden_text(step, "path"), &request) ||
        json_get_text(step, "bodyFill") != NULL || json_get_text(step, "base64") != NULL) {
        return GOLDEN_OTHER;
    }
    if (strcmp(method, "GET") == 0) {
        return read_step(replay, &request, step);
    }
    if (*request.subresource != '\0' && strcmp(request.subresource, "status") != 0) {
        return GOLDEN_OTHER;
    }
    struct slice bytes = raw != NULL && raw->type == JSON_STRING ? raw->text
                         : body == NULL                          ? slice_text("")
                                        : golden_print(replay->arena, body);
    api_causes_init(&outcome.causes, replay->arena);
    if (strcmp(method, "POST") == 0) {
        outcome.status = create(replay, &request, bytes, &outcome);
    } else if (strcmp(method, "PUT") == 0) {
        outcome.status = put(replay, &request, bytes, &outcome);
    } else if (strcmp(method, "PATCH") == 0 && body != NULL && *request.manager != '\0' &&
               strstr(golden_text(step, "contentType"), "apply") != NULL && !request.dry_run) {
        request.applied = true;
        outcome.status = apply(replay, &request, body, &outcome);
    } else if (strcmp(method, "PATCH") == 0 &&
               strstr(golden_text(step, "contentType"), "apply") == NULL) {
        outcome.status = patch(replay, &request, golden_text(step, "contentType"), bytes, &outcome);
    } else {
        return GOLDEN_OTHER;
    }
    if (!golden_status_is(expect, outcome.status)) {
        replay->why = arena_printf(replay->arena, "%s %s gives %d %s %s", method,
                                   golden_text(step, "path"), outcome.status,
                                   outcome.causes.count > 0 ? outcome.causes.items[0].field : "",
                                   outcome.causes.count > 0 ? outcome.causes.items[0].message : "");
        return GOLDEN_FAILED;
    }
    const struct json_value *expected = json_get_text(expect, "body");
    if (outcome.message == NULL) {
        return golden_causes_match(replay, expected, &outcome.causes) ? GOLDEN_PASSED
                                                                      : GOLDEN_FAILED;
    }
    if (expected != NULL && strcmp(golden_text(expected, "kind"), "Table") == 0) {
        return golden_table_matches(replay, &request, expected) ? GOLDEN_PASSED : GOLDEN_FAILED;
    }
    return golden_object_matches(replay, &request, step, body, outcome.message) ? GOLDEN_PASSED
                                                                                : GOLDEN_FAILED;
}

static char *read_file(struct arena *arena, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    (void)fseek(file, 0, SEEK_END);
    long size = ftell(file);
    (void)fseek(file, 0, SEEK_SET);
    char *text = arena_zeroed(arena, (size_t)size + 1);
    size_t got = fread(text, 1, (size_t)size, file);
    (void)fclose(file);
    return got == (size_t)size ? text : NULL;
}

enum golden_result golden_replay(const char *name, const char *path)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct replay *replay = arena_zeroed(arena, sizeof(*replay));
    struct json_value *test = NULL;
    const char *text = read_file(arena, path);
    replay->arena = arena;
    replay->name = name;
    if (text == NULL || json_parse(arena, slice_text(expand(arena, text)), &test, NULL) != 0) {
        printf("  %s: cannot be read\n", name);
        return GOLDEN_FAILED;
    }
    const struct json_value *steps = json_get_text(test, "steps");
    for (size_t i = 0; i < steps->count; i++) {
        enum golden_result result = run_step(replay, steps->items[i]);
        if (result == GOLDEN_FAILED) {
            printf("  %s step %zu: %s\n", name, i, replay->why);
        }
        if (result != GOLDEN_PASSED) {
            return result;
        }
    }
    return GOLDEN_PASSED;
}
