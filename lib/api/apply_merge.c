#include "lib/api/apply_merge.h"

#include "lib/api/apply_set.h"
#include "lib/api/status.h"

/* --- Merging -----------------------------------------------------------------------------------
 */

static struct json_value *merge_member(struct arena *arena, const struct apply_shape *shape,
                                       struct json_value *live, struct json_value *applied);

static struct json_value *merge_objects(struct arena *arena, const struct apply_shape *shape,
                                        const struct json_value *live,
                                        const struct json_value *applied)
{
    struct json_value *merged = json_new_object(arena);
    for (size_t i = 0; i < live->count; i++) {
        const struct json_member *member = &live->members[i];
        struct json_value *other = json_get(applied, member->name);
        struct apply_shape inner = apply_shape_of_member(shape, member->name);
        json_add_lent(arena, merged, member->name,
                      other == NULL ? member->value
                                    : merge_member(arena, &inner, member->value, other));
    }
    for (size_t i = 0; i < applied->count; i++) {
        const struct json_member *member = &applied->members[i];
        if (json_get(live, member->name) == NULL) {
            json_add_lent(arena, merged, member->name, member->value);
        }
    }
    return merged;
}

/* Two lists that become one. Items of the applied list that the live one has, too, are `shared`;
 * they decide where items that only the live list has come to stand. */
struct zip {
    struct arena *arena;
    struct apply_shape item;
    const struct json_value *live, *applied;
    struct apply_items left, right;
    size_t next;  /* Index in `applied` of the next shared item, or its count. */
    bool *merged; /* By index in `applied`. */
    struct json_value *out;
};

static void find_next_shared(struct zip *zip, size_t from)
{
    zip->next = from;
    while (zip->next < zip->right.count &&
           apply_items_count(&zip->left, zip->right.names[zip->next]) == 0) {
        zip->next++;
    }
}

/* Of live items that share a name none is merged: the applied one stands for all. */
static void take_applied(struct zip *zip, size_t at)
{
    const char *name = zip->right.names[at];
    struct json_value *live = apply_items_count(&zip->left, name) == 1
                                  ? zip->live->items[apply_items_first(&zip->left, name)]
                                  : NULL;
    json_append(zip->arena, zip->out,
                live == NULL ? zip->applied->items[at]
                             : merge_member(zip->arena, &zip->item, live, zip->applied->items[at]));
    zip->merged[at] = true;
    if (zip->next == at) {
        find_next_shared(zip, at + 1);
    }
}

/* Whether the applied list has the live item, too: its index there, or SIZE_MAX. */
static size_t place_of(const struct zip *zip, size_t left)
{
    const char *name = zip->left.names[left];
    return name == NULL || apply_items_count(&zip->right, name) == 0
               ? SIZE_MAX
               : apply_items_first(&zip->right, name);
}

static struct json_value *merge_lists(struct arena *arena, const struct apply_shape *shape,
                                      const struct json_value *live,
                                      const struct json_value *applied)
{
    struct zip zip = {.arena = arena,
                      .item = apply_shape_of_item(shape),
                      .live = live,
                      .applied = applied,
                      .left = apply_items_of(arena, shape, live),
                      .right = apply_items_of(arena, shape, applied),
                      .merged = arena_array(arena, applied->count, sizeof(bool)),
                      .out = json_new_array(arena)};
    find_next_shared(&zip, 0);
    for (size_t left = 0, right = 0; left < live->count || right < applied->count;) {
        size_t place = left < live->count ? place_of(&zip, left) : SIZE_MAX;
        bool both = left < live->count && right < applied->count;
        if (both && place == right) {
            take_applied(&zip, right++);
            left++;
        } else if (left < live->count && place == SIZE_MAX) {
            json_append(arena, zip.out, live->items[left++]);
        } else if (both && zip.next < applied->count && zip.next != place) {
            left++; /* Its turn is another one. */
        } else {
            left += left < live->count && zip.merged[place] ? 1 : 0;
            if (right < applied->count) {
                take_applied(&zip, right++);
            }
        }
    }
    return zip.out;
}

static bool is_container(enum json_type type, const struct json_value *value)
{
    return value->type == type || value->type == JSON_NULL;
}

static struct json_value *merge_member(struct arena *arena, const struct apply_shape *shape,
                                       struct json_value *live, struct json_value *applied)
{
    bool objects = apply_shape_has_members(shape) && is_container(JSON_OBJECT, live) &&
                   is_container(JSON_OBJECT, applied);
    bool lists = apply_shape_has_items(shape) && is_container(JSON_ARRAY, live) &&
                 is_container(JSON_ARRAY, applied);
    if ((!objects && !lists) || live->count == 0) {
        return applied;
    }
    if (applied->count == 0) {
        return live;
    }
    return objects ? merge_objects(arena, shape, live, applied)
                   : merge_lists(arena, shape, live, applied);
}

struct json_value *apply_merge(struct arena *arena, const struct apply_shape *root,
                               const struct json_value *live, const struct json_value *applied)
{
    return merge_objects(arena, root, live, applied);
}

/* --- Removal -----------------------------------------------------------------------------------
 */

static const struct json_value *field_of(struct arena *arena, const struct json_value *set,
                                         struct slice name)
{
    return json_get_text(set,
                         arena_printf(arena, "f:%.*s", (int)name.len, (const char *)name.data));
}

static bool has_inner(const struct json_value *node)
{
    return node->count > (json_get_text(node, APPLY_SELF) == NULL ? 0U : 1U);
}

static struct json_value *without_members(struct arena *arena, const struct apply_shape *shape,
                                          const struct json_value *object,
                                          const struct json_value *set)
{
    struct json_value *left = json_new_object(arena);
    for (size_t i = 0; i < object->count; i++) {
        const struct json_member *member = &object->members[i];
        const struct json_value *inner = field_of(arena, set, member->name);
        if (inner == NULL) {
            json_add_lent(arena, left, member->name, member->value);
        } else if (!apply_set_has_self(inner)) {
            struct apply_shape of = apply_shape_of_member(shape, member->name);
            struct json_value *value = apply_without(arena, &of, member->value, inner);
            if (value != NULL) {
                json_add_lent(arena, left, member->name, value);
            }
        }
    }
    return left;
}

static struct json_value *without_items(struct arena *arena, const struct apply_shape *shape,
                                        const struct json_value *list, const struct json_value *set)
{
    struct json_value *left = json_new_array(arena);
    struct apply_shape item = apply_shape_of_item(shape);
    for (size_t i = 0; i < list->count; i++) {
        const char *name = apply_item_name(arena, shape, list->items[i]);
        const struct json_value *inner = name == NULL ? NULL : json_get_text(set, name);
        struct json_value *value = inner == NULL ? list->items[i]
                                   : apply_set_has_self(inner)
                                       ? NULL
                                       : apply_without(arena, &item, list->items[i], inner);
        if (value != NULL) {
            json_append(arena, left, value);
        }
    }
    return left;
}

struct json_value *apply_without(struct arena *arena, const struct apply_shape *shape,
                                 struct json_value *value, const struct json_value *set)
{
    bool object = value->type == JSON_OBJECT, list = value->type == JSON_ARRAY;
    struct json_value *left = value;
    if (!has_inner(set) || (!object && !list)) {
        return value;
    }
    if (object && apply_shape_has_members(shape)) {
        left = without_members(arena, shape, value, set);
    } else if (list && apply_shape_has_items(shape)) {
        left = without_items(arena, shape, value, set);
    }
    return left->count == 0 ? NULL : left;
}

const char *apply_key_text(struct arena *arena, const char *key_json)
{
    struct json_value *keys = NULL;
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    if (json_parse(arena, slice_text(key_json), &keys, NULL) != 0 || keys->type != JSON_OBJECT) {
        return key_json;
    }
    for (size_t i = 0; i < keys->count; i++) {
        buffer_append_text(&text, i == 0 ? "" : ",");
        buffer_append_slice(&text, keys->members[i].name);
        buffer_append_text(&text, "=");
        json_print(keys->members[i].value, /* sorted= */ false, &text);
    }
    return arena_text_n(arena, buffer_text(&text), text.len);
}

const char *apply_path_text(struct arena *arena, const struct api_path *path)
{
    return path == NULL ? "" : arena_printf(arena, ".%s", api_path_text(arena, path));
}
