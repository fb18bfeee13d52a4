/* The bytes of the log on disk, and how they are read back after a crash. Pure.
 *
 * A segment is a header (512 bytes), marks (7 slots of 512), then records from SEGMENT_HEAD on,
 * each aligned to 8. A record has its identity (index, term, chain) under a checksum of its own,
 * apart from that of its data, and the chain value binds it to everything before it. A mark says up
 * to where the log was durable when it was written: what is unreadable up to there is damage, what
 * is unreadable after it is a write that a crash cut off (Alagappan et al., "Protocol-Aware
 * Recovery for Consensus-Based Storage", FAST 2018). `epoch` counts truncations, so that leftovers
 * of a truncated tail prove nothing. */
#ifndef RAFT_LOG_FORMAT_H
#define RAFT_LOG_FORMAT_H
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "raft/entry.h"
#include "raft/trail.h"
#include <stdbool.h>

enum {
    SEGMENT_SECTOR = 512,
    SEGMENT_MARKS = 7,
    SEGMENT_HEAD = SEGMENT_SECTOR * (1 + SEGMENT_MARKS),
    RECORD_HEAD = 64,
};

struct segment_header {
    uint64_t cluster;
    uint64_t member;
    uint64_t epoch;
    struct raft_point previous; /* The entry before the first of this segment. */
};

struct segment_mark {
    uint64_t sequence;
    uint64_t epoch;
    struct raft_point durable;
};

void segment_header_encode(const struct segment_header *header, uint8_t *out /* SEGMENT_SECTOR */);
MUST_USE int segment_header_decode(struct slice bytes, struct segment_header *ret_header);
void segment_mark_encode(const struct segment_mark *mark, uint8_t *out /* SEGMENT_SECTOR */);
MUST_USE int segment_mark_decode(struct slice bytes, struct segment_mark *ret_mark);
size_t record_size(size_t data_len);
void record_encode(const struct raft_entry *entry, uint64_t epoch, uint64_t durable,
                   struct buffer *out);

struct segment_scan {
    struct segment_header header;
    struct segment_mark mark; /* The newest; sequence 0: none. */
    struct raft_point end;    /* Last good entry, or header.previous. */
    size_t end_offset;        /* Where the next record goes. */
    bool torn;                /* Bytes after end_offset are those of a write cut off. */
};

/* Reads a whole segment, giving each entry to `take` (which owns it; a negative return stops the
 * scan). `last`: this is the newest segment, whose tail may be torn. `end` is the entry with which
 * an older segment must finish, as the next one says. 0; -EBADMSG with what is damaged, and where,
 * in *reterr; or what `take` returned. */
MUST_USE int segment_scan(struct slice bytes, bool last, const struct raft_point *end,
                          int (*take)(void *data, struct raft_entry *entry, size_t offset),
                          void *data, struct segment_scan *ret_scan, struct error *reterr);
#endif
