/* Rules of admission policies, webhooks, FlowSchemas and priority levels. Objects are JSON with '
 * for quotes; causes are compared as text, in order. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define ADMISSION "admissionregistration.k8s.io/v1"
#define POLICY    ADMISSION, "ValidatingAdmissionPolicy"
#define BINDING   ADMISSION, "ValidatingAdmissionPolicyBinding"
#define HOOKS     ADMISSION, "MutatingWebhookConfiguration"
#define FLOW      "flowcontrol.apiserver.k8s.io/v1"
#define RULE      "'apiGroups':[''],'apiVersions':['v1'],'operations':['*'],'resources':['pods']"

/* A policy with these members of its spec, and a rule with these. */
#define POLICY_OF(members, rule)                                                                   \
    "{'metadata':{'name':'o'},'spec':{" members "'matchConstraints':{'resourceRules':[{" rule      \
    "}]},'validations':[{'expression':'true'}]}}"
#define BINDING_OF(members) "{'metadata':{'name':'o'},'spec':{'policyName':'p'," members "}}"

START_TEST(the_kind_of_parameters_is_a_version_and_a_kind)
{
    ck_assert_causes(POLICY, POLICY_OF("'paramKind':{},", RULE),
                     "spec.paramKind.apiVersion: Required value\n"
                     "spec.paramKind.kind: Required value");
    ck_assert_causes(POLICY, POLICY_OF("'paramKind':{'apiVersion':'a/b/c','kind':'K'},", RULE),
                     "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion "
                     "string: a/b/c");
    ck_assert_causes(POLICY, POLICY_OF("'paramKind':{'apiVersion':'a/','kind':'K'},", RULE),
                     "spec.paramKind.apiVersion: Invalid value: \"a/\": version must be specified");
    ck_assert_causes(POLICY, POLICY_OF("'paramKind':{'apiVersion':'A_/v1','kind':'K_'},", RULE),
                     "spec.paramKind.apiVersion: Invalid value: \"A_\": a lowercase RFC 1123 "
                     "subdomain must consist of lower case alphanumeric characters, '-' or '.', "
                     "and must start and end with an alphanumeric character (e.g. 'example.com', "
                     "regex used for validation is "
                     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\n"
                     "spec.paramKind.kind: Invalid value: \"K_\": may have mixed case, but should "
                     "otherwise match: a DNS-1035 label must consist of lower case alphanumeric "
                     "characters or '-', start with an alphabetic character, and end with an "
                     "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
                     "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')");
    ck_assert_causes(POLICY, POLICY_OF("'paramKind':{'apiVersion':'v1','kind':'ConfigMap'},", RULE),
                     "");
}
END_TEST

START_TEST(names_in_a_rule_are_segments_of_paths_and_different)
{
    ck_assert_causes(POLICY, POLICY_OF("", RULE ",'resourceNames':['a','a/b','a']"),
                     "spec.matchConstraints.resourceRules[0].resourceNames[1]: Invalid value: "
                     "\"a/b\": may not contain '/'\n"
                     "spec.matchConstraints.resourceRules[0].resourceNames[2]: Duplicate value: "
                     "\"a\"");
}
END_TEST

START_TEST(a_binding_either_denies_or_warns)
{
    ck_assert_causes(BINDING, BINDING_OF("'validationActions':['Deny','Warn']"),
                     "spec.validationActions: Invalid value: "
                     "[]admissionregistration.ValidationAction{\"Deny\", \"Warn\"}: must not "
                     "contain both Deny and Warn (repeating the same validation failure "
                     "information in the API response and headers serves no purpose)");
    ck_assert_causes(BINDING, BINDING_OF("'validationActions':['Audit','Audit']"),
                     "spec.validationActions[1]: Duplicate value: \"Audit\"");
    ck_assert_causes(BINDING, BINDING_OF("'validationActions':['Audit','Warn']"), "");
}
END_TEST

START_TEST(parameters_are_by_name_or_by_selector)
{
#define WITH(members) BINDING_OF("'validationActions':['Deny'],'paramRef':{" members "}")
    ck_assert_causes(BINDING, WITH("'name':'a/b','selector':{},'parameterNotFoundAction':'Deny'"),
                     "spec.paramRef.name: Invalid value: \"a/b\": may not contain '/'\n"
                     "spec.paramRef.name: Forbidden: name and selector are mutually exclusive\n"
                     "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive");
    ck_assert_causes(BINDING, WITH(""),
                     "spec.paramRef: Required value: one of name or selector must be specified\n"
                     "spec.paramRef.parameterNotFoundAction: Required value");
    ck_assert_causes(BINDING, WITH("'name':'a','parameterNotFoundAction':'Wait'"),
                     "spec.paramRef.parameterNotFoundAction: Unsupported value: \"Wait\": "
                     "supported values: \"Deny\", \"Allow\"");
#undef WITH
}
END_TEST

/* v1.32 spells the path so. */
START_TEST(what_a_binding_matches_is_checked_under_the_path_that_clients_know)
{
    ck_assert_causes(
        BINDING, BINDING_OF("'validationActions':['Deny'],'matchResources':{'matchPolicy':'x'}"),
        "spec.matchResouces.matchPolicy: Unsupported value: \"x\": supported values: "
        "\"Equivalent\", \"Exact\"");
}
END_TEST

#define HOOKS_OF(rule, client, more)                                                               \
    "{'metadata':{'name':'o'},'webhooks':[{'name':'a.b.c','sideEffects':'None',"                   \
    "'admissionReviewVersions':['v1'],'rules':[{" rule "}],'clientConfig':{" client "}" more "}]}"

START_TEST(a_webhooks_service_is_named_by_the_path_that_clients_know)
{
    ck_assert_causes(HOOKS, HOOKS_OF(RULE, "'service':{'name':'s'}", ""),
                     "webhooks[0].clientConfig.service.name: Required value: service name is "
                     "required");
    ck_assert_causes(HOOKS, HOOKS_OF(RULE, "'service':{'namespace':'n','port':0,'path':'a'}", ""),
                     "webhooks[0].clientConfig.service.namespace: Required value: service "
                     "namespace is required\n"
                     "webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: "
                     "must be between 1 and 65535, inclusive\n"
                     "webhooks[0].clientConfig.service.path: Invalid value: \"a\": must start with "
                     "a '/'\n"
                     "webhooks[0].clientConfig.service.path: Invalid value: \"a\": segment[0] may "
                     "not be empty");
}
END_TEST

START_TEST(causes_of_a_webhook_come_in_the_order_of_its_checks)
{
    ck_assert_causes(HOOKS,
                     "{'metadata':{'name':'o'},'webhooks':[{'name':'a.b','rules':[{}],"
                     "'failurePolicy':'x','sideEffects':'Some','reinvocationPolicy':'x',"
                     "'timeoutSeconds':31,'admissionReviewVersions':['v2'],'clientConfig':{}}]}",
                     "webhooks[0].name: Invalid value: \"a.b\": should be a domain with at least "
                     "three segments separated by dots\n"
                     "webhooks[0].rules[0].operations: Required value\n"
                     "webhooks[0].rules[0].apiGroups: Required value\n"
                     "webhooks[0].rules[0].apiVersions: Required value\n"
                     "webhooks[0].rules[0].resources: Required value\n"
                     "webhooks[0].failurePolicy: Unsupported value: \"x\": supported values: "
                     "\"Fail\", \"Ignore\"\n"
                     "webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: "
                     "\"None\", \"NoneOnDryRun\"\n"
                     "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be "
                     "between 1 and 30 seconds\n"
                     "webhooks[0].reinvocationPolicy: Unsupported value: \"x\": supported values: "
                     "\"IfNeeded\", \"Never\"\n"
                     "webhooks[0].clientConfig: Required value: exactly one of url or service is "
                     "required\n"
                     "webhooks[0].admissionReviewVersions: Invalid value: []string{\"v2\"}: must "
                     "include at least one of v1, v1beta1");
}
END_TEST

START_TEST(a_star_stands_alone_in_a_rule)
{
#define URL "'url':'https://h.example/'"
    ck_assert_causes(
        HOOKS,
        HOOKS_OF("'apiGroups':['*','a'],'apiVersions':['*','v1'],"
                 "'operations':['*','CREATE'],'resources':['*','pods']",
                 URL, ""),
        "webhooks[0].rules[0].operations: Invalid value: "
        "[]admissionregistration.OperationType{\"*\", \"CREATE\"}: if '*' is present, "
        "must not specify other operations\n"
        "webhooks[0].rules[0].apiGroups: Invalid value: []string{\"*\", \"a\"}: if '*' "
        "is present, must not specify other API groups\n"
        "webhooks[0].rules[0].apiVersions: Invalid value: []string{\"*\", \"v1\"}: if "
        "'*' is present, must not specify other API versions\n"
        "webhooks[0].rules[0].resources: Invalid value: []string{\"*\", \"pods\"}: if "
        "'*' is present, must not specify other resources without subresources");
    ck_assert_causes(HOOKS,
                     HOOKS_OF("'apiGroups':[''],'apiVersions':['v1'],'operations':['*'],"
                              "'resources':['pods','*']",
                              URL, ""),
                     "");
    ck_assert_causes(
        HOOKS,
        HOOKS_OF("'apiGroups':[''],'apiVersions':['v1'],'operations':['*'],'resources':"
                 "['pods/log','pods/*','pods/status','*/scale','a/scale','b/*','b/scale','pods/*']",
                 URL, ""),
        "webhooks[0].rules[0].resources[2]: Invalid value: \"pods/status\": if 'pods/*' is "
        "present, must not specify pods/status\n"
        "webhooks[0].rules[0].resources[4]: Invalid value: \"a/scale\": if '*/scale' is present, "
        "must not specify a/scale\n"
        "webhooks[0].rules[0].resources[6]: Invalid value: \"b/scale\": if '*/scale' is present, "
        "must not specify b/scale\n"
        "webhooks[0].rules[0].resources[7]: Invalid value: \"pods/*\": if 'pods/*' is present, "
        "must not specify pods/*");
#undef URL
}
END_TEST

/* --- Fairness ----------------------------------------------------------------------------------
 */

#define SCHEMA(members)                                                                            \
    "{'metadata':{'name':'o'},'spec':{'priorityLevelConfiguration':{'name':'l'}," members "}}"
#define RULES(subject, resources, paths)                                                           \
    SCHEMA("'rules':[{'subjects':[" subject "],'resourceRules':[" resources                        \
           "],'nonResourceRules':[" paths "]}]")
#define GROUP "{'kind':'Group','group':{'name':'g'}}"

START_TEST(a_flow_schema_names_verbs_paths_and_namespaces_that_are_there)
{
    ck_assert_causes(FLOW, "FlowSchema",
                     RULES(GROUP,
                           "{'verbs':['get','see'],'apiGroups':['*'],'resources':['pods'],"
                           "'namespaces':['A']}",
                           ""),
                     "spec.rules[0].resourceRules[0].verbs: Unsupported value: []string{\"get\", "
                     "\"see\"}: supported values: \"create\", \"delete\", \"deletecollection\", "
                     "\"get\", \"list\", \"patch\", \"proxy\", \"update\", \"watch\"\n"
                     "spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: \"A\": each "
                     "member of this list must be '*' or a DNS-1123 label; a lowercase RFC 1123 "
                     "label must consist of lower case alphanumeric characters or '-', and must "
                     "start and end with an alphanumeric character (e.g. 'my-name',  or "
                     "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
    ck_assert_causes(
        FLOW, "FlowSchema",
        RULES(GROUP, "",
              "{'verbs':['*'],'nonResourceURLs':['','/','a','/a b','/a//b','/a*','/*/b','/a/*']}"),
        "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"\": must not be "
        "empty\n"
        "spec.rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: \"a\": must start "
        "with slash\n"
        "spec.rules[0].nonResourceRules[0].nonResourceURLs[3]: Invalid value: \"/a b\": must not "
        "contain white-space\n"
        "spec.rules[0].nonResourceRules[0].nonResourceURLs[4]: Invalid value: \"/a//b\": must not "
        "contain double slash\n"
        "spec.rules[0].nonResourceRules[0].nonResourceURLs[5]: Invalid value: \"/a*\": wildcard "
        "can only do suffix matching\n"
        "spec.rules[0].nonResourceRules[0].nonResourceURLs[6]: Invalid value: \"/*/b\": wildcard "
        "can only do suffix matching");
}
END_TEST

START_TEST(a_subject_of_a_flow_schema_is_what_its_kind_says)
{
#define PATHS "{'verbs':['get'],'nonResourceURLs':['/healthz']}"
    ck_assert_causes(FLOW, "FlowSchema", RULES("{'kind':'Other','group':{}}", "", PATHS),
                     "spec.rules[0].subjects[0].kind: Unsupported value: \"Other\": supported "
                     "values: \"Group\", \"ServiceAccount\", \"User\"");
    ck_assert_causes(FLOW, "FlowSchema",
                     RULES("{'kind':'ServiceAccount','serviceAccount':{}}", "", PATHS),
                     "spec.rules[0].subjects[0].serviceAccount.name: Required value\n"
                     "spec.rules[0].subjects[0].serviceAccount.namespace: Required value: must "
                     "specify namespace for service account");
    ck_assert_causes(FLOW, "FlowSchema", RULES("{'kind':'Group','user':{}}", "", PATHS),
                     "spec.rules[0].subjects[0].group: Required value: group is required when "
                     "subject kind is 'Group'\n"
                     "spec.rules[0].subjects[0].user: Forbidden: user is forbidden when subject "
                     "kind is not 'User'");
    ck_assert_causes(FLOW, "FlowSchema",
                     SCHEMA("'rules':[{'subjects':[{'kind':'User','user':{'name':'u'}}],"
                            "'resourceRules':[{'verbs':['*','get'],'resources':['*','a']}],"
                            "'nonResourceRules':[{'verbs':['x']}]}]"),
                     "spec.rules[0].resourceRules[0].verbs: Invalid value: []string{\"*\", "
                     "\"get\"}: if '*' is present, must not specify other verbs\n"
                     "spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules "
                     "must supply at least one api group\n"
                     "spec.rules[0].resourceRules[0].resources: Invalid value: []string{\"*\", "
                     "\"a\"}: if '*' is present, must not specify other resources\n"
                     "spec.rules[0].resourceRules[0].namespaces: Required value: resource rules "
                     "that are not cluster scoped must supply at least one namespace\n"
                     "spec.rules[0].nonResourceRules[0].verbs: Unsupported value: []string{\"x\"}: "
                     "supported values: \"create\", \"delete\", \"deletecollection\", \"get\", "
                     "\"list\", \"patch\", \"proxy\", \"update\", \"watch\"\n"
                     "spec.rules[0].nonResourceRules[0].nonResourceURLs: Required value: "
                     "nonResourceURLs must contain at least one value");
    ck_assert_causes(FLOW, "FlowSchema", SCHEMA("'rules':[{}]"),
                     "spec.rules[0].subjects: Required value: subjects must contain at least one "
                     "value\n"
                     "spec.rules[0]: Required value: at least one of resourceRules and "
                     "nonResourceRules has to be non-empty");
    ck_assert_causes(FLOW, "FlowSchema", SCHEMA("'distinguisherMethod':{'type':'x'}"),
                     "spec.distinguisherMethod.type: Unsupported value: "
                     "flowcontrol.FlowDistinguisherMethod{Type:\"x\"}: supported values: "
                     "\"ByNamespace\", \"ByUser\"");
#undef PATHS
}
END_TEST

#define ALL                                                                                        \
    "'resourceRules':[{'verbs':['*'],'apiGroups':['*'],'resources':['*'],'clusterScope':true,"     \
    "'namespaces':['*']}],'nonResourceRules':[{'verbs':['*'],'nonResourceURLs':['*']}]"

START_TEST(what_the_server_cannot_do_without_stays_as_it_is)
{
#define EXEMPT(precedence)                                                                         \
    "{'metadata':{'name':'exempt'},'spec':{'priorityLevelConfiguration':{'name':'exempt'},"        \
    "'matchingPrecedence':" precedence ",'rules':[{'subjects':[{'kind':'Group','group':{'name':"   \
    "'system:masters'}}]," ALL "}]}}"
    ck_assert_causes(FLOW, "FlowSchema", EXEMPT("1"), "");
    ck_assert_causes(FLOW, "FlowSchema", EXEMPT("2"),
                     "spec: Invalid value: flowcontrol.FlowSchemaSpec{PriorityLevelConfiguration:"
                     "flowcontrol.PriorityLevelConfigurationReference{Name:\"exempt\"}, "
                     "MatchingPrecedence:2, DistinguisherMethod:"
                     "(*flowcontrol.FlowDistinguisherMethod)(nil), Rules:"
                     "[]flowcontrol.PolicyRulesWithSubjects{flowcontrol.PolicyRulesWithSubjects{"
                     "Subjects:[]flowcontrol.Subject{flowcontrol.Subject{Kind:\"Group\", User:"
                     "(*flowcontrol.UserSubject)(nil), Group:(*flowcontrol.GroupSubject)"
                     "(0xc000000000), ServiceAccount:(*flowcontrol.ServiceAccountSubject)(nil)}}, "
                     "ResourceRules:[]flowcontrol.ResourcePolicyRule{flowcontrol."
                     "ResourcePolicyRule{Verbs:[]string{\"*\"}, APIGroups:[]string{\"*\"}, "
                     "Resources:[]string{\"*\"}, ClusterScope:true, Namespaces:[]string{\"*\"}}}, "
                     "NonResourceRules:[]flowcontrol.NonResourcePolicyRule{flowcontrol."
                     "NonResourcePolicyRule{Verbs:[]string{\"*\"}, NonResourceURLs:"
                     "[]string{\"*\"}}}}}}: spec of 'exempt' must equal the fixed value");
    ck_assert_causes(FLOW, "FlowSchema",
                     "{'metadata':{'name':'catch-all'},'spec':{'priorityLevelConfiguration':{"
                     "'name':'catch-all'},'matchingPrecedence':10000,'distinguisherMethod':{'type':"
                     "'ByUser'},'rules':[{'subjects':[{'kind':'Group','group':{'name':"
                     "'system:unauthenticated'}},{'kind':'Group','group':{'name':"
                     "'system:authenticated'}}]," ALL "}]}}",
                     "");
#define LEVEL "PriorityLevelConfiguration"
    ck_assert_causes(FLOW, LEVEL,
                     "{'metadata':{'name':'exempt'},'spec':{'type':'Exempt','exempt':{"
                     "'nominalConcurrencyShares':5}}}",
                     "");
    ck_assert_causes(FLOW, LEVEL,
                     "{'metadata':{'name':'catch-all'},'spec':{'type':'Limited','limited':{"
                     "'nominalConcurrencyShares':5,'limitResponse':{'type':'Reject'}}}}",
                     "");
    ck_assert_causes(
        FLOW, LEVEL,
        "{'metadata':{'name':'catch-all'},'spec':{'type':'Limited','limited':{"
        "'nominalConcurrencyShares':6,'limitResponse':{'type':'Reject'}}}}",
        "spec: Invalid value: flowcontrol.PriorityLevelConfigurationSpec{Type:\"Limited\", "
        "Limited:(*flowcontrol.LimitedPriorityLevelConfiguration)(0xc000000000), Exempt:"
        "(*flowcontrol.ExemptPriorityLevelConfiguration)(nil)}: spec of "
        "'catch-all' must equal the fixed value");
#undef LEVEL
#undef EXEMPT
}
END_TEST

START_TEST(queues_and_hands_are_each_told_what_is_wrong_with_them)
{
#define QUEUING(queues, hand, length)                                                              \
    "{'metadata':{'name':'o'},'spec':{'type':'Limited','limited':{'limitResponse':{'type':"        \
    "'Queue','queuing':{'queues':" queues ",'handSize':" hand ",'queueLengthLimit':" length        \
    "}}}}}"
#define AT "spec.limited.limitResponse.queuing."
    ck_assert_causes(FLOW, "PriorityLevelConfiguration", QUEUING("64", "8", "50"), "");
    ck_assert_causes(FLOW, "PriorityLevelConfiguration", QUEUING("-1", "-1", "-1"),
                     AT "queueLengthLimit: Invalid value: -1: must be positive\n" AT
                        "queues: Invalid value: -1: must be positive\n" AT
                        "handSize: Invalid value: -1: must be positive");
    ck_assert_causes(FLOW, "PriorityLevelConfiguration", QUEUING("20000000", "3", "50"),
                     AT "queues: Invalid value: 20000000: must not be greater than 10000000\n" AT
                        "handSize: Invalid value: 3: required entropy bits of deckSize 20000000 "
                        "and handSize 3 should not be greater than 60");
    ck_assert_causes(FLOW, "PriorityLevelConfiguration", QUEUING("2", "3", "50"),
                     AT "handSize: Invalid value: 3: should not be greater than queues (2)");
    /* What does not belong to the type is not looked into. */
    ck_assert_causes(
        FLOW, "PriorityLevelConfiguration",
        "{'metadata':{'name':'exempt'},'spec':{'type':'Exempt','limited':{"
        "'lendablePercent':101}}}",
        "spec.limited: Forbidden: must be nil if the type is not Limited\n"
        "spec: Invalid value: flowcontrol.PriorityLevelConfigurationSpec{Type:"
        "\"Exempt\", Limited:(*flowcontrol.LimitedPriorityLevelConfiguration)"
        "(0xc000000000), Exempt:(*flowcontrol.ExemptPriorityLevelConfiguration)(nil)}: "
        "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value");
    ck_assert_causes(FLOW, "PriorityLevelConfiguration",
                     "{'metadata':{'name':'o'},'spec':{'type':'x','limited':{'lendablePercent':"
                     "101}}}",
                     "spec.type: Unsupported value: \"x\": supported values: \"Exempt\", "
                     "\"Limited\"");
    ck_assert_causes(FLOW, "PriorityLevelConfiguration",
                     "{'metadata':{'name':'o'},'spec':{'type':'Limited','limited':{"
                     "'limitResponse':{'type':'x','queuing':{'queues':-1}}}}}",
                     "spec.limited.limitResponse.type: Unsupported value: \"x\": supported "
                     "values: \"Queue\", \"Reject\"");
#undef AT
#undef QUEUING
}
END_TEST

Suite *check_admission_suite(void)
{
    Suite *suite = suite_create("check_admission");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, the_kind_of_parameters_is_a_version_and_a_kind);
    tcase_add_test(rules, names_in_a_rule_are_segments_of_paths_and_different);
    tcase_add_test(rules, a_binding_either_denies_or_warns);
    tcase_add_test(rules, queues_and_hands_are_each_told_what_is_wrong_with_them);
    tcase_add_test(rules, parameters_are_by_name_or_by_selector);
    tcase_add_test(rules, what_a_binding_matches_is_checked_under_the_path_that_clients_know);
    tcase_add_test(rules, a_webhooks_service_is_named_by_the_path_that_clients_know);
    tcase_add_test(rules, causes_of_a_webhook_come_in_the_order_of_its_checks);
    tcase_add_test(rules, a_star_stands_alone_in_a_rule);
    tcase_add_test(rules, a_flow_schema_names_verbs_paths_and_namespaces_that_are_there);
    tcase_add_test(rules, a_subject_of_a_flow_schema_is_what_its_kind_says);
    tcase_add_test(rules, what_the_server_cannot_do_without_stays_as_it_is);
    suite_add_tcase(suite, rules);
    return suite;
}
