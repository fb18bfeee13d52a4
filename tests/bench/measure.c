#include "tests/bench/measure.h"

#include "lib/base/alloc.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { SAMPLES_FIRST = 64 * 1024 };

int measure_option(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
        return -EINVAL;
    }
    *ret_value = value;
    return 0;
}

uint64_t measure_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * MEASURE_US_PER_S + (uint64_t)now.tv_nsec / 1000;
}

uint64_t measure_cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * MEASURE_US_PER_S +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void latencies_add(struct latencies *latencies, uint64_t us)
{
    if (latencies->count == latencies->capacity) {
        if (latencies->capacity == MEASURE_SAMPLES_MAX) {
            return;
        }
        latencies->capacity = latencies->capacity == 0 ? SAMPLES_FIRST : latencies->capacity * 2;
        latencies->us = alloc_resize(latencies->us, latencies->capacity, sizeof(*latencies->us));
    }
    latencies->us[latencies->count++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

void latencies_sort(struct latencies *latencies)
{
    if (latencies->count > 0) {
        qsort(latencies->us, latencies->count, sizeof(*latencies->us), compare);
    }
}

uint32_t latencies_percentile(const struct latencies *latencies, size_t percent)
{
    return latencies->count == 0 ? 0 : latencies->us[(latencies->count - 1) * percent / 100];
}

void latencies_release(struct latencies *latencies)
{
    free(latencies->us);
    *latencies = (struct latencies){0};
}
