#include "scheduler/filters.h"

#include "lib/api/object.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is(const char *text, const char *expected)
{
    return strcmp(text == NULL ? "" : text, expected) == 0;
}

static bool empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

static bool same(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static void refuse(struct filter_verdict *verdict, enum filter filter, const char *reason,
                   bool unresolvable)
{
    verdict->filter = filter;
    verdict->unresolvable = unresolvable;
    if (verdict->reason_count < FILTER_REASONS_MAX) {
        verdict->reasons[verdict->reason_count++] = reason;
    }
}

/* --- Taints --- */

bool toleration_tolerates(const Core__V1__Toleration *toleration, const Core__V1__Taint *taint)
{
    if (!empty(toleration->effect) && !same(toleration->effect, taint->effect)) {
        return false;
    }
    if (!empty(toleration->key) && !same(toleration->key, taint->key)) {
        return false;
    }
    if (is(toleration->operator_, "Exists")) {
        return true;
    }
    return (empty(toleration->operator_) || is(toleration->operator_, "Equal")) &&
           same(toleration->value, taint->value);
}

bool taint_tolerated(const Core__V1__Taint *taint, Core__V1__Toleration *const *tolerations,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (toleration_tolerates(tolerations[i], taint)) {
            return true;
        }
    }
    return false;
}

static void filter_unschedulable(const struct pod_info *pod, const struct snapshot_node *node,
                                 struct filter_verdict *verdict)
{
    Core__V1__Taint taint = CORE__V1__TAINT__INIT;
    char key[] = "node.kubernetes.io/unschedulable";
    char effect[] = "NoSchedule";
    taint.key = key;
    taint.effect = effect;
    if (node->node->spec->unschedulable &&
        !taint_tolerated(&taint, pod->pod->spec->tolerations, pod->pod->spec->n_tolerations)) {
        refuse(verdict, FILTER_UNSCHEDULABLE, "node(s) were unschedulable", true);
    }
}

static void filter_taints(struct arena *arena, const struct pod_info *pod,
                          const struct snapshot_node *node, struct filter_verdict *verdict)
{
    const Core__V1__NodeSpec *spec = node->node->spec;
    for (size_t i = 0; i < spec->n_taints; i++) {
        const Core__V1__Taint *taint = spec->taints[i];
        if (!is(taint->effect, "NoSchedule") && !is(taint->effect, "NoExecute")) {
            continue;
        }
        if (!taint_tolerated(taint, pod->pod->spec->tolerations, pod->pod->spec->n_tolerations)) {
            refuse(verdict, FILTER_TAINT,
                   arena_printf(arena, "node(s) had untolerated taint {%s: %s}", taint->key,
                                taint->value == NULL ? "" : taint->value),
                   true);
            return;
        }
    }
}

/* --- Node selector and affinity --- */

static bool number_of(const char *text, int64_t *ret_number)
{
    char *end = NULL;
    errno = 0;
    long long number = text == NULL ? 0 : strtoll(text, &end, 10);
    if (text == NULL || end == text || *end != '\0' || errno != 0) {
        return false;
    }
    *ret_number = number;
    return true;
}

static bool value_in(const Core__V1__NodeSelectorRequirement *requirement, const char *value)
{
    for (size_t i = 0; i < requirement->n_values; i++) {
        if (same(requirement->values[i], value)) {
            return true;
        }
    }
    return false;
}

/* `value` is NULL when the node has no such label. */
static bool requirement_holds(const Core__V1__NodeSelectorRequirement *requirement,
                              const char *value)
{
    const char *operator_ = requirement->operator_;
    if (is(operator_, "In")) {
        return value != NULL && value_in(requirement, value);
    }
    if (is(operator_, "NotIn")) {
        return value == NULL || !value_in(requirement, value);
    }
    if (is(operator_, "Exists")) {
        return value != NULL;
    }
    if (is(operator_, "DoesNotExist")) {
        return value == NULL;
    }
    int64_t have, bound;
    if (requirement->n_values != 1 || !number_of(value, &have) ||
        !number_of(requirement->values[0], &bound)) {
        return false;
    }
    return is(operator_, "Gt") ? have > bound : is(operator_, "Lt") && have < bound;
}

bool node_matches_term(const Core__V1__Node *node, const Core__V1__NodeSelectorTerm *term)
{
    if (term->n_match_expressions == 0 && term->n_match_fields == 0) {
        return false; /* An empty term selects nothing. */
    }
    for (size_t i = 0; i < term->n_match_expressions; i++) {
        const Core__V1__NodeSelectorRequirement *requirement = term->match_expressions[i];
        if (!requirement_holds(requirement, api_meta_label(node->metadata, requirement->key))) {
            return false;
        }
    }
    for (size_t i = 0; i < term->n_match_fields; i++) {
        const Core__V1__NodeSelectorRequirement *requirement = term->match_fields[i];
        const char *value = is(requirement->key, "metadata.name") ? node->metadata->name : NULL;
        if (!requirement_holds(requirement, value)) {
            return false;
        }
    }
    return true;
}

static bool selector_holds(const struct pod_info *pod, const Core__V1__Node *node)
{
    const Core__V1__PodSpec *spec = pod->pod->spec;
    for (size_t i = 0; i < spec->n_node_selector; i++) {
        const char *value = api_meta_label(node->metadata, spec->node_selector[i]->key);
        if (value == NULL || !same(value, spec->node_selector[i]->value)) {
            return false;
        }
    }
    if (spec->affinity == NULL || spec->affinity->node_affinity == NULL) {
        return true;
    }
    const Core__V1__NodeSelector *required =
        spec->affinity->node_affinity->required_during_scheduling_ignored_during_execution;
    if (required == NULL) {
        return true;
    }
    for (size_t i = 0; i < required->n_node_selector_terms; i++) {
        if (node_matches_term(node, required->node_selector_terms[i])) {
            return true;
        }
    }
    return false;
}

/* --- Ports and resources --- */

static bool ports_free(const struct pod_info *pod, const struct snapshot_node *node)
{
    if (pod->port_count == 0) {
        return true;
    }
    for (size_t i = 0; i < node->pod_count; i++) {
        const struct pod_info *other = node->pods[i];
        for (size_t j = 0; j < other->port_count; j++) {
            for (size_t k = 0; k < pod->port_count; k++) {
                if (host_ports_conflict(&other->ports[j], &pod->ports[k])) {
                    return false;
                }
            }
        }
    }
    return true;
}

static void fit(struct filter_verdict *verdict, int64_t wanted, int64_t used, int64_t allocatable,
                const char *reason)
{
    if (wanted == 0 || wanted <= allocatable - used) {
        return;
    }
    bool before = verdict->reason_count > 0 && verdict->unresolvable;
    refuse(verdict, FILTER_RESOURCES, reason, before || wanted > allocatable);
}

static void filter_resources(struct arena *arena, const struct pod_info *pod,
                             const struct snapshot_node *node, struct filter_verdict *verdict)
{
    const struct resources *wanted = &pod->requests;
    if ((int64_t)node->pod_count + 1 > node->pods_max) {
        refuse(verdict, FILTER_RESOURCES, "Too many pods", false);
    }
    fit(verdict, wanted->cpu_milli, node->used_cpu_milli, node->cpu_milli, "Insufficient cpu");
    fit(verdict, wanted->memory, node->used_memory, node->memory, "Insufficient memory");
    fit(verdict, wanted->ephemeral, node->used_ephemeral, node->ephemeral,
        "Insufficient ephemeral-storage");
    for (size_t i = 0; i < wanted->extended_count; i++) {
        const char *name = wanted->extended[i].name;
        fit(verdict, wanted->extended[i].amount, snapshot_node_used_extended(node, name),
            snapshot_node_extended(node, name), arena_printf(arena, "Insufficient %s", name));
    }
    if (wanted->overflow) {
        refuse(verdict, FILTER_RESOURCES, "Too many kinds of resources", true);
    }
}

struct filter_verdict filter_node(struct arena *arena, const struct pod_info *pod,
                                  const struct snapshot_node *node)
{
    struct filter_verdict verdict = {0};
    filter_unschedulable(pod, node, &verdict);
    if (verdict.reason_count > 0) {
        return verdict;
    }
    filter_taints(arena, pod, node, &verdict);
    if (verdict.reason_count > 0) {
        return verdict;
    }
    if (!selector_holds(pod, node->node)) {
        refuse(&verdict, FILTER_AFFINITY, "node(s) didn't match Pod's node affinity/selector",
               true);
    } else if (!ports_free(pod, node)) {
        refuse(&verdict, FILTER_PORTS, "node(s) didn't have free ports for the requested pod ports",
               false);
    } else {
        filter_resources(arena, pod, node, &verdict);
    }
    return verdict;
}
