#include "tests/shims/unflushed.h"

#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All calls below go to the kernel directly: the functions of these names are replaced. */
enum { FILES_MAX = 256, NAMES_MAX = 4096, PATH_BYTES = 512 };

/* One change of a file: what stood there, and how long the file was. Newest first. */
struct change {
    struct change *before;
    off_t size;
    off_t offset;
    size_t len;
    uint8_t bytes[];
};

struct file {
    dev_t device;
    ino_t inode;
    int fd;     /* Our own, so that the inode stays. */
    off_t size; /* Of what is durable. */
    struct change *changes;
};

enum name_kind { NAME_FILE_MADE, NAME_DIR_MADE, NAME_RENAMED, NAME_EXCHANGED, NAME_UNLINKED };

struct name {
    enum name_kind kind;
    bool kept; /* What stood at `to`, or at `from` before unlinking, is `number` in the keep. */
    unsigned number;
    char from[PATH_BYTES];
    char to[PATH_BYTES];
};

static struct {
    const char *keep;
    unsigned kept;
    struct file files[FILES_MAX];
    size_t file_count;
    struct name *names; /* In the order in which they were changed. */
    size_t name_count;
} all;

void unflushed_init(const char *keep)
{
    all.keep = keep;
    all.names = calloc(NAMES_MAX, sizeof(*all.names));
    assert(all.names != NULL);
}

/* ---- bytes ---- */

static void file_forget(struct file *file)
{
    while (file->changes != NULL) {
        struct change *change = file->changes;
        file->changes = change->before;
        free(change);
    }
    syscall(SYS_close, file->fd);
    *file = all.files[--all.file_count];
}

static struct file *file_find(int fd, bool add)
{
    struct stat facts;
    if (syscall(SYS_fstat, fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        return NULL;
    }
    for (size_t i = 0; i < all.file_count; i++) {
        if (all.files[i].inode == facts.st_ino && all.files[i].device == facts.st_dev) {
            return &all.files[i];
        }
    }
    if (!add) {
        return NULL;
    }
    assert(all.file_count < FILES_MAX);
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int own = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    assert(own >= 0);
    struct file *file = &all.files[all.file_count++];
    *file = (struct file){
        .device = facts.st_dev, .inode = facts.st_ino, .fd = own, .size = facts.st_size};
    return file;
}

static void remember(int fd, off_t offset, size_t len)
{
    struct file *file = file_find(fd, /* add= */ true);
    struct stat facts;
    if (file == NULL || syscall(SYS_fstat, file->fd, &facts) != 0) {
        return;
    }
    if (file->changes != NULL && offset >= file->size && facts.st_size >= file->size) {
        return; /* Goes when the file is cut to what is durable. */
    }
    if (offset >= facts.st_size) {
        len = 0;
    } else if ((off_t)len > facts.st_size - offset) {
        len = (size_t)(facts.st_size - offset);
    }
    struct change *change = malloc(sizeof(*change) + len);
    assert(change != NULL);
    *change = (struct change){
        .before = file->changes, .size = facts.st_size, .offset = offset, .len = len};
    ssize_t got = syscall(SYS_pread64, file->fd, change->bytes, len, offset);
    assert(got == (ssize_t)len);
    file->changes = change;
}

void unflushed_write(int fd, off_t offset, size_t len)
{
    remember(fd, offset, len);
}

void unflushed_resize(int fd, off_t size)
{
    remember(fd, size, SIZE_MAX / 4);
}

void unflushed_flush(int fd)
{
    struct file *file = file_find(fd, /* add= */ false);
    if (file != NULL) {
        file_forget(file);
    }
}

static void file_drop(struct file *file)
{
    for (const struct change *change = file->changes; change != NULL; change = change->before) {
        ssize_t put = syscall(SYS_pwrite64, file->fd, change->bytes, change->len, change->offset);
        assert(put == (ssize_t)change->len);
        long cut = syscall(SYS_ftruncate, file->fd, change->size);
        assert(cut == 0);
    }
    file_forget(file);
}

void unflushed_drop_file(int fd)
{
    struct file *file = file_find(fd, /* add= */ false);
    if (file != NULL) {
        file_drop(file);
    }
}

/* ---- names ---- */

static void text_copy(char out[PATH_BYTES], const char *text)
{
    int len = snprintf(out, PATH_BYTES, "%s", text);
    assert(len >= 0 && len < PATH_BYTES);
}

static void keep_path(char out[PATH_BYTES], unsigned number)
{
    (void)snprintf(out, PATH_BYTES, "%s/%u", all.keep, number);
}

static struct name *name_add(enum name_kind kind, const char *from, const char *to)
{
    assert(all.name_count < NAMES_MAX);
    struct name *name = &all.names[all.name_count++];
    *name = (struct name){.kind = kind};
    text_copy(name->from, from);
    text_copy(name->to, to);
    return name;
}

static void name_keep(struct name *name, const char *path)
{
    char kept[PATH_BYTES];
    name->number = all.kept++;
    keep_path(kept, name->number);
    name->kept =
        syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, kept, 0) == 0; /* There may be none. */
}

void unflushed_make(const char *path, bool directory)
{
    (void)name_add(directory ? NAME_DIR_MADE : NAME_FILE_MADE, path, "");
}

void unflushed_rename(const char *from, const char *to)
{
    if (syscall(SYS_faccessat, AT_FDCWD, from, F_OK) == 0) {
        name_keep(name_add(NAME_RENAMED, from, to), to);
    }
}

void unflushed_exchange(const char *one, const char *other)
{
    (void)name_add(NAME_EXCHANGED, one, other);
}

void unflushed_unlink(const char *path)
{
    name_keep(name_add(NAME_UNLINKED, path, ""), path);
}

static bool is_in(const char *path, const char *dir)
{
    const char *slash = strrchr(path, '/');
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    return slash != NULL && (size_t)(slash - path) == len && strncmp(path, dir, len) == 0;
}

void unflushed_flush_dir(const char *path)
{
    size_t left = 0;
    for (size_t i = 0; i < all.name_count; i++) {
        struct name *name = &all.names[i];
        if (!is_in(name->from, path)) {
            all.names[left++] = *name;
        } else if (name->kept) {
            char kept[PATH_BYTES];
            keep_path(kept, name->number);
            syscall(SYS_unlinkat, AT_FDCWD, kept, 0);
        }
    }
    all.name_count = left;
}

/* Everything that stands in a directory that was never made goes with it. */
static void remove_dir(const char *path)
{
    char aside[PATH_BYTES];
    keep_path(aside, all.kept++);
    syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, aside, 0);
}

static void name_drop(const struct name *name)
{
    char kept[PATH_BYTES];
    keep_path(kept, name->number);
    switch (name->kind) {
    case NAME_FILE_MADE:
        syscall(SYS_unlinkat, AT_FDCWD, name->from, 0);
        break;
    case NAME_DIR_MADE:
        remove_dir(name->from);
        break;
    case NAME_RENAMED:
        syscall(SYS_renameat2, AT_FDCWD, name->to, AT_FDCWD, name->from, 0);
        if (name->kept) {
            syscall(SYS_renameat2, AT_FDCWD, kept, AT_FDCWD, name->to, 0);
        }
        break;
    case NAME_EXCHANGED:
        syscall(SYS_renameat2, AT_FDCWD, name->from, AT_FDCWD, name->to, RENAME_EXCHANGE);
        break;
    case NAME_UNLINKED:
        if (name->kept) {
            syscall(SYS_renameat2, AT_FDCWD, kept, AT_FDCWD, name->from, 0);
        }
        break;
    }
}

void unflushed_drop_all(void)
{
    while (all.file_count > 0) {
        file_drop(&all.files[all.file_count - 1]);
    }
    while (all.name_count > 0) {
        name_drop(&all.names[--all.name_count]);
    }
}
