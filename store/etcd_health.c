/* What the etcd listener says about itself: its health as gRPC has it, and its descriptors. */
#include "descriptors/etcd_services.h"
#include "descriptors/grpc_services.h"
#include "lib/net/grpc_health.h"
#include "lib/net/grpc_reflection.h"
#include "store/etcd_private.h"

#include <assert.h>

enum { HEALTH_TICK_MS = 500 };

/* It serves while there is a leader to write through; who asks a service of etcd's by name means
 * the same. */
static void health_tick(void *data)
{
    static const char *const services[] = {"", "etcdserverpb.KV", "etcdserverpb.Watch",
                                           "etcdserverpb.Lease"};
    struct etcd_service *service = data;
    struct raft_node *raft = service->store == NULL ? NULL : store_raft(service->store);
    bool serving = raft != NULL && raft_leader_id(raft) != 0;
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        grpc_health_set(service->health, services[i], serving);
    }
    loop_timer_start(service->store_loop, &service->health_timer, HEALTH_TICK_MS);
}

void etcd_health_init(struct etcd_service *service)
{
    service->health = grpc_health_new();
    service->reflection = grpc_reflection_new();
    int status = grpc_reflection_add(
        service->reflection, slice_of(proto_etcd_services_set, proto_etcd_services_set_size));
    status = status != 0
                 ? status
                 : grpc_reflection_add(service->reflection, slice_of(proto_grpc_services_set,
                                                                     proto_grpc_services_set_size));
    assert(status == 0); /* They are part of the program. */
    (void)status;
    service->health_timer = (struct loop_timer){.fire = health_tick, .data = service};
    health_tick(service);
}

void etcd_health_mount(struct etcd_service *service, struct grpc_server *server)
{
    grpc_health_mount(service->health, server);
    grpc_reflection_mount(service->reflection, server);
}

void etcd_health_release(struct etcd_service *service)
{
    loop_timer_stop(service->store_loop, &service->health_timer);
    grpc_health_free(TAKE(service->health));
    grpc_reflection_free(TAKE(service->reflection));
}
