/* Nobody grants what he does not have: roles and bindings are written only by those who hold every
 * permission in them, or who may `escalate` the role or `bind` it. Order and words are v1.32's. */
#include "apiserver/admission.h"
#include "apiserver/authorizer.h"
#include "k8s/rbac_v1.pb-c.h"
#include <errno.h>

#define RBAC_GROUP "rbac.authorization.k8s.io"

static bool is(const char *text, const char *value)
{
    return strcmp(text == NULL ? "" : text, value) == 0;
}

static struct authorizer *authorizer_of(const struct admission *admission)
{
    return admission->operation->registry->config.authorizer;
}

static bool may(const struct admission *admission, const char *verb, const char *resource,
                const char *name)
{
    struct operation *operation = admission->operation;
    const struct access access = {.verb = verb,
                                  .is_resource = true,
                                  .group = RBAC_GROUP,
                                  .resource = resource,
                                  .subresource = "",
                                  .namespace = admission->namespace,
                                  .name = name,
                                  .path = ""};
    return operation_may(operation, operation->call->user, &access);
}

static const struct api_status *forbid(const struct admission *admission, const char *text)
{
    return api_status_forbidden(admission->operation->arena, admission->kind, admission->name,
                                text);
}

static const struct api_status *refuse(const struct admission *admission, int status,
                                       const char *missing)
{
    struct arena *arena = admission->operation->arena;
    const struct user *user = admission->operation->call->user;
    if (status == 0) {
        return NULL;
    }
    if (status == -E2BIG) {
        return forbid(admission, "the rules grant more permissions than can be checked at once");
    }
    const char *name = rbac_quoted_list(arena, &user->name, 1);
    return forbid(admission,
                  arena_printf(arena,
                               "user %.*s (groups=%s) is attempting to grant RBAC permissions not "
                               "currently held:\n%s",
                               (int)strlen(name) - 2, name + 1,
                               rbac_quoted_list(arena, user->groups, user->group_count), missing));
}

/* What the garbage collector writes is no grant. */
static bool changes_ownership_alone(const struct admission *admission)
{
    const struct api_message *table = admission->kind->message;
    if (admission->before == NULL) {
        return false;
    }
    void *after = api_message_copy(admission->operation->arena, table, admission->message);
    Meta__V1__ObjectMeta *new_meta = api_message_meta(table, after);
    const Meta__V1__ObjectMeta *old_meta = api_message_meta(table, admission->before);
    new_meta->owner_references = old_meta->owner_references;
    new_meta->n_owner_references = old_meta->n_owner_references;
    new_meta->finalizers = old_meta->finalizers;
    new_meta->n_finalizers = old_meta->n_finalizers;
    new_meta->managed_fields = old_meta->managed_fields;
    new_meta->n_managed_fields = old_meta->n_managed_fields;
    new_meta->resource_version = old_meta->resource_version;
    return api_message_equal(table, admission->before, after);
}

static const struct api_status *check_rules(const struct admission *admission,
                                            Rbac__V1__PolicyRule *const *rules, size_t count)
{
    struct operation *operation = admission->operation;
    const struct rbac_rules wanted = {.items = (const Rbac__V1__PolicyRule *const *)rules,
                                      .count = count};
    const char *missing = "";
    int status = authorizer_covers(authorizer_of(admission), operation->arena,
                                   operation->call->user, admission->namespace, &wanted, &missing);
    return refuse(admission, status, missing);
}

/* A role that takes in others' rules can come to hold anything: only who holds everything may make
 * one, or change one. */
static const struct api_status *check_aggregation(const struct admission *admission)
{
    struct operation *operation = admission->operation;
    const Rbac__V1__ClusterRole *after = admission->message, *before = admission->before;
    if (after->aggregation_rule == NULL && (before == NULL || before->aggregation_rule == NULL)) {
        return NULL;
    }
    char star[] = "*";
    char *stars[] = {star};
    Rbac__V1__PolicyRule resources, paths;
    rbac__v1__policy_rule__init(&resources);
    rbac__v1__policy_rule__init(&paths);
    resources.verbs = resources.api_groups = resources.resources = stars;
    resources.n_verbs = resources.n_api_groups = resources.n_resources = 1;
    paths.verbs = paths.non_resource_urls = stars;
    paths.n_verbs = paths.n_non_resource_urls = 1;
    const Rbac__V1__PolicyRule *const all[] = {&resources, &paths};
    const struct rbac_rules wanted = {.items = all, .count = 2};
    const char *missing = "";
    return authorizer_covers(authorizer_of(admission), operation->arena, operation->call->user, "",
                             &wanted, &missing) == 0
               ? NULL
               : forbid(admission, "must have cluster-admin privileges to use the aggregationRule");
}

static const struct api_status *check_role(const struct admission *admission)
{
    if (may(admission, "escalate", admission->kind->plural, admission->name)) {
        return NULL;
    }
    if (is(admission->kind->plural, "roles")) {
        const Rbac__V1__Role *role = admission->message;
        return check_rules(admission, role->rules, role->n_rules);
    }
    const Rbac__V1__ClusterRole *role = admission->message;
    const struct api_status *refusal = check_rules(admission, role->rules, role->n_rules);
    return refusal != NULL ? refusal : check_aggregation(admission);
}

static const struct api_status *check_binding(const struct admission *admission)
{
    struct operation *operation = admission->operation;
    const Rbac__V1__RoleRef *reference = NULL;
    if (is(admission->kind->plural, "rolebindings")) {
        reference = ((const Rbac__V1__RoleBinding *)admission->message)->role_ref;
    } else {
        reference = ((const Rbac__V1__ClusterRoleBinding *)admission->message)->role_ref;
    }
    bool cluster = is(reference->kind, "ClusterRole");
    const char *name = reference->name == NULL ? "" : reference->name;
    if ((!cluster && !is(reference->kind, "Role")) || name[0] == 0) {
        return NULL; /* Validation says what is wrong with it. */
    }
    if (may(admission, "bind", cluster ? "clusterroles" : "roles", name)) {
        return NULL;
    }
    const char *missing = "";
    int status =
        authorizer_covers_role(authorizer_of(admission), operation->arena, operation->call->user,
                               admission->namespace, reference->kind, name, &missing);
    return status == -ENOENT ? api_status_not_found(operation->arena, admission->kind, name)
                             : refuse(admission, status, missing);
}

const struct api_status *admit_rbac_escalation(struct admission *admission)
{
    const struct api_kind *kind = admission->kind;
    if (!is(kind->group, RBAC_GROUP) || admission->verb == ADMIT_DELETE ||
        authorizer_of(admission) == NULL ||
        user_in_group(admission->operation->call->user, "system:masters") ||
        changes_ownership_alone(admission)) {
        return NULL;
    }
    return strstr(kind->plural, "bindings") == NULL ? check_role(admission)
                                                    : check_binding(admission);
}
