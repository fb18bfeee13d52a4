/* The Pod Security Standards (KEP-2579): what a pod may ask of its node under each level, as
 * Kubernetes v1.32 checks and words it. Pure: pod in, verdict out; texts live in the caller's
 * arena. Who asks, and which namespace says what, is admission's
 * (apiserver/admission_pod_security.c). */
#ifndef LIB_API_POD_SECURITY_H
#define LIB_API_POD_SECURITY_H
#include "k8s/core_v1.pb-c.h"
#include "lib/api/object.h"
#include "lib/api/status.h"

enum pod_security_level {
    POD_SECURITY_PRIVILEGED,
    POD_SECURITY_BASELINE,
    POD_SECURITY_RESTRICTED,
};

#define POD_SECURITY_LATEST UINT32_MAX

/* A level as a version of Kubernetes defines it. */
struct pod_security_standard {
    enum pod_security_level level;
    uint32_t minor; /* Of v1.minor, or POD_SECURITY_LATEST. */
};

/* What a namespace asks for: pods that are refused, noted in the audit log, or warned about. */
struct pod_security_policy {
    struct pod_security_standard enforce;
    struct pod_security_standard audit;
    struct pod_security_standard warn;
};

/* Reads the labels pod-security.kubernetes.io/... of a namespace; `privileged:latest` where there
 * is none. What cannot be read is added to `causes` (which may be NULL), and counts as restricted
 * for enforce and as privileged for the others. A level to enforce is warned about too, unless the
 * namespace says otherwise. */
struct pod_security_policy pod_security_policy_read(const Meta__V1__ObjectMeta *namespace_meta,
                                                    struct api_causes *causes);

/* "baseline:v1.24" */
const char *pod_security_name(struct arena *arena, struct pod_security_standard standard);

/* What a standard forbids of a pod. */
struct pod_security_verdict {
    const char *reasons; /* "host namespaces, privileged"; "" when nothing is forbidden. */
    const char *details; /* The same with who does it: "host namespaces (hostPID=true), ...". */
};
static inline bool pod_security_allowed(const struct pod_security_verdict *verdict)
{
    return verdict->reasons[0] == 0;
}

/* `meta` may be NULL (a pod template without one); its annotations count for old versions. */
struct pod_security_verdict pod_security_check(struct arena *arena,
                                               struct pod_security_standard standard,
                                               const Meta__V1__ObjectMeta *meta,
                                               const Core__V1__PodSpec *spec);
#endif
