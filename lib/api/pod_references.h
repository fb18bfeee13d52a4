/* Which other objects of its namespace a pod refers to. Pure. */
#ifndef LIB_API_POD_REFERENCES_H
#define LIB_API_POD_REFERENCES_H
#include "k8s/core_v1.pb-c.h"
#include <stdbool.h>

#define POD_MIRROR_ANNOTATION "kubernetes.io/config.mirror"

enum pod_reference {
    POD_REFERS_TO_ACCOUNT,
    POD_REFERS_TO_SECRET,
    POD_REFERS_TO_CONFIG_MAP,
    POD_REFERS_TO_CLAIM,
    POD_REFERENCES
};

/* By the plural of the resource; POD_REFERENCES for others. */
enum pod_reference pod_reference_of(const char *resource);
/* Each reference by a name that is not empty, some perhaps more than once, until `each` returns
 * false. A name is lent for the call. */
void pod_each_reference(const Core__V1__Pod *pod,
                        bool (*each)(void *data, enum pod_reference kind, const char *name),
                        void *data);
/* Whether the pod refers to the object `name` (NULL: to any) of `resource`: "secrets",
 * "configmaps", "persistentvolumeclaims" or "serviceaccounts". */
bool pod_refers(const Core__V1__Pod *pod, const char *resource, const char *name);
/* Whether a node made it, to show what it runs by itself. */
bool pod_is_mirror(const Core__V1__Pod *pod);
#endif
