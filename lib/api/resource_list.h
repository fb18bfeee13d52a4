/* Amounts of resources by name, as in requests, limits, quotas and limit ranges: reading, adding
 * and comparing them without caring which message they came from. Pure; in the caller's arena. */
#ifndef LIB_API_RESOURCE_LIST_H
#define LIB_API_RESOURCE_LIST_H
#include "k8s/core_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/api/quantity.h"

struct resource_amount {
    const char *name;
    struct quantity value;
};

struct resource_list {
    struct arena *arena;
    struct resource_amount *items; /* In the order in which they came in; each name once. */
    size_t count;
    size_t room;
};

/* Of a member that is a map from text to quantities: RESOURCE_LIST(arena, resources, limits). Names
 * are borrowed. `OWNER` must not be NULL. */
struct resource_list resource_list_read(struct arena *arena, void *const *entries, size_t count);
#define RESOURCE_LIST(ARENA, OWNER, FIELD)                                                         \
    resource_list_read(ARENA, (void *const *)(OWNER)->FIELD, (OWNER)->n_##FIELD)

struct resource_list resource_list_empty(struct arena *arena);
const struct quantity *resource_list_get(const struct resource_list *list, const char *name);
void resource_list_set(struct resource_list *list, const char *name, struct quantity value);
void resource_list_add(struct resource_list *list, const struct resource_list *other);
/* The larger amount of each. */
void resource_list_raise(struct resource_list *list, const struct resource_list *other);

/* The array of entries for the map `member` of `message`. */
void *resource_list_entries(const struct resource_list *list, const struct api_message *message,
                            const char *member);

/* What a pod needs at most at any time (KEP-753): its containers and sidecars together, or the
 * init container that needs most beside the sidecars before it. Without overhead. */
struct resource_list resource_list_pod_requests(struct arena *arena, const Core__V1__PodSpec *spec);
struct resource_list resource_list_pod_limits(struct arena *arena, const Core__V1__PodSpec *spec);
#endif
