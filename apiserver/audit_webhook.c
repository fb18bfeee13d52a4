#include "apiserver/audit_webhook.h"

#include "apiserver/audit_delivery.h"
#include "apiserver/audit_event.h"
#include "apiserver/kubeconfig.h"
#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/memory_budget.h"
#include "lib/base/metrics.h"
#include "lib/net/http_client.h"
#include "lib/net/loop.h"
#include "lib/net/rate_limit.h"
#include "lib/net/x509.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const char BODY_HEAD[] =
    "{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"metadata\":{},\"items\":[";
static const char BODY_TAIL[] = "]}\n";

/* An event that waits. */
struct entry {
    struct list node;
    struct audit_delivery *delivery; /* NULL: nobody waits for it. */
    size_t len;
    char json[]; /* As an item of the list. */
};

/* A batch under way: on the wire, or waiting for its next try. */
struct batch {
    struct audit_webhook *webhook;
    struct list node;
    struct buffer body;
    size_t count;                    /* Events in it. */
    struct audit_delivery *delivery; /* Of the only one. */
    unsigned tries;
    unsigned status; /* Of the answer. */
    struct http_call *call;
    struct loop_timer timer; /* The end of a try, or the beginning of the next. */
};

struct audit_webhook {
    struct audit_webhook_options options;
    struct arena *arena; /* The kubeconfig's texts. */
    struct kubeconfig kubeconfig;
    struct memory_budget *budget;
    /* The loop's: */
    struct http_client *http;
    struct list batches;
    size_t batch_count;
    struct rate_limit limit;
    struct loop_timer due; /* When a batch begins that is not full; the end of all once closed. */
    uint64_t since_ms;     /* When the oldest entry was seen; 0: not yet. */
    bool failing;
    bool finishing;
    void (*closed)(void *data);
    void *closed_data;
    /* Shared: */
    pthread_mutex_t lock;
    struct list entries;
    size_t entry_count;
    size_t held; /* Bytes of entries and batches. */
    bool woken;  /* The loop is going to look. */
    bool closing;
};

static void advance(struct audit_webhook *webhook);

/* --- What is held --- */

/* Under the lock. */
static void hold(struct audit_webhook *webhook, int64_t bytes)
{
    webhook->held = (size_t)((int64_t)webhook->held + bytes);
    memory_add(webhook->budget, bytes);
}

static size_t entry_bytes(const struct entry *entry)
{
    return sizeof(*entry) + entry->len;
}

/* Under the lock. */
static void entry_free(struct audit_webhook *webhook, struct entry *entry)
{
    hold(webhook, -(int64_t)entry_bytes(entry));
    webhook->entry_count--;
    list_remove(&entry->node);
    free(entry);
}

static void end_delivery(const struct audit_webhook *webhook, struct audit_delivery *delivery,
                         int status)
{
    audit_delivery_end(delivery, webhook->options.strict ? status : 0);
}

/* --- Batches --- */

static void batch_end(struct batch *batch, int status)
{
    struct audit_webhook *webhook = batch->webhook;
    loop_timer_stop(webhook->options.loop, &batch->timer);
    end_delivery(webhook, batch->delivery, status);
    if (status < 0) {
        metric_add(webhook->options.errors, (int64_t)batch->count);
    }
    pthread_mutex_lock(&webhook->lock);
    hold(webhook, -(int64_t)batch->body.len);
    pthread_mutex_unlock(&webhook->lock);
    list_remove(&batch->node);
    webhook->batch_count--;
    buffer_release(&batch->body);
    free(batch);
}

static void report(struct audit_webhook *webhook, int status, const char *why)
{
    if (status < 0 && !webhook->failing) {
        LOG_WARN("audit", "the audit webhook does not take events",
                 KV_TEXT("url", webhook->kubeconfig.url), KV_TEXT("reason", why));
    } else if (status == 0 && webhook->failing) {
        LOG_INFO("audit", "the audit webhook takes events again",
                 KV_TEXT("url", webhook->kubeconfig.url));
    }
    webhook->failing = status < 0;
}

/* The waits grow by half each, and up to a fifth is added so that members do not come together. */
static uint64_t backoff_ms(const struct batch *batch)
{
    uint64_t wait_ms = batch->webhook->options.backoff_ms;
    for (unsigned i = 1; i < batch->tries; i++) {
        wait_ms += wait_ms / 2;
    }
    uint16_t random = 0;
    x509_random((uint8_t *)&random, sizeof(random));
    return wait_ms + wait_ms * random / UINT16_MAX / 5;
}

static void try_again(void *data);

static void try_ended(struct batch *batch, int status, const char *why)
{
    struct audit_webhook *webhook = batch->webhook;
    loop_timer_stop(webhook->options.loop, &batch->timer);
    report(webhook, status, why);
    if (status < 0 && batch->tries < AUDIT_WEBHOOK_TRIES && webhook->closed == NULL) {
        batch->timer = (struct loop_timer){.fire = try_again, .data = batch};
        loop_timer_start(webhook->options.loop, &batch->timer, backoff_ms(batch));
        return;
    }
    batch_end(batch, status);
    advance(webhook);
}

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    struct batch *batch = data;
    (void)headers;
    (void)header_count;
    batch->status = status;
}

static void on_end(void *data, int status, const char *message)
{
    struct batch *batch = data;
    char words[64];
    batch->call = NULL;
    if (status == 0 && (batch->status < 200 || batch->status > 299)) {
        (void)snprintf(words, sizeof(words), "it answered %u", batch->status);
        status = -EREMOTEIO;
        message = words;
    }
    try_ended(batch, status, message);
}

static void on_timeout(void *data)
{
    struct batch *batch = data;
    http_call_cancel(TAKE(batch->call));
    try_ended(batch, -ETIMEDOUT, "it does not answer");
}

static void try_again(void *data)
{
    static const struct http_call_events events = {.on_response = on_response, .on_end = on_end};
    struct batch *batch = data;
    struct audit_webhook *webhook = batch->webhook;
    const struct kubeconfig *kubeconfig = &webhook->kubeconfig;
    const struct http_header headers[] = {
        http_header("accept", "application/json, */*"),
        http_header("content-type", "application/json"),
        http_header("user-agent", "kube-apiserver"),
        http_header("authorization", text_or_empty(kubeconfig->authorization)),
    };
    const struct http_call_options options = {
        .method = "POST",
        .url = kubeconfig->url,
        .tls = kubeconfig->tls,
        .server_name = kubeconfig->server_name,
        .headers = headers,
        .header_count = ARRAY_LEN(headers) - (kubeconfig->authorization == NULL),
        .body = buffer_slice(&batch->body),
        .repeatable = true,
    };
    batch->tries++;
    batch->status = 0;
    batch->call = http_client_request(webhook->http, &options, &events, batch);
    batch->timer = (struct loop_timer){.fire = on_timeout, .data = batch};
    loop_timer_start(webhook->options.loop, &batch->timer, AUDIT_WEBHOOK_TIMEOUT_MS);
}

/* Under the lock: as many entries as may be sent at once, and at least one. */
static struct batch *take_batch(struct audit_webhook *webhook)
{
    size_t bytes_max = webhook->options.batch_bytes_max;
    struct batch *batch = alloc_zeroed(sizeof(*batch));
    batch->webhook = webhook;
    list_init(&batch->node);
    buffer_init(&batch->body, SIZE_MAX); /* What may wait is bounded. */
    buffer_append_text(&batch->body, BODY_HEAD);
    while (batch->count < webhook->options.batch.max_size && !list_empty(&webhook->entries)) {
        struct entry *entry = LIST_ENTRY(list_first(&webhook->entries), struct entry, node);
        if (batch->count > 0 && bytes_max > 0 && batch->body.len + entry->len > bytes_max) {
            break;
        }
        buffer_append_text(&batch->body, batch->count == 0 ? "" : ",");
        buffer_append(&batch->body, entry->json, entry->len);
        assert(entry->delivery == NULL || webhook->options.batch.max_size == 1);
        batch->delivery = entry->delivery;
        batch->count++;
        entry_free(webhook, entry);
    }
    buffer_append_text(&batch->body, BODY_TAIL);
    hold(webhook, (int64_t)batch->body.len);
    webhook->since_ms = 0;
    return batch;
}

/* --- When --- */

/* Under the lock: in how long a batch begins; 0: now; UINT64_MAX: nothing waits. */
static uint64_t due_in_ms(struct audit_webhook *webhook)
{
    uint64_t now_ms = loop_now_ms(webhook->options.loop);
    const struct audit_batch_options *batch = &webhook->options.batch;
    if (webhook->entry_count == 0) {
        return UINT64_MAX;
    }
    if (webhook->since_ms == 0) {
        webhook->since_ms = now_ms;
    }
    uint64_t due_ms = webhook->since_ms + batch->max_wait_ms;
    bool now = webhook->closing || webhook->entry_count >= batch->max_size || due_ms <= now_ms;
    return now ? 0 : due_ms - now_ms;
}

/* Of the rate's; the end does not wait for it. */
static bool may_begin(struct audit_webhook *webhook)
{
    return !webhook->options.batch.throttled || webhook->closed != NULL ||
           rate_limit_take(&webhook->limit, loop_now_ms(webhook->options.loop));
}

static struct batch *next_batch(struct audit_webhook *webhook)
{
    struct batch *batch = NULL;
    pthread_mutex_lock(&webhook->lock);
    uint64_t wait_ms = due_in_ms(webhook);
    if (wait_ms > 0 && wait_ms < UINT64_MAX) {
        loop_timer_start(webhook->options.loop, &webhook->due, wait_ms);
    } else if (wait_ms == 0 && !may_begin(webhook)) {
        loop_timer_start(webhook->options.loop, &webhook->due,
                         1 + 1000 / webhook->options.batch.throttle_qps);
    } else if (wait_ms == 0) {
        batch = take_batch(webhook);
    }
    pthread_mutex_unlock(&webhook->lock);
    return batch;
}

static void finish_close(void *data)
{
    struct audit_webhook *webhook = data;
    void (*closed)(void *data) = webhook->closed;
    loop_timer_stop(webhook->options.loop, &webhook->due);
    if (webhook->http != NULL) {
        http_client_close(TAKE(webhook->http));
    }
    closed(webhook->closed_data);
}

/* Begins what may begin now. */
static void advance(struct audit_webhook *webhook)
{
    while (webhook->batch_count < AUDIT_WEBHOOK_BATCHES_MAX) {
        struct batch *batch = next_batch(webhook);
        if (batch == NULL) {
            break;
        }
        if (webhook->http == NULL) {
            webhook->http = http_client_new(webhook->options.loop);
        }
        list_push_back(&webhook->batches, &batch->node);
        webhook->batch_count++;
        try_again(batch);
    }
    if (webhook->closed != NULL && webhook->batch_count == 0 && !webhook->finishing) {
        webhook->finishing = true;
        loop_post(webhook->options.loop, finish_close, webhook);
    }
}

static void on_due(void *data)
{
    advance(data);
}

static void on_woken(void *data)
{
    struct audit_webhook *webhook = data;
    pthread_mutex_lock(&webhook->lock);
    webhook->woken = false;
    pthread_mutex_unlock(&webhook->lock);
    advance(webhook);
}

void audit_webhook_put(struct audit_webhook *webhook, struct slice line,
                       struct audit_delivery *delivery)
{
    static const size_t head = sizeof(AUDIT_EVENT_HEAD) - 1;
    assert(slice_starts_with(line, slice_text(AUDIT_EVENT_HEAD)));
    size_t rest = line.len - head - 1; /* Without the newline. */
    struct entry *entry = alloc_zeroed(sizeof(*entry) + 1 + rest);
    *entry = (struct entry){.delivery = delivery, .len = 1 + rest};
    list_init(&entry->node);
    entry->json[0] = '{'; /* Items of a list have no kind. */
    memcpy(entry->json + 1, line.data + head, rest);
    pthread_mutex_lock(&webhook->lock);
    bool fits = !webhook->closing && webhook->entry_count < webhook->options.batch.buffer_size &&
                webhook->held + entry_bytes(entry) <= AUDIT_QUEUE_MAX;
    bool wakes = false;
    if (fits) {
        list_push_back(&webhook->entries, &entry->node);
        webhook->entry_count++;
        hold(webhook, (int64_t)entry_bytes(entry));
        bool news =
            webhook->entry_count == 1 || webhook->entry_count == webhook->options.batch.max_size;
        wakes = news && !webhook->woken;
        webhook->woken = webhook->woken || news;
    }
    pthread_mutex_unlock(&webhook->lock);
    if (!fits) {
        free(entry);
        metric_add(webhook->options.errors, 1);
        end_delivery(webhook, delivery, -ENOBUFS);
    } else if (wakes) {
        loop_post(webhook->options.loop, on_woken, webhook);
    }
}

/* --- Life --- */

int audit_webhook_new(const struct audit_webhook_options *options,
                      struct audit_webhook **ret_webhook, struct error *reterr)
{
    assert(options->batch.max_size > 0);
    struct audit_webhook *webhook = alloc_zeroed(sizeof(*webhook));
    webhook->options = *options;
    webhook->arena = arena_new(SIZE_MAX);
    webhook->budget = loop_memory(options->loop);
    webhook->due = (struct loop_timer){.fire = on_due, .data = webhook};
    rate_limit_init(&webhook->limit, options->batch.throttle_burst, options->batch.throttle_qps);
    list_init(&webhook->batches);
    list_init(&webhook->entries);
    pthread_mutex_init(&webhook->lock, NULL);
    int status = kubeconfig_load(webhook->arena, options->config, &webhook->kubeconfig, reterr);
    if (status < 0) {
        audit_webhook_free(webhook);
        return status;
    }
    *ret_webhook = webhook;
    return 0;
}

/* Everything that is there is lost. */
static void give_up(struct audit_webhook *webhook)
{
    while (!list_empty(&webhook->batches)) {
        struct batch *batch = LIST_ENTRY(list_first(&webhook->batches), struct batch, node);
        if (batch->call != NULL) {
            http_call_cancel(TAKE(batch->call));
        }
        batch_end(batch, -ECANCELED);
    }
    pthread_mutex_lock(&webhook->lock);
    metric_add(webhook->options.errors, (int64_t)webhook->entry_count);
    while (!list_empty(&webhook->entries)) {
        struct entry *entry = LIST_ENTRY(list_first(&webhook->entries), struct entry, node);
        end_delivery(webhook, entry->delivery, -ECANCELED);
        entry_free(webhook, entry);
    }
    pthread_mutex_unlock(&webhook->lock);
}

static void on_close_deadline(void *data)
{
    struct audit_webhook *webhook = data;
    LOG_WARN("audit", "the audit webhook is too slow: its last events are lost",
             KV_TEXT("url", webhook->kubeconfig.url));
    give_up(webhook);
    advance(webhook);
}

void audit_webhook_close(struct audit_webhook *webhook, void (*closed)(void *data), void *data)
{
    pthread_mutex_lock(&webhook->lock);
    webhook->closing = true;
    pthread_mutex_unlock(&webhook->lock);
    webhook->closed = closed;
    webhook->closed_data = data;
    loop_timer_stop(webhook->options.loop, &webhook->due);
    webhook->due = (struct loop_timer){.fire = on_close_deadline, .data = webhook};
    loop_timer_start(webhook->options.loop, &webhook->due, AUDIT_CLOSE_MS);
    LIST_FOREACH(node, next, &webhook->batches)
    {
        struct batch *batch = LIST_ENTRY(node, struct batch, node);
        if (batch->call == NULL) { /* Its last try does not wait. */
            loop_timer_stop(webhook->options.loop, &batch->timer);
            try_again(batch);
        }
    }
    advance(webhook);
}

void audit_webhook_free(struct audit_webhook *webhook)
{
    if (webhook == NULL) {
        return;
    }
    loop_timer_stop(webhook->options.loop, &webhook->due);
    give_up(webhook);
    if (webhook->http != NULL) {
        http_client_close(webhook->http);
    }
    kubeconfig_release(&webhook->kubeconfig);
    arena_free(webhook->arena);
    pthread_mutex_destroy(&webhook->lock);
    free(webhook);
}
