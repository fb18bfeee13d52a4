/* A cluster for controller tests: the API in memory, all controllers, and a stand-in for the
 * agents that moves pods on when told. */
#ifndef TESTS_UNIT_CONTROLLERS_CLUSTER_H
#define TESTS_UNIT_CONTROLLERS_CLUSTER_H
#include "controllers/controllers.h"
#include "k8s/apps_v1.pb-c.h"
#include "tests/unit/client/fake_client.h"

struct cluster {
    struct fake_env env;
    struct fake_client *api;
    struct controllers *controllers;
    bool stopped;
    uint64_t silent_since_ns; /* Heartbeats of node "n1" ended then; 0: they go on. */
    const char *members[8];   /* Addresses that serve the API; borrowed. */
    size_t member_count;
    const char *ca_pem, *ca_key_pem; /* Borrowed; "PEM" and no key unless said. */
};

void cluster_open(struct cluster *cluster);
void cluster_open_bare(struct cluster *cluster); /* Without controllers. */
/* With a CA that signs; requests of "trusted" for itself need nobody's approval. */
void cluster_open_signing(struct cluster *cluster, const char *ca_pem, const char *ca_key_pem);
void cluster_close(struct cluster *cluster);
/* The process ends and another takes over. */
void cluster_restart(struct cluster *cluster);
void cluster_run_ms(struct cluster *cluster, uint64_t ms);
/* What agents would do, once: unbound pods are bound to n1, bound ones get ready, terminating ones
 * go. */
void cluster_agents(struct cluster *cluster);
/* Runs and lets agents act until nothing changes any more. */
void cluster_settle(struct cluster *cluster);

const struct client_object *cluster_add(struct cluster *cluster, const char *api_version,
                                        const char *kind, const char *json);
const struct client_object *cluster_get(struct cluster *cluster, const char *group,
                                        const char *plural, const char *namespace_,
                                        const char *name);
size_t cluster_count(struct cluster *cluster, const char *group, const char *plural,
                     const char *namespace_);
#endif
