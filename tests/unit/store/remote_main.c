#include "tests/unit/unit.h"

Suite *remote_codec_suite(void);
Suite *mirror_suite(void);
Suite *remote_suite(void);

int main(void)
{
    Suite *suites[] = {remote_codec_suite(), mirror_suite(), remote_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
