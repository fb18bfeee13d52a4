#include "lib/api/apply_compare.h"

#include "lib/api/apply_set.h"

static bool is_members(const struct apply_shape *shape, const struct json_value *value)
{
    return apply_shape_has_members(shape) && value->type == JSON_OBJECT && value->count > 0;
}

static bool is_items(const struct apply_shape *shape, const struct json_value *value)
{
    return apply_shape_has_items(shape) && value->type == JSON_ARRAY && value->count > 0;
}

/* --- Of one value ------------------------------------------------------------------------------
 */

static struct json_value *set_of_value(struct arena *arena, const struct apply_shape *shape,
                                       const struct json_value *value);

/* An object that is empty, null, or an entry of a map counts itself; else what is in it does. */
static struct json_value *set_of_member(struct arena *arena, const struct apply_shape *shape,
                                        const struct json_value *value)
{
    bool piece = shape->kind == APPLY_LEAF ||
                 (value->type != JSON_OBJECT && value->type != JSON_ARRAY) ||
                 (value->type == JSON_ARRAY && !apply_shape_has_items(shape));
    bool empty = value->type == JSON_OBJECT && value->count == 0;
    return apply_set_node(arena, set_of_value(arena, shape, value), piece || empty || shape->entry);
}

static struct json_value *set_of_items(struct arena *arena, const struct apply_shape *shape,
                                       const struct json_value *list)
{
    struct json_value *set = json_new_object(arena);
    struct apply_items items = apply_items_of(arena, shape, list);
    struct apply_shape item = apply_shape_of_item(shape);
    for (size_t i = 0; i < items.count; i++) {
        const char *name = items.names[i];
        if (name != NULL && apply_items_first(&items, name) == i) {
            struct json_value *inner = apply_items_count(&items, name) > 1
                                           ? json_new_object(arena)
                                           : set_of_value(arena, &item, list->items[i]);
            json_add_lent(arena, set, slice_text(name), apply_set_node(arena, inner, true));
        }
    }
    return set;
}

static struct json_value *set_of_value(struct arena *arena, const struct apply_shape *shape,
                                       const struct json_value *value)
{
    if (is_items(shape, value)) {
        return set_of_items(arena, shape, value);
    }
    struct json_value *set = json_new_object(arena);
    for (size_t i = 0; is_members(shape, value) && i < value->count; i++) {
        struct slice name = value->members[i].name;
        struct apply_shape member = apply_shape_of_member(shape, name);
        struct json_value *inner = set_of_member(arena, &member, value->members[i].value);
        if (inner != NULL) {
            apply_set_add_field(arena, set, name, inner);
        }
    }
    return set;
}

struct json_value *apply_set_of(struct arena *arena, const struct apply_shape *root,
                                const struct json_value *value)
{
    return set_of_value(arena, root, value);
}

/* All paths below a value that is new. */
static struct json_value *inner_of_new(struct arena *arena, const struct apply_shape *shape,
                                       const struct json_value *value)
{
    struct json_value *set = json_new_object(arena);
    for (size_t i = 0; is_members(shape, value) && i < value->count; i++) {
        struct slice name = value->members[i].name;
        struct apply_shape member = apply_shape_of_member(shape, name);
        apply_set_add_field(arena, set, name,
                            apply_set_of_new(arena, &member, value->members[i].value));
    }
    if (!is_items(shape, value)) {
        return set;
    }
    struct apply_items items = apply_items_of(arena, shape, value);
    struct apply_shape item = apply_shape_of_item(shape);
    for (size_t i = 0; i < items.count; i++) {
        const char *name = items.names[i];
        if (name != NULL && apply_items_first(&items, name) == i) {
            json_add_lent(arena, set, slice_text(name),
                          apply_items_count(&items, name) > 1
                              ? json_new_object(arena)
                              : apply_set_of_new(arena, &item, value->items[i]));
        }
    }
    return set;
}

struct json_value *apply_set_of_new(struct arena *arena, const struct apply_shape *shape,
                                    const struct json_value *value)
{
    return apply_set_node(arena, inner_of_new(arena, shape, value), /* self= */ true);
}

/* --- Of two ------------------------------------------------------------------------------------
 */

static struct apply_difference difference_new(struct arena *arena)
{
    return (struct apply_difference){json_new_object(arena), json_new_object(arena)};
}

static struct apply_difference compare_values(struct arena *arena, const struct apply_shape *shape,
                                              const struct json_value *before,
                                              const struct json_value *after);

static void compare_objects(struct arena *arena, const struct apply_shape *shape,
                            const struct json_value *before, const struct json_value *after,
                            struct apply_difference *all)
{
    for (size_t i = 0; i < before->count + after->count; i++) {
        bool old = i < before->count;
        const struct json_member *member =
            old ? &before->members[i] : &after->members[i - before->count];
        if (!old && json_get(before, member->name) != NULL) {
            continue;
        }
        struct apply_shape inner = apply_shape_of_member(shape, member->name);
        struct apply_difference each =
            apply_compare_member(arena, &inner, old ? member->value : NULL,
                                 old ? json_get(after, member->name) : member->value);
        if (each.changed != NULL) {
            apply_set_add_field(arena, all->changed, member->name, each.changed);
        }
        if (each.gone != NULL) {
            apply_set_add_field(arena, all->gone, member->name, each.gone);
        }
    }
}

struct lists {
    struct arena *arena;
    struct apply_shape item;
    const struct json_value *before, *after;
    struct apply_items old, new;
};

static bool same_items(const struct lists *lists, const char *name, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!json_equal(lists->before->items[apply_items_at(&lists->old, name, i)],
                        lists->after->items[apply_items_at(&lists->new, name, i)])) {
            return false;
        }
    }
    return true;
}

/* Items that share a name are one piece: what was in a single one before goes, and the other way
 * round. */
static struct apply_difference compare_items(const struct lists *lists, const char *name)
{
    struct arena *arena = lists->arena;
    size_t had = apply_items_count(&lists->old, name), has = apply_items_count(&lists->new, name);
    struct json_value *old =
        had == 0 ? NULL : lists->before->items[apply_items_first(&lists->old, name)];
    struct json_value *new =
        has == 0 ? NULL : lists->after->items[apply_items_first(&lists->new, name)];
    struct apply_difference difference = {NULL, NULL};
    if (had <= 1 && has <= 1) {
        return apply_compare_member(arena, &lists->item, old, new);
    }
    if (had > 1 && has > 1) {
        bool same = had == has && same_items(lists, name, had);
        difference.changed = same ? NULL : json_new_object(arena);
    } else if (had > 1) {
        difference.changed = new == NULL ? NULL : apply_set_of_new(arena, &lists->item, new);
        difference.gone = json_new_object(arena);
    } else {
        difference.changed = json_new_object(arena);
        difference.gone = old == NULL ? NULL : apply_set_of_new(arena, &lists->item, old);
    }
    return difference;
}

static void compare_lists(struct arena *arena, const struct apply_shape *shape,
                          const struct json_value *before, const struct json_value *after,
                          struct apply_difference *all)
{
    const struct lists lists = {.arena = arena,
                                .item = apply_shape_of_item(shape),
                                .before = before,
                                .after = after,
                                .old = apply_items_of(arena, shape, before),
                                .new = apply_items_of(arena, shape, after)};
    for (size_t i = 0; i < lists.old.count + lists.new.count; i++) {
        bool old = i < lists.old.count;
        size_t at = old ? i : i - lists.old.count;
        const char *name = old ? lists.old.names[at] : lists.new.names[at];
        if (name == NULL || apply_items_first(old ? &lists.old : &lists.new, name) != at ||
            (!old && apply_items_count(&lists.old, name) > 0)) {
            continue;
        }
        struct apply_difference each = compare_items(&lists, name);
        if (each.changed != NULL) {
            json_add_lent(arena, all->changed, slice_text(name), each.changed);
        }
        if (each.gone != NULL) {
            json_add_lent(arena, all->gone, slice_text(name), each.gone);
        }
    }
}

/* What is in them; a value that is null is an empty container. */
static struct apply_difference compare_values(struct arena *arena, const struct apply_shape *shape,
                                              const struct json_value *before,
                                              const struct json_value *after)
{
    struct apply_difference all = difference_new(arena);
    bool objects = is_members(shape, before) || is_members(shape, after);
    bool lists = is_items(shape, before) || is_items(shape, after);
    if (objects && !lists) {
        compare_objects(arena, shape, before->type == JSON_OBJECT ? before : json_new_object(arena),
                        after->type == JSON_OBJECT ? after : json_new_object(arena), &all);
    } else if (lists && !objects) {
        compare_lists(arena, shape, before->type == JSON_ARRAY ? before : json_new_array(arena),
                      after->type == JSON_ARRAY ? after : json_new_array(arena), &all);
    }
    return all;
}

/* Whether a value that is no container of the shape, nor null, stands there: then it is one piece.
 */
static bool is_piece(const struct apply_shape *shape, const struct json_value *value)
{
    enum json_type container = apply_shape_has_members(shape) ? JSON_OBJECT : JSON_ARRAY;
    return shape->kind == APPLY_LEAF || (value->type != container && value->type != JSON_NULL);
}

struct apply_difference apply_compare_member(struct arena *arena, const struct apply_shape *shape,
                                             struct json_value *before, struct json_value *after)
{
    if (before == NULL || after == NULL) {
        return (struct apply_difference){
            after == NULL ? NULL : apply_set_of_new(arena, shape, after),
            before == NULL ? NULL : apply_set_of_new(arena, shape, before)};
    }
    bool piece = is_piece(shape, before) || is_piece(shape, after);
    bool empty = before->count == 0 && after->count == 0;
    bool modified = (piece || empty) && !json_equal(before, after);
    struct apply_difference inner = shape->kind == APPLY_LEAF
                                        ? difference_new(arena)
                                        : compare_values(arena, shape, before, after);
    return (struct apply_difference){apply_set_node(arena, inner.changed, modified),
                                     apply_set_node(arena, inner.gone, /* self= */ false)};
}

struct apply_difference apply_compare(struct arena *arena, const struct apply_shape *root,
                                      const struct json_value *before,
                                      const struct json_value *after)
{
    return compare_values(arena, root, before, after);
}
