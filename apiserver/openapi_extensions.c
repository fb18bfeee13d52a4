#include "apiserver/openapi_extensions.h"

#include "apiserver/api_services.h"
#include "apiserver/limits.h"
#include "lib/api/kinds.h"
#include "lib/api/openapi_extension.h"
#include "lib/base/log.h"
#include "lib/net/chunk.h"
#include <stdlib.h>

/* Where a group stands is said by the highest of its versions. */
static int64_t group_priority(const struct openapi_extensions *extensions,
                              const struct api_service *of)
{
    int64_t highest = INT64_MIN;
    for (size_t i = 0; i < extensions->set->count; i++) {
        const Apiregistration__V1__APIServiceSpec *spec = extensions->set->items[i].object->spec;
        if (strcmp(spec->group, of->object->spec->group) == 0 &&
            spec->group_priority_minimum > highest) {
            highest = spec->group_priority_minimum;
        }
    }
    return highest;
}

struct ranked {
    const struct api_service *service;
    int64_t priority;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->priority != right->priority) {
        return left->priority > right->priority ? -1 : 1;
    }
    return strcmp(left->service->object->metadata->name, right->service->object->metadata->name);
}

static bool is_ours(const struct openapi_extensions *extensions, const struct api_service *service)
{
    const Apiregistration__V1__APIServiceSpec *spec = service->object->spec;
    size_t count = 0;
    const struct api_group_version *versions = api_group_versions(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(versions[i].group, spec->group) == 0 &&
            strcmp(versions[i].version, spec->version) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < extensions->kind_count; i++) {
        if (strcmp(extensions->kinds[i]->group, spec->group) == 0 &&
            strcmp(extensions->kinds[i]->version, spec->version) == 0) {
            return true;
        }
    }
    return false;
}

void openapi_extensions_init(struct openapi_extensions *extensions, struct arena *arena,
                             struct api_services *services, const struct api_kind *const *kinds,
                             size_t kind_count)
{
    struct api_service_set *set = api_services_set(services);
    *extensions = (struct openapi_extensions){.set = set, .kinds = kinds, .kind_count = kind_count};
    struct ranked *ranked = arena_array(arena, set->count, sizeof(*ranked));
    for (size_t i = 0; i < set->count; i++) {
        const struct api_service *service = &set->items[i];
        if (service->openapi_v2 != NULL && !is_ours(extensions, service)) {
            ranked[extensions->count++] =
                (struct ranked){service, group_priority(extensions, service)};
        }
    }
    if (extensions->count > 0) {
        qsort(ranked, extensions->count, sizeof(*ranked), by_rank);
    }
    extensions->services = arena_array(arena, extensions->count, sizeof(struct api_service *));
    for (size_t i = 0; i < extensions->count; i++) {
        extensions->services[i] = ranked[i].service;
    }
}

void openapi_extensions_release(struct openapi_extensions *extensions)
{
    api_service_set_unref(extensions->set);
    *extensions = (struct openapi_extensions){.count = 0};
}

const char *openapi_extensions_identity(const struct openapi_extensions *extensions,
                                        struct arena *arena)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, ENCODED_OBJECT_MAX);
    for (size_t i = 0; i < extensions->count; i++) {
        buffer_printf(&text, "\n%s %s", extensions->services[i]->object->metadata->name,
                      extensions->services[i]->openapi_v2_hash);
    }
    return arena_text(arena, buffer_text(&text));
}

static struct chunk *chunk_of(struct buffer *buffer)
{
    size_t len = 0;
    uint8_t *bytes = buffer_take(buffer, &len);
    return chunk_new_owned(bytes, len);
}

void openapi_extensions_make(const struct openapi_extensions *extensions,
                             struct chunk *ret_json[API_OPENAPI_PARTS], struct chunk **ret_protobuf)
{
    struct api_openapi_merge *merge =
        api_openapi_merge_new(extensions->kinds, extensions->kind_count);
    for (size_t i = 0; i < extensions->count; i++) {
        const struct api_service *service = extensions->services[i];
        const Apiregistration__V1__APIServiceSpec *spec = service->object->spec;
        if (api_openapi_merge_add(merge, service->openapi_v2->bytes, spec->group, spec->version) <
            0) {
            LOG_WARN("apiserver", "OpenAPI v2 document of an extension server is left out",
                     KV_TEXT("apiservice", service->object->metadata->name),
                     KV_TEXT("reason", "all of them together are too large"));
        }
    }
    for (enum api_openapi_part part = 0; part < API_OPENAPI_PARTS; part++) {
        ret_json[part] = chunk_of(api_openapi_merge_json(merge, part));
    }
    *ret_protobuf = chunk_of(api_openapi_merge_protobuf(merge));
    api_openapi_merge_free(merge);
}
