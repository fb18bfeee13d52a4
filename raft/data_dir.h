/* The directory of a member that does not run: whose it is, and making one that begins with a given
 * state. Blocking; for start-up and for tools, never on a loop that serves. With raft/raft.h and
 * raft/transport.h the only headers of raft/ that other folders include. */
#ifndef RAFT_DATA_DIR_H
#define RAFT_DATA_DIR_H
#include "lib/base/error.h"
#include "raft/raft.h"

struct raft_identity {
    uint64_t cluster_id, id;
    /* The first configuration of this directory; the log may hold later ones. */
    size_t member_count;
    struct raft_member_status members[RAFT_MEMBERS_MAX];
};

struct raft_members;
void raft_identity_fill(const struct raft_members *members, struct raft_identity *identity);

/* 0; -ENOENT when there is no member in `dir` yet; -EBADMSG when it cannot be told. */
MUST_USE int raft_data_dir_identity(const char *dir, struct raft_identity *ret_identity,
                                    struct error *reterr);

struct raft_data_dir {
    const char *dir; /* Absolute; made, and must not exist. */
    uint64_t cluster_id, id;
    const struct raft_peer *peers; /* This member among them. */
    size_t peer_count;
    uint64_t index, term; /* What the state stands for; not 0. */
    /* The state, as snapshot_read() of the FSM gave it: fills at most `len` bytes, 0 at the end. */
    size_t (*read)(void *data, uint8_t *buffer, size_t len);
    void *data;
};

/* For a member that has lost its quorum for good: gives the FSM every entry of the log that is
 * left, committed or not, because what is not known to be committed here may have been
 * acknowledged. From inside `opened` of raft_open(); only raft_get_status() and raft_close() may
 * follow. */
void raft_apply_whole_log(struct raft_node *node);

/* All or nothing: the directory has its name only once everything in it is on disk. -EEXIST, or
 * another errno, with the reason. */
MUST_USE int raft_data_dir_create(const struct raft_data_dir *config, struct error *reterr);
#endif
