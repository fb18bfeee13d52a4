/* Rules of Job and CronJob. */
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/api/time.h"
#include <stdlib.h>

#define JOB_NAME "batch.kubernetes.io/job-name"

enum { INDEXES_MAX = 100000, PARALLEL_INDEXES_MAX = 10000, INDEX_TEXT_MAX = 64 * 1024 };

static bool is_indexed(const Batch__V1__JobSpec *spec)
{
    return rules_is(spec->completion_mode, "Indexed");
}

/* --- Numbers of an indexed job -----------------------------------------------------------------
 */

static void check_indexed(struct api_causes *causes, const struct api_path *at,
                          const Batch__V1__JobSpec *spec)
{
    if (!spec->has_completions) {
        rules_required(causes, at, "completions", "when completion mode is Indexed");
    }
    if (spec->has_parallelism && spec->parallelism > INDEXES_MAX) {
        rules_invalid(causes, at, "parallelism", api_shown_int(spec->parallelism),
                      "must be less than or equal to 100000 when completion mode is Indexed");
    }
    if (spec->has_completions && spec->has_max_failed_indexes &&
        spec->max_failed_indexes > spec->completions) {
        rules_invalid(causes, at, "maxFailedIndexes", api_shown_int(spec->max_failed_indexes),
                      "must be less than or equal to completions");
    }
    if (spec->has_max_failed_indexes && spec->max_failed_indexes > INDEXES_MAX) {
        rules_invalid(causes, at, "maxFailedIndexes", api_shown_int(spec->max_failed_indexes),
                      "must be less than or equal to 100000");
    }
}

/* Many indexes with a budget each cost the status a lot. */
static void check_many_indexes(struct api_causes *causes, const struct api_path *at,
                               const Batch__V1__JobSpec *spec)
{
    if (!spec->has_completions || spec->completions <= INDEXES_MAX ||
        !spec->has_backoff_limit_per_index) {
        return;
    }
    static const char words[] = "must be less than or equal to 10000 when completions are above "
                                "100000 and used with backoff limit per index";
    if (!spec->has_max_failed_indexes) {
        rules_required(causes, at, "maxFailedIndexes",
                       "must be specified when completions is above 100000");
    }
    if (spec->has_parallelism && spec->parallelism > PARALLEL_INDEXES_MAX) {
        rules_invalid(causes, at, "parallelism", api_shown_int(spec->parallelism), words);
    }
    if (spec->has_max_failed_indexes && spec->max_failed_indexes > PARALLEL_INDEXES_MAX) {
        rules_invalid(causes, at, "maxFailedIndexes", api_shown_int(spec->max_failed_indexes),
                      words);
    }
}

static void check_unindexed(struct api_causes *causes, const struct api_path *at,
                            const Batch__V1__JobSpec *spec)
{
    static const char words[] = "requires indexed completion mode";
    if (spec->has_backoff_limit_per_index) {
        rules_invalid(causes, at, "backoffLimitPerIndex",
                      api_shown_int(spec->backoff_limit_per_index), words);
    }
    if (spec->has_max_failed_indexes) {
        rules_invalid(causes, at, "maxFailedIndexes", api_shown_int(spec->max_failed_indexes),
                      words);
    }
}

bool rules_job_budget(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__JobSpec *spec = frame->message;
    if (spec->has_max_failed_indexes && !spec->has_backoff_limit_per_index) {
        rules_required(causes, frame->at, "backoffLimitPerIndex",
                       "when maxFailedIndexes is specified");
    }
    return true;
}

bool rules_job_numbers(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__JobSpec *spec = frame->message;
    if (is_indexed(spec)) {
        check_indexed(causes, frame->at, spec);
        check_many_indexes(causes, frame->at, spec);
    } else if (rules_empty(spec->completion_mode) ||
               rules_is(spec->completion_mode, "NonIndexed")) {
        check_unindexed(causes, frame->at, spec);
    }
    return true;
}

/* The pods' host names are the job's with their index behind it. */
bool rules_job_name(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__Job *job = frame->message;
    const Batch__V1__JobSpec *spec = job->spec;
    const char *name = text_or_empty(job->metadata->name);
    struct api_path metadata = api_path_field(NULL, "metadata");
    if (frame->before != NULL || !is_indexed(spec) || spec->completions <= 0) {
        return true;
    }
    const char *host = arena_printf(causes->arena, "%s-%d", name, spec->completions - 1);
    if (api_syntax_dns1123_label(host).count > 0) {
        rules_invalid(causes, &metadata, "name", api_shown_text(name),
                      arena_printf(causes->arena,
                                   "will not able to create pod with invalid DNS label: %s", host));
    }
    return true;
}

bool rules_job_managed_by(struct api_causes *causes, const struct api_frame *frame)
{
    enum { NAME_MAX_BYTES = 63 };
    const Batch__V1__JobSpec *spec = frame->message;
    struct api_path at = api_path_field(frame->at, "managedBy");
    if (spec->managed_by == NULL) {
        return true;
    }
    rules_check_prefixed_path(causes, &at, spec->managed_by);
    if (strlen(spec->managed_by) > NAME_MAX_BYTES) {
        api_cause_too_long(causes, &at, NAME_MAX_BYTES);
    }
    return true;
}

/* --- Selector and template ---------------------------------------------------------------------
 */

static void check_own_label(struct api_causes *causes, const Meta__V1__ObjectMeta *pod,
                            const char *key, const char *value)
{
    struct api_string_map labels = {0};
    if (pod != NULL) {
        labels = API_STRING_MAP(pod->labels, pod->n_labels);
    }
    struct api_path spec = api_path_field(NULL, "spec"),
                    pod_template = api_path_field(&spec, "template"),
                    meta = api_path_field(&pod_template, "metadata"),
                    list = api_path_field(&meta, "labels"), at = api_path_key(&list, key);
    const char *found = api_string_map_get(labels, key);
    const char *words = arena_printf(causes->arena, "must be '%s'", value);
    if (found == NULL) {
        api_cause_required(causes, &at, words);
    } else if (strcmp(found, value) != 0) {
        api_cause_invalid(causes, &at, api_shown_map(causes->arena, labels), words);
    }
}

/* Whether its pods had the labels with a prefix, which jobs of old servers do not have. */
static bool had_prefixed_labels(const Batch__V1__Job *before)
{
    const Meta__V1__ObjectMeta *pod = before->spec->template_->metadata;
    return pod != NULL &&
           api_string_map_get(API_STRING_MAP(pod->labels, pod->n_labels), JOB_NAME) != NULL &&
           api_string_map_get(API_STRING_MAP(pod->labels, pod->n_labels), RULES_JOB_UID) != NULL;
}

/* The selector that the server makes, and the labels that it selects by. */
bool rules_job_own(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__Job *job = frame->message;
    const Batch__V1__JobSpec *spec = job->spec;
    const char *uid = text_or_empty(job->metadata->uid), *name = text_or_empty(job->metadata->name);
    const char *const labels[][2] = {
        {"controller-uid", uid}, {"job-name", name}, {RULES_JOB_UID, uid}, {JOB_NAME, name}};
    enum { PLAIN = 2 };
    size_t count =
        frame->before == NULL || had_prefixed_labels(frame->before) ? ARRAY_LEN(labels) : PLAIN;
    if (spec->manual_selector || spec->selector == NULL) {
        return true;
    }
    Meta__V1__ObjectMeta__LabelsEntry entries[ARRAY_LEN(labels)], *expected[ARRAY_LEN(labels)];
    struct api_label_selector parsed;
    for (size_t i = 0; i < count; i++) {
        check_own_label(causes, spec->template_->metadata, labels[i][0], labels[i][1]);
        meta__v1__object_meta__labels_entry__init(&entries[i]);
        entries[i].key = arena_text(causes->arena, labels[i][0]);
        entries[i].value = arena_text(causes->arena, labels[i][1]);
        expected[i] = &entries[i];
    }
    if (api_label_selector_from_message(causes->arena, spec->selector, &parsed, NULL) == 0 &&
        !api_label_selector_matches(&parsed, API_STRING_MAP(expected, count))) {
        struct api_path at = api_path_field(NULL, "spec");
        rules_invalid(causes, &at, "selector", api_shown_selector(causes->arena, spec->selector),
                      "`selector` not auto-generated");
    }
    return true;
}

/* After the job's own. */
bool rules_job_template_selector(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const values[] = {"nil", "false", NULL};
    const Batch__V1__JobSpec *spec = ((const Batch__V1__JobTemplateSpec *)frame->message)->spec;
    struct api_path at = api_path_field(frame->at, "spec");
    if (spec->selector != NULL) {
        rules_invalid(causes, &at, "selector", api_shown_selector(causes->arena, spec->selector),
                      "`selector` will be auto-generated");
    }
    if (spec->manual_selector) {
        struct api_path manual = api_path_field(&at, "manualSelector");
        api_cause_not_among(causes, &manual, api_shown_bool(true), values);
    }
    return true;
}

bool rules_job_selector(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__JobSpec *spec = frame->message;
    if (frame->parent->table != &batch__v1__job__schema) {
        return true; /* Its CronJob has a rule. */
    }
    if (spec->selector == NULL) {
        rules_required(causes, frame->at, "selector", "");
        return true;
    }
    rules_template_matches(causes, frame, spec->selector, spec->template_);
    return true;
}

bool rules_job_template(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const policies[] = {"OnFailure", "Never", NULL};
    const Batch__V1__JobSpec *spec = frame->message;
    const char *policy = text_or_empty(spec->template_->spec->restart_policy);
    struct api_path pod = api_path_field(frame->at, "template");
    struct api_path at = api_path_field(&pod, "spec");
    if (strcmp(policy, "Always") == 0) {
        rules_required(causes, &at, "restartPolicy", "valid values: \"OnFailure\", \"Never\"");
    } else if (!rules_one_of(policy, policies)) {
        struct api_path restart = api_path_field(&at, "restartPolicy");
        api_cause_not_among(causes, &restart, api_shown_text(policy), policies);
    } else if (spec->pod_failure_policy != NULL && strcmp(policy, "Never") != 0) {
        rules_invalid(causes, &at, "restartPolicy", api_shown_text(policy),
                      "only \"Never\" is supported when podFailurePolicy is specified");
    }
    return true;
}

bool rules_job_replacement(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const with_policy[] = {"Failed", NULL};
    static const char *const any[] = {"Failed", "TerminatingOrFailed", NULL};
    const Batch__V1__JobSpec *spec = frame->message;
    const char *const *values = spec->pod_failure_policy != NULL ? with_policy : any;
    if (spec->pod_replacement_policy != NULL &&
        !rules_one_of(spec->pod_replacement_policy, values)) {
        rules_not_supported(causes, frame->at, "podReplacementPolicy", spec->pod_replacement_policy,
                            values);
    }
    return true;
}

/* --- Failure policy ----------------------------------------------------------------------------
 */

static const Batch__V1__JobSpec *job_spec_around(const struct api_frame *frame)
{
    const struct api_frame *spec = api_frame_find(frame, &batch__v1__job_spec__schema);
    return spec == NULL ? NULL : spec->message;
}

bool rules_failure_rule(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__PodFailurePolicyRule *rule = frame->message;
    const Batch__V1__JobSpec *spec = job_spec_around(frame);
    if (rules_is(rule->action, "FailIndex") && !spec->has_backoff_limit_per_index) {
        rules_invalid(causes, frame->at, "action", api_shown_text(rule->action),
                      "requires the backoffLimitPerIndex to be set");
    }
    if (rule->on_exit_codes != NULL && rule->n_on_pod_conditions > 0) {
        api_cause_invalid(causes, frame->at, api_shown_nothing(),
                          "specifying both OnExitCodes and OnPodConditions is not supported");
    } else if (rule->on_exit_codes == NULL && rule->n_on_pod_conditions == 0) {
        api_cause_invalid(causes, frame->at, api_shown_nothing(),
                          "specifying one of OnExitCodes and OnPodConditions is required");
    }
    return true;
}

static bool has_container(const Core__V1__PodSpec *pod, const char *name)
{
    for (size_t i = 0; i < pod->n_containers; i++) {
        if (rules_is(pod->containers[i]->name, name)) {
            return true;
        }
    }
    for (size_t i = 0; i < pod->n_init_containers; i++) {
        if (rules_is(pod->init_containers[i]->name, name)) {
            return true;
        }
    }
    return false;
}

bool rules_failure_codes(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__PodFailurePolicyOnExitCodesRequirement *codes = frame->message;
    const Batch__V1__JobSpec *spec = job_spec_around(frame);
    struct api_path values = api_path_field(frame->at, "values");
    if (codes->container_name != NULL &&
        !has_container(spec->template_->spec, codes->container_name)) {
        rules_invalid(causes, frame->at, "containerName", api_shown_text(codes->container_name),
                      "must be one of the container or initContainer names in the pod template");
    }
    bool ordered = true;
    for (size_t i = 0; i < codes->n_values; i++) {
        struct api_path item = api_path_index(&values, i);
        ordered = ordered && (i == 0 || codes->values[i - 1] <= codes->values[i]);
        if (codes->values[i] == 0 && rules_is(codes->operator_, "In")) {
            api_cause_invalid(causes, &item, api_shown_int(0), "must not be 0 for the In operator");
        }
    }
    if (!ordered) {
        api_cause_invalid(causes, &values,
                          api_shown_member(causes->arena, frame->table, "values", codes),
                          "must be ordered");
    }
    return true;
}

/* --- Success policy ----------------------------------------------------------------------------
 */

bool rules_success_policy(struct api_causes *causes, const struct api_frame *frame)
{
    if (is_indexed(job_spec_around(frame))) {
        return true;
    }
    api_cause_invalid(causes, frame->at,
                      api_shown_message(causes->arena, frame->table, frame->message),
                      "requires indexed completion mode");
    return false;
}

static void check_succeeded_count(struct api_causes *causes, const struct api_path *at,
                                  const Batch__V1__SuccessPolicyRule *rule, int64_t most,
                                  const char *what)
{
    if (rule->succeeded_count > most) {
        rules_invalid(causes, at, "succeededCount", api_shown_int(rule->succeeded_count),
                      arena_printf(causes->arena, "must be less than or equal to %lld (%s)",
                                   (long long)most, what));
    }
}

bool rules_success_rule(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__SuccessPolicyRule *rule = frame->message;
    const Batch__V1__JobSpec *spec = job_spec_around(frame);
    int64_t total = 0;
    if (rule->succeeded_indexes == NULL && !rule->has_succeeded_count) {
        api_cause_required(causes, frame->at,
                           "at least one of succeededCount or succeededIndexes must be specified");
        return true;
    }
    if (rule->succeeded_indexes != NULL) {
        struct api_path at = api_path_field(frame->at, "succeededIndexes");
        const char *wrong =
            rules_job_indexes(causes->arena, rule->succeeded_indexes, spec->completions, &total);
        if (strlen(rule->succeeded_indexes) > INDEX_TEXT_MAX) {
            api_cause_too_long(causes, &at, INDEX_TEXT_MAX);
        }
        if (wrong != NULL) {
            api_cause_invalid(
                causes, &at, api_shown_text(rule->succeeded_indexes),
                arena_printf(causes->arena, "error parsing succeededIndexes: %s", wrong));
        }
    }
    if (rule->has_succeeded_count) {
        check_succeeded_count(causes, frame->at, rule, spec->completions,
                              "the number of specified completions");
    }
    if (rule->has_succeeded_count && rule->succeeded_indexes != NULL) {
        check_succeeded_count(causes, frame->at, rule, total,
                              "the number of indexes in the specified succeededIndexes field");
    }
    return true;
}

/* --- Changes of a Job --------------------------------------------------------------------------
 */

static const char IMMUTABLE[] = "field is immutable";

/* The affinity that would be the same but for what steers to nodes. */
static Core__V1__Affinity *same_affinity(struct arena *arena, const Core__V1__Affinity *before,
                                         Core__V1__Affinity *after)
{
    if (before == NULL && after == NULL) {
        return NULL;
    }
    Core__V1__Affinity *affinity = rules_new(arena, "k8s.io.api.core.v1.Affinity");
    if (before != NULL) {
        *affinity = *before;
    }
    affinity->node_affinity = after == NULL ? NULL : after->node_affinity;
    bool empty = affinity->node_affinity == NULL && affinity->pod_affinity == NULL &&
                 affinity->pod_anti_affinity == NULL;
    return empty && after == NULL ? NULL : affinity;
}

/* While it has never run, what only steers its pods to nodes may change. */
static bool same_template(struct arena *arena, const Batch__V1__Job *before,
                          const Batch__V1__JobSpec *after)
{
    const Core__V1__PodTemplateSpec *pod = after->template_;
    Core__V1__PodTemplateSpec old_pod = *before->spec->template_;
    Core__V1__PodSpec spec = *old_pod.spec;
    Meta__V1__ObjectMeta meta = META__V1__OBJECT_META__INIT;
    if (before->spec->suspend && api_time_is_zero(before->status->start_time)) {
        meta = old_pod.metadata == NULL ? meta : *old_pod.metadata;
        meta.labels = pod->metadata == NULL ? NULL : pod->metadata->labels;
        meta.n_labels = pod->metadata == NULL ? 0 : pod->metadata->n_labels;
        meta.annotations = pod->metadata == NULL ? NULL : pod->metadata->annotations;
        meta.n_annotations = pod->metadata == NULL ? 0 : pod->metadata->n_annotations;
        old_pod.metadata = &meta;
        old_pod.spec = &spec;
        spec.node_selector = pod->spec->node_selector;
        spec.n_node_selector = pod->spec->n_node_selector;
        spec.tolerations = pod->spec->tolerations;
        spec.n_tolerations = pod->spec->n_tolerations;
        spec.scheduling_gates = pod->spec->scheduling_gates;
        spec.n_scheduling_gates = pod->spec->n_scheduling_gates;
        spec.affinity = same_affinity(arena, spec.affinity, pod->spec->affinity);
    }
    return api_message_equal(&core__v1__pod_template_spec__schema, &old_pod, pod);
}

static void check_completions(struct api_causes *causes, const struct api_path *at,
                              const Batch__V1__JobSpec *before, const Batch__V1__JobSpec *after)
{
    if (before->has_completions == after->has_completions &&
        before->completions == after->completions) {
        return;
    }
    struct api_shown value =
        after->has_completions ? api_shown_int(after->completions) : api_shown_null();
    if (!is_indexed(after)) {
        rules_invalid(causes, at, "completions", value, IMMUTABLE);
    } else if (after->has_completions && after->completions != after->parallelism) {
        rules_invalid(causes, at, "completions", value,
                      "can only be modified in tandem with spec.parallelism");
    }
}

void rules_update_job(struct api_causes *causes, const void *before, const void *after)
{
    static const char *const fixed[] = {"completionMode", "podFailurePolicy",
                                        "backoffLimitPerIndex", "managedBy", "successPolicy"};
    const struct api_message *table = &batch__v1__job_spec__schema;
    const Batch__V1__Job *old_job = before, *job = after;
    struct api_path at = api_path_field(NULL, "spec");
    check_completions(causes, &at, old_job->spec, job->spec);
    api_check_same(causes, &at, table, "selector", old_job->spec, job->spec);
    if (!same_template(causes->arena, old_job, job->spec)) {
        rules_invalid(causes, &at, "template",
                      api_shown_message(causes->arena, &core__v1__pod_template_spec__schema,
                                        job->spec->template_),
                      IMMUTABLE);
    }
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        api_check_same(causes, &at, table, fixed[i], old_job->spec, job->spec);
    }
}
