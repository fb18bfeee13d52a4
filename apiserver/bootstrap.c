/* Objects that every cluster has, made by each new leader where they are missing, and brought back
 * to what they should be: the namespaces first, then all others, several at once. */
#include "apiserver/bootstrap.h"

#include "apiserver/api_service_defaults.h"
#include "apiserver/flow_defaults.h"
#include "apiserver/rbac_defaults.h"
#include "apiserver/request.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/scheduling_v1.pb-c.h"
#include "lib/api/priority.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <assert.h>
#include <stdlib.h>

static const char *const namespaces[] = {"default", "kube-system", "kube-public",
                                         "kube-node-lease"};
enum { RETRY_FIRST_MS = 500, RETRY_MS_MAX = 60000, CALLS_MAX = 16 };

/* One call at a time, for one object. */
struct bootstrap_call {
    struct bootstrap *bootstrap;
    struct arena *arena;
    struct registry_call call;
    size_t index; /* Of the object. */
    bool busy;
    bool replacing; /* The call deletes what is to be made anew. */
};

struct bootstrap {
    struct apiserver *server;
    struct env_timer retry;
    struct bootstrap_call calls[CALLS_MAX];
    size_t busy_count;
    size_t next;       /* The first object not looked at yet; namespaces come first. */
    bool repeated;     /* Something failed: all is looked at again. */
    uint64_t retry_ms; /* After this, which doubles. */
    bool wanted;
};

/* --- What there has to be --- */

static size_t namespace_count(void)
{
    return ARRAY_LEN(namespaces);
}

static struct default_object namespace_at(size_t index, struct arena *arena)
{
    const struct api_kind *kind = api_kind_find("", "v1", "namespaces");
    Core__V1__Namespace *namespace = api_message_new(arena, kind->message);
    namespace->metadata->name = arena_text(arena, namespaces[index]);
    return (struct default_object){
        .kind = kind, .namespace = "", .name = namespaces[index], .message = namespace};
}

static size_t priority_count(void)
{
    return API_SYSTEM_PRIORITY_COUNT;
}

static struct default_object priority_at(size_t index, struct arena *arena)
{
    const struct api_kind *kind = api_kind_find("scheduling.k8s.io", "v1", "priorityclasses");
    const struct api_system_priority *priority = &api_system_priorities[index];
    Scheduling__V1__PriorityClass *class = api_message_new(arena, kind->message);
    class->metadata->name = arena_text(arena, priority->name);
    class->value = priority->value;
    class->has_value = 1;
    class->description = arena_text(arena, priority->description);
    return (struct default_object){
        .kind = kind, .namespace = "", .name = priority->name, .message = class};
}

static enum default_repair leave_alone(const struct default_object *wanted, const void *present,
                                       struct arena *arena, void **ret_message)
{
    (void)wanted, (void)present, (void)arena, (void)ret_message;
    return DEFAULT_AS_IT_SHOULD_BE;
}

static const struct default_objects sources[] = {
    {namespace_count, namespace_at, leave_alone},
    {priority_count, priority_at, leave_alone},
    {rbac_default_count, rbac_default_at, rbac_default_repair},
    {flow_default_count, flow_default_at, flow_default_repair},
    {api_service_default_count, api_service_default_at, api_service_default_repair},
};

static size_t object_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        count += sources[i].count();
    }
    return count;
}

/* Whose the object at *index is; *index becomes that within them. */
static const struct default_objects *source_of(size_t *index)
{
    const struct default_objects *source = sources;
    while (*index >= source->count()) {
        *index -= source->count();
        source++;
    }
    return source;
}

/* --- Making it so --- */

static void step(struct bootstrap *bootstrap);
static void start(struct bootstrap_call *call);

static void retry(void *data)
{
    step(data);
}

static void finish(struct bootstrap_call *call, bool good)
{
    struct bootstrap *bootstrap = call->bootstrap;
    call->busy = false;
    bootstrap->busy_count--;
    bootstrap->repeated = bootstrap->repeated || !good;
    step(bootstrap);
}

static void done(struct registry_call *registry_call)
{
    struct bootstrap_call *call = registry_call->data;
    struct bootstrap *bootstrap = call->bootstrap;
    bool good = registry_call->status == NULL;
    bool gone = call->replacing && !good && registry_call->status->code == 404;
    /* Somebody else has made it: whether it is as it should be, the next leader sees. */
    bool exists = !call->replacing && !good && registry_call->status->code == 409;
    bool deleted = call->replacing && (good || gone);
    if (!good && !exists && !gone && bootstrap->wanted) {
        LOG_WARN("api", "an object that every cluster has cannot be made, trying again",
                 KV_TEXT("kind", registry_call->kind->kind),
                 KV_TEXT("error", registry_call->status->message));
    }
    registry_finish(registry_call);
    if (deleted && bootstrap->wanted) {
        bootstrap->busy_count--;
        start(call);
    } else {
        finish(call, good || exists);
    }
}

/* Begins what the object of this call needs, which may be nothing. */
static void start(struct bootstrap_call *call)
{
    struct bootstrap *bootstrap = call->bootstrap;
    arena_reset(call->arena);
    size_t index = call->index;
    const struct default_objects *source = source_of(&index);
    const struct default_object wanted = source->at(index, call->arena);
    const struct cached_object *cached =
        watch_cache_get(bootstrap->server->cache, wanted.kind, wanted.namespace, wanted.name);
    void *message = wanted.message;
    enum registry_verb verb = REGISTRY_CREATE;
    call->busy = true;
    bootstrap->busy_count++;
    call->replacing = false;
    if (cached != NULL) {
        const void *present = cached_object_message(cached);
        enum default_repair repair = present == NULL
                                         ? DEFAULT_AS_IT_SHOULD_BE
                                         : source->repair(&wanted, present, call->arena, &message);
        cached_object_unref(cached);
        if (repair == DEFAULT_AS_IT_SHOULD_BE) {
            call->busy = false;
            bootstrap->busy_count--;
            return;
        }
        call->replacing = repair == DEFAULT_REPLACE;
        verb = call->replacing ? REGISTRY_DELETE : REGISTRY_UPDATE;
    }
    call->call = (struct registry_call){.verb = verb,
                                        .kind = wanted.kind,
                                        .namespace = wanted.namespace,
                                        .name = verb == REGISTRY_CREATE ? NULL : wanted.name,
                                        .user = &user_system_apiserver,
                                        .arena = call->arena,
                                        .body = message,
                                        .done = done,
                                        .data = call};
    registry_start(bootstrap->server->registry, &call->call);
}

static struct bootstrap_call *idle_call(struct bootstrap *bootstrap)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (!bootstrap->calls[i].busy) {
            return &bootstrap->calls[i];
        }
    }
    return NULL;
}

static void step(struct bootstrap *bootstrap)
{
    struct bootstrap_call *call = NULL;
    while (bootstrap->wanted && bootstrap->next < object_count() &&
           (call = idle_call(bootstrap)) != NULL) {
        if (bootstrap->next == ARRAY_LEN(namespaces) && bootstrap->busy_count > 0) {
            return; /* The others live in them. */
        }
        call->index = bootstrap->next++;
        start(call);
    }
    if (bootstrap->wanted && bootstrap->busy_count == 0 && bootstrap->repeated) {
        bootstrap->repeated = false;
        bootstrap->next = 0;
        env_timer_start(bootstrap->server->config.env, &bootstrap->retry,
                        bootstrap->retry_ms * NS_PER_MS);
        bootstrap->retry_ms *= 2;
        if (bootstrap->retry_ms > RETRY_MS_MAX) {
            bootstrap->retry_ms = RETRY_MS_MAX;
        }
    }
}

struct bootstrap *bootstrap_new(struct apiserver *server)
{
    struct bootstrap *bootstrap = alloc_zeroed(sizeof(*bootstrap));
    bootstrap->server = server;
    bootstrap->retry = (struct env_timer){.fire = retry, .data = bootstrap};
    for (size_t i = 0; i < CALLS_MAX; i++) {
        bootstrap->calls[i].bootstrap = bootstrap;
        bootstrap->calls[i].arena = arena_new(SIZE_MAX);
    }
    return bootstrap;
}

void bootstrap_free(struct bootstrap *bootstrap)
{
    if (bootstrap == NULL) {
        return;
    }
    env_timer_stop(bootstrap->server->config.env, &bootstrap->retry);
    assert(bootstrap->busy_count == 0);
    for (size_t i = 0; i < CALLS_MAX; i++) {
        arena_free(bootstrap->calls[i].arena);
    }
    free(bootstrap);
}

void bootstrap_set_leader(struct bootstrap *bootstrap, bool leader)
{
    bootstrap->wanted = leader;
    if (leader) {
        bootstrap->next = 0;
        bootstrap->retry_ms = RETRY_FIRST_MS;
        step(bootstrap);
    }
}
