/* Structural schemas and their CEL rules, on objects written as JSON. */
#include "k8s/apiextensions_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/api/custom_rules.h"
#include "lib/api/structural_meta.h"
#include "lib/cel/function.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <errno.h>

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static const struct structural *schema_of(const char *text)
{
    void *source = NULL;
    const struct api_message *table = api_message_find(
        "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
    ck_assert_int_eq(api_decode_json(arena, table, slice_text(text), NULL, &source, NULL), 0);
    return structural_parse(arena, source);
}

static struct json_value *tree_of(const char *text)
{
    struct json_value *tree = NULL;
    ck_assert_int_eq(json_parse(arena, slice_text(text), &tree, NULL), 0);
    return tree;
}

static const char *text_of(const struct json_value *tree)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 65536);
    json_print(tree, /* sorted= */ true, &out);
    return arena_text_n(arena, buffer_text(&out), out.len);
}

static const char SPEC[] =
    "{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"required\":[\"a\"],"
    "\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":1},"
    "\"b\":{\"type\":\"string\",\"default\":\"x\",\"maxLength\":3},"
    "\"n\":{\"type\":\"string\",\"nullable\":true},"
    "\"l\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\","
    "\"x-kubernetes-list-map-keys\":[\"k\"],\"items\":{\"type\":\"object\",\"properties\":{"
    "\"k\":{\"type\":\"string\"}}}},"
    "\"free\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}},"
    "\"x-kubernetes-validations\":[{\"rule\":\"self.a < 10\"},"
    "{\"rule\":\"self.a >= oldSelf.a\",\"message\":\"only up\",\"fieldPath\":\".a\"}]}}}";

START_TEST(unknown_fields_are_removed_and_told_but_where_they_are_preserved)
{
    struct api_problems problems = {0};
    struct json_value *tree = tree_of("{\"spec\":{\"a\":1,\"z\":2,\"free\":{\"q\":1}},\"y\":{}}");
    structural_prune(arena, schema_of(SPEC), tree, &problems);
    ck_assert_str_eq(text_of(tree), "{\"spec\":{\"a\":1,\"free\":{\"q\":1}}}");
    ck_assert_uint_eq(problems.count, 2);
    ck_assert_str_eq(problems.texts[0], "unknown field \"spec.z\"");
    ck_assert_str_eq(problems.texts[1], "unknown field \"y\"");
}
END_TEST

START_TEST(a_null_that_is_not_allowed_counts_as_absent_for_defaults)
{
    struct json_value *tree = tree_of("{\"spec\":{\"a\":null,\"b\":null,\"n\":null}}");
    structural_default(arena, schema_of(SPEC), tree);
    ck_assert_str_eq(text_of(tree), "{\"spec\":{\"b\":\"x\",\"n\":null}}");
}
END_TEST

static size_t count_causes(const char *object, const char *old, struct api_causes *causes)
{
    api_causes_init(causes, arena);
    structural_validate(causes, NULL, schema_of(SPEC), tree_of(object),
                        old == NULL ? NULL : tree_of(old));
    return causes->count;
}

START_TEST(each_field_is_blamed_with_its_reason)
{
    struct api_causes causes;
    ck_assert_uint_eq(count_causes("{\"spec\":{\"a\":1,\"b\":\"abc\",\"n\":null}}", NULL, &causes),
                      0);
    ck_assert_uint_eq(count_causes("{\"spec\":{\"b\":\"abcd\"}}", NULL, &causes), 2);
    ck_assert_str_eq(causes.items[0].reason, "FieldValueTooLong");
    ck_assert_str_eq(causes.items[1].reason, "FieldValueRequired");
    ck_assert_str_eq(causes.items[1].field, "spec.a");
    ck_assert_uint_eq(count_causes("{\"spec\":{\"a\":0}}", NULL, &causes), 1);
    ck_assert_str_eq(causes.items[0].message,
                     "Invalid value: 0: spec.a in body should be greater than or equal to 1");
    ck_assert_uint_eq(
        count_causes("{\"spec\":{\"a\":1,\"l\":[{\"k\":\"s\"},{\"k\":\"s\"}]}}", NULL, &causes), 1);
    ck_assert_str_eq(causes.items[0].field, "spec.l[1]");
}
END_TEST

START_TEST(of_a_text_only_the_first_fault_is_told_besides_its_format)
{
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"s\":{\"type\":\"string\","
                                 "\"minLength\":2,\"pattern\":\"^[a-z]+$\",\"format\":\"ipv4\"}}}";
    struct api_causes causes;
    api_causes_init(&causes, arena);
    structural_validate(&causes, NULL, schema_of(schema), tree_of("{\"s\":\"A\"}"), NULL);
    ck_assert_uint_eq(causes.count, 2);
    ck_assert_str_eq(causes.items[0].message,
                     "Invalid value: \"A\": s in body should be at least 2 chars long");
    ck_assert_str_eq(causes.items[1].message,
                     "Invalid value: \"A\": s in body must be of type ipv4: \"A\"");
}
END_TEST

START_TEST(numbers_are_kept_as_int64_or_as_float64)
{
    static const struct {
        const char *sent, *kept; /* NULL: refused. */
        const char *as_integer;  /* What is said where an integer is wanted; NULL: nothing. */
    } cases[] = {
        {"1", "1", NULL},
        {"-0", "0", NULL},
        {"1.0", "1", NULL},
        {"-0.0", "-0", NULL},
        {"1e2", "100", NULL},
        {"3.0000000001", "3.0000000001", NULL},
        {"9223372036854775807", "9223372036854775807", NULL},
        {"9007199254740991.0", "9007199254740991", NULL},
        {"9007199254740993.0", "9007199254740992", "number"},
        {"9223372036854775808", "9223372036854776000", "number"},
        {"18446744073709551615", "18446744073709552000", "number"},
        {"1e30", "1e+30", "number"},
        {"1.5", "1.5", "number"},
        {"1e-400", "0", NULL},
        {"1e400", NULL, NULL},
        {"-1e400", NULL, NULL},
    };
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"i\":{\"type\":\"integer\"}}}";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_value *tree = tree_of(arena_printf(arena, "{\"i\":%s}", cases[i].sent));
        int kept = json_settle_number(arena, tree->members[0].value);
        ck_assert_int_eq(kept, cases[i].kept == NULL ? -ERANGE : 0);
        if (cases[i].kept == NULL) {
            continue;
        }
        ck_assert_str_eq(text_of(tree->members[0].value), cases[i].kept);
        struct api_causes causes;
        api_causes_init(&causes, arena);
        structural_validate(&causes, NULL, schema_of(schema), tree, NULL);
        ck_assert_msg(causes.count == (cases[i].as_integer != NULL), "%s", cases[i].sent);
        if (causes.count > 0) {
            ck_assert_str_eq(causes.items[0].message,
                             "Invalid value: \"number\": i in body must be of type integer: "
                             "\"number\"");
        }
    }
}
END_TEST

START_TEST(metadata_of_an_embedded_object_has_only_what_metadata_has)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"e\":{\"type\":\"array\",\"items\":{\"type\":"
        "\"object\","
        "\"x-kubernetes-embedded-resource\":true,\"x-kubernetes-preserve-unknown-fields\":true}}}}";
    struct api_problems problems = {0};
    struct json_value *tree =
        tree_of("{\"e\":[{\"metadata\":{\"name\":\"a\",\"x\":1,\"ownerReferences\":[{\"uid\":\"u\","
                "\"y\":1}]},\"spec\":{\"metadata\":{\"x\":1}}}]}");
    structural_meta_prune(arena, schema_of(schema), tree, &problems);
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 4096);
    json_print(tree, /* sorted= */ true, &out);
    ck_assert_str_eq(
        buffer_text(&out),
        "{\"e\":[{\"metadata\":{\"name\":\"a\",\"ownerReferences\":[{\"apiVersion\":\"\","
        "\"kind\":\"\",\"name\":\"\",\"uid\":\"u\"}]},\"spec\":{\"metadata\":{\"x\":1}}}]}");
    ck_assert_uint_eq(problems.count, 2);
    ck_assert_str_eq(problems.texts[0], "unknown field \"e[0].metadata.ownerReferences[0].y\"");
    ck_assert_str_eq(problems.texts[1], "unknown field \"e[0].metadata.x\"");
}
END_TEST

START_TEST(an_embedded_object_says_what_it_is)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"e\":{\"type\":\"object\","
        "\"x-kubernetes-embedded-resource\":true,\"x-kubernetes-preserve-unknown-fields\":true}}}";
    static const struct {
        const char *object, *causes[2];
    } cases[] = {
        {"{\"e\":{\"apiVersion\":\"a/v1\",\"kind\":\"Foo\"}}", {NULL}},
        {"{\"e\":{}}", {"Required value: must not be empty", "Required value: must not be empty"}},
        {"{\"e\":{\"apiVersion\":\"\",\"kind\":\"F\"}}",
         {"Invalid value: \"\": must not be empty"}},
        {"{\"e\":{\"apiVersion\":\"a/b/c\",\"kind\":\"F_\"}}",
         {"Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
          "Invalid value: \"F_\": may have mixed case, but should otherwise match: "}},
        {"{\"e\":{\"apiVersion\":\"v1\",\"kind\":\"F\",\"metadata\":{\"labels\":{\"a\":\"b\"}}}}",
         {NULL}},
        {"{\"e\":{\"apiVersion\":\"v1\",\"kind\":\"F\",\"metadata\":{\"name\":\"a/b\","
         "\"labels\":{\"a_\":\"b\"}}}}",
         {"Invalid value: \"a/b\": may not contain '/'",
          "Invalid value: \"a_\": name part must consist of alphanumeric characters"}},
        {"{\"e\":{\"apiVersion\":\"v1\",\"kind\":\"F\",\"metadata\":{\"namespace\":\"N\"}}}",
         {"Invalid value: \"N\": a lowercase RFC 1123 label must consist of"}},
        {"{\"e\":{\"apiVersion\":\"v1\",\"kind\":\"F\",\"metadata\":{\"name\":1}}}",
         {"Invalid value: map[string]interface {}{\"name\":1}: "}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct api_causes causes;
        api_causes_init(&causes, arena);
        structural_validate(&causes, NULL, schema_of(schema), tree_of(cases[i].object), NULL);
        for (size_t j = 0; j < ARRAY_LEN(cases[i].causes); j++) {
            const char *wanted = cases[i].causes[j];
            ck_assert_int_eq(causes.count > j, wanted != NULL);
            ck_assert(wanted == NULL ||
                      strncmp(causes.items[j].message, wanted, strlen(wanted)) == 0);
        }
    }
}
END_TEST

START_TEST(what_did_not_change_is_not_blamed_on_an_update)
{
    struct api_causes causes;
    ck_assert_uint_eq(count_causes("{\"spec\":{\"a\":2,\"b\":\"abcd\"}}",
                                   "{\"spec\":{\"a\":1,\"b\":\"abcd\"}}", &causes),
                      0);
}
END_TEST

START_TEST(rules_see_the_object_and_what_it_was)
{
    struct cel_functions *functions = cel_functions_new_standard(NULL, 0);
    const struct custom_rules *rules = custom_rules_new(arena, schema_of(SPEC), true, functions);
    struct api_causes causes;
    api_causes_init(&causes, arena);
    custom_rules_check(&causes, rules, tree_of("{\"spec\":{\"a\":3}}"), NULL);
    ck_assert_uint_eq(causes.count, 0);
    custom_rules_check(&causes, rules, tree_of("{\"spec\":{\"a\":11}}"), NULL);
    ck_assert_uint_eq(causes.count, 1);
    ck_assert_str_eq(causes.items[0].message,
                     "Invalid value: \"object\": failed rule: self.a < 10");
    ck_assert_str_eq(causes.items[0].field, "spec");
    custom_rules_check(&causes, rules, tree_of("{\"spec\":{\"a\":3}}"),
                       tree_of("{\"spec\":{\"a\":4}}"));
    ck_assert_uint_eq(causes.count, 2);
    ck_assert_str_eq(causes.items[1].message, "Invalid value: \"object\": only up");
    ck_assert_str_eq(causes.items[1].field, "spec.a");
    cel_functions_unref(functions);
}
END_TEST

Suite *structural_suite(void)
{
    Suite *suite = suite_create("api/structural");
    TCase *tcase = tcase_create("objects");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, unknown_fields_are_removed_and_told_but_where_they_are_preserved);
    tcase_add_test(tcase, a_null_that_is_not_allowed_counts_as_absent_for_defaults);
    tcase_add_test(tcase, each_field_is_blamed_with_its_reason);
    tcase_add_test(tcase, of_a_text_only_the_first_fault_is_told_besides_its_format);
    tcase_add_test(tcase, numbers_are_kept_as_int64_or_as_float64);
    tcase_add_test(tcase, an_embedded_object_says_what_it_is);
    tcase_add_test(tcase, metadata_of_an_embedded_object_has_only_what_metadata_has);
    tcase_add_test(tcase, what_did_not_change_is_not_blamed_on_an_update);
    tcase_add_test(tcase, rules_see_the_object_and_what_it_was);
    suite_add_tcase(suite, tcase);
    return suite;
}
