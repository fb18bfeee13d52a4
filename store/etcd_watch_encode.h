/* Watch answers as they go over the wire: whole gRPC messages, made on the store loop. The events
 * of a revision are encoded once for all watches that get the same of them; what a watch costs is a
 * copy. Reference: WatchResponse in etcd's rpc.proto. */
#ifndef STORE_ETCD_WATCH_ENCODE_H
#define STORE_ETCD_WATCH_ENCODE_H
#include "lib/base/buffer.h"
#include "store/etcd_private.h"

/* The last events that were encoded. */
struct watch_encoder {
    struct buffer header;         /* Field 1. */
    struct buffer events;         /* Fields 11. */
    size_t *ends;                 /* Of each event in `events`. */
    struct store_event *identity; /* What they are of: pointers only, never followed. */
    size_t count, capacity;
    struct etcd_header of;
    bool with_prev;
};

void watch_encoder_init(struct watch_encoder *encoder);
void watch_encoder_release(struct watch_encoder *encoder);
/* Appends the message, or with `fragment` several of about WATCH_FRAGMENT_BYTES, for the events of
 * one revision. `out` may overflow. */
void watch_encode_events(struct watch_encoder *encoder, const struct etcd_header *header,
                         const struct store_event *events, size_t count, bool with_prev,
                         int64_t watch_id, bool fragment, struct buffer *out);
/* Appends any other answer; its header is set here. */
void watch_encode_answer(const struct etcd_header *header, Etcdserverpb__WatchResponse *response,
                         struct buffer *out);
#endif
