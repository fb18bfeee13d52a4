#include "apiserver/rbac.h"

#include "apiserver/limits.h"
#include "lib/api/status.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/hash_map.h"
#include "lib/base/list.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct role {
    const void *owner;
    Rbac__V1__PolicyRule *const *rules;
    size_t count;
};

/* A binding hangs in the list of each of its subjects, by one link per subject. */
struct binding {
    const void *owner;
    char *namespace;
    char *name;
    char *role_key; /* In rbac.roles. */
    const Rbac__V1__RoleRef *role;
    struct link *links;
    size_t link_count;
};

struct link {
    struct list node; /* In a place's list. */
    struct binding *binding;
    const Rbac__V1__Subject *subject;
    struct subject *holder;
    struct place *place;
};

/* The bindings of one subject in one namespace. */
struct place {
    char *namespace;
    struct list links;
};

struct subject {
    struct list cluster;         /* Links of ClusterRoleBindings. */
    struct hash_map *namespaces; /* To struct place; NULL without RoleBindings. */
    size_t link_count;
};

struct rbac {
    uint64_t seed;
    struct hash_map *roles;    /* By "namespace/name". */
    struct hash_map *bindings; /* The same. */
    /* ServiceAccounts are users by their full name. */
    struct hash_map *users;
    struct hash_map *groups;
};

static bool is(const char *text, const char *value)
{
    return text != NULL && strcmp(text, value) == 0;
}

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

struct rbac *rbac_new(uint64_t seed)
{
    struct rbac *rbac = alloc_zeroed(sizeof(*rbac));
    rbac->seed = seed;
    rbac->roles = hash_map_new(seed);
    rbac->bindings = hash_map_new(seed);
    rbac->users = hash_map_new(seed);
    rbac->groups = hash_map_new(seed);
    return rbac;
}

static char *key_of(const char *namespace, const char *name)
{
    return alloc_printf("%s/%s", namespace, name); /* Neither may hold a slash. */
}

/* --- Roles --- */

static const void *role_free(struct role *role)
{
    const void *owner = role == NULL ? NULL : role->owner;
    free(role);
    return owner;
}

const void *rbac_set_role(struct rbac *rbac, const char *namespace, const char *name,
                          Rbac__V1__PolicyRule *const *rules, size_t rule_count, const void *owner)
{
    struct role *role = alloc_zeroed(sizeof(*role));
    *role = (struct role){.owner = owner, .rules = rules, .count = rule_count};
    CLEANUP(alloc_freep) char *key = key_of(namespace, name);
    return role_free(hash_map_set(rbac->roles, slice_text(key), role));
}

const void *rbac_remove_role(struct rbac *rbac, const char *namespace, const char *name)
{
    CLEANUP(alloc_freep) char *key = key_of(namespace, name);
    return role_free(hash_map_remove(rbac->roles, slice_text(key)));
}

/* --- Subjects and their bindings --- */

/* The map that a subject is in and its key there, heap memory; NULL for kinds that nobody has. */
static struct hash_map *map_of(const struct rbac *rbac, const char *binding_namespace,
                               const Rbac__V1__Subject *subject, char **ret_key)
{
    const char *name = or_empty(subject->name);
    if (is(subject->kind, "User") || is(subject->kind, "Group")) {
        *ret_key = alloc_text(name);
        return is(subject->kind, "User") ? rbac->users : rbac->groups;
    }
    if (is(subject->kind, "ServiceAccount")) {
        const char *namespace = or_empty(subject->namespace_);
        namespace = namespace[0] == 0 ? binding_namespace : namespace;
        if (namespace[0] == 0) {
            return NULL;
        }
        *ret_key = alloc_printf("system:serviceaccount:%s:%s", namespace, name);
        return rbac->users;
    }
    return NULL;
}

static struct list *place_of(struct subject *subject, uint64_t seed, const char *namespace,
                             struct place **ret_place)
{
    *ret_place = NULL;
    if (namespace[0] == 0) {
        return &subject->cluster;
    }
    if (subject->namespaces == NULL) {
        subject->namespaces = hash_map_new(seed);
    }
    struct place *place = hash_map_get(subject->namespaces, slice_text(namespace));
    if (place == NULL) {
        place = alloc_zeroed(sizeof(*place));
        place->namespace = alloc_text(namespace);
        list_init(&place->links);
        (void)hash_map_set(subject->namespaces, slice_text(namespace), place);
    }
    *ret_place = place;
    return &place->links;
}

static void link_subject(struct rbac *rbac, struct binding *binding, struct link *link,
                         const Rbac__V1__Subject *subject)
{
    CLEANUP(alloc_freep) char *key = NULL;
    list_init(&link->node);
    link->binding = binding;
    link->subject = subject;
    struct hash_map *map = map_of(rbac, binding->namespace, subject, &key);
    if (map == NULL) {
        return;
    }
    struct subject *holder = hash_map_get(map, slice_text(key));
    if (holder == NULL) {
        holder = alloc_zeroed(sizeof(*holder));
        list_init(&holder->cluster);
        (void)hash_map_set(map, slice_text(key), holder);
    }
    link->holder = holder;
    list_push_back(place_of(holder, rbac->seed, binding->namespace, &link->place), &link->node);
    holder->link_count++;
}

static void drop_place(struct subject *holder, struct place *place)
{
    if (place != NULL && list_empty(&place->links)) {
        (void)hash_map_remove(holder->namespaces, slice_text(place->namespace));
        free(place->namespace);
        free(place);
    }
}

static void unlink_subject(struct rbac *rbac, struct link *link)
{
    struct subject *holder = link->holder;
    CLEANUP(alloc_freep) char *key = NULL;
    if (holder == NULL) {
        return;
    }
    list_remove(&link->node);
    drop_place(holder, link->place);
    if (--holder->link_count == 0) {
        struct hash_map *map = map_of(rbac, link->binding->namespace, link->subject, &key);
        (void)hash_map_remove(map, slice_text(key));
        hash_map_free(holder->namespaces);
        free(holder);
    }
}

static const void *binding_free(struct rbac *rbac, struct binding *binding)
{
    if (binding == NULL) {
        return NULL;
    }
    const void *owner = binding->owner;
    for (size_t i = 0; i < binding->link_count; i++) {
        unlink_subject(rbac, &binding->links[i]);
    }
    free(binding->links);
    free(binding->namespace);
    free(binding->name);
    free(binding->role_key);
    free(binding);
    return owner;
}

static const char *role_namespace(const char *namespace, const Rbac__V1__RoleRef *role)
{
    return is(role->kind, "Role") ? namespace : "";
}

const void *rbac_set_binding(struct rbac *rbac, const char *namespace, const char *name,
                             const Rbac__V1__RoleRef *role, Rbac__V1__Subject *const *subjects,
                             size_t subject_count, const void *owner)
{
    struct binding *binding = alloc_zeroed(sizeof(*binding));
    *binding =
        (struct binding){.owner = owner,
                         .namespace = alloc_text(namespace),
                         .name = alloc_text(name),
                         .role_key = key_of(role_namespace(namespace, role), or_empty(role->name)),
                         .role = role,
                         .links = alloc_array(subject_count, sizeof(struct link)),
                         .link_count = subject_count};
    CLEANUP(alloc_freep) char *key = key_of(namespace, name);
    const void *before = binding_free(rbac, hash_map_remove(rbac->bindings, slice_text(key)));
    (void)hash_map_set(rbac->bindings, slice_text(key), binding);
    for (size_t i = 0; i < subject_count; i++) {
        link_subject(rbac, binding, &binding->links[i], subjects[i]);
    }
    return before;
}

const void *rbac_remove_binding(struct rbac *rbac, const char *namespace, const char *name)
{
    CLEANUP(alloc_freep) char *key = key_of(namespace, name);
    return binding_free(rbac, hash_map_remove(rbac->bindings, slice_text(key)));
}

void rbac_clear_kind(struct rbac *rbac, bool namespaced, bool roles,
                     void (*release)(const void *owner))
{
    struct hash_map *map = roles ? rbac->roles : rbac->bindings;
    struct slice key;
    void *value = NULL;
    for (size_t at = 0; hash_map_next(map, &at, &key, &value);) {
        if ((key.data[0] != '/') == namespaced) {
            (void)hash_map_remove(map, key);
            release(roles ? role_free(value) : binding_free(rbac, value));
        }
    }
}

static void release_nothing(const void *owner)
{
    (void)owner;
}

void rbac_free(struct rbac *rbac, void (*release)(const void *owner))
{
    if (rbac == NULL) {
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        rbac_clear_kind(rbac, (i & 1) != 0, (i & 2) != 0,
                        release == NULL ? release_nothing : release);
    }
    assert(hash_map_count(rbac->users) == 0); /* Every link is gone, and its holder with it. */
    assert(hash_map_count(rbac->groups) == 0);
    hash_map_free(rbac->bindings);
    hash_map_free(rbac->roles);
    hash_map_free(rbac->users);
    hash_map_free(rbac->groups);
    free(rbac);
}

/* --- Walking over what binds a user --- */

/* Returns false to stop. `role` is NULL when it does not exist. */
typedef bool each_bound(void *data, const struct link *link, const struct role *role);

static bool walk_links(const struct rbac *rbac, const struct list *links, each_bound *each,
                       void *data)
{
    LIST_FOREACH(node, next, links)
    {
        const struct link *link = LIST_ENTRY(node, struct link, node);
        if (!each(data, link, hash_map_get(rbac->roles, slice_text(link->binding->role_key)))) {
            return false;
        }
    }
    return true;
}

static const struct list *links_of(const struct hash_map *map, const char *name,
                                   const char *namespace)
{
    const struct subject *subject = hash_map_get(map, slice_text(name));
    if (subject == NULL || namespace[0] == 0) {
        return subject == NULL ? NULL : &subject->cluster;
    }
    const struct place *place = subject->namespaces == NULL
                                    ? NULL
                                    : hash_map_get(subject->namespaces, slice_text(namespace));
    return place == NULL ? NULL : &place->links;
}

/* Bindings of the namespace, or of the cluster for "". */
static bool walk_at(const struct rbac *rbac, const struct user *user, const char *namespace,
                    each_bound *each, void *data)
{
    const struct list *links = links_of(rbac->users, user->name, namespace);
    bool on = links == NULL || walk_links(rbac, links, each, data);
    for (size_t i = 0; on && i < user->group_count; i++) {
        links = links_of(rbac->groups, user->groups[i], namespace);
        on = links == NULL || walk_links(rbac, links, each, data);
    }
    return on;
}

static void walk(const struct rbac *rbac, const struct user *user, const char *namespace,
                 each_bound *each, void *data)
{
    if (walk_at(rbac, user, "", each, data) && namespace[0] != 0) {
        (void)walk_at(rbac, user, namespace, each, data);
    }
}

/* --- Questions --- */

struct question {
    const struct access *access;
    const struct link *granted;
    const struct link *missing[RBAC_MISSING_ROLES_SHOWN];
    size_t missing_count;
};

static bool same_role(const struct link *a, const struct link *b)
{
    return strcmp(a->binding->role_key, b->binding->role_key) == 0;
}

static void note_missing(struct question *question, const struct link *link)
{
    for (size_t i = 0; i < question->missing_count; i++) {
        if (same_role(question->missing[i], link)) {
            return;
        }
    }
    if (question->missing_count < RBAC_MISSING_ROLES_SHOWN) {
        question->missing[question->missing_count++] = link;
    }
}

static bool grants(void *data, const struct link *link, const struct role *role)
{
    struct question *question = data;
    if (role == NULL) {
        note_missing(question, link);
        return true;
    }
    for (size_t i = 0; i < role->count; i++) {
        if (rbac_rule_allows(role->rules[i], question->access)) {
            question->granted = link;
            return false;
        }
    }
    return true;
}

static const char *missing_text(struct arena *arena, const struct question *question)
{
    const char **texts = arena_array(arena, question->missing_count, sizeof(*texts));
    for (size_t i = 0; i < question->missing_count; i++) {
        const Rbac__V1__RoleRef *role = question->missing[i]->binding->role;
        texts[i] =
            arena_printf(arena, "%s.rbac.authorization.k8s.io \"%s\" not found",
                         is(role->kind, "Role") ? "role" : "clusterrole", or_empty(role->name));
    }
    const char *text = arena_join(arena, texts, question->missing_count, ", ");
    return question->missing_count == 0   ? ""
           : question->missing_count == 1 ? arena_printf(arena, "RBAC: %s", text)
                                          : arena_printf(arena, "RBAC: [%s]", text);
}

bool rbac_allows(const struct rbac *rbac, const struct user *user, const struct access *access,
                 struct arena *arena, struct rbac_grant *ret_grant, const char **ret_missing)
{
    struct question question = {.access = access};
    walk(rbac, user, access->is_resource ? access->namespace : "", grants, &question);
    if (question.granted != NULL) {
        const struct binding *binding = question.granted->binding;
        *ret_grant = (struct rbac_grant){.binding_namespace = binding->namespace,
                                         .binding = binding->name,
                                         .role = binding->role,
                                         .subject = question.granted->subject};
        return true;
    }
    if (ret_missing != NULL) {
        *ret_missing = missing_text(arena, &question);
    }
    return false;
}

const char *rbac_grant_text(struct arena *arena, const struct rbac_grant *grant)
{
    bool cluster = grant->binding_namespace[0] == 0;
    const Rbac__V1__Subject *subject = grant->subject;
    const char *who = or_empty(subject->name);
    if (is(subject->kind, "ServiceAccount")) {
        who = arena_printf(arena, "%s/%s", who, or_empty(subject->namespace_));
    }
    const char *binding =
        cluster ? grant->binding
                : arena_printf(arena, "%s/%s", grant->binding, grant->binding_namespace);
    return arena_printf(arena, "RBAC: allowed by %s \"%s\" of %s \"%s\" to %s \"%s\"",
                        cluster ? "ClusterRoleBinding" : "RoleBinding", binding,
                        or_empty(grant->role->kind), or_empty(grant->role->name),
                        or_empty(subject->kind), who);
}

struct collection {
    struct arena *arena;
    const Rbac__V1__PolicyRule **items;
    size_t count, room;
};

static bool collect(void *data, const struct link *link, const struct role *role)
{
    struct collection *collection = data;
    size_t more = role == NULL ? 0 : role->count;
    (void)link;
    if (collection->count + more > collection->room) {
        size_t room = 2 * (collection->count + more);
        const Rbac__V1__PolicyRule **items = arena_array(collection->arena, room, sizeof(*items));
        if (collection->count > 0) {
            memcpy(items, collection->items, collection->count * sizeof(*items));
        }
        collection->items = items;
        collection->room = room;
    }
    for (size_t i = 0; i < more; i++) {
        collection->items[collection->count++] = role->rules[i];
    }
    return true;
}

struct rbac_rules rbac_rules_of(const struct rbac *rbac, const struct user *user,
                                const char *namespace, struct arena *arena)
{
    struct collection collection = {.arena = arena};
    walk(rbac, user, namespace, collect, &collection);
    return (struct rbac_rules){.items = collection.items, .count = collection.count};
}

bool rbac_rules_of_role(const struct rbac *rbac, const char *namespace, const char *kind,
                        const char *name, struct arena *arena, struct rbac_rules *ret_rules)
{
    CLEANUP(alloc_freep) char *key = key_of(is(kind, "Role") ? namespace : "", name);
    const struct role *role = hash_map_get(rbac->roles, slice_text(key));
    if (role == NULL) {
        return false;
    }
    struct collection collection = {.arena = arena};
    (void)collect(&collection, NULL, role);
    *ret_rules = (struct rbac_rules){.items = collection.items, .count = collection.count};
    return true;
}
