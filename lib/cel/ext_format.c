/* "%s and %.2f".format([a, b]): the verbs of cel-go's string formatting. */
#include "lib/cel/cel.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { NUMBER_TEXT_MAX = 512 };

struct format {
    struct cel_call *call;
    struct buffer out;
    struct cel_value error; /* CEL_NULL while there is none. */
};

static void fail(struct format *format, struct cel_value error)
{
    if (!cel_is_error(&format->error)) {
        format->error = error;
    }
}

static const char *type_name(struct format *format, const struct cel_value *value)
{
    return cel_type_runtime_name(cel_type_of(format->call->arena, value));
}

/* --- %s ----------------------------------------------------------------------------------------
 */

static void put_string(struct format *format, const struct cel_value *value, size_t depth);

static void put_list(struct format *format, const struct cel_value *list, size_t depth)
{
    buffer_append_byte(&format->out, '[');
    for (size_t i = 0; i < cel_list_size(list) && !format->out.overflowed; i++) {
        struct cel_value item = cel_list_item(format->call->arena, list, i);
        buffer_append_text(&format->out, i == 0 ? "" : ", ");
        put_string(format, &item, depth + 1);
    }
    buffer_append_byte(&format->out, ']');
}

/* Entries ascend by key, so that the text does not depend on how the map was made. */
static void put_map(struct format *format, const struct cel_value *map, size_t depth)
{
    size_t count = cel_map_size(map);
    struct cel_value *keys;
    if (!cel_call_takes(format->call, count * sizeof(*keys))) {
        fail(format, cel_error_memory());
        return;
    }
    keys = arena_array(format->call->arena, count, sizeof(*keys));
    for (size_t i = 0; i < count; i++) {
        struct cel_value key, value;
        cel_map_entry(format->call->arena, map, i, &key, &value);
        size_t at = i;
        for (; at > 0 && cel_compare(&key, &keys[at - 1]) == CEL_LESS; at--) {
            keys[at] = keys[at - 1];
        }
        keys[at] = key;
    }
    buffer_append_byte(&format->out, '{');
    for (size_t i = 0; i < count && !format->out.overflowed; i++) {
        struct cel_value value;
        (void)cel_map_find(format->call->arena, map, &keys[i], &value);
        buffer_append_text(&format->out, i == 0 ? "" : ", ");
        put_string(format, &keys[i], depth + 1);
        buffer_append_text(&format->out, ": ");
        put_string(format, &value, depth + 1);
    }
    buffer_append_byte(&format->out, '}');
}

static void put_double(struct format *format, double value)
{
    if (isinf(value)) {
        buffer_append_text(&format->out, value > 0 ? "Infinity" : "-Infinity");
    } else {
        cel_double_print(value, &format->out);
    }
}

static void put_string(struct format *format, const struct cel_value *value, size_t depth)
{
    if (depth > CEL_VALUE_DEPTH_MAX || value->kind == CEL_OPAQUE || value->kind == CEL_OPTIONAL ||
        value->kind == CEL_ERROR) {
        fail(format, cel_call_error(format->call,
                                    "error during formatting: string clause can only be used on "
                                    "strings, bools, bytes, ints, doubles, maps, lists, types, "
                                    "durations, and timestamps, was given %s",
                                    type_name(format, value)));
    } else if (value->kind == CEL_LIST) {
        put_list(format, value, depth);
    } else if (value->kind == CEL_MAP) {
        put_map(format, value, depth);
    } else if (value->kind == CEL_STRING || value->kind == CEL_BYTES) {
        buffer_append_slice(&format->out, value->text);
    } else if (value->kind == CEL_DOUBLE) {
        put_double(format, value->real);
    } else {
        cel_value_print(format->call->arena, value, &format->out);
    }
}

/* --- Numbers -----------------------------------------------------------------------------------
 */

static void wrong_type(struct format *format, const char *clause, const char *allowed,
                       const struct cel_value *value)
{
    fail(format, cel_call_error(format->call,
                                "error during formatting: %s clause can only be used on %s, was "
                                "given %s",
                                clause, allowed, type_name(format, value)));
}

static void put_decimal(struct format *format, const struct cel_value *value)
{
    if (value->kind == CEL_DOUBLE && !isfinite(value->real)) {
        put_double(format, value->real);
    } else if (value->kind == CEL_INT || value->kind == CEL_UINT) {
        cel_value_print(format->call->arena, value, &format->out);
    } else {
        wrong_type(format, "decimal", "integers", value);
    }
}

static void put_real(struct format *format, const struct cel_value *value, char verb, int precision)
{
    char text[NUMBER_TEXT_MAX];
    double number = value->kind == CEL_DOUBLE ? value->real
                    : value->kind == CEL_INT  ? (double)value->integer
                                              : (double)value->natural;
    if (value->kind != CEL_DOUBLE && value->kind != CEL_INT && value->kind != CEL_UINT) {
        wrong_type(format, verb == 'f' ? "fixed-point" : "scientific", "doubles", value);
    } else if (!isfinite(number)) {
        put_double(format, number);
    } else {
        precision = precision < 0 ? 6 : precision;
        (void)(verb == 'f' ? snprintf(text, sizeof(text), "%.*f", precision, number)
                           : snprintf(text, sizeof(text), "%.*e", precision, number));
        buffer_append_text(&format->out, text);
    }
}

static void put_based(struct format *format, uint64_t magnitude, bool negative, unsigned base,
                      bool upper)
{
    char digits[65];
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[magnitude % base];
        magnitude /= base;
    } while (magnitude > 0);
    buffer_append_text(&format->out, negative ? "-" : "");
    buffer_append_text(&format->out, digits + at);
}

static bool put_integer(struct format *format, const struct cel_value *value, unsigned base,
                        bool upper)
{
    if (value->kind == CEL_INT) {
        uint64_t magnitude =
            value->integer < 0 ? 0 - (uint64_t)value->integer : (uint64_t)value->integer;
        put_based(format, magnitude, value->integer < 0, base, upper);
    } else if (value->kind == CEL_UINT) {
        put_based(format, value->natural, false, base, upper);
    } else {
        return false;
    }
    return true;
}

static void put_binary(struct format *format, const struct cel_value *value)
{
    if (value->kind == CEL_BOOL) {
        buffer_append_byte(&format->out, value->boolean ? '1' : '0');
    } else if (!put_integer(format, value, 2, false)) {
        wrong_type(format, "only integers and bools can be formatted as binary: binary",
                   "integers and bools", value);
    }
}

static void put_hex(struct format *format, const struct cel_value *value, bool upper)
{
    if (value->kind == CEL_STRING || value->kind == CEL_BYTES) {
        for (size_t i = 0; i < value->text.len; i++) {
            buffer_printf(&format->out, upper ? "%02X" : "%02x", value->text.data[i]);
        }
    } else if (!put_integer(format, value, 16, upper)) {
        wrong_type(format, "hex", "integers, byte buffers, and strings", value);
    }
}

static void put_verb(struct format *format, char verb, int precision, const struct cel_value *value)
{
    switch (verb) {
    case 's':
        put_string(format, value, 0);
        break;
    case 'd':
        put_decimal(format, value);
        break;
    case 'f':
    case 'e':
        put_real(format, value, verb, precision);
        break;
    case 'b':
        put_binary(format, value);
        break;
    case 'x':
    case 'X':
        put_hex(format, value, verb == 'X');
        break;
    case 'o':
        if (!put_integer(format, value, 8, false)) {
            wrong_type(format, "octal", "integers", value);
        }
        break;
    default:
        fail(format, cel_call_error(format->call,
                                    "could not parse formatting clause: unrecognized formatting "
                                    "clause \"%c\"",
                                    verb));
    }
}

/* ".12" at *at; -1 when there is none, -2 (and an error) when it is wrong. */
static int take_precision(struct format *format, struct slice text, size_t *at)
{
    int precision = 0;
    if (*at >= text.len || text.data[*at] != '.') {
        return -1;
    }
    for ((*at)++; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9'; (*at)++) {
        precision = precision > CEL_FORMAT_PRECISION_MAX ? precision
                                                         : precision * 10 + text.data[*at] - '0';
    }
    if (precision > CEL_FORMAT_PRECISION_MAX) {
        fail(format, cel_call_error(format->call,
                                    "precision %d exceeds maximum allowed precision "
                                    "%d",
                                    precision, (int)CEL_FORMAT_PRECISION_MAX));
    }
    return precision;
}

static void format_all(struct format *format, struct slice text, const struct cel_value *arguments)
{
    size_t next = 0, count = cel_list_size(arguments);
    for (size_t at = 0; at < text.len && !cel_is_error(&format->error); at++) {
        if (text.data[at] != '%') {
            buffer_append_byte(&format->out, text.data[at]);
            continue;
        }
        at++;
        if (at < text.len && text.data[at] == '%') {
            buffer_append_byte(&format->out, '%');
            continue;
        }
        int precision = take_precision(format, text, &at);
        if (at >= text.len) {
            fail(format, cel_error("unexpected end of string"));
        } else if (next >= count) {
            fail(format, cel_call_error(format->call, "index %zu out of range", next));
        } else if (!cel_is_error(&format->error)) {
            struct cel_value value = cel_list_item(format->call->arena, arguments, next++);
            put_verb(format, (char)text.data[at], precision, &value);
        }
    }
}

static struct cel_value formatted(struct cel_call *call, const struct cel_value *a)
{
    struct format format = {.call = call, .error = cel_null()};
    buffer_init(&format.out, call->memory_left);
    format_all(&format, a[0].text, &a[1]);
    struct cel_value value =
        cel_is_error(&format.error) ? format.error : cel_call_text(call, &format.out);
    buffer_release(&format.out);
    return value;
}

static const struct cel_row rows[] = {
    {"format", "string_format", "string.(list<dyn>) string", formatted, CEL_COST_TEXT},
};

const struct cel_library cel_library_format = {
    .name = "format", .rows = rows, .row_count = ARRAY_LEN(rows)};
