/* The health service of gRPC (grpc.health.v1: Check and Watch), for any server: somebody says which
 * services serve, clients ask. Knows nothing of what they do. */
#ifndef LIB_NET_GRPC_HEALTH_H
#define LIB_NET_GRPC_HEALTH_H
#include "lib/net/grpc.h"

struct grpc_health;

enum {
    GRPC_HEALTH_SERVICES_MAX = 64,
    GRPC_HEALTH_WATCHERS_MAX = 10000, /* Streams, on all servers together. */
};

MUST_USE struct grpc_health *grpc_health_new(void);
/* After the servers it is mounted on are closed. NULL is a no-op. */
void grpc_health_free(struct grpc_health *health);
/* Adds the methods; before the server listens. May be mounted on several. */
void grpc_health_mount(struct grpc_health *health, struct grpc_server *server);
/* "" is the server as a whole. Unknown to clients until it is set. Any thread. */
void grpc_health_set(struct grpc_health *health, const char *service, bool serving);
#endif
