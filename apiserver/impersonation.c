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

/* --- Whether he may --- */

static bool may(struct request *request, const char *group, const char *resource,
                const char *subresource, const char *namespace, const char *name)
{
    const struct access access = {.verb = "impersonate",
                                  .is_resource = true,
                                  .group = group,
                                  .resource = resource,
                                  .subresource = subresource,
                                  .namespace = namespace,
                                  .name = name,
                                  .path = "",
                                  .node_selected = ""};
    const char *reason = "";
    if (authorizer_allows(request->server->authorizer, request->arena, request->user, &access,
                          &reason)) {
        return true;
    }
    respond_status(request, forbidden_access(request->arena, request->user, &access, reason));
    return false;
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

static bool may_all(struct request *request, const struct impersonation *wanted)
{
    const char *namespace = "", *name = wanted->name;
    bool account = split_account(request->arena, wanted->name, &namespace, &name);
    if (!may(request, "", account ? "serviceaccounts" : "users", "", namespace, name)) {
        return false;
    }
    for (size_t i = 0; i < wanted->group_count; i++) {
        if (!may(request, "", "groups", "", "", wanted->groups[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < wanted->extra_count; i++) {
        const struct user_extra *extra = &wanted->extras[i];
        if (!may(request, "authentication.k8s.io", "userextras", extra->key, "", extra->value)) {
            return false;
        }
    }
    return wanted->uid[0] == 0 ||
           may(request, "authentication.k8s.io", "uids", "", "", wanted->uid);
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

bool stage_impersonate(struct request *request)
{
    struct impersonation wanted = {.uid = ""};
    if (!read_headers(request, &wanted)) {
        respond_status(request,
                       api_status_bad_request(request->arena, "too many headers of impersonation"));
        return false;
    }
    if (wanted.groups == NULL) {
        return true;
    }
    if (wanted.name == NULL || wanted.name[0] == 0) {
        if (wanted.group_count > 0 || wanted.extra_count > 0 || wanted.uid[0] != 0) {
            respond_status(request,
                           api_status_internal(
                               request->arena, "requested %s without impersonating a user name",
                               wanted.group_count > 0 ? "[{Group}]" : "[{UserExtra}]"));
            return false;
        }
        return true;
    }
    if (!may_all(request, &wanted)) {
        return false;
    }
    add_account_groups(request->arena, &wanted);
    request->user = other_user(request->arena, &wanted);
    audit_impersonation(request);
    return true;
}
