/* A log entry, immutable and counted: the log, messages and disk writes share it. References are
 * not atomic: one loop only. Pure. */
#ifndef RAFT_ENTRY_H
#define RAFT_ENTRY_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"
#include <stdint.h>

enum raft_entry_kind {
    RAFT_ENTRY_COMMAND, /* For the FSM. */
    RAFT_ENTRY_NOOP,    /* First entry of a term. */
    RAFT_ENTRY_CONFIG,  /* A struct raft_members, encoded; in force once appended. */
    RAFT_ENTRY_KIND_COUNT
};

/* Memory of entries that come together: they go together, too, so that one allocation serves them
 * all. It lives until the last of them is released. */
struct raft_entry_block;

struct raft_entry {
    uint64_t index;
    uint64_t term;
    uint64_t chain; /* Hash over this entry and the chain value of the one before it. */
    struct raft_entry_block *block; /* NULL: it has memory of its own. */
    enum raft_entry_kind kind;
    uint32_t references;
    uint32_t len;
    uint8_t data[];
};

/* Room for `count` entries with `bytes` of data together. For entries to be made in it until it is
 * released, which leaves them be. */
MUST_USE struct raft_entry_block *raft_entry_block_new(size_t count, size_t bytes);
void raft_entry_block_release(struct raft_entry_block *block); /* NULL is a no-op. */

/* One reference, for the caller. `previous_chain` is that of entry index-1 (0 before the first). */
MUST_USE struct raft_entry *raft_entry_new(uint64_t index, uint64_t term, enum raft_entry_kind kind,
                                           uint64_t previous_chain, struct slice data);
/* The same in a block that has room for it. */
MUST_USE struct raft_entry *raft_entry_new_in(struct raft_entry_block *block, uint64_t index,
                                              uint64_t term, enum raft_entry_kind kind,
                                              uint64_t previous_chain, struct slice data);
struct raft_entry *raft_entry_ref(struct raft_entry *entry);
void raft_entry_unref(struct raft_entry *entry); /* NULL is a no-op. */
uint64_t raft_entry_chain(uint64_t previous_chain, uint64_t index, uint64_t term,
                          enum raft_entry_kind kind, struct slice data);
static inline struct slice raft_entry_data(const struct raft_entry *entry)
{
    return slice_of(entry->data, entry->len);
}
#endif
