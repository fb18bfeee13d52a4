#include "lib/api/priority.h"

#include <stddef.h>
#include <string.h>

const struct api_system_priority api_system_priorities[API_SYSTEM_PRIORITY_COUNT] = {
    {"system-node-critical", 2000001000,
     "For pods without which a node is of no use; they stay on theirs."},
    {"system-cluster-critical", 2000000000,
     "For pods without which the cluster is of no use; any node will do for them."},
};

const struct api_system_priority *api_system_priority_find(const char *name)
{
    for (size_t i = 0; i < API_SYSTEM_PRIORITY_COUNT; i++) {
        if (strcmp(api_system_priorities[i].name, name) == 0) {
            return &api_system_priorities[i];
        }
    }
    return NULL;
}
