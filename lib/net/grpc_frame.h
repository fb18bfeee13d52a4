/* gRPC's own framing inside of HTTP/2: length-prefixed messages, timeouts, status texts (gRPC over
 * HTTP/2 protocol description). Pure. Private to lib/net. */
#ifndef LIB_NET_GRPC_FRAME_H
#define LIB_NET_GRPC_FRAME_H
#include "lib/base/buffer.h"
#include "lib/base/slice.h"

enum { GRPC_PREFIX_SIZE = 5, GRPC_REFUSAL_TEXT_SIZE = 96 };

/* Cuts a byte stream into messages. */
struct grpc_deframer {
    struct buffer pending; /* An incomplete message with its prefix, and what came behind. */
    size_t taken;          /* Bytes of `pending` that went out as the last message. */
    struct slice lent;     /* Bytes not copied yet: only while `pending` is empty. */
    size_t message_max;
    size_t refused; /* Length of the message that was too large. */
    uint8_t flag;   /* Of the message that was no plain one. */
};
void grpc_deframer_init(struct grpc_deframer *deframer, size_t message_max);
void grpc_deframer_release(struct grpc_deframer *deframer);
void grpc_deframer_wipe(struct grpc_deframer *deframer); /* Overwrites what it has held. */
/* Adds bytes that came; then grpc_deframe() until it gives 0. -EMSGSIZE when far more came than a
 * message may hold. */
MUST_USE int grpc_deframer_feed(struct grpc_deframer *deframer, struct slice bytes);
/* The same without a copy: `bytes` are borrowed until grpc_deframer_keep(), which copies what then
 * is left of them and must be called before they go. Most calls are one message in one piece. */
MUST_USE int grpc_deframer_lend(struct grpc_deframer *deframer, struct slice bytes);
void grpc_deframer_keep(struct grpc_deframer *deframer);
/* 1 and the next message (borrowed until the next call); 0 when there is no whole one; -EMSGSIZE
 * (RESOURCE_EXHAUSTED); -EPROTO (INTERNAL: compressed without leave, or a reserved flag). */
MUST_USE int grpc_deframe(struct grpc_deframer *deframer, struct slice *ret_message);
/* What gRPC's own libraries say after -EMSGSIZE, and after -EPROTO. */
void grpc_too_large_text(const struct grpc_deframer *deframer,
                         char ret_text[GRPC_REFUSAL_TEXT_SIZE]);
void grpc_not_plain_text(const struct grpc_deframer *deframer,
                         char ret_text[GRPC_REFUSAL_TEXT_SIZE]);
bool grpc_deframer_empty(const struct grpc_deframer *deframer); /* No part of a message is left. */
void grpc_prefix(size_t message_len, uint8_t ret_prefix[GRPC_PREFIX_SIZE]);

/* "250m" to milliseconds, rounded up; -EINVAL. */
MUST_USE int grpc_timeout_parse(struct slice text, uint64_t *ret_ms);
/* grpc-message: percent-encoded, and back (broken escapes stay as they are). */
void grpc_message_encode(const char *message, struct buffer *out);
void grpc_message_decode(struct slice text, struct buffer *out);
#endif
