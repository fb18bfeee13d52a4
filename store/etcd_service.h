/* The etcd v3 gRPC services on a store: KV, Watch, Lease, Maintenance, Cluster,
 * Auth, Lock, Election; gRPC health and reflection beside them. Requests are
 * decoded and answers encoded on the loops of their connections; what touches the store runs on its
 * loop. Reference: etcd API v3 (etcd.io/docs, "API reference"). */
#ifndef STORE_ETCD_SERVICE_H
#define STORE_ETCD_SERVICE_H
#include "store/store.h"

struct etcd_service;
struct grpc_server;
struct http_handler;
struct loop;
struct metrics;

struct etcd_service_config {
    struct store *store;     /* Outlives the service; its raft must be attached before requests. */
    struct loop *store_loop; /* The store's. */
    struct metrics *metrics; /* What /metrics shows besides its own; may be NULL. */
    uint64_t progress_ms;    /* Between progress notifications of an idle watch; 0: 10 minutes. */
    /* While authentication is off, over TLS only for members and administrators: see
     * store/etcd_access.h, which must be around the server's handler. */
    bool check_certificates;
    /* Of one answer as JSON; 0: STORE_GATEWAY_ANSWER_BYTES_MAX. */
    size_t gateway_answer_bytes_max;
};

/* On the store loop, or before it runs. */
MUST_USE struct etcd_service *etcd_service_new(const struct etcd_service_config *config);
/* Adds the methods; before the server listens. The service must outlive the server. */
void etcd_service_mount(struct etcd_service *service, struct grpc_server *server);
/* Answers GET /health, /version and /metrics as etcd does, for what is no gRPC call; after
 * etcd_service_mount(). */
const struct http_handler *etcd_service_http(struct etcd_service *service);
/* The same, and etcd's JSON gateway under /v3/: for listeners of clients. */
const struct http_handler *etcd_service_gateway(struct etcd_service *service);
/* On the store loop, after the servers it is mounted on are closed and before the store is freed.
 */
void etcd_service_free(struct etcd_service *service);
#endif
