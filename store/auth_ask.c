#include "store/auth_private.h"

#include "store/plant.h"
#include "store/status.h"

/* --- Asking. */

static int caller_user(const struct auth *auth, const struct auth_caller *caller,
                       struct auth_user **ret_user)
{
    if (caller->user.len == 0 && caller->revision == 0) {
        return STORE_USER_EMPTY;
    }
    if (caller->revision < auth->revision && PLANTED != PLANT_OLD_CALLER) {
        return STORE_AUTH_OLD_REVISION;
    }
    *ret_user = auth_user_change(auth, caller->user);
    return *ret_user == NULL ? STORE_PERMISSION_DENIED : 0;
}

int auth_check_user(const struct auth *auth, const struct auth_caller *caller)
{
    struct auth_user *user;
    return auth->enabled && caller != NULL ? caller_user(auth, caller, &user) : 0;
}

int auth_check_root(const struct auth *auth, const struct auth_caller *caller)
{
    if (!auth->enabled || caller == NULL) {
        return 0;
    }
    /* As in etcd, the revision does not matter: the role is looked up now. */
    if (caller->user.len == 0) {
        return STORE_USER_EMPTY;
    }
    const struct auth_user *user = auth_user_change(auth, caller->user);
    return user != NULL && auth_user_has_role(user, slice_text(AUTH_ROOT))
               ? 0
               : STORE_PERMISSION_DENIED;
}

static void add_role_ranges(struct auth_user *user, const struct auth_role *role)
{
    for (size_t i = 0; i < role->permission_count; i++) {
        const struct auth_permission *permission = &role->permissions[i];
        if (permission->access != AUTH_WRITE) {
            auth_ranges_add(&user->readable, permission->key, permission->end);
        }
        if (permission->access != AUTH_READ) {
            auth_ranges_add(&user->writable, permission->key, permission->end);
        }
    }
}

/* What a user may touch changes with the revision only. */
static void refresh_ranges(const struct auth *auth, struct auth_user *user)
{
    if (user->ranges_revision == auth->revision ||
        (user->ranges_revision != 0 && PLANTED == PLANT_AUTH_CACHED)) {
        return;
    }
    auth_ranges_release(&user->readable);
    auth_ranges_release(&user->writable);
    for (size_t i = 0; i < user->role_count; i++) {
        const struct auth_role *role = auth_role_change(auth, user->roles[i]);
        if (role != NULL) {
            add_role_ranges(user, role);
        }
    }
    auth_ranges_merge(&user->readable);
    auth_ranges_merge(&user->writable);
    user->ranges_revision = auth->revision;
}

/* 0 with the user whose ranges say what the caller may touch, or with NULL when that is all. */
static int limited_user(struct auth *auth, const struct auth_caller *caller,
                        struct auth_user **ret_user)
{
    *ret_user = NULL;
    if (!auth->enabled || caller == NULL) {
        return 0;
    }
    struct auth_user *user;
    int status = caller_user(auth, caller, &user);
    if (status == 0 && !auth_user_has_role(user, slice_text(AUTH_ROOT))) {
        refresh_ranges(auth, user);
        *ret_user = user;
    }
    return status;
}

int auth_check_range(struct auth *auth, const struct auth_caller *caller, enum auth_access access,
                     struct slice key, struct slice end)
{
    struct auth_user *user;
    int status = limited_user(auth, caller, &user);
    if (user == NULL) {
        return status;
    }
    bool readable = access == AUTH_WRITE || auth_ranges_contain(&user->readable, key, end);
    bool writable = access == AUTH_READ || auth_ranges_contain(&user->writable, key, end);
    return readable && writable ? 0 : STORE_PERMISSION_DENIED;
}

/* The nearer of two ends; an empty one is beyond all. */
static struct slice nearer_end(struct slice a, struct slice b)
{
    return a.len == 0 || (b.len > 0 && slice_compare(b, a) < 0) ? b : a;
}

int auth_check_run(struct auth *auth, const struct auth_caller *caller, enum auth_access access,
                   struct slice key, struct slice *ret_end)
{
    struct auth_user *user;
    struct slice readable_end = {0}, writable_end = {0};
    *ret_end = slice_of(NULL, 0);
    int status = limited_user(auth, caller, &user);
    if (user == NULL) {
        return status;
    }
    if ((access != AUTH_WRITE && !auth_ranges_run(&user->readable, key, &readable_end)) ||
        (access != AUTH_READ && !auth_ranges_run(&user->writable, key, &writable_end))) {
        return STORE_PERMISSION_DENIED;
    }
    *ret_end = nearer_end(readable_end, writable_end);
    return 0;
}

/* --- Out and back. */

static void each_of_user(const struct auth_user *user,
                         void (*each)(void *data, const struct auth_change *change,
                                      uint64_t credential),
                         void *data)
{
    struct auth_change change = {.kind = AUTH_USER_ADD,
                                 .name = user->name,
                                 .value = user->hash,
                                 .no_password = user->no_password};
    each(data, &change, user->credential);
    for (size_t i = 0; i < user->role_count; i++) {
        change = (struct auth_change){
            .kind = AUTH_USER_GRANT_ROLE, .name = user->name, .value = user->roles[i]};
        each(data, &change, user->credential);
    }
}

void auth_each_change(const struct auth *auth,
                      void (*each)(void *data, const struct auth_change *change,
                                   uint64_t credential),
                      void *data)
{
    for (size_t i = 0; i < auth->role_count; i++) {
        const struct auth_role *role = auth->roles[i];
        struct auth_change change = {.kind = AUTH_ROLE_ADD, .name = role->name};
        each(data, &change, 0);
        change.kind = AUTH_ROLE_GRANT;
        for (size_t j = 0; j < role->permission_count; j++) {
            change.permission = role->permissions[j];
            each(data, &change, 0);
        }
    }
    for (size_t i = 0; i < auth->user_count; i++) {
        each_of_user(auth->users[i], each, data);
    }
    if (auth->has_secret) {
        const struct auth_change change = {.kind = AUTH_CHOOSE_SECRET, .value = auth_secret(auth)};
        each(data, &change, 0);
    }
}

struct auth_head auth_head(const struct auth *auth)
{
    return (struct auth_head){
        .revision = auth->revision, .hash = auth->hash, .enabled = auth->enabled};
}

int auth_load(struct auth *auth, const struct auth_change *change, uint64_t credential)
{
    if (change->kind == AUTH_ENABLE || change->kind == AUTH_DISABLE ||
        auth_apply(auth, change) != 0) {
        return STORE_MALFORMED;
    }
    if (change->kind == AUTH_USER_ADD) {
        auth_user_change(auth, change->name)->credential = credential;
    }
    return 0;
}

int auth_load_end(struct auth *auth, const struct auth_head *head)
{
    if (head->revision == 0 || head->enabled > 1 ||
        (head->enabled == 1 && auth_turn_on(auth) != 0)) {
        return STORE_MALFORMED;
    }
    auth->revision = head->revision;
    auth->hash = head->hash;
    for (size_t i = 0; i < auth->user_count; i++) {
        auth->users[i]->ranges_revision = 0;
    }
    return 0;
}
