/* ResourceQuota: what an object takes of a namespace's quotas, and which quotas it falls under. One
 * answer for admission, which charges, and for the control loop, which counts again. Pure; results
 * in the caller's arena. Source: Kubernetes documentation "Resource Quotas", v1.32. */
#ifndef LIB_API_QUOTA_H
#define LIB_API_QUOTA_H
#include "lib/api/kinds.h"
#include "lib/api/resource_list.h"
#include <stdint.h>

/* Whether objects of `kind` count for a quota's resource `name` ("pods", "limits.cpu",
 * "count/deployments.apps", "gold.storageclass.storage.k8s.io/requests.storage"). */
bool quota_counts(const struct api_kind *kind, const char *name);

/* Objects of the kind are only counted: each takes the same, whatever is in it. */
bool quota_only_counts(const struct api_kind *kind);

/* Everything that the object takes. `message` is of `kind`; not looked at for kinds that are only
 * counted. A pod that has ended, or is deleted and past its time at `now_s`, only counts. */
struct resource_list quota_usage(struct arena *arena, const struct api_kind *kind,
                                 const void *message, int64_t now_s);
/* The last second of the object's time: before and at it, it takes one thing, later another.
 * INT64_MAX: time changes nothing. */
int64_t quota_time_s(const struct api_kind *kind, const void *message);

/* All of an object that scopes ask for. */
struct quota_traits {
    bool is_pod, terminates, best_effort, crosses_namespaces;
    const char *priority_class; /* Borrowed; "" without one. */
};
struct quota_traits quota_traits_of(const struct api_kind *kind, const void *message);
/* Whether objects with these traits are in all of the quota's scopes. Without scopes everything is;
 * with them, only pods can be. */
bool quota_covers(const Core__V1__ResourceQuota *quota, const struct quota_traits *traits);
/* The same for an object. */
bool quota_has_in_scope(const Core__V1__ResourceQuota *quota, const struct api_kind *kind,
                        const void *message);

/* NULL, or what a pod's containers have to say because `hard` has it: "must specify limits.cpu for:
 * c; memory for: c,d". */
const char *quota_unsaid(struct arena *arena, const struct resource_list *hard,
                         const struct api_kind *kind, const void *message);
#endif
