/* Paths from a node of a structural schema to a field below it, as rules name the field they
 * blame: ".spec.replicas", ".labels['a.b']". Pure. */
#ifndef LIB_API_CUSTOM_FIELD_PATH_H
#define LIB_API_CUSTOM_FIELD_PATH_H
#include "lib/api/structural.h"

/* The path as causes show it ("spec.replicas", "labels[a.b]"), in the arena. -EINVAL when `text` is
 * no path, or leads to no field that the schema has. */
MUST_USE int custom_field_path(struct arena *arena, const struct structural *schema,
                               const char *text, const char **ret_path);
#endif
