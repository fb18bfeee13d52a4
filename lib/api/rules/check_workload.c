/* Rules of Deployment and ReplicaSet, and what other workloads share with them. */
#include "lib/api/intstr.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"

bool rules_selector_is_empty(const Meta__V1__LabelSelector *selector)
{
    return selector->n_match_labels == 0 && selector->n_match_expressions == 0;
}

/* Also said when there is no selector at all: so v1.32 has it. */
static void refuse_labels(struct api_causes *causes, const struct api_path *spec,
                          const Meta__V1__ObjectMeta *meta)
{
    struct api_path template_at = api_path_field(spec, "template");
    struct api_path metadata = api_path_field(&template_at, "metadata");
    rules_invalid(causes, &metadata, "labels",
                  api_shown_map(causes->arena, API_STRING_MAP(meta->labels, meta->n_labels)),
                  "`selector` does not match template `labels`");
}

/* Of a wrong selector v1.32 has no words for StatefulSets, and says nothing more for DaemonSets. */
static void refuse_selector(struct api_causes *causes, const struct api_frame *spec,
                            const Meta__V1__LabelSelector *selector)
{
    if (spec->table != &apps__v1__daemon_set_spec__schema) {
        rules_invalid(
            causes, spec->at, "selector", api_shown_selector(causes->arena, selector),
            spec->table == &apps__v1__stateful_set_spec__schema ? "" : "invalid label selector");
    }
}

void rules_template_matches(struct api_causes *causes, const struct api_frame *spec,
                            const Meta__V1__LabelSelector *selector,
                            const Core__V1__PodTemplateSpec *pod_template)
{
    struct api_label_selector parsed;
    const Meta__V1__ObjectMeta *meta = pod_template->metadata;
    if (selector == NULL) {
        refuse_labels(causes, spec->at, meta);
        return;
    }
    if (api_label_selector_from_message(causes->arena, selector, &parsed, NULL) != 0) {
        refuse_selector(causes, spec, selector);
        return;
    }
    for (size_t i = 0; i < selector->n_match_expressions; i++) {
        const Meta__V1__LabelSelectorRequirement *item = selector->match_expressions[i];
        bool set = rules_is(item->operator_, "In") || rules_is(item->operator_, "NotIn");
        if (set != (item->n_values > 0)) { /* Said at the expression, and of the whole. */
            refuse_selector(causes, spec, selector);
            return;
        }
    }
    if (!rules_selector_is_empty(selector) &&
        !api_label_selector_matches(&parsed, API_STRING_MAP(meta->labels, meta->n_labels))) {
        refuse_labels(causes, spec->at, meta);
    }
}

/* A ReplicaSet hears the words of a Deployment: so v1.32 has it. */
static bool check_selector(struct api_causes *causes, const struct api_frame *spec,
                           const Meta__V1__LabelSelector *selector,
                           const Core__V1__PodTemplateSpec *pod_template)
{
    if (selector != NULL && rules_selector_is_empty(selector)) {
        rules_invalid(causes, spec->at, "selector", api_shown_selector(causes->arena, selector),
                      "empty selector is invalid for deployment");
    }
    rules_template_matches(causes, spec, selector, pod_template);
    return true;
}

bool rules_deployment_selector(struct api_causes *causes, const struct api_frame *frame)
{
    const Apps__V1__DeploymentSpec *spec = frame->message;
    return check_selector(causes, frame, spec->selector, spec->template_);
}

bool rules_replica_set_selector(struct api_causes *causes, const struct api_frame *frame)
{
    const Apps__V1__ReplicaSetSpec *spec = frame->message;
    return check_selector(causes, frame, spec->selector, spec->template_);
}

/* Pods that something replaces run for ever. */
bool rules_workload_template(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const always[] = {"Always", NULL};
    const struct api_member *member = api_message_member_text(frame->table, "template");
    const Core__V1__PodTemplateSpec *pod =
        *(const Core__V1__PodTemplateSpec *const *)api_field_at(member->field, frame->message);
    struct api_path pod_at = api_path_field(frame->at, "template");
    struct api_path at = api_path_field(&pod_at, "spec");
    const char *holder = frame->table == &apps__v1__daemon_set_spec__schema     ? "DaemonSet"
                         : frame->table == &apps__v1__stateful_set_spec__schema ? "StatefulSet"
                         : frame->table == &core__v1__replication_controller_spec__schema
                             ? "ReplicationController"
                             : "ReplicaSet"; /* Of a Deployment, too: so v1.32 has it. */
    if (!rules_is(pod->spec->restart_policy, "Always")) {
        rules_not_supported(causes, &at, "restartPolicy", pod->spec->restart_policy, always);
    }
    if (pod->spec->has_active_deadline_seconds) {
        rules_forbidden(
            causes, &at, "activeDeadlineSeconds",
            arena_printf(causes->arena, "activeDeadlineSeconds in %s is not Supported", holder));
    }
    return true;
}

/* --- Deployment --------------------------------------------------------------------------------
 */

const char *rules_amount_shown(struct arena *arena, const Intstr__IntOrString *value)
{
    return arena_printf(arena, "intstr.IntOrString{Type:%d, IntVal:%d, StrVal:\"%s\"}",
                        intstr_is_text(value), intstr_int(value), intstr_text(value));
}

/* Whether a text is a number other than 0. */
static bool is_some(const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');
    return digits[strspn(digits, "0123456789")] == '\0' && digits[strspn(digits, "0")] != '\0';
}

/* What is neither a number nor a percentage counts as nothing; a number in quotes, which is wrong
 * too, as something. */
int32_t rules_amount(const Intstr__IntOrString *value)
{
    enum { WHOLE = 100 };
    int32_t scaled = 0;
    return intstr_scaled(value, WHOLE, /* round_up= */ true, &scaled) == 0
               ? scaled
               : is_some(intstr_text(value));
}

void rules_check_amount(struct api_causes *causes, const struct api_path *parent, const char *name,
                        const Intstr__IntOrString *value)
{
    struct api_path at = api_path_field(parent, name);
    if (intstr_is_text(value)) {
        rules_invalid_each(causes, &at, api_shown_raw(rules_amount_shown(causes->arena, value)),
                           api_syntax_percent(intstr_text(value)));
    } else if (intstr_int(value) < 0) {
        api_cause_invalid(causes, &at, api_shown_int(intstr_int(value)),
                          "must be greater than or equal to 0");
    }
}

static void check_amounts(struct api_causes *causes, const struct api_path *rolling,
                          const Apps__V1__RollingUpdateDeployment *update)
{
    enum { WHOLE = 100 };
    struct api_shown shown =
        api_shown_raw(rules_amount_shown(causes->arena, update->max_unavailable));
    rules_check_amount(causes, rolling, "maxUnavailable", update->max_unavailable);
    rules_check_amount(causes, rolling, "maxSurge", update->max_surge);
    if (rules_amount(update->max_unavailable) == 0 && rules_amount(update->max_surge) == 0) {
        rules_invalid(causes, rolling, "maxUnavailable", shown,
                      "may not be 0 when `maxSurge` is 0");
    }
    if (intstr_is_text(update->max_unavailable) && rules_amount(update->max_unavailable) > WHOLE) {
        rules_invalid(causes, rolling, "maxUnavailable", shown, "must not be greater than 100%");
    }
}

/* An unknown type is said of the strategy as a whole: so v1.32 has it. */
bool rules_strategy(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const types[] = {"Recreate", "RollingUpdate", NULL};
    const Apps__V1__DeploymentStrategy *strategy = frame->message;
    const Apps__V1__RollingUpdateDeployment *update = strategy->rolling_update;
    struct api_path rolling = api_path_field(frame->at, "rollingUpdate");
    if (rules_is(strategy->type, "Recreate")) {
        if (update != NULL) {
            api_cause_forbidden(causes, &rolling,
                                "may not be specified when strategy `type` is 'Recreate'");
        }
        return true;
    }
    if (!rules_is(strategy->type, "RollingUpdate")) {
        api_cause_not_supported(causes, frame->at,
                                api_shown_message(causes->arena, frame->table, strategy), types);
        return true;
    }
    if (update == NULL) {
        api_cause_required(causes, &rolling, "this should be defaulted and never be nil");
        return true;
    }
    check_amounts(causes, &rolling, update);
    return true;
}

bool rules_deadline(struct api_causes *causes, const struct api_frame *frame)
{
    const Apps__V1__DeploymentSpec *spec = frame->message;
    if (spec->has_progress_deadline_seconds &&
        spec->progress_deadline_seconds <= spec->min_ready_seconds) {
        rules_invalid(causes, frame->at, "progressDeadlineSeconds",
                      api_shown_int(spec->progress_deadline_seconds),
                      "must be greater than minReadySeconds");
    }
    return true;
}

/* --- Status ------------------------------------------------------------------------------------
 */

void rules_not_above(struct api_causes *causes, const struct api_frame *frame, const char *name,
                     int32_t value, int32_t whole, const char *words)
{
    if (value > whole) {
        rules_invalid(causes, frame->at, name, api_shown_int(value), words);
    }
}

static const char OF_REPLICAS[] = RULES_OF_REPLICAS;
static const char OF_READY[] = RULES_OF_READY;

bool rules_deployment_status(struct api_causes *causes, const struct api_frame *frame)
{
    const Apps__V1__DeploymentStatus *status = frame->message;
    rules_not_above(causes, frame, "updatedReplicas", status->updated_replicas, status->replicas,
                    OF_REPLICAS);
    rules_not_above(causes, frame, "readyReplicas", status->ready_replicas, status->replicas,
                    OF_REPLICAS);
    rules_not_above(causes, frame, "availableReplicas", status->available_replicas,
                    status->replicas, OF_REPLICAS);
    rules_not_above(causes, frame, "availableReplicas", status->available_replicas,
                    status->ready_replicas, OF_READY);
    return true;
}

bool rules_replica_set_status(struct api_causes *causes, const struct api_frame *frame)
{
    const Apps__V1__ReplicaSetStatus *status = frame->message;
    rules_not_above(causes, frame, "fullyLabeledReplicas", status->fully_labeled_replicas,
                    status->replicas, OF_REPLICAS);
    rules_not_above(causes, frame, "readyReplicas", status->ready_replicas, status->replicas,
                    OF_REPLICAS);
    rules_not_above(causes, frame, "availableReplicas", status->available_replicas,
                    status->replicas, OF_REPLICAS);
    rules_not_above(causes, frame, "availableReplicas", status->available_replicas,
                    status->ready_replicas, OF_READY);
    return true;
}

/* One that is gone counts as zero. */
void rules_collisions(struct api_causes *causes, bool had, int32_t before, bool has, int32_t after)
{
    struct api_path at = api_path_field(NULL, "status");
    if (had && (!has || after < before)) {
        rules_invalid(causes, &at, "collisionCount", api_shown_int(has ? after : 0),
                      "cannot be decremented");
    }
}

void rules_update_deployment_status(struct api_causes *causes, const void *before,
                                    const void *after)
{
    const Apps__V1__Deployment *old_object = before, *object = after;
    rules_collisions(causes, old_object->status->has_collision_count,
                     old_object->status->collision_count, object->status->has_collision_count,
                     object->status->collision_count);
}
