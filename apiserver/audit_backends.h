/* Who keeps audit events: the log's file, a webhook, both or nobody. Inside of auditing; shared by
 * all loops. */
#ifndef APISERVER_AUDIT_BACKENDS_H
#define APISERVER_AUDIT_BACKENDS_H
#include "apiserver/audit_event.h"
#include "apiserver/audit_options.h"
#include "lib/base/error.h"

struct audit_backends;
struct audit_delivery;
struct loop;
struct metrics;

/* What goes over the network does so on `loop`, whose memory budget counts what waits. 0, or a
 * negative errno with a message. */
MUST_USE int audit_backends_new(const struct audit_options *options, struct loop *loop,
                                struct metrics *metrics, struct audit_backends **ret_backends,
                                struct error *reterr);
/* On the loop: sends what waits, for a while, then runs `closed`. What comes later may be lost. */
void audit_backends_close(struct audit_backends *backends, void (*closed)(void *data), void *data);
/* Writes what waits for the disk. After `closed` ran, or while nobody runs the loop. NULL is a
 * no-op. */
void audit_backends_free(struct audit_backends *backends);

/* Whether one of them wants requests to wait. */
bool audit_backends_block(const struct audit_backends *backends);
/* Prints the event for each and hands it over. `delivery`, if not NULL, gets an end of each that
 * requests wait for. Any thread. */
void audit_backends_put(struct audit_backends *backends, const struct audit_event *event,
                        enum audit_stage stage, int64_t now_us, struct audit_delivery *delivery);
#endif
