/* `coracle recover`: after a majority of members is lost for good, the data of one that is left
 * becomes a cluster of its own. */
#include "cmd/command_run.h"
#include "cmd/commands.h"
#include "cmd/flags.h"
#include "cmd/member_data.h"
#include "cmd/member_status.h"
#include "cmd/peer_probe.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/net/x509.h"
#include "store/rescue.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct recovery {
    const struct flag_set *set;
    const char *data_dir;
    struct store_remains *remains;
    const struct raft_status *status;
    struct error *reterr;
};

static const struct raft_member_status *own_member(const struct recovery *recovery)
{
    for (size_t i = 0; i < recovery->status->member_count; i++) {
        if (recovery->status->members[i].id == recovery->status->id) {
            return &recovery->status->members[i];
        }
    }
    return NULL;
}

/* ---- asking the others ---- */

static const char *client_url(const struct recovery *recovery, uint64_t id)
{
    const struct store_member_url *urls = store_remains_urls(recovery->remains);
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        if (urls[i].id == id) {
            return urls[i].url;
        }
    }
    return NULL;
}

static int answers(const struct recovery *recovery, const struct raft_member_status *member,
                   bool *ret_answers)
{
    const char *url = client_url(recovery, member->id);
    struct member_status status = {.answered = false};
    if (url != NULL) {
        int result = member_status_read(recovery->data_dir, &url, 1, &status, recovery->reterr);
        if (result < 0) {
            return result;
        }
    }
    *ret_answers = status.answered || peer_listens(member->url);
    printf("  %s (%016" PRIx64 ") at %s: %s\n", member->name, member->id, member->url,
           *ret_answers ? "answers" : "silent");
    member_status_release(&status);
    return 0;
}

/* Refused as soon as the old cluster could elect a leader with this member, or has one without. */
static int check_quorum_lost(const struct recovery *recovery)
{
    size_t voters = 0;
    size_t alive = 1;
    printf("asking the other members of cluster %016" PRIx64 ":\n", recovery->status->cluster_id);
    for (size_t i = 0; i < recovery->status->member_count; i++) {
        const struct raft_member_status *member = &recovery->status->members[i];
        bool answered = false;
        voters += member->voter;
        if (member->id == recovery->status->id || !member->voter) {
            continue;
        }
        int result = answers(recovery, member, &answered);
        if (result < 0) {
            return result;
        }
        alive += answered;
    }
    if (alive > voters / 2 && voters > 1) {
        return error_set(recovery->reterr, -EPERM,
                         "the quorum is not lost: %zu of %zu voting members are there, this one "
                         "counted. Start this server, and replace the others with `coracle "
                         "server --join`",
                         alive, voters);
    }
    return 0;
}

/* ---- the new cluster ---- */

static uint64_t random_id(void)
{
    uint64_t id = 0;
    while (id == 0) {
        x509_random((uint8_t *)&id, sizeof(id));
    }
    return id;
}

static int failed(const struct recovery *recovery, const char *from, const char *to)
{
    return error_set(recovery->reterr, -errno, "cannot rename %s to %s: %s", from, to,
                     strerror(errno));
}

/* Both change places in one step, so that a crash leaves the one or the other. */
static int swap_in(const struct recovery *recovery, const char *made, const char *dir,
                   const char *aside)
{
    if (renameat2(AT_FDCWD, made, AT_FDCWD, dir, RENAME_EXCHANGE) < 0) {
        return failed(recovery, made, dir);
    }
    if (rename(made, aside) < 0) {
        return failed(recovery, made, aside);
    }
    return directory_flush(recovery->data_dir, recovery->reterr);
}

static int write_cluster(const struct recovery *recovery)
{
    const struct raft_member_status *own = own_member(recovery);
    const char *name = flag_text(recovery->set, "name");
    const char *url = flag_text(recovery->set, "peer-url");
    if (own == NULL && (name == NULL || url == NULL)) {
        return error_set(recovery->reterr, -EINVAL,
                         "this member is no longer in its own list: give --name and --peer-url");
    }
    const struct raft_peer peer = {.id = random_id(),
                                   .name = name != NULL ? name : own->name,
                                   .url = url != NULL ? url : own->url};
    uint64_t cluster_id = random_id();
    CLEANUP(alloc_freep) char *dir = alloc_printf("%s/raft", recovery->data_dir);
    CLEANUP(alloc_freep)
    char *made = alloc_printf("%s/raft-recovered-%016" PRIx64, recovery->data_dir, cluster_id);
    CLEANUP(alloc_freep)
    char *aside = alloc_printf("%s/raft-before-%016" PRIx64, recovery->data_dir, cluster_id);
    const struct store_start start = {
        .dir = made, .cluster_id = cluster_id, .id = peer.id, .peers = &peer, .peer_count = 1};
    int result = store_remains_write(recovery->remains, &start, recovery->reterr);
    if (result == 0) {
        result = swap_in(recovery, made, dir, aside);
    }
    if (result == 0) {
        printf("recovered revision %" PRId64 " (log entry %" PRIu64 "): member %s is now the only "
               "one of the new cluster %016" PRIx64 ".\n"
               "What was there before is in %s; remove it when all is well.\n"
               "Start this server as usual. On each other machine remove the raft folder of the "
               "data directory,\nthen start it with --join; with its old data it would be "
               "refused.\n",
               store_remains_revision(recovery->remains), recovery->status->last_index, peer.name,
               cluster_id, aside);
    }
    return result;
}

/* Before anything is made there: it may be a wrong folder. */
static int check_folder(const struct recovery *recovery)
{
    CLEANUP(alloc_freep) char *raft = alloc_printf("%s/raft", recovery->data_dir);
    const char *missing = access(recovery->data_dir, F_OK) < 0 ? recovery->data_dir
                          : access(raft, F_OK) < 0             ? raft
                                                               : NULL;
    return missing == NULL
               ? 0
               : error_set(recovery->reterr, -errno,
                           "--data-dir=%s: cannot find %s: %s; give the data directory of the "
                           "member that is left, as its server has it",
                           recovery->data_dir, missing, strerror(errno));
}

static int run(const struct flag_set *set, struct error *reterr)
{
    struct recovery recovery = {
        .set = set, .data_dir = flag_text(set, "data-dir"), .reterr = reterr};
    if (recovery.data_dir[0] != '/') {
        return error_set(reterr, -EINVAL, "--data-dir=%s: must be an absolute path",
                         recovery.data_dir);
    }
    int lock;
    int result = check_folder(&recovery);
    result = result < 0 ? result : member_data_lock(recovery.data_dir, &lock, reterr);
    if (result < 0) {
        return result;
    }
    CLEANUP(alloc_freep) char *dir = alloc_printf("%s/raft", recovery.data_dir);
    result = store_remains_read(dir, &recovery.remains, reterr);
    if (result == 0) {
        recovery.status = store_remains_status(recovery.remains);
        result = check_quorum_lost(&recovery);
        if (result == 0) {
            result = write_cluster(&recovery);
        }
        store_remains_free(recovery.remains);
    }
    (void)close(lock); /* It holds nothing. */
    return result;
}

int command_recover(int argc, char **argv)
{
    struct flag flags[] = {
        {.name = "data-dir",
         .placeholder = "DIR",
         .fallback = "/var/lib/coracle",
         .help = "of the member that is left; its server must not run"},
        {.name = "name", .placeholder = "NAME", .help = "a new name; default the old one"},
        {.name = "peer-url", .placeholder = "URL", .help = "a new peer URL; default the old one"},
    };
    struct flag_set set = {
        .usage = "coracle recover --data-dir DIR [flags]",
        .summary =
            "For when a majority of the members is lost for good: makes what one member has on "
            "its\n"
            "disk a cluster of its own, with a new id, so that no other member can come back with\n"
            "old data. Writes that only the lost members had are lost. Refused while a majority\n"
            "answers, this member counted: then only start it.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
    };
    const struct command command = {.name = "recover", .run = run};
    return command_run(&command, &set, argc, argv);
}
