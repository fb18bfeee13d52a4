/* The arithmetic of a rollout: how many pods may be added, be missing, and where they go. Pure.
 * Source: behaviour of the v1.32 deployment controller. */
#ifndef CONTROLLERS_DEPLOYMENT_DEPLOYMENT_MATH_H
#define CONTROLLERS_DEPLOYMENT_DEPLOYMENT_MATH_H
#include "k8s/apps_v1.pb-c.h"
#include "lib/base/arena.h"
#include <stdbool.h>

bool deployment_rolling(const Apps__V1__Deployment *deployment);
/* Both 0 for Recreate; never both 0 for RollingUpdate. */
int32_t deployment_max_surge(const Apps__V1__Deployment *deployment);
int32_t deployment_max_unavailable(const Apps__V1__Deployment *deployment);
/* The size that the new set may have now; `all_replicas` is that of all sets together. */
int32_t deployment_new_size(const Apps__V1__Deployment *deployment, int32_t all_replicas,
                            int32_t new_replicas);
/* What a set of `replicas` gets of `to_add` (negative: gives up), `added` being given already.
 * `annotated_max` is the deployment's maximum when the set was sized last, 0 when not known. */
int32_t deployment_proportion(const Apps__V1__Deployment *deployment, int32_t replicas,
                              int32_t annotated_max, int32_t to_add, int32_t added);
/* The pod-template-hash: FNV-1a of the template and the collision count, in letters that spell no
 * words. In the arena. */
char *deployment_template_hash(struct arena *arena, const Core__V1__PodTemplateSpec *template_,
                               bool has_collisions, int32_t collisions);
/* Equal but for the pod-template-hash label. */
bool deployment_template_equal(struct arena *arena, const Core__V1__PodTemplateSpec *a,
                               const Core__V1__PodTemplateSpec *b);
#endif
