#include "store/auth_private.h"

#include "lib/base/alloc.h"
#include "lib/base/digest.h"
#include "store/limits.h"
#include "store/status.h"
#include <assert.h>
#include <stdlib.h>

/* --- Owned bytes and sorted tables. */

static struct slice own(struct slice bytes)
{
    return slice_of(alloc_text_n((const char *)bytes.data, bytes.len), bytes.len);
}

static void disown(struct slice *bytes)
{
    uint8_t *memory = (uint8_t *)(uintptr_t)bytes->data;
    if (memory != NULL) {
        explicit_bzero(memory, bytes->len); /* Some are hashes of passwords. */
    }
    free(memory);
    *bytes = slice_of(NULL, 0);
}

/* Where `name` is among `count` sorted rows, or where it would be. */
static bool find(const void *table, size_t count, struct slice (*name_at)(const void *, size_t),
                 struct slice name, size_t *ret_index)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(name_at(table, middle), name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_index = low;
    return low < count && slice_equal(name_at(table, low), name);
}

static struct slice user_name(const void *table, size_t index)
{
    const struct auth *auth = table;
    return auth->users[index]->name;
}

static struct slice role_name(const void *table, size_t index)
{
    const struct auth *auth = table;
    return auth->roles[index]->name;
}

static struct slice text_at(const void *table, size_t index)
{
    return ((const struct slice *)table)[index];
}

static void *table_insert(void *table, size_t count, size_t item_size, size_t index)
{
    uint8_t *rows = alloc_resize(table, count + 1, item_size);
    memmove(rows + (index + 1) * item_size, rows + index * item_size, (count - index) * item_size);
    memset(rows + index * item_size, 0, item_size);
    return rows;
}

static void table_remove(void *table, size_t count, size_t item_size, size_t index)
{
    uint8_t *rows = table;
    memmove(rows + index * item_size, rows + (index + 1) * item_size,
            (count - index - 1) * item_size);
}

/* --- Life. */

struct auth *auth_new(void)
{
    struct auth *auth = alloc_zeroed(sizeof(*auth));
    auth->revision = 1;
    return auth;
}

static void user_free(struct auth_user *user)
{
    for (size_t i = 0; i < user->role_count; i++) {
        disown(&user->roles[i]);
    }
    free(user->roles);
    disown(&user->name);
    disown(&user->hash);
    auth_ranges_release(&user->readable);
    auth_ranges_release(&user->writable);
    free(user);
}

static void permission_release(struct auth_permission *permission)
{
    disown(&permission->key);
    disown(&permission->end);
}

static void role_free(struct auth_role *role)
{
    for (size_t i = 0; i < role->permission_count; i++) {
        permission_release(&role->permissions[i]);
    }
    free(role->permissions);
    disown(&role->name);
    free(role);
}

void auth_free(struct auth *auth)
{
    if (auth == NULL) {
        return;
    }
    for (size_t i = 0; i < auth->user_count; i++) {
        user_free(auth->users[i]);
    }
    for (size_t i = 0; i < auth->role_count; i++) {
        role_free(auth->roles[i]);
    }
    free(auth->users);
    free(auth->roles);
    explicit_bzero(auth->secret, sizeof(auth->secret));
    free(auth);
}

bool auth_is_enabled(const struct auth *auth)
{
    return auth->enabled;
}

uint64_t auth_revision(const struct auth *auth)
{
    return auth->revision;
}

uint64_t auth_hash(const struct auth *auth)
{
    return auth->hash;
}

struct slice auth_secret(const struct auth *auth)
{
    return slice_of(auth->secret, auth->has_secret ? sizeof(auth->secret) : 0);
}

size_t auth_user_count(const struct auth *auth)
{
    return auth->user_count;
}

const struct auth_user *auth_user_at(const struct auth *auth, size_t index)
{
    assert(index < auth->user_count);
    return auth->users[index];
}

struct auth_user *auth_user_change(const struct auth *auth, struct slice name)
{
    size_t index;
    return find(auth, auth->user_count, user_name, name, &index) ? auth->users[index] : NULL;
}

const struct auth_user *auth_user_find(const struct auth *auth, struct slice name)
{
    return auth_user_change(auth, name);
}

bool auth_user_has_role(const struct auth_user *user, struct slice role)
{
    size_t index;
    return find(user->roles, user->role_count, text_at, role, &index);
}

size_t auth_role_count(const struct auth *auth)
{
    return auth->role_count;
}

const struct auth_role *auth_role_at(const struct auth *auth, size_t index)
{
    assert(index < auth->role_count);
    return auth->roles[index];
}

struct auth_role *auth_role_change(const struct auth *auth, struct slice name)
{
    size_t index;
    return find(auth, auth->role_count, role_name, name, &index) ? auth->roles[index] : NULL;
}

const struct auth_role *auth_role_find(const struct auth *auth, struct slice name)
{
    return auth_role_change(auth, name);
}

/* --- Changing users. */

static bool is_root(struct slice name)
{
    return slice_is(name, AUTH_ROOT);
}

int auth_turn_on(struct auth *auth)
{
    const struct auth_user *root = auth_user_change(auth, slice_text(AUTH_ROOT));
    if (root == NULL) {
        return STORE_ROOT_USER_NOT_EXIST;
    }
    if (!auth_user_has_role(root, slice_text(AUTH_ROOT))) {
        return STORE_ROOT_ROLE_NOT_EXIST;
    }
    auth->enabled = true;
    return 0;
}

/* Tokens end with it: they are made with another secret from then on. */
static int disable(struct auth *auth)
{
    auth->enabled = false;
    auth->has_secret = false;
    explicit_bzero(auth->secret, sizeof(auth->secret));
    return 0;
}

static int user_add(struct auth *auth, const struct auth_change *change)
{
    size_t index;
    if (change->name.len == 0) {
        return STORE_USER_EMPTY;
    }
    if (find(auth, auth->user_count, user_name, change->name, &index)) {
        return STORE_USER_EXISTS;
    }
    if (auth->user_count == STORE_AUTH_USERS_MAX) {
        return STORE_TOO_MANY_REQUESTS;
    }
    auth->users = table_insert(auth->users, auth->user_count++, sizeof(*auth->users), index);
    struct auth_user *user = auth->users[index] = alloc_zeroed(sizeof(*user));
    user->name = own(change->name);
    user->hash = change->no_password ? slice_of(NULL, 0) : own(change->value);
    user->no_password = change->no_password;
    user->credential = auth->revision + 1;
    return 0;
}

static int user_delete(struct auth *auth, struct slice name)
{
    size_t index;
    if (auth->enabled && is_root(name)) {
        return STORE_INVALID_AUTH_MGMT;
    }
    if (!find(auth, auth->user_count, user_name, name, &index)) {
        return STORE_USER_NOT_FOUND;
    }
    user_free(auth->users[index]);
    table_remove(auth->users, auth->user_count--, sizeof(*auth->users), index);
    return 0;
}

static int user_password(struct auth *auth, const struct auth_change *change)
{
    struct auth_user *user = auth_user_change(auth, change->name);
    if (user == NULL) {
        return STORE_USER_NOT_FOUND;
    }
    user->credential = auth->revision + 1;
    if (!user->no_password) { /* As etcd: one without a password does not get one. */
        disown(&user->hash);
        user->hash = own(change->value);
    }
    return 0;
}

static int user_grant_role(struct auth *auth, const struct auth_change *change)
{
    struct auth_user *user = auth_user_change(auth, change->name);
    size_t index;
    if (user == NULL) {
        return STORE_USER_NOT_FOUND;
    }
    if (!is_root(change->value) && auth_role_change(auth, change->value) == NULL) {
        return STORE_ROLE_NOT_FOUND;
    }
    if (find(user->roles, user->role_count, text_at, change->value, &index)) {
        return -EALREADY;
    }
    user->roles = table_insert(user->roles, user->role_count++, sizeof(*user->roles), index);
    user->roles[index] = own(change->value);
    return 0;
}

static bool user_drop_role(struct auth_user *user, struct slice role)
{
    size_t index;
    if (!find(user->roles, user->role_count, text_at, role, &index)) {
        return false;
    }
    disown(&user->roles[index]);
    table_remove(user->roles, user->role_count--, sizeof(*user->roles), index);
    return true;
}

static int user_revoke_role(struct auth *auth, const struct auth_change *change)
{
    struct auth_user *user = auth_user_change(auth, change->name);
    if (auth->enabled && is_root(change->name) && is_root(change->value)) {
        return STORE_INVALID_AUTH_MGMT;
    }
    if (user == NULL) {
        return STORE_USER_NOT_FOUND;
    }
    return user_drop_role(user, change->value) ? 0 : STORE_ROLE_NOT_GRANTED;
}

/* --- Changing roles. */

static int role_add(struct auth *auth, struct slice name)
{
    size_t index;
    if (name.len == 0) {
        return STORE_ROLE_EMPTY;
    }
    if (find(auth, auth->role_count, role_name, name, &index)) {
        return STORE_ROLE_EXISTS;
    }
    if (auth->role_count == STORE_AUTH_ROLES_MAX) {
        return STORE_TOO_MANY_REQUESTS;
    }
    auth->roles = table_insert(auth->roles, auth->role_count++, sizeof(*auth->roles), index);
    struct auth_role *role = auth->roles[index] = alloc_zeroed(sizeof(*role));
    role->name = own(name);
    return 0;
}

static int role_delete(struct auth *auth, struct slice name)
{
    size_t index;
    if (auth->enabled && is_root(name)) {
        return STORE_INVALID_AUTH_MGMT;
    }
    if (!find(auth, auth->role_count, role_name, name, &index)) {
        return STORE_ROLE_NOT_FOUND;
    }
    role_free(auth->roles[index]);
    table_remove(auth->roles, auth->role_count--, sizeof(*auth->roles), index);
    for (size_t i = 0; i < auth->user_count; i++) {
        (void)user_drop_role(auth->users[i], name); /* Most do not have it. */
    }
    return 0;
}

static int permission_order(const struct auth_permission *permission, struct slice key,
                            struct slice end)
{
    int order = slice_compare(permission->key, key);
    return order != 0 ? order : slice_compare(permission->end, end);
}

/* True when it is there; *ret_index is its place, or where it would go. */
static bool permission_find(const struct auth_role *role, struct slice key, struct slice end,
                            size_t *ret_index)
{
    size_t index = 0;
    int order = -1;
    while (index < role->permission_count) {
        order = permission_order(&role->permissions[index], key, end);
        if (order >= 0) {
            break;
        }
        index++;
    }
    *ret_index = index;
    return order == 0;
}

static bool is_valid_range(struct slice key, struct slice end)
{
    bool to_the_end = end.len == 1 && end.data[0] == 0;
    return key.len > 0 && (end.len == 0 || to_the_end || slice_compare(key, end) < 0);
}

static int role_grant(struct auth *auth, const struct auth_change *change)
{
    const struct auth_permission *wanted = &change->permission;
    struct auth_role *role = auth_role_change(auth, change->name);
    size_t index;
    if (!is_valid_range(wanted->key, wanted->end) || wanted->access > AUTH_READWRITE) {
        return STORE_INVALID_AUTH_MGMT;
    }
    if (role == NULL) {
        return STORE_ROLE_NOT_FOUND;
    }
    if (permission_find(role, wanted->key, wanted->end, &index)) {
        role->permissions[index].access = wanted->access;
        return 0;
    }
    if (role->permission_count == STORE_AUTH_PERMISSIONS_MAX) {
        return STORE_TOO_MANY_REQUESTS;
    }
    role->permissions = table_insert(role->permissions, role->permission_count++,
                                     sizeof(*role->permissions), index);
    role->permissions[index] = (struct auth_permission){
        .access = wanted->access, .key = own(wanted->key), .end = own(wanted->end)};
    return 0;
}

static int role_revoke(struct auth *auth, const struct auth_change *change)
{
    struct auth_role *role = auth_role_change(auth, change->name);
    size_t index;
    if (role == NULL) {
        return STORE_ROLE_NOT_FOUND;
    }
    if (!permission_find(role, change->permission.key, change->permission.end, &index)) {
        return STORE_PERMISSION_NOT_GRANTED;
    }
    permission_release(&role->permissions[index]);
    table_remove(role->permissions, role->permission_count--, sizeof(*role->permissions), index);
    return 0;
}

static int choose_secret(struct auth *auth, struct slice secret)
{
    if (secret.len != sizeof(auth->secret)) {
        return STORE_MALFORMED;
    }
    if (auth->has_secret) {
        return -EALREADY; /* Two members chose at the same time: the first one's is it. */
    }
    memcpy(auth->secret, secret.data, secret.len);
    auth->has_secret = true;
    return 0;
}

/* --- Changing, all of it. */

static bool is_name(struct slice name)
{
    return name.len <= STORE_AUTH_NAME_MAX &&
           (name.len == 0 || memchr(name.data, '\0', name.len) == NULL);
}

static bool is_well_formed(const struct auth_change *change)
{
    bool named = change->kind == AUTH_USER_GRANT_ROLE || change->kind == AUTH_USER_REVOKE_ROLE;
    return is_name(change->name) && change->value.len <= STORE_AUTH_HASH_MAX &&
           (!named || is_name(change->value));
}

static int change_run(struct auth *auth, const struct auth_change *change)
{
    switch (change->kind) {
    case AUTH_ENABLE:
        return auth->enabled ? -EALREADY : auth_turn_on(auth);
    case AUTH_DISABLE:
        return auth->enabled ? disable(auth) : -EALREADY;
    case AUTH_USER_ADD:
        return user_add(auth, change);
    case AUTH_USER_DELETE:
        return user_delete(auth, change->name);
    case AUTH_USER_PASSWORD:
        return user_password(auth, change);
    case AUTH_USER_GRANT_ROLE:
        return user_grant_role(auth, change);
    case AUTH_USER_REVOKE_ROLE:
        return user_revoke_role(auth, change);
    case AUTH_ROLE_ADD:
        return role_add(auth, change->name);
    case AUTH_ROLE_DELETE:
        return role_delete(auth, change->name);
    case AUTH_ROLE_GRANT:
        return role_grant(auth, change);
    case AUTH_ROLE_REVOKE:
        return role_revoke(auth, change);
    case AUTH_CHOOSE_SECRET:
        return choose_secret(auth, change->value);
    }
    return STORE_MALFORMED;
}

static void hash_change(struct auth *auth, const struct auth_change *change)
{
    const uint64_t fixed[] = {
        (uint64_t)change->kind, change->no_password, (uint64_t)change->permission.access,
        change->name.len,       change->value.len,   change->permission.key.len};
    auth->hash = digest64(auth->hash, slice_of(fixed, sizeof(fixed)));
    auth->hash = digest64(auth->hash, change->name);
    auth->hash = digest64(auth->hash, change->value);
    auth->hash = digest64(auth->hash, change->permission.key);
    auth->hash = digest64(auth->hash, change->permission.end);
}

int auth_apply(struct auth *auth, const struct auth_change *change)
{
    int status = is_well_formed(change) ? change_run(auth, change) : STORE_INVALID_AUTH_MGMT;
    if (status == -EALREADY) {
        return 0; /* Nothing to do, and so no new revision. */
    }
    if (status == 0) {
        /* As in etcd, enabling is no change to who may do what; nor is the secret. */
        auth->revision += change->kind != AUTH_ENABLE && change->kind != AUTH_CHOOSE_SECRET;
        hash_change(auth, change);
    }
    return status;
}
