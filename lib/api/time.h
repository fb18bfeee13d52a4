/* Times of the API: metav1.Time (RFC 3339, seconds) and MicroTime (six digits), always in UTC, and
 * metav1.Duration. Pure: the present comes from the env. */
#ifndef LIB_API_TIME_H
#define LIB_API_TIME_H
#include "k8s/meta_v1.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/time_text.h"
#include <stdint.h>

enum { API_TIME_TEXT_SIZE = TIME_TEXT_SIZE }; /* Enough for any text made here and its NUL. */

/* The texts of lib/base/time_text.h, which lib/api/time.h offers under its own names. */
MUST_USE static inline int api_time_parse(struct slice text, int64_t *ret_seconds,
                                          int32_t *ret_nanos)
{
    return time_parse(text, ret_seconds, ret_nanos);
}
static inline void api_time_format(int64_t seconds, char ret_text[API_TIME_TEXT_SIZE])
{
    time_format(seconds, ret_text);
}
MUST_USE static inline int api_duration_parse(struct slice text, int64_t *ret_nanos)
{
    return duration_parse(text, ret_nanos);
}
static inline void api_duration_format(int64_t nanos, char ret_text[API_TIME_TEXT_SIZE])
{
    duration_format(nanos, ret_text);
}
/* "2006-01-02T15:04:05.000000Z" */
void api_micro_time_format(int64_t seconds, int32_t nanos, char ret_text[API_TIME_TEXT_SIZE]);

/* NULL and a message without seconds are the zero time (JSON null). */
static inline bool api_time_is_zero(const Meta__V1__Time *time)
{
    return time == NULL || !time->has_seconds;
}
static inline bool api_micro_time_is_zero(const Meta__V1__MicroTime *time)
{
    return time == NULL || !time->has_seconds;
}
static inline int64_t api_time_seconds(const Meta__V1__Time *time) /* 0 for the zero time. */
{
    return api_time_is_zero(time) ? 0 : time->seconds;
}
Meta__V1__Time *api_time_new(struct arena *arena, int64_t seconds);
/* Nanoseconds since 1970; cut to microseconds. */
Meta__V1__MicroTime *api_micro_time_new(struct arena *arena, int64_t unix_nanos);
int64_t api_micro_time_nanos(const Meta__V1__MicroTime *time); /* 0 for the zero time. */
#endif
