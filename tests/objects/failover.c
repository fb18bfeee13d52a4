/* A watch of coracle.v1.Objects over the end of the member that serves it: every change is told
 * once, in order, when the client goes on elsewhere from the last version it knows.
 *
 *     objects_failover CA CERT KEY WRITE_AT WATCH_AT [WATCH_AT ...]
 *
 * Writes to a ConfigMap of its own through the first address, and watches it through the others in
 * turn. Prints "half" when half is written, so that somebody ends a member, and the figures at the
 * end. */
#include "coracle/v1/objects.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include "lib/net/tls_config.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { WRITES = 400, ADDRESSES_MAX = 8, CALL_TIMEOUT_MS = 5000, PACE_MS = 10 };

struct failover {
    struct loop *loop;
    struct tls_config *tls;
    struct net_address addresses[ADDRESSES_MAX]; /* Of watches. */
    size_t address_count, at;
    struct grpc_channel *writer, *watcher;
    struct grpc_stream *watch;
    struct loop_timer pace, retry;
    uint64_t written[2 * WRITES]; /* Versions, ascending; those of unknown writes are not among. */
    size_t written_count;
    size_t unknown; /* Writes whose answer was lost. */
    uint64_t told[2 * WRITES];
    size_t told_count;
    size_t watches;
    char version[32]; /* Where to go on. */
    bool created;
};

static char resource_name[] = "configmaps", api_version[] = "v1", namespace[] = "default";
static char object_name[] = "failover", selector[] = "metadata.name=failover";

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* --- Requests --- */

static Objects__V1__Resource config_maps(void)
{
    Objects__V1__Resource resource = OBJECTS__V1__RESOURCE__INIT;
    resource.version = api_version;
    resource.resource = resource_name;
    resource.namespace_ = namespace;
    return resource;
}

static struct slice packed(const void *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = alloc_bytes(len + 1);
    (void)protobuf_c_message_pack(message, bytes);
    return slice_of(bytes, len);
}

static struct grpc_channel *connect_to(struct failover *test, const struct net_address *address)
{
    const struct grpc_channel_options options = {.address = address, .tls = test->tls};
    return grpc_channel_new(test->loop, &options);
}

/* "resourceVersion":"N" of an object. */
static uint64_t version_of(const char *json)
{
    static const char key[] = "\"resourceVersion\":\"";
    const char *at = strstr(json, key);
    return at == NULL ? 0 : strtoull(at + sizeof(key) - 1, NULL, 10);
}

/* --- Writes --- */

static void write_next(void *data);

static void on_written(void *data, const struct grpc_status *status, struct slice response)
{
    struct failover *test = data;
    Objects__V1__Object *object =
        status->code != GRPC_OK ? NULL
                                : objects__v1__object__unpack(NULL, response.len, response.data);
    if (object == NULL) {
        test->unknown++;
    } else {
        test->created = true;
        test->written[test->written_count++] = version_of(object->json);
    }
    objects__v1__object__free_unpacked(object, NULL);
    if (test->written_count == WRITES / 2) {
        printf("half\n");
        (void)fflush(stdout);
    }
    if (test->unknown > WRITES) {
        die("write", status->message);
    }
    loop_timer_start(test->loop, &test->pace, PACE_MS);
}

static void write_next(void *data)
{
    struct failover *test = data;
    if (test->written_count == WRITES) {
        return;
    }
    CLEANUP(alloc_freep)
    char *patch = alloc_printf("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                               "\"name\":\"failover\"},\"data\":{\"n\":\"%zu-%zu\"}}",
                               test->written_count, test->unknown);
    Objects__V1__Resource resource = config_maps();
    Objects__V1__Format format = OBJECTS__V1__FORMAT__INIT;
    Objects__V1__WriteOptions options = OBJECTS__V1__WRITE_OPTIONS__INIT;
    Objects__V1__PatchRequest request = OBJECTS__V1__PATCH_REQUEST__INIT;
    format.encoding = OBJECTS__V1__ENCODING__ENCODING_JSON;
    options.field_manager = object_name;
    request.resource = &resource;
    request.name = object_name;
    request.type = OBJECTS__V1__PATCH_REQUEST__TYPE__APPLY;
    request.patch = patch;
    request.options = &options;
    request.format = &format;
    const struct grpc_call_options call = {.path = "/coracle.v1.Objects/Patch",
                                           .timeout_ms = CALL_TIMEOUT_MS};
    struct slice bytes = packed(&request);
    (void)grpc_unary(test->writer, &call, bytes, on_written, test);
    free((void *)(uintptr_t)bytes.data);
}

/* --- Watches --- */

static void on_event(void *data, struct slice message)
{
    struct failover *test = data;
    Objects__V1__WatchResponse *event =
        objects__v1__watch_response__unpack(NULL, message.len, message.data);
    if (event == NULL) {
        die("watch", "malformed event");
    }
    if (event->resource_version[0] != 0) {
        (void)snprintf(test->version, sizeof(test->version), "%s", event->resource_version);
    }
    if (event->type == OBJECTS__V1__WATCH_RESPONSE__TYPE__ADDED ||
        event->type == OBJECTS__V1__WATCH_RESPONSE__TYPE__MODIFIED) {
        if (test->told_count == ARRAY_LEN(test->told)) {
            die("watch", "more events than writes");
        }
        test->told[test->told_count++] = version_of(event->object->json);
    }
    objects__v1__watch_response__free_unpacked(event, NULL);
}

static void on_watch_end(void *data, const struct grpc_status *status)
{
    struct failover *test = data;
    (void)fprintf(stderr, "watch ended: %s: %s\n", grpc_code_name(status->code), status->message);
    test->watch = NULL;
    loop_timer_start(test->loop, &test->retry, PACE_MS);
}

/* At the next address. */
static void watch_next(void *data)
{
    static const struct grpc_stream_events events = {.on_message = on_event,
                                                     .on_end = on_watch_end};
    struct failover *test = data;
    Objects__V1__Resource resource = config_maps();
    Objects__V1__Format format = OBJECTS__V1__FORMAT__INIT;
    Objects__V1__WatchRequest request = OBJECTS__V1__WATCH_REQUEST__INIT;
    const struct grpc_call_options call = {.path = "/coracle.v1.Objects/Watch", .fail_fast = true};
    if (test->watcher != NULL) {
        grpc_channel_close(test->watcher);
    }
    test->watcher = connect_to(test, &test->addresses[test->at++ % test->address_count]);
    test->watches++;
    format.encoding = OBJECTS__V1__ENCODING__ENCODING_JSON;
    request.resource = &resource;
    request.format = &format;
    request.field_selector = selector;
    request.resource_version = test->version;
    struct slice bytes = packed(&request);
    test->watch = grpc_stream_open(test->watcher, &call, &events, test);
    (void)grpc_stream_send(test->watch, bytes);
    grpc_stream_close_send(test->watch);
    free((void *)(uintptr_t)bytes.data);
}

/* --- Check --- */

/* Every known write since the watch began is told, nothing twice, nothing that nobody may have
 * written. */
static void check(const struct failover *test)
{
    size_t at = 0;
    while (at < test->written_count && test->written[at] < test->told[0]) {
        at++; /* Before it. */
    }
    for (size_t i = 0; i < test->told_count; i++) {
        if (i > 0 && test->told[i] <= test->told[i - 1]) {
            die("order", "an event came twice, or late");
        }
        if (at < test->written_count && test->told[i] == test->written[at]) {
            at++;
        }
    }
    if (at < test->written_count) {
        (void)fprintf(stderr, "version %" PRIu64 " was not told\n", test->written[at]);
        die("gap", "a write was not told");
    }
    if (test->told_count > test->written_count + test->unknown) {
        die("events", "more than was written");
    }
    printf("%zu writes, %zu of unknown outcome, %zu events, %zu watches\n", test->written_count,
           test->unknown, test->told_count, test->watches);
}

static struct tls_config *read_keys(char **paths)
{
    struct error error = {0};
    struct buffer pems[3];
    struct tls_config *tls = NULL;
    for (size_t i = 0; i < 3; i++) {
        buffer_init(&pems[i], 1 << 20);
        if (file_read(paths[i], &pems[i], &error) < 0) {
            die(paths[i], error_message(&error));
        }
    }
    const struct tls_options options = {.ca_pem = buffer_slice(&pems[0]),
                                        .cert_pem = buffer_slice(&pems[1]),
                                        .key_pem = buffer_slice(&pems[2]),
                                        .verify = TLS_VERIFY_REQUIRED,
                                        .alpn = TLS_ALPN_H2};
    if (tls_config_new_client(&options, &tls, &error) < 0) {
        die("keys", error_message(&error));
    }
    for (size_t i = 0; i < 3; i++) {
        buffer_release(&pems[i]);
    }
    return tls;
}

int main(int argc, char **argv)
{
    static struct failover test;
    struct net_address write_at;
    if (argc < 6 || argc - 5 > ADDRESSES_MAX || net_address_parse(argv[4], &write_at) < 0) {
        die("usage", "objects_failover CA CERT KEY WRITE_AT WATCH_AT [WATCH_AT ...]");
    }
    for (int i = 5; i < argc; i++) {
        if (net_address_parse(argv[i], &test.addresses[test.address_count++]) < 0) {
            die(argv[i], "is no address");
        }
    }
    if (loop_new("failover", &test.loop) < 0) {
        die("loop", "cannot be made");
    }
    test.tls = read_keys(argv + 1);
    test.pace = (struct loop_timer){.fire = write_next, .data = &test};
    test.retry = (struct loop_timer){.fire = watch_next, .data = &test};
    test.writer = connect_to(&test, &write_at);
    write_next(&test);
    while (!test.created) {
        loop_turn(test.loop, true);
    }
    watch_next(&test);
    while (test.written_count < WRITES || test.told_count == 0 ||
           test.told[test.told_count - 1] < test.written[WRITES - 1]) {
        loop_turn(test.loop, true);
    }
    check(&test);
    return 0;
}
