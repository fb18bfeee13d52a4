#include "tests/unit/cel/cel_world.h"

#include <check.h>

/* Variables are made by expressions that know the ones before them. */
static const struct {
    const char *name, *type, *value;
} variables[] = {
    {"i", "int", "5"},
    {"u", "uint", "7u"},
    {"f", "double", "2.5"},
    {"s", "string", "'hello'"},
    {"yes", "bool", "true"},
    {"bytes_", "bytes", "b'abc'"},
    {"list_", "list<int>", "[1, 2, 3]"},
    {"words", "list<string>", "['apple', 'pear', 'fig']"},
    {"map_", "map<string, int>", "{'a': 1, 'b': 2}"},
    {"any", "dyn", "{'n': dyn(1), 't': dyn('x'), 'l': dyn([1, 2]), 'none': dyn(null)}"},
    {"time", "timestamp", "timestamp('2024-02-29T13:14:15.678Z')"},
    {"span", "duration", "duration('1h2m3.5s')"},
    {"some", "optional<int>", "optional.of(1)"},
    {"nothing", "optional<int>", "optional.none()"},
    {"deep.er", "string", "'dotted'"},
};

static const struct cel_type *type_named(struct arena *arena, const char *text)
{
    return cel_signature_parse(arena, arena_printf(arena, "() %s", text)).result;
}

void cel_world_init(struct cel_world *world)
{
    size_t count = sizeof(variables) / sizeof(variables[0]);
    world->arena = arena_new(SIZE_MAX);
    world->functions = cel_functions_new_standard(NULL, 0);
    world->values = arena_array(world->arena, count, sizeof(*world->values));
    struct cel_variable *declared = arena_array(world->arena, count, sizeof(*declared));
    world->env = (struct cel_env){.functions = world->functions, .variables = declared};
    for (size_t i = 0; i < count; i++) {
        const struct cel_program *program;
        struct error error = {0};
        ck_assert_msg(cel_compile(world->arena, &world->env, slice_text(variables[i].value),
                                  &program, &error) == 0,
                      "%s", error_message(&error));
        world->values[i] = cel_evaluate(program, world->arena, world->values, UINT64_MAX).value;
        ck_assert(!cel_is_error(&world->values[i]));
        declared[i] = (struct cel_variable){.name = variables[i].name,
                                            .type = type_named(world->arena, variables[i].type)};
        world->env.variable_count++;
    }
}

void cel_world_release(struct cel_world *world)
{
    cel_functions_free(world->functions);
    arena_free(world->arena);
}
