#include "lib/client/client.h"

#include "lib/api/convert.h"
#include <string.h>

bool client_conflict(const struct client_reply *reply)
{
    return reply->code == 409 && strcmp(reply->reason, "AlreadyExists") != 0;
}

bool client_already_exists(const struct client_reply *reply)
{
    return reply->code == 409 && strcmp(reply->reason, "AlreadyExists") == 0;
}

struct client_watch *client_watch_metadata(struct client *client, const struct api_kind *kind,
                                           const struct client_watch_ops *ops, void *data)
{
    return client->ops->watch_metadata == NULL
               ? client->ops->watch(client, kind, ops, data)
               : client->ops->watch_metadata(client, kind, ops, data);
}

struct client_kinds_watch *client_watch_kinds(struct client *client,
                                              const struct client_kinds_ops *ops, void *data)
{
    return client->ops->watch_kinds == NULL ? NULL : client->ops->watch_kinds(client, ops, data);
}

void client_watch_kinds_stop(struct client *client, struct client_kinds_watch *watch)
{
    if (watch != NULL) {
        client->ops->watch_kinds_stop(client, watch);
    }
}

const struct api_kind *client_find_kind(struct client *client, const char *api_version,
                                        const char *kind)
{
    const struct api_kind *found = api_kind_by_api_version(api_version, kind);
    if (found != NULL || client->ops->find_kind == NULL) {
        return found == NULL ? NULL : api_stored_kind(found);
    }
    return client->ops->find_kind(client, api_version, kind);
}
