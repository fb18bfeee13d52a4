#include "apiserver/warnings.h"

#include "lib/base/slice.h"
#include "lib/base/utf8.h"
#include <stdbool.h>
#include <string.h>

enum { ALL_CHARACTERS_MAX = 4096, CUT_CHARACTERS = 256 };

/* The number of characters, or 0 when the text cannot be a header. */
static size_t characters(const char *text)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
    size_t count = 0;
    while (at < end) {
        uint32_t rune = 0;
        size_t len = utf8_get(at, end, &rune);
        bool control = rune < 0x20 || (rune >= 0x7f && rune < 0xa0);
        if (control || (rune == UTF8_REPLACEMENT && len == 1)) {
            return 0;
        }
        at += len;
        count++;
    }
    return count;
}

static const char *quoted(struct arena *arena, const char *text, size_t characters_max)
{
    static const char head[] = "299 - \"";
    const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
    char *out = arena_alloc(arena, strlen(text) * 2 + sizeof(head) + 1);
    size_t size = sizeof(head) - 1;
    memcpy(out, head, size);
    for (size_t i = 0; i < characters_max && at < end; i++) {
        uint32_t rune = 0;
        size_t len = utf8_get(at, end, &rune);
        if (rune == '"' || rune == '\\') {
            out[size++] = '\\';
        }
        memcpy(out + size, at, len);
        size += len;
        at += len;
    }
    out[size++] = '"';
    out[size] = '\0';
    return out;
}

static size_t cut_length(size_t length)
{
    return length < CUT_CHARACTERS ? length : CUT_CHARACTERS;
}

/* How many of the texts have come when their characters became too many; `count` when never. */
static size_t first_too_much(const char *const *texts, size_t count)
{
    size_t all = 0, come = 0;
    while (come < count && all + characters(texts[come]) <= ALL_CHARACTERS_MAX) {
        all += characters(texts[come++]);
    }
    return come;
}

size_t warning_values(struct arena *arena, const char *const *texts, size_t count,
                      const char **ret_values)
{
    size_t all = 0, made = 0;
    size_t whole = first_too_much(texts, count);
    for (size_t i = 0; i < count && (i <= whole || all < ALL_CHARACTERS_MAX); i++) {
        size_t length = characters(texts[i]);
        if (length == 0) {
            continue;
        }
        length = whole < count ? cut_length(length) : length;
        ret_values[made++] = quoted(arena, texts[i], length);
        all += length;
    }
    return made;
}

size_t warning_texts(struct arena *arena, const char *problem, const char **ret_texts, size_t max)
{
    static const char of_yaml[] = "yaml: unmarshal errors:\n";
    struct slice rest = slice_text(problem);
    if (!slice_starts_with(rest, slice_text(of_yaml))) {
        ret_texts[0] = problem;
        return 1;
    }
    rest = slice_of(rest.data + strlen(of_yaml), rest.len - strlen(of_yaml));
    size_t count = 0;
    while (rest.len > 0 && count < max) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.data);
        struct slice line = slice_trimmed(slice_of(rest.data, len));
        ret_texts[count++] = arena_text_n(arena, (const char *)line.data, line.len);
        len += end == NULL ? 0 : 1;
        rest = slice_of(rest.data + len, rest.len - len);
    }
    return count;
}
