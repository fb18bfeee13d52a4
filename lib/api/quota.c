#include "lib/api/quota.h"

#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include "lib/api/time.h"
#include <stdlib.h>

static const char by_class[] = ".storageclass.storage.k8s.io/";
static const char *const claim_names[] = {"persistentvolumeclaims", "requests.storage", NULL};
static const char *const service_names[] = {"services", "services.loadbalancers",
                                            "services.nodeports", NULL};
static const char *const pod_names[] = {"cpu",
                                        "ephemeral-storage",
                                        "limits.cpu",
                                        "limits.ephemeral-storage",
                                        "limits.memory",
                                        "memory",
                                        "pods",
                                        "requests.cpu",
                                        "requests.ephemeral-storage",
                                        "requests.memory",
                                        NULL};
/* Counted by their plain names, too, from before there was "count/". */
static const char *const plain_names[] = {"configmaps", "replicationcontrollers", "resourcequotas",
                                          "secrets", NULL};

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A resource that some vendor's devices provide. */
static bool is_extended(const char *name)
{
    return strchr(name, '/') != NULL && strstr(name, "kubernetes.io/") == NULL;
}

static bool is(const struct api_kind *kind, const char *resource)
{
    return strcmp(kind->resource, resource) == 0;
}

/* --- Which resources --- */

static bool pods_count(const char *name)
{
    return rules_one_of(name, pod_names) || starts_with(name, "hugepages-") ||
           starts_with(name, "requests.hugepages-") ||
           (starts_with(name, "requests.") && is_extended(name));
}

static bool claims_count(const char *name)
{
    const char *part = strstr(name, by_class);
    return rules_one_of(part == NULL ? name : part + strlen(by_class), claim_names);
}

bool quota_counts(const struct api_kind *kind, const char *name)
{
    if (starts_with(name, "count/")) {
        return strcmp(name + strlen("count/"), kind->resource) == 0;
    }
    if (is(kind, "pods")) {
        return pods_count(name);
    }
    if (is(kind, "persistentvolumeclaims")) {
        return claims_count(name);
    }
    if (is(kind, "services")) {
        return rules_one_of(name, service_names);
    }
    return strcmp(name, kind->resource) == 0 && rules_one_of(name, plain_names);
}

/* --- How much --- */

static void set_count(struct resource_list *usage, const char *name, int64_t count)
{
    resource_list_set(usage, name, quantity_of(count, QUANTITY_DECIMAL_SI));
}

static bool has_ended(const Core__V1__Pod *pod)
{
    const char *phase = pod->status == NULL ? "" : text_or_empty(pod->status->phase);
    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

/* Of a pod that is deleted: until then it may still run. */
static int64_t pod_time_s(const Core__V1__Pod *pod)
{
    const Meta__V1__ObjectMeta *meta = pod->metadata;
    int64_t end_s;
    if (has_ended(pod) || api_time_is_zero(meta->deletion_timestamp) ||
        !meta->has_deletion_grace_period_seconds ||
        __builtin_add_overflow(api_time_seconds(meta->deletion_timestamp),
                               meta->deletion_grace_period_seconds, &end_s)) {
        return INT64_MAX;
    }
    return end_s;
}

static void add_overhead(struct resource_list *list, const Core__V1__PodSpec *spec, bool only_known)
{
    struct resource_list overhead = RESOURCE_LIST(list->arena, spec, overhead);
    for (size_t i = 0; i < overhead.count; i++) {
        const struct resource_amount *each = &overhead.items[i];
        const struct quantity *before = resource_list_get(list, each->name);
        if (before != NULL) {
            resource_list_set(list, each->name, quantity_add(*before, each->value));
        } else if (!only_known) {
            resource_list_set(list, each->name, each->value);
        }
    }
}

static void add_requests(struct resource_list *usage, const struct resource_list *requests)
{
    static const char *const plain[] = {"cpu", "memory", "ephemeral-storage", NULL};
    for (size_t i = 0; i < requests->count; i++) {
        const struct resource_amount *each = &requests->items[i];
        bool is_plain = rules_one_of(each->name, plain) || starts_with(each->name, "hugepages-");
        if (is_plain) {
            resource_list_set(usage, each->name, each->value);
        }
        if (is_plain || is_extended(each->name)) {
            resource_list_set(usage, arena_printf(usage->arena, "requests.%s", each->name),
                              each->value);
        }
    }
}

static void add_limits(struct resource_list *usage, const struct resource_list *limits)
{
    static const char *const names[] = {"cpu", "memory", "ephemeral-storage"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct quantity *limit = resource_list_get(limits, names[i]);
        if (limit != NULL) {
            resource_list_set(usage, arena_printf(usage->arena, "limits.%s", names[i]), *limit);
        }
    }
}

static void add_pod(struct resource_list *usage, const Core__V1__Pod *pod, int64_t now_s)
{
    if (pod->spec == NULL || has_ended(pod) || now_s > pod_time_s(pod)) {
        return;
    }
    set_count(usage, "pods", 1);
    struct resource_list requests = resource_list_pod_requests(usage->arena, pod->spec);
    struct resource_list limits = resource_list_pod_limits(usage->arena, pod->spec);
    add_overhead(&requests, pod->spec, /* only_known= */ false);
    add_overhead(&limits, pod->spec, /* only_known= */ true);
    add_requests(usage, &requests);
    add_limits(usage, &limits);
}

static void add_service(struct resource_list *usage, const Core__V1__Service *service)
{
    const Core__V1__ServiceSpec *spec = service->spec;
    const char *type = spec == NULL ? "" : text_or_empty(spec->type);
    bool balanced = strcmp(type, "LoadBalancer") == 0;
    size_t ports = 0;
    if (strcmp(type, "NodePort") == 0 ||
        (balanced && (!spec->has_allocate_load_balancer_node_ports ||
                      spec->allocate_load_balancer_node_ports))) {
        ports = spec->n_ports;
    } else if (balanced) {
        for (size_t i = 0; i < spec->n_ports; i++) {
            ports += spec->ports[i]->node_port != 0;
        }
    }
    set_count(usage, "services", 1);
    set_count(usage, "services.loadbalancers", balanced);
    set_count(usage, "services.nodeports", (int64_t)ports);
}

static const char *storage_class_of(const Core__V1__PersistentVolumeClaim *claim)
{
    const char *beta =
        api_meta_annotation(claim->metadata, "volume.beta.kubernetes.io/storage-class");
    return text_or_empty(beta != NULL ? beta : claim->spec->storage_class_name);
}

/* What was asked for, or what a resize that failed still holds. */
static const struct quantity *storage_of(struct arena *arena,
                                         const Core__V1__PersistentVolumeClaim *claim)
{
    if (claim->spec->resources == NULL) {
        return NULL;
    }
    struct resource_list requests = RESOURCE_LIST(arena, claim->spec->resources, requests);
    const struct quantity *asked = resource_list_get(&requests, "storage");
    if (asked == NULL || claim->status == NULL) {
        return asked;
    }
    struct resource_list held = RESOURCE_LIST(arena, claim->status, allocated_resources);
    const struct quantity *allocated = resource_list_get(&held, "storage");
    return allocated != NULL && quantity_compare(*allocated, *asked) > 0 ? allocated : asked;
}

static void add_claim(struct resource_list *usage, const Core__V1__PersistentVolumeClaim *claim)
{
    set_count(usage, claim_names[0], 1);
    if (claim->spec == NULL) {
        return;
    }
    struct arena *arena = usage->arena;
    const char *class = storage_class_of(claim);
    const struct quantity *storage = storage_of(arena, claim);
    if (class[0] != 0) {
        set_count(usage, arena_printf(arena, "%s%s%s", class, by_class, claim_names[0]), 1);
    }
    if (storage != NULL) {
        resource_list_set(usage, claim_names[1], *storage);
    }
    if (storage != NULL && class[0] != 0) {
        resource_list_set(usage, arena_printf(arena, "%s%s%s", class, by_class, claim_names[1]),
                          *storage);
    }
}

bool quota_only_counts(const struct api_kind *kind)
{
    return !is(kind, "pods") && !is(kind, "services") && !is(kind, "persistentvolumeclaims");
}

int64_t quota_time_s(const struct api_kind *kind, const void *message)
{
    return is(kind, "pods") ? pod_time_s(message) : INT64_MAX;
}

struct resource_list quota_usage(struct arena *arena, const struct api_kind *kind,
                                 const void *message, int64_t now_s)
{
    struct resource_list usage = resource_list_empty(arena);
    set_count(&usage, arena_printf(arena, "count/%s", kind->resource), 1);
    if (is(kind, "pods")) {
        add_pod(&usage, message, now_s);
    } else if (is(kind, "services")) {
        add_service(&usage, message);
    } else if (is(kind, "persistentvolumeclaims")) {
        add_claim(&usage, message);
    } else if (rules_one_of(kind->resource, plain_names)) {
        set_count(&usage, kind->resource, 1);
    }
    return usage;
}

/* --- Scopes --- */

static bool crosses(const Core__V1__PodAffinityTerm *term)
{
    return term != NULL && (term->n_namespaces > 0 || term->namespace_selector != NULL);
}

static bool any_crosses(Core__V1__PodAffinityTerm *const *required, size_t required_count,
                        Core__V1__WeightedPodAffinityTerm *const *preferred, size_t preferred_count)
{
    bool found = false;
    for (size_t i = 0; i < required_count && !found; i++) {
        found = crosses(required[i]);
    }
    for (size_t i = 0; i < preferred_count && !found; i++) {
        found = crosses(preferred[i]->pod_affinity_term);
    }
    return found;
}

static bool uses_other_namespaces(const Core__V1__PodSpec *spec)
{
    const Core__V1__PodAffinity *near =
        spec->affinity == NULL ? NULL : spec->affinity->pod_affinity;
    const Core__V1__PodAntiAffinity *far =
        spec->affinity == NULL ? NULL : spec->affinity->pod_anti_affinity;
    return (near != NULL &&
            any_crosses(near->required_during_scheduling_ignored_during_execution,
                        near->n_required_during_scheduling_ignored_during_execution,
                        near->preferred_during_scheduling_ignored_during_execution,
                        near->n_preferred_during_scheduling_ignored_during_execution)) ||
           (far != NULL &&
            any_crosses(far->required_during_scheduling_ignored_during_execution,
                        far->n_required_during_scheduling_ignored_during_execution,
                        far->preferred_during_scheduling_ignored_during_execution,
                        far->n_preferred_during_scheduling_ignored_during_execution));
}

static bool has_value(char *const *values, size_t count, const char *value)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(values[i], value) == 0) {
            return true;
        }
    }
    return false;
}

/* A pod without a class has no label to compare, as a missing label in a selector. */
static bool class_matches(const char *class, const char *op, char *const *values, size_t count)
{
    if (strcmp(op, "Exists") == 0) {
        return class[0] != 0;
    }
    if (strcmp(op, "DoesNotExist") == 0) {
        return class[0] == 0;
    }
    bool named = class[0] != 0 && has_value(values, count, class);
    return strcmp(op, "In") == 0 ? named : !named;
}

static bool in_scope(const struct quota_traits *traits, const char *scope, const char *op,
                     char *const *values, size_t count)
{
    if (strcmp(scope, "Terminating") == 0) {
        return traits->terminates;
    }
    if (strcmp(scope, "NotTerminating") == 0) {
        return !traits->terminates;
    }
    if (strcmp(scope, "BestEffort") == 0) {
        return traits->best_effort;
    }
    if (strcmp(scope, "NotBestEffort") == 0) {
        return !traits->best_effort;
    }
    if (strcmp(scope, "CrossNamespacePodAffinity") == 0) {
        return traits->crosses_namespaces;
    }
    return strcmp(scope, "PriorityClass") == 0 &&
           class_matches(traits->priority_class, op, values, count);
}

struct quota_traits quota_traits_of(const struct api_kind *kind, const void *message)
{
    const Core__V1__Pod *pod = is(kind, "pods") ? message : NULL;
    const Core__V1__PodSpec *spec = pod == NULL ? NULL : pod->spec;
    if (spec == NULL) {
        return (struct quota_traits){.priority_class = ""};
    }
    return (struct quota_traits){
        .is_pod = true,
        .terminates = spec->has_active_deadline_seconds && spec->active_deadline_seconds >= 0,
        .best_effort = strcmp(rules_pod_qos_class(spec), "BestEffort") == 0,
        .crosses_namespaces = uses_other_namespaces(spec),
        .priority_class = text_or_empty(spec->priority_class_name)};
}

static bool has_scopes(const Core__V1__ResourceQuota *quota)
{
    const Core__V1__ResourceQuotaSpec *spec = quota->spec;
    return spec != NULL && (spec->n_scopes > 0 || (spec->scope_selector != NULL &&
                                                   spec->scope_selector->n_match_expressions > 0));
}

bool quota_covers(const Core__V1__ResourceQuota *quota, const struct quota_traits *traits)
{
    if (!has_scopes(quota)) {
        return true;
    }
    const Core__V1__ResourceQuotaSpec *spec = quota->spec;
    const Core__V1__ScopeSelector *selector = spec->scope_selector;
    bool inside = traits->is_pod;
    for (size_t i = 0; i < spec->n_scopes && inside; i++) {
        inside = in_scope(traits, spec->scopes[i], "Exists", NULL, 0);
    }
    for (size_t i = 0; selector != NULL && i < selector->n_match_expressions && inside; i++) {
        const Core__V1__ScopedResourceSelectorRequirement *each = selector->match_expressions[i];
        inside = in_scope(traits, text_or_empty(each->scope_name), text_or_empty(each->operator_),
                          each->values, each->n_values);
    }
    return inside;
}

bool quota_has_in_scope(const Core__V1__ResourceQuota *quota, const struct api_kind *kind,
                        const void *message)
{
    struct quota_traits traits = has_scopes(quota) ? quota_traits_of(kind, message)
                                                   : (struct quota_traits){.priority_class = ""};
    return quota_covers(quota, &traits);
}

/* --- What has to be said --- */

static bool says(struct arena *arena, const Core__V1__Container *container, const char *name)
{
    const Core__V1__ResourceRequirements *resources = container->resources;
    if (resources == NULL) {
        return false;
    }
    bool limit = starts_with(name, "limits.");
    struct resource_list list =
        limit ? RESOURCE_LIST(arena, resources, limits) : RESOURCE_LIST(arena, resources, requests);
    const char *dot = strchr(name, '.');
    return resource_list_get(&list, dot == NULL ? name : dot + 1) != NULL;
}

static int by_text(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

/* The containers that do not say `name`, as "a,b"; NULL when all do. */
static const char *silent(struct arena *arena, const Core__V1__PodSpec *spec, const char *name)
{
    size_t room = spec->n_containers + spec->n_init_containers;
    const char **names = arena_array(arena, room + 1, sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; i < room; i++) {
        const Core__V1__Container *each = i < spec->n_containers
                                              ? spec->containers[i]
                                              : spec->init_containers[i - spec->n_containers];
        if (!says(arena, each, name)) {
            names[count++] = text_or_empty(each->name);
        }
    }
    qsort(names, count, sizeof(*names), by_text);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(names[i], names[kept - 1]) != 0) {
            names[kept++] = names[i];
        }
    }
    return kept == 0 ? NULL : arena_join(arena, names, kept, ",");
}

const char *quota_unsaid(struct arena *arena, const struct resource_list *hard,
                         const struct api_kind *kind, const void *message)
{
    static const char *const explicit[] = {"cpu",    "limits.cpu",   "limits.memory",
                                           "memory", "requests.cpu", "requests.memory"};
    const Core__V1__Pod *pod = message;
    const char *text = NULL;
    for (size_t i = 0; is(kind, "pods") && i < ARRAY_LEN(explicit); i++) {
        const char *names = resource_list_get(hard, explicit[i]) == NULL
                                ? NULL
                                : silent(arena, pod->spec, explicit[i]);
        if (names != NULL) {
            text = arena_printf(arena, "%s%s for: %s; ", text == NULL ? "must specify " : text,
                                explicit[i], names);
        }
    }
    return text == NULL ? NULL : arena_text_n(arena, text, strlen(text) - strlen("; "));
}
