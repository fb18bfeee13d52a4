#include "apiserver/definitions.h"

#include "apiserver/cache_follower.h"
#include "apiserver/custom_kinds.h"
#include "apiserver/definition_status.h"
#include "apiserver/request.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <assert.h>
#include <stdlib.h>

typedef Apiextensions__V1__CustomResourceDefinition definition_t;

/* Level-triggered: a name in `due` is looked at, and what it needs is done, one call at a time. */
struct definitions {
    struct apiserver *server;
    const struct api_kind *kind;
    struct watch_hub *hub;
    struct cache_follower follower;
    struct hash_map *due;  /* Names; every value is `due` itself. */
    struct env_timer wake; /* Looks at what is due. */
    struct arena *arena;   /* Of the call under way. */
    struct registry_call call;
    const struct api_kind *emptied; /* The kind whose objects the call deletes; referenced. */
    char *name;                     /* Of the definition that the call is about. */
    bool busy;
    bool leads;
};

enum { RETRY_MS = 100 };

static void look(void *data);

static void wake_after(struct definitions *definitions, uint64_t ms)
{
    env_timer_start(definitions->server->config.env, &definitions->wake, ms * NS_PER_MS);
}

static void add_due(struct definitions *definitions, const char *name)
{
    (void)hash_map_set(definitions->due, slice_text(name), definitions->due);
}

/* --- Calls -------------------------------------------------------------------------------------
 */

static void call_done(struct registry_call *call)
{
    struct definitions *definitions = call->data;
    /* Objects with finalizers of their own take their time; a conflict shows as a change. */
    bool again = call->status != NULL || definitions->emptied != NULL;
    registry_finish(call);
    custom_kind_unref(definitions->emptied);
    definitions->emptied = NULL;
    definitions->busy = false;
    if (again) {
        add_due(definitions, definitions->name);
    }
    wake_after(definitions, again ? RETRY_MS : 0);
}

static void begin_call(struct definitions *definitions, struct registry_call call)
{
    call.user = &user_system_apiserver;
    call.arena = definitions->arena;
    call.options.field_manager = "kube-apiserver";
    call.done = call_done;
    call.data = definitions;
    definitions->call = call;
    definitions->busy = true;
    registry_start(definitions->server->registry, &definitions->call);
}

static void update(struct definitions *definitions, definition_t *definition,
                   const char *subresource)
{
    begin_call(definitions, (struct registry_call){.verb = REGISTRY_UPDATE,
                                                   .kind = definitions->kind,
                                                   .subresource = subresource,
                                                   .name = definition->metadata->name,
                                                   .body = definition});
}

/* --- What a definition needs -------------------------------------------------------------------
 */

static void drop_finalizer(definition_t *definition)
{
    Meta__V1__ObjectMeta *meta = definition->metadata;
    size_t kept = 0;
    for (size_t i = 0; i < meta->n_finalizers; i++) {
        if (strcmp(meta->finalizers[i], DEFINITION_FINALIZER) != 0) {
            meta->finalizers[kept++] = meta->finalizers[i];
        }
    }
    meta->n_finalizers = kept;
}

/* Its objects are deleted, then it lets go. */
static void finalize(struct definitions *definitions, definition_t *definition)
{
    if (!api_meta_has_finalizer(definition->metadata, DEFINITION_FINALIZER)) {
        return;
    }
    const struct api_kind *kind =
        custom_kinds_storage(definitions->server->custom, definition->metadata->name);
    struct cache_view *view =
        kind == NULL ? NULL : watch_cache_view(definitions->server->cache, kind);
    size_t left = view == NULL ? 0 : cache_view_count(view);
    cache_view_free(view);
    if (left == 0) {
        custom_kind_unref(kind);
        drop_finalizer(definition);
        update(definitions, definition, NULL);
        return;
    }
    definitions->emptied = kind;
    begin_call(definitions, (struct registry_call){
                                .verb = REGISTRY_DELETE_COLLECTION, .kind = kind, .namespace = ""});
}

struct listing {
    const definition_t **items;
    size_t count, room;
    struct arena *arena;
};

static bool list_one(void *data, const struct cached_object *object)
{
    struct listing *listing = data;
    const definition_t *definition = cached_object_decode(object, listing->arena);
    if (definition != NULL && listing->count < listing->room) {
        listing->items[listing->count++] = definition;
    }
    return true;
}

static void settle(struct definitions *definitions, definition_t *definition)
{
    struct arena *arena = definitions->arena;
    struct cache_view *view = watch_cache_view(definitions->server->cache, definitions->kind);
    struct listing listing = {.room = cache_view_count(view), .arena = arena};
    listing.items = arena_array(arena, listing.room + 1, sizeof(*listing.items));
    cache_view_each(view, "", slice_text(""), list_one, &listing);
    int64_t now_s = env_wall_ns(definitions->server->config.env) / INT64_C(1000000000);
    if (definition_status_plan(arena, definition, listing.items, listing.count, now_s)) {
        update(definitions, definition, "status");
    }
    cache_view_free(view);
}

static void look_at(struct definitions *definitions)
{
    const struct cached_object *object =
        watch_cache_get(definitions->server->cache, definitions->kind, "", definitions->name);
    const definition_t *stored =
        object == NULL ? NULL : cached_object_decode(object, definitions->arena);
    if (stored != NULL) {
        definition_t *definition =
            api_message_copy(definitions->arena, definitions->kind->message, stored);
        if (definition->metadata->deletion_timestamp != NULL) {
            finalize(definitions, definition);
        } else {
            settle(definitions, definition);
        }
    }
    cached_object_unref(object);
}

static void look(void *data)
{
    struct definitions *definitions = data;
    struct slice name = {0};
    void *value = NULL;
    size_t at = 0;
    while (definitions->leads && !definitions->busy &&
           hash_map_next(definitions->due, &at, &name, &value)) {
        free(definitions->name);
        definitions->name = alloc_text_n((const char *)name.data, name.len);
        (void)hash_map_remove(definitions->due, slice_text(definitions->name));
        arena_reset(definitions->arena);
        look_at(definitions);
        at = 0;
    }
}

/* --- Following ---------------------------------------------------------------------------------
 */

static bool add_one(void *data, const struct cached_object *object)
{
    add_due(data, cached_object_name(object));
    return true;
}

static void add_all(struct definitions *definitions)
{
    struct cache_view *view = watch_cache_view(definitions->server->cache, definitions->kind);
    cache_view_each(view, "", slice_text(""), add_one, definitions);
    cache_view_free(view);
}

static void on_changed(void *data, const struct cached_object *object, bool gone)
{
    struct definitions *definitions = data;
    if (gone) {
        add_all(definitions); /* Its names are free now. */
    } else {
        add_due(definitions, cached_object_name(object));
    }
}

static void on_begin(void *data)
{
    (void)data;
}

static void on_end(void *data)
{
    struct definitions *definitions = data;
    if (definitions->leads && !definitions->busy) {
        wake_after(definitions, 0);
    }
}

static void on_clear(void *data, const struct api_kind *kind)
{
    (void)data;
    (void)kind;
}

static const struct cache_follower_ops follower_ops = {
    .begin = on_begin, .clear = on_clear, .changed = on_changed, .end = on_end};

struct definitions *definitions_new(struct apiserver *server)
{
    struct definitions *definitions = alloc_zeroed(sizeof(*definitions));
    definitions->server = server;
    definitions->kind = api_kind_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    definitions->due = hash_map_new(env_random(server->config.env));
    definitions->arena = arena_new(SIZE_MAX);
    definitions->wake = (struct env_timer){.fire = look, .data = definitions};
    definitions->hub = watch_hub_new(server->cache, NULL);
    cache_follower_open(&definitions->follower, server->cache, definitions->hub, definitions->kind,
                        &follower_ops, definitions);
    return definitions;
}

void definitions_free(struct definitions *definitions)
{
    if (definitions == NULL) {
        return;
    }
    assert(!definitions->busy);
    env_timer_stop(definitions->server->config.env, &definitions->wake);
    cache_follower_stop(&definitions->follower);
    watch_hub_free(definitions->hub);
    arena_free(definitions->arena);
    hash_map_free(definitions->due);
    free(definitions->name);
    free(definitions);
}

void definitions_set_leader(struct definitions *definitions, bool leader)
{
    definitions->leads = leader;
    if (leader) {
        add_all(definitions);
        wake_after(definitions, 0);
    }
}
