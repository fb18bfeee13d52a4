/* The CEL expressions of one issuer in an AuthenticationConfiguration: what they are compiled
 * against (`claims`, or `user`), and what their values mean. Pure; once compiled any thread. */
#ifndef APISERVER_CLAIM_EXPRESSIONS_H
#define APISERVER_CLAIM_EXPRESSIONS_H
#include "apiserver/user.h"
#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/cel/cel.h"

struct json_value;

struct claim_expression {
    const char *text;
    const struct cel_program *program;
    const char *message; /* Of a rule: what is said when it is false; "" for its text. */
    const char *key;     /* Of an extra. */
};

struct claim_expression_list {
    const struct claim_expression *items;
    size_t count;
};

struct claim_expressions {
    const struct claim_expression *username, *groups, *uid; /* NULL: not by an expression. */
    struct claim_expression_list extras, claim_rules, user_rules;
};

/* What expressions are compiled against. Lives in the arena; `functions` must outlive it. */
struct claim_scope;
struct claim_scope *claim_scope_new(struct arena *arena, const struct cel_functions *functions);
enum claim_purpose { CLAIM_MAPPING, CLAIM_RULE, CLAIM_USER_RULE };
/* NULL, or what is wrong with the text, in the arena. Rules are true or false. */
const char *claim_compile(struct claim_scope *scope, enum claim_purpose purpose, const char *text,
                          const struct cel_program **ret_program);

/* What the values mean, all in the arena, or -EACCES with a message. A text or a list of texts;
 * empty ones are left out. */
MUST_USE int claim_texts(const struct claim_expression *expression, struct arena *arena,
                         const struct json_value *claims, const char *const **ret_texts,
                         size_t *ret_count, struct error *reterr);
MUST_USE int claim_text(const struct claim_expression *expression, struct arena *arena,
                        const struct json_value *claims, const char **ret_text,
                        struct error *reterr);
/* All rules hold. */
MUST_USE int claim_rules_hold(const struct claim_expression_list *rules, struct arena *arena,
                              const struct json_value *claims, struct error *reterr);
MUST_USE int user_rules_hold(const struct claim_expression_list *rules, struct arena *arena,
                             const struct user *user, struct error *reterr);

/* A user as expressions see one. */
struct cel_value claim_user_value(struct arena *arena, const struct user *user);
#endif
