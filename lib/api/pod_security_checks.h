/* Inside of pod_security: a pod as the rules see it, and the rules. Pure; all in the arena of the
 * subject. */
#ifndef LIB_API_POD_SECURITY_CHECKS_H
#define LIB_API_POD_SECURITY_CHECKS_H
#include "lib/api/pod_security.h"
#include "lib/base/buffer.h"

enum { POD_SECURITY_TEXT_MAX = 64 * 1024 };
/* The newest version whose rules are here; "latest" and anything newer mean this one. */
enum { POD_SECURITY_NEWEST = 32 };

/* Init, main and ephemeral containers look the same to a rule. */
struct pod_security_container {
    const char *name;
    const Core__V1__SecurityContext *context; /* Or NULL. */
    Core__V1__ContainerPort *const *ports;
    size_t port_count;
};

struct pod_security_subject {
    struct arena *arena;
    uint32_t minor;                   /* The version that is asked about, at most the newest. */
    const Meta__V1__ObjectMeta *meta; /* Or NULL. */
    const Core__V1__PodSpec *spec;
    const Core__V1__PodSecurityContext *context; /* Or NULL. */
    struct pod_security_container *containers;   /* In the order init, main, ephemeral. */
    size_t container_count;
};

void pod_security_subject_init(struct pod_security_subject *subject, struct arena *arena,
                               uint32_t minor, const Meta__V1__ObjectMeta *meta,
                               const Core__V1__PodSpec *spec);

/* --- Lists of names, as they are shown --- */

struct names {
    struct arena *arena;
    const char **items;
    size_t count;
    size_t room;
};
void names_add(struct names *names, const char *name); /* Not copied; NULL counts as "". */
void names_unite(struct names *names);                 /* As a set: sorted, each once. */
const char *names_join(const struct names *names, const char *quote, const char *between);
const char *names_quoted(const struct names *names); /* "a", "b" */
const char *names_plural(const struct names *names, const char *one, const char *many);

/* --- Who breaks a rule, and with what --- */

struct offenders {
    struct names containers;
    struct names values;
    bool pod; /* The pod's own securityContext. */
};
struct offenders offenders_none(const struct pod_security_subject *subject);
bool offenders_found(const struct offenders *offenders);
const char *
containers_text(const struct names *containers); /* container "a"; containers "a", "b" */
const char *offenders_text(const struct offenders *offenders); /* pod and container "a" */

/* A member of the securityContext of the pod and of containers that names a profile's type. */
struct profile_member {
    const char *(*of_pod)(const Core__V1__PodSecurityContext *context); /* NULL: not set. */
    const char *(*of_container)(const Core__V1__SecurityContext *context);
};
extern const struct profile_member seccomp_member, apparmor_member;
/* Who sets a type that confines nothing; `unset` gets the containers that neither set one nor have
 * one from their pod. */
struct offenders offenders_unconfined(const struct pod_security_subject *subject,
                                      const struct profile_member *member, struct names *unset);

/* Adds the container when it adds a capability that is not allowed; what to say of all of them. */
void offenders_add_capabilities(const struct pod_security_container *container,
                                const char *const *allowed, size_t allowed_count,
                                struct offenders *offenders);
const char *offenders_capabilities_text(struct offenders *offenders);
/* What to say of those of offenders_unconfined() for seccomp. */
const char *offenders_seccomp_text(const struct offenders *offenders);

/* True when `text` (NULL: "") is one of the list. */
bool is_among(const char *text, const char *const *allowed, size_t count);
#define IS_AMONG(TEXT, ALLOWED) is_among(TEXT, ALLOWED, ARRAY_LEN(ALLOWED))
static inline const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

/* --- Rules --- */

struct pod_security_finding {
    const char *detail; /* Who does what is forbidden. */
    const char *reason; /* NULL: the rule's. */
};

/* True when the pod breaks the rule: *ret_finding is set. */
typedef bool pod_security_finder(const struct pod_security_subject *subject,
                                 struct pod_security_finding *ret_finding);

pod_security_finder finds_apparmor, finds_capabilities, finds_host_namespaces, finds_host_paths,
    finds_host_ports, finds_privileged, finds_proc_mount, finds_selinux, finds_seccomp_annotations,
    finds_seccomp, finds_sysctls, finds_host_process;
pod_security_finder finds_escalation, finds_kept_capabilities, finds_volume_types,
    finds_root_allowed, finds_root_user, finds_no_seccomp;
#endif
