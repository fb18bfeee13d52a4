/* `coracle snapshot`: backups. They are files as etcd's tools write and read them. */
#include "cmd/command_run.h"
#include "cmd/commands.h"
#include "cmd/etcd_client.h"
#include "cmd/member_config.h"
#include "cmd/snapshot_file.h"
#include "etcd/rpc.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/net/x509.h"
#include "store/bolt_import.h"
#include "store/rescue.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOKEN_BYTES = 16 };

/* ---- save ---- */

struct saving {
    int file;
    const char *path;
    uint64_t bytes;
    struct error *reterr;
};

static int write_all(struct saving *saving, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t part = write(saving->file, bytes.data, bytes.len);
        if (part < 0 && errno != EINTR) {
            return error_set(saving->reterr, -errno, "cannot write %s: %s", saving->path,
                             strerror(errno));
        }
        if (part > 0) {
            bytes = slice_of(bytes.data + part, bytes.len - (size_t)part);
            saving->bytes += (uint64_t)part;
        }
    }
    return 0;
}

static int on_piece(void *data, struct slice answer)
{
    struct saving *saving = data;
    Etcdserverpb__SnapshotResponse *piece =
        etcdserverpb__snapshot_response__unpack(NULL, answer.len, answer.data);
    if (piece == NULL) {
        return error_set(saving->reterr, -EPROTO, "the member's answer cannot be read");
    }
    int result = write_all(saving, slice_of(piece->blob.data, piece->blob.len));
    etcdserverpb__snapshot_response__free_unpacked(piece, NULL);
    return result;
}

static int print_figures(const char *path, bool skip_hash, bool json, struct error *reterr)
{
    struct snapshot_file file;
    struct bolt_figures figures;
    int result = snapshot_file_open(path, skip_hash, &file, reterr);
    if (result < 0) {
        return result;
    }
    result = bolt_read_figures(&file.bolt, &figures, reterr);
    if (result == 0 && json) {
        printf("{\"hash\":%" PRIu32 ",\"revision\":%" PRId64 ",\"totalKey\":%" PRIu64
               ",\"totalSize\":%" PRIu64 "}\n",
               figures.hash, figures.revision, figures.keys, figures.bytes);
    } else if (result == 0) {
        printf("hash %08" PRIx32 ", revision %" PRId64 ", %" PRIu64 " keys, %" PRIu64 " bytes%s\n",
               figures.hash, figures.revision, figures.keys, figures.bytes,
               file.has_hash ? "" : ", without a hash at its end");
    }
    snapshot_file_close(&file);
    return result;
}

static int receive(const struct flag_set *set, const char *path, struct error *reterr)
{
    struct etcd_client_options options = etcd_client_options_of(set);
    struct etcd_client *client;
    int result = etcd_client_open(&options, &client, reterr);
    if (result < 0) {
        return result;
    }
    struct saving saving = {.path = path, .reterr = reterr};
    saving.file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (saving.file < 0) {
        result = error_set(reterr, -errno, "cannot make %s: %s", path, strerror(errno));
    } else {
        result = etcd_client_stream(client, "/etcdserverpb.Maintenance/Snapshot", on_piece, &saving,
                                    reterr);
        if (result == 0 && fsync(saving.file) < 0) {
            result = error_set(reterr, -errno, "cannot flush %s: %s", path, strerror(errno));
        }
        (void)close(saving.file); /* Flushed, or of no use. */
    }
    etcd_client_close(client);
    return result;
}

/* It has its name only once it is complete and its hash is right. */
static int save(const struct flag_set *set, const char *path, struct error *reterr)
{
    CLEANUP(alloc_freep) char *part = alloc_printf("%s.part", path);
    int result = receive(set, part, reterr);
    if (result == 0) {
        result = print_figures(part, /* skip_hash= */ false, flag_on(set, "json"), reterr);
    }
    if (result == 0 && rename(part, path) < 0) {
        result = error_set(reterr, -errno, "cannot make %s: %s", path, strerror(errno));
    }
    if (result < 0) {
        (void)unlink(part); /* May never have been made. */
        return result;
    }
    return directory_flush_parent(path, reterr);
}

/* ---- restore ---- */

/* Made from the backup, the members and the token: members that are restored apart from each other
 * agree on it, and it is not the id of any cluster before. */
static uint64_t new_cluster_id(const struct snapshot_file *file, const struct raft_peer *peers,
                               size_t count, const char *token)
{
    CLEANUP(buffer_release) struct buffer text;
    uint8_t hash[X509_SHA256_SIZE];
    x509_sha256(file->bolt.bytes, hash);
    buffer_init(&text, SIZE_MAX);
    buffer_printf(&text, "restored %s ", token);
    for (size_t i = 0; i < sizeof(hash); i++) {
        buffer_printf(&text, "%02x", hash[i]);
    }
    for (size_t i = 0; i < count; i++) {
        buffer_printf(&text, " %s=%s", peers[i].name, peers[i].url);
    }
    return member_id_from(buffer_text(&text));
}

static char *random_token(void)
{
    uint8_t bytes[TOKEN_BYTES];
    struct buffer text;
    x509_random(bytes, sizeof(bytes));
    buffer_init(&text, SIZE_MAX);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        buffer_printf(&text, "%02x", bytes[i]);
    }
    return (char *)buffer_take(&text, &(size_t){0});
}

static void new_member_ids(struct raft_peer *peers, size_t count, uint64_t cluster_id)
{
    for (size_t i = 0; i < count; i++) {
        char *text = alloc_printf("%016" PRIx64 " %s=%s", cluster_id, peers[i].name, peers[i].url);
        peers[i].id = member_id_from(text);
        free(text);
    }
}

static int members_of(const struct flag_set *set, struct arena *arena, struct raft_peer *peers,
                      size_t *ret_count, size_t *ret_own, struct error *reterr)
{
    const char *name = flag_text(set, "name");
    const struct flag *urls = flag_get(set, "peer-url");
    struct flag own = {.name = "initial-cluster"};
    const struct flag *flag = flag_get(set, "initial-cluster");
    struct listen_urls peer;
    int result = listen_urls_from(urls, arena, &peer, reterr);
    if (result < 0) {
        return result;
    }
    if (flag->count == 0) {
        for (size_t i = 0; i < urls->count; i++) {
            own.values[own.count++] = arena_printf(arena, "%s=%s", name, urls->values[i]);
        }
        flag = &own;
    }
    result = member_peers_from(flag, arena, peers, ret_count, reterr);
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; i < *ret_count; i++) {
        if (strcmp(peers[i].name, name) == 0 && strcmp(peers[i].url, peer.text) == 0) {
            *ret_own = i;
            return 0;
        }
    }
    return error_set(reterr, -EINVAL, "--initial-cluster does not name this member, %s=%s", name,
                     peer.text);
}

static int write_member(const struct flag_set *set, const struct snapshot_file *file,
                        struct error *reterr)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct raft_peer peers[RAFT_MEMBERS_MAX];
    size_t count = 0;
    size_t own = 0;
    int result = members_of(set, arena, peers, &count, &own, reterr);
    if (result < 0) {
        return result;
    }
    const char *given = flag_text(set, "initial-cluster-token");
    CLEANUP(alloc_freep)
    char *token = given != NULL ? alloc_text(given) : count == 1 ? random_token() : alloc_text("");
    uint64_t cluster_id = new_cluster_id(file, peers, count, token);
    new_member_ids(peers, count, cluster_id);
    CLEANUP(alloc_freep) char *dir = alloc_printf("%s/raft", flag_text(set, "data-dir"));
    result = directory_make_durable(flag_text(set, "data-dir"), 0755, reterr);
    if (result < 0) {
        return result;
    }
    const struct store_start start = {.dir = dir,
                                      .cluster_id = cluster_id,
                                      .id = peers[own].id,
                                      .peers = peers,
                                      .peer_count = count};
    result = store_restore(&file->bolt, &start, reterr);
    if (result == 0) {
        printf("restored to %s: member %s (%016" PRIx64 ") of the new cluster %016" PRIx64
               " with %zu member%s\n",
               flag_text(set, "data-dir"), peers[own].name, peers[own].id, cluster_id, count,
               count == 1 ? "" : "s");
    }
    return result;
}

static int restore(const struct flag_set *set, const char *path, struct error *reterr)
{
    const char *dir = flag_text(set, "data-dir");
    if (flag_text(set, "name") == NULL || flag_text(set, "peer-url") == NULL) {
        return error_set(reterr, -EINVAL, "restore needs --name and --peer-url of the member");
    }
    if (dir[0] != '/') {
        return error_set(reterr, -EINVAL, "--data-dir=%s: must be an absolute path", dir);
    }
    struct snapshot_file file;
    int result = snapshot_file_open(path, flag_on(set, "skip-hash-check"), &file, reterr);
    if (result < 0) {
        return result;
    }
    result = write_member(set, &file, reterr);
    snapshot_file_close(&file);
    return result;
}

/* ---- the command ---- */

static int run(const struct flag_set *set, struct error *reterr)
{
    const char *verb = set->operand_count == 0 ? "" : set->operands[0];
    const char *file = set->operand_count < 2 ? NULL : set->operands[1];
    if (strcmp(verb, "save") != 0 && strcmp(verb, "restore") != 0 && strcmp(verb, "status") != 0) {
        return error_set(reterr, -EINVAL, "say what to do: save, restore or status, and a FILE");
    }
    if (file == NULL) {
        return error_set(reterr, -EINVAL, "name the file: coracle snapshot %s FILE", verb);
    }
    if (strcmp(verb, "save") == 0) {
        return save(set, file, reterr);
    }
    if (strcmp(verb, "restore") == 0) {
        return restore(set, file, reterr);
    }
    return print_figures(file, flag_on(set, "skip-hash-check"), flag_on(set, "json"), reterr);
}

int command_snapshot(int argc, char **argv)
{
    struct flag flags[ETCD_CLIENT_FLAGS + 6] = {
        [ETCD_CLIENT_FLAGS] = {.name = "name",
                               .placeholder = "NAME",
                               .help = "restore: name of the member that is made"},
        {.name = "peer-url",
         .alias = "initial-advertise-peer-urls",
         .placeholder = "URL,...",
         .list = true,
         .help = "restore: its peer URL"},
        {.name = "initial-cluster",
         .placeholder = "NAME=URL,...",
         .list = true,
         .help = "restore: all members of the new cluster; default this one alone"},
        {.name = "initial-cluster-token",
         .placeholder = "TEXT",
         .help = "restore: makes the new cluster's id another one; the same for all members. Give "
                 "a fresh one when the same backup is restored again"},
        {.name = "skip-hash-check", .help = "take a file without its hash, or with a wrong one"},
        {.name = "json", .help = "print figures as etcdctl -w json does"},
    };
    etcd_client_flags(flags);
    struct flag_set set = {
        .usage = "coracle snapshot save|restore|status FILE [flags]",
        .summary =
            "Backups of the store, in the format of etcd's. `save` fetches one from a running\n"
            "member. `restore` makes the data directory of a member of a new cluster, which "
            "members\n"
            "of the old one cannot join; start it with `coracle server` as usual. `status` shows\n"
            "what is in one. Certificates are not in it: keep a copy of a server's pki folder.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
        .operands_max = 2,
    };
    const struct command command = {
        .name = "snapshot", .run = run, .checks_words = true, .server_flag = "endpoints"};
    return command_run(&command, &set, argc, argv);
}
