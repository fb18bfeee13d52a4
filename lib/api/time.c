#include "lib/api/time.h"

#include <stdio.h>

enum { NANOS = 1000000000, MICRO = 1000 };

void api_micro_time_format(int64_t seconds, int32_t nanos, char ret_text[API_TIME_TEXT_SIZE])
{
    size_t len;
    time_format_local(seconds, ret_text);
    len = strlen(ret_text);
    (void)snprintf(ret_text + len, API_TIME_TEXT_SIZE - len, ".%06dZ", nanos / MICRO);
}

Meta__V1__Time *api_time_new(struct arena *arena, int64_t seconds)
{
    Meta__V1__Time *time = arena_alloc(arena, sizeof(*time));
    meta__v1__time__init(time);
    time->has_seconds = time->has_nanos = 1;
    time->seconds = seconds;
    return time;
}

Meta__V1__MicroTime *api_micro_time_new(struct arena *arena, int64_t unix_nanos)
{
    Meta__V1__MicroTime *time = arena_alloc(arena, sizeof(*time));
    int64_t seconds = unix_nanos / NANOS, rest = unix_nanos % NANOS;
    if (rest < 0) {
        rest += NANOS;
        seconds--;
    }
    meta__v1__micro_time__init(time);
    time->has_seconds = time->has_nanos = 1;
    time->seconds = seconds;
    time->nanos = (int32_t)(rest / MICRO * MICRO);
    return time;
}

int64_t api_micro_time_nanos(const Meta__V1__MicroTime *time)
{
    int64_t nanos;
    if (api_micro_time_is_zero(time) ||
        __builtin_mul_overflow(time->seconds, (int64_t)NANOS, &nanos) ||
        __builtin_add_overflow(nanos, (int64_t)time->nanos, &nanos)) {
        return 0;
    }
    return nanos;
}
