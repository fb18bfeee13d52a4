/* Parts of the protobuf form of OpenAPI v2 documents. Internal to lib/api. Pure. Each appends one
 * field, or the members of one message. */
#ifndef LIB_API_OPENAPI_PROTO_PARTS_H
#define LIB_API_OPENAPI_PROTO_PARTS_H
#include "lib/api/json_value.h"

void openapi_proto_varint(struct buffer *out, uint64_t value);
void openapi_proto_bytes(struct buffer *out, unsigned field, struct slice value);
/* The object's member of this name, if it is a text. */
void openapi_proto_text(struct buffer *out, unsigned field, const struct json_value *object,
                        const char *name);
/* NamedAny: a member that openapi.v2 does not know, such as x-kubernetes-action. */
void openapi_proto_named_any(struct buffer *out, unsigned field, struct slice name,
                             const struct json_value *value);
/* The members of a Schema. */
void openapi_proto_schema(struct buffer *out, const struct json_value *schema, unsigned depth);
/* The members of ParameterDefinitions. */
void openapi_proto_parameters(struct buffer *out, const struct json_value *parameters);
#endif
