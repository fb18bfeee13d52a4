/* Rules of the sources of volumes that are one driver's own, as pods and PersistentVolumes have
 * them. */
#include "lib/api/quantity.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include <strings.h>

enum { UNIT_MAX = 255, TENANT_MAX = 64 };

static const char *name_of(const Core__V1__LocalObjectReference *reference)
{
    return text_or_empty(reference->name);
}

static void require_secret_name(struct api_causes *causes, const struct api_path *at,
                                const char *member, const char *name)
{
    struct api_path secret = api_path_field(at, member);
    if (rules_empty(name)) {
        rules_required(causes, &secret, "name", "");
    }
}

bool rules_empty_dir(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__EmptyDirVolumeSource *dir = frame->message;
    if (dir->size_limit != NULL && quantity_sign(quantity_read(dir->size_limit)) < 0) {
        rules_forbidden(causes, frame->at, "sizeLimit",
                        "SizeLimit field must be a valid resource quantity");
    }
    return true;
}

bool rules_cinder(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__CinderVolumeSource *disk = frame->message;
    if (disk->secret_ref != NULL) {
        require_secret_name(causes, frame->at, "secretRef", name_of(disk->secret_ref));
    }
    return true;
}

static void check_driver(struct api_causes *causes, const struct api_path *parent,
                         const char *driver)
{
    enum { DRIVER_MAX_BYTES = 63 };
    const char *name = text_or_empty(driver);
    struct api_path at = api_path_field(parent, "driver");
    if (*name == '\0') {
        api_cause_required(causes, &at, "");
    }
    if (strlen(name) > DRIVER_MAX_BYTES) {
        api_cause_too_long(causes, &at, DRIVER_MAX_BYTES);
    }
    rules_invalid_each(causes, &at, api_shown_text(name), api_syntax_driver_name(name));
}

bool rules_csi_driver_name(struct api_causes *causes, const struct api_frame *frame)
{
    check_driver(causes, frame->at, ((const Core__V1__CSIVolumeSource *)frame->message)->driver);
    return true;
}

static void check_secret(struct api_causes *causes, const struct api_path *parent,
                         const char *member, const Core__V1__SecretReference *secret)
{
    struct api_path at = api_path_field(parent, member);
    if (secret == NULL) {
        return;
    }
    if (rules_empty(secret->name)) {
        rules_required(causes, &at, "name", "");
    } else {
        rules_check_text(causes, &at, "name", secret->name, api_syntax_dns1123_subdomain);
    }
    if (rules_empty(secret->namespace_)) {
        rules_required(causes, &at, "namespace", "");
    } else {
        rules_check_text(causes, &at, "namespace", secret->namespace_, api_syntax_dns1123_label);
    }
}

/* Of the secret for staging v1.32 says nothing. */
bool rules_csi_persistent(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__CSIPersistentVolumeSource *source = frame->message;
    check_driver(causes, frame->at, source->driver);
    if (rules_empty(source->volume_handle)) {
        rules_required(causes, frame->at, "volumeHandle", "");
    }
    check_secret(causes, frame->at, "controllerPublishSecretRef",
                 source->controller_publish_secret_ref);
    check_secret(causes, frame->at, "controllerExpandSecretRef",
                 source->controller_expand_secret_ref);
    check_secret(causes, frame->at, "nodePublishSecretRef", source->node_publish_secret_ref);
    check_secret(causes, frame->at, "nodeExpandSecretRef", source->node_expand_secret_ref);
    return true;
}

/* Both names of a secret of a volume in the cluster. */
static void require_secret(struct api_causes *causes, const struct api_path *at, const char *name,
                           const char *namespace_name)
{
    struct api_path secret = api_path_field(at, "secretRef");
    require_secret_name(causes, at, "secretRef", name);
    if (rules_empty(namespace_name)) {
        rules_required(causes, &secret, "namespace", "");
    }
}

bool rules_cinder_persistent(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__CinderPersistentVolumeSource *disk = frame->message;
    if (disk->secret_ref != NULL) {
        require_secret(causes, frame->at, disk->secret_ref->name, disk->secret_ref->namespace_);
    }
    return true;
}

bool rules_storage_os_persistent(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__StorageOSPersistentVolumeSource *volume = frame->message;
    if (volume->secret_ref != NULL) {
        require_secret(causes, frame->at, volume->secret_ref->name, volume->secret_ref->namespace_);
    }
    return true;
}

/* The path of a wrong name is not that of an absent one: so v1.32 has it. */
bool rules_csi_source(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__CSIVolumeSource *source = frame->message;
    if (source->node_publish_secret_ref == NULL) {
        return true;
    }
    const char *name = name_of(source->node_publish_secret_ref);
    require_secret_name(causes, frame->at, "nodePublishSecretRef", name);
    if (*name != '\0') {
        rules_check_text(causes, frame->at, "name", name, api_syntax_dns1123_subdomain);
    }
    return true;
}

bool rules_storage_os(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__StorageOSVolumeSource *volume = frame->message;
    if (volume->secret_ref != NULL) {
        require_secret_name(causes, frame->at, "secretRef", name_of(volume->secret_ref));
    }
    return true;
}

bool rules_fibre_channel(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__FCVolumeSource *disk = frame->message;
    if (disk->n_target_wwns == 0 && disk->n_wwids == 0) {
        rules_required(causes, frame->at, "targetWWNs",
                       "must specify either targetWWNs or wwids, but not both");
    }
    if (disk->n_target_wwns > 0 && disk->n_wwids > 0) {
        rules_invalid(causes, frame->at, "targetWWNs",
                      api_shown_texts(causes->arena, disk->target_wwns, disk->n_target_wwns),
                      "targetWWNs and wwids can not be specified simultaneously");
    }
    if (disk->n_target_wwns > 0 && !disk->has_lun) {
        rules_required(causes, frame->at, "lun", "lun is required if targetWWNs is specified");
    } else if (disk->n_target_wwns > 0 && (disk->lun < 0 || disk->lun > UNIT_MAX)) {
        rules_invalid(causes, frame->at, "lun", api_shown_int(disk->lun),
                      "must be between 0 and 255, inclusive");
    }
    return true;
}

bool rules_flocker(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__FlockerVolumeSource *dataset = frame->message;
    bool named = !rules_empty(dataset->dataset_name);
    if (!named && rules_empty(dataset->dataset_uuid)) {
        api_cause_required(causes, frame->at, "one of datasetName and datasetUUID is required");
    } else if (named && !rules_empty(dataset->dataset_uuid)) {
        api_cause_invalid(causes, frame->at, api_shown_text("resource"),
                          "datasetName and datasetUUID can not be specified simultaneously");
    }
    if (named && strchr(dataset->dataset_name, '/') != NULL) {
        rules_invalid(causes, frame->at, "datasetName", api_shown_text(dataset->dataset_name),
                      "must not contain '/'");
    }
    return true;
}

/* A host, a colon and a port, of which the host may be empty. */
static bool is_host_port(const char *pair, size_t len)
{
    const char *colon = memchr(pair, ':', len);
    return colon != NULL && memchr(colon + 1, ':', (size_t)(pair + len - colon - 1)) == NULL;
}

bool rules_quobyte(struct api_causes *causes, const struct api_frame *frame)
{
    static const char form[] = "must be a host:port pair or multiple pairs separated by commas";
    const Core__V1__QuobyteVolumeSource *volume = frame->message;
    const char *registry = text_or_empty(volume->registry);
    if (*registry == '\0') {
        rules_required(causes, frame->at, "registry", form);
        return true;
    }
    if (strlen(text_or_empty(volume->tenant)) > TENANT_MAX) {
        rules_required(causes, frame->at, "tenant",
                       "must be a UUID and may not exceed a length of 64 characters");
        return true;
    }
    for (const char *pair = registry; pair != NULL; pair = strchr(pair, ',')) {
        pair += *pair == ',';
        if (!is_host_port(pair, strcspn(pair, ","))) {
            rules_invalid(causes, frame->at, "registry", api_shown_text(registry), form);
        }
    }
    return true;
}

bool rules_azure_disk(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const managed[] = {
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/"
        "{disk-id}",
        NULL};
    static const char *const blob[] = {
        "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd", NULL};
    const Core__V1__AzureDiskVolumeSource *disk = frame->message;
    const char *uri = text_or_empty(disk->disk_uri);
    bool is_managed = rules_is(disk->kind, "Managed");
    const char *start = is_managed ? "/subscriptions/" : "https://";
    if (disk->kind != NULL && strncmp(uri, start, strlen(start)) != 0) {
        rules_not_supported(causes, frame->at, "diskURI", uri, is_managed ? managed : blob);
    }
    return true;
}

/* --- Glusterfs, Azure Files, FlexVolumes ---------------------------------------------------------
 */

bool rules_gluster_persistent(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__GlusterfsPersistentVolumeSource *volume = frame->message;
    const char *name = volume->endpoints_namespace;
    if (name != NULL && *name == '\0') {
        rules_invalid(causes, frame->at, "endpointsNamespace", api_shown_text(name),
                      "if the endpointnamespace is set, it must be a valid namespace name");
    } else if (name != NULL) {
        rules_check_text(causes, frame->at, "endpointsNamespace", name, api_syntax_dns1123_label);
    }
    return true;
}

bool rules_azure_file_persistent(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__AzureFilePersistentVolumeSource *share = frame->message;
    if (share->secret_namespace != NULL && *share->secret_namespace == '\0') {
        rules_required(causes, frame->at, "secretNamespace", "");
    }
    return true;
}

/* Whether the key is in one of the name spaces that are Kubernetes' own. */
static bool is_reserved(const char *key)
{
    static const char *const owned[] = {".kubernetes.io", ".k8s.io", NULL};
    size_t len = strcspn(key, "/");
    bool reserved = false;
    for (size_t i = 0; owned[i] != NULL; i++) {
        const char *name = owned[i] + 1;
        size_t own = strlen(name);
        reserved = reserved || (len >= own && strncasecmp(key + len - own, name, own) == 0 &&
                                (len == own || key[len - own - 1] == '.'));
    }
    return reserved;
}

static void check_options(struct api_causes *causes, const struct api_path *parent,
                          struct api_string_map options)
{
    struct api_path list = api_path_field(parent, "options");
    for (size_t i = 0; i < options.count; i++) {
        const char *key = api_string_map_key(options, i);
        struct api_path at = api_path_key(&list, key);
        if (is_reserved(key)) {
            api_cause_invalid(causes, &at, api_shown_text(key),
                              "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

bool rules_flex(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__FlexVolumeSource *volume = frame->message;
    check_options(causes, frame->at, API_STRING_MAP(volume->options, volume->n_options));
    return true;
}

bool rules_flex_persistent(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__FlexPersistentVolumeSource *volume = frame->message;
    check_options(causes, frame->at, API_STRING_MAP(volume->options, volume->n_options));
    return true;
}

/* --- iSCSI -------------------------------------------------------------------------------------
 */

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const char LETTERS_AND_DIGITS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* "eui.0123456789abcdef": v1.32 takes any letters, and any mark for the dot. */
static bool is_numbered_name(const char *text, size_t digits)
{
    const char *number = text + strlen("eui.");
    return strlen(text) == strlen("eui.") + digits && number[-1] != '\n' &&
           strspn(number, LETTERS_AND_DIGITS) == digits;
}

/* "iqn.2001-04.com.example:storage": a month, a domain in reverse and, after a colon, what its
 * owner likes. */
static bool is_dated_name(const char *text)
{
    const char *digits = "0123456789";
    if (!starts(text, "iqn.") || strspn(text + 4, digits) != 4 || text[8] != '-' ||
        strspn(text + 9, digits) != 2 || text[11] != '.') {
        return false;
    }
    const char *domain = text + 12;
    const char *colon = strchr(domain, ':');
    if (colon == NULL || colon == domain || colon[1] == '\0') {
        return false;
    }
    for (const char *mark = domain; mark < colon; mark++) {
        if (strchr(LETTERS_AND_DIGITS, *mark) == NULL && strchr(".-", *mark) == NULL) {
            return false;
        }
    }
    return strpbrk(colon, ",;*&$| \t\n\f\r") == NULL;
}

/* NULL when it is one; `strange` is said of what is none of the three sorts of names. */
static const char *wrong_name(const char *name, const char *strange)
{
    enum { EUI_DIGITS = 16, NAA_DIGITS = 32 };
    bool right = true;
    if (starts(name, "iqn")) {
        right = is_dated_name(name);
    } else if (starts(name, "eui")) {
        right = is_numbered_name(name, EUI_DIGITS);
    } else if (starts(name, "naa")) {
        right = is_numbered_name(name, NAA_DIGITS);
    } else {
        return strange;
    }
    return right ? NULL : "must be valid format";
}

static void check_name(struct api_causes *causes, const struct api_path *at, const char *member,
                       const char *name, const char *strange)
{
    const char *wrong = name == NULL ? NULL : wrong_name(name, strange);
    if (wrong != NULL) {
        rules_invalid(causes, at, member, api_shown_text(name), wrong);
    }
}

static const char STRANGE[] = "must be valid format starting with iqn, eui, or naa";
static const char STRANGE_PERSISTENT[] = "must be valid format";

bool rules_iscsi(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ISCSIVolumeSource *disk = frame->message;
    check_name(causes, frame->at, "iqn", rules_empty(disk->iqn) ? NULL : disk->iqn, STRANGE);
    return true;
}

bool rules_iscsi_initiator(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ISCSIVolumeSource *disk = frame->message;
    if ((disk->chap_auth_discovery || disk->chap_auth_session) && disk->secret_ref == NULL) {
        rules_required(causes, frame->at, "secretRef", "");
    }
    check_name(causes, frame->at, "initiatorname", disk->initiator_name, STRANGE);
    return true;
}

/* The initiator is told the name of the volume and of its portal, for which there is little room.
 */
bool rules_iscsi_portal(struct api_causes *causes, const struct api_frame *frame)
{
    enum { PORTAL_MAX = 64 };
    const Core__V1__ISCSIPersistentVolumeSource *disk = frame->message;
    const struct api_frame *object = api_frame_find(frame, &core__v1__persistent_volume__schema);
    const Core__V1__PersistentVolume *volume = object == NULL ? NULL : object->message;
    const char *name = volume == NULL ? "" : text_or_empty(volume->metadata->name);
    if (disk->initiator_name != NULL &&
        strlen(name) + 1 + strlen(text_or_empty(disk->target_portal)) > PORTAL_MAX) {
        rules_invalid(causes, frame->at, "targetportal", api_shown_text(disk->target_portal),
                      "Total length of <volume name>:<iscsi.targetPortal> must be under 64 "
                      "characters if iscsi.initiatorName is specified.");
    }
    return true;
}

bool rules_iscsi_persistent(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ISCSIPersistentVolumeSource *disk = frame->message;
    check_name(causes, frame->at, "iqn", rules_empty(disk->iqn) ? NULL : disk->iqn,
               STRANGE_PERSISTENT);
    return true;
}

bool rules_iscsi_persistent_initiator(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ISCSIPersistentVolumeSource *disk = frame->message;
    if ((disk->chap_auth_discovery || disk->chap_auth_session) && disk->secret_ref == NULL) {
        rules_required(causes, frame->at, "secretRef", "");
    }
    if (disk->secret_ref != NULL) {
        require_secret_name(causes, frame->at, "secretRef", disk->secret_ref->name);
    }
    check_name(causes, frame->at, "initiatorname", disk->initiator_name, STRANGE_PERSISTENT);
    return true;
}
