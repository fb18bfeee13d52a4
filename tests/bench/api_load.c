/* Load on a Kubernetes API server from one thread: so many clients, each with a kept HTTP/1.1
 * connection over TLS and one request under way. The request is made once, from a path and a body
 * in which each run of '@' stands for the number of an object (its last digits) and each run of '#'
 * for the number of the request; only these digits change. The load has to cost less than the
 * server. Prints one line of key=value pairs. */
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/net/http.h"
#include "lib/net/http1.h"
#include "lib/net/limits.h"
#include "tests/bench/api_target.h"
#include "tests/bench/measure.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLIENTS_MAX = 16384,
    CONNECTS_MAX = 32, /* Under way: handshakes have a time limit. */
    REQUEST_BYTES_MAX = 1024 * 1024,
    HEAD_BYTES_MAX = 64 * 1024,
    NUMBERS_MAX = 64, /* Places in a request where one stands. */
    FAILURE_BYTES = 400,
};

struct place { /* Digits of a number. */
    size_t at, len;
    bool of_request; /* Else of the object. */
};

struct load {
    const char *endpoint, *pki, *method, *path, *body_file, *type, *accept;
    size_t client_count;
    uint64_t objects; /* Their numbers go from 0 to this and start over. */
    uint64_t count;   /* Requests; 0: until `seconds`. */
    uint64_t seconds;
    uint64_t status; /* The answer that is a success. */

    struct api_target target;
    struct loop *loop;
    struct client *clients;
    struct buffer request;
    struct place places[NUMBERS_MAX];
    size_t place_count;
    struct loop_timer end;
    size_t connecting, connected;
    uint64_t started, answered, failed, bytes;
    uint64_t start_us, start_cpu_us;
    size_t under_way;
    bool over, broken;
    struct latencies latencies;
    char failure[FAILURE_BYTES];
};

struct client {
    struct load *load;
    struct net_stream *stream;
    struct buffer request;
    struct buffer head; /* Of an answer, while it is incomplete. */
    size_t head_scanned;
    struct http1_body body;
    bool in_body;
    bool good;
    uint64_t sent_us;
};

/* ---- Requests ---- */

static int find_places(struct load *load)
{
    for (size_t i = 0; i < load->request.len; i++) {
        uint8_t mark = load->request.data[i];
        if (mark != '@' && mark != '#') {
            continue;
        }
        if (load->place_count == NUMBERS_MAX) {
            return -E2BIG;
        }
        size_t start = i;
        while (i < load->request.len && load->request.data[i] == mark) {
            i++;
        }
        load->places[load->place_count++] =
            (struct place){.at = start, .len = i - start, .of_request = mark == '#'};
        i--;
    }
    return 0;
}

static int make_request(struct load *load)
{
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(buffer_release) struct buffer body;
    buffer_init(&body, REQUEST_BYTES_MAX / 2);
    buffer_init(&load->request, REQUEST_BYTES_MAX);
    if (load->body_file != NULL && file_read(load->body_file, &body, &error) < 0) {
        fprintf(stderr, "%s\n", error_message(&error));
        return -EINVAL;
    }
    buffer_printf(&load->request,
                  "%s %s HTTP/1.1\r\nhost: %s\r\nuser-agent: bench\r\naccept: %s\r\n", load->method,
                  load->path, load->endpoint, load->accept);
    if (body.len > 0) {
        buffer_printf(&load->request, "content-type: %s\r\ncontent-length: %zu\r\n", load->type,
                      body.len);
    }
    buffer_append_text(&load->request, "\r\n");
    buffer_append_slice(&load->request, buffer_slice(&body));
    return buffer_error(&load->request) < 0 ? -E2BIG : find_places(load);
}

static void set_numbers(struct client *client, uint64_t request)
{
    const struct load *load = client->load;
    for (size_t i = 0; i < load->place_count; i++) {
        const struct place *place = &load->places[i];
        uint64_t number = place->of_request ? request : request % load->objects;
        for (size_t digit = place->len; digit-- > 0; number /= 10) {
            client->request.data[place->at + digit] = (uint8_t)('0' + number % 10);
        }
    }
}

static void send_next(struct client *client)
{
    struct load *load = client->load;
    if (load->over || (load->count != 0 && load->started == load->count)) {
        load->over = true;
        if (load->under_way == 0) {
            loop_stop(load->loop);
        }
        return;
    }
    set_numbers(client, load->started++);
    load->under_way++;
    client->sent_us = measure_now_us();
    (void)net_stream_write(client->stream, buffer_slice(&client->request));
}

/* ---- Answers ---- */

static void break_off(struct load *load, const char *why)
{
    if (!load->broken) {
        fprintf(stderr, "api_load: %s\n", why);
    }
    load->broken = load->over = true;
    loop_stop(load->loop);
}

static void end_answer(struct client *client)
{
    struct load *load = client->load;
    client->in_body = false;
    load->under_way--;
    load->answered += client->good;
    load->failed += !client->good;
    latencies_add(&load->latencies, measure_now_us() - client->sent_us);
    send_next(client);
}

static void take_head(struct client *client, struct slice head)
{
    struct load *load = client->load;
    struct http_header headers[HTTP_HEADER_COUNT_MAX];
    struct http1_head parsed;
    if (http1_parse_response(head, /* to_head= */ false, headers, &parsed) < 0 ||
        !parsed.keep_alive) {
        break_off(load, "an answer that is none, or the last of its connection");
        return;
    }
    client->good = parsed.status == load->status;
    if (!client->good && load->failure[0] == '\0') {
        snprintf(load->failure, sizeof(load->failure), "status %u: ", parsed.status);
    }
    http1_body_init(&client->body, parsed.body_kind, parsed.content_length);
    client->in_body = true;
}

/* Takes the head from the front of *bytes, once it is whole. */
static void read_head(struct client *client, struct slice *bytes)
{
    struct slice all = *bytes;
    if (client->head.len > 0) {
        buffer_append_slice(&client->head, *bytes);
        all = buffer_slice(&client->head);
    }
    size_t len = http1_head_length(all, &client->head_scanned);
    if (len == 0) {
        if (client->head.len == 0) {
            buffer_append_slice(&client->head, all);
        }
        if (buffer_error(&client->head) < 0) {
            break_off(client->load, "an answer whose head does not end");
        }
        *bytes = slice_of(bytes->data + bytes->len, 0);
        return;
    }
    take_head(client, slice_of(all.data, len));
    size_t used = len - (all.len - bytes->len);
    *bytes = slice_of(bytes->data + used, bytes->len - used);
    buffer_clear(&client->head);
    client->head_scanned = 0;
}

static void read_body(struct client *client, struct slice *bytes)
{
    struct load *load = client->load;
    struct slice piece = {0};
    do {
        if (http1_body_read(&client->body, bytes, &piece) < 0) {
            break_off(load, "a body that is none");
            return;
        }
        load->bytes += piece.len;
        size_t known = strlen(load->failure);
        if (!client->good && known + 1 < sizeof(load->failure) && load->failed == 0) {
            snprintf(load->failure + known, sizeof(load->failure) - known, "%.*s", (int)piece.len,
                     (const char *)piece.data);
        }
    } while (bytes->len > 0 && !http1_body_done(&client->body));
    if (http1_body_done(&client->body)) {
        end_answer(client);
    }
}

static void on_read(void *data, struct slice bytes)
{
    struct client *client = data;
    while (bytes.len > 0 && !client->load->broken) {
        if (!client->in_body) {
            read_head(client, &bytes);
        }
        if (client->in_body && !client->load->broken) {
            read_body(client, &bytes);
        }
    }
}

static void on_end(void *data, int status)
{
    struct client *client = data;
    (void)status;
    break_off(client->load, "the server closed a connection");
}

/* ---- The run ---- */

static void on_time_over(void *data)
{
    struct load *load = data;
    load->over = true;
}

static void begin(struct load *load)
{
    api_target_await_start();
    load->start_us = measure_now_us();
    load->start_cpu_us = measure_cpu_us();
    loop_timer_start(load->loop, &load->end, load->seconds * 1000);
    for (size_t i = 0; i < load->client_count; i++) {
        send_next(&load->clients[i]);
    }
}

static void connect_next(struct load *load);

static void on_connected(void *data, int status, const char *message, struct net_stream *stream)
{
    static const struct net_stream_events events = {.on_read = on_read, .on_end = on_end};
    struct client *client = data;
    struct load *load = client->load;
    if (status < 0) {
        break_off(load, message);
        return;
    }
    client->stream = stream;
    net_stream_start(stream, &events, client);
    load->connected++;
    if (load->connected == load->client_count) {
        begin(load);
        return;
    }
    connect_next(load);
}

static void connect_next(struct load *load)
{
    while (load->connecting < load->client_count &&
           load->connecting - load->connected < CONNECTS_MAX) {
        struct client *client = &load->clients[load->connecting++];
        *client = (struct client){.load = load};
        buffer_init(&client->request, REQUEST_BYTES_MAX);
        buffer_append_slice(&client->request, buffer_slice(&load->request));
        buffer_init(&client->head, HEAD_BYTES_MAX);
        api_target_connect(&load->target, load->loop, on_connected, client);
    }
}

static void report(struct load *load)
{
    double seconds = (double)(measure_now_us() - load->start_us) / MEASURE_US_PER_S;
    double client_us = (double)(measure_cpu_us() - load->start_cpu_us);
    double answers = (double)(load->answered + load->failed);
    latencies_sort(&load->latencies);
    printf("ops=%.0f seconds=%.3f rate=%.0f p50_us=%u p99_us=%u bytes=%llu client_cpu_us=%.2f "
           "failed=%llu\n",
           answers, seconds, answers / seconds, latencies_percentile(&load->latencies, 50),
           latencies_percentile(&load->latencies, 99), (unsigned long long)load->bytes,
           answers == 0 ? 0 : client_us / answers, (unsigned long long)load->failed);
    if (load->failed > 0) {
        fprintf(stderr, "api_load: the first failure: %s\n", load->failure);
    }
}

static int run(struct load *load)
{
    int status = loop_new("load", &load->loop);
    if (status < 0) {
        return status;
    }
    load->clients = alloc_array(load->client_count, sizeof(*load->clients));
    load->end = (struct loop_timer){.fire = on_time_over, .data = load};
    connect_next(load);
    loop_run(load->loop);
    if (!load->broken) {
        report(load);
    }
    loop_timer_stop(load->loop, &load->end);
    for (size_t i = 0; i < load->connecting; i++) {
        if (load->clients[i].stream != NULL) {
            net_stream_close(load->clients[i].stream, NULL, NULL);
        }
        buffer_release(&load->clients[i].request);
        buffer_release(&load->clients[i].head);
    }
    loop_free(load->loop);
    free(load->clients);
    latencies_release(&load->latencies);
    return load->broken || load->failed > 0 ? -EIO : 0;
}

static int take_option(struct load *load, int letter, const char *value)
{
    uint64_t clients = 0;
    int status = 0;
    switch (letter) {
    case 'e':
        load->endpoint = value;
        break;
    case 'k':
        load->pki = value;
        break;
    case 'm':
        load->method = value;
        break;
    case 'p':
        load->path = value;
        break;
    case 'b':
        load->body_file = value;
        break;
    case 't':
        load->type = value;
        break;
    case 'a':
        load->accept = value;
        break;
    case 'n':
        status = measure_option(value, 0, CLIENTS_MAX, &clients);
        load->client_count = clients;
        break;
    case 'O':
        status = measure_option(value, 0, UINT64_MAX, &load->objects);
        break;
    case 'N':
        status = measure_option(value, 0, UINT64_MAX, &load->count);
        break;
    case 's':
        status = measure_option(value, 0, 3600, &load->seconds);
        break;
    case 'x':
        status = measure_option(value, 0, 999, &load->status);
        break;
    default:
        status = -EINVAL;
    }
    return status;
}

static int parse(int argc, char **argv, struct load *load)
{
    for (int letter; (letter = getopt(argc, argv, "e:k:m:p:b:t:a:n:O:N:s:x:")) != -1;) {
        if (take_option(load, letter, optarg) < 0) {
            return -EINVAL;
        }
    }
    bool complete = load->endpoint != NULL && load->pki != NULL && load->path != NULL &&
                    load->client_count > 0 && load->objects > 0 && optind == argc;
    return complete ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
    struct load load = {.method = "GET",
                        .type = "application/json",
                        .accept = "application/json",
                        .client_count = 1,
                        .objects = 1,
                        .seconds = 60,
                        .status = 200};
    if (parse(argc, argv, &load) < 0) {
        fprintf(stderr,
                "usage: api_load -e HOST:PORT -k PKI_DIRECTORY -p PATH [-m METHOD] [-b BODY_FILE]\n"
                "  [-t CONTENT_TYPE] [-a ACCEPT] [-n CLIENTS] [-O OBJECTS] [-N REQUESTS]\n"
                "  [-s SECONDS_AT_MOST] [-x STATUS]\n");
        return 2;
    }
    int status = api_target_init(&load.target, load.endpoint, load.pki, TLS_ALPN_HTTP1);
    status = status < 0 ? status : make_request(&load);
    status = status < 0 ? status : run(&load);
    buffer_release(&load.request);
    api_target_release(&load.target);
    return status < 0 ? 1 : 0;
}
