/* The OpenAPI v2 document in the protobuf form that kubectl asks for (gnostic's
 * openapi.v2.Document). Internal to lib/api. Pure. */
#ifndef LIB_API_OPENAPI_PROTO_H
#define LIB_API_OPENAPI_PROTO_H
#include "lib/api/json_value.h"

/* Appends the encoding of a document with info and definitions. Returns 0 or -ENOSPC. */
MUST_USE int openapi_v2_encode(const struct json_value *document, struct buffer *out);
/* Appends more definitions to an encoded document: readers merge them with those before. */
MUST_USE int openapi_v2_encode_definitions(const struct json_value *definitions,
                                           struct buffer *out);
/* Appends parameters and paths to an encoded document, likewise. */
MUST_USE int openapi_v2_encode_parameters(const struct json_value *parameters, struct buffer *out);
MUST_USE int openapi_v2_encode_paths(const struct json_value *paths, struct buffer *out);
#endif
