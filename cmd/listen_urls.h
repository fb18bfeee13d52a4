/* What a server listens on, as a flag with URLs says it. Pure but for messages. */
#ifndef CMD_LISTEN_URLS_H
#define CMD_LISTEN_URLS_H
#include "cmd/flags.h"
#include "lib/base/arena.h"
#include "lib/base/url_list.h"
#include "lib/net/stream.h"

struct listen_urls {
    size_t count;
    const char *text; /* All of them: lib/base/url_list.h. Lives in the arena. */
    struct net_address addresses[URL_LIST_MAX];
    bool tls[URL_LIST_MAX]; /* https:// */
};

/* One http:// or https:// URL with a host and a port. -EINVAL, with a message that names the flag.
 */
MUST_USE int listen_url_parse(const char *flag, const char *url, struct net_address *ret_address,
                              bool *ret_tls, struct error *reterr);
/* All values of a flag; at least one. -EINVAL. */
MUST_USE int listen_urls_from(const struct flag *flag, struct arena *arena,
                              struct listen_urls *ret_urls, struct error *reterr);
bool listen_urls_any_tls(const struct listen_urls *urls);
#endif
