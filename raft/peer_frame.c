#include "raft/peer_frame.h"

#include "raft/limits.h"
#include "raft/wire.h"
#include <assert.h>
#include <errno.h>

enum { MAGIC_BYTES = 8 };

static const char talk_magic[MAGIC_BYTES] = {'C', 'O', 'R', 'A', 'F', 'T', '0', '1'};
static const char ask_magic[MAGIC_BYTES] = {'C', 'O', 'R', 'A', 'S', 'K', '0', '1'};

void peer_greeting_write(const struct peer_greeting *greeting,
                         uint8_t ret_bytes[PEER_GREETING_BYTES])
{
    memcpy(ret_bytes, greeting->asks ? ask_magic : talk_magic, MAGIC_BYTES);
    wire_store(ret_bytes + 8, greeting->cluster_id, 8);
    wire_store(ret_bytes + 16, greeting->from, 8);
    wire_store(ret_bytes + 24, greeting->to, 8);
}

int peer_greeting_read(const uint8_t bytes[PEER_GREETING_BYTES], struct peer_greeting *ret_greeting)
{
    bool asks = memcmp(bytes, ask_magic, MAGIC_BYTES) == 0;
    struct wire_reader reader = {.left = slice_of(bytes, PEER_GREETING_BYTES)};
    if (!asks && memcmp(bytes, talk_magic, MAGIC_BYTES) != 0) {
        return -EPROTO;
    }
    (void)wire_bytes(&reader, MAGIC_BYTES);
    *ret_greeting = (struct peer_greeting){.asks = asks,
                                           .cluster_id = wire_u64(&reader),
                                           .from = wire_u64(&reader),
                                           .to = wire_u64(&reader)};
    return 0;
}

void peer_frame_header(size_t len, uint8_t ret_header[PEER_FRAME_HEADER_BYTES])
{
    assert(len <= RAFT_MESSAGE_MAX);
    wire_store(ret_header, len, PEER_FRAME_HEADER_BYTES);
}

/* How many bytes the whole ones took. */
static ssize_t take_whole(struct slice input, void (*each)(void *data, struct slice message),
                          void *data)
{
    size_t at = 0;
    while (input.len - at >= PEER_FRAME_HEADER_BYTES) {
        struct wire_reader reader = {.left = slice_of(input.data + at, input.len - at)};
        size_t len = wire_u32(&reader);
        if (len > RAFT_MESSAGE_MAX) {
            return -EMSGSIZE;
        }
        struct slice message = wire_bytes(&reader, len);
        if (reader.failed) {
            break;
        }
        each(data, message);
        at += PEER_FRAME_HEADER_BYTES + len;
    }
    return (ssize_t)at;
}

int peer_frames_take(struct buffer *before, struct slice bytes,
                     void (*each)(void *data, struct slice message), void *data)
{
    bool copied = before->len > 0;
    if (copied) {
        buffer_append_slice(before, bytes);
        bytes = buffer_slice(before);
    }
    ssize_t taken = take_whole(bytes, each, data);
    if (taken < 0) {
        return (int)taken;
    }
    if (copied) {
        buffer_consume(before, (size_t)taken);
    } else if ((size_t)taken < bytes.len) {
        buffer_append(before, bytes.data + taken, bytes.len - (size_t)taken);
    }
    return buffer_error(before);
}

void peer_members_write(uint64_t cluster_id, const struct raft_members *members, struct buffer *out)
{
    wire_put(out, cluster_id, 8);
    raft_members_encode(members, out);
}

int peer_members_read(struct slice message, uint64_t *ret_cluster_id,
                      struct raft_members *ret_members)
{
    struct wire_reader reader = {.left = message};
    uint64_t cluster_id = wire_u64(&reader);
    if (reader.failed || cluster_id == 0) {
        return -EBADMSG;
    }
    int result = raft_members_decode(reader.left, ret_members);
    if (result == 0) {
        *ret_cluster_id = cluster_id;
    }
    return result;
}
