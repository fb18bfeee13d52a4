/* Rules of roles, bindings and certificate requests. Objects are JSON with ' for quotes; causes are
 * compared as text, in order. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define RBAC "rbac.authorization.k8s.io/v1"

START_TEST(subjects_that_there_are_come_in_their_order)
{
    ck_assert_causes(RBAC, "RoleBinding",
                     "{'metadata':{'name':'o','namespace':'n'},'roleRef':{'kind':'Role','name':'r'}"
                     ",'subjects':[{'kind':'Robot','name':'x'}]}",
                     "subjects[0].kind: Unsupported value: \"Robot\": supported values: "
                     "\"ServiceAccount\", \"User\", \"Group\"");
}
END_TEST

START_TEST(a_selector_of_roles_that_is_wrong_is_told_as_a_whole_too)
{
    ck_assert_causes(RBAC, "ClusterRole",
                     "{'metadata':{'name':'o'},'aggregationRule':{'clusterRoleSelectors':[{"
                     "'matchExpressions':[{'key':'a','operator':'Is'}]},{}]}}",
                     "aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: "
                     "Invalid value: \"Is\": not a valid selector operator\n"
                     "aggregationRule.clusterRoleSelectors[0]: Invalid value: \"null\": invalid "
                     "label selector.");
}
END_TEST

/* --- Certificate requests ------------------------------------------------------------------------
 */

#define CSR(status)                                                                                \
    "{'metadata':{'name':'o'},'spec':{'signerName':'a.b/c','request':'eA==','usages':['any']},"    \
    "'status':{" status "}}"
#define CONDITION(type) "{'type':'" type "','status':'True'}"
#define CONDITIONS(...) CSR("'conditions':[" __VA_ARGS__ "]")
/* -----BEGIN CERTIFICATE-----, then eA== or eQ==, then -----END CERTIFICATE----- */
#define CERTIFICATE                                                                                \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmVBPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
#define ANOTHER "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmVRPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
/* -----BEGIN KEY-----, eA==, -----END KEY----- */
#define KEY          "LS0tLS1CRUdJTiBLRVktLS0tLQplQT09Ci0tLS0tRU5EIEtFWS0tLS0tCg=="
#define CERTIFICATES "certificates.k8s.io/v1", "CertificateSigningRequest"

START_TEST(who_signs_a_request_does_not_approve_it)
{
    ck_assert_causes_part(CERTIFICATES, "status", CSR(""), CONDITIONS(CONDITION("Approved")),
                          "status.conditions: Forbidden: updates may not add a condition of type "
                          "\"Approved\"");
    ck_assert_causes_part(CERTIFICATES, "status", CSR(""), CONDITIONS(CONDITION("Failed")), "");
    ck_assert_causes_part(CERTIFICATES, "approval", CSR(""), CONDITIONS(CONDITION("Approved")), "");
    ck_assert_causes_part(CERTIFICATES, "status", CONDITIONS(CONDITION("Approved")),
                          CONDITIONS("{'type':'Approved','status':'False'}"), "");
}
END_TEST

START_TEST(a_request_is_signed_once_and_with_certificates)
{
    ck_assert_causes_part(CERTIFICATES, "status", CSR(""), CSR("'certificate':'" CERTIFICATE "'"),
                          "");
    ck_assert_causes_part(CERTIFICATES, "status", CSR("'certificate':'" CERTIFICATE "'"),
                          CSR("'certificate':'" ANOTHER "'"),
                          "status.certificate: Forbidden: updates may not modify existing "
                          "certificate content");
    ck_assert_causes_part(CERTIFICATES, "status", CSR(""), CSR("'certificate':'" KEY "'"),
                          "status.certificate: Invalid value: \"<certificate data>\": only "
                          "CERTIFICATE PEM blocks are allowed, found \"KEY\"");
    ck_assert_causes_part(CERTIFICATES, "status", CSR(""), CSR("'certificate':'eA=='"),
                          "status.certificate: Invalid value: \"<certificate data>\": must contain "
                          "at least one CERTIFICATE PEM block");
}
END_TEST

START_TEST(a_decision_is_one_and_said_once)
{
    ck_assert_causes_part(
        CERTIFICATES, "approval", CSR(""),
        CONDITIONS(CONDITION("Approved") "," CONDITION("Denied") "," CONDITION("Denied")),
        "status.conditions[1].type: Invalid value: \"Denied\": Approved and Denied conditions are "
        "mutually exclusive\n"
        "status.conditions[2].type: Invalid value: \"Denied\": Approved and Denied conditions are "
        "mutually exclusive\n"
        "status.conditions[2].type: Duplicate value: \"Denied\"");
}
END_TEST

START_TEST(the_first_wrong_part_of_a_signers_name_is_told)
{
    ck_assert_causes(CERTIFICATES,
                     "{'metadata':{'name':'o'},'spec':{'signerName':'A_.b/c','request':'"
                     "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUFBPQotLS0tLUVORCBDRVJUSUZJ"
                     "Q0FURSBSRVFVRVNULS0tLS0K','usages':['any']}}",
                     "spec.signerName: Invalid value: \"A_.b\": validating label \"A_\": a "
                     "lowercase RFC 1123 label must consist of lower case alphanumeric characters "
                     "or '-', and must start and end with an alphanumeric character (e.g. "
                     "'my-name',  or '123-abc', regex used for validation is "
                     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
}
END_TEST

Suite *check_access_suite(void)
{
    Suite *suite = suite_create("check_access");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, subjects_that_there_are_come_in_their_order);
    tcase_add_test(rules, a_selector_of_roles_that_is_wrong_is_told_as_a_whole_too);
    tcase_add_test(rules, who_signs_a_request_does_not_approve_it);
    tcase_add_test(rules, a_request_is_signed_once_and_with_certificates);
    tcase_add_test(rules, a_decision_is_one_and_said_once);
    tcase_add_test(rules, the_first_wrong_part_of_a_signers_name_is_told);
    suite_add_tcase(suite, rules);
    return suite;
}
