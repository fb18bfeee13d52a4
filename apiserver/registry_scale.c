/* Planning of "scale": an autoscaling/v1 view of the replicas of an object. */
#include "apiserver/admission.h"
#include "apiserver/operation.h"
#include "k8s/autoscaling_v1.pb-c.h"
#include "lib/api/apply_scale.h"
#include "lib/api/custom.h"
#include "lib/api/selector.h"

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == 0;
}

static const struct api_field *sub_field(const struct api_message *message, const char *name)
{
    const struct api_member *member = api_message_member_text(message, name);
    return member == NULL ? NULL : member->field;
}

static void *sub_message(const struct api_field *field, const void *object)
{
    void **at = api_field_at(field, object);
    return *at;
}

static int32_t read_replicas(const struct api_message *message, const void *object,
                             const char *part)
{
    const struct api_field *holder = sub_field(message, part);
    void *held = sub_message(holder, object);
    const struct api_field *replicas = sub_field(holder->message, "replicas");
    if (held == NULL || !api_field_is_set(replicas, held)) {
        return 0;
    }
    const int32_t *value = api_field_at(replicas, held);
    return *value;
}

static void write_replicas(const struct api_message *message, void *object, int32_t value)
{
    const struct api_field *holder = sub_field(message, "spec");
    void *held = sub_message(holder, object);
    const struct api_field *replicas = sub_field(holder->message, "replicas");
    int32_t *at = api_field_at(replicas, held);
    *at = value;
    if (replicas->presence != API_NO_OFFSET) {
        int *has = (int *)((uintptr_t)held + replicas->presence);
        *has = 1;
    }
}

static const char *scale_selector(struct arena *arena, const struct api_message *message,
                                  const void *object)
{
    const struct api_field *spec_field = sub_field(message, "spec");
    const void *spec = sub_message(spec_field, object);
    const struct api_field *field = sub_field(spec_field->message, "selector");
    if (spec == NULL || field == NULL) {
        return "";
    }
    struct api_label_selector selector = {0};
    if (field->label == API_MAP) {
        void **entries = api_field_at(field, spec);
        struct api_string_map map = {.entries = *entries, .count = api_field_count(field, spec)};
        selector = api_label_selector_from_map(arena, map);
    } else if (api_label_selector_from_message(arena, sub_message(field, spec), &selector, NULL) <
               0) {
        return "";
    }
    return api_label_selector_print(arena, &selector);
}

static const struct api_message *scale_schema(void)
{
    return api_message_find("k8s.io.api.autoscaling.v1.Scale");
}

static bool fill_custom_scale(struct arena *arena, const struct api_kind *kind, const void *object,
                              Autoscaling__V1__Scale *scale, const struct api_status **ret_status)
{
    const Apiextensions__V1__CustomResourceSubresourceScale *paths =
        custom_of(kind)->source->subresources->scale;
    const struct custom_object *custom = object;
    const struct json_value *replicas =
        custom_value(custom->content, text_or_empty(paths->spec_replicas_path));
    const char *selector = text_or_empty(paths->label_selector_path);
    int64_t number = 0;
    if (replicas == NULL || json_int64(replicas, &number) < 0) {
        *ret_status = api_status_internal(arena, "the spec replicas field \"%s\" does not exist",
                                          text_or_empty(paths->spec_replicas_path));
        return false;
    }
    scale->spec->replicas = (int32_t)number;
    replicas = custom_value(custom->content, text_or_empty(paths->status_replicas_path));
    number = 0;
    scale->status->replicas =
        replicas != NULL && json_int64(replicas, &number) == 0 ? (int32_t)number : 0;
    scale->status->selector =
        selector[0] == 0 ? NULL : arena_text(arena, custom_field_text(object, selector));
    return true;
}

void *registry_scale_of(struct arena *arena, const struct api_kind *kind, const void *object,
                        const struct api_status **ret_status)
{
    Autoscaling__V1__Scale *scale = api_message_new(arena, scale_schema());
    const Meta__V1__ObjectMeta *meta = message_meta(kind, object);
    scale->metadata->name = meta->name;
    scale->metadata->namespace_ = meta->namespace_;
    scale->metadata->uid = meta->uid;
    scale->metadata->resource_version = meta->resource_version;
    scale->metadata->creation_timestamp = meta->creation_timestamp;
    scale->spec->has_replicas = true;
    if (custom_of(kind) != NULL) {
        scale->status->has_replicas = true;
        return fill_custom_scale(arena, kind, object, scale, ret_status) ? scale : NULL;
    }
    scale->spec->replicas = read_replicas(kind->message, object, "spec");
    scale->status->replicas = read_replicas(kind->message, object, "status");
    scale->status->has_replicas = true;
    scale->status->selector = arena_text(arena, scale_selector(arena, kind->message, object));
    return scale;
}

static const struct api_status *validate_scale(struct operation *operation,
                                               const Autoscaling__V1__Scale *scale)
{
    if (scale->spec->replicas >= 0 || custom_of(operation->call->kind) != NULL) {
        return NULL; /* A custom object is checked as a whole. */
    }
    struct api_causes causes;
    api_causes_init(&causes, operation->arena);
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path path = api_path_field(&spec, "replicas");
    api_cause_invalid(&causes, &path, api_shown_int(scale->spec->replicas),
                      "must be greater than or equal to 0");
    struct api_status *status = arena_alloc(operation->arena, sizeof(*status));
    *status = *api_status_invalid(operation->arena, operation->call->kind,
                                  operation_name(operation), &causes);
    status->group = "autoscaling";
    status->kind = "Scale";
    status->message =
        arena_printf(operation->arena, "Scale.autoscaling \"%s\" is invalid: %s: %s",
                     operation_name(operation), causes.items[0].field, causes.items[0].message);
    return status;
}

static const struct api_status *wanted_scale(struct operation *operation, const void *current,
                                             Autoscaling__V1__Scale **ret_scale)
{
    struct registry_call *call = operation->call;
    const struct api_kind *kind = api_scale_kind();
    void *wanted = NULL;
    if (call->verb == REGISTRY_UPDATE) {
        wanted = api_message_copy(operation->arena, kind->message, call->body);
    } else {
        struct api_type_meta type_meta = {.api_version = kind->api_version, .kind = kind->kind};
        const struct api_status *refusal =
            patch_message(operation, kind, kind->message, current, &type_meta, &wanted);
        if (refusal != NULL) {
            return refusal;
        }
    }
    plan_manage_fields(operation, kind, current, wanted);
    *ret_scale = wanted;
    return NULL;
}

/* Where the kind has what a Scale calls spec.replicas. */
static const char *replicas_path(const struct api_kind *kind)
{
    const struct custom_version *custom = custom_of(kind);
    return custom == NULL ? ".spec.replicas"
                          : text_or_empty(custom->source->subresources->scale->spec_replicas_path);
}

/* Owners were settled with the Scale: the object is written as by nobody. */
static enum plan_step replace_scaled(struct operation *operation,
                                     const struct cached_object *existing, void *message)
{
    struct registry_call *call = operation->call;
    const char *subresource = call->subresource, *manager = call->options.field_manager;
    call->subresource = "";
    call->options.field_manager = NULL;
    enum plan_step step = plan_replace(operation, existing, message);
    call->subresource = subresource;
    call->options.field_manager = manager;
    return step;
}

static void write_custom_replicas(struct arena *arena, const struct api_kind *kind, void *object,
                                  int32_t replicas)
{
    const char *path = custom_of(kind)->source->subresources->scale->spec_replicas_path;
    struct custom_object *custom = object;
    (void)custom_set_value(arena, custom->content, path,
                           json_new_int(arena, replicas)); /* It was read from there. */
}

/* Webhooks and policies see the Scale, not what becomes of the object. */
static const struct api_status *ask_about_scale(struct operation *operation, const void *current,
                                                Autoscaling__V1__Scale **scale)
{
    struct admission admission = {.operation = operation,
                                  .verb = ADMIT_UPDATE,
                                  .kind = operation->call->kind,
                                  .subresource = "scale",
                                  .namespace = operation_namespace(operation),
                                  .name = operation_name(operation),
                                  .message = *scale,
                                  .before = current};
    const struct api_status *refusal = admission_ask(&admission);
    *scale = admission.message;
    return refusal;
}

/* It is the Scale of the object in the URL, and of this one when it says which. */
static const struct api_status *check_identity(struct operation *operation,
                                               const Meta__V1__ObjectMeta *object,
                                               Autoscaling__V1__Scale *wanted)
{
    const struct api_kind *kind = operation->call->kind;
    Meta__V1__ObjectMeta *meta = wanted->metadata;
    const struct api_status *refusal = operation_match_namespace(operation, kind, meta);
    refusal = refusal != NULL ? refusal : operation_match_name(operation, meta);
    refusal = refusal != NULL ? refusal : validate_scale(operation, wanted);
    if (refusal != NULL || is_empty(meta->uid) || strcmp(meta->uid, object->uid) == 0) {
        return refusal;
    }
    return api_status_conflict(operation->arena, kind, operation_name(operation),
                               arena_printf(operation->arena,
                                            "Precondition failed: UID in precondition: %s, UID in "
                                            "object meta: %s",
                                            meta->uid, object->uid));
}

enum plan_step plan_scale(struct operation *operation)
{
    const struct api_kind *kind = operation->call->kind;
    struct arena *arena = operation->arena;
    const char *name = operation_name(operation);
    const struct cached_object *existing =
        operation_lookup(operation, kind, operation_namespace(operation), name);
    if (existing == NULL) {
        return plan_fail(operation, api_status_not_found(arena, kind, name));
    }
    const struct api_status *unreadable = operation_unreadable(operation, existing);
    if (unreadable != NULL) {
        return plan_fail(operation, unreadable);
    }
    const void *before = operation_message(operation, existing);
    Autoscaling__V1__Scale *wanted = NULL;
    const struct api_status *refusal = NULL;
    Autoscaling__V1__Scale *current = registry_scale_of(arena, kind, before, &refusal);
    if (refusal == NULL) {
        api_scale_owners(arena, kind, replicas_path(kind), message_meta(kind, before),
                         current->metadata);
    }
    refusal = refusal != NULL ? refusal : wanted_scale(operation, current, &wanted);
    refusal = refusal != NULL ? refusal : ask_about_scale(operation, current, &wanted);
    refusal =
        refusal != NULL ? refusal : check_identity(operation, message_meta(kind, before), wanted);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    void *message = api_message_copy(arena, kind->message, before);
    Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    const char *version = wanted->metadata->resource_version;
    if (custom_of(kind) == NULL) {
        write_replicas(kind->message, message, wanted->spec->replicas);
        meta->resource_version = NULL;
    } else {
        write_custom_replicas(arena, kind, message, wanted->spec->replicas);
    }
    if (!is_empty(version)) {
        meta->resource_version = arena_text(arena, version);
    }
    api_scale_owners_back(arena, kind, replicas_path(kind), wanted->metadata, meta);
    enum plan_step step = replace_scaled(operation, existing, message);
    if (operation->call->status != NULL || step == PLAN_WAIT) {
        return step;
    }
    Autoscaling__V1__Scale *answer =
        registry_scale_of(arena, kind, step == PLAN_WRITE ? message : before, &refusal);
    operation->plan.answer = answer;
    operation->plan.answer_meta = answer->metadata;
    operation->call->result = answer;
    operation->call->result_kind = NULL; /* An unchanged object would be answered as itself. */
    operation->call->result_schema = scale_schema();
    return step;
}
