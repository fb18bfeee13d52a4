/* Schedules as cron has them: five fields, a name such as @daily, or "@every 1h30m". Pure. */
#ifndef LIB_API_CRON_H
#define LIB_API_CRON_H
#include "lib/base/compiler.h"
#include "lib/base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct cron {
    /* One bit a value that fits. Days of the week: Sunday is 0. */
    uint64_t minutes, hours, days, months, weekdays;
    bool any_day, any_weekday; /* Written as * or ?: only the other field of days counts. */
    int64_t every_s;           /* Of "@every": above zero, and nothing else counts. */
};

/* Returns 0, or -EINVAL with the words of v1.32. A time zone in front of the fields ("TZ=Etc/UTC ",
 * "CRON_TZ=Etc/UTC ") is skipped. */
MUST_USE int cron_parse(const char *text, struct cron *ret_cron, struct error *reterr);
#endif
