/* `coracle up`: a whole cluster on this machine, of real processes. Can be run again: what runs is
 * left alone, what is missing is started. */
#include "agent/containerd_config.h"
#include "apiserver/pki.h"
#include "cmd/api_call.h"
#include "cmd/command_run.h"
#include "cmd/commands.h"
#include "cmd/flags.h"
#include "cmd/join_token.h"
#include "cmd/local_cluster.h"
#include "cmd/pause.h"
#include "cmd/process.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    READY_TIMEOUT_MS = 30000,
    POLL_MS = 20,
    HTTP_OK = 200,
    KUBECONFIG_BYTES_MAX = 256 * 1024,
    SOCKET_PATH_MAX = 107, /* sun_path of unix(7), less the final NUL. */
};

struct up {
    struct local_cluster cluster;
    char *program; /* This executable, to start the others from. */
    struct error *reterr;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void progress(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
}

/* ---- servers ---- */

static int make_pki(struct up *up, long index)
{
    char *dir = local_server_dir(&up->cluster, index);
    char *ip = local_server_ip(&up->cluster, index);
    char *name = alloc_printf("n%ld", index);
    const char *hosts[] = {ip, "localhost", "127.0.0.1"};
    struct pki_config config = {
        .data_dir = dir,
        .member_name = name,
        .hosts = hosts,
        .host_count = sizeof(hosts) / sizeof(hosts[0]),
        .service_ip = "10.96.0.1",
        .cluster_domain = "cluster.local",
    };
    int result = directory_make(dir, 0755, up->reterr);
    if (result == 0 && index > 1) {
        char *first = local_server_dir(&up->cluster, 1);
        result = pki_copy_shared(first, dir, up->reterr);
        free(first);
    }
    if (result == 0) {
        struct pki pki;
        result = pki_open(&config, &pki, up->reterr);
        if (result == 0) {
            pki_release(&pki);
        }
    }
    free(name);
    free(ip);
    free(dir);
    return result;
}

static char *initial_cluster(const struct local_cluster *cluster)
{
    struct buffer text;
    buffer_init(&text, 4096);
    for (long i = 1; i <= cluster->server_count; i++) {
        char *ip = local_server_ip(cluster, i);
        buffer_printf(&text, "%sn%ld=https://%s:2380", i == 1 ? "" : ",", i, ip);
        free(ip);
    }
    size_t len;
    return (char *)buffer_take(&text, &len);
}

static int start_server(struct up *up, long index)
{
    char *name = alloc_printf("n%ld", index);
    char *dir = local_server_dir(&up->cluster, index);
    char *ip = local_server_ip(&up->cluster, index);
    char *api = alloc_printf("%s:6443", ip);
    char *etcd = alloc_printf("https://%s:2379", ip);
    char *peer = alloc_printf("https://%s:2380", ip);
    char *members = initial_cluster(&up->cluster);
    const char *argv[] = {
        up->program,         "server", "--name",          name,   "--data-dir", dir,
        "--api-listen",      api,      "--etcd-listen",   etcd,   "--peer-url", peer,
        "--initial-cluster", members,  "--node-grace-ms", "6000", NULL};
    struct process_options options = {.name = name, .dir = up->cluster.dir, .argv = argv};
    int result = process_start(&options, up->reterr);
    free(members);
    free(peer);
    free(etcd);
    free(api);
    free(ip);
    free(dir);
    free(name);
    return result;
}

static int check_running(struct up *up, const char *name)
{
    if (process_find(up->cluster.dir, name) != 0) {
        return 0;
    }
    return error_set(up->reterr, -ECHILD, "%s has ended; %s/log/%s.log says why", name,
                     up->cluster.dir, name);
}

/* Waits until server `index` says that it is ready. */
static int wait_ready(struct up *up, long index)
{
    char *url = local_server_url(&up->cluster, index);
    char *dir = local_server_dir(&up->cluster, index);
    char *name = alloc_printf("n%ld", index);
    const char *servers[] = {url};
    struct api_target target = {
        .data_dir = dir, .servers = servers, .server_count = 1, .timeout_ms = 1000};
    struct api_request request = {.method = "GET", .path = "/readyz"};
    uint64_t end = now_ms() + READY_TIMEOUT_MS;
    unsigned status = 0;
    int result = 0;
    while (result == 0 && status != HTTP_OK) {
        CLEANUP(buffer_release) struct buffer answer;
        CLEANUP(error_release) struct error error = {.code = 0};
        buffer_init(&answer, API_ANSWER_BYTES_MAX);
        if (api_call(&target, &request, &status, &answer, &error) < 0) {
            status = 0;
        }
        if (status != HTTP_OK) {
            result = check_running(up, name);
            pause_ms(POLL_MS);
        }
        if (result == 0 && status != HTTP_OK && now_ms() > end) {
            result = error_set(up->reterr, -ETIMEDOUT, "%s is not ready after %d s: %s", name,
                               READY_TIMEOUT_MS / 1000,
                               error.code != 0 ? error_message(&error) : buffer_text(&answer));
        }
    }
    free(name);
    free(dir);
    free(url);
    return result;
}

static int start_servers(struct up *up)
{
    int result = 0;
    for (long i = 1; i <= up->cluster.server_count && result == 0; i++) {
        result = make_pki(up, i);
        if (result == 0) {
            result = start_server(up, i);
        }
    }
    for (long i = 1; i <= up->cluster.server_count && result == 0; i++) {
        result = wait_ready(up, i);
    }
    return result;
}

static int store_token(struct up *up)
{
    char *url = local_server_url(&up->cluster, 1);
    char *dir = local_server_dir(&up->cluster, 1);
    const char *servers[] = {url};
    struct api_target target = {.data_dir = dir, .servers = servers, .server_count = 1};
    int result = join_token_store(&target, up->cluster.token, JOIN_TOKEN_AGENT,
                                  /* valid_seconds= */ 0, up->reterr);
    free(dir);
    free(url);
    return result;
}

static int write_kubeconfig(struct up *up, char **ret_path)
{
    char *dir = local_server_dir(&up->cluster, 1);
    char *url = local_server_url(&up->cluster, 1);
    char *path = alloc_printf("%s/kubeconfig", up->cluster.dir);
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, KUBECONFIG_BYTES_MAX);
    struct pki pki;
    int result = pki_load(dir, &pki, up->reterr);
    if (result == 0) {
        pki_kubeconfig(pki.ca_cert, url, "kubernetes-admin", pki.admin_cert, pki.admin_key, &text);
        pki_release(&pki);
        result = file_write(path, buffer_slice(&text), 0600, up->reterr);
    }
    free(url);
    free(dir);
    if (result < 0) {
        free(path);
        return result;
    }
    *ret_path = path;
    return 0;
}

/* ---- agents ---- */

static char *containerd_socket(const struct local_cluster *cluster, long index)
{
    return alloc_printf("%s/a%ld/containerd.sock", cluster->dir, index);
}

static int write_containerd_config(struct up *up, long index, char **ret_path)
{
    char *dir = local_agent_dir(&up->cluster, index);
    char *root = alloc_printf("%s/containerd", dir);
    char *state = alloc_printf("%s/containerd-state", dir);
    char *socket = containerd_socket(&up->cluster, index);
    char *cni = alloc_printf("%s/cni/net.d", dir);
    char *path = alloc_printf("%s/containerd.toml", dir);
    struct containerd_config config = {
        .root_dir = root,
        .state_dir = state,
        .socket_path = socket,
        .cni_conf_dir = cni,
        .cni_bin_dir = "/usr/lib/cni",
        .sandbox_image = "coracle.local/pause:1",
    };
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, CONTAINERD_CONFIG_BYTES_MAX);
    int result = directory_make(cni, 0755, up->reterr);
    if (result == 0 && strlen(socket) > SOCKET_PATH_MAX) {
        result = error_set(up->reterr, -ENAMETOOLONG, "--dir %s is too long for socket paths",
                           up->cluster.dir);
    }
    if (result == 0) {
        containerd_config_write(&config, &text);
        result = file_write(path, buffer_slice(&text), 0644, up->reterr);
    }
    free(cni);
    free(socket);
    free(state);
    free(root);
    free(dir);
    if (result < 0) {
        free(path);
        return result;
    }
    *ret_path = path;
    return 0;
}

static int start_containerd(struct up *up, long index)
{
    char *config_path = NULL;
    int result = write_containerd_config(up, index, &config_path);
    if (result < 0) {
        return result;
    }
    char *name = alloc_printf("a%ld-containerd", index);
    char *space = local_agent_namespace(index);
    const char *argv[] = {"containerd", "--config", config_path, NULL};
    struct process_options options = {
        .name = name, .dir = up->cluster.dir, .argv = argv, .net_namespace = space};
    result = process_start(&options, up->reterr);
    free(space);
    free(name);
    free(config_path);
    return result;
}

static int wait_socket(struct up *up, long index)
{
    char *path = containerd_socket(&up->cluster, index);
    char *name = alloc_printf("a%ld-containerd", index);
    int result = 0;
    uint64_t end = now_ms() + READY_TIMEOUT_MS;
    while (result == 0 && access(path, F_OK) < 0) {
        result = check_running(up, name);
        if (result == 0 && now_ms() > end) {
            result = error_set(up->reterr, -ETIMEDOUT, "%s made no socket in %d s", name,
                               READY_TIMEOUT_MS / 1000);
        }
        pause_ms(POLL_MS);
    }
    free(name);
    free(path);
    return result;
}

static char *server_list(const struct local_cluster *cluster)
{
    struct buffer text;
    buffer_init(&text, 4096);
    for (long i = 1; i <= cluster->server_count; i++) {
        char *url = local_server_url(cluster, i);
        buffer_printf(&text, "%s%s", i == 1 ? "" : ",", url);
        free(url);
    }
    size_t len;
    return (char *)buffer_take(&text, &len);
}

static int start_agent(struct up *up, long index)
{
    bool hollow = up->cluster.hollow;
    char *name = alloc_printf("a%ld", index);
    char *dir = local_agent_dir(&up->cluster, index);
    char *ip = local_agent_ip(&up->cluster, index);
    char *socket = containerd_socket(&up->cluster, index);
    char *runtime = hollow ? alloc_text("hollow") : alloc_printf("unix://%s", socket);
    char *servers = server_list(&up->cluster);
    char *space = local_agent_namespace(index);
    char *server_dir = local_server_dir(&up->cluster, 1);
    char *ca = alloc_printf("%s/pki/ca.crt", server_dir);
    const char *argv[] = {
        up->program,  "agent", "--server",    servers, "--token",   up->cluster.token,
        "--data-dir", dir,     "--node-name", name,    "--node-ip", ip,
        "--runtime",  runtime, "--ca-file",   ca,      NULL};
    struct process_options options = {
        .name = name, .dir = up->cluster.dir, .argv = argv, .net_namespace = hollow ? NULL : space};
    int result = directory_make(dir, 0755, up->reterr);
    if (result == 0) {
        result = process_start(&options, up->reterr);
    }
    free(ca);
    free(server_dir);
    free(space);
    free(servers);
    free(runtime);
    free(socket);
    free(ip);
    free(dir);
    free(name);
    return result;
}

static int start_agents(struct up *up)
{
    int result = 0;
    for (long i = 1; i <= up->cluster.agent_count && result == 0 && !up->cluster.hollow; i++) {
        result = wait_socket(up, i);
    }
    for (long i = 1; i <= up->cluster.agent_count && result == 0; i++) {
        result = start_agent(up, i);
    }
    return result;
}

/* ---- all of it ---- */

static int prepare_dir(struct up *up)
{
    static const char *const parts[] = {"run", "log"};
    int result = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && result == 0; i++) {
        char *path = alloc_printf("%s/%s", up->cluster.dir, parts[i]);
        result = directory_make(path, 0755, up->reterr);
        free(path);
    }
    return result;
}

static int load_or_make(struct up *up, const struct flag_set *set)
{
    char *dir = flag_text(set, "dir") == NULL ? local_cluster_default_dir()
                                              : alloc_text(flag_text(set, "dir"));
    int result = local_cluster_load(dir, &up->cluster, NULL);
    if (result == 0) {
        free(dir);
        return 0; /* Going on with the cluster that is there. */
    }
    up->cluster.dir = dir;
    if (dir[0] != '/') {
        return error_set(up->reterr, -EINVAL, "--dir %s must be an absolute path", dir);
    }
    const char *runtime = flag_text(set, "runtime");
    up->cluster.hollow = strcmp(runtime, "hollow") == 0;
    if (!up->cluster.hollow && strcmp(runtime, "containerd") != 0) {
        return error_set(up->reterr, -EINVAL, "--runtime %s: must be containerd or hollow",
                         runtime);
    }
    if (!up->cluster.hollow && geteuid() != 0) {
        return error_set(up->reterr, -EPERM,
                         "containers need root; as this user, try --runtime hollow");
    }
    result =
        flag_number(set, "servers", 1, LOCAL_SERVERS_MAX, &up->cluster.server_count, up->reterr);
    if (result == 0) {
        result =
            flag_number(set, "agents", 0, LOCAL_AGENTS_MAX, &up->cluster.agent_count, up->reterr);
    }
    if (result == 0) {
        result = join_token_make(&up->cluster.token, up->reterr);
    }
    return result;
}

static int start_all(struct up *up, const char *kubeconfig_note)
{
    int result = prepare_dir(up);
    if (result == 0) {
        result = local_cluster_save(&up->cluster, up->reterr);
    }
    if (result == 0 && !up->cluster.hollow) {
        progress("network: one namespace for each node");
        result = local_network_up(&up->cluster, up->reterr);
    }
    /* The runtimes take longest: they start while the servers do. */
    for (long i = 1; i <= up->cluster.agent_count && result == 0 && !up->cluster.hollow; i++) {
        result = start_containerd(up, i);
    }
    if (result == 0) {
        progress("control plane: starting");
        result = start_servers(up);
    }
    if (result == 0) {
        result = store_token(up);
    }
    char *kubeconfig = NULL;
    if (result == 0) {
        result = write_kubeconfig(up, &kubeconfig);
    }
    if (result == 0) {
        printf("control plane: ready\n%s%s\n", kubeconfig_note, kubeconfig);
        progress("nodes: starting");
        result = start_agents(up);
    }
    free(kubeconfig);
    return result;
}

static int up_main(const struct flag_set *set, struct error *reterr)
{
    char program[4096];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (len < 0) {
        return error_set(reterr, -errno, "cannot find this program's own path");
    }
    program[len] = '\0';
    struct up up = {.program = program, .reterr = reterr};
    int result = load_or_make(&up, set);
    if (result == 0) {
        result = start_all(&up, "export KUBECONFIG=");
    }
    if (result == 0 && flag_on(set, "foreground")) {
        progress("running; Ctrl-C leaves the cluster running, `coracle down` stops it");
        (void)pause(); /* Ends by a signal. */
    }
    local_cluster_release(&up.cluster);
    return result;
}

int command_up(int argc, char **argv)
{
    struct flag flags[] = {
        {.name = "servers", .placeholder = "N", .fallback = "3", .help = "control-plane members"},
        {.name = "agents", .placeholder = "N", .fallback = "3", .help = "nodes"},
        {.name = "dir",
         .placeholder = "DIR",
         .help = "where everything is kept (default /var/lib/coracle/local, or below $HOME)"},
        {.name = "runtime",
         .placeholder = "KIND",
         .fallback = "containerd",
         .help = "containerd, or hollow: nodes that only say that pods run; needs no root"},
        {.name = "foreground", .help = "stay until interrupted"},
    };
    struct flag_set set = {
        .usage = "coracle up [flags]",
        .summary =
            "Starts a whole cluster on this machine, of real processes: members of the control\n"
            "plane, and nodes, each in a network namespace of its own with its own address and "
            "its\n"
            "own containerd. Run it again to start what has died. `coracle down` removes it.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
    };
    const struct command command = {.name = "up", .run = up_main};
    return command_run(&command, &set, argc, argv);
}
