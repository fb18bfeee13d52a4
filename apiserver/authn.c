/* Who is asking: client certificate, bearer token (ServiceAccount JWT, bootstrap token), anonymous.
 */
#include "apiserver/request.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/time.h"
#include "lib/net/x509.h"
#include <errno.h>
#include <time.h>

static const char *const anonymous_groups[] = {"system:unauthenticated"};
const struct user user_anonymous = {
    .name = "system:anonymous", .uid = "", .groups = anonymous_groups, .group_count = 1};
static const char *const apiserver_groups[] = {"system:masters", "system:authenticated"};
const struct user user_system_apiserver = {
    .name = "system:apiserver", .uid = "", .groups = apiserver_groups, .group_count = 2};

int64_t wall_seconds(void)
{
    return time(NULL);
}

const struct user *user_new(struct arena *arena, const char *name, const char *uid,
                            const char *const *groups, size_t group_count)
{
    struct user *user = arena_zeroed(arena, sizeof(*user));
    const char **all = arena_array(arena, group_count + 1, sizeof(char *));
    for (size_t i = 0; i < group_count; i++) {
        all[i] = arena_text(arena, groups[i]);
    }
    *user = (struct user){.name = arena_text(arena, name),
                          .uid = arena_text(arena, uid == NULL ? "" : uid),
                          .groups = all,
                          .group_count = group_count};
    if (!user_in_group(user, "system:authenticated")) {
        all[user->group_count++] = "system:authenticated";
    }
    return user;
}

const struct user *user_of_certificate(struct arena *arena, const struct tls_peer *peer)
{
    return user_new(arena, peer->common_name, "", peer->organizations, peer->organization_count);
}

const struct user *user_with_group(struct arena *arena, const struct user *user, const char *group)
{
    const char **groups = arena_array(arena, user->group_count + 1, sizeof(char *));
    for (size_t i = 0; i < user->group_count; i++) {
        groups[i] = user->groups[i];
    }
    groups[user->group_count] = group;
    return user_new(arena, user->name, user->uid, groups, user->group_count + 1);
}

/* --- Bootstrap tokens: "abcdef.0123456789abcdef", a Secret in kube-system --- */

static bool is_bootstrap_token(struct slice token)
{
    if (token.len != 23 || token.data[6] != '.') {
        return false;
    }
    for (size_t i = 0; i < token.len; i++) {
        uint8_t c = token.data[i];
        if (i != 6 && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
            return false;
        }
    }
    return true;
}

static struct slice secret_value(const Core__V1__Secret *secret, const char *key)
{
    for (size_t i = 0; i < secret->n_data; i++) {
        if (strcmp(secret->data[i]->key, key) == 0) {
            return slice_of(secret->data[i]->value.data, secret->data[i]->value.len);
        }
    }
    return (struct slice){0};
}

static bool bootstrap_valid(const Core__V1__Secret *secret, struct slice id, struct slice token,
                            const char *usage)
{
    if (secret == NULL || secret->type == NULL ||
        strcmp(secret->type, "bootstrap.kubernetes.io/token") != 0 ||
        !api_time_is_zero(secret->metadata->deletion_timestamp) ||
        !slice_equal(secret_value(secret, "token-id"), id) ||
        !x509_equal_secret(secret_value(secret, "token-secret"), token) ||
        !slice_is(secret_value(secret, usage), "true")) {
        return false;
    }
    struct slice expiration = secret_value(secret, "expiration");
    int64_t expires_s = 0;
    int32_t nanos = 0;
    return expiration.len == 0 ||
           (api_time_parse(expiration, &expires_s, &nanos) == 0 && expires_s > wall_seconds());
}

bool bootstrap_token_is_for(struct apiserver *server, struct arena *arena, struct slice token,
                            const char *usage)
{
    if (!is_bootstrap_token(token)) {
        return false;
    }
    struct slice id = slice_of(token.data, 6);
    const char *name = arena_printf(arena, "bootstrap-token-%.6s", (const char *)token.data);
    const struct cached_object *object =
        watch_cache_get(server->cache, api_kind_find("", "v1", "secrets"), "kube-system", name);
    if (object == NULL) {
        return false;
    }
    bool valid = bootstrap_valid(cached_object_message(object), id,
                                 slice_of(token.data + 7, token.len - 7), usage);
    cached_object_unref(object);
    return valid;
}

static int authenticate_bootstrap(struct apiserver *server, struct arena *arena, struct slice token,
                                  const struct user **ret_user)
{
    if (!bootstrap_token_is_for(server, arena, token, "usage-bootstrap-authentication")) {
        return -EACCES;
    }
    const char *groups[] = {"system:bootstrappers"};
    *ret_user =
        user_new(arena, arena_printf(arena, "system:bootstrap:%.6s", (const char *)token.data), "",
                 groups, 1);
    return 0;
}

/* --- ServiceAccount tokens --- */

static bool still_there(struct apiserver *server, const char *plural, const char *namespace,
                        const char *name, const char *uid)
{
    const struct api_kind *kind = api_kind_find("", "v1", plural);
    const struct cached_object *object = watch_cache_get(server->cache, kind, namespace, name);
    if (object == NULL) {
        return false;
    }
    const void *message = cached_object_message(object);
    const Meta__V1__ObjectMeta *meta =
        message == NULL ? NULL : api_message_meta(kind->message, message);
    bool same = meta != NULL && uid != NULL && meta->uid != NULL && strcmp(meta->uid, uid) == 0;
    cached_object_unref(object);
    return same;
}

static bool audience_wanted(const struct token_claims *claims, const char *const *audiences,
                            size_t count)
{
    for (size_t i = 0; i < claims->audience_count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (strcmp(claims->audiences[i], audiences[j]) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void add_extras(struct arena *arena, struct user *user, const struct token_claims *claims)
{
    struct user_extra *extras = arena_array(arena, 5, sizeof(*extras));
    size_t count = 0;
    if (claims->id != NULL) {
        extras[count++] = (struct user_extra){"authentication.kubernetes.io/credential-id",
                                              arena_printf(arena, "JTI=%s", claims->id)};
    }
    if (claims->node != NULL) {
        extras[count++] =
            (struct user_extra){"authentication.kubernetes.io/node-name", claims->node};
    }
    if (claims->node_uid != NULL) {
        extras[count++] =
            (struct user_extra){"authentication.kubernetes.io/node-uid", claims->node_uid};
    }
    if (claims->pod != NULL) {
        extras[count++] = (struct user_extra){"authentication.kubernetes.io/pod-name", claims->pod};
        extras[count++] =
            (struct user_extra){"authentication.kubernetes.io/pod-uid", claims->pod_uid};
    }
    user->extras = extras;
    user->extra_count = count;
}

static int authenticate_account(struct apiserver *server, struct arena *arena, struct slice token,
                                const char *const *audiences, size_t audience_count,
                                const struct user **ret_user, struct token_claims *ret_claims)
{
    struct token_claims claims;
    int status = token_verify(server->signer, arena, token, wall_seconds(), &claims, NULL);
    if (status < 0) {
        return status;
    }
    if (!audience_wanted(&claims, audiences, audience_count) ||
        !still_there(server, "serviceaccounts", claims.namespace, claims.account,
                     claims.account_uid) ||
        (claims.pod != NULL &&
         !still_there(server, "pods", claims.namespace, claims.pod, claims.pod_uid)) ||
        (claims.secret != NULL &&
         !still_there(server, "secrets", claims.namespace, claims.secret, claims.secret_uid))) {
        return -EACCES;
    }
    const char *groups[] = {"system:serviceaccounts",
                            arena_printf(arena, "system:serviceaccounts:%s", claims.namespace)};
    const struct user *user = user_new(
        arena, arena_printf(arena, "system:serviceaccount:%s:%s", claims.namespace, claims.account),
        claims.account_uid, groups, 2);
    struct user *with_extras = arena_alloc(arena, sizeof(*with_extras));
    *with_extras = *user;
    add_extras(arena, with_extras, &claims);
    *ret_user = with_extras;
    *ret_claims = claims;
    return 0;
}

int authenticate_token(struct apiserver *server, struct arena *arena, struct slice token,
                       const char *const *audiences, size_t audience_count,
                       const struct user **ret_user, const char *const **ret_audiences,
                       size_t *ret_audience_count)
{
    if (is_bootstrap_token(token)) {
        *ret_audience_count = 0;
        return authenticate_bootstrap(server, arena, token, ret_user);
    }
    const char *own[] = {token_signer_issuer(server->signer)};
    struct token_claims claims = {0};
    int status = authenticate_account(server, arena, token, audience_count > 0 ? audiences : own,
                                      audience_count > 0 ? audience_count : 1, ret_user, &claims);
    if (status == 0) {
        *ret_audiences = claims.audiences;
        *ret_audience_count = claims.audience_count;
    }
    return status;
}

static bool refuse(struct request *request)
{
    respond_status(request, api_status_unauthorized(request->arena));
    return false;
}

bool stage_authenticate(struct request *request)
{
    struct apiserver *server = request->server;
    if (server->config.plaintext) {
        request->user = &user_system_apiserver;
        return true;
    }
    const struct tls_peer *peer = http_tls_peer(request->exchange);
    if (peer != NULL && peer->presented) {
        if (!peer->verified) {
            return refuse(request);
        }
        request->user = user_of_certificate(request->arena, peer);
        return true;
    }
    struct slice header = http_header_find(request->exchange, "authorization");
    static const char bearer[] = "Bearer ";
    if (header.len > 7 && strncasecmp((const char *)header.data, bearer, 7) == 0) {
        const char *const *audiences = NULL;
        size_t count = 0;
        if (authenticate_token(server, request->arena, slice_of(header.data + 7, header.len - 7),
                               NULL, 0, &request->user, &audiences, &count) < 0) {
            return refuse(request);
        }
        return true;
    }
    request->user = &user_anonymous;
    return true;
}
