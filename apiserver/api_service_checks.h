/* Whether the servers behind APIServices answer, and what they serve: asked now and then by every
 * member, each for itself, at the path that such a server has to have. Store loop; the calls
 * themselves are made on an io loop and bounded in time and size. */
#ifndef APISERVER_API_SERVICE_CHECKS_H
#define APISERVER_API_SERVICE_CHECKS_H
#include "apiserver/api_services.h"

struct api_service_checks;
struct apiserver;

struct api_service_checks *api_service_checks_new(struct apiserver *server);
void api_service_checks_free(struct api_service_checks *checks); /* The calls are given up. */

/* The condition Available, in v1.32's words. */
struct api_service_verdict {
    const char *status, *reason, *message; /* Borrowed until the next turn of the loop. */
};
/* False while it is not known: the first answer is still awaited. */
bool api_service_checks_verdict(const struct api_service_checks *checks, const char *name,
                                const char *uid, struct api_service_verdict *ret_verdict);
#endif
