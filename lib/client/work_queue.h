/* Work queue of a control loop: keys to be looked at, each at most once at a time. A key that is
 * added again while it is worked on is worked on once more afterwards. One state per key instead of
 * client-go's three sets: QUEUED, TAKEN, TAKEN_DIRTY. Failed keys come back with exponential
 * back-off (5 ms doubling to 1000 s). One thread; time and timers from the env. */
#ifndef LIB_CLIENT_WORK_QUEUE_H
#define LIB_CLIENT_WORK_QUEUE_H
#include "lib/base/env.h"
#include <stdbool.h>
#include <stddef.h>

struct work_queue;

/* `ready` runs from a timer of the env whenever there may be something to take; never from inside
 * a call of this module. */
MUST_USE struct work_queue *work_queue_new(struct env *env, void (*ready)(void *data), void *data);
void work_queue_free(struct work_queue *queue); /* NULL is a no-op. */

/* Over CLIENT_QUEUE_MAX keys an add is refused (a resync finds the object later). */
void work_queue_add(struct work_queue *queue, const char *key);
/* The earlier time wins when the key waits already. */
void work_queue_add_after(struct work_queue *queue, const char *key, uint64_t delay_ns);
void work_queue_add_rate_limited(struct work_queue *queue, const char *key);
void work_queue_forget(struct work_queue *queue, const char *key); /* Ends its back-off. */
uint32_t work_queue_failures(const struct work_queue *queue, const char *key);

/* The oldest queued key, TAKEN from now on, or NULL. Valid until its work_queue_done(). */
const char *work_queue_take(struct work_queue *queue);
void work_queue_done(struct work_queue *queue, const char *key);
/* `ready` runs soon, for what was not taken. */
void work_queue_wake(struct work_queue *queue);
size_t work_queue_length(const struct work_queue *queue); /* Queued, not counting waiting ones. */
/* Drops everything that is queued or waits; taken keys finish. */
void work_queue_drop(struct work_queue *queue);
#endif
