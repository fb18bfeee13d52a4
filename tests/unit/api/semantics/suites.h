/* The suites of this executable. */
#ifndef TESTS_UNIT_API_SEMANTICS_SUITES_H
#define TESTS_UNIT_API_SEMANTICS_SUITES_H
#include <check.h>

Suite *apply_suite(void);
Suite *apply_merge_suite(void);
Suite *apply_owners_suite(void);
Suite *check_access_suite(void);
Suite *check_admission_suite(void);
Suite *check_amounts_suite(void);
Suite *check_job_suite(void);
Suite *check_kinds_suite(void);
Suite *check_storage_suite(void);
Suite *check_network_suite(void);
Suite *check_container_suite(void);
Suite *check_sets_suite(void);
Suite *check_pod_suite(void);
Suite *check_update_suite(void);
Suite *check_suite(void);
Suite *conversion_review_suite(void);
Suite *custom_rules_suite(void);
Suite *definitions_suite(void);
Suite *expression_types_suite(void);
Suite *golden_suite(void);
Suite *openapi_suite(void);
Suite *kinds_page_suite(void);
Suite *structural_suite(void);
Suite *patch_suite(void);
Suite *pod_security_suite(void);
Suite *quota_suite(void);
Suite *resource_list_suite(void);
Suite *shown_suite(void);
Suite *selector_suite(void);
Suite *syntax_suite(void);
Suite *table_suite(void);
Suite *warnings_suite(void);
#endif
