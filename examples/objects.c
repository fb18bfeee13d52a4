/* A client of coracle.v1.Objects in C: makes a ConfigMap, watches it being changed and deletes it.
 *
 *     example_objects 127.0.0.1:6443 ca.crt admin.crt admin.key
 *
 * Messages are those of proto/coracle/v1/objects.proto, made by protoc-c; the connection is that of
 * lib/net/grpc.h. One thread: a loop that is turned until the answer is there. */
#include "coracle/v1/objects.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "lib/base/file.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include "lib/net/tls_config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct client {
    struct loop *loop;
    struct grpc_channel *channel;
};

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* --- Connection --- */

static struct slice read_file(const char *path)
{
    struct buffer bytes;
    buffer_init(&bytes, 1 << 20);
    if (file_read(path, &bytes, NULL) < 0) {
        die(path, "cannot be read");
    }
    size_t len = 0;
    uint8_t *data = buffer_take(&bytes, &len);
    return slice_of(data, len);
}

static void release(struct slice bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

static void client_open(struct client *client, char **argv)
{
    struct error error = {0};
    struct net_address address;
    struct tls_config *tls = NULL;
    struct slice ca = read_file(argv[2]), cert = read_file(argv[3]), key = read_file(argv[4]);
    const struct tls_options options = {.ca_pem = ca,
                                        .cert_pem = cert,
                                        .key_pem = key,
                                        .verify = TLS_VERIFY_REQUIRED,
                                        .alpn = TLS_ALPN_H2};
    if (net_address_parse(argv[1], &address) < 0 || loop_new("example", &client->loop) < 0) {
        die(argv[1], "is no address");
    }
    if (tls_config_new_client(&options, &tls, &error) < 0) {
        die("certificates", error_message(&error));
    }
    const struct grpc_channel_options channel = {.address = &address, .tls = tls};
    client->channel = grpc_channel_new(client->loop, &channel);
    tls_config_unref(tls);
    release(ca);
    release(cert);
    release(key);
}

static void on_closed(void *data)
{
    *(bool *)data = true;
}

/* The channel frees itself in a later turn of the loop. */
static void client_close(struct client *client)
{
    bool closed = false;
    grpc_channel_close(client->channel);
    loop_post(client->loop, on_closed, &closed);
    while (!closed) {
        loop_turn(client->loop, true);
    }
    loop_free(client->loop);
}

/* --- Calls of one answer --- */

struct answer {
    Objects__V1__Object *object;
    bool done;
};

/* The first detail of an error is a metav1.Status, for those who link the Kubernetes messages. */
static void print_error(const char *method, const struct grpc_status *status)
{
    Rpc__Status *details = rpc__status__unpack(NULL, status->details.len, status->details.data);
    (void)fprintf(
        stderr, "%s: %s: %s (%s)\n", method, grpc_code_name(status->code), status->message,
        details == NULL || details->n_details == 0 ? "no details" : details->details[0]->type_url);
    rpc__status__free_unpacked(details, NULL);
}

static void on_done(void *data, const struct grpc_status *status, struct slice response)
{
    struct answer *answer = data;
    answer->done = true;
    if (status->code == GRPC_OK) {
        answer->object = objects__v1__object__unpack(NULL, response.len, response.data);
    } else {
        print_error("call", status);
    }
}

/* The object, for objects__v1__object__free_unpacked(); NULL when the call failed. */
static Objects__V1__Object *call(struct client *client, const char *path, const void *request)
{
    size_t len = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes = malloc(len + 1);
    struct answer answer = {.done = false};
    const struct grpc_call_options options = {.path = path, .timeout_ms = 10000};
    (void)protobuf_c_message_pack(request, bytes);
    (void)grpc_unary(client->channel, &options, slice_of(bytes, len), on_done, &answer);
    free(bytes);
    while (!answer.done) {
        loop_turn(client->loop, true);
    }
    return answer.object;
}

/* --- Requests --- */

static char resource_name[] = "configmaps", version[] = "v1", namespace[] = "default";
static char object_name[] = "example", manager[] = "example";
static char body[] = "{\"metadata\":{\"name\":\"example\"},\"data\":{\"colour\":\"green\"}}";
static char patch_text[] = "{\"data\":{\"colour\":\"blue\"}}";

static void fill(Objects__V1__Resource *resource, Objects__V1__Format *format)
{
    objects__v1__resource__init(resource);
    resource->version = version;
    resource->resource = resource_name;
    resource->namespace_ = namespace;
    objects__v1__format__init(format);
    format->encoding = OBJECTS__V1__ENCODING__ENCODING_JSON;
}

static void print(const char *what, Objects__V1__Object *object)
{
    if (object == NULL) {
        exit(1);
    }
    printf("%s %s %s: %s\n", what, object->api_version, object->kind, object->json);
    objects__v1__object__free_unpacked(object, NULL);
}

static void create(struct client *client)
{
    Objects__V1__Resource resource;
    Objects__V1__Format format;
    Objects__V1__WriteOptions options = OBJECTS__V1__WRITE_OPTIONS__INIT;
    Objects__V1__Object object = OBJECTS__V1__OBJECT__INIT;
    Objects__V1__CreateRequest request = OBJECTS__V1__CREATE_REQUEST__INIT;
    fill(&resource, &format);
    object.payload_case = OBJECTS__V1__OBJECT__PAYLOAD_JSON;
    object.json = body;
    options.field_manager = manager;
    options.field_validation = OBJECTS__V1__FIELD_VALIDATION__FIELD_VALIDATION_STRICT;
    request.resource = &resource;
    request.object = &object;
    request.options = &options;
    request.format = &format;
    print("created", call(client, "/coracle.v1.Objects/Create", &request));
}

static void patch(struct client *client)
{
    Objects__V1__Resource resource;
    Objects__V1__Format format;
    Objects__V1__PatchRequest request = OBJECTS__V1__PATCH_REQUEST__INIT;
    fill(&resource, &format);
    request.resource = &resource;
    request.name = object_name;
    request.type = OBJECTS__V1__PATCH_REQUEST__TYPE__MERGE;
    request.patch = patch_text;
    request.format = &format;
    print("patched", call(client, "/coracle.v1.Objects/Patch", &request));
}

static void delete_it(struct client *client)
{
    Objects__V1__Resource resource;
    Objects__V1__Format format;
    Objects__V1__DeleteRequest request = OBJECTS__V1__DELETE_REQUEST__INIT;
    fill(&resource, &format);
    request.resource = &resource;
    request.name = object_name;
    request.format = &format;
    print("deleted", call(client, "/coracle.v1.Objects/Delete", &request));
}

/* --- Watch --- */

struct watcher {
    size_t events;
    bool failed;
};

static void on_event(void *data, struct slice message)
{
    static const char *const names[] = {"?", "ADDED", "MODIFIED", "DELETED", "BOOKMARK"};
    struct watcher *watcher = data;
    Objects__V1__WatchResponse *event =
        objects__v1__watch_response__unpack(NULL, message.len, message.data);
    if (event == NULL || event->object == NULL || event->type < 0 || event->type > 4) {
        watcher->failed = true;
    } else {
        /* A client that goes on later keeps this version. */
        printf("%s at %s\n", names[event->type], event->resource_version);
        watcher->events++;
    }
    objects__v1__watch_response__free_unpacked(event, NULL);
}

static void on_end(void *data, const struct grpc_status *status)
{
    struct watcher *watcher = data;
    print_error("watch", status);
    watcher->failed = true;
}

static struct grpc_stream *watch(struct client *client, struct watcher *watcher)
{
    static const struct grpc_stream_events events = {.on_message = on_event, .on_end = on_end};
    static char selector[] = "metadata.name=example";
    const struct grpc_call_options options = {.path = "/coracle.v1.Objects/Watch"};
    Objects__V1__Resource resource;
    Objects__V1__Format format;
    Objects__V1__WatchRequest request = OBJECTS__V1__WATCH_REQUEST__INIT;
    fill(&resource, &format);
    request.resource = &resource;
    request.format = &format;
    request.field_selector = selector;
    size_t len = objects__v1__watch_request__get_packed_size(&request);
    uint8_t *bytes = malloc(len + 1);
    (void)objects__v1__watch_request__pack(&request, bytes);
    struct grpc_stream *stream = grpc_stream_open(client->channel, &options, &events, watcher);
    (void)grpc_stream_send(stream, slice_of(bytes, len));
    grpc_stream_close_send(stream);
    free(bytes);
    return stream;
}

static void await(struct client *client, const struct watcher *watcher, size_t events)
{
    while (watcher->events < events && !watcher->failed) {
        loop_turn(client->loop, true);
    }
    if (watcher->failed) {
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct client client = {0};
    struct watcher watcher = {0};
    if (argc != 5) {
        die("usage", "example_objects HOST:PORT CA.crt CLIENT.crt CLIENT.key");
    }
    client_open(&client, argv);
    create(&client);
    struct grpc_stream *stream = watch(&client, &watcher);
    await(&client, &watcher, 1); /* What is there already. */
    patch(&client);
    await(&client, &watcher, 2);
    delete_it(&client);
    await(&client, &watcher, 3);
    grpc_stream_cancel(stream);
    client_close(&client);
    return 0;
}
