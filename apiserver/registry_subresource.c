/* Planning of the subresources that are no plain update of their object: binding and token. What
 * evictions need is in registry_eviction.c. */
#include "apiserver/admission.h"
#include "apiserver/operation.h"
#include "apiserver/token.h"
#include "k8s/authentication_v1.pb-c.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/time.h"

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == 0;
}

enum plan_step plan_missing(struct operation *operation, const struct api_kind *kind,
                            const char *name)
{
    return plan_fail(operation, api_status_not_found(operation->arena, kind, name));
}

static const struct api_status *created(struct operation *operation)
{
    return api_status_new(operation->arena, 201, "", "", NULL, "");
}

void plan_success(struct operation *operation)
{
    struct api_status *status = arena_alloc(operation->arena, sizeof(*status));
    *status = *created(operation);
    status->success = true;
    operation->plan.answer_status = status;
    operation->plan.code = 201;
}

/* The admission of what was sent to a subresource. */
static struct admission admission_of(struct operation *operation, const struct api_kind *kind,
                                     const char *subresource, void *message)
{
    return (struct admission){.operation = operation,
                              .verb = ADMIT_CREATE,
                              .kind = kind,
                              .subresource = subresource,
                              .namespace = operation_namespace(operation),
                              .name = operation_name(operation),
                              .message = message};
}

const struct api_status *plan_ask_about(struct operation *operation, const struct api_kind *kind,
                                        const char *subresource, void **message)
{
    struct admission admission = admission_of(operation, kind, subresource, *message);
    const struct api_status *refusal = admission_ask(&admission);
    *message = admission.message;
    return refusal;
}

const struct api_status *plan_restrict_node(struct operation *operation,
                                            const struct api_kind *kind, const char *subresource)
{
    struct admission admission = admission_of(operation, kind, subresource, operation->call->body);
    return admit_node_restriction(&admission);
}

Core__V1__PodCondition *plan_find_condition(const Core__V1__Pod *pod, const char *type)
{
    for (size_t i = 0; i < pod->status->n_conditions; i++) {
        if (strcmp(text_or_empty(pod->status->conditions[i]->type), type) == 0) {
            return pod->status->conditions[i];
        }
    }
    return NULL;
}

void plan_pod_condition(struct operation *operation, Core__V1__Pod *pod, const char *type,
                        const char *reason, const char *message)
{
    struct arena *arena = operation->arena;
    Core__V1__PodStatus *status = pod->status;
    Core__V1__PodCondition *condition = plan_find_condition(pod, type);
    if (condition == NULL) {
        condition = api_message_new(arena, api_message_find("k8s.io.api.core.v1.PodCondition"));
        condition->type = arena_text(arena, type);
        status->conditions = arena_array_grown(arena, status->conditions, status->n_conditions,
                                               sizeof(*status->conditions));
        status->conditions[status->n_conditions++] = condition;
    }
    if (strcmp(text_or_empty(condition->status), "True") != 0) {
        condition->last_transition_time = api_time_new(arena, operation_now_s(operation));
    }
    condition->status = arena_text(arena, "True");
    condition->reason = reason == NULL ? NULL : arena_text(arena, reason);
    condition->message = message == NULL ? NULL : arena_text(arena, message);
}

const struct api_status *plan_plain_failure(struct operation *operation, const char *message)
{
    return api_status_new(operation->arena, 500, "", message, NULL, "");
}

/* --- pods/binding --- */

/* For the words of its refusals. */
static const struct api_kind binding_kind = {.group = "",
                                             .version = "v1",
                                             .kind = "Binding",
                                             .api_version = "v1",
                                             .plural = "pods/binding",
                                             .resource = "pods/binding"};

/* v1.32 answers what these find as an error of its own, not as an invalid object. */
static const struct api_status *check_target(struct operation *operation,
                                             const Core__V1__Binding *binding)
{
    static const char *const kinds[] = {"Node", "<empty>", NULL};
    struct arena *arena = operation->arena;
    const Core__V1__ObjectReference *target = binding->target;
    const char *kind = target == NULL ? "" : text_or_empty(target->kind);
    struct api_causes causes;
    api_causes_init(&causes, arena);
    struct api_path root = api_path_field(NULL, "target");
    if (kind[0] != 0 && strcmp(kind, "Node") != 0) {
        struct api_path path = api_path_field(&root, "kind");
        api_cause_not_among(&causes, &path, api_shown_text(kind), kinds);
    }
    if (target == NULL || is_empty(target->name)) {
        struct api_path path = api_path_field(&root, "name");
        api_cause_required(&causes, &path, "");
    }
    const char *all = "";
    for (size_t i = 0; i < causes.count; i++) {
        all = arena_printf(arena, "%s%s%s: %s", all, i == 0 ? "" : ", ", causes.items[i].field,
                           causes.items[i].message);
    }
    return causes.count == 0   ? NULL
           : causes.count == 1 ? plan_plain_failure(operation, all)
                               : plan_plain_failure(operation, arena_printf(arena, "[%s]", all));
}

static const struct api_status *check_precondition(struct operation *operation,
                                                   const struct cached_object *existing,
                                                   const char *what, const char *asked,
                                                   const char *actual)
{
    if (is_empty(asked) || strcmp(asked, actual) == 0) {
        return NULL;
    }
    return api_status_conflict(
        operation->arena, cached_object_kind(existing), cached_object_name(existing),
        arena_printf(operation->arena,
                     "StorageError: invalid object, Code: 4, Key: %s, ResourceVersion: 0, "
                     "AdditionalErrorMsg: Precondition failed: %s in precondition: %s, %s in "
                     "object meta: %s",
                     cached_object_key(existing), what, asked, what, actual));
}

static const struct api_status *check_binding(struct operation *operation,
                                              const Core__V1__Binding *binding,
                                              const struct cached_object *existing,
                                              const Core__V1__Pod *pod)
{
    struct arena *arena = operation->arena;
    const char *name = cached_object_name(existing);
    const Meta__V1__ObjectMeta *asked = binding->metadata;
    const Meta__V1__ObjectMeta *actual = pod->metadata;
    const struct api_status *refusal = check_precondition(
        operation, existing, "UID", asked == NULL ? NULL : asked->uid, text_or_empty(actual->uid));
    if (refusal == NULL) {
        refusal = check_precondition(operation, existing, "ResourceVersion",
                                     asked == NULL ? NULL : asked->resource_version,
                                     text_or_empty(actual->resource_version));
    }
    if (refusal != NULL) {
        return refusal;
    }
    const char *why = NULL;
    if (!api_time_is_zero(actual->deletion_timestamp)) {
        why = arena_printf(arena, "pod %s is being deleted, cannot be assigned to a host", name);
    } else if (!is_empty(pod->spec->node_name)) {
        why = arena_printf(arena, "pod %s is already assigned to node \"%s\"", name,
                           pod->spec->node_name);
    } else if (pod->spec->n_scheduling_gates > 0) {
        why = arena_printf(arena, "pod %s has non-empty .spec.schedulingGates", name);
    }
    return why == NULL ? NULL : api_status_conflict(arena, &binding_kind, name, why);
}

/* All that can be said before the pod is looked at. */
static const struct api_status *check_sent(struct operation *operation, Core__V1__Binding **binding,
                                           const char *name)
{
    const struct api_kind *kind = operation->registry->pod_kind;
    Meta__V1__ObjectMeta *meta = (*binding)->metadata;
    const struct api_status *refusal =
        meta == NULL ? NULL : operation_match_namespace(operation, kind, meta);
    if (refusal != NULL) {
        return refusal;
    }
    if (strcmp(name, meta == NULL ? "" : text_or_empty(meta->name)) != 0) {
        return api_status_bad_request(operation->arena,
                                      "name in URL does not match name in Binding object");
    }
    refusal = check_target(operation, *binding);
    if (refusal == NULL && name[0] == 0) { /* At /bindings, where no name is in the URL. */
        refusal = api_status_bad_request(operation->arena, "Name parameter required.");
    }
    void *sent = *binding;
    refusal = refusal != NULL ? refusal : plan_ask_about(operation, kind, "binding", &sent);
    *binding = sent;
    return refusal;
}

enum plan_step plan_binding(struct operation *operation)
{
    const struct api_kind *kind = operation->registry->pod_kind;
    Core__V1__Binding *binding = operation->call->body;
    const char *name = operation_name(operation);
    const struct api_status *refusal = check_sent(operation, &binding, name);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    const struct cached_object *existing =
        operation_lookup(operation, kind, operation_namespace(operation), name);
    if (existing == NULL) {
        return plan_missing(operation, kind, name);
    }
    refusal = operation_unreadable(operation, existing);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    Core__V1__Pod *pod =
        api_message_copy(operation->arena, kind->message, operation_message(operation, existing));
    refusal = check_binding(operation, binding, existing, pod);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    pod->spec->node_name = arena_text(operation->arena, binding->target->name);
    if (binding->metadata != NULL) {
        api_meta_set_annotations(
            operation->arena, pod->metadata,
            API_STRING_MAP(binding->metadata->annotations, binding->metadata->n_annotations), NULL);
    }
    plan_pod_condition(operation, pod, "PodScheduled", NULL, NULL);
    operation->plan = (struct plan){.kind = kind,
                                    .key = cached_object_key(existing),
                                    .expect_mod = (int64_t)cached_object_revision(existing),
                                    .message = pod};
    plan_success(operation);
    return PLAN_WRITE;
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

static void bind_token_to_pod(struct operation *operation, const Core__V1__Pod *pod,
                              struct token_claims *claims)
{
    const char *node_name = pod->spec->node_name;
    claims->pod = pod->metadata->name;
    claims->pod_uid = pod->metadata->uid;
    if (!is_empty(node_name)) {
        const struct cached_object *node =
            operation_lookup(operation, api_kind_find("", "v1", "nodes"), "", node_name);
        claims->node = node_name;
        claims->node_uid =
            node == NULL ? NULL
                         : message_meta(cached_object_kind(node), cached_object_message(node))->uid;
    }
}

/* What it is bound to, when that can be: a kind of the core group, of any version. */
static const struct api_kind *bound_kind(const Authentication__V1__BoundObjectReference *reference)
{
    static const char *const kinds[][2] = {
        {"Pod", "pods"}, {"Secret", "secrets"}, {"Node", "nodes"}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(text_or_empty(reference->kind), kinds[i][0]) == 0 &&
            strchr(text_or_empty(reference->api_version), '/') == NULL) {
            return api_kind_find("", "v1", kinds[i][1]);
        }
    }
    return NULL;
}

/* The pod of another account is none to bind to, whichever pod it is. */
static const struct api_status *check_pod_account(struct operation *operation,
                                                  const struct api_kind *kind,
                                                  const struct cached_object *cached,
                                                  const char *account)
{
    const Core__V1__Pod *pod = cached_object_message(cached);
    if (strcmp(kind->plural, "pods") != 0 ||
        strcmp(text_or_empty(pod->spec->service_account_name), account) == 0) {
        return NULL;
    }
    return api_status_bad_request(
        operation->arena,
        "cannot bind token for serviceaccount \"%s\" to pod running with different "
        "serviceaccount name.",
        account);
}

static const struct api_status *
bind_token(struct operation *operation, const Authentication__V1__BoundObjectReference *reference,
           struct token_claims *claims)
{
    struct arena *arena = operation->arena;
    const char *version = text_or_empty(reference->api_version);
    const struct api_kind *kind = bound_kind(reference);
    if (kind == NULL) {
        return api_status_bad_request(arena, "cannot bind token to object of type %s%s, Kind=%s",
                                      strchr(version, '/') == NULL ? "/" : "", version,
                                      text_or_empty(reference->kind));
    }
    const char *name = reference->name == NULL ? "" : reference->name;
    const struct cached_object *cached = operation_lookup(
        operation, kind, kind->namespaced ? operation_namespace(operation) : "", name);
    if (cached == NULL) {
        return api_status_not_found(arena, kind, name);
    }
    const struct api_status *refusal = operation_unreadable(operation, cached);
    refusal =
        refusal != NULL ? refusal : check_pod_account(operation, kind, cached, claims->account);
    if (refusal != NULL) {
        return refusal;
    }
    const Meta__V1__ObjectMeta *meta = message_meta(kind, cached_object_message(cached));
    if (!is_empty(reference->u_id) && strcmp(reference->u_id, meta->uid) != 0) {
        struct api_kind named = *kind; /* It goes by its kind in this one answer of v1.32. */
        named.plural = named.resource = text_or_empty(reference->kind);
        return api_status_conflict(arena, &named, name,
                                   arena_printf(arena,
                                                "the UID in the bound object reference (%s) does "
                                                "not match the UID in record. The object might "
                                                "have been deleted and then recreated",
                                                reference->u_id));
    }
    if (strcmp(kind->plural, "pods") == 0) {
        bind_token_to_pod(operation, cached_object_message(cached), claims);
    } else if (strcmp(kind->plural, "secrets") == 0) {
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

static void default_expiration(Authentication__V1__TokenRequestSpec *spec)
{
    if (!spec->has_expiration_seconds) {
        spec->has_expiration_seconds = true;
        spec->expiration_seconds = 3600;
    }
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
    refusal = refusal != NULL ? refusal : plan_restrict_node(operation, kind, "token");
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    if (registry->config.signer == NULL) {
        return plan_fail(operation, api_status_unavailable(arena, "no token signing key"));
    }
    default_expiration(request->spec);
    refusal = check_account(operation, request);
    refusal = refusal != NULL ? refusal : plan_ask_about(operation, kind, "token", &sent);
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
