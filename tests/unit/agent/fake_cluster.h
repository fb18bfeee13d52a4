/* The API server's part for tests of the pod manager: answers questions from a table of objects and
 * remembers the last status and all events of each pod. */
#ifndef TESTS_UNIT_AGENT_FAKE_CLUSTER_H
#define TESTS_UNIT_AGENT_FAKE_CLUSTER_H
#include "agent/pod_manager.h"
#include "lib/base/buffer.h"
#include "lib/net/http_client.h"
#include "lib/net/loop.h"

struct fake_cluster {
    struct loop *loop;
    struct runtime *runtime;
    struct http_client *http;
    struct list probes;
    struct pod_manager *pods;
    char dir[64];
    struct buffer config_map; /* Every "configmaps" question gets this; empty: 404. */
    struct buffer status;     /* The last one, as JSON. */
    bool status_waits;        /* The server has not acknowledged the last status. */
    struct buffer events;     /* "Reason: message\n" each. */
    bool deleted;             /* A pod's object may go. */
};

/* runtime "hollow" or an endpoint. Makes dir unless it is set. */
void fake_cluster_open(struct fake_cluster *cluster, const char *runtime);
/* Ends the agent's part; containers and files stay. */
void fake_cluster_close(struct fake_cluster *cluster);
/* Gives the pod (JSON) to the manager. */
void fake_cluster_apply(struct fake_cluster *cluster, const char *pod_json);
/* Runs the loop until the status holds `text`; fails the test after 20 s. */
void fake_cluster_wait(struct fake_cluster *cluster, const char *text);
void fake_cluster_wait_deleted(struct fake_cluster *cluster);
void fake_cluster_run(struct fake_cluster *cluster, uint64_t ms);
#endif
