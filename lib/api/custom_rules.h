/* x-kubernetes-validations: CEL rules of structural schemas, compiled with types from the schema
 * and run on objects read in place. Pure; compiled rules are constant: any thread. Messages,
 * reasons and the budget are those of Kubernetes v1.32. */
#ifndef LIB_API_CUSTOM_RULES_H
#define LIB_API_CUSTOM_RULES_H
#include "lib/api/structural.h"

struct cel_functions;
struct cel_program;
struct cel_type;
struct custom_rules;

/* --- One rule, where a definition is checked ---------------------------------------------------
 */

struct custom_rule {
    const Apiextensions__V1__ValidationRule *source;
    const struct cel_program *program; /* NULL for an empty rule, or with `problem`. */
    const char *problem;               /* Why the rule does not compile; else NULL. */
    const struct cel_program *message; /* Of messageExpression; or NULL. */
    const char *message_problem;
    const char *field; /* The normalized fieldPath; "" for none. */
    bool compares;     /* Reads oldSelf. */
};

/* What the rules at one node of a schema are compiled for. */
struct custom_rule_scope {
    const struct structural *schema;
    const struct cel_type *type; /* Of the values, as `schema` gave it. */
    const struct cel_functions *functions;
};
/* Which expressions of a rule v1.32 takes as written before: they may use what it keeps from new
 * ones (cel_env.is_stored). */
struct custom_rule_age {
    bool rule_is_stored, message_is_stored;
};

/* All is in `arena` or must stay. */
struct custom_rule custom_rule_compile(struct arena *arena, const struct custom_rule_scope *scope,
                                       const Apiextensions__V1__ValidationRule *source,
                                       struct custom_rule_age age);

/* --- All rules of a definition, where objects are checked --------------------------------------
 */

/* Whether the schema or what is in it has rules. */
bool custom_rules_are_there(const struct structural *root);
/* Compiles all rules of the schema, as stored ones, into `arena`; `root` and `functions` must stay.
 * `is_resource` values have apiVersion, kind and metadata. A rule that does not compile refuses
 * every object. */
const struct custom_rules *custom_rules_new(struct arena *arena, const struct structural *root,
                                            bool is_resource,
                                            const struct cel_functions *functions);
/* Appends a cause for each rule that does not hold; a warning when only an old value is to blame.
 * `object` is the whole tree, with apiVersion, kind and metadata; `old` is NULL on creation. */
void custom_rules_check(struct api_causes *causes, const struct custom_rules *rules,
                        const struct json_value *object, const struct json_value *old);
/* The same of a default, which stands at `at` in the schema: what it replaces is itself, and that
 * it does not change excuses nothing. All defaults of a schema spend one budget of `*left`, at
 * first CUSTOM_RULES_COST_MAX; with 0 nothing is looked at. */
enum { CUSTOM_RULES_COST_MAX = 10000000 };
void custom_rules_check_default(struct api_causes *causes, const struct api_path *at,
                                const struct custom_rules *rules, const struct json_value *value,
                                uint64_t *left);
#endif
