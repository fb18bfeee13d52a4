/* Custom resources whose versions a webhook converts. Each version is a kind of its own here: what
 * is planned, checked and answered is of the version that the client speaks of; what is read and
 * written goes through the webhook. Planners do not wait: as with admission webhooks, a plan ends
 * where an answer is missing, and is made anew with it. */
#include "apiserver/admission.h"
#include "apiserver/conversion.h"
#include "apiserver/operation.h"
#include "apiserver/version_fill.h"
#include "lib/api/convert.h"
#include <assert.h>

/* What the webhook makes of one object that is not stored yet. */
struct form_answer {
    struct form_answer *next;
    struct operation *operation;
    const struct api_kind *from, *to;
    struct slice json;
    bool started, done;
    struct slice result;
    const struct api_status *refusal;
};

/* A lent status, in the operation's arena. */
static const struct api_status *keep_refusal(struct operation *operation,
                                             const struct api_status *refusal)
{
    return api_status_new(operation->arena, refusal->code, "",
                          arena_text(operation->arena, refusal->message), NULL, "");
}

/* --- What is stored --- */

static void versions_known(void *data, const struct api_status *refusal)
{
    struct operation *operation = data;
    operation->hopped = true;
    if (refusal != NULL) {
        operation_fail(operation, keep_refusal(operation, refusal));
    } else {
        operation->next(operation);
    }
}

bool operation_versions(struct operation *operation, const struct cached_object *const *objects,
                        size_t count, void (*next)(struct operation *operation))
{
    const struct registry_call *call = operation->call;
    if (custom_converter(call->kind) == NULL) {
        return true;
    }
    struct version_request request = {.fills = operation->registry->config.version_fills,
                                      .kind = call->kind,
                                      .objects = objects,
                                      .count = count,
                                      .home = call->home,
                                      .done = versions_known,
                                      .data = operation};
    operation->next = next;
    return version_fill_start(&request) == NULL;
}

const struct cached_object *operation_version(const struct operation *operation,
                                              const struct cached_object *object)
{
    const struct cached_object *version = cached_object_version(object, operation->call->kind);
    return version == NULL ? object : version;
}

bool operation_prepare(struct operation *operation)
{
    const struct registry_call *call = operation->call;
    if (operation->prepared || custom_converter(call->kind) == NULL ||
        operation_name(operation)[0] == 0) {
        return true;
    }
    const struct cached_object *stored = operation_lookup(
        operation, call->kind, operation_namespace(operation), operation_name(operation));
    if (!operation_versions(operation, &stored, 1, operation_start_write)) {
        return false;
    }
    operation->subject = stored == NULL ? NULL : operation_version(operation, stored);
    operation->prepared = true;
    return true;
}

/* --- What is new --- */

static struct form_answer *find_answer(const struct operation *operation, const struct api_kind *to,
                                       struct slice json)
{
    struct form_answer *answer = operation->forms;
    while (answer != NULL && !(answer->to == to && slice_equal(answer->json, json))) {
        answer = answer->next;
    }
    return answer;
}

const struct api_status *operation_convert(struct operation *operation, const struct api_kind *from,
                                           const struct api_kind *to, struct slice json,
                                           struct slice *ret_json)
{
    struct form_answer *answer = find_answer(operation, to, json);
    if (answer != NULL && answer->done) {
        *ret_json = answer->result;
        return answer->refusal;
    }
    if (answer == NULL && operation->form_count == WEBHOOK_CALLS_OF_REQUEST_MAX) {
        return api_status_internal(operation->arena, "too many conversions for one request");
    }
    if (answer == NULL) {
        answer = arena_zeroed(operation->arena, sizeof(*answer));
        *answer = (struct form_answer){.next = operation->forms,
                                       .operation = operation,
                                       .from = from,
                                       .to = to,
                                       .json = arena_slice(operation->arena, json)};
        operation->forms = answer;
        operation->form_count++;
    }
    return &admission_waiting;
}

static void converted(void *data, const struct slice *results, const struct api_status *refusal)
{
    struct form_answer *answer = data;
    struct operation *operation = answer->operation;
    answer->done = true;
    if (refusal != NULL) {
        answer->refusal = keep_refusal(operation, refusal);
    } else {
        answer->result = arena_slice(operation->arena, results[0]);
    }
    assert(operation->forms_under_way > 0);
    if (--operation->forms_under_way == 0) {
        operation_replay(operation);
    }
}

bool operation_convert_start(struct operation *operation)
{
    for (struct form_answer *each = operation->forms; each != NULL; each = each->next) {
        if (each->started) {
            continue;
        }
        struct conversion_item item = {.from = each->from, .json = each->json};
        struct conversion_request request = {.client = operation->registry->config.webhooks,
                                             .to = each->to,
                                             .items = &item,
                                             .count = 1,
                                             .home = operation->call->home,
                                             .done = converted,
                                             .data = each};
        each->started = true;
        operation->forms_under_way++;
        conversion_start(&request);
    }
    return operation->forms_under_way > 0;
}

static struct slice json_of(struct operation *operation, const struct api_kind *kind,
                            const void *message)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    struct api_object object = {.kind = kind, .message = (void *)(uintptr_t)message};
    api_object_encode_json(&object, &out);
    return arena_slice(operation->arena, buffer_slice(&out));
}

const struct api_status *operation_convert_message(struct operation *operation,
                                                   const struct api_kind *from,
                                                   const struct api_kind *to, const void *message,
                                                   void **ret_message)
{
    struct arena *arena = operation->arena;
    if (custom_converter(from) == NULL) {
        *ret_message = from->stored_as == to ? api_convert_to_stored(arena, from, message)
                                             : api_convert_from_stored(arena, to, message);
        return NULL;
    }
    struct slice json = {0};
    const struct api_status *refusal =
        operation_convert(operation, from, to, json_of(operation, from, message), &json);
    CLEANUP(error_release) struct error error = {0};
    struct api_object object = {0};
    if (refusal == NULL && api_object_decode(arena, to, json, &object, &error) < 0) {
        refusal = api_status_internal(arena, "%s", error_message(&error));
    }
    if (refusal == NULL) {
        *ret_message = object.message;
    }
    return refusal;
}

/* The answer to a write is what a read would show: what is stored, as the version that was written.
 */
static const struct api_status *answer_as_stored(struct operation *operation,
                                                 const struct api_kind *stored, struct slice json)
{
    struct plan *plan = &operation->plan;
    struct api_object object = {0};
    CLEANUP(error_release) struct error error = {0};
    if (plan->answer != NULL) {
        return NULL; /* It is of another kind: a Scale. */
    }
    const struct api_status *refusal =
        operation_convert(operation, stored, plan->kind, json, &json);
    if (refusal == NULL &&
        api_object_decode(operation->arena, plan->kind, json, &object, &error) < 0) {
        refusal = api_status_internal(operation->arena, "%s", error_message(&error));
    }
    if (refusal == NULL) {
        plan->answer = object.message;
    }
    return refusal;
}

const struct api_status *operation_store_form(struct operation *operation)
{
    struct plan *plan = &operation->plan;
    if (plan->remove || custom_converter(plan->kind) == NULL) {
        return NULL;
    }
    const struct api_kind *stored = &custom_of(plan->kind)->resource->storage->kind;
    if (stored == plan->kind) {
        return NULL; /* As all others are encoded. */
    }
    Meta__V1__ObjectMeta *meta = message_meta(plan->kind, plan->message);
    char *version = meta->resource_version;
    meta->resource_version = NULL; /* It is the store's. */
    struct slice json = json_of(operation, plan->kind, plan->message);
    meta->resource_version = version;
    const struct api_status *refusal =
        operation_convert(operation, plan->kind, stored, json, &json);
    if (refusal != NULL) {
        return refusal;
    }
    plan->value = operation_seal(operation, stored, plan->key, json);
    return plan->value.data == NULL ? operation_unsealed(operation)
                                    : answer_as_stored(operation, stored, json);
}
