/* What may be said of how a Job stands: who runs jobs in place of the controller is held to what
 * clients expect. Most of it counts only where something changes, so that what was wrong before
 * keeps nobody from the rest. */
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/api/time.h"
#include "lib/base/name_index.h"
#include <errno.h>
#include <stdlib.h>

/* --- Indexes -----------------------------------------------------------------------------------
 */

static const char *quoted(struct arena *arena, const char *text)
{
    CLEANUP(buffer_release) struct buffer out = {0};
    buffer_init(&out, SIZE_MAX / 2);
    api_print_quoted(text, &out);
    return arena_text(arena, buffer_text(&out));
}

/* Returns what is wrong, or NULL. */
static const char *read_index(struct arena *arena, const char *text, int64_t completions,
                              int64_t *ret_index)
{
    const char *digits = text + (*text == '+');
    errno = 0;
    *ret_index = strtoll(digits, NULL, /* base= */ 10);
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0' || errno != 0) {
        return arena_printf(arena, "cannot convert string to integer for index: %s",
                            quoted(arena, text));
    }
    return *ret_index < completions
               ? NULL
               : arena_printf(arena, "too large index: %s", quoted(arena, text));
}

static const char *not_increasing(struct arena *arena, int64_t previous, int64_t current)
{
    return arena_printf(arena, "non-increasing order, previous: %lld, current: %lld",
                        (long long)previous, (long long)current);
}

struct interval {
    int64_t first, last;
};

/* "3" or "3-5", which is no part of anything longer. Returns what is wrong, or NULL. */
static const char *read_interval(struct arena *arena, const char *text, int64_t completions,
                                 struct interval *ret)
{
    const char *dash = strchr(text, '-');
    if (dash != NULL && strchr(dash + 1, '-') != NULL) {
        return arena_printf(arena,
                            "the fragment %s violates the requirement that an index interval can "
                            "have at most two parts separated by '-'",
                            quoted(arena, text));
    }
    const char *head = dash == NULL ? text : arena_text_n(arena, text, (size_t)(dash - text));
    const char *wrong = read_index(arena, head, completions, &ret->first);
    ret->last = ret->first;
    if (wrong != NULL || dash == NULL) {
        return wrong;
    }
    wrong = read_index(arena, dash + 1, completions, &ret->last);
    return wrong != NULL             ? wrong
           : ret->first >= ret->last ? not_increasing(arena, ret->first, ret->last)
                                     : NULL;
}

/* The next of the intervals with commas between them, or NULL after the last. */
static const char *next_interval(struct arena *arena, const char **rest)
{
    if (*rest == NULL) {
        return NULL;
    }
    size_t len = strcspn(*rest, ",");
    const char *text = arena_text_n(arena, *rest, len);
    *rest = (*rest)[len] == '\0' ? NULL : *rest + len + 1;
    return text;
}

const char *rules_job_indexes(struct arena *arena, const char *text, int64_t completions,
                              int64_t *ret_total)
{
    const char *rest = *text == '\0' ? NULL : text, *part = NULL;
    int64_t last = -1, total = 0;
    *ret_total = 0;
    while ((part = next_interval(arena, &rest)) != NULL) {
        struct interval interval;
        const char *wrong = read_interval(arena, part, completions, &interval);
        if (wrong == NULL && last >= interval.first) {
            wrong = not_increasing(arena, last, interval.first);
        }
        if (wrong != NULL) {
            return wrong;
        }
        total += interval.last - interval.first + 1;
        last = interval.last;
    }
    *ret_total = total;
    return NULL;
}

/* The first interval from here on that can be read. */
static bool next_readable(struct arena *arena, const char **rest, int64_t completions,
                          struct interval *ret)
{
    const char *part = NULL;
    while ((part = next_interval(arena, rest)) != NULL) {
        if (read_interval(arena, part, completions, ret) == NULL) {
            return true;
        }
    }
    return false;
}

/* Both lists ascend. Returns the first index that is in both, or -1. */
static int64_t first_in_both(struct arena *arena, const char *completed, const char *failed,
                             int64_t completions)
{
    struct interval done, lost;
    bool more_done = next_readable(arena, &completed, completions, &done);
    bool more_lost = next_readable(arena, &failed, completions, &lost);
    while (more_done && more_lost) {
        if (done.first <= lost.last && lost.first <= done.last) {
            return done.first > lost.first ? done.first : lost.first;
        }
        if (done.first <= lost.first) {
            more_done = next_readable(arena, &completed, completions, &done);
        } else {
            more_lost = next_readable(arena, &failed, completions, &lost);
        }
    }
    return -1;
}

/* --- A change of the status --------------------------------------------------------------------
 */

struct change {
    struct api_causes *causes;
    const struct api_path *at;
    const Batch__V1__JobSpec *spec;
    const Batch__V1__JobStatus *before, *after;
};

static bool holds(const Batch__V1__JobStatus *status, const char *type)
{
    for (size_t i = 0; i < status->n_conditions; i++) {
        if (rules_is(status->conditions[i]->type, type) &&
            rules_is(status->conditions[i]->status, "True")) {
            return true;
        }
    }
    return false;
}

static bool is_finished(const Batch__V1__JobStatus *status)
{
    return holds(status, "Complete") || holds(status, "Failed");
}

static bool turned(const struct change *change, const char *type)
{
    return holds(change->before, type) != holds(change->after, type);
}

static bool time_changed(const Meta__V1__Time *before, const Meta__V1__Time *after)
{
    return api_time_is_zero(before) != api_time_is_zero(after) ||
           api_time_seconds(before) != api_time_seconds(after);
}

static bool finish_changed(const struct change *change)
{
    return is_finished(change->before) != is_finished(change->after);
}

static void refuse_conditions(const struct change *change, const char *words)
{
    rules_invalid(change->causes, change->at, "conditions", api_shown_nothing(), words);
}

static bool is_indexed(const Batch__V1__JobSpec *spec)
{
    return rules_is(spec->completion_mode, "Indexed");
}

static bool same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && rules_is(a, text_or_empty(b));
}

static bool failed_indexes_changed(const struct change *change)
{
    return !same_text(change->before->failed_indexes, change->after->failed_indexes);
}

static bool completed_indexes_changed(const struct change *change)
{
    return !rules_is(change->before->completed_indexes,
                     text_or_empty(change->after->completed_indexes));
}

/* Pods that are counted as ended and not yet in the numbers: each once in both lists. */
static void check_uncounted(const struct change *change)
{
    const Batch__V1__UncountedTerminatedPods *pods = change->after->uncounted_terminated_pods;
    struct api_path at = api_path_field(change->at, "uncountedTerminatedPods");
    if (pods == NULL) {
        return;
    }
    struct text_set uids = {.arena = change->causes->arena};
    for (size_t i = 0; i < pods->n_succeeded + pods->n_failed; i++) {
        bool succeeded = i < pods->n_succeeded;
        size_t index = succeeded ? i : i - pods->n_succeeded;
        const char *uid = text_or_empty(succeeded ? pods->succeeded[index] : pods->failed[index]);
        struct api_path list = api_path_field(&at, succeeded ? "succeeded" : "failed");
        struct api_path item = api_path_index(&list, index);
        bool seen = !text_set_add(&uids, uid);
        if (*uid == '\0') {
            api_cause_invalid(change->causes, &item, api_shown_text(uid), "must not be empty");
        } else if (seen) {
            api_cause_duplicate(change->causes, &item, api_shown_text(uid));
        }
    }
}

/* Complete, and when; not failed as well. */
static void check_completion(const struct change *change)
{
    const Batch__V1__JobStatus *status = change->after;
    bool complete = holds(status, "Complete"), ended = !api_time_is_zero(status->completion_time);
    bool end_changed = time_changed(change->before->completion_time, status->completion_time);
    bool start_changed = time_changed(change->before->start_time, status->start_time);
    struct api_shown end = api_shown_time(change->causes->arena, status->completion_time);
    if ((turned(change, "Complete") || turned(change, "Failed")) && complete &&
        holds(status, "Failed")) {
        refuse_conditions(change, "cannot set Complete=True and Failed=true conditions");
    }
    if ((turned(change, "Complete") || turned(change, "FailureTarget")) && complete &&
        holds(status, "FailureTarget")) {
        refuse_conditions(change, "cannot set Complete=True and FailureTarget=true conditions");
    }
    if ((turned(change, "Complete") || end_changed) && ended && !complete) {
        rules_invalid(change->causes, change->at, "completionTime", end,
                      "cannot set completionTime when there is no Complete=True condition");
    }
    if ((turned(change, "Complete") || end_changed) && !ended && complete) {
        rules_required(change->causes, change->at, "completionTime",
                       "completionTime is required for Complete jobs");
    }
    if ((start_changed || end_changed) && ended && !api_time_is_zero(status->start_time) &&
        api_time_seconds(status->completion_time) < api_time_seconds(status->start_time)) {
        rules_invalid(change->causes, change->at, "completionTime", end,
                      "completionTime cannot be set before startTime");
    }
}

/* Before a job has failed or is complete its controller says that it will be. */
static void check_announced(const struct change *change)
{
    const Batch__V1__JobStatus *status = change->after;
    if ((turned(change, "Failed") || failed_indexes_changed(change)) && holds(status, "Failed") &&
        !holds(status, "FailureTarget")) {
        refuse_conditions(
            change, "cannot set Failed=True condition without the FailureTarget=true condition");
    }
    if ((turned(change, "Complete") || turned(change, "SuccessCriteriaMet")) &&
        holds(status, "Complete") && !holds(status, "SuccessCriteriaMet")) {
        refuse_conditions(change, "cannot set Complete=True condition without the "
                                  "SuccessCriteriaMet=true condition");
    }
}

/* Of a finished job nothing runs, and all is counted. */
static void check_finished(const struct change *change)
{
    const Batch__V1__JobStatus *before = change->before, *status = change->after;
    const struct api_message *table = &batch__v1__uncounted_terminated_pods__schema;
    const Batch__V1__UncountedTerminatedPods *pods = status->uncounted_terminated_pods;
    if (!is_finished(status)) {
        return;
    }
    if (status->active > 0 && (finish_changed(change) || before->active != status->active)) {
        rules_invalid(change->causes, change->at, "active", api_shown_int(status->active),
                      "active>0 is invalid for finished job");
    }
    if (api_time_is_zero(status->start_time) &&
        (finish_changed(change) || time_changed(before->start_time, status->start_time))) {
        rules_required(change->causes, change->at, "startTime",
                       "startTime is required for finished job");
    }
    if (pods != NULL && pods->n_failed + pods->n_succeeded > 0 &&
        (finish_changed(change) || before->uncounted_terminated_pods == NULL ||
         !api_message_equal(table, before->uncounted_terminated_pods, pods))) {
        rules_invalid(change->causes, change->at, "uncountedTerminatedPods",
                      api_shown_message(change->causes->arena, table, pods),
                      "uncountedTerminatedPods needs to be empty for finished job");
    }
}

static void refuse_indexes(const struct change *change, const char *name, const char *text,
                           const char *words)
{
    rules_invalid(change->causes, change->at, name, api_shown_text(text), words);
}

static void check_index_texts(const struct change *change)
{
    const Batch__V1__JobStatus *status = change->after;
    const Batch__V1__JobSpec *spec = change->spec;
    struct arena *arena = change->causes->arena;
    const char *completed = text_or_empty(status->completed_indexes);
    const char *failed = status->failed_indexes, *wrong = NULL;
    int64_t total = 0;
    if (completed_indexes_changed(change) && spec->has_completions) {
        wrong = rules_job_indexes(arena, completed, spec->completions, &total);
    }
    if (wrong != NULL) {
        refuse_indexes(change, "completedIndexes", completed,
                       arena_printf(arena, "error parsing completedIndexes: %s", wrong));
    }
    wrong = NULL;
    if (failed_indexes_changed(change) && spec->has_completions &&
        spec->has_backoff_limit_per_index && failed != NULL) {
        wrong = rules_job_indexes(arena, failed, spec->completions, &total);
    }
    if (wrong != NULL) {
        refuse_indexes(change, "failedIndexes", failed,
                       arena_printf(arena, "error parsing failedIndexes: %s", wrong));
    }
}

static void check_indexes(const struct change *change)
{
    const Batch__V1__JobStatus *status = change->after;
    const Batch__V1__JobSpec *spec = change->spec;
    const char *completed = text_or_empty(status->completed_indexes);
    const char *failed = status->failed_indexes;
    bool any = failed_indexes_changed(change) || completed_indexes_changed(change);
    check_index_texts(change);
    if (completed_indexes_changed(change) && *completed != '\0' && !is_indexed(spec)) {
        refuse_indexes(change, "completedIndexes", completed,
                       "cannot set non-empty completedIndexes when non-indexed completion mode");
    }
    if (failed_indexes_changed(change) && !spec->has_backoff_limit_per_index && failed != NULL) {
        refuse_indexes(change, "failedIndexes", failed,
                       "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
    }
    if (any && spec->has_completions && failed != NULL && *failed != '\0' && *completed != '\0') {
        struct arena *arena = change->causes->arena;
        int64_t both = first_in_both(arena, completed, failed, spec->completions);
        if (both >= 0) {
            refuse_indexes(change, "failedIndexes", failed,
                           arena_printf(arena,
                                        "failedIndexes and completedIndexes overlap at index: %lld",
                                        (long long)both));
        }
    }
}

static void check_counts(const struct change *change)
{
    const Batch__V1__JobStatus *before = change->before, *status = change->after;
    bool terminating_changed = before->has_terminating != status->has_terminating ||
                               before->terminating != status->terminating;
    bool ready_changed = before->has_ready != status->has_ready || before->ready != status->ready;
    if ((finish_changed(change) || terminating_changed) && status->has_terminating &&
        status->terminating > 0 && is_finished(status)) {
        rules_invalid(change->causes, change->at, "terminating", api_shown_int(status->terminating),
                      "terminating>0 is invalid for finished job");
    }
    if ((ready_changed || before->active != status->active) && status->has_ready &&
        status->ready > status->active) {
        rules_invalid(change->causes, change->at, "ready", api_shown_int(status->ready),
                      "cannot set more ready pods than active");
    }
}

static void check_criteria(const struct change *change)
{
    const Batch__V1__JobStatus *status = change->after;
    bool met = holds(status, "SuccessCriteriaMet");
    if (met && holds(status, "Failed")) {
        refuse_conditions(change, "cannot set SuccessCriteriaMet=True and Failed=true conditions");
    }
    if (met && holds(status, "FailureTarget")) {
        refuse_conditions(change,
                          "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
    }
    if (change->spec->success_policy != NULL && !met && holds(status, "Complete")) {
        refuse_conditions(change, "cannot set Complete=True for Job with SuccessPolicy unless "
                                  "SuccessCriteriaMet=True");
    }
}

/* --- What may not go back ----------------------------------------------------------------------
 */

static void check_numbers_grow(const struct change *change)
{
    const Batch__V1__JobStatus *before = change->before, *status = change->after;
    const Batch__V1__JobSpec *spec = change->spec;
    bool elastic = is_indexed(spec) && spec->has_completions == spec->has_parallelism &&
                   spec->completions == spec->parallelism; /* It may have been made smaller. */
    if (status->failed < before->failed) {
        rules_invalid(change->causes, change->at, "failed", api_shown_int(status->failed),
                      "cannot decrease the failed counter");
    }
    if (status->succeeded < before->succeeded && !elastic) {
        rules_invalid(change->causes, change->at, "succeeded", api_shown_int(status->succeeded),
                      "cannot decrease the succeeded counter");
    }
}

static void check_times_stay(const struct change *change)
{
    const Batch__V1__JobStatus *before = change->before, *status = change->after;
    if (!api_time_is_zero(status->completion_time) && !api_time_is_zero(before->completion_time) &&
        time_changed(before->completion_time, status->completion_time)) {
        rules_invalid(change->causes, change->at, "completionTime",
                      api_shown_time(change->causes->arena, status->completion_time),
                      "completionTime cannot be mutated");
    }
    if (!api_time_is_zero(before->start_time) &&
        time_changed(before->start_time, status->start_time) && !change->spec->suspend) {
        rules_required(change->causes, change->at, "startTime",
                       "startTime cannot be removed for unsuspended job");
    }
}

void rules_update_job_status(struct api_causes *causes, const void *before, const void *after)
{
    static const char *const last[] = {"Failed", "Complete", "FailureTarget"};
    const Batch__V1__Job *old_job = before, *job = after;
    struct api_path at = api_path_field(NULL, "status");
    struct change change = {.causes = causes,
                            .at = &at,
                            .spec = job->spec,
                            .before = old_job->status,
                            .after = job->status};
    check_uncounted(&change);
    check_completion(&change);
    check_announced(&change);
    check_finished(&change);
    check_indexes(&change);
    check_counts(&change);
    check_criteria(&change);
    for (size_t i = 0; i < ARRAY_LEN(last); i++) {
        if (holds(change.before, last[i]) && !holds(change.after, last[i])) {
            refuse_conditions(&change, arena_printf(causes->arena,
                                                    "cannot disable the terminal %s=True condition",
                                                    last[i]));
        }
    }
    check_numbers_grow(&change);
    check_times_stay(&change);
    bool met_before = holds(change.before, "SuccessCriteriaMet");
    bool met = holds(change.after, "SuccessCriteriaMet");
    if (met_before && !met) {
        refuse_conditions(&change, "cannot disable the SuccessCriteriaMet=True condition");
    }
    if (holds(change.before, "Complete") && !met_before && met) {
        refuse_conditions(
            &change,
            "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions");
    }
}
