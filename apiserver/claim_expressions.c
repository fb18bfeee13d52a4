#include "apiserver/claim_expressions.h"

#include "apiserver/cel_tree.h"
#include "apiserver/limits.h"
#include "lib/api/declared_type.h"
#include <errno.h>

/* --- Compiling --- */

struct claim_scope {
    struct arena *arena;
    struct cel_variable claims, user;
    struct cel_env of_claims, of_user;
};

static const struct cel_type claims_type = {.kind = CEL_TYPE_MAP,
                                            .items = {&cel_type_string, &cel_type_dyn}};

struct claim_scope *claim_scope_new(struct arena *arena, const struct cel_functions *functions)
{
    struct claim_scope *scope = arena_alloc(arena, sizeof(*scope));
    scope->arena = arena;
    scope->claims = (struct cel_variable){"claims", &claims_type};
    scope->user = (struct cel_variable){"user", &declared_user_type};
    scope->of_claims = (struct cel_env){functions, &scope->claims, 1, /* is_stored= */ true};
    scope->of_user = (struct cel_env){functions, &scope->user, 1, /* is_stored= */ true};
    return scope;
}

const char *claim_compile(struct claim_scope *scope, enum claim_purpose purpose, const char *text,
                          const struct cel_program **ret_program)
{
    CLEANUP(error_release) struct error error = {0};
    const struct cel_program *program = NULL;
    const struct cel_env *env = purpose == CLAIM_USER_RULE ? &scope->of_user : &scope->of_claims;
    if (cel_compile(scope->arena, env, slice_text(text), &program, &error) < 0) {
        return arena_printf(scope->arena, "compilation failed: %s", error_message(&error));
    }
    if (purpose != CLAIM_MAPPING && cel_program_type(program)->kind != CEL_TYPE_BOOL) {
        return "must evaluate to bool";
    }
    *ret_program = program;
    return NULL;
}

/* --- Evaluating --- */

static int evaluate(const struct claim_expression *expression, struct arena *arena,
                    const struct cel_value *variable, struct cel_value *ret_value,
                    struct error *reterr)
{
    struct cel_result result =
        cel_evaluate(expression->program, arena, variable, EXPRESSION_COST_MAX);
    if (cel_is_error(&result.value)) {
        return error_set(reterr, -EACCES, "expression '%s' resulted in error: %s", expression->text,
                         result.value.error);
    }
    *ret_value = result.value;
    return 0;
}

static bool is_plain_text(const struct cel_value *value)
{
    return value->kind == CEL_STRING &&
           (value->text.len == 0 || memchr(value->text.data, 0, value->text.len) == NULL);
}

static const char *text_in(struct arena *arena, const struct cel_value *value)
{
    return arena_text_n(arena, (const char *)value->text.data, value->text.len);
}

int claim_text(const struct claim_expression *expression, struct arena *arena,
               const struct json_value *claims, const char **ret_text, struct error *reterr)
{
    struct cel_value variable = cel_tree_value(claims), value = cel_null();
    int status = evaluate(expression, arena, &variable, &value, reterr);
    if (status == 0 && !is_plain_text(&value)) {
        status =
            error_set(reterr, -EACCES, "expression '%s' must return a string", expression->text);
    }
    if (status == 0) {
        *ret_text = text_in(arena, &value);
    }
    return status;
}

static int collect(struct arena *arena, const struct cel_value *value, const char **texts,
                   size_t *count)
{
    if (!is_plain_text(value)) {
        return -EACCES;
    }
    if (value->text.len > 0) {
        texts[(*count)++] = text_in(arena, value);
    }
    return 0;
}

int claim_texts(const struct claim_expression *expression, struct arena *arena,
                const struct json_value *claims, const char *const **ret_texts, size_t *ret_count,
                struct error *reterr)
{
    struct cel_value variable = cel_tree_value(claims), value = cel_null();
    int status = evaluate(expression, arena, &variable, &value, reterr);
    if (status < 0) {
        return status;
    }
    bool list = value.kind == CEL_LIST;
    size_t size = list ? cel_list_size(&value) : 1, count = 0;
    const char **texts = arena_array(arena, size + 1, sizeof(char *));
    for (size_t i = 0; i < size && status == 0 && value.kind != CEL_NULL; i++) {
        struct cel_value item = list ? cel_list_item(arena, &value, i) : value;
        status = collect(arena, &item, texts, &count);
    }
    if (status < 0) {
        return error_set(reterr, status,
                         "expression '%s' must return a string or a list of strings",
                         expression->text);
    }
    *ret_texts = texts;
    *ret_count = count;
    return 0;
}

static int rules_hold(const struct claim_expression_list *rules, struct arena *arena,
                      const struct cel_value *variable, struct error *reterr)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct claim_expression *rule = &rules->items[i];
        struct cel_value value = cel_null();
        int status = evaluate(rule, arena, variable, &value, reterr);
        if (status < 0) {
            return status;
        }
        if (!cel_is_true(&value)) {
            return error_set(reterr, -EACCES, "validation expression '%s' failed: %s", rule->text,
                             rule->message);
        }
    }
    return 0;
}

int claim_rules_hold(const struct claim_expression_list *rules, struct arena *arena,
                     const struct json_value *claims, struct error *reterr)
{
    struct cel_value variable = cel_tree_value(claims);
    return rules_hold(rules, arena, &variable, reterr);
}

/* --- Users --- */

static struct cel_value texts_value(struct arena *arena, const char *const *texts, size_t count)
{
    struct cel_value *items = arena_array(arena, count + 1, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        items[i] = cel_string_text(texts[i]);
    }
    return cel_list_of(arena, items, count);
}

static bool had_before(const struct user *user, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(user->extras[i].key, user->extras[index].key) == 0) {
            return true;
        }
    }
    return false;
}

static struct cel_value extra_value(struct arena *arena, const struct user *user, const char *key)
{
    const char **texts = arena_array(arena, user->extra_count + 1, sizeof(char *));
    size_t count = 0;
    for (size_t i = 0; i < user->extra_count; i++) {
        if (strcmp(user->extras[i].key, key) == 0) {
            texts[count++] = user->extras[i].value;
        }
    }
    return texts_value(arena, texts, count);
}

struct cel_value claim_user_value(struct arena *arena, const struct user *user)
{
    struct cel_value extra = cel_map_empty(arena), value = cel_map_empty(arena);
    for (size_t i = 0; i < user->extra_count; i++) {
        if (!had_before(user, i)) {
            extra = cel_map_add(arena, extra, cel_string_text(user->extras[i].key),
                                extra_value(arena, user, user->extras[i].key));
        }
    }
    value = cel_map_add(arena, value, cel_string_text("username"), cel_string_text(user->name));
    value = cel_map_add(arena, value, cel_string_text("uid"), cel_string_text(user->uid));
    value = cel_map_add(arena, value, cel_string_text("groups"),
                        texts_value(arena, user->groups, user->group_count));
    return cel_map_add(arena, value, cel_string_text("extra"), extra);
}

int user_rules_hold(const struct claim_expression_list *rules, struct arena *arena,
                    const struct user *user, struct error *reterr)
{
    if (rules->count == 0) {
        return 0;
    }
    struct cel_value variable = claim_user_value(arena, user);
    return rules_hold(rules, arena, &variable, reterr);
}
