/* From a pattern to a tree. */
#include "lib/base/utf8.h"
#include "lib/cel/limits.h"
#include "lib/cel/regex_class.h"
#include <errno.h>

enum { CLASS_RANGES_MAX = 4096 };

struct regex_flags {
    bool fold, multi_line, dot_all, ungreedy;
};

struct regex_parser {
    struct arena *arena;
    struct slice text;
    size_t at, depth;
    struct regex_flags flags;
    struct error *reterr;
    int code; /* Of the first error. */
};

static const struct cel_regex_node *parse_either(struct regex_parser *parser);

static const struct cel_regex_node *fail(struct regex_parser *parser, const char *what,
                                         size_t start)
{
    if (parser->code == 0) {
        parser->code =
            error_set(parser->reterr, -EINVAL, "error parsing regexp: %s: `%.*s`", what,
                      (int)(parser->at - start), (const char *)parser->text.data + start);
    }
    return NULL;
}

static bool at_end(const struct regex_parser *parser)
{
    return parser->at >= parser->text.len;
}

static uint8_t peek(const struct regex_parser *parser, size_t ahead)
{
    return parser->at + ahead < parser->text.len ? parser->text.data[parser->at + ahead] : 0;
}

static bool accept(struct regex_parser *parser, const char *text)
{
    size_t len = strlen(text);
    if (parser->text.len - parser->at < len ||
        memcmp(parser->text.data + parser->at, text, len) != 0) {
        return false;
    }
    parser->at += len;
    return true;
}

static uint32_t take_rune(struct regex_parser *parser)
{
    uint32_t rune;
    parser->at +=
        utf8_get(parser->text.data + parser->at, parser->text.data + parser->text.len, &rune);
    return rune;
}

static struct cel_regex_node *node_new(struct regex_parser *parser, enum cel_regex_kind kind)
{
    struct cel_regex_node *node = arena_zeroed(parser->arena, sizeof(*node));
    node->kind = kind;
    return node;
}

static const struct cel_regex_node *pair(struct regex_parser *parser, enum cel_regex_kind kind,
                                         const struct cel_regex_node *left,
                                         const struct cel_regex_node *right)
{
    struct cel_regex_node *node = node_new(parser, kind);
    node->left = left;
    node->right = right;
    return left == NULL || right == NULL ? NULL : node;
}

static const struct cel_regex_node *place(struct regex_parser *parser, enum cel_regex_place where)
{
    struct cel_regex_node *node = node_new(parser, CEL_REGEX_PLACE);
    node->place = where;
    return node;
}

/* --- Single characters -------------------------------------------------------------------------
 */

/* \d \S and the like after the backslash, which is taken. */
static bool accept_perl_class(struct regex_parser *parser, struct regex_class *class)
{
    if (!regex_class_add_perl(class, peek(parser, 0))) {
        return false;
    }
    parser->at++;
    return true;
}

/* An empty one. */
static struct regex_class class_of(const struct regex_parser *parser)
{
    return (struct regex_class){.arena = parser->arena, .fold = parser->flags.fold};
}

static const struct cel_regex_node *class_node(struct regex_parser *parser,
                                               const struct regex_class *class)
{
    struct cel_regex_node *node = node_new(parser, CEL_REGEX_CLASS);
    node->ranges = class->ranges;
    node->range_count = class->count;
    return node;
}

static const struct cel_regex_node *rune_node(struct regex_parser *parser, uint32_t rune)
{
    struct regex_class class = class_of(parser);
    regex_class_add_folded(&class, rune, rune);
    return class_node(parser, &class);
}

/* --- Escapes -----------------------------------------------------------------------------------
 */

static int hex_value(uint8_t c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* \xFF or \x{10FFFF}; the x is taken. */
static bool take_hex(struct regex_parser *parser, uint32_t *ret_rune)
{
    uint32_t rune = 0;
    size_t digits = 0;
    bool braces = accept(parser, "{");
    while (hex_value(peek(parser, 0)) >= 0 && (braces || digits < 2) && rune <= REGEX_RUNE_MAX) {
        rune = rune * 16 + (uint32_t)hex_value(peek(parser, 0));
        parser->at++;
        digits++;
    }
    *ret_rune = rune;
    return rune <= REGEX_RUNE_MAX && (braces ? digits > 0 && accept(parser, "}") : digits == 2);
}

/* A character after the backslash, which is taken. */
static bool take_escaped(struct regex_parser *parser, uint32_t *ret_rune)
{
    static const char letters[] = "afnrtv", meanings[] = "\a\f\n\r\t\v";
    uint8_t c = peek(parser, 0);
    const char *found = c == 0 ? NULL : strchr(letters, c);
    if (found != NULL) {
        parser->at++;
        *ret_rune = (uint8_t)meanings[found - letters];
        return true;
    }
    if (c == 'x') {
        parser->at++;
        return take_hex(parser, ret_rune);
    }
    if (c == '0' || (c >= '1' && c <= '7' && peek(parser, 1) >= '0' && peek(parser, 1) <= '7')) {
        *ret_rune = 0;
        for (size_t i = 0; i < 3 && peek(parser, 0) >= '0' && peek(parser, 0) <= '7'; i++) {
            *ret_rune = *ret_rune * 8 + peek(parser, 0) - '0';
            parser->at++;
        }
        return true;
    }
    if (c >= 0x80 || c <= ' ' || hex_value(c) >= 0 || (c >= 'g' && c <= 'z') ||
        (c >= 'G' && c <= 'Z')) {
        return false;
    }
    parser->at++;
    *ret_rune = c;
    return true;
}

static const struct cel_regex_node *parse_quoted(struct regex_parser *parser)
{
    const struct cel_regex_node *node = node_new(parser, CEL_REGEX_EMPTY);
    while (!at_end(parser) && !accept(parser, "\\E")) {
        node = pair(parser, CEL_REGEX_THEN, node, rune_node(parser, take_rune(parser)));
    }
    return node;
}

static const struct cel_regex_node *parse_escape(struct regex_parser *parser, size_t start)
{
    static const struct {
        const char *letter;
        enum cel_regex_place place;
    } places[] = {{"A", CEL_REGEX_TEXT_START},
                  {"z", CEL_REGEX_TEXT_END},
                  {"b", CEL_REGEX_WORD_EDGE},
                  {"B", CEL_REGEX_NO_WORD_EDGE}};
    struct regex_class class = class_of(parser);
    uint32_t rune;
    if (at_end(parser)) {
        return fail(parser, "trailing backslash at end of expression", parser->at);
    }
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (accept(parser, places[i].letter)) {
            return place(parser, places[i].place);
        }
    }
    if (accept(parser, "Q")) {
        return parse_quoted(parser);
    }
    if (accept_perl_class(parser, &class)) {
        return class_node(parser, &class);
    }
    if (take_escaped(parser, &rune)) {
        return rune_node(parser, rune);
    }
    parser->at += at_end(parser) ? 0 : 1;
    return fail(parser, "invalid escape sequence", start);
}

/* --- [classes] ---------------------------------------------------------------------------------
 */

/* [:alpha:] at the parser. */
static bool accept_posix_class(struct regex_parser *parser, struct regex_class *class)
{
    size_t start = parser->at;
    if (!accept(parser, "[:")) {
        return false;
    }
    bool negated = accept(parser, "^");
    size_t name = parser->at;
    while (!at_end(parser) && peek(parser, 0) != ':') {
        parser->at++;
    }
    struct slice named = slice_of(parser->text.data + name, parser->at - name);
    if (accept(parser, ":]") && regex_class_add_posix(class, named, negated)) {
        return true;
    }
    parser->at = start;
    return false;
}

static bool take_class_rune(struct regex_parser *parser, uint32_t *ret_rune)
{
    if (at_end(parser)) {
        return false;
    }
    if (accept(parser, "\\")) {
        return take_escaped(parser, ret_rune);
    }
    *ret_rune = take_rune(parser);
    return true;
}

static bool parse_class_item(struct regex_parser *parser, struct regex_class *class, size_t start)
{
    uint32_t first, last;
    size_t item = parser->at;
    if (accept_posix_class(parser, class)) {
        return true;
    }
    if (peek(parser, 0) == '\\') {
        parser->at++;
        if (accept_perl_class(parser, class)) {
            return true;
        }
        parser->at--;
    }
    if (!take_class_rune(parser, &first)) {
        (void)fail(parser, at_end(parser) ? "missing closing ]" : "invalid escape sequence",
                   at_end(parser) ? start : item);
        return false;
    }
    last = first;
    if (peek(parser, 0) == '-' && peek(parser, 1) != ']' && parser->at + 1 < parser->text.len) {
        parser->at++;
        if (!take_class_rune(parser, &last) || last < first) {
            (void)fail(parser, "invalid character class range", item);
            return false;
        }
    }
    regex_class_add_folded(class, first, last);
    return true;
}

static const struct cel_regex_node *parse_class(struct regex_parser *parser, size_t start)
{
    struct regex_class class = class_of(parser);
    bool negated = accept(parser, "^");
    for (bool first = true; first || peek(parser, 0) != ']'; first = false) {
        if (at_end(parser)) {
            return fail(parser, "missing closing ]", start);
        }
        if (!parse_class_item(parser, &class, start) || class.count > CLASS_RANGES_MAX) {
            return fail(parser, "expression too large", start);
        }
    }
    parser->at++;
    if (negated) {
        regex_class_negate(&class);
    }
    return class_node(parser, &class);
}

static const struct cel_regex_node *any_node(struct regex_parser *parser)
{
    struct regex_class class = class_of(parser);
    if (!parser->flags.dot_all) {
        regex_class_add(&class, '\n', '\n');
    }
    regex_class_negate(&class);
    return class_node(parser, &class);
}

/* --- Groups ------------------------------------------------------------------------------------
 */

static bool parse_flags(struct regex_parser *parser)
{
    bool value = true;
    for (; !at_end(parser); parser->at++) {
        switch (peek(parser, 0)) {
        case 'i':
            parser->flags.fold = value;
            break;
        case 'm':
            parser->flags.multi_line = value;
            break;
        case 's':
            parser->flags.dot_all = value;
            break;
        case 'U':
            parser->flags.ungreedy = value;
            break;
        case '-':
            value = false;
            break;
        default:
            return true;
        }
    }
    return false;
}

static bool take_group_name(struct regex_parser *parser)
{
    size_t len = 0;
    while (!at_end(parser) && peek(parser, 0) != '>') {
        uint8_t c = peek(parser, 0);
        bool word = c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!word) {
            return false;
        }
        parser->at++;
        len++;
    }
    return len > 0 && accept(parser, ">");
}

static const struct cel_regex_node *parse_group(struct regex_parser *parser, size_t start)
{
    struct regex_flags outside = parser->flags;
    if (accept(parser, "?P<") || accept(parser, "?<")) {
        if (!take_group_name(parser)) {
            return fail(parser, "invalid named capture", start);
        }
    } else if (accept(parser, "?")) {
        if (!parse_flags(parser) || (peek(parser, 0) != ':' && peek(parser, 0) != ')')) {
            parser->at += at_end(parser) ? 0 : 1;
            return fail(parser, "invalid or unsupported Perl syntax", start);
        }
        if (accept(parser, ")")) {
            return node_new(parser, CEL_REGEX_EMPTY); /* Flags of the rest of the group. */
        }
        parser->at++;
    }
    const struct cel_regex_node *inside = parse_either(parser);
    if (inside == NULL) {
        return NULL;
    }
    if (!accept(parser, ")")) {
        parser->at = parser->text.len;
        return fail(parser, "missing closing )", 0);
    }
    parser->flags = outside;
    return inside;
}

static const struct cel_regex_node *parse_atom(struct regex_parser *parser)
{
    size_t start = parser->at;
    uint8_t c = peek(parser, 0);
    if (c == '*' || c == '+' || c == '?') {
        parser->at++;
        return fail(parser, "missing argument to repetition operator", start);
    }
    if (accept(parser, "(")) {
        return parse_group(parser, start);
    }
    if (accept(parser, "[")) {
        return parse_class(parser, start);
    }
    if (accept(parser, "\\")) {
        return parse_escape(parser, start);
    }
    if (accept(parser, ".")) {
        return any_node(parser);
    }
    if (accept(parser, "^")) {
        return place(parser,
                     parser->flags.multi_line ? CEL_REGEX_LINE_START : CEL_REGEX_TEXT_START);
    }
    if (accept(parser, "$")) {
        return place(parser, parser->flags.multi_line ? CEL_REGEX_LINE_END : CEL_REGEX_TEXT_END);
    }
    return rune_node(parser, take_rune(parser));
}

/* --- Repetition, sequence, choice --------------------------------------------------------------
 */

static bool take_count(struct regex_parser *parser, int *ret_count)
{
    size_t digits = 0;
    *ret_count = 0;
    for (; peek(parser, 0) >= '0' && peek(parser, 0) <= '9'; parser->at++, digits++) {
        if (*ret_count <= CEL_REGEX_REPEAT_MAX) {
            *ret_count = *ret_count * 10 + peek(parser, 0) - '0';
        }
    }
    return digits > 0;
}

/* {n}, {n,}, {n,m}. What has another form is no operator but text. */
static bool accept_braces(struct regex_parser *parser, int *ret_min, int *ret_max)
{
    size_t start = parser->at;
    if (accept(parser, "{") && take_count(parser, ret_min)) {
        *ret_max = *ret_min;
        if (accept(parser, "}")) {
            return true;
        }
        if (accept(parser, ",")) {
            if (accept(parser, "}")) {
                *ret_max = CEL_REGEX_NO_MAX;
                return true;
            }
            if (take_count(parser, ret_max) && accept(parser, "}")) {
                return true;
            }
        }
    }
    parser->at = start;
    return false;
}

static bool accept_operator(struct regex_parser *parser, int *ret_min, int *ret_max)
{
    *ret_min = peek(parser, 0) == '+' ? 1 : 0;
    *ret_max = peek(parser, 0) == '?' ? 1 : CEL_REGEX_NO_MAX;
    return accept(parser, "*") || accept(parser, "+") || accept(parser, "?") ||
           accept_braces(parser, ret_min, ret_max);
}

static const struct cel_regex_node *parse_repeat(struct regex_parser *parser)
{
    const struct cel_regex_node *node = parse_atom(parser);
    int min, max;
    size_t start = parser->at, count = 0;
    if (node == NULL) {
        return NULL;
    }
    while (accept_operator(parser, &min, &max)) {
        struct cel_regex_node *repeat = node_new(parser, CEL_REGEX_REPEAT);
        bool lazy = accept(parser, "?");
        if (count++ > 0) {
            return fail(parser, "invalid nested repetition operator", start);
        }
        if (min > CEL_REGEX_REPEAT_MAX || max > CEL_REGEX_REPEAT_MAX ||
            (max != CEL_REGEX_NO_MAX && max < min)) {
            return fail(parser, "invalid repeat count", start);
        }
        repeat->left = node;
        repeat->min = min;
        repeat->max = max;
        repeat->lazy = lazy != parser->flags.ungreedy;
        node = repeat;
    }
    return node;
}

static const struct cel_regex_node *parse_then(struct regex_parser *parser)
{
    const struct cel_regex_node *node = node_new(parser, CEL_REGEX_EMPTY);
    while (node != NULL && !at_end(parser) && peek(parser, 0) != '|' && peek(parser, 0) != ')') {
        node = pair(parser, CEL_REGEX_THEN, node, parse_repeat(parser));
    }
    return node;
}

static const struct cel_regex_node *parse_either(struct regex_parser *parser)
{
    if (parser->depth == CEL_REGEX_DEPTH_MAX) {
        return fail(parser, "expression nests too deeply", 0);
    }
    parser->depth++;
    const struct cel_regex_node *node = parse_then(parser);
    while (node != NULL && accept(parser, "|")) {
        node = pair(parser, CEL_REGEX_EITHER, node, parse_then(parser));
    }
    parser->depth--;
    return node;
}

int cel_regex_parse(struct arena *arena, struct slice pattern,
                    const struct cel_regex_node **ret_root, struct error *reterr)
{
    struct regex_parser parser = {.arena = arena, .text = pattern, .reterr = reterr};
    const struct cel_regex_node *root = parse_either(&parser);
    if (root != NULL && !at_end(&parser)) {
        parser.at = pattern.len;
        root = fail(&parser, "unexpected )", 0);
    }
    if (root == NULL) {
        return parser.code;
    }
    *ret_root = root;
    return 0;
}
