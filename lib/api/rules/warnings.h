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
/* Of files in a volume that lie over or in one another. */
void rules_warn_paths(struct api_causes *warnings, const Core__V1__Volume *volume);
void rules_warn_service(struct api_causes *warnings, const Core__V1__Service *service);
/* NULL where Go takes it for an address. */
const char *rules_address_problem(struct arena *arena, const char *text);
void rules_warn_storage_class(struct api_causes *warnings, const Storage__V1__StorageClass *class);
void rules_warn_capacity(struct api_causes *warnings,
                         const Storage__V1__CSIStorageCapacity *capacity);
/* Of a StatefulSet what is not about its pods; `before` is NULL where it is new. */
void rules_warn_set(struct api_causes *warnings, const void *before,
                    const Apps__V1__StatefulSet *set);
/* The spec of a claim, which is at `at`. */
void rules_warn_claim_spec(struct api_causes *warnings, const struct api_path *at,
                           const Core__V1__PersistentVolumeClaimSpec *spec);
void rules_warn_claim(struct api_causes *warnings, const Core__V1__PersistentVolumeClaim *claim);
void rules_warn_volume(struct api_causes *warnings, const Core__V1__PersistentVolume *volume);
void rules_warn_runtime_class(struct api_causes *warnings, const Node__V1__RuntimeClass *class);

/* --- What they are made of ---------------------------------------------------------------------
 */

void rules_warn_member(struct api_causes *warnings, const struct api_path *parent, const char *name,
                       const char *text);
/* Where the annotation is there; `metadata` is where `meta` is. */
void rules_warn_annotation(struct api_causes *warnings, const struct api_path *metadata,
                           const Meta__V1__ObjectMeta *meta, const char *key, const char *text);
/* Where `map`, which is member `list` of `parent`, has a part of a byte of `name`. */
void rules_warn_fraction(struct api_causes *warnings, const struct api_path *parent,
                         const char *list, struct rules_quantities map, const char *name);
void rules_warn_node_term(struct api_causes *warnings, const struct api_path *at,
                          const Core__V1__NodeSelectorTerm *term);
/* Of an old label of nodes that is the value of member `name`. */
void rules_warn_label(struct api_causes *warnings, const struct api_path *parent, const char *name,
                      const char *key);
/* What is said of an old label of nodes; NULL of any other. */
const char *rules_old_node_label(const char *key);
#endif
