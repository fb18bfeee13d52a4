/* Writers of the parts of OpenAPI documents. Internal to lib/api. */
#ifndef LIB_API_OPENAPI_INTERNAL_H
#define LIB_API_OPENAPI_INTERNAL_H
#include "lib/api/kinds.h"
#include "lib/base/buffer.h"
#include "lib/base/hash_map.h"

enum openapi_form { OPENAPI_V2, OPENAPI_V3 };

/* Notes the message and all that its members refer to. `set` maps schema names to tables. */
void openapi_collect(struct hash_map *set, const struct api_message *message);
/* Appends `"name":{...}` for all of the set, sorted by name, without braces around. */
void openapi_schemas(const struct hash_map *set, enum openapi_form form, struct buffer *out);
/* Appends the paths of one group version as members, without braces around. */
void openapi_paths(const char *group, const char *version, struct buffer *out);
void openapi_text(struct buffer *out, const char *text); /* Quoted. */
#endif
