/* Times and durations as text, and dates as numbers of days: RFC 3339 and Go's time.Duration. Pure:
 * the present comes from the env. */
#ifndef LIB_BASE_TIME_TEXT_H
#define LIB_BASE_TIME_TEXT_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"

enum { TIME_TEXT_SIZE = 96 }; /* Enough for any text made here and its NUL. */

/* RFC 3339 with any fraction and offset. Returns 0, or -EINVAL. Years 0 to 9999. */
MUST_USE int time_parse(struct slice text, int64_t *ret_seconds, int32_t *ret_nanos);
/* "2006-01-02T15:04:05Z"; the second without the zone. */
void time_format(int64_t seconds, char ret_text[TIME_TEXT_SIZE]);
void time_format_local(int64_t seconds, char ret_text[TIME_TEXT_SIZE]);

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar, and back. */
int64_t date_days(int64_t year, int64_t month, int64_t day);
void date_of_days(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day);

/* Go's time.Duration text, such as "1h2m3.5s". Returns 0 or -EINVAL. */
MUST_USE int duration_parse(struct slice text, int64_t *ret_nanos);
void duration_format(int64_t nanos, char ret_text[TIME_TEXT_SIZE]);
#endif
