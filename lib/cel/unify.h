/* Type variables and what they were found to be; internal to the checker. */
#ifndef LIB_CEL_UNIFY_H
#define LIB_CEL_UNIFY_H
#include "lib/cel/type.h"

struct cel_unifier {
    struct arena *arena;
    const struct cel_type **bound; /* By variable number; NULL when open. */
    uint32_t count, capacity;
    /* What changed, so that a failed attempt can be undone. */
    struct cel_change {
        uint32_t param;
        const struct cel_type *before;
    } * changes;
    size_t change_count, change_capacity;
};

/* New variables; returns the number of the first. */
uint32_t cel_unifier_open(struct cel_unifier *unifier, uint32_t count);
/* `type` of a signature, its variables numbered from `first`. */
const struct cel_type *cel_unifier_instance(struct cel_unifier *unifier,
                                            const struct cel_type *type, uint32_t first);
/* Whether a value of type `actual` can be used as a `wanted`; binds variables as needed. After a
 * false answer variables may be bound: cel_unifier_undo() to a mark taken before. */
bool cel_unifier_assign(struct cel_unifier *unifier, const struct cel_type *wanted,
                        const struct cel_type *actual);
size_t cel_unifier_mark(const struct cel_unifier *unifier);
void cel_unifier_undo(struct cel_unifier *unifier, size_t mark);
/* The type with variables replaced by what they are; open ones become dyn when `close`. */
const struct cel_type *cel_unifier_resolve(struct cel_unifier *unifier, const struct cel_type *type,
                                           bool close);
/* Of two types that fit each other, the one that says less. */
const struct cel_type *cel_unifier_general(struct cel_unifier *unifier, const struct cel_type *a,
                                           const struct cel_type *b);
#endif
