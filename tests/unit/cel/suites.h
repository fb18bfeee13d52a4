/* The suites of this folder. */
#ifndef TESTS_UNIT_CEL_SUITES_H
#define TESTS_UNIT_CEL_SUITES_H
#include <check.h>

Suite *cases_suite(void);
Suite *limits_suite(void);
#endif
