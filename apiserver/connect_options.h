/* What the query of a connection (exec, attach, portforward, proxy) asks for, as the options that
 * admission is shown: PodExecOptions and the like. Pure. */
#ifndef APISERVER_CONNECT_OPTIONS_H
#define APISERVER_CONNECT_OPTIONS_H
#include "apiserver/request_info.h"
#include "lib/api/kinds.h"

/* The schema of the subresource's body or options; NULL for "log". */
const struct api_message *connect_options_schema(const struct api_subresource *subresource);
/* The options, in the arena. `path` is what follows the subresource in the URL of a proxy. What
 * cannot be read (a port that is no number) is left out: whoever connects will say so. */
void *connect_options(struct arena *arena, const struct api_subresource *subresource,
                      const struct query *query, const char *path);
#endif
