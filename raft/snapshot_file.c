#include "raft/snapshot_file.h"

#include "raft/wire.h"
#include <errno.h>

#define SNAPSHOT_MAGIC UINT64_C(0x3150414e53524f43)

enum { FRAME_HEAD = SNAPSHOT_CHUNK_HEAD, FRAME_MAX = RAFT_SNAPSHOT_CHUNK };

/* A frame: length, CRC-32C, bytes. The head is one frame, each chunk is one, the end is empty. */
void snapshot_seal_chunk(uint8_t head[SNAPSHOT_CHUNK_HEAD], struct slice chunk)
{
    wire_store(head, chunk.len, 4);
    wire_store(head + 4, crc32c(0x656e64, chunk), 4);
}

void snapshot_encode_chunk(struct slice chunk, struct buffer *out)
{
    uint8_t head[SNAPSHOT_CHUNK_HEAD];
    snapshot_seal_chunk(head, chunk);
    buffer_append(out, head, sizeof(head));
    buffer_append_slice(out, chunk);
}

void snapshot_encode_head(const struct snapshot_head *head, struct buffer *out)
{
    struct buffer frame;
    buffer_init(&frame, FRAME_MAX);
    const uint64_t values[] = {SNAPSHOT_MAGIC, head->cluster, head->point.index, head->point.term,
                               head->point.chain};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        wire_put(&frame, values[i], 8);
    }
    raft_members_encode(&head->members, &frame);
    snapshot_encode_chunk(buffer_slice(&frame), out);
    buffer_release(&frame);
}

static int decode_head(struct slice frame, struct snapshot_head *ret_head)
{
    struct wire_reader reader = {.left = frame};
    struct snapshot_head head = {0};
    uint64_t magic = wire_u64(&reader);
    head.cluster = wire_u64(&reader);
    head.point.index = wire_u64(&reader);
    head.point.term = wire_u64(&reader);
    head.point.chain = wire_u64(&reader);
    if (reader.failed || magic != SNAPSHOT_MAGIC ||
        raft_members_decode(reader.left, &head.members) < 0) {
        return -EBADMSG;
    }
    *ret_head = head;
    return 0;
}

void snapshot_reader_init(struct snapshot_reader *reader)
{
    *reader = (struct snapshot_reader){0};
    buffer_init(&reader->pending, 2 * (FRAME_MAX + FRAME_HEAD));
}

void snapshot_reader_release(struct snapshot_reader *reader)
{
    buffer_release(&reader->pending);
}

static int take_frame(struct snapshot_reader *reader, struct slice frame)
{
    if (reader->ended) {
        return -EBADMSG;
    }
    if (!reader->has_head) {
        int status = decode_head(frame, &reader->head);
        reader->has_head = status == 0;
        return status < 0 || reader->on_head == NULL ? status
                                                     : reader->on_head(reader->data, &reader->head);
    }
    reader->ended = frame.len == 0;
    return reader->ended || reader->on_chunk == NULL ? 0 : reader->on_chunk(reader->data, frame);
}

/* The frame at the front of `bytes`: its size, 0 when that is not all of it, or an error. */
static int64_t take_first(struct snapshot_reader *reader, struct slice bytes)
{
    struct wire_reader wire = {.left = bytes};
    uint32_t len = wire_u32(&wire);
    uint32_t crc = wire_u32(&wire);
    if (!wire.failed && len > FRAME_MAX) {
        return -EBADMSG;
    }
    struct slice frame = wire_bytes(&wire, len);
    if (wire.failed) {
        return 0;
    }
    int status = crc32c(0x656e64, frame) == crc ? take_frame(reader, frame) : -EBADMSG;
    return status < 0 ? status : (int64_t)(FRAME_HEAD + len);
}

/* Completes the frame that is pending, as far as `bytes` goes. */
static int64_t take_split(struct snapshot_reader *reader, struct slice bytes)
{
    struct wire_reader wire = {.left = buffer_slice(&reader->pending)};
    uint32_t len = wire_u32(&wire);
    size_t whole = wire.failed ? FRAME_HEAD : FRAME_HEAD + (size_t)len;
    if (whole > FRAME_HEAD + FRAME_MAX) {
        return -EBADMSG;
    }
    size_t lacks = whole > reader->pending.len ? whole - reader->pending.len : 0;
    size_t part = lacks < bytes.len ? lacks : bytes.len;
    buffer_append(&reader->pending, bytes.data, part);
    int64_t used = take_first(reader, buffer_slice(&reader->pending));
    if (used > 0) {
        buffer_clear(&reader->pending);
    }
    return used < 0 ? used : (int64_t)part;
}

int snapshot_reader_feed(struct snapshot_reader *reader, struct slice bytes)
{
    while (bytes.len > 0) {
        int64_t used =
            reader->pending.len > 0 ? take_split(reader, bytes) : take_first(reader, bytes);
        if (used < 0) {
            return (int)used;
        }
        if (used == 0) { /* Less than one frame is left. */
            buffer_append_slice(&reader->pending, bytes);
            used = (int64_t)bytes.len;
        }
        bytes = slice_of(bytes.data + used, bytes.len - (size_t)used);
    }
    return 0;
}

int snapshot_reader_finish(const struct snapshot_reader *reader)
{
    return reader->ended && reader->pending.len == 0 ? 0 : -EBADMSG;
}
