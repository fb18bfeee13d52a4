#include "tests/unit/api/codec/suites.h"
#include "tests/unit/unit.h"

int main(void)
{
    Suite *suites[] = {json_suite(),   protobuf_suite(), values_suite(),     yaml_suite(),
                       status_suite(), golden_suite(),   round_trip_suite(), encoded_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
