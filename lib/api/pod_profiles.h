/* AppArmor profiles of new pods: what was an annotation for each container before it was a field.
 * Each is made from the other, so that older nodes and newer readers see the same. Pure. */
#ifndef LIB_API_POD_PROFILES_H
#define LIB_API_POD_PROFILES_H
#include "k8s/core_v1.pb-c.h"
#include "lib/base/arena.h"

/* What the writer of a pod is told about its annotations, in the arena; before they are completed.
 */
struct pod_profile_warnings {
    const char **texts;
    size_t count;
};
struct pod_profile_warnings api_pod_profile_warnings(struct arena *arena, const Core__V1__Pod *pod);

/* Fills in the one where only the other is there. Does nothing for Windows. */
void api_complete_app_armor(struct arena *arena, Core__V1__Pod *pod);
#endif
