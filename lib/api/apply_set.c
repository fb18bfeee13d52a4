#include "lib/api/apply_set.h"

#include <errno.h>

void apply_set_add_field(struct arena *arena, struct json_value *set, struct slice name,
                         struct json_value *inner)
{
    char *text = arena_alloc(arena, name.len + 3);
    text[0] = 'f';
    text[1] = ':';
    memcpy(text + 2, name.data, name.len);
    text[name.len + 2] = '\0';
    json_add_lent(arena, set, slice_of(text, name.len + 2), inner);
}

static bool is_container(const struct apply_shape *shape, const struct json_value *value)
{
    bool object = shape->kind == APPLY_STRUCT || shape->kind == APPLY_MAP;
    bool list = shape->kind == APPLY_KEYED || shape->kind == APPLY_SET;
    return value->count > 0 &&
           ((object && value->type == JSON_OBJECT) || (list && value->type == JSON_ARRAY));
}

/* A whole item of a list: its fields, and itself. */
static struct json_value *item_set(struct arena *arena, const struct apply_shape *list,
                                   const struct json_value *item, bool dots)
{
    struct json_value *set = json_new_object(arena);
    if (list->kind == APPLY_KEYED) {
        struct apply_shape shape = apply_shape_of_item(list);
        set = apply_set_of(arena, &shape, item, dots);
        if (shape.kind != APPLY_LEAF) {
            json_set_text(arena, set, APPLY_SELF, json_new_object(arena));
        }
    }
    return set;
}

/* The set of a member that is new. */
static struct json_value *member_set(struct arena *arena, const struct apply_shape *shape,
                                     const struct json_value *value, bool dots)
{
    struct json_value *set = apply_set_of(arena, shape, value, dots);
    if (dots && is_container(shape, value)) {
        json_set_text(arena, set, APPLY_SELF, json_new_object(arena));
    }
    return set;
}

struct json_value *apply_set_of_new(struct arena *arena, const struct apply_shape *shape,
                                    const struct json_value *value)
{
    return member_set(arena, shape, value, /* dots= */ true);
}

struct json_value *apply_set_of(struct arena *arena, const struct apply_shape *shape,
                                const struct json_value *value, bool dots)
{
    struct json_value *set = json_new_object(arena);
    if (!is_container(shape, value)) {
        return set;
    }
    for (size_t i = 0; value->type == JSON_OBJECT && i < value->count; i++) {
        struct slice name = value->members[i].name;
        struct apply_shape member = apply_shape_of_member(shape, name);
        apply_set_add_field(arena, set, name,
                            member_set(arena, &member, value->members[i].value, dots));
    }
    for (size_t i = 0; value->type == JSON_ARRAY && i < value->count; i++) {
        const char *name = apply_item_name(arena, shape, value->items[i]);
        if (name != NULL) {
            json_set_text(arena, set, name, item_set(arena, shape, value->items[i], dots));
        }
    }
    return set;
}

static struct json_value *changed_members(struct arena *arena, const struct apply_shape *shape,
                                          const struct json_value *before,
                                          const struct json_value *after, bool dots)
{
    struct json_value *set = json_new_object(arena);
    for (size_t i = 0; i < after->count; i++) {
        struct slice name = after->members[i].name;
        struct apply_shape member = apply_shape_of_member(shape, name);
        const struct json_value *old_value = json_get(before, name);
        struct json_value *changed =
            old_value == NULL
                ? member_set(arena, &member, after->members[i].value, dots)
                : apply_set_changed(arena, &member, old_value, after->members[i].value, dots);
        if (changed != NULL) {
            apply_set_add_field(arena, set, name, changed);
        }
    }
    return set->count == 0 ? NULL : set;
}

static struct json_value *changed_items(struct arena *arena, const struct apply_shape *shape,
                                        const struct json_value *before,
                                        const struct json_value *after, bool dots)
{
    struct json_value *set = json_new_object(arena);
    for (size_t i = 0; i < after->count; i++) {
        const char *name = apply_item_name(arena, shape, after->items[i]);
        size_t at = name == NULL || before->type != JSON_ARRAY
                        ? SIZE_MAX
                        : apply_item_find(arena, shape, before, name);
        struct json_value *changed = NULL;
        if (name != NULL && at == SIZE_MAX) {
            changed = item_set(arena, shape, after->items[i], dots);
        } else if (name != NULL && shape->kind == APPLY_KEYED) {
            struct apply_shape item = apply_shape_of_item(shape);
            changed = apply_set_changed(arena, &item, before->items[at], after->items[i], dots);
        }
        if (changed != NULL) {
            json_set_text(arena, set, name, changed);
        }
    }
    return set->count == 0 ? NULL : set;
}

struct json_value *apply_set_changed(struct arena *arena, const struct apply_shape *shape,
                                     const struct json_value *before,
                                     const struct json_value *after, bool dots)
{
    bool object = shape->kind == APPLY_STRUCT || shape->kind == APPLY_MAP;
    bool list = shape->kind == APPLY_KEYED || shape->kind == APPLY_SET;
    if (object && before->type == JSON_OBJECT && after->type == JSON_OBJECT) {
        return changed_members(arena, shape, before, after, dots);
    }
    /* A list that was null was there already: only its items are new. */
    if (list && after->type == JSON_ARRAY) {
        return changed_items(arena, shape, before, after, dots);
    }
    return json_equal(before, after) ? NULL : apply_set_of(arena, shape, after, dots);
}

/* --- Algebra -----------------------------------------------------------------------------------
 */

/* A copy that has the same values. */
static struct json_value *set_copy(struct arena *arena, const struct json_value *set)
{
    struct json_value *copy = json_new_object(arena);
    if (set != NULL && set->count > 0) {
        copy->count = copy->capacity = set->count;
        copy->members = arena_array(arena, set->count, sizeof(*copy->members));
        memcpy(copy->members, set->members, set->count * sizeof(*copy->members));
    }
    return copy;
}

struct json_value *apply_set_union(struct arena *arena, const struct json_value *a,
                                   const struct json_value *b)
{
    struct json_value *all = set_copy(arena, a);
    for (size_t i = 0; b != NULL && i < b->count; i++) {
        const struct json_member *member = &b->members[i];
        const struct json_value *mine = json_get(all, member->name);
        if (mine == NULL) {
            json_add_lent(arena, all, member->name, member->value);
        } else if (member->value->count > 0) {
            json_set(arena, all, member->name, apply_set_union(arena, mine, member->value));
        }
    }
    return all;
}

struct json_value *apply_set_gone(struct arena *arena, struct json_value *had,
                                  const struct json_value *has)
{
    if (had->count == 0) {
        return has->count > 0 && json_get_text(has, APPLY_SELF) == NULL ? had : NULL;
    }
    struct json_value *left = apply_set_minus(arena, had, has);
    return left->count == 0 ? NULL : left;
}

struct json_value *apply_set_minus(struct arena *arena, const struct json_value *a,
                                   const struct json_value *b)
{
    if (a == NULL || b == NULL || b->count == 0) {
        return set_copy(arena, a);
    }
    struct json_value *left = json_new_object(arena);
    for (size_t i = 0; i < a->count; i++) {
        const struct json_member *member = &a->members[i];
        const struct json_value *other = json_get(b, member->name);
        struct json_value *kept =
            other == NULL ? member->value : apply_set_gone(arena, member->value, other);
        if (kept != NULL) {
            json_add_lent(arena, left, member->name, kept);
        }
    }
    return left;
}

struct json_value *apply_set_common(struct arena *arena, const struct json_value *a,
                                    const struct json_value *b)
{
    struct json_value *both = json_new_object(arena);
    for (size_t i = 0; a != NULL && b != NULL && i < a->count; i++) {
        const struct json_value *mine = a->members[i].value;
        const struct json_value *other = json_get(b, a->members[i].name);
        if (other == NULL) {
            continue;
        }
        if (mine->count == 0 && other->count == 0) {
            json_set(arena, both, a->members[i].name, json_new_object(arena));
            continue;
        }
        struct json_value *inner = apply_set_common(arena, mine, other);
        if (inner->count > 0) {
            json_set(arena, both, a->members[i].name, inner);
        }
    }
    return both;
}

/* Whether an element of a path reads: 0, -EINVAL, or -ENOTSUP for a kind that we do not know. */
static int check_element(struct arena *arena, struct slice name)
{
    struct json_value *value = NULL;
    int64_t index = 0;
    if (name.len < 2 || name.data[1] != ':') {
        return -EINVAL;
    }
    struct slice text = slice_of(name.data + 2, name.len - 2);
    switch (name.data[0]) {
    case 'f':
        return 0;
    case 'k':
        return json_parse(arena, text, &value, NULL) == 0 && value->type == JSON_OBJECT ? 0
                                                                                        : -EINVAL;
    case 'v':
        return json_parse(arena, text, &value, NULL);
    case 'i':
        return json_parse(arena, text, &value, NULL) == 0 && json_int64(value, &index) == 0
                   ? 0
                   : -EINVAL;
    default:
        return -ENOTSUP;
    }
}

/* Recursion is as deep as the parser lets a document be. */
int apply_set_check(struct arena *arena, struct json_value *set)
{
    if (set->type == JSON_NULL) {
        *set = *json_new_object(arena);
    }
    if (set->type != JSON_OBJECT) {
        return -EINVAL;
    }
    for (size_t i = 0; i < set->count;) {
        struct json_member *member = &set->members[i];
        int result = slice_is(member->name, APPLY_SELF) ? 0 : check_element(arena, member->name);
        if (result == 0) {
            result = apply_set_check(arena, member->value);
        }
        if (result == -EINVAL) {
            return result;
        }
        if (result == -ENOTSUP) {
            (void)json_remove(set, member->name); /* It is there. */
        } else {
            i++;
        }
    }
    return 0;
}

void apply_set_strip(struct json_value *set)
{
    static const char *const members[] = {
        "f:name",        "f:namespace",  "f:creationTimestamp", "f:selfLink",        "f:uid",
        "f:clusterName", "f:generation", "f:managedFields",     "f:resourceVersion", "."};
    struct json_value *metadata = json_get_text(set, "f:metadata");
    (void)json_remove(set, slice_text("f:apiVersion")); /* Any of these may be absent. */
    (void)json_remove(set, slice_text("f:kind"));
    for (size_t i = 0; metadata != NULL && i < ARRAY_LEN(members); i++) {
        (void)json_remove(metadata, slice_text(members[i]));
    }
    if (metadata != NULL && metadata->count == 0) {
        (void)json_remove(set, slice_text("f:metadata"));
    }
}
