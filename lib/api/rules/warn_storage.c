/* What the writer of a volume, a claim, a Service or a RuntimeClass is told although it is valid.
 */
#include "lib/api/rules/warnings.h"

static const char class_key[] = "volume.beta.kubernetes.io/storage-class";
static const char class_text[] =
    "deprecated since v1.8; use \"storageClassName\" attribute instead";

void rules_warn_claim(struct api_causes *warnings, const Core__V1__PersistentVolumeClaim *claim)
{
    const Core__V1__VolumeResourceRequirements *resources = claim->spec->resources;
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path at = api_path_field(&spec, "resources");
    rules_warn_annotation(warnings, &metadata, claim->metadata, class_key, class_text);
    if (resources != NULL) {
        rules_warn_fraction(warnings, &at, "requests", RULES_QUANTITIES(resources, requests),
                            "storage");
        rules_warn_fraction(warnings, &at, "limits", RULES_QUANTITIES(resources, limits),
                            "storage");
    }
}

static void warn_drivers(struct api_causes *warnings, const struct api_path *spec_at,
                         const Core__V1__PersistentVolumeSpec *spec)
{
    static const char *const drivers[][3] = {
        {"cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"},
        {"photonPersistentDisk", "photonPersistentDisk",
         "deprecated in v1.11, non-functional in v1.16+"},
        {"scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
        {"storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"},
        {"glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
        {"rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"}};
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        const struct api_member *member =
            api_message_member_text(&core__v1__persistent_volume_spec__schema, drivers[i][0]);
        const void *holder = api_member_holder(member, spec);
        if (holder != NULL && api_field_is_set(member->field, holder)) {
            rules_warn_member(warnings, spec_at, drivers[i][1], drivers[i][2]);
        }
    }
}

void rules_warn_volume(struct api_causes *warnings, const Core__V1__PersistentVolume *volume)
{
    const Core__V1__PersistentVolumeSpec *spec = volume->spec;
    const Core__V1__NodeSelector *required =
        spec->node_affinity == NULL ? NULL : spec->node_affinity->required;
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path spec_at = api_path_field(NULL, "spec");
    struct api_path affinity = api_path_field(&spec_at, "nodeAffinity");
    struct api_path required_at = api_path_field(&affinity, "required");
    struct api_path terms = api_path_field(&required_at, "nodeSelectorTerms");
    rules_warn_annotation(warnings, &metadata, volume->metadata, class_key, class_text);
    rules_warn_annotation(warnings, &metadata, volume->metadata,
                          "volume.beta.kubernetes.io/mount-options",
                          "deprecated since v1.31; use \"mountOptions\" attribute instead");
    for (size_t i = 0; required != NULL && i < required->n_node_selector_terms; i++) {
        struct api_path item = api_path_index(&terms, i);
        rules_warn_node_term(warnings, &item, required->node_selector_terms[i]);
    }
    if (rules_is(spec->persistent_volume_reclaim_policy, "Recycle")) {
        rules_warn_member(warnings, &spec_at, "persistentVolumeReclaimPolicy",
                          "The Recycle reclaim policy is deprecated. Instead, the recommended "
                          "approach is to use dynamic provisioning.");
    }
    warn_drivers(warnings, &spec_at, spec);
}

void rules_warn_runtime_class(struct api_causes *warnings, const Node__V1__RuntimeClass *class)
{
    struct api_path at = api_path_field(NULL, "scheduling");
    for (size_t i = 0; class->scheduling != NULL && i < class->scheduling->n_node_selector; i++) {
        const char *text = rules_old_node_label(class->scheduling->node_selector[i]->key);
        if (text != NULL) {
            rules_warn_member(warnings, &at, "nodeSelector", text);
        }
    }
}
