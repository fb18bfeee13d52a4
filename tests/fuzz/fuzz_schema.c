/* Any bytes as {"schema": ..., "object": ...}: the schema of a custom kind, whose OpenAPI documents
 * are JSON, and an object that is pruned, filled in and held against it. */
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/openapi.h"
#include "lib/api/structural.h"
#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 64 * 1024, DOCUMENT_MAX = 64 << 20 };

static void release_nothing(void *owner)
{
    (void)owner;
}

static void *definition_of(struct arena *arena, const struct json_value *schema)
{
    static const char around[] =
        "{\"spec\":{\"group\":\"example.com\",\"scope\":\"Namespaced\",\"versions\":[{"
        "\"name\":\"v1\",\"served\":true,\"storage\":true,\"subresources\":{\"status\":{}},"
        "\"schema\":{}}]},\"status\":{\"acceptedNames\":{\"plural\":\"foos\",\"singular\":\"foo\","
        "\"kind\":\"Foo\",\"listKind\":\"FooList\"}}}";
    const struct api_kind *kind =
        api_kind_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    struct json_value *tree = NULL;
    void *definition = NULL;
    int status = json_parse(arena, slice_text(around), &tree, NULL);
    assert(status == 0);
    struct json_value *version = json_get_text(json_get_text(tree, "spec"), "versions")->items[0];
    json_set_text(arena, json_get_text(version, "schema"), "openAPIV3Schema",
                  json_copy(arena, schema));
    status = api_message_from_json(arena, kind->message, tree, NULL, &definition, NULL);
    return status == 0 ? definition : NULL;
}

static void check_is_json(struct arena *arena, const struct buffer *document)
{
    struct json_value *tree = NULL;
    int status = json_parse(arena, buffer_slice(document), &tree, NULL);
    assert(status == 0);
    (void)status;
}

static void write_documents(struct arena *arena, const struct api_kind *kind)
{
    CLEANUP(buffer_release) struct buffer document;
    buffer_init(&document, DOCUMENT_MAX);
    int status = api_openapi_v3_custom(arena, &kind, 1, &document);
    assert(status == 0);
    check_is_json(arena, &document);
    buffer_clear(&document);
    buffer_append_text(&document, "{\"definitions\":{\"first\":{}");
    status = api_openapi_v2_custom(API_OPENAPI_DEFINITIONS, arena, &kind, 1, &document);
    assert(status == 0);
    buffer_append_text(&document, "\"/\":{}"); /* What custom paths follow. */
    status = api_openapi_v2_custom(API_OPENAPI_PATHS, arena, &kind, 1, &document);
    assert(status == 0);
    check_is_json(arena, &document);
    buffer_clear(&document);
    status = api_openapi_v2_custom_protobuf(arena, &kind, 1, &document);
    assert(status == 0);
    (void)status;
}

static void use_object(struct arena *arena, const struct structural *schema,
                       struct json_value *object)
{
    struct api_problems problems = {0};
    struct api_causes causes;
    api_causes_init(&causes, arena);
    structural_prune(arena, schema, object, &problems);
    structural_default(arena, schema, object);
    structural_validate(&causes, NULL, schema, object, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct json_value *input = NULL;
    if (size > INPUT_MAX || json_parse(arena, slice_of(data, size), &input, NULL) != 0 ||
        input->type != JSON_OBJECT || json_get_text(input, "schema") == NULL) {
        return 0;
    }
    void *definition = definition_of(arena, json_get_text(input, "schema"));
    if (definition == NULL) {
        return 0;
    }
    const struct custom_options options = {.storage_hash = "", .release = release_nothing};
    struct custom_resource *resource = custom_resource_new(definition, &options);
    const struct api_kind *kind = custom_resource_kind(resource, "v1");
    const struct structural *schema = custom_schema(custom_of(kind));
    struct json_value *object = json_get_text(input, "object");
    write_documents(arena, kind);
    if (schema != NULL && object != NULL && object->type == JSON_OBJECT) {
        use_object(arena, schema, object);
    }
    custom_resource_unref(resource);
    return 0;
}
