/* One HTTPS request to the API from a short command, as the cluster's administrator, waiting for
 * the answer. Tries the given servers in turn. Blocking: runs a loop of its own. */
#ifndef CMD_API_CALL_H
#define CMD_API_CALL_H
#include "lib/base/buffer.h"
#include "lib/base/error.h"

enum { API_ANSWER_BYTES_MAX = 64 * 1024 * 1024 };

struct api_target {
    const char *data_dir;       /* With pki/ca.crt, pki/admin.crt and pki/admin.key. */
    const char *const *servers; /* https://HOST:PORT; at least one. */
    size_t server_count;
    unsigned timeout_ms; /* Per server; 0: 5000. */
};

struct api_request {
    const char *method;
    const char *path;         /* "/api/v1/nodes?limit=5" */
    const char *content_type; /* Of the body; NULL without one. */
    struct slice body;
};

/* 0 with the HTTP status and the body appended to `answer`, or a negative errno when no server
 * answered. */
MUST_USE int api_call(const struct api_target *target, const struct api_request *request,
                      unsigned *ret_status, struct buffer *answer, struct error *reterr);
#endif
