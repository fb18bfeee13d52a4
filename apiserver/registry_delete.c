/* Planning of deletion: preconditions, grace periods, finalizers (v1.32 BeforeDelete and
 * deletionFinalizersForGarbageCollection), and deletecollection as a sequence of deletions. */
#include "apiserver/admission.h"
#include "apiserver/definition_status.h"
#include "apiserver/operation.h"
#include "apiserver/service_allocator.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/strategy.h"
#include "lib/api/time.h"

enum plan_step plan_remove_now(struct operation *operation, const struct cached_object *existing,
                               const void *last_message)
{
    const struct api_kind *kind = cached_object_kind(existing);
    struct plan *plan = &operation->plan;
    *plan = (struct plan){.kind = kind,
                          .key = cached_object_key(existing),
                          .remove = true,
                          .expect_mod = (int64_t)cached_object_revision(existing),
                          .code = 200};
    plan->message = api_message_copy(operation->arena, kind->message, last_message);
    const Meta__V1__ObjectMeta *meta = message_meta(kind, last_message);
    if (operation->call->verb == REGISTRY_DELETE && !api_kind_delete_answers_object(kind)) {
        plan->answer_status = api_status_success(
            operation->arena, operation->call->asked != NULL ? operation->call->asked : kind,
            cached_object_name(existing), meta->uid == NULL ? "" : meta->uid);
    }
    if (kind == operation->registry->service_kind) {
        service_plan_remove(operation, operation_message(operation, existing));
    }
    return PLAN_WRITE;
}

const struct api_status *registry_read_deletion(struct arena *arena,
                                                const Meta__V1__DeleteOptions *body,
                                                struct registry_options *options)
{
    static const char *const policies[] = {"Foreground", "Background", "Orphan", "nil", NULL};
    static const char *const all[] = {"All", NULL};
    const char *policy = body->propagation_policy;
    struct api_causes causes;
    api_causes_init(&causes, arena);
    struct api_path path = api_path_field(NULL, "propagationPolicy");
    /* What becomes of dependents is said in one way, of which the old one is `orphanDependents`. */
    if (policy != NULL && body->has_orphan_dependents) {
        api_cause_invalid(&causes, &path, api_shown_text(policy),
                          "orphanDependents and deletionPropagation cannot be both set");
    }
    if (policy != NULL && strcmp(policy, "Background") != 0 && strcmp(policy, "Foreground") != 0 &&
        strcmp(policy, "Orphan") != 0) {
        api_cause_not_among(&causes, &path, api_shown_text(policy), policies);
    }
    struct api_path dry_run = api_path_field(NULL, "dryRun");
    const char **values = arena_array(arena, body->n_dry_run, sizeof(*values));
    bool known = true;
    for (size_t i = 0; i < body->n_dry_run; i++) {
        const char *value = text_or_empty(body->dry_run[i]);
        values[i] = arena_printf(arena, "\"%s\"", value);
        known = known && strcmp(value, "All") == 0;
    }
    if (!known) {
        const char *shown = arena_join(arena, values, body->n_dry_run, ",");
        api_cause_not_supported(&causes, &dry_run,
                                api_shown_raw(arena_printf(arena, "[%s]", shown)), all);
    }
    if (causes.count > 0) {
        return api_status_invalid_options(arena, "DeleteOptions", &causes);
    }
    const char *orphans = body->orphan_dependents ? "Orphan" : "Background";
    options->propagation = policy != NULL ? policy : body->has_orphan_dependents ? orphans : NULL;
    options->has_grace_seconds = body->has_grace_period_seconds;
    options->grace_seconds = body->grace_period_seconds;
    options->dry_run = options->dry_run || body->n_dry_run > 0;
    if (body->preconditions != NULL) {
        options->expect_uid = body->preconditions->uid;
        options->expect_version = body->preconditions->resource_version;
    }
    return NULL;
}

/* Of a precondition v1.32 names the kind, where other conflicts name the resource. */
static const struct api_status *precondition_failed(struct operation *operation,
                                                    const struct api_kind *kind, const char *name,
                                                    const char *why)
{
    struct api_kind shown = *kind;
    shown.plural = kind->kind;
    shown.resource = kind->group[0] == 0
                         ? kind->kind
                         : arena_printf(operation->arena, "%s.%s", kind->kind, kind->group);
    return api_status_conflict(operation->arena, &shown, name, why);
}

static const struct api_status *check_preconditions(struct operation *operation,
                                                    const struct api_kind *kind,
                                                    const Meta__V1__ObjectMeta *meta,
                                                    const char *name)
{
    const struct registry_options *options = &operation->call->options;
    const char *uid = meta->uid == NULL ? "" : meta->uid;
    const char *version = meta->resource_version == NULL ? "" : meta->resource_version;
    if (options->expect_uid != NULL && strcmp(options->expect_uid, uid) != 0) {
        return precondition_failed(
            operation, kind, name,
            arena_printf(operation->arena,
                         "the UID in the precondition (%s) does not match the UID in record (%s). "
                         "The object might have been deleted and then recreated",
                         options->expect_uid, uid));
    }
    if (options->expect_version != NULL && strcmp(options->expect_version, version) != 0) {
        return precondition_failed(
            operation, kind, name,
            arena_printf(operation->arena,
                         "the ResourceVersion in the precondition (%s) does not match the "
                         "ResourceVersion in record (%s). The object might have been modified",
                         options->expect_version, version));
    }
    return NULL;
}

/* --- Finalizers of garbage collection --- */

static bool wants(const struct operation *operation, const struct api_kind *kind,
                  const Meta__V1__ObjectMeta *meta, const char *policy, const char *finalizer)
{
    const char *asked = operation->call->options.propagation;
    if (asked != NULL) {
        return strcmp(asked, policy) == 0;
    }
    if (api_meta_has_finalizer(meta, finalizer)) {
        return true;
    }
    return strcmp(policy, "Orphan") == 0 && !api_meta_has_finalizer(meta, "foregroundDeletion") &&
           kind->propagation == API_PROPAGATION_ORPHAN;
}

/* Replaces the garbage collector's finalizers by those that the policy asks for. True on change. */
static bool set_finalizers(struct operation *operation, const struct api_kind *kind,
                           Meta__V1__ObjectMeta *meta)
{
    if (kind->propagation == API_PROPAGATION_NONE) {
        return false;
    }
    bool orphan = wants(operation, kind, meta, "Orphan", "orphan");
    bool foreground = wants(operation, kind, meta, "Foreground", "foregroundDeletion");
    bool had_orphan = api_meta_has_finalizer(meta, "orphan");
    bool had_foreground = api_meta_has_finalizer(meta, "foregroundDeletion");
    if (orphan == had_orphan && foreground == had_foreground) {
        return false;
    }
    char **finalizers = arena_array(operation->arena, meta->n_finalizers + 2, sizeof(char *));
    size_t count = 0;
    for (size_t i = 0; i < meta->n_finalizers; i++) {
        if (strcmp(meta->finalizers[i], "orphan") != 0 &&
            strcmp(meta->finalizers[i], "foregroundDeletion") != 0) {
            finalizers[count++] = meta->finalizers[i];
        }
    }
    if (orphan) {
        finalizers[count++] = arena_text(operation->arena, "orphan");
    }
    if (foreground) {
        finalizers[count++] = arena_text(operation->arena, "foregroundDeletion");
    }
    meta->finalizers = finalizers;
    meta->n_finalizers = count;
    return true;
}

static enum plan_step store_marked(struct operation *operation,
                                   const struct cached_object *existing, void *message)
{
    operation->plan = (struct plan){.kind = cached_object_kind(existing),
                                    .key = cached_object_key(existing),
                                    .expect_mod = (int64_t)cached_object_revision(existing),
                                    .message = message,
                                    .code = 200};
    return PLAN_WRITE;
}

static enum plan_step answer_as_is(struct operation *operation,
                                   const struct cached_object *existing)
{
    operation->call->result_kind = cached_object_kind(existing);
    operation->call->result = operation_message(operation, existing);
    operation->call->code = 200;
    return PLAN_ANSWER;
}

static enum plan_step plan_remove_namespace(struct operation *operation,
                                            const struct cached_object *existing, void *message)
{
    Core__V1__Namespace *namespace = message;
    bool changed = set_finalizers(operation, cached_object_kind(existing), namespace->metadata);
    if (!api_time_is_zero(namespace->metadata->deletion_timestamp)) {
        bool pending = namespace->spec->n_finalizers > 0 || namespace->metadata->n_finalizers > 0;
        if (!pending) {
            return plan_remove_now(operation, existing, message);
        }
        return changed ? store_marked(operation, existing, message)
                       : answer_as_is(operation, existing);
    }
    namespace->metadata->deletion_timestamp =
        api_time_new(operation->arena, operation_now_s(operation));
    namespace->status->phase = arena_text(operation->arena, "Terminating");
    return store_marked(operation, existing, message);
}

/* A definition goes after its objects, which the member that leads deletes (definitions.h). */
static enum plan_step plan_remove_definition(struct operation *operation,
                                             const struct cached_object *existing, void *message)
{
    Apiextensions__V1__CustomResourceDefinition *definition = message;
    bool changed = set_finalizers(operation, cached_object_kind(existing), definition->metadata);
    if (api_time_is_zero(definition->metadata->deletion_timestamp)) {
        definition_status_terminate(operation->arena, definition, operation_now_s(operation));
        return store_marked(operation, existing, message);
    }
    if (definition->metadata->n_finalizers == 0) {
        return plan_remove_now(operation, existing, message);
    }
    return changed ? store_marked(operation, existing, message) : answer_as_is(operation, existing);
}

/* The start of a graceful deletion, or a shorter period for one under way. */
static enum plan_step plan_graceful(struct operation *operation,
                                    const struct cached_object *existing, void *message,
                                    int64_t grace_s)
{
    const struct api_kind *kind = cached_object_kind(existing);
    Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    bool changed = set_finalizers(operation, kind, meta);
    if (!api_time_is_zero(meta->deletion_timestamp)) {
        int64_t before =
            meta->has_deletion_grace_period_seconds ? meta->deletion_grace_period_seconds : grace_s;
        if (!operation->call->options.has_grace_seconds || grace_s >= before) {
            return changed ? store_marked(operation, existing, message)
                           : answer_as_is(operation, existing);
        }
        int64_t asked_at = api_time_seconds(meta->deletion_timestamp) - before;
        meta->deletion_timestamp = api_time_new(operation->arena, asked_at + grace_s);
        meta->deletion_grace_period_seconds = grace_s;
        return store_marked(operation, existing, message);
    }
    meta->deletion_timestamp = api_time_new(operation->arena, operation_now_s(operation) + grace_s);
    meta->has_deletion_grace_period_seconds = true;
    meta->deletion_grace_period_seconds = grace_s;
    if (meta->generation > 0) {
        meta->generation++;
        meta->has_generation = true;
    }
    return store_marked(operation, existing, message);
}

static enum plan_step plan_at_once(struct operation *operation,
                                   const struct cached_object *existing, void *message)
{
    const struct api_kind *kind = cached_object_kind(existing);
    Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    bool changed = set_finalizers(operation, kind, meta);
    bool graceful_kind = kind->graceful_delete;
    if (meta->n_finalizers == 0) {
        bool marked = !api_time_is_zero(meta->deletion_timestamp) &&
                      meta->has_deletion_grace_period_seconds &&
                      meta->deletion_grace_period_seconds == 0;
        if (graceful_kind && !marked) {
            meta->deletion_timestamp = api_time_new(operation->arena, operation_now_s(operation));
            meta->has_deletion_grace_period_seconds = true;
            meta->deletion_grace_period_seconds = 0;
        }
        enum plan_step step = plan_remove_now(operation, existing, message);
        operation->plan.mark_first = graceful_kind && !marked; /* v1.32: MODIFIED, then DELETED. */
        return step;
    }
    bool marked = !api_time_is_zero(meta->deletion_timestamp);
    bool grace_over =
        meta->has_deletion_grace_period_seconds && meta->deletion_grace_period_seconds == 0;
    if (marked && grace_over && !changed) {
        return answer_as_is(operation, existing);
    }
    if (!marked) {
        meta->deletion_timestamp = api_time_new(operation->arena, operation_now_s(operation));
        if (meta->generation > 0) {
            meta->generation++;
            meta->has_generation = true;
        }
    }
    meta->has_deletion_grace_period_seconds = true;
    meta->deletion_grace_period_seconds = 0;
    return store_marked(operation, existing, message);
}

enum plan_step plan_removal(struct operation *operation, const struct cached_object *existing)
{
    const struct api_kind *kind = cached_object_kind(existing);
    const struct api_status *unreadable = operation_unreadable(operation, existing);
    if (unreadable != NULL) {
        return plan_fail(operation, unreadable);
    }
    const void *before = operation_message(operation, existing);
    const char *name = cached_object_name(existing);
    const struct api_status *refusal =
        check_preconditions(operation, kind, message_meta(kind, before), name);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    void *message = api_message_copy(operation->arena, kind->message, before);
    if (kind == operation->registry->namespace_kind) {
        return plan_remove_namespace(operation, existing, message);
    }
    if (kind == operation->registry->definition_kind) {
        return plan_remove_definition(operation, existing, message);
    }
    const struct registry_options *options = &operation->call->options;
    int64_t asked = options->has_grace_seconds ? options->grace_seconds : -1;
    if (asked < 0 && options->has_grace_seconds) {
        asked = 1; /* v1.32: a negative period is the shortest. */
    }
    int64_t grace_s = api_grace_period_s(kind, before, asked);
    return grace_s > 0 ? plan_graceful(operation, existing, message, grace_s)
                       : plan_at_once(operation, existing, message);
}

/* As in v1.32, nobody is asked about what is not there or is not the object that is meant; who is
 * asked, to change or to judge, sees what would be deleted. */
static const struct api_status *admit_deletion(struct operation *operation,
                                               const struct cached_object *existing)
{
    const struct api_kind *kind = operation->call->kind;
    const char *name = operation_name(operation);
    const struct api_status *refusal = operation_unreadable(operation, existing);
    if (refusal != NULL) {
        return refusal;
    }
    const void *before = operation_message(operation, existing);
    struct admission admission = {.operation = operation,
                                  .verb = ADMIT_DELETE,
                                  .kind = kind,
                                  .subresource = "",
                                  .namespace = operation_namespace(operation),
                                  .name = name,
                                  .before = before};
    refusal = check_preconditions(operation, kind, message_meta(kind, before), name);
    refusal = refusal != NULL ? refusal : admission_mutate(&admission);
    return refusal != NULL ? refusal : admission_validate(&admission);
}

enum plan_step plan_delete(struct operation *operation)
{
    const struct api_kind *kind = operation->call->kind;
    const char *name = operation_name(operation);
    const struct cached_object *existing =
        operation_lookup(operation, kind, operation_namespace(operation), name);
    if (existing == NULL) {
        return plan_fail(operation, api_status_not_found(operation->arena, kind, name));
    }
    const struct api_status *refusal = admit_deletion(operation, existing);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    return plan_removal(operation, existing);
}
