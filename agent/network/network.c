#include "agent/network/network.h"

#include "agent/network/cni_config.h"
#include "agent/network/dns_server.h"
#include "agent/network/limits.h"
#include "agent/network/netlink.h"
#include "agent/network/network_objects.h"
#include "agent/network/nft_rules.h"
#include "agent/network/node_setup.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>

enum {
    CHANGE_DELAY_MS = 5,
    RETRY_DELAY_MS = 1000,
    UPSTREAMS_MAX = 3,
    DNS_PORT = 53,
};

/* Another node, and whether the kernel has its route. */
struct node_route {
    struct in_addr gateway;
    struct netlink_prefix prefix;
    bool wanted;    /* False: to be removed, then forgotten. */
    bool installed; /* Exactly this gateway and prefix. */
    bool replaced;  /* `old_prefix` is to be removed first. */
    struct netlink_prefix old_prefix;
};

/* One job of the worker thread: everything that was to change when it was made. */
struct job {
    uv_work_t request;
    struct network *network;
    struct nft_ctx *nft;
    struct buffer script;
    char *error; /* What nft said; NULL when it took the script. */
    struct route_change {
        char *node;
        struct netlink_prefix prefix;
        struct in_addr gateway;
        bool remove;
        int result;
    } * routes;
    size_t route_count;
    bool whole; /* The script makes the table anew. */
    uint64_t started_ns;
};

struct network {
    uv_loop_t *loop;
    char *cni_conf_dir;
    char *cni_state_dir;
    char *bridge;
    struct in_addr upstreams[UPSTREAMS_MAX];
    size_t upstream_count;

    char *node_name;
    char *cluster_cidr;
    char *pod_cidr; /* "" while unknown. */
    struct in_addr node_ip;
    struct in_addr dns_ip;
    bool cluster_known;
    bool cni_written;
    bool bridge_filtered; /* Bridged packets pass netfilter (br_netfilter). */
    bool synced;
    bool installed; /* The table was made once by this process. */
    bool reset_due;
    bool routes_due;

    struct service_table table;
    struct nft_rules *rules;
    struct nft_ctx *nft;
    struct hash_map *routes; /* node name -> struct node_route */
    struct dns_server *dns;
    uv_timer_t timer;
    bool job_running;
    bool closing;
    int closing_parts;
    void (*closed)(void *data);
    void *closed_data;
    struct metric_histogram *sync_seconds;
    struct metric *sync_errors;
};

static void schedule(struct network *network, uint64_t delay_ms);

/* ---- the worker thread ---- */

static void job_work(uv_work_t *request)
{
    struct job *job = request->data;
    for (size_t i = 0; i < job->route_count; i++) {
        struct route_change *change = &job->routes[i];
        change->result = change->remove ? netlink_route_remove(change->prefix)
                                        : netlink_route_replace(change->prefix, change->gateway);
    }
    if (job->script.len > 0 && nft_run_cmd_from_buffer(job->nft, buffer_text(&job->script)) != 0) {
        job->error = alloc_text(nft_ctx_get_error_buffer(job->nft));
    }
}

static void job_free(struct job *job)
{
    for (size_t i = 0; i < job->route_count; i++) {
        free(job->routes[i].node);
    }
    free(job->routes);
    free(job->error);
    buffer_release(&job->script);
    free(job);
}

/* ---- back on the loop ---- */

static void route_done(struct network *network, const struct route_change *change)
{
    struct node_route *route = hash_map_get(network->routes, slice_text(change->node));
    if (change->result < 0) {
        LOG_WARN("network", "cannot change the route to a node's pods, trying again",
                 KV_TEXT("node", change->node), KV_TEXT("error", strerror(-change->result)));
        network->routes_due = true;
        return;
    }
    if (route == NULL) {
        return;
    }
    if (change->remove) {
        route->replaced = false;
        if (!route->wanted) {
            (void)hash_map_remove(network->routes, slice_text(change->node));
            free(route);
        }
    } else if (route->gateway.s_addr == change->gateway.s_addr &&
               netlink_prefix_equal(route->prefix, change->prefix)) {
        route->installed = true;
    }
}

static void finish_close(struct network *network);

static void on_job_done(uv_work_t *request, int status)
{
    struct job *job = request->data;
    struct network *network = job->network;
    assert(status == 0); /* Jobs are never cancelled. */
    network->job_running = false;
    uint64_t retry_ms = CHANGE_DELAY_MS;
    for (size_t i = 0; i < job->route_count; i++) {
        route_done(network, &job->routes[i]);
        retry_ms = job->routes[i].result < 0 ? RETRY_DELAY_MS : retry_ms;
    }
    if (job->error != NULL) {
        LOG_ERROR("network", "nftables refused the Service rules, making them anew",
                  KV_TEXT("error", job->error));
        network->reset_due = true;
        retry_ms = RETRY_DELAY_MS;
        if (network->sync_errors != NULL) {
            metric_add(network->sync_errors, 1);
        }
    } else if (network->sync_seconds != NULL && job->script.len > 0) {
        metric_observe(network->sync_seconds, (double)(uv_hrtime() - job->started_ns) / 1e9);
    }
    job_free(job);
    if (network->closing) {
        finish_close(network);
    } else {
        schedule(network, retry_ms);
    }
}

static void add_route_change(struct job *job, struct slice node, struct netlink_prefix prefix,
                             struct in_addr gateway, bool remove)
{
    job->routes = alloc_resize(job->routes, job->route_count + 1, sizeof(*job->routes));
    job->routes[job->route_count++] = (struct route_change){
        .node = alloc_text_n((const char *)node.data, node.len),
        .prefix = prefix,
        .gateway = gateway,
        .remove = remove,
    };
}

static void collect_routes(struct network *network, struct job *job)
{
    struct slice name;
    void *value;
    for (size_t at = 0; hash_map_next(network->routes, &at, &name, &value);) {
        const struct node_route *route = value;
        if (route->replaced) {
            add_route_change(job, name, route->old_prefix, route->gateway, /* remove= */ true);
        }
        if (!route->wanted) {
            add_route_change(job, name, route->prefix, route->gateway, /* remove= */ true);
        } else if (!route->installed) {
            add_route_change(job, name, route->prefix, route->gateway, /* remove= */ false);
        }
    }
    network->routes_due = false;
}

static void collect_rules(struct network *network, struct job *job)
{
    struct nft_rules_config config = {
        .node_name = network->node_name,
        .cluster_cidr = network->cluster_cidr,
        .pod_cidr = network->pod_cidr,
        .masquerade_bridged = !network->bridge_filtered,
    };
    if (network->reset_due) {
        nft_rules_reset(network->rules, &config, &network->table, &job->script);
        network->reset_due = false;
        network->installed = true;
    } else {
        nft_rules_update(network->rules, &config, &network->table, &job->script);
    }
    assert(buffer_error(&job->script) == 0); /* Bounded by NETWORK_SERVICES_MAX. */
}

static void on_change_timer(uv_timer_t *timer)
{
    struct network *network = timer->data;
    /* Before the first sync the rules of an earlier run stay: half a table is worse than an old
     * one. */
    bool rules_due = network->synced && (network->reset_due || !list_empty(&network->table.dirty));
    if (network->job_running || (!rules_due && !network->routes_due)) {
        return;
    }
    struct job *job = alloc_zeroed(sizeof(*job));
    job->request.data = job;
    job->network = network;
    job->nft = network->nft;
    job->started_ns = uv_hrtime();
    buffer_init(&job->script, NFT_SCRIPT_BYTES_MAX);
    collect_routes(network, job);
    if (rules_due) {
        collect_rules(network, job);
    }
    if (job->route_count == 0 && job->script.len == 0) {
        job_free(job);
        return;
    }
    network->job_running = true;
    int result = uv_queue_work(network->loop, &job->request, job_work, on_job_done);
    assert(result == 0); /* Fails only without a work function. */
}

/* Changes come in bursts (a rollout changes one slice many times): a short wait makes one
 * transaction of them. */
static void schedule(struct network *network, uint64_t delay_ms)
{
    if (!network->closing && !network->job_running &&
        !uv_is_active((uv_handle_t *)&network->timer)) {
        (void)uv_timer_start(&network->timer, on_change_timer, delay_ms, 0);
    }
}

/* ---- the node itself ---- */

static void write_cni_config(struct network *network)
{
    char *path = alloc_printf("%s/%s", network->cni_conf_dir, CNI_CONFIG_FILE);
    int result = node_write_cni(path, network->bridge, network->pod_cidr, network->cni_state_dir);
    network->cni_written = result == 0;
    if (result < 0) {
        LOG_ERROR("network", "cannot write the CNI configuration", KV_TEXT("path", path),
                  KV_TEXT("error", strerror(-result)));
    } else {
        LOG_INFO("network", "pods get addresses", KV_TEXT("cidr", network->pod_cidr),
                 KV_TEXT("config", path));
    }
    free(path);
}

static void start_dns(struct network *network, const char *domain)
{
    int result = netlink_loopback_add(network->dns_ip);
    if (result < 0) {
        LOG_ERROR("network", "cannot add the cluster DNS address to the loopback interface",
                  KV_TEXT("error", strerror(-result)));
        return;
    }
    struct dns_server_config config = {
        .loop = network->loop,
        .table = &network->table,
        .domain = domain,
        .address = network->dns_ip,
        .port = DNS_PORT,
        .upstreams = network->upstreams,
        .upstream_count = network->upstream_count,
        .upstream_port = DNS_PORT,
    };
    CLEANUP(error_release) struct error error = {.code = 0};
    if (dns_server_open(&config, &network->dns, &error) < 0) {
        LOG_ERROR("network", "no cluster DNS on this node",
                  KV_TEXT("error", error_message(&error)));
    }
}

/* ---- hooks ---- */

static void set_text(char **text, const char *value)
{
    char *copy = alloc_text(value == NULL ? "" : value);
    free(*text);
    *text = copy;
}

static void hook_cluster(void *data, const struct network_cluster *cluster)
{
    struct network *network = data;
    if (network->cluster_known && strcmp(network->cluster_cidr, cluster->cluster_cidr) == 0) {
        return; /* A new session of the same cluster. */
    }
    set_text(&network->node_name, cluster->node_name);
    set_text(&network->cluster_cidr, cluster->cluster_cidr);
    (void)inet_pton(AF_INET, cluster->node_ip, &network->node_ip);
    network->bridge_filtered = node_set_forwarding();
    if (network->dns == NULL && inet_pton(AF_INET, cluster->cluster_dns, &network->dns_ip) == 1) {
        start_dns(network, cluster->cluster_domain);
    }
    network->cluster_known = true;
    network->reset_due = true;
    schedule(network, CHANGE_DELAY_MS);
}

static void hook_pod_cidr(void *data, const char *cidr)
{
    struct network *network = data;
    struct netlink_prefix prefix;
    if (strcmp(network->pod_cidr, cidr) == 0 && network->cni_written) {
        return;
    }
    if (netlink_prefix_parse(cidr, &prefix) < 0) {
        LOG_WARN("network", "this node's pod range is not IPv4, ignoring", KV_TEXT("cidr", cidr));
        return;
    }
    set_text(&network->pod_cidr, cidr);
    write_cni_config(network);
    network->reset_due = true;
    schedule(network, CHANGE_DELAY_MS);
}

static void hook_node_remove(void *data, const char *name)
{
    struct network *network = data;
    struct node_route *route = hash_map_get(network->routes, slice_text(name));
    if (route != NULL) {
        route->wanted = false;
        network->routes_due = true;
        schedule(network, CHANGE_DELAY_MS);
    }
}

static void hook_node_upsert(void *data, const char *name, const char *internal_ip,
                             const char *pod_cidr)
{
    struct network *network = data;
    struct in_addr gateway;
    struct netlink_prefix prefix;
    if (network->node_name != NULL && strcmp(name, network->node_name) == 0) {
        return; /* Its own pods are on the bridge. */
    }
    if (internal_ip == NULL || pod_cidr == NULL || inet_pton(AF_INET, internal_ip, &gateway) != 1 ||
        netlink_prefix_parse(pod_cidr, &prefix) < 0) {
        hook_node_remove(network, name); /* Not (or no longer) reachable this way. */
        return;
    }
    struct node_route *route = hash_map_get(network->routes, slice_text(name));
    if (route == NULL) {
        route = alloc_zeroed(sizeof(*route));
        (void)hash_map_set(network->routes, slice_text(name), route);
    } else if (route->wanted && route->gateway.s_addr == gateway.s_addr &&
               netlink_prefix_equal(route->prefix, prefix)) {
        return;
    } else if (!netlink_prefix_equal(route->prefix, prefix)) {
        route->replaced = true;
        route->old_prefix = route->prefix;
    }
    route->gateway = gateway;
    route->prefix = prefix;
    route->wanted = true;
    route->installed = false;
    network->routes_due = true;
    schedule(network, CHANGE_DELAY_MS);
}

static void hook_service_upsert(void *data, const void *object)
{
    struct network *network = data;
    if (service_table_upsert(&network->table, service_spec_from(object)) < 0) {
        LOG_WARN("network", "too many Services, ignoring one", KV_U64("max", NETWORK_SERVICES_MAX));
    }
    schedule(network, CHANGE_DELAY_MS);
}

static void hook_service_remove(void *data, const void *object)
{
    struct network *network = data;
    const char *namespace_name;
    const char *name;
    network_object_name(object, &namespace_name, &name);
    service_table_remove(&network->table, namespace_name, name);
    schedule(network, CHANGE_DELAY_MS);
}

static void hook_slice_remove(void *data, const void *object)
{
    struct network *network = data;
    const char *namespace_name;
    const char *name;
    network_slice_name(object, &namespace_name, &name);
    service_table_remove_slice(&network->table, namespace_name, name);
    schedule(network, CHANGE_DELAY_MS);
}

static void hook_slice_upsert(void *data, const void *object)
{
    struct network *network = data;
    struct slice_spec *spec = slice_spec_from(object);
    if (spec == NULL) {
        hook_slice_remove(data, object); /* It may have belonged to a Service before. */
        return;
    }
    if (service_table_upsert_slice(&network->table, spec) < 0) {
        LOG_WARN("network", "too many Services, ignoring a slice",
                 KV_U64("max", NETWORK_SERVICES_MAX));
    }
    schedule(network, CHANGE_DELAY_MS);
}

static void hook_synced(void *data)
{
    struct network *network = data;
    network->synced = true;
    network->reset_due = network->reset_due || !network->installed;
    schedule(network, /* delay_ms= */ 0);
}

static bool hook_ready(void *data, const char **ret_why)
{
    const struct network *network = data;
    if (network->cni_written) {
        return true;
    }
    *ret_why = network->pod_cidr[0] == '\0'
                   ? "the node has no pod range (podCIDR) yet"
                   : "the CNI configuration could not be written; the agent's log says why";
    return false;
}

struct network_hooks network_hooks(struct network *network)
{
    return (struct network_hooks){
        .data = network,
        .cluster = hook_cluster,
        .pod_cidr = hook_pod_cidr,
        .node_upsert = hook_node_upsert,
        .node_remove = hook_node_remove,
        .service_upsert = hook_service_upsert,
        .service_remove = hook_service_remove,
        .slice_upsert = hook_slice_upsert,
        .slice_remove = hook_slice_remove,
        .synced = hook_synced,
        .ready = hook_ready,
    };
}

/* ---- life ---- */

int network_open(const struct network_config *config, struct network **ret_network,
                 struct error *reterr)
{
    int result = directory_make(config->cni_conf_dir, 0755, reterr);
    if (result == 0) {
        result = directory_make(config->cni_state_dir, 0755, reterr);
    }
    if (result < 0) {
        return result;
    }
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (nft == NULL || nft_ctx_buffer_error(nft) != 0) {
        return error_set(reterr, -EPERM, "cannot use nftables: run the agent as root");
    }
    struct network *network = alloc_zeroed(sizeof(*network));
    network->loop = config->loop;
    network->cni_conf_dir = alloc_text(config->cni_conf_dir);
    network->cni_state_dir = alloc_text(config->cni_state_dir);
    network->bridge = alloc_text(config->bridge == NULL ? "cni0" : config->bridge);
    network->node_name = alloc_text("");
    network->cluster_cidr = alloc_text("");
    network->pod_cidr = alloc_text("");
    network->nft = nft;
    network->rules = nft_rules_new();
    network->routes = hash_map_new(/* seed= */ 31);
    service_table_init(&network->table);
    if (config->upstream_count > 0) {
        network->upstream_count =
            config->upstream_count < UPSTREAMS_MAX ? config->upstream_count : UPSTREAMS_MAX;
        memcpy(network->upstreams, config->upstreams,
               network->upstream_count * sizeof(*config->upstreams));
    } else {
        network->upstream_count = node_read_upstreams(network->upstreams, UPSTREAMS_MAX);
    }
    if (config->metrics != NULL) {
        network->sync_seconds =
            metrics_histogram(config->metrics, "coracle_network_sync_duration_seconds",
                              "Time to put changed Service rules into the kernel.", NULL,
                              metrics_seconds_bounds, metrics_seconds_bound_count);
        network->sync_errors = metrics_counter(config->metrics, "coracle_network_sync_errors_total",
                                               "Rule transactions that nftables refused.", NULL);
    }
    (void)uv_timer_init(config->loop, &network->timer); /* Cannot fail. */
    network->timer.data = network;
    *ret_network = network;
    return 0;
}

static void finish_close(struct network *network)
{
    if (network->closing_parts > 0 || network->job_running) {
        return;
    }
    void *value;
    for (size_t at = 0; hash_map_next(network->routes, &at, NULL, &value);) {
        free(value);
    }
    hash_map_free(network->routes);
    nft_rules_free(network->rules, &network->table);
    service_table_release(&network->table);
    nft_ctx_free(network->nft);
    free(network->cni_conf_dir);
    free(network->cni_state_dir);
    free(network->bridge);
    free(network->node_name);
    free(network->cluster_cidr);
    free(network->pod_cidr);
    void (*closed)(void *) = network->closed;
    void *data = network->closed_data;
    free(network);
    if (closed != NULL) {
        closed(data);
    }
}

static void part_closed(void *data)
{
    struct network *network = data;
    network->closing_parts--;
    finish_close(network);
}

static void on_timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void network_close(struct network *network, void (*closed)(void *data), void *data)
{
    assert(!network->closing);
    network->closing = true;
    network->closed = closed;
    network->closed_data = data;
    network->closing_parts = 1;
    if (network->dns != NULL) {
        network->closing_parts++;
        dns_server_close(TAKE(network->dns), part_closed, network);
    }
    uv_close((uv_handle_t *)&network->timer, on_timer_closed);
}
