#include "tests/unit/unit.h"

Suite *mirror_suite(void);
Suite *remote_suite(void);

int main(void)
{
    Suite *suites[] = {mirror_suite(), remote_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
