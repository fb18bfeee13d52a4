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
    uint64_t bytes; /* Reserved for the file before it got its name; 0: not known (old header). */
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
void record_store(const struct raft_entry *entry, uint64_t epoch, uint64_t durable,
                  uint8_t *out /* record_size() */);

/* Where a segment belongs, as far as that is known before it is read. */
struct segment_place {
    struct raft_point base;            /* The snapshot: entries up to it are not needed. */
    const struct raft_point *previous; /* With what the segment before ended; NULL: none. */
    uint64_t first;                    /* Index of its first entry, as its name says; 0: unknown. */
    uint64_t next; /* The same of the segment after it; 0: none. What was written from that index on
                      is what was left when the log was cut off there, and went on in the next. */
    uint64_t bytes; /* As in the header, in case that is damaged. */
    bool last;      /* The newest segment, whose tail may be torn. */
};

struct segment_scan {
    struct segment_header header;
    bool header_damaged;      /* `header` is then what follows from the place. */
    struct segment_mark mark; /* The newest; sequence 0: none. */
    uint64_t epoch;           /* The newest seen anywhere in it. */
    struct raft_point end;    /* Last good entry, or header.previous. */
    size_t end_offset;        /* Where the next record goes. */
    bool torn;       /* Of the newest: bytes after end_offset are those of a write cut off. */
    size_t torn_end; /* Behind the last byte of that. */
    struct raft_floor proven; /* Of the newest: durable up to here for certain. */
    bool damaged; /* Of the newest: what lies between `end` and `proven` is unreadable; */
    bool unclear; /* and what was written behind that may be so too. */
    bool cut;     /* The newest is shorter than it was made: what proves its end may be gone. */
};

/* Reads a whole segment, giving each entry to `take` (which owns it; a negative return stops the
 * scan). A damaged header is replaced by what `place` tells, if the records bear it out; damaged
 * entries up to the base are passed over. 0; -EBADMSG when the header is damaged and nothing is
 * known in its place; or what `take` returned. */
MUST_USE int segment_scan(struct slice bytes, const struct segment_place *place,
                          int (*take)(void *data, struct raft_entry *entry, size_t offset),
                          void *data, struct segment_scan *ret_scan);

/* What a segment that cannot be joined to the log proves to have been durable. False when more may
 * have been written to it than can be read. */
bool segment_proof(struct slice bytes, struct segment_mark *mark, struct raft_floor *ret_proven);
#endif
