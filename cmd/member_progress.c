#include "cmd/member_progress.h"

#include "lib/base/alloc.h"
#include "lib/base/env.h"
#include "lib/base/log.h"
#include "raft/raft.h"
#include "store/store.h"
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 500, TELL_EVERY = 4 };

struct member_progress {
    struct env *env;
    struct store *store; /* NULL once closed. */
    const char *name;
    struct env_timer timer;
    bool naming; /* A change is under way. */
    bool learned;
    unsigned looks;
};

static void on_named(void *data, int status, int64_t revision)
{
    struct member_progress *progress = data;
    (void)revision;
    progress->naming = false;
    if (progress->store == NULL) {
        free(progress);
    } else if (status != 0) {
        LOG_INFO("server", "the cluster does not list this member by its name yet",
                 KV_TEXT("reason", store_status_text(status)));
    }
}

static void give_name(struct member_progress *progress, uint64_t id)
{
    const struct raft_change update = {
        .kind = RAFT_CHANGE_UPDATE, .id = id, .name = progress->name};
    if (!progress->naming) {
        progress->naming = true;
        store_change_member(progress->store, &update, on_named, progress);
    }
}

/* False when there is nothing more to wait for. */
static bool look_at(struct member_progress *progress, const struct raft_status *status,
                    const struct raft_member_status *own)
{
    bool named = strcmp(own->name, progress->name) == 0;
    if (!named && status->leader != 0) {
        give_name(progress, own->id);
    }
    if (own->learner) {
        progress->learned = true;
        if (progress->looks++ % TELL_EVERY == 0) {
            LOG_INFO("server",
                     status->applied_index == 0 ? "waiting for the leader to bring the log"
                     : own->joining ? "catching up: the vote comes when this member is in sync"
                                    : "this member is a learner until it is promoted",
                     KV_U64("applied", status->applied_index),
                     KV_U64("committed", status->commit_index));
        }
        return own->joining || !named || status->applied_index == 0;
    }
    if (progress->learned) {
        LOG_INFO("server", "in sync: this member has its vote",
                 KV_U64("applied", status->applied_index));
        progress->learned = false;
    }
    return !named;
}

static void look(void *data)
{
    struct member_progress *progress = data;
    struct raft_node *raft = store_raft(progress->store);
    struct raft_status status;
    bool more = true;
    if (raft == NULL) {
        return;
    }
    raft_get_status(raft, &status);
    for (size_t i = 0; i < status.member_count; i++) {
        if (status.members[i].id == status.id) {
            more = look_at(progress, &status, &status.members[i]);
        }
    }
    if (more) {
        env_timer_start(progress->env, &progress->timer, LOOK_MS * NS_PER_MS);
    }
}

struct member_progress *member_progress_open(struct env *env, struct store *store, const char *name)
{
    struct member_progress *progress = alloc_zeroed(sizeof(*progress));
    *progress = (struct member_progress){.env = env, .store = store, .name = name};
    progress->timer = (struct env_timer){.fire = look, .data = progress};
    env_timer_start(env, &progress->timer, 0);
    return progress;
}

void member_progress_close(struct member_progress *progress)
{
    if (progress == NULL) {
        return;
    }
    env_timer_stop(progress->env, &progress->timer);
    progress->store = NULL;
    if (!progress->naming) {
        free(progress);
    }
}
