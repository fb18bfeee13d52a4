#include "agent/network/dns_server.h"

#include "agent/network/dns_answer.h"
#include "agent/network/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <uv.h>

enum { UPSTREAMS_MAX = 8, TCP_LENGTH_BYTES = 2, TCP_BACKLOG = 64 };

struct dns_server {
    uv_loop_t *loop;
    const struct service_table *table;
    char *domain;
    struct in_addr upstreams[UPSTREAMS_MAX];
    size_t upstream_count;
    uint16_t upstream_port;
    uv_udp_t udp;
    uv_tcp_t tcp;
    struct list connections; /* struct dns_connection */
    size_t connection_count;
    struct list pending; /* struct dns_pending */
    size_t pending_count;
    size_t handles_open; /* Every handle of the server, its connections and queries. */
    uint8_t datagram[DNS_MESSAGE_BYTES_MAX];
    bool closing;
    void (*closed)(void *data);
    void *closed_data;
};

/* One TCP client. Answers queries one after the other (RFC 7766 allows it). */
struct dns_connection {
    struct dns_server *server;
    uv_tcp_t tcp;
    uv_timer_t idle;
    struct list link;
    struct buffer input;
    int handles_open;
    bool waiting; /* A query of it is with the upstream; reading is stopped. */
    bool closing;
};

/* One query that the upstream was asked. It has a socket of its own: a port that nobody can guess
 * is half of what keeps forged answers out (RFC 5452). */
struct dns_pending {
    struct dns_server *server;
    uv_udp_t udp;
    uv_timer_t timer;
    struct list link;
    int handles_open;
    unsigned tries;
    struct sockaddr_in client;         /* For UDP. */
    struct dns_connection *connection; /* For TCP; NULL for UDP or when it has gone. */
    bool from_tcp;
    uint8_t client_id[2];
    uint8_t upstream_id[2];
    size_t query_len;
    uint8_t *query;
    uint8_t answer[DNS_MESSAGE_BYTES_MAX];
};

static void server_handle_closed(struct dns_server *server)
{
    assert(server->handles_open > 0);
    if (--server->handles_open > 0 || !server->closing) {
        return;
    }
    void (*closed)(void *) = server->closed;
    void *data = server->closed_data;
    free(server->domain);
    free(server);
    if (closed != NULL) {
        closed(data);
    }
}

/* ---- answers out ---- */

struct datagram_out {
    uv_udp_send_t request;
    uint8_t *bytes;
};

static void on_datagram_sent(uv_udp_send_t *request, int status)
{
    (void)status; /* A lost answer is asked for again. */
    struct datagram_out *out = request->data;
    free(out->bytes);
    free(out);
}

static void send_datagram(uv_udp_t *udp, const struct sockaddr_in *to, struct slice bytes)
{
    struct datagram_out *out = alloc_zeroed(sizeof(*out));
    out->bytes = (uint8_t *)alloc_text_n((const char *)bytes.data, bytes.len);
    out->request.data = out;
    uv_buf_t buf = uv_buf_init((char *)out->bytes, (unsigned)bytes.len);
    const struct sockaddr *address = (const struct sockaddr *)(const void *)to;
    if (uv_udp_send(&out->request, udp, &buf, 1, address, on_datagram_sent) < 0) {
        on_datagram_sent(&out->request, 0);
    }
}

struct tcp_out {
    uv_write_t request;
    uint8_t *bytes;
};

static void on_tcp_sent(uv_write_t *request, int status)
{
    (void)status; /* A broken connection shows on its reading side. */
    struct tcp_out *out = request->data;
    free(out->bytes);
    free(out);
}

static void send_tcp(struct dns_connection *connection, struct slice bytes)
{
    struct tcp_out *out = alloc_zeroed(sizeof(*out));
    out->bytes = alloc_bytes(bytes.len + TCP_LENGTH_BYTES);
    out->bytes[0] = (uint8_t)(bytes.len >> 8);
    out->bytes[1] = (uint8_t)bytes.len;
    memcpy(out->bytes + TCP_LENGTH_BYTES, bytes.data, bytes.len);
    out->request.data = out;
    uv_buf_t buf = uv_buf_init((char *)out->bytes, (unsigned)(bytes.len + TCP_LENGTH_BYTES));
    if (uv_write(&out->request, (uv_stream_t *)&connection->tcp, &buf, 1, on_tcp_sent) < 0) {
        on_tcp_sent(&out->request, 0);
    }
}

/* ---- upstream ---- */

static void connection_continue(struct dns_connection *connection);

static void on_pending_handle_closed(uv_handle_t *handle)
{
    struct dns_pending *pending = handle->data;
    struct dns_server *server = pending->server;
    if (--pending->handles_open == 0) {
        free(pending->query);
        free(pending);
    }
    server_handle_closed(server);
}

static void pending_close(struct dns_pending *pending)
{
    if (!list_linked(&pending->link)) {
        return;
    }
    list_remove(&pending->link);
    pending->server->pending_count--;
    uv_close((uv_handle_t *)&pending->udp, on_pending_handle_closed);
    uv_close((uv_handle_t *)&pending->timer, on_pending_handle_closed);
}

static void pending_answer(struct dns_pending *pending, struct slice bytes)
{
    struct dns_connection *connection = pending->connection;
    if (!pending->from_tcp) {
        send_datagram(&pending->server->udp, &pending->client, bytes);
    } else if (connection != NULL) {
        send_tcp(connection, bytes);
        connection->waiting = false;
        connection_continue(connection);
    }
    pending_close(pending);
}

static void pending_fail(struct dns_pending *pending)
{
    CLEANUP(buffer_release) struct buffer answer;
    buffer_init(&answer, DNS_MESSAGE_BYTES_MAX);
    memcpy(pending->query, pending->client_id, sizeof(pending->client_id));
    if (dns_answer_failure(slice_of(pending->query, pending->query_len), &answer)) {
        pending_answer(pending, buffer_slice(&answer));
    } else {
        pending_close(pending);
    }
}

static void pending_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct dns_pending *pending = handle->data;
    *buf = uv_buf_init((char *)pending->answer, sizeof(pending->answer));
}

static void on_upstream_answer(uv_udp_t *udp, ssize_t size, const uv_buf_t *buf,
                               const struct sockaddr *from, unsigned flags)
{
    struct dns_pending *pending = udp->data;
    if (size < 2 || from == NULL || (flags & UV_UDP_PARTIAL) != 0 ||
        memcmp(buf->base, pending->upstream_id, sizeof(pending->upstream_id)) != 0) {
        return;
    }
    memcpy(pending->answer, pending->client_id, sizeof(pending->client_id));
    pending_answer(pending, slice_of(pending->answer, (size_t)size));
}

static void pending_try(struct dns_pending *pending);

static void on_upstream_timeout(uv_timer_t *timer)
{
    struct dns_pending *pending = timer->data;
    if (pending->tries >= DNS_UPSTREAM_TRIES) {
        pending_fail(pending);
        return;
    }
    pending_try(pending);
}

static void pending_try(struct dns_pending *pending)
{
    struct dns_server *server = pending->server;
    struct sockaddr_in upstream = {
        .sin_family = AF_INET,
        .sin_port = htons(server->upstream_port),
        .sin_addr = server->upstreams[pending->tries++ % server->upstream_count],
    };
    /* Connected, so that the kernel takes answers from that address and port only. */
    (void)uv_udp_connect(&pending->udp, NULL);
    (void)uv_timer_start(&pending->timer, on_upstream_timeout,
                         DNS_UPSTREAM_TIMEOUT_MS / DNS_UPSTREAM_TRIES, 0);
    uv_buf_t buf = uv_buf_init((char *)pending->query, (unsigned)pending->query_len);
    const struct sockaddr *address = (const struct sockaddr *)(const void *)&upstream;
    if (uv_udp_connect(&pending->udp, address) < 0) {
        return; /* The timer tries the next one. */
    }
    (void)uv_udp_try_send(&pending->udp, &buf, 1, NULL); /* Lost: the timer tries again. */
    (void)uv_udp_recv_start(&pending->udp, pending_buffer, on_upstream_answer);
}

/* Asks the upstream; the answer goes to `client`, or to `connection` when that is not NULL. */
static bool forward(struct dns_server *server, struct slice query, const struct sockaddr_in *client,
                    struct dns_connection *connection)
{
    if (server->upstream_count == 0 || server->pending_count >= DNS_PENDING_MAX) {
        return false;
    }
    struct dns_pending *pending = alloc_zeroed(sizeof(*pending));
    pending->server = server;
    pending->connection = connection;
    pending->from_tcp = connection != NULL;
    if (client != NULL) {
        pending->client = *client;
    }
    pending->query = (uint8_t *)alloc_text_n((const char *)query.data, query.len);
    pending->query_len = query.len;
    memcpy(pending->client_id, query.data, sizeof(pending->client_id));
    if (uv_random(NULL, NULL, pending->upstream_id, sizeof(pending->upstream_id), 0, NULL) < 0 ||
        uv_udp_init(server->loop, &pending->udp) < 0) {
        free(pending->query);
        free(pending);
        return false;
    }
    memcpy(pending->query, pending->upstream_id, sizeof(pending->upstream_id));
    (void)uv_timer_init(server->loop, &pending->timer); /* Cannot fail. */
    pending->udp.data = pending;
    pending->timer.data = pending;
    pending->handles_open = 2;
    server->handles_open += 2;
    list_init(&pending->link);
    list_push_back(&server->pending, &pending->link);
    server->pending_count++;
    pending_try(pending);
    return true;
}

/* ---- queries in: UDP ---- */

static void udp_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct dns_server *server = handle->data;
    *buf = uv_buf_init((char *)server->datagram, sizeof(server->datagram));
}

static void on_datagram(uv_udp_t *udp, ssize_t size, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    struct dns_server *server = udp->data;
    if (size <= 0 || from == NULL || from->sa_family != AF_INET || (flags & UV_UDP_PARTIAL) != 0) {
        return;
    }
    const struct sockaddr_in *client = (const struct sockaddr_in *)(const void *)from;
    struct slice query = slice_of(buf->base, (size_t)size);
    CLEANUP(buffer_release) struct buffer answer;
    buffer_init(&answer, DNS_MESSAGE_BYTES_MAX);
    switch (dns_answer(server->table, server->domain, query, DNS_UDP_BYTES_DEFAULT, &answer)) {
    case DNS_ANSWERED:
        send_datagram(udp, client, buffer_slice(&answer));
        break;
    case DNS_FORWARD:
        if (!forward(server, query, client, NULL) && dns_answer_failure(query, &answer)) {
            send_datagram(udp, client, buffer_slice(&answer));
        }
        break;
    case DNS_DROP:
        break;
    }
}

/* ---- queries in: TCP ---- */

static void on_connection_handle_closed(uv_handle_t *handle)
{
    struct dns_connection *connection = handle->data;
    struct dns_server *server = connection->server;
    if (--connection->handles_open == 0) {
        buffer_release(&connection->input);
        free(connection);
    }
    server_handle_closed(server);
}

static void connection_close(struct dns_connection *connection)
{
    if (connection->closing) {
        return;
    }
    connection->closing = true;
    LIST_FOREACH(node, next_node, &connection->server->pending)
    {
        struct dns_pending *pending = LIST_ENTRY(node, struct dns_pending, link);
        if (pending->connection == connection) {
            pending->connection = NULL;
        }
    }
    list_remove(&connection->link);
    connection->server->connection_count--;
    uv_close((uv_handle_t *)&connection->tcp, on_connection_handle_closed);
    uv_close((uv_handle_t *)&connection->idle, on_connection_handle_closed);
}

static void on_connection_idle(uv_timer_t *timer)
{
    connection_close(timer->data);
}

static void connection_query(struct dns_connection *connection, struct slice query)
{
    struct dns_server *server = connection->server;
    CLEANUP(buffer_release) struct buffer answer;
    buffer_init(&answer, DNS_MESSAGE_BYTES_MAX);
    switch (dns_answer(server->table, server->domain, query, DNS_MESSAGE_BYTES_MAX, &answer)) {
    case DNS_ANSWERED:
        send_tcp(connection, buffer_slice(&answer));
        break;
    case DNS_FORWARD:
        connection->waiting = forward(server, query, NULL, connection);
        if (!connection->waiting && dns_answer_failure(query, &answer)) {
            send_tcp(connection, buffer_slice(&answer));
        }
        break;
    case DNS_DROP:
        connection_close(connection);
        break;
    }
}

/* Answers the queries that have arrived whole, until one has to wait for the upstream. */
static void connection_continue(struct dns_connection *connection)
{
    struct buffer *input = &connection->input;
    while (!connection->waiting && !connection->closing && input->len >= TCP_LENGTH_BYTES) {
        size_t len = (size_t)input->data[0] << 8 | input->data[1];
        if (input->len < TCP_LENGTH_BYTES + len) {
            return;
        }
        connection_query(connection, slice_of(input->data + TCP_LENGTH_BYTES, len));
        buffer_consume(input, TCP_LENGTH_BYTES + len);
    }
}

static void connection_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct dns_connection *connection = handle->data;
    size_t room = connection->input.max - connection->input.len;
    size_t want = room < 4096 ? room : 4096;
    uint8_t *bytes = want == 0 ? NULL : buffer_reserve(&connection->input, want);
    *buf = uv_buf_init((char *)bytes, bytes == NULL ? 0 : (unsigned)want);
}

static void on_connection_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    (void)buf;
    struct dns_connection *connection = stream->data;
    if (size < 0) { /* End of stream, an error, or more queued than one message (UV_ENOBUFS). */
        connection_close(connection);
        return;
    }
    buffer_commit(&connection->input, (size_t)size);
    (void)uv_timer_start(&connection->idle, on_connection_idle, DNS_TCP_IDLE_MS, 0);
    connection_continue(connection);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct dns_server *server = listener->data;
    if (status < 0) {
        return;
    }
    struct dns_connection *connection = alloc_zeroed(sizeof(*connection));
    connection->server = server;
    buffer_init(&connection->input, 2 * (DNS_MESSAGE_BYTES_MAX + TCP_LENGTH_BYTES));
    (void)uv_tcp_init(server->loop, &connection->tcp);    /* Cannot fail without a socket. */
    (void)uv_timer_init(server->loop, &connection->idle); /* Cannot fail. */
    connection->tcp.data = connection;
    connection->idle.data = connection;
    connection->handles_open = 2;
    server->handles_open += 2;
    list_init(&connection->link);
    list_push_back(&server->connections, &connection->link);
    server->connection_count++;
    (void)uv_timer_start(&connection->idle, on_connection_idle, DNS_TCP_IDLE_MS, 0);
    /* Over the limit it is accepted and closed: libuv stops listening when nobody accepts. */
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) < 0 ||
        server->connection_count > DNS_TCP_CONNECTIONS_MAX ||
        uv_read_start((uv_stream_t *)&connection->tcp, connection_buffer, on_connection_read) < 0) {
        connection_close(connection);
    }
}

/* ---- life ---- */

static void on_server_handle_closed(uv_handle_t *handle)
{
    server_handle_closed(handle->data);
}

static int listen_on(struct dns_server *server, const struct dns_server_config *config)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(config->port), .sin_addr = config->address};
    const struct sockaddr *local = (const struct sockaddr *)(const void *)&address;
    int result = uv_udp_bind(&server->udp, local, UV_UDP_REUSEADDR);
    if (result == 0) {
        result = uv_udp_recv_start(&server->udp, udp_buffer, on_datagram);
    }
    if (result == 0) {
        result = uv_tcp_bind(&server->tcp, local, 0);
    }
    if (result == 0) {
        result = uv_listen((uv_stream_t *)&server->tcp, TCP_BACKLOG, on_connection);
    }
    return result;
}

int dns_server_open(const struct dns_server_config *config, struct dns_server **ret_server,
                    struct error *reterr)
{
    struct dns_server *server = alloc_zeroed(sizeof(*server));
    server->loop = config->loop;
    server->table = config->table;
    server->domain = alloc_text(config->domain);
    server->upstream_port = config->upstream_port;
    server->upstream_count =
        config->upstream_count < UPSTREAMS_MAX ? config->upstream_count : UPSTREAMS_MAX;
    if (server->upstream_count > 0) {
        memcpy(server->upstreams, config->upstreams,
               server->upstream_count * sizeof(*config->upstreams));
    }
    list_init(&server->connections);
    list_init(&server->pending);
    (void)uv_udp_init(config->loop, &server->udp); /* Both cannot fail without a socket. */
    (void)uv_tcp_init(config->loop, &server->tcp);
    server->udp.data = server;
    server->tcp.data = server;
    server->handles_open = 2;
    int result = listen_on(server, config);
    if (result < 0) {
        char text[INET_ADDRSTRLEN];
        (void)inet_ntop(AF_INET, &config->address, text, sizeof(text));
        result = error_set(reterr, result, "cannot listen for DNS on %s:%u: %s", text, config->port,
                           uv_strerror(result));
        dns_server_close(server, NULL, NULL);
        return result;
    }
    *ret_server = server;
    return 0;
}

void dns_server_close(struct dns_server *server, void (*closed)(void *data), void *data)
{
    assert(!server->closing);
    server->closing = true;
    server->closed = closed;
    server->closed_data = data;
    LIST_FOREACH(pending_node, pending_next, &server->pending)
    {
        pending_close(LIST_ENTRY(pending_node, struct dns_pending, link));
    }
    LIST_FOREACH(node, next_node, &server->connections)
    {
        connection_close(LIST_ENTRY(node, struct dns_connection, link));
    }
    uv_close((uv_handle_t *)&server->udp, on_server_handle_closed);
    uv_close((uv_handle_t *)&server->tcp, on_server_handle_closed);
}

static bool parse_nameserver(struct slice line, struct in_addr *ret_address)
{
    static const char key[] = "nameserver";
    size_t at = sizeof(key) - 1;
    if (!slice_starts_with(line, slice_text(key)) || line.len <= at ||
        (line.data[at] != ' ' && line.data[at] != '\t')) {
        return false;
    }
    while (at < line.len && (line.data[at] == ' ' || line.data[at] == '\t')) {
        at++;
    }
    char text[INET_ADDRSTRLEN] = "";
    size_t len = 0;
    while (at < line.len && line.data[at] > ' ' && len + 1 < sizeof(text)) {
        text[len++] = (char)line.data[at++];
    }
    return inet_pton(AF_INET, text, ret_address) == 1 && (ntohl(ret_address->s_addr) >> 24) != 127;
}

size_t dns_upstreams_parse(struct slice resolv_conf, struct in_addr *ret_upstreams, size_t max)
{
    size_t count = 0;
    size_t start = 0;
    while (start < resolv_conf.len && count < max) {
        size_t end = start;
        while (end < resolv_conf.len && resolv_conf.data[end] != '\n') {
            end++;
        }
        if (parse_nameserver(slice_of(resolv_conf.data + start, end - start),
                             &ret_upstreams[count])) {
            count++;
        }
        start = end + 1;
    }
    return count;
}
