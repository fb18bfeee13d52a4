/* Rules of a pod's volumes. */
#include "lib/api/rules/rules.h"
#include "lib/base/hash_map.h"
#include <assert.h>

enum { TOKEN_MIN_S = 600 };
static const int64_t TOKEN_MAX_S = 1LL << 32;

bool rules_downward_file(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__DownwardAPIVolumeFile *file = frame->message;
    if (file->field_ref != NULL && file->resource_field_ref != NULL) {
        api_cause_invalid(causes, frame->at, api_shown_text("resource"),
                          "fieldRef and resourceFieldRef can not be specified simultaneously");
    } else if (file->field_ref == NULL && file->resource_field_ref == NULL) {
        api_cause_required(causes, frame->at, "one of fieldRef and resourceFieldRef is required");
    }
    return true;
}

/* --- Projected ---------------------------------------------------------------------------------
 */

/* A missing path is said of the whole volume: so v1.32 has it. */
bool rules_token(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ServiceAccountTokenProjection *token = frame->message;
    const struct api_frame *volume =
        api_frame_find(frame, &core__v1__projected_volume_source__schema);
    if (token->expiration_seconds < TOKEN_MIN_S) {
        rules_invalid(causes, frame->at, "expirationSeconds",
                      api_shown_int(token->expiration_seconds),
                      "may not specify a duration less than 10 minutes");
    } else if (token->expiration_seconds > TOKEN_MAX_S) {
        rules_invalid(causes, frame->at, "expirationSeconds",
                      api_shown_int(token->expiration_seconds),
                      "may not specify a duration larger than 2^32 seconds");
    }
    if (rules_empty(token->path)) {
        rules_required(causes, volume == NULL ? frame->at : volume->at, "path", "");
    } else {
        rules_check_text(causes, volume == NULL ? frame->at : volume->at, "path", token->path,
                         api_syntax_local_path);
    }
    return true;
}

/* The files of one volume, as far as its sources name them. */
struct files {
    struct api_causes *causes;
    const struct api_path *at;
    struct hash_map *seen;
};

/* `shown` is what v1.32 shows: the source or the path. */
static void note_file(const struct files *files, const char *path, const char *shown)
{
    if (rules_empty(path)) {
        return;
    }
    if (hash_map_get(files->seen, slice_text(path)) != NULL) {
        api_cause_invalid(files->causes, files->at, api_shown_text(shown),
                          "conflicting duplicate paths");
    } else {
        (void)hash_map_set(files->seen, slice_text(path), files->seen);
    }
}

static void note_items(const struct files *files, Core__V1__KeyToPath *const *items, size_t count,
                       const Core__V1__LocalObjectReference *source)
{
    for (size_t i = 0; i < count; i++) {
        note_file(files, items[i]->path, source == NULL ? "" : text_or_empty(source->name));
    }
}

bool rules_projected_files(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ProjectedVolumeSource *volume = frame->message;
    struct files files = {causes, frame->at, hash_map_new(/* seed= */ 0)};
    for (size_t i = 0; i < volume->n_sources; i++) {
        const Core__V1__VolumeProjection *source = volume->sources[i];
        if (source->secret != NULL) {
            note_items(&files, source->secret->items, source->secret->n_items,
                       source->secret->local_object_reference);
        }
        if (source->config_map != NULL) {
            note_items(&files, source->config_map->items, source->config_map->n_items,
                       source->config_map->local_object_reference);
        }
        for (size_t j = 0; source->downward_api != NULL && j < source->downward_api->n_items; j++) {
            const char *path = source->downward_api->items[j]->path;
            note_file(&files, path, path);
        }
    }
    hash_map_free(files.seen);
    return true;
}

bool rules_projection(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__VolumeProjection *source = frame->message;
    int sources = (source->secret != NULL) + (source->config_map != NULL) +
                  (source->downward_api != NULL) + (source->service_account_token != NULL) +
                  (source->cluster_trust_bundle != NULL);
    if (sources > 1) {
        api_cause_forbidden(causes, frame->at,
                            "may not specify more than 1 volume type per source");
    }
    return sources <= 1;
}

/* --- Sources -----------------------------------------------------------------------------------
 */

/* v1.32 spells two of them otherwise when it says that they are one too many. */
static const char *name_in_words(const char *name)
{
    return strcmp(name, "cephfs") == 0        ? "cephFS"
           : strcmp(name, "downwardAPI") == 0 ? "downwarAPI"
                                              : name;
}

void rules_check_sources(struct api_causes *causes, const struct api_frame *frame,
                         const void *source, const char *const *names, const char *beside)
{
    size_t count = 0;
    for (; source != NULL && *names != NULL; names++) {
        const struct api_member *member = api_message_member_text(frame->table, *names);
        assert(member != NULL);
        if (!api_field_is_set(member->field, source)) {
            continue;
        }
        if (count++ == 0 || strcmp(*names, beside) == 0) {
            api_check_member(causes, frame, *names);
        } else {
            rules_forbidden(causes, frame->at, name_in_words(*names),
                            "may not specify more than 1 volume type");
        }
    }
    if (count == 0) {
        api_cause_required(causes, frame->at, "must specify a volume type");
    }
}

/* --- Claims that are made for a pod --------------------------------------------------------------
 */

/* Of a volume for which a claim is made. */
static const char *ephemeral_name(struct arena *arena, const void *list, const void *of,
                                  size_t index)
{
    const Core__V1__Volume *volume = ((const Core__V1__Volume *const *)list)[index];
    (void)arena;
    (void)of;
    return volume->volume_source == NULL || volume->volume_source->ephemeral == NULL
               ? NULL
               : text_or_empty(volume->name);
}

/* Claims that are made are called after their pod and volume. */
static bool is_made_for(struct api_causes *causes, const Core__V1__Pod *pod, const char *claim)
{
    size_t count = pod->spec->n_volumes, len = strlen(pod->metadata->name);
    return strncmp(claim, pod->metadata->name, len) == 0 && claim[len] == '-' &&
           api_find_item(causes, ephemeral_name, pod->spec->volumes, NULL, count, claim + len + 1) <
               count;
}

static void check_claim_name(struct api_causes *causes, const struct api_path *at,
                             const Core__V1__Pod *pod, const char *volume)
{
    const char *claim = arena_printf(causes->arena, "%s-%s", pod->metadata->name, volume);
    struct api_syntax wrong = api_syntax_dns1123_subdomain(claim);
    for (size_t i = 0; i < wrong.count; i++) {
        rules_invalid(causes, at, "name", api_shown_text(volume),
                      arena_printf(causes->arena, "PVC name \"%s\": %s", claim, wrong.messages[i]));
    }
}

/* Of the claim's own metadata only labels and annotations count. */
bool rules_claim_template(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PersistentVolumeClaimTemplate *claim = frame->message;
    const Meta__V1__ObjectMeta *meta = claim->metadata;
    struct api_path at = api_path_field(frame->at, "metadata");
    if (meta == NULL) {
        return true;
    }
    const struct {
        const char *name;
        bool set;
    } members[] = {
        {"name", !rules_empty(meta->name)},
        {"generateName", !rules_empty(meta->generate_name)},
        {"namespace", !rules_empty(meta->namespace_)},
        {"uID", !rules_empty(meta->uid)}, /* So v1.32 has it. */
        {"resourceVersion", !rules_empty(meta->resource_version)},
        {"generation", meta->generation != 0},
        {"creationTimestamp", meta->creation_timestamp != NULL},
        {"deletionTimestamp", meta->deletion_timestamp != NULL},
        {"deletionGracePeriodSeconds", meta->has_deletion_grace_period_seconds},
        {"ownerReferences", meta->n_owner_references > 0},
        {"finalizers", meta->n_finalizers > 0},
        {"managedFields", meta->n_managed_fields > 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (members[i].set) {
            rules_forbidden(causes, &at, members[i].name, "cannot be set");
        }
    }
    return true;
}

/* Their names are made of the pod's, which templates do not have yet. */
static const Core__V1__Pod *named_pod(const struct api_frame *frame)
{
    const struct api_frame *object = api_frame_find(frame, &core__v1__pod__schema);
    const Core__V1__Pod *pod = object == NULL ? NULL : object->message;
    return pod == NULL || rules_empty(pod->metadata->name) ? NULL : pod;
}

/* What it is made of comes before its name. */
bool rules_volume(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const sources[] = {"emptyDir",
                                          "hostPath",
                                          "gitRepo",
                                          "gcePersistentDisk",
                                          "awsElasticBlockStore",
                                          "secret",
                                          "nfs",
                                          "iscsi",
                                          "glusterfs",
                                          "flocker",
                                          "persistentVolumeClaim",
                                          "rbd",
                                          "cinder",
                                          "cephfs",
                                          "quobyte",
                                          "downwardAPI",
                                          "fc",
                                          "flexVolume",
                                          "configMap",
                                          "azureFile",
                                          "vsphereVolume",
                                          "photonPersistentDisk",
                                          "portworxVolume",
                                          "azureDisk",
                                          "storageos",
                                          "projected",
                                          "scaleIO",
                                          "csi",
                                          "ephemeral",
                                          "image",
                                          NULL};
    const Core__V1__Volume *volume = frame->message;
    const Core__V1__VolumeSource *source = volume->volume_source;
    const Core__V1__Pod *pod = source == NULL ? NULL : named_pod(frame);
    rules_check_sources(causes, frame, source, sources, /* beside= */ "");
    if (pod != NULL && source->ephemeral != NULL && !rules_empty(volume->name)) {
        check_claim_name(causes, frame->at, pod, volume->name);
    }
    api_check_member(causes, frame, "name");
    if (pod != NULL && source->persistent_volume_claim != NULL &&
        is_made_for(causes, pod, text_or_empty(source->persistent_volume_claim->claim_name))) {
        struct api_path at = api_path_field(frame->at, "persistentVolumeClaim");
        rules_invalid(causes, &at, "claimName",
                      api_shown_text(source->persistent_volume_claim->claim_name),
                      "must not reference a PVC that gets created for an ephemeral volume");
    }
    return false;
}

/* Of a pod without an account there is no token. */
void rules_check_tokens(struct api_causes *causes, const Core__V1__PodSpec *spec)
{
    struct api_path at = api_path_field(NULL, "spec");
    struct api_path list = api_path_field(&at, "volumes");
    for (size_t i = 0; rules_empty(spec->service_account_name) && i < spec->n_volumes; i++) {
        const Core__V1__VolumeSource *source = spec->volumes[i]->volume_source;
        const Core__V1__ProjectedVolumeSource *projected =
            source == NULL ? NULL : source->projected;
        struct api_path item = api_path_index(&list, i);
        struct api_path volume = api_path_field(&item, "projected");
        struct api_path sources = api_path_field(&volume, "sources");
        for (size_t j = 0; projected != NULL && j < projected->n_sources; j++) {
            struct api_path place = api_path_index(&sources, j);
            if (projected->sources[j]->service_account_token != NULL) {
                rules_forbidden(causes, &place, "serviceAccountToken",
                                "must not be specified when serviceAccountName is not set");
            }
        }
    }
}
