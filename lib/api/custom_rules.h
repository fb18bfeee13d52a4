/* x-kubernetes-validations: CEL rules of structural schemas, compiled with types from the schema
 * and run on objects read in place. Pure; compiled rules are constant: any thread. Messages,
 * reasons and the budget are those of Kubernetes v1.32. */
#ifndef LIB_API_CUSTOM_RULES_H
#define LIB_API_CUSTOM_RULES_H
#include "lib/api/structural.h"

struct cel_functions;
struct custom_rules;

/* Whether the schema or what is in it has rules. */
bool custom_rules_are_there(const struct structural *root);
/* Compiles all rules of the schema of a whole resource into `arena`; `root` and `functions` must
 * stay. A rule that does not compile refuses every object. */
const struct custom_rules *custom_rules_new(struct arena *arena, const struct structural *root,
                                            const struct cel_functions *functions);
/* Appends a cause for each rule that does not hold. `object` is the whole tree, with apiVersion,
 * kind and metadata; `old` is NULL on creation. */
void custom_rules_check(struct api_causes *causes, const struct custom_rules *rules,
                        const struct json_value *object, const struct json_value *old);
#endif
