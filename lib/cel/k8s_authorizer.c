#include "lib/cel/authorizer.h"

#define TYPE "kubernetes.authorization."

const struct cel_type cel_type_authorizer = {.kind = CEL_TYPE_OPAQUE, .name = TYPE "Authorizer"};
const struct cel_type cel_type_resource_check = {.kind = CEL_TYPE_OPAQUE,
                                                 .name = TYPE "ResourceCheck"};

/* What authorizers, groups, paths and resources are: a question half asked. */
struct question {
    const struct cel_authorizer *authorizer;
    struct cel_check check;
};

static bool same(const void *a, const void *b)
{
    return a == b;
}

static const struct cel_opaque authorizer_opaque = {.name = TYPE "Authorizer", .equal = same};
static const struct cel_opaque path_opaque = {.name = TYPE "PathCheck", .equal = same};
static const struct cel_opaque group_opaque = {.name = TYPE "GroupCheck", .equal = same};
static const struct cel_opaque resource_opaque = {.name = TYPE "ResourceCheck", .equal = same};
static const struct cel_opaque decision_opaque = {.name = TYPE "Decision", .equal = same};

static struct cel_value question_value(struct arena *arena, const struct cel_opaque *of,
                                       struct question question)
{
    struct question *copy = arena_alloc(arena, sizeof(*copy));
    *copy = question;
    return cel_opaque(of, copy);
}

struct cel_value cel_authorizer_value(struct arena *arena, const struct cel_authorizer *authorizer)
{
    return question_value(arena, &authorizer_opaque, (struct question){.authorizer = authorizer});
}

struct cel_value cel_resource_check_value(struct arena *arena,
                                          const struct cel_authorizer *authorizer,
                                          const struct cel_check *check)
{
    return question_value(arena, &resource_opaque,
                          (struct question){.authorizer = authorizer, .check = *check});
}

static struct question question_in(const struct cel_value *value)
{
    return *(const struct question *)value->opaque.data;
}

static struct cel_value path(struct cel_call *call, const struct cel_value *a)
{
    struct question question = question_in(&a[0]);
    if (a[1].text.len == 0) {
        return cel_error("path must not be empty");
    }
    question.check.is_path = true;
    question.check.path = a[1].text;
    return question_value(call->arena, &path_opaque, question);
}

static struct cel_value group(struct cel_call *call, const struct cel_value *a)
{
    struct question question = question_in(&a[0]);
    question.check.group = a[1].text;
    return question_value(call->arena, &group_opaque, question);
}

static struct cel_value service_account(struct cel_call *call, const struct cel_value *a)
{
    struct question question = question_in(&a[0]);
    if (a[1].text.len == 0 || a[2].text.len == 0) {
        return cel_error("Invalid service account namespace or name: must not be empty");
    }
    question.check.account_namespace = a[1].text;
    question.check.account_name = a[2].text;
    return question_value(call->arena, &authorizer_opaque, question);
}

static struct cel_value resource(struct cel_call *call, const struct cel_value *a)
{
    struct question question = question_in(&a[0]);
    if (a[1].text.len == 0) {
        return cel_error("resource must not be empty");
    }
    question.check.resource = a[1].text;
    return question_value(call->arena, &resource_opaque, question);
}

#define REFINEMENT(function, member)                                                               \
    static struct cel_value function(struct cel_call *call, const struct cel_value *a)             \
    {                                                                                              \
        struct question question = question_in(&a[0]);                                             \
        question.check.member = a[1].text;                                                         \
        return question_value(call->arena, &resource_opaque, question);                            \
    }
REFINEMENT(subresource, subresource)
REFINEMENT(namespace_of, namespace_name)
REFINEMENT(name, name)
REFINEMENT(field_selector, field_selector)
REFINEMENT(label_selector, label_selector)
#undef REFINEMENT

static struct cel_value check(struct cel_call *call, const struct cel_value *a)
{
    struct question question = question_in(&a[0]);
    struct cel_decision *decision = arena_alloc(call->arena, sizeof(*decision));
    question.check.verb = a[1].text;
    *decision = question.authorizer->decide(question.authorizer, call->arena, &question.check);
    return cel_opaque(&decision_opaque, decision);
}

static const struct cel_decision *decision_in(const struct cel_value *value)
{
    return value->opaque.data;
}

static struct cel_value allowed(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(decision_in(&a[0])->allowed);
}

static struct cel_value reason(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_string(decision_in(&a[0])->reason);
}

static struct cel_value error_of(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_string(decision_in(&a[0])->error);
}

static struct cel_value errored(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(decision_in(&a[0])->error.len > 0);
}

static const struct cel_row rows[] = {
    {"path", "authorizer_path", TYPE "Authorizer.(string) " TYPE "PathCheck", path, CEL_COST_ONE},
    {"group", "authorizer_group", TYPE "Authorizer.(string) " TYPE "GroupCheck", group,
     CEL_COST_ONE},
    {"serviceAccount", "authorizer_serviceaccount",
     TYPE "Authorizer.(string, string) " TYPE "Authorizer", service_account, CEL_COST_ONE},
    {"resource", "groupcheck_resource", TYPE "GroupCheck.(string) " TYPE "ResourceCheck", resource,
     CEL_COST_ONE},
    {"subresource", "resourcecheck_subresource",
     TYPE "ResourceCheck.(string) " TYPE "ResourceCheck", subresource, CEL_COST_ONE},
    {"namespace", "resourcecheck_namespace", TYPE "ResourceCheck.(string) " TYPE "ResourceCheck",
     namespace_of, CEL_COST_ONE},
    {"name", "resourcecheck_name", TYPE "ResourceCheck.(string) " TYPE "ResourceCheck", name,
     CEL_COST_ONE},
    {"fieldSelector", "authorizer_fieldselector",
     TYPE "ResourceCheck.(string) " TYPE "ResourceCheck", field_selector, CEL_COST_SELECTOR},
    {"labelSelector", "authorizer_labelselector",
     TYPE "ResourceCheck.(string) " TYPE "ResourceCheck", label_selector, CEL_COST_SELECTOR},
    {"check", "pathcheck_check", TYPE "PathCheck.(string) " TYPE "Decision", check, CEL_COST_CHECK},
    {"check", "resourcecheck_check", TYPE "ResourceCheck.(string) " TYPE "Decision", check,
     CEL_COST_CHECK},
    {"allowed", "decision_allowed", TYPE "Decision.() bool", allowed, CEL_COST_ONE},
    {"reason", "decision_reason", TYPE "Decision.() string", reason, CEL_COST_ONE},
    {"error", "decision_error", TYPE "Decision.() string", error_of, CEL_COST_ONE},
    {"errored", "decision_errored", TYPE "Decision.() bool", errored, CEL_COST_ONE},
};

const struct cel_library cel_library_authorizer = {
    .name = "authorizer", .rows = rows, .row_count = ARRAY_LEN(rows)};
