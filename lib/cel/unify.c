#include "lib/cel/unify.h"

#include "lib/cel/limits.h"
#include <assert.h>

uint32_t cel_unifier_open(struct cel_unifier *unifier, uint32_t count)
{
    uint32_t first = unifier->count;
    if (unifier->count + count > unifier->capacity) {
        uint32_t capacity = (unifier->count + count) * 2 + 16;
        const struct cel_type **bound =
            arena_array(unifier->arena, capacity, sizeof(const struct cel_type *));
        for (uint32_t i = 0; i < unifier->count; i++) {
            bound[i] = unifier->bound[i];
        }
        unifier->bound = bound;
        unifier->capacity = capacity;
    }
    unifier->count += count;
    return first;
}

static void bind(struct cel_unifier *unifier, uint32_t param, const struct cel_type *type)
{
    if (unifier->change_count == unifier->change_capacity) {
        size_t capacity = unifier->change_capacity * 2 + 16;
        struct cel_change *changes = arena_array(unifier->arena, capacity, sizeof(*changes));
        if (unifier->change_count > 0) {
            memcpy(changes, unifier->changes, unifier->change_count * sizeof(*changes));
        }
        unifier->changes = changes;
        unifier->change_capacity = capacity;
    }
    unifier->changes[unifier->change_count++] = (struct cel_change){param, unifier->bound[param]};
    unifier->bound[param] = type;
}

size_t cel_unifier_mark(const struct cel_unifier *unifier)
{
    return unifier->change_count;
}

void cel_unifier_undo(struct cel_unifier *unifier, size_t mark)
{
    while (unifier->change_count > mark) {
        const struct cel_change *change = &unifier->changes[--unifier->change_count];
        unifier->bound[change->param] = change->before;
    }
}

/* The type with other parts; the same one when nothing changed, as it may say more than its parts.
 */
static const struct cel_type *with_items(struct cel_unifier *unifier, const struct cel_type *type,
                                         const struct cel_type *first,
                                         const struct cel_type *second)
{
    if (first == type->items[0] && second == type->items[1]) {
        return type;
    }
    struct cel_type *copy = arena_alloc(unifier->arena, sizeof(*copy));
    *copy = *type;
    copy->items[0] = first;
    copy->items[1] = second;
    return copy;
}

const struct cel_type *cel_unifier_instance(struct cel_unifier *unifier,
                                            const struct cel_type *type, uint32_t first)
{
    if (type->kind == CEL_TYPE_PARAM) {
        return cel_type_param(unifier->arena, first + type->param);
    }
    if (type->items[0] == NULL) {
        return type;
    }
    return with_items(
        unifier, type, cel_unifier_instance(unifier, type->items[0], first),
        type->items[1] == NULL ? NULL : cel_unifier_instance(unifier, type->items[1], first));
}

static const struct cel_type *resolve(struct cel_unifier *unifier, const struct cel_type *type,
                                      bool close, size_t depth)
{
    while (type->kind == CEL_TYPE_PARAM && unifier->bound[type->param] != NULL) {
        type = unifier->bound[type->param];
    }
    if (type->kind == CEL_TYPE_PARAM || depth > CEL_TYPE_DEPTH_MAX) {
        return close ? &cel_type_dyn : type;
    }
    if (type->items[0] == NULL) {
        return type;
    }
    return with_items(unifier, type, resolve(unifier, type->items[0], close, depth + 1),
                      type->items[1] == NULL ? NULL
                                             : resolve(unifier, type->items[1], close, depth + 1));
}

const struct cel_type *cel_unifier_resolve(struct cel_unifier *unifier, const struct cel_type *type,
                                           bool close)
{
    return resolve(unifier, type, close, 0);
}

static const struct cel_type *head(const struct cel_unifier *unifier, const struct cel_type *type)
{
    while (type->kind == CEL_TYPE_PARAM && unifier->bound[type->param] != NULL) {
        type = unifier->bound[type->param];
    }
    return type;
}

/* Whether variable `param` is part of the type: a list of itself is no type. */
static bool occurs(const struct cel_unifier *unifier, uint32_t param, const struct cel_type *type,
                   size_t depth)
{
    type = head(unifier, type);
    if (type->kind == CEL_TYPE_PARAM) {
        return type->param == param;
    }
    if (depth > CEL_TYPE_DEPTH_MAX) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(type->items) && type->items[i] != NULL; i++) {
        if (occurs(unifier, param, type->items[i], depth + 1)) {
            return true;
        }
    }
    return false;
}

static bool takes_null(const struct cel_type *type)
{
    return type->kind == CEL_TYPE_NULL || type->kind == CEL_TYPE_WRAPPER ||
           type->kind == CEL_TYPE_TIMESTAMP || type->kind == CEL_TYPE_DURATION ||
           type->kind == CEL_TYPE_OPAQUE || type->kind == CEL_TYPE_OBJECT ||
           type->kind == CEL_TYPE_OPTIONAL;
}

static bool assign(struct cel_unifier *unifier, const struct cel_type *wanted,
                   const struct cel_type *actual, size_t depth);

static bool assign_parts(struct cel_unifier *unifier, const struct cel_type *wanted,
                         const struct cel_type *actual, size_t depth)
{
    if (wanted->kind != actual->kind) {
        return false;
    }
    if (wanted->name != NULL) {
        return strcmp(wanted->name, actual->name) == 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(wanted->items) && wanted->items[i] != NULL; i++) {
        if (wanted->kind != CEL_TYPE_TYPE &&
            !assign(unifier, wanted->items[i], actual->items[i], depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool is_any(const struct cel_type *type)
{
    return type->kind == CEL_TYPE_DYN || type->kind == CEL_TYPE_ERROR;
}

static bool assign(struct cel_unifier *unifier, const struct cel_type *wanted,
                   const struct cel_type *actual, size_t depth)
{
    const struct cel_type *a = head(unifier, wanted), *b = head(unifier, actual);
    if (depth > CEL_TYPE_DEPTH_MAX) {
        return false;
    }
    if (a->kind == CEL_TYPE_PARAM || b->kind == CEL_TYPE_PARAM) {
        const struct cel_type *open = b->kind == CEL_TYPE_PARAM ? b : a;
        const struct cel_type *other = open == b ? a : b;
        if (other->kind == CEL_TYPE_PARAM && other->param == open->param) {
            return true;
        }
        if (occurs(unifier, open->param, other, 0)) {
            return false;
        }
        bind(unifier, open->param, other);
        return true;
    }
    if (is_any(a) || is_any(b)) {
        if (wanted->kind == CEL_TYPE_PARAM && b->kind == CEL_TYPE_DYN) {
            bind(unifier, wanted->param, b); /* What fits everything makes the variable dyn. */
        }
        return true;
    }
    if (a->kind == CEL_TYPE_NULL || b->kind == CEL_TYPE_NULL) {
        return takes_null(a->kind == CEL_TYPE_NULL ? b : a);
    }
    if (a->kind == CEL_TYPE_WRAPPER && b->kind != CEL_TYPE_WRAPPER) {
        return assign(unifier, a->items[0], b, depth + 1);
    }
    if (b->kind == CEL_TYPE_WRAPPER && a->kind != CEL_TYPE_WRAPPER) {
        return assign(unifier, a, b->items[0], depth + 1);
    }
    return assign_parts(unifier, a, b, depth);
}

bool cel_unifier_assign(struct cel_unifier *unifier, const struct cel_type *wanted,
                        const struct cel_type *actual)
{
    return assign(unifier, wanted, actual, 0);
}

static bool less_specific(struct cel_unifier *unifier, const struct cel_type *a,
                          const struct cel_type *b)
{
    a = head(unifier, a);
    b = head(unifier, b);
    if (is_any(a) || a->kind == CEL_TYPE_PARAM) {
        return true;
    }
    if (is_any(b) || b->kind == CEL_TYPE_PARAM || a->kind != b->kind) {
        return a->kind == CEL_TYPE_WRAPPER && !is_any(b);
    }
    for (size_t i = 0; i < ARRAY_LEN(a->items) && a->items[i] != NULL; i++) {
        if (!less_specific(unifier, a->items[i], b->items[i])) {
            return false;
        }
    }
    return true;
}

const struct cel_type *cel_unifier_general(struct cel_unifier *unifier, const struct cel_type *a,
                                           const struct cel_type *b)
{
    return less_specific(unifier, a, b) ? a : b;
}
