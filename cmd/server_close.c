/* `coracle server`: closing its parts, top down. Each step goes on when the part before it is gone.
 */
#include "cmd/server_parts.h"

#include "cmd/member_progress.h"
#include "cmd/stop_signal.h"
#include "controllers/controllers.h"
#include "lib/base/env_uv.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/client/local_client.h"
#include "lib/net/grpc.h"
#include "raft/transport.h"
#include "scheduler/scheduler.h"
#include "store/etcd_service.h"
#include "store/remote/remote.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { API_CLOSE_GRACE_MS = 2000, ETCD_CLOSE_GRACE_MS = 200, HANDOVER_LOOK_MS = 5 };

/* What parts that close still ask of the store has an answer by then. Without a leader there will
 * hardly be one; of a store that failed, none at all. */
static void last_calls(struct member *member, uint64_t grace_ms)
{
    if (member->store == NULL) {
        return;
    }
    if (member->raft == NULL || raft_leader_id(member->raft) == 0) {
        grace_ms = ETCD_CLOSE_GRACE_MS;
    }
    store_last_calls(member->store, member->status == 0 ? grace_ms : 0);
}

static void on_env_closed(void *data)
{
    struct member *member = data;
    loop_stop(member->store_loop);
}

static void on_remote_closed(void *data)
{
    struct member *member = data;
    server_memory_close(&member->memory);
    env_uv_close(TAKE(member->env), on_env_closed, member);
}

static void on_transport_closed(void *data)
{
    struct member *member = data;
    store_free(TAKE(member->store));
    if (member->remote != NULL) {
        remote_store_close(TAKE(member->remote), on_remote_closed, member);
        return;
    }
    on_remote_closed(member);
}

static void on_raft_closed(void *data)
{
    struct member *member = data;
    member->raft = NULL;
    if (member->transport == NULL) {
        on_transport_closed(member);
        return;
    }
    raft_transport_close(TAKE(member->transport), on_transport_closed, member);
}

/* Who is to lead has yet to take over, and may need entries from here before it can. */
static bool is_handing_over(const struct member *member)
{
    return member->raft != NULL && member->handover_until_ms != 0 &&
           loop_now_ms(member->store_loop) < member->handover_until_ms &&
           raft_is_leader(member->raft);
}

static void close_raft(void *data)
{
    struct member *member = data;
    if (is_handing_over(member)) {
        member->handover = (struct loop_timer){.fire = close_raft, .data = member};
        loop_timer_start(member->store_loop, &member->handover, HANDOVER_LOOK_MS);
        return;
    }
    if (member->etcd != NULL) {
        etcd_service_free(TAKE(member->etcd));
        grpc_server_free(TAKE(member->etcd_grpc));
    }
    if (member->raft == NULL) {
        on_raft_closed(member);
        return;
    }
    member_progress_close(TAKE(member->progress));
    store_attach_raft(member->store, NULL);
    raft_close(member->raft, on_raft_closed, member);
}

/* The listener's end is told on an io loop; the rest is closed on the store loop. */
static void on_etcd_closed(void *data)
{
    struct member *member = data;
    loop_post(member->store_loop, close_raft, member);
}

static void close_etcd_listener(void *data)
{
    struct member *member = data;
    if (member->metrics_server != NULL) { /* Then again. */
        http_server_close(TAKE(member->metrics_server), 0, close_etcd_listener, member);
        return;
    }
    size_t last = --member->etcd_server_count;
    http_server_close(TAKE(member->etcd_servers[last]), ETCD_CLOSE_GRACE_MS,
                      last == 0 ? on_etcd_closed : close_etcd_listener, member);
}

static void on_apiserver_closed(void *data)
{
    struct member *member = data;
    member->apiserver = NULL;
    if (member->etcd_server_count == 0) {
        close_raft(member);
        return;
    }
    last_calls(member, ETCD_CLOSE_GRACE_MS);
    loop_post(member->io_loops[0], close_etcd_listener, member);
}

static void on_scheduler_closed(void *data)
{
    struct member *member = data;
    if (member->client != NULL) {
        local_client_free(TAKE(member->client));
    }
    if (member->apiserver == NULL) {
        on_apiserver_closed(member);
        return;
    }
    last_calls(member, API_CLOSE_GRACE_MS);
    apiserver_close(member->apiserver, on_apiserver_closed, member);
}

static void on_controllers_closed(void *data)
{
    struct member *member = data;
    if (member->scheduler == NULL) {
        on_scheduler_closed(member);
        return;
    }
    scheduler_close(TAKE(member->scheduler), on_scheduler_closed, member);
}

/* So that writers wait milliseconds, not an election; failing means a slower change. */
static void hand_over(struct member *member)
{
    if (member->raft == NULL || !raft_is_leader(member->raft)) {
        return;
    }
    int result = raft_transfer_leadership(member->raft, /* target= */ 0);
    if (result == 0) { /* An election timeout later it has failed. */
        member->handover_until_ms = loop_now_ms(member->store_loop) + member->config.election_ms;
    } else if (result != -EINVAL) { /* -EINVAL: there is nobody to take it. */
        LOG_INFO("server", "leadership cannot be handed over: an election will follow",
                 KV_TEXT("reason", strerror(-result)));
    }
}

void server_stop(void *data)
{
    struct member *member = data;
    if (member->stopping) {
        return;
    }
    member->stopping = true;
    stop_signal_close(TAKE(member->stop));
    LOG_INFO("server", "stopping", KV_TEXT("member", member->config.name));
    if (member->remote != NULL) {
        remote_store_resign(member->remote);
    }
    last_calls(member, API_CLOSE_GRACE_MS); /* Controllers and scheduler wait for theirs, too. */
    hand_over(member);
    if (member->controllers == NULL) {
        on_controllers_closed(member);
        return;
    }
    controllers_close(TAKE(member->controllers), on_controllers_closed, member);
}

/* The loops of listeners have to turn while these close. */
void server_give_up(struct member *member)
{
    while (member->io_started < member->io_loop_count &&
           loop_start_thread(member->io_loops[member->io_started]) == 0) {
        member->io_started++;
    }
    if (member->io_started == member->io_loop_count && member->env != NULL) {
        server_stop(member);
        loop_run(member->store_loop);
    }
    server_release(member);
}
