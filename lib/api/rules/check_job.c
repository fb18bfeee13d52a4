/* Rules of Job and CronJob. */
#include "lib/api/cron.h"
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/api/time.h"
#include "lib/api/time_zones.h"
#include <stdlib.h>
#include <strings.h>

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
}

/* Many indexes with a budget each cost the status a lot. */
static void check_many_indexes(struct api_causes *causes, const struct api_path *at,
                               const Batch__V1__JobSpec *spec)
{
    if (!spec->has_completions || spec->completions <= INDEXES_MAX ||
        !spec->has_backoff_limit_per_index) {
        return;
    }
    if (!spec->has_max_failed_indexes) {
        rules_required(causes, at, "maxFailedIndexes",
                       "must be specified when completions is above 100000");
    } else if (spec->max_failed_indexes > PARALLEL_INDEXES_MAX) {
        rules_invalid(causes, at, "maxFailedIndexes", api_shown_int(spec->max_failed_indexes),
                      "must be less than or equal to 10000 when completions are above 100000 and "
                      "used with backoff limit per index");
    }
    if (spec->has_parallelism && spec->parallelism > PARALLEL_INDEXES_MAX) {
        rules_invalid(causes, at, "parallelism", api_shown_int(spec->parallelism),
                      "must be less than or equal to 10000 when completions are above 100000 and "
                      "used with backoff limit per index");
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
    if (spec->success_policy != NULL) {
        rules_invalid(causes, at, "successPolicy",
                      api_shown_message(causes->arena, &batch__v1__success_policy__schema,
                                        spec->success_policy),
                      words);
    }
}

bool rules_job_numbers(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__JobSpec *spec = frame->message;
    if (spec->has_max_failed_indexes && !spec->has_backoff_limit_per_index) {
        rules_required(causes, frame->at, "backoffLimitPerIndex",
                       "when maxFailedIndexes is specified");
    }
    if (is_indexed(spec)) {
        check_indexed(causes, frame->at, spec);
        check_many_indexes(causes, frame->at, spec);
    } else {
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
    if (strchr(spec->managed_by, '/') == NULL) {
        api_cause_invalid(causes, &at, api_shown_text(spec->managed_by),
                          "must be a domain-prefixed path (such as \"acme.io/foo\")");
    } else {
        rules_invalid_each(causes, &at, api_shown_text(spec->managed_by),
                           api_syntax_qualified_name(spec->managed_by));
    }
    if (strlen(spec->managed_by) > NAME_MAX_BYTES) {
        api_cause_too_long(causes, &at, NAME_MAX_BYTES);
    }
    return true;
}

/* --- Selector and template ---------------------------------------------------------------------
 */

static void check_own_selector(struct api_causes *causes, const struct api_path *at,
                               const Batch__V1__Job *job)
{
    const Batch__V1__JobSpec *spec = job->spec;
    const char *uid = api_string_map_get(
        API_STRING_MAP(spec->selector->match_labels, spec->selector->n_match_labels),
        RULES_JOB_UID);
    bool own = uid != NULL && rules_is(job->metadata->uid, uid) &&
               spec->selector->n_match_labels == 1 && spec->selector->n_match_expressions == 0;
    /* Jobs of old servers have the label without its prefix. */
    bool legacy = api_string_map_get(
                      API_STRING_MAP(spec->selector->match_labels, spec->selector->n_match_labels),
                      "controller-uid") != NULL;
    if (!own && !legacy) {
        rules_invalid(causes, at, "selector", api_shown_selector(causes->arena, spec->selector),
                      "`selector` not auto-generated");
    }
}

/* A CronJob's template has no selector yet. */
bool rules_job_selector(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__JobSpec *spec = frame->message;
    if (frame->parent->table != &batch__v1__job__schema) {
        static const char *const values[] = {"nil", "false", NULL};
        if (spec->selector != NULL) {
            rules_invalid(causes, frame->at, "selector",
                          api_shown_selector(causes->arena, spec->selector),
                          "`selector` will be auto-generated");
        }
        if (spec->manual_selector) {
            struct api_path at = api_path_field(frame->at, "manualSelector");
            api_cause_not_among(causes, &at, api_shown_bool(true), values);
        }
        return true;
    }
    if (spec->selector == NULL) {
        rules_required(causes, frame->at, "selector", "");
        return true;
    }
    if (!spec->manual_selector) {
        check_own_selector(causes, frame->at, frame->parent->message);
    }
    rules_template_matches(causes, frame->at, spec->selector, spec->template_);
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

static bool read_index(const char **at, int64_t *ret_index)
{
    enum { DIGITS_MAX = 9 };
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX) {
        return false;
    }
    *ret_index = strtoll(*at, NULL, /* base= */ 10);
    *at += digits;
    return true;
}

/* How many indexes "1,3-5" names; -1 when it is not such a text, or goes beyond `count`. */
static int64_t count_indexes(const char *text, int64_t count)
{
    int64_t total = 0, last = -1;
    for (const char *at = text; *at != '\0';) {
        int64_t first = 0, end = 0;
        if (!read_index(&at, &first)) {
            return -1;
        }
        end = first;
        if (*at == '-') {
            at++;
            if (!read_index(&at, &end)) {
                return -1;
            }
        }
        if (first <= last || end < first || end >= count || (*at != '\0' && *at != ',') ||
            (*at == ',' && at[1] == '\0')) {
            return -1;
        }
        at += *at == ',';
        total += end - first + 1;
        last = end;
    }
    return total;
}

/* That only indexed jobs may have one was said already. */
bool rules_success_policy(struct api_causes *causes, const struct api_frame *frame)
{
    const struct api_frame *job = api_frame_find(frame, &batch__v1__job_spec__schema);
    (void)causes;
    return job == NULL || is_indexed(job->message);
}

bool rules_success_rule(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__SuccessPolicyRule *rule = frame->message;
    const Batch__V1__JobSpec *spec = job_spec_around(frame);
    int64_t total = -1;
    if (rule->succeeded_indexes == NULL && !rule->has_succeeded_count) {
        api_cause_required(causes, frame->at,
                           "at least one of succeededCount or succeededIndexes must be specified");
        return true;
    }
    if (rule->succeeded_indexes != NULL) {
        struct api_path at = api_path_field(frame->at, "succeededIndexes");
        total = count_indexes(rule->succeeded_indexes, spec->completions);
        if (strlen(rule->succeeded_indexes) > INDEX_TEXT_MAX) {
            api_cause_too_long(causes, &at, INDEX_TEXT_MAX);
        }
        if (total < 0) {
            api_cause_invalid(causes, &at, api_shown_text(rule->succeeded_indexes),
                              "error parsing succeededIndexes: must be ascending indexes and "
                              "ranges below the number of completions");
        }
    }
    int64_t most = total >= 0 ? total : spec->completions;
    if (rule->has_succeeded_count && rule->succeeded_count > most) {
        rules_invalid(causes, frame->at, "succeededCount", api_shown_int(rule->succeeded_count),
                      arena_printf(causes->arena, "must be less than or equal to %lld %s",
                                   (long long)most,
                                   total >= 0 ? "(the number of indexes in the specified "
                                                "succeededIndexes field)"
                                              : "(the number of specified completions)"));
    }
    return true;
}

/* --- Changes of a Job --------------------------------------------------------------------------
 */

static const char IMMUTABLE[] = "field is immutable";

/* While it has never run, what only steers its pods to nodes may change. */
static bool same_template(const Batch__V1__Job *before, const Batch__V1__JobSpec *after)
{
    bool started = !api_time_is_zero(before->status->start_time);
    bool suspended = before->spec->suspend && after->suspend;
    Core__V1__PodTemplateSpec pod = *after->template_;
    Core__V1__PodSpec spec = *after->template_->spec;
    const Core__V1__PodTemplateSpec *old_pod = before->spec->template_;
    if (suspended && !started) {
        pod.metadata = old_pod->metadata;
        pod.spec = &spec;
        spec.node_selector = old_pod->spec->node_selector;
        spec.n_node_selector = old_pod->spec->n_node_selector;
        spec.tolerations = old_pod->spec->tolerations;
        spec.n_tolerations = old_pod->spec->n_tolerations;
        spec.scheduling_gates = old_pod->spec->scheduling_gates;
        spec.n_scheduling_gates = old_pod->spec->n_scheduling_gates;
        spec.affinity = old_pod->spec->affinity;
    }
    return api_message_equal(&core__v1__pod_template_spec__schema, old_pod, &pod);
}

static void check_completions(struct api_causes *causes, const struct api_path *at,
                              const Batch__V1__JobSpec *before, const Batch__V1__JobSpec *after)
{
    if (before->has_completions == after->has_completions &&
        before->completions == after->completions) {
        return;
    }
    if (!is_indexed(before)) {
        rules_invalid(causes, at, "completions", api_shown_int(after->completions), IMMUTABLE);
    } else if (after->completions != after->parallelism) {
        rules_invalid(causes, at, "completions", api_shown_int(after->completions),
                      "can only be modified in tandem with spec.parallelism");
    }
}

void rules_update_job(struct api_causes *causes, const void *before, const void *after)
{
    static const char *const fixed[] = {"selector",         "completionMode",
                                        "podFailurePolicy", "backoffLimitPerIndex",
                                        "managedBy",        "successPolicy"};
    const Batch__V1__Job *old_job = before, *job = after;
    struct api_path at = api_path_field(NULL, "spec");
    check_completions(causes, &at, old_job->spec, job->spec);
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        api_check_same(causes, &at, &batch__v1__job_spec__schema, fixed[i], old_job->spec,
                       job->spec);
    }
    if (!same_template(old_job, job->spec)) {
        rules_invalid(causes, &at, "template",
                      api_shown_message(causes->arena, &core__v1__pod_template_spec__schema,
                                        job->spec->template_),
                      IMMUTABLE);
    }
}

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

void rules_update_job_status(struct api_causes *causes, const void *before, const void *after)
{
    static const char *const last[] = {"Failed", "Complete", "FailureTarget", "SuccessCriteriaMet"};
    const Batch__V1__JobStatus *old_status = ((const Batch__V1__Job *)before)->status;
    const Batch__V1__JobStatus *status = ((const Batch__V1__Job *)after)->status;
    struct api_path at = api_path_field(NULL, "status");
    for (size_t i = 0; i < ARRAY_LEN(last); i++) {
        if (has_condition(old_status, last[i]) && !has_condition(status, last[i])) {
            rules_invalid(causes, &at, "conditions", api_shown_nothing(),
                          arena_printf(causes->arena,
                                       "cannot disable the terminal %s=True condition", last[i]));
        }
    }
    if (status->failed < old_status->failed) {
        rules_invalid(causes, &at, "failed", api_shown_int(status->failed),
                      "cannot decrease the failed counter");
    }
    if (status->succeeded < old_status->succeeded) {
        rules_invalid(causes, &at, "succeeded", api_shown_int(status->succeeded),
                      "cannot decrease the succeeded counter");
    }
    if (!api_time_is_zero(old_status->completion_time) &&
        api_time_seconds(old_status->completion_time) !=
            api_time_seconds(status->completion_time)) {
        rules_invalid(causes, &at, "completionTime",
                      api_shown_time(causes->arena, status->completion_time),
                      "completionTime cannot be mutated");
    }
}

/* --- CronJob -----------------------------------------------------------------------------------
 */

bool rules_cron_schedule(struct api_causes *causes, const struct api_frame *frame)
{
    CLEANUP(error_release) struct error error = {0};
    const Batch__V1__CronJobSpec *spec = frame->message;
    const char *schedule = text_or_empty(spec->schedule);
    struct cron cron;
    if (*schedule == '\0') {
        return true; /* Its option says so. */
    }
    if (cron_parse(schedule, &cron, &error) < 0) {
        rules_invalid(causes, frame->at, "schedule", api_shown_text(schedule),
                      error_message(&error));
    }
    if (strstr(schedule, "TZ") != NULL) {
        rules_invalid(causes, frame->at, "schedule", api_shown_text(schedule),
                      "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    }
    return true;
}

bool rules_cron_time_zone(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__CronJobSpec *spec = frame->message;
    const char *zone = spec->time_zone;
    struct api_path at = api_path_field(frame->at, "timeZone");
    if (zone == NULL) {
        return true;
    }
    if (*zone == '\0') {
        api_cause_invalid(causes, &at, api_shown_text(zone),
                          "timeZone must be nil or non-empty string");
        return true;
    }
    if (strcasecmp(zone, "Local") == 0) {
        api_cause_invalid(causes, &at, api_shown_text(zone),
                          "timeZone must be an explicit time zone as defined in "
                          "https://www.iana.org/time-zones");
    }
    if (strstr(zone, "..") != NULL || strchr("/\\", *zone) != NULL) {
        api_cause_invalid(causes, &at, api_shown_text(zone), "time: invalid location name");
    } else if (strcmp(zone, "Local") != 0 && !api_time_zone_exists(zone)) {
        api_cause_invalid(causes, &at, api_shown_text(zone),
                          arena_printf(causes->arena, "unknown time zone %s", zone));
    }
    return true;
}

/* The names of its jobs have eleven characters more. */
void rules_check_cron_job(struct api_causes *causes, const void *message)
{
    enum { NAME_MAX_BYTES = 52 };
    const Batch__V1__CronJob *job = message;
    struct api_path at = api_path_field(NULL, "metadata");
    if (strlen(text_or_empty(job->metadata->name)) > NAME_MAX_BYTES) {
        rules_invalid(causes, &at, "name", api_shown_text(job->metadata->name),
                      "must be no more than 52 characters");
    }
}
