/* AuthorizationConfiguration: who decides, in which order; what is wrong or not known is refused
 * with its place. */
#include "apiserver/authz_config.h"
#include "lib/api/cel_functions.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define HEAD "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\n"
/* A webhook with what is said besides, or instead. */
#define HOOK(more)                                                                                 \
    HEAD "authorizers:\n- type: Webhook\n  name: a.test\n  webhook:\n    timeout: 3s\n"            \
         "    subjectAccessReviewVersion: v1\n    failurePolicy: Deny\n"                           \
         "    connectionInfo: {type: KubeConfigFile, kubeConfigFile: /k}\n" more
#define CONDITION(text)                                                                            \
    HOOK("    matchConditionSubjectAccessReviewVersion: v1\n"                                      \
         "    matchConditions:\n    - expression: " text "\n")

Suite *authz_config_suite(void);

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

START_TEST(authorizers_come_in_their_order)
{
    static const char text[] =
        HEAD "authorizers:\n"
             "- type: Webhook\n"
             "  name: first.test\n"
             "  webhook:\n"
             "    timeout: 1500ms\n"
             "    authorizedTTL: 1m\n"
             "    subjectAccessReviewVersion: v1beta1\n"
             "    matchConditionSubjectAccessReviewVersion: v1\n"
             "    failurePolicy: Deny\n"
             "    connectionInfo: {type: KubeConfigFile, kubeConfigFile: /etc/first.conf}\n"
             "    matchConditions:\n"
             "    - expression: has(request.resourceAttributes)\n"
             "    - expression: '!(\"system:nodes\" in request.groups)'\n"
             "- {type: Node, name: node}\n"
             "- {type: RBAC, name: rbac}\n"
             "- type: Webhook\n"
             "  name: second.test\n"
             "  webhook: {timeout: 3s, subjectAccessReviewVersion: v1, failurePolicy: NoOpinion,\n"
             "            connectionInfo: {type: InClusterConfig}}\n";
    struct authz_config config;
    CLEANUP(error_release) struct error error = {0};
    ck_assert_msg(authz_config_parse(arena, functions, slice_text(text), &config, &error) == 0,
                  "%s", error_message(&error));
    ck_assert_uint_eq(config.count, 4);
    const struct authz_webhook_options *first = &config.items[0].webhook;
    ck_assert_str_eq(config.items[0].name, "first.test");
    ck_assert_str_eq(first->kubeconfig_path, "/etc/first.conf");
    ck_assert_str_eq(first->version, "v1beta1");
    ck_assert_uint_eq(first->timeout_ms, 1500);
    ck_assert_uint_eq(first->authorized_ttl_ms, 60000);
    ck_assert_uint_eq(first->unauthorized_ttl_ms, 30000);
    ck_assert(first->denies_on_failure);
    ck_assert_uint_eq(first->condition_count, 2);
    ck_assert_int_eq(config.items[1].type, AUTHORIZER_NODE);
    ck_assert_int_eq(config.items[2].type, AUTHORIZER_RBAC);
    ck_assert_ptr_null(config.items[3].webhook.kubeconfig_path);
    ck_assert_uint_eq(config.items[3].webhook.authorized_ttl_ms, 300000);
    ck_assert(!config.items[3].webhook.denies_on_failure);
}
END_TEST

START_TEST(what_is_wrong_is_refused_with_its_place)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {HEAD, "authorizers: at least one"},
        {HEAD "authorizers: [{name: a}]\n", "authorizers[0].type: Unsupported value"},
        {HEAD "authorizers: [{type: Roles, name: a}]\n", "authorizers[0].type: Unsupported value"},
        {HEAD "authorizers: [{type: RBAC}]\n", "authorizers[0].name: Invalid value"},
        {HEAD "authorizers: [{type: RBAC, name: A_B}]\n", "authorizers[0].name: Invalid value"},
        {HEAD "authorizers: [{type: RBAC, name: a}, {type: RBAC, name: b}]\n",
         "authorizers[1].type: is there twice"},
        {HEAD "authorizers: [{type: RBAC, name: a}, {type: Node, name: a}]\n",
         "authorizers[1].name: is there twice"},
        {HEAD "authorizers: [{type: RBAC, name: a, webhook: {}}]\n", "only with type Webhook"},
        {HEAD "authorizers: [{type: Webhook, name: a}]\n", "authorizers[0].webhook: must be given"},
        {HEAD "authorizers: [{type: RBAC, name: a, more: 1}]\n", "authorizers[0].more: unknown"},
        {HOOK("    more: 1\n"), "webhook.more: unknown"},
        {HOOK("    timeout: 0s\n"), "timeout: must be > 0s"},
        {HOOK("    timeout: 31s\n"), "timeout: must be > 0s and <= 30s"},
        {HOOK("    timeout: soon\n"), "timeout: Invalid value"},
        {HOOK("    authorizedTTL: -1s\n"), "authorizedTTL: Invalid value"},
        {HOOK("    subjectAccessReviewVersion: v2\n"), "must be v1 or v1beta1"},
        {HOOK("    failurePolicy: Ignore\n"), "failurePolicy: must be NoOpinion or Deny"},
        {HOOK("    connectionInfo: {type: URL}\n"), "connectionInfo.type: must be"},
        {HOOK("    connectionInfo: {type: KubeConfigFile, kubeConfigFile: k}\n"), "absolute path"},
        {HOOK("    connectionInfo: {type: InClusterConfig, kubeConfigFile: /k}\n"), "only with"},
        {HOOK("    matchConditions: [{expression: 'true'}]\n"), "must be v1"},
        {CONDITION("''"), "matchConditions[0].expression: must be given"},
        {CONDITION("request.user"), "must evaluate to bool"},
        {CONDITION("request.verb == \"get\""), "undefined field 'verb'"},
        {CONDITION("object == null"), "undeclared reference to 'object'"},
        {CONDITION("'true'\n    - expression: 'true'"), "[1].expression: is there twice"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct authz_config config;
        CLEANUP(error_release) struct error error = {0};
        ck_assert_int_eq(
            authz_config_parse(arena, functions, slice_text(rows[i].text), &config, &error),
            -EINVAL);
        ck_assert_msg(strstr(error_message(&error), rows[i].reason) != NULL, "%s lacks %s",
                      error_message(&error), rows[i].reason);
    }
}
END_TEST

START_TEST(flags_make_the_same)
{
    static const char *const modes[] = {"Webhook", "AlwaysAllow"};
    static const char *const abac[] = {"ABAC"};
    static const char *const unknown[] = {"Roles"};
    static const char *const twice[] = {"RBAC", "RBAC"};
    struct authz_config config;
    struct authz_options options = {.webhook_version = "v1", .authorized_ttl_ms = 7};
    ck_assert_int_eq(authz_config_of_flags(arena, &options, &config, NULL), 0);
    ck_assert_uint_eq(config.count, 2);
    ck_assert_int_eq(config.items[0].type, AUTHORIZER_NODE);
    ck_assert_int_eq(config.items[1].type, AUTHORIZER_RBAC);
    options.webhook_config_path = "/k";
    ck_assert_int_eq(authz_config_of_flags(arena, &options, &config, NULL), -EINVAL);
    options.modes = (struct text_list){modes, 2};
    ck_assert(authz_options_allow_all(&options));
    ck_assert_int_eq(authz_config_of_flags(arena, &options, &config, NULL), 0);
    ck_assert_str_eq(config.items[0].name, "webhook");
    ck_assert_uint_eq(config.items[0].webhook.authorized_ttl_ms, 7);
    ck_assert(!config.items[0].webhook.denies_on_failure);
    options.webhook_config_path = NULL;
    ck_assert_int_eq(authz_config_of_flags(arena, &options, &config, NULL), -EINVAL);
    options.modes = (struct text_list){unknown, 1};
    ck_assert_int_eq(authz_config_of_flags(arena, &options, &config, NULL), -EINVAL);
    options.modes = (struct text_list){abac, 1};
    ck_assert_int_eq(authz_config_of_flags(arena, &options, &config, NULL), -EINVAL);
    options.policy = "";
    ck_assert_int_eq(authz_config_of_flags(arena, &options, &config, NULL), 0);
    ck_assert_int_eq(config.items[0].type, AUTHORIZER_ABAC);
    options.modes = (struct text_list){twice, 1};
    ck_assert_int_eq(authz_config_of_flags(arena, &options, &config, NULL), -EINVAL);
    options.policy = NULL;
    options.modes = (struct text_list){twice, 2};
    ck_assert_int_eq(authz_config_of_flags(arena, &options, &config, NULL), -EINVAL);
}
END_TEST

Suite *authz_config_suite(void)
{
    Suite *suite = suite_create("apiserver/authz_config");
    TCase *tcase = tcase_create("files");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, authorizers_come_in_their_order);
    tcase_add_test(tcase, what_is_wrong_is_refused_with_its_place);
    tcase_add_test(tcase, flags_make_the_same);
    suite_add_tcase(suite, tcase);
    return suite;
}
