#include "apiserver/encryption.h"

#include "apiserver/encryption_config.h"
#include "apiserver/kms_plugin.h"
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
    /* Of all configurations until now, each once. */
    struct encryption_plugins environment; /* Loop NULL: there may be none. */
    struct encryption_kms plugins[ENCRYPTION_PLUGINS_MAX];
    size_t plugin_count;
    void (*ready)(void *data);
    void *ready_data;
};

/* --- KMS plugins --- */

static void on_settled(void *data)
{
    struct encryption *encryption = data;
    if (encryption->ready != NULL) {
        encryption->ready(encryption->ready_data);
    }
}

static struct encryption_kms *find_plugin(struct encryption *encryption,
                                          const struct encryption_kms *wanted)
{
    for (size_t i = 0; i < encryption->plugin_count; i++) {
        struct encryption_kms *each = &encryption->plugins[i];
        if (strcmp(each->name, wanted->name) == 0 && each->timeout_ms == wanted->timeout_ms &&
            strcmp(each->address.host, wanted->address.host) == 0) {
            return each;
        }
    }
    return NULL;
}

/* The one that is there already, or another. */
static int bind_plugin(struct encryption *encryption, struct encryption_kms *kms,
                       struct error *reterr)
{
    const struct encryption_plugins *environment = &encryption->environment;
    const struct encryption_kms *known = find_plugin(encryption, kms);
    if (environment->loop == NULL) {
        return error_set(reterr, -EINVAL, "the provider kms is not supported here");
    }
    if (known == NULL && encryption->plugin_count == ENCRYPTION_PLUGINS_MAX) {
        return error_set(reterr, -E2BIG, "there have been %d KMS plugins: restart the server",
                         ENCRYPTION_PLUGINS_MAX);
    }
    if (known == NULL) {
        const struct kms_plugin_options options = {.loop = environment->loop,
                                                   .metrics = environment->metrics,
                                                   .name = kms->name,
                                                   .address = kms->address,
                                                   .timeout_ms = kms->timeout_ms,
                                                   .settled = on_settled,
                                                   .data = encryption};
        kms->plugin = kms_plugin_new(&options);
        encryption->plugins[encryption->plugin_count++] = *kms;
        return 0;
    }
    kms->plugin = known->plugin;
    return 0;
}

static int bind_plugins(struct encryption *encryption, const struct encryption_config *config,
                        struct error *reterr)
{
    int status = 0;
    for (size_t i = 0; i < config->rule_count; i++) {
        for (size_t j = 0; j < config->rules[i].key_count && status == 0; j++) {
            struct encryption_kms *kms = config->rules[i].keys[j].kms;
            status = kms == NULL ? 0 : bind_plugin(encryption, kms, reterr);
        }
    }
    return status;
}

/* --- The configuration --- */

int encryption_new(const struct encryption_plugins *plugins, struct slice text,
                   struct encryption **ret_encryption, struct error *reterr)
{
    struct encryption_config *config = NULL;
    int status = encryption_config_parse(text, &config, reterr);
    if (status < 0) {
        return status;
    }
    struct encryption *encryption = alloc_zeroed(sizeof(*encryption));
    pthread_rwlock_init(&encryption->lock, NULL);
    encryption->config = config;
    if (plugins != NULL) {
        encryption->environment = *plugins;
    }
    status = bind_plugins(encryption, config, reterr);
    if (status < 0) {
        encryption_free(encryption);
        return status;
    }
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
    status = bind_plugins(encryption, config, reterr);
    if (status < 0) {
        encryption_config_free(config);
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
    for (size_t i = 0; i < encryption->plugin_count; i++) {
        kms_plugin_free(encryption->plugins[i].plugin);
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

static int seal(const struct encryption_rule *rule, const char *key, struct slice value,
                struct buffer *out, struct error *reterr)
{
    const struct encryption_key *first = rule == NULL ? NULL : &rule->keys[0];
    if (first == NULL || first->cipher == ENCRYPTION_IDENTITY) {
        buffer_append_slice(out, value);
        return 0;
    }
    struct slice secret = slice_of(first->bytes, first->len);
    buffer_append_text(out, first->prefix);
    if (first->cipher == ENCRYPTION_KMS) {
        return kms_plugin_seal(first->kms->plugin, key, value, out, reterr);
    }
    if (first->cipher == ENCRYPTION_AESGCM) {
        cipher_gcm_seal(secret, slice_text(key), value, out);
    } else if (first->cipher == ENCRYPTION_SECRETBOX) {
        secretbox_seal(secret, value, out);
    } else {
        cipher_cbc_seal(secret, value, out);
    }
    return 0;
}

int encryption_seal(struct encryption *encryption, const struct api_kind *kind, const char *key,
                    struct slice value, struct buffer *out, struct error *reterr)
{
    int status = seal(rule_of(begin_use(encryption), kind), key, value, out, reterr);
    end_use(encryption);
    return status;
}

/* What follows the prefix. */
static struct slice sealed_part(const struct encryption_key *key, struct slice stored)
{
    size_t prefix = strlen(key->prefix);
    return slice_of(stored.data + prefix, stored.len - prefix);
}

static bool is_current(const struct encryption_rule *rule, struct slice stored)
{
    if (rule == NULL || rule->keys[0].cipher == ENCRYPTION_IDENTITY) {
        return !starts_with(stored, ENCRYPTED);
    }
    const struct encryption_key *first = &rule->keys[0];
    return starts_with(stored, first->prefix) &&
           (first->cipher != ENCRYPTION_KMS ||
            kms_plugin_is_current(first->kms->plugin, sealed_part(first, stored)));
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
    struct slice secret = slice_of(with->bytes, with->len);
    struct slice sealed = sealed_part(with, stored);
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
    CLEANUP(error_release) struct error error = {0};
    int status =
        with->cipher == ENCRYPTION_KMS
            ? kms_plugin_open(with->kms->plugin, key, sealed_part(with, stored), out, &error)
            : open_with(with, key, stored, out);
    if (status == -EAGAIN) {
        return error_set(reterr, status, "unable to transform key \"%s\": %s", key,
                         error_message(&error));
    }
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

/* --- What is asked of KMS plugins ahead of time --- */

/* Of whatever resource: one whose definition is not known yet has its key opened, too. */
static const struct encryption_key *find_plugin_key(const struct encryption_config *config,
                                                    struct slice stored)
{
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct encryption_key *key = find_key(&config->rules[i], stored);
        if (key != NULL && key->cipher == ENCRYPTION_KMS) {
            return key;
        }
    }
    return NULL;
}

bool encryption_prepare(struct encryption *encryption, struct slice stored)
{
    if (encryption == NULL || encryption->plugin_count == 0 || !starts_with(stored, ENCRYPTED)) {
        return true;
    }
    const struct encryption_key *with = find_plugin_key(begin_use(encryption), stored);
    bool ready = with == NULL || kms_plugin_prepare(with->kms->plugin, sealed_part(with, stored));
    end_use(encryption);
    return ready;
}

void encryption_when_prepared(struct encryption *encryption, void (*ready)(void *data), void *data)
{
    if (encryption != NULL) {
        encryption->ready = ready;
        encryption->ready_data = data;
    }
}

/* The first plugin of the configuration; or, with an arena, the first with a problem. */
static const char *look_at_plugins(const struct encryption_config *config, struct arena *arena,
                                   bool *ret_found)
{
    const char *problem = NULL;
    for (size_t i = 0; config != NULL && i < config->rule_count; i++) {
        for (size_t j = 0; j < config->rules[i].key_count && problem == NULL; j++) {
            const struct encryption_kms *kms = config->rules[i].keys[j].kms;
            *ret_found = *ret_found || kms != NULL;
            problem = kms == NULL || arena == NULL ? NULL : kms_plugin_problem(kms->plugin, arena);
        }
    }
    return problem;
}

bool encryption_has_plugins(struct encryption *encryption)
{
    bool found = false;
    (void)look_at_plugins(begin_use(encryption), NULL, &found);
    end_use(encryption);
    return found;
}

const char *encryption_problem(struct encryption *encryption, struct arena *arena)
{
    bool found = false;
    const char *problem = look_at_plugins(begin_use(encryption), arena, &found);
    end_use(encryption);
    return problem;
}
