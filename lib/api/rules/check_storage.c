/* Rules of volumes and claims. */
#include "lib/api/object.h"
#include "lib/api/quantity.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"

static void check_modes(struct api_causes *causes, const struct api_path *at, char *const *modes,
                        size_t count)
{
    static const char *const others[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", NULL};
    bool alone = false, other = false;
    for (size_t i = 0; i < count; i++) {
        alone = alone || rules_is(modes[i], "ReadWriteOncePod");
        other = other || rules_one_of(modes[i], others);
    }
    if (alone && other) {
        rules_forbidden(causes, at, "accessModes",
                        "may not use ReadWriteOncePod with other access modes");
    }
}

static void check_positive(struct api_causes *causes, const struct api_path *at,
                           const Quantity__Quantity *value)
{
    if (quantity_sign(quantity_read(value)) <= 0) {
        api_cause_invalid(causes, at, api_shown_text(rules_quantity_text(causes->arena, value)),
                          "must be greater than zero");
    }
}

/* Whether it is no less than nothing; it is shown in whole ones, rounded away from zero. */
static bool check_whole_amount(struct api_causes *causes, const struct api_path *at,
                               const Quantity__Quantity *value)
{
    enum { NANOS = 1000000000 };
    struct quantity amount = quantity_read(value);
    if (quantity_sign(amount) < 0) {
        api_cause_invalid(causes, at, api_shown_int((int64_t)((amount.nanos - NANOS + 1) / NANOS)),
                          "must be a valid resource quantity");
        return false;
    }
    return true;
}

/* --- PersistentVolume --------------------------------------------------------------------------
 */

bool rules_volume_capacity(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const only[] = {"storage", NULL};
    const Core__V1__PersistentVolumeSpec *spec = frame->message;
    struct rules_quantities capacity = RULES_QUANTITIES(spec, capacity);
    struct api_path at = api_path_field(frame->at, "capacity");
    check_modes(causes, frame->at, spec->access_modes, spec->n_access_modes);
    if (rules_quantity_get(capacity, "storage") == NULL || capacity.count > 1) {
        api_cause_not_supported(
            causes, &at, api_shown_member(causes->arena, frame->table, "capacity", spec), only);
    }
    for (size_t i = 0; i < capacity.count; i++) {
        struct api_path item = api_path_key(&at, rules_quantity_key(capacity, i));
        (void)check_whole_amount(causes, &item,
                                 rules_quantity_at(capacity, i)); /* Both are said. */
        check_positive(causes, &item, rules_quantity_at(capacity, i));
    }
    return true;
}

static void check_sources(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const sources[] = {"hostPath",
                                          "gcePersistentDisk",
                                          "awsElasticBlockStore",
                                          "glusterfs",
                                          "flocker",
                                          "nfs",
                                          "rbd",
                                          "quobyte",
                                          "cephfs",
                                          "iscsi",
                                          "cinder",
                                          "fc",
                                          "flexVolume",
                                          "azureFile",
                                          "vsphereVolume",
                                          "photonPersistentDisk",
                                          "portworxVolume",
                                          "azureDisk",
                                          "scaleIO",
                                          "local",
                                          "storageos",
                                          "csi",
                                          NULL};
    const Core__V1__PersistentVolumeSpec *spec = frame->message;
    rules_check_sources(causes, frame, spec->persistent_volume_source, sources, "flexVolume");
}

/* Where it is said of the volume itself. */
bool rules_local_volume(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PersistentVolumeSpec *spec = frame->parent->message;
    if (spec->node_affinity == NULL) {
        rules_required(causes, frame->parent->at, "nodeAffinity",
                       "Local volume requires node affinity");
    }
    return true;
}

static bool is_root(const char *path)
{
    return *path == '/' && path[strspn(path, "/")] == '\0';
}

static void check_recycled(struct api_causes *causes, const struct api_path *at,
                           const Core__V1__PersistentVolumeSpec *spec)
{
    const Core__V1__PersistentVolumeSource *source = spec->persistent_volume_source;
    if (source != NULL && source->host_path != NULL &&
        is_root(text_or_empty(source->host_path->path)) &&
        rules_is(spec->persistent_volume_reclaim_policy, "Recycle")) {
        rules_forbidden(causes, at, "persistentVolumeReclaimPolicy",
                        "may not be 'recycle' for a hostPath mount of '/'");
    }
}

/* Of its sources only the first is looked at: what follows them is checked here too. */
bool rules_persistent_volume(struct api_causes *causes, const struct api_frame *frame)
{
    check_sources(causes, frame);
    check_recycled(causes, frame->at, frame->message);
    api_check_member(causes, frame, "storageClassName");
    api_check_member(causes, frame, "volumeMode");
    return false;
}

/* The old way to say them, which not all volumes know. */
void rules_check_mount_options(struct api_causes *causes, const void *message)
{
    static const char *const sources[] = {"gcePersistentDisk",
                                          "awsElasticBlockStore",
                                          "glusterfs",
                                          "nfs",
                                          "rbd",
                                          "quobyte",
                                          "iscsi",
                                          "cinder",
                                          "cephfs",
                                          "azureFile",
                                          "vsphereVolume",
                                          "azureDisk",
                                          "photonPersistentDisk"};
    static const char key[] = "volume.beta.kubernetes.io/mount-options";
    const Core__V1__PersistentVolume *volume = message;
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path annotations = api_path_field(&metadata, "annotations");
    if (api_meta_annotation(volume->metadata, key) == NULL) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        const struct api_member *member =
            api_message_member_text(&core__v1__persistent_volume_spec__schema, sources[i]);
        const void *holder = api_member_holder(member, volume->spec);
        if (holder != NULL && api_field_is_set(member->field, holder)) {
            return;
        }
    }
    rules_forbidden(causes, &annotations, key,
                    "may not specify mount options for this volume type");
}

static void forbid_inline(struct api_causes *causes, const struct api_path *at, const char *name,
                          bool used)
{
    if (used) {
        rules_forbidden(causes, at, name, "may not be specified in the context of inline volumes");
    }
}

void rules_check_inline_volume(struct api_causes *causes, const struct api_path *at,
                               const Core__V1__PersistentVolumeSpec *spec)
{
    const Core__V1__PersistentVolumeSource *source = spec->persistent_volume_source;
    struct api_frame frame = {
        .table = &core__v1__persistent_volume_spec__schema, .message = spec, .at = at};
    forbid_inline(causes, at, "claimRef", spec->claim_ref != NULL);
    forbid_inline(causes, at, "capacity", spec->n_capacity > 0);
    if (source == NULL || source->csi == NULL) {
        rules_required(causes, at, "csi", "has to be specified in the context of inline volumes");
    }
    api_check_member(causes, &frame, "accessModes");
    check_modes(causes, at, spec->access_modes, spec->n_access_modes);
    if (!rules_empty(spec->persistent_volume_reclaim_policy) &&
        !rules_is(spec->persistent_volume_reclaim_policy, "Retain")) {
        rules_forbidden(causes, at, "persistentVolumeReclaimPolicy",
                        "may only be Retain in the context of inline volumes");
    }
    forbid_inline(causes, at, "nodeAffinity", spec->node_affinity != NULL);
    check_sources(causes, &frame);
    check_recycled(causes, at, spec);
    forbid_inline(causes, at, "storageClassName", !rules_empty(spec->storage_class_name));
    if (!rules_empty(spec->volume_mode) && !rules_is(spec->volume_mode, "Filesystem")) {
        rules_forbidden(causes, at, "volumeMode",
                        "may not specify volumeMode other than Filesystem in the context of inline "
                        "volumes");
    }
}

/* The one part of a source that may be set later is the secret for growing. */
static void check_same_source(struct api_causes *causes,
                              const Core__V1__PersistentVolumeSource *before,
                              const Core__V1__PersistentVolumeSource *after)
{
    const struct api_message *table = &core__v1__persistent_volume_source__schema;
    struct api_path at = api_path_field(NULL, "spec");
    Core__V1__PersistentVolumeSource source = *after;
    Core__V1__CSIPersistentVolumeSource csi;
    if (before->csi != NULL && after->csi != NULL &&
        before->csi->controller_expand_secret_ref == NULL) {
        csi = *after->csi;
        csi.controller_expand_secret_ref = NULL;
        source.csi = &csi;
    }
    if (!api_message_equal(table, before, &source)) {
        const char *difference = api_shown_difference(causes->arena, table, before, &source);
        rules_forbidden(causes, &at, "persistentvolumesource",
                        arena_printf(causes->arena,
                                     "spec.persistentvolumesource is immutable after creation\n%s",
                                     difference));
    }
}

void rules_update_persistent_volume(struct api_causes *causes, const void *before,
                                    const void *after)
{
    const Core__V1__PersistentVolumeSpec *old_spec =
        ((const Core__V1__PersistentVolume *)before)->spec;
    const Core__V1__PersistentVolumeSpec *spec = ((const Core__V1__PersistentVolume *)after)->spec;
    check_same_source(causes, old_spec->persistent_volume_source, spec->persistent_volume_source);
    api_check_same(causes, NULL, &core__v1__persistent_volume_spec__schema, "volumeMode", old_spec,
                   spec);
    if (old_spec->node_affinity != NULL &&
        !api_message_equal(&core__v1__volume_node_affinity__schema, old_spec->node_affinity,
                           spec->node_affinity)) {
        rules_invalid(causes, NULL, "nodeAffinity",
                      api_shown_message(causes->arena, &core__v1__volume_node_affinity__schema,
                                        spec->node_affinity),
                      "field is immutable, except for updating from beta label to GA");
    }
}

/* --- PersistentVolumeClaim ---------------------------------------------------------------------
 */

static void check_source(struct api_causes *causes, const struct api_path *at, const char *group,
                         const char *kind, const char *name)
{
    if (rules_empty(name)) {
        rules_required(causes, at, "name", "");
    }
    if (rules_empty(kind)) {
        rules_required(causes, at, "kind", "");
    }
    if (rules_empty(group) && !rules_is(kind, "PersistentVolumeClaim")) {
        api_cause_invalid(causes, at, api_shown_text(kind),
                          "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    }
    if (!rules_empty(group)) {
        rules_check_text(causes, at, "apiGroup", group, api_syntax_dns1123_subdomain);
    }
}

static void check_data_sources(struct api_causes *causes, const struct api_path *spec_at,
                               const Core__V1__PersistentVolumeClaimSpec *spec)
{
    const Core__V1__TypedLocalObjectReference *source = spec->data_source;
    const Core__V1__TypedObjectReference *other = spec->data_source_ref;
    struct api_path at = api_path_field(spec_at, "dataSource");
    struct api_path other_at = api_path_field(spec_at, "dataSourceRef");
    if (source != NULL) {
        check_source(causes, &at, source->api_group, source->kind, source->name);
    }
    if (other != NULL) {
        check_source(causes, &other_at, other->api_group, other->kind, other->name);
    }
    if (source != NULL && other != NULL && rules_empty(other->namespace_) &&
        (!rules_is(source->api_group, text_or_empty(other->api_group)) ||
         !rules_is(source->kind, text_or_empty(other->kind)) ||
         !rules_is(source->name, text_or_empty(other->name)))) {
        api_cause_invalid(
            causes, spec_at,
            api_shown_raw(
                "field.Path{name:\"dataSource\", index:\"\", parent:(*field.Path)(0xc000000000)}"),
            "must match dataSourceRef");
    }
}

bool rules_claim(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PersistentVolumeClaimSpec *spec = frame->message;
    struct api_path resources = api_path_field(frame->at, "resources");
    struct api_path at = api_path_key(&resources, "storage");
    const Quantity__Quantity *storage =
        spec->resources == NULL
            ? NULL
            : rules_quantity_get(RULES_QUANTITIES(spec->resources, requests), "storage");
    check_modes(causes, frame->at, spec->access_modes, spec->n_access_modes);
    if (storage == NULL) {
        api_cause_required(causes, &at, "");
    } else {
        check_positive(causes, &at, storage);
    }
    if (!rules_empty(spec->storage_class_name)) { /* "" is no class, and may be said. */
        rules_check_text(causes, frame->at, "storageClassName", spec->storage_class_name,
                         api_syntax_dns1123_subdomain);
    }
    check_data_sources(causes, frame->at, spec);
    return true;
}

static const Quantity__Quantity *storage_of(const Core__V1__PersistentVolumeClaimSpec *spec)
{
    return spec->resources == NULL
               ? NULL
               : rules_quantity_get(RULES_QUANTITIES(spec->resources, requests), "storage");
}

/* Whether the name of the class moves from the annotation, where it was once, to its field. */
static bool class_moves(const char *annotated, const char *new_annotated,
                        const Core__V1__PersistentVolumeClaimSpec *before,
                        const Core__V1__PersistentVolumeClaimSpec *after)
{
    return annotated != NULL && before->storage_class_name == NULL &&
           after->storage_class_name != NULL && rules_is(after->storage_class_name, annotated) &&
           (new_annotated == NULL || strcmp(new_annotated, annotated) == 0);
}

/* The spec with what may be set once set back. */
static void check_class(struct api_causes *causes, const Core__V1__PersistentVolumeClaim *before,
                        const Core__V1__PersistentVolumeClaim *after,
                        Core__V1__PersistentVolumeClaimSpec *rest)
{
    static const char key[] = "volume.beta.kubernetes.io/storage-class";
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path annotations = api_path_field(&metadata, "annotations");
    const char *annotated = api_meta_annotation(before->metadata, key);
    const char *new_annotated = api_meta_annotation(after->metadata, key);
    if (class_moves(annotated, new_annotated, before->spec, after->spec)) {
        rest->storage_class_name = NULL;
        return;
    }
    if (!rules_is(annotated, text_or_empty(new_annotated))) {
        rules_invalid(causes, &annotations, key, api_shown_text(new_annotated),
                      "field is immutable");
    }
    if (before->spec->storage_class_name == NULL && rest->storage_class_name != NULL &&
        (annotated == NULL || rules_is(rest->storage_class_name, annotated))) {
        rest->storage_class_name = NULL;
    }
}

/* All but what the binding controller sets once, and the size of a claim that is bound. */
static void check_same_claim(struct api_causes *causes,
                             const Core__V1__PersistentVolumeClaim *before,
                             const Core__V1__PersistentVolumeClaim *after)
{
    const struct api_message *table = &core__v1__persistent_volume_claim_spec__schema;
    struct api_path at = api_path_field(NULL, "spec");
    Core__V1__PersistentVolumeClaimSpec old_rest = *before->spec, rest = *after->spec;
    Core__V1__VolumeResourceRequirements resources;
    if (rules_empty(before->spec->volume_name)) {
        old_rest.volume_name = rest.volume_name;
    }
    check_class(causes, before, after, &rest);
    if (after->status != NULL && rules_is(after->status->phase, "Bound") &&
        storage_of(before->spec) != NULL && storage_of(after->spec) != NULL) {
        resources = *after->spec->resources;
        resources.requests = before->spec->resources->requests;
        resources.n_requests = before->spec->resources->n_requests;
        rest.resources = &resources;
        rest.volume_attributes_class_name = before->spec->volume_attributes_class_name;
    }
    if (!api_message_equal(table, &old_rest, &rest)) {
        const char *difference = api_shown_difference(causes->arena, table, &old_rest, &rest);
        api_cause_forbidden(causes, &at,
                            arena_printf(causes->arena,
                                         "spec is immutable after creation except "
                                         "resources.requests and volumeAttributesClassName for "
                                         "bound claims\n%s",
                                         difference));
    }
}

void rules_update_claim(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__PersistentVolumeClaim *old_claim = before, *claim = after;
    struct api_path spec = api_path_field(NULL, "spec");
    const Quantity__Quantity *size = storage_of(claim->spec),
                             *old_size = storage_of(old_claim->spec);
    const Quantity__Quantity *capacity =
        rules_quantity_get(RULES_QUANTITIES(old_claim->status, capacity), "storage");
    check_same_claim(causes, old_claim, claim);
    if (size != NULL && old_size != NULL && capacity != NULL &&
        quantity_compare(quantity_read(size), quantity_read(old_size)) < 0 &&
        quantity_compare(quantity_read(size), quantity_read(capacity)) <= 0) {
        struct api_path resources = api_path_field(&spec, "resources");
        struct api_path requests = api_path_field(&resources, "requests");
        rules_forbidden(causes, &requests, "storage", "field can not be less than status.capacity");
    }
    api_check_same(causes, NULL, &core__v1__persistent_volume_claim_spec__schema, "volumeMode",
                   old_claim->spec, claim->spec);
}

/* --- The status of a claim ---------------------------------------------------------------------
 */

/* Whether claims can be given this. */
static bool check_claimed(struct api_causes *causes, const struct api_path *at, const char *name)
{
    static const char *const only[] = {"storage", NULL};
    struct api_syntax wrong = api_syntax_qualified_name(name);
    rules_invalid_each(causes, at, api_shown_text(name), wrong);
    if (wrong.count == 0 && rules_resource_is_native(name) && strcmp(name, only[0]) != 0) {
        api_cause_not_supported(causes, at, api_shown_text(name), only);
        return false;
    }
    return wrong.count == 0;
}

static void check_resize_states(struct api_causes *causes, const struct api_path *parent,
                                struct api_string_map states)
{
    static const char *const known[] = {"ControllerResizeInProgress", "ControllerResizeInfeasible",
                                        "NodeResizePending",          "NodeResizeInProgress",
                                        "NodeResizeInfeasible",       NULL};
    struct api_path at = api_path_field(parent, "allocatedResourceStatus");
    for (size_t i = 0; i < states.count; i++) {
        const char *key = api_string_map_key(states, i);
        (void)check_claimed(causes, &at, key); /* Both are said. */
        if (!rules_one_of(api_string_map_value(states, i), known)) {
            api_cause_not_supported(causes, &at, api_shown_text(key), known);
        }
    }
}

void rules_update_claim_status(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__PersistentVolumeClaimStatus *status =
        ((const Core__V1__PersistentVolumeClaim *)after)->status;
    struct rules_quantities capacity = RULES_QUANTITIES(status, capacity);
    struct rules_quantities allocated = RULES_QUANTITIES(status, allocated_resources);
    struct api_path at = api_path_field(NULL, "status");
    struct api_path capacity_at = api_path_field(&at, "capacity");
    struct api_path allocated_at = api_path_field(&at, "allocatedResources");
    (void)before; /* What was wrong stays wrong. */
    for (size_t i = 0; i < capacity.count; i++) {
        struct api_path item = api_path_key(&capacity_at, rules_quantity_key(capacity, i));
        (void)check_whole_amount(causes, &item, rules_quantity_at(capacity, i));
    }
    check_resize_states(
        causes, &at,
        API_STRING_MAP(status->allocated_resource_statuses, status->n_allocated_resource_statuses));
    for (size_t i = 0; i < allocated.count; i++) {
        struct api_path item = api_path_key(&allocated_at, rules_quantity_key(allocated, i));
        if (check_claimed(causes, &allocated_at, rules_quantity_key(allocated, i)) &&
            check_whole_amount(causes, &item, rules_quantity_at(allocated, i))) {
            rules_check_resource_amount(causes, &item, "storage", rules_quantity_at(allocated, i));
        }
    }
}

/* The older of the two members that name the source is kept alike with the newer. */
void rules_prepare_claim(struct arena *arena, void *message)
{
    Core__V1__PersistentVolumeClaimSpec *spec = ((Core__V1__PersistentVolumeClaim *)message)->spec;
    if (spec->data_source != NULL && spec->data_source_ref == NULL) {
        spec->data_source_ref = rules_new(arena, "k8s.io.api.core.v1.TypedObjectReference");
        spec->data_source_ref->api_group = spec->data_source->api_group;
        spec->data_source_ref->kind = spec->data_source->kind;
        spec->data_source_ref->name = spec->data_source->name;
    } else if (spec->data_source == NULL && spec->data_source_ref != NULL &&
               rules_empty(spec->data_source_ref->namespace_)) {
        spec->data_source = rules_new(arena, "k8s.io.api.core.v1.TypedLocalObjectReference");
        spec->data_source->api_group = spec->data_source_ref->api_group;
        spec->data_source->kind = spec->data_source_ref->kind;
        spec->data_source->name = spec->data_source_ref->name;
    }
}

void rules_prepare_claim_update(struct arena *arena, const void *before, void *after)
{
    (void)before;
    rules_prepare_claim(arena, after);
}

void rules_prepare_limit_range(struct arena *arena, void *message)
{
    Core__V1__LimitRange *range = message;
    rules_default(arena, &range->metadata->name, text_or_empty(range->metadata->uid));
}
