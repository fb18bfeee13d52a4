#include "lib/api/rules/check_validations.h"

#include "lib/api/cel_functions.h"
#include "lib/api/custom_field_path.h"
#include "lib/api/custom_rules.h"
#include "lib/api/custom_types.h"
#include "lib/api/rules/check_schema.h"
#include "lib/api/rules/rules.h"
#include "lib/cel/cel.h"

/* Costs in v1.32's units, as estimated from the sizes that the schema allows. */
enum { RULE_COST_MAX = 10000000, SCHEMA_COST_MAX = 100000000, EXPENSIVE_COUNT = 4 };

typedef Apiextensions__V1__JSONSchemaProps props;
typedef Apiextensions__V1__ValidationRule rule_t;

/* --- Words -------------------------------------------------------------------------------------
 */

static bool has_line_breaks(struct slice text)
{
    return memchr(text.data, '\n', text.len) != NULL || memchr(text.data, '\r', text.len) != NULL;
}

static void check_message(struct api_causes *causes, const struct api_path *at, const rule_t *rule)
{
    const char *message = text_or_empty(rule->message);
    struct slice words = slice_trimmed(slice_text(message)),
                 text = slice_trimmed(slice_text(text_or_empty(rule->rule)));
    if (text.len == 0) {
        rules_required(causes, at, "rule", "rule is not specified");
    } else if (message[0] != '\0' && words.len == 0) {
        rules_invalid(causes, at, "message", api_shown_text(message),
                      "message must be non-empty if specified");
    } else if (has_line_breaks(words)) {
        rules_invalid(causes, at, "message", api_shown_text(message),
                      "message must not contain line breaks");
    } else if (has_line_breaks(text) && words.len == 0) {
        rules_required(causes, at, "message",
                       "message must be specified if rule contains line breaks");
    }
}

static void check_field_path(struct api_causes *causes, const struct api_path *at,
                             const props *schema, const char *field)
{
    const char *normal = NULL;
    if (field[0] == '\0') {
        return;
    }
    if (slice_trimmed(slice_text(field)).len == 0) {
        rules_invalid(causes, at, "fieldPath", api_shown_text(field),
                      "fieldPath must be non-empty if specified");
    }
    if (has_line_breaks(slice_text(field))) {
        rules_invalid(causes, at, "fieldPath", api_shown_text(field),
                      "fieldPath must not contain line breaks");
    }
    if (custom_field_path(causes->arena, structural_parse(causes->arena, schema), field, &normal) <
        0) {
        rules_invalid(causes, at, "fieldPath", api_shown_text(field),
                      "fieldPath must be a valid path");
    }
}

void rules_check_validation_words(struct api_causes *causes, const struct api_path *at,
                                  const props *schema)
{
    static const char *const reasons[] = {"FieldValueDuplicate", "FieldValueForbidden",
                                          "FieldValueInvalid", "FieldValueRequired", NULL};
    struct api_path list = api_path_field(at, "x-kubernetes-validations");
    for (size_t i = 0; i < schema->n_x_kubernetes_validations; i++) {
        const rule_t *rule = schema->x_kubernetes_validations[i];
        const char *made = text_or_empty(rule->message_expression);
        struct api_path path = api_path_index(&list, i);
        check_message(causes, &path, rule);
        if (made[0] != '\0' && slice_trimmed(slice_text(made)).len == 0) {
            rules_required(causes, &path, "messageExpression",
                           "messageExpression must be non-empty if specified");
        }
        if (rule->reason != NULL && !rules_one_of(rule->reason, reasons)) {
            rules_not_supported(causes, &path, "reason", rule->reason, reasons);
        }
        check_field_path(causes, &path, schema, text_or_empty(rule->field_path));
    }
}

/* --- Costs -------------------------------------------------------------------------------------
 */

struct expense {
    const char *path;
    uint64_t cost;
};

struct walk {
    struct api_causes *causes;
    struct arena *arena; /* Of types and programs. */
    struct cel_functions *functions;
    const struct definition_past *past;
    bool sound;
    uint64_t total;
    struct expense most[EXPENSIVE_COUNT + 1]; /* Descending; room for one more while sorting. */
    size_t most_count;
};

static uint64_t multiplied(uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* The whole cost, and who contributes most to it: at least a hundredth of what is allowed. */
static void observe(struct walk *walk, const struct api_path *at, uint64_t cost)
{
    walk->total = walk->total > UINT64_MAX - cost ? UINT64_MAX : walk->total + cost;
    if (cost < SCHEMA_COST_MAX / 100) {
        return;
    }
    size_t place = walk->most_count;
    while (place > 0 && walk->most[place - 1].cost < cost) {
        walk->most[place] = walk->most[place - 1];
        place--;
    }
    walk->most[place] = (struct expense){api_path_text(walk->causes->arena, at), cost};
    walk->most_count += walk->most_count < EXPENSIVE_COUNT;
}

static const char *too_expensive(struct arena *arena, const char *what, uint64_t cost,
                                 uint64_t limit)
{
    double factor = (double)cost / (double)limit;
    const char *times = factor > 100 ? "more than 100x"
                        : factor < 1.5 /* "by factor of 1.0" would sound odd. */
                            ? arena_printf(arena, "%fx", factor)
                            : arena_printf(arena, "%.1fx", factor);
    return arena_printf(arena,
                        "%s exceeds budget by factor of %s (try simplifying the rule, or adding "
                        "maxItems, maxProperties, and maxLength where arrays, maps, and strings "
                        "are declared)",
                        what, times);
}

static void check_cost(struct walk *walk, const struct api_path *at, const char *what,
                       uint64_t cost)
{
    if (cost > RULE_COST_MAX && !walk->past->same_schema) {
        api_cause_forbidden(walk->causes, at,
                            too_expensive(walk->causes->arena, what, cost, RULE_COST_MAX));
    }
    observe(walk, at, cost);
}

/* --- Expressions -------------------------------------------------------------------------------
 */

static void append_member(struct buffer *out, const char *name, const char *text)
{
    buffer_printf(out, "%s:", name);
    api_print_quoted(text_or_empty(text), out);
    buffer_append_text(out, ", ");
}

/* The rule as Go prints it; an address stands for what is set. */
static struct api_shown shown(struct arena *arena, const rule_t *rule)
{
    static const char set[] = "0xc000000000";
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2);
    buffer_append_text(&out, "apiextensions.ValidationRule{");
    append_member(&out, "Rule", rule->rule);
    append_member(&out, "Message", rule->message);
    append_member(&out, "MessageExpression", rule->message_expression);
    buffer_printf(&out, "Reason:(*apiextensions.FieldValueErrorReason)(%s), ",
                  rule->reason == NULL ? "nil" : set);
    append_member(&out, "FieldPath", rule->field_path);
    buffer_printf(&out, "OptionalOldSelf:(*bool)(%s)}", rule->has_optional_old_self ? set : "nil");
    return api_shown_raw(arena_text(arena, buffer_text(&out)));
}

/* A node of the schema on the walk. */
struct spot {
    const struct api_path *at;
    const struct structural *schema;
    bool is_resource;
    bool is_bounded; /* There are at most `count` values of it in an object. */
    uint64_t count;
    const struct api_path *uncorrelated; /* The nearest to the root of the nodes around it whose
                                          * parts cannot be told from each other; or NULL. */
};

static void check_old_self(struct walk *walk, const struct spot *spot, const struct api_path *path,
                           const struct custom_rule *rule)
{
    struct arena *arena = walk->causes->arena;
    if (!rule->compares && rule->source->has_optional_old_self) {
        rules_invalid(walk->causes, path, "optionalOldSelf",
                      api_shown_bool(rule->source->optional_old_self),
                      "may not be set if oldSelf is not used in rule");
    }
    if (rule->compares && spot->uncorrelated != NULL) {
        rules_invalid(walk->causes, path, "rule", api_shown_text(rule->source->rule),
                      arena_printf(arena,
                                   "oldSelf cannot be used on the uncorrelatable portion of the "
                                   "schema within %s",
                                   api_path_text(arena, spot->uncorrelated)));
    }
}

static void check_rule(struct walk *walk, const struct spot *spot, const struct api_path *path,
                       const struct custom_rule *rule)
{
    struct api_causes *causes = walk->causes;
    struct api_path text = api_path_field(path, "rule");
    struct api_path message = api_path_field(path, "messageExpression");
    uint64_t cost = rule->program == NULL ? 0 : cel_program_cost(rule->program).max;
    uint64_t count = spot->is_bounded ? spot->count
                                      : CUSTOM_REQUEST_MAX /
                                            (custom_size_min(spot->schema, spot->is_resource) + 1);
    check_cost(walk, &text, "estimated rule cost", multiplied(cost, count));
    if (rule->problem != NULL) {
        api_cause_invalid(causes, &text, shown(causes->arena, rule->source), rule->problem);
    }
    if (rule->message_problem != NULL) {
        api_cause_invalid(causes, &message, shown(causes->arena, rule->source),
                          rule->message_problem);
    } else if (rule->message != NULL) {
        check_cost(walk, &message, "estimated messageExpression cost",
                   cel_program_cost(rule->message).max);
    }
    check_old_self(walk, spot, path, rule);
}

static bool is_sound(const struct walk *walk, const struct spot *spot)
{
    struct api_causes scratch;
    api_causes_init(&scratch, walk->arena);
    if (!walk->sound) {
        rules_check_schema_words(&scratch, spot->at, spot->schema->source, walk->past);
    }
    return scratch.count == 0;
}

static void check_rules(struct walk *walk, const struct spot *spot)
{
    const props *source = spot->schema->source;
    struct api_path list = api_path_field(spot->at, "x-kubernetes-validations");
    if (source->n_x_kubernetes_validations == 0 || !is_sound(walk, spot)) {
        return;
    }
    const struct cel_type *type =
        custom_type(walk->arena, spot->schema, spot->is_resource, "selfType");
    if (type == NULL) {
        api_cause_internal(walk->causes, &list,
                           "internal error: failed to construct type information for "
                           "x-kubernetes-validations rules: unable to convert structural schema "
                           "to CEL declarations");
        return;
    }
    struct custom_rule_scope scope = {spot->schema, type, walk->functions};
    for (size_t i = 0; i < source->n_x_kubernetes_validations; i++) {
        struct api_path path = api_path_index(&list, i);
        const rule_t *written = source->x_kubernetes_validations[i];
        struct custom_rule_age age = {
            definition_past_has_rule(walk->past, text_or_empty(written->rule)),
            definition_past_has_message(walk->past, text_or_empty(written->message_expression))};
        struct custom_rule rule = custom_rule_compile(walk->arena, &scope, written, age);
        check_rule(walk, spot, &path, &rule);
    }
}

/* --- The walk ----------------------------------------------------------------------------------
 */

/* What stands at `at`, one of many when `is_part`. */
static struct spot spot_below(const struct spot *spot, const struct api_path *at,
                              const struct structural *schema, bool has_max, int64_t max)
{
    struct spot below = *spot;
    below.at = at;
    below.schema = schema;
    below.is_resource = schema->embedded_resource;
    below.is_bounded = spot->is_bounded && has_max;
    below.count = multiplied(spot->count, max < 0 ? 0 : (uint64_t)max);
    return below;
}

static void visit(struct walk *walk, const struct spot *spot)
{
    const struct structural *schema = spot->schema;
    const props *source = schema->source;
    struct api_path properties = api_path_field(spot->at, "properties");
    struct api_path additional = api_path_field(spot->at, "additionalProperties");
    struct api_path items = api_path_field(spot->at, "items");
    for (size_t i = 0; i < schema->property_count; i++) {
        struct api_path path =
            api_path_key(&properties, (const char *)schema->properties[i].name.data);
        struct spot below =
            spot_below(spot, &path, schema->properties[i].schema, /* has_max= */ true, 1);
        if (schema->map_atomic && below.uncorrelated == NULL) {
            below.uncorrelated = spot->at;
        }
        visit(walk, &below);
    }
    if (schema->additional != NULL) {
        struct spot below = spot_below(spot, &additional, schema->additional,
                                       source->has_max_properties, source->max_properties);
        visit(walk, &below);
    }
    if (schema->items != NULL) {
        struct spot below =
            spot_below(spot, &items, schema->items, source->has_max_items, source->max_items);
        if (schema->list != STRUCTURAL_LIST_MAP && below.uncorrelated == NULL) {
            below.uncorrelated = spot->at;
        }
        visit(walk, &below);
    }
    check_rules(walk, spot);
}

static void check_total(struct walk *walk, const struct api_path *at)
{
    if (walk->total <= SCHEMA_COST_MAX) {
        return;
    }
    for (size_t i = 0; i < walk->most_count; i++) {
        api_cause_add(walk->causes, "FieldValueForbidden",
                      "Forbidden: contributed to estimated rule cost total exceeding cost limit "
                      "for entire OpenAPIv3 schema",
                      walk->most[i].path);
    }
    api_cause_forbidden(
        walk->causes, at,
        too_expensive(walk->causes->arena,
                      "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 "
                      "schema",
                      walk->total, SCHEMA_COST_MAX));
}

void rules_check_validations(struct api_causes *causes, const struct api_path *at,
                             const props *root, const struct definition_past *past, bool sound)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct structural *schema = structural_parse(arena, root);
    if (!custom_rules_are_there(schema)) {
        return;
    }
    struct walk walk = {.causes = causes, .arena = arena, .past = past, .sound = sound};
    walk.functions = api_cel_functions_new();
    struct spot spot = {
        .at = at, .schema = schema, .is_resource = true, .is_bounded = true, .count = 1};
    visit(&walk, &spot);
    check_total(&walk, at);
    cel_functions_unref(walk.functions);
}
