/* What the writer of a volume, a claim, a Service or a RuntimeClass is told although it is valid.
 */
#include "lib/api/rules/warnings.h"

static const char class_key[] = "volume.beta.kubernetes.io/storage-class";
static const char class_text[] =
    "deprecated since v1.8; use \"storageClassName\" attribute instead";

void rules_warn_claim_spec(struct api_causes *warnings, const struct api_path *at,
                           const Core__V1__PersistentVolumeClaimSpec *spec)
{
    const Core__V1__VolumeResourceRequirements *resources = spec == NULL ? NULL : spec->resources;
    struct api_path parent = api_path_field(at, "resources");
    if (resources != NULL) {
        rules_warn_fraction(warnings, &parent, "requests", RULES_QUANTITIES(resources, requests),
                            "storage");
        rules_warn_fraction(warnings, &parent, "limits", RULES_QUANTITIES(resources, limits),
                            "storage");
    }
}

void rules_warn_claim(struct api_causes *warnings, const Core__V1__PersistentVolumeClaim *claim)
{
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path spec = api_path_field(NULL, "spec");
    rules_warn_annotation(warnings, &metadata, claim->metadata, class_key, class_text);
    rules_warn_claim_spec(warnings, &spec, claim->spec);
}

void rules_warn_set(struct api_causes *warnings, const void *before,
                    const Apps__V1__StatefulSet *set)
{
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path list = api_path_field(&spec, "volumeClaimTemplates");
    for (size_t i = 0; i < set->spec->n_volume_claim_templates; i++) {
        struct api_path item = api_path_index(&list, i);
        struct api_path at = api_path_field(&item, "Spec"); /* So v1.32 has both. */
        rules_warn_claim_spec(warnings, before == NULL ? &item : &at,
                              set->spec->volume_claim_templates[i]->spec);
    }
    if (set->spec->has_revision_history_limit && set->spec->revision_history_limit < 0) {
        rules_warn_member(warnings, &spec, "revisionHistoryLimit",
                          "a negative value retains all historical revisions; a value >= 0 is "
                          "recommended");
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

void rules_warn_storage_class(struct api_causes *warnings, const Storage__V1__StorageClass *class)
{
    struct api_path list = api_path_field(NULL, "allowedTopologies");
    for (size_t i = 0; i < class->n_allowed_topologies; i++) {
        const Core__V1__TopologySelectorTerm *term = class->allowed_topologies[i];
        struct api_path item = api_path_index(&list, i);
        struct api_path labels = api_path_field(&item, "matchLabelExpressions");
        for (size_t j = 0; j < term->n_match_label_expressions; j++) {
            struct api_path at = api_path_index(&labels, j);
            const char *text = rules_old_node_label(term->match_label_expressions[j]->key);
            if (text != NULL) {
                rules_warn_member(warnings, &at, "key", text);
            }
        }
    }
}

void rules_warn_capacity(struct api_causes *warnings,
                         const Storage__V1__CSIStorageCapacity *capacity)
{
    const Meta__V1__LabelSelector *nodes = capacity->node_topology;
    struct api_path at = api_path_field(NULL, "nodeTopology");
    struct api_path list = api_path_field(&at, "matchExpressions");
    struct api_path labels = api_path_field(&at, "matchLabels");
    for (size_t i = 0; nodes != NULL && i < nodes->n_match_expressions; i++) {
        struct api_path item = api_path_index(&list, i);
        rules_warn_label(warnings, &item, "key", nodes->match_expressions[i]->key);
    }
    for (size_t i = 0; nodes != NULL && i < nodes->n_match_labels; i++) {
        const char *text = rules_old_node_label(nodes->match_labels[i]->key);
        if (text != NULL) {
            rules_warn_member(warnings, &labels, nodes->match_labels[i]->key, text);
        }
    }
}
