#include "tests/unit/unit.h"

Suite *pod_worker_suite(void);

int main(void)
{
    Suite *suites[] = {pod_worker_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
