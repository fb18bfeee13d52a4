/* What the generic storage of objects must know of a kind: what create, update and delete do to
 * status, generation and other server-owned fields. Rows of a table, and functions that apply them.
 * Pure: time comes in as an argument. */
#ifndef LIB_API_STRATEGY_H
#define LIB_API_STRATEGY_H
#include "lib/base/arena.h"
#include <stdbool.h>
#include <stdint.h>

struct api_kind;

enum api_propagation { API_PROPAGATION_BACKGROUND, API_PROPAGATION_ORPHAN, API_PROPAGATION_NONE };

enum api_generation {
    API_GENERATION_NONE,             /* Not maintained. */
    API_GENERATION_SPEC,             /* 1; +1 when spec changes. */
    API_GENERATION_SPEC_ANNOTATIONS, /* 1; +1 when spec or annotations change. */
    API_GENERATION_ALL_BUT_META,     /* 1; +1 when anything but metadata, or labels, change. */
};

struct api_strategy {
    const char *group; /* "" for core. */
    const char *kind;
    bool has_status; /* Status is cleared on create and kept on update; see api_prepare_*. */
    bool keep_status_on_create; /* Nodes register with their status. */
    bool keep_labels_on_status; /* A status update leaves the labels alone. */
    bool create_on_update;      /* PUT of an absent object creates it. */
    bool unconditional_update;  /* PUT without resourceVersion is accepted. */
    bool graceful_delete;       /* Deletion waits for a grace period (pods). */
    enum api_generation generation;
    enum api_propagation propagation; /* The default of deletion. */
    void (*prepare_create)(struct arena *arena, void *message);
    void (*prepare_update)(struct arena *arena, const void *old_message, void *new_message);
    void (*prepare_status)(struct arena *arena, const void *old_message, void *new_message);
    /* NULL-terminated field paths that server-side apply ignores. */
    const char *const *reset_fields;
    const char *const *status_reset_fields;
};

/* Never NULL: kinds without a row get the row of a plain kind (no status, generation none). */
const struct api_strategy *api_strategy_of(const struct api_kind *kind);

/* Before a create is validated: status reset, generation 1, server-owned fields of the kind. Does
 * not touch name, uid, timestamps, resourceVersion: they are the storage's. */
void api_prepare_create(struct arena *arena, const struct api_kind *kind, void *message);
/* Before an update is validated: puts back into `new_message` what this request may not change
 * (status on the main resource; spec, labels where the kind says so, on "status"), and sets the
 * generation. Parts of `old_message` may be shared, not copied: both must live as long as the
 * request. */
void api_prepare_update(struct arena *arena, const struct api_kind *kind, const void *old_message,
                        void *new_message, const char *subresource);
/* Metadata rules of every update (v1.32 BeforeUpdate): uid, creationTimestamp, deletionTimestamp,
 * deletionGracePeriodSeconds, generation and selfLink keep the previous value where they must. */
void api_prepare_update_metadata(const struct api_kind *kind, const void *old_message,
                                 void *new_message);
/* The grace period of a deletion: 0 for kinds without one; for pods, the requested seconds
 * (negative = not given) or spec.terminationGracePeriodSeconds, 0 when not bound to a node or
 * finished. */
int64_t api_grace_period_s(const struct api_kind *kind, const void *message, int64_t requested_s);
/* Whether two decoded objects of `kind` are equal but for resourceVersion and managedFields (an
 * update that changes nothing keeps its version). */
bool api_object_unchanged(const struct api_kind *kind, const void *old_message,
                          const void *new_message);
#endif
