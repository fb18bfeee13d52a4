#include "apiserver/api_service_defaults.h"

#include "k8s/apiregistration_v1.pb-c.h"
#include "lib/api/object.h"
#include <assert.h>

typedef Apiregistration__V1__APIService api_service_t;

struct default_object
api_service_local(struct arena *arena, const struct api_group_version *version, const char *managed)
{
    const struct api_kind *kind = api_kind_find("apiregistration.k8s.io", "v1", "apiservices");
    api_service_t *service = api_message_new(arena, kind->message);
    char *name = arena_printf(arena, "%s.%s", version->version, version->group);
    service->metadata->name = name;
    api_meta_set_label(arena, service->metadata, API_SERVICE_MANAGED_LABEL, managed);
    service->spec->group = arena_text(arena, version->group);
    service->spec->version = arena_text(arena, version->version);
    service->spec->group_priority_minimum = (int32_t)version->group_priority;
    service->spec->version_priority = (int32_t)version->version_priority;
    service->spec->has_group_priority_minimum = service->spec->has_version_priority = true;
    return (struct default_object){.kind = kind, .namespace = "", .name = name, .message = service};
}

/* APIServices themselves have none: they are what tells of the others. */
static bool has_local(const struct api_group_version *version)
{
    return strcmp(version->group, "apiregistration.k8s.io") != 0;
}

size_t api_service_default_count(void)
{
    size_t count = 0, with_local = 0;
    const struct api_group_version *versions = api_group_versions(&count);
    for (size_t i = 0; i < count; i++) {
        with_local += has_local(&versions[i]);
    }
    return with_local;
}

struct default_object api_service_default_at(size_t index, struct arena *arena)
{
    size_t count = 0, at = 0;
    const struct api_group_version *versions = api_group_versions(&count);
    for (size_t before = 0; before < index || !has_local(&versions[at]); at++) {
        before += has_local(&versions[at]);
    }
    assert(at < count);
    return api_service_local(arena, &versions[at], "onstart");
}

/* Without the label it is somebody's own: an extension server may stand in for a group of ours. */
enum default_repair api_service_default_repair(const struct default_object *wanted,
                                               const void *present, struct arena *arena,
                                               void **ret_message)
{
    const struct api_message *table =
        api_message_find("k8s.io.kube_aggregator.pkg.apis.apiregistration.v1.APIServiceSpec");
    const api_service_t *should = wanted->message, *is = present;
    if (api_meta_label(is->metadata, API_SERVICE_MANAGED_LABEL) == NULL ||
        api_message_equal(table, should->spec, is->spec)) {
        return DEFAULT_AS_IT_SHOULD_BE;
    }
    api_service_t *message = api_message_copy(arena, wanted->kind->message, present);
    message->spec = should->spec;
    *ret_message = message;
    return DEFAULT_UPDATE;
}
