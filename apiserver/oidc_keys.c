#include "apiserver/oidc_keys.h"

#include "apiserver/limits.h"
#include "lib/api/json_value.h"
#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/net/x509.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 4096, PEM_MAX = 16 * 1024 };

struct oidc_key {
    char *id;
    char *pem;
};

struct oidc_keys {
    atomic_size_t references;
    size_t count;
    struct oidc_key keys[OIDC_KEYS_MAX];
};

static bool member_is(const struct json_value *object, const char *name, const char *text)
{
    const struct json_value *value = json_get_text(object, name);
    return value != NULL && value->type == JSON_STRING && slice_is(value->text, text);
}

static int number_of(const struct json_value *object, const char *name, struct buffer *number)
{
    const struct json_value *value = json_get_text(object, name);
    return value != NULL && value->type == JSON_STRING ? base64url_decode(value->text, number)
                                                       : -EINVAL;
}

/* What keys of that kind sign with; RSA ones may also use others of their family. */
static bool kind_of(const struct json_value *object, enum jws_algorithm *ret_algorithm)
{
    if (member_is(object, "kty", "RSA")) {
        *ret_algorithm = JWS_RS256;
        return true;
    }
    static const enum jws_algorithm curves[] = {JWS_ES256, JWS_ES384, JWS_ES512};
    for (size_t i = 0; member_is(object, "kty", "EC") && i < ARRAY_LEN(curves); i++) {
        if (member_is(object, "crv", jws_algorithm_curve(curves[i]))) {
            *ret_algorithm = curves[i];
            return true;
        }
    }
    return false;
}

/* A key that signs and that we can use; false for any other. */
static bool read_key(const struct json_value *object, struct oidc_key *ret_key)
{
    CLEANUP(buffer_release) struct buffer first;
    CLEANUP(buffer_release) struct buffer second;
    CLEANUP(buffer_release) struct buffer pem;
    CLEANUP(error_release) struct error error = {0};
    enum jws_algorithm algorithm = JWS_RS256;
    buffer_init(&first, NUMBER_MAX);
    buffer_init(&second, NUMBER_MAX);
    buffer_init(&pem, PEM_MAX);
    bool signs = json_get_text(object, "use") == NULL || member_is(object, "use", "sig");
    if (!signs || !kind_of(object, &algorithm)) {
        return false;
    }
    bool rsa = jws_algorithm_curve(algorithm) == NULL;
    if (number_of(object, rsa ? "n" : "x", &first) < 0 ||
        number_of(object, rsa ? "e" : "y", &second) < 0 ||
        jws_make_public(algorithm, buffer_slice(&first), buffer_slice(&second), &pem, &error) < 0) {
        return false;
    }
    const struct json_value *id = json_get_text(object, "kid");
    bool named = id != NULL && id->type == JSON_STRING;
    *ret_key = (struct oidc_key){
        .id = named ? alloc_text_n((const char *)id->text.data, id->text.len) : alloc_text(""),
        .pem = alloc_text(buffer_text(&pem))};
    return true;
}

int oidc_keys_parse(struct slice json, struct oidc_keys **ret_keys, struct error *reterr)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct json_value *document = NULL;
    if (json_parse(arena, json, &document, NULL) < 0 || document->type != JSON_OBJECT) {
        return error_set(reterr, -EINVAL, "the JWK Set is no JSON object");
    }
    const struct json_value *list = json_get_text(document, "keys");
    struct oidc_keys *keys = alloc_zeroed(sizeof(*keys));
    atomic_init(&keys->references, 1);
    for (size_t i = 0;
         list != NULL && list->type == JSON_ARRAY && i < list->count && keys->count < OIDC_KEYS_MAX;
         i++) {
        if (list->items[i]->type == JSON_OBJECT &&
            read_key(list->items[i], &keys->keys[keys->count])) {
            keys->count++;
        }
    }
    if (keys->count == 0) {
        oidc_keys_unref(keys);
        return error_set(reterr, -EINVAL, "the JWK Set has no key of RSA, P-256, P-384 or P-521");
    }
    *ret_keys = keys;
    return 0;
}

struct oidc_keys *oidc_keys_ref(struct oidc_keys *keys)
{
    (void)atomic_fetch_add(&keys->references, 1);
    return keys;
}

void oidc_keys_unref(struct oidc_keys *keys)
{
    if (keys == NULL || atomic_fetch_sub(&keys->references, 1) > 1) {
        return;
    }
    for (size_t i = 0; i < keys->count; i++) {
        free(keys->keys[i].id);
        free(keys->keys[i].pem);
    }
    free(keys);
}

int oidc_keys_verify(const struct oidc_keys *keys, const struct oidc_token *token)
{
    int status = -ENOENT;
    enum jws_algorithm algorithm = JWS_RS256;
    bool known = jws_algorithm_find(token->algorithm, &algorithm) == 0;
    for (size_t i = 0; i < keys->count; i++) {
        const struct oidc_key *key = &keys->keys[i];
        if (token->key_id[0] != 0 && strcmp(token->key_id, key->id) != 0) {
            continue;
        }
        /* The key decides what it is for: the token's word for it only chooses among that. */
        if (known && jws_verify(slice_text(key->pem), algorithm, token->signed_part,
                                token->signature, NULL) == 0) {
            return 0;
        }
        status = -EACCES;
    }
    return status;
}
