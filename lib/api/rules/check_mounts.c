/* Rules of how the containers of a pod see its volumes: as files and as devices. */
#include "lib/api/rules/rules.h"

/* What a mount is checked against; the same of all three sorts of containers. */
struct container_view {
    Core__V1__VolumeMount *const *mounts;
    size_t mount_count;
    Core__V1__VolumeDevice *const *devices;
    size_t device_count;
    const Core__V1__SecurityContext *security;
};

static struct container_view view_of(const struct api_frame *container)
{
    if (container->table == &core__v1__container__schema) {
        const Core__V1__Container *plain = container->message;
        return (struct container_view){plain->volume_mounts, plain->n_volume_mounts,
                                       plain->volume_devices, plain->n_volume_devices,
                                       plain->security_context};
    }
    const Core__V1__EphemeralContainer *added = container->message;
    const Core__V1__EphemeralContainerCommon *common = added->ephemeral_container_common;
    return (struct container_view){common->volume_mounts, common->n_volume_mounts,
                                   common->volume_devices, common->n_volume_devices,
                                   common->security_context};
}

/* Volumes are checked before the containers. */
static bool is_wrong(const struct api_causes *causes, const struct api_path *spec, size_t index)
{
    struct api_path list = api_path_field(spec, "volumes");
    struct api_path at = api_path_index(&list, index);
    const char *field = api_path_text(causes->arena, &at);
    size_t len = strlen(field);
    for (size_t i = 0; i < causes->count; i++) {
        if (strncmp(causes->items[i].field, field, len) == 0) {
            return true;
        }
    }
    return false;
}

static const char *volume_name(struct arena *arena, const void *list, const void *of, size_t index)
{
    const Core__V1__Volume *const *volumes = list;
    (void)arena, (void)of;
    return text_or_empty(volumes[index]->name);
}

/* NULL when the pod has no such volume, or one that is wrong: v1.32 does not know that then. */
static const Core__V1__Volume *volume_of(struct api_causes *causes, const struct api_frame *frame,
                                         const char *name)
{
    const struct api_frame *spec_frame = api_frame_find(frame, &core__v1__pod_spec__schema);
    const Core__V1__PodSpec *spec = spec_frame == NULL ? NULL : spec_frame->message;
    size_t count = spec == NULL ? 0 : spec->n_volumes;
    size_t i = count == 0 ? 0
                          : api_find_item(causes, volume_name, spec->volumes, NULL, count,
                                          text_or_empty(name));
    return i < count && (causes->count == 0 || !is_wrong(causes, spec_frame->at, i))
               ? spec->volumes[i]
               : NULL;
}

/* --- Mounts ------------------------------------------------------------------------------------
 */

bool rules_mount_name(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__VolumeMount *mount = frame->message;
    struct api_path at = api_path_field(frame->at, "name");
    if (volume_of(causes, frame, mount->name) == NULL) {
        api_cause_not_found(causes, &at, api_shown_text(mount->name));
    }
    return true;
}

static const char *mount_path(struct arena *arena, const void *list, const void *of, size_t index)
{
    const Core__V1__VolumeMount *const *mounts = list;
    (void)arena, (void)of;
    return text_or_empty(mounts[index]->mount_path);
}

static const char *device_name(struct arena *arena, const void *list, const void *of, size_t index)
{
    const Core__V1__VolumeDevice *const *devices = list;
    (void)arena, (void)of;
    return text_or_empty(devices[index]->name);
}

static const char *device_path(struct arena *arena, const void *list, const void *of, size_t index)
{
    const Core__V1__VolumeDevice *const *devices = list;
    (void)arena, (void)of;
    return text_or_empty(devices[index]->device_path);
}

bool rules_mount_path(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__VolumeMount *mount = frame->message;
    struct container_view view = view_of(frame->parent);
    size_t devices = view.device_count;
    bool is_device = api_find_item(causes, device_name, view.devices, NULL, devices,
                                   text_or_empty(mount->name)) < devices;
    bool is_device_path = api_find_item(causes, device_path, view.devices, NULL, devices,
                                        text_or_empty(mount->mount_path)) < devices;
    if (api_seen_before(causes, mount_path, view.mounts, NULL, frame->index)) {
        rules_invalid(causes, frame->at, "mountPath", api_shown_text(mount->mount_path),
                      "must be unique");
    }
    if (is_device) {
        rules_invalid(causes, frame->at, "name", api_shown_text(mount->name),
                      "must not already exist in volumeDevices");
    }
    if (is_device_path) {
        rules_invalid(causes, frame->at, "mountPath", api_shown_text(mount->mount_path),
                      "must not already exist as a path in volumeDevices");
    }
    return true;
}

static void check_sub_paths(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__VolumeMount *mount = frame->message;
    const struct api_path *list = frame->at->parent;
    if (!rules_empty(mount->sub_path)) {
        rules_check_text(causes, list, "subPath", mount->sub_path, api_syntax_relative_path);
    }
    if (rules_empty(mount->sub_path_expr)) {
        return;
    }
    if (!rules_empty(mount->sub_path)) {
        rules_invalid(causes, frame->at, "subPathExpr", api_shown_text(mount->sub_path_expr),
                      "subPathExpr and subPath are mutually exclusive");
    }
    rules_check_text(causes, list, "subPathExpr", mount->sub_path_expr, api_syntax_relative_path);
}

static void check_propagation(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const values[] = {"Bidirectional", "HostToContainer", "None", NULL};
    const Core__V1__VolumeMount *mount = frame->message;
    const Core__V1__SecurityContext *security = view_of(frame->parent).security;
    const struct api_path *list = frame->at->parent;
    if (mount->mount_propagation == NULL) {
        return;
    }
    if (!rules_one_of(mount->mount_propagation, values)) {
        rules_not_supported(causes, list, "mountPropagation", mount->mount_propagation, values);
    } else if (rules_is(mount->mount_propagation, "Bidirectional") &&
               (security == NULL || !security->has_privileged || !security->privileged)) {
        rules_forbidden(
            causes, list, "mountPropagation",
            "Bidirectional mount propagation is available only to privileged containers");
    }
}

static void check_recursion(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const values[] = {"Disabled", "Enabled", "IfPossible", NULL};
    const Core__V1__VolumeMount *mount = frame->message;
    const struct api_path *list = frame->at->parent;
    const char *mode = mount->recursive_read_only;
    if (mode == NULL || strcmp(mode, "Disabled") == 0) {
        return;
    }
    if (!rules_one_of(mode, values)) {
        rules_not_supported(causes, list, "recursiveReadOnly", mode, values);
        return;
    }
    if (!mount->read_only) {
        rules_forbidden(causes, list, "recursiveReadOnly",
                        "may only be specified when readOnly is true");
    }
    if (mount->mount_propagation != NULL && !rules_is(mount->mount_propagation, "None")) {
        rules_forbidden(causes, list, "recursiveReadOnly",
                        "may only be specified when mountPropagation is None or not specified");
    }
}

/* All of this is said of the list and not of the item: so v1.32 has it. */
bool rules_mount(struct api_causes *causes, const struct api_frame *frame)
{
    check_sub_paths(causes, frame);
    check_propagation(causes, frame);
    check_recursion(causes, frame);
    return true;
}

/* --- Devices -----------------------------------------------------------------------------------
 */

static void check_device_name(struct api_causes *causes, const struct api_frame *frame,
                              struct container_view view)
{
    const Core__V1__VolumeDevice *device = frame->message;
    const Core__V1__Volume *volume = volume_of(causes, frame, device->name);
    const Core__V1__VolumeSource *source = volume == NULL ? NULL : volume->volume_source;
    struct api_path at = api_path_field(frame->at, "name");
    if (rules_empty(device->name)) {
        api_cause_required(causes, &at, "");
    }
    for (size_t i = 0; i < frame->index && !rules_empty(device->name); i++) {
        if (rules_is(view.devices[i]->name, device->name)) {
            api_cause_invalid(causes, &at, api_shown_text(device->name), "must be unique");
            break;
        }
    }
    if (volume == NULL) {
        api_cause_not_found(causes, &at, api_shown_text(device->name));
    } else if (source == NULL ||
               (source->persistent_volume_claim == NULL && source->ephemeral == NULL)) {
        api_cause_invalid(causes, &at, api_shown_text(device->name),
                          "can only use volume source type of PersistentVolumeClaim or Ephemeral "
                          "for block mode");
    }
}

static void check_device_path(struct api_causes *causes, const struct api_frame *frame,
                              struct container_view view)
{
    const Core__V1__VolumeDevice *device = frame->message;
    const char *path = text_or_empty(device->device_path);
    struct api_path at = api_path_field(frame->at, "devicePath");
    if (*path == '\0') {
        api_cause_required(causes, &at, "");
    }
    for (size_t i = 0; i < frame->index; i++) {
        if (rules_is(view.devices[i]->device_path, path)) {
            api_cause_invalid(causes, &at, api_shown_text(path), "must be unique");
            break;
        }
    }
    if (api_syntax_host_path(path).count > 0) {
        api_cause_invalid(causes, &at, api_shown_text(path), "can not contain backsteps ('..')");
    }
}

bool rules_device(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__VolumeDevice *device = frame->message;
    struct container_view view = view_of(frame->parent);
    bool is_mount = false, is_mount_path = false;
    check_device_name(causes, frame, view);
    check_device_path(causes, frame, view);
    for (size_t i = 0; i < view.mount_count; i++) {
        const Core__V1__VolumeMount *mount = view.mounts[i];
        is_mount = is_mount || rules_is(mount->name, text_or_empty(device->name));
        is_mount_path =
            is_mount_path || rules_is(mount->mount_path, text_or_empty(device->device_path));
    }
    if (is_mount) {
        rules_invalid(causes, frame->at, "name", api_shown_text(device->name),
                      "must not already exist in volumeMounts");
    }
    if (is_mount_path) {
        rules_invalid(causes, frame->at, "devicePath", api_shown_text(device->device_path),
                      "must not already exist as a path in volumeMounts");
    }
    return false;
}
