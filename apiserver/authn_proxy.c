/* A front proxy has authenticated the client and says who it is, in headers. They count only on a
 * connection whose certificate is signed by the proxies' own CA, and names one of them. */
#include "apiserver/authn_internal.h"
#include "lib/base/base64.h"
#include "lib/net/x509.h"
#include <strings.h>

enum { PEM_MAX = 256 * 1024 };

static bool is_header(const struct http_header *header, const char *name)
{
    size_t len = strlen(name);
    return header->name.len == len && strncasecmp((const char *)header->name.data, name, len) == 0;
}

static bool in_list(const struct text_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_proxy(const struct front_proxy_options *options, const struct tls_peer *peer)
{
    CLEANUP(buffer_release) struct buffer pem;
    CLEANUP(error_release) struct error error = {0};
    buffer_init(&pem, PEM_MAX);
    if (peer == NULL || !peer->presented || peer->der.len == 0 ||
        (options->allowed_names.count > 0 &&
         !in_list(&options->allowed_names, peer->common_name))) {
        return false;
    }
    buffer_append_text(&pem, "-----BEGIN CERTIFICATE-----\n");
    base64_encode(peer->der, &pem);
    buffer_append_text(&pem, "\n-----END CERTIFICATE-----\n");
    return buffer_error(&pem) == 0 &&
           x509_verify(buffer_slice(&pem), slice_text(options->client_ca_pem), X509_USAGE_CLIENT,
                       wall_seconds(), &error) == 0;
}

static const char *value_of(struct arena *arena, const struct http_header *header)
{
    return arena_text_n(arena, (const char *)header->value.data, header->value.len);
}

/* The first of the names that has a value. */
static const char *user_name(struct arena *arena, const struct text_list *names,
                             struct http_exchange *exchange)
{
    for (size_t i = 0; i < names->count; i++) {
        struct slice value = http_header_find(exchange, names->items[i]);
        if (value.len > 0) {
            return arena_text_n(arena, (const char *)value.data, value.len);
        }
    }
    return "";
}

static size_t read_groups(struct arena *arena, const struct text_list *names,
                          const struct http_header *headers, size_t count, const char **groups)
{
    size_t found = 0;
    for (size_t i = 0; i < names->count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (is_header(&headers[j], names->items[i])) {
                groups[found++] = value_of(arena, &headers[j]);
            }
        }
    }
    return found;
}

static size_t read_extras(struct arena *arena, const struct text_list *prefixes,
                          const struct http_header *headers, size_t count,
                          struct user_extra *extras)
{
    size_t found = 0;
    for (size_t i = 0; i < prefixes->count; i++) {
        size_t len = strlen(prefixes->items[i]);
        for (size_t j = 0; j < count; j++) {
            const struct http_header *header = &headers[j];
            if (header->name.len > len &&
                strncasecmp((const char *)header->name.data, prefixes->items[i], len) == 0) {
                extras[found++] = (struct user_extra){.key = extra_key(arena, header, len),
                                                      .value = value_of(arena, header)};
            }
        }
    }
    return found;
}

const struct user *front_proxy_user(struct apiserver *server, struct arena *arena,
                                    struct http_exchange *exchange)
{
    const struct front_proxy_options *options = &server->config.authn.front_proxy;
    if (options->client_ca_pem == NULL) {
        return NULL;
    }
    const char *name = user_name(arena, &options->username_headers, exchange);
    if (name[0] == 0 || !is_proxy(options, http_tls_peer(exchange))) {
        return NULL;
    }
    size_t count = 0;
    const struct http_header *headers = http_headers(exchange, &count);
    const char **groups =
        arena_array(arena, count * options->group_headers.count + 1, sizeof(char *));
    struct user_extra *extras =
        arena_array(arena, count * options->extra_prefixes.count + 1, sizeof(*extras));
    size_t group_count = read_groups(arena, &options->group_headers, headers, count, groups);
    struct user *user = arena_alloc(arena, sizeof(*user));
    *user = *user_new(arena, name, "", groups, group_count);
    user->extra_count = read_extras(arena, &options->extra_prefixes, headers, count, extras);
    user->extras = extras;
    return user;
}
