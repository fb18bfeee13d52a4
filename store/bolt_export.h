/* A store's state as the buckets of an etcd 3.4 database (etcd's mvcc, lease and membership
 * packages say what stands in them), so that etcd can go on from it. Pure. Making an export is the
 * store loop's and cheap: a view, and copies of what is small; the rest is any one thread's. */
#ifndef STORE_BOLT_EXPORT_H
#define STORE_BOLT_EXPORT_H
#include "store/bolt_writer.h"
#include "store/state.h"

struct bolt_export;

MUST_USE struct bolt_export *bolt_export_new(struct store_state *state);
void bolt_export_free(struct bolt_export *bolt_export); /* NULL is a no-op. */
/* One more entry of a bucket: alarm, auth, authRoles, authUsers, cluster, members, members_removed
 * or meta. Copied. Keys of one bucket must differ. Before bolt_export_writer(). */
void bolt_export_add(struct bolt_export *bolt_export, const char *bucket, struct slice key,
                     struct slice value);

struct bolt_member {
    uint64_t id;
    const char *name;
    const char *peer_urls, *client_urls; /* lib/base/url_list.h; NULL: it has not said. */
    bool learner;
};

void bolt_export_add_member(struct bolt_export *bolt_export, const struct bolt_member *member);
/* Orders the entries and plans the file: takes time by the size of the state, and 24 bytes of
 * memory for each version of a key. Borrowed until the export is freed. Once. */
MUST_USE struct bolt_writer *bolt_export_writer(struct bolt_export *bolt_export);
#endif
