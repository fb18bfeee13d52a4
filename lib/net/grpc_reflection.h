/* Server reflection of gRPC, v1 and v1alpha (which differ in their package only): which services a
 * server has, and the .proto files they come from. Knows nothing of what they do. */
#ifndef LIB_NET_GRPC_REFLECTION_H
#define LIB_NET_GRPC_REFLECTION_H
#include "lib/base/buffer.h"
#include "lib/net/grpc.h"

struct grpc_reflection;

/* One for each server: it lists what that server has. */
MUST_USE struct grpc_reflection *grpc_reflection_new(void);
/* After the server it is mounted on is closed. NULL is a no-op. */
void grpc_reflection_free(struct grpc_reflection *reflection);
/* A descriptor set as protoc writes it (coracle_descriptor_set() of the build), borrowed for good;
 * before it is mounted. 0 or -EPROTO. */
MUST_USE int grpc_reflection_add(struct grpc_reflection *reflection, struct slice descriptor_set);
/* Adds the methods; before the server listens. Lists also what is added later. */
void grpc_reflection_mount(struct grpc_reflection *reflection, struct grpc_server *server);
/* Answers one request, as a stream's message would be: the encoded response is appended. -EPROTO
 * when the request is malformed. */
MUST_USE int grpc_reflection_answer(const struct grpc_reflection *reflection, struct slice request,
                                    struct buffer *out);
#endif
