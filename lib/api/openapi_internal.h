/* Writers of the parts of OpenAPI documents. Internal to lib/api. */
#ifndef LIB_API_OPENAPI_INTERNAL_H
#define LIB_API_OPENAPI_INTERNAL_H
#include "lib/api/json_value.h"
#include "lib/api/kinds.h"
#include "lib/base/buffer.h"
#include "lib/base/hash_map.h"

enum openapi_form { OPENAPI_V2, OPENAPI_V3 };

/* Notes the message and all that its members refer to. `set` maps schema names to tables. */
void openapi_collect(struct hash_map *set, const struct api_message *message);
/* Appends `"name":{...}` for all of the set, sorted by name, without braces around. */
void openapi_schemas(const struct hash_map *set, enum openapi_form form, struct buffer *out);
/* An object with two schemas for each of the custom kinds: of its objects and of lists of them. It
 * shares memory with the definitions. */
struct json_value *openapi_custom_schemas(struct arena *arena, const struct api_kind *const *kinds,
                                          size_t count, enum openapi_form form);
/* The schema of the kind's lists, built in or custom; NULL when it cannot be listed. */
const char *openapi_list_name(struct arena *arena, const struct api_kind *kind);
/* Appends the paths of kinds of one group version as members, without braces around. Those of
 * custom kinds leave out what v1.32 does: the root of the version, and the paths under watch/. */
void openapi_paths(struct arena *arena, const struct api_kind *const *kinds, size_t count,
                   struct buffer *out);
void openapi_text(struct buffer *out, const char *text); /* Quoted. */
/* What explain shows of the members of every object. */
extern const char openapi_api_version_text[], openapi_kind_text[];
#endif
