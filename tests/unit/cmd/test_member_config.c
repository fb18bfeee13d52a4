#include "cmd/member_config.h"

#include <check.h>
#include <errno.h>
#include <string.h>

Suite *member_config_suite(void);

static char *cluster;
static char *name;
static char *disable;
static const char *mode;
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
    arena = arena_new(SIZE_MAX);
    error = (struct error){.code = 0};
}

static void teardown(void)
{
    error_release(&error);
    arena_free(arena);
}

static int parse(struct member_config *config)
{
    struct flag flags[] = {
        {.name = "name", .placeholder = "X"},
        {.name = "data-dir", .placeholder = "X", .fallback = "/data"},
        {.name = "api-listen", .placeholder = "X", .fallback = "192.0.2.1:6443"},
        {.name = "advertise-url", .placeholder = "X"},
        {.name = "etcd-listen", .placeholder = "X", .fallback = "http://192.0.2.1:2379"},
        {.name = "peer-url", .placeholder = "X", .fallback = "https://192.0.2.1:2380"},
        {.name = "initial-cluster", .placeholder = "X", .list = true},
        {.name = "join", .placeholder = "X"},
        {.name = "token", .placeholder = "X"},
        {.name = "join-user", .placeholder = "X"},
        {.name = "service-cidr", .placeholder = "X", .fallback = "10.96.0.0/12"},
        {.name = "cluster-cidr", .placeholder = "X", .fallback = "10.244.0.0/16"},
        {.name = "cluster-domain", .placeholder = "X", .fallback = "cluster.local"},
        {.name = "disable", .placeholder = "X", .list = true},
        {.name = "heartbeat-ms", .placeholder = "X", .fallback = "50"},
        {.name = "election-ms", .placeholder = "X", .fallback = "300"},
        {.name = "node-grace-ms", .placeholder = "X", .fallback = "40000"},
        {.name = "snapshot-entries", .placeholder = "X", .fallback = "100000"},
        {.name = "metrics-listen", .placeholder = "X"},
        {.name = "quota-bytes", .placeholder = "X", .fallback = "1000"},
        {.name = "auto-compaction-mode", .placeholder = "X", .fallback = mode},
        {.name = "auto-compaction-retention", .placeholder = "X", .fallback = retention},
        {.name = "store-endpoints", .placeholder = "X", .list = true},
        {.name = "store-cacert", .placeholder = "X"},
        {.name = "store-cert", .placeholder = "X"},
        {.name = "store-key", .placeholder = "X"},
        {.name = "store-prefix", .placeholder = "X", .fallback = "/registry"},
        {.name = "store-user", .placeholder = "X"},
        {.name = "store-password-file", .placeholder = "X"},
        {.name = "store-compact-minutes", .placeholder = "X", .fallback = "5"},
    };
    char *argv[] = {"--name", name, "--initial-cluster", cluster, "--disable", disable};
    struct flag_set set = {.flags = flags, .count = ARRAY_LEN(flags)};
    int argc = disable == NULL ? 4 : 6;
    ck_assert_int_eq(flag_set_parse(&set, argc, argv, &error), 0);
    int result = member_config_from(&set, arena, config, &error);
    /* Peer URLs are borrowed from the flags: copied before these go. */
    for (size_t i = 0; result == 0 && i < config->peer_count; i++) {
        config->peers[i].url = arena_text(arena, config->peers[i].url);
    }
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
        disable = (char *)(uintptr_t)rows[i].disabled;
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
    ck_assert(!config.etcd_tls);
    ck_assert(config.peer_tls);
    ck_assert_str_eq(config.api_url, "https://192.0.2.1:6443");
    ck_assert_str_eq(config.service_ip, "10.96.0.1");
    ck_assert(!config.scheduler_enabled);
    ck_assert(config.controllers_enabled);
    ck_assert_uint_eq(config.snapshot_entries, 100000);
}
END_TEST

START_TEST(a_cluster_that_cannot_be_is_refused_with_the_reason)
{
    static const struct {
        char *cluster;
        const char *reason;
    } bad[] = {
        {"n2=https://192.0.2.2:2380", "does not name this member, n1"},
        {"n1=192.0.2.1:2380", "must be https://HOST:PORT"},
        {"n1", "is not NAME=URL"},
        {"n1=https://192.0.2.1:1,n1=https://192.0.2.1:2", "stands there twice"},
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

Suite *member_config_suite(void)
{
    Suite *suite = suite_create("cmd/member_config");
    TCase *tcase = tcase_create("config");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, history_is_kept_as_the_retention_says);
    tcase_add_test(tcase, a_retention_that_is_none_is_refused);
    tcase_add_test(tcase, every_member_gives_every_member_the_same_ids);
    tcase_add_test(tcase, urls_decide_on_tls_and_defaults_are_filled_in);
    tcase_add_test(tcase, a_cluster_that_cannot_be_is_refused_with_the_reason);
    suite_add_tcase(suite, tcase);
    return suite;
}
