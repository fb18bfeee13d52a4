/* What the writer of a pod, or of a template of pods, is told although it is valid. Order and words
 * are v1.32's. */
#include "lib/api/object.h"
#include "lib/api/quantity.h"
#include "lib/api/rules/warnings.h"
#include "lib/base/name_index.h"

static void warn(struct api_causes *warnings, const struct api_path *at, const char *text)
{
    api_cause_add(warnings, "", text, api_path_text(warnings->arena, at));
}

void rules_warn_member(struct api_causes *warnings, const struct api_path *parent, const char *name,
                       const char *text)
{
    struct api_path at = api_path_field(parent, name);
    warn(warnings, &at, text);
}

/* --- Labels of nodes ---------------------------------------------------------------------------
 */

const char *rules_old_node_label(const char *key)
{
    static const char *const labels[][2] = {
        {"beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"},
        {"beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"},
        {"failure-domain.beta.kubernetes.io/region",
         "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"},
        {"failure-domain.beta.kubernetes.io/zone",
         "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"},
        {"beta.kubernetes.io/instance-type",
         "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"},
        {"app.kubernetes.io/created-by", "deprecated since v1.9"},
        {"scheduler.alpha.kubernetes.io/preferAvoidPods",
         "deprecated since v1.22; use Taints and Tolerations instead"},
        {"node-role.kubernetes.io/master",
         "use \"node-role.kubernetes.io/control-plane\" instead"}};
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        if (rules_is(key, labels[i][0])) {
            return labels[i][1];
        }
    }
    return NULL;
}

void rules_warn_label(struct api_causes *warnings, const struct api_path *parent, const char *name,
                      const char *key)
{
    if (rules_old_node_label(key) != NULL) {
        rules_warn_member(
            warnings, parent, name,
            arena_printf(warnings->arena, "%s is %s", key, rules_old_node_label(key)));
    }
}

void rules_warn_node_term(struct api_causes *warnings, const struct api_path *at,
                          const Core__V1__NodeSelectorTerm *term)
{
    struct api_path list = api_path_field(at, "matchExpressions");
    for (size_t i = 0; term != NULL && i < term->n_match_expressions; i++) {
        struct api_path item = api_path_index(&list, i);
        rules_warn_label(warnings, &item, "key", term->match_expressions[i]->key);
    }
}

static void warn_node_affinity(struct api_causes *warnings, const struct api_path *affinity,
                               const Core__V1__NodeAffinity *node)
{
    struct api_path at = api_path_field(affinity, "nodeAffinity");
    struct api_path required =
        api_path_field(&at, "requiredDuringSchedulingIgnoredDuringExecution");
    struct api_path terms = api_path_field(&required, "nodeSelectorTerms");
    struct api_path preferred =
        api_path_field(&at, "preferredDuringSchedulingIgnoredDuringExecution");
    const Core__V1__NodeSelector *selector =
        node->required_during_scheduling_ignored_during_execution;
    for (size_t i = 0; selector != NULL && i < selector->n_node_selector_terms; i++) {
        struct api_path item = api_path_index(&terms, i);
        rules_warn_node_term(warnings, &item, selector->node_selector_terms[i]);
    }
    for (size_t i = 0; i < node->n_preferred_during_scheduling_ignored_during_execution; i++) {
        struct api_path item = api_path_index(&preferred, i);
        struct api_path preference = api_path_field(&item, "preference");
        rules_warn_node_term(
            warnings, &preference,
            node->preferred_during_scheduling_ignored_during_execution[i]->preference);
    }
}

static const char no_selector[] = "a null labelSelector results in matching no pod";

static void warn_places(struct api_causes *warnings, const struct api_path *spec_at,
                        const Core__V1__PodSpec *spec)
{
    struct api_path selector = api_path_field(spec_at, "nodeSelector");
    struct api_path affinity = api_path_field(spec_at, "affinity");
    struct api_path spreads = api_path_field(spec_at, "topologySpreadConstraints");
    for (size_t i = 0; i < spec->n_node_selector; i++) {
        struct api_path at = api_path_key(&selector, text_or_empty(spec->node_selector[i]->key));
        if (rules_old_node_label(spec->node_selector[i]->key) != NULL) {
            warn(warnings, &at, rules_old_node_label(spec->node_selector[i]->key));
        }
    }
    if (spec->affinity != NULL && spec->affinity->node_affinity != NULL) {
        warn_node_affinity(warnings, &affinity, spec->affinity->node_affinity);
    }
    for (size_t i = 0; i < spec->n_topology_spread_constraints; i++) {
        struct api_path item = api_path_index(&spreads, i);
        rules_warn_label(warnings, &item, "topologyKey",
                         spec->topology_spread_constraints[i]->topology_key);
        if (spec->topology_spread_constraints[i]->label_selector == NULL) {
            rules_warn_member(warnings, &item, "labelSelector", no_selector);
        }
    }
}

/* --- Annotations, volumes, names that come twice -----------------------------------------------
 */

void rules_warn_annotation(struct api_causes *warnings, const struct api_path *metadata,
                           const Meta__V1__ObjectMeta *meta, const char *key, const char *text)
{
    struct api_path annotations = api_path_field(metadata, "annotations");
    struct api_path at = api_path_key(&annotations, key);
    if (meta != NULL && api_meta_annotation(meta, key) != NULL) {
        warn(warnings, &at, text);
    }
}

/* Where a driver is set that is no more; `at` is the volume's place. */
static void warn_driver(struct api_causes *warnings, const struct api_path *at,
                        const Core__V1__Volume *volume, const char *const driver[3])
{
    const struct api_member *member = api_message_member_text(&core__v1__volume__schema, driver[0]);
    const void *holder = api_member_holder(member, volume);
    if (holder != NULL && api_field_is_set(member->field, holder)) {
        rules_warn_member(warnings, at, driver[1], driver[2]);
    }
}

static void warn_own_claim(struct api_causes *warnings, const struct api_path *at,
                           const Core__V1__Volume *volume)
{
    const Core__V1__EphemeralVolumeSource *own =
        volume->volume_source == NULL ? NULL : volume->volume_source->ephemeral;
    struct api_path ephemeral = api_path_field(at, "ephemeral");
    struct api_path claim = api_path_field(&ephemeral, "volumeClaimTemplate");
    struct api_path spec = api_path_field(&claim, "spec");
    if (own != NULL && own->volume_claim_template != NULL) {
        rules_warn_claim_spec(warnings, &spec, own->volume_claim_template->spec);
    }
}

static void warn_volumes(struct api_causes *warnings, const struct api_path *spec_at,
                         const Core__V1__PodSpec *spec)
{
    static const char gone[] = "deprecated in v1.22, non-functional in v1.25+";
    static const char *const before_claims[][3] = {
        {"photonPersistentDisk", "photonPersistentDisk",
         "deprecated in v1.11, non-functional in v1.16+"},
        {"gitRepo", "gitRepo", "deprecated in v1.11"},
        {"scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
        {"flocker", "flocker", gone},
        {"storageos", "storageOS", gone},
        {"quobyte", "quobyte", gone},
        {"glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"}};
    static const char *const after_claims[][3] = {
        {"cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"},
        {"rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"}};
    struct api_path list = api_path_field(spec_at, "volumes");
    for (size_t i = 0; i < spec->n_volumes; i++) {
        struct api_path item = api_path_index(&list, i);
        for (size_t j = 0; j < ARRAY_LEN(before_claims); j++) {
            warn_driver(warnings, &item, spec->volumes[i], before_claims[j]);
        }
        warn_own_claim(warnings, &item, spec->volumes[i]);
        for (size_t j = 0; j < ARRAY_LEN(after_claims); j++) {
            warn_driver(warnings, &item, spec->volumes[i], after_claims[j]);
        }
    }
    for (size_t i = 0; i < spec->n_volumes; i++) {
        rules_warn_paths(warnings, spec->volumes[i]);
    }
}

static void warn_twice(struct api_causes *warnings, const struct api_path *spec_at,
                       const Core__V1__PodSpec *spec)
{
    struct api_path aliases = api_path_field(spec_at, "hostAliases");
    struct api_path secrets = api_path_field(spec_at, "imagePullSecrets");
    struct text_set ips = {.arena = warnings->arena}, names = {.arena = warnings->arena};
    for (size_t i = 0; i < spec->n_host_aliases; i++) {
        const char *ip = text_or_empty(spec->host_aliases[i]->ip);
        struct api_path item = api_path_index(&aliases, i);
        if (!text_set_add(&ips, ip)) {
            rules_warn_member(warnings, &item, "ip",
                              arena_printf(warnings->arena, "duplicate ip \"%s\"", ip));
        }
    }
    for (size_t i = 0; i < spec->n_image_pull_secrets; i++) {
        const char *name = text_or_empty(spec->image_pull_secrets[i]->name);
        struct api_path item = api_path_index(&secrets, i);
        if (!text_set_add(&names, name)) {
            rules_warn_member(warnings, &item, "name",
                              arena_printf(warnings->arena, "duplicate name \"%s\"", name));
        }
        if (*name == '\0') {
            rules_warn_member(warnings, &item, "name", "invalid empty name \"\"");
        }
    }
}

/* --- Containers --------------------------------------------------------------------------------
 */

void rules_warn_fraction(struct api_causes *warnings, const struct api_path *parent,
                         const char *list, struct rules_quantities map, const char *name)
{
    enum { NANOS = 1000000000 };
    struct api_path at = api_path_field(parent, list), key = api_path_key(&at, name);
    const Quantity__Quantity *value = rules_quantity_get(map, name);
    if (value != NULL && quantity_read(value).nanos % NANOS != 0) {
        warn(warnings, &key,
             arena_printf(warnings->arena,
                          "fractional byte value \"%s\" is invalid, must be an integer",
                          rules_quantity_text(warnings->arena, value)));
    }
}

static void warn_amounts(struct api_causes *warnings, const struct api_path *container_at,
                         const Core__V1__ResourceRequirements *resources)
{
    static const char *const names[] = {"memory", "ephemeral-storage"};
    struct api_path at = api_path_field(container_at, "resources");
    for (size_t i = 0; resources != NULL && i < ARRAY_LEN(names); i++) {
        rules_warn_fraction(warnings, &at, "limits", RULES_QUANTITIES(resources, limits), names[i]);
        rules_warn_fraction(warnings, &at, "requests", RULES_QUANTITIES(resources, requests),
                            names[i]);
    }
}

/* Whether the later of two variables of a name is not made of the earlier one. */
static bool hides(struct arena *arena, const Core__V1__EnvVar *variable)
{
    const char *reference = arena_printf(arena, "$(%s)", text_or_empty(variable->name));
    const char *value = text_or_empty(variable->value);
    return variable->value_from != NULL || strcmp(value, reference) == 0 ||
           strstr(value, reference) == NULL;
}

static void warn_variables(struct api_causes *warnings, const struct api_path *container_at,
                           const Core__V1__Container *container)
{
    struct api_path list = api_path_field(container_at, "env");
    struct text_set names = {.arena = warnings->arena};
    for (size_t i = 0; i < container->n_env; i++) {
        const char *name = text_or_empty(container->env[i]->name);
        struct api_path at = api_path_index(&list, i);
        if (!text_set_add(&names, name) && hides(warnings->arena, container->env[i])) {
            warn(warnings, &at,
                 arena_printf(warnings->arena,
                              "hides previous definition of \"%s\", which may be dropped when "
                              "using apply",
                              name));
        }
    }
}

static bool has_profile(const Core__V1__SecurityContext *context)
{
    return context != NULL && context->app_armor_profile != NULL;
}

static void warn_container(struct api_causes *warnings, const struct api_path *at,
                           const struct api_path *metadata, const struct warned_pod *pod,
                           const Core__V1__Container *container)
{
    const Core__V1__PodSecurityContext *all = pod->spec->security_context;
    const Core__V1__SecurityContext *own = container->security_context;
    const char *name = text_or_empty(container->name);
    if (own == NULL || own->seccomp_profile == NULL) {
        rules_warn_annotation(warnings, metadata, pod->metadata,
                              arena_printf(warnings->arena,
                                           "container.seccomp.security.alpha.kubernetes.io/%s",
                                           name),
                              "non-functional in v1.27+; use the \"seccompProfile\" field instead");
    }
    if ((all == NULL || all->app_armor_profile == NULL) && !has_profile(own)) {
        rules_warn_annotation(warnings, metadata, pod->metadata,
                              arena_printf(warnings->arena,
                                           "container.apparmor.security.beta.kubernetes.io/%s",
                                           name),
                              "deprecated since v1.30; use the \"appArmorProfile\" field instead");
    }
    warn_amounts(warnings, at, container->resources);
    warn_variables(warnings, at, container);
}

/* --- Ports -------------------------------------------------------------------------------------
 */

struct port_place {
    const Core__V1__ContainerPort *port;
    const char *at;
};

/* NULL when two ports of one number and protocol do not meet. */
static const char *clash(const Core__V1__ContainerPort *port, const Core__V1__ContainerPort *other)
{
    bool any = rules_empty(port->host_ip), other_any = rules_empty(other->host_ip);
    if (rules_is(port->host_ip, text_or_empty(other->host_ip)) &&
        port->host_port == other->host_port) {
        return "duplicate";
    }
    if (port->host_port == 0 || other->host_port == 0) {
        return "overlapping";
    }
    return port->host_port == other->host_port && any != other_any ? "dangerously ambiguous" : NULL;
}

static void warn_port(struct api_causes *warnings, const struct port_place *places, size_t count)
{
    const struct port_place *place = &places[count];
    const Core__V1__ContainerPort *port = place->port;
    if (!rules_empty(port->host_ip) && port->host_port == 0) {
        api_cause_add(warnings, "",
                      arena_printf(warnings->arena,
                                   "hostIP set without hostPort: {Name:%s HostPort:0 "
                                   "ContainerPort:%d Protocol:%s HostIP:%s}",
                                   text_or_empty(port->name), port->container_port,
                                   text_or_empty(port->protocol), port->host_ip),
                      place->at);
    }
    for (size_t i = 0; i < count; i++) {
        const Core__V1__ContainerPort *other = places[i].port;
        bool same = port->container_port == other->container_port &&
                    rules_is(port->protocol, text_or_empty(other->protocol));
        const char *how = same ? clash(port, other) : NULL;
        if (how != NULL) {
            api_cause_add(
                warnings, "",
                arena_printf(warnings->arena, "%s port definition with %s", how, places[i].at),
                place->at);
        }
    }
}

/* Each port is held against those before it, up to a number that no pod has. */
static void warn_ports(struct api_causes *warnings, const struct api_path *spec_at,
                       const Core__V1__PodSpec *spec)
{
    enum { PORTS_MAX = 256 };
    struct port_place *places = arena_array(warnings->arena, PORTS_MAX, sizeof(*places));
    size_t count = 0;
    for (size_t i = 0; i < spec->n_init_containers + spec->n_containers; i++) {
        struct rules_container place = rules_container_at(spec, i);
        const Core__V1__Container *container = i < spec->n_init_containers
                                                   ? spec->init_containers[i]
                                                   : spec->containers[i - spec->n_init_containers];
        struct api_path list = api_path_field(spec_at, place.list);
        struct api_path item = api_path_index(&list, place.index);
        struct api_path ports = api_path_field(&item, "ports");
        for (size_t j = 0; j < container->n_ports && count < PORTS_MAX; j++) {
            struct api_path at = api_path_index(&ports, j);
            places[count].port = container->ports[j];
            places[count].at = api_path_text(warnings->arena, &at);
            warn_port(warnings, places, count);
            count++;
        }
    }
}

/* --- The pod -----------------------------------------------------------------------------------
 */

static void warn_terms(struct api_causes *warnings, const struct api_path *affinity,
                       const char *name, Core__V1__PodAffinityTerm *const *terms, size_t count,
                       Core__V1__WeightedPodAffinityTerm *const *weighted, size_t weighted_count)
{
    struct api_path at = api_path_field(affinity, name);
    struct api_path required =
        api_path_field(&at, "requiredDuringSchedulingIgnoredDuringExecution");
    struct api_path preferred =
        api_path_field(&at, "preferredDuringSchedulingIgnoredDuringExecution");
    for (size_t i = 0; i < count; i++) {
        struct api_path item = api_path_index(&required, i);
        if (terms[i]->label_selector == NULL) {
            rules_warn_member(warnings, &item, "labelSelector", no_selector);
        }
    }
    for (size_t i = 0; i < weighted_count; i++) {
        const Core__V1__PodAffinityTerm *term = weighted[i]->pod_affinity_term;
        struct api_path item = api_path_index(&preferred, i);
        struct api_path inner = api_path_field(&item, "podAffinityTerm");
        if (term == NULL || term->label_selector == NULL) {
            rules_warn_member(warnings, &inner, "labelSelector", no_selector);
        }
    }
}

static void warn_pod_affinity(struct api_causes *warnings, const struct api_path *spec_at,
                              const Core__V1__Affinity *affinity)
{
    struct api_path at = api_path_field(spec_at, "affinity");
    const Core__V1__PodAffinity *with = affinity == NULL ? NULL : affinity->pod_affinity;
    const Core__V1__PodAntiAffinity *apart = affinity == NULL ? NULL : affinity->pod_anti_affinity;
    if (with != NULL) {
        warn_terms(warnings, &at, "podAffinity",
                   with->required_during_scheduling_ignored_during_execution,
                   with->n_required_during_scheduling_ignored_during_execution,
                   with->preferred_during_scheduling_ignored_during_execution,
                   with->n_preferred_during_scheduling_ignored_during_execution);
    }
    if (apart != NULL) {
        warn_terms(warnings, &at, "podAntiAffinity",
                   apart->required_during_scheduling_ignored_during_execution,
                   apart->n_required_during_scheduling_ignored_during_execution,
                   apart->preferred_during_scheduling_ignored_during_execution,
                   apart->n_preferred_during_scheduling_ignored_during_execution);
    }
}

static void warn_old_annotations(struct api_causes *warnings, const struct api_path *metadata,
                                 const Meta__V1__ObjectMeta *meta)
{
    static const char sysctls[] = "non-functional in v1.11+; use the \"sysctls\" field instead";
    rules_warn_annotation(warnings, metadata, meta, "scheduler.alpha.kubernetes.io/critical-pod",
                          "non-functional in v1.16+; use the \"priorityClassName\" field instead");
    rules_warn_annotation(warnings, metadata, meta, "security.alpha.kubernetes.io/sysctls",
                          sysctls);
    rules_warn_annotation(warnings, metadata, meta, "security.alpha.kubernetes.io/unsafe-sysctls",
                          sysctls);
}

void rules_warn_pod(struct api_causes *warnings, const struct api_path *at,
                    const struct warned_pod *pod)
{
    const Core__V1__PodSpec *spec = pod->spec;
    struct api_path spec_at = api_path_field(at, "spec");
    struct api_path metadata = api_path_field(at, "metadata");
    warn_places(warnings, &spec_at, spec);
    warn_old_annotations(warnings, &metadata, pod->metadata);
    warn_volumes(warnings, &spec_at, spec);
    warn_twice(warnings, &spec_at, spec);
    rules_warn_fraction(warnings, &spec_at, "overhead", RULES_QUANTITIES(spec, overhead), "memory");
    rules_warn_fraction(warnings, &spec_at, "overhead", RULES_QUANTITIES(spec, overhead),
                        "ephemeral-storage");
    if (spec->security_context == NULL || spec->security_context->seccomp_profile == NULL) {
        rules_warn_annotation(warnings, &metadata, pod->metadata,
                              "seccomp.security.alpha.kubernetes.io/pod",
                              "non-functional in v1.27+; use the \"seccompProfile\" field instead");
    }
    for (size_t i = 0; i < spec->n_init_containers + spec->n_containers; i++) {
        bool first = i < spec->n_init_containers;
        size_t index = first ? i : i - spec->n_init_containers;
        struct api_path list = api_path_field(&spec_at, first ? "initContainers" : "containers");
        struct api_path item = api_path_index(&list, index);
        warn_container(warnings, &item, &metadata, pod,
                       first ? spec->init_containers[index] : spec->containers[index]);
    }
    warn_ports(warnings, &spec_at, spec);
    if (spec->has_termination_grace_period_seconds && spec->termination_grace_period_seconds < 0) {
        rules_warn_member(warnings, &spec_at, "terminationGracePeriodSeconds",
                          "must be >= 0; negative values are invalid and will be treated as 1");
    }
    warn_pod_affinity(warnings, &spec_at, spec->affinity);
}
