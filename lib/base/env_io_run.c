#include "lib/base/env_io_run.h"

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIST_DIR_BYTES_MAX = 16 * 1024 * 1024 };

static int64_t result_of(int64_t result)
{
    return result < 0 ? -errno : result;
}

static int64_t file_open(struct env_io *io)
{
    int flags = O_CLOEXEC;
    flags |= (io->flags & ENV_OPEN_WRITE) != 0 ? O_RDWR : O_RDONLY;
    flags |= (io->flags & ENV_OPEN_CREATE) != 0 ? O_CREAT : 0;
    flags |= (io->flags & ENV_OPEN_TRUNCATE) != 0 ? O_TRUNC : 0;
    int direct = (io->flags & ENV_OPEN_DIRECT) != 0 ? O_DIRECT : 0;
    io->file = open(io->path, flags | direct, 0600);
    if (io->file < 0 && errno == EINVAL && direct != 0) { /* A file system that cannot. */
        io->file = open(io->path, flags, 0600);
    }
    return io->file < 0 ? -errno : 0;
}

/* A disk of larger sectors than ENV_DIRECT_UNIT refuses transfers of part of one: then the file
 * goes through the page cache. False when it did already. */
static bool give_up_direct(int file)
{
    int flags = fcntl(file, F_GETFL);
    return flags >= 0 && (flags & O_DIRECT) != 0 && fcntl(file, F_SETFL, flags & ~O_DIRECT) == 0;
}

static int64_t file_transfer(struct env_io *io)
{
    size_t moved = 0;
    while (moved < io->len) {
        off_t offset = (off_t)(io->offset + moved);
        ssize_t count = io->kind == ENV_IO_READ
                            ? pread(io->file, io->buffer + moved, io->len - moved, offset)
                            : pwrite(io->file, io->buffer + moved, io->len - moved, offset);
        int error = errno;
        if (count < 0 && (error == EINTR || (error == EINVAL && give_up_direct(io->file)))) {
            continue;
        }
        if (count < 0) {
            return -error;
        }
        if (count == 0) {
            break;
        }
        moved += (size_t)count;
    }
    if (io->kind == ENV_IO_WRITE && moved < io->len) {
        return -EIO;
    }
    return (int64_t)moved;
}

/* Its name is durable, too, also when another start made it and came no further. */
static int64_t dir_make(const char *path)
{
    return directory_make_durable(path, 0700, NULL);
}

static int64_t dir_list(struct env_io *io)
{
    struct dirent **entries = NULL;
    int count = scandir(io->path, &entries, NULL, alphasort);
    if (count < 0) {
        return -errno;
    }
    size_t total = 0;
    size_t capacity = 1;
    for (int i = 0; i < count; i++) {
        capacity += strlen(entries[i]->d_name) + 1;
    }
    io->buffer = alloc_bytes(capacity);
    for (int i = 0; i < count; i++) {
        size_t len = strlen(entries[i]->d_name) + 1;
        if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0) {
            memcpy(io->buffer + total, entries[i]->d_name, len);
            total += len;
        }
        free(entries[i]);
    }
    free(entries);
    return (int64_t)total;
}

static int64_t file_size(int file)
{
    struct stat info;
    return fstat(file, &info) < 0 ? -errno : (int64_t)info.st_size;
}

int64_t env_io_run(struct env_io *io)
{
    switch (io->kind) {
    case ENV_IO_OPEN:
        return file_open(io);
    case ENV_IO_CLOSE:
        return result_of(close(io->file));
    case ENV_IO_READ:
    case ENV_IO_WRITE:
        return file_transfer(io);
    case ENV_IO_SYNC:
        return result_of(fdatasync(io->file));
    case ENV_IO_ALLOCATE:
        return result_of(fallocate(io->file, 0, (off_t)io->offset, (off_t)io->len));
    case ENV_IO_TRUNCATE:
        return result_of(ftruncate(io->file, (off_t)io->len));
    case ENV_IO_RENAME:
        return result_of(rename(io->path, io->path_to));
    case ENV_IO_UNLINK:
        return result_of(unlink(io->path));
    case ENV_IO_SYNC_DIR:
        return directory_flush(io->path, NULL);
    case ENV_IO_MAKE_DIR:
        return dir_make(io->path);
    case ENV_IO_LIST_DIR:
        return dir_list(io);
    case ENV_IO_SIZE:
        return file_size(io->file);
    }
    abort();
}
