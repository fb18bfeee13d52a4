/* Constant arguments that can never work: times, durations and patterns are looked at when the
 * expression is compiled. Patterns are kept compiled. */
#include "lib/cel/ast.h"

#include "lib/base/time_text.h"
#include "lib/cel/regex.h"

static const struct cel_node *constant_text(const struct cel_call_node *call, size_t index)
{
    const struct cel_node *argument = index < call->count ? call->arguments[index] : NULL;
    return argument != NULL && argument->kind == CEL_NODE_LITERAL &&
                   argument->literal.kind == CEL_STRING
               ? argument
               : NULL;
}

static void check_pattern(struct arena *arena, struct cel_call_node *call,
                          struct cel_problems *problems)
{
    const struct cel_node *pattern = constant_text(call, 1);
    CLEANUP(error_release) struct error error = {0};
    if (pattern != NULL &&
        cel_regex_compile(arena, pattern->literal.text, &call->regex, &error) < 0) {
        cel_problem_add(problems, pattern->offset, "invalid %.*s argument", (int)call->function.len,
                        (const char *)call->function.data);
    }
}

static void check_call(struct arena *arena, struct cel_call_node *call,
                       struct cel_problems *problems)
{
    const struct cel_node *first = constant_text(call, 0);
    int64_t number;
    int32_t nanos;
    if (first != NULL && slice_is(call->function, "duration") &&
        duration_parse(first->literal.text, &number) < 0) {
        cel_problem_add(problems, first->offset, "invalid duration argument");
    }
    if (first != NULL && slice_is(call->function, "timestamp") &&
        time_parse(first->literal.text, &number, &nanos) < 0) {
        cel_problem_add(problems, first->offset, "invalid timestamp argument");
    }
    if (slice_is(call->function, "matches") || slice_is(call->function, "find") ||
        slice_is(call->function, "findAll")) {
        check_pattern(arena, call, problems);
    }
}

void cel_check_literals(struct arena *arena, struct cel_node *node, struct cel_problems *problems)
{
    switch (node->kind) {
    case CEL_NODE_SELECT:
        cel_check_literals(arena, node->select.operand, problems);
        break;
    case CEL_NODE_CALL:
        check_call(arena, &node->call, problems);
        for (size_t i = 0; i < node->call.count; i++) {
            cel_check_literals(arena, node->call.arguments[i], problems);
        }
        break;
    case CEL_NODE_LIST:
        for (size_t i = 0; i < node->list.count; i++) {
            cel_check_literals(arena, node->list.items[i], problems);
        }
        break;
    case CEL_NODE_MAP:
        for (size_t i = 0; i < node->map.count; i++) {
            cel_check_literals(arena, node->map.entries[i].key, problems);
            cel_check_literals(arena, node->map.entries[i].value, problems);
        }
        break;
    case CEL_NODE_FOLD:
        cel_check_literals(arena, node->fold.range, problems);
        cel_check_literals(arena, node->fold.initial, problems);
        cel_check_literals(arena, node->fold.step, problems);
        cel_check_literals(arena, node->fold.result, problems);
        break;
    case CEL_NODE_LITERAL:
    case CEL_NODE_IDENT:
    case CEL_NODE_STRUCT:
        break;
    }
}
