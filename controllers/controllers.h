/* All control loops of a cluster, on the store loop of the leader: deployments, replica sets,
 * endpoints, namespaces, garbage, nodes, service accounts, the `kubernetes` Service. They speak to
 * the API through a client only; each is a pure plan and the sync that carries it out. */
#ifndef CONTROLLERS_CONTROLLERS_H
#define CONTROLLERS_CONTROLLERS_H
#include "lib/base/env.h"
#include <stdbool.h>

struct client;
struct controllers;
struct metrics;
struct Certificates__V1__CertificateSigningRequestSpec;
struct Meta__V1__ObjectMeta;
struct buffer;
struct error;

/* Zero is the default shown. */
struct controllers_grace {
    uint64_t node_monitor_ms;       /* 1000: how often nodes are looked at. */
    uint64_t node_grace_ms;         /* 40000 without a heartbeat: not ready. */
    uint64_t node_startup_ms;       /* 60000 for a node that never sent one. */
    uint64_t eviction_interval_ms;  /* 10000 between nodes that get NoExecute taints. */
    uint64_t pod_gc_interval_ms;    /* 20000 */
    uint64_t pod_gc_quarantine_ms;  /* 40000 before pods of a removed node are deleted. */
    uint32_t pod_gc_terminated_max; /* 12500 finished pods kept. */
    uint32_t legacy_token_s;        /* A year unused: a generated token in a Secret is marked. */
};

struct controllers_config {
    struct env *env;
    struct client *client;
    struct metrics *metrics;  /* May be NULL. */
    const char *cluster_cidr; /* "10.244.0.0/16": each node gets a /24 of it. NULL: none. */
    const char *service_cidr; /* "10.96.0.0/12": its first address is the kubernetes Service. */
    const char *ca_pem;       /* For kube-root-ca.crt. NULL: not published. */
    const char *server_url; /* "https://10.0.0.1:6443", for kube-public/cluster-info. NULL: none. */
    const char *ca_key_pem; /* Signs certificate requests. NULL: they stay unsigned. */
    struct controllers_grace grace;
    /* Milliseconds since the leader last heard of the node, or UINT64_MAX for never. A new leader
     * gives every node its full grace by itself. NULL: taken from Node conditions and Leases. */
    uint64_t (*heartbeat_age_ms)(void *data, const char *node);
    void *heartbeat_data;
    /* Addresses ("10.0.0.1") and port of the members that serve the API now, for the endpoints of
     * the kubernetes Service: writes up to `max` texts that live until control goes back to the
     * loop, returns how many. NULL: none are published. */
    size_t (*api_endpoints)(void *data, const char **ret_addresses, size_t max, uint16_t *ret_port);
    void *api_endpoints_data;
    /* Whether who made the certificate request may create certificatesigningrequests/`subresource`.
     * NULL: no request is approved without a person. */
    bool (*may_request)(void *data,
                        const struct Certificates__V1__CertificateSigningRequestSpec *request,
                        const char *subresource);
    void *may_request_data;
    /* Appends a token of the ServiceAccount for the Secret of this name in its namespace. 0 or a
     * negative errno. NULL: Secrets for tokens stay empty. */
    int (*account_token)(void *data, const struct Meta__V1__ObjectMeta *account, const char *secret,
                         struct buffer *token, struct error *reterr);
    void *account_token_data;
};

/* Does nothing until controllers_set_leader(true). The texts of `config` are borrowed. */
MUST_USE struct controllers *controllers_open(const struct controllers_config *config);
void controllers_set_leader(struct controllers *controllers, bool leader);
/* `closed` runs on the loop, at once or later; it is gone then. */
void controllers_close(struct controllers *controllers, void (*closed)(void *data), void *data);
#endif
