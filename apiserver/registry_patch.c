/* Planning of patches: the stored object as a JSON tree, patched, decoded again, and then an
 * update. */
#include "apiserver/operation.h"
#include "lib/api/apply.h"
#include "lib/api/convert.h"
#include "lib/api/custom.h"
#include "lib/api/patch.h"
#include <errno.h>

/* What the client calls the kind. */
static const struct api_kind *operation_form(const struct operation *operation)
{
    const struct registry_call *call = operation->call;
    return call->asked == NULL ? call->kind : call->asked;
}

/* Unknown and duplicate fields of an applied configuration: warned of, or refused when strict. */
static const struct api_status *status_of_applied(struct operation *operation,
                                                  const struct api_problems *problems)
{
    enum registry_field_validation mode = operation->call->options.field_validation;
    for (size_t i = 0; i < problems->count && mode == REGISTRY_FIELDS_WARN; i++) {
        operation_warn(operation, problems->texts[i]);
    }
    if (problems->count == 0 || mode != REGISTRY_FIELDS_STRICT) {
        return NULL;
    }
    return api_status_bad_request(operation->arena, "error strict decoding YAML: %s",
                                  problems->texts[0]);
}

/* Of a custom kind. What built-in ones do not have is refused when it is applied, whatever the
 * client wishes to be told of it. */
static const struct api_status *check_applied(struct operation *operation,
                                              const struct json_value *applied)
{
    const struct api_kind *kind = operation_form(operation);
    struct arena *arena = operation->arena;
    struct api_problems problems = {0};
    CLEANUP(error_release) struct error error = {0};
    void *ignored = NULL;
    if (api_message_from_json(arena, kind->message, applied, &problems, &ignored, &error) < 0) {
        return api_status_bad_request(arena, "failed to create typed patch object: %s",
                                      error_message(&error));
    }
    return status_of_applied(operation, &problems);
}

/* The fields that changed become the writer's (KEP-555), in the form in which it wrote them. */
void plan_manage_fields(struct operation *operation, const struct api_kind *kind,
                        const void *before, void *message)
{
    struct registry_call *call = operation->call;
    struct arena *arena = operation->arena;
    bool apply = call->verb == REGISTRY_PATCH && call->patch_type == REGISTRY_PATCH_APPLY;
    if (call->options.field_manager == NULL || apply) {
        return;
    }
    const struct api_kind *form = call->kind == kind ? operation_form(operation) : kind;
    struct api_apply_request request = {.kind = form,
                                        .manager = call->options.field_manager,
                                        .subresource = operation_subresource(operation),
                                        .now_s = operation_now_s(operation)};
    if (form == kind) {
        api_managed_fields_track(arena, &request, before, message);
        return;
    }
    before = before == NULL ? NULL : api_convert_from_stored(arena, form, before);
    void *written = api_convert_from_stored(arena, form, message);
    api_managed_fields_track(arena, &request, before, written);
    Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    meta->managed_fields = message_meta(form, written)->managed_fields;
    meta->n_managed_fields = message_meta(form, written)->n_managed_fields;
}

static int apply_text(struct operation *operation, const struct api_kind *kind,
                      const struct json_value *live, struct json_value **ret_object,
                      const struct api_status **reterr_status)
{
    const struct registry_call *call = operation->call;
    struct arena *arena = operation->arena;
    CLEANUP(buffer_release) struct buffer json;
    buffer_init(&json, REQUEST_BODY_MAX);
    CLEANUP(error_release) struct error error = {0};
    struct json_value *applied = NULL;
    struct api_problems duplicates = {0};
    int status = api_yaml_to_json(arena, call->patch, &duplicates, &json, &error);
    if (status == 0) {
        status = json_parse(arena, buffer_slice(&json), &applied, &error);
    }
    if (status < 0) {
        *reterr_status =
            api_status_bad_request(arena, "error decoding YAML: %s", error_message(&error));
        return -EINVAL;
    }
    const struct api_status *refusal = status_of_applied(operation, &duplicates);
    if (refusal == NULL && custom_of(kind) != NULL) {
        refusal = check_applied(operation, applied);
    }
    if (refusal != NULL) {
        *reterr_status = refusal;
        return -EINVAL;
    }
    struct api_apply_request request = {.kind = kind,
                                        .manager = call->options.field_manager,
                                        .subresource = operation_subresource(operation),
                                        .now_s = operation_now_s(operation),
                                        .force = call->options.force};
    return api_apply(arena, &request, live, applied, ret_object, reterr_status);
}

static int patch_tree(struct operation *operation, const struct api_kind *kind,
                      const struct api_message *schema, const struct json_value *document,
                      struct json_value **ret_document, const struct api_status **reterr_status)
{
    const struct registry_call *call = operation->call;
    switch (call->patch_type) {
    case REGISTRY_PATCH_JSON:
        return api_patch_json(operation->arena, document, call->patch, ret_document, reterr_status);
    case REGISTRY_PATCH_MERGE:
        return api_patch_merge(operation->arena, document, call->patch, ret_document,
                               reterr_status);
    case REGISTRY_PATCH_STRATEGIC:
        return api_patch_strategic(operation->arena, schema, document, call->patch, ret_document,
                                   reterr_status);
    case REGISTRY_PATCH_APPLY:
        return apply_text(operation, kind, document, ret_document, reterr_status);
    }
    return -EINVAL;
}

/* v1.32 blames the patch, not the object: no kind, no name. */
static const struct api_status *patch_refused(struct operation *operation, const char *why)
{
    struct api_causes causes;
    api_causes_init(&causes, operation->arena);
    struct api_path path = api_path_field(NULL, "patch");
    const char *text = arena_text_n(operation->arena, (const char *)operation->call->patch.data,
                                    operation->call->patch.len);
    api_cause_invalid(&causes, &path, api_shown_text(text), why);
    struct api_status *status = arena_alloc(operation->arena, sizeof(*status));
    *status = *api_status_invalid(operation->arena, operation->call->kind, "", &causes);
    status->kind = "";
    status->group = "";
    status->message =
        arena_printf(operation->arena, " \"\" is invalid: patch: %s", causes.items[0].message);
    return status;
}

const struct api_status *status_of_problems(struct operation *operation,
                                            const struct api_kind *kind,
                                            const struct api_problems *problems)
{
    enum registry_field_validation mode = operation->call->options.field_validation;
    if (problems->count == 0 || mode == REGISTRY_FIELDS_IGNORE) {
        return NULL;
    }
    if (mode == REGISTRY_FIELDS_WARN) {
        for (size_t i = 0; i < problems->count; i++) {
            operation_warn(operation, problems->texts[i]);
        }
        return NULL;
    }
    const char *all = "";
    for (size_t i = 0; i < problems->count; i++) {
        all = arena_printf(operation->arena, "%s%s%s", all, i == 0 ? "" : ", ", problems->texts[i]);
    }
    (void)kind;
    return patch_refused(operation,
                         arena_printf(operation->arena, "strict decoding error: %s", all));
}

/* False when the patch has to be carried out on the whole object as a tree. */
static bool patch_named_members(struct operation *operation, const struct api_message *schema,
                                const void *before, void **ret_message)
{
    const struct registry_call *call = operation->call;
    bool strategic = call->patch_type == REGISTRY_PATCH_STRATEGIC;
    return (strategic || call->patch_type == REGISTRY_PATCH_MERGE) &&
           api_patch_members(operation->arena, schema, before,
                             strategic ? API_MERGE_STRATEGIC : API_MERGE_PLAIN, call->patch,
                             ret_message) == 0;
}

const struct api_status *patch_message(struct operation *operation, const struct api_kind *kind,
                                       const struct api_message *schema, const void *before,
                                       const struct api_type_meta *type_meta, void **ret_message)
{
    struct arena *arena = operation->arena;
    if (before != NULL && patch_named_members(operation, schema, before, ret_message)) {
        return NULL;
    }
    const struct json_value *document =
        before == NULL ? NULL : api_message_to_json(arena, schema, before, type_meta);
    struct json_value *patched = NULL;
    const struct api_status *refusal = NULL;
    if (patch_tree(operation, kind, schema, document, &patched, &refusal) < 0) {
        return refusal != NULL ? refusal : api_status_unprocessable(arena);
    }
    struct api_problems problems = {0};
    CLEANUP(error_release) struct error error = {0};
    if (api_message_from_json(arena, schema, patched, &problems, ret_message, &error) < 0) {
        return patch_refused(operation, arena_text(arena, error_message(&error)));
    }
    return status_of_problems(operation, kind, &problems);
}

/* The patched object, whose form is the one that the client asked for. */
static const struct api_status *patch_object(struct operation *operation, const void *before,
                                             void **ret_message)
{
    const struct registry_call *call = operation->call;
    const struct api_kind *form = operation_form(operation);
    struct arena *arena = operation->arena;
    struct api_type_meta type_meta = {.api_version = form->api_version, .kind = form->kind};
    void *message = NULL;
    if (before != NULL && call->asked != NULL) {
        before = api_convert_from_stored(arena, form, before);
    }
    const struct api_status *refusal =
        patch_message(operation, form, form->message, before, &type_meta, &message);
    if (refusal == NULL) {
        *ret_message = call->asked == NULL ? message : api_convert_to_stored(arena, form, message);
    }
    return refusal;
}

static const struct api_status *check_identity(struct operation *operation,
                                               const Meta__V1__ObjectMeta *meta,
                                               const struct cached_object *existing)
{
    const char *namespace = text_or_empty(meta->namespace_);
    const struct api_status *refusal = operation_match_name(operation, meta);
    if (refusal != NULL) {
        return refusal;
    }
    if (strcmp(namespace, cached_object_namespace(existing)) != 0) {
        return api_status_bad_request(operation->arena,
                                      "the namespace of the provided object does not match the "
                                      "namespace sent on the request");
    }
    return NULL;
}

/* What is applied has its own name, which is that of the URL. */
static const struct api_status *check_new_name(struct operation *operation,
                                               const Meta__V1__ObjectMeta *meta)
{
    const char *namespace = operation_namespace(operation);
    const char *own = text_or_empty(meta->namespace_);
    const struct api_status *refusal = operation_match_name(operation, meta);
    if (refusal != NULL) {
        return refusal;
    }
    if (own[0] != 0 && strcmp(own, namespace) != 0) {
        return api_status_bad_request(operation->arena,
                                      "the namespace of the object (%s) does not match the "
                                      "namespace on the request (%s)",
                                      own, namespace);
    }
    return NULL;
}

/* Apply creates what does not exist. */
static enum plan_step plan_apply_new(struct operation *operation)
{
    struct registry_call *call = operation->call;
    const struct api_kind *kind = call->kind;
    void *message = NULL;
    const struct api_status *refusal = patch_object(operation, NULL, &message);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    const Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    refusal = check_new_name(operation, meta);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    if (meta->uid != NULL && meta->uid[0] != 0) {
        return plan_fail(operation,
                         api_status_conflict(
                             operation->arena, kind, operation_name(operation),
                             arena_printf(operation->arena,
                                          "uid mismatch: the provided object specified uid %s, and "
                                          "no existing object was found",
                                          meta->uid)));
    }
    call->body = message;
    return plan_create(operation);
}

enum plan_step plan_patch(struct operation *operation)
{
    const struct api_kind *kind = operation->call->kind;
    const char *name = operation_name(operation);
    const struct cached_object *existing =
        operation_lookup(operation, kind, operation_namespace(operation), name);
    if (existing == NULL) {
        if (operation->call->patch_type == REGISTRY_PATCH_APPLY &&
            operation_subresource(operation)[0] == 0) {
            return plan_apply_new(operation);
        }
        return plan_fail(operation, api_status_not_found(operation->arena, kind, name));
    }
    const struct api_status *unreadable = operation_unreadable(operation, existing);
    if (unreadable != NULL) {
        return plan_fail(operation, unreadable);
    }
    const void *before = operation_message(operation, existing);
    void *message = NULL;
    const struct api_status *refusal = patch_object(operation, before, &message);
    if (refusal == NULL) {
        refusal = check_identity(operation, message_meta(kind, message), existing);
    }
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    return plan_replace(operation, existing, message);
}
