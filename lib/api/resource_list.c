#include "lib/api/resource_list.h"

#include <assert.h>

enum { FIRST_ROOM = 8 };

/* The entries of every map from text to quantities have this layout. */
struct entry {
    ProtobufCMessage base;
    char *key;
    Quantity__Quantity *value;
};

struct resource_list resource_list_empty(struct arena *arena)
{
    return (struct resource_list){.arena = arena};
}

struct resource_list resource_list_read(struct arena *arena, void *const *entries, size_t count)
{
    struct resource_list list = resource_list_empty(arena);
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = entries[i];
        resource_list_set(&list, entry->key == NULL ? "" : entry->key, quantity_read(entry->value));
    }
    return list;
}

static struct resource_amount *find(const struct resource_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, name) == 0) {
            return &list->items[i];
        }
    }
    return NULL;
}

const struct quantity *resource_list_get(const struct resource_list *list, const char *name)
{
    const struct resource_amount *amount = find(list, name);
    return amount == NULL ? NULL : &amount->value;
}

void resource_list_set(struct resource_list *list, const char *name, struct quantity value)
{
    struct resource_amount *amount = find(list, name);
    if (amount != NULL) {
        amount->value = value;
        return;
    }
    if (list->count == list->room) {
        size_t room = list->room == 0 ? FIRST_ROOM : list->room * 2;
        struct resource_amount *items = arena_array(list->arena, room, sizeof(*items));
        if (list->count > 0) {
            memcpy(items, list->items, list->count * sizeof(*items));
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = (struct resource_amount){.name = name, .value = value};
}

void resource_list_add(struct resource_list *list, const struct resource_list *other)
{
    for (size_t i = 0; i < other->count; i++) {
        const struct resource_amount *each = &other->items[i];
        const struct quantity *before = resource_list_get(list, each->name);
        resource_list_set(list, each->name,
                          before == NULL ? each->value : quantity_add(*before, each->value));
    }
}

void resource_list_raise(struct resource_list *list, const struct resource_list *other)
{
    for (size_t i = 0; i < other->count; i++) {
        const struct resource_amount *each = &other->items[i];
        const struct quantity *before = resource_list_get(list, each->name);
        if (before == NULL || quantity_compare(*before, each->value) < 0) {
            resource_list_set(list, each->name, each->value);
        }
    }
}

void *resource_list_entries(const struct resource_list *list, const struct api_message *message,
                            const char *member)
{
    const struct api_member *map = api_message_member_text(message, member);
    assert(map != NULL && map->field->entry != NULL);
    void **entries = arena_array(list->arena, list->count, sizeof(*entries));
    for (size_t i = 0; i < list->count; i++) {
        struct entry *entry = api_message_new(list->arena, map->field->entry);
        entry->key = arena_text(list->arena, list->items[i].name);
        entry->value = quantity_new(list->arena, list->items[i].value);
        entries[i] = entry;
    }
    return entries;
}

/* --- Pods --- */

typedef struct resource_list amounts_of(struct arena *arena, const Core__V1__Container *container);

static struct resource_list requests_of(struct arena *arena, const Core__V1__Container *container)
{
    return container->resources == NULL ? resource_list_empty(arena)
                                        : RESOURCE_LIST(arena, container->resources, requests);
}

static struct resource_list limits_of(struct arena *arena, const Core__V1__Container *container)
{
    return container->resources == NULL ? resource_list_empty(arena)
                                        : RESOURCE_LIST(arena, container->resources, limits);
}

static bool is_sidecar(const Core__V1__Container *container)
{
    return container->restart_policy != NULL && strcmp(container->restart_policy, "Always") == 0;
}

static struct resource_list pod_amounts(struct arena *arena, const Core__V1__PodSpec *spec,
                                        amounts_of *of)
{
    struct resource_list total = resource_list_empty(arena);
    struct resource_list sidecars = resource_list_empty(arena);
    struct resource_list starting = resource_list_empty(arena);
    for (size_t i = 0; i < spec->n_containers; i++) {
        struct resource_list each = of(arena, spec->containers[i]);
        resource_list_add(&total, &each);
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        struct resource_list each = of(arena, spec->init_containers[i]);
        if (is_sidecar(spec->init_containers[i])) {
            resource_list_add(&total, &each);
            resource_list_add(&sidecars, &each);
            resource_list_raise(&starting, &sidecars);
        } else {
            resource_list_add(&each, &sidecars);
            resource_list_raise(&starting, &each);
        }
    }
    resource_list_raise(&total, &starting);
    return total;
}

struct resource_list resource_list_pod_requests(struct arena *arena, const Core__V1__PodSpec *spec)
{
    return pod_amounts(arena, spec, requests_of);
}

struct resource_list resource_list_pod_limits(struct arena *arena, const Core__V1__PodSpec *spec)
{
    return pod_amounts(arena, spec, limits_of);
}
