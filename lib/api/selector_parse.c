/* The grammar of label selectors (string form), as a hand-written lexer and parser. */
#include "lib/api/limits_semantics.h"
#include "lib/api/selector.h"
#include "lib/api/syntax.h"
#include <errno.h>
#include <stdlib.h>

enum token {
    TOKEN_END,
    TOKEN_IDENTIFIER,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_NOT,
    TOKEN_DOUBLE_EQUALS,
    TOKEN_EQUALS,
    TOKEN_GREATER,
    TOKEN_LESS,
    TOKEN_NOT_EQUALS,
    TOKEN_OPEN,
    TOKEN_IN,
    TOKEN_NOT_IN,
};

struct parser {
    struct arena *arena;
    const char *at;
    const char *end;
    enum token token; /* The token looked at; its text is literal. */
    const char *literal;
    struct error *reterr;
};

struct string_set {
    const char *values[API_SELECTOR_VALUES_MAX];
    size_t count;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_special(char c)
{
    return c != '\0' && strchr("=!(),><", c) != NULL;
}

static enum token special_token(struct parser *parser, size_t *ret_len)
{
    char second = parser->end - parser->at > 1 ? parser->at[1] : '\0';
    *ret_len = 1;
    switch (parser->at[0]) {
    case ')':
        return TOKEN_CLOSE;
    case ',':
        return TOKEN_COMMA;
    case '(':
        return TOKEN_OPEN;
    case '>':
        return TOKEN_GREATER;
    case '<':
        return TOKEN_LESS;
    case '!':
        *ret_len = second == '=' ? 2 : 1;
        return second == '=' ? TOKEN_NOT_EQUALS : TOKEN_NOT;
    default:
        *ret_len = second == '=' ? 2 : 1;
        return second == '=' ? TOKEN_DOUBLE_EQUALS : TOKEN_EQUALS;
    }
}

/* Reads the next token. `in` and `notin` are operators only where `operators` says so. */
static void scan(struct parser *parser, bool operators)
{
    while (parser->at < parser->end && is_space(*parser->at)) {
        parser->at++;
    }
    if (parser->at == parser->end) {
        parser->token = TOKEN_END;
        parser->literal = "";
        return;
    }
    size_t len = 0;
    if (is_special(*parser->at)) {
        parser->token = special_token(parser, &len);
    } else {
        while (parser->at + len < parser->end && !is_special(parser->at[len]) &&
               !is_space(parser->at[len])) {
            len++;
        }
        parser->token = TOKEN_IDENTIFIER;
    }
    parser->literal = arena_text_n(parser->arena, parser->at, len);
    parser->at += len;
    if (operators && strcmp(parser->literal, "in") == 0) {
        parser->token = TOKEN_IN;
    } else if (operators && strcmp(parser->literal, "notin") == 0) {
        parser->token = TOKEN_NOT_IN;
    }
}

static int expected(struct parser *parser, const char *what)
{
    return error_set(parser->reterr, -EINVAL, "found '%s', expected: %s", parser->literal, what);
}

static int set_insert(struct parser *parser, struct string_set *set, const char *value)
{
    size_t place = 0;
    while (place < set->count && strcmp(set->values[place], value) < 0) {
        place++;
    }
    if (place < set->count && strcmp(set->values[place], value) == 0) {
        return 0;
    }
    if (set->count == API_SELECTOR_VALUES_MAX) {
        return error_set(parser->reterr, -EINVAL, "more than %d values in a label selector",
                         API_SELECTOR_VALUES_MAX);
    }
    memmove(&set->values[place + 1], &set->values[place],
            (set->count - place) * sizeof(set->values[0]));
    set->values[place] = value;
    set->count++;
    return 0;
}

/* After `(`: identifiers and commas up to `)`. Adjacent commas stand for the empty value. */
static int parse_set(struct parser *parser, struct string_set *set)
{
    int result = 0;
    bool value_wanted = true;
    for (;;) {
        scan(parser, /* operators= */ false);
        if (parser->token == TOKEN_CLOSE) {
            return value_wanted ? set_insert(parser, set, "") : 0;
        }
        if (parser->token == TOKEN_COMMA) {
            result = value_wanted ? set_insert(parser, set, "") : 0;
            value_wanted = true;
        } else if (parser->token != TOKEN_IDENTIFIER) {
            return expected(parser, "',', ')' or identifier");
        } else if (!value_wanted) {
            return expected(parser, "',' or ')'");
        } else {
            result = set_insert(parser, set, parser->literal);
            value_wanted = false;
        }
        if (result != 0) {
            return result;
        }
    }
}

static int check_values(struct parser *parser, const struct api_requirement *requirement)
{
    bool number = requirement->op == API_SELECTOR_GREATER || requirement->op == API_SELECTOR_LESS;
    for (size_t i = 0; i < requirement->value_count; i++) {
        const char *value = requirement->values[i];
        struct api_syntax syntax = api_syntax_label_value(value);
        if (number) {
            char *end = NULL;
            errno = 0;
            (void)strtoll(value, &end, 10); /* Only whether it is a number matters here. */
            if (errno != 0 || end == value || *end != '\0') {
                return error_set(parser->reterr, -EINVAL,
                                 "values[%zu]: Invalid value: \"%s\": for 'Gt', 'Lt' "
                                 "operators, the value must be an integer",
                                 i, value);
            }
        } else if (syntax.count != 0) {
            return error_set(parser->reterr, -EINVAL, "values[%zu][%s]: Invalid value: \"%s\": %s",
                             i, requirement->key, value, syntax.messages[0]);
        }
    }
    return 0;
}

static int parse_operator(struct parser *parser, struct api_requirement *requirement)
{
    requirement->equality = true;
    switch (parser->token) {
    case TOKEN_IN:
    case TOKEN_NOT_IN:
        requirement->equality = false;
        requirement->op = parser->token == TOKEN_IN ? API_SELECTOR_IN : API_SELECTOR_NOT_IN;
        return 0;
    case TOKEN_EQUALS:
    case TOKEN_DOUBLE_EQUALS:
        requirement->op = API_SELECTOR_IN;
        return 0;
    case TOKEN_NOT_EQUALS:
        requirement->op = API_SELECTOR_NOT_IN;
        return 0;
    case TOKEN_GREATER:
    case TOKEN_LESS:
        requirement->equality = false;
        requirement->op = parser->token == TOKEN_GREATER ? API_SELECTOR_GREATER : API_SELECTOR_LESS;
        return 0;
    case TOKEN_END:
    case TOKEN_IDENTIFIER:
    case TOKEN_CLOSE:
    case TOKEN_COMMA:
    case TOKEN_NOT:
    case TOKEN_OPEN:
        break;
    }
    return expected(parser, "in, notin, =, ==, !=, gt, lt");
}

/* The operator and values after a key. Leaves the token that follows them looked at. */
static int parse_tail(struct parser *parser, struct api_requirement *requirement)
{
    struct string_set set = {.count = 0};
    int result = parse_operator(parser, requirement);
    if (result != 0) {
        return result;
    }
    bool is_set = !requirement->equality &&
                  (requirement->op == API_SELECTOR_IN || requirement->op == API_SELECTOR_NOT_IN);
    scan(parser, /* operators= */ false);
    if (is_set && parser->token != TOKEN_OPEN) {
        return expected(parser, "'('");
    }
    if (is_set) {
        result = parse_set(parser, &set);
        scan(parser, /* operators= */ false);
    } else if (parser->token == TOKEN_IDENTIFIER) {
        result = set_insert(parser, &set, parser->literal);
        scan(parser, /* operators= */ false);
    } else if (parser->token == TOKEN_END || parser->token == TOKEN_COMMA) {
        result = set_insert(parser, &set, "");
    } else {
        return expected(parser, "identifier");
    }
    if (result != 0) {
        return result;
    }
    const char **values = arena_array(parser->arena, set.count, sizeof(*values));
    memcpy(values, set.values, set.count * sizeof(*values));
    requirement->values = values;
    requirement->value_count = set.count;
    return check_values(parser, requirement);
}

/* One requirement; the token looked at is its first, and afterwards the one behind it. */
static int parse_requirement(struct parser *parser, struct api_requirement *requirement)
{
    bool negated = parser->token == TOKEN_NOT;
    if (negated) {
        scan(parser, /* operators= */ false);
    }
    if (parser->token != TOKEN_IDENTIFIER) {
        return expected(parser, "identifier");
    }
    struct api_syntax syntax = api_syntax_qualified_name(parser->literal);
    if (syntax.count != 0) {
        return error_set(parser->reterr, -EINVAL, "key: Invalid value: \"%s\": %s", parser->literal,
                         syntax.messages[0]);
    }
    requirement->key = parser->literal;
    scan(parser, /* operators= */ true);
    if (negated || parser->token == TOKEN_END || parser->token == TOKEN_COMMA) {
        requirement->op = negated ? API_SELECTOR_NOT_EXISTS : API_SELECTOR_EXISTS;
        return 0;
    }
    return parse_tail(parser, requirement);
}

static int by_key(const void *a, const void *b)
{
    const struct api_requirement *left = a, *right = b;
    return strcmp(left->key, right->key);
}

static int parse_all(struct parser *parser, struct api_requirement *requirements, size_t *ret_count)
{
    size_t count = 0;
    scan(parser, /* operators= */ false);
    while (parser->token != TOKEN_END) {
        if (count == API_SELECTOR_REQUIREMENTS_MAX) {
            return error_set(parser->reterr, -EINVAL, "more than %d requirements in a selector",
                             API_SELECTOR_REQUIREMENTS_MAX);
        }
        if (parser->token != TOKEN_IDENTIFIER && parser->token != TOKEN_NOT) {
            return expected(parser, count == 0 ? "!, identifier, or 'end of string'"
                                               : "identifier after ','");
        }
        int result = parse_requirement(parser, &requirements[count++]);
        if (result != 0) {
            (void)error_wrap(parser->reterr, "unable to parse requirement");
            return result;
        }
        if (parser->token == TOKEN_END) {
            break;
        }
        if (parser->token != TOKEN_COMMA) {
            return expected(parser, "',' or 'end of string'");
        }
        scan(parser, /* operators= */ false);
        if (parser->token == TOKEN_END) {
            return expected(parser, "identifier after ','");
        }
    }
    *ret_count = count;
    return 0;
}

int api_label_selector_parse(struct arena *arena, struct slice text,
                             struct api_label_selector *ret_selector, struct error *reterr)
{
    struct parser parser = {.arena = arena, .reterr = reterr, .literal = ""};
    size_t count = 0;
    struct api_requirement requirements[API_SELECTOR_REQUIREMENTS_MAX] = {{.key = NULL}};
    if (text.len > API_SELECTOR_TEXT_MAX ||
        memchr(text.data == NULL ? (const void *)"" : text.data, '\0', text.len) != NULL) {
        return error_set(reterr, -EINVAL, "label selector is too long or has a zero byte");
    }
    parser.at = text.data == NULL ? "" : (const char *)text.data;
    parser.end = parser.at + text.len;
    int result = parse_all(&parser, requirements, &count);
    if (result != 0) {
        return result;
    }
    qsort(requirements, count, sizeof(requirements[0]), by_key);
    struct api_requirement *kept = arena_array(arena, count, sizeof(*kept));
    memcpy(kept, requirements, count * sizeof(*kept));
    *ret_selector = (struct api_label_selector){.requirements = kept, .count = count};
    return 0;
}
