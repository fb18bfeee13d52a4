#include "lib/api/patch_lists.h"

static bool same(const struct json_value *a, const struct json_value *b, const char *merge_key)
{
    if (merge_key == NULL) {
        return json_equal(a, b);
    }
    const struct json_value *left = a->type == JSON_OBJECT ? json_get_text(a, merge_key) : NULL;
    const struct json_value *right = b->type == JSON_OBJECT ? json_get_text(b, merge_key) : NULL;
    return left != NULL && right != NULL && json_equal(left, right);
}

/* Equal for items that are the same; NULL for one without the merge key, which is like no other. */
static const char *text_of(struct arena *arena, const struct json_value *item,
                           const char *merge_key)
{
    CLEANUP(buffer_release) struct buffer text = {0};
    const struct json_value *value = item;
    int64_t number = 0;
    if (merge_key != NULL) {
        value = item->type == JSON_OBJECT ? json_get_text(item, merge_key) : NULL;
    }
    if (value == NULL) {
        return NULL;
    }
    if (value->type == JSON_NUMBER && json_int64(value, &number) == 0) {
        return arena_printf(arena, "%lld", (long long)number);
    }
    buffer_init(&text, SIZE_MAX / 2);
    json_print(value, /* sorted= */ true, &text);
    return arena_text(arena, buffer_text(&text));
}

struct patch_index patch_index_of(struct arena *arena, const struct json_value *list,
                                  const char *merge_key)
{
    return (struct patch_index){.arena = arena, .list = list, .merge_key = merge_key};
}

size_t patch_index_find(struct patch_index *index, const struct json_value *item)
{
    enum { SEARCHED_MAX = 16 }; /* Items that are looked at one by one. */
    const struct json_value *list = index->list;
    for (size_t i = 0; list->count <= SEARCHED_MAX && i < list->count; i++) {
        if (same(list->items[i], item, index->merge_key)) {
            return i;
        }
    }
    if (list->count <= SEARCHED_MAX) {
        return PATCH_LIST_ABSENT;
    }
    for (; index->count < list->count; index->count++) {
        const char *text = text_of(index->arena, list->items[index->count], index->merge_key);
        if (text != NULL) {
            name_index_add(&index->names, index->arena, slice_text(text), index->count);
        }
    }
    const char *wanted = text_of(index->arena, item, index->merge_key);
    if (wanted == NULL) {
        return PATCH_LIST_ABSENT;
    }
    for (struct name_search search = name_index_find(&index->names, slice_text(wanted));
         name_index_next(&search);) {
        if (same(list->items[search.place], item, index->merge_key)) {
            return search.place;
        }
    }
    return PATCH_LIST_ABSENT;
}

struct json_value *patch_list_clone(struct arena *arena, const struct json_value *list)
{
    struct json_value *clone = json_new_array(arena);
    for (size_t i = 0; i < list->count; i++) {
        json_append(arena, clone, list->items[i]);
    }
    return clone;
}

void patch_list_union(struct arena *arena, struct json_value *list, const struct json_value *more)
{
    struct json_value *all = json_new_array(arena);
    struct patch_index index = patch_index_of(arena, all, NULL);
    for (size_t i = 0; i < list->count + more->count; i++) {
        struct json_value *item = i < list->count ? list->items[i] : more->items[i - list->count];
        if (patch_index_find(&index, item) == PATCH_LIST_ABSENT) {
            json_append(arena, all, item);
        }
    }
    *list = *all;
}

void patch_list_subtract(struct arena *arena, struct json_value *list,
                         const struct json_value *less, const char *merge_key)
{
    struct json_value *left = json_new_array(arena);
    struct patch_index index = patch_index_of(arena, less, merge_key);
    for (size_t i = 0; i < list->count; i++) {
        if (patch_index_find(&index, list->items[i]) == PATCH_LIST_ABSENT) {
            json_append(arena, left, list->items[i]);
        }
    }
    *list = *left;
}

bool patch_list_agrees(const struct json_value *patch, const struct json_value *order,
                       const char *merge_key)
{
    size_t at = 0;
    for (size_t i = 0; i < patch->count; i++) {
        const struct json_value *item = patch->items[i];
        if (item->type == JSON_OBJECT && json_get_text(item, "$patch") != NULL) {
            continue;
        }
        while (at < order->count && !same(order->items[at], item, merge_key)) {
            at++;
        }
        if (at == order->count) {
            return false;
        }
    }
    return true;
}

/* Appends the items of `merged` that `order` names, in the order in which it does. */
static struct json_value *named(struct arena *arena, const struct json_value *merged,
                                const struct json_value *order, const char *merge_key)
{
    struct json_value *items = json_new_array(arena);
    struct patch_index all = patch_index_of(arena, merged, merge_key);
    struct patch_index taken = patch_index_of(arena, items, merge_key);
    for (size_t i = 0; i < order->count; i++) {
        size_t at = patch_index_find(&all, order->items[i]);
        if (at != PATCH_LIST_ABSENT &&
            patch_index_find(&taken, order->items[i]) == PATCH_LIST_ABSENT) {
            json_append(arena, items, merged->items[at]);
        }
    }
    return items;
}

struct json_value *patch_list_order(struct arena *arena, const struct json_value *merged,
                                    const struct json_value *order, const struct json_value *before,
                                    const char *merge_key)
{
    struct json_value *mine = named(arena, merged, order, merge_key);
    struct json_value *others = json_new_array(arena), *all = json_new_array(arena);
    struct patch_index ordered = patch_index_of(arena, order, merge_key);
    struct patch_index earlier = patch_index_of(arena, before, merge_key);
    for (size_t i = 0; i < merged->count; i++) {
        if (patch_index_find(&ordered, merged->items[i]) == PATCH_LIST_ABSENT) {
            json_append(arena, others, merged->items[i]);
        }
    }
    size_t i = 0, j = 0;
    while (i < others->count || j < mine->count) {
        bool other_first = j == mine->count;
        if (i < others->count && j < mine->count) {
            size_t left = patch_index_find(&earlier, others->items[i]);
            size_t right = patch_index_find(&earlier, mine->items[j]);
            other_first = left != PATCH_LIST_ABSENT && right != PATCH_LIST_ABSENT && left < right;
        }
        json_append(arena, all, other_first ? others->items[i++] : mine->items[j++]);
    }
    return all;
}
