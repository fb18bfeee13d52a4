/* Values as text, for messages. */
#include "lib/cel/value.h"

#include "lib/base/time_text.h"
#include "lib/cel/limits.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Moves the point of "d.ddde+xx" by the exponent. */
static void print_plain(const char *shortest, int exponent, struct buffer *out)
{
    char digits[32];
    size_t count = 0;
    for (const char *at = shortest; *at != 'e'; at++) {
        if (*at == '-') {
            buffer_append_byte(out, '-');
        } else if (*at != '.') {
            digits[count++] = *at;
        }
    }
    if (exponent < 0) {
        buffer_append_text(out, "0.");
        for (int i = exponent + 1; i < 0; i++) {
            buffer_append_byte(out, '0');
        }
    }
    for (int i = 0; i < (int)count || i <= exponent; i++) {
        buffer_append_byte(out, (uint8_t)(i < (int)count ? digits[i] : '0'));
        if (i == exponent && i + 1 < (int)count) {
            buffer_append_byte(out, '.');
        }
    }
}

void cel_double_print(double value, struct buffer *out)
{
    char text[40];
    if (isnan(value) || isinf(value)) {
        buffer_append_text(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int precision = 0; precision <= 17; precision++) {
        (void)snprintf(text, sizeof(text), "%.*e", precision, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 21) {
        buffer_append_text(out, text);
    } else {
        print_plain(text, exponent, out);
    }
}

static void print_text(struct slice text, struct buffer *out)
{
    buffer_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\') {
            buffer_append_byte(out, '\\');
            buffer_append_byte(out, c);
        } else if (c == '\n' || c == '\t' || c == '\r') {
            buffer_append_byte(out, '\\');
            buffer_append_byte(out, c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        } else if (c < 0x20 || c == 0x7f) {
            buffer_printf(out, "\\x%02x", c);
        } else {
            buffer_append_byte(out, c);
        }
    }
    buffer_append_byte(out, '"');
}

static void print_value(struct arena *arena, const struct cel_value *value, size_t depth,
                        struct buffer *out);

static void print_list(struct arena *arena, const struct cel_value *list, size_t depth,
                       struct buffer *out)
{
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < cel_list_size(list) && !out->overflowed; i++) {
        struct cel_value item = cel_list_item(arena, list, i);
        buffer_append_text(out, i == 0 ? "" : ", ");
        print_value(arena, &item, depth + 1, out);
    }
    buffer_append_byte(out, ']');
}

static void print_map(struct arena *arena, const struct cel_value *map, size_t depth,
                      struct buffer *out)
{
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < cel_map_size(map) && !out->overflowed; i++) {
        struct cel_value key, value;
        cel_map_entry(arena, map, i, &key, &value);
        buffer_append_text(out, i == 0 ? "" : ", ");
        print_value(arena, &key, depth + 1, out);
        buffer_append_text(out, ": ");
        print_value(arena, &value, depth + 1, out);
    }
    buffer_append_byte(out, '}');
}

static void print_time(const struct cel_time *time, struct buffer *out)
{
    char text[TIME_TEXT_SIZE], fraction[16] = "";
    time_format_local(time->seconds, text);
    if (time->nanos != 0) {
        size_t len = (size_t)snprintf(fraction, sizeof(fraction), ".%09d", (int)time->nanos);
        while (fraction[len - 1] == '0') {
            fraction[--len] = '\0';
        }
    }
    buffer_printf(out, "%s%sZ", text, fraction);
}

/* Seconds with up to nine decimals: "90s", "0.5s", as protobuf's JSON has it. */
static void print_duration(int64_t nanos, struct buffer *out)
{
    uint64_t rest = nanos < 0 ? 0 - (uint64_t)nanos : (uint64_t)nanos;
    char fraction[16] = "";
    if (rest % 1000000000 != 0) {
        size_t len = (size_t)snprintf(fraction, sizeof(fraction), ".%09" PRIu64, rest % 1000000000);
        while (fraction[len - 1] == '0') {
            fraction[--len] = '\0';
        }
    }
    buffer_printf(out, "%s%" PRIu64 "%ss", nanos < 0 ? "-" : "", rest / 1000000000, fraction);
}

static void print_value(struct arena *arena, const struct cel_value *value, size_t depth,
                        struct buffer *out)
{
    if (depth > CEL_VALUE_DEPTH_MAX || out->overflowed) {
        return;
    }
    switch (value->kind) {
    case CEL_ERROR:
        buffer_printf(out, "error(%s)", value->error);
        break;
    case CEL_NULL:
        buffer_append_text(out, "null");
        break;
    case CEL_BOOL:
        buffer_append_text(out, value->boolean ? "true" : "false");
        break;
    case CEL_INT:
        buffer_printf(out, "%" PRId64, value->integer);
        break;
    case CEL_UINT:
        buffer_printf(out, "%" PRIu64, value->natural);
        break;
    case CEL_DOUBLE:
        cel_double_print(value->real, out);
        break;
    case CEL_STRING:
    case CEL_BYTES:
        buffer_append_text(out, value->kind == CEL_BYTES ? "b" : "");
        print_text(value->text, out);
        break;
    case CEL_LIST:
        print_list(arena, value, depth, out);
        break;
    case CEL_MAP:
        print_map(arena, value, depth, out);
        break;
    case CEL_TYPE:
        buffer_append_text(out, cel_type_runtime_name(value->type));
        break;
    case CEL_TIMESTAMP:
        print_time(&value->time, out);
        break;
    case CEL_DURATION:
        print_duration(value->integer, out);
        break;
    case CEL_OPTIONAL:
        if (value->optional == NULL) {
            buffer_append_text(out, "optional.none()");
            break;
        }
        buffer_append_text(out, "optional(");
        print_value(arena, value->optional, depth + 1, out);
        buffer_append_byte(out, ')');
        break;
    case CEL_OPAQUE:
        buffer_append_text(out, value->opaque.of->name);
        break;
    }
}

void cel_value_print(struct arena *arena, const struct cel_value *value, struct buffer *out)
{
    print_value(arena, value, 0, out);
}
