#include "tests/unit/unit.h"

Suite *dns_answer_suite(void);
Suite *network_suite(void);
Suite *nft_rules_suite(void);

int main(void)
{
    Suite *suites[] = {nft_rules_suite(), dns_answer_suite(), network_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
