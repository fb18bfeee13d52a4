/* Rows of volumes, of what makes them, and of quotas. */
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include "lib/api/table_internal.h"
#include "lib/api/time.h"
#include <stdlib.h>

static const char UNSET[] = "<unset>";
static const char CLASS_ANNOTATION[] = "volume.beta.kubernetes.io/storage-class";

/* Each once, in this order, whatever that of the object is. */
static void access_modes(struct table_row *row, char *const *modes, size_t count)
{
    static const struct {
        const char *name, *shown;
    } known[] = {{"ReadWriteOnce", "RWO"},
                 {"ReadOnlyMany", "ROX"},
                 {"ReadWriteMany", "RWX"},
                 {"ReadWriteOncePod", "RWOP"}};
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (rules_has(modes, count, known[i].name)) {
            table_join(&text, known[i].shown, ",");
        }
    }
    table_buffer(row, &text);
}

static const char *storage_text(const struct table_row *row, struct rules_quantities amounts)
{
    const Quantity__Quantity *storage = rules_quantity_get(amounts, "storage");
    return storage == NULL ? "0" : rules_quantity_text(row->arena, storage);
}

static const char *phase_text(const Meta__V1__ObjectMeta *meta, const char *phase)
{
    return api_time_is_zero(meta->deletion_timestamp) ? phase : "Terminating";
}

static const char *class_text(const Meta__V1__ObjectMeta *meta, const char *name)
{
    const char *annotation = api_meta_annotation(meta, CLASS_ANNOTATION);
    return annotation == NULL ? name : annotation;
}

void table_persistent_volume(struct table_row *row, const void *message)
{
    const Core__V1__PersistentVolume *volume = message;
    const Core__V1__PersistentVolumeSpec *spec = volume->spec;
    const Core__V1__ObjectReference *claim = spec->claim_ref;
    table_text(row, volume->metadata->name);
    table_text(row, storage_text(row, RULES_QUANTITIES(spec, capacity)));
    access_modes(row, spec->access_modes, spec->n_access_modes);
    table_text(row, spec->persistent_volume_reclaim_policy);
    table_text(row, phase_text(volume->metadata, volume->status->phase));
    table_text(row, claim == NULL
                        ? ""
                        : arena_printf(row->arena, "%s/%s", text_or_empty(claim->namespace_),
                                       text_or_empty(claim->name)));
    table_text(row, class_text(volume->metadata, spec->storage_class_name));
    table_text_or(row, spec->volume_attributes_class_name, UNSET);
    table_text(row, volume->status->reason);
    table_age(row, volume->metadata);
    table_text_or(row, spec->volume_mode, UNSET);
}

void table_claim(struct table_row *row, const void *message)
{
    const Core__V1__PersistentVolumeClaim *claim = message;
    const Core__V1__PersistentVolumeClaimSpec *spec = claim->spec;
    const Core__V1__PersistentVolumeClaimStatus *status = claim->status;
    bool bound = !rules_empty(spec->volume_name);
    table_text(row, claim->metadata->name);
    table_text(row, phase_text(claim->metadata, status->phase));
    table_text(row, spec->volume_name);
    table_text(row, bound ? storage_text(row, RULES_QUANTITIES(status, capacity)) : "");
    access_modes(row, status->access_modes, bound ? status->n_access_modes : 0);
    table_text(row, class_text(claim->metadata, spec->storage_class_name));
    table_text_or(row, spec->volume_attributes_class_name, UNSET);
    table_age(row, claim->metadata);
    table_text_or(row, spec->volume_mode, UNSET);
}

/* --- Quotas ------------------------------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

static bool is_limit(const char *resource)
{
    static const char prefix[] = "limits.";
    return strncmp(resource, prefix, sizeof(prefix) - 1) == 0;
}

/* "pods: 1/4, services: 0/2" of those that are limits, or that are none. */
static void quota_use(struct table_row *row, const Core__V1__ResourceQuotaStatus *status,
                      bool limits)
{
    struct rules_quantities hard = RULES_QUANTITIES(status, hard);
    const char **names = arena_array(row->arena, hard.count, sizeof(*names));
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    for (size_t i = 0; i < hard.count; i++) {
        names[i] = rules_quantity_key(hard, i);
    }
    if (hard.count > 1) {
        qsort(names, hard.count, sizeof(*names), by_name);
    }
    for (size_t i = 0; i < hard.count; i++) {
        const Quantity__Quantity *used =
            rules_quantity_get(RULES_QUANTITIES(status, used), names[i]);
        if (is_limit(names[i]) == limits) {
            const char *used_text = used == NULL ? "0" : rules_quantity_text(row->arena, used);
            const char *hard_text =
                rules_quantity_text(row->arena, rules_quantity_get(hard, names[i]));
            table_join(&text, arena_printf(row->arena, "%s: %s/%s", names[i], used_text, hard_text),
                       ", ");
        }
    }
    table_buffer(row, &text);
}

void table_resource_quota(struct table_row *row, const void *message)
{
    const Core__V1__ResourceQuota *quota = message;
    table_text(row, quota->metadata->name);
    table_age(row, quota->metadata);
    quota_use(row, quota->status, /* limits= */ false);
    quota_use(row, quota->status, /* limits= */ true);
}

/* --- Classes and drivers -----------------------------------------------------------------------
 */

static bool is_default_class(const Meta__V1__ObjectMeta *meta)
{
    static const char *const names[] = {"storageclass.kubernetes.io/is-default-class",
                                        "storageclass.beta.kubernetes.io/is-default-class"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = api_meta_annotation(meta, names[i]);
        if (value != NULL && strcmp(value, "true") == 0) {
            return true;
        }
    }
    return false;
}

void table_storage_class(struct table_row *row, const void *message)
{
    const Storage__V1__StorageClass *class = message;
    const char *name = text_or_empty(class->metadata->name);
    table_text(row, is_default_class(class->metadata)
                        ? arena_printf(row->arena, "%s (default)", name)
                        : name);
    table_text(row, class->provisioner);
    table_text_or(row, class->reclaim_policy, "Delete");
    table_text_or(row, class->volume_binding_mode, "Immediate");
    table_bool(row, class->allow_volume_expansion);
    table_age(row, class->metadata);
}

void table_attachment(struct table_row *row, const void *message)
{
    const Storage__V1__VolumeAttachment *attachment = message;
    const Storage__V1__VolumeAttachmentSpec *spec = attachment->spec;
    table_text(row, attachment->metadata->name);
    table_text(row, spec->attacher);
    table_text(row, spec->source->persistent_volume_name);
    table_text(row, spec->node_name);
    table_bool(row, attachment->status->attached);
    table_age(row, attachment->metadata);
}

void table_csi_driver(struct table_row *row, const void *message)
{
    const Storage__V1__CSIDriver *driver = message;
    const Storage__V1__CSIDriverSpec *spec = driver->spec;
    CLEANUP(buffer_release) struct buffer audiences, modes;
    buffer_init(&audiences, SIZE_MAX / 2);
    buffer_init(&modes, SIZE_MAX / 2);
    for (size_t i = 0; i < spec->n_token_requests; i++) {
        table_join(&audiences, text_or_empty(spec->token_requests[i]->audience), ",");
    }
    for (size_t i = 0; i < spec->n_volume_lifecycle_modes; i++) {
        table_join(&modes, text_or_empty(spec->volume_lifecycle_modes[i]), ",");
    }
    table_text(row, driver->metadata->name);
    table_bool(row, !spec->has_attach_required || spec->attach_required);
    table_bool(row, spec->pod_info_on_mount);
    table_bool(row, spec->storage_capacity);
    buffer_append_text(&audiences, spec->n_token_requests == 0 ? UNSET : "");
    table_buffer(row, &audiences);
    table_bool(row, spec->requires_republish);
    buffer_append_text(&modes, spec->n_volume_lifecycle_modes == 0 ? "<none>" : "");
    table_buffer(row, &modes);
    table_age(row, driver->metadata);
}

void table_csi_node(struct table_row *row, const void *message)
{
    const Storage__V1__CSINode *node = message;
    table_text(row, node->metadata->name);
    table_integer(row, (int64_t)node->spec->n_drivers);
    table_age(row, node->metadata);
}
