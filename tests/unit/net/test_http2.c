/* An HTTP/2 session fed with frames as bytes, without sockets. */
#include "lib/net/http2_session.h"
#include "lib/net/limits.h"
#include "tests/unit/unit.h"
#include <stdio.h>

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, STREAMS_MAX = 4 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/* :method GET, :scheme http, :path /, :authority a */
static const uint8_t get_root[] = {0x82, 0x86, 0x84, 0x41, 0x01, 'a'};

static struct http2_session *session;
static struct buffer in, out, told;
static struct http2_stream streams[64];
static bool gone, pays;

static void on_write(void *data, struct slice bytes)
{
    (void)data;
    buffer_append_slice(&out, bytes);
}

static bool on_request(void *data, uint32_t id, struct http2_fields *fields, bool end)
{
    (void)data;
    http2_open_stream(session, &streams[id / 2 % 64], id, end);
    buffer_printf(&told, "request %u %.*s%s%s;", (unsigned)id, (int)fields->path.len,
                  (const char *)fields->path.data, end ? " end" : "",
                  fields->malformed ? " malformed" : "");
    http2_fields_unref(fields);
    return !gone;
}

static bool on_data(void *data, struct http2_stream *stream, struct slice bytes, bool end)
{
    (void)data;
    buffer_printf(&told, "data %u %zu%s;", (unsigned)stream->id, bytes.len, end ? " end" : "");
    return !gone;
}

static void on_window(void *data, struct http2_stream *stream)
{
    (void)data;
    buffer_printf(&told, "window %u;", stream == NULL ? 0 : (unsigned)stream->id);
}

static bool on_reset(void *data, struct http2_stream *stream)
{
    (void)data;
    buffer_printf(&told, "reset %u;", (unsigned)stream->id);
    return !gone;
}

static bool on_cost(void *data, enum http2_cost cost)
{
    (void)data;
    (void)cost;
    return pays;
}

static void setup(void)
{
    static const struct http2_events events = {on_write,  on_request, on_data,
                                               on_window, on_reset,   on_cost};
    buffer_init(&in, 1 << 22);
    buffer_init(&out, 1 << 22);
    buffer_init(&told, 1 << 20);
    gone = false;
    pays = true;
    session = http2_session_new(&events, NULL, STREAMS_MAX);
    buffer_clear(&out);
}

static void teardown(void)
{
    http2_session_free(session);
    buffer_release(&in);
    buffer_release(&out);
    buffer_release(&told);
}

static void add_frame(unsigned kind, unsigned flags, unsigned id, const void *payload, size_t len)
{
    uint8_t head[9] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,
                       (uint8_t)kind,        (uint8_t)flags,      (uint8_t)(id >> 24),
                       (uint8_t)(id >> 16),  (uint8_t)(id >> 8),  (uint8_t)id};
    buffer_append(&in, head, sizeof(head));
    buffer_append(&in, payload, len);
}

static void greet(void)
{
    buffer_append_text(&in, preface);
    add_frame(SETTINGS, 0, 0, NULL, 0);
}

static void add_get(unsigned id)
{
    add_frame(HEADERS, END_STREAM | END_HEADERS, id, get_root, sizeof(get_root));
}

static void add_post(unsigned id)
{
    add_frame(HEADERS, END_HEADERS, id, get_root, sizeof(get_root));
}

/* Hands in what was added, so many bytes at a time. */
static void feed(size_t piece)
{
    for (size_t at = 0; at < in.len; at += piece) {
        size_t len = in.len - at < piece ? in.len - at : piece;
        http2_receive(session, slice_of(in.data + at, len));
    }
    buffer_clear(&in);
}

static void expect_told(const char *text)
{
    ck_assert_str_eq(buffer_text(&told), text);
    buffer_clear(&told);
}

/* What was sent, frame by frame: kind, stream, the last 4 bytes of short payloads as a number. */
static void expect_sent(const char *text)
{
    char found[512] = "";
    for (size_t at = 0; at + 9 <= out.len;) {
        const uint8_t *frame = out.data + at;
        size_t len = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];
        size_t used = strlen(found);
        bool number = len >= 4 && (frame[3] == RST || frame[3] == GOAWAY || frame[3] == WINDOW);
        const uint8_t *last = frame + 9 + len - 4;
        snprintf(found + used, sizeof(found) - used, "%u:%u:%u;", frame[3], frame[8],
                 number ? (unsigned)last[0] << 24 | (unsigned)last[1] << 16 |
                              (unsigned)last[2] << 8 | last[3]
                        : (unsigned)len);
        at += 9 + len;
    }
    ck_assert_str_eq(found, text);
    buffer_clear(&out);
}

START_TEST(requests_are_told_however_the_bytes_are_cut)
{
    greet();
    add_get(1);
    add_post(3);
    add_frame(DATA, 0, 3, "abc", 3);
    add_frame(DATA, PADDED | END_STREAM, 3, "\2de\0\0", 5);
    add_frame(PING, 0, 0, "12345678", 8);
    feed((size_t)_i + 1);
    expect_told("request 1 / end;request 3 /;data 3 3;data 3 2 end;");
    expect_sent("4:0:0;6:0:8;");
    ck_assert(!http2_is_over(session));
}
END_TEST

START_TEST(long_heads_come_in_several_frames_and_trailers_end_a_request)
{
    greet();
    add_frame(HEADERS, 0, 1, get_root, 2);
    add_frame(CONTINUATION, 0, 1, NULL, 0);
    add_frame(CONTINUATION, END_HEADERS, 1, get_root + 2, sizeof(get_root) - 2);
    add_frame(HEADERS, END_STREAM | END_HEADERS, 1, "\x00\x01x\x01y", 5);
    feed(SIZE_MAX);
    expect_told("request 1 /;data 1 0 end;");
}
END_TEST

struct broken {
    unsigned kind, flags, id;
    const char *payload;
    size_t len;
    const char *sent; /* After the acknowledged settings. */
};

static const struct broken broken[] = {
    {DATA, 0, 0, "x", 1, "7:0:1;"},
    {DATA, 0, 1, "x", 1, "7:0:1;"},
    {HEADERS, 5, 0, "\x82", 1, "7:0:1;"},
    {HEADERS, 5, 2, "\x82", 1, "7:0:1;"},
    {HEADERS, 5, 1, "\x80", 1, "7:0:9;"},
    {HEADERS, 5, 1, "\xff\xff\xff\xff\xff\xff", 6, "7:0:9;"},
    {HEADERS, 13, 1, "\5\x82", 2, "7:0:1;"},
    {SETTINGS, 0, 0, "x", 1, "7:0:6;"},
    {SETTINGS, 0, 1, "", 0, "7:0:1;"},
    {SETTINGS, ACK, 0, "\0\4\0\0\0\0", 6, "7:0:6;"},
    {SETTINGS, 0, 0, "\0\4\xff\xff\xff\xff", 6, "7:0:3;"},
    {SETTINGS, 0, 0, "\0\5\0\0\0\1", 6, "7:0:1;"},
    {SETTINGS, 0, 0, "\0\2\0\0\0\2", 6, "7:0:1;"},
    {PING, 0, 0, "1", 1, "7:0:6;"},
    {PING, 0, 1, "12345678", 8, "7:0:1;"},
    {WINDOW, 0, 0, "\0\0\0\0", 4, "7:0:1;"},
    {WINDOW, 0, 0, "\x7f\xff\xff\xff", 4, "7:0:3;"},
    {WINDOW, 0, 1, "\0\0\0\1", 4, "7:0:1;"},
    {RST, 0, 1, "\0\0\0\0", 4, "7:0:1;"},
    {RST, 0, 0, "\0\0\0\0", 4, "7:0:1;"},
    {RST, 0, 1, "\0", 1, "7:0:6;"},
    {CONTINUATION, 4, 1, "\x82", 1, "7:0:1;"},
    {PUSH, 4, 1, "\0\0\0\2", 4, "7:0:1;"},
    {PRIORITY, 0, 1, "1", 1, "7:0:6;"},
    {PRIORITY, 0, 0, "12345", 5, "7:0:1;"},
    {GOAWAY, 0, 1, "12345678", 8, "7:0:1;"},
};

START_TEST(what_no_peer_may_send_ends_the_connection)
{
    const struct broken *one = &broken[_i];
    greet();
    add_frame(one->kind, one->flags, one->id, one->payload, one->len);
    add_get(3);
    feed(SIZE_MAX);
    expect_told("");
    char sent[64];
    snprintf(sent, sizeof(sent), "4:0:0;%s", one->sent);
    expect_sent(sent);
    ck_assert(http2_is_over(session));
}
END_TEST

START_TEST(another_preface_or_no_settings_first_end_the_connection)
{
    buffer_append_text(&in, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    feed((size_t)_i + 1);
    expect_sent("7:0:1;");
    teardown();
    setup();
    buffer_append_text(&in, preface);
    add_frame(PING, 0, 0, "12345678", 8);
    feed(SIZE_MAX);
    expect_sent("7:0:1;");
}
END_TEST

START_TEST(frames_that_are_too_long_or_never_end_are_refused)
{
    greet();
    add_frame(HEADERS, 0, 1, get_root, 2);
    for (int i = 0; i < 300; i++) {
        add_frame(CONTINUATION, 0, 1, NULL, 0);
    }
    feed(SIZE_MAX);
    expect_sent("4:0:0;7:0:11;");
    teardown();
    setup();
    greet();
    add_frame(PING, 0, 0, NULL, 0);
    in.data[in.len - 8] = 0x41; /* Of 16,640 bytes. */
    feed(SIZE_MAX);
    expect_sent("4:0:0;7:0:6;");
}
END_TEST

START_TEST(streams_over_the_limit_are_refused_until_others_end)
{
    greet();
    for (unsigned id = 1; id <= 2 * STREAMS_MAX + 1; id += 2) {
        add_get(id);
    }
    feed(SIZE_MAX);
    expect_sent("4:0:0;3:9:7;");
    http2_forget(session, &streams[0]);
    buffer_clear(&told);
    add_get(11);
    feed(SIZE_MAX);
    expect_told("request 11 / end;");
    expect_sent("");
}
END_TEST

START_TEST(what_comes_for_a_stream_that_is_over_is_left_out)
{
    greet();
    add_post(1);
    feed(SIZE_MAX);
    http2_forget(session, &streams[0]); /* Answered before its end: the rest is not wanted. */
    expect_sent("4:0:0;3:1:0;");
    add_frame(DATA, 0, 1, "abc", 3);
    add_frame(WINDOW, 0, 1, "\0\0\0\1", 4);
    add_frame(RST, 0, 1, "\0\0\0\0", 4);
    add_frame(HEADERS, END_STREAM | END_HEADERS, 1, "\x00\x01x\x01y", 5);
    feed(SIZE_MAX);
    expect_told("request 1 /;");
    expect_sent("");
    pays = false;
    add_frame(RST, 0, 1, "\0\0\0\0", 4);
    feed(SIZE_MAX);
    expect_sent("7:0:11;");
}
END_TEST

START_TEST(what_follows_the_end_of_a_request_is_the_peers_error)
{
    greet();
    add_get(1);
    add_get(3);
    add_frame(DATA, 0, 1, "x", 1);
    add_frame(HEADERS, END_STREAM | END_HEADERS, 3, get_root, sizeof(get_root));
    feed(SIZE_MAX);
    expect_told("request 1 / end;request 3 / end;reset 1;");
    expect_sent("4:0:0;3:1:5;7:0:5;");
}
END_TEST

START_TEST(windows_hold_up_what_is_sent_and_open_again)
{
    greet();
    add_frame(SETTINGS, 0, 0, "\0\4\0\0\0\x0a", 6); /* 10 bytes a stream. */
    add_get(1);
    feed(SIZE_MAX);
    buffer_clear(&out);
    buffer_clear(&told);
    ck_assert_uint_eq(http2_data_room(session, &streams[0]), 10);
    http2_send_data_head(session, &streams[0], 10, /* end= */ false);
    ck_assert_uint_eq(http2_data_room(session, &streams[0]), 0);
    add_frame(SETTINGS, 0, 0, "\0\4\0\0\0\5", 6); /* Now it is below nothing. */
    add_frame(WINDOW, 0, 1, "\0\0\0\7", 4);
    feed(SIZE_MAX);
    expect_told("window 1;");
    ck_assert_uint_eq(http2_data_room(session, &streams[0]), 2);
    add_frame(SETTINGS, 0, 0, "\0\4\0\1\0\0", 6);
    feed(SIZE_MAX);
    expect_told("window 0;");
    ck_assert_uint_eq(http2_data_room(session, &streams[0]), 16384);
    add_frame(WINDOW, 0, 1, "\x7f\xff\xff\xff", 4);
    feed(SIZE_MAX);
    expect_told("reset 1;");
}
END_TEST

START_TEST(peers_that_send_more_than_they_may_are_stopped)
{
    static const uint8_t bytes[16384];
    greet();
    add_post(1);
    for (size_t sent = 0; sent < HTTP2_STREAM_WINDOW_BYTES; sent += sizeof(bytes)) {
        add_frame(DATA, 0, 1, bytes, sizeof(bytes));
    }
    feed(SIZE_MAX);
    http2_consume(session, &streams[0], HTTP2_STREAM_WINDOW_BYTES);
    expect_sent("4:0:0;8:1:262144;");
    buffer_clear(&told);
    for (size_t sent = 0; sent <= HTTP2_STREAM_WINDOW_BYTES; sent += sizeof(bytes)) {
        add_frame(DATA, 0, 1, bytes, sizeof(bytes));
    }
    feed(SIZE_MAX);
    expect_sent("8:0:524288;3:1:3;");
    ck_assert(!http2_is_over(session));
}
END_TEST

START_TEST(going_away_lets_streams_end_and_takes_no_new_ones)
{
    greet();
    add_post(1);
    feed(SIZE_MAX);
    http2_go_away(session);
    add_post(3);
    add_frame(DATA, END_STREAM, 3, "abc", 3);
    add_frame(DATA, END_STREAM, 1, "abc", 3);
    feed(SIZE_MAX);
    expect_told("request 1 /;data 1 3 end;");
    expect_sent("4:0:0;7:0:0;");
    ck_assert(!http2_is_over(session));
    http2_forget(session, &streams[0]);
    ck_assert(http2_is_over(session));
}
END_TEST

/* The class of CVE-2026-27135: frames that come after the end hit an assertion. */
START_TEST(nothing_is_told_once_the_connection_is_gone)
{
    greet();
    add_get(1);
    add_get(3);
    gone = true;
    feed(SIZE_MAX);
    expect_told("request 1 / end;");
}
END_TEST

static struct http2_fields *decode(struct http2_decoder *decoder, const char *block, size_t len)
{
    struct http2_fields *fields = NULL;
    ck_assert_int_eq(http2_decode(decoder, slice_of(block, len), &fields), 0);
    return fields;
}

START_TEST(a_block_that_was_met_is_known_until_the_table_changes)
{
    struct http2_decoder *decoder = http2_decoder_new();
    static const char stays[] = "\x82\x86\x84\x01\x01"
                                "a"; /* The authority, not for the table. */
    struct http2_fields *first = decode(decoder, stays, 6);
    struct http2_fields *second = decode(decoder, stays, 6);
    ck_assert_ptr_eq(first, second);
    ck_assert(slice_is(first->authority, "a"));
    struct http2_fields *adds = decode(decoder, "\x82\x86\x84\x40\x01x\x01y", 8);
    struct http2_fields *points = decode(decoder, "\x82\x86\x84\xbe", 4);
    ck_assert(slice_is(points->headers[0].value, "y"));
    struct http2_fields *third = decode(decoder, stays, 6);
    ck_assert_ptr_ne(first, third);
    struct http2_fields *more = decode(decoder, "\x82\x86\x84\x40\x01x\x01z", 8);
    struct http2_fields *again = decode(decoder, "\x82\x86\x84\xbe", 4); /* Another field now. */
    ck_assert(slice_is(again->headers[0].value, "z"));
    struct http2_fields *all[] = {first, second, adds, points, third, more, again};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        http2_fields_unref(all[i]);
    }
    http2_decoder_free(decoder);
}
END_TEST

START_TEST(blocks_that_change_the_table_are_not_repeatable)
{
    ck_assert(http2_block_is_repeatable(slice_text("\x82\x86\xbe")));
    ck_assert(http2_block_is_repeatable(slice_text("\x82\xff\x01\x0f\x10\x01z")));
    ck_assert(http2_block_is_repeatable(slice_of("\x00\x01x\x02yz\x82", 7)));
    ck_assert(!http2_block_is_repeatable(slice_text("\x82\x40\x01x\x01y")));
    ck_assert(!http2_block_is_repeatable(slice_text("\x20\x82")));
    ck_assert(!http2_block_is_repeatable(slice_text("\x82\x04")));
    ck_assert(!http2_block_is_repeatable(slice_text("\x82\x04\x05xy")));
    ck_assert(!http2_block_is_repeatable(slice_text("\xff")));
    ck_assert(!http2_block_is_repeatable(slice_text("")));
}
END_TEST

START_TEST(what_is_encoded_again_decodes_to_the_same)
{
    struct http2_encoder *encoder = http2_encoder_new();
    struct http2_decoder *decoder = http2_decoder_new();
    for (int round = 0; round < 50; round++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", round / 7);
        const struct http_header headers[] = {http_header("Content-Type", "application/grpc"),
                                              http_header("date", number)};
        const struct http_header trailers[] = {http_header("grpc-status", "0")};
        if (round == 20) {
            http2_encoder_set_table(encoder, 0);
        }
        for (int part = 0; part < 2; part++) {
            struct slice block =
                part == 0 ? http2_encode(encoder, headers, 2) : http2_encode(encoder, trailers, 1);
            struct http2_fields *fields = NULL;
            ck_assert_int_eq(http2_decode(decoder, block, &fields), 0);
            ck_assert_uint_eq(fields->header_count, part == 0 ? 2 : 1);
            ck_assert(
                slice_is(fields->headers[0].name, part == 0 ? "content-type" : "grpc-status"));
            ck_assert(part == 1 || slice_is(fields->headers[1].value, number));
            http2_fields_unref(fields);
        }
    }
    http2_encoder_free(encoder);
    http2_decoder_free(decoder);
}
END_TEST

Suite *http2_suite(void);
Suite *http2_suite(void)
{
    Suite *suite = suite_create("net/http2");
    TCase *tcase = tcase_create("session");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, requests_are_told_however_the_bytes_are_cut, 0, 40);
    tcase_add_test(tcase, long_heads_come_in_several_frames_and_trailers_end_a_request);
    tcase_add_loop_test(tcase, what_no_peer_may_send_ends_the_connection, 0,
                        (int)ARRAY_LEN(broken));
    tcase_add_loop_test(tcase, another_preface_or_no_settings_first_end_the_connection, 0, 24);
    tcase_add_test(tcase, frames_that_are_too_long_or_never_end_are_refused);
    tcase_add_test(tcase, streams_over_the_limit_are_refused_until_others_end);
    tcase_add_test(tcase, what_comes_for_a_stream_that_is_over_is_left_out);
    tcase_add_test(tcase, what_follows_the_end_of_a_request_is_the_peers_error);
    tcase_add_test(tcase, windows_hold_up_what_is_sent_and_open_again);
    tcase_add_test(tcase, peers_that_send_more_than_they_may_are_stopped);
    tcase_add_test(tcase, going_away_lets_streams_end_and_takes_no_new_ones);
    tcase_add_test(tcase, nothing_is_told_once_the_connection_is_gone);
    tcase_add_test(tcase, a_block_that_was_met_is_known_until_the_table_changes);
    tcase_add_test(tcase, blocks_that_change_the_table_are_not_repeatable);
    tcase_add_test(tcase, what_is_encoded_again_decodes_to_the_same);
    suite_add_tcase(suite, tcase);
    return suite;
}
