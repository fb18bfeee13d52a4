#include "tests/unit/cel/cel_world.h"

#include "lib/cel/authorizer.h"
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

/* Says what was asked, so that tests can see it. */
static struct cel_decision decide(const struct cel_authorizer *authorizer, struct arena *arena,
                                  const struct cel_check *check)
{
    struct cel_decision decision = {.allowed =
                                        check->is_path || slice_is(check->namespace_name, "open")};
    (void)authorizer;
    decision.reason = slice_text(arena_printf(
        arena, "%.*s%s%.*s%s%.*s of %.*s", (int)check->account_namespace.len,
        (const char *)check->account_namespace.data, check->account_name.len > 0 ? ":" : "",
        (int)check->account_name.len, (const char *)check->account_name.data,
        check->account_name.len > 0 ? ": " : "", (int)check->verb.len,
        (const char *)check->verb.data, (int)check->resource.len,
        (const char *)check->resource.data));
    if (slice_is(check->verb, "error")) {
        decision.error = slice_text("cannot tell");
    }
    return decision;
}

static const struct cel_authorizer test_authorizer = {.decide = decide};

static const struct cel_type *type_named(struct arena *arena, const char *text)
{
    return cel_signature_parse(arena, arena_printf(arena, "() %s", text)).result;
}

void cel_world_init(struct cel_world *world)
{
    size_t count = sizeof(variables) / sizeof(variables[0]);
    world->arena = arena_new(SIZE_MAX);
    world->functions = cel_functions_new_standard(NULL, 0);
    world->values = arena_array(world->arena, count + 2, sizeof(*world->values));
    struct cel_variable *declared = arena_array(world->arena, count + 2, sizeof(*declared));
    world->env =
        (struct cel_env){.functions = world->functions, .variables = declared, .is_stored = true};
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
    declared[count] = (struct cel_variable){"authorizer", &cel_type_authorizer};
    world->values[count] = cel_authorizer_value(world->arena, &test_authorizer);
    declared[count + 1] =
        (struct cel_variable){"authorizer.requestResource", &cel_type_resource_check};
    world->values[count + 1] = cel_resource_check_value(
        world->arena, &test_authorizer, &(struct cel_check){.resource = slice_text("deployments")});
    world->env.variable_count += 2;
}

void cel_world_release(struct cel_world *world)
{
    cel_functions_unref(world->functions);
    arena_free(world->arena);
}
