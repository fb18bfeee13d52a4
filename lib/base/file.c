#include "lib/base/file.h"

#include "lib/base/alloc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_READ_BYTES = 16384 };

int file_read(const char *path, struct buffer *out, struct error *reterr)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return error_set(reterr, -errno, "cannot read %s: %s", path, strerror(errno));
    }
    int result = 0;
    for (;;) {
        uint8_t piece[FILE_READ_BYTES];
        ssize_t size = read(file, piece, sizeof(piece));
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            result = error_set(reterr, -errno, "cannot read %s: %s", path, strerror(errno));
            break;
        }
        if (size == 0) {
            break;
        }
        buffer_append(out, piece, (size_t)size);
        if (buffer_error(out) < 0) {
            result = error_set(reterr, -EFBIG, "%s is larger than %zu bytes", path, out->max);
            break;
        }
    }
    (void)close(file); /* Only read. */
    return result;
}

static int write_all(int file, struct slice bytes)
{
    for (size_t at = 0; at < bytes.len;) {
        ssize_t size = write(file, bytes.data + at, bytes.len - at);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return -errno;
        }
        at += (size_t)size;
    }
    return fsync(file) < 0 ? -errno : 0;
}

int file_write(const char *path, struct slice bytes, mode_t mode, struct error *reterr)
{
    CLEANUP(alloc_freep) char *temporary = alloc_printf("%s.new", path);
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    int result = file < 0 || fchmod(file, mode) < 0 ? -errno : write_all(file, bytes);
    if (file >= 0 && close(file) < 0 && result == 0) {
        result = -errno;
    }
    if (result == 0 && rename(temporary, path) < 0) {
        result = -errno;
    }
    if (result < 0) {
        (void)unlink(temporary); /* What went wrong before is what counts. */
        return error_set(reterr, result, "cannot write %s: %s", path, strerror(-result));
    }
    return directory_flush_parent(path, reterr);
}

int directory_flush(const char *path, struct error *reterr)
{
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = file < 0 || fsync(file) < 0 ? -errno : 0;
    if (file >= 0) {
        (void)close(file); /* Nothing was written through it. */
    }
    return result < 0 ? error_set(reterr, result, "cannot flush %s: %s", path, strerror(-result))
                      : 0;
}

int directory_flush_parent(const char *path, struct error *reterr)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    while (len > 0 && path[len - 1] != '/') {
        len--;
    }
    CLEANUP(alloc_freep) char *parent = len == 0 ? alloc_text(".") : alloc_text_n(path, len);
    return directory_flush(parent, reterr);
}

/* -> whether it was not there before, or an error */
static int make_one(const char *path, mode_t mode, struct error *reterr)
{
    if (mkdir(path, mode) == 0) {
        return 1;
    }
    return errno == EEXIST ? 0
                           : error_set(reterr, -errno, "cannot make %s: %s", path, strerror(errno));
}

static int flush_name(const char *path, struct error *reterr)
{
    CLEANUP(error_release) struct error error = {0};
    int result = directory_flush_parent(path, &error);
    if (result == 0 || result == -EACCES) { /* A parent that is not ours to read. */
        return 0;
    }
    return error_set(reterr, result, "%s", error_message(&error));
}

static int make_all(const char *path, mode_t mode, bool durable, struct error *reterr)
{
    CLEANUP(alloc_freep) char *copy = alloc_text(path);
    size_t len = strlen(path);
    for (size_t i = 1; i <= len; i++) {
        if (copy[i] != '/' && copy[i] != '\0') {
            continue;
        }
        copy[i] = '\0';
        int result = make_one(copy, i == len ? mode : 0755, reterr);
        /* Also of one that is there: what made it may not have come so far. */
        if (result >= 0 && durable && (result > 0 || i == len)) {
            result = flush_name(copy, reterr);
        }
        if (result < 0) {
            return result;
        }
        copy[i] = path[i];
    }
    return 0;
}

int directory_make(const char *path, mode_t mode, struct error *reterr)
{
    return make_all(path, mode, /* durable= */ false, reterr);
}

int directory_make_durable(const char *path, mode_t mode, struct error *reterr)
{
    return make_all(path, mode, /* durable= */ true, reterr);
}
