/* Defaults of workloads that depend on other members, and what the server writes into them. */
#include "lib/api/intstr.h"
#include "lib/api/object.h"
#include "lib/api/rules/default_hooks.h"
#include "lib/api/rules/rules.h"
#include <inttypes.h>
#include <stdlib.h>

/* --- Sets --------------------------------------------------------------------------------------
 */

void default_daemon_set_strategy(struct arena *arena, void *message)
{
    Apps__V1__DaemonSetUpdateStrategy *strategy = message;
    if (!rules_is(strategy->type, "RollingUpdate")) {
        return;
    }
    if (strategy->rolling_update == NULL) {
        strategy->rolling_update = rules_new(arena, "k8s.io.api.apps.v1.RollingUpdateDaemonSet");
    }
    if (strategy->rolling_update->max_unavailable == NULL) {
        strategy->rolling_update->max_unavailable = intstr_new_int(arena, 1);
    }
    if (strategy->rolling_update->max_surge == NULL) {
        strategy->rolling_update->max_surge = intstr_new_int(arena, 0);
    }
}

void default_stateful_set_strategy(struct arena *arena, void *message)
{
    Apps__V1__StatefulSetUpdateStrategy *strategy = message;
    if (rules_empty(strategy->type)) {
        strategy->type = arena_text(arena, "RollingUpdate");
        if (strategy->rolling_update == NULL) {
            strategy->rolling_update =
                rules_new(arena, "k8s.io.api.apps.v1.RollingUpdateStatefulSetStrategy");
        }
    }
    if (rules_is(strategy->type, "RollingUpdate") && strategy->rolling_update != NULL &&
        !strategy->rolling_update->has_partition) {
        strategy->rolling_update->has_partition = 1;
    }
}

void default_replication_controller(struct arena *arena, void *message)
{
    Core__V1__ReplicationController *controller = message;
    Core__V1__ReplicationControllerSpec *spec = controller->spec;
    (void)arena; /* Labels are shared with the template: nobody writes into them. */
    if (spec->template_ == NULL || spec->template_->metadata->n_labels == 0) {
        return;
    }
    const Meta__V1__ObjectMeta *pod = spec->template_->metadata;
    if (spec->n_selector == 0) {
        /* Entries of both maps have one layout. */
        spec->selector = (Core__V1__ReplicationControllerSpec__SelectorEntry **)(void *)pod->labels;
        spec->n_selector = pod->n_labels;
    }
    if (controller->metadata->n_labels == 0) {
        controller->metadata->labels = pod->labels;
        controller->metadata->n_labels = pod->n_labels;
    }
}

void rules_prepare_daemon_set(struct arena *arena, void *message)
{
    Apps__V1__DaemonSet *set = message;
    api_meta_set_annotation(arena, set->metadata, RULES_TEMPLATE_GENERATION, "1");
}

void rules_prepare_daemon_set_update(struct arena *arena, const void *before, void *after)
{
    const Apps__V1__DaemonSet *old_set = before;
    Apps__V1__DaemonSet *set = after;
    const char *last = api_meta_annotation(old_set->metadata, RULES_TEMPLATE_GENERATION);
    int64_t count = last == NULL ? 0 : strtoll(last, NULL, /* base= */ 10);
    if (!api_message_equal(&core__v1__pod_template_spec__schema, old_set->spec->template_,
                           set->spec->template_)) {
        count++;
    }
    api_meta_set_annotation(arena, set->metadata, RULES_TEMPLATE_GENERATION,
                            arena_printf(arena, "%" PRId64, count));
}

/* --- Job ---------------------------------------------------------------------------------------
 */

static void job_labels(Batch__V1__Job *job)
{
    const Meta__V1__ObjectMeta *pod = job->spec->template_->metadata;
    if (job->metadata->n_labels == 0 && pod->n_labels > 0) {
        job->metadata->labels = pod->labels;
        job->metadata->n_labels = pod->n_labels;
    }
}

static void job_counts(Batch__V1__JobSpec *spec)
{
    enum { RETRIES = 6 };
    if (!spec->has_completions && !spec->has_parallelism) {
        spec->has_completions = 1;
        spec->completions = 1;
    }
    if (!spec->has_parallelism) {
        spec->has_parallelism = 1;
        spec->parallelism = 1;
    }
    if (!spec->has_backoff_limit) {
        spec->has_backoff_limit = 1;
        spec->backoff_limit = spec->has_backoff_limit_per_index ? INT32_MAX : RETRIES;
    }
}

/* Not of the spec alone: a CronJob's template has none of them. */
void default_job(struct arena *arena, void *message)
{
    Batch__V1__Job *job = message;
    Batch__V1__JobSpec *spec = job->spec;
    job_labels(job);
    job_counts(spec);
    if (spec->completion_mode == NULL) {
        spec->completion_mode = arena_text(arena, "NonIndexed");
    }
    if (spec->pod_replacement_policy == NULL) {
        spec->pod_replacement_policy =
            arena_text(arena, spec->pod_failure_policy != NULL ? "Failed" : "TerminatingOrFailed");
    }
    spec->has_suspend = 1; /* False when it was not there. */
    spec->has_manual_selector = 1;
}

static void add_match(struct arena *arena, Meta__V1__LabelSelector *selector, const char *key,
                      const char *value)
{
    const struct api_member *member =
        api_message_member_text(&meta__v1__label_selector__schema, "matchLabels");
    Meta__V1__LabelSelector__MatchLabelsEntry *entry = api_message_new(arena, member->field->entry);
    Meta__V1__LabelSelector__MatchLabelsEntry **grown =
        arena_array(arena, selector->n_match_labels + 1, sizeof(*grown));
    if (selector->n_match_labels > 0) {
        memcpy(grown, selector->match_labels, selector->n_match_labels * sizeof(*grown));
    }
    entry->key = arena_text(arena, key);
    entry->value = arena_text(arena, value);
    grown[selector->n_match_labels++] = entry;
    selector->match_labels = grown;
}

/* Pods of a job are found by its uid: nobody else can have it. */
void rules_prepare_job(struct arena *arena, void *message)
{
    Batch__V1__Job *job = message;
    Batch__V1__JobSpec *spec = job->spec;
    const char *uid = text_or_empty(job->metadata->uid);
    const char *name = text_or_empty(job->metadata->name);
    const struct {
        const char *key, *value;
    } labels[] = {{"controller-uid", uid},
                  {"job-name", name},
                  {RULES_JOB_UID, uid},
                  {"batch.kubernetes.io/job-name", name}};
    if (spec->manual_selector) {
        return;
    }
    Meta__V1__ObjectMeta *pod = spec->template_->metadata;
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        struct api_string_map present = API_STRING_MAP(pod->labels, pod->n_labels);
        if (api_string_map_get(present, labels[i].key) == NULL) { /* Another value is refused. */
            api_meta_set_label(arena, pod, labels[i].key, labels[i].value);
        }
    }
    if (spec->selector == NULL) {
        spec->selector = rules_new(arena, "k8s.io.apimachinery.pkg.apis.meta.v1.LabelSelector");
    }
    struct api_string_map match =
        API_STRING_MAP(spec->selector->match_labels, spec->selector->n_match_labels);
    if (api_string_map_get(match, RULES_JOB_UID) == NULL) {
        add_match(arena, spec->selector, RULES_JOB_UID, uid);
    }
    job_labels(job); /* As when it is read again. */
}
