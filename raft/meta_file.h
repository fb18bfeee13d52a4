/* What must never be forgotten, on disk: term and vote, how far the log came, whose they are and
 * the first configuration. Two equal copies, written one after the other, each with a checksum. A
 * crash tears at most the one being written, so the other always holds what was last promised. */
#ifndef RAFT_META_FILE_H
#define RAFT_META_FILE_H
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "raft/members.h"
#include "raft/trail.h"

enum { META_SLOT = 8192, META_SLOTS = 2 };

struct raft_meta {
    uint64_t cluster, member;
    uint64_t sequence;
    uint64_t term, vote;
    uint64_t incarnation;          /* Of this directory, made at random with it. */
    struct raft_extent extent;     /* What there is of the log. */
    struct raft_floor floor;       /* A repair is under way: so far the log had come. Or zeros. */
    struct raft_members bootstrap; /* In force before the first configuration entry. */
};

/* Pure: one slot's bytes. -EBADMSG when damaged. */
void raft_meta_encode(const struct raft_meta *meta, uint8_t *out /* META_SLOT */);
MUST_USE int raft_meta_decode(struct slice bytes, struct raft_meta *ret_meta);
/* The newest good copy of the file's bytes: its slot, or -EBADMSG when there is none. */
MUST_USE int raft_meta_choose(struct slice bytes, struct raft_meta *ret_meta);

struct meta_file {
    struct env *env;
    char *path, *dir;
    struct raft_meta meta; /* What is to be durable. */
    uint64_t durable;      /* Sequence known to be on disk. */
    uint64_t voted;        /* Sequence that brought the term and vote of `meta`. */
    int file;
    bool busy, second_due;
    void (*persisted)(void *data); /* More of what was set is durable. */
    void (*failed)(void *data, const char *what, int status);
    void *data;
};

/* Makes both copies on disk those of `meta`, and keeps the file open; then `done`. `newest_slot` is
 * what raft_meta_choose() gave for a file of full length, or -1: a new one is put in place. */
void meta_file_start(struct meta_file *file, int newest_slot, void (*done)(void *data, int status));
void meta_file_set(struct meta_file *file, uint64_t term, uint64_t vote);
void meta_file_set_extent(struct meta_file *file, struct raft_extent extent);
void meta_file_set_floor(struct meta_file *file, struct raft_floor floor);
bool meta_file_durable(const struct meta_file *file); /* Term and vote are. */
bool meta_file_settled(const struct meta_file *file); /* All is. */
#endif
