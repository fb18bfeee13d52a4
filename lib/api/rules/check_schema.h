/* What the schema of a CustomResourceDefinition may not say. Internal to lib/api. Pure. */
#ifndef LIB_API_RULES_CHECK_SCHEMA_H
#define LIB_API_RULES_CHECK_SCHEMA_H
#include "k8s/apiextensions_v1.pb-c.h"
#include "lib/api/rules/definition_past.h"
#include "lib/api/status.h"

/* Appends the words of a schema below the root that v1.32 forbids or does not know. */
void rules_check_schema_words(struct api_causes *causes, const struct api_path *at,
                              const Apiextensions__V1__JSONSchemaProps *schema,
                              const struct definition_past *past);
/* Appends what keeps the schema from being structural, and what v1.32 forbids in one, and
 * what is wrong with its defaults and rules. `past` excuses what a definition had already. */
void rules_check_schema(struct api_causes *causes, const struct api_path *at,
                        const Apiextensions__V1__JSONSchemaProps *root,
                        const struct definition_past *past);
#endif
