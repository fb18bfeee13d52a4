/* `coracle server`: scheduler and controllers, and what they ask of the member. */
#include "cmd/server_parts.h"

#include "apiserver/node_session.h"
#include "controllers/controllers.h"
#include "lib/base/alloc.h"
#include "lib/base/env_uv.h"
#include "lib/base/log.h"
#include "lib/client/local_client.h"
#include "scheduler/scheduler.h"
#include "store/remote/remote.h"
#include <string.h>

enum { API_MEMBER_GONE_MS = 5000 };

static uint64_t heartbeat_age_ms(void *data, const char *node)
{
    struct member *member = data;
    struct node_seen seen = node_liveness_seen(apiserver_liveness(member->apiserver), node);
    return seen.known ? seen.since_ms : UINT64_MAX;
}

/* The members that the leader heard of not long ago, by the host of their first peer URL. Far
 * longer than an election timeout: a member that pauses for a moment is no reason to rewrite the
 * endpoints of the kubernetes Service. */
static size_t live_members(struct member *member, struct net_address *addresses, size_t max)
{
    struct raft_status status;
    raft_get_status(member->raft, &status);
    size_t count = 0;
    for (size_t i = 0; i < status.member_count && count < max; i++) {
        const struct raft_member_status *other = &status.members[i];
        bool alive = other->id == status.id || other->last_contact_ms <= API_MEMBER_GONE_MS;
        CLEANUP(alloc_freep) char *url = alloc_text_n(other->url, strcspn(other->url, ","));
        if (alive && net_address_parse(url, &addresses[count]) == 0) {
            count++;
        }
    }
    return count;
}

/* All of a cluster's members serve the API on the same port. */
static size_t api_endpoints(void *data, const char **ret_addresses, size_t max, uint16_t *ret_port)
{
    struct member *member = data;
    struct net_address *addresses = member->api_addresses;
    max = max < ARRAY_LEN(member->api_addresses) ? max : ARRAY_LEN(member->api_addresses);
    size_t count = member->remote != NULL ? remote_store_servers(member->remote, addresses, max)
                                          : live_members(member, addresses, max);
    for (size_t i = 0; i < count; i++) {
        ret_addresses[i] = addresses[i].host;
    }
    *ret_port = member->config.api.port;
    return count;
}

void server_open_control(struct member *member)
{
    const struct member_config *config = &member->config;
    struct env *env = env_uv_env(member->env);
    if (!config->api_enabled) {
        return;
    }
    member->client = local_client_new(env, apiserver_registry(member->apiserver), /* user= */ NULL);
    struct client *client = local_client_client(member->client);
    if (config->scheduler_enabled) {
        struct scheduler_config scheduler = {
            .env = env, .client = client, .metrics = member->metrics, .instance = config->name};
        member->scheduler = scheduler_open(&scheduler);
        apiserver_note_part(member->apiserver, APISERVER_SCHEDULER, APISERVER_PART_STANDS_BY);
    }
    if (config->controllers_enabled) {
        struct controllers_config controllers = {
            .env = env,
            .client = client,
            .metrics = member->metrics,
            .cluster_cidr = config->cluster_cidr,
            .service_cidr = config->service_cidr,
            .ca_pem = member->pki.ca_cert,
            .ca_key_pem = member->pki.ca_key,
            .server_url = config->api_url,
            .grace = {.node_grace_ms = config->node_grace_ms},
            .heartbeat_age_ms = heartbeat_age_ms,
            .heartbeat_data = member,
            .api_endpoints = api_endpoints,
            .api_endpoints_data = member,
            .may_request = server_may_request,
            .may_request_data = member,
            .account_token = server_account_token,
            .account_token_data = member,
        };
        member->controllers = controllers_open(&controllers);
        apiserver_note_part(member->apiserver, APISERVER_CONTROLLERS, APISERVER_PART_STANDS_BY);
    }
}

static void set_leader(struct member *member, bool leader)
{
    enum apiserver_part_state state = leader ? APISERVER_PART_RUNS : APISERVER_PART_STANDS_BY;
    if (member->apiserver != NULL) {
        apiserver_set_leader(member->apiserver, leader);
    }
    if (member->scheduler != NULL) {
        scheduler_set_leader(member->scheduler, leader);
        apiserver_note_part(member->apiserver, APISERVER_SCHEDULER, state);
    }
    if (member->controllers != NULL) {
        controllers_set_leader(member->controllers, leader);
        apiserver_note_part(member->apiserver, APISERVER_CONTROLLERS, state);
    }
}

/* Through the store, which listens to raft itself: its leases follow leadership first. */
void server_on_leadership(void *data, bool leading, uint64_t term)
{
    struct member *member = data;
    LOG_INFO("server", leading ? "this member leads" : "this member follows", KV_U64("term", term));
    if (!member->stopping) {
        set_leader(member, leading);
    }
}
