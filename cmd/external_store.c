#include "cmd/external_store.h"

#include "lib/base/buffer.h"
#include "lib/base/file.h"
#include <errno.h>
#include <string.h>

enum { FILE_MAX = 1024 * 1024, COMPACT_MINUTES_MAX = 7 * 24 * 60 };

/* What says how a store of our own runs; with another store it would be ignored, so it is refused.
 */
static const char *const own_store_flags[] = {"initial-cluster",
                                              "join",
                                              "token",
                                              "peer-url",
                                              "etcd-listen",
                                              "metrics-listen",
                                              "quota-bytes",
                                              "auto-compaction-mode",
                                              "auto-compaction-retention",
                                              "heartbeat-ms",
                                              "election-ms",
                                              "snapshot-entries"};
static const char *const needs_endpoints[] = {
    "store-cacert",        "store-cert",           "store-key", "store-prefix", "store-user",
    "store-password-file", "store-compact-minutes"};

static int add_endpoint(struct external_store *external, const char *url, struct error *reterr)
{
    bool tls = strncmp(url, "https://", 8) == 0;
    if (!tls && strncmp(url, "http://", 7) != 0) {
        return error_set(reterr, -EINVAL, "--store-endpoints=%s: must be http[s]://HOST:PORT", url);
    }
    if (external->endpoint_count == REMOTE_ENDPOINTS_MAX) {
        return error_set(reterr, -EINVAL, "--store-endpoints: more than %d", REMOTE_ENDPOINTS_MAX);
    }
    if (external->endpoint_count > 0 && tls != external->tls) {
        return error_set(reterr, -EINVAL, "--store-endpoints: http:// and https:// do not mix");
    }
    struct net_address *address = &external->endpoints[external->endpoint_count];
    if (net_address_parse(url, address) < 0 || net_address_is_unix(address) || address->port == 0) {
        return error_set(reterr, -EINVAL, "--store-endpoints=%s: must be http[s]://HOST:PORT", url);
    }
    external->tls = tls;
    external->endpoint_count++;
    return 0;
}

static int refuse_given(const struct flag_set *set, const char *const names[], size_t count,
                        const char *why, struct error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        if (flag_get(set, names[i])->given) {
            return error_set(reterr, -EINVAL, "--%s %s", names[i], why);
        }
    }
    return 0;
}

static int check_pairs(const struct external_store *external, struct error *reterr)
{
    if ((external->cert == NULL) != (external->key == NULL)) {
        return error_set(reterr, -EINVAL, "--store-cert and --store-key go together");
    }
    if (!external->tls && (external->cert != NULL || external->cacert != NULL)) {
        return error_set(reterr, -EINVAL,
                         "--store-cacert, --store-cert and --store-key need https:// endpoints");
    }
    if ((external->user == NULL) != (external->password_file == NULL)) {
        return error_set(reterr, -EINVAL, "--store-user and --store-password-file go together");
    }
    return 0;
}

int external_store_from(const struct flag_set *set, struct external_store *ret_external,
                        struct error *reterr)
{
    const struct flag *endpoints = flag_get(set, "store-endpoints");
    struct external_store external = {.cacert = flag_text(set, "store-cacert"),
                                      .cert = flag_text(set, "store-cert"),
                                      .key = flag_text(set, "store-key"),
                                      .prefix = flag_text(set, "store-prefix"),
                                      .user = flag_text(set, "store-user"),
                                      .password_file = flag_text(set, "store-password-file")};
    int result;
    if (endpoints->count == 0) {
        result = refuse_given(set, needs_endpoints, ARRAY_LEN(needs_endpoints),
                              "needs --store-endpoints", reterr);
    } else {
        result = refuse_given(set, own_store_flags, ARRAY_LEN(own_store_flags),
                              "is of a store of its own: not with --store-endpoints", reterr);
    }
    for (size_t i = 0; i < endpoints->count && result == 0; i++) {
        result = add_endpoint(&external, endpoints->values[i], reterr);
    }
    long minutes = 0;
    if (result == 0) {
        result =
            flag_number(set, "store-compact-minutes", 0, COMPACT_MINUTES_MAX, &minutes, reterr);
    }
    if (result == 0) {
        external.compact_ms = (uint64_t)minutes * 60 * 1000;
        result = check_pairs(&external, reterr);
    }
    if (result == 0) {
        *ret_external = external;
    }
    return result;
}

/* --- Opening. */

static int read_pem(const char *path, struct buffer *pem, struct error *reterr)
{
    return path == NULL ? 0 : file_read(path, pem, reterr);
}

static int make_tls(const struct external_store *external, struct tls_config **ret_tls,
                    struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer ca;
    CLEANUP(buffer_release) struct buffer cert;
    CLEANUP(buffer_release) struct buffer key;
    buffer_init(&ca, FILE_MAX);
    buffer_init(&cert, FILE_MAX);
    buffer_init(&key, FILE_MAX);
    int result = read_pem(external->cacert, &ca, reterr);
    if (result == 0) {
        result = read_pem(external->cert, &cert, reterr);
    }
    if (result == 0) {
        result = read_pem(external->key, &key, reterr);
    }
    if (result < 0) {
        return result;
    }
    struct tls_options options = {.cert_pem = buffer_slice(&cert),
                                  .key_pem = buffer_slice(&key),
                                  .ca_pem = buffer_slice(&ca),
                                  .verify = TLS_VERIFY_REQUIRED,
                                  .alpn = TLS_ALPN_H2};
    result = tls_config_new_client(&options, ret_tls, reterr);
    if (result < 0) {
        (void)error_wrap(reterr, "--store-cacert, --store-cert and --store-key");
    }
    return result;
}

static int read_password(const struct external_store *external, struct buffer *password,
                         struct error *reterr)
{
    int result = read_pem(external->password_file, password, reterr);
    while (result == 0 && password->len > 0 && password->data[password->len - 1] == '\n') {
        password->data[--password->len] = '\0';
    }
    return result;
}

int external_store_open(const struct external_store *external, struct remote_store_config *config,
                        struct remote_store **ret_remote, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer password;
    buffer_init(&password, FILE_MAX);
    struct tls_config *tls = NULL;
    int result = read_password(external, &password, reterr);
    if (result == 0 && external->tls) {
        result = make_tls(external, &tls, reterr);
    }
    if (result == 0) {
        config->endpoints = external->endpoints;
        config->endpoint_count = external->endpoint_count;
        config->tls = tls;
        config->prefix = external->prefix;
        config->user = external->user;
        config->password = buffer_text(&password);
        config->compact_ms = external->compact_ms;
        result = remote_store_open(config, ret_remote, reterr);
    }
    tls_config_unref(tls);
    return result;
}
