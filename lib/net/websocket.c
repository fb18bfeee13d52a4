#include "lib/net/websocket.h"

#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/net/http1.h"
#include "lib/net/limits.h"
#include "lib/net/stream_private.h"
#include "lib/net/x509.h"
#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum { WEBSOCKET_MAGIC = 0x57534f43, CLOSE_NORMAL = 1000, CLOSE_NONE = 1005, CLOSE_BROKEN = 1006 };

struct websocket {
    uint32_t magic;
    struct net_stream *stream;
    struct websocket_decoder decoder;
    const struct websocket_events *events;
    void *data;
    struct buffer held; /* Bytes read while paused. */
    struct buffer frame;
    bool is_client;
    bool paused;
    bool ended;   /* on_end has run. */
    bool dead;    /* websocket_close() was called inside of a callback. */
    bool busy;    /* A callback may be on the stack. */
    bool closing; /* A close frame has been sent. */
    unsigned end_code;
};

static struct websocket *websocket_from(void *data)
{
    struct websocket *websocket = data;
    assert(websocket != NULL && websocket->magic == WEBSOCKET_MAGIC);
    return websocket;
}

/* ---- Handshake ---- */

void websocket_accept_value(struct slice key, char ret_accept[WEBSOCKET_ACCEPT_SIZE])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, 4096);
    buffer_append_slice(&text, key);
    buffer_append_text(&text, guid);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int good = EVP_Digest(text.data, text.len, digest, &len, EVP_sha1(), NULL);
    assert(good == 1 && len == 20);
    (void)good;
    buffer_clear(&text);
    base64_encode(slice_of(digest, len), &text);
    assert(text.len == WEBSOCKET_ACCEPT_SIZE - 1);
    memcpy(ret_accept, buffer_text(&text), WEBSOCKET_ACCEPT_SIZE);
}

bool websocket_is_request(const struct http_exchange *exchange)
{
    return slice_is(http_method(exchange), "GET") && http_wants_upgrade(exchange, "websocket") &&
           slice_is(http_header_find(exchange, "sec-websocket-version"), "13") &&
           http_header_find(exchange, "sec-websocket-key").len == 24;
}

bool websocket_next_protocol(const struct http_exchange *exchange, size_t *at,
                             struct slice *ret_protocol)
{
    /* All fields of the name count as one list (RFC 9110, section 5.3): *at counts through it. */
    size_t header_count = 0;
    const struct http_header *headers = http_headers(exchange, &header_count);
    size_t seen = 0;
    for (size_t i = 0; i < header_count; i++) {
        if (!http1_name_is(headers[i].name, "sec-websocket-protocol")) {
            continue;
        }
        struct slice list = headers[i].value;
        size_t start = 0;
        for (size_t k = 0; k <= list.len; k++) {
            if (k < list.len && list.data[k] != ',') {
                continue;
            }
            size_t from = start;
            size_t to = k;
            start = k + 1;
            while (from < to && (list.data[from] == ' ' || list.data[from] == '\t')) {
                from++;
            }
            while (to > from && (list.data[to - 1] == ' ' || list.data[to - 1] == '\t')) {
                to--;
            }
            if (to > from && seen++ == *at) {
                *ret_protocol = slice_of(list.data + from, to - from);
                (*at)++;
                return true;
            }
        }
    }
    return false;
}

void websocket_make_key(char ret_key[25])
{
    uint8_t random[16];
    x509_random(random, sizeof(random));
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, 64);
    base64_encode(slice_of(random, sizeof(random)), &text);
    assert(text.len == 24);
    memcpy(ret_key, buffer_text(&text), 25);
}

int websocket_check_answer(const char *key, const struct http_header *headers, size_t header_count)
{
    char wanted[WEBSOCKET_ACCEPT_SIZE];
    websocket_accept_value(slice_text(key), wanted);
    for (size_t i = 0; i < header_count; i++) {
        if (http1_name_is(headers[i].name, "sec-websocket-accept")) {
            return slice_is(headers[i].value, wanted) ? 0 : -EPROTO;
        }
    }
    return -EPROTO;
}

/* ---- Life ---- */

static void websocket_free(struct websocket *websocket)
{
    websocket->magic = 0;
    websocket_decoder_release(&websocket->decoder);
    buffer_release(&websocket->held);
    buffer_release(&websocket->frame);
    free(websocket);
}

static void tell_end(struct websocket *websocket, unsigned code)
{
    if (!websocket->ended && !websocket->dead) {
        websocket->ended = true;
        websocket->events->on_end(websocket->data, code);
    }
}

static void send_frame(struct websocket *websocket, enum websocket_opcode opcode,
                       struct slice payload)
{
    uint8_t mask[4];
    if (websocket->is_client) {
        x509_random(mask, sizeof(mask));
    }
    buffer_clear(&websocket->frame);
    websocket_encode(&websocket->frame, opcode, payload, websocket->is_client ? mask : NULL);
    net_stream_write(websocket->stream, buffer_slice(&websocket->frame));
    if (websocket->frame.capacity > NET_READ_BYTES) {
        buffer_release(&websocket->frame); /* One large message must not cost its size for ever. */
    }
}

static void send_close(struct websocket *websocket, unsigned code, const char *reason)
{
    if (websocket->closing) {
        return;
    }
    websocket->closing = true;
    uint8_t payload[WEBSOCKET_CONTROL_BYTES_MAX];
    size_t len = 0;
    if (code != CLOSE_NONE && code != CLOSE_BROKEN) {
        struct slice text = slice_text(reason);
        text.len = text.len > sizeof(payload) - 2 ? sizeof(payload) - 2 : text.len;
        payload[0] = (uint8_t)(code >> 8);
        payload[1] = (uint8_t)code;
        if (text.len > 0) {
            memcpy(payload + 2, text.data, text.len);
        }
        len = 2 + text.len;
    }
    send_frame(websocket, WEBSOCKET_CLOSE, slice_of(payload, len));
}

/* ---- Receiving ---- */

/* One message. False when nothing more is to be read. */
static bool take_message(struct websocket *websocket, enum websocket_opcode opcode,
                         struct slice payload)
{
    switch (opcode) {
    case WEBSOCKET_PING:
        send_frame(websocket, WEBSOCKET_PONG, payload);
        return true;
    case WEBSOCKET_PONG:
        return true;
    case WEBSOCKET_CLOSE: {
        unsigned code =
            payload.len >= 2 ? (unsigned)payload.data[0] << 8 | payload.data[1] : CLOSE_NONE;
        send_close(websocket, code == CLOSE_NONE ? CLOSE_NORMAL : code, "");
        tell_end(websocket, code);
        return false;
    }
    case WEBSOCKET_CONTINUATION:
    case WEBSOCKET_TEXT:
    case WEBSOCKET_BINARY:
        break;
    }
    websocket->events->on_message(websocket->data, opcode, payload);
    return !websocket->dead && !websocket->ended;
}

/* Decodes `bytes`; what a pause leaves over is held. */
static void decode(struct websocket *websocket, struct slice bytes)
{
    bool more = true;
    while (more && !websocket->paused) {
        enum websocket_opcode opcode = WEBSOCKET_PONG;
        struct slice payload = {.len = 0};
        int status = websocket_decode(&websocket->decoder, &bytes, &opcode, &payload);
        if (status == 0) {
            return;
        }
        if (status < 0) {
            unsigned code = status == -EMSGSIZE ? 1009 : status == -EILSEQ ? 1007 : 1002;
            send_close(websocket, code, "");
            tell_end(websocket, code);
            return;
        }
        more = take_message(websocket, opcode, payload);
    }
    if (more) {
        buffer_append_slice(&websocket->held, bytes);
    }
}

static void on_read(void *data, struct slice bytes)
{
    struct websocket *websocket = websocket_from(data);
    if (websocket->ended) {
        return;
    }
    websocket->busy = true;
    if (websocket->held.len > 0) {
        CLEANUP(buffer_release) struct buffer joined = websocket->held;
        buffer_init(&websocket->held, websocket->held.max);
        buffer_append_slice(&joined, bytes);
        decode(websocket, buffer_slice(&joined));
    } else {
        decode(websocket, bytes);
    }
    websocket->busy = false;
    if (websocket->dead) {
        websocket_free(websocket);
    }
}

static void on_end(void *data, int status)
{
    (void)status;
    struct websocket *websocket = websocket_from(data);
    websocket->busy = true;
    tell_end(websocket, CLOSE_BROKEN);
    websocket->busy = false;
    if (websocket->dead) {
        websocket_free(websocket);
    }
}

static void on_drain(void *data)
{
    struct websocket *websocket = websocket_from(data);
    if (websocket->events->on_drain != NULL && !websocket->ended) {
        websocket->busy = true;
        websocket->events->on_drain(websocket->data);
        websocket->busy = false;
        if (websocket->dead) {
            websocket_free(websocket);
        }
    }
}

static const struct net_stream_events stream_events = {on_read, on_end, on_drain};

static struct websocket *websocket_new(struct net_stream *stream, bool is_client,
                                       const struct websocket_events *events, void *data)
{
    struct websocket *websocket = alloc_zeroed(sizeof(*websocket));
    websocket->magic = WEBSOCKET_MAGIC;
    websocket->stream = stream;
    websocket->events = events;
    websocket->data = data;
    websocket->is_client = is_client;
    websocket_decoder_init(&websocket->decoder, !is_client, WEBSOCKET_MESSAGE_BYTES_MAX);
    buffer_init(&websocket->held, 4 * NET_READ_BYTES);
    buffer_init(&websocket->frame, NET_WRITE_QUEUE_BYTES_MAX);
    net_stream_start(stream, &stream_events, websocket);
    return websocket;
}

int websocket_accept(struct http_exchange *exchange, const char *protocol,
                     const struct websocket_events *events, void *data,
                     struct websocket **ret_websocket)
{
    if (!websocket_is_request(exchange)) {
        return -EINVAL;
    }
    char accept[WEBSOCKET_ACCEPT_SIZE];
    websocket_accept_value(http_header_find(exchange, "sec-websocket-key"), accept);
    const struct http_header headers[] = {
        http_header("Sec-WebSocket-Accept", accept),
        http_header("Sec-WebSocket-Protocol", protocol),
    };
    struct net_stream *stream = NULL;
    int status = http_upgrade(exchange, "websocket", headers, protocol == NULL ? 1 : 2, &stream);
    if (status == 0) {
        *ret_websocket = websocket_new(stream, /* is_client= */ false, events, data);
    }
    return status;
}

struct websocket *websocket_new_client(struct net_stream *stream_consume,
                                       const struct websocket_events *events, void *data)
{
    return websocket_new(stream_consume, /* is_client= */ true, events, data);
}

size_t websocket_send(struct websocket *websocket, enum websocket_opcode opcode,
                      struct slice payload)
{
    assert(websocket->magic == WEBSOCKET_MAGIC && !websocket->dead);
    if (websocket->closing || websocket->ended) {
        return 0;
    }
    send_frame(websocket, opcode, payload);
    return net_stream_queued(websocket->stream);
}

void websocket_pause(struct websocket *websocket)
{
    websocket->paused = true;
    net_stream_pause(websocket->stream);
}

void websocket_resume(struct websocket *websocket)
{
    if (!websocket->paused || websocket->ended) {
        return;
    }
    websocket->paused = false;
    net_stream_resume(websocket->stream);
    if (websocket->held.len > 0) {
        net_stream_poke(websocket->stream); /* on_read() with nothing: what is held goes on. */
    }
}

void websocket_close(struct websocket *websocket, unsigned code, const char *reason)
{
    assert(websocket->magic == WEBSOCKET_MAGIC && !websocket->dead);
    send_close(websocket, code, reason);
    net_stream_finish(websocket->stream);
    websocket->dead = true;
    if (!websocket->busy) {
        websocket_free(websocket);
    }
}
