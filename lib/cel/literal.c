/* Values of literals: numbers in range, strings and bytes with their escapes. */
#include "lib/base/utf8.h"
#include "lib/cel/lexer.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Digits of base 10 or 16 ("0x"). False on overflow. */
static bool parse_digits(struct slice text, uint64_t *ret_value)
{
    bool is_hex = text.len > 2 && text.data[1] == 'x';
    uint64_t value = 0, base = is_hex ? 16 : 10;
    for (size_t i = is_hex ? 2 : 0; i < text.len; i++) {
        uint8_t c = text.data[i] | 0x20;
        uint64_t digit = c <= '9' ? text.data[i] - (uint64_t)'0' : c - (uint64_t)'a' + 10;
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

static bool int_literal(struct slice text, bool negative, struct cel_value *ret_value)
{
    uint64_t value;
    if (!parse_digits(text, &value) || value > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *ret_value = cel_int(negative ? (int64_t)(0 - value) : (int64_t)value);
    return true;
}

static bool uint_literal(struct slice text, bool negative, struct cel_value *ret_value)
{
    uint64_t value;
    if (negative || !parse_digits(slice_of(text.data, text.len - 1), &value)) {
        return false;
    }
    *ret_value = cel_uint(value);
    return true;
}

static bool double_literal(struct arena *arena, struct slice text, bool negative,
                           struct cel_value *ret_value)
{
    double value = strtod(arena_text_n(arena, (const char *)text.data, text.len), NULL);
    *ret_value = cel_double(negative ? -value : value);
    return isfinite(value);
}

/* --- Strings -----------------------------------------------------------------------------------
 */

struct unescape {
    struct slice text; /* Between the quotes. */
    size_t at;
    bool is_bytes;
    uint8_t *out;
    size_t len;
};

static int digit_of(uint8_t c, unsigned base)
{
    int value = c >= '0' && c <= '9'                     ? c - '0'
                : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                         : -1;
    return value < (int)base ? value : -1;
}

static bool take_code(struct unescape *state, size_t digits, unsigned base, uint32_t *ret_code)
{
    uint32_t code = 0;
    if (state->text.len - state->at < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        int digit = digit_of(state->text.data[state->at++], base);
        if (digit < 0) {
            return false;
        }
        code = code * base + (uint32_t)digit;
    }
    *ret_code = code;
    return true;
}

static bool put_code(struct unescape *state, uint32_t code, bool is_byte)
{
    if (is_byte && state->is_bytes) {
        state->out[state->len++] = (uint8_t)code;
        return code <= 0xff;
    }
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return false;
    }
    state->len += utf8_put(state->out + state->len, code);
    return true;
}

static bool take_escape(struct unescape *state)
{
    static const char plain[] = "abfnrtv\\'\"`?";
    static const char meaning[] = "\a\b\f\n\r\t\v\\'\"`?";
    uint32_t code;
    if (state->at == state->text.len) {
        return false;
    }
    uint8_t c = state->text.data[state->at++];
    const char *found = c == 0 ? NULL : strchr(plain, c);
    if (found != NULL) {
        state->out[state->len++] = (uint8_t)meaning[found - plain];
        return true;
    }
    if (c == 'x' || c == 'X') {
        return take_code(state, 2, 16, &code) && put_code(state, code, /* is_byte= */ true);
    }
    if (c >= '0' && c <= '3') {
        state->at--;
        return take_code(state, 3, 8, &code) && put_code(state, code, /* is_byte= */ true);
    }
    if ((c == 'u' || c == 'U') && !state->is_bytes) {
        return take_code(state, c == 'u' ? 4 : 8, 16, &code) &&
               put_code(state, code, /* is_byte= */ false);
    }
    return false;
}

/* Line ends are \n whatever the text has, as in Go's and CEL's sources. */
static bool take_plain(struct unescape *state)
{
    uint8_t c = state->text.data[state->at++];
    if (c == '\r') {
        bool pair = state->at < state->text.len && state->text.data[state->at] == '\n';
        state->at += pair;
        c = '\n';
    }
    state->out[state->len++] = c;
    return true;
}

static bool text_literal(struct arena *arena, const struct cel_token *token,
                         struct cel_value *ret_value)
{
    size_t prefix = 0, quotes;
    bool raw = false;
    for (; token->text.data[prefix] != '"' && token->text.data[prefix] != '\''; prefix++) {
        raw = raw || (token->text.data[prefix] | 0x20) == 'r';
    }
    const uint8_t *start = token->text.data + prefix;
    size_t len = token->text.len - prefix;
    quotes = len >= 6 && start[1] == start[0] && start[2] == start[0] ? 3 : 1;
    struct unescape state = {.text = slice_of(start + quotes, len - 2 * quotes),
                             .is_bytes = token->kind == CEL_TOKEN_BYTES};
    state.out = arena_alloc(arena, state.text.len + 1);
    while (state.at < state.text.len) {
        bool escaped = !raw && state.text.data[state.at] == '\\';
        state.at += escaped;
        if (!(escaped ? take_escape(&state) : take_plain(&state))) {
            return false;
        }
    }
    struct slice text = slice_of(state.out, state.len);
    *ret_value = state.is_bytes ? cel_bytes(text) : cel_string(text);
    return true;
}

bool cel_literal(struct arena *arena, const struct cel_token *token, bool negative,
                 struct cel_problems *problems, struct cel_value *ret_value)
{
    if (token->kind == CEL_TOKEN_STRING || token->kind == CEL_TOKEN_BYTES) {
        if (!text_literal(arena, token, ret_value)) {
            cel_problem_add(problems, token->offset, "unable to unescape string");
            return false;
        }
        return true;
    }
    if (token->kind == CEL_TOKEN_DOUBLE &&
        !double_literal(arena, token->text, negative, ret_value)) {
        cel_problem_add(problems, token->offset, "invalid double literal");
        return false;
    }
    if (token->kind == CEL_TOKEN_UINT && !uint_literal(token->text, negative, ret_value)) {
        cel_problem_add(problems, token->offset, "invalid uint literal");
        return false;
    }
    if (token->kind == CEL_TOKEN_INT && !int_literal(token->text, negative, ret_value)) {
        cel_problem_add(problems, token->offset, "invalid int literal");
        return false;
    }
    return true;
}
