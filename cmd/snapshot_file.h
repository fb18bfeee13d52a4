/* A backup: an etcd database file with its SHA-256 behind it, mapped and checked. Blocking. */
#ifndef CMD_SNAPSHOT_FILE_H
#define CMD_SNAPSHOT_FILE_H
#include "store/bolt_reader.h"

struct snapshot_file {
    struct slice mapped;
    bool has_hash; /* The SHA-256 of what is before it stands at the end. */
    uint8_t hash[32];
    struct bolt_file bolt;
};

/* 0; -EBADMSG with what is wrong. With `skip_hash` a hash that is missing (a database file copied
 * out of a data directory) or wrong is no matter; its pages are still checked as they are read. */
MUST_USE int snapshot_file_open(const char *path, bool skip_hash, struct snapshot_file *ret_file,
                                struct error *reterr);
void snapshot_file_close(struct snapshot_file *file);
#endif
