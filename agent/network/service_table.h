/* Which Services and endpoints exist, as the node's proxy and DNS need them. Pure: no I/O, no
 * clock. Fed level by level from the API (upsert replaces, remove forgets); readers walk what
 * changed. One thread only. */
#ifndef AGENT_NETWORK_SERVICE_TABLE_H
#define AGENT_NETWORK_SERVICE_TABLE_H
#include "lib/base/arena.h"
#include "lib/base/hash_map.h"
#include "lib/base/list.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum service_kind {
    SERVICE_CLUSTER_IP,
    SERVICE_NODE_PORT, /* Also LoadBalancer: it has node ports as well. */
    SERVICE_HEADLESS,
    SERVICE_EXTERNAL_NAME,
};

struct service_port {
    const char *name;     /* "" when unnamed. */
    const char *protocol; /* "tcp", "udp" or "sctp". */
    uint16_t port;
    uint16_t node_port; /* 0 when none. */
};

/* One Service. Texts and arrays live in `arena`. */
struct service_spec {
    struct arena *arena;
    const char *namespace_name;
    const char *name;
    enum service_kind kind;
    struct in_addr cluster_ip;
    const struct in_addr *external_ips; /* externalIPs and load-balancer ingress addresses. */
    size_t external_ip_count;
    const char *external_name;
    const struct service_port *ports;
    size_t port_count;
    uint32_t affinity_seconds; /* ClientIP session affinity; 0 when none. */
    bool internal_local;       /* internalTrafficPolicy: Local */
    bool external_local;       /* externalTrafficPolicy: Local */
    bool publish_not_ready;
};

struct endpoint {
    const struct in_addr *addresses;
    size_t address_count;
    const char *hostname;  /* "" when none. */
    const char *node_name; /* "" when none. */
    bool ready;
    bool serving;
    bool terminating;
};

/* One EndpointSlice. Texts and arrays live in `arena`. */
struct slice_spec {
    struct arena *arena;
    const char *namespace_name;
    const char *name;
    const char *service_name;         /* From the label kubernetes.io/service-name. */
    const struct service_port *ports; /* node_port is 0. */
    size_t port_count;
    const struct endpoint *endpoints;
    size_t endpoint_count;
};

struct service_entry {
    const struct service_spec *spec; /* NULL while only slices are known. */
    struct list slices;              /* struct slice_entry by `link`, in order of arrival. */
    struct list dirty;               /* On service_table.dirty when it changed. */
    void *rules;                     /* The proxy's: what is installed for it. */
    char *key;                       /* "namespace/name" */
};

struct slice_entry {
    const struct slice_spec *spec;
    struct service_entry *service;
    struct list link;
};

struct service_table {
    struct hash_map *services;   /* "namespace/name" -> struct service_entry */
    struct hash_map *slices;     /* "namespace/slice name" -> struct slice_entry */
    struct hash_map *by_address; /* in_addr (4 bytes) -> struct service_entry, cluster IPs only */
    struct list dirty;
};

void service_table_init(struct service_table *table);
/* Frees every entry; `rules` of each must have been released by the proxy. */
void service_table_release(struct service_table *table);
/* The table takes `spec` with its arena. -ENOSPC over NETWORK_SERVICES_MAX (spec is freed). */
MUST_USE int service_table_upsert(struct service_table *table, struct service_spec *spec_consume);
void service_table_remove(struct service_table *table, const char *namespace_name,
                          const char *name);
MUST_USE int service_table_upsert_slice(struct service_table *table,
                                        struct slice_spec *spec_consume);
void service_table_remove_slice(struct service_table *table, const char *namespace_name,
                                const char *name);
/* NULL when there is none; the entry may have no spec. */
struct service_entry *service_table_find(const struct service_table *table,
                                         const char *namespace_name, const char *name);
struct service_entry *service_table_find_address(const struct service_table *table,
                                                 struct in_addr address);
/* Takes one changed entry off the dirty list, or NULL. */
struct service_entry *service_table_next_dirty(struct service_table *table);
/* Forgets an entry that has neither spec, slices nor rules; otherwise a no-op. */
void service_table_settle(struct service_table *table, struct service_entry *entry);
#endif
