/* `coracle server`: opening its parts, bottom up. */
#include "cmd/server_parts.h"

#include "cmd/member_data.h"
#include "cmd/member_existing.h"
#include "cmd/member_join.h"
#include "cmd/member_progress.h"
#include "lib/base/alloc.h"
#include "lib/base/compiler.h"
#include "lib/base/env_uv.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/net/grpc.h"
#include "raft/transport.h"
#include "store/etcd_service.h"
#include "store/remote/remote.h"
#include "store/storage.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CATCH_UP_SHARE = 80 };

static void on_raft_opened(void *data, const struct error *error);

static int open_loops(struct member *member)
{
    uint64_t memory = member->config.memory_budget;
    member->memory.budget.limit =
        memory == MEMORY_BUDGET_OF_MACHINE ? server_memory_default() : memory;
    int result = loop_new("store", &member->store_loop);
    if (result == 0) {
        result = env_uv_new(loop_uv(member->store_loop), &member->env);
    }
    /* Of the cores, one is the store loop's; with more loops each has less to do at a time. */
    long spare = sysconf(_SC_NPROCESSORS_ONLN) - 1;
    size_t wanted = spare < 1 ? 1 : spare > IO_LOOPS_MAX ? IO_LOOPS_MAX : (size_t)spare;
    for (size_t i = 0; i < wanted && result == 0; i++) {
        char *name = alloc_printf("io-%zu", i);
        result = loop_new(name, &member->io_loops[i]);
        free(name);
        if (result == 0) {
            loop_set_memory(member->io_loops[i],
                            member->config.memory_budget == 0 ? NULL : &member->memory.budget);
            member->io_loop_count++;
        }
    }
    return result < 0 ? error_set(member->reterr, result, "cannot make event loops") : 0;
}

static int open_pki(struct member *member)
{
    const struct member_config *config = &member->config;
    struct net_address told;
    const char *hosts[2 * URL_LIST_MAX + 4] = {config->api.host, "localhost", "127.0.0.1"};
    size_t host_count = 3;
    if (net_address_parse(config->api_url, &told) == 0 &&
        strcmp(told.host, config->api.host) != 0) {
        hosts[host_count++] = told.host;
    }
    for (size_t i = 0; i < config->etcd.count; i++) {
        hosts[host_count++] = config->etcd.addresses[i].host;
    }
    for (size_t i = 0; i < config->peer.count; i++) {
        hosts[host_count++] = config->peer.addresses[i].host;
    }
    struct pki_config pki_config = {
        .data_dir = config->data_dir,
        .member_name = config->name,
        .hosts = hosts,
        .host_count = host_count,
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

/* For tests of clusters of several versions: this member says that it can apply commands up to
 * another version than it does, and stops where one of that version would. */
static uint32_t pretended_command_version(void)
{
    const char *text = getenv("CORACLE_TEST_COMMAND_VERSION");
    uint32_t version = text == NULL ? 0 : (uint32_t)strtoul(text, NULL, 10);
    if (version != 0) {
        LOG_WARN("server", "a test: this member pretends to be of another version",
                 KV_U64("command_version", version));
    }
    return version;
}

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
        .command_version = pretended_command_version(),
        .lease_grace_ms = 2 * config->election_ms,
        .leave_memory = !LEAKS_ARE_LOOKED_FOR,
    };
    member->store = store_new(&store_config);
    member->storage = store_storage(member->store);
    struct raft_transport_config transport = {
        .loop = member->store_loop,
        .env = member->env,
        .id = config->id,
        .cluster_id = config->cluster_id,
        .listen = config->peer.addresses,
        .listen_count = config->peer.count,
        .server_tls = listen_urls_any_tls(&config->peer) ? member->server_tls : NULL,
        .client_tls = member->client_tls,
        .peers = config->peers,
        .peer_count = config->peer_count,
        .metrics = member->metrics,
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
    storage_on_leadership(member->storage, server_on_leadership, member);
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
        .check_certificates = listen_urls_any_tls(&config->etcd),
    };
    member->etcd_grpc = grpc_server_new();
    member->etcd = etcd_service_new(&service);
    etcd_service_mount(member->etcd, member->etcd_grpc);
    etcd_access_init(&member->etcd_access, member->store, grpc_server_handler(member->etcd_grpc));
    struct http_server_options options = {
        .loops = member->io_loops,
        .loop_count = member->io_loop_count,
        .grpc = &member->etcd_access.outer,
        .handler = etcd_service_gateway(member->etcd),
    };
    int result = 0;
    for (size_t i = 0; i < config->etcd.count && result == 0; i++) {
        options.address = &config->etcd.addresses[i];
        options.tls = config->etcd.tls[i] ? member->server_tls : NULL;
        result = http_server_listen(&options, &member->etcd_servers[i], member->reterr);
        member->etcd_server_count += result == 0 ? 1 : 0;
    }
    if (result == 0 && config->has_metrics) {
        options.address = &config->metrics;
        options.tls = NULL;
        options.grpc = NULL;
        options.handler = etcd_service_http(member->etcd);
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
        .requests_in_flight = config->requests_in_flight,
        .authn = config->authn,
        .authz = config->authz,
        .audit = config->audit,
        .encryption_config = config->encryption_config,
        .encryption_path = config->encryption_path,
        .anonymous = config->anonymous,
    };
    return apiserver_new(&api, &member->apiserver, member->reterr);
}

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
        server_open_control(member);
        result = start_io_loops(member);
    }
    return result;
}

static void on_raft_opened(void *data, const struct error *error)
{
    struct member *member = data;
    if (error != NULL) {
        LOG_ERROR("server", "cannot take part in the cluster",
                  KV_TEXT("reason", error_message(error)));
        member->status = 1;
        server_stop(member);
        return;
    }
    store_publish_url(member->store, member->config.etcd_urls);
    member->progress =
        member_progress_open(env_uv_env(member->env), member->store, member->config.name);
    LOG_INFO("server", "log recovered", KV_U64("applied", raft_applied_index(member->raft)),
             KV_U64("last", raft_last_index(member->raft)));
}

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
        server_stop(member);
    } else {
        storage_on_leadership(member->storage, server_on_leadership, member);
    }
    error_release(&error);
    member->reterr = NULL;
}

/* Who this member is: its data says so, else --initial-cluster does. */
static int find_identity(struct member *member, struct arena *arena)
{
    struct member_config *config = &member->config;
    int result = member_data_lock(config->data_dir, &member->lock, member->reterr);
    if (result == 0) {
        result = member_data_identity(config, arena, member->reterr);
    }
    if (result == -EBADMSG && config->join_url != NULL) {
        result = member_data_set_aside(config->data_dir, member->reterr);
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
    if (result == -ENOENT && member_config_check_first_start(config, member->reterr) < 0) {
        return -EINVAL;
    }
    if (result == -ENOENT && config->join_url != NULL) {
        error_release(member->reterr);
        member->joins = true;
        result = member_join_keys(config, member->reterr);
    } else if (result == -ENOENT && config->existing && config->id != 0) {
        error_release(member->reterr);
        member->joins = true;
        result = 0;
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

int server_open(struct member *member, struct arena *arena)
{
    int result = directory_make_durable(member->config.data_dir, 0755, member->reterr);
    if (result == 0) {
        result = find_identity(member, arena);
    }
    if (result == 0) {
        result = open_loops(member);
    }
    if (result == 0) {
        result = open_pki(member);
    }
    if (result == 0 && member->joins && member->config.join_url != NULL) {
        result = member_join_cluster(&member->config, arena, member->reterr);
    } else if (result == 0 && member->joins) {
        result = member_join_existing(&member->config, member->client_tls, arena, member->reterr);
    }
    if (result == 0) {
        member->metrics = metrics_new();
        server_memory_open(&member->memory, env_uv_env(member->env), member->metrics);
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

/* A loop that stopped may have been told something since, by one that ran longer. */
static void run_what_is_posted(struct member *member)
{
    bool ran = true;
    while (ran) {
        ran = member->store_loop != NULL && loop_run_posted(member->store_loop);
        for (size_t i = 0; i < member->io_loop_count; i++) {
            ran = loop_run_posted(member->io_loops[i]) || ran;
        }
    }
}

void server_release(struct member *member)
{
    for (size_t i = 0; i < member->io_started; i++) {
        loop_stop(member->io_loops[i]);
        loop_join(member->io_loops[i]);
    }
    run_what_is_posted(member);
    for (size_t i = 0; i < member->io_loop_count; i++) {
        loop_free(member->io_loops[i]);
    }
    loop_free(member->store_loop);
    tls_config_unref(member->server_tls);
    tls_config_unref(member->client_tls);
    pki_release(&member->pki);
    metrics_free(member->metrics);
}
