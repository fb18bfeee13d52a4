/* Connections to pods through the agent of their node, which the control plane reaches anyway: its
 * machines need no route to pods. The agent changes the connection to bytes of the pod's port. */
#ifndef APISERVER_POD_TUNNEL_H
#define APISERVER_POD_TUNNEL_H
#include "lib/base/arena.h"
#include <stdint.h>

struct http_client;
struct net_stream;
struct pod_tunnel;
struct tls_config;
struct watch_cache;

/* The URL, in the arena, at which the pod's agent leads to its port; NULL when the pod is to be
 * reached directly: it is on the node's own network, or its node is not known. Any thread. */
const char *pod_tunnel_url(struct watch_cache *cache, struct arena *arena, const char *namespace,
                           const char *pod, int port, bool plaintext);

/* Opens one. `done` runs once, later: with 0 and a stream that the callee owns, or with a negative
 * errno and a message. Client's loop. The handle is valid until `done` runs. */
struct pod_tunnel *pod_tunnel_open(struct http_client *client, struct tls_config *agent_tls,
                                   const char *url,
                                   void (*done)(void *data, int status, const char *message,
                                                struct net_stream *stream),
                                   void *data);
void pod_tunnel_cancel(struct pod_tunnel *tunnel); /* `done` will not run. */

/* "10.0.0.1:10250": a node's InternalIP and the port that its agent says, or `port` when that is
 * not 0; NULL when there is no such address or node. In the arena; any thread. */
const char *node_agent_address(struct watch_cache *cache, struct arena *arena, const char *node,
                               int port);
#endif
