/* Planning of create and update. The rules are those of v1.32's BeforeCreate and BeforeUpdate. */
#include "apiserver/admission.h"
#include "apiserver/go_text.h"
#include "apiserver/operation.h"
#include "apiserver/service_allocator.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/convert.h"
#include "lib/api/defaults.h"
#include "lib/api/strategy.h"
#include "lib/api/time.h"
#include "lib/api/validate.h"

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == 0;
}

const struct api_status *operation_match_namespace(struct operation *operation,
                                                   const struct api_kind *kind,
                                                   Meta__V1__ObjectMeta *meta)
{
    const char *namespace = operation_namespace(operation);
    if (!kind->namespaced) {
        meta->namespace_ = NULL;
        return NULL;
    }
    if (!is_empty(meta->namespace_) && strcmp(meta->namespace_, namespace) != 0) {
        return api_status_bad_request(operation->arena,
                                      "the namespace of the provided object does not match the "
                                      "namespace sent on the request");
    }
    meta->namespace_ = arena_text(operation->arena, namespace);
    return NULL;
}

const struct api_status *operation_match_name(struct operation *operation,
                                              const Meta__V1__ObjectMeta *meta)
{
    const char *name = operation_name(operation);
    if (is_empty(meta->name)) {
        return api_status_bad_request(operation->arena,
                                      "the name of the object (%s based on URL) was "
                                      "undeterminable: name must be provided",
                                      name);
    }
    if (strcmp(meta->name, name) != 0) {
        return api_status_bad_request(
            operation->arena, "the name of the object (%s) does not match the name on the URL (%s)",
            meta->name, name);
    }
    return NULL;
}

static void generate_name(struct operation *operation, Meta__V1__ObjectMeta *meta)
{
    if (is_empty(meta->name) && !is_empty(meta->generate_name)) {
        int base = (int)strnlen(meta->generate_name, GENERATE_NAME_MAX);
        meta->name = arena_printf(operation->arena, "%.*s%s", base, meta->generate_name,
                                  operation_random_suffix(operation, 5));
    }
}

static void fill_metadata(struct operation *operation, Meta__V1__ObjectMeta *meta)
{
    meta->uid = arena_text(operation->arena, operation_uuid(operation));
    meta->creation_timestamp = api_time_new(operation->arena, operation_now_s(operation));
    meta->deletion_timestamp = NULL;
    meta->has_deletion_grace_period_seconds = false;
    meta->self_link = NULL;
}

/* What the client is told besides. */
static void tell(struct operation *operation, const struct api_causes *warnings)
{
    for (size_t i = 0; i < warnings->count; i++) {
        const struct api_cause *each = &warnings->items[i];
        operation_warn(operation, arena_printf(operation->arena, "%s%s%s", each->field,
                                               each->field[0] == '\0' ? "" : ": ", each->message));
    }
}

static const struct api_status *validate_new(struct operation *operation,
                                             const struct api_kind *kind, void *message,
                                             const char *name)
{
    struct api_causes causes;
    api_causes_init(&causes, operation->arena);
    const struct api_kind *asked = operation->call->asked;
    if (asked == NULL || !api_convert_is_checked_first(asked)) {
        api_validate_create(operation->arena, kind, message, &causes);
    } else {
        api_validate_create(operation->arena, asked,
                            api_convert_from_stored(operation->arena, asked, message), &causes);
    }
    if (causes.count == 0) {
        validate_certificate_request(&causes, kind, message);
    }
    if (causes.count == 0) {
        struct api_causes warnings;
        api_causes_init(&warnings, operation->arena);
        api_validate_warnings(kind, NULL, message, &warnings);
        tell(operation, &warnings);
    }
    return causes.count == 0 ? NULL : api_status_invalid(operation->arena, kind, name, &causes);
}

static const struct api_status *refuse_taken(struct operation *operation,
                                             const struct api_kind *kind, const char *name,
                                             const struct cached_object *present, bool generated)
{
    struct arena *arena = operation->arena;
    if (generated) {
        return api_status_name_not_generated(arena, kind, name);
    }
    const struct api_status *exists = api_status_already_exists(arena, kind, name);
    if (api_time_is_zero(message_meta(kind, cached_object_message(present))->deletion_timestamp)) {
        return exists;
    }
    struct api_status *status = arena_alloc(arena, sizeof(*status));
    *status = *exists;
    status->message = arena_printf(arena, "object is being deleted: %s", exists->message);
    return status;
}

/* As the store of v1.32, which is asked last, and not in a dry run; what is no version is dropped.
 */
static const struct api_status *refuse_version(struct operation *operation,
                                               Meta__V1__ObjectMeta *meta)
{
    uint64_t version = 0;
    const char *text = TAKE(meta->resource_version);
    if (is_empty(text) || go_text_uint(operation->arena, text, &version) != NULL || version == 0 ||
        operation->call->options.dry_run) {
        return NULL;
    }
    return api_status_new(operation->arena, 500, "",
                          "resourceVersion should not be set on objects to be created", NULL, "");
}

static enum plan_step plan_new_object(struct operation *operation, void *message)
{
    const struct api_kind *kind = operation->call->kind;
    Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    const struct api_status *refusal = operation_guard_definition(operation);
    refusal = refusal != NULL ? refusal : operation_match_namespace(operation, kind, meta);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    api_default_object(operation->arena, kind, message);
    /* The writer owns what it sent and its defaults, not what admission and allocation add. */
    plan_manage_fields(operation, kind, NULL, message);
    struct admission admission = {.operation = operation,
                                  .verb = ADMIT_CREATE,
                                  .kind = kind,
                                  .subresource = "",
                                  .namespace = operation_namespace(operation),
                                  .name = meta->name == NULL ? "" : meta->name,
                                  .message = message};
    refusal = admission_mutate(&admission);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    message = admission.message;
    meta = message_meta(kind, message);
    bool generated = is_empty(meta->name) && !is_empty(meta->generate_name);
    fill_metadata(operation, meta);
    generate_name(operation, meta); /* Before the strategy: a job's pods are labelled with it. */
    api_prepare_create(operation->arena, kind, message);
    stamp_new_object(operation, kind, message);
    const char *name = meta->name == NULL ? "" : meta->name;
    struct plan *plan = &operation->plan;
    *plan = (struct plan){.kind = kind, .message = message, .code = 201};
    if (kind == operation->registry->service_kind) {
        refusal = service_plan_create(operation, message);
        if (refusal != NULL) {
            return plan_fail(operation, refusal);
        }
    }
    admission.name = name;
    refusal = validate_new(operation, kind, message, name);
    refusal = refusal != NULL ? refusal : admission_validate(&admission);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    refusal = refuse_version(operation, meta);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    const char *namespace = operation_namespace(operation);
    const struct cached_object *present = operation_lookup(operation, kind, namespace, name);
    if (present != NULL) {
        if (generated && operation->name_tries < GENERATE_NAME_TRIES) {
            operation->name_tries++;
            meta->name = NULL;
            return plan_create(operation);
        }
        return plan_fail(operation, refuse_taken(operation, kind, name, present, generated));
    }
    plan->key = operation_key(operation, kind, namespace, name);
    return PLAN_WRITE;
}

/* The body is planned on a copy: a plan may be made more than once. */
enum plan_step plan_create(struct operation *operation)
{
    const struct registry_call *call = operation->call;
    const struct api_status *refusal = operation_fits(operation, call->kind, call->body);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    void *message = api_message_copy(operation->arena, call->kind->message, call->body);
    return plan_new_object(operation, message);
}

/* --- Update --- */

static const struct api_status *check_version(struct operation *operation,
                                              const struct api_kind *kind,
                                              const struct cached_object *existing,
                                              const Meta__V1__ObjectMeta *meta)
{
    const char *name = cached_object_name(existing);
    if (is_empty(meta->resource_version) || strcmp(meta->resource_version, "0") == 0) {
        if (kind->unconditional_update) {
            return NULL;
        }
        struct api_causes causes;
        api_causes_init(&causes, operation->arena);
        struct api_path root = api_path_field(NULL, "metadata");
        struct api_path path = api_path_field(&root, "resourceVersion");
        api_cause_invalid(&causes, &path, api_shown_raw("0x0"), "must be specified for an update");
        return api_status_invalid(operation->arena, kind, name, &causes);
    }
    const char *current = arena_printf(operation->arena, "%llu",
                                       (unsigned long long)cached_object_revision(existing));
    return strcmp(meta->resource_version, current) == 0
               ? NULL
               : api_status_modified(operation->arena, kind, name);
}

static const struct api_status *check_uid(struct operation *operation, const struct api_kind *kind,
                                          const Meta__V1__ObjectMeta *before,
                                          const Meta__V1__ObjectMeta *after)
{
    if (is_empty(after->uid) || is_empty(before->uid) || strcmp(after->uid, before->uid) == 0) {
        return NULL;
    }
    const char *namespace = before->namespace_ == NULL ? "" : before->namespace_;
    return api_status_conflict(
        operation->arena, kind, before->name,
        arena_printf(operation->arena,
                     "StorageError: invalid object, Code: 4, Key: %s, ResourceVersion: 0, "
                     "AdditionalErrorMsg: Precondition failed: UID in precondition: %s, UID in "
                     "object meta: %s",
                     operation_key(operation, kind, namespace, before->name), after->uid,
                     before->uid));
}

/* An object being deleted goes when its last finalizer does. */
static bool finished_deletion(const struct operation *operation, const struct api_kind *kind,
                              const void *message)
{
    const Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    if (api_time_is_zero(meta->deletion_timestamp) || meta->n_finalizers > 0 ||
        (meta->has_deletion_grace_period_seconds && meta->deletion_grace_period_seconds > 0)) {
        return false;
    }
    if (kind == operation->registry->namespace_kind) {
        const Core__V1__Namespace *namespace = message;
        return namespace->spec == NULL || namespace->spec->n_finalizers == 0;
    }
    return true;
}

static const struct api_status *validate_change(struct operation *operation,
                                                const struct api_kind *kind, const void *before,
                                                void *after, const char *name)
{
    struct api_causes causes, warnings;
    api_causes_init(&causes, operation->arena);
    api_causes_init(&warnings, operation->arena);
    causes.warnings = &warnings;
    const struct api_kind *asked = operation->call->asked, *form = kind;
    const void *old_form = before, *new_form = after;
    if (asked != NULL && kind == operation->call->kind && api_convert_is_checked_first(asked)) {
        form = asked;
        old_form = api_convert_from_stored(operation->arena, asked, before);
        new_form = api_convert_from_stored(operation->arena, asked, after);
    }
    api_validate_update(operation->arena, form, old_form, new_form,
                        operation_subresource(operation), &causes);
    if (causes.count == 0 && operation_subresource(operation)[0] == '\0') {
        api_validate_warnings(kind, before, after, &warnings);
    }
    tell(operation, &warnings);
    return causes.count == 0 ? NULL : api_status_invalid(operation->arena, kind, name, &causes);
}

static enum plan_step keep(struct operation *operation, const struct cached_object *existing,
                           const void *message)
{
    operation->call->result_kind = cached_object_kind(existing);
    operation->call->result = message;
    operation->call->code = 200;
    return PLAN_ANSWER;
}

/* A request may move the ownership of fields and nothing else: that is a change, too. That an owner
 * did so again now is none. */
static bool same_owners(const Meta__V1__ObjectMeta *before, const Meta__V1__ObjectMeta *after)
{
    const struct api_message *schema =
        api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry");
    bool same = before->n_managed_fields == after->n_managed_fields;
    for (size_t i = 0; same && i < before->n_managed_fields; i++) {
        Meta__V1__ManagedFieldsEntry left = *before->managed_fields[i];
        Meta__V1__ManagedFieldsEntry right = *after->managed_fields[i];
        left.time = right.time = NULL;
        same = api_message_equal(schema, &left, &right);
    }
    return same;
}

enum plan_step plan_replace(struct operation *operation, const struct cached_object *existing,
                            void *message)
{
    const struct api_kind *kind = operation->call->kind;
    const struct api_status *unreadable = operation_unreadable(operation, existing);
    if (unreadable != NULL) {
        return plan_fail(operation, unreadable);
    }
    const void *before = operation_message(operation, existing);
    Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    const Meta__V1__ObjectMeta *before_meta = message_meta(kind, before);
    const char *name = cached_object_name(existing);
    api_default_object(operation->arena, kind, message);
    struct admission admission = {.operation = operation,
                                  .verb = ADMIT_UPDATE,
                                  .kind = kind,
                                  .subresource = operation_subresource(operation),
                                  .namespace = operation_namespace(operation),
                                  .name = name,
                                  .message = message,
                                  .before = before};
    /* That a patch may not change it is a rule for the object. */
    bool sent = operation->call->verb == REGISTRY_UPDATE;
    const struct api_status *refusal = sent ? check_uid(operation, kind, before_meta, meta) : NULL;
    refusal = refusal != NULL ? refusal : check_version(operation, kind, existing, meta);
    if (refusal == NULL) {
        plan_manage_fields(operation, kind, before, message);
        refusal = admission_mutate(&admission);
    }
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    message = admission.message;
    meta = message_meta(kind, message);
    meta->resource_version = before_meta->resource_version;
    api_prepare_update_metadata(kind, before, message);
    api_prepare_update(operation->arena, kind, before, message, operation_subresource(operation));
    stamp_change(operation, kind, before, message);
    struct plan *plan = &operation->plan;
    *plan = (struct plan){.kind = kind,
                          .key = cached_object_key(existing),
                          .expect_mod = (int64_t)cached_object_revision(existing),
                          .message = message,
                          .code = 200};
    if (kind == operation->registry->service_kind && operation_subresource(operation)[0] == 0) {
        refusal = service_plan_update(operation, before, message);
        if (refusal != NULL) {
            return plan_fail(operation, refusal);
        }
    }
    refusal = validate_change(operation, kind, before, message, name);
    refusal = refusal != NULL ? refusal : admission_validate(&admission);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    if (finished_deletion(operation, kind, message)) {
        return plan_remove_now(operation, existing, message);
    }
    if (api_object_unchanged(kind, before, message) && same_owners(before_meta, meta) &&
        cached_object_is_current(existing)) {
        return keep(operation, existing, before);
    }
    return PLAN_WRITE;
}

enum plan_step plan_update(struct operation *operation)
{
    struct registry_call *call = operation->call;
    const struct api_kind *kind = call->kind;
    const struct api_status *refusal = operation_fits(operation, kind, call->body);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    void *message = api_message_copy(operation->arena, kind->message, call->body);
    Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    refusal = operation_match_name(operation, meta);
    refusal = refusal != NULL ? refusal : operation_match_namespace(operation, kind, meta);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    const char *namespace = operation_namespace(operation);
    const struct cached_object *existing =
        operation_lookup(operation, kind, namespace, operation_name(operation));
    if (existing != NULL) {
        return plan_replace(operation, existing, message);
    }
    if (!kind->create_on_update || operation_subresource(operation)[0] != 0) {
        return plan_fail(operation,
                         api_status_not_found(operation->arena, kind, operation_name(operation)));
    }
    if (!is_empty(meta->resource_version) && strcmp(meta->resource_version, "0") != 0) {
        return plan_fail(operation,
                         api_status_modified(operation->arena, kind, operation_name(operation)));
    }
    meta->resource_version = NULL;
    return plan_new_object(operation, message);
}
