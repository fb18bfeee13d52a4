/* EncryptionConfiguration: read and checked as kube-apiserver does; what is not known here is
 * refused, never left out. */
#include "apiserver/encryption_config.h"

#include "apiserver/limits.h"
#include "lib/api/codec.h"
#include "lib/api/json_value.h"
#include "lib/base/base64.h"
#include "lib/base/time_text.h"
#include "lib/net/cipher.h"
#include "lib/net/secretbox.h"
#include <errno.h>
#include <string.h>

static bool is_text(const struct json_value *value)
{
    return value != NULL && value->type == JSON_STRING &&
           memchr(value->text.data, 0, value->text.len) == NULL;
}

static const struct json_value *list_of(const struct json_value *object, const char *name)
{
    const struct json_value *list = json_get_text(object, name);
    return list != NULL && list->type == JSON_ARRAY && list->count > 0 ? list : NULL;
}

static bool member_is(const struct json_value *object, const char *name, const char *text)
{
    const struct json_value *value = json_get_text(object, name);
    return value != NULL && value->type == JSON_STRING && slice_is(value->text, text);
}

/* --- Keys --- */

static bool is_key_size(const char *provider, size_t len)
{
    return strcmp(provider, "secretbox") == 0 ? len == SECRETBOX_KEY_SIZE
                                              : cipher_key_size_good(len);
}

static int read_key(struct encryption_config *config, const char *provider,
                    const struct json_value *value, struct encryption_key *ret_key,
                    struct error *reterr)
{
    bool object = value->type == JSON_OBJECT;
    const struct json_value *name = object ? json_get_text(value, "name") : NULL;
    const struct json_value *secret = object ? json_get_text(value, "secret") : NULL;
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, ENCRYPTION_FILE_MAX);
    if (!is_text(name) || name->text.len == 0 || name->text.len > ENCRYPTION_KEY_NAME_MAX ||
        memchr(name->text.data, ':', name->text.len) != NULL) {
        return error_set(reterr, -EINVAL,
                         "%s: each key needs a name without colon, of up to %d "
                         "bytes",
                         provider, ENCRYPTION_KEY_NAME_MAX);
    }
    int len = (int)name->text.len;
    const char *text = (const char *)name->text.data;
    if (!is_text(secret) || base64_decode(secret->text, &bytes) < 0 ||
        !is_key_size(provider, bytes.len)) {
        return error_set(reterr, -EINVAL, "%s: key %.*s: secret must be the base64 of %s bytes",
                         provider, len, text,
                         strcmp(provider, "secretbox") == 0 ? "32" : "16, 24 or 32");
    }
    ret_key->prefix = arena_printf(config->arena, "k8s:enc:%s:v1:%.*s:", provider, len, text);
    ret_key->len = bytes.len;
    memcpy(ret_key->bytes, bytes.data, bytes.len);
    explicit_bzero(bytes.data, bytes.len);
    return 0;
}

static bool is_known(const struct encryption_rule *rule, const char *prefix)
{
    for (size_t i = 0; i < rule->key_count; i++) {
        if (strcmp(rule->keys[i].prefix, prefix) == 0) {
            return true;
        }
    }
    return false;
}

static int read_keys(struct encryption_config *config, struct encryption_rule *rule,
                     const char *provider, const struct json_value *value, struct error *reterr)
{
    enum encryption_cipher cipher = strcmp(provider, "aesgcm") == 0   ? ENCRYPTION_AESGCM
                                    : strcmp(provider, "aescbc") == 0 ? ENCRYPTION_AESCBC
                                                                      : ENCRYPTION_SECRETBOX;
    const struct json_value *keys = value->type == JSON_OBJECT ? list_of(value, "keys") : NULL;
    if (keys == NULL) {
        return error_set(reterr, -EINVAL, "%s: keys are missing", provider);
    }
    for (size_t i = 0; i < keys->count; i++) {
        struct encryption_key key = {.cipher = cipher, .prefix = ""};
        if (rule->key_count == ENCRYPTION_KEYS_MAX) {
            return error_set(reterr, -EINVAL, "more than %d keys", ENCRYPTION_KEYS_MAX);
        }
        int status = read_key(config, provider, keys->items[i], &key, reterr);
        if (status < 0) {
            return status;
        }
        if (is_known(rule, key.prefix)) {
            return error_set(reterr, -EINVAL, "%s: two keys of one name", key.prefix);
        }
        rule->keys[rule->key_count++] = key;
        explicit_bzero(&key, sizeof(key));
    }
    return 0;
}

/* --- KMS --- */

static int read_timeout(const struct json_value *value, uint64_t *ret_ms, struct error *reterr)
{
    int64_t nanos = 0;
    if (value != NULL &&
        (!is_text(value) || duration_parse(value->text, &nanos) < 0 || nanos <= 0)) {
        return error_set(reterr, -EINVAL, "kms: timeout should be a positive value");
    }
    *ret_ms = value == NULL ? KMS_TIMEOUT_MS : ((uint64_t)nanos + 999999) / 1000000;
    return 0;
}

static int read_endpoint(struct encryption_config *config, const struct json_value *value,
                         struct net_address *ret_address, struct error *reterr)
{
    static const char scheme[] = "unix://";
    const char *text = is_text(value) ? arena_text_n(config->arena, (const char *)value->text.data,
                                                     value->text.len)
                                      : "";
    if (strncmp(text, scheme, sizeof(scheme) - 1) != 0 ||
        net_address_parse(text, ret_address) < 0 || !net_address_is_unix(ret_address)) {
        return error_set(reterr, -EINVAL,
                         "kms: endpoint must be unix:// and the absolute path of a socket");
    }
    return 0;
}

static int check_kms(const struct json_value *value, struct error *reterr)
{
    static const char *const known[] = {"apiVersion", "name", "endpoint", "timeout", NULL};
    if (value->type != JSON_OBJECT || !member_is(value, "apiVersion", "v2")) {
        return error_set(reterr, -EINVAL,
                         "kms: apiVersion must be v2: v1 is deprecated, and not supported");
    }
    const struct json_value *name = json_get_text(value, "name");
    if (!is_text(name) || name->text.len == 0 || name->text.len > ENCRYPTION_KEY_NAME_MAX ||
        memchr(name->text.data, ':', name->text.len) != NULL) {
        return error_set(reterr, -EINVAL,
                         "kms: name must be given, without colon, of up to %d bytes",
                         ENCRYPTION_KEY_NAME_MAX);
    }
    if (json_get_text(value, "cachesize") != NULL) {
        return error_set(reterr, -EINVAL, "kms: cachesize is not supported in v2");
    }
    for (size_t i = 0; i < value->count; i++) {
        size_t at = 0;
        while (known[at] != NULL && !slice_is(value->members[i].name, known[at])) {
            at++;
        }
        if (known[at] == NULL) {
            return error_set(reterr, -EINVAL, "kms: %.*s is not known",
                             (int)value->members[i].name.len,
                             (const char *)value->members[i].name.data);
        }
    }
    return 0;
}

/* {apiVersion: v2, name, endpoint, timeout} */
static int read_kms(struct encryption_config *config, struct encryption_rule *rule,
                    const struct json_value *value, struct error *reterr)
{
    struct encryption_kms *kms = arena_zeroed(config->arena, sizeof(*kms));
    int status = check_kms(value, reterr);
    if (status == 0) {
        status = read_endpoint(config, json_get_text(value, "endpoint"), &kms->address, reterr);
    }
    if (status == 0) {
        status = read_timeout(json_get_text(value, "timeout"), &kms->timeout_ms, reterr);
    }
    if (status < 0) {
        return status;
    }
    const struct slice *name = &json_get_text(value, "name")->text;
    kms->name = arena_text_n(config->arena, (const char *)name->data, name->len);
    const char *prefix = arena_printf(config->arena, "k8s:enc:kms:v2:%s:", kms->name);
    if (is_known(rule, prefix)) {
        return error_set(reterr, -EINVAL, "kms: %s: two plugins of one name", kms->name);
    }
    rule->keys[rule->key_count++] =
        (struct encryption_key){.cipher = ENCRYPTION_KMS, .prefix = prefix, .kms = kms};
    return 0;
}

/* --- Providers --- */

/* One of {aesgcm: {keys}}, {aescbc: {keys}}, {secretbox: {keys}}, {kms: {...}}, {identity: {}}. */
static int read_provider(struct encryption_config *config, struct encryption_rule *rule,
                         const struct json_value *value, struct error *reterr)
{
    static const char *const known[] = {"aesgcm", "aescbc", "secretbox", "kms", "identity"};
    enum { KEYED = 3, KMS = 3 };
    size_t at = 0;
    if (value->type != JSON_OBJECT) {
        return error_set(reterr, -EINVAL, "a provider must be an object");
    }
    while (at < ARRAY_LEN(known) && json_get_text(value, known[at]) == NULL) {
        at++;
    }
    if (at == ARRAY_LEN(known) || value->count != 1) {
        return error_set(reterr, -EINVAL,
                         "a provider must be one of aesgcm, aescbc, secretbox, kms and identity");
    }
    if (at < KEYED) {
        return read_keys(config, rule, known[at], json_get_text(value, known[at]), reterr);
    }
    if (rule->key_count == ENCRYPTION_KEYS_MAX) {
        return error_set(reterr, -EINVAL, "more than %d keys", ENCRYPTION_KEYS_MAX);
    }
    if (at == KMS) {
        return read_kms(config, rule, json_get_text(value, known[at]), reterr);
    }
    rule->keys[rule->key_count++] = (struct encryption_key){.prefix = ""};
    return 0;
}

/* --- Rules --- */

static int read_rule(struct encryption_config *config, const struct json_value *value,
                     struct encryption_rule *rule, struct error *reterr)
{
    bool object = value->type == JSON_OBJECT;
    const struct json_value *resources = object ? list_of(value, "resources") : NULL;
    const struct json_value *providers = object ? list_of(value, "providers") : NULL;
    if (resources == NULL || providers == NULL) {
        return error_set(reterr, -EINVAL, "each of resources needs resources and providers");
    }
    rule->resources = arena_array(config->arena, resources->count, sizeof(char *));
    for (size_t i = 0; i < resources->count; i++) {
        if (!is_text(resources->items[i]) || resources->items[i]->text.len == 0) {
            return error_set(reterr, -EINVAL, "a resource must be text");
        }
        const struct slice *text = &resources->items[i]->text;
        rule->resources[rule->resource_count++] =
            arena_text_n(config->arena, (const char *)text->data, text->len);
        if (strcmp(rule->resources[i], "*") == 0) {
            return error_set(reterr, -EINVAL,
                             "resource *: use *. for the core group, *.GROUP, or "
                             "*.* for all");
        }
    }
    rule->keys = arena_array(config->arena, ENCRYPTION_KEYS_MAX, sizeof(*rule->keys));
    for (size_t i = 0; i < providers->count; i++) {
        int status = read_provider(config, rule, providers->items[i], reterr);
        if (status < 0) {
            return status;
        }
    }
    return 0;
}

static int read_document(struct encryption_config *config, const struct json_value *document,
                         struct error *reterr)
{
    if (document == NULL || document->type != JSON_OBJECT ||
        !member_is(document, "kind", "EncryptionConfiguration") ||
        !member_is(document, "apiVersion", "apiserver.config.k8s.io/v1")) {
        return error_set(reterr, -EINVAL,
                         "must be an EncryptionConfiguration of apiserver.config.k8s.io/v1");
    }
    const struct json_value *rules = list_of(document, "resources");
    if (rules == NULL) {
        return error_set(reterr, -EINVAL, "resources are missing");
    }
    config->rules = arena_zeroed(config->arena, rules->count * sizeof(*config->rules));
    for (size_t i = 0; i < rules->count; i++) {
        int status =
            read_rule(config, rules->items[i], &config->rules[config->rule_count++], reterr);
        if (status < 0) {
            return status;
        }
    }
    return 0;
}

void encryption_config_free(struct encryption_config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < config->rule_count; i++) {
        struct encryption_rule *rule = &config->rules[i];
        for (size_t j = 0; j < rule->key_count; j++) {
            explicit_bzero(rule->keys[j].bytes, sizeof(rule->keys[j].bytes));
        }
    }
    arena_free(config->arena);
}

int encryption_config_parse(struct slice text, struct encryption_config **ret_config,
                            struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer json;
    struct json_value *document = NULL;
    struct arena *arena = arena_new(SIZE_MAX);
    struct encryption_config *config = arena_zeroed(arena, sizeof(*config));
    config->arena = arena;
    buffer_init(&json, ENCRYPTION_FILE_MAX);
    int status = api_yaml_to_json(arena, text, NULL, &json, reterr);
    if (status == 0) {
        status = json_parse(arena, buffer_slice(&json), &document, reterr);
    }
    status = status < 0 ? -EINVAL : read_document(config, document, reterr);
    if (status < 0) {
        encryption_config_free(config);
        return status;
    }
    *ret_config = config;
    return 0;
}
