/* The Node authorizer of v1.32: a node reaches its own Node, Lease and CSINode, the pods bound to
 * it, and what those pods refer to; the rest by the fixed rules of the role system:node. What it
 * may write into these objects, NodeRestriction says (admission_node.c). */
#include "apiserver/access_selector.h"
#include "apiserver/authorizer_internal.h"
#include "k8s/storage_v1.pb-c.h"
#include "lib/api/kinds.h"

static const char LEASE_NAMESPACE[] = "kube-node-lease";

struct node_question {
    struct authorizer *authorizer;
    struct arena *arena;
    const char *node;
    const struct access *access;
    const char *reason;
};

static bool is(const char *text, const char *value)
{
    return strcmp(text == NULL ? "" : text, value) == 0;
}

static bool verb_in(const struct access *access, const char *const *verbs)
{
    for (size_t i = 0; verbs[i] != NULL; i++) {
        if (is(access->verb, verbs[i])) {
            return true;
        }
    }
    return false;
}

static bool is_read(const struct access *access)
{
    return verb_in(access, (const char *const[]){"get", "list", "watch", NULL});
}

static bool is_change(const struct access *access)
{
    return verb_in(access, (const char *const[]){"update", "patch", NULL});
}

static bool no(struct node_question *question, const char *reason)
{
    question->reason = reason;
    return false;
}

/* --- What is related to the node --- */

static bool refers(const struct node_question *question, const char *resource)
{
    return authorizer_node_refers(question->authorizer, question->node, resource,
                                  question->access->namespace, question->access->name);
}

static const struct cached_object *stored(const struct node_question *question, const char *group,
                                          const char *plural, const char *namespace,
                                          const char *name)
{
    const struct api_kind *kind = api_kind_find(group, "v1", plural);
    return watch_cache_get(question->authorizer->cache, kind, namespace, name);
}

/* A volume belongs to the nodes of the pods that use its claim. */
static bool volume_related(const struct node_question *question)
{
    const struct cached_object *object =
        stored(question, "", "persistentvolumes", "", question->access->name);
    const Core__V1__PersistentVolume *volume =
        object == NULL ? NULL : cached_object_message(object);
    const Core__V1__ObjectReference *claim = volume == NULL ? NULL : volume->spec->claim_ref;
    bool related = claim != NULL && claim->namespace_ != NULL && claim->name != NULL &&
                   authorizer_node_refers(question->authorizer, question->node,
                                          "persistentvolumeclaims", claim->namespace_, claim->name);
    cached_object_unref(object);
    return related;
}

static bool attachment_related(const struct node_question *question)
{
    const struct cached_object *object =
        stored(question, "storage.k8s.io", "volumeattachments", "", question->access->name);
    const Storage__V1__VolumeAttachment *attachment =
        object == NULL ? NULL : cached_object_message(object);
    bool related = attachment != NULL && is(attachment->spec->node_name, question->node);
    cached_object_unref(object);
    return related;
}

static bool pod_related(const struct node_question *question)
{
    const struct access *access = question->access;
    const struct cached_object *object =
        stored(question, "", "pods", access->namespace, access->name);
    const Core__V1__Pod *pod = object == NULL ? NULL : cached_object_message(object);
    bool on = pod != NULL && is(pod->spec->node_name, question->node);
    cached_object_unref(object);
    return on;
}

static bool related(struct node_question *question, bool (*relation)(const struct node_question *))
{
    if (question->access->name[0] == 0) {
        return no(question, "No Object name found");
    }
    return relation(question) ||
           no(question, arena_printf(question->arena,
                                     "no relationship found between node '%s' and this object",
                                     question->node));
}

static bool secret_related(const struct node_question *question)
{
    return refers(question, "secrets");
}

static bool config_related(const struct node_question *question)
{
    return refers(question, "configmaps");
}

static bool claim_related(const struct node_question *question)
{
    return refers(question, "persistentvolumeclaims");
}

static bool account_related(const struct node_question *question)
{
    return refers(question, "serviceaccounts");
}

/* --- By resource --- */

static bool read_object(struct node_question *question,
                        bool (*relation)(const struct node_question *))
{
    const struct access *access = question->access;
    if (!is_read(access)) {
        return no(question, "can only read resources of this type");
    }
    if (access->subresource[0] != 0) {
        return no(question, "cannot read subresource");
    }
    if (access->namespace[0] == 0) {
        return no(question, "can only read namespaced object of this type");
    }
    return related(question, relation);
}

static bool get_object(struct node_question *question,
                       bool (*relation)(const struct node_question *))
{
    if (!is(question->access->verb, "get")) {
        return no(question, "can only get individual resources of this type");
    }
    if (question->access->subresource[0] != 0) {
        return no(question, "cannot get subresource");
    }
    return related(question, relation);
}

static bool on_secret(struct node_question *question)
{
    return read_object(question, secret_related);
}

static bool on_config(struct node_question *question)
{
    return read_object(question, config_related);
}

static bool on_claim(struct node_question *question)
{
    const struct access *access = question->access;
    if (!is(access->subresource, "status")) {
        return get_object(question, claim_related);
    }
    if (!is(access->verb, "get") && !is_change(access)) {
        return no(question, "can only get/update/patch this type");
    }
    return related(question, claim_related);
}

static bool on_volume(struct node_question *question)
{
    return get_object(question, volume_related);
}

static bool on_attachment(struct node_question *question)
{
    return get_object(question, attachment_related);
}

static bool on_account(struct node_question *question)
{
    const struct access *access = question->access;
    if (!is(access->verb, "create") || access->name[0] == 0) {
        return no(question, "can only create tokens for individual service accounts");
    }
    if (!is(access->subresource, "token")) {
        return no(question, "can only create token subresource of serviceaccount");
    }
    return related(question, account_related);
}

static bool on_lease(struct node_question *question)
{
    static const char *const verbs[] = {"get", "create", "update", "patch", "delete", NULL};
    const struct access *access = question->access;
    if (!verb_in(access, verbs)) {
        return no(question, "can only get, create, update, patch, or delete a node lease");
    }
    if (!is(access->namespace, LEASE_NAMESPACE)) {
        return no(question, arena_printf(question->arena,
                                         "can only access leases in the \"%s\" system namespace",
                                         LEASE_NAMESPACE));
    }
    return is(access->verb, "create") || is(access->name, question->node) ||
           no(question, "can only access node lease with the same name as the requesting node");
}

static bool on_csi_node(struct node_question *question)
{
    static const char *const verbs[] = {"get", "create", "update", "patch", "delete", NULL};
    const struct access *access = question->access;
    if (!verb_in(access, verbs)) {
        return no(question, "can only get, create, update, patch, or delete a CSINode");
    }
    if (access->subresource[0] != 0) {
        return no(question, "cannot authorize CSINode subresources");
    }
    return is(access->verb, "create") || is(access->name, question->node) ||
           no(question, "can only access CSINode with the same name as the requesting node");
}

static bool on_node(struct node_question *question)
{
    const struct access *access = question->access;
    if (is(access->subresource, "status")) {
        return is_change(access);
    }
    if (access->subresource[0] != 0) {
        return false;
    }
    if (is(access->verb, "create") || is_change(access)) {
        return true; /* Which node, NodeRestriction asks. */
    }
    if (!is_read(access) || is(access->name, question->node)) {
        return is_read(access);
    }
    return no(question,
              access->name[0] == 0
                  ? arena_printf(question->arena,
                                 "node '%s' cannot read all nodes, only its own Node object",
                                 question->node)
                  : arena_printf(question->arena,
                                 "node '%s' cannot read '%s', only its own Node object",
                                 question->node, access->name));
}

static bool on_pod(struct node_question *question)
{
    const struct access *access = question->access;
    if (is(access->subresource, "status")) {
        return is_change(access);
    }
    if (is(access->subresource, "eviction")) {
        return is(access->verb, "create");
    }
    if (access->subresource[0] != 0) {
        return false;
    }
    if (is(access->verb, "create") || is(access->verb, "delete")) {
        return true; /* Which pod, NodeRestriction asks. */
    }
    if (is(access->verb, "get")) {
        return get_object(question, pod_related);
    }
    if (!is_read(access)) {
        return false;
    }
    if (is(access_selector_pinned(&access->fields, "spec.nodeName"), question->node)) {
        return true;
    }
    if (access->name[0] != 0) {
        return related(question, pod_related);
    }
    return no(question, "can only list/watch pods with spec.nodeName field selector");
}

static bool by_fixed_rules(const struct node_question *question)
{
    const struct rbac_rules *rules = &question->authorizer->node_rules;
    for (size_t i = 0; i < rules->count; i++) {
        if (rbac_rule_allows(rules->items[i], question->access)) {
            return true;
        }
    }
    return false;
}

bool authorize_node(struct authorizer *authorizer, struct arena *arena, const char *node,
                    const struct access *access, const char **ret_reason)
{
    static const struct {
        const char *group, *resource;
        bool (*decide)(struct node_question *question);
    } resources[] = {
        {"", "secrets", on_secret},
        {"", "configmaps", on_config},
        {"", "persistentvolumeclaims", on_claim},
        {"", "persistentvolumes", on_volume},
        {"", "serviceaccounts", on_account},
        {"", "nodes", on_node},
        {"", "pods", on_pod},
        {"coordination.k8s.io", "leases", on_lease},
        {"storage.k8s.io", "csinodes", on_csi_node},
        {"storage.k8s.io", "volumeattachments", on_attachment},
    };
    struct node_question question = {
        .authorizer = authorizer, .arena = arena, .node = node, .access = access, .reason = ""};
    if (node[0] == 0) {
        *ret_reason = "unknown node for user \"system:node:\"";
        return false;
    }
    for (size_t i = 0; access->is_resource && i < ARRAY_LEN(resources); i++) {
        if (is(access->group, resources[i].group) && is(access->resource, resources[i].resource)) {
            bool allowed = resources[i].decide(&question);
            *ret_reason = question.reason;
            return allowed;
        }
    }
    return by_fixed_rules(&question);
}
