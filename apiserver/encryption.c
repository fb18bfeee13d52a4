#include "apiserver/encryption.h"

#include "apiserver/encryption_config.h"
#include "apiserver/limits.h"
#include "lib/api/kinds.h"
#include "lib/base/alloc.h"
#include "lib/net/cipher.h"
#include "lib/net/secretbox.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char ENCRYPTED[] = "k8s:enc:";

struct encryption {
    pthread_rwlock_t lock;            /* Held while a value is sealed or opened. */
    struct encryption_config *config; /* And those before it. */
    atomic_uint_fast64_t generation;  /* Reloads. */
};

/* --- The configuration --- */

int encryption_new(struct slice text, struct encryption **ret_encryption, struct error *reterr)
{
    struct encryption_config *config = NULL;
    int status = encryption_config_parse(text, &config, reterr);
    if (status < 0) {
        return status;
    }
    struct encryption *encryption = alloc_zeroed(sizeof(*encryption));
    pthread_rwlock_init(&encryption->lock, NULL);
    encryption->config = config;
    *ret_encryption = encryption;
    return 0;
}

int encryption_reload(struct encryption *encryption, struct slice text, struct error *reterr)
{
    struct encryption_config *config = NULL;
    if (atomic_load(&encryption->generation) == ENCRYPTION_RELOADS_MAX) {
        return error_set(reterr, -E2BIG, "it has changed %d times: restart the server",
                         ENCRYPTION_RELOADS_MAX);
    }
    int status = encryption_config_parse(text, &config, reterr);
    if (status < 0) {
        return status;
    }
    pthread_rwlock_wrlock(&encryption->lock);
    config->before = encryption->config;
    encryption->config = config;
    atomic_fetch_add(&encryption->generation, 1);
    pthread_rwlock_unlock(&encryption->lock);
    return 0;
}

void encryption_free(struct encryption *encryption)
{
    if (encryption == NULL) {
        return;
    }
    while (encryption->config != NULL) {
        struct encryption_config *config = encryption->config;
        encryption->config = config->before;
        encryption_config_free(config);
    }
    pthread_rwlock_destroy(&encryption->lock);
    free(encryption);
}

uint64_t encryption_generation(struct encryption *encryption)
{
    return encryption == NULL ? 0 : atomic_load(&encryption->generation);
}

/* The configuration of now, which stays until end_use(); NULL when there is none. */
static const struct encryption_config *begin_use(struct encryption *encryption)
{
    if (encryption == NULL) {
        return NULL;
    }
    pthread_rwlock_rdlock(&encryption->lock);
    return encryption->config;
}

static void end_use(struct encryption *encryption)
{
    if (encryption != NULL) {
        pthread_rwlock_unlock(&encryption->lock);
    }
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
static const struct encryption_rule *rule_of(const struct encryption_config *config,
                                             const struct api_kind *kind)
{
    for (size_t i = 0; config != NULL && i < config->rule_count; i++) {
        const struct encryption_rule *rule = &config->rules[i];
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

static void seal(const struct encryption_rule *rule, const char *key, struct slice value,
                 struct buffer *out)
{
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

void encryption_seal(struct encryption *encryption, const struct api_kind *kind, const char *key,
                     struct slice value, struct buffer *out)
{
    seal(rule_of(begin_use(encryption), kind), key, value, out);
    end_use(encryption);
}

static bool is_current(const struct encryption_rule *rule, struct slice stored)
{
    if (rule == NULL || rule->keys[0].cipher == ENCRYPTION_IDENTITY) {
        return !starts_with(stored, ENCRYPTED);
    }
    return starts_with(stored, rule->keys[0].prefix);
}

bool encryption_is_current(struct encryption *encryption, const struct api_kind *kind,
                           struct slice stored)
{
    bool current = is_current(rule_of(begin_use(encryption), kind), stored);
    end_use(encryption);
    return current;
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

static int check_plain(const struct encryption_rule *rule, const char *key, struct error *reterr)
{
    bool readable = rule == NULL;
    for (size_t i = 0; rule != NULL && i < rule->key_count; i++) {
        readable = readable || rule->keys[i].cipher == ENCRYPTION_IDENTITY;
    }
    return readable ? 0
                    : error_set(reterr, -ENOKEY,
                                "unable to transform key \"%s\": it is not encrypted, and "
                                "--encryption-provider-config has no identity provider for it",
                                key);
}

static const struct encryption_key *find_key(const struct encryption_rule *rule,
                                             struct slice stored)
{
    for (size_t i = 0; rule != NULL && i < rule->key_count; i++) {
        const struct encryption_key *each = &rule->keys[i];
        if (each->cipher != ENCRYPTION_IDENTITY && starts_with(stored, each->prefix)) {
            return each;
        }
    }
    return NULL;
}

static int open_sealed(const struct encryption_rule *rule, const char *key, struct slice stored,
                       struct buffer *out, struct error *reterr)
{
    const struct encryption_key *with = find_key(rule, stored);
    if (with == NULL) {
        return no_key(key, stored, reterr);
    }
    int status = open_with(with, key, stored, out);
    return status != -EBADMSG
               ? status
               : error_set(reterr, -EBADMSG,
                           "unable to transform key \"%s\": it was not sealed with %s of "
                           "--encryption-provider-config, or has been changed",
                           key, with->prefix);
}

static int open_by(const struct encryption_config *config, const struct api_kind *kind,
                   const char *key, struct slice stored, struct buffer *out, struct error *reterr)
{
    const struct encryption_rule *rule = rule_of(config, kind);
    if (starts_with(stored, ENCRYPTED)) {
        return open_sealed(rule, key, stored, out, reterr);
    }
    int status = check_plain(rule, key, reterr);
    if (status < 0) {
        return status;
    }
    buffer_append_slice(out, stored);
    return buffer_error(out);
}

int encryption_open(struct encryption *encryption, const struct api_kind *kind, const char *key,
                    struct slice stored, struct buffer *out, struct error *reterr)
{
    int status = open_by(begin_use(encryption), kind, key, stored, out, reterr);
    end_use(encryption);
    return status;
}

int encryption_reopen(struct encryption *encryption, const struct api_kind *kind, const char *key,
                      struct slice stored, struct buffer *out, struct error *reterr)
{
    const struct encryption_config *config = begin_use(encryption);
    int status = open_by(config, kind, key, stored, out, reterr);
    while (status == -ENOKEY && config != NULL && config->before != NULL) {
        config = config->before;
        status = open_by(config, kind, key, stored, out, reterr);
    }
    end_use(encryption);
    return status;
}

int encryption_check(struct encryption *encryption, const struct api_kind *kind, const char *key,
                     struct slice stored, struct error *reterr)
{
    const struct encryption_rule *rule = rule_of(begin_use(encryption), kind);
    int status = 0;
    if (!starts_with(stored, ENCRYPTED)) {
        status = check_plain(rule, key, reterr);
    } else if (find_key(rule, stored) == NULL) {
        status = no_key(key, stored, reterr);
    }
    end_use(encryption);
    return status;
}
