#include "apiserver/api_service_keeper.h"

#include "apiserver/api_service_checks.h"
#include "apiserver/api_service_defaults.h"
#include "apiserver/custom_kinds.h"
#include "apiserver/request.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>

/* Level-triggered: what is wrong is found in the cache, and put right, one call at a time. */
struct api_service_keeper {
    struct apiserver *server;
    const struct api_kind *kind;
    struct env_timer timer;
    struct arena *arena; /* Of the call under way. */
    struct registry_call call;
    bool busy;
    bool leads;
};

enum {
    TICK_MS = 1000,
    RETRY_MS = 100, /* The cache sees our own write by then, or somebody else's before it. */
    CUSTOM_GROUP_PRIORITY = 1000,
    CUSTOM_VERSION_PRIORITY = 100,
};

static void wake_after(struct api_service_keeper *keeper, uint64_t ms)
{
    env_timer_start(keeper->server->config.env, &keeper->timer, ms * NS_PER_MS);
}

static void call_done(struct registry_call *call)
{
    struct api_service_keeper *keeper = call->data;
    bool good = call->status == NULL;
    registry_finish(call);
    keeper->busy = false;
    wake_after(keeper, good ? 0 : RETRY_MS);
}

static void begin(struct api_service_keeper *keeper, struct registry_call call)
{
    call.kind = keeper->kind;
    call.user = &user_system_apiserver;
    call.arena = keeper->arena;
    call.options.field_manager = "kube-apiserver";
    call.done = call_done;
    call.data = keeper;
    keeper->call = call;
    keeper->busy = true;
    registry_start(keeper->server->registry, &keeper->call);
}

/* --- Versions of definitions --- */

static bool exists(struct api_service_keeper *keeper, const char *name)
{
    const struct cached_object *object =
        watch_cache_get(keeper->server->cache, keeper->kind, "", name);
    cached_object_unref(object);
    return object != NULL;
}

static void create(struct api_service_keeper *keeper, const struct api_kind *custom)
{
    const struct api_group_version version = {.group = custom->group,
                                              .version = custom->version,
                                              .group_priority = CUSTOM_GROUP_PRIORITY,
                                              .version_priority = CUSTOM_VERSION_PRIORITY};
    const struct default_object wanted = api_service_local(keeper->arena, &version, "true");
    begin(keeper, (struct registry_call){.verb = REGISTRY_CREATE, .body = wanted.message});
}

/* The first served version without an APIService gets one. */
static bool add_missing(struct api_service_keeper *keeper, const struct custom_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct custom_resource *resource = set->resources[i];
        for (size_t j = 0; j < resource->version_count; j++) {
            const struct api_kind *kind = &resource->versions[j].kind;
            CLEANUP(alloc_freep) char *name = alloc_printf("%s.%s", kind->version, kind->group);
            if (resource->versions[j].source->served && !exists(keeper, name)) {
                create(keeper, kind);
                return true;
            }
        }
    }
    return false;
}

static bool is_served(const struct custom_set *set, const Apiregistration__V1__APIServiceSpec *spec)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct custom_resource *resource = set->resources[i];
        for (size_t j = 0; j < resource->version_count; j++) {
            const struct api_kind *kind = &resource->versions[j].kind;
            if (resource->versions[j].source->served &&
                strcmp(kind->group, text_or_empty(spec->group)) == 0 &&
                strcmp(kind->version, text_or_empty(spec->version)) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* --- Each of those that are there --- */

struct round {
    struct api_service_keeper *keeper;
    const struct custom_set *set;
};

static const struct api_service_verdict local_verdict = {
    .status = "True", .reason = "Local", .message = "Local APIServices are always available"};

static bool verdict_of(struct api_service_keeper *keeper, const api_service_t *service,
                       struct api_service_verdict *ret_verdict)
{
    if (service->spec->service == NULL) {
        *ret_verdict = local_verdict;
        return true;
    }
    return api_service_checks_verdict(keeper->server->api_checks, service->metadata->name,
                                      service->metadata->uid, ret_verdict);
}

static bool fits(const Apiregistration__V1__APIServiceCondition *condition,
                 const struct api_service_verdict *verdict)
{
    return condition != NULL && strcmp(text_or_empty(condition->status), verdict->status) == 0 &&
           strcmp(text_or_empty(condition->reason), verdict->reason) == 0 &&
           strcmp(text_or_empty(condition->message), verdict->message) == 0;
}

static void write_condition(struct api_service_keeper *keeper, const api_service_t *present,
                            const struct api_service_verdict *verdict)
{
    static const char type[] =
        "k8s.io.kube_aggregator.pkg.apis.apiregistration.v1.APIServiceCondition";
    struct arena *arena = keeper->arena;
    api_service_t *service = api_message_copy(arena, keeper->kind->message, present);
    const Apiregistration__V1__APIServiceCondition *before = api_service_condition(service);
    Apiregistration__V1__APIServiceCondition *condition =
        api_message_new(arena, api_message_find(type));
    bool same = before != NULL && strcmp(text_or_empty(before->status), verdict->status) == 0;
    int64_t now_s = env_wall_ns(keeper->server->config.env) / INT64_C(1000000000);
    condition->type = arena_text(arena, "Available");
    condition->status = arena_text(arena, verdict->status);
    condition->reason = arena_text(arena, verdict->reason);
    condition->message = arena_text(arena, verdict->message);
    condition->last_transition_time =
        same ? before->last_transition_time : api_time_new(arena, now_s);
    size_t at = 0;
    while (at < service->status->n_conditions && service->status->conditions[at] != before) {
        at++;
    }
    if (at == service->status->n_conditions) {
        service->status->conditions =
            arena_array_grown(arena, service->status->conditions, at, sizeof(condition));
        service->status->n_conditions++;
    }
    service->status->conditions[at] = condition;
    begin(keeper, (struct registry_call){.verb = REGISTRY_UPDATE,
                                         .subresource = "status",
                                         .name = service->metadata->name,
                                         .body = service});
}

/* Goes on to the next while nothing has to be done. */
static bool look_at(void *data, const struct cached_object *object)
{
    struct round *round = data;
    struct api_service_keeper *keeper = round->keeper;
    const api_service_t *service = cached_object_message(object);
    struct api_service_verdict verdict;
    if (service == NULL || service->metadata->deletion_timestamp != NULL) {
        return true;
    }
    const char *managed = api_meta_label(service->metadata, API_SERVICE_MANAGED_LABEL);
    bool spurious = managed != NULL && strcmp(managed, "true") == 0
                        ? !is_served(round->set, service->spec)
                        : managed != NULL &&
                              strcmp(text_or_empty(service->spec->group), keeper->kind->group) == 0;
    if (spurious) { /* Earlier versions had one of this very kind. */
        begin(keeper, (struct registry_call){
                          .verb = REGISTRY_DELETE,
                          .name = arena_text(keeper->arena, cached_object_name(object))});
        return false;
    }
    if (verdict_of(keeper, service, &verdict) && !fits(api_service_condition(service), &verdict)) {
        write_condition(keeper, service, &verdict);
        return false;
    }
    return true;
}

static void look(void *data)
{
    struct api_service_keeper *keeper = data;
    if (!keeper->leads || keeper->busy) {
        return;
    }
    arena_reset(keeper->arena);
    struct custom_set *set = custom_kinds_set(keeper->server->custom);
    struct round round = {.keeper = keeper, .set = set};
    if (!add_missing(keeper, set)) {
        struct cache_view *view = watch_cache_view(keeper->server->cache, keeper->kind);
        cache_view_each(view, "", slice_text(""), look_at, &round);
        cache_view_free(view);
    }
    custom_set_unref(set);
    if (!keeper->busy) {
        wake_after(keeper, TICK_MS);
    }
}

struct api_service_keeper *api_service_keeper_new(struct apiserver *server)
{
    struct api_service_keeper *keeper = alloc_zeroed(sizeof(*keeper));
    keeper->server = server;
    keeper->kind = api_kind_find("apiregistration.k8s.io", "v1", "apiservices");
    keeper->arena = arena_new(SIZE_MAX);
    keeper->timer = (struct env_timer){.fire = look, .data = keeper};
    return keeper;
}

void api_service_keeper_free(struct api_service_keeper *keeper)
{
    if (keeper == NULL) {
        return;
    }
    assert(!keeper->busy);
    env_timer_stop(keeper->server->config.env, &keeper->timer);
    arena_free(keeper->arena);
    free(keeper);
}

void api_service_keeper_set_leader(struct api_service_keeper *keeper, bool leader)
{
    keeper->leads = leader;
    if (leader && !keeper->busy) {
        wake_after(keeper, TICK_MS);
    }
}
