/* The audit webhook: events are POSTed as an EventList of audit.k8s.io/v1, in batches, and again
 * after a while when that fails. What waits is bounded by number and bytes, and counted in the
 * loop's memory budget; what does not fit, and what was sent in vain AUDIT_WEBHOOK_TRIES times, is
 * lost and counted. Connections, timers and answers live on one loop; events come from any. */
#ifndef APISERVER_AUDIT_WEBHOOK_H
#define APISERVER_AUDIT_WEBHOOK_H
#include "apiserver/audit_options.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"

struct audit_delivery;
struct audit_webhook;
struct loop;
struct metric;

struct audit_webhook_options {
    struct loop *loop;
    const char *config;               /* Name of a kubeconfig; read once. */
    struct audit_batch_options batch; /* max_size 1 and no max_wait_ms: each event by itself. */
    size_t batch_bytes_max;           /* 0: no bound but that of what waits. */
    uint64_t backoff_ms;
    bool strict;           /* Deliveries of what is lost end with an error; else as others. */
    struct metric *errors; /* Events that were lost are added. */
};

/* 0, or a negative errno with a message. Before the loop runs, or on it. */
MUST_USE int audit_webhook_new(const struct audit_webhook_options *options,
                               struct audit_webhook **ret_webhook, struct error *reterr);
/* Sends what waits, without further repetitions and for up to AUDIT_CLOSE_MS, then runs `closed`.
 * On the loop. What is put later is lost. */
void audit_webhook_close(struct audit_webhook *webhook, void (*closed)(void *data), void *data);
/* After `closed` ran, or while nobody runs the loop. NULL is a no-op. */
void audit_webhook_free(struct audit_webhook *webhook);

/* A line as audit_event_print() makes it: copied. `delivery`, if not NULL, ends when it has arrived
 * or is lost. Any thread; never waits. */
void audit_webhook_put(struct audit_webhook *webhook, struct slice line,
                       struct audit_delivery *delivery);
#endif
