#include "cmd/member_existing.h"

#include "cmd/member_data.h"
#include "cmd/pause.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "raft/transport.h"
#include <errno.h>
#include <string.h>

enum { TRIES = 60, RETRY_MS = 1000 };

struct entering {
    struct member_config *config;
    struct tls_config *tls;
    struct raft_identity identity; /* What was answered last. */
    struct error *reterr;
};

static const struct raft_member_status *own_place(const struct entering *entering)
{
    for (size_t i = 0; i < entering->identity.member_count; i++) {
        const struct raft_member_status *member = &entering->identity.members[i];
        if (url_list_overlaps(member->url, entering->config->peer_urls)) {
            return member;
        }
    }
    return NULL;
}

/* 0 when the place is there; -ENOENT when nobody who was asked knows of it. */
static int look(struct entering *entering, const char *url)
{
    int result = raft_ask_members(url, entering->tls, &entering->identity, entering->reterr);
    if (result < 0) {
        return -ENOENT;
    }
    const struct raft_member_status *place = own_place(entering);
    if (place == NULL) {
        return error_set(entering->reterr, -ENOENT,
                         "the cluster does not list %s: add it first, with `coracle member add` or "
                         "`etcdctl member add`",
                         entering->config->peer_urls);
    }
    if (place->seen) {
        return error_set(entering->reterr, -EEXIST,
                         "member %s at %s has been running, and its data is not here: start it "
                         "with --join, which replaces it, or remove it and add it again",
                         place->name, place->url);
    }
    entering->identity.id = place->id;
    return 0;
}

static int look_everywhere(struct entering *entering)
{
    const struct member_config *config = entering->config;
    int result = error_set(entering->reterr, -ENOENT,
                           "--initial-cluster-state=existing: --initial-cluster names no other "
                           "member");
    for (size_t i = 0; i < config->peer_count; i++) {
        const char *urls = config->peers[i].url;
        struct slice url;
        while (strcmp(config->peers[i].name, config->name) != 0 && url_list_next(&urls, &url)) {
            CLEANUP(alloc_freep) char *text = alloc_text_n((const char *)url.data, url.len);
            result = look(entering, text);
            if (result != -ENOENT) {
                return result;
            }
        }
    }
    return result;
}

int member_join_existing(struct member_config *config, struct tls_config *client_tls,
                         struct arena *arena, struct error *reterr)
{
    struct entering *entering = alloc_zeroed(sizeof(*entering));
    *entering = (struct entering){.config = config, .tls = client_tls, .reterr = reterr};
    int result = look_everywhere(entering);
    for (int tries = 1; tries < TRIES && result == -ENOENT; tries++) {
        LOG_INFO("server", "cannot join yet, trying again",
                 KV_TEXT("reason", error_message(reterr)));
        pause_ms(RETRY_MS);
        result = look_everywhere(entering);
    }
    if (result == 0) {
        error_release(reterr);
        member_data_take(&entering->identity, config, arena);
        config->join = true;
        LOG_INFO("server", "joining: the leader brings the log", KV_TEXT("member", config->name),
                 KV_ID("id", config->id), KV_ID("cluster", config->cluster_id));
    }
    alloc_freep(&entering);
    return result;
}
