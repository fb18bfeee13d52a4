#include "controllers/deployment/deployment_math.h"
#include "controllers/deployment/deployment_state.h"
#include "controllers/limits.h"
#include "controllers/pod_state.h"
#include "lib/api/object.h"
#include "lib/api/time.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char revision_key[] = "deployment.kubernetes.io/revision";
static const char history_key[] = "deployment.kubernetes.io/revision-history";
static const char desired_key[] = "deployment.kubernetes.io/desired-replicas";
static const char max_key[] = "deployment.kubernetes.io/max-replicas";

static int64_t number_of(const char *text, int64_t missing)
{
    if (text_empty(text)) {
        return missing;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return errno != 0 || *end != '\0' ? missing : number;
}

int64_t rollout_revision(const Apps__V1__ReplicaSet *set)
{
    return number_of(api_meta_annotation(set->metadata, revision_key), 0);
}

int32_t rollout_annotated(const Apps__V1__ReplicaSet *set, const char *key, int32_t missing)
{
    return (int32_t)number_of(api_meta_annotation(set->metadata, key), missing);
}

static int set_order(const void *a, const void *b)
{
    const struct rollout_set *left = *(struct rollout_set *const *)a;
    const struct rollout_set *right = *(struct rollout_set *const *)b;
    int64_t left_s = api_time_seconds(left->set->metadata->creation_timestamp);
    int64_t right_s = api_time_seconds(right->set->metadata->creation_timestamp);
    if (left_s != right_s) {
        return left_s < right_s ? -1 : 1;
    }
    return strcmp(left->set->metadata->name, right->set->metadata->name);
}

void rollout_find_sets(struct rollout *rollout, const struct deployment_view *view)
{
    const struct api_kind *kind = api_kind_find("apps", "v1", "replicasets");
    assert(kind != NULL);
    rollout->olds = arena_array(rollout->arena, view->set_count + 1, sizeof(*rollout->olds));
    for (size_t i = 0; i < view->set_count; i++) {
        struct rollout_set *set = arena_zeroed(rollout->arena, sizeof(*set));
        set->seen = view->sets[i];
        set->set = api_message_copy(rollout->arena, kind->message, view->sets[i]);
        set->from = set->set->spec->replicas;
        set->running_pods = view->running_pods == NULL ? 0 : view->running_pods[i];
        rollout->olds[i] = set;
    }
    qsort(rollout->olds, view->set_count, sizeof(*rollout->olds), set_order);
    for (size_t i = 0; i < view->set_count; i++) {
        struct rollout_set *set = rollout->olds[i];
        if (rollout->fresh == NULL &&
            deployment_template_equal(rollout->arena, set->set->spec->template_,
                                      rollout->deployment->spec->template_)) {
            rollout->fresh = set;
        } else {
            rollout->olds[rollout->old_count++] = set;
        }
    }
}

void rollout_scale(struct rollout *rollout, struct rollout_set *set, int32_t replicas)
{
    const Apps__V1__Deployment *deployment = rollout->deployment;
    int32_t wanted = deployment->spec->replicas;
    set->set->spec->replicas = replicas;
    set->set->spec->has_replicas = 1;
    api_meta_set_annotation(rollout->arena, set->set->metadata, desired_key,
                            arena_printf(rollout->arena, "%d", wanted));
    api_meta_set_annotation(
        rollout->arena, set->set->metadata, max_key,
        arena_printf(rollout->arena, "%d", wanted + deployment_max_surge(deployment)));
}

static bool own_annotation(const char *key)
{
    static const char *const keys[] = {"kubectl.kubernetes.io/last-applied-configuration",
                                       revision_key,
                                       history_key,
                                       desired_key,
                                       max_key,
                                       "deprecated.deployment.rollback.rollbackTo"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (text_is(key, keys[i])) {
            return true;
        }
    }
    return false;
}

static void remember_revision(struct rollout *rollout, Meta__V1__ObjectMeta *meta,
                              const char *revision)
{
    const char *history = api_meta_annotation(meta, history_key);
    const char *more =
        text_empty(history) ? revision : arena_printf(rollout->arena, "%s,%s", history, revision);
    while (strlen(more) > CONTROLLERS_REVISION_HISTORY_MAX && strchr(more, ',') != NULL) {
        more = strchr(more, ',') + 1; /* The oldest goes first. */
    }
    api_meta_set_annotation(rollout->arena, meta, history_key, more);
}

/* Copies the deployment's annotations and gives the set `revision` when it has a lower one. */
static void annotate(struct rollout *rollout, struct rollout_set *set, int64_t revision)
{
    Meta__V1__ObjectMeta *meta = set->set->metadata;
    const Meta__V1__ObjectMeta *from = rollout->deployment->metadata;
    api_meta_set_annotations(rollout->arena, meta,
                             API_STRING_MAP(from->annotations, from->n_annotations),
                             own_annotation);
    const char *old = api_meta_annotation(meta, revision_key);
    if (rollout_revision(set->set) >= revision) {
        return;
    }
    const char *present = text_empty(old) ? NULL : arena_text(rollout->arena, old);
    api_meta_set_annotation(rollout->arena, meta, revision_key,
                            arena_printf(rollout->arena, "%lld", (long long)revision));
    if (present != NULL) {
        remember_revision(rollout, meta, present);
    }
}

static void set_hash_labels(struct rollout *rollout, Apps__V1__ReplicaSet *set, const char *hash)
{
    struct arena *arena = rollout->arena;
    api_meta_set_label(arena, set->spec->template_->metadata, "pod-template-hash", hash);
    const Meta__V1__ObjectMeta *labels = set->spec->template_->metadata;
    api_meta_set_labels(arena, set->metadata, API_STRING_MAP(labels->labels, labels->n_labels));
    Meta__V1__LabelSelector *selector = set->spec->selector;
    Meta__V1__LabelSelector__MatchLabelsEntry **entries =
        arena_array(arena, selector->n_match_labels + 1, sizeof(*entries));
    for (size_t i = 0; i < selector->n_match_labels; i++) {
        entries[i] = selector->match_labels[i];
    }
    Meta__V1__LabelSelector__MatchLabelsEntry *entry = arena_alloc(arena, sizeof(*entry));
    meta__v1__label_selector__match_labels_entry__init(entry);
    entry->key = arena_text(arena, "pod-template-hash");
    entry->value = arena_text(arena, hash);
    entries[selector->n_match_labels++] = entry;
    selector->match_labels = entries;
}

static void own(struct rollout *rollout, Meta__V1__ObjectMeta *meta)
{
    struct arena *arena = rollout->arena;
    Meta__V1__OwnerReference *owner = arena_alloc(arena, sizeof(*owner));
    meta__v1__owner_reference__init(owner);
    owner->api_version = arena_text(arena, "apps/v1");
    owner->kind = arena_text(arena, "Deployment");
    owner->name = arena_text(arena, rollout->deployment->metadata->name);
    owner->uid = arena_text(arena, rollout->deployment->metadata->uid);
    owner->has_controller = owner->controller = 1;
    owner->has_block_owner_deletion = owner->block_owner_deletion = 1;
    meta->owner_references = arena_array(arena, 1, sizeof(owner));
    meta->owner_references[0] = owner;
    meta->n_owner_references = 1;
}

static struct rollout_set *new_set(struct rollout *rollout)
{
    struct arena *arena = rollout->arena;
    const struct api_kind *kind = api_kind_find("apps", "v1", "replicasets");
    const Apps__V1__Deployment *deployment = rollout->deployment;
    const struct api_message *spec = api_message_member_text(kind->message, "spec")->field->message;
    struct rollout_set *made = arena_zeroed(arena, sizeof(*made));
    Apps__V1__ReplicaSet *set = api_message_new(arena, kind->message);
    const char *hash = deployment_template_hash(arena, deployment->spec->template_,
                                                deployment->status->has_collision_count,
                                                deployment->status->collision_count);
    made->set = set;
    set->spec->template_ =
        api_message_copy(arena, api_message_member_text(spec, "template")->field->message,
                         deployment->spec->template_);
    set->spec->selector =
        api_message_copy(arena, api_message_member_text(spec, "selector")->field->message,
                         deployment->spec->selector);
    set->spec->min_ready_seconds = deployment->spec->min_ready_seconds;
    set->spec->has_min_ready_seconds = 1;
    set->metadata->name = arena_printf(arena, "%s-%s", deployment->metadata->name, hash);
    set->metadata->namespace_ = arena_text(arena, deployment->metadata->namespace_);
    set_hash_labels(rollout, set, hash);
    own(rollout, set->metadata);
    return made;
}

static int64_t next_revision(const struct rollout *rollout)
{
    int64_t most = 0;
    for (size_t i = 0; i < rollout->old_count; i++) {
        int64_t revision = rollout_revision(rollout->olds[i]->set);
        most = revision > most ? revision : most;
    }
    return most + 1;
}

void rollout_sync_new_set(struct rollout *rollout, bool make)
{
    const Apps__V1__Deployment *deployment = rollout->deployment;
    bool found = rollout->fresh != NULL;
    if (!found && !make) {
        return;
    }
    if (!found) {
        int32_t all = rollout_replicas(rollout);
        rollout->fresh = new_set(rollout);
        annotate(rollout, rollout->fresh, next_revision(rollout));
        rollout_scale(rollout, rollout->fresh, deployment_new_size(deployment, all, 0));
    } else {
        annotate(rollout, rollout->fresh, next_revision(rollout));
        rollout->fresh->set->spec->min_ready_seconds = deployment->spec->min_ready_seconds;
    }
    const char *revision = api_meta_annotation(rollout->fresh->set->metadata, revision_key);
    if (!text_empty(revision)) {
        api_meta_set_annotation(rollout->arena, rollout->deployment->metadata, revision_key,
                                revision);
    }
    if (!rollout_has_deadline(rollout) ||
        (found && rollout_find_condition(deployment->status, "Progressing") != NULL)) {
        return;
    }
    const char *name = rollout->fresh->set->metadata->name;
    rollout_condition(
        rollout, "Progressing", "True", found ? "FoundNewReplicaSet" : "NewReplicaSetCreated",
        arena_printf(rollout->arena,
                     found ? "Found new replica set \"%s\"" : "Created new replica set \"%s\"",
                     name));
}
