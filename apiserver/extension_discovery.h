/* What extension servers say of themselves, in JSON, made into what we say of them. Pure. */
#ifndef APISERVER_EXTENSION_DISCOVERY_H
#define APISERVER_EXTENSION_DISCOVERY_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"

/* Appends the "resources" of aggregated discovery (a JSON array) to an APIResourceList of this
 * group version: subresources stand with their resource. 0, or -EINVAL for what is no such list.
 * The arena needs JSON_TREE_BYTES_PER_BYTE of memory for each of `list`. */
MUST_USE int extension_discovery_resources(struct arena *arena, struct slice list,
                                           const char *group_version, struct buffer *out);
/* The hash by which an OpenAPI v3 index (GET /openapi/v3) names the document "apis/GROUP/VERSION":
 * a text of letters and digits in the arena, "" when it names the document without one. 0; -ENOENT
 * when there is no such document, -EINVAL for what is no index. */
MUST_USE int extension_openapi_hash(struct arena *arena, struct slice index, const char *path,
                                    const char **ret_hash);
#endif
