/* The strings library (version 2 of cel-go's, which Kubernetes v1.32 has). Positions count
 * characters. */
#include "lib/base/utf8.h"
#include "lib/cel/cel.h"

static const int64_t no_limit = -1;

static struct cel_value out_of_range(struct cel_call *call, int64_t index)
{
    return cel_call_error(call, "index out of range: %lld", (long long)index);
}

/* Byte of the character `index`; the length of the text for its end; false past that. */
static bool byte_of(struct slice text, int64_t index, size_t *ret_at)
{
    const uint8_t *at = text.data, *end = at + text.len;
    uint32_t rune;
    if (index < 0) {
        return false;
    }
    for (; index > 0 && at < end; index--) {
        at += utf8_get(at, end, &rune);
    }
    *ret_at = (size_t)(at - text.data);
    return index == 0;
}

static struct slice part(struct slice text, size_t start, size_t end)
{
    return slice_of(text.data + start, end - start);
}

static struct cel_value char_at(struct cel_call *call, const struct cel_value *a)
{
    size_t start, end;
    if (!byte_of(a[0].text, a[1].integer, &start)) {
        return out_of_range(call, a[1].integer);
    }
    (void)byte_of(part(a[0].text, start, a[0].text.len), 1, &end);
    return cel_string(part(a[0].text, start, start + end));
}

/* --- Searching ---------------------------------------------------------------------------------
 */

/* Byte of the first `wanted` at or after `from`, or SIZE_MAX. */
static size_t find_from(struct slice text, struct slice wanted, size_t from)
{
    if (wanted.len == 0) {
        return from;
    }
    const uint8_t *found = text.len - from < wanted.len
                               ? NULL
                               : memmem(text.data + from, text.len - from, wanted.data, wanted.len);
    return found == NULL ? SIZE_MAX : (size_t)(found - text.data);
}

static struct cel_value index_from(struct cel_call *call, const struct cel_value *a, int64_t from)
{
    size_t start, found;
    if (!byte_of(a[0].text, from, &start)) {
        return out_of_range(call, from);
    }
    found = find_from(a[0].text, a[1].text, start);
    return cel_int(found == SIZE_MAX ? -1 : (int64_t)cel_text_size(part(a[0].text, 0, found)));
}

static struct cel_value index_of(struct cel_call *call, const struct cel_value *a)
{
    return index_from(call, a, 0);
}

static struct cel_value index_of_from(struct cel_call *call, const struct cel_value *a)
{
    return index_from(call, a, a[2].integer);
}

/* The last `wanted` that begins at or before byte `from`. */
static struct cel_value last_index_to(struct slice text, struct slice wanted, size_t from)
{
    for (size_t at = from + 1; at-- > 0;) {
        if (text.len - at >= wanted.len && slice_equal(part(text, at, at + wanted.len), wanted)) {
            return cel_int((int64_t)cel_text_size(part(text, 0, at)));
        }
    }
    return cel_int(-1);
}

static struct cel_value last_index_of(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return last_index_to(a[0].text, a[1].text, a[0].text.len);
}

static struct cel_value last_index_of_from(struct cel_call *call, const struct cel_value *a)
{
    size_t from;
    if (!byte_of(a[0].text, a[2].integer, &from)) {
        return out_of_range(call, a[2].integer);
    }
    return last_index_to(a[0].text, a[1].text, from);
}

/* --- Parts -------------------------------------------------------------------------------------
 */

static struct cel_value substring_from(struct cel_call *call, const struct cel_value *a)
{
    size_t start;
    if (!byte_of(a[0].text, a[1].integer, &start)) {
        return out_of_range(call, a[1].integer);
    }
    return cel_string(part(a[0].text, start, a[0].text.len));
}

static struct cel_value substring(struct cel_call *call, const struct cel_value *a)
{
    size_t start, end;
    if (a[1].integer > a[2].integer) {
        return cel_call_error(call, "invalid substring range. start: %lld, end: %lld",
                              (long long)a[1].integer, (long long)a[2].integer);
    }
    if (!byte_of(a[0].text, a[1].integer, &start)) {
        return out_of_range(call, a[1].integer);
    }
    if (!byte_of(a[0].text, a[2].integer, &end)) {
        return out_of_range(call, a[2].integer);
    }
    return cel_string(part(a[0].text, start, end));
}

static bool is_space(uint32_t rune)
{
    return (rune >= '\t' && rune <= '\r') || rune == ' ' || rune == 0x85 || rune == 0xa0 ||
           rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200a) || rune == 0x2028 ||
           rune == 0x2029 || rune == 0x202f || rune == 0x205f || rune == 0x3000;
}

static struct cel_value trim(struct cel_call *call, const struct cel_value *a)
{
    size_t start = SIZE_MAX, end = 0, at = 0;
    uint32_t rune;
    (void)call;
    while (at < a[0].text.len) {
        size_t len = utf8_get(a[0].text.data + at, a[0].text.data + a[0].text.len, &rune);
        if (!is_space(rune)) {
            start = start == SIZE_MAX ? at : start;
            end = at + len;
        }
        at += len;
    }
    return cel_string(start == SIZE_MAX ? slice_of("", 0) : part(a[0].text, start, end));
}

/* --- Texts made anew ---------------------------------------------------------------------------
 */

static struct cel_value with_case(struct cel_call *call, struct slice text, uint8_t first,
                                  uint8_t last)
{
    if (!cel_call_takes(call, text.len)) {
        return cel_error_memory();
    }
    uint8_t *out = arena_alloc(call->arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        out[i] = c >= first && c <= last ? c ^ 0x20 : c;
    }
    return cel_string(slice_of(out, text.len));
}

static struct cel_value lower(struct cel_call *call, const struct cel_value *a)
{
    return with_case(call, a[0].text, 'A', 'Z');
}

static struct cel_value upper(struct cel_call *call, const struct cel_value *a)
{
    return with_case(call, a[0].text, 'a', 'z');
}

/* An empty `old` stands before every character and at the end. */
static void replace_into(struct buffer *out, struct slice text, struct slice old,
                         struct slice replacement, int64_t limit)
{
    size_t at = 0;
    for (int64_t done = 0; done != limit && !out->overflowed; done++) {
        size_t found = find_from(text, old, at), step = old.len;
        if (found == SIZE_MAX) {
            break;
        }
        if (old.len == 0 && done > 0) {
            uint32_t rune;
            if (at == text.len) {
                break;
            }
            step = utf8_get(text.data + at, text.data + text.len, &rune);
            buffer_append_slice(out, part(text, at, at + step));
            found = at + step;
            step = 0;
        } else {
            buffer_append_slice(out, part(text, at, found));
        }
        buffer_append_slice(out, replacement);
        at = found + step;
    }
    buffer_append_slice(out, part(text, at, text.len));
}

static struct cel_value replaced(struct cel_call *call, const struct cel_value *a, int64_t limit)
{
    struct buffer out;
    buffer_init(&out, call->memory_left);
    replace_into(&out, a[0].text, a[1].text, a[2].text, limit < 0 ? no_limit : limit);
    struct cel_value value = cel_call_text(call, &out);
    buffer_release(&out);
    return value;
}

static struct cel_value replace(struct cel_call *call, const struct cel_value *a)
{
    return replaced(call, a, no_limit);
}

static struct cel_value replace_some(struct cel_call *call, const struct cel_value *a)
{
    return replaced(call, a, a[3].integer);
}

/* An empty separator stands between all characters. The last part of a limited number is the rest.
 */
static struct cel_value split_into(struct cel_call *call, struct slice text, struct slice separator,
                                   int64_t limit)
{
    struct cel_value list = cel_list_of(call->arena, NULL, 0);
    size_t at = 0;
    if (limit == 0 || (text.len == 0 && separator.len == 0)) {
        return list;
    }
    for (int64_t count = 1;; count++) {
        size_t end = find_from(text, separator, at), next = end + separator.len;
        if (separator.len == 0) {
            uint32_t rune;
            end = next = at + utf8_get(text.data + at, text.data + text.len, &rune);
            end = end == text.len ? SIZE_MAX : end;
        }
        bool last = end == SIZE_MAX || count == limit;
        if (!cel_call_takes(call, 3 * sizeof(list))) {
            return cel_error_memory();
        }
        list =
            cel_list_append(call->arena, list, cel_string(part(text, at, last ? text.len : end)));
        if (last) {
            return list;
        }
        at = next;
    }
}

static struct cel_value split(struct cel_call *call, const struct cel_value *a)
{
    return split_into(call, a[0].text, a[1].text, no_limit);
}

static struct cel_value split_some(struct cel_call *call, const struct cel_value *a)
{
    return split_into(call, a[0].text, a[1].text, a[2].integer < 0 ? no_limit : a[2].integer);
}

static struct cel_value joined(struct cel_call *call, const struct cel_value *list,
                               struct slice separator)
{
    struct buffer out;
    struct cel_value value = cel_null();
    buffer_init(&out, call->memory_left);
    for (size_t i = 0, count = cel_list_size(list); i < count && !out.overflowed; i++) {
        struct cel_value item = cel_list_item(call->arena, list, i);
        if (item.kind != CEL_STRING) {
            value = cel_error_no_overload();
            break;
        }
        buffer_append_slice(&out, i == 0 ? slice_of("", 0) : separator);
        buffer_append_slice(&out, item.text);
    }
    value = cel_is_error(&value) ? value : cel_call_text(call, &out);
    buffer_release(&out);
    return value;
}

static struct cel_value join(struct cel_call *call, const struct cel_value *a)
{
    return joined(call, &a[0], slice_of("", 0));
}

static struct cel_value join_with(struct cel_call *call, const struct cel_value *a)
{
    return joined(call, &a[0], a[1].text);
}

static struct cel_value quote(struct cel_call *call, const struct cel_value *a)
{
    static const char escaped[] = "\a\b\f\n\r\t\v\\\"", letters[] = "abfnrtv\\\"";
    struct buffer out;
    uint32_t rune;
    buffer_init(&out, call->memory_left);
    buffer_append_byte(&out, '"');
    for (const uint8_t *at = a[0].text.data, *end = at + a[0].text.len; at < end;) {
        size_t len = utf8_get(at, end, &rune);
        const char *found = rune == 0 || rune > 0x7f ? NULL : strchr(escaped, (int)rune);
        if (found != NULL) {
            buffer_append_byte(&out, '\\');
            buffer_append_byte(&out, (uint8_t)letters[found - escaped]);
        } else if (rune == UTF8_REPLACEMENT && len == 1) {
            buffer_append_text(&out, "\xef\xbf\xbd");
        } else {
            buffer_append(&out, at, len);
        }
        at += len;
    }
    buffer_append_byte(&out, '"');
    struct cel_value value = cel_call_text(call, &out);
    buffer_release(&out);
    return value;
}

static const struct cel_row rows[] = {
    {"charAt", "string_char_at_int", "string.(int) string", char_at, CEL_COST_ONE},
    {"indexOf", "string_index_of_string", "string.(string) int", index_of, CEL_COST_TRAVERSE},
    {"indexOf", "string_index_of_string_int", "string.(string, int) int", index_of_from,
     CEL_COST_TRAVERSE},
    {"lastIndexOf", "string_last_index_of_string", "string.(string) int", last_index_of,
     CEL_COST_TRAVERSE},
    {"lastIndexOf", "string_last_index_of_string_int", "string.(string, int) int",
     last_index_of_from, CEL_COST_TRAVERSE},
    {"lowerAscii", "string_lower_ascii", "string.() string", lower, CEL_COST_TEXT_RESULT},
    {"upperAscii", "string_upper_ascii", "string.() string", upper, CEL_COST_TEXT_RESULT},
    {"replace", "string_replace_string_string", "string.(string, string) string", replace,
     CEL_COST_REPLACE},
    {"replace", "string_replace_string_string_int", "string.(string, string, int) string",
     replace_some, CEL_COST_REPLACE},
    {"split", "string_split_string", "string.(string) list<string>", split, CEL_COST_SPLIT},
    {"split", "string_split_string_int", "string.(string, int) list<string>", split_some,
     CEL_COST_SPLIT},
    {"substring", "string_substring_int", "string.(int) string", substring_from,
     CEL_COST_TEXT_RESULT},
    {"substring", "string_substring_int_int", "string.(int, int) string", substring,
     CEL_COST_TEXT_RESULT},
    {"trim", "string_trim", "string.() string", trim, CEL_COST_TEXT_RESULT},
    {"join", "list_join", "list<string>.() string", join, CEL_COST_JOIN},
    {"join", "list_join_string", "list<string>.(string) string", join_with, CEL_COST_JOIN},
    {"strings.quote", "strings_quote", "(string) string", quote, CEL_COST_QUOTE},
};

const struct cel_library cel_library_strings = {
    .name = "strings", .rows = rows, .row_count = ARRAY_LEN(rows)};
