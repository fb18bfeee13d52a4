/* LD_PRELOAD: clocks that are wrong.
 *
 *   SHIM_WALL_NS        file with the nanoseconds by which the wall clock is ahead; may change
 *   SHIM_CLOCK_PERCENT  by how much the monotonic clock runs fast (5) or slow (-5), from the start
 *
 * What the program waits for in the kernel takes its real time, as with a clock that drifts. */
#include "tests/shims/control.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

static const volatile int64_t *wall_ahead_ns;
static int64_t percent;

static void start(void)
{
    static bool started;
    if (!started) {
        const char *value = getenv("SHIM_CLOCK_PERCENT");
        percent = value == NULL ? 0 : strtol(value, NULL, 10);
        wall_ahead_ns = control_map("SHIM_WALL_NS");
        started = true;
    }
}

static bool is_wall(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

static bool is_monotonic(clockid_t clock)
{
    return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE ||
           clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_BOOTTIME;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    start();
    int result = (int)syscall(SYS_clock_gettime, clock, out);
    if (result != 0) {
        return result;
    }
    int64_t now = out->tv_sec * NS_PER_S + out->tv_nsec;
    if (is_wall(clock)) {
        now += *wall_ahead_ns;
    } else if (is_monotonic(clock)) {
        now += now / 100 * percent;
    }
    *out = (struct timespec){.tv_sec = now / NS_PER_S, .tv_nsec = now % NS_PER_S};
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    (void)zone;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}
