#include "lib/api/apply_merge.h"

static void merge_items(struct arena *arena, const struct apply_shape *shape,
                        struct json_value *live, const struct json_value *applied)
{
    for (size_t i = 0; i < applied->count; i++) {
        const char *name = apply_item_name(arena, shape, applied->items[i]);
        size_t at = name == NULL ? SIZE_MAX : apply_item_find(arena, shape, live, name);
        if (at == SIZE_MAX) {
            json_append(arena, live, json_copy(arena, applied->items[i]));
        } else if (shape->kind == APPLY_KEYED) {
            struct apply_shape item = apply_shape_of_item(shape);
            live->items[at] = apply_merge(arena, &item, live->items[at], applied->items[i]);
        }
    }
}

struct json_value *apply_merge(struct arena *arena, const struct apply_shape *shape,
                               struct json_value *live, const struct json_value *applied)
{
    bool list = shape->kind == APPLY_KEYED || shape->kind == APPLY_SET;
    bool object = shape->kind == APPLY_STRUCT || shape->kind == APPLY_MAP;
    if (live != NULL && list && live->type == JSON_ARRAY && applied->type == JSON_ARRAY) {
        merge_items(arena, shape, live, applied);
        return live;
    }
    if (live == NULL || !object || live->type != JSON_OBJECT || applied->type != JSON_OBJECT) {
        return json_copy(arena, applied);
    }
    for (size_t i = 0; i < applied->count; i++) {
        struct slice name = applied->members[i].name;
        struct apply_shape member = apply_shape_of_member(shape, name);
        json_set(arena, live, name,
                 apply_merge(arena, &member, json_get(live, name), applied->members[i].value));
    }
    return live;
}

static const struct json_value *inner(const struct json_value *set, struct slice name)
{
    return set == NULL ? NULL : json_get(set, name);
}

static void remove_item(struct arena *arena, const struct apply_shape *shape,
                        struct json_value *list, const struct json_member *dropped,
                        const struct json_value *others, const struct json_value *kept)
{
    size_t at = apply_item_find(arena, shape, list, (const char *)dropped->name.data);
    if (at == SIZE_MAX) {
        return;
    }
    if (others == NULL && kept == NULL) {
        json_remove_at(list, at);
    } else if (shape->kind == APPLY_KEYED) {
        struct apply_shape item = apply_shape_of_item(shape);
        apply_remove(arena, &item, list->items[at], dropped->value, others, kept);
    }
}

void apply_remove(struct arena *arena, const struct apply_shape *shape, struct json_value *object,
                  const struct json_value *dropped, const struct json_value *others,
                  const struct json_value *kept)
{
    for (size_t i = 0; i < dropped->count; i++) {
        const struct json_member *member = &dropped->members[i];
        const struct json_value *other = inner(others, member->name);
        const struct json_value *mine = inner(kept, member->name);
        if (member->name.len < 2) { /* "." goes with what it stands in. */
            continue;
        }
        if (object->type == JSON_ARRAY) {
            remove_item(arena, shape, object, member, other, mine);
            continue;
        }
        struct slice name = slice_of(member->name.data + 2, member->name.len - 2);
        struct json_value *value = object->type == JSON_OBJECT ? json_get(object, name) : NULL;
        if (value == NULL) {
            continue;
        }
        struct apply_shape shape_of_value = apply_shape_of_member(shape, name);
        if (member->value->count == 0) {
            if (other == NULL && mine == NULL) {
                (void)json_remove(object, name); /* It was found just now. */
            }
            continue;
        }
        apply_remove(arena, &shape_of_value, value, member->value, other, mine);
        if (value->count == 0 && other == NULL && mine == NULL) {
            (void)json_remove(object, name); /* As above. */
        }
    }
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
