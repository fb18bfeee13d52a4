/* The --store-… flags: what they mean, and what makes no sense together. */
#include "cmd/external_store.h"

#include <check.h>
#include <errno.h>
#include <string.h>

Suite *external_store_suite(void);

enum { ARGUMENTS_MAX = 10 };

static int parse(const char *const *arguments, struct external_store *external, struct error *error)
{
    struct flag flags[] = {
        {.name = "initial-cluster", .placeholder = "X", .list = true},
        {.name = "join", .placeholder = "X"},
        {.name = "token", .placeholder = "X"},
        {.name = "peer-url", .placeholder = "X", .fallback = "https://127.0.0.1:2380"},
        {.name = "etcd-listen", .placeholder = "X", .fallback = "https://127.0.0.1:2379"},
        {.name = "metrics-listen", .placeholder = "X"},
        {.name = "quota-bytes", .placeholder = "X", .fallback = "1"},
        {.name = "auto-compaction-mode", .placeholder = "X", .fallback = "periodic"},
        {.name = "auto-compaction-retention", .placeholder = "X"},
        {.name = "heartbeat-ms", .placeholder = "X", .fallback = "50"},
        {.name = "election-ms", .placeholder = "X", .fallback = "300"},
        {.name = "snapshot-entries", .placeholder = "X", .fallback = "1000"},
        {.name = "store-endpoints", .placeholder = "X", .list = true},
        {.name = "store-cacert", .placeholder = "X"},
        {.name = "store-cert", .placeholder = "X"},
        {.name = "store-key", .placeholder = "X"},
        {.name = "store-prefix", .placeholder = "X", .fallback = "/registry"},
        {.name = "store-user", .placeholder = "X"},
        {.name = "store-password-file", .placeholder = "X"},
        {.name = "store-compact-minutes", .placeholder = "X", .fallback = "5"},
    };
    struct flag_set set = {.flags = flags, .count = ARRAY_LEN(flags)};
    char *argv[ARGUMENTS_MAX];
    int argc = 0;
    for (; arguments[argc] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)arguments[argc];
    }
    ck_assert_int_eq(flag_set_parse(&set, argc, argv, error), 0);
    int result = external_store_from(&set, external, error);
    flag_set_release(&set);
    return result;
}

START_TEST(without_endpoints_the_member_has_a_store_of_its_own)
{
    const char *const arguments[] = {"--initial-cluster", "a=http://b:1", NULL};
    struct external_store external;
    struct error error = {.code = 0};
    ck_assert_int_eq(parse(arguments, &external, &error), 0);
    ck_assert_uint_eq(external.endpoint_count, 0);
}
END_TEST

START_TEST(endpoints_are_taken_apart)
{
    const char *const arguments[] = {"--store-endpoints", "https://a:2379,https://[::1]:1",
                                     "--store-compact-minutes", "0", NULL};
    struct external_store external;
    struct error error = {.code = 0};
    ck_assert_int_eq(parse(arguments, &external, &error), 0);
    ck_assert_uint_eq(external.endpoint_count, 2);
    ck_assert(external.tls);
    ck_assert_str_eq(external.endpoints[0].host, "a");
    ck_assert_str_eq(external.endpoints[1].host, "::1");
    ck_assert_uint_eq(external.compact_ms, 0);
}
END_TEST

START_TEST(what_makes_no_sense_together_is_refused_by_name)
{
    static const struct {
        const char *const arguments[ARGUMENTS_MAX];
        const char *names;
    } rows[] = {
        {{"--store-endpoints", "a:2379", NULL}, "--store-endpoints"},
        {{"--store-endpoints", "http://a", NULL}, "--store-endpoints"},
        {{"--store-endpoints", "http://a:1,https://b:1", NULL}, "do not mix"},
        {{"--store-endpoints", "http://a:1", "--initial-cluster", "x=http://y:1", NULL},
         "--initial-cluster"},
        {{"--store-endpoints", "http://a:1", "--join", "https://y:1", NULL}, "--join"},
        {{"--store-endpoints", "http://a:1", "--peer-url", "http://y:1", NULL}, "--peer-url"},
        {{"--store-endpoints", "http://a:1", "--etcd-listen", "http://y:1", NULL}, "--etcd-listen"},
        {{"--store-endpoints", "http://a:1", "--quota-bytes", "2", NULL}, "--quota-bytes"},
        {{"--store-prefix", "/x", NULL}, "--store-prefix"},
        {{"--store-user", "u", NULL}, "--store-user"},
        {{"--store-endpoints", "https://a:1", "--store-cert", "f", NULL}, "--store-key"},
        {{"--store-endpoints", "http://a:1", "--store-cacert", "f", NULL}, "https://"},
        {{"--store-endpoints", "http://a:1", "--store-user", "u", NULL}, "--store-password-file"},
        {{"--store-endpoints", "http://a:1", "--store-compact-minutes", "-1", NULL},
         "--store-compact-minutes"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct external_store external;
        struct error error = {.code = 0};
        ck_assert_int_eq(parse(rows[i].arguments, &external, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error_message(&error), rows[i].names));
        error_release(&error);
    }
}
END_TEST

Suite *external_store_suite(void)
{
    Suite *suite = suite_create("cmd/external_store");
    TCase *tcase = tcase_create("external_store");
    tcase_add_test(tcase, without_endpoints_the_member_has_a_store_of_its_own);
    tcase_add_test(tcase, endpoints_are_taken_apart);
    tcase_add_test(tcase, what_makes_no_sense_together_is_refused_by_name);
    suite_add_tcase(suite, tcase);
    return suite;
}
