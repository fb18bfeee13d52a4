/* Rules of ConfigMap, Secret and Namespace. */
#include "lib/api/json_value.h"
#include "lib/api/limits_semantics.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/api/time.h"

static const char IMMUTABLE_SET[] = "field is immutable when `immutable` is set";

/* --- ConfigMap ---------------------------------------------------------------------------------
 */

/* Keys that are in both are said of the texts. */
bool rules_config_map_texts(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ConfigMap *map = frame->message;
    struct api_path data = api_path_field(NULL, "data");
    struct api_string_map texts = API_STRING_MAP(map->data, map->n_data);
    struct text_set keys = {.arena = causes->arena};
    for (size_t i = 0; i < map->n_binary_data; i++) {
        (void)text_set_add(&keys, text_or_empty(map->binary_data[i]->key));
    }
    for (size_t i = 0; keys.count > 0 && i < texts.count; i++) {
        const char *key = api_string_map_key(texts, i);
        struct api_path at = api_path_key(&data, key);
        if (text_set_has(&keys, key)) {
            api_cause_invalid(causes, &at, api_shown_text(key),
                              "duplicate of key present in binaryData");
        }
    }
    return true;
}

bool rules_config_map(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ConfigMap *map = frame->message;
    struct api_string_map texts = API_STRING_MAP(map->data, map->n_data);
    size_t total = 0;
    for (size_t i = 0; i < map->n_data; i++) {
        total += strlen(api_string_map_value(texts, i));
    }
    for (size_t i = 0; i < map->n_binary_data; i++) {
        total += map->binary_data[i]->value.len;
    }
    if (total > API_CONFIG_BYTES_MAX) {
        struct api_path whole = api_path_key(NULL, ""); /* "[]": so v1.32 has it. */
        api_cause_too_long(causes, &whole, API_CONFIG_BYTES_MAX);
    }
    return true;
}

void rules_update_config_map(struct api_causes *causes, const void *before, const void *after)
{
    const struct api_message *table = &core__v1__config_map__schema;
    const Core__V1__ConfigMap *old_map = before, *map = after;
    if (!old_map->has_immutable || !old_map->immutable) {
        return;
    }
    if (!map->has_immutable || !map->immutable) {
        rules_forbidden(causes, NULL, "immutable", IMMUTABLE_SET);
    }
    /* Shallow copies whose other members are the same: what is left to differ is the data. */
    Core__V1__ConfigMap texts = *old_map, bytes = *old_map;
    texts.data = map->data;
    texts.n_data = map->n_data;
    bytes.binary_data = map->binary_data;
    bytes.n_binary_data = map->n_binary_data;
    if (!api_message_equal(table, old_map, &texts)) {
        rules_forbidden(causes, NULL, "data", IMMUTABLE_SET);
    }
    if (!api_message_equal(table, old_map, &bytes)) {
        rules_forbidden(causes, NULL, "binaryData", IMMUTABLE_SET);
    }
}

/* --- Secret ------------------------------------------------------------------------------------
 */

static const Core__V1__Secret__DataEntry *secret_value(const Core__V1__Secret *secret,
                                                       const char *key)
{
    for (size_t i = 0; i < secret->n_data; i++) {
        if (rules_is(secret->data[i]->key, key)) {
            return secret->data[i];
        }
    }
    return NULL;
}

static void require_key(struct api_causes *causes, const Core__V1__Secret *secret, const char *key)
{
    struct api_path data = api_path_field(NULL, "data");
    struct api_path at = api_path_key(&data, key);
    if (secret_value(secret, key) == NULL) {
        api_cause_required(causes, &at, "");
    }
}

/* What is wrong with a text that has to be a JSON object; NULL for nothing. */
static const char *wrong_object(struct arena *arena, struct slice text)
{
    static const char *const types[] = {[JSON_BOOL] = "bool",
                                        [JSON_NUMBER] = "number",
                                        [JSON_STRING] = "string",
                                        [JSON_ARRAY] = "array"};
    CLEANUP(error_release) struct error error = {0};
    struct json_value *value = NULL;
    if (json_parse(arena, text, &value, &error) != 0) {
        return arena_text(arena, error_message(&error));
    }
    return value->type == JSON_OBJECT || value->type == JSON_NULL
               ? NULL
               : arena_printf(
                     arena,
                     "json: cannot unmarshal %s into Go value of type map[string]interface "
                     "{}",
                     types[value->type]);
}

static void require_json(struct api_causes *causes, const Core__V1__Secret *secret, const char *key)
{
    struct api_path data = api_path_field(NULL, "data");
    struct api_path at = api_path_key(&data, key);
    const Core__V1__Secret__DataEntry *entry = secret_value(secret, key);
    require_key(causes, secret, key);
    const char *wrong =
        entry == NULL ? NULL
                      : wrong_object(causes->arena, slice_of(entry->value.data, entry->value.len));
    if (wrong != NULL) {
        api_cause_invalid(causes, &at, api_shown_text("<secret contents redacted>"), wrong);
    }
}

bool rules_secret_type(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__Secret *secret = frame->message;
    static const char account[] = "kubernetes.io/service-account.name";
    const Meta__V1__ObjectMeta *meta = secret->metadata;
    const char *type = text_or_empty(secret->type);
    if (strcmp(type, "kubernetes.io/service-account-token") == 0) {
        struct api_path metadata = api_path_field(NULL, "metadata");
        struct api_path annotations = api_path_field(&metadata, "annotations");
        struct api_path at = api_path_key(&annotations, account);
        const char *name =
            api_string_map_get(API_STRING_MAP(meta->annotations, meta->n_annotations), account);
        if (rules_empty(name)) {
            api_cause_required(causes, &at, "");
        }
    } else if (strcmp(type, "kubernetes.io/dockercfg") == 0) {
        require_json(causes, secret, ".dockercfg");
    } else if (strcmp(type, "kubernetes.io/dockerconfigjson") == 0) {
        require_json(causes, secret, ".dockerconfigjson");
    } else if (strcmp(type, "kubernetes.io/basic-auth") == 0) {
        if (secret_value(secret, "username") == NULL && secret_value(secret, "password") == NULL) {
            require_key(causes, secret, "username");
            require_key(causes, secret, "password");
        }
    } else if (strcmp(type, "kubernetes.io/ssh-auth") == 0) {
        const Core__V1__Secret__DataEntry *key = secret_value(secret, "ssh-privatekey");
        if (key == NULL || key->value.len == 0) {
            struct api_path data = api_path_field(NULL, "data");
            struct api_path at = api_path_key(&data, "ssh-privatekey");
            api_cause_required(causes, &at, "");
        }
    } else if (strcmp(type, "kubernetes.io/tls") == 0) {
        require_key(causes, secret, "tls.crt");
        require_key(causes, secret, "tls.key");
    }
    return true;
}

bool rules_secret_size(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__Secret *secret = frame->message;
    struct api_path data = api_path_field(NULL, "data");
    size_t total = 0;
    for (size_t i = 0; i < secret->n_data; i++) {
        total += secret->data[i]->value.len;
    }
    if (total > API_CONFIG_BYTES_MAX) {
        api_cause_too_long(causes, &data, API_CONFIG_BYTES_MAX);
    }
    return true;
}

void rules_update_secret(struct api_causes *causes, const void *before, const void *after)
{
    const struct api_message *table = &core__v1__secret__schema;
    const Core__V1__Secret *old_secret = before, *secret = after;
    if (old_secret->has_immutable && old_secret->immutable) {
        Core__V1__Secret data = *old_secret; /* As for ConfigMap. */
        data.data = secret->data;
        data.n_data = secret->n_data;
        if (!secret->has_immutable || !secret->immutable) {
            rules_forbidden(causes, NULL, "immutable", IMMUTABLE_SET);
        }
        if (!api_message_equal(table, old_secret, &data)) {
            rules_forbidden(causes, NULL, "data", IMMUTABLE_SET);
        }
    }
}

/* --- Namespace ---------------------------------------------------------------------------------
 */

void rules_update_namespace_status(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__Namespace *object = after;
    struct api_path status = api_path_field(NULL, "status");
    bool deleted = !api_time_is_zero(object->metadata->deletion_timestamp);
    (void)before;
    if (!deleted && !rules_is(object->status->phase, "Active")) {
        rules_invalid(causes, &status, "Phase", api_shown_text(object->status->phase),
                      "may only be 'Active' if `deletionTimestamp` is empty");
    }
    if (deleted && !rules_is(object->status->phase, "Terminating")) {
        rules_invalid(causes, &status, "Phase", api_shown_text(object->status->phase),
                      "may only be 'Terminating' if `deletionTimestamp` is not empty");
    }
}
