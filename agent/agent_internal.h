/* What the files of the agent itself share. Not for other modules. */
#ifndef AGENT_AGENT_INTERNAL_H
#define AGENT_AGENT_INTERNAL_H
#include "agent/agent.h"
#include "agent/event_recorder.h"
#include "agent/log_rotation.h"
#include "agent/node_info.h"
#include "agent/node_server.h"
#include "agent/session.h"
#include "lib/base/hash_map.h"
#include "lib/net/http_client.h"
#include "lib/net/loop.h"

/* Resources of the whole cluster that this node follows. */
enum follow { FOLLOW_SERVICES, FOLLOW_SLICES, FOLLOW_NODES, FOLLOW_COUNT };

struct followed {
    struct arena *arena;
    const void *message;
    char *key;
    bool marked;
};

struct agent {
    struct loop *loop;
    struct network_hooks network;
    struct runtime *runtime;
    struct http_client *http;
    struct tls_config *insecure_tls;
    struct list probes;
    struct pod_manager *pods;
    struct session *session;
    struct node_server *server;
    struct log_rotation rotation;
    struct pod_event_recorder *events;
    char *node_name, *node_ip, *data_dir;
    char **labels;
    struct node_facts facts;
    char *runtime_version;
    char *why_not;
    struct arena *image_arena;
    struct buffer node_bytes;
    struct buffer status_bytes;
    struct hash_map *followed[FOLLOW_COUNT]; /* By namespace/name. */
    bool resync[FOLLOW_COUNT];               /* Gone has come, Synced has not. */
    bool pods_resync;
    bool synced[FOLLOW_COUNT];
    bool pods_synced;
    const Core__V1__Service **services; /* Made anew when NULL. */
    size_t service_count;
    char *pod_cidr;
    struct loop_timer status_timer;
    struct loop_timer close_timer;
    bool asking_runtime;
    bool closing;
    uint16_t port;
    void (*closed)(void *data);
    void *closed_data;
};

/* agent_cluster.c: services, slices and nodes of the cluster. */
void agent_take_object(struct agent *agent, const Session__V1__ObjectEvent *event);
void agent_take_gone(struct agent *agent, const char *resource);
void agent_take_synced(struct agent *agent, const char *resource);
const Core__V1__Service *const *agent_services(void *data, size_t *ret_count);
void agent_cluster_release(struct agent *agent);
/* agent_node.c: the Node object. */
void agent_node_start(struct agent *agent);
struct slice agent_node_bytes(void *data);
#endif
