/* A hollow agent against a member of the test's own: register with a token, mutual TLS, a pod down,
 * its status up, a second session that resumes, and the node's port that lets only members in. */
#include "agent/agent.h"
#include "coracle/node/v1/session.pb-c.h"
#include "lib/api/codec.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/file.h"
#include "lib/net/grpc.h"
#include "lib/net/http_client.h"
#include "lib/net/x509.h"
#include "tests/unit/agent/suites.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PEM_MAX = 1 << 16, WAIT_MS = 20000, NODE_PORT = 30250 };

static struct loop *loop;
static struct buffer ca_key, ca_cert, member_key, member_cert;
static struct grpc_server *grpc;
static struct tls_config *server_tls;
static struct http_server *http_server;
static struct agent *agent;
static struct grpc_call *session_call;
static char dir[64], url[64], ca_path[128];
static int sessions, registrations;
static bool pod_ready, node_ready, agent_gone;
static char resumed_at[64];
static unsigned answer_status;
static int answer_error;
static bool over, closed;

static void nothing(void *data)
{
    (void)data;
}

static void turn(void)
{
    struct loop_timer timer = {.fire = nothing};
    loop_timer_start(loop, &timer, 20);
    loop_turn(loop, /* wait= */ true);
    loop_timer_stop(loop, &timer);
}

#define WAIT_FOR(condition)                                                                        \
    for (uint64_t end = loop_now_ms(loop) + WAIT_MS; !(condition);) {                              \
        turn();                                                                                    \
        ck_assert_msg(loop_now_ms(loop) < end, "never: " #condition);                              \
    }

/* ---- The member ---- */

static void sign(struct slice public_pem, const char *name, const char *group, struct buffer *out)
{
    const char *groups[] = {group};
    const char *addresses[] = {"127.0.0.1"};
    struct x509_subject subject = {.common_name = name,
                                   .organizations = groups,
                                   .organization_count = 1,
                                   .addresses = addresses,
                                   .address_count = 1};
    struct x509_sign_options options = {.ca_cert_pem = buffer_slice(&ca_cert),
                                        .ca_key_pem = buffer_slice(&ca_key),
                                        .public_pem = public_pem,
                                        .subject = &subject,
                                        .usages = X509_USAGE_SERVER | X509_USAGE_CLIENT,
                                        .not_before_s = time(NULL) - 60,
                                        .not_after_s = time(NULL) + 86400};
    ck_assert_int_eq(x509_sign(&options, out, NULL), 0);
}

static void on_register(void *data, struct grpc_call *call, struct slice request)
{
    (void)data;
    Session__V1__RegisterRequest *message =
        session__v1__register_request__unpack(NULL, request.len, request.data);
    ck_assert_ptr_nonnull(message);
    ck_assert_str_eq(message->token, "abc.def");
    struct x509_request csr;
    ck_assert_int_eq(x509_parse_csr(slice_of(message->certificate_request.data,
                                             message->certificate_request.len),
                                    &csr, NULL),
                     0);
    struct buffer cert;
    buffer_init(&cert, PEM_MAX);
    sign(slice_text(csr.public_pem), "system:node:n1", "system:nodes", &cert);
    x509_request_release(&csr);
    Session__V1__RegisterResponse response = SESSION__V1__REGISTER_RESPONSE__INIT;
    response.certificate = (ProtobufCBinaryData){cert.len, cert.data};
    response.ca = (ProtobufCBinaryData){ca_cert.len, ca_cert.data};
    uint8_t bytes[PEM_MAX];
    size_t len = session__v1__register_response__pack(&response, bytes);
    grpc_call_respond(call, slice_of(bytes, len));
    session__v1__register_request__free_unpacked(message, NULL);
    buffer_release(&cert);
    registrations++;
}

static void send_message(const Session__V1__ServerMessage *message)
{
    size_t len = session__v1__server_message__get_packed_size(message);
    CLEANUP(alloc_freep) uint8_t *bytes = alloc_bytes(len + 1);
    session__v1__server_message__pack(message, bytes);
    (void)grpc_call_send(session_call, slice_of(bytes, len));
}

static void send_pod(const char *json, Session__V1__ObjectEvent__Type type, char *version)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_message *schema = api_message_find("k8s.io.api.core.v1.Pod");
    void *pod;
    struct buffer bytes;
    char resource[] = "pods";
    ck_assert_int_eq(api_decode_json(arena, schema, slice_text(json), NULL, &pod, NULL), 0);
    buffer_init(&bytes, 1 << 20);
    api_encode_protobuf(schema, pod, &bytes);
    Session__V1__ObjectEvent event = SESSION__V1__OBJECT_EVENT__INIT;
    event.resource = resource;
    event.type = type;
    event.object = (ProtobufCBinaryData){bytes.len, bytes.data};
    event.resource_version = version;
    Session__V1__ServerMessage message = SESSION__V1__SERVER_MESSAGE__INIT;
    message.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_OBJECT;
    message.object = &event;
    send_message(&message);
    buffer_release(&bytes);
}

static void send_synced(const char *name)
{
    char resource[32], version[] = "7";
    snprintf(resource, sizeof(resource), "%s", name);
    Session__V1__Synced synced = SESSION__V1__SYNCED__INIT;
    synced.resource = resource;
    synced.resource_version = version;
    Session__V1__ServerMessage message = SESSION__V1__SERVER_MESSAGE__INIT;
    message.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_SYNCED;
    message.synced = &synced;
    send_message(&message);
}

static void answer_hello(const Session__V1__Hello *hello)
{
    static const char *const resources[] = {"pods", "services", "endpointslices", "nodes"};
    Session__V1__Welcome welcome = SESSION__V1__WELCOME__INIT;
    Session__V1__ServerMessage message = SESSION__V1__SERVER_MESSAGE__INIT;
    ck_assert_str_eq(hello->node_name, "n1");
    for (size_t i = 0; i < hello->n_resume; i++) {
        if (strcmp(hello->resume[i]->resource, "pods") == 0) {
            snprintf(resumed_at, sizeof(resumed_at), "%s", hello->resume[i]->resource_version);
        }
    }
    message.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_WELCOME;
    message.welcome = &welcome;
    send_message(&message);
    if (++sessions == 1) {
        char version[] = "5";
        send_pod("{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\",\"uid\":\"u\"},\"spec\":"
                 "{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
                 SESSION__V1__OBJECT_EVENT__TYPE__ADDED, version);
    }
    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        send_synced(resources[i]);
    }
}

static void take_status(const Session__V1__PodStatus *report)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_message *schema = api_message_find("k8s.io.api.core.v1.PodStatus");
    void *decoded;
    struct buffer json;
    buffer_init(&json, 1 << 20);
    ck_assert_int_eq(api_decode_protobuf(arena, schema,
                                         slice_of(report->status.data, report->status.len),
                                         &decoded, NULL),
                     0);
    api_encode_json(schema, decoded, NULL, &json);
    pod_ready |= strstr(buffer_text(&json), "{\"type\":\"Ready\",\"status\":\"True\"") != NULL;
    buffer_release(&json);
    Session__V1__Ack ack = SESSION__V1__ACK__INIT;
    ack.sequence = report->sequence;
    ack.code = 200;
    Session__V1__ServerMessage message = SESSION__V1__SERVER_MESSAGE__INIT;
    message.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_ACK;
    message.ack = &ack;
    send_message(&message);
}

static void on_message(void *data, struct slice bytes)
{
    (void)data;
    Session__V1__AgentMessage *message =
        session__v1__agent_message__unpack(NULL, bytes.len, bytes.data);
    ck_assert_ptr_nonnull(message);
    if (message->message_case == SESSION__V1__AGENT_MESSAGE__MESSAGE_HELLO) {
        answer_hello(message->hello);
    } else if (message->message_case == SESSION__V1__AGENT_MESSAGE__MESSAGE_POD_STATUS) {
        take_status(message->pod_status);
    } else if (message->message_case == SESSION__V1__AGENT_MESSAGE__MESSAGE_NODE_STATUS) {
        node_ready = true;
    } else if (message->message_case == SESSION__V1__AGENT_MESSAGE__MESSAGE_HEARTBEAT) {
        Session__V1__HeartbeatReply reply = SESSION__V1__HEARTBEAT_REPLY__INIT;
        Session__V1__ServerMessage answer = SESSION__V1__SERVER_MESSAGE__INIT;
        answer.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_HEARTBEAT_REPLY;
        answer.heartbeat_reply = &reply;
        send_message(&answer);
    }
    session__v1__agent_message__free_unpacked(message, NULL);
}

static void drop_call(void *data)
{
    (void)data;
    if (session_call != NULL) {
        grpc_call_unref(TAKE(session_call));
    }
}

static void on_session(void *data, struct grpc_call *call, struct slice request)
{
    (void)data;
    (void)request;
    const struct tls_peer *peer = grpc_call_tls_peer(call);
    ck_assert(peer->verified);
    ck_assert_str_eq(peer->common_name, "system:node:n1");
    drop_call(NULL);
    session_call = grpc_call_ref(call);
    grpc_call_on_message(call, on_message, nothing, NULL);
    grpc_call_on_cancel(call, drop_call, NULL);
}

static void setup(void)
{
    static const struct grpc_method methods[] = {
        {.path = "/coracle.node.v1.NodeService/RegisterNode",
         .kind = GRPC_UNARY,
         .on_call = on_register,
         .data = NULL},
        {.path = "/coracle.node.v1.NodeService/Session",
         .kind = GRPC_BIDI_STREAM,
         .on_call = on_session,
         .data = NULL},
    };
    struct buffer public_pem;
    strcpy(dir, "/tmp/coracle-hollow-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(loop_new("test", &loop), 0);
    buffer_init(&ca_key, PEM_MAX);
    buffer_init(&ca_cert, PEM_MAX);
    buffer_init(&member_key, PEM_MAX);
    buffer_init(&member_cert, PEM_MAX);
    buffer_init(&public_pem, PEM_MAX);
    ck_assert_int_eq(x509_make_key(&ca_key, NULL), 0);
    ck_assert_int_eq(x509_make_ca(buffer_slice(&ca_key), "ca", time(NULL) - 60, time(NULL) + 86400,
                                  &ca_cert, NULL),
                     0);
    ck_assert_int_eq(x509_make_key(&member_key, NULL), 0);
    ck_assert_int_eq(x509_public_key(buffer_slice(&member_key), &public_pem, NULL), 0);
    sign(buffer_slice(&public_pem), "coracle-member", "system:coracle:members", &member_cert);
    buffer_release(&public_pem);
    struct tls_options tls = {.cert_pem = buffer_slice(&member_cert),
                              .key_pem = buffer_slice(&member_key),
                              .ca_pem = buffer_slice(&ca_cert),
                              .verify = TLS_VERIFY_OPTIONAL,
                              .alpn = TLS_ALPN_H2};
    ck_assert_int_eq(tls_config_new_server(&tls, &server_tls, NULL), 0);
    grpc = grpc_server_new();
    grpc_server_add(grpc, methods, ARRAY_LEN(methods));
    struct net_address address = {.host = "127.0.0.1"};
    struct http_server_options options = {.loops = &loop,
                                          .loop_count = 1,
                                          .address = &address,
                                          .tls = server_tls,
                                          .grpc = grpc_server_handler(grpc)};
    ck_assert_int_eq(http_server_listen(&options, &http_server, NULL), 0);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u", http_server_port(http_server));
    snprintf(ca_path, sizeof(ca_path), "%s/ca.pem", dir);
    ck_assert_int_eq(file_write(ca_path, buffer_slice(&ca_cert), 0644, NULL), 0);
}

/* As a user gives it; a test may change what it is about. */
static struct agent_config good_config(const char *const *servers)
{
    return (struct agent_config){.loop = loop,
                                 .node_name = "n1",
                                 .node_ip = "127.0.0.1",
                                 .servers = servers,
                                 .server_count = 1,
                                 .token = "abc.def",
                                 .ca_file = ca_path,
                                 .data_dir = dir,
                                 .runtime = "hollow",
                                 .port = NODE_PORT,
                                 .heartbeat_ms = 100};
}

static void start_agent(void)
{
    const char *servers[] = {url};
    struct agent_config config = good_config(servers);
    struct error error = {0};
    ck_assert_msg(agent_open(&config, &agent, &error) == 0, "%s", error_message(&error));
}

static void on_agent_closed(void *data)
{
    (void)data;
    agent_gone = true;
}

static void on_server_closed(void *data)
{
    *(bool *)data = true;
}

static void teardown(void)
{
    closed = false;
    agent_gone = agent == NULL;
    if (agent != NULL) {
        agent_close(agent, on_agent_closed, NULL);
    }
    WAIT_FOR(agent_gone);
    drop_call(NULL);
    http_server_close(http_server, 0, on_server_closed, &closed);
    WAIT_FOR(closed);
    for (int i = 0; i < 5; i++) {
        turn();
    }
    grpc_server_free(grpc);
    tls_config_unref(server_tls);
    loop_free(loop);
    buffer_release(&ca_key);
    buffer_release(&ca_cert);
    buffer_release(&member_key);
    buffer_release(&member_cert);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(agent_registers_runs_its_pods_and_resumes_after_a_lost_session)
{
    start_agent();
    WAIT_FOR(pod_ready);
    WAIT_FOR(agent_ready(agent));
    ck_assert_int_eq(registrations, 1);
    grpc_call_finish(session_call, GRPC_UNAVAILABLE, "going away", slice_of(NULL, 0));
    WAIT_FOR(sessions == 2 && agent_ready(agent));
    ck_assert_str_eq(resumed_at, "7");
    ck_assert_int_eq(registrations, 1); /* The certificate is kept. */
    WAIT_FOR(node_ready);
}
END_TEST

/* ---- The node's port ---- */

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    (void)data;
    (void)headers;
    (void)header_count;
    answer_status = status;
}

static void on_end(void *data, int status, const char *message)
{
    (void)message;
    answer_error = status;
    *(bool *)data = true;
}

static void ask(struct http_client *client, const char *path, bool with_certificate)
{
    static const struct http_call_events events = {.on_response = on_response, .on_end = on_end};
    struct tls_config *tls;
    struct tls_options options = {
        .ca_pem = buffer_slice(&ca_cert), .verify = TLS_VERIFY_REQUIRED, .alpn = TLS_ALPN_HTTP1};
    if (with_certificate) {
        options.cert_pem = buffer_slice(&member_cert);
        options.key_pem = buffer_slice(&member_key);
    }
    ck_assert_int_eq(tls_config_new_client(&options, &tls, NULL), 0);
    char text[160];
    over = false;
    snprintf(text, sizeof(text), "https://127.0.0.1:%d%s", NODE_PORT, path);
    struct http_call_options call = {
        .method = "GET", .url = text, .tls = tls, .no_keep_alive = true};
    answer_status = 0;
    answer_error = 0;
    (void)http_client_request(client, &call, &events, &over);
    WAIT_FOR(over);
    tls_config_unref(tls);
}

START_TEST(an_agent_that_can_never_register_says_so_at_its_start)
{
    const char *servers[] = {url};
    struct agent_config config = good_config(servers);
    struct error error = {0};
    config.token = NULL;
    ck_assert_int_eq(agent_open(&config, &agent, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error_message(&error), "give --token"));
    config = good_config(servers);
    config.node_name = "N_1";
    ck_assert_int_eq(agent_open(&config, &agent, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error_message(&error), "\"N_1\" cannot be the name of a node"));
    ck_assert_ptr_null(agent);
    error_release(&error);
}
END_TEST

START_TEST(a_ca_file_that_is_none_is_not_passed_over)
{
    const char *servers[] = {url};
    struct agent_config config = good_config(servers);
    struct error error = {0};
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/typo.pem", dir);
    config.ca_file = path;
    ck_assert_int_eq(agent_open(&config, &agent, &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error_message(&error), path));
    ck_assert_int_eq(file_write(path, slice_text("nothing"), 0644, NULL), 0);
    ck_assert_int_eq(agent_open(&config, &agent, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error_message(&error), "typo.pem: CA certificates: not a PEM"));
    ck_assert_ptr_null(agent);
    error_release(&error);
}
END_TEST

/* CVE-2025-0426, CVE-2020-8551, CVE-2019-11248: what anybody could ask a node's port for. */
START_TEST(node_port_lets_only_members_in)
{
    start_agent();
    WAIT_FOR(agent_ready(agent));
    struct http_client *client = http_client_new(loop);
    ask(client, "/healthz", /* with_certificate= */ true);
    ck_assert_uint_eq(answer_status, 200);
    ask(client, "/containerLogs/d/nope/c", /* with_certificate= */ true);
    ck_assert_uint_eq(answer_status, 404);
    ask(client, "/connect/d/nope/80", /* with_certificate= */ true);
    ck_assert_uint_eq(answer_status, 404);
    ask(client, "/exec/d/nope/c?command=sh", /* with_certificate= */ true);
    ck_assert_uint_eq(answer_status, 404);
    ask(client, "/exec/d/p/nope?command=sh", /* with_certificate= */ true);
    ck_assert_uint_eq(answer_status, 500); /* "container not found", as the kubelet. */
    ask(client, "/connect/d/p/99999", /* with_certificate= */ true);
    ck_assert_uint_eq(answer_status, 404);
    static const char *const paths[] = {"/healthz", "/metrics", "/debug/pprof/heap",
                                        "/checkpoint/d/p/c", "/containerLogs/d/p/c"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        ask(client, paths[i], /* with_certificate= */ false);
        ck_assert_msg(answer_status == 401 || (answer_status == 0 && answer_error < 0), "%s: %u",
                      paths[i], answer_status);
    }
    ask(client, "/debug/pprof/heap", /* with_certificate= */ true);
    ck_assert_uint_eq(answer_status, 404);
    ask(client, "/checkpoint/d/p/c", /* with_certificate= */ true);
    ck_assert_uint_eq(answer_status, 404);
    http_client_close(client);
}
END_TEST

Suite *agent_suite(void)
{
    Suite *suite = suite_create("agent/agent");
    TCase *tcase = tcase_create("hollow");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, agent_registers_runs_its_pods_and_resumes_after_a_lost_session);
    tcase_add_test(tcase, an_agent_that_can_never_register_says_so_at_its_start);
    tcase_add_test(tcase, a_ca_file_that_is_none_is_not_passed_over);
    tcase_add_test(tcase, node_port_lets_only_members_in);
    suite_add_tcase(suite, tcase);
    return suite;
}
