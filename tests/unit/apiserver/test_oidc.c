/* ID tokens: whose signatures are believed, and whom their claims name. Time is a number here. */
#include "apiserver/oidc_keys.h"
#include "lib/api/bootstrap_token.h"
#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/net/x509.h"

#include <check.h>
#include <errno.h>

#define ISSUER "https://issuer.test"
#define GOOD   "\"iss\":\"" ISSUER "\",\"aud\":\"me\",\"sub\":\"ann\",\"exp\":2000"
enum { NOW_S = 1000, TEXT_MAX = 1 << 16 };

static const char *const me[] = {"me"};
static const struct oidc_options plain = {
    .issuer_url = ISSUER, .audiences = {me, 1}, .username_claim = "sub"};

static struct arena *arena;
static struct buffer rsa_key, ec_key;
static struct oidc_keys *keys;

/* --- A provider --- */

static void append_jwk(struct buffer *json, const struct buffer *private_pem, const char *id)
{
    CLEANUP(buffer_release) struct buffer public;
    CLEANUP(buffer_release) struct buffer first;
    CLEANUP(buffer_release) struct buffer second;
    enum jws_algorithm algorithm = JWS_ES256;
    buffer_init(&public, TEXT_MAX);
    buffer_init(&first, TEXT_MAX);
    buffer_init(&second, TEXT_MAX);
    ck_assert_int_eq(x509_public_key(buffer_slice(private_pem), &public, NULL), 0);
    ck_assert_int_eq(
        jws_public_parameters(buffer_slice(&public), &algorithm, &first, &second, NULL), 0);
    bool rsa = algorithm == JWS_RS256;
    buffer_printf(json, "{\"kid\":\"%s\",\"kty\":\"%s\",\"crv\":\"P-256\",\"%s\":\"", id,
                  rsa ? "RSA" : "EC", rsa ? "n" : "x");
    base64url_encode(buffer_slice(&first), json);
    buffer_printf(json, "\",\"%s\":\"", rsa ? "e" : "y");
    base64url_encode(buffer_slice(&second), json);
    buffer_append_text(json, "\"}");
}

static void setup(void)
{
    CLEANUP(buffer_release) struct buffer json;
    arena = arena_new(SIZE_MAX);
    buffer_init(&json, TEXT_MAX);
    buffer_init(&rsa_key, TEXT_MAX);
    buffer_init(&ec_key, TEXT_MAX);
    ck_assert_int_eq(x509_make_rsa_key(2048, &rsa_key, NULL), 0);
    ck_assert_int_eq(x509_make_key(&ec_key, NULL), 0);
    buffer_append_text(&json, "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"o\",\"k\":\"AAAA\"},");
    append_jwk(&json, &rsa_key, "r");
    buffer_append_text(&json, ",");
    append_jwk(&json, &ec_key, "e");
    buffer_append_text(&json, "]}");
    ck_assert_int_eq(oidc_keys_parse(buffer_slice(&json), &keys, NULL), 0);
}

static void teardown(void)
{
    oidc_keys_unref(keys);
    buffer_release(&rsa_key);
    buffer_release(&ec_key);
    arena_free(arena);
}

/* A token with this header and these claims, signed with `key` (not at all: NULL). */
static struct slice token_of(const char *header, const char *claims, const struct buffer *key)
{
    struct buffer token, signature;
    buffer_init(&token, TEXT_MAX);
    buffer_init(&signature, TEXT_MAX);
    base64url_encode(slice_text(header), &token);
    buffer_append_byte(&token, '.');
    base64url_encode(slice_text(arena_printf(arena, "{%s}", claims)), &token);
    if (key != NULL) {
        ck_assert_int_eq(jws_sign(buffer_slice(key), buffer_slice(&token), &signature, NULL), 0);
    }
    buffer_append_byte(&token, '.');
    base64url_encode(buffer_slice(&signature), &token);
    struct slice copy = arena_slice(arena, buffer_slice(&token));
    buffer_release(&token);
    buffer_release(&signature);
    return copy;
}

static int verify(const char *header, const struct buffer *key)
{
    struct oidc_token token;
    ck_assert_int_eq(oidc_token_read(arena, token_of(header, GOOD, key), &token), 0);
    return oidc_keys_verify(keys, &token);
}

/* --- Signatures --- */

START_TEST(a_key_is_found_by_its_id_or_by_trying_all)
{
    ck_assert_int_eq(verify("{\"alg\":\"RS256\",\"kid\":\"r\"}", &rsa_key), 0);
    ck_assert_int_eq(verify("{\"alg\":\"ES256\",\"kid\":\"e\"}", &ec_key), 0);
    ck_assert_int_eq(verify("{\"alg\":\"ES256\"}", &ec_key), 0);
    ck_assert_int_eq(verify("{\"alg\":\"RS256\",\"kid\":\"new\"}", &rsa_key), -ENOENT);
}
END_TEST

/* CVE-2015-9235: none, or another algorithm than the key is for. */
START_TEST(a_header_never_chooses_the_algorithm)
{
    ck_assert_int_eq(verify("{\"alg\":\"none\"}", NULL), -EACCES);
    ck_assert_int_eq(verify("{\"alg\":\"none\",\"kid\":\"r\"}", NULL), -EACCES);
    ck_assert_int_eq(verify("{\"alg\":\"RS256\",\"kid\":\"e\"}", &rsa_key), -EACCES);
    ck_assert_int_eq(verify("{\"alg\":\"ES256\",\"kid\":\"r\"}", &rsa_key), -EACCES);
    ck_assert_int_eq(verify("{\"kid\":\"r\"}", &rsa_key), -EACCES);
}
END_TEST

/* CVE-2016-10555 */
START_TEST(a_public_key_is_no_secret_of_an_hmac)
{
    CLEANUP(buffer_release) struct buffer public;
    uint8_t mac[X509_SHA256_SIZE];
    struct oidc_token token;
    buffer_init(&public, TEXT_MAX);
    ck_assert_int_eq(x509_public_key(buffer_slice(&rsa_key), &public, NULL), 0);
    ck_assert_int_eq(
        oidc_token_read(arena, token_of("{\"alg\":\"HS256\",\"kid\":\"r\"}", GOOD, NULL), &token),
        0);
    x509_hmac_sha256(buffer_slice(&public), token.signed_part, mac);
    token.signature = slice_of(mac, sizeof(mac));
    ck_assert_int_eq(oidc_keys_verify(keys, &token), -EACCES);
}
END_TEST

START_TEST(sets_without_a_usable_key_are_refused)
{
    struct oidc_keys *none = NULL;
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"keys\":[]}",
        "{\"keys\":{}}",
        "{\"keys\":[1,\"x\",{}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",              /* 24 bits. */
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}]}", /* Off it. */
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AQ\",\"y\":\"AQ\"}]}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(error_release) struct error error = {0};
        ck_assert_int_eq(oidc_keys_parse(slice_text(bad[i]), &none, &error), -EINVAL);
    }
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(what_is_no_token_is_left_to_others)
{
    struct oidc_token token;
    static const char *const bad[] = {"",     "a",       "a.b",      "a.b.c",
                                      "....", "e30.e30", "e30.W10.", "W10.e30."};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(oidc_token_read(arena, slice_text(bad[i]), &token), -ENOENT);
    }
    /* An extension that must be understood, and is not. */
    struct slice critical = token_of("{\"alg\":\"RS256\",\"crit\":[\"b64\"]}", GOOD, &rsa_key);
    ck_assert_int_eq(oidc_token_read(arena, critical, &token), -ENOENT);
}
END_TEST

/* --- Claims --- */

static int identify(const struct oidc_options *options, const char *claims, struct user *ret_user)
{
    struct oidc_token token;
    CLEANUP(error_release) struct error error = {0};
    ck_assert_int_eq(oidc_token_read(arena, token_of("{}", claims, NULL), &token), 0);
    return oidc_identify(options, arena, &token, NOW_S, ret_user, &error);
}

START_TEST(issuer_audience_and_times_must_be_right)
{
    static const struct {
        const char *claims;
        int status;
    } cases[] = {
        {GOOD, 0},
        {"\"iss\":\"" ISSUER "\",\"aud\":[\"x\",\"me\"],\"sub\":\"ann\",\"exp\":1001", 0},
        {"\"iss\":\"" ISSUER "/\",\"aud\":\"me\",\"sub\":\"ann\",\"exp\":2000", -EACCES},
        {"\"iss\":\"" ISSUER "\",\"aud\":[\"x\"],\"sub\":\"ann\",\"exp\":2000", -EACCES},
        {"\"iss\":\"" ISSUER "\",\"aud\":{\"me\":1},\"sub\":\"ann\",\"exp\":2000", -EACCES},
        {"\"iss\":\"" ISSUER "\",\"sub\":\"ann\",\"exp\":2000", -EACCES},
        {"\"iss\":\"" ISSUER "\",\"aud\":\"me\",\"sub\":\"ann\"", -EACCES},
        {"\"iss\":\"" ISSUER "\",\"aud\":\"me\",\"sub\":\"ann\",\"exp\":\"2000\"", -EACCES},
        {"\"iss\":\"" ISSUER "\",\"aud\":\"me\",\"sub\":\"ann\",\"exp\":1000", -EACCES},
        {GOOD ",\"nbf\":1300", 0}, /* Clocks may differ by five minutes. */
        {GOOD ",\"nbf\":1301", -EACCES},
        {"\"iss\":\"" ISSUER "\",\"aud\":\"me\",\"exp\":2000", -EACCES},
        {"\"iss\":\"" ISSUER "\",\"aud\":\"me\",\"sub\":7,\"exp\":2000", -EACCES},
        {"\"iss\":\"" ISSUER "\",\"aud\":\"me\",\"sub\":\"\",\"exp\":2000", -EACCES},
        {"\"iss\":\"" ISSUER "\",\"aud\":\"me\",\"sub\":\"a\\u0000b\",\"exp\":2000", -EACCES},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct user identity = {.name = "untouched"};
        ck_assert_msg(identify(&plain, cases[i].claims, &identity) == cases[i].status, "%s",
                      cases[i].claims);
        ck_assert_str_eq(identity.name, cases[i].status == 0 ? ISSUER "#ann" : "untouched");
    }
}
END_TEST

START_TEST(names_have_the_prefix_that_was_asked_for)
{
    static const struct {
        const char *claim, *prefix, *claims, *name; /* NULL: refused. */
    } cases[] = {
        {"sub", NULL, GOOD, ISSUER "#ann"},
        {"sub", "", GOOD, ISSUER "#ann"}, /* Not given, as kube-apiserver sees it. */
        {"sub", "-", GOOD, "ann"},
        {"sub", "corp:", GOOD, "corp:ann"},
        {"email", NULL, GOOD ",\"email\":\"a@b\"", "a@b"},
        {"email", "corp:", GOOD ",\"email\":\"a@b\",\"email_verified\":true", "corp:a@b"},
        {"email", NULL, GOOD ",\"email\":\"a@b\",\"email_verified\":false", NULL},
        {"email", NULL, GOOD ",\"email\":\"a@b\",\"email_verified\":\"true\"", NULL},
        {"email", NULL, GOOD, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct oidc_options options = plain;
        struct user identity;
        options.username_claim = cases[i].claim;
        options.username_prefix = cases[i].prefix;
        int status = identify(&options, cases[i].claims, &identity);
        ck_assert_int_eq(status, cases[i].name == NULL ? -EACCES : 0);
        if (status == 0) {
            ck_assert_str_eq(identity.name, cases[i].name);
        }
    }
}
END_TEST

START_TEST(groups_are_a_text_or_a_list_of_texts)
{
    struct oidc_options options = plain;
    struct user identity;
    ck_assert_int_eq(identify(&options, GOOD ",\"roles\":[\"a\"]", &identity), 0);
    ck_assert_uint_eq(identity.group_count, 0); /* No claim was named for them. */
    options.groups_claim = "roles";
    options.groups_prefix = "oidc:";
    ck_assert_int_eq(identify(&options, GOOD ",\"roles\":[\"a\",\"b\"],\"jti\":\"x\"", &identity),
                     0);
    ck_assert_uint_eq(identity.group_count, 2);
    ck_assert_str_eq(identity.groups[1], "oidc:b");
    ck_assert_uint_eq(identity.extra_count, 1);
    ck_assert_str_eq(identity.extras[0].value, "JTI=x");
    ck_assert_int_eq(identify(&options, GOOD ",\"roles\":\"a\"", &identity), 0);
    ck_assert_str_eq(identity.groups[0], "oidc:a");
    ck_assert_uint_eq(identity.extra_count, 0);
    ck_assert_int_eq(identify(&options, GOOD ",\"roles\":null", &identity), 0);
    ck_assert_uint_eq(identity.group_count, 0);
    ck_assert_int_eq(identify(&options, GOOD ",\"roles\":[\"a\",1]", &identity), -EACCES);
    ck_assert_int_eq(identify(&options, GOOD ",\"roles\":{\"a\":1}", &identity), -EACCES);
}
END_TEST

START_TEST(required_claims_must_be_there_with_their_value)
{
    static const char *const required[] = {"tenant=blue", "level=a=b"};
    struct oidc_options options = plain;
    struct user identity;
    options.required_claims = (struct text_list){required, ARRAY_LEN(required)};
    ck_assert_int_eq(identify(&options, GOOD ",\"tenant\":\"blue\",\"level\":\"a=b\"", &identity),
                     0);
    ck_assert_int_eq(identify(&options, GOOD ",\"tenant\":\"blue\"", &identity), -EACCES);
    ck_assert_int_eq(identify(&options, GOOD ",\"tenant\":\"red\",\"level\":\"a=b\"", &identity),
                     -EACCES);
    ck_assert_int_eq(identify(&options, GOOD ",\"tenant\":[\"blue\"],\"level\":\"a=b\"", &identity),
                     -EACCES);
}
END_TEST

/* --- Bootstrap tokens --- */

START_TEST(bootstrap_tokens_have_one_form)
{
    struct slice id, secret;
    ck_assert(bootstrap_token_split(slice_text("abcdef.0123456789abcdef"), &id, &secret));
    ck_assert(slice_is(id, "abcdef") && slice_is(secret, "0123456789abcdef"));
    ck_assert(!bootstrap_token_split(slice_text("abcdef-0123456789abcdef"), &id, &secret));
    ck_assert(!bootstrap_token_split(slice_text("abcdeF.0123456789abcdef"), &id, &secret));
    ck_assert(!bootstrap_token_split(slice_text("abcdef.0123456789abcde"), &id, &secret));
    ck_assert(!bootstrap_token_split(slice_text(""), &id, &secret));
}
END_TEST

START_TEST(bootstrap_groups_stay_below_their_prefix)
{
    static const struct {
        const char *text;
        size_t count; /* 0: refused. */
    } cases[] = {{"", 1},
                 {"system:bootstrappers:a", 2},
                 {"system:bootstrappers:a:b-c,system:bootstrappers:d", 3},
                 {"system:masters", 0},
                 {"system:bootstrappers", 0},
                 {"system:bootstrappers:", 0},
                 {"system:bootstrappers:a-", 0},
                 {"system:bootstrappers:A", 0},
                 {"system:bootstrappers:a,system:masters", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Core__V1__Secret secret = CORE__V1__SECRET__INIT;
        Core__V1__Secret__DataEntry entry = CORE__V1__SECRET__DATA_ENTRY__INIT;
        Core__V1__Secret__DataEntry *entries[] = {&entry};
        char key[] = "auth-extra-groups";
        CLEANUP(alloc_freep) char *text = alloc_text(cases[i].text);
        entry.key = key;
        entry.value.data = (uint8_t *)text;
        entry.value.len = strlen(text);
        secret.data = entries;
        secret.n_data = 1;
        const char **groups = NULL;
        size_t count = 0;
        int status = bootstrap_secret_groups(arena, &secret, &groups, &count);
        ck_assert_int_eq(status, cases[i].count == 0 ? -EINVAL : 0);
        ck_assert_uint_eq(count, cases[i].count);
    }
}
END_TEST

Suite *oidc_suite(void);

Suite *oidc_suite(void)
{
    Suite *suite = suite_create("apiserver/oidc");
    TCase *tcase = tcase_create("tokens");
    tcase_add_unchecked_fixture(tcase, setup, teardown); /* An RSA key takes its time. */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_key_is_found_by_its_id_or_by_trying_all);
    tcase_add_test(tcase, a_header_never_chooses_the_algorithm);
    tcase_add_test(tcase, a_public_key_is_no_secret_of_an_hmac);
    tcase_add_test(tcase, sets_without_a_usable_key_are_refused);
    tcase_add_test(tcase, what_is_no_token_is_left_to_others);
    tcase_add_test(tcase, issuer_audience_and_times_must_be_right);
    tcase_add_test(tcase, names_have_the_prefix_that_was_asked_for);
    tcase_add_test(tcase, groups_are_a_text_or_a_list_of_texts);
    tcase_add_test(tcase, required_claims_must_be_there_with_their_value);
    tcase_add_test(tcase, bootstrap_tokens_have_one_form);
    tcase_add_test(tcase, bootstrap_groups_stay_below_their_prefix);
    suite_add_tcase(suite, tcase);
    return suite;
}
