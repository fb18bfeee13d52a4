/* A pattern up to the first newline, a text after it. A match lies in the text. */
#include "lib/cel/regex.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const uint8_t *line = size == 0 ? NULL : memchr(data, '\n', size);
    const struct cel_regex *regex;
    struct cel_regex_match match;
    if (line == NULL || size > 2048) {
        return 0;
    }
    size_t len = (size_t)(line - data);
    struct slice text = slice_of(line + 1, size - len - 1);
    if (cel_regex_compile(arena, slice_of(data, len), &regex, NULL) == 0 &&
        cel_regex_find(regex, text, 0, &match)) {
        assert(match.start <= match.end);
        assert(match.end <= text.len);
    }
    return 0;
}
