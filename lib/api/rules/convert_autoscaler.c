/* autoscaling/v1 knows one target, the use of CPU. What else autoscaling/v2 has is in annotations
 * there, as JSON: metrics in names of their own, behaviour in the names of v1.32's Go structs. */
#include "lib/api/json_value.h"
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include <ctype.h>

typedef Autoscaling__V1__HorizontalPodAutoscaler old_form;
typedef Autoscaling__V2__HorizontalPodAutoscaler new_form;

static const char METRICS[] = "autoscaling.alpha.kubernetes.io/metrics";
static const char CURRENT[] = "autoscaling.alpha.kubernetes.io/current-metrics";
static const char CONDITIONS[] = "autoscaling.alpha.kubernetes.io/conditions";
static const char BEHAVIOR[] = "autoscaling.alpha.kubernetes.io/behavior";

/* --- Metrics: one JSON form to the other -------------------------------------------------------
 */

/* Where a member is in v2 and in v1; `group` is the member of v2 that it is in, "" for none. The
 * order is that of v1's JSON. */
static const struct name {
    const char *source, *group, *now, *before;
} NAMES[] = {
    {"object", "", "describedObject", "target"},
    {"object", "metric", "name", "metricName"},
    {"object", "target", "value", "targetValue"},
    {"object", "metric", "selector", "selector"},
    {"object", "target", "averageValue", "averageValue"},
    {"object", "current", "value", "currentValue"},
    {"object", "current", "averageValue", "averageValue"},
    {"pods", "metric", "name", "metricName"},
    {"pods", "target", "averageValue", "targetAverageValue"},
    {"pods", "current", "averageValue", "currentAverageValue"},
    {"pods", "metric", "selector", "selector"},
    {"resource", "", "name", "name"},
    {"resource", "target", "averageUtilization", "targetAverageUtilization"},
    {"resource", "target", "averageValue", "targetAverageValue"},
    {"resource", "current", "averageUtilization", "currentAverageUtilization"},
    {"resource", "current", "averageValue", "currentAverageValue"},
    {"containerResource", "", "name", "name"},
    {"containerResource", "target", "averageUtilization", "targetAverageUtilization"},
    {"containerResource", "target", "averageValue", "targetAverageValue"},
    {"containerResource", "current", "averageUtilization", "currentAverageUtilization"},
    {"containerResource", "current", "averageValue", "currentAverageValue"},
    {"containerResource", "", "container", "container"},
    {"external", "metric", "name", "metricName"},
    {"external", "metric", "selector", "metricSelector"},
    {"external", "target", "value", "targetValue"},
    {"external", "target", "averageValue", "targetAverageValue"},
    {"external", "current", "value", "currentValue"},
    {"external", "current", "averageValue", "currentAverageValue"},
};

static const struct json_value *member_of(const struct json_value *object, const char *name)
{
    return object == NULL || object->type != JSON_OBJECT ? NULL : json_get_text(object, name);
}

static void put(struct arena *arena, struct json_value *object, const char *name,
                const struct json_value *value)
{
    if (value != NULL && value->type != JSON_NULL) {
        json_set_text(arena, object, name, json_copy(arena, value));
    }
}

/* The part that `name` says of a metric in v2; made when it is not there. */
static struct json_value *group_of(struct arena *arena, struct json_value *source, const char *name)
{
    struct json_value *group = *name == '\0' ? source : json_get_text(source, name);
    if (group == NULL) {
        group = json_new_object(arena);
        json_set_text(arena, source, name, group);
    }
    return group;
}

/* v1 does not say what a target is of: its members do. */
static void name_target(struct arena *arena, struct json_value *source)
{
    struct json_value *target = json_get_text(source, "target");
    const char *type = "Value";
    if (target == NULL || target->type != JSON_OBJECT) {
        return;
    }
    if (json_get_text(target, "averageUtilization") != NULL) {
        type = "Utilization";
    } else if (json_get_text(target, "averageValue") != NULL) {
        type = "AverageValue";
    }
    json_set_text(arena, target, "type", json_new_text(arena, type));
}

static struct json_value *convert_metric(struct arena *arena, const struct json_value *metric,
                                         bool to_now)
{
    struct json_value *result = json_new_object(arena);
    put(arena, result, "type", member_of(metric, "type"));
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        const struct name *name = &NAMES[i];
        const struct json_value *from = member_of(metric, name->source);
        if (from == NULL || from->type != JSON_OBJECT) {
            continue;
        }
        struct json_value *to = group_of(arena, result, name->source);
        const struct json_value *holder =
            to_now || *name->group == '\0' ? from : member_of(from, name->group);
        const struct json_value *value = member_of(holder, to_now ? name->before : name->now);
        if (value != NULL) {
            put(arena, to_now ? group_of(arena, to, name->group) : to,
                to_now ? name->now : name->before, value);
        }
    }
    for (size_t i = 0; to_now && i < result->count; i++) {
        if (result->members[i].value->type == JSON_OBJECT) {
            name_target(arena, result->members[i].value);
        }
    }
    return result;
}

/* --- Behaviour ---------------------------------------------------------------------------------
 */

/* The same with the first letter of every name as upper case (or lower case); what is not there is
 * left out. */
static struct json_value *recase(struct arena *arena, const struct json_value *value, bool upper)
{
    if (value->type == JSON_ARRAY) {
        struct json_value *items = json_new_array(arena);
        for (size_t i = 0; i < value->count; i++) {
            json_append(arena, items, recase(arena, value->items[i], upper));
        }
        return items;
    }
    if (value->type != JSON_OBJECT) {
        return json_copy(arena, value);
    }
    struct json_value *object = json_new_object(arena);
    for (size_t i = 0; i < value->count; i++) {
        char *name = arena_text(arena, (const char *)value->members[i].name.data);
        int first = (unsigned char)*name;
        *name = (char)(upper ? toupper(first) : tolower(first));
        if (value->members[i].value->type != JSON_NULL) {
            json_set_text(arena, object, name, recase(arena, value->members[i].value, upper));
        }
    }
    return object;
}

/* --- Annotations -------------------------------------------------------------------------------
 */

static void annotate(struct arena *arena, Meta__V1__ObjectMeta *meta, const char *key,
                     const struct json_value *value)
{
    enum { ANNOTATION_MAX = 256 * 1024 };
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, ANNOTATION_MAX);
    json_print(value, /* sorted= */ false, &text);
    api_meta_set_annotation(arena, meta, key, buffer_text(&text));
}

/* What the annotation says, which is then taken away; NULL when it is not there or not JSON. */
static struct json_value *take_annotation(struct arena *arena, Meta__V1__ObjectMeta *meta,
                                          const char *key)
{
    const char *text = api_meta_annotation(meta, key);
    struct json_value *value = NULL;
    if (text == NULL || json_parse(arena, slice_text(text), &value, NULL) != 0) {
        return NULL;
    }
    (void)api_meta_remove_annotation(meta, key); /* It is there. */
    return value;
}

/* A copy whose annotations can be changed. */
static Meta__V1__ObjectMeta *copy_meta(struct arena *arena, const Meta__V1__ObjectMeta *from)
{
    Meta__V1__ObjectMeta *meta = arena_alloc(arena, sizeof(*meta));
    *meta = *from;
    meta->annotations = arena_array(arena, from->n_annotations, sizeof(*meta->annotations));
    if (from->n_annotations > 0) {
        memcpy(meta->annotations, from->annotations,
               from->n_annotations * sizeof(*meta->annotations));
    }
    return meta;
}

/* --- From v2 -----------------------------------------------------------------------------------
 */

static bool is_cpu(const char *type, const char *resource)
{
    return rules_is(type, "Resource") && rules_is(resource, "cpu");
}

static void targets_from(struct arena *arena, const new_form *from, old_form *to)
{
    struct json_value *others = json_new_array(arena);
    bool found = false;
    for (size_t i = 0; i < from->spec->n_metrics; i++) {
        const Autoscaling__V2__MetricSpec *metric = from->spec->metrics[i];
        const Autoscaling__V2__ResourceMetricSource *resource = metric->resource;
        if (!found && resource != NULL && is_cpu(metric->type, resource->name) &&
            resource->target->has_average_utilization) {
            to->spec->has_target_cpu_utilization_percentage = 1;
            to->spec->target_cpu_utilization_percentage = resource->target->average_utilization;
            found = true;
            continue;
        }
        json_append(arena, others,
                    convert_metric(arena,
                                   api_message_to_json(arena, &autoscaling__v2__metric_spec__schema,
                                                       metric, NULL),
                                   /* to_now= */ false));
    }
    if (others->count > 0) {
        annotate(arena, to->metadata, METRICS, others);
    }
}

static void current_from(struct arena *arena, const new_form *from, old_form *to)
{
    struct json_value *all = json_new_array(arena);
    for (size_t i = 0; i < from->status->n_current_metrics; i++) {
        const Autoscaling__V2__MetricStatus *metric = from->status->current_metrics[i];
        const Autoscaling__V2__ResourceMetricStatus *resource = metric->resource;
        if (resource != NULL && is_cpu(metric->type, resource->name) &&
            resource->current->has_average_utilization) {
            to->status->has_current_cpu_utilization_percentage = 1;
            to->status->current_cpu_utilization_percentage = resource->current->average_utilization;
        }
        json_append(
            arena, all,
            convert_metric(
                arena,
                api_message_to_json(arena, &autoscaling__v2__metric_status__schema, metric, NULL),
                /* to_now= */ false));
    }
    if (all->count > 0) {
        annotate(arena, to->metadata, CURRENT, all);
    }
}

static void rest_from(struct arena *arena, const new_form *from, old_form *to)
{
    struct json_value *conditions = json_new_array(arena);
    for (size_t i = 0; i < from->status->n_conditions; i++) {
        json_append(arena, conditions,
                    api_message_to_json(
                        arena, &autoscaling__v2__horizontal_pod_autoscaler_condition__schema,
                        from->status->conditions[i], NULL));
    }
    if (conditions->count > 0) {
        annotate(arena, to->metadata, CONDITIONS, conditions);
    }
    if (from->spec->behavior != NULL) {
        struct json_value *behavior =
            api_message_to_json(arena, &autoscaling__v2__horizontal_pod_autoscaler_behavior__schema,
                                from->spec->behavior, NULL);
        annotate(arena, to->metadata, BEHAVIOR, recase(arena, behavior, /* upper= */ true));
    }
}

static void *reference_to(struct arena *arena, const char *full_name, const char *kind,
                          const char *name, const char *version)
{
    /* Both versions' references have one layout. */
    Autoscaling__V2__CrossVersionObjectReference *reference = rules_new(arena, full_name);
    reference->kind = arena_text(arena, text_or_empty(kind));
    reference->name = arena_text(arena, text_or_empty(name));
    reference->api_version = arena_text(arena, text_or_empty(version));
    return reference;
}

/* What both versions have, under the same names in structs of their own. */
#define COPY_SHARED(to, from)                                                                      \
    do {                                                                                           \
        (to)->spec->has_min_replicas = (from)->spec->has_min_replicas;                             \
        (to)->spec->min_replicas = (from)->spec->min_replicas;                                     \
        (to)->spec->has_max_replicas = (from)->spec->has_max_replicas;                             \
        (to)->spec->max_replicas = (from)->spec->max_replicas;                                     \
        (to)->status->has_observed_generation = (from)->status->has_observed_generation;           \
        (to)->status->observed_generation = (from)->status->observed_generation;                   \
        (to)->status->last_scale_time = (from)->status->last_scale_time;                           \
        (to)->status->current_replicas = (from)->status->current_replicas;                         \
        (to)->status->desired_replicas = (from)->status->desired_replicas;                         \
    } while (0)

void *rules_autoscaler_from_stored(struct arena *arena, const void *message)
{
    const new_form *from = message;
    old_form *to = rules_new(arena, "k8s.io.api.autoscaling.v1.HorizontalPodAutoscaler");
    const Autoscaling__V2__CrossVersionObjectReference *target = from->spec->scale_target_ref;
    to->metadata = copy_meta(arena, from->metadata);
    if (target != NULL) {
        to->spec->scale_target_ref =
            reference_to(arena, "k8s.io.api.autoscaling.v1.CrossVersionObjectReference",
                         target->kind, target->name, target->api_version);
    }
    COPY_SHARED(to, from);
    targets_from(arena, from, to);
    current_from(arena, from, to);
    rest_from(arena, from, to);
    return to;
}

/* --- To v2 -------------------------------------------------------------------------------------
 */

/* Items that are no metric are left out: the annotation is anybody's. */
static void **read_items(struct arena *arena, const struct json_value *list,
                         const struct api_message *table, bool metrics, size_t *ret_count)
{
    bool usable = list != NULL && list->type == JSON_ARRAY;
    void **items = arena_array(arena, usable ? list->count : 0, sizeof(void *));
    *ret_count = 0;
    for (size_t i = 0; usable && i < list->count; i++) {
        const struct json_value *item = list->items[i];
        if (metrics) {
            item = convert_metric(arena, item, /* to_now= */ true);
        }
        if (api_message_from_json(arena, table, item, NULL, &items[*ret_count], NULL) == 0) {
            (*ret_count)++;
        }
    }
    return items;
}

static void targets_to(struct arena *arena, const old_form *from, new_form *to)
{
    size_t count = 0, first = from->spec->has_target_cpu_utilization_percentage ? 1 : 0;
    void **others = read_items(arena, take_annotation(arena, to->metadata, METRICS),
                               &autoscaling__v2__metric_spec__schema, /* metrics= */ true, &count);
    if (count + first == 0) {
        return; /* Defaulting adds the usual one. */
    }
    to->spec->metrics = arena_array(arena, count + first, sizeof(*to->spec->metrics));
    to->spec->n_metrics = count + first;
    if (first > 0) {
        to->spec->metrics[0] =
            rules_cpu_metric(arena, from->spec->target_cpu_utilization_percentage);
    }
    for (size_t i = 0; i < count; i++) {
        to->spec->metrics[first + i] = others[i];
    }
}

static void rest_to(struct arena *arena, new_form *to)
{
    const struct json_value *behavior = take_annotation(arena, to->metadata, BEHAVIOR);
    void *rules = NULL;
    void **items =
        read_items(arena, take_annotation(arena, to->metadata, CURRENT),
                   &autoscaling__v2__metric_status__schema, true, &to->status->n_current_metrics);
    if (to->status->n_current_metrics > 0) {
        to->status->current_metrics = (Autoscaling__V2__MetricStatus **)(void *)items;
    }
    items = read_items(arena, take_annotation(arena, to->metadata, CONDITIONS),
                       &autoscaling__v2__horizontal_pod_autoscaler_condition__schema, false,
                       &to->status->n_conditions);
    if (to->status->n_conditions > 0) {
        to->status->conditions =
            (Autoscaling__V2__HorizontalPodAutoscalerCondition **)(void *)items;
    }
    if (behavior != NULL &&
        api_message_from_json(arena, &autoscaling__v2__horizontal_pod_autoscaler_behavior__schema,
                              recase(arena, behavior, /* upper= */ false), NULL, &rules,
                              NULL) == 0) {
        to->spec->behavior = rules;
    }
}

void *rules_autoscaler_to_stored(struct arena *arena, const void *message)
{
    const old_form *from = message;
    new_form *to = rules_new(arena, "k8s.io.api.autoscaling.v2.HorizontalPodAutoscaler");
    const Autoscaling__V1__CrossVersionObjectReference *target = from->spec->scale_target_ref;
    to->metadata = copy_meta(arena, from->metadata);
    if (target != NULL) {
        to->spec->scale_target_ref =
            reference_to(arena, "k8s.io.api.autoscaling.v2.CrossVersionObjectReference",
                         target->kind, target->name, target->api_version);
    }
    COPY_SHARED(to, from);
    targets_to(arena, from, to);
    rest_to(arena, to);
    return to;
}
