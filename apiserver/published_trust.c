#include "apiserver/published_trust.h"

#include "apiserver/kept_map.h"
#include "apiserver/pki.h"
#include "apiserver/request.h"
#include "lib/api/json_value.h"
#include "lib/base/alloc.h"
#include "lib/net/x509.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { IDLE_MS = 10000, BUNDLE_MAX = 512 * 1024, KEYS = 6 };

struct wanted {
    const char *key;
    const char *value;
};

struct published_trust {
    const struct apiserver *server;
    struct kept_map *map;
    struct wanted wanted[KEYS]; /* Of the last look, in its arena. */
};

/* --- What it has to be --- */

/* The next certificate of a bundle, with its lines of PEM; false at the end. */
static bool next_certificate(struct slice *bundle, struct slice *ret_pem)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    static const char end[] = "-----END CERTIFICATE-----";
    const uint8_t *first =
        bundle->len == 0 ? NULL : memmem(bundle->data, bundle->len, begin, sizeof(begin) - 1);
    if (first == NULL) {
        return false;
    }
    size_t left = bundle->len - (size_t)(first - bundle->data);
    const uint8_t *last = memmem(first, left, end, sizeof(end) - 1);
    if (last == NULL) {
        return false;
    }
    const uint8_t *behind = last + sizeof(end) - 1;
    *ret_pem = slice_of(first, (size_t)(behind - first));
    *bundle = slice_of(behind, left - (size_t)(behind - first));
    return true;
}

static bool is_over(struct slice pem, int64_t now_s)
{
    struct x509_facts facts = {.common_name = NULL};
    CLEANUP(error_release) struct error error = {0};
    if (x509_read(pem, &facts, &error) < 0) {
        return true;
    }
    bool over = facts.not_after_s <= now_s;
    x509_facts_release(&facts);
    return over;
}

/* Adds what is neither over nor there already. */
static void add_bundle(struct buffer *out, struct slice bundle, int64_t now_s)
{
    struct slice pem;
    while (next_certificate(&bundle, &pem)) {
        bool there = out->len > 0 && memmem(out->data, out->len, pem.data, pem.len) != NULL;
        if (!there && !is_over(pem, now_s)) {
            buffer_append_slice(out, pem);
            buffer_append_byte(out, '\n');
        }
    }
}

/* A JSON array of our own text and those of a flag. */
static const char *names(struct arena *arena, const char *own, const struct text_list *more)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    buffer_append_byte(&out, '[');
    json_print_string(slice_text(own), &out);
    for (size_t i = 0; i < more->count; i++) {
        if (strcmp(more->items[i], own) != 0) {
            buffer_append_byte(&out, ',');
            json_print_string(slice_text(more->items[i]), &out);
        }
    }
    buffer_append_byte(&out, ']');
    return arena_text(arena, buffer_text(&out));
}

static const char *data_of(const Core__V1__ConfigMap *map, const char *key)
{
    for (size_t i = 0; map != NULL && i < map->n_data; i++) {
        if (strcmp(map->data[i]->key, key) == 0) {
            return text_or_empty(map->data[i]->value);
        }
    }
    return "";
}

static void want(struct published_trust *trust, struct arena *arena,
                 const Core__V1__ConfigMap *present)
{
    struct wanted *wanted = trust->wanted;
    const struct pki *pki = trust->server->config.pki;
    const struct front_proxy_options *flags = &trust->server->config.authn.front_proxy;
    int64_t now_s = env_wall_ns(trust->server->config.env) / INT64_C(1000000000);
    const char *bundle_key = "requestheader-client-ca-file";
    /* A CA of the operator's without names says that any name is good. */
    bool any_name = flags->client_ca_pem != NULL && flags->allowed_names.count == 0;
    CLEANUP(buffer_release) struct buffer bundle;
    buffer_init(&bundle, BUNDLE_MAX);
    add_bundle(&bundle, slice_text(data_of(present, bundle_key)), now_s);
    add_bundle(&bundle, slice_text(pki->front_proxy_ca), now_s);
    add_bundle(&bundle, slice_text(text_or_empty(flags->client_ca_pem)), now_s);
    wanted[0] = (struct wanted){"client-ca-file", pki->ca_cert};
    wanted[1] = (struct wanted){bundle_key, arena_text(arena, buffer_text(&bundle))};
    wanted[2] = (struct wanted){
        "requestheader-allowed-names",
        any_name ? "[]" : names(arena, PKI_FRONT_PROXY_NAME, &flags->allowed_names)};
    wanted[3] = (struct wanted){"requestheader-username-headers",
                                names(arena, "X-Remote-User", &flags->username_headers)};
    wanted[4] = (struct wanted){"requestheader-group-headers",
                                names(arena, "X-Remote-Group", &flags->group_headers)};
    wanted[5] = (struct wanted){"requestheader-extra-headers-prefix",
                                names(arena, "X-Remote-Extra-", &flags->extra_prefixes)};
}

/* --- Making it so --- */

static bool is_good(void *data, struct arena *arena, const Core__V1__ConfigMap *present)
{
    struct published_trust *trust = data;
    bool good = true;
    want(trust, arena, present);
    for (size_t i = 0; i < KEYS; i++) {
        const struct wanted *wanted = &trust->wanted[i];
        good = good && strcmp(data_of(present, wanted->key), wanted->value) == 0;
    }
    return good;
}

static void set_data(struct arena *arena, Core__V1__ConfigMap *map, const struct wanted *wanted)
{
    size_t at = 0;
    while (at < map->n_data && strcmp(map->data[at]->key, wanted->key) != 0) {
        at++;
    }
    Core__V1__ConfigMap__DataEntry *entry = arena_alloc(arena, sizeof(*entry));
    core__v1__config_map__data_entry__init(entry);
    entry->key = arena_text(arena, wanted->key);
    entry->value = arena_text(arena, wanted->value);
    if (at == map->n_data) {
        map->data = arena_array_grown(arena, map->data, map->n_data++, sizeof(entry));
    }
    map->data[at] = entry;
}

static void fill(void *data, struct arena *arena, Core__V1__ConfigMap *map)
{
    const struct published_trust *trust = data;
    for (size_t i = 0; i < KEYS; i++) {
        set_data(arena, map, &trust->wanted[i]);
    }
}

struct published_trust *published_trust_new(struct apiserver *server)
{
    struct published_trust *trust = alloc_zeroed(sizeof(*trust));
    const struct kept_map_config config = {.server = server,
                                           .name = "extension-apiserver-authentication",
                                           .idle_ms = IDLE_MS,
                                           .is_good = is_good,
                                           .fill = fill,
                                           .data = trust};
    trust->server = server;
    trust->map = kept_map_new(&config);
    return trust;
}

void published_trust_stop(struct published_trust *trust)
{
    kept_map_stop(trust->map);
}

void published_trust_free(struct published_trust *trust)
{
    if (trust != NULL) {
        kept_map_free(trust->map);
        free(trust);
    }
}
