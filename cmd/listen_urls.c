#include "cmd/listen_urls.h"

#include <errno.h>
#include <string.h>

enum { LIST_BYTES_MAX = 256 }; /* What a member may be listed with. */

int listen_url_parse(const char *flag, const char *url, struct net_address *ret_address,
                     bool *ret_tls, struct error *reterr)
{
    static const char https[] = "https://";
    static const char http[] = "http://";
    bool tls = strncmp(url, https, sizeof(https) - 1) == 0;
    if (!tls && strncmp(url, http, sizeof(http) - 1) != 0) {
        return error_set(reterr, -EINVAL, "--%s=%s: must be https://HOST:PORT", flag, url);
    }
    const char *rest = url + (tls ? sizeof(https) : sizeof(http)) - 1;
    if (net_address_parse(rest, ret_address) < 0 || net_address_is_unix(ret_address)) {
        return error_set(reterr, -EINVAL, "--%s=%s: must be https://HOST:PORT", flag, url);
    }
    *ret_tls = tls;
    return 0;
}

int listen_urls_from(const struct flag *flag, struct arena *arena, struct listen_urls *ret_urls,
                     struct error *reterr)
{
    struct listen_urls urls = {.count = flag->count};
    char *text = arena_alloc(arena, LIST_BYTES_MAX);
    for (size_t i = 0; i < flag->count && i < URL_LIST_MAX; i++) {
        int result =
            listen_url_parse(flag->name, flag->values[i], &urls.addresses[i], &urls.tls[i], reterr);
        if (result < 0) {
            return result;
        }
    }
    if (url_list_join(flag->values, flag->count, text, LIST_BYTES_MAX) < 0) {
        return error_set(reterr, -EINVAL, "--%s: at most %d URLs, of %d bytes in all", flag->name,
                         URL_LIST_MAX, LIST_BYTES_MAX - 1);
    }
    urls.text = text;
    *ret_urls = urls;
    return 0;
}

bool listen_urls_any_tls(const struct listen_urls *urls)
{
    for (size_t i = 0; i < urls->count; i++) {
        if (urls->tls[i]) {
            return true;
        }
    }
    return false;
}
