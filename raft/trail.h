/* The part of the log held in memory: the entries after `base`, the last one that a snapshot (or
 * the beginning) stands for. Holds one reference to each entry. Pure. */
#ifndef RAFT_TRAIL_H
#define RAFT_TRAIL_H
#include "raft/entry.h"
#include <stdbool.h>
#include <stddef.h>

struct raft_point {
    uint64_t index;
    uint64_t term;
    uint64_t chain;
};

/* How far a log reached, for comparing as Raft's election rule does: by term, then by index. */
struct raft_floor {
    uint64_t term; /* 0 with index 0: none. */
    uint64_t index;
};

static inline bool raft_floor_above(struct raft_floor floor, uint64_t term, uint64_t index)
{
    return floor.term > term || (floor.term == term && floor.index > index);
}

static inline struct raft_floor raft_floor_max(struct raft_floor a, struct raft_floor b)
{
    return raft_floor_above(a, b.term, b.index) ? a : b;
}

/* What is promised of the files of the log, apart from them, so that their loss is noticed. */
struct raft_extent {
    uint64_t reached; /* Snapshot and log came at least to this index. */
    uint64_t segment; /* The segment whose first entry this is, or a later one, is there; 0: none
                         need be. */
};

struct raft_trail {
    struct raft_point base;    /* Index 0, term 0, chain 0 at the beginning of time. */
    struct raft_entry **items; /* items[(head + i) % capacity] is entry base.index + 1 + i. */
    size_t head;
    size_t count;
    size_t capacity;
    uint64_t bytes; /* Data bytes of the entries held. */
};

void raft_trail_init(struct raft_trail *trail, struct raft_point base);
void raft_trail_release(struct raft_trail *trail);
uint64_t raft_trail_last(const struct raft_trail *trail); /* Index of the last entry, or base. */
struct raft_point raft_trail_end(const struct raft_trail *trail);
/* Of base and of entries held. False when the index is not there. */
bool raft_trail_point(const struct raft_trail *trail, uint64_t index, struct raft_point *ret_point);
struct raft_entry *raft_trail_get(const struct raft_trail *trail, uint64_t index); /* Or NULL. */
void raft_trail_append(struct raft_trail *trail, struct raft_entry *entry_consume);
void raft_trail_truncate(struct raft_trail *trail, uint64_t from); /* Drops from.. to the end. */
void raft_trail_compact(struct raft_trail *trail, uint64_t to);    /* `to` becomes the base. */
void raft_trail_reset(struct raft_trail *trail, struct raft_point base); /* Drops everything. */
#endif
