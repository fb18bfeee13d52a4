/* The suites of the codec half of lib/api. */
#ifndef TESTS_UNIT_API_CODEC_SUITES_H
#define TESTS_UNIT_API_CODEC_SUITES_H
#include <check.h>

Suite *json_suite(void);
Suite *protobuf_suite(void);
Suite *values_suite(void);
Suite *yaml_suite(void);
Suite *status_suite(void);
Suite *golden_suite(void);
Suite *round_trip_suite(void);
Suite *encoded_suite(void);
#endif
