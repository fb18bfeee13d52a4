#include "raft/data_dir.h"

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/hash_map.h"
#include "raft/meta_file.h"
#include "raft/snapshot_file.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Both chains of a state begin with a number made from the cluster's: all members that are given
 * the same state agree on it, and no other cluster's log fits behind it. */
enum { CHAIN_SEED = 0x63686169 };

static int failed(struct error *reterr, const char *what, const char *path)
{
    int code = -errno;
    return error_set(reterr, code, "cannot %s %s: %s", what, path, strerror(-code));
}

static void close_file(const int *file)
{
    if (*file >= 0) {
        (void)close(*file); /* What matters was synced before. */
    }
}

/* ---- reading ---- */

static int read_whole(const char *path, uint8_t *bytes, size_t max, size_t *ret_len)
{
    CLEANUP(close_file) int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    if (file < 0) {
        return -errno;
    }
    while (len < max) {
        ssize_t part = read(file, bytes + len, max - len);
        if (part < 0 && errno != EINTR) {
            return -errno;
        }
        if (part == 0) {
            break;
        }
        len += part < 0 ? 0 : (size_t)part;
    }
    *ret_len = len;
    return 0;
}

void raft_identity_fill(const struct raft_members *members, struct raft_identity *identity)
{
    identity->member_count = members->count;
    for (size_t i = 0; i < members->count; i++) {
        const struct raft_member *member = &members->items[i];
        struct raft_member_status *out = &identity->members[i];
        out->id = member->id;
        memcpy(out->name, member->name, sizeof(out->name));
        memcpy(out->url, member->url, sizeof(out->url));
        out->voter = raft_members_is_voter(members, member->id);
        out->learner = (member->flags & RAFT_MEMBER_LEARNER) != 0;
        out->seen = member->incarnation != 0;
    }
}

int raft_data_dir_identity(const char *dir, struct raft_identity *ret_identity,
                           struct error *reterr)
{
    enum { META_BYTES = META_SLOT * META_SLOTS };
    CLEANUP(alloc_freep) char *path = alloc_printf("%s/raft-meta", dir);
    CLEANUP(alloc_freep) uint8_t *bytes = alloc_bytes(META_BYTES);
    size_t len = 0;
    struct raft_meta meta;
    int result = read_whole(path, bytes, META_BYTES, &len);
    if (result < 0) {
        return error_set(reterr, result, "cannot read %s: %s", path, strerror(-result));
    }
    if (raft_meta_choose(slice_of(bytes, len), &meta) < 0) {
        return error_set(reterr, -EBADMSG,
                         "both copies in %s are damaged: start this member once with --join, "
                         "which replaces it",
                         path);
    }
    *ret_identity = (struct raft_identity){.cluster_id = meta.cluster, .id = meta.member};
    raft_identity_fill(&meta.bootstrap, ret_identity);
    return 0;
}

/* ---- making ---- */

static int write_all(int file, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t part = write(file, bytes.data, bytes.len);
        if (part < 0 && errno != EINTR) {
            return -errno;
        }
        if (part > 0) {
            bytes = slice_of(bytes.data + part, bytes.len - (size_t)part);
        }
    }
    return 0;
}

static int write_meta(const struct raft_data_dir *config, const char *dir,
                      const struct raft_members *members, struct error *reterr)
{
    CLEANUP(alloc_freep) char *path = alloc_printf("%s/raft-meta", dir);
    CLEANUP(alloc_freep) uint8_t *slot = alloc_bytes(META_SLOT);
    CLEANUP(close_file) int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const struct raft_meta meta = {.cluster = config->cluster_id,
                                   .member = config->id,
                                   .sequence = 1,
                                   .term = config->term,
                                   .extent = {.reached = config->index},
                                   .bootstrap = *members};
    int result = file < 0 ? -errno : 0;
    raft_meta_encode(&meta, slot);
    for (size_t i = 0; i < META_SLOTS && result == 0; i++) {
        result = write_all(file, slice_of(slot, META_SLOT));
    }
    if (result == 0 && fsync(file) < 0) {
        result = -errno;
    }
    errno = -result;
    return result < 0 ? failed(reterr, "write", path) : 0;
}

static int write_chunks(const struct raft_data_dir *config, int file, struct buffer *out)
{
    CLEANUP(alloc_freep) uint8_t *chunk = alloc_bytes(RAFT_SNAPSHOT_CHUNK);
    for (bool ended = false; !ended;) {
        size_t len = config->read(config->data, chunk, RAFT_SNAPSHOT_CHUNK);
        snapshot_encode_chunk(slice_of(chunk, len), out); /* The empty one is the end. */
        int result = write_all(file, buffer_slice(out));
        if (result < 0) {
            return result;
        }
        buffer_clear(out);
        ended = len == 0;
    }
    return fsync(file) < 0 ? -errno : 0;
}

static int write_snapshot(const struct raft_data_dir *config, const char *dir,
                          const struct raft_members *members, struct error *reterr)
{
    struct snapshot_head head = {.cluster = config->cluster_id,
                                 .point = {.index = config->index, .term = config->term},
                                 .members = *members};
    head.point.chain =
        hash_bytes(CHAIN_SEED, slice_of(&config->cluster_id, sizeof(config->cluster_id)));
    CLEANUP(alloc_freep)
    char *path =
        alloc_printf("%s/snap-%016" PRIx64 "-%016" PRIx64, dir, config->index, config->term);
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX);
    snapshot_encode_head(&head, &out);
    CLEANUP(close_file) int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int result = file < 0 ? -errno : write_chunks(config, file, &out);
    errno = -result;
    return result < 0 ? failed(reterr, "write", path) : 0;
}

static int fill_dir(const struct raft_data_dir *config, const char *temporary,
                    const struct raft_members *members, struct error *reterr)
{
    int result = write_meta(config, temporary, members, reterr);
    if (result == 0) {
        result = write_snapshot(config, temporary, members, reterr);
    }
    if (result == 0) {
        result = directory_flush(temporary, reterr);
    }
    if (result == 0 && rename(temporary, config->dir) < 0) {
        result = failed(reterr, "make", config->dir);
    }
    return result == 0 ? directory_flush_parent(config->dir, reterr) : result;
}

static void remove_leftovers(const struct raft_data_dir *config, const char *temporary)
{
    CLEANUP(alloc_freep) char *meta = alloc_printf("%s/raft-meta", temporary);
    CLEANUP(alloc_freep)
    char *snapshot =
        alloc_printf("%s/snap-%016" PRIx64 "-%016" PRIx64, temporary, config->index, config->term);
    (void)unlink(meta); /* What is left does no harm: it has another name. */
    (void)unlink(snapshot);
    (void)rmdir(temporary);
}

int raft_data_dir_create(const struct raft_data_dir *config, struct error *reterr)
{
    struct raft_members members = {0};
    struct stat exists;
    assert(config->dir[0] == '/' && config->index > 0 && config->term > 0);
    for (size_t i = 0; i < config->peer_count; i++) {
        const struct raft_peer *peer = &config->peers[i];
        uint8_t flags = peer->learner ? RAFT_MEMBER_LEARNER : RAFT_MEMBER_VOTER;
        int status = raft_members_add(&members, peer->id, peer->name, peer->url, flags);
        if (status < 0) {
            return error_set(reterr, -EINVAL, "member %s: %s", peer->name, strerror(-status));
        }
    }
    if (lstat(config->dir, &exists) == 0) {
        return error_set(reterr, -EEXIST, "%s exists already: move it away first", config->dir);
    }
    CLEANUP(alloc_freep) char *temporary = alloc_printf("%s.new", config->dir);
    remove_leftovers(config, temporary);
    if (mkdir(temporary, 0700) < 0) {
        return failed(reterr, "make", temporary);
    }
    int result = fill_dir(config, temporary, &members, reterr);
    if (result < 0) {
        remove_leftovers(config, temporary);
    }
    return result;
}
