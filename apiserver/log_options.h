/* Whether what is asked of a pod's log can be asked for. Pure. */
#ifndef APISERVER_LOG_OPTIONS_H
#define APISERVER_LOG_OPTIONS_H
#include "apiserver/request_info.h"

struct api_status;

/* NULL, or 400 for a value that cannot be read, or 422. */
const struct api_status *log_options_check(struct arena *arena, const struct query *query,
                                           const char *pod);
#endif
