/* Who is asking, in the order of v1.32: a front proxy says, a client certificate, a bearer token
 * (ServiceAccount, bootstrap, OpenID Connect), nobody. */
#include "apiserver/audit.h"
#include "apiserver/authn_internal.h"
#include "apiserver/issuers.h"
#include "apiserver/legacy_tokens.h"
#include "apiserver/proxy_headers.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/legacy_token.h"
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
    if (!user_in_group(user, "system:authenticated") &&
        !user_in_group(user, "system:unauthenticated")) {
        all[user->group_count++] = "system:authenticated";
    }
    return user;
}

const struct user *user_of_certificate(struct arena *arena, const struct tls_peer *peer)
{
    struct user *user = arena_alloc(arena, sizeof(*user));
    struct user_extra *extra = arena_alloc(arena, sizeof(*extra));
    *extra = (struct user_extra){.key = "authentication.kubernetes.io/credential-id",
                                 .value = arena_printf(arena, "X509SHA256=%s", peer->fingerprint)};
    *user = *user_new(arena, peer->common_name, "", peer->organizations, peer->organization_count);
    user->extras = extra;
    user->extra_count = 1;
    return user;
}

/* --- ServiceAccount tokens --- */

/* An object that is being deleted still counts for a while: its pod may be shutting down. */
static bool is_leaving(const Meta__V1__ObjectMeta *meta)
{
    return !api_time_is_zero(meta->deletion_timestamp) &&
           meta->deletion_timestamp->seconds + TOKEN_LEEWAY_SECONDS < wall_seconds();
}

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
    bool same = meta != NULL && uid != NULL && meta->uid != NULL && strcmp(meta->uid, uid) == 0 &&
                !is_leaving(meta);
    cached_object_unref(object);
    return same;
}

static bool bound_still_there(struct apiserver *server, const struct token_claims *claims)
{
    const char *namespace = claims->namespace;
    return (claims->pod == NULL ||
            still_there(server, "pods", namespace, claims->pod, claims->pod_uid)) &&
           (claims->secret == NULL ||
            still_there(server, "secrets", namespace, claims->secret, claims->secret_uid)) &&
           /* Where a pod runs is told beside the pod; only alone it is what the token hangs on. */
           (claims->node == NULL || claims->pod != NULL ||
            still_there(server, "nodes", "", claims->node, claims->node_uid));
}

/* NULL for a use of the Secret's token that is good; else what is said of one that is not. */
static const char *note_secret_use(struct apiserver *server, struct token_question *question,
                                   const struct token_claims *claims,
                                   const Core__V1__Secret *secret)
{
    const struct cached_object *owner =
        watch_cache_get(server->cache, api_kind_find("", "v1", "serviceaccounts"),
                        claims->namespace, claims->account);
    struct legacy_use use = legacy_tokens_use(server->legacy_tokens, secret,
                                              owner == NULL ? NULL : cached_object_message(owner));
    cached_object_unref(owner);
    if (use.invalid) {
        audit_note(question->notes, "authentication.k8s.io/legacy-token-invalidated",
                   arena_printf(question->arena, "%s/%s", claims->secret, claims->namespace));
        return arena_printf(
            question->arena,
            "the token in secret %s/%s for service account %s/%s has been marked invalid. Use "
            "tokens from the TokenRequest API or manually created secret-based tokens, or remove "
            "the '" LEGACY_TOKEN_INVALID_SINCE
            "' label from the secret to temporarily allow use of this token",
            claims->namespace, claims->secret, claims->namespace, claims->account);
    }
    if (use.generated) {
        question->warning = "Use tokens from the TokenRequest API or manually created secret-based "
                            "tokens instead of auto-generated secret-based tokens.";
    }
    audit_note(question->notes,
               use.generated ? "authentication.k8s.io/legacy-token-autogenerated-secret"
                             : "authentication.k8s.io/legacy-token-manual-secret",
               claims->secret);
    return NULL;
}

static const char invalidated[] = "service account token has been invalidated";

/* A token kept in a Secret is good as long as that Secret holds it, and does not say otherwise.
 * NULL, or why it is not. */
static const char *why_not_vouched(struct apiserver *server, struct token_question *question,
                                   const struct token_claims *claims)
{
    const struct cached_object *object = watch_cache_get(
        server->cache, api_kind_find("", "v1", "secrets"), claims->namespace, claims->secret);
    const Core__V1__Secret *secret = object == NULL ? NULL : cached_object_message(object);
    bool holds_it = secret != NULL && api_time_is_zero(secret->metadata->deletion_timestamp) &&
                    x509_equal_secret(secret_data_value(secret, "token"), question->token);
    const char *why = holds_it ? note_secret_use(server, question, claims, secret) : invalidated;
    cached_object_unref(object);
    return why;
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

/* ["a" "b"] */
static void print_list(struct buffer *out, const char *const *items, size_t count)
{
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i == 0 ? "" : " ");
        api_print_quoted(items[i], out);
    }
    buffer_append_byte(out, ']');
}

static const char *wrong_audience(struct arena *arena, const struct token_claims *claims,
                                  const struct text_list *wanted)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, ENCODED_OBJECT_MAX);
    buffer_append_text(&text, "token audiences ");
    print_list(&text, claims->audiences, claims->audience_count);
    buffer_append_text(&text, " is invalid for the target audiences ");
    print_list(&text, wanted->items, wanted->count);
    return arena_text(arena, buffer_text(&text));
}

/* NULL when the account that the token is of, and what it is bound to, are there. */
static const char *why_not_there(struct apiserver *server, struct token_question *question,
                                 const struct token_claims *claims)
{
    const struct cached_object *account =
        watch_cache_get(server->cache, api_kind_find("", "v1", "serviceaccounts"),
                        claims->namespace, claims->account);
    cached_object_unref(account);
    if (account == NULL) {
        return arena_printf(question->arena, "serviceaccounts \"%s\" not found", claims->account);
    }
    if (!still_there(server, "serviceaccounts", claims->namespace, claims->account,
                     claims->account_uid)) {
        return arena_printf(question->arena, "service account %s/%s has been deleted",
                            claims->namespace, claims->account);
    }
    if (claims->legacy) {
        return why_not_vouched(server, question, claims);
    }
    return bound_still_there(server, claims) ? NULL : invalidated;
}

static int authenticate_account(struct apiserver *server, struct token_question *question,
                                struct token_claims *ret_claims)
{
    CLEANUP(error_release) struct error error = {0};
    struct arena *arena = question->arena;
    const struct text_list *wanted = &question->audiences;
    struct token_claims claims;
    int status =
        token_verify(server->signer, arena, question->token, wall_seconds(), &claims, &error);
    if (status < 0) {
        question->why = status == -EACCES ? arena_text(arena, error_message(&error)) : NULL;
        return status;
    }
    if (!claims.legacy && !audience_wanted(&claims, wanted->items, wanted->count)) {
        question->why = wrong_audience(arena, &claims, wanted);
        return -EACCES;
    }
    const char *name =
        arena_printf(arena, "system:serviceaccount:%s:%s", claims.namespace, claims.account);
    if (claims.legacy) {
        audit_note(question->notes, "authentication.k8s.io/legacy-token", name);
    }
    question->why = why_not_there(server, question, &claims);
    if (question->why != NULL) {
        return -EACCES;
    }
    const char *groups[] = {"system:serviceaccounts",
                            arena_printf(arena, "system:serviceaccounts:%s", claims.namespace)};
    const struct user *user = user_new(arena, name, claims.account_uid, groups, 2);
    struct user *with_extras = arena_alloc(arena, sizeof(*with_extras));
    *with_extras = *user;
    if (!claims.legacy) {
        add_extras(arena, with_extras, &claims);
    }
    question->user = with_extras;
    *ret_claims = claims;
    return 0;
}

static struct text_list own_audiences(struct apiserver *server, struct arena *arena)
{
    const char **own = arena_array(arena, 1, sizeof(char *));
    own[0] = token_signer_issuer(server->signer);
    return (struct text_list){.items = own, .count = 1};
}

static bool is_wanted(const struct text_list *wanted, const char *audience)
{
    for (size_t i = 0; i < wanted->count; i++) {
        if (strcmp(wanted->items[i], audience) == 0) {
            return true;
        }
    }
    return false;
}

/* By what this server knows itself. */
static int authenticate_here(struct apiserver *server, struct token_question *question)
{
    struct arena *arena = question->arena;
    const struct text_list *wanted = &question->audiences;
    struct token_claims claims = {0};
    int status = authenticate_account(server, question, &claims);
    if (status == 0 && !claims.legacy) {
        question->for_whom =
            (struct text_list){.items = claims.audiences, .count = claims.audience_count};
        return 0;
    }
    if (status == -ENOENT) {
        status = authenticate_bootstrap(server, arena, question->token, &question->user);
    }
    if (status == -ENOENT) {
        status = issuers_authenticate(server->issuers, arena, question->token, wall_seconds(),
                                      &question->user);
    }
    /* The others know no audience: they are for this server alone. */
    question->for_whom = own_audiences(server, arena);
    return status == 0 && !is_wanted(wanted, question->for_whom.items[0]) ? -EACCES : status;
}

static void take_answer(struct token_question *question)
{
    question->status = question->ask.status;
    question->user = question->ask.user;
    question->for_whom = question->ask.for_whom;
}

static void on_asked(struct token_ask *ask)
{
    struct token_question *question = ask->data;
    take_answer(question);
    question->answered(question);
}

bool authenticate_token(struct apiserver *server, struct token_question *question)
{
    struct text_list own = own_audiences(server, question->arena);
    if (question->audiences.count == 0) {
        question->audiences = own;
    }
    question->status = authenticate_here(server, question);
    if (question->status == 0 || server->token_webhook == NULL || question->answered == NULL) {
        return true;
    }
    question->ask = (struct token_ask){.token = question->token,
                                       .audiences = question->audiences,
                                       .own = own,
                                       .arena = question->arena,
                                       .home = question->home,
                                       .answered = on_asked,
                                       .data = question};
    if (!token_webhook_ask(server->token_webhook, &question->ask)) {
        return false;
    }
    take_answer(question);
    return true;
}

static bool refuse(struct request *request)
{
    audit_begin_refused(request);
    respond_status(request, api_status_unauthorized(request->arena));
    return false;
}

/* --- Requests --- */

static void on_token_answered(struct token_question *question)
{
    struct request *request = question->data;
    if (request->codec->is_aborted(request)) {
        request_finish(request);
        return;
    }
    request->user = question->user;
    request->token_warning = question->warning;
    if (question->status == 0 || refuse(request)) {
        request_continue(request);
    }
}

static bool by_token(struct request *request, struct slice token)
{
    struct token_question *question = arena_zeroed(request->arena, sizeof(*question));
    *question = (struct token_question){.token = token,
                                        .arena = request->arena,
                                        .home = http_exchange_loop(request->exchange),
                                        .answered = on_token_answered,
                                        .notes = &request->token_notes,
                                        .data = request};
    request->token_notes.arena = request->arena;
    if (!authenticate_token(request->server, question)) {
        return false;
    }
    request->user = question->user;
    request->token_warning = question->warning;
    return question->status == 0 || refuse(request);
}

/* 0 with a token, its data NULL when there is none; or -EACCES for one that cannot be right. */
static int find_token(struct request *request, struct slice *ret_token)
{
    static const char bearer[] = "Bearer ";
    struct slice header = http_header_find(request->exchange, "authorization");
    *ret_token = slice_of(NULL, 0);
    if (header.len > 7 && strncasecmp((const char *)header.data, bearer, 7) == 0) {
        *ret_token = slice_of(header.data + 7, header.len - 7);
        return 0;
    }
    return http_wants_upgrade(request->exchange, "websocket")
               ? websocket_token(request->arena,
                                 http_header_find(request->exchange, "sec-websocket-protocol"),
                                 ret_token)
               : 0;
}

static bool by_nothing(struct request *request, bool bad_certificate)
{
    struct apiserver *server = request->server;
    request->user = &user_anonymous;
    bool let_in =
        issuers_let_in_nobody(server->issuers, server->config.anonymous, request->info.path);
    return (let_in && !bad_certificate) || refuse(request);
}

bool stage_authenticate(struct request *request)
{
    struct apiserver *server = request->server;
    if (server->config.plaintext) {
        request->user = &user_system_apiserver;
        return true;
    }
    const struct tls_peer *peer = http_tls_peer(request->exchange);
    request->user = front_proxy_user(server, request->arena, request->exchange);
    if (request->user != NULL) {
        return true;
    }
    if (peer != NULL && peer->presented && peer->verified) {
        request->user = user_of_certificate(request->arena, peer);
        return true;
    }
    struct slice token;
    if (find_token(request, &token) < 0) {
        return refuse(request);
    }
    return token.data != NULL ? by_token(request, token)
                              : by_nothing(request, peer != NULL && peer->presented);
}
