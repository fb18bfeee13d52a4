/* Kinds that are answered and forgotten: access reviews, TokenReview, SelfSubjectReview; and
 * Binding, which is pods/binding by another path. */
#include "apiserver/request.h"
#include "k8s/authentication_v1.pb-c.h"
#include "k8s/authorization_v1.pb-c.h"
#include "k8s/core_v1.pb-c.h"

static const char *text(const char *value)
{
    return value == NULL ? "" : value;
}

static void answer(struct request *request, const void *message)
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
    answer(request, review);
}

static void token_review(struct request *request, void *message)
{
    Authentication__V1__TokenReview *review = message;
    const struct user *user = NULL;
    const char *const *audiences = NULL;
    size_t count = 0;
    const char *token = text(review->spec->token);
    if (token[0] == 0) {
        struct api_status *status = arena_alloc(request->arena, sizeof(*status));
        *status = *api_status_bad_request(request->arena, "token is required for TokenReview");
        respond_status(request, status);
        return;
    }
    int status = authenticate_token(request->server, request->arena, slice_text(token),
                                    (const char *const *)review->spec->audiences,
                                    review->spec->n_audiences, &user, &audiences, &count);
    if (status < 0) {
        review->status->error = arena_text(request->arena, "invalid bearer token");
        answer(request, review);
        return;
    }
    review->status->authenticated = true;
    review->status->has_authenticated = true;
    review->status->user = user_info(request->arena, user);
    review->status->audiences = arena_array(request->arena, count + 1, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        bool wanted = review->spec->n_audiences == 0;
        for (size_t j = 0; j < review->spec->n_audiences; j++) {
            wanted = wanted || strcmp(audiences[i], review->spec->audiences[j]) == 0;
        }
        if (wanted) {
            review->status->audiences[review->status->n_audiences++] =
                arena_text(request->arena, audiences[i]);
        }
    }
    answer(request, review);
}

static struct access access_of(const Authorization__V1__ResourceAttributes *resource,
                               const Authorization__V1__NonResourceAttributes *path)
{
    if (resource != NULL) {
        return (struct access){.verb = text(resource->verb),
                               .is_resource = true,
                               .group = text(resource->group),
                               .resource = text(resource->resource),
                               .subresource = text(resource->subresource),
                               .namespace = text(resource->namespace_),
                               .name = text(resource->name),
                               .path = ""};
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

static void check_attributes(struct api_causes *causes, const void *resource, const void *path)
{
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path resource_at = api_path_field(&spec, "resourceAttributes");
    struct api_path path_at = api_path_field(&spec, "nonResourceAttributes");
    if (resource != NULL && path != NULL) {
        api_cause_invalid(causes, &path_at, api_shown_raw("authorization.NonResourceAttributes"),
                          "cannot be specified in combination with resourceAttributes");
    } else if (resource == NULL && path == NULL) {
        api_cause_invalid(causes, &resource_at, api_shown_null(),
                          "exactly one of nonResourceAttributes or resourceAttributes must be "
                          "specified");
    }
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
    check_attributes(causes, attributes, review->spec->non_resource_attributes);
    if (text(review->spec->user)[0] == 0 && review->spec->n_groups == 0) {
        api_cause_invalid(causes, &user, api_shown_text(""),
                          "at least one of user or group must be specified");
    }
    if (!request->kind->namespaced) {
        return;
    }
    if (attributes != NULL && strcmp(text(attributes->namespace_), request->info.namespace) != 0) {
        api_cause_invalid(causes, &namespace, api_shown_text(attributes->namespace_),
                          "must match metadata.namespace");
    }
    if (review->spec->non_resource_attributes != NULL) {
        api_cause_invalid(causes, &path, api_shown_raw("authorization.NonResourceAttributes"),
                          "disallowed on this kind of request");
    }
}

static void self_access_review(struct request *request, void *message)
{
    Authorization__V1__SelfSubjectAccessReview *review = message;
    struct api_causes causes;
    api_causes_init(&causes, request->arena);
    check_attributes(&causes, review->spec->resource_attributes,
                     review->spec->non_resource_attributes);
    if (refuse_review(request, &causes)) {
        return;
    }
    struct access access =
        access_of(review->spec->resource_attributes, review->spec->non_resource_attributes);
    review->status->has_allowed = true;
    review->status->allowed = authorize(request->server, request->user, &access);
    answer(request, review);
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
    struct user user = {.name = text(review->spec->user),
                        .uid = text(review->spec->uid),
                        .groups = (const char *const *)review->spec->groups,
                        .group_count = review->spec->n_groups};
    struct access access =
        access_of(review->spec->resource_attributes, review->spec->non_resource_attributes);
    review->status->has_allowed = true;
    review->status->allowed = authorize(request->server, &user, &access);
    answer(request, review);
}

static void rules_review(struct request *request, void *message)
{
    Authorization__V1__SelfSubjectRulesReview *review = message;
    if (text(review->spec->namespace_)[0] == 0) {
        respond_status(request, api_status_bad_request(request->arena, "no namespace on request"));
        return;
    }
    review->status->incomplete = true;
    review->status->has_incomplete = true;
    review->status->evaluation_error =
        arena_text(request->arena, "rules cannot be listed by this authorizer; ask with "
                                   "SelfSubjectAccessReview");
    answer(request, review);
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

void handle_review(struct request *request)
{
    static const struct {
        const char *plural;
        void (*handle)(struct request *request, void *message);
    } reviews[] = {
        {"selfsubjectreviews", self_review},
        {"tokenreviews", token_review},
        {"selfsubjectaccessreviews", self_access_review},
        {"subjectaccessreviews", access_review},
        {"localsubjectaccessreviews", access_review},
        {"selfsubjectrulesreviews", rules_review},
        {"bindings", binding},
    };
    for (size_t i = 0; i < ARRAY_LEN(reviews); i++) {
        if (strcmp(request->kind->plural, reviews[i].plural) == 0) {
            void *message = NULL;
            if (fill_options(request) &&
                decode_body(request, request->kind, request->kind->message,
                            request->kind->api_version, request->kind->kind, &message)) {
                reviews[i].handle(request, message);
            }
            return;
        }
    }
    respond_status(request, api_status_no_resource(request->arena));
}
