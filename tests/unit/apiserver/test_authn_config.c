/* AuthenticationConfiguration: what it says becomes what the flags would have said, expressions map
 * and check claims, and what is wrong or not known is refused with its place. */
#include "apiserver/authn_config.h"
#include "apiserver/claim_expressions.h"
#include "apiserver/oidc_claims.h"
#include "lib/api/cel_functions.h"
#include "lib/api/json_value.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define HEAD   "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\n"
#define ISSUER "issuer: {url: \"https://a.test\", audiences: [me]}"
#define NAME   "claimMappings: {username: {claim: sub, prefix: \"a:\"}}"

/* With a name of this form, and what follows it among the mappings; with these rules. */
#define NAMED(name, more) HEAD "jwt: [{" ISSUER ", claimMappings: {username: " name more "}}]\n"
#define RULED(rules)      HEAD "jwt:\n- " ISSUER "\n  " NAME "\n  " rules "\n"

Suite *authn_config_suite(void);

static struct arena *arena;
static struct cel_functions *functions;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
    functions = api_cel_functions_new();
}

static void teardown(void)
{
    cel_functions_unref(functions);
    arena_free(arena);
}

static int try_parse(const char *text, struct authn_config *ret_config, struct error *reterr)
{
    const struct authn_config_scope scope = {functions, "https://own.test"};
    return authn_config_parse(arena, &scope, slice_text(text), ret_config, reterr);
}

static struct authn_config parse(const char *text)
{
    struct authn_config config = {.issuer_count = 0};
    CLEANUP(error_release) struct error error = {0};
    ck_assert_msg(try_parse(text, &config, &error) == 0, "%s", error_message(&error));
    return config;
}

START_TEST(issuers_are_read_as_options)
{
    struct authn_config config = parse(
        HEAD
        "jwt:\n"
        "- issuer: {url: \"https://a.test\", audiences: [me, you], audienceMatchPolicy: MatchAny}\n"
        "  claimMappings:\n"
        "    username: {claim: email, prefix: \"\"}\n"
        "    groups: {claim: roles, prefix: \"a:\"}\n"
        "  claimValidationRules: [{claim: tenant, requiredValue: blue}]\n"
        "- issuer: {url: \"https://b.test\", audiences: [me], certificateAuthority: PEM}\n"
        "  claimMappings: {username: {claim: sub, prefix: \"b:\"}}\n");
    ck_assert_uint_eq(config.issuer_count, 2);
    const struct oidc_options *first = &config.issuers[0];
    ck_assert_str_eq(first->issuer_url, "https://a.test");
    ck_assert_uint_eq(first->audiences.count, 2);
    ck_assert_str_eq(first->audiences.items[1], "you");
    ck_assert_str_eq(first->username_claim, "email");
    ck_assert_str_eq(first->username_prefix, "");
    ck_assert(first->literal_prefix);
    ck_assert_str_eq(first->groups_claim, "roles");
    ck_assert_str_eq(first->groups_prefix, "a:");
    ck_assert_str_eq(first->required_claims.items[0], "tenant=blue");
    ck_assert_ptr_null(first->ca_pem);
    ck_assert_str_eq(config.issuers[1].ca_pem, "PEM");
    ck_assert_str_eq(config.issuers[1].username_prefix, "b:");
    ck_assert_ptr_null(config.issuers[1].groups_claim);
    ck_assert(!config.has_anonymous);
}
END_TEST

START_TEST(nobody_is_let_in_where_it_is_said)
{
    struct authn_config silent = parse(HEAD);
    ck_assert(authn_config_lets_in_nobody(&silent, true, "/api"));
    ck_assert(!authn_config_lets_in_nobody(&silent, false, "/api"));
    struct authn_config never = parse(HEAD "anonymous: {enabled: false}\n");
    ck_assert(!authn_config_lets_in_nobody(&never, true, "/livez"));
    struct authn_config always = parse(HEAD "anonymous: {enabled: true}\n");
    ck_assert(authn_config_lets_in_nobody(&always, false, "/api"));
    struct authn_config some =
        parse(HEAD "anonymous: {enabled: true, conditions: [{path: /livez}, {path: /readyz}]}\n");
    ck_assert(authn_config_lets_in_nobody(&some, false, "/readyz"));
    ck_assert(!authn_config_lets_in_nobody(&some, true, "/readyz/ping"));
    ck_assert(!authn_config_lets_in_nobody(&some, true, "/api"));
}
END_TEST

START_TEST(what_is_wrong_or_not_known_is_refused_with_its_place)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"apiVersion: v1\nkind: AuthenticationConfiguration\n", "must be of kind"},
        {HEAD "jwt: [{" NAME "}]\n", "jwt[0].issuer: must be given"},
        {HEAD "jwt: [{issuer: {url: \"http://a\", audiences: [me]}, " NAME "}]\n",
         "issuer.url: Invalid value: \"http://a\": must be https://"},
        {HEAD "jwt: [{issuer: {url: \"https://a\"}, " NAME "}]\n", "audiences: must name"},
        {HEAD "jwt: [{issuer: {url: \"https://a\", audiences: [a, b]}, " NAME "}]\n", "MatchAny"},
        {HEAD "jwt: [{issuer: {url: \"https://a\", audiences: [a, a], audienceMatchPolicy: "
              "MatchAny}, " NAME "}]\n",
         "audiences[1]: is there twice"},
        {HEAD "jwt: [{issuer: {url: \"https://a\", audiences: [\"\"]}, " NAME "}]\n",
         "audiences[0]: must not be empty"},
        {HEAD "jwt: [{issuer: {url: \"https://u@a\", audiences: [a]}, " NAME "}]\n", "username"},
        {HEAD "jwt: [{issuer: {url: \"https://a?b\", audiences: [a]}, " NAME "}]\n", "query"},
        {HEAD "jwt: [{issuer: {url: \"https://own.test\", audiences: [a]}, " NAME "}]\n",
         "jwt[0].issuer.url: is the one of this cluster's own tokens"},
        {HEAD
         "jwt: [{issuer: {url: \"https://a\", discoveryURL: \"https://a/\", audiences: [a]}, " NAME
         "}]\n",
         "discoveryURL: must be different"},
        {HEAD
         "jwt: [{issuer: {url: \"https://a\", discoveryURL: \"http://b\", audiences: [a]}, " NAME
         "}]\n",
         "discoveryURL: Invalid value"},
        {HEAD "jwt: [{" ISSUER "}]\n", "claimMappings.username: must be given"},
        {HEAD "jwt: [{" ISSUER ", claimMappings: {username: {claim: sub}}}]\n",
         "jwt[0].claimMappings.username.prefix"},
        {NAMED("{expression: \"claims.\"}", ""),
         "jwt[0].claimMappings.username.expression: Invalid value"},
        {NAMED("{expression: \"user.username\"}", ""), "undeclared reference to 'user'"},
        {NAMED("{expression: claims.sub, claim: sub}", ""), "can't both be set"},
        {NAMED("{expression: claims.sub, prefix: a}", ""), "username.prefix: not together"},
        {NAMED("{expression: claims.email}", ""), "claims.email_verified must be used"},
        {NAMED("{expression: 'claims.?email.orValue(\"\")'}", ""), "claims.email_verified"},
        {NAMED("{expression: claims.sub}", ", uid: {claim: a, expression: claims.b}"),
         "uid: claim"},
        {NAMED("{expression: claims.sub}", ", extra: [{key: a, valueExpression: claims.b}]"),
         "extra[0].key: Invalid value: \"a\": must be a domain"},
        {NAMED("{expression: claims.sub}", ", extra: [{key: a.b/C, valueExpression: claims.b}]"),
         "must be lowercase"},
        {NAMED("{expression: claims.sub}",
               ", extra: [{key: x.k8s.io/c, valueExpression: claims.b}]"),
         "reserved"},
        {NAMED("{expression: claims.sub}", ", extra: [{key: a.b/c}]"), "valueExpression: must be"},
        {NAMED("{expression: claims.sub}", ", extra: [{key: a.b/c, valueExpression: claims.b}, "
                                           "{key: a.b/c, valueExpression: claims.d}]"),
         "extra[1].key: is there twice"},
        {RULED("claimValidationRules: [{expression: claims.a}]"), "must evaluate to bool"},
        {RULED("claimValidationRules: [{claim: a, expression: \"true\"}]"), "and not both"},
        {RULED("claimValidationRules: [{}]"), "claimValidationRules[0]: needs"},
        {RULED("claimValidationRules: [{claim: a, message: b}]"), "[0].message: not together"},
        {RULED("claimValidationRules: [{claim: a}, {claim: a, requiredValue: b}]"),
         "is there twice"},
        {RULED("claimValidationRules: [{expression: \"true\", requiredValue: b}]"),
         "requiredValue: not together"},
        {RULED("claimValidationRules: [{expression: \"true\"}, {expression: \"true\"}]"),
         "claimValidationRules[1].expression: is there twice"},
        {RULED("userValidationRules: [{expression: user.name == \"\"}]"), "undefined field 'name'"},
        {RULED("userValidationRules: [{message: a}]"),
         "userValidationRules[0].expression: must be"},
        {RULED("userValidationRules: [{expression: user.username}]"), "must evaluate to bool"},
        {HEAD "jwt: [{" ISSUER ", " NAME "}, {" ISSUER ", " NAME "}]\n", "jwt[1].issuer.url"},
        {HEAD "anonymous: {enabled: true, conditions: [{path: livez}]}\n", "must begin with /"},
        {HEAD "anonymous: {conditions: [{path: /livez}]}\n", "only with enabled"},
        {HEAD "anonymous: {enabled: \"yes\"}\n", "must be true or false"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct authn_config config;
        CLEANUP(error_release) struct error error = {0};
        ck_assert_int_eq(try_parse(rows[i].text, &config, &error), -EINVAL);
        ck_assert_msg(strstr(error_message(&error), rows[i].reason) != NULL, "%s lacks %s",
                      error_message(&error), rows[i].reason);
    }
}
END_TEST

/* --- Expressions at work --- */

/* Whom the claims name by that one issuer; NULL when it is refused, and why. */
static const struct user *identify(const char *text, const char *claims, const char *why)
{
    struct authn_config config = parse(text);
    struct json_value *tree = NULL;
    struct user *user = arena_zeroed(arena, sizeof(*user));
    CLEANUP(error_release) struct error error = {0};
    const char *json =
        arena_printf(arena, "{\"iss\":\"https://a.test\",\"aud\":\"me\",\"exp\":2000,%s}", claims);
    ck_assert_int_eq(json_parse(arena, slice_text(json), &tree, NULL), 0);
    const struct oidc_token token = {.claims = tree};
    int status = oidc_identify(&config.issuers[0], arena, &token, 1000, user, &error);
    if (why != NULL) {
        ck_assert_int_eq(status, -EACCES);
        ck_assert_msg(strstr(error_message(&error), why) != NULL, "%s lacks %s",
                      error_message(&error), why);
        return NULL;
    }
    ck_assert_msg(status == 0, "%s", error_message(&error));
    return user;
}

START_TEST(expressions_make_a_user_of_claims)
{
    static const char text[] =
        HEAD "jwt:\n"
             "- " ISSUER "\n"
             "  claimMappings:\n"
             "    username: {expression: '\"corp:\" + claims.sub'}\n"
             "    groups: {expression: 'claims.roles.split(\",\").filter(r, r != \"admin\")'}\n"
             "    uid: {expression: 'string(claims.number)'}\n"
             "    extra:\n"
             "    - {key: example.org/teams, valueExpression: 'claims.teams'}\n"
             "    - {key: example.org/none, valueExpression: 'claims.?absent.orValue(\"\")'}\n";
    const struct user *user = identify(
        text, "\"sub\":\"ann\",\"roles\":\"a,admin,,b\",\"number\":7,\"teams\":[\"x\",\"\",\"y\"]",
        NULL);
    ck_assert_str_eq(user->name, "corp:ann");
    ck_assert_str_eq(user->uid, "7");
    ck_assert_uint_eq(user->group_count, 2); /* Empty texts are none. */
    ck_assert_str_eq(user->groups[1], "b");
    ck_assert_uint_eq(user->extra_count, 2);
    ck_assert_str_eq(user->extras[1].key, "example.org/teams");
    ck_assert_str_eq(user->extras[1].value, "y");
    identify(text, "\"sub\":7,\"roles\":\"\",\"number\":7,\"teams\":[]", "no such overload");
    identify(text, "\"sub\":\"ann\",\"number\":7,\"teams\":[]", "no such key: roles");
    identify(text, "\"sub\":\"ann\",\"roles\":\"\",\"number\":7,\"teams\":[1]",
             "a list of strings");
}
END_TEST

START_TEST(an_expressed_name_is_a_text_that_is_not_empty)
{
    static const char text[] = NAMED("{expression: claims.n}", "");
    ck_assert_str_eq(identify(text, "\"n\":\"ann\"", NULL)->name, "ann");
    identify(text, "\"n\":\"\"", "empty username");
    identify(text, "\"n\":1", "must return a string");
    identify(text, "\"n\":\"a\\u0000b\"", "must return a string");
}
END_TEST

START_TEST(rules_look_at_claims_and_at_the_user)
{
    static const char text[] = HEAD
        "jwt:\n"
        "- " ISSUER "\n"
        "  claimMappings:\n"
        "    username: {claim: sub, prefix: \"-\"}\n"
        "    groups: {claim: groups, prefix: \"\"}\n"
        "    uid: {claim: id}\n"
        "  claimValidationRules:\n"
        "  - {expression: 'claims.exp - claims.?nbf.orValue(0) <= 2000', message: lives too long}\n"
        "  userValidationRules:\n"
        "  - {expression: '!user.username.startsWith(\"-system:\")'}\n"
        "  - expression: 'user.groups.all(g, !g.startsWith(\"system:\")) && user.extra.size() == "
        "0'\n"
        "    message: a reserved group\n";
    const struct user *user =
        identify(text, "\"sub\":\"ann\",\"id\":\"7\",\"groups\":[\"a\"]", NULL);
    ck_assert_str_eq(user->name, "-ann"); /* Of a file the prefix is what it says. */
    ck_assert_str_eq(user->uid, "7");
    identify(text, "\"sub\":\"ann\"", "claim \"id\": claim not present");
    identify(text, "\"sub\":\"ann\",\"id\":\"7\",\"nbf\":-1", "failed: lives too long");
    identify(text, "\"sub\":\"system:x\",\"id\":\"7\"", "user info validation rule");
    identify(text, "\"sub\":\"ann\",\"id\":\"7\",\"groups\":\"system:masters\"",
             "a reserved group");
}
END_TEST

START_TEST(mail_addresses_are_used_when_something_looks_at_whether_they_are_verified)
{
    (void)parse(NAMED("{expression: 'claims.email_verified ? claims.email : \"\"'}", ""));
    (void)parse(NAMED("{expression: claims.email}",
                      ", extra: [{key: a.b/c, valueExpression: 'string(claims.email_verified)'}]"));
    (void)parse(HEAD "jwt: [{" ISSUER ", claimMappings: {username: {expression: claims.email}}, "
                     "claimValidationRules: [{expression: "
                     "'claims.?email_verified.orValue(true) == true'}]}]\n");
}
END_TEST

Suite *authn_config_suite(void)
{
    Suite *suite = suite_create("apiserver/authn_config");
    TCase *tcase = tcase_create("files");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, issuers_are_read_as_options);
    tcase_add_test(tcase, nobody_is_let_in_where_it_is_said);
    tcase_add_test(tcase, expressions_make_a_user_of_claims);
    tcase_add_test(tcase, an_expressed_name_is_a_text_that_is_not_empty);
    tcase_add_test(tcase, rules_look_at_claims_and_at_the_user);
    tcase_add_test(tcase,
                   mail_addresses_are_used_when_something_looks_at_whether_they_are_verified);
    tcase_add_test(tcase, what_is_wrong_or_not_known_is_refused_with_its_place);
    suite_add_tcase(suite, tcase);
    return suite;
}
