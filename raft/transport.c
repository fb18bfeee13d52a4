#include "raft/transport.h"

#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/env_uv.h"
#include "lib/base/log.h"
#include "lib/net/stream.h"
#include "raft/limits.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* On the wire: each side that dials sends a greeting, then frames; it never reads. So two members
 * have two connections, one for each direction, and neither needs an agreement on which to keep. */
enum {
    GREETING_BYTES = 32, /* magic, cluster id, sender, receiver: 8 bytes each. */
    FRAME_HEADER_BYTES = 4,
    RECONNECT_MS_MIN = 50,
    RECONNECT_MS_MAX = 1000,
    CONNECT_TIMEOUT_MS = 1000,
    INCOMING_MAX = 4 * RAFT_MEMBERS_MAX, /* Old ones are replaced as members dial again. */
};

static const char greeting_magic[8] = {'C', 'O', 'R', 'A', 'F', 'T', '0', '1'};

struct outgoing {
    struct raft_transport *transport;
    uint64_t id;
    char name[RAFT_NAME_MAX];
    struct net_address address;
    bool tls;
    struct net_connect *connect; /* While dialling. */
    struct net_stream *stream;   /* While connected. */
    struct loop_timer retry;
    uint32_t retry_ms;
    bool reported; /* "Cannot reach" was logged since it was last connected. */
};

struct incoming {
    struct raft_transport *transport;
    struct net_stream *stream;
    struct list link;
    struct buffer input;
    uint64_t from; /* 0 before the greeting. */
};

struct raft_transport {
    struct loop *loop;
    struct env_uv *env;
    uint64_t id;
    uint64_t cluster_id;
    struct tls_config *client_tls;
    struct raft_node *node; /* NULL: received messages are dropped. */
    struct net_listener *listener;
    struct outgoing *peers;
    size_t peer_count;
    struct list incoming;
    size_t incoming_count;
    void (*closed)(void *data);
    void *closed_data;
};

static void write_u64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t read_u64(const uint8_t *from)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

static uint32_t read_u32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

/* Certificates of nodes and users are signed by the same CA; only members may speak Raft. */
static bool is_member(const struct net_stream *stream)
{
    const struct tls_peer *peer = net_stream_tls_peer(stream);
    return peer == NULL || (peer->verified && strcmp(peer->common_name, "coracle-member") == 0);
}

/* ---- outgoing ---- */

static void dial(void *data);

static void dial_later(struct outgoing *peer)
{
    loop_timer_start(peer->transport->loop, &peer->retry, peer->retry_ms);
    peer->retry_ms = peer->retry_ms * 2 < RECONNECT_MS_MAX ? peer->retry_ms * 2 : RECONNECT_MS_MAX;
}

static void on_outgoing_end(void *data, int status)
{
    struct outgoing *peer = data;
    LOG_INFO("raft", "connection to a member has ended", KV_TEXT("member", peer->name),
             KV_TEXT("reason", status == 0 ? "closed by it" : strerror(-status)));
    net_stream_close(TAKE(peer->stream), NULL, NULL);
    dial_later(peer);
}

static void send_greeting(struct outgoing *peer)
{
    uint8_t greeting[GREETING_BYTES];
    memcpy(greeting, greeting_magic, sizeof(greeting_magic));
    write_u64(greeting + 8, peer->transport->cluster_id);
    write_u64(greeting + 16, peer->transport->id);
    write_u64(greeting + 24, peer->id);
    (void)net_stream_write(peer->stream, slice_of(greeting, sizeof(greeting)));
}

static void on_dialled(void *data, int status, const char *message, struct net_stream *stream)
{
    static const struct net_stream_events events = {.on_end = on_outgoing_end};
    struct outgoing *peer = data;
    peer->connect = NULL;
    if (status == 0 && !is_member(stream)) {
        net_stream_close(stream, NULL, NULL);
        status = -EACCES;
        message = "its certificate is not a member's";
    }
    if (status < 0) {
        if (!peer->reported) {
            LOG_WARN("raft", "cannot reach a member, trying again", KV_TEXT("member", peer->name),
                     KV_TEXT("address", peer->address.host), KV_U64("port", peer->address.port),
                     KV_TEXT("reason", message));
        }
        peer->reported = true;
        dial_later(peer);
        return;
    }
    LOG_INFO("raft", "connected to a member", KV_TEXT("member", peer->name),
             KV_TEXT("address", net_stream_peer_address(stream)));
    peer->reported = false;
    peer->retry_ms = RECONNECT_MS_MIN;
    peer->stream = stream;
    net_stream_start(stream, &events, peer);
    send_greeting(peer);
}

static void dial(void *data)
{
    struct outgoing *peer = data;
    struct net_connect_options options = {
        .address = &peer->address,
        .tls = peer->tls ? peer->transport->client_tls : NULL,
        .timeout_ms = CONNECT_TIMEOUT_MS,
    };
    peer->connect = net_stream_connect(peer->transport->loop, &options, on_dialled, peer);
}

static struct outgoing *find_peer(struct raft_transport *transport, uint64_t id)
{
    for (size_t i = 0; i < transport->peer_count; i++) {
        if (transport->peers[i].id == id) {
            return &transport->peers[i];
        }
    }
    return NULL;
}

static int transport_send(void *data, uint64_t id, struct slice message)
{
    struct outgoing *peer = find_peer(data, id);
    if (peer == NULL || peer->stream == NULL) {
        return -ENOTCONN;
    }
    if (net_stream_queued(peer->stream) + message.len > RAFT_PEER_QUEUE_BYTES_MAX) {
        return -EAGAIN;
    }
    assert(message.len <= RAFT_MESSAGE_MAX);
    uint8_t header[FRAME_HEADER_BYTES];
    for (int i = 0; i < FRAME_HEADER_BYTES; i++) {
        header[i] = (uint8_t)(message.len >> (8 * i));
    }
    (void)net_stream_write(peer->stream, slice_of(header, sizeof(header)));
    (void)net_stream_write(peer->stream, message);
    return 0;
}

/* ---- incoming ---- */

static void incoming_close(struct incoming *incoming)
{
    list_remove(&incoming->link);
    incoming->transport->incoming_count--;
    net_stream_close(incoming->stream, NULL, NULL);
    buffer_release(&incoming->input);
    free(incoming);
}

static void on_incoming_end(void *data, int status)
{
    (void)status; /* The member dials again. */
    incoming_close(data);
}

static int check_greeting(struct incoming *incoming, const uint8_t *greeting)
{
    const struct raft_transport *transport = incoming->transport;
    uint64_t from = read_u64(greeting + 16);
    if (memcmp(greeting, greeting_magic, sizeof(greeting_magic)) != 0 ||
        read_u64(greeting + 8) != transport->cluster_id ||
        read_u64(greeting + 24) != transport->id || from == transport->id || from == 0) {
        LOG_WARN("raft", "refused a connection that is not of this cluster",
                 KV_TEXT("address", net_stream_peer_address(incoming->stream)));
        return -EPROTO;
    }
    incoming->from = from;
    return 0;
}

/* Takes the greeting and whole frames out of `input`. Negative when the connection is to end. */
static int take_frames(struct incoming *incoming)
{
    struct buffer *input = &incoming->input;
    size_t at = 0;
    if (incoming->from == 0) {
        if (input->len < GREETING_BYTES) {
            return 0;
        }
        int result = check_greeting(incoming, input->data);
        if (result < 0) {
            return result;
        }
        at = GREETING_BYTES;
    }
    while (input->len - at >= FRAME_HEADER_BYTES) {
        size_t len = read_u32(input->data + at);
        if (len > RAFT_MESSAGE_MAX) {
            return -EMSGSIZE;
        }
        if (input->len - at - FRAME_HEADER_BYTES < len) {
            break;
        }
        if (incoming->transport->node != NULL) {
            raft_receive(incoming->transport->node, incoming->from,
                         slice_of(input->data + at + FRAME_HEADER_BYTES, len));
        }
        at += FRAME_HEADER_BYTES + len;
    }
    buffer_consume(input, at);
    return 0;
}

static void on_incoming_read(void *data, struct slice bytes)
{
    struct incoming *incoming = data;
    buffer_append_slice(&incoming->input, bytes);
    if (buffer_error(&incoming->input) < 0 || take_frames(incoming) < 0) {
        incoming_close(incoming);
    }
}

static void on_stream(void *data, struct net_stream *stream)
{
    static const struct net_stream_events events = {
        .on_read = on_incoming_read,
        .on_end = on_incoming_end,
    };
    struct raft_transport *transport = data;
    if (!is_member(stream)) {
        LOG_WARN("raft", "refused a connection whose certificate is not a member's",
                 KV_TEXT("address", net_stream_peer_address(stream)));
        net_stream_close(stream, NULL, NULL);
        return;
    }
    if (transport->incoming_count == INCOMING_MAX) {
        incoming_close(LIST_ENTRY(list_first(&transport->incoming), struct incoming, link));
    }
    struct incoming *incoming = alloc_zeroed(sizeof(*incoming));
    incoming->transport = transport;
    incoming->stream = stream;
    buffer_init(&incoming->input, 2 * (size_t)RAFT_MESSAGE_MAX);
    list_init(&incoming->link);
    list_push_back(&transport->incoming, &incoming->link);
    transport->incoming_count++;
    net_stream_start(stream, &events, incoming);
}

/* ---- life ---- */

static int add_peer(struct raft_transport *transport, const struct raft_peer *from,
                    struct error *reterr)
{
    struct outgoing *peer = &transport->peers[transport->peer_count];
    if (net_address_parse(from->url, &peer->address) < 0) {
        return error_set(reterr, -EINVAL, "peer URL %s: must be https://HOST:PORT", from->url);
    }
    peer->transport = transport;
    peer->id = from->id;
    peer->tls = strncmp(from->url, "http://", 7) != 0;
    peer->retry_ms = RECONNECT_MS_MIN;
    peer->retry = (struct loop_timer){.fire = dial, .data = peer};
    size_t len = strlen(from->name);
    memcpy(peer->name, from->name, len < RAFT_NAME_MAX ? len : RAFT_NAME_MAX - 1);
    transport->peer_count++;
    return 0;
}

static int add_peers(struct raft_transport *transport, const struct raft_transport_config *config,
                     struct error *reterr)
{
    transport->peers = alloc_array(config->peer_count, sizeof(*transport->peers));
    for (size_t i = 0; i < config->peer_count; i++) {
        if (config->peers[i].id != config->id) {
            int result = add_peer(transport, &config->peers[i], reterr);
            if (result < 0) {
                return result;
            }
        }
    }
    return 0;
}

int raft_transport_open(const struct raft_transport_config *config,
                        struct raft_transport **ret_transport, struct error *reterr)
{
    assert(strlen(config->listen_host) < NET_HOST_MAX);
    struct raft_transport *transport = alloc_zeroed(sizeof(*transport));
    transport->loop = config->loop;
    transport->env = config->env;
    transport->id = config->id;
    transport->cluster_id = config->cluster_id;
    transport->client_tls = config->client_tls;
    list_init(&transport->incoming);
    int result = add_peers(transport, config, reterr);
    struct net_address address = {.port = config->listen_port};
    memcpy(address.host, config->listen_host, strlen(config->listen_host) + 1);
    struct net_listen_options options = {
        .loops = &transport->loop,
        .loop_count = 1,
        .address = &address,
        .tls = config->server_tls,
        .on_stream = on_stream,
        .data = transport,
    };
    if (result == 0) {
        result = net_listen(&options, &transport->listener, reterr);
    }
    if (result < 0) {
        free(transport->peers);
        free(transport);
        return result;
    }
    env_uv_set_transport(config->env, transport_send, transport);
    for (size_t i = 0; i < transport->peer_count; i++) {
        dial(&transport->peers[i]);
    }
    *ret_transport = transport;
    return 0;
}

void raft_transport_attach(struct raft_transport *transport, struct raft_node *node)
{
    transport->node = node;
}

static void on_listener_closed(void *data)
{
    struct raft_transport *transport = data;
    void (*closed)(void *) = transport->closed;
    void *closed_data = transport->closed_data;
    free(transport->peers);
    free(transport);
    if (closed != NULL) {
        closed(closed_data);
    }
}

void raft_transport_close(struct raft_transport *transport, void (*closed)(void *data), void *data)
{
    transport->closed = closed;
    transport->closed_data = data;
    env_uv_set_transport(transport->env, NULL, NULL);
    for (size_t i = 0; i < transport->peer_count; i++) {
        struct outgoing *peer = &transport->peers[i];
        loop_timer_stop(transport->loop, &peer->retry);
        if (peer->connect != NULL) {
            net_connect_cancel(TAKE(peer->connect));
        }
        if (peer->stream != NULL) {
            net_stream_close(TAKE(peer->stream), NULL, NULL);
        }
    }
    LIST_FOREACH(node, next_node, &transport->incoming)
    {
        incoming_close(LIST_ENTRY(node, struct incoming, link));
    }
    net_listener_close(TAKE(transport->listener), on_listener_closed, transport);
}
