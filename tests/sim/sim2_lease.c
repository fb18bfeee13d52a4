/* Lease holders. L1: a lease lives for its TTL after each renewal that was acknowledged; L2: nobody
 * renews or finds a lease that is gone; L3: it ends through the log only (the model knows no other
 * way), and it does end when nobody renews it. */
#include "tests/sim/sim2.h"

#include "store/status.h"
#include <inttypes.h>

enum { FIRST_ID = 1000, FAST_CLOCK_PERCENT = 106 };

static struct sim_random *rng(struct sim2 *sim)
{
    return &sim->world.work;
}

/* How long at least the TTL is on the fastest clock. */
static uint64_t least_ns(const struct lease_holder *holder)
{
    return (uint64_t)holder->ttl_s * NS_PER_S * 100 / FAST_CLOCK_PERCENT;
}

struct lease_holder *sim2_lease_find(struct sim2 *sim, int64_t id)
{
    return id >= FIRST_ID && (uint64_t)(id - FIRST_ID) < sim->lease_count
               ? &sim->leases[id - FIRST_ID]
               : NULL;
}

void sim2_lease_removed(struct sim2 *sim, const struct model_lease *lease)
{
    struct lease_holder *holder = sim2_lease_find(sim, lease->id);
    if (holder == NULL) {
        return;
    }
    holder->removed_ns = sim->world.now;
    sim->counts_expired += lease->expired ? 1 : 0;
    if (lease->expired && sim->world.now < holder->renewed_ns + least_ns(holder)) {
        sim_fail(&sim->world,
                 "L1: lease %" PRId64 " (%" PRId64 " s) expires %" PRIu64
                 " ms after a renewal that was acknowledged",
                 lease->id, holder->ttl_s, (sim->world.now - holder->renewed_ns) / NS_PER_MS);
    }
    if (!lease->expired && !holder->revoked) {
        sim_fail(&sim->world, "L3: lease %" PRId64 " was revoked by nobody", lease->id);
    }
}

static void check_renewal(struct sim2 *sim, const struct op *op, struct lease_holder *holder,
                          const struct model_lease *lease)
{
    if (op->answer_ttl_s != holder->ttl_s || op->answer_granted_s != holder->ttl_s) {
        sim_fail(&sim->world,
                 "L1: lease %" PRId64 " of %" PRId64 " s was renewed for %" PRId64 " s", op->lease,
                 holder->ttl_s, op->answer_ttl_s);
    }
    if (lease->removed_at != 0 && lease->expired &&
        holder->removed_ns < op->called_ns + least_ns(holder)) {
        sim_fail(&sim->world,
                 "L1: the renewal of lease %" PRId64 " at %" PRIu64
                 " ms was acknowledged, but it expired %" PRIu64 " ms later",
                 op->lease, op->called_ns / NS_PER_MS,
                 (holder->removed_ns - op->called_ns) / NS_PER_MS);
    }
    holder->renewed_ns = op->called_ns > holder->renewed_ns ? op->called_ns : holder->renewed_ns;
}

void sim2_lease_op_done(struct op *op)
{
    struct sim2 *sim = op->sim;
    struct lease_holder *holder = sim2_lease_find(sim, op->lease);
    const struct model_lease *lease = kv_model_lease(&sim->model, op->lease);
    if (holder == NULL || op->kind == OP_GRANT || op->kind == OP_REVOKE) {
        return; /* Entries of the log: checked there. */
    }
    bool gone = lease == NULL || (lease->removed_at != 0 && lease->removed_at <= op->floor);
    bool lives = lease != NULL && lease->removed_at == 0 && lease->granted_at <= op->floor;
    if (op->status == 0 && gone) {
        sim_fail(&sim->world, "L2: lease %" PRId64 " was found after it had ended", op->lease);
    } else if (op->status == STORE_LEASE_NOT_FOUND && lives) {
        sim_fail(&sim->world, "L1: lease %" PRId64 " lives, but was not found", op->lease);
    } else if (op->status == 0 && op->kind == OP_KEEPALIVE) {
        check_renewal(sim, op, holder, lease);
    } else if (op->status == 0) {
        int64_t grace_s = (int64_t)sim->knobs.store.lease_grace_ms / 1000 + 1;
        if (op->answer_ttl_s < 0 || op->answer_ttl_s > holder->ttl_s + grace_s) {
            sim_fail(&sim->world, "lease %" PRId64 " of %" PRId64 " s has %" PRId64 " s left",
                     op->lease, holder->ttl_s, op->answer_ttl_s);
        }
    }
}

/* ---- what holders do ---- */

static void lease_op(struct sim2 *sim, struct lease_holder *holder, enum op_kind kind)
{
    struct sim2_member *member = &sim->members[sim_below(rng(sim), sim->count)];
    if (!member->machine->alive || sim->op_count >= SIM2_OPS_MAX) {
        return;
    }
    struct op *op = sim2_op_new(sim, member, kind, SIM2_NO_CLIENT);
    op->lease = holder->id;
    op->ttl_s = holder->ttl_s;
    if (kind == OP_GRANT) {
        holder->renewed_ns = op->called_ns; /* Its clock cannot start earlier. */
    }
    holder->revoked = holder->revoked || kind == OP_REVOKE;
    if (kind == OP_GRANT || kind == OP_REVOKE) {
        sim2_auth_other_caller(op);
    }
    sim2_op_start(op);
}

static void grant(struct sim2 *sim)
{
    if (sim->lease_count < SIM2_LEASES_MAX) {
        size_t number = sim->lease_count++;
        sim->leases[number] = (struct lease_holder){.sim = sim,
                                                    .id = FIRST_ID + (int64_t)number,
                                                    .ttl_s = 1 + (int64_t)sim_below(rng(sim), 3),
                                                    .held = true};
        lease_op(sim, &sim->leases[number], OP_GRANT);
        sim_at(&sim->world, 100 * NS_PER_MS, CALL_LEASE + 1 + number);
    }
    sim_at(&sim->world, 1 + sim_exponential(rng(sim), 150 * NS_PER_MS), CALL_LEASE);
}

void sim2_lease_turn(struct sim2 *sim, size_t number)
{
    if (sim->settling) {
        return; /* All are left to expire. */
    }
    if (number == 0) {
        grant(sim);
        return;
    }
    struct lease_holder *holder = &sim->leases[number - 1];
    uint64_t pick = sim_below(rng(sim), 100);
    if (pick < 10) {
        holder->held = false;
    } else if (pick < 13 && !holder->revoked) {
        lease_op(sim, holder, OP_REVOKE);
    } else if (pick < 25) {
        lease_op(sim, holder, OP_TTL);
    }
    if (holder->held || pick > 97) { /* Or somebody is late: close to, or after, the end. */
        lease_op(sim, holder, OP_KEEPALIVE);
    }
    uint64_t ttl_ns = (uint64_t)holder->ttl_s * NS_PER_S;
    sim_at(&sim->world, ttl_ns / 8 + sim_below(rng(sim), ttl_ns / 2), CALL_LEASE + number);
}

bool sim2_leases_over(struct sim2 *sim)
{
    for (size_t i = 0; i < sim->model.lease_count; i++) {
        if (sim->model.leases[i].removed_at == 0) {
            return false;
        }
    }
    return true;
}
