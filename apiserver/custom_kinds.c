#include "apiserver/custom_kinds.h"

#include "apiserver/cache_follower.h"
#include "apiserver/definition_status.h"
#include "apiserver/limits.h"
#include "lib/api/cel_functions.h"
#include "lib/api/codec.h"
#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/base/env.h"
#include "lib/base/log.h"
#include "lib/net/x509.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef Apiextensions__V1__CustomResourceDefinition definition_t;

struct custom_kinds {
    struct watch_cache *cache;
    struct watch_hub *hub;
    struct cache_follower follower;
    struct cel_functions *functions; /* What the rules of all definitions share. */
    size_t first_index;              /* Of api_kind.index. */
    bool used[CUSTOM_RESOURCES_MAX];
    uint64_t next_lineage;
    bool changed; /* Since the set was made. */
    struct list listeners;
    pthread_mutex_t lock; /* Over `set`. */
    struct custom_set *set;
    /* What the store loop works on; `set` is a copy of it. */
    struct custom_resource *resources[CUSTOM_RESOURCES_MAX];
    size_t count;
};

/* --- Sets --- */

static void resource_ref(struct custom_resource *resource)
{
    atomic_fetch_add_explicit(&resource->references, 1, memory_order_relaxed);
}

void custom_set_unref(struct custom_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        custom_resource_unref(set->resources[i]);
    }
    free(set->resources);
    free(set);
}

struct custom_set *custom_kinds_set(struct custom_kinds *kinds)
{
    pthread_mutex_lock(&kinds->lock);
    struct custom_set *set = kinds->set;
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&kinds->lock);
    return set;
}

static int by_place(const void *a, const void *b)
{
    const struct custom_resource *const *left = a, *const *right = b;
    int order = strcmp((*left)->storage->kind.group, (*right)->storage->kind.group);
    return order != 0 ? order
                      : strcmp((*left)->storage->kind.plural, (*right)->storage->kind.plural);
}

static void publish(struct custom_kinds *kinds)
{
    struct custom_set *set = alloc_zeroed(sizeof(*set));
    atomic_init(&set->references, 1);
    set->count = kinds->count;
    set->resources = alloc_array(kinds->count + 1, sizeof(*set->resources));
    for (size_t i = 0; i < kinds->count; i++) {
        resource_ref(kinds->resources[i]);
        set->resources[i] = kinds->resources[i];
    }
    qsort(set->resources, set->count, sizeof(*set->resources), by_place);
    pthread_mutex_lock(&kinds->lock);
    struct custom_set *before = kinds->set;
    set->number = before == NULL ? 1 : before->number + 1;
    kinds->set = set;
    pthread_mutex_unlock(&kinds->lock);
    custom_set_unref(before);
    LIST_FOREACH(link, next, &kinds->listeners)
    {
        struct custom_listener *listener = LIST_ENTRY(link, struct custom_listener, link);
        listener->changed(listener->data);
    }
}

void custom_kinds_listen(struct custom_kinds *kinds, struct custom_listener *listener)
{
    list_init(&listener->link);
    list_push_back(&kinds->listeners, &listener->link);
}

void custom_kinds_unlisten(struct custom_listener *listener)
{
    list_remove(&listener->link);
}

/* --- Lookup --- */

static const struct api_kind *find(struct custom_kinds *kinds, const char *group,
                                   const char *version, const char *name, bool by_plural)
{
    const struct api_kind *found = NULL;
    pthread_mutex_lock(&kinds->lock);
    for (size_t i = 0; found == NULL && i < kinds->set->count; i++) {
        const struct custom_resource *resource = kinds->set->resources[i];
        const struct api_kind *kind = &resource->storage->kind;
        if (strcmp(by_plural ? kind->plural : kind->kind, name) == 0 &&
            strcmp(kind->group, group) == 0) {
            found = custom_resource_kind(resource, version);
        }
    }
    if (found != NULL) {
        (void)custom_kind_ref(found);
    }
    pthread_mutex_unlock(&kinds->lock);
    return found;
}

const struct api_kind *custom_kinds_find(struct custom_kinds *kinds, const char *group,
                                         const char *version, const char *plural)
{
    return find(kinds, group, version, plural, /* by_plural= */ true);
}

const struct api_kind *custom_kinds_by_gvk(struct custom_kinds *kinds, const char *group,
                                           const char *version, const char *kind)
{
    return find(kinds, group, version, kind, /* by_plural= */ false);
}

const struct api_kind *custom_kinds_storage(struct custom_kinds *kinds, const char *name)
{
    const struct api_kind *found = NULL;
    pthread_mutex_lock(&kinds->lock);
    for (size_t i = 0; found == NULL && i < kinds->set->count; i++) {
        const struct custom_resource *resource = kinds->set->resources[i];
        if (strcmp(resource->definition->metadata->name, name) == 0) {
            found = custom_kind_ref(&resource->storage->kind);
        }
    }
    pthread_mutex_unlock(&kinds->lock);
    return found;
}

const struct api_kind *custom_kinds_present(struct custom_kinds *kinds, const struct api_kind *kind)
{
    uint64_t lineage = custom_of(kind)->resource->lineage;
    const struct api_kind *found = NULL;
    pthread_mutex_lock(&kinds->lock);
    for (size_t i = 0; found == NULL && i < kinds->set->count; i++) {
        const struct custom_resource *resource = kinds->set->resources[i];
        if (resource->lineage == lineage) {
            found = custom_kind_ref(&resource->storage->kind);
        }
    }
    pthread_mutex_unlock(&kinds->lock);
    return found;
}

/* --- Following the definitions --- */

static bool is_served(const definition_t *definition)
{
    return definition != NULL && definition->spec->n_versions > 0 &&
           definition_is(definition, "Established") &&
           text_or_empty(definition->status->accepted_names->plural)[0] != '\0';
}

/* Whether the kinds that both make are the same. */
static bool same_kinds(const definition_t *a, const definition_t *b)
{
    static const char names[] =
        "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionNames";
    const struct api_message *table = api_message_find(names);
    assert(table != NULL);
    return a->metadata->generation == b->metadata->generation &&
           api_message_equal(table, a->status->accepted_names, b->status->accepted_names) &&
           (a->metadata->deletion_timestamp == NULL) == (b->metadata->deletion_timestamp == NULL);
}

static size_t position_of(const struct custom_kinds *kinds, const char *name)
{
    size_t i = 0;
    while (i < kinds->count && strcmp(kinds->resources[i]->definition->metadata->name, name) != 0) {
        i++;
    }
    return i;
}

static void remove_at(struct custom_kinds *kinds, size_t position)
{
    struct custom_resource *resource = kinds->resources[position];
    watch_cache_remove_custom(kinds->cache, &resource->storage->kind);
    kinds->used[resource->storage->kind.index - kinds->first_index] = false;
    kinds->resources[position] = kinds->resources[--kinds->count];
    custom_resource_unref(resource);
    kinds->changed = true;
}

static void release_object(void *owner)
{
    cached_object_unref(owner);
}

/* As v1.32 makes it: the first eight bytes of the digest of "group/version/kind". */
static void storage_hash(const definition_t *definition, char ret_text[16])
{
    const char *version = "";
    for (size_t i = 0; i < definition->spec->n_versions; i++) {
        if (definition->spec->versions[i]->storage) {
            version = text_or_empty(definition->spec->versions[i]->name);
        }
    }
    CLEANUP(buffer_release) struct buffer text;
    uint8_t digest[X509_SHA256_SIZE];
    buffer_init(&text, SIZE_MAX / 2);
    buffer_printf(&text, "%s/%s/%s", definition->spec->group, version,
                  text_or_empty(definition->status->accepted_names->kind));
    x509_sha256(buffer_slice(&text), digest);
    buffer_clear(&text);
    base64_encode(slice_of(digest, 8), &text);
    (void)snprintf(ret_text, 16, "%s", buffer_text(&text));
}

static struct custom_resource *make(struct custom_kinds *kinds, const struct cached_object *object,
                                    size_t index, uint64_t lineage)
{
    const definition_t *definition = cached_object_message(object); /* It decoded before. */
    char hash[16];
    storage_hash(definition, hash);
    struct custom_options options = {.index = (uint16_t)index,
                                     .lineage = lineage,
                                     .storage_hash = hash,
                                     .functions = kinds->functions,
                                     .release = release_object,
                                     .owner = cached_object_ref(object)};
    return custom_resource_new(definition, &options);
}

static size_t free_place(const struct custom_kinds *kinds)
{
    size_t place = 0;
    while (place < CUSTOM_RESOURCES_MAX && kinds->used[place]) {
        place++;
    }
    return place;
}

/* A place of the store that a built-in kind has is not given away. */
static bool is_taken(const definition_t *definition)
{
    size_t count = 0;
    const struct api_kind *table = api_kinds(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].group, definition->spec->group) == 0 &&
            strcmp(table[i].plural, definition->status->accepted_names->plural) == 0) {
            return true;
        }
    }
    return false;
}

static void add(struct custom_kinds *kinds, const struct cached_object *object,
                const definition_t *definition)
{
    size_t place = free_place(kinds);
    if (place == CUSTOM_RESOURCES_MAX || is_taken(definition)) {
        LOG_WARN("apiserver", "a custom resource definition is not served",
                 KV_TEXT("name", definition->metadata->name),
                 KV_TEXT("why", place == CUSTOM_RESOURCES_MAX ? "there are too many"
                                                              : "its resource is built in"));
        return;
    }
    struct custom_resource *resource =
        make(kinds, object, kinds->first_index + place, ++kinds->next_lineage);
    kinds->used[place] = true;
    kinds->resources[kinds->count++] = resource;
    watch_cache_set_custom(kinds->cache, &resource->storage->kind);
    kinds->changed = true;
}

static void replace(struct custom_kinds *kinds, size_t position, const struct cached_object *object)
{
    struct custom_resource *before = kinds->resources[position];
    struct custom_resource *resource =
        make(kinds, object, before->storage->kind.index, before->lineage);
    kinds->resources[position] = resource;
    watch_cache_set_custom(kinds->cache, &resource->storage->kind);
    custom_resource_unref(before);
    kinds->changed = true;
}

static void on_changed(void *data, const struct cached_object *object, bool gone)
{
    struct custom_kinds *kinds = data;
    /* Most states of a definition are never served: they are not kept decoded. */
    CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
    const definition_t *definition = gone ? NULL : cached_object_decode(object, scratch);
    size_t position = position_of(kinds, cached_object_name(object));
    bool known = position < kinds->count;
    const definition_t *before = known ? kinds->resources[position]->definition : NULL;
    if (known &&
        (!is_served(definition) || strcmp(before->metadata->uid, definition->metadata->uid) != 0)) {
        remove_at(kinds, position);
        known = false;
    }
    if (!known && is_served(definition)) {
        add(kinds, object, definition);
    } else if (known && !same_kinds(before, definition)) {
        replace(kinds, position, object);
    }
}

static void on_begin(void *data)
{
    struct custom_kinds *kinds = data;
    kinds->changed = false;
}

static void on_end(void *data)
{
    struct custom_kinds *kinds = data;
    if (kinds->changed || kinds->set == NULL) {
        publish(kinds);
    }
}

static void on_clear(void *data, const struct api_kind *kind)
{
    struct custom_kinds *kinds = data;
    (void)kind;
    while (kinds->count > 0) {
        remove_at(kinds, kinds->count - 1);
    }
}

static const struct cache_follower_ops follower_ops = {
    .begin = on_begin, .clear = on_clear, .changed = on_changed, .end = on_end};

uint64_t custom_kinds_revision(const struct custom_kinds *kinds)
{
    return cache_watch_revision(kinds->follower.watch);
}

struct custom_kinds *custom_kinds_new(struct watch_cache *cache)
{
    struct custom_kinds *kinds = alloc_zeroed(sizeof(*kinds));
    (void)api_kinds(&kinds->first_index);
    kinds->cache = cache;
    kinds->functions = api_cel_functions_new();
    kinds->hub = watch_hub_new(cache, NULL);
    list_init(&kinds->listeners);
    pthread_mutex_init(&kinds->lock, NULL);
    cache_follower_open(&kinds->follower, cache, kinds->hub,
                        api_kind_find("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
                        &follower_ops, kinds);
    return kinds;
}

void custom_kinds_free(struct custom_kinds *kinds)
{
    if (kinds == NULL) {
        return;
    }
    assert(list_empty(&kinds->listeners));
    cache_follower_stop(&kinds->follower);
    watch_hub_free(kinds->hub);
    on_clear(kinds, NULL);
    custom_set_unref(kinds->set);
    cel_functions_unref(kinds->functions);
    pthread_mutex_destroy(&kinds->lock);
    free(kinds);
}
