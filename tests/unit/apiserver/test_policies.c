/* ValidatingAdmissionPolicies: what they refuse, warn of, let pass, and with which parameters. */
#include "apiserver/audit_notes.h"
#include "apiserver/limits.h"
#include "tests/unit/apiserver/registry_fixture.h"

static struct fixture fixture;

static void setup(void)
{
    fixture_init(&fixture);
    make_namespace(&fixture);
}

static void teardown(void)
{
    fixture_release(&fixture);
}

static const struct api_status *tried(const char *plural, const char *json)
{
    const struct api_kind *kind = api_kind_find("admissionregistration.k8s.io", "v1", plural);
    void *message = NULL;
    CLEANUP(error_release) struct error error = {0};
    ck_assert_msg(api_decode_json(fixture.arena, kind->message, slice_text(json), NULL, &message,
                                  &error) == 0,
                  "%s: %s", json, error_message(&error));
    struct registry_call call = {.verb = REGISTRY_CREATE, .kind = kind, .body = message};
    run(&fixture, &call);
    return call.status;
}

static void make(const char *plural, const char *json)
{
    const struct api_status *status = tried(plural, json);
    ck_assert_msg(status == NULL, "%s", status == NULL ? "" : status->message);
}

#define CONFIG_MAPS                                                                                \
    "\"matchConstraints\":{\"resourceRules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],"     \
    "\"operations\":[\"CREATE\",\"UPDATE\",\"DELETE\"],\"resources\":[\"configmaps\"]}]},"

/* `spec`: members after matchConstraints; `binding`: members after policyName. */
static void make_policy(const char *name, const char *spec, const char *binding)
{
    struct arena *arena = fixture.arena;
    make("validatingadmissionpolicies",
         arena_printf(arena, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{" CONFIG_MAPS "%s}}", name,
                      spec));
    make("validatingadmissionpolicybindings",
         arena_printf(arena,
                      "{\"metadata\":{\"name\":\"%s-b\"},\"spec\":{\"policyName\":\"%s\",%s}}",
                      name, name, binding));
}

static struct registry_call config_map(const char *name, const char *data)
{
    return create(
        &fixture, "configmaps", "ns",
        arena_printf(fixture.arena, "{\"metadata\":{\"name\":\"%s\"},\"data\":{%s}}", name, data));
}

#define DENY "\"validationActions\":[\"Deny\"]"

START_TEST(what_a_rule_forbids_is_refused_and_nothing_else)
{
    make_policy("p", "\"validations\":[{\"expression\":\"!('deny' in object.data)\"}]", DENY);
    ck_assert_ptr_null(config_map("a", "\"k\":\"v\"").status);
    struct registry_call call = config_map("b", "\"deny\":\"v\"");
    ck_assert_int_eq(call.status->code, 422);
    ck_assert_str_eq(call.status->reason, "Invalid");
    ck_assert_str_eq(call.status->message,
                     "configmaps \"b\" is forbidden: ValidatingAdmissionPolicy 'p' with binding "
                     "'p-b' denied request: failed expression: !('deny' in object.data)");
    ck_assert_ptr_null(create(&fixture, "secrets", "ns", "{\"metadata\":{\"name\":\"s\"}}").status);
}
END_TEST

START_TEST(variables_and_message_expressions_work_together)
{
    make_policy("p",
                "\"variables\":[{\"name\":\"n\",\"expression\":\"size(object.data)\"},"
                "{\"name\":\"twice\",\"expression\":\"variables.n * 2\"}],"
                "\"validations\":[{\"expression\":\"variables.twice < 4\",\"reason\":\"Forbidden\","
                "\"messageExpression\":\"'twice is ' + string(variables.twice)\"}]",
                DENY);
    ck_assert_ptr_null(config_map("a", "\"k\":\"v\"").status);
    struct registry_call call = config_map("b", "\"k\":\"v\",\"l\":\"v\"");
    ck_assert_int_eq(call.status->code, 403);
    ck_assert_ptr_nonnull(strstr(call.status->message, "denied request: twice is 4"));
}
END_TEST

START_TEST(an_error_refuses_unless_failures_are_ignored)
{
    make_policy("p", "\"validations\":[{\"expression\":\"object.data.none == 'x'\"}]", DENY);
    struct registry_call call = config_map("a", "\"k\":\"v\"");
    ck_assert_int_eq(call.status->code, 422);
    ck_assert_ptr_nonnull(strstr(call.status->message, "expression 'object.data.none == 'x'' "
                                                       "resulted in error: no such key: none"));
}
END_TEST

START_TEST(conditions_that_fail_are_all_told_once)
{
    make_policy("p",
                "\"matchConditions\":[{\"name\":\"a\",\"expression\":\"object.none == 1\"},"
                "{\"name\":\"b\",\"expression\":\"object.nil == 1\"}],"
                "\"validations\":[{\"expression\":\"true\"}]",
                "\"validationActions\":[\"Deny\"]");
    struct registry_call call = config_map("c", "");
    ck_assert_int_eq(call.status->code, 422);
    ck_assert_ptr_nonnull(strstr(
        call.status->message, "denied request: [expression 'object.none == 1' resulted in error: "
                              "no such key: none, expression 'object.nil == 1' resulted in "
                              "error: no such key: nil]"));
}
END_TEST

START_TEST(an_ignored_error_lets_pass)
{
    make_policy("p",
                "\"failurePolicy\":\"Ignore\",\"validations\":[{\"expression\":"
                "\"object.data.none == 'x'\"}],\"auditAnnotations\":[{\"key\":\"k\","
                "\"valueExpression\":\"string(object.data.none)\"}]",
                DENY);
    ck_assert_ptr_null(config_map("a", "\"k\":\"v\"").status);
}
END_TEST

START_TEST(a_binding_may_warn_only_and_choose_by_labels)
{
    make_policy("p", "\"validations\":[{\"expression\":\"false\",\"message\":\"careful\"}]",
                "\"validationActions\":[\"Warn\",\"Audit\"],\"matchResources\":{"
                "\"objectSelector\":{\"matchLabels\":{\"a\":\"b\"}}}");
    struct registry_call call = config_map("a", "");
    ck_assert_ptr_null(call.status);
    ck_assert_uint_eq(call.warning_count, 0);
    call = create(&fixture, "configmaps", "ns",
                  "{\"metadata\":{\"name\":\"c\",\"labels\":{\"a\":\"b\"}}}");
    ck_assert_ptr_null(call.status);
    ck_assert_uint_eq(call.warning_count, 1);
    ck_assert_str_eq(call.warnings[0], "Validation failed for ValidatingAdmissionPolicy 'p' with "
                                       "binding 'p-b': careful");
}
END_TEST

START_TEST(conditions_and_deletions_see_the_old_object)
{
    make_policy("p",
                "\"matchConditions\":[{\"name\":\"d\",\"expression\":\"request.operation == "
                "'DELETE'\"}],\"validations\":[{\"expression\":\"object == null && "
                "oldObject.data.keep != 'yes'\"}]",
                DENY);
    ck_assert_ptr_null(config_map("a", "\"keep\":\"yes\"").status);
    struct registry_call call = simple(&fixture, REGISTRY_DELETE, "configmaps", "ns", "a");
    ck_assert_int_eq(call.status->code, 422);
    ck_assert_ptr_null(config_map("b", "\"keep\":\"no\"").status);
    ck_assert_ptr_null(simple(&fixture, REGISTRY_DELETE, "configmaps", "ns", "b").status);
}
END_TEST

START_TEST(parameters_come_from_other_objects)
{
    ck_assert_ptr_null(
        create(&fixture, "secrets", "ns", "{\"metadata\":{\"name\":\"limit\"},\"type\":\"four\"}")
            .status);
    make_policy("p",
                "\"paramKind\":{\"apiVersion\":\"v1\",\"kind\":\"Secret\"},\"validations\":["
                "{\"expression\":\"object.metadata.name != params.type\"}]",
                DENY ",\"paramRef\":{\"name\":\"limit\",\"parameterNotFoundAction\":\"Deny\"}");
    ck_assert_ptr_null(config_map("three", "").status);
    ck_assert_int_eq(config_map("four", "").status->code, 422);
    ck_assert_ptr_null(simple(&fixture, REGISTRY_DELETE, "secrets", "ns", "limit").status);
    struct registry_call call = config_map("five", "");
    ck_assert_ptr_nonnull(strstr(call.status->message,
                                 "denied request: failed to configure binding: no params found for "
                                 "policy binding with `Deny` parameterNotFoundAction"));
}
END_TEST

START_TEST(a_policy_with_parameters_of_an_unknown_kind_refuses)
{
    make_policy("p",
                "\"paramKind\":{\"apiVersion\":\"none.example.com/v1\",\"kind\":\"None\"},"
                "\"validations\":[{\"expression\":\"true\"}]",
                DENY ",\"paramRef\":{\"name\":\"x\",\"parameterNotFoundAction\":\"Deny\"}");
    struct registry_call call = config_map("a", "");
    ck_assert_int_eq(call.status->code, 422);
    ck_assert_str_eq(call.status->message,
                     "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: "
                     "failed to configure policy: failed to find resource referenced by paramKind: "
                     "'none.example.com/v1, Kind=None'");
}
END_TEST

START_TEST(the_namespace_and_the_authorizer_can_be_asked)
{
    make_policy("p",
                "\"validations\":[{\"expression\":\"namespaceObject.metadata.name == 'ns' && "
                "authorizer.group('').resource('pods').namespace('ns').check('get').allowed() && "
                "authorizer.requestResource.check('create').allowed()\"}]",
                DENY);
    ck_assert_ptr_null(config_map("a", "").status);
}
END_TEST

/* Members of a spec, and what is said when it is written: NULL for nothing. */
static const struct {
    const char *spec, *field, *message;
} writes[] = {
    {"'validations':[{'expression':'object.x == 1'}]", NULL, NULL},
    {"'validations':[{'expression':'object.x =='}]", "spec.validations[0].expression",
     "compilation failed: ERROR: <input>:1:12: Syntax error"},
    {"'validations':[{'expression':'1'}]", "spec.validations[0].expression",
     "Invalid value: \"1\": must evaluate to bool but got int"},
    {"'validations':[{'expression':'request.nope'}]", "spec.validations[0].expression",
     "undefined field 'nope'"},
    {"'validations':[{'expression':'params == null'}]", "spec.validations[0].expression",
     "undeclared reference to 'params'"},
    {"'validations':[{'expression':'variables.v'}]", "spec.validations[0].expression",
     "undeclared reference to 'variables'"},
    {"'variables':[{'name':'v','expression':'1'}],'validations':[{'expression':'variables.v'}]",
     "spec.validations[0].expression", "must evaluate to bool but got int"},
    {"'variables':[{'name':'v','expression':'variables.w'},{'name':'w','expression':'1'}],"
     "'validations':[{'expression':'variables.v == 1'}]",
     "spec.variables[0].expression", "undefined field 'w'"},
    {"'variables':[{'name':'in','expression':'1'}],'validations':[{'expression':'true'}]",
     "spec.variables[0].name", "name is not a valid CEL identifier"},
    {"'variables':[{'name':'v','expression':'[1]'}],'matchConditions':[{'name':'m','expression':"
     "'variables.v == 1'}],'validations':[{'expression':'true'}]",
     "spec.matchConditions[0].expression", "undeclared reference to 'variables'"},
    {"'matchConditions':[{'name':'m','expression':'true'},{'name':'m','expression':'true'}],"
     "'validations':[{'expression':'true'}]",
     "spec.matchConditions[1].name", "Duplicate value: \"m\""},
    {"'validations':[{'expression':'true','messageExpression':'1'}]",
     "spec.validations[0].messageExpression", "must evaluate to string but got int"},
    {"'validations':[{'expression':'true','messageExpression':'authorizer.path(\\\"/\\\")'}]",
     "spec.validations[0].messageExpression", "undeclared reference to 'authorizer'"},
    {"'auditAnnotations':[{'key':'k','valueExpression':'[1, 2]'}]",
     "spec.auditAnnotations[0].valueExpression",
     "must evaluate to one of [string null_type] but got list(int)"},
    {"'auditAnnotations':[{'key':'a b','valueExpression':'null'}]", "spec.auditAnnotations[0].key",
     "Invalid value: \"p/a b\""},
    {"'validations':[{'expression':'namespaceObject.metadata.uid == \\\"\\\"'}]",
     "spec.validations[0].expression", "undefined field 'uid'"},
    {"'validations':[{'expression':'namespaceObject.metadata.creationTimestamp < "
     "timestamp(\\\"2000-01-01T00:00:00Z\\\")'}]",
     NULL, NULL},
};

static const char *in_double_quotes(const char *text)
{
    char *copy = arena_text(fixture.arena, text);
    for (char *at = copy; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    return copy;
}

START_TEST(expressions_are_compiled_when_they_are_written)
{
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        const struct api_status *status = tried(
            "validatingadmissionpolicies",
            arena_printf(fixture.arena,
                         "{\"metadata\":{\"name\":\"p%s\"},\"spec\":{" CONFIG_MAPS "%s}}",
                         writes[i].field == NULL ? "-good" : "", in_double_quotes(writes[i].spec)));
        ck_assert_msg((status == NULL || status->code == 409) == (writes[i].field == NULL),
                      "%s: %s", writes[i].spec, status == NULL ? "stored" : status->message);
        if (writes[i].field != NULL) {
            ck_assert_str_eq(status->causes[0].field, writes[i].field);
            ck_assert_msg(strstr(status->causes[0].message, writes[i].message) != NULL, "%s: %s",
                          writes[i].spec, status->causes[0].message);
        }
    }
}
END_TEST

START_TEST(webhooks_with_conditions_that_do_not_compile_are_refused)
{
    const struct api_status *status =
        tried("mutatingwebhookconfigurations",
              "{\"metadata\":{\"name\":\"m\"},\"webhooks\":[{\"name\":\"a.b.c\",\"clientConfig\":"
              "{\"url\":\"https://127.0.0.1/\"},\"sideEffects\":\"None\","
              "\"admissionReviewVersions\":[\"v1\"],\"matchConditions\":[{\"name\":"
              "\"invalid-expression-1\",\"expression\":\"...\"},{\"name\":\"is-pod\","
              "\"expression\":\"request.resource.resource == 'pods'\"},{\"name\":\"p\","
              "\"expression\":\"params.x\"}]}]}");
    ck_assert_ptr_nonnull(status);
    ck_assert_int_eq(status->code, 422);
    ck_assert_uint_eq(status->cause_count, 2);
    ck_assert_str_eq(status->causes[0].field, "webhooks[0].matchConditions[0].expression");
    ck_assert_ptr_nonnull(strstr(status->causes[0].message, "compilation failed"));
    ck_assert_str_eq(status->causes[1].field, "webhooks[0].matchConditions[2].expression");
}
END_TEST

static const char *noted(const struct audit_notes *notes, const char *key)
{
    for (size_t i = 0; i < notes->count; i++) {
        if (strcmp(notes->items[i].key, key) == 0) {
            return notes->items[i].value;
        }
    }
    return NULL;
}

START_TEST(the_audit_log_is_told_of_failures_and_of_annotations)
{
    struct audit_notes notes = {.arena = fixture.arena};
    make_policy("p",
                "\"validations\":[{\"expression\":\"true\"},{\"expression\":\"false\","
                "\"message\":\"no\"}],\"auditAnnotations\":[{\"key\":\"who\",\"valueExpression\":"
                "\"' it is ' + object.metadata.name + ' '\"},{\"key\":\"none\","
                "\"valueExpression\":\"null\"}]",
                "\"validationActions\":[\"Audit\"]");
    make("validatingadmissionpolicybindings",
         "{\"metadata\":{\"name\":\"p-c\"},\"spec\":{\"policyName\":\"p\","
         "\"validationActions\":[\"Warn\"]}}");
    const struct api_kind *kind = api_kind_find("", "v1", "configmaps");
    void *message = NULL;
    ck_assert_int_eq(api_decode_json(fixture.arena, kind->message,
                                     slice_text("{\"metadata\":{\"name\":\"x\"}}"), NULL, &message,
                                     NULL),
                     0);
    struct registry_call call = {
        .verb = REGISTRY_CREATE, .kind = kind, .namespace = "ns", .body = message, .notes = &notes};
    run(&fixture, &call);
    ck_assert_ptr_null(call.status);
    ck_assert_uint_eq(call.warning_count, 1);
    ck_assert_str_eq(noted(&notes, "p/who"), "it is x");
    ck_assert_ptr_null(noted(&notes, "p/none"));
    ck_assert_str_eq(noted(&notes, "validation.policy.admission.k8s.io/validation_failure"),
                     "[{\"message\":\"no\",\"policy\":\"p\",\"binding\":\"p-b\","
                     "\"expressionIndex\":1,\"validationActions\":[\"Audit\"]}]");
}
END_TEST

/* Each of the parameters has the annotation say ten thousand bytes of its own. */
START_TEST(an_annotation_of_many_values_ends_where_it_is_long_enough)
{
    enum { PARAMETERS = 12, VALUE_BYTES = 10000 };
    struct audit_notes notes = {.arena = fixture.arena};
    for (char letter = 'a'; letter < 'a' + PARAMETERS; letter++) {
        char value[VALUE_BYTES + 1] = {0};
        memset(value, letter, VALUE_BYTES);
        struct registry_call made = create(
            &fixture, "configmaps", "ns",
            arena_printf(fixture.arena, "{\"metadata\":{\"name\":\"%c\"},\"data\":{\"x\":\"%s\"}}",
                         letter, value));
        ck_assert_ptr_null(made.status);
    }
    make_policy("p",
                "\"paramKind\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"},\"validations\":["
                "{\"expression\":\"true\"}],\"auditAnnotations\":[{\"key\":\"all\","
                "\"valueExpression\":\"string(params.data.x)\"}]",
                "\"validationActions\":[\"Audit\"],\"paramRef\":{\"selector\":{},"
                "\"parameterNotFoundAction\":\"Deny\"}");
    const struct api_kind *kind = api_kind_find("", "v1", "configmaps");
    void *message = NULL;
    ck_assert_int_eq(api_decode_json(fixture.arena, kind->message,
                                     slice_text("{\"metadata\":{\"name\":\"z\"}}"), NULL, &message,
                                     NULL),
                     0);
    struct registry_call call = {
        .verb = REGISTRY_CREATE, .kind = kind, .namespace = "ns", .body = message, .notes = &notes};
    run(&fixture, &call);
    ck_assert_ptr_null(call.status);
    const char *all = noted(&notes, "p/all");
    ck_assert_ptr_nonnull(all);
    size_t values = 1;
    for (const char *at = all; (at = strstr(at, ", ")) != NULL; at++) {
        values++;
    }
    ck_assert_uint_eq(values, POLICY_NOTES_MAX / VALUE_BYTES + 1); /* The last goes over it. */
    ck_assert_uint_eq(strlen(all), values * VALUE_BYTES + (values - 1) * strlen(", "));
}
END_TEST

START_TEST(an_expression_without_end_is_stopped)
{
    make_policy("p",
                "\"validations\":[{\"expression\":\"[1,2,3,4,5,6,7,8,9,10].all(a, "
                "[1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, "
                "[1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, "
                "[1,2,3,4,5,6,7,8,9,10].all(f, a + b + c + d + e + f > 0))))))\"}]",
                DENY);
    struct registry_call call = config_map("a", "");
    ck_assert_int_eq(call.status->code, 422);
    ck_assert_ptr_nonnull(strstr(call.status->message, "running out of cost budget"));
}
END_TEST

Suite *policies_suite(void);
Suite *policies_suite(void)
{
    Suite *suite = suite_create("apiserver/policies");
    TCase *tcase = tcase_create("admission");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_a_rule_forbids_is_refused_and_nothing_else);
    tcase_add_test(tcase, variables_and_message_expressions_work_together);
    tcase_add_test(tcase, an_error_refuses_unless_failures_are_ignored);
    tcase_add_test(tcase, conditions_that_fail_are_all_told_once);
    tcase_add_test(tcase, an_ignored_error_lets_pass);
    tcase_add_test(tcase, a_binding_may_warn_only_and_choose_by_labels);
    tcase_add_test(tcase, conditions_and_deletions_see_the_old_object);
    tcase_add_test(tcase, parameters_come_from_other_objects);
    tcase_add_test(tcase, a_policy_with_parameters_of_an_unknown_kind_refuses);
    tcase_add_test(tcase, the_namespace_and_the_authorizer_can_be_asked);
    tcase_add_test(tcase, expressions_are_compiled_when_they_are_written);
    tcase_add_test(tcase, webhooks_with_conditions_that_do_not_compile_are_refused);
    tcase_add_test(tcase, the_audit_log_is_told_of_failures_and_of_annotations);
    tcase_add_test(tcase, an_annotation_of_many_values_ends_where_it_is_long_enough);
    tcase_add_test(tcase, an_expression_without_end_is_stopped);
    suite_add_tcase(suite, tcase);
    return suite;
}
