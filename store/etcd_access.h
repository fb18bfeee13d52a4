/* Who may use the etcd API over TLS: certificates of members and of the group system:masters. Nodes
 * and users have certificates of the same CA. While the store's authentication is on, every
 * verified certificate may come in: the users and roles decide (store/etcd_identity.h). */
#ifndef STORE_ETCD_ACCESS_H
#define STORE_ETCD_ACCESS_H
#include "lib/net/http.h"

struct store;

struct etcd_access {
    const struct store *store;
    struct http_handler inner;
    struct http_handler outer; /* Its data is this struct: it must not move. */
};

/* Whether whom the exchange comes from may. */
bool etcd_access_allows(const struct store *store, const struct http_exchange *exchange);
/* Wraps `inner` (copied): `access->outer` answers PERMISSION_DENIED to others. Connections without
 * TLS pass: who listens in plaintext trusts the network. */
void etcd_access_init(struct etcd_access *access, const struct store *store,
                      const struct http_handler *inner);
#endif
