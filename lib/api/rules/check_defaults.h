/* Defaults in the schema of a CustomResourceDefinition: objects that they are filled into have to
 * be acceptable. Internal to lib/api. Pure. */
#ifndef LIB_API_RULES_CHECK_DEFAULTS_H
#define LIB_API_RULES_CHECK_DEFAULTS_H
#include "k8s/apiextensions_v1.pb-c.h"
#include "lib/api/rules/definition_past.h"
#include "lib/api/status.h"

/* Appends what is wrong with the defaults of a structural schema: fields that it would prune,
 * values that it or its rules refuse. */
void rules_check_defaults(struct api_causes *causes, const struct api_path *at,
                          const Apiextensions__V1__JSONSchemaProps *root,
                          const struct definition_past *past);
/* Whether a default has fields that the schema would prune. */
bool rules_has_unknown_defaults(const Apiextensions__V1__JSONSchemaProps *root);
#endif
