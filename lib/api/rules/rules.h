/* What the rules of the kinds share. Internal to lib/api: one file a family of kinds, and in it the
 * defaults and checks that no option in a .proto file can express. Pure. */
#ifndef LIB_API_RULES_RULES_H
#define LIB_API_RULES_RULES_H
#include "k8s/apps_v1.pb-c.h"
#include "k8s/coordination_v1.pb-c.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/discovery_v1.pb-c.h"
#include "k8s/events_v1.pb-c.h"
#include "k8s/meta_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/api/selector.h"
#include "lib/api/status.h"
#include "lib/api/syntax.h"
#include <string.h>

static inline const char *rules_text(const char *text)
{
    return text == NULL ? "" : text;
}
static inline bool rules_empty(const char *text)
{
    return text == NULL || *text == '\0';
}
static inline bool rules_is(const char *text, const char *other)
{
    return strcmp(rules_text(text), other) == 0;
}
static inline bool rules_one_of(const char *text, const char *const *values)
{
    for (; *values != NULL; values++) {
        if (rules_is(text, *values)) {
            return true;
        }
    }
    return false;
}

/* An empty message by full proto name; the name must exist. */
void *rules_new(struct arena *arena, const char *full_name);
/* Sets an empty string to a copy of `value`. */
void rules_default(struct arena *arena, char **text, const char *value);
/* "Guaranteed", "Burstable" or "BestEffort". */
const char *rules_pod_qos_class(const Core__V1__PodSpec *spec);

void rules_prepare_service(struct arena *arena, void *message);
void rules_prepare_service_update(struct arena *arena, const void *before, void *after);

/* --- Checks that every kind may need
 * ----------------------------------------------------------------- */

/* The cause at member `name` of `parent`. */
static inline void rules_required(struct api_causes *causes, const struct api_path *parent,
                                  const char *name, const char *detail)
{
    struct api_path at = api_path_field(parent, name);
    api_cause_required(causes, &at, detail);
}
static inline void rules_invalid(struct api_causes *causes, const struct api_path *parent,
                                 const char *name, struct api_shown value, const char *detail)
{
    struct api_path at = api_path_field(parent, name);
    api_cause_invalid(causes, &at, value, detail);
}
static inline void rules_forbidden(struct api_causes *causes, const struct api_path *parent,
                                   const char *name, const char *detail)
{
    struct api_path at = api_path_field(parent, name);
    api_cause_forbidden(causes, &at, detail);
}
static inline void rules_not_supported(struct api_causes *causes, const struct api_path *parent,
                                       const char *name, const char *value,
                                       const char *const *values)
{
    struct api_path at = api_path_field(parent, name);
    api_cause_not_supported(causes, &at, api_shown_text(value), values);
}

/* One cause "Invalid value" for each message. */
void rules_invalid_each(struct api_causes *causes, const struct api_path *at,
                        struct api_shown value, struct api_syntax syntax);
/* The rule applied to the text at member `name` of `parent`. */
void rules_check_text(struct api_causes *causes, const struct api_path *parent, const char *name,
                      const char *value, struct api_syntax (*rule)(const char *text));
void rules_check_number(struct api_causes *causes, const struct api_path *parent, const char *name,
                        int64_t value, struct api_syntax (*rule)(int64_t number));
/* "field is immutable" when the two messages of the table differ. */
void rules_immutable(struct api_causes *causes, const struct api_path *parent, const char *name,
                     bool equal);
/* Required when empty, NotSupported when not one of `values` (NULL-terminated). */
void rules_enum(struct api_causes *causes, const struct api_path *at, const char *value,
                const char *const *values);
/* No unspecified, loopback, link-local or multicast address. */
void rules_non_special_ip(struct api_causes *causes, const struct api_path *at, const char *ip);
void rules_labels(struct api_causes *causes, const struct api_path *at, struct api_string_map map);
void rules_annotations(struct api_causes *causes, const struct api_path *at,
                       struct api_string_map map);
void rules_label_selector(struct api_causes *causes, const struct api_path *at,
                          const Meta__V1__LabelSelector *selector);
/* The metadata of an object on create; `name_rule` checks names. */
void rules_object_meta(struct api_causes *causes, const Meta__V1__ObjectMeta *meta, bool namespaced,
                       struct api_syntax (*name_rule)(const char *name));
void rules_object_meta_update(struct api_causes *causes, const Meta__V1__ObjectMeta *before,
                              const Meta__V1__ObjectMeta *after);

/* --- Checks by kind
 * ------------------------------------------------------------------------------------ */
typedef void rules_create(struct api_causes *causes, const void *message);
typedef void rules_update(struct api_causes *causes, const void *before, const void *after);

rules_create rules_check_pod, rules_check_service, rules_check_node, rules_check_namespace,
    rules_check_config_map, rules_check_secret, rules_check_event, rules_check_event_v1,
    rules_check_endpoints, rules_check_endpoint_slice, rules_check_lease, rules_check_deployment,
    rules_check_replica_set, rules_check_controller_revision;
rules_update rules_update_pod, rules_update_pod_status, rules_update_pod_ephemeral,
    rules_update_service, rules_update_node, rules_update_namespace_status, rules_update_config_map,
    rules_update_secret, rules_update_event_v1, rules_update_endpoint_slice,
    rules_update_deployment, rules_update_replica_set, rules_update_controller_revision,
    rules_update_deployment_status, rules_update_replica_set_status, rules_update_service_status;

/* A pod template inside a workload: labels, spec, restartPolicy Always. */
void rules_check_pod_template(struct api_causes *causes, const struct api_path *at,
                              const Core__V1__PodTemplateSpec *pod_template);
void rules_check_pod_spec(struct api_causes *causes, const struct api_path *at,
                          const Core__V1__PodSpec *spec);
void rules_check_volumes(struct api_causes *causes, const struct api_path *at,
                         const Core__V1__PodSpec *spec);
void rules_check_containers(struct api_causes *causes, const struct api_path *at,
                            const Core__V1__PodSpec *spec);
void rules_check_tolerations(struct api_causes *causes, const struct api_path *at,
                             Core__V1__Toleration *const *tolerations, size_t count);
void rules_check_spread(struct api_causes *causes, const struct api_path *at,
                        const Core__V1__PodSpec *spec);
void rules_check_affinity(struct api_causes *causes, const struct api_path *at,
                          const Core__V1__Affinity *affinity);
void rules_check_resources(struct api_causes *causes, const struct api_path *at,
                           const Core__V1__ResourceRequirements *resources);
void rules_check_field_ref(struct api_causes *causes, const struct api_path *at,
                           const Core__V1__ObjectFieldSelector *ref, const char *const *allowed);
/* `volume`: the container must be named. */
void rules_check_resource_ref(struct api_causes *causes, const struct api_path *at,
                              const Core__V1__ResourceFieldSelector *ref, bool volume);
void rules_check_relative_path(struct api_causes *causes, const struct api_path *at,
                               const char *path);
void rules_check_seccomp(struct api_causes *causes, const struct api_path *parent,
                         const Core__V1__SeccompProfile *profile);
void rules_check_probes(struct api_causes *causes, const struct api_path *at,
                        const Core__V1__Container *container);
#endif
