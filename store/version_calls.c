/* Members of different versions in one cluster: each says through the log which commands it can
 * apply, and the leader raises the version in use to what all members can. A member that is too old
 * for what is in use stops before it applies anything. docs/decisions/command-versions.md */
#include "store/store_private.h"

#include "lib/base/log.h"
#include "store/plant.h"

static void say(struct store *store, uint64_t member, uint32_t version)
{
    struct store_command command = {.kind = STORE_COMMAND_VERSION,
                                    .version = {.member = member, .version = version}};
    store_command_say(store, &command);
}

/* What all members can apply, those included that are away. */
static uint32_t version_of_all(const struct store *store)
{
    struct raft_status raft;
    raft_get_status(store->raft, &raft);
    uint32_t least = store->version;
    for (size_t i = 0; i < raft.member_count && PLANTED != PLANT_VERSION_OWN; i++) {
        uint32_t version = versions_of(&store->state.versions, raft.members[i].id);
        least = version < least ? version : least;
    }
    return least;
}

static bool is_told(const struct store *store)
{
    return versions_of(&store->state.versions, store->config.member_id) == store->version;
}

static bool may_raise(const struct store *store)
{
    return store->leading && versions_in_use(&store->state.versions) < store->version;
}

/* What is said may get lost with a leader: until it shows in the state it is said again. The leader
 * looks again while it could do with more, as members are upgraded and removed. */
static void settle(void *data)
{
    struct store *store = data;
    if (store->raft == NULL || store->rebuild.active || store->too_old) {
        return;
    }
    if (!is_told(store)) {
        say(store, store->config.member_id, store->version);
    }
    if (may_raise(store)) {
        uint32_t all = version_of_all(store);
        if (all > versions_in_use(&store->state.versions)) {
            say(store, /* member= */ 0, all);
        }
    }
    if (!is_told(store) || may_raise(store)) {
        env_timer_start(store->env, &store->version_timer, STORE_VERSION_RETRY_MS * NS_PER_MS);
    }
}

void store_versions_init(struct store *store)
{
    uint32_t set = store->config.command_version;
    store->version = set != 0 ? set : STORE_VERSION_NEWEST;
    store->version_timer = (struct env_timer){.fire = settle, .data = store};
}

void store_versions_settle(struct store *store)
{
    bool asleep = store->version_timer.position == 0; /* Else it may be said, and under way. */
    if (asleep && (!is_told(store) || may_raise(store))) {
        env_timer_start(store->env, &store->version_timer, /* delay_ns= */ 0);
    }
}

void store_versions_changed(struct store *store)
{
    if (store->metrics.command_version != NULL) {
        metric_set(store->metrics.command_version, versions_in_use(&store->state.versions));
    }
    store_versions_settle(store);
}

bool store_is_for_all(const struct store *store, uint32_t needed)
{
    return needed <= versions_in_use(&store->state.versions);
}

bool store_stops_too_old(struct store *store, uint64_t index, uint32_t needed)
{
    if (needed <= store->version) {
        return false;
    }
    if (!store->too_old) {
        store->too_old = true;
        LOG_ERROR("store",
                  "this member is too old for its cluster: upgrade it to the version of the "
                  "others; its data is as it was",
                  KV_U64("index", index), KV_U64("command_version_needed", needed),
                  KV_U64("command_version_of_this_member", store->version));
        env_fatal(store->env, "this member has to be upgraded");
    }
    return true;
}
