/* The server on real sockets, spoken to by a blocking client byte by byte, and by curl and nghttp
 * where they are installed. */
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/net/limits.h"
#include "tests/unit/net/echo_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *server_suite(void);

static struct echo_server echo;

static void setup(void)
{
    struct http_server_options options = {.header_timeout_ms = 500};
    echo_server_start(&echo, &options);
}

static void teardown(void)
{
    echo_server_stop(&echo);
}

/* ---- A blocking client ---- */

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons(http_server_port(echo.server)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    struct timeval limit = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

/* Reads until `text` has come, or to the end of the connection when it is NULL. */
static char *hear(int fd, const char *text)
{
    struct buffer heard;
    buffer_init(&heard, 64 << 20);
    char byte[4096];
    while (text == NULL || strstr(buffer_text(&heard), text) == NULL) {
        ssize_t count = recv(fd, byte, text == NULL ? sizeof(byte) : 1, 0);
        if (count <= 0) {
            ck_assert_msg(text == NULL && (count == 0 || errno == ECONNRESET),
                          "no \"%s\" in \"%s\"", text, buffer_text(&heard));
            break;
        }
        buffer_append(&heard, byte, (size_t)count);
    }
    size_t len;
    char *all = (char *)buffer_take(&heard, &len);
    return all == NULL ? alloc_text("") : all;
}

static void expect(int fd, const char *text)
{
    free(hear(fd, text));
}

static void expect_all(const char *request, const char *text)
{
    int fd = dial();
    say(fd, request);
    char *heard = hear(fd, NULL);
    ck_assert_msg(strstr(heard, text) != NULL, "no \"%s\" in \"%s\"", text, heard);
    free(heard);
    close(fd);
}

static void wait_for(atomic_int *value, int wanted)
{
    for (int i = 0; i < 5000 && atomic_load(value) != wanted; i++) {
        poll(NULL, 0, 1);
    }
    ck_assert_int_eq(atomic_load(value), wanted);
}

/* ---- HTTP/1.1 ---- */

START_TEST(pipelined_requests_are_answered_in_order)
{
    int fd = dial();
    say(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    char *heard = hear(fd, NULL);
    const char *first = strstr(heard, "later\n");
    const char *second = strstr(heard, "abc");
    const char *third = strstr(heard, "hello\n");
    ck_assert(first != NULL && second > first && third > second);
    free(heard);
    close(fd);
}
END_TEST

START_TEST(chunked_body_in_and_out)
{
    int fd = dial();
    say(fd, "POST /echo-stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab");
    expect(fd, "\r\n\r\n2\r\nab\r\n"); /* Back before the rest is sent. */
    say(fd, "cd\r\n0\r\n\r\n");
    expect(fd, "2\r\ncd\r\n0\r\n\r\n");
    close(fd);
}
END_TEST

START_TEST(expect_continue_is_answered_before_the_body)
{
    int fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "hi");
    expect(fd, "\r\n\r\nhi");
    close(fd);
}
END_TEST

START_TEST(limits_are_answered_with_their_status)
{
    expect_all("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3145729\r\n\r\n",
               "HTTP/1.1 413 ");
    expect_all("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3145729\r\n\r\n",
               "\r\n\r\nat most 3 MiB"); /* The handler's words. */
    expect_all("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", "HTTP/1.1 400 ");
    expect_all("GET / HTTP/1.7\r\n\r\n", "HTTP/1.1 400 ");
    char *target = alloc_zeroed(HTTP_TARGET_BYTES_MAX + 100);
    strcpy(target, "GET /");
    memset(target + 5, 'a', HTTP_TARGET_BYTES_MAX);
    strcat(target, " HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_all(target, "HTTP/1.1 414 ");
    free(target);
}
END_TEST

START_TEST(endless_head_is_refused)
{
    int fd = dial();
    say(fd, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    char *line = alloc_zeroed(HTTP_HEADERS_BYTES_MAX + 1);
    memset(line, 'x', HTTP_HEADERS_BYTES_MAX);
    say(fd, line);
    say(fd, "xxx");
    char *heard = hear(fd, NULL);
    ck_assert_ptr_nonnull(strstr(heard, "HTTP/1.1 431 "));
    free(heard);
    free(line);
    close(fd);
}
END_TEST

START_TEST(silent_client_is_closed_after_the_header_timeout)
{
    int fd = dial();
    say(fd, "GET / HT");
    char *heard = hear(fd, NULL);
    ck_assert_str_eq(heard, "");
    free(heard);
    close(fd);
}
END_TEST

START_TEST(client_that_leaves_aborts_its_exchange)
{
    int fd = dial();
    say(fd, "GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(fd, "first\n");
    close(fd);
    wait_for(&echo.aborted, 1);
    wait_for(&echo.done, 1);
}
END_TEST

START_TEST(client_that_leaves_during_back_pressure_aborts_its_exchange)
{
    int fd = dial();
    say(fd, "GET /stream?n=1000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(fd, "ssssssss");
    close(fd);
    wait_for(&echo.aborted, 1);
}
END_TEST

START_TEST(forgotten_request_is_a_500)
{
    expect_all("GET /dropped HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 500 ");
}
END_TEST

START_TEST(head_and_http10_have_their_own_framing)
{
    int fd = dial();
    say(fd, "HEAD /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    char *heard = hear(fd, NULL);
    ck_assert_ptr_nonnull(strstr(heard, "content-length: 6\r\n"));
    ck_assert_str_eq(heard + strlen(heard) - 4, "\r\n\r\n");
    free(heard);
    close(fd);
    fd = dial();
    say(fd, "GET /stream HTTP/1.0\r\n\r\n");
    heard = hear(fd, NULL);
    ck_assert_ptr_null(strstr(heard, "chunked"));
    ck_assert_ptr_nonnull(strstr(heard, "\r\n\r\nssss"));
    free(heard);
    close(fd);
}
END_TEST

START_TEST(upgrade_hands_over_bytes_sent_ahead)
{
    int fd = dial();
    say(fd,
        "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nahead");
    expect(fd, "HTTP/1.1 101 Switching Protocols\r\n");
    expect(fd, "\r\n\r\nahead");
    say(fd, "more");
    expect(fd, "more");
    shutdown(fd, SHUT_WR);
    char *rest = hear(fd, NULL);
    ck_assert_str_eq(rest, "");
    free(rest);
    close(fd);
    for (int i = 0; i < 5000 && http_server_connections(echo.server) != 0; i++) {
        poll(NULL, 0, 1);
    }
    ck_assert_uint_eq(http_server_connections(echo.server), 0);
}
END_TEST

/* CVE-2018-1002105 */
START_TEST(failed_upgrade_leaves_no_connection_behind)
{
    expect_all("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "no upgrade");
    expect_all("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade, "
               "close\r\n\r\n",
               "no websocket");
    for (int i = 0; i < 5000 && http_server_connections(echo.server) != 0; i++) {
        poll(NULL, 0, 1);
    }
    ck_assert_uint_eq(http_server_connections(echo.server), 0);
}
END_TEST

START_TEST(websocket_echoes_masked_frames_and_closes)
{
    int fd = dial();
    say(fd, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Protocol: v5.x, v4.x\r\n\r\n");
    char *heard = hear(fd, "\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(heard, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    ck_assert_ptr_nonnull(strstr(heard, "Sec-WebSocket-Protocol: v5.x\r\n"));
    free(heard);
    /* RFC 6455, section 5.7: a masked "Hello", then a close frame. */
    const unsigned char hello[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                   0x7f, 0x9f, 0x4d, 0x51, 0x58};
    send(fd, hello, sizeof(hello), 0);
    expect(fd, "\x81\x05Hello");
    const unsigned char bye[] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8};
    send(fd, bye, sizeof(bye), 0);
    heard = hear(fd, NULL);
    ck_assert_int_eq(memcmp(heard, "\x88\x02\x03\xe8", 4), 0);
    free(heard);
    close(fd);
}
END_TEST

/* Its answer begins, the client says things that have no meaning, and asks whether it is heard. */
static int listen_to_messages(void)
{
    static const unsigned char ahead[] = {0x81, 0x82, 1, 2, 3, 4, 'h' ^ 1, 'i' ^ 2,
                                          0x89, 0x81, 0, 0, 0, 0, '?'};
    int fd = dial();
    say(fd, "GET /messages HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    send(fd, ahead, sizeof(ahead), 0);
    expect(fd, "HTTP/1.1 101 Switching Protocols\r\n");
    expect(fd, "\r\n\r\n\x81\x06"
               "first\n");
    expect(fd, "\x8a\x01?");
    return fd;
}

START_TEST(messages_end_when_the_client_closes)
{
    int fd = listen_to_messages();
    const unsigned char bye[] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9};
    send(fd, bye, sizeof(bye), 0);
    CLEANUP(alloc_freep) char *heard = hear(fd, NULL);
    ck_assert_int_eq(memcmp(heard, "\x88\x02\x03\xe9", 5), 0);
    ck_assert_int_eq(echo.aborted, 1);
    close(fd);
    fd = listen_to_messages();
    const unsigned char unmasked[] = {0x81, 0x05, 'H', 'e', 'l', 'l', 'o'};
    send(fd, unmasked, sizeof(unmasked), 0);
    CLEANUP(alloc_freep) char *refused = hear(fd, NULL);
    ck_assert_int_eq(memcmp(refused, "\x88\x02\x03\xea", 5), 0);
    ck_assert_int_eq(echo.aborted, 2);
    close(fd);
}
END_TEST

START_TEST(messages_end_in_order_when_the_server_closes)
{
    int fd = listen_to_messages();
    teardown();
    CLEANUP(alloc_freep) char *heard = hear(fd, NULL);
    ck_assert_int_eq(memcmp(heard, "\x81\x05last\n\x88\x02\x03\xe8", 12), 0);
    close(fd);
}
END_TEST

/* ---- With other programs ---- */

/* The output of a shell command in which %u is the port; NULL when the program is missing. */
static char *run(const char *program, const char *format)
{
    CLEANUP(alloc_freep) char *probe = alloc_printf("command -v %s >/dev/null", program);
    if (system(probe) != 0) {
        return NULL;
    }
    char port[8];
    snprintf(port, sizeof(port), "%u", http_server_port(echo.server));
    setenv("PORT", port, 1);
    FILE *pipe = popen(format, "r");
    ck_assert_ptr_nonnull(pipe);
    struct buffer out;
    buffer_init(&out, 16 << 20);
    char bytes[4096];
    size_t count;
    while ((count = fread(bytes, 1, sizeof(bytes), pipe)) > 0) {
        buffer_append(&out, bytes, count);
    }
    pclose(pipe);
    size_t len;
    char *all = (char *)buffer_take(&out, &len);
    return all == NULL ? alloc_text("") : all;
}

static const struct {
    const char *command;
    const char *output;
} curls[] = {
    {"curl -s http://127.0.0.1:$PORT/hello", "hello\n"},
    {"curl -s --http2-prior-knowledge http://127.0.0.1:$PORT/hello", "hello\n"},
    {"curl -s --http2-prior-knowledge http://127.0.0.1:$PORT/later", "later\n"},
    {"curl -s --http2-prior-knowledge -d abc http://127.0.0.1:$PORT/echo", "abc"},
    {"head -c 2000000 /dev/zero | curl -s --http2-prior-knowledge --data-binary @- "
     "http://127.0.0.1:$PORT/echo | wc -c",
     "2000000\n"},
    {"head -c 2000000 /dev/zero | curl -s --http2-prior-knowledge --data-binary @- "
     "http://127.0.0.1:$PORT/echo-stream | wc -c",
     "2000000\n"},
    {"head -c 2000000 /dev/zero | curl -s -H 'Expect:' --data-binary @- "
     "http://127.0.0.1:$PORT/echo-stream | wc -c",
     "2000000\n"},
    {"curl -s http://127.0.0.1:$PORT/stream?n=3000 | wc -c", "3072000\n"},
    {"curl -s --http2-prior-knowledge http://127.0.0.1:$PORT/stream?n=3000 | wc -c", "3072000\n"},
    {"curl -s http://127.0.0.1:$PORT/big | wc -c", "1048576\n"},
    {"curl -s --compressed http://127.0.0.1:$PORT/big | wc -c", "1048576\n"},
    {"curl -s --compressed http://127.0.0.1:$PORT/stream?n=3000 | wc -c", "3072000\n"},
    {"curl -s -H 'Accept-Encoding: gzip' http://127.0.0.1:$PORT/big | gzip -dc | wc -c",
     "1048576\n"},
    {"curl -s -H 'Accept-Encoding: br, gzip;q=1' http://127.0.0.1:$PORT/big | wc -c", "1048576\n"},
    {"curl -s -o /dev/null -w '%{http_code}' --http2-prior-knowledge "
     "http://127.0.0.1:$PORT/nowhere",
     "404"},
};

START_TEST(curl_understands_every_answer)
{
    char *output = run("curl", curls[_i].command);
    if (output != NULL) {
        ck_assert_msg(strcmp(output, curls[_i].output) == 0, "%s: \"%s\"", curls[_i].command,
                      output);
    }
    free(output);
}
END_TEST

START_TEST(body_over_the_limit_is_a_413_over_http2_too)
{
    char *output = run("nghttp", "f=$(mktemp); head -c 4000000 /dev/zero >$f; "
                                 "nghttp -v -d $f http://127.0.0.1:$PORT/echo | "
                                 "grep -o ':status: 413'; rm $f");
    if (output != NULL) {
        ck_assert_str_eq(output, ":status: 413\n");
    }
    free(output);
}
END_TEST

START_TEST(h2load_gets_every_answer_over_few_connections)
{
    char *output = run("h2load", "h2load -n 5000 -c 4 -m 50 http://127.0.0.1:$PORT/hello | "
                                 "grep '^requests:'");
    if (output != NULL) {
        ck_assert_msg(strstr(output, "5000 succeeded, 0 failed") != NULL, "%s", output);
    }
    free(output);
}
END_TEST

/* ---- HTTP/2 floods ---- */

static void send_frame(int fd, unsigned type, unsigned flags, unsigned stream, const void *payload,
                       size_t len)
{
    uint8_t frame[9 + 64];
    uint8_t header[9] = {(uint8_t)(len >> 16),    (uint8_t)(len >> 8),    (uint8_t)len,
                         (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
                         (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    memcpy(frame, header, 9);
    if (len > 0) {
        memcpy(frame + 9, payload, len);
    }
    (void)send(fd, frame, 9 + len, MSG_NOSIGNAL); /* It may have been closed: that is the test. */
}

static int dial_h2(void)
{
    int fd = dial();
    say(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    send_frame(fd, 4, 0, 0, NULL, 0);
    return fd;
}

/* Reads frames until a GOAWAY: its error code, or -1 at the end. */
static int goaway_code(int fd)
{
    uint8_t header[9];
    while (recv(fd, header, 9, MSG_WAITALL) == 9) {
        size_t len = (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];
        uint8_t *payload = alloc_bytes(len + 1);
        bool whole = len == 0 || recv(fd, payload, len, MSG_WAITALL) == (ssize_t)len;
        int code = whole && header[3] == 7 && len >= 8 ? payload[7] : -1;
        free(payload);
        if (code >= 0 || !whole) {
            return code;
        }
    }
    return -1;
}

/* CVE-2023-44487 */
START_TEST(rapid_reset_ends_the_connection)
{
    int fd = dial_h2();
    /* :method GET, :scheme http, :path /, :authority a, as indexed and literal fields. */
    const uint8_t request[] = {0x82, 0x86, 0x84, 0x41, 0x01, 'a'};
    const uint8_t cancel[] = {0, 0, 0, 8};
    for (unsigned i = 0; i < 3000; i++) {
        send_frame(fd, 1, 5, 2 * i + 1, request, sizeof(request));
        send_frame(fd, 3, 0, 2 * i + 1, cancel, sizeof(cancel));
    }
    ck_assert_int_eq(goaway_code(fd), 11 /* ENHANCE_YOUR_CALM */);
    close(fd);
}
END_TEST

/* The server waits for the client, which does not close before teardown() has freed the loops: a
 * leak checker sees what is left. */
START_TEST(lingering_connection_goes_with_its_loop)
{
    int fd = dial_h2();
    const uint8_t bytes[] = {0xff, 0xff};
    send_frame(fd, 0, 0, 0, bytes, sizeof(bytes)); /* DATA on stream 0. */
    ck_assert_int_eq(goaway_code(fd), 1 /* PROTOCOL_ERROR */);
}
END_TEST

START_TEST(garbage_after_the_preface_ends_the_connection)
{
    int fd = dial_h2();
    const uint8_t bytes[] = {0xff, 0xff};
    send_frame(fd, 0, 0, 0, bytes, sizeof(bytes)); /* DATA on stream 0. */
    ck_assert_int_eq(goaway_code(fd), 1 /* PROTOCOL_ERROR */);
    close(fd);
}
END_TEST

START_TEST(who_asked_is_told_that_the_server_closes)
{
    int fd = dial();
    say(fd, "GET /until-closing HTTP/1.1\r\nHost: a\r\n\r\n");
    free(hear(fd, "first\n"));
    teardown();
    CLEANUP(alloc_freep) char *heard = hear(fd, NULL);
    ck_assert_str_eq(heard, "\r\n5\r\nlast\n\r\n0\r\n\r\n"); /* Not broken off. */
    close(fd);
}
END_TEST

Suite *server_suite(void)
{
    Suite *suite = suite_create("net/server");
    TCase *tcase = tcase_create("sockets");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, pipelined_requests_are_answered_in_order);
    tcase_add_test(tcase, chunked_body_in_and_out);
    tcase_add_test(tcase, expect_continue_is_answered_before_the_body);
    tcase_add_test(tcase, limits_are_answered_with_their_status);
    tcase_add_test(tcase, endless_head_is_refused);
    tcase_add_test(tcase, silent_client_is_closed_after_the_header_timeout);
    tcase_add_test(tcase, client_that_leaves_aborts_its_exchange);
    tcase_add_test(tcase, client_that_leaves_during_back_pressure_aborts_its_exchange);
    tcase_add_test(tcase, forgotten_request_is_a_500);
    tcase_add_test(tcase, head_and_http10_have_their_own_framing);
    tcase_add_test(tcase, upgrade_hands_over_bytes_sent_ahead);
    tcase_add_test(tcase, failed_upgrade_leaves_no_connection_behind);
    tcase_add_test(tcase, websocket_echoes_masked_frames_and_closes);
    tcase_add_test(tcase, messages_end_when_the_client_closes);
    tcase_add_loop_test(tcase, curl_understands_every_answer, 0, (int)ARRAY_LEN(curls));
    tcase_add_test(tcase, body_over_the_limit_is_a_413_over_http2_too);
    tcase_add_test(tcase, h2load_gets_every_answer_over_few_connections);
    tcase_add_test(tcase, rapid_reset_ends_the_connection);
    tcase_add_test(tcase, lingering_connection_goes_with_its_loop);
    tcase_add_test(tcase, garbage_after_the_preface_ends_the_connection);
    suite_add_tcase(suite, tcase);
    TCase *end = tcase_create("end");
    tcase_set_timeout(end, 60);
    tcase_add_checked_fixture(end, setup, NULL);
    tcase_add_test(end, who_asked_is_told_that_the_server_closes);
    tcase_add_test(end, messages_end_in_order_when_the_server_closes);
    suite_add_tcase(suite, end);
    return suite;
}
