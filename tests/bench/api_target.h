/* The API server that a load generator speaks to, over TLS as the cluster's administrator. */
#ifndef TESTS_BENCH_API_TARGET_H
#define TESTS_BENCH_API_TARGET_H
#include "lib/net/stream.h"

struct api_target {
    struct net_address address;
    struct tls_config *tls;
};

/* `pki` has ca.crt, admin.crt and admin.key; `alpn` is of enum tls_alpn. 0, or a negative errno
 * with a message on stderr. */
MUST_USE int api_target_init(struct api_target *target, const char *endpoint, const char *pki,
                             int alpn);
void api_target_release(struct api_target *target);
/* Connects; `connected` as in stream.h. */
void api_target_connect(const struct api_target *target, struct loop *loop, net_connected connected,
                        void *data);
/* Says "ready" on stdout and waits for a line, or the end, of stdin: who measures the server starts
 * there, after all handshakes. */
void api_target_await_start(void);
#endif
