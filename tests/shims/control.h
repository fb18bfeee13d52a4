/* A number that the test changes while the program runs: eight bytes of a file, mapped. */
#ifndef TESTS_SHIMS_CONTROL_H
#define TESTS_SHIMS_CONTROL_H
#include <stdint.h>

/* The number in the file that the environment names under `variable`; one that stays 0 without. */
const volatile int64_t *control_map(const char *variable);
#endif
