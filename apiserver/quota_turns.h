/* Turns for writers that charge quotas: those of one namespace write one after the other on a
 * member, as each would break the other's compare otherwise. What makes a charge right is that
 * compare; turns only save attempts. Store loop only. */
#ifndef APISERVER_QUOTA_TURNS_H
#define APISERVER_QUOTA_TURNS_H
#include "lib/base/list.h"
#include <stdbool.h>
#include <stdint.h>

struct quota_turns;
struct watch_cache;

/* In the writer's memory, which stays until the turn is given back; all-zero before. */
struct quota_turn {
    struct list node;
    const char *namespace; /* Borrowed. */
    bool held;
    /* It has come, and the cache has what the one before wrote. */
    void (*granted)(struct quota_turn *turn);
};

struct quota_turns *quota_turns_new(struct watch_cache *cache);
void quota_turns_free(struct quota_turns *turns); /* Nobody waits or holds. NULL is a no-op. */

/* True when it is the caller's at once; else `granted` runs later. */
bool quota_turns_take(struct quota_turns *turns, struct quota_turn *turn);
/* `revision`: of the caller's write, or 0. The next may get its turn inside of this call. */
void quota_turns_give_back(struct quota_turns *turns, struct quota_turn *turn, uint64_t revision);
#endif
