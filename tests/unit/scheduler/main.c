#include "tests/unit/unit.h"

Suite *cycle_suite(void);
Suite *queue_suite(void);
Suite *scheduler_suite(void);

int main(void)
{
    Suite *suites[] = {cycle_suite(), queue_suite(), scheduler_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
