/* An answer by messages of a WebSocket, over HTTP/1.1: the exchange goes on as any that is answered
 * piece by piece, but that each piece is a message, and that the client says when it leaves. */
#include "lib/base/alloc.h"
#include "lib/net/http_private.h"
#include "lib/net/limits.h"
#include "lib/net/stream_private.h"
#include "lib/net/websocket.h"
#include <errno.h>
#include <stdlib.h>

enum { CLOSE_NORMAL = 1000, CLOSE_PROTOCOL = 1002, CLOSE_NOT_UTF8 = 1007, CLOSE_TOO_BIG = 1009 };

struct http1_messages {
    struct websocket_decoder decoder;
    struct buffer frame; /* Heads, and answers to control frames, are composed here. */
    enum websocket_opcode opcode;
};

bool http_respond_messages(struct http_exchange *exchange, const char *protocol, bool text)
{
    if (!exchange->open || exchange->response != HTTP_NOTHING_SENT || http_version(exchange) != 1 ||
        !exchange->body_done || !websocket_is_request(exchange)) {
        return false;
    }
    char accept[WEBSOCKET_ACCEPT_SIZE];
    websocket_accept_value(http_header_find(exchange, "sec-websocket-key"), accept);
    const struct http_header headers[] = {
        http_header("Sec-WebSocket-Accept", accept),
        http_header("Sec-WebSocket-Protocol", protocol),
    };
    CLEANUP(buffer_release) struct buffer head;
    buffer_init(&head, HTTP_HEADERS_BYTES_MAX);
    http1_upgrade_head("websocket", headers, protocol == NULL ? 1 : 2, &head);
    struct http1_messages *messages = alloc_zeroed(sizeof(*messages));
    websocket_decoder_init(&messages->decoder, /* expect_mask= */ true,
                           WEBSOCKET_MESSAGE_BYTES_MAX);
    buffer_init(&messages->frame, 2 * WEBSOCKET_CONTROL_BYTES_MAX);
    messages->opcode = text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY;
    exchange->messages = messages;
    exchange->status = 101;
    exchange->response = HTTP_STARTED;
    exchange->sends_body = true;
    exchange->keep_alive = false;
    net_stream_write(exchange->connection->stream, buffer_slice(&head));
    http1_read_on(exchange);
    return true;
}

void http1_messages_free(struct http1_messages *messages)
{
    if (messages != NULL) {
        websocket_decoder_release(&messages->decoder);
        buffer_release(&messages->frame);
        free(messages);
    }
}

static void send_control(struct http_exchange *exchange, enum websocket_opcode opcode,
                         struct slice payload)
{
    struct buffer *frame = &exchange->messages->frame;
    buffer_clear(frame);
    websocket_encode(frame, opcode, payload, NULL);
    net_stream_write(exchange->connection->stream, buffer_slice(frame));
}

static void send_close(struct http_exchange *exchange, unsigned code)
{
    const uint8_t payload[] = {(uint8_t)(code >> 8), (uint8_t)code};
    send_control(exchange, WEBSOCKET_CLOSE, slice_of(payload, sizeof(payload)));
}

void http1_messages_send(struct http_exchange *exchange)
{
    struct http1_messages *messages = exchange->messages;
    struct net_stream *stream = exchange->connection->stream;
    if (exchange->out.bytes > 0) {
        buffer_clear(&messages->frame);
        websocket_encode_head(&messages->frame, messages->opcode, exchange->out.bytes,
                              /* masked= */ false);
        net_stream_write(stream, buffer_slice(&messages->frame));
        net_stream_write_queue(stream, &exchange->out);
    }
    if (exchange->response == HTTP_FINISHED) {
        send_close(exchange, CLOSE_NORMAL);
    }
}

/* The client is gone, or not to be listened to any more. */
static void leave(struct http_exchange *exchange, unsigned code)
{
    send_close(exchange, code);
    http_connection_close(exchange->connection, /* linger= */ true);
}

void http1_messages_read(struct http_exchange *exchange, struct slice bytes)
{
    http_exchange_ref(exchange);
    int status = 1;
    while (exchange->open && status != 0) {
        enum websocket_opcode opcode = WEBSOCKET_PONG;
        struct slice payload = {.len = 0};
        status = websocket_decode(&exchange->messages->decoder, &bytes, &opcode, &payload);
        if (status < 0) {
            leave(exchange, status == -EMSGSIZE ? CLOSE_TOO_BIG
                            : status == -EILSEQ ? CLOSE_NOT_UTF8
                                                : CLOSE_PROTOCOL);
        } else if (status == 1 && opcode == WEBSOCKET_CLOSE) {
            bool coded = payload.len >= 2;
            leave(exchange, coded ? (unsigned)payload.data[0] << 8 | payload.data[1]
                                  : (unsigned)CLOSE_NORMAL);
        } else if (status == 1 && opcode == WEBSOCKET_PING) {
            send_control(exchange, WEBSOCKET_PONG, payload);
        } /* Whatever else it sends has no meaning. */
    }
    http_exchange_unref(exchange);
}
