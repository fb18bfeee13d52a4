#include "cmd/member_config.h"

#include "cmd/audit_flags.h"
#include "cmd/authn_flags.h"
#include "lib/api/syntax.h"
#include "lib/base/buffer.h"
#include "lib/base/hash_map.h"
#include "lib/base/url_list.h"
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { ID_SEED = 0x636f7261, TEXT_MAX = 64 * 1024, API_COMPACT_AGE_MS = 5 * 60 * 1000 };
enum { MEMORY_BUDGET_MIN = 8 << 20 };
/* Each node gets a /24 of the pods' network. */
enum { SERVICE_BITS_MIN = 8, SERVICE_BITS_MAX = 30, PODS_BITS_MIN = 8, PODS_BITS_MAX = 24 };

/* Ids are made from what the members are told alike, so that they need not agree on anything. */
uint64_t member_id_from(const char *text)
{
    uint64_t id = hash_bytes(ID_SEED, slice_text(text));
    return id == 0 ? 1 : id;
}

/* The entries of one member: its name stands before each of its URLs. */
struct entries {
    const char *name;
    const char *urls[URL_LIST_MAX];
    size_t count;
};

static struct entries *entries_of(struct entries *all, size_t *count, const char *name,
                                  struct error *reterr)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(all[i].name, name) == 0) {
            return &all[i];
        }
    }
    if (*count == RAFT_MEMBERS_MAX) {
        (void)error_set(reterr, -EINVAL, "--initial-cluster: more than %d members",
                        RAFT_MEMBERS_MAX);
        return NULL;
    }
    all[*count].name = name;
    return &all[(*count)++];
}

/* One "name=URL" of --initial-cluster. */
static int add_entry(struct entries *all, size_t *count, struct arena *arena, const char *entry,
                     struct error *reterr)
{
    const char *equals = strchr(entry, '=');
    if (equals == NULL || equals == entry) {
        return error_set(reterr, -EINVAL, "--initial-cluster: %s is not NAME=URL", entry);
    }
    struct net_address address;
    bool tls;
    int result = listen_url_parse("initial-cluster", equals + 1, &address, &tls, reterr);
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; i < *count; i++) {
        for (size_t u = 0; u < all[i].count; u++) {
            if (strcmp(all[i].urls[u], equals + 1) == 0) {
                return error_set(reterr, -EINVAL, "--initial-cluster: %s stands there twice",
                                 equals + 1);
            }
        }
    }
    const char *name = arena_text_n(arena, entry, (size_t)(equals - entry));
    struct entries *member = entries_of(all, count, name, reterr);
    if (member == NULL) {
        return -EINVAL;
    }
    if (member->count == URL_LIST_MAX) {
        return error_set(reterr, -EINVAL, "--initial-cluster: %s has more than %d URLs", name,
                         URL_LIST_MAX);
    }
    member->urls[member->count++] = equals + 1;
    return 0;
}

static int peer_of(const struct entries *entries, struct arena *arena, struct raft_peer *ret_peer,
                   struct error *reterr)
{
    char *urls = arena_alloc(arena, RAFT_URL_MAX);
    if (url_list_join(entries->urls, entries->count, urls, RAFT_URL_MAX) < 0) {
        return error_set(reterr, -EINVAL, "--initial-cluster: the URLs of %s are too long",
                         entries->name);
    }
    const char *text = arena_printf(arena, "%s=%s", entries->name, urls);
    *ret_peer = (struct raft_peer){.id = member_id_from(text), .name = entries->name, .url = urls};
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct raft_peer *)a)->name, ((const struct raft_peer *)b)->name);
}

int member_peers_from(const struct flag *flag, struct arena *arena, struct raft_peer *peers,
                      size_t *ret_count, struct error *reterr)
{
    struct entries *all = arena_array(arena, RAFT_MEMBERS_MAX, sizeof(*all));
    size_t count = 0;
    int result = 0;
    for (size_t i = 0; i < flag->count && result == 0; i++) {
        result = add_entry(all, &count, arena, flag->values[i], reterr);
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        result = peer_of(&all[i], arena, &peers[i], reterr);
    }
    if (result < 0) {
        return result;
    }
    qsort(peers, count, sizeof(peers[0]), compare_names);
    *ret_count = count;
    return 0;
}

static int parse_members(struct member_config *config, const struct flag_set *set,
                         struct arena *arena, struct error *reterr)
{
    const struct flag *flag = flag_get(set, "initial-cluster");
    const char *token = flag_text(set, "initial-cluster-token");
    const char *state = flag_text(set, "initial-cluster-state");
    const char *peer_url = NULL;
    config->existing = strcmp(state, "existing") == 0;
    if (!config->existing && strcmp(state, "new") != 0) {
        return error_set(reterr, -EINVAL, "--initial-cluster-state=%s: must be new or existing",
                         state);
    }
    if (flag->count == 0) {
        return 0; /* The data directory says, or the cluster that is joined. */
    }
    int result = member_peers_from(flag, arena, config->peers, &config->peer_count, reterr);
    if (result < 0) {
        return result;
    }
    CLEANUP(buffer_release) struct buffer all;
    buffer_init(&all, TEXT_MAX);
    if (token != NULL) {
        buffer_printf(&all, "token %s,", token);
    }
    for (size_t i = 0; i < config->peer_count; i++) {
        const struct raft_peer *peer = &config->peers[i];
        buffer_printf(&all, "%s=%s,", peer->name, peer->url);
        if (strcmp(peer->name, config->name) == 0) {
            config->id = peer->id;
            peer_url = peer->url;
        }
    }
    if (peer_url == NULL) {
        return error_set(reterr, -EINVAL, "--initial-cluster does not name this member, %s",
                         config->name);
    }
    config->cluster_id = member_id_from(buffer_text(&all));
    return 0;
}

static int parse_disabled(struct member_config *config, const struct flag *flag,
                          struct error *reterr)
{
    config->api_enabled = true;
    config->scheduler_enabled = true;
    config->controllers_enabled = true;
    for (size_t i = 0; i < flag->count; i++) {
        if (strcmp(flag->values[i], "api") == 0) {
            config->api_enabled = false;
        } else if (strcmp(flag->values[i], "scheduler") == 0) {
            config->scheduler_enabled = false;
        } else if (strcmp(flag->values[i], "controllers") == 0) {
            config->controllers_enabled = false;
        } else {
            return error_set(reterr, -EINVAL, "--disable=%s: knows api, scheduler and controllers",
                             flag->values[i]);
        }
    }
    return 0;
}

static int parse_numbers(struct member_config *config, const struct flag_set *set,
                         struct error *reterr)
{
    long heartbeat = 0, election = 0, grace = 0, entries = 0, reads = 0, writes = 0;
    const struct {
        const char *name;
        long min, max;
        long *value;
    } numbers[] = {
        {"heartbeat-ms", 5, 10000, &heartbeat},
        {"election-ms", 50, 50000, &election},
        {"node-grace-ms", 500, 3600000, &grace},
        {"snapshot-entries", 100, 10000000, &entries},
        {"max-requests-inflight", 1, 1000000, &reads},
        {"max-mutating-requests-inflight", 0, 1000000, &writes},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        int result = flag_number(set, numbers[i].name, numbers[i].min, numbers[i].max,
                                 numbers[i].value, reterr);
        if (result < 0) {
            return result;
        }
    }
    if (election < 3 * heartbeat) {
        return error_set(reterr, -EINVAL,
                         "--election-ms must be at least three times --heartbeat-ms");
    }
    config->heartbeat_ms = (uint32_t)heartbeat;
    config->election_ms = (uint32_t)election;
    config->node_grace_ms = (uint32_t)grace;
    config->snapshot_entries = (uint32_t)entries;
    config->requests_in_flight = (uint32_t)(reads + writes);
    return 0;
}

static int parse_memory(struct member_config *config, const struct flag_set *set,
                        struct error *reterr)
{
    config->memory_budget = MEMORY_BUDGET_OF_MACHINE;
    if (flag_text(set, "memory-budget") == NULL) {
        return 0;
    }
    long bytes = 0;
    int result = flag_number(set, "memory-budget", 0, LONG_MAX, &bytes, reterr);
    if (result == 0 && bytes > 0 && bytes < MEMORY_BUDGET_MIN) {
        result = error_set(reterr, -EINVAL, "--memory-budget=%ld: must be 0 or at least %d", bytes,
                           MEMORY_BUDGET_MIN);
    }
    config->memory_budget = (uint64_t)bytes;
    return result;
}

/* Without a store of its own a member has no peers and no listener but the API's. */
static int parse_store(struct member_config *config, const struct flag_set *set,
                       struct arena *arena, struct error *reterr)
{
    int result = external_store_from(set, &config->external, reterr);
    if (result < 0) {
        return result;
    }
    if (config->external.endpoint_count == 0) {
        return parse_members(config, set, arena, reterr);
    }
    if (!config->api_enabled) {
        return error_set(reterr, -EINVAL,
                         "--disable=api: with --store-endpoints nothing would be left to run");
    }
    config->id = member_id_from(config->name);
    config->etcd_url = flag_get(set, "store-endpoints")->values[0];
    config->etcd = (struct listen_urls){.count = 0};
    config->peer = (struct listen_urls){.count = 0};
    return 0;
}

/* "10.96.0.0/12": an IPv4 network whose prefix has so many bits, and its first address. */
static int parse_network(const char *flag, const char *text, unsigned bits_min, unsigned bits_max,
                         uint32_t *ret_base, struct error *reterr)
{
    uint8_t ip[16];
    unsigned bits = 0;
    bool is_v6 = false;
    if (!api_cidr_parse_exact(text, ip, &bits, &is_v6) || is_v6 || bits < bits_min ||
        bits > bits_max) {
        return error_set(reterr, -EINVAL, "--%s=%s: must be an IPv4 network of /%u to /%u", flag,
                         text, bits_min, bits_max);
    }
    uint32_t address;
    memcpy(&address, ip + 12, sizeof(address)); /* Of ::ffff:a.b.c.d. */
    *ret_base = ntohl(address) & UINT32_MAX << (32 - bits);
    return 0;
}

/* What Services and pods are found by, on the whole cluster. */
static int parse_cluster_network(struct member_config *config, struct arena *arena,
                                 struct error *reterr)
{
    uint32_t services = 0;
    uint32_t pods = 0;
    char text[INET_ADDRSTRLEN];
    int result = parse_network("service-cidr", config->service_cidr, SERVICE_BITS_MIN,
                               SERVICE_BITS_MAX, &services, reterr);
    if (result == 0) {
        result = parse_network("cluster-cidr", config->cluster_cidr, PODS_BITS_MIN, PODS_BITS_MAX,
                               &pods, reterr);
    }
    if (result == 0 && api_syntax_dns1123_subdomain(config->cluster_domain).count > 0) {
        result = error_set(reterr, -EINVAL, "--cluster-domain=%s: must be like cluster.local",
                           config->cluster_domain);
    }
    if (result == 0) {
        struct in_addr first = {.s_addr = htonl(services + 1)};
        (void)inet_ntop(AF_INET, &first, text, sizeof(text)); /* Cannot fail: there is room. */
        config->service_ip = arena_text(arena, text);
    }
    return result;
}

static const struct flag *either(const struct flag_set *set, const char *name, const char *fallback)
{
    const struct flag *flag = flag_get(set, name);
    return flag->count > 0 ? flag : flag_get(set, fallback);
}

/* What is listened on, and what others are told: the same, unless it is said. */
static int parse_store_urls(struct member_config *config, const struct flag_set *set,
                            struct arena *arena, struct error *reterr)
{
    const struct flag *clients_told = either(set, "advertise-client-urls", "etcd-listen");
    const struct flag *peer_listen = either(set, "listen-peer-urls", "peer-url");
    struct listen_urls clients = {.count = 0};
    struct listen_urls peers = {.count = 0};
    int result = listen_urls_from(flag_get(set, "etcd-listen"), arena, &config->etcd, reterr);
    if (result == 0) {
        result = listen_urls_from(clients_told, arena, &clients, reterr);
    }
    if (result == 0) {
        result = listen_urls_from(peer_listen, arena, &config->peer, reterr);
    }
    if (result == 0) {
        result = listen_urls_from(flag_get(set, "peer-url"), arena, &peers, reterr);
    }
    if (result < 0) {
        return result;
    }
    for (size_t i = 1; i < config->peer.count; i++) {
        if (config->peer.tls[i] != config->peer.tls[0]) {
            return error_set(reterr, -EINVAL, "--%s: either all with TLS or none",
                             peer_listen->name);
        }
    }
    config->etcd_url = clients_told->values[0];
    config->etcd_urls = clients.text;
    config->peer_urls = peers.text;
    config->peer_urls_given = flag_get(set, "peer-url")->given;
    return 0;
}

static int parse_listeners(struct member_config *config, const struct flag_set *set,
                           struct arena *arena, struct error *reterr)
{
    const char *api = flag_text(set, "api-listen");
    if (net_address_parse(api, &config->api) < 0 || net_address_is_unix(&config->api)) {
        return error_set(reterr, -EINVAL, "--api-listen=%s: must be HOST:PORT", api);
    }
    const char *told = flag_text(set, "advertise-url");
    struct net_address address;
    bool tls = false;
    int result = told == NULL ? 0 : listen_url_parse("advertise-url", told, &address, &tls, reterr);
    if (result == 0 && told != NULL && !tls) {
        result = error_set(reterr, -EINVAL, "--advertise-url=%s: must be https://HOST:PORT", told);
    }
    if (result < 0) {
        return result;
    }
    config->api_url = told == NULL ? arena_printf(arena, "https://%s", api) : told;
    return parse_store_urls(config, set, arena, reterr);
}

static int parse_metrics(struct member_config *config, const char *text, struct error *reterr)
{
    if (text == NULL) {
        return 0;
    }
    static const char http[] = "http://";
    bool ok = strncmp(text, http, sizeof(http) - 1) == 0 &&
              net_address_parse(text + sizeof(http) - 1, &config->metrics) == 0 &&
              !net_address_is_unix(&config->metrics);
    config->has_metrics = ok;
    return ok ? 0
              : error_set(reterr, -EINVAL, "--metrics-listen=%s: must be http://HOST:PORT", text);
}

static int follow_encryption(struct member_config *config, const struct flag_set *set,
                             struct error *reterr)
{
    if (!flag_on(set, "encryption-provider-config-automatic-reload")) {
        return 0;
    }
    config->encryption_path = flag_text(set, "encryption-provider-config");
    return config->encryption_path != NULL
               ? 0
               : error_set(reterr, -EINVAL,
                           "--encryption-provider-config-automatic-reload needs "
                           "--encryption-provider-config");
}

int member_config_check_first_start(const struct member_config *config, struct error *reterr)
{
    if (config->join_url != NULL && !config->peer_urls_given) {
        return error_set(reterr, -EINVAL,
                         "--join needs --peer-url https://HOST:2380: where the other members reach "
                         "this one");
    }
    /* A cluster that runs already is asked; --join leaves --initial-cluster alone. */
    bool stated = config->join_url == NULL && !config->existing;
    for (size_t i = 0; stated && i < config->peer_count; i++) {
        const struct raft_peer *peer = &config->peers[i];
        if (peer->id == config->id && strcmp(peer->url, config->peer_urls) != 0) {
            return error_set(reterr, -EINVAL,
                             "--initial-cluster has %s=%s, but --peer-url is %s: they must be the "
                             "same",
                             peer->name, peer->url, config->peer_urls);
        }
    }
    return 0;
}

int member_config_from(const struct flag_set *set, struct arena *arena,
                       struct member_config *ret_config, struct error *reterr)
{
    struct member_config config = {
        .name = flag_text(set, "name"),
        .join_url = flag_text(set, "join"),
        .join_token = flag_text(set, "token"),
        .join_user = flag_text(set, "join-user"),
        .data_dir = flag_text(set, "data-dir"),
        .service_cidr = flag_text(set, "service-cidr"),
        .cluster_cidr = flag_text(set, "cluster-cidr"),
        .cluster_domain = flag_text(set, "cluster-domain"),
        .anonymous = flag_on(set, "anonymous-auth"),
    };
    if (config.data_dir[0] != '/') {
        return error_set(reterr, -EINVAL, "--data-dir=%s: must be an absolute path",
                         config.data_dir);
    }
    int result = parse_listeners(&config, set, arena, reterr);
    if (result == 0) {
        result = parse_disabled(&config, flag_get(set, "disable"), reterr);
    }
    if (result == 0) {
        result = parse_store(&config, set, arena, reterr);
    }
    if (result == 0) {
        result = parse_numbers(&config, set, reterr);
    }
    if (result == 0) {
        result = parse_memory(&config, set, reterr);
    }
    if (result == 0) {
        /* Clients of the API need no history for longer; clients of a store by itself say. */
        result = store_options_from(set, config.api_enabled ? API_COMPACT_AGE_MS : 0,
                                    &config.store_options, reterr);
    }
    if (result == 0) {
        result = parse_metrics(&config, flag_text(set, "metrics-listen"), reterr);
    }
    if (result == 0) {
        result = parse_cluster_network(&config, arena, reterr);
    }
    if (result == 0) {
        result = authn_options_from(set, arena, &config.authn, &config.encryption_config, reterr);
    }
    if (result == 0) {
        result = follow_encryption(&config, set, reterr);
    }
    if (result == 0) {
        result = authz_options_from(set, arena, &config.authz, reterr);
    }
    if (result == 0) {
        result = audit_options_from(set, arena, &config.audit, reterr);
    }
    if (result == 0) {
        *ret_config = config;
    }
    return result;
}
