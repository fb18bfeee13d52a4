#include "apiserver/operation.h"

#include "apiserver/admission_webhook.h"
#include "apiserver/expressions.h"
#include "apiserver/object_list.h"
#include "lib/base/alloc.h"
#include "lib/base/uuid.h"
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
    atomic_init(&registry->under_way, 1);
    return registry;
}

void registry_free(struct registry *registry)
{
    expression_cache_free(registry->expressions);
    quota_turns_free(registry->turns);
    free(registry);
}

/* --- How many calls are under way --- */

static void call_begun(struct registry *registry)
{
    size_t before = atomic_fetch_add_explicit(&registry->under_way, 1, memory_order_relaxed);
    assert(before > 0); /* Else it may be freed any moment. */
    (void)before;
}

static void call_over(struct registry *registry)
{
    if (atomic_fetch_sub_explicit(&registry->under_way, 1, memory_order_acq_rel) == 1) {
        loop_post(registry->idle_loop, registry->idle, registry->idle_data);
    }
}

void registry_when_idle(struct registry *registry, struct loop *loop, void (*idle)(void *data),
                        void *data)
{
    registry->idle_loop = loop;
    registry->idle = idle;
    registry->idle_data = data;
    call_over(registry);
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

const char *operation_uuid(struct operation *operation)
{
    uint64_t high = operation_random(operation);
    uint64_t low = operation_random(operation);
    return uuid_text(operation->arena, high, low);
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

const struct api_status *operation_unreadable(struct operation *operation,
                                              const struct cached_object *object)
{
    const void *message = operation_message(operation, object);
    const char *problem = cached_object_problem(object, operation->arena);
    if (message != NULL && problem == NULL) {
        return NULL;
    }
    return api_status_internal(operation->arena, "%s", problem == NULL ? "unreadable" : problem);
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
    return operation_find(operation, kind, namespace, name);
}

const struct cached_object *operation_find(struct operation *operation, const struct api_kind *kind,
                                           const char *namespace, const char *name)
{
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

void operation_to_store(struct operation *operation, void (*fn)(void *data))
{
    if (on_store_loop(operation)) {
        fn(operation);
    } else {
        loop_post(operation->registry->config.store_loop, fn, operation);
    }
}

void operation_to_home(struct operation *operation, void (*fn)(void *data))
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
    struct registry *registry = operation->registry;
    operation->call->done(operation->call); /* The operation may be gone now. */
    call_over(registry);
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
    operation_to_home(operation, barrier_home);
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
    operation_to_home(operation, version_too_large);
}

static void barrier_done(void *data, int status)
{
    struct operation *operation = data;
    struct registry_config *config = &operation->registry->config;
    if (status < 0) {
        operation->txn_status = status;
        operation_to_home(operation, barrier_home);
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
    operation_to_store(operation, barrier_start);
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
    operation_to_home(operation, snapshot_home);
}

void operation_snapshot(struct operation *operation, void (*next)(struct operation *operation))
{
    operation->next = next;
    operation_to_store(operation, snapshot_take);
}

void registry_start(struct registry *registry, struct registry_call *call)
{
    struct call_state *state = arena_zeroed(call->arena, sizeof(*state));
    struct operation *operation = &state->operation;
    call_begun(registry);
    operation->registry = registry;
    operation->call = call;
    operation->warnings_before = call->warning_count;
    operation->arena = call->arena;
    call->state = state;
    call->status = NULL;
    call->success = NULL;
    call->code = 200;
    call->list_remaining = -1;
    switch (call->verb) {
    case REGISTRY_GET:
    case REGISTRY_LIST:
    case REGISTRY_DELETE_COLLECTION:
        operation_start_read(operation);
        return;
    case REGISTRY_CREATE:
    case REGISTRY_UPDATE:
    case REGISTRY_PATCH:
    case REGISTRY_DELETE:
    case REGISTRY_CONNECT:
    case REGISTRY_REVIEW:
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
    operation_release_leaves(operation);
    object_list_free(call->list);
    call->list = NULL;
    if (operation->snapshot != NULL) {
        store_snapshot_unref(operation->snapshot);
    }
    cache_view_free(call->view);
    call->view = NULL;
    call->state = NULL;
}
