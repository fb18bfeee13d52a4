/* Checks of Deployment, ReplicaSet and ControllerRevision. */
#include "lib/api/intstr.h"
#include "lib/api/rules/rules.h"

static bool selector_is_empty(const Meta__V1__LabelSelector *selector)
{
    return selector->n_match_labels == 0 && selector->n_match_expressions == 0;
}

static void check_template_matches(struct api_causes *causes, const struct api_path *at,
                                   const Meta__V1__LabelSelector *selector,
                                   const Core__V1__PodTemplateSpec *pod_template)
{
    struct api_label_selector parsed;
    struct api_path selector_at = api_path_field(at, "selector");
    struct api_path template_at = api_path_field(at, "template");
    struct api_path metadata = api_path_field(&template_at, "metadata");
    const Meta__V1__ObjectMeta *meta = pod_template->metadata;
    if (api_label_selector_from_message(causes->arena, selector, &parsed, NULL) != 0) {
        api_cause_invalid(causes, &selector_at, api_shown_raw("v1.LabelSelector"),
                          "invalid label selector");
        return;
    }
    for (size_t i = 0; i < selector->n_match_expressions; i++) {
        const Meta__V1__LabelSelectorRequirement *item = selector->match_expressions[i];
        bool set = rules_is(item->operator_, "In") || rules_is(item->operator_, "NotIn");
        if (set != (item->n_values > 0)) { /* Said at the expression, and of the whole. */
            api_cause_invalid(causes, &selector_at, api_shown_raw("v1.LabelSelector"),
                              "invalid label selector");
            return;
        }
    }
    if (!selector_is_empty(selector) &&
        !api_label_selector_matches(&parsed, API_STRING_MAP(meta->labels, meta->n_labels))) {
        rules_invalid(causes, &metadata, "labels", api_shown_raw("map[string]string"),
                      "`selector` does not match template `labels`");
    }
}

/* Selector and template, as Deployment and ReplicaSet have them. */
static void check_workload(struct api_causes *causes, const struct api_path *spec,
                           const Meta__V1__LabelSelector *selector,
                           const Core__V1__PodTemplateSpec *pod_template, const char *what)
{
    static const char *const always[] = {"Always", NULL};
    struct api_path selector_at = api_path_field(spec, "selector");
    struct api_path template_at = api_path_field(spec, "template");
    struct api_path pod = api_path_field(&template_at, "spec");
    if (selector == NULL) {
        api_cause_required(causes, &selector_at, "");
    } else {
        rules_label_selector(causes, &selector_at, selector);
        if (selector_is_empty(selector)) {
            api_cause_invalid(
                causes, &selector_at, api_shown_raw("v1.LabelSelector{}"),
                arena_printf(causes->arena, "empty selector is invalid for %s", what));
        }
        check_template_matches(causes, spec, selector, pod_template);
    }
    rules_check_pod_template(causes, &template_at, pod_template);
    if (!rules_is(pod_template->spec->restart_policy, "Always")) {
        rules_not_supported(causes, &pod, "restartPolicy", pod_template->spec->restart_policy,
                            always);
    }
    if (pod_template->spec->has_active_deadline_seconds) {
        rules_forbidden(causes, &pod, "activeDeadlineSeconds",
                        "activeDeadlineSeconds in ReplicaSet is not Supported");
    }
}

/* --- Deployment --------------------------------------------------------------------------------
 */

static const char *intstr_shown(struct arena *arena, const Intstr__IntOrString *value)
{
    return arena_printf(arena, "intstr.IntOrString{Type:%d, IntVal:%d, StrVal:\"%s\"}",
                        intstr_is_text(value), intstr_int(value), intstr_text(value));
}

/* The percentage or number as a number; -1 when it is neither. */
static int32_t amount(const Intstr__IntOrString *value)
{
    enum { WHOLE = 100 };
    int32_t scaled = 0;
    return intstr_scaled(value, WHOLE, /* round_up= */ true, &scaled) == 0 ? scaled : -1;
}

static void check_amount(struct api_causes *causes, const struct api_path *parent, const char *name,
                         const Intstr__IntOrString *value, bool limited)
{
    enum { WHOLE = 100 };
    struct api_path at = api_path_field(parent, name);
    struct api_shown shown = api_shown_raw(intstr_shown(causes->arena, value));
    if (intstr_is_text(value)) {
        if (api_syntax_percent(intstr_text(value)).count > 0) {
            api_cause_invalid(causes, &at, shown,
                              "a valid percent string must be a numeric string followed by an "
                              "ending '%' (e.g. '1%',  or '93%', regex used for validation is "
                              "'[0-9]+%')");
        } else if (limited && amount(value) > WHOLE) {
            api_cause_invalid(causes, &at, shown, "must not be greater than 100%");
        }
    } else if (intstr_int(value) < 0) {
        api_cause_invalid(causes, &at, api_shown_int(intstr_int(value)),
                          "must be greater than or equal to 0");
    }
}

static void check_strategy(struct api_causes *causes, const struct api_path *spec,
                           const Apps__V1__DeploymentStrategy *strategy)
{
    static const char *const types[] = {"Recreate", "RollingUpdate", NULL};
    struct api_path at = api_path_field(spec, "strategy");
    struct api_path rolling = api_path_field(&at, "rollingUpdate");
    const Apps__V1__RollingUpdateDeployment *update = strategy->rolling_update;
    if (rules_is(strategy->type, "Recreate")) {
        if (update != NULL) {
            api_cause_forbidden(causes, &rolling,
                                "may not be specified when strategy `type` is 'Recreate'");
        }
        return;
    }
    if (!rules_is(strategy->type, "RollingUpdate")) {
        api_cause_not_supported(causes, &at, api_shown_text(strategy->type), types);
        return;
    }
    if (update == NULL) {
        api_cause_required(causes, &rolling, "this should be defaulted and never be nil");
        return;
    }
    check_amount(causes, &rolling, "maxUnavailable", update->max_unavailable, /* limited= */ true);
    check_amount(causes, &rolling, "maxSurge", update->max_surge, /* limited= */ false);
    if (amount(update->max_unavailable) == 0 && amount(update->max_surge) == 0) {
        rules_invalid(causes, &rolling, "maxUnavailable",
                      api_shown_raw(intstr_shown(causes->arena, update->max_unavailable)),
                      "may not be 0 when `maxSurge` is 0");
    }
}

void rules_check_deployment(struct api_causes *causes, const void *message)
{
    const Apps__V1__Deployment *deployment = message;
    const Apps__V1__DeploymentSpec *spec = deployment->spec;
    struct api_path at = api_path_field(NULL, "spec");
    rules_check_number(causes, &at, "replicas", spec->replicas, api_syntax_non_negative);
    check_workload(causes, &at, spec->selector, spec->template_, "deployment");
    check_strategy(causes, &at, spec->strategy);
    rules_check_number(causes, &at, "minReadySeconds", spec->min_ready_seconds,
                       api_syntax_non_negative);
    if (spec->has_revision_history_limit) {
        rules_check_number(causes, &at, "revisionHistoryLimit", spec->revision_history_limit,
                           api_syntax_non_negative);
    }
    if (spec->has_progress_deadline_seconds) {
        rules_check_number(causes, &at, "progressDeadlineSeconds", spec->progress_deadline_seconds,
                           api_syntax_non_negative);
        if (spec->progress_deadline_seconds <= spec->min_ready_seconds) {
            rules_invalid(causes, &at, "progressDeadlineSeconds",
                          api_shown_int(spec->progress_deadline_seconds),
                          "must be greater than minReadySeconds");
        }
    }
}

static void selector_immutable(struct api_causes *causes, const Meta__V1__LabelSelector *before,
                               const Meta__V1__LabelSelector *after)
{
    struct api_path at = api_path_field(NULL, "spec");
    rules_immutable(
        causes, &at, "selector",
        api_message_equal(api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.LabelSelector"),
                          before, after));
}

void rules_update_deployment(struct api_causes *causes, const void *before, const void *after)
{
    const Apps__V1__Deployment *old_object = before, *object = after;
    rules_check_deployment(causes, after);
    selector_immutable(causes, old_object->spec->selector, object->spec->selector);
}

/* A count of status: not negative, and (unless `of` is NULL) not above the one it is part of. */
struct count {
    const char *name;
    int64_t value;
    const int32_t *of;
};

static void check_counts(struct api_causes *causes, const struct count *counts, size_t n)
{
    struct api_path status = api_path_field(NULL, "status");
    for (size_t i = 0; i < n; i++) {
        rules_check_number(causes, &status, counts[i].name, counts[i].value,
                           api_syntax_non_negative);
    }
    for (size_t i = 0; i < n; i++) {
        if (counts[i].of != NULL && counts[i].value > *counts[i].of) {
            rules_invalid(causes, &status, counts[i].name, api_shown_int(counts[i].value),
                          "cannot be greater than status.replicas");
        }
    }
}

void rules_update_deployment_status(struct api_causes *causes, const void *before,
                                    const void *after)
{
    const Apps__V1__Deployment *old_object = before, *object = after;
    const Apps__V1__DeploymentStatus *old_status = old_object->status, *status = object->status;
    struct api_path at = api_path_field(NULL, "status");
    const struct count counts[] = {
        {"observedGeneration", status->observed_generation, NULL},
        {"replicas", status->replicas, NULL},
        {"updatedReplicas", status->updated_replicas, &status->replicas},
        {"readyReplicas", status->ready_replicas, &status->replicas},
        {"availableReplicas", status->available_replicas, &status->replicas},
        {"unavailableReplicas", status->unavailable_replicas, NULL},
    };
    check_counts(causes, counts, ARRAY_LEN(counts));
    if (status->available_replicas > status->ready_replicas) {
        rules_invalid(causes, &at, "availableReplicas", api_shown_int(status->available_replicas),
                      "cannot be greater than readyReplicas");
    }
    if (status->has_collision_count) {
        rules_check_number(causes, &at, "collisionCount", status->collision_count,
                           api_syntax_non_negative);
    }
    if (old_status->has_collision_count &&
        (!status->has_collision_count || status->collision_count < old_status->collision_count)) {
        rules_invalid(causes, &at, "collisionCount", api_shown_int(status->collision_count),
                      status->has_collision_count ? "cannot be decremented"
                                                  : "cannot be unset once set");
    }
}

void rules_update_replica_set_status(struct api_causes *causes, const void *before,
                                     const void *after)
{
    const Apps__V1__ReplicaSet *object = after;
    const Apps__V1__ReplicaSetStatus *status = object->status;
    struct api_path at = api_path_field(NULL, "status");
    const struct count counts[] = {
        {"replicas", status->replicas, NULL},
        {"fullyLabeledReplicas", status->fully_labeled_replicas, &status->replicas},
        {"readyReplicas", status->ready_replicas, &status->replicas},
        {"availableReplicas", status->available_replicas, &status->replicas},
        {"observedGeneration", status->observed_generation, NULL},
    };
    (void)before; /* Any change is allowed that leads to a consistent status. */
    check_counts(causes, counts, ARRAY_LEN(counts));
    if (status->available_replicas > status->ready_replicas) {
        rules_invalid(causes, &at, "availableReplicas", api_shown_int(status->available_replicas),
                      "cannot be greater than readyReplicas");
    }
}

/* --- ReplicaSet, ControllerRevision ------------------------------------------------------------
 */

void rules_check_replica_set(struct api_causes *causes, const void *message)
{
    const Apps__V1__ReplicaSet *set = message;
    struct api_path at = api_path_field(NULL, "spec");
    rules_check_number(causes, &at, "replicas", set->spec->replicas, api_syntax_non_negative);
    rules_check_number(causes, &at, "minReadySeconds", set->spec->min_ready_seconds,
                       api_syntax_non_negative);
    check_workload(causes, &at, set->spec->selector, set->spec->template_, "replicaset");
}

void rules_update_replica_set(struct api_causes *causes, const void *before, const void *after)
{
    const Apps__V1__ReplicaSet *old_object = before, *object = after;
    rules_check_replica_set(causes, after);
    selector_immutable(causes, old_object->spec->selector, object->spec->selector);
}

void rules_check_controller_revision(struct api_causes *causes, const void *message)
{
    const Apps__V1__ControllerRevision *revision = message;
    if (revision->data == NULL || revision->data->raw.len == 0) {
        rules_required(causes, NULL, "data", "data is mandatory");
    }
    if (revision->revision < 0) {
        rules_invalid(causes, NULL, "revision", api_shown_int(revision->revision),
                      "must be greater than or equal to 0");
    }
}

void rules_update_controller_revision(struct api_causes *causes, const void *before,
                                      const void *after)
{
    const Apps__V1__ControllerRevision *old_object = before, *object = after;
    bool equal = (old_object->data == NULL) == (object->data == NULL);
    if (equal && object->data != NULL) {
        equal = slice_equal(slice_of(old_object->data->raw.data, old_object->data->raw.len),
                            slice_of(object->data->raw.data, object->data->raw.len));
    }
    rules_check_controller_revision(causes, after);
    rules_immutable(causes, NULL, "data", equal);
}
