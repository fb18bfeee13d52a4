/* Definitions and their objects: a CustomResourceDefinition in JSON, a line end, an object in JSON.
 * A definition that passes its checks makes kinds; whatever object comes is pruned, filled in,
 * judged, shown in a row and turned into the other versions. */
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/defaults.h"
#include "lib/api/strategy.h"
#include "lib/api/validate.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef Apiextensions__V1__CustomResourceDefinition definition_t;

static void nothing(void *owner)
{
    (void)owner;
}

static void use_object(struct arena *arena, const struct api_kind *kind, struct slice json)
{
    void *object = NULL;
    if (api_decode_json(arena, kind->message, json, NULL, &object, NULL) < 0) {
        return;
    }
    struct api_causes causes;
    api_causes_init(&causes, arena);
    api_default_object(arena, kind, object);
    api_validate_create(arena, kind, object, &causes);
    api_validate_update(arena, kind, object, api_message_copy(arena, kind->message, object), "",
                        &causes);
    const struct custom_resource *resource = custom_of(kind)->resource;
    for (size_t i = 0; i < resource->version_count; i++) {
        (void)custom_convert(arena, &resource->versions[i].kind, object);
    }
}

static void use_definition(struct arena *arena, definition_t *definition, struct slice object)
{
    const struct custom_options options = {.index = 1, .storage_hash = "", .release = nothing};
    definition->status->accepted_names = definition->spec->names;
    struct custom_resource *resource = custom_resource_new(definition, &options);
    for (size_t i = 0; i < resource->version_count; i++) {
        use_object(arena, &resource->versions[i].kind, object);
    }
    custom_resource_unref(resource);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct api_kind *kind =
        api_kind_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    size_t len = end == NULL ? size : (size_t)(end - data);
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    void *message = NULL;
    if (api_decode_json(arena, kind->message, slice_of(data, len), NULL, &message, NULL) < 0) {
        return 0;
    }
    struct api_causes causes;
    api_causes_init(&causes, arena);
    api_default_object(arena, kind, message);
    api_prepare_create(arena, kind, message);
    api_validate_create(arena, kind, message, &causes);
    if (causes.count == 0) {
        use_definition(arena, message, slice_of(data + len, size - len));
    }
    return 0;
}
