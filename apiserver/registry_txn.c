/* How a write goes: planned at home, carried out as one transaction on the store's loop, and
 * planned anew when somebody else was faster. What is planned is said by the files of each verb. */
#include "apiserver/operation.h"

#include "apiserver/admission.h"
#include "apiserver/admission_webhook.h"
#include "apiserver/encryption.h"
#include "lib/api/custom.h"
#include <assert.h>
#include <stdlib.h>

/* --- What a plan is made of --- */

enum plan_step plan_fail(struct operation *operation, const struct api_status *status)
{
    if (status == &admission_waiting) {
        return PLAN_WAIT;
    }
    operation->call->status = status;
    operation->call->code = status->code;
    return PLAN_ANSWER;
}

void plan_claim(struct operation *operation, const char *key, const char *value)
{
    struct plan *plan = &operation->plan;
    assert(plan->extra_count < PLAN_EXTRAS_MAX);
    plan->extras[plan->extra_count++] =
        (struct plan_extra){.key = key, .value = slice_text(value), .expect_mod = 0};
}

void plan_unclaim(struct operation *operation, const char *key)
{
    struct plan *plan = &operation->plan;
    assert(plan->extra_count < PLAN_EXTRAS_MAX);
    plan->extras[plan->extra_count++] =
        (struct plan_extra){.key = key, .expect_mod = -1, .remove = true};
}

/* --- Its end, or another one --- */

/* What was read as JSON before, by a watch perhaps, will be again: then the answer is made of the
 * cache's encoding, and not encoded for itself. */
static void answer_as_cached(struct operation *operation)
{
    const struct cached_object *before = operation->decoded;
    if (before == NULL || custom_of(cached_object_kind(before)) != NULL ||
        !cached_object_has_json(before)) {
        return;
    }
    const struct cached_object *now =
        operation_find(operation, cached_object_kind(before), cached_object_namespace(before),
                       cached_object_name(before));
    if (now != NULL && cached_object_revision(now) == (uint64_t)operation->txn_revision) {
        operation->call->object = now;
    }
}

static void answer_written(struct operation *operation)
{
    struct registry_call *call = operation->call;
    const struct plan *plan = &operation->plan;
    call->code = plan->code;
    call->result_kind = call->result_schema != NULL ? NULL : plan->kind;
    call->result = plan->answer != NULL ? plan->answer : plan->message;
    call->success = plan->answer_status;
    Meta__V1__ObjectMeta *meta = plan->answer_meta;
    if (meta == NULL && call->result != NULL && call->result_kind != NULL) {
        meta = message_meta(call->result_kind, call->result);
    }
    if (meta != NULL && operation->txn_revision > 0) {
        meta->resource_version =
            arena_printf(operation->arena, "%lld", (long long)operation->txn_revision);
    }
    if (plan->answer == NULL && !plan->remove) {
        answer_as_cached(operation);
    }
    operation_finish(operation);
}

static void plan_again(struct operation *operation)
{
    operation->plan = (struct plan){0};
    operation->call->status = NULL;
    operation->call->warning_count = operation->warnings_before;
    operation->asked = false;
    operation->prepared = false;
    operation->chances = 0;
    operation->name_tries = 0;
    operation_start_write(operation);
}

void operation_replay(struct operation *operation)
{
    operation->hopped = true;
    plan_again(operation);
}

static void txn_start(void *data);

/* --- Turns of those who charge quotas --- */

static void give_turn_back(struct operation *operation, uint64_t revision)
{
    if (operation->turn.held) {
        quota_turns_give_back(operation->registry->turns, &operation->turn, revision);
    }
}

/* A refusal may come from a stale view, as in operation_start_write(). */
static void answer_planned(void *data)
{
    struct operation *operation = data;
    if (operation->fresh) {
        operation_finish(operation);
    } else {
        operation_barrier(operation, 0, plan_again);
    }
}

static void give_turn_up(void *data)
{
    struct operation *operation = data;
    give_turn_back(operation, 0);
    operation_to_home(operation, answer_planned);
}

/* The quotas have changed since the plan was made; the object has not. */
static void charge_again(void *data)
{
    struct operation *operation = data;
    const struct api_status *refusal = admission_charge_again(operation);
    if (refusal == NULL) {
        operation_to_store(operation, txn_start);
        return;
    }
    (void)plan_fail(operation, refusal);
    operation_to_store(operation, give_turn_up);
}

static void turn_granted(struct quota_turn *turn)
{
    struct operation *operation = CONTAINER_OF(turn, struct operation, turn);
    operation_to_home(operation, charge_again);
}

/* False when it has to wait. */
static bool take_turn(struct operation *operation)
{
    if (!operation->plan.charges || operation->turn.held) {
        return true;
    }
    operation->turn.namespace = operation_namespace(operation);
    operation->turn.granted = turn_granted;
    return quota_turns_take(operation->registry->turns, &operation->turn);
}

/* --- The transaction --- */

static void txn_home(void *data)
{
    struct operation *operation = data;
    if (operation->txn_status < 0) {
        operation_fail(operation, status_of_store(operation, operation->txn_status));
        return;
    }
    if (operation->txn_succeeded && operation->plan.mark_first) {
        operation->plan.mark_first = false;
        operation->plan.expect_mod = operation->txn_revision;
        operation_to_store(operation, txn_start);
        return;
    }
    if (operation->txn_succeeded) {
        answer_written(operation);
        return;
    }
    /* Somebody else wrote in between: look again, at a state that a quorum confirms. */
    unsigned attempts_max = operation->plan.charges ? CHARGE_ATTEMPTS_MAX : WRITE_ATTEMPTS_MAX;
    if (++operation->attempts >= attempts_max || arena_is_full(operation->arena)) {
        operation_fail(operation, api_status_modified(operation->arena, operation->call->kind,
                                                      operation_name(operation)));
        return;
    }
    operation->planned_ns = 0;
    operation->chance = 0;
    operation_barrier(operation, 0, plan_again);
}

static void txn_done(void *data, int status, const struct store_txn_result *result)
{
    struct operation *operation = data;
    operation->txn_status = status;
    operation->txn_succeeded = status == 0 && result->succeeded;
    operation->txn_revision = status == 0 ? result->revision : 0;
    give_turn_back(operation, operation->txn_succeeded ? (uint64_t)result->revision : 0);
    operation_to_home(operation, txn_home);
}

/* A plan may be made many times, and each is in the same arena. */
static const struct api_status *refuse_full(struct operation *operation)
{
    return arena_is_full(operation->arena)
               ? api_status_too_large_text(operation->arena, "it takes too much memory")
               : NULL;
}

/* Who owns which fields may be as long as all else, and is left out where both are too much; but
 * for what is applied, which is merged by it. */
static bool may_drop_owners(const struct operation *operation)
{
    const struct registry_call *call = operation->call;
    return call->verb == REGISTRY_CREATE || call->verb == REGISTRY_UPDATE ||
           (call->verb == REGISTRY_PATCH && call->patch_type != REGISTRY_PATCH_APPLY);
}

const struct api_status *operation_fits(struct operation *operation, const struct api_kind *kind,
                                        void *message)
{
    if (arena_used(operation->arena) <= STORED_OBJECT_MAX) {
        return NULL; /* What is decoded is no smaller than what is stored of it. */
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, STORED_OBJECT_MAX);
    struct api_object object = {.kind = kind, .message = message};
    Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    size_t owner_count = meta->n_managed_fields;
    meta->n_managed_fields = may_drop_owners(operation) ? 0 : owner_count;
    api_object_encode(&object, &out);
    meta->n_managed_fields = owner_count;
    return buffer_error(&out) == 0 ? refuse_full(operation)
                                   : api_status_too_large(operation->arena, STORED_OBJECT_MAX);
}

struct slice operation_seal(struct operation *operation, const struct api_kind *kind,
                            const char *key, struct slice bytes)
{
    struct slice stored = {0};
    CLEANUP(buffer_release) struct buffer sealed;
    buffer_init(&sealed, STORED_OBJECT_MAX + ENCRYPTION_OVERHEAD_MAX);
    if (bytes.len > STORED_OBJECT_MAX) {
        return stored;
    }
    CLEANUP(error_release) struct error error = {0};
    if (encryption_seal(operation->registry->config.encryption, kind, key, bytes, &sealed, &error) <
        0) {
        operation->seal_problem = arena_text(operation->arena, error_message(&error));
        return stored;
    }
    return arena_slice(operation->arena, buffer_slice(&sealed));
}

const struct api_status *operation_unsealed(const struct operation *operation)
{
    return operation->seal_problem != NULL
               ? api_status_internal(operation->arena, "%s", operation->seal_problem)
               : api_status_too_large(operation->arena, STORED_OBJECT_MAX);
}

struct slice operation_encode(struct operation *operation, const struct api_kind *kind,
                              const char *key, void *message)
{
    Meta__V1__ObjectMeta *meta = message_meta(kind, message);
    char *version = meta->resource_version;
    meta->resource_version = NULL;
    struct buffer out;
    buffer_init(&out, STORED_OBJECT_MAX);
    struct api_object object = {.kind = kind, .message = message};
    api_object_encode(&object, &out);
    meta->resource_version = version;
    struct slice stored = {0};
    if (buffer_error(&out) == 0) {
        stored = operation_seal(operation, kind, key, buffer_slice(&out));
    }
    buffer_release(&out);
    return stored;
}

static struct store_op put_op(const char *key, struct slice value)
{
    return (struct store_op){.kind = STORE_OP_PUT, .put = {.key = slice_text(key), .value = value}};
}

static struct store_op delete_op(const char *key)
{
    return (struct store_op){.kind = STORE_OP_DELETE, .delete_range = {.key = slice_text(key)}};
}

static struct store_compare unchanged(const char *key, int64_t mod_revision)
{
    return (struct store_compare){.target = STORE_COMPARE_MOD,
                                  .op = STORE_COMPARE_EQUAL,
                                  .key = slice_text(key),
                                  .number = mod_revision};
}

/* On the store loop. The value was encoded at home. */
static void txn_start(void *data)
{
    struct operation *operation = data;
    struct plan *plan = &operation->plan;
    if (!take_turn(operation)) {
        return;
    }
    struct store_compare compares[PLAN_EXTRAS_MAX + 2];
    struct store_op ops[PLAN_EXTRAS_MAX + 1];
    size_t compare_count = 0;
    size_t op_count = 0;
    compares[compare_count++] = unchanged(plan->key, plan->expect_mod);
    if (plan->guard != NULL) {
        compares[compare_count++] = unchanged(plan->guard, plan->guard_mod);
    }
    bool put = !plan->remove || plan->mark_first;
    ops[op_count++] = put ? put_op(plan->key, plan->value) : delete_op(plan->key);
    for (size_t i = 0; i < plan->extra_count && !plan->mark_first; i++) {
        const struct plan_extra *extra = &plan->extras[i];
        if (extra->expect_mod >= 0) {
            compares[compare_count++] = unchanged(extra->key, extra->expect_mod);
        }
        ops[op_count++] = extra->remove ? delete_op(extra->key) : put_op(extra->key, extra->value);
    }
    struct store_txn txn = {.compares = compares,
                            .compare_count = compare_count,
                            .success = ops,
                            .success_count = op_count};
    storage_txn(operation->registry->config.storage, &txn, txn_done, operation);
}

static void encode_plan(struct operation *operation)
{
    struct plan *plan = &operation->plan;
    plan->value = operation_encode(operation, plan->kind, plan->key, plan->message);
    if (plan->value.data == NULL && operation->seal_problem == NULL && may_drop_owners(operation)) {
        Meta__V1__ObjectMeta *meta = message_meta(plan->kind, plan->message);
        meta->managed_fields = NULL;
        meta->n_managed_fields = 0;
        plan->value = operation_encode(operation, plan->kind, plan->key, plan->message);
    }
}

static void submit(struct operation *operation)
{
    struct plan *plan = &operation->plan;
    bool encoded = plan->value.data != NULL;
    if (!encoded && (!plan->remove || plan->mark_first)) {
        encode_plan(operation);
        if (plan->value.data == NULL) {
            operation_fail(operation, operation_unsealed(operation));
            return;
        }
    }
    if (operation->call->options.dry_run) {
        operation->txn_revision = 0;
        answer_written(operation);
        return;
    }
    operation_to_store(operation, txn_start);
}

/* --- Planning --- */

enum plan_step operation_plan(struct operation *operation)
{
    const char *subresource = operation_subresource(operation);
    switch (operation->call->verb) {
    case REGISTRY_CREATE:
        if (strcmp(subresource, "binding") == 0) {
            return plan_binding(operation);
        }
        if (strcmp(subresource, "eviction") == 0) {
            return plan_eviction(operation);
        }
        if (strcmp(subresource, "token") == 0) {
            return plan_token(operation);
        }
        return plan_create(operation);
    case REGISTRY_UPDATE:
        return strcmp(subresource, "scale") == 0 ? plan_scale(operation) : plan_update(operation);
    case REGISTRY_PATCH:
        return strcmp(subresource, "scale") == 0 ? plan_scale(operation) : plan_patch(operation);
    case REGISTRY_DELETE:
        return plan_delete(operation);
    case REGISTRY_CONNECT:
        return plan_connect(operation);
    case REGISTRY_REVIEW:
        return plan_review(operation);
    case REGISTRY_GET:
    case REGISTRY_LIST:
    case REGISTRY_DELETE_COLLECTION:
        break;
    }
    abort(); /* A read is not planned: a bug of ours. */
}

static enum plan_step plan_to_store(struct operation *operation)
{
    const struct api_status *full = refuse_full(operation);
    if (full != NULL) {
        return plan_fail(operation, full);
    }
    enum plan_step step = operation_plan(operation);
    if (operation_awaits_leave(operation)) {
        return PLAN_WAIT; /* Whatever it came to, it did not know all. */
    }
    const struct api_status *refusal = step == PLAN_WRITE ? operation_store_form(operation) : NULL;
    return refusal == NULL ? step : plan_fail(operation, refusal);
}

void operation_start_write(struct operation *operation)
{
    if (!operation_prepare(operation)) {
        return;
    }
    switch (plan_to_store(operation)) {
    case PLAN_WRITE:
        submit(operation);
        return;
    case PLAN_ANSWER:
        /* A refusal may come from a stale view: confirm before telling the client. */
        if (operation->call->status != NULL && !operation->fresh &&
            operation->call->status->code != 400 && !arena_is_full(operation->arena)) {
            operation_barrier(operation, 0, plan_again);
            return;
        }
        operation_finish(operation);
        return;
    case PLAN_WAIT:
        if (!operation_awaits_leave(operation) && !operation_convert_start(operation)) {
            admission_webhooks_start(operation);
        }
        return;
    }
}
