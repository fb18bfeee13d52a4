/* Tokens in Secrets that nobody uses: what is marked as invalid, what is deleted, what stays. The
 * period is two days here, and it is the evening of 2023-11-14. */
#include "k8s/core_v1.pb-c.h"
#include "lib/api/legacy_token.h"
#include "tests/unit/controllers/cluster.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *legacy_cleaner_suite(void);

static struct cluster cluster;

static void setup(void)
{
    cluster_open(&cluster);
    cluster_add(&cluster, "v1", "ServiceAccount",
                "{\"metadata\":{\"name\":\"robot\",\"namespace\":\"a\"},\"secrets\":"
                "[{\"name\":\"old\"}]}");
    cluster_run_ms(&cluster, 200);
}

static void teardown(void)
{
    cluster_close(&cluster);
}

static void track_since(const char *date)
{
    char json[256];
    (void)snprintf(json, sizeof(json),
                   "{\"metadata\":{\"name\":\"" LEGACY_TOKEN_TRACKING "\",\"namespace\":"
                   "\"kube-system\"},\"data\":{\"since\":\"%s\"}}",
                   date);
    cluster_add(&cluster, "v1", "ConfigMap", json);
}

/* A token that was made a month ago; `labels` as in JSON. */
static void add_token(const char *name, const char *labels)
{
    char json[512];
    (void)snprintf(json, sizeof(json),
                   "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"a\",\"labels\":{%s},"
                   "\"annotations\":{\"kubernetes.io/service-account.name\":\"robot\"}},"
                   "\"type\":\"" LEGACY_TOKEN_TYPE "\"}",
                   name, labels);
    const struct client_object *secret = cluster_add(&cluster, "v1", "Secret", json);
    fake_client_patch(cluster.api, secret,
                      "{\"metadata\":{\"creationTimestamp\":\"2023-10-14T00:00:00Z\"}}");
    cluster_run_ms(&cluster, 500);
}

static bool is_there(const char *name)
{
    return cluster_get(&cluster, "", "secrets", "a", name) != NULL;
}

static const char *invalid_since(const char *name)
{
    const struct client_object *secret = cluster_get(&cluster, "", "secrets", "a", name);
    ck_assert_ptr_nonnull(secret);
    return api_meta_label(secret->meta, LEGACY_TOKEN_INVALID_SINCE);
}

START_TEST(a_generated_token_that_nobody_has_used_is_marked_and_later_deleted)
{
    track_since("2023-11-01");
    add_token("old", "\"" LEGACY_TOKEN_LAST_USED "\":\"2023-11-11\"");
    ck_assert_str_eq(text_or_empty(invalid_since("old")), "2023-11-14");
    cluster_run_ms(&cluster, UINT64_C(2) * 24 * 3600 * 1000);
    ck_assert(is_there("old")); /* Two days have to be over. */
    cluster_run_ms(&cluster, UINT64_C(2) * 24 * 3600 * 1000);
    ck_assert(!is_there("old"));
}
END_TEST

START_TEST(a_token_that_was_used_lately_stays_valid)
{
    track_since("2023-11-01");
    add_token("old", "\"" LEGACY_TOKEN_LAST_USED "\":\"2023-11-12\"");
    ck_assert_ptr_null(invalid_since("old"));
}
END_TEST

START_TEST(without_a_label_a_token_is_unused_only_when_uses_have_long_been_noted)
{
    track_since("2023-11-12"); /* Perhaps at its end. */
    add_token("old", "");
    ck_assert_ptr_null(invalid_since("old"));
    cluster_run_ms(&cluster, UINT64_C(24) * 3600 * 1000); /* The evening of the 15th. */
    cluster_run_ms(&cluster, 1000);
    ck_assert_ptr_nonnull(invalid_since("old"));
}
END_TEST

START_TEST(tokens_that_a_person_made_or_a_pod_has_stay)
{
    track_since("2023-11-01");
    add_token("by-hand", "");
    ck_assert_ptr_null(invalid_since("by-hand"));
    cluster_add(&cluster, "v1", "Pod",
                "{\"metadata\":{\"name\":\"p\",\"namespace\":\"a\"},\"spec\":{\"containers\":"
                "[{\"name\":\"c\",\"image\":\"i\"}],\"volumes\":[{\"name\":\"v\",\"secret\":"
                "{\"secretName\":\"old\"}}]}}");
    cluster_run_ms(&cluster, 200);
    add_token("old", "");
    ck_assert_ptr_null(invalid_since("old"));
}
END_TEST

START_TEST(a_date_that_is_none_is_no_reason_to_take_a_token_away)
{
    track_since("2023-11-01");
    add_token("old", "\"" LEGACY_TOKEN_LAST_USED "\":\"never\"");
    ck_assert_ptr_null(invalid_since("old"));
}
END_TEST

/* A person takes a token out of use by any word in the label; two days later is after a date. */
START_TEST(an_invalid_since_that_is_no_date_becomes_one)
{
    track_since("2023-11-01");
    add_token("old", "\"" LEGACY_TOKEN_INVALID_SINCE "\":\"x\"");
    ck_assert_str_eq(invalid_since("old"), "2023-11-14");
}
END_TEST

Suite *legacy_cleaner_suite(void)
{
    Suite *suite = suite_create("controllers/legacy_cleaner");
    TCase *tcase = tcase_create("tokens");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_generated_token_that_nobody_has_used_is_marked_and_later_deleted);
    tcase_add_test(tcase, a_token_that_was_used_lately_stays_valid);
    tcase_add_test(tcase, without_a_label_a_token_is_unused_only_when_uses_have_long_been_noted);
    tcase_add_test(tcase, tokens_that_a_person_made_or_a_pod_has_stay);
    tcase_add_test(tcase, a_date_that_is_none_is_no_reason_to_take_a_token_away);
    tcase_add_test(tcase, an_invalid_since_that_is_no_date_becomes_one);
    suite_add_tcase(suite, tcase);
    return suite;
}
