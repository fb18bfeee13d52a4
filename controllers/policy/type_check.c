#include "controllers/policy/type_check.h"

#include "lib/api/admission_expressions.h"
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/custom_types.h"
#include "lib/api/message_types.h"
#include "lib/base/buffer.h"
#include <stdlib.h>
#include <string.h>

typedef Admissionregistration__V1__ValidatingAdmissionPolicySpec spec_t;
typedef Admissionregistration__V1__TypeChecking checking_t;
typedef Admissionregistration__V1__ExpressionWarning warning_t;
typedef Admissionregistration__V1__Rule rule_t;

struct check {
    struct arena *arena;   /* Of the result. */
    struct arena *scratch; /* Of types and programs. */
    const spec_t *spec;
    const struct api_kind *const *kinds;
    size_t kind_count;
    const struct cel_functions *functions;
    /* The kinds that the policy is about, and what expressions know of their objects. */
    const struct api_kind *checked[TYPE_CHECK_KINDS_MAX];
    struct admission_scope *scopes[TYPE_CHECK_KINDS_MAX];
    size_t checked_count;
    checking_t *result;
    size_t warning_room;
};

/* --- Which kinds -------------------------------------------------------------------------------
 */

static bool has(char *const *items, size_t count, const char *wanted)
{
    size_t i = 0;
    while (i < count && strcmp(text_or_empty(items[i]), wanted) != 0) {
        i++;
    }
    return i < count;
}

static bool has_star(char *const *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strchr(text_or_empty(items[i]), '*') != NULL) {
            return true;
        }
    }
    return false;
}

/* A rule about all groups or versions says nothing about types. */
static bool is_about(const rule_t *rule, const struct api_kind *kind)
{
    return !has_star(rule->api_groups, rule->n_api_groups) &&
           !has_star(rule->api_versions, rule->n_api_versions) &&
           has(rule->api_groups, rule->n_api_groups, kind->group) &&
           has(rule->api_versions, rule->n_api_versions, kind->version) &&
           has(rule->resources, rule->n_resources, kind->plural);
}

static bool is_about_any(const Admissionregistration__V1__MatchResources *match,
                         const struct api_kind *kind)
{
    for (size_t i = 0; i < match->n_resource_rules; i++) {
        const Admissionregistration__V1__RuleWithOperations *with =
            match->resource_rules[i]->rule_with_operations;
        if (with != NULL && with->rule != NULL && is_about(with->rule, kind)) {
            return true;
        }
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    const struct api_kind *const *left = a, *const *right = b;
    int order = strcmp((*left)->group, (*right)->group);
    order = order == 0 ? strcmp((*left)->version, (*right)->version) : order;
    return order == 0 ? strcmp((*left)->kind, (*right)->kind) : order;
}

static void choose_kinds(struct check *check)
{
    for (size_t i = 0; i < check->kind_count && check->checked_count < TYPE_CHECK_KINDS_MAX; i++) {
        if (check->spec->match_constraints != NULL &&
            is_about_any(check->spec->match_constraints, check->kinds[i])) {
            check->checked[check->checked_count++] = check->kinds[i];
        }
    }
    qsort(check->checked, check->checked_count, sizeof(check->checked[0]), by_name);
}

static const struct cel_type *type_of(struct arena *arena, const struct api_kind *kind)
{
    const struct custom_version *version = custom_of(kind);
    if (version == NULL) {
        return message_type(arena, kind->message, /* is_resource= */ true, kind->kind);
    }
    const struct structural *schema = custom_schema(version);
    return schema == NULL ? NULL : custom_type(arena, schema, /* is_resource= */ true, kind->kind);
}

/* NULL when there are no parameters, or none of a kind that is known. */
static const struct cel_type *type_of_params(const struct check *check)
{
    const Admissionregistration__V1__ParamKind *wanted = check->spec->param_kind;
    for (size_t i = 0; wanted != NULL && i < check->kind_count; i++) {
        const struct api_kind *kind = check->kinds[i];
        if (strcmp(text_or_empty(wanted->api_version), kind->api_version) == 0 &&
            strcmp(text_or_empty(wanted->kind), kind->kind) == 0) {
            return type_of(check->scratch, kind);
        }
    }
    return NULL;
}

/* --- Expressions -------------------------------------------------------------------------------
 */

static void open_scopes(struct check *check)
{
    const spec_t *spec = check->spec;
    struct admission_scope_options options = {
        .functions = check->functions, .has_variables = true, .params = type_of_params(check)};
    options.has_params = options.params != NULL;
    for (size_t i = 0; i < check->checked_count; i++) {
        options.object = type_of(check->scratch, check->checked[i]);
        check->scopes[i] = admission_scope_new(check->scratch, &options);
        for (size_t k = 0; k < spec->n_variables; k++) {
            const struct cel_program *program = NULL;
            if (admission_check(check->scopes[i], text_or_empty(spec->variables[k]->expression),
                                &program) != NULL) {
                program = NULL;
            }
            admission_scope_add_variable(check->scopes[i], text_or_empty(spec->variables[k]->name),
                                         program);
        }
    }
}

static void add_warning(struct check *check, const char *field, const char *text)
{
    checking_t *result = check->result;
    warning_t *warning = api_message_new(
        check->arena, api_message_find("k8s.io.api.admissionregistration.v1.ExpressionWarning"));
    warning->field_ref = arena_text(check->arena, field);
    warning->warning = arena_text(check->arena, text);
    warning_t **warnings =
        arena_array_room(check->arena, result->expression_warnings, result->n_expression_warnings,
                         sizeof(*warnings), &check->warning_room);
    warnings[result->n_expression_warnings++] = warning;
    result->expression_warnings = warnings;
}

static void check_expression(struct check *check, const char *field, const char *text)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2);
    for (size_t i = 0; i < check->checked_count; i++) {
        const struct api_kind *kind = check->checked[i];
        const struct cel_program *program = NULL;
        const char *problem = admission_check(check->scopes[i], text, &program);
        if (problem != NULL) {
            buffer_printf(&out, "%s%s/%s, Kind=%s: %s\n", out.len == 0 ? "" : "\n", kind->group,
                          kind->version, kind->kind, problem);
        }
    }
    if (out.len > 0) {
        add_warning(check, field, buffer_text(&out));
    }
}

checking_t *type_check(struct arena *arena, const spec_t *spec, const struct api_kind *const *kinds,
                       size_t count, const struct cel_functions *functions)
{
    CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
    struct check check = {.arena = arena,
                          .scratch = scratch,
                          .spec = spec,
                          .kinds = kinds,
                          .kind_count = count,
                          .functions = functions};
    check.result = api_message_new(
        arena, api_message_find("k8s.io.api.admissionregistration.v1.TypeChecking"));
    choose_kinds(&check);
    open_scopes(&check);
    for (size_t i = 0; i < spec->n_validations; i++) {
        const Admissionregistration__V1__Validation *validation = spec->validations[i];
        const char *made = text_or_empty(validation->message_expression);
        check_expression(&check, arena_printf(arena, "spec.validations[%zu].expression", i),
                         text_or_empty(validation->expression));
        if (made[0] != '\0') {
            check_expression(
                &check, arena_printf(arena, "spec.validations[%zu].messageExpression", i), made);
        }
    }
    return check.result;
}
