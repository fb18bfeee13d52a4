#include "tests/unit/unit.h"

Suite *deployment_suite(void);
Suite *nodes_suite(void);
Suite *content_suite(void);
Suite *quota_suite(void);
Suite *quota_tally_suite(void);
Suite *rounds_suite(void);
Suite *flow_status_suite(void);
Suite *requests_suite(void);
Suite *policy_status_suite(void);
Suite *cluster_info_suite(void);
Suite *legacy_cleaner_suite(void);

int main(void)
{
    Suite *suites[] = {deployment_suite(),    nodes_suite(),        content_suite(),
                       quota_suite(),         flow_status_suite(),  requests_suite(),
                       policy_status_suite(), cluster_info_suite(), legacy_cleaner_suite(),
                       quota_tally_suite(),   rounds_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
