/* What etcd's JSON gateway does at its limits, over HTTP/1.1 against a member. What it answers
 * otherwise is compared with etcd's in tests/etcdctl/gateway.bats. */
#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/base/buffer.h"
#include "lib/net/http_client.h"
#include "tests/unit/store/live_clients.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    VALUE_BYTES = 300 * 1024, /* Three of them are over LIVE_GATEWAY_ANSWER_BYTES_MAX. */
    VALUES_MAX = 64 * 1024,   /* Of JSON in one body. */
};

static struct {
    struct loop *loop;
    struct http_client *http;
    struct buffer body; /* Of the last answer. */
    unsigned status;
    bool ended;
} gateway;

static void setup(void)
{
    live_clients_open_one();
    gateway.loop = etcd_client_loop(live.clients[0]);
    gateway.http = http_client_new(gateway.loop);
    buffer_init(&gateway.body, SIZE_MAX / 2);
}

static void teardown(void)
{
    http_client_close(gateway.http);
    buffer_release(&gateway.body);
    live_clients_close();
}

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    (void)data;
    (void)headers;
    (void)header_count;
    gateway.status = status;
}

static void on_body(void *data, struct slice bytes)
{
    (void)data;
    buffer_append_slice(&gateway.body, bytes);
}

static void on_end(void *data, int status, const char *message)
{
    (void)data;
    ck_assert_msg(status == 0, "%s", message);
    gateway.ended = true;
}

static struct http_call *start(struct http_client *client, const char *path, struct slice body)
{
    static const struct http_call_events events = {
        .on_response = on_response, .on_body = on_body, .on_end = on_end};
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/v3/%s",
             (unsigned)live_cluster_port(live.cluster, 0), path);
    const struct http_call_options options = {.method = "POST", .url = url, .body = body};
    buffer_clear(&gateway.body);
    gateway.ended = false;
    return http_client_request(client, &options, &events, NULL);
}

/* The status; the answer is in gateway.body. */
static unsigned post(const char *path, struct slice body)
{
    (void)start(gateway.http, path, body);
    while (!gateway.ended) {
        loop_turn(gateway.loop, /* wait= */ true);
    }
    return gateway.status;
}

static void put_value(struct buffer *base64)
{
    uint8_t *value = alloc_bytes(VALUE_BYTES);
    for (size_t i = 0; i < VALUE_BYTES; i++) {
        value[i] = (uint8_t)(i * 31 + i / 251);
    }
    base64_encode(slice_of(value, VALUE_BYTES), base64);
    free(value);
    CLEANUP(buffer_release) struct buffer body;
    buffer_init(&body, SIZE_MAX / 2);
    buffer_printf(&body, "{\"key\":\"YQ==\",\"value\":\"%s\"}", buffer_text(base64));
    ck_assert_uint_eq(post("kv/put", buffer_slice(&body)), 200);
}

static void append_reads(struct buffer *body, size_t count)
{
    buffer_append_text(body, "{\"success\":[");
    for (size_t i = 0; i < count; i++) {
        buffer_printf(body, "%s{\"requestRange\":{\"key\":\"YQ==\"}}", i == 0 ? "" : ",");
    }
    buffer_append_text(body, "]}");
}

static unsigned read_times(size_t count)
{
    CLEANUP(buffer_release) struct buffer body;
    buffer_init(&body, SIZE_MAX / 2);
    append_reads(&body, count);
    return post("kv/txn", buffer_slice(&body));
}

START_TEST(an_answer_that_is_sent_in_pieces_is_whole)
{
    CLEANUP(buffer_release) struct buffer value;
    buffer_init(&value, SIZE_MAX / 2);
    put_value(&value);
    ck_assert_uint_eq(read_times(2), 200);
    const char *text = buffer_text(&gateway.body);
    for (int i = 0; i < 2; i++) {
        text = strstr(text, buffer_text(&value));
        ck_assert_ptr_nonnull(text);
        text += value.len;
    }
    ck_assert_str_eq(text, "\"}],\"count\":\"1\"}}]}");
}
END_TEST

START_TEST(an_answer_over_the_limit_is_refused_in_words_and_the_next_is_given)
{
    CLEANUP(buffer_release) struct buffer value;
    buffer_init(&value, SIZE_MAX / 2);
    put_value(&value);
    ck_assert_uint_eq(read_times(3), 429);
    ck_assert_ptr_nonnull(strstr(buffer_text(&gateway.body),
                                 "\"message\":\"the answer is longer than 1048576 bytes as JSON: "
                                 "ask for less at a time, or by gRPC\",\"code\":8}"));
    ck_assert_uint_eq(read_times(1), 200);
}
END_TEST

/* A leak checker would see what is left of them. */
START_TEST(who_goes_away_while_his_answer_is_made_keeps_nobody_else_from_theirs)
{
    CLEANUP(buffer_release) struct buffer value, body;
    buffer_init(&value, SIZE_MAX / 2);
    buffer_init(&body, SIZE_MAX / 2);
    put_value(&value);
    append_reads(&body, 2);
    for (int turns = 0; turns < 12; turns++) {
        struct http_call *call = start(gateway.http, "kv/txn", buffer_slice(&body));
        for (int i = 0; i < turns && !gateway.ended; i++) {
            loop_turn(gateway.loop, /* wait= */ true);
        }
        if (!gateway.ended) {
            http_call_cancel(call);
        }
    }
    ck_assert_uint_eq(read_times(2), 200);
}
END_TEST

static size_t lines(void)
{
    size_t count = 0;
    for (size_t i = 0; i < gateway.body.len; i++) {
        count += gateway.body.data[i] == '\n';
    }
    return count;
}

START_TEST(a_stream_takes_as_many_requests_as_a_body_may_have_values_and_no_more)
{
    CLEANUP(buffer_release) struct buffer body;
    buffer_init(&body, SIZE_MAX / 2);
    for (size_t i = 0; i < VALUES_MAX; i++) {
        buffer_append_text(&body, "{}");
    }
    ck_assert_uint_eq(post("lease/keepalive", buffer_slice(&body)), 200);
    ck_assert_uint_eq(lines(), VALUES_MAX);
    buffer_append_text(&body, "{}");
    ck_assert_uint_eq(post("lease/keepalive", buffer_slice(&body)), 400);
    ck_assert_ptr_nonnull(strstr(buffer_text(&gateway.body), "the request has too many values"));
}
END_TEST

static Suite *gateway_suite(void)
{
    Suite *suite = suite_create("store/etcd_gateway");
    TCase *limits = tcase_create("limits");
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_set_timeout(limits, 120);
    tcase_add_test(limits, an_answer_that_is_sent_in_pieces_is_whole);
    tcase_add_test(limits, an_answer_over_the_limit_is_refused_in_words_and_the_next_is_given);
    tcase_add_test(limits, who_goes_away_while_his_answer_is_made_keeps_nobody_else_from_theirs);
    tcase_add_test(limits, a_stream_takes_as_many_requests_as_a_body_may_have_values_and_no_more);
    suite_add_tcase(suite, limits);
    return suite;
}

int main(void)
{
    Suite *suites[] = {gateway_suite()};
    return unit_main(suites, 1);
}
