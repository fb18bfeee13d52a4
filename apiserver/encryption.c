#include "apiserver/encryption_config.h"
#include "lib/api/kinds.h"
#include "lib/net/cipher.h"
#include "lib/net/secretbox.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char ENCRYPTED[] = "k8s:enc:";

void encryption_free(struct encryption *encryption)
{
    if (encryption == NULL) {
        return;
    }
    for (size_t i = 0; i < encryption->rule_count; i++) {
        struct encryption_rule *rule = &encryption->rules[i];
        for (size_t j = 0; j < rule->key_count; j++) {
            explicit_bzero(rule->keys[j].bytes, sizeof(rule->keys[j].bytes));
        }
    }
    arena_free(encryption->arena);
}

/* --- Which rule --- */

static bool matches(const char *pattern, const struct api_kind *kind)
{
    const char *dot = strchr(pattern, '.');
    const char *group = dot == NULL ? "" : dot + 1;
    size_t len = dot == NULL ? strlen(pattern) : (size_t)(dot - pattern);
    bool any = len == 1 && pattern[0] == '*';
    if (any && strcmp(group, "*") == 0) {
        return true;
    }
    return strcmp(group, kind->group) == 0 &&
           (any || (strlen(kind->plural) == len && strncmp(pattern, kind->plural, len) == 0));
}

/* The first one that names the kind, or NULL. */
static const struct encryption_rule *rule_of(const struct encryption *encryption,
                                             const struct api_kind *kind)
{
    for (size_t i = 0; encryption != NULL && i < encryption->rule_count; i++) {
        const struct encryption_rule *rule = &encryption->rules[i];
        for (size_t j = 0; j < rule->resource_count; j++) {
            if (matches(rule->resources[j], kind)) {
                return rule;
            }
        }
    }
    return NULL;
}

static bool starts_with(struct slice bytes, const char *prefix)
{
    return slice_starts_with(bytes, slice_text(prefix));
}

/* --- Sealing --- */

void encryption_seal(const struct encryption *encryption, const struct api_kind *kind,
                     const char *key, struct slice value, struct buffer *out)
{
    const struct encryption_rule *rule = rule_of(encryption, kind);
    const struct encryption_key *first = rule == NULL ? NULL : &rule->keys[0];
    if (first == NULL || first->cipher == ENCRYPTION_IDENTITY) {
        buffer_append_slice(out, value);
        return;
    }
    struct slice secret = slice_of(first->bytes, first->len);
    buffer_append_text(out, first->prefix);
    if (first->cipher == ENCRYPTION_AESGCM) {
        cipher_gcm_seal(secret, slice_text(key), value, out);
    } else if (first->cipher == ENCRYPTION_SECRETBOX) {
        secretbox_seal(secret, value, out);
    } else {
        cipher_cbc_seal(secret, value, out);
    }
}

bool encryption_is_current(const struct encryption *encryption, const struct api_kind *kind,
                           struct slice stored)
{
    const struct encryption_rule *rule = rule_of(encryption, kind);
    if (rule == NULL || rule->keys[0].cipher == ENCRYPTION_IDENTITY) {
        return !starts_with(stored, ENCRYPTED);
    }
    return starts_with(stored, rule->keys[0].prefix);
}

/* --- Opening --- */

static int open_with(const struct encryption_key *with, const char *key, struct slice stored,
                     struct buffer *out)
{
    size_t prefix = strlen(with->prefix);
    struct slice secret = slice_of(with->bytes, with->len);
    struct slice sealed = slice_of(stored.data + prefix, stored.len - prefix);
    if (with->cipher == ENCRYPTION_SECRETBOX) {
        return secretbox_open(secret, sealed, out);
    }
    return with->cipher == ENCRYPTION_AESGCM ? cipher_gcm_open(secret, slice_text(key), sealed, out)
                                             : cipher_cbc_open(secret, sealed, out);
}

/* The prefix of a stored value, for a message: provider and name of the key, never the value. */
static int no_key(const char *key, struct slice stored, struct error *reterr)
{
    size_t len = sizeof(ENCRYPTED) - 1, colons = 0;
    while (len < stored.len && len < 128 && colons < 3 && stored.data[len] >= ' ' &&
           stored.data[len] <= '~') {
        colons += stored.data[len++] == ':';
    }
    return error_set(reterr, -ENOKEY,
                     "unable to transform key \"%s\": no key of --encryption-provider-config is "
                     "for \"%.*s\"",
                     key, (int)len, (const char *)stored.data);
}

int encryption_open(const struct encryption *encryption, const struct api_kind *kind,
                    const char *key, struct slice stored, struct buffer *out, struct error *reterr)
{
    const struct encryption_rule *rule = rule_of(encryption, kind);
    if (!starts_with(stored, ENCRYPTED)) {
        bool readable = rule == NULL;
        for (size_t i = 0; rule != NULL && i < rule->key_count; i++) {
            readable = readable || rule->keys[i].cipher == ENCRYPTION_IDENTITY;
        }
        if (!readable) {
            return error_set(reterr, -ENOKEY,
                             "unable to transform key \"%s\": it is not encrypted, and "
                             "--encryption-provider-config has no identity provider for it",
                             key);
        }
        buffer_append_slice(out, stored);
        return buffer_error(out);
    }
    for (size_t i = 0; rule != NULL && i < rule->key_count; i++) {
        const struct encryption_key *each = &rule->keys[i];
        if (each->cipher == ENCRYPTION_IDENTITY || !starts_with(stored, each->prefix)) {
            continue;
        }
        int status = open_with(each, key, stored, out);
        return status == -EBADMSG
                   ? error_set(reterr, -EBADMSG,
                               "unable to transform key \"%s\": it was not sealed with %s of "
                               "--encryption-provider-config, or has been changed",
                               key, each->prefix)
                   : status;
    }
    return no_key(key, stored, reterr);
}
