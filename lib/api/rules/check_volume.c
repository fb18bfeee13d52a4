/* Checks of a pod's volumes. */
#include "lib/api/rules/rules.h"

enum { MODE_MAX = 0777, TOKEN_MIN_S = 600 };
static const int64_t TOKEN_MAX_S = 1LL << 32;

static void check_mode(struct api_causes *causes, const struct api_path *parent, const char *name,
                       bool set, int32_t mode)
{
    if (set && (mode < 0 || mode > MODE_MAX)) {
        rules_invalid(causes, parent, name, api_shown_int(mode),
                      "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

static void check_items(struct api_causes *causes, const struct api_path *parent,
                        Core__V1__KeyToPath *const *items, size_t count)
{
    struct api_path list = api_path_field(parent, "items");
    for (size_t i = 0; i < count; i++) {
        struct api_path at = api_path_index(&list, i);
        struct api_path path = api_path_field(&at, "path");
        if (rules_empty(items[i]->key)) {
            rules_required(causes, &at, "key", "");
        }
        if (rules_empty(items[i]->path)) {
            api_cause_required(causes, &path, "");
        } else {
            rules_check_relative_path(causes, &path, items[i]->path);
        }
        check_mode(causes, &at, "mode", items[i]->has_mode, items[i]->mode);
    }
}

static bool has_name(const Core__V1__LocalObjectReference *ref)
{
    return ref != NULL && !rules_empty(ref->name);
}

/* The path of an error is the volume's, not the file's: so v1.32 has it. */
static void check_downward_file(struct api_causes *causes, const struct api_path *at,
                                const Core__V1__DownwardAPIVolumeFile *file)
{
    static const char *const fields[] = {"metadata.annotations", "metadata.labels", "metadata.name",
                                         "metadata.namespace",   "metadata.uid",    NULL};
    struct api_path path = api_path_field(at, "path");
    struct api_path field = api_path_field(at, "fieldRef");
    struct api_path resource = api_path_field(at, "resourceFieldRef");
    if (rules_empty(file->path)) {
        api_cause_required(causes, &path, "");
    } else {
        rules_check_relative_path(causes, &path, file->path);
    }
    if (file->field_ref != NULL) {
        rules_check_field_ref(causes, &field, file->field_ref, fields);
        if (file->resource_field_ref != NULL) {
            api_cause_invalid(causes, at, api_shown_text("resource"),
                              "fieldRef and resourceFieldRef can not be specified simultaneously");
        }
    } else if (file->resource_field_ref != NULL) {
        rules_check_resource_ref(causes, &resource, file->resource_field_ref, /* volume= */ true);
    } else {
        api_cause_required(causes, at, "one of fieldRef and resourceFieldRef is required");
    }
    check_mode(causes, at, "mode", file->has_mode, file->mode);
}

/* --- Projected ---------------------------------------------------------------------------------
 */

static void check_token(struct api_causes *causes, const struct api_path *projected,
                        const struct api_path *source,
                        const Core__V1__ServiceAccountTokenProjection *token)
{
    struct api_path at = api_path_field(source, "serviceAccountToken");
    if (token->expiration_seconds < TOKEN_MIN_S) {
        rules_invalid(causes, &at, "expirationSeconds", api_shown_int(token->expiration_seconds),
                      "may not specify a duration less than 10 minutes");
    } else if (token->expiration_seconds > TOKEN_MAX_S) {
        rules_invalid(causes, &at, "expirationSeconds", api_shown_int(token->expiration_seconds),
                      "may not specify a duration larger than 2^32 seconds");
    }
    if (rules_empty(token->path)) {
        rules_required(causes, projected, "path", "");
    }
}

static void check_projection(struct api_causes *causes, const struct api_path *projected,
                             const struct api_path *at, const Core__V1__VolumeProjection *source)
{
    struct api_path secret = api_path_field(at, "secret");
    struct api_path config = api_path_field(at, "configMap");
    struct api_path downward = api_path_field(at, "downwardAPI");
    int sources = (source->secret != NULL) + (source->config_map != NULL) +
                  (source->downward_api != NULL) + (source->service_account_token != NULL) +
                  (source->cluster_trust_bundle != NULL);
    if (sources > 1) {
        api_cause_forbidden(causes, at, "may not specify more than 1 volume type per source");
        return;
    }
    if (source->secret != NULL) {
        if (!has_name(source->secret->local_object_reference)) {
            rules_required(causes, &secret, "name", "");
        }
        check_items(causes, &secret, source->secret->items, source->secret->n_items);
    }
    if (source->config_map != NULL) {
        if (!has_name(source->config_map->local_object_reference)) {
            rules_required(causes, &config, "name", "");
        }
        check_items(causes, &config, source->config_map->items, source->config_map->n_items);
    }
    for (size_t i = 0; source->downward_api != NULL && i < source->downward_api->n_items; i++) {
        check_downward_file(causes, &downward, source->downward_api->items[i]);
    }
    if (source->service_account_token != NULL) {
        check_token(causes, projected, at, source->service_account_token);
    }
}

static void check_projected(struct api_causes *causes, const struct api_path *volume,
                            const Core__V1__ProjectedVolumeSource *projected)
{
    struct api_path at = api_path_field(volume, "projected");
    struct api_path list = api_path_field(&at, "sources");
    check_mode(causes, &at, "defaultMode", projected->has_default_mode, projected->default_mode);
    for (size_t i = 0; i < projected->n_sources; i++) {
        struct api_path item = api_path_index(&list, i);
        check_projection(causes, &at, &item, projected->sources[i]);
    }
}

/* --- Plain sources -----------------------------------------------------------------------------
 */

static void check_host_path(struct api_causes *causes, const struct api_path *volume,
                            const Core__V1__HostPathVolumeSource *host)
{
    static const char *const types[] = {
        "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
        "File", "FileOrCreate", "Socket",     NULL};
    struct api_path at = api_path_field(volume, "hostPath");
    struct api_path path = api_path_field(&at, "path");
    const char *text = rules_text(host->path);
    if (*text == '\0') {
        api_cause_required(causes, &path, "");
        return;
    }
    for (const char *part = text; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        if (strcspn(part, "/") == 2 && strncmp(part, "..", 2) == 0) {
            api_cause_invalid(causes, &path, api_shown_text(text), "must not contain '..'");
            break;
        }
    }
    if (host->type != NULL && !rules_one_of(host->type, types)) {
        rules_not_supported(causes, &at, "type", host->type, types + 1);
    }
}

static void check_config_sources(struct api_causes *causes, const struct api_path *at,
                                 const Core__V1__VolumeSource *source)
{
    struct api_path secret = api_path_field(at, "secret");
    struct api_path config = api_path_field(at, "configMap");
    struct api_path downward = api_path_field(at, "downwardAPI");
    if (source->secret != NULL) {
        if (rules_empty(source->secret->secret_name)) {
            rules_required(causes, &secret, "secretName", "");
        }
        check_mode(causes, &secret, "defaultMode", source->secret->has_default_mode,
                   source->secret->default_mode);
        check_items(causes, &secret, source->secret->items, source->secret->n_items);
    }
    if (source->config_map != NULL) {
        if (!has_name(source->config_map->local_object_reference)) {
            rules_required(causes, &config, "name", "");
        }
        check_mode(causes, &config, "defaultMode", source->config_map->has_default_mode,
                   source->config_map->default_mode);
        check_items(causes, &config, source->config_map->items, source->config_map->n_items);
    }
    if (source->downward_api != NULL) {
        check_mode(causes, &downward, "defaultMode", source->downward_api->has_default_mode,
                   source->downward_api->default_mode);
        for (size_t i = 0; i < source->downward_api->n_items; i++) {
            check_downward_file(causes, &downward, source->downward_api->items[i]);
        }
    }
    if (source->projected != NULL) {
        check_projected(causes, at, source->projected);
    }
}

static void check_storage_sources(struct api_causes *causes, const struct api_path *at,
                                  const Core__V1__VolumeSource *source)
{
    struct api_path nfs = api_path_field(at, "nfs");
    struct api_path claim = api_path_field(at, "persistentVolumeClaim");
    struct api_path csi = api_path_field(at, "csi");
    struct api_path ephemeral = api_path_field(at, "ephemeral");
    if (source->host_path != NULL) {
        check_host_path(causes, at, source->host_path);
    }
    if (source->nfs != NULL) {
        if (rules_empty(source->nfs->server)) {
            rules_required(causes, &nfs, "server", "");
        }
        if (rules_empty(source->nfs->path)) {
            rules_required(causes, &nfs, "path", "");
        } else if (source->nfs->path[0] != '/') {
            rules_invalid(causes, &nfs, "path", api_shown_text(source->nfs->path),
                          "must be an absolute path");
        }
    }
    if (source->persistent_volume_claim != NULL &&
        rules_empty(source->persistent_volume_claim->claim_name)) {
        rules_required(causes, &claim, "claimName", "");
    }
    if (source->csi != NULL) {
        if (rules_empty(source->csi->driver)) {
            rules_required(causes, &csi, "driver", "");
        }
        rules_check_text(causes, &csi, "driver", source->csi->driver, api_syntax_dns1123_subdomain);
    }
    if (source->ephemeral != NULL && source->ephemeral->volume_claim_template == NULL) {
        rules_required(causes, &ephemeral, "volumeClaimTemplate", "");
    }
}

/* More than one source: the first counts, each other one is forbidden. Walks the table, so that
 * every kind of source counts. */
static void check_one_source(struct api_causes *causes, const struct api_path *at,
                             const Core__V1__VolumeSource *source)
{
    const struct api_message *table = api_message_find("k8s.io.api.core.v1.VolumeSource");
    /* The order in which v1.32 looks at the sources decides which one is the second: emptyDir, then
     * hostPath, then the rest. */
    bool first = source->empty_dir != NULL;
    size_t count = first ? 1 : 0;
    for (size_t i = 0; i < table->field_count; i++) {
        const struct api_field *field = &table->fields[i];
        if (strcmp(field->name, "emptyDir") != 0 && api_field_is_set(field, source) &&
            count++ > 0) {
            rules_forbidden(causes, at, field->name, "may not specify more than 1 volume type");
        }
    }
    if (count == 0) {
        api_cause_required(causes, at, "must specify a volume type");
    }
}

void rules_check_volumes(struct api_causes *causes, const struct api_path *at,
                         const Core__V1__PodSpec *spec)
{
    struct api_path list = api_path_field(at, "volumes");
    for (size_t i = 0; i < spec->n_volumes; i++) {
        const Core__V1__Volume *volume = spec->volumes[i];
        struct api_path item = api_path_index(&list, i);
        struct api_path name = api_path_field(&item, "name");
        if (rules_empty(volume->name)) {
            api_cause_required(causes, &name, "");
        } else {
            rules_check_text(causes, &item, "name", volume->name, api_syntax_dns1123_label);
        }
        for (size_t j = 0; j < i && !rules_empty(volume->name); j++) {
            if (rules_is(spec->volumes[j]->name, volume->name)) {
                api_cause_duplicate(causes, &name, api_shown_text(volume->name));
                break;
            }
        }
        if (volume->volume_source != NULL) {
            check_one_source(causes, &item, volume->volume_source);
            check_config_sources(causes, &item, volume->volume_source);
            check_storage_sources(causes, &item, volume->volume_source);
        }
    }
}
