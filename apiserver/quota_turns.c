#include "apiserver/quota_turns.h"

#include "apiserver/watch_cache.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* All turns in one list, holders and waiters, in the order of their coming: as many as there are
 * writes to namespaces with quotas under way. */
struct quota_turns {
    struct watch_cache *cache;
    struct list all;
};

struct quota_turns *quota_turns_new(struct watch_cache *cache)
{
    struct quota_turns *turns = alloc_zeroed(sizeof(*turns));
    turns->cache = cache;
    list_init(&turns->all);
    return turns;
}

void quota_turns_free(struct quota_turns *turns)
{
    free(turns);
}

static struct quota_turn *first_of(struct quota_turns *turns, const char *namespace)
{
    LIST_FOREACH(node, next, &turns->all)
    {
        struct quota_turn *turn = LIST_ENTRY(node, struct quota_turn, node);
        if (strcmp(turn->namespace, namespace) == 0) {
            return turn;
        }
    }
    return NULL;
}

bool quota_turns_take(struct quota_turns *turns, struct quota_turn *turn)
{
    assert(!turn->held);
    turn->held = first_of(turns, turn->namespace) == NULL;
    list_init(&turn->node);
    list_push_back(&turns->all, &turn->node);
    return turn->held;
}

static void seen(void *data, int status)
{
    struct quota_turn *turn = data;
    (void)status; /* A cache that ends: the write will say so. */
    turn->granted(turn);
}

void quota_turns_give_back(struct quota_turns *turns, struct quota_turn *turn, uint64_t revision)
{
    assert(turn->held);
    turn->held = false;
    list_remove(&turn->node);
    struct quota_turn *next = first_of(turns, turn->namespace);
    if (next != NULL) {
        next->held = true;
        watch_cache_when(turns->cache, revision, seen, next);
    }
}
