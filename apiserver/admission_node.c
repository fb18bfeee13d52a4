/* NodeRestriction: a node writes its own Node, its own lease, its own pods, and nothing else; in
 * the words of v1.32. What it may read is authorization's question. */
#include "apiserver/admission.h"
#include "k8s/authentication_v1.pb-c.h"
#include "k8s/coordination_v1.pb-c.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/policy_v1.pb-c.h"
#include "lib/api/pod_references.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char LEASE_NAMESPACE[] = "kube-node-lease";

static bool is(const char *text, const char *value)
{
    return strcmp(text == NULL ? "" : text, value) == 0;
}

static const struct api_status *forbid(const struct admission *admission, const char *format, ...)
    PRINTF_LIKE(2, 3);

static const struct api_status *forbid(const struct admission *admission, const char *format, ...)
{
    struct arena *arena = admission->operation->arena;
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* Cut when labels are many and long. */
    va_end(arguments);
    return api_status_forbidden(arena, admission->kind, admission->name, text);
}

static const char *verb_name(const struct admission *admission)
{
    static const char *const names[] = {[ADMIT_CREATE] = "CREATE",
                                        [ADMIT_UPDATE] = "UPDATE",
                                        [ADMIT_DELETE] = "DELETE",
                                        [ADMIT_CONNECT] = "CONNECT"};
    return names[admission->verb];
}

/* --- Labels ------------------------------------------------------------------------------------
 */

/* `space` itself, or a domain below it. */
static bool in_domain(const char *space, size_t len, const char *domain)
{
    size_t domain_len = strlen(domain);
    return len >= domain_len && memcmp(space + len - domain_len, domain, domain_len) == 0 &&
           (len == domain_len || space[len - domain_len - 1] == '.');
}

/* The labels of kubernetes.io and k8s.io that a node may set on itself. */
static bool is_node_label(const char *key, size_t space_len)
{
    static const char *const labels[] = {
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    };
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        if (strcmp(labels[i], key) == 0) {
            return true;
        }
    }
    return in_domain(key, space_len, "kubelet.kubernetes.io") ||
           in_domain(key, space_len, "node.kubernetes.io");
}

static bool is_forbidden_label(const char *key)
{
    const char *slash = strchr(key, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - key);
    if (in_domain(key, len, "node-restriction.kubernetes.io")) {
        return true;
    }
    return (in_domain(key, len, "kubernetes.io") || in_domain(key, len, "k8s.io")) &&
           !is_node_label(key, len);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The forbidden ones among the labels of `one` that `other` has not, or has with another value. */
static size_t collect(const Meta__V1__ObjectMeta *one, const Meta__V1__ObjectMeta *other,
                      const char **keys, size_t count)
{
    for (size_t i = 0; i < one->n_labels; i++) {
        const char *key = one->labels[i]->key == NULL ? "" : one->labels[i]->key;
        const char *value = other == NULL ? NULL : api_meta_label(other, key);
        bool changed = value == NULL || !is(one->labels[i]->value, value);
        for (size_t j = 0; changed && j < count; j++) {
            changed = strcmp(keys[j], key) != 0;
        }
        if (changed && is_forbidden_label(key)) {
            keys[count++] = key;
        }
    }
    return count;
}

/* Those that differ and may not, sorted and joined by ", "; "" for none. */
static const char *forbidden_labels(struct arena *arena, const Meta__V1__ObjectMeta *before,
                                    const Meta__V1__ObjectMeta *after)
{
    size_t most = after->n_labels + (before == NULL ? 0 : before->n_labels);
    const char **keys = arena_array(arena, most, sizeof(*keys));
    size_t count = collect(after, before, keys, 0);
    count = before == NULL ? count : collect(before, after, keys, count);
    qsort(keys, count, sizeof(*keys), by_text);
    return arena_join(arena, keys, count, ", ");
}

/* --- Nodes -------------------------------------------------------------------------------------
 */

static bool same_taints(const Core__V1__NodeSpec *a, const Core__V1__NodeSpec *b)
{
    const struct api_message *table = api_message_find("k8s.io.api.core.v1.Taint");
    bool same = a->n_taints == b->n_taints;
    for (size_t i = 0; same && i < a->n_taints; i++) {
        same = api_message_equal(table, a->taints[i], b->taints[i]);
    }
    return same;
}

static bool same_owners(const Meta__V1__ObjectMeta *a, const Meta__V1__ObjectMeta *b)
{
    const struct api_message *table =
        api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.OwnerReference");
    bool same = a->n_owner_references == b->n_owner_references;
    for (size_t i = 0; same && i < a->n_owner_references; i++) {
        same = api_message_equal(table, a->owner_references[i], b->owner_references[i]);
    }
    return same;
}

static const struct api_status *admit_change(struct admission *admission, const char *node)
{
    const Core__V1__Node *before = admission->before, *after = admission->message;
    const struct api_message *source = api_message_find("k8s.io.api.core.v1.NodeConfigSource");
    if (after->spec->config_source != NULL &&
        !api_message_equal(source, before->spec->config_source, after->spec->config_source)) {
        return forbid(admission,
                      "node \"%s\" is not allowed to update configSource to a new non-nil "
                      "configSource",
                      node);
    }
    if (!same_taints(before->spec, after->spec)) {
        return forbid(admission, "node \"%s\" is not allowed to modify taints", node);
    }
    /* CVE-2025-5187: one without its owner is collected, and comes back without its taints. */
    if (!same_owners(before->metadata, after->metadata)) {
        return forbid(admission, "node \"%s\" is not allowed to modify ownerReferences", node);
    }
    const char *labels =
        forbidden_labels(admission->operation->arena, before->metadata, after->metadata);
    return *labels == 0 ? NULL : forbid(admission, "is not allowed to modify labels: %s", labels);
}

static const struct api_status *admit_node(struct admission *admission, const char *node)
{
    if (admission->verb == ADMIT_CREATE) {
        const Core__V1__Node *object = admission->message;
        if (object->spec->config_source != NULL) {
            return forbid(admission,
                          "node \"%s\" is not allowed to create node with non-nil configSource",
                          node);
        }
        const char *labels = forbidden_labels(admission->operation->arena, NULL, object->metadata);
        if (*labels != 0) {
            return forbid(admission, "node \"%s\" is not allowed to set the following labels: %s",
                          node, labels);
        }
    }
    if (!is(admission->name, node)) {
        return forbid(admission, "node \"%s\" is not allowed to modify node \"%s\"", node,
                      admission->name);
    }
    return admission->verb == ADMIT_UPDATE ? admit_change(admission, node) : NULL;
}

/* --- Pods --------------------------------------------------------------------------------------
 */

/* The node that a stored pod is on, or NULL with the refusal that there is no such pod. */
static const Core__V1__Pod *stored_pod(struct admission *admission, const char *name,
                                       const struct api_status **ret_status)
{
    struct operation *operation = admission->operation;
    const struct api_kind *pods = operation->registry->pod_kind;
    const struct cached_object *cached =
        operation_lookup(operation, pods, admission->namespace, name);
    const Core__V1__Pod *pod = cached == NULL ? NULL : cached_object_message(cached);
    if (pod == NULL) {
        *ret_status = api_status_not_found(operation->arena, pods, name);
    }
    return pod;
}

static const struct api_status *admit_owner(struct admission *admission, const char *node,
                                            const Core__V1__Pod *pod)
{
    struct operation *operation = admission->operation;
    if (pod->metadata->n_owner_references > 1) {
        return forbid(admission,
                      "node \"%s\" can only create pods with a single owner reference set to "
                      "itself",
                      node);
    }
    const Meta__V1__OwnerReference *owner =
        pod->metadata->n_owner_references == 0 ? NULL : pod->metadata->owner_references[0];
    if (owner == NULL || !is(owner->api_version, "v1") || !is(owner->kind, "Node") ||
        !is(owner->name, node)) {
        return forbid(admission,
                      "node \"%s\" can only create pods with an owner reference set to itself",
                      node);
    }
    if (!owner->has_controller || !owner->controller) {
        return forbid(admission,
                      "node \"%s\" can only create pods with a controller owner reference set to "
                      "itself",
                      node);
    }
    if (owner->has_block_owner_deletion && owner->block_owner_deletion) {
        return forbid(admission,
                      "node \"%s\" must not set blockOwnerDeletion on an owner reference", node);
    }
    const struct api_kind *nodes = api_kind_find("", "v1", "nodes");
    const struct cached_object *cached = operation_lookup(operation, nodes, "", node);
    const Core__V1__Node *object = cached == NULL ? NULL : cached_object_message(cached);
    if (object == NULL) {
        return api_status_not_found(operation->arena, nodes, node);
    }
    return is(owner->uid, object->metadata->uid)
               ? NULL
               : forbid(admission, "node %s UID mismatch: expected %s got %s", node,
                        owner->uid == NULL ? "" : owner->uid, object->metadata->uid);
}

/* A node makes mirror pods only: what it runs by itself, shown to the API. They refer to nothing,
 * so that it cannot read by way of them what it may not read. */
static const struct api_status *admit_mirror(struct admission *admission, const char *node)
{
    static const struct {
        const char *resource, *words;
    } resources[] = {
        {"serviceaccounts", "a service account"},
        {"secrets", "secrets"},
        {"configmaps", "configmaps"},
        {"persistentvolumeclaims", "persistentvolumeclaims"},
    };
    const Core__V1__Pod *pod = admission->message;
    if (!pod_is_mirror(pod)) {
        return forbid(admission,
                      "pod does not have \"" POD_MIRROR_ANNOTATION
                      "\" annotation, node \"%s\" can only create mirror pods",
                      node);
    }
    if (!is(pod->spec->node_name, node)) {
        return forbid(admission,
                      "node \"%s\" can only create pods with spec.nodeName set to itself", node);
    }
    const struct api_status *refusal = admit_owner(admission, node, pod);
    for (size_t i = 0; refusal == NULL && i < ARRAY_LEN(resources); i++) {
        if (pod_refers(pod, resources[i].resource, NULL)) {
            refusal = forbid(admission, "node \"%s\" can not create pods that reference %s", node,
                             resources[i].words);
        }
    }
    /* CVE-2025-4563: devices are others', too, and a status may claim them as a spec does. */
    bool claims = pod->spec->n_resource_claims > 0 ||
                  (pod->status != NULL && pod->status->n_resource_claim_statuses > 0);
    if (refusal == NULL && claims) {
        refusal = forbid(admission, "node \"%s\" can not create pods that reference resourceclaims",
                         node);
    }
    return refusal;
}

static const struct api_status *admit_pod(struct admission *admission, const char *node)
{
    const struct api_status *refusal = NULL;
    switch (admission->verb) {
    case ADMIT_CREATE:
        return admit_mirror(admission, node);
    case ADMIT_DELETE: {
        const Core__V1__Pod *pod = stored_pod(admission, admission->name, &refusal);
        return pod == NULL || is(pod->spec->node_name, node)
                   ? refusal
                   : forbid(admission,
                            "node \"%s\" can only delete pods with spec.nodeName set to itself",
                            node);
    }
    case ADMIT_UPDATE:
    case ADMIT_CONNECT:
        break;
    }
    return forbid(admission,
                  "unexpected operation \"%s\", node \"%s\" can only create and delete mirror pods",
                  verb_name(admission), node);
}

static bool same_labels(const Meta__V1__ObjectMeta *a, const Meta__V1__ObjectMeta *b)
{
    bool same = a->n_labels == b->n_labels;
    for (size_t i = 0; same && i < a->n_labels; i++) {
        const char *value = api_meta_label(b, a->labels[i]->key);
        same = value != NULL && is(a->labels[i]->value, value);
    }
    return same;
}

static const struct api_status *admit_pod_status(struct admission *admission, const char *node)
{
    const Core__V1__Pod *before = admission->before, *after = admission->message;
    if (admission->verb != ADMIT_UPDATE) {
        return forbid(admission, "unexpected operation \"%s\"", verb_name(admission));
    }
    if (!is(before->spec->node_name, node)) {
        return forbid(admission,
                      "node \"%s\" can only update pod status for pods with spec.nodeName set to "
                      "itself",
                      node);
    }
    if (!same_labels(before->metadata, after->metadata)) {
        return forbid(admission, "node \"%s\" cannot update labels through pod status", node);
    }
    return NULL;
}

static const struct api_status *admit_eviction(struct admission *admission, const char *node)
{
    const Policy__V1__Eviction *eviction = admission->message;
    const struct api_status *refusal = NULL;
    const char *name = admission->name;
    if (*name == 0 && eviction != NULL && eviction->metadata->name != NULL) {
        name = eviction->metadata->name;
    }
    const Core__V1__Pod *pod = stored_pod(admission, name, &refusal);
    return pod == NULL || is(pod->spec->node_name, node)
               ? refusal
               : forbid(admission, "node %s can only evict pods with spec.nodeName set to itself",
                        node);
}

/* --- Leases, CSINodes, tokens ------------------------------------------------------------------
 */

static const struct api_status *admit_lease(struct admission *admission, const char *node)
{
    if (!is(admission->namespace, LEASE_NAMESPACE)) {
        return forbid(admission, "can only access leases in the \"%s\" system namespace",
                      LEASE_NAMESPACE);
    }
    return is(admission->name, node)
               ? NULL
               : forbid(admission,
                        "can only access node lease with the same name as the requesting node");
}

static const struct api_status *admit_csi_node(struct admission *admission, const char *node)
{
    return is(admission->name, node)
               ? NULL
               : forbid(admission,
                        "can only access CSINode with the same name as the requesting node");
}

static const struct api_status *admit_token(struct admission *admission, const char *node)
{
    const Authentication__V1__TokenRequest *request = admission->message;
    const Authentication__V1__BoundObjectReference *bound = request->spec->bound_object_ref;
    const struct api_status *refusal = NULL;
    if (bound == NULL || !is(bound->api_version, "v1") || !is(bound->kind, "Pod") ||
        is(bound->name, "")) {
        return forbid(admission, "node requested token not bound to a pod");
    }
    if (is(bound->u_id, "")) {
        return forbid(admission, "node requested token with a pod binding without a uid");
    }
    const Core__V1__Pod *pod = stored_pod(admission, bound->name, &refusal);
    if (pod == NULL) {
        return refusal;
    }
    if (!is(bound->u_id, pod->metadata->uid)) {
        return forbid(
            admission,
            "the UID in the bound object reference (%s) does not match the UID in record. "
            "The object might have been deleted and then recreated",
            bound->u_id);
    }
    return is(pod->spec->node_name, node)
               ? NULL
               : forbid(admission, "node requested token bound to a pod scheduled on a different "
                                   "node");
}

/* --- The whole ---------------------------------------------------------------------------------
 */

static const struct api_status *admit_pods(struct admission *admission, const char *node)
{
    const char *subresource = admission->subresource;
    if (*subresource == 0) {
        return admit_pod(admission, node);
    }
    if (is(subresource, "status")) {
        return admit_pod_status(admission, node);
    }
    if (is(subresource, "eviction")) {
        return admit_eviction(admission, node);
    }
    return forbid(admission,
                  "unexpected pod subresource \"%s\", only 'status' and 'eviction' are allowed",
                  subresource);
}

const struct api_status *admit_node_restriction(struct admission *admission)
{
    static const char prefix[] = "system:node:";
    const struct user *user = admission->operation->call->user;
    if (!user_in_group(user, "system:nodes") || strncmp(user->name, prefix, strlen(prefix)) != 0) {
        return NULL; /* Nobody who claims to be a node. */
    }
    const char *node = user->name + strlen(prefix);
    const char *resource = admission->kind->plural, *group = admission->kind->group;
    if (*node == 0) {
        return forbid(admission, "could not determine node from user \"%s\"", user->name);
    }
    if (is(resource, "pods") && *group == 0) {
        return admit_pods(admission, node);
    }
    if (is(resource, "nodes") && *group == 0) {
        return admit_node(admission, node);
    }
    if (is(resource, "leases")) {
        return admit_lease(admission, node);
    }
    if (is(resource, "csinodes")) {
        return admit_csi_node(admission, node);
    }
    if (is(resource, "serviceaccounts") && admission->verb == ADMIT_CREATE &&
        is(admission->subresource, "token")) {
        return admit_token(admission, node);
    }
    return NULL;
}
