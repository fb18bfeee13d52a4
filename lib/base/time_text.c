#include "lib/base/time_text.h"

#include "lib/base/compiler.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DAY_SECONDS = 86400, NANOS = 1000000000, TEXT_MAX = 64 };

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar. Counting years from March
 * puts the leap day last, so that one formula fits all months. */
int64_t date_days(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month <= 2 ? year - 1 : year;
    int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

void date_of_days(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * month + 2) / 5 + 1;
    *ret_month = month < 10 ? month + 3 : month - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

struct cursor {
    struct slice text;
    size_t at;
    bool failed;
};

static int64_t take_digits(struct cursor *cursor, size_t count)
{
    int64_t value = 0;
    for (size_t i = 0; i < count; i++, cursor->at++) {
        if (cursor->at >= cursor->text.len || cursor->text.data[cursor->at] < '0' ||
            cursor->text.data[cursor->at] > '9') {
            cursor->failed = true;
            return 0;
        }
        value = value * 10 + (cursor->text.data[cursor->at] - '0');
    }
    return value;
}

static char take_char(struct cursor *cursor)
{
    if (cursor->at >= cursor->text.len) {
        cursor->failed = true;
        return '\0';
    }
    return (char)cursor->text.data[cursor->at++];
}

static void expect(struct cursor *cursor, char wanted)
{
    if (take_char(cursor) != wanted) {
        cursor->failed = true;
    }
}

static int32_t take_fraction(struct cursor *cursor)
{
    int32_t nanos = 0, unit = NANOS / 10;
    size_t digits = 0;
    if (cursor->at >= cursor->text.len ||
        (cursor->text.data[cursor->at] != '.' && cursor->text.data[cursor->at] != ',')) {
        return 0;
    }
    cursor->at++;
    for (; cursor->at < cursor->text.len && cursor->text.data[cursor->at] >= '0' &&
           cursor->text.data[cursor->at] <= '9';
         cursor->at++, digits++) {
        nanos += unit * (cursor->text.data[cursor->at] - '0');
        unit /= 10;
    }
    cursor->failed = cursor->failed || digits == 0;
    return nanos;
}

static int64_t take_offset(struct cursor *cursor)
{
    char sign = take_char(cursor);
    int64_t hours, minutes;
    if (sign == 'Z') {
        return 0;
    }
    if (sign != '+' && sign != '-') {
        cursor->failed = true;
        return 0;
    }
    hours = take_digits(cursor, 2);
    expect(cursor, ':');
    minutes = take_digits(cursor, 2);
    if (hours > 24 || minutes > 60) {
        cursor->failed = true;
    }
    return (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

static bool date_exists(int64_t year, int64_t month, int64_t day)
{
    static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month < 1 || month > 12 || day < 1) {
        return false;
    }
    return day <= lengths[month - 1] + (month == 2 && leap);
}

int time_parse(struct slice text, int64_t *ret_seconds, int32_t *ret_nanos)
{
    struct cursor cursor = {.text = text};
    int64_t year, month, day, hour, minute, second, offset;
    int32_t nanos;

    if (text.len > TEXT_MAX) {
        return -EINVAL;
    }
    year = take_digits(&cursor, 4);
    expect(&cursor, '-');
    month = take_digits(&cursor, 2);
    expect(&cursor, '-');
    day = take_digits(&cursor, 2);
    expect(&cursor, 'T');
    hour = take_digits(&cursor, 2);
    expect(&cursor, ':');
    minute = take_digits(&cursor, 2);
    expect(&cursor, ':');
    second = take_digits(&cursor, 2);
    nanos = take_fraction(&cursor);
    offset = take_offset(&cursor);
    if (cursor.failed || cursor.at != text.len || hour > 23 || minute > 59 || second > 59 ||
        !date_exists(year, month, day)) {
        return -EINVAL;
    }
    *ret_seconds =
        date_days(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset;
    *ret_nanos = nanos;
    return 0;
}

static void put_digits(int64_t value, size_t digits, char *ret_text)
{
    for (size_t i = digits; i > 0; i--, value /= 10) {
        ret_text[i - 1] = (char)('0' + value % 10);
    }
}

void time_format_local(int64_t seconds, char text[TIME_TEXT_SIZE])
{
    int64_t days = seconds / DAY_SECONDS, rest = seconds % DAY_SECONDS;
    int64_t year, month, day;
    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    date_of_days(days, &year, &month, &day);
    if (year < 0 || year > 9999) { /* No RFC 3339; Go's formatter shows such years as well. */
        (void)snprintf(text, TIME_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, (int)month,
                       (int)day, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
        return;
    }
    /* Several in every object: without printf. */
    memcpy(text, "0000-00-00T00:00:00", sizeof("0000-00-00T00:00:00"));
    put_digits(year, 4, text);
    put_digits(month, 2, text + 5);
    put_digits(day, 2, text + 8);
    put_digits(rest / 3600, 2, text + 11);
    put_digits(rest / 60 % 60, 2, text + 14);
    put_digits(rest % 60, 2, text + 17);
}

void time_format(int64_t seconds, char ret_text[TIME_TEXT_SIZE])
{
    time_format_local(seconds, ret_text);
    memcpy(ret_text + strlen(ret_text), "Z", sizeof("Z"));
}
