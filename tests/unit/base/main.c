#include "tests/unit/unit.h"

Suite *memory_suite(void);
Suite *bell_suite(void);
Suite *base64_suite(void);
Suite *containers_suite(void);
Suite *env_uv_suite(void);
Suite *cow_tree_suite(void);
Suite *digest_suite(void);
Suite *name_index_suite(void);
Suite *url_list_suite(void);
Suite *urgency_suite(void);

int main(void)
{
    Suite *suites[] = {memory_suite(),   bell_suite(),     base64_suite(), containers_suite(),
                       env_uv_suite(),   cow_tree_suite(), digest_suite(), name_index_suite(),
                       url_list_suite(), urgency_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
