/* Go's text of a duration. Whole units down to nanoseconds: "1h2m3.5s", "300ms", "0s". */
#include "lib/base/time_text.h"

#include "lib/base/compiler.h"
#include <errno.h>
#include <stdio.h>

static const struct unit {
    const char *name;
    int64_t nanos;
} units[] = {
    {"ns", 1},       {"us", 1000},      {"\xc2\xb5s", 1000},         {"\xce\xbcs", 1000},
    {"ms", 1000000}, {"s", 1000000000}, {"m", INT64_C(60000000000)}, {"h", INT64_C(3600000000000)},
};

static const struct unit *unit_at(struct slice text, size_t at, size_t *ret_len)
{
    size_t len = 0;
    while (at + len < text.len && text.data[at + len] != '.' &&
           (text.data[at + len] < '0' || text.data[at + len] > '9')) {
        len++;
    }
    *ret_len = len;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (slice_is(slice_of(text.data + at, len), units[i].name)) {
            return &units[i];
        }
    }
    return NULL;
}

/* One number with its unit; advances *at. Returns its nanoseconds, or a negative errno. */
static int64_t part_at(struct slice text, size_t *at)
{
    int64_t whole = 0;
    double fraction = 0, place = 0.1;
    size_t digits = 0, len;
    const struct unit *unit;

    for (; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9'; (*at)++, digits++) {
        if (__builtin_mul_overflow(whole, (int64_t)10, &whole) ||
            __builtin_add_overflow(whole, (int64_t)(text.data[*at] - '0'), &whole)) {
            return -EINVAL;
        }
    }
    if (*at < text.len && text.data[*at] == '.') {
        for ((*at)++; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9';
             (*at)++, digits++, place /= 10) {
            fraction += place * (text.data[*at] - '0');
        }
    }
    unit = unit_at(text, *at, &len);
    if (digits == 0 || unit == NULL || __builtin_mul_overflow(whole, unit->nanos, &whole)) {
        return -EINVAL;
    }
    *at += len;
    if (__builtin_add_overflow(whole, (int64_t)(fraction * (double)unit->nanos + 0.5), &whole)) {
        return -EINVAL;
    }
    return whole;
}

int duration_parse(struct slice text, int64_t *ret_nanos)
{
    size_t at = 0;
    int64_t total = 0;
    bool negative = text.len > 0 && text.data[0] == '-';

    at = text.len > 0 && (negative || text.data[0] == '+');
    if (at == text.len) {
        return -EINVAL;
    }
    if (slice_is(slice_of(text.data + at, text.len - at), "0")) {
        *ret_nanos = 0;
        return 0;
    }
    while (at < text.len) {
        int64_t part = part_at(text, &at);
        if (part < 0 || __builtin_add_overflow(total, part, &total)) {
            return -EINVAL;
        }
    }
    *ret_nanos = negative ? -total : total;
    return 0;
}

/* `value` with `digits` decimals, trailing zeros cut. */
static void put_decimal(char *text, size_t size, uint64_t value, int digits, const char *unit)
{
    uint64_t scale = 1;
    for (int i = 0; i < digits; i++) {
        scale *= 10;
    }
    uint64_t rest = value % scale;
    while (digits > 0 && rest % 10 == 0) {
        rest /= 10;
        digits--;
    }
    char fraction[12] = ""; /* A point and up to nine digits. */
    for (int i = digits; i > 0; i--, rest /= 10) {
        fraction[0] = '.';
        fraction[i] = (char)('0' + rest % 10);
    }
    (void)snprintf(text, size, "%llu%s%s", (unsigned long long)(value / scale), fraction, unit);
}

void duration_format(int64_t nanos, char ret_text[TIME_TEXT_SIZE])
{
    uint64_t rest = nanos < 0 ? 0 - (uint64_t)nanos : (uint64_t)nanos;
    uint64_t minutes = rest / UINT64_C(60000000000);
    const char *sign = nanos < 0 ? "-" : "";
    char tail[40];
    int digits = rest < 1000 ? 0 : rest < 1000000 ? 3 : rest < 1000000000 ? 6 : 9;
    static const char *const names[] = {[0] = "ns", [3] = "\xc2\xb5s", [6] = "ms", [9] = "s"};

    if (rest == 0) {
        digits = 9;
    }
    put_decimal(tail, sizeof(tail), digits == 9 ? rest % UINT64_C(60000000000) : rest, digits,
                names[digits]);
    if (minutes >= 60) {
        (void)snprintf(ret_text, TIME_TEXT_SIZE, "%s%lluh%llum%s", sign,
                       (unsigned long long)(minutes / 60), (unsigned long long)(minutes % 60),
                       tail);
    } else if (minutes > 0) {
        (void)snprintf(ret_text, TIME_TEXT_SIZE, "%s%llum%s", sign, (unsigned long long)minutes,
                       tail);
    } else {
        (void)snprintf(ret_text, TIME_TEXT_SIZE, "%s%s", sign, tail);
    }
}
