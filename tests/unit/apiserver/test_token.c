/* ServiceAccount tokens: only our key, our issuer and the right time are accepted. */
#include "apiserver/token.h"

#include "lib/base/buffer.h"
#include "lib/net/x509.h"
#include <check.h>
#include <errno.h>

static struct token_signer *signer_of_key(const char *key, const char *issuer)
{
    CLEANUP(buffer_release) struct buffer public;
    struct token_signer *signer = NULL;
    buffer_init(&public, 65536);
    ck_assert_int_eq(x509_public_key(slice_text(key), &public, NULL), 0);
    ck_assert_int_eq(token_signer_new(key, buffer_text(&public), issuer, &signer, NULL), 0);
    return signer;
}

static struct token_signer *new_signer(const char *issuer)
{
    CLEANUP(buffer_release) struct buffer key;
    buffer_init(&key, 65536);
    ck_assert_int_eq(x509_make_key(&key, NULL), 0);
    return signer_of_key(buffer_text(&key), issuer);
}

static void issue(const struct token_signer *signer, struct buffer *token)
{
    static const char *const audiences[] = {"a1", "a2"};
    struct token_claims claims = {.namespace = "ns",
                                  .account = "robot",
                                  .account_uid = "u1",
                                  .pod = "p",
                                  .pod_uid = "u2",
                                  .audiences = audiences,
                                  .audience_count = 2,
                                  .id = "id",
                                  .issued_s = 1000,
                                  .expires_s = 2000};
    ck_assert_int_eq(token_issue(signer, &claims, token, NULL), 0);
}

START_TEST(a_token_gives_back_what_it_was_issued_for)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct token_signer *signer = new_signer("https://issuer");
    struct buffer token;
    struct token_claims claims = {0};
    buffer_init(&token, 65536);
    issue(signer, &token);
    ck_assert_int_eq(token_verify(signer, arena, buffer_slice(&token), 1500, &claims, NULL), 0);
    ck_assert_str_eq(claims.account, "robot");
    ck_assert_str_eq(claims.pod_uid, "u2");
    ck_assert_uint_eq(claims.audience_count, 2);
    ck_assert_ptr_null(claims.secret);
    ck_assert_int_eq(token_verify(signer, arena, buffer_slice(&token), 2000, &claims, NULL),
                     -EACCES);
    buffer_release(&token);
    token_signer_free(signer);
}
END_TEST

/* As clusters have that were set up elsewhere: what verifies their tokens may know RS256 only. */
START_TEST(an_rsa_key_signs_with_rs256)
{
    CLEANUP(buffer_release) struct buffer key;
    CLEANUP(buffer_release) struct buffer token;
    CLEANUP(buffer_release) struct buffer keys;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct token_claims claims = {0};
    buffer_init(&token, 65536);
    buffer_init(&keys, 65536);
    buffer_init(&key, 65536);
    ck_assert_int_eq(x509_make_rsa_key(2048, &key, NULL), 0);
    struct token_signer *signer = signer_of_key(buffer_text(&key), "https://k");
    issue(signer, &token);
    ck_assert_int_eq(token_verify(signer, arena, buffer_slice(&token), 1500, &claims, NULL), 0);
    ck_assert_str_eq(claims.account, "robot");
    ck_assert_int_eq(token_signer_jwks(signer, &keys), 0);
    token_signer_discovery(signer, &keys);
    ck_assert_ptr_nonnull(strstr(buffer_text(&keys), "\"kty\":\"RSA\""));
    ck_assert_ptr_nonnull(strstr(buffer_text(&keys), "\"e\":\"AQAB\""));
    ck_assert_ptr_nonnull(
        strstr(buffer_text(&keys), "\"id_token_signing_alg_values_supported\":[\"RS256\"]"));
    token_signer_free(signer);
}
END_TEST

START_TEST(another_key_or_a_changed_byte_is_refused)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct token_signer *signer = new_signer("https://issuer");
    struct token_signer *other = new_signer("https://issuer");
    struct buffer token;
    struct token_claims claims = {.account = "untouched"};
    buffer_init(&token, 65536);
    issue(signer, &token);
    ck_assert_int_eq(token_verify(other, arena, buffer_slice(&token), 1500, &claims, NULL),
                     -EACCES);
    for (size_t i = 0; i < token.len; i += 7) {
        uint8_t before = token.data[i];
        token.data[i] = before == 'A' ? 'B' : 'A';
        ck_assert_int_lt(token_verify(signer, arena, buffer_slice(&token), 1500, &claims, NULL), 0);
        token.data[i] = before;
    }
    ck_assert_int_eq(
        token_verify(signer, arena, slice_text("not.a.token"), 1500, &claims, NULL) < 0, 1);
    ck_assert_str_eq(claims.account, "untouched");
    buffer_release(&token);
    token_signer_free(signer);
    token_signer_free(other);
}
END_TEST

Suite *token_suite(void);

Suite *token_suite(void)
{
    Suite *suite = suite_create("apiserver/token");
    TCase *tcase = tcase_create("tokens");
    tcase_add_test(tcase, a_token_gives_back_what_it_was_issued_for);
    tcase_add_test(tcase, an_rsa_key_signs_with_rs256);
    tcase_add_test(tcase, another_key_or_a_changed_byte_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
