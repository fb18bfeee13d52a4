/* A backup of a member's state: what the state machine holds, and who the members are. */
#include "store/bolt_export.h"
#include "store/store_private.h"

static const char *client_url(const struct store *store, uint64_t id)
{
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        if (store->state.urls[i].id == id) {
            return store->state.urls[i].url;
        }
    }
    return NULL;
}

struct bolt_export *store_export(struct store *store)
{
    struct bolt_export *bolt_export = bolt_export_new(&store->state);
    if (store->raft == NULL) {
        return bolt_export;
    }
    struct raft_status status;
    raft_get_status(store->raft, &status);
    for (size_t i = 0; i < status.member_count; i++) {
        const struct raft_member_status *member = &status.members[i];
        const struct bolt_member entry = {.id = member->id,
                                          .name = member->name,
                                          .peer_urls = member->url,
                                          .client_urls = client_url(store, member->id),
                                          .learner = member->learner};
        bolt_export_add_member(bolt_export, &entry);
    }
    return bolt_export;
}
