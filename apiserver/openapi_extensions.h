/* What extension servers add to our OpenAPI v2 document, at one moment. Any thread; one at a time.
 */
#ifndef APISERVER_OPENAPI_EXTENSIONS_H
#define APISERVER_OPENAPI_EXTENSIONS_H
#include "lib/api/openapi.h"
#include "lib/base/arena.h"
#include "lib/base/buffer.h"

struct api_kind;
struct api_service;
struct api_services;
struct chunk;

struct openapi_extensions {
    struct api_service_set *set;
    const struct api_service **services; /* That have a document. */
    size_t count;
    const struct api_kind *const *kinds; /* The custom ones that are served. */
    size_t kind_count;
};

/* The documents are in the order in which v1.32 merges them. What we serve ourselves is described
 * by us. `kinds` and the arena live as long. */
void openapi_extensions_init(struct openapi_extensions *extensions, struct arena *arena,
                             struct api_services *services, const struct api_kind *const *kinds,
                             size_t kind_count);
void openapi_extensions_release(struct openapi_extensions *extensions);
/* A text that is another one whenever what they add is; "" when they add nothing. In the arena. */
const char *openapi_extensions_identity(const struct openapi_extensions *extensions,
                                        struct arena *arena);
/* Makes what comes behind our parts of the document in JSON, and behind all of it in protobuf: new
 * references, of which there are as many as parts, and one. */
void openapi_extensions_make(const struct openapi_extensions *extensions,
                             struct chunk *ret_json[API_OPENAPI_PARTS],
                             struct chunk **ret_protobuf);
#endif
