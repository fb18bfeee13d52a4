/* Kinds that are answered and forgotten: TokenReview, SelfSubjectReview; and Binding, which is
 * pods/binding by another path. The access reviews are in handler_access_review.c. */
#include "apiserver/request.h"
#include "k8s/authentication_v1.pb-c.h"
#include "k8s/core_v1.pb-c.h"

static const char *text(const char *value)
{
    return value == NULL ? "" : value;
}

void respond_review(struct request *request, const void *message)
{
    struct api_type_meta meta = {.api_version = request->kind->api_version,
                                 .kind = request->kind->kind};
    respond_message(request, 201, request->kind->message, message, &meta);
}

/* A key that came more than once has all its values. */
static void add_extra(struct arena *arena, Authentication__V1__UserInfo *info,
                      const struct user_extra *extra, size_t max)
{
    Authentication__V1__UserInfo__ExtraEntry *entry = NULL;
    for (size_t i = 0; i < info->n_extra; i++) {
        if (strcmp(info->extra[i]->key, extra->key) == 0) {
            entry = info->extra[i];
        }
    }
    if (entry == NULL) {
        entry = arena_alloc(arena, sizeof(*entry));
        authentication__v1__user_info__extra_entry__init(entry);
        entry->value = arena_alloc(arena, sizeof(*entry->value));
        authentication__v1__extra_value__init(entry->value);
        entry->value->items = arena_array(arena, max, sizeof(char *));
        entry->key = arena_text(arena, extra->key);
        info->extra[info->n_extra++] = entry;
    }
    entry->value->items[entry->value->n_items++] = arena_text(arena, extra->value);
}

static Authentication__V1__UserInfo *user_info(struct arena *arena, const struct user *user)
{
    const struct api_message *schema = api_message_find("k8s.io.api.authentication.v1.UserInfo");
    Authentication__V1__UserInfo *info = api_message_new(arena, schema);
    info->username = arena_text(arena, user->name);
    info->uid = arena_text(arena, user->uid);
    info->groups = arena_array(arena, user->group_count + 1, sizeof(char *));
    info->n_groups = user->group_count;
    for (size_t i = 0; i < user->group_count; i++) {
        info->groups[i] = arena_text(arena, user->groups[i]);
    }
    info->extra = arena_array(arena, user->extra_count + 1, sizeof(*info->extra));
    for (size_t i = 0; i < user->extra_count; i++) {
        add_extra(arena, info, &user->extras[i], user->extra_count);
    }
    return info;
}

static void self_review(struct request *request, void *message)
{
    Authentication__V1__SelfSubjectReview *review = message;
    review->status->user_info = user_info(request->arena, request->user);
    respond_review(request, review);
}

/* --- TokenReview --- */

struct token_review {
    struct request *request;
    Authentication__V1__TokenReview *review;
    struct token_question question;
};

static void add_audiences(const struct token_review *state)
{
    struct arena *arena = state->request->arena;
    const Authentication__V1__TokenReviewSpec *spec = state->review->spec;
    Authentication__V1__TokenReviewStatus *status = state->review->status;
    const struct text_list *audiences = &state->question.for_whom;
    status->audiences = arena_array(arena, audiences->count + 1, sizeof(char *));
    for (size_t i = 0; i < audiences->count; i++) {
        bool wanted = spec->n_audiences == 0;
        for (size_t j = 0; j < spec->n_audiences; j++) {
            wanted = wanted || strcmp(audiences->items[i], spec->audiences[j]) == 0;
        }
        if (wanted) {
            status->audiences[status->n_audiences++] = arena_text(arena, audiences->items[i]);
        }
    }
}

static void answer_token_review(const struct token_review *state)
{
    struct request *request = state->request;
    Authentication__V1__TokenReviewStatus *status = state->review->status;
    if (state->question.status < 0) {
        const char *why = state->question.why;
        status->error = arena_printf(
            request->arena, why == NULL ? "invalid bearer token" : "[invalid bearer token, %s]",
            text(why));
        respond_review(request, state->review);
        return;
    }
    status->authenticated = true;
    status->has_authenticated = true;
    status->user = user_info(request->arena, state->question.user);
    add_audiences(state);
    respond_review(request, state->review);
}

static void on_token_known(struct token_question *question)
{
    struct token_review *state = question->data;
    if (state->request->codec->is_aborted(state->request)) {
        request_finish(state->request);
    } else {
        answer_token_review(state);
    }
}

static void token_review(struct request *request, void *message)
{
    struct token_review *state = arena_zeroed(request->arena, sizeof(*state));
    state->request = request;
    state->review = message;
    const Authentication__V1__TokenReviewSpec *spec = state->review->spec;
    if (text(spec->token)[0] == 0) {
        struct api_status *status = arena_alloc(request->arena, sizeof(*status));
        *status = *api_status_bad_request(request->arena, "token is required for TokenReview");
        respond_status(request, status);
        return;
    }
    state->question = (struct token_question){
        .token = slice_text(spec->token),
        .audiences = {(const char *const *)spec->audiences, spec->n_audiences},
        .arena = request->arena,
        .home = http_exchange_loop(request->exchange),
        .answered = on_token_known,
        .notes = request->call.notes,
        .data = state};
    if (authenticate_token(request->server, &state->question)) {
        answer_token_review(state);
    }
}

static void bound(struct request *request)
{
    respond_status(request, request->call.success);
}

static void binding(struct request *request, void *message)
{
    const Core__V1__Binding *body = message;
    request->call.verb = REGISTRY_CREATE;
    request->call.body = message;
    request->info.subresource = "binding";
    request->info.name = body->metadata->name == NULL ? "" : body->metadata->name;
    request->kind = api_kind_find("", "v1", "pods");
    start_call(request, bound);
}

static void judge(struct request *request, void *message)
{
    static const struct {
        const char *plural;
        void (*handle)(struct request *request, void *message);
    } reviews[] = {
        {"selfsubjectreviews", self_review},
        {"tokenreviews", token_review},
    };
    for (size_t i = 0; i < ARRAY_LEN(reviews); i++) {
        if (strcmp(request->kind->plural, reviews[i].plural) == 0) {
            reviews[i].handle(request, message);
            return;
        }
    }
    if (!handle_access_review(request, message)) {
        respond_status(request, api_status_no_resource(request->arena));
    }
}

/* As webhooks have left it. */
static void admitted(struct request *request)
{
    if (request->codec->is_aborted(request)) {
        request_finish(request);
    } else {
        judge(request, (void *)(uintptr_t)request->call.result); /* A copy, in our arena. */
    }
}

void handle_review(struct request *request)
{
    void *message = NULL;
    if (request->accept.form == FORM_TABLE) {
        respond_status(request, api_status_not_acceptable(request->arena,
                                                          "application/json, application/yaml, "
                                                          "application/vnd.kubernetes.protobuf"));
        return;
    }
    if (!fill_options(request) ||
        !decode_body(request, request->kind, request->kind->message, request->kind->api_version,
                     request->kind->kind, &message)) {
        return;
    }
    if (strcmp(request->kind->plural, "bindings") == 0) {
        binding(request, message);
        return;
    }
    request->call.verb = REGISTRY_REVIEW;
    request->call.body = message;
    start_call(request, admitted);
}
