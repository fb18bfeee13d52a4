/* A cluster on this machine, as `coracle up` lays it out: names, addresses and folders, kept in
 * DIR/cluster.yaml so that `down`, `status` and scripts find it again. */
#ifndef CMD_LOCAL_CLUSTER_H
#define CMD_LOCAL_CLUSTER_H
#include "lib/base/error.h"
#include <stdbool.h>

enum { LOCAL_SERVERS_MAX = 7, LOCAL_AGENTS_MAX = 100 };

struct local_cluster {
    char *dir;         /* Absolute. */
    long server_count; /* n1, n2, … */
    long agent_count;  /* a1, a2, … */
    bool hollow;       /* No containers, no namespaces, loopback addresses. */
    char *token;       /* Agents join with it. */
};

/* Where a cluster is when --dir is not given: /var/lib/coracle/local for root, else below $HOME. */
char *local_cluster_default_dir(void); /* The caller frees. */
MUST_USE int local_cluster_save(const struct local_cluster *cluster, struct error *reterr);
/* -ENOENT with what to do when there is none. */
MUST_USE int local_cluster_load(const char *dir, struct local_cluster *ret_cluster,
                                struct error *reterr);
void local_cluster_release(struct local_cluster *cluster);

/* All the caller's to free. Indexes from 1. */
char *local_server_ip(const struct local_cluster *cluster, long index);
char *local_server_url(const struct local_cluster *cluster, long index); /* https://IP:6443 */
char *local_server_dir(const struct local_cluster *cluster, long index);
char *local_agent_ip(const struct local_cluster *cluster, long index);
char *local_agent_dir(const struct local_cluster *cluster, long index);
/* Name of the network namespace of an agent. */
char *local_agent_namespace(long index);

/* Bridge, addresses, one namespace a node. Again is no error. Needs root. */
MUST_USE int local_network_up(const struct local_cluster *cluster, struct error *reterr);
void local_network_down(const struct local_cluster *cluster);
#endif
