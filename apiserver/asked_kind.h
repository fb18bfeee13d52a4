/* Refusals in the words of a client that calls a kind by its other form (lib/api/convert.h). Pure.
 */
#ifndef APISERVER_ASKED_KIND_H
#define APISERVER_ASKED_KIND_H
#include "apiserver/registry.h"
#include "lib/api/convert.h"

/* `status` naming the resource as the client does; the same when there is nothing to change. */
const struct api_status *status_as_asked(const struct registry_call *call,
                                         const struct api_status *status);
#endif
