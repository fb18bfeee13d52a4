/* Any bytes as an expression: compiled, its cost foretold, printed, evaluated under a budget. What
 * compiles prints as an expression that compiles and prints the same. */
#include "lib/base/alloc.h"
#include "lib/cel/authorizer.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COST_LIMIT = 10000 };

static struct cel_value evaluated(struct arena *arena, const struct cel_env *env, const char *text)
{
    const struct cel_program *program;
    int code = cel_compile(arena, env, slice_text(text), &program, NULL);
    assert(code == 0);
    return cel_evaluate(program, arena, NULL, UINT64_MAX).value;
}

static char *printed(const struct cel_program *program)
{
    struct buffer text;
    size_t len;
    buffer_init(&text, 1 << 24);
    buffer_append_text(&text, "");
    cel_program_print(program, &text);
    return (char *)buffer_take(&text, &len);
}

static void check_printing(struct arena *arena, const struct cel_env *env,
                           const struct cel_program *program)
{
    const struct cel_program *again;
    CLEANUP(alloc_freep) char *first = printed(program);
    /* Parentheses that balanced trees need may nest deeper than what was written. */
    if (cel_compile(arena, env, slice_text(first), &again, NULL) == 0) {
        CLEANUP(alloc_freep) char *second = printed(again);
        assert(strcmp(first, second) == 0);
    }
}

static bool has(const uint8_t *data, size_t size, const char *word)
{
    return size > 0 && memmem(data, size, word, strlen(word)) != NULL;
}

/* Where nothing is dynamic, and null stands for nothing else, what the checker lets pass finds its
 * overloads. */
static void check_types(struct arena *arena, const struct cel_env *functions, const uint8_t *data,
                        size_t size)
{
    const struct cel_variable variables[] = {
        {"s", &cel_type_string},
        {"i", &cel_type_int},
        {"l", cel_type_list(arena, &cel_type_int)},
        {"m", cel_type_map(arena, &cel_type_string, &cel_type_double)}};
    struct cel_value values[] = {cel_string(slice_text("text")), cel_int(3),
                                 evaluated(arena, functions, "[1, 2]"),
                                 evaluated(arena, functions, "{'a': 1.5}")};
    struct cel_env env = {functions->functions, variables, ARRAY_LEN(variables),
                          functions->is_stored};
    const struct cel_program *program;
    if (has(data, size, "dyn") || has(data, size, "null") ||
        cel_compile(arena, &env, slice_of(data, size), &program, NULL) < 0) {
        return;
    }
    struct cel_result result = cel_evaluate(program, arena, values, COST_LIMIT);
    assert(!cel_is_error(&result.value) || strcmp(result.value.error, "no such overload") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    static struct cel_functions *functions; /* The same for all inputs: it takes long to make. */
    functions = functions == NULL ? cel_functions_new_standard(NULL, 0) : functions;
    struct cel_env env = {.functions = functions, .is_stored = true};
    const struct cel_variable variables[] = {{"s", &cel_type_string}, {"d", &cel_type_dyn}};
    struct cel_value values[] = {
        cel_string(slice_text("text")),
        evaluated(arena, &env, "{'a': dyn([1, 2]), 'b': dyn('x'), 'c': dyn({'d': 1.5})}")};
    const struct cel_program *program;
    if (size < 4096) {
        check_types(arena, &env, data, size);
    }
    env.variables = variables;
    env.variable_count = ARRAY_LEN(variables);
    if (size < 4096 && cel_compile(arena, &env, slice_of(data, size), &program, NULL) == 0) {
        struct cel_range range = cel_program_cost(program);
        assert(range.min <= range.max);
        check_printing(arena, &env, program);
        struct cel_result result = cel_evaluate(program, arena, values, COST_LIMIT);
        assert(result.over_limit || result.cost <= COST_LIMIT);
    }
    return 0;
}
