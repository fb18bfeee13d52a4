#include "apiserver/objects_service.h"

#include "apiserver/objects_call.h"
#include "lib/base/alloc.h"
#include <stdlib.h>

struct objects_rpc {
    struct apiserver *server;
    enum objects_method method;
};

struct objects_service {
    struct objects_rpc rpcs[OBJECTS_METHODS];
};

/* Streams to pods and nodes are bytes of HTTP connections. */
static const struct api_status *not_here(struct arena *arena)
{
    return api_status_new(arena, 405, "MethodNotAllowed",
                          "log, exec, attach, portforward and proxy are served over HTTP only",
                          NULL, "");
}

static void on_call(void *data, struct grpc_call *call, struct slice bytes)
{
    const struct objects_rpc *rpc = data;
    struct objects_call *state = arena_zeroed(grpc_call_arena(call), sizeof(*state));
    struct request *request = &state->request;
    struct objects_request asked;
    const char *problem = NULL;
    state->call = call;
    request_init(request, rpc->server, grpc_call_exchange(call), &objects_codec);
    if (objects_request_parse(request->arena, rpc->method, bytes, &asked, &problem) < 0) {
        respond_status(request, api_status_bad_request(request->arena, "%s", problem));
        return;
    }
    request->info = asked.info;
    request->uri = asked.uri;
    request->body = asked.body;
    request->body_type = asked.body_type;
    state->encoding = asked.encoding;
    state->metadata_only = asked.metadata_only;
    if (request_info_is_connection(&request->info)) {
        respond_status(request, not_here(request->arena));
    } else if (request->body.len > REQUEST_BODY_MAX) {
        respond_status(request, api_status_too_large(request->arena, REQUEST_BODY_MAX));
    } else {
        request_continue(request);
    }
}

struct objects_service *objects_service_new(struct apiserver *server)
{
    static const struct {
        const char *path;
        enum grpc_kind kind;
    } methods[OBJECTS_METHODS] = {
        [OBJECTS_GET] = {"/coracle.v1.Objects/Get", GRPC_UNARY},
        [OBJECTS_LIST] = {"/coracle.v1.Objects/List", GRPC_SERVER_STREAM},
        [OBJECTS_WATCH] = {"/coracle.v1.Objects/Watch", GRPC_SERVER_STREAM},
        [OBJECTS_CREATE] = {"/coracle.v1.Objects/Create", GRPC_UNARY},
        [OBJECTS_UPDATE] = {"/coracle.v1.Objects/Update", GRPC_UNARY},
        [OBJECTS_PATCH] = {"/coracle.v1.Objects/Patch", GRPC_UNARY},
        [OBJECTS_DELETE] = {"/coracle.v1.Objects/Delete", GRPC_UNARY},
        [OBJECTS_DELETE_COLLECTION] = {"/coracle.v1.Objects/DeleteCollection", GRPC_SERVER_STREAM},
    };
    struct objects_service *service = alloc_zeroed(sizeof(*service));
    for (size_t i = 0; i < OBJECTS_METHODS; i++) {
        service->rpcs[i] = (struct objects_rpc){.server = server, .method = (enum objects_method)i};
        const struct grpc_method method = {.path = methods[i].path,
                                           .kind = methods[i].kind,
                                           .on_call = on_call,
                                           .data = &service->rpcs[i]};
        grpc_server_add(server->grpc, &method, 1);
    }
    return service;
}

void objects_service_free(struct objects_service *service)
{
    free(service);
}
