/* Objects that every cluster has, made by each new leader where they are missing, and brought back
 * to what they should be: the namespaces first, then all others, several at once. Some of them
 * every minute, and what an earlier version had of priority and fairness is taken away then. */
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
enum {
    RETRY_FIRST_MS = 500,
    RETRY_MS_MAX = 60000,
    AGAIN_MS = 60000,
    CALLS_MAX = 16,
    OBSOLETE_MAX = 64, /* In one round; the rest in the next. */
};

/* One call at a time, for one object. */
struct bootstrap_call {
    struct bootstrap *bootstrap;
    struct arena *arena;
    struct registry_call call;
    size_t index; /* Of the object. */
    bool busy;
    bool replacing; /* The call deletes what is to be made anew. */
    bool removing;  /* The call deletes what is not to be. */
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
    bool again;          /* Not the first round of this leader. */
    struct arena *round; /* Of what is obsolete. */
    struct default_object obsolete[OBSOLETE_MAX];
    size_t obsolete_count;
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
    {namespace_count, namespace_at, leave_alone, true},
    {priority_count, priority_at, leave_alone, false},
    {rbac_default_count, rbac_default_at, rbac_default_repair, false},
    {flow_default_count, flow_default_at, flow_default_repair, true},
    {api_service_default_count, api_service_default_at, api_service_default_repair, false},
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

/* --- What there must not be --- */

static bool note_obsolete(void *data, const struct cached_object *object)
{
    struct bootstrap *bootstrap = data;
    const struct api_kind *kind = cached_object_kind(object);
    const void *message = cached_object_message(object);
    if (message != NULL && flow_default_is_obsolete(kind, message)) {
        bootstrap->obsolete[bootstrap->obsolete_count++] = (struct default_object){
            .kind = kind,
            .namespace = "",
            .name = arena_text(bootstrap->round, cached_object_name(object))};
    }
    return bootstrap->obsolete_count < OBSOLETE_MAX;
}

/* Schemas before the levels that they lead to. */
static void find_obsolete(struct bootstrap *bootstrap)
{
    static const char *const plurals[] = {"flowschemas", "prioritylevelconfigurations"};
    arena_reset(bootstrap->round);
    bootstrap->obsolete_count = 0;
    for (size_t i = 0; i < ARRAY_LEN(plurals); i++) {
        struct cache_view *view =
            watch_cache_view(bootstrap->server->cache, api_kind_find(FLOW_GROUP, "v1", plurals[i]));
        if (bootstrap->obsolete_count < OBSOLETE_MAX) {
            cache_view_each(view, "", slice_text(""), note_obsolete, bootstrap);
        }
        cache_view_free(view);
    }
}

/* --- Making it so --- */

static void step(struct bootstrap *bootstrap);
static void start(struct bootstrap_call *call);

static void begin_round(struct bootstrap *bootstrap)
{
    bootstrap->next = 0;
    find_obsolete(bootstrap);
    step(bootstrap);
}

static void retry(void *data)
{
    struct bootstrap *bootstrap = data;
    if (bootstrap->wanted) {
        begin_round(bootstrap);
    }
}

static void finish(struct bootstrap_call *call, bool good)
{
    struct bootstrap *bootstrap = call->bootstrap;
    call->busy = false;
    bootstrap->busy_count--;
    bootstrap->repeated = bootstrap->repeated || !good;
    step(bootstrap);
}

/* The first of a round: what keeps one from being made keeps all of them, a full disk for one. */
static void note_failure(const struct bootstrap *bootstrap, const struct registry_call *call)
{
    static const char text[] = "an object that every cluster has cannot be made, trying again";
    if (!bootstrap->repeated) {
        LOG_WARN("api", text, KV_TEXT("kind", call->kind->kind),
                 KV_TEXT("error", call->status->message));
    } else {
        LOG_DEBUG("api", text, KV_TEXT("kind", call->kind->kind),
                  KV_TEXT("error", call->status->message));
    }
}

static void done(struct registry_call *registry_call)
{
    struct bootstrap_call *call = registry_call->data;
    struct bootstrap *bootstrap = call->bootstrap;
    bool good = registry_call->status == NULL;
    bool deleting = call->replacing || call->removing;
    bool gone = deleting && !good && registry_call->status->code == 404;
    /* Somebody else has made it: whether it is as it should be, the next round sees. */
    bool exists = !deleting && !good && registry_call->status->code == 409;
    bool deleted = call->replacing && (good || gone);
    if (!good && !exists && !gone && bootstrap->wanted) {
        note_failure(bootstrap, registry_call);
    }
    registry_finish(registry_call);
    if (deleted && bootstrap->wanted) {
        call->busy = false;
        bootstrap->busy_count--;
        start(call);
        if (!call->busy) {
            step(bootstrap); /* Somebody else made it meanwhile: the round goes on, or ends. */
        }
    } else {
        finish(call, good || exists || gone);
    }
}

static void begin(struct bootstrap_call *call, const struct default_object *object,
                  enum registry_verb verb, void *message)
{
    call->call = (struct registry_call){.verb = verb,
                                        .kind = object->kind,
                                        .namespace = object->namespace,
                                        .name = verb == REGISTRY_CREATE ? NULL : object->name,
                                        .user = &user_system_apiserver,
                                        .arena = call->arena,
                                        .body = message,
                                        .options = {.field_manager = "kube-apiserver"},
                                        .done = done,
                                        .data = call};
    registry_start(call->bootstrap->server->registry, &call->call);
}

static void start_removing(struct bootstrap_call *call)
{
    struct bootstrap *bootstrap = call->bootstrap;
    arena_reset(call->arena);
    struct default_object obsolete = bootstrap->obsolete[call->index - object_count()];
    obsolete.name = arena_text(call->arena, obsolete.name);
    call->busy = true;
    bootstrap->busy_count++;
    call->replacing = false;
    call->removing = true;
    begin(call, &obsolete, REGISTRY_DELETE, NULL);
}

/* Begins what the object of this call needs, which may be nothing. */
static void start(struct bootstrap_call *call)
{
    struct bootstrap *bootstrap = call->bootstrap;
    arena_reset(call->arena);
    size_t index = call->index;
    const struct default_objects *source = source_of(&index);
    if (bootstrap->again && !source->every_minute) {
        return;
    }
    const struct default_object wanted = source->at(index, call->arena);
    const struct cached_object *cached =
        watch_cache_get(bootstrap->server->cache, wanted.kind, wanted.namespace, wanted.name);
    void *message = wanted.message;
    enum registry_verb verb = REGISTRY_CREATE;
    call->busy = true;
    bootstrap->busy_count++;
    call->replacing = call->removing = false;
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
    begin(call, &wanted, verb, message);
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
    size_t last = object_count() + bootstrap->obsolete_count;
    while (bootstrap->wanted && bootstrap->next < last && (call = idle_call(bootstrap)) != NULL) {
        if (bootstrap->next == ARRAY_LEN(namespaces) && bootstrap->busy_count > 0) {
            return; /* The others live in them. */
        }
        call->index = bootstrap->next++;
        if (call->index < object_count()) {
            start(call);
        } else {
            start_removing(call);
        }
    }
    if (bootstrap->wanted && bootstrap->busy_count == 0) {
        uint64_t after_ms = bootstrap->repeated ? bootstrap->retry_ms : AGAIN_MS;
        if (bootstrap->repeated) {
            bootstrap->retry_ms *= 2;
            if (bootstrap->retry_ms > RETRY_MS_MAX) {
                bootstrap->retry_ms = RETRY_MS_MAX;
            }
        } else {
            bootstrap->again = true;
            bootstrap->retry_ms = RETRY_FIRST_MS;
        }
        bootstrap->repeated = false;
        env_timer_start(bootstrap->server->config.env, &bootstrap->retry, after_ms * NS_PER_MS);
    }
}

struct bootstrap *bootstrap_new(struct apiserver *server)
{
    struct bootstrap *bootstrap = alloc_zeroed(sizeof(*bootstrap));
    bootstrap->server = server;
    bootstrap->retry = (struct env_timer){.fire = retry, .data = bootstrap};
    bootstrap->round = arena_new(SIZE_MAX);
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
    arena_free(bootstrap->round);
    free(bootstrap);
}

void bootstrap_set_leader(struct bootstrap *bootstrap, bool leader)
{
    bootstrap->wanted = leader;
    env_timer_stop(bootstrap->server->config.env, &bootstrap->retry);
    if (leader) {
        bootstrap->again = bootstrap->repeated = false;
        bootstrap->retry_ms = RETRY_FIRST_MS;
        begin_round(bootstrap);
    }
}
