/* What one version of a CustomResourceDefinition may not say: schema, subresources, columns, fields
 * that select. v1.32 knows definitions in an internal form, in which what all versions say alike
 * stands once, beside the versions; and blames it there. Internal to lib/api. Pure. */
#ifndef LIB_API_RULES_CHECK_VERSIONS_H
#define LIB_API_RULES_CHECK_VERSIONS_H
#include "lib/api/rules/definition_past.h"
#include "lib/api/status.h"

/* What each version says for itself. `before` may be NULL. */
void rules_check_versions(struct api_causes *causes, const struct api_path *at,
                          const Apiextensions__V1__CustomResourceDefinitionSpec *spec,
                          const Apiextensions__V1__CustomResourceDefinitionSpec *before,
                          const struct definition_past *past);
/* What all of them say alike. */
void rules_check_versions_alike(struct api_causes *causes, const struct api_path *at,
                                const Apiextensions__V1__CustomResourceDefinitionSpec *spec,
                                const Apiextensions__V1__CustomResourceDefinitionSpec *before,
                                const struct definition_past *past);
#endif
