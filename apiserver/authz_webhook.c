#include "apiserver/authz_webhook.h"

#include "apiserver/access_review.h"
#include "apiserver/cel_tree.h"
#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/metrics.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { RESULT_SUCCESS, RESULT_ERROR, RESULT_TIMEOUT, RESULTS };

/* What the hook needs on its loop, also once the webhook itself is gone. */
struct hook_data {
    char version[16];
    uint64_t authorized_ttl_ms, unauthorized_ttl_ms;
    struct metric *evaluations[RESULTS];
    struct metric_histogram *seconds[RESULTS];
};

struct authz_webhook {
    const struct authz_webhook_options *options;
    struct review_hook *hook;
    struct metric *fail_open[RESULTS];
    struct metric *condition_errors, *condition_exclusions;
};

/* --- The hook's --- */

static uint64_t keep_ms(const void *data, struct slice json)
{
    const struct hook_data *own = data;
    struct access_review_answer answer = {.reason = NULL};
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    if (access_review_read(arena, own->version, json, &answer, NULL) < 0) {
        return 0;
    }
    return answer.allowed ? own->authorized_ttl_ms : own->unauthorized_ttl_ms;
}

static int result_of(int error)
{
    return error == 0 ? RESULT_SUCCESS : error == -ETIMEDOUT ? RESULT_TIMEOUT : RESULT_ERROR;
}

static void noted(const void *data, const struct review_outcome *outcome)
{
    const struct hook_data *own = data;
    int result = result_of(outcome->error);
    metric_add(own->evaluations[result], 1);
    metric_observe(own->seconds[result], (double)outcome->took_ms / 1000);
}

/* --- Conditions --- */

enum match { MATCHES, EXCLUDED, UNCLEAR };

/* One that is false decides; else one that cannot be told makes all unclear. */
static enum match match(const struct authz_webhook *webhook, struct access_ask *ask)
{
    const struct authz_webhook_options *options = webhook->options;
    CLEANUP(buffer_release) struct buffer json;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct json_value *spec = NULL;
    enum match result = MATCHES;
    buffer_init(&json, REQUEST_BODY_MAX);
    if (options->condition_count == 0) {
        return MATCHES;
    }
    access_review_print_spec(ask->user, ask->access, &json);
    if (json_parse(arena, buffer_slice(&json), &spec, NULL) < 0) {
        ask->error = "the request cannot be shown to match conditions";
        return UNCLEAR;
    }
    const struct cel_value request = cel_tree_value(spec);
    for (size_t i = 0; i < options->condition_count; i++) {
        const struct match_condition *condition = &options->conditions[i];
        struct cel_result found =
            cel_evaluate(condition->program, arena, &request, EXPRESSION_COST_MAX);
        if (cel_is_error(&found.value)) {
            result = UNCLEAR;
            ask->error = arena_printf(ask->arena,
                                      "cel evaluation error: expression '%s' resulted in error: %s",
                                      condition->text, found.value.error);
        } else if (!cel_is_true(&found.value)) {
            return EXCLUDED;
        }
    }
    return result;
}

/* --- Questions --- */

static enum access_opinion failed(const struct authz_webhook *webhook)
{
    return webhook->options->denies_on_failure ? ACCESS_DENIED : ACCESS_NO_OPINION;
}

static void judge(struct access_ask *ask)
{
    struct authz_webhook *webhook = ask->webhook;
    struct access_review_answer answer = {.reason = NULL};
    CLEANUP(error_release) struct error error = {0};
    int status = ask->question.error;
    if (status == 0) {
        status = access_review_read(ask->arena, webhook->options->version, ask->question.answer,
                                    &answer, &error);
    } else {
        (void)error_set(&error, status, "%s", ask->question.message);
    }
    if (status < 0) {
        ask->error = arena_printf(ask->arena, "webhook authorizer: %s", error_message(&error));
        ask->opinion = failed(webhook);
        if (ask->opinion == ACCESS_NO_OPINION) {
            metric_add(webhook->fail_open[result_of(status)], 1);
        }
        return;
    }
    ask->reason = answer.reason;
    ask->opinion = answer.denied    ? ACCESS_DENIED
                   : answer.allowed ? ACCESS_ALLOWED
                                    : ACCESS_NO_OPINION;
}

static void on_answered(struct review_question *question)
{
    struct access_ask *ask = question->data;
    judge(ask);
    ask->answered(ask);
}

bool authz_webhook_ask(struct authz_webhook *webhook, struct access_ask *ask)
{
    CLEANUP(buffer_release) struct buffer body;
    buffer_init(&body, REQUEST_BODY_MAX);
    ask->webhook = webhook;
    ask->opinion = ACCESS_NO_OPINION;
    ask->reason = ask->error = "";
    switch (match(webhook, ask)) {
    case EXCLUDED:
        metric_add(webhook->condition_exclusions, 1);
        ask->error = "";
        return true;
    case UNCLEAR:
        metric_add(webhook->condition_errors, 1);
        ask->opinion = failed(webhook);
        return true;
    case MATCHES:
        break;
    }
    access_review_print(webhook->options->version, ask->user, ask->access, &body);
    ask->question = (struct review_question){.body = arena_slice(ask->arena, buffer_slice(&body)),
                                             .arena = ask->arena,
                                             .home = ask->home,
                                             .answered = on_answered,
                                             .data = ask};
    if (!review_hook_ask(webhook->hook, &ask->question)) {
        return false;
    }
    judge(ask);
    return true;
}

/* --- Life --- */

static void make_metrics(struct authz_webhook *webhook, struct hook_data *data, const char *name,
                         struct metrics *metrics)
{
    static const char *const results[] = {"success", "error", "timeout"};
    char labels[320];
    for (size_t i = 0; i < RESULTS; i++) {
        (void)snprintf(labels, sizeof(labels), "name=\"%s\",result=\"%s\"", name, results[i]);
        data->evaluations[i] =
            metrics_counter(metrics, "apiserver_authorization_webhook_evaluations_total",
                            "Questions that were sent to webhooks.", labels);
        data->seconds[i] =
            metrics_histogram(metrics, "apiserver_authorization_webhook_duration_seconds",
                              "Time that webhooks took to answer.", labels, metrics_seconds_bounds,
                              metrics_seconds_bound_count);
        webhook->fail_open[i] =
            metrics_counter(metrics, "apiserver_authorization_webhook_evaluations_fail_open_total",
                            "Questions that failed, and counted as no opinion.", labels);
    }
    (void)snprintf(labels, sizeof(labels), "name=\"%s\",type=\"Webhook\"", name);
    webhook->condition_errors =
        metrics_counter(metrics, "apiserver_authorization_match_condition_evaluation_errors_total",
                        "Times that a match condition could not be evaluated.", labels);
    webhook->condition_exclusions =
        metrics_counter(metrics, "apiserver_authorization_match_condition_exclusions_total",
                        "Requests that match conditions kept from a webhook.", labels);
}

struct authz_webhook *authz_webhook_new(const struct authorizer_options *options,
                                        const struct kubeconfig *kubeconfig,
                                        struct arena *arena_consume, struct review_client *client,
                                        struct metrics *metrics)
{
    struct authz_webhook *webhook = alloc_zeroed(sizeof(*webhook));
    struct hook_data *data = alloc_zeroed(sizeof(*data));
    const struct review_hook_options hook = {.client = client,
                                             .kubeconfig = *kubeconfig,
                                             .arena = arena_consume,
                                             .timeout_ms = options->webhook.timeout_ms,
                                             .keep_ms = keep_ms,
                                             .noted = noted,
                                             .data = data,
                                             .release = free};
    webhook->options = &options->webhook;
    (void)snprintf(data->version, sizeof(data->version), "%s", options->webhook.version);
    data->authorized_ttl_ms = options->webhook.authorized_ttl_ms;
    data->unauthorized_ttl_ms = options->webhook.unauthorized_ttl_ms;
    make_metrics(webhook, data, options->name, metrics);
    webhook->hook = review_hook_new(&hook);
    return webhook;
}

void authz_webhook_free(struct authz_webhook *webhook)
{
    if (webhook != NULL) {
        review_hook_unref(webhook->hook);
        free(webhook);
    }
}
