/* Which other objects a pod refers to. Pure. */
#ifndef APISERVER_POD_REFERENCES_H
#define APISERVER_POD_REFERENCES_H
#include "k8s/core_v1.pb-c.h"
#include <stdbool.h>

/* Whether the pod refers to the object `name` of its namespace (NULL: to any) of `resource`:
 * "secrets", "configmaps", "persistentvolumeclaims" or "serviceaccounts". */
bool pod_spec_refers(const Core__V1__PodSpec *spec, const char *resource, const char *name);
#endif
