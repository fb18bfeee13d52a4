/* Webhooks that are asked who a token is, or what somebody may do: that they are asked once, that
 * answers are remembered as long as they may be, and that failures and slowness stay with those who
 * ask. And what a TokenReview says. */
#include "apiserver/limits.h"
#include "apiserver/review_hook.h"
#include "apiserver/token_review.h"
#include "lib/base/alloc.h"
#include "lib/net/tls.h"
#include "tests/unit/apiserver/hook_server.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *review_hook_suite(void);

static struct loop *loop;
static struct arena *arena;
static struct hook_server server;
static struct review_client *client;
static struct review_hook *hook;
static uint64_t keep;
static struct review_outcome last;
static size_t answered;

static uint64_t keep_ms(const void *data, struct slice answer)
{
    (void)data;
    (void)answer;
    return keep;
}

static void noted(const void *data, const struct review_outcome *outcome)
{
    (void)data;
    last = *outcome;
}

static void open_hook(uint64_t timeout_ms)
{
    struct arena *own = arena_new(SIZE_MAX);
    struct review_hook_options options = {
        .client = client,
        .arena = own,
        .kubeconfig = {.url = hook_url(&server, own, "/review"), .authorization = "Bearer secret"},
        .timeout_ms = timeout_ms,
        .keep_ms = keep_ms,
        .noted = noted};
    const struct tls_options tls = {.ca_pem = buffer_slice(&server.pki.ca_cert),
                                    .verify = TLS_VERIFY_REQUIRED,
                                    .alpn = TLS_ALPN_HTTP1};
    ck_assert_int_eq(tls_config_new_client(&tls, &options.kubeconfig.tls, NULL), 0);
    hook = review_hook_new(&options);
}

static void setup(void)
{
    ck_assert_int_eq(loop_new("test", &loop), 0);
    arena = arena_new(SIZE_MAX);
    hook_server_start(&server, loop, hook_says);
    server.text = "{\"a\":1}";
    client = review_client_new(loop);
    keep = 60000;
    answered = 0;
    open_hook(5000);
}

static void teardown(void)
{
    review_client_free(client);
    review_hook_unref(hook);
    hook_server_stop(&server);
    arena_free(arena);
    loop_free(loop);
}

static void on_answered(struct review_question *question)
{
    (void)question;
    answered++;
}

static bool ask(struct review_question *question, const char *body)
{
    *question = (struct review_question){
        .body = slice_text(body), .arena = arena, .home = loop, .answered = on_answered};
    return review_hook_ask(hook, question);
}

static void wait_for(size_t count)
{
    while (answered < count) {
        loop_turn(loop, /* wait= */ true);
    }
}

START_TEST(an_answer_is_remembered)
{
    struct review_question first, second, other;
    ck_assert(!ask(&first, "q"));
    wait_for(1);
    ck_assert_int_eq(first.error, 0);
    ck_assert(slice_is(first.answer, "{\"a\":1}"));
    ck_assert_str_eq(server.path, "/review");
    ck_assert_str_eq(server.body, "q");
    ck_assert(ask(&second, "q"));
    ck_assert(slice_is(second.answer, "{\"a\":1}"));
    ck_assert_uint_eq(server.asked, 1);
    ck_assert(!ask(&other, "r"));
    wait_for(2);
    ck_assert_uint_eq(server.asked, 2);
}
END_TEST

START_TEST(what_is_being_asked_is_not_asked_twice)
{
    struct review_question first, second;
    ck_assert(!ask(&first, "q"));
    ck_assert(!ask(&second, "q"));
    wait_for(2);
    ck_assert_uint_eq(server.asked, 1);
    ck_assert(slice_is(second.answer, "{\"a\":1}"));
}
END_TEST

START_TEST(what_is_not_to_be_kept_is_asked_again)
{
    struct review_question first, second;
    keep = 0;
    ck_assert(!ask(&first, "q"));
    wait_for(1);
    ck_assert(!ask(&second, "q"));
    wait_for(2);
    ck_assert_uint_eq(server.asked, 2);
}
END_TEST

START_TEST(a_refusal_is_an_error_and_is_asked_again)
{
    struct review_question first, second;
    server.status = 403;
    ck_assert(!ask(&first, "q"));
    wait_for(1);
    ck_assert_int_eq(first.error, -EIO);
    ck_assert_str_eq(first.message, "the server rejected our request with status 403");
    ck_assert_uint_eq(last.status, 403);
    server.status = 201;
    ck_assert(!ask(&second, "q"));
    wait_for(2);
    ck_assert_int_eq(second.error, 0);
}
END_TEST

/* How often the log says that the webhook fails, while it is asked `count` times. */
static size_t told_while_asked(size_t count)
{
    CLEANUP(alloc_freep) struct review_question *all = alloc_array(count, sizeof(*all));
    FILE *log = tmpfile();
    ck_assert_ptr_nonnull(log);
    int kept = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(log), STDERR_FILENO), 0);
    for (size_t i = 0; i < count; i++) {
        size_t before = answered;
        ck_assert(!ask(&all[i], arena_printf(arena, "%zu", i)));
        wait_for(before + 1);
    }
    ck_assert_int_ge(dup2(kept, STDERR_FILENO), 0);
    close(kept);
    rewind(log);
    size_t told = 0;
    char line[512];
    while (fgets(line, sizeof(line), log) != NULL) {
        told += strstr(line, "authorization fails") != NULL;
    }
    fclose(log);
    return told;
}

START_TEST(failures_for_the_same_reason_are_logged_once_for_a_time)
{
    server.status = 403;
    ck_assert_uint_eq(told_while_asked(5), 1);
    server.status = 404;
    ck_assert_uint_eq(told_while_asked(5), 1);
    server.status = 201;
    ck_assert_uint_eq(told_while_asked(2), 0);
}
END_TEST

START_TEST(silence_ends_in_time_for_all_who_wait)
{
    struct review_question first, second;
    review_hook_unref(hook);
    open_hook(20);
    server.answer = hook_holds;
    ck_assert(!ask(&first, "q"));
    ck_assert(!ask(&second, "q"));
    wait_for(2);
    ck_assert_int_eq(first.error, -ETIMEDOUT);
    ck_assert_int_eq(second.error, -ETIMEDOUT);
    ck_assert_int_eq(last.error, -ETIMEDOUT);
}
END_TEST

START_TEST(more_than_may_be_under_way_are_refused_at_once)
{
    struct review_question *all = alloc_array(REVIEWS_UNDER_WAY_MAX + 1, sizeof(*all));
    for (size_t i = 0; i <= REVIEWS_UNDER_WAY_MAX; i++) {
        bool at_once = ask(&all[i], arena_printf(arena, "%zu", i));
        ck_assert_int_eq(at_once, i == REVIEWS_UNDER_WAY_MAX);
    }
    ck_assert_int_eq(all[REVIEWS_UNDER_WAY_MAX].error, -EBUSY);
    review_client_close(client); /* So many connections take their time. */
    loop_turn(loop, /* wait= */ false);
    free(all);
}
END_TEST

START_TEST(a_hook_may_go_while_it_is_asked)
{
    struct review_question first;
    ck_assert(!ask(&first, "q"));
    review_hook_unref(hook);
    hook = NULL;
    wait_for(1);
    ck_assert_int_eq(first.error, 0);
}
END_TEST

START_TEST(a_client_that_closes_answers_nobody)
{
    struct review_question first;
    server.answer = hook_holds;
    ck_assert(!ask(&first, "q"));
    while (server.asked == 0) {
        loop_turn(loop, /* wait= */ true);
    }
    review_client_close(client);
    loop_turn(loop, /* wait= */ false);
    ck_assert_uint_eq(answered, 0);
}
END_TEST

/* --- TokenReview --- */

START_TEST(a_token_review_names_the_token_and_audiences)
{
    static const char *const audiences[] = {"a", "b"};
    const struct text_list list = {audiences, 2};
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 4096);
    token_review_print("v1", slice_text("t\"k"), &list, &out);
    ck_assert_str_eq(buffer_text(&out),
                     "{\"kind\":\"TokenReview\",\"apiVersion\":\"authentication.k8s.io/v1\","
                     "\"metadata\":{\"creationTimestamp\":null},\"spec\":{\"token\":\"t\\\"k\","
                     "\"audiences\":[\"a\",\"b\"]},\"status\":{\"user\":{}}}");
}
END_TEST

#define ANSWER(status)                                                                             \
    "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\",\"status\":" status "}"

START_TEST(an_answer_is_a_user_with_extras)
{
    struct token_review_answer answer;
    ck_assert_int_eq(token_review_read(
                         arena, "v1",
                         slice_text(ANSWER("{\"authenticated\":true,\"user\":{\"username\":\"ann\","
                                           "\"uid\":\"7\",\"groups\":[\"a\",\"b\"],\"extra\":{"
                                           "\"k\":[\"x\",\"y\"]}},\"audiences\":[\"me\"]}")),
                         &answer, NULL),
                     0);
    ck_assert(answer.authenticated);
    ck_assert_str_eq(answer.user.name, "ann");
    ck_assert_str_eq(answer.user.uid, "7");
    ck_assert_uint_eq(answer.user.group_count, 2);
    ck_assert_uint_eq(answer.user.extra_count, 2);
    ck_assert_str_eq(answer.user.extras[1].key, "k");
    ck_assert_str_eq(answer.user.extras[1].value, "y");
    ck_assert_str_eq(answer.audiences.items[0], "me");
    ck_assert_int_eq(
        token_review_read(arena, "v1", slice_text(ANSWER("{\"error\":\"no\"}")), &answer, NULL), 0);
    ck_assert(!answer.authenticated);
    ck_assert_str_eq(answer.error, "no");
}
END_TEST

START_TEST(what_is_no_review_is_refused)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"apiVersion\":\"authentication.k8s.io/v1beta1\",\"kind\":\"TokenReview\",\"status\":{}}",
        "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\"}",
        ANSWER("{\"authenticated\":\"true\"}"),
        ANSWER("{\"authenticated\":true}"),
        ANSWER("{\"authenticated\":true,\"user\":{\"username\":7}}"),
        ANSWER("{\"authenticated\":true,\"user\":{\"username\":\"a\",\"groups\":[1]}}"),
        ANSWER("{\"authenticated\":true,\"user\":{\"username\":\"a\",\"extra\":{\"k\":\"v\"}}}"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct token_review_answer answer;
        CLEANUP(error_release) struct error error = {0};
        ck_assert_msg(token_review_read(arena, "v1", slice_text(bad[i]), &answer, &error) ==
                          -EINVAL,
                      "%s", bad[i]);
    }
}
END_TEST

Suite *review_hook_suite(void)
{
    Suite *suite = suite_create("apiserver/review_hook");
    TCase *tcase = tcase_create("webhooks");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_answer_is_remembered);
    tcase_add_test(tcase, what_is_being_asked_is_not_asked_twice);
    tcase_add_test(tcase, what_is_not_to_be_kept_is_asked_again);
    tcase_add_test(tcase, a_refusal_is_an_error_and_is_asked_again);
    tcase_add_test(tcase, failures_for_the_same_reason_are_logged_once_for_a_time);
    tcase_add_test(tcase, silence_ends_in_time_for_all_who_wait);
    tcase_add_test(tcase, more_than_may_be_under_way_are_refused_at_once);
    tcase_add_test(tcase, a_hook_may_go_while_it_is_asked);
    tcase_add_test(tcase, a_client_that_closes_answers_nobody);
    tcase_add_test(tcase, a_token_review_names_the_token_and_audiences);
    tcase_add_test(tcase, an_answer_is_a_user_with_extras);
    tcase_add_test(tcase, what_is_no_review_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
