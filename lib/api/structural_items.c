/* Items of lists of custom objects: what makes an item what it is, and which one it was before. */
#include "lib/api/structural.h"
#include "lib/base/buffer.h"

const char *structural_text(struct arena *arena, const struct json_value *value)
{
    CLEANUP(buffer_release) struct buffer text = {0};
    buffer_init(&text, SIZE_MAX / 2);
    json_print(value, /* sorted= */ true, &text);
    return arena_text(arena, buffer_text(&text));
}

const struct json_value *structural_identity(struct arena *arena, const struct structural *list,
                                             const struct json_value *item)
{
    if (list->list != STRUCTURAL_LIST_MAP || item->type != JSON_OBJECT) {
        return item;
    }
    struct json_value *keys = json_new_object(arena);
    for (size_t k = 0; k < list->source->n_x_kubernetes_list_map_keys; k++) {
        const char *name = list->source->x_kubernetes_list_map_keys[k];
        struct json_value *value = json_get_text(item, name);
        if (value != NULL) {
            json_set_text(arena, keys, name, value);
        }
    }
    return keys;
}

struct structural_items structural_items_of(struct arena *arena, const struct structural *list,
                                            const struct json_value *old)
{
    struct structural_items items = {.arena = arena, .list = list};
    if (list->list != STRUCTURAL_LIST_MAP || old == NULL || old->type != JSON_ARRAY) {
        return items;
    }
    items.items = arena_array(arena, old->count, sizeof(*items.items));
    items.keys.arena = arena;
    for (size_t i = 0; i < old->count; i++) {
        const struct json_value *item = old->items[i];
        if (item->type == JSON_OBJECT &&
            text_set_add(&items.keys,
                         structural_text(arena, structural_identity(arena, list, item)))) {
            items.items[items.keys.count - 1] = item;
        }
    }
    return items;
}

const struct json_value *structural_items_find(const struct structural_items *items,
                                               const struct json_value *item)
{
    if (items->keys.count == 0 || item->type != JSON_OBJECT) {
        return NULL;
    }
    const char *key =
        structural_text(items->arena, structural_identity(items->arena, items->list, item));
    size_t place = text_set_place(&items->keys, key);
    return place < items->keys.count ? items->items[place] : NULL;
}
