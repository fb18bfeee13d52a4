#include "apiserver/oidc_claims.h"

#include "apiserver/claim_expressions.h"
#include "apiserver/limits.h"
#include "lib/api/json_value.h"
#include "lib/base/base64.h"
#include <errno.h>
#include <string.h>

enum { NOT_BEFORE_LEEWAY_S = 300 };

/* --- Parts --- */

static const char *text_of(struct arena *arena, const struct json_value *object, const char *name)
{
    const struct json_value *value = json_get_text(object, name);
    if (value == NULL || value->type != JSON_STRING ||
        memchr(value->text.data, 0, value->text.len)) {
        return "";
    }
    return arena_text_n(arena, (const char *)value->text.data, value->text.len);
}

static int decode_part(struct arena *arena, struct slice text, struct slice *ret_bytes)
{
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, OIDC_TOKEN_MAX);
    if (base64url_decode(text, &bytes) < 0) {
        return -ENOENT;
    }
    *ret_bytes = arena_slice(arena, buffer_slice(&bytes));
    return 0;
}

static int decode_object(struct arena *arena, struct slice text, struct json_value **ret_object)
{
    struct slice bytes;
    struct json_value *value = NULL;
    if (decode_part(arena, text, &bytes) < 0 || json_parse(arena, bytes, &value, NULL) < 0 ||
        value->type != JSON_OBJECT) {
        return -ENOENT;
    }
    *ret_object = value;
    return 0;
}

int oidc_token_read(struct arena *arena, struct slice token, struct oidc_token *ret_token)
{
    struct json_value *header = NULL, *claims = NULL;
    const uint8_t *first = token.len == 0 ? NULL : memchr(token.data, '.', token.len);
    const uint8_t *last = token.len == 0 ? NULL : memrchr(token.data, '.', token.len);
    if (first == NULL || first == last || token.len > OIDC_TOKEN_MAX ||
        memchr(first + 1, '.', (size_t)(last - first - 1)) != NULL) {
        return -ENOENT;
    }
    struct slice signed_part = slice_of(token.data, (size_t)(last - token.data));
    struct slice signature;
    if (decode_object(arena, slice_of(token.data, (size_t)(first - token.data)), &header) < 0 ||
        decode_object(arena, slice_of(first + 1, (size_t)(last - first - 1)), &claims) < 0 ||
        decode_part(arena, slice_of(last + 1, token.len - signed_part.len - 1), &signature) < 0 ||
        json_get_text(header, "crit") != NULL) { /* RFC 7515, 4.1.11: we understand none. */
        return -ENOENT;
    }
    *ret_token = (struct oidc_token){.signed_part = signed_part,
                                     .signature = signature,
                                     .algorithm = text_of(arena, header, "alg"),
                                     .key_id = text_of(arena, header, "kid"),
                                     .claims = claims};
    return 0;
}

static bool text_is(const struct json_value *value, const char *text)
{
    return value != NULL && value->type == JSON_STRING && slice_is(value->text, text);
}

bool oidc_token_is_of(const struct oidc_token *token, const char *issuer_url)
{
    return text_is(json_get_text(token->claims, "iss"), issuer_url);
}

/* --- Claims --- */

static bool is_one_of(const struct json_value *audience, const struct text_list *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        if (text_is(audience, wanted->items[i])) {
            return true;
        }
    }
    return false;
}

static bool is_for(const struct json_value *claims, const struct text_list *wanted)
{
    const struct json_value *audience = json_get_text(claims, "aud");
    if (audience == NULL || audience->type != JSON_ARRAY) {
        return is_one_of(audience, wanted);
    }
    for (size_t i = 0; i < audience->count; i++) {
        if (is_one_of(audience->items[i], wanted)) {
            return true;
        }
    }
    return false;
}

/* Seconds since 1970; false when it is no number. A fraction is cut. */
static bool time_of(const struct json_value *claims, const char *name, double *ret_seconds)
{
    const struct json_value *value = json_get_text(claims, name);
    return value != NULL && json_double(value, ret_seconds) == 0;
}

static int check_times(const struct json_value *claims, int64_t now_s, struct error *reterr)
{
    double expires_s = 0, begins_s = 0;
    if (!time_of(claims, "exp", &expires_s) || expires_s <= (double)now_s) {
        return error_set(reterr, -EACCES, "oidc: the token has expired");
    }
    if (time_of(claims, "nbf", &begins_s) && begins_s > (double)now_s + NOT_BEFORE_LEEWAY_S) {
        return error_set(reterr, -EACCES, "oidc: the token is not valid yet");
    }
    return 0;
}

static int check_required(const struct oidc_options *options, const struct json_value *claims,
                          struct error *reterr)
{
    for (size_t i = 0; i < options->required_claims.count; i++) {
        const char *pair = options->required_claims.items[i];
        const char *equals = strchr(pair, '=');
        size_t len = equals == NULL ? strlen(pair) : (size_t)(equals - pair);
        const struct json_value *value = json_get(claims, slice_of(pair, len));
        if (equals == NULL || !text_is(value, equals + 1)) {
            return error_set(reterr, -EACCES, "oidc: required claim %s not present or different",
                             pair);
        }
    }
    return 0;
}

static const char *prefix_of(const struct oidc_options *options, struct arena *arena)
{
    if (options->literal_prefix) {
        return options->username_prefix;
    }
    if (options->username_prefix == NULL || options->username_prefix[0] == 0) {
        return strcmp(options->username_claim, "email") == 0
                   ? ""
                   : arena_printf(arena, "%s#", options->issuer_url);
    }
    return strcmp(options->username_prefix, "-") == 0 ? "" : options->username_prefix;
}

/* A claim that has to be there. */
static int read_text(struct arena *arena, const struct json_value *claims, const char *what,
                     const char *claim, const char **ret_text, struct error *reterr)
{
    *ret_text = text_of(arena, claims, claim);
    return (*ret_text)[0] != 0
               ? 0
               : error_set(reterr, -EACCES, "oidc: parse %s claim \"%s\": claim not present", what,
                           claim);
}

static int read_expressed_name(const struct claim_expression *expression, struct arena *arena,
                               const struct json_value *claims, const char **ret_name,
                               struct error *reterr)
{
    int status = claim_text(expression, arena, claims, ret_name, reterr);
    if (status < 0) {
        return error_wrap(reterr, "oidc: error evaluating username claim expression");
    }
    return (*ret_name)[0] != 0
               ? 0
               : error_set(reterr, -EACCES,
                           "oidc: empty username via CEL expression is not allowed");
}

static int read_name(const struct oidc_options *options, struct arena *arena,
                     const struct json_value *claims, const char **ret_name, struct error *reterr)
{
    const char *name = "";
    if (options->expressions != NULL && options->expressions->username != NULL) {
        return read_expressed_name(options->expressions->username, arena, claims, ret_name, reterr);
    }
    int status = read_text(arena, claims, "username", options->username_claim, &name, reterr);
    if (status < 0) {
        return status;
    }
    if (strcmp(options->username_claim, "email") == 0) {
        const struct json_value *verified = json_get_text(claims, "email_verified");
        if (verified != NULL && (verified->type != JSON_BOOL || !verified->boolean)) {
            return error_set(reterr, -EACCES, "oidc: email not verified");
        }
    }
    *ret_name = arena_printf(arena, "%s%s", prefix_of(options, arena), name);
    return 0;
}

static int read_groups_claim(const struct oidc_options *options, struct arena *arena,
                             const struct json_value *claims, struct user *user,
                             struct error *reterr)
{
    const struct json_value *value = json_get_text(claims, options->groups_claim);
    if (value == NULL || value->type == JSON_NULL) {
        return 0;
    }
    bool list = value->type == JSON_ARRAY;
    size_t count = list ? value->count : 1;
    const char **groups = arena_array(arena, count + 1, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        const struct json_value *each = list ? value->items[i] : value;
        if (each->type != JSON_STRING || memchr(each->text.data, 0, each->text.len) != NULL) {
            return error_set(reterr, -EACCES, "oidc: parse groups claim \"%s\": no text",
                             options->groups_claim);
        }
        groups[i] = arena_printf(arena, "%s%.*s", text_or_empty(options->groups_prefix),
                                 (int)each->text.len, (const char *)each->text.data);
    }
    user->groups = groups;
    user->group_count = count;
    return 0;
}

static int read_groups(const struct oidc_options *options, struct arena *arena,
                       const struct json_value *claims, struct user *user, struct error *reterr)
{
    if (options->groups_claim != NULL) {
        return read_groups_claim(options, arena, claims, user, reterr);
    }
    if (options->expressions == NULL || options->expressions->groups == NULL) {
        return 0;
    }
    int status = claim_texts(options->expressions->groups, arena, claims, &user->groups,
                             &user->group_count, reterr);
    return status < 0 ? error_wrap(reterr, "oidc: error evaluating group claim expression") : 0;
}

static int read_uid(const struct oidc_options *options, struct arena *arena,
                    const struct json_value *claims, struct user *user, struct error *reterr)
{
    if (options->uid_claim != NULL) {
        return read_text(arena, claims, "uid", options->uid_claim, &user->uid, reterr);
    }
    if (options->expressions == NULL || options->expressions->uid == NULL) {
        return 0;
    }
    int status = claim_text(options->expressions->uid, arena, claims, &user->uid, reterr);
    return status < 0 ? error_wrap(reterr, "oidc: error evaluating uid claim expression") : 0;
}

static void add_extra(struct arena *arena, struct user *user, const char *key, const char *value)
{
    struct user_extra *extras =
        arena_array_grown(arena, user->extras, user->extra_count, sizeof(*extras));
    extras[user->extra_count++] = (struct user_extra){key, value};
    user->extras = extras;
}

static int read_extras(const struct oidc_options *options, struct arena *arena,
                       const struct json_value *claims, struct user *user, struct error *reterr)
{
    const char *id = text_of(arena, claims, "jti");
    if (id[0] != 0) {
        add_extra(arena, user, "authentication.kubernetes.io/credential-id",
                  arena_printf(arena, "JTI=%s", id));
    }
    size_t mappings = options->expressions == NULL ? 0 : options->expressions->extras.count;
    for (size_t i = 0; i < mappings; i++) {
        const struct claim_expression *mapping = &options->expressions->extras.items[i];
        const char *const *texts = NULL;
        size_t count = 0;
        int status = claim_texts(mapping, arena, claims, &texts, &count, reterr);
        if (status < 0) {
            return error_wrap(reterr, "oidc: error evaluating extra claim expression");
        }
        for (size_t j = 0; j < count; j++) {
            add_extra(arena, user, mapping->key, texts[j]);
        }
    }
    return 0;
}

static int check_rules(const struct claim_expressions *expressions, struct arena *arena,
                       const struct json_value *claims, const struct user *user,
                       struct error *reterr)
{
    if (expressions == NULL) {
        return 0;
    }
    if (claim_rules_hold(&expressions->claim_rules, arena, claims, reterr) < 0) {
        return error_wrap(reterr, "oidc: error evaluating claim validation expression");
    }
    if (user_rules_hold(&expressions->user_rules, arena, user, reterr) < 0) {
        return error_wrap(reterr, "oidc: error evaluating user info validation rule");
    }
    return 0;
}

static int read_user(const struct oidc_options *options, struct arena *arena,
                     const struct json_value *claims, struct user *user, struct error *reterr)
{
    int status = read_name(options, arena, claims, &user->name, reterr);
    if (status == 0) {
        status = read_groups(options, arena, claims, user, reterr);
    }
    if (status == 0) {
        status = read_uid(options, arena, claims, user, reterr);
    }
    return status == 0 ? read_extras(options, arena, claims, user, reterr) : status;
}

int oidc_identify(const struct oidc_options *options, struct arena *arena,
                  const struct oidc_token *token, int64_t now_s, struct user *ret_user,
                  struct error *reterr)
{
    struct user user = {.uid = ""};
    const struct json_value *claims = token->claims;
    if (!oidc_token_is_of(token, options->issuer_url) || !is_for(claims, &options->audiences)) {
        return error_set(reterr, -EACCES, "oidc: the token is of another issuer, or for another");
    }
    int status = check_times(claims, now_s, reterr);
    if (status == 0) {
        status = read_user(options, arena, claims, &user, reterr);
    }
    if (status == 0) {
        status = check_required(options, claims, reterr);
    }
    if (status == 0) {
        status = check_rules(options->expressions, arena, claims, &user, reterr);
    }
    if (status == 0) {
        *ret_user = user;
    }
    return status;
}
