#include "raft/transport.h"

#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/env_uv.h"
#include "lib/base/log.h"
#include "lib/base/url_list.h"
#include "lib/net/closer.h"
#include "lib/net/stream.h"
#include "raft/limits.h"
#include "raft/node.h"
#include "raft/peer_certificate.h"
#include "raft/peer_frame.h"
#include "raft/peer_metrics.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* On the wire: the side that dials sends a greeting, then frames. So two members have two
 * connections, one for each direction, and neither needs an agreement on which to keep. The other
 * side sends frames on it only to who is no member here (yet, or any more): it has nobody to dial.
 */
enum {
    RECONNECT_MS_MIN = 50,
    RECONNECT_MS_MAX = 1000,
    CONNECT_TIMEOUT_MS = 1000,
    ROUND_TRIP_MS = 3000,                /* Between two looks at the round trips. */
    INCOMING_MAX = 4 * RAFT_MEMBERS_MAX, /* Old ones are replaced as members dial again. */
};

struct outgoing {
    struct raft_transport *transport;
    struct list link;
    uint64_t id;
    char name[RAFT_NAME_MAX];
    char url[RAFT_URL_MAX];
    struct net_address addresses[URL_LIST_MAX];
    bool tls[URL_LIST_MAX];
    size_t address_count;
    size_t current;              /* Of them: the next one after each that failed. */
    struct net_connect *connect; /* While dialling. */
    struct net_stream *stream;   /* While connected. */
    struct buffer input;
    struct loop_timer retry;
    uint32_t retry_ms;
    struct peer_metrics metrics;
    bool reported; /* "Cannot reach" was logged since it was last connected. */
};

struct incoming {
    struct raft_transport *transport;
    struct net_stream *stream;
    struct list link;
    struct buffer input;
    uint64_t from; /* 0 before the greeting. */
    bool answered; /* It only asked who the members are: nothing else is expected. */
};

struct raft_transport {
    struct loop *loop;
    struct env_uv *env;
    uint64_t id;
    uint64_t cluster_id;
    struct tls_config *client_tls;
    struct metrics *metrics;
    struct loop_timer round_trips;
    struct raft_node *node; /* NULL: received messages are dropped. */
    struct net_listener *listeners[URL_LIST_MAX];
    size_t listener_count;
    struct list peers;
    struct raft_status *status; /* With the members to follow. */
    struct loop_timer follow;
    struct list incoming;
    size_t incoming_count;
    struct closer closer;
    void (*closed)(void *data);
    void *closed_data;
};

/* ---- outgoing ---- */

static void dial(void *data);

static void dial_later(struct outgoing *peer)
{
    loop_timer_start(peer->transport->loop, &peer->retry, peer->retry_ms);
    peer->retry_ms = peer->retry_ms * 2 < RECONNECT_MS_MAX ? peer->retry_ms * 2 : RECONNECT_MS_MAX;
}

static void outgoing_end(struct outgoing *peer, const char *reason)
{
    LOG_INFO("raft", "connection to a member has ended", KV_TEXT("member", peer->name),
             KV_TEXT("reason", reason));
    net_stream_close(TAKE(peer->stream), NULL, NULL);
    buffer_clear(&peer->input);
    dial_later(peer);
}

static void on_outgoing_end(void *data, int status)
{
    outgoing_end(data, status == 0 ? "closed by it" : strerror(-status));
}

struct talker { /* Whose messages the frames are. */
    struct raft_transport *transport;
    uint64_t id;
};

static void hand_in(void *data, struct slice message)
{
    const struct talker *talker = data;
    if (talker->transport->node != NULL) {
        raft_receive(talker->transport->node, talker->id, message);
    }
}

static int take_bytes(struct raft_transport *transport, uint64_t from, struct buffer *before,
                      struct slice bytes)
{
    struct talker talker = {.transport = transport, .id = from};
    return peer_frames_take(before, bytes, hand_in, &talker);
}

static void on_outgoing_read(void *data, struct slice bytes)
{
    struct outgoing *peer = data;
    if (take_bytes(peer->transport, peer->id, &peer->input, bytes) < 0) {
        outgoing_end(peer, "it sent what is no message");
    }
}

static void send_greeting(struct outgoing *peer)
{
    uint8_t greeting[PEER_GREETING_BYTES];
    peer_greeting_write(&(struct peer_greeting){.cluster_id = peer->transport->cluster_id,
                                                .from = peer->transport->id,
                                                .to = peer->id},
                        greeting);
    (void)net_stream_write(peer->stream, slice_of(greeting, sizeof(greeting)));
}

static void on_dialled(void *data, int status, const char *message, struct net_stream *stream)
{
    static const struct net_stream_events events = {
        .on_read = on_outgoing_read,
        .on_end = on_outgoing_end,
    };
    struct outgoing *peer = data;
    peer->connect = NULL;
    if (status == 0 && !peer_is_member(stream)) {
        net_stream_close(stream, NULL, NULL);
        status = -EACCES;
        message = "its certificate is not a member's";
    }
    if (status < 0) {
        if (!peer->reported) {
            LOG_WARN("raft", "cannot reach a member, trying again", KV_TEXT("member", peer->name),
                     KV_TEXT("address", peer->addresses[peer->current].host),
                     KV_U64("port", peer->addresses[peer->current].port),
                     KV_TEXT("reason", message));
        }
        peer->reported = true;
        peer->current = (peer->current + 1) % peer->address_count;
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
        .address = &peer->addresses[peer->current],
        .tls = peer->tls[peer->current] ? peer->transport->client_tls : NULL,
        .timeout_ms = CONNECT_TIMEOUT_MS,
    };
    peer->connect = net_stream_connect(peer->transport->loop, &options, on_dialled, peer);
}

static struct outgoing *find_peer(struct raft_transport *transport, uint64_t id)
{
    LIST_FOREACH(link, next, &transport->peers)
    {
        struct outgoing *peer = LIST_ENTRY(link, struct outgoing, link);
        if (peer->id == id) {
            return peer;
        }
    }
    return NULL;
}

/* The newest connection that it has dialled. */
static struct net_stream *find_guest(struct raft_transport *transport, uint64_t id)
{
    struct net_stream *stream = NULL;
    LIST_FOREACH(link, next, &transport->incoming)
    {
        const struct incoming *incoming = LIST_ENTRY(link, struct incoming, link);
        stream = incoming->from == id ? incoming->stream : stream;
    }
    return stream;
}

static int send_frame(struct net_stream *stream, struct slice message)
{
    if (stream == NULL) {
        return -ENOTCONN;
    }
    if (net_stream_queued(stream) + message.len > RAFT_PEER_QUEUE_BYTES_MAX) {
        return -EAGAIN;
    }
    uint8_t header[PEER_FRAME_HEADER_BYTES];
    peer_frame_header(message.len, header);
    (void)net_stream_write(stream, slice_of(header, sizeof(header)));
    (void)net_stream_write(stream, message);
    return 0;
}

static int transport_send(void *data, uint64_t id, struct slice message)
{
    const struct outgoing *peer = find_peer(data, id);
    if (peer == NULL) {
        return send_frame(find_guest(data, id), message);
    }
    int status = send_frame(peer->stream, message);
    if (status == 0) {
        peer_metrics_sent(&peer->metrics, message.len);
    } else {
        peer_metrics_not_sent(&peer->metrics);
    }
    return status;
}

static void look_at_round_trips(void *data)
{
    struct raft_transport *transport = data;
    LIST_FOREACH(link, next, &transport->peers)
    {
        const struct outgoing *peer = LIST_ENTRY(link, struct outgoing, link);
        if (peer->stream != NULL) {
            peer_metrics_round_trip(&peer->metrics, net_stream_round_trip_us(peer->stream));
        }
    }
    loop_timer_start(transport->loop, &transport->round_trips, ROUND_TRIP_MS);
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

/* Who is no member yet, as far as it knows, is told who is. */
static int answer_asker(struct incoming *incoming)
{
    const struct raft_transport *transport = incoming->transport;
    const struct raft_members *members =
        transport->node == NULL ? NULL : raft_node_known_members(transport->node);
    CLEANUP(buffer_release) struct buffer answer;
    if (members == NULL) {
        return -EAGAIN;
    }
    buffer_init(&answer, RAFT_MESSAGE_MAX);
    peer_members_write(transport->cluster_id, members, &answer);
    incoming->answered = true;
    return send_frame(incoming->stream, buffer_slice(&answer));
}

static int check_greeting(struct incoming *incoming, const uint8_t *bytes)
{
    const struct raft_transport *transport = incoming->transport;
    struct peer_greeting greeting;
    int result = peer_greeting_read(bytes, &greeting);
    if (result == 0 && greeting.asks) {
        return answer_asker(incoming);
    }
    if (result < 0 || greeting.cluster_id != transport->cluster_id ||
        greeting.to != transport->id || greeting.from == transport->id || greeting.from == 0) {
        LOG_WARN("raft", "refused a connection that is not of this cluster",
                 KV_TEXT("address", net_stream_peer_address(incoming->stream)));
        return -EPROTO;
    }
    incoming->from = greeting.from;
    return 0;
}

static int take_input(struct incoming *incoming, struct slice bytes)
{
    struct buffer *input = &incoming->input;
    if (incoming->from == 0) {
        buffer_append_slice(input, bytes);
        bytes = slice_of(NULL, 0);
        if (input->len < PEER_GREETING_BYTES || incoming->answered) {
            return incoming->answered ? -EPROTO : buffer_error(input);
        }
        int result = check_greeting(incoming, input->data);
        if (result < 0 || incoming->answered) {
            return result;
        }
        buffer_consume(input, PEER_GREETING_BYTES);
    }
    return take_bytes(incoming->transport, incoming->from, input, bytes);
}

static void on_incoming_read(void *data, struct slice bytes)
{
    struct incoming *incoming = data;
    const struct outgoing *member = find_peer(incoming->transport, incoming->from);
    if (member != NULL) {
        peer_metrics_received(&member->metrics, bytes.len);
    }
    if (take_input(incoming, bytes) < 0) {
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
    if (!peer_is_member(stream)) {
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

/* ---- members ---- */

static int add_addresses(struct outgoing *peer, const char *urls)
{
    struct slice url;
    while (url_list_next(&urls, &url)) {
        CLEANUP(alloc_freep) char *text = alloc_text_n((const char *)url.data, url.len);
        if (peer->address_count == URL_LIST_MAX ||
            net_address_parse(text, &peer->addresses[peer->address_count]) < 0) {
            return -EINVAL;
        }
        peer->tls[peer->address_count++] = strncmp(text, "http://", 7) != 0;
    }
    return peer->address_count == 0 ? -EINVAL : 0;
}

static int add_peer(struct raft_transport *transport, uint64_t id, const char *name,
                    const char *url, struct error *reterr)
{
    struct outgoing *peer = alloc_zeroed(sizeof(*peer));
    if (add_addresses(peer, url) < 0) {
        free(peer);
        return error_set(reterr, -EINVAL, "peer URL %s: must be https://HOST:PORT", url);
    }
    peer->transport = transport;
    peer->id = id;
    peer->metrics = peer_metrics_of(transport->metrics, id);
    peer->retry_ms = RECONNECT_MS_MIN;
    peer->retry = (struct loop_timer){.fire = dial, .data = peer};
    (void)snprintf(peer->name, sizeof(peer->name), "%s", name == NULL ? "" : name);
    (void)snprintf(peer->url, sizeof(peer->url), "%s", url);
    buffer_init(&peer->input, 2 * (size_t)RAFT_MESSAGE_MAX);
    list_init(&peer->link);
    list_push_back(&transport->peers, &peer->link);
    return 0;
}

static void drop_peer(struct outgoing *peer)
{
    loop_timer_stop(peer->transport->loop, &peer->retry);
    if (peer->connect != NULL) {
        net_connect_cancel(TAKE(peer->connect));
    }
    if (peer->stream != NULL) {
        net_stream_close(TAKE(peer->stream), NULL, NULL);
    }
    buffer_release(&peer->input);
    list_remove(&peer->link);
    free(peer);
}

static void drop_peers(struct raft_transport *transport)
{
    LIST_FOREACH(link, next, &transport->peers)
    {
        drop_peer(LIST_ENTRY(link, struct outgoing, link));
    }
}

static int add_peers(struct raft_transport *transport, const struct raft_transport_config *config,
                     struct error *reterr)
{
    for (size_t i = 0; i < config->peer_count; i++) {
        const struct raft_peer *peer = &config->peers[i];
        if (peer->id != config->id) {
            int result = add_peer(transport, peer->id, peer->name, peer->url, reterr);
            if (result < 0) {
                return result;
            }
        }
    }
    return 0;
}

static const struct raft_member_status *find_member(const struct raft_status *status, uint64_t id)
{
    for (size_t i = 0; i < status->member_count; i++) {
        if (status->members[i].id == id) {
            return &status->members[i];
        }
    }
    return NULL;
}

/* Only members are dialled, each at the URLs that the configuration in force has for it. */
static void follow_members(void *data)
{
    struct raft_transport *transport = data;
    const struct raft_status *status = transport->status;
    LIST_FOREACH(link, next, &transport->peers)
    {
        struct outgoing *peer = LIST_ENTRY(link, struct outgoing, link);
        const struct raft_member_status *member = find_member(status, peer->id);
        if (member == NULL || strcmp(member->url, peer->url) != 0) {
            LOG_INFO("raft", member == NULL ? "no longer a member" : "a member has another URL",
                     KV_TEXT("member", peer->name), KV_ID("id", peer->id),
                     KV_TEXT("url", peer->url));
            drop_peer(peer);
        }
    }
    for (size_t i = 0; i < status->member_count; i++) {
        const struct raft_member_status *member = &status->members[i];
        CLEANUP(error_release) struct error error = {0};
        if (member->id == transport->id || find_peer(transport, member->id) != NULL) {
            continue;
        }
        if (add_peer(transport, member->id, member->name, member->url, &error) < 0) {
            LOG_WARN("raft", "cannot reach a member", KV_TEXT("member", member->name),
                     KV_TEXT("reason", error_message(&error)));
            continue;
        }
        LOG_INFO("raft", "a new member", KV_TEXT("member", member->name), KV_ID("id", member->id),
                 KV_TEXT("url", member->url));
        dial(find_peer(transport, member->id));
    }
}

/* Later: this may run while a connection hands in a message. */
static void on_members_change(void *data, const struct raft_status *status)
{
    struct raft_transport *transport = data;
    *transport->status = *status;
    loop_timer_start(transport->loop, &transport->follow, 0);
}

/* ---- life ---- */

static int listen_everywhere(struct raft_transport *transport,
                             const struct raft_transport_config *config, struct error *reterr)
{
    int result = 0;
    assert(config->listen_count > 0 && config->listen_count <= URL_LIST_MAX);
    for (size_t i = 0; i < config->listen_count && result == 0; i++) {
        const struct net_listen_options options = {
            .loops = &transport->loop,
            .loop_count = 1,
            .address = &config->listen[i],
            .tls = config->server_tls,
            .on_stream = on_stream,
            .data = transport,
        };
        result = net_listen(&options, &transport->listeners[i], reterr);
        transport->listener_count += result == 0 ? 1 : 0;
    }
    return result;
}

int raft_transport_open(const struct raft_transport_config *config,
                        struct raft_transport **ret_transport, struct error *reterr)
{
    struct raft_transport *transport = alloc_zeroed(sizeof(*transport));
    transport->loop = config->loop;
    transport->env = config->env;
    transport->id = config->id;
    transport->cluster_id = config->cluster_id;
    transport->client_tls = config->client_tls;
    transport->metrics = config->metrics;
    transport->round_trips = (struct loop_timer){.fire = look_at_round_trips, .data = transport};
    transport->status = alloc_zeroed(sizeof(*transport->status));
    transport->follow = (struct loop_timer){.fire = follow_members, .data = transport};
    list_init(&transport->incoming);
    list_init(&transport->peers);
    int result = add_peers(transport, config, reterr);
    if (result == 0) {
        result = listen_everywhere(transport, config, reterr);
    }
    if (result < 0) {
        for (size_t i = 0; i < transport->listener_count; i++) {
            net_listener_close(transport->listeners[i], NULL, NULL);
        }
        drop_peers(transport);
        free(transport->status);
        free(transport);
        return result;
    }
    env_uv_set_transport(config->env, transport_send, transport);
    loop_timer_start(transport->loop, &transport->round_trips, ROUND_TRIP_MS);
    LIST_FOREACH(link, next, &transport->peers)
    {
        dial(LIST_ENTRY(link, struct outgoing, link));
    }
    *ret_transport = transport;
    return 0;
}

void raft_transport_attach(struct raft_transport *transport, struct raft_node *node)
{
    transport->node = node;
    raft_on_members_change(node, on_members_change, transport);
}

static void on_listener_closed(void *data)
{
    struct raft_transport *transport = data;
    closer_done(&transport->closer);
}

static void on_all_closed(void *data)
{
    struct raft_transport *transport = data;
    void (*closed)(void *) = transport->closed;
    void *closed_data = transport->closed_data;
    free(transport->status);
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
    loop_timer_stop(transport->loop, &transport->follow);
    loop_timer_stop(transport->loop, &transport->round_trips);
    drop_peers(transport);
    LIST_FOREACH(node, next_node, &transport->incoming)
    {
        incoming_close(LIST_ENTRY(node, struct incoming, link));
    }
    closer_init(&transport->closer, on_all_closed, transport);
    for (size_t i = 0; i < transport->listener_count; i++) {
        closer_add(&transport->closer);
        net_listener_close(transport->listeners[i], on_listener_closed, transport);
    }
    closer_start(&transport->closer);
}
