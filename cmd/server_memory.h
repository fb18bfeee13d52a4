/* The memory budget of a server: what requests under way, streams and answers that wait for their
 * readers may take together (lib/base/memory_budget.h). Beyond it requests are refused and readers
 * that do not read are let go. On the store loop. */
#ifndef CMD_SERVER_MEMORY_H
#define CMD_SERVER_MEMORY_H
#include "lib/base/compiler.h"
#include "lib/base/env.h"
#include "lib/base/memory_budget.h"
#include <stdint.h>

struct metric;
struct metrics;

struct server_memory {
    struct memory_budget budget;
    struct env *env;
    struct env_timer tick;
    struct metric *held, *refused, *ended;
    bool was_full; /* More than half of it was held, and the heap may have kept that. */
};

/* A quarter of what this machine, or the control group that we are in, has; at least 64 MiB. */
uint64_t server_memory_default(void);
/* Counts from here on, and tells metrics once a second. */
void server_memory_open(struct server_memory *memory, struct env *env, struct metrics *metrics);
void server_memory_close(struct server_memory *memory); /* Not opened: a no-op. */
#endif
