/* Asks the webhook of a definition for what cached objects are as another version, and leaves it
 * with the objects for all who ask later. Whoever wants a single object that is being asked for
 * already, such as another watcher of the same event, waits for that answer. */
#ifndef APISERVER_VERSION_FILL_H
#define APISERVER_VERSION_FILL_H
#include "lib/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>

struct api_kind;
struct api_status;
struct cached_object;
struct loop;
struct version_fill;
struct version_fills;
struct webhook_client;

/* Of a whole server; any thread asks. Both arguments must stay. */
MUST_USE struct version_fills *version_fills_new(struct webhook_client *client,
                                                 struct loop *store_loop);
void version_fills_free(struct version_fills *fills); /* Nobody waits any more. NULL: a no-op. */

struct version_request {
    struct version_fills *fills;
    const struct api_kind *kind;
    const struct cached_object *const *objects; /* NULLs are passed over. */
    size_t count;
    struct loop *home; /* `done` runs there; NULL: on the store loop. */
    /* Once, never from inside version_fill_start(): cached_object_version() has all of them, or
     * there is a refusal, which is lent. */
    void (*done)(void *data, const struct api_status *refusal);
    void *data;
};

/* NULL when nothing is missing, or what is does not decode: `done` does not run. Else it frees
 * itself after `done`. Thread of `home`. */
struct version_fill *version_fill_start(const struct version_request *request);
void version_fill_cancel(struct version_fill *fill); /* `done` will not run. NULL is a no-op. */
#endif
