/* How the three patch formats report that a patch is refused. Internal to lib/api. */
#ifndef LIB_API_PATCH_ERROR_H
#define LIB_API_PATCH_ERROR_H
#include "lib/api/patch.h"

/* All set *reterr_status (when not NULL) and return the errno of the contract in patch.h. */
int patch_unreadable(struct arena *arena, const struct api_status **reterr_status,
                     const char *message); /* 400 "error decoding patch: <message>" */
int patch_bad_request(struct arena *arena, const struct api_status **reterr_status,
                      const char *message);                                           /* 400 */
int patch_inapplicable(struct arena *arena, const struct api_status **reterr_status); /* 422 */
int patch_too_large(struct arena *arena, const struct api_status **reterr_status,
                    const char *message); /* 413 */
int patch_failed(struct arena *arena, const struct api_status **reterr_status,
                 const char *message); /* 500 */
#endif
