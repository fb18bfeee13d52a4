/* How far watches are, told by interval to those that want to know, and on request to a stream. On
 * the store loop. */
#include "store/etcd_watch.h"

/* An answer without events says that all up to its revision has been sent. */
static void tell(struct watch_stream *stream, int64_t watch_id)
{
    Etcdserverpb__WatchResponse response;
    etcdserverpb__watch_response__init(&response);
    watch_stream_answer(stream, watch_id, &response);
}

static bool is_up_to_date(const struct watch_stream *stream)
{
    int64_t revision = store_revision(stream->service->store);
    void *value;
    for (size_t at = 0; hash_map_next(stream->state.watches, &at, NULL, &value);) {
        if (store_watch_delivered(((struct etcd_watch *)value)->watch) < revision) {
            return false;
        }
    }
    return true;
}

/* Of a watch that begins later no progress is told: a client that hears of an earlier revision
 * would go on from there after its connection was lost, and be given events that it has not asked
 * for (etcd issue 20221). */
static bool begins_later(const struct etcd_watch *watch, int64_t revision)
{
    return watch->start_revision > revision + 1;
}

static bool any_begins_later(const struct watch_stream *stream)
{
    int64_t revision = store_revision(stream->service->store);
    void *value;
    for (size_t at = 0; hash_map_next(stream->state.watches, &at, NULL, &value);) {
        if (begins_later(value, revision)) {
            return true;
        }
    }
    return false;
}

/* A progress request is answered once all watches of the stream have everything: then this comes
 * after all those events, and is true. While one of them begins later it is not answered at all, as
 * by etcd since 3.5.22. False when it has to be looked at again. */
static bool answer_progress(struct watch_stream *stream)
{
    if (!stream->state.progress_wanted) {
        return true;
    }
    bool refused = any_begins_later(stream);
    if (!refused && !is_up_to_date(stream)) {
        return false;
    }
    stream->state.progress_wanted = false;
    if (!refused) {
        tell(stream, /* watch_id= */ -1);
    }
    return true;
}

static bool is_due(const struct etcd_watch *watch, int64_t revision)
{
    return watch->progress && !watch->busy && !begins_later(watch, revision) &&
           store_watch_delivered(watch->watch) == revision;
}

static void notify_progress(struct watch_stream *stream)
{
    int64_t revision = store_revision(stream->service->store);
    void *value;
    for (size_t at = 0; hash_map_next(stream->state.watches, &at, NULL, &value);) {
        struct etcd_watch *watch = value;
        if (is_due(watch, revision)) {
            tell(stream, watch->id);
        }
        watch->busy = false;
    }
}

static void progress_tick(void *data)
{
    struct etcd_service *service = data;
    LIST_FOREACH(node, next, &service->watch_streams)
    {
        notify_progress(LIST_ENTRY(node, struct watch_stream, state.node));
    }
    loop_timer_start(service->store_loop, &service->progress_timer, service->progress_ms);
}

static void retry_tick(void *data)
{
    struct etcd_service *service = data;
    bool all = true;
    LIST_FOREACH(node, next, &service->watch_streams)
    {
        all = answer_progress(LIST_ENTRY(node, struct watch_stream, state.node)) && all;
    }
    if (!all) {
        loop_timer_start(service->store_loop, &service->retry_timer, WATCH_PROGRESS_RETRY_MS);
    }
}

void watch_progress_ask(struct watch_stream *stream)
{
    stream->state.progress_wanted = true;
    retry_tick(stream->service);
}

void watch_progress_init(struct etcd_service *service)
{
    service->retry_timer = (struct loop_timer){.fire = retry_tick, .data = service};
    service->progress_timer = (struct loop_timer){.fire = progress_tick, .data = service};
    loop_timer_start(service->store_loop, &service->progress_timer, service->progress_ms);
}

void watch_progress_stop(struct etcd_service *service)
{
    loop_timer_stop(service->store_loop, &service->progress_timer);
    loop_timer_stop(service->store_loop, &service->retry_timer);
}
