/* Watches of a Kubernetes API server: so many of one path, spread over so many HTTP/2 connections
 * over TLS. Says "ready" when the server has begun to answer each of them, then counts events
 * (lines of JSON) until every watch has got as many as it should, or the time is over. Prints one
 * line of key=value pairs. */
#include "lib/base/alloc.h"
#include "lib/net/http.h"
#include "tests/bench/api_target.h"
#include "tests/bench/measure.h"
#include <errno.h>
#include <getopt.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECTIONS_MAX = 65536,
    WATCHES_MAX = 1000000,
    CONNECTS_MAX = 32, /* Under way: handshakes have a time limit. */
    STREAM_WINDOW_BYTES = 4 * 1024 * 1024,
    CONNECTION_WINDOW_BYTES = 64 * 1024 * 1024,
};

struct watch {
    struct connection *connection;
    uint64_t events;
    bool begun;
};

struct connection {
    struct load *load;
    struct net_stream *stream;
    nghttp2_session *session;
    struct loop_turn_end pump;
    size_t first, count; /* Its watches. */
};

struct load {
    const char *endpoint, *pki, *path;
    size_t connection_count, watch_count;
    uint64_t events_each; /* Expected. */
    uint64_t seconds;

    struct api_target target;
    struct loop *loop;
    struct connection *connections;
    struct watch *watches;
    struct loop_timer end;
    size_t connecting, connected, begun, complete;
    uint64_t events, surplus, bytes, start_us, last_us, start_cpu_us;
    bool broken;
};

static void break_off(struct load *load, const char *why)
{
    if (!load->broken) {
        fprintf(stderr, "api_watch_load: %s\n", why);
    }
    load->broken = true;
    loop_stop(load->loop);
}

/* ---- HTTP/2 ---- */

static void pump(void *data)
{
    struct connection *connection = data;
    const uint8_t *bytes = NULL;
    for (ssize_t len; (len = nghttp2_session_mem_send(connection->session, &bytes)) > 0;) {
        (void)net_stream_write(connection->stream, slice_of(bytes, (size_t)len));
    }
}

static void begin(struct load *load)
{
    api_target_await_start();
    load->start_us = load->last_us = measure_now_us();
    load->start_cpu_us = measure_cpu_us();
    loop_timer_start(load->loop, &load->end, load->seconds * 1000);
}

static void connect_next(struct load *load);

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *data)
{
    (void)flags;
    struct connection *connection = data;
    struct load *load = connection->load;
    struct watch *watch = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (watch == NULL || !slice_is(slice_of(name, name_len), ":status")) {
        return 0;
    }
    if (!slice_is(slice_of(value, value_len), "200")) {
        break_off(load, "a watch is refused");
        return 0;
    }
    watch->begun = true;
    if (++load->begun == load->watch_count) {
        begin(load);
    }
    return 0;
}

static void count_event(struct load *load, struct watch *watch)
{
    load->events++;
    watch->events++;
    load->surplus += watch->events > load->events_each;
    load->complete += watch->events == load->events_each;
    if (load->complete == load->watch_count) {
        load->last_us = measure_now_us();
        loop_stop(load->loop);
    }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t len, void *data)
{
    (void)flags;
    struct load *load = ((struct connection *)data)->load;
    struct watch *watch = nghttp2_session_get_stream_user_data(session, stream_id);
    if (watch == NULL) {
        return 0;
    }
    load->bytes += len;
    const uint8_t *end = bytes + len;
    for (const uint8_t *at = bytes; at < end; at++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (at == NULL) {
            break;
        }
        count_event(load, watch);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *data)
{
    (void)code;
    if (nghttp2_session_get_stream_user_data(session, stream_id) != NULL) {
        break_off(((struct connection *)data)->load, "a watch ended");
    }
    return 0;
}

static void make_session(struct connection *connection)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_client_new(&connection->session, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES}};
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
                                          CONNECTION_WINDOW_BYTES);
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static void submit_watches(struct connection *connection)
{
    struct load *load = connection->load;
    nghttp2_nv fields[] = {
        field(":method", "GET"),
        field(":scheme", "https"),
        field(":authority", load->endpoint),
        field(":path", load->path),
        field("accept", "application/json"),
        field("user-agent", "bench"),
    };
    for (size_t i = 0; i < connection->count; i++) {
        struct watch *watch = &load->watches[connection->first + i];
        watch->connection = connection;
        (void)nghttp2_submit_request(connection->session, NULL, fields, ARRAY_LEN(fields), NULL,
                                     watch);
    }
}

/* ---- Connections ---- */

static void on_read(void *data, struct slice bytes)
{
    struct connection *connection = data;
    if (nghttp2_session_mem_recv(connection->session, bytes.data, bytes.len) < 0) {
        break_off(connection->load, "not HTTP/2");
        return;
    }
    loop_turn_end_start(connection->load->loop, &connection->pump);
}

static void on_end(void *data, int status)
{
    (void)status;
    break_off(((struct connection *)data)->load, "the server closed a connection");
}

static void on_connected(void *data, int status, const char *message, struct net_stream *stream)
{
    static const struct net_stream_events events = {.on_read = on_read, .on_end = on_end};
    struct connection *connection = data;
    if (status < 0) {
        break_off(connection->load, message);
        return;
    }
    connection->stream = stream;
    net_stream_start(stream, &events, connection);
    make_session(connection);
    submit_watches(connection);
    loop_turn_end_start(connection->load->loop, &connection->pump);
    connection->load->connected++;
    connect_next(connection->load);
}

static void connect_next(struct load *load)
{
    while (load->connecting < load->connection_count &&
           load->connecting - load->connected < CONNECTS_MAX) {
        size_t index = load->connecting++;
        struct connection *connection = &load->connections[index];
        size_t first = load->watch_count * index / load->connection_count;
        size_t next = load->watch_count * (index + 1) / load->connection_count;
        *connection = (struct connection){.load = load,
                                          .first = first,
                                          .count = next - first,
                                          .pump = {.run = pump, .data = connection}};
        list_init(&connection->pump.node);
        api_target_connect(&load->target, load->loop, on_connected, connection);
    }
}

/* ---- The run ---- */

static void on_time_over(void *data)
{
    struct load *load = data;
    load->last_us = measure_now_us();
    loop_stop(load->loop);
}

static void report(const struct load *load)
{
    double seconds = (double)(load->last_us - load->start_us) / MEASURE_US_PER_S;
    uint64_t wanted = load->events_each * load->watch_count;
    printf("watches=%zu connections=%zu events=%llu missing=%llu surplus=%llu seconds=%.3f "
           "rate=%.0f bytes=%llu client_cpu_s=%.3f\n",
           load->watch_count, load->connection_count, (unsigned long long)load->events,
           (unsigned long long)(wanted - (load->events - load->surplus)),
           (unsigned long long)load->surplus, seconds, (double)load->events / seconds,
           (unsigned long long)load->bytes,
           (double)(measure_cpu_us() - load->start_cpu_us) / MEASURE_US_PER_S);
}

static int run(struct load *load)
{
    int status = loop_new("watch", &load->loop);
    if (status < 0) {
        return status;
    }
    load->connections = alloc_array(load->connection_count, sizeof(*load->connections));
    load->watches = alloc_array(load->watch_count, sizeof(*load->watches));
    memset(load->watches, 0, load->watch_count * sizeof(*load->watches));
    load->end = (struct loop_timer){.fire = on_time_over, .data = load};
    connect_next(load);
    loop_run(load->loop);
    if (!load->broken) {
        report(load);
    }
    loop_timer_stop(load->loop, &load->end);
    for (size_t i = 0; i < load->connecting; i++) {
        struct connection *connection = &load->connections[i];
        if (connection->stream != NULL) {
            loop_turn_end_stop(&connection->pump);
            net_stream_close(connection->stream, NULL, NULL);
            nghttp2_session_del(connection->session);
        }
    }
    loop_free(load->loop);
    free(load->connections);
    free(load->watches);
    return load->broken || load->complete < load->watch_count || load->surplus > 0 ? -EIO : 0;
}

static int parse(int argc, char **argv, struct load *load)
{
    uint64_t connections = 1, watches = 1;
    int status = 0;
    for (int letter; status == 0 && (letter = getopt(argc, argv, "e:k:p:c:w:x:s:")) != -1;) {
        switch (letter) {
        case 'e':
            load->endpoint = optarg;
            break;
        case 'k':
            load->pki = optarg;
            break;
        case 'p':
            load->path = optarg;
            break;
        case 'c':
            status = measure_option(optarg, 1, CONNECTIONS_MAX, &connections);
            break;
        case 'w':
            status = measure_option(optarg, 1, WATCHES_MAX, &watches);
            break;
        case 'x':
            status = measure_option(optarg, 1, UINT32_MAX, &load->events_each);
            break;
        case 's':
            status = measure_option(optarg, 1, 3600, &load->seconds);
            break;
        default:
            status = -EINVAL;
        }
    }
    load->connection_count = connections;
    load->watch_count = watches;
    bool complete = load->endpoint != NULL && load->pki != NULL && load->path != NULL &&
                    watches >= connections && optind == argc;
    return status == 0 && complete ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
    struct load load = {.events_each = 1, .seconds = 60};
    if (parse(argc, argv, &load) < 0) {
        fprintf(stderr, "usage: api_watch_load -e HOST:PORT -k PKI_DIRECTORY -p PATH\n"
                        "  [-c CONNECTIONS] [-w WATCHES] [-x EVENTS_EACH] [-s SECONDS_AT_MOST]\n");
        return 2;
    }
    int status = api_target_init(&load.target, load.endpoint, load.pki, TLS_ALPN_H2);
    status = status < 0 ? status : run(&load);
    api_target_release(&load.target);
    return status < 0 ? 1 : 0;
}
