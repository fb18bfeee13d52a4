/* What members say to each other over a connection, in bytes: a greeting from who has dialled, then
 * messages with their lengths before them. Pure. */
#ifndef RAFT_PEER_FRAME_H
#define RAFT_PEER_FRAME_H
#include "lib/base/buffer.h"
#include "lib/base/compiler.h"
#include "raft/members.h"
#include <stdint.h>
#include <sys/types.h>

enum { PEER_GREETING_BYTES = 32, PEER_FRAME_HEADER_BYTES = 4 };

struct peer_greeting {
    /* Who dials is no member yet and wants to know who is. The other three are 0 then. */
    bool asks;
    uint64_t cluster_id, from, to;
};

void peer_greeting_write(const struct peer_greeting *greeting,
                         uint8_t ret_bytes[PEER_GREETING_BYTES]);
/* -EPROTO: it is none. */
MUST_USE int peer_greeting_read(const uint8_t bytes[PEER_GREETING_BYTES],
                                struct peer_greeting *ret_greeting);

/* `len` is at most RAFT_MESSAGE_MAX. */
void peer_frame_header(size_t len, uint8_t ret_header[PEER_FRAME_HEADER_BYTES]);
/* Hands out the whole messages in what came before and what has come now, and keeps the part of one
 * in `before`. -EMSGSIZE: a message would be too long. */
MUST_USE int peer_frames_take(struct buffer *before, struct slice bytes,
                              void (*each)(void *data, struct slice message), void *data);

/* The answer to who asks, a message of its own: the configuration in force. */
void peer_members_write(uint64_t cluster_id, const struct raft_members *members,
                        struct buffer *out);
/* -EBADMSG */
MUST_USE int peer_members_read(struct slice message, uint64_t *ret_cluster_id,
                               struct raft_members *ret_members);
#endif
