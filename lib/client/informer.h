/* Informer: the cache of one kind, kept equal to the API by list and watch, with indexes, and
 * handlers that hear of every change. Shared by all loops of a process through struct informers.
 * Objects are immutable; those that a lookup returns are borrowed until control goes back to the
 * loop (take a reference to keep one longer). One thread, no I/O but through the client. */
#ifndef LIB_CLIENT_INFORMER_H
#define LIB_CLIENT_INFORMER_H
#include "lib/api/selector.h"
#include "lib/base/list.h"
#include "lib/client/client.h"

struct informer;
struct informers;

/* In the caller's memory while registered. */
struct informer_handler {
    /* old == NULL: appeared; new == NULL: gone; a relist may repeat an object unchanged never. */
    void (*changed)(void *data, const struct client_object *old_object,
                    const struct client_object *new_object);
    void (*synced)(void *data); /* The first full state was delivered; may be NULL. */
    void *data;
    struct list link; /* The informer's. */
};

enum informer_index {
    INFORMER_BY_NAMESPACE, /* key: namespace */
    INFORMER_BY_OWNER,     /* key: uid of the controller (ownerReference with controller=true) */
    INFORMER_ORPHANS,      /* key: namespace; objects without a controller */
    INFORMER_BY_NODE,      /* key: node name (pods: spec.nodeName); "" for pods without */
};
enum { INFORMER_INDEXES = 4 };

struct informer_list {
    const struct client_object *const *items;
    size_t count;
};

/* The informers of a process part, made at first use. */
MUST_USE struct informers *informers_new(struct client *client);
/* Their objects may have metadata alone: client_watch_metadata(). */
MUST_USE struct informers *informers_new_metadata(struct client *client);
void informers_free(struct informers *informers); /* Stops all; handlers must be gone. */
struct informer *informers_get(struct informers *informers, const struct api_kind *kind);
bool informers_synced(const struct informers *informers); /* All that were asked for. */
/* Stops the one of this kind; its handlers must be gone. */
void informers_drop(struct informers *informers, const struct api_kind *kind);

/* Delivers what is cached as appearing, then everything that follows. */
void informer_add_handler(struct informer *informer, struct informer_handler *handler);
void informer_remove_handler(struct informer_handler *handler);
bool informer_synced(const struct informer *informer);
/* The cache has every change up to this resourceVersion. */
uint64_t informer_revision(const struct informer *informer);
size_t informer_count(const struct informer *informer);
/* `namespace_` is "" for cluster-scoped kinds. NULL when absent. */
const struct client_object *informer_get(const struct informer *informer, const char *namespace_,
                                         const char *name);
/* All under one key of an index, oldest in the cache first. The array lives in the arena. */
struct informer_list informer_select(const struct informer *informer, struct arena *arena,
                                     enum informer_index index, const char *key);
/* How many those are. */
size_t informer_count_under(const struct informer *informer, enum informer_index index,
                            const char *key);
/* Pods of a namespace that may have all of these labels: those that have the rarest one; what is
 * asked of them is looked at by the caller. Without labels, all of the namespace. */
struct informer_list informer_select_labelled(const struct informer *informer, struct arena *arena,
                                              const char *namespace_, struct api_string_map labels);
struct informer_list informer_all(const struct informer *informer, struct arena *arena);
#endif
