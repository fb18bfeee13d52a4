#include "lib/api/yaml_scalar.h"

#include "lib/api/json_print.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { NUMBER_TEXT_MAX = 64 };

static bool is_one_of(struct slice text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (slice_is(text, *words)) {
            return true;
        }
    }
    return false;
}

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const trues[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                    "True", "TRUE", "on",  "On",  "ON",  NULL};
static const char *const falses[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                     "False", "FALSE", "off", "Off", "OFF", NULL};

/* Digits of `base` after a sign and prefix, underscores dropped. */
static bool read_integer(const char *text, struct arena *arena, struct json_value **ret_value)
{
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    int base = 10;
    char *end;
    long long value;

    if (digits[0] == '0' && digits[1] != '\0') {
        char letter = digits[1];
        base = letter == 'x' || letter == 'X' ? 16 : letter == 'b' || letter == 'B' ? 2 : 8;
        digits += base == 8 ? (letter == 'o' || letter == 'O' ? 2 : 1) : 2;
    }
    if (digits[0] == '\0' || digits[0] == '-' || digits[0] == '+' || digits[0] == ' ') {
        return false;
    }
    errno = 0;
    value = strtoll(digits, &end, base);
    if (*end != '\0') {
        return false;
    }
    if (errno == ERANGE) {
        unsigned long long large;
        errno = 0;
        large = strtoull(digits, &end, base);
        if (errno == ERANGE || text[0] == '-') {
            return false;
        }
        *ret_value = json_new_int(arena, 0);
        (*ret_value)->text = slice_text(arena_printf(arena, "%llu", large));
        return true;
    }
    *ret_value = json_new_int(arena, text[0] == '-' ? -value : value);
    return true;
}

/* [-+]?[0-9]*\.?[0-9]+([eE][-+][0-9]+)? and its like with a final point. */
static bool looks_like_float(const char *text)
{
    size_t digits = 0;
    const char *at = text + (text[0] == '-' || text[0] == '+');
    for (; *at >= '0' && *at <= '9'; at++) {
        digits++;
    }
    if (*at == '.') {
        for (at++; *at >= '0' && *at <= '9'; at++) {
            digits++;
        }
    }
    if (digits > 0 && (*at == 'e' || *at == 'E')) {
        at++;
        at += *at == '-' || *at == '+';
        if (*at < '0' || *at > '9') {
            return false;
        }
        while (*at >= '0' && *at <= '9') {
            at++;
        }
    }
    return digits > 0 && *at == '\0';
}

static bool read_float(const char *text, struct arena *arena, struct json_value **ret_value)
{
    CLEANUP(buffer_release) struct buffer shown = {0};
    double value;

    if (!looks_like_float(text)) {
        return false;
    }
    value = strtod(text, NULL);
    if (!isfinite(value)) {
        return false;
    }
    buffer_init(&shown, NUMBER_TEXT_MAX);
    json_print_double(value, &shown);
    *ret_value = json_new_int(arena, 0);
    (*ret_value)->text = slice_text(arena_text(arena, buffer_text(&shown)));
    return true;
}

struct json_value *yaml_resolve(struct arena *arena, struct slice text)
{
    struct json_value *value = NULL;
    char plain[NUMBER_TEXT_MAX];
    size_t len = 0;
    uint8_t first = text.len > 0 ? text.data[0] : '\0';

    if (is_one_of(text, nulls)) {
        return json_new_null(arena);
    }
    if (is_one_of(text, trues) || is_one_of(text, falses)) {
        return json_new_bool(arena, is_one_of(text, trues));
    }
    if ((first >= '0' && first <= '9') || first == '-' || first == '+' || first == '.') {
        for (size_t i = 0; i < text.len && len < sizeof(plain) - 1; i++) {
            if (text.data[i] != '_') {
                plain[len++] = (char)text.data[i];
            }
        }
        plain[len] = '\0';
        if (text.len < sizeof(plain) && strlen(plain) == len &&
            (read_integer(plain, arena, &value) || read_float(plain, arena, &value))) {
            return value;
        }
    }
    return json_new_string(arena, text);
}
