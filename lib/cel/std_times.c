/* Timestamps and durations: parsing, arithmetic in the range of RFC 3339, parts of a date. Zones
 * are offsets ("+02:00") and UTC; names of places would need a database that a pure library has
 * not. */
#include "lib/base/time_text.h"
#include "lib/cel/cel.h"

enum { DAY = 86400, NANOS = 1000000000 };

/* 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z. */
static const int64_t seconds_min = -62135596800, seconds_max = 253402300799;

static struct cel_value time_in_range(int64_t seconds, int32_t nanos)
{
    return seconds < seconds_min || seconds > seconds_max ? cel_error("timestamp overflow")
                                                          : cel_timestamp(seconds, nanos);
}

static struct cel_value time_of_text(struct cel_call *call, const struct cel_value *a)
{
    int64_t seconds;
    int32_t nanos;
    if (time_parse(a[0].text, &seconds, &nanos) < 0) {
        return cel_call_error(call,
                              "type conversion error from 'string' to 'google.protobuf.Timestamp'");
    }
    return time_in_range(seconds, nanos);
}

static struct cel_value time_of_int(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return time_in_range(a[0].integer, 0);
}

static struct cel_value same(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return a[0];
}

static struct cel_value duration_of_text(struct cel_call *call, const struct cel_value *a)
{
    int64_t nanos;
    if (duration_parse(a[0].text, &nanos) < 0) {
        return cel_call_error(call,
                              "type conversion error from 'string' to 'google.protobuf.Duration'");
    }
    return cel_duration(nanos);
}

static struct cel_value duration_of_int(struct cel_call *call, const struct cel_value *a)
{
    int64_t nanos;
    (void)call;
    return __builtin_mul_overflow(a[0].integer, (int64_t)NANOS, &nanos)
               ? cel_error("duration overflow")
               : cel_duration(nanos);
}

/* --- Arithmetic --------------------------------------------------------------------------------
 */

static struct cel_value shift(struct cel_time time, int64_t nanos)
{
    int64_t seconds = time.seconds + nanos / NANOS;
    int64_t rest = time.nanos + nanos % NANOS;
    if (rest < 0) {
        rest += NANOS;
        seconds--;
    } else if (rest >= NANOS) {
        rest -= NANOS;
        seconds++;
    }
    return time_in_range(seconds, (int32_t)rest);
}

static struct cel_value add_to_time(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return a[0].kind == CEL_TIMESTAMP ? shift(a[0].time, a[1].integer)
                                      : shift(a[1].time, a[0].integer);
}

static struct cel_value subtract_from_time(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return a[1].integer == INT64_MIN ? cel_error("timestamp overflow")
                                     : shift(a[0].time, -a[1].integer);
}

static struct cel_value time_difference(struct cel_call *call, const struct cel_value *a)
{
    int64_t nanos;
    (void)call;
    if (__builtin_mul_overflow(a[0].time.seconds - a[1].time.seconds, (int64_t)NANOS, &nanos) ||
        __builtin_add_overflow(nanos, (int64_t)(a[0].time.nanos - a[1].time.nanos), &nanos)) {
        return cel_error("duration overflow");
    }
    return cel_duration(nanos);
}

static struct cel_value add_durations(struct cel_call *call, const struct cel_value *a)
{
    int64_t sum;
    (void)call;
    return __builtin_add_overflow(a[0].integer, a[1].integer, &sum) ? cel_error("duration overflow")
                                                                    : cel_duration(sum);
}

static struct cel_value subtract_durations(struct cel_call *call, const struct cel_value *a)
{
    int64_t difference;
    (void)call;
    return __builtin_sub_overflow(a[0].integer, a[1].integer, &difference)
               ? cel_error("duration overflow")
               : cel_duration(difference);
}

/* --- Parts -------------------------------------------------------------------------------------
 */

/* "+02:00", "-03:30", "02:00", "UTC". False for anything else. */
static bool zone_offset(struct slice zone, int64_t *ret_seconds)
{
    bool is_signed = zone.len > 0 && (zone.data[0] == '+' || zone.data[0] == '-');
    const uint8_t *at = zone.data + is_signed;
    if (zone.len == 0 || slice_is(zone, "UTC")) {
        *ret_seconds = 0;
        return true;
    }
    if (zone.len - is_signed != 5 || at[2] != ':') {
        return false;
    }
    for (size_t i = 0; i < 5; i++) {
        if (i != 2 && (at[i] < '0' || at[i] > '9')) {
            return false;
        }
    }
    int64_t seconds =
        ((at[0] - '0') * 10 + at[1] - '0') * 3600 + ((at[3] - '0') * 10 + at[4] - '0') * 60;
    *ret_seconds = zone.data[0] == '-' ? -seconds : seconds;
    return true;
}

enum part {
    PART_YEAR,
    PART_MONTH,
    PART_DAY_OF_YEAR,
    PART_DAY_OF_MONTH,
    PART_DATE,
    PART_DAY_OF_WEEK,
    PART_HOURS,
    PART_MINUTES,
    PART_SECONDS,
    PART_MILLISECONDS,
};

static int64_t part_of(int64_t local, int32_t nanos, enum part part)
{
    int64_t days = local / DAY, rest = local % DAY, year, month, day;
    if (rest < 0) {
        rest += DAY;
        days--;
    }
    date_of_days(days, &year, &month, &day);
    switch (part) {
    case PART_YEAR:
        return year;
    case PART_MONTH:
        return month - 1;
    case PART_DAY_OF_YEAR:
        return days - date_days(year, 1, 1);
    case PART_DAY_OF_MONTH:
        return day - 1;
    case PART_DATE:
        return day;
    case PART_DAY_OF_WEEK:
        return ((days + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday; Sunday is 0. */
    case PART_HOURS:
        return rest / 3600;
    case PART_MINUTES:
        return rest / 60 % 60;
    case PART_SECONDS:
        return rest % 60;
    case PART_MILLISECONDS:
        return nanos / 1000000;
    }
    return 0;
}

static struct cel_value part_in_zone(struct cel_call *call, const struct cel_value *a,
                                     struct slice zone, enum part part)
{
    int64_t offset;
    if (!zone_offset(zone, &offset)) {
        return cel_call_error(call, "unknown time zone %.*s", (int)zone.len,
                              (const char *)zone.data);
    }
    return cel_int(part_of(a[0].time.seconds + offset, a[0].time.nanos, part));
}

#define PART(name, part)                                                                           \
    static struct cel_value name##_utc(struct cel_call *call, const struct cel_value *a)           \
    {                                                                                              \
        return part_in_zone(call, a, slice_of(NULL, 0), part);                                     \
    }                                                                                              \
    static struct cel_value name##_zone(struct cel_call *call, const struct cel_value *a)          \
    {                                                                                              \
        return part_in_zone(call, a, a[1].text, part);                                             \
    }
PART(year, PART_YEAR)
PART(month, PART_MONTH)
PART(day_of_year, PART_DAY_OF_YEAR)
PART(day_of_month, PART_DAY_OF_MONTH)
PART(date, PART_DATE)
PART(day_of_week, PART_DAY_OF_WEEK)
PART(hours, PART_HOURS)
PART(minutes, PART_MINUTES)
PART(seconds, PART_SECONDS)
PART(milliseconds, PART_MILLISECONDS)
#undef PART

#define DURATION_PART(name, unit)                                                                  \
    static struct cel_value name##_of_duration(struct cel_call *call, const struct cel_value *a)   \
    {                                                                                              \
        (void)call;                                                                                \
        return cel_int(a[0].integer / (unit));                                                     \
    }
DURATION_PART(hours, INT64_C(3600000000000))
DURATION_PART(minutes, INT64_C(60000000000))
DURATION_PART(seconds, INT64_C(1000000000))
#undef DURATION_PART

static struct cel_value milliseconds_of_duration(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_int(a[0].integer / 1000000);
}

#define PART_ROWS(name, fn)                                                                        \
    {name, "timestamp_" #fn, "timestamp.() int", fn##_utc, CEL_COST_ONE},                          \
    {                                                                                              \
        name, "timestamp_" #fn "_with_tz", "timestamp.(string) int", fn##_zone, CEL_COST_ONE       \
    }

static const struct cel_row rows[] = {
    {"timestamp", "string_to_timestamp", "(string) timestamp", time_of_text, CEL_COST_ONE},
    {"timestamp", "int64_to_timestamp", "(int) timestamp", time_of_int, CEL_COST_ONE},
    {"timestamp", "timestamp_to_timestamp", "(timestamp) timestamp", same, CEL_COST_ONE},
    {"duration", "string_to_duration", "(string) duration", duration_of_text, CEL_COST_ONE},
    {"duration", "int64_to_duration", "(int) duration", duration_of_int, CEL_COST_ONE},
    {"duration", "duration_to_duration", "(duration) duration", same, CEL_COST_ONE},
    {"_+_", "add_timestamp_duration", "(timestamp, duration) timestamp", add_to_time, CEL_COST_ONE},
    {"_+_", "add_duration_timestamp", "(duration, timestamp) timestamp", add_to_time, CEL_COST_ONE},
    {"_+_", "add_duration_duration", "(duration, duration) duration", add_durations, CEL_COST_ONE},
    {"_-_", "subtract_timestamp_timestamp", "(timestamp, timestamp) duration", time_difference,
     CEL_COST_ONE},
    {"_-_", "subtract_timestamp_duration", "(timestamp, duration) timestamp", subtract_from_time,
     CEL_COST_ONE},
    {"_-_", "subtract_duration_duration", "(duration, duration) duration", subtract_durations,
     CEL_COST_ONE},
    PART_ROWS("getFullYear", year),
    PART_ROWS("getMonth", month),
    PART_ROWS("getDayOfYear", day_of_year),
    PART_ROWS("getDayOfMonth", day_of_month),
    PART_ROWS("getDate", date),
    PART_ROWS("getDayOfWeek", day_of_week),
    PART_ROWS("getHours", hours),
    PART_ROWS("getMinutes", minutes),
    PART_ROWS("getSeconds", seconds),
    PART_ROWS("getMilliseconds", milliseconds),
    {"getHours", "duration_to_hours", "duration.() int", hours_of_duration, CEL_COST_ONE},
    {"getMinutes", "duration_to_minutes", "duration.() int", minutes_of_duration, CEL_COST_ONE},
    {"getSeconds", "duration_to_seconds", "duration.() int", seconds_of_duration, CEL_COST_ONE},
    {"getMilliseconds", "duration_to_milliseconds", "duration.() int", milliseconds_of_duration,
     CEL_COST_ONE},
};

const struct cel_library cel_library_times = {
    .name = "times", .rows = rows, .row_count = ARRAY_LEN(rows)};
