/* Strict serializability without a search: the log is the order. What took effect at an entry must
 * have answered what the model answers there, and the entry must lie between call and return; a
 * read lies where its member stood. Operations without an answer are resolved from the log. */
#include "tests/sim/sim2.h"

#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include <inttypes.h>
#include <stdlib.h>

enum { BLACK_BOX_STEPS = 200000 };

static bool is_unknown(int status)
{
    return status == STORE_TIMEOUT || status == STORE_LEADER_CHANGED || status == STORE_STOPPED;
}

static bool is_refusal(int status) /* "Nothing was done." */
{
    return status == STORE_NO_LEADER || status == STORE_TOO_MANY_REQUESTS ||
           status == STORE_NO_SPACE;
}

static bool is_write(enum op_kind kind)
{
    return kind == OP_TXN || kind == OP_COMPACT || kind == OP_GRANT || kind == OP_REVOKE ||
           kind == OP_AUTH;
}

/* ---- what comes back ---- */

static void raise_floor(struct sim2 *sim, uint64_t index)
{
    sim->floor = index > sim->floor ? index : sim->floor;
}

static void check_write(struct sim2 *sim, struct op *op)
{
    if (is_refusal(op->status)) {
        op->nothing_done = true;
        if (op->index != 0 && op->expected.changed) {
            sim_fail(&sim->world,
                     "K1: operation %" PRIu64 " was refused (%d), but entry %" PRIu64 " did it",
                     op->number, op->status, op->index);
        }
        return;
    }
    if (op->index == 0) {
        sim_fail(&sim->world,
                 "K1: operation %" PRIu64 " was answered (%d) without being in the log", op->number,
                 op->status);
        return;
    }
    if (op->status != op->expected.status ||
        (op->status == 0 && op->kind == OP_TXN && op->result != op->expected.result)) {
        sim_fail(&sim->world,
                 "K1: operation %" PRIu64 " (entry %" PRIu64
                 ") answered status %d, result %016" PRIx64 "; it must be %d, %016" PRIx64,
                 op->number, op->index, op->status, op->result, op->expected.status,
                 op->expected.result);
    }
    raise_floor(sim, op->index);
}

static void check_read(struct sim2 *sim, struct op *op)
{
    uint64_t digest = 0;
    int status;
    if (is_refusal(op->status)) {
        return;
    }
    if (op->read_index < op->floor) {
        sim_fail(&sim->world,
                 "K1: stale read %" PRIu64 " on member %" PRIu64 ": at entry %" PRIu64
                 ", but entry %" PRIu64 " had been acknowledged or read before",
                 op->number, op->member->machine->id, op->read_index, op->floor);
        return;
    }
    /* The newest entries may be none of the store's: the model has not seen them. */
    uint64_t index = op->read_index < sim->model.index ? op->read_index : sim->model.index;
    status = sim2_auth_read(sim, op, op->read_index);
    if (status != 0) {
        digest = 0;
    } else if (op->kind == OP_READ) {
        status = kv_model_read(&sim->model, index, &op->txn, &digest);
    } else {
        status = kv_model_range(&sim->model, &op->range, sim->model.revision_at[index],
                                sim->model.compact_at[index], &digest);
    }
    if (status != op->status || (status == 0 && digest != op->result)) {
        sim_fail(&sim->world,
                 "K1: read %" PRIu64 " on member %" PRIu64 " at entry %" PRIu64
                 " answered status %d, result %016" PRIx64 "; it must be %d, %016" PRIx64,
                 op->number, op->member->machine->id, op->read_index, op->status, op->result,
                 status, digest);
    }
    raise_floor(sim, op->read_index);
}

static void check_op(struct op *op)
{
    struct sim2 *sim = op->sim;
    op->done = true;
    sim->ops_open--;
    sim->clients[op->client].waiting--;
    if (is_unknown(op->status)) {
        sim->counts_unknown++;
        return;
    }
    if (is_write(op->kind)) {
        check_write(sim, op);
        sim->counts_ops += op->status == 0 ? 1 : 0;
        if (op->status == 0 && op->called_ns >= sim->probe_ns) {
            sim->probe_acked = sim->probe_acked || sim->core[op->member->machine->id - 1];
        }
        bool own = op->member->node != NULL && raft_is_leader(op->member->node);
        if (op->status == 0 && own && op->number % 8 == 0) {
            ghost_committed(&sim->ghost, &op->member->node->core, op->index);
        }
    } else if (op->kind == OP_READ || op->kind == OP_BARRIER) {
        check_read(sim, op);
        sim->counts_reads += op->status == 0 ? 1 : 0;
    }
    if (op->kind == OP_GRANT || op->kind == OP_REVOKE || op->kind == OP_KEEPALIVE ||
        op->kind == OP_TTL) {
        sim2_lease_op_done(op);
    }
}

void sim2_op_done(struct op *op)
{
    struct sim2 *sim = op->sim;
    op->returned_ns = sim->world.now;
    /* Raft's is behind while an entry is being applied; the store's, after entries of Raft's own.
     */
    uint64_t raft = op->member->node == NULL ? 0 : raft_applied_index(op->member->node);
    op->read_index = op->member->store->state.applied_index;
    op->read_index = raft > op->read_index ? raft : op->read_index;
    sim_say(&sim->world, "  op %" PRIu64 " comes back: status %d", op->number, op->status);
    if (!sim->applying) {
        check_op(op);
        return;
    }
    if (sim->late_op_count == sim->late_op_capacity) {
        sim->late_op_capacity = sim->late_op_capacity * 2 + 8;
        sim->late_ops = alloc_resize(sim->late_ops, sim->late_op_capacity, sizeof(*sim->late_ops));
    }
    sim->late_ops[sim->late_op_count++] = op;
}

void sim2_check_late(struct sim2 *sim)
{
    for (size_t i = 0; i < sim->late_op_count; i++) {
        check_op(sim->late_ops[i]);
    }
    sim->late_op_count = 0;
    for (size_t i = 0; i < sim->late_watch_count; i++) {
        sim2_watch_check(sim, &sim->late_watches[i]);
    }
    sim->late_watch_count = 0;
}

/* ---- what is in the log ---- */

static bool same_request(const struct op *op, const struct store_command *command)
{
    switch ((int)command->kind) {
    case STORE_COMMAND_TXN:
        return op->kind == OP_TXN && model_txn_digest(command->txn) == op->request;
    case STORE_COMMAND_COMPACT:
        return op->kind == OP_COMPACT && command->compact_revision == op->compact;
    case STORE_COMMAND_LEASE_GRANT:
        return op->kind == OP_GRANT && command->grant.id == op->lease &&
               command->grant.ttl_s == op->ttl_s;
    case STORE_COMMAND_LEASE_REVOKE:
        return op->kind == OP_REVOKE && command->revoke.id == op->lease &&
               command->revoke.term == 0;
    case STORE_COMMAND_AUTH:
        return op->kind == OP_AUTH && command->auth.change.kind == op->auth.kind &&
               slice_equal(command->auth.change.name, op->auth.name) &&
               slice_equal(command->auth.change.value, op->auth.value);
    default:
        return false;
    }
}

/* Whether the command takes effect. The state machine decides; this says when it must or must not.
 */
static bool takes_effect(struct sim2 *sim, struct op *op, const struct store_command *command,
                         uint64_t index, bool changed)
{
    if (op == NULL) {
        return true;
    }
    if (!same_request(op, command)) {
        sim_fail(&sim->world, "entry %" PRIu64 " is not what operation %" PRIu64 " asked for",
                 index, op->number);
    }
    if (op->index != 0) {
        if (changed) {
            sim_fail(&sim->world,
                     "K1: operation %" PRIu64 " took effect at entry %" PRIu64
                     " and again at %" PRIu64,
                     op->number, op->index, index);
        }
        return false;
    }
    if (op->done && !changed) {
        op->refused = true;
        return false;
    }
    if (op->nothing_done) {
        sim_fail(&sim->world,
                 "K1: operation %" PRIu64 " was refused (%d), and then entry %" PRIu64 " did it",
                 op->number, op->status, index);
    }
    if (index <= op->floor) {
        sim_fail(&sim->world,
                 "K1: operation %" PRIu64 " took effect at entry %" PRIu64
                 ", before what had come back when it was called (%" PRIu64 ")",
                 op->number, index, op->floor);
    }
    return true;
}

void sim2_applied(struct sim2 *sim, struct sim2_member *member, uint64_t index, uint64_t term,
                  struct slice bytes, bool changed)
{
    struct store_command command;
    struct model_applied applied = {0};
    struct arena *arena = arena_new(SIZE_MAX);
    if (store_command_decode(bytes, arena, &command) != 0) {
        sim_fail(&sim->world, "entry %" PRIu64 " is no command", index);
        arena_free(arena);
        return;
    }
    const uint64_t name[] = {command.member, command.incarnation, command.sequence};
    struct op *op =
        command.sequence == 0 ? NULL : hash_map_get(sim->by_name, slice_of(name, sizeof(name)));
    sim_say(&sim->world, "member %" PRIu64 " applies entry %" PRIu64 ": kind %d, op %" PRIu64 "%s",
            member->machine->id, index, (int)command.kind, op == NULL ? 0 : op->number,
            changed ? "" : ", no change");
    if (!takes_effect(sim, op, &command, index, changed)) {
        kv_model_skip(&sim->model, index);
        arena_free(arena);
        return;
    }
    if (sim2_auth_applied(sim, index, &command, &applied)) {
        kv_model_skip(&sim->model, index);
    } else {
        kv_model_apply(&sim->model, index, term, &command, &applied);
    }
    if (op != NULL) {
        op->index = index;
        op->expected = applied;
    }
    if (applied.known && applied.changed != changed) {
        sim_fail(&sim->world,
                 "entry %" PRIu64 " (operation %" PRIu64 ") changes %s on member %" PRIu64
                 ", unlike the model",
                 index, op == NULL ? 0 : op->number, changed ? "something" : "nothing",
                 member->machine->id);
    }
    if (applied.lease != NULL && applied.lease->removed_at == index) {
        sim2_lease_removed(sim, applied.lease);
    }
    arena_free(arena);
}

/* ---- the other checker, which knows nothing of logs ---- */

void sim2_check_black_box(struct sim2 *sim)
{
    struct linear_op *ops = alloc_array(sim->op_count * SIM2_LINEAR_MAX + 1, sizeof(*ops));
    struct linear_report report;
    size_t count = 0;
    for (size_t i = 0; i < sim->op_count; i++) {
        const struct op *op = sim->ops[i];
        bool pending = !op->done || is_unknown(op->status);
        for (size_t k = 0; k < op->linear_count; k++) {
            struct linear_op *out = &ops[count];
            *out = op->linear[k];
            out->call = op->called_ns;
            bool read = out->kind == LINEAR_READ || out->kind == LINEAR_KEEP;
            if ((op->status != 0 && !pending) || (pending && read)) {
                continue;
            }
            if (pending) {
                out->end = LINEAR_PENDING;
            } else if (out->end != LINEAR_PENDING) {
                out->end = op->returned_ns;
            }
            count++;
        }
    }
    enum linear_verdict verdict = linear_check(ops, count, BLACK_BOX_STEPS, &report);
    sim->counts_black_box += count;
    if (verdict == LINEAR_VIOLATION) {
        sim_fail(&sim->world,
                 "K1: the history of key %" PRIu64
                 " is not linearizable (black box; near the operation called at %" PRIu64 " ns)",
                 report.key, report.call);
    }
    free(ops);
}
