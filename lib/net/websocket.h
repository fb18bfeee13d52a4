/* WebSocket (RFC 6455): a pure frame codec, the handshake values, and a connection over a
 * net_stream for servers and clients. No extensions. */
#ifndef LIB_NET_WEBSOCKET_H
#define LIB_NET_WEBSOCKET_H
#include "lib/base/buffer.h"
#include "lib/net/http.h"

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

/* ---- Codec (pure) ---- */
/* Reassembles messages from bytes. Control frames come out as messages of their own. */
struct websocket_decoder {
    bool expect_mask; /* True at a server. */
    size_t message_max;
    struct buffer message; /* The fragments so far. */
    struct buffer control;
    uint8_t header[14];
    size_t header_len;
    uint64_t payload_left; /* Of the frame being read. */
    uint64_t payload_at;   /* Bytes of it already read: the mask's phase. */
    bool in_payload;
    bool fragmented; /* A message has begun and its FIN has not come. */
    enum websocket_opcode message_opcode;
};
void websocket_decoder_init(struct websocket_decoder *decoder, bool expect_mask,
                            size_t message_max);
void websocket_decoder_release(struct websocket_decoder *decoder);
/* Reads from *bytes (advancing it). 1: one message is in *ret_opcode and *ret_payload, borrowed
 * until the next call. 0: all read, no whole message. -EPROTO: close with 1002; -EMSGSIZE: 1009;
 * -EILSEQ: a text message that is not UTF-8: 1007. */
MUST_USE int websocket_decode(struct websocket_decoder *decoder, struct slice *bytes,
                              enum websocket_opcode *ret_opcode, struct slice *ret_payload);
/* Appends one whole frame. `mask` is NULL at a server, 4 random bytes at a client. */
void websocket_encode(struct buffer *out, enum websocket_opcode opcode, struct slice payload,
                      const uint8_t *mask);
/* Appends its beginning: the mask, if it is masked, and `len` bytes of payload are to follow. */
void websocket_encode_head(struct buffer *out, enum websocket_opcode opcode, size_t len,
                           bool masked);

/* ---- Handshake ---- */
enum { WEBSOCKET_ACCEPT_SIZE = 29 }; /* 28 characters and a NUL. */
/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2). */
void websocket_accept_value(struct slice key, char ret_accept[WEBSOCKET_ACCEPT_SIZE]);
/* True when the exchange is a well-formed WebSocket request (version 13, a key). */
bool websocket_is_request(const struct http_exchange *exchange);
/* Goes through the protocols that the client offers, in order: *at starts at 0. */
bool websocket_next_protocol(const struct http_exchange *exchange, size_t *at,
                             struct slice *ret_protocol);

/* ---- Connection ---- */
struct websocket;
struct websocket_events {
    void (*on_message)(void *data, enum websocket_opcode opcode, struct slice payload);
    void (*on_drain)(void *data); /* May be NULL. */
    /* Over: the peer closed (`code` of its close frame, 1005 without, 1006 when the connection
     * broke, or the one that we closed a faulty peer with). Once, last; the handle still needs
     * websocket_close(). */
    void (*on_end)(void *data, unsigned code);
};
/* Answers the exchange with 101 and the chosen sub-protocol (NULL for none). The caller owns
 * *ret_websocket: websocket_close(). Errors as http_upgrade(), and -EINVAL when the request is not
 * a WebSocket request. */
MUST_USE int websocket_accept(struct http_exchange *exchange, const char *protocol,
                              const struct websocket_events *events, void *data,
                              struct websocket **ret_websocket);
/* Takes over the stream of a client's upgrade (http_client.h, after its answer was checked with
 * websocket_check_answer). */
struct websocket *websocket_new_client(struct net_stream *stream_consume,
                                       const struct websocket_events *events, void *data);
/* Key for a request header: 24 characters and a NUL, from 16 random bytes. */
void websocket_make_key(char ret_key[25]);
/* 0, or -EPROTO when the server's answer does not fit the key. */
MUST_USE int websocket_check_answer(const char *key, const struct http_header *headers,
                                    size_t header_count);
/* Sends one message; returns the bytes queued: stop at NET_WRITE_HIGH_BYTES until on_drain. */
size_t websocket_send(struct websocket *websocket, enum websocket_opcode opcode,
                      struct slice payload);
void websocket_pause(struct websocket *websocket); /* No on_message until resumed. */
void websocket_resume(struct websocket *websocket);
/* Sends a close frame (if still possible), lets it drain, frees. No callback runs any more. */
void websocket_close(struct websocket *websocket, unsigned code, const char *reason);
#endif
