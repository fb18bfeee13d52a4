/* AuthenticationConfiguration: what it says becomes what the flags would have said, and what is not
 * known is refused with its place. */
#include "apiserver/authn_config.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define HEAD   "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\n"
#define ISSUER "issuer: {url: \"https://a.test\", audiences: [me]}"
#define NAME   "claimMappings: {username: {claim: sub, prefix: \"a:\"}}"

Suite *authn_config_suite(void);

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static struct authn_config parse(const char *text)
{
    struct authn_config config = {.issuer_count = 0};
    CLEANUP(error_release) struct error error = {0};
    ck_assert_msg(authn_config_parse(arena, slice_text(text), &config, &error) == 0, "%s",
                  error_message(&error));
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
    ck_assert_str_eq(first->username_prefix, "-");
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
         "jwt[0].issuer.url: must be https://"},
        {HEAD "jwt: [{issuer: {url: \"https://a\"}, " NAME "}]\n", "audiences: must name"},
        {HEAD "jwt: [{issuer: {url: \"https://a\", audiences: [a, b]}, " NAME "}]\n", "MatchAny"},
        {HEAD "jwt: [{" ISSUER "}]\n", "claimMappings.username: must be given"},
        {HEAD "jwt: [{" ISSUER ", claimMappings: {username: {claim: sub}}}]\n",
         "jwt[0].claimMappings.username.prefix"},
        {HEAD "jwt: [{" ISSUER ", claimMappings: {username: {expression: \"claims.sub\"}}}]\n",
         "jwt[0].claimMappings.username.expression: unknown field"},
        {HEAD "jwt: [{" ISSUER ", " NAME ", userValidationRules: []}]\n",
         "jwt[0].userValidationRules: unknown field"},
        {HEAD "jwt: [{" ISSUER ", " NAME "}, {" ISSUER ", " NAME "}]\n", "jwt[1].issuer.url"},
        {HEAD "anonymous: {enabled: true, conditions: [{path: livez}]}\n", "must begin with /"},
        {HEAD "anonymous: {conditions: [{path: /livez}]}\n", "only with enabled"},
        {HEAD "anonymous: {enabled: \"yes\"}\n", "must be true or false"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct authn_config config;
        CLEANUP(error_release) struct error error = {0};
        ck_assert_int_eq(authn_config_parse(arena, slice_text(rows[i].text), &config, &error),
                         -EINVAL);
        ck_assert_msg(strstr(error_message(&error), rows[i].reason) != NULL, "%s lacks %s",
                      error_message(&error), rows[i].reason);
    }
}
END_TEST

Suite *authn_config_suite(void)
{
    Suite *suite = suite_create("apiserver/authn_config");
    TCase *tcase = tcase_create("files");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, issuers_are_read_as_options);
    tcase_add_test(tcase, nobody_is_let_in_where_it_is_said);
    tcase_add_test(tcase, what_is_wrong_or_not_known_is_refused_with_its_place);
    suite_add_tcase(suite, tcase);
    return suite;
}
