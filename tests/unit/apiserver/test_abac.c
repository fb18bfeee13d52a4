/* Policies of the mode ABAC: whom they mean, what they allow, and what is no policy. */
#include "apiserver/abac.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define HEAD                                                                                       \
    "{\"apiVersion\":\"abac.authorization.kubernetes.io/v1beta1\",\"kind\":\"Policy\",\"spec\":"
#define POLICY(spec) HEAD "{" spec "}}\n"

Suite *abac_suite(void);

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static struct abac parsed(const char *text)
{
    struct abac abac;
    CLEANUP(error_release) struct error error = {0};
    ck_assert_msg(abac_parse(arena, slice_text(text), &abac, &error) == 0, "%s: %s", text,
                  error_message(&error));
    return abac;
}

static const struct user *user_of(const char *name, const char *group)
{
    const char *const groups[] = {group};
    return user_new(arena, name, "", groups, group[0] == 0 ? 0 : 1);
}

static struct access access_of(const char *verb, const char *group, const char *resource,
                               const char *namespace)
{
    return (struct access){.verb = verb,
                           .is_resource = true,
                           .group = group,
                           .resource = resource,
                           .subresource = "",
                           .namespace = namespace,
                           .name = ""};
}

static const struct {
    const char *policies, *user, *group, *verb, *resource, *namespace;
    bool allowed;
} questions[] = {
#define ALL "\"namespace\":\"*\",\"resource\":\"*\",\"apiGroup\":\"*\""
    {POLICY("\"user\":\"ann\"," ALL), "ann", "", "delete", "pods", "a", true},
    {POLICY("\"user\":\"ann\"," ALL), "bob", "", "get", "pods", "a", false},
    {POLICY("\"group\":\"ops\"," ALL), "bob", "ops", "create", "nodes", "", true},
    {POLICY("\"user\":\"ann\",\"group\":\"ops\"," ALL), "ann", "", "get", "pods", "a", false},
    {POLICY("\"user\":\"ann\",\"group\":\"ops\"," ALL), "ann", "ops", "get", "pods", "a", true},
    {POLICY(ALL), "ann", "ops", "get", "pods", "a", false},
    /* Any user is one that has said who he is. */
    {POLICY("\"user\":\"*\"," ALL), "bob", "", "get", "pods", "a", true},
    {POLICY("\"group\":\"*\"," ALL), "bob", "", "get", "pods", "a", true},
    {POLICY("\"user\":\"*\"," ALL), "system:anonymous", "system:unauthenticated", "get", "pods",
     "a", false},
    {POLICY("\"user\":\"ann\",\"readonly\":true," ALL), "ann", "", "watch", "pods", "a", true},
    {POLICY("\"user\":\"ann\",\"readonly\":true," ALL), "ann", "", "update", "pods", "a", false},
    {POLICY("\"user\":\"ann\",\"namespace\":\"a\",\"resource\":\"pods\""), "ann", "", "get", "pods",
     "a", true},
    {POLICY("\"user\":\"ann\",\"namespace\":\"a\",\"resource\":\"pods\""), "ann", "", "get", "pods",
     "b", false},
    {POLICY("\"user\":\"ann\",\"namespace\":\"a\",\"resource\":\"pods\""), "ann", "", "get",
     "secrets", "a", false},
    {POLICY("\"user\":\"ann\",\"resource\":\"nodes\""), "ann", "", "get", "nodes", "", true},
    {POLICY("\"user\":\"ann\",\"nonResourcePath\":\"*\""), "ann", "", "get", "pods", "a", false},
    /* The first that matches is enough; what says nothing is skipped. */
    {"# these\n\n" POLICY("\"user\":\"bob\"," ALL) "  \r\n" POLICY("\"user\":\"ann\"," ALL), "ann",
     "", "get", "pods", "a", true},
    {"", "ann", "", "get", "pods", "a", false},
};

START_TEST(a_policy_allows_what_it_names)
{
    const struct abac abac = parsed(questions[_i].policies);
    const struct access access =
        access_of(questions[_i].verb, "", questions[_i].resource, questions[_i].namespace);
    ck_assert_msg(abac_allows(&abac, user_of(questions[_i].user, questions[_i].group), &access) ==
                      questions[_i].allowed,
                  "%s", questions[_i].policies);
}
END_TEST

START_TEST(a_policy_is_of_its_api_group)
{
    const struct abac abac = parsed(
        POLICY("\"user\":\"ann\",\"namespace\":\"*\",\"resource\":\"*\",\"apiGroup\":\"apps\""));
    const struct access apps = access_of("get", "apps", "deployments", "a");
    const struct access core = access_of("get", "", "pods", "a");
    ck_assert(abac_allows(&abac, user_of("ann", ""), &apps));
    ck_assert(!abac_allows(&abac, user_of("ann", ""), &core));
}
END_TEST

START_TEST(paths_match_as_they_are_or_up_to_their_star)
{
    static const struct {
        const char *policy, *path;
        bool allowed;
    } paths[] = {
        {"/healthz", "/healthz", true}, {"/healthz", "/healthz/ping", false},
        {"/logs/*", "/logs/a", true},   {"/logs/*", "/logs", false},
        {"*", "/metrics", true},        {"", "/metrics", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const struct abac abac = parsed(arena_printf(
            arena, POLICY("\"user\":\"ann\",\"readonly\":true,\"nonResourcePath\":\"%s\""),
            paths[i].policy));
        struct access access = {.verb = "get", .path = paths[i].path};
        ck_assert(abac_allows(&abac, user_of("ann", ""), &access) == paths[i].allowed);
        access.verb = "post";
        ck_assert(!abac_allows(&abac, user_of("ann", ""), &access));
    }
}
END_TEST

START_TEST(what_is_no_policy_is_refused_with_its_line)
{
    static const struct {
        const char *text, *reason;
    } wrong[] = {
        {"# one\nnonsense\n", "line 2: "},
        {"{\"user\":\"ann\"}", "line 1: "},
        {POLICY("\"user\":\"ann\"") POLICY("\"readOnly\":true"), "line 2: spec.readOnly: unknown"},
        {POLICY("\"user\":1"), "line 1: spec.user: must be text"},
        {HEAD "[]}", "line 1: spec"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"Policy\"}", "line 1: "},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct abac abac;
        CLEANUP(error_release) struct error error = {0};
        ck_assert_int_eq(abac_parse(arena, slice_text(wrong[i].text), &abac, &error), -EINVAL);
        ck_assert_msg(strstr(error_message(&error), wrong[i].reason) != NULL, "%s lacks %s",
                      error_message(&error), wrong[i].reason);
    }
}
END_TEST

START_TEST(policies_are_shown_as_rules)
{
    const struct abac abac = parsed(
        POLICY("\"user\":\"ann\",\"namespace\":\"a\",\"resource\":\"pods\",\"readonly\":true")
            POLICY("\"user\":\"ann\",\"namespace\":\"b\",\"resource\":\"pods\"")
                POLICY("\"group\":\"*\",\"namespace\":\"*\",\"nonResourcePath\":\"/logs\""));
    const struct rbac_rules rules = abac_rules(arena, &abac, user_of("ann", ""), "a");
    ck_assert_uint_eq(rules.count, 2);
    ck_assert_str_eq(rules.items[0]->resources[0], "pods");
    ck_assert_uint_eq(rules.items[0]->n_verbs, 3);
    ck_assert_str_eq(rules.items[1]->non_resource_urls[0], "/logs");
    ck_assert_str_eq(rules.items[1]->verbs[0], "*");
}
END_TEST

Suite *abac_suite(void)
{
    Suite *suite = suite_create("apiserver/abac");
    TCase *tcase = tcase_create("policies");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_policy_allows_what_it_names, 0, ARRAY_LEN(questions));
    tcase_add_test(tcase, a_policy_is_of_its_api_group);
    tcase_add_test(tcase, paths_match_as_they_are_or_up_to_their_star);
    tcase_add_test(tcase, what_is_no_policy_is_refused_with_its_line);
    tcase_add_test(tcase, policies_are_shown_as_rules);
    suite_add_tcase(suite, tcase);
    return suite;
}
