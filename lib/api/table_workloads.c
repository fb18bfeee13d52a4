/* Rows of workloads and of what scales or guards them. */
#include "lib/api/intstr.h"
#include "lib/api/quantity.h"
#include "lib/api/rules/rules.h"
#include "lib/api/table_internal.h"
#include "lib/api/time.h"
#include <inttypes.h>

static const char *number_text(const struct table_row *row, int64_t number)
{
    return arena_printf(row->arena, "%" PRId64, number);
}

void table_daemon_set(struct table_row *row, const void *message)
{
    const Apps__V1__DaemonSet *set = message;
    const Apps__V1__DaemonSetStatus *status = set->status;
    const Core__V1__PodSpec *pod = set->spec->template_->spec;
    table_text(row, set->metadata->name);
    table_integer(row, status->desired_number_scheduled);
    table_integer(row, status->current_number_scheduled);
    table_integer(row, status->number_ready);
    table_integer(row, status->updated_number_scheduled);
    table_integer(row, status->number_available);
    table_labels(row, API_STRING_MAP(pod->node_selector, pod->n_node_selector));
    table_age(row, set->metadata);
    table_containers(row, pod);
    table_selector(row, set->spec->selector, "<error>");
}

void table_stateful_set(struct table_row *row, const void *message)
{
    const Apps__V1__StatefulSet *set = message;
    table_text(row, set->metadata->name);
    table_text(row,
               arena_printf(row->arena, "%d/%d", set->status->ready_replicas, set->spec->replicas));
    table_age(row, set->metadata);
    table_containers(row, set->spec->template_->spec);
}

void table_replication_controller(struct table_row *row, const void *message)
{
    const Core__V1__ReplicationController *controller = message;
    const Core__V1__ReplicationControllerSpec *spec = controller->spec;
    table_text(row, controller->metadata->name);
    table_integer(row, spec->replicas);
    table_integer(row, controller->status->replicas);
    table_integer(row, controller->status->ready_replicas);
    table_age(row, controller->metadata);
    if (spec->template_ == NULL) {
        table_text(row, "");
        table_text(row, "");
    } else {
        table_containers(row, spec->template_->spec);
    }
    table_labels(row, API_STRING_MAP(spec->selector, spec->n_selector));
}

void table_pod_template(struct table_row *row, const void *message)
{
    const Core__V1__PodTemplate *object = message;
    const Core__V1__PodTemplateSpec *inner = object->template_;
    table_text(row, object->metadata->name);
    table_containers(row, inner->spec);
    table_labels(row, API_STRING_MAP(inner->metadata->labels, inner->metadata->n_labels));
}

void table_scale(struct table_row *row, const void *message)
{
    const Autoscaling__V1__Scale *scale = message;
    table_text(row, scale->metadata->name);
    table_integer(row, scale->spec->replicas);
    table_integer(row, scale->status->replicas);
    table_age(row, scale->metadata);
}

/* --- Jobs --------------------------------------------------------------------------------------
 */

static bool has_condition(const Batch__V1__JobStatus *status, const char *type)
{
    for (size_t i = 0; i < status->n_conditions; i++) {
        if (rules_is(status->conditions[i]->type, type) &&
            rules_is(status->conditions[i]->status, "True")) {
            return true;
        }
    }
    return false;
}

static const char *job_status(const Batch__V1__Job *job)
{
    const Batch__V1__JobStatus *status = job->status;
    return has_condition(status, "Complete")                      ? "Complete"
           : has_condition(status, "Failed")                      ? "Failed"
           : !api_time_is_zero(job->metadata->deletion_timestamp) ? "Terminating"
           : has_condition(status, "Suspended")                   ? "Suspended"
           : has_condition(status, "FailureTarget")               ? "FailureTarget"
                                                                  : "Running";
}

static const char *job_completions(const struct table_row *row, const Batch__V1__Job *job)
{
    const Batch__V1__JobSpec *spec = job->spec;
    if (spec->has_completions) {
        return arena_printf(row->arena, "%d/%d", job->status->succeeded, spec->completions);
    }
    return spec->has_parallelism && spec->parallelism > 1
               ? arena_printf(row->arena, "%d/1 of %d", job->status->succeeded, spec->parallelism)
               : arena_printf(row->arena, "%d/1", job->status->succeeded);
}

static const char *job_duration(const struct table_row *row, const Batch__V1__JobStatus *status)
{
    if (api_time_is_zero(status->start_time)) {
        return "";
    }
    int64_t end_s =
        api_time_is_zero(status->completion_time) ? row->now_s : status->completion_time->seconds;
    return api_human_duration(row->arena, end_s - status->start_time->seconds);
}

void table_job(struct table_row *row, const void *message)
{
    const Batch__V1__Job *job = message;
    table_text(row, job->metadata->name);
    table_text(row, job_status(job));
    table_text(row, job_completions(row, job));
    table_text(row, job_duration(row, job->status));
    table_age(row, job->metadata);
    table_containers(row, job->spec->template_->spec);
    table_selector(row, job->spec->selector, "<error>");
}

void table_cron_job(struct table_row *row, const void *message)
{
    const Batch__V1__CronJob *cron = message;
    const Batch__V1__CronJobSpec *spec = cron->spec;
    const Batch__V1__JobSpec *job = spec->job_template->spec;
    table_text(row, cron->metadata->name);
    table_text(row, spec->schedule);
    table_text_or(row, spec->time_zone, "<none>");
    table_text(row, !spec->has_suspend ? "<unset>" : spec->suspend ? "True" : "False");
    table_integer(row, (int64_t)cron->status->n_active);
    table_text(row, api_time_is_zero(cron->status->last_schedule_time)
                        ? "<none>"
                        : table_age_text(row, cron->status->last_schedule_time));
    table_age(row, cron->metadata);
    table_containers(row, job->template_->spec);
    table_selector(row, job->selector, "<error>");
}

/* --- Autoscalers -------------------------------------------------------------------------------
 */

static const char *amount_or(struct arena *arena, const Quantity__Quantity *amount,
                             const char *otherwise)
{
    return amount == NULL ? otherwise : rules_quantity_text(arena, amount);
}

/* "cpu: 50%/80%", or amounts when the target is one. */
static const char *use_text(struct arena *arena, const char *name,
                            const Autoscaling__V2__MetricTarget *target,
                            const Autoscaling__V2__MetricValueStatus *current)
{
    static const char unknown[] = "<unknown>";
    if (target->average_value != NULL) {
        return arena_printf(
            arena, "%s: %s/%s", text_or_empty(name),
            amount_or(arena, current == NULL ? NULL : current->average_value, unknown),
            rules_quantity_text(arena, target->average_value));
    }
    const char *now = current == NULL || !current->has_average_utilization
                          ? unknown
                          : arena_printf(arena, "%d%%", current->average_utilization);
    const char *wanted = !target->has_average_utilization
                             ? "<auto>"
                             : arena_printf(arena, "%d%%", target->average_utilization);
    return arena_printf(arena, "%s: %s/%s", text_or_empty(name), now, wanted);
}

/* Of objects and of what is outside: a value, or one a pod. */
static const char *value_text(struct arena *arena, const Autoscaling__V2__MetricTarget *target,
                              const Autoscaling__V2__MetricValueStatus *current)
{
    static const char unknown[] = "<unknown>";
    if (target->average_value != NULL) {
        return arena_printf(
            arena, "%s/%s (avg)",
            amount_or(arena, current == NULL ? NULL : current->average_value, unknown),
            rules_quantity_text(arena, target->average_value));
    }
    return arena_printf(arena, "%s/%s",
                        amount_or(arena, current == NULL ? NULL : current->value, unknown),
                        amount_or(arena, target->value, unknown));
}

static const char *pods_text(struct arena *arena, const Autoscaling__V2__MetricTarget *target,
                             const Autoscaling__V2__MetricValueStatus *current)
{
    static const char unknown[] = "<unknown>";
    return arena_printf(arena, "%s/%s",
                        amount_or(arena, current == NULL ? NULL : current->average_value, unknown),
                        amount_or(arena, target->average_value, unknown));
}

static const char *metric_text(struct arena *arena, const Autoscaling__V2__MetricSpec *metric,
                               const Autoscaling__V2__MetricStatus *now)
{
    if (metric->resource != NULL) {
        return use_text(arena, metric->resource->name, metric->resource->target,
                        now == NULL || now->resource == NULL ? NULL : now->resource->current);
    }
    if (metric->container_resource != NULL) {
        return use_text(arena, metric->container_resource->name, metric->container_resource->target,
                        now == NULL || now->container_resource == NULL
                            ? NULL
                            : now->container_resource->current);
    }
    if (metric->pods != NULL) {
        return pods_text(arena, metric->pods->target,
                         now == NULL || now->pods == NULL ? NULL : now->pods->current);
    }
    if (metric->object != NULL) {
        return value_text(arena, metric->object->target,
                          now == NULL || now->object == NULL ? NULL : now->object->current);
    }
    if (metric->external != NULL) {
        return value_text(arena, metric->external->target,
                          now == NULL || now->external == NULL ? NULL : now->external->current);
    }
    return "<unknown type>";
}

static void autoscaler_targets(struct table_row *row,
                               const Autoscaling__V2__HorizontalPodAutoscaler *autoscaler)
{
    enum { SHOWN_MAX = 2 };
    const Autoscaling__V2__HorizontalPodAutoscalerSpec *spec = autoscaler->spec;
    const Autoscaling__V2__HorizontalPodAutoscalerStatus *status = autoscaler->status;
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    for (size_t i = 0; i < spec->n_metrics && i < SHOWN_MAX; i++) {
        table_join(&text,
                   metric_text(row->arena, spec->metrics[i],
                               i < status->n_current_metrics ? status->current_metrics[i] : NULL),
                   ", ");
    }
    if (spec->n_metrics > SHOWN_MAX) {
        buffer_printf(&text, " + %zu more...", spec->n_metrics - SHOWN_MAX);
    }
    if (spec->n_metrics == 0) {
        buffer_append_text(&text, "<none>");
    }
    table_buffer(row, &text);
}

void table_autoscaler(struct table_row *row, const void *message)
{
    const Autoscaling__V2__HorizontalPodAutoscaler *autoscaler = message;
    const Autoscaling__V2__HorizontalPodAutoscalerSpec *spec = autoscaler->spec;
    const Autoscaling__V2__CrossVersionObjectReference *target = spec->scale_target_ref;
    table_text(row, autoscaler->metadata->name);
    table_text(row, arena_printf(row->arena, "%s/%s", text_or_empty(target->kind),
                                 text_or_empty(target->name)));
    autoscaler_targets(row, autoscaler);
    table_text(row, spec->has_min_replicas ? number_text(row, spec->min_replicas) : "<unset>");
    table_integer(row, spec->max_replicas);
    table_integer(row, autoscaler->status->current_replicas);
    table_age(row, autoscaler->metadata);
}

static const char *either_text(const struct table_row *row, const Intstr__IntOrString *value)
{
    return value == NULL           ? "N/A"
           : intstr_is_text(value) ? intstr_text(value)
                                   : number_text(row, intstr_int(value));
}

void table_budget(struct table_row *row, const void *message)
{
    const Policy__V1__PodDisruptionBudget *budget = message;
    table_text(row, budget->metadata->name);
    table_text(row, either_text(row, budget->spec->min_available));
    table_text(row, either_text(row, budget->spec->max_unavailable));
    table_integer(row, budget->status->disruptions_allowed);
    table_age(row, budget->metadata);
}
