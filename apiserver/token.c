#include "apiserver/token.h"

#include "lib/api/json_value.h"
#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/net/x509.h"
#include <errno.h>
#include <stdlib.h>

enum { TOKEN_BYTES_MAX = 16 * 1024, CLOCK_SKEW_S = 10 };

/* What tokens kept in Secrets have always said. */
static const char legacy_issuer[] = "kubernetes/serviceaccount";
#define LEGACY_CLAIM(name) "kubernetes.io/serviceaccount/" name

struct token_signer {
    char *private_pem;
    char *public_pem;
    char *issuer;
    char *key_id;
    enum jws_algorithm algorithm;
};

/* base64url(SHA-256(DER of the public key)), as v1.32 names its keys. */
static char *key_id_of(const char *public_pem)
{
    CLEANUP(buffer_release) struct buffer der;
    CLEANUP(buffer_release) struct buffer id;
    buffer_init(&der, TOKEN_BYTES_MAX);
    buffer_init(&id, 256);
    const char *begin = strchr(public_pem, '\n');
    const char *end = strstr(public_pem, "-----END");
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, TOKEN_BYTES_MAX);
    for (const char *c = begin; c != NULL && c < end; c++) {
        if (*c != '\n' && *c != '\r') {
            buffer_append_byte(&text, (uint8_t)*c);
        }
    }
    uint8_t digest[X509_SHA256_SIZE] = {0};
    if (base64_decode(buffer_slice(&text), &der) == 0) {
        x509_sha256(buffer_slice(&der), digest);
    }
    base64url_encode(slice_of(digest, sizeof(digest)), &id);
    return alloc_text(buffer_text(&id));
}

int token_signer_new(const char *private_pem, const char *public_pem, const char *issuer,
                     struct token_signer **ret_signer, struct error *reterr)
{
    enum jws_algorithm algorithm = JWS_ES256;
    int status = jws_algorithm_of(slice_text(public_pem), &algorithm, reterr);
    if (status < 0) {
        return error_wrap(reterr, "ServiceAccount key");
    }
    struct token_signer *signer = alloc_zeroed(sizeof(*signer));
    signer->private_pem = alloc_text(private_pem);
    signer->public_pem = alloc_text(public_pem);
    signer->issuer = alloc_text(issuer);
    signer->key_id = key_id_of(public_pem);
    signer->algorithm = algorithm;
    *ret_signer = signer;
    return 0;
}

void token_signer_free(struct token_signer *signer)
{
    if (signer != NULL) {
        explicit_bzero(signer->private_pem, strlen(signer->private_pem));
        free(signer->private_pem);
        free(signer->public_pem);
        free(signer->issuer);
        free(signer->key_id);
        free(signer);
    }
}

const char *token_signer_issuer(const struct token_signer *signer)
{
    return signer->issuer;
}

static void member(struct buffer *out, const char *name, const char *value)
{
    buffer_printf(out, "\"%s\":", name);
    json_print_string(slice_text(value), out);
}

static void bound(struct buffer *out, const char *kind, const char *name, const char *uid)
{
    if (name == NULL) {
        return;
    }
    buffer_printf(out, ",\"%s\":{", kind);
    member(out, "name", name);
    if (uid != NULL && uid[0] != 0) {
        buffer_append_byte(out, ',');
        member(out, "uid", uid);
    }
    buffer_append_byte(out, '}');
}

static void print_legacy_claims(const struct token_claims *claims, struct buffer *out)
{
    buffer_append_byte(out, '{');
    member(out, "iss", legacy_issuer);
    buffer_append_byte(out, ',');
    member(out, LEGACY_CLAIM("namespace"), claims->namespace);
    buffer_append_byte(out, ',');
    member(out, LEGACY_CLAIM("secret.name"), claims->secret);
    buffer_append_byte(out, ',');
    member(out, LEGACY_CLAIM("service-account.name"), claims->account);
    buffer_append_byte(out, ',');
    member(out, LEGACY_CLAIM("service-account.uid"), claims->account_uid);
    buffer_printf(out, ",\"sub\":\"system:serviceaccount:%s:%s\"}", claims->namespace,
                  claims->account);
}

static void print_claims(const struct token_signer *signer, const struct token_claims *claims,
                         struct buffer *out)
{
    buffer_append_text(out, "{\"aud\":[");
    for (size_t i = 0; i < claims->audience_count; i++) {
        buffer_append_text(out, i == 0 ? "" : ",");
        json_print_string(slice_text(claims->audiences[i]), out);
    }
    buffer_printf(out, "],\"exp\":%lld,\"iat\":%lld,", (long long)claims->expires_s,
                  (long long)claims->issued_s);
    member(out, "iss", signer->issuer);
    buffer_append_byte(out, ',');
    member(out, "jti", claims->id);
    buffer_append_text(out, ",\"kubernetes.io\":{");
    member(out, "namespace", claims->namespace);
    bound(out, "node", claims->node, claims->node_uid);
    bound(out, "pod", claims->pod, claims->pod_uid);
    bound(out, "secret", claims->secret, claims->secret_uid);
    bound(out, "serviceaccount", claims->account, claims->account_uid);
    if (claims->warn_after_s > 0) {
        buffer_printf(out, ",\"warnafter\":%lld", (long long)claims->warn_after_s);
    }
    buffer_printf(out, "},\"nbf\":%lld,\"sub\":\"system:serviceaccount:%s:%s\"}",
                  (long long)claims->issued_s, claims->namespace, claims->account);
}

int token_issue(const struct token_signer *signer, const struct token_claims *claims,
                struct buffer *token, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer text;
    CLEANUP(buffer_release) struct buffer signature;
    buffer_init(&text, TOKEN_BYTES_MAX);
    buffer_init(&signature, TOKEN_BYTES_MAX);
    buffer_printf(&text, "{\"alg\":\"%s\",\"kid\":\"%s\"}", jws_algorithm_name(signer->algorithm),
                  signer->key_id);
    base64url_encode(buffer_slice(&text), token);
    buffer_clear(&text);
    if (claims->legacy) {
        print_legacy_claims(claims, &text);
    } else {
        print_claims(signer, claims, &text);
    }
    buffer_append_byte(token, '.');
    base64url_encode(buffer_slice(&text), token);
    if (buffer_error(&text) < 0 || buffer_error(token) < 0) {
        return error_set(reterr, -ENOSPC, "the token's claims are too large");
    }
    int status = jws_sign(slice_text(signer->private_pem), buffer_slice(token), &signature, reterr);
    if (status < 0) {
        return status;
    }
    buffer_append_byte(token, '.');
    base64url_encode(buffer_slice(&signature), token);
    return buffer_error(token);
}

static const char *text_of(struct arena *arena, const struct json_value *object, const char *name)
{
    const struct json_value *value =
        object == NULL || object->type != JSON_OBJECT ? NULL : json_get_text(object, name);
    return value == NULL || value->type != JSON_STRING
               ? NULL
               : arena_text_n(arena, (const char *)value->text.data, value->text.len);
}

static int64_t number_of(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_get_text(object, name);
    int64_t number = 0;
    return value != NULL && json_int64(value, &number) == 0 ? number : 0;
}

static void read_bound(struct arena *arena, const struct json_value *private, const char *kind,
                       const char **ret_name, const char **ret_uid)
{
    const struct json_value *object = json_get_text(private, kind);
    *ret_name = text_of(arena, object, "name");
    *ret_uid = text_of(arena, object, "uid");
}

static void read_audiences(struct arena *arena, const struct json_value *payload,
                           struct token_claims *claims)
{
    const struct json_value *audience = json_get_text(payload, "aud");
    if (audience == NULL) {
        return;
    }
    size_t count = audience->type == JSON_ARRAY ? audience->count : 1;
    const char **list = arena_array(arena, count + 1, sizeof(char *));
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct json_value *each =
            audience->type == JSON_ARRAY ? audience->items[i] : audience;
        if (each->type == JSON_STRING) {
            list[kept++] = arena_text_n(arena, (const char *)each->text.data, each->text.len);
        }
    }
    claims->audiences = list;
    claims->audience_count = kept;
}

static int read_legacy_claims(struct arena *arena, const struct json_value *payload,
                              struct token_claims *ret_claims, struct error *reterr)
{
    struct token_claims claims = {
        .legacy = true,
        .namespace = text_of(arena, payload, LEGACY_CLAIM("namespace")),
        .secret = text_of(arena, payload, LEGACY_CLAIM("secret.name")),
        .account = text_of(arena, payload, LEGACY_CLAIM("service-account.name")),
        .account_uid = text_of(arena, payload, LEGACY_CLAIM("service-account.uid"))};
    if (claims.namespace == NULL || claims.secret == NULL || claims.account == NULL ||
        claims.account_uid == NULL) {
        return error_set(reterr, -EACCES, "the token names no ServiceAccount");
    }
    *ret_claims = claims;
    return 0;
}

static int read_claims(struct arena *arena, const struct json_value *payload, int64_t now_s,
                       struct token_claims *ret_claims, struct error *reterr)
{
    const struct json_value *private = json_get_text(payload, "kubernetes.io");
    if (private == NULL || private->type != JSON_OBJECT) {
        return error_set(reterr, -EACCES, "the token has no kubernetes.io claims");
    }
    struct token_claims claims = {.namespace = text_of(arena, private, "namespace"),
                                  .id = text_of(arena, payload, "jti"),
                                  .issued_s = number_of(payload, "iat"),
                                  .expires_s = number_of(payload, "exp")};
    read_bound(arena, private, "serviceaccount", &claims.account, &claims.account_uid);
    read_bound(arena, private, "pod", &claims.pod, &claims.pod_uid);
    read_bound(arena, private, "secret", &claims.secret, &claims.secret_uid);
    read_bound(arena, private, "node", &claims.node, &claims.node_uid);
    read_audiences(arena, payload, &claims);
    if (claims.namespace == NULL || claims.account == NULL) {
        return error_set(reterr, -EACCES, "the token names no ServiceAccount");
    }
    if (claims.expires_s <= now_s) {
        return error_set(reterr, -EACCES, "service account token has expired");
    }
    if (number_of(payload, "nbf") > now_s + CLOCK_SKEW_S) {
        return error_set(reterr, -EACCES, "service account token is not valid yet");
    }
    *ret_claims = claims;
    return 0;
}

/* Its three parts; not believed yet. */
static int read_parts(struct arena *arena, struct slice token, struct slice *ret_signed_part,
                      struct json_value **ret_payload, struct buffer *signature)
{
    const uint8_t *first = token.len == 0 ? NULL : memchr(token.data, '.', token.len);
    const uint8_t *last = token.len == 0 ? NULL : memrchr(token.data, '.', token.len);
    if (first == NULL || first == last || token.len > TOKEN_BYTES_MAX) {
        return -ENOENT;
    }
    size_t signed_len = (size_t)(last - token.data);
    struct slice payload_text = slice_of(first + 1, (size_t)(last - first - 1));
    struct slice signature_text = slice_of(last + 1, token.len - signed_len - 1);
    CLEANUP(buffer_release) struct buffer json;
    struct json_value *payload = NULL;
    buffer_init(&json, TOKEN_BYTES_MAX);
    if (base64url_decode(payload_text, &json) < 0 ||
        base64url_decode(signature_text, signature) < 0 ||
        json_parse(arena, arena_slice(arena, buffer_slice(&json)), &payload, NULL) < 0 ||
        payload->type != JSON_OBJECT) {
        return -ENOENT;
    }
    *ret_signed_part = slice_of(token.data, signed_len);
    *ret_payload = payload;
    return 0;
}

int token_verify(const struct token_signer *signer, struct arena *arena, struct slice token,
                 int64_t now_s, struct token_claims *ret_claims, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer signature;
    struct json_value *payload = NULL;
    struct slice signed_part;
    buffer_init(&signature, TOKEN_BYTES_MAX);
    if (read_parts(arena, token, &signed_part, &payload, &signature) < 0) {
        return error_set(reterr, -ENOENT, "not a JSON Web Token");
    }
    /* The issuer first: a token of somebody else, signed with a key that is not ours, may still be
     * good to the next authenticator. */
    const char *issuer = text_of(arena, payload, "iss");
    bool legacy = issuer != NULL && strcmp(issuer, legacy_issuer) == 0;
    if (issuer == NULL || (!legacy && strcmp(issuer, signer->issuer) != 0)) {
        return error_set(reterr, -ENOENT, "the token has another issuer");
    }
    /* The algorithm follows our key, so a header that says "none" changes nothing. */
    if (jws_verify(slice_text(signer->public_pem), signer->algorithm, signed_part,
                   buffer_slice(&signature), reterr) < 0) {
        return -EACCES;
    }
    return legacy ? read_legacy_claims(arena, payload, ret_claims, reterr)
                  : read_claims(arena, payload, now_s, ret_claims, reterr);
}

int token_signer_jwks(const struct token_signer *signer, struct buffer *out)
{
    CLEANUP(buffer_release) struct buffer first;
    CLEANUP(buffer_release) struct buffer second;
    CLEANUP(buffer_release) struct buffer crv;
    buffer_init(&first, TOKEN_BYTES_MAX);
    buffer_init(&second, TOKEN_BYTES_MAX);
    buffer_init(&crv, TOKEN_BYTES_MAX);
    enum jws_algorithm algorithm = JWS_ES256;
    int status =
        jws_public_parameters(slice_text(signer->public_pem), &algorithm, &first, &second, NULL);
    if (status < 0) {
        return status;
    }
    const char *curve = jws_algorithm_curve(algorithm);
    bool elliptic = curve != NULL;
    if (elliptic) {
        buffer_printf(&crv, "\"crv\":\"%s\",", curve);
    }
    buffer_printf(
        out, "{\"keys\":[{\"use\":\"sig\",\"kty\":\"%s\",\"kid\":\"%s\",%s\"alg\":\"%s\",\"%s\":\"",
        elliptic ? "EC" : "RSA", signer->key_id, buffer_text(&crv), jws_algorithm_name(algorithm),
        elliptic ? "x" : "n");
    base64url_encode(buffer_slice(&first), out);
    buffer_printf(out, "\",\"%s\":\"", elliptic ? "y" : "e");
    base64url_encode(buffer_slice(&second), out);
    buffer_append_text(out, "\"}]}");
    return buffer_error(out);
}

void token_signer_discovery(const struct token_signer *signer, struct buffer *out)
{
    buffer_append_text(out, "{");
    member(out, "issuer", signer->issuer);
    buffer_printf(out, ",\"jwks_uri\":\"%s/openid/v1/jwks\"", signer->issuer);
    buffer_printf(out,
                  ",\"response_types_supported\":[\"id_token\"],\"subject_types_supported\":"
                  "[\"public\"],\"id_token_signing_alg_values_supported\":[\"%s\"]}",
                  jws_algorithm_name(signer->algorithm));
}
