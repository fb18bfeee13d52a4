#include "lib/api/quantity.h"

#include "lib/api/limits.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    NANO_DIGITS = 9,
    FRACTION_DIGITS_MAX = 18,
    BINARY_EXPONENT_MAX = 6,
    DECIMAL_EXPONENT_MAX = 18,
    EXACT_DIGITS = 18
};

static const quantity_nanos one = 1000000000;
#define INT64_NANOS ((quantity_nanos)INT64_MAX * 1000000000)
#define NANOS_MAX   ((quantity_nanos)1000000000000000000 * 1000000000000000000 * 50)

static const char text_wrong[] = "quantities must match the regular expression "
                                 "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
static const char numeric_wrong[] = "unable to parse numeric part of quantity";
static const char suffix_wrong[] = "unable to parse quantity's suffix";

static const char decimal_letters[] = {'n', 'u', 'm', '\0', 'k', 'M', 'G', 'T', 'P', 'E'};
static const char binary_letters[] = {'\0', 'K', 'M', 'G', 'T', 'P', 'E'};

/* The parts of a quantity as written. */
struct parts {
    bool negative;
    struct slice whole, fraction; /* Digits. */
    struct slice suffix;
    enum quantity_format format;
    int exponent; /* Of 10, or of 1024. */
};

static size_t digits_at(struct slice text, size_t at)
{
    size_t count = 0;
    while (at + count < text.len && text.data[at + count] >= '0' && text.data[at + count] <= '9') {
        count++;
    }
    return count;
}

static bool is_suffix_letter(uint8_t byte)
{
    return byte != '\0' && strchr("eEinumkKMGTP", byte) != NULL;
}

static bool split(struct slice text, struct parts *ret_parts)
{
    size_t at = 0, count, suffix;
    if (text.len == 0 || text.len > API_QUANTITY_TEXT_MAX) {
        return false;
    }
    if (text.data[0] == '+' || text.data[0] == '-') {
        ret_parts->negative = text.data[0] == '-';
        at++;
    }
    count = digits_at(text, at);
    ret_parts->whole = slice_of(text.data + at, count);
    at += count;
    ret_parts->fraction = slice_of(NULL, 0);
    if (at < text.len && text.data[at] == '.') {
        count = digits_at(text, ++at);
        ret_parts->fraction = slice_of(text.data + at, count);
        at += count;
    }
    suffix = at;
    while (at < text.len && is_suffix_letter(text.data[at])) {
        at++;
    }
    if (at < text.len && (text.data[at] == '-' || text.data[at] == '+')) {
        at++;
    }
    at += digits_at(text, at);
    ret_parts->suffix = slice_of(text.data + suffix, at - suffix);
    return at == text.len;
}

static bool read_exponent(struct slice text, int *ret_exponent)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    size_t at = negative || (text.len > 0 && text.data[0] == '+');
    int value = 0;
    if (at == text.len) {
        return false;
    }
    for (; at < text.len; at++) {
        if (text.data[at] < '0' || text.data[at] > '9') {
            return false;
        }
        value = value < 10000 ? value * 10 + (text.data[at] - '0') : value;
    }
    *ret_exponent = negative ? -value : value;
    return true;
}

static bool read_suffix(struct parts *parts)
{
    struct slice suffix = parts->suffix;
    parts->format = QUANTITY_DECIMAL_SI;
    parts->exponent = 0;
    if (suffix.len == 0) {
        return true;
    }
    if (suffix.len == 1) {
        for (int i = 0; i < (int)sizeof(decimal_letters); i++) {
            if (decimal_letters[i] == (char)suffix.data[0]) {
                parts->exponent = (i - 3) * 3;
                return true;
            }
        }
        return false;
    }
    if (suffix.len == 2 && suffix.data[1] == 'i') {
        parts->format = QUANTITY_BINARY_SI;
        for (int i = 1; i < (int)sizeof(binary_letters); i++) {
            if (binary_letters[i] == (char)suffix.data[0]) {
                parts->exponent = i;
                return true;
            }
        }
        return false;
    }
    if (suffix.data[0] != 'e' && suffix.data[0] != 'E') {
        return false;
    }
    parts->format = suffix.data[0] == 'e' ? QUANTITY_DECIMAL_EXPONENT : QUANTITY_UPPER_EXPONENT;
    return read_exponent(slice_of(suffix.data + 1, suffix.len - 1), &parts->exponent);
}

static quantity_nanos capped(quantity_nanos nanos)
{
    return nanos > NANOS_MAX ? NANOS_MAX : nanos < -NANOS_MAX ? -NANOS_MAX : nanos;
}

/* value * 10 + digit, staying at the maximum once it is passed. */
static quantity_nanos push_digit(quantity_nanos value, uint8_t digit)
{
    return value > NANOS_MAX / 10 ? NANOS_MAX + 1 : value * 10 + (digit - '0');
}

static quantity_nanos decimal_value(const struct parts *parts)
{
    /* Digits up to this place after the point (before scaling) are whole billionths. */
    long places = NANO_DIGITS + (long)parts->exponent;
    long place = -(long)parts->whole.len;
    quantity_nanos value = 0;
    bool rest = false;

    for (size_t i = 0; i < parts->whole.len + parts->fraction.len; i++, place++) {
        uint8_t digit = i < parts->whole.len ? parts->whole.data[i]
                                             : parts->fraction.data[i - parts->whole.len];
        if (place < places) {
            value = push_digit(value, digit);
        } else {
            rest = rest || digit != '0';
        }
    }
    for (; place < places && value != 0 && value <= NANOS_MAX; place++) {
        value = push_digit(value, '0');
    }
    return value + rest;
}

static quantity_nanos binary_value(const struct parts *parts)
{
    quantity_nanos unit = (quantity_nanos)1 << (10 * parts->exponent);
    quantity_nanos whole = 0, fraction = 0, scale = 1;
    bool rest = false;

    for (size_t i = 0; i < parts->whole.len; i++) {
        whole = push_digit(whole, parts->whole.data[i]);
    }
    for (size_t i = 0; i < parts->fraction.len; i++) {
        if (i < FRACTION_DIGITS_MAX) {
            fraction = fraction * 10 + (parts->fraction.data[i] - '0');
            scale *= 10;
        } else {
            rest = rest || parts->fraction.data[i] != '0';
        }
    }
    if (whole > INT64_MAX / unit) {
        return INT64_NANOS;
    }
    fraction *= unit; /* Below 10^18 * 2^60. */
    if (scale > one) {
        rest = rest || fraction % (scale / one) != 0;
        fraction /= scale / one;
    } else {
        fraction *= one / scale;
    }
    return whole * unit * one + fraction + rest;
}

/* What stands before the suffix in canonical form. */
static quantity_nanos mantissa_of(quantity_nanos nanos)
{
    while (nanos != 0 && nanos % 1000 == 0) {
        nanos /= 1000;
    }
    return nanos;
}

int quantity_parse(struct slice text, struct quantity *ret_quantity, struct error *reterr)
{
    struct parts parts = {.negative = false};
    quantity_nanos nanos;

    if (!split(text, &parts)) {
        return error_set(reterr, -EINVAL, "%s", text_wrong);
    }
    if (!read_suffix(&parts)) {
        return error_set(reterr, -EINVAL, "%s", suffix_wrong);
    }
    if (parts.whole.len + parts.fraction.len == 0) {
        return error_set(reterr, -EINVAL, "%s", numeric_wrong);
    }
    nanos = parts.format == QUANTITY_BINARY_SI ? binary_value(&parts) : decimal_value(&parts);
    nanos = capped(nanos);
    if (nanos > INT64_NANOS && mantissa_of(nanos) > INT64_MAX) {
        nanos = INT64_NANOS; /* Kubernetes keeps larger values only in its fast representation. */
    }
    *ret_quantity = (struct quantity){parts.negative ? -nanos : nanos, parts.format};
    return 0;
}

static void print(quantity_nanos number, const char *suffix, char ret_text[QUANTITY_TEXT_SIZE])
{
    char digits[QUANTITY_TEXT_SIZE];
    char *end = digits + sizeof(digits), *at = end;
    quantity_nanos rest = number < 0 ? -number : number;
    for (; rest > INT64_MAX; rest /= 10) { /* Sums of the largest with fractions: slow. */
        *--at = (char)('0' + (int)(rest % 10));
    }
    uint64_t small = (uint64_t)rest;
    do {
        *--at = (char)('0' + (int)(small % 10));
        small /= 10;
    } while (small > 0);
    if (number < 0) {
        *--at = '-';
    }
    memcpy(ret_text, at, (size_t)(end - at));
    memcpy(ret_text + (end - at), suffix, strlen(suffix) + 1);
}

static void format_binary(quantity_nanos value, char ret_text[QUANTITY_TEXT_SIZE])
{
    int exponent = 0;
    char suffix[3] = "";
    while (exponent < BINARY_EXPONENT_MAX && value % 1024 == 0) {
        value /= 1024;
        exponent++;
    }
    if (exponent > 0) {
        suffix[0] = binary_letters[exponent];
        suffix[1] = 'i';
        suffix[2] = '\0';
    }
    print(value, suffix, ret_text);
}

void quantity_format(struct quantity quantity, char ret_text[QUANTITY_TEXT_SIZE])
{
    quantity_nanos value = quantity.nanos;
    int exponent = -NANO_DIGITS;
    char suffix[16] = "";

    if (value == 0) {
        print(0, "", ret_text);
        return;
    }
    /* Small or fractional binary quantities are shown in decimal, which loses nothing. */
    if (quantity.format == QUANTITY_BINARY_SI && value % one == 0 &&
        (value <= -1024 * one || value >= 1024 * one)) {
        format_binary(value / one, ret_text);
        return;
    }
    bool scientific =
        quantity.format == QUANTITY_DECIMAL_EXPONENT || quantity.format == QUANTITY_UPPER_EXPONENT;
    while ((scientific || exponent < DECIMAL_EXPONENT_MAX) && value % 1000 == 0) {
        value /= 1000;
        exponent += 3;
    }
    if (scientific) {
        if (exponent != 0) {
            (void)snprintf(suffix, sizeof(suffix), "%c%d",
                           quantity.format == QUANTITY_DECIMAL_EXPONENT ? 'e' : 'E', exponent);
        }
    } else {
        suffix[0] = decimal_letters[exponent / 3 + 3];
        suffix[1] = '\0';
    }
    print(value, suffix, ret_text);
}

int quantity_compare(struct quantity a, struct quantity b)
{
    return a.nanos < b.nanos ? -1 : a.nanos > b.nanos;
}

/* The result is written as the first that is not zero was. */
static enum quantity_format format_of(struct quantity a, struct quantity b)
{
    return quantity_is_zero(a) ? b.format : a.format;
}

struct quantity quantity_add(struct quantity a, struct quantity b)
{
    return (struct quantity){capped(a.nanos + b.nanos), format_of(a, b)};
}

struct quantity quantity_sub(struct quantity a, struct quantity b)
{
    return (struct quantity){capped(a.nanos - b.nanos), format_of(a, b)};
}

static int64_t divided_up(quantity_nanos nanos, quantity_nanos unit)
{
    quantity_nanos whole = nanos / unit;
    if (nanos % unit > 0) {
        whole++;
    } else if (nanos % unit < 0) {
        whole--; /* Away from zero, as Kubernetes rounds. */
    }
    return whole > INT64_MAX ? INT64_MAX : whole < INT64_MIN ? INT64_MIN : (int64_t)whole;
}

int64_t quantity_value(struct quantity quantity)
{
    return divided_up(quantity.nanos, one);
}

int64_t quantity_milli_value(struct quantity quantity)
{
    return divided_up(quantity.nanos, one / 1000);
}

struct quantity quantity_of(int64_t value, enum quantity_format format)
{
    return (struct quantity){capped(value * one), format};
}

struct quantity quantity_of_milli(int64_t value, enum quantity_format format)
{
    return (struct quantity){capped(value * (one / 1000)), format};
}

struct quantity quantity_read(const Quantity__Quantity *message)
{
    const struct quantity zero = {0, QUANTITY_DECIMAL_SI};
    struct quantity quantity;
    if (message == NULL || message->string == NULL ||
        quantity_parse(slice_text(message->string), &quantity, NULL) < 0) {
        return zero;
    }
    return quantity;
}

Quantity__Quantity *quantity_new(struct arena *arena, struct quantity quantity)
{
    char text[QUANTITY_TEXT_SIZE];
    quantity_format(quantity, text);
    return quantity_new_text(arena, text);
}

Quantity__Quantity *quantity_new_text(struct arena *arena, const char *canonical)
{
    Quantity__Quantity *message = arena_alloc(arena, sizeof(*message));
    quantity__quantity__init(message);
    message->string = arena_text(arena, canonical);
    return message;
}
