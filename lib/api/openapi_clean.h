/* What OpenAPI v2 knows of paths, parameters and schemas that somebody else wrote: everything else
 * of them is left out, and so is what would keep readers from the rest (kubectl gives up a whole
 * document for one reference to nowhere or one type that it does not know). What comes out is what
 * the writers of protobuf take. Nothing is refused. Internal to lib/api. Pure. */
#ifndef LIB_API_OPENAPI_CLEAN_H
#define LIB_API_OPENAPI_CLEAN_H
#include "lib/api/json_value.h"
#include "lib/api/openapi.h"

struct openapi_clean {
    struct arena *arena;
    const char *group, *version; /* Schemas may say that they are of kinds of these. */
    /* What a reference to the definition or parameter (API_OPENAPI_...) of this name shall say
     * instead; an empty text when there is none: the reference is left out then. */
    struct slice (*refer)(void *data, enum api_openapi_part part, struct slice name);
    void *data;
};

/* In the arena; it shares memory with what it is made of. An empty object for what is no object. */
struct json_value *openapi_clean_schema(const struct openapi_clean *clean,
                                        const struct json_value *schema);
struct json_value *openapi_clean_path(const struct openapi_clean *clean,
                                      const struct json_value *item);
/* Of the document's "parameters". NULL for what is none. */
struct json_value *openapi_clean_parameter(const struct openapi_clean *clean,
                                           const struct json_value *parameter);
#endif
