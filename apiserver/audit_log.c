#include "apiserver/audit_log.h"

#include "apiserver/audit_backups.h"
#include "apiserver/audit_delivery.h"
#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/log.h"
#include "lib/base/memory_budget.h"
#include "lib/base/metrics.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Lines, and who waits for them to be written. */
struct lines {
    struct buffer text;
    struct audit_delivery **waiters;
    size_t waiter_count, waiter_capacity;
    struct memory_hold hold; /* Of the text's memory. */
};

struct audit_log {
    struct audit_log_options options;
    char *path;
    struct audit_backups *backups; /* NULL: the standard output. */
    /* The thread's. */
    pthread_t thread;
    int fd;
    uint64_t size;
    bool failing;
    struct lines writing;
    /* Shared. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* `pending`, `closing` or `ended`. */
    struct lines pending;
    bool closing;
    bool ended;
};

static bool is_stdout(const struct audit_log *log)
{
    return strcmp(log->path, "-") == 0;
}

/* --- Files --- */

static int open_file(struct audit_log *log)
{
    if (is_stdout(log)) {
        log->fd = STDOUT_FILENO;
        return 0;
    }
    struct stat info;
    log->fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log->fd < 0 || fstat(log->fd, &info) < 0) {
        return -errno;
    }
    log->size = (uint64_t)info.st_size;
    return 0;
}

static void close_file(struct audit_log *log)
{
    if (log->fd >= 0 && !is_stdout(log)) {
        close(log->fd);
    }
    log->fd = -1;
}

/* Puts the full file aside and begins a new one. Where that fails, the old one goes on. */
static int begin_file(struct audit_log *log)
{
    int result = audit_backups_put_aside(log->backups);
    if (result == 0 || result == -ENOENT) {
        close_file(log);
        result = open_file(log);
    }
    return result;
}

/* --- Writing --- */

static void report(struct audit_log *log, int error)
{
    if (error != 0 && !log->failing) {
        LOG_WARN("audit", "cannot write the audit log: events are lost", KV_TEXT("file", log->path),
                 KV_TEXT("reason", strerror(-error)));
    } else if (error == 0 && log->failing) {
        LOG_INFO("audit", "the audit log is written again", KV_TEXT("file", log->path));
    }
    log->failing = error != 0;
}

static int write_all(struct audit_log *log, struct slice bytes)
{
    while (bytes.len > 0) {
        int before = 0;
        /* Only here: a pipe that nobody reads must not hold up the end of the process. */
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
        ssize_t count = write(log->fd, bytes.data, bytes.len);
        int error = errno;
        pthread_setcancelstate(before, NULL);
        if (count < 0 && error != EINTR) {
            return -error;
        }
        if (count > 0) {
            log->size += (uint64_t)count;
            bytes.data += count;
            bytes.len -= (size_t)count;
        }
    }
    return 0;
}

static size_t line_length(struct slice bytes)
{
    const uint8_t *newline = memchr(bytes.data, '\n', bytes.len);
    return newline == NULL ? bytes.len : (size_t)(newline - bytes.data) + 1;
}

/* The whole lines at the front that the file has room for: at least one. */
static struct slice lines_that_fit(const struct audit_log *log, struct slice bytes,
                                   int64_t *ret_count)
{
    size_t len = line_length(bytes);
    int64_t count = 1;
    while (len < bytes.len) {
        size_t more = line_length(slice_of(bytes.data + len, bytes.len - len));
        if (log->options.size_max > 0 && log->size + len + more > log->options.size_max) {
            break;
        }
        len += more;
        count++;
    }
    *ret_count = count;
    return slice_of(bytes.data, len);
}

/* 0, or why some of them are lost. */
static int write_lines(struct audit_log *log, struct slice bytes)
{
    int outcome = 0;
    while (bytes.len > 0) {
        uint64_t size_max = log->options.size_max;
        bool full = size_max > 0 && log->size > 0 && log->size + line_length(bytes) > size_max;
        int result = full && !is_stdout(log) ? begin_file(log) : 0;
        if (log->fd < 0) {
            result = open_file(log);
        }
        int64_t count = 0;
        struct slice lines = lines_that_fit(log, bytes, &count);
        if (log->fd >= 0) {
            result = write_all(log, lines);
        }
        if (result < 0) {
            metric_add(log->options.errors, count);
            outcome = result;
        }
        report(log, result);
        bytes = slice_of(bytes.data + lines.len, bytes.len - lines.len);
    }
    return outcome;
}

/* --- Lines that wait --- */

static void lines_init(struct lines *lines, const struct audit_log_options *options)
{
    buffer_init(&lines->text, options->queue_max == 0 ? AUDIT_QUEUE_MAX : options->queue_max);
    lines->hold = (struct memory_hold){.budget = options->budget};
}

static void lines_release(struct lines *lines)
{
    memory_hold_set(&lines->hold, 0);
    buffer_release(&lines->text);
    free(lines->waiters);
}

/* False when there is no room. */
static bool lines_add(struct lines *lines, struct slice line, struct audit_delivery *delivery)
{
    if (line.len > lines->text.max - lines->text.len) {
        return false;
    }
    buffer_append_slice(&lines->text, line);
    memory_hold_set(&lines->hold, lines->text.capacity);
    if (delivery != NULL && lines->waiter_count == lines->waiter_capacity) {
        lines->waiter_capacity = lines->waiter_capacity == 0 ? 16 : 2 * lines->waiter_capacity;
        lines->waiters =
            alloc_resize(lines->waiters, lines->waiter_capacity, sizeof(struct audit_delivery *));
    }
    if (delivery != NULL) {
        lines->waiters[lines->waiter_count++] = delivery;
    }
    return true;
}

/* They are written, or lost. */
static void lines_end(struct lines *lines, int status)
{
    for (size_t i = 0; i < lines->waiter_count; i++) {
        audit_delivery_end(lines->waiters[i], status);
    }
    lines->waiter_count = 0;
    buffer_clear(&lines->text);
    if (lines->text.capacity > AUDIT_LINES_KEPT) {
        buffer_release(&lines->text);
        memory_hold_set(&lines->hold, 0);
    }
}

static void *run(void *data)
{
    struct audit_log *log = data;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_mutex_lock(&log->lock);
    for (;;) {
        while (log->pending.text.len == 0 && !log->closing) {
            pthread_cond_wait(&log->changed, &log->lock);
        }
        if (log->pending.text.len == 0) {
            break;
        }
        struct lines swapped = log->pending;
        log->pending = log->writing;
        log->writing = swapped;
        pthread_mutex_unlock(&log->lock);
        int status = write_lines(log, buffer_slice(&log->writing.text));
        lines_end(&log->writing, log->options.strict ? status : 0);
        pthread_mutex_lock(&log->lock);
    }
    log->ended = true;
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

void audit_log_put(struct audit_log *log, struct slice line, struct audit_delivery *delivery)
{
    assert(line.len > 0 && line.data[line.len - 1] == '\n');
    pthread_mutex_lock(&log->lock);
    bool first = log->pending.text.len == 0;
    bool fits = lines_add(&log->pending, line, delivery);
    pthread_mutex_unlock(&log->lock);
    if (!fits) {
        metric_add(log->options.errors, 1);
        audit_delivery_end(delivery, log->options.strict ? -ENOBUFS : 0);
    } else if (first) {
        pthread_cond_broadcast(&log->changed);
    }
}

/* --- Life --- */

static void release(struct audit_log *log)
{
    close_file(log);
    lines_release(&log->pending);
    lines_release(&log->writing);
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
    audit_backups_free(log->backups);
    free(log->path);
    free(log);
}

static int open_backups(struct audit_log *log)
{
    const struct audit_backups_options options = {.path = log->path,
                                                  .count_max = log->options.backups_max,
                                                  .age_days_max = log->options.age_days_max,
                                                  .compress = log->options.compress};
    return audit_backups_new(&options, &log->backups);
}

int audit_log_open(const struct audit_log_options *options, struct audit_log **ret_log,
                   struct error *reterr)
{
    struct audit_log *log = alloc_zeroed(sizeof(*log));
    log->options = *options;
    log->path = alloc_text(options->path);
    log->fd = -1;
    lines_init(&log->pending, options);
    lines_init(&log->writing, options);
    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&log->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int result = open_file(log);
    if (result == 0 && !is_stdout(log)) {
        result = open_backups(log);
    }
    if (result == 0) {
        result = -pthread_create(&log->thread, NULL, run, log);
    }
    if (result < 0) {
        (void)error_set(reterr, result, "audit log %s: %s", options->path, strerror(-result));
        release(log);
        return result;
    }
    *ret_log = log;
    return 0;
}

void audit_log_close(struct audit_log *log)
{
    if (log == NULL) {
        return;
    }
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += AUDIT_CLOSE_MS / 1000;
    pthread_mutex_lock(&log->lock);
    log->closing = true;
    pthread_cond_broadcast(&log->changed);
    int status = 0;
    while (!log->ended && status == 0) {
        status = pthread_cond_timedwait(&log->changed, &log->lock, &deadline);
    }
    bool ended = log->ended;
    pthread_mutex_unlock(&log->lock);
    if (!ended) {
        LOG_WARN("audit", "the audit log is too slow: its last events are lost",
                 KV_TEXT("file", log->path));
        pthread_cancel(log->thread);
    }
    pthread_join(log->thread, NULL);
    lines_end(&log->writing, -ECANCELED);
    lines_end(&log->pending, -ECANCELED);
    release(log);
}
