#include "lib/api/apply_difference.h"

#include "lib/api/apply_compare.h"
#include "lib/api/apply_set.h"
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/fields.h"
#include "lib/api/message_identical.h"
#include "lib/base/alloc.h"

static struct json_value *set_of_message(struct arena *arena, const struct api_message *table,
                                         const void *object);

/* The struct that holds the member, when JSON shows it; else NULL. (Inline structs are no pointers:
 * a decoded object has them all.) */
static const void *holder_of(const struct api_member *member, const void *object)
{
    const void *holder = object == NULL ? NULL : api_member_holder(member, object);
    return holder == NULL || api_json_omits(member->field, holder) ? NULL : holder;
}

/* --- What is new ------------------------------------------------------------------------------ */

static struct slice name_of(const struct api_field *field)
{
    return slice_of(field->name, field->name_len);
}

static void add_self(struct arena *arena, struct json_value *set)
{
    if (set->count > 0) {
        json_add(arena, set, slice_text(APPLY_SELF), json_new_object(arena));
    }
}

static struct json_value *set_of_map(struct arena *arena, const struct api_field *field,
                                     const void *object)
{
    CLEANUP(alloc_freep) void *copy = NULL;
    void **entries = api_map_sorted(field, object, &copy);
    size_t count = api_field_count(field, object);
    struct json_value *set = json_new_object(arena);
    for (size_t i = 0; i < count; i++) {
        const char *key = api_entry_key(field->entry, entries[i]);
        if (i + 1 == count || strcmp(key, api_entry_key(field->entry, entries[i + 1])) != 0) {
            apply_set_add_field(arena, set, slice_text(key), json_new_object(arena));
        }
    }
    add_self(arena, set);
    return set;
}

/* The members of an item that are its keys, as a tree. */
static struct json_value *keys_of_item(struct arena *arena, const struct api_field *list,
                                       const void *item)
{
    struct json_value *keys = json_new_object(arena);
    for (const char *const *key = list->rules->list_map_keys; *key != NULL; key++) {
        const struct api_member *member = api_message_member_text(list->message, *key);
        const void *holder = member == NULL ? NULL : holder_of(member, item);
        if (holder != NULL) {
            json_set_text(arena, keys, *key, api_field_to_json(arena, member->field, holder));
        }
    }
    return keys;
}

static struct json_value *set_of_keyed(struct arena *arena, const struct apply_shape *shape,
                                       const void *object)
{
    const struct api_field *field = shape->field;
    void *const *items = *(void *const *const *)api_field_at(field, object);
    struct json_value *set = json_new_object(arena);
    for (size_t i = 0; i < api_field_count(field, object); i++) {
        const char *name = apply_item_name(arena, shape, keys_of_item(arena, field, items[i]));
        if (name != NULL) {
            bool again = json_get_text(set, name) != NULL; /* Then they are one piece. */
            struct json_value *inner =
                again ? json_new_object(arena) : set_of_message(arena, field->message, items[i]);
            json_set_text(arena, set, name, apply_set_node(arena, inner, /* self= */ true));
        }
    }
    add_self(arena, set);
    return set;
}

static bool is_messages(const struct api_field *field)
{
    return field->type == API_OBJECT && !field->message->map_atomic;
}

static bool is_keyed_messages(const struct apply_shape *shape)
{
    return shape->kind == APPLY_KEYED && is_messages(shape->field);
}

/* The set of a field that is new. */
static struct json_value *set_of_field(struct arena *arena, const struct api_field *field,
                                       const void *object)
{
    const struct apply_shape shape = apply_shape_of_field(field);
    if (shape.kind == APPLY_LEAF) {
        return json_new_object(arena);
    }
    if (shape.kind == APPLY_STRUCT) {
        struct json_value *set =
            set_of_message(arena, shape.message, *(void *const *)api_field_at(field, object));
        add_self(arena, set);
        return set;
    }
    if (shape.kind == APPLY_MAP && !is_messages(field)) {
        return set_of_map(arena, field, object);
    }
    if (is_keyed_messages(&shape)) {
        return set_of_keyed(arena, &shape, object);
    }
    return apply_set_of_new(arena, &shape, api_field_to_json(arena, field, object));
}

static struct json_value *set_of_message(struct arena *arena, const struct api_message *table,
                                         const void *object)
{
    struct json_value *set = json_new_object(arena);
    for (size_t i = 0; i < table->member_count; i++) {
        const struct api_member *member = &table->members[i];
        const void *holder = holder_of(member, object);
        if (holder != NULL) {
            apply_set_add_field(arena, set, name_of(member->field),
                                set_of_field(arena, member->field, holder));
        }
    }
    return set;
}

/* --- What differs ------------------------------------------------------------------------------
 */

static void add_member(struct arena *arena, struct apply_difference *difference, struct slice name,
                       struct json_value *changed, struct json_value *gone)
{
    if (changed != NULL) {
        apply_set_add_field(arena, difference->changed, name, changed);
    }
    if (gone != NULL) {
        apply_set_add_field(arena, difference->gone, name, gone);
    }
}

/* Both values by way of trees, of which either may be NULL. */
static void compare_trees(struct arena *arena, const struct apply_shape *shape, struct slice name,
                          struct json_value *before, struct json_value *after,
                          struct apply_difference *difference)
{
    struct apply_difference inner = apply_compare_member(arena, shape, before, after);
    add_member(arena, difference, name, inner.changed, inner.gone);
}

static bool is_empty(const struct api_message *table, const void *object)
{
    for (size_t i = 0; i < table->member_count; i++) {
        if (holder_of(&table->members[i], object) != NULL) {
            return false;
        }
    }
    return true;
}

static void compare_messages(struct arena *arena, const struct api_message *table,
                             const void *before, const void *after,
                             struct apply_difference *difference);

/* A struct that both have, if only as JSON does: an object that is being made has an empty one for
 * what is not there. What empties it takes the struct itself away, too: that is for trees. */
static bool compare_structs(struct arena *arena, const struct api_field *field, const void *before,
                            const void *after, struct apply_difference *difference)
{
    const void *old = *(void *const *)api_field_at(field, before);
    const void *new = *(void *const *)api_field_at(field, after);
    if (new == NULL ||
        (is_empty(field->message, new) && (old == NULL || !is_empty(field->message, old)))) {
        return false;
    }
    struct apply_difference inner = {json_new_object(arena), json_new_object(arena)};
    compare_messages(arena, field->message, old, new, &inner);
    add_member(arena, difference, name_of(field), inner.changed->count == 0 ? NULL : inner.changed,
               inner.gone->count == 0 ? NULL : inner.gone);
    return true;
}

/* A list of items with keys that was empty, of which JSON shows null: its items are new, not the
 * list. */
static bool compare_new_items(struct arena *arena, const struct apply_shape *shape,
                              const void *before, const void *after,
                              struct apply_difference *difference)
{
    const struct api_field *field = shape->field;
    if (!is_keyed_messages(shape) || api_field_count(field, before) > 0 ||
        api_field_count(field, after) == 0) {
        return false;
    }
    struct json_value *set = set_of_keyed(arena, shape, after);
    (void)json_remove(set, slice_text(APPLY_SELF));
    add_member(arena, difference, name_of(field), set->count == 0 ? NULL : set, NULL);
    return true;
}

static void compare_member(struct arena *arena, const struct api_member *member, const void *before,
                           const void *after, struct apply_difference *difference)
{
    const struct api_field *field = member->field;
    const void *had = holder_of(member, before), *has = holder_of(member, after);
    if (had == NULL && has == NULL) {
        return;
    }
    if (had == NULL) {
        add_member(arena, difference, name_of(field), set_of_field(arena, field, has), NULL);
        return;
    }
    if (has == NULL) {
        add_member(arena, difference, name_of(field), NULL, set_of_field(arena, field, had));
        return;
    }
    const struct apply_shape shape = apply_shape_of_field(field);
    if (api_field_identical(field, had, has) ||
        (shape.kind == APPLY_STRUCT && compare_structs(arena, field, had, has, difference)) ||
        compare_new_items(arena, &shape, had, has, difference)) {
        return;
    }
    compare_trees(arena, &shape, name_of(field), api_field_to_json(arena, field, had),
                  api_field_to_json(arena, field, has), difference);
}

static void compare_messages(struct arena *arena, const struct api_message *table,
                             const void *before, const void *after,
                             struct apply_difference *difference)
{
    for (size_t i = 0; i < table->member_count; i++) {
        compare_member(arena, &table->members[i], before, after, difference);
    }
}

/* All that a custom resource has besides metadata is a tree already. */
static void compare_contents(struct arena *arena, const struct api_message *table,
                             const struct custom_object *before, const struct custom_object *after,
                             struct apply_difference *difference)
{
    const struct apply_shape root = apply_shape_of_message(table);
    for (size_t i = 0; i < after->content->count; i++) {
        const struct json_member *member = &after->content->members[i];
        struct json_value *old = json_get(before->content, member->name);
        if (old == NULL || !json_equal(old, member->value)) {
            const struct apply_shape shape = apply_shape_of_member(&root, member->name);
            compare_trees(arena, &shape, member->name, old, member->value, difference);
        }
    }
    for (size_t i = 0; i < before->content->count; i++) {
        const struct json_member *member = &before->content->members[i];
        if (json_get(after->content, member->name) == NULL) {
            const struct apply_shape shape = apply_shape_of_member(&root, member->name);
            compare_trees(arena, &shape, member->name, member->value, NULL, difference);
        }
    }
}

struct apply_difference apply_difference(struct arena *arena, const struct api_message *table,
                                         const void *before, const void *after)
{
    struct apply_difference difference = {json_new_object(arena), json_new_object(arena)};
    compare_messages(arena, table, before, after, &difference);
    if (table->custom != NULL) {
        compare_contents(arena, table, before, after, &difference);
    }
    return difference;
}
