#include "lib/client/local_client.h"

#include "apiserver/authorizer.h"
#include "apiserver/custom_kinds.h"
#include "apiserver/registry.h"
#include "k8s/tables.h"
#include "lib/api/status.h"
#include "lib/base/alloc.h"
#include "lib/base/list.h"
#include "lib/client/limits.h"
#include "lib/client/local_kinds.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct local_client {
    struct client client;
    struct env *env;
    struct registry *registry;
    const struct user *user;
    struct watch_hub *hub;
    size_t calls; /* Under way. */
    size_t watches;
    bool closing;
};

/* One call under way; its arena holds it and everything it points to. */
struct local_call {
    struct registry_call call;
    struct local_client *owner;
    client_done *done;
    void *data;
    struct env_timer refused; /* Answers one that authorization refused. */
};

struct client_watch {
    struct local_client *owner;
    const struct api_kind *kind;
    bool metadata_only;
    const struct client_watch_ops *ops;
    void *data;
    struct cache_view *list;   /* NULL but while it is told, by turns of the loop, */
    struct cache_walk walk;    /* and how far it has been told. */
    struct cache_watch *watch; /* NULL between a stream and the end of the next list. */
    struct env_timer relist;
};

/* --- Objects shared with the watch cache --- */

struct shared_object {
    struct client_object object;
    const struct cached_object *cached;
};

static void shared_object_release(struct client_object *object)
{
    struct shared_object *shared = CONTAINER_OF(object, struct shared_object, object);
    cached_object_unref(shared->cached);
    free(shared);
}

/* NULL when what is stored does not decode. */
static const struct client_object *shared_object_new(const struct api_kind *kind,
                                                     const struct cached_object *cached)
{
    const void *message = cached_object_message(cached);
    const Meta__V1__ObjectMeta *meta =
        message == NULL ? NULL : api_message_meta(kind->message, message);
    if (meta == NULL) {
        return NULL;
    }
    struct shared_object *shared = alloc_zeroed(sizeof(*shared));
    shared->cached = cached_object_ref(cached);
    /* The object keeps its own custom kind alive, and no other. */
    shared->object =
        (struct client_object){.kind = custom_of(kind) == NULL ? kind : cached_object_kind(cached),
                               .message = message,
                               .meta = meta,
                               .version = cached_object_revision(cached),
                               .refs = 1,
                               .release = shared_object_release};
    return &shared->object;
}

/* An object with nothing but metadata, so that the cache need not hold all of it decoded. */
struct bare_object {
    struct client_object object;
    struct arena *arena;
};

static void bare_object_release(struct client_object *object)
{
    struct bare_object *bare = CONTAINER_OF(object, struct bare_object, object);
    custom_kind_unref(object->kind);
    arena_free(bare->arena);
    free(bare);
}

/* NULL when what is stored does not decode. */
static const struct client_object *bare_object_new(const struct cached_object *cached)
{
    const struct api_kind *kind = cached_object_kind(cached);
    CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
    const void *message = cached_object_decode(cached, scratch);
    if (message == NULL) {
        return NULL;
    }
    struct bare_object *bare = alloc_zeroed(sizeof(*bare));
    Meta__V1__ObjectMeta meta = *api_message_meta(kind->message, message);
    meta.n_managed_fields = 0;
    bare->arena = arena_new(SIZE_MAX);
    void *stub = api_message_new(bare->arena, kind->message);
    void **at = api_field_at(kind->message->metadata, stub);
    *at = api_message_copy(bare->arena, &meta__v1__object_meta__schema, &meta);
    bare->object = (struct client_object){.kind = custom_kind_ref(kind),
                                          .message = stub,
                                          .meta = *at,
                                          .version = cached_object_revision(cached),
                                          .refs = 1,
                                          .release = bare_object_release};
    return &bare->object;
}

/* --- Calls --- */

static void local_client_drop(struct local_client *client)
{
    if (client->closing && client->calls == 0) {
        free(client);
    }
}

static const struct client_object *answered_object(const struct registry_call *call,
                                                   const struct api_kind *kind)
{
    if (call->object != NULL) {
        return shared_object_new(kind, call->object);
    }
    if (call->result == NULL || call->result_kind != kind) {
        return NULL;
    }
    return client_object_new(kind, call->result);
}

static void call_done(struct registry_call *registry_call)
{
    struct local_call *call = registry_call->data;
    struct local_client *owner = call->owner;
    const struct api_status *status = registry_call->status;
    struct client_reply reply = {.code = 200, .reason = "", .message = ""};
    if (status != NULL && !status->success) {
        reply.code = status->code;
        reply.reason = status->reason == NULL ? "" : status->reason;
        reply.message = status->message == NULL ? "" : status->message;
    } else {
        reply.code = registry_call->code == 0 ? 200 : registry_call->code;
        reply.object = answered_object(registry_call, registry_call->kind);
    }
    call->done(call->data, &reply);
    client_object_unref(reply.object);
    registry_finish(registry_call);
    custom_kind_unref(registry_call->kind);
    arena_free(registry_call->arena); /* `call` lies in it. */
    owner->calls--;
    local_client_drop(owner);
}

static const struct api_message *body_message(const struct client_request *request)
{
    if (request->subresource == NULL || request->subresource[0] == '\0') {
        return request->kind->message;
    }
    const struct api_subresource *subresource =
        api_kind_subresource(request->kind, request->subresource);
    return subresource == NULL || subresource->message == NULL ? request->kind->message
                                                               : subresource->message;
}

static const char *copied(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_text(arena, text);
}

static enum registry_verb verb_of(enum client_verb verb)
{
    switch (verb) {
    case CLIENT_GET:
        return REGISTRY_GET;
    case CLIENT_CREATE:
        return REGISTRY_CREATE;
    case CLIENT_UPDATE:
        return REGISTRY_UPDATE;
    case CLIENT_PATCH:
        return REGISTRY_PATCH;
    case CLIENT_DELETE:
        return REGISTRY_DELETE;
    }
    abort();
}

static enum registry_patch patch_of(enum client_patch patch)
{
    switch (patch) {
    case CLIENT_PATCH_MERGE:
        return REGISTRY_PATCH_MERGE;
    case CLIENT_PATCH_STRATEGIC:
        return REGISTRY_PATCH_STRATEGIC;
    case CLIENT_PATCH_JSON:
        return REGISTRY_PATCH_JSON;
    }
    abort();
}

/* A custom kind as its definition is now; referenced. One that is gone has no objects. */
static const struct api_kind *present_kind(struct local_client *client, const struct api_kind *kind)
{
    struct custom_kinds *custom = registry_custom_kinds(client->registry);
    const struct api_kind *present =
        custom_of(kind) == NULL || custom == NULL ? NULL : custom_kinds_present(custom, kind);
    return present != NULL ? present : custom_kind_ref(kind);
}

static void fill_call(struct registry_call *call, const struct client_request *request)
{
    struct arena *arena = call->arena;
    call->verb = verb_of(request->verb);
    call->subresource = copied(arena, request->subresource);
    call->namespace = request->namespace_ == NULL ? "" : arena_text(arena, request->namespace_);
    call->name = request->name == NULL ? "" : arena_text(arena, request->name);
    if (request->body != NULL) {
        call->body = api_message_copy(arena, body_message(request), request->body);
    }
    call->patch_type = patch_of(request->patch_type);
    call->patch = arena_slice(arena, request->patch);
    call->options.has_grace_seconds = request->has_grace_seconds;
    call->options.grace_seconds = request->grace_seconds;
    call->options.propagation = copied(arena, request->propagation);
    call->options.expect_uid = copied(arena, request->expect_uid);
    call->options.expect_version = copied(arena, request->expect_version);
    call->options.field_manager = request->as == NULL ? "kube-apiserver" : request->as->manager;
}

/* --- Who acts ----------------------------------------------------------------------------------
 */

static const struct user *user_of(const struct local_client *owner, struct arena *arena,
                                  const struct client_identity *as)
{
    static const char account[] = "system:serviceaccount:";
    if (as == NULL) {
        return owner->user;
    }
    if (strncmp(as->user, account, sizeof(account) - 1) != 0) {
        return user_new(arena, as->user, "", NULL, 0);
    }
    const char *namespace = as->user + sizeof(account) - 1;
    const char *groups[] = {"system:serviceaccounts",
                            arena_printf(arena, "system:serviceaccounts:%.*s",
                                         (int)strcspn(namespace, ":"), namespace)};
    return user_new(arena, as->user, "", groups, ARRAY_LEN(groups));
}

/* The parts of the server itself may do everything and are not asked about. */
static bool is_allowed(const struct local_client *owner, const struct registry_call *call,
                       const struct client_request *request)
{
    static const char *const verbs[] = {[CLIENT_GET] = "get",
                                        [CLIENT_CREATE] = "create",
                                        [CLIENT_UPDATE] = "update",
                                        [CLIENT_PATCH] = "patch",
                                        [CLIENT_DELETE] = "delete"};
    const struct access access = {.verb = verbs[request->verb],
                                  .is_resource = true,
                                  .group = call->kind->group,
                                  .resource = call->kind->plural,
                                  .subresource = call->subresource == NULL ? "" : call->subresource,
                                  .namespace = call->namespace,
                                  .name = call->name,
                                  .path = ""};
    struct authorizer *authorizer = registry_authorizer(owner->registry);
    return request->as == NULL || authorizer == NULL ||
           authorizer_allows(authorizer, call->arena, call->user, &access, NULL);
}

static void answer_refused(void *data)
{
    struct local_call *call = data;
    struct local_client *owner = call->owner;
    const struct registry_call *wanted = &call->call;
    const struct client_reply reply = {
        .code = 403,
        .reason = "Forbidden",
        .message = arena_printf(wanted->arena, "%s \"%s\" is forbidden to user \"%s\"",
                                wanted->kind->resource, wanted->name, wanted->user->name)};
    call->done(call->data, &reply);
    arena_free(wanted->arena); /* `call` lies in it. */
    owner->calls--;
    local_client_drop(owner);
}

static struct local_client *local(struct client *client)
{
    return CONTAINER_OF(client, struct local_client, client);
}

static void local_call(struct client *client, const struct client_request *request,
                       client_done *done, void *data)
{
    struct local_client *owner = local(client);
    assert(!owner->closing);
    struct arena *arena = arena_new(SIZE_MAX);
    struct local_call *call = arena_zeroed(arena, sizeof(*call));
    call->owner = owner;
    call->done = done;
    call->data = data;
    call->call.arena = arena;
    call->call.kind = present_kind(owner, request->kind);
    fill_call(&call->call, request);
    call->call.user = user_of(owner, arena, request->as);
    call->call.done = call_done;
    call->call.data = call;
    owner->calls++;
    if (is_allowed(owner, &call->call, request)) {
        registry_start(owner->registry, &call->call);
        return;
    }
    call->refused = (struct env_timer){.fire = answer_refused, .data = call};
    env_timer_start(owner->env, &call->refused, /* delay_ns= */ 0);
}

/* --- Watches --- */

static void deliver(struct client_watch *watch, enum client_event type,
                    const struct cached_object *cached)
{
    const struct client_object *object =
        watch->metadata_only ? bare_object_new(cached) : shared_object_new(watch->kind, cached);
    if (object == NULL) {
        return; /* Unreadable: the API says so to who asks for it; controllers leave it alone. */
    }
    watch->ops->event(watch->data, type, object);
    client_object_unref(object);
}

static bool watched(void *data, const struct cache_event *event)
{
    static const enum client_event types[] = {[CACHE_ADDED] = CLIENT_ADDED,
                                              [CACHE_MODIFIED] = CLIENT_MODIFIED,
                                              [CACHE_DELETED] = CLIENT_DELETED};
    deliver(data, types[event->type], event->object);
    return true;
}

static void expired(void *data)
{
    struct client_watch *watch = data;
    cache_watch_stop(watch->watch);
    watch->watch = NULL;
    env_timer_start(watch->owner->env, &watch->relist, CLIENT_RELIST_DELAY_MS * NS_PER_MS);
}

static const struct cache_watch_ops watch_ops = {.event = watched, .expired = expired};

/* False when the turn is over and the list is not. */
static bool list_some(struct client_watch *watch)
{
    size_t bytes = 0;
    for (size_t i = 0; i < CLIENT_LIST_AT_ONCE && bytes < CLIENT_LIST_BYTES_AT_ONCE; i++) {
        const struct cached_object *cached = cache_walk_next(&watch->walk);
        if (cached == NULL) {
            return true;
        }
        bytes += cached_object_size(cached);
        deliver(watch, CLIENT_ADDED, cached);
    }
    return false;
}

static void list_then_watch(void *data)
{
    struct client_watch *watch = data;
    struct local_client *owner = watch->owner;
    if (watch->list == NULL) {
        watch->list = watch_cache_view(registry_cache(owner->registry), watch->kind);
        cache_walk_open(&watch->walk, watch->list, "");
        watch->ops->restart(watch->data);
    }
    if (!list_some(watch)) {
        env_timer_start(owner->env, &watch->relist, /* delay_ns= */ 0);
        return;
    }
    watch->watch = cache_watch_after_view(owner->hub, watch->list, &watch_ops, watch);
    cache_view_free(watch->list);
    watch->list = NULL;
    watch->ops->synced(watch->data);
}

static struct client_watch *local_watch(struct client *client, const struct api_kind *kind,
                                        const struct client_watch_ops *ops, void *data)
{
    struct local_client *owner = local(client);
    struct client_watch *watch = alloc_zeroed(sizeof(*watch));
    *watch = (struct client_watch){.owner = owner, .kind = kind, .ops = ops, .data = data};
    watch->relist = (struct env_timer){.fire = list_then_watch, .data = watch};
    env_timer_start(owner->env, &watch->relist, /* delay_ns= */ 0);
    owner->watches++;
    return watch;
}

static struct client_watch *local_watch_metadata(struct client *client, const struct api_kind *kind,
                                                 const struct client_watch_ops *ops, void *data)
{
    struct client_watch *watch = local_watch(client, kind, ops, data);
    watch->metadata_only = true; /* Nothing was told yet. */
    return watch;
}

static void local_watch_stop(struct client *client, struct client_watch *watch)
{
    struct local_client *owner = local(client);
    env_timer_stop(owner->env, &watch->relist);
    cache_view_free(watch->list);
    cache_watch_stop(watch->watch);
    free(watch);
    owner->watches--;
}

static uint64_t local_watch_revision(struct client *client, const struct client_watch *watch)
{
    (void)client;
    return watch->watch == NULL ? 0 : cache_watch_revision(watch->watch);
}

/* --- Custom kinds --- */

static struct client_kinds_watch *local_watch_kinds(struct client *client,
                                                    const struct client_kinds_ops *ops, void *data)
{
    struct custom_kinds *custom = registry_custom_kinds(local(client)->registry);
    return custom == NULL ? NULL : local_kinds_watch_new(custom, ops, data);
}

static void local_watch_kinds_stop(struct client *client, struct client_kinds_watch *watch)
{
    (void)client;
    local_kinds_watch_free(watch);
}

static const struct api_kind *local_find_kind(struct client *client, const char *api_version,
                                              const char *kind)
{
    struct custom_kinds *custom = registry_custom_kinds(local(client)->registry);
    const char *slash = strchr(api_version, '/');
    if (custom == NULL || slash == NULL) {
        return NULL;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const char *group = arena_text_n(arena, api_version, (size_t)(slash - api_version));
    const struct api_kind *found = custom_kinds_by_gvk(custom, group, slash + 1, kind);
    return found == NULL ? NULL : &custom_of(found)->resource->storage->kind;
}

static const struct client_ops local_ops = {.call = local_call,
                                            .watch = local_watch,
                                            .watch_metadata = local_watch_metadata,
                                            .watch_stop = local_watch_stop,
                                            .watch_revision = local_watch_revision,
                                            .watch_kinds = local_watch_kinds,
                                            .watch_kinds_stop = local_watch_kinds_stop,
                                            .find_kind = local_find_kind};

struct local_client *local_client_new(struct env *env, struct registry *registry,
                                      const struct user *user)
{
    struct local_client *client = alloc_zeroed(sizeof(*client));
    client->client.ops = &local_ops;
    client->env = env;
    client->registry = registry;
    client->user = user == NULL ? &user_system_apiserver : user;
    client->hub = watch_hub_new(registry_cache(registry), NULL);
    return client;
}

void local_client_free(struct local_client *client)
{
    if (client == NULL) {
        return;
    }
    assert(client->watches == 0);
    client->closing = true;
    watch_hub_free(client->hub);
    local_client_drop(client);
}

struct client *local_client_client(struct local_client *client)
{
    return &client->client;
}
