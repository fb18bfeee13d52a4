/* Expressions of webhooks and admission policies: what they may use, and of which types. Their
 * programs read the values of enum admission_value, in that order. Pure; a scope is one thread's
 * until its last expression is compiled, then it is constant.
 * Source: Kubernetes documentation, "Validating Admission Policy". */
#ifndef LIB_API_ADMISSION_EXPRESSIONS_H
#define LIB_API_ADMISSION_EXPRESSIONS_H
#include "lib/api/json_value.h"
#include "lib/cel/cel.h"

/* What `cel_evaluate` is given. */
enum admission_value {
    ADMISSION_OBJECT,
    ADMISSION_OLD_OBJECT,
    ADMISSION_REQUEST,
    ADMISSION_NAMESPACE,
    ADMISSION_AUTHORIZER,
    ADMISSION_REQUEST_RESOURCE,
    ADMISSION_VARIABLES,
    ADMISSION_PARAMS,
    ADMISSION_VALUES,
};

/* What an expression has to give. */
enum admission_result {
    ADMISSION_BOOL,
    ADMISSION_STRING,         /* A message: may not use the authorizer either. */
    ADMISSION_STRING_OR_NULL, /* The value of an audit annotation. */
    ADMISSION_ANY,
};

struct admission_scope;

struct admission_scope_options {
    const struct cel_functions *functions; /* Must stay. */
    bool has_variables, has_params;
    bool is_stored; /* They are evaluated, not checked before they are stored: cel_env.is_stored. */
    const struct cel_type *object, *params; /* NULL: of any type. */
};

/* In `arena`, which the programs need from then on. */
struct admission_scope *admission_scope_new(struct arena *arena,
                                            const struct admission_scope_options *options);
/* From now on expressions are (or are not) taken as stored ones, see above. */
void admission_scope_set_stored(struct admission_scope *scope, bool is_stored);
/* NULL and a program; or what is wrong, in the words of v1.32 and in the arena of the scope. */
MUST_USE const char *admission_compile(struct admission_scope *scope, const char *text,
                                       enum admission_result wanted,
                                       const struct cel_program **ret_program);
/* The same for whoever only wants to know what the compiler says: any result will do. */
MUST_USE const char *admission_check(struct admission_scope *scope, const char *text,
                                     const struct cel_program **ret_program);
/* From now on expressions may use variables.<name>, of the type of `program`; of any type when it
 * did not compile (NULL). */
void admission_scope_add_variable(struct admission_scope *scope, const char *name,
                                  const struct cel_program *program);

/* The tree of a Namespace as expressions see it; NULL is null. The tree must stay. */
struct cel_value admission_namespace_value(struct arena *arena, const struct json_value *tree);
#endif
