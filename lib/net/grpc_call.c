/* What handlers ask and tell of a call. */
#include "lib/net/grpc_private.h"
#include "lib/net/http.h"
#include <stdio.h>

enum { CARRIED_NAME_MAX = 128 };

struct grpc_call *grpc_call_ref(struct grpc_call *call)
{
    http_exchange_ref(call->exchange);
    return call;
}

void grpc_call_unref(struct grpc_call *call)
{
    http_exchange_unref(call->exchange);
}

struct loop *grpc_call_loop(struct grpc_call *call)
{
    return http_exchange_loop(call->exchange);
}

struct http_exchange *grpc_call_exchange(struct grpc_call *call)
{
    return call->exchange;
}

struct slice grpc_call_metadata(const struct grpc_call *call, const char *name)
{
    struct slice value = http_header_find(call->exchange, name);
    if (value.data == NULL && call->carrier.message != NULL) {
        char carried[CARRIED_NAME_MAX];
        (void)snprintf(carried, sizeof(carried), "grpc-metadata-%s", name);
        value = http_header_find(call->exchange, carried);
    }
    return value;
}

const struct tls_peer *grpc_call_tls_peer(const struct grpc_call *call)
{
    return http_tls_peer(call->exchange);
}

const char *grpc_call_peer_address(const struct grpc_call *call)
{
    return http_peer_address(call->exchange);
}

struct arena *grpc_call_arena(struct grpc_call *call)
{
    return http_arena(call->exchange);
}

bool grpc_call_is_over(const struct grpc_call *call)
{
    return call->over;
}

void grpc_call_on_message(struct grpc_call *call, void (*message)(void *data, struct slice bytes),
                          void (*end)(void *data), void *data)
{
    call->message = message;
    call->end = end;
    call->message_data = data;
}

void grpc_call_pause(struct grpc_call *call)
{
    call->paused = true;
}

static void resume_later(void *data)
{
    struct grpc_call *call = call_from(data);
    if (!call->paused && !call->over) {
        grpc_call_process(call);
        http_body_consumed(call->exchange, call->held);
        call->held = 0;
    }
    grpc_call_unref(call);
}

void grpc_call_resume(struct grpc_call *call)
{
    if (call->paused && !call->over) {
        call->paused = false;
        loop_post(grpc_call_loop(call), resume_later, grpc_call_ref(call));
    }
}

void grpc_call_on_drain(struct grpc_call *call, void (*drain)(void *data), void *data)
{
    http_on_drain(call->exchange, drain, data);
}

void grpc_call_on_cancel(struct grpc_call *call, void (*cancel)(void *data), void *data)
{
    call->cancel = cancel;
    call->cancel_data = data;
}
