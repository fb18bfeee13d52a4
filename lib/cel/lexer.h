/* Tokens of an expression; internal to lib/cel. */
#ifndef LIB_CEL_LEXER_H
#define LIB_CEL_LEXER_H
#include "lib/cel/ast.h"

enum cel_token_kind {
    CEL_TOKEN_END,
    CEL_TOKEN_BAD, /* A character that starts no token; a problem was added. */
    CEL_TOKEN_IDENT,
    CEL_TOKEN_INT,
    CEL_TOKEN_UINT,
    CEL_TOKEN_DOUBLE,
    CEL_TOKEN_STRING,
    CEL_TOKEN_BYTES,
    CEL_TOKEN_SIGN, /* Operator or bracket: its text says which. */
};

struct cel_token {
    enum cel_token_kind kind;
    struct slice text; /* As written. */
    uint32_t offset;
};

/* The token at or after byte `at` of the text. */
struct cel_token cel_token_at(struct slice text, size_t at, struct cel_problems *problems);
static inline bool cel_token_is(const struct cel_token *token, const char *text)
{
    return (token->kind == CEL_TOKEN_SIGN || token->kind == CEL_TOKEN_IDENT) &&
           slice_is(token->text, text);
}

/* The value of a CEL_TOKEN_INT ... CEL_TOKEN_BYTES; `negative` for a number after a minus. Adds a
 * problem and returns false when it is out of range or has a bad escape. */
bool cel_literal(struct arena *arena, const struct cel_token *token, bool negative,
                 struct cel_problems *problems, struct cel_value *ret_value);
#endif
