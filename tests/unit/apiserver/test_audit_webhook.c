/* The audit webhook against a real HTTPS server: batches, what is sent again, what is lost, and who
 * waits. */
#include "apiserver/audit_delivery.h"
#include "apiserver/audit_event.h"
#include "apiserver/audit_webhook.h"
#include "apiserver/limits.h"
#include "lib/base/base64.h"
#include "lib/base/file.h"
#include "lib/base/memory_budget.h"
#include "lib/base/metrics.h"
#include "tests/unit/apiserver/hook_server.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIST                                                                                       \
    "{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"metadata\":{},\"items\":["

Suite *audit_webhook_suite(void);

static struct loop *loop;
static struct hook_server hook;
static struct metrics *metrics;
static struct metric *lost;
static struct arena *arena;
static struct memory_budget budget;
static struct audit_webhook *webhook;
static char config[48];

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
    ck_assert_int_eq(loop_new("test", &loop), 0);
    budget = (struct memory_budget){.limit = SIZE_MAX};
    loop_set_memory(loop, &budget);
    hook_server_start(&hook, loop, hook_says);
    metrics = metrics_new();
    lost = metrics_counter(metrics, "lost", "Lost.", NULL);
    CLEANUP(buffer_release) struct buffer ca;
    buffer_init(&ca, 1 << 20);
    base64_encode(buffer_slice(&hook.pki.ca_cert), &ca);
    const char *text = arena_printf(
        arena,
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "contexts: [{name: c, context: {cluster: k}}]\n"
        "clusters: [{name: k, cluster: {server: '%s', certificate-authority-data: %s}}]\n",
        hook_url(&hook, arena, "/audit"), buffer_text(&ca));
    strcpy(config, "/tmp/coracle-audit-webhook-XXXXXX");
    int file = mkstemp(config);
    ck_assert_int_ge(file, 0);
    close(file);
    ck_assert_int_eq(file_write(config, slice_text(text), 0600, NULL), 0);
}

static void teardown(void)
{
    audit_webhook_free(webhook);
    hook_server_stop(&hook);
    unlink(config);
    ck_assert_int_eq(atomic_load(&budget.held), 0);
    loop_free(loop);
    metrics_free(metrics);
    arena_free(arena);
}

static struct audit_webhook_options ordinary(void)
{
    return (struct audit_webhook_options){
        .loop = loop,
        .config = config,
        .batch = {.buffer_size = 100, .max_size = 3, .max_wait_ms = 20},
        .backoff_ms = 1,
        .errors = lost};
}

static void open_webhook(const struct audit_webhook_options *options)
{
    CLEANUP(error_release) struct error error = {0};
    ck_assert_msg(audit_webhook_new(options, &webhook, &error) == 0, "%s", error_message(&error));
}

static void put(int number, struct audit_delivery *delivery)
{
    char line[128];
    int len = snprintf(line, sizeof(line), AUDIT_EVENT_HEAD "\"n\":%d}\n", number);
    audit_webhook_put(webhook, slice_of(line, (size_t)len), delivery);
}

static void turn_until_asked(size_t times)
{
    while (hook.asked < times) {
        loop_turn(loop, true);
    }
}

static void on_closed(void *data)
{
    *(bool *)data = true;
}

static void close_webhook(void)
{
    bool closed = false;
    audit_webhook_close(webhook, on_closed, &closed);
    while (!closed) {
        loop_turn(loop, true);
    }
}

/* Batches are on their way at the same time, so they may come in any order. */
static const char *bodies[8];

static void hook_collects(struct hook_server *self, struct http_exchange *exchange)
{
    ck_assert_uint_le(self->asked, ARRAY_LEN(bodies));
    bodies[self->asked - 1] = arena_text(arena, self->body);
    hook_says(self, exchange);
}

static bool has_come(const char *body)
{
    for (size_t i = 0; i < hook.asked; i++) {
        if (strcmp(bodies[i], body) == 0) {
            return true;
        }
    }
    return false;
}

START_TEST(a_full_batch_goes_at_once_and_the_rest_after_the_wait)
{
    const struct audit_webhook_options options = ordinary();
    hook.answer = hook_collects;
    open_webhook(&options);
    for (int i = 1; i <= 4; i++) {
        put(i, NULL);
    }
    turn_until_asked(2);
    ck_assert(has_come(LIST "{\"n\":1},{\"n\":2},{\"n\":3}]}\n"));
    ck_assert(has_come(LIST "{\"n\":4}]}\n"));
    ck_assert_str_eq(hook.path, "/audit");
    close_webhook();
    ck_assert_int_eq(metric_value(lost), 0);
}
END_TEST

START_TEST(a_batch_has_no_more_bytes_than_it_may)
{
    struct audit_webhook_options options = ordinary();
    options.batch_bytes_max = sizeof(LIST) + 10;
    hook.answer = hook_collects;
    open_webhook(&options);
    for (int i = 1; i <= 3; i++) {
        put(i, NULL);
    }
    turn_until_asked(3);
    ck_assert(has_come(LIST "{\"n\":1}]}\n"));
    ck_assert(has_come(LIST "{\"n\":2}]}\n"));
    ck_assert(has_come(LIST "{\"n\":3}]}\n"));
}
END_TEST

static void hook_recovers(struct hook_server *self, struct http_exchange *exchange)
{
    self->status = self->asked < 3 ? 503 : 200;
    hook_says(self, exchange);
}

START_TEST(what_was_refused_is_sent_again)
{
    const struct audit_webhook_options options = ordinary();
    hook.answer = hook_recovers;
    open_webhook(&options);
    put(7, NULL);
    turn_until_asked(3);
    ck_assert_str_eq(hook.body, LIST "{\"n\":7}]}\n");
    close_webhook();
    ck_assert_uint_eq(hook.asked, 3);
    ck_assert_int_eq(metric_value(lost), 0);
}
END_TEST

START_TEST(what_was_sent_in_vain_too_often_is_lost_and_counted)
{
    const struct audit_webhook_options options = ordinary();
    hook.status = 400;
    open_webhook(&options);
    put(1, NULL);
    put(2, NULL);
    while (metric_value(lost) == 0) {
        loop_turn(loop, true);
    }
    ck_assert_int_eq(metric_value(lost), 2);
    ck_assert_uint_eq(hook.asked, AUDIT_WEBHOOK_TRIES);
}
END_TEST

START_TEST(what_has_no_place_is_lost_and_counted)
{
    struct audit_webhook_options options = ordinary();
    options.batch.buffer_size = 2;
    options.batch.max_size = 5;
    open_webhook(&options);
    for (int i = 1; i <= 5; i++) {
        put(i, NULL);
    }
    ck_assert_int_eq(metric_value(lost), 3);
    ck_assert_int_gt(atomic_load(&budget.held), 0);
    close_webhook();
    ck_assert_str_eq(hook.body, LIST "{\"n\":1},{\"n\":2}]}\n");
    put(6, NULL);
    ck_assert_int_eq(metric_value(lost), 4);
}
END_TEST

START_TEST(batches_are_no_faster_than_the_rate)
{
    struct audit_webhook_options options = ordinary();
    options.batch.max_size = 1;
    options.batch.throttled = true;
    options.batch.throttle_burst = 2;
    options.batch.throttle_qps = 10;
    open_webhook(&options);
    uint64_t begun_ms = loop_now_ms(loop);
    for (int i = 1; i <= 4; i++) {
        put(i, NULL);
    }
    turn_until_asked(4);
    ck_assert_uint_ge(loop_now_ms(loop) - begun_ms, 190);
}
END_TEST

START_TEST(a_server_that_does_not_answer_does_not_keep_us_from_ending)
{
    const struct audit_webhook_options options = ordinary();
    hook.status = 503;
    open_webhook(&options);
    put(1, NULL);
    turn_until_asked(1);
    put(2, NULL);
    close_webhook(); /* Tries once more, and no further. */
    ck_assert_int_eq(metric_value(lost), 2);
}
END_TEST

/* --- Who waits --- */

struct outcome {
    bool known;
    int status;
};

static void on_done(void *data, int status)
{
    struct outcome *outcome = data;
    ck_assert(!outcome->known);
    *outcome = (struct outcome){.known = true, .status = status};
}

static int deliver(bool strict)
{
    struct audit_webhook_options options = ordinary();
    struct outcome outcome = {.known = false};
    options.strict = strict;
    options.batch.max_size = 1;
    open_webhook(&options);
    struct audit_delivery *delivery = audit_delivery_new(loop, on_done, &outcome);
    audit_delivery_expect(delivery);
    put(1, delivery);
    audit_delivery_end(delivery, 0);
    ck_assert(!outcome.known);
    while (!outcome.known) {
        loop_turn(loop, true);
    }
    return outcome.status;
}

START_TEST(who_waits_goes_on_when_the_event_has_arrived)
{
    ck_assert_int_eq(deliver(/* strict= */ true), 0);
    ck_assert_uint_eq(hook.asked, 1);
}
END_TEST

START_TEST(who_waits_strictly_hears_that_it_is_lost)
{
    hook.status = 500;
    ck_assert_int_eq(deliver(/* strict= */ true), -EREMOTEIO);
    ck_assert_uint_eq(hook.asked, AUDIT_WEBHOOK_TRIES);
}
END_TEST

START_TEST(who_waits_otherwise_goes_on_all_the_same)
{
    hook.status = 500;
    ck_assert_int_eq(deliver(/* strict= */ false), 0);
}
END_TEST

START_TEST(who_went_away_hears_nothing)
{
    struct audit_webhook_options options = ordinary();
    struct outcome outcome = {.known = false};
    options.batch.max_size = 1;
    open_webhook(&options);
    struct audit_delivery *delivery = audit_delivery_new(loop, on_done, &outcome);
    audit_delivery_expect(delivery);
    put(1, delivery);
    audit_delivery_end(delivery, 0);
    audit_delivery_forget(delivery);
    close_webhook();
    loop_turn(loop, false);
    ck_assert(!outcome.known);
}
END_TEST

Suite *audit_webhook_suite(void)
{
    Suite *suite = suite_create("apiserver/audit_webhook");
    TCase *tcase = tcase_create("events");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_full_batch_goes_at_once_and_the_rest_after_the_wait);
    tcase_add_test(tcase, a_batch_has_no_more_bytes_than_it_may);
    tcase_add_test(tcase, what_was_refused_is_sent_again);
    tcase_add_test(tcase, what_was_sent_in_vain_too_often_is_lost_and_counted);
    tcase_add_test(tcase, what_has_no_place_is_lost_and_counted);
    tcase_add_test(tcase, batches_are_no_faster_than_the_rate);
    tcase_add_test(tcase, a_server_that_does_not_answer_does_not_keep_us_from_ending);
    tcase_add_test(tcase, who_waits_goes_on_when_the_event_has_arrived);
    tcase_add_test(tcase, who_waits_strictly_hears_that_it_is_lost);
    tcase_add_test(tcase, who_waits_otherwise_goes_on_all_the_same);
    tcase_add_test(tcase, who_went_away_hears_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
