/* An API object as caches hand it out: immutable, reference-counted, of one thread (the loop of its
 * client). Changing one means copying its message into an arena. No I/O. */
#ifndef LIB_CLIENT_OBJECT_H
#define LIB_CLIENT_OBJECT_H
#include "lib/api/object.h"

struct client_object {
    const struct api_kind *kind;      /* Lives as long as the object. */
    const void *message;              /* The kind's C struct; lives as long as the object. */
    const Meta__V1__ObjectMeta *meta; /* Inside `message`; never NULL. */
    uint64_t version;                 /* metadata.resourceVersion as a number. */
    uint32_t refs;
    void (*release)(struct client_object *object); /* Frees it; set by who made it. */
};

/* A copy of `message` (with metadata) in memory of its own. One reference is the caller's. */
MUST_USE const struct client_object *client_object_new(const struct api_kind *kind,
                                                       const void *message);
const struct client_object *client_object_ref(const struct client_object *object);
void client_object_unref(const struct client_object *object); /* NULL is a no-op. */

/* Never NULL. */
const char *client_object_namespace(const struct client_object *object);
const char *client_object_name(const struct client_object *object);
const char *client_object_uid(const struct client_object *object);
/* "namespace/name", or "name" for cluster-scoped objects. */
char *client_object_key(struct arena *arena, const struct client_object *object);
#endif
