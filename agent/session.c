#include "agent/session_internal.h"

#include "agent/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT          "session"
#define WELCOME_TIMEOUT_MS 5000

bool agent_session_is_up(const struct session *session)
{
    return session->state == SESSION_UP;
}

/* ---- Connection ---- */

static void drop_connection(struct session *session)
{
    if (session->stream != NULL) {
        grpc_stream_cancel(TAKE(session->stream));
    }
    if (session->channel != NULL) {
        grpc_channel_close(TAKE(session->channel));
    }
    tls_config_unref(TAKE(session->tls));
}

void agent_session_start_soon(struct session *session, uint64_t delay_ms)
{
    loop_timer_start(session->loop, &session->timer, delay_ms);
}

void agent_session_retry(struct session *session, const char *why)
{
    if (session->closing) {
        return;
    }
    session->state = SESSION_WAITING;
    if (why != NULL) {
        LOG_WARN(COMPONENT, "no session, trying the next server",
                 KV_TEXT("server", session->servers[session->server_at]), KV_TEXT("error", why));
        session->server_at = (session->server_at + 1) % session->server_count;
        session->backoff_ms = session->backoff_ms == 0 ? AGENT_RECONNECT_MS_MIN
                              : session->backoff_ms * 2 > AGENT_RECONNECT_MS_MAX
                                  ? AGENT_RECONNECT_MS_MAX
                                  : session->backoff_ms * 2;
    }
    /* This may run inside a callback of the channel: it is dropped in the timer. */
    agent_session_start_soon(session, why == NULL ? 0 : session->backoff_ms);
}

int agent_session_open_channel(struct session *session, bool with_certificate, struct error *reterr)
{
    struct net_address address;
    const char *server = session->servers[session->server_at];
    drop_connection(session);
    int r = net_address_parse(server, &address);
    if (r < 0) {
        return error_set(reterr, r, "\"%s\" is no server address", server);
    }
    if (strncmp(server, "http://", 7) != 0) {
        r = agent_session_make_tls(session, with_certificate, &session->tls, reterr);
        if (r < 0) {
            return r;
        }
    }
    struct grpc_channel_options options = {.address = &address, .tls = session->tls};
    session->channel = grpc_channel_new(session->loop, &options);
    return 0;
}

/* ---- Messages ---- */

static void set_resume(struct session *session, const char *resource, const char *version)
{
    for (size_t i = 0; i < session->resume_count; i++) {
        if (strcmp(session->resume[i].resource, resource) == 0) {
            free(session->resume[i].version);
            session->resume[i].version = alloc_text(version);
            return;
        }
    }
    if (session->resume_count < SESSION_RESOURCES_MAX) {
        session->resume[session->resume_count].resource = alloc_text(resource);
        session->resume[session->resume_count++].version = alloc_text(version);
    }
}

static void add_server(struct session *session, const char *server)
{
    struct net_address address;
    for (size_t i = 0; i < session->server_count; i++) {
        if (strcmp(session->servers[i], server) == 0) {
            return;
        }
    }
    if (session->server_count < SESSION_SERVERS_MAX && net_address_parse(server, &address) == 0) {
        session->servers[session->server_count++] = alloc_text(server);
    }
}

/* Without a resume point everything comes anew, which is what Gone says. */
static void tell_what_is_new(struct session *session)
{
    static const char *const resources[] = {"pods", "services", "endpointslices", "nodes",
                                            "namespaces"};
    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        bool known = false;
        for (size_t k = 0; k < session->resume_count; k++) {
            known |= strcmp(session->resume[k].resource, resources[i]) == 0 &&
                     strcmp(session->resume[k].version, "0") != 0;
        }
        if (!known) {
            session->hooks.gone(session->hooks.data, resources[i]);
        }
    }
}

static void take_welcome(struct session *session, const Session__V1__Welcome *welcome)
{
    session->state = SESSION_UP;
    session->backoff_ms = 0;
    session->unanswered = 0;
    if (welcome->heartbeat_interval_ms > 0) {
        session->heartbeat_ms = welcome->heartbeat_interval_ms;
    }
    for (size_t i = 0; i < welcome->n_servers; i++) {
        add_server(session, welcome->servers[i]);
    }
    LOG_INFO(COMPONENT, "session is up", KV_TEXT("server", session->servers[session->server_at]),
             KV_TEXT("member", welcome->server_name));
    session->hooks.welcome(session->hooks.data, welcome);
    tell_what_is_new(session);
    agent_session_mark_unsent(session);
    agent_session_flush(session);
    loop_timer_start(session->loop, &session->timer, session->heartbeat_ms);
}

static void take_message(struct session *session, const Session__V1__ServerMessage *message)
{
    switch (message->message_case) {
    case SESSION__V1__SERVER_MESSAGE__MESSAGE_WELCOME:
        take_welcome(session, message->welcome);
        return;
    case SESSION__V1__SERVER_MESSAGE__MESSAGE_OBJECT:
        session->hooks.object(session->hooks.data, message->object);
        set_resume(session, message->object->resource, message->object->resource_version);
        return;
    case SESSION__V1__SERVER_MESSAGE__MESSAGE_SYNCED:
        session->hooks.synced(session->hooks.data, message->synced->resource);
        set_resume(session, message->synced->resource, message->synced->resource_version);
        return;
    case SESSION__V1__SERVER_MESSAGE__MESSAGE_GONE:
        set_resume(session, message->gone->resource, "0");
        session->hooks.gone(session->hooks.data, message->gone->resource);
        return;
    case SESSION__V1__SERVER_MESSAGE__MESSAGE_RESPONSE:
        agent_session_take_response(session, message->response);
        return;
    case SESSION__V1__SERVER_MESSAGE__MESSAGE_ACK:
        agent_session_take_ack(session, message->ack);
        return;
    case SESSION__V1__SERVER_MESSAGE__MESSAGE_HEARTBEAT_REPLY:
        session->unanswered = 0;
        return;
    case SESSION__V1__SERVER_MESSAGE__MESSAGE__NOT_SET:
    case _SESSION__V1__SERVER_MESSAGE__MESSAGE__CASE_IS_INT_SIZE:
        return; /* From a newer server: nothing that this agent knows of. */
    }
}

static void on_message(void *data, struct slice bytes)
{
    struct session *session = data;
    if (session->state == SESSION_WAITING) {
        return; /* Given up already: the channel is about to be dropped. */
    }
    Session__V1__ServerMessage *message =
        session__v1__server_message__unpack(NULL, bytes.len, bytes.data);
    if (message == NULL) {
        LOG_WARN(COMPONENT, "ignored a message that cannot be read", KV_U64("bytes", bytes.len));
        return;
    }
    take_message(session, message);
    session__v1__server_message__free_unpacked(message, NULL);
}

static void on_end(void *data, const struct grpc_status *status)
{
    struct session *session = data;
    session->stream = NULL;
    if (status->code == GRPC_UNAUTHENTICATED && session->token != NULL) {
        agent_session_forget_identity(session); /* Of another cluster, or revoked. */
    }
    agent_session_retry(session, status->message[0] != '\0' ? status->message
                                                            : grpc_code_name(status->code));
}

static const struct grpc_stream_events stream_events = {
    .on_message = on_message,
    .on_end = on_end,
};

static void send_hello(struct session *session)
{
    Session__V1__Hello hello = SESSION__V1__HELLO__INIT;
    Session__V1__ResumePoint points[SESSION_RESOURCES_MAX];
    Session__V1__ResumePoint *pointers[SESSION_RESOURCES_MAX];
    struct slice node = session->hooks.node(session->hooks.data);
    CLEANUP(alloc_freep) uint8_t *copy = alloc_bytes(node.len + 1);
    memcpy(copy, node.data, node.len);
    hello.node_name = session->node_name;
    hello.node = (ProtobufCBinaryData){.len = node.len, .data = copy};
    hello.lease_duration_seconds = session->lease_seconds;
    for (size_t i = 0; i < session->resume_count; i++) {
        session__v1__resume_point__init(&points[i]);
        points[i].resource = session->resume[i].resource;
        points[i].resource_version = session->resume[i].version;
        pointers[i] = &points[i];
    }
    hello.n_resume = session->resume_count;
    hello.resume = pointers;
    Session__V1__AgentMessage message = SESSION__V1__AGENT_MESSAGE__INIT;
    message.message_case = SESSION__V1__AGENT_MESSAGE__MESSAGE_HELLO;
    message.hello = &hello;
    agent_session_send(session, &message);
}

static void connect_session(struct session *session)
{
    CLEANUP(error_release) struct error error = {0};
    int r = agent_session_open_channel(session, /* with_certificate= */ true, &error);
    if (r < 0) {
        agent_session_retry(session, error_message(&error));
        return;
    }
    if (!session->told_identity) {
        session->told_identity = true;
        session->hooks.identity(session->hooks.data, buffer_slice(&session->cert_pem),
                                buffer_slice(&session->key_pem), buffer_slice(&session->ca_pem));
    }
    session->state = SESSION_OPENING;
    struct grpc_call_options options = {
        .path = "/coracle.node.v1.NodeService/Session",
        .fail_fast = true,
    };
    session->stream = grpc_stream_open(session->channel, &options, &stream_events, session);
    send_hello(session);
    loop_timer_start(session->loop, &session->timer, WELCOME_TIMEOUT_MS);
}

static void heartbeat(struct session *session)
{
    if (session->unanswered >= AGENT_HEARTBEATS_MISSED_MAX) {
        agent_session_retry(session, "heartbeats are not answered");
        return;
    }
    Session__V1__Heartbeat beat = SESSION__V1__HEARTBEAT__INIT;
    beat.sequence = ++session->heartbeat_sequence;
    beat.sent_unix_ns = 0;
    Session__V1__AgentMessage message = SESSION__V1__AGENT_MESSAGE__INIT;
    message.message_case = SESSION__V1__AGENT_MESSAGE__MESSAGE_HEARTBEAT;
    message.heartbeat = &beat;
    session->unanswered++;
    agent_session_send(session, &message);
    agent_session_flush(session);
    loop_timer_start(session->loop, &session->timer, session->heartbeat_ms);
}

static void on_timer(void *data)
{
    struct session *session = data;
    switch (session->state) {
    case SESSION_WAITING:
        drop_connection(session);
        if (agent_session_has_identity(session)) {
            connect_session(session);
        } else {
            agent_session_register(session);
        }
        return;
    case SESSION_REGISTERING:
        return; /* The call has its own deadline. */
    case SESSION_OPENING:
        agent_session_retry(session, "no welcome in time");
        return;
    case SESSION_UP:
        heartbeat(session);
        return;
    }
}

/* Once a second, whatever the connection does. */
static void on_expire(void *data)
{
    struct session *session = data;
    agent_session_expire(session);
    agent_session_flush(session);
    loop_timer_start(session->loop, &session->deferred, 1000);
}

int agent_session_new(const struct agent_session_config *config, struct session **ret_session,
                      struct error *reterr)
{
    struct net_address address;
    for (size_t i = 0; i < config->server_count; i++) {
        if (net_address_parse(config->servers[i], &address) < 0) {
            return error_set(reterr, -EINVAL, "\"%s\" is no server address: https://HOST:PORT",
                             config->servers[i]);
        }
    }
    if (config->server_count == 0) {
        return error_set(reterr, -EINVAL, "no server is given");
    }
    struct session *session = alloc_zeroed(sizeof(*session));
    session->loop = config->loop;
    session->hooks = config->hooks;
    session->node_name = alloc_text(config->node_name);
    session->token = config->token == NULL ? NULL : alloc_text(config->token);
    session->ca_file = config->ca_file == NULL ? NULL : alloc_text(config->ca_file);
    session->pki_dir = alloc_printf("%s/pki", config->data_dir);
    session->heartbeat_ms = config->heartbeat_ms;
    session->lease_seconds = config->lease_seconds;
    session->reports = hash_map_new(/* seed= */ 2);
    list_init(&session->report_list);
    list_init(&session->questions);
    list_init(&session->notes);
    for (size_t i = 0; i < config->server_count; i++) {
        add_server(session, config->servers[i]);
    }
    /* Nodes begin with different servers, so that sessions spread. */
    session->server_at =
        (size_t)(hash_bytes(0, slice_text(config->node_name)) % session->server_count);
    session->addresses = alloc_array(config->address_count + 1, sizeof(char *));
    for (size_t i = 0; i < config->address_count; i++) {
        session->addresses[session->address_count++] = alloc_text(config->addresses[i]);
    }
    session->timer = (struct loop_timer){.fire = on_timer, .data = session};
    session->deferred = (struct loop_timer){.fire = on_expire, .data = session};
    int r = agent_session_load_identity(session, reterr);
    if (r == 0 && session->token == NULL && session->cert_pem.len == 0) {
        r = error_set(reterr, -EINVAL,
                      "the node has no certificate in %s yet: give --token, which `coracle token "
                      "create` prints on a server",
                      session->pki_dir);
    }
    if (r < 0) {
        agent_session_free(session);
        return r;
    }
    agent_session_start_soon(session, 0);
    loop_timer_start(session->loop, &session->deferred, 1000);
    *ret_session = session;
    return 0;
}

void agent_session_free(struct session *session)
{
    if (session == NULL) {
        return;
    }
    session->closing = true;
    loop_timer_stop(session->loop, &session->timer);
    loop_timer_stop(session->loop, &session->deferred);
    drop_connection(session);
    agent_session_queue_release(session);
    for (size_t i = 0; i < session->server_count; i++) {
        free(session->servers[i]);
    }
    for (size_t i = 0; i < session->address_count; i++) {
        free(session->addresses[i]);
    }
    for (size_t i = 0; i < session->resume_count; i++) {
        free(session->resume[i].resource);
        free(session->resume[i].version);
    }
    free(session->addresses);
    buffer_release(&session->cert_pem);
    buffer_release(&session->key_pem);
    buffer_release(&session->ca_pem);
    free(session->node_name);
    free(session->token);
    free(session->ca_file);
    free(session->pki_dir);
    free(session);
}
