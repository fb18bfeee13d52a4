/* Conversions between types, and type(). What does not fit is an error, never a cut value. */
#include "lib/base/time_text.h"
#include "lib/base/utf8.h"
#include "lib/cel/cel.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { NUMBER_TEXT_MAX = 400, VALUE_TEXT_MAX = 1024 };

static struct cel_value same(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return a[0];
}

static struct cel_value cannot(struct cel_call *call, const char *from, const char *to)
{
    return cel_call_error(call, "type conversion error from '%s' to '%s'", from, to);
}

/* A sign and decimal digits, as Go's strconv takes them. */
static bool parse_magnitude(struct slice text, bool *ret_negative, uint64_t *ret_value)
{
    bool signed_text = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    uint64_t value = 0;
    if (text.len <= signed_text) {
        return false;
    }
    for (size_t i = signed_text; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value)) {
            return false;
        }
    }
    *ret_negative = signed_text && text.data[0] == '-';
    *ret_value = value;
    return true;
}

static struct cel_value int_of_text(struct cel_call *call, const struct cel_value *a)
{
    uint64_t value;
    bool negative;
    if (!parse_magnitude(a[0].text, &negative, &value) || value > (uint64_t)INT64_MAX + negative) {
        return cannot(call, "string", "int");
    }
    return cel_int(negative ? (int64_t)(0 - value) : (int64_t)value);
}

static struct cel_value int_of_uint(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return a[0].natural > INT64_MAX ? cel_error("integer overflow")
                                    : cel_int((int64_t)a[0].natural);
}

static struct cel_value int_of_double(struct cel_call *call, const struct cel_value *a)
{
    static const double two_to_63 = 9223372036854775808.0;
    (void)call;
    /* The ends are refused too: a double that large stands for more than one integer. */
    return isnan(a[0].real) || a[0].real <= -two_to_63 || a[0].real >= two_to_63
               ? cel_error("integer overflow")
               : cel_int((int64_t)a[0].real);
}

static struct cel_value int_of_time(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_int(a[0].time.seconds);
}

static struct cel_value int_of_duration(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_int(a[0].integer);
}

static struct cel_value uint_of_text(struct cel_call *call, const struct cel_value *a)
{
    uint64_t value;
    bool negative;
    if (a[0].text.len == 0 || a[0].text.data[0] == '-' || a[0].text.data[0] == '+' ||
        !parse_magnitude(a[0].text, &negative, &value)) {
        return cannot(call, "string", "uint");
    }
    return cel_uint(value);
}

static struct cel_value uint_of_int(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return a[0].integer < 0 ? cel_error("unsigned integer overflow")
                            : cel_uint((uint64_t)a[0].integer);
}

static struct cel_value uint_of_double(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return isnan(a[0].real) || a[0].real < 0 || a[0].real >= 0x1p64
               ? cel_error("unsigned integer overflow")
               : cel_uint((uint64_t)a[0].real);
}

static struct cel_value double_of_text(struct cel_call *call, const struct cel_value *a)
{
    char text[NUMBER_TEXT_MAX];
    char *end;
    if (a[0].text.len == 0 || a[0].text.len >= sizeof(text) || a[0].text.data[0] <= ' ') {
        return cannot(call, "string", "double");
    }
    memcpy(text, a[0].text.data, a[0].text.len);
    text[a[0].text.len] = '\0';
    double value = strtod(text, &end);
    if (*end != '\0' || (size_t)(end - text) != a[0].text.len) {
        return cannot(call, "string", "double");
    }
    return cel_double(value);
}

static struct cel_value double_of_int(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_double((double)a[0].integer);
}

static struct cel_value double_of_uint(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_double((double)a[0].natural);
}

static struct cel_value bool_of_text(struct cel_call *call, const struct cel_value *a)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (slice_is(a[0].text, yes[i]) || slice_is(a[0].text, no[i])) {
            return cel_bool(slice_is(a[0].text, yes[i]));
        }
    }
    return cannot(call, "string", "bool");
}

static struct cel_value text_of_value(struct cel_call *call, const struct cel_value *a)
{
    struct buffer text;
    buffer_init(&text, VALUE_TEXT_MAX);
    cel_value_print(call->arena, &a[0], &text);
    struct cel_value value = cel_call_text(call, &text);
    buffer_release(&text);
    return value;
}

static struct cel_value text_of_bytes(struct cel_call *call, const struct cel_value *a)
{
    uint32_t rune;
    (void)call;
    for (const uint8_t *at = a[0].text.data, *end = at + a[0].text.len; at < end;) {
        size_t len = utf8_get(at, end, &rune);
        if (rune == UTF8_REPLACEMENT && len == 1) {
            return cel_error("invalid UTF-8 in bytes, cannot convert to string");
        }
        at += len;
    }
    return cel_string(a[0].text);
}

static struct cel_value bytes_of_text(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bytes(a[0].text);
}

static struct cel_value type_of(struct cel_call *call, const struct cel_value *a)
{
    return cel_type_value(cel_type_of(call->arena, &a[0]));
}

static const struct cel_row rows[] = {
    {"int", "int64_to_int64", "(int) int", same, CEL_COST_ONE},
    {"int", "uint64_to_int64", "(uint) int", int_of_uint, CEL_COST_ONE},
    {"int", "double_to_int64", "(double) int", int_of_double, CEL_COST_ONE},
    {"int", "string_to_int64", "(string) int", int_of_text, CEL_COST_ONE},
    {"int", "timestamp_to_int64", "(timestamp) int", int_of_time, CEL_COST_ONE},
    {"int", "duration_to_int64", "(duration) int", int_of_duration, CEL_COST_ONE},
    {"uint", "uint64_to_uint64", "(uint) uint", same, CEL_COST_ONE},
    {"uint", "int64_to_uint64", "(int) uint", uint_of_int, CEL_COST_ONE},
    {"uint", "double_to_uint64", "(double) uint", uint_of_double, CEL_COST_ONE},
    {"uint", "string_to_uint64", "(string) uint", uint_of_text, CEL_COST_ONE},
    {"double", "double_to_double", "(double) double", same, CEL_COST_ONE},
    {"double", "int64_to_double", "(int) double", double_of_int, CEL_COST_ONE},
    {"double", "uint64_to_double", "(uint) double", double_of_uint, CEL_COST_ONE},
    {"double", "string_to_double", "(string) double", double_of_text, CEL_COST_ONE},
    {"bool", "bool_to_bool", "(bool) bool", same, CEL_COST_ONE},
    {"bool", "string_to_bool", "(string) bool", bool_of_text, CEL_COST_ONE},
    {"string", "string_to_string", "(string) string", same, CEL_COST_ONE},
    {"string", "bool_to_string", "(bool) string", text_of_value, CEL_COST_ONE},
    {"string", "int64_to_string", "(int) string", text_of_value, CEL_COST_ONE},
    {"string", "uint64_to_string", "(uint) string", text_of_value, CEL_COST_ONE},
    {"string", "double_to_string", "(double) string", text_of_value, CEL_COST_ONE},
    {"string", "timestamp_to_string", "(timestamp) string", text_of_value, CEL_COST_ONE},
    {"string", "duration_to_string", "(duration) string", text_of_value, CEL_COST_ONE},
    {"string", "bytes_to_string", "(bytes) string", text_of_bytes, CEL_COST_TO_STRING},
    {"bytes", "bytes_to_bytes", "(bytes) bytes", same, CEL_COST_ONE},
    {"bytes", "string_to_bytes", "(string) bytes", bytes_of_text, CEL_COST_TO_BYTES},
    {"dyn", "to_dyn", "(A) dyn", same, CEL_COST_ONE},
    {"type", "type", "(A) type<A>", type_of, CEL_COST_ONE},
};

const struct cel_library cel_library_conversions = {
    .name = "conversions", .rows = rows, .row_count = ARRAY_LEN(rows)};
