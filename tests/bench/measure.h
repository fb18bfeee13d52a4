/* What load generators measure with: the clock, this process's CPU time, and how long each of many
 * operations took. One thread. */
#ifndef TESTS_BENCH_MEASURE_H
#define TESTS_BENCH_MEASURE_H
#include "lib/base/compiler.h"
#include <stddef.h>
#include <stdint.h>

enum {
    MEASURE_US_PER_S = 1000000,
    MEASURE_SAMPLES_MAX = 32 * 1024 * 1024, /* What comes after them is not kept. */
};

/* An option's value, from `min` to `max`; -EINVAL for anything else. */
MUST_USE int measure_option(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);

uint64_t measure_now_us(void); /* CLOCK_MONOTONIC */
uint64_t measure_cpu_us(void); /* Of all threads, user and system. */

struct latencies { /* Zero is empty. */
    uint32_t *us;
    size_t count, capacity;
};
void latencies_add(struct latencies *latencies, uint64_t us);
void latencies_sort(struct latencies *latencies);
/* 0 to 100; 0 of none. After latencies_sort(). */
uint32_t latencies_percentile(const struct latencies *latencies, size_t percent);
void latencies_release(struct latencies *latencies);
#endif
