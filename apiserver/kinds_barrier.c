#include "apiserver/kinds_barrier.h"

#include "apiserver/custom_kinds.h"
#include "apiserver/limits.h"
#include "apiserver/watch_cache.h"
#include "lib/net/loop.h"
#include "store/storage.h"

static void run_done(void *data)
{
    struct kinds_barrier *barrier = data;
    barrier->done(barrier->data, barrier->status);
}

static void finish(struct kinds_barrier *barrier, int status)
{
    barrier->status = status;
    loop_post(barrier->home, run_done, barrier);
}

/* The kinds follow the cache from a turn of the loop of their own. */
static void look(void *data)
{
    struct kinds_barrier *barrier = data;
    if (custom_kinds_revision(barrier->kinds) >= barrier->revision) {
        finish(barrier, 0);
        return;
    }
    barrier->timer = (struct env_timer){.fire = look, .data = barrier};
    env_timer_start(barrier->env, &barrier->timer, 0);
}

static void on_cache(void *data, int status)
{
    struct kinds_barrier *barrier = data;
    env_timer_stop(barrier->env, &barrier->timer);
    if (status < 0) {
        finish(barrier, STORE_STOPPED);
    } else {
        look(barrier);
    }
}

static void on_timeout(void *data)
{
    struct kinds_barrier *barrier = data;
    watch_cache_when_cancel(barrier->cache, barrier);
    finish(barrier, STORE_TIMEOUT);
}

static void on_quorum(void *data, int status)
{
    struct kinds_barrier *barrier = data;
    if (status < 0) {
        finish(barrier, status);
        return;
    }
    barrier->revision = (uint64_t)storage_revision(barrier->storage);
    barrier->timer = (struct env_timer){.fire = on_timeout, .data = barrier};
    env_timer_start(barrier->env, &barrier->timer, RV_WAIT_MS * NS_PER_MS);
    watch_cache_when(barrier->cache, barrier->revision, on_cache, barrier);
}

static void start(void *data)
{
    struct kinds_barrier *barrier = data;
    storage_read_barrier(barrier->storage, on_quorum, barrier);
}

void kinds_barrier_start(struct kinds_barrier *barrier)
{
    loop_post(barrier->store_loop, start, barrier);
}
