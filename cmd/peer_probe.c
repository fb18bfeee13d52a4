#include "cmd/peer_probe.h"

#include "lib/base/alloc.h"
#include "lib/base/url_list.h"
#include "lib/net/stream.h"
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_MS = 2000 };

static bool connects(const struct addrinfo *address)
{
    int file = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int code = -1;
    if (file < 0) {
        return false;
    }
    if (connect(file, address->ai_addr, address->ai_addrlen) == 0) {
        code = 0;
    } else if (errno == EINPROGRESS) {
        struct pollfd wait = {.fd = file, .events = POLLOUT};
        socklen_t len = sizeof(code);
        if (poll(&wait, 1, CONNECT_MS) != 1 ||
            getsockopt(file, SOL_SOCKET, SO_ERROR, &code, &len) < 0) {
            code = -1;
        }
    }
    (void)close(file); /* Only tried. */
    return code == 0;
}

static bool listens_at(const char *url)
{
    struct net_address address;
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (net_address_parse(url, &address) < 0) {
        return false;
    }
    CLEANUP(alloc_freep) char *port = alloc_printf("%u", (unsigned)address.port);
    if (getaddrinfo(address.host, port, &hints, &found) != 0) {
        return false;
    }
    bool listens = false;
    for (const struct addrinfo *at = found; at != NULL && !listens; at = at->ai_next) {
        listens = connects(at);
    }
    freeaddrinfo(found);
    return listens;
}

bool peer_listens(const char *urls)
{
    struct slice url;
    while (url_list_next(&urls, &url)) {
        CLEANUP(alloc_freep) char *text = alloc_text_n((const char *)url.data, url.len);
        if (listens_at(text)) {
            return true;
        }
    }
    return false;
}
