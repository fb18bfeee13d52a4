/* Custom objects and their definition: none is made any more once it is being deleted, wherever its
 * last state has been heard of. The plan reads the definition, and the write compares that it is
 * still as it was read; so an object is either stored before the deletion, and then the leader
 * finds and deletes it, or it is refused. */
#include "apiserver/operation.h"
#include "k8s/apiextensions_v1.pb-c.h"
#include "lib/api/custom.h"

const struct api_status *operation_guard_definition(struct operation *operation)
{
    const struct api_kind *kind = operation->call->kind;
    const struct api_kind *definitions = operation->registry->definition_kind;
    if (custom_of(kind) == NULL || operation->registry->config.custom == NULL) {
        return NULL;
    }
    const char *name = custom_of(kind)->resource->definition->metadata->name;
    const struct cached_object *object = operation_lookup(operation, definitions, "", name);
    const Apiextensions__V1__CustomResourceDefinition *definition =
        object == NULL ? NULL : cached_object_decode(object, operation->arena);
    if (definition == NULL) {
        return api_status_no_resource(operation->arena);
    }
    if (definition->metadata->deletion_timestamp != NULL) {
        return api_status_definition_terminating(operation->arena, kind);
    }
    operation->plan.guard = operation_key(operation, definitions, "", name);
    operation->plan.guard_mod = (int64_t)cached_object_revision(object);
    return NULL;
}
