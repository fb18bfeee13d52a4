#include "cmd/member_data.h"

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "raft/data_dir.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { ASIDE_MAX = 16 }; /* Directories with damaged data that are kept. */

int member_data_lock(const char *data_dir, int *ret_file, struct error *reterr)
{
    CLEANUP(alloc_freep) char *path = alloc_printf("%s/lock", data_dir);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return error_set(reterr, -errno, "cannot make %s: %s", path, strerror(errno));
    }
    if (flock(file, LOCK_EX | LOCK_NB) < 0) {
        int code = errno == EWOULDBLOCK ? -EBUSY : -errno;
        (void)close(file); /* Nothing was written. */
        return code == -EBUSY
                   ? error_set(reterr, code, "another process uses %s: a server runs on it",
                               data_dir)
                   : error_set(reterr, code, "cannot lock %s: %s", path, strerror(-code));
    }
    *ret_file = file;
    return 0;
}

static const struct raft_member_status *own_member(const struct raft_identity *identity)
{
    for (size_t i = 0; i < identity->member_count; i++) {
        if (identity->members[i].id == identity->id) {
            return &identity->members[i];
        }
    }
    return NULL;
}

int member_data_identity(struct member_config *config, struct arena *arena, struct error *reterr)
{
    struct raft_identity identity;
    CLEANUP(alloc_freep) char *dir = alloc_printf("%s/raft", config->data_dir);
    int result = raft_data_dir_identity(dir, &identity, reterr);
    if (result < 0) {
        return result;
    }
    const struct raft_member_status *own = own_member(&identity);
    if (own != NULL && own->name[0] != '\0' && strcmp(own->name, config->name) != 0) {
        return error_set(reterr, -EINVAL, "%s is the data directory of member %s, not of %s",
                         config->data_dir, own->name, config->name);
    }
    member_data_take(&identity, config, arena);
    return 0;
}

void member_data_take(const struct raft_identity *identity, struct member_config *config,
                      struct arena *arena)
{
    config->cluster_id = identity->cluster_id;
    config->id = identity->id;
    config->peer_count = identity->member_count;
    for (size_t i = 0; i < identity->member_count; i++) {
        const struct raft_member_status *member = &identity->members[i];
        config->peers[i] = (struct raft_peer){.id = member->id,
                                              .name = arena_text(arena, member->name),
                                              .url = arena_text(arena, member->url),
                                              .learner = member->learner};
    }
}

int member_data_set_aside(const char *data_dir, struct error *reterr)
{
    CLEANUP(alloc_freep) char *dir = alloc_printf("%s/raft", data_dir);
    for (unsigned i = 1; i <= ASIDE_MAX; i++) {
        CLEANUP(alloc_freep) char *aside = alloc_printf("%s/raft-damaged-%u", data_dir, i);
        if (renameat2(AT_FDCWD, dir, AT_FDCWD, aside, RENAME_NOREPLACE) == 0) {
            LOG_WARN("server", "put damaged data aside", KV_TEXT("reason", error_message(reterr)),
                     KV_TEXT("to", aside));
            error_release(reterr);
            int result = directory_flush(data_dir, reterr);
            return result < 0 ? result : -ENOENT;
        }
        if (errno != EEXIST) {
            return error_set(reterr, -errno, "cannot rename %s to %s: %s", dir, aside,
                             strerror(errno));
        }
    }
    return error_set(reterr, -EEXIST, "%s holds %d damaged ones already: remove them", data_dir,
                     ASIDE_MAX);
}
