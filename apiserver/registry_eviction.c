/* Planning of pods/eviction: whether a pod's disruption budget lets it go, and that the budget and
 * the pod change in one transaction. The rules and their order are those of v1.32. */
#include "apiserver/admission.h"
#include "apiserver/operation.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/policy_v1.pb-c.h"
#include "lib/api/selector.h"
#include "lib/api/time.h"

enum {
    DISRUPTED_PODS_MAX = 2000, /* Evictions that no control loop has seen yet; as v1.32. */
    RETRY_SECONDS = 10,
};

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

static const struct api_status *budget_refusal(struct operation *operation, const char *cause,
                                               int32_t retry_seconds)
{
    struct api_cause *item = arena_zeroed(operation->arena, sizeof(*item));
    *item = (struct api_cause){.reason = "DisruptionBudget", .message = cause, .field = ""};
    struct api_status *status = arena_alloc(operation->arena, sizeof(*status));
    *status = *api_status_too_many_requests(
        operation->arena, "Cannot evict pod as it would violate the pod's disruption budget.",
        retry_seconds);
    status->has_details = true;
    status->causes = item;
    status->cause_count = 1;
    return status;
}

static const struct api_status *budget_forbidden(struct operation *operation, const char *name,
                                                 const char *why)
{
    return api_status_forbidden_resource(operation->arena, "policy", "poddisruptionbudget", name,
                                         why);
}

static const struct api_status *check_budget(struct operation *operation, const char *name,
                                             const Policy__V1__PodDisruptionBudget *budget)
{
    const Policy__V1__PodDisruptionBudgetStatus *status = budget->status;
    struct arena *arena = operation->arena;
    if (status->observed_generation < budget->metadata->generation) {
        return budget_refusal(
            operation,
            arena_printf(arena, "The disruption budget %s is still being processed by the server.",
                         name),
            RETRY_SECONDS);
    }
    if (status->disruptions_allowed < 0) {
        return budget_forbidden(operation, name, "pdb disruptions allowed is negative");
    }
    if (status->n_disrupted_pods > DISRUPTED_PODS_MAX) {
        return budget_forbidden(operation, name,
                                "DisruptedPods map too big - too many evictions not confirmed by "
                                "PDB controller");
    }
    if (status->disruptions_allowed == 0) {
        return budget_refusal(
            operation,
            arena_printf(arena,
                         "The disruption budget %s needs %d healthy pods and has %d currently",
                         name, status->desired_healthy, status->current_healthy),
            0);
    }
    return NULL;
}

/* Nothing more may go: the condition DisruptionAllowed says so at once. */
static void set_insufficient(struct operation *operation,
                             Policy__V1__PodDisruptionBudgetStatus *status)
{
    struct arena *arena = operation->arena;
    Meta__V1__Condition *condition = NULL;
    for (size_t i = 0; i < status->n_conditions; i++) {
        if (strcmp(text_or_empty(status->conditions[i]->type), "DisruptionAllowed") == 0) {
            condition = status->conditions[i];
        }
    }
    if (condition == NULL) {
        condition = api_message_new(
            arena, api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.Condition"));
        condition->type = arena_text(arena, "DisruptionAllowed");
        Meta__V1__Condition **grown = arena_array(arena, status->n_conditions + 1, sizeof(*grown));
        if (status->n_conditions > 0) {
            memcpy(grown, status->conditions, status->n_conditions * sizeof(*grown));
        }
        grown[status->n_conditions++] = condition;
        status->conditions = grown;
    }
    if (strcmp(text_or_empty(condition->status), "False") != 0) {
        condition->last_transition_time = api_time_new(arena, operation_now_s(operation));
    }
    condition->status = arena_text(arena, "False");
    condition->reason = arena_text(arena, "InsufficientPods");
    condition->message = arena_text(arena, "");
    condition->observed_generation = status->observed_generation;
    condition->has_observed_generation = status->has_observed_generation;
}

static void add_disrupted(struct operation *operation,
                          Policy__V1__PodDisruptionBudgetStatus *status, const char *pod)
{
    struct arena *arena = operation->arena;
    for (size_t i = 0; i < status->n_disrupted_pods; i++) {
        if (strcmp(text_or_empty(status->disrupted_pods[i]->key), pod) == 0) {
            status->disrupted_pods[i]->value = api_time_new(arena, operation_now_s(operation));
            return;
        }
    }
    Policy__V1__PodDisruptionBudgetStatus__DisruptedPodsEntry *entry =
        arena_alloc(arena, sizeof(Policy__V1__PodDisruptionBudgetStatus__DisruptedPodsEntry));
    policy__v1__pod_disruption_budget_status__disrupted_pods_entry__init(entry);
    entry->key = arena_text(arena, pod);
    entry->value = api_time_new(arena, operation_now_s(operation));
    Policy__V1__PodDisruptionBudgetStatus__DisruptedPodsEntry **grown =
        arena_array(arena, status->n_disrupted_pods + 1, sizeof(*grown));
    if (status->n_disrupted_pods > 0) {
        memcpy(grown, status->disrupted_pods, status->n_disrupted_pods * sizeof(*grown));
    }
    grown[status->n_disrupted_pods++] = entry;
    status->disrupted_pods = grown;
}

/* One eviction less is left: what the budget becomes. */
static Policy__V1__PodDisruptionBudget *
charged_budget(struct operation *operation, const struct cached_object *cached, const char *pod)
{
    Policy__V1__PodDisruptionBudget *budget =
        api_message_copy(operation->arena, cached_object_kind(cached)->message,
                         operation_message(operation, cached));
    budget->status->disruptions_allowed--;
    budget->status->has_disruptions_allowed = true;
    if (budget->status->disruptions_allowed == 0) {
        set_insufficient(operation, budget->status);
    }
    add_disrupted(operation, budget->status, pod);
    return budget;
}

/* --- Which pods a budget guards --- */

/* What is over, has not begun or is going is no loss to anybody. */
static bool needs_budget(const Core__V1__Pod *pod)
{
    const char *phase = text_or_empty(pod->status->phase);
    return strcmp(phase, "Pending") != 0 && strcmp(phase, "Succeeded") != 0 &&
           strcmp(phase, "Failed") != 0 && api_time_is_zero(pod->metadata->deletion_timestamp);
}

static bool has_condition(const Core__V1__Pod *pod, const char *type)
{
    const Core__V1__PodCondition *condition = plan_find_condition(pod, type);
    return condition != NULL && strcmp(text_or_empty(condition->status), "True") == 0;
}

/* A pod that is not ready does not count as healthy, so that it costs the budget nothing. */
static bool goes_free(const Core__V1__Pod *pod, const Policy__V1__PodDisruptionBudget *budget)
{
    const Policy__V1__PodDisruptionBudgetStatus *status = budget->status;
    if (has_condition(pod, "Ready")) {
        return false;
    }
    return strcmp(text_or_empty(budget->spec->unhealthy_pod_eviction_policy), "AlwaysAllow") == 0 ||
           (status->current_healthy >= status->desired_healthy && status->desired_healthy > 0);
}

/* NULL, with the budget that is to be charged, or with none. */
static const struct api_status *find_budget(struct operation *operation, const Core__V1__Pod *pod,
                                            const struct cached_object **ret_budget)
{
    struct budgets budgets = {.operation = operation, .pod = pod};
    if (operation->registry->budget_kind == NULL || !needs_budget(pod)) {
        return NULL;
    }
    struct cache_view *view =
        watch_cache_view(operation->registry->config.cache, operation->registry->budget_kind);
    cache_view_each(view, operation_namespace(operation), slice_text(""), match_budget, &budgets);
    cache_view_free(view);
    if (budgets.count > 1) {
        return plan_plain_failure(operation, "This pod has more than one PodDisruptionBudget, "
                                             "which the eviction subresource does not support.");
    }
    if (budgets.count == 0) {
        return NULL;
    }
    const struct api_status *refusal = operation_unreadable(operation, budgets.found);
    if (refusal != NULL) {
        return refusal;
    }
    const Policy__V1__PodDisruptionBudget *budget = operation_message(operation, budgets.found);
    if (goes_free(pod, budget)) {
        return NULL;
    }
    *ret_budget = budgets.found;
    return check_budget(operation, cached_object_name(budgets.found), budget);
}

/* --- The eviction --- */

/* What can be said before the pod is looked at; the deletion's options are taken over. */
static const struct api_status *check_eviction(struct operation *operation,
                                               const Policy__V1__Eviction **ret_eviction)
{
    const struct api_kind *kind = operation->registry->pod_kind;
    void *sent = operation->call->body;
    const Policy__V1__Eviction *eviction = sent;
    Meta__V1__ObjectMeta *meta = eviction->metadata;
    const struct api_status *refusal =
        meta == NULL ? NULL : operation_match_namespace(operation, kind, meta);
    if (refusal != NULL) {
        return refusal;
    }
    if (strcmp(operation_name(operation), meta == NULL ? "" : text_or_empty(meta->name)) != 0) {
        return api_status_bad_request(operation->arena,
                                      "name in URL does not match name in Eviction object");
    }
    const Meta__V1__DeleteOptions *asked = eviction->delete_options;
    for (size_t i = 0; asked != NULL && i < asked->n_dry_run; i++) {
        if (operation->call->options.dry_run && strcmp(asked->dry_run[i], "All") != 0) {
            return plan_plain_failure(
                operation, arena_printf(operation->arena,
                                        "Non-matching dry-run options in request and content: "
                                        "[All] and [%s]",
                                        asked->dry_run[i]));
        }
    }
    refusal = plan_restrict_node(operation, kind, "eviction");
    refusal = refusal != NULL ? refusal : plan_ask_about(operation, kind, "eviction", &sent);
    *ret_eviction = sent;
    return refusal;
}

/* The pod says why it goes, also one that is going already. */
static enum plan_step remove_pod(struct operation *operation, const struct cached_object *existing)
{
    enum plan_step step = plan_removal(operation, existing);
    if (step == PLAN_ANSWER && operation->call->status != NULL) {
        return step;
    }
    const Core__V1__Pod *before = operation_message(operation, existing);
    if (step == PLAN_ANSWER && !has_condition(before, "DisruptionTarget")) {
        operation->call->result = NULL;
        operation->plan =
            (struct plan){.kind = cached_object_kind(existing),
                          .key = cached_object_key(existing),
                          .expect_mod = (int64_t)cached_object_revision(existing),
                          .message = api_message_copy(
                              operation->arena, cached_object_kind(existing)->message, before)};
        step = PLAN_WRITE;
    }
    plan_success(operation);
    if (step == PLAN_ANSWER) {
        operation->call->result = NULL;
        operation->call->success = operation->plan.answer_status;
        operation->call->code = 201;
        return step;
    }
    plan_pod_condition(operation, operation->plan.message, "DisruptionTarget",
                       "EvictionByEvictionAPI", "Eviction API: evicting");
    return step;
}

enum plan_step plan_eviction(struct operation *operation)
{
    const struct api_kind *kind = operation->registry->pod_kind;
    const Policy__V1__Eviction *eviction = operation->call->body;
    const char *name = operation_name(operation);
    const struct api_status *refusal = check_eviction(operation, &eviction);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    const struct cached_object *existing =
        operation_lookup(operation, kind, operation_namespace(operation), name);
    if (existing == NULL) {
        return plan_missing(operation, kind, name);
    }
    const struct cached_object *budget = NULL;
    refusal = operation_unreadable(operation, existing);
    if (refusal == NULL) {
        refusal = find_budget(operation, operation_message(operation, existing), &budget);
    }
    if (refusal == NULL && eviction->delete_options != NULL) {
        refusal = registry_read_deletion(operation->arena, eviction->delete_options,
                                         &operation->call->options);
    }
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    enum plan_step step = remove_pod(operation, existing);
    if (step == PLAN_WRITE && budget != NULL) {
        const struct api_kind *budget_kind = cached_object_kind(budget);
        const char *key = cached_object_key(budget);
        Policy__V1__PodDisruptionBudget *charged = charged_budget(operation, budget, name);
        struct plan *plan = &operation->plan;
        plan->extras[plan->extra_count++] =
            (struct plan_extra){.key = key,
                                .value = operation_encode(operation, budget_kind, key, charged),
                                .expect_mod = (int64_t)cached_object_revision(budget)};
        if (plan->extras[plan->extra_count - 1].value.data == NULL) {
            return plan_fail(operation, operation_unsealed(operation));
        }
    }
    return step;
}
