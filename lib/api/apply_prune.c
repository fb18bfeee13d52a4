#include "lib/api/apply_prune.h"

#include "lib/api/apply_compare.h"
#include "lib/api/apply_merge.h"
#include "lib/api/apply_scope.h"
#include "lib/api/apply_set.h"
#include "lib/api/kinds.h"

static bool is_field(const struct json_member *element)
{
    return element->name.len > 2 && element->name.data[0] == 'f';
}

/* The shape of what an element of a path names in a value of `shape`. */
static struct apply_shape shape_of_element(const struct apply_shape *shape,
                                           const struct json_member *element)
{
    if (is_field(element) && apply_shape_has_members(shape)) {
        return apply_shape_of_member(shape,
                                     slice_of(element->name.data + 2, element->name.len - 2));
    }
    return apply_shape_has_items(shape) ? apply_shape_of_item(shape)
                                        : (struct apply_shape){.kind = APPLY_LEAF, .entry = true};
}

/* --- Removal -----------------------------------------------------------------------------------
 */

/* The set, with the fields that a schema names for whom the set has only what is in them. */
static struct json_value *with_fields(struct arena *arena, const struct apply_shape *shape,
                                      const struct json_value *set)
{
    struct json_value *all = json_new_object(arena);
    for (size_t i = 0; i < set->count; i++) {
        const struct json_member *element = &set->members[i];
        if (slice_is(element->name, APPLY_SELF)) {
            continue;
        }
        struct apply_shape inner = shape_of_element(shape, element);
        bool self = apply_set_has_self(element->value) || (is_field(element) && !inner.entry);
        json_add_lent(arena, all, element->name,
                      apply_set_node(arena, with_fields(arena, &inner, element->value), self));
    }
    return all;
}

/* An object and what is left of it, in the eyes of who sees it in one version. */
struct pruning {
    struct arena *arena;
    const struct api_kind *form;
    struct json_value *merged, *pruned;
};

static struct json_value *without(struct arena *arena, const struct api_kind *form,
                                  struct json_value *object, const struct json_value *set)
{
    struct apply_shape root = apply_shape_of_message(form->message);
    struct json_value *left = apply_without(arena, &root, object, set);
    return left == NULL ? json_new_object(arena) : left;
}

static struct json_value *set_of(struct arena *arena, const struct api_kind *form,
                                 const struct json_value *object)
{
    struct apply_shape root = apply_shape_of_message(form->message);
    return with_fields(arena, &root, apply_set_of(arena, &root, object));
}

/* Gives back what others, or who applies now, own in this form. */
static void add_back(struct pruning *pruning, const struct api_kind *form,
                     const struct json_value *owned)
{
    struct arena *arena = pruning->arena;
    struct apply_shape root = apply_shape_of_message(form->message);
    pruning->merged = apply_scope_convert_tree(arena, pruning->form, form, pruning->merged);
    pruning->pruned = apply_scope_convert_tree(arena, pruning->form, form, pruning->pruned);
    pruning->form = form;
    const struct json_value *kept = apply_set_union(arena, set_of(arena, form, pruning->pruned),
                                                    with_fields(arena, &root, owned));
    pruning->pruned = without(arena, form, pruning->merged,
                              apply_set_minus(arena, set_of(arena, form, pruning->merged), kept));
}

static bool is_of(const struct apply_owner *owner, const struct api_kind *form)
{
    return strcmp(owner->entry->api_version, form->api_version) == 0;
}

/* What is owned in the form: `mine` is of the form `kind`. */
static const struct json_value *owned_in(struct arena *arena, const struct api_kind *kind,
                                         const struct api_kind *form, const struct json_value *mine,
                                         const struct apply_owners *others)
{
    const struct json_value *owned = form == kind ? mine : json_new_object(arena);
    for (size_t i = 0; i < others->count; i++) {
        if (is_of(&others->items[i], form)) {
            owned = apply_set_union(arena, owned, others->items[i].set);
        }
    }
    return owned;
}

/* Version by version, that of who applied last the first. */
static void add_back_all(struct pruning *pruning, const struct api_kind *kind,
                         const struct json_value *mine, const struct apply_owners *others)
{
    struct arena *arena = pruning->arena;
    const struct api_kind *first = pruning->form;
    add_back(pruning, first, owned_in(arena, kind, first, mine, others));
    if (first != kind) {
        add_back(pruning, kind, owned_in(arena, kind, kind, mine, others));
    }
    for (size_t i = 0; i < others->count; i++) {
        const struct api_kind *form = apply_scope_form(kind, others->items[i].entry->api_version);
        bool done = form == NULL || form == first || form == kind;
        for (size_t j = 0; j < i && !done; j++) {
            done = is_of(&others->items[j], form);
        }
        if (!done) {
            add_back(pruning, form, owned_in(arena, kind, form, mine, others));
        }
    }
}

struct json_value *apply_prune(struct arena *arena, const struct api_kind *kind,
                               struct json_value *merged, const struct apply_owner *last,
                               const struct json_value *mine, const struct apply_owners *others)
{
    const struct api_kind *form = apply_scope_form(kind, last->entry->api_version);
    if (form == NULL || last->set->count == 0) {
        return merged;
    }
    struct apply_shape root = apply_shape_of_message(form->message);
    const struct json_value *applied = with_fields(arena, &root, last->set);
    struct json_value *whole = apply_scope_convert_tree(arena, kind, form, merged);
    struct pruning pruning = {arena, form, whole, without(arena, form, whole, applied)};
    add_back_all(&pruning, kind, mine, others);
    const struct json_value *left =
        apply_scope_convert_tree(arena, pruning.form, form, pruning.pruned);
    /* What nobody owns stays where it is. */
    const struct json_value *gone = apply_set_common(
        arena, apply_set_minus(arena, set_of(arena, form, whole), set_of(arena, form, left)),
        applied);
    return gone->count == 0
               ? merged
               : apply_scope_convert_tree(arena, form, kind, without(arena, form, whole, gone));
}

/* --- Schemas that change ---------------------------------------------------------------------- */

struct json_value *apply_set_fit(struct arena *arena, const struct apply_shape *root,
                                 struct json_value *set)
{
    struct json_value *fit = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct json_member *element = &set->members[i];
        bool self = slice_is(element->name, APPLY_SELF);
        struct apply_shape inner = shape_of_element(root, element);
        struct json_value *value = element->value;
        if (!self && value->count > 0) {
            value = inner.kind == APPLY_LEAF && !inner.entry ? json_new_object(arena)
                                                             : apply_set_fit(arena, &inner, value);
        }
        if (value != element->value && fit == NULL) {
            fit = json_new_object(arena);
            for (size_t j = 0; j < set->count; j++) {
                json_add_lent(arena, fit, set->members[j].name, set->members[j].value);
            }
        }
        if (value != element->value) {
            fit->members[i].value = value;
        }
    }
    return fit == NULL ? set : fit;
}

void apply_owners_fit(struct arena *arena, const struct api_kind *kind, struct apply_owners *owners)
{
    for (size_t i = 0; i < owners->count; i++) {
        struct apply_owner *owner = &owners->items[i];
        const struct api_kind *form = apply_scope_form(kind, owner->entry->api_version);
        if (form != NULL) {
            struct apply_shape root = apply_shape_of_message(form->message);
            apply_owner_set(arena, owner, apply_set_fit(arena, &root, owner->set));
        }
    }
}
