/* What the query of a connection (exec, attach, portforward, proxy) asks for, as the options that
 * admission is shown: PodExecOptions and the like. Pure. */
#ifndef APISERVER_CONNECT_OPTIONS_H
#define APISERVER_CONNECT_OPTIONS_H
#include "apiserver/request_info.h"
#include "lib/api/kinds.h"

/* The schema of the subresource's body or options; NULL for "log". */
const struct api_message *connect_options_schema(const struct api_subresource *subresource);
/* NULL, or what is wrong with a port in the query, in the words of v1.32. */
const char *connect_options_problem(struct arena *arena, const struct api_subresource *subresource,
                                    const struct query *query);
/* The options, in the arena; of a query without a problem. `path` is what follows the subresource
 * in the URL of a proxy. */
void *connect_options(struct arena *arena, const struct api_subresource *subresource,
                      const struct query *query, const char *path);
#endif
