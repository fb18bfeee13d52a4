#include "tests/unit/unit.h"

Suite *golden_suite(void);
Suite *selector_suite(void);
Suite *patch_suite(void);
Suite *syntax_suite(void);
Suite *table_suite(void);

int main(void)
{
    Suite *suites[] = {syntax_suite(), selector_suite(), patch_suite(), table_suite(),
                       golden_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
