/* The state that an etcd database file holds (3.4 and later), or one written by bolt_export.h: keys
 * with all their versions and revisions, leases, compaction. Members and the index of the log are
 * not taken over: they belong to the cluster that the file comes from. Reads any bytes safely.
 * Pure. */
#ifndef STORE_BOLT_IMPORT_H
#define STORE_BOLT_IMPORT_H
#include "store/bolt_reader.h"
#include "store/state.h"

/* 0 with a state to release, which is the same for the same file wherever it is read; -EBADMSG for
 * a damaged file, -EMSGSIZE for a value larger than members send each other. */
MUST_USE int bolt_import(const struct bolt_file *file, struct store_state *ret_state,
                         struct error *reterr);

/* What `snapshot status` shows, by etcd's rules: every entry of every bucket is a key, the hash is
 * CRC-32C over names, keys and values, the revision is that of the newest version. */
struct bolt_figures {
    uint32_t hash;
    int64_t revision;
    uint64_t keys;
    uint64_t bytes; /* Pages in use. */
};
MUST_USE int bolt_read_figures(const struct bolt_file *file, struct bolt_figures *ret_figures,
                               struct error *reterr);
#endif
