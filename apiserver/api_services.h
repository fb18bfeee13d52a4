/* The APIServices of this cluster that another server answers for, as the watch cache has them, and
 * what that server was last heard to serve. Follows the cache on the store loop; asked from any
 * thread. */
#ifndef APISERVER_API_SERVICES_H
#define APISERVER_API_SERVICES_H
#include "k8s/apiregistration_v1.pb-c.h"
#include "lib/base/compiler.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api_services;
struct chunk;
struct pki;
struct tls_config;
struct watch_cache;

typedef Apiregistration__V1__APIService api_service_t;

/* Knows all of them when it returns. `pki` has the certificate that we show. Store loop. */
MUST_USE struct api_services *api_services_new(struct watch_cache *cache, const struct pki *pki);
void api_services_free(struct api_services *services); /* Store loop. NULL is a no-op. */

/* One of them; immutable, lives as long as its set. */
struct api_service {
    const api_service_t *object;
    const char *server_name; /* "SERVICE.NAMESPACE.svc" */
    int32_t port;
    bool available;         /* As its condition says. */
    struct tls_config *tls; /* NULL when its CA bundle is no use: `problem` says why. */
    const char *problem;
    struct chunk *resources;  /* As aggregated discovery lists them; NULL: never heard. */
    bool fresh;               /* They are of the last time that was asked. */
    const char *openapi_hash; /* Of its OpenAPI v3 document; NULL: it has none. */
    /* What its OpenAPI v2 document has of this version, as api_openapi_extension_keep() makes it;
     * NULL: never heard. */
    struct chunk *openapi_v2;
    const char *openapi_v2_hash;
};

/* All of them at one moment: immutable and counted. */
struct api_service_set {
    atomic_size_t references;
    bool *gone; /* By place in api_group_versions(): its local one was deleted since we follow. */
    size_t count;
    struct api_service items[];
};
MUST_USE struct api_service_set *api_services_set(struct api_services *services);
void api_service_set_unref(struct api_service_set *set); /* NULL is a no-op. */
const struct api_service *api_service_set_find(const struct api_service_set *set, const char *group,
                                               const char *version);
/* Whether the local APIService of a version of ours was deleted: it is served as ever, and lists of
 * groups leave it out. */
bool api_service_set_lacks(const struct api_service_set *set, const char *group,
                           const char *version);
/* Whether there are any: one load. */
bool api_services_any(const struct api_services *services);

/* What the server behind one was heard to serve. NULLs for `resources` and `openapi_hash` leave
 * what was heard before. Store loop. */
void api_services_heard(struct api_services *services, const char *name, bool fresh,
                        struct chunk *resources_consume, const char *openapi_hash);

void api_services_heard_v2(struct api_services *services, const char *name,
                           struct chunk *document_consume, const char *hash);

/* The condition Available; NULL when it has none. */
const Apiregistration__V1__APIServiceCondition *api_service_condition(const api_service_t *object);
#endif
