#include "tests/unit/api/semantics/suites.h"
#include "tests/unit/unit.h"

int main(void)
{
    Suite *suites[] = {syntax_suite(),
                       check_suite(),
                       check_pod_suite(),
                       check_update_suite(),
                       check_admission_suite(),
                       check_kinds_suite(),
                       check_storage_suite(),
                       warnings_suite(),
                       check_access_suite(),
                       check_amounts_suite(),
                       check_network_suite(),
                       check_container_suite(),
                       check_sets_suite(),
                       selector_suite(),
                       patch_suite(),
                       table_suite(),
                       pod_security_suite(),
                       resource_list_suite(),
                       quota_suite(),
                       openapi_suite(),
                       openapi_extension_suite(),
                       kinds_page_suite(),
                       structural_suite(),
                       custom_rules_suite(),
                       definitions_suite(),
                       expression_types_suite(),
                       apply_suite(),
                       apply_merge_suite(),
                       apply_owners_suite(),
                       conversion_review_suite(),
                       shown_suite(),
                       check_job_suite(),
                       golden_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
