#include "tests/unit/unit.h"

Suite *change_suite(void);
Suite *lost_members_suite(void);
Suite *cluster_suite(void);
Suite *core_suite(void);
Suite *format_suite(void);
Suite *join_suite(void);
Suite *lost_files_suite(void);
Suite *node_suite(void);

int main(void)
{
    Suite *suites[] = {change_suite(), lost_members_suite(), cluster_suite(),    core_suite(),
                       format_suite(), join_suite(),         lost_files_suite(), node_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
