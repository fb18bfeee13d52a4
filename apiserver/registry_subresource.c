/* Planning of the subresources that are no plain update of their object: binding, eviction, token.
 */
#include "apiserver/admission.h"
#include "apiserver/operation.h"
#include "apiserver/token.h"
#include "k8s/authentication_v1.pb-c.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/policy_v1.pb-c.h"
#include "lib/api/selector.h"
#include "lib/api/time.h"

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == 0;
}

static enum plan_step plan_missing(struct operation *operation, const struct api_kind *kind,
                                   const char *name)
{
    return plan_fail(operation, api_status_not_found(operation->arena, kind, name));
}

static const struct api_status *created(struct operation *operation)
{
    return api_status_new(operation->arena, 201, "", "", NULL, "");
}

static void succeed(struct operation *operation)
{
    struct api_status *status = arena_alloc(operation->arena, sizeof(*status));
    *status = *created(operation);
    status->success = true;
    operation->plan.answer_status = status;
    operation->plan.code = 201;
}

/* What was sent may become another one. */
static const struct api_status *ask_about(struct operation *operation, const struct api_kind *kind,
                                          const char *subresource, void **message)
{
    struct admission admission = {.operation = operation,
                                  .verb = ADMIT_CREATE,
                                  .kind = kind,
                                  .subresource = subresource,
                                  .namespace = operation_namespace(operation),
                                  .name = operation_name(operation),
                                  .message = *message};
    const struct api_status *refusal = admission_ask(&admission);
    *message = admission.message;
    return refusal;
}

/* --- pods/binding --- */

static void set_scheduled(struct operation *operation, Core__V1__Pod *pod)
{
    struct arena *arena = operation->arena;
    Core__V1__PodStatus *status = pod->status;
    Core__V1__PodCondition *condition = NULL;
    for (size_t i = 0; i < status->n_conditions; i++) {
        if (status->conditions[i]->type != NULL &&
            strcmp(status->conditions[i]->type, "PodScheduled") == 0) {
            condition = status->conditions[i];
        }
    }
    if (condition == NULL) {
        condition = api_message_new(arena, api_message_find("k8s.io.api.core.v1.PodCondition"));
        condition->type = arena_text(arena, "PodScheduled");
        Core__V1__PodCondition **grown =
            arena_array(arena, status->n_conditions + 1, sizeof(*grown));
        if (status->n_conditions > 0) {
            memcpy(grown, status->conditions, status->n_conditions * sizeof(*grown));
        }
        grown[status->n_conditions++] = condition;
        status->conditions = grown;
    }
    condition->status = arena_text(arena, "True");
    condition->reason = NULL;
    condition->message = NULL;
    condition->last_transition_time = api_time_new(arena, operation_now_s(operation));
}

static const struct api_status *check_binding(struct operation *operation,
                                              const Core__V1__Binding *binding,
                                              const Core__V1__Pod *pod)
{
    struct arena *arena = operation->arena;
    const struct api_kind *kind = operation->registry->pod_kind;
    const char *name = pod->metadata->name;
    const char *target = binding->target == NULL ? NULL : binding->target->name;
    if (is_empty(target)) {
        struct api_causes causes;
        api_causes_init(&causes, arena);
        struct api_path root = api_path_field(NULL, "target");
        struct api_path path = api_path_field(&root, "name");
        api_cause_required(&causes, &path, "");
        return api_status_invalid(arena, kind, name, &causes);
    }
    const Meta__V1__ObjectMeta *meta = binding->metadata;
    if (meta != NULL && !is_empty(meta->uid) && strcmp(meta->uid, pod->metadata->uid) != 0) {
        return api_status_conflict(
            arena, kind, name,
            arena_printf(arena,
                         "Precondition failed: UID in precondition: %s, UID in object "
                         "meta: %s",
                         meta->uid, pod->metadata->uid));
    }
    if (!api_time_is_zero(pod->metadata->deletion_timestamp)) {
        return api_status_conflict(
            arena, kind, name,
            arena_printf(arena, "pod %s is being deleted, cannot be assigned to a host", name));
    }
    if (!is_empty(pod->spec->node_name)) {
        return api_status_conflict(arena, kind, name,
                                   arena_printf(arena, "pod %s is already assigned to node \"%s\"",
                                                name, pod->spec->node_name));
    }
    return NULL;
}

enum plan_step plan_binding(struct operation *operation)
{
    const struct api_kind *kind = operation->registry->pod_kind;
    Core__V1__Binding *binding = operation->call->body;
    const char *name = operation_name(operation);
    if (name[0] == 0 && binding->metadata != NULL && binding->metadata->name != NULL) {
        name = binding->metadata->name;
    }
    const struct cached_object *existing =
        operation_lookup(operation, kind, operation_namespace(operation), name);
    if (existing == NULL) {
        return plan_missing(operation, kind, name);
    }
    void *sent = binding;
    const struct api_status *refusal = operation_unreadable(operation, existing);
    refusal = refusal != NULL ? refusal : ask_about(operation, kind, "binding", &sent);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    binding = sent;
    Core__V1__Pod *pod =
        api_message_copy(operation->arena, kind->message, operation_message(operation, existing));
    refusal = check_binding(operation, binding, pod);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    pod->spec->node_name = arena_text(operation->arena, binding->target->name);
    for (size_t i = 0; binding->metadata != NULL && i < binding->metadata->n_annotations; i++) {
        struct api_string_map map =
            API_STRING_MAP(binding->metadata->annotations, binding->metadata->n_annotations);
        api_meta_set_annotation(operation->arena, pod->metadata, api_string_map_key(map, i),
                                api_string_map_value(map, i));
    }
    set_scheduled(operation, pod);
    operation->plan = (struct plan){.kind = kind,
                                    .key = cached_object_key(existing),
                                    .expect_mod = (int64_t)cached_object_revision(existing),
                                    .message = pod};
    succeed(operation);
    return PLAN_WRITE;
}

/* --- pods/eviction --- */

struct budgets {
    struct operation *operation;
    const Core__V1__Pod *pod;
    const struct cached_object *found;
    size_t count;
};

static bool match_budget(void *data, const struct cached_object *object)
{
    struct budgets *budgets = data;
    const Policy__V1__PodDisruptionBudget *budget = cached_object_message(object);
    struct api_label_selector selector = {0};
    if (budget == NULL || budget->spec == NULL ||
        api_label_selector_from_message(budgets->operation->arena, budget->spec->selector,
                                        &selector, NULL) < 0) {
        return true;
    }
    const Meta__V1__ObjectMeta *meta = budgets->pod->metadata;
    if (api_label_selector_matches(&selector, API_STRING_MAP(meta->labels, meta->n_labels))) {
        budgets->count++;
        budgets->found =
            operation_lookup(budgets->operation, cached_object_kind(object),
                             cached_object_namespace(object), cached_object_name(object));
    }
    return true;
}

static const struct api_status *budget_refusal(struct operation *operation, const char *cause)
{
    struct api_cause *item = arena_zeroed(operation->arena, sizeof(*item));
    *item = (struct api_cause){.reason = "DisruptionBudget", .message = cause, .field = ""};
    struct api_status *status = arena_alloc(operation->arena, sizeof(*status));
    *status = *api_status_too_many_requests(
        operation->arena, "Cannot evict pod as it would violate the pod's disruption budget.", 0);
    status->has_details = true;
    status->causes = item;
    status->cause_count = 1;
    return status;
}

static struct slice encode_object(struct operation *operation, const struct api_kind *kind,
                                  void *message)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, STORED_OBJECT_MAX);
    struct api_object object = {.kind = kind, .message = message};
    message_meta(kind, message)->resource_version = NULL;
    api_object_encode(&object, &out);
    return arena_slice(operation->arena, buffer_slice(&out));
}

/* One eviction less is left, in the same transaction as the deletion of the pod. */
static const struct api_status *charge_budget(struct operation *operation,
                                              const struct cached_object *cached, const char *pod)
{
    const struct api_kind *kind = cached_object_kind(cached);
    Policy__V1__PodDisruptionBudget *budget =
        api_message_copy(operation->arena, kind->message, cached_object_message(cached));
    Policy__V1__PodDisruptionBudgetStatus *status = budget->status;
    if (status->observed_generation < budget->metadata->generation) {
        return budget_refusal(operation,
                              arena_printf(operation->arena,
                                           "The disruption budget %s is still being processed by "
                                           "the server.",
                                           cached_object_name(cached)));
    }
    if (status->disruptions_allowed <= 0) {
        return budget_refusal(
            operation, arena_printf(operation->arena,
                                    "The disruption budget %s needs %d healthy pods and has %d "
                                    "currently",
                                    cached_object_name(cached), status->desired_healthy,
                                    status->current_healthy));
    }
    status->disruptions_allowed--;
    status->has_disruptions_allowed = true;
    Policy__V1__PodDisruptionBudgetStatus__DisruptedPodsEntry *entry = arena_alloc(
        operation->arena, sizeof(Policy__V1__PodDisruptionBudgetStatus__DisruptedPodsEntry));
    policy__v1__pod_disruption_budget_status__disrupted_pods_entry__init(entry);
    entry->key = arena_text(operation->arena, pod);
    entry->value = api_time_new(operation->arena, operation_now_s(operation));
    Policy__V1__PodDisruptionBudgetStatus__DisruptedPodsEntry **grown =
        arena_array(operation->arena, status->n_disrupted_pods + 1, sizeof(*grown));
    if (status->n_disrupted_pods > 0) {
        memcpy(grown, status->disrupted_pods, status->n_disrupted_pods * sizeof(*grown));
    }
    grown[status->n_disrupted_pods++] = entry;
    status->disrupted_pods = grown;
    struct plan *plan = &operation->plan;
    plan->extras[plan->extra_count++] =
        (struct plan_extra){.key = cached_object_key(cached),
                            .value = encode_object(operation, kind, budget),
                            .expect_mod = (int64_t)cached_object_revision(cached)};
    return NULL;
}

static bool needs_budget(const Core__V1__Pod *pod)
{
    const char *phase = pod->status->phase == NULL ? "" : pod->status->phase;
    return strcmp(phase, "Pending") != 0 && strcmp(phase, "Succeeded") != 0 &&
           strcmp(phase, "Failed") != 0 && api_time_is_zero(pod->metadata->deletion_timestamp);
}

static void take_delete_options(struct registry_options *options,
                                const Meta__V1__DeleteOptions *asked)
{
    if (asked == NULL) {
        return;
    }
    options->has_grace_seconds = asked->has_grace_period_seconds;
    options->grace_seconds = asked->grace_period_seconds;
    options->propagation = asked->propagation_policy;
    if (asked->preconditions != NULL) {
        options->expect_uid = asked->preconditions->uid;
        options->expect_version = asked->preconditions->resource_version;
    }
    options->dry_run = options->dry_run || asked->n_dry_run > 0;
}

static const struct api_status *restrict_node(struct operation *operation,
                                              const struct api_kind *kind, const char *subresource)
{
    struct admission admission = {.operation = operation,
                                  .verb = ADMIT_CREATE,
                                  .kind = kind,
                                  .subresource = subresource,
                                  .namespace = operation_namespace(operation),
                                  .name = operation_name(operation),
                                  .message = operation->call->body};
    return admit_node_restriction(&admission);
}

enum plan_step plan_eviction(struct operation *operation)
{
    const struct api_kind *kind = operation->registry->pod_kind;
    void *sent = operation->call->body;
    const char *name = operation_name(operation);
    const struct cached_object *existing =
        operation_lookup(operation, kind, operation_namespace(operation), name);
    if (existing == NULL) {
        return plan_missing(operation, kind, name);
    }
    const struct api_status *refusal = operation_unreadable(operation, existing);
    refusal = refusal != NULL ? refusal : restrict_node(operation, kind, "eviction");
    refusal = refusal != NULL ? refusal : ask_about(operation, kind, "eviction", &sent);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    const Policy__V1__Eviction *eviction = sent;
    struct budgets budgets = {.operation = operation,
                              .pod = operation_message(operation, existing)};
    take_delete_options(&operation->call->options, eviction->delete_options);
    enum plan_step step = plan_removal(operation, existing);
    if (step == PLAN_ANSWER && operation->call->status != NULL) {
        return step;
    }
    if (operation->registry->budget_kind != NULL && needs_budget(budgets.pod)) {
        struct cache_view *view =
            watch_cache_view(operation->registry->config.cache, operation->registry->budget_kind);
        cache_view_each(view, operation_namespace(operation), slice_text(""), match_budget,
                        &budgets);
        cache_view_free(view);
    }
    if (budgets.count > 1) {
        return plan_fail(operation,
                         api_status_internal(operation->arena,
                                             "This pod has more than one PodDisruptionBudget, "
                                             "which the eviction subresource does not support."));
    }
    refusal = budgets.count == 0 ? NULL : charge_budget(operation, budgets.found, name);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    succeed(operation);
    if (step == PLAN_ANSWER) {
        operation->call->result = NULL;
        operation->call->success = operation->plan.answer_status;
        operation->call->code = 201;
    }
    return step;
}

/* --- serviceaccounts/token --- */

/* The body of a subresource has no row of its own; for the words of its refusals. */
static const struct api_kind token_request_kind = {
    .group = "authentication.k8s.io",
    .version = "v1",
    .kind = "TokenRequest",
    .api_version = "authentication.k8s.io/v1",
    .resource = "tokenrequests.authentication.k8s.io",
};

static const struct api_message *token_schema(void)
{
    return api_message_find("k8s.io.api.authentication.v1.TokenRequest");
}

static const struct api_status *
bind_token(struct operation *operation, const Authentication__V1__BoundObjectReference *reference,
           struct token_claims *claims)
{
    struct arena *arena = operation->arena;
    const char *kind_name = reference->kind == NULL ? "" : reference->kind;
    const char *version = reference->api_version == NULL ? "" : reference->api_version;
    const char *plural = NULL;
    bool cluster = false;
    if (strcmp(kind_name, "Pod") == 0 && strcmp(version, "v1") == 0) {
        plural = "pods";
    } else if (strcmp(kind_name, "Secret") == 0 && strcmp(version, "v1") == 0) {
        plural = "secrets";
    } else if (strcmp(kind_name, "Node") == 0 && strcmp(version, "v1") == 0) {
        plural = "nodes";
        cluster = true;
    } else {
        return api_status_bad_request(arena, "cannot bind token to object of type /%s, Kind=%s",
                                      version, kind_name);
    }
    const struct api_kind *kind = api_kind_find("", "v1", plural);
    const char *name = reference->name == NULL ? "" : reference->name;
    const struct cached_object *cached =
        operation_lookup(operation, kind, cluster ? "" : operation_namespace(operation), name);
    if (cached == NULL) {
        return api_status_not_found(arena, kind, name);
    }
    const struct api_status *unreadable = operation_unreadable(operation, cached);
    if (unreadable != NULL) {
        return unreadable;
    }
    const Meta__V1__ObjectMeta *meta = message_meta(kind, cached_object_message(cached));
    if (!is_empty(reference->u_id) && strcmp(reference->u_id, meta->uid) != 0) {
        struct api_status *status = arena_alloc(arena, sizeof(*status));
        *status = *api_status_conflict(arena, kind, name,
                                       arena_printf(arena,
                                                    "the UID in the bound object reference (%s) "
                                                    "does not match the UID in record. The object "
                                                    "might have been deleted and then recreated",
                                                    reference->u_id));
        status->kind = kind_name;
        return status;
    }
    if (plural[0] == 'p') {
        const Core__V1__Pod *pod = cached_object_message(cached);
        claims->pod = name;
        claims->pod_uid = meta->uid;
        if (!is_empty(pod->spec->node_name)) {
            const struct cached_object *node = operation_lookup(
                operation, api_kind_find("", "v1", "nodes"), "", pod->spec->node_name);
            claims->node = pod->spec->node_name;
            claims->node_uid =
                node == NULL
                    ? NULL
                    : message_meta(cached_object_kind(node), cached_object_message(node))->uid;
        }
        if (is_empty(pod->spec->service_account_name) ||
            strcmp(pod->spec->service_account_name, claims->account) != 0) {
            return api_status_bad_request(
                arena,
                "cannot bind token for serviceaccount \"%s\" to pod running with different "
                "serviceaccount name.",
                claims->account);
        }
    } else if (plural[0] == 's') {
        claims->secret = name;
        claims->secret_uid = meta->uid;
    } else {
        claims->node = name;
        claims->node_uid = meta->uid;
    }
    return NULL;
}

/* The name and namespace that a request may have are the account's. */
static const struct api_status *check_account(struct operation *operation,
                                              const Authentication__V1__TokenRequest *request)
{
    const char *account = operation_name(operation), *namespace = operation_namespace(operation);
    const char *name = request->metadata == NULL ? NULL : request->metadata->name;
    const char *own = request->metadata == NULL ? NULL : request->metadata->namespace_;
    struct api_path meta = api_path_field(NULL, "metadata");
    struct api_causes causes;
    api_causes_init(&causes, operation->arena);
    if (*text_or_empty(name) != '\0' && strcmp(name, account) != 0) {
        struct api_path path = api_path_field(&meta, "name");
        api_cause_invalid(&causes, &path, api_shown_text(name),
                          "must match the service account name if specified");
    } else if (*text_or_empty(own) != '\0' && strcmp(own, namespace) != 0) {
        struct api_path path = api_path_field(&meta, "namespace");
        api_cause_invalid(&causes, &path, api_shown_text(own),
                          "must match the service account namespace if specified");
    }
    return causes.count == 0
               ? NULL
               : api_status_invalid(operation->arena, &token_request_kind, account, &causes);
}

static const struct api_status *check_expiration(struct operation *operation,
                                                 const struct api_kind *kind, int64_t seconds)
{
    struct api_causes causes;
    api_causes_init(&causes, operation->arena);
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path path = api_path_field(&spec, "expirationSeconds");
    if (seconds < TOKEN_SECONDS_MIN) {
        api_cause_invalid(&causes, &path, api_shown_int(seconds),
                          "may not specify a duration less than 10 minutes");
    } else if (seconds > TOKEN_SECONDS_MAX) {
        api_cause_invalid(&causes, &path, api_shown_int(seconds),
                          "may not specify a duration larger than 2^32 seconds");
    }
    return causes.count == 0 ? NULL : api_status_invalid(operation->arena, kind, "", &causes);
}

static enum plan_step issue(struct operation *operation, const struct token_claims *claims,
                            Authentication__V1__TokenRequest *request)
{
    CLEANUP(buffer_release) struct buffer token;
    buffer_init(&token, ENCODED_OBJECT_MAX);
    CLEANUP(error_release) struct error error = {0};
    if (token_issue(operation->registry->config.signer, claims, &token, &error) < 0) {
        return plan_fail(operation,
                         api_status_internal(operation->arena, "failed to sign the token: %s",
                                             error_message(&error)));
    }
    request->status->token = arena_text(operation->arena, buffer_text(&token));
    request->status->expiration_timestamp = api_time_new(operation->arena, claims->expires_s);
    operation->call->code = 201;
    operation->call->result = request;
    operation->call->result_schema = token_schema();
    return PLAN_ANSWER;
}

enum plan_step plan_token(struct operation *operation)
{
    struct registry *registry = operation->registry;
    struct arena *arena = operation->arena;
    void *sent = api_message_copy(arena, token_schema(), operation->call->body);
    Authentication__V1__TokenRequest *request = sent;
    const struct api_kind *kind = registry->service_account_kind;
    const char *name = operation_name(operation);
    const struct cached_object *cached =
        operation_lookup(operation, kind, operation_namespace(operation), name);
    if (cached == NULL) {
        return plan_missing(operation, kind, name);
    }
    const struct api_status *refusal = operation_unreadable(operation, cached);
    refusal = refusal != NULL ? refusal : restrict_node(operation, kind, "token");
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    if (registry->config.signer == NULL) {
        return plan_fail(operation, api_status_unavailable(arena, "no token signing key"));
    }
    if (!request->spec->has_expiration_seconds) {
        request->spec->has_expiration_seconds = true;
        request->spec->expiration_seconds = 3600;
    }
    refusal = check_account(operation, request);
    refusal = refusal != NULL ? refusal : ask_about(operation, kind, "token", &sent);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    request = sent;
    int64_t seconds = request->spec->expiration_seconds;
    refusal = check_expiration(operation, &token_request_kind, seconds);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    const Core__V1__ServiceAccount *account = cached_object_message(cached);
    if (request->spec->n_audiences == 0) {
        request->spec->audiences = arena_array(arena, 1, sizeof(char *));
        request->spec->audiences[request->spec->n_audiences++] =
            arena_text(arena, token_signer_issuer(registry->config.signer));
    }
    int64_t now_s = operation_now_s(operation);
    struct token_claims claims = {.namespace = operation_namespace(operation),
                                  .account = name,
                                  .account_uid = account->metadata->uid,
                                  .audiences = (const char *const *)request->spec->audiences,
                                  .audience_count = request->spec->n_audiences,
                                  .id = operation_uuid(operation),
                                  .issued_s = now_s,
                                  .expires_s = now_s + seconds};
    if (request->spec->bound_object_ref != NULL) {
        refusal = bind_token(operation, request->spec->bound_object_ref, &claims);
        if (refusal != NULL) {
            return plan_fail(operation, refusal);
        }
    }
    if (request->metadata != NULL) {
        request->metadata->name = arena_text(arena, name);
        request->metadata->namespace_ = arena_text(arena, operation_namespace(operation));
        request->metadata->creation_timestamp = api_time_new(arena, now_s);
    }
    return issue(operation, &claims, request);
}
