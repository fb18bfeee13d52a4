#include "apiserver/admission_review.h"

#include "apiserver/admission_match.h"
#include "apiserver/webhook_client.h"
#include "lib/base/base64.h"
#include <assert.h>
#include <errno.h>

/* --- What is asked --- */

/* The object as `form`. NULL, admission_waiting, or a refusal. */
static const struct api_status *show(struct admission *admission, const struct api_kind *form,
                                     const void *message, void **ret_shown)
{
    const struct api_kind *kind = admission_message_kind(admission);
    *ret_shown = (void *)(uintptr_t)message;
    return message == NULL || form == kind || admission->body != NULL
               ? NULL
               : operation_convert_message(admission->operation, kind, form, message, ret_shown);
}

const struct api_status *admission_review_prepare(struct admission *admission,
                                                  const struct api_kind *form)
{
    void *ignored = NULL;
    const struct api_status *object = show(admission, form, admission->message, &ignored);
    const struct api_status *before = show(admission, form, admission->before, &ignored);
    return object != NULL ? object : before;
}

static struct slice object_text(struct admission *admission, const struct api_kind *form,
                                const void *message)
{
    struct arena *arena = admission->operation->arena;
    void *shown = NULL;
    const struct api_status *refusal = show(admission, form, message, &shown);
    assert(refusal == NULL); /* Prepared. */
    if (refusal != NULL || shown == NULL) {
        return slice_text("null");
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    struct api_object object = {.kind = admission->body != NULL ? admission->body : form,
                                .message = shown};
    api_object_encode_json(&object, &out);
    return arena_slice(arena, buffer_slice(&out));
}

struct review_request admission_review_request(struct admission *admission,
                                               const struct api_kind *form)
{
    struct arena *arena = admission->operation->arena;
    bool deletes = admission->verb == ADMIT_DELETE;
    if (admission->shown != NULL && admission->shown->form == form) {
        return *admission->shown;
    }
    struct review_request *request = arena_alloc(arena, sizeof(*request));
    *request = (struct review_request){
        .form = form,
        .asked = admission_asked(admission),
        .body = admission->body,
        .object = object_text(admission, form, deletes ? NULL : admission->message),
        .old_object = object_text(admission, form, admission->before),
    };
    admission->shown = request;
    return *request;
}

static struct json_value *group_version(struct arena *arena, const struct api_kind *kind,
                                        const char *what, const char *name)
{
    struct json_value *tree = json_new_object(arena);
    json_set_text(arena, tree, "group", json_new_text(arena, kind->group));
    json_set_text(arena, tree, "version", json_new_text(arena, kind->version));
    json_set_text(arena, tree, what, json_new_text(arena, name));
    return tree;
}

static struct json_value *kind_tree(struct arena *arena, const struct api_kind *kind)
{
    return group_version(arena, kind, "kind", kind->kind);
}

static struct json_value *resource_tree(struct arena *arena, const struct api_kind *kind)
{
    return group_version(arena, kind, "resource", kind->plural);
}

static void set_text(struct arena *arena, struct json_value *object, const char *name,
                     const char *text)
{
    if (text != NULL && text[0] != 0) {
        json_set_text(arena, object, name, json_new_text(arena, text));
    }
}

static struct json_value *text_array(struct arena *arena, const char *const *texts, size_t count)
{
    struct json_value *array = json_new_array(arena);
    for (size_t i = 0; i < count; i++) {
        json_append(arena, array, json_new_text(arena, texts[i]));
    }
    return array;
}

static struct json_value *user_tree(struct arena *arena, const struct user *user)
{
    struct json_value *tree = json_new_object(arena);
    set_text(arena, tree, "username", user->name);
    set_text(arena, tree, "uid", user->uid);
    if (user->group_count > 0) {
        json_set_text(arena, tree, "groups", text_array(arena, user->groups, user->group_count));
    }
    struct json_value *extra = json_new_object(arena);
    for (size_t i = 0; i < user->extra_count; i++) {
        struct json_value *values = json_get_text(extra, user->extras[i].key);
        if (values == NULL) {
            values = json_new_array(arena);
            json_set_text(arena, extra, arena_text(arena, user->extras[i].key), values);
        }
        json_append(arena, values, json_new_text(arena, user->extras[i].value));
    }
    if (user->extra_count > 0) {
        json_set_text(arena, tree, "extra", extra);
    }
    return tree;
}

static const char *options_kind(const struct registry_call *call)
{
    switch (call->verb) {
    case REGISTRY_CREATE:
    case REGISTRY_REVIEW:
        return "CreateOptions";
    case REGISTRY_UPDATE:
        return "UpdateOptions";
    case REGISTRY_PATCH:
        return "PatchOptions";
    case REGISTRY_DELETE:
    case REGISTRY_DELETE_COLLECTION:
    case REGISTRY_GET:
    case REGISTRY_LIST:
    case REGISTRY_CONNECT:
        return "DeleteOptions";
    }
    return "";
}

static void set_delete_options(struct arena *arena, struct json_value *tree,
                               const struct registry_options *options)
{
    if (options->has_grace_seconds) {
        json_set_text(arena, tree, "gracePeriodSeconds",
                      json_new_int(arena, options->grace_seconds));
    }
    set_text(arena, tree, "propagationPolicy", options->propagation);
    if (options->expect_uid != NULL || options->expect_version != NULL) {
        struct json_value *preconditions = json_new_object(arena);
        set_text(arena, preconditions, "uid", options->expect_uid);
        set_text(arena, preconditions, "resourceVersion", options->expect_version);
        json_set_text(arena, tree, "preconditions", preconditions);
    }
}

struct json_value *admission_options(struct admission *admission)
{
    static const char *const all[] = {"All"};
    static const char *const validations[] = {[REGISTRY_FIELDS_WARN] = NULL,
                                              [REGISTRY_FIELDS_IGNORE] = "Ignore",
                                              [REGISTRY_FIELDS_STRICT] = "Strict"};
    struct arena *arena = admission->operation->arena;
    const struct registry_call *call = admission->operation->call;
    struct json_value *tree = json_new_object(arena);
    set_text(arena, tree, "kind", options_kind(call));
    set_text(arena, tree, "apiVersion", "meta.k8s.io/v1");
    if (call->options.dry_run) {
        json_set_text(arena, tree, "dryRun", text_array(arena, all, 1));
    }
    if (call->verb == REGISTRY_DELETE) {
        set_delete_options(arena, tree, &call->options);
        return tree;
    }
    if (call->options.force) {
        json_set_text(arena, tree, "force", json_new_bool(arena, true));
    }
    set_text(arena, tree, "fieldManager", call->options.field_manager);
    set_text(arena, tree, "fieldValidation", validations[call->options.field_validation]);
    return tree;
}

struct json_value *admission_request_tree(struct admission *admission,
                                          const struct review_request *request, const char *uid)
{
    struct arena *arena = admission->operation->arena;
    const struct registry_call *call = admission->operation->call;
    struct json_value *tree = json_new_object(arena);
    json_set_text(arena, tree, "uid", json_new_text(arena, uid));
    const struct api_kind *body = request->body;
    json_set_text(arena, tree, "kind", kind_tree(arena, body != NULL ? body : request->form));
    json_set_text(arena, tree, "resource", resource_tree(arena, request->form));
    set_text(arena, tree, "subResource", admission->subresource);
    json_set_text(arena, tree, "requestKind",
                  kind_tree(arena, body != NULL ? body : request->asked));
    json_set_text(arena, tree, "requestResource", resource_tree(arena, request->asked));
    set_text(arena, tree, "requestSubResource", admission->subresource);
    set_text(arena, tree, "name", admission->name);
    set_text(arena, tree, "namespace", admission_namespace(admission));
    set_text(arena, tree, "operation", admission_operation_text(admission->verb));
    json_set_text(arena, tree, "userInfo", user_tree(arena, call->user));
    json_set_text(arena, tree, "dryRun", json_new_bool(arena, call->options.dry_run));
    json_set_text(arena, tree, "options",
                  admission->verb == ADMIT_CONNECT ? json_new_null(arena)
                                                   : admission_options(admission));
    return tree;
}

struct slice admission_review(struct admission *admission, const struct review_request *request,
                              const char *version, const char *uid, struct arena *arena)
{
    struct json_value *tree = admission_request_tree(admission, request, uid);
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 3 * ENCODED_OBJECT_MAX);
    buffer_printf(&out,
                  "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/%s\","
                  "\"request\":",
                  version);
    json_print(tree, /* sorted= */ false, &out);
    out.len--; /* The objects are texts already: they go before the closing brace. */
    buffer_append_text(&out, ",\"object\":");
    buffer_append_slice(&out, request->object);
    buffer_append_text(&out, ",\"oldObject\":");
    buffer_append_slice(&out, request->old_object);
    buffer_append_text(&out, "}}");
    return arena_slice(arena, buffer_slice(&out));
}

/* --- What is answered --- */

static const char *text_of(const struct json_value *object, const char *name)
{
    const struct json_value *value = object == NULL ? NULL : json_get_text(object, name);
    return value != NULL && value->type == JSON_STRING ? (const char *)value->text.data : "";
}

/* Patch and type, of v1: a mutating webhook has both or neither, a validating one neither. */
static const char *check_patch(const struct json_value *response, bool mutating)
{
    bool patched = text_of(response, "patch")[0] != 0;
    const struct json_value *type = json_get_text(response, "patchType");
    bool typed = type != NULL && type->type == JSON_STRING;
    if (!mutating) {
        return patched ? "validating webhook may not return response.patch"
               : typed ? "validating webhook may not return response.patchType"
                       : NULL;
    }
    if (patched != typed) {
        return patched ? "webhook returned response.patch but not response.patchType"
                       : "webhook returned response.patchType but not response.patch";
    }
    return typed && type->text.len == 0 ? "webhook returned invalid response.patchType of \"\""
                                        : NULL;
}

/* Of a mutating webhook. */
static const char *read_patch(struct arena *arena, const struct json_value *response, bool typed,
                              struct slice *ret_patch)
{
    const char *patch = text_of(response, "patch"), *type = text_of(response, "patchType");
    if (patch[0] == 0) {
        return NULL;
    }
    if (typed && strcmp(type, "JSONPatch") != 0) {
        return arena_printf(arena, "unsupported patch type \"%s\"", type);
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, WEBHOOK_ANSWER_MAX);
    if (base64_decode(slice_text(patch), &out) < 0) {
        return "failed to call webhook: illegal base64 data in response.patch";
    }
    *ret_patch = arena_slice(arena, buffer_slice(&out));
    return NULL;
}

static void read_warnings(struct arena *arena, const struct json_value *response,
                          struct review_answer *answer)
{
    const struct json_value *list = json_get_text(response, "warnings");
    if (list == NULL || list->type != JSON_ARRAY) {
        return;
    }
    const char **texts = arena_array(arena, list->count + 1, sizeof(*texts));
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->type == JSON_STRING) {
            size_t len = list->items[i]->text.len;
            texts[answer->warning_count++] =
                arena_text_n(arena, (const char *)list->items[i]->text.data,
                             len < WEBHOOK_WARNING_MAX ? len : WEBHOOK_WARNING_MAX);
        }
    }
    answer->warnings = texts;
}

static bool is_plain_text(const struct json_value *value)
{
    return value->type == JSON_STRING && memchr(value->text.data, 0, value->text.len) == NULL;
}

static void read_notes(struct arena *arena, const struct json_value *response,
                       struct review_answer *answer)
{
    const struct json_value *map = json_get_text(response, "auditAnnotations");
    if (map == NULL || map->type != JSON_OBJECT) {
        return;
    }
    struct audit_note *notes = arena_array(arena, map->count, sizeof(*notes));
    for (size_t i = 0; i < map->count && answer->note_count < AUDIT_NOTES_MAX; i++) {
        const struct json_member *member = &map->members[i];
        if (is_plain_text(member->value)) {
            const struct slice *text = &member->value->text;
            notes[answer->note_count++] = (struct audit_note){
                .key = arena_text_n(arena, (const char *)member->name.data, member->name.len),
                .value = arena_text_n(arena, (const char *)text->data, text->len)};
        }
    }
    answer->notes = notes;
}

static const struct api_status *read_status(struct arena *arena, const struct json_value *response)
{
    const struct json_value *tree = json_get_text(response, "status");
    void *message = NULL;
    if (tree == NULL || tree->type != JSON_OBJECT ||
        api_message_from_json(arena,
                              api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.Status"), tree,
                              NULL, &message, NULL) < 0) {
        return NULL;
    }
    return api_status_from_message(arena, message);
}

static const char *check_review(struct arena *arena, const struct json_value *tree,
                                const char *version, const char *uid, bool mutating)
{
    const struct json_value *response = json_get_text(tree, "response");
    if (response == NULL || response->type != JSON_OBJECT) {
        return "webhook response was absent";
    }
    if (strcmp(version, "v1") != 0) {
        return NULL; /* Neither was looked at before v1. */
    }
    const char *got = text_of(response, "uid");
    if (strcmp(got, uid) != 0) {
        return arena_printf(arena, "expected response.uid=\"%s\", got \"%s\"", uid, got);
    }
    const char *api_version = text_of(tree, "apiVersion"), *kind = text_of(tree, "kind");
    return strcmp(api_version, "admission.k8s.io/v1") == 0 && strcmp(kind, "AdmissionReview") == 0
               ? check_patch(response, mutating)
               : arena_printf(arena,
                              "expected webhook response of admission.k8s.io/v1, "
                              "Kind=AdmissionReview, got %s%s, Kind=%s",
                              strchr(api_version, '/') == NULL ? "/" : "", api_version, kind);
}

const char *admission_review_read(struct arena *arena, const struct webhook_call *call,
                                  const char *version, const char *uid, bool mutating,
                                  struct review_answer *ret_answer)
{
    if (call->error < 0) {
        return arena_printf(arena, "failed to call webhook: %s", call->message);
    }
    if (call->status < 200 || call->status > 299) {
        return arena_printf(arena, "failed to call webhook: %s", webhook_answer_words(arena, call));
    }
    CLEANUP(error_release) struct error error = {0};
    struct json_value *tree = NULL;
    if (json_parse(arena, call->answer, &tree, &error) < 0 || tree->type != JSON_OBJECT) {
        return arena_printf(arena,
                            "failed to call webhook: couldn't get version/kind; json parse "
                            "error: %s",
                            error.message == NULL ? "not an object" : error_message(&error));
    }
    struct review_answer answer = {0};
    const char *problem = check_review(arena, tree, version, uid, mutating);
    const struct json_value *response = json_get_text(tree, "response");
    if (problem != NULL) {
        return arena_printf(arena, "received invalid webhook response: %s", problem);
    }
    const struct json_value *allowed = json_get_text(response, "allowed");
    answer.allowed = allowed != NULL && allowed->type == JSON_BOOL && allowed->boolean;
    if (mutating && answer.allowed) {
        problem = read_patch(arena, response, strcmp(version, "v1") == 0, &answer.patch);
    }
    if (problem != NULL) {
        return problem;
    }
    answer.status = read_status(arena, response);
    read_warnings(arena, response, &answer);
    read_notes(arena, response, &answer);
    *ret_answer = answer;
    return NULL;
}

const struct api_status *admission_review_denial(struct arena *arena, const char *webhook,
                                                 const struct api_status *said)
{
    const char *denied =
        arena_printf(arena, "admission webhook \"%s\" denied the request", webhook);
    struct api_status *status = arena_zeroed(arena, sizeof(*status));
    *status = said != NULL ? *said : *api_status_new(arena, 400, "", "", NULL, "");
    const char *message = text_or_empty(status->message);
    const char *reason = text_or_empty(status->reason);
    if (status->code < 400) {
        status->code = 400;
    }
    status->success = false;
    if (message[0] != 0) {
        status->message = arena_printf(arena, "%s: %s", denied, message);
    } else if (reason[0] != 0) {
        status->message = arena_printf(arena, "%s: %s", denied, reason);
    } else {
        status->message = arena_printf(arena, "%s without explanation", denied);
    }
    return status;
}
