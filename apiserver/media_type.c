#include "apiserver/media_type.h"

#include <string.h>
#include <strings.h>

enum { PARAMETERS_MAX = 32 };

struct parameter {
    struct slice key, value;
};

static struct slice skip_spaces(struct slice text)
{
    while (text.len > 0 && strchr(" \t\r\n\v\f", text.data[0]) != NULL && text.data[0] != 0) {
        text = slice_of(text.data + 1, text.len - 1);
    }
    return text;
}

static bool is_special(uint8_t c)
{
    return c != 0 && strchr("()<>@,;:\\\"/[]?=", c) != NULL;
}

/* What there is of a token at the beginning of *text, which it is taken off. */
static struct slice take_token(struct slice *text)
{
    size_t len = 0;
    while (len < text->len && text->data[len] > 0x20 && text->data[len] < 0x7f &&
           !is_special(text->data[len])) {
        len++;
    }
    struct slice token = slice_of(text->data, len);
    *text = slice_of(text->data + len, text->len - len);
    return token;
}

/* With its quotes; false when its end is missing. */
static bool take_quoted(struct slice *text, struct slice *ret_value)
{
    for (size_t i = 1; i < text->len; i++) {
        uint8_t c = text->data[i];
        if (c == '"') {
            *ret_value = slice_of(text->data, i + 1);
            *text = slice_of(text->data + i + 1, text->len - i - 1);
            return true;
        }
        if (c == '\r' || c == '\n') {
            return false;
        }
        if (c == '\\' && i + 1 < text->len && is_special(text->data[i + 1])) {
            i++;
        }
    }
    return false;
}

static bool take_value(struct slice *text, struct slice *ret_value)
{
    if (text->len > 0 && text->data[0] == '"') {
        return take_quoted(text, ret_value);
    }
    *ret_value = take_token(text);
    return ret_value->len > 0;
}

/* "; key=value" */
static bool take_parameter(struct slice *text, struct parameter *ret_parameter)
{
    if (text->data[0] != ';') {
        return false;
    }
    *text = skip_spaces(slice_of(text->data + 1, text->len - 1));
    ret_parameter->key = take_token(text);
    *text = skip_spaces(*text);
    if (ret_parameter->key.len == 0 || text->len == 0 || text->data[0] != '=') {
        return false;
    }
    *text = skip_spaces(slice_of(text->data + 1, text->len - 1));
    return take_value(text, &ret_parameter->value);
}

static bool same_key(const struct parameter *a, const struct parameter *b)
{
    return a->key.len == b->key.len &&
           strncasecmp((const char *)a->key.data, (const char *)b->key.data, a->key.len) == 0;
}

static bool contradicts(const struct parameter *parameters, size_t count,
                        const struct parameter *next)
{
    for (size_t i = 0; i < count; i++) {
        if (same_key(&parameters[i], next) && !slice_equal(parameters[i].value, next->value)) {
            return true;
        }
    }
    return false;
}

static bool take_type(struct slice *text, struct slice *ret_type)
{
    *text = skip_spaces(*text);
    const uint8_t *start = text->data;
    struct slice main = take_token(text);
    if (main.len == 0) {
        return false;
    }
    if (text->len > 0 && text->data[0] == '/') {
        *text = slice_of(text->data + 1, text->len - 1);
        if (take_token(text).len == 0) {
            return false;
        }
    }
    *ret_type = slice_of(start, (size_t)(text->data - start));
    *text = skip_spaces(*text);
    return text->len == 0 || text->data[0] == ';';
}

bool media_type_parse(struct slice text, struct slice *ret_type)
{
    struct parameter parameters[PARAMETERS_MAX];
    size_t count = 0;
    if (!take_type(&text, ret_type)) {
        return false;
    }
    while (text.len > 0) {
        struct slice rest = skip_spaces(slice_of(text.data + 1, text.len - 1));
        if (text.data[0] == ';' && rest.len == 0) {
            return true; /* An end that says nothing more. */
        }
        if (count == PARAMETERS_MAX || !take_parameter(&text, &parameters[count]) ||
            contradicts(parameters, count, &parameters[count])) {
            return false;
        }
        count++;
        text = skip_spaces(text);
    }
    return true;
}
