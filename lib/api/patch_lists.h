/* List operations of strategic merge: find by merge key, unite, subtract, order. Internal to
 * lib/api. A merge key of NULL means that items are compared whole. */
#ifndef LIB_API_PATCH_LISTS_H
#define LIB_API_PATCH_LISTS_H
#include "lib/api/json_value.h"

#define PATCH_LIST_ABSENT SIZE_MAX

/* A list that is asked for many items, and to which more may be appended meanwhile; of those that
 * are there nothing may change that makes them equal to others. */
struct patch_index {
    struct arena *arena;
    const struct json_value *list;
    const char *merge_key;
    size_t count; /* Of its items that are known. */
    struct name_index names;
};
struct patch_index patch_index_of(struct arena *arena, const struct json_value *list,
                                  const char *merge_key);
/* The first item that equals `item` (in its merge key), or PATCH_LIST_ABSENT. */
size_t patch_index_find(struct patch_index *index, const struct json_value *item);
struct json_value *patch_list_clone(struct arena *arena, const struct json_value *list);
/* Adds the items of `more` that `list` lacks; drops duplicates in it. */
void patch_list_union(struct arena *arena, struct json_value *list, const struct json_value *more);
/* Takes out what equals an item of `less` (in its merge key). */
void patch_list_subtract(struct arena *arena, struct json_value *list,
                         const struct json_value *less, const char *merge_key);
/* Whether the items of `patch` (but for deletions) come in `order` in the same order. */
bool patch_list_agrees(const struct json_value *patch, const struct json_value *order,
                       const char *merge_key);
/* Items named by `order` in that order; the others keep the order of `before`; the two are merged
 * so that others stay before what they were before. */
struct json_value *patch_list_order(struct arena *arena, const struct json_value *merged,
                                    const struct json_value *order, const struct json_value *before,
                                    const char *merge_key);
#endif
