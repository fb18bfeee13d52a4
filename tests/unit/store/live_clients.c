#include "tests/unit/store/live_clients.h"

#include <string.h>

struct live_clients live;

static void open_members(size_t count)
{
    live.count = count;
    live.cluster = live_cluster_open(count, /* tls= */ false);
    for (size_t i = 0; i < count; i++) {
        live.clients[i] = etcd_client_open(live_cluster_port(live.cluster, i), NULL);
    }
}

void live_clients_open_one(void)
{
    open_members(1);
}

void live_clients_open_three(void)
{
    open_members(3);
}

void live_clients_close(void)
{
    for (size_t i = 0; i < live.count; i++) {
        etcd_client_close(live.clients[i]);
    }
    live_cluster_close(live.cluster);
}

ProtobufCBinaryData etcd_client_bytes(const char *text)
{
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)(uintptr_t)text};
}
