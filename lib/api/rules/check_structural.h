/* Whether the schema of a CustomResourceDefinition is structural: what says the shape of objects is
 * said once, outside of allOf, anyOf, oneOf and not, which only constrain values. Internal to
 * lib/api. Pure. Source: Kubernetes documentation, "Specifying a structural schema". */
#ifndef LIB_API_RULES_CHECK_STRUCTURAL_H
#define LIB_API_RULES_CHECK_STRUCTURAL_H
#include "k8s/apiextensions_v1.pb-c.h"
#include "lib/api/status.h"

/* Appends what keeps the schema from being structural. */
void rules_check_structural(struct api_causes *causes, const struct api_path *at,
                            const Apiextensions__V1__JSONSchemaProps *root);
#endif
