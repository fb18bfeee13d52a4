/* Hears of every definition that was established anywhere before the question came: what is asked
 * before a member says that it serves no such resource, or which ones it serves. */
#ifndef APISERVER_KINDS_BARRIER_H
#define APISERVER_KINDS_BARRIER_H
#include "lib/base/env.h"

struct custom_kinds;
struct loop;
struct storage;
struct watch_cache;

/* Fill in the first part, zero the rest; it stays until `done` ran. */
struct kinds_barrier {
    struct env *env;         /* The store loop's. */
    struct loop *store_loop; /* Where storage, cache and kinds are. */
    struct storage *storage;
    struct watch_cache *cache;
    struct custom_kinds *kinds;
    struct loop *home; /* `done` runs there. */
    /* Once: 0, or a negative status of the store when no quorum confirms what is known. */
    void (*done)(void *data, int status);
    void *data;

    uint64_t revision;
    struct env_timer timer;
    int status;
};

void kinds_barrier_start(struct kinds_barrier *barrier); /* On the thread of `home`. */
#endif
