/* Runs one probe or lifecycle handler: exec, HTTP, TCP, gRPC health, sleep. One loop. */
#ifndef AGENT_PROBE_H
#define AGENT_PROBE_H
#include "agent/runtime.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/base/list.h"

struct http_client;
struct loop;
struct tls_config;

struct probe_tools {
    struct loop *loop;
    struct runtime *runtime;
    struct http_client *http;
    struct list *running;            /* list_init()ed head: the handlers under way. */
    struct tls_config *insecure_tls; /* For scheme HTTPS: certificates are not checked. */
};

struct probe_request {
    const Core__V1__ExecAction *exec;
    const Core__V1__HTTPGetAction *http_get;
    const Core__V1__TCPSocketAction *tcp_socket;
    const Core__V1__GRPCAction *grpc;
    const Core__V1__SleepAction *sleep;
    const Core__V1__Container *container; /* For named ports. */
    const char *container_id;
    const char *pod_ip;
    uint64_t timeout_ms;
};

/* `message` is what the handler printed or why it failed, cut to AGENT_PROBE_OUTPUT_BYTES_MAX. */
typedef void (*probe_done)(void *data, bool ok, const char *message);
/* Everything in `request` is copied or used before this returns; `done` runs once, later. On a
 * hollow runtime every handler succeeds. */
void probe_run(const struct probe_tools *tools, const struct probe_request *request,
               probe_done done, void *data);
/* Ends what waits for a timer or a connection; after runtime_close() and http_client_close(), which
 * end the rest. */
void probe_cancel_all(const struct probe_tools *tools);
#endif
