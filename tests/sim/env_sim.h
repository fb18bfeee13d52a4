/* A simulated world: virtual time, network and disks of some machines, all from one 64-bit seed and
 * bit-exactly repeatable. One thread. Each machine has an env (lib/base/env.h). */
#ifndef TESTS_SIM_ENV_SIM_H
#define TESTS_SIM_ENV_SIM_H
#include "lib/base/env.h"
#include "lib/base/heap.h"
#include <stdbool.h>

enum {
    SIM_NODES_MAX = 7,
    SIM_SECTOR = 512,
    SIM_FILES_MAX = 320,
    SIM_NAME_MAX = 96,
    SIM_REPLAY_MAX = 64, /* Messages of the past that may come again. */
    SIM_FAILURE_MAX = 400,
    SIM_EVENTS_MAX = 1000000, /* Of one run: more are a storm of messages or timers. */
};

struct sim_random {
    uint64_t state;
};
uint64_t sim_next(struct sim_random *random);
uint64_t sim_below(struct sim_random *random, uint64_t limit); /* 0 when limit is 0. */
bool sim_chance(struct sim_random *random, uint32_t per_million);
uint64_t sim_exponential(struct sim_random *random, uint64_t mean);

struct sim_inode {
    uint32_t links;                   /* From names, open files and unfinished directory changes. */
    uint8_t *cache, *durable, *dirty; /* `dirty`: one byte a sector. */
    size_t cache_len, durable_len, capacity;
    size_t dirty_from, dirty_end; /* No sector outside of these is dirty. */
    bool stale; /* A flush failed: clean sectors may differ from what is durable. */
};

struct sim_name {
    char name[SIM_NAME_MAX];
    struct sim_inode *inode;
};

struct sim_directory {
    size_t count;
    struct sim_name names[SIM_FILES_MAX];
};

struct sim_change { /* Of the directory, not yet flushed: `to` gets inode, `from` is removed. */
    char from[SIM_NAME_MAX], to[SIM_NAME_MAX];
    struct sim_inode *inode;
};

struct sim_disk {
    struct sim_directory cache, durable;
    struct sim_change *changes;
    size_t change_count;
    struct sim_inode *files[SIM_FILES_MAX];
    bool direct[SIM_FILES_MAX]; /* Of `files`. */
    uint64_t busy_until;
    uint32_t fault_per_million; /* EIO or ENOSPC of one operation. */
    bool full;                  /* What would make a file longer fails with ENOSPC. */
    uint64_t latency_ns;
};

struct sim_node {
    struct env env;
    struct sim_world *world;
    uint64_t id;
    bool alive;
    uint32_t incarnation;
    uint64_t paused_until, clock_offset;
    int64_t drift_ppm;   /* Its monotonic clock runs so much faster. */
    int64_t wall_offset; /* Jumps. */
    struct heap timers;
    struct sim_disk disk;
    struct env_io *ios; /* Submitted, not done; in order. */
    void *owner;
};

struct sim_link {
    bool blocked;
    uint64_t last_at; /* For links that keep order. */
};

struct sim_world {
    uint64_t seed, now, sequence, trace, events;
    /* One stream for each purpose, so that leaving out one fault changes little else. */
    struct sim_random net, disk, schedule, work, entropy;
    unsigned verbose;              /* 1: what happens; 2: messages too. */
    char failure[SIM_FAILURE_MAX]; /* The first one; the run is over. */
    struct heap queue;
    size_t node_count;
    struct sim_node nodes[SIM_NODES_MAX];
    struct sim_link links[SIM_NODES_MAX][SIM_NODES_MAX];
    uint64_t delay_min_ns, delay_mean_ns;
    uint32_t loss_per_million, duplicate_per_million, replay_per_million;
    struct sim_message *replays[SIM_REPLAY_MAX]; /* Recorded while replay_per_million is not 0. */
    size_t replay_next;
    bool ordered; /* Links keep their order, as one TCP connection does. */
    void (*receive)(struct sim_node *to, uint64_t from, struct slice message);
    void (*sent)(struct sim_node *from, uint64_t to, struct slice message); /* For checkers. */
    void (*crashed)(struct sim_node *node, const char *why);                /* By env_fatal(). */
    void (*call)(struct sim_world *world, uint64_t what);                   /* sim_at() */
    void *data;
};

void sim_init(struct sim_world *world, uint64_t seed, size_t node_count);
void sim_release(struct sim_world *world);
void sim_at(struct sim_world *world, uint64_t delay_ns, uint64_t what);
bool sim_run_one(struct sim_world *world); /* False when nothing is left. */
void sim_boot(struct sim_node *node);
/* Power is cut: everything not flushed is kept, lost or torn by sector. The owner's outstanding
 * operations end with -ECANCELED inside this call; it must have marked itself dead before. */
void sim_power_cut(struct sim_node *node);
void sim_disk_wipe(struct sim_node *node); /* Everything on it is gone. Not while it runs. */
void sim_trace(struct sim_world *world, uint64_t value);
/* A rule does not hold. The first failure counts. */
void sim_fail(struct sim_world *world, const char *format, ...) PRINTF_LIKE(2, 3);
/* A line for the reader of one seed, with the time; nothing unless `verbose`. */
void sim_say(struct sim_world *world, const char *format, ...) PRINTF_LIKE(2, 3);
void sim_disk_stall(struct sim_node *node, uint64_t duration_ns); /* Nothing completes meanwhile. */
/* The machine's own monotonic clock, as its env tells it. */
uint64_t sim_node_now(const struct sim_node *node);
/* What would survive a power cut for certain: bytes and length, or NULL. */
const struct sim_inode *sim_durable_file(const struct sim_node *node, size_t at, const char **name);

/* --- sim_disk.c, for env_sim.c. */
int64_t sim_disk_run(struct sim_node *node, struct env_io *io); /* Its result. */
void sim_inode_write(struct sim_inode *inode, uint64_t offset, const uint8_t *bytes, size_t len);
void sim_disk_power_cut(struct sim_node *node);
void sim_disk_release(struct sim_node *node);
void sim_disk_lose(struct sim_node *node, const char *name); /* A file of a machine that is down. */
#endif
