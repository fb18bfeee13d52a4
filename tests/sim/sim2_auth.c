/* Somebody who administers users and roles while everything else goes on, and clients on whose
 * behalf transactions are made: who may do what is decided by the log's order, like all else (etcd
 * issue 14571: turning authentication on made members differ). */
#include "tests/sim/sim2.h"

#include "lib/base/alloc.h"
#include <stdlib.h>

enum { AUTH_EVERY_MS = 80, AUTH_STEPS = 8 };

static struct sim_random *rng(struct sim2 *sim)
{
    return &sim->auth_random;
}

static struct slice some_user(struct sim2 *sim)
{
    return auth_model_user_name(sim_below(rng(sim), AUTH_MODEL_USERS));
}

static struct slice some_role(struct sim2 *sim)
{
    return auth_model_role_name(sim_below(rng(sim), AUTH_MODEL_ROLES));
}

/* The range is one of a few, so that revoking finds something. */
static void some_permission(struct op *op)
{
    struct sim2 *sim = op->sim;
    size_t keys = sim->knobs.key_count;
    size_t half = keys / 2;
    const size_t ranges[][2] = {{0, keys}, {0, half}, {half, keys}, {0, 0}, {half, half}};
    const size_t *range = ranges[sim_below(rng(sim), ARRAY_LEN(ranges))];
    struct auth_permission *permission = &op->auth.permission;
    permission->access = (enum auth_access)sim_below(rng(sim), 3);
    permission->key = model_key_text(range[0], op->keys[0]);
    if (range[1] > range[0]) {
        permission->end = model_key_text(range[1], op->keys[1]);
    }
    if (op->auth.kind == AUTH_ROLE_REVOKE) {
        permission->access = AUTH_READ; /* It has none. */
    }
}

static void make_change(struct op *op)
{
    struct sim2 *sim = op->sim;
    struct auth_change *change = &op->auth;
    static const enum auth_change_kind begin[AUTH_STEPS] = {
        AUTH_USER_ADD,        AUTH_USER_GRANT_ROLE, AUTH_USER_ADD,   AUTH_ROLE_ADD,
        AUTH_USER_GRANT_ROLE, AUTH_ROLE_GRANT,      AUTH_ROLE_GRANT, AUTH_ENABLE};
    static const size_t begin_users[AUTH_STEPS] = {0, 0, 1, 0, 1, 0, 0, 0};
    static const size_t begin_roles[AUTH_STEPS] = {0, 0, 0, 1, 1, 1, 1, 0};
    size_t step = sim->auth_step++;
    bool first = step < AUTH_STEPS;
    change->kind = first ? begin[step] : (enum auth_change_kind)(1 + sim_below(rng(sim), 11));
    struct slice user = first ? auth_model_user_name(begin_users[step]) : some_user(sim);
    struct slice role = first ? auth_model_role_name(begin_roles[step]) : some_role(sim);
    if (change->kind >= AUTH_ROLE_ADD) {
        change->name = role;
    } else if (change->kind >= AUTH_USER_ADD) {
        change->name = user;
        change->value =
            change->kind == AUTH_USER_GRANT_ROLE || change->kind == AUTH_USER_REVOKE_ROLE
                ? role
                : slice_text("a hash");
    }
    if (change->kind == AUTH_ROLE_GRANT || change->kind == AUTH_ROLE_REVOKE) {
        some_permission(op);
    }
}

void sim2_auth_caller(struct op *op)
{
    struct sim2 *sim = op->sim;
    if (!sim->knobs.auth || sim_below(rng(sim), 2) == 0) {
        return;
    }
    op->as_client = true;
    if (sim_below(rng(sim), 8) > 0) {
        uint64_t late = sim_below(rng(sim), 8) == 0 && sim->auth.revision > 1 ? 1 : 0;
        op->caller =
            (struct auth_caller){.user = some_user(sim), .revision = sim->auth.revision - late};
    }
}

/* World 4: also for what is no transaction that writes. */
void sim2_auth_other_caller(struct op *op)
{
    if (op->sim->options->world >= 4) {
        sim2_auth_caller(op);
    }
}

const struct auth_caller *sim2_caller(const struct op *op)
{
    return op->as_client ? &op->caller : NULL;
}

/* ---- who might do what, in the past ---- */

static void note_change(struct sim2 *sim, uint64_t index)
{
    sim->auth_past =
        alloc_resize(sim->auth_past, sim->auth_past_count + 1, sizeof(struct auth_past));
    sim->auth_past[sim->auth_past_count++] = (struct auth_past){index, sim->auth};
}

/* Members are behind the newest entry, and read by the users and roles of where they are. */
int sim2_auth_read(struct sim2 *sim, const struct op *op, uint64_t index)
{
    struct auth_model model;
    auth_model_init(&model);
    for (size_t i = 0; i < sim->auth_past_count && sim->auth_past[i].index <= index; i++) {
        model = sim->auth_past[i].model;
    }
    struct store_op range = {.kind = STORE_OP_RANGE, .range = op->range};
    struct store_txn txn = {.success = &range, .success_count = 1};
    const struct store_command command = {.kind = STORE_COMMAND_TXN,
                                          .from_client = op->as_client,
                                          .caller = op->caller,
                                          .txn = op->kind == OP_READ ? &op->txn : &txn};
    int status = auth_model_permit(&model, &sim->model, &command);
    sim->counts_denied += status != 0 ? 1 : 0;
    return status;
}

void sim2_auth_turn(struct sim2 *sim)
{
    struct sim2_member *member = &sim->members[sim_below(rng(sim), sim->count)];
    if (sim->settling) {
        return;
    }
    if (member->machine->alive && sim->op_count < SIM2_OPS_MAX) {
        struct op *op = sim2_op_new(sim, member, OP_AUTH, SIM2_NO_CLIENT);
        make_change(op);
        if (sim_below(rng(sim), 4) == 0) {
            sim2_auth_caller(op);
        }
        sim2_op_start(op);
    }
    sim_at(&sim->world, 1 + sim_exponential(rng(sim), AUTH_EVERY_MS * NS_PER_MS), CALL_AUTH);
}

/* What an entry must do that only a client may ask for, or that changes who may. False when it is
 * neither: the model of the keys knows. */
bool sim2_auth_applied(struct sim2 *sim, uint64_t index, const struct store_command *command,
                       struct model_applied *ret_applied)
{
    struct model_applied applied = {.known = true, .revision = sim->model.revision};
    applied.status = auth_model_permit(&sim->auth, &sim->model, command);
    if (applied.status == 0 && command->kind != STORE_COMMAND_AUTH) {
        return false;
    }
    if (applied.status == 0) {
        applied.status = auth_model_change(&sim->auth, &command->auth.change, &applied.changed);
        note_change(sim, index);
    } else {
        sim->counts_denied++;
    }
    *ret_applied = applied;
    return true;
}
