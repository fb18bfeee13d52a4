/* The client of this process's own API server: calls go to the registry by function call, watches
 * to the watch cache; objects are shared with it, not copied. Store loop only. */
#ifndef LIB_CLIENT_LOCAL_CLIENT_H
#define LIB_CLIENT_LOCAL_CLIENT_H
#include "lib/base/env.h"
#include "lib/client/client.h"

struct local_client;
struct registry;
struct user;

/* `user` is who it acts as (borrowed); NULL for the server itself. */
MUST_USE struct local_client *local_client_new(struct env *env, struct registry *registry,
                                               const struct user *user);
/* All watches stopped; calls under way finish without it and their `done` still runs. */
void local_client_free(struct local_client *client);
struct client *local_client_client(struct local_client *client); /* Lives as long as `client`. */
#endif
