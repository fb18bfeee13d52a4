#include "tests/unit/apiserver/objects_fixture.h"

#include "google/rpc/status.pb-c.h"
#include "lib/base/metrics.h"
#include <stdlib.h>

void objects_fixture_init(struct objects_fixture *fixture)
{
    static const char *const hosts[] = {"127.0.0.1"};
    static const char *const masters[] = {"system:masters"};
    fixture_init(&fixture->base);
    const struct pki_config keys = {.data_dir = fixture->base.dir,
                                    .member_name = "n1",
                                    .hosts = hosts,
                                    .host_count = 1,
                                    .cluster_domain = "cluster.local"};
    ck_assert_int_eq(pki_open(&keys, &fixture->pki, NULL), 0);
    fixture->metrics = metrics_new();
    const struct apiserver_config config = {.env = env_uv_env(fixture->base.env),
                                            .store_loop = fixture->base.loop,
                                            .io_loops = &fixture->base.loop,
                                            .io_loop_count = 1,
                                            .storage = store_storage(fixture->base.store),
                                            .metrics = fixture->metrics,
                                            .pki = &fixture->pki,
                                            .listen_host = "127.0.0.1",
                                            .member_name = "n1",
                                            .service_cidr = "10.96.0.0/24",
                                            .cluster_cidr = "10.244.0.0/16",
                                            .cluster_domain = "cluster.local",
                                            .anonymous = true};
    struct error error = {0};
    ck_assert_msg(apiserver_new(&config, &fixture->server, &error) == 0, "%s",
                  error_message(&error));
    apiserver_set_leader(fixture->server, true);
    make_namespace(&fixture->base);
    fixture->admin = objects_fixture_channel(fixture, "admin", masters, 1);
    fixture->jane = objects_fixture_channel(fixture, "jane", NULL, 0);
}

static void on_closed(void *data)
{
    *(bool *)data = true;
}

void objects_fixture_close(struct objects_fixture *fixture)
{
    bool closed = false;
    grpc_channel_close(fixture->admin);
    grpc_channel_close(fixture->jane);
    apiserver_close(TAKE(fixture->server), on_closed, &closed);
    while (!closed) {
        loop_turn(fixture->base.loop, true);
    }
}

void objects_fixture_release(struct objects_fixture *fixture)
{
    if (fixture->server != NULL) {
        objects_fixture_close(fixture);
    }
    metrics_free(fixture->metrics);
    pki_release(&fixture->pki);
    fixture_release(&fixture->base);
}

struct grpc_channel *objects_fixture_channel(struct objects_fixture *fixture, const char *user,
                                             const char *const *groups, size_t group_count)
{
    char *cert = NULL, *key = NULL;
    struct net_address address;
    struct tls_config *tls = NULL;
    if (user != NULL) {
        ck_assert_int_eq(
            pki_client_cert(&fixture->pki, user, groups, group_count, 3600, &cert, &key, NULL), 0);
    }
    const struct tls_options options = {.cert_pem = slice_text(cert == NULL ? "" : cert),
                                        .key_pem = slice_text(key == NULL ? "" : key),
                                        .ca_pem = slice_text(fixture->pki.ca_cert),
                                        .verify = TLS_VERIFY_REQUIRED,
                                        .alpn = TLS_ALPN_H2};
    ck_assert_int_eq(tls_config_new_client(&options, &tls, NULL), 0);
    ck_assert_int_eq(net_address_parse("127.0.0.1:0", &address), 0);
    address.port = apiserver_port(fixture->server);
    const struct grpc_channel_options client = {.address = &address, .tls = tls};
    struct grpc_channel *channel = grpc_channel_new(fixture->base.loop, &client);
    tls_config_unref(tls);
    free(cert);
    free(key);
    return channel;
}

/* --- One call --- */

static const char *text_of(struct answer *answer, struct slice text)
{
    return arena_text_n(answer->arena, (const char *)text.data, text.len);
}

static void on_metadata(void *data, struct slice name, struct slice value)
{
    struct answer *answer = data;
    if (slice_is(name, "warning")) {
        ck_assert_uint_lt(answer->warning_count, ANSWER_WARNINGS_MAX);
        answer->warnings[answer->warning_count++] = text_of(answer, value);
    }
}

static void on_headers(void *data)
{
    struct answer *answer = data;
    answer->headers = true;
}

static void on_message(void *data, struct slice message)
{
    struct answer *answer = data;
    ck_assert_uint_lt(answer->count, ANSWER_MESSAGES_MAX);
    answer->messages[answer->count++] = arena_slice(answer->arena, message);
}

/* The one detail, which must be a metav1.Status beside the same code and message. */
static const Meta__V1__Status *status_of(struct answer *answer, const struct grpc_status *status)
{
    Rpc__Status *whole = rpc__status__unpack(NULL, status->details.len, status->details.data);
    ck_assert_ptr_nonnull(whole);
    ck_assert_int_eq(whole->code, (int)status->code);
    ck_assert_str_eq(whole->message, status->message);
    ck_assert_uint_eq(whole->n_details, 1);
    ck_assert_str_eq(whole->details[0]->type_url,
                     "type.googleapis.com/k8s.io.apimachinery.pkg.apis.meta.v1.Status");
    void *message = NULL;
    ck_assert_int_eq(
        api_decode_protobuf(
            answer->arena, api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.Status"),
            slice_of(whole->details[0]->value.data, whole->details[0]->value.len), &message, NULL),
        0);
    rpc__status__free_unpacked(whole, NULL);
    return message;
}

static void on_end(void *data, const struct grpc_status *status)
{
    struct answer *answer = data;
    answer->over = true;
    answer->stream = NULL;
    answer->code = status->code;
    answer->message = arena_text(answer->arena, status->message);
    answer->status = status->details.len == 0 ? NULL : status_of(answer, status);
}

struct answer *objects_open(struct objects_fixture *fixture, struct grpc_channel *channel,
                            const char *method, const void *message,
                            const struct grpc_call_options *options)
{
    static const struct grpc_stream_events events = {.on_headers = on_headers,
                                                     .on_message = on_message,
                                                     .on_end = on_end,
                                                     .on_metadata = on_metadata};
    struct arena *arena = fixture->base.arena;
    struct answer *answer = arena_zeroed(arena, sizeof(*answer));
    struct grpc_call_options call = {0};
    if (options != NULL) {
        call = *options;
    }
    call.path = arena_printf(arena, "/coracle.v1.Objects/%s", method);
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(arena, len + 1);
    (void)protobuf_c_message_pack(message, bytes);
    answer->arena = arena;
    answer->stream = grpc_stream_open(channel, &call, &events, answer);
    (void)grpc_stream_send(answer->stream, slice_of(bytes, len));
    grpc_stream_close_send(answer->stream);
    return answer;
}

void objects_await(struct objects_fixture *fixture, struct answer *answer, size_t messages)
{
    while (!answer->over && answer->count < messages) {
        loop_turn(fixture->base.loop, true);
    }
}

struct answer *objects_ask(struct objects_fixture *fixture, struct grpc_channel *channel,
                           const char *method, const void *message)
{
    struct answer *answer = objects_open(fixture, channel, method, message, NULL);
    objects_await(fixture, answer, SIZE_MAX);
    return answer;
}

/* --- Reading --- */

static void *take(void *data, size_t size)
{
    return arena_alloc(data, size);
}

static void give_back(void *data, void *memory)
{
    (void)data;
    (void)memory;
}

void *objects_unpack(struct answer *answer, size_t index,
                     const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCAllocator allocator = {take, give_back, answer->arena};
    ck_assert_uint_lt(index, answer->count);
    void *message = protobuf_c_message_unpack(descriptor, &allocator, answer->messages[index].len,
                                              answer->messages[index].data);
    ck_assert_ptr_nonnull(message);
    return message;
}

Objects__V1__Object *objects_only(struct answer *answer)
{
    ck_assert_msg(answer->code == GRPC_OK, "%s: %s", grpc_code_name(answer->code), answer->message);
    ck_assert_uint_eq(answer->count, 1);
    return objects_unpack(answer, 0, &objects__v1__object__descriptor);
}
