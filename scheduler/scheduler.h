/* The scheduler: gives every pod of its name a node, once, by binding it through the API. Runs on
 * the store loop of the leader; writes bindings, the PodScheduled condition and Events, nothing
 * else. Deciding is pure (scheduler_core); this part watches, binds and records. */
#ifndef SCHEDULER_SCHEDULER_H
#define SCHEDULER_SCHEDULER_H
#include "lib/base/env.h"
#include <stdbool.h>

struct client;
struct metrics;
struct scheduler;

struct scheduler_config {
    struct env *env;
    struct client *client;
    struct metrics *metrics; /* May be NULL. */
    const char *name;        /* spec.schedulerName it serves; NULL is "default-scheduler". */
    const char *instance;    /* This member, for Events; NULL is "". */
};

/* Does nothing until scheduler_set_leader(true). */
MUST_USE struct scheduler *scheduler_open(const struct scheduler_config *config);
/* Starts when leader, forgets everything when not. */
void scheduler_set_leader(struct scheduler *scheduler, bool leader);
/* `closed` runs on the loop, at once or later; the scheduler is gone then. */
void scheduler_close(struct scheduler *scheduler, void (*closed)(void *data), void *data);
#endif
