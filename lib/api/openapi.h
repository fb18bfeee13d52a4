/* OpenAPI documents made from the kinds and message tables: v3 by group version, v2 as one
 * document. Pure. The caller caches the bytes and makes the hash for the index document. */
#ifndef LIB_API_OPENAPI_H
#define LIB_API_OPENAPI_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include "lib/base/compiler.h"

/* Appends the OpenAPI v3 document of one group version ("" and "v1" for core). Returns 0, -ENOENT
 * when nothing is served there, or -ENOSPC over the buffer's maximum. */
MUST_USE int api_openapi_v3(const char *group, const char *version, struct buffer *document);
/* Appends the OpenAPI v2 (swagger) document of everything served, as JSON. */
MUST_USE int api_openapi_v2(struct buffer *document);
/* The same v2 document as gnostic protobuf
 * (application/com.github.proto-openapi.spec.v2@v1.0+protobuf), which is what kubectl asks for.
 * `arena` takes the JSON tree while it is converted. */
MUST_USE int api_openapi_v2_protobuf(struct arena *arena, struct buffer *document);
#endif
