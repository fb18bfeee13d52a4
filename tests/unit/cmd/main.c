#include "tests/unit/unit.h"

Suite *flags_suite(void);
Suite *member_config_suite(void);
Suite *external_store_suite(void);

int main(void)
{
    Suite *suites[] = {flags_suite(), member_config_suite(), external_store_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
