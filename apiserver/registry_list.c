/* Lists: what is listed, of the newest state or of one of the past, page by page; and
 * deletecollection on top of them. Which state it is to be: registry_read.c. */
#include "apiserver/object_list.h"
#include "apiserver/operation.h"
#include "lib/api/custom.h"
#include "lib/base/base64.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == 0;
}

/* --- Pages --- */

/* What comes after the prefix of the list in the keys: "ns/name" over all namespaces, else "name".
 */
static const char *key_in_list(struct operation *operation, const char *namespace, const char *name)
{
    return namespace[0] == 0 || operation_namespace(operation)[0] != 0
               ? name
               : arena_printf(operation->arena, "%s/%s", namespace, name);
}

/* For what comes after `last`, a key in the list. */
static const char *encode_continue(struct operation *operation, const char *last)
{
    CLEANUP(buffer_release) struct buffer json;
    CLEANUP(buffer_release) struct buffer token;
    buffer_init(&json, 4096);
    buffer_init(&token, 8192);
    buffer_printf(&json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%llu,\"start\":",
                  (unsigned long long)operation->call->list_revision);
    json_print_string(slice_text(last), &json);
    json.len--; /* Before the closing quote: the key after this one. */
    buffer_append_text(&json, "\\u0000\"}");
    base64url_encode(buffer_slice(&json), &token);
    return arena_text(operation->arena, buffer_text(&token));
}

struct continue_point {
    int64_t revision;
    struct slice start; /* After the list's prefix. */
};

static const struct api_status *bad_token(struct operation *operation, const char *why)
{
    return api_status_bad_request(operation->arena,
                                  "invalid continue token: continue key is not valid: %s", why);
}

/* What a client may go on with, at the newest state, whose first pages are of a state that is gone.
 */
static const struct api_status *expired_page(struct operation *operation, struct slice start)
{
    CLEANUP(buffer_release) struct buffer json;
    CLEANUP(buffer_release) struct buffer token;
    buffer_init(&json, 8192);
    buffer_init(&token, 8192);
    buffer_append_text(&json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":-1,\"start\":");
    json_print_string(start, &json);
    buffer_append_byte(&json, '}');
    base64url_encode(buffer_slice(&json), &token);
    struct api_status *status = arena_alloc(operation->arena, sizeof(*status));
    *status = *api_status_expired(operation->arena, NULL);
    status->continue_token = arena_text(operation->arena, buffer_text(&token));
    return status;
}

/* Zero is what clients say that do not care. */
static bool version_is_given(const struct registry_options *options)
{
    return !is_empty(options->resource_version) && strcmp(options->resource_version, "0") != 0;
}

/* That it names nothing outside of its list: no "..", nor anything else that is left out of a path
 * when that is made short. v1.32 takes a slash before it for none. */
static bool is_clean_path(struct slice path)
{
    size_t start = path.data[0] == '/' ? 1 : 0;
    for (size_t end = start; end <= path.len; end++) {
        if (end < path.len && path.data[end] != '/') {
            continue;
        }
        struct slice part = slice_of(path.data + start, end - start);
        if (part.len == 0 || slice_is(part, ".") || slice_is(part, "..")) {
            return false;
        }
        start = end + 1;
    }
    return true;
}

static const struct api_status *decode_continue(struct operation *operation,
                                                struct continue_point *ret_point)
{
    CLEANUP(buffer_release) struct buffer json;
    buffer_init(&json, 8192);
    CLEANUP(error_release) struct error error = {0};
    struct json_value *token = NULL;
    if (version_is_given(&operation->call->options)) {
        return api_status_bad_request(
            operation->arena, "specifying resource version is not allowed when using continue");
    }
    size_t position = 0;
    if (base64url_decode_loosely(slice_text(operation->call->options.continue_token), &json,
                                 &position) < 0) {
        return bad_token(
            operation,
            arena_printf(operation->arena, "illegal base64 data at input byte %zu", position));
    }
    if (json_parse(operation->arena, buffer_slice(&json), &token, &error) < 0) {
        return bad_token(operation, error_message(&error));
    }
    const struct json_value *version = json_get_text(token, "v");
    const struct json_value *revision = json_get_text(token, "rv");
    const struct json_value *start = json_get_text(token, "start");
    if (version == NULL || version->type != JSON_STRING ||
        !slice_is(version->text, "meta.k8s.io/v1")) {
        return bad_token(operation,
                         arena_printf(operation->arena,
                                      "server does not recognize this encoded version %s",
                                      version == NULL || version->type != JSON_STRING
                                          ? ""
                                          : (const char *)version->text.data));
    }
    int64_t number = 0;
    if (revision == NULL || json_int64(revision, &number) < 0 || number == 0) {
        return bad_token(operation,
                         "incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
    }
    if (start == NULL || start->type != JSON_STRING || start->text.len == 0) {
        return bad_token(operation, "encoded start key empty (version meta.k8s.io/v1)");
    }
    if (!is_clean_path(start->text)) {
        return bad_token(operation, (const char *)start->text.data);
    }
    size_t slash = start->text.data[0] == '/' ? 1 : 0;
    *ret_point = (struct continue_point){
        .revision = number, .start = slice_of(start->text.data + slash, start->text.len - slash)};
    return NULL;
}

/* --- What is listed --- */

static int list_options(struct operation *operation, struct object_list_options *ret_options)
{
    const struct registry_call *call = operation->call;
    const struct api_status *refusal = NULL;
    struct registry_filter *filter = NULL;
    if (registry_filter_new(operation->arena, operation_form(operation),
                            operation_namespace(operation), operation_name(operation),
                            &call->options, &filter, &refusal) < 0) {
        operation_fail(operation, refusal);
        return -EINVAL;
    }
    bool any_version = call->options.resource_version != NULL &&
                       strcmp(call->options.resource_version, "0") == 0 &&
                       is_empty(call->options.continue_token);
    bool limited = call->options.limit > 0 && !any_version;
    *ret_options = (struct object_list_options){
        .arena = operation->arena,
        .kind = call->kind,
        .filter = filter,
        .limit = limited ? (size_t)call->options.limit : SIZE_MAX,
    };
    return 0;
}

/* How many objects may be shown: of these the webhook is asked, where one converts them. */
static size_t count_needed(const struct object_list_options *options)
{
    return registry_filter_selects(options->filter) ? SIZE_MAX : options->limit;
}

static void delete_next(struct operation *operation);

static void finish_list(struct operation *operation)
{
    struct registry_call *call = operation->call;
    const char *problem = NULL, *namespace = NULL, *name = NULL;
    if (object_list_survey(call->list, &problem) < 0) {
        operation_fail(operation, operation_problem(operation, problem));
        return;
    }
    call->item_count = object_list_count(call->list);
    if (object_list_is_cut(call->list, &namespace, &name)) {
        bool counted =
            is_empty(call->options.label_selector) && is_empty(call->options.field_selector);
        call->list_continue = encode_continue(operation, key_in_list(operation, namespace, name));
        call->list_remaining = counted ? (int64_t)object_list_beyond(call->list) : -1;
    }
    if (call->verb == REGISTRY_DELETE_COLLECTION) {
        operation->doomed = object_list_walk(call->list);
        delete_next(operation);
    } else {
        operation_finish(operation);
    }
}

/* --- The newest state --- */

/* Comes back for the next objects when the webhook has converted some. */
static void list_converted(struct operation *operation)
{
    const struct cached_object *some[LIST_CONVERTED_TOGETHER];
    size_t count = 0;
    do {
        const struct cached_object *object = NULL;
        for (count = 0; count < ARRAY_LEN(some) && operation->unconverted > 0 &&
                        (object = cache_walk_next(operation->to_convert)) != NULL;
             count++) {
            some[count] = object;
            operation->unconverted--;
        }
    } while (count > 0 && operation_versions(operation, some, count, list_converted));
    if (count == 0) {
        finish_list(operation);
    }
}

void operation_list_newest(struct operation *operation)
{
    struct object_list_options options;
    if (list_options(operation, &options) < 0) {
        return;
    }
    struct registry_call *call = operation->call;
    const char *namespace = operation_namespace(operation);
    call->view = watch_cache_view(operation->registry->config.cache, call->kind);
    call->list_revision = cache_view_revision(call->view);
    call->list = object_list_of_view(&options, call->view, namespace);
    if (custom_converter(call->kind) == NULL) {
        finish_list(operation);
        return;
    }
    operation->unconverted = count_needed(&options);
    operation->to_convert = arena_alloc(operation->arena, sizeof(*operation->to_convert));
    cache_walk_open(operation->to_convert, call->view, namespace);
    list_converted(operation);
}

/* --- A state of the past, from the store's history --- */

/* Objects of the past are held until the webhook has converted them: each is made of what is
 * stored, and a version stays with the one that it was made for. */
static void past_converted(struct operation *operation)
{
    if (operation_versions(operation, operation->candidates, operation->candidate_count,
                           past_converted)) {
        finish_list(operation);
    }
}

static void list_past_converted(struct operation *operation,
                                const struct object_list_options *options,
                                const struct object_past *past)
{
    struct store_range_result result = {0};
    struct store_range range = {.key = past->start, .end = past->end, .revision = past->revision};
    int status = store_snapshot_range(past->snapshot, &range, &result);
    assert(status == 0); /* It was looked at just now. */
    (void)status;
    const struct cached_object **objects =
        arena_array(operation->arena, result.kv_count + 1, sizeof(struct cached_object *));
    for (size_t i = 0; i < result.kv_count; i++) {
        objects[i] = cached_object_new(options->kind, result.kvs[i],
                                       (uint64_t)result.kvs[i]->mod_revision, past->encryption,
                                       /* shelf= */ NULL);
    }
    size_t needed = count_needed(options);
    object_list_free(operation->call->list);
    operation->call->list = object_list_of(options, objects, result.kv_count);
    operation->candidates = objects;
    operation->candidate_count = needed < result.kv_count ? needed : result.kv_count;
    store_range_result_release(&result);
    past_converted(operation);
}

static void refuse_past(struct operation *operation, int status, const struct continue_point *point)
{
    if (status != STORE_COMPACTED) {
        operation_fail(operation, api_status_version_too_large(
                                      operation->arena, (uint64_t)point->revision,
                                      (uint64_t)store_snapshot_revision(operation->snapshot)));
    } else if (is_empty(operation->call->options.continue_token)) {
        operation_fail(operation,
                       api_status_expired(operation->arena,
                                          "The resourceVersion for the provided list is too old."));
    } else {
        operation_fail(operation, expired_page(operation, point->start));
    }
}

/* Where the token, or the revision that was asked for, has it begin. */
static const struct api_status *find_point(struct operation *operation,
                                           struct continue_point *ret_point)
{
    const struct registry_options *options = &operation->call->options;
    if (!is_empty(options->continue_token)) {
        return decode_continue(operation, ret_point);
    }
    *ret_point =
        (struct continue_point){.revision = (int64_t)strtoull(options->resource_version, NULL, 10)};
    return NULL;
}

static struct object_past past_of(struct operation *operation, const struct continue_point *point)
{
    const char *namespace = operation_namespace(operation);
    char *end = arena_printf(operation->arena, "%s%s%s", operation->call->kind->storage_prefix,
                             namespace, namespace[0] == 0 ? "" : "/");
    struct slice prefix = slice_text(arena_text(operation->arena, end));
    end[prefix.len - 1]++; /* '/' to '0': after all that begins with the prefix. */
    uint8_t *start = arena_alloc(operation->arena, prefix.len + point->start.len);
    memcpy(start, prefix.data, prefix.len);
    if (point->start.len > 0) {
        memcpy(start + prefix.len, point->start.data, point->start.len);
    }
    return (struct object_past){.snapshot = operation->snapshot,
                                .revision = point->revision < 0 ? 0 : point->revision,
                                .start = slice_of(start, prefix.len + point->start.len),
                                .end = slice_text(end),
                                .encryption = operation->registry->config.encryption};
}

static void read_past(struct operation *operation)
{
    struct registry_call *call = operation->call;
    struct object_list_options options;
    struct continue_point point = {0};
    if (list_options(operation, &options) < 0) {
        return;
    }
    const struct api_status *refusal = find_point(operation, &point);
    if (refusal != NULL) {
        operation_fail(operation, refusal);
        return;
    }
    struct object_past past = past_of(operation, &point);
    int status = object_list_of_past(&options, &past, &call->list);
    if (status < 0) {
        refuse_past(operation, status, &point);
        return;
    }
    call->list_revision = point.revision > 0
                              ? (uint64_t)point.revision
                              : (uint64_t)store_snapshot_revision(operation->snapshot);
    if (custom_converter(call->kind) == NULL) {
        finish_list(operation);
    } else {
        list_past_converted(operation, &options, &past);
    }
}

/* The barrier has passed on the store loop; the snapshot must be taken there. */
void operation_list_past(struct operation *operation)
{
    if (operation->snapshot == NULL) {
        operation_snapshot(operation, read_past);
        return;
    }
    read_past(operation);
}

/* --- deletecollection: a list, then one deletion after the other --- */

static void child_done(struct registry_call *child)
{
    struct operation *operation = child->data;
    operation->hopped = true;
    bool gone = child->status != NULL && child->status->code == 404;
    if (child->status != NULL && !gone) {
        const struct api_status *status = child->status;
        registry_finish(child);
        operation_fail(operation, status);
        return;
    }
    registry_finish(child);
    delete_next(operation);
}

static void delete_next(struct operation *operation)
{
    struct registry_call *call = operation->call;
    const struct cached_object *object = object_walk_next(operation->doomed);
    if (object == NULL) {
        operation_finish(operation);
        return;
    }
    struct registry_call *child = arena_zeroed(operation->arena, sizeof(*child));
    *child = (struct registry_call){.verb = REGISTRY_DELETE,
                                    .kind = call->kind,
                                    .namespace = cached_object_namespace(object),
                                    .name = cached_object_name(object),
                                    .user = call->user,
                                    .arena = call->arena,
                                    .home = call->home,
                                    .options = call->options,
                                    .done = child_done,
                                    .data = operation};
    registry_start(operation->registry, child);
}
