/* Agents that misbehave, behind exec and log of a whole API server. */
#include "tests/unit/apiserver/proxy_fixture.h"
#include <stdio.h>
#include <sys/socket.h>

static const char SWITCH[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n"
                             "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n";

#define EXEC_BY(protocol)                                                                          \
    "GET /api/v1/namespaces/ns/pods/p/exec?command=sh&stdout=true HTTP/1.1\r\nHost: x\r\n"         \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                                              \
    "Sec-WebSocket-Protocol: " protocol "\r\n\r\n"
#define EXEC    EXEC_BY("v4.channel.k8s.io")
#define EXEC_V5 EXEC_BY("v5.channel.k8s.io")
#define LOG     "GET /api/v1/namespaces/ns/pods/p/log HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static const char *exec_gives(agent_act *act)
{
    struct client client = {.request = EXEC};
    return talk(&client, act);
}

static const char *log_gives(agent_act *act)
{
    struct client client = {.request = LOG};
    return talk(&client, act);
}

/* --- Answers that are no upgrade ---------------------------------------------------------------
 */

static void act_ok(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

/* CVE-2018-1002105: a pipe to the backend was left, with the credentials of the API server. */
START_TEST(an_answer_that_does_not_switch_is_no_exec)
{
    const char *answer = exec_gives(act_ok);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 500 "));
    ck_assert_ptr_nonnull(strstr(answer, "invalid upgrade response: status code 200"));
    ck_assert_ptr_null(strstr(answer, "hello"));
}
END_TEST

static void act_redirect(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n");
}

/* CVE-2020-8559: a node that was taken over led its clients to other nodes. */
START_TEST(no_redirect_of_a_node_is_followed_or_passed_on)
{
    const char *exec = exec_gives(act_redirect);
    ck_assert_ptr_nonnull(strstr(exec, "invalid upgrade response: status code 302"));
    ck_assert_ptr_null(strstr(exec, "evil.example"));
}
END_TEST

START_TEST(a_log_that_redirects_is_an_error)
{
    const char *log = log_gives(act_redirect);
    ck_assert_ptr_nonnull(strstr(log, "HTTP/1.1 500 "));
    ck_assert_ptr_nonnull(strstr(log, "attempted to redirect"));
    ck_assert_ptr_null(strstr(log, "evil.example"));
}
END_TEST

static void act_not_found(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"
            "no such c");
}

static void act_waits(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 28\r\n\r\n"
            "container is waiting to star");
}

START_TEST(why_there_is_no_log_is_said_in_a_status)
{
    const char *answer = log_gives(act_waits);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 400 "));
    ck_assert_ptr_nonnull(strstr(answer, "application/json"));
    ck_assert_ptr_nonnull(strstr(answer, "\"message\":\"container is waiting to star\","
                                         "\"reason\":\"BadRequest\""));
    answer = log_gives(act_not_found);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 404 "));
    ck_assert_ptr_nonnull(
        strstr(answer, "\"message\":\"the server could not find the requested resource ( pods/log "
                       "p)\",\"reason\":\"NotFound\",\"details\":{\"name\":\"p\","
                       "\"kind\":\"pods/log\"}"));
}
END_TEST

static void act_long_excuse(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 1000000000\r\n\r\n");
    for (int i = 0; i < 6000; i++) {
        say(fd, "0123456789");
    }
    (void)sees_end(fd);
}

START_TEST(only_the_beginning_of_an_excuse_is_heard)
{
    const char *answer = log_gives(act_long_excuse);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 500 "));
    ck_assert_ptr_nonnull(strstr(answer, "Internal error occurred: 0123456789"));
    ck_assert_uint_gt(strlen(answer), 8000);
    ck_assert_uint_lt(strlen(answer), 10000);
}
END_TEST

START_TEST(an_error_of_the_agent_reaches_the_client)
{
    const char *answer = exec_gives(act_not_found);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 404 "));
    ck_assert_ptr_nonnull(strstr(answer, "no such c"));
}
END_TEST

static void act_nothing(int fd, const char *request)
{
    (void)fd, (void)request;
}

/* The first frame of a connection that was upgraded. */
static const char *message_after(const char *answer, const char *protocol)
{
    const char *end = strstr(answer, "\r\n\r\n");
    ck_assert_msg(strncmp(answer, "HTTP/1.1 101 ", 13) == 0, "%s", answer);
    ck_assert_ptr_nonnull(end);
    ck_assert_ptr_nonnull(strcasestr(answer, protocol));
    return end + 4;
}

/* As v1.32: kubectl shows "Internal error occurred: ..." and does not try SPDY. */
START_TEST(with_v5_an_error_of_the_agent_comes_by_the_channel_of_errors)
{
    struct client client = {.request = EXEC_V5};
    const char *message = message_after(talk(&client, act_not_found),
                                        "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n");
    ck_assert_int_eq((unsigned char)message[0], 0x82);
    ck_assert_int_eq(message[1], 126); /* The length is in the two bytes after it. */
    ck_assert_int_eq(message[4], 3);
    ck_assert_msg(strstr(message + 5, "\"status\":\"Failure\",\"message\":\"Internal error "
                                      "occurred: unable to upgrade connection: no such c\","
                                      "\"reason\":\"InternalError\"") != NULL,
                  "%s", message + 5);
    ck_assert_ptr_nonnull(strstr(message + 5, "}\x88\x02\x03\xe8"));
}
END_TEST

START_TEST(with_v5_an_agent_that_closes_at_once_is_told_by_the_channel_of_errors)
{
    struct client client = {.request = EXEC_V5};
    const char *message = message_after(talk(&client, act_nothing), "v5.channel.k8s.io\r\n");
    ck_assert_int_eq(message[4], 3);
    ck_assert_msg(strstr(message + 5, "Internal error occurred: error sending request: Post "
                                      "\\\"http://127.0.0.1:") != NULL,
                  "%s", message + 5);
    ck_assert_ptr_nonnull(strstr(message + 5, "/exec/ns/p/c?command=sh\\u0026output=1\\\": EOF"));
}
END_TEST

START_TEST(with_v5_an_answer_that_does_not_switch_is_told_by_the_channel_of_errors)
{
    struct client client = {.request = EXEC_V5};
    const char *answer = talk(&client, act_redirect);
    ck_assert_ptr_nonnull(strstr(message_after(answer, "v5.channel.k8s.io\r\n") + 5,
                                 "unable to upgrade connection: status code 302"));
    ck_assert_ptr_null(strstr(answer, "evil.example"));
}
END_TEST

/* What the runtime cannot do by v5 is answered so that clients go on with SPDY. */
START_TEST(with_v5_a_refused_protocol_fails_the_handshake)
{
    struct client client = {.request = EXEC_V5};
    const char *answer = talk(&client, act_waits);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 400 ", 13) == 0, "%s", answer);
    ck_assert_ptr_nonnull(strstr(answer, "container is waiting to star"));
}
END_TEST

static void act_garbage(int fd, const char *request)
{
    (void)request;
    say(fd, "\x16\x03\x01garbage\r\n\r\nand more of it");
}

START_TEST(what_is_not_http_is_an_error)
{
    const char *answer = exec_gives(act_garbage);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 500 "));
    ck_assert_ptr_nonnull(strstr(answer, "error dialing backend"));
}
END_TEST

START_TEST(an_agent_that_closes_at_once_is_an_error)
{
    ck_assert_ptr_nonnull(strstr(exec_gives(act_nothing), "HTTP/1.1 500 "));
}
END_TEST

static void act_huge_head(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 101 Switching Protocols\r\n");
    for (int i = 0; i < 10000; i++) {
        say(fd, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    }
}

START_TEST(a_head_without_end_is_an_error)
{
    ck_assert_ptr_nonnull(strstr(exec_gives(act_huge_head), "HTTP/1.1 500 "));
}
END_TEST

static void act_unasked_switch(int fd, const char *request)
{
    (void)request;
    say(fd, SWITCH);
}

START_TEST(a_log_that_switches_protocols_is_an_error)
{
    const char *answer = log_gives(act_unasked_switch);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 500 "));
    ck_assert_ptr_null(strstr(answer, "HTTP/1.1 101"));
}
END_TEST

/* --- After the switch --------------------------------------------------------------------------
 */

static void act_bytes_at_once(int fd, const char *request)
{
    (void)request;
    char all[512];
    (void)snprintf(all, sizeof(all), "%s\x82\x06\x01hello", SWITCH);
    say(fd, all); /* One segment: the head and the first frame. */
}

START_TEST(bytes_that_come_with_the_switch_are_not_lost)
{
    const char *answer = exec_gives(act_bytes_at_once);
    const char *end = strstr(answer, "\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 101 "));
    ck_assert_ptr_nonnull(end);
    ck_assert_str_eq(end + 4, "\x82\x06\x01hello");
}
END_TEST

static void act_many_bytes(int fd, const char *request)
{
    (void)request;
    say(fd, SWITCH);
    for (int i = 0; i < 20000; i++) {
        say(fd, "0123456789");
    }
}

START_TEST(all_that_was_sent_before_the_end_arrives)
{
    struct client client = {.request = EXEC};
    const char *answer = talk(&client, act_many_bytes);
    const char *end = strstr(answer, "\r\n\r\n");
    ck_assert_ptr_nonnull(end);
    ck_assert_uint_eq(strlen(end + 4), 200000);
}
END_TEST

static void act_garbage_frames(int fd, const char *request)
{
    (void)request;
    say(fd, SWITCH);
    say(fd, "\xff\xff\xff\xff\xff\xff\xff\x7f not a frame at all");
    (void)sees_end(fd);
}

START_TEST(garbage_after_the_switch_harms_nobody_else)
{
    struct client client = {.request = EXEC, .until = "at all", .then = "\xff\xff garbage back"};
    const char *answer = talk(&client, act_garbage_frames);
    ck_assert_ptr_nonnull(strstr(answer, "not a frame at all"));
}
END_TEST

static void act_reset(int fd, const char *request)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    (void)request;
    say(fd, SWITCH);
    while (sem_wait(&proxied.client_has_answer) != 0) {
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

START_TEST(a_reset_half_way_ends_the_client_too)
{
    struct client client = {.request = EXEC};
    ck_assert_ptr_nonnull(strstr(talk(&client, act_reset), "HTTP/1.1 101 "));
}
END_TEST

/* --- Those that stay silent --------------------------------------------------------------------
 */

static bool agent_saw_end;

static void act_hang(int fd, const char *request)
{
    (void)request;
    agent_saw_end = sees_end(fd);
}

START_TEST(a_client_that_leaves_frees_the_agent_that_hangs)
{
    struct client client = {.request = EXEC, .leaves = true};
    agent_saw_end = false;
    (void)talk(&client, act_hang);
    ck_assert(agent_saw_end);
}
END_TEST

static void act_hang_after_switch(int fd, const char *request)
{
    (void)request;
    say(fd, SWITCH);
    agent_saw_end = sees_end(fd);
}

/* CVE-2025-64329, CVE-2022-23471: each attach that was left stayed for ever. */
START_TEST(a_client_that_leaves_an_open_stream_frees_the_agent)
{
    struct client client = {.request = EXEC, .until = "\r\n\r\n", .then = "bye"};
    agent_saw_end = false;
    (void)talk(&client, act_hang_after_switch);
    ck_assert(agent_saw_end);
}
END_TEST

/* --- Logs as messages of a WebSocket --- */

#define LOG_MESSAGES(protocol)                                                                     \
    "GET /api/v1/namespaces/ns/pods/p/log HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"          \
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                                          \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" protocol "\r\n"

START_TEST(a_log_comes_as_messages_of_a_websocket)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {{LOG_MESSAGES(""), "\r\n\r\n\x82\x05hello\x88\x02\x03\xe8"},
                 {LOG_MESSAGES("Sec-WebSocket-Protocol: x, base64.binary.k8s.io\r\n"),
                  "Sec-WebSocket-Protocol: base64.binary.k8s.io\r\n\r\n\x81\x08"
                  "aGVsbG8="
                  "\x88\x02\x03\xe8"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client client = {.request = cases[i].request};
        const char *answer = talk(&client, act_ok);
        ck_assert_msg(strncmp(answer, "HTTP/1.1 101 ", 13) == 0, "%s", answer);
        ck_assert_msg(strstr(answer, cases[i].answer) != NULL, "%s", answer);
        ck_assert_ptr_null(strcasestr(proxied.agent.request, "upgrade"));
        proxied.agent.done = false;
    }
    const char *unknown = ask(LOG_MESSAGES("Sec-WebSocket-Protocol: x\r\n"));
    ck_assert_ptr_nonnull(strstr(unknown, "HTTP/1.1 403 "));
}
END_TEST

static bool closed;

static void on_closed(void *data)
{
    (void)data;
    closed = true;
}

static void close_server(void *data)
{
    (void)data;
    apiserver_close(proxied.server, on_closed, NULL);
}

/* The client stays silent; only the server can end it. */
static void act_until_the_server_closes(int fd, const char *request)
{
    say(fd, SWITCH);
    while (sem_wait(&proxied.client_has_answer) != 0) {
    }
    loop_post(proxied.base.loop, close_server, NULL);
    act_hang(fd, request);
}

START_TEST(a_server_that_closes_ends_what_both_sides_keep_open)
{
    struct client client = {.request = EXEC};
    agent_saw_end = closed = false;
    (void)talk(&client, act_until_the_server_closes);
    ck_assert(agent_saw_end);
    while (!closed) {
        loop_turn(proxied.base.loop, true);
    }
}
END_TEST

static void act_half_log(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst line\n");
}

START_TEST(a_log_cut_half_way_is_not_taken_for_a_whole_one)
{
    const char *answer = log_gives(act_half_log);
    ck_assert_ptr_nonnull(strstr(answer, "first line"));
    ck_assert_ptr_null(strstr(answer, "\r\n0\r\n\r\n")); /* No proper end of the chunks. */
}
END_TEST

/* --- What goes to the agent --------------------------------------------------------------------
 */

/* kubernetes/kubernetes#72112: the token of who asks is for the API server alone. */
START_TEST(no_credential_of_the_client_reaches_the_agent)
{
    struct client client = {.request = "GET /api/v1/namespaces/ns/pods/p/log?tailLines=1 HTTP/1.1"
                                       "\r\nHost: x\r\nAuthorization: Bearer secret\r\n"
                                       "Cookie: a=b\r\nConnection: close\r\n\r\n"};
    ck_assert_ptr_nonnull(strstr(talk(&client, act_ok), "hello"));
    ck_assert_ptr_nonnull(
        strstr(proxied.agent.request, "GET /containerLogs/ns/p/c?tailLines=1 HTTP/1.1"));
    ck_assert_ptr_null(strcasestr(proxied.agent.request, "secret"));
    ck_assert_ptr_null(strcasestr(proxied.agent.request, "cookie"));
}
END_TEST

START_TEST(exec_without_an_upgrade_does_not_reach_the_agent)
{
    const char *answer = ask("POST /api/v1/namespaces/ns/pods/p/exec?command=sh HTTP/1.1\r\n"
                             "Host: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 400 "));
    ck_assert_ptr_nonnull(strstr(answer, "Upgrade request required"));
}
END_TEST

Suite *proxy_suite(void);
Suite *proxy_suite(void)
{
    Suite *suite = suite_create("apiserver/proxy");
    TCase *tcase = tcase_create("agents");
    tcase_add_checked_fixture(tcase, proxy_setup, proxy_teardown);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, an_answer_that_does_not_switch_is_no_exec);
    tcase_add_test(tcase, no_redirect_of_a_node_is_followed_or_passed_on);
    tcase_add_test(tcase, a_log_that_redirects_is_an_error);
    tcase_add_test(tcase, an_error_of_the_agent_reaches_the_client);
    tcase_add_test(tcase, why_there_is_no_log_is_said_in_a_status);
    tcase_add_test(tcase, only_the_beginning_of_an_excuse_is_heard);
    tcase_add_test(tcase, with_v5_an_error_of_the_agent_comes_by_the_channel_of_errors);
    tcase_add_test(tcase, with_v5_an_agent_that_closes_at_once_is_told_by_the_channel_of_errors);
    tcase_add_test(tcase, with_v5_an_answer_that_does_not_switch_is_told_by_the_channel_of_errors);
    tcase_add_test(tcase, with_v5_a_refused_protocol_fails_the_handshake);
    tcase_add_test(tcase, what_is_not_http_is_an_error);
    tcase_add_test(tcase, an_agent_that_closes_at_once_is_an_error);
    tcase_add_test(tcase, a_head_without_end_is_an_error);
    tcase_add_test(tcase, a_log_that_switches_protocols_is_an_error);
    tcase_add_test(tcase, bytes_that_come_with_the_switch_are_not_lost);
    tcase_add_test(tcase, all_that_was_sent_before_the_end_arrives);
    tcase_add_test(tcase, garbage_after_the_switch_harms_nobody_else);
    tcase_add_test(tcase, a_reset_half_way_ends_the_client_too);
    tcase_add_test(tcase, a_client_that_leaves_frees_the_agent_that_hangs);
    tcase_add_test(tcase, a_client_that_leaves_an_open_stream_frees_the_agent);
    tcase_add_test(tcase, a_log_comes_as_messages_of_a_websocket);
    tcase_add_test(tcase, a_log_cut_half_way_is_not_taken_for_a_whole_one);
    tcase_add_test(tcase, no_credential_of_the_client_reaches_the_agent);
    tcase_add_test(tcase, exec_without_an_upgrade_does_not_reach_the_agent);
    suite_add_tcase(suite, tcase);
    TCase *end = tcase_create("end");
    tcase_set_timeout(end, 60);
    tcase_add_checked_fixture(end, proxy_setup, proxy_teardown_closed);
    tcase_add_test(end, a_server_that_closes_ends_what_both_sides_keep_open);
    suite_add_tcase(suite, end);
    return suite;
}
