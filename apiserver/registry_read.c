/* Get and list: which revision may answer, selection, paging; and deletecollection on top of them.
 */
#include "apiserver/operation.h"
#include "lib/api/custom.h"
#include "lib/base/base64.h"
#include <errno.h>
#include <stdlib.h>

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == 0;
}

/* --- Which revision --- */

/* 0 or a Status: "" and absent are 0. */
static const struct api_status *parse_version(struct operation *operation, uint64_t *ret_version)
{
    const char *text = operation->call->options.resource_version;
    *ret_version = 0;
    if (is_empty(text)) {
        return NULL;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != 0 || text[0] < '0' || text[0] > '9') {
        return api_status_new(operation->arena, 500, "",
                              arena_printf(operation->arena,
                                           "resourceVersion: Invalid value: \"%s\": "
                                           "strconv.ParseUint: parsing \"%s\": invalid syntax",
                                           text, text),
                              NULL, "");
    }
    *ret_version = value;
    return NULL;
}

/* A scale that is not there goes by a name of its own, as it does in v1.32. */
static const struct api_status *get_missing(struct operation *operation)
{
    struct api_kind kind = *operation->call->kind;
    struct arena *arena = operation->arena;
    const char *subresource = operation->call->subresource;
    if (subresource != NULL && strcmp(subresource, "scale") == 0) {
        kind.plural = arena_printf(arena, "%s/scale", kind.plural);
        kind.resource =
            *kind.group == 0 ? kind.plural : arena_printf(arena, "%s.%s", kind.plural, kind.group);
    }
    return api_status_not_found(arena, &kind, operation_name(operation));
}

/* `problem` is NULL when it could be read just now, but not before. */
static const struct api_status *unreadable(struct operation *operation, const char *problem)
{
    return api_status_internal(operation->arena, "%s", problem == NULL ? "unreadable" : problem);
}

static void read_get(struct operation *operation)
{
    struct registry_call *call = operation->call;
    const struct cached_object *object = operation_lookup(
        operation, call->kind, operation_namespace(operation), operation_name(operation));
    if (object == NULL) {
        operation_fail(operation, get_missing(operation));
        return;
    }
    if (!operation_versions(operation, &object, 1, read_get)) {
        return;
    }
    object = operation_version(operation, object);
    call->object = object;
    call->result_kind = cached_object_kind(object);
    bool alone = call->object_alone && call->result_kind == call->kind;
    const void *message = alone ? NULL : cached_object_message(object);
    const char *problem = cached_object_problem(object, operation->arena);
    if (problem != NULL || (!alone && message == NULL)) {
        operation_fail(operation, unreadable(operation, problem));
        return;
    }
    call->result = message;
    operation_finish(operation);
}

/* --- List --- */

struct listing {
    struct operation *operation;
    struct registry_filter *filter;
    const struct cached_object **items;
    size_t count, capacity;
    size_t limit;   /* SIZE_MAX for none. */
    int64_t beyond; /* Matching keys after the limit. */
    bool more;
    bool gathers;                     /* Everything, to be converted before it is looked at. */
    const struct api_status *problem; /* Why one of the items cannot be read; NULL: all can. */
};

static void keep_item(struct listing *listing, const struct cached_object *object)
{
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity == 0 ? 64 : listing->capacity * 2;
        const struct cached_object **grown =
            arena_array(listing->operation->arena, capacity, sizeof(struct cached_object *));
        if (listing->count > 0) {
            memcpy(grown, listing->items, listing->count * sizeof(struct cached_object *));
        }
        listing->items = grown;
        listing->capacity = capacity;
    }
    listing->items[listing->count++] = object;
    if (listing->gathers) {
        return;
    }
    const char *problem = cached_object_problem(object, listing->operation->arena);
    if (problem != NULL && listing->problem == NULL) {
        listing->problem = unreadable(listing->operation, problem);
    }
}

static bool list_one(void *data, const struct cached_object *object)
{
    struct listing *listing = data;
    if (listing->gathers) {
        keep_item(listing, object);
        return true;
    }
    int match = registry_filter_match(listing->filter, object);
    if (match < 0) {
        const char *problem = cached_object_problem(object, listing->operation->arena);
        listing->problem = unreadable(listing->operation, problem);
        return false;
    }
    if (match == 0) {
        return true;
    }
    if (listing->count == listing->limit) {
        listing->more = true;
        listing->beyond++;
        return !registry_filter_selects(listing->filter);
    }
    keep_item(listing, object);
    return true;
}

static bool list_stored(void *data, const struct store_kv *kv)
{
    struct listing *listing = data;
    const struct api_kind *kind = listing->operation->call->kind;
    struct cached_object *object =
        cached_object_new(kind, kv, (uint64_t)kv->mod_revision,
                          listing->operation->registry->config.encryption, /* shelf= */ NULL);
    size_t before = listing->count;
    bool go_on = list_one(listing, object);
    if (listing->count == before) {
        cached_object_unref(object);
    }
    return go_on;
}

/* What comes after the prefix of the list in the keys: "ns/name" over all namespaces, else "name".
 */
static const char *key_in_list(struct operation *operation, const struct cached_object *object)
{
    const char *namespace = cached_object_namespace(object);
    if (namespace[0] == 0 || operation_namespace(operation)[0] != 0) {
        return cached_object_name(object);
    }
    return arena_printf(operation->arena, "%s/%s", namespace, cached_object_name(object));
}

static const char *encode_continue(struct operation *operation, uint64_t revision,
                                   const struct cached_object *last)
{
    CLEANUP(buffer_release) struct buffer json;
    CLEANUP(buffer_release) struct buffer token;
    buffer_init(&json, 4096);
    buffer_init(&token, 8192);
    buffer_printf(&json,
                  "{\"v\":\"meta.k8s.io/v1\",\"rv\":%llu,\"start\":", (unsigned long long)revision);
    json_print_string(slice_text(key_in_list(operation, last)), &json);
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

static const struct api_status *decode_continue(struct operation *operation,
                                                struct continue_point *ret_point)
{
    CLEANUP(buffer_release) struct buffer json;
    buffer_init(&json, 8192);
    CLEANUP(error_release) struct error error = {0};
    struct json_value *token = NULL;
    if (base64url_decode(slice_text(operation->call->options.continue_token), &json) < 0) {
        return bad_token(operation, "illegal base64 data");
    }
    if (json_parse(operation->arena, buffer_slice(&json), &token, &error) < 0) {
        return bad_token(operation, error_message(&error));
    }
    const struct json_value *version = json_get_text(token, "v");
    const struct json_value *revision = json_get_text(token, "rv");
    const struct json_value *start = json_get_text(token, "start");
    if (version == NULL || version->type != JSON_STRING ||
        !slice_is(version->text, "meta.k8s.io/v1")) {
        return bad_token(operation, "server does not recognize this encoded version");
    }
    int64_t number = 0;
    if (revision == NULL || json_int64(revision, &number) < 0 || number == 0) {
        return bad_token(operation, "incorrect encoded start resourceVersion");
    }
    if (start == NULL || start->type != JSON_STRING || start->text.len == 0) {
        return bad_token(operation, "encoded start key empty (version meta.k8s.io/v1)");
    }
    if (start->text.data[0] == '/' || memmem(start->text.data, start->text.len, "..", 2) != NULL) {
        return bad_token(operation, "encoded start key is not a key of this list");
    }
    *ret_point = (struct continue_point){.revision = number, .start = start->text};
    return NULL;
}

static void finish_list(struct operation *operation, struct listing *listing)
{
    struct registry_call *call = operation->call;
    call->items = listing->items;
    call->item_count = listing->count;
    if (listing->problem != NULL) {
        operation_fail(operation, listing->problem);
        return;
    }
    call->list_remaining = -1;
    if (listing->more) {
        call->list_continue =
            encode_continue(operation, call->list_revision, listing->items[listing->count - 1]);
        if (!registry_filter_selects(listing->filter)) {
            call->list_remaining = listing->beyond;
        }
    }
    operation_finish(operation);
}

static void list_converted(struct operation *operation);
static void delete_next(struct operation *operation);

/* All of it was walked. */
static void end_walk(struct operation *operation, struct listing *listing)
{
    struct registry_call *call = operation->call;
    if (listing->gathers) {
        bool all = registry_filter_selects(listing->filter) || listing->limit > listing->count;
        operation->candidates = listing->items;
        operation->candidate_count = listing->count;
        operation->candidates_needed = all ? listing->count : listing->limit;
        list_converted(operation);
    } else if (call->verb == REGISTRY_DELETE_COLLECTION && listing->problem == NULL) {
        call->items = listing->items;
        call->item_count = listing->count;
        delete_next(operation);
    } else {
        finish_list(operation, listing);
    }
}

static int start_listing(struct operation *operation, struct listing *ret_listing)
{
    struct registry_call *call = operation->call;
    *ret_listing = (struct listing){.operation = operation, .limit = SIZE_MAX};
    bool any_version = call->options.resource_version != NULL &&
                       strcmp(call->options.resource_version, "0") == 0 &&
                       is_empty(call->options.continue_token);
    if (call->options.limit > 0 && !any_version) {
        ret_listing->limit = (size_t)call->options.limit;
    }
    const struct api_status *refusal = NULL;
    if (registry_filter_new(operation->arena, call->kind, operation_namespace(operation),
                            operation_name(operation), &call->options, &ret_listing->filter,
                            &refusal) < 0) {
        operation_fail(operation, refusal);
        return -EINVAL;
    }
    ret_listing->gathers = custom_converter(call->kind) != NULL;
    return 0;
}

/* What was gathered, as the version that the client speaks of. */
static void list_converted(struct operation *operation)
{
    struct listing listing;
    const struct cached_object **candidates = operation->candidates;
    size_t needed = operation->candidates_needed;
    if (!operation_versions(operation, candidates, needed, list_converted) ||
        start_listing(operation, &listing) < 0) {
        return;
    }
    listing.gathers = false;
    for (size_t i = 0; i < operation->candidate_count; i++) {
        const struct cached_object *object =
            i < needed ? operation_version(operation, candidates[i]) : candidates[i];
        if (!list_one(&listing, object)) {
            break;
        }
    }
    end_walk(operation, &listing);
}

/* The newest state, or one that is new enough. */
static void read_list(struct operation *operation)
{
    struct listing listing;
    if (start_listing(operation, &listing) < 0) {
        return;
    }
    struct registry_call *call = operation->call;
    call->view = watch_cache_view(operation->registry->config.cache, call->kind);
    call->list_revision = cache_view_revision(call->view);
    cache_view_each(call->view, operation_namespace(operation), slice_text(""), list_one, &listing);
    end_walk(operation, &listing);
}

/* A state of the past, from the store's history. */
static void read_past(struct operation *operation)
{
    struct listing listing;
    struct registry_call *call = operation->call;
    if (start_listing(operation, &listing) < 0) {
        return;
    }
    const char *prefix = arena_printf(operation->arena, "%s%s%s", call->kind->storage_prefix,
                                      operation_namespace(operation),
                                      operation_namespace(operation)[0] == 0 ? "" : "/");
    struct slice start = slice_text(prefix);
    struct continue_point point = {0};
    if (!is_empty(call->options.continue_token)) {
        const struct api_status *refusal = decode_continue(operation, &point);
        if (refusal != NULL) {
            operation_fail(operation, refusal);
            return;
        }
        if (point.start.len > 0) {
            uint8_t *key = arena_alloc(operation->arena, start.len + point.start.len);
            memcpy(key, start.data, start.len);
            memcpy(key + start.len, point.start.data, point.start.len);
            start = slice_of(key, start.len + point.start.len);
        }
    } else {
        point.revision = (int64_t)strtoull(call->options.resource_version, NULL, 10);
    }
    char *end = arena_text(operation->arena, prefix);
    end[strlen(end) - 1]++; /* '/' to '0': after all that begins with the prefix. */
    struct store_range range = {
        .key = start, .end = slice_text(end), .revision = point.revision < 0 ? 0 : point.revision};
    struct store_range_result result = {0};
    int status = store_snapshot_range(operation->snapshot, &range, &result);
    if (status == STORE_COMPACTED) {
        operation_fail(operation, is_empty(call->options.continue_token)
                                      ? api_status_expired(
                                            operation->arena,
                                            "The resourceVersion for the provided list is too old.")
                                      : expired_page(operation, point.start));
        return;
    }
    if (status < 0) {
        operation_fail(operation, api_status_version_too_large(
                                      operation->arena, (uint64_t)point.revision,
                                      (uint64_t)store_snapshot_revision(operation->snapshot)));
        return;
    }
    call->list_revision = point.revision > 0
                              ? (uint64_t)point.revision
                              : (uint64_t)store_snapshot_revision(operation->snapshot);
    operation->own_items = true;
    for (size_t i = 0; i < result.kv_count; i++) {
        if (!list_stored(&listing, result.kvs[i])) {
            break;
        }
    }
    store_range_result_release(&result);
    end_walk(operation, &listing);
}

/* The barrier has passed on the store loop; the snapshot must be taken there. */
static void past_home(struct operation *operation)
{
    if (operation->snapshot == NULL) {
        operation_snapshot(operation, read_past);
        return;
    }
    read_past(operation);
}

static const struct api_status *check_list_options(struct operation *operation)
{
    const struct registry_options *options = &operation->call->options;
    struct api_causes causes;
    api_causes_init(&causes, operation->arena);
    struct api_path path = api_path_field(NULL, "resourceVersionMatch");
    const char *match = options->resource_version_match;
    if (is_empty(match)) {
        return NULL;
    }
    if (!is_empty(options->continue_token)) {
        api_cause_forbidden(&causes, &path,
                            "resourceVersionMatch is forbidden when continue is provided");
    }
    if (is_empty(options->resource_version)) {
        api_cause_forbidden(&causes, &path,
                            "resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    static const char *const values[] = {"Exact", "NotOlderThan", "", NULL};
    if (strcmp(match, "Exact") != 0 && strcmp(match, "NotOlderThan") != 0) {
        api_cause_not_supported(&causes, &path, api_shown_text(match), values);
    } else if (strcmp(match, "Exact") == 0 && options->resource_version != NULL &&
               strcmp(options->resource_version, "0") == 0) {
        api_cause_forbidden(
            &causes, &path,
            "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
    return causes.count == 0 ? NULL
                             : api_status_invalid_options(operation->arena, "ListOptions", &causes);
}

void operation_start_read(struct operation *operation)
{
    struct registry_call *call = operation->call;
    bool list = call->verb == REGISTRY_LIST;
    uint64_t version = 0;
    const struct api_status *refusal = list ? check_list_options(operation) : NULL;
    refusal = refusal != NULL ? refusal : parse_version(operation, &version);
    if (refusal != NULL) {
        operation_fail(operation, refusal);
        return;
    }
    const struct registry_options *options = &call->options;
    bool exact = !is_empty(options->resource_version_match) &&
                 strcmp(options->resource_version_match, "Exact") == 0;
    if (list && (!is_empty(options->continue_token) || exact)) {
        operation_barrier(operation, 0, past_home);
        return;
    }
    void (*read)(struct operation * operation) = list ? read_list : read_get;
    bool any_version = options->cached || (!is_empty(options->resource_version) && version == 0);
    uint64_t seen = watch_cache_revision(operation->registry->config.cache);
    if (any_version || (version > 0 && version <= seen)) {
        read(operation);
        return;
    }
    operation_barrier(operation, version, read);
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
    operation->child_index++;
    delete_next(operation);
}

static void delete_next(struct operation *operation)
{
    struct registry_call *call = operation->call;
    if (operation->child_index == call->item_count) {
        operation_finish(operation);
        return;
    }
    const struct cached_object *object = call->items[operation->child_index];
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

static void collection_listed(struct operation *operation)
{
    struct listing listing;
    if (start_listing(operation, &listing) < 0) {
        return;
    }
    struct registry_call *call = operation->call;
    call->view = watch_cache_view(operation->registry->config.cache, call->kind);
    call->list_revision = cache_view_revision(call->view);
    cache_view_each(call->view, operation_namespace(operation), slice_text(""), list_one, &listing);
    end_walk(operation, &listing);
}

void operation_start_delete_collection(struct operation *operation)
{
    operation_barrier(operation, 0, collection_listed);
}
