#include "tests/unit/unit.h"

Suite *txn_suite(void);
Suite *history_suite(void);
Suite *watch_suite(void);
Suite *store_suite(void);
Suite *store_health_suite(void);
Suite *store_members_suite(void);
Suite *bolt_suite(void);
Suite *range_index_suite(void);
Suite *auth_suite(void);
Suite *auth_ranges_suite(void);
Suite *sessions_suite(void);
Suite *versions_suite(void);
Suite *turns_suite(void);

int main(void)
{
    Suite *suites[] = {txn_suite(),      history_suite(),      watch_suite(),
                       store_suite(),    store_health_suite(), store_members_suite(),
                       bolt_suite(),     auth_suite(),         auth_ranges_suite(),
                       sessions_suite(), range_index_suite(),  versions_suite(),
                       turns_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
