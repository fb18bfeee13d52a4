#include "apiserver/member_service.h"

#include "apiserver/pki.h"
#include "apiserver/request.h"
#include "coracle/member/v1/member.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"

enum { NAME_MAX_LEN = 63 };

static void finish(struct grpc_call *call, enum grpc_code code, const char *message)
{
    grpc_call_finish(call, code, message, (struct slice){0});
}

static void respond(struct grpc_call *call, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(grpc_call_arena(call), len + 1);
    (void)protobuf_c_message_pack(message, bytes);
    grpc_call_respond(call, slice_of(bytes, len));
    explicit_bzero(bytes, len);
}

static ProtobufCBinaryData bytes_of(const char *pem)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)pem, .len = strlen(pem)};
}

static void on_get_ca(void *data, struct grpc_call *call, struct slice bytes)
{
    const struct apiserver *server = data;
    (void)bytes; /* It says nothing. */
    Member__V1__GetCaResponse response;
    member__v1__get_ca_response__init(&response);
    response.ca = bytes_of(server->config.pki->ca_cert);
    respond(call, &response.base);
}

static bool name_is_valid(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        if (name[i] <= ' ' || name[i] > '~') {
            return false;
        }
    }
    return len > 0 && len <= NAME_MAX_LEN;
}

static void give(const struct apiserver *server, struct grpc_call *call, const char *name)
{
    const struct apiserver_config *config = &server->config;
    Member__V1__JoinResponse response;
    member__v1__join_response__init(&response);
    response.ca = bytes_of(config->pki->ca_cert);
    response.ca_key = bytes_of(config->pki->ca_key);
    response.account_key = bytes_of(config->pki->sa_key);
    response.account_public = bytes_of(config->pki->sa_pub);
    response.etcd_url = (char *)(uintptr_t)config->etcd_url;
    response.service_cidr = (char *)(uintptr_t)config->service_cidr;
    response.cluster_cidr = (char *)(uintptr_t)config->cluster_cidr;
    response.cluster_domain = (char *)(uintptr_t)config->cluster_domain;
    LOG_INFO("apiserver", "keys given to a machine that is to become a member",
             KV_TEXT("member", name), KV_TEXT("address", grpc_call_peer_address(call)));
    respond(call, &response.base);
}

/* Never without TLS: the answer holds the CA's key. */
static void on_join(void *data, struct grpc_call *call, struct slice bytes)
{
    struct apiserver *server = data;
    Member__V1__JoinRequest *request =
        member__v1__join_request__unpack(NULL, bytes.len, bytes.data);
    if (request == NULL || !name_is_valid(request->name)) {
        finish(call, GRPC_INVALID_ARGUMENT, "a valid name is needed");
    } else if (grpc_call_tls_peer(call) == NULL || server->config.etcd_url == NULL) {
        finish(call, GRPC_FAILED_PRECONDITION, "members cannot join here");
    } else if (!bootstrap_token_is_for(server, grpc_call_arena(call), slice_text(request->token),
                                       "usage-coracle-member")) {
        LOG_WARN("apiserver", "refused to give keys: the token is not one for members",
                 KV_TEXT("address", grpc_call_peer_address(call)));
        finish(call, GRPC_UNAUTHENTICATED,
               "the token is not accepted: `coracle token create --member` on a server "
               "prints one, which is good for an hour");
    } else {
        give(server, call, request->name);
    }
    if (request != NULL) {
        member__v1__join_request__free_unpacked(request, NULL);
    }
}

void member_service_add(struct apiserver *server)
{
    const struct grpc_method methods[] = {
        {.path = "/coracle.member.v1.MemberService/GetCa",
         .kind = GRPC_UNARY,
         .on_call = on_get_ca,
         .data = server},
        {.path = "/coracle.member.v1.MemberService/Join",
         .kind = GRPC_UNARY,
         .on_call = on_join,
         .data = server},
    };
    grpc_server_add(server->grpc, methods, ARRAY_LEN(methods));
}
