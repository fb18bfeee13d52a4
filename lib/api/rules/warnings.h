/* What a client is told about an object that is valid. A warning is a cause without a reason: its
 * field and its message, or the message alone. Internal to lib/api. Pure. */
#ifndef LIB_API_RULES_WARNINGS_H
#define LIB_API_RULES_WARNINGS_H
#include "lib/api/rules/rules.h"

/* A pod, or what a template says of its pods. Both are there. */
struct warned_pod {
    const Meta__V1__ObjectMeta *metadata;
    const Core__V1__PodSpec *spec;
};
/* `at` is where the two are members; NULL for a pod. */
void rules_warn_pod(struct api_causes *warnings, const struct api_path *at,
                    const struct warned_pod *pod);
#endif
