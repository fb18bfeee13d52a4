#include "tests/sim/auth_model.h"

#include "store/status.h"
#include <assert.h>
#include <string.h>

static const char *const user_names[AUTH_MODEL_USERS] = {"root", "u1", "u2", "u3"};
static const char *const role_names[AUTH_MODEL_ROLES] = {"root", "r1", "r2"};

struct slice auth_model_user_name(size_t user)
{
    return slice_text(user_names[user]);
}

struct slice auth_model_role_name(size_t role)
{
    return slice_text(role_names[role]);
}

void auth_model_init(struct auth_model *model)
{
    *model = (struct auth_model){.revision = 1};
}

static struct auth_model_user *user_named(struct auth_model *model, struct slice name)
{
    for (size_t i = 0; i < AUTH_MODEL_USERS; i++) {
        if (slice_is(name, user_names[i])) {
            return &model->users[i];
        }
    }
    return NULL;
}

static size_t role_number(struct slice name)
{
    size_t role = 0;
    while (role < AUTH_MODEL_ROLES && !slice_is(name, role_names[role])) {
        role++;
    }
    return role;
}

/* ---- changes ---- */

static int change_user(struct auth_model *model, const struct auth_change *change,
                       bool *ret_changed)
{
    struct auth_model_user *user = user_named(model, change->name);
    bool root = model->enabled && user == &model->users[0];
    size_t role = role_number(change->value);
    assert(user != NULL);
    *ret_changed = true;
    if (change->kind == AUTH_USER_ADD && user->there) {
        return STORE_USER_EXISTS;
    }
    if (change->kind == AUTH_USER_ADD) {
        *user = (struct auth_model_user){.there = true};
        return 0;
    }
    if (root && (change->kind == AUTH_USER_DELETE ||
                 (change->kind == AUTH_USER_REVOKE_ROLE && role == 0))) {
        return STORE_INVALID_AUTH_MGMT;
    }
    if (!user->there) {
        return STORE_USER_NOT_FOUND;
    }
    if (change->kind == AUTH_USER_DELETE) {
        user->there = false;
    } else if (change->kind == AUTH_USER_GRANT_ROLE) {
        if (role != 0 && !model->roles[role].there) {
            return STORE_ROLE_NOT_FOUND;
        }
        *ret_changed = !user->roles[role];
        user->roles[role] = true;
    } else if (change->kind == AUTH_USER_REVOKE_ROLE) {
        if (!user->roles[role]) {
            return STORE_ROLE_NOT_GRANTED;
        }
        user->roles[role] = false;
    }
    return 0;
}

static int change_grants(struct auth_model_role *role, const struct auth_change *change)
{
    int64_t first = model_key_number(change->permission.key);
    int64_t end = change->permission.end.len == 0 ? -1 : model_key_number(change->permission.end);
    size_t at = 0;
    while (at < role->grant_count &&
           (role->grants[at].first != first || role->grants[at].end != end)) {
        at++;
    }
    if (change->kind == AUTH_ROLE_REVOKE) {
        if (at == role->grant_count) {
            return STORE_PERMISSION_NOT_GRANTED;
        }
        role->grants[at] = role->grants[--role->grant_count];
        return 0;
    }
    assert(at < AUTH_MODEL_GRANTS_MAX);
    role->grant_count += at == role->grant_count ? 1 : 0;
    role->grants[at] = (struct auth_model_grant){first, end, change->permission.access};
    return 0;
}

static int change_role(struct auth_model *model, const struct auth_change *change)
{
    size_t number = role_number(change->name);
    struct auth_model_role *role = &model->roles[number];
    assert(number < AUTH_MODEL_ROLES);
    if (change->kind == AUTH_ROLE_ADD && role->there) {
        return STORE_ROLE_EXISTS;
    }
    if (change->kind == AUTH_ROLE_ADD) {
        *role = (struct auth_model_role){.there = true};
        return 0;
    }
    if (change->kind == AUTH_ROLE_DELETE && model->enabled && number == 0) {
        return STORE_INVALID_AUTH_MGMT;
    }
    if (!role->there) {
        return STORE_ROLE_NOT_FOUND;
    }
    if (change->kind != AUTH_ROLE_DELETE) {
        return change_grants(role, change);
    }
    role->there = false;
    for (size_t i = 0; i < AUTH_MODEL_USERS; i++) {
        model->users[i].roles[number] = false;
    }
    return 0;
}

static int turn_on(struct auth_model *model)
{
    const struct auth_model_user *root = &model->users[0];
    if (!model->enabled && !root->there) {
        return STORE_ROOT_USER_NOT_EXIST;
    }
    if (!model->enabled && !root->roles[0]) {
        return STORE_ROOT_ROLE_NOT_EXIST;
    }
    model->enabled = true;
    return 0;
}

int auth_model_change(struct auth_model *model, const struct auth_change *change, bool *ret_changed)
{
    bool changed = true;
    bool enabled = model->enabled;
    int status = 0;
    if (change->kind == AUTH_ENABLE) {
        status = turn_on(model);
        changed = !enabled;
    } else if (change->kind == AUTH_DISABLE) {
        model->enabled = false;
        changed = enabled;
    } else if (change->kind >= AUTH_ROLE_ADD) {
        status = change_role(model, change);
    } else {
        status = change_user(model, change, &changed);
    }
    changed = changed && status == 0;
    model->revision += changed && change->kind != AUTH_ENABLE ? 1 : 0;
    *ret_changed = changed;
    return status;
}

/* ---- permission ---- */

static bool user_may(const struct auth_model *model, const struct auth_model_user *user,
                     int64_t key, bool alone, enum auth_access access)
{
    for (size_t r = 0; r < AUTH_MODEL_ROLES; r++) {
        const struct auth_model_role *role = &model->roles[r];
        for (size_t i = 0; user->roles[r] && role->there && i < role->grant_count; i++) {
            const struct auth_model_grant *grant = &role->grants[i];
            bool covers = grant->end < 0 ? alone && grant->first == key
                                         : grant->first <= key && key < grant->end;
            if (covers && (grant->access == access || grant->access == AUTH_READWRITE)) {
                return true;
            }
        }
    }
    return false;
}

struct asker {
    const struct auth_model *model;
    const struct kv_model *keys;
    const struct auth_model_user *user;
    int status; /* The first refusal. */
};

/* A permission for one key is one for that name alone, not for what lies before the next. */
static void ask(struct asker *asker, enum auth_access access, struct slice key, struct slice end)
{
    int64_t first = model_key_number(key);
    int64_t behind = end.len == 0 ? first + 1 : model_key_number(end);
    for (int64_t at = first; at < behind && !asker->user->roles[0]; at++) {
        if (!user_may(asker->model, asker->user, at, end.len == 0, access)) {
            asker->status = STORE_PERMISSION_DENIED;
        }
    }
}

static void ask_lease(struct asker *asker, int64_t id)
{
    const struct model_lease *lease = kv_model_lease(asker->keys, id);
    if (id == 0 || lease == NULL || lease->removed_at != 0) {
        return;
    }
    for (size_t key = 0; key < asker->keys->key_count; key++) {
        char text[8];
        const struct model_version *version = kv_model_at(asker->keys, key, asker->keys->revision);
        if (version != NULL && version->version != 0 && version->lease == id) {
            ask(asker, AUTH_WRITE, model_key_text(key, text), slice_of(NULL, 0));
        }
    }
}

static void ask_ops(struct asker *asker, const struct store_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_op *op = &ops[i];
        if (op->kind == STORE_OP_RANGE) {
            ask(asker, AUTH_READ, op->range.key, op->range.end);
        } else if (op->kind == STORE_OP_PUT) {
            ask(asker, AUTH_WRITE, op->put.key, slice_of(NULL, 0));
            if (op->put.prev_kv) {
                ask(asker, AUTH_READ, op->put.key, slice_of(NULL, 0));
            }
            ask_lease(asker, op->put.lease);
        } else if (op->kind == STORE_OP_DELETE) {
            ask(asker, AUTH_WRITE, op->delete_range.key, op->delete_range.end);
            if (op->delete_range.prev_kv) {
                ask(asker, AUTH_READ, op->delete_range.key, op->delete_range.end);
            }
        }
    }
}

static int permit_change(const struct auth_model_user *user, const struct auth_caller *caller)
{
    if (caller->user.len == 0) {
        return STORE_USER_EMPTY;
    }
    return user != NULL && user->there && user->roles[0] ? 0 : STORE_PERMISSION_DENIED;
}

/* Whoever it is has to be known. */
static int permit_user(const struct auth_model *model, const struct auth_model_user *user,
                       const struct auth_caller *caller)
{
    if (caller->user.len == 0 && caller->revision == 0) {
        return STORE_USER_EMPTY;
    }
    if (caller->revision < model->revision) {
        return STORE_AUTH_OLD_REVISION;
    }
    return user == NULL || !user->there ? STORE_PERMISSION_DENIED : 0;
}

static void ask_txn(struct asker *asker, const struct store_txn *txn)
{
    for (size_t i = 0; i < txn->compare_count; i++) {
        ask(asker, AUTH_READ, txn->compares[i].key, txn->compares[i].end);
    }
    ask_ops(asker, txn->success, txn->success_count);
    ask_ops(asker, txn->failure, txn->failure_count);
}

int auth_model_permit(const struct auth_model *model, const struct kv_model *keys,
                      const struct store_command *command)
{
    const struct auth_caller *caller = &command->caller;
    struct auth_model copy = *model;
    struct asker asker = {.model = &copy, .keys = keys, .user = user_named(&copy, caller->user)};
    if (!command->from_client || !model->enabled) {
        return 0;
    }
    bool txn = command->kind == STORE_COMMAND_TXN;
    bool revoke = command->kind == STORE_COMMAND_LEASE_REVOKE;
    if (!txn && !revoke && command->kind != STORE_COMMAND_LEASE_GRANT) {
        return permit_change(asker.user, caller);
    }
    asker.status = permit_user(model, asker.user, caller);
    if (asker.status == 0 && txn) {
        ask_txn(&asker, command->txn);
    } else if (asker.status == 0 && revoke) {
        ask_lease(&asker, command->revoke.id);
    }
    return asker.status;
}
