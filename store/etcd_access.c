#include "store/etcd_access.h"

#include "lib/net/tls.h"
#include "store/etcd_identity.h"

bool etcd_access_allows(const struct store *store, const struct http_exchange *exchange)
{
    const struct tls_peer *peer = http_tls_peer(exchange);
    return etcd_peer_is_trusted(peer) || (peer->verified && store_auth_is_on(store));
}

static void refuse(struct http_exchange *exchange)
{
    const struct http_header headers[] = {
        http_header("content-type", "application/grpc"),
        http_header("grpc-status", "7"), /* PERMISSION_DENIED */
        http_header("grpc-message", "etcdserver: permission denied"),
    };
    http_respond(exchange, 200, headers, ARRAY_LEN(headers), slice_of(NULL, 0));
}

static bool on_headers(void *data, struct http_exchange *exchange)
{
    struct etcd_access *access = data;
    if (!etcd_access_allows(access->store, exchange)) {
        refuse(exchange);
        return false;
    }
    return access->inner.on_headers != NULL &&
           access->inner.on_headers(access->inner.data, exchange);
}

static void on_request(void *data, struct http_exchange *exchange)
{
    struct etcd_access *access = data;
    access->inner.on_request(access->inner.data, exchange);
}

void etcd_access_init(struct etcd_access *access, const struct store *store,
                      const struct http_handler *inner)
{
    access->store = store;
    access->inner = *inner;
    access->outer =
        (struct http_handler){.on_headers = on_headers, .on_request = on_request, .data = access};
}
