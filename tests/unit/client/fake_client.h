/* An API in memory, for unit tests of control loops: resourceVersions and conflicts, generation,
 * status subresources, bindings, graceful deletion, finalizers, watches. No admission, defaults or
 * validation. Every write is noted in a trace. */
#ifndef TESTS_UNIT_CLIENT_FAKE_CLIENT_H
#define TESTS_UNIT_CLIENT_FAKE_CLIENT_H
#include "lib/base/buffer.h"
#include "lib/client/client.h"
#include "tests/unit/client/fake_env.h"

struct fake_client;

struct fake_client *fake_client_new(struct fake_env *env);
void fake_client_free(struct fake_client *fake);
struct client *fake_client_client(struct fake_client *fake);
/* Sees every call first; NULL: nobody does. */
void fake_client_set_check(struct fake_client *fake,
                           void (*check)(const struct client_request *request));

/* After `count` more writes every write is answered 503 and does nothing, as if the process had
 * died; SIZE_MAX for never (the default). */
void fake_client_fail_after(struct fake_client *fake, size_t count);
size_t fake_client_writes(const struct fake_client *fake); /* Done so far, Events not counted. */
/* One line a write: "create pods default/web-0". Events are left out. */
const char *fake_client_trace(struct fake_client *fake);
void fake_client_trace_clear(struct fake_client *fake);
bool fake_client_saw_event(struct fake_client *fake, const char *reason, const char *message);

/* The world's own doing, at once. `json` is an object of the kind (plural, "apps/v1" form). */
const struct client_object *fake_client_add(struct fake_client *fake, const char *api_version,
                                            const char *kind, const char *json);
/* A merge patch past all rules, status included. */
void fake_client_patch(struct fake_client *fake, const struct client_object *object,
                       const char *json);
void fake_client_remove(struct fake_client *fake, const struct client_object *object);
/* Borrowed until the next change, or NULL. */
const struct client_object *fake_client_get(struct fake_client *fake, const struct api_kind *kind,
                                            const char *namespace_, const char *name);
struct fake_list {
    const struct client_object *items[4096];
    size_t count;
};
void fake_client_list(struct fake_client *fake, const struct api_kind *kind, struct fake_list *ret);
#endif
