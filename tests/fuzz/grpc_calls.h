/* Calls of gRPC methods with messages from anywhere, over a real connection to a server on the same
 * loop: one thread, so that an input does the same each time. For fuzz targets. */
#ifndef TESTS_FUZZ_GRPC_CALLS_H
#define TESTS_FUZZ_GRPC_CALLS_H
#include "lib/net/grpc.h"

/* Ends the process with a message when `status` is not 0. */
void must(int status, const char *what);
/* A directory for a log that nobody keeps, in memory where there is such a place. */
const char *scratch_dir(void);
/* One call; returns its code, or GRPC_DEADLINE_EXCEEDED after it was cancelled because it goes on
 * by itself. `messages`: each with two bytes of length (little-endian) before it. */
enum grpc_code grpc_calls_unary(struct loop *loop, struct grpc_channel *channel, const char *path,
                                struct slice request);
enum grpc_code grpc_calls_stream(struct loop *loop, struct grpc_channel *channel, const char *path,
                                 struct slice first, struct slice messages);
#endif
