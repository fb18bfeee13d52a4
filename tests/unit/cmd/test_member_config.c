#include "cmd/member_config.h"

#include "cmd/audit_flags.h"
#include "cmd/server_flags.h"

#include <check.h>
#include <errno.h>
#include <string.h>

Suite *member_config_suite(void);

static const char *cluster;
static const char *name;
static const char *disable;
static const char *mode;
static const char *etcd_listen;
static const char *told;
static const char *peer_url;
static const char *state;
static const char *token;
static const char *join;
static const char *setting; /* Any other flag. */
static const char *setting_value;
static const char *retention;
static struct error error;
static struct arena *arena;

static void setup(void)
{
    cluster = "n2=https://192.0.2.2:2380,n1=https://192.0.2.1:2380";
    name = "n1";
    disable = NULL;
    mode = "periodic";
    retention = NULL;
    etcd_listen = "http://192.0.2.1:2379";
    told = NULL;
    peer_url = "https://192.0.2.1:2380";
    state = "new";
    token = NULL;
    join = NULL;
    setting = NULL;
    arena = arena_new(SIZE_MAX);
    error = (struct error){.code = 0};
}

static void teardown(void)
{
    error_release(&error);
    arena_free(arena);
}

/* The flags of `coracle server`, given as a user would. */
static int parse(struct member_config *config)
{
    const struct {
        const char *flag, *value;
    } given[] = {
        {"--name", name},
        {"--initial-cluster", cluster},
        {"--disable", disable},
        {"--api-listen", "192.0.2.1:6443"},
        {"--etcd-listen", etcd_listen},
        {"--advertise-client-urls", told},
        {"--peer-url", peer_url},
        {"--initial-cluster-state", state},
        {"--initial-cluster-token", token},
        {"--join", join},
        {"--quota-bytes", "1000"},
        {"--auto-compaction-mode", mode},
        {"--auto-compaction-retention", retention},
        {"--snapshot-entries", "100000"},
    };
    char *argv[2 * ARRAY_LEN(given) + 2];
    int argc = 0;
    if (setting != NULL) {
        argv[argc++] = (char *)(uintptr_t)setting;
        argv[argc++] = (char *)(uintptr_t)setting_value;
    }
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        if (given[i].value != NULL) {
            argv[argc++] = (char *)(uintptr_t)given[i].flag;
            argv[argc++] = (char *)(uintptr_t)given[i].value;
        }
    }
    struct flag flags[FLAGS_MAX];
    struct flag_set set = {.flags = flags, .count = server_flags(flags)};
    ck_assert_int_eq(flag_set_parse(&set, argc, argv, &error), 0);
    int result = member_config_from(&set, arena, config, &error);
    flag_set_release(&set);
    return result;
}

START_TEST(history_is_kept_as_the_retention_says)
{
    static const struct {
        const char *mode;
        const char *retention;
        const char *disabled;
        uint64_t age_ms;
        int64_t revisions;
    } rows[] = {
        {"periodic", NULL, NULL, 300000, 0},    {"periodic", NULL, "api", 0, 0},
        {"periodic", "30m", "api", 1800000, 0}, {"periodic", "2", NULL, 7200000, 0},
        {"periodic", "5h", NULL, 18000000, 0},  {"periodic", "90s", NULL, 90000, 0},
        {"periodic", "0", NULL, 0, 0},          {"revision", "1000", NULL, 0, 1000},
        {"revision", NULL, NULL, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct member_config config;
        mode = rows[i].mode;
        retention = rows[i].retention;
        disable = rows[i].disabled;
        ck_assert_int_eq(parse(&config), 0);
        ck_assert_uint_eq(config.store_options.compact_age_ms, rows[i].age_ms);
        ck_assert_int_eq(config.store_options.compact_revisions, rows[i].revisions);
        ck_assert_uint_eq(config.store_options.quota_bytes, 1000);
    }
}
END_TEST

START_TEST(a_retention_that_is_none_is_refused)
{
    static const char *const wrong[] = {"", "x", "5d", "-1h", "1h30m", "99999999999999999999"};
    struct member_config config;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        error_release(&error);
        error = (struct error){.code = 0};
        retention = wrong[i];
        ck_assert_int_eq(parse(&config), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error_message(&error), "--auto-compaction-retention"));
    }
    mode = "sometimes";
    ck_assert_int_eq(parse(&config), -EINVAL);
}
END_TEST

START_TEST(every_member_gives_every_member_the_same_ids)
{
    struct member_config first;
    struct member_config second;
    ck_assert_int_eq(parse(&first), 0);
    name = "n2";
    cluster = "n1=https://192.0.2.1:2380,n2=https://192.0.2.2:2380";
    ck_assert_int_eq(parse(&second), 0);
    ck_assert_uint_eq(first.cluster_id, second.cluster_id);
    ck_assert_uint_ne(first.id, second.id);
    ck_assert_uint_eq(first.peer_count, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(first.peers[i].id, second.peers[i].id);
        ck_assert_str_eq(first.peers[i].url, second.peers[i].url);
    }
}
END_TEST

START_TEST(urls_decide_on_tls_and_defaults_are_filled_in)
{
    struct member_config config;
    disable = "scheduler";
    ck_assert_int_eq(parse(&config), 0);
    ck_assert(!config.etcd.tls[0]);
    ck_assert(config.peer.tls[0]);
    ck_assert_str_eq(config.etcd_urls, "http://192.0.2.1:2379");
    ck_assert(!config.existing);
    ck_assert_str_eq(config.api_url, "https://192.0.2.1:6443");
    ck_assert_str_eq(config.service_ip, "10.96.0.1");
    ck_assert(!config.scheduler_enabled);
    ck_assert(config.controllers_enabled);
    ck_assert_uint_eq(config.snapshot_entries, 100000);
}
END_TEST

START_TEST(a_member_may_have_several_urls_in_any_order)
{
    struct member_config first;
    struct member_config second;
    cluster = "n1=https://192.0.2.1:2380,n2=https://192.0.2.2:2380,n1=https://198.51.100.1:2380";
    peer_url = "https://198.51.100.1:2380,https://192.0.2.1:2380";
    etcd_listen = "https://192.0.2.1:2379,http://127.0.0.1:2379";
    told = "https://store.example:2379";
    ck_assert_int_eq(parse(&first), 0);
    cluster = "n1=https://198.51.100.1:2380,n1=https://192.0.2.1:2380,n2=https://192.0.2.2:2380";
    name = "n2";
    ck_assert_int_eq(parse(&second), 0);
    ck_assert_uint_eq(first.cluster_id, second.cluster_id);
    ck_assert_uint_eq(first.peer_count, 2);
    ck_assert_str_eq(second.peers[0].url, "https://192.0.2.1:2380,https://198.51.100.1:2380");
    ck_assert_str_eq(first.peer_urls, second.peers[0].url);
    ck_assert_uint_eq(first.peer.count, 2);
    ck_assert_uint_eq(first.etcd.count, 2);
    ck_assert(first.etcd.tls[0] && !first.etcd.tls[1]);
    ck_assert_str_eq(first.etcd_urls, "https://store.example:2379");
    peer_url = "https://198.51.100.1:2380,http://192.0.2.1:2380";
    ck_assert_int_eq(parse(&first), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error_message(&error), "all with TLS or none"));
}
END_TEST

START_TEST(a_token_makes_another_cluster_and_a_state_is_new_or_existing)
{
    struct member_config first;
    struct member_config second;
    ck_assert_int_eq(parse(&first), 0);
    token = "again";
    state = "existing";
    ck_assert_int_eq(parse(&second), 0);
    ck_assert_uint_ne(first.cluster_id, second.cluster_id);
    ck_assert(second.existing);
    state = "old";
    ck_assert_int_eq(parse(&second), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error_message(&error), "--initial-cluster-state=old"));
}
END_TEST

START_TEST(a_first_start_needs_the_peer_url_that_the_others_know)
{
    struct member_config config;
    ck_assert_int_eq(parse(&config), 0);
    ck_assert_int_eq(member_config_check_first_start(&config, &error), 0);
    peer_url = NULL; /* The default is this machine's. */
    ck_assert_int_eq(parse(&config), 0);
    ck_assert_int_eq(member_config_check_first_start(&config, &error), -EINVAL);
    ck_assert_str_eq(error_message(&error),
                     "--initial-cluster has n1=https://192.0.2.1:2380, but --peer-url is "
                     "https://127.0.0.1:2380: they must be the same");
    cluster = NULL;
    join = "https://192.0.2.2:6443";
    ck_assert_int_eq(parse(&config), 0);
    ck_assert_int_eq(member_config_check_first_start(&config, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error_message(&error), "--join needs --peer-url"));
    peer_url = "https://192.0.2.1:2380";
    ck_assert_int_eq(parse(&config), 0);
    ck_assert_int_eq(member_config_check_first_start(&config, &error), 0);
}
END_TEST

START_TEST(a_cluster_that_cannot_be_is_refused_with_the_reason)
{
    static const struct {
        const char *cluster;
        const char *reason;
    } bad[] = {
        {"n2=https://192.0.2.2:2380", "does not name this member, n1"},
        {"n1=192.0.2.1:2380", "must be https://HOST:PORT"},
        {"n1", "is not NAME=URL"},
        {"n1=https://192.0.2.1:1,n2=https://192.0.2.1:1", "stands there twice"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct member_config config;
        cluster = bad[i].cluster;
        ck_assert_int_eq(parse(&config), -EINVAL);
        ck_assert_msg(strstr(error_message(&error), bad[i].reason) != NULL, "%s lacks %s",
                      error_message(&error), bad[i].reason);
    }
    struct member_config config;
    cluster = "n1=https://192.0.2.1:2380";
    disable = "everything";
    ck_assert_int_eq(parse(&config), -EINVAL);
}
END_TEST

START_TEST(settings_of_the_cluster_that_cannot_be_are_refused)
{
    static const struct {
        const char *flag, *value, *reason;
    } rows[] = {
        {"--service-cidr", "10.96.0.0", "must be an IPv4 network of /8 to /30"},
        {"--service-cidr", "10.96.0.0/31", "must be an IPv4 network of /8 to /30"},
        {"--cluster-cidr", "10.244.0.0/25", "must be an IPv4 network of /8 to /24"},
        {"--cluster-cidr", "fd00::/16", "must be an IPv4 network of /8 to /24"},
        {"--cluster-domain", "-.", "must be like cluster.local"},
        {"--advertise-url", "192.0.2.9", "must be https://HOST:PORT"},
        {"--advertise-url", "http://192.0.2.9:6443", "must be https://HOST:PORT"},
    };
    struct member_config config;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        setting = rows[i].flag;
        setting_value = rows[i].value;
        ck_assert_int_eq(parse(&config), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error_message(&error), rows[i].flag));
        ck_assert_ptr_nonnull(strstr(error_message(&error), rows[i].reason));
    }
    setting = "--service-cidr";
    setting_value = "10.97.3.9/12"; /* Its network's first address, not that one's. */
    ck_assert_int_eq(parse(&config), 0);
    ck_assert_str_eq(config.service_ip, "10.96.0.1");
    setting = "--advertise-url";
    setting_value = "https://api.example:443";
    ck_assert_int_eq(parse(&config), 0);
    ck_assert_str_eq(config.api_url, "https://api.example:443");
}
END_TEST

/* --- The audit's --- */

static int parse_audit(char **argv, int argc, struct audit_options *options)
{
    struct flag flags[FLAGS_MAX];
    struct flag_set set = {.flags = flags, .count = server_flags(flags)};
    error_release(&error);
    error = (struct error){.code = 0};
    ck_assert_int_eq(flag_set_parse(&set, argc, argv, &error), 0);
    int result = audit_options_from(&set, arena, options, &error);
    flag_set_release(&set);
    return result;
}

START_TEST(audit_is_as_kubernetes_has_it_unless_said)
{
    char *none[] = {"--name=n1"};
    struct audit_options options;
    ck_assert_int_eq(parse_audit(none, 1, &options), 0);
    ck_assert_int_eq(options.webhook_mode, AUDIT_BATCH);
    ck_assert_uint_eq(options.webhook_backoff_ms, 10000);
    ck_assert_uint_eq(options.webhook_batch.buffer_size, 10000);
    ck_assert_uint_eq(options.webhook_batch.max_size, 400);
    ck_assert_uint_eq(options.webhook_batch.max_wait_ms, 30000);
    ck_assert(options.webhook_batch.throttled);
    ck_assert_uint_eq(options.webhook_batch.throttle_qps, 10);
    ck_assert_uint_eq(options.webhook_batch.throttle_burst, 15);
    ck_assert(!options.webhook_truncate.enabled);
    ck_assert_uint_eq(options.webhook_truncate.event_max, 102400);
    ck_assert_uint_eq(options.log_truncate.batch_max, 10485760);
    char *some[] = {"--name=n1", "--audit-log-mode=blocking-strict",
                    "--audit-webhook-batch-throttle-enable=false",
                    "--audit-webhook-initial-backoff=500ms", "--audit-log-truncate-enabled"};
    ck_assert_int_eq(parse_audit(some, ARRAY_LEN(some), &options), 0);
    ck_assert_int_eq(options.log_mode, AUDIT_BLOCKING_STRICT);
    ck_assert(!options.webhook_batch.throttled);
    ck_assert_uint_eq(options.webhook_backoff_ms, 500);
    ck_assert(options.log_truncate.enabled);
}
END_TEST

START_TEST(an_audit_flag_that_is_wrong_is_named)
{
    static const struct {
        const char *flag, *reason;
    } rows[] = {
        {"--audit-log-format=legacy", "--audit-log-format=legacy: must be json"},
        {"--audit-webhook-mode=never", "--audit-webhook-mode=never: must be batch, blocking"},
        {"--audit-webhook-version=v1", "must be audit.k8s.io/v1"},
        {"--audit-webhook-batch-max-wait=soon", "must be a time of up to a day"},
        {"--audit-webhook-batch-max-size=0", "--audit-webhook-batch-max-size"},
        {"--audit-log-path=/tmp/x", "--audit-log-path needs --audit-policy-file"},
        {"--audit-webhook-config-file=/tmp/x", "--audit-webhook-config-file needs"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct audit_options options;
        char *argv[] = {"--name=n1", (char *)(uintptr_t)rows[i].flag};
        ck_assert_int_eq(parse_audit(argv, 2, &options), -EINVAL);
        ck_assert_msg(strstr(error_message(&error), rows[i].reason) != NULL, "%s lacks %s",
                      error_message(&error), rows[i].reason);
    }
    struct audit_options options;
    char *small[] = {"--name=n1", "--audit-log-truncate-enabled",
                     "--audit-log-truncate-max-batch-size=100"};
    ck_assert_int_eq(parse_audit(small, 3, &options), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error_message(&error), "no less than the size of an event"));
}
END_TEST

Suite *member_config_suite(void)
{
    Suite *suite = suite_create("cmd/member_config");
    TCase *tcase = tcase_create("config");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, history_is_kept_as_the_retention_says);
    tcase_add_test(tcase, a_retention_that_is_none_is_refused);
    tcase_add_test(tcase, every_member_gives_every_member_the_same_ids);
    tcase_add_test(tcase, urls_decide_on_tls_and_defaults_are_filled_in);
    tcase_add_test(tcase, a_member_may_have_several_urls_in_any_order);
    tcase_add_test(tcase, a_token_makes_another_cluster_and_a_state_is_new_or_existing);
    tcase_add_test(tcase, a_first_start_needs_the_peer_url_that_the_others_know);
    tcase_add_test(tcase, settings_of_the_cluster_that_cannot_be_are_refused);
    tcase_add_test(tcase, a_cluster_that_cannot_be_is_refused_with_the_reason);
    tcase_add_test(tcase, audit_is_as_kubernetes_has_it_unless_said);
    tcase_add_test(tcase, an_audit_flag_that_is_wrong_is_named);
    suite_add_tcase(suite, tcase);
    return suite;
}
