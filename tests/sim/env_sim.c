#include "tests/sim/env_sim.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <errno.h>
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

static uint64_t op_now(struct env *env)
{
    return node_of(env)->world->now + node_of(env)->clock_offset;
}

static int64_t op_wall(struct env *env)
{
    return (int64_t)op_now(env);
}

static uint64_t op_random(struct env *env)
{
    return sim_next(&node_of(env)->world->schedule);
}

static void op_timer_stop(struct env *env, struct env_timer *timer)
{
    heap_remove(&node_of(env)->timers, timer);
}

static void op_timer_start(struct env *env, struct env_timer *timer, uint64_t delay_ns)
{
    struct sim_node *node = node_of(env);
    heap_remove(&node->timers, timer);
    timer->deadline_ns = node->world->now + delay_ns;
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

/* ---- disk ---- */

static void inode_unref(struct sim_inode *inode)
{
    if (inode != NULL && --inode->links == 0) {
        free(inode->cache);
        free(inode->durable);
        free(inode->dirty);
        free(inode);
    }
}

static struct sim_inode *inode_ref(struct sim_inode *inode)
{
    inode->links++;
    return inode;
}

static struct sim_name *name_find(struct sim_directory *directory, const char *name)
{
    for (size_t i = 0; i < directory->count; i++) {
        if (strcmp(directory->names[i].name, name) == 0) {
            return &directory->names[i];
        }
    }
    return NULL;
}

static void name_remove(struct sim_directory *directory, const char *name)
{
    struct sim_name *found = name_find(directory, name);
    if (found != NULL) {
        inode_unref(found->inode);
        *found = directory->names[--directory->count];
    }
}

static void name_set(struct sim_directory *directory, const char *name, struct sim_inode *inode)
{
    (void)inode_ref(inode);
    name_remove(directory, name);
    assert(directory->count < SIM_FILES_MAX);
    struct sim_name *added = &directory->names[directory->count++];
    (void)snprintf(added->name, sizeof(added->name), "%s", name);
    added->inode = inode;
}

static void change_apply(struct sim_directory *directory, const struct sim_change *change)
{
    if (change->to[0] != '\0') {
        name_set(directory, change->to, change->inode);
    }
    if (change->from[0] != '\0') {
        name_remove(directory, change->from);
    }
}

static void change_add(struct sim_disk *disk, const char *from, const char *to,
                       struct sim_inode *inode)
{
    disk->changes = alloc_resize(disk->changes, disk->change_count + 1, sizeof(struct sim_change));
    struct sim_change *change = &disk->changes[disk->change_count++];
    *change = (struct sim_change){.inode = inode == NULL ? NULL : inode_ref(inode)};
    (void)snprintf(change->from, sizeof(change->from), "%s", from);
    (void)snprintf(change->to, sizeof(change->to), "%s", to);
    change_apply(&disk->cache, change);
}

static void changes_clear(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->change_count; i++) {
        inode_unref(disk->changes[i].inode);
    }
    disk->change_count = 0;
}

static void inode_grow(struct sim_inode *inode, size_t len)
{
    if (len > inode->capacity) {
        size_t capacity = (len + SIM_SECTOR - 1) / SIM_SECTOR * SIM_SECTOR;
        inode->cache = alloc_resize(inode->cache, capacity, 1);
        inode->durable = alloc_resize(inode->durable, capacity, 1);
        inode->dirty = alloc_resize(inode->dirty, capacity / SIM_SECTOR, 1);
        memset(inode->cache + inode->capacity, 0, capacity - inode->capacity);
        memset(inode->durable + inode->capacity, 0, capacity - inode->capacity);
        memset(inode->dirty + inode->capacity / SIM_SECTOR, 0,
               (capacity - inode->capacity) / SIM_SECTOR);
        inode->capacity = capacity;
    }
    inode->cache_len = len > inode->cache_len ? len : inode->cache_len;
}

static void inode_write(struct sim_inode *inode, uint64_t offset, const uint8_t *bytes, size_t len)
{
    inode_grow(inode, (size_t)offset + len);
    memcpy(inode->cache + offset, bytes, len);
    for (size_t at = (size_t)offset / SIM_SECTOR; at * SIM_SECTOR < offset + len; at++) {
        inode->dirty[at] = 1;
    }
}

static void inode_sync(struct sim_inode *inode, bool really)
{
    for (size_t at = 0; at * SIM_SECTOR < inode->capacity; at++) {
        if (inode->dirty[at] != 0 && really) {
            memcpy(inode->durable + at * SIM_SECTOR, inode->cache + at * SIM_SECTOR, SIM_SECTOR);
        }
        inode->dirty[at] = 0; /* Also after a failed flush: Linux marks the pages clean. */
    }
    if (really) {
        inode->durable_len = inode->cache_len;
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int64_t io_open(struct sim_disk *disk, struct env_io *io)
{
    struct sim_name *found = name_find(&disk->cache, base_name(io->path));
    int file = 0;
    while (file < SIM_FILES_MAX && disk->files[file] != NULL) {
        file++;
    }
    assert(file < SIM_FILES_MAX); /* The code under test leaks files. */
    if (found == NULL && (io->flags & ENV_OPEN_CREATE) == 0) {
        return -ENOENT;
    }
    if (found == NULL || (io->flags & ENV_OPEN_TRUNCATE) != 0) {
        /* Truncating makes a new inode: the old content may come back at a power cut. */
        struct sim_inode *inode = alloc_zeroed(sizeof(*inode));
        inode->links = 1;
        change_add(disk, "", base_name(io->path), inode);
        disk->files[file] = inode;
    } else {
        disk->files[file] = inode_ref(found->inode);
    }
    io->file = file;
    return 0;
}

static int name_order(const void *a, const void *b)
{
    const struct sim_name *left = a;
    const struct sim_name *right = b;
    return strcmp(left->name, right->name);
}

static int64_t io_list(struct sim_disk *disk, struct env_io *io)
{
    size_t total = 0;
    qsort(disk->cache.names, disk->cache.count, sizeof(struct sim_name), name_order);
    io->buffer = alloc_bytes(disk->cache.count * SIM_NAME_MAX + 1);
    for (size_t i = 0; i < disk->cache.count; i++) {
        size_t len = strlen(disk->cache.names[i].name) + 1;
        memcpy(io->buffer + total, disk->cache.names[i].name, len);
        total += len;
    }
    return (int64_t)total;
}

static int64_t io_transfer(struct sim_inode *inode, struct env_io *io)
{
    if (io->kind == ENV_IO_WRITE) {
        inode_write(inode, io->offset, io->buffer, io->len);
        return (int64_t)io->len;
    }
    size_t left = io->offset >= inode->cache_len ? 0 : inode->cache_len - (size_t)io->offset;
    size_t len = left < io->len ? left : io->len;
    if (len > 0) {
        memcpy(io->buffer, inode->cache + io->offset, len);
    }
    return (int64_t)len;
}

static int64_t io_on_names(struct sim_disk *disk, struct env_io *io)
{
    const char *name = base_name(io->path);
    struct sim_name *found = name_find(&disk->cache, name);
    if (io->kind == ENV_IO_SYNC_DIR) {
        for (size_t i = 0; i < disk->change_count; i++) {
            change_apply(&disk->durable, &disk->changes[i]);
        }
        changes_clear(disk);
        return 0;
    }
    if (io->kind == ENV_IO_MAKE_DIR) {
        return 0;
    }
    if (found == NULL) {
        return -ENOENT;
    }
    change_add(disk, name, io->kind == ENV_IO_RENAME ? base_name(io->path_to) : "",
               io->kind == ENV_IO_RENAME ? found->inode : NULL);
    return 0;
}

static bool on_file(enum env_io_kind kind)
{
    return kind == ENV_IO_CLOSE || kind == ENV_IO_READ || kind == ENV_IO_WRITE ||
           kind == ENV_IO_SYNC || kind == ENV_IO_ALLOCATE || kind == ENV_IO_TRUNCATE ||
           kind == ENV_IO_SIZE;
}

static int64_t io_run(struct sim_node *node, struct env_io *io)
{
    struct sim_disk *disk = &node->disk;
    struct sim_inode *inode = NULL;
    bool fault = sim_chance(&node->world->disk, disk->fault_per_million);
    if (on_file(io->kind)) {
        assert(io->file >= 0 && io->file < SIM_FILES_MAX);
        inode = disk->files[io->file];
        assert(inode != NULL);
    }
    if (fault && io->kind == ENV_IO_SYNC) {
        inode_sync(inode, /* really= */ false);
    }
    if (fault && io->kind != ENV_IO_CLOSE) {
        return io->kind == ENV_IO_ALLOCATE ? -ENOSPC : -EIO;
    }
    switch (io->kind) {
    case ENV_IO_OPEN:
        return io_open(disk, io);
    case ENV_IO_CLOSE:
        inode_unref(inode);
        disk->files[io->file] = NULL;
        return 0;
    case ENV_IO_READ:
    case ENV_IO_WRITE:
        return io_transfer(inode, io);
    case ENV_IO_SYNC:
        inode_sync(inode, /* really= */ true);
        return 0;
    case ENV_IO_ALLOCATE:
        inode_grow(inode, (size_t)io->offset + io->len);
        return 0;
    case ENV_IO_TRUNCATE:
        return -EOPNOTSUPP;
    case ENV_IO_RENAME:
    case ENV_IO_UNLINK:
    case ENV_IO_SYNC_DIR:
    case ENV_IO_MAKE_DIR:
        return io_on_names(disk, io);
    case ENV_IO_LIST_DIR:
        return io_list(disk, io);
    case ENV_IO_SIZE:
        return (int64_t)inode->cache_len;
    }
    return -EINVAL;
}

static void inode_power_cut(struct sim_inode *inode, struct sim_random *random)
{
    if (inode->cache_len != inode->durable_len && sim_below(random, 2) == 0) {
        inode->durable_len = inode->cache_len;
    }
    for (size_t at = 0; at * SIM_SECTOR < inode->capacity; at++) {
        uint64_t fate = inode->dirty[at] == 0 ? 0 : sim_below(random, 4);
        size_t from = at * SIM_SECTOR;
        if (fate == 1) {
            memcpy(inode->durable + from, inode->cache + from, SIM_SECTOR);
        } else if (fate == 2) {
            memcpy(inode->durable + from, inode->cache + from, sim_below(random, SIM_SECTOR));
        }
        inode->dirty[at] = 0;
    }
    if (inode->capacity > 0) {
        memcpy(inode->cache, inode->durable, inode->capacity);
    }
    inode->cache_len = inode->durable_len;
}

static void disk_power_cut(struct sim_node *node)
{
    struct sim_disk *disk = &node->disk;
    struct sim_random *random = &node->world->disk;
    for (size_t i = 0; i < disk->change_count; i++) {
        if (sim_below(random, 2) == 0) {
            change_apply(&disk->durable, &disk->changes[i]);
        }
    }
    changes_clear(disk);
    for (size_t i = 0; i < SIM_FILES_MAX; i++) {
        inode_unref(disk->files[i]);
        disk->files[i] = NULL;
    }
    while (disk->cache.count > 0) {
        name_remove(&disk->cache, disk->cache.names[0].name);
    }
    for (size_t i = 0; i < disk->durable.count; i++) {
        struct sim_name *name = &disk->durable.names[i];
        inode_power_cut(name->inode, random);
        name_set(&disk->cache, name->name, name->inode);
    }
    disk->busy_until = 0;
}

const struct sim_inode *sim_durable_file(const struct sim_node *node, size_t at, const char **name)
{
    if (at >= node->disk.durable.count) {
        return NULL;
    }
    *name = node->disk.durable.names[at].name;
    return node->disk.durable.names[at].inode;
}

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
            inode_write(node->disk.files[io->file], io->offset, io->buffer, io->len);
        }
        if (io->kind != ENV_IO_WRITE && io->kind != ENV_IO_SYNC) {
            break;
        }
    }
    disk_power_cut(node);
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
    io->result = io_run(node, io);
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
    for (size_t i = 0; i < world->node_count; i++) {
        struct sim_disk *disk = &world->nodes[i].disk;
        disk_power_cut(&world->nodes[i]);
        while (disk->cache.count > 0) {
            name_remove(&disk->cache, disk->cache.names[0].name);
        }
        while (disk->durable.count > 0) {
            name_remove(&disk->durable, disk->durable.names[0].name);
        }
        free(disk->changes);
        heap_release(&world->nodes[i].timers);
    }
}
