#include "store/etcd_watch_encode.h"

#include "lib/base/alloc.h"
#include "lib/net/grpc_frame.h"
#include "store/etcd_watch.h"
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES_MAX = 64,
    VARINT_BYTES_MAX = 10,
    TAG_HEADER = 0x0a,   /* Field 1, bytes. */
    TAG_WATCH_ID = 0x10, /* Field 2, a number. */
    TAG_FRAGMENT = 0x38, /* Field 7, a number. */
    TAG_EVENT = 0x5a,    /* Field 11, bytes. */
};

void watch_encoder_init(struct watch_encoder *encoder)
{
    *encoder = (struct watch_encoder){.count = 0};
    buffer_init(&encoder->header, HEADER_BYTES_MAX);
    buffer_init(&encoder->events, WATCH_OUTBOX_BYTES_MAX);
}

void watch_encoder_release(struct watch_encoder *encoder)
{
    buffer_release(&encoder->header);
    buffer_release(&encoder->events);
    free(encoder->ends);
    free(encoder->identity);
}

static size_t put_varint(uint64_t value, uint8_t out[static VARINT_BYTES_MAX])
{
    size_t len = 0;
    for (; value >= 0x80; value >>= 7) {
        out[len++] = (uint8_t)(value | 0x80);
    }
    out[len++] = (uint8_t)value;
    return len;
}

static void append_message(struct buffer *out, uint8_t tag, const ProtobufCMessage *message)
{
    uint8_t head[1 + VARINT_BYTES_MAX] = {tag};
    size_t len = protobuf_c_message_get_packed_size(message);
    buffer_append(out, head, 1 + put_varint(len, head + 1));
    uint8_t *space = buffer_reserve(out, len);
    if (space != NULL) {
        buffer_commit(out, protobuf_c_message_pack(message, space));
    }
}

static void encode_header(const struct etcd_header *of, struct buffer *out)
{
    Etcdserverpb__ResponseHeader header;
    etcd_fill_header(of, &header);
    buffer_clear(out);
    append_message(out, TAG_HEADER, &header.base);
}

static void encode_event(const struct store_event *event, bool with_prev, struct buffer *out)
{
    Mvccpb__Event message;
    Mvccpb__KeyValue kv, prev_kv;
    mvccpb__event__init(&message);
    message.type = event->kind == STORE_EVENT_PUT ? MVCCPB__EVENT__EVENT_TYPE__PUT
                                                  : MVCCPB__EVENT__EVENT_TYPE__DELETE;
    etcd_kv_message(event->kv, /* keys_only= */ false, &kv);
    message.kv = &kv;
    if (with_prev && event->prev_kv != NULL) {
        etcd_kv_message(event->prev_kv, /* keys_only= */ false, &prev_kv);
        message.prev_kv = &prev_kv;
    }
    append_message(out, TAG_EVENT, &message.base);
}

/* A version is immutable and has its revision for itself: the same pointers at the same revision
 * are the same bytes. */
static bool is_same(const struct watch_encoder *encoder, const struct etcd_header *header,
                    const struct store_event *events, size_t count, bool with_prev)
{
    if (encoder->count != count || encoder->with_prev != with_prev ||
        encoder->of.revision != header->revision || encoder->of.term != header->term) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (encoder->identity[i].kv != events[i].kv ||
            encoder->identity[i].prev_kv != events[i].prev_kv) {
            return false;
        }
    }
    return true;
}

static void encode(struct watch_encoder *encoder, const struct etcd_header *header,
                   const struct store_event *events, size_t count, bool with_prev)
{
    if (count > encoder->capacity) {
        encoder->capacity = count;
        encoder->ends = alloc_resize(encoder->ends, count, sizeof(*encoder->ends));
        encoder->identity = alloc_resize(encoder->identity, count, sizeof(*encoder->identity));
    }
    encode_header(header, &encoder->header);
    buffer_clear(&encoder->events);
    for (size_t i = 0; i < count; i++) {
        encode_event(&events[i], with_prev, &encoder->events);
        encoder->ends[i] = encoder->events.len;
        encoder->identity[i] = events[i];
    }
    encoder->of = *header;
    encoder->count = count;
    encoder->with_prev = with_prev;
}

/* One message with the events in [from, to) of the encoder's bytes. */
static void append_part(const struct watch_encoder *encoder, size_t from, size_t to,
                        int64_t watch_id, bool more, struct buffer *out)
{
    uint8_t fields[2 * (1 + VARINT_BYTES_MAX)];
    size_t fields_len = 0;
    if (watch_id != 0) {
        fields[fields_len++] = TAG_WATCH_ID;
        fields_len += put_varint((uint64_t)watch_id, fields + fields_len);
    }
    if (more) {
        fields[fields_len++] = TAG_FRAGMENT;
        fields[fields_len++] = 1;
    }
    size_t len = encoder->header.len + fields_len + (to - from);
    uint8_t *space = buffer_reserve(out, GRPC_PREFIX_SIZE + len);
    if (space == NULL) {
        return;
    }
    grpc_prefix(len, space);
    space += GRPC_PREFIX_SIZE;
    memcpy(space, encoder->header.data, encoder->header.len);
    space += encoder->header.len;
    memcpy(space, fields, fields_len);
    space += fields_len;
    if (to > from) {
        memcpy(space, encoder->events.data + from, to - from);
    }
    buffer_commit(out, GRPC_PREFIX_SIZE + len);
}

void watch_encode_events(struct watch_encoder *encoder, const struct etcd_header *header,
                         const struct store_event *events, size_t count, bool with_prev,
                         int64_t watch_id, bool fragment, struct buffer *out)
{
    if (!is_same(encoder, header, events, count, with_prev)) {
        encode(encoder, header, events, count, with_prev);
    }
    if (buffer_error(&encoder->events) != 0) {
        out->overflowed = true; /* More than any answer may hold. */
        return;
    }
    size_t from = 0;
    for (size_t i = 1; fragment && i < count; i++) {
        if (encoder->ends[i] - from > WATCH_FRAGMENT_BYTES) {
            append_part(encoder, from, encoder->ends[i - 1], watch_id, /* more= */ true, out);
            from = encoder->ends[i - 1];
        }
    }
    append_part(encoder, from, encoder->events.len, watch_id, /* more= */ false, out);
}

void watch_encode_answer(const struct etcd_header *header, Etcdserverpb__WatchResponse *response,
                         struct buffer *out)
{
    Etcdserverpb__ResponseHeader message;
    etcd_fill_header(header, &message);
    response->header = &message;
    size_t len = protobuf_c_message_get_packed_size(&response->base);
    uint8_t *space = buffer_reserve(out, GRPC_PREFIX_SIZE + len);
    if (space != NULL) {
        grpc_prefix(len, space);
        len = protobuf_c_message_pack(&response->base, space + GRPC_PREFIX_SIZE);
        buffer_commit(out, GRPC_PREFIX_SIZE + len);
    }
    response->header = NULL; /* It was this call's. */
}
