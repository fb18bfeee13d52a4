#include "controllers/control.h"

#include "controllers/contents.h"
#include <assert.h>

enum { NOT_SYNCED_RETRY_MS = 20 };

const struct api_kind *control_kind(const char *group, const char *version, const char *plural)
{
    const struct api_kind *kind = api_kind_find(group, version, plural);
    assert(kind != NULL);
    return kind;
}

struct reconciler *control_reconciler(struct control *control, const char *name,
                                      uint32_t concurrency,
                                      void (*reconcile)(void *data, struct round *round),
                                      void *data)
{
    struct reconciler_config config = {
        .env = control->env,
        .client = control->client,
        .name = name,
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
