/* The one seam between event-driven code and the world: clock, timers, randomness, files, peers and
 * fatal exit. env_uv runs it on a libuv loop; env_sim on virtual time, disk and network. One env
 * belongs to one loop; every call is made on that loop's thread and every callback runs there,
 * never from inside the call that caused it. */
#ifndef LIB_BASE_ENV_H
#define LIB_BASE_ENV_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"
#include <stdbool.h>
#include <stdint.h>

struct env;

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* A one-shot timer in the caller's memory. Stop it before its memory goes away. */
struct env_timer {
    void (*fire)(void *data);
    void *data;
    uint64_t deadline_ns; /* Absolute, on env_now_ns(); meaningful while armed. */
    uint64_t sequence;    /* The env's: ties fire in the order of starting. */
    size_t position;      /* The env's: 1 + place in its heap, 0 when not armed. */
};

/* One file operation, in the caller's memory until `done` runs. Operations on one file or directory
 * complete in the order of submission, bulk ones apart; a failure is reported to that operation
 * only. A chain (`then`) is one submission: what follows is begun as soon as the one before has
 * succeeded, without asking the loop, and `done` runs once, for the last or for the failed one.
 * Relative paths are refused: paths start with the directory given to the env's user. */
enum env_io_kind {
    ENV_IO_OPEN,     /* path, flags -> file; creates with mode 0600 when ENV_OPEN_CREATE. */
    ENV_IO_CLOSE,    /* file */
    ENV_IO_READ,     /* file, offset, buffer, len -> result bytes (short at end of file) */
    ENV_IO_WRITE,    /* file, offset, buffer, len -> result == len or an error */
    ENV_IO_SYNC,     /* file: fdatasync */
    ENV_IO_ALLOCATE, /* file, offset, len: fallocate */
    ENV_IO_TRUNCATE, /* file, len: ftruncate */
    ENV_IO_RENAME,   /* path, path_to */
    ENV_IO_UNLINK,   /* path */
    ENV_IO_SYNC_DIR, /* path: fsync of the directory */
    ENV_IO_MAKE_DIR, /* path; existing is no error; its own name is durable then */
    ENV_IO_LIST_DIR, /* path -> names (NUL-separated, sorted) and result = their total bytes */
    ENV_IO_SIZE,     /* file -> result = size in bytes */
};

enum env_open_flags {
    ENV_OPEN_CREATE = 1,
    ENV_OPEN_WRITE = 2,
    ENV_OPEN_TRUNCATE = 4,
    ENV_OPEN_DIRECT = 8, /* Past the page cache, where the file system can do that. */
};

/* Of a file opened with ENV_OPEN_DIRECT, offset, length and memory of each transfer are multiples
 * of this. */
enum { ENV_DIRECT_UNIT = 512 };

struct env_io {
    enum env_io_kind kind;
    const char *path; /* Borrowed until done. */
    const char *path_to;
    int flags; /* enum env_open_flags */
    int file;  /* In for operations on files, out of ENV_IO_OPEN. */
    uint64_t offset;
    uint8_t *buffer; /* Borrowed until done; out of ENV_IO_LIST_DIR it is the caller's to free. */
    size_t len;
    int64_t result; /* >= 0, or a negative errno. */
    void (*done)(struct env_io *io);
    void *data;          /* The caller's. */
    struct env_io *then; /* Next of the chain; its `file` < 0 stands for that of this one. */
    bool bulk;           /* Of the whole chain: large and in no hurry, must not delay others. */
    struct env_io *next; /* The env's. */
    struct env *env;     /* The env's. */
};

struct env_ops {
    uint64_t (*now_ns)(struct env *env);
    int64_t (*wall_ns)(struct env *env);
    uint64_t (*random)(struct env *env);
    void (*timer_start)(struct env *env, struct env_timer *timer, uint64_t delay_ns);
    void (*timer_stop)(struct env *env, struct env_timer *timer);
    void (*io_submit)(struct env *env, struct env_io *io);
    int (*send)(struct env *env, uint64_t peer, struct slice message);
    void (*fatal)(struct env *env, const char *why);
};

struct env {
    const struct env_ops *ops;
};

/* CLOCK_MONOTONIC (never the wall clock) in nanoseconds; constant while one callback runs. */
static inline uint64_t env_now_ns(struct env *env)
{
    return env->ops->now_ns(env);
}

static inline int64_t env_wall_ns(struct env *env) /* For showing, never for deciding. */
{
    return env->ops->wall_ns(env);
}

static inline uint64_t env_random(struct env *env)
{
    return env->ops->random(env);
}

/* (Re)arms the timer to fire once, `delay_ns` from now. */
static inline void env_timer_start(struct env *env, struct env_timer *timer, uint64_t delay_ns)
{
    env->ops->timer_start(env, timer, delay_ns);
}

static inline void env_timer_stop(struct env *env, struct env_timer *timer)
{
    env->ops->timer_stop(env, timer);
}

/* For envs, when `io` has run: what to run next of its chain, or NULL. */
static inline struct env_io *env_io_next(struct env_io *io)
{
    struct env_io *then = io->result >= 0 ? io->then : NULL;
    if (then != NULL && then->file < 0) {
        then->file = io->file;
    }
    return then;
}

static inline void env_io_submit(struct env *env, struct env_io *io)
{
    env->ops->io_submit(env, io);
}

/* Sends one message to another member; copied before it returns. Messages may be lost and
 * repeated, and may be reordered across connections. 0, or -ENOTCONN / -EAGAIN when dropped. */
MUST_USE static inline int env_send(struct env *env, uint64_t peer, struct slice message)
{
    return env->ops->send(env, peer, message);
}

/* Stops the process (or the virtual one) before anything more is acknowledged. In env_uv it does
 * not return; in env_sim it does, and the caller must return at once without further effects. */
static inline void env_fatal(struct env *env, const char *why)
{
    env->ops->fatal(env, why);
}
#endif
