#include "controllers/control.h"

#include "controllers/contents.h"
#include "controllers/limits.h"
#include "k8s/tables.h"
#include <assert.h>

enum { NOT_SYNCED_RETRY_MS = 20 };

const struct api_kind *control_kind(const char *group, const char *version, const char *plural)
{
    const struct api_kind *kind = api_kind_find(group, version, plural);
    assert(kind != NULL);
    return kind;
}

struct reconciler *control_reconciler(struct control *control, const char *name,
                                      const struct client_identity *as, uint32_t concurrency,
                                      void (*reconcile)(void *data, struct round *round),
                                      void *data)
{
    struct reconciler_config config = {
        .env = control->env,
        .client = control->client,
        .name = name,
        .as = as,
        .concurrency = concurrency,
        .reconcile = reconcile,
        .data = data,
        .failed = control->failed,
        .failed_data = control->failed_data,
    };
    return reconciler_new(&config);
}

bool control_ready(struct control *control, struct round *round)
{
    if (informers_synced(control->informers)) {
        return true;
    }
    round_again_after(round, NOT_SYNCED_RETRY_MS * NS_PER_MS);
    return false;
}

bool control_ready_for_all(struct control *control, struct round *round)
{
    if (!control_ready(control, round)) {
        return false;
    }
    if (contents_synced(control->contents)) {
        return true;
    }
    round_again_after(round, NOT_SYNCED_RETRY_MS * NS_PER_MS);
    return false;
}

int64_t control_now_s(const struct control *control)
{
    return env_wall_ns(control->env) / (int64_t)NS_PER_S;
}

void control_update(struct round *round, const struct api_kind *kind, const char *subresource,
                    const Meta__V1__ObjectMeta *meta, const void *message, round_done *done,
                    void *data)
{
    struct client_request request = {
        .verb = CLIENT_UPDATE,
        .kind = kind,
        .subresource = subresource,
        .namespace_ = meta->namespace_,
        .name = meta->name,
        .body = message,
    };
    round_call(round, &request, done, data);
}

void control_patch_metadata(struct round *round, const struct api_kind *kind,
                            const Meta__V1__ObjectMeta *meta, const char *list, round_done *done,
                            void *data)
{
    struct arena *arena = round->arena;
    struct json_value *all = api_message_to_json(arena, &meta__v1__object_meta__schema, meta, NULL);
    struct json_value *kept = json_get_text(all, list);
    struct json_value *changes = json_new_object(arena);
    struct json_value *patch = json_new_object(arena);
    json_set_text(arena, changes, "uid", json_new_text(arena, text_or_empty(meta->uid)));
    json_set_text(arena, changes, "resourceVersion",
                  json_new_text(arena, text_or_empty(meta->resource_version)));
    json_set_text(arena, changes, list, kept == NULL ? json_new_null(arena) : kept);
    json_set_text(arena, patch, "metadata", changes);
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, CONTROLLERS_PATCH_MAX);
    json_print(patch, /* sorted= */ false, &text);
    if (buffer_error(&text) < 0) {
        round_fail(round, "the object's metadata is too large");
        return;
    }
    struct client_request request = {
        .verb = CLIENT_PATCH,
        .kind = kind,
        .namespace_ = meta->namespace_,
        .name = meta->name,
        .patch_type = CLIENT_PATCH_MERGE,
        .patch = buffer_slice(&text),
    };
    round_call(round, &request, done, data);
}

void control_delete(struct round *round, const struct api_kind *kind,
                    const Meta__V1__ObjectMeta *meta, round_done *done, void *data)
{
    struct client_request request = {
        .verb = CLIENT_DELETE,
        .kind = kind,
        .namespace_ = meta->namespace_,
        .name = meta->name,
        .expect_uid = meta->uid,
    };
    round_call(round, &request, done, data);
}
