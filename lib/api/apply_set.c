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

/* --- Algebra -----------------------------------------------------------------------------------
 */

bool apply_set_has_self(const struct json_value *node)
{
    return node->count == 0 || json_get_text(node, APPLY_SELF) != NULL;
}

static bool is_self(const struct json_member *member)
{
    return slice_is(member->name, APPLY_SELF);
}

struct json_value *apply_set_node(struct arena *arena, struct json_value *inner, bool self)
{
    if (inner->count == 0) {
        return self ? inner : NULL;
    }
    if (self) {
        json_set_text(arena, inner, APPLY_SELF, json_new_object(arena));
    }
    return inner;
}

struct json_value *apply_set_union(struct arena *arena, const struct json_value *a,
                                   const struct json_value *b)
{
    struct json_value *all = a == NULL ? json_new_object(arena) : json_copy_members(arena, a);
    for (size_t i = 0; b != NULL && i < b->count; i++) {
        const struct json_member *member = &b->members[i];
        struct json_value *mine = json_get(all, member->name);
        if (mine == NULL) {
            json_add_lent(arena, all, member->name, member->value);
        } else if (!is_self(member)) {
            bool self = apply_set_has_self(mine) || apply_set_has_self(member->value);
            struct json_value *both = apply_set_union(arena, mine, member->value);
            json_set(arena, all, member->name, apply_set_node(arena, both, self));
        }
    }
    return all;
}

/* `had` without what `has` has (NULL for nothing); NULL when nothing is left. */
static struct json_value *node_minus(struct arena *arena, struct json_value *had,
                                     const struct json_value *has)
{
    if (has == NULL) {
        return had;
    }
    bool self = apply_set_has_self(had) && !apply_set_has_self(has);
    return apply_set_node(arena, apply_set_minus(arena, had, has), self);
}

struct json_value *apply_set_minus(struct arena *arena, const struct json_value *a,
                                   const struct json_value *b)
{
    struct json_value *left = json_new_object(arena);
    for (size_t i = 0; a != NULL && i < a->count; i++) {
        const struct json_member *member = &a->members[i];
        const struct json_value *other = b == NULL ? NULL : json_get(b, member->name);
        struct json_value *kept = is_self(member) ? NULL : node_minus(arena, member->value, other);
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
        const struct json_member *member = &a->members[i];
        const struct json_value *other = json_get(b, member->name);
        if (other == NULL || is_self(member)) {
            continue;
        }
        bool self = apply_set_has_self(member->value) && apply_set_has_self(other);
        struct json_value *inner =
            apply_set_node(arena, apply_set_common(arena, member->value, other), self);
        if (inner != NULL) {
            json_add_lent(arena, both, member->name, inner);
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
    for (size_t i = 0; i < set->count; i++) {
        struct json_member *member = &set->members[i];
        int result = slice_is(member->name, APPLY_SELF) ? 0 : check_element(arena, member->name);
        if (result == 0) {
            result = apply_set_check(arena, member->value);
        }
        if (result == -EINVAL) {
            return result;
        }
        if (result == -ENOTSUP) {
            member->value = NULL;
        }
    }
    json_sweep(arena, set);
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
