/* The part of the local client that tells of custom kinds. Store loop only. */
#ifndef LIB_CLIENT_LOCAL_KINDS_H
#define LIB_CLIENT_LOCAL_KINDS_H
#include "lib/client/client.h"

struct custom_kinds;

/* Tells of those that there are before it returns. */
MUST_USE struct client_kinds_watch *
local_kinds_watch_new(struct custom_kinds *custom, const struct client_kinds_ops *ops, void *data);
void local_kinds_watch_free(struct client_kinds_watch *watch);
#endif
