/* What members say to each other, and its encoding: a fixed little-endian head, then entries or
 * bytes. Decoding checks everything and allocates at most what the message's own length allows.
 * Pure. */
#ifndef RAFT_MESSAGE_H
#define RAFT_MESSAGE_H
#include "lib/base/buffer.h"
#include "raft/entry.h"
#include "raft/trail.h"

enum raft_message_kind {
    RAFT_PRE_VOTE = 1,    /* term wanted; last = the candidate's last entry */
    RAFT_PRE_VOTE_RESULT, /* term wanted when granted; reject */
    RAFT_VOTE,            /* as RAFT_PRE_VOTE; force: leadership was handed over */
    RAFT_VOTE_RESULT,
    RAFT_APPEND,        /* last = entry before the first; commit; entries; context = flight */
    RAFT_APPEND_RESULT, /* commit = match; reject: last.index = where to look next,
                         * last.chain = flight echoed, context = index of the entry before */
    RAFT_HEARTBEAT,     /* commit; context (never used twice in a term); last.index = sent */
    /* context echoed; commit = match; reject: something was lost; last.index: enum raft_news */
    RAFT_HEARTBEAT_RESULT,
    RAFT_READ,            /* context: the follower's attempt */
    RAFT_READ_RESULT,     /* context echoed; commit = read index; last = the leader's */
    RAFT_TIMEOUT_NOW,     /* stand for election at once */
    RAFT_SNAPSHOT,        /* last = what it stands for; context = offset; commit = file size */
    RAFT_SNAPSHOT_RESULT, /* last; context = offset wanted next; reject: what came is damaged */
    RAFT_FORWARD,         /* context = call of the sender; bytes */
    RAFT_FORWARD_RESULT,  /* context echoed; commit = -status; bytes */
    RAFT_REFUSED, /* context = enum raft_refusal; last.index = configuration it follows from,
                   * last.chain = incarnation that is meant */
    RAFT_MESSAGE_KIND_END
};

enum raft_news { RAFT_SHORT_OF_ROOM = 1 };

enum raft_refusal {
    RAFT_REFUSED_REMOVED = 1, /* The receiver is no member any more. */
    RAFT_REFUSED_LOST,        /* The receiver's data is not what the cluster knows of its id. */
};

struct raft_message {
    enum raft_message_kind kind;
    bool reject;
    bool force;
    uint64_t cluster;
    uint64_t from;
    uint64_t to;
    uint64_t term;
    uint64_t incarnation; /* Of the sender's data; 0: not told. */
    struct raft_point last;
    uint64_t commit;
    uint64_t context;
    struct raft_entry **entries; /* Counted; the array is heap memory. */
    size_t entry_count;
    struct slice bytes; /* Borrowed. */
};

void raft_message_release(struct raft_message *message);
void raft_message_encode(const struct raft_message *message, struct buffer *out);
/* Only the head: kind, flags and numbers, nothing to release. 0 or -EBADMSG. */
MUST_USE int raft_message_peek(struct slice input, struct raft_message *ret_head);
/* 0 with a message to release, whose `bytes` point into the input; or -EBADMSG. Entries are
 * consecutive from last.index + 1 on, their terms do not fall, their chain follows from last. */
MUST_USE int raft_message_decode(struct slice input, struct raft_message *ret_message);
#endif
