#include "store/permit.h"

#include "store/status.h"

int store_permit_lease(const struct store_state *state, const struct auth_caller *caller,
                       enum auth_access access, int64_t lease)
{
    int status = auth_check_user(state->auth, caller);
    if (status != 0 || auth_check_root(state->auth, caller) == 0 ||
        !lease_table_has(state->leases, lease)) {
        return status;
    }
    /* From permission to permission, not from key to key: this is asked for every put with a lease,
     * and many keys can be bound to one. */
    struct slice key = {0}, end = {0};
    while (status == 0 && lease_table_key_from(state->leases, lease, end, &key)) {
        status = auth_check_run(state->auth, caller, access, key, &end);
        if (end.len == 0) {
            break;
        }
    }
    return status;
}

/* Binding one's key to a lease lets one decide how long the others' keys of it live. */
static int permit_put(const struct store_state *state, const struct auth_caller *caller,
                      const struct store_put *put)
{
    enum auth_access access = put->prev_kv ? AUTH_READWRITE : AUTH_WRITE;
    int status = auth_check_range(state->auth, caller, access, put->key, slice_of(NULL, 0));
    return status != 0 || put->lease == 0
               ? status
               : store_permit_lease(state, caller, AUTH_WRITE, put->lease);
}

static int permit_txn(const struct store_state *state, const struct auth_caller *caller,
                      const struct store_txn *txn);

/* Both branches, whichever is taken, and transactions inside of them to any depth. */
static int permit_ops(const struct store_state *state, const struct auth_caller *caller,
                      const struct store_op *ops, size_t count)
{
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        const struct store_op *op = &ops[i];
        switch (op->kind) {
        case STORE_OP_RANGE:
            status = auth_check_range(state->auth, caller, AUTH_READ, op->range.key, op->range.end);
            break;
        case STORE_OP_PUT:
            status = permit_put(state, caller, &op->put);
            break;
        case STORE_OP_DELETE:
            status = auth_check_range(state->auth, caller,
                                      op->delete_range.prev_kv ? AUTH_READWRITE : AUTH_WRITE,
                                      op->delete_range.key, op->delete_range.end);
            break;
        case STORE_OP_TXN:
            status = permit_txn(state, caller, op->txn);
            break;
        }
    }
    return status;
}

static int permit_txn(const struct store_state *state, const struct auth_caller *caller,
                      const struct store_txn *txn)
{
    int status = auth_check_user(state->auth, caller); /* Also of one that asks for nothing. */
    for (size_t i = 0; i < txn->compare_count && status == 0; i++) {
        status = auth_check_range(state->auth, caller, AUTH_READ, txn->compares[i].key,
                                  txn->compares[i].end);
    }
    if (status == 0) {
        status = permit_ops(state, caller, txn->success, txn->success_count);
    }
    return status != 0 ? status : permit_ops(state, caller, txn->failure, txn->failure_count);
}

int store_permit_read(const struct store_state *state, const struct auth_caller *caller,
                      const struct store_txn *txn)
{
    const struct store_command command = {
        .kind = STORE_COMMAND_TXN, .from_client = true, .caller = *caller, .txn = txn};
    return store_permit_command(state, &command);
}

int store_permit_command(const struct store_state *state, const struct store_command *command)
{
    const struct auth_caller *caller = &command->caller;
    if (!command->from_client) {
        return 0;
    }
    if (!auth_is_enabled(state->auth)) {
        return caller->restricted ? STORE_PERMISSION_DENIED : 0;
    }
    switch (command->kind) {
    case STORE_COMMAND_TXN:
        return permit_txn(state, caller, command->txn);
    case STORE_COMMAND_LEASE_GRANT:
        return auth_check_user(state->auth, caller);
    case STORE_COMMAND_LEASE_REVOKE:
        return store_permit_lease(state, caller, AUTH_WRITE, command->revoke.id);
    case STORE_COMMAND_COMPACT:
    case STORE_COMMAND_MEMBER_URL:
    case STORE_COMMAND_AUTH:
    case STORE_COMMAND_ALARM:
    case STORE_COMMAND_CHECK:
    case STORE_COMMAND_VERSION:
        return auth_check_root(state->auth, caller);
    }
    return STORE_PERMISSION_DENIED;
}
