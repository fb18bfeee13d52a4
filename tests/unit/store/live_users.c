#include "tests/unit/store/live_users.h"

#include "tests/unit/store/live_clients.h"
#include <check.h>
#include <string.h>

int live_user_add(const char *name, const char *password)
{
    Etcdserverpb__AuthUserAddRequest request = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;
    request.name = live_words(name);
    request.password = live_words(password);
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserAdd", &request.base,
                            &etcdserverpb__auth_user_add_response__descriptor, NULL);
}

int live_user_grant(const char *name, const char *role)
{
    Etcdserverpb__AuthUserGrantRoleRequest request =
        ETCDSERVERPB__AUTH_USER_GRANT_ROLE_REQUEST__INIT;
    request.user = live_words(name);
    request.role = live_words(role);
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserGrantRole", &request.base,
                            &etcdserverpb__auth_user_grant_role_response__descriptor, NULL);
}

int live_user_password(const char *name, const char *password)
{
    Etcdserverpb__AuthUserChangePasswordRequest request =
        ETCDSERVERPB__AUTH_USER_CHANGE_PASSWORD_REQUEST__INIT;
    request.name = live_words(name);
    request.password = live_words(password);
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserChangePassword", &request.base,
                            &etcdserverpb__auth_user_change_password_response__descriptor, NULL);
}

int live_role_add(const char *name)
{
    Etcdserverpb__AuthRoleAddRequest request = ETCDSERVERPB__AUTH_ROLE_ADD_REQUEST__INIT;
    request.name = live_words(name);
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/RoleAdd", &request.base,
                            &etcdserverpb__auth_role_add_response__descriptor, NULL);
}

int live_role_grant(const char *name, Authpb__Permission__Type type, const char *key,
                    const char *end)
{
    Etcdserverpb__AuthRoleGrantPermissionRequest request =
        ETCDSERVERPB__AUTH_ROLE_GRANT_PERMISSION_REQUEST__INIT;
    Authpb__Permission permission = AUTHPB__PERMISSION__INIT;
    permission.permtype = type;
    permission.key = etcd_client_bytes(key);
    permission.range_end = etcd_client_bytes(end);
    request.name = live_words(name);
    request.perm = &permission;
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/RoleGrantPermission",
                            &request.base,
                            &etcdserverpb__auth_role_grant_permission_response__descriptor, NULL);
}

int live_auth_enable(void)
{
    Etcdserverpb__AuthEnableRequest request = ETCDSERVERPB__AUTH_ENABLE_REQUEST__INIT;
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/AuthEnable", &request.base,
                            &etcdserverpb__auth_enable_response__descriptor, NULL);
}

int live_auth_disable(void)
{
    Etcdserverpb__AuthDisableRequest request = ETCDSERVERPB__AUTH_DISABLE_REQUEST__INIT;
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/AuthDisable", &request.base,
                            &etcdserverpb__auth_disable_response__descriptor, NULL);
}

int live_authenticate(size_t member, const char *name, const char *password)
{
    Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    Etcdserverpb__AuthenticateResponse *response;
    request.name = live_words(name);
    request.password = live_words(password);
    int code =
        etcd_client_call(live.clients[member], "/etcdserverpb.Auth/Authenticate", &request.base,
                         &etcdserverpb__authenticate_response__descriptor, &response);
    if (code == GRPC_OK) {
        ck_assert_uint_gt(strlen(response->token), 60);
        etcd_client_set_token(live.clients[member], response->token);
    }
    return code;
}

int live_put(size_t member, const char *key, const char *value)
{
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    request.key = etcd_client_bytes(key);
    request.value = etcd_client_bytes(value);
    return etcd_client_call(live.clients[member], "/etcdserverpb.KV/Put", &request.base,
                            &etcdserverpb__put_response__descriptor, NULL);
}

int live_get(size_t member, const char *key, bool serializable)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = etcd_client_bytes(key);
    request.serializable = serializable;
    return etcd_client_call(live.clients[member], "/etcdserverpb.KV/Range", &request.base,
                            &etcdserverpb__range_response__descriptor, NULL);
}

void live_users_set_up(void)
{
    ck_assert_int_eq(live_user_add("root", "rootpw"), 0);
    ck_assert_int_eq(live_user_grant("root", "root"), 0);
    ck_assert_int_eq(live_user_add("alice", "alicepw"), 0);
    ck_assert_int_eq(live_role_add("r"), 0);
    ck_assert_int_eq(live_role_grant("r", AUTHPB__PERMISSION__TYPE__READWRITE, "a", ""), 0);
    ck_assert_int_eq(live_role_grant("r", AUTHPB__PERMISSION__TYPE__READ, "k", ""), 0);
    ck_assert_int_eq(live_user_grant("alice", "r"), 0);
    ck_assert_int_eq(live_auth_enable(), 0);
}
