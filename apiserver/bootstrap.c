/* Objects that every cluster has, made by the first leader (and again by each, where missing). */
#include "apiserver/bootstrap.h"

#include "apiserver/request.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/base/alloc.h"
#include <stdlib.h>

static const char *const namespaces[] = {"default", "kube-system", "kube-public",
                                         "kube-node-lease"};
enum { RETRY_MS = 500 };

struct bootstrap {
    struct apiserver *server;
    struct env_timer retry;
    struct arena *arena;
    struct registry_call call;
    size_t next;
    bool busy;
    bool wanted;
    bool freed;
};

static void step(struct bootstrap *bootstrap);

static void retry(void *data)
{
    struct bootstrap *bootstrap = data;
    step(bootstrap);
}

static void created(struct registry_call *call)
{
    struct bootstrap *bootstrap = call->data;
    bool exists = call->status == NULL || call->status->code == 409;
    registry_finish(call);
    bootstrap->busy = false;
    if (bootstrap->freed) {
        arena_free(bootstrap->arena);
        free(bootstrap);
        return;
    }
    if (exists) {
        bootstrap->next++;
        step(bootstrap);
        return;
    }
    env_timer_start(bootstrap->server->config.env, &bootstrap->retry, RETRY_MS * NS_PER_MS);
}

static void step(struct bootstrap *bootstrap)
{
    if (!bootstrap->wanted || bootstrap->busy || bootstrap->next == ARRAY_LEN(namespaces)) {
        return;
    }
    bootstrap->busy = true;
    arena_reset(bootstrap->arena);
    const struct api_kind *kind = api_kind_find("", "v1", "namespaces");
    Core__V1__Namespace *namespace = api_message_new(bootstrap->arena, kind->message);
    namespace->metadata->name = arena_text(bootstrap->arena, namespaces[bootstrap->next]);
    bootstrap->call = (struct registry_call){.verb = REGISTRY_CREATE,
                                             .kind = kind,
                                             .user = &user_system_apiserver,
                                             .arena = bootstrap->arena,
                                             .body = namespace,
                                             .done = created,
                                             .data = bootstrap};
    registry_start(bootstrap->server->registry, &bootstrap->call);
}

struct bootstrap *bootstrap_new(struct apiserver *server)
{
    struct bootstrap *bootstrap = alloc_zeroed(sizeof(*bootstrap));
    bootstrap->server = server;
    bootstrap->arena = arena_new(SIZE_MAX);
    bootstrap->retry = (struct env_timer){.fire = retry, .data = bootstrap};
    return bootstrap;
}

void bootstrap_free(struct bootstrap *bootstrap)
{
    if (bootstrap == NULL) {
        return;
    }
    env_timer_stop(bootstrap->server->config.env, &bootstrap->retry);
    if (bootstrap->busy) {
        bootstrap->freed = true; /* The call's end frees it. */
        return;
    }
    arena_free(bootstrap->arena);
    free(bootstrap);
}

void bootstrap_set_leader(struct bootstrap *bootstrap, bool leader)
{
    bootstrap->wanted = leader;
    if (leader) {
        bootstrap->next = 0;
        step(bootstrap);
    }
}
