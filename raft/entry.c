#include "raft/entry.h"

#include "lib/base/alloc.h"
#include "lib/base/digest.h"
#include "raft/limits.h"
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct raft_entry_block {
    size_t holders; /* Entries, and who makes them. */
    size_t used, size;
    _Alignas(struct raft_entry) uint8_t bytes[];
};

static size_t entry_size(size_t len)
{
    size_t unit = _Alignof(struct raft_entry);
    return (offsetof(struct raft_entry, data) + len + unit - 1) / unit * unit;
}

struct raft_entry_block *raft_entry_block_new(size_t count, size_t bytes)
{
    size_t size = count * entry_size(_Alignof(struct raft_entry) - 1) + bytes;
    struct raft_entry_block *block = alloc_bytes(sizeof(*block) + size);
    *block = (struct raft_entry_block){.holders = 1, .size = size};
    return block;
}

void raft_entry_block_release(struct raft_entry_block *block)
{
    if (block != NULL && --block->holders == 0) {
        free(block);
    }
}

static void *block_take(struct raft_entry_block *block, size_t size)
{
    assert(size <= block->size - block->used);
    void *memory = block->bytes + block->used;
    block->used += size;
    block->holders++;
    return memory;
}

struct raft_entry *raft_entry_new_in(struct raft_entry_block *block, uint64_t index, uint64_t term,
                                     enum raft_entry_kind kind, uint64_t previous_chain,
                                     struct slice data)
{
    assert(data.len <= RAFT_COMMAND_MAX);
    assert(index > 0);
    size_t size = entry_size(data.len);
    struct raft_entry *entry = block == NULL ? alloc_bytes(size) : block_take(block, size);
    entry->index = index;
    entry->term = term;
    entry->block = block;
    entry->kind = kind;
    entry->references = 1;
    entry->len = (uint32_t)data.len;
    if (data.len > 0) {
        memcpy(entry->data, data.data, data.len);
    }
    entry->chain = raft_entry_chain(previous_chain, index, term, kind, data);
    return entry;
}

struct raft_entry *raft_entry_new(uint64_t index, uint64_t term, enum raft_entry_kind kind,
                                  uint64_t previous_chain, struct slice data)
{
    return raft_entry_new_in(/* block= */ NULL, index, term, kind, previous_chain, data);
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
    if (--entry->references > 0) {
        return;
    }
    if (entry->block != NULL) {
        raft_entry_block_release(entry->block);
    } else {
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
