#include "apiserver/audit_log.h"

#include "apiserver/audit_delivery.h"
#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/log.h"
#include "lib/base/memory_budget.h"
#include "lib/base/metrics.h"
#include "lib/base/time_text.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STAMP_LEN = 23, SECONDS_A_DAY = 86400 }; /* "2006-01-02T15-04-05.000" */

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
    char *dir, *stem, *extension; /* "/var/log", "audit", ".log" */
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

/* As names of backups have it. */
static void print_stamp(int64_t time_ms, char ret_text[TIME_TEXT_SIZE])
{
    char seconds[TIME_TEXT_SIZE];
    time_format_local(time_ms / 1000, seconds);
    for (char *c = seconds; *c != 0; c++) {
        *c = *c == ':' ? '-' : *c;
    }
    int len = snprintf(ret_text, TIME_TEXT_SIZE, "%.70s.%03d", seconds, (int)(time_ms % 1000));
    assert(len == STAMP_LEN);
    (void)len;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The stamp inside of the name of a backup of ours; NULL when it is another file. */
static const char *stamp_of(const struct audit_log *log, const char *name)
{
    static const char shape[] = "dddd-dd-ddTdd-dd-dd.ddd";
    size_t stem = strlen(log->stem);
    if (strncmp(name, log->stem, stem) != 0 || name[stem] != '-' ||
        strlen(name) != stem + 1 + STAMP_LEN + strlen(log->extension) ||
        strcmp(name + stem + 1 + STAMP_LEN, log->extension) != 0) {
        return NULL;
    }
    const char *stamp = name + stem + 1;
    for (size_t i = 0; i < STAMP_LEN; i++) {
        bool digit = stamp[i] >= '0' && stamp[i] <= '9';
        if (shape[i] == 'd' ? !digit : stamp[i] != shape[i]) {
            return NULL;
        }
    }
    return stamp;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a);
}

static size_t find_backups(const struct audit_log *log, char **names)
{
    size_t count = 0;
    DIR *dir = opendir(log->dir);
    const struct dirent *entry = NULL;
    while (dir != NULL && count < AUDIT_BACKUPS_MAX && (entry = readdir(dir)) != NULL) {
        if (stamp_of(log, entry->d_name) != NULL) {
            names[count++] = alloc_text(entry->d_name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    qsort(names, count, sizeof(*names), newest_first);
    return count;
}

static void remove_old_backups(const struct audit_log *log)
{
    const struct audit_log_options *options = &log->options;
    if (options->backups_max == 0 && options->age_days_max == 0) {
        return;
    }
    char oldest[TIME_TEXT_SIZE] = "";
    if (options->age_days_max > 0) {
        print_stamp(now_ms() - (int64_t)options->age_days_max * SECONDS_A_DAY * 1000, oldest);
    }
    char **names = alloc_array(AUDIT_BACKUPS_MAX, sizeof(*names));
    size_t count = find_backups(log, names);
    for (size_t i = 0; i < count; i++) {
        bool one_too_many = options->backups_max > 0 && i >= options->backups_max;
        if (one_too_many || strncmp(stamp_of(log, names[i]), oldest, STAMP_LEN) < 0) {
            char *path = alloc_printf("%s/%s", log->dir, names[i]);
            (void)unlink(path); /* Tried again with the next file. */
            free(path);
        }
        free(names[i]);
    }
    free(names);
}

/* Never over one that is there: two files of one millisecond get different times. */
static int put_aside(struct audit_log *log)
{
    int result = -EEXIST;
    int64_t now = now_ms();
    for (int64_t later = 0; result == -EEXIST && later < AUDIT_BACKUPS_MAX; later++) {
        char stamp[TIME_TEXT_SIZE];
        print_stamp(now + later, stamp);
        char *backup = alloc_printf("%s/%s-%s%s", log->dir, log->stem, stamp, log->extension);
        result = link(log->path, backup) < 0 ? -errno : 0;
        free(backup);
    }
    if (result == 0) {
        result = unlink(log->path) < 0 ? -errno : 0;
    }
    return result;
}

/* Puts the full file aside and begins a new one. Where that fails, the old one goes on. */
static int begin_file(struct audit_log *log)
{
    int result = put_aside(log);
    if (result == 0 || result == -ENOENT) {
        close_file(log);
        result = open_file(log);
        remove_old_backups(log);
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

static void split_path(struct audit_log *log)
{
    const char *slash = strrchr(log->path, '/');
    const char *name = slash == NULL ? log->path : slash + 1;
    const char *dot = strrchr(name, '.');
    size_t stem = dot == NULL ? strlen(name) : (size_t)(dot - name);
    size_t dir = slash == NULL ? 0 : (size_t)(slash - log->path);
    log->dir = slash == NULL ? alloc_text(".") : alloc_printf("%.*s/", (int)dir, log->path);
    log->stem = alloc_printf("%.*s", (int)stem, name);
    log->extension = alloc_text(dot == NULL ? "" : dot);
}

static void release(struct audit_log *log)
{
    close_file(log);
    lines_release(&log->pending);
    lines_release(&log->writing);
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
    free(log->path);
    free(log->dir);
    free(log->stem);
    free(log->extension);
    free(log);
}

int audit_log_open(const struct audit_log_options *options, struct audit_log **ret_log,
                   struct error *reterr)
{
    struct audit_log *log = alloc_zeroed(sizeof(*log));
    log->options = *options;
    log->path = alloc_text(options->path);
    log->fd = -1;
    split_path(log);
    lines_init(&log->pending, options);
    lines_init(&log->writing, options);
    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&log->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int result = open_file(log);
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
