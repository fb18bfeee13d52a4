/* The status of CustomResourceDefinitions: which of its names a definition has, and whether it is
 * established. Pure; the algorithm of v1.32's naming controller. */
#ifndef APISERVER_DEFINITION_STATUS_H
#define APISERVER_DEFINITION_STATUS_H
#include "k8s/apiextensions_v1.pb-c.h"
#include "lib/base/arena.h"
#include <stdbool.h>

/* A definition that is being deleted keeps this until its objects are gone. */
#define DEFINITION_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

/* Writes into `definition` (a copy of the stored one, in `arena`) the status that it should have,
 * given all `others` of the cluster (itself among them or not). True when that changed anything. */
bool definition_status_plan(struct arena *arena,
                            Apiextensions__V1__CustomResourceDefinition *definition,
                            const Apiextensions__V1__CustomResourceDefinition *const *others,
                            size_t count, int64_t now_s);
/* Marks it as being deleted: time, condition, finalizer. */
void definition_status_terminate(struct arena *arena,
                                 Apiextensions__V1__CustomResourceDefinition *definition,
                                 int64_t now_s);
/* The condition, or NULL. */
const Apiextensions__V1__CustomResourceDefinitionCondition *
definition_condition(const Apiextensions__V1__CustomResourceDefinition *definition,
                     const char *type);
bool definition_is(const Apiextensions__V1__CustomResourceDefinition *definition, const char *type);
#endif
