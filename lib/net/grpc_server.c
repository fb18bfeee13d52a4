#include "lib/net/grpc_private.h"

#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/base/hash_map.h"
#include "lib/net/http_private.h"
#include "lib/net/limits.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SMALL_MESSAGE_BYTES = 4096, STATUS_TEXT_MAX = 16 * 1024 };

const uint64_t grpc_duration_bounds_ms[GRPC_DURATION_BOUNDS] = {5,   10,   25,   50,   100,  250,
                                                                500, 1000, 2500, 5000, 10000};

static bool takes_stream(const struct grpc_call *call)
{
    return call->method->kind == GRPC_CLIENT_STREAM || call->method->kind == GRPC_BIDI_STREAM;
}

/* ---- Sending ---- */

static void counter_add(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static struct http_header content_type_header(void)
{
    return http_header("content-type", "application/grpc");
}

void grpc_call_send_headers(struct grpc_call *call, const struct http_header *metadata,
                            size_t count)
{
    if (call->over || call->headers_sent) {
        return;
    }
    call->headers_sent = true;
    if (call->carrier.message != NULL) {
        return;
    }
    struct http_header *headers =
        arena_alloc(http_arena(call->exchange), (count + 1) * sizeof(*headers));
    headers[0] = content_type_header();
    for (size_t i = 0; i < count; i++) {
        headers[i + 1] = metadata[i];
    }
    http_respond_start(call->exchange, 200, headers, count + 1);
}

size_t grpc_call_send(struct grpc_call *call, struct slice message)
{
    if (call->over) {
        return 0;
    }
    grpc_call_send_headers(call, NULL, 0);
    counter_add(&call->owned->sent_bytes, GRPC_PREFIX_SIZE + message.len);
    if (call->carrier.message != NULL) {
        return call->carrier.message(call->carrier.data, message);
    }
    uint8_t joined[GRPC_PREFIX_SIZE + SMALL_MESSAGE_BYTES];
    grpc_prefix(message.len, joined);
    if (message.len <= SMALL_MESSAGE_BYTES) {
        if (message.len > 0) {
            memcpy(joined + GRPC_PREFIX_SIZE, message.data, message.len);
        }
        return http_write(call->exchange, slice_of(joined, GRPC_PREFIX_SIZE + message.len));
    }
    (void)http_write(call->exchange, slice_of(joined, GRPC_PREFIX_SIZE));
    return http_write(call->exchange, message);
}

size_t grpc_call_send_shared(struct grpc_call *call, struct chunk *message)
{
    if (message->bytes.len <= SMALL_MESSAGE_BYTES || call->carrier.message != NULL) {
        return grpc_call_send(call, message->bytes); /* A copy is cheaper than a reference. */
    }
    if (call->over) {
        return 0;
    }
    grpc_call_send_headers(call, NULL, 0);
    counter_add(&call->owned->sent_bytes, GRPC_PREFIX_SIZE + message->bytes.len);
    uint8_t prefix[GRPC_PREFIX_SIZE];
    grpc_prefix(message->bytes.len, prefix);
    (void)http_write(call->exchange, slice_of(prefix, GRPC_PREFIX_SIZE));
    return http_write_shared(call->exchange, message);
}

/* The messages of a chunk, one by one. */
static size_t carry_framed(struct grpc_call *call, struct slice framed)
{
    struct grpc_deframer deframer;
    struct slice message = {.len = 0};
    size_t queued = 0;
    grpc_deframer_init(&deframer, framed.len);
    int status = grpc_deframer_lend(&deframer, framed);
    while (status == 0 && grpc_deframe(&deframer, &message) > 0) {
        queued = grpc_call_send(call, message);
    }
    grpc_deframer_release(&deframer);
    return queued;
}

size_t grpc_call_send_framed(struct grpc_call *call, struct chunk *messages)
{
    if (call->over) {
        return 0;
    }
    if (call->carrier.message != NULL) {
        return carry_framed(call, messages->bytes);
    }
    grpc_call_send_headers(call, NULL, 0);
    counter_add(&call->owned->sent_bytes, messages->bytes.len);
    return messages->bytes.len <= SMALL_MESSAGE_BYTES ? http_write(call->exchange, messages->bytes)
                                                      : http_write_shared(call->exchange, messages);
}

void grpc_call_flush(struct grpc_call *call)
{
    if (!call->over) {
        http_flush(call->exchange);
    }
}

size_t grpc_call_queued(const struct grpc_call *call)
{
    return call->over ? 0 : http_queued(call->exchange);
}

static void finish(struct http_exchange *exchange, bool headers_sent, enum grpc_code code,
                   const char *message, struct slice details)
{
    CLEANUP(buffer_release) struct buffer text;
    CLEANUP(buffer_release) struct buffer encoded;
    buffer_init(&text, STATUS_TEXT_MAX);
    buffer_init(&encoded, STATUS_TEXT_MAX);
    const char *number =
        code == GRPC_OK ? "0" : arena_printf(http_arena(exchange), "%d", (int)code);
    struct http_header fields[4];
    size_t count = 0;
    if (!headers_sent) {
        fields[count++] = content_type_header();
    }
    fields[count++] = http_header("grpc-status", number);
    if (message != NULL && message[0] != '\0') {
        grpc_message_encode(message, &text);
        fields[count++] = http_header("grpc-message", buffer_text(&text));
    }
    if (details.len > 0) {
        base64_encode(details, &encoded);
        if (buffer_error(&encoded) == 0) {
            fields[count++] = http_header("grpc-status-details-bin", buffer_text(&encoded));
        }
    }
    if (headers_sent) {
        http_finish_trailers(exchange, fields, count);
    } else {
        exchange->no_length = true;
        http_respond(exchange, 200, fields, count, slice_text("")); /* "Trailers-Only". */
    }
}

static void count_handled(struct grpc_call *call, enum grpc_code code)
{
    size_t at = (size_t)code < GRPC_CODES ? (size_t)code : GRPC_UNKNOWN;
    uint64_t took_ms = loop_now_ms(grpc_call_loop(call)) - call->started_ms;
    size_t bound = 0;
    while (bound < GRPC_DURATION_BOUNDS && took_ms > grpc_duration_bounds_ms[bound]) {
        bound++;
    }
    counter_add(&call->owned->handled[at], 1);
    counter_add(&call->owned->durations[bound], 1);
    if (took_ms > 0) {
        counter_add(&call->owned->duration_ms, took_ms);
    }
}

void grpc_call_finish(struct grpc_call *call, enum grpc_code code, const char *message,
                      struct slice details)
{
    if (call->over) {
        return;
    }
    call->over = true;
    count_handled(call, code);
    loop_timer_stop(grpc_call_loop(call), &call->deadline);
    if (call->carrier.finish != NULL) {
        call->carrier.finish(call->carrier.data, code, message == NULL ? "" : message);
    } else {
        finish(call->exchange, call->headers_sent, code, message, details);
    }
}

void grpc_call_respond(struct grpc_call *call, struct slice message)
{
    (void)grpc_call_send(call, message);
    grpc_call_finish(call, GRPC_OK, NULL, slice_text(""));
}

/* ---- Ends that the handler did not choose ---- */

static void tell_cancel(struct grpc_call *call)
{
    call->over = true;
    loop_timer_stop(grpc_call_loop(call), &call->deadline);
    if (call->cancel != NULL) {
        call->cancel(call->cancel_data);
    }
}

static void on_abort(void *data)
{
    struct grpc_call *call = call_from(data);
    if (!call->over) {
        count_handled(call, GRPC_CANCELLED);
        tell_cancel(call);
    }
}

static void on_done(void *data)
{
    struct grpc_call *call = call_from(data);
    call->over = true;
    loop_timer_stop(grpc_call_loop(call), &call->deadline);
    if (call->method->secret) {
        grpc_deframer_wipe(&call->deframer);
    }
    grpc_deframer_release(&call->deframer);
    memory_hold_set(&call->hold, 0);
}

static void fail(struct grpc_call *call, enum grpc_code code, const char *message)
{
    if (!call->over) {
        grpc_call_ref(call);
        grpc_call_finish(call, code, message, slice_text(""));
        tell_cancel(call);
        grpc_call_unref(call);
    }
}

static void fail_too_large(struct grpc_call *call)
{
    char text[GRPC_REFUSAL_TEXT_SIZE];
    grpc_too_large_text(&call->deframer, text);
    fail(call, GRPC_RESOURCE_EXHAUSTED, text);
}

static void fail_not_plain(struct grpc_call *call)
{
    char text[GRPC_REFUSAL_TEXT_SIZE];
    grpc_not_plain_text(&call->deframer, text);
    fail(call, GRPC_INTERNAL, text);
}

static void on_deadline(void *data)
{
    fail(call_from(data), GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
}

static void on_closing(void *data)
{
    fail(call_from(data), GRPC_UNAVAILABLE, "the server is closing");
}

/* ---- Receiving ---- */

/* Lends the call to its handler. */
static void invoke(struct grpc_call *call, struct slice request)
{
    size_t before = atomic_load(&call->exchange->references);
    call->method->on_call(call->method->data, call, request);
    if (!call->over && !takes_stream(call) && atomic_load(&call->exchange->references) <= before) {
        grpc_call_finish(call, GRPC_INTERNAL, "the call was dropped", slice_text(""));
    }
}

static void take_message(struct grpc_call *call, struct slice message)
{
    if (takes_stream(call)) {
        if (call->message != NULL) {
            call->message(call->message_data, message);
        }
    } else {
        call->has_request = true;
        invoke(call, arena_slice(http_arena(call->exchange), message));
    }
}

static void take_end(struct grpc_call *call)
{
    if (call->end_told || call->over || !call->request_done || call->paused) {
        return;
    }
    call->end_told = true;
    if (!grpc_deframer_empty(&call->deframer)) {
        fail(call, call->method->kind == GRPC_UNARY ? GRPC_UNKNOWN : GRPC_INTERNAL,
             "unexpected EOF");
    } else if (takes_stream(call)) {
        if (call->end != NULL) {
            call->end(call->message_data);
        }
    } else if (!call->has_request) {
        fail(call, GRPC_UNKNOWN, "EOF");
    }
}

/* What comes behind the one message of a request is ignored, as by gRPC's own libraries: the
 * handler has been told of it, and may have done it. */
static bool has_all(const struct grpc_call *call)
{
    return call->has_request && !takes_stream(call);
}

void grpc_call_process(struct grpc_call *call)
{
    struct slice message = {.len = 0};
    while (!call->over && !call->paused && !has_all(call)) {
        int status = grpc_deframe(&call->deframer, &message);
        if (status == 0) {
            take_end(call);
            return;
        }
        if (status == -EMSGSIZE) {
            fail_too_large(call);
        } else if (status < 0) {
            fail_not_plain(call);
        } else {
            take_message(call, message);
        }
    }
}

static const char short_memory[] = "the server is short of memory, try again later";

static void on_piece(void *data, struct slice bytes, bool end)
{
    struct grpc_call *call = call_from(data);
    call->request_done |= end;
    counter_add(&call->owned->received_bytes, bytes.len);
    if (call->over || has_all(call)) {
        http_body_consumed(call->exchange, bytes.len);
        return;
    }
    grpc_call_ref(call);
    if (!grpc_deframer_empty(&call->deframer) &&
        http_memory_is_lacking(call->exchange, bytes.len)) {
        fail(call, GRPC_RESOURCE_EXHAUSTED, short_memory);
    }
    if (grpc_deframer_lend(&call->deframer, bytes) != 0) {
        fail_too_large(call);
    }
    grpc_call_process(call);
    grpc_deframer_keep(&call->deframer);
    memory_hold_set(&call->hold, call->deframer.pending.capacity);
    call->held += bytes.len;
    if (!call->paused) {
        http_body_consumed(call->exchange, call->held);
        call->held = 0;
    }
    grpc_call_unref(call);
}

/* ---- A new call ---- */

static void refuse(struct http_exchange *exchange, enum grpc_code code, const char *message)
{
    finish(exchange, /* headers_sent= */ false, code, message, slice_text(""));
}

static struct owned_method *method_of(struct grpc_server *server, struct slice path)
{
    struct owned_method *last = atomic_load_explicit(&server->last, memory_order_relaxed);
    if (last != NULL && slice_equal(path, slice_of(last->method.path, last->path_len))) {
        return last;
    }
    struct owned_method *found = hash_map_get(server->methods, path);
    if (found != NULL) { /* They live as long as the server, and do not change. */
        atomic_store_explicit(&server->last, found, memory_order_relaxed);
    }
    return found;
}

/* A call in the exchange's arena. 0, or -EINVAL for a malformed grpc-timeout. */
static int new_call(struct http_exchange *exchange, struct owned_method *owned,
                    struct grpc_call **ret_call)
{
    struct slice timeout = http_header_find(exchange, "grpc-timeout");
    uint64_t timeout_ms = 0;
    if (timeout.len > 0 && grpc_timeout_parse(timeout, &timeout_ms) != 0) {
        return -EINVAL;
    }
    struct grpc_call *call = arena_zeroed(http_arena(exchange), sizeof(*call));
    call->magic = CALL_MAGIC;
    call->exchange = exchange;
    call->owned = owned;
    call->method = &owned->method;
    counter_add(&owned->started, 1);
    call->started_ms = loop_now_ms(http_exchange_loop(exchange));
    call->deadline.fire = on_deadline;
    call->deadline.data = call;
    grpc_deframer_init(&call->deframer, owned->method.message_bytes_max == 0
                                            ? GRPC_MESSAGE_BYTES_MAX
                                            : owned->method.message_bytes_max);
    call->hold.budget = loop_memory(http_exchange_loop(exchange));
    http_on_abort(exchange, on_abort, call);
    http_on_done(exchange, on_done, call);
    if (timeout.len > 0) {
        timeout_ms = timeout_ms < GRPC_TIMEOUT_MS_MAX ? timeout_ms : GRPC_TIMEOUT_MS_MAX;
        loop_timer_start(http_exchange_loop(exchange), &call->deadline, timeout_ms);
    }
    *ret_call = call;
    return 0;
}

static void begin(struct grpc_call *call)
{
    if (takes_stream(call)) {
        http_on_closing(call->exchange, on_closing, call); /* The client may never end it. */
        invoke(call, slice_text(""));
    }
}

static bool on_headers(void *data, struct http_exchange *exchange)
{
    struct grpc_server *server = data;
    struct slice type = http_header_find(exchange, "content-type");
    if (!slice_is(http_method(exchange), "POST") ||
        !slice_starts_with(type, slice_text("application/grpc"))) {
        http_exchange_refuse(exchange, 415);
        return false;
    }
    struct owned_method *owned = method_of(server, http_path(exchange));
    if (owned == NULL) {
        refuse(exchange, GRPC_UNIMPLEMENTED,
               grpc_no_method_text(server, http_path(exchange), http_arena(exchange)));
        return false;
    }
    static const char health[] = "/grpc.health.v1.Health/";
    if (!slice_starts_with(http_path(exchange), slice_text(health)) &&
        http_memory_is_lacking(exchange, HTTP_REQUEST_MEMORY_BYTES)) {
        refuse(exchange, GRPC_RESOURCE_EXHAUSTED, short_memory);
        return false;
    }
    struct slice encoding = http_header_find(exchange, "grpc-encoding");
    if (encoding.len > 0 && !slice_is(encoding, "identity")) {
        refuse(exchange, GRPC_UNIMPLEMENTED,
               grpc_no_decompressor_text(encoding, http_arena(exchange)));
        return false;
    }
    struct grpc_call *call = NULL;
    if (new_call(exchange, owned, &call) != 0) {
        refuse(exchange, GRPC_INTERNAL, "malformed grpc-timeout");
        return false;
    }
    http_on_body(exchange, on_piece, call);
    begin(call);
    return true;
}

int grpc_server_carry(struct grpc_server *server, struct http_exchange *exchange, const char *path,
                      struct slice messages, const struct grpc_carrier *carrier)
{
    struct owned_method *owned = method_of(server, slice_text(path));
    struct grpc_call *call = NULL;
    int result = owned == NULL ? -ENOENT : new_call(exchange, owned, &call);
    if (result != 0) {
        return result;
    }
    call->carrier = *carrier;
    call->request_done = true;
    counter_add(&owned->received_bytes, messages.len);
    grpc_call_ref(call);
    begin(call);
    if (grpc_deframer_lend(&call->deframer, messages) != 0) {
        fail_too_large(call);
    }
    grpc_call_process(call);
    grpc_deframer_keep(&call->deframer);
    memory_hold_set(&call->hold, call->deframer.pending.capacity);
    grpc_call_unref(call);
    return 0;
}

struct grpc_server *grpc_server_new(void)
{
    struct grpc_server *server = alloc_zeroed(sizeof(*server));
    server->methods = hash_map_new(/* seed= */ 1); /* Keys are ours; lookups do not add. */
    server->handler = (struct http_handler){.on_headers = on_headers, .data = server};
    return server;
}

void grpc_server_free(struct grpc_server *server)
{
    if (server == NULL) {
        return;
    }
    for (size_t i = 0; i < server->owned_count; i++) {
        free(server->owned[i]);
    }
    free(server->owned);
    hash_map_free(server->methods);
    free(server);
}

void grpc_server_add(struct grpc_server *server, const struct grpc_method *methods, size_t count)
{
    server->owned =
        alloc_resize(server->owned, server->owned_count + count, sizeof(*server->owned));
    for (size_t i = 0; i < count; i++) {
        struct owned_method *owned = alloc_zeroed(sizeof(*owned));
        owned->method = methods[i];
        owned->path_len = strlen(methods[i].path);
        server->owned[server->owned_count++] = owned;
        void *before = hash_map_set(server->methods, slice_text(owned->method.path), owned);
        assert(before == NULL);
        (void)before;
    }
}

void grpc_server_each_method(const struct grpc_server *server,
                             void (*each)(void *data, const struct grpc_method *method,
                                          const struct grpc_method_counts *counts),
                             void *data)
{
    for (size_t i = 0; i < server->owned_count; i++) {
        struct owned_method *owned = server->owned[i];
        struct grpc_method_counts counts = {.started = atomic_load(&owned->started),
                                            .duration_ms = atomic_load(&owned->duration_ms),
                                            .received_bytes = atomic_load(&owned->received_bytes),
                                            .sent_bytes = atomic_load(&owned->sent_bytes)};
        for (size_t code = 0; code < GRPC_CODES; code++) {
            counts.handled[code] = atomic_load(&owned->handled[code]);
        }
        for (size_t bound = 0; bound <= GRPC_DURATION_BOUNDS; bound++) {
            counts.durations[bound] = atomic_load(&owned->durations[bound]);
        }
        each(data, &owned->method, &counts);
    }
}

const struct http_handler *grpc_server_handler(struct grpc_server *server)
{
    return &server->handler;
}
