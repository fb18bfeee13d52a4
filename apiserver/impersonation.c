/* Impersonation: somebody acts as another, when he may `impersonate` that user, each of the groups,
 * the uid and each extra; asked one by one, in the words of v1.32. */
#include "apiserver/audit.h"
#include "apiserver/request.h"

static const char account_prefix[] = "system:serviceaccount:";

struct impersonation {
    const char *name; /* NULL: nobody. */
    const char *uid;  /* "" for none. */
    const char **groups;
    size_t group_count;
    struct user_extra *extras;
    size_t extra_count;
    struct request *request;
    const struct access *questions; /* Each has to be allowed. */
    size_t question_count, next;
    struct authorization question;
};

static bool header_is(const struct http_header *header, const char *name)
{
    size_t len = strlen(name);
    return header->name.len == len && strncasecmp((const char *)header->name.data, name, len) == 0;
}

static const char *value_of(struct arena *arena, const struct http_header *header)
{
    return arena_text_n(arena, (const char *)header->value.data, header->value.len);
}

const char *extra_key(struct arena *arena, const struct http_header *header, size_t prefix)
{
    char *key =
        arena_text_n(arena, (const char *)header->name.data + prefix, header->name.len - prefix);
    for (char *c = key; *c != 0; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    }
    const char *decoded = percent_decoded(arena, slice_text(key));
    return decoded == NULL ? key : decoded;
}

/* False when there are more than anybody needs. */
static bool read_headers(struct request *request, struct impersonation *ret)
{
    static const char prefix[] = "impersonate-extra-";
    struct arena *arena = request->arena;
    size_t count = 0;
    const struct http_header *headers = http_headers(request->exchange, &count);
    for (size_t i = 0; i < count; i++) {
        const struct http_header *header = &headers[i];
        if (header->name.len < sizeof("impersonate-") ||
            strncasecmp((const char *)header->name.data, "impersonate-",
                        sizeof("impersonate-") - 1) != 0) {
            continue;
        }
        if (ret->groups == NULL) {
            ret->groups = arena_array(arena, IMPERSONATE_GROUPS_MAX + 3, sizeof(char *));
            ret->extras = arena_array(arena, IMPERSONATE_EXTRAS_MAX, sizeof(*ret->extras));
        }
        if (header_is(header, "impersonate-user") && ret->name == NULL) {
            ret->name = value_of(arena, header);
        } else if (header_is(header, "impersonate-uid") && ret->uid[0] == 0) {
            ret->uid = value_of(arena, header);
        } else if (header_is(header, "impersonate-group")) {
            if (ret->group_count == IMPERSONATE_GROUPS_MAX) {
                return false;
            }
            ret->groups[ret->group_count++] = value_of(arena, header);
        } else if (strncasecmp((const char *)header->name.data, prefix, sizeof(prefix) - 1) == 0) {
            if (ret->extra_count == IMPERSONATE_EXTRAS_MAX) {
                return false;
            }
            ret->extras[ret->extra_count++] =
                (struct user_extra){.key = extra_key(arena, header, sizeof(prefix) - 1),
                                    .value = value_of(arena, header)};
        }
    }
    return true;
}

/* "namespace" and "name" of system:serviceaccount:namespace:name; false for another name. */
static bool split_account(struct arena *arena, const char *user, const char **ret_namespace,
                          const char **ret_name)
{
    if (strncmp(user, account_prefix, sizeof(account_prefix) - 1) != 0) {
        return false;
    }
    const char *namespace = user + sizeof(account_prefix) - 1;
    const char *colon = strchr(namespace, ':');
    if (colon == NULL || colon == namespace || colon[1] == 0 || strchr(colon + 1, ':') != NULL) {
        return false;
    }
    *ret_namespace = arena_text_n(arena, namespace, (size_t)(colon - namespace));
    *ret_name = colon + 1;
    return true;
}

/* --- Whether he may: each question after the one before --- */

static struct access one(const char *group, const char *resource, const char *subresource,
                         const char *namespace, const char *name)
{
    return (struct access){.verb = "impersonate",
                           .is_resource = true,
                           .group = group,
                           .resource = resource,
                           .subresource = subresource,
                           .namespace = namespace,
                           .name = name,
                           .path = ""};
}

static void list_questions(struct request *request, struct impersonation *wanted)
{
    const char *namespace = "", *name = wanted->name;
    bool account = split_account(request->arena, wanted->name, &namespace, &name);
    size_t max = wanted->group_count + wanted->extra_count + 2;
    struct access *all = arena_array(request->arena, max, sizeof(*all));
    size_t count = 0;
    all[count++] = one("", account ? "serviceaccounts" : "users", "", namespace, name);
    for (size_t i = 0; i < wanted->group_count; i++) {
        all[count++] = one("", "groups", "", "", wanted->groups[i]);
    }
    for (size_t i = 0; i < wanted->extra_count; i++) {
        const struct user_extra *extra = &wanted->extras[i];
        all[count++] = one("authentication.k8s.io", "userextras", extra->key, "", extra->value);
    }
    if (wanted->uid[0] != 0) {
        all[count++] = one("authentication.k8s.io", "uids", "", "", wanted->uid);
    }
    wanted->questions = all;
    wanted->question_count = count;
}

/* --- Becoming the other --- */

static void add_account_groups(struct arena *arena, struct impersonation *wanted)
{
    const char *namespace = "", *name = "";
    if (wanted->group_count == 0 && split_account(arena, wanted->name, &namespace, &name)) {
        wanted->groups[wanted->group_count++] = "system:serviceaccounts";
        wanted->groups[wanted->group_count++] =
            arena_printf(arena, "system:serviceaccounts:%s", namespace);
    }
}

static bool in_groups(const struct impersonation *wanted, const char *group)
{
    for (size_t i = 0; i < wanted->group_count; i++) {
        if (strcmp(wanted->groups[i], group) == 0) {
            return true;
        }
    }
    return false;
}

/* Everybody is in one of these two groups; a caller may say which. */
static const struct user *other_user(struct arena *arena, struct impersonation *wanted)
{
    bool anonymous = strcmp(wanted->name, user_anonymous.name) == 0;
    if (anonymous && !in_groups(wanted, "system:unauthenticated")) {
        wanted->groups[wanted->group_count++] = "system:unauthenticated";
    } else if (!anonymous && !in_groups(wanted, "system:authenticated") &&
               !in_groups(wanted, "system:unauthenticated")) {
        wanted->groups[wanted->group_count++] = "system:authenticated";
    }
    struct user *user = arena_zeroed(arena, sizeof(*user));
    *user = (struct user){.name = wanted->name,
                          .uid = wanted->uid,
                          .groups = wanted->groups,
                          .group_count = wanted->group_count,
                          .extras = wanted->extras,
                          .extra_count = wanted->extra_count};
    return user;
}

static void become(struct impersonation *wanted)
{
    struct request *request = wanted->request;
    add_account_groups(request->arena, wanted);
    request->user = other_user(request->arena, wanted);
    audit_impersonation(request);
}

static void on_decided(struct authorization *question);

/* Goes on with the questions. True: he may, and is the other; false: refused, or waiting. */
static bool ask_all(struct impersonation *wanted)
{
    struct request *request = wanted->request;
    while (wanted->next < wanted->question_count) {
        wanted->question = (struct authorization){.user = request->user,
                                                  .access = &wanted->questions[wanted->next++],
                                                  .arena = request->arena,
                                                  .home = http_exchange_loop(request->exchange),
                                                  .decided = on_decided,
                                                  .data = wanted};
        if (!authorizer_decide(request->server->authorizer, &wanted->question)) {
            return false;
        }
        if (!wanted->question.allowed) {
            authorization_refuse(request, &wanted->question);
            return false;
        }
    }
    become(wanted);
    return true;
}

static void on_decided(struct authorization *question)
{
    struct impersonation *wanted = question->data;
    struct request *request = wanted->request;
    if (request->codec->is_aborted(request)) {
        request_finish(request);
    } else if (!question->allowed) {
        authorization_refuse(request, question);
    } else if (ask_all(wanted)) {
        request_continue(request);
    }
}

/* Parts of another without a name. They are shown as v1.32 holds them: kind, namespace, name, uid,
 * version of the kind, version of the object, path of a field. */
static bool refuse_nameless(struct request *request, const struct impersonation *wanted)
{
    static const char version[] = "authentication.k8s.io/v1";
    if (wanted->group_count == 0 && wanted->extra_count == 0 && wanted->uid[0] == 0) {
        return true;
    }
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, ENCODED_OBJECT_MAX);
    buffer_append_text(&text, "requested [");
    for (size_t i = 0; i < wanted->group_count; i++) {
        buffer_printf(&text, "%s{Group  %s    }", i == 0 ? "" : " ", wanted->groups[i]);
    }
    for (size_t i = 0; i < wanted->extra_count; i++) {
        buffer_printf(&text, "%s{UserExtra  %s  %s  %s}", wanted->group_count + i == 0 ? "" : " ",
                      wanted->extras[i].value, version, wanted->extras[i].key);
    }
    if (wanted->uid[0] != 0) {
        buffer_printf(&text, "%s{UID  %s  %s  }",
                      wanted->group_count + wanted->extra_count == 0 ? "" : " ", wanted->uid,
                      version);
    }
    buffer_append_text(&text, "] without impersonating a user");
    request->codec->failed(request, buffer_text(&text));
    return false;
}

bool stage_impersonate(struct request *request)
{
    struct impersonation read = {.uid = "", .request = request};
    if (!read_headers(request, &read)) {
        respond_status(request,
                       api_status_bad_request(request->arena, "too many headers of impersonation"));
        return false;
    }
    if (read.groups == NULL) {
        return true;
    }
    if (read.name == NULL || read.name[0] == 0) {
        return refuse_nameless(request, &read);
    }
    struct impersonation *wanted = arena_alloc(request->arena, sizeof(*wanted));
    *wanted = read;
    list_questions(request, wanted);
    return ask_all(wanted);
}
