/* A fixture: members in this process, and a client of each. The functions go into
 * tcase_add_checked_fixture(). */
#ifndef TESTS_UNIT_STORE_LIVE_CLIENTS_H
#define TESTS_UNIT_STORE_LIVE_CLIENTS_H
#include "tests/unit/store/etcd_client.h"
#include "tests/unit/store/live_cluster.h"
#include <protobuf-c/protobuf-c.h>

struct live_clients {
    struct live_cluster *cluster;
    struct etcd_client *clients[LIVE_MEMBERS_MAX];
    size_t count;
};

extern struct live_clients live; /* Of the test that runs. */

void live_clients_open_one(void);
void live_clients_open_three(void);
void live_clients_close(void);

ProtobufCBinaryData etcd_client_bytes(const char *text); /* Borrowed. */
#endif
