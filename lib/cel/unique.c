/* Lists in which order means nothing, as their view says: sets, and lists of objects with keys.
 * Items are found by the text of what tells them apart, so that long lists take no longer than they
 * should. */
#include "lib/cel/unique.h"

#include "lib/base/hash_map.h"

enum { IDENTITY_MAX = 16 * 1024 * 1024 };

/* Such a list made by an expression: items, and the view that they have from another one. */
struct unique {
    const struct cel_value *items;
    size_t count;
    const struct cel_list_view *like;
    const void *like_data;
};

static const struct cel_list_view unique_view;

/* Where the identities of the list's items come from. */
static const struct cel_list_view *origin(const struct cel_value *list, const void **ret_data)
{
    const struct unique *unique = list->list.data;
    bool made = list->list.view == &unique_view;
    *ret_data = made ? unique->like_data : list->list.data;
    return made ? unique->like : list->list.view;
}

/* What an index of the list knows: positions by identity, counted from 1. */
struct index {
    const struct cel_value *list;
    struct arena *arena;
    struct hash_map *positions;
    struct buffer key; /* Of the item that was looked for last. */
};

static void find_key(struct index *index, const struct cel_value *item)
{
    const void *data;
    const struct cel_list_view *view = origin(index->list, &data);
    buffer_clear(&index->key);
    view->identity(index->arena, data, item, &index->key);
}

/* 0 when no item of the list is the same. */
static size_t index_find(struct index *index, const struct cel_value *item)
{
    find_key(index, item);
    return (size_t)(uintptr_t)hash_map_get(index->positions, buffer_slice(&index->key));
}

/* The item that was looked for last is at `position`. */
static void index_add(struct index *index, size_t position)
{
    (void)hash_map_set(index->positions, buffer_slice(&index->key), (void *)(uintptr_t)position);
}

static void index_open(struct index *index, struct arena *arena, const struct cel_value *list)
{
    *index = (struct index){.list = list, .arena = arena, .positions = hash_map_new(0)};
    buffer_init(&index->key, IDENTITY_MAX);
    for (size_t i = 0; i < cel_list_size(list); i++) {
        struct cel_value item = cel_list_item(arena, list, i);
        find_key(index, &item);
        index_add(index, i + 1);
    }
}

static void index_close(struct index *index)
{
    hash_map_free(index->positions);
    buffer_release(&index->key);
}

bool cel_unique_equal(struct arena *arena, const struct cel_value *a, const struct cel_value *b)
{
    struct index index;
    size_t count = cel_list_size(a);
    bool same = count == cel_list_size(b);
    index_open(&index, arena, a);
    for (size_t i = 0; same && i < count; i++) {
        struct cel_value item = cel_list_item(arena, b, i);
        size_t at = index_find(&index, &item);
        struct cel_value other = at == 0 ? cel_null() : cel_list_item(arena, a, at - 1);
        same = at != 0 && cel_equal(arena, &other, &item);
    }
    index_close(&index);
    return same;
}

/* --- Sums --------------------------------------------------------------------------------------
 */

static size_t unique_size(const void *data)
{
    return ((const struct unique *)data)->count;
}

static struct cel_value unique_item(struct arena *arena, const void *data, size_t index)
{
    (void)arena;
    return ((const struct unique *)data)->items[index];
}

static void unique_identity(struct arena *arena, const void *data, const struct cel_value *item,
                            struct buffer *out)
{
    const struct unique *unique = data;
    unique->like->identity(arena, unique->like_data, item, out);
}

static const struct cel_list_view unique_view = {
    .size = unique_size, .item = unique_item, .identity = unique_identity};

struct cel_value cel_unique_concat(struct arena *arena, const struct cel_value *a,
                                   const struct cel_value *b)
{
    size_t count = cel_list_size(a), more = cel_list_size(b);
    struct index index;
    index_open(&index, arena, a);
    struct cel_value *items = arena_array(arena, count + more, sizeof(*items));
    struct unique *sum = arena_alloc(arena, sizeof(*sum));
    for (size_t i = 0; i < count; i++) {
        items[i] = cel_list_item(arena, a, i);
    }
    for (size_t i = 0; i < more; i++) {
        struct cel_value item = cel_list_item(arena, b, i);
        size_t at = index_find(&index, &item);
        if (at == 0) {
            at = ++count;
            index_add(&index, at);
        }
        items[at - 1] = item;
    }
    index_close(&index);
    *sum = (struct unique){.items = items, .count = count};
    sum->like = origin(a, &sum->like_data);
    return cel_list(&unique_view, sum);
}
