#include "agent/agent_internal.h"

#include "agent/limits.h"
#include "agent/volumes.h"
#include "lib/api/syntax.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COMPONENT "agent"

enum { EVENT_BYTES_MAX = 64 << 10, RESOLVERS_MAX = 8 };

/* ---- What the pods say ---- */

static void on_pod_status(void *data, const Core__V1__Pod *pod, struct slice status)
{
    agent_session_pod_status(((struct agent *)data)->session, pod, status);
}

static bool on_pod_status_waits(void *data, const char *uid)
{
    return agent_session_pod_status_waits(((struct agent *)data)->session, uid);
}

static void on_pod_deleted(void *data, const Core__V1__Pod *pod)
{
    agent_session_pod_deleted(((struct agent *)data)->session, pod);
}

static void on_pod_dropped(void *data, const char *uid)
{
    agent_session_forget_pod(((struct agent *)data)->session, uid);
}

static void on_pod_event(void *data, const struct pod_event_note *note)
{
    struct agent *agent = data;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct buffer bytes;
    buffer_init(&bytes, EVENT_BYTES_MAX);
    if (pod_event_recorder_make(agent->events, note, loop_now_ms(agent->loop),
                                (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, &bytes)) {
        agent_session_event(agent->session, buffer_slice(&bytes));
    }
    buffer_release(&bytes);
}

static void on_get(void *data, const char *resource, const char *namespace_name, const char *name,
                   object_done done, void *done_data)
{
    agent_session_get(((struct agent *)data)->session, resource, namespace_name, name, done,
                      done_data);
}

static void on_token(void *data, const Core__V1__Pod *pod,
                     const Core__V1__ServiceAccountTokenProjection *projection, object_done done,
                     void *done_data)
{
    agent_session_token(((struct agent *)data)->session, pod, projection, done, done_data);
}

/* ---- What the session says ---- */

static void on_identity(void *data, struct slice cert_pem, struct slice key_pem,
                        struct slice ca_pem)
{
    struct agent *agent = data;
    CLEANUP(error_release) struct error error = {0};
    int r;
    if (agent->server != NULL) {
        r = node_server_set_identity(agent->server, cert_pem, key_pem, ca_pem, &error);
    } else {
        struct node_server_config config = {
            .loop = agent->loop,
            .pods = agent->pods,
            .runtime = agent->runtime,
            .http = agent->http,
            .address = runtime_is_hollow(agent->runtime) ? agent->node_ip : NULL,
            .port = agent->port,
            .cert_pem = cert_pem,
            .key_pem = key_pem,
            .ca_pem = ca_pem,
        };
        r = node_server_open(&config, &agent->server, &error);
    }
    if (r < 0) { /* Pods run without it; logs and exec do not work. */
        LOG_ERROR(COMPONENT, "the node's port does not serve", KV_U64("port", agent->port),
                  KV_TEXT("error", error_message(&error)));
    }
}

static void on_welcome(void *data, const Session__V1__Welcome *welcome)
{
    struct agent *agent = data;
    pod_manager_set_cluster(agent->pods, welcome->cluster_dns, welcome->cluster_domain);
    struct network_cluster cluster = {
        .node_name = agent->node_name,
        .node_ip = agent->node_ip,
        .cluster_dns = welcome->cluster_dns,
        .cluster_domain = welcome->cluster_domain,
        .service_cidr = welcome->service_cidr,
        .cluster_cidr = welcome->cluster_cidr,
    };
    if (agent->network.cluster != NULL) {
        agent->network.cluster(agent->network.data, &cluster);
    }
    pod_manager_report_all(agent->pods);
    if (agent->status_bytes.len > 0) {
        agent_session_node_status(agent->session, buffer_slice(&agent->status_bytes));
    }
}

static void on_object(void *data, const Session__V1__ObjectEvent *event)
{
    agent_take_object(data, event);
}

static void on_synced(void *data, const char *resource)
{
    agent_take_synced(data, resource);
}

static void on_gone(void *data, const char *resource)
{
    agent_take_gone(data, resource);
}

/* ---- Opening ---- */

static char *host_name(void)
{
    char name[256] = "";
    (void)gethostname(name, sizeof(name) - 1);
    for (char *at = name; *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    return alloc_text(name[0] == '\0' ? "localhost" : name);
}

/* The address that packets to the first server leave from. Nothing is sent. */
static char *route_address(const char *server)
{
    struct net_address address;
    char port[8], text[INET6_ADDRSTRLEN] = "";
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    if (net_address_parse(server, &address) < 0) {
        return NULL;
    }
    (void)snprintf(port, sizeof(port), "%u", address.port);
    if (getaddrinfo(address.host, port, &hints, &found) != 0) {
        return NULL;
    }
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);
    int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0 &&
        getsockname(fd, (struct sockaddr *)&own, &len) == 0) {
        (void)getnameinfo((struct sockaddr *)&own, len, text, sizeof(text), NULL, 0,
                          NI_NUMERICHOST);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    freeaddrinfo(found);
    return text[0] == '\0' ? NULL : alloc_text(text);
}

struct resolver {
    char texts[2 * RESOLVERS_MAX][256];
    const char *nameservers[RESOLVERS_MAX];
    const char *searches[RESOLVERS_MAX];
    size_t nameserver_count;
    size_t search_count;
};

static void read_resolver(struct resolver *resolver)
{
    char line[1024], word[256];
    FILE *file = fopen("/etc/resolv.conf", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "nameserver %255s", word) == 1 &&
            resolver->nameserver_count < RESOLVERS_MAX) {
            char *slot = resolver->texts[resolver->nameserver_count];
            (void)snprintf(slot, sizeof(resolver->texts[0]), "%s", word);
            resolver->nameservers[resolver->nameserver_count++] = slot;
        }
        if (strncmp(line, "search ", 7) == 0) {
            char *rest = NULL;
            resolver->search_count = 0; /* The last line wins. */
            for (char *one = strtok_r(line + 7, " \t\n", &rest);
                 one != NULL && resolver->search_count < RESOLVERS_MAX;
                 one = strtok_r(NULL, " \t\n", &rest)) {
                char *slot = resolver->texts[RESOLVERS_MAX + resolver->search_count];
                (void)snprintf(slot, sizeof(resolver->texts[0]), "%s", one);
                resolver->searches[resolver->search_count++] = slot;
            }
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

static int open_runtime(struct agent *agent, const struct agent_config *config,
                        struct error *reterr)
{
    if (config->runtime != NULL && strcmp(config->runtime, "hollow") == 0) {
        agent->runtime = runtime_new_hollow(config->loop);
        return 0;
    }
    return runtime_open_cri(config->loop,
                            config->runtime == NULL ? "unix:///run/containerd/containerd.sock"
                                                    : config->runtime,
                            &agent->runtime, reterr);
}

static int open_pods(struct agent *agent, const struct agent_config *config, struct error *reterr)
{
    struct resolver resolver = {.nameserver_count = 0};
    struct tls_options insecure = {.verify = TLS_VERIFY_NONE, .alpn = TLS_ALPN_HTTP1};
    read_resolver(&resolver);
    int r = tls_config_new_client(&insecure, &agent->insecure_tls, reterr);
    if (r < 0) {
        return r;
    }
    agent->http = http_client_new(config->loop);
    struct pod_manager_config pods = {
        .tools =
            {
                .loop = config->loop,
                .runtime = agent->runtime,
                .http = agent->http,
                .running = &agent->probes,
                .insecure_tls = agent->insecure_tls,
            },
        .hooks =
            {
                .data = agent,
                .status = on_pod_status,
                .status_waits = on_pod_status_waits,
                .event = on_pod_event,
                .deleted = on_pod_deleted,
                .dropped = on_pod_dropped,
                .get = on_get,
                .token = on_token,
                .services = agent_services,
            },
        .node_name = agent->node_name,
        .node_ip = agent->node_ip,
        .data_dir = agent->data_dir,
        .memory_bytes = agent->facts.memory_bytes,
        .cpu_milli = agent->facts.cpu_milli,
        .max_pods = agent->facts.max_pods,
        .nameservers =
            config->upstream_resolver_count > 0 ? config->upstream_resolvers : resolver.nameservers,
        .nameserver_count = config->upstream_resolver_count > 0 ? config->upstream_resolver_count
                                                                : resolver.nameserver_count,
        .searches = resolver.searches,
        .search_count = resolver.search_count,
    };
    return pod_manager_new(&pods, &agent->pods, reterr);
}

static int open_session(struct agent *agent, const struct agent_config *config,
                        struct error *reterr)
{
    const char *addresses[] = {agent->node_ip};
    struct agent_session_config session = {
        .loop = config->loop,
        .node_name = agent->node_name,
        .servers = config->servers,
        .server_count = config->server_count,
        .token = config->token,
        .ca_file = config->ca_file,
        .data_dir = agent->data_dir,
        .addresses = addresses,
        .address_count = ARRAY_LEN(addresses),
        .heartbeat_ms =
            config->heartbeat_ms == 0 ? AGENT_HEARTBEAT_MS_DEFAULT : config->heartbeat_ms,
        .lease_seconds =
            config->lease_seconds == 0 ? AGENT_LEASE_SECONDS_DEFAULT : config->lease_seconds,
        .hooks =
            {
                .data = agent,
                .node = agent_node_bytes,
                .identity = on_identity,
                .welcome = on_welcome,
                .object = on_object,
                .synced = on_synced,
                .gone = on_gone,
            },
    };
    return agent_session_new(&session, &agent->session, reterr);
}

static void agent_free(struct agent *agent)
{
    loop_timer_stop(agent->loop, &agent->status_timer);
    log_rotation_release(&agent->rotation);
    if (agent->pods != NULL) {
        pod_manager_stop(agent->pods);
    }
    agent_session_free(agent->session);
    runtime_close(agent->runtime);
    if (agent->http != NULL) {
        http_client_close(agent->http);
        struct probe_tools tools = {.loop = agent->loop, .running = &agent->probes};
        probe_cancel_all(&tools);
    }
    pod_manager_free(agent->pods);
    tls_config_unref(agent->insecure_tls);
    pod_event_recorder_free(agent->events);
    agent_cluster_release(agent);
    arena_free(agent->image_arena);
    buffer_release(&agent->node_bytes);
    buffer_release(&agent->status_bytes);
    for (size_t i = 0; i < agent->facts.label_count; i++) {
        free(agent->labels[i]);
    }
    free(agent->labels);
    free(agent->runtime_version);
    free(agent->why_not);
    free(agent->pod_cidr);
    free(agent->node_name);
    free(agent->node_ip);
    free(agent->data_dir);
    free(agent);
}

static void fill_facts(struct agent *agent, const struct agent_config *config)
{
    agent->labels = alloc_array(config->label_count + 1, sizeof(char *));
    for (size_t i = 0; i < config->label_count; i++) {
        agent->labels[i] = alloc_text(config->labels[i]);
    }
    agent->why_not = alloc_text("the agent is starting");
    agent->runtime_version = alloc_text("");
    int64_t now_s = (int64_t)time(NULL);
    agent->facts = (struct node_facts){
        .name = agent->node_name,
        .ip = agent->node_ip,
        .port = agent->port,
        .max_pods = config->max_pods == 0 ? AGENT_PODS_DEFAULT : config->max_pods,
        .runtime_version = agent->runtime_version,
        .why_not = agent->why_not,
        .ready_since_s = now_s,
        .started_s = now_s,
        .labels = (const char *const *)agent->labels,
        .label_count = config->label_count,
    };
    node_facts_measure(&agent->facts, agent->data_dir);
}

static char *absolute_path(const char *path)
{
    char here[AGENT_PATH_BYTES_MAX];
    if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL) {
        return alloc_text(path);
    }
    return alloc_printf("%s/%s", here, path);
}

int agent_open(const struct agent_config *config, struct agent **ret_agent, struct error *reterr)
{
    if (config->server_count == 0 || config->data_dir == NULL || config->data_dir[0] == '\0') {
        return error_set(reterr, -EINVAL, "an agent needs a server and a data directory");
    }
    CLEANUP(alloc_freep)
    char *node_name = config->node_name == NULL ? host_name() : alloc_text(config->node_name);
    if (api_syntax_dns1123_subdomain(node_name).count > 0) {
        return error_set(reterr, -EINVAL,
                         "\"%s\" cannot be the name of a node: give a --node-name of lower case "
                         "letters, digits, '-' and '.'",
                         node_name);
    }
    struct agent *agent = alloc_zeroed(sizeof(*agent));
    agent->loop = config->loop;
    agent->network = config->network;
    agent->port = config->port == 0 ? AGENT_PORT_DEFAULT : config->port;
    agent->node_name = TAKE(node_name);
    agent->data_dir = absolute_path(config->data_dir);
    agent->node_ip =
        config->node_ip == NULL ? route_address(config->servers[0]) : alloc_text(config->node_ip);
    list_init(&agent->probes);
    int r = agent->node_ip == NULL
                ? error_set(reterr, -EINVAL, "no route to %s: give the node's address",
                            config->servers[0])
                : directory_make(agent->data_dir, 0755, reterr);
    if (r == 0) {
        fill_facts(agent, config);
        agent->events = pod_event_recorder_new(agent->node_name);
        for (int kind = 0; kind < FOLLOW_COUNT; kind++) {
            agent->followed[kind] = hash_map_new(/* seed= */ 5);
        }
        agent_node_start(agent);
        r = open_runtime(agent, config, reterr);
    }
    if (r == 0) {
        r = open_session(agent, config, reterr);
    }
    if (r == 0) { /* After the session: pods of a checkpoint report at once. */
        r = open_pods(agent, config, reterr);
    }
    if (r < 0) {
        agent_free(agent);
        return r;
    }
    log_rotation_init(&agent->rotation, agent->loop, agent->runtime, agent->pods);
    LOG_INFO(COMPONENT, "agent starts", KV_TEXT("node", agent->node_name),
             KV_TEXT("address", agent->node_ip));
    *ret_agent = agent;
    return 0;
}

/* ---- Closing ---- */

static void on_close_timer(void *data)
{
    struct agent *agent = data;
    void (*closed)(void *) = agent->closed;
    void *closed_data = agent->closed_data;
    agent_free(agent);
    if (closed != NULL) {
        closed(closed_data);
    }
}

static void on_server_closed(void *data)
{
    struct agent *agent = data;
    loop_timer_start(agent->loop, &agent->close_timer, 0);
}

void agent_close(struct agent *agent, void (*closed)(void *data), void *data)
{
    if (agent == NULL) {
        return;
    }
    agent->closing = true;
    agent->closed = closed;
    agent->closed_data = data;
    agent->close_timer = (struct loop_timer){.fire = on_close_timer, .data = agent};
    loop_timer_stop(agent->loop, &agent->status_timer);
    pod_manager_stop(agent->pods);
    if (agent->server != NULL) {
        node_server_close(TAKE(agent->server), on_server_closed, agent);
    } else {
        on_server_closed(agent);
    }
}

bool agent_ready(const struct agent *agent)
{
    bool synced = agent->pods_synced;
    for (int kind = 0; kind < FOLLOW_COUNT; kind++) {
        synced &= agent->synced[kind];
    }
    return synced && agent_session_is_up(agent->session);
}
