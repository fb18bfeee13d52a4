#include "apiserver/audit_backends.h"

#include "apiserver/audit_delivery.h"
#include "apiserver/audit_log.h"
#include "apiserver/audit_webhook.h"
#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/metrics.h"
#include "lib/net/loop.h"
#include <stdlib.h>

struct backend {
    enum audit_mode mode;
    size_t event_max;
    struct metric *errors;
    void (*put)(struct audit_backends *backends, struct slice line,
                struct audit_delivery *delivery);
};

struct audit_backends {
    struct audit_log *log;         /* NULL: none. */
    struct audit_webhook *webhook; /* NULL: none. */
    struct backend items[2];
    size_t count;
    struct metric *events;
};

/* --- Each --- */

static void put_into_log(struct audit_backends *backends, struct slice line,
                         struct audit_delivery *delivery)
{
    audit_log_put(backends->log, line, delivery);
}

static void put_into_webhook(struct audit_backends *backends, struct slice line,
                             struct audit_delivery *delivery)
{
    audit_webhook_put(backends->webhook, line, delivery);
}

static size_t event_max(const struct audit_truncate_options *truncate)
{
    return truncate->enabled && truncate->event_max < AUDIT_EVENT_MAX ? truncate->event_max
                                                                      : AUDIT_EVENT_MAX;
}

static struct metric *count_errors(struct metrics *metrics, const char *labels)
{
    return metrics_counter(metrics, "apiserver_audit_error_total", "Audit events that were lost.",
                           labels);
}

static int add_log(struct audit_backends *backends, const struct audit_options *options,
                   struct loop *loop, struct metrics *metrics, struct error *reterr)
{
    struct backend backend = {.mode = options->log_mode,
                              .event_max = event_max(&options->log_truncate),
                              .errors = count_errors(metrics, "plugin=\"log\""),
                              .put = put_into_log};
    struct audit_log_options log = {.path = options->log_path,
                                    .size_max = options->log_size_max,
                                    .backups_max = options->log_backups_max,
                                    .age_days_max = options->log_age_days_max,
                                    .compress = options->log_compress,
                                    .strict = options->log_mode == AUDIT_BLOCKING_STRICT,
                                    .budget = loop_memory(loop),
                                    .errors = backend.errors};
    backends->items[backends->count++] = backend;
    return audit_log_open(&log, &backends->log, reterr);
}

static int add_webhook(struct audit_backends *backends, const struct audit_options *options,
                       struct loop *loop, struct metrics *metrics, struct error *reterr)
{
    const struct audit_truncate_options *truncate = &options->webhook_truncate;
    struct backend backend = {.mode = options->webhook_mode,
                              .event_max = event_max(truncate),
                              .errors = count_errors(metrics, "plugin=\"webhook\""),
                              .put = put_into_webhook};
    struct audit_webhook_options webhook = {
        .loop = loop,
        .config = options->webhook_config,
        .batch = options->webhook_batch,
        .batch_bytes_max = truncate->enabled ? truncate->batch_max : 0,
        .backoff_ms = options->webhook_backoff_ms,
        .strict = options->webhook_mode == AUDIT_BLOCKING_STRICT,
        .errors = backend.errors};
    if (options->webhook_mode != AUDIT_BATCH) {
        webhook.batch.max_size = 1;
        webhook.batch.max_wait_ms = 0;
        webhook.batch.throttled = false;
    }
    backends->items[backends->count++] = backend;
    int status = audit_webhook_new(&webhook, &backends->webhook, reterr);
    return status < 0 ? error_wrap(reterr, "--audit-webhook-config-file") : 0;
}

/* --- All --- */

int audit_backends_new(const struct audit_options *options, struct loop *loop,
                       struct metrics *metrics, struct audit_backends **ret_backends,
                       struct error *reterr)
{
    struct audit_backends *backends = alloc_zeroed(sizeof(*backends));
    backends->events = metrics_counter(metrics, "apiserver_audit_event_total",
                                       "Audit events that were made.", NULL);
    int status = 0;
    if (options->log_path != NULL) {
        status = add_log(backends, options, loop, metrics, reterr);
    }
    if (status == 0 && options->webhook_config != NULL) {
        status = add_webhook(backends, options, loop, metrics, reterr);
    }
    if (status < 0) {
        audit_backends_free(backends);
        return status;
    }
    *ret_backends = backends;
    return 0;
}

void audit_backends_close(struct audit_backends *backends, void (*closed)(void *data), void *data)
{
    if (backends->webhook == NULL) {
        closed(data);
    } else {
        audit_webhook_close(backends->webhook, closed, data);
    }
}

void audit_backends_free(struct audit_backends *backends)
{
    if (backends != NULL) {
        audit_webhook_free(backends->webhook);
        audit_log_close(backends->log);
        free(backends);
    }
}

bool audit_backends_block(const struct audit_backends *backends)
{
    for (size_t i = 0; i < backends->count; i++) {
        if (backends->items[i].mode != AUDIT_BATCH) {
            return true;
        }
    }
    return false;
}

static void put_line(struct audit_backends *backends, const struct backend *backend,
                     struct slice line, struct audit_delivery *delivery)
{
    struct audit_delivery *waiter = backend->mode == AUDIT_BATCH ? NULL : delivery;
    if (waiter != NULL) {
        audit_delivery_expect(waiter);
    }
    backend->put(backends, line, waiter);
}

void audit_backends_put(struct audit_backends *backends, const struct audit_event *event,
                        enum audit_stage stage, int64_t now_us, struct audit_delivery *delivery)
{
    CLEANUP(buffer_release) struct buffer line;
    buffer_init(&line, AUDIT_EVENT_MAX);
    int status = 0;
    for (size_t i = 0; i < backends->count; i++) {
        const struct backend *backend = &backends->items[i];
        if (i == 0 || line.max != backend->event_max) { /* Else it fits as it was printed. */
            buffer_release(&line);
            buffer_init(&line, backend->event_max);
            status = audit_event_print(event, stage, now_us, &line);
        }
        if (status == 0) {
            put_line(backends, backend, buffer_slice(&line), delivery);
        } else {
            metric_add(backend->errors, 1);
        }
    }
    metric_add(backends->events, backends->count > 0);
}
