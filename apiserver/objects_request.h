/* What a call of coracle.v1.Objects asks for, as the HTTP request that asks for the same: path,
 * query and body are those that everything behind reads, so that the two can never differ. Pure. */
#ifndef APISERVER_OBJECTS_REQUEST_H
#define APISERVER_OBJECTS_REQUEST_H
#include "apiserver/request_info.h"
#include "coracle/v1/objects.pb-c.h"
#include "lib/base/slice.h"

enum objects_method {
    OBJECTS_GET,
    OBJECTS_LIST,
    OBJECTS_WATCH,
    OBJECTS_CREATE,
    OBJECTS_UPDATE,
    OBJECTS_PATCH,
    OBJECTS_DELETE,
    OBJECTS_DELETE_COLLECTION,
    OBJECTS_METHODS
};

struct objects_request {
    struct request_info info; /* With the query. */
    const char *uri;          /* The same as text: "/api/v1/pods?limit=5". */
    struct slice body;
    struct slice body_type; /* A media type, as HTTP has it in content-type. */
    Objects__V1__Encoding encoding;
    bool metadata_only;
};

/* Decodes the request message of `method`. Everything is allocated in the arena, in which the
 * message may take OBJECTS_MESSAGE_ARENA_MAX. Returns 0; -EINVAL with *ret_problem, which the
 * client reads, for what is no such message or asks for nothing that has a path. */
MUST_USE int objects_request_parse(struct arena *arena, enum objects_method method,
                                   struct slice bytes, struct objects_request *ret_request,
                                   const char **ret_problem);
#endif
