/* Expressions of webhooks and admission policies: they have to compile, and to give what they are
 * for, before they are stored. */
#include "lib/api/admission_expressions.h"
#include "lib/api/cel_functions.h"
#include "lib/api/rules/rules.h"
#include "lib/base/hash_map.h"
#include "lib/cel/function.h"

enum { CONDITIONS_MAX = 64, ANNOTATIONS_MAX = 20, ANNOTATION_EXPRESSION_MAX = 5 * 1024 };

typedef Admissionregistration__V1__MatchCondition condition_t;
typedef Admissionregistration__V1__ValidatingAdmissionPolicySpec spec_t;

static const char *trimmed(struct arena *arena, const char *text)
{
    struct slice words = slice_trimmed(slice_text(text));
    return arena_text_n(arena, (const char *)words.data, words.len);
}

/* The compiler of one object's expressions. */
struct compiler {
    struct api_causes *causes;
    struct arena *arena;
    struct cel_functions *functions;
    struct admission_scope *scope;
    struct hash_map *past; /* Expressions that the object had, NULL for none: what is not to be
                            * written any more may stay (v1.32 ratchets so). */
};

static void note(const struct compiler *compiler, const char *text)
{
    const char *words = trimmed(compiler->arena, text_or_empty(text));
    (void)hash_map_set(compiler->past, slice_text(words), compiler->past);
}

/* The scope, ready to compile this expression. */
static struct admission_scope *scope_for(const struct compiler *compiler, const char *text)
{
    struct slice words = slice_trimmed(slice_text(text));
    bool known = compiler->past != NULL && hash_map_get(compiler->past, words) != NULL;
    admission_scope_set_stored(compiler->scope, known);
    return compiler->scope;
}

/* The program, or NULL with a cause. */
static const struct cel_program *compile(const struct compiler *compiler, const struct api_path *at,
                                         const char *text, enum admission_result wanted)
{
    const struct cel_program *program = NULL;
    const char *problem = admission_compile(scope_for(compiler, text), text, wanted, &program);
    if (problem != NULL) {
        api_cause_invalid(compiler->causes, at, api_shown_text(text), problem);
    }
    return program;
}

/* --- Conditions --------------------------------------------------------------------------------
 */

static void check_name(const struct compiler *compiler, const struct api_path *at,
                       condition_t *const *conditions, size_t index)
{
    const char *name = text_or_empty(conditions[index]->name);
    struct api_path path = api_path_field(at, "name");
    if (name[0] == '\0') {
        api_cause_required(compiler->causes, &path, "");
        return;
    }
    rules_invalid_each(compiler->causes, &path, api_shown_text(name),
                       api_syntax_qualified_name(name));
    for (size_t i = 0; i < index; i++) {
        if (rules_is(conditions[i]->name, name)) {
            api_cause_duplicate(compiler->causes, &path, api_shown_text(name));
            return;
        }
    }
}

static void check_conditions(const struct compiler *compiler, const struct api_path *parent,
                             condition_t *const *conditions, size_t count)
{
    struct api_path list = api_path_field(parent, "matchConditions");
    if (count > CONDITIONS_MAX) {
        api_cause_too_many(compiler->causes, &list, count, CONDITIONS_MAX);
        return; /* Compiling them all might take long. */
    }
    for (size_t i = 0; i < count; i++) {
        struct api_path at = api_path_index(&list, i);
        struct api_path path = api_path_field(&at, "expression");
        const char *text = trimmed(compiler->arena, text_or_empty(conditions[i]->expression));
        if (text[0] == '\0') {
            api_cause_required(compiler->causes, &path, "");
        } else {
            (void)compile(compiler, &path, text, ADMISSION_BOOL);
        }
        check_name(compiler, &at, conditions, i);
    }
}

/* --- Webhooks ----------------------------------------------------------------------------------
 */

/* The conditions of one webhook. */
struct conditions {
    condition_t *const *items;
    size_t count;
};

static void note_conditions(const struct compiler *compiler, const struct conditions *conditions)
{
    for (size_t i = 0; i < conditions->count; i++) {
        note(compiler, conditions->items[i]->expression);
    }
}

/* `past_count` webhooks after the first `count` are those that the object had. */
static void check_hooks(struct api_causes *causes, const struct conditions *hooks, size_t count,
                        size_t past_count)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct compiler compiler = {
        .causes = causes, .arena = arena, .past = hash_map_new(/* seed= */ 0)};
    struct api_path list = api_path_field(NULL, "webhooks");
    for (size_t i = count; i < count + past_count; i++) {
        note_conditions(&compiler, &hooks[i]);
    }
    for (size_t i = 0; i < count; i++) {
        struct api_path at = api_path_index(&list, i);
        if (hooks[i].count > 0 && compiler.functions == NULL) {
            compiler.functions = api_cel_functions_new();
            compiler.scope = admission_scope_new(
                arena, &(struct admission_scope_options){.functions = compiler.functions});
        }
        check_conditions(&compiler, &at, hooks[i].items, hooks[i].count);
    }
    hash_map_free(compiler.past);
    cel_functions_unref(compiler.functions);
}

typedef Admissionregistration__V1__ValidatingWebhookConfiguration validating_t;
typedef Admissionregistration__V1__MutatingWebhookConfiguration mutating_t;

void rules_replace_validating_webhooks(struct api_causes *causes, const void *before,
                                       const void *after)
{
    const validating_t *new = after, *old = before;
    size_t count = new->n_webhooks, past_count = old == NULL ? 0 : old->n_webhooks;
    struct conditions *hooks = arena_array(causes->arena, count + past_count + 1, sizeof(*hooks));
    for (size_t i = 0; i < count + past_count; i++) {
        const Admissionregistration__V1__ValidatingWebhook *hook =
            i < count ? new->webhooks[i] : old->webhooks[i - count];
        hooks[i] = (struct conditions){hook->match_conditions, hook->n_match_conditions};
    }
    check_hooks(causes, hooks, count, past_count);
}

void rules_check_validating_webhooks(struct api_causes *causes, const void *message)
{
    rules_replace_validating_webhooks(causes, NULL, message);
}

void rules_replace_mutating_webhooks(struct api_causes *causes, const void *before,
                                     const void *after)
{
    const mutating_t *new = after, *old = before;
    size_t count = new->n_webhooks, past_count = old == NULL ? 0 : old->n_webhooks;
    struct conditions *hooks = arena_array(causes->arena, count + past_count + 1, sizeof(*hooks));
    for (size_t i = 0; i < count + past_count; i++) {
        const Admissionregistration__V1__MutatingWebhook *hook =
            i < count ? new->webhooks[i] : old->webhooks[i - count];
        hooks[i] = (struct conditions){hook->match_conditions, hook->n_match_conditions};
    }
    check_hooks(causes, hooks, count, past_count);
}

void rules_check_mutating_webhooks(struct api_causes *causes, const void *message)
{
    rules_replace_mutating_webhooks(causes, NULL, message);
}

/* --- Policies ----------------------------------------------------------------------------------
 */

static void check_variables(const struct compiler *compiler, const struct api_path *at,
                            const spec_t *spec)
{
    struct api_path list = api_path_field(at, "variables");
    for (size_t i = 0; i < spec->n_variables; i++) {
        struct api_path item = api_path_index(&list, i);
        struct api_path path = api_path_field(&item, "expression");
        const char *text = text_or_empty(spec->variables[i]->expression);
        const struct cel_program *program = trimmed(compiler->arena, text)[0] == '\0'
                                                ? NULL
                                                : compile(compiler, &path, text, ADMISSION_ANY);
        admission_scope_add_variable(compiler->scope, text_or_empty(spec->variables[i]->name),
                                     program);
    }
}

static void check_validations(const struct compiler *compiler, const struct api_path *at,
                              const spec_t *spec)
{
    struct api_path list = api_path_field(at, "validations");
    for (size_t i = 0; i < spec->n_validations; i++) {
        const Admissionregistration__V1__Validation *validation = spec->validations[i];
        struct api_path item = api_path_index(&list, i);
        struct api_path expression = api_path_field(&item, "expression");
        struct api_path message = api_path_field(&item, "messageExpression");
        const char *text = text_or_empty(validation->expression);
        const char *made = text_or_empty(validation->message_expression);
        if (trimmed(compiler->arena, text)[0] != '\0') {
            (void)compile(compiler, &expression, text, ADMISSION_BOOL);
        }
        if (trimmed(compiler->arena, made)[0] != '\0') {
            (void)compile(compiler, &message, made, ADMISSION_STRING);
        } else if (made[0] != '\0') {
            api_cause_invalid(compiler->causes, &message, api_shown_text(made),
                              "must be non-empty if specified");
        }
    }
}

static void check_key(const struct compiler *compiler, const struct api_path *at, const char *name,
                      const char *key)
{
    struct api_path path = api_path_field(at, "key");
    if (name[0] == '\0') {
        api_cause_invalid(compiler->causes, &path, api_shown_text(key),
                          "requires metadata.name be non-empty");
        return;
    }
    const char *whole = arena_printf(compiler->causes->arena, "%s/%s", name, key);
    rules_invalid_each(compiler->causes, &path, api_shown_text(whole),
                       api_syntax_qualified_name(whole));
}

static void check_value(const struct compiler *compiler, const struct api_path *at,
                        const char *text)
{
    struct api_path path = api_path_field(at, "valueExpression");
    const char *words = trimmed(compiler->arena, text);
    const struct cel_program *program = NULL;
    if (words[0] == '\0') {
        api_cause_required(compiler->causes, &path, "valueExpression is not specified");
    } else if (strlen(words) > ANNOTATION_EXPRESSION_MAX) {
        api_cause_required(compiler->causes, &path, "must not exceed 5120 bytes in length");
    } else {
        const char *problem = admission_compile(scope_for(compiler, words), words,
                                                ADMISSION_STRING_OR_NULL, &program);
        if (problem != NULL) {
            api_cause_invalid(compiler->causes, &path, api_shown_text(text), problem);
        }
    }
}

static void check_annotations(const struct compiler *compiler, const struct api_path *at,
                              const spec_t *spec, const char *name)
{
    struct api_path list = api_path_field(at, "auditAnnotations");
    if (spec->n_audit_annotations > ANNOTATIONS_MAX) {
        api_cause_invalid(compiler->causes, &list, api_shown_raw("[]"),
                          "must not have more than 20 auditAnnotations");
        return; /* As above. */
    }
    for (size_t i = 0; i < spec->n_audit_annotations; i++) {
        const Admissionregistration__V1__AuditAnnotation *annotation = spec->audit_annotations[i];
        const char *key = text_or_empty(annotation->key);
        struct api_path item = api_path_index(&list, i), path = api_path_field(&item, "key");
        bool twice = false;
        check_key(compiler, &item, name, key);
        check_value(compiler, &item, text_or_empty(annotation->value_expression));
        for (size_t j = 0; j < i; j++) {
            twice = twice || rules_is(spec->audit_annotations[j]->key, key);
        }
        if (twice) {
            api_cause_duplicate(compiler->causes, &path, api_shown_text(key));
        }
    }
}

static void note_policy(const struct compiler *compiler, const spec_t *spec)
{
    const struct conditions conditions = {spec->match_conditions, spec->n_match_conditions};
    note_conditions(compiler, &conditions);
    for (size_t i = 0; i < spec->n_variables; i++) {
        note(compiler, spec->variables[i]->expression);
    }
    for (size_t i = 0; i < spec->n_validations; i++) {
        note(compiler, spec->validations[i]->expression);
        note(compiler, spec->validations[i]->message_expression);
    }
    for (size_t i = 0; i < spec->n_audit_annotations; i++) {
        note(compiler, spec->audit_annotations[i]->value_expression);
    }
}

bool rules_policy_expressions(struct api_causes *causes, const struct api_frame *frame)
{
    const spec_t *spec = frame->message;
    const Admissionregistration__V1__ValidatingAdmissionPolicy *policy = frame->parent->message;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct cel_functions *functions = api_cel_functions_new();
    struct admission_scope_options options = {.functions = functions,
                                              .has_params = spec->param_kind != NULL};
    const Admissionregistration__V1__ValidatingAdmissionPolicy *before = frame->parent->before;
    struct compiler compiler = {.causes = causes,
                                .arena = arena,
                                .functions = functions,
                                .scope = admission_scope_new(arena, &options),
                                .past = hash_map_new(/* seed= */ 0)};
    if (before != NULL && before->spec != NULL) {
        note_policy(&compiler, before->spec);
    }
    check_conditions(&compiler, frame->at, spec->match_conditions, spec->n_match_conditions);
    options.has_variables = spec->n_variables > 0;
    compiler.scope = admission_scope_new(arena, &options);
    check_variables(&compiler, frame->at, spec);
    check_validations(&compiler, frame->at, spec);
    check_annotations(&compiler, frame->at, spec, text_or_empty(policy->metadata->name));
    hash_map_free(compiler.past);
    cel_functions_unref(functions);
    return true;
}
