#include "lib/api/strategy.h"

#include "k8s/core_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/defaults.h"
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include "lib/api/selector.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <string.h>

static const struct api_field *object_field(const struct api_kind *kind, const char *name)
{
    const struct api_member *member = api_message_member_text(kind->message, name);
    return member == NULL || member->field->type != API_OBJECT ? NULL : member->field;
}

static void *get(const struct api_field *field, const void *message)
{
    void *const *at = api_field_at(field, message);
    return *at;
}

static void put_back(const struct api_field *field, const void *old_message, void *new_message)
{
    void **at = api_field_at(field, new_message);
    if (field->label == API_SINGLE) {
        *at = get(field, old_message);
    }
}

void api_prepare_create(struct arena *arena, const struct api_kind *kind, void *message)
{
    const struct rules_kind *rules = rules_of_kind(kind->message);
    const struct api_field *status = object_field(kind, "status");
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    if (custom_of(kind) != NULL && kind->has_status) {
        custom_drop_status(message);
    } else if (kind->has_status && status != NULL && !kind->keep_status_on_create) {
        void **at = api_field_at(status, message);
        *at = api_message_new(arena, status->message);
        api_default_message(arena, status->message, *at);
    }
    if (meta != NULL) {
        if (kind->generation != API_GENERATION_NONE && /* Those keep what they are given. */
            kind->generation != API_GENERATION_SPEC_CHANGES) {
            meta->generation = 1;
            meta->has_generation = true;
        }
        meta->self_link = NULL;
        meta->deletion_timestamp = NULL;
        meta->has_deletion_grace_period_seconds = 0;
        meta->deletion_grace_period_seconds = 0;
    }
    rules_drop_disabled(arena, kind->message, NULL, message);
    if (rules->prepare_create != NULL) {
        rules->prepare_create(arena, message);
    }
}

void api_prepare_update_metadata(const struct api_kind *kind, const void *old_message,
                                 void *new_message)
{
    const Meta__V1__ObjectMeta *before = api_message_meta(kind->message, old_message);
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, new_message);
    if (before == NULL || meta == NULL) {
        return;
    }
    meta->generation = before->generation;
    meta->has_generation = before->has_generation;
    meta->self_link = NULL;
    meta->creation_timestamp = before->creation_timestamp;
    if (*text_or_empty(meta->uid) == '\0') {
        meta->uid = before->uid;
    }
    if (!api_time_is_zero(before->deletion_timestamp)) {
        meta->deletion_timestamp = before->deletion_timestamp;
    }
    if (before->has_deletion_grace_period_seconds && !meta->has_deletion_grace_period_seconds) {
        meta->has_deletion_grace_period_seconds = 1;
        meta->deletion_grace_period_seconds = before->deletion_grace_period_seconds;
    }
}

static bool object_changed(const struct api_field *field, const void *before, const void *after)
{
    return !api_message_equal(field->message, get(field, before), get(field, after));
}

/* Whether anything but metadata differs: kinds whose content is not called spec. */
static bool content_changed(const struct api_kind *kind, const void *before, const void *after)
{
    const struct api_field *metadata = kind->message->metadata;
    assert(metadata != NULL);
    /* A shallow copy with the other's metadata: what is left to differ is the content. */
    CLEANUP(alloc_freep) void *copy = alloc_bytes(kind->message->size);
    memcpy(copy, after, kind->message->size);
    put_back(metadata, before, copy);
    return !api_message_equal(kind->message, before, copy);
}

static bool generation_moves(const struct api_kind *kind, const void *before, const void *after)
{
    const Meta__V1__ObjectMeta *old_meta = api_message_meta(kind->message, before);
    const Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, after);
    const struct api_field *spec = object_field(kind, "spec");
    switch (kind->generation) {
    case API_GENERATION_NONE:
    case API_GENERATION_FIXED:
        return false;
    case API_GENERATION_SPEC_ANNOTATIONS:
        if (!api_string_map_equal(API_STRING_MAP(old_meta->annotations, old_meta->n_annotations),
                                  API_STRING_MAP(meta->annotations, meta->n_annotations))) {
            return true;
        }
        FALLTHROUGH;
    case API_GENERATION_SPEC:
    case API_GENERATION_SPEC_CHANGES:
        return spec != NULL && object_changed(spec, before, after);
    case API_GENERATION_CONTENT:
        return content_changed(kind, before, after);
    case API_GENERATION_CONTENT_LABELS:
        return content_changed(kind, before, after) ||
               !api_string_map_equal(API_STRING_MAP(old_meta->labels, old_meta->n_labels),
                                     API_STRING_MAP(meta->labels, meta->n_labels));
    }
    return false;
}

/* What "metadata" among the kept stands for: all that a user writes there. */
static void keep_metadata(const Meta__V1__ObjectMeta *before, Meta__V1__ObjectMeta *meta)
{
    meta->labels = before->labels;
    meta->n_labels = before->n_labels;
    meta->annotations = before->annotations;
    meta->n_annotations = before->n_annotations;
    meta->finalizers = before->finalizers;
    meta->n_finalizers = before->n_finalizers;
    meta->owner_references = before->owner_references;
    meta->n_owner_references = before->n_owner_references;
}

static void keep_part(const char *path, const Meta__V1__ObjectMeta *before,
                      Meta__V1__ObjectMeta *meta)
{
    if (strcmp(path, "metadata") == 0) {
        keep_metadata(before, meta);
    } else if (strcmp(path, "metadata.labels") == 0) {
        meta->labels = before->labels;
        meta->n_labels = before->n_labels;
    } else if (strcmp(path, "metadata.deletionTimestamp") == 0) {
        meta->deletion_timestamp = before->deletion_timestamp;
    } else if (strcmp(path, "metadata.ownerReferences") == 0) {
        meta->owner_references = before->owner_references;
        meta->n_owner_references = before->n_owner_references;
    } else {
        assert(false); /* An option of a .proto file names another part. */
    }
}

static void prepare_status(struct arena *arena, const struct api_kind *kind,
                           const void *old_message, void *new_message)
{
    const struct rules_kind *rules = rules_of_kind(kind->message);
    const struct api_field *status = object_field(kind, "status");
    if (custom_of(kind) != NULL) {
        custom_keep_all_but_status(arena, old_message, new_message);
    }
    for (size_t i = 0; i < kind->message->field_count; i++) {
        const struct api_field *field = &kind->message->fields[i];
        if (field != status && field != kind->message->metadata) {
            put_back(field, old_message, new_message);
        }
    }
    for (size_t i = 0; kind->status_keeps[i] != NULL; i++) {
        keep_part(kind->status_keeps[i], api_message_meta(kind->message, old_message),
                  api_message_meta(kind->message, new_message));
    }
    rules_drop_disabled_status(kind->message, old_message, new_message);
    if (rules->prepare_status != NULL) {
        rules->prepare_status(arena, old_message, new_message);
    }
}

void api_prepare_update(struct arena *arena, const struct api_kind *kind, const void *old_message,
                        void *new_message, const char *subresource)
{
    const struct rules_kind *rules = rules_of_kind(kind->message);
    const struct api_field *status = object_field(kind, "status");
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, new_message);
    api_prepare_update_metadata(kind, old_message, new_message);
    if (strcmp(subresource, "status") == 0) {
        prepare_status(arena, kind, old_message, new_message);
        return;
    }
    if (strcmp(subresource, "approval") == 0 && rules->prepare_approval != NULL) {
        rules->prepare_approval(arena, old_message, new_message);
        return;
    }
    if (strcmp(subresource, "ephemeralcontainers") == 0 && rules->prepare_ephemeral != NULL) {
        keep_metadata(api_message_meta(kind->message, old_message), meta);
        rules->prepare_ephemeral(arena, old_message, new_message);
    }
    if (custom_of(kind) != NULL && kind->has_status) {
        custom_keep_status(arena, old_message, new_message);
    } else if (kind->has_status && status != NULL) {
        put_back(status, old_message, new_message);
    }
    rules_drop_disabled(arena, kind->message, old_message, new_message);
    if (rules->prepare_update != NULL && strcmp(subresource, "finalize") != 0) {
        rules->prepare_update(arena, old_message, new_message);
    }
    if (meta != NULL && generation_moves(kind, old_message, new_message)) {
        meta->generation++;
        meta->has_generation = 1;
    }
}

int64_t api_grace_period_s(const struct api_kind *kind, const void *message, int64_t requested_s)
{
    if (!kind->graceful_delete) {
        return 0;
    }
    const Core__V1__Pod *pod = message;
    const char *phase = text_or_empty(pod->status->phase);
    int64_t period_s = requested_s;
    if (*text_or_empty(pod->spec->node_name) == '\0' || strcmp(phase, "Failed") == 0 ||
        strcmp(phase, "Succeeded") == 0) {
        return 0;
    }
    if (period_s < 0) {
        period_s = pod->spec->has_termination_grace_period_seconds
                       ? pod->spec->termination_grace_period_seconds
                       : 0;
    }
    return period_s < 0 ? 1 : period_s;
}

bool api_object_unchanged(const struct api_kind *kind, const void *old_message,
                          const void *new_message)
{
    Meta__V1__ObjectMeta *before = api_message_meta(kind->message, old_message);
    Meta__V1__ObjectMeta *after = api_message_meta(kind->message, new_message);
    if (before == NULL || after == NULL || content_changed(kind, old_message, new_message)) {
        return false;
    }
    /* Shallow copies: the two members that do not count are hidden, nothing is written. */
    Meta__V1__ObjectMeta left = *before, right = *after;
    left.resource_version = right.resource_version = NULL;
    left.managed_fields = right.managed_fields = NULL;
    left.n_managed_fields = right.n_managed_fields = 0;
    return api_message_equal(kind->message->metadata->message, &left, &right);
}
