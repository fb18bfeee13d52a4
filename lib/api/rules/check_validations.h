/* x-kubernetes-validations of a CustomResourceDefinition: what is wrong with the rules themselves.
 * Internal to lib/api. Pure. */
#ifndef LIB_API_RULES_CHECK_VALIDATIONS_H
#define LIB_API_RULES_CHECK_VALIDATIONS_H
#include "k8s/apiextensions_v1.pb-c.h"
#include "lib/api/rules/definition_past.h"
#include "lib/api/status.h"

/* Appends what is wrong with the rules of this node of a schema, but for their expressions. */
void rules_check_validation_words(struct api_causes *causes, const struct api_path *at,
                                  const Apiextensions__V1__JSONSchemaProps *schema);
/* Compiles the rules of a structural schema: appends what does not compile, and what may cost too
 * much, each or together, but for what `past` excuses. Nodes of which rules_check_schema_words()
 * has something to say are left out; `sound` says that there are none. */
void rules_check_validations(struct api_causes *causes, const struct api_path *at,
                             const Apiextensions__V1__JSONSchemaProps *root,
                             const struct definition_past *past, bool sound);
#endif
