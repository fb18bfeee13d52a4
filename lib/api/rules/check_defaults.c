#include "lib/api/rules/check_defaults.h"

#include "lib/api/cel_functions.h"
#include "lib/api/custom_rules.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"

typedef Apiextensions__V1__JSONSchemaProps props;

struct walk {
    struct api_causes *causes;       /* NULL: only `found_unknown` is asked for. */
    struct arena *arena;             /* Of schemas, values and programs. */
    struct cel_functions *functions; /* NULL until a rule needs them. */
    uint64_t cost_left;              /* Of what all rules may cost. */
    bool may_have_unknown, found_unknown;
};

static bool is_pruned(struct walk *walk, const struct structural *schema)
{
    struct json_value *pruned = json_copy(walk->arena, schema->default_value);
    structural_prune(walk->arena, schema, pruned, NULL);
    return json_equal(pruned, schema->default_value);
}

static void check_rules(struct walk *walk, const struct api_path *at,
                        const struct structural *schema)
{
    if (walk->cost_left == 0 || !custom_rules_are_there(schema)) {
        return;
    }
    if (walk->functions == NULL) {
        walk->functions = api_cel_functions_new();
    }
    const struct custom_rules *rules =
        custom_rules_new(walk->arena, schema, schema->embedded_resource, walk->functions);
    custom_rules_check_default(walk->causes, at, rules, schema->default_value, &walk->cost_left);
}

static void check_default(struct walk *walk, const struct api_path *parent,
                          const struct structural *schema, bool in_meta)
{
    struct api_path at = api_path_field(parent, "default");
    bool unknown = !in_meta && !is_pruned(walk, schema);
    walk->found_unknown = walk->found_unknown || unknown;
    if (walk->causes == NULL) {
        return;
    }
    if (unknown && !walk->may_have_unknown) {
        api_cause_invalid(walk->causes, &at,
                          api_shown_json(walk->causes->arena, schema->default_value),
                          "must not have unknown fields");
    }
    size_t before = walk->causes->count;
    structural_validate(walk->causes, &at, schema, schema->default_value, NULL);
    if (walk->causes->count == before) { /* Rules count on the schema. */
        check_rules(walk, &at, schema);
    }
}

static bool is_type_meta(struct slice name)
{
    return slice_is(name, "apiVersion") || slice_is(name, "kind") || slice_is(name, "metadata");
}

/* Not into additional properties, as v1.32: what they are called is not known. */
static void visit(struct walk *walk, const struct api_path *at, const struct structural *schema,
                  bool in_meta)
{
    struct api_path properties = api_path_field(at, "properties");
    struct api_path items = api_path_field(at, "items");
    in_meta = in_meta && !schema->embedded_resource;
    if (schema->default_value != NULL) {
        check_default(walk, at, schema, in_meta);
    }
    if (schema->items != NULL) {
        visit(walk, &items, schema->items, in_meta);
    }
    for (size_t i = 0; i < schema->property_count; i++) {
        struct slice name = schema->properties[i].name;
        struct api_path path = api_path_key(&properties, (const char *)name.data);
        bool is_meta = schema->embedded_resource && is_type_meta(name);
        visit(walk, &path, schema->properties[i].schema, in_meta || is_meta);
    }
}

static void walk_root(struct walk *walk, const struct api_path *at, const props *root)
{
    const struct structural *parsed = structural_parse(walk->arena, root);
    if (parsed == NULL) {
        return;
    }
    struct structural schema = *parsed;
    schema.embedded_resource = true; /* The whole object is a resource, said or not. */
    visit(walk, at, &schema, /* in_meta= */ false);
    cel_functions_unref(walk->functions);
}

void rules_check_defaults(struct api_causes *causes, const struct api_path *at, const props *root,
                          const struct definition_past *past)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct walk walk = {.causes = causes,
                        .arena = arena,
                        .cost_left = CUSTOM_RULES_COST_MAX,
                        .may_have_unknown = past->had_unknown_defaults};
    walk_root(&walk, at, root);
}

bool rules_has_unknown_defaults(const props *root)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct walk walk = {.arena = arena};
    walk_root(&walk, NULL, root);
    return walk.found_unknown;
}
