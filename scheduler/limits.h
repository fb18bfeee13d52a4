/* Every limit of the scheduler. */
#ifndef SCHEDULER_LIMITS_H
#define SCHEDULER_LIMITS_H
enum {
    SCHEDULER_EXTENDED_MAX = 16,  /* Extended resources of one pod; more make it unschedulable. */
    SCHEDULER_PODS_A_TICK = 64,   /* Decisions before other work of the loop gets its turn. */
    SCHEDULER_BINDINGS_MAX = 512, /* Bindings under way. */
    SCHEDULER_FEASIBLE_MIN = 100, /* Below this many nodes all are scored. */
    SCHEDULER_BACKOFF_MIN_MS = 1000,     /* After the first failure, doubling, */
    SCHEDULER_BACKOFF_MAX_MS = 10000,    /* up to this. */
    SCHEDULER_UNSCHEDULABLE_MS = 300000, /* Then a pod is tried again without a cause. */
    SCHEDULER_FLUSH_MS = 30000,          /* How often that is looked at. */
};
#endif
