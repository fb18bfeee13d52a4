#include "lib/net/loop.h"

#include "lib/base/alloc.h"
#include "lib/base/bell.h"
#include "lib/base/heap.h"
#include "lib/net/limits.h"
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

struct loop_task {
    void (*fn)(void *data);
    void *data;
};

struct loop_tasks {
    struct loop_task *items;
    size_t count;
    size_t capacity;
};

enum { RINGS_MAX = 64 };

struct loop {
    uv_loop_t uv;
    struct bell mailbox;
    uv_prepare_t before_wait;
    uv_idle_t no_wait; /* Active while turn-end work is left over: the loop must not block. */
    uv_timer_t timer;
    uint64_t timer_at_ms; /* When `timer` fires; UINT64_MAX while stopped. */
    struct heap timers;
    struct list turn_ends;
    struct list orphans;
    char *name;
    struct memory_budget *memory;
    uv_thread_t thread;
    bool has_thread;
    atomic_bool running;
    pthread_t runner; /* Meaningful while running. */
    pthread_mutex_t lock;
    struct loop_tasks posted;      /* Under the lock. */
    struct loop_tasks taken;       /* The loop's own: swapped with `posted` to run. */
    struct loop *rings[RINGS_MAX]; /* Loops with mail of this turn, to be woken at its end. */
    size_t ring_count;
    uint8_t scratch[NET_READ_BYTES];
};

static _Thread_local struct loop *current; /* Whose turn this thread runs. */

/* A turn wakes each loop it posts to once, when it has said all: a loop that is woken at the first
 * word runs at once where cores are few, finds one task, and sleeps again. */
static void ring_all(struct loop *loop)
{
    for (size_t i = 0; i < loop->ring_count; i++) {
        bell_ring(&loop->rings[i]->mailbox);
    }
    loop->ring_count = 0;
}

static bool ring_later(struct loop *target)
{
    if (current == NULL || current == target || current->ring_count == RINGS_MAX) {
        return false;
    }
    current->rings[current->ring_count++] = target;
    return true;
}

static void ring_never(struct loop *target)
{
    for (size_t i = 0; current != NULL && i < current->ring_count; i++) {
        if (current->rings[i] == target) {
            current->rings[i--] = current->rings[--current->ring_count];
        }
    }
}

static bool timer_before(const void *a, const void *b)
{
    const struct loop_timer *first = a;
    const struct loop_timer *second = b;
    return first->deadline_ms < second->deadline_ms;
}

bool loop_run_posted(struct loop *loop)
{
    assert(loop_is_current(loop));
    pthread_mutex_lock(&loop->lock);
    struct loop_tasks tasks = loop->posted;
    loop->posted = loop->taken;
    loop->posted.count = 0;
    /* Cleared while running: a task may turn the loop (tests do), and must not see it twice. */
    loop->taken = (struct loop_tasks){.items = NULL};
    pthread_mutex_unlock(&loop->lock);
    for (size_t i = 0; i < tasks.count; i++) {
        tasks.items[i].fn(tasks.items[i].data);
    }
    bool ran = tasks.count > 0;
    if (loop->taken.items == NULL) {
        loop->taken = tasks;
    } else {
        free(tasks.items);
    }
    return ran;
}

static void on_mailbox(struct bell *bell)
{
    (void)loop_run_posted(CONTAINER_OF(bell, struct loop, mailbox));
}

static void on_turn_end(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    struct list now;
    list_init(&now);
    ring_all(loop); /* First: what they were told may be answered while this loop writes. */
    /* What is added while these run waits for the next turn, so that a writer whose reader is
     * always ready does not starve everybody else. */
    while (!list_empty(&loop->turn_ends)) {
        struct list *node = list_first(&loop->turn_ends);
        list_remove(node);
        list_push_back(&now, node);
    }
    while (!list_empty(&now)) {
        struct list *node = list_first(&now);
        list_remove(node);
        struct loop_turn_end *task = LIST_ENTRY(node, struct loop_turn_end, node);
        task->run(task->data);
    }
    if (list_empty(&loop->turn_ends)) {
        uv_idle_stop(&loop->no_wait);
    }
    ring_all(loop);
}

static void on_no_wait(uv_idle_t *idle)
{
    (void)idle; /* Being active is its whole use. */
}

static void on_timer(uv_timer_t *timer);

static void timer_rearm(struct loop *loop)
{
    struct loop_timer *next = heap_peek(&loop->timers);
    if (next == NULL) {
        return; /* Left armed if it was: one idle wake-up costs less than a stop per request. */
    }
    if (next->deadline_ms < loop->timer_at_ms) {
        uint64_t now = uv_now(&loop->uv);
        loop->timer_at_ms = next->deadline_ms;
        uv_timer_start(&loop->timer, on_timer,
                       next->deadline_ms > now ? next->deadline_ms - now : 0,
                       /* repeat= */ 0);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    loop->timer_at_ms = UINT64_MAX;
    uint64_t now = uv_now(&loop->uv);
    struct loop_timer *next;
    while ((next = heap_peek(&loop->timers)) != NULL && next->deadline_ms <= now) {
        heap_pop(&loop->timers);
        next->fire(next->data);
    }
    timer_rearm(loop);
}

/* When no handle is left. */
static void free_parts(struct loop *loop)
{
    int status = uv_loop_close(&loop->uv);
    assert(status == 0);
    (void)status;
    heap_release(&loop->timers);
    pthread_mutex_destroy(&loop->lock);
    free(loop->posted.items);
    free(loop->taken.items);
    free(loop->name);
    free(loop);
}

int loop_new(const char *name, struct loop **ret_loop)
{
    /* A peer that closes early is an error of one write, not a signal to the process. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL); /* Cannot fail for a valid signal. */
    struct loop *loop = alloc_zeroed(sizeof(*loop));
    int status = uv_loop_init(&loop->uv);
    if (status != 0) {
        free(loop);
        return status;
    }
    loop->name = alloc_text(name);
    loop->timer_at_ms = UINT64_MAX;
    pthread_mutex_init(&loop->lock, NULL);
    heap_init(&loop->timers, offsetof(struct loop_timer, position), timer_before);
    list_init(&loop->turn_ends);
    list_init(&loop->orphans);
    status = bell_init(&loop->mailbox, &loop->uv, on_mailbox);
    if (status < 0) {
        free_parts(loop);
        return status;
    }
    uv_prepare_init(&loop->uv, &loop->before_wait);
    uv_idle_init(&loop->uv, &loop->no_wait);
    uv_timer_init(&loop->uv, &loop->timer);
    loop->mailbox.poll.data = loop->before_wait.data = loop->no_wait.data = loop->timer.data = loop;
    uv_prepare_start(&loop->before_wait, on_turn_end);
    *ret_loop = loop;
    return 0;
}

static void close_handle(uv_handle_t *handle, void *data)
{
    (void)data;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

/* False when nothing was left to do. */
static bool settle(struct loop *loop)
{
    bool any = loop_run_posted(loop);
    while (!list_empty(&loop->orphans)) {
        struct loop_orphan *orphan =
            LIST_ENTRY(list_first(&loop->orphans), struct loop_orphan, node);
        orphan->end(orphan->data);
        any = true;
    }
    return any;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    assert(!loop->running && !loop->has_thread);
    while (settle(loop)) { /* Before handles are closed: tasks may still use them. */
    }
    do {
        uv_walk(&loop->uv, close_handle, NULL);
        while (uv_run(&loop->uv, UV_RUN_NOWAIT) != 0) {
        }
    } while (settle(loop)); /* What was posted as they closed. */
    ring_never(loop);
    bell_release(&loop->mailbox);
    free_parts(loop);
}

static void loop_enter(struct loop *loop, uv_run_mode mode)
{
    assert(!loop->running);
    struct loop *outer = current; /* A task may turn another loop (tests do). */
    loop->runner = pthread_self();
    atomic_store(&loop->running, true);
    current = loop;
    uv_run(&loop->uv, mode);
    ring_all(loop);
    current = outer;
    atomic_store(&loop->running, false);
}

void loop_run(struct loop *loop)
{
    loop_enter(loop, UV_RUN_DEFAULT);
}

void loop_turn(struct loop *loop, bool wait)
{
    loop_enter(loop, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

static void thread_main(void *data)
{
    struct loop *loop = data;
    pthread_setname_np(pthread_self(), loop->name);
    loop_run(loop);
}

int loop_start_thread(struct loop *loop)
{
    assert(!loop->has_thread);
    int status = uv_thread_create(&loop->thread, thread_main, loop);
    if (status == 0) {
        loop->has_thread = true;
    }
    return status;
}

void loop_join(struct loop *loop)
{
    if (loop->has_thread) {
        if (current != NULL) {
            ring_all(current); /* It may be waiting for being told to stop. */
        }
        uv_thread_join(&loop->thread);
        loop->has_thread = false;
    }
}

static void stop_now(void *data)
{
    struct loop *loop = data;
    uv_stop(&loop->uv);
}

void loop_stop(struct loop *loop)
{
    loop_post(loop, stop_now, loop);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

bool loop_is_current(const struct loop *loop)
{
    return !atomic_load(&loop->running) || pthread_equal(loop->runner, pthread_self());
}

void loop_post(struct loop *loop, void (*fn)(void *data), void *data)
{
    pthread_mutex_lock(&loop->lock);
    struct loop_tasks *posted = &loop->posted;
    bool first = posted->count == 0;
    if (posted->count == posted->capacity) {
        posted->capacity = posted->capacity == 0 ? 64 : posted->capacity * 2;
        posted->items = alloc_resize(posted->items, posted->capacity, sizeof(*posted->items));
    }
    posted->items[posted->count++] = (struct loop_task){fn, data};
    /* Only the first needs to ring. Inside the lock, so that nobody frees the loop in between. */
    if (first && !ring_later(loop)) {
        bell_ring(&loop->mailbox);
    }
    pthread_mutex_unlock(&loop->lock);
}

void loop_set_memory(struct loop *loop, struct memory_budget *budget)
{
    loop->memory = budget;
}

struct memory_budget *loop_memory(const struct loop *loop)
{
    return loop->memory;
}

uint64_t loop_now_ms(struct loop *loop)
{
    return uv_now(&loop->uv);
}

uint8_t *loop_scratch(struct loop *loop)
{
    return loop->scratch;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
    assert(loop_is_current(loop));
    if (!atomic_load(&loop->running)) {
        uv_update_time(&loop->uv);
    }
    uint64_t now = uv_now(&loop->uv);
    delay_ms = delay_ms == 0 ? 1 : delay_ms; /* Never in the pass of timers that starts it. */
    uint64_t deadline_ms = delay_ms > UINT64_MAX - now ? UINT64_MAX : now + delay_ms;
    if (timer->position != 0) {
        timer->deadline_ms = deadline_ms;
        heap_update(&loop->timers, timer);
    } else {
        timer->deadline_ms = deadline_ms;
        heap_push(&loop->timers, timer);
    }
    timer_rearm(loop);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    heap_remove(&loop->timers, timer);
}

void loop_turn_end_start(struct loop *loop, struct loop_turn_end *task)
{
    assert(loop_is_current(loop));
    if (!list_linked(&task->node)) {
        bool ends = uv_is_closing((uv_handle_t *)&loop->no_wait); /* Then no turn will come. */
        if (list_empty(&loop->turn_ends) && !ends) {
            uv_idle_start(&loop->no_wait, on_no_wait);
        }
        list_push_back(&loop->turn_ends, &task->node);
    }
}

void loop_turn_end_stop(struct loop_turn_end *task)
{
    list_remove(&task->node);
}

void loop_orphan_start(struct loop *loop, struct loop_orphan *orphan)
{
    assert(loop_is_current(loop) && !list_linked(&orphan->node));
    list_push_back(&loop->orphans, &orphan->node);
}

void loop_orphan_stop(struct loop_orphan *orphan)
{
    list_remove(&orphan->node);
}
