#include "apiserver/token_webhook.h"

#include "apiserver/limits.h"
#include "apiserver/token_review.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct token_webhook {
    const struct token_webhook_options *options;
    struct review_hook *hook;
    struct metrics *metrics;
    struct metric *hits, *misses;
    struct metric_histogram *seconds;
};

/* --- What comes back --- */

/* What failed is asked again. */
static uint64_t keep_ms(const void *data, struct slice json)
{
    const struct token_webhook *webhook = data;
    struct token_review_answer answer;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    return token_review_read(arena, webhook->options->version, json, &answer, NULL) == 0 &&
                   answer.error[0] == 0
               ? webhook->options->ttl_ms
               : 0;
}

static void noted(const void *data, const struct review_outcome *outcome)
{
    const struct token_webhook *webhook = data;
    char label[32];
    if (outcome->status == 0) {
        (void)snprintf(label, sizeof(label), "code=\"<error>\"");
    } else {
        (void)snprintf(label, sizeof(label), "code=\"%u\"", outcome->status);
    }
    metric_add(metrics_counter(webhook->metrics, "apiserver_delegated_authn_request_total",
                               "TokenReviews sent to the webhook, by the status of the answer.",
                               label),
               1);
    metric_observe(webhook->seconds, (double)outcome->took_ms / 1000);
}

static bool is_among(const struct text_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static struct text_list common(struct arena *arena, const struct text_list *wanted,
                               const struct text_list *given)
{
    const char **items = arena_array(arena, wanted->count + 1, sizeof(char *));
    size_t count = 0;
    for (size_t i = 0; i < wanted->count; i++) {
        if (is_among(given, wanted->items[i])) {
            items[count++] = wanted->items[i];
        }
    }
    return (struct text_list){.items = items, .count = count};
}

static int judge(struct token_ask *ask)
{
    struct token_review_answer answer;
    CLEANUP(error_release) struct error error = {0};
    if (ask->question.error < 0) {
        return -EACCES; /* Has been logged, if it was asked. */
    }
    if (token_review_read(ask->arena, ask->webhook->options->version, ask->question.answer, &answer,
                          &error) < 0) {
        LOG_WARN("apiserver", "the token webhook's answer cannot be used",
                 KV_TEXT("reason", error_message(&error)));
        return -EACCES;
    }
    ask->for_whom = common(ask->arena, &ask->audiences,
                           answer.audiences.count > 0 ? &answer.audiences : &ask->own);
    if (!answer.authenticated || ask->for_whom.count == 0) {
        LOG_DEBUG("apiserver", "the token webhook refuses a token",
                  KV_TEXT("reason", answer.error));
        return -EACCES;
    }
    struct user *user = arena_alloc(ask->arena, sizeof(*user));
    *user = *user_new(ask->arena, answer.user.name, answer.user.uid, answer.user.groups,
                      answer.user.group_count);
    user->extras = answer.user.extras;
    user->extra_count = answer.user.extra_count;
    ask->user = user;
    return 0;
}

static void on_answered(struct review_question *question)
{
    struct token_ask *ask = question->data;
    ask->status = judge(ask);
    ask->answered(ask);
}

bool token_webhook_ask(struct token_webhook *webhook, struct token_ask *ask)
{
    CLEANUP(buffer_release) struct buffer body;
    buffer_init(&body, REQUEST_BODY_MAX);
    token_review_print(webhook->options->version, ask->token, &ask->audiences, &body);
    ask->webhook = webhook;
    ask->question = (struct review_question){.body = arena_slice(ask->arena, buffer_slice(&body)),
                                             .arena = ask->arena,
                                             .home = ask->home,
                                             .answered = on_answered,
                                             .data = ask};
    bool answered = review_hook_ask(webhook->hook, &ask->question);
    metric_add(answered && ask->question.error == 0 ? webhook->hits : webhook->misses, 1);
    if (answered) {
        ask->status = judge(ask);
    }
    return answered;
}

/* --- Life --- */

static void make_metrics(struct token_webhook *webhook, struct metrics *metrics)
{
    static const char name[] = "authentication_token_cache_request_total";
    static const char help[] = "Tokens that were looked up among the webhook's last answers.";
    webhook->metrics = metrics;
    webhook->hits = metrics_counter(metrics, name, help, "status=\"hit\"");
    webhook->misses = metrics_counter(metrics, name, help, "status=\"miss\"");
    webhook->seconds =
        metrics_histogram(metrics, "apiserver_delegated_authn_request_duration_seconds",
                          "Time that the token webhook took to answer.", NULL,
                          metrics_seconds_bounds, metrics_seconds_bound_count);
}

int token_webhook_new(const struct token_webhook_options *options, struct review_client *client,
                      struct metrics *metrics, struct token_webhook **ret_webhook,
                      struct error *reterr)
{
    if (options->kubeconfig_path == NULL) {
        *ret_webhook = NULL;
        return 0;
    }
    struct token_webhook *webhook = alloc_zeroed(sizeof(*webhook));
    struct review_hook_options hook = {.client = client,
                                       .arena = arena_new(SIZE_MAX),
                                       .timeout_ms = TOKEN_REVIEW_MS,
                                       .keep_ms = keep_ms,
                                       .noted = noted,
                                       .data = webhook};
    int status = kubeconfig_load(hook.arena, options->kubeconfig_path, &hook.kubeconfig, reterr);
    if (status < 0) {
        arena_free(hook.arena);
        free(webhook);
        return error_wrap(reterr, "--authentication-token-webhook-config-file");
    }
    webhook->options = options;
    make_metrics(webhook, metrics);
    webhook->hook = review_hook_new(&hook);
    *ret_webhook = webhook;
    return 0;
}

void token_webhook_free(struct token_webhook *webhook)
{
    if (webhook != NULL) {
        review_hook_unref(webhook->hook);
        free(webhook);
    }
}
