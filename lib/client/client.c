#include "lib/client/client.h"

#include <string.h>

bool client_conflict(const struct client_reply *reply)
{
    return reply->code == 409 && strcmp(reply->reason, "AlreadyExists") != 0;
}

bool client_already_exists(const struct client_reply *reply)
{
    return reply->code == 409 && strcmp(reply->reason, "AlreadyExists") == 0;
}
