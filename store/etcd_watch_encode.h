/* Watch answers as bytes. The events of a revision are encoded once for all watches that get the
 * same of them; each answer refers to them, and is written out on its connection's loop, just
 * before it is sent. Reference: WatchResponse in etcd's rpc.proto. */
#ifndef STORE_ETCD_WATCH_ENCODE_H
#define STORE_ETCD_WATCH_ENCODE_H
#include "lib/net/chunk.h"
#include "store/etcd_private.h"

/* What answers share. Immutable; references are those of the chunk, on any thread. */
struct watch_block {
    struct chunk chunk;   /* Fields 11, or without `count` a whole gRPC message. */
    struct slice header;  /* Field 1. */
    size_t count;         /* Events. */
    const size_t *ends;   /* Of each event in the chunk. */
    max_align_t memory[]; /* Of all of the above. */
};

/* Remembers the last block, which most watches get. */
struct watch_encoder {
    struct watch_block *last;   /* A reference, or NULL. */
    struct store_event *events; /* What it is of: pointers only, never followed. */
    size_t capacity;
    int64_t revision;
    bool with_prev;
};

void watch_encoder_init(struct watch_encoder *encoder);
void watch_encoder_release(struct watch_encoder *encoder);
void watch_encoder_forget(struct watch_encoder *encoder); /* Before what it is of may go. */
/* The block for these events of a revision, if it was the last; NULL otherwise. Borrowed. */
struct watch_block *watch_encoder_find(const struct watch_encoder *encoder, int64_t revision,
                                       const struct store_event *events, size_t count,
                                       bool with_prev);
/* Makes it. Borrowed until the next call; NULL above WATCH_OUTBOX_BYTES_MAX. */
struct watch_block *watch_encoder_make(struct watch_encoder *encoder,
                                       const struct etcd_header *header,
                                       const struct store_event *events, size_t count,
                                       bool with_prev);
/* Any other answer, as a block of its own; its header is set here. */
MUST_USE struct watch_block *watch_block_of_answer(const struct etcd_header *header,
                                                   Etcdserverpb__WatchResponse *response);

/* Answers of one stream, in order: runs of those that share a block. */
struct watch_outbox {
    struct watch_run {
        struct watch_block *block; /* A reference. */
        size_t count;              /* Of answers. */
        bool fragment; /* They may be cut into messages of about WATCH_FRAGMENT_BYTES. */
    } * runs;
    int64_t *watch_ids; /* Of all the runs' answers. */
    size_t run_count, run_capacity, count, capacity;
    size_t bytes;    /* That they will be, but for what each has of its own. */
    bool overflowed; /* More than WATCH_OUTBOX_BYTES_MAX: not to be sent. */
};

/* Makes room at once for as many answers as `expected`. */
void watch_outbox_open(struct watch_outbox *outbox, size_t expected);
void watch_outbox_add(struct watch_outbox *outbox, struct watch_block *block, int64_t watch_id,
                      bool fragment);
void watch_outbox_release(struct watch_outbox *outbox); /* Empties it. */
/* Writes all as whole gRPC messages, piece by piece; `write` borrows the chunk. What revisions in a
 * row have for the same watches goes into one message of each, if it is little. */
void watch_outbox_write(const struct watch_outbox *outbox,
                        void (*write)(void *data, struct chunk *messages), void *data);
#endif
