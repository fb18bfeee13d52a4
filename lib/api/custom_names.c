/* Names of properties in expressions. "__" and the bytes . - / have escapes, and so have words that
 * CEL reserves. */
#include "lib/api/custom_types.h"
#include "lib/base/buffer.h"
#include "lib/cel/cel.h"

static const struct escape {
    const char *text, *escaped;
} escapes[] = {{"__", "__underscores__"}, {".", "__dot__"}, {"-", "__dash__"}, {"/", "__slash__"}};

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static const struct escape *escape_for(struct slice rest)
{
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
        if (slice_starts_with(rest, slice_text(escapes[i].text))) {
            return &escapes[i];
        }
    }
    return NULL;
}

bool custom_escape(struct arena *arena, struct slice name, struct slice *ret_escaped)
{
    if (name.len == 0 || (name.data[0] >= '0' && name.data[0] <= '9')) {
        return false;
    }
    if (cel_is_reserved(name)) {
        *ret_escaped =
            slice_text(arena_printf(arena, "__%.*s__", (int)name.len, (const char *)name.data));
        return true;
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2);
    for (size_t at = 0; at < name.len;) {
        const struct escape *escape = escape_for(slice_of(name.data + at, name.len - at));
        if (escape != NULL) {
            buffer_append_text(&out, escape->escaped);
            at += strlen(escape->text);
        } else if (is_name_byte(name.data[at])) {
            buffer_append_byte(&out, name.data[at++]);
        } else {
            return false;
        }
    }
    *ret_escaped = arena_slice(arena, buffer_slice(&out));
    return true;
}

/* The length of "__word__" at the beginning of `rest`, or 0. */
static size_t escape_at(struct slice rest)
{
    size_t end = 2;
    if (!slice_starts_with(rest, slice_text("__"))) {
        return 0;
    }
    while (end < rest.len && rest.data[end] != '_') {
        end++;
    }
    bool closed = end > 2 && end + 1 < rest.len && rest.data[end + 1] == '_';
    return closed ? end + 2 : 0;
}

static bool append_unescaped(struct buffer *out, struct slice escape, bool is_whole)
{
    struct slice word = slice_of(escape.data + 2, escape.len - 4);
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
        if (slice_is(escape, escapes[i].escaped)) {
            buffer_append_text(out, escapes[i].text);
            return true;
        }
    }
    buffer_append(out, word.data, word.len);
    return is_whole && cel_is_reserved(word);
}

bool custom_unescape(struct arena *arena, struct slice escaped, struct slice *ret_name)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2);
    if (memmem(escaped.data, escaped.len, "__", 2) == NULL) {
        *ret_name = escaped;
        return true;
    }
    for (size_t at = 0; at < escaped.len;) {
        struct slice rest = slice_of(escaped.data + at, escaped.len - at);
        size_t len = escape_at(rest);
        if (len == 0) {
            buffer_append_byte(&out, escaped.data[at++]);
            continue;
        }
        if (!append_unescaped(&out, slice_of(rest.data, len), len == escaped.len)) {
            return false;
        }
        at += len;
    }
    *ret_name = arena_slice(arena, buffer_slice(&out));
    return true;
}
