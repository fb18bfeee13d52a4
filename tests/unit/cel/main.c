#include "tests/unit/cel/suites.h"
#include "tests/unit/unit.h"

int main(void)
{
    Suite *suites[] = {cases_suite(), limits_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
