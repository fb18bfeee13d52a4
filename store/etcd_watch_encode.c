#include "store/etcd_watch_encode.h"

#include "lib/base/alloc.h"
#include "lib/net/grpc_frame.h"
#include "store/etcd_watch.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    VARINT_BYTES_MAX = 10,
    TAG_HEADER = 0x0a,   /* Field 1, bytes. */
    TAG_WATCH_ID = 0x10, /* Field 2, a number. */
    TAG_FRAGMENT = 0x38, /* Field 7, a number. */
    TAG_EVENT = 0x5a,    /* Field 11, bytes. */
    HEADER_BYTES_MAX = 64,
    HEAD_BYTES_MAX = GRPC_PREFIX_SIZE + HEADER_BYTES_MAX + 2 * (1 + VARINT_BYTES_MAX),
    SHARED_BYTES = 16 * 1024, /* Events of this size are sent by reference, not copied. */
    PIECE_BYTES = 64 * 1024,  /* Handed over at once: what was just written is still in a cache. */
};

/* --- Bytes. */

static size_t put_varint(uint64_t value, uint8_t out[static VARINT_BYTES_MAX])
{
    size_t len = 0;
    for (; value >= 0x80; value >>= 7) {
        out[len++] = (uint8_t)(value | 0x80);
    }
    out[len++] = (uint8_t)value;
    return len;
}

static size_t field_size(const ProtobufCMessage *message)
{
    uint8_t varint[VARINT_BYTES_MAX];
    size_t len = protobuf_c_message_get_packed_size(message);
    return 1 + put_varint(len, varint) + len;
}

static size_t put_field(uint8_t tag, const ProtobufCMessage *message, uint8_t *out)
{
    uint8_t varint[VARINT_BYTES_MAX];
    size_t varint_len = put_varint(protobuf_c_message_get_packed_size(message), varint);
    out[0] = tag;
    memcpy(out + 1, varint, varint_len);
    return 1 + varint_len + protobuf_c_message_pack(message, out + 1 + varint_len);
}

/* --- Blocks. */

struct event_message {
    Mvccpb__Event event;
    Mvccpb__KeyValue kv, prev_kv;
};

static const ProtobufCMessage *event_message(const struct store_event *event, bool with_prev,
                                             struct event_message *ret_message)
{
    mvccpb__event__init(&ret_message->event);
    ret_message->event.type = event->kind == STORE_EVENT_PUT ? MVCCPB__EVENT__EVENT_TYPE__PUT
                                                             : MVCCPB__EVENT__EVENT_TYPE__DELETE;
    etcd_kv_message(event->kv, /* keys_only= */ false, &ret_message->kv);
    ret_message->event.kv = &ret_message->kv;
    if (with_prev && event->prev_kv != NULL) {
        etcd_kv_message(event->prev_kv, /* keys_only= */ false, &ret_message->prev_kv);
        ret_message->event.prev_kv = &ret_message->prev_kv;
    }
    return &ret_message->event.base;
}

static void block_free(struct chunk *chunk)
{
    free(CONTAINER_OF(chunk, struct watch_block, chunk));
}

/* With room behind it for `bytes`, which the caller lays out. */
static struct watch_block *block_new(size_t bytes)
{
    struct watch_block *block = alloc_bytes(sizeof(*block) + bytes);
    *block = (struct watch_block){.count = 0};
    chunk_init(&block->chunk, slice_of(NULL, 0), block_free);
    return block;
}

static struct watch_block *block_of_events(const struct etcd_header *header,
                                           const struct store_event *events, size_t count,
                                           bool with_prev)
{
    struct event_message message;
    Etcdserverpb__ResponseHeader header_message;
    etcd_fill_header(header, &header_message);
    size_t header_len = field_size(&header_message.base);
    assert(header_len <= HEADER_BYTES_MAX);
    size_t len = 0;
    for (size_t i = 0; i < count && len <= WATCH_OUTBOX_BYTES_MAX; i++) {
        len += field_size(event_message(&events[i], with_prev, &message));
    }
    if (len > WATCH_OUTBOX_BYTES_MAX) {
        return NULL;
    }
    struct watch_block *block = block_new(count * sizeof(size_t) + header_len + len);
    size_t *ends = (size_t *)block->memory;
    uint8_t *bytes = (uint8_t *)(ends + count);
    block->header = slice_of(bytes, put_field(TAG_HEADER, &header_message.base, bytes));
    bytes += header_len;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        at += put_field(TAG_EVENT, event_message(&events[i], with_prev, &message), bytes + at);
        ends[i] = at;
    }
    block->chunk.bytes = slice_of(bytes, len);
    block->count = count;
    block->ends = ends;
    return block;
}

struct watch_block *watch_block_of_answer(const struct etcd_header *header,
                                          Etcdserverpb__WatchResponse *response)
{
    Etcdserverpb__ResponseHeader message;
    etcd_fill_header(header, &message);
    response->header = &message;
    size_t len = protobuf_c_message_get_packed_size(&response->base);
    struct watch_block *block = block_new(GRPC_PREFIX_SIZE + len);
    uint8_t *bytes = (uint8_t *)block->memory;
    grpc_prefix(len, bytes);
    len = protobuf_c_message_pack(&response->base, bytes + GRPC_PREFIX_SIZE);
    block->chunk.bytes = slice_of(bytes, GRPC_PREFIX_SIZE + len);
    response->header = NULL; /* It was this call's. */
    return block;
}

/* --- The last block. */

void watch_encoder_init(struct watch_encoder *encoder)
{
    *encoder = (struct watch_encoder){.last = NULL};
}

void watch_encoder_forget(struct watch_encoder *encoder)
{
    if (encoder->last != NULL) {
        chunk_unref(&encoder->last->chunk);
        encoder->last = NULL;
    }
}

void watch_encoder_release(struct watch_encoder *encoder)
{
    watch_encoder_forget(encoder);
    free(encoder->events);
}

/* A version is immutable and has its revision for itself: the same pointers at the same revision
 * are the same bytes. */
struct watch_block *watch_encoder_find(const struct watch_encoder *encoder, int64_t revision,
                                       const struct store_event *events, size_t count,
                                       bool with_prev)
{
    struct watch_block *block = encoder->last;
    if (block == NULL || block->count != count || encoder->with_prev != with_prev ||
        encoder->revision != revision) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (encoder->events[i].kv != events[i].kv ||
            encoder->events[i].prev_kv != events[i].prev_kv) {
            return NULL;
        }
    }
    return block;
}

struct watch_block *watch_encoder_make(struct watch_encoder *encoder,
                                       const struct etcd_header *header,
                                       const struct store_event *events, size_t count,
                                       bool with_prev)
{
    watch_encoder_forget(encoder);
    encoder->last = block_of_events(header, events, count, with_prev);
    if (encoder->last == NULL) {
        return NULL;
    }
    if (count > encoder->capacity) {
        encoder->capacity = count;
        encoder->events = alloc_resize(encoder->events, count, sizeof(*encoder->events));
    }
    memcpy(encoder->events, events, count * sizeof(*events));
    encoder->revision = header->revision;
    encoder->with_prev = with_prev;
    return encoder->last;
}

/* --- Answers. */

void watch_outbox_open(struct watch_outbox *outbox, size_t expected)
{
    if (outbox->capacity < expected) {
        outbox->capacity = expected;
        outbox->watch_ids = alloc_resize(outbox->watch_ids, expected, sizeof(*outbox->watch_ids));
    }
}

/* The last run, if it is of these, or a new one. */
static struct watch_run *run_for(struct watch_outbox *outbox, struct watch_block *block,
                                 bool fragment)
{
    if (outbox->run_count > 0) {
        struct watch_run *last = &outbox->runs[outbox->run_count - 1];
        if (last->block == block && last->fragment == fragment) {
            return last;
        }
    }
    if (outbox->run_count == outbox->run_capacity) {
        outbox->run_capacity = outbox->run_capacity == 0 ? 4 : outbox->run_capacity * 2;
        outbox->runs = alloc_resize(outbox->runs, outbox->run_capacity, sizeof(*outbox->runs));
    }
    (void)chunk_ref(&block->chunk);
    struct watch_run *run = &outbox->runs[outbox->run_count++];
    *run = (struct watch_run){.block = block, .count = 0, .fragment = fragment};
    return run;
}

void watch_outbox_add(struct watch_outbox *outbox, struct watch_block *block, int64_t watch_id,
                      bool fragment)
{
    size_t bytes = block->header.len + block->chunk.bytes.len;
    if (outbox->overflowed || bytes > WATCH_OUTBOX_BYTES_MAX - outbox->bytes) {
        outbox->overflowed = true;
        return;
    }
    if (outbox->count == outbox->capacity) {
        watch_outbox_open(outbox, outbox->capacity == 0 ? 4 : outbox->capacity * 2);
    }
    run_for(outbox, block, fragment)->count++;
    outbox->watch_ids[outbox->count++] = watch_id;
    outbox->bytes += bytes;
}

void watch_outbox_release(struct watch_outbox *outbox)
{
    for (size_t i = 0; i < outbox->run_count; i++) {
        chunk_unref(&outbox->runs[i].block->chunk);
    }
    free(outbox->runs);
    free(outbox->watch_ids);
    *outbox = (struct watch_outbox){.runs = NULL};
}

/* --- Writing. */

struct writing {
    void (*write)(void *data, struct chunk *messages);
    void *data;
    struct buffer bytes; /* Not handed over yet. */
    size_t room;         /* To make for them at once: growing step by step copies. */
};

static void hand_over(struct writing *writing)
{
    if (writing->bytes.len > 0) {
        size_t len;
        uint8_t *bytes = buffer_take(&writing->bytes, &len);
        struct chunk *chunk = chunk_new_owned(bytes, len);
        writing->write(writing->data, chunk);
        chunk_unref(chunk);
    }
}

/* Room for so many bytes, of which less may be committed. */
static uint8_t *room_for(struct writing *writing, size_t bytes)
{
    if (writing->bytes.len > 0 && writing->bytes.len + bytes > writing->room) {
        hand_over(writing);
    }
    if (writing->bytes.capacity == 0) {
        (void)!buffer_reserve(&writing->bytes, writing->room);
    }
    return buffer_reserve(&writing->bytes, bytes);
}

/* What of an answer is not its events. The message will have `events_len` bytes of them. */
static uint8_t *put_head(uint8_t *at, struct slice header, int64_t watch_id, bool more,
                         size_t events_len)
{
    uint8_t *prefix = at;
    at += GRPC_PREFIX_SIZE;
    memcpy(at, header.data, header.len);
    at += header.len;
    if (watch_id != 0) {
        *at++ = TAG_WATCH_ID;
        at += put_varint((uint64_t)watch_id, at);
    }
    if (more) {
        *at++ = TAG_FRAGMENT;
        *at++ = 1;
    }
    grpc_prefix((size_t)(at - prefix) - GRPC_PREFIX_SIZE + events_len, prefix);
    return at;
}

/* One message with all these events, which are a block's or a part of it. */
static void write_copied(struct writing *writing, struct slice header, int64_t watch_id, bool more,
                         struct slice events)
{
    uint8_t *start = room_for(writing, HEAD_BYTES_MAX + events.len);
    uint8_t *at = put_head(start, header, watch_id, more, events.len);
    memcpy(at, events.data, events.len);
    buffer_commit(&writing->bytes, (size_t)(at - start) + events.len);
}

static void write_shared(struct writing *writing, struct watch_block *block, int64_t watch_id)
{
    uint8_t *start = room_for(writing, HEAD_BYTES_MAX);
    size_t events_len = block->chunk.bytes.len;
    uint8_t *at = put_head(start, block->header, watch_id, /* more= */ false, events_len);
    buffer_commit(&writing->bytes, (size_t)(at - start));
    hand_over(writing);
    writing->write(writing->data, &block->chunk);
}

static void write_fragments(struct writing *writing, const struct watch_block *block,
                            int64_t watch_id)
{
    struct slice events = block->chunk.bytes;
    size_t from = 0;
    for (size_t i = 1; i < block->count; i++) {
        if (block->ends[i] - from > WATCH_FRAGMENT_BYTES) {
            size_t to = block->ends[i - 1];
            write_copied(writing, block->header, watch_id, /* more= */ true,
                         slice_of(events.data + from, to - from));
            from = to;
        }
    }
    write_copied(writing, block->header, watch_id, /* more= */ false,
                 slice_of(events.data + from, events.len - from));
}

static void write_large(struct writing *writing, const struct watch_run *run,
                        const int64_t *watch_ids)
{
    for (size_t i = 0; i < run->count; i++) {
        if (run->fragment && run->block->chunk.bytes.len > WATCH_FRAGMENT_BYTES) {
            write_fragments(writing, run->block, watch_ids[i]);
        } else {
            write_shared(writing, run->block, watch_ids[i]);
        }
    }
}

static void write_answers(struct writing *writing, const struct watch_run *run)
{
    struct slice message = run->block->chunk.bytes;
    for (size_t i = 0; i < run->count; i++) {
        memcpy(room_for(writing, message.len), message.data, message.len);
        buffer_commit(&writing->bytes, message.len);
    }
}

/* How many runs from the first on go to the same watches, with few bytes together. */
static size_t count_alike(const struct watch_run *runs, size_t run_count, const int64_t *watch_ids)
{
    size_t alike = 1, bytes = runs[0].block->chunk.bytes.len, of_run = runs[0].count;
    for (; alike < run_count; alike++) {
        const struct watch_run *run = &runs[alike];
        bytes += run->block->chunk.bytes.len;
        if (run->block->count == 0 || run->count != of_run || bytes >= SHARED_BYTES ||
            memcmp(watch_ids, watch_ids + alike * of_run, of_run * sizeof(*watch_ids)) != 0) {
            break;
        }
    }
    return alike;
}

/* Small events. Those of several revisions go into one message of a watch, as in etcd for watches
 * that catch up: returns how many runs it has written. */
static size_t write_small(struct writing *writing, const struct watch_run *runs, size_t run_count,
                          const int64_t *watch_ids)
{
    uint8_t joined[SHARED_BYTES];
    size_t alike = count_alike(runs, run_count, watch_ids);
    /* Others count references in the same cache line: what is needed of it is read once. */
    struct slice header = runs[alike - 1].block->header;
    struct slice events = runs[0].block->chunk.bytes;
    if (alike > 1) {
        size_t len = 0;
        for (size_t i = 0; i < alike; i++) {
            struct slice more = runs[i].block->chunk.bytes;
            memcpy(joined + len, more.data, more.len);
            len += more.len;
        }
        events = slice_of(joined, len);
    }
    for (size_t i = 0; i < runs[0].count; i++) {
        write_copied(writing, header, watch_ids[i], /* more= */ false, events);
    }
    return alike;
}

/* Writes some of the runs; how many. */
static size_t write_runs(struct writing *writing, const struct watch_run *runs, size_t run_count,
                         const int64_t *watch_ids)
{
    const struct watch_block *block = runs[0].block;
    if (block->count > 0 && block->chunk.bytes.len < SHARED_BYTES) {
        return write_small(writing, runs, run_count, watch_ids);
    }
    if (block->count > 0) {
        write_large(writing, &runs[0], watch_ids);
    } else {
        write_answers(writing, &runs[0]);
    }
    return 1;
}

void watch_outbox_write(const struct watch_outbox *outbox,
                        void (*write)(void *data, struct chunk *messages), void *data)
{
    size_t about = outbox->bytes + outbox->count * HEAD_BYTES_MAX;
    struct writing writing = {
        .write = write, .data = data, .room = about < PIECE_BYTES ? about : PIECE_BYTES};
    const int64_t *watch_ids = outbox->watch_ids;
    buffer_init(&writing.bytes, SIZE_MAX); /* What is in the outbox has its limit. */
    for (size_t done = 0; done < outbox->run_count;) {
        const struct watch_run *runs = &outbox->runs[done];
        size_t written = write_runs(&writing, runs, outbox->run_count - done, watch_ids);
        done += written;
        watch_ids += written * runs[0].count;
    }
    hand_over(&writing);
    buffer_release(&writing.bytes);
}
