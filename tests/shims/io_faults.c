/* LD_PRELOAD: tells every file operation below one folder, and makes one of them fail, or the
 * process or the power go down at it. What to do is said by the environment:
 *
 *   SHIM_DIR     the folder; operations elsewhere are left alone
 *   SHIM_KEEP    a folder of ours on the same file system (see unflushed.h)
 *   SHIM_TRACE   a file that gets a line per operation: its site, or what was done at the fault
 *   SHIM_SITE    the site at which the fault is: OPERATION|RETURN ADDRESS|FILE|THE ONE BEFORE
 *   SHIM_NTH     at the how-manieth time; 1 is the first
 *   SHIM_ACTION  eio, enospc, eintr, short, kill-before, kill-after, kill-torn, power-before,
 *                power-after. A power cut takes everything along that was not flushed; so does a
 *                flush that fails, for its file. To test the test: lie (a change is told to have
 *                been made and a flush is told to be one, but is not), power-lie (so is every flush
 *                from here on, until the power goes).
 *
 * A site is where the program calls, for which kind of file, after which other operation of the
 * same thread: programs that have one function for all files still have a site for each purpose. */
#include "tests/shims/unflushed.h"

#include <assert.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 4096, PATH_BYTES = 512, SITE_BYTES = 256, TRANSFER_SHORT = -1, LIES = 40 };

#define CALLER __builtin_return_address(0)

static struct {
    pthread_mutex_t lock;
    char dir[PATH_BYTES];
    size_t dir_len;
    int trace;
    const char *site;
    unsigned long nth;
    const char *action;
    bool at_fault; /* The operation under way is the one. */
    unsigned lies; /* So many flushes more that are none; after them the power goes. */
    char *paths[FDS_MAX];
    bool synchronous[FDS_MAX]; /* Opened with O_DSYNC: durable when written. */
} shim = {.lock = PTHREAD_MUTEX_INITIALIZER, .trace = -1};

static _Thread_local char previous[SITE_BYTES];

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value != NULL ? value : "";
}

static void start(void)
{
    static bool started;
    if (started) {
        return;
    }
    started = true;
    (void)snprintf(shim.dir, sizeof(shim.dir), "%s", setting("SHIM_DIR"));
    shim.dir_len = strlen(shim.dir);
    shim.site = setting("SHIM_SITE");
    shim.action = setting("SHIM_ACTION");
    shim.nth = strtoul(setting("SHIM_NTH"), NULL, 10);
    shim.trace = (int)syscall(SYS_openat, AT_FDCWD, setting("SHIM_TRACE"),
                              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    unflushed_init(setting("SHIM_KEEP"));
}

static void tell(const char *text)
{
    char line[SITE_BYTES * 2];
    int len = snprintf(line, sizeof(line), "%s\n", text);
    (void)!syscall(SYS_write, shim.trace, line, (size_t)len);
}

static bool watched_path(const char *path)
{
    return shim.dir_len > 0 && strncmp(path, shim.dir, shim.dir_len) == 0 &&
           (path[shim.dir_len] == '/' || path[shim.dir_len] == '\0');
}

static bool watched(int fd)
{
    return fd >= 0 && fd < FDS_MAX && shim.paths[fd] != NULL;
}

/* The path below the folder, with each number of it as one '#'. */
static void kind_of(const char *path, char *out, size_t max)
{
    const char *at = path + shim.dir_len;
    size_t len = 0;
    while (*at != '\0' && len + 1 < max) {
        size_t digits = strspn(at, "0123456789abcdef");
        if (digits >= 8) {
            out[len++] = '#';
            at += digits;
        } else {
            out[len++] = *at++;
        }
    }
    out[len] = '\0';
}

static unsigned long address_in_program(const void *caller)
{
    Dl_info info;
    if (dladdr(caller, &info) == 0) {
        return 0;
    }
    return (unsigned long)((uintptr_t)caller - (uintptr_t)info.dli_fbase);
}

static bool acts(const char *what)
{
    return shim.at_fault && strcmp(shim.action, what) == 0;
}

static void go_down(const char *with_power)
{
    if (strncmp(with_power, "power", strlen("power")) == 0) {
        unflushed_drop_all();
    }
    (void)kill(getpid(), SIGKILL);
    for (;;) {
        (void)pause();
    }
}

static void tell_fault(void)
{
    char line[SITE_BYTES];
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    (void)snprintf(line, sizeof(line), "FAULT %lld.%09ld", (long long)now.tv_sec, now.tv_nsec);
    tell(line);
}

/* Every operation begins here and ends with leave(), under the lock. -> 0, the errno with which it
 * fails instead of being done, or TRANSFER_SHORT. */
static int enter(const char *operation, const void *caller, const char *path)
{
    pthread_mutex_lock(&shim.lock);
    char kind[SITE_BYTES / 4], own[SITE_BYTES / 2], site[SITE_BYTES];
    kind_of(path, kind, sizeof(kind));
    (void)snprintf(own, sizeof(own), "%s %s", operation, kind);
    (void)snprintf(site, sizeof(site), "%s|%lx|%s|%.100s", operation, address_in_program(caller),
                   kind, previous);
    (void)snprintf(previous, sizeof(previous), "%s", own);
    shim.at_fault = shim.nth > 0 && strcmp(site, shim.site) == 0 && --shim.nth == 0;
    tell(site);
    if (!shim.at_fault) {
        return 0;
    }
    tell_fault();
    if (acts("kill-before") || acts("power-before")) {
        go_down(shim.action);
    }
    return acts("eio")      ? EIO
           : acts("enospc") ? ENOSPC
           : acts("eintr")  ? EINTR
           : acts("short")  ? TRANSFER_SHORT
                            : 0;
}

static void leave(void)
{
    int error = errno;
    if (acts("kill-after") || acts("power-after")) {
        go_down(shim.action);
    }
    shim.at_fault = false;
    pthread_mutex_unlock(&shim.lock);
    errno = error;
}

/* What the operation claims to have done is not done. */
static int lie(int result)
{
    leave();
    return result;
}

static int refuse(int error)
{
    errno = error;
    leave();
    return -1;
}

/* ---- files ---- */

static int open_watched(const char *path, int flags, mode_t mode, const void *caller)
{
    bool creates = (flags & O_CREAT) != 0;
    int error = enter(creates ? "create" : "open", caller, path);
    if (error > 0) {
        return refuse(error);
    }
    bool there = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags & ~O_TRUNC, mode);
    if (fd >= 0 && fd < FDS_MAX) {
        free(shim.paths[fd]);
        shim.paths[fd] = strdup(path);
        shim.synchronous[fd] = (flags & O_DSYNC) != 0;
        if (!there) {
            unflushed_make(path, /* directory= */ false);
        } else if ((flags & O_TRUNC) != 0) {
            unflushed_resize(fd, 0);
            (void)!syscall(SYS_ftruncate, fd, 0);
        }
    }
    leave();
    return fd;
}

int open(const char *path, int flags, ...)
{
    start();
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (!watched_path(path)) {
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    }
    return open_watched(path, flags, mode, CALLER);
}

int close(int fd)
{
    if (!watched(fd)) {
        return (int)syscall(SYS_close, fd);
    }
    int error = enter("close", CALLER, shim.paths[fd]);
    free(shim.paths[fd]);
    shim.paths[fd] = NULL;
    int result = (int)syscall(SYS_close, fd); /* A close that fails has closed the file, too. */
    if (error > 0) {
        return refuse(error);
    }
    leave();
    return result;
}

static ssize_t read_watched(int fd, void *bytes, size_t len, off_t offset, const void *caller)
{
    int error = enter("read", caller, shim.paths[fd]);
    if (error > 0) {
        return refuse(error);
    }
    if (error == TRANSFER_SHORT && len > 1) {
        len /= 2;
    }
    ssize_t result = offset < 0 ? syscall(SYS_read, fd, bytes, len)
                                : syscall(SYS_pread64, fd, bytes, len, offset);
    leave();
    return result;
}

ssize_t read(int fd, void *bytes, size_t len)
{
    return watched(fd) ? read_watched(fd, bytes, len, -1, CALLER)
                       : syscall(SYS_read, fd, bytes, len);
}

ssize_t pread(int fd, void *bytes, size_t len, off_t offset)
{
    return watched(fd) ? read_watched(fd, bytes, len, offset, CALLER)
                       : syscall(SYS_pread64, fd, bytes, len, offset);
}

static ssize_t write_watched(int fd, const void *bytes, size_t len, off_t offset,
                             const void *caller)
{
    int error = enter("write", caller, shim.paths[fd]);
    if (error > 0) {
        return refuse(error);
    }
    if ((error == TRANSFER_SHORT || acts("kill-torn")) && len > 1) {
        len /= 2;
        /* Part of a sector does not go past the page cache. */
        (void)syscall(SYS_fcntl, fd, F_SETFL, syscall(SYS_fcntl, fd, F_GETFL) & ~O_DIRECT);
    }
    off_t at = offset < 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : offset;
    if (!shim.synchronous[fd]) {
        unflushed_write(fd, at, len);
    }
    if (acts("lie")) {
        return lie((int)len);
    }
    ssize_t result = offset < 0 ? syscall(SYS_write, fd, bytes, len)
                                : syscall(SYS_pwrite64, fd, bytes, len, offset);
    if (acts("kill-torn")) {
        go_down(shim.action);
    }
    leave();
    return result;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    return watched(fd) ? write_watched(fd, bytes, len, -1, CALLER)
                       : syscall(SYS_write, fd, bytes, len);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return watched(fd) ? write_watched(fd, bytes, len, offset, CALLER)
                       : syscall(SYS_pwrite64, fd, bytes, len, offset);
}

static int flush_watched(int fd, long number, const void *caller)
{
    int error = enter("flush", caller, shim.paths[fd]);
    if (error > 0) {
        unflushed_drop_file(fd);
        return refuse(error);
    }
    if (acts("lie")) {
        unflushed_drop_file(fd);
        return lie(0);
    }
    if (acts("power-lie")) {
        shim.lies = LIES;
    }
    if (shim.lies > 0) {
        if (--shim.lies == 0) {
            go_down("power");
        }
        return lie(0);
    }
    int result = (int)syscall(number, fd);
    if (result == 0) {
        unflushed_flush(fd);
        unflushed_flush_dir(shim.paths[fd]); /* If it is one. */
    }
    leave();
    return result;
}

int fsync(int fd)
{
    return watched(fd) ? flush_watched(fd, SYS_fsync, CALLER) : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return watched(fd) ? flush_watched(fd, SYS_fdatasync, CALLER) : (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t size)
{
    if (!watched(fd)) {
        return (int)syscall(SYS_ftruncate, fd, size);
    }
    int error = enter("truncate", CALLER, shim.paths[fd]);
    if (error > 0) {
        return refuse(error);
    }
    unflushed_resize(fd, size);
    int result = (int)syscall(SYS_ftruncate, fd, size);
    leave();
    return result;
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    if (!watched(fd)) {
        return (int)syscall(SYS_fallocate, fd, mode, offset, len);
    }
    int error = enter("allocate", CALLER, shim.paths[fd]);
    if (error > 0) {
        return refuse(error);
    }
    unflushed_resize(fd, offset + len);
    int result = (int)syscall(SYS_fallocate, fd, mode, offset, len);
    leave();
    return result;
}

int fstat(int fd, struct stat *facts)
{
    if (!watched(fd)) {
        return (int)syscall(SYS_fstat, fd, facts);
    }
    int error = enter("size", CALLER, shim.paths[fd]);
    if (error > 0) {
        return refuse(error);
    }
    int result = (int)syscall(SYS_fstat, fd, facts);
    leave();
    return result;
}

/* ---- names ---- */

int rename(const char *from, const char *to)
{
    start();
    if (!watched_path(to)) {
        return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    }
    int error = enter("rename", CALLER, to);
    if (error > 0) {
        return refuse(error);
    }
    if (acts("lie")) {
        return lie(0);
    }
    unflushed_rename(from, to);
    int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    leave();
    return result;
}

/* To exchange two names is all that the program uses it for. */
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    start();
    if (!watched_path(to) || flags != RENAME_EXCHANGE) {
        return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    }
    int error = enter("exchange", CALLER, to);
    if (error > 0) {
        return refuse(error);
    }
    int result = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    if (result == 0) {
        unflushed_exchange(from, to);
    }
    leave();
    return result;
}

int unlink(const char *path)
{
    start();
    if (!watched_path(path)) {
        return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    }
    int error = enter("unlink", CALLER, path);
    if (error > 0) {
        return refuse(error);
    }
    unflushed_unlink(path);
    int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    leave();
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    start();
    if (!watched_path(path)) {
        return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    }
    int error = enter("mkdir", CALLER, path);
    if (error > 0) {
        return refuse(error);
    }
    int result = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (result == 0) {
        unflushed_make(path, /* directory= */ true);
    }
    leave();
    return result;
}

typedef int scandir_call(const char *, struct dirent ***, int (*)(const struct dirent *),
                         int (*)(const struct dirent **, const struct dirent **));

int scandir(const char *path, struct dirent ***names, int (*filter)(const struct dirent *),
            int (*compare)(const struct dirent **, const struct dirent **))
{
    start();
    union {
        void *found;
        scandir_call *call;
    } real = {.found = dlsym(RTLD_NEXT, "scandir")};
    if (!watched_path(path)) {
        return real.call(path, names, filter, compare);
    }
    int error = enter("list", CALLER, path);
    if (error > 0) {
        return refuse(error);
    }
    int result = real.call(path, names, filter, compare);
    leave();
    return result;
}
