#include "lib/api/strategy.h"

#include "k8s/core_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include "lib/api/selector.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <string.h>

/* --- What only one kind does -------------------------------------------------------------------
 */

/* A gated pod says at once why nobody schedules it. */
static void pod_create(struct arena *arena, void *message)
{
    Core__V1__Pod *pod = message;
    pod->status->phase = arena_text(arena, "Pending");
    pod->status->qos_class = arena_text(arena, rules_pod_qos_class(pod->spec));
    if (pod->spec->n_scheduling_gates > 0) {
        Core__V1__PodCondition *condition = rules_new(arena, "k8s.io.api.core.v1.PodCondition");
        condition->type = arena_text(arena, "PodScheduled");
        condition->status = arena_text(arena, "False");
        condition->reason = arena_text(arena, "SchedulingGated");
        condition->message =
            arena_text(arena, "Scheduling is blocked due to non-empty scheduling gates");
        pod->status->conditions = arena_array(arena, 1, sizeof(Core__V1__PodCondition *));
        pod->status->conditions[0] = condition;
        pod->status->n_conditions = 1;
    }
}

static void pod_status(struct arena *arena, const void *old_message, void *new_message)
{
    const Core__V1__Pod *old_pod = old_message;
    Core__V1__Pod *pod = new_message;
    (void)arena;
    pod->metadata->deletion_timestamp = old_pod->metadata->deletion_timestamp;
    pod->metadata->owner_references = old_pod->metadata->owner_references;
    pod->metadata->n_owner_references = old_pod->metadata->n_owner_references;
    if (*text_or_empty(pod->status->qos_class) == '\0') {
        pod->status->qos_class = old_pod->status->qos_class;
    }
}

static void namespace_create(struct arena *arena, void *message)
{
    Core__V1__Namespace *object = message;
    object->status->phase = arena_text(arena, "Active");
    for (size_t i = 0; i < object->spec->n_finalizers; i++) {
        if (strcmp(object->spec->finalizers[i], "kubernetes") == 0) {
            return;
        }
    }
    char **finalizers = arena_array(arena, object->spec->n_finalizers + 1, sizeof(char *));
    if (object->spec->n_finalizers > 0) {
        memcpy(finalizers, object->spec->finalizers, object->spec->n_finalizers * sizeof(char *));
    }
    finalizers[object->spec->n_finalizers++] = arena_text(arena, "kubernetes");
    object->spec->finalizers = finalizers;
}

static void namespace_update(struct arena *arena, const void *old_message, void *new_message)
{
    const Core__V1__Namespace *old_object = old_message;
    Core__V1__Namespace *object = new_message;
    (void)arena;
    object->spec->finalizers = old_object->spec->finalizers;
    object->spec->n_finalizers = old_object->spec->n_finalizers;
}

/* Only the names of the secrets are kept. */
static void service_account_create(struct arena *arena, void *message)
{
    Core__V1__ServiceAccount *account = message;
    for (size_t i = 0; i < account->n_secrets; i++) {
        Core__V1__ObjectReference *secret = rules_new(arena, "k8s.io.api.core.v1.ObjectReference");
        secret->name = account->secrets[i]->name;
        account->secrets[i] = secret;
    }
}

static void service_account_update(struct arena *arena, const void *old_message, void *new_message)
{
    (void)old_message;
    service_account_create(arena, new_message);
}

static void secret_update(struct arena *arena, const void *old_message, void *new_message)
{
    const Core__V1__Secret *old_secret = old_message;
    Core__V1__Secret *secret = new_message;
    (void)arena;
    if (*text_or_empty(secret->type) == '\0') {
        secret->type = old_secret->type;
    }
}

/* The members of a feature that v1.32 has off (CoordinatedLeaderElection) are dropped. */
static void lease_create(struct arena *arena, void *message)
{
    Coordination__V1__Lease *lease = message;
    (void)arena;
    if (lease->spec != NULL) {
        lease->spec->strategy = NULL;
        lease->spec->preferred_holder = NULL;
    }
}

static void lease_update(struct arena *arena, const void *old_message, void *new_message)
{
    (void)old_message;
    lease_create(arena, new_message);
}

/* The old place of zone and host names: v1 takes it from nobody. */
static void slice_create(struct arena *arena, void *message)
{
    Discovery__V1__EndpointSlice *slice = message;
    (void)arena;
    for (size_t i = 0; i < slice->n_endpoints; i++) {
        slice->endpoints[i]->deprecated_topology = NULL;
        slice->endpoints[i]->n_deprecated_topology = 0;
    }
}

static void slice_update(struct arena *arena, const void *old_message, void *new_message)
{
    (void)old_message;
    slice_create(arena, new_message);
}

/* --- Rows --------------------------------------------------------------------------------------
 */

static const char *const STATUS[] = {"status", NULL};
static const char *const SPEC[] = {"spec", NULL};
static const char *const NONE[] = {NULL};
static const char *const POD_STATUS[] = {"spec", "metadata.deletionTimestamp",
                                         "metadata.ownerReferences", NULL};
static const char *const DEPLOYMENT_STATUS[] = {"spec", "metadata.labels", NULL};

static const struct api_strategy STRATEGIES[] = {
    {.group = "",
     .kind = "Pod",
     .has_status = true,
     .unconditional_update = true,
     .graceful_delete = true,
     .prepare_create = pod_create,
     .prepare_status = pod_status,
     .reset_fields = STATUS,
     .status_reset_fields = POD_STATUS},
    {.group = "",
     .kind = "Service",
     .has_status = true,
     .unconditional_update = true,
     .prepare_create = rules_prepare_service,
     .prepare_update = rules_prepare_service_update,
     .reset_fields = STATUS,
     .status_reset_fields = SPEC},
    {.group = "",
     .kind = "Node",
     .has_status = true,
     .keep_status_on_create = true,
     .unconditional_update = true,
     .reset_fields = STATUS,
     .status_reset_fields = SPEC},
    {.group = "",
     .kind = "Namespace",
     .has_status = true,
     .unconditional_update = true,
     .prepare_create = namespace_create,
     .prepare_update = namespace_update,
     .reset_fields = STATUS,
     .status_reset_fields = SPEC},
    {.group = "", .kind = "ConfigMap", .unconditional_update = true},
    {.group = "", .kind = "Endpoints", .create_on_update = true, .unconditional_update = true},
    {.group = "",
     .kind = "ServiceAccount",
     .unconditional_update = true,
     .prepare_create = service_account_create,
     .prepare_update = service_account_update},
    {.group = "", .kind = "Secret", .unconditional_update = true, .prepare_update = secret_update},
    {.group = "",
     .kind = "Event",
     .create_on_update = true,
     .unconditional_update = true,
     .propagation = API_PROPAGATION_NONE},
    {.group = "events.k8s.io",
     .kind = "Event",
     .create_on_update = true,
     .unconditional_update = true,
     .propagation = API_PROPAGATION_NONE},
    {.group = "apps",
     .kind = "Deployment",
     .has_status = true,
     .keep_labels_on_status = true,
     .unconditional_update = true,
     .generation = API_GENERATION_SPEC_ANNOTATIONS,
     .reset_fields = STATUS,
     .status_reset_fields = DEPLOYMENT_STATUS},
    {.group = "apps",
     .kind = "ReplicaSet",
     .has_status = true,
     .unconditional_update = true,
     .generation = API_GENERATION_SPEC,
     .reset_fields = STATUS,
     .status_reset_fields = SPEC},
    {.group = "rbac.authorization.k8s.io",
     .kind = "Role",
     .create_on_update = true,
     .unconditional_update = true},
    {.group = "rbac.authorization.k8s.io",
     .kind = "RoleBinding",
     .create_on_update = true,
     .unconditional_update = true},
    {.group = "rbac.authorization.k8s.io",
     .kind = "ClusterRole",
     .create_on_update = true,
     .unconditional_update = true},
    {.group = "rbac.authorization.k8s.io",
     .kind = "ClusterRoleBinding",
     .create_on_update = true,
     .unconditional_update = true},
    {.group = "apps", .kind = "ControllerRevision", .unconditional_update = true},
    {.group = "coordination.k8s.io",
     .kind = "Lease",
     .create_on_update = true,
     .prepare_create = lease_create,
     .prepare_update = lease_update},
    {.group = "discovery.k8s.io",
     .kind = "EndpointSlice",
     .unconditional_update = true,
     .prepare_create = slice_create,
     .prepare_update = slice_update,
     .generation = API_GENERATION_ALL_BUT_META},
};

static const struct api_strategy PLAIN = {
    .group = "", .kind = "", .unconditional_update = true, .reset_fields = NONE};

const struct api_strategy *api_strategy_of(const struct api_kind *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(STRATEGIES); i++) {
        if (strcmp(STRATEGIES[i].kind, kind->kind) == 0 &&
            strcmp(STRATEGIES[i].group, kind->group) == 0) {
            return &STRATEGIES[i];
        }
    }
    return &PLAIN;
}

/* --- The engine --------------------------------------------------------------------------------
 */

static const struct api_field *object_field(const struct api_kind *kind, const char *name)
{
    const struct api_member *member =
        kind->message == NULL ? NULL : api_message_member_text(kind->message, name);
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
    const struct api_strategy *strategy = api_strategy_of(kind);
    const struct api_field *status = object_field(kind, "status");
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    if (strategy->has_status && status != NULL && !strategy->keep_status_on_create) {
        void **at = api_field_at(status, message);
        *at = api_message_new(arena, status->message);
    }
    if (meta != NULL) {
        if (strategy->generation != API_GENERATION_NONE) { /* Others keep what they are given. */
            meta->generation = 1;
            meta->has_generation = true;
        }
        meta->self_link = NULL;
        meta->deletion_timestamp = NULL;
        meta->has_deletion_grace_period_seconds = 0;
        meta->deletion_grace_period_seconds = 0;
    }
    if (strategy->prepare_create != NULL) {
        strategy->prepare_create(arena, message);
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

static bool generation_moves(const struct api_kind *kind, const struct api_strategy *strategy,
                             const void *before, const void *after)
{
    const Meta__V1__ObjectMeta *old_meta = api_message_meta(kind->message, before);
    const Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, after);
    const struct api_field *spec = object_field(kind, "spec");
    switch (strategy->generation) {
    case API_GENERATION_NONE:
        return false;
    case API_GENERATION_SPEC_ANNOTATIONS:
        if (!api_string_map_equal(API_STRING_MAP(old_meta->annotations, old_meta->n_annotations),
                                  API_STRING_MAP(meta->annotations, meta->n_annotations))) {
            return true;
        }
        FALLTHROUGH;
    case API_GENERATION_SPEC:
        return spec != NULL && object_changed(spec, before, after);
    case API_GENERATION_ALL_BUT_META:
        return content_changed(kind, before, after) ||
               !api_string_map_equal(API_STRING_MAP(old_meta->labels, old_meta->n_labels),
                                     API_STRING_MAP(meta->labels, meta->n_labels));
    }
    return false;
}

static void keep_metadata_labels(const struct api_kind *kind, const void *old_message,
                                 void *new_message)
{
    const Meta__V1__ObjectMeta *before = api_message_meta(kind->message, old_message);
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, new_message);
    meta->labels = before->labels;
    meta->n_labels = before->n_labels;
}

static void prepare_status(struct arena *arena, const struct api_kind *kind,
                           const struct api_strategy *strategy, const void *old_message,
                           void *new_message)
{
    const struct api_field *status = object_field(kind, "status");
    for (size_t i = 0; i < kind->message->field_count; i++) {
        const struct api_field *field = &kind->message->fields[i];
        if (field != status && field != kind->message->metadata) {
            put_back(field, old_message, new_message);
        }
    }
    if (strategy->keep_labels_on_status) {
        keep_metadata_labels(kind, old_message, new_message);
    }
    if (strategy->prepare_status != NULL) {
        strategy->prepare_status(arena, old_message, new_message);
    }
}

void api_prepare_update(struct arena *arena, const struct api_kind *kind, const void *old_message,
                        void *new_message, const char *subresource)
{
    const struct api_strategy *strategy = api_strategy_of(kind);
    const struct api_field *status = object_field(kind, "status");
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, new_message);
    api_prepare_update_metadata(kind, old_message, new_message);
    if (strcmp(subresource, "status") == 0) {
        prepare_status(arena, kind, strategy, old_message, new_message);
        return;
    }
    if (strategy->has_status && status != NULL) {
        put_back(status, old_message, new_message);
    }
    if (strategy->prepare_update != NULL && strcmp(subresource, "finalize") != 0) {
        strategy->prepare_update(arena, old_message, new_message);
    }
    if (meta != NULL && generation_moves(kind, strategy, old_message, new_message)) {
        meta->generation++;
        meta->has_generation = 1;
    }
}

int64_t api_grace_period_s(const struct api_kind *kind, const void *message, int64_t requested_s)
{
    if (!api_strategy_of(kind)->graceful_delete) {
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
