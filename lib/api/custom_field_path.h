/* Paths from a node of a structural schema to a field below it, as rules name the field they
 * blame: ".spec.replicas", ".labels['a.b']". Pure. */
#ifndef LIB_API_CUSTOM_FIELD_PATH_H
#define LIB_API_CUSTOM_FIELD_PATH_H
#include "lib/api/structural.h"
#include "lib/base/error.h"

/* The field that a path leads to. */
struct custom_field {
    const char *path;   /* As causes show it ("spec.replicas", "labels[a.b]"), in the arena. */
    struct slice first; /* The name that it begins with. */
    const struct structural *schema; /* NULL when nothing is known of the field. */
};

/* Follows `text` by names alone, as the fields that lists are selected by are written. -EINVAL with
 * the words of v1.32 when it is no such path, or leads to no field that the schema has. */
MUST_USE int custom_field_find(struct arena *arena, const struct structural *schema,
                               const char *text, struct custom_field *ret_field,
                               struct error *reterr);
/* The path as causes show it ("spec.replicas", "labels[a.b]"), in the arena. -EINVAL when `text` is
 * no path, or leads to no field that the schema has. */
MUST_USE int custom_field_path(struct arena *arena, const struct structural *schema,
                               const char *text, const char **ret_path);
#endif
