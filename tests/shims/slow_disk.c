/* LD_PRELOAD: a disk that takes its time. SHIM_FLUSH_NS names a file with the nanoseconds that
 * every flush takes longer; it may change. */
#include "tests/shims/control.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)

/* In small steps, so that a delay that is taken back is over at once. */
static void wait_first(void)
{
    static const volatile int64_t *delay_ns;
    if (delay_ns == NULL) {
        delay_ns = control_map("SHIM_FLUSH_NS");
    }
    for (int64_t waited = 0; waited < *delay_ns; waited += 5 * NS_PER_MS) {
        const struct timespec step = {.tv_nsec = 5 * NS_PER_MS};
        (void)nanosleep(&step, NULL);
    }
}

int fsync(int fd)
{
    wait_first();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    wait_first();
    return (int)syscall(SYS_fdatasync, fd);
}
