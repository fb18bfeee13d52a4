/* Every limit of raft/ in one place. Sizes are bytes unless the name says otherwise. */
#ifndef RAFT_LIMITS_H
#define RAFT_LIMITS_H

enum {
    RAFT_MEMBERS_MAX = 15,               /* Voters and learners together. */
    RAFT_LEARNERS_MAX = 1,               /* As etcd; those that join as voters do not count. */
    RAFT_LISTENERS_MAX = 4,              /* For changes of the members. */
    RAFT_NAME_MAX = 64,                  /* Bytes of a member's name. */
    RAFT_URL_MAX = 256,                  /* Bytes of a member's peer URLs. */
    RAFT_COMMAND_MAX = 2 * 1024 * 1024,  /* One command; the store's own limit is 1.5 MiB. */
    RAFT_FORWARD_MAX = 4 * 1024 * 1024,  /* A forwarded request or its reply. */
    RAFT_APPEND_ENTRIES_MAX = 1024,      /* Entries in one append message. */
    RAFT_APPEND_BYTES_MAX = 1024 * 1024, /* Entry bytes after which an append message is full. */
    RAFT_MESSAGE_MAX = 8 * 1024 * 1024,  /* One encoded message. */
    RAFT_INFLIGHT_MESSAGES_MAX = 128,    /* Append messages to one follower not yet answered. */
    RAFT_INFLIGHT_BYTES_MAX = 8 * 1024 * 1024,
    RAFT_READS_MAX = 65536,       /* Reads waiting for an index at one member. */
    RAFT_REMOTE_READS_MAX = 4096, /* Read batches that followers wait for at the leader. */
    RAFT_PROPOSALS_MAX = 65536,   /* Proposals not yet applied at one member. */
    RAFT_UNCOMMITTED_BYTES_MAX = 64 * 1024 * 1024, /* Leader refuses proposals beyond it. */
    RAFT_FORWARDS_MAX = 65536,                     /* Forwarded requests waiting for their reply. */
    RAFT_SNAPSHOT_CHUNK = 256 * 1024,              /* Snapshot bytes in one message. */
    RAFT_SEGMENT_DEFAULT = 64 * 1024 * 1024,
    RAFT_SNAPSHOT_ENTRIES_DEFAULT = 400000, /* So many are applied again in half a second. */
    RAFT_SNAPSHOT_CATCH_UP_DEFAULT = 5000,  /* Entries kept behind a snapshot for slow followers. */
    RAFT_LOG_MEMORY_DEFAULT = 16 * 1024 * 1024, /* Of entries applied; see raft/log_bounds.c. */
    RAFT_HELD_MESSAGES_MAX = 4096, /* Messages waiting for term and vote to be durable. */
    RAFT_PEER_QUEUE_BYTES_MAX = 16 * 1024 * 1024, /* Transport: bytes queued to one peer. */
    RAFT_SMALL_PROPOSAL = 512, /* Bytes: memory of those up to this is kept for the next, ... */
    RAFT_SPARE_MAX = 512,      /* ... of so many at most; of reads and forwarded requests, too. */
    RAFT_PATH_MAX = 4096,
};
#endif
