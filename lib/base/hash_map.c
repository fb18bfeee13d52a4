#include "lib/base/hash_map.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>

/* Dense entries in insertion order, and an open-addressed index of entry numbers beside them. */
struct hash_entry {
    uint64_t hash;
    uint8_t *key; /* NULL once removed. */
    size_t key_len;
    void *value;
};

struct hash_map {
    uint64_t seed;
    struct hash_entry *entries;
    size_t entry_count; /* Used slots of `entries`, removed ones included. */
    size_t entry_capacity;
    size_t live_count;
    uint32_t *index;   /* Entry number + 1; 0 is empty. A removed entry keeps its place. */
    size_t index_size; /* A power of two, more than entry_count * 4 / 3. */
};

enum { HASH_INDEX_MIN = 16 };

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. */
uint64_t hash_bytes(uint64_t seed, struct slice bytes)
{
    uint64_t second = seed ^ UINT64_C(0x9e3779b97f4a7c15);
    uint64_t v[4] = {
        seed ^ UINT64_C(0x736f6d6570736575),
        second ^ UINT64_C(0x646f72616e646f6d),
        seed ^ UINT64_C(0x6c7967656e657261),
        second ^ UINT64_C(0x7465646279746573),
    };
    size_t at = 0;
    for (; bytes.len - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, bytes.data + at, 8);
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)bytes.len << 56;
    for (size_t i = 0; at + i < bytes.len; i++) {
        last |= (uint64_t)bytes.data[at + i] << (8 * i);
    }
    v[3] ^= last;
    sip_round(v);
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct hash_map *hash_map_new(uint64_t seed)
{
    struct hash_map *map = alloc_zeroed(sizeof(*map));
    map->seed = seed;
    return map;
}

void hash_map_clear(struct hash_map *map)
{
    for (size_t i = 0; i < map->entry_count; i++) {
        free(map->entries[i].key);
    }
    free(map->entries);
    free(map->index);
    *map = (struct hash_map){.seed = map->seed};
}

void hash_map_free(struct hash_map *map)
{
    if (map == NULL) {
        return;
    }
    hash_map_clear(map);
    free(map);
}

size_t hash_map_count(const struct hash_map *map)
{
    return map->live_count;
}

static void index_insert(struct hash_map *map, uint64_t hash, size_t entry)
{
    size_t slot = hash & (map->index_size - 1);
    while (map->index[slot] != 0) {
        slot = (slot + 1) & (map->index_size - 1);
    }
    map->index[slot] = (uint32_t)(entry + 1);
}

/* Drops removed entries and sizes the index for twice what is live. */
static void rebuild(struct hash_map *map)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->entry_count; i++) {
        if (map->entries[i].key != NULL) {
            map->entries[kept++] = map->entries[i];
        }
    }
    assert(kept == map->live_count);
    map->entry_count = kept;
    size_t size = HASH_INDEX_MIN;
    while (size < (kept + 1) * 4) {
        size *= 2;
    }
    free(map->index);
    map->index = alloc_array(size, sizeof(*map->index));
    map->index_size = size;
    map->entry_capacity = size / 2;
    map->entries = alloc_resize(map->entries, map->entry_capacity, sizeof(*map->entries));
    for (size_t i = 0; i < kept; i++) {
        index_insert(map, map->entries[i].hash, i);
    }
}

static struct hash_entry *find(const struct hash_map *map, struct slice key, uint64_t hash)
{
    if (map->index_size == 0) {
        return NULL;
    }
    size_t slot = hash & (map->index_size - 1);
    while (map->index[slot] != 0) {
        struct hash_entry *entry = &map->entries[map->index[slot] - 1];
        if (entry->key != NULL && entry->hash == hash &&
            slice_equal(slice_of(entry->key, entry->key_len), key)) {
            return entry;
        }
        slot = (slot + 1) & (map->index_size - 1);
    }
    return NULL;
}

void *hash_map_get(const struct hash_map *map, struct slice key)
{
    if (map->live_count == 0) {
        return NULL;
    }
    struct hash_entry *entry = find(map, key, hash_bytes(map->seed, key));
    return entry == NULL ? NULL : entry->value;
}

void *hash_map_set(struct hash_map *map, struct slice key, void *value)
{
    assert(value != NULL);
    uint64_t hash = hash_bytes(map->seed, key);
    struct hash_entry *entry = find(map, key, hash);
    if (entry != NULL) {
        void *old = entry->value;
        entry->value = value;
        return old;
    }
    if (map->entry_count == map->entry_capacity) {
        rebuild(map);
    }
    map->entries[map->entry_count] = (struct hash_entry){
        .hash = hash,
        .key = (uint8_t *)alloc_text_n((const char *)key.data, key.len),
        .key_len = key.len,
        .value = value,
    };
    index_insert(map, hash, map->entry_count++);
    map->live_count++;
    return NULL;
}

void *hash_map_remove(struct hash_map *map, struct slice key)
{
    if (map->live_count == 0) {
        return NULL;
    }
    struct hash_entry *entry = find(map, key, hash_bytes(map->seed, key));
    if (entry == NULL) {
        return NULL;
    }
    void *value = entry->value;
    free(entry->key);
    entry->key = NULL;
    entry->value = NULL;
    map->live_count--;
    return value;
}

bool hash_map_next(const struct hash_map *map, size_t *at, struct slice *ret_key, void **ret_value)
{
    while (*at < map->entry_count && map->entries[*at].key == NULL) {
        (*at)++;
    }
    if (*at >= map->entry_count) {
        return false;
    }
    const struct hash_entry *entry = &map->entries[(*at)++];
    if (ret_key != NULL) {
        *ret_key = slice_of(entry->key, entry->key_len);
    }
    if (ret_value != NULL) {
        *ret_value = entry->value;
    }
    return true;
}
