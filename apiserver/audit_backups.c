#include "apiserver/audit_backups.h"

#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/time_text.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum {
    STAMP_LEN = 23, /* "2006-01-02T15-04-05.000" */
    SECONDS_A_DAY = 86400,
    PIECE_BYTES = 64 * 1024,
    ENDS_WITHIN_BYTES = 4 * 1024 * 1024, /* Of a file: more is not compressed while closing. */
};

static const char COMPRESSED[] = ".gz";

struct audit_backups {
    struct audit_backups_options options;
    char *path;
    char *dir, *stem, *extension; /* "/var/log", "audit", ".log" */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool wanted;          /* There is something to look after. */
    int64_t put_aside_ms; /* By its name, the last file. */
    atomic_bool closing;
};

/* --- Names --- */

/* As they have it. */
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

static bool is_stamp(const char *text)
{
    static const char shape[] = "dddd-dd-ddTdd-dd-dd.ddd";
    for (size_t i = 0; i < STAMP_LEN; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (shape[i] == 'd' ? !digit : text[i] != shape[i]) {
            return false;
        }
    }
    return true;
}

/* What follows the stamp in the name of a backup of ours: the extension, and perhaps COMPRESSED. */
static const char *ending_of(const struct audit_backups *backups, const char *name)
{
    return name + strlen(backups->stem) + 1 + STAMP_LEN;
}

static bool is_compressed(const struct audit_backups *backups, const char *name)
{
    return ending_of(backups, name)[strlen(backups->extension)] != 0;
}

/* The stamp inside of the name of a backup of ours; NULL when it is another file. */
static const char *stamp_of(const struct audit_backups *backups, const char *name)
{
    size_t stem = strlen(backups->stem), extension = strlen(backups->extension);
    if (strlen(name) < stem + 1 + STAMP_LEN + extension ||
        strncmp(name, backups->stem, stem) != 0 || name[stem] != '-' ||
        !is_stamp(name + stem + 1) ||
        strncmp(ending_of(backups, name), backups->extension, extension) != 0) {
        return NULL;
    }
    const char *rest = ending_of(backups, name) + extension;
    return rest[0] == 0 || strcmp(rest, COMPRESSED) == 0 ? name + stem + 1 : NULL;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a);
}

static size_t find_backups(const struct audit_backups *backups, char **names)
{
    size_t count = 0;
    DIR *dir = opendir(backups->dir);
    const struct dirent *entry = NULL;
    while (dir != NULL && count < AUDIT_BACKUPS_MAX && (entry = readdir(dir)) != NULL) {
        if (stamp_of(backups, entry->d_name) != NULL) {
            names[count++] = alloc_text(entry->d_name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    qsort(names, count, sizeof(*names), newest_first);
    return count;
}

/* --- Compression --- */

/* 0, -ECANCELED when we are to end, or another negative errno. */
static int copy_compressed(const struct audit_backups *backups, int from, gzFile into)
{
    uint8_t piece[PIECE_BYTES];
    for (size_t done = 0;;) {
        ssize_t len = read(from, piece, sizeof(piece));
        if (len <= 0) {
            return len == 0 ? 0 : -errno;
        }
        if (gzwrite(into, piece, (unsigned)len) != (int)len) {
            return -EIO;
        }
        done += (size_t)len;
        if (done >= ENDS_WITHIN_BYTES && atomic_load(&backups->closing)) {
            return -ECANCELED;
        }
    }
}

static int compress_into(const struct audit_backups *backups, int from, const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return -errno;
    }
    gzFile into = gzdopen(file, "wb");
    if (into == NULL) {
        close(file);
        return -ENOMEM;
    }
    int status = copy_compressed(backups, from, into);
    int closed = gzclose(into);
    return status < 0 || closed == Z_OK ? status : -EIO;
}

/* The file is there under one of its names, and whole, whenever we are stopped. */
static int compress_file(const struct audit_backups *backups, const char *name)
{
    char *path = alloc_printf("%s/%s", backups->dir, name);
    char *made = alloc_printf("%s%s", path, COMPRESSED);
    char *part = alloc_printf("%s.part", made);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int status = from < 0 ? -errno : compress_into(backups, from, part);
    if (from >= 0) {
        close(from);
    }
    if (status == 0 && rename(part, made) < 0) {
        status = -errno;
    }
    (void)unlink(status == 0 ? path : part);
    free(path);
    free(made);
    free(part);
    return status;
}

static void compress_logged(const struct audit_backups *backups, const char *name)
{
    int status = compress_file(backups, name);
    if (status < 0 && status != -ECANCELED) {
        LOG_WARN("audit", "cannot compress a file of the audit log", KV_TEXT("file", name),
                 KV_TEXT("reason", strerror(-status)));
    }
}

/* --- The thread --- */

/* Takes away what is too old or one too many; compresses what is left. */
static void tend(const struct audit_backups *backups)
{
    const struct audit_backups_options *options = &backups->options;
    char oldest[TIME_TEXT_SIZE] = "";
    if (options->age_days_max > 0) {
        print_stamp(now_ms() - (int64_t)options->age_days_max * SECONDS_A_DAY * 1000, oldest);
    }
    char **names = alloc_array(AUDIT_BACKUPS_MAX, sizeof(*names));
    size_t count = find_backups(backups, names);
    for (size_t i = 0; i < count; i++) {
        bool one_too_many = options->count_max > 0 && i >= options->count_max;
        if (one_too_many || strncmp(stamp_of(backups, names[i]), oldest, STAMP_LEN) < 0) {
            char *path = alloc_printf("%s/%s", backups->dir, names[i]);
            (void)unlink(path); /* Tried again with the next file. */
            free(path);
        } else if (options->compress && !is_compressed(backups, names[i])) {
            compress_logged(backups, names[i]);
        }
        free(names[i]);
    }
    free(names);
}

static void *run(void *data)
{
    struct audit_backups *backups = data;
    pthread_mutex_lock(&backups->lock);
    for (;;) {
        while (!backups->wanted && !atomic_load(&backups->closing)) {
            pthread_cond_wait(&backups->changed, &backups->lock);
        }
        if (!backups->wanted) {
            break;
        }
        backups->wanted = false;
        pthread_mutex_unlock(&backups->lock);
        tend(backups);
        pthread_mutex_lock(&backups->lock);
    }
    pthread_mutex_unlock(&backups->lock);
    return NULL;
}

int audit_backups_put_aside(struct audit_backups *backups)
{
    int result = -EEXIST;
    int64_t now = now_ms(), last = backups->put_aside_ms;
    /* Never over one that is there: two files of one millisecond get different times, also when
     * the first has been compressed since and has another name. */
    int64_t first = now > last ? now : last + 1;
    for (int64_t time = first; result == -EEXIST && time < first + AUDIT_BACKUPS_MAX; time++) {
        char stamp[TIME_TEXT_SIZE];
        print_stamp(time, stamp);
        backups->put_aside_ms = time;
        char *backup =
            alloc_printf("%s/%s-%s%s", backups->dir, backups->stem, stamp, backups->extension);
        result = link(backups->path, backup) < 0 ? -errno : 0;
        free(backup);
    }
    if (result == 0) {
        result = unlink(backups->path) < 0 ? -errno : 0;
    }
    if (result == 0) {
        pthread_mutex_lock(&backups->lock);
        backups->wanted = true;
        pthread_cond_signal(&backups->changed);
        pthread_mutex_unlock(&backups->lock);
    }
    return result;
}

/* --- Life --- */

static void split_path(struct audit_backups *backups)
{
    const char *slash = strrchr(backups->path, '/');
    const char *name = slash == NULL ? backups->path : slash + 1;
    const char *dot = strrchr(name, '.');
    size_t stem = dot == NULL ? strlen(name) : (size_t)(dot - name);
    size_t dir = slash == NULL ? 0 : (size_t)(slash - backups->path);
    backups->dir = slash == NULL ? alloc_text(".") : alloc_printf("%.*s/", (int)dir, backups->path);
    backups->stem = alloc_printf("%.*s", (int)stem, name);
    backups->extension = alloc_text(dot == NULL ? "" : dot);
}

static void release(struct audit_backups *backups)
{
    pthread_cond_destroy(&backups->changed);
    pthread_mutex_destroy(&backups->lock);
    free(backups->path);
    free(backups->dir);
    free(backups->stem);
    free(backups->extension);
    free(backups);
}

int audit_backups_new(const struct audit_backups_options *options,
                      struct audit_backups **ret_backups)
{
    struct audit_backups *backups = alloc_zeroed(sizeof(*backups));
    backups->options = *options;
    backups->path = alloc_text(options->path);
    backups->wanted = true;
    split_path(backups);
    pthread_mutex_init(&backups->lock, NULL);
    pthread_cond_init(&backups->changed, NULL);
    int result = -pthread_create(&backups->thread, NULL, run, backups);
    if (result < 0) {
        release(backups);
        return result;
    }
    *ret_backups = backups;
    return 0;
}

void audit_backups_free(struct audit_backups *backups)
{
    if (backups == NULL) {
        return;
    }
    pthread_mutex_lock(&backups->lock);
    atomic_store(&backups->closing, true);
    pthread_cond_signal(&backups->changed);
    pthread_mutex_unlock(&backups->lock);
    pthread_join(backups->thread, NULL);
    release(backups);
}
