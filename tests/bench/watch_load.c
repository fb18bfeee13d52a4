/* Watch fan-out of an etcd v3 gRPC server: so many watches of one prefix, spread over so many
 * connections with one stream each, while one client puts keys below it, one after the other. Ends
 * when every watch has got every event; an event that is missing at the end, or that comes twice or
 * out of order, makes it fail. Prints one line of key=value pairs. */
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include "tests/bench/measure.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECTIONS_MAX = 1024,
    WATCHES_MAX = 1000000,
    PUTS_UNDER_WAY = 16,
    /* Tags of etcd's rpc.proto and kv.proto: number and wire type as they stand in the bytes. */
    TAG_WATCH_ID = 0x10,
    TAG_CREATED = 0x18,
    TAG_EVENT = 0x5a,
    TAG_EVENT_KV = 0x12,
    TAG_KV_MOD_REVISION = 0x18,
};

struct watcher { /* One stream. */
    struct load *load;
    struct grpc_channel *channel;
    struct grpc_stream *stream;
    size_t watches, created;
    struct seen {
        uint64_t id;
        int64_t revision;
        uint64_t events;
    } * seen; /* One a watch, in the order of their creation. */
};

struct load {
    struct net_address address;
    uint64_t connections, watches, puts, value_bytes;
    uint64_t seconds;
    struct loop *loop;
    struct watcher *watchers;
    struct grpc_channel *writer;
    struct loop_timer end;
    size_t created, started, done;
    uint64_t events, wrong, start_us, start_cpu_us;
    struct buffer put;
    bool over;
};

/* ---- protobuf, as far as needed ---- */

static void append_varint(struct buffer *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        buffer_append_byte(out, (uint8_t)(value | 0x80));
    }
    buffer_append_byte(out, (uint8_t)value);
}

static uint64_t take_varint(struct slice *bytes)
{
    uint64_t value = 0;
    for (unsigned shift = 0; bytes->len > 0 && shift < 64; shift += 7) {
        uint8_t byte = bytes->data[0];
        *bytes = slice_of(bytes->data + 1, bytes->len - 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            break;
        }
    }
    return value;
}

/* The next field: its tag, and its value as a number or as bytes. False at the end. */
static bool take_field(struct slice *bytes, uint64_t *ret_tag, uint64_t *ret_number,
                       struct slice *ret_bytes)
{
    if (bytes->len == 0) {
        return false;
    }
    *ret_tag = take_varint(bytes);
    *ret_number = take_varint(bytes);
    if ((*ret_tag & 7) == 2) {
        size_t len = *ret_number > bytes->len ? bytes->len : (size_t)*ret_number;
        *ret_bytes = slice_of(bytes->data, len);
        *bytes = slice_of(bytes->data + len, bytes->len - len);
    }
    return true;
}

static int64_t revision_of(struct slice event)
{
    uint64_t tag, number;
    struct slice inner = {0};
    while (take_field(&event, &tag, &number, &inner)) {
        if (tag == TAG_EVENT_KV) {
            struct slice kv = inner;
            while (take_field(&kv, &tag, &number, &inner)) {
                if (tag == TAG_KV_MOD_REVISION) {
                    return (int64_t)number;
                }
            }
        }
    }
    return 0;
}

/* ---- writing ---- */

static void finish(void *data)
{
    struct load *load = data;
    load->over = true;
    loop_stop(load->loop);
}

static void put_next(struct load *load);

static void on_put(void *data, const struct grpc_status *status, struct slice response)
{
    struct load *load = data;
    (void)response;
    if (status->code != GRPC_OK) {
        fprintf(stderr, "put failed: %s\n", status->message);
        load->wrong++;
        finish(load);
        return;
    }
    load->done++;
    put_next(load);
}

static void put_next(struct load *load)
{
    if (load->over || load->started == load->puts) {
        return;
    }
    load->started++;
    struct grpc_call_options options = {.path = "/etcdserverpb.KV/Put", .timeout_ms = 30000};
    (void)grpc_unary(load->writer, &options, buffer_slice(&load->put), on_put, load);
}

static void begin(struct load *load)
{
    load->start_us = measure_now_us();
    load->start_cpu_us = measure_cpu_us();
    for (size_t i = 0; i < PUTS_UNDER_WAY; i++) {
        put_next(load);
    }
}

/* ---- watching ---- */

static struct seen *seen_of(struct watcher *watcher, uint64_t id)
{
    for (size_t i = 0; i < watcher->created; i++) {
        /* Ids are given in order: the first guess is right. */
        size_t at = (i + (size_t)id) % watcher->created;
        if (watcher->seen[at].id == id) {
            return &watcher->seen[at];
        }
    }
    return NULL;
}

static void take_event(struct load *load, struct seen *seen, struct slice event)
{
    int64_t revision = revision_of(event);
    if (seen == NULL || revision <= seen->revision) {
        load->wrong++; /* Twice, or out of order: each put is a revision of its own. */
        return;
    }
    seen->revision = revision;
    seen->events++;
    if (++load->events == (uint64_t)load->watches * load->puts) {
        finish(load);
    }
}

static void on_message(void *data, struct slice message)
{
    struct watcher *watcher = data;
    struct load *load = watcher->load;
    uint64_t tag, number, id = 0;
    bool created = false;
    struct slice inner = {0};
    struct slice head = message;
    while (take_field(&head, &tag, &number, &inner)) {
        id = tag == TAG_WATCH_ID ? number : id;
        created = created || tag == TAG_CREATED;
    }
    if (created) {
        watcher->seen[watcher->created++].id = id;
        if (++load->created == load->watches) {
            begin(load);
        }
        return;
    }
    struct seen *seen = seen_of(watcher, id);
    while (take_field(&message, &tag, &number, &inner)) {
        if (tag == TAG_EVENT) {
            take_event(load, seen, inner);
        }
    }
}

static void on_stream_end(void *data, const struct grpc_status *status)
{
    struct watcher *watcher = data;
    watcher->stream = NULL;
    if (!watcher->load->over) {
        fprintf(stderr, "a watch stream ended: %s\n", status->message);
        watcher->load->wrong++;
        finish(watcher->load);
    }
}

static void open_watcher(struct watcher *watcher)
{
    static const struct grpc_stream_events events = {.on_message = on_message,
                                                     .on_end = on_stream_end};
    struct grpc_call_options options = {.path = "/etcdserverpb.Watch/Watch"};
    /* WatchRequest {create_request = 1 {key = 1: "/fan/", range_end = 2: "/fan0"}} */
    static const uint8_t create[] = "\x0a\x0e\x0a\x05/fan/\x12\x05/fan0";
    watcher->seen = alloc_array(watcher->watches, sizeof(*watcher->seen));
    watcher->stream = grpc_stream_open(watcher->channel, &options, &events, watcher);
    for (size_t i = 0; i < watcher->watches; i++) {
        (void)grpc_stream_send(watcher->stream, slice_of(create, sizeof(create) - 1));
    }
}

/* ---- the run ---- */

static void report(const struct load *load)
{
    double seconds = (double)(measure_now_us() - load->start_us) / MEASURE_US_PER_S;
    uint64_t wanted = (uint64_t)load->watches * load->puts;
    printf("watches=%zu connections=%zu puts=%zu events=%llu missing=%llu wrong=%llu seconds=%.3f "
           "rate=%.0f client_cpu_s=%.3f\n",
           load->watches, load->connections, load->done, (unsigned long long)load->events,
           (unsigned long long)(wanted - load->events), (unsigned long long)load->wrong, seconds,
           (double)load->events / seconds,
           (double)(measure_cpu_us() - load->start_cpu_us) / MEASURE_US_PER_S);
}

static int run(struct load *load)
{
    int result = loop_new("watch", &load->loop);
    if (result < 0) {
        return result;
    }
    buffer_init(&load->put, 1 << 20);
    buffer_append_text(&load->put, "\x0a\x08/fan/key\x12");
    append_varint(&load->put, load->value_bytes);
    for (size_t i = 0; i < load->value_bytes; i++) {
        buffer_append_byte(&load->put, 'v');
    }
    struct grpc_channel_options options = {.address = &load->address};
    load->writer = grpc_channel_new(load->loop, &options);
    load->watchers = alloc_array(load->connections, sizeof(*load->watchers));
    for (size_t i = 0; i < load->connections; i++) {
        struct watcher *watcher = &load->watchers[i];
        *watcher = (struct watcher){.load = load};
        watcher->watches =
            load->watches / load->connections + (i < load->watches % load->connections);
        watcher->channel = grpc_channel_new(load->loop, &options);
        open_watcher(watcher);
    }
    load->end = (struct loop_timer){.fire = finish, .data = load};
    loop_timer_start(load->loop, &load->end, load->seconds * 1000);
    loop_run(load->loop);
    report(load);
    loop_timer_stop(load->loop, &load->end);
    for (size_t i = 0; i < load->connections; i++) {
        if (load->watchers[i].stream != NULL) {
            grpc_stream_cancel(load->watchers[i].stream);
        }
        grpc_channel_close(load->watchers[i].channel);
        free(load->watchers[i].seen);
    }
    grpc_channel_close(load->writer);
    free(load->watchers);
    buffer_release(&load->put);
    loop_turn(load->loop, /* wait= */ false); /* What is closed is freed on the next turn. */
    loop_free(load->loop);
    return load->wrong > 0 || load->events != (uint64_t)load->watches * load->puts ? -EIO : 0;
}

static int parse(int argc, char **argv, struct load *load)
{
    int result = -EINVAL;
    for (int letter; (letter = getopt(argc, argv, "e:c:w:p:b:s:")) != -1;) {
        uint64_t seconds = 0;
        result = letter == 'e'   ? net_address_parse(optarg, &load->address)
                 : letter == 'c' ? measure_option(optarg, 1, CONNECTIONS_MAX, &load->connections)
                 : letter == 'w' ? measure_option(optarg, 1, WATCHES_MAX, &load->watches)
                 : letter == 'p' ? measure_option(optarg, 1, 10000000, &load->puts)
                 : letter == 'b' ? measure_option(optarg, 1, 1 << 19, &load->value_bytes)
                 : letter == 's' ? measure_option(optarg, 1, 3600, &seconds)
                                 : -EINVAL;
        load->seconds = seconds > 0 ? seconds : load->seconds;
        if (result < 0) {
            return result;
        }
    }
    return load->watches < load->connections ? -EINVAL : result;
}

int main(int argc, char **argv)
{
    struct load *load = alloc_zeroed(sizeof(*load));
    load->connections = 32;
    load->watches = 1000;
    load->puts = 1000;
    load->value_bytes = 256;
    load->seconds = 60;
    int result = parse(argc, argv, load);
    if (result < 0) {
        fprintf(stderr, "usage: watch_load -e HOST:PORT [-c CONNECTIONS] [-w WATCHES] [-p PUTS]\n"
                        "  [-b VALUE_BYTES] [-s SECONDS_AT_MOST]\n");
        free(load);
        return 2;
    }
    result = run(load);
    free(load);
    return result < 0 ? 1 : 0;
}
