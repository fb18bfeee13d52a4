#include "apiserver/operation.h"

#include "apiserver/admission.h"
#include "apiserver/admission_webhook.h"
#include "apiserver/encryption.h"
#include "apiserver/expressions.h"
#include "lib/base/alloc.h"
#include "lib/net/loop.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

struct registry *registry_new(const struct registry_config *config)
{
    struct registry *registry = alloc_zeroed(sizeof(*registry));
    registry->config = *config;
    registry->namespace_kind = api_kind_find("", "v1", "namespaces");
    registry->pod_kind = api_kind_find("", "v1", "pods");
    registry->service_kind = api_kind_find("", "v1", "services");
    registry->service_account_kind = api_kind_find("", "v1", "serviceaccounts");
    registry->priority_class_kind = api_kind_find("scheduling.k8s.io", "v1", "priorityclasses");
    registry->budget_kind = api_kind_find("policy", "v1", "poddisruptionbudgets");
    registry->limit_range_kind = api_kind_find("", "v1", "limitranges");
    registry->quota_kind = api_kind_find("", "v1", "resourcequotas");
    registry->claim_kind = api_kind_find("", "v1", "persistentvolumeclaims");
    registry->storage_class_kind = api_kind_find("storage.k8s.io", "v1", "storageclasses");
    registry->ingress_kind = api_kind_find("networking.k8s.io", "v1", "ingresses");
    registry->ingress_class_kind = api_kind_find("networking.k8s.io", "v1", "ingressclasses");
    registry->runtime_class_kind = api_kind_find("node.k8s.io", "v1", "runtimeclasses");
    registry->mutating_hooks_kind =
        api_kind_find("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations");
    registry->validating_hooks_kind =
        api_kind_find("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations");
    registry->policy_kind =
        api_kind_find("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies");
    registry->policy_binding_kind =
        api_kind_find("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings");
    registry->expressions = expression_cache_new();
    registry->definition_kind =
        api_kind_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    registry->turns = quota_turns_new(config->cache);
    return registry;
}

void registry_free(struct registry *registry)
{
    expression_cache_free(registry->expressions);
    quota_turns_free(registry->turns);
    free(registry);
}

struct authorizer *registry_authorizer(const struct registry *registry)
{
    return registry->config.authorizer;
}

struct watch_cache *registry_cache(struct registry *registry)
{
    return registry->config.cache;
}

struct custom_kinds *registry_custom_kinds(struct registry *registry)
{
    return registry->config.custom;
}

/* --- Time and chance --- */

static bool on_env(const struct operation *operation)
{
    return operation->call->home == NULL;
}

static int64_t clock_ns(struct operation *operation)
{
    if (on_env(operation)) {
        return env_wall_ns(operation->registry->config.env);
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t operation_now_ns(struct operation *operation)
{
    if (operation->planned_ns == 0) {
        operation->planned_ns = clock_ns(operation);
    }
    return operation->planned_ns;
}

int64_t operation_now_s(struct operation *operation)
{
    return operation_now_ns(operation) / INT64_C(1000000000);
}

static uint64_t machine_random(struct operation *operation)
{
    if (on_env(operation)) {
        return env_random(operation->registry->config.env);
    }
    uint64_t value = 0;
    while (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value)) {
    }
    return value;
}

/* SplitMix64 (Steele, Lea, Flood 2014) from one random start an attempt. */
uint64_t operation_random(struct operation *operation)
{
    if (operation->chance == 0) {
        operation->chance = machine_random(operation) | 1;
    }
    uint64_t value = operation->chance + ++operation->chances * UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* RFC 9562 version 4. */
const char *operation_uuid(struct operation *operation)
{
    uint64_t high = operation_random(operation);
    uint64_t low = operation_random(operation);
    return arena_printf(operation->arena, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(high >> 32),
                        (unsigned)(high >> 16) & 0xffff, (unsigned)high & 0xfff,
                        ((unsigned)(low >> 48) & 0x3fff) | 0x8000,
                        (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

/* Without vowels and look-alikes, as v1.32 generates names. */
const char *operation_random_suffix(struct operation *operation, size_t len)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    char *text = arena_alloc(operation->arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        text[i] = letters[operation_random(operation) % (sizeof(letters) - 1)];
    }
    text[len] = 0;
    return text;
}

/* --- Small readers --- */

const char *operation_namespace(const struct operation *operation)
{
    const char *namespace = operation->call->namespace;
    return namespace == NULL ? "" : namespace;
}

const char *operation_name(const struct operation *operation)
{
    const char *name = operation->call->name;
    return name == NULL ? "" : name;
}

const char *operation_subresource(const struct operation *operation)
{
    const char *subresource = operation->call->subresource;
    return subresource == NULL ? "" : subresource;
}

const char *operation_key(struct operation *operation, const struct api_kind *kind,
                          const char *namespace, const char *name)
{
    return arena_printf(operation->arena, "%s%s%s%s", kind->storage_prefix, namespace,
                        namespace[0] == 0 ? "" : "/", name);
}

/* An object that is about to be replaced is not worth keeping decoded. */
const void *operation_message(struct operation *operation, const struct cached_object *object)
{
    if (operation->decoded != object) {
        operation->message = cached_object_decode(object, operation->arena);
        operation->decoded = object;
    }
    return operation->message;
}

/* References of looked-up objects hang in a list of the call and are dropped by registry_finish().
 */
struct held {
    struct held *next;
    const struct cached_object *object;
};

struct call_state {
    struct operation operation;
    struct held *held;
};

const struct cached_object *operation_lookup(struct operation *operation,
                                             const struct api_kind *kind, const char *namespace,
                                             const char *name)
{
    if (operation->prepared && kind == operation->call->kind &&
        strcmp(name, operation_name(operation)) == 0 &&
        strcmp(namespace, operation_namespace(operation)) == 0) {
        return operation->subject;
    }
    const struct cached_object *object =
        watch_cache_get(operation->registry->config.cache, kind, namespace, name);
    if (object != NULL) {
        struct call_state *state = CONTAINER_OF(operation, struct call_state, operation);
        struct held *held = arena_alloc(operation->arena, sizeof(*held));
        *held = (struct held){.next = state->held, .object = object};
        state->held = held;
    }
    return object;
}

Meta__V1__ObjectMeta *message_meta(const struct api_kind *kind, const void *message)
{
    return api_message_meta(kind->message, message);
}

void operation_warn(struct operation *operation, const char *text)
{
    struct registry_call *call = operation->call;
    for (size_t i = 0; i < call->warning_count; i++) {
        if (strcmp(call->warnings[i], text) == 0) {
            return;
        }
    }
    if (call->warning_count < WARNINGS_MAX) {
        call->warnings[call->warning_count++] = text;
    }
}

/* --- Going between threads --- */

static bool on_store_loop(const struct operation *operation)
{
    return operation->call->home == NULL;
}

static void to_store(struct operation *operation, void (*fn)(void *data))
{
    if (on_store_loop(operation)) {
        fn(operation);
    } else {
        loop_post(operation->registry->config.store_loop, fn, operation);
    }
}

static void to_home(struct operation *operation, void (*fn)(void *data))
{
    operation->hopped = true;
    if (on_store_loop(operation)) {
        fn(operation);
    } else {
        loop_post(operation->call->home, fn, operation);
    }
}

static void run_done(void *data)
{
    struct operation *operation = data;
    operation->call->done(operation->call);
}

void operation_finish(struct operation *operation)
{
    if (operation->hopped) {
        run_done(operation);
        return;
    }
    if (operation->call->home != NULL) {
        loop_post(operation->call->home, run_done, operation);
        return;
    }
    operation->timer = (struct env_timer){.fire = run_done, .data = operation};
    env_timer_start(operation->registry->config.env, &operation->timer, 0);
}

void operation_fail(struct operation *operation, const struct api_status *status)
{
    operation->call->status = status;
    operation->call->code = status->code;
    operation_finish(operation);
}

const struct api_status *status_of_store(struct operation *operation, int status)
{
    struct arena *arena = operation->arena;
    const struct registry_call *call = operation->call;
    if (status == STORE_REQUEST_TOO_LARGE) {
        return api_status_too_large(arena, STORED_OBJECT_MAX);
    }
    if (status == STORE_TIMEOUT || status == STORE_LEADER_CHANGED) {
        return api_status_timeout(arena,
                                  "Timeout: request did not complete within the allotted timeout");
    }
    if (status == STORE_TOO_MANY_REQUESTS) {
        return api_status_too_many_requests(arena, "Too many requests, please try again later.", 1);
    }
    if (status == STORE_NO_LEADER || status == STORE_STOPPED || status == -EAGAIN) {
        return api_status_server_timeout(arena, call->kind,
                                         call->verb == REGISTRY_GET ? "get" : "write", 1);
    }
    if (status == STORE_NO_SPACE) {
        return api_status_insufficient_storage(
            arena, "the disk that holds the cluster's state is full: writes are refused until "
                   "there is room; reads go on");
    }
    return api_status_internal(arena, "store: %s", store_status_text(status));
}

/* --- Barrier --- */

static void barrier_home(void *data)
{
    struct operation *operation = data;
    if (operation->txn_status < 0) {
        operation_fail(operation, status_of_store(operation, operation->txn_status));
        return;
    }
    operation->fresh = true;
    operation->next(operation);
}

static void barrier_seen(void *data, int status)
{
    struct operation *operation = data;
    env_timer_stop(operation->registry->config.env, &operation->timer);
    operation->txn_status = status == 0 ? 0 : STORE_STOPPED;
    to_home(operation, barrier_home);
}

static void version_too_large(void *data)
{
    struct operation *operation = data;
    uint64_t current = watch_cache_revision(operation->registry->config.cache);
    operation_fail(operation,
                   api_status_version_too_large(operation->arena,
                                                (uint64_t)operation->barrier_revision, current));
}

static void barrier_timeout(void *data)
{
    struct operation *operation = data;
    watch_cache_when_cancel(operation->registry->config.cache, operation);
    to_home(operation, version_too_large);
}

static void barrier_done(void *data, int status)
{
    struct operation *operation = data;
    struct registry_config *config = &operation->registry->config;
    if (status < 0) {
        operation->txn_status = status;
        to_home(operation, barrier_home);
        return;
    }
    if (storage_revision(config->storage) > operation->barrier_revision) {
        operation->barrier_revision = storage_revision(config->storage);
    }
    uint64_t revision = (uint64_t)operation->barrier_revision;
    operation->timer = (struct env_timer){.fire = barrier_timeout, .data = operation};
    env_timer_start(config->env, &operation->timer, RV_WAIT_MS * NS_PER_MS);
    watch_cache_when(config->cache, revision, barrier_seen, operation);
}

static void barrier_start(void *data)
{
    struct operation *operation = data;
    storage_read_barrier(operation->registry->config.storage, barrier_done, operation);
}

void operation_barrier(struct operation *operation, uint64_t revision,
                       void (*next)(struct operation *operation))
{
    operation->next = next;
    operation->barrier_revision = (int64_t)revision;
    to_store(operation, barrier_start);
}

static void snapshot_home(void *data)
{
    struct operation *operation = data;
    operation->next(operation);
}

static void snapshot_take(void *data)
{
    struct operation *operation = data;
    operation->snapshot = storage_snapshot(operation->registry->config.storage);
    to_home(operation, snapshot_home);
}

void operation_snapshot(struct operation *operation, void (*next)(struct operation *operation))
{
    operation->next = next;
    to_store(operation, snapshot_take);
}

/* --- Writing --- */

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
    operation_finish(operation);
}

static void plan_again(struct operation *operation)
{
    operation->plan = (struct plan){0};
    operation->call->status = NULL;
    operation->call->warning_count = 0;
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

static void plan_again(struct operation *operation);

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
    to_home(operation, answer_planned);
}

/* The quotas have changed since the plan was made; the object has not. */
static void charge_again(void *data)
{
    struct operation *operation = data;
    const struct api_status *refusal = admission_charge_again(operation);
    if (refusal == NULL) {
        to_store(operation, txn_start);
        return;
    }
    (void)plan_fail(operation, refusal);
    to_store(operation, give_turn_up);
}

static void turn_granted(struct quota_turn *turn)
{
    struct operation *operation = CONTAINER_OF(turn, struct operation, turn);
    to_home(operation, charge_again);
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
        to_store(operation, txn_start);
        return;
    }
    if (operation->txn_succeeded) {
        answer_written(operation);
        return;
    }
    /* Somebody else wrote in between: look again, at a state that a quorum confirms. */
    unsigned attempts_max = operation->plan.charges ? CHARGE_ATTEMPTS_MAX : WRITE_ATTEMPTS_MAX;
    if (++operation->attempts >= attempts_max) {
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
    to_home(operation, txn_home);
}

struct slice operation_seal(struct operation *operation, const struct api_kind *kind,
                            const char *key, struct slice bytes)
{
    struct slice stored = {0};
    CLEANUP(buffer_release) struct buffer sealed;
    buffer_init(&sealed, STORED_OBJECT_MAX + ENCRYPTION_OVERHEAD_MAX);
    if (bytes.len <= STORED_OBJECT_MAX) {
        encryption_seal(operation->registry->config.encryption, kind, key, bytes, &sealed);
        stored = arena_slice(operation->arena, buffer_slice(&sealed));
    }
    return stored;
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
    struct store_compare compares[PLAN_EXTRAS_MAX + 1];
    struct store_op ops[PLAN_EXTRAS_MAX + 1];
    size_t compare_count = 0;
    size_t op_count = 0;
    compares[compare_count++] = unchanged(plan->key, plan->expect_mod);
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

static void submit(struct operation *operation)
{
    struct plan *plan = &operation->plan;
    bool encoded = plan->value.data != NULL;
    if (!encoded && (!plan->remove || plan->mark_first)) {
        plan->value = operation_encode(operation, plan->kind, plan->key, plan->message);
        if (plan->value.data == NULL) {
            operation_fail(operation, api_status_too_large(operation->arena, STORED_OBJECT_MAX));
            return;
        }
    }
    if (operation->call->options.dry_run) {
        operation->txn_revision = 0;
        answer_written(operation);
        return;
    }
    to_store(operation, txn_start);
}

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
    case REGISTRY_GET:
    case REGISTRY_LIST:
    case REGISTRY_DELETE_COLLECTION:
        break;
    }
    abort(); /* A read is not planned: a bug of ours. */
}

static enum plan_step plan_to_store(struct operation *operation)
{
    enum plan_step step = operation_plan(operation);
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
            operation->call->status->code != 400) {
            operation_barrier(operation, 0, plan_again);
            return;
        }
        operation_finish(operation);
        return;
    case PLAN_WAIT:
        if (!operation_convert_start(operation)) {
            admission_webhooks_start(operation);
        }
        return;
    }
}

void registry_start(struct registry *registry, struct registry_call *call)
{
    struct call_state *state = arena_zeroed(call->arena, sizeof(*state));
    struct operation *operation = &state->operation;
    operation->registry = registry;
    operation->call = call;
    operation->arena = call->arena;
    call->state = state;
    call->status = NULL;
    call->success = NULL;
    call->code = 200;
    call->list_remaining = -1;
    switch (call->verb) {
    case REGISTRY_GET:
    case REGISTRY_LIST:
        operation_start_read(operation);
        return;
    case REGISTRY_DELETE_COLLECTION:
        operation_start_delete_collection(operation);
        return;
    case REGISTRY_CREATE:
    case REGISTRY_UPDATE:
    case REGISTRY_PATCH:
    case REGISTRY_DELETE:
    case REGISTRY_CONNECT:
        operation_start_write(operation);
        return;
    }
}

void registry_finish(struct registry_call *call)
{
    struct call_state *state = call->state;
    if (state == NULL) {
        return;
    }
    for (struct held *held = state->held; held != NULL; held = held->next) {
        cached_object_unref(held->object);
    }
    struct operation *operation = &state->operation;
    admission_webhooks_release(operation);
    bool converted = operation->candidates != NULL; /* The items are versions of these. */
    const struct cached_object *const *owned = converted ? operation->candidates : call->items;
    size_t owned_count = converted ? operation->candidate_count : call->item_count;
    for (size_t i = 0; operation->own_items && i < owned_count; i++) {
        cached_object_unref(owned[i]);
    }
    if (operation->snapshot != NULL) {
        store_snapshot_unref(operation->snapshot);
    }
    cache_view_free(call->view);
    call->view = NULL;
    call->state = NULL;
}
