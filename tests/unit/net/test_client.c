/* Our HTTP client against our server: keep-alive, streaming, upgrades, WebSocket, and TLS with
 * client certificates. */
#include "lib/base/file.h"
#include "lib/net/http_client.h"
#include "lib/net/websocket.h"
#include "tests/unit/net/echo_server.h"
#include "tests/unit/net/pki.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *client_suite(void);

static struct echo_server echo;
static struct loop *loop;
static struct http_client *client;
static char url[200];

static void start(struct tls_config *tls)
{
    struct http_server_options options = {.tls = tls};
    echo_server_start(&echo, &options);
    ck_assert_int_eq(loop_new("client", &loop), 0);
    client = http_client_new(loop);
}

static void setup(void)
{
    start(NULL);
}

static void teardown(void)
{
    http_client_close(client);
    for (int i = 0; i < 5; i++) {
        loop_turn(loop, /* wait= */ false);
    }
    loop_free(loop);
    echo_server_stop(&echo);
}

struct outcome {
    bool over;
    int status;
    char message[200];
    unsigned http_status;
    size_t bytes;
    char text[100];
    char trailers[100];
    struct net_stream *stream;
    struct websocket *websocket;
    unsigned close_code;
    char key[25];
};

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    struct outcome *outcome = data;
    outcome->http_status = status;
    if (status == 101 && outcome->key[0] != '\0') {
        ck_assert_int_eq(websocket_check_answer(outcome->key, headers, header_count), 0);
    }
}

static void on_body(void *data, struct slice bytes)
{
    struct outcome *outcome = data;
    size_t used = strlen(outcome->text);
    snprintf(outcome->text + used, sizeof(outcome->text) - used, "%.*s", (int)bytes.len,
             (const char *)bytes.data);
    outcome->bytes += bytes.len;
}

static void on_trailers(void *data, const struct http_header *trailers, size_t count)
{
    struct outcome *outcome = data;
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(outcome->trailers);
        snprintf(outcome->trailers + used, sizeof(outcome->trailers) - used, "%.*s=%.*s;",
                 (int)trailers[i].name.len, (const char *)trailers[i].name.data,
                 (int)trailers[i].value.len, (const char *)trailers[i].value.data);
    }
}

static void on_upgrade(void *data, struct net_stream *stream)
{
    struct outcome *outcome = data;
    outcome->stream = stream;
    outcome->over = true;
}

static void on_end(void *data, int status, const char *message)
{
    struct outcome *outcome = data;
    outcome->status = status;
    snprintf(outcome->message, sizeof(outcome->message), "%s", message);
    outcome->over = true;
}

static const struct http_call_events events = {
    .on_response = on_response,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_upgrade = on_upgrade,
    .on_end = on_end,
};

static const char *at(const char *scheme, const char *path)
{
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u%s", scheme, http_server_port(echo.server), path);
    return url;
}

static void run_until(const bool *condition)
{
    while (!*condition) {
        loop_turn(loop, /* wait= */ true);
    }
}

static struct outcome request(const struct http_call_options *options)
{
    struct outcome outcome = {.over = false};
    http_client_request(client, options, &events, &outcome);
    ck_assert(!outcome.over);
    run_until(&outcome.over);
    return outcome;
}

START_TEST(requests_share_one_connection)
{
    for (int i = 0; i < 5; i++) {
        struct outcome outcome =
            request(&(struct http_call_options){.method = "GET", .url = at("http", "/hello")});
        ck_assert_msg(outcome.status == 0, "%s", outcome.message);
        ck_assert_uint_eq(outcome.http_status, 200);
        ck_assert_str_eq(outcome.text, "hello\n");
    }
    struct outcome outcome = request(&(struct http_call_options){
        .method = "POST", .url = at("http", "/echo"), .body = slice_text("body")});
    ck_assert_str_eq(outcome.text, "body");
    outcome = request(&(struct http_call_options){.method = "HEAD", .url = at("http", "/hello")});
    ck_assert_uint_eq(outcome.bytes, 0);
    ck_assert_uint_eq(http_server_connections(echo.server), 1);
}
END_TEST

START_TEST(long_streams_arrive_whole)
{
    struct outcome outcome =
        request(&(struct http_call_options){.method = "GET", .url = at("http", "/stream?n=5000")});
    ck_assert_uint_eq(outcome.bytes, 5120000);
    ck_assert_str_eq(outcome.trailers, "x-end=yes;");
}
END_TEST

static void pause_first(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    (void)status;
    (void)headers;
    (void)header_count;
    http_call_pause(*(struct http_call **)data);
}

struct paused {
    struct http_call *call; /* First: pause_first() finds it. */
    struct outcome outcome;
};

static void paused_body(void *data, struct slice bytes)
{
    ((struct paused *)data)->outcome.bytes += bytes.len;
}

static void paused_end(void *data, int status, const char *message)
{
    on_end(&((struct paused *)data)->outcome, status, message);
}

START_TEST(paused_call_gets_nothing_until_resumed)
{
    static const struct http_call_events slow = {
        .on_response = pause_first, .on_body = paused_body, .on_end = paused_end};
    struct paused paused = {.call = NULL};
    const struct http_call_options options = {.method = "GET", .url = at("http", "/stream?n=3000")};
    paused.call = http_client_request(client, &options, &slow, &paused);
    for (int i = 0; i < 100; i++) {
        usleep(1000);
        loop_turn(loop, /* wait= */ false);
    }
    ck_assert_uint_eq(paused.outcome.bytes, 0);
    http_call_resume(paused.call);
    run_until(&paused.outcome.over);
    ck_assert_uint_eq(paused.outcome.bytes, 3072000);
}
END_TEST

START_TEST(failures_have_a_code_and_a_message)
{
    struct outcome outcome =
        request(&(struct http_call_options){.method = "GET", .url = "http://127.0.0.1:1/"});
    ck_assert_int_eq(outcome.status, -ECONNREFUSED);
    ck_assert_str_ne(outcome.message, "");
    outcome = request(&(struct http_call_options){.method = "GET", .url = "ftp://x/"});
    ck_assert_int_eq(outcome.status, -EINVAL);
    outcome = request(&(struct http_call_options){.method = "GET", .url = "http://a b/"});
    ck_assert_int_eq(outcome.status, -EINVAL);
}
END_TEST

/* CVE-2021-29923: the C library takes each of them for 127.0.0.1, and would come to the server. */
START_TEST(numbers_that_are_no_addresses_as_they_are_written_lead_nowhere)
{
    const char *hosts[] = {"0177.0.0.1", "127.1",      "2130706433",
                           "0x7f000001", "0x7f.0.0.1", "127.1."};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        snprintf(url, sizeof(url), "http://%s:%u/", hosts[i], http_server_port(echo.server));
        struct outcome outcome = request(&(struct http_call_options){.method = "GET", .url = url});
        ck_assert_int_eq(outcome.status, -EINVAL);
        ck_assert_ptr_nonnull(strstr(outcome.message, "not written as an address"));
    }
    snprintf(url, sizeof(url), "http://localhost:%u/", http_server_port(echo.server));
    ck_assert_int_eq(request(&(struct http_call_options){.method = "GET", .url = url}).status, 0);
}
END_TEST

START_TEST(cancelled_call_aborts_at_the_server)
{
    struct outcome outcome = {.over = false};
    const struct http_call_options options = {.method = "GET", .url = at("http", "/never")};
    struct http_call *call = http_client_request(client, &options, &events, &outcome);
    while (outcome.bytes == 0) {
        loop_turn(loop, /* wait= */ true);
    }
    http_call_cancel(call);
    while (atomic_load(&echo.aborted) == 0) {
        loop_turn(loop, /* wait= */ false);
    }
    ck_assert(!outcome.over);
}
END_TEST

/* ---- WebSocket ---- */

static void ws_message(void *data, enum websocket_opcode opcode, struct slice payload)
{
    ck_assert_int_eq(opcode, WEBSOCKET_BINARY);
    struct outcome *outcome = data;
    outcome->bytes += payload.len;
}

static void ws_end(void *data, unsigned code)
{
    struct outcome *outcome = data;
    outcome->close_code = code;
    outcome->over = true;
}

START_TEST(websocket_client_and_server_exchange_messages)
{
    static const struct websocket_events ws_events = {ws_message, NULL, ws_end};
    struct outcome outcome = {.over = false};
    websocket_make_key(outcome.key);
    const struct http_header headers[] = {
        http_header("sec-websocket-version", "13"),
        http_header("sec-websocket-key", outcome.key),
    };
    const struct http_call_options options = {.method = "GET",
                                              .url = at("http", "/ws"),
                                              .headers = headers,
                                              .header_count = 2,
                                              .upgrade = "websocket"};
    http_client_request(client, &options, &events, &outcome);
    run_until(&outcome.over);
    ck_assert_ptr_nonnull(outcome.stream);
    outcome.over = false;
    struct websocket *websocket = websocket_new_client(outcome.stream, &ws_events, &outcome);
    const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 1000000};
    uint8_t *bytes = calloc(1, 1000000);
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        websocket_send(websocket, WEBSOCKET_BINARY, slice_of(bytes, sizes[i]));
        total += sizes[i];
    }
    while (outcome.bytes < total) {
        loop_turn(loop, /* wait= */ true);
    }
    free(bytes);
    websocket_send(websocket, WEBSOCKET_CLOSE, slice_text("\x03\xe9"));
    run_until(&outcome.over);
    ck_assert_uint_eq(outcome.close_code, 1001);
    websocket_close(websocket, 1001, "");
    for (int i = 0; i < 100; i++) {
        usleep(1000);
        loop_turn(loop, /* wait= */ false);
    }
}
END_TEST

START_TEST(refused_upgrade_is_a_response)
{
    struct outcome outcome = request(&(struct http_call_options){
        .method = "GET", .url = at("http", "/hello"), .upgrade = "websocket"});
    ck_assert_uint_eq(outcome.http_status, 200);
    ck_assert_ptr_null(outcome.stream);
}
END_TEST

/* ---- TLS ---- */

static struct tls_config *tls_of(const struct pki *pki, bool is_server, bool with_certificate,
                                 enum tls_verify verify)
{
    struct tls_options options = {
        .ca_pem = buffer_slice(&pki->ca_cert),
        .verify = verify,
        .alpn = is_server ? TLS_ALPN_H2 | TLS_ALPN_HTTP1 : TLS_ALPN_HTTP1,
    };
    if (with_certificate) {
        options.cert_pem = buffer_slice(is_server ? &pki->server_cert : &pki->client_cert);
        options.key_pem = buffer_slice(is_server ? &pki->server_key : &pki->client_key);
    }
    struct tls_config *config = NULL;
    struct error error = {.code = 0};
    int status = is_server ? tls_config_new_server(&options, &config, &error)
                           : tls_config_new_client(&options, &config, &error);
    ck_assert_msg(status == 0, "%s", error_message(&error));
    return config;
}

START_TEST(server_sees_the_client_certificate)
{
    struct pki pki;
    pki_init(&pki);
    struct tls_config *server = tls_of(&pki, true, true, TLS_VERIFY_OPTIONAL);
    struct tls_config *named = tls_of(&pki, false, true, TLS_VERIFY_REQUIRED);
    struct tls_config *anonymous = tls_of(&pki, false, false, TLS_VERIFY_REQUIRED);
    start(server);
    struct outcome outcome = request(
        &(struct http_call_options){.method = "GET", .url = at("https", "/whoami"), .tls = named});
    ck_assert_msg(outcome.status == 0, "%s", outcome.message);
    ck_assert_str_eq(outcome.text, "alice dev ops verified TLSv1.3");
    outcome = request(&(struct http_call_options){
        .method = "GET", .url = at("https", "/whoami"), .tls = anonymous});
    ck_assert_str_eq(outcome.text, " anonymous TLSv1.3");
    outcome = request(&(struct http_call_options){.method = "GET",
                                                  .url = at("https", "/hello"),
                                                  .tls = named,
                                                  .server_name = "elsewhere.example"});
    ck_assert_int_eq(outcome.status, -EPROTO); /* The certificate is for another name. */
    teardown();
    tls_config_unref(server);
    tls_config_unref(named);
    tls_config_unref(anonymous);
    pki_release(&pki);
}
END_TEST

/* The marks have to count ciphertext that the socket did not take, or the writer is never called
 * again. */
START_TEST(long_stream_over_tls_comes_to_its_end)
{
    struct pki pki;
    pki_init(&pki);
    struct tls_config *server = tls_of(&pki, true, true, TLS_VERIFY_OPTIONAL);
    struct tls_config *named = tls_of(&pki, false, true, TLS_VERIFY_REQUIRED);
    start(server);
    struct outcome outcome = request(&(struct http_call_options){
        .method = "GET", .url = at("https", "/stream?n=40000"), .tls = named});
    ck_assert_msg(outcome.status == 0, "%s", outcome.message);
    ck_assert_uint_eq(outcome.bytes, (size_t)40000 * ECHO_STREAM_CHUNK);
    teardown();
    tls_config_unref(server);
    tls_config_unref(named);
    pki_release(&pki);
}
END_TEST

/* Connected to a server that sends this much and leaves. */
enum { SENT_AT_ONCE = 40 * 1024, ARRIVES_MS = 100 };

struct late_reader {
    struct net_stream *stream;
    size_t bytes;
    int status;
    bool connected, arrived, over;
};

static void send_and_leave(void *data, struct net_stream *stream)
{
    static const uint8_t bytes[SENT_AT_ONCE];
    (void)data;
    net_stream_write(stream, slice_of(bytes, sizeof(bytes)));
    net_stream_finish(stream);
}

static void late_connected(void *data, int status, const char *message, struct net_stream *stream)
{
    struct late_reader *reader = data;
    ck_assert_msg(status == 0, "%s", message);
    reader->stream = stream;
    reader->connected = true;
}

static void late_arrived(void *data)
{
    ((struct late_reader *)data)->arrived = true;
}

static void late_read(void *data, struct slice bytes)
{
    ((struct late_reader *)data)->bytes += bytes.len;
}

static void late_end(void *data, int status)
{
    struct late_reader *reader = data;
    reader->status = status;
    reader->over = true;
}

/* What TLS holds while nobody reads is not lost when the connection ends behind it: so the end of
 * what was copied out of a container was, when the user's side was slow. */
START_TEST(what_came_before_the_end_is_read_although_it_has_waited)
{
    static const struct net_stream_events late_events = {.on_read = late_read, .on_end = late_end};
    struct pki pki;
    pki_init(&pki);
    struct tls_config *server = tls_of(&pki, true, true, TLS_VERIFY_OPTIONAL);
    struct tls_config *named = tls_of(&pki, false, true, TLS_VERIFY_REQUIRED);
    start(server);
    struct net_address address = {.host = "127.0.0.1"};
    struct net_listener *listener = NULL;
    struct error error = {.code = 0};
    const struct net_listen_options listen = {.loops = &loop,
                                              .loop_count = 1,
                                              .address = &address,
                                              .tls = server,
                                              .on_stream = send_and_leave};
    ck_assert_msg(net_listen(&listen, &listener, &error) == 0, "%s", error_message(&error));
    address.port = net_listener_port(listener);
    struct late_reader reader = {.stream = NULL};
    const struct net_connect_options connect = {.address = &address, .tls = named};
    (void)net_stream_connect(loop, &connect, late_connected, &reader);
    run_until(&reader.connected);
    struct loop_timer wait = {.fire = late_arrived, .data = &reader};
    loop_timer_start(loop, &wait, ARRIVES_MS);
    run_until(&reader.arrived);
    net_stream_start(reader.stream, &late_events, &reader);
    run_until(&reader.over);
    ck_assert_uint_eq(reader.bytes, SENT_AT_ONCE);
    ck_assert_int_eq(reader.status, 0);
    net_stream_close(reader.stream, NULL, NULL);
    net_listener_close(listener, NULL, NULL);
    teardown();
    tls_config_unref(server);
    tls_config_unref(named);
    pki_release(&pki);
}
END_TEST

START_TEST(stranger_is_unverified_when_optional_and_refused_when_required)
{
    struct pki ours;
    struct pki theirs;
    pki_init(&ours);
    pki_init(&theirs);
    struct tls_config *server =
        tls_of(&ours, true, true, _i == 0 ? TLS_VERIFY_OPTIONAL : TLS_VERIFY_REQUIRED);
    struct tls_options options = {.cert_pem = buffer_slice(&theirs.client_cert),
                                  .key_pem = buffer_slice(&theirs.client_key),
                                  .ca_pem = buffer_slice(&ours.ca_cert),
                                  .verify = TLS_VERIFY_REQUIRED};
    struct tls_config *stranger = NULL;
    ck_assert_int_eq(tls_config_new_client(&options, &stranger, NULL), 0);
    start(server);
    struct outcome outcome = request(&(struct http_call_options){
        .method = "GET", .url = at("https", "/whoami"), .tls = stranger});
    if (_i == 0) {
        ck_assert_str_eq(outcome.text, "alice dev ops unverified TLSv1.3");
    } else {
        ck_assert_int_ne(outcome.status, 0);
        ck_assert_uint_eq(outcome.http_status, 0);
    }
    teardown();
    tls_config_unref(server);
    tls_config_unref(stranger);
    pki_release(&ours);
    pki_release(&theirs);
}
END_TEST

START_TEST(reloaded_certificate_is_used_by_new_connections)
{
    struct pki before;
    struct pki after;
    pki_init(&before);
    pki_init(&after);
    struct tls_config *server = tls_of(&before, true, true, TLS_VERIFY_NONE);
    struct tls_config *trusts_after = tls_of(&after, false, false, TLS_VERIFY_REQUIRED);
    start(server);
    struct http_call_options options = {
        .method = "GET", .url = at("https", "/hello"), .tls = trusts_after};
    ck_assert_int_eq(request(&options).status, -EPROTO);
    struct tls_options bad = {.cert_pem = buffer_slice(&after.server_cert),
                              .key_pem = buffer_slice(&before.server_key)};
    struct error error = {.code = 0};
    ck_assert_int_eq(tls_config_reload(server, &bad, &error), -EINVAL);
    error_release(&error);
    struct tls_options good = {.cert_pem = buffer_slice(&after.server_cert),
                               .key_pem = buffer_slice(&after.server_key)};
    ck_assert_int_eq(tls_config_reload(server, &good, NULL), 0);
    options.url = at("https", "/hello");
    ck_assert_int_eq(request(&options).status, 0);
    teardown();
    tls_config_unref(server);
    tls_config_unref(trusts_after);
    pki_release(&before);
    pki_release(&after);
}
END_TEST

START_TEST(curl_speaks_http2_over_tls)
{
    if (system("command -v curl >/dev/null") != 0) {
        return;
    }
    struct pki pki;
    pki_init(&pki);
    struct tls_config *server = tls_of(&pki, true, true, TLS_VERIFY_OPTIONAL);
    start(server);
    char ca[] = "/tmp/coracle-ca-XXXXXX";
    int fd = mkstemp(ca);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_write(ca, buffer_slice(&pki.ca_cert), 0600, NULL), 0);
    char command[400];
    snprintf(command, sizeof(command),
             "test \"$(curl -s --cacert %s --http2 -w ' %%{http_version}' %s)\" = 'hello\n 2'", ca,
             at("https", "/hello"));
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof(command), "test $(curl -s --cacert %s %s | wc -c) = 10240000", ca,
             at("https", "/stream?n=10000"));
    ck_assert_int_eq(system(command), 0);
    remove(ca);
    teardown();
    tls_config_unref(server);
    pki_release(&pki);
}
END_TEST

Suite *client_suite(void)
{
    Suite *suite = suite_create("net/client");
    TCase *plain = tcase_create("plain");
    tcase_set_timeout(plain, 30);
    tcase_add_checked_fixture(plain, setup, teardown);
    tcase_add_test(plain, requests_share_one_connection);
    tcase_add_test(plain, long_streams_arrive_whole);
    tcase_add_test(plain, paused_call_gets_nothing_until_resumed);
    tcase_add_test(plain, failures_have_a_code_and_a_message);
    tcase_add_test(plain, numbers_that_are_no_addresses_as_they_are_written_lead_nowhere);
    tcase_add_test(plain, cancelled_call_aborts_at_the_server);
    tcase_add_test(plain, websocket_client_and_server_exchange_messages);
    tcase_add_test(plain, refused_upgrade_is_a_response);
    suite_add_tcase(suite, plain);
    TCase *tls = tcase_create("tls");
    tcase_set_timeout(tls, 30);
    tcase_add_test(tls, server_sees_the_client_certificate);
    tcase_add_test(tls, long_stream_over_tls_comes_to_its_end);
    tcase_add_test(tls, what_came_before_the_end_is_read_although_it_has_waited);
    tcase_add_loop_test(tls, stranger_is_unverified_when_optional_and_refused_when_required, 0, 2);
    tcase_add_test(tls, reloaded_certificate_is_used_by_new_connections);
    tcase_add_test(tls, curl_speaks_http2_over_tls);
    suite_add_tcase(suite, tls);
    return suite;
}
