#include "lib/api/patch_error.h"

#include "lib/api/status.h"
#include <errno.h>

static int refuse(const struct api_status **reterr_status, const struct api_status *status,
                  int code)
{
    if (reterr_status != NULL) {
        *reterr_status = status;
    }
    return code;
}

int patch_unreadable(struct arena *arena, const struct api_status **reterr_status,
                     const char *message)
{
    return refuse(reterr_status, api_status_bad_request(arena, "error decoding patch: %s", message),
                  -EINVAL);
}

int patch_bad_request(struct arena *arena, const struct api_status **reterr_status,
                      const char *message)
{
    return refuse(reterr_status, api_status_bad_request(arena, "%s", message), -EINVAL);
}

int patch_inapplicable(struct arena *arena, const struct api_status **reterr_status)
{
    return refuse(reterr_status, api_status_unprocessable(arena), -ENOENT);
}

int patch_too_large(struct arena *arena, const struct api_status **reterr_status,
                    const char *message)
{
    return refuse(reterr_status, api_status_too_large_text(arena, message), -E2BIG);
}

int patch_failed(struct arena *arena, const struct api_status **reterr_status, const char *message)
{
    return refuse(reterr_status, api_status_internal(arena, "%s", message), -EINVAL);
}
