#include "agent/probe.h"

#include "agent/limits.h"
#include "lib/api/intstr.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/net/grpc.h"
#include "lib/net/http_client.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One handler under way. Whatever answers first (peer or timer) ends it; the rest is cancelled. */
struct probe {
    struct list node;
    struct loop *loop;
    probe_done done;
    void *data;
    struct loop_timer timer;
    struct http_call *http_call;
    struct net_connect *connect;
    struct grpc_channel *channel;
    struct buffer body;
    char *target; /* As messages name it. */
    unsigned status;
    bool sleep_ends_well;
    const char *timeout_message;
};

static void finish(struct probe *probe, bool ok, const char *message)
{
    list_remove(&probe->node);
    loop_timer_stop(probe->loop, &probe->timer);
    if (probe->http_call != NULL) {
        http_call_cancel(TAKE(probe->http_call));
    }
    if (probe->connect != NULL) {
        net_connect_cancel(TAKE(probe->connect));
    }
    probe->done(probe->data, ok, message);
    buffer_release(&probe->body);
    free(probe->target);
    if (probe->channel != NULL) {
        grpc_channel_close(TAKE(probe->channel));
    }
    free(probe);
}

static void on_timer(void *data)
{
    struct probe *probe = data;
    char message[512];
    (void)snprintf(message, sizeof(message), "%s%s", probe->target, probe->timeout_message);
    finish(probe, probe->sleep_ends_well, message);
}

/* ---- exec ---- */

static void on_exec(void *data, int status, const char *message, const ProtobufCMessage *response)
{
    struct probe *probe = data;
    if (status < 0) {
        finish(probe, false, status == -ETIMEDOUT ? "command timed out" : message);
        return;
    }
    const Cri__V1__ExecSyncResponse *result = (const void *)response;
    struct buffer output;
    buffer_init(&output, 2 * AGENT_EXEC_SYNC_BYTES_MAX);
    size_t len = result->stdout_data.len;
    size_t max = AGENT_PROBE_OUTPUT_BYTES_MAX;
    buffer_append(&output, result->stdout_data.data, len > max ? max : len);
    len = result->stderr_data.len;
    max -= output.len;
    buffer_append(&output, result->stderr_data.data, len > max ? max : len);
    finish(probe, result->exit_code == 0, buffer_text(&output));
    buffer_release(&output);
}

static void run_exec(struct probe *probe, const struct probe_tools *tools,
                     const struct probe_request *request)
{
    Cri__V1__ExecSyncRequest exec = CRI__V1__EXEC_SYNC_REQUEST__INIT;
    CLEANUP(alloc_freep) char *id = alloc_text(request->container_id);
    exec.container_id = id;
    exec.n_cmd = request->exec->n_command;
    exec.cmd = request->exec->command;
    exec.timeout = (int64_t)((request->timeout_ms + 999) / 1000);
    runtime_call(tools->runtime, RUNTIME_EXEC_SYNC, &exec.base, request->timeout_ms + 2000, on_exec,
                 probe);
}

/* ---- HTTP ---- */

static void on_http_response(void *data, unsigned status, const struct http_header *headers,
                             size_t header_count)
{
    struct probe *probe = data;
    (void)headers;
    (void)header_count;
    probe->status = status;
    char message[128];
    if (status >= 200 && status < 400) {
        (void)snprintf(message, sizeof(message), "HTTP %u", status);
        probe->status = 0;
    } else {
        (void)snprintf(message, sizeof(message), "HTTP probe failed with statuscode: %u", status);
    }
    buffer_clear(&probe->body);
    buffer_append_text(&probe->body, message);
}

static void on_http_end(void *data, int status, const char *message)
{
    struct probe *probe = data;
    probe->http_call = NULL;
    if (probe->body.len > 0) { /* The headers have decided. */
        CLEANUP(alloc_freep) char *text = alloc_text(buffer_text(&probe->body));
        finish(probe, probe->status == 0, text);
        return;
    }
    char text[1024];
    (void)snprintf(text, sizeof(text), "Get \"%s\": %s", probe->target,
                   status == 0 ? "EOF" : message);
    finish(probe, false, text);
}

static const struct http_call_events http_events = {
    .on_response = on_http_response,
    .on_end = on_http_end,
};

static int32_t resolve_port(const Intstr__IntOrString *port, const Core__V1__Container *container)
{
    if (!intstr_is_text(port)) {
        return intstr_int(port);
    }
    for (size_t i = 0; container != NULL && i < container->n_ports; i++) {
        const char *name = container->ports[i]->name;
        if (name != NULL && strcmp(name, intstr_text(port)) == 0) {
            return container->ports[i]->container_port;
        }
    }
    return (int32_t)strtol(intstr_text(port), NULL, 10);
}

static void run_http(struct probe *probe, const struct probe_tools *tools,
                     const struct probe_request *request)
{
    const Core__V1__HTTPGetAction *get = request->http_get;
    bool tls = get->scheme != NULL && strcmp(get->scheme, "HTTPS") == 0;
    const char *host = get->host != NULL && get->host[0] != '\0' ? get->host : request->pod_ip;
    const char *path = get->path == NULL ? "" : get->path;
    bool v6 = strchr(host, ':') != NULL;
    probe->target = alloc_printf(
        "%s://%s%s%s:%" PRId32 "%s%s", tls ? "https" : "http", v6 ? "[" : "", host, v6 ? "]" : "",
        resolve_port(get->port, request->container), path[0] == '/' ? "" : "/", path);
    size_t count = 0;
    struct http_header *headers = alloc_array(get->n_http_headers + 2, sizeof(*headers));
    headers[count++] = http_header("user-agent", "kube-probe/1.32");
    headers[count++] = http_header("accept", "*/*");
    for (size_t i = 0; i < get->n_http_headers; i++) {
        headers[count++] =
            http_header(get->http_headers[i]->name,
                        get->http_headers[i]->value == NULL ? "" : get->http_headers[i]->value);
    }
    struct http_call_options options = {
        .method = "GET",
        .url = probe->target,
        .tls = tls ? tools->insecure_tls : NULL,
        .headers = headers,
        .header_count = count,
        .timeout_ms = request->timeout_ms,
        .no_keep_alive = true,
    };
    probe->timeout_message = ": context deadline exceeded (Client.Timeout exceeded while awaiting "
                             "headers)";
    loop_timer_start(probe->loop, &probe->timer, request->timeout_ms);
    probe->http_call = http_client_request(tools->http, &options, &http_events, probe);
    free(headers);
}

/* ---- TCP ---- */

static void on_connected(void *data, int status, const char *message, struct net_stream *stream)
{
    struct probe *probe = data;
    probe->connect = NULL;
    if (stream != NULL) {
        net_stream_close(stream, NULL, NULL);
    }
    char text[512];
    (void)snprintf(text, sizeof(text), "dial tcp %s: %s", probe->target,
                   status == -ECONNREFUSED ? "connect: connection refused" : message);
    finish(probe, status == 0, status == 0 ? "" : text);
}

static void run_tcp(struct probe *probe, const struct probe_tools *tools,
                    const struct probe_request *request)
{
    const Core__V1__TCPSocketAction *tcp = request->tcp_socket;
    const char *host = tcp->host != NULL && tcp->host[0] != '\0' ? tcp->host : request->pod_ip;
    struct net_address address = {
        .port = (uint16_t)resolve_port(tcp->port, request->container),
    };
    (void)snprintf(address.host, sizeof(address.host), "%s", host);
    probe->target = alloc_printf("%s:%u", host, address.port);
    probe->timeout_message = ": i/o timeout";
    struct net_connect_options options = {
        .address = &address,
        .timeout_ms = request->timeout_ms,
    };
    loop_timer_start(probe->loop, &probe->timer, request->timeout_ms);
    probe->connect = net_stream_connect(tools->loop, &options, on_connected, probe);
}

/* ---- gRPC health (grpc.health.v1) ---- */

static void on_health(void *data, const struct grpc_status *status, struct slice response)
{
    struct probe *probe = data;
    /* HealthCheckResponse: field 1, varint; 1 is SERVING. */
    bool serving = status->code == GRPC_OK && response.len >= 2 && response.data[0] == 0x08 &&
                   response.data[1] == 1;
    char text[512];
    if (status->code != GRPC_OK) {
        (void)snprintf(text, sizeof(text), "error: health rpc probe failed: %s", status->message);
    } else {
        (void)snprintf(text, sizeof(text), "service unhealthy");
    }
    if (status->code == GRPC_CANCELLED) {
        return; /* finish() is closing the channel. */
    }
    /* A channel is not closed from inside its own callback: the timer ends it. */
    free(probe->target);
    probe->target = alloc_text(serving ? "" : text);
    probe->timeout_message = "";
    probe->sleep_ends_well = serving;
    loop_timer_start(probe->loop, &probe->timer, 0);
}

static void run_grpc(struct probe *probe, const struct probe_tools *tools,
                     const struct probe_request *request)
{
    struct net_address address = {.port = (uint16_t)request->grpc->port};
    (void)snprintf(address.host, sizeof(address.host), "%s", request->pod_ip);
    struct grpc_channel_options channel = {.address = &address};
    probe->target = alloc_text("");
    probe->timeout_message = "timeout: health rpc did not complete in time";
    probe->channel = grpc_channel_new(tools->loop, &channel);
    const char *service = request->grpc->service == NULL ? "" : request->grpc->service;
    struct buffer message;
    buffer_init(&message, 1024);
    size_t len = strlen(service);
    if (len > 0 && len < 128) { /* HealthCheckRequest: field 1, text. */
        buffer_append_byte(&message, 0x0a);
        buffer_append_byte(&message, (uint8_t)len);
        buffer_append_text(&message, service);
    }
    struct grpc_call_options options = {
        .path = "/grpc.health.v1.Health/Check",
        .timeout_ms = request->timeout_ms,
        .fail_fast = true,
    };
    (void)grpc_unary(probe->channel, &options, buffer_slice(&message), on_health, probe);
    loop_timer_start(probe->loop, &probe->timer, request->timeout_ms + 100);
    buffer_release(&message);
}

void probe_run(const struct probe_tools *tools, const struct probe_request *request,
               probe_done done, void *data)
{
    struct probe *probe = alloc_zeroed(sizeof(*probe));
    *probe = (struct probe){
        .loop = tools->loop,
        .done = done,
        .data = data,
        .timer = {.fire = on_timer, .data = probe},
        .timeout_message = "",
    };
    buffer_init(&probe->body, AGENT_PROBE_OUTPUT_BYTES_MAX);
    list_init(&probe->node);
    list_push_back(tools->running, &probe->node);
    if (runtime_is_hollow(tools->runtime)) {
        probe->sleep_ends_well = true;
        probe->target = alloc_text("");
        loop_timer_start(tools->loop, &probe->timer, 0);
    } else if (request->exec != NULL) {
        run_exec(probe, tools, request);
    } else if (request->http_get != NULL) {
        run_http(probe, tools, request);
    } else if (request->tcp_socket != NULL) {
        run_tcp(probe, tools, request);
    } else if (request->grpc != NULL) {
        run_grpc(probe, tools, request);
    } else {
        /* sleep; an empty handler ends at once and well. */
        int64_t seconds = request->sleep == NULL ? 0 : request->sleep->seconds;
        probe->sleep_ends_well = true;
        probe->target = alloc_text("");
        loop_timer_start(tools->loop, &probe->timer, seconds <= 0 ? 0 : (uint64_t)seconds * 1000);
    }
}

void probe_cancel_all(const struct probe_tools *tools)
{
    while (!list_empty(tools->running)) {
        finish(LIST_ENTRY(list_first(tools->running), struct probe, node), false,
               "the agent is closing");
    }
}
