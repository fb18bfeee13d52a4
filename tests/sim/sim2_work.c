/* Clients: one or a few operations at a time, at a member of their choice, which they leave when it
 * does not answer. Every value written is unique. The mixes follow etcd's robustness suite. */
#include "tests/sim/sim2.h"

#include "lib/base/alloc.h"
#include "store/status.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum { WAITING_MAX = 12, PATIENCE_MS = 400 };

static struct sim_random *rng(struct sim2 *sim)
{
    return &sim->world.work;
}

/* ---- the life of an operation ---- */

struct op *sim2_op_new(struct sim2 *sim, struct sim2_member *member, enum op_kind kind,
                       size_t client)
{
    struct op *op = alloc_zeroed(sizeof(*op));
    op->sim = sim;
    op->member = member;
    op->kind = kind;
    op->number = sim->op_count + 1;
    op->called_ns = sim->world.now;
    op->floor = sim->floor;
    op->incarnation = member->store->incarnation;
    op->sequence = member->store->next_sequence;
    sim->ops[sim->op_count++] = op;
    sim->ops_open++;
    op->client = client;
    sim->clients[client].waiting++;
    const uint64_t name[] = {member->machine->id, op->incarnation, op->sequence};
    (void)hash_map_set(sim->by_name, slice_of(name, sizeof(name)), op);
    return op;
}

void sim2_ops_free(struct sim2 *sim)
{
    for (size_t i = 0; i < sim->op_count; i++) {
        for (size_t v = 0; v < SIM2_TXN_OPS; v++) {
            free(sim->ops[i]->values[v]);
        }
        free(sim->ops[i]);
    }
    free(sim->ops);
    free(sim->late_ops);
    free(sim->auth_past);
    free(sim->late_watches);
    hash_map_free(sim->by_name);
}

static void found_value(struct op *op, size_t key, uint64_t value)
{
    if (op->linear_count < SIM2_LINEAR_MAX) {
        op->linear[op->linear_count++] =
            (struct linear_op){.key = key, .kind = LINEAR_READ, .value = value};
    }
}

/* What a whole range of current values says of single keys. */
static void found_range(struct op *op, const struct store_range *asked,
                        const struct store_range_result *found)
{
    if (asked->revision > 0 || asked->limit > 0 || asked->count_only) {
        return;
    }
    for (size_t key = 0; key < op->sim->knobs.key_count; key++) {
        uint64_t value = 0;
        if (!model_in_range(key, asked->key, asked->end)) {
            continue;
        }
        for (size_t i = 0; i < found->kv_count; i++) {
            if (model_key_number(found->kvs[i]->key) == (int64_t)key) {
                value = (uint64_t)model_value_number(found->kvs[i]->value);
            }
        }
        found_value(op, key, value);
    }
}

static void learn(struct op *op, const struct store_txn_result *result)
{
    const struct store_op *asked = result->succeeded ? op->txn.success : op->txn.failure;
    bool compares = op->txn.compare_count > 0;
    bool swap = op->linear_count > 0 && op->linear[0].kind == LINEAR_SWAP;
    if (!result->succeeded && swap) {
        op->linear[0].kind = LINEAR_KEEP;
    } else if (!result->succeeded) {
        op->linear_count = 0;
    } else if (compares && op->kind == OP_READ) {
        return;
    }
    for (size_t i = 0; i < result->op_count; i++) {
        /* Reads inside a transaction that writes see its own writes: they say nothing new. */
        if (result->ops[i].kind == STORE_OP_RANGE && (op->kind == OP_READ || !result->succeeded)) {
            found_range(op, &asked[i].range, &result->ops[i].range);
        }
    }
}

static void on_txn(void *data, int status, const struct store_txn_result *result)
{
    struct op *op = data;
    op->status = status;
    if (status == 0) {
        op->result = store_result_digest(result);
        op->revision = result->revision;
        learn(op, result);
    }
    sim2_op_done(op);
}

static void on_barrier(void *data, int status)
{
    struct op *op = data;
    struct store_range_result result;
    op->status = status;
    if (status == 0) { /* As the etcd API does. */
        op->status = auth_check_range(store_auth(op->member->store), sim2_caller(op), AUTH_READ,
                                      op->range.key, op->range.end);
    }
    if (op->status == 0) {
        struct store_snapshot *snapshot = store_snapshot_ref(op->member->store);
        op->status = store_snapshot_range(snapshot, &op->range, &result);
        if (op->status == 0) {
            op->result = store_range_digest(&result);
            found_range(op, &op->range, &result);
            store_range_result_release(&result);
        }
        store_snapshot_unref(snapshot);
    }
    sim2_op_done(op);
}

static void on_plain(void *data, int status, int64_t revision)
{
    struct op *op = data;
    op->status = status;
    op->revision = revision;
    sim2_op_done(op);
}

static void on_lease(void *data, int status, const struct store_lease_info *info)
{
    struct op *op = data;
    op->status = status;
    if (status == 0) {
        op->answer_ttl_s = info->ttl_s;
        op->answer_granted_s = info->granted_ttl_s;
    }
    sim2_op_done(op);
}

void sim2_op_start(struct op *op)
{
    struct store *store = op->member->store;
    static const char *const names[] = {"txn",    "read",      "barrier", "compact", "grant",
                                        "revoke", "keepalive", "ttl",     "auth"};
    sim_say(&op->sim->world,
            "op %" PRIu64 " at member %" PRIu64 ": %s, %zu operations, lease %" PRId64
            ", number %" PRIu64,
            op->number, op->member->machine->id, names[op->kind], op->txn.success_count, op->lease,
            op->sequence);
    switch (op->kind) {
    case OP_TXN:
        op->request = model_txn_digest(&op->txn);
        store_txn_as(store, sim2_caller(op), &op->txn, on_txn, op);
        break;
    case OP_READ:
        store_txn_as(store, sim2_caller(op), &op->txn, on_txn, op);
        break;
    case OP_BARRIER:
        store_read_barrier(store, on_barrier, op);
        break;
    case OP_COMPACT:
        store_compact_as(store, sim2_caller(op), op->compact, on_plain, op);
        break;
    case OP_GRANT:
        store_lease_grant_as(store, sim2_caller(op), op->lease, op->ttl_s, on_lease, op);
        break;
    case OP_REVOKE:
        store_lease_revoke_as(store, sim2_caller(op), op->lease, on_plain, op);
        break;
    case OP_KEEPALIVE:
        store_lease_keepalive(store, op->lease, on_lease, op);
        break;
    case OP_TTL:
        store_lease_ttl(store, op->lease, /* with_keys= */ true, on_lease, op);
        break;
    case OP_AUTH:
        store_auth_change(store, sim2_caller(op), &op->auth, on_plain, op);
        break;
    case OP_KIND_COUNT:
        break;
    }
}

/* ---- requests ---- */

static struct slice key_of(struct op *op, size_t slot, size_t key)
{
    return model_key_text(key, op->keys[slot]);
}

static uint64_t add_put(struct op *op, size_t key, int64_t lease)
{
    struct sim2 *sim = op->sim;
    size_t at = op->txn.success_count++;
    uint64_t value = ++sim->next_value;
    size_t len = MODEL_VALUE_MIN + sim_below(rng(sim), sim->knobs.value_len + 1);
    op->values[at] = alloc_bytes(len);
    op->ops[at] = (struct store_op){.kind = STORE_OP_PUT,
                                    .put = {.key = key_of(op, 2 * at, key),
                                            .value = model_value_text(value, len, op->values[at]),
                                            .lease = lease,
                                            .prev_kv = sim_below(rng(sim), 2) == 0}};
    op->linear[op->linear_count++] =
        (struct linear_op){.key = key, .kind = LINEAR_WRITE, .value = value};
    if (lease != 0 && op->linear_count < SIM2_LINEAR_MAX) { /* It may go at any time. */
        op->linear[op->linear_count++] =
            (struct linear_op){.key = key, .kind = LINEAR_WRITE, .end = LINEAR_PENDING};
    }
    return value;
}

static void add_delete(struct op *op, size_t first, size_t count)
{
    size_t at = op->txn.success_count++;
    op->ops[at] = (struct store_op){
        .kind = STORE_OP_DELETE,
        .delete_range = {.key = key_of(op, 2 * at, first),
                         .end =
                             count == 1 ? slice_of(NULL, 0) : key_of(op, 2 * at + 1, first + count),
                         .prev_kv = sim_below(rng(op->sim), 2) == 0}};
    for (size_t key = first; key < first + count && op->linear_count < SIM2_LINEAR_MAX; key++) {
        op->linear[op->linear_count++] =
            (struct linear_op){.key = key, .kind = LINEAR_WRITE, .value = 0};
    }
}

static struct store_range range_of(struct op *op, size_t slot, size_t first, size_t count)
{
    struct sim2 *sim = op->sim;
    struct store_range range = {.key = key_of(op, slot, first)};
    if (count > 1) {
        range.end = key_of(op, slot + 1, first + count);
    }
    if (sim_below(rng(sim), 5) == 0) { /* Around what is compacted, and into the future. */
        int64_t near =
            sim_below(rng(sim), 2) == 0 ? sim->model.compact_revision : sim->model.revision;
        range.revision = near + (int64_t)sim_below(rng(sim), 7) - 3;
        range.revision = range.revision < 1 ? 1 : range.revision;
    }
    range.limit = sim_below(rng(sim), 4) == 0 ? 1 + (int64_t)sim_below(rng(sim), 3) : 0;
    range.count_only = sim_below(rng(sim), 10) == 0;
    return range;
}

static void add_range(struct op *op, size_t first, size_t count)
{
    size_t at = op->txn.success_count++;
    op->ops[at] =
        (struct store_op){.kind = STORE_OP_RANGE, .range = range_of(op, 2 * at, first, count)};
}

/* "If it is still as I saw it": by revision as the API server does, or by value. */
static void add_condition(struct op *op, size_t key)
{
    struct sim2 *sim = op->sim;
    const struct model_version *seen = kv_model_at(&sim->model, key, sim->model.revision);
    bool absent = seen == NULL || seen->version == 0;
    bool by_value = !absent && sim_below(rng(sim), 3) == 0;
    size_t slot = 2 * SIM2_TXN_OPS;
    struct store_compare *compare = &op->compares[0];
    *compare = (struct store_compare){.target = STORE_COMPARE_MOD,
                                      .op = STORE_COMPARE_EQUAL,
                                      .key = key_of(op, slot, key),
                                      .number = absent ? 0 : seen->mod};
    if (by_value && seen->value_len < 64) {
        compare->target = STORE_COMPARE_VALUE;
        op->values[SIM2_TXN_OPS - 1] = alloc_bytes(seen->value_len);
        compare->value =
            model_value_text(seen->value, seen->value_len, op->values[SIM2_TXN_OPS - 1]);
        if (op->linear[0].kind == LINEAR_WRITE && op->txn.success_count == 1) {
            op->linear[0].kind = LINEAR_SWAP;
            op->linear[0].expected = seen->value;
        }
    }
    op->txn.compare_count = 1;
    op->else_ops[0] =
        (struct store_op){.kind = STORE_OP_RANGE, .range = {.key = key_of(op, slot + 1, key)}};
    op->txn.failure_count = 1;
}

static int64_t some_lease(struct sim2 *sim)
{
    return sim->lease_count == 0 ? 0 : sim->leases[sim_below(rng(sim), sim->lease_count)].id;
}

static void make_txn(struct op *op)
{
    struct sim2 *sim = op->sim;
    size_t keys = sim->knobs.key_count;
    size_t key = sim_below(rng(sim), keys);
    uint64_t pick = sim_below(rng(sim), 100);
    bool kubernetes = sim->knobs.mix == 1;
    if (kubernetes && pick < 85) {
        if (sim_below(rng(sim), 8) == 0) {
            add_delete(op, key, 1);
        } else {
            (void)add_put(op, key, /* lease= */ 0);
        }
        add_condition(op, key);
    } else if (pick < 45) {
        (void)add_put(op, key, /* lease= */ 0);
    } else if (pick < 60) {
        (void)add_put(op, key, some_lease(sim));
    } else if (pick < 75) {
        size_t count = 1 + sim_below(rng(sim), 3);
        add_delete(op, key, key + count > keys ? 1 : count);
    } else { /* Several at once. */
        size_t other = (key + 1 + sim_below(rng(sim), keys - 1)) % keys;
        (void)add_put(op, key, /* lease= */ 0);
        if (sim_below(rng(sim), 2) == 0) {
            (void)add_put(op, other, /* lease= */ 0);
        } else {
            add_delete(op, other, 1);
        }
        add_range(op, 0, keys / 2);
        if (sim_below(rng(sim), 3) == 0) {
            add_condition(op, key);
        }
    }
}

static void start_txn(struct op *op)
{
    op->txn.success = op->ops;
    op->txn.compares = op->compares;
    op->txn.failure = op->else_ops;
    sim2_op_start(op);
}

void sim2_probe(struct sim2 *sim, struct sim2_member *member)
{
    if (sim->op_count < SIM2_OPS_MAX) {
        struct op *op = sim2_op_new(sim, member, OP_TXN, SIM2_NO_CLIENT);
        (void)add_put(op, 0, /* lease= */ 0);
        start_txn(op);
    }
}

static void make_op(struct sim2 *sim, struct sim2_member *member, size_t number)
{
    struct client *client = &sim->clients[number];
    uint64_t pick = sim_below(rng(sim), 1000);
    size_t keys = sim->knobs.key_count;
    size_t first = sim_below(rng(sim), keys);
    size_t count = 1 + sim_below(rng(sim), keys - first);
    struct op *op;
    if (pick < 30 && sim->model.revision > 3) {
        op = sim2_op_new(sim, member, OP_COMPACT, number);
        int64_t span = sim->model.revision - sim->model.compact_revision;
        op->compact = sim->model.revision - (int64_t)sim_below(rng(sim), (uint64_t)span + 3);
        op->compact += sim_below(rng(sim), 16) == 0 ? 5 : 0;
        sim2_auth_other_caller(op);
    } else if (pick < 300) {
        op = sim2_op_new(sim, member, OP_READ, number);
        add_range(op, first, count);
        if (sim_below(rng(sim), 4) == 0) {
            add_range(op, 0, keys);
        }
        sim2_auth_other_caller(op);
    } else if (pick < 450) {
        op = sim2_op_new(sim, member, OP_BARRIER, number);
        op->range = range_of(op, 0, first, count);
        sim2_auth_other_caller(op);
    } else {
        op = sim2_op_new(sim, member, OP_TXN, number);
        make_txn(op);
        sim2_auth_caller(op);
    }
    client->last = op;
    client->last_ns = sim->world.now;
    start_txn(op);
}

void sim2_client_turn(struct sim2 *sim, size_t number)
{
    struct client *client = &sim->clients[number];
    bool impatient = client->last != NULL && !client->last->done &&
                     sim->world.now - client->last_ns > PATIENCE_MS * NS_PER_MS;
    if (impatient || sim_below(rng(sim), 50) == 0) {
        client->member = sim_below(rng(sim), sim->count);
    }
    struct sim2_member *member = &sim->members[client->member];
    bool room = sim->op_count < SIM2_OPS_MAX && client->waiting < WAITING_MAX &&
                sim->model.index < MODEL_INDEX_MAX - 3000 && !sim->settling;
    bool next =
        client->last == NULL || client->last->done || impatient || sim_below(rng(sim), 4) == 0;
    if (!member->machine->alive) {
        client->member = sim_below(rng(sim), sim->count);
    } else if (room && next) {
        make_op(sim, member, number);
    }
    sim_at(&sim->world, 1 + sim_exponential(rng(sim), sim->knobs.think_ns), CALL_CLIENT + number);
}

void sim2_work_start(struct sim2 *sim)
{
    sim->ops = alloc_array(SIM2_OPS_MAX, sizeof(struct op *));
    sim->by_name = hash_map_new(/* seed= */ 2);
    for (size_t i = 0; i < sim->knobs.client_count; i++) {
        sim->clients[i].member = i % sim->count;
        sim_at(&sim->world, NS_PER_MS * (1 + i), CALL_CLIENT + i);
    }
    for (size_t i = 0; i < sim->knobs.watcher_count; i++) {
        sim_at(&sim->world, NS_PER_MS * (5 + i), CALL_WATCHER + i);
    }
    sim_at(&sim->world, 10 * NS_PER_MS, CALL_LEASE);
    if (sim->knobs.auth) {
        sim_at(&sim->world, 20 * NS_PER_MS, CALL_AUTH);
    }
}
