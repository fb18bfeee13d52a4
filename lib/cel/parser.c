/* A recursive descent over CEL's grammar. A function per level of precedence; each returns NULL
 * once a problem was found. Source: cel-spec, "Syntax". */
#include "lib/cel/lexer.h"
#include "lib/cel/node.h"
#include <assert.h>

struct parser {
    struct cel_builder builder;
    struct slice text;
    struct cel_token token; /* The next one. */
    size_t nesting;
    bool two_variables;
};

static struct cel_node *parse_expression(struct parser *parser);

static void advance(struct parser *parser)
{
    parser->token = cel_token_at(parser->text, parser->token.offset + parser->token.text.len,
                                 parser->builder.problems);
}

static struct cel_node *fail(struct parser *parser, const char *expected)
{
    const struct cel_token *token = &parser->token;
    if (!parser->builder.failed && token->kind != CEL_TOKEN_BAD) {
        int len = token->kind == CEL_TOKEN_END ? 5 : (int)token->text.len;
        const char *text = token->kind == CEL_TOKEN_END ? "<EOF>" : (const char *)token->text.data;
        cel_problem_add(parser->builder.problems, token->offset,
                        "Syntax error: mismatched input '%.*s' expecting %s", len, text, expected);
    }
    parser->builder.failed = true;
    return NULL;
}

static struct cel_node *fail_at(struct parser *parser, uint32_t offset, const char *message)
{
    if (!parser->builder.failed) {
        cel_problem_add(parser->builder.problems, offset, "%s", message);
    }
    parser->builder.failed = true;
    return NULL;
}

static bool accept(struct parser *parser, const char *sign)
{
    if (!cel_token_is(&parser->token, sign)) {
        return false;
    }
    advance(parser);
    return true;
}

static bool expect(struct parser *parser, const char *sign, const char *shown)
{
    if (accept(parser, sign)) {
        return true;
    }
    (void)fail(parser, shown);
    return false;
}

static bool is_reserved(struct slice name)
{
    static const char *const words[] = {
        "as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
        "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (slice_is(name, words[i])) {
            return true;
        }
    }
    return false;
}

static bool is_keyword(struct slice name)
{
    return slice_is(name, "in") || slice_is(name, "true") || slice_is(name, "false") ||
           slice_is(name, "null");
}

bool cel_is_reserved(struct slice word)
{
    return is_reserved(word) || is_keyword(word);
}

/* --- Growing arrays in the arena ---------------------------------------------------------------
 */

struct node_list {
    struct cel_node **items;
    bool *optional;
    size_t count, capacity;
};

static bool node_list_add(struct parser *parser, struct node_list *list, struct cel_node *node,
                          bool optional)
{
    if (node == NULL || list->count == CEL_ARGUMENTS_MAX) {
        return false;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 4;
        struct cel_node **items = arena_array(parser->builder.arena, capacity, sizeof(*items));
        bool *flags = arena_array(parser->builder.arena, capacity, sizeof(*flags));
        for (size_t i = 0; i < list->count; i++) {
            items[i] = list->items[i];
            flags[i] = list->optional[i];
        }
        *list = (struct node_list){items, flags, list->count, capacity};
    }
    list->items[list->count] = node;
    list->optional[list->count++] = optional;
    return true;
}

/* Expressions up to `close`, which is taken; a comma may follow the last where `trailing`. */
static bool parse_items(struct parser *parser, const char *close, bool trailing,
                        struct node_list *list)
{
    while (!accept(parser, close)) {
        bool optional = trailing && accept(parser, "?");
        if (!node_list_add(parser, list, parse_expression(parser), optional)) {
            return false;
        }
        if (accept(parser, ",")) {
            if (!trailing && cel_token_is(&parser->token, close)) {
                (void)fail(parser, "an expression");
                return false;
            }
        } else if (!cel_token_is(&parser->token, close)) {
            (void)fail(parser, close[0] == ')' ? "')'" : "']'");
            return false;
        }
    }
    return true;
}

/* --- Primaries ---------------------------------------------------------------------------------
 */

static struct cel_node *finish_call(struct parser *parser, struct cel_node *call)
{
    if (call == NULL) {
        return NULL;
    }
    struct cel_node *expanded = cel_macro_expand(&parser->builder, call, parser->two_variables);
    if (expanded == NULL) {
        return parser->builder.failed ? NULL : call;
    }
    expanded->source = call;
    return expanded;
}

static struct cel_node *parse_arguments(struct parser *parser, struct cel_node *receiver,
                                        struct slice function, uint32_t offset)
{
    struct node_list arguments = {.count = 0};
    if (receiver != NULL) {
        (void)node_list_add(parser, &arguments, receiver, /* optional= */ false);
    }
    if (!parse_items(parser, ")", /* trailing= */ false, &arguments)) {
        return NULL;
    }
    return finish_call(parser, cel_node_call(&parser->builder, offset, function, receiver != NULL,
                                             arguments.items, arguments.count));
}

static struct cel_node *parse_literal(struct parser *parser, bool negative)
{
    struct cel_value value;
    uint32_t offset = parser->token.offset;
    if (!cel_literal(parser->builder.arena, &parser->token, negative, parser->builder.problems,
                     &value)) {
        parser->builder.failed = true;
        return NULL;
    }
    advance(parser);
    return cel_node_literal(&parser->builder, offset, value);
}

static struct cel_node *parse_word(struct parser *parser, bool rooted)
{
    struct slice name = parser->token.text;
    uint32_t offset = parser->token.offset;
    if (slice_is(name, "in")) {
        return fail(parser, "an expression");
    }
    advance(parser);
    if (slice_is(name, "true") || slice_is(name, "false")) {
        return cel_node_literal(&parser->builder, offset, cel_bool(slice_is(name, "true")));
    }
    if (slice_is(name, "null")) {
        return cel_node_literal(&parser->builder, offset, cel_null());
    }
    if (is_reserved(name)) {
        const char *message = arena_printf(parser->builder.arena, "reserved identifier: %.*s",
                                           (int)name.len, (const char *)name.data);
        return fail_at(parser, offset, message);
    }
    (void)rooted; /* There is no container: `.x` is `x`. */
    if (cel_token_is(&parser->token, "(")) {
        offset = parser->token.offset;
        advance(parser);
        return parse_arguments(parser, NULL, name, offset);
    }
    return cel_node_ident(&parser->builder, offset, name);
}

static struct cel_node *parse_list(struct parser *parser, uint32_t offset)
{
    struct node_list items = {.count = 0};
    if (!parse_items(parser, "]", /* trailing= */ true, &items)) {
        return NULL;
    }
    return cel_node_list(&parser->builder, offset,
                         (struct cel_list_node){items.items, items.optional, items.count});
}

/* `key: value` up to the closing brace; the keys of a struct are field names. */
static bool parse_entries(struct parser *parser, bool is_struct, struct cel_map_node *map)
{
    size_t capacity = 0;
    while (!accept(parser, "}")) {
        struct cel_entry_node entry = {.optional = accept(parser, "?")};
        if (is_struct && parser->token.kind == CEL_TOKEN_IDENT) {
            entry.field = parser->token.text;
            advance(parser);
        } else if (is_struct) {
            return fail(parser, "IDENTIFIER") != NULL;
        } else if ((entry.key = parse_expression(parser)) == NULL) {
            return false;
        }
        if (!expect(parser, ":", "':'") || (entry.value = parse_expression(parser)) == NULL) {
            return false;
        }
        if (map->count == capacity) {
            struct cel_entry_node *old = map->entries;
            capacity = capacity * 2 + 4;
            map->entries = arena_array(parser->builder.arena, capacity, sizeof(*old));
            for (size_t i = 0; i < map->count; i++) {
                map->entries[i] = old[i];
            }
        }
        map->entries[map->count++] = entry;
        if (!accept(parser, ",") && !cel_token_is(&parser->token, "}")) {
            return fail(parser, "'}'") != NULL;
        }
    }
    return true;
}

static struct cel_node *parse_map(struct parser *parser, enum cel_node_kind kind, struct slice name,
                                  uint32_t offset)
{
    struct cel_map_node map = {.name = name};
    if (!parse_entries(parser, kind == CEL_NODE_STRUCT, &map)) {
        return NULL;
    }
    return cel_node_map(&parser->builder, offset, kind, map);
}

static struct cel_node *parse_primary(struct parser *parser)
{
    uint32_t offset = parser->token.offset;
    switch (parser->token.kind) {
    case CEL_TOKEN_IDENT:
        return parse_word(parser, /* rooted= */ false);
    case CEL_TOKEN_INT:
    case CEL_TOKEN_UINT:
    case CEL_TOKEN_DOUBLE:
    case CEL_TOKEN_STRING:
    case CEL_TOKEN_BYTES:
        return parse_literal(parser, /* negative= */ false);
    case CEL_TOKEN_SIGN:
        if (accept(parser, "(")) {
            struct cel_node *inside = parse_expression(parser);
            return inside != NULL && expect(parser, ")", "')'") ? inside : NULL;
        }
        if (accept(parser, "[")) {
            return parse_list(parser, offset);
        }
        if (accept(parser, "{")) {
            return parse_map(parser, CEL_NODE_MAP, slice_of(NULL, 0), offset);
        }
        if (accept(parser, ".") && parser->token.kind == CEL_TOKEN_IDENT) {
            return parse_word(parser, /* rooted= */ true);
        }
        break;
    case CEL_TOKEN_END:
    case CEL_TOKEN_BAD:
        break;
    }
    return fail(parser, "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, "
                        "NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}");
}

/* --- Members -----------------------------------------------------------------------------------
 */

/* The dotted name that a chain of selections spells; empty when it is none. */
static struct slice dotted_name(struct parser *parser, const struct cel_node *node)
{
    if (node->source != NULL) {
        return slice_of(NULL, 0);
    }
    if (node->kind == CEL_NODE_IDENT) {
        return node->ident.name;
    }
    if (node->kind != CEL_NODE_SELECT || node->select.is_test || node->depth > CEL_DOTTED_MAX) {
        return slice_of(NULL, 0);
    }
    struct slice before = dotted_name(parser, node->select.operand);
    if (before.len == 0) {
        return before;
    }
    return slice_text(arena_printf(parser->builder.arena, "%.*s.%.*s", (int)before.len,
                                   (const char *)before.data, (int)node->select.field.len,
                                   (const char *)node->select.field.data));
}

static struct cel_node *parse_selection(struct parser *parser, struct cel_node *node,
                                        uint32_t offset)
{
    bool optional = accept(parser, "?");
    struct slice field = parser->token.text;
    if (parser->token.kind != CEL_TOKEN_IDENT || is_keyword(field)) {
        return fail(parser, "IDENTIFIER");
    }
    uint32_t name_offset = parser->token.offset;
    advance(parser);
    if (optional) {
        struct cel_node *name = cel_node_literal(&parser->builder, name_offset, cel_string(field));
        return cel_node_operator(&parser->builder, offset, "_?._", node, name);
    }
    if (cel_token_is(&parser->token, "(")) {
        offset = parser->token.offset;
        advance(parser);
        return parse_arguments(parser, node, field, offset);
    }
    return cel_node_select(&parser->builder, offset, node, field, /* is_test= */ false);
}

static struct cel_node *parse_index(struct parser *parser, struct cel_node *node, uint32_t offset)
{
    bool optional = accept(parser, "?");
    struct cel_node *index = parse_expression(parser);
    if (index == NULL || !expect(parser, "]", "']'")) {
        return NULL;
    }
    return cel_node_operator(&parser->builder, offset, optional ? "_[?_]" : "_[_]", node, index);
}

static struct cel_node *parse_member(struct parser *parser, struct cel_node *node)
{
    while (node != NULL) {
        uint32_t offset = parser->token.offset;
        if (accept(parser, ".")) {
            node = parse_selection(parser, node, offset);
        } else if (accept(parser, "[")) {
            node = parse_index(parser, node, offset);
        } else if (cel_token_is(&parser->token, "{") && dotted_name(parser, node).len > 0) {
            advance(parser);
            node = parse_map(parser, CEL_NODE_STRUCT, dotted_name(parser, node), offset);
        } else {
            return node;
        }
    }
    return NULL;
}

static bool is_number(const struct cel_token *token)
{
    return token->kind == CEL_TOKEN_INT || token->kind == CEL_TOKEN_UINT ||
           token->kind == CEL_TOKEN_DOUBLE;
}

/* Signs in front of a member. A minus right before a number belongs to the number; of the rest, two
 * cancel each other out. */
static struct cel_node *parse_unary(struct parser *parser)
{
    uint32_t offset = parser->token.offset;
    const char *sign = cel_token_is(&parser->token, "!")   ? "!"
                       : cel_token_is(&parser->token, "-") ? "-"
                                                           : NULL;
    size_t count = 0;
    bool negative = false;
    while (sign != NULL && accept(parser, sign)) {
        count++;
    }
    if (sign != NULL && sign[0] == '-' && is_number(&parser->token)) {
        negative = true;
        count--;
    }
    struct cel_node *node =
        parse_member(parser, negative ? parse_literal(parser, true) : parse_primary(parser));
    if (node == NULL || count % 2 == 0) {
        return node;
    }
    return cel_node_operator(&parser->builder, offset, sign[0] == '!' ? "!_" : "-_", node, NULL);
}

/* --- Binary operators --------------------------------------------------------------------------
 */

struct binary {
    const char *sign, *name;
};

/* The operator at the token among `table`, or NULL; takes it. */
static const struct binary *accept_binary(struct parser *parser, const struct binary *table)
{
    for (; table->sign != NULL; table++) {
        if (accept(parser, table->sign)) {
            return table;
        }
    }
    return NULL;
}

static struct cel_node *parse_binary(struct parser *parser, size_t level)
{
    static const struct binary levels[][8] = {
        {{"<", "_<_"},
         {"<=", "_<=_"},
         {">=", "_>=_"},
         {">", "_>_"},
         {"==", "_==_"},
         {"!=", "_!=_"},
         {"in", "@in"}},
        {{"+", "_+_"}, {"-", "_-_"}},
        {{"*", "_*_"}, {"/", "_/_"}, {"%", "_%_"}},
    };
    if (level == ARRAY_LEN(levels)) {
        return parse_unary(parser);
    }
    struct cel_node *left = parse_binary(parser, level + 1);
    while (left != NULL) {
        uint32_t offset = parser->token.offset;
        const struct binary *found = accept_binary(parser, levels[level]);
        if (found == NULL) {
            return left;
        }
        struct cel_node *right = parse_binary(parser, level + 1);
        left = right == NULL
                   ? NULL
                   : cel_node_operator(&parser->builder, offset, found->name, left, right);
    }
    return NULL;
}

/* A long chain of && or || becomes a balanced tree, so that depth grows with its logarithm only. */
static struct cel_node *balance(struct parser *parser, const char *name, struct cel_node **terms,
                                const uint32_t *offsets, size_t first, size_t last)
{
    if (first == last) {
        return terms[first];
    }
    size_t middle = (first + last + 1) / 2;
    return cel_node_operator(&parser->builder, offsets[middle], name,
                             balance(parser, name, terms, offsets, first, middle - 1),
                             balance(parser, name, terms, offsets, middle, last));
}

static struct cel_node *parse_logic(struct parser *parser, bool is_or)
{
    struct node_list terms = {.count = 0};
    uint32_t *offsets = NULL;
    size_t capacity = 0;
    uint32_t offset = parser->token.offset;
    for (;;) {
        struct cel_node *term = is_or ? parse_logic(parser, false) : parse_binary(parser, 0);
        if (!node_list_add(parser, &terms, term, false)) {
            return NULL;
        }
        if (terms.count > capacity) {
            uint32_t *grown = arena_array(parser->builder.arena, terms.capacity, sizeof(*grown));
            if (capacity > 0) {
                memcpy(grown, offsets, capacity * sizeof(*grown));
            }
            offsets = grown;
            capacity = terms.capacity;
        }
        assert(offsets != NULL);
        offsets[terms.count - 1] = offset;
        offset = parser->token.offset;
        if (!accept(parser, is_or ? "||" : "&&")) {
            return balance(parser, is_or ? "_||_" : "_&&_", terms.items, offsets, 0,
                           terms.count - 1);
        }
    }
}

static struct cel_node *parse_conditional(struct parser *parser)
{
    struct cel_node *arguments[3] = {parse_logic(parser, /* is_or= */ true)};
    uint32_t offset = parser->token.offset;
    if (arguments[0] == NULL || !accept(parser, "?")) {
        return arguments[0];
    }
    arguments[1] = parse_logic(parser, /* is_or= */ true);
    if (arguments[1] == NULL || !expect(parser, ":", "':'")) {
        return NULL;
    }
    arguments[2] = parse_expression(parser);
    return arguments[2] == NULL ? NULL
                                : cel_node_call(&parser->builder, offset, slice_text("_?_:_"),
                                                /* is_member= */ false, arguments, 3);
}

static struct cel_node *parse_expression(struct parser *parser)
{
    if (parser->nesting == CEL_NESTING_MAX) {
        const char *message = arena_printf(
            parser->builder.arena, "expression recursion limit exceeded: %d", (int)CEL_NESTING_MAX);
        return fail_at(parser, parser->token.offset, message);
    }
    parser->nesting++;
    struct cel_node *node = parse_conditional(parser);
    parser->nesting--;
    return node;
}

struct cel_node *cel_parse(struct arena *arena, struct slice text, bool two_variables,
                           struct cel_problems *problems)
{
    struct parser parser = {.builder = {.arena = arena, .problems = problems},
                            .text = text,
                            .two_variables = two_variables};
    parser.token = cel_token_at(text, 0, problems);
    struct cel_node *root = parse_expression(&parser);
    if (root != NULL && parser.token.kind != CEL_TOKEN_END) {
        root = fail(&parser, "<EOF>");
    }
    return parser.builder.failed || problems->count > 0 ? NULL : root;
}
