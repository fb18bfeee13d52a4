#include "tests/unit/agent/suites.h"
#include "tests/unit/unit.h"

int main(void)
{
    Suite *suites[] = {pod_worker_suite(), pod_config_suite(), volumes_suite(), pod_manager_suite(),
                       agent_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
