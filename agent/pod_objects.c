/* Config maps, secrets and tokens that pods refer to: asked for by name, kept by the pod. */
#include "agent/pod_manager_internal.h"

#include "agent/limits.h"
#include "k8s/authentication_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

/* A token is renewed at this share of its life, and after a day at the latest. */
#define TOKEN_REFRESH_PERCENT 80
#define TOKEN_REFRESH_MS_MAX  (24 * 3600 * 1000)

/* One question under way. */
struct fetch {
    struct pod_op *op;
    char *resource;
    char *name;
    char *volume;
    size_t source;
    bool optional;
};

static struct pod_object *find_object(struct pod_entry *entry, const char *resource,
                                      const char *name)
{
    LIST_FOREACH(node, next, &entry->objects)
    {
        struct pod_object *object = LIST_ENTRY(node, struct pod_object, node);
        if (strcmp(object->name, name) == 0 && strcmp(object->resource, resource) == 0) {
            return object;
        }
    }
    return NULL;
}

const void *pod_objects_find(void *data, const char *resource, const char *name)
{
    struct pod_object *object = find_object(data, resource, name == NULL ? "" : name);
    return object == NULL ? NULL : object->message;
}

static struct pod_token *find_token(struct pod_entry *entry, const char *volume, size_t source)
{
    LIST_FOREACH(node, next, &entry->tokens)
    {
        struct pod_token *token = LIST_ENTRY(node, struct pod_token, node);
        if (token->source == source && strcmp(token->volume, volume) == 0) {
            return token;
        }
    }
    return NULL;
}

const char *pod_tokens_find(void *data, const char *volume, size_t source)
{
    struct pod_token *token = find_token(data, volume, source);
    return token == NULL ? NULL : token->token;
}

void pod_objects_free(struct pod_entry *entry)
{
    while (!list_empty(&entry->objects)) {
        struct pod_object *object =
            LIST_ENTRY(list_first(&entry->objects), struct pod_object, node);
        list_remove(&object->node);
        arena_free(object->arena);
        free(object->resource);
        free(object->name);
        free(object);
    }
    while (!list_empty(&entry->tokens)) {
        struct pod_token *token = LIST_ENTRY(list_first(&entry->tokens), struct pod_token, node);
        list_remove(&token->node);
        free(token->volume);
        free(token->token);
        free(token);
    }
}

static void fail(struct pod_op *op, const char *resource, const char *name, const char *message)
{
    if (op->message == NULL) {
        op->message = alloc_printf("cannot read %s \"%s\": %s", resource, name, message);
    }
}

static void one_done(struct pod_op *op)
{
    if (--op->pending > 0) {
        return;
    }
    op->entry->objects_fetched |= op->message == NULL;
    op->next(op);
}

static void fetch_free(struct fetch *fetch)
{
    free(fetch->resource);
    free(fetch->name);
    free(fetch->volume);
    free(fetch);
}

static void keep_object(struct pod_entry *entry, struct fetch *fetch, struct arena *arena_consume,
                        const void *message)
{
    struct pod_object *object = find_object(entry, fetch->resource, fetch->name);
    if (object == NULL) {
        object = alloc_zeroed(sizeof(*object));
        list_init(&object->node);
        object->resource = alloc_text(fetch->resource);
        object->name = alloc_text(fetch->name);
        list_push_back(&entry->objects, &object->node);
    }
    arena_free(object->arena);
    object->arena = arena_consume;
    object->message = message;
}

static void on_object(void *data, int code, const char *message, struct slice bytes)
{
    struct fetch *fetch = data;
    struct pod_op *op = fetch->op;
    bool secret = strcmp(fetch->resource, "secrets") == 0;
    if (code == 200) {
        struct arena *arena = arena_new(SIZE_MAX);
        void *decoded = NULL;
        struct error error = {0};
        const struct api_message *schema =
            api_message_find(secret ? "k8s.io.api.core.v1.Secret" : "k8s.io.api.core.v1.ConfigMap");
        if (api_decode_protobuf(arena, schema, bytes, &decoded, &error) < 0) {
            fail(op, fetch->resource, fetch->name, error_message(&error));
            error_release(&error);
            arena_free(arena);
        } else {
            keep_object(op->entry, fetch, arena, decoded);
        }
    } else if (code == 404) {
        keep_object(op->entry, fetch, NULL, NULL); /* Whether that matters is its user's to say. */
    } else {
        fail(op, fetch->resource, fetch->name, message);
    }
    fetch_free(fetch);
    one_done(op);
}

static void keep_token(struct pod_op *op, struct fetch *fetch,
                       const Authentication__V1__TokenRequestStatus *status)
{
    struct pod_entry *entry = op->entry;
    struct worker_clock clock = pod_manager_clock(entry->manager);
    struct pod_token *token = find_token(entry, fetch->volume, fetch->source);
    if (token == NULL) {
        token = alloc_zeroed(sizeof(*token));
        list_init(&token->node);
        token->volume = alloc_text(fetch->volume);
        token->source = fetch->source;
        list_push_back(&entry->tokens, &token->node);
    }
    free(token->token);
    token->token = alloc_text(status->token);
    int64_t life_ms =
        (api_time_seconds(status->expiration_timestamp) - clock.wall_ns / 1000000000) * 1000;
    int64_t wait_ms = life_ms * TOKEN_REFRESH_PERCENT / 100;
    if (wait_ms < 0 || wait_ms > TOKEN_REFRESH_MS_MAX) {
        wait_ms = wait_ms < 0 ? 0 : TOKEN_REFRESH_MS_MAX;
    }
    token->refresh_ms = clock.now_ms + (uint64_t)wait_ms;
}

static void on_token(void *data, int code, const char *message, struct slice bytes)
{
    struct fetch *fetch = data;
    struct pod_op *op = fetch->op;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    void *decoded = NULL;
    struct error error = {0};
    const struct api_message *schema =
        api_message_find("k8s.io.api.authentication.v1.TokenRequest");
    if (code != 200 && code != 201) {
        fail(op, "token of", fetch->name, message);
    } else if (api_decode_protobuf(arena, schema, bytes, &decoded, &error) < 0) {
        fail(op, "token of", fetch->name, error_message(&error));
    } else {
        const Authentication__V1__TokenRequest *request = decoded;
        if (request->status == NULL || request->status->token == NULL) {
            fail(op, "token of", fetch->name, "the answer holds no token");
        } else {
            keep_token(op, fetch, request->status);
        }
    }
    error_release(&error);
    fetch_free(fetch);
    one_done(op);
}

static void fetch_tokens(struct pod_op *op)
{
    struct pod_entry *entry = op->entry;
    struct pod_manager *manager = entry->manager;
    const Core__V1__PodSpec *spec = entry->pod->spec;
    uint64_t now = loop_now_ms(manager->tools.loop);
    for (size_t i = 0; i < spec->n_volumes; i++) {
        const Core__V1__VolumeSource *source = spec->volumes[i]->volume_source;
        for (size_t k = 0;
             source != NULL && source->projected != NULL && k < source->projected->n_sources; k++) {
            const Core__V1__ServiceAccountTokenProjection *projection =
                source->projected->sources[k]->service_account_token;
            struct pod_token *known = find_token(entry, spec->volumes[i]->name, k);
            if (projection == NULL || (known != NULL && known->refresh_ms > now)) {
                continue;
            }
            struct fetch *fetch = alloc_zeroed(sizeof(*fetch));
            fetch->op = op;
            fetch->name =
                alloc_text(spec->service_account_name == NULL ? "" : spec->service_account_name);
            fetch->volume = alloc_text(spec->volumes[i]->name);
            fetch->source = k;
            op->pending++;
            manager->hooks.token(manager->hooks.data, entry->pod, projection, on_token, fetch);
        }
    }
}

void pod_objects_fetch(struct pod_op *op, bool again, void (*next)(struct pod_op *op))
{
    struct pod_entry *entry = op->entry;
    struct pod_manager *manager = entry->manager;
    op->next = next;
    op->pending = 1; /* This function's own, so that answers cannot end it early. */
    if (entry->objects_fetched && !again) {
        one_done(op);
        return;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct pod_references references = pod_references_collect(arena, entry->pod);
    for (size_t i = 0; i < references.count; i++) {
        struct fetch *fetch = alloc_zeroed(sizeof(*fetch));
        fetch->op = op;
        fetch->resource = alloc_text(references.items[i].resource);
        fetch->name = alloc_text(references.items[i].name);
        fetch->optional = references.items[i].optional;
        op->pending++;
        manager->hooks.get(manager->hooks.data, fetch->resource, entry->pod->metadata->namespace_,
                           fetch->name, on_object, fetch);
    }
    fetch_tokens(op);
    one_done(op);
}
