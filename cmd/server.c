/* `coracle server`: one control-plane member. Builds its parts from the bottom up on the store loop
 * and the io loops, and closes them from the top down. Nothing here decides anything. */
#include "apiserver/apiserver.h"
#include "apiserver/node_session.h"
#include "apiserver/pki.h"
#include "cmd/commands.h"
#include "cmd/failure.h"
#include "cmd/member_config.h"
#include "cmd/member_data.h"
#include "cmd/member_join.h"
#include "cmd/member_progress.h"
#include "cmd/stop_signal.h"
#include "controllers/controllers.h"
#include "lib/base/alloc.h"
#include "lib/base/env_uv.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/client/local_client.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include "raft/raft.h"
#include "raft/transport.h"
#include "scheduler/scheduler.h"
#include "store/etcd_access.h"
#include "store/etcd_service.h"
#include "store/remote/remote.h"
#include "store/storage.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IO_LOOPS_MAX = 64, ETCD_CLOSE_GRACE_MS = 200, CATCH_UP_SHARE = 20 };
enum { API_MEMBER_GONE_MS = 5000 };

struct member {
    struct member_config config;
    struct error *reterr;
    bool joins; /* A cluster that runs already, for the first time. */
    int lock;   /* On the data directory; kept until the process ends. */
    struct pki pki;
    struct metrics *metrics;
    struct loop *store_loop;
    struct loop *io_loops[IO_LOOPS_MAX];
    size_t io_loop_count;
    size_t io_started;
    struct env_uv *env;
    struct tls_config *server_tls; /* Of the etcd and peer listeners. */
    struct tls_config *client_tls; /* To the peers. */
    struct storage *storage;       /* Of one of these two. */
    struct store *store;
    struct remote_store *remote;
    struct raft_transport *transport;
    struct raft_node *raft;
    struct member_progress *progress;
    struct grpc_server *etcd_grpc;
    struct etcd_service *etcd;
    struct etcd_access etcd_access;
    struct http_server *etcd_server;
    struct http_server *metrics_server; /* NULL: only on etcd_server. */
    struct apiserver *apiserver;
    struct local_client *client;
    struct scheduler *scheduler;
    struct controllers *controllers;
    struct net_address api_addresses[RAFT_MEMBERS_MAX]; /* What api_endpoints() lends out. */
    struct stop_signal *stop;
    bool stopping;
    int status; /* Exit status. */
};

/* ---- opening, bottom up ---- */

static int open_loops(struct member *member)
{
    int result = loop_new("store", &member->store_loop);
    if (result == 0) {
        result = env_uv_new(loop_uv(member->store_loop), &member->env);
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t wanted = cores < 1 ? 1 : cores > IO_LOOPS_MAX ? IO_LOOPS_MAX : (size_t)cores;
    for (size_t i = 0; i < wanted && result == 0; i++) {
        char *name = alloc_printf("io-%zu", i);
        result = loop_new(name, &member->io_loops[i]);
        free(name);
        member->io_loop_count += result == 0;
    }
    return result < 0 ? error_set(member->reterr, result, "cannot make event loops") : 0;
}

static int open_pki(struct member *member)
{
    const struct member_config *config = &member->config;
    const char *hosts[] = {config->api.host, config->etcd.host, config->peer.host, "localhost",
                           "127.0.0.1"};
    struct pki_config pki_config = {
        .data_dir = config->data_dir,
        .member_name = config->name,
        .hosts = hosts,
        .host_count = sizeof(hosts) / sizeof(hosts[0]),
        .service_ip = config->service_ip,
        .cluster_domain = config->cluster_domain,
    };
    int result = pki_open(&pki_config, &member->pki, member->reterr);
    if (result < 0) {
        return result;
    }
    struct tls_options options = {
        .cert_pem = slice_text(member->pki.server_cert),
        .key_pem = slice_text(member->pki.server_key),
        .ca_pem = slice_text(member->pki.ca_cert),
        .verify = TLS_VERIFY_REQUIRED,
        .alpn = TLS_ALPN_H2,
    };
    result = tls_config_new_server(&options, &member->server_tls, member->reterr);
    if (result == 0) {
        options.alpn = TLS_ALPN_NONE;
        result = tls_config_new_client(&options, &member->client_tls, member->reterr);
    }
    return result;
}

static void on_raft_opened(void *data, const struct error *error);
static void on_leadership(void *data, bool leading, uint64_t term);

static int open_store(struct member *member)
{
    const struct member_config *config = &member->config;
    struct store_config store_config = {
        .env = env_uv_env(member->env),
        .metrics = member->metrics,
        .member_id = config->id,
        .quota_bytes = config->store_options.quota_bytes,
        .compact_age_ms = config->store_options.compact_age_ms,
        .compact_revisions = config->store_options.compact_revisions,
        .check_period_ms = STORE_CHECK_PERIOD_MS,
        .lease_grace_ms = 2 * config->election_ms,
    };
    member->store = store_new(&store_config);
    member->storage = store_storage(member->store);
    struct raft_transport_config transport = {
        .loop = member->store_loop,
        .env = member->env,
        .id = config->id,
        .cluster_id = config->cluster_id,
        .listen_host = config->peer.host,
        .listen_port = config->peer.port,
        .server_tls = config->peer_tls ? member->server_tls : NULL,
        .client_tls = config->peer_tls ? member->client_tls : NULL,
        .peers = config->peers,
        .peer_count = config->peer_count,
    };
    int result = raft_transport_open(&transport, &member->transport, member->reterr);
    if (result < 0) {
        return result;
    }
    char *dir = alloc_printf("%s/raft", config->data_dir);
    struct raft_config raft = {
        .env = env_uv_env(member->env),
        .id = config->id,
        .cluster_id = config->cluster_id,
        .dir = dir,
        .peers = config->peers,
        .peer_count = config->peer_count,
        .join = config->join,
        .fsm = store_fsm(member->store),
        .heartbeat_ms = config->heartbeat_ms,
        .election_ms = config->election_ms,
        .snapshot_entries = config->snapshot_entries,
        .snapshot_catch_up = config->snapshot_entries / CATCH_UP_SHARE,
    };
    result = raft_open(&raft, on_raft_opened, member, &member->raft, member->reterr);
    free(dir);
    if (result < 0) {
        return result;
    }
    store_attach_raft(member->store, member->raft);
    raft_transport_attach(member->transport, member->raft);
    storage_on_leadership(member->storage, on_leadership, member);
    return 0;
}

static void on_remote_ready(void *data);

/* Somebody's etcd. The API is opened once it has been read: an API server that knows nothing yet
 * would tell nodes that there is nothing. */
static int open_remote(struct member *member)
{
    const struct member_config *config = &member->config;
    struct remote_store_config remote = {
        .loop = member->store_loop,
        .env = env_uv_env(member->env),
        .metrics = member->metrics,
        .name = config->name,
        .api_url = config->api_url,
        .on_ready = on_remote_ready,
        .data = member,
    };
    int result = external_store_open(&config->external, &remote, &member->remote, member->reterr);
    if (result < 0) {
        return result;
    }
    member->storage = remote_store_storage(member->remote);
    LOG_INFO("server", "waiting for etcd; the API is served once it has been read",
             KV_TEXT("endpoint", config->etcd_url));
    return 0;
}

static int open_etcd(struct member *member)
{
    const struct member_config *config = &member->config;
    struct etcd_service_config service = {
        .store = member->store,
        .store_loop = member->store_loop,
        .metrics = member->metrics,
        .check_certificates = config->etcd_tls,
    };
    member->etcd_grpc = grpc_server_new();
    member->etcd = etcd_service_new(&service);
    etcd_service_mount(member->etcd, member->etcd_grpc);
    etcd_access_init(&member->etcd_access, member->store, grpc_server_handler(member->etcd_grpc));
    struct http_server_options options = {
        .loops = member->io_loops,
        .loop_count = member->io_loop_count,
        .address = &config->etcd,
        .tls = config->etcd_tls ? member->server_tls : NULL,
        .grpc = &member->etcd_access.outer,
        .handler = etcd_service_http(member->etcd),
    };
    int result = http_server_listen(&options, &member->etcd_server, member->reterr);
    if (result == 0 && config->has_metrics) {
        options.address = &config->metrics;
        options.tls = NULL;
        options.grpc = NULL;
        result = http_server_listen(&options, &member->metrics_server, member->reterr);
    }
    return result;
}

static int open_api(struct member *member)
{
    const struct member_config *config = &member->config;
    struct apiserver_config api = {
        .env = env_uv_env(member->env),
        .store_loop = member->store_loop,
        .io_loops = member->io_loops,
        .io_loop_count = member->io_loop_count,
        .storage = member->storage,
        .metrics = member->metrics,
        .pki = &member->pki,
        .listen_host = config->api.host,
        .listen_port = config->api.port,
        .advertise_url = config->api_url,
        .etcd_url = config->external.endpoint_count > 0 ? NULL : config->etcd_url,
        .member_name = config->name,
        .service_cidr = config->service_cidr,
        .cluster_cidr = config->cluster_cidr,
        .cluster_domain = config->cluster_domain,
        .anonymous = true,
    };
    return apiserver_new(&api, &member->apiserver, member->reterr);
}

/* ---- control loops ---- */

static uint64_t heartbeat_age_ms(void *data, const char *node)
{
    struct member *member = data;
    struct node_seen seen = node_liveness_seen(apiserver_liveness(member->apiserver), node);
    return seen.known ? seen.since_ms : UINT64_MAX;
}

/* The members that the leader heard of not long ago, by the host of their peer URL. Far longer than
 * an election timeout: a member that pauses for a moment is no reason to rewrite the endpoints of
 * the kubernetes Service. */
static size_t live_members(struct member *member, struct net_address *addresses, size_t max)
{
    struct raft_status status;
    raft_get_status(member->raft, &status);
    size_t count = 0;
    for (size_t i = 0; i < status.member_count && count < max; i++) {
        const struct raft_member_status *other = &status.members[i];
        bool alive = other->id == status.id || other->last_contact_ms <= API_MEMBER_GONE_MS;
        if (alive && net_address_parse(other->url, &addresses[count]) == 0) {
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

static void open_control(struct member *member)
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
    }
    if (config->controllers_enabled) {
        struct controllers_config controllers = {
            .env = env,
            .client = client,
            .metrics = member->metrics,
            .cluster_cidr = config->cluster_cidr,
            .service_cidr = config->service_cidr,
            .ca_pem = member->pki.ca_cert,
            .instance = config->name,
            .grace = {.node_grace_ms = config->node_grace_ms},
            .heartbeat_age_ms = heartbeat_age_ms,
            .heartbeat_data = member,
            .api_endpoints = api_endpoints,
            .api_endpoints_data = member,
        };
        member->controllers = controllers_open(&controllers);
    }
}

static void set_leader(struct member *member, bool leader)
{
    if (member->apiserver != NULL) {
        apiserver_set_leader(member->apiserver, leader);
    }
    if (member->scheduler != NULL) {
        scheduler_set_leader(member->scheduler, leader);
    }
    if (member->controllers != NULL) {
        controllers_set_leader(member->controllers, leader);
    }
}

/* Through the store, which listens to raft itself: its leases follow leadership first. */
static void on_leadership(void *data, bool leading, uint64_t term)
{
    struct member *member = data;
    LOG_INFO("server", leading ? "this member leads" : "this member follows", KV_U64("term", term));
    if (!member->stopping) {
        set_leader(member, leading);
    }
}

/* ---- closing, top down: each step goes on when the part before it is gone ---- */

static void on_env_closed(void *data)
{
    struct member *member = data;
    loop_stop(member->store_loop);
}

static void on_remote_closed(void *data)
{
    struct member *member = data;
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

static void close_raft(void *data)
{
    struct member *member = data;
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
    http_server_close(TAKE(member->etcd_server), ETCD_CLOSE_GRACE_MS, on_etcd_closed, member);
}

static void on_apiserver_closed(void *data)
{
    struct member *member = data;
    member->apiserver = NULL;
    if (member->etcd_server == NULL) {
        close_raft(member);
        return;
    }
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

static void stop_member(void *data)
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
    if (member->raft != NULL && raft_is_leader(member->raft)) {
        /* So that writers wait milliseconds, not an election; failing means a slower change. */
        int result = raft_transfer_leadership(member->raft, /* target= */ 0);
        if (result < 0 && result != -EINVAL) { /* -EINVAL: there is nobody to take it. */
            LOG_INFO("server", "leadership cannot be handed over: an election will follow",
                     KV_TEXT("reason", strerror(-result)));
        }
    }
    if (member->controllers == NULL) {
        on_controllers_closed(member);
        return;
    }
    controllers_close(TAKE(member->controllers), on_controllers_closed, member);
}

static void on_raft_opened(void *data, const struct error *error)
{
    struct member *member = data;
    if (error != NULL) {
        LOG_ERROR("server", "cannot take part in the cluster",
                  KV_TEXT("reason", error_message(error)));
        member->status = 1;
        stop_member(member);
        return;
    }
    char *url = alloc_printf("%s://%s:%u", member->config.etcd_tls ? "https" : "http",
                             member->config.etcd.host, (unsigned)member->config.etcd.port);
    store_publish_url(member->store, url);
    free(url);
    member->progress =
        member_progress_open(env_uv_env(member->env), member->store, member->config.name);
    LOG_INFO("server", "log recovered", KV_U64("applied", raft_applied_index(member->raft)),
             KV_U64("last", raft_last_index(member->raft)));
}

static int open_serving(struct member *member);

static void on_remote_ready(void *data)
{
    struct member *member = data;
    if (member->stopping) {
        return;
    }
    struct error error = {.code = 0};
    member->reterr = &error;
    if (open_serving(member) < 0) {
        LOG_ERROR("server", "cannot serve", KV_TEXT("reason", error_message(&error)));
        member->status = 1;
        stop_member(member);
    } else {
        storage_on_leadership(member->storage, on_leadership, member);
    }
    error_release(&error);
    member->reterr = NULL;
}

/* ---- the whole ---- */

static int start_io_loops(struct member *member)
{
    for (size_t i = 0; i < member->io_loop_count; i++) {
        int result = loop_start_thread(member->io_loops[i]);
        if (result < 0) {
            return error_set(member->reterr, result, "cannot start a thread");
        }
        member->io_started++;
    }
    return 0;
}

static int open_serving(struct member *member)
{
    int result = member->config.api_enabled ? open_api(member) : 0;
    if (result == 0) {
        open_control(member);
        result = start_io_loops(member);
    }
    return result;
}

/* Who this member is: its data says so, else --initial-cluster does. */
static int find_identity(struct member *member, struct arena *arena)
{
    struct member_config *config = &member->config;
    int result = member_data_lock(config->data_dir, &member->lock, member->reterr);
    if (result == 0) {
        result = member_data_identity(config, arena, member->reterr);
    }
    if (result == -ENOENT && config->external.endpoint_count > 0) {
        error_release(member->reterr);
        return 0;
    }
    if (result == 0 && config->external.endpoint_count > 0) {
        return error_set(member->reterr, -EINVAL,
                         "%s holds a store of its own: --store-endpoints needs another --data-dir",
                         config->data_dir);
    }
    if (result == -ENOENT && config->join_url != NULL) {
        error_release(member->reterr);
        member->joins = true;
        result = member_join_keys(config, member->reterr);
    } else if (result == -ENOENT) {
        error_release(member->reterr);
        result = config->id != 0 ? 0
                                 : error_set(member->reterr, -EINVAL,
                                             "%s holds no member yet: name the members of the new "
                                             "cluster with --initial-cluster, or a member of one "
                                             "that runs with --join",
                                             config->data_dir);
    }
    return result;
}

static int open_member(struct member *member, struct arena *arena)
{
    int result = directory_make(member->config.data_dir, 0755, member->reterr);
    if (result == 0) {
        result = find_identity(member, arena);
    }
    if (result == 0) {
        result = open_loops(member);
    }
    if (result == 0) {
        result = open_pki(member);
    }
    if (result == 0 && member->joins) {
        result = member_join_cluster(&member->config, arena, member->reterr);
    }
    if (result == 0) {
        member->metrics = metrics_new();
        env_uv_observe_flushes(
            member->env, metrics_histogram(member->metrics, "etcd_disk_wal_fsync_duration_seconds",
                                           "Flushes of the log and of snapshots.", NULL,
                                           metrics_seconds_bounds, metrics_seconds_bound_count));
        if (member->config.external.endpoint_count > 0) {
            return open_remote(member);
        }
        result = open_store(member);
    }
    if (result == 0) {
        result = open_etcd(member);
    }
    return result == 0 ? open_serving(member) : result;
}

static void release_member(struct member *member)
{
    for (size_t i = 0; i < member->io_loop_count; i++) {
        if (i < member->io_started) {
            loop_stop(member->io_loops[i]);
            loop_join(member->io_loops[i]);
        }
        loop_free(member->io_loops[i]);
    }
    loop_free(member->store_loop);
    tls_config_unref(member->server_tls);
    tls_config_unref(member->client_tls);
    pki_release(&member->pki);
    metrics_free(member->metrics);
}

/* What a burst has freed stays for the next one: given back page by page, each burst would fault it
 * all in again (a fifth of the CPU of a watch fan-out). At most this much stays per arena. */
static void keep_freed_memory(void)
{
    (void)mallopt(M_TRIM_THRESHOLD, 16 << 20); /* Refused: as without. */
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
    (void)mallopt(M_TOP_PAD, 1 << 20);
}

static int run(const struct flag_set *set, struct error *reterr)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct member *member = alloc_zeroed(sizeof(*member));
    member->reterr = reterr;
    keep_freed_memory();
    int result = member_config_from(set, arena, &member->config, reterr);
    if (result == 0) {
        result = open_member(member, arena);
    }
    if (result < 0) {
        /* The process ends at once: what is half open has acknowledged nothing. */
        free(member);
        return result;
    }
    member->stop = stop_signal_open(member->store_loop, stop_member, member);
    LOG_INFO("server", "serving", KV_TEXT("member", member->config.name),
             KV_TEXT("api", member->config.api_url), KV_TEXT("etcd", member->config.etcd_url));
    loop_run(member->store_loop);
    release_member(member);
    int status = member->status;
    free(member);
    return status == 0 ? 0 : error_set(reterr, -EIO, "ended; the log above says why");
}

int command_server(int argc, char **argv)
{
    struct flag flags[] = {
        {.name = "name", .placeholder = "NAME", .required = true, .help = "this member's name"},
        {.name = "data-dir",
         .placeholder = "DIR",
         .fallback = "/var/lib/coracle",
         .help = "log, snapshots, certificates; a disk that keeps what it has flushed"},
        {.name = "api-listen",
         .placeholder = "HOST:PORT",
         .fallback = "127.0.0.1:6443",
         .help = "where kubectl and agents connect"},
        {.name = "advertise-url",
         .placeholder = "URL",
         .help = "how others reach that; default https:// and --api-listen"},
        {.name = "etcd-listen",
         .placeholder = "URL",
         .fallback = "https://127.0.0.1:2379",
         .help = "etcd v3 API; http:// for no TLS"},
        {.name = "peer-url",
         .placeholder = "URL",
         .fallback = "https://127.0.0.1:2380",
         .help = "where the other members connect"},
        {.name = "initial-cluster",
         .placeholder = "NAME=URL,...",
         .list = true,
         .help = "all members with their peer URLs, this one too; the same everywhere. For the "
                 "first start: later the data directory says who belongs to the cluster"},
        {.name = "join",
         .placeholder = "URL",
         .help = "instead of --initial-cluster, with an empty data directory: become a member of "
                 "the cluster of this server. https://HOST:6443 with --token; or, with its pki "
                 "files copied here, the --etcd-listen of a member"},
        {.name = "token",
         .placeholder = "TOKEN",
         .help = "from `coracle token create --member`, for --join"},
        {.name = "join-user",
         .placeholder = "NAME:PASSWORD",
         .help = "for --join while the store asks for users: one with the role root"},
        {.name = "metrics-listen",
         .placeholder = "URL",
         .help = "/metrics and /health in the clear here, too; they are on --etcd-listen anyway"},
        {.name = "quota-bytes",
         .placeholder = "N",
         .fallback = "8589934592",
         .help = "of keys and values: beyond it the store takes nothing that grows; 0: no limit"},
        {.name = "auto-compaction-mode",
         .placeholder = "MODE",
         .fallback = "periodic",
         .help = "periodic or revision: what --auto-compaction-retention counts"},
        {.name = "auto-compaction-retention",
         .placeholder = "N",
         .help = "history kept: 30m, 5h, or a number of hours or revisions; 0: all. Default 5m, "
                 "and all with --disable api"},
        {.name = "store-endpoints",
         .placeholder = "URL,...",
         .list = true,
         .help = "in place of a store of its own, an etcd v3 that is there: http[s]://HOST:PORT"},
        {.name = "store-cacert", .placeholder = "FILE", .help = "who may sign its certificate"},
        {.name = "store-cert", .placeholder = "FILE", .help = "client certificate for it"},
        {.name = "store-key", .placeholder = "FILE", .help = "and its key"},
        {.name = "store-prefix",
         .placeholder = "PREFIX",
         .fallback = "/registry",
         .help = "all keys of the cluster in that etcd begin with it"},
        {.name = "store-user", .placeholder = "NAME", .help = "user of that etcd"},
        {.name = "store-password-file", .placeholder = "FILE", .help = "and the password"},
        {.name = "store-compact-minutes",
         .placeholder = "N",
         .fallback = "5",
         .help = "how often to compact that etcd; 0 leaves it to others"},
        {.name = "service-cidr",
         .placeholder = "CIDR",
         .fallback = "10.96.0.0/12",
         .help = "addresses of Services"},
        {.name = "cluster-cidr",
         .placeholder = "CIDR",
         .fallback = "10.244.0.0/16",
         .help = "addresses of pods; each node gets a /24"},
        {.name = "cluster-domain",
         .placeholder = "NAME",
         .fallback = "cluster.local",
         .help = "DNS domain of the cluster"},
        {.name = "disable",
         .placeholder = "PART,...",
         .list = true,
         .help = "leave out api, scheduler or controllers"},
        {.name = "heartbeat-ms",
         .placeholder = "N",
         .fallback = "50",
         .help = "Raft: how often the leader is heard of"},
        {.name = "election-ms",
         .placeholder = "N",
         .fallback = "300",
         .help = "Raft: silence after which another leader is elected"},
        {.name = "node-grace-ms",
         .placeholder = "N",
         .fallback = "40000",
         .help = "silence of a node after which it is not ready"},
        {.name = "snapshot-entries",
         .placeholder = "N",
         .fallback = "100000",
         .help = "log entries after which the state is saved and older ones are dropped"},
        {.name = "log-level",
         .placeholder = "LEVEL",
         .fallback = "info",
         .help = "error, warn, info or debug"},
        {.name = "config", .placeholder = "FILE", .help = "YAML file with these flags' names"},
    };
    struct flag_set set = {
        .usage = "coracle server --name NAME --initial-cluster NAME=URL,... [flags]\n"
                 "       coracle server --name NAME --store-endpoints URL,... [flags]",
        .summary =
            "Runs one member of the control plane: replicated store, Kubernetes API, etcd API,\n"
            "scheduler and controllers. Run one or, to survive a lost machine, three or five.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
    };
    struct error error = {.code = 0};
    int status = 0;
    enum log_level level;
    if (flag_set_parse(&set, argc, argv, &error) < 0) {
        status = command_misused("server", &error);
    } else if (set.help) {
        status = 0;
    } else if (log_level_parse(flag_text(&set, "log-level"), &level) < 0) {
        (void)error_set(&error, -EINVAL, "--log-level: must be error, warn, info or debug");
        status = command_misused("server", &error);
    } else {
        log_set_level(level);
        status = run(&set, &error) < 0 ? command_failed("server", &error) : 0;
    }
    flag_set_release(&set);
    return status;
}
