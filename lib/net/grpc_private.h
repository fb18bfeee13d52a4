/* What grpc_server.c (calls, from their headers to their status) and grpc_call.c (what handlers ask
 * and tell of one) share; nobody else includes it. */
#ifndef LIB_NET_GRPC_PRIVATE_H
#define LIB_NET_GRPC_PRIVATE_H
#include "lib/base/memory_budget.h"
#include "lib/net/grpc.h"
#include "lib/net/grpc_frame.h"
#include <assert.h>
#include <stdatomic.h>

enum { CALL_MAGIC = 0x47525043 };

struct owned_method {
    struct grpc_method method;
    size_t path_len;
    _Atomic uint64_t started;
    _Atomic uint64_t handled[GRPC_CODES];
    _Atomic uint64_t durations[GRPC_DURATION_BOUNDS + 1];
    _Atomic uint64_t duration_ms, received_bytes, sent_bytes;
};

struct grpc_server {
    struct hash_map *methods;            /* By path. */
    _Atomic(struct owned_method *) last; /* That was called: mostly the next is, too. */
    struct owned_method **owned;
    size_t owned_count;
    struct http_handler handler;
};

struct grpc_call {
    uint32_t magic;
    struct http_exchange *exchange; /* The call lies in its arena. */
    struct owned_method *owned;
    const struct grpc_method *method; /* owned->method */
    struct grpc_carrier carrier;      /* All NULL: the wire. */
    struct grpc_deframer deframer;
    struct memory_hold hold; /* Of what the deframer keeps. */
    struct loop_timer deadline;
    uint64_t started_ms;
    void (*message)(void *data, struct slice bytes);
    void (*end)(void *data);
    void *message_data;
    void (*cancel)(void *data);
    void *cancel_data;
    size_t held;      /* Bytes not given back to the client's window, while paused. */
    bool has_request; /* UNARY, SERVER_STREAM: the one message is there. */
    bool paused;
    bool request_done; /* Half-closed by the client. */
    bool end_told;
    bool headers_sent;
    bool over;
};

static inline struct grpc_call *call_from(void *data)
{
    struct grpc_call *call = data;
    assert(call != NULL && call->magic == CALL_MAGIC);
    return call;
}

/* What is said of calls that cannot begin, in the arena (lib/net/grpc_refusal.c). */
const char *grpc_no_method_text(const struct grpc_server *server, struct slice path,
                                struct arena *arena);
const char *grpc_no_decompressor_text(struct slice encoding, struct arena *arena);
/* Hands on what has come, as far as the handler takes it. */
void grpc_call_process(struct grpc_call *call);
#endif
