/* Fields that an apply changes and others own. Internal to lib/api. */
#ifndef LIB_API_APPLY_CONFLICTS_H
#define LIB_API_APPLY_CONFLICTS_H
#include "lib/api/apply_owners.h"

struct api_status;

struct apply_conflict {
    struct apply_owner *owner;
    struct json_value *set; /* Of what is its and changes. */
};

struct apply_conflicts {
    size_t count;
    struct apply_conflict items[]; /* One for each owner that has any. */
};

struct apply_conflicts *apply_conflicts_new(struct arena *arena, const struct apply_owners *owners);
/* Nothing is added when the owner has none of `changed`. */
void apply_conflicts_add(struct arena *arena, struct apply_conflicts *conflicts,
                         struct apply_owner *owner, const struct json_value *changed);
/* Takes those out that are allowed. */
void apply_conflicts_allow(struct arena *arena, struct apply_conflicts *conflicts,
                           const struct json_value *allowed);
/* The 409 that names them all. */
const struct api_status *apply_conflicts_status(struct arena *arena,
                                                struct apply_conflicts *conflicts);
#endif
