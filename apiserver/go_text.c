#include "apiserver/go_text.h"

#include "lib/api/status.h"
#include "lib/base/buffer.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool go_text_bool(const char *text, bool *ret_value)
{
    static const char *const words[][6] = {{"0", "f", "F", "FALSE", "false", "False"},
                                           {"1", "t", "T", "TRUE", "true", "True"}};
    for (size_t i = 0; text != NULL && i < ARRAY_LEN(words) * ARRAY_LEN(words[0]); i++) {
        size_t value = i / ARRAY_LEN(words[0]);
        if (strcmp(text, words[value][i % ARRAY_LEN(words[0])]) == 0) {
            *ret_value = value == 1;
            return true;
        }
    }
    return false;
}

static bool is_digits(const char *text)
{
    return text[0] != 0 && text[strspn(text, "0123456789")] == 0;
}

static const char *refused(struct arena *arena, const char *function, const char *text,
                           const char *why)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2); /* Bounded by the text. */
    buffer_printf(&out, "strconv.%s: parsing ", function);
    api_print_quoted(text, &out);
    buffer_printf(&out, ": %s", why);
    return arena_text(arena, buffer_text(&out));
}

static const char invalid[] = "invalid syntax", out_of_range[] = "value out of range";

const char *go_text_int(struct arena *arena, const char *text, int64_t *ret_value)
{
    static const char function[] = "ParseInt";
    if (!is_digits(text[0] == '-' || text[0] == '+' ? text + 1 : text)) {
        return refused(arena, function, text, invalid);
    }
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno != 0) {
        return refused(arena, function, text, out_of_range);
    }
    *ret_value = value;
    return NULL;
}

const char *go_text_uint(struct arena *arena, const char *text, uint64_t *ret_value)
{
    static const char function[] = "ParseUint";
    if (!is_digits(text)) {
        return refused(arena, function, text, invalid);
    }
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno != 0) {
        return refused(arena, function, text, out_of_range);
    }
    *ret_value = value;
    return NULL;
}

const char *go_text_package(struct arena *arena, const char *group)
{
    if (group[0] == 0 || strcmp(group, "events.k8s.io") == 0) {
        return "core";
    }
    return arena_text_n(arena, group, strcspn(group, "."));
}
