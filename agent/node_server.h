/* The node's own port: logs, exec, attach, port-forward and connections to pods for the API server,
 * over mutual TLS with the cluster's CA. Nothing is answered without a certificate of a
 * control-plane member, health included. One loop. */
#ifndef AGENT_NODE_SERVER_H
#define AGENT_NODE_SERVER_H
#include "agent/pod_manager.h"
#include "lib/base/error.h"

struct node_server; /* Opaque. */

struct node_server_config {
    struct loop *loop;
    struct pod_manager *pods; /* Borrowed. */
    struct runtime *runtime;  /* Borrowed. */
    struct http_client *http; /* Borrowed; for the runtime's streaming server. */
    const char *address;      /* To listen on; "" or NULL: all. */
    uint16_t port;
    struct slice cert_pem, key_pem, ca_pem;
};

MUST_USE int node_server_open(const struct node_server_config *config,
                              struct node_server **ret_server, struct error *reterr);
/* A renewed certificate, for connections from now on. */
MUST_USE int node_server_set_identity(struct node_server *server, struct slice cert_pem,
                                      struct slice key_pem, struct slice ca_pem,
                                      struct error *reterr);
uint16_t node_server_port(const struct node_server *server);
void node_server_close(struct node_server *server, void (*closed)(void *data), void *data);
#endif
