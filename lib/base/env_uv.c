#include "lib/base/env_uv.h"

#include "lib/base/alloc.h"
#include "lib/base/bell.h"
#include "lib/base/env_io_run.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum { ENV_UV_HANDLE_COUNT = 3 };

struct io_queue {
    struct env_io *first;
    struct env_io *last;
};

enum { IO_URGENT, IO_BULK, IO_WORKERS };

struct env_uv {
    struct env env;
    uv_loop_t *loop;
    uv_timer_t timer; /* Runs for the least deadline of `timers`. */
    uv_idle_t due;    /* Active while a timer is due. */
    struct bell bell; /* The I/O thread has finished something. */
    struct heap timers;
    uint64_t timer_sequence;
    uint64_t random_state[2]; /* xoroshiro128+, seeded by getrandom(2). */

    int (*transport_send)(void *data, uint64_t peer, struct slice message);
    void *transport_data;

    struct io_worker {
        struct env_uv *env;
        pthread_t thread;
        sem_t wake;                /* Counts what is submitted, and the end. */
        struct io_queue submitted; /* Under io_lock. */
    } workers[IO_WORKERS];         /* One for bulk, so that a flush never waits behind it. */
    pthread_mutex_t io_lock;
    struct io_queue finished;         /* Under io_lock. */
    bool io_stop;                     /* Under io_lock. */
    struct metric_histogram *flushes; /* Under io_lock; or NULL. */
    size_t io_pending;                /* Submitted and not yet reported; loop thread only. */

    bool closing;
    int open_handles;
    void (*closed)(void *data);
    void *closed_data;
};

static struct env_uv *env_uv_from(struct env *env)
{
    return CONTAINER_OF(env, struct env_uv, env);
}

static void queue_push(struct io_queue *queue, struct env_io *io)
{
    io->next = NULL;
    if (queue->first == NULL) {
        queue->first = io;
    } else {
        queue->last->next = io;
    }
    queue->last = io;
}

/* ---- clock, random, fatal ---- */

static uint64_t op_now_ns(struct env *env)
{
    (void)env;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int64_t op_wall_ns(struct env *env)
{
    (void)env;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * (int64_t)NS_PER_S + now.tv_nsec;
}

static uint64_t op_random(struct env *env)
{
    uint64_t *s = env_uv_from(env)->random_state;
    uint64_t first = s[0];
    uint64_t second = s[1] ^ first;
    uint64_t result = first + s[1];
    s[0] = ((first << 24) | (first >> 40)) ^ second ^ (second << 16);
    s[1] = (second << 37) | (second >> 27);
    return result;
}

static void op_fatal(struct env *env, const char *why)
{
    (void)env;
    LOG_ERROR("env", "stopping: going on is not safe", KV_TEXT("reason", why));
    _exit(70); /* No clean-up: nothing may be written or answered from here on. */
}

/* ---- timers ---- */

static bool timer_before(const void *a, const void *b)
{
    const struct env_timer *left = a;
    const struct env_timer *right = b;
    if (left->deadline_ns != right->deadline_ns) {
        return left->deadline_ns < right->deadline_ns;
    }
    return left->sequence < right->sequence;
}

static void on_timer(uv_timer_t *handle);
static void on_due(uv_idle_t *handle);

/* A timer that is due already waits for the idle phase of the next turn: libuv would run one of no
 * delay again and again in the same pass, and work done in slices would stop all I/O. */
static void timer_arm(struct env_uv *self)
{
    const struct env_timer *least = heap_peek(&self->timers);
    if (least == NULL || self->closing) {
        uv_timer_stop(&self->timer);
        uv_idle_stop(&self->due);
        return;
    }
    uint64_t now = op_now_ns(&self->env);
    if (least->deadline_ns <= now) {
        uv_idle_start(&self->due, on_due);
        return;
    }
    uv_update_time(self->loop);
    /* Rounded up: firing early would make the callback spin until the deadline. */
    (void)uv_timer_start(&self->timer, on_timer,
                         (least->deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS, 0);
}

static void run_due(struct env_uv *self)
{
    uint64_t now = op_now_ns(&self->env);
    uint64_t end = self->timer_sequence; /* What is started meanwhile waits for the next turn. */
    for (;;) {
        struct env_timer *timer = heap_peek(&self->timers);
        if (timer == NULL || timer->deadline_ns > now || timer->sequence >= end) {
            break;
        }
        heap_remove(&self->timers, timer);
        timer->fire(timer->data);
    }
    timer_arm(self);
}

static void on_timer(uv_timer_t *handle)
{
    run_due(handle->data);
}

static void on_due(uv_idle_t *handle)
{
    uv_idle_stop(handle);
    run_due(handle->data);
}

static void op_timer_stop(struct env *env, struct env_timer *timer)
{
    heap_remove(&env_uv_from(env)->timers, timer);
}

static void op_timer_start(struct env *env, struct env_timer *timer, uint64_t delay_ns)
{
    struct env_uv *self = env_uv_from(env);
    heap_remove(&self->timers, timer);
    timer->deadline_ns = op_now_ns(env) + delay_ns;
    timer->sequence = self->timer_sequence++;
    heap_push(&self->timers, timer);
    /* One that is due at once does not wait for an earlier one, whose time is rounded up. */
    if (heap_peek(&self->timers) == timer || delay_ns == 0) {
        timer_arm(self);
    }
}

/* ---- files: these run on the I/O thread ---- */

static int64_t io_run_observed(struct env_io *io, struct metric_histogram *flushes)
{
    if (flushes == NULL || io->kind != ENV_IO_SYNC) {
        return env_io_run(io);
    }
    uint64_t begun = op_now_ns(io->env);
    int64_t result = env_io_run(io);
    metric_observe(flushes, (double)(op_now_ns(io->env) - begun) / (double)NS_PER_S);
    return result;
}

static void *io_main(void *data)
{
    struct io_worker *worker = data;
    struct env_uv *self = worker->env;
    for (;;) {
        while (sem_wait(&worker->wake) != 0) {
            assert(errno == EINTR);
        }
        pthread_mutex_lock(&self->io_lock);
        struct env_io *io = worker->submitted.first;
        if (io == NULL) {
            assert(self->io_stop);
            pthread_mutex_unlock(&self->io_lock);
            break;
        }
        worker->submitted.first = io->next;
        struct metric_histogram *flushes = self->flushes;
        pthread_mutex_unlock(&self->io_lock);
        io->result = io_run_observed(io, flushes);
        for (struct env_io *then; (then = env_io_next(io)) != NULL;) {
            io = then;
            io->result = io_run_observed(io, flushes);
        }
        pthread_mutex_lock(&self->io_lock);
        queue_push(&self->finished, io);
        pthread_mutex_unlock(&self->io_lock);
        /* Outside the lock, or the loop wakes only to wait for it. The handle is closed after this
         * thread was joined. */
        bell_ring(&self->bell);
    }
    return NULL;
}

static void op_io_submit(struct env *env, struct env_io *io)
{
    struct env_uv *self = env_uv_from(env);
    struct io_worker *worker = &self->workers[io->bulk ? IO_BULK : IO_URGENT];
    assert(!self->closing);
    for (struct env_io *each = io; each != NULL; each = each->then) {
        assert(each->done != NULL);
        each->env = env;
    }
    self->io_pending++;
    pthread_mutex_lock(&self->io_lock);
    queue_push(&worker->submitted, io);
    pthread_mutex_unlock(&self->io_lock);
    sem_post(&worker->wake);
}

static void close_handles(struct env_uv *self);

static void on_io_finished(struct bell *bell)
{
    struct env_uv *self = CONTAINER_OF(bell, struct env_uv, bell);
    pthread_mutex_lock(&self->io_lock);
    struct env_io *io = self->finished.first;
    self->finished.first = NULL;
    pthread_mutex_unlock(&self->io_lock);
    while (io != NULL) {
        struct env_io *next = io->next;
        self->io_pending--;
        io->done(io);
        io = next;
    }
    if (self->closing && self->io_pending == 0) {
        close_handles(self);
    }
}

void env_uv_observe_flushes(struct env_uv *env, struct metric_histogram *histogram)
{
    pthread_mutex_lock(&env->io_lock);
    env->flushes = histogram;
    pthread_mutex_unlock(&env->io_lock);
}

/* ---- transport and life ---- */

static int op_send(struct env *env, uint64_t peer, struct slice message)
{
    struct env_uv *self = env_uv_from(env);
    if (self->transport_send == NULL) {
        return -ENOTCONN;
    }
    return self->transport_send(self->transport_data, peer, message);
}

static const struct env_ops env_uv_ops = {
    .now_ns = op_now_ns,
    .wall_ns = op_wall_ns,
    .random = op_random,
    .timer_start = op_timer_start,
    .timer_stop = op_timer_stop,
    .io_submit = op_io_submit,
    .send = op_send,
    .fatal = op_fatal,
};

int env_uv_new(uv_loop_t *loop, struct env_uv **ret_env)
{
    struct env_uv *self = alloc_zeroed(sizeof(*self));
    self->env.ops = &env_uv_ops;
    self->loop = loop;
    heap_init(&self->timers, offsetof(struct env_timer, position), timer_before);
    if (getrandom(self->random_state, sizeof(self->random_state), 0) !=
        (ssize_t)sizeof(self->random_state)) {
        int result = -errno;
        free(self);
        return result;
    }
    int result = bell_init(&self->bell, loop, on_io_finished);
    if (result < 0) {
        free(self);
        return result;
    }
    (void)uv_timer_init(loop, &self->timer); /* Cannot fail, nor the next. */
    (void)uv_idle_init(loop, &self->due);
    self->due.data = self;
    self->bell.poll.data = self;
    self->timer.data = self;
    self->open_handles = ENV_UV_HANDLE_COUNT;
    pthread_mutex_init(&self->io_lock, NULL);
    for (size_t i = 0; i < IO_WORKERS; i++) {
        struct io_worker *worker = &self->workers[i];
        worker->env = self;
        (void)sem_init(&worker->wake, /* pshared= */ 0, 0); /* Cannot fail. */
        if (pthread_create(&worker->thread, NULL, io_main, worker) != 0) {
            env_fatal(&self->env, "cannot start an I/O thread");
        }
    }
    *ret_env = self;
    return 0;
}

struct env *env_uv_env(struct env_uv *env)
{
    return &env->env;
}

void env_uv_set_transport(struct env_uv *env,
                          int (*send)(void *data, uint64_t peer, struct slice message), void *data)
{
    env->transport_send = send;
    env->transport_data = data;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct env_uv *self = handle->data;
    if (--self->open_handles > 0) {
        return;
    }
    void (*closed)(void *) = self->closed;
    void *data = self->closed_data;
    pthread_mutex_destroy(&self->io_lock);
    for (size_t i = 0; i < IO_WORKERS; i++) {
        sem_destroy(&self->workers[i].wake);
    }
    bell_release(&self->bell);
    heap_release(&self->timers);
    free(self);
    if (closed != NULL) {
        closed(data);
    }
}

static void close_handles(struct env_uv *self)
{
    if (uv_is_closing((uv_handle_t *)&self->timer)) {
        return; /* env_uv_close() was called by the last operation's callback. */
    }
    pthread_mutex_lock(&self->io_lock);
    self->io_stop = true;
    pthread_mutex_unlock(&self->io_lock);
    for (size_t i = 0; i < IO_WORKERS; i++) {
        sem_post(&self->workers[i].wake);
        (void)pthread_join(self->workers[i].thread, NULL); /* Cannot fail: started once. */
    }
    uv_close((uv_handle_t *)&self->timer, on_handle_closed);
    uv_close((uv_handle_t *)&self->due, on_handle_closed);
    uv_close((uv_handle_t *)&self->bell.poll, on_handle_closed);
}

void env_uv_close(struct env_uv *env, void (*closed)(void *data), void *data)
{
    assert(!env->closing);
    env->closing = true;
    env->closed = closed;
    env->closed_data = data;
    uv_timer_stop(&env->timer);
    if (env->io_pending == 0) {
        close_handles(env);
    }
}
