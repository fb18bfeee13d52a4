/* Planning of patches: the stored object as a JSON tree, patched, decoded again, and then an
 * update. */
#include "apiserver/go_text.h"
#include "apiserver/operation.h"
#include "apiserver/warnings.h"
#include "lib/api/apply.h"
#include "lib/api/convert.h"
#include "lib/api/custom.h"
#include "lib/api/patch.h"
#include "lib/api/patch_typed.h"
#include <errno.h>

/* Keys that an applied configuration has twice: warned of, or refused when strict. */
static const struct api_status *status_of_applied(struct operation *operation,
                                                  const struct api_problems *problems)
{
    enum registry_field_validation mode = operation->call->options.field_validation;
    for (size_t i = 0; i < problems->count && mode == REGISTRY_FIELDS_WARN; i++) {
        const char *texts[WARNINGS_MAX];
        size_t count = warning_texts(operation->arena, problems->texts[i], texts, WARNINGS_MAX);
        for (size_t j = 0; j < count; j++) {
            operation_warn(operation, texts[j]);
        }
    }
    if (problems->count == 0 || mode != REGISTRY_FIELDS_STRICT) {
        return NULL;
    }
    return api_status_bad_request(operation->arena,
                                  "error strict decoding YAML: error converting YAML to JSON: %s",
                                  problems->texts[0]);
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
    struct api_apply_request request = {.kind = kind,
                                        .manager = call->options.field_manager,
                                        .subresource = operation_subresource(operation),
                                        .now_s = operation_now_s(operation),
                                        .force = call->options.force};
    status = api_apply(arena, &request, live, applied, ret_object, reterr_status);
    if (status < 0) {
        return status;
    }
    *reterr_status = status_of_applied(operation, &duplicates);
    return *reterr_status == NULL ? status : -EINVAL;
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

/* What the refusal of a patch shows: of a strategic one itself, else what it makes of the object.
 */
static const char *shown_patch(struct operation *operation, const struct json_value *patched)
{
    const struct registry_call *call = operation->call;
    struct json_value *patch = NULL;
    if (call->patch_type != REGISTRY_PATCH_STRATEGIC ||
        json_parse(operation->arena, call->patch, &patch, NULL) != 0) {
        return patch_show_patched(operation->arena, patched);
    }
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, 2 * REQUEST_BODY_MAX);
    patch_print_go(patch, &text);
    return arena_text_n(operation->arena, buffer_text(&text), text.len);
}

/* v1.32 blames the patch, not the object: no kind, no name. */
static const struct api_status *patch_refused(struct operation *operation,
                                              const struct json_value *patched, const char *why)
{
    struct api_causes causes;
    api_causes_init(&causes, operation->arena);
    struct api_path path = api_path_field(NULL, "patch");
    api_cause_invalid(&causes, &path, api_shown_text(shown_patch(operation, patched)), why);
    struct api_status *status = arena_alloc(operation->arena, sizeof(*status));
    *status = *api_status_invalid(operation->arena, operation->call->kind, "", &causes);
    status->kind = "";
    status->group = "";
    status->message =
        arena_printf(operation->arena, " \"\" is invalid: patch: %s", causes.items[0].message);
    return status;
}

/* Unknown and duplicate fields: NULL with warnings, or the refusal of strict validation. */
static const struct api_status *status_of_problems(struct operation *operation,
                                                   const struct json_value *patched,
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
    const char *all = arena_join(operation->arena, problems->texts, problems->count, ", ");
    return patch_refused(operation, patched,
                         arena_printf(operation->arena, "strict decoding error: %s", all));
}

/* As v1.32: of what the patch itself says twice, and of what its operations do not have. That of an
 * applied configuration is said where it is read. */
static void find_text_problems(struct operation *operation, struct api_problems *problems)
{
    const struct registry_call *call = operation->call;
    if (call->patch_type != REGISTRY_PATCH_APPLY &&
        call->options.field_validation != REGISTRY_FIELDS_IGNORE) {
        api_patch_problems(operation->arena, call->patch, call->patch_type == REGISTRY_PATCH_JSON,
                           problems);
    }
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

static const struct api_status *must_be(struct operation *operation, const struct api_kind *kind,
                                        const char *member, const char *is, const char *wanted)
{
    struct api_causes causes;
    api_causes_init(&causes, operation->arena);
    struct api_path path = api_path_field(NULL, member);
    api_cause_invalid(&causes, &path, api_shown_text(is),
                      arena_printf(operation->arena, "must be %s", wanted));
    return api_status_invalid(operation->arena, kind, operation_name(operation), &causes);
}

static const char *text_member(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_get_text(object, name);
    return value == NULL || value->type != JSON_STRING ? "" : (const char *)value->text.data;
}

/* A JSON or merge patch may not make another kind of the object; a strategic one has no say in it.
 */
static const struct api_status *check_type(struct operation *operation, const struct api_kind *kind,
                                           const struct json_value *patched)
{
    enum registry_patch type = operation->call->patch_type;
    struct arena *arena = operation->arena;
    if ((type != REGISTRY_PATCH_JSON && type != REGISTRY_PATCH_MERGE) ||
        patched->type != JSON_OBJECT) {
        return NULL;
    }
    const char *is = text_member(patched, "kind");
    const char *version = text_member(patched, "apiVersion");
    bool same_version = strcmp(version, kind->api_version) == 0;
    if (same_version && (strcmp(is, kind->kind) == 0 || (is[0] == 0 && custom_of(kind) == NULL))) {
        return NULL;
    }
    if (custom_of(kind) != NULL) {
        return strcmp(is, kind->kind) != 0
                   ? must_be(operation, kind, "kind", is, kind->kind)
                   : must_be(operation, kind, "apiVersion", version, kind->api_version);
    }
    if (version[0] == 0) { /* Read as the internal version, which calls all members otherwise. */
        return api_status_bad_request(arena,
                                      "the name of the object (%s based on URL) was "
                                      "undeterminable: name must be provided",
                                      operation_name(operation));
    }
    is = is[0] == 0 ? kind->kind : is;
    const struct api_kind *other = api_kind_by_api_version(version, is);
    if (other != NULL && api_stored_kind(other) == api_stored_kind(kind)) {
        return NULL;
    }
    const char *why =
        other != NULL
            ? arena_printf(arena, "converting (%s.%s) to (%s.%s): unknown conversion",
                           other->version, is, go_text_package(arena, kind->group), kind->kind)
            : arena_printf(arena,
                           "no kind \"%s\" is registered for version \"%s\" in scheme "
                           "\"pkg/api/legacyscheme/scheme.go:30\"",
                           is, version);
    return patch_refused(operation, patched, why);
}

const struct api_status *patch_message(struct operation *operation, const struct api_kind *kind,
                                       const struct api_message *schema, const void *before,
                                       const struct api_type_meta *type_meta, void **ret_message)
{
    struct arena *arena = operation->arena;
    struct api_problems problems = {0};
    find_text_problems(operation, &problems);
    if (before != NULL && problems.count == 0 &&
        patch_named_members(operation, schema, before, ret_message)) {
        return NULL;
    }
    const struct json_value *document =
        before == NULL ? NULL : api_message_to_json(arena, schema, before, type_meta);
    struct json_value *patched = NULL;
    const struct api_status *refusal = NULL;
    if (patch_tree(operation, kind, schema, document, &patched, &refusal) < 0) {
        return refusal != NULL ? refusal : api_status_unprocessable(arena);
    }
    CLEANUP(error_release) struct error error = {0};
    refusal = check_type(operation, kind, patched);
    if (refusal != NULL) {
        return refusal;
    }
    if (api_message_from_json(arena, schema, patched, &problems, ret_message, &error) < 0) {
        const char *why = operation->call->patch_type == REGISTRY_PATCH_STRATEGIC
                              ? patch_find_mistyped(arena, schema, patched)
                              : NULL;
        return patch_refused(operation, patched,
                             why != NULL ? why : arena_text(arena, error_message(&error)));
    }
    return status_of_problems(operation, patched, &problems);
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
    refusal = refusal != NULL ? refusal : operation_fits(operation, form, message);
    if (refusal == NULL) {
        *ret_message = call->asked == NULL ? message : api_convert_to_stored(arena, form, message);
    }
    return refusal;
}

/* The patched object is still the one of the URL; a namespace that it lacks it gets. */
static const struct api_status *check_identity(struct operation *operation, void *message)
{
    const struct api_kind *kind = operation->call->kind;
    Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    const struct api_status *refusal = operation_match_namespace(operation, kind, meta);
    return refusal != NULL ? refusal : operation_match_name(operation, meta);
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
    if (meta->uid != NULL && meta->uid[0] != 0) {
        return plan_fail(operation,
                         api_status_conflict(
                             operation->arena, kind, operation_name(operation),
                             arena_printf(operation->arena,
                                          "uid mismatch: the provided object specified uid %s, and "
                                          "no existing object was found",
                                          meta->uid)));
    }
    refusal = check_identity(operation, message);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
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
        refusal = check_identity(operation, message);
    }
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    return plan_replace(operation, existing, message);
}
