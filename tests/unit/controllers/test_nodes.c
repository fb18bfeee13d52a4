/* Ranges of addresses. What nodes go through is in tests/scenarios/node.yaml. */
#include "controllers/node/cidr_set.h"

#include <check.h>
#include <errno.h>

Suite *nodes_suite(void);

START_TEST(ranges_run_out_and_come_back)
{
    static struct cidr_set set;
    char text[CIDR_TEXT_SIZE];
    ck_assert_int_eq(cidr_set_init(&set, "10.1.2.3"), -EINVAL);
    ck_assert_int_eq(cidr_set_init(&set, "10.1.2.300/16"), -EINVAL);
    ck_assert_int_eq(cidr_set_init(&set, "10.1.0.0/22"), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(cidr_set_take(&set, text), 0);
    }
    ck_assert_int_eq(cidr_set_take(&set, text), -ENOSPC);
    cidr_set_mark(&set, "10.1.2.0/24", false);
    cidr_set_mark(&set, "192.168.0.0/24", false); /* Somebody else's. */
    ck_assert_int_eq(cidr_set_take(&set, text), 0);
    ck_assert_str_eq(text, "10.1.2.0/24");
}
END_TEST

Suite *nodes_suite(void)
{
    Suite *suite = suite_create("controllers/node");
    TCase *tcase = tcase_create("nodes");
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, ranges_run_out_and_come_back);
    suite_add_tcase(suite, tcase);
    return suite;
}
