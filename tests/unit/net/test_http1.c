/* The HTTP/1.1 parser alone: what is accepted, what is refused, and that cuts between reads do not
 * matter. */
#include "lib/net/http.h"
#include "lib/net/http1.h"
#include "lib/net/http1_request.h"
#include "lib/net/limits.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

Suite *http1_suite(void);

static struct http_header headers[HTTP_HEADER_COUNT_MAX];

static int parse(const char *text, struct http1_head *head)
{
    return http1_parse_request(slice_text(text), headers, head);
}

START_TEST(request_line_and_fields_are_split)
{
    struct http1_head head;
    ck_assert_int_eq(
        parse("GET /api/v1/pods?limit=5&x=%20 HTTP/1.1\r\nHost: a:1\r\nX-A:  b c \r\n\r\n", &head),
        0);
    ck_assert(slice_is(head.method, "GET"));
    ck_assert(slice_is(head.path, "/api/v1/pods"));
    ck_assert(slice_is(head.query, "limit=5&x=%20"));
    ck_assert(slice_is(head.authority, "a:1"));
    ck_assert_uint_eq(head.header_count, 2);
    ck_assert(slice_is(head.headers[1].name, "X-A"));
    ck_assert(slice_is(head.headers[1].value, "b c"));
    ck_assert(head.keep_alive);
    ck_assert_int_eq(head.body_kind, HTTP1_BODY_NONE);
}
END_TEST

START_TEST(absolute_form_gives_the_authority)
{
    struct http1_head head;
    ck_assert_int_eq(parse("GET http://h:8/p?q HTTP/1.1\r\nHost: other\r\n\r\n", &head), 0);
    ck_assert(slice_is(head.authority, "h:8"));
    ck_assert(slice_is(head.path, "/p"));
    ck_assert(slice_is(head.query, "q"));
}
END_TEST

static const struct {
    const char *text;
    int status;
} refused[] = {
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", -EBADMSG},
    {"GET / HTTP/1.1\r\n\r\n", -EBADMSG},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", -EBADMSG},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", -EPROTONOSUPPORT},
    {"GET / HTTP/1.1\nHost: a\n\n", -EBADMSG},
    {"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", -EBADMSG},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n", -EBADMSG},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", -EBADMSG},
    {"G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", -EBADMSG},
    {"GET path HTTP/1.1\r\nHost: a\r\n\r\n", -EBADMSG},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     -EBADMSG},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", -EBADMSG},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", -EBADMSG},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", -EBADMSG},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", -ENOSYS},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "chunked\r\n\r\n",
     -EBADMSG},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", -EBADMSG},
};

START_TEST(what_could_be_understood_in_two_ways_is_refused)
{
    struct http1_head head;
    ck_assert_int_eq(parse(refused[_i].text, &head), refused[_i].status);
}
END_TEST

START_TEST(too_many_fields_are_refused)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, 1 << 20);
    buffer_append_text(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < HTTP_HEADER_COUNT_MAX; i++) {
        buffer_append_text(&text, "x: y\r\n");
    }
    buffer_append_text(&text, "\r\n");
    struct http1_head head;
    ck_assert_int_eq(parse(buffer_text(&text), &head), -E2BIG);
}
END_TEST

/* Decodes `text` fed in pieces of `step` bytes. */
static int decode(const char *text, size_t step, struct buffer *out, size_t *ret_used)
{
    struct http1_body body;
    http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
    size_t len = strlen(text);
    size_t used = 0;
    while (used < len && !http1_body_done(&body)) {
        size_t count = len - used < step ? len - used : step;
        struct slice bytes = slice_of(text + used, count);
        while (bytes.len > 0 && !http1_body_done(&body)) {
            struct slice piece;
            int status = http1_body_read(&body, &bytes, &piece);
            if (status != 0) {
                return status;
            }
            buffer_append_slice(out, piece);
        }
        used += count - bytes.len;
    }
    *ret_used = used;
    return http1_body_done(&body) ? 0 : -EAGAIN;
}

START_TEST(chunks_are_joined_however_they_are_cut)
{
    const char *text = "5\r\nhello\r\nA;x=\"y\"\r\n, chunked!\r\n000\r\nTrailer: t\r\n\r\nGET";
    for (size_t step = 1; step < strlen(text); step++) {
        CLEANUP(buffer_release) struct buffer out;
        buffer_init(&out, 100);
        size_t used = 0;
        ck_assert_int_eq(decode(text, step, &out, &used), 0);
        ck_assert_str_eq(buffer_text(&out), "hello, chunked!");
        ck_assert_str_eq(text + used, "GET");
    }
}
END_TEST

static void feed(struct http1_body *body, const char *text, size_t step)
{
    struct slice rest = slice_text(text);
    while (rest.len > 0) {
        struct slice bytes = slice_of(rest.data, rest.len < step ? rest.len : step);
        rest = slice_of(rest.data + bytes.len, rest.len - bytes.len);
        while (bytes.len > 0) {
            struct slice piece;
            ck_assert_int_eq(http1_body_read(body, &bytes, &piece), 0);
        }
    }
}

START_TEST(trailers_are_gathered_however_they_are_cut)
{
    const char *text = "1\r\nx\r\n0\r\nGrpc-Status: 5\r\nX-Sum:  a b \r\n\r\n";
    for (size_t step = 1; step <= strlen(text); step++) {
        CLEANUP(buffer_release) struct buffer trailers;
        buffer_init(&trailers, 100);
        struct http1_body body;
        http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
        body.trailers = &trailers;
        feed(&body, text, step);
        ck_assert(http1_body_done(&body));
        size_t count = 0;
        ck_assert_int_eq(http1_parse_trailers(buffer_slice(&trailers), headers, &count), 0);
        ck_assert_uint_eq(count, 2);
        ck_assert(slice_is(headers[0].name, "Grpc-Status") && slice_is(headers[0].value, "5"));
        ck_assert(slice_is(headers[1].name, "X-Sum") && slice_is(headers[1].value, "a b"));
    }
}
END_TEST

START_TEST(trailers_that_are_no_fields_are_refused)
{
    const char *texts[] = {"no field\r\n\r\n", "a: b\r\n folded\r\n\r\n", ": x\r\n\r\n",
                           "a : b\r\n\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t count = 0;
        ck_assert_int_eq(http1_parse_trailers(slice_text(texts[i]), headers, &count), -EBADMSG);
    }
    CLEANUP(buffer_release) struct buffer many;
    buffer_init(&many, 10000);
    for (int i = 0; i <= HTTP_HEADER_COUNT_MAX; i++) {
        buffer_append_text(&many, "a: b\r\n");
    }
    buffer_append_text(&many, "\r\n");
    size_t count = 0;
    ck_assert_int_eq(http1_parse_trailers(buffer_slice(&many), headers, &count), -E2BIG);
}
END_TEST

START_TEST(broken_chunks_are_refused)
{
    const char *texts[] = {"x\r\n",
                           "\r\n",
                           "5\nhello",
                           "5\r\nhelloX\r\n",
                           "5 6\nhello",
                           "-1\r\n",
                           "11111111111111111\r\n",
                           "5\r\nhello\n0\r\n",
                           "0\r\n\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(buffer_release) struct buffer out;
        buffer_init(&out, 100);
        size_t used = 0;
        ck_assert_int_eq(decode(texts[i], 100, &out, &used), -EBADMSG);
    }
}
END_TEST

START_TEST(head_end_is_found_across_reads)
{
    const char *text = "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
    size_t scanned = 0;
    size_t len = 0;
    for (size_t i = 1; i <= strlen(text) && len == 0; i++) {
        len = http1_head_length(slice_of(text, i), &scanned);
    }
    ck_assert_str_eq(text + len, "rest");
}
END_TEST

START_TEST(responses_say_where_their_body_ends)
{
    struct http1_head head;
    ck_assert_int_eq(
        http1_parse_response(slice_text("HTTP/1.1 204 No Content\r\n\r\n"), false, headers, &head),
        0);
    ck_assert_int_eq(head.body_kind, HTTP1_BODY_NONE);
    ck_assert_int_eq(
        http1_parse_response(slice_text("HTTP/1.1 200\r\n\r\n"), false, headers, &head), 0);
    ck_assert_int_eq(head.body_kind, HTTP1_BODY_TO_END);
    ck_assert_int_eq(
        http1_parse_response(slice_text("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
                             /* to_head= */ true, headers, &head),
        0);
    ck_assert_int_eq(head.body_kind, HTTP1_BODY_NONE);
    ck_assert_int_eq(
        http1_parse_response(slice_text("HTTP/1.1 2x0 OK\r\n\r\n"), false, headers, &head),
        -EBADMSG);
}
END_TEST

START_TEST(query_parameters_are_decoded)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(1 << 16);
    struct slice value;
    struct slice query = slice_text("a=1&b=x%2Fy+z&c&bad=%2");
    ck_assert_int_eq(http_query_find(arena, query, "b", &value), 0);
    ck_assert(slice_is(value, "x/y z"));
    ck_assert_int_eq(http_query_find(arena, query, "c", &value), 0);
    ck_assert_uint_eq(value.len, 0);
    ck_assert_int_ne(http_query_find(arena, query, "d", &value), 0);
    ck_assert_int_eq(http_unescape(arena, slice_text("%zz"), false, &value), -EINVAL);
}
END_TEST

START_TEST(a_request_says_what_was_asked_for_and_where_it_goes)
{
    const struct http_header header = http_header("accept", "text/plain");
    const struct http_call_options options = {.method = "PUT",
                                              .url = "http://[::1]?a=b",
                                              .headers = &header,
                                              .header_count = 1,
                                              .no_keep_alive = true,
                                              .body = slice_text("hi")};
    struct net_address address;
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 4096);
    ck_assert_int_eq(http1_request_write(&options, &address, &out), 0);
    ck_assert_str_eq(address.host, "::1");
    ck_assert_uint_eq(address.port, 80);
    ck_assert_str_eq(buffer_text(&out),
                     "PUT /?a=b HTTP/1.1\r\nhost: [::1]\r\naccept: text/plain\r\n"
                     "connection: close\r\ncontent-length: 2\r\n\r\nhi");
}
END_TEST

START_TEST(a_request_that_would_be_more_than_one_is_refused)
{
    static const char *const urls[] = {"ftp://a/",        "http:///",
                                       "http://a b/",     "http://a/\r\nx: y",
                                       "http://a:99999/", "https://a/" /* Without TLS. */};
    const struct http_header wrong[] = {http_header("x", "a\r\nb: c"), http_header("x", "a\nb")};
    struct net_address address;
    for (size_t i = 0; i < ARRAY_LEN(urls) + ARRAY_LEN(wrong); i++) {
        bool of_url = i < ARRAY_LEN(urls);
        const struct http_call_options options = {.method = "GET",
                                                  .url = of_url ? urls[i] : "http://a/",
                                                  .headers =
                                                      of_url ? NULL : &wrong[i - ARRAY_LEN(urls)],
                                                  .header_count = of_url ? 0 : 1};
        CLEANUP(buffer_release) struct buffer out;
        buffer_init(&out, 4096);
        ck_assert_int_eq(http1_request_write(&options, &address, &out), -EINVAL);
    }
    const struct http_call_options large = {
        .method = "POST", .url = "http://a/", .body = slice_text("0123456789")};
    CLEANUP(buffer_release) struct buffer small;
    buffer_init(&small, 16);
    ck_assert_int_eq(http1_request_write(&large, &address, &small), -E2BIG);
}
END_TEST

Suite *http1_suite(void)
{
    Suite *suite = suite_create("net/http1");
    TCase *tcase = tcase_create("parser");
    tcase_add_test(tcase, request_line_and_fields_are_split);
    tcase_add_test(tcase, absolute_form_gives_the_authority);
    tcase_add_loop_test(tcase, what_could_be_understood_in_two_ways_is_refused, 0,
                        (int)ARRAY_LEN(refused));
    tcase_add_test(tcase, too_many_fields_are_refused);
    tcase_add_test(tcase, chunks_are_joined_however_they_are_cut);
    tcase_add_test(tcase, trailers_are_gathered_however_they_are_cut);
    tcase_add_test(tcase, trailers_that_are_no_fields_are_refused);
    tcase_add_test(tcase, broken_chunks_are_refused);
    tcase_add_test(tcase, head_end_is_found_across_reads);
    tcase_add_test(tcase, responses_say_where_their_body_ends);
    tcase_add_test(tcase, query_parameters_are_decoded);
    tcase_add_test(tcase, a_request_says_what_was_asked_for_and_where_it_goes);
    tcase_add_test(tcase, a_request_that_would_be_more_than_one_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
