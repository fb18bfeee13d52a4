/* Role-based access control: what rules allow, who is bound, what may be granted on; and that the
 * index decides as a plain walk over all roles and bindings does. */
#include "apiserver/rbac.h"

#include "apiserver/limits.h"
#include "apiserver/rbac_defaults.h"
#include "lib/api/object.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct arena *arena;
static struct rbac *rbac;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
    rbac = rbac_new(1);
}

static void teardown(void)
{
    rbac_free(rbac, NULL);
    arena_free(arena);
}

static void *decoded(const char *kind, const char *json)
{
    void *message = NULL;
    char name[80];
    (void)snprintf(name, sizeof(name), "k8s.io.api.rbac.v1.%s", kind);
    const struct api_message *table = api_message_find(name);
    ck_assert_ptr_nonnull(table);
    ck_assert_int_eq(api_decode_json(arena, table, slice_text(json), NULL, &message, NULL), 0);
    return message;
}

static struct access resource(const char *verb, const char *group, const char *name_of_resource,
                              const char *subresource, const char *namespace, const char *name)
{
    return (struct access){.verb = verb,
                           .is_resource = true,
                           .group = group,
                           .resource = name_of_resource,
                           .subresource = subresource,
                           .namespace = namespace,
                           .name = name,
                           .path = ""};
}

static struct access path_of(const char *verb, const char *path)
{
    struct access access = resource(verb, "", "", "", "", "");
    access.is_resource = false;
    access.path = path;
    return access;
}

static bool allows(const char *rule_json, struct access access)
{
    return rbac_rule_allows(decoded("PolicyRule", rule_json), &access);
}

START_TEST(a_rule_allows_what_it_names_and_what_stars_stand_for)
{
    static const char pods[] =
        "{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}";
    ck_assert(allows(pods, resource("get", "", "pods", "", "a", "p")));
    ck_assert(!allows(pods, resource("list", "", "pods", "", "a", "")));
    ck_assert(!allows(pods, resource("get", "apps", "pods", "", "a", "p")));
    ck_assert(!allows(pods, resource("get", "", "pods", "log", "a", "p")));
    ck_assert(!allows(pods, path_of("get", "pods")));
    static const char all[] = "{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}";
    ck_assert(allows(all, resource("get", "apps", "deployments", "scale", "a", "x")));
    ck_assert(!allows(all, path_of("get", "/metrics")));
}
END_TEST

START_TEST(a_subresource_is_named_in_full_or_by_a_star_for_its_resource)
{
    static const char rule[] = "{\"verbs\":[\"get\"],\"apiGroups\":[\"*\"],"
                               "\"resources\":[\"pods/status\",\"*/scale\"]}";
    ck_assert(allows(rule, resource("get", "", "pods", "status", "a", "p")));
    ck_assert(allows(rule, resource("get", "apps", "deployments", "scale", "a", "x")));
    ck_assert(!allows(rule, resource("get", "", "pods", "", "a", "p")));
    ck_assert(!allows(rule, resource("get", "", "pods", "log", "a", "p")));
    ck_assert(!allows(rule, resource("get", "", "nodes", "status", "", "n")));
    ck_assert(!allows(rule, resource("get", "apps", "scale", "", "a", "x")));
}
END_TEST

START_TEST(names_limit_a_rule_to_requests_for_one_of_them)
{
    static const char rule[] = "{\"verbs\":[\"get\",\"list\"],\"apiGroups\":[\"\"],\"resources\":"
                               "[\"secrets\"],\"resourceNames\":[\"one\"]}";
    ck_assert(allows(rule, resource("get", "", "secrets", "", "a", "one")));
    ck_assert(!allows(rule, resource("get", "", "secrets", "", "a", "two")));
    ck_assert(!allows(rule, resource("list", "", "secrets", "", "a", "")));
}
END_TEST

START_TEST(a_path_is_named_whole_or_by_its_beginning)
{
    static const char rule[] =
        "{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/healthz\",\"/logs/*\",\"/a*b\"]}";
    ck_assert(allows(rule, path_of("get", "/healthz")));
    ck_assert(!allows(rule, path_of("get", "/healthz/etcd")));
    ck_assert(allows(rule, path_of("get", "/logs/x/y")));
    ck_assert(!allows(rule, path_of("get", "/logs")));
    ck_assert(!allows(rule, path_of("get", "/axb")));
    ck_assert(!allows(rule, path_of("post", "/healthz")));
}
END_TEST

/* --- Bindings --- */

static void role(const char *namespace, const char *name, const char *json)
{
    Rbac__V1__Role *message = decoded("Role", json);
    (void)rbac_set_role(rbac, namespace, name, message->rules, message->n_rules, NULL);
}

static void binding(const char *namespace, const char *name, const char *json)
{
    Rbac__V1__RoleBinding *message = decoded("RoleBinding", json);
    (void)rbac_set_binding(rbac, namespace, name, message->role_ref, message->subjects,
                           message->n_subjects, NULL);
}

static const struct user *user(const char *name, const char *group)
{
    const char **groups = arena_array(arena, 1, sizeof(char *));
    struct user *made = arena_zeroed(arena, sizeof(*made));
    groups[0] = group;
    *made = (struct user){.name = name, .uid = "", .groups = groups, .group_count = group != NULL};
    return made;
}

static bool may_get(const char *name, const char *group, const char *namespace)
{
    struct rbac_grant grant;
    const struct access access = resource("get", "", "pods", "", namespace, "p");
    return rbac_allows(rbac, user(name, group), &access, arena, &grant, NULL);
}

static const char pod_reader[] =
    "{\"rules\":[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}]}";

START_TEST(a_binding_in_a_namespace_grants_there_alone_and_one_of_the_cluster_everywhere)
{
    role("", "reader", pod_reader);
    binding("a", "b",
            "{\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"reader\"},"
            "\"subjects\":[{\"kind\":\"User\",\"name\":\"u\"}]}");
    binding("", "b",
            "{\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"reader\"},"
            "\"subjects\":[{\"kind\":\"Group\",\"name\":\"g\"}]}");
    ck_assert(may_get("u", NULL, "a"));
    ck_assert(!may_get("u", NULL, "b"));
    ck_assert(!may_get("u", NULL, ""));
    ck_assert(may_get("v", "g", "b"));
    ck_assert(may_get("v", "g", ""));
    ck_assert(!may_get("g", NULL, "a")); /* A user is not the group of that name. */
}
END_TEST

START_TEST(a_service_account_is_bound_by_its_names_and_by_default_in_the_namespace_of_the_binding)
{
    role("a", "reader", pod_reader);
    binding("a", "b",
            "{\"roleRef\":{\"kind\":\"Role\",\"name\":\"reader\"},\"subjects\":[{\"kind\":"
            "\"ServiceAccount\",\"name\":\"robot\"},{\"kind\":\"ServiceAccount\","
            "\"name\":\"other\",\"namespace\":\"c\"}]}");
    ck_assert(may_get("system:serviceaccount:a:robot", NULL, "a"));
    ck_assert(may_get("system:serviceaccount:c:other", NULL, "a"));
    ck_assert(!may_get("system:serviceaccount:c:robot", NULL, "a"));
    ck_assert(!may_get("robot", NULL, "a"));
}
END_TEST

START_TEST(a_grant_ends_with_its_binding_its_role_or_its_subject)
{
    role("a", "reader", pod_reader);
    static const char bound[] = "{\"roleRef\":{\"kind\":\"Role\",\"name\":\"reader\"},"
                                "\"subjects\":[{\"kind\":\"User\",\"name\":\"u\"}]}";
    binding("a", "b", bound);
    (void)rbac_remove_binding(rbac, "a", "b");
    ck_assert(!may_get("u", NULL, "a"));
    binding("a", "b", bound);
    binding("a", "b", "{\"roleRef\":{\"kind\":\"Role\",\"name\":\"reader\"},\"subjects\":[]}");
    ck_assert(!may_get("u", NULL, "a"));
    binding("a", "b", bound);
    ck_assert(may_get("u", NULL, "a"));
    (void)rbac_remove_role(rbac, "a", "reader");
    ck_assert(!may_get("u", NULL, "a"));
    role("a", "reader", "{\"rules\":[]}");
    ck_assert(!may_get("u", NULL, "a"));
}
END_TEST

START_TEST(a_bound_role_that_does_not_exist_is_named_in_the_refusal)
{
    struct rbac_grant grant;
    const char *missing = NULL;
    const struct access access = resource("get", "", "pods", "", "a", "p");
    binding("a", "b",
            "{\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"none\"},"
            "\"subjects\":[{\"kind\":\"User\",\"name\":\"u\"}]}");
    ck_assert(!rbac_allows(rbac, user("u", NULL), &access, arena, &grant, &missing));
    ck_assert_str_eq(missing, "RBAC: clusterrole.rbac.authorization.k8s.io \"none\" not found");
    ck_assert(!rbac_allows(rbac, user("v", NULL), &access, arena, &grant, &missing));
    ck_assert_str_eq(missing, "");
}
END_TEST

START_TEST(a_grant_says_which_binding_of_which_role_to_whom)
{
    struct rbac_grant grant;
    const struct access access = resource("get", "", "pods", "", "a", "p");
    role("", "reader", pod_reader);
    binding("a", "b",
            "{\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"reader\"},"
            "\"subjects\":[{\"kind\":\"User\",\"name\":\"u\"}]}");
    ck_assert(rbac_allows(rbac, user("u", NULL), &access, arena, &grant, NULL));
    ck_assert_str_eq(
        rbac_grant_text(arena, &grant),
        "RBAC: allowed by RoleBinding \"b/a\" of ClusterRole \"reader\" to User \"u\"");
}
END_TEST

/* --- Granting on --- */

static int covers(const char *held_json, const char *wanted_json, const char **ret_missing)
{
    const Rbac__V1__Role *held = decoded("Role", held_json), *wanted = decoded("Role", wanted_json);
    const struct rbac_rules have = {(const Rbac__V1__PolicyRule *const *)held->rules,
                                    held->n_rules};
    const struct rbac_rules want = {(const Rbac__V1__PolicyRule *const *)wanted->rules,
                                    wanted->n_rules};
    return rbac_rules_cover(arena, &have, &want, ret_missing);
}

START_TEST(rules_cover_what_several_of_them_hold_together)
{
    const char *missing = NULL;
    static const char held[] =
        "{\"rules\":[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]},"
        "{\"verbs\":[\"list\"],\"apiGroups\":[\"*\"],\"resources\":[\"*/scale\",\"pods\"]},"
        "{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/logs/*\"]}]}";
    ck_assert_int_eq(covers(held,
                            "{\"rules\":[{\"verbs\":[\"get\",\"list\"],\"apiGroups\":[\"\"],"
                            "\"resources\":[\"pods\"],\"resourceNames\":[\"x\"]},{\"verbs\":"
                            "[\"list\"],\"apiGroups\":[\"apps\"],\"resources\":"
                            "[\"deployments/scale\"]},{\"verbs\":[\"get\"],"
                            "\"nonResourceURLs\":[\"/logs/x*\"]}]}",
                            &missing),
                     0);
    ck_assert_int_eq(covers(held,
                            "{\"rules\":[{\"verbs\":[\"get\",\"watch\",\"delete\"],\"apiGroups\":"
                            "[\"\"],\"resources\":[\"pods\"]},{\"verbs\":[\"get\"],"
                            "\"nonResourceURLs\":[\"*\"]}]}",
                            &missing),
                     -EACCES);
    ck_assert_str_eq(missing, "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"watch\" "
                              "\"delete\"]}\n{NonResourceURLs:[\"*\"], Verbs:[\"get\"]}");
}
END_TEST

START_TEST(a_permission_for_some_names_covers_none_for_all_names)
{
    const char *missing = NULL;
    ck_assert_int_eq(
        covers("{\"rules\":[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\"],"
               "\"resourceNames\":[\"a\"]}]}",
               "{\"rules\":[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\"]}"
               "]}",
               &missing),
        -EACCES);
    ck_assert_str_eq(missing, "{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}");
}
END_TEST

/* The class of CVE-2019-11253: a small body that makes the server work without bound. */
START_TEST(a_rule_that_multiplies_to_too_many_permissions_is_not_taken_apart)
{
    const char *missing = NULL;
    Rbac__V1__PolicyRule rule;
    rbac__v1__policy_rule__init(&rule);
    char **texts = arena_array(arena, 1000, sizeof(char *));
    for (size_t i = 0; i < 1000; i++) {
        texts[i] = arena_printf(arena, "x%zu", i);
    }
    rule.verbs = rule.api_groups = rule.resources = rule.resource_names = texts;
    rule.n_verbs = rule.n_api_groups = rule.n_resources = rule.n_resource_names = 1000;
    const Rbac__V1__PolicyRule *one = &rule;
    const struct rbac_rules wanted = {&one, 1}, none = {NULL, 0};
    ck_assert_int_eq(rbac_rules_cover(arena, &none, &wanted, &missing), -E2BIG);
    ck_assert_ptr_null(missing);
}
END_TEST

/* --- The index against a plain walk --- */

enum { NAMES = 3, ROLES = 8, BINDINGS = 12, SUBJECTS_MAX = 3, QUESTIONS = 60, WORLDS = 300 };
static const char *const spaces[] = {"", "n1", "n2"};
static const char *const verbs[] = {"get", "list", "*"};
static const char *const resources[] = {"pods", "pods/status", "*/status", "*"};
static const char *const people[] = {"u1", "u2", "system:serviceaccount:n1:s"};
static const char *const groups_of_people[] = {"g1", "g2"};

static unsigned state;

static unsigned pick(unsigned count)
{
    state = state * 1103515245u + 12345u;
    return (state >> 16) % count;
}

struct world {
    Rbac__V1__Role *roles[ROLES];
    const char *role_spaces[ROLES];
    Rbac__V1__RoleBinding *bindings[BINDINGS];
    const char *binding_spaces[BINDINGS];
};

static Rbac__V1__Role *random_role(void)
{
    return decoded("Role",
                   arena_printf(arena,
                                "{\"rules\":[{\"verbs\":[\"%s\"],\"apiGroups\":[\"\"],"
                                "\"resources\":[\"%s\"]%s},{\"verbs\":[\"%s\"],\"apiGroups\":"
                                "[\"%s\"],\"resources\":[\"%s\"]}]}",
                                verbs[pick(3)], resources[pick(4)],
                                pick(3) == 0 ? ",\"resourceNames\":[\"p\"]" : "", verbs[pick(3)],
                                pick(2) == 0 ? "apps" : "*", resources[pick(4)]));
}

static const char *random_subject(void)
{
    switch (pick(4)) {
    case 0:
        return arena_printf(arena, "{\"kind\":\"Group\",\"name\":\"%s\"}",
                            groups_of_people[pick(2)]);
    case 1:
        return arena_printf(arena, "{\"kind\":\"ServiceAccount\",\"name\":\"s\"%s}",
                            pick(2) == 0 ? ",\"namespace\":\"n1\"" : "");
    default:
        return arena_printf(arena, "{\"kind\":\"User\",\"name\":\"%s\"}", people[pick(3)]);
    }
}

static Rbac__V1__RoleBinding *random_binding(void)
{
    const char *list = "";
    unsigned count = pick(SUBJECTS_MAX + 1);
    for (unsigned i = 0; i < count; i++) {
        list = arena_printf(arena, "%s%s%s", list, i == 0 ? "" : ",", random_subject());
    }
    return decoded("RoleBinding",
                   arena_printf(arena,
                                "{\"roleRef\":{\"kind\":\"%s\",\"name\":\"r%u\"},"
                                "\"subjects\":[%s]}",
                                pick(2) == 0 ? "Role" : "ClusterRole", pick(ROLES), list));
}

/* Every change goes to the index and to the plain world. */
static void change(struct world *world)
{
    unsigned at = pick(BINDINGS);
    char name[16];
    if (pick(2) == 0) {
        at = pick(ROLES);
        (void)snprintf(name, sizeof(name), "r%u", at);
        (void)rbac_remove_role(rbac, world->role_spaces[at], name);
        world->role_spaces[at] = spaces[pick(NAMES)];
        world->roles[at] = pick(5) == 0 ? NULL : random_role();
        if (world->roles[at] != NULL) {
            (void)rbac_set_role(rbac, world->role_spaces[at], name, world->roles[at]->rules,
                                world->roles[at]->n_rules, NULL);
        }
        return;
    }
    (void)snprintf(name, sizeof(name), "b%u", at);
    (void)rbac_remove_binding(rbac, world->binding_spaces[at], name);
    world->binding_spaces[at] = spaces[pick(NAMES)];
    world->bindings[at] = pick(5) == 0 ? NULL : random_binding();
    if (world->bindings[at] != NULL) {
        Rbac__V1__RoleBinding *made = world->bindings[at];
        (void)rbac_set_binding(rbac, world->binding_spaces[at], name, made->role_ref,
                               made->subjects, made->n_subjects, NULL);
    }
}

static bool is_subject(const Rbac__V1__Subject *subject, const char *space, const struct user *who)
{
    if (strcmp(subject->kind, "Group") == 0) {
        return user_in_group(who, subject->name);
    }
    if (strcmp(subject->kind, "User") == 0) {
        return strcmp(who->name, subject->name) == 0;
    }
    const char *own =
        subject->namespace_ == NULL || subject->namespace_[0] == 0 ? space : subject->namespace_;
    return own[0] != 0 && strcmp(who->name, arena_printf(arena, "system:serviceaccount:%s:%s", own,
                                                         subject->name)) == 0;
}

static bool role_allows(const struct world *world, const char *space,
                        const Rbac__V1__RoleRef *reference, const struct access *access)
{
    const char *where = strcmp(reference->kind, "Role") == 0 ? space : "";
    unsigned at = (unsigned)atoi(reference->name + 1);
    const Rbac__V1__Role *found = world->roles[at];
    bool allowed = false;
    for (size_t i = 0;
         found != NULL && strcmp(world->role_spaces[at], where) == 0 && i < found->n_rules; i++) {
        allowed = allowed || rbac_rule_allows(found->rules[i], access);
    }
    return allowed;
}

static bool plainly_allowed(const struct world *world, const struct user *who,
                            const struct access *access)
{
    bool allowed = false;
    for (size_t i = 0; i < BINDINGS; i++) {
        const Rbac__V1__RoleBinding *each = world->bindings[i];
        const char *space = world->binding_spaces[i];
        bool applies = each != NULL && (space[0] == 0 || strcmp(space, access->namespace) == 0);
        for (size_t j = 0; applies && j < each->n_subjects; j++) {
            allowed = allowed || (is_subject(each->subjects[j], space, who) &&
                                  role_allows(world, space, each->role_ref, access));
        }
    }
    return allowed;
}

START_TEST(the_index_decides_as_a_walk_over_everything)
{
    unsigned yes = 0;
    for (unsigned seed = 0; seed < WORLDS; seed++) {
        struct world world = {.roles = {NULL}};
        state = seed;
        rbac_free(rbac, NULL);
        rbac = rbac_new(seed);
        arena_reset(arena);
        for (size_t i = 0; i < ROLES; i++) {
            world.role_spaces[i] = "";
        }
        for (size_t i = 0; i < BINDINGS; i++) {
            world.binding_spaces[i] = "";
        }
        for (unsigned i = 0; i < QUESTIONS; i++) {
            struct rbac_grant grant;
            change(&world);
            const struct access access = resource(verbs[pick(2)], pick(2) == 0 ? "" : "apps",
                                                  "pods", pick(2) == 0 ? "" : "status",
                                                  spaces[pick(NAMES)], pick(2) == 0 ? "p" : "q");
            const struct user *who =
                user(people[pick(3)], pick(2) == 0 ? NULL : groups_of_people[pick(2)]);
            bool expected = plainly_allowed(&world, who, &access);
            ck_assert_int_eq(rbac_allows(rbac, who, &access, arena, &grant, NULL), expected);
            yes += expected;
        }
    }
    ck_assert_uint_gt(yes, WORLDS * QUESTIONS / 20); /* The worlds are not all empty. */
}
END_TEST

/* --- What every cluster starts with --- */

START_TEST(default_roles_are_whole_and_need_no_repair)
{
    ck_assert_uint_eq(rbac_default_count(), 64 + 45 + 7 + 7);
    for (size_t i = 0; i < rbac_default_count(); i++) {
        void *repaired = NULL;
        const struct default_object each = rbac_default_at(i, arena);
        ck_assert_int_eq(rbac_default_repair(&each, each.message, arena, &repaired),
                         DEFAULT_AS_IT_SHOULD_BE);
        ck_assert_str_eq(api_message_meta(each.kind->message, each.message)->name, each.name);
    }
}
END_TEST

static struct default_object default_named(const char *plural, const char *name)
{
    size_t at = 0;
    struct default_object found = rbac_default_at(at, arena);
    while (strcmp(found.kind->plural, plural) != 0 || strcmp(found.name, name) != 0) {
        found = rbac_default_at(++at, arena);
    }
    return found;
}

static bool cluster_role_allows(const Rbac__V1__ClusterRole *role, struct access access)
{
    bool allowed = false;
    for (size_t i = 0; i < role->n_rules; i++) {
        allowed |= rbac_rule_allows(role->rules[i], &access);
    }
    return allowed;
}

/* CVE-2021-25740: who writes endpoints leads a gateway into namespaces that are not his.
 * CVE-2020-8554: who writes a Service's status takes over any address in the cluster. */
START_TEST(who_may_edit_does_not_say_where_traffic_goes)
{
    static const char *const roles[] = {"system:aggregate-to-edit", "system:aggregate-to-admin"};
    static const char *const writes[] = {"create", "update", "patch"};
    for (size_t i = 0; i < ARRAY_LEN(roles) * ARRAY_LEN(writes); i++) {
        const struct default_object each = default_named("clusterroles", roles[i / 3]);
        const char *verb = writes[i % 3];
        ck_assert(
            !cluster_role_allows(each.message, resource(verb, "", "endpoints", "", "ns", "e")));
        ck_assert(!cluster_role_allows(
            each.message, resource(verb, "discovery.k8s.io", "endpointslices", "", "ns", "e")));
        ck_assert(!cluster_role_allows(each.message,
                                       resource(verb, "", "services", "status", "ns", "s")));
    }
    const struct default_object edit = default_named("clusterroles", roles[0]);
    ck_assert(cluster_role_allows(edit.message, resource("create", "", "services", "", "ns", "s")));
}
END_TEST

START_TEST(a_default_role_gets_back_what_it_lost_and_keeps_what_it_was_given)
{
    const struct default_object wanted = default_named("clusterroles", "system:discovery");
    Rbac__V1__ClusterRole *role_there = decoded(
        "ClusterRole", "{\"metadata\":{\"name\":\"system:discovery\",\"labels\":{\"mine\":\"1\"}},"
                       "\"rules\":[{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/mine\"]}]}");
    void *message = NULL;
    ck_assert_int_eq(rbac_default_repair(&wanted, role_there, arena, &message), DEFAULT_UPDATE);
    const Rbac__V1__ClusterRole *repaired = message;
    ck_assert_uint_eq(repaired->n_rules, 2);
    ck_assert_str_eq(repaired->rules[0]->non_resource_urls[0], "/mine");
    ck_assert_str_eq(api_meta_label(repaired->metadata, "mine"), "1");
    ck_assert_str_eq(api_meta_label(repaired->metadata, "kubernetes.io/bootstrapping"),
                     "rbac-defaults");
    api_meta_set_annotation(arena, role_there->metadata,
                            "rbac.authorization.kubernetes.io/autoupdate", "false");
    ck_assert_int_eq(rbac_default_repair(&wanted, role_there, arena, &message),
                     DEFAULT_AS_IT_SHOULD_BE);
}
END_TEST

START_TEST(a_default_binding_gets_its_subjects_back_and_is_replaced_when_it_names_another_role)
{
    const struct default_object wanted = default_named("clusterrolebindings", "system:basic-user");
    Rbac__V1__ClusterRoleBinding *there = decoded(
        "ClusterRoleBinding", "{\"metadata\":{\"name\":\"system:basic-user\"},\"roleRef\":{"
                              "\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\","
                              "\"name\":\"system:basic-user\"},\"subjects\":[]}");
    void *message = NULL;
    ck_assert_int_eq(rbac_default_repair(&wanted, there, arena, &message), DEFAULT_UPDATE);
    const Rbac__V1__ClusterRoleBinding *repaired = message;
    ck_assert_uint_eq(repaired->n_subjects, 1);
    ck_assert_str_eq(repaired->subjects[0]->name, "system:authenticated");
    there->role_ref->name = arena_text(arena, "cluster-admin");
    ck_assert_int_eq(rbac_default_repair(&wanted, there, arena, &message), DEFAULT_REPLACE);
}
END_TEST

Suite *rbac_suite(void);

Suite *rbac_suite(void)
{
    Suite *suite = suite_create("apiserver/rbac");
    TCase *tcase = tcase_create("rules, bindings, defaults");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_rule_allows_what_it_names_and_what_stars_stand_for);
    tcase_add_test(tcase, a_subresource_is_named_in_full_or_by_a_star_for_its_resource);
    tcase_add_test(tcase, names_limit_a_rule_to_requests_for_one_of_them);
    tcase_add_test(tcase, a_path_is_named_whole_or_by_its_beginning);
    tcase_add_test(tcase,
                   a_binding_in_a_namespace_grants_there_alone_and_one_of_the_cluster_everywhere);
    tcase_add_test(
        tcase,
        a_service_account_is_bound_by_its_names_and_by_default_in_the_namespace_of_the_binding);
    tcase_add_test(tcase, a_grant_ends_with_its_binding_its_role_or_its_subject);
    tcase_add_test(tcase, a_bound_role_that_does_not_exist_is_named_in_the_refusal);
    tcase_add_test(tcase, a_grant_says_which_binding_of_which_role_to_whom);
    tcase_add_test(tcase, rules_cover_what_several_of_them_hold_together);
    tcase_add_test(tcase, a_permission_for_some_names_covers_none_for_all_names);
    tcase_add_test(tcase, a_rule_that_multiplies_to_too_many_permissions_is_not_taken_apart);
    tcase_add_test(tcase, the_index_decides_as_a_walk_over_everything);
    tcase_add_test(tcase, default_roles_are_whole_and_need_no_repair);
    tcase_add_test(tcase, who_may_edit_does_not_say_where_traffic_goes);
    tcase_add_test(tcase, a_default_role_gets_back_what_it_lost_and_keeps_what_it_was_given);
    tcase_add_test(
        tcase, a_default_binding_gets_its_subjects_back_and_is_replaced_when_it_names_another_role);
    suite_add_tcase(suite, tcase);
    return suite;
}
