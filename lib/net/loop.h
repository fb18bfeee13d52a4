/* A libuv loop with a mailbox and timers, optionally on a thread of its own. Everything in lib/net
 * belongs to one loop and is used on that loop's thread only; loop_post() is how threads talk. */
#ifndef LIB_NET_LOOP_H
#define LIB_NET_LOOP_H
#include "lib/base/compiler.h"
#include "lib/base/list.h"
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct memory_budget;
typedef struct uv_loop_s uv_loop_t;

/* Makes a loop that nobody runs yet. `name` (copied) becomes the thread's name. Returns 0 or a
 * negative errno. */
MUST_USE int loop_new(const char *name, struct loop **ret_loop);
/* Frees a loop that is not running. Tasks that were posted and have not run yet are run first, on
 * the calling thread: what they hold is theirs to free. Then handles left open on it are closed.
 * Nobody may post to it any more: loops that post to each other are settled before the first of
 * them is freed. NULL is a no-op. */
void loop_free(struct loop *loop);

/* Runs the loop on the calling thread until loop_stop(). */
void loop_run(struct loop *loop);
/* Runs what is ready now, waiting for the first event when `wait`; for tests and start-up. */
void loop_turn(struct loop *loop, bool wait);
/* Runs the loop on a new thread; loop_join() waits for its end. 0 or a negative errno. */
MUST_USE int loop_start_thread(struct loop *loop);
void loop_join(struct loop *loop);
/* Makes loop_run() return after the tasks posted before this call have run. Any thread. */
void loop_stop(struct loop *loop);

uv_loop_t *loop_uv(struct loop *loop);
/* True on the thread that runs the loop, and on any thread while nobody runs it. */
bool loop_is_current(const struct loop *loop);

/* Runs fn(data) on the loop, in the order of posting of each thread, never from inside this call.
 * From a loop's own thread, the other loop is woken at the end of the turn. Any thread. The queue
 * has no limit of its own: what is posted is bounded by its source (requests in flight, timers,
 * watches). */
void loop_post(struct loop *loop, void (*fn)(void *data), void *data);

/* Runs the tasks posted so far; true when there were any. For loops that run no more, whose tasks
 * would get lost: those of several are run in turn until none has any. Loop thread. */
bool loop_run_posted(struct loop *loop);

/* Where connections of this loop count what they hold (lib/base/memory_budget.h); NULL: nowhere.
 * Before it runs; borrowed for its life. */
void loop_set_memory(struct loop *loop, struct memory_budget *budget);
struct memory_budget *loop_memory(const struct loop *loop);

/* Milliseconds of CLOCK_MONOTONIC, constant while one callback runs. Loop thread. */
uint64_t loop_now_ms(struct loop *loop);

/* NET_READ_BYTES of memory for what is read by one callback and handled before it returns. */
uint8_t *loop_scratch(struct loop *loop);

/* A one-shot timer in the caller's memory: set `fire` and `data`, zero the rest. Stopping is
 * immediate (no close callback): after loop_timer_stop() the memory may go. Loop thread. */
struct loop_timer {
    void (*fire)(void *data);
    void *data;
    uint64_t deadline_ms; /* The loop's, on loop_now_ms(). */
    size_t position;      /* The loop's: 0 while not armed. */
};
void loop_timer_start(struct loop *loop, struct loop_timer *timer,
                      uint64_t delay_ms);                          /* Re-arms. */
void loop_timer_stop(struct loop *loop, struct loop_timer *timer); /* Not armed: no-op. */
static inline bool loop_timer_armed(const struct loop_timer *timer)
{
    return timer->position != 0;
}

/* Work to do once, at the end of this turn of the loop (before it waits again): how writes are
 * coalesced. Starting it twice is once. Loop thread. */
struct loop_turn_end {
    void (*run)(void *data);
    void *data;
    struct list node; /* list_init() it. */
};
void loop_turn_end_start(struct loop *loop, struct loop_turn_end *task);
void loop_turn_end_stop(struct loop_turn_end *task);

/* Something that nobody owns any more and that ends by itself, as a connection that lingers does.
 * loop_free() runs those that have not come to their end, which close their handles and free
 * themselves. Loop thread. */
struct loop_orphan {
    void (*end)(void *data); /* Takes it off the list. */
    void *data;
    struct list node; /* list_init() it. */
};
void loop_orphan_start(struct loop *loop, struct loop_orphan *orphan);
void loop_orphan_stop(struct loop_orphan *orphan); /* None: no-op. */
#endif
