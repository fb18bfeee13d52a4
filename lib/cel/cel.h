/* The Common Expression Language as Kubernetes v1.32 uses it: compile an expression against
 * declared variables into a program, bound its cost, evaluate it under a budget. Pure: no clock, no
 * I/O, no threads, no global state; all memory is in arenas. A program is constant: any number of
 * threads may evaluate it at once, each with an arena of its own. Source:
 * github.com/google/cel-spec (language definition), Kubernetes documentation "CEL". */
#ifndef LIB_CEL_CEL_H
#define LIB_CEL_CEL_H
#include "lib/base/error.h"
#include "lib/cel/function.h"
#include "lib/cel/limits.h"

/* A variable of an environment. A name may have dots ("authorizer.requestResource"). */
struct cel_variable {
    const char *name;
    const struct cel_type *type;
};

/* What an expression may use. Plain data of the caller; must outlive the programs. */
struct cel_env {
    const struct cel_functions *functions;
    const struct cel_variable *variables;
    size_t variable_count;
    bool is_stored; /* The expression was accepted before: it may use what v1.32 knows, but keeps
                     * from new ones, as the release before cannot read it: macros with two
                     * variables. */
};

struct cel_program;

/* Whether the word cannot be a name: a keyword, or one that the language keeps for itself. */
bool cel_is_reserved(struct slice word);

/* Compiles `text` into a program in `arena`, which the program needs from then on. Returns 0;
 * -EINVAL with CEL's words about each problem (`ERROR: <input>:1:5: undeclared reference to ...`
 * and the line with a caret); -E2BIG for an expression over a limit of lib/cel/limits.h. */
MUST_USE int cel_compile(struct arena *arena, const struct cel_env *env, struct slice text,
                         const struct cel_program **ret_program, struct error *reterr);
/* The type of the result. */
const struct cel_type *cel_program_type(const struct cel_program *program);
/* The expression as it was compiled, printed anew: macros as written, parentheses where needed. */
void cel_program_print(const struct cel_program *program, struct buffer *out);
/* Whether the expression reads this variable of the environment. */
bool cel_program_uses(const struct cel_program *program, const char *variable);
/* Whether it selects that field of the variable, or asks whether it is there. */
bool cel_program_selects(const struct cel_program *program, const char *variable,
                         const char *field);

/* Bounds on what an evaluation costs, from the sizes that types of variables declare. */
struct cel_range {
    uint64_t min, max; /* UINT64_MAX: without bound. */
};
struct cel_range cel_program_cost(const struct cel_program *program);

struct cel_result {
    struct cel_value value; /* CEL_ERROR when it failed; lives in the arena and the activation. */
    uint64_t cost;          /* Spent, at most a step more than the limit. */
    bool over_limit;        /* It failed because the cost limit was reached. */
};

/* Evaluates with `values` of the environment's variables, in their order. Over `cost_limit` the
 * result is an error. Takes at most CEL_MEMORY_MAX and a small multiple of the cost from `arena`.
 */
struct cel_result cel_evaluate(const struct cel_program *program, struct arena *arena,
                               const struct cel_value *values, uint64_t cost_limit);
#endif
