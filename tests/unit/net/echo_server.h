/* A server for the tests: HTTP paths and a gRPC service that show every way of answering.
 * GET /hello, POST /echo (body back), POST /echo-stream (piece by piece), GET /stream?n=N (N
 * chunks of 1 KiB, with back-pressure), GET /big (1 MiB, shared, gzip allowed), GET /later (from
 * another turn), GET /never (answers nothing until aborted), GET /dropped (handler forgets), GET
 * /until-closing (ends when the server closes), GET /upgrade (raw echo), GET /ws (WebSocket echo).
 * gRPC: /test.Echo/{Unary,Server,Client,Bidi,Never}.
 */
#ifndef TESTS_UNIT_NET_ECHO_SERVER_H
#define TESTS_UNIT_NET_ECHO_SERVER_H
#include "lib/net/grpc.h"

enum { ECHO_STREAM_CHUNK = 1024 }; /* GET /stream?n= answers with n of these. */

struct echo_server {
    struct loop *loops[2];
    struct http_server *server;
    struct grpc_server *grpc;
    struct chunk *big;
    atomic_int aborted; /* Exchanges and calls that ended early. */
    atomic_int done;    /* HTTP exchanges that ended in any way. */
    atomic_bool closed;
};

/* Runs on threads of its own until echo_server_stop(). Options: tls, limits; the rest is set. */
void echo_server_start(struct echo_server *echo, struct http_server_options *options);
void echo_server_stop(struct echo_server *echo);
#endif
