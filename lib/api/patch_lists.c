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

size_t patch_list_find(const struct json_value *list, const char *merge_key,
                       const struct json_value *item)
{
    for (size_t i = 0; i < list->count; i++) {
        if (same(list->items[i], item, merge_key)) {
            return i;
        }
    }
    return PATCH_LIST_ABSENT;
}

bool patch_list_has_text(const struct json_value *list, struct slice text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->type == JSON_STRING && slice_equal(list->items[i]->text, text)) {
            return true;
        }
    }
    return false;
}

void patch_list_remove(struct json_value *list, const char *merge_key, const struct json_value *key)
{
    for (size_t i = 0; i < list->count;) {
        const struct json_value *item = list->items[i];
        const struct json_value *found =
            item->type == JSON_OBJECT ? json_get_text(item, merge_key) : NULL;
        if (found != NULL && json_equal(found, key)) {
            json_remove_at(list, i);
        } else {
            i++;
        }
    }
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
    for (size_t i = 0; i < list->count;) {
        if (patch_list_find(list, NULL, list->items[i]) < i) {
            json_remove_at(list, i);
        } else {
            i++;
        }
    }
    for (size_t i = 0; i < more->count; i++) {
        if (patch_list_find(list, NULL, more->items[i]) == PATCH_LIST_ABSENT) {
            json_append(arena, list, more->items[i]);
        }
    }
}

void patch_list_subtract(struct json_value *list, const struct json_value *less)
{
    for (size_t i = 0; i < list->count;) {
        if (patch_list_find(less, NULL, list->items[i]) != PATCH_LIST_ABSENT) {
            json_remove_at(list, i);
        } else {
            i++;
        }
    }
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
    for (size_t i = 0; i < order->count; i++) {
        size_t at = patch_list_find(merged, merge_key, order->items[i]);
        if (at != PATCH_LIST_ABSENT &&
            patch_list_find(items, merge_key, order->items[i]) == PATCH_LIST_ABSENT) {
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
    for (size_t i = 0; i < merged->count; i++) {
        if (patch_list_find(order, merge_key, merged->items[i]) == PATCH_LIST_ABSENT) {
            json_append(arena, others, merged->items[i]);
        }
    }
    size_t i = 0, j = 0;
    while (i < others->count || j < mine->count) {
        bool other_first = j == mine->count;
        if (i < others->count && j < mine->count) {
            size_t left = patch_list_find(before, merge_key, others->items[i]);
            size_t right = patch_list_find(before, merge_key, mine->items[j]);
            other_first = left != PATCH_LIST_ABSENT && right != PATCH_LIST_ABSENT && left < right;
        }
        json_append(arena, all, other_first ? others->items[i++] : mine->items[j++]);
    }
    return all;
}
