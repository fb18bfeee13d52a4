/* Load on coracle.v1.Objects from one thread: so many clients, each with a connection over TLS and
 * one call under way, that create pods or get them. A run of '@' in the body, which is JSON, stands
 * for the number of an object, as in api_load.c; a pod's name is "bench-" and six digits. Prints
 * one line of key=value pairs. */
#include "coracle/v1/objects.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/file.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include "lib/net/tls_config.h"
#include "tests/bench/api_target.h"
#include "tests/bench/measure.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS_MAX = 4096, BODY_BYTES_MAX = 1024 * 1024, NAME_SIZE = 16 };

struct load {
    const char *endpoint, *pki, *method, *body_file;
    bool creates, json;
    uint64_t clients, objects, count;
    struct api_target target;
    struct loop *loop;
    struct client *each;
    struct buffer body;
    uint64_t started, answered, failed;
    uint64_t start_us, start_cpu_us;
    size_t ready;
    struct latencies latencies;
};

struct client {
    struct load *load;
    struct grpc_channel *channel;
    uint64_t sent_us;
};

static char version[] = "v1", plural[] = "pods", namespace[] = "default";

/* The body with a number in the place of each run of '@'. */
static void set_number(char *text, uint64_t number)
{
    for (char *at = text; (at = strchr(at, '@')) != NULL;) {
        size_t len = strspn(at, "@");
        uint64_t rest = number;
        for (size_t digit = len; digit-- > 0; rest /= 10) {
            at[digit] = (char)('0' + rest % 10);
        }
        at += len;
    }
}

static struct slice make_request(const struct load *load, uint64_t number)
{
    Objects__V1__Resource resource = OBJECTS__V1__RESOURCE__INIT;
    Objects__V1__Format format = OBJECTS__V1__FORMAT__INIT;
    Objects__V1__Object object = OBJECTS__V1__OBJECT__INIT;
    Objects__V1__GetRequest get = OBJECTS__V1__GET_REQUEST__INIT;
    Objects__V1__CreateRequest create = OBJECTS__V1__CREATE_REQUEST__INIT;
    char name[NAME_SIZE];
    CLEANUP(alloc_freep) char *body = alloc_text(buffer_text(&load->body));
    (void)snprintf(name, sizeof(name), "bench-%06u", (unsigned)(number % load->objects % 1000000));
    set_number(body, number % load->objects);
    resource.version = version;
    resource.resource = plural;
    resource.namespace_ = namespace;
    format.encoding = load->json ? OBJECTS__V1__ENCODING__ENCODING_JSON
                                 : OBJECTS__V1__ENCODING__ENCODING_PROTOBUF;
    object.payload_case = OBJECTS__V1__OBJECT__PAYLOAD_JSON;
    object.json = body;
    get.resource = create.resource = &resource;
    get.format = create.format = &format;
    get.name = name;
    create.object = &object;
    const ProtobufCMessage *message = load->creates ? &create.base : &get.base;
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = alloc_bytes(len + 1);
    (void)protobuf_c_message_pack(message, bytes);
    return slice_of(bytes, len);
}

static void call_next(struct client *client);

static void on_done(void *data, const struct grpc_status *status, struct slice response)
{
    struct client *client = data;
    struct load *load = client->load;
    (void)response;
    if (status->code == GRPC_OK) {
        load->answered++;
    } else if (load->failed++ == 0) {
        (void)fprintf(stderr, "objects_load: %s: %s\n", grpc_code_name(status->code),
                      status->message);
    }
    latencies_add(&load->latencies, measure_now_us() - client->sent_us);
    call_next(client);
}

static void call_next(struct client *client)
{
    struct load *load = client->load;
    const struct grpc_call_options options = {.path = load->method};
    if (load->started == load->count) {
        if (load->answered + load->failed == load->count) {
            loop_stop(load->loop);
        }
        return;
    }
    struct slice request = make_request(load, load->started++);
    client->sent_us = measure_now_us();
    (void)grpc_unary(client->channel, &options, request, on_done, client);
    free((void *)(uintptr_t)request.data);
}

/* A first call of each, so that the handshakes are over when the load begins. */
static void on_ready(void *data, const struct grpc_status *status, struct slice response)
{
    struct load *load = ((struct client *)data)->load;
    (void)status;
    (void)response;
    if (++load->ready < load->clients) {
        return;
    }
    api_target_await_start();
    load->start_us = measure_now_us();
    load->start_cpu_us = measure_cpu_us();
    for (uint64_t i = 0; i < load->clients; i++) {
        call_next(&load->each[i]);
    }
}

static void report(struct load *load)
{
    double seconds = (double)(measure_now_us() - load->start_us) / MEASURE_US_PER_S;
    double client_us = (double)(measure_cpu_us() - load->start_cpu_us);
    latencies_sort(&load->latencies);
    printf("ops=%llu seconds=%.3f rate=%.0f p50_us=%u p99_us=%u client_cpu_us=%.2f failed=%llu\n",
           (unsigned long long)load->count, seconds, (double)load->count / seconds,
           latencies_percentile(&load->latencies, 50), latencies_percentile(&load->latencies, 99),
           client_us / (double)load->count, (unsigned long long)load->failed);
}

static int run(struct load *load)
{
    static const struct grpc_call_options warm = {.path = "/grpc.health.v1.Health/Check"};
    if (loop_new("load", &load->loop) < 0) {
        return 1;
    }
    load->each = alloc_array(load->clients, sizeof(*load->each));
    for (uint64_t i = 0; i < load->clients; i++) {
        const struct grpc_channel_options channel = {.address = &load->target.address,
                                                     .tls = load->target.tls};
        load->each[i] =
            (struct client){.load = load, .channel = grpc_channel_new(load->loop, &channel)};
        (void)grpc_unary(load->each[i].channel, &warm, slice_text(""), on_ready, &load->each[i]);
    }
    loop_run(load->loop);
    report(load);
    for (uint64_t i = 0; i < load->clients; i++) {
        grpc_channel_close(load->each[i].channel);
    }
    loop_turn(load->loop, /* wait= */ false); /* What is closed is freed on the next turn. */
    loop_free(load->loop);
    free(load->each);
    latencies_release(&load->latencies);
    return load->failed > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct load load = {.method = "/coracle.v1.Objects/Get", .clients = 1, .objects = 1};
    CLEANUP(error_release) struct error error = {0};
    buffer_init(&load.body, BODY_BYTES_MAX);
    for (int letter; (letter = getopt(argc, argv, "e:k:b:n:O:N:j")) != -1;) {
        uint64_t number = optarg == NULL ? 0 : strtoull(optarg, NULL, 10);
        load.endpoint = letter == 'e' ? optarg : load.endpoint;
        load.pki = letter == 'k' ? optarg : load.pki;
        load.body_file = letter == 'b' ? optarg : load.body_file;
        load.clients = letter == 'n' ? number : load.clients;
        load.objects = letter == 'O' ? number : load.objects;
        load.count = letter == 'N' ? number : load.count;
        load.json = load.json || letter == 'j';
    }
    if (load.endpoint == NULL || load.pki == NULL || load.count == 0 || load.objects == 0 ||
        load.clients == 0 || load.clients > CLIENTS_MAX) {
        (void)fprintf(stderr, "usage: objects_load -e HOST:PORT -k PKI -N CALLS [-n CLIENTS] "
                              "[-O OBJECTS] [-b BODY-TO-CREATE] [-j]\n");
        return 2;
    }
    if (load.body_file != NULL) {
        load.creates = true;
        load.method = "/coracle.v1.Objects/Create";
        if (file_read(load.body_file, &load.body, &error) < 0) {
            (void)fprintf(stderr, "%s\n", error_message(&error));
            return 2;
        }
    }
    if (api_target_init(&load.target, load.endpoint, load.pki, TLS_ALPN_H2) < 0) {
        return 2;
    }
    int status = run(&load);
    api_target_release(&load.target);
    buffer_release(&load.body);
    return status;
}
