#include "cmd/local_cluster.h"

#include "cmd/process.h"
#include "lib/base/alloc.h"
#include "lib/base/config.h"
#include "lib/base/file.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BRIDGE        "coracle0"
#define BRIDGE_PREFIX "10.89.0."
static const char bridge_ip[] = BRIDGE_PREFIX "1";
static const char bridge_network[] = BRIDGE_PREFIX "1/24";

enum { API_PORT = 6443, SERVER_HOST_FIRST = 10, AGENT_HOST_FIRST = 100 };

char *local_cluster_default_dir(void)
{
    const char *home = getenv("HOME");
    if (geteuid() == 0 || home == NULL) {
        return alloc_text("/var/lib/coracle/local");
    }
    return alloc_printf("%s/.local/share/coracle/local", home);
}

int local_cluster_save(const struct local_cluster *cluster, struct error *reterr)
{
    char *path = alloc_printf("%s/cluster.yaml", cluster->dir);
    char *text = alloc_printf("servers: %ld\nagents: %ld\nruntime: %s\ntoken: %s\n",
                              cluster->server_count, cluster->agent_count,
                              cluster->hollow ? "hollow" : "containerd", cluster->token);
    int result = file_write(path, slice_text(text), 0600, reterr);
    free(text);
    free(path);
    return result;
}

static const char *value_of(const struct config *config, const char *key)
{
    for (size_t i = 0; i < config->count; i++) {
        if (strcmp(config->pairs[i].key, key) == 0) {
            return config->pairs[i].value;
        }
    }
    return "";
}

int local_cluster_load(const char *dir, struct local_cluster *ret_cluster, struct error *reterr)
{
    char *path = alloc_printf("%s/cluster.yaml", dir);
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, CONFIG_BYTES_MAX);
    CLEANUP(config_release) struct config config = {.count = 0};
    int result = access(path, R_OK) < 0 ? -errno : file_read(path, &text, reterr);
    if (result < 0) {
        result = error_set(reterr, result,
                           "no cluster of `coracle up` in %s (another one's is --dir)", dir);
    } else {
        result = config_parse(buffer_slice(&text), &config, reterr);
    }
    free(path);
    if (result < 0) {
        return result;
    }
    struct local_cluster cluster = {
        .dir = alloc_text(dir),
        .server_count = strtol(value_of(&config, "servers"), NULL, 10),
        .agent_count = strtol(value_of(&config, "agents"), NULL, 10),
        .hollow = strcmp(value_of(&config, "runtime"), "hollow") == 0,
        .token = alloc_text(value_of(&config, "token")),
    };
    if (cluster.server_count < 1 || cluster.server_count > LOCAL_SERVERS_MAX ||
        cluster.agent_count < 0 || cluster.agent_count > LOCAL_AGENTS_MAX) {
        local_cluster_release(&cluster);
        return error_set(reterr, -EINVAL, "%s/cluster.yaml has been damaged", dir);
    }
    *ret_cluster = cluster;
    return 0;
}

void local_cluster_release(struct local_cluster *cluster)
{
    free(cluster->dir);
    free(cluster->token);
    *cluster = (struct local_cluster){.dir = NULL};
}

/* Without namespaces every member has a loopback address of its own: nobody needs to be root. */
static char *ip_of(const struct local_cluster *cluster, long host)
{
    return alloc_printf("%s%ld", cluster->hollow ? "127.0.0." : BRIDGE_PREFIX, host);
}

char *local_server_ip(const struct local_cluster *cluster, long index)
{
    return ip_of(cluster, SERVER_HOST_FIRST + index);
}

char *local_agent_ip(const struct local_cluster *cluster, long index)
{
    return ip_of(cluster, AGENT_HOST_FIRST + index);
}

char *local_server_url(const struct local_cluster *cluster, long index)
{
    char *ip = local_server_ip(cluster, index);
    char *url = alloc_printf("https://%s:%d", ip, API_PORT);
    free(ip);
    return url;
}

char *local_server_dir(const struct local_cluster *cluster, long index)
{
    return alloc_printf("%s/n%ld", cluster->dir, index);
}

char *local_agent_dir(const struct local_cluster *cluster, long index)
{
    return alloc_printf("%s/a%ld", cluster->dir, index);
}

char *local_agent_namespace(long index)
{
    return alloc_printf("coracle-a%ld", index);
}

/* ---- network ---- */

/* Runs `ip` with up to nine words. */
static int ip(bool quiet, struct error *reterr, const char *const *words)
{
    const char *argv[12] = {"ip"};
    for (size_t i = 0; words[i] != NULL; i++) {
        argv[i + 1] = words[i];
    }
    return process_run(argv, quiet, reterr);
}

#define IP(quiet, reterr, ...) ip((quiet), (reterr), (const char *const[]){__VA_ARGS__, NULL})

static int bridge_up(const struct local_cluster *cluster, struct error *reterr)
{
    (void)IP(/* quiet= */ true, NULL, "link", "add", BRIDGE, "type", "bridge"); /* May exist. */
    int result = IP(false, reterr, "link", "set", BRIDGE, "up");
    if (result < 0) {
        return result;
    }
    (void)IP(true, NULL, "addr", "add", bridge_network, "dev", BRIDGE);
    for (long i = 1; i <= cluster->server_count; i++) {
        char *server_ip = local_server_ip(cluster, i);
        char *address = alloc_printf("%s/24", server_ip);
        (void)IP(true, NULL, "addr", "add", address, "dev", BRIDGE);
        free(address);
        free(server_ip);
    }
    return 0;
}

static int agent_network_up(const char *space, const char *link, const char *address,
                            struct error *reterr)
{
    if (IP(true, NULL, "-n", space, "link", "show", "eth0") == 0) {
        return 0;
    }
    (void)IP(true, NULL, "netns", "add", space);
    int result = IP(false, reterr, "link", "add", link, "type", "veth", "peer", "name", "eth0",
                    "netns", space);
    if (result == 0) {
        result = IP(false, reterr, "link", "set", link, "master", BRIDGE, "up");
    }
    if (result == 0) {
        result = IP(false, reterr, "-n", space, "addr", "add", address, "dev", "eth0");
    }
    if (result == 0) {
        result = IP(false, reterr, "-n", space, "link", "set", "lo", "up");
    }
    if (result == 0) {
        result = IP(false, reterr, "-n", space, "link", "set", "eth0", "up");
    }
    if (result == 0) {
        result = IP(false, reterr, "-n", space, "route", "add", "default", "via", bridge_ip);
    }
    return result;
}

int local_network_up(const struct local_cluster *cluster, struct error *reterr)
{
    int result = bridge_up(cluster, reterr);
    for (long i = 1; i <= cluster->agent_count && result == 0; i++) {
        char *space = local_agent_namespace(i);
        char *agent_ip = local_agent_ip(cluster, i);
        char *address = alloc_printf("%s/24", agent_ip);
        char *link = alloc_printf("coracle-v%ld", i);
        result = agent_network_up(space, link, address, reterr);
        free(link);
        free(address);
        free(agent_ip);
        free(space);
    }
    return result;
}

void local_network_down(const struct local_cluster *cluster)
{
    for (long i = 1; i <= cluster->agent_count; i++) {
        char *space = local_agent_namespace(i);
        (void)IP(true, NULL, "netns", "delete", space); /* The link goes with it. */
        free(space);
    }
    (void)IP(true, NULL, "link", "delete", BRIDGE);
}
