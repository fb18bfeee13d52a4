#include "apiserver/asked_kind.h"

#include "lib/api/status.h"
#include <string.h>

const struct api_status *status_as_asked(const struct registry_call *call,
                                         const struct api_status *status)
{
    if (call->asked == NULL || strcmp(status->kind, call->kind->plural) != 0) {
        return status;
    }
    struct api_status *named = arena_alloc(call->arena, sizeof(*named));
    *named = *status;
    named->group = call->asked->group;
    size_t len = strlen(call->kind->plural);
    if (strncmp(status->message, call->kind->plural, len) == 0) {
        named->message = arena_printf(call->arena, "%s.%s%s", call->asked->plural,
                                      call->asked->group, status->message + len);
    }
    return named;
}
