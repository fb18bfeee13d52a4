/* Load on an etcd v3 gRPC server from one thread: so many clients, each with one call under way,
 * over so many connections, spread over the endpoints. A call that fails is tried again at the next
 * endpoint, so that the longest time without an acknowledged call is what an outage is for writers.
 * Prints one line of key=value pairs. Messages are encoded once and only their key changes: the
 * load has to cost less than the server. */
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
    CLIENTS_MAX = 65536,
    ENDPOINTS_MAX = 16,
    KEY_DIGITS = 8,
    KEY_BYTES = 16, /* "/bench/" and so on: see encode(). */
    VALUE_BYTES_MAX = 1024 * 1024,
    RETRY_MS = 5,
};

enum operation { OPERATION_PUT, OPERATION_GET, OPERATION_GET_SERIALIZABLE };

struct load {
    enum operation operation;
    size_t connection_count;
    size_t client_count;
    size_t key_count;
    size_t value_bytes;
    uint64_t count_max; /* 0: until `seconds`. */
    uint64_t seconds;
    uint64_t timeout_ms;
    struct net_address endpoints[ENDPOINTS_MAX];
    size_t endpoint_count;

    struct loop *loop;
    struct grpc_channel *channels[CONNECTIONS_MAX];
    struct loop_timer end;
    uint64_t start_us;
    uint64_t last_us; /* When a call was last acknowledged. */
    uint64_t gap_us;  /* The longest time without. */
    uint64_t started;
    uint64_t acknowledged;
    uint64_t failed;
    uint64_t wrong; /* Answers that lack what was asked for. */
    size_t under_way;
    bool over;
    struct latencies latencies;
    char last_failure[128];
};

struct client {
    struct load *load;
    size_t index;
    size_t connection;
    uint64_t sent_us;
    struct buffer request;
    struct loop_timer retry;
};

/* ---- requests ---- */

static void append_length(struct buffer *out, size_t len)
{
    while (len >= 0x80) {
        buffer_append_byte(out, (uint8_t)(len | 0x80));
        len >>= 7;
    }
    buffer_append_byte(out, (uint8_t)len);
}

/* PutRequest {key = 1, value = 2} or RangeRequest {key = 1, serializable = 7} (etcd's rpc.proto).
 * The key comes first: tag, length, "/bench/k", digits. */
static void encode(const struct load *load, struct buffer *out)
{
    buffer_append_byte(out, 0x0a);
    buffer_append_byte(out, KEY_BYTES);
    buffer_append_text(out, "/bench/k00000000");
    if (load->operation == OPERATION_PUT) {
        buffer_append_byte(out, 0x12);
        append_length(out, load->value_bytes);
        uint8_t *value = buffer_reserve(out, load->value_bytes);
        memset(value, 'v', load->value_bytes);
        buffer_commit(out, load->value_bytes);
    } else if (load->operation == OPERATION_GET_SERIALIZABLE) {
        buffer_append_byte(out, 0x38);
        buffer_append_byte(out, 1);
    }
}

static void set_key(struct client *client, uint64_t number)
{
    uint8_t *digit = client->request.data + 2 + KEY_BYTES;
    for (size_t i = 0; i < KEY_DIGITS; i++) {
        *--digit = (uint8_t)('0' + number % 10);
        number /= 10;
    }
}

static void send_request(struct client *client);

static void finish_when_idle(struct load *load)
{
    if (load->over && load->under_way == 0) {
        loop_stop(load->loop);
    }
}

static void start_next(struct client *client)
{
    struct load *load = client->load;
    if (load->over || (load->count_max != 0 && load->started == load->count_max)) {
        load->over = true;
        finish_when_idle(load);
        return;
    }
    set_key(client, load->started % load->key_count);
    load->started++;
    client->sent_us = measure_now_us();
    send_request(client);
}

static void try_again(void *data)
{
    struct client *client = data;
    struct load *load = client->load;
    load->under_way--;
    if (load->over) {
        finish_when_idle(load);
        return;
    }
    client->connection = (client->connection + 1) % load->connection_count;
    send_request(client);
}

static void on_answer(void *data, const struct grpc_status *status, struct slice response)
{
    struct client *client = data;
    struct load *load = client->load;
    if (status->code != GRPC_OK) {
        load->failed++;
        snprintf(load->last_failure, sizeof(load->last_failure), "%s: %s",
                 grpc_code_name(status->code), status->message);
        loop_timer_start(load->loop, &client->retry, RETRY_MS);
        return;
    }
    load->under_way--;
    uint64_t now = measure_now_us();
    load->acknowledged++;
    load->wrong += load->operation != OPERATION_PUT && response.len < load->value_bytes;
    if (now - load->last_us > load->gap_us) {
        load->gap_us = now - load->last_us;
    }
    load->last_us = now;
    latencies_add(&load->latencies, now - client->sent_us);
    start_next(client);
}

static void send_request(struct client *client)
{
    struct load *load = client->load;
    struct grpc_call_options options = {
        .path =
            load->operation == OPERATION_PUT ? "/etcdserverpb.KV/Put" : "/etcdserverpb.KV/Range",
        .timeout_ms = load->timeout_ms,
        .fail_fast = true,
    };
    load->under_way++;
    (void)grpc_unary(load->channels[client->connection], &options, buffer_slice(&client->request),
                     on_answer, client);
}

/* ---- the run ---- */

static void on_time_over(void *data)
{
    struct load *load = data;
    load->over = true;
    finish_when_idle(load);
}

static void report(struct load *load, uint64_t end_us, uint64_t client_us)
{
    if (end_us - load->last_us > load->gap_us) {
        load->gap_us = end_us - load->last_us;
    }
    latencies_sort(&load->latencies);
    double seconds = (double)(end_us - load->start_us) / MEASURE_US_PER_S;
    double acknowledged = (double)load->acknowledged;
    printf("ops=%.0f seconds=%.3f rate=%.0f p50_us=%u p99_us=%u gap_ms=%.1f client_cpu_us=%.2f "
           "failed=%llu wrong=%llu\n",
           acknowledged, seconds, acknowledged / seconds,
           latencies_percentile(&load->latencies, 50), latencies_percentile(&load->latencies, 99),
           (double)load->gap_us / 1000,
           load->acknowledged == 0 ? 0 : (double)client_us / acknowledged,
           (unsigned long long)load->failed, (unsigned long long)load->wrong);
    if (load->failed > 0) {
        fprintf(stderr, "last failure: %s\n", load->last_failure);
    }
}

static int run(struct load *load)
{
    int result = loop_new("load", &load->loop);
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; i < load->connection_count; i++) {
        struct grpc_channel_options options = {.address =
                                                   &load->endpoints[i % load->endpoint_count]};
        load->channels[i] = grpc_channel_new(load->loop, &options);
    }
    struct client *clients = alloc_array(load->client_count, sizeof(*clients));
    uint64_t cpu_start = measure_cpu_us();
    load->start_us = load->last_us = measure_now_us();
    for (size_t i = 0; i < load->client_count; i++) {
        struct client *client = &clients[i];
        *client =
            (struct client){.load = load, .index = i, .connection = i % load->connection_count};
        client->retry = (struct loop_timer){.fire = try_again, .data = client};
        buffer_init(&client->request, VALUE_BYTES_MAX + 1024);
        encode(load, &client->request);
        start_next(client);
    }
    load->end = (struct loop_timer){.fire = on_time_over, .data = load};
    loop_timer_start(load->loop, &load->end, load->seconds * 1000);
    loop_run(load->loop);
    report(load, measure_now_us(), measure_cpu_us() - cpu_start);
    loop_timer_stop(load->loop, &load->end);
    for (size_t i = 0; i < load->client_count; i++) {
        loop_timer_stop(load->loop, &clients[i].retry);
        buffer_release(&clients[i].request);
    }
    for (size_t i = 0; i < load->connection_count; i++) {
        grpc_channel_close(load->channels[i]);
    }
    free(clients);
    latencies_release(&load->latencies);
    loop_turn(load->loop, /* wait= */ false); /* What is closed is freed on the next turn. */
    loop_free(load->loop);
    return load->acknowledged == 0 || load->wrong > 0 ? -EIO : 0;
}

/* ---- arguments ---- */

static int parse_operation(const char *text, enum operation *ret_operation)
{
    static const char *const names[] = {"put", "get", "get-serializable"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], text) == 0) {
            *ret_operation = (enum operation)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int parse_endpoints(char *text, struct load *load)
{
    char *rest = NULL;
    for (char *word = strtok_r(text, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        if (load->endpoint_count == ENDPOINTS_MAX ||
            net_address_parse(word, &load->endpoints[load->endpoint_count]) < 0) {
            return -EINVAL;
        }
        load->endpoint_count++;
    }
    return load->endpoint_count == 0 ? -EINVAL : 0;
}

static int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
        return -EINVAL;
    }
    *ret_value = value;
    return 0;
}

static int parse(int argc, char **argv, struct load *load)
{
    uint64_t number = 0;
    int result = 0;
    for (int letter; result == 0 && (letter = getopt(argc, argv, "e:o:c:n:k:b:N:s:t:")) != -1;) {
        switch (letter) {
        case 'e':
            result = parse_endpoints(optarg, load);
            break;
        case 'o':
            result = parse_operation(optarg, &load->operation);
            break;
        case 'c':
            result = parse_number(optarg, 1, CONNECTIONS_MAX, &number);
            load->connection_count = number;
            break;
        case 'n':
            result = parse_number(optarg, 1, CLIENTS_MAX, &number);
            load->client_count = number;
            break;
        case 'k':
            result = parse_number(optarg, 1, 99999999, &number);
            load->key_count = number;
            break;
        case 'b':
            result = parse_number(optarg, 1, VALUE_BYTES_MAX, &number);
            load->value_bytes = number;
            break;
        case 'N':
            result = parse_number(optarg, 0, UINT64_MAX, &load->count_max);
            break;
        case 's':
            result = parse_number(optarg, 1, 3600, &load->seconds);
            break;
        case 't':
            result = parse_number(optarg, 1, 600000, &load->timeout_ms);
            break;
        default:
            result = -EINVAL;
        }
    }
    return result == 0 && (load->endpoint_count == 0 || optind != argc) ? -EINVAL : result;
}

int main(int argc, char **argv)
{
    struct load *load = alloc_zeroed(sizeof(*load));
    load->connection_count = 1;
    load->client_count = 1;
    load->key_count = 10000;
    load->value_bytes = 256;
    load->seconds = 5;
    load->timeout_ms = 10000;
    int result = parse(argc, argv, load);
    if (result < 0) {
        fprintf(stderr, "usage: etcd_load -e HOST:PORT,... [-o put|get|get-serializable]\n"
                        "  [-c CONNECTIONS] [-n CLIENTS] [-k KEYS] [-b VALUE_BYTES]\n"
                        "  [-N COUNT] [-s SECONDS_AT_MOST] [-t TIMEOUT_MS_OF_A_CALL]\n");
        free(load);
        return 2;
    }
    result = run(load);
    free(load);
    return result < 0 ? 1 : 0;
}
