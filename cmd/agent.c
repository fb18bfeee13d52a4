/* `coracle agent`: builds the node's networking and the agent on one loop, runs until told to end.
 */
#include "agent/agent.h"

#include "agent/network/network.h"
#include "cmd/command_run.h"
#include "cmd/commands.h"
#include "cmd/flags.h"
#include "cmd/stop_signal.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/net/loop.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct agent_process {
    struct loop *loop;
    struct metrics *metrics;
    struct network *network; /* NULL for hollow nodes. */
    struct agent *agent;
    struct stop_signal *stop;
    struct error *reterr;
};

static int open_network(struct agent_process *process, const char *data_dir, bool hollow)
{
    if (hollow) {
        return 0;
    }
    char *parent = alloc_printf("%s/cni", data_dir);
    char *conf = alloc_printf("%s/net.d", parent);
    char *state = alloc_printf("%s/addresses", parent);
    struct network_config config = {
        .loop = loop_uv(process->loop),
        .cni_conf_dir = conf,
        .cni_state_dir = state,
        .metrics = process->metrics,
    };
    int result = directory_make(parent, 0755, process->reterr);
    if (result == 0) {
        result = network_open(&config, &process->network, process->reterr);
    }
    free(state);
    free(conf);
    free(parent);
    return result;
}

static int open_agent(struct agent_process *process, const struct flag_set *set, bool hollow)
{
    const struct flag *servers = flag_get(set, "server");
    const struct flag *labels = flag_get(set, "label");
    long port = 0;
    long heartbeat_ms = 0;
    int result = flag_number(set, "port", 1, 65535, &port, process->reterr);
    if (result == 0) {
        result = flag_number(set, "heartbeat-ms", 50, 60000, &heartbeat_ms, process->reterr);
    }
    if (result < 0) {
        return result;
    }
    struct agent_config config = {
        .loop = process->loop,
        .metrics = process->metrics,
        .node_name = flag_text(set, "node-name"),
        .node_ip = flag_text(set, "node-ip"),
        .servers = servers->values,
        .server_count = servers->count,
        .token = flag_text(set, "token"),
        .ca_file = flag_text(set, "ca-file"),
        .data_dir = flag_text(set, "data-dir"),
        .runtime = flag_text(set, "runtime"),
        .port = (uint16_t)port,
        .heartbeat_ms = (uint32_t)heartbeat_ms,
        .labels = labels->values,
        .label_count = labels->count,
    };
    if (!hollow) {
        config.network = network_hooks(process->network);
    }
    return agent_open(&config, &process->agent, process->reterr);
}

static void on_network_closed(void *data)
{
    struct agent_process *process = data;
    stop_signal_close(process->stop);
    loop_stop(process->loop);
}

static void on_agent_closed(void *data)
{
    struct agent_process *process = data;
    if (process->network == NULL) {
        on_network_closed(process);
        return;
    }
    network_close(process->network, on_network_closed, process);
}

static void on_stop(void *data)
{
    struct agent_process *process = data;
    LOG_INFO("agent", "stopping; containers go on", KV_TEXT("why", "signal"));
    agent_close(process->agent, on_agent_closed, process);
}

static int run(const struct flag_set *set, struct error *reterr)
{
    struct agent_process process = {.reterr = reterr};
    const char *data_dir = flag_text(set, "data-dir");
    bool hollow = strcmp(flag_text(set, "runtime"), "hollow") == 0;
    int result = directory_make(data_dir, 0755, reterr);
    if (result == 0) {
        result = loop_new("agent", &process.loop);
    }
    if (result < 0) {
        return result;
    }
    process.metrics = metrics_new();
    result = open_network(&process, data_dir, hollow);
    if (result == 0) {
        result = open_agent(&process, set, hollow);
    }
    if (result == 0) {
        process.stop = stop_signal_open(process.loop, on_stop, &process);
        loop_run(process.loop);
    }
    metrics_free(process.metrics);
    loop_free(process.loop);
    return result;
}

int command_agent(int argc, char **argv)
{
    struct flag flags[] = {
        {.name = "server",
         .placeholder = "URL",
         .required = true,
         .list = true,
         .help = "API servers of the cluster, https://HOST:6443; any of them will do"},
        {.name = "token",
         .placeholder = "TOKEN",
         .help = "from `coracle token create`; not needed again once the node has its certificate"},
        {.name = "ca-file",
         .placeholder = "FILE",
         .help = "the cluster's CA; without it the first answer is trusted and remembered"},
        {.name = "data-dir",
         .placeholder = "DIR",
         .fallback = "/var/lib/coracle-agent",
         .help = "certificates, volumes, logs of pods"},
        {.name = "node-name", .placeholder = "NAME", .help = "default: the host's name"},
        {.name = "node-ip", .placeholder = "IP", .help = "default: that of the route to a server"},
        {.name = "runtime",
         .placeholder = "ENDPOINT",
         .fallback = "unix:///run/containerd/containerd.sock",
         .help = "CRI socket of the container runtime, or hollow"},
        {.name = "port",
         .placeholder = "PORT",
         .fallback = "10250",
         .help = "where the API server asks for logs and exec"},
        {.name = "heartbeat-ms",
         .placeholder = "N",
         .fallback = "2000",
         .help = "how often the node says that it lives"},
        {.name = "label", .placeholder = "KEY=VALUE", .list = true, .help = "label of the node"},
        {.name = "config", .placeholder = "FILE", .help = "YAML file with these flags' names"},
    };
    struct flag_set set = {
        .usage = "coracle agent --server URL --token TOKEN [flags]",
        .summary =
            "Runs the node agent: joins the cluster, runs the pods that are bound to this node\n"
            "through a container runtime, and sets up their network. Ending it ends no\n"
            "container.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
    };
    const struct command command = {.name = "agent", .run = run};
    return command_run(&command, &set, argc, argv);
}
