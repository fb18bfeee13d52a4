#include "tests/unit/unit.h"

Suite *http1_suite(void);
Suite *server_suite(void);
Suite *grpc_suite(void);

int main(void)
{
    Suite *suites[] = {http1_suite(), server_suite(), grpc_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
