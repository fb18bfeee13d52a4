#include "tests/sim/env_sim.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum sim_event_kind { SIM_MESSAGE, SIM_IO, SIM_CALL };

struct sim_event {
    uint64_t at, sequence;
    size_t position;
    enum sim_event_kind kind;
    struct sim_node *node;
    uint32_t incarnation;
    uint64_t from; /* Or what to call. */
    size_t len;
    uint8_t bytes[];
};

/* ---- randomness ---- */

uint64_t sim_next(struct sim_random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t sim_below(struct sim_random *random, uint64_t limit)
{
    return limit == 0 ? 0 : sim_next(random) % limit;
}

bool sim_chance(struct sim_random *random, uint32_t per_million)
{
    return sim_below(random, 1000000) < per_million;
}

/* Without libm, whose results may differ between machines: the sum of four uniform values in
 * log-spaced buckets has a tail long enough. */
uint64_t sim_exponential(struct sim_random *random, uint64_t mean)
{
    uint64_t scale = 1;
    while (scale < 16 && sim_below(random, 3) == 0) {
        scale *= 2;
    }
    return sim_below(random, mean * scale + 1);
}

void sim_trace(struct sim_world *world, uint64_t value)
{
    world->trace = (world->trace ^ value) * UINT64_C(0x100000001b3);
    world->trace ^= world->trace >> 29;
}

void sim_fail(struct sim_world *world, const char *format, ...)
{
    if (world->failure[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(world->failure, sizeof(world->failure), format, args);
    va_end(args);
}

void sim_say(struct sim_world *world, const char *format, ...)
{
    if (world->verbose == 0) {
        return;
    }
    (void)printf("%10.3f ms  ", (double)world->now / 1e6);
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)printf("\n");
}

/* ---- the queue ---- */

static bool event_before(const void *a, const void *b)
{
    const struct sim_event *left = a;
    const struct sim_event *right = b;
    return left->at != right->at ? left->at < right->at : left->sequence < right->sequence;
}

static bool timer_before(const void *a, const void *b)
{
    const struct env_timer *left = a;
    const struct env_timer *right = b;
    return left->deadline_ns != right->deadline_ns ? left->deadline_ns < right->deadline_ns
                                                   : left->sequence < right->sequence;
}

static void push(struct sim_world *world, enum sim_event_kind kind, struct sim_node *node,
                 uint64_t at, uint64_t from, struct slice bytes)
{
    struct sim_event *event = alloc_bytes(sizeof(*event) + bytes.len);
    *event = (struct sim_event){.at = at,
                                .sequence = world->sequence++,
                                .kind = kind,
                                .node = node,
                                .incarnation = node == NULL ? 0 : node->incarnation,
                                .from = from,
                                .len = bytes.len};
    if (bytes.len > 0) {
        memcpy(event->bytes, bytes.data, bytes.len);
    }
    heap_push(&world->queue, event);
}

void sim_at(struct sim_world *world, uint64_t delay_ns, uint64_t what)
{
    push(world, SIM_CALL, NULL, world->now + delay_ns, what, slice_of(NULL, 0));
}

/* ---- env ---- */

static struct sim_node *node_of(struct env *env)
{
    return CONTAINER_OF(env, struct sim_node, env);
}

uint64_t sim_node_now(const struct sim_node *node)
{
    int64_t now = (int64_t)node->world->now;
    return node->clock_offset + (uint64_t)(now + now * node->drift_ppm / 1000000);
}

static uint64_t op_now(struct env *env)
{
    return sim_node_now(node_of(env));
}

static int64_t op_wall(struct env *env)
{
    return (int64_t)op_now(env) + node_of(env)->wall_offset;
}

static uint64_t op_random(struct env *env)
{
    return sim_next(&node_of(env)->world->entropy);
}

static void op_timer_stop(struct env *env, struct env_timer *timer)
{
    heap_remove(&node_of(env)->timers, timer);
}

static void op_timer_start(struct env *env, struct env_timer *timer, uint64_t delay_ns)
{
    struct sim_node *node = node_of(env);
    heap_remove(&node->timers, timer);
    /* In time of the world: a clock that runs fast fires early. */
    uint64_t scaled = delay_ns;
    if (node->drift_ppm != 0 && delay_ns > 0 && delay_ns < 1000 * NS_PER_S) {
        scaled = delay_ns * 1000000 / (uint64_t)(1000000 + node->drift_ppm) + 1;
    }
    timer->deadline_ns = node->world->now + scaled;
    timer->sequence = node->world->sequence++;
    heap_push(&node->timers, timer);
}

static void send_copy(struct sim_node *node, struct sim_node *to, struct slice message)
{
    struct sim_world *world = node->world;
    struct sim_link *link = &world->links[node->id - 1][to->id - 1];
    uint64_t at =
        world->now + world->delay_min_ns + sim_exponential(&world->net, world->delay_mean_ns);
    if (world->ordered && at <= link->last_at) {
        at = link->last_at + 1;
    }
    link->last_at = at;
    push(world, SIM_MESSAGE, to, at, node->id, message);
}

struct sim_message {
    uint64_t from, to;
    size_t len;
    uint8_t bytes[];
};

/* Keeps some of the messages sent, and sends one of the past again now and then. */
static void replay(struct sim_world *world, const struct sim_node *from, uint64_t to,
                   struct slice message)
{
    if (world->replay_per_million == 0) {
        return;
    }
    if (sim_below(&world->net, 8) == 0) {
        struct sim_message *kept = alloc_bytes(sizeof(*kept) + message.len);
        *kept = (struct sim_message){.from = from->id, .to = to, .len = message.len};
        memcpy(kept->bytes, message.data, message.len);
        free(world->replays[world->replay_next]);
        world->replays[world->replay_next] = kept;
        world->replay_next = (world->replay_next + 1) % SIM_REPLAY_MAX;
    }
    if (sim_chance(&world->net, world->replay_per_million)) {
        const struct sim_message *old = world->replays[sim_below(&world->net, SIM_REPLAY_MAX)];
        if (old != NULL) {
            send_copy(&world->nodes[old->from - 1], &world->nodes[old->to - 1],
                      slice_of(old->bytes, old->len));
        }
    }
}

static int op_send(struct env *env, uint64_t peer, struct slice message)
{
    struct sim_node *node = node_of(env);
    struct sim_world *world = node->world;
    world->sent(node, peer, message);
    if (peer == 0 || peer > world->node_count || world->links[node->id - 1][peer - 1].blocked) {
        return -ENOTCONN;
    }
    if (sim_chance(&world->net, world->loss_per_million)) {
        return 0;
    }
    send_copy(node, &world->nodes[peer - 1], message);
    replay(world, node, peer, message);
    if (sim_chance(&world->net, world->duplicate_per_million)) {
        send_copy(node, &world->nodes[peer - 1], message);
    }
    return 0;
}

static void op_fatal(struct env *env, const char *why)
{
    struct sim_node *node = node_of(env);
    node->world->crashed(node, why);
}

static void op_io_submit(struct env *env, struct env_io *io)
{
    struct sim_node *node = node_of(env);
    struct sim_disk *disk = &node->disk;
    io->next = NULL;
    struct env_io **end = &node->ios;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = io;
    uint64_t start = disk->busy_until > node->world->now ? disk->busy_until : node->world->now;
    uint64_t mean =
        io->kind == ENV_IO_SYNC || io->kind == ENV_IO_SYNC_DIR ? disk->latency_ns : 1000;
    disk->busy_until = start + 1000 + sim_exponential(&node->world->disk, mean);
    push(node->world, SIM_IO, node, disk->busy_until, 0, slice_of(NULL, 0));
}

void sim_disk_stall(struct sim_node *node, uint64_t duration_ns)
{
    uint64_t start =
        node->disk.busy_until > node->world->now ? node->disk.busy_until : node->world->now;
    node->disk.busy_until = start + duration_ns;
}

static const struct env_ops sim_ops = {
    .now_ns = op_now,
    .wall_ns = op_wall,
    .random = op_random,
    .timer_start = op_timer_start,
    .timer_stop = op_timer_stop,
    .io_submit = op_io_submit,
    .send = op_send,
    .fatal = op_fatal,
};

/* ---- running ---- */

void sim_boot(struct sim_node *node)
{
    assert(!node->alive);
    node->alive = true;
    node->incarnation++;
    node->paused_until = 0;
}

void sim_power_cut(struct sim_node *node)
{
    node->alive = false;
    node->incarnation++;
    /* A write under way may have reached the disk in part. */
    for (struct env_io *io = node->ios; io != NULL; io = io->next) {
        if (io->kind == ENV_IO_WRITE && io->file >= 0 && node->disk.files[io->file] != NULL &&
            sim_below(&node->world->disk, 2) == 0) {
            sim_inode_write(node->disk.files[io->file], io->offset, io->buffer, io->len);
        }
        if (io->kind != ENV_IO_WRITE && io->kind != ENV_IO_SYNC) {
            break;
        }
    }
    sim_disk_power_cut(node);
    while (node->ios != NULL) {
        struct env_io *io = node->ios;
        node->ios = io->next;
        if (io->kind == ENV_IO_LIST_DIR) {
            io->buffer = NULL;
        }
        io->result = -ECANCELED;
        io->done(io);
    }
    node->incarnation++; /* Those may have submitted more. */
    while (heap_pop(&node->timers) != NULL) {
    }
}

static void run_event(struct sim_world *world, struct sim_event *event)
{
    struct sim_node *node = event->node;
    sim_trace(world, event->at);
    sim_trace(world, (uint64_t)event->kind << 8 | (node == NULL ? 0 : node->id));
    if (event->kind == SIM_CALL) {
        world->call(world, event->from);
        return;
    }
    if (event->kind == SIM_MESSAGE) {
        if (node->alive && !world->links[event->from - 1][node->id - 1].blocked) {
            world->receive(node, event->from, slice_of(event->bytes, event->len));
        }
        return;
    }
    if (event->incarnation != node->incarnation) {
        return;
    }
    struct env_io *io = node->ios;
    node->ios = io->next;
    io->result = sim_disk_run(node, io);
    struct env_io *then = env_io_next(io);
    if (then != NULL) {
        op_io_submit(&node->env, then); /* Others may come between: a chain promises no more. */
        return;
    }
    io->done(io);
}

static struct sim_node *next_timer(struct sim_world *world, uint64_t *ret_at)
{
    struct sim_node *best = NULL;
    for (size_t i = 0; i < world->node_count; i++) {
        struct sim_node *node = &world->nodes[i];
        const struct env_timer *timer = node->alive ? heap_peek(&node->timers) : NULL;
        if (timer == NULL) {
            continue;
        }
        uint64_t at =
            timer->deadline_ns > node->paused_until ? timer->deadline_ns : node->paused_until;
        if (best == NULL || at < *ret_at) {
            best = node;
            *ret_at = at;
        }
    }
    return best;
}

bool sim_run_one(struct sim_world *world)
{
    uint64_t at = 0;
    struct sim_node *node = next_timer(world, &at);
    struct sim_event *event = heap_peek(&world->queue);
    world->events++;
    if (world->events > SIM_EVENTS_MAX) {
        sim_fail(world, "an event storm: more than %d events", SIM_EVENTS_MAX);
    }
    if (node != NULL && (event == NULL || at < event->at)) {
        struct env_timer *timer = heap_pop(&node->timers);
        world->now = at > world->now ? at : world->now;
        sim_trace(world, world->now ^ node->id);
        timer->fire(timer->data);
        return true;
    }
    event = heap_pop(&world->queue);
    if (event == NULL) {
        return false;
    }
    world->now = event->at > world->now ? event->at : world->now;
    bool same = event->node != NULL && event->incarnation == event->node->incarnation;
    if (same && event->node->paused_until > world->now) {
        event->at = event->node->paused_until;
        event->sequence = world->sequence++;
        heap_push(&world->queue, event);
        return true;
    }
    run_event(world, event);
    free(event);
    return true;
}

void sim_init(struct sim_world *world, uint64_t seed, size_t node_count)
{
    assert(node_count <= SIM_NODES_MAX);
    *world = (struct sim_world){.seed = seed, .node_count = node_count};
    struct sim_random root = {seed};
    world->net.state = sim_next(&root);
    world->disk.state = sim_next(&root);
    world->schedule.state = sim_next(&root);
    world->work.state = sim_next(&root);
    world->entropy.state = sim_next(&root);
    heap_init(&world->queue, offsetof(struct sim_event, position), event_before);
    for (size_t i = 0; i < node_count; i++) {
        struct sim_node *node = &world->nodes[i];
        node->env.ops = &sim_ops;
        node->world = world;
        node->id = i + 1;
        node->clock_offset = sim_below(&root, UINT64_C(1000000000000));
        heap_init(&node->timers, offsetof(struct env_timer, position), timer_before);
    }
}

void sim_release(struct sim_world *world)
{
    for (struct sim_event *event = heap_pop(&world->queue); event != NULL;
         event = heap_pop(&world->queue)) {
        free(event);
    }
    heap_release(&world->queue);
    for (size_t i = 0; i < SIM_REPLAY_MAX; i++) {
        free(world->replays[i]);
    }
    for (size_t i = 0; i < world->node_count; i++) {
        sim_disk_release(&world->nodes[i]);
        heap_release(&world->nodes[i].timers);
    }
}
