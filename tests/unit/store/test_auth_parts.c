/* What the Auth service is made of: its tokens, and the worker that hashes passwords. */
#include "lib/net/loop.h"
#include "store/auth_token.h"
#include "store/password.h"
#include "store/status.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

Suite *auth_parts_suite(void);

START_TEST(a_token_with_any_bit_changed_is_refused)
{
    static const uint8_t secret[32] = {7};
    struct buffer token, scratch;
    struct auth_claims claims = {.user = slice_text("alice"), .credential = 9, .expires_s = 1000};
    struct auth_claims found;
    buffer_init(&token, 4096);
    buffer_init(&scratch, 4096);
    auth_token_make(slice_of(secret, 32), &claims, /* salt= */ 1, &token);
    ck_assert_int_eq(
        auth_token_read(slice_of(secret, 32), buffer_slice(&token), 999, &scratch, &found), 0);
    ck_assert(slice_is(found.user, "alice"));
    ck_assert_uint_eq(found.credential, 9);
    ck_assert_int_eq(
        auth_token_read(slice_of(secret, 32), buffer_slice(&token), 1000, &scratch, &found),
        STORE_INVALID_AUTH_TOKEN);
    for (size_t i = 0; i + 1 < token.len; i++) { /* The last digit holds bits that say nothing. */
        uint8_t before = token.data[i];
        token.data[i] = before == 'A' ? 'B' : 'A';
        ck_assert_int_eq(
            auth_token_read(slice_of(secret, 32), buffer_slice(&token), 1, &scratch, &found),
            STORE_INVALID_AUTH_TOKEN);
        token.data[i] = before;
    }
    static const uint8_t other[32] = {8};
    ck_assert_int_eq(
        auth_token_read(slice_of(other, 32), buffer_slice(&token), 1, &scratch, &found),
        STORE_INVALID_AUTH_TOKEN);
    ck_assert_int_eq(auth_token_read(slice_of(NULL, 0), buffer_slice(&token), 1, &scratch, &found),
                     STORE_INVALID_AUTH_TOKEN);
    buffer_release(&token);
    buffer_release(&scratch);
}
END_TEST

struct hash_answer {
    int calls, status;
    char hash[PASSWORD_HASH_SIZE];
};

static void on_hash(void *data, int status, struct slice hash)
{
    struct hash_answer *answer = data;
    answer->calls++;
    answer->status = status;
    snprintf(answer->hash, sizeof(answer->hash), "%.*s", (int)hash.len, (const char *)hash.data);
}

static void wait_for(struct loop *loop, const struct hash_answer *answer, int calls)
{
    while (answer->calls < calls) {
        loop_turn(loop, /* wait= */ true);
    }
}

START_TEST(a_password_fits_its_hash_and_no_other)
{
    struct loop *loop;
    struct hash_answer made = {0};
    struct hash_answer checked = {0};
    char longest[PASSWORD_BYTES_MAX + 1];
    ck_assert_int_eq(loop_new("test", &loop), 0);
    struct password_worker *worker = password_worker_new();
    memset(longest, 'x', sizeof(longest));
    ck_assert_int_eq(
        password_hash(worker, slice_of(longest, sizeof(longest)), loop, on_hash, &made), -EINVAL);
    ck_assert_int_eq(password_hash(worker, slice_text("pw"), loop, on_hash, &made), 0);
    wait_for(loop, &made, 1);
    ck_assert_int_eq(made.status, 0);
    ck_assert_str_eq(strncmp(made.hash, "$2b$10$", 7) == 0 ? "yes" : made.hash, "yes");
    ck_assert(password_is_hash(slice_text(made.hash)));
    ck_assert_int_eq(
        password_check(worker, slice_text("pw"), slice_text(made.hash), loop, on_hash, &checked),
        0);
    wait_for(loop, &checked, 1);
    ck_assert_int_eq(checked.status, 0);
    ck_assert_int_eq(
        password_check(worker, slice_text("pW"), slice_text(made.hash), loop, on_hash, &checked),
        0);
    wait_for(loop, &checked, 2);
    ck_assert_int_eq(checked.status, -EACCES);
    ck_assert_int_eq(
        password_check(worker, slice_text("pw"), slice_of(NULL, 0), loop, on_hash, &checked), 0);
    wait_for(loop, &checked, 3);
    ck_assert_int_eq(checked.status, -EACCES);
    password_worker_free(worker);
    loop_free(loop);
}
END_TEST

START_TEST(a_closing_worker_answers_what_waits)
{
    struct loop *loop;
    struct hash_answer answer = {0};
    ck_assert_int_eq(loop_new("test", &loop), 0);
    struct password_worker *worker = password_worker_new();
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(password_hash(worker, slice_text("pw"), loop, on_hash, &answer), 0);
    }
    password_worker_free(worker);
    wait_for(loop, &answer, 20);
    ck_assert_int_eq(answer.calls, 20);
    loop_free(loop);
}
END_TEST

Suite *auth_parts_suite(void)
{
    Suite *suite = suite_create("store/auth_parts");
    TCase *tcase = tcase_create("parts");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_token_with_any_bit_changed_is_refused);
    tcase_add_test(tcase, a_password_fits_its_hash_and_no_other);
    tcase_add_test(tcase, a_closing_worker_answers_what_waits);
    suite_add_tcase(suite, tcase);
    return suite;
}
