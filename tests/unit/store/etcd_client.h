/* A plain client of the etcd API for tests: one call at a time, messages of protobuf-c. */
#ifndef TESTS_UNIT_STORE_ETCD_CLIENT_H
#define TESTS_UNIT_STORE_ETCD_CLIENT_H
#include "etcd/rpc.pb-c.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include "lib/net/tls.h"

struct etcd_client;

/* `token` is sent with every call when it is not NULL (borrowed, may be changed any time). */
struct etcd_client *etcd_client_open(uint16_t port, struct tls_config *tls);
void etcd_client_close(struct etcd_client *client);
void etcd_client_set_token(struct etcd_client *client, const char *token);
/* From here on each call says that it wants the member to know a leader. */
void etcd_client_require_leader(struct etcd_client *client);
struct loop *etcd_client_loop(struct etcd_client *client);

/* Calls and waits. The gRPC code; `ret_response` (may be NULL) gets the response, or NULL when the
 * call failed, until the next call. The message of a failure is etcd_client_message(). */
int etcd_client_call(struct etcd_client *client, const char *path, const ProtobufCMessage *request,
                     const ProtobufCMessageDescriptor *response, void *ret_response);
const char *etcd_client_message(const struct etcd_client *client);

/* A call that is not waited for. */
struct etcd_client_call;
struct etcd_client_call *etcd_client_start(struct etcd_client *client, const char *path,
                                           const ProtobufCMessage *request,
                                           const ProtobufCMessageDescriptor *response);
bool etcd_client_is_done(const struct etcd_client_call *call);
/* Waits; the code, and the response as above, until etcd_client_drop(). */
int etcd_client_wait(struct etcd_client_call *call, void *ret_response);
void etcd_client_drop(struct etcd_client_call *call); /* Cancels it when it is under way. */

/* A stream: messages are collected. */
struct etcd_client_stream;
struct etcd_client_stream *etcd_client_stream(struct etcd_client *client, const char *path,
                                              const ProtobufCMessageDescriptor *response);
void etcd_client_send(struct etcd_client_stream *stream, const ProtobufCMessage *request);
void etcd_client_end(struct etcd_client_stream *stream); /* Half-closes. */
/* Waits for the next message, owned by the stream; NULL when it has ended: see the code. */
void *etcd_client_next(struct etcd_client_stream *stream);
int etcd_client_stream_code(const struct etcd_client_stream *stream);
const char *etcd_client_stream_message(const struct etcd_client_stream *stream);
void etcd_client_stream_close(struct etcd_client_stream *stream);
#endif
