/* What goes from an object when its applier does not apply it any more, and sets of fields after
 * the schema of their kind has changed. Internal to lib/api. */
#ifndef LIB_API_APPLY_PRUNE_H
#define LIB_API_APPLY_PRUNE_H
#include "lib/api/apply_owners.h"
#include "lib/api/apply_shape.h"

/* `merged`, of the request's form, without what `last` applied and `mine` (the new set, with all
 * that the configuration names) does not, but for what `others` have. */
struct json_value *apply_prune(struct arena *arena, const struct api_kind *kind,
                               struct json_value *merged, const struct apply_owner *last,
                               const struct json_value *mine, const struct apply_owners *others);
/* The set of who owned members of what is one piece now: it owns the piece. */
struct json_value *apply_set_fit(struct arena *arena, const struct apply_shape *root,
                                 struct json_value *set);
/* That of all owners, each by the form of its version. */
void apply_owners_fit(struct arena *arena, const struct api_kind *kind,
                      struct apply_owners *owners);
#endif
