/* The disks of the simulated machines: what a file, a name and a flush are, and what a power cut
 * leaves of them. */
#include "tests/sim/env_sim.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void inode_unref(struct sim_inode *inode)
{
    if (inode != NULL && --inode->links == 0) {
        free(inode->cache);
        free(inode->durable);
        free(inode->dirty);
        free(inode);
    }
}

static struct sim_inode *inode_ref(struct sim_inode *inode)
{
    inode->links++;
    return inode;
}

static struct sim_name *name_find(struct sim_directory *directory, const char *name)
{
    for (size_t i = 0; i < directory->count; i++) {
        if (strcmp(directory->names[i].name, name) == 0) {
            return &directory->names[i];
        }
    }
    return NULL;
}

static void name_remove(struct sim_directory *directory, const char *name)
{
    struct sim_name *found = name_find(directory, name);
    if (found != NULL) {
        inode_unref(found->inode);
        *found = directory->names[--directory->count];
    }
}

static void name_set(struct sim_directory *directory, const char *name, struct sim_inode *inode)
{
    (void)inode_ref(inode);
    name_remove(directory, name);
    assert(directory->count < SIM_FILES_MAX);
    struct sim_name *added = &directory->names[directory->count++];
    (void)snprintf(added->name, sizeof(added->name), "%s", name);
    added->inode = inode;
}

static void change_apply(struct sim_directory *directory, const struct sim_change *change)
{
    if (change->to[0] != '\0') {
        name_set(directory, change->to, change->inode);
    }
    if (change->from[0] != '\0') {
        name_remove(directory, change->from);
    }
}

static void change_add(struct sim_disk *disk, const char *from, const char *to,
                       struct sim_inode *inode)
{
    disk->changes = alloc_resize(disk->changes, disk->change_count + 1, sizeof(struct sim_change));
    struct sim_change *change = &disk->changes[disk->change_count++];
    *change = (struct sim_change){.inode = inode == NULL ? NULL : inode_ref(inode)};
    (void)snprintf(change->from, sizeof(change->from), "%s", from);
    (void)snprintf(change->to, sizeof(change->to), "%s", to);
    change_apply(&disk->cache, change);
}

static void changes_clear(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->change_count; i++) {
        inode_unref(disk->changes[i].inode);
    }
    disk->change_count = 0;
}

static void inode_grow(struct sim_inode *inode, size_t len)
{
    if (len > inode->capacity) {
        size_t capacity = (len + SIM_SECTOR - 1) / SIM_SECTOR * SIM_SECTOR;
        inode->cache = alloc_resize(inode->cache, capacity, 1);
        inode->durable = alloc_resize(inode->durable, capacity, 1);
        inode->dirty = alloc_resize(inode->dirty, capacity / SIM_SECTOR, 1);
        memset(inode->cache + inode->capacity, 0, capacity - inode->capacity);
        memset(inode->durable + inode->capacity, 0, capacity - inode->capacity);
        memset(inode->dirty + inode->capacity / SIM_SECTOR, 0,
               (capacity - inode->capacity) / SIM_SECTOR);
        inode->capacity = capacity;
    }
    inode->cache_len = len > inode->cache_len ? len : inode->cache_len;
}

void sim_inode_write(struct sim_inode *inode, uint64_t offset, const uint8_t *bytes, size_t len)
{
    size_t from = (size_t)offset / SIM_SECTOR;
    size_t end = ((size_t)offset + len + SIM_SECTOR - 1) / SIM_SECTOR;
    if (len == 0) {
        return;
    }
    inode_grow(inode, (size_t)offset + len);
    memcpy(inode->cache + offset, bytes, len);
    memset(inode->dirty + from, 1, end - from);
    bool clean = inode->dirty_from == inode->dirty_end;
    inode->dirty_from = clean || from < inode->dirty_from ? from : inode->dirty_from;
    inode->dirty_end = clean || end > inode->dirty_end ? end : inode->dirty_end;
}

static void all_clean(struct sim_inode *inode)
{
    if (inode->dirty_end > inode->dirty_from) {
        memset(inode->dirty + inode->dirty_from, 0, inode->dirty_end - inode->dirty_from);
    }
    inode->dirty_from = 0;
    inode->dirty_end = 0;
}

static void inode_sync(struct sim_inode *inode, bool really)
{
    for (size_t at = inode->dirty_from; really && at < inode->dirty_end; at++) {
        if (inode->dirty[at] != 0) {
            memcpy(inode->durable + at * SIM_SECTOR, inode->cache + at * SIM_SECTOR, SIM_SECTOR);
        }
    }
    all_clean(inode); /* Also after a failed flush: Linux marks the pages clean. */
    inode->stale = inode->stale || !really;
    if (really) {
        inode->durable_len = inode->cache_len;
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int64_t io_open(struct sim_disk *disk, struct env_io *io)
{
    struct sim_name *found = name_find(&disk->cache, base_name(io->path));
    int file = 0;
    while (file < SIM_FILES_MAX && disk->files[file] != NULL) {
        file++;
    }
    assert(file < SIM_FILES_MAX); /* The code under test leaks files. */
    if (found == NULL && (io->flags & ENV_OPEN_CREATE) == 0) {
        return -ENOENT;
    }
    if (found == NULL || (io->flags & ENV_OPEN_TRUNCATE) != 0) {
        /* Truncating makes a new inode: the old content may come back at a power cut. */
        struct sim_inode *inode = alloc_zeroed(sizeof(*inode));
        inode->links = 1;
        change_add(disk, "", base_name(io->path), inode);
        disk->files[file] = inode;
    } else {
        disk->files[file] = inode_ref(found->inode);
    }
    io->file = file;
    disk->direct[file] = (io->flags & ENV_OPEN_DIRECT) != 0;
    return 0;
}

static int name_order(const void *a, const void *b)
{
    const struct sim_name *left = a;
    const struct sim_name *right = b;
    return strcmp(left->name, right->name);
}

static int64_t io_list(struct sim_disk *disk, struct env_io *io)
{
    size_t total = 0;
    qsort(disk->cache.names, disk->cache.count, sizeof(struct sim_name), name_order);
    io->buffer = alloc_bytes(disk->cache.count * SIM_NAME_MAX + 1);
    for (size_t i = 0; i < disk->cache.count; i++) {
        size_t len = strlen(disk->cache.names[i].name) + 1;
        memcpy(io->buffer + total, disk->cache.names[i].name, len);
        total += len;
    }
    return (int64_t)total;
}

static int64_t io_transfer(struct sim_inode *inode, bool direct, struct env_io *io)
{
    if (direct) {
        assert(io->offset % ENV_DIRECT_UNIT == 0 && io->len % ENV_DIRECT_UNIT == 0);
        assert((uintptr_t)io->buffer % ENV_DIRECT_UNIT == 0);
    }
    if (io->kind == ENV_IO_WRITE) {
        sim_inode_write(inode, io->offset, io->buffer, io->len);
        return (int64_t)io->len;
    }
    size_t left = io->offset >= inode->cache_len ? 0 : inode->cache_len - (size_t)io->offset;
    size_t len = left < io->len ? left : io->len;
    if (len > 0) {
        memcpy(io->buffer, inode->cache + io->offset, len);
    }
    return (int64_t)len;
}

static int64_t io_on_names(struct sim_disk *disk, struct env_io *io)
{
    const char *name = base_name(io->path);
    struct sim_name *found = name_find(&disk->cache, name);
    if (io->kind == ENV_IO_SYNC_DIR) {
        for (size_t i = 0; i < disk->change_count; i++) {
            change_apply(&disk->durable, &disk->changes[i]);
        }
        changes_clear(disk);
        return 0;
    }
    if (io->kind == ENV_IO_MAKE_DIR) {
        return 0;
    }
    if (found == NULL) {
        return -ENOENT;
    }
    change_add(disk, name, io->kind == ENV_IO_RENAME ? base_name(io->path_to) : "",
               io->kind == ENV_IO_RENAME ? found->inode : NULL);
    return 0;
}

static bool on_file(enum env_io_kind kind)
{
    return kind == ENV_IO_CLOSE || kind == ENV_IO_READ || kind == ENV_IO_WRITE ||
           kind == ENV_IO_SYNC || kind == ENV_IO_ALLOCATE || kind == ENV_IO_TRUNCATE ||
           kind == ENV_IO_SIZE;
}

int64_t sim_disk_run(struct sim_node *node, struct env_io *io)
{
    struct sim_disk *disk = &node->disk;
    struct sim_inode *inode = NULL;
    bool fault = sim_chance(&node->world->disk, disk->fault_per_million);
    if (on_file(io->kind)) {
        assert(io->file >= 0 && io->file < SIM_FILES_MAX);
        inode = disk->files[io->file];
        assert(inode != NULL);
    }
    if (fault && io->kind == ENV_IO_SYNC) {
        inode_sync(inode, /* really= */ false);
    }
    if (fault && io->kind != ENV_IO_CLOSE) {
        return io->kind == ENV_IO_ALLOCATE ? -ENOSPC : -EIO;
    }
    bool longer = (io->kind == ENV_IO_WRITE || io->kind == ENV_IO_ALLOCATE) &&
                  io->offset + io->len > inode->capacity;
    if (disk->full && longer) {
        return -ENOSPC;
    }
    switch (io->kind) {
    case ENV_IO_OPEN:
        return io_open(disk, io);
    case ENV_IO_CLOSE:
        inode_unref(inode);
        disk->files[io->file] = NULL;
        return 0;
    case ENV_IO_READ:
    case ENV_IO_WRITE:
        return io_transfer(inode, disk->direct[io->file], io);
    case ENV_IO_SYNC:
        inode_sync(inode, /* really= */ true);
        return 0;
    case ENV_IO_ALLOCATE:
        inode_grow(inode, (size_t)io->offset + io->len);
        return 0;
    case ENV_IO_TRUNCATE:
        return -EOPNOTSUPP;
    case ENV_IO_RENAME:
    case ENV_IO_UNLINK:
    case ENV_IO_SYNC_DIR:
    case ENV_IO_MAKE_DIR:
        return io_on_names(disk, io);
    case ENV_IO_LIST_DIR:
        return io_list(disk, io);
    case ENV_IO_SIZE:
        return (int64_t)inode->cache_len;
    }
    return -EINVAL;
}

static void inode_power_cut(struct sim_inode *inode, struct sim_random *random)
{
    if (inode->cache_len != inode->durable_len && sim_below(random, 2) == 0) {
        inode->durable_len = inode->cache_len;
    }
    for (size_t at = inode->dirty_from; at < inode->dirty_end; at++) {
        uint64_t fate = inode->dirty[at] == 0 ? 0 : sim_below(random, 4);
        size_t from = at * SIM_SECTOR;
        if (fate == 1) {
            memcpy(inode->durable + from, inode->cache + from, SIM_SECTOR);
        } else if (fate == 2) {
            memcpy(inode->durable + from, inode->cache + from, sim_below(random, SIM_SECTOR));
        }
    }
    size_t from = inode->stale ? 0 : inode->dirty_from * SIM_SECTOR;
    size_t end = inode->stale ? inode->capacity : inode->dirty_end * SIM_SECTOR;
    if (end > from) {
        memcpy(inode->cache + from, inode->durable + from, end - from);
    }
    all_clean(inode);
    inode->stale = false;
    inode->cache_len = inode->durable_len;
}

void sim_disk_power_cut(struct sim_node *node)
{
    struct sim_disk *disk = &node->disk;
    struct sim_random *random = &node->world->disk;
    for (size_t i = 0; i < disk->change_count; i++) {
        if (sim_below(random, 2) == 0) {
            change_apply(&disk->durable, &disk->changes[i]);
        }
    }
    changes_clear(disk);
    for (size_t i = 0; i < SIM_FILES_MAX; i++) {
        inode_unref(disk->files[i]);
        disk->files[i] = NULL;
    }
    while (disk->cache.count > 0) {
        name_remove(&disk->cache, disk->cache.names[0].name);
    }
    for (size_t i = 0; i < disk->durable.count; i++) {
        struct sim_name *name = &disk->durable.names[i];
        inode_power_cut(name->inode, random);
        name_set(&disk->cache, name->name, name->inode);
    }
    disk->busy_until = 0;
}

const struct sim_inode *sim_durable_file(const struct sim_node *node, size_t at, const char **name)
{
    if (at >= node->disk.durable.count) {
        return NULL;
    }
    *name = node->disk.durable.names[at].name;
    return node->disk.durable.names[at].inode;
}

void sim_disk_lose(struct sim_node *node, const char *name)
{
    char copy[SIM_NAME_MAX];
    (void)snprintf(copy, sizeof(copy), "%s", name);
    name_remove(&node->disk.durable, copy);
    name_remove(&node->disk.cache, copy);
}

void sim_disk_wipe(struct sim_node *node)
{
    struct sim_disk *disk = &node->disk;
    sim_disk_power_cut(node);
    while (disk->cache.count > 0) {
        name_remove(&disk->cache, disk->cache.names[0].name);
    }
    while (disk->durable.count > 0) {
        name_remove(&disk->durable, disk->durable.names[0].name);
    }
}

void sim_disk_release(struct sim_node *node)
{
    sim_disk_wipe(node);
    free(node->disk.changes);
}
