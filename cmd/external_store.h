/* The --store-… flags of `coracle server`: somebody's etcd in place of the member's own store. */
#ifndef CMD_EXTERNAL_STORE_H
#define CMD_EXTERNAL_STORE_H
#include "cmd/flags.h"
#include "store/remote/remote.h"

/* Texts are borrowed from the flags. */
struct external_store {
    struct net_address endpoints[REMOTE_ENDPOINTS_MAX];
    size_t endpoint_count;           /* 0: the member has a store of its own. */
    bool tls;                        /* https:// */
    const char *cacert, *cert, *key; /* Files; NULL: not given. */
    const char *prefix;
    const char *user, *password_file;
    uint64_t compact_ms;
};

/* -EINVAL with a message that names the flag, also for flags that make no sense together. */
MUST_USE int external_store_from(const struct flag_set *set, struct external_store *ret_external,
                                 struct error *reterr);
/* Reads certificates and the password, and starts connecting. `config` has what the flags do not
 * say; the rest is filled in. */
MUST_USE int external_store_open(const struct external_store *external,
                                 struct remote_store_config *config,
                                 struct remote_store **ret_remote, struct error *reterr);
#endif
