/* The part of the Auth service that changes something, and who one is. Who may call what of it is
 * decided where the change is applied. Passwords become hashes on threads of their own. */
#include "store/etcd_auth.h"

#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/base/log.h"
#include "lib/net/x509.h"
#include "store/auth_token.h"
#include "store/password.h"
#include <stdlib.h>
#include <time.h>

void etcd_auth_reply_free(struct etcd_auth_reply *reply)
{
    if (reply == NULL) {
        return;
    }
    for (size_t i = 0; i < reply->name_count; i++) {
        free(reply->names[i]);
    }
    for (size_t i = 0; i < reply->permission_count; i++) {
        free((void *)(uintptr_t)reply->permissions[i].key.data);
        free((void *)(uintptr_t)reply->permissions[i].end.data);
    }
    free(reply->names);
    free(reply->permissions);
    free(reply->token);
    free(reply);
}

struct etcd_auth_reply *etcd_auth_reply_of(struct etcd_request *request)
{
    if (request->auth == NULL) {
        request->auth = alloc_zeroed(sizeof(*request->auth));
    }
    return request->auth;
}

/* --- Changes. All their answers hold a header and nothing else. */

static void changed(void *data, int status, int64_t revision)
{
    (void)revision;
    etcd_request_done(data, status);
}

static void change_now(struct etcd_request *request)
{
    store_auth_change(request->service->store, &request->caller, &request->auth->change, changed,
                      request);
}

static int change_prepare(struct etcd_request *request, struct auth_change change)
{
    etcd_auth_reply_of(request)->change = change;
    return 0;
}

/* What answers a change: messages that all begin with the same two members; protobuf-c gives no
 * other way to fill one by its descriptor. */
static void changed_answer(struct etcd_request *request)
{
    static const ProtobufCMessageDescriptor *const descriptors[] = {
        [AUTH_ENABLE] = &etcdserverpb__auth_enable_response__descriptor,
        [AUTH_DISABLE] = &etcdserverpb__auth_disable_response__descriptor,
        [AUTH_USER_ADD] = &etcdserverpb__auth_user_add_response__descriptor,
        [AUTH_USER_DELETE] = &etcdserverpb__auth_user_delete_response__descriptor,
        [AUTH_USER_PASSWORD] = &etcdserverpb__auth_user_change_password_response__descriptor,
        [AUTH_USER_GRANT_ROLE] = &etcdserverpb__auth_user_grant_role_response__descriptor,
        [AUTH_USER_REVOKE_ROLE] = &etcdserverpb__auth_user_revoke_role_response__descriptor,
        [AUTH_ROLE_ADD] = &etcdserverpb__auth_role_add_response__descriptor,
        [AUTH_ROLE_DELETE] = &etcdserverpb__auth_role_delete_response__descriptor,
        [AUTH_ROLE_GRANT] = &etcdserverpb__auth_role_grant_permission_response__descriptor,
        [AUTH_ROLE_REVOKE] = &etcdserverpb__auth_role_revoke_permission_response__descriptor,
    };
    const ProtobufCMessageDescriptor *descriptor = descriptors[request->auth->change.kind];
    Etcdserverpb__AuthEnableResponse *response =
        arena_zeroed(request->arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, response);
    response->header = etcd_new_header(request);
    etcd_respond(request, &response->base);
}

static int enable_prepare(struct etcd_request *request)
{
    return change_prepare(request, (struct auth_change){.kind = AUTH_ENABLE});
}

static int disable_prepare(struct etcd_request *request)
{
    return change_prepare(request, (struct auth_change){.kind = AUTH_DISABLE});
}

static int user_delete_prepare(struct etcd_request *request)
{
    const Etcdserverpb__AuthUserDeleteRequest *message = request->message;
    return change_prepare(
        request, (struct auth_change){.kind = AUTH_USER_DELETE, .name = slice_text(message->name)});
}

static int user_grant_prepare(struct etcd_request *request)
{
    const Etcdserverpb__AuthUserGrantRoleRequest *message = request->message;
    return change_prepare(request, (struct auth_change){.kind = AUTH_USER_GRANT_ROLE,
                                                        .name = slice_text(message->user),
                                                        .value = slice_text(message->role)});
}

static int user_revoke_prepare(struct etcd_request *request)
{
    const Etcdserverpb__AuthUserRevokeRoleRequest *message = request->message;
    return change_prepare(request, (struct auth_change){.kind = AUTH_USER_REVOKE_ROLE,
                                                        .name = slice_text(message->name),
                                                        .value = slice_text(message->role)});
}

static int role_add_prepare(struct etcd_request *request)
{
    const Etcdserverpb__AuthRoleAddRequest *message = request->message;
    return change_prepare(
        request, (struct auth_change){.kind = AUTH_ROLE_ADD, .name = slice_text(message->name)});
}

static int role_delete_prepare(struct etcd_request *request)
{
    const Etcdserverpb__AuthRoleDeleteRequest *message = request->message;
    return change_prepare(
        request, (struct auth_change){.kind = AUTH_ROLE_DELETE, .name = slice_text(message->role)});
}

static int role_grant_prepare(struct etcd_request *request)
{
    const Etcdserverpb__AuthRoleGrantPermissionRequest *message = request->message;
    if (message->perm == NULL) {
        return STORE_PERMISSION_NOT_GIVEN;
    }
    if ((int)message->perm->permtype < 0 || (int)message->perm->permtype > AUTH_READWRITE) {
        return STORE_INVALID_AUTH_MGMT;
    }
    return change_prepare(
        request, (struct auth_change){.kind = AUTH_ROLE_GRANT,
                                      .name = slice_text(message->name),
                                      .permission = {(enum auth_access)message->perm->permtype,
                                                     etcd_slice(message->perm->key),
                                                     etcd_slice(message->perm->range_end)}});
}

static int role_revoke_prepare(struct etcd_request *request)
{
    const Etcdserverpb__AuthRoleRevokePermissionRequest *message = request->message;
    return change_prepare(
        request, (struct auth_change){.kind = AUTH_ROLE_REVOKE,
                                      .name = slice_text(message->role),
                                      .permission = {.key = etcd_slice(message->key),
                                                     .end = etcd_slice(message->range_end)}});
}

/* --- Changes with a password. */

static void hashed(void *data, int status, struct slice hash)
{
    struct etcd_request *request = data;
    status = etcd_status_now(request->service, status == 0 ? 0 : STORE_STOPPED);
    status = status == 0 ? etcd_request_caller(request) : status;
    if (status != 0) {
        etcd_request_done(request, status);
        return;
    }
    request->auth->change.value = hash;
    change_now(request);
    request->auth->change.value = slice_of(NULL, 0); /* It was lent for this call. */
}

/* The slow work is done for those only who may have the change done. */
static void password_change_run(struct etcd_request *request)
{
    struct etcd_service *service = request->service;
    struct etcd_auth_reply *reply = etcd_auth_reply_of(request);
    int status = auth_check_root(store_auth(service->store), &request->caller);
    if (status == 0 && (reply->change.no_password || reply->change.value.len > 0)) {
        change_now(request);
        return;
    }
    if (status == 0) {
        status = password_hash(service->passwords, slice_text(request->secret), service->store_loop,
                               hashed, request);
        status = status == -EBUSY    ? STORE_TOO_MANY_REQUESTS
                 : status == -EINVAL ? STORE_INVALID_AUTH_MGMT
                                     : status;
    }
    if (status != 0) {
        etcd_request_done(request, status);
    }
}

/* A hash in place of a password, for users that come from elsewhere. */
static int take_hash(struct etcd_request *request, const char *text)
{
    CLEANUP(buffer_release) struct buffer hash;
    buffer_init(&hash, PASSWORD_HASH_SIZE);
    if (base64_decode(slice_text(text), &hash) != 0 || hash.len == 0 ||
        !password_is_hash(buffer_slice(&hash))) {
        return STORE_INVALID_AUTH_MGMT;
    }
    request->auth->change.value = arena_slice(request->arena, buffer_slice(&hash));
    return 0;
}

static int user_add_prepare(struct etcd_request *request)
{
    const Etcdserverpb__AuthUserAddRequest *message = request->message;
    struct auth_change change = {.kind = AUTH_USER_ADD,
                                 .name = slice_text(message->name),
                                 .no_password =
                                     message->options != NULL && message->options->no_password};
    request->secret = message->password;
    if (change.name.len == 0) {
        return STORE_USER_EMPTY;
    }
    int status = change_prepare(request, change);
    bool is_hash =
        !change.no_password && message->password[0] == '\0' && message->hashedpassword[0] != '\0';
    return status == 0 && is_hash ? take_hash(request, message->hashedpassword) : status;
}

static int user_password_prepare(struct etcd_request *request)
{
    const Etcdserverpb__AuthUserChangePasswordRequest *message = request->message;
    int status = change_prepare(request, (struct auth_change){.kind = AUTH_USER_PASSWORD,
                                                              .name = slice_text(message->name)});
    bool is_hash = message->password[0] == '\0' && message->hashedpassword[0] != '\0';
    request->secret = message->password;
    return status == 0 && is_hash ? take_hash(request, message->hashedpassword) : status;
}

/* --- Proving who one is. */

static void authenticate_again(struct etcd_request *request);

static void give_token(struct etcd_request *request)
{
    const Etcdserverpb__AuthenticateRequest *message = request->message;
    const struct auth *auth = store_auth(request->service->store);
    struct timespec now;
    uint64_t salt;
    CLEANUP(buffer_release) struct buffer token;
    clock_gettime(CLOCK_REALTIME, &now);
    x509_random((uint8_t *)&salt, sizeof(salt));
    buffer_init(&token, AUTH_TOKEN_MAX);
    const struct auth_claims claims = {.user = slice_text(message->name),
                                       .credential = request->auth->credential,
                                       .expires_s = now.tv_sec + ETCD_TOKEN_TTL_S};
    auth_token_make(auth_secret(auth), &claims, salt, &token);
    request->auth->token = alloc_text(buffer_text(&token));
    etcd_request_done(request, buffer_error(&token) == 0 ? 0 : STORE_AUTH_FAILED);
}

static void secret_chosen(void *data, int status, int64_t revision)
{
    struct etcd_request *request = data;
    (void)revision;
    status = etcd_status_now(request->service, status);
    if (status == 0 && auth_secret(store_auth(request->service->store)).len == 0) {
        status = STORE_AUTH_NOT_ENABLED; /* Disabled in between. */
    }
    if (status != 0) {
        etcd_request_done(request, status);
    } else {
        give_token(request);
    }
}

static void choose_secret(struct etcd_request *request)
{
    uint8_t secret[AUTH_SECRET_SIZE];
    x509_random(secret, sizeof(secret));
    const struct auth_change change = {.kind = AUTH_CHOOSE_SECRET,
                                       .value = slice_of(secret, sizeof(secret))};
    store_auth_change(request->service->store, /* caller= */ NULL, &change, secret_chosen, request);
    password_wipe(secret, sizeof(secret));
}

static void checked(void *data, int status, struct slice hash)
{
    struct etcd_request *request = data;
    const Etcdserverpb__AuthenticateRequest *message = request->message;
    (void)hash;
    if (status == -EACCES) {
        LOG_WARN("etcd", "a password was wrong", KV_TEXT("user", message->name),
                 KV_TEXT("client", grpc_call_peer_address(request->call)));
    }
    if (status != 0 || etcd_status_now(request->service, 0) != 0) {
        etcd_request_done(request, status == -EACCES ? STORE_AUTH_FAILED : STORE_STOPPED);
        return;
    }
    const struct auth *auth = store_auth(request->service->store);
    const struct auth_user *user = auth_user_find(auth, slice_text(message->name));
    if (user == NULL || user->credential != request->auth->credential || !auth_is_enabled(auth)) {
        authenticate_again(request); /* By the password of now. */
    } else if (auth_secret(auth).len == 0) {
        choose_secret(request);
    } else {
        give_token(request);
    }
}

static void authenticate_again(struct etcd_request *request)
{
    const Etcdserverpb__AuthenticateRequest *message = request->message;
    struct etcd_service *service = request->service;
    const struct auth *auth = store_auth(service->store);
    if (!auth_is_enabled(auth)) {
        etcd_request_done(request, STORE_AUTH_NOT_ENABLED);
        return;
    }
    const struct auth_user *user = auth_user_find(auth, slice_text(message->name));
    struct slice hash = user == NULL || user->no_password ? slice_of(NULL, 0) : user->hash;
    etcd_auth_reply_of(request)->credential = user == NULL ? 0 : user->credential;
    int status = password_check(service->passwords, slice_text(request->secret), hash,
                                service->store_loop, checked, request);
    if (status != 0) {
        etcd_request_done(request, status == -EBUSY ? STORE_TOO_MANY_REQUESTS : STORE_AUTH_FAILED);
    }
}

static void authenticate_ready(void *data, int status)
{
    struct etcd_request *request = data;
    status = etcd_status_now(request->service, status);
    if (status != 0) {
        etcd_request_done(request, status);
    } else {
        authenticate_again(request);
    }
}

static int authenticate_prepare(struct etcd_request *request)
{
    const Etcdserverpb__AuthenticateRequest *message = request->message;
    request->secret = message->password;
    return 0;
}

/* After a barrier: a password changed elsewhere a moment ago does not fit here any more. */
static void authenticate_run(struct etcd_request *request)
{
    store_read_barrier(request->service->store, authenticate_ready, request);
}

static void authenticate_answer(struct etcd_request *request)
{
    Etcdserverpb__AuthenticateResponse response;
    etcdserverpb__authenticate_response__init(&response);
    response.header = etcd_new_header(request);
    response.token = request->auth->token;
    etcd_respond(request, &response.base);
}

const struct etcd_method etcd_auth_methods[] = {
    {"/etcdserverpb.Auth/AuthEnable", &etcdserverpb__auth_enable_request__descriptor,
     enable_prepare, change_now, changed_answer},
    {"/etcdserverpb.Auth/AuthDisable", &etcdserverpb__auth_disable_request__descriptor,
     disable_prepare, change_now, changed_answer},
    {"/etcdserverpb.Auth/Authenticate", &etcdserverpb__authenticate_request__descriptor,
     authenticate_prepare, authenticate_run, authenticate_answer},
    {"/etcdserverpb.Auth/UserAdd", &etcdserverpb__auth_user_add_request__descriptor,
     user_add_prepare, password_change_run, changed_answer},
    {"/etcdserverpb.Auth/UserDelete", &etcdserverpb__auth_user_delete_request__descriptor,
     user_delete_prepare, change_now, changed_answer},
    {"/etcdserverpb.Auth/UserChangePassword",
     &etcdserverpb__auth_user_change_password_request__descriptor, user_password_prepare,
     password_change_run, changed_answer},
    {"/etcdserverpb.Auth/UserGrantRole", &etcdserverpb__auth_user_grant_role_request__descriptor,
     user_grant_prepare, change_now, changed_answer},
    {"/etcdserverpb.Auth/UserRevokeRole", &etcdserverpb__auth_user_revoke_role_request__descriptor,
     user_revoke_prepare, change_now, changed_answer},
    {"/etcdserverpb.Auth/RoleAdd", &etcdserverpb__auth_role_add_request__descriptor,
     role_add_prepare, change_now, changed_answer},
    {"/etcdserverpb.Auth/RoleDelete", &etcdserverpb__auth_role_delete_request__descriptor,
     role_delete_prepare, change_now, changed_answer},
    {"/etcdserverpb.Auth/RoleGrantPermission",
     &etcdserverpb__auth_role_grant_permission_request__descriptor, role_grant_prepare, change_now,
     changed_answer},
    {"/etcdserverpb.Auth/RoleRevokePermission",
     &etcdserverpb__auth_role_revoke_permission_request__descriptor, role_revoke_prepare,
     change_now, changed_answer},
    {0},
};
