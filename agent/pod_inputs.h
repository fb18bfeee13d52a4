/* Everything besides the spec that a pod's containers are made from, and which objects a pod refers
 * to. Pure. */
#ifndef AGENT_POD_INPUTS_H
#define AGENT_POD_INPUTS_H
#include "k8s/core_v1.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/error.h"
#include <stdbool.h>

struct pod_inputs {
    const Core__V1__Pod *pod;
    /* The decoded message ("configmaps": Core__V1__ConfigMap, "secrets": Core__V1__Secret) of this
     * pod's namespace, or NULL when there is none. */
    const void *(*find)(void *data, const char *resource, const char *name);
    void *find_data;
    const Core__V1__Service *const *services; /* Of every namespace. */
    size_t service_count;
    const char *pod_ip; /* "" while unknown. */
    const char *host_ip;
    const char *node_name;
    const char *cluster_dns;    /* "" for none. */
    const char *cluster_domain; /* "cluster.local" */
    int64_t node_memory_bytes;
    int64_t node_cpu_milli;
    const char *pods_dir; /* data_dir/pods */
    const char *logs_dir; /* data_dir/logs */
    /* The node's own resolver settings. */
    const char *const *host_nameservers;
    size_t host_nameserver_count;
    const char *const *host_searches;
    size_t host_search_count;
    bool hollow;
};

struct pod_reference {
    const char *resource; /* "configmaps" or "secrets" */
    const char *name;
    bool optional; /* In every place that names it. */
};
struct pod_references {
    struct pod_reference *items; /* Each object once. In the arena. */
    size_t count;
};
struct pod_references pod_references_collect(struct arena *arena, const Core__V1__Pod *pod);

/* ConfigMap and Secret keys. The bytes of `key`, or false. */
bool config_map_value(const Core__V1__ConfigMap *map, const char *key, struct slice *ret_value);
bool secret_value(const Core__V1__Secret *secret, const char *key, struct slice *ret_value);

/* A downward API field: metadata.*, spec.*, status.*. -EINVAL when there is no such field. */
MUST_USE int pod_field_value(struct arena *arena, const struct pod_inputs *inputs, const char *path,
                             char **ret_text, struct error *reterr);
/* A resourceFieldRef: requests and limits, in units of the divisor, rounded up. `container_name`
 * NULL or "": `container`. -EINVAL for an unknown resource or container. */
MUST_USE int pod_resource_value(struct arena *arena, const struct pod_inputs *inputs,
                                const Core__V1__ResourceFieldSelector *selector,
                                const Core__V1__Container *container, char **ret_text,
                                struct error *reterr);
const Core__V1__Container *pod_container_find(const Core__V1__Pod *pod, const char *name);

struct pod_variable {
    const char *name;
    const char *value;
};
struct pod_variables {
    struct pod_variable *items;
    size_t count;
    size_t capacity;
};
const char *pod_variable_get(const struct pod_variables *variables,
                             const char *name); /* Or NULL. */
/* The container's whole environment, in order, later ones replacing earlier ones. -ENOENT with the
 * kubelet's words when an object or key is missing (CreateContainerConfigError), -EINVAL. */
MUST_USE int pod_env_build(struct arena *arena, const struct pod_inputs *inputs,
                           const Core__V1__Container *container,
                           struct pod_variables *ret_variables, struct error *reterr);
/* Replaces $(NAME) by its value; $$ gives $; unknown names stay as they are written. */
char *pod_expand(struct arena *arena, const char *text, const struct pod_variables *variables);
#endif
