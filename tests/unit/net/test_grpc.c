/* Our gRPC client against our gRPC server, over TCP, TLS and a unix socket. */
#include "lib/net/limits.h"
#include "tests/unit/net/echo_server.h"
#include "tests/unit/net/pki.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *grpc_suite(void);

enum wire { WIRE_TCP, WIRE_TLS, WIRE_UNIX, WIRE_COUNT };

static struct echo_server echo;
static struct loop *loop;
static struct grpc_channel *channel;
static struct pki pki;

static struct tls_config *make_tls(bool is_server)
{
    struct tls_options options = {
        .cert_pem = buffer_slice(is_server ? &pki.server_cert : &pki.client_cert),
        .key_pem = buffer_slice(is_server ? &pki.server_key : &pki.client_key),
        .ca_pem = buffer_slice(&pki.ca_cert),
        .verify = TLS_VERIFY_REQUIRED,
        .alpn = TLS_ALPN_H2,
    };
    struct tls_config *config = NULL;
    int status = is_server ? tls_config_new_server(&options, &config, NULL)
                           : tls_config_new_client(&options, &config, NULL);
    ck_assert_int_eq(status, 0);
    return config;
}

static void open_wire(enum wire wire)
{
    struct http_server_options options = {.tls = NULL};
    struct net_address address;
    char path[64];
    snprintf(path, sizeof(path), "unix:/tmp/coracle-test-%d.sock", (int)getpid());
    ck_assert_int_eq(net_address_parse(wire == WIRE_UNIX ? path : "127.0.0.1:0", &address), 0);
    options.address = &address;
    struct tls_config *client_tls = NULL;
    if (wire == WIRE_TLS) {
        pki_init(&pki);
        options.tls = make_tls(/* is_server= */ true);
        client_tls = make_tls(/* is_server= */ false);
    }
    echo_server_start(&echo, &options);
    tls_config_unref(options.tls);
    ck_assert_int_eq(loop_new("client", &loop), 0);
    if (wire != WIRE_UNIX) {
        address.port = http_server_port(echo.server);
    }
    struct grpc_channel_options channel_options = {.address = &address, .tls = client_tls};
    channel = grpc_channel_new(loop, &channel_options);
    tls_config_unref(client_tls);
}

static void close_wire(enum wire wire)
{
    grpc_channel_close(channel);
    for (int i = 0; i < 3; i++) {
        loop_turn(loop, /* wait= */ false);
    }
    loop_free(loop);
    echo_server_stop(&echo);
    if (wire == WIRE_TLS) {
        pki_release(&pki);
    }
}

/* What a call came to. */
struct outcome {
    bool over;
    enum grpc_code code;
    char message[200];
    char details[200];
    char text[4096]; /* Of all messages. */
    size_t messages;
    size_t bytes;
};

static void note_end(struct outcome *outcome, const struct grpc_status *status)
{
    outcome->over = true;
    outcome->code = status->code;
    snprintf(outcome->message, sizeof(outcome->message), "%s", status->message);
    snprintf(outcome->details, sizeof(outcome->details), "%.*s", (int)status->details.len,
             status->details.len == 0 ? "" : (const char *)status->details.data);
}

static void on_message(void *data, struct slice bytes)
{
    struct outcome *outcome = data;
    size_t used = strlen(outcome->text);
    snprintf(outcome->text + used, sizeof(outcome->text) - used, "%.*s|", (int)bytes.len,
             bytes.len == 0 ? "" : (const char *)bytes.data);
    outcome->messages++;
    outcome->bytes += bytes.len;
}

static void on_end(void *data, const struct grpc_status *status)
{
    note_end(data, status);
}

static const struct grpc_stream_events events = {.on_message = on_message, .on_end = on_end};

static void on_done(void *data, const struct grpc_status *status, struct slice response)
{
    note_end(data, status);
    if (status->code == GRPC_OK) {
        on_message(data, response);
    }
}

static void run_until(const bool *condition)
{
    while (!*condition) {
        loop_turn(loop, /* wait= */ true);
    }
}

START_TEST(unary_call_gives_the_response)
{
    open_wire((enum wire)_i);
    struct outcome outcome = {.over = false};
    const struct grpc_call_options options = {.path = "/test.Echo/Unary", .timeout_ms = 5000};
    grpc_unary(channel, &options, slice_text("hello"), on_done, &outcome);
    run_until(&outcome.over);
    ck_assert_msg(outcome.code == GRPC_OK, "%s", outcome.message);
    ck_assert_str_eq(outcome.text, "hello|");
    close_wire((enum wire)_i);
}
END_TEST

START_TEST(status_message_and_details_arrive)
{
    open_wire(WIRE_TCP);
    struct outcome outcome = {.over = false};
    const struct grpc_call_options options = {.path = "/test.Echo/Unary"};
    grpc_unary(channel, &options, slice_text("fail"), on_done, &outcome);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_NOT_FOUND);
    ck_assert_str_eq(outcome.message, "no such \"thing\": 100% n\xc3\xb6");
    ck_assert_str_eq(outcome.details, "det");
    close_wire(WIRE_TCP);
}
END_TEST

START_TEST(unknown_method_is_unimplemented)
{
    open_wire(WIRE_TCP);
    struct outcome outcome = {.over = false};
    const struct grpc_call_options options = {.path = "/test.Echo/Nothing"};
    grpc_unary(channel, &options, slice_text("x"), on_done, &outcome);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_UNIMPLEMENTED);
    ck_assert_str_eq(outcome.message, "unknown method Nothing for service test.Echo");
    outcome = (struct outcome){.over = false};
    const struct grpc_call_options other = {.path = "/test.Ech/Unary"};
    grpc_unary(channel, &other, slice_text("x"), on_done, &outcome);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_UNIMPLEMENTED);
    ck_assert_str_eq(outcome.message, "unknown service test.Ech");
    outcome = (struct outcome){.over = false};
    const struct grpc_call_options none = {.path = "/Unary"};
    grpc_unary(channel, &none, slice_text("x"), on_done, &outcome);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_UNIMPLEMENTED);
    ck_assert_str_eq(outcome.message, "malformed method name: \"/Unary\"");
    close_wire(WIRE_TCP);
}
END_TEST

START_TEST(server_stream_gives_all_messages)
{
    open_wire(WIRE_TCP);
    struct outcome outcome = {.over = false};
    const struct grpc_call_options options = {.path = "/test.Echo/Server"};
    struct grpc_stream *stream = grpc_stream_open(channel, &options, &events, &outcome);
    grpc_stream_send(stream, slice_text("a"));
    grpc_stream_close_send(stream);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_OK);
    ck_assert_str_eq(outcome.text, "a|a|a|");
    close_wire(WIRE_TCP);
}
END_TEST

START_TEST(client_stream_counts_all_messages)
{
    open_wire((enum wire)_i);
    struct outcome outcome = {.over = false};
    const struct grpc_call_options options = {.path = "/test.Echo/Client"};
    struct grpc_stream *stream = grpc_stream_open(channel, &options, &events, &outcome);
    uint8_t *bytes = calloc(1, 1000000);
    for (int i = 0; i < 10; i++) {
        grpc_stream_send(stream, slice_of(bytes, 1000000));
    }
    free(bytes);
    grpc_stream_close_send(stream);
    run_until(&outcome.over);
    ck_assert_str_eq(outcome.text, "10 messages, 10000000 bytes|");
    close_wire((enum wire)_i);
}
END_TEST

START_TEST(bidi_stream_echoes_in_turn)
{
    open_wire((enum wire)_i);
    struct outcome outcome = {.over = false};
    const struct grpc_call_options options = {.path = "/test.Echo/Bidi"};
    struct grpc_stream *stream = grpc_stream_open(channel, &options, &events, &outcome);
    for (size_t i = 0; i < 3; i++) {
        grpc_stream_send(stream, slice_text("x"));
        while (outcome.messages < i + 1) {
            loop_turn(loop, /* wait= */ true);
        }
    }
    grpc_stream_close_send(stream);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_OK);
    ck_assert_str_eq(outcome.text, "x|x|x|");
    close_wire((enum wire)_i);
}
END_TEST

START_TEST(deadline_ends_both_sides)
{
    open_wire(WIRE_TCP);
    struct outcome outcome = {.over = false};
    const struct grpc_call_options options = {.path = "/test.Echo/Never", .timeout_ms = 50};
    grpc_stream_open(channel, &options, &events, &outcome);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_DEADLINE_EXCEEDED);
    while (atomic_load(&echo.aborted) == 0) {
        usleep(1000);
        loop_turn(loop, /* wait= */ false);
    }
    close_wire(WIRE_TCP);
}
END_TEST

static void note_headers(void *data)
{
    *(bool *)data = true;
}

static void never_message(void *data, struct slice bytes)
{
    (void)data;
    (void)bytes;
}

static void never_end(void *data, const struct grpc_status *status)
{
    (void)data;
    (void)status;
    ck_abort_msg("a cancelled stream was called back");
}

START_TEST(cancel_reaches_the_server_and_calls_nobody)
{
    static const struct grpc_stream_events quiet = {
        .on_headers = note_headers, .on_message = never_message, .on_end = never_end};
    open_wire(WIRE_TCP);
    bool begun = false;
    const struct grpc_call_options options = {.path = "/test.Echo/Never"};
    struct grpc_stream *stream = grpc_stream_open(channel, &options, &quiet, &begun);
    run_until(&begun);
    grpc_stream_cancel(stream);
    while (atomic_load(&echo.aborted) == 0) {
        loop_turn(loop, /* wait= */ false);
    }
    close_wire(WIRE_TCP);
}
END_TEST

/* CVE-2022-31030: the agent takes no more of a runtime's answer than this. */
START_TEST(message_over_the_limit_is_resource_exhausted)
{
    open_wire(WIRE_TCP);
    struct outcome outcome = {.over = false};
    const struct grpc_call_options options = {.path = "/test.Echo/Unary"};
    size_t len = GRPC_MESSAGE_BYTES_MAX + 1;
    uint8_t *bytes = calloc(1, len);
    grpc_unary(channel, &options, slice_of(bytes, len), on_done, &outcome);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_RESOURCE_EXHAUSTED);
    outcome.over = false;
    grpc_unary(channel, &options, slice_of(bytes, GRPC_MESSAGE_BYTES_MAX), on_done, &outcome);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_OK);
    ck_assert_uint_eq(outcome.bytes, GRPC_MESSAGE_BYTES_MAX);
    free(bytes);
    close_wire(WIRE_TCP);
}
END_TEST

START_TEST(paused_stream_holds_the_server_back)
{
    open_wire(WIRE_TCP);
    struct outcome outcome = {.over = false};
    const struct grpc_call_options options = {.path = "/test.Echo/Bidi"};
    struct grpc_stream *stream = grpc_stream_open(channel, &options, &events, &outcome);
    grpc_stream_pause(stream);
    uint8_t *bytes = calloc(1, 100000);
    for (int i = 0; i < 50; i++) {
        grpc_stream_send(stream, slice_of(bytes, 100000));
    }
    grpc_stream_close_send(stream);
    for (int i = 0; i < 200; i++) {
        usleep(500);
        loop_turn(loop, /* wait= */ false);
    }
    ck_assert_uint_eq(outcome.messages, 0);
    ck_assert(!outcome.over);
    grpc_stream_resume(stream);
    run_until(&outcome.over);
    ck_assert_uint_eq(outcome.bytes, 5000000);
    free(bytes);
    close_wire(WIRE_TCP);
}
END_TEST

START_TEST(refused_connection_is_unavailable_when_fail_fast)
{
    open_wire(WIRE_TCP);
    struct net_address address = {.host = "127.0.0.1", .port = 1};
    struct grpc_channel_options channel_options = {.address = &address};
    struct grpc_channel *other = grpc_channel_new(loop, &channel_options);
    struct outcome outcome = {.over = false};
    struct outcome waiting = {.over = false};
    const struct grpc_call_options options = {.path = "/x/Y", .fail_fast = true};
    const struct grpc_call_options patient = {.path = "/x/Y"};
    grpc_unary(other, &options, slice_text(""), on_done, &outcome);
    grpc_unary(other, &patient, slice_text(""), on_done, &waiting);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_UNAVAILABLE);
    ck_assert(!waiting.over);
    grpc_channel_close(other);
    ck_assert_int_eq(waiting.code, GRPC_CANCELLED);
    close_wire(WIRE_TCP);
}
END_TEST

static void stop_echo(void *data)
{
    (void)data;
    echo_server_stop(&echo);
}

START_TEST(an_open_stream_is_told_that_its_server_closes)
{
    open_wire(WIRE_TCP);
    struct outcome outcome = {.over = false};
    const struct grpc_call_options options = {.path = "/test.Echo/Bidi"};
    struct grpc_stream *stream = grpc_stream_open(channel, &options, &events, &outcome);
    grpc_stream_send(stream, slice_text("a"));
    while (outcome.messages == 0) {
        loop_turn(loop, /* wait= */ true);
    }
    stop_echo(NULL);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_UNAVAILABLE);
    ck_assert_str_eq(outcome.message, "the server is closing");
    grpc_channel_close(channel);
    loop_turn(loop, /* wait= */ false);
    loop_turn(loop, /* wait= */ false);
    loop_free(loop);
}
END_TEST

START_TEST(lost_connection_ends_calls_as_unavailable)
{
    open_wire(WIRE_TCP);
    struct outcome outcome = {.over = false};
    const struct grpc_call_options options = {.path = "/test.Echo/Never"};
    grpc_stream_open(channel, &options, &events, &outcome);
    for (int i = 0; i < 100; i++) {
        usleep(500);
        loop_turn(loop, /* wait= */ false);
    }
    stop_echo(NULL);
    run_until(&outcome.over);
    ck_assert_int_eq(outcome.code, GRPC_UNAVAILABLE);
    grpc_channel_close(channel);
    loop_turn(loop, /* wait= */ false);
    loop_turn(loop, /* wait= */ false);
    loop_free(loop);
}
END_TEST

Suite *grpc_suite(void)
{
    Suite *suite = suite_create("net/grpc");
    TCase *tcase = tcase_create("calls");
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, unary_call_gives_the_response, 0, WIRE_COUNT);
    tcase_add_test(tcase, status_message_and_details_arrive);
    tcase_add_test(tcase, unknown_method_is_unimplemented);
    tcase_add_test(tcase, server_stream_gives_all_messages);
    tcase_add_loop_test(tcase, client_stream_counts_all_messages, 0, WIRE_COUNT);
    tcase_add_loop_test(tcase, bidi_stream_echoes_in_turn, 0, WIRE_COUNT);
    tcase_add_test(tcase, deadline_ends_both_sides);
    tcase_add_test(tcase, cancel_reaches_the_server_and_calls_nobody);
    tcase_add_test(tcase, message_over_the_limit_is_resource_exhausted);
    tcase_add_test(tcase, paused_stream_holds_the_server_back);
    tcase_add_test(tcase, refused_connection_is_unavailable_when_fail_fast);
    tcase_add_test(tcase, an_open_stream_is_told_that_its_server_closes);
    tcase_add_test(tcase, lost_connection_ends_calls_as_unavailable);
    suite_add_tcase(suite, tcase);
    return suite;
}
