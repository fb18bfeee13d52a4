#include "lib/base/file.h"

#include "lib/base/alloc.h"
#include <errno.h>
#include <fcntl.h>
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
    return 0;
}

int directory_make(const char *path, mode_t mode, struct error *reterr)
{
    CLEANUP(alloc_freep) char *copy = alloc_text(path);
    size_t len = strlen(path);
    for (size_t i = 1; i <= len; i++) {
        if (copy[i] != '/' && copy[i] != '\0') {
            continue;
        }
        copy[i] = '\0';
        if (mkdir(copy, i == len ? mode : 0755) < 0 && errno != EEXIST) {
            return error_set(reterr, -errno, "cannot make %s: %s", copy, strerror(errno));
        }
        copy[i] = path[i];
    }
    return 0;
}
