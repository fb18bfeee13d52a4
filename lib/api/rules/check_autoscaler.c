/* Rules and defaults of HorizontalPodAutoscalers, in the form of autoscaling/v2. */
#include "lib/api/quantity.h"
#include "lib/api/rules/default_hooks.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"

static bool is_positive(const Quantity__Quantity *value)
{
    return value != NULL && quantity_sign(quantity_read(value)) > 0;
}

/* --- Targets -----------------------------------------------------------------------------------
 */

bool rules_metric_target(struct api_causes *causes, const struct api_frame *frame)
{
    const Autoscaling__V2__MetricTarget *target = frame->message;
    const struct {
        const char *name;
        const Quantity__Quantity *value;
    } amounts[] = {{"value", target->value}, {"averageValue", target->average_value}};
    const struct api_member *type =
        api_message_member_text(&autoscaling__v2__metric_target__schema, "type");
    if (rules_empty(target->type)) {
        rules_required(causes, frame->at, "type", "must specify a metric target type");
    }
    if (!rules_one_of(target->type, type->field->rules->values)) {
        rules_invalid(causes, frame->at, "type", api_shown_text(target->type),
                      "must be either Utilization, Value, or AverageValue");
    }
    for (size_t i = 0; i < ARRAY_LEN(amounts); i++) {
        if (amounts[i].value != NULL && !is_positive(amounts[i].value)) {
            rules_invalid(causes, frame->at, amounts[i].name,
                          api_shown_quantity(causes->arena,
                                             rules_quantity_text(causes->arena, amounts[i].value)),
                          "must be positive");
        }
    }
    return true;
}

/* A target without the share or the amount that its source needs, or with both. */
static void check_use(struct api_causes *causes, const struct api_path *source,
                      const Autoscaling__V2__MetricTarget *target)
{
    struct api_path at = api_path_field(source, "target");
    bool share = target != NULL && target->has_average_utilization;
    bool amount = target != NULL && target->average_value != NULL;
    if (!share && !amount) {
        rules_required(causes, &at, "averageUtilization",
                       "must set either a target raw value or a target utilization");
    } else if (share && amount) {
        rules_forbidden(causes, &at, "averageValue",
                        "may not set both a target raw value and a target utilization");
    }
}

bool rules_resource_metric(struct api_causes *causes, const struct api_frame *frame)
{
    const Autoscaling__V2__ResourceMetricSource *source = frame->message;
    check_use(causes, frame->at, source->target);
    return true;
}

bool rules_container_metric_name(struct api_causes *causes, const struct api_frame *frame)
{
    const Autoscaling__V2__ContainerResourceMetricSource *source = frame->message;
    struct api_path at = api_path_field(frame->at, "name");
    if (!rules_empty(source->name)) {
        rules_check_container_resource(causes, &at, source->name);
    }
    return true;
}

bool rules_container_metric(struct api_causes *causes, const struct api_frame *frame)
{
    const Autoscaling__V2__ContainerResourceMetricSource *source = frame->message;
    check_use(causes, frame->at, source->target);
    return true;
}

bool rules_pods_metric(struct api_causes *causes, const struct api_frame *frame)
{
    const Autoscaling__V2__PodsMetricSource *source = frame->message;
    struct api_path at = api_path_field(frame->at, "target");
    if (source->target == NULL || source->target->average_value == NULL) {
        rules_required(causes, &at, "averageValue", "must specify a positive target averageValue");
    }
    return true;
}

bool rules_object_metric(struct api_causes *causes, const struct api_frame *frame)
{
    const Autoscaling__V2__MetricTarget *target =
        ((const Autoscaling__V2__ObjectMetricSource *)frame->message)->target;
    struct api_path at = api_path_field(frame->at, "target");
    if (target == NULL || (target->value == NULL && target->average_value == NULL)) {
        rules_required(causes, &at, "averageValue",
                       "must set either a target value or averageValue");
    }
    return true;
}

bool rules_external_metric(struct api_causes *causes, const struct api_frame *frame)
{
    const Autoscaling__V2__MetricTarget *target =
        ((const Autoscaling__V2__ExternalMetricSource *)frame->message)->target;
    struct api_path at = api_path_field(frame->at, "target");
    bool whole = target != NULL && target->value != NULL;
    bool each = target != NULL && target->average_value != NULL;
    if (!whole && !each) {
        rules_required(causes, &at, "averageValue",
                       "must set either a target value for metric or a per-pod target");
    } else if (whole && each) {
        rules_forbidden(causes, &at, "value",
                        "may not set both a target value for metric and a per-pod target");
    }
    return true;
}

/* --- Metrics -----------------------------------------------------------------------------------
 */

/* "ContainerResource" is the type whose source is the member containerResource. */
static bool is_of_type(const char *member, const char *type)
{
    return *type != '\0' && (*type | ('a' ^ 'A')) == *member && strcmp(type + 1, member + 1) == 0;
}

/* Only the first source that is there is looked into, in this order. */
static void check_sources(struct api_causes *causes, const struct api_frame *frame,
                          const char *type)
{
    static const char *const order[] = {"object", "external", "pods", "resource",
                                        "containerResource"};
    size_t count = 0;
    bool found = false;
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        const struct api_member *member = api_message_member_text(frame->table, order[i]);
        bool present = api_field_is_set(member->field, frame->message);
        if (present && count++ == 0) {
            api_check_member(causes, frame, order[i]);
        }
        if (present && is_of_type(order[i], type)) {
            found = true;
        } else if (!present && is_of_type(order[i], type)) {
            rules_required(causes, frame->at, order[i],
                           "must populate information for the given metric source");
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(order) && count > 1; i++) {
        const struct api_member *member = api_message_member_text(frame->table, order[i]);
        if (api_field_is_set(member->field, frame->message) &&
            !(found && is_of_type(order[i], type))) {
            rules_forbidden(causes, frame->at, order[i],
                            "must populate the given metric source only");
        }
    }
}

bool rules_metric(struct api_causes *causes, const struct api_frame *frame)
{
    const char *type = text_or_empty(((const Autoscaling__V2__MetricSpec *)frame->message)->type);
    const struct api_member *member = api_message_member_text(frame->table, "type");
    const char *const *types = member->field->rules->values;
    bool known = rules_one_of(type, types);
    if (rules_empty(type)) {
        rules_required(causes, frame->at, "type", "must specify a metric source type");
    }
    if (!known) {
        rules_not_supported(causes, frame->at, "type", type, types);
    }
    check_sources(causes, frame, type);
    if (!known) {
        rules_not_supported(causes, frame->at, "type", type, types); /* v1.32 says it again. */
    }
    return false;
}

bool rules_autoscaler_range(struct api_causes *causes, const struct api_frame *frame)
{
    const Autoscaling__V2__HorizontalPodAutoscalerSpec *spec = frame->message;
    if (spec->has_min_replicas && spec->max_replicas < spec->min_replicas) {
        rules_invalid(causes, frame->at, "maxReplicas", api_shown_int(spec->max_replicas),
                      "must be greater than or equal to `minReplicas`");
    }
    return true;
}

/* Without pods there is nothing to measure in them. */
bool rules_autoscaler_metrics(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const elsewhere[] = {"Object", "External", NULL};
    const Autoscaling__V2__HorizontalPodAutoscalerSpec *spec = frame->message;
    bool found = false;
    for (size_t i = 0; i < spec->n_metrics; i++) {
        found = found || rules_one_of(spec->metrics[i]->type, elsewhere);
    }
    if (spec->has_min_replicas && spec->min_replicas == 0 && !found) {
        rules_forbidden(causes, frame->at, "metrics",
                        "must specify at least one Object or External metric to support scaling "
                        "to zero replicas");
    }
    return true;
}

/* --- Behaviour ---------------------------------------------------------------------------------
 */

bool rules_scaling_window(struct api_causes *causes, const struct api_frame *frame)
{
    enum { WINDOW_SECONDS_MAX = 3600 };
    const Autoscaling__V2__HPAScalingRules *rules = frame->message;
    if (rules->stabilization_window_seconds > WINDOW_SECONDS_MAX) {
        rules_invalid(causes, frame->at, "stabilizationWindowSeconds",
                      api_shown_int(rules->stabilization_window_seconds),
                      "must be less than or equal to 3600");
    }
    return true;
}

bool rules_scaling_period(struct api_causes *causes, const struct api_frame *frame)
{
    enum { PERIOD_SECONDS_MAX = 1800 };
    const Autoscaling__V2__HPAScalingPolicy *policy = frame->message;
    if (policy->period_seconds > PERIOD_SECONDS_MAX) {
        rules_invalid(causes, frame->at, "periodSeconds", api_shown_int(policy->period_seconds),
                      "must be less than or equal to 1800");
    }
    return true;
}

/* --- Defaults ----------------------------------------------------------------------------------
 */

Autoscaling__V2__MetricSpec *rules_cpu_metric(struct arena *arena, int32_t percentage)
{
    Autoscaling__V2__MetricSpec *metric = rules_new(arena, "k8s.io.api.autoscaling.v2.MetricSpec");
    metric->type = arena_text(arena, "Resource");
    metric->resource = rules_new(arena, "k8s.io.api.autoscaling.v2.ResourceMetricSource");
    metric->resource->name = arena_text(arena, "cpu");
    metric->resource->target->type = arena_text(arena, "Utilization");
    metric->resource->target->has_average_utilization = 1;
    metric->resource->target->average_utilization = percentage;
    return metric;
}

void default_autoscaler(struct arena *arena, void *message)
{
    enum { PERCENT_OF_REQUESTS = 80 };
    Autoscaling__V2__HorizontalPodAutoscalerSpec *spec = message;
    if (spec->n_metrics == 0) {
        spec->metrics = arena_array(arena, 1, sizeof(*spec->metrics));
        spec->metrics[spec->n_metrics++] = rules_cpu_metric(arena, PERCENT_OF_REQUESTS);
    }
}

struct scaling_step {
    const char *type;
    int32_t value;
};

static void default_rules(struct arena *arena, Autoscaling__V2__HPAScalingRules **at,
                          const struct scaling_step *steps, size_t count)
{
    enum { PERIOD_SECONDS = 15 };
    if (*at == NULL) {
        *at = rules_new(arena, "k8s.io.api.autoscaling.v2.HPAScalingRules");
    }
    Autoscaling__V2__HPAScalingRules *rules = *at;
    if (rules->select_policy == NULL) {
        rules->select_policy = arena_text(arena, "Max");
    }
    if (rules->n_policies > 0) {
        return;
    }
    rules->policies = arena_array(arena, count, sizeof(*rules->policies));
    for (size_t i = 0; i < count; i++) {
        Autoscaling__V2__HPAScalingPolicy *policy =
            rules_new(arena, "k8s.io.api.autoscaling.v2.HPAScalingPolicy");
        policy->type = arena_text(arena, steps[i].type);
        policy->value = steps[i].value;
        policy->period_seconds = PERIOD_SECONDS;
        rules->policies[rules->n_policies++] = policy;
    }
}

/* How long a fall is waited for stays open: that is a setting of the controller. */
void default_autoscaler_behavior(struct arena *arena, void *message)
{
    static const struct scaling_step up[] = {{"Pods", 4}, {"Percent", 100}};
    static const struct scaling_step down[] = {{"Percent", 100}};
    Autoscaling__V2__HorizontalPodAutoscalerBehavior *behavior = message;
    default_rules(arena, &behavior->scale_up, up, ARRAY_LEN(up));
    default_rules(arena, &behavior->scale_down, down, ARRAY_LEN(down));
    behavior->scale_up->has_stabilization_window_seconds = 1; /* Zero when it was not there. */
}
