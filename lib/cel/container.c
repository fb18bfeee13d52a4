/* Lists and maps of values in an arena. Both grow at the end: a value is a prefix of a shared
 * store, so that a loop that collects does not copy what it has, and values stay constant all the
 * same. */
#include "lib/cel/value.h"

#include "lib/base/hash_map.h"
#include "lib/cel/unique.h"
#include <assert.h>

/* --- Lists -------------------------------------------------------------------------------------
 */

struct list_store {
    struct cel_value *items;
    size_t used, capacity;
};

struct list {
    struct list_store *store; /* NULL when the items are somebody else's. */
    const struct cel_value *items;
    size_t count;
};

static size_t list_size(const void *data)
{
    return ((const struct list *)data)->count;
}

static struct cel_value list_item(struct arena *arena, const void *data, size_t index)
{
    const struct list *list = data;
    (void)arena;
    assert(index < list->count);
    return list->items[index];
}

static const struct cel_list_view list_view = {.size = list_size, .item = list_item};

static struct cel_value list_new(struct arena *arena, struct list list)
{
    struct list *copy = arena_alloc(arena, sizeof(*copy));
    *copy = list;
    return cel_list(&list_view, copy);
}

struct cel_value cel_list_of(struct arena *arena, const struct cel_value *items, size_t count)
{
    return list_new(arena, (struct list){.items = items, .count = count});
}

static struct list_store *store_copy(struct arena *arena, const struct cel_value *list,
                                     size_t capacity)
{
    struct list_store *store = arena_alloc(arena, sizeof(*store));
    *store = (struct list_store){.used = cel_list_size(list), .capacity = capacity};
    store->items = arena_alloc(arena, capacity * sizeof(*store->items));
    for (size_t i = 0; i < store->used; i++) {
        store->items[i] = cel_list_item(arena, list, i);
    }
    return store;
}

struct cel_value cel_list_append(struct arena *arena, struct cel_value list, struct cel_value item)
{
    const struct list *old = list.list.view == &list_view ? list.list.data : NULL;
    size_t count = cel_list_size(&list);
    struct list_store *store = old == NULL ? NULL : old->store;
    if (store == NULL || store->used != count || store->used == store->capacity) {
        store = store_copy(arena, &list, count * 2 + 4);
    }
    store->items[store->used++] = item;
    return list_new(arena,
                    (struct list){.store = store, .items = store->items, .count = store->used});
}

struct cel_value cel_list_concat(struct arena *arena, struct cel_value a, struct cel_value b)
{
    size_t more = cel_list_size(&b);
    if (more == 0) {
        return a;
    }
    if (cel_is_unique(&a)) {
        return cel_unique_concat(arena, &a, &b);
    }
    if (cel_list_size(&a) == 0) {
        return b;
    }
    struct cel_value joined = a;
    for (size_t i = 0; i < more; i++) {
        joined = cel_list_append(arena, joined, cel_list_item(arena, &b, i));
    }
    return joined;
}

/* --- Maps --------------------------------------------------------------------------------------
 */

struct entry {
    struct cel_value key, value;
};

/* An index by hash (entry number plus one, 0 for none; linear probing) once there are many. */
struct map_store {
    struct entry *entries;
    size_t used, capacity;
    uint32_t *slots;
    size_t slot_count; /* A power of two, or 0. */
};

struct map {
    struct map_store *store;
    size_t count;
};

enum { MAP_INDEX_FROM = 16 };

/* Equal keys have equal hashes: every integral number counts as its value. */
static uint64_t key_hash(const struct cel_value *key)
{
    if (key->kind == CEL_STRING) {
        return hash_bytes(0, key->text);
    }
    uint64_t number = key->kind == CEL_BOOL  ? key->boolean
                      : key->kind == CEL_INT ? (uint64_t)key->integer
                                             : key->natural;
    return hash_bytes(key->kind == CEL_BOOL, slice_of(&number, sizeof(number)));
}

static void index_add(struct map_store *store, size_t number)
{
    size_t slot = (size_t)key_hash(&store->entries[number].key) & (store->slot_count - 1);
    while (store->slots[slot] != 0) {
        slot = (slot + 1) & (store->slot_count - 1);
    }
    store->slots[slot] = (uint32_t)number + 1;
}

static void index_build(struct arena *arena, struct map_store *store)
{
    store->slot_count = MAP_INDEX_FROM;
    while (store->slot_count < store->capacity * 2) {
        store->slot_count *= 2;
    }
    store->slots = arena_array(arena, store->slot_count, sizeof(*store->slots));
    for (size_t i = 0; i < store->used; i++) {
        index_add(store, i);
    }
}

static const double two_to_63 = 9223372036854775808.0, two_to_64 = 18446744073709551616.0;

/* A double that is an integer finds the integer's entry. */
static bool plain_key(const struct cel_value *key, struct cel_value *ret_key)
{
    *ret_key = *key;
    if (key->kind == CEL_DOUBLE) {
        if (key->real >= -two_to_63 && key->real < two_to_63 &&
            key->real == (double)(int64_t)key->real) {
            *ret_key = cel_int((int64_t)key->real);
        } else if (key->real >= 0 && key->real < two_to_64 &&
                   key->real == (double)(uint64_t)key->real) {
            *ret_key = cel_uint((uint64_t)key->real);
        }
    }
    return cel_is_key(ret_key);
}

static const struct entry *find_indexed(const struct map *map, const struct cel_value *key)
{
    const struct map_store *store = map->store;
    size_t slot = (size_t)key_hash(key) & (store->slot_count - 1);
    for (; store->slots[slot] != 0; slot = (slot + 1) & (store->slot_count - 1)) {
        size_t number = store->slots[slot] - 1;
        if (number < map->count && cel_equal(NULL, &store->entries[number].key, key)) {
            return &store->entries[number];
        }
    }
    return NULL;
}

static bool map_find(struct arena *arena, const void *data, const struct cel_value *key,
                     struct cel_value *ret_value)
{
    const struct map *map = data;
    const struct entry *found = NULL;
    struct cel_value plain;
    (void)arena;
    if (!plain_key(key, &plain)) {
        return false;
    }
    if (map->store->slot_count > 0) {
        found = find_indexed(map, &plain);
    }
    for (size_t i = 0; map->store->slot_count == 0 && i < map->count && found == NULL; i++) {
        const struct entry *entry = &map->store->entries[i];
        found = cel_equal(NULL, &entry->key, &plain) ? entry : NULL;
    }
    if (found != NULL) {
        *ret_value = found->value;
    }
    return found != NULL;
}

static size_t map_size(const void *data)
{
    return ((const struct map *)data)->count;
}

static void map_entry(struct arena *arena, const void *data, size_t index,
                      struct cel_value *ret_key, struct cel_value *ret_value)
{
    const struct map *map = data;
    (void)arena;
    assert(index < map->count);
    *ret_key = map->store->entries[index].key;
    *ret_value = map->store->entries[index].value;
}

static const struct cel_map_view map_view = {
    .size = map_size, .find = map_find, .entry = map_entry};

static struct cel_value map_new(struct arena *arena, struct map_store *store)
{
    struct map *map = arena_alloc(arena, sizeof(*map));
    *map = (struct map){.store = store, .count = store->used};
    return cel_map(&map_view, map);
}

struct cel_value cel_map_empty(struct arena *arena)
{
    return map_new(arena, arena_zeroed(arena, sizeof(struct map_store)));
}

static struct map_store *map_store_copy(struct arena *arena, const struct cel_value *map,
                                        size_t capacity)
{
    struct map_store *store = arena_zeroed(arena, sizeof(*store));
    store->used = cel_map_size(map);
    store->capacity = capacity;
    store->entries = arena_alloc(arena, capacity * sizeof(*store->entries));
    for (size_t i = 0; i < store->used; i++) {
        cel_map_entry(arena, map, i, &store->entries[i].key, &store->entries[i].value);
    }
    if (capacity >= MAP_INDEX_FROM) {
        index_build(arena, store);
    }
    return store;
}

struct cel_value cel_map_add(struct arena *arena, struct cel_value map, struct cel_value key,
                             struct cel_value value)
{
    const struct map *old = map.map.view == &map_view ? map.map.data : NULL;
    size_t count = cel_map_size(&map);
    struct map_store *store = old == NULL ? NULL : old->store;
    assert(cel_is_key(&key));
    if (store == NULL || store->used != count || store->used == store->capacity) {
        store = map_store_copy(arena, &map, count * 2 + 4);
    }
    store->entries[store->used++] = (struct entry){key, value};
    if (store->slot_count > 0) {
        index_add(store, store->used - 1);
    }
    return map_new(arena, store);
}
