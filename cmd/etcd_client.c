#include "cmd/etcd_client.h"

#include "etcd/rpc.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/net/loop.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 10000, PEM_MAX = 1024 * 1024, ANSWER_MAX = 64 * 1024 * 1024 };

struct etcd_client {
    struct loop *loop;
    struct tls_config *tls;
    struct grpc_channel *channels[ETCD_ENDPOINTS_MAX];
    char *addresses[ETCD_ENDPOINTS_MAX];
    size_t count;
    size_t current; /* That answered last: asked first. */
    char *token;
    enum grpc_code code;
};

void etcd_client_flags(struct flag *flags)
{
    const struct flag rows[ETCD_CLIENT_FLAGS] = {
        {.name = "endpoints",
         .placeholder = "URL,...",
         .fallback = "https://127.0.0.1:2379",
         .list = true,
         .help = "etcd listeners of members, tried in turn; http:// for no TLS"},
        {.name = "data-dir",
         .placeholder = "DIR",
         .fallback = "/var/lib/coracle",
         .help = "data directory of a server: its certificates are used"},
        {.name = "cacert",
         .placeholder = "FILE",
         .help = "CA of the members, instead of --data-dir"},
        {.name = "cert", .placeholder = "FILE", .help = "own certificate, with --cacert"},
        {.name = "key", .placeholder = "FILE", .help = "its key"},
        {.name = "user", .placeholder = "NAME:PASSWORD", .help = "when the store has users"},
    };
    memcpy(flags, rows, sizeof(rows));
}

struct etcd_client_options etcd_client_options_of(const struct flag_set *set)
{
    const struct flag *endpoints = flag_get(set, "endpoints");
    return (struct etcd_client_options){.endpoints = endpoints->values,
                                        .endpoint_count = endpoints->count,
                                        .data_dir = flag_text(set, "data-dir"),
                                        .ca_file = flag_text(set, "cacert"),
                                        .cert_file = flag_text(set, "cert"),
                                        .key_file = flag_text(set, "key"),
                                        .user = flag_text(set, "user")};
}

/* ---- opening ---- */

static int read_pem(const char *file, const char *data_dir, const char *name, struct buffer *out,
                    struct error *reterr)
{
    CLEANUP(alloc_freep)
    char *path = file != NULL ? alloc_text(file) : alloc_printf("%s/pki/%s", data_dir, name);
    return file_read(path, out, reterr);
}

static int open_tls(const struct etcd_client_options *options, struct tls_config **ret_tls,
                    struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer ca;
    CLEANUP(buffer_release) struct buffer cert;
    CLEANUP(buffer_release) struct buffer key;
    buffer_init(&ca, PEM_MAX);
    buffer_init(&cert, PEM_MAX);
    buffer_init(&key, PEM_MAX);
    bool own = options->ca_file == NULL || options->cert_file != NULL;
    int result = read_pem(options->ca_file, options->data_dir, "ca.crt", &ca, reterr);
    if (result == 0 && own) {
        result = read_pem(options->cert_file, options->data_dir, "admin.crt", &cert, reterr);
    }
    if (result == 0 && own) {
        result = read_pem(options->key_file, options->data_dir, "admin.key", &key, reterr);
    }
    if (result < 0) {
        return result;
    }
    const struct tls_options tls = {.cert_pem = buffer_slice(&cert),
                                    .key_pem = buffer_slice(&key),
                                    .ca_pem = buffer_slice(&ca),
                                    .verify = TLS_VERIFY_REQUIRED,
                                    .alpn = TLS_ALPN_H2};
    result = tls_config_new_client(&tls, ret_tls, reterr);
    if (result < 0 && options->ca_file != NULL) {
        (void)error_wrap(reterr, "--cacert, --cert and --key");
    } else if (result < 0) {
        (void)error_wrap(reterr, "%s/pki", options->data_dir);
    }
    return result;
}

static int open_channel(struct etcd_client *client, const struct etcd_client_options *options,
                        const char *url, struct error *reterr)
{
    struct net_address address;
    bool plain = strncmp(url, "http://", 7) == 0;
    if (net_address_parse(url, &address) < 0 || (!plain && strncmp(url, "https://", 8) != 0)) {
        return error_set(reterr, -EINVAL, "%s: must be https://HOST:PORT", url);
    }
    if (client->count == ETCD_ENDPOINTS_MAX) {
        return error_set(reterr, -EINVAL, "more than %d endpoints", ETCD_ENDPOINTS_MAX);
    }
    if (!plain && client->tls == NULL) {
        int result = open_tls(options, &client->tls, reterr);
        if (result < 0) {
            return result;
        }
    }
    const struct grpc_channel_options channel = {
        .address = &address, .tls = plain ? NULL : client->tls, .message_bytes_max = ANSWER_MAX};
    client->addresses[client->count] = alloc_text(url);
    client->channels[client->count++] = grpc_channel_new(client->loop, &channel);
    return 0;
}

static int log_in(struct etcd_client *client, const char *user, struct error *reterr)
{
    const char *colon = strchr(user, ':');
    if (colon == NULL) {
        return error_set(reterr, -EINVAL, "--user must be NAME:PASSWORD");
    }
    CLEANUP(alloc_freep) char *name = alloc_text_n(user, (size_t)(colon - user));
    CLEANUP(alloc_freep) char *password = alloc_text(colon + 1);
    Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    request.name = name;
    request.password = password;
    ProtobufCMessage *message;
    int result =
        etcd_client_call(client, "/etcdserverpb.Auth/Authenticate", &request.base,
                         &etcdserverpb__authenticate_response__descriptor, 0, &message, reterr);
    if (result == 0) {
        const Etcdserverpb__AuthenticateResponse *answer = (const void *)message;
        client->token = alloc_text(answer->token);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return result;
}

int etcd_client_open(const struct etcd_client_options *options, struct etcd_client **ret_client,
                     struct error *reterr)
{
    struct etcd_client *client = alloc_zeroed(sizeof(*client));
    int result = loop_new("etcd-client", &client->loop);
    if (result < 0) {
        free(client);
        return error_set(reterr, result, "cannot make an event loop");
    }
    client->tls = options->tls == NULL ? NULL : tls_config_ref(options->tls);
    for (size_t i = 0; i < options->endpoint_count && result == 0; i++) {
        result = open_channel(client, options, options->endpoints[i], reterr);
    }
    if (result == 0 && options->user != NULL) {
        result = log_in(client, options->user, reterr);
    }
    if (result < 0) {
        etcd_client_close(client);
        return result;
    }
    *ret_client = client;
    return 0;
}

void etcd_client_close(struct etcd_client *client)
{
    if (client == NULL) {
        return;
    }
    for (size_t i = 0; i < client->count; i++) {
        grpc_channel_close(client->channels[i]);
        free(client->addresses[i]);
    }
    loop_turn(client->loop, /* wait= */ false); /* What is closed is freed on the next turn. */
    loop_free(client->loop);
    tls_config_unref(client->tls);
    free(client->token);
    free(client);
}

enum grpc_code etcd_client_code(const struct etcd_client *client)
{
    return client->code;
}

/* ---- calling ---- */

struct pending {
    struct etcd_client *client;
    bool done;
    enum grpc_code code;
    char *message;
    struct buffer answer;
    int (*each)(void *data, struct slice answer);
    void *data;
    struct grpc_stream *stream;
    bool begun; /* Something was given to `each`: no other endpoint can go on from there. */
    int result; /* Of `each`. */
};

static void pending_end(struct pending *pending, const struct grpc_status *status)
{
    pending->done = true;
    pending->code = status->code;
    free(pending->message);
    pending->message =
        alloc_text(status->message[0] == '\0' ? grpc_code_name(status->code) : status->message);
}

static void on_answer(void *data, const struct grpc_status *status, struct slice response)
{
    struct pending *pending = data;
    buffer_append_slice(&pending->answer, response);
    pending_end(pending, status);
}

static struct grpc_call_options options_of(const struct etcd_client *client, const char *path,
                                           uint64_t timeout_ms, struct http_header *token)
{
    *token = http_header("token", client->token == NULL ? "" : client->token);
    return (struct grpc_call_options){.path = path,
                                      .metadata = token,
                                      .metadata_count = client->token == NULL ? 0 : 1,
                                      .timeout_ms = timeout_ms,
                                      .fail_fast = true};
}

static struct buffer packed(const ProtobufCMessage *message)
{
    struct buffer out;
    size_t len = protobuf_c_message_get_packed_size(message);
    buffer_init(&out, SIZE_MAX);
    uint8_t *at = buffer_reserve(&out, len + 1);
    if (at != NULL) {
        buffer_commit(&out, protobuf_c_message_pack(message, at));
    }
    return out;
}

/* A member that cannot be reached is passed over; one that has answered has the word. */
static bool unreachable(enum grpc_code code)
{
    return code == GRPC_UNAVAILABLE || code == GRPC_DEADLINE_EXCEEDED;
}

static int ask(struct etcd_client *client, const char *path, struct slice request,
               uint64_t timeout_ms, struct pending *pending, struct error *reterr)
{
    size_t first = client->current;
    for (size_t i = 0; i < client->count; i++) {
        size_t at = (first + i) % client->count;
        struct http_header token;
        struct grpc_call_options options = options_of(client, path, timeout_ms, &token);
        pending->done = false;
        buffer_clear(&pending->answer);
        (void)grpc_unary(client->channels[at], &options, request, on_answer, pending);
        while (!pending->done) {
            loop_turn(client->loop, /* wait= */ true);
        }
        client->code = pending->code;
        if (pending->code == GRPC_OK) {
            client->current = at;
            return 0;
        }
        if (!unreachable(pending->code)) {
            return error_set(reterr, -EREMOTEIO, "%s", pending->message);
        }
        (void)error_set(reterr, -EHOSTUNREACH, "%s: %s", client->addresses[at], pending->message);
    }
    return -EHOSTUNREACH;
}

int etcd_client_call(struct etcd_client *client, const char *path, const ProtobufCMessage *request,
                     const ProtobufCMessageDescriptor *answer, uint64_t timeout_ms,
                     ProtobufCMessage **ret_answer, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer bytes = packed(request);
    struct pending pending = {.client = client};
    buffer_init(&pending.answer, ANSWER_MAX);
    int result = ask(client, path, buffer_slice(&bytes), timeout_ms == 0 ? TIMEOUT_MS : timeout_ms,
                     &pending, reterr);
    if (result == 0) {
        *ret_answer =
            protobuf_c_message_unpack(answer, NULL, pending.answer.len, pending.answer.data);
        result = *ret_answer == NULL
                     ? error_set(reterr, -EPROTO, "the member's answer cannot be read")
                     : 0;
    }
    free(pending.message);
    buffer_release(&pending.answer);
    return result;
}

/* ---- streams ---- */

static void on_message(void *data, struct slice message)
{
    struct pending *pending = data;
    pending->begun = true;
    if (pending->result == 0) {
        pending->result = pending->each(pending->data, message);
    }
}

static void on_end(void *data, const struct grpc_status *status)
{
    pending_end(data, status);
}

int etcd_client_stream(struct etcd_client *client, const char *path,
                       int (*each)(void *data, struct slice answer), void *data,
                       struct error *reterr)
{
    static const struct grpc_stream_events events = {.on_message = on_message, .on_end = on_end};
    struct pending pending = {.client = client, .each = each, .data = data};
    size_t first = client->current;
    int result = -EHOSTUNREACH;
    for (size_t i = 0; i < client->count && result == -EHOSTUNREACH; i++) {
        size_t at = (first + i) % client->count;
        struct http_header token;
        struct grpc_call_options options = options_of(client, path, /* timeout_ms= */ 0, &token);
        pending.done = false;
        pending.stream = grpc_stream_open(client->channels[at], &options, &events, &pending);
        (void)grpc_stream_send(pending.stream, slice_of(NULL, 0));
        grpc_stream_close_send(pending.stream);
        while (!pending.done && pending.result == 0) {
            loop_turn(client->loop, /* wait= */ true);
        }
        if (!pending.done) {
            grpc_stream_cancel(pending.stream);
            result = pending.result; /* `each` has said why. */
        } else if (pending.code == GRPC_OK) {
            result = pending.result;
        } else {
            result = unreachable(pending.code) && !pending.begun ? -EHOSTUNREACH : -EREMOTEIO;
            (void)error_set(reterr, result, "%s: %s", client->addresses[at], pending.message);
        }
        client->code = pending.done ? pending.code : GRPC_CANCELLED;
    }
    free(pending.message);
    return result;
}
