#include "lib/net/file_watch.h"

#include "lib/base/alloc.h"
#include "lib/base/digest.h"
#include "lib/base/file.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>

/* Looks in a row after which a file cannot be read: while it is replaced it may be gone. */
enum { FAILURES = 2 };

/* What tells one state of a file from the next without reading it. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

/* One look, on a thread of the pool; it owns nothing but what it reads. */
struct look {
    uv_work_t work;
    bool whatever;       /* Read it even if its stamp is the one of the last time. */
    struct stamp before; /* Of the last look. */
    struct stamp now;
    int status; /* -EAGAIN: nothing was read. */
    struct error error;
    struct buffer bytes;
};

struct file_watch {
    struct loop *loop;
    char *path;
    uint64_t look_ms, read_ms;
    const struct file_watch_events *events;
    void *data;
    struct loop_timer timer;
    uint64_t tried_ms;  /* When it was last read, or said to be unreadable. */
    unsigned failures;  /* Looks in a row. */
    struct stamp taken; /* Of the bytes that were read last. */
    uint64_t digest;
    bool looking; /* Then the pool has `look`, and a closed watch is freed when it comes back. */
    bool closed;
    struct look look;
};

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static int read_stamp(const char *path, struct stamp *ret_stamp, struct error *reterr)
{
    struct stat status;
    if (stat(path, &status) < 0) {
        return error_set(reterr, -errno, "cannot read %s: %s", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) { /* A pipe would keep the reader for ever. */
        return error_set(reterr, -EINVAL, "cannot read %s: it is no file", path);
    }
    *ret_stamp = (struct stamp){.device = status.st_dev,
                                .inode = status.st_ino,
                                .size = status.st_size,
                                .modified = status.st_mtim,
                                .changed = status.st_ctim};
    return 0;
}

/* --- On a thread of the pool --- */

static int look_at(const struct file_watch *watch, struct look *look)
{
    int status = read_stamp(watch->path, &look->now, &look->error);
    if (status < 0) {
        return status;
    }
    bool settled = same_stamp(&look->now, &look->before);
    bool new = !same_stamp(&look->now, &watch->taken);
    if (!settled || (!new && !look->whatever)) {
        return -EAGAIN;
    }
    status = file_read(watch->path, &look->bytes, &look->error);
    struct stamp after = {.size = 0};
    if (status == 0) {
        status = read_stamp(watch->path, &after, &look->error);
    }
    /* Written while it was read: what was read may be half of it. */
    return status == 0 && !same_stamp(&look->now, &after) ? -EAGAIN : status;
}

static void on_work(uv_work_t *work)
{
    struct look *look = CONTAINER_OF(work, struct look, work);
    look->status = look_at(CONTAINER_OF(look, struct file_watch, look), look);
}

/* --- On the loop --- */

static void watch_free(struct file_watch *watch)
{
    error_release(&watch->look.error);
    buffer_release(&watch->look.bytes);
    free(watch->path);
    free(watch);
}

static void take(struct file_watch *watch)
{
    struct look *look = &watch->look;
    struct slice bytes = buffer_slice(&look->bytes);
    uint64_t digest = digest64(0, bytes);
    bool changed = digest != watch->digest;
    watch->taken = look->now;
    watch->digest = digest;
    watch->tried_ms = loop_now_ms(watch->loop);
    if (changed) {
        watch->events->changed(watch->data, bytes);
    }
}

static void take_look(struct file_watch *watch)
{
    const struct look *look = &watch->look;
    if (look->status == 0 || look->status == -EAGAIN) {
        watch->failures = 0;
    }
    if (look->status == 0) {
        take(watch);
    } else if (look->status != -EAGAIN && (++watch->failures == FAILURES || look->whatever)) {
        watch->tried_ms = loop_now_ms(watch->loop);
        watch->events->failed(watch->data, error_message(&look->error));
    }
}

static void on_looked(uv_work_t *work, int status)
{
    struct look *look = CONTAINER_OF(work, struct look, work);
    struct file_watch *watch = CONTAINER_OF(look, struct file_watch, look);
    assert(status == 0); /* Nobody cancels it. */
    (void)status;
    if (!watch->closed) {
        look->before = look->now;
        loop_timer_start(watch->loop, &watch->timer, watch->look_ms);
        take_look(watch);
    }
    watch->looking = false; /* Until here, as an event may close the watch. */
    if (watch->closed) {
        watch_free(watch);
    }
}

static void on_timer(void *data)
{
    struct file_watch *watch = data;
    struct look *look = &watch->look;
    look->whatever = loop_now_ms(watch->loop) - watch->tried_ms >= watch->read_ms;
    look->now = (struct stamp){.size = 0};
    error_release(&look->error);
    look->error = (struct error){0};
    buffer_clear(&look->bytes);
    watch->looking = true;
    int status = uv_queue_work(loop_uv(watch->loop), &look->work, on_work, on_looked);
    assert(status == 0); /* Fails for wrong arguments alone. */
    (void)status;
}

struct file_watch *file_watch_open(struct loop *loop, const struct file_watch_options *options,
                                   const struct file_watch_events *events, void *data)
{
    struct file_watch *watch = alloc_zeroed(sizeof(*watch));
    *watch = (struct file_watch){
        .loop = loop,
        .path = alloc_text(options->path),
        .look_ms = options->look_ms == 0 ? FILE_WATCH_LOOK_MS : options->look_ms,
        .read_ms = options->read_ms == 0 ? FILE_WATCH_READ_MS : options->read_ms,
        .events = events,
        .data = data,
        .timer = {.fire = on_timer, .data = watch},
        .tried_ms = loop_now_ms(loop),
        .digest = digest64(0, options->known)};
    buffer_init(&watch->look.bytes, options->size_max);
    loop_timer_start(loop, &watch->timer, watch->look_ms);
    return watch;
}

void file_watch_close(struct file_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    assert(loop_is_current(watch->loop) && !watch->closed);
    loop_timer_stop(watch->loop, &watch->timer);
    watch->closed = true;
    if (!watch->looking) {
        watch_free(watch);
    }
}
