#include "apiserver/node_service.h"

#include "apiserver/node_session_internal.h"
#include "apiserver/pki.h"
#include "lib/api/syntax.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/base/log.h"
#include <assert.h>
#include <stdlib.h>

/* Which session is a node's newest: a second one ends the first. */
struct node_sessions {
    struct apiserver *server;
    pthread_mutex_t lock;
    struct hash_map *by_node; /* struct node_session, borrowed: a session removes itself. */
};

static void finish(struct grpc_call *call, enum grpc_code code, const char *message)
{
    grpc_call_finish(call, code, message, (struct slice){0});
}

/* --- Register --- */

static bool name_is_valid(const char *name)
{
    return api_syntax_dns1123_subdomain(name).count == 0;
}

static bool may_register(struct apiserver *server, struct grpc_call *call,
                         const Session__V1__RegisterRequest *request)
{
    const struct tls_peer *peer = grpc_call_tls_peer(call);
    struct arena *arena = grpc_call_arena(call);
    if (peer != NULL && peer->presented && peer->verified) {
        const char *node = node_of_user(user_of_certificate(arena, peer));
        return node != NULL && strcmp(node, request->node_name) == 0;
    }
    struct token_question question = {.token = slice_text(text_or_empty(request->token)),
                                      .arena = arena};
    bool answered = authenticate_token(server, &question);
    assert(answered); /* Bootstrap tokens are known here, and nobody else is asked. */
    (void)answered;
    return question.status == 0 && user_in_group(question.user, "system:bootstrappers");
}

static void sign(struct apiserver *server, struct grpc_call *call,
                 const Session__V1__RegisterRequest *request)
{
    CLEANUP(alloc_freep) char *certificate = NULL;
    CLEANUP(error_release) struct error error = {0};
    const char *csr =
        arena_text_n(grpc_call_arena(call), (const char *)request->certificate_request.data,
                     request->certificate_request.len);
    if (pki_sign_node(server->config.pki, request->node_name, csr,
                      (const char *const *)request->addresses, request->n_addresses, &certificate,
                      &error) < 0) {
        finish(call, GRPC_INVALID_ARGUMENT, error_message(&error));
        return;
    }
    Session__V1__RegisterResponse response;
    session__v1__register_response__init(&response);
    response.certificate.data = (uint8_t *)certificate;
    response.certificate.len = strlen(certificate);
    response.ca.data = (uint8_t *)server->config.pki->ca_cert;
    response.ca.len = strlen(server->config.pki->ca_cert);
    char *servers[1] = {(char *)(uintptr_t)server->config.advertise_url};
    response.servers = servers;
    response.n_servers = server->config.advertise_url == NULL ? 0 : 1;
    size_t len = session__v1__register_response__get_packed_size(&response);
    uint8_t *bytes = arena_alloc(grpc_call_arena(call), len + 1);
    (void)session__v1__register_response__pack(&response, bytes);
    LOG_INFO("apiserver", "node registered", KV_TEXT("node", request->node_name));
    grpc_call_respond(call, slice_of(bytes, len));
}

static void on_register(void *data, struct grpc_call *call, struct slice bytes)
{
    struct node_sessions *sessions = data;
    Session__V1__RegisterRequest *request =
        session__v1__register_request__unpack(NULL, bytes.len, bytes.data);
    if (request == NULL || !name_is_valid(text_or_empty(request->node_name))) {
        finish(call, GRPC_INVALID_ARGUMENT,
               "the name of a node has lower case letters, digits, '-' and '.'");
    } else if (!may_register(sessions->server, call, request)) {
        finish(call, GRPC_UNAUTHENTICATED,
               "the token or certificate is not accepted: `coracle token create` on a server "
               "prints a token, which is good for a day");
    } else {
        sign(sessions->server, call, request);
    }
    if (request != NULL) {
        session__v1__register_request__free_unpacked(request, NULL);
    }
}

/* --- Sessions by node --- */

static void abort_old(void *data)
{
    struct node_session *session = data;
    session_end(session, GRPC_ABORTED,
                "the node has opened another session (if this comes again and again, another "
                "machine has the same --node-name)");
    session_unref(session);
}

static void take_over(struct node_sessions *sessions, struct node_session *session)
{
    pthread_mutex_lock(&sessions->lock);
    struct node_session *old = hash_map_set(sessions->by_node, slice_text(session->node), session);
    if (old != NULL) {
        (void)session_ref(old);
        loop_post(grpc_call_loop(old->call), abort_old, old);
    }
    pthread_mutex_unlock(&sessions->lock);
}

void node_sessions_forget(struct node_session *session)
{
    struct node_sessions *sessions = session->server->sessions;
    if (session->node == NULL) {
        return;
    }
    pthread_mutex_lock(&sessions->lock);
    if (hash_map_get(sessions->by_node, slice_text(session->node)) == session) {
        (void)hash_map_remove(sessions->by_node, slice_text(session->node));
    }
    pthread_mutex_unlock(&sessions->lock);
}

/* --- Session --- */

static void send_welcome(struct node_session *session)
{
    const struct apiserver_config *config = &session->server->config;
    Session__V1__Welcome welcome;
    session__v1__welcome__init(&welcome);
    char *servers[1] = {(char *)(uintptr_t)config->advertise_url};
    welcome.server_name = (char *)(uintptr_t)text_or_empty(config->member_name);
    welcome.servers = servers;
    welcome.n_servers = config->advertise_url == NULL ? 0 : 1;
    welcome.cluster_domain = (char *)(uintptr_t)text_or_empty(config->cluster_domain);
    welcome.service_cidr = (char *)(uintptr_t)text_or_empty(config->service_cidr);
    welcome.cluster_cidr = (char *)(uintptr_t)text_or_empty(config->cluster_cidr);
    uint32_t dns = session->server->services.first_ip + 10;
    welcome.cluster_dns = arena_printf(session->arena, "%u.%u.%u.%u", dns >> 24, (dns >> 16) & 255,
                                       (dns >> 8) & 255, dns & 255);
    Session__V1__ServerMessage message;
    session__v1__server_message__init(&message);
    message.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_WELCOME;
    message.welcome = &welcome;
    session_send(session, &message);
}

static void greet(struct node_session *session, const Session__V1__Hello *hello)
{
    const char *name = text_or_empty(hello->node_name);
    const char *allowed = node_of_user(session->user);
    if (!name_is_valid(name) || allowed == NULL || strcmp(allowed, name) != 0) {
        session_end(session, GRPC_PERMISSION_DENIED, "the certificate is not that of this node");
        return;
    }
    session->node = alloc_text(name);
    session->lease_s = hello->lease_duration_seconds > 0 && hello->lease_duration_seconds < 3600
                           ? hello->lease_duration_seconds
                           : NODE_LEASE_SECONDS;
    take_over(session->server->sessions, session);
    LOG_INFO("apiserver", "node session opened", KV_TEXT("node", session->node));
    send_welcome(session);
    session_hello(session, hello);
    if (!session->over) {
        session_start_watches(session, hello);
    }
}

static void take_message(struct node_session *session, const Session__V1__AgentMessage *message)
{
    if (session->node == NULL &&
        message->message_case != SESSION__V1__AGENT_MESSAGE__MESSAGE_HELLO) {
        session_end(session, GRPC_FAILED_PRECONDITION, "the first message must be hello");
        return;
    }
    switch (message->message_case) {
    case SESSION__V1__AGENT_MESSAGE__MESSAGE_HELLO:
        if (session->node == NULL) {
            greet(session, message->hello);
        }
        return;
    case SESSION__V1__AGENT_MESSAGE__MESSAGE_HEARTBEAT:
        session_heartbeat(session, message->heartbeat);
        return;
    case SESSION__V1__AGENT_MESSAGE__MESSAGE_POD_STATUS:
        session_pod_status(session, message->pod_status);
        return;
    case SESSION__V1__AGENT_MESSAGE__MESSAGE_NODE_STATUS:
        session_node_status(session, message->node_status);
        return;
    case SESSION__V1__AGENT_MESSAGE__MESSAGE_EVENT:
        session_event(session, message->event);
        return;
    case SESSION__V1__AGENT_MESSAGE__MESSAGE_GET:
        session_get(session, message->get);
        return;
    case SESSION__V1__AGENT_MESSAGE__MESSAGE_TOKEN:
        session_token(session, message->token);
        return;
    case SESSION__V1__AGENT_MESSAGE__MESSAGE_POD_DELETED:
        session_pod_deleted(session, message->pod_deleted);
        return;
    case SESSION__V1__AGENT_MESSAGE__MESSAGE__NOT_SET:
    case _SESSION__V1__AGENT_MESSAGE__MESSAGE__CASE_IS_INT_SIZE:
        return; /* A message of a newer agent. */
    }
}

static void on_message(void *data, struct slice bytes)
{
    struct node_session *session = session_ref(data);
    Session__V1__AgentMessage *message =
        session->over ? NULL : session__v1__agent_message__unpack(NULL, bytes.len, bytes.data);
    if (message != NULL) {
        take_message(session, message);
        session__v1__agent_message__free_unpacked(message, NULL);
    } else if (!session->over) {
        session_end(session, GRPC_INVALID_ARGUMENT, "malformed message");
    }
    session_unref(session);
}

static void on_end(void *data)
{
    session_end(data, GRPC_OK, NULL);
}

static void on_cancel(void *data)
{
    session_end(data, GRPC_CANCELLED, NULL);
}

static struct watch_hub *hub_of(struct apiserver *server, struct loop *loop)
{
    for (size_t i = 0; i < server->config.io_loop_count; i++) {
        if (server->config.io_loops[i] == loop) {
            return server->hubs[i];
        }
    }
    return server->hubs[0];
}

static void on_session(void *data, struct grpc_call *call, struct slice request)
{
    struct node_sessions *sessions = data;
    (void)request;
    const struct tls_peer *peer = grpc_call_tls_peer(call);
    if (peer == NULL || !peer->presented || !peer->verified) {
        finish(call, GRPC_UNAUTHENTICATED, "a node certificate is needed");
        return;
    }
    struct node_session *session = alloc_zeroed(sizeof(*session));
    atomic_init(&session->references, 1);
    session->server = sessions->server;
    session->call = grpc_call_ref(call);
    session->arena = arena_new(SIZE_MAX);
    session->user = user_of_certificate(session->arena, peer);
    session->hub = hub_of(sessions->server, grpc_call_loop(call));
    grpc_call_on_message(call, on_message, on_end, session);
    grpc_call_on_cancel(call, on_cancel, session);
    grpc_call_on_drain(call, session_resume_watches, session);
    grpc_call_send_headers(call, NULL, 0);
}

struct node_sessions *node_sessions_new(struct apiserver *server)
{
    struct node_sessions *sessions = alloc_zeroed(sizeof(*sessions));
    sessions->server = server;
    sessions->by_node = hash_map_new(0);
    pthread_mutex_init(&sessions->lock, NULL);
    const struct grpc_method methods[] = {
        {.path = "/coracle.node.v1.NodeService/RegisterNode",
         .kind = GRPC_UNARY,
         .on_call = on_register,
         .data = sessions},
        {.path = "/coracle.node.v1.NodeService/Session",
         .kind = GRPC_BIDI_STREAM,
         .on_call = on_session,
         .data = sessions},
    };
    grpc_server_add(server->grpc, methods, ARRAY_LEN(methods));
    return sessions;
}

void node_sessions_free(struct node_sessions *sessions)
{
    if (sessions != NULL) {
        hash_map_free(sessions->by_node);
        pthread_mutex_destroy(&sessions->lock);
        free(sessions);
    }
}
