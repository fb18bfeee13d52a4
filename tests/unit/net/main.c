#include "tests/unit/unit.h"

Suite *loop_suite(void);
Suite *http1_suite(void);
Suite *http2_suite(void);
Suite *server_suite(void);
Suite *codecs_suite(void);
Suite *spdy_suite(void);
Suite *grpc_suite(void);
Suite *client_suite(void);
Suite *reflection_suite(void);
Suite *file_watch_suite(void);

int main(void)
{
    Suite *suites[] = {loop_suite(),       http1_suite(),     http2_suite(), codecs_suite(),
                       spdy_suite(),       server_suite(),    grpc_suite(),  client_suite(),
                       reflection_suite(), file_watch_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
