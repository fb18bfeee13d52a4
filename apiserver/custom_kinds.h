/* The custom kinds of this server: what the established CustomResourceDefinitions in the watch
 * cache add to the kinds table. Follows the cache on the store loop; asked from any thread. */
#ifndef APISERVER_CUSTOM_KINDS_H
#define APISERVER_CUSTOM_KINDS_H
#include "lib/api/custom.h"
#include "lib/base/list.h"

struct custom_kinds;

struct watch_cache;

/* Knows all definitions of the cache when it returns. Store loop. */
MUST_USE struct custom_kinds *custom_kinds_new(struct watch_cache *cache);
/* Store loop; before the cache goes. NULL is a no-op. */
void custom_kinds_free(struct custom_kinds *kinds);

/* The kind, by names of the URL, with a reference of the caller's: custom_kind_unref(). NULL when
 * no definition serves it. */
MUST_USE const struct api_kind *custom_kinds_find(struct custom_kinds *kinds, const char *group,
                                                  const char *version, const char *plural);
/* By names of the body. */
MUST_USE const struct api_kind *custom_kinds_by_gvk(struct custom_kinds *kinds, const char *group,
                                                    const char *version, const char *kind);

/* What the objects of the definition with this name are stored as; as above. */
MUST_USE const struct api_kind *custom_kinds_storage(struct custom_kinds *kinds, const char *name);

/* What the objects of the kind's resource are stored as now, whatever state of its definition the
 * kind is of; as above. NULL when the resource is gone. */
MUST_USE const struct api_kind *custom_kinds_present(struct custom_kinds *kinds,
                                                     const struct api_kind *kind);

/* All of them at one moment, by group and then plural: immutable and counted. */
struct custom_set {
    atomic_size_t references;
    uint64_t number; /* Another for every set. */
    struct custom_resource **resources;
    size_t count;
};
MUST_USE struct custom_set *custom_kinds_set(struct custom_kinds *kinds);
void custom_set_unref(struct custom_set *set); /* NULL is a no-op. */

/* All definitions up to this revision are in the set. Store loop. */
uint64_t custom_kinds_revision(const struct custom_kinds *kinds);

/* Hears, on the store loop, that there is another set. In the caller's memory. */
struct custom_listener {
    void (*changed)(void *data);
    void *data;
    struct list link;
};
void custom_kinds_listen(struct custom_kinds *kinds, struct custom_listener *listener);
void custom_kinds_unlisten(struct custom_listener *listener);
#endif
