/* What may change in a pod that exists: almost nothing (images, deadline, added tolerations,
 * gates). */
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"

static const char POD_UPDATE[] =
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions "
    "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
    "was previously negative)\n";

/* --- Images ------------------------------------------------------------------------------------
 */

static bool check_counts(struct api_causes *causes, const Core__V1__PodSpec *before,
                         const Core__V1__PodSpec *after)
{
    static const char why[] = "pod updates may not add or remove containers";
    struct api_path at = api_path_field(NULL, "spec");
    bool same = true;
    if (before->n_containers != after->n_containers) {
        rules_forbidden(causes, &at, "containers", why);
        same = false;
    }
    if (before->n_init_containers != after->n_init_containers) {
        rules_forbidden(causes, &at, "initContainers", why);
        same = false;
    }
    return same;
}

static void check_images(struct api_causes *causes, const struct api_path *list,
                         Core__V1__Container *const *containers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct api_path at = api_path_index(list, i);
        struct api_frame frame = api_frame_object(&core__v1__container__schema, containers[i]);
        frame.at = &at;
        api_check_member(causes, &frame, "image");
    }
}

/* Copies of the containers with the images (and nothing else) of `images`. */
static Core__V1__Container **with_images(struct arena *arena,
                                         Core__V1__Container *const *containers,
                                         Core__V1__Container *const *images, size_t count)
{
    Core__V1__Container **copies = arena_array(arena, count, sizeof(*copies));
    for (size_t i = 0; i < count; i++) {
        copies[i] = arena_alloc(arena, sizeof(*copies[i]));
        *copies[i] = *containers[i];
        copies[i]->image = images[i]->image;
    }
    return copies;
}

/* --- Deadline, tolerations, gates --------------------------------------------------------------
 */

static void check_deadline(struct api_causes *causes, const Core__V1__PodSpec *before,
                           const Core__V1__PodSpec *after)
{
    struct api_path at = api_path_field(NULL, "spec");
    if (after->has_active_deadline_seconds) {
        if (after->active_deadline_seconds < 0 || after->active_deadline_seconds > INT32_MAX) {
            rules_invalid(causes, &at, "activeDeadlineSeconds",
                          api_shown_int(after->active_deadline_seconds),
                          "must be between 0 and 2147483647, inclusive");
        } else if (before->has_active_deadline_seconds &&
                   after->active_deadline_seconds > before->active_deadline_seconds) {
            rules_invalid(causes, &at, "activeDeadlineSeconds",
                          api_shown_int(after->active_deadline_seconds),
                          "must be less than or equal to previous value");
        }
    } else if (before->has_active_deadline_seconds) {
        rules_invalid(causes, &at, "activeDeadlineSeconds", api_shown_null(),
                      "must not update from a positive integer to nil value");
    }
}

static bool same_toleration(const Core__V1__Toleration *a, const Core__V1__Toleration *b)
{
    return rules_is(a->key, text_or_empty(b->key)) && rules_is(a->value, text_or_empty(b->value)) &&
           rules_is(a->operator_, text_or_empty(b->operator_)) &&
           rules_is(a->effect, text_or_empty(b->effect));
}

static void check_tolerations(struct api_causes *causes, const Core__V1__PodSpec *before,
                              const Core__V1__PodSpec *after)
{
    struct api_path at = api_path_field(NULL, "spec");
    struct api_frame frame = api_frame_object(&core__v1__pod_spec__schema, after);
    frame.at = &at;
    api_check_member(causes, &frame, "tolerations");
    for (size_t i = 0; i < before->n_tolerations; i++) {
        bool kept = false;
        for (size_t j = 0; j < after->n_tolerations; j++) {
            kept = kept || same_toleration(before->tolerations[i], after->tolerations[j]);
        }
        if (!kept) {
            rules_forbidden(causes, &at, "tolerations",
                            "existing toleration can not be modified except its tolerationSeconds");
            return;
        }
    }
}

static void check_gates(struct api_causes *causes, const Core__V1__PodSpec *before,
                        const Core__V1__PodSpec *after)
{
    struct api_path at = api_path_field(NULL, "spec");
    struct api_path list = api_path_field(&at, "schedulingGates");
    for (size_t i = 0; i < after->n_scheduling_gates; i++) {
        struct api_path item = api_path_index(&list, i);
        bool known = false;
        for (size_t j = 0; j < before->n_scheduling_gates; j++) {
            known = known || rules_is(before->scheduling_gates[j]->name,
                                      text_or_empty(after->scheduling_gates[i]->name));
        }
        if (!known) {
            rules_forbidden(
                causes, &item, "name",
                arena_printf(causes->arena,
                             "only deletion is allowed, but found new scheduling gate '%s'",
                             text_or_empty(after->scheduling_gates[i]->name)));
        }
    }
    if (after->n_scheduling_gates > 0 && !rules_empty(after->node_name)) {
        rules_forbidden(causes, &at, "nodeName",
                        "cannot be set until all schedulingGates have been cleared");
    }
}

/* --- A gated pod's placement may still be narrowed ---------------------------------------------
 */

static bool only_added(struct api_string_map before, struct api_string_map after)
{
    for (size_t i = 0; i < before.count; i++) {
        const char *value = api_string_map_get(after, api_string_map_key(before, i));
        if (value == NULL || strcmp(value, api_string_map_value(before, i)) != 0) {
            return false;
        }
    }
    return true;
}

/* Whether every item of the first list is in the second. */
static bool contains_all(Core__V1__NodeSelectorRequirement *const *items, size_t count,
                         Core__V1__NodeSelectorRequirement *const *in, size_t in_count)
{
    const struct api_message *table =
        api_message_find("k8s.io.api.core.v1.NodeSelectorRequirement");
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (size_t j = 0; j < in_count; j++) {
            found = found || api_message_equal(table, items[i], in[j]);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static void check_node_affinity(struct api_causes *causes, const Core__V1__PodSpec *before,
                                const Core__V1__PodSpec *after)
{
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path affinity = api_path_field(&spec, "affinity");
    struct api_path at = api_path_field(&affinity, "nodeAffinity");
    struct api_path required =
        api_path_field(&at, "requiredDuringSchedulingIgnoredDuringExecution");
    struct api_path terms = api_path_field(&required, "nodeSelectorTerms");
    const Core__V1__NodeAffinity *old_affinity =
        before->affinity == NULL ? NULL : before->affinity->node_affinity;
    const Core__V1__NodeAffinity *new_affinity =
        after->affinity == NULL ? NULL : after->affinity->node_affinity;
    const Core__V1__NodeSelector *old_selector =
        old_affinity == NULL ? NULL
                             : old_affinity->required_during_scheduling_ignored_during_execution;
    const Core__V1__NodeSelector *selector =
        new_affinity == NULL ? NULL
                             : new_affinity->required_during_scheduling_ignored_during_execution;
    if (old_selector == NULL || old_selector->n_node_selector_terms == 0) {
        return;
    }
    if (selector == NULL ||
        selector->n_node_selector_terms != old_selector->n_node_selector_terms) {
        api_cause_invalid(causes, &terms, api_shown_raw("[]v1.NodeSelectorTerm"),
                          "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
        return;
    }
    for (size_t i = 0; i < selector->n_node_selector_terms; i++) {
        const Core__V1__NodeSelectorTerm *old_term = old_selector->node_selector_terms[i];
        const Core__V1__NodeSelectorTerm *term = selector->node_selector_terms[i];
        if (!contains_all(old_term->match_expressions, old_term->n_match_expressions,
                          term->match_expressions, term->n_match_expressions) ||
            !contains_all(old_term->match_fields, old_term->n_match_fields, term->match_fields,
                          term->n_match_fields)) {
            struct api_path item = api_path_index(&terms, i);
            api_cause_invalid(causes, &item, api_shown_raw("v1.NodeSelectorTerm"),
                              "only additions are allowed (no mutations or deletions)");
        }
    }
}

static void check_placement(struct api_causes *causes, const Core__V1__PodSpec *before,
                            const Core__V1__PodSpec *after)
{
    struct api_path at = api_path_field(NULL, "spec");
    if (!only_added(API_STRING_MAP(before->node_selector, before->n_node_selector),
                    API_STRING_MAP(after->node_selector, after->n_node_selector))) {
        rules_invalid(
            causes, &at, "nodeSelector",
            api_shown_map(causes->arena,
                          API_STRING_MAP(after->node_selector, after->n_node_selector)),
            "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
    }
    check_node_affinity(causes, before, after);
}

/* --- The whole ---------------------------------------------------------------------------------
 */

/* The new spec with everything that may change set back: what still differs is forbidden. */
static Core__V1__PodSpec munged(struct arena *arena, const Core__V1__PodSpec *before,
                                const Core__V1__PodSpec *after)
{
    Core__V1__PodSpec spec = *after;
    spec.containers =
        with_images(arena, after->containers, before->containers, after->n_containers);
    spec.init_containers = with_images(arena, after->init_containers, before->init_containers,
                                       after->n_init_containers);
    spec.has_active_deadline_seconds = before->has_active_deadline_seconds;
    spec.active_deadline_seconds = before->active_deadline_seconds;
    spec.tolerations = before->tolerations;
    spec.n_tolerations = before->n_tolerations;
    spec.scheduling_gates = before->scheduling_gates;
    spec.n_scheduling_gates = before->n_scheduling_gates;
    if (before->termination_grace_period_seconds < 0 &&
        after->termination_grace_period_seconds == 1) {
        spec.termination_grace_period_seconds = before->termination_grace_period_seconds;
    }
    if (before->n_scheduling_gates > 0) {
        spec.node_selector = before->node_selector;
        spec.n_node_selector = before->n_node_selector;
        spec.affinity = before->affinity;
    }
    return spec;
}

void rules_update_pod(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__Pod *old_pod = before, *pod = after;
    struct api_path at = api_path_field(NULL, "spec");
    struct api_path containers = api_path_field(&at, "containers");
    struct api_path init = api_path_field(&at, "initContainers");
    const Core__V1__PodSpec *old_spec = old_pod->spec, *spec = pod->spec;
    rules_update_pod_annotations(causes, old_pod, pod);
    if (!check_counts(causes, old_spec, spec)) {
        return;
    }
    check_images(causes, &containers, spec->containers, spec->n_containers);
    check_images(causes, &init, spec->init_containers, spec->n_init_containers);
    check_deadline(causes, old_spec, spec);
    check_tolerations(causes, old_spec, spec);
    check_gates(causes, old_spec, spec);
    if (old_spec->n_scheduling_gates > 0) {
        check_placement(causes, old_spec, spec);
    }
    Core__V1__PodSpec left = munged(causes->arena, old_spec, spec);
    if (!api_message_equal(&core__v1__pod_spec__schema, old_spec, &left)) {
        api_cause_forbidden(causes, &at, POD_UPDATE);
    }
}

/* --- Status ------------------------------------------------------------------------------------
 */

/* A container that ended for good must not come back. */
static void check_states(struct api_causes *causes, const char *name,
                         Core__V1__ContainerStatus *const *before, size_t before_count,
                         Core__V1__ContainerStatus *const *after, size_t after_count,
                         const char *restart_policy)
{
    struct api_path status = api_path_field(NULL, "status");
    struct api_path list = api_path_field(&status, name);
    for (size_t i = 0; i < before_count; i++) {
        const Core__V1__ContainerState *old_state = before[i]->state;
        if (old_state == NULL || old_state->terminated == NULL ||
            rules_is(restart_policy, "Always") ||
            (rules_is(restart_policy, "OnFailure") && old_state->terminated->exit_code != 0)) {
            continue;
        }
        for (size_t j = 0; j < after_count; j++) {
            struct api_path item = api_path_index(&list, j);
            if (rules_is(after[j]->name, text_or_empty(before[i]->name)) &&
                (after[j]->state == NULL || after[j]->state->terminated == NULL)) {
                rules_forbidden(causes, &item, "state",
                                "may not be transitioned to non-terminated state");
            }
        }
    }
}

void rules_update_pod_status(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__Pod *old_pod = before, *pod = after;
    struct api_path status = api_path_field(NULL, "status");
    const char *policy = old_pod->spec->restart_policy;
    rules_update_pod_annotations(causes, old_pod, pod);
    if (!rules_is(old_pod->spec->node_name, text_or_empty(pod->spec->node_name))) {
        rules_forbidden(causes, &status, "nodeName", "may not be changed directly");
    }
    if (!rules_is(old_pod->status->qos_class, text_or_empty(pod->status->qos_class)) &&
        !rules_empty(old_pod->status->qos_class)) {
        rules_invalid(causes, &status, "qosClass", api_shown_text(pod->status->qos_class),
                      "field is immutable");
    }
    check_states(causes, "containerStatuses", old_pod->status->container_statuses,
                 old_pod->status->n_container_statuses, pod->status->container_statuses,
                 pod->status->n_container_statuses, policy);
}

void rules_update_pod_ephemeral(struct api_causes *causes, const void *before, const void *after)
{
    const struct api_message *table = &core__v1__ephemeral_container__schema;
    const Core__V1__Pod *old_pod = before, *pod = after;
    struct api_path at = api_path_field(NULL, "spec");
    for (size_t i = 0; i < old_pod->spec->n_ephemeral_containers; i++) {
        const Core__V1__EphemeralContainer *old_item = old_pod->spec->ephemeral_containers[i];
        const char *name = text_or_empty(old_item->ephemeral_container_common->name);
        const Core__V1__EphemeralContainer *item = NULL;
        for (size_t j = 0; j < pod->spec->n_ephemeral_containers; j++) {
            if (rules_is(pod->spec->ephemeral_containers[j]->ephemeral_container_common->name,
                         name)) {
                item = pod->spec->ephemeral_containers[j];
            }
        }
        if (item == NULL || !api_message_equal(table, old_item, item)) {
            rules_forbidden(causes, &at, "ephemeralContainers",
                            arena_printf(causes->arena,
                                         "existing ephemeral containers \"%s\" may not be %s\n",
                                         name, item == NULL ? "removed" : "changed"));
        }
    }
    struct api_frame frame = api_frame_object(&core__v1__pod_spec__schema, pod->spec);
    frame.at = &at;
    api_check_member(causes, &frame, "containers");
    api_check_member(causes, &frame, "initContainers");
    api_check_member(causes, &frame, "ephemeralContainers");
}
