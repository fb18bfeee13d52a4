/* The suites of this folder's test executable. */
#ifndef TESTS_UNIT_AGENT_SUITES_H
#define TESTS_UNIT_AGENT_SUITES_H
#include <check.h>

Suite *pod_worker_suite(void);
Suite *pod_config_suite(void);
Suite *volumes_suite(void);
Suite *pod_manager_suite(void);
Suite *agent_suite(void);
#endif
