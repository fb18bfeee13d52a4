#include "lib/api/apply_scale.h"

#include "k8s/tables.h"
#include "lib/api/apply_owners.h"
#include "lib/api/apply_scope.h"
#include "lib/api/apply_set.h"
#include "lib/api/kinds.h"
#include "lib/api/schema.h"

const struct api_kind *api_scale_kind(void)
{
    static const char *const none[] = {NULL};
    static const struct api_kind kind = {.group = "autoscaling",
                                         .version = "v1",
                                         .kind = "Scale",
                                         .api_version = "autoscaling/v1",
                                         .plural = "scales",
                                         .message = &autoscaling__v1__scale__schema,
                                         .status_keeps = none};
    return &kind;
}

/* The set of one path: ".spec.replicas". */
static struct json_value *set_of_path(struct arena *arena, const char *path)
{
    struct json_value *set = json_new_object(arena);
    size_t len = strcspn(path + 1, ".");
    struct json_value *inner =
        path[1 + len] == '\0' ? json_new_object(arena) : set_of_path(arena, path + 1 + len);
    apply_set_add_field(arena, set, slice_of((const uint8_t *)path + 1, len), inner);
    return set;
}

static bool has(struct arena *arena, const struct apply_owner *owner, const struct json_value *path)
{
    return apply_set_common(arena, owner->set, path)->count > 0;
}

void api_scale_owners(struct arena *arena, const struct api_kind *kind, const char *path,
                      const Meta__V1__ObjectMeta *object, Meta__V1__ObjectMeta *scale)
{
    struct apply_owners *owners = apply_owners_read(arena, object);
    const struct json_value *replicas = set_of_path(arena, path);
    for (size_t i = 0; i < owners->count; i++) {
        struct apply_owner *owner = &owners->items[i];
        bool served = apply_scope_form(kind, owner->entry->api_version) != NULL;
        apply_owner_set(arena, owner,
                        served && has(arena, owner, replicas) ? set_of_path(arena, ".spec.replicas")
                                                              : json_new_object(arena));
        apply_owner_set_version(arena, owner, api_scale_kind()->api_version);
    }
    apply_owners_write(arena, owners, scale);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* Versions differ: the Scale's are its own. */
static struct apply_owner *find(struct apply_owners *owners, const struct apply_owner *wanted)
{
    for (size_t i = 0; i < owners->count; i++) {
        const Meta__V1__ManagedFieldsEntry *entry = owners->items[i].entry;
        if (same_text(entry->manager, wanted->entry->manager) &&
            same_text(entry->operation, wanted->entry->operation) &&
            same_text(entry->subresource, wanted->entry->subresource)) {
            return &owners->items[i];
        }
    }
    return NULL;
}

void api_scale_owners_back(struct arena *arena, const struct api_kind *kind, const char *path,
                           const Meta__V1__ObjectMeta *scale, Meta__V1__ObjectMeta *object)
{
    struct apply_owners *owners = apply_owners_read(arena, object);
    struct apply_owners *scaling = apply_owners_read(arena, scale);
    struct json_value *replicas = set_of_path(arena, path);
    for (size_t i = 0; i < owners->count; i++) {
        struct apply_owner *owner = &owners->items[i];
        struct apply_owner *still = has(arena, owner, replicas) ? find(scaling, owner) : NULL;
        if (still == NULL) {
            apply_owner_set(arena, owner, apply_set_minus(arena, owner->set, replicas));
        } else {
            still->set = json_new_object(arena); /* It is not new. */
        }
    }
    for (size_t i = 0; i < scaling->count; i++) {
        const Meta__V1__ManagedFieldsEntry *entry = scaling->items[i].entry;
        if (!has(arena, &scaling->items[i], set_of_path(arena, ".spec.replicas"))) {
            continue;
        }
        const struct api_apply_request request = {
            .kind = kind,
            .manager = entry->manager,
            .subresource = entry->subresource == NULL ? "" : entry->subresource};
        struct apply_owner *owner = apply_owners_find(arena, owners, &request, entry->operation);
        if (owner != NULL) {
            apply_owner_set(arena, owner, apply_set_union(arena, owner->set, replicas));
        }
    }
    apply_owners_write(arena, owners, object);
}
