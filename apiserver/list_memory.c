/* A list is sent from the state that it began with. A client that reads slowly makes the server
 * keep that state while it changes: what is outdated meanwhile is counted. */
#include "apiserver/object_list.h"
#include "apiserver/request.h"

static void count(void *data)
{
    struct request *request = data;
    struct loop *loop = http_exchange_loop(request->exchange);
    memory_hold_set(&request->list_hold, object_list_memory(request->call.list));
    loop_timer_start(loop, &request->list_timer, LIST_COUNT_MS);
}

void request_count_list(struct request *request)
{
    struct loop *loop = http_exchange_loop(request->exchange);
    if (!loop_timer_armed(&request->list_timer)) {
        request->list_hold.budget = loop_memory(loop);
        request->list_timer = (struct loop_timer){.fire = count, .data = request};
        count(request);
    }
}

void request_uncount_list(struct request *request)
{
    memory_hold_set(&request->list_hold, 0);
    loop_timer_stop(http_exchange_loop(request->exchange), &request->list_timer);
}
