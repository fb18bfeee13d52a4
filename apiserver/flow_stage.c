/* The stage of priority and fairness: a request waits here for its turn. */
#include "apiserver/request.h"

#include "apiserver/flow_control.h"
#include "lib/api/convert.h"

/* Lists, and watches that begin with one; not of one object by its name. */
static bool goes_through_all(const struct request_info *info)
{
    const char *fields = query_get(&info->query, "fieldSelector");
    bool by_name = fields != NULL && strncmp(fields, "metadata.name=", 14) == 0;
    bool all = info->verb == VERB_LIST ||
               (info->verb == VERB_WATCH && query_bool(&info->query, "sendInitialEvents", false));
    return all && !by_name && info->name[0] == 0;
}

/* A list takes seats by the number of objects that it goes through. */
static uint32_t seats_of(struct request *request)
{
    const struct request_info *info = &request->info;
    const struct api_kind *kind =
        goes_through_all(info) ? api_kind_find(info->group, info->version, info->resource) : NULL;
    if (kind == NULL || !api_stored_kind(kind)->stored) {
        return 1;
    }
    struct cache_view *view = watch_cache_view(request->server->cache, api_stored_kind(kind));
    size_t objects = cache_view_count(view);
    int64_t limit = 0;
    cache_view_free(view);
    if (query_int(&info->query, "limit", &limit) == 0 && limit > 0 && (uint64_t)limit < objects) {
        objects = (size_t)limit;
    }
    size_t seats = (objects + FLOW_OBJECTS_A_SEAT - 1) / FLOW_OBJECTS_A_SEAT;
    return seats == 0 ? 1 : seats > FLOW_WIDTH_MAX ? FLOW_WIDTH_MAX : (uint32_t)seats;
}

static void stop_waiting(struct request *request)
{
    loop_timer_stop(request->flow.loop, &request->flow_timer);
    request->codec->on_abort(request, NULL, NULL);
}

static void on_admitted(void *data)
{
    struct request *request = data;
    stop_waiting(request);
    flow_control_admitted(&request->flow);
    if (request->codec->is_aborted(request)) {
        request_finish(request);
        return;
    }
    request_continue(request);
}

/* Where these two find it let in, on_admitted() is on its way and sees to the rest. */
static void on_abort(void *data)
{
    struct request *request = data;
    if (flow_control_cancel(&request->flow, /* timed_out= */ false)) {
        stop_waiting(request);
        request_finish(request);
    }
}

static void on_timeout(void *data)
{
    struct request *request = data;
    if (flow_control_cancel(&request->flow, /* timed_out= */ true)) {
        stop_waiting(request);
        request->codec->too_many(request);
    }
}

bool stage_flow(struct request *request)
{
    /* Streams of a pod or node hold no seat: they last as long as somebody looks at them, and cost
     * the server next to nothing. */
    if (request_info_is_connection(&request->info)) {
        return true;
    }
    request->flow.request = (struct flow_request){.user = request->user,
                                                  .access = request_access(request),
                                                  .path = request->info.path,
                                                  .version = request->info.version};
    request->flow.loop = http_exchange_loop(request->exchange);
    request->flow.admitted = on_admitted;
    request->flow.data = request;
    request->flow_timer = (struct loop_timer){.fire = on_timeout, .data = request};
    switch (flow_control_enter(request->server->flow, seats_of(request), &request->flow)) {
    case FLOW_SITS:
        return true;
    case FLOW_WAITS:
        loop_timer_start(request->flow.loop, &request->flow_timer, FLOW_WAIT_MS);
        request->codec->on_abort(request, on_abort, request);
        return false;
    case FLOW_OUT:
        break;
    }
    request->codec->too_many(request);
    return false;
}
