/* A storage (store/storage.h) kept by somebody's etcd: any etcd v3 from 3.4 on, or a store of our
 * own. Reads come from a mirror of the cluster's keys (store/remote/mirror.h), writes go to etcd
 * and are answered when the mirror has them. Connections are made, moved to another endpoint and
 * made again by itself; what cannot be answered within STORE_TXN_TIMEOUT_MS fails.
 *
 * One thread, the store loop's, except what store/storage.h says of snapshots. */
#ifndef STORE_REMOTE_REMOTE_H
#define STORE_REMOTE_REMOTE_H
#include "lib/base/metrics.h"
#include "lib/net/stream.h"
#include "store/remote/limits.h"
#include "store/storage.h"

struct remote_store;

struct remote_store_config {
    struct loop *loop;
    struct env *env;
    struct metrics *metrics;             /* May be NULL. */
    const struct net_address *endpoints; /* Copied; at most REMOTE_ENDPOINTS_MAX. */
    size_t endpoint_count;
    struct tls_config *tls; /* NULL: without. Referenced. */
    const char *prefix;     /* "/registry"; copied, like all texts here. */
    const char *user;       /* NULL: none. */
    const char *password;
    const char *name;    /* Of this server, unique among those of the cluster. */
    const char *api_url; /* Where this server's API is; others see it in remote_store_servers(). */
    uint64_t compact_ms; /* Compact etcd so often, as kube-apiserver does; 0: never. */
    void (*on_ready)(void *data); /* Once: the mirror is filled and current. */
    void *data;
};

/* Starts connecting. -EINVAL with a message for a prefix that cannot be. */
MUST_USE int remote_store_open(const struct remote_store_config *config,
                               struct remote_store **ret_remote, struct error *reterr);
/* Lives as long as the remote store. */
struct storage *remote_store_storage(struct remote_store *remote);
/* Gives up leadership for good, so that another server takes over at once. */
void remote_store_resign(struct remote_store *remote);
/* Fails what is waiting with STORE_STOPPED, ends watches. `closed` runs later, when it is gone. */
void remote_store_close(struct remote_store *remote, void (*closed)(void *data), void *data);
/* The API servers that are alive, this one too. */
size_t remote_store_servers(const struct remote_store *remote, struct net_address *ret_servers,
                            size_t max);
#endif
