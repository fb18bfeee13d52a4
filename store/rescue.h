/* Making the data of members that do not run: from a backup, and from what a member that lost its
 * quorum has left. Both give a new cluster, whose id no old member has. Blocking; for tools. */
#ifndef STORE_RESCUE_H
#define STORE_RESCUE_H
#include "lib/base/error.h"
#include "raft/data_dir.h"
#include "store/bolt_reader.h"
#include "store/store.h"

struct store_start {
    const char *dir; /* For raft/; must not exist. Absolute. */
    uint64_t cluster_id, id;
    const struct raft_peer *peers;
    size_t peer_count;
};

/* From an etcd database file, whose hash the caller has verified. -EBADMSG, -EEXIST and others with
 * the reason. */
MUST_USE int store_restore(const struct bolt_file *file, const struct store_start *start,
                           struct error *reterr);

/* Everything that the raft directory of a stopped member holds: the snapshot and the whole log. */
struct store_remains;
MUST_USE int store_remains_read(const char *dir, struct store_remains **ret_remains,
                                struct error *reterr);
void store_remains_free(struct store_remains *remains); /* NULL is a no-op. */
const struct raft_status *store_remains_status(const struct store_remains *remains);
/* Where the members said that they serve clients. */
const struct store_member_url *store_remains_urls(const struct store_remains *remains);
int64_t store_remains_revision(const struct store_remains *remains);
/* A cluster that begins with them. Leases stay, members and alarms do not. */
MUST_USE int store_remains_write(struct store_remains *remains, const struct store_start *start,
                                 struct error *reterr);
#endif
