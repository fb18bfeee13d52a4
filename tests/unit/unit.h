/* The main() of every unit test executable: runs the suites it is given, prints check's closing
 * line, and returns how many tests failed. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H
#include <check.h>
#include <stddef.h>

static inline int unit_main(Suite *const *suites, size_t count)
{
    SRunner *runner = srunner_create(suites[0]);
    for (size_t i = 1; i < count; i++) {
        srunner_add_suite(runner, suites[i]);
    }
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
#endif
