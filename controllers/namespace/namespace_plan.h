/* What a terminating namespace says of itself: counts by kind and finalizer, as conditions. Pure.
 */
#ifndef CONTROLLERS_NAMESPACE_NAMESPACE_PLAN_H
#define CONTROLLERS_NAMESPACE_NAMESPACE_PLAN_H
#include "k8s/core_v1.pb-c.h"
#include "lib/api/object.h"

enum { NAMESPACE_REMAINS_MAX = 128 };

struct namespace_count {
    const char *name;
    size_t count;
};

struct namespace_remains {
    struct arena *arena;
    const struct api_kind *kind; /* Of the last that was added, */
    const char *kind_name;       /* and its name here. */
    size_t objects;
    struct namespace_count kinds[NAMESPACE_REMAINS_MAX];
    size_t kind_count;
    struct namespace_count finalizers[NAMESPACE_REMAINS_MAX]; /* Further ones are not named. */
    size_t finalizer_count;
};

/* Finalizers of `meta` are borrowed until the conditions are made. */
void namespace_remains_add(struct namespace_remains *remains, const struct api_kind *kind,
                           const Meta__V1__ObjectMeta *meta);
/* A copy with the five conditions of v1.32, or NULL when they say so already. */
Core__V1__Namespace *namespace_with_conditions(struct arena *arena, const Core__V1__Namespace *seen,
                                               struct namespace_remains *remains, int64_t now_s);
#endif
