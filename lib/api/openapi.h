/* OpenAPI documents made from the kinds and message tables, and from the schemas of custom
 * resources: v3 by group version, v2 as one document. Pure. The caller caches the bytes and makes
 * the hash for the index document. */
#ifndef LIB_API_OPENAPI_H
#define LIB_API_OPENAPI_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include "lib/base/compiler.h"

struct api_kind;

/* --- Built-in kinds ------------------------------------------------------------------------------
 */

/* Appends the OpenAPI v3 document of one group version ("" and "v1" for core). Returns 0, -ENOENT
 * when nothing is served there, or -ENOSPC over the buffer's maximum. */
MUST_USE int api_openapi_v3(const char *group, const char *version, struct buffer *document);
/* All v3 documents of what is built in, of group versions and of discovery, have a place, from 0
 * on. Where it is served after /openapi/v3/, in the arena: "apis/apps/v1", "version"; NULL after
 * the last. */
const char *api_openapi_v3_path(struct arena *arena, size_t place);
/* Appends the document of a place; as api_openapi_v3(). */
MUST_USE int api_openapi_v3_at(size_t place, struct buffer *document);

/* The v2 (swagger) document as JSON has three parts, each with an end for what extension servers
 * and then custom kinds add to it. */
enum api_openapi_part {
    API_OPENAPI_PARAMETERS,
    API_OPENAPI_DEFINITIONS,
    API_OPENAPI_PATHS,
    API_OPENAPI_PARTS
};
MUST_USE int api_openapi_v2(enum api_openapi_part part, struct buffer *document);
/* The same as gnostic protobuf (application/com.github.proto-openapi.spec.v2.v1.0+protobuf), which
 * is what kubectl asks for; whole, and what others add may follow. */
MUST_USE int api_openapi_v2_protobuf(struct buffer *document);

/* --- Custom kinds --------------------------------------------------------------------------------
 * `kinds` are rows of custom resources (lib/api/custom.h), those of a group version next to each
 * other. The arena takes what is thrown away. */

/* The OpenAPI v3 document of one group version, of which these are all kinds (one or more). */
MUST_USE int api_openapi_v3_custom(struct arena *arena, const struct api_kind *const *kinds,
                                   size_t count, struct buffer *document);
/* What they add to a part of the v2 document, with its end. */
MUST_USE int api_openapi_v2_custom(enum api_openapi_part part, struct arena *arena,
                                   const struct api_kind *const *kinds, size_t count,
                                   struct buffer *document);
MUST_USE int api_openapi_v2_custom_protobuf(struct arena *arena,
                                            const struct api_kind *const *kinds, size_t count,
                                            struct buffer *document);
#endif
