/* Rules of DaemonSet, StatefulSet and ReplicationController. */
#include "lib/api/intstr.h"
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"

enum { WHOLE_PERCENT = 100 };

/* --- DaemonSet ---------------------------------------------------------------------------------
 */

bool rules_daemon_set_selector(struct api_causes *causes, const struct api_frame *frame)
{
    const Apps__V1__DaemonSetSpec *spec = frame->message;
    rules_template_matches(causes, frame, spec->selector, spec->template_);
    if (spec->selector != NULL && rules_selector_is_empty(spec->selector)) {
        rules_invalid(causes, frame->at, "selector",
                      api_shown_selector(causes->arena, spec->selector),
                      "empty selector is invalid for daemonset");
    }
    return true;
}

static void not_above_whole(struct api_causes *causes, const struct api_path *parent,
                            const char *name, const Intstr__IntOrString *value)
{
    if (intstr_is_text(value) && rules_amount(value) > WHOLE_PERCENT) {
        rules_invalid(causes, parent, name, api_shown_raw(rules_amount_shown(causes->arena, value)),
                      "must not be greater than 100%");
    }
}

/* Either old pods go first, or new pods come first: not both, and not neither. */
static void check_daemon_amounts(struct api_causes *causes, const struct api_path *rolling,
                                 const Apps__V1__RollingUpdateDaemonSet *update)
{
    bool unavailable = rules_amount(update->max_unavailable) != 0;
    bool surge = rules_amount(update->max_surge) != 0;
    rules_check_amount(causes, rolling, "maxUnavailable", update->max_unavailable);
    rules_check_amount(causes, rolling, "maxSurge", update->max_surge);
    not_above_whole(causes, rolling, "maxUnavailable", update->max_unavailable);
    not_above_whole(causes, rolling, "maxSurge", update->max_surge);
    if (unavailable && surge) {
        rules_invalid(causes, rolling, "maxSurge",
                      api_shown_raw(rules_amount_shown(causes->arena, update->max_surge)),
                      "may not be set when maxUnavailable is non-zero");
    } else if (!unavailable && !surge) {
        rules_required(causes, rolling, "maxUnavailable", "cannot be 0 when maxSurge is 0");
    }
}

/* An unknown type is said of the strategy as a whole. */
bool rules_daemon_set_strategy(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const types[] = {"RollingUpdate", "OnDelete", NULL};
    const Apps__V1__DaemonSetUpdateStrategy *strategy = frame->message;
    struct api_path rolling = api_path_field(frame->at, "rollingUpdate");
    if (!rules_one_of(strategy->type, types)) {
        api_cause_not_among(causes, frame->at,
                            api_shown_message(causes->arena, frame->table, strategy), types);
    } else if (rules_is(strategy->type, "RollingUpdate")) {
        if (strategy->rolling_update == NULL) {
            api_cause_required(causes, &rolling, "");
        } else {
            check_daemon_amounts(causes, &rolling, strategy->rolling_update);
        }
    }
    return true;
}

void rules_update_daemon_set_status(struct api_causes *causes, const void *before,
                                    const void *after)
{
    const Apps__V1__DaemonSet *old_set = before, *set = after;
    rules_collisions(causes, old_set->status->has_collision_count, old_set->status->collision_count,
                     set->status->has_collision_count, set->status->collision_count);
}

/* --- StatefulSet -------------------------------------------------------------------------------
 */

bool rules_pod_management(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const policies[] = {"OrderedReady", "Parallel", NULL};
    const Apps__V1__StatefulSetSpec *spec = frame->message;
    if (rules_empty(spec->pod_management_policy)) {
        rules_required(causes, frame->at, "podManagementPolicy", "");
    } else if (!rules_one_of(spec->pod_management_policy, policies)) {
        rules_invalid(causes, frame->at, "podManagementPolicy",
                      api_shown_text(spec->pod_management_policy),
                      "must be 'OrderedReady' or 'Parallel'");
    }
    return true;
}

/* Returns whether the members of rollingUpdate count. */
bool rules_stateful_set_strategy(struct api_causes *causes, const struct api_frame *frame)
{
    const Apps__V1__StatefulSetUpdateStrategy *strategy = frame->message;
    if (rules_empty(strategy->type)) {
        api_cause_required(causes, frame->at, "");
        return false;
    }
    if (rules_is(strategy->type, "OnDelete")) {
        if (strategy->rolling_update != NULL) {
            rules_invalid(causes, frame->at, "rollingUpdate",
                          api_shown_message(causes->arena,
                                            &apps__v1__rolling_update_stateful_set_strategy__schema,
                                            strategy->rolling_update),
                          "only allowed for updateStrategy 'RollingUpdate'");
        }
        return false;
    }
    if (!rules_is(strategy->type, "RollingUpdate")) {
        api_cause_invalid(causes, frame->at,
                          api_shown_message(causes->arena, frame->table, strategy),
                          "must be 'RollingUpdate' or 'OnDelete'");
        return false;
    }
    return true;
}

bool rules_stateful_set_rolling(struct api_causes *causes, const struct api_frame *frame)
{
    const Apps__V1__RollingUpdateStatefulSetStrategy *rolling = frame->message;
    if (rolling->max_unavailable == NULL) {
        return true;
    }
    rules_check_amount(causes, frame->at, "maxUnavailable", rolling->max_unavailable);
    if (rules_amount(rolling->max_unavailable) == 0) {
        rules_invalid(causes, frame->at, "maxUnavailable",
                      api_shown_raw(rules_amount_shown(causes->arena, rolling->max_unavailable)),
                      "cannot be 0");
    }
    not_above_whole(causes, frame->at, "maxUnavailable", rolling->max_unavailable);
    return true;
}

bool rules_stateful_set_selector(struct api_causes *causes, const struct api_frame *frame)
{
    const Apps__V1__StatefulSetSpec *spec = frame->message;
    if (spec->selector != NULL && rules_selector_is_empty(spec->selector)) {
        rules_invalid(causes, frame->at, "selector",
                      api_shown_selector(causes->arena, spec->selector),
                      "empty selector is invalid for statefulset");
    }
    rules_template_matches(causes, frame, spec->selector, spec->template_);
    return true;
}

bool rules_stateful_set_status(struct api_causes *causes, const struct api_frame *frame)
{
    const Apps__V1__StatefulSetStatus *status = frame->message;
    const struct {
        const char *name;
        int32_t count;
    } parts[] = {{"readyReplicas", status->ready_replicas},
                 {"currentReplicas", status->current_replicas},
                 {"updatedReplicas", status->updated_replicas},
                 {"availableReplicas", status->available_replicas}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        rules_not_above(causes, frame, parts[i].name, parts[i].count, status->replicas,
                        RULES_OF_REPLICAS);
    }
    rules_not_above(causes, frame, "availableReplicas", status->available_replicas,
                    status->ready_replicas, "cannot be greater than status.readyReplicas");
    return true;
}

/* What a StatefulSet may not change is the identity of its pods and their claims. */
void rules_update_stateful_set(struct api_causes *causes, const void *before, const void *after)
{
    const Apps__V1__StatefulSet *old_set = before, *set = after;
    struct api_path at = api_path_field(NULL, "spec");
    /* A shallow copy that has taken over all that may change. */
    Apps__V1__StatefulSetSpec rest = *set->spec;
    rest.replicas = old_set->spec->replicas;
    rest.has_replicas = old_set->spec->has_replicas;
    rest.template_ = old_set->spec->template_;
    rest.update_strategy = old_set->spec->update_strategy;
    rest.min_ready_seconds = old_set->spec->min_ready_seconds;
    rest.has_min_ready_seconds = old_set->spec->has_min_ready_seconds;
    rest.ordinals = old_set->spec->ordinals;
    rest.persistent_volume_claim_retention_policy =
        old_set->spec->persistent_volume_claim_retention_policy;
    if (!api_message_equal(&apps__v1__stateful_set_spec__schema, old_set->spec, &rest)) {
        api_cause_forbidden(
            causes, &at,
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
            "'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and "
            "'minReadySeconds' are forbidden");
    }
}

void rules_update_stateful_set_status(struct api_causes *causes, const void *before,
                                      const void *after)
{
    const Apps__V1__StatefulSet *old_set = before, *set = after;
    rules_collisions(causes, old_set->status->has_collision_count, old_set->status->collision_count,
                     set->status->has_collision_count, set->status->collision_count);
}

/* --- ReplicationController ---------------------------------------------------------------------
 */

bool rules_controller_template(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ReplicationControllerSpec *spec = frame->message;
    const Core__V1__PodTemplateSpec *pod = spec->template_;
    struct api_path pod_at = api_path_field(frame->at, "template");
    struct api_path metadata = api_path_field(&pod_at, "metadata");
    if (pod == NULL) {
        return true; /* Its option says so. */
    }
    struct api_label_selector selector = api_label_selector_from_map(
        causes->arena, API_STRING_MAP(spec->selector, spec->n_selector));
    if (!api_label_selector_matches(
            &selector, API_STRING_MAP(pod->metadata->labels, pod->metadata->n_labels))) {
        rules_invalid(causes, &metadata, "labels",
                      api_shown_map(causes->arena,
                                    API_STRING_MAP(pod->metadata->labels, pod->metadata->n_labels)),
                      "`selector` does not match template `labels`");
    }
    return rules_workload_template(causes, frame);
}

bool rules_controller_status(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ReplicationControllerStatus *status = frame->message;
    rules_not_above(causes, frame, "fullyLabeledReplicas", status->fully_labeled_replicas,
                    status->replicas, RULES_OF_REPLICAS);
    rules_not_above(causes, frame, "readyReplicas", status->ready_replicas, status->replicas,
                    RULES_OF_REPLICAS);
    rules_not_above(causes, frame, "availableReplicas", status->available_replicas,
                    status->replicas, RULES_OF_REPLICAS);
    rules_not_above(causes, frame, "availableReplicas", status->available_replicas,
                    status->ready_replicas, RULES_OF_READY);
    return true;
}
