#include "tests/sim/kv_model.h"

#include "lib/base/alloc.h"
#include "lib/base/digest.h"
#include "store/limits.h"
#include "store/status.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the state ---- */

void kv_model_init(struct kv_model *model, size_t key_count)
{
    assert(key_count <= MODEL_KEYS_MAX);
    model->key_count = key_count;
    model->revision = 1;
    model->revision_at[0] = 1;
}

void kv_model_release(struct kv_model *model)
{
    for (size_t i = 0; i < MODEL_KEYS_MAX; i++) {
        free(model->keys[i].versions);
    }
    free(model->events);
    free(model->leases);
}

const struct model_version *kv_model_at(const struct kv_model *model, size_t key, int64_t revision)
{
    const struct model_key *row = &model->keys[key];
    for (size_t i = row->count; i > 0; i--) {
        if (row->versions[i - 1].mod <= revision) {
            return &row->versions[i - 1];
        }
    }
    return NULL;
}

static const struct model_version *live_at(const struct kv_model *model, size_t key,
                                           int64_t revision)
{
    const struct model_version *version = kv_model_at(model, key, revision);
    return version == NULL || version->version == 0 ? NULL : version;
}

size_t kv_model_event_find(const struct kv_model *model, int64_t revision)
{
    size_t low = 0;
    size_t high = model->event_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (model->events[middle].revision < revision) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct model_lease *kv_model_lease(const struct kv_model *model, int64_t id)
{
    for (size_t i = model->lease_count; i > 0; i--) {
        if (model->leases[i - 1].id == id) {
            return &model->leases[i - 1];
        }
    }
    return NULL;
}

static bool lease_lives(const struct kv_model *model, int64_t id)
{
    const struct model_lease *lease = kv_model_lease(model, id);
    return lease != NULL && lease->removed_at == 0;
}

static void change(struct kv_model *model, size_t key, struct model_version version)
{
    struct model_key *row = &model->keys[key];
    if (row->count == row->capacity) {
        row->capacity = row->capacity * 2 + 8;
        row->versions = alloc_resize(row->versions, row->capacity, sizeof(*row->versions));
    }
    row->versions[row->count++] = version;
    if (model->event_count == model->event_capacity) {
        model->event_capacity = model->event_capacity * 2 + 64;
        model->events = alloc_resize(model->events, model->event_capacity, sizeof(*model->events));
    }
    model->events[model->event_count++] = (struct model_event){
        .revision = version.mod, .key = (uint32_t)key, .version = (uint32_t)(row->count - 1)};
}

/* ---- transactions: `next` is the revision that the changes of this one get ---- */

struct model_run {
    struct kv_model *model;
    int64_t next;
    int status; /* The first thing that refuses it. */
    struct digest digest;
};

static bool number_compare(enum store_compare_op op, int order)
{
    switch (op) {
    case STORE_COMPARE_EQUAL:
        return order == 0;
    case STORE_COMPARE_GREATER:
        return order > 0;
    case STORE_COMPARE_LESS:
        return order < 0;
    case STORE_COMPARE_NOT_EQUAL:
        return order != 0;
    }
    return false;
}

static bool compare_one(const struct store_compare *compare, const struct model_version *version)
{
    char buffer[MODEL_VALUE_MAX];
    int64_t number = 0;
    switch (compare->target) {
    case STORE_COMPARE_VERSION:
        number = version->version;
        break;
    case STORE_COMPARE_CREATE:
        number = version->create;
        break;
    case STORE_COMPARE_MOD:
        number = version->mod;
        break;
    case STORE_COMPARE_LEASE:
        number = version->lease;
        break;
    case STORE_COMPARE_VALUE:
        return number_compare(
            compare->op, slice_compare(model_value_text(version->value, version->value_len, buffer),
                                       compare->value));
    }
    return number_compare(compare->op, (number > compare->number) - (number < compare->number));
}

static bool compare_all(const struct kv_model *model, const struct store_compare *compare)
{
    bool any = false;
    for (size_t key = 0; key < model->key_count; key++) {
        const struct model_version *version = live_at(model, key, model->revision);
        if (version != NULL && model_in_range(key, compare->key, compare->end)) {
            any = true;
            if (!compare_one(compare, version)) {
                return false;
            }
        }
    }
    const struct model_version absent = {0};
    return any || (compare->target != STORE_COMPARE_VALUE && compare_one(compare, &absent));
}

struct branch {
    bool succeeded;
    const struct store_op *ops;
    size_t count;
};

static struct branch branch_of(const struct kv_model *model, const struct store_txn *txn)
{
    for (size_t i = 0; i < txn->compare_count; i++) {
        if (!compare_all(model, &txn->compares[i])) {
            return (struct branch){false, txn->failure, txn->failure_count};
        }
    }
    return (struct branch){true, txn->success, txn->success_count};
}

static int refuse_put(const struct kv_model *model, const struct store_put *put)
{
    int64_t key = model_key_number(put->key);
    bool absent = key < 0 || live_at(model, (size_t)key, model->revision) == NULL;
    if ((put->ignore_value || put->ignore_lease) && absent) {
        return STORE_KEY_NOT_FOUND;
    }
    return put->lease != 0 && !lease_lives(model, put->lease) ? STORE_LEASE_NOT_FOUND : 0;
}

static int refuse(const struct kv_model *model, const struct store_txn *txn)
{
    struct branch branch = branch_of(model, txn);
    for (size_t i = 0; i < branch.count; i++) {
        const struct store_op *op = &branch.ops[i];
        int status = 0;
        if (op->kind == STORE_OP_RANGE && op->range.revision > model->revision) {
            status = STORE_FUTURE_REVISION;
        } else if (op->kind == STORE_OP_RANGE && op->range.revision > 0 &&
                   op->range.revision < model->compact_revision) {
            status = STORE_COMPACTED;
        } else if (op->kind == STORE_OP_PUT) {
            status = refuse_put(model, &op->put);
        } else if (op->kind == STORE_OP_TXN) {
            status = refuse(model, op->txn);
        }
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

int kv_model_range(const struct kv_model *model, const struct store_range *range, int64_t revision,
                   int64_t compact_revision, uint64_t *ret_digest)
{
    int64_t at = range->revision <= 0 ? revision : range->revision;
    const struct model_version *found[MODEL_KEYS_MAX];
    size_t keys[MODEL_KEYS_MAX];
    size_t count = 0;
    if (at > revision) {
        return STORE_FUTURE_REVISION;
    }
    if (at < compact_revision) {
        return STORE_COMPACTED;
    }
    for (size_t key = 0; key < model->key_count; key++) {
        const struct model_version *version = live_at(model, key, at);
        if (version != NULL && model_in_range(key, range->key, range->end)) {
            keys[count] = key;
            found[count++] = version;
        }
    }
    struct digest digest = {0};
    size_t shown = range->count_only ? 0 : count;
    bool more = range->limit > 0 && shown > (uint64_t)range->limit;
    shown = more ? (size_t)range->limit : shown;
    digest_add(&digest, count);
    digest_add(&digest, more);
    for (size_t i = 0; i < shown; i++) {
        digest_version(&digest, keys[i], found[i]);
    }
    *ret_digest = digest.value;
    return 0;
}

static void run_put(struct model_run *run, const struct store_put *put)
{
    struct kv_model *model = run->model;
    size_t key = (size_t)model_key_number(put->key);
    const struct model_version *old = live_at(model, key, run->next);
    struct model_version version = {
        .mod = run->next,
        .create = old == NULL ? run->next : old->create,
        .version = old == NULL ? 1 : old->version + 1,
        .lease = put->ignore_lease ? old->lease : put->lease,
        .value = put->ignore_value ? old->value : (uint64_t)model_value_number(put->value),
        .value_len = put->ignore_value ? old->value_len : (uint32_t)put->value.len,
    };
    digest_version(&run->digest, key, put->prev_kv ? old : NULL);
    change(model, key, version);
}

static void run_delete(struct model_run *run, const struct store_delete *range)
{
    struct kv_model *model = run->model;
    uint64_t deleted = 0;
    struct digest previous = run->digest;
    for (size_t key = 0; key < model->key_count; key++) {
        deleted +=
            live_at(model, key, run->next) != NULL && model_in_range(key, range->key, range->end);
    }
    digest_add(&previous, deleted);
    for (size_t key = 0; key < model->key_count; key++) {
        const struct model_version *old = live_at(model, key, run->next);
        if (old == NULL || !model_in_range(key, range->key, range->end)) {
            continue;
        }
        if (range->prev_kv) {
            digest_version(&previous, key, old);
        }
        change(model, key, (struct model_version){.mod = run->next});
    }
    run->digest = previous;
}

/* Decisions of nested transactions are made before anything changes: see store/txn_run.c. */
static void run_branch(struct model_run *run, struct branch branch, const struct branch **nested,
                       int64_t final)
{
    struct kv_model *model = run->model;
    digest_add(&run->digest, branch.succeeded);
    digest_add(&run->digest, (uint64_t) final);
    for (size_t i = 0; i < branch.count; i++) {
        const struct store_op *op = &branch.ops[i];
        bool changed =
            model->event_count > 0 && model->events[model->event_count - 1].revision == run->next;
        int64_t current = changed ? run->next : run->next - 1;
        digest_add(&run->digest, op->kind);
        digest_add(&run->digest, (uint64_t)(op->kind == STORE_OP_RANGE ? current : final));
        uint64_t digest = 0;
        switch (op->kind) {
        case STORE_OP_RANGE:
            (void)kv_model_range(model, &op->range, current, model->compact_revision, &digest);
            digest_add(&run->digest, digest);
            break;
        case STORE_OP_PUT:
            run_put(run, &op->put);
            break;
        case STORE_OP_DELETE:
            run_delete(run, &op->delete_range);
            break;
        case STORE_OP_TXN:
            run_branch(run, *nested[i], NULL, final);
            break;
        }
    }
}

static bool branch_changes(const struct kv_model *model, struct branch branch)
{
    for (size_t i = 0; i < branch.count; i++) {
        const struct store_op *op = &branch.ops[i];
        if (op->kind == STORE_OP_PUT ||
            (op->kind == STORE_OP_TXN && branch_changes(model, branch_of(model, op->txn)))) {
            return true;
        }
        for (size_t key = 0; op->kind == STORE_OP_DELETE && key < model->key_count; key++) {
            if (live_at(model, key, model->revision) != NULL &&
                model_in_range(key, op->delete_range.key, op->delete_range.end)) {
                return true;
            }
        }
    }
    return false;
}

static uint64_t run_txn(struct kv_model *model, const struct store_txn *txn, bool *ret_succeeded)
{
    struct model_run run = {.model = model, .next = model->revision + 1};
    struct branch branch = branch_of(model, txn);
    struct branch inner[STORE_TXN_OPS_MAX];
    const struct branch *nested[STORE_TXN_OPS_MAX];
    for (size_t i = 0; i < branch.count; i++) {
        nested[i] = &inner[i];
        if (branch.ops[i].kind == STORE_OP_TXN) {
            inner[i] = branch_of(model, branch.ops[i].txn); /* One level: the workload's. */
        }
    }
    int64_t final = model->revision + (branch_changes(model, branch) ? 1 : 0);
    run_branch(&run, branch, nested, final);
    assert(final == model->revision || model->events[model->event_count - 1].revision == final);
    model->revision = final;
    *ret_succeeded = branch.succeeded;
    return run.digest.value;
}

int kv_model_read(const struct kv_model *model, uint64_t index, const struct store_txn *txn,
                  uint64_t *ret_digest)
{
    struct digest digest = {0};
    int64_t revision = model->revision_at[index];
    int64_t compact = model->compact_at[index];
    assert(txn->compare_count == 0);
    digest_add(&digest, 1);
    digest_add(&digest, (uint64_t)revision);
    for (size_t i = 0; i < txn->success_count; i++) {
        uint64_t range = 0;
        int status = kv_model_range(model, &txn->success[i].range, revision, compact, &range);
        if (status != 0) {
            return status;
        }
        digest_add(&digest, STORE_OP_RANGE);
        digest_add(&digest, (uint64_t)revision);
        digest_add(&digest, range);
    }
    *ret_digest = digest.value;
    return 0;
}

/* ---- other commands ---- */

static int apply_compact(struct kv_model *model, int64_t revision)
{
    if (revision > model->revision) {
        return STORE_FUTURE_REVISION;
    }
    if (revision == 0 && model->compact_revision == 0) {
        return 0; /* etcd's beginning: nothing compacted is -1 there. */
    }
    if (revision <= model->compact_revision) {
        return STORE_COMPACTED;
    }
    model->compact_revision = revision;
    return 0;
}

static int apply_grant(struct kv_model *model, uint64_t index, int64_t id, int64_t ttl_s)
{
    if (lease_lives(model, id)) {
        return STORE_LEASE_EXISTS;
    }
    if (model->lease_count == model->lease_capacity) {
        model->lease_capacity = model->lease_capacity * 2 + 16;
        model->leases = alloc_resize(model->leases, model->lease_capacity, sizeof(*model->leases));
    }
    model->leases[model->lease_count++] =
        (struct model_lease){.id = id, .ttl_s = ttl_s < 1 ? 1 : ttl_s, .granted_at = index};
    return 0;
}

static int apply_revoke(struct kv_model *model, uint64_t index, uint64_t term, int64_t id,
                        uint64_t expiry_term, bool *ret_changed)
{
    struct model_lease *lease = kv_model_lease(model, id);
    if (expiry_term != 0 && expiry_term != term) {
        return 0;
    }
    if (lease == NULL || lease->removed_at != 0) {
        return STORE_LEASE_NOT_FOUND;
    }
    lease->removed_at = index;
    lease->expired = expiry_term != 0;
    *ret_changed = true;
    int64_t next = model->revision + 1;
    for (size_t key = 0; key < model->key_count; key++) {
        const struct model_version *version = live_at(model, key, model->revision);
        if (version != NULL && version->lease == id) {
            change(model, key, (struct model_version){.mod = next});
            model->revision = next;
        }
    }
    return 0;
}

void kv_model_skip(struct kv_model *model, uint64_t index)
{
    assert(index > model->index && index < MODEL_INDEX_MAX);
    while (model->index < index) { /* Entries that are no commands lie between. */
        model->index++;
        model->revision_at[model->index] = model->revision;
        model->compact_at[model->index] = model->compact_revision;
    }
}

void kv_model_apply(struct kv_model *model, uint64_t index, uint64_t term,
                    const struct store_command *command, struct model_applied *ret_applied)
{
    struct model_applied applied = {.known = true};
    int64_t before = model->revision;
    int64_t compacted = model->compact_revision;
    if (index > model->index + 1) {
        kv_model_skip(model, index - 1);
    }
    switch ((int)command->kind) { /* Kinds that are not of the key space change nothing here. */
    case STORE_COMMAND_TXN:
        applied.status = refuse(model, command->txn);
        if (applied.status == 0) {
            applied.result = run_txn(model, command->txn, &applied.succeeded);
        }
        applied.changed = model->revision != before;
        break;
    case STORE_COMMAND_COMPACT:
        applied.status = apply_compact(model, command->compact_revision);
        applied.changed = model->compact_revision != compacted;
        break;
    case STORE_COMMAND_LEASE_GRANT:
        applied.status = apply_grant(model, index, command->grant.id, command->grant.ttl_s);
        applied.changed = applied.status == 0;
        break;
    case STORE_COMMAND_LEASE_REVOKE:
        applied.status = apply_revoke(model, index, term, command->revoke.id, command->revoke.term,
                                      &applied.changed);
        applied.lease = kv_model_lease(model, command->revoke.id);
        break;
    default:
        applied.known = false;
        break;
    }
    applied.revision = model->revision;
    kv_model_skip(model, index);
    *ret_applied = applied;
}
