#include "lib/cel/lexer.h"

#include "lib/base/utf8.h"

struct reader {
    struct slice text;
    size_t at;
};

static uint8_t peek(const struct reader *reader, size_t ahead)
{
    return reader->at + ahead < reader->text.len ? reader->text.data[reader->at + ahead] : 0;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_word(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void skip_blanks(struct reader *reader)
{
    for (;;) {
        uint8_t c = peek(reader, 0);
        if (c == '/' && peek(reader, 1) == '/') {
            while (reader->at < reader->text.len && peek(reader, 0) != '\n') {
                reader->at++;
            }
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f') {
            reader->at++;
        } else {
            return;
        }
    }
}

static void skip_digits(struct reader *reader)
{
    while (is_digit(peek(reader, 0))) {
        reader->at++;
    }
}

/* Digits, fraction, exponent, suffix. A point counts only with a digit after it: 1.size() is none.
 */
static enum cel_token_kind read_number(struct reader *reader)
{
    bool is_double = false;
    if (peek(reader, 0) == '0' && peek(reader, 1) == 'x' && is_hex(peek(reader, 2))) {
        for (reader->at += 2; is_hex(peek(reader, 0));) {
            reader->at++;
        }
    } else {
        skip_digits(reader);
        if (peek(reader, 0) == '.' && is_digit(peek(reader, 1))) {
            is_double = true;
            reader->at++;
            skip_digits(reader);
        }
        size_t sign = peek(reader, 1) == '+' || peek(reader, 1) == '-';
        if ((peek(reader, 0) == 'e' || peek(reader, 0) == 'E') &&
            is_digit(peek(reader, 1 + sign))) {
            is_double = true;
            reader->at += 1 + sign;
            skip_digits(reader);
        }
    }
    if (!is_double && (peek(reader, 0) == 'u' || peek(reader, 0) == 'U')) {
        reader->at++;
        return CEL_TOKEN_UINT;
    }
    return is_double ? CEL_TOKEN_DOUBLE : CEL_TOKEN_INT;
}

/* How long a prefix of a string (b, r, br, rb in any case) is; SIZE_MAX when no quote follows. */
static size_t quote_after(const struct reader *reader)
{
    bool raw = false, bytes = false;
    size_t ahead = 0;
    for (;; ahead++) {
        uint8_t c = peek(reader, ahead);
        if (c == '"' || c == '\'') {
            return ahead;
        }
        if ((c == 'r' || c == 'R') && !raw) {
            raw = true;
        } else if ((c == 'b' || c == 'B') && !bytes) {
            bytes = true;
        } else {
            return SIZE_MAX;
        }
    }
}

/* Moves past the string at the reader. False when it does not end. */
static bool skip_string(struct reader *reader, size_t prefix)
{
    uint8_t quote = peek(reader, prefix);
    bool raw = memchr(reader->text.data + reader->at, 'r', prefix) != NULL ||
               memchr(reader->text.data + reader->at, 'R', prefix) != NULL;
    bool triple = peek(reader, prefix + 1) == quote && peek(reader, prefix + 2) == quote;
    reader->at += prefix + (triple ? 3 : 1);
    while (reader->at < reader->text.len) {
        uint8_t c = peek(reader, 0);
        if (c == '\\' && !raw) {
            reader->at += 2;
        } else if (c == quote && !triple) {
            reader->at++;
            return true;
        } else if (c == quote && peek(reader, 1) == quote && peek(reader, 2) == quote) {
            reader->at += 3;
            return true;
        } else if ((c == '\n' || c == '\r') && !triple) {
            return false;
        } else {
            reader->at++;
        }
    }
    return false;
}

static size_t sign_length(const struct reader *reader)
{
    static const char single[] = "()[]{}.,-!?:+*/%<>";
    static const char *const pairs[] = {"==", "!=", "<=", ">=", "&&", "||"};
    struct slice two =
        slice_of(reader->text.data + reader->at, reader->text.len - reader->at < 2 ? 1 : 2);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        if (slice_is(two, pairs[i])) {
            return 2;
        }
    }
    return memchr(single, peek(reader, 0), sizeof(single) - 1) != NULL ? 1 : 0;
}

static enum cel_token_kind bad_token(struct reader *reader, size_t start,
                                     struct cel_problems *problems)
{
    uint32_t rune;
    const uint8_t *at = reader->text.data + start, *end = reader->text.data + reader->text.len;
    size_t len = utf8_get(at, end, &rune);
    cel_problem_add(problems, (uint32_t)start, "Syntax error: token recognition error at: '%.*s'",
                    (int)len, (const char *)at);
    reader->at = start + len;
    return CEL_TOKEN_BAD;
}

static enum cel_token_kind read_token(struct reader *reader, struct cel_problems *problems)
{
    size_t start = reader->at;
    uint8_t c = peek(reader, 0);
    size_t prefix = quote_after(reader);
    if (reader->at == reader->text.len) {
        return CEL_TOKEN_END;
    }
    if (prefix != SIZE_MAX) {
        bool is_bytes = memchr(reader->text.data + start, 'b', prefix) != NULL ||
                        memchr(reader->text.data + start, 'B', prefix) != NULL;
        if (!skip_string(reader, prefix) || reader->at > reader->text.len) {
            return bad_token(reader, start, problems);
        }
        return is_bytes ? CEL_TOKEN_BYTES : CEL_TOKEN_STRING;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(reader, 1)))) {
        return read_number(reader);
    }
    if (is_word(c)) {
        while (is_word(peek(reader, 0))) {
            reader->at++;
        }
        return CEL_TOKEN_IDENT;
    }
    size_t len = c == 0 ? 0 : sign_length(reader);
    if (len == 0) {
        return bad_token(reader, start, problems);
    }
    reader->at += len;
    return CEL_TOKEN_SIGN;
}

struct cel_token cel_token_at(struct slice text, size_t at, struct cel_problems *problems)
{
    struct reader reader = {text, at};
    struct cel_token token;
    skip_blanks(&reader);
    token.offset = (uint32_t)reader.at;
    token.kind = read_token(&reader, problems);
    token.text = slice_of(text.data + token.offset, reader.at - token.offset);
    return token;
}
