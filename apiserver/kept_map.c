#include "apiserver/kept_map.h"

#include "apiserver/request.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>

#define NAMESPACE "kube-system"

enum { TICK_MS = 1000 }; /* Until the namespace is there, or what was written is seen. */

struct kept_map {
    struct kept_map_config config;
    const struct api_kind *kind;
    struct env_timer timer;
    struct arena *arena; /* Of the look or the call under way. */
    struct registry_call call;
    bool busy, stopped;
};

static void wake_after(struct kept_map *map, uint64_t ms)
{
    env_timer_start(map->config.server->config.env, &map->timer, ms * NS_PER_MS);
}

static void call_done(struct registry_call *call)
{
    struct kept_map *map = call->data;
    registry_finish(call);
    map->busy = false;
    if (!map->stopped) {
        wake_after(map, TICK_MS); /* To see whether it is so. */
    }
}

static void write_map(struct kept_map *map, const Core__V1__ConfigMap *present)
{
    Core__V1__ConfigMap *wanted = present != NULL
                                      ? api_message_copy(map->arena, map->kind->message, present)
                                      : api_message_new(map->arena, map->kind->message);
    wanted->metadata->name = arena_text(map->arena, map->config.name);
    map->config.fill(map->config.data, map->arena, wanted);
    map->call = (struct registry_call){.verb = present != NULL ? REGISTRY_UPDATE : REGISTRY_CREATE,
                                       .kind = map->kind,
                                       .namespace = NAMESPACE,
                                       .name = present != NULL ? map->config.name : NULL,
                                       .user = &user_system_apiserver,
                                       .arena = map->arena,
                                       .body = wanted,
                                       .options = {.field_manager = "kube-apiserver"},
                                       .done = call_done,
                                       .data = map};
    map->busy = true;
    registry_start(map->config.server->registry, &map->call);
}

static bool namespace_exists(const struct kept_map *map)
{
    const struct cached_object *object = watch_cache_get(
        map->config.server->cache, api_kind_find("", "v1", "namespaces"), "", NAMESPACE);
    cached_object_unref(object);
    return object != NULL;
}

static void look(void *data)
{
    struct kept_map *map = data;
    arena_reset(map->arena);
    const struct cached_object *object =
        watch_cache_get(map->config.server->cache, map->kind, NAMESPACE, map->config.name);
    const Core__V1__ConfigMap *present = object == NULL ? NULL : cached_object_message(object);
    bool unreadable = object != NULL && present == NULL;
    bool good = unreadable || map->config.is_good(map->config.data, map->arena, present);
    if (!good && namespace_exists(map)) {
        write_map(map, present);
    } else {
        wake_after(map, good ? map->config.idle_ms : TICK_MS);
    }
    cached_object_unref(object);
}

struct kept_map *kept_map_new(const struct kept_map_config *config)
{
    struct kept_map *map = alloc_zeroed(sizeof(*map));
    map->config = *config;
    map->kind = api_kind_find("", "v1", "configmaps");
    map->arena = arena_new(SIZE_MAX);
    map->timer = (struct env_timer){.fire = look, .data = map};
    wake_after(map, 0);
    return map;
}

void kept_map_stop(struct kept_map *map)
{
    map->stopped = true;
    env_timer_stop(map->config.server->config.env, &map->timer);
}

void kept_map_free(struct kept_map *map)
{
    if (map == NULL) {
        return;
    }
    assert(!map->busy);
    env_timer_stop(map->config.server->config.env, &map->timer);
    arena_free(map->arena);
    free(map);
}
