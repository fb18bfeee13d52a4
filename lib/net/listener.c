/* Accepting. One socket, watched by loops[0], which hands the connections round: an even spread,
 * also of few connections, which SO_REUSEPORT's hashing does not give. */
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/net/limits.h"
#include "lib/net/stream_private.h"
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

enum { LISTEN_BACKLOG = 1024, ACCEPT_RETRY_MS = 100 };

struct net_listener {
    struct loop **loops;
    size_t loop_count;
    size_t next_loop;
    int fd;
    uint16_t port;
    bool is_unix;
    bool closing;
    uv_poll_t poll;
    struct loop_timer retry; /* Out of descriptors: accepting waits a little. */
    struct tls_config *tls;
    void (*on_stream)(void *data, struct net_stream *stream);
    void *data;
    /* Connections on their way to on_stream hold one reference each, the open listener one. */
    atomic_size_t references;
    atomic_bool closed_flag; /* As `closing`, for the other loops. */
    void (*closed)(void *data);
    void *closed_data;
};

/* ---- One connection between accept and on_stream ---- */

struct arrival {
    struct net_listener *listener;
    struct loop *loop;
    struct net_stream *stream;
    int fd;
    char peer_address[64];
};

static void listener_free(void *data)
{
    struct net_listener *listener = data;
    if (listener->closed != NULL) {
        listener->closed(listener->closed_data);
    }
    tls_config_unref(listener->tls);
    free(listener->loops);
    free(listener);
}

static void listener_unref(struct net_listener *listener)
{
    if (atomic_fetch_sub(&listener->references, 1) == 1) {
        loop_post(listener->loops[0], listener_free, listener);
    }
}

static void arrival_end(struct arrival *arrival, bool deliver)
{
    struct net_listener *listener = arrival->listener;
    struct net_stream *stream = arrival->stream;
    free(arrival);
    if (deliver && !atomic_load(&listener->closed_flag)) {
        listener->on_stream(listener->data, stream);
    } else if (stream != NULL) {
        net_stream_close(stream, NULL, NULL);
    }
    listener_unref(listener);
}

static void on_handshake(void *data, int status, const char *message)
{
    struct arrival *arrival = data;
    if (status != 0) {
        LOG_DEBUG("net", "handshake failed", KV_TEXT("peer", arrival->peer_address),
                  KV_TEXT("error", message));
        net_stream_finish(TAKE(arrival->stream)); /* Lets the alert out. */
    }
    arrival_end(arrival, status == 0);
}

static void on_arrival(void *data)
{
    struct arrival *arrival = data;
    struct net_listener *listener = arrival->listener;
    int status = net_stream_adopt(arrival->loop, arrival->fd, listener->is_unix,
                                  arrival->peer_address, &arrival->stream);
    if (status != 0) {
        arrival_end(arrival, /* deliver= */ false);
    } else if (listener->tls != NULL) {
        net_stream_handshake(arrival->stream, listener->tls, NULL, on_handshake, arrival);
    } else {
        arrival_end(arrival, /* deliver= */ true);
    }
}

static void name_of(const struct sockaddr_storage *address, socklen_t len, char *out, size_t size)
{
    char host[48];
    char port[8];
    const struct sockaddr *any = (const struct sockaddr *)address;
    if (address->ss_family == AF_UNIX ||
        getnameinfo(any, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        snprintf(out, size, "unix");
    } else {
        snprintf(out, size, address->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    }
}

static void accept_one(struct net_listener *listener, int fd,
                       const struct sockaddr_storage *address, socklen_t len)
{
    struct arrival *arrival = alloc_zeroed(sizeof(*arrival));
    arrival->listener = listener;
    arrival->fd = fd;
    name_of(address, len, arrival->peer_address, sizeof(arrival->peer_address));
    arrival->loop = listener->loops[listener->next_loop++ % listener->loop_count];
    atomic_fetch_add(&listener->references, 1);
    if (arrival->loop == listener->loops[0]) {
        on_arrival(arrival);
    } else {
        loop_post(arrival->loop, on_arrival, arrival);
    }
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_retry(void *data)
{
    struct net_listener *listener = data;
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct net_listener *listener = poll->data;
    for (int i = 0; i < NET_ACCEPT_BATCH && !listener->closing; i++) {
        struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
        socklen_t len = sizeof(address);
        int fd =
            accept4(listener->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accept_one(listener, fd, &address, len);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            LOG_WARN("net", "cannot accept, waiting", KV_I64("errno", errno));
            uv_poll_stop(&listener->poll);
            loop_timer_start(listener->loops[0], &listener->retry, ACCEPT_RETRY_MS);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* ---- Binding ---- */

static int bind_unix(const struct net_address *address, struct error *reterr)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t len = strlen(address->host);
    if (len >= sizeof(name.sun_path)) {
        return error_set(reterr, -ENAMETOOLONG, "%s: too long for a unix socket", address->host);
    }
    memcpy(name.sun_path, address->host, len + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return error_set(reterr, -errno, "socket: %s", strerror(errno));
    }
    (void)unlink(address->host); /* Left over from an earlier run, or not there. */
    if (bind(fd, (const struct sockaddr *)&name, sizeof(name)) != 0) {
        int code = -errno;
        close(fd);
        return error_set(reterr, code, "cannot listen on %s: %s", address->host, strerror(-code));
    }
    return fd;
}

static int bind_tcp(const struct net_address *address, struct error *reterr)
{
    char port[8];
    snprintf(port, sizeof(port), "%u", address->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(address->host, port, &hints, &found);
    if (status != 0) {
        return error_set(reterr, -EADDRNOTAVAIL, "%s: %s", address->host, gai_strerror(status));
    }
    int code = -EADDRNOTAVAIL;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            code = -errno;
            continue;
        }
        int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, at->ai_addr, at->ai_addrlen) == 0) {
            freeaddrinfo(found);
            return fd;
        }
        code = -errno;
        close(fd);
    }
    freeaddrinfo(found);
    return error_set(reterr, code, "cannot listen on %s:%u: %s%s", address->host, address->port,
                     strerror(-code),
                     code == -EADDRNOTAVAIL ? " (this machine does not have that address)" : "");
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0) {
        return 0;
    }
    if (name.ss_family == AF_INET) {
        return ntohs(((struct sockaddr_in *)&name)->sin_port);
    }
    return name.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&name)->sin6_port) : 0;
}

int net_listen(const struct net_listen_options *options, struct net_listener **ret_listener,
               struct error *reterr)
{
    assert(options->loop_count > 0);
    bool is_unix = net_address_is_unix(options->address);
    int fd = is_unix ? bind_unix(options->address, reterr) : bind_tcp(options->address, reterr);
    if (fd < 0) {
        return fd;
    }
    if (listen(fd, LISTEN_BACKLOG) != 0) {
        int code = -errno;
        close(fd);
        return error_set(reterr, code, "listening on %s: %s", options->address->host,
                         strerror(-code));
    }
    struct net_listener *listener = alloc_zeroed(sizeof(*listener));
    listener->loops = alloc_array(options->loop_count, sizeof(struct loop *));
    memcpy(listener->loops, options->loops, options->loop_count * sizeof(struct loop *));
    listener->loop_count = options->loop_count;
    listener->fd = fd;
    listener->port = port_of(fd);
    listener->is_unix = is_unix;
    listener->tls = options->tls == NULL ? NULL : tls_config_ref(options->tls);
    listener->on_stream = options->on_stream;
    listener->data = options->data;
    listener->retry.fire = on_retry;
    listener->retry.data = listener;
    atomic_init(&listener->references, 1);
    uv_poll_init(loop_uv(listener->loops[0]), &listener->poll, fd);
    listener->poll.data = listener;
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
    *ret_listener = listener;
    return 0;
}

uint16_t net_listener_port(const struct net_listener *listener)
{
    return listener->port;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct net_listener *listener = handle->data;
    close(listener->fd);
    listener_unref(listener);
}

void net_listener_close(struct net_listener *listener, void (*closed)(void *data), void *data)
{
    assert(!listener->closing && loop_is_current(listener->loops[0]));
    listener->closing = true;
    atomic_store(&listener->closed_flag, true);
    listener->closed = closed;
    listener->closed_data = data;
    loop_timer_stop(listener->loops[0], &listener->retry);
    uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
}
