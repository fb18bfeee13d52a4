/* The metadata of objects inside of custom resources (x-kubernetes-embedded-resource). Internal to
 * lib/api. */
#ifndef LIB_API_STRUCTURAL_META_H
#define LIB_API_STRUCTURAL_META_H
#include "lib/api/structural.h"

/* Takes out what metadata does not have; each path goes to `problems` (may be NULL) as that of
 * pruning. What cannot be read stays, to be refused. */
void structural_meta_prune(struct arena *arena, const struct structural *root,
                           struct json_value *object, struct api_problems *problems);
/* Appends what is wrong with the metadata of an embedded object that stands at `at`. */
void structural_meta_check(struct api_causes *causes, const struct api_path *at,
                           const struct json_value *metadata);
#endif
