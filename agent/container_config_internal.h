/* What sandbox and container configuration share. Pure; not for other modules. */
#ifndef AGENT_CONTAINER_CONFIG_INTERNAL_H
#define AGENT_CONTAINER_CONFIG_INTERNAL_H
#include "agent/pod_inputs.h"
#include "cri/runtime.pb-c.h"

Cri__V1__NamespaceOption *cri_namespaces(struct arena *arena, const Core__V1__PodSpec *spec);
Cri__V1__Int64Value *cri_int64(struct arena *arena, int64_t number);
/* The container's own profile, else the pod's, else Unconfined. Both may be NULL. */
Cri__V1__SecurityProfile *cri_seccomp(struct arena *arena, const Core__V1__SeccompProfile *own,
                                      const Core__V1__SeccompProfile *of_pod);
Cri__V1__LinuxPodSandboxConfig *cri_linux_sandbox(struct arena *arena,
                                                  const struct pod_inputs *inputs);
#endif
