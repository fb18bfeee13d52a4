/* How the versions of a custom resource are converted: what a definition may say of it. */
#ifndef LIB_API_RULES_CHECK_CONVERSION_H
#define LIB_API_RULES_CHECK_CONVERSION_H
#include "k8s/apiextensions_v1.pb-c.h"
#include "lib/api/status.h"

/* `spec` is where the definition's spec is; `conversion` may be NULL. Of an `established`
 * definition it is held to more than it was `before`, which may be NULL. */
void rules_check_conversion(struct api_causes *causes, const struct api_path *spec,
                            const Apiextensions__V1__CustomResourceConversion *conversion,
                            bool established,
                            const Apiextensions__V1__CustomResourceConversion *before);
#endif
