/* From a pod to the runtime's configuration: sandbox, containers, resources, security, names of
 * paths. Pure: paths are only computed here. */
#ifndef AGENT_CONTAINER_CONFIG_H
#define AGENT_CONTAINER_CONFIG_H
#include "agent/pod_inputs.h"
#include "cri/runtime.pb-c.h"

enum pod_qos { QOS_GUARANTEED, QOS_BURSTABLE, QOS_BEST_EFFORT };
enum pod_qos pod_qos_class(const Core__V1__Pod *pod);
const char *pod_qos_name(enum pod_qos qos); /* "Guaranteed" */
int64_t pod_oom_score_adj(const struct pod_inputs *inputs, const Core__V1__Container *container);

/* Where things of a pod are on the node. All in the arena. */
char *pod_dir(struct arena *arena, const struct pod_inputs *inputs);
char *pod_log_dir(struct arena *arena, const struct pod_inputs *inputs);
char *pod_hosts_path(struct arena *arena, const struct pod_inputs *inputs);
char *pod_termination_path(struct arena *arena, const struct pod_inputs *inputs,
                           const char *container, uint32_t attempt);
/* NULL for a volume of a kind that this agent does not know. */
char *pod_volume_path(struct arena *arena, const struct pod_inputs *inputs,
                      const Core__V1__Volume *volume);
/* Where the subPath of the mount at this place is bound to, so that it cannot be moved away. */
char *pod_subpath_path(struct arena *arena, const struct pod_inputs *inputs, const char *container,
                       size_t mount_index, const char *volume);
/* subPath or the expanded subPathExpr, or NULL. */
const char *pod_mount_subpath(struct arena *arena, const Core__V1__VolumeMount *mount,
                              const struct pod_variables *variables);
char *pod_cgroup_parent(struct arena *arena, const struct pod_inputs *inputs);
/* Contents of the pod's /etc/hosts. */
char *pod_hosts_text(struct arena *arena, const struct pod_inputs *inputs);

Cri__V1__PodSandboxConfig *sandbox_config_build(struct arena *arena,
                                                const struct pod_inputs *inputs, uint32_t attempt);

struct container_request {
    const Core__V1__Container *container;
    uint32_t attempt;
    const char *image_ref; /* What the runtime calls the image. */
    int64_t image_uid;     /* -1: unknown, or a name. */
    uint64_t hash;
    bool runs_to_end; /* For hollow nodes. */
};
/* -ENOENT with the kubelet's words when something that it refers to is missing, -EINVAL for what
 * cannot be run (runAsNonRoot). */
MUST_USE int container_config_build(struct arena *arena, const struct pod_inputs *inputs,
                                    const struct container_request *request,
                                    Cri__V1__ContainerConfig **ret_config, struct error *reterr);
/* The part of a container's spec whose change restarts it: FNV-1a of its image. */
uint64_t container_hash(const Core__V1__Container *container);

/* CPU by share and quota of a 100 ms period, memory by limit; 0 leaves a value to the runtime. */
void container_resources_fill(const struct pod_inputs *inputs, const Core__V1__Container *container,
                              Cri__V1__LinuxContainerResources *resources);

Cri__V1__StringEntry *cri_entry(struct arena *arena, const char *key, const char *value);
/* The value of `key`, or NULL. */
const char *cri_entry_find(Cri__V1__StringEntry *const *entries, size_t count, const char *key);
#endif
