/* The gRPC service coracle.v1.Objects (proto/coracle/v1/objects.proto): objects of any kind by the
 * same stages and handlers as over HTTP, with messages of its own around them. */
#ifndef APISERVER_OBJECTS_SERVICE_H
#define APISERVER_OBJECTS_SERVICE_H
#include "lib/base/compiler.h"

struct apiserver;
struct objects_service;

/* Adds its methods to server->grpc, before that listens. Store loop. */
MUST_USE struct objects_service *objects_service_new(struct apiserver *server);
void objects_service_free(struct objects_service *service); /* After all calls. NULL is a no-op. */
#endif
