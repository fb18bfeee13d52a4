#include "apiserver/admission_webhook.h"

#include "apiserver/admission_match.h"
#include "apiserver/admission_notes.h"
#include "apiserver/admission_policy.h"
#include "apiserver/admission_review.h"
#include "apiserver/webhook_client.h"
#include "lib/api/defaults.h"
#include "lib/api/patch.h"
#include <assert.h>

/* A question and, once `done`, its answer. In an arena of its own: another thread fills it in. */
struct hook_answer {
    struct hook_answer *next;
    struct operation *operation;
    struct arena *arena;
    const char *webhook; /* "configuration/name" */
    const char *uid;
    struct slice object, old_object;
    struct webhook_call call;
    bool started;
    bool done;
};

struct hook_answers {
    struct hook_answer *first;
    size_t count;
    size_t under_way;
};

/* One webhook of a configuration, of either kind. */
struct hook {
    struct hook_place place;
    const char *id; /* "configuration/name" */
    const char *name;
    const Admissionregistration__V1__WebhookClientConfig *client;
    struct admission_match match;
    bool ignores_failure;
    bool reinvoked;
    const char *side_effects;
    uint64_t timeout_ms;
    const char *version; /* NULL: none that we speak. */
    Admissionregistration__V1__MatchCondition *const *conditions;
    size_t condition_count;
    size_t first_condition; /* Among those of the whole configuration. */
};

static bool is(const char *text, const char *wanted)
{
    return text != NULL && strcmp(text, wanted) == 0;
}

static const char *spoken_version(char *const *versions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(versions[i], "v1") == 0 || strcmp(versions[i], "v1beta1") == 0) {
            return versions[i];
        }
    }
    return NULL;
}

/* Both kinds of webhooks have these members. */
#define HOOK_OF(ARENA, CONFIGURATION, WEBHOOK)                                                     \
    (struct hook)                                                                                  \
    {                                                                                              \
        .place = {.configuration = (CONFIGURATION), .webhook = text_or_empty((WEBHOOK)->name)},    \
        .id = arena_printf((ARENA), "%s/%s", (CONFIGURATION), text_or_empty((WEBHOOK)->name)),     \
        .name = text_or_empty((WEBHOOK)->name), .client = (WEBHOOK)->client_config,                \
        .match = {.rules = (WEBHOOK)->rules,                                                       \
                  .rule_count = (WEBHOOK)->n_rules,                                                \
                  .exact = is((WEBHOOK)->match_policy, "Exact"),                                   \
                  .namespace_selector = (WEBHOOK)->namespace_selector,                             \
                  .object_selector = (WEBHOOK)->object_selector},                                  \
        .ignores_failure = is((WEBHOOK)->failure_policy, "Ignore"),                                \
        .side_effects = text_or_empty((WEBHOOK)->side_effects),                                    \
        .timeout_ms = UINT64_C(1000) * ((WEBHOOK)->timeout_seconds > 0                             \
                                            ? (uint64_t)(WEBHOOK)->timeout_seconds                 \
                                            : WEBHOOK_TIMEOUT_S),                                  \
        .version = spoken_version((WEBHOOK)->admission_review_versions,                            \
                                  (WEBHOOK)->n_admission_review_versions),                         \
        .conditions = (WEBHOOK)->match_conditions,                                                 \
        .condition_count = (WEBHOOK)->n_match_conditions,                                          \
    }

/* --- Questions --- */

static struct hook_answer *find_answer(const struct operation *operation, const struct hook *hook,
                                       const struct review_request *request)
{
    struct hook_answer *answer = operation->hooks == NULL ? NULL : operation->hooks->first;
    while (answer != NULL && !(strcmp(answer->webhook, hook->id) == 0 &&
                               slice_equal(answer->object, request->object) &&
                               slice_equal(answer->old_object, request->old_object))) {
        answer = answer->next;
    }
    return answer;
}

static struct webhook_target target_of(const struct hook *hook, struct arena *arena)
{
    const Admissionregistration__V1__WebhookClientConfig *client = hook->client;
    const Admissionregistration__V1__ServiceReference *service =
        client == NULL ? NULL : client->service;
    struct webhook_target target = {.url = ""};
    if (client != NULL) {
        target.ca_bundle =
            arena_slice(arena, slice_of(client->ca_bundle.data, client->ca_bundle.len));
    }
    if (service == NULL) {
        target.url = arena_text(arena, client == NULL ? "" : text_or_empty(client->url));
        return target;
    }
    target.url = NULL;
    target.service_namespace = arena_text(arena, text_or_empty(service->namespace_));
    target.service_name = arena_text(arena, text_or_empty(service->name));
    target.service_path = arena_text(arena, text_or_empty(service->path));
    target.service_port = service->port;
    return target;
}

static void answered(struct webhook_call *call)
{
    struct hook_answer *answer = call->data;
    struct hook_answers *answers = answer->operation->hooks;
    answer->done = true;
    assert(answers->under_way > 0);
    if (--answers->under_way == 0) {
        operation_replay(answer->operation);
    }
}

/* False when there are too many. */
static bool ask(struct admission *admission, const struct hook *hook,
                const struct review_request *request)
{
    struct operation *operation = admission->operation;
    if (operation->hooks == NULL) {
        operation->hooks = arena_zeroed(operation->arena, sizeof(*operation->hooks));
    }
    if (operation->hooks->count >= WEBHOOK_CALLS_OF_REQUEST_MAX) {
        return false;
    }
    struct arena *arena = arena_new(WEBHOOK_ARENA_MAX);
    struct hook_answer *answer = arena_zeroed(arena, sizeof(*answer));
    *answer = (struct hook_answer){.next = operation->hooks->first,
                                   .operation = operation,
                                   .arena = arena,
                                   .webhook = arena_text(arena, hook->id),
                                   .uid = arena_text(arena, operation_uuid(operation)),
                                   .object = arena_slice(arena, request->object),
                                   .old_object = arena_slice(arena, request->old_object)};
    answer->call = (struct webhook_call){
        .target = target_of(hook, arena),
        .body = admission_review(admission, request, hook->version, answer->uid, arena),
        .timeout_ms = hook->timeout_ms,
        .arena = arena,
        .home = operation->call->home,
        .done = answered,
        .data = answer,
    };
    operation->hooks->first = answer;
    operation->hooks->count++;
    return true;
}

void admission_webhooks_start(struct operation *operation)
{
    struct hook_answers *answers = operation->hooks;
    assert(answers != NULL);
    for (struct hook_answer *each = answers->first; each != NULL; each = each->next) {
        answers->under_way += !each->started;
    }
    assert(answers->under_way > 0);
    for (struct hook_answer *each = answers->first; each != NULL; each = each->next) {
        if (!each->started) {
            each->started = true;
            webhook_client_start(operation->registry->config.webhooks, &each->call);
        }
    }
}

void admission_webhooks_release(struct operation *operation)
{
    struct hook_answer *next = NULL;
    struct hook_answer *each = operation->hooks == NULL ? NULL : operation->hooks->first;
    for (; each != NULL; each = next) {
        next = each->next;
        arena_free(each->arena);
    }
    operation->hooks = NULL;
}

/* --- One webhook --- */

enum hook_outcome { HOOK_PASSED, HOOK_REFUSED, HOOK_WAITING };

static const struct api_status *failed(struct admission *admission, const struct hook *hook,
                                       const char *why)
{
    return api_status_internal(admission->operation->arena, "failed calling webhook \"%s\": %s",
                               hook->name, why);
}

/* NULL when it is not to be asked, or not in this form. */
static const struct api_status *check_dry_run(struct admission *admission, const struct hook *hook)
{
    bool harmless = is(hook->side_effects, "None") || is(hook->side_effects, "NoneOnDryRun");
    if (!admission->operation->call->options.dry_run || harmless) {
        return NULL;
    }
    return api_status_bad_request(admission->operation->arena,
                                  "admission webhook \"%s\" does not support dry run", hook->name);
}

/* What the webhook says to the request: NULL with an answer (which is all-zero for a failure that
 * is ignored), admission_waiting, or a refusal. */
static const struct api_status *consult(struct admission *admission, const struct hook *hook,
                                        const struct review_request *request,
                                        struct review_answer *ret_answer)
{
    struct operation *operation = admission->operation;
    struct arena *arena = operation->arena;
    *ret_answer = (struct review_answer){.allowed = true};
    const struct hook_answer *answer = find_answer(operation, hook, request);
    const char *problem = "could not create admission objects: webhook does not accept known "
                          "AdmissionReview versions (v1, v1beta1)";
    if (hook->version != NULL && answer == NULL) {
        return ask(admission, hook, request)
                   ? &admission_waiting
                   : failed(admission, hook, "too many calls to webhooks for one request");
    }
    if (hook->version != NULL && !answer->done) {
        return &admission_waiting;
    }
    if (hook->version != NULL) {
        problem = admission_review_read(arena, &answer->call, hook->version, answer->uid,
                                        hook->place.mutating, ret_answer);
    }
    if (problem != NULL && hook->ignores_failure) {
        admission_note_failure(operation, &hook->place);
        return NULL;
    }
    if (problem != NULL) {
        return failed(admission, hook, problem);
    }
    admission_note_answer(operation, &hook->place, ret_answer);
    for (size_t i = 0; i < ret_answer->warning_count; i++) {
        operation_warn(operation, ret_answer->warnings[i]);
    }
    return ret_answer->allowed ? NULL
                               : admission_review_denial(arena, hook->name, ret_answer->status);
}

/* --- Mutating --- */

static bool holds(const char *const *ids, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(ids[i], id) == 0) {
            return true;
        }
    }
    return false;
}

/* Those who were asked before the change are due again. */
static void make_due(struct hook_round *round)
{
    for (size_t i = 0; i < round->asked_count; i++) {
        if (!holds(round->due, round->due_count, round->asked[i]) &&
            round->due_count < WEBHOOKS_OF_REQUEST_MAX) {
            round->due[round->due_count++] = round->asked[i];
        }
    }
    round->asked_count = 0;
}

static const struct api_status *decode_patched(struct admission *admission,
                                               const struct api_kind *form,
                                               const struct json_value *tree)
{
    struct arena *arena = admission->operation->arena;
    CLEANUP(error_release) struct error error = {0};
    void *message = NULL;
    const struct api_message *schema =
        admission->body != NULL ? admission->body->message : form->message;
    if (api_message_from_json(arena, schema, tree, NULL, &message, &error) < 0) {
        return api_status_internal(arena, "%s", error_message(&error));
    }
    if (admission->body == NULL && form != admission->kind) {
        const struct api_status *refusal = operation_convert_message(
            admission->operation, form, admission->kind, message, &message);
        if (refusal != NULL) {
            return refusal;
        }
    }
    if (admission->body == NULL) {
        api_default_object(arena, admission->kind, message);
    }
    admission->message = message;
    admission->shown = NULL;
    return NULL;
}

static const struct api_status *apply_patch(struct admission *admission, const struct hook *hook,
                                            const struct review_request *request,
                                            struct slice patch, struct hook_round *round)
{
    struct arena *arena = admission->operation->arena;
    CLEANUP(error_release) struct error error = {0};
    struct json_value *before = NULL;
    struct json_value *after = NULL;
    const char *words = NULL;
    if (admission->verb == ADMIT_DELETE) {
        return api_status_internal(arena,
                                   "admission webhook \"%s\" attempted to modify the object, "
                                   "which is not supported for this operation",
                                   hook->name);
    }
    if (json_parse(arena, request->object, &before, &error) < 0) {
        return api_status_internal(arena, "%s", error_message(&error));
    }
    if (api_patch_json_worded(arena, before, patch, &after, &words) < 0) {
        return api_status_internal(arena, "%s", words);
    }
    if (json_equal(before, after)) {
        return NULL;
    }
    const struct api_status *refusal = decode_patched(admission, request->form, after);
    if (refusal == NULL) {
        make_due(round);
        round->changed = true;
        round->left = admission_review_request(admission, admission->kind).object;
    }
    return refusal;
}

/* --- Who is to be asked --- */

/* A configuration's webhooks, and the conditions of all of them. */
struct hook_list {
    const struct cached_object *object;
    struct hook *hooks;
    size_t count;
    size_t condition_count;
};

/* Of a configuration with so many webhooks. */
static struct hook_list hook_list_of(struct arena *arena, const struct cached_object *object,
                                     size_t count)
{
    return (struct hook_list){.object = object,
                              .hooks = arena_array(arena, count + 1, sizeof(struct hook))};
}

static void add_hook(struct hook_list *list, struct hook hook)
{
    hook.first_condition = list->condition_count;
    list->condition_count += hook.condition_count;
    list->hooks[list->count++] = hook;
}

static struct expression_set *conditions_of(struct admission *admission,
                                            const struct hook_list *list)
{
    struct operation *operation = admission->operation;
    struct expression_sources sources = {
        .items = arena_array(operation->arena, list->condition_count + 1, sizeof(*sources.items))};
    for (size_t i = 0; i < list->count; i++) {
        for (size_t j = 0; j < list->hooks[i].condition_count; j++) {
            sources.items[sources.count++] = (struct expression_source){
                .text = text_or_empty(list->hooks[i].conditions[j]->expression),
                .wanted = ADMISSION_BOOL};
        }
    }
    return expression_cache_get(operation->registry->expressions, list->object, &sources);
}

/* Whether the webhook's conditions hold; a refusal when that cannot be said. */
static bool conditions_hold(struct admission *admission, const struct hook_list *list,
                            const struct hook *hook, const struct api_kind *form,
                            const struct api_status **ret_refusal)
{
    if (hook->condition_count == 0) {
        return true;
    }
    const char *problem = NULL;
    struct expression_set *set = conditions_of(admission, list);
    struct expression_activation activation =
        expression_activation_of(admission, form, CONDITIONS_COST_MAX);
    bool hold = admission_conditions_hold(set, hook->first_condition, hook->condition_count,
                                          &activation, &problem);
    expression_activation_release(&activation);
    expression_set_unref(set);
    if (problem != NULL && !hook->ignores_failure) {
        *ret_refusal = api_status_forbidden(admission->operation->arena, admission->kind,
                                            admission->name, problem);
    }
    return hold;
}

/* The form that the webhook is shown the object in; NULL when it is not asked. */
static const struct api_kind *asked_in(struct admission *admission, const struct hook_list *list,
                                       const struct hook *hook,
                                       const struct api_status **ret_refusal)
{
    const struct api_kind *form = admission_match(admission, &hook->match);
    *ret_refusal = form == NULL ? NULL : admission_review_prepare(admission, form);
    if (*ret_refusal != NULL) {
        return NULL;
    }
    if (form == NULL || !conditions_hold(admission, list, hook, form, ret_refusal)) {
        return NULL;
    }
    *ret_refusal = check_dry_run(admission, hook);
    return *ret_refusal == NULL ? form : NULL;
}

struct hook_walk {
    struct admission *admission;
    struct hook_round *round; /* Mutating. */
    const struct api_status *refusal;
    size_t seen; /* Webhooks of all configurations so far. */
};

static const struct api_status *mutate_with(struct admission *admission,
                                            const struct hook_list *list, const struct hook *hook,
                                            struct hook_round *round)
{
    const struct api_status *refusal = NULL;
    if (round->again && !holds(round->due, round->due_count, hook->id)) {
        return NULL;
    }
    const struct api_kind *form = asked_in(admission, list, hook, &refusal);
    if (form == NULL) {
        return refusal;
    }
    struct review_request request = admission_review_request(admission, form);
    struct review_answer answer;
    refusal = consult(admission, hook, &request, &answer);
    const void *before = admission->message;
    if (refusal == NULL && answer.patch.len > 0) {
        refusal = apply_patch(admission, hook, &request, answer.patch, round);
    }
    if (refusal == NULL) {
        admission_note_mutation(admission->operation, &hook->place, admission->message != before,
                                answer.patch);
    }
    if (refusal == NULL && hook->reinvoked && round->asked_count < WEBHOOKS_OF_REQUEST_MAX) {
        round->asked[round->asked_count++] = hook->id;
    }
    return refusal;
}

static bool each_mutating(void *data, const struct cached_object *object)
{
    struct hook_walk *walk = data;
    const Admissionregistration__V1__MutatingWebhookConfiguration *configuration =
        cached_object_message(object);
    size_t count = configuration == NULL ? 0 : configuration->n_webhooks;
    struct arena *arena = walk->admission->operation->arena;
    struct hook_list list = hook_list_of(arena, object, count);
    for (size_t i = 0; i < count; i++) {
        struct hook hook = HOOK_OF(arena, cached_object_name(object), configuration->webhooks[i]);
        hook.place.mutating = true;
        hook.place.round = walk->round->again ? 1 : 0;
        hook.place.index = walk->seen++;
        hook.reinvoked = is(configuration->webhooks[i]->reinvocation_policy, "IfNeeded");
        add_hook(&list, hook);
    }
    for (size_t i = 0; i < count && walk->refusal == NULL; i++) {
        walk->refusal = mutate_with(walk->admission, &list, &list.hooks[i], walk->round);
    }
    return walk->refusal == NULL;
}

static const struct api_status *
walk_configurations(struct hook_walk *walk, const struct api_kind *kind,
                    bool (*each)(void *data, const struct cached_object *))
{
    const struct registry *registry = walk->admission->operation->registry;
    struct cache_view *view = watch_cache_view(registry->config.cache, kind);
    if (cache_view_count(view) > 0) {
        cache_view_each(view, "", slice_text(""), each, walk);
    }
    cache_view_free(view);
    return walk->refusal;
}

static bool is_asked_about(const struct admission *admission)
{
    return admission->operation->registry->config.webhooks != NULL &&
           admission_is_asked_about(admission);
}

const struct api_status *admit_mutating_webhooks(struct admission *admission,
                                                 struct hook_round *round)
{
    const struct registry *registry = admission->operation->registry;
    if (!is_asked_about(admission)) {
        return NULL;
    }
    if (round->again && admission->message != NULL &&
        !slice_equal(round->left, admission_review_request(admission, admission->kind).object)) {
        make_due(round); /* Steps of our own have changed it since. */
    }
    struct hook_walk walk = {.admission = admission, .round = round};
    return walk_configurations(&walk, registry->mutating_hooks_kind, each_mutating);
}

/* --- Validating: all are asked at once --- */

static const struct api_status *validate_with(struct admission *admission,
                                              const struct hook_list *list, const struct hook *hook)
{
    const struct api_status *refusal = NULL;
    const struct api_kind *form = asked_in(admission, list, hook, &refusal);
    if (form == NULL) {
        return refusal;
    }
    struct review_request request = admission_review_request(admission, form);
    struct review_answer answer;
    return consult(admission, hook, &request, &answer);
}

static bool each_validating(void *data, const struct cached_object *object)
{
    struct hook_walk *walk = data;
    const Admissionregistration__V1__ValidatingWebhookConfiguration *configuration =
        cached_object_message(object);
    size_t count = configuration == NULL ? 0 : configuration->n_webhooks;
    struct arena *arena = walk->admission->operation->arena;
    struct hook_list list = hook_list_of(arena, object, count);
    for (size_t i = 0; i < count; i++) {
        struct hook hook = HOOK_OF(arena, cached_object_name(object), configuration->webhooks[i]);
        hook.place.index = walk->seen++;
        add_hook(&list, hook);
    }
    for (size_t i = 0; i < count; i++) {
        const struct api_status *refusal = validate_with(walk->admission, &list, &list.hooks[i]);
        if (refusal != NULL && (walk->refusal == NULL || refusal == &admission_waiting)) {
            walk->refusal = refusal; /* The first; but first all have to have answered. */
        }
    }
    return true;
}

const struct api_status *admit_validating_webhooks(struct admission *admission)
{
    const struct registry *registry = admission->operation->registry;
    if (!is_asked_about(admission)) {
        return NULL;
    }
    struct hook_walk walk = {.admission = admission};
    return walk_configurations(&walk, registry->validating_hooks_kind, each_validating);
}
