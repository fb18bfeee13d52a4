/* The reviews of authorization.k8s.io: whether somebody may do something, and all that the caller
 * may do in a namespace. */
#include "apiserver/access_review_checks.h"
#include "apiserver/access_selector.h"
#include "apiserver/request.h"
#include "k8s/tables.h"
#include "lib/api/shown.h"

static const char *text(const char *value)
{
    return value == NULL ? "" : value;
}

static struct access access_of(struct arena *arena,
                               const Authorization__V1__ResourceAttributes *resource,
                               const Authorization__V1__NonResourceAttributes *path)
{
    if (resource != NULL) {
        const char *version = text(resource->version);
        return (struct access){
            .verb = text(resource->verb),
            .is_resource = true,
            .group = text(resource->group),
            .version = version[0] == 0 ? "*" : version,
            .resource = text(resource->resource),
            .subresource = text(resource->subresource),
            .namespace = text(resource->namespace_),
            .name = text(resource->name),
            .path = "",
            .fields = access_selector_of_reviewed_fields(arena, resource->field_selector),
            .labels = access_selector_of_reviewed_labels(arena, resource->label_selector)};
    }
    return (struct access){.verb = path == NULL ? "" : text(path->verb),
                           .path = path == NULL ? "" : text(path->path),
                           .group = "",
                           .resource = "",
                           .subresource = "",
                           .namespace = "",
                           .name = ""};
}

/* v1.32 blames the review without naming its kind. */
static bool refuse_review(struct request *request, const struct api_causes *causes)
{
    if (causes->count == 0) {
        return false;
    }
    struct api_status *status = arena_alloc(request->arena, sizeof(*status));
    *status = *api_status_invalid(request->arena, request->kind, "", causes);
    status->kind = "";
    const char *text = strchr(status->message, ' '); /* After the kind. */
    status->message = arena_printf(request->arena, ".%s%s", request->kind->group, text);
    respond_status(request, status);
    return true;
}

/* Somebody has to be asked about, and a local review asks about its own namespace. */
static void check_review(struct request *request, struct api_causes *causes,
                         const Authorization__V1__SubjectAccessReview *review)
{
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path user = api_path_field(&spec, "user");
    struct api_path resource = api_path_field(&spec, "resourceAttributes");
    struct api_path path = api_path_field(&spec, "nonResourceAttributes");
    struct api_path namespace = api_path_field(&resource, "namespace");
    const Authorization__V1__ResourceAttributes *attributes = review->spec->resource_attributes;
    access_review_check_attributes(causes, attributes, review->spec->non_resource_attributes);
    if (text(review->spec->user)[0] == 0 && review->spec->n_groups == 0) {
        api_cause_invalid(causes, &user, api_shown_text(""),
                          "at least one of user or group must be specified");
    }
    access_review_check_selectors(causes, attributes);
    access_review_check_metadata(causes, review->metadata, request->kind->namespaced);
    if (!request->kind->namespaced) {
        return;
    }
    if (attributes != NULL && strcmp(text(attributes->namespace_), request->info.namespace) != 0) {
        api_cause_invalid(causes, &namespace, api_shown_text(attributes->namespace_),
                          "must match metadata.namespace");
    }
    if (review->spec->non_resource_attributes != NULL) {
        api_cause_invalid(causes, &path,
                          api_shown_message(causes->arena,
                                            &authorization__v1__non_resource_attributes__schema,
                                            review->spec->non_resource_attributes),
                          "disallowed on this kind of request");
    }
}

/* A review while it is decided. */
struct deciding {
    struct request *request;
    void *message;
    Authorization__V1__SubjectAccessReviewStatus *status;
    struct user user;
    struct access access;
    struct authorization question;
};

/* Adds what became of a selector that could not be read. */
static const char *add_fault(struct arena *arena, const char *error, const char *name,
                             const struct access_selector *selector)
{
    if (!selector->faulty) {
        return error;
    }
    return arena_printf(arena, "%s%sspec.resourceAttributes.%s %signored due to parse error", error,
                        error[0] == 0 ? "" : "; ", name, selector->count > 0 ? "partially " : "");
}

static void answer(struct deciding *state)
{
    const struct authorization *question = &state->question;
    struct arena *arena = state->request->arena;
    const char *error = add_fault(arena, question->error, "fieldSelector", &state->access.fields);
    error = add_fault(arena, error, "labelSelector", &state->access.labels);
    state->status->has_allowed = true;
    state->status->allowed = question->allowed;
    if (question->denied) {
        state->status->has_denied = true;
        state->status->denied = true;
    }
    state->status->reason = arena_text(arena, question->reason);
    if (error[0] != 0) {
        state->status->evaluation_error = arena_text(arena, error);
    }
    respond_review(state->request, state->message);
}

static void on_decided(struct authorization *question)
{
    struct deciding *state = question->data;
    if (state->request->codec->is_aborted(state->request)) {
        request_finish(state->request);
    } else {
        answer(state);
    }
}

static void decide(struct request *request, void *message, const struct user *user,
                   const struct access *access,
                   Authorization__V1__SubjectAccessReviewStatus *status)
{
    struct deciding *state = arena_zeroed(request->arena, sizeof(*state));
    *state = (struct deciding){.request = request,
                               .message = message,
                               .status = status,
                               .user = *user,
                               .access = *access,
                               .question = {.user = &state->user,
                                            .access = &state->access,
                                            .arena = request->arena,
                                            .home = http_exchange_loop(request->exchange),
                                            .decided = on_decided,
                                            .data = state,
                                            .explain = true}};
    if (authorizer_decide(request->server->authorizer, &state->question)) {
        answer(state);
    }
}

static void self_access_review(struct request *request, void *message)
{
    Authorization__V1__SelfSubjectAccessReview *review = message;
    struct api_causes causes;
    api_causes_init(&causes, request->arena);
    access_review_check_attributes(&causes, review->spec->resource_attributes,
                                   review->spec->non_resource_attributes);
    access_review_check_selectors(&causes, review->spec->resource_attributes);
    access_review_check_metadata(&causes, review->metadata, /* local= */ false);
    if (refuse_review(request, &causes)) {
        return;
    }
    const struct access access = access_of(request->arena, review->spec->resource_attributes,
                                           review->spec->non_resource_attributes);
    decide(request, review, request->user, &access, review->status);
}

static struct user user_of(struct arena *arena,
                           const Authorization__V1__SubjectAccessReviewSpec *spec)
{
    struct user user = {.name = text(spec->user),
                        .uid = text(spec->uid),
                        .groups = (const char *const *)spec->groups,
                        .group_count = spec->n_groups};
    struct user_extra *extras = NULL;
    size_t room = 0;
    for (size_t i = 0; i < spec->n_extra; i++) {
        for (size_t j = 0; spec->extra[i]->value != NULL && j < spec->extra[i]->value->n_items;
             j++) {
            extras = arena_array_room(arena, extras, user.extra_count, sizeof(*extras), &room);
            extras[user.extra_count++] = (struct user_extra){
                .key = text(spec->extra[i]->key), .value = text(spec->extra[i]->value->items[j])};
        }
    }
    user.extras = extras;
    return user;
}

static void access_review(struct request *request, void *message)
{
    Authorization__V1__SubjectAccessReview *review = message;
    struct api_causes causes;
    api_causes_init(&causes, request->arena);
    check_review(request, &causes, review);
    if (refuse_review(request, &causes)) {
        return;
    }
    const struct user user = user_of(request->arena, review->spec);
    const struct access access = access_of(request->arena, review->spec->resource_attributes,
                                           review->spec->non_resource_attributes);
    decide(request, review, &user, &access, review->status);
}

/* --- All rules of the caller --- */

static void add_resource_rule(struct arena *arena, const Rbac__V1__PolicyRule *rule,
                              Authorization__V1__SubjectRulesReviewStatus *status)
{
    Authorization__V1__ResourceRule *row =
        api_message_new(arena, api_message_find("k8s.io.api.authorization.v1.ResourceRule"));
    row->verbs = rule->verbs;
    row->n_verbs = rule->n_verbs;
    row->api_groups = rule->api_groups;
    row->n_api_groups = rule->n_api_groups;
    row->resources = rule->resources;
    row->n_resources = rule->n_resources;
    row->resource_names = rule->resource_names;
    row->n_resource_names = rule->n_resource_names;
    status->resource_rules[status->n_resource_rules++] = row;
}

static void add_path_rule(struct arena *arena, const Rbac__V1__PolicyRule *rule,
                          Authorization__V1__SubjectRulesReviewStatus *status)
{
    Authorization__V1__NonResourceRule *row =
        api_message_new(arena, api_message_find("k8s.io.api.authorization.v1.NonResourceRule"));
    row->verbs = rule->verbs;
    row->n_verbs = rule->n_verbs;
    row->non_resource_urls = rule->non_resource_urls;
    row->n_non_resource_urls = rule->n_non_resource_urls;
    status->non_resource_rules[status->n_non_resource_rules++] = row;
}

static void rules_review(struct request *request, void *message)
{
    Authorization__V1__SelfSubjectRulesReview *review = message;
    Authorization__V1__SubjectRulesReviewStatus *status = review->status;
    struct arena *arena = request->arena;
    const char *namespace = text(review->spec->namespace_), *incomplete = NULL;
    if (namespace[0] == 0) {
        respond_status(request, api_status_bad_request(arena, "no namespace on request"));
        return;
    }
    struct rbac_rules rules =
        authorizer_rules(request->server->authorizer, arena, request->user, namespace, &incomplete);
    status->resource_rules = arena_array(arena, rules.count + 1, sizeof(void *));
    status->non_resource_rules = arena_array(arena, rules.count + 1, sizeof(void *));
    for (size_t i = 0; i < rules.count; i++) {
        if (rules.items[i]->n_resources > 0) {
            add_resource_rule(arena, rules.items[i], status);
        }
        if (rules.items[i]->n_non_resource_urls > 0) {
            add_path_rule(arena, rules.items[i], status);
        }
    }
    status->has_incomplete = true;
    status->incomplete = incomplete != NULL;
    status->evaluation_error = arena_text(arena, text(incomplete));
    respond_review(request, review);
}

bool handle_access_review(struct request *request, void *message)
{
    static const struct {
        const char *plural;
        void (*handle)(struct request *request, void *message);
    } reviews[] = {
        {"selfsubjectaccessreviews", self_access_review},
        {"subjectaccessreviews", access_review},
        {"localsubjectaccessreviews", access_review},
        {"selfsubjectrulesreviews", rules_review},
    };
    for (size_t i = 0; i < ARRAY_LEN(reviews); i++) {
        if (strcmp(request->kind->plural, reviews[i].plural) == 0) {
            reviews[i].handle(request, message);
            return true;
        }
    }
    return false;
}
