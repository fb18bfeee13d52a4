/* Rules of roles and of their bindings. */
#include "lib/api/rules/default_hooks.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"

static const char *const RBAC_GROUP[] = {"rbac.authorization.k8s.io", NULL};

/* --- Roles -------------------------------------------------------------------------------------
 */

static void check_resource_rule(struct api_causes *causes, const struct api_path *at,
                                const Rbac__V1__PolicyRule *rule)
{
    if (rule->n_api_groups == 0) {
        rules_required(causes, at, "apiGroups",
                       "resource rules must supply at least one api group");
    }
    if (rule->n_resources == 0) {
        rules_required(causes, at, "resources", "resource rules must supply at least one resource");
    }
}

/* A rule is about resources or about paths; paths belong to no namespace. */
bool rules_policy_rule(struct api_causes *causes, const struct api_frame *frame)
{
    const Rbac__V1__PolicyRule *rule = frame->message;
    struct api_shown paths =
        api_shown_texts(causes->arena, rule->non_resource_urls, rule->n_non_resource_urls);
    if (rule->n_non_resource_urls == 0) {
        check_resource_rule(causes, frame->at, rule);
        return true;
    }
    if (frame->parent->table == &rbac__v1__role__schema) {
        rules_invalid(causes, frame->at, "nonResourceURLs", paths,
                      "namespaced rules cannot apply to non-resource URLs");
    }
    if (rule->n_api_groups > 0 || rule->n_resources > 0 || rule->n_resource_names > 0) {
        rules_invalid(causes, frame->at, "nonResourceURLs", paths,
                      "rules cannot apply to both regular resources and non-resource URLs");
    }
    return true;
}

/* Of a selector in which something was found wrong v1.32 says so as a whole, too. */
bool rules_aggregated(struct api_causes *causes, const struct api_frame *frame)
{
    if (frame->parent == NULL || frame->parent->table != &rbac__v1__aggregation_rule__schema ||
        causes->count == 0) {
        return true;
    }
    const char *at = api_path_text(causes->arena, frame->at);
    if (strncmp(causes->items[causes->count - 1].field, at, strlen(at)) == 0) {
        api_cause_invalid(causes, frame->at, api_shown_null(), "invalid label selector.");
    }
    return true;
}

/* --- Bindings ----------------------------------------------------------------------------------
 */

bool rules_role_ref(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const any[] = {"Role", "ClusterRole", NULL};
    static const char *const cluster[] = {"ClusterRole", NULL};
    const Rbac__V1__RoleRef *reference = frame->message;
    const char *const *kinds =
        frame->parent->table == &rbac__v1__cluster_role_binding__schema ? cluster : any;
    if (!rules_is(reference->api_group, *RBAC_GROUP)) {
        rules_not_supported(causes, frame->at, "apiGroup", reference->api_group, RBAC_GROUP);
    }
    if (!rules_one_of(reference->kind, kinds)) {
        struct api_path at = api_path_field(frame->at, "kind");
        api_cause_not_among(causes, &at, api_shown_text(reference->kind), kinds);
    }
    return true;
}

static void check_account(struct api_causes *causes, const struct api_frame *frame,
                          const Rbac__V1__Subject *subject)
{
    static const char *const core[] = {"", NULL};
    if (!rules_empty(subject->name)) {
        rules_check_text(causes, frame->at, "name", subject->name, api_syntax_dns1123_subdomain);
    }
    if (!rules_empty(subject->api_group)) {
        rules_not_supported(causes, frame->at, "apiGroup", subject->api_group, core);
    }
    if (rules_empty(subject->namespace_) &&
        frame->parent->table == &rbac__v1__cluster_role_binding__schema) {
        rules_required(causes, frame->at, "namespace", "");
    }
}

bool rules_subject(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const kinds[] = {"ServiceAccount", "User", "Group", NULL};
    const Rbac__V1__Subject *subject = frame->message;
    if (rules_is(subject->kind, "ServiceAccount")) {
        check_account(causes, frame, subject);
    } else if (!rules_one_of(subject->kind, kinds)) {
        struct api_path at = api_path_field(frame->at, "kind");
        api_cause_not_among(causes, &at, api_shown_text(subject->kind), kinds);
    } else if (!rules_is(subject->api_group, *RBAC_GROUP)) {
        rules_not_supported(causes, frame->at, "apiGroup", subject->api_group, RBAC_GROUP);
    }
    return true;
}

/* One function for both kinds of bindings: their reference may never change. */
static void same_role(struct api_causes *causes, const Rbac__V1__RoleRef *before,
                      const Rbac__V1__RoleRef *after)
{
    if (!api_message_equal(&rbac__v1__role_ref__schema, before, after)) {
        rules_invalid(causes, NULL, "roleRef",
                      api_shown_raw(arena_printf(
                          causes->arena, "rbac.RoleRef{APIGroup:\"%s\", Kind:\"%s\", Name:\"%s\"}",
                          text_or_empty(after->api_group), text_or_empty(after->kind),
                          text_or_empty(after->name))),
                      "cannot change roleRef");
    }
}

void rules_update_role_binding(struct api_causes *causes, const void *before, const void *after)
{
    const Rbac__V1__RoleBinding *old_binding = before, *binding = after;
    same_role(causes, old_binding->role_ref, binding->role_ref);
}

void rules_update_cluster_role_binding(struct api_causes *causes, const void *before,
                                       const void *after)
{
    const Rbac__V1__ClusterRoleBinding *old_binding = before, *binding = after;
    same_role(causes, old_binding->role_ref, binding->role_ref);
}

/* --- Defaults ----------------------------------------------------------------------------------
 */

void default_subject(struct arena *arena, void *message)
{
    Rbac__V1__Subject *subject = message;
    if (rules_is(subject->kind, "User") || rules_is(subject->kind, "Group")) {
        rules_default(arena, &subject->api_group, *RBAC_GROUP);
    }
}
