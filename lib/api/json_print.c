#include "lib/api/json_print.h"

#include "lib/api/json_scan.h"
#include "lib/api/json_value.h"
#include "lib/base/alloc.h"
#include "lib/base/utf8.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FEW_MEMBERS = 12 };

static void print_escape(struct buffer *out, uint8_t byte)
{
    char text[8];
    switch (byte) {
    case '"':
        buffer_append(out, "\\\"", 2);
        return;
    case '\\':
        buffer_append(out, "\\\\", 2);
        return;
    case '\b':
        buffer_append(out, "\\b", 2);
        return;
    case '\f':
        buffer_append(out, "\\f", 2);
        return;
    case '\n':
        buffer_append(out, "\\n", 2);
        return;
    case '\r':
        buffer_append(out, "\\r", 2);
        return;
    case '\t':
        buffer_append(out, "\\t", 2);
        return;
    default:
        (void)snprintf(text, sizeof(text), "\\u%04x", byte);
        buffer_append(out, text, 6);
    }
}

void json_print_string(struct slice text, struct buffer *out)
{
    const uint8_t *at = text.data, *end = at + text.len, *plain = at;

    buffer_append_byte(out, '"');
    while ((at = json_skip_plain(at, end)) < end) {
        uint32_t rune;
        size_t len;
        buffer_append(out, plain, (size_t)(at - plain));
        if (*at < 0x80) {
            print_escape(out, *at);
            plain = ++at;
            continue;
        }
        len = utf8_get(at, end, &rune);
        if (rune == UTF8_REPLACEMENT && len == 1) {
            buffer_append(out, "\\ufffd", 6);
        } else if (rune == 0x2028 || rune == 0x2029) {
            buffer_append(out, rune == 0x2028 ? "\\u2028" : "\\u2029", 6);
        } else {
            buffer_append(out, at, len);
        }
        at += len;
        plain = at;
    }
    if (at > plain) {
        buffer_append(out, plain, (size_t)(at - plain));
    }
    buffer_append_byte(out, '"');
}

void json_print_int(int64_t value, struct buffer *out)
{
    char text[24];
    char *at = text + sizeof(text);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        *--at = '-';
    }
    buffer_append(out, at, (size_t)(text + sizeof(text) - at));
}

/* Its digits ("-1.8e+19"), then zeros: what they stand for is not known more closely. */
static void print_whole(const char *text, int exponent, struct buffer *out)
{
    int digits = 0;
    for (const char *at = text; *at != 'e'; at++) {
        if (*at != '.') {
            buffer_append_byte(out, (uint8_t)*at);
            digits += *at != '-';
        }
    }
    for (; digits <= exponent; digits++) {
        buffer_append_byte(out, '0');
    }
}

/* As Go: the shortest text that reads back, without an exponent from 1e-6 up to 1e21. */
void json_print_double(double value, struct buffer *out)
{
    char text[64];
    int precision = 1;
    double size = fabs(value);

    if (!isfinite(value)) {
        buffer_append_text(out, "null"); /* Unreachable from JSON, which has no such number. */
        return;
    }
    do {
        (void)snprintf(text, sizeof(text), "%.*e", precision - 1, value);
    } while (precision++ < 17 && strtod(text, NULL) != value);
    if (size == 0 || (size >= 1e-6 && size < 1e21)) {
        int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
        int decimals = precision - 2 - exponent;
        if (decimals < 0) {
            print_whole(text, exponent, out);
            return;
        }
        char plain[64];
        (void)snprintf(plain, sizeof(plain), "%.*f", decimals, value);
        buffer_append_text(out, plain);
        return;
    }
    char *sign = strchr(text, 'e') + 1;
    if (sign[0] == '-' && sign[1] == '0' && sign[3] == '\0') {
        sign[1] = sign[2]; /* e-09 is written e-9. */
        sign[2] = '\0';
    }
    buffer_append_text(out, text);
}

/* Copies JSON text without white space outside strings, HTML characters escaped. */
void json_print_compact(struct slice text, struct buffer *out)
{
    const uint8_t *at = text.data, *end = at + text.len, *plain = at;
    bool quoted = false;

    for (; (at = quoted ? json_skip_plain(at, end) : at) < end; at++) {
        bool space = !quoted && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r');
        bool html = *at == '<' || *at == '>' || *at == '&';
        bool separator = end - at >= 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] | 1) == 0xa9;
        if (*at == '"') {
            quoted = !quoted;
        } else if (quoted && *at == '\\' && at + 1 < end) {
            at++;
        } else if (space || html || separator) {
            buffer_append(out, plain, (size_t)(at - plain));
            if (html) {
                print_escape(out, *at);
            } else if (separator) {
                buffer_append(out, at[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
                at += 2;
            }
            plain = at + 1;
        }
    }
    if (end > plain) {
        buffer_append(out, plain, (size_t)(end - plain));
    }
}

static int by_name(const void *a, const void *b)
{
    const struct json_member *left = a, *right = b;
    return slice_compare(left->name, right->name);
}

/* Members of the objects that are being printed, the outermost first, each object's by name. One
 * piece of memory for all: an array of each, on the stack or not, is dear ten thousand deep. */
struct ordered {
    struct json_member *members;
    size_t count, capacity;
};

/* Most objects have few members, for which qsort takes longer. */
static void sort_members(struct json_member *members, size_t count)
{
    if (count > FEW_MEMBERS) {
        qsort(members, count, sizeof(*members), by_name);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct json_member member = members[i];
        size_t at = i;
        for (; at > 0 && by_name(&members[at - 1], &member) > 0; at--) {
            members[at] = members[at - 1];
        }
        members[at] = member;
    }
}

/* Returns where they begin. */
static size_t order_members(struct ordered *ordered, const struct json_value *object)
{
    size_t first = ordered->count;
    ordered->count += object->count;
    if (ordered->count > ordered->capacity) {
        ordered->capacity = ordered->count * 2;
        ordered->members =
            alloc_resize(ordered->members, ordered->capacity, sizeof(*ordered->members));
    }
    if (object->count > 0) {
        memcpy(ordered->members + first, object->members,
               object->count * sizeof(*ordered->members));
        sort_members(ordered->members + first, object->count);
    }
    return first;
}

/* `ordered`: NULL for members as they come. */
static void print_value(const struct json_value *value, struct ordered *ordered,
                        struct buffer *out);

static void print_object(const struct json_value *value, struct ordered *ordered,
                         struct buffer *out)
{
    size_t first = ordered == NULL ? 0 : order_members(ordered, value);
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < value->count; i++) {
        const struct json_member *members =
            ordered == NULL ? value->members : ordered->members + first;
        const struct json_value *inner = members[i].value;
        if (i > 0) {
            buffer_append_byte(out, ',');
        }
        json_print_string(members[i].name, out);
        buffer_append_byte(out, ':');
        print_value(inner, ordered, out);
    }
    buffer_append_byte(out, '}');
    if (ordered != NULL) {
        ordered->count = first;
    }
}

static void print_value(const struct json_value *value, struct ordered *ordered, struct buffer *out)
{
    switch (value->type) {
    case JSON_NULL:
        buffer_append_text(out, "null");
        break;
    case JSON_BOOL:
        buffer_append_text(out, value->boolean ? "true" : "false");
        break;
    case JSON_NUMBER:
        buffer_append_slice(out, value->text);
        break;
    case JSON_STRING:
        json_print_string(value->text, out);
        break;
    case JSON_ARRAY:
        buffer_append_byte(out, '[');
        for (size_t i = 0; i < value->count; i++) {
            if (i > 0) {
                buffer_append_byte(out, ',');
            }
            print_value(value->items[i], ordered, out);
        }
        buffer_append_byte(out, ']');
        break;
    case JSON_OBJECT:
        print_object(value, ordered, out);
        break;
    }
}

void json_print(const struct json_value *value, bool sorted, struct buffer *out)
{
    struct ordered ordered = {0};
    print_value(value, sorted ? &ordered : NULL, out);
    free(ordered.members);
}

static void new_line(struct buffer *out, size_t depth)
{
    static const char spaces[] = "                                ";
    buffer_append_byte(out, '\n');
    for (size_t left = depth * 2; left > 0;) {
        size_t part = left < sizeof(spaces) - 1 ? left : sizeof(spaces) - 1;
        buffer_append(out, spaces, part);
        left -= part;
    }
}

/* One character outside of strings. */
static void indent_byte(struct json_indent *state, uint8_t byte, struct buffer *out)
{
    bool closes = byte == '}' || byte == ']';
    if (closes) {
        state->depth -= state->depth > 0;
    }
    if (closes != state->opened) { /* Nothing is between brackets that close at once. */
        new_line(out, state->depth);
    }
    state->opened = byte == '{' || byte == '[';
    state->depth += state->opened;
    buffer_append_byte(out, byte);
    if (byte == ',') {
        new_line(out, state->depth);
    } else if (byte == ':') {
        buffer_append_byte(out, ' ');
    }
}

void json_indent_part(struct json_indent *state, struct slice text, struct buffer *out)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len && buffer_error(out) == 0; i++) {
        uint8_t byte = text.data[i];
        if (quoted) {
            buffer_append_byte(out, byte);
            if (byte == '\\' && i + 1 < text.len) {
                buffer_append_byte(out, text.data[++i]);
            }
            quoted = byte != '"';
        } else if (byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r') {
            indent_byte(state, byte, out);
            quoted = byte == '"';
        }
    }
}

void json_indent(struct slice text, struct buffer *out)
{
    struct json_indent state = {0};
    json_indent_part(&state, text, out);
}
