#include "tests/unit/client/fake_env.h"

#include <assert.h>
#include <stdlib.h>

static struct fake_env *fake_of(struct env *env)
{
    return CONTAINER_OF(env, struct fake_env, env);
}

static uint64_t fake_now(struct env *env)
{
    return fake_of(env)->now_ns;
}

static int64_t fake_wall(struct env *env)
{
    return (int64_t)(fake_of(env)->now_ns + FAKE_ENV_EPOCH_S * NS_PER_S);
}

static uint64_t fake_random(struct env *env)
{
    struct fake_env *fake = fake_of(env);
    fake->random = fake->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return fake->random >> 16;
}

static void fake_timer_start(struct env *env, struct env_timer *timer, uint64_t delay_ns)
{
    struct fake_env *fake = fake_of(env);
    heap_remove(&fake->timers, timer);
    timer->deadline_ns = fake->now_ns + delay_ns;
    timer->sequence = fake->sequence++;
    heap_push(&fake->timers, timer);
}

static void fake_timer_stop(struct env *env, struct env_timer *timer)
{
    heap_remove(&fake_of(env)->timers, timer);
}

static void fake_io(struct env *env, struct env_io *io)
{
    (void)env;
    (void)io;
    abort();
}

static int fake_send(struct env *env, uint64_t peer, struct slice message)
{
    (void)env;
    (void)peer;
    (void)message;
    abort();
}

static void fake_fatal(struct env *env, const char *why)
{
    (void)env;
    (void)why;
    abort();
}

static const struct env_ops fake_ops = {
    .now_ns = fake_now,
    .wall_ns = fake_wall,
    .random = fake_random,
    .timer_start = fake_timer_start,
    .timer_stop = fake_timer_stop,
    .io_submit = fake_io,
    .send = fake_send,
    .fatal = fake_fatal,
};

static bool timer_before(const void *a, const void *b)
{
    const struct env_timer *left = a, *right = b;
    return left->deadline_ns != right->deadline_ns ? left->deadline_ns < right->deadline_ns
                                                   : left->sequence < right->sequence;
}

void fake_env_init(struct fake_env *fake)
{
    *fake = (struct fake_env){.env = {&fake_ops}, .now_ns = NS_PER_S, .random = 1};
    heap_init(&fake->timers, offsetof(struct env_timer, position), timer_before);
}

void fake_env_release(struct fake_env *fake)
{
    heap_release(&fake->timers);
}

void fake_env_run_ms(struct fake_env *fake, uint64_t ms)
{
    uint64_t end = fake->now_ns + ms * NS_PER_MS;
    for (struct env_timer *timer = heap_peek(&fake->timers);
         timer != NULL && timer->deadline_ns <= end; timer = heap_peek(&fake->timers)) {
        heap_pop(&fake->timers);
        if (timer->deadline_ns > fake->now_ns) {
            fake->now_ns = timer->deadline_ns;
        }
        timer->fire(timer->data);
    }
    fake->now_ns = end;
}
