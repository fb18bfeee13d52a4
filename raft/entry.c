#include "raft/entry.h"

#include "lib/base/alloc.h"
#include "lib/base/digest.h"
#include "raft/limits.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct raft_entry *raft_entry_new(uint64_t index, uint64_t term, enum raft_entry_kind kind,
                                  uint64_t previous_chain, struct slice data)
{
    assert(data.len <= RAFT_COMMAND_MAX);
    assert(index > 0);
    struct raft_entry *entry = alloc_bytes(sizeof(*entry) + data.len);
    entry->index = index;
    entry->term = term;
    entry->kind = kind;
    entry->references = 1;
    entry->len = (uint32_t)data.len;
    if (data.len > 0) {
        memcpy(entry->data, data.data, data.len);
    }
    entry->chain = raft_entry_chain(previous_chain, index, term, kind, data);
    return entry;
}

struct raft_entry *raft_entry_ref(struct raft_entry *entry)
{
    entry->references++;
    return entry;
}

void raft_entry_unref(struct raft_entry *entry)
{
    if (entry == NULL) {
        return;
    }
    assert(entry->references > 0);
    if (--entry->references == 0) {
        free(entry);
    }
}

uint64_t raft_entry_chain(uint64_t previous_chain, uint64_t index, uint64_t term,
                          enum raft_entry_kind kind, struct slice data)
{
    uint64_t identity[4] = {previous_chain, index, term, (uint64_t)kind};
    uint64_t seed = digest64(UINT64_C(0x636f7261636c6531), slice_of(identity, sizeof(identity)));
    return digest64(seed, data);
}
