#include "tests/unit/store/etcd_client.h"

#include "lib/base/alloc.h"
#include "lib/net/stream.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { TIMEOUT_MS = 20000 };

struct etcd_client {
    struct loop *loop;
    struct grpc_channel *channel;
    char token[2048];
    bool has_token;
    bool wants_leader;
    struct etcd_client_call *last;
};

struct etcd_client_call {
    struct etcd_client *client;
    struct grpc_stream *stream; /* NULL once done. */
    const ProtobufCMessageDescriptor *descriptor;
    int code;
    char message[256];
    ProtobufCMessage *response;
};

struct etcd_client *etcd_client_open(uint16_t port, struct tls_config *tls)
{
    struct etcd_client *client = alloc_zeroed(sizeof(*client));
    struct net_address address = {.host = "127.0.0.1", .port = port};
    ck_assert_int_eq(loop_new("client", &client->loop), 0);
    const struct grpc_channel_options options = {.address = &address, .tls = tls};
    client->channel = grpc_channel_new(client->loop, &options);
    return client;
}

void etcd_client_close(struct etcd_client *client)
{
    etcd_client_drop(client->last);
    grpc_channel_close(client->channel);
    for (int i = 0; i < 3; i++) {
        loop_turn(client->loop, /* wait= */ false);
    }
    loop_free(client->loop);
    free(client);
}

void etcd_client_set_token(struct etcd_client *client, const char *token)
{
    client->has_token = token != NULL;
    snprintf(client->token, sizeof(client->token), "%s", token == NULL ? "" : token);
}

void etcd_client_require_leader(struct etcd_client *client)
{
    client->wants_leader = true;
}

struct loop *etcd_client_loop(struct etcd_client *client)
{
    return client->loop;
}

static struct slice pack(const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = alloc_bytes(len + 1);
    (void)protobuf_c_message_pack(message, bytes);
    return slice_of(bytes, len);
}

static void on_done(void *data, const struct grpc_status *status, struct slice response)
{
    struct etcd_client_call *call = data;
    call->stream = NULL;
    call->code = (int)status->code;
    snprintf(call->message, sizeof(call->message), "%s", status->message);
    if (status->code == GRPC_OK) {
        call->response =
            protobuf_c_message_unpack(call->descriptor, NULL, response.len, response.data);
        ck_assert_ptr_nonnull(call->response);
    }
}

enum { METADATA_MAX = 2 };

static struct grpc_call_options options_of(const struct etcd_client *client, const char *path,
                                           struct http_header metadata[METADATA_MAX])
{
    size_t count = 0;
    if (client->has_token) {
        metadata[count++] = http_header("token", client->token);
    }
    if (client->wants_leader) {
        metadata[count++] = http_header("hasleader", "true");
    }
    return (struct grpc_call_options){
        .path = path, .metadata = metadata, .metadata_count = count, .timeout_ms = TIMEOUT_MS};
}

struct etcd_client_call *etcd_client_start(struct etcd_client *client, const char *path,
                                           const ProtobufCMessage *request,
                                           const ProtobufCMessageDescriptor *response)
{
    struct etcd_client_call *call = alloc_zeroed(sizeof(*call));
    struct http_header metadata[METADATA_MAX];
    struct grpc_call_options options = options_of(client, path, metadata);
    struct slice bytes = pack(request);
    call->client = client;
    call->descriptor = response;
    call->code = -1;
    call->stream = grpc_unary(client->channel, &options, bytes, on_done, call);
    free((void *)(uintptr_t)bytes.data);
    return call;
}

bool etcd_client_is_done(const struct etcd_client_call *call)
{
    return call->stream == NULL;
}

int etcd_client_wait(struct etcd_client_call *call, void *ret_response)
{
    while (call->stream != NULL) {
        loop_turn(call->client->loop, /* wait= */ true);
    }
    if (ret_response != NULL) {
        *(ProtobufCMessage **)ret_response = call->response;
    }
    return call->code;
}

void etcd_client_drop(struct etcd_client_call *call)
{
    if (call != NULL) {
        if (call->stream != NULL) {
            grpc_stream_cancel(call->stream);
        }
        if (call->response != NULL) {
            protobuf_c_message_free_unpacked(call->response, NULL);
        }
        free(call);
    }
}

int etcd_client_call(struct etcd_client *client, const char *path, const ProtobufCMessage *request,
                     const ProtobufCMessageDescriptor *response, void *ret_response)
{
    etcd_client_drop(client->last);
    client->last = etcd_client_start(client, path, request, response);
    return etcd_client_wait(client->last, ret_response);
}

const char *etcd_client_message(const struct etcd_client *client)
{
    return client->last == NULL ? "" : client->last->message;
}

/* --- Streams. */

enum { MESSAGES_MAX = 256 };

struct etcd_client_stream {
    struct etcd_client *client;
    struct grpc_stream *stream; /* NULL once it has ended. */
    const ProtobufCMessageDescriptor *descriptor;
    ProtobufCMessage *messages[MESSAGES_MAX];
    size_t count, taken;
    int code;
    char message[256];
};

static void on_message(void *data, struct slice bytes)
{
    struct etcd_client_stream *stream = data;
    ck_assert_uint_lt(stream->count, MESSAGES_MAX);
    stream->messages[stream->count] =
        protobuf_c_message_unpack(stream->descriptor, NULL, bytes.len, bytes.data);
    ck_assert_ptr_nonnull(stream->messages[stream->count]);
    stream->count++;
}

static void on_end(void *data, const struct grpc_status *status)
{
    struct etcd_client_stream *stream = data;
    stream->stream = NULL;
    stream->code = (int)status->code;
    snprintf(stream->message, sizeof(stream->message), "%s", status->message);
}

struct etcd_client_stream *etcd_client_stream(struct etcd_client *client, const char *path,
                                              const ProtobufCMessageDescriptor *response)
{
    static const struct grpc_stream_events events = {.on_message = on_message, .on_end = on_end};
    struct etcd_client_stream *stream = alloc_zeroed(sizeof(*stream));
    struct http_header metadata[METADATA_MAX];
    struct grpc_call_options options = options_of(client, path, metadata);
    stream->client = client;
    stream->descriptor = response;
    stream->code = -1;
    stream->stream = grpc_stream_open(client->channel, &options, &events, stream);
    return stream;
}

void etcd_client_send(struct etcd_client_stream *stream, const ProtobufCMessage *request)
{
    struct slice bytes = pack(request);
    ck_assert_ptr_nonnull(stream->stream);
    (void)grpc_stream_send(stream->stream, bytes);
    free((void *)(uintptr_t)bytes.data);
}

void etcd_client_end(struct etcd_client_stream *stream)
{
    if (stream->stream != NULL) {
        grpc_stream_close_send(stream->stream);
    }
}

void *etcd_client_next(struct etcd_client_stream *stream)
{
    while (stream->taken == stream->count && stream->stream != NULL) {
        loop_turn(stream->client->loop, /* wait= */ true);
    }
    return stream->taken == stream->count ? NULL : stream->messages[stream->taken++];
}

int etcd_client_stream_code(const struct etcd_client_stream *stream)
{
    return stream->code;
}

const char *etcd_client_stream_message(const struct etcd_client_stream *stream)
{
    return stream->message;
}

void etcd_client_stream_close(struct etcd_client_stream *stream)
{
    if (stream->stream != NULL) {
        grpc_stream_cancel(stream->stream);
    }
    for (size_t i = 0; i < stream->count; i++) {
        protobuf_c_message_free_unpacked(stream->messages[i], NULL);
    }
    free(stream);
}
