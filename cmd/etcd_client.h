/* The etcd API of a cluster's members for short commands: one call after the other, to the first
 * endpoint that answers. Blocking: runs a loop of its own. */
#ifndef CMD_ETCD_CLIENT_H
#define CMD_ETCD_CLIENT_H
#include "cmd/flags.h"
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/net/grpc.h"
#include <protobuf-c/protobuf-c.h>

enum { ETCD_CLIENT_FLAGS = 6, ETCD_ENDPOINTS_MAX = 16 };

struct etcd_client;

struct etcd_client_options {
    const char *const *endpoints; /* https://HOST:PORT, or http://; at least one. */
    size_t endpoint_count;
    const char *data_dir; /* Of a server: pki/ca.crt, admin.crt and admin.key, unless given: */
    const char *ca_file, *cert_file, *key_file; /* PEM files, or NULL. */
    const char *user;                           /* "name:password", or NULL. */
    struct tls_config *tls;                     /* Instead of all certificates above; referenced. */
};

/* Fills ETCD_CLIENT_FLAGS rows of a table of flags: endpoints, data-dir, cacert, cert, key, user.
 */
void etcd_client_flags(struct flag *flags);
struct etcd_client_options etcd_client_options_of(const struct flag_set *set);

/* Reads the certificates (only when an endpoint has https) and logs in. */
MUST_USE int etcd_client_open(const struct etcd_client_options *options,
                              struct etcd_client **ret_client, struct error *reterr);
void etcd_client_close(struct etcd_client *client); /* NULL is a no-op. */

/* Tries the endpoints in turn until one can be reached. 0 with a message to free with
 * protobuf_c_message_free_unpacked(); -EHOSTUNREACH when none could be reached; -EREMOTEIO with the
 * member's own text when it refused (etcd_client_code() says how). `timeout_ms` 0: 10 s. */
MUST_USE int etcd_client_call(struct etcd_client *client, const char *path,
                              const ProtobufCMessage *request,
                              const ProtobufCMessageDescriptor *answer, uint64_t timeout_ms,
                              ProtobufCMessage **ret_answer, struct error *reterr);
enum grpc_code etcd_client_code(const struct etcd_client *client); /* Of the last answer. */

/* One stream of answers, each given to `each`; a negative return of it ends the stream and is
 * returned. */
MUST_USE int etcd_client_stream(struct etcd_client *client, const char *path,
                                int (*each)(void *data, struct slice answer), void *data,
                                struct error *reterr);
#endif
