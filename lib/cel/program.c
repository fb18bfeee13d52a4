#include "lib/cel/ast.h"
#include "lib/cel/cost.h"

#include "lib/base/utf8.h"
#include <errno.h>

/* UTF-8 without NUL, of bounded length. */
static int check_text(struct slice text, struct error *reterr)
{
    uint32_t rune;
    size_t count = 0;
    for (const uint8_t *at = text.data, *end = at + text.len; at < end; count++) {
        size_t len = utf8_get(at, end, &rune);
        if (rune == 0 || (rune == UTF8_REPLACEMENT && len == 1)) {
            return error_set(reterr, -EINVAL, "expression is not valid UTF-8 text");
        }
        at += len;
    }
    if (count > CEL_TEXT_MAX) {
        return error_set(reterr, -E2BIG,
                         "expression code point size exceeds limit: size: %zu, limit %d", count,
                         (int)CEL_TEXT_MAX);
    }
    return 0;
}

static int refused(struct cel_problems *problems, struct error *reterr)
{
    return error_set(reterr, -EINVAL, "%s", cel_problems_text(problems));
}

int cel_compile(struct arena *arena, const struct cel_env *env, struct slice text,
                const struct cel_program **ret_program, struct error *reterr)
{
    int code = check_text(text, reterr);
    if (code < 0) {
        return code;
    }
    /* Not in the arena, which the program keeps. */
    struct cel_problems problems = {.arena = arena, .text = arena_slice(arena, text)};
    struct cel_node *root = cel_parse(arena, problems.text, env->is_stored, &problems);
    if (root == NULL) {
        return refused(&problems, reterr);
    }
    size_t slot_count = cel_check(arena, env, root, &problems);
    if (problems.count == 0) {
        cel_check_literals(arena, root, &problems);
    }
    if (problems.count > 0) {
        return refused(&problems, reterr);
    }
    struct cel_program *program = arena_alloc(arena, sizeof(*program));
    *program = (struct cel_program){.env = env, .root = root, .slot_count = slot_count};
    *ret_program = program;
    return 0;
}

const struct cel_type *cel_program_type(const struct cel_program *program)
{
    return program->root->type;
}

void cel_program_print(const struct cel_program *program, struct buffer *out)
{
    cel_print(program->root, out);
}

struct cel_range cel_program_cost(const struct cel_program *program)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    return cel_estimate(arena, program->root, program->slot_count);
}

/* --- Looking for a node ------------------------------------------------------------------------
 */

struct search {
    const struct cel_env *env;
    const char *variable, *field;
    bool (*found)(const struct search *search, const struct cel_node *node);
};

static bool in_tree(const struct search *search, const struct cel_node *node);

static bool in_any(const struct search *search, struct cel_node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (in_tree(search, nodes[i])) {
            return true;
        }
    }
    return false;
}

static bool below(const struct search *search, const struct cel_node *node)
{
    switch (node->kind) {
    case CEL_NODE_SELECT:
        return in_tree(search, node->select.operand);
    case CEL_NODE_CALL:
        return in_any(search, node->call.arguments, node->call.count);
    case CEL_NODE_LIST:
        return in_any(search, node->list.items, node->list.count);
    case CEL_NODE_MAP:
        for (size_t i = 0; i < node->map.count; i++) {
            struct cel_node *pair[] = {node->map.entries[i].key, node->map.entries[i].value};
            if (in_any(search, pair, 2)) {
                return true;
            }
        }
        return false;
    case CEL_NODE_FOLD: {
        struct cel_node *parts[] = {node->fold.range, node->fold.initial, node->fold.condition,
                                    node->fold.step, node->fold.result};
        return in_any(search, parts, ARRAY_LEN(parts));
    }
    case CEL_NODE_IDENT:
    case CEL_NODE_LITERAL:
    case CEL_NODE_STRUCT:
        break;
    }
    return false;
}

static bool in_tree(const struct search *search, const struct cel_node *node)
{
    return search->found(search, node) || below(search, node);
}

static bool is_variable(const struct search *search, const struct cel_node *node)
{
    return node->kind == CEL_NODE_IDENT && node->ident.binding == CEL_BINDING_VARIABLE &&
           strcmp(search->env->variables[node->ident.index].name, search->variable) == 0;
}

bool cel_program_uses(const struct cel_program *program, const char *variable)
{
    const struct search search = {program->env, variable, NULL, is_variable};
    return in_tree(&search, program->root);
}

/* variable.field, has(variable.field) or variable.?field */
static bool is_selection(const struct search *search, const struct cel_node *node)
{
    if (node->kind == CEL_NODE_SELECT) {
        return slice_is(node->select.field, search->field) &&
               is_variable(search, node->select.operand);
    }
    if (node->kind != CEL_NODE_CALL || !slice_is(node->call.function, "_?._") ||
        node->call.count != 2) {
        return false;
    }
    const struct cel_node *name = node->call.arguments[1];
    return name->kind == CEL_NODE_LITERAL && name->literal.kind == CEL_STRING &&
           slice_is(name->literal.text, search->field) &&
           is_variable(search, node->call.arguments[0]);
}

bool cel_program_selects(const struct cel_program *program, const char *variable, const char *field)
{
    const struct search search = {program->env, variable, field, is_selection};
    return in_tree(&search, program->root);
}
