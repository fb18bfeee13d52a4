/* What the files of struct mvcc share: mvcc.c reads and writes, mvcc_trim.c compacts, mvcc_load.c
 * loads. Nobody else includes it. */
#ifndef STORE_MVCC_INTERNAL_H
#define STORE_MVCC_INTERNAL_H
#include "store/mvcc.h"

struct mvcc {
    struct cow_tree *keys; /* key -> newest version */
    int64_t revision;
    int64_t compact_revision;
    bool writing;
    int64_t next_revision;         /* Of the write under way. */
    uint32_t sub;                  /* Changes of the write under way. */
    uint64_t whole_hash;           /* Before the write under way. */
    struct store_snapshot *before; /* ... when it is to be seen meanwhile: mvcc_keep_view(). */
    struct mvcc_version **history; /* By revision, then sub; each holds a reference. */
    size_t history_start, history_end, history_capacity;
    uint64_t bytes;
    uint64_t versions;
    uint64_t hash;
    struct mvcc_version *loading;    /* Newest of the key that mvcc_load() is at; no place yet. */
    bool loading_last;               /* That key is above all that have theirs. */
    struct mvcc_version *dropped[2]; /* References that mvcc_trim() is letting go of. */
    size_t dropped_count;
    int64_t edge_revision; /* The compaction revision of which trim_edge() has done so many: */
    size_t edge_done;
};

/* One reference, for the caller. It lies in the memory of the kv if mvcc_kv_new() has made that. */
struct mvcc_version *mvcc_version_new(const struct store_kv *kv_consume, uint32_t sub,
                                      struct mvcc_version *older_consume);
/* The same kv on top of another chain. */
struct mvcc_version *mvcc_version_copy(const struct mvcc_version *version,
                                       struct mvcc_version *older_consume);
struct mvcc_version *mvcc_version_ref(struct mvcc_version *version);
void mvcc_version_unref(struct mvcc_version *version);
/* Frees at most this one: returns the reference to the older one that it held, or NULL. */
struct mvcc_version *mvcc_version_unref_one(struct mvcc_version *version);

void mvcc_history_push(struct mvcc *mvcc, struct mvcc_version *version_consume);
void mvcc_count(struct mvcc *mvcc, const struct store_kv *kv); /* One more version. */
#endif
