/* What the server itself writes into objects of the small kinds before they are checked. */
#include "lib/api/pod_profiles.h"
#include "lib/api/rules/rules.h"

/* A gated pod says at once why nobody schedules it. */
void rules_prepare_pod(struct arena *arena, void *message)
{
    Core__V1__Pod *pod = message;
    pod->status->phase = arena_text(arena, "Pending");
    pod->status->qos_class = arena_text(arena, rules_pod_qos_class(pod->spec));
    rules_apply_label_keys(arena, pod);
    api_complete_app_armor(arena, pod);
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

void rules_prepare_pod_status(struct arena *arena, const void *old_message, void *new_message)
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

void rules_prepare_namespace(struct arena *arena, void *message)
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

void rules_prepare_namespace_update(struct arena *arena, const void *old_message, void *new_message)
{
    const Core__V1__Namespace *old_object = old_message;
    Core__V1__Namespace *object = new_message;
    (void)arena;
    object->spec->finalizers = old_object->spec->finalizers;
    object->spec->n_finalizers = old_object->spec->n_finalizers;
}

/* Only the names of the secrets are kept. */
void rules_prepare_service_account(struct arena *arena, void *message)
{
    Core__V1__ServiceAccount *account = message;
    for (size_t i = 0; i < account->n_secrets; i++) {
        Core__V1__ObjectReference *secret = rules_new(arena, "k8s.io.api.core.v1.ObjectReference");
        secret->name = account->secrets[i]->name;
        account->secrets[i] = secret;
    }
}

void rules_prepare_service_account_update(struct arena *arena, const void *old_message,
                                          void *new_message)
{
    (void)old_message;
    rules_prepare_service_account(arena, new_message);
}

void rules_prepare_secret_update(struct arena *arena, const void *old_message, void *new_message)
{
    const Core__V1__Secret *old_secret = old_message;
    Core__V1__Secret *secret = new_message;
    (void)arena;
    if (*text_or_empty(secret->type) == '\0') {
        secret->type = old_secret->type;
    }
}

/* The members of a feature that v1.32 has off (CoordinatedLeaderElection) are dropped. */
void rules_prepare_lease(struct arena *arena, void *message)
{
    Coordination__V1__Lease *lease = message;
    (void)arena;
    if (lease->spec != NULL) {
        lease->spec->strategy = NULL;
        lease->spec->preferred_holder = NULL;
    }
}

void rules_prepare_lease_update(struct arena *arena, const void *old_message, void *new_message)
{
    (void)old_message;
    rules_prepare_lease(arena, new_message);
}

/* The old place of zone and host names: v1 takes it from nobody. */
void rules_prepare_slice(struct arena *arena, void *message)
{
    Discovery__V1__EndpointSlice *slice = message;
    (void)arena;
    for (size_t i = 0; i < slice->n_endpoints; i++) {
        slice->endpoints[i]->deprecated_topology = NULL;
        slice->endpoints[i]->n_deprecated_topology = 0;
    }
}

void rules_prepare_slice_update(struct arena *arena, const void *old_message, void *new_message)
{
    (void)old_message;
    rules_prepare_slice(arena, new_message);
}

/* An empty list of rules is stored as none, so that the first answer shows it as the later ones. */
void rules_prepare_role(struct arena *arena, void *message)
{
    Rbac__V1__Role *role = message;
    (void)arena;
    role->rules = role->n_rules == 0 ? NULL : role->rules;
}

void rules_prepare_role_update(struct arena *arena, const void *old_message, void *new_message)
{
    (void)old_message;
    rules_prepare_role(arena, new_message);
}

void rules_prepare_cluster_role(struct arena *arena, void *message)
{
    Rbac__V1__ClusterRole *role = message;
    (void)arena;
    role->rules = role->n_rules == 0 ? NULL : role->rules;
}

void rules_prepare_cluster_role_update(struct arena *arena, const void *old_message,
                                       void *new_message)
{
    (void)old_message;
    rules_prepare_cluster_role(arena, new_message);
}
