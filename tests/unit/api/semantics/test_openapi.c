/* What `kubectl explain` shows: every message and field of every served kind says what it is. */
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/kinds.h"
#include "lib/api/openapi.h"
#include "lib/api/schema.h"
#include "lib/base/hash_map.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <stdio.h>

static bool is_sentence(const char *text)
{
    size_t len = strlen(text);
    return len > 3 && text[len - 1] == '.' && strstr(text, "  ") == NULL;
}

/* Messages with a JSON form of their own show no fields. */
static void check_described(struct hash_map *seen, const struct api_message *message)
{
    if (message == NULL || hash_map_get(seen, slice_text(message->full_name)) != NULL) {
        return;
    }
    (void)hash_map_set(seen, slice_text(message->full_name), (void *)(uintptr_t)message);
    ck_assert_msg(!message->published || is_sentence(message->description), "%s: \"%s\"",
                  message->full_name, message->description);
    for (size_t i = 0; message->form == API_OBJECT && i < message->member_count; i++) {
        const struct api_field *field = message->members[i].field;
        ck_assert_msg(is_sentence(field->description), "%s.%s: \"%s\"", message->full_name,
                      field->name, field->description);
        check_described(seen, field->message);
    }
}

START_TEST(every_served_kind_is_described_to_the_last_field)
{
    struct hash_map *seen = hash_map_new(1);
    size_t count = 0;
    const struct api_kind *kinds = api_kinds(&count);
    for (size_t i = 0; i < count; i++) {
        check_described(seen, kinds[i].message);
        check_described(seen, kinds[i].list_message);
    }
    ck_assert_ptr_nonnull(
        hash_map_get(seen, slice_text("k8s.io.api.core.v1.Probe"))); /* It went deep. */
    hash_map_free(seen);
}
END_TEST

START_TEST(descriptions_reach_the_documents)
{
    CLEANUP(buffer_release) struct buffer v2 = {0};
    CLEANUP(buffer_release) struct buffer v3 = {0};
    static const char wanted[] = "The image to run, such as registry.example/web:1.2.";
    buffer_init(&v2, SIZE_MAX);
    buffer_init(&v3, SIZE_MAX);
    ck_assert_int_eq(api_openapi_v3("", "v1", &v3), 0);
    ck_assert_int_eq(api_openapi_v2(API_OPENAPI_DEFINITIONS, &v2), 0);
    ck_assert_ptr_nonnull(strstr(buffer_text(&v3), wanted));
    ck_assert_ptr_nonnull(strstr(buffer_text(&v2), wanted));
    static const char pull_policies[] = "\"enum\":[\"Always\",\"IfNotPresent\",\"Never\"]";
    ck_assert_ptr_nonnull(strstr(buffer_text(&v3), pull_policies));
}
END_TEST

START_TEST(paths_name_what_is_served_and_the_older_way_to_watch)
{
    CLEANUP(buffer_release) struct buffer v3 = {0};
    buffer_init(&v3, SIZE_MAX);
    ck_assert_int_eq(api_openapi_v3("", "v1", &v3), 0);
    ck_assert_ptr_nonnull(strstr(buffer_text(&v3), "\"/api/v1/\":"));
    ck_assert_ptr_nonnull(strstr(buffer_text(&v3), "\"/api/v1/watch/nodes/{name}\":"));
    ck_assert_ptr_nonnull(
        strstr(buffer_text(&v3), "\"/api/v1/watch/namespaces/{namespace}/pods\":"));
    ck_assert_ptr_nonnull(strstr(buffer_text(&v3), "\"/api/v1/nodes/{name}/proxy/{path}\":"));
}
END_TEST

/* Both versions come from the same tables, so what one has the other has too; and every reference
 * must lead somewhere, or generators of clients give up. */
static void check_references(const struct json_value *tree, struct json_value *document)
{
    for (size_t i = 0; tree->type == JSON_ARRAY && i < tree->count; i++) {
        check_references(tree->items[i], document);
    }
    for (size_t i = 0; tree->type == JSON_OBJECT && i < tree->count; i++) {
        const struct json_value *value = tree->members[i].value;
        if (!slice_is(tree->members[i].name, "$ref") || value->type != JSON_STRING) {
            check_references(value, document);
            continue;
        }
        bool parameter = slice_starts_with(value->text, slice_text("#/parameters/"));
        size_t prefix = strlen(parameter ? "#/parameters/" : "#/definitions/");
        struct slice name = slice_of(value->text.data + prefix, value->text.len - prefix);
        ck_assert_msg(json_get(json_get_text(document, parameter ? "parameters" : "definitions"),
                               name) != NULL,
                      "%.*s", (int)value->text.len, (const char *)value->text.data);
    }
}

START_TEST(version_two_has_every_path_and_no_reference_to_nothing)
{
    CLEANUP(buffer_release) struct buffer v2 = {0};
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct json_value *tree = NULL;
    size_t paths_of_v3 = 0;
    buffer_init(&v2, SIZE_MAX);
    for (enum api_openapi_part part = 0; part < API_OPENAPI_PARTS; part++) {
        ck_assert_int_eq(api_openapi_v2(part, &v2), 0);
        ck_assert_int_eq(api_openapi_v2_custom(part, arena, NULL, 0, &v2), 0);
    }
    ck_assert_int_eq(json_parse(arena, buffer_slice(&v2), &tree, NULL), 0);
    check_references(tree, tree);
    const struct json_value *paths = json_get_text(tree, "paths");
    for (size_t i = 0; api_openapi_v3_path(arena, i) != NULL; i++) {
        CLEANUP(buffer_release) struct buffer v3 = {0};
        struct json_value *document = NULL;
        buffer_init(&v3, SIZE_MAX);
        if (api_openapi_v3_at(i, &v3) == 0) {
            ck_assert_int_eq(json_parse(arena, buffer_slice(&v3), &document, NULL), 0);
            const struct json_value *own = json_get_text(document, "paths");
            paths_of_v3 += own->count;
            for (size_t j = 0; j < own->count; j++) {
                ck_assert_ptr_nonnull(json_get(paths, own->members[j].name));
            }
        }
    }
    ck_assert_uint_eq(paths->count, paths_of_v3);
}
END_TEST

START_TEST(operations_are_named_as_generated_clients_name_their_functions)
{
    static const char *const ids[] = {
        "listCoreV1PodForAllNamespaces",
        "deleteCoreV1CollectionNamespacedPod",
        "replaceCoreV1NamespacedPodEphemeralcontainers",
        "connectCoreV1HeadNamespacedPodProxyWithPath",
        "connectCoreV1PostNamespacedPodExec",
        "watchCoreV1NamespacedPodList",
        "watchCoreV1NodeList",
        "createCoreV1NamespacedServiceAccountToken",
        "patchAppsV1NamespacedDeploymentScale",
        "readRbacAuthorizationV1ClusterRole",
        "getFlowcontrolApiserverAPIGroup",
        "getCodeVersion",
    };
    CLEANUP(buffer_release) struct buffer v2 = {0};
    buffer_init(&v2, SIZE_MAX);
    ck_assert_int_eq(api_openapi_v2(API_OPENAPI_PATHS, &v2), 0);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        char wanted[128];
        (void)snprintf(wanted, sizeof(wanted), "\"operationId\":\"%s\"", ids[i]);
        ck_assert_msg(strstr(buffer_text(&v2), wanted) != NULL, "%s", ids[i]);
    }
}
END_TEST

/* --- Custom kinds ------------------------------------------------------------------------------
 */

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static void release_nothing(void *owner)
{
    (void)owner;
}

static struct custom_resource *resource_of(const char *schema)
{
    void *definition = NULL;
    const char *text = arena_printf(
        arena,
        "{\"spec\":{\"group\":\"stable.example.com\",\"scope\":\"Namespaced\",\"versions\":[{"
        "\"name\":\"v1\",\"served\":true,\"storage\":true%s}]},\"status\":{\"acceptedNames\":{"
        "\"plural\":\"foos\",\"singular\":\"foo\",\"kind\":\"Foo\",\"listKind\":\"FooList\"}}}",
        schema);
    const struct api_kind *kind =
        api_kind_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    ck_assert_int_eq(
        api_decode_json(arena, kind->message, slice_text(text), NULL, &definition, NULL), 0);
    const struct custom_options options = {.storage_hash = "", .release = release_nothing};
    return custom_resource_new(definition, &options);
}

enum form { V2, V3 };

static struct json_value *document_of(const struct custom_resource *resource, enum form form)
{
    CLEANUP(buffer_release) struct buffer out = {0};
    const struct api_kind *kind = custom_resource_kind(resource, "v1");
    struct json_value *tree = NULL;
    buffer_init(&out, SIZE_MAX);
    if (form == V2) {
        for (enum api_openapi_part part = 0; part < API_OPENAPI_PARTS; part++) {
            ck_assert_int_eq(api_openapi_v2(part, &out), 0);
            ck_assert_int_eq(api_openapi_v2_custom(part, arena, &kind, 1, &out), 0);
        }
    } else {
        ck_assert_int_eq(api_openapi_v3_custom(arena, &kind, 1, &out), 0);
    }
    ck_assert_int_eq(json_parse(arena, buffer_slice(&out), &tree, NULL), 0);
    return tree;
}

static struct json_value *at(struct json_value *tree, const char *const *names)
{
    for (size_t i = 0; tree != NULL && names[i] != NULL; i++) {
        tree = json_get_text(tree, names[i]);
    }
    return tree;
}
#define AT(tree, ...) at(tree, (const char *const[]){__VA_ARGS__, NULL})

static struct json_value *schema_in(struct json_value *document, const char *name)
{
    struct json_value *definitions = json_get_text(document, "definitions");
    definitions = definitions == NULL ? AT(document, "components", "schemas") : definitions;
    struct json_value *schema = json_get_text(definitions, name);
    ck_assert_ptr_nonnull(schema);
    return schema;
}

static const char *text_of(const struct json_value *tree)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX);
    json_print(tree, /* sorted= */ true, &out);
    return arena_text_n(arena, buffer_text(&out), out.len);
}

static const char FOO[] = "com.example.stable.v1.Foo";
static const char SCHEMA[] =
    ",\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"description\":\"A foo.\","
    "\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{"
    "\"n\":{\"type\":\"object\",\"nullable\":true,\"properties\":{\"x\":{\"type\":\"string\"}}},"
    "\"s\":{\"type\":\"string\",\"anyOf\":[{\"minLength\":1}],\"default\":\"d\"},"
    "\"open\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true,"
    "\"properties\":{\"y\":{\"type\":\"string\"}}},"
    "\"inside\":{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true,"
    "\"x-kubernetes-preserve-unknown-fields\":true},"
    "\"whole\":{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true}}}}}},"
    "\"subresources\":{\"status\":{},\"scale\":{}}";

START_TEST(a_custom_kind_is_described_as_its_definition_says)
{
    struct custom_resource *resource = resource_of(SCHEMA);
    struct json_value *document = document_of(resource, V3);
    struct json_value *schema = schema_in(document, FOO);
    ck_assert_str_eq(text_of(AT(schema, "description")), "\"A foo.\"");
    ck_assert_str_eq(text_of(AT(schema, "properties", "spec", "properties", "s")),
                     "{\"anyOf\":[{\"minLength\":1}],\"default\":\"d\",\"type\":\"string\"}");
    ck_assert_str_eq(text_of(AT(schema, "properties", "metadata", "allOf")),
                     "[{\"$ref\":\"#/components/schemas/"
                     "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta\"}]");
    ck_assert_str_eq(text_of(AT(schema, "x-kubernetes-group-version-kind")),
                     "[{\"group\":\"stable.example.com\",\"kind\":\"Foo\",\"version\":\"v1\"}]");
    ck_assert_str_eq(text_of(AT(schema_in(document, "com.example.stable.v1.FooList"), "properties",
                                "items", "items")),
                     "{\"$ref\":\"#/components/schemas/com.example.stable.v1.Foo\"}");
    (void)schema_in(document, "io.k8s.api.autoscaling.v1.Scale");
    custom_resource_unref(resource);
}
END_TEST

START_TEST(paths_of_a_custom_kind_offer_no_strategic_merge)
{
    struct custom_resource *resource = resource_of(SCHEMA);
    struct json_value *paths = json_get_text(document_of(resource, V3), "paths");
    static const char one[] = "/apis/stable.example.com/v1/namespaces/{namespace}/foos/{name}";
    ck_assert_uint_eq(paths->count, 5); /* All, of a namespace, one, its status and scale. */
    const struct json_value *bodies = AT(paths, one, "patch", "requestBody", "content");
    ck_assert_ptr_nonnull(json_get_text(bodies, "application/merge-patch+json"));
    ck_assert_ptr_null(json_get_text(bodies, "application/strategic-merge-patch+json"));
    custom_resource_unref(resource);
}
END_TEST

START_TEST(version_two_leaves_out_what_it_cannot_say)
{
    struct custom_resource *resource = resource_of(SCHEMA);
    struct json_value *spec =
        AT(schema_in(document_of(resource, V2), FOO), "properties", "spec", "properties");
    ck_assert_str_eq(text_of(AT(spec, "n")), "{}");
    ck_assert_str_eq(text_of(AT(spec, "s")), "{\"default\":\"d\",\"type\":\"string\"}");
    ck_assert_ptr_null(AT(spec, "open", "properties"));
    ck_assert_ptr_null(AT(spec, "inside", "properties"));
    ck_assert_str_eq(text_of(AT(spec, "whole", "required")), "[\"apiVersion\",\"kind\"]");
    ck_assert_ptr_nonnull(AT(spec, "whole", "properties", "metadata", "$ref"));
    custom_resource_unref(resource);
}
END_TEST

START_TEST(a_root_that_keeps_everything_names_members_in_version_three_only)
{
    struct custom_resource *resource =
        resource_of(",\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
                    "\"x-kubernetes-preserve-unknown-fields\":true,"
                    "\"properties\":{\"a\":{\"type\":\"string\"}}}}");
    ck_assert_ptr_null(AT(schema_in(document_of(resource, V2), FOO), "properties"));
    ck_assert_ptr_nonnull(AT(schema_in(document_of(resource, V3), FOO), "properties", "a"));
    custom_resource_unref(resource);
}
END_TEST

START_TEST(a_version_without_a_schema_is_an_object)
{
    struct custom_resource *resource = resource_of("");
    ck_assert_str_eq(text_of(AT(schema_in(document_of(resource, V3), FOO), "type")), "\"object\"");
    ck_assert_ptr_null(AT(schema_in(document_of(resource, V3), FOO), "properties"));
    custom_resource_unref(resource);
}
END_TEST

/* Readers of protobuf merge a field that comes twice, so the second part may follow the first. */
START_TEST(the_protobuf_form_has_limits_of_numbers_and_texts)
{
    struct custom_resource *resource =
        resource_of(",\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{"
                    "\"a\":{\"type\":\"string\",\"maxLength\":5,\"pattern\":\"^q$\"}}}}");
    CLEANUP(buffer_release) struct buffer out = {0};
    const struct api_kind *kind = custom_resource_kind(resource, "v1");
    buffer_init(&out, SIZE_MAX);
    ck_assert_int_eq(api_openapi_v2_custom_protobuf(arena, &kind, 1, &out), 0);
    ck_assert_uint_eq(out.data[0], 9 << 3 | 2); /* Document.definitions */
    /* Schema.max_length, Schema.pattern */
    static const uint8_t limits[] = {11 << 3, 5, 13 << 3 | 2, 3, '^', 'q', '$'};
    ck_assert_ptr_nonnull(memmem(out.data, out.len, limits, sizeof(limits)));
    ck_assert_ptr_nonnull(memmem(out.data, out.len, FOO, sizeof(FOO) - 1));
    custom_resource_unref(resource);
}
END_TEST

/* kubectl gives up the whole document for one character that YAML does not take as it is. */
START_TEST(values_in_the_protobuf_form_are_yaml)
{
    struct custom_resource *resource =
        resource_of(",\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{"
                    "\"a\":{\"type\":\"string\",\"default\":\"<\\u007f\\u0085\\u009f\\u00a0"
                    "\\ufeff\\uffff\\ud83d\\ude00\"}}}}");
    CLEANUP(buffer_release) struct buffer out = {0};
    const struct api_kind *kind = custom_resource_kind(resource, "v1");
    static const char wanted[] = "\"\\u003c\\u007f\\u0085\\u009f\xc2\xa0\\ufeff\\uffff"
                                 "\xf0\x9f\x98\x80\"";
    buffer_init(&out, SIZE_MAX);
    ck_assert_int_eq(api_openapi_v2_custom_protobuf(arena, &kind, 1, &out), 0);
    ck_assert_ptr_nonnull(memmem(out.data, out.len, wanted, sizeof(wanted) - 1));
    custom_resource_unref(resource);
}
END_TEST

Suite *openapi_suite(void)
{
    Suite *suite = suite_create("openapi");
    TCase *explain = tcase_create("explain");
    tcase_add_test(explain, every_served_kind_is_described_to_the_last_field);
    tcase_add_test(explain, descriptions_reach_the_documents);
    tcase_add_test(explain, paths_name_what_is_served_and_the_older_way_to_watch);
    tcase_add_test(explain, version_two_has_every_path_and_no_reference_to_nothing);
    tcase_add_test(explain, operations_are_named_as_generated_clients_name_their_functions);
    suite_add_tcase(suite, explain);
    TCase *custom = tcase_create("custom kinds");
    tcase_add_checked_fixture(custom, setup, teardown);
    tcase_add_test(custom, a_custom_kind_is_described_as_its_definition_says);
    tcase_add_test(custom, paths_of_a_custom_kind_offer_no_strategic_merge);
    tcase_add_test(custom, version_two_leaves_out_what_it_cannot_say);
    tcase_add_test(custom, a_root_that_keeps_everything_names_members_in_version_three_only);
    tcase_add_test(custom, a_version_without_a_schema_is_an_object);
    tcase_add_test(custom, the_protobuf_form_has_limits_of_numbers_and_texts);
    tcase_add_test(custom, values_in_the_protobuf_form_are_yaml);
    suite_add_tcase(suite, custom);
    return suite;
}
