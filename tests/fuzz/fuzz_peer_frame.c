/* Connections of peers: a greeting, then frames in pieces of any size; and who is told to be a
 * member. Any bytes are taken or refused; what is taken comes out as it went in. */
#include "raft/limits.h"
#include "raft/peer_frame.h"

#include <stdlib.h>

static void on_message(void *data, struct slice message)
{
    size_t *taken = data;
    uint64_t cluster_id = 0;
    struct raft_members members;
    *taken += PEER_FRAME_HEADER_BYTES + message.len;
    if (peer_members_read(message, &cluster_id, &members) == 0) {
        struct buffer again;
        buffer_init(&again, SIZE_MAX);
        peer_members_write(cluster_id, &members, &again);
        if (members.count > RAFT_MEMBERS_MAX || again.len != message.len) {
            abort();
        }
        buffer_release(&again);
    }
}

static void check_greeting(const uint8_t *data)
{
    struct peer_greeting greeting;
    uint8_t again[PEER_GREETING_BYTES];
    if (peer_greeting_read(data, &greeting) == 0) {
        peer_greeting_write(&greeting, again);
        if (memcmp(again, data, sizeof(again)) != 0) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= PEER_GREETING_BYTES) {
        return 0;
    }
    check_greeting(data);
    struct buffer before;
    size_t step = 1 + data[0];
    size_t taken = 0;
    int result = 0;
    size_t at = PEER_GREETING_BYTES;
    buffer_init(&before, 2 * (size_t)RAFT_MESSAGE_MAX);
    while (at < size && result == 0) {
        size_t len = size - at < step ? size - at : step;
        result = peer_frames_take(&before, slice_of(data + at, len), on_message, &taken);
        at += len;
    }
    if (result == 0 && taken + before.len != size - PEER_GREETING_BYTES) {
        abort();
    }
    buffer_release(&before);
    return 0;
}
