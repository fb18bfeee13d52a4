/* Connecting: name, socket, TLS, under one timeout. Addresses of a name are tried in turn. */
#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "lib/net/limits.h"
#include "lib/net/stream_pair.h"
#include "lib/net/stream_private.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

struct net_connect {
    struct loop *loop;
    struct net_address address;
    struct tls_config *tls;
    char server_name[NET_HOST_MAX];
    net_connected connected;
    void *data;
    uv_getaddrinfo_t resolve;
    bool resolving; /* on_start() or on_resolved() is still to come. */
    bool resolve_started;
    struct addrinfo *addresses;
    const struct addrinfo *next;
    uv_poll_t poll;
    bool polling;
    int fd;
    struct net_stream *stream;
    struct net_stream *base; /* To be used instead; until then. */
    struct loop_timer timeout;
    int status; /* What the last attempt said. */
    bool over;  /* The callback has run or must not. */
};

static void try_next(struct net_connect *attempt);

static void connect_free(struct net_connect *attempt)
{
    if (attempt->resolving || attempt->polling) {
        return; /* Their callbacks come here again. */
    }
    if (attempt->base != NULL) {
        net_stream_close(attempt->base, NULL, NULL);
    }
    if (attempt->addresses != NULL) {
        uv_freeaddrinfo(attempt->addresses);
    }
    tls_config_unref(attempt->tls);
    free(attempt);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct net_connect *attempt = handle->data;
    attempt->polling = false;
    if (attempt->fd >= 0) {
        close(attempt->fd);
        attempt->fd = -1;
    }
    if (attempt->over) {
        connect_free(attempt);
    } else {
        try_next(attempt);
    }
}

static void stop_poll(struct net_connect *attempt)
{
    if (attempt->polling && !uv_is_closing((uv_handle_t *)&attempt->poll)) {
        uv_close((uv_handle_t *)&attempt->poll, on_poll_closed);
    }
}

/* Ends it: the stream goes to the caller (status 0), or is closed. */
static void finish(struct net_connect *attempt, int status, const char *message)
{
    assert(!attempt->over);
    attempt->over = true;
    loop_timer_stop(attempt->loop, &attempt->timeout);
    struct net_stream *stream = TAKE(attempt->stream);
    if (status != 0 && stream != NULL) {
        net_stream_close(stream, NULL, NULL);
        stream = NULL;
    }
    attempt->connected(attempt->data, status, message, stream);
    stop_poll(attempt);
    if (attempt->resolve_started && attempt->resolving) {
        uv_cancel((uv_req_t *)&attempt->resolve);
    }
    connect_free(attempt);
}

static void fail(struct net_connect *attempt, int status, const char *what)
{
    char message[NET_HOST_MAX + 600];
    snprintf(message, sizeof(message), "%s:%u: %s", attempt->address.host, attempt->address.port,
             what);
    finish(attempt, status, message);
}

static void on_timeout(void *data)
{
    fail(data, -ETIMEDOUT, "connection timed out");
}

static void on_handshake(void *data, int status, const char *message)
{
    struct net_connect *attempt = data;
    if (status != 0) {
        fail(attempt, status, message);
    } else {
        finish(attempt, 0, "");
    }
}

static void on_socket(struct net_connect *attempt)
{
    bool is_unix = net_address_is_unix(&attempt->address);
    char name[64];
    snprintf(name, sizeof(name), "%.50s:%u", attempt->address.host, attempt->address.port);
    int fd = attempt->fd;
    attempt->fd = -1;
    int status =
        net_stream_adopt(attempt->loop, fd, is_unix, is_unix ? "unix" : name, &attempt->stream);
    if (status != 0) {
        fail(attempt, status, strerror(-status));
    } else if (attempt->tls != NULL) {
        net_stream_handshake(attempt->stream, attempt->tls, attempt->server_name, on_handshake,
                             attempt);
    } else {
        finish(attempt, 0, "");
    }
}

static void on_poll_handed_over(uv_handle_t *handle)
{
    struct net_connect *attempt = handle->data;
    attempt->polling = false;
    if (attempt->over) {
        if (attempt->fd >= 0) {
            close(attempt->fd);
        }
        connect_free(attempt);
    } else {
        on_socket(attempt);
    }
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct net_connect *attempt = poll->data;
    int code = 0;
    socklen_t len = sizeof(code);
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &code, &len) != 0) {
        code = errno;
    }
    if (code == 0) {
        code = -status; /* libuv says EBADF of any error: the socket knows which. */
    }
    uv_poll_stop(poll);
    if (code != 0) {
        attempt->status = -code;
        uv_close((uv_handle_t *)poll, on_poll_closed);
    } else {
        uv_close((uv_handle_t *)poll, on_poll_handed_over);
    }
}

/* Starts one attempt. 0, or a negative errno when it failed at once. */
static int start(struct net_connect *attempt, int family, const struct sockaddr *name,
                 socklen_t len)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    /* An interrupted connect goes on by itself, as one in progress does. */
    int status = connect(fd, name, len) == 0 || errno == EINTR ? 0 : -errno;
    if (status != 0 && status != -EINPROGRESS) {
        close(fd);
        return status;
    }
    attempt->fd = fd;
    status = uv_poll_init(loop_uv(attempt->loop), &attempt->poll, fd);
    assert(status == 0);
    attempt->poll.data = attempt;
    attempt->polling = true;
    uv_poll_start(&attempt->poll, UV_WRITABLE, on_writable);
    return 0;
}

static void try_next(struct net_connect *attempt)
{
    while (attempt->next != NULL) {
        const struct addrinfo *at = attempt->next;
        attempt->next = at->ai_next;
        int status = start(attempt, at->ai_family, at->ai_addr, at->ai_addrlen);
        if (status == 0) {
            return;
        }
        attempt->status = status;
    }
    fail(attempt, attempt->status, strerror(-attempt->status));
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct net_connect *attempt = request->data;
    attempt->resolving = false;
    attempt->addresses = addresses;
    if (attempt->over) {
        connect_free(attempt);
    } else if (status != 0) {
        fail(attempt, -EHOSTUNREACH, uv_strerror(status));
    } else {
        attempt->next = addresses;
        attempt->status = -EHOSTUNREACH;
        try_next(attempt);
    }
}

static void start_unix(struct net_connect *attempt)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t len = strlen(attempt->address.host);
    if (len >= sizeof(name.sun_path)) {
        fail(attempt, -ENAMETOOLONG, "too long for a unix socket");
        return;
    }
    memcpy(name.sun_path, attempt->address.host, len + 1);
    int status = start(attempt, AF_UNIX, (const struct sockaddr *)&name, sizeof(name));
    if (status != 0) {
        fail(attempt, status, strerror(-status));
    }
}

static void free_pair(void *data)
{
    free(data);
}

/* Over another stream: a pair of sockets makes it one like all others, TLS included, for the price
 * of a copy. */
static void start_over(struct net_connect *attempt)
{
    int fds[2];
    struct stream_pair *pair = alloc_zeroed(sizeof(*pair));
    pair->one = TAKE(attempt->base);
    pair->ended = free_pair;
    pair->data = pair;
    int status =
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0 ? 0 : -errno;
    if (status == 0) {
        attempt->fd = fds[0];
        status =
            net_stream_adopt(attempt->loop, fds[1], /* is_unix= */ true, "tunnel", &pair->other);
    }
    if (status < 0) {
        if (attempt->fd >= 0) {
            close(attempt->fd);
            attempt->fd = -1;
        }
        net_stream_close(pair->one, NULL, NULL);
        free(pair);
        fail(attempt, status, strerror(-status));
        return;
    }
    stream_pair_start(pair);
    on_socket(attempt);
}

/* "0177.0.0.1", "127.1", "0x7f000001": the C library reads them as addresses, and others as other
 * ones, or as names. Who has checked one has not checked where this would go (as hosts in the URL
 * Standard: what ends in a number is an address). */
static bool is_disguised_address(const char *host)
{
    uint8_t address[16];
    if (strchr(host, ':') != NULL || inet_pton(AF_INET, host, address) == 1) {
        return false;
    }
    size_t len = strlen(host);
    len -= len > 0 && host[len - 1] == '.' ? 1 : 0;
    size_t begin = len;
    while (begin > 0 && host[begin - 1] != '.') {
        begin--;
    }
    bool hex = len - begin >= 2 && host[begin] == '0' && (host[begin + 1] | 0x20) == 'x';
    return begin < len && (hex || strspn(host + begin, "0123456789") >= len - begin);
}

/* The first step runs from the loop, so that `connected` never runs inside net_stream_connect(). */
static void on_start(void *data)
{
    struct net_connect *attempt = data;
    attempt->resolving = false;
    if (attempt->over) {
        connect_free(attempt);
        return;
    }
    if (attempt->base != NULL) {
        start_over(attempt);
        return;
    }
    if (net_address_is_unix(&attempt->address)) {
        start_unix(attempt);
        return;
    }
    if (is_disguised_address(attempt->address.host)) {
        fail(attempt, -EINVAL, "a number that is not written as an address");
        return;
    }
    char port[8];
    snprintf(port, sizeof(port), "%u", attempt->address.port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    attempt->resolve.data = attempt;
    int status = uv_getaddrinfo(loop_uv(attempt->loop), &attempt->resolve, on_resolved,
                                attempt->address.host, port, &hints);
    if (status != 0) {
        fail(attempt, status, uv_strerror(status));
        return;
    }
    attempt->resolving = true;
    attempt->resolve_started = true;
}

struct net_connect *net_stream_connect(struct loop *loop, const struct net_connect_options *options,
                                       net_connected connected, void *data)
{
    struct net_connect *attempt = alloc_zeroed(sizeof(*attempt));
    attempt->loop = loop;
    attempt->address = *options->address;
    attempt->base = options->base_consume;
    attempt->tls = options->tls == NULL ? NULL : tls_config_ref(options->tls);
    snprintf(attempt->server_name, sizeof(attempt->server_name), "%s",
             options->server_name != NULL ? options->server_name : options->address->host);
    attempt->connected = connected;
    attempt->data = data;
    attempt->fd = -1;
    attempt->timeout.fire = on_timeout;
    attempt->timeout.data = attempt;
    attempt->resolving = true; /* Until on_start(): keeps it alive when cancelled at once. */
    loop_timer_start(loop, &attempt->timeout,
                     options->timeout_ms == 0 ? NET_CONNECT_TIMEOUT_MS : options->timeout_ms);
    loop_post(loop, on_start, attempt);
    return attempt;
}

void net_connect_cancel(struct net_connect *attempt)
{
    assert(!attempt->over);
    attempt->over = true;
    loop_timer_stop(attempt->loop, &attempt->timeout);
    if (attempt->stream != NULL) {
        net_stream_close(TAKE(attempt->stream), NULL, NULL);
    }
    stop_poll(attempt);
    if (attempt->resolve_started && attempt->resolving) {
        uv_cancel((uv_req_t *)&attempt->resolve); /* Too late: it comes with a result. */
    }
    connect_free(attempt);
}

const char *net_error_words(struct arena *arena, int status, const char *message)
{
    const char *what = strstr(message, ": ");
    int address = what == NULL ? 0 : (int)(what - message);
    switch (status) {
    case -ECONNREFUSED:
        return arena_printf(arena, "dial tcp %.*s: connect: connection refused", address, message);
    case -EHOSTUNREACH:
        return arena_printf(arena, "dial tcp %.*s: connect: no route to host", address, message);
    case -ENETUNREACH:
        return arena_printf(arena, "dial tcp %.*s: connect: network is unreachable", address,
                            message);
    case -ETIMEDOUT:
        return "context deadline exceeded";
    case -ECONNRESET:
        return "EOF";
    case -EPROTO: /* Of a certificate Go does not say whose. */
        return what != NULL && strncmp(what + 2, "tls: ", 5) == 0 ? what + 2 : message;
    default:
        return message;
    }
}
