/* What may change in a pod that exists: almost nothing (images, deadline, added tolerations,
 * gates). */
#include "lib/api/object.h"
#include "lib/api/pod_references.h"
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

/* Whether the rest is worth a look. */
static bool check_containers(struct api_causes *causes, const char *name,
                             Core__V1__Container *const *containers, size_t count, size_t old_count)
{
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path list = api_path_field(&spec, name);
    if (count != old_count) {
        api_cause_forbidden(causes, &list, "pod updates may not add or remove containers");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct api_path at = api_path_index(&list, i);
        if (rules_empty(containers[i]->image)) {
            rules_required(causes, &at, "image", "");
        }
        rules_check_text(causes, &at, "image", containers[i]->image, api_syntax_trimmed);
    }
    return true;
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

/* Whether the rest is worth a look. */
static bool check_deadline(struct api_causes *causes, const Core__V1__PodSpec *before,
                           const Core__V1__PodSpec *after)
{
    struct api_path at = api_path_field(NULL, "spec");
    size_t count = causes->count;
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
    return causes->count == count || !after->has_active_deadline_seconds;
}

/* How long it is tolerated may change. */
static const char *toleration_text(struct arena *arena, const void *list, const void *of,
                                   size_t index)
{
    const Core__V1__Toleration *toleration = ((const Core__V1__Toleration *const *)list)[index];
    (void)of;
    return arena_printf(arena, "%s\n%s\n%s\n%s", text_or_empty(toleration->key),
                        text_or_empty(toleration->value), text_or_empty(toleration->operator_),
                        text_or_empty(toleration->effect));
}

static void check_tolerations(struct api_causes *causes, const Core__V1__PodSpec *before,
                              const Core__V1__PodSpec *after)
{
    struct api_path at = api_path_field(NULL, "spec");
    struct api_frame frame = api_frame_object(&core__v1__pod_spec__schema, after);
    size_t count = after->n_tolerations;
    frame.at = &at;
    for (size_t i = 0; i < before->n_tolerations; i++) {
        const char *old = toleration_text(causes->arena, before->tolerations, NULL, i);
        if (api_find_item(causes, toleration_text, after->tolerations, NULL, count, old) == count) {
            rules_forbidden(causes, &at, "tolerations",
                            "existing toleration can not be modified except its tolerationSeconds");
            return;
        }
    }
    api_check_member(causes, &frame, "tolerations");
}

static const char *gate_name(struct arena *arena, const void *list, const void *of, size_t index)
{
    (void)arena, (void)of;
    return text_or_empty(((const Core__V1__PodSchedulingGate *const *)list)[index]->name);
}

static void check_gates(struct api_causes *causes, const Core__V1__PodSpec *before,
                        const Core__V1__PodSpec *after)
{
    struct api_path at = api_path_field(NULL, "spec");
    struct api_path list = api_path_field(&at, "schedulingGates");
    size_t count = before->n_scheduling_gates;
    for (size_t i = 0; i < after->n_scheduling_gates; i++) {
        struct api_path item = api_path_index(&list, i);
        const char *name = text_or_empty(after->scheduling_gates[i]->name);
        if (api_find_item(causes, gate_name, before->scheduling_gates, NULL, count, name) ==
            count) {
            rules_forbidden(
                causes, &item, "name",
                arena_printf(causes->arena,
                             "only deletion is allowed, but found new scheduling gate '%s'", name));
        }
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

static const char *requirement_text(struct arena *arena, const void *list, const void *of,
                                    size_t index)
{
    const Core__V1__NodeSelectorRequirement *item =
        ((const Core__V1__NodeSelectorRequirement *const *)list)[index];
    CLEANUP(buffer_release) struct buffer text = {0};
    (void)of;
    buffer_init(&text, SIZE_MAX / 2);
    buffer_printf(&text, "%s\n%s", text_or_empty(item->key), text_or_empty(item->operator_));
    for (size_t i = 0; i < item->n_values; i++) {
        buffer_printf(&text, "\n%s", text_or_empty(item->values[i]));
    }
    return arena_text(arena, buffer_text(&text));
}

/* Whether every item of the first list is in the second. */
static bool contains_all(struct api_causes *causes, Core__V1__NodeSelectorRequirement *const *items,
                         size_t count, Core__V1__NodeSelectorRequirement *const *in,
                         size_t in_count)
{
    for (size_t i = 0; i < count; i++) {
        const char *wanted = requirement_text(causes->arena, items, NULL, i);
        if (api_find_item(causes, requirement_text, in, NULL, in_count, wanted) == in_count) {
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
        api_cause_invalid(causes, &terms,
                          api_shown_member(causes->arena, &core__v1__node_selector__schema,
                                           "nodeSelectorTerms", selector),
                          "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
        return;
    }
    for (size_t i = 0; i < selector->n_node_selector_terms; i++) {
        const Core__V1__NodeSelectorTerm *old_term = old_selector->node_selector_terms[i];
        const Core__V1__NodeSelectorTerm *term = selector->node_selector_terms[i];
        if (!contains_all(causes, old_term->match_expressions, old_term->n_match_expressions,
                          term->match_expressions, term->n_match_expressions) ||
            !contains_all(causes, old_term->match_fields, old_term->n_match_fields,
                          term->match_fields, term->n_match_fields)) {
            struct api_path item = api_path_index(&terms, i);
            api_cause_invalid(
                causes, &item,
                api_shown_message(causes->arena, &core__v1__node_selector_term__schema, term),
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

/* What is left of the affinity when that to nodes is set back. */
static Core__V1__Affinity *munged_affinity(struct arena *arena, const Core__V1__PodSpec *before,
                                           const Core__V1__PodSpec *after)
{
    Core__V1__NodeAffinity *old_affinity =
        before->affinity == NULL ? NULL : before->affinity->node_affinity;
    const Core__V1__Affinity *affinity = after->affinity;
    if ((affinity == NULL && old_affinity == NULL) ||
        (affinity != NULL && before->affinity == NULL && affinity->pod_affinity == NULL &&
         affinity->pod_anti_affinity == NULL)) {
        return NULL;
    }
    Core__V1__Affinity *copy = rules_new(arena, "k8s.io.api.core.v1.Affinity");
    if (affinity != NULL) {
        *copy = *affinity;
    }
    copy->node_affinity = old_affinity;
    return copy;
}

static bool same_node_affinity(const Core__V1__PodSpec *before, const Core__V1__PodSpec *after)
{
    const Core__V1__NodeAffinity *a =
        before->affinity == NULL ? NULL : before->affinity->node_affinity;
    const Core__V1__NodeAffinity *b =
        after->affinity == NULL ? NULL : after->affinity->node_affinity;
    return (a == NULL) == (b == NULL) && api_message_equal(&core__v1__node_affinity__schema, a, b);
}

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
        if (!same_node_affinity(before, after)) {
            spec.affinity = munged_affinity(arena, before, after);
        }
    }
    return spec;
}

/* The object itself, as on creation but for what only creation asks for. */
static void check_whole(struct api_causes *causes, const Core__V1__Pod *before,
                        const Core__V1__Pod *pod)
{
    struct api_frame frame = api_frame_object(&core__v1__pod__schema, pod);
    frame.before = before;
    rules_pod_annotations(causes, &frame);
    api_check_member(causes, &frame, "spec");
    rules_check_pod_only(causes, pod->spec);
}

void rules_update_pod(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__Pod *old_pod = before, *pod = after;
    struct api_path at = api_path_field(NULL, "spec");
    const Core__V1__PodSpec *old_spec = old_pod->spec, *spec = pod->spec;
    check_whole(causes, old_pod, pod);
    rules_update_pod_annotations(causes, old_pod, pod);
    if (!check_containers(causes, "containers", spec->containers, spec->n_containers,
                          old_spec->n_containers) ||
        !check_containers(causes, "initContainers", spec->init_containers, spec->n_init_containers,
                          old_spec->n_init_containers) ||
        !check_deadline(causes, old_spec, spec)) {
        return;
    }
    check_tolerations(causes, old_spec, spec);
    check_gates(causes, old_spec, spec);
    if (old_spec->n_scheduling_gates > 0) {
        check_placement(causes, old_spec, spec);
    }
    Core__V1__PodSpec left = munged(causes->arena, old_spec, spec);
    if (!api_message_equal(&core__v1__pod_spec__schema, old_spec, &left)) {
        const char *difference =
            api_shown_difference(causes->arena, &core__v1__pod_spec__schema, old_spec, &left);
        api_cause_forbidden(causes, &at,
                            arena_printf(causes->arena, "%s%s", POD_UPDATE, difference));
    }
}

/* --- Ephemeral containers ----------------------------------------------------------------------
 */

static const Core__V1__EphemeralContainer *ephemeral_named(const Core__V1__PodSpec *spec,
                                                           const char *name)
{
    const Core__V1__EphemeralContainer *found = NULL;
    for (size_t i = 0; i < spec->n_ephemeral_containers; i++) {
        if (rules_is(spec->ephemeral_containers[i]->ephemeral_container_common->name, name)) {
            found = spec->ephemeral_containers[i];
        }
    }
    return found;
}

static void check_kept(struct api_causes *causes, const Core__V1__EphemeralContainer *old_item,
                       const Core__V1__PodSpec *spec)
{
    const struct api_message *table = &core__v1__ephemeral_container__schema;
    struct api_path at = api_path_field(NULL, "spec");
    const char *name = text_or_empty(old_item->ephemeral_container_common->name);
    const Core__V1__EphemeralContainer *item = ephemeral_named(spec, name);
    if (item == NULL || !api_message_equal(table, old_item, item)) {
        const char *difference =
            item == NULL ? "" : api_shown_difference(causes->arena, table, old_item, item);
        rules_forbidden(causes, &at, "ephemeralContainers",
                        arena_printf(causes->arena,
                                     "existing ephemeral containers \"%s\" may not be %s\n%s", name,
                                     item == NULL ? "removed" : "changed", difference));
    }
}

void rules_update_pod_ephemeral(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__Pod *old_pod = before, *pod = after;
    struct api_path whole = api_path_field(NULL, "");
    if (pod_is_mirror(old_pod)) {
        causes->count = causes->bytes = 0; /* Nothing else matters. */
        api_cause_forbidden(causes, &whole, "static pods do not support ephemeral containers");
        return;
    }
    check_whole(causes, old_pod, pod);
    rules_update_pod_annotations(causes, old_pod, pod);
    for (size_t i = 0; i < old_pod->spec->n_ephemeral_containers; i++) {
        check_kept(causes, old_pod->spec->ephemeral_containers[i], pod->spec);
    }
}

/* Of the spec, this subresource is about its own list only. */
void rules_prepare_pod_ephemeral(struct arena *arena, const void *before, void *after)
{
    const Core__V1__Pod *old_pod = before;
    Core__V1__Pod *pod = after;
    Core__V1__EphemeralContainer **items = pod->spec->ephemeral_containers;
    size_t count = pod->spec->n_ephemeral_containers;
    (void)arena;
    *pod->spec = *old_pod->spec;
    pod->spec->ephemeral_containers = items;
    pod->spec->n_ephemeral_containers = count;
    pod->status = old_pod->status;
}
