/* Two SPDY sessions back to back: what one sends the other receives, whole or byte by byte. */
#include "lib/base/buffer.h"
#include "lib/net/spdy.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

Suite *spdy_suite(void);

struct side {
    struct spdy_session *session;
    struct buffer wire; /* What it has sent. */
    struct spdy_stream *streams[4];
    size_t stream_count;
    struct buffer data;
    int replies;
    int ends;
    int resets;
};

static struct side client;
static struct side server;

static void on_reply(void *data)
{
    ((struct side *)data)->replies++;
}

static void on_data(void *data, struct slice bytes)
{
    buffer_append_slice(&((struct side *)data)->data, bytes);
}

static void on_end(void *data)
{
    ((struct side *)data)->ends++;
}

static void on_reset(void *data)
{
    ((struct side *)data)->resets++;
}

static const struct spdy_stream_events stream_events = {on_reply, on_data, on_end, on_reset};

static void on_stream(void *data, struct spdy_stream *stream)
{
    struct side *side = data;
    side->streams[side->stream_count++ % 4] = stream;
    spdy_stream_set_events(stream, &stream_events, side);
    spdy_stream_accept(stream, NULL, 0);
}

static void on_send(void *data, struct slice bytes)
{
    buffer_append_slice(&((struct side *)data)->wire, bytes);
}

static const struct spdy_session_events session_events = {on_stream, on_send};

static void side_init(struct side *side, bool is_server)
{
    *side = (struct side){.session = spdy_session_new(is_server, &session_events, side)};
    buffer_init(&side->wire, 8 << 20);
    buffer_init(&side->data, 8 << 20);
}

static void setup(void)
{
    side_init(&client, false);
    side_init(&server, true);
}

static void teardown(void)
{
    spdy_session_free(client.session);
    spdy_session_free(server.session);
    struct buffer *buffers[] = {&client.wire, &client.data, &server.wire, &server.data};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++) {
        buffer_release(buffers[i]);
    }
}

/* Carries everything to and fro in pieces of `step` bytes. */
static void exchange(size_t step)
{
    while (client.wire.len + server.wire.len > 0) {
        struct side *from = client.wire.len > 0 ? &client : &server;
        struct side *to = from == &client ? &server : &client;
        size_t len = from->wire.len < step ? from->wire.len : step;
        ck_assert_int_eq(spdy_session_receive(to->session, slice_of(from->wire.data, len)), 0);
        buffer_consume(&from->wire, len);
    }
}

static struct spdy_stream *open_stream(const char *type)
{
    const struct http_header headers[] = {http_header("streamType", type),
                                          http_header("port", "80")};
    struct spdy_stream *stream = spdy_stream_open(client.session, headers, 2, /* fin= */ false);
    ck_assert_ptr_nonnull(stream);
    spdy_stream_set_events(stream, &stream_events, &client);
    return stream;
}

START_TEST(streams_carry_headers_and_data_both_ways)
{
    size_t step = _i == 0 ? 1 : 100000;
    struct spdy_stream *error = open_stream("error");
    struct spdy_stream *data = open_stream("data");
    spdy_stream_write(data, slice_text("ping"));
    exchange(step);
    ck_assert_uint_eq(server.stream_count, 2);
    ck_assert_int_eq(client.replies, 2);
    ck_assert(slice_is(spdy_stream_header(server.streams[0], "streamtype"), "error"));
    ck_assert(slice_is(spdy_stream_header(server.streams[1], "Port"), "80"));
    ck_assert_str_eq(buffer_text(&server.data), "ping");
    spdy_stream_write(server.streams[1], slice_text("pong"));
    spdy_stream_finish(server.streams[1]);
    spdy_stream_finish(data);
    spdy_stream_finish(data); /* Twice is once. */
    exchange(step);
    ck_assert_str_eq(buffer_text(&client.data), "pong");
    ck_assert_int_eq(client.ends, 1);
    ck_assert_int_eq(server.ends, 1);
    spdy_stream_close(error);
    spdy_stream_close(data);
    exchange(step);
    ck_assert_int_eq(server.resets, 1); /* Only of the stream that had not ended. */
    ck_assert_uint_eq(spdy_session_streams(client.session), 0);
}
END_TEST

START_TEST(large_data_is_cut_into_frames)
{
    struct spdy_stream *stream = open_stream("data");
    uint8_t *bytes = calloc(1, 1000000);
    spdy_stream_write(stream, slice_of(bytes, 1000000));
    free(bytes);
    exchange(/* step= */ 65536);
    ck_assert_uint_eq(server.data.len, 1000000);
}
END_TEST

START_TEST(pings_come_back)
{
    const uint8_t ping[] = {0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 7};
    ck_assert_int_eq(spdy_session_receive(server.session, slice_of(ping, sizeof(ping))), 0);
    ck_assert(slice_equal(buffer_slice(&server.wire), slice_of(ping, sizeof(ping))));
}
END_TEST

START_TEST(faulty_peers_are_told_to_go)
{
    static const uint8_t frames[][12] = {
        {0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 7},       /* Version 2. */
        {0x80, 3, 0, 6, 0, 0, 0, 3, 0, 0, 7},          /* A short ping. */
        {0x80, 3, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1},       /* A short SYN_STREAM. */
        {0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff, 0, 0, 0}, /* Too large. */
    };
    int status = spdy_session_receive(server.session, slice_of(frames[_i], 12));
    ck_assert_int_eq(status, -EPROTO);
    ck_assert_uint_ge(server.wire.len, 16);
    ck_assert_uint_eq(server.wire.data[3], 7); /* GOAWAY */
    ck_assert_int_eq(spdy_session_receive(server.session, slice_text("x")), -EPROTO);
}
END_TEST

START_TEST(header_bomb_is_refused)
{
    /* 1 MiB of zeros, in a block of about 1 KiB. */
    static uint8_t zeros[1 << 20];
    uint8_t frame[4096] = {0x80, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};
    uLongf len = sizeof(frame) - 18;
    ck_assert_int_eq(compress(frame + 18, &len, zeros, sizeof(zeros)), Z_OK);
    frame[6] = (uint8_t)((len + 10) >> 8);
    frame[7] = (uint8_t)(len + 10);
    ck_assert_int_eq(spdy_session_receive(server.session, slice_of(frame, len + 18)), -EPROTO);
    ck_assert_uint_eq(server.stream_count, 0);
}
END_TEST

START_TEST(free_ends_every_stream)
{
    open_stream("data");
    exchange(100);
    spdy_session_free(server.session);
    server.session = NULL;
    ck_assert_int_eq(server.resets, 1);
    ck_assert_uint_eq(server.wire.len, 0);
}
END_TEST

Suite *spdy_suite(void)
{
    Suite *suite = suite_create("net/spdy");
    TCase *tcase = tcase_create("sessions");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, streams_carry_headers_and_data_both_ways, 0, 2);
    tcase_add_test(tcase, large_data_is_cut_into_frames);
    tcase_add_test(tcase, pings_come_back);
    tcase_add_loop_test(tcase, faulty_peers_are_told_to_go, 0, 4);
    tcase_add_test(tcase, header_bomb_is_refused);
    tcase_add_test(tcase, free_ends_every_stream);
    suite_add_tcase(suite, tcase);
    return suite;
}
