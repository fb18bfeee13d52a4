#include "tests/unit/unit.h"

Suite *work_queue_suite(void);
Suite *reconciler_suite(void);
Suite *informer_suite(void);
Suite *events_suite(void);

int main(void)
{
    Suite *suites[] = {work_queue_suite(), reconciler_suite(), informer_suite(), events_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
