#include "lib/net/stream.h"

#include <errno.h>

static bool skip(struct slice *text, const char *prefix)
{
    struct slice start = slice_text(prefix);
    if (!slice_starts_with(*text, start)) {
        return false;
    }
    *text = slice_of(text->data + start.len, text->len - start.len);
    return true;
}

static int set_host(struct net_address *address, struct slice host)
{
    if (host.len == 0 || host.len >= NET_HOST_MAX || memchr(host.data, 0, host.len) != NULL) {
        return -EINVAL;
    }
    memcpy(address->host, host.data, host.len);
    address->host[host.len] = '\0';
    return 0;
}

static int parse_port(struct slice text, uint16_t *ret_port)
{
    if (text.len == 0 || text.len > 5) {
        return -EINVAL;
    }
    uint32_t port = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return -EINVAL;
        }
        port = port * 10 + (uint32_t)(text.data[i] - '0');
    }
    if (port > UINT16_MAX) {
        return -EINVAL;
    }
    *ret_port = (uint16_t)port;
    return 0;
}

int net_address_parse(const char *text, struct net_address *ret_address)
{
    struct slice rest = slice_text(text);
    struct net_address address = {.port = 0};
    if (skip(&rest, "unix://") || skip(&rest, "unix:") || (rest.len > 0 && rest.data[0] == '/')) {
        if (rest.len == 0 || rest.data[0] != '/' || set_host(&address, rest) != 0) {
            return -EINVAL;
        }
        *ret_address = address;
        return 0;
    }
    if (!skip(&rest, "https://") && !skip(&rest, "http://")) {
        (void)skip(&rest, "tcp://"); /* Whether it was there makes no difference. */
    }
    if (rest.len > 0 && rest.data[rest.len - 1] == '/') {
        rest.len--;
    }
    size_t colon = rest.len;
    while (colon > 0 && rest.data[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return -EINVAL;
    }
    struct slice host = slice_of(rest.data, colon - 1);
    if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']') {
        host = slice_of(host.data + 1, host.len - 2);
    } else if (host.len > 0 && memchr(host.data, ':', host.len) != NULL) {
        return -EINVAL; /* An IPv6 address wants its brackets. */
    }
    if (set_host(&address, host) != 0 || address.host[0] == '/' ||
        parse_port(slice_of(rest.data + colon, rest.len - colon), &address.port) != 0) {
        return -EINVAL;
    }
    *ret_address = address;
    return 0;
}
