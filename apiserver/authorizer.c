#include "apiserver/authorizer_internal.h"

#include "apiserver/rbac_defaults.h"
#include "lib/api/object.h"
#include "lib/api/pod_references.h"
#include "lib/base/alloc.h"
#include "lib/base/env.h"
#include "lib/base/metrics.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define RBAC_GROUP "rbac.authorization.k8s.io"

/* --- Following roles and bindings --- */

static void release(const void *owner)
{
    cached_object_unref(owner);
}

static void rbac_begin(void *data)
{
    struct authorizer *authorizer = data;
    pthread_rwlock_wrlock(&authorizer->rbac_lock);
}

static void rbac_end(void *data)
{
    struct authorizer *authorizer = data;
    pthread_rwlock_unlock(&authorizer->rbac_lock);
}

static const void *remove_rule(struct rbac *rbac, const struct cached_object *object)
{
    const char *plural = cached_object_kind(object)->plural;
    bool role = strcmp(plural, "roles") == 0 || strcmp(plural, "clusterroles") == 0;
    const char *namespace = cached_object_namespace(object), *name = cached_object_name(object);
    return role ? rbac_remove_role(rbac, namespace, name)
                : rbac_remove_binding(rbac, namespace, name);
}

static const void *set_rule(struct rbac *rbac, const struct cached_object *object)
{
    const char *plural = cached_object_kind(object)->plural;
    const char *namespace = cached_object_namespace(object), *name = cached_object_name(object);
    const void *message = cached_object_message(object);
    if (strcmp(plural, "roles") == 0) {
        const Rbac__V1__Role *role = message;
        return rbac_set_role(rbac, namespace, name, role->rules, role->n_rules, object);
    }
    if (strcmp(plural, "clusterroles") == 0) {
        const Rbac__V1__ClusterRole *role = message;
        return rbac_set_role(rbac, "", name, role->rules, role->n_rules, object);
    }
    if (strcmp(plural, "rolebindings") == 0) {
        const Rbac__V1__RoleBinding *binding = message;
        return rbac_set_binding(rbac, namespace, name, binding->role_ref, binding->subjects,
                                binding->n_subjects, object);
    }
    const Rbac__V1__ClusterRoleBinding *binding = message;
    return rbac_set_binding(rbac, "", name, binding->role_ref, binding->subjects,
                            binding->n_subjects, object);
}

/* What does not decode grants nothing. */
static void rbac_changed(void *data, const struct cached_object *object, bool gone)
{
    struct authorizer *authorizer = data;
    gone = gone || cached_object_message(object) == NULL;
    release(gone ? remove_rule(authorizer->rbac, object)
                 : set_rule(authorizer->rbac, cached_object_ref(object)));
}

static void rbac_clear(void *data, const struct api_kind *kind)
{
    struct authorizer *authorizer = data;
    rbac_clear_kind(authorizer->rbac, kind->namespaced, strstr(kind->plural, "bindings") == NULL,
                    release);
}

static const struct cache_follower_ops rbac_ops = {
    .begin = rbac_begin, .clear = rbac_clear, .changed = rbac_changed, .end = rbac_end};

/* --- Following pods --- */

static void pods_begin(void *data)
{
    struct authorizer *authorizer = data;
    pthread_rwlock_wrlock(&authorizer->graph_lock);
}

static void pods_end(void *data)
{
    struct authorizer *authorizer = data;
    pthread_rwlock_unlock(&authorizer->graph_lock);
}

static void pods_clear(void *data, const struct api_kind *kind)
{
    struct authorizer *authorizer = data;
    (void)kind;
    node_graph_free(authorizer->graph);
    authorizer->graph = node_graph_new(authorizer->seed);
}

/* The graph knows nothing of metadata but who makes a mirror pod, which no update can change. */
static void pods_renewed(void *data, const struct cached_object *object)
{
    struct authorizer *authorizer = data;
    if (cached_object_revision(object) > authorizer->graph_revision) {
        authorizer->graph_revision = cached_object_revision(object);
    }
}

static void pods_changed(void *data, const struct cached_object *object, bool gone)
{
    struct authorizer *authorizer = data;
    CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
    const Core__V1__Pod *pod = gone ? NULL : cached_object_decode(object, scratch);
    if (pod != NULL && pod->spec->node_name != NULL && pod->spec->node_name[0] != 0) {
        node_graph_set_pod(authorizer->graph, pod);
    } else {
        node_graph_remove_pod(authorizer->graph, cached_object_namespace(object),
                              cached_object_name(object));
    }
    pods_renewed(authorizer, object);
}

static const struct cache_follower_ops pod_ops = {.begin = pods_begin,
                                                  .clear = pods_clear,
                                                  .changed = pods_changed,
                                                  .renewed = pods_renewed,
                                                  .end = pods_end};

/* --- Life --- */

static struct rbac_rules node_rules(struct arena *arena)
{
    Rbac__V1__PolicyRule **rules = rbac_default_rules(arena, "system:node");
    size_t count = 0;
    while (rules[count] != NULL) {
        count++;
    }
    return (struct rbac_rules){.items = (const Rbac__V1__PolicyRule *const *)rules, .count = count};
}

struct authorizer *authorizer_new(struct env *env, struct watch_cache *cache)
{
    static const struct {
        const char *group, *plural;
        const struct cache_follower_ops *ops;
    } followed[AUTHORIZER_KINDS] = {
        {"", "pods", &pod_ops},
        {RBAC_GROUP, "roles", &rbac_ops},
        {RBAC_GROUP, "clusterroles", &rbac_ops},
        {RBAC_GROUP, "rolebindings", &rbac_ops},
        {RBAC_GROUP, "clusterrolebindings", &rbac_ops},
    };
    struct authorizer *authorizer = alloc_zeroed(sizeof(*authorizer));
    authorizer->cache = cache;
    authorizer->seed = env_random(env);
    authorizer->rbac = rbac_new(authorizer->seed);
    authorizer->graph = node_graph_new(authorizer->seed);
    authorizer->arena = arena_new(SIZE_MAX);
    authorizer->node_rules = node_rules(authorizer->arena);
    authorizer->hub = watch_hub_new(cache, NULL);
    pthread_rwlock_init(&authorizer->rbac_lock, NULL);
    pthread_rwlock_init(&authorizer->graph_lock, NULL);
    for (size_t i = 0; i < AUTHORIZER_KINDS; i++) {
        const struct api_kind *kind = api_kind_find(followed[i].group, "v1", followed[i].plural);
        cache_follower_open(&authorizer->followers[i], cache, authorizer->hub, kind,
                            followed[i].ops, authorizer);
    }
    return authorizer;
}

void authorizer_free(struct authorizer *authorizer)
{
    if (authorizer == NULL) {
        return;
    }
    for (size_t i = 0; i < AUTHORIZER_KINDS; i++) {
        cache_follower_stop(&authorizer->followers[i]);
    }
    watch_hub_free(authorizer->hub);
    rbac_free(authorizer->rbac, release);
    node_graph_free(authorizer->graph);
    arena_free(authorizer->arena);
    pthread_rwlock_destroy(&authorizer->rbac_lock);
    pthread_rwlock_destroy(&authorizer->graph_lock);
    free(authorizer);
}

/* --- Questions --- */

const char *node_of_user(const struct user *user)
{
    static const char prefix[] = "system:node:";
    if (strncmp(user->name, prefix, sizeof(prefix) - 1) != 0 ||
        !user_in_group(user, "system:nodes")) {
        return NULL;
    }
    return user->name + sizeof(prefix) - 1;
}

static const char *join_reasons(struct arena *arena, const char *first, const char *second)
{
    if (first[0] == 0 || second[0] == 0) {
        return first[0] == 0 ? second : first;
    }
    return arena_printf(arena, "%s\n%s", first, second);
}

static bool rbac_decides(struct authorizer *authorizer, struct authorization *question,
                         const char **ret_reason)
{
    struct rbac_grant grant;
    pthread_rwlock_rdlock(&authorizer->rbac_lock);
    bool allowed = rbac_allows(authorizer->rbac, question->user, question->access, question->arena,
                               &grant, ret_reason);
    if (allowed && question->explain) {
        *ret_reason = rbac_grant_text(question->arena, &grant);
    }
    pthread_rwlock_unlock(&authorizer->rbac_lock);
    return allowed;
}

/* What one that need not be waited for thinks. */
static enum access_opinion opinion_of(struct authorizer *authorizer, const struct chain_item *item,
                                      struct authorization *question, const char **ret_reason)
{
    bool allowed = false;
    switch (item->type) {
    case AUTHORIZER_NODE: {
        const char *node = node_of_user(question->user);
        allowed = node != NULL &&
                  authorize_node(authorizer, question->arena, node, question->access, ret_reason);
        break;
    }
    case AUTHORIZER_RBAC:
        allowed = rbac_decides(authorizer, question, ret_reason);
        break;
    case AUTHORIZER_ALWAYS_ALLOW:
        allowed = true;
        break;
    case AUTHORIZER_ALWAYS_DENY:
        *ret_reason = "Everything is forbidden.";
        break;
    case AUTHORIZER_ABAC:
        allowed = abac_allows(item->abac, question->user, question->access);
        *ret_reason = allowed ? "" : "No policy matched.";
        break;
    case AUTHORIZER_WEBHOOK:
        break;
    }
    return allowed ? ACCESS_ALLOWED : ACCESS_NO_OPINION;
}

static void note_decision(const struct chain_item *item, bool allowed)
{
    struct metric *metric = allowed ? item->allowed : item->denied;
    if (metric != NULL) {
        metric_add(metric, 1);
    }
}

/* Takes one opinion. True: it decides. */
static bool take_opinion(struct authorization *question, const struct chain_item *item,
                         enum access_opinion opinion, const char *reason)
{
    if (opinion == ACCESS_NO_OPINION) {
        question->reason = join_reasons(question->arena, question->reason, reason);
        return false;
    }
    question->allowed = opinion == ACCESS_ALLOWED;
    question->denied = opinion == ACCESS_DENIED;
    question->reason = reason;
    note_decision(item, question->allowed);
    return true;
}

static bool take_ask(struct authorization *question, const struct chain_item *item)
{
    const struct access_ask *ask = question->ask;
    question->error = join_reasons(question->arena, question->error, ask->error);
    return take_opinion(question, item, ask->opinion, ask->reason);
}

/* The same of one that answers at once. */
static bool ask_here(struct authorization *question, const struct chain_item *item)
{
    const char *reason = "";
    enum access_opinion opinion = opinion_of(question->authorizer, item, question, &reason);
    return take_opinion(question, item, opinion, reason);
}

static void on_asked(struct access_ask *ask);

/* True when the webhook has answered already. */
static bool ask_webhook(struct authorization *question, const struct chain_item *item)
{
    question->ask = arena_zeroed(question->arena, sizeof(*question->ask));
    *question->ask = (struct access_ask){.user = question->user,
                                         .access = question->access,
                                         .arena = question->arena,
                                         .home = question->home,
                                         .answered = on_asked,
                                         .data = question};
    return authz_webhook_ask(item->webhook, question->ask);
}

/* From the next item on. True: decided; false: somebody is asked. */
static bool walk(struct authorization *question)
{
    size_t count = 0;
    const struct chain_item *items = authorizer_chain_items(question->chain, &count);
    while (question->next < count) {
        const struct chain_item *item = &items[question->next++];
        bool asks = item->type == AUTHORIZER_WEBHOOK && question->decided != NULL;
        if (asks && !ask_webhook(question, item)) {
            return false;
        }
        if (asks ? take_ask(question, item) : ask_here(question, item)) {
            break;
        }
    }
    authorizer_chain_unref(TAKE(question->chain));
    return true;
}

static void on_asked(struct access_ask *ask)
{
    struct authorization *question = ask->data;
    size_t count = 0;
    const struct chain_item *items = authorizer_chain_items(question->chain, &count);
    if (take_ask(question, &items[question->next - 1])) {
        authorizer_chain_unref(TAKE(question->chain));
        question->decided(question);
    } else if (walk(question)) {
        question->decided(question);
    }
}

bool authorizer_decide(struct authorizer *authorizer, struct authorization *question)
{
    question->authorizer = authorizer;
    question->next = 0;
    question->allowed = question->denied = false;
    question->reason = question->error = "";
    if (user_in_group(question->user, "system:masters")) {
        question->allowed = true;
        return true;
    }
    question->chain = authorizer_chain_current(authorizer->chains);
    return walk(question);
}

bool authorizer_allows(struct authorizer *authorizer, struct arena *arena, const struct user *user,
                       const struct access *access, const char **ret_reason)
{
    struct authorization question = {.arena = arena, .user = user, .access = access};
    bool decided = authorizer_decide(authorizer, &question);
    assert(decided); /* Nobody waits, so nobody is asked. */
    (void)decided;
    if (!question.allowed && ret_reason != NULL) {
        *ret_reason = question.reason;
    }
    return question.allowed;
}

void authorizer_set_chains(struct authorizer *authorizer, struct authorizer_chains *chains)
{
    authorizer->chains = chains;
}

struct reference {
    const char *node, *resource, *name;
    uint64_t after; /* Pods up to this revision were looked at. */
    bool found;
};

static bool seek_reference(void *data, const struct cached_object *object)
{
    struct reference *reference = data;
    if (cached_object_revision(object) <= reference->after) {
        return true;
    }
    CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
    const Core__V1__Pod *pod = cached_object_decode(object, scratch);
    reference->found = pod != NULL && !pod_is_mirror(pod) &&
                       strcmp(text_or_empty(pod->spec->node_name), reference->node) == 0 &&
                       pod_refers(pod, reference->resource, reference->name);
    return !reference->found;
}

bool authorizer_node_refers(struct authorizer *authorizer, const char *node, const char *resource,
                            const char *namespace, const char *name)
{
    if (namespace[0] == 0 || name[0] == 0) {
        return false;
    }
    pthread_rwlock_rdlock(&authorizer->graph_lock);
    bool refers = node_graph_refers(authorizer->graph, node, resource, namespace, name);
    uint64_t known = authorizer->graph_revision;
    pthread_rwlock_unlock(&authorizer->graph_lock);
    if (refers) {
        return true;
    }
    /* A node may hear of its pod before the graph does. */
    struct reference reference = {.node = node, .resource = resource, .name = name, .after = known};
    struct cache_view *view = watch_cache_view(authorizer->cache, authorizer->followers[0].kind);
    cache_view_each(view, namespace, slice_text(""), seek_reference, &reference);
    cache_view_free(view);
    return reference.found;
}

/* Everything, as what system:masters is allowed would read as rules. */
static struct rbac_rules all_rules(struct arena *arena)
{
    Rbac__V1__PolicyRule **rules = rbac_default_rules(arena, "cluster-admin");
    return (struct rbac_rules){.items = (const Rbac__V1__PolicyRule *const *)rules, .count = 2};
}

static struct rbac_rules copied(struct arena *arena, struct rbac_rules first,
                                struct rbac_rules second)
{
    const struct api_message *table = api_message_find("k8s.io.api.rbac.v1.PolicyRule");
    const Rbac__V1__PolicyRule **rules =
        arena_array(arena, first.count + second.count + 1, sizeof(*rules));
    for (size_t i = 0; i < first.count; i++) {
        rules[i] = first.items[i];
    }
    for (size_t i = 0; i < second.count; i++) {
        rules[first.count + i] = api_message_copy(arena, table, second.items[i]);
    }
    return (struct rbac_rules){.items = rules, .count = first.count + second.count};
}

struct rbac_rules authorizer_rules(struct authorizer *authorizer, struct arena *arena,
                                   const struct user *user, const char *namespace,
                                   const char **ret_incomplete)
{
    bool master = user_in_group(user, "system:masters");
    struct authorizer_chain *chain = authorizer_chain_current(authorizer->chains);
    bool all = master || authorizer_chain_has(chain, AUTHORIZER_ALWAYS_ALLOW);
    bool has_rbac = authorizer_chain_has(chain, AUTHORIZER_RBAC);
    const struct chain_item *abac = authorizer_chain_find(chain, AUTHORIZER_ABAC);
    struct rbac_rules first = all            ? all_rules(arena)
                              : abac != NULL ? abac_rules(arena, abac->abac, user, namespace)
                                             : (struct rbac_rules){.count = 0};
    const char *node = node_of_user(user) == NULL || !authorizer_chain_has(chain, AUTHORIZER_NODE)
                           ? ""
                           : "node authorizer does not support user rule resolution";
    const char *webhook = authorizer_chain_has(chain, AUTHORIZER_WEBHOOK)
                              ? "webhook authorizer does not support user rule resolution"
                              : "";
    const char *incomplete = join_reasons(arena, node, webhook);
    *ret_incomplete = incomplete[0] == 0 ? NULL : incomplete;
    authorizer_chain_unref(chain);
    if (!has_rbac) {
        return copied(arena, first, (struct rbac_rules){.count = 0});
    }
    pthread_rwlock_rdlock(&authorizer->rbac_lock);
    struct rbac_rules rules =
        copied(arena, first, rbac_rules_of(authorizer->rbac, user, namespace, arena));
    pthread_rwlock_unlock(&authorizer->rbac_lock);
    return rules;
}

int authorizer_covers(struct authorizer *authorizer, struct arena *arena, const struct user *user,
                      const char *namespace, const struct rbac_rules *wanted,
                      const char **ret_missing)
{
    pthread_rwlock_rdlock(&authorizer->rbac_lock);
    struct rbac_rules held = rbac_rules_of(authorizer->rbac, user, namespace, arena);
    int status = rbac_rules_cover(arena, &held, wanted, ret_missing);
    pthread_rwlock_unlock(&authorizer->rbac_lock);
    return status;
}

int authorizer_covers_role(struct authorizer *authorizer, struct arena *arena,
                           const struct user *user, const char *namespace, const char *kind,
                           const char *name, const char **ret_missing)
{
    struct rbac_rules wanted;
    int status = -ENOENT;
    pthread_rwlock_rdlock(&authorizer->rbac_lock);
    if (rbac_rules_of_role(authorizer->rbac, namespace, kind, name, arena, &wanted)) {
        struct rbac_rules held = rbac_rules_of(authorizer->rbac, user, namespace, arena);
        status = rbac_rules_cover(arena, &held, &wanted, ret_missing);
    }
    pthread_rwlock_unlock(&authorizer->rbac_lock);
    return status;
}
