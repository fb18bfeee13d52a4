/* Values held against a schema: types, bounds, patterns, alternatives. The words are those of the
 * validator that v1.32 uses. */
#include "lib/api/limits.h"
#include "lib/api/shown.h"
#include "lib/api/structural_meta.h"
#include "lib/api/syntax.h"
#include "lib/cel/regex.h"
#include "lib/cel/value.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

typedef Apiextensions__V1__JSONSchemaProps props;

/* A value and where it is. */
struct spot {
    struct api_causes *causes;
    const struct api_path *at;
    const struct structural *schema;
    const struct json_value *value, *old; /* `old` may be NULL. */
    size_t skipped; /* Of the path's text: where the whole stands, which `in body` leaves out. */
};

static void validate(const struct spot *spot);

/* --- Words -------------------------------------------------------------------------------------
 */

static const char *number_text(struct arena *arena, double number)
{
    enum { NUMBER_MAX = 64 };
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, NUMBER_MAX);
    cel_double_print(number, &text);
    return arena_text_n(arena, buffer_text(&text), text.len);
}

/* `spec.size in body <why>` */
static const char *in_body(const struct spot *spot, const char *why)
{
    struct arena *arena = spot->causes->arena;
    const char *path = spot->at == NULL ? "" : api_path_text(arena, spot->at) + spot->skipped;
    return arena_printf(arena, "%s in body %s", *path == '.' ? path + 1 : path, why);
}

static void invalid(const struct spot *spot, struct api_shown value, const char *why)
{
    api_cause_invalid(spot->causes, spot->at, value, in_body(spot, why));
}

/* --- Types -------------------------------------------------------------------------------------
 */

/* Of a float64 v1.32 takes for an integer what is nearly one and no larger than all readers of JSON
 * tell apart. */
static bool is_integer(const struct json_value *value)
{
    const double largest = 9007199254740991.0, nearly = 1e-9;
    double number = 0;
    if (value->type != JSON_NUMBER || !json_is_real(value)) {
        return value->type == JSON_NUMBER;
    }
    if (json_double(value, &number) < 0 || fabs(number) > largest) {
        return false;
    }
    double whole = trunc(number);
    return number == whole ||
           (whole != 0 && fabs(number - whole) / (fabs(number) + fabs(whole)) < nearly);
}

static const char *type_word(const struct json_value *value)
{
    switch (value->type) {
    case JSON_NULL:
        return "null";
    case JSON_BOOL:
        return "boolean";
    case JSON_NUMBER:
        return json_is_real(value) ? "number" : "integer";
    case JSON_STRING:
        return "string";
    case JSON_ARRAY:
        return "array";
    case JSON_OBJECT:
        break;
    }
    return "object";
}

static bool has_type(const struct structural *schema, const struct json_value *value)
{
    if (value->type == JSON_NULL && schema->nullable) {
        return true;
    }
    if (schema->int_or_string) {
        return value->type == JSON_STRING || is_integer(value);
    }
    switch (schema->type) {
    case STRUCTURAL_OBJECT:
        return value->type == JSON_OBJECT;
    case STRUCTURAL_ARRAY:
        return value->type == JSON_ARRAY;
    case STRUCTURAL_STRING:
        return value->type == JSON_STRING;
    case STRUCTURAL_INTEGER:
        return is_integer(value);
    case STRUCTURAL_NUMBER:
        return value->type == JSON_NUMBER;
    case STRUCTURAL_BOOLEAN:
        return value->type == JSON_BOOL;
    case STRUCTURAL_ANY:
    case STRUCTURAL_UNKNOWN:
        break;
    }
    return true;
}

static void wrong_type(const struct spot *spot, struct api_shown value, const char *wanted,
                       const char *got)
{
    struct arena *arena = spot->causes->arena;
    api_cause_type_invalid(
        spot->causes, spot->at, value,
        in_body(spot, arena_printf(arena, "must be of type %s: \"%s\"", wanted, got)));
}

static bool check_type(const struct spot *spot)
{
    if (has_type(spot->schema, spot->value)) {
        return true;
    }
    const char *got = type_word(spot->value);
    wrong_type(spot, api_shown_text(got),
               spot->schema->int_or_string ? "integer,string" : spot->schema->source->type, got);
    return false;
}

/* --- Scalars -----------------------------------------------------------------------------------
 */

static void check_number(const struct spot *spot)
{
    const props *source = spot->schema->source;
    struct arena *arena = spot->causes->arena;
    struct api_shown value = api_shown_json(arena, spot->value);
    double number = 0;
    if (json_double(spot->value, &number) < 0) {
        return;
    }
    if (source->has_multiple_of && source->multiple_of > 0) {
        double times = number / source->multiple_of;
        if (times != floor(times)) {
            invalid(spot, value,
                    arena_printf(arena, "should be a multiple of %s",
                                 number_text(arena, source->multiple_of)));
        }
    }
    if (source->has_maximum &&
        (source->exclusive_maximum ? number >= source->maximum : number > source->maximum)) {
        invalid(spot, value,
                arena_printf(arena, "should be less than %s%s",
                             source->exclusive_maximum ? "" : "or equal to ",
                             number_text(arena, source->maximum)));
    }
    if (source->has_minimum &&
        (source->exclusive_minimum ? number <= source->minimum : number < source->minimum)) {
        invalid(spot, value,
                arena_printf(arena, "should be greater than %s%s",
                             source->exclusive_minimum ? "" : "or equal to ",
                             number_text(arena, source->minimum)));
    }
}

static void check_text(const struct spot *spot)
{
    const props *source = spot->schema->source;
    struct arena *arena = spot->causes->arena;
    struct slice text = spot->value->text;
    int64_t length = (int64_t)cel_text_size(text);
    /* Only the first of these is told; what is no match of its format is one thing more. */
    if (source->has_max_length && length > source->max_length) {
        api_cause_too_long(spot->causes, spot->at, (size_t)source->max_length);
    } else if (source->has_min_length && length < source->min_length) {
        invalid(spot, api_shown_json(arena, spot->value),
                arena_printf(arena, "should be at least %lld chars long",
                             (long long)source->min_length));
    } else if (spot->schema->pattern != NULL &&
               !cel_regex_find(spot->schema->pattern, text, 0, NULL)) {
        invalid(spot, api_shown_json(arena, spot->value),
                arena_printf(arena, "should match '%s'", source->pattern));
    }
    if (!structural_format_matches(source->format, text)) {
        wrong_type(spot, api_shown_json(arena, spot->value), source->format,
                   (const char *)text.data);
    }
}

static void check_values(const struct spot *spot)
{
    const struct structural *schema = spot->schema;
    struct arena *arena = spot->causes->arena;
    if (schema->value_count == 0) {
        return;
    }
    const char **words = arena_array(arena, schema->value_count + 1, sizeof(*words));
    for (size_t i = 0; i < schema->value_count; i++) {
        if (json_equal(schema->values[i], spot->value)) {
            return;
        }
        const struct json_value *value = schema->values[i];
        words[i] = value->type == JSON_STRING ? (const char *)value->text.data
                                              : api_shown_json(arena, value).text;
        words[i] = words[i] == NULL ? "" : words[i];
    }
    api_cause_not_among(spot->causes, spot->at, api_shown_json(arena, spot->value), words);
}

/* --- Lists and objects -------------------------------------------------------------------------
 */

static bool holds_twice(struct arena *arena, const struct json_value *list)
{
    struct text_set seen = {.arena = arena};
    for (size_t i = 0; i < list->count; i++) {
        if (!text_set_add(&seen, structural_text(arena, list->items[i]))) {
            return true;
        }
    }
    return false;
}

static void check_list(const struct spot *spot)
{
    const props *source = spot->schema->source;
    struct arena *arena = spot->causes->arena;
    int64_t count = (int64_t)spot->value->count;
    struct structural_items before = structural_items_of(arena, spot->schema, spot->old);
    for (size_t i = 0; spot->schema->items != NULL && i < spot->value->count; i++) {
        struct api_path path = api_path_index(spot->at, i);
        const struct json_value *item = spot->value->items[i];
        validate(&(struct spot){.causes = spot->causes,
                                .at = &path,
                                .schema = spot->schema->items,
                                .skipped = spot->skipped,
                                .value = item,
                                .old = structural_items_find(&before, item)});
    }
    if (source->has_min_items && count < source->min_items) {
        invalid(
            spot, api_shown_int(count),
            arena_printf(arena, "should have at least %lld items", (long long)source->min_items));
    }
    if (source->has_max_items && count > source->max_items) {
        api_cause_too_many(spot->causes, spot->at, (size_t)count, (size_t)source->max_items);
    }
    if (source->unique_items && holds_twice(spot->causes->arena, spot->value)) {
        invalid(spot, api_shown_text(""), "shouldn't contain duplicates");
    }
}

static void check_members(const struct spot *spot)
{
    const struct json_value *object = spot->value;
    const struct json_value *old =
        spot->old == NULL || spot->old->type != JSON_OBJECT || spot->schema->map_atomic ? NULL
                                                                                        : spot->old;
    for (size_t i = 0; i < object->count; i++) {
        const struct json_member *member = &object->members[i];
        const struct structural *inner = structural_member(spot->schema, member->name);
        struct api_path path = api_path_field(spot->at, (const char *)member->name.data);
        if (inner != NULL) {
            validate(&(struct spot){.causes = spot->causes,
                                    .at = &path,
                                    .schema = inner,
                                    .skipped = spot->skipped,
                                    .value = member->value,
                                    .old = old == NULL ? NULL : json_get(old, member->name)});
        }
    }
}

static void check_object(const struct spot *spot)
{
    const props *source = spot->schema->source;
    struct arena *arena = spot->causes->arena;
    int64_t count = (int64_t)spot->value->count;
    if (source->has_min_properties && count < source->min_properties) {
        invalid(spot, api_shown_int(count),
                arena_printf(arena, "should have at least %lld properties",
                             (long long)source->min_properties));
    }
    if (source->has_max_properties && count > source->max_properties) {
        api_cause_too_many(spot->causes, spot->at, (size_t)count, (size_t)source->max_properties);
    }
    check_members(spot);
    for (size_t i = 0; i < source->n_required; i++) {
        if (json_get_text(spot->value, source->required[i]) == NULL) {
            struct api_path path = api_path_field(spot->at, source->required[i]);
            api_cause_required(spot->causes, &path, "");
        }
    }
}

/* --- Alternatives ------------------------------------------------------------------------------
 */

/* How many of the schemas hold; the causes of the one that came closest in *ret_best. */
static size_t count_valid(const struct spot *spot, const struct structural_alternatives *schemas,
                          struct api_causes *ret_best)
{
    size_t valid = 0;
    for (size_t i = 0; i < schemas->count; i++) {
        struct api_causes causes;
        struct spot inner = *spot;
        api_causes_init(&causes, spot->causes->arena);
        inner.causes = &causes;
        inner.schema = schemas->items[i];
        inner.old = NULL; /* Only the whole is excused for being unchanged. */
        validate(&inner);
        valid += causes.count == 0;
        if (i == 0 || causes.count < ret_best->count) {
            *ret_best = causes;
        }
    }
    return valid;
}

static void pass_on(const struct spot *spot, const struct api_causes *causes)
{
    for (size_t i = 0; i < causes->count; i++) {
        const struct api_cause *cause = &causes->items[i];
        api_cause_add(spot->causes, cause->reason, cause->message, cause->field);
    }
}

static void check_alternatives(const struct spot *spot)
{
    const struct structural *schema = spot->schema;
    struct arena *arena = spot->causes->arena;
    struct api_causes best;
    api_causes_init(&best, arena);
    if (schema->any_of.count > 0 && count_valid(spot, &schema->any_of, &best) == 0) {
        invalid(spot, api_shown_text(""), "must validate at least one schema (anyOf)");
        pass_on(spot, &best);
    }
    if (schema->one_of.count > 0) {
        size_t valid = count_valid(spot, &schema->one_of, &best);
        if (valid != 1) {
            invalid(spot, api_shown_text(""),
                    valid == 0 ? "must validate one and only one schema (oneOf). Found none valid"
                               : arena_printf(arena,
                                              "must validate one and only one schema (oneOf). "
                                              "Found %zu valid alternatives",
                                              valid));
        }
        if (valid == 0) {
            pass_on(spot, &best);
        }
    }
    for (size_t i = 0, failed = 0; i < schema->all_of.count; i++) {
        struct structural_alternatives one = {&schema->all_of.items[i], 1};
        if (count_valid(spot, &one, &best) == 0) {
            pass_on(spot, &best);
            failed++;
        }
        if (failed > 0 && i + 1 == schema->all_of.count) {
            invalid(spot, api_shown_text(""), "must validate all the schemas (allOf)");
        }
    }
    struct structural_alternatives not_schema = {(const struct structural *[]){schema->not_schema},
                                                 schema->not_schema == NULL ? 0 : 1};
    if (not_schema.count > 0 && count_valid(spot, &not_schema, &best) > 0) {
        invalid(spot, api_shown_text(""), "must not validate the schema (not)");
    }
}

/* "group/version" or "version". */
static void check_api_version(struct api_causes *causes, const struct api_path *path,
                              const char *text)
{
    const char *slash = strchr(text, '/');
    if (slash != NULL && strchr(slash + 1, '/') != NULL) {
        api_cause_invalid(causes, path, api_shown_text(text),
                          arena_printf(causes->arena, "unexpected GroupVersion string: %s", text));
    }
}

static void check_kind(struct api_causes *causes, const struct api_path *path, const char *text)
{
    char *small = arena_text(causes->arena, text);
    for (char *c = small; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    struct api_syntax syntax = api_syntax_dns1035_label(small);
    for (size_t i = 0; i < syntax.count; i++) {
        api_cause_invalid(causes, path, api_shown_text(text),
                          arena_printf(causes->arena,
                                       "may have mixed case, but should otherwise match: %s",
                                       syntax.messages[i]));
    }
}

static void check_embedded(const struct spot *spot)
{
    static const struct {
        const char *name;
        void (*check)(struct api_causes *causes, const struct api_path *path, const char *text);
    } members[] = {{"apiVersion", check_api_version}, {"kind", check_kind}};
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const struct json_value *value = json_get_text(spot->value, members[i].name);
        struct api_path path = api_path_field(spot->at, members[i].name);
        if (value == NULL) {
            api_cause_required(spot->causes, &path, "must not be empty");
        } else if (value->type != JSON_STRING) {
            api_cause_invalid(spot->causes, &path, api_shown_json(spot->causes->arena, value),
                              "must be a string");
        } else if (value->text.len == 0) {
            api_cause_invalid(spot->causes, &path, api_shown_text(""), "must not be empty");
        } else {
            members[i].check(spot->causes, &path, (const char *)value->text.data);
        }
    }
    const struct json_value *metadata = json_get_text(spot->value, "metadata");
    if (metadata != NULL) {
        structural_meta_check(spot->causes, spot->at, metadata);
    }
}

static void validate(const struct spot *spot)
{
    if (spot->old != NULL && json_equal(spot->value, spot->old)) {
        return; /* What did not change is not blamed on this writer. */
    }
    if (!check_type(spot)) {
        return;
    }
    check_alternatives(spot);
    switch (spot->value->type) {
    case JSON_NUMBER:
        check_number(spot);
        break;
    case JSON_STRING:
        check_text(spot);
        break;
    case JSON_ARRAY:
        check_list(spot);
        break;
    case JSON_OBJECT:
        check_object(spot);
        if (spot->schema->embedded_resource) {
            check_embedded(spot);
        }
        break;
    case JSON_NULL:
    case JSON_BOOL:
        break;
    }
    if (spot->value->type != JSON_NULL || !spot->schema->nullable) {
        check_values(spot);
    }
}

/* --- Lists with keys ---------------------------------------------------------------------------
 */

static void check_twice(struct api_causes *causes, const struct api_path *at,
                        const struct structural *schema, const struct json_value *list)
{
    struct text_set seen = {.arena = causes->arena};
    for (size_t i = 0; i < list->count && !api_causes_full(causes); i++) {
        const struct json_value *own = structural_identity(causes->arena, schema, list->items[i]);
        if (!text_set_add(&seen, structural_text(causes->arena, own))) {
            struct api_path path = api_path_index(at, i);
            api_cause_duplicate(causes, &path, api_shown_json(causes->arena, own));
        }
    }
}

static void check_lists(struct api_causes *causes, const struct api_path *at,
                        const struct structural *schema, const struct json_value *value)
{
    if (value->type == JSON_OBJECT) {
        for (size_t i = 0; i < value->count; i++) {
            const struct json_member *member = &value->members[i];
            const struct structural *property = structural_property(schema, member->name);
            const struct structural *inner = property == NULL ? schema->additional : property;
            struct api_path path = property == NULL
                                       ? api_path_key(at, (const char *)member->name.data)
                                       : api_path_field(at, (const char *)member->name.data);
            if (inner != NULL) {
                check_lists(causes, &path, inner, member->value);
            }
        }
    } else if (value->type == JSON_ARRAY && schema->items != NULL) {
        if (schema->list != STRUCTURAL_LIST_ATOMIC) {
            check_twice(causes, at, schema, value);
        }
        for (size_t i = 0; i < value->count; i++) {
            struct api_path path = api_path_index(at, i);
            check_lists(causes, &path, schema->items, value->items[i]);
        }
    }
}

void structural_validate(struct api_causes *causes, const struct api_path *at,
                         const struct structural *root, const struct json_value *object,
                         const struct json_value *old)
{
    struct api_causes before;
    validate(&(struct spot){.causes = causes,
                            .at = at,
                            .schema = root,
                            .skipped = strlen(api_path_text(causes->arena, at)),
                            .value = object,
                            .old = old});
    api_causes_init(&before, causes->arena);
    if (old != NULL) {
        check_lists(&before, at, root, old);
    }
    if (before.count == 0) { /* Lists that were wrong already are let be. */
        check_lists(causes, at, root, object);
    }
}
