/* What a request is about, from its method, path and query alone: the tuple that authorization,
 * routing and storage all use, so that they can never disagree. Pure. */
#ifndef APISERVER_REQUEST_INFO_H
#define APISERVER_REQUEST_INFO_H
#include "lib/base/arena.h"
#include <stdbool.h>

struct query_param {
    const char *key;
    const char *value;
};

struct query {
    const struct query_param *params;
    size_t count;
};

enum request_verb {
    VERB_NONE, /* The method is not one of the API's. */
    VERB_GET,
    VERB_LIST,
    VERB_WATCH,
    VERB_CREATE,
    VERB_UPDATE,
    VERB_PATCH,
    VERB_DELETE,
    VERB_DELETE_COLLECTION,
};

struct request_info {
    const char *method;
    const char *path; /* Decoded, for messages and non-resource authorization. */
    bool is_resource; /* /api/v1/... or /apis/<group>/<version>/... with a resource. */
    enum request_verb verb;
    bool verb_in_path;   /* .../v1/watch/... */
    const char *prefix;  /* "api" or "apis"; "" for other paths. */
    const char *group;   /* "" for the core group. */
    const char *version; /* "" when the path does not reach it. */
    const char *namespace;
    const char *resource; /* Plural, as in the path. */
    const char *name;
    const char *subresource;
    const char *rest; /* What follows the subresource ("a/b" of .../proxy/a/b); "" for none. */
    size_t rest_at;   /* Which segment of the path it begins with. */
    bool too_many_segments; /* More segments than any resource has: no such path. */
    struct query query;
};

/* Everything is allocated in the arena. Returns 0; -EINVAL for a malformed escape; -EPERM for a
 * segment that must not name anything (".", "..", one with a NUL or an encoded slash, which only
 * what is passed on to whom a proxy subresource stands for may have). */
MUST_USE int request_info_parse(struct arena *arena, const char *method, struct slice path,
                                struct slice query, struct request_info *ret_info);
const char *request_verb_name(enum request_verb verb); /* As authorization words it. */
/* log, exec, attach, portforward and proxy: a connection to a pod, node or service. */
bool request_info_is_connection(const struct request_info *info);

struct buffer;
/* %XX decoded, in `arena`. NULL when an escape is malformed or stands for NUL. Any thread. */
const char *percent_decoded(struct arena *arena, struct slice text);
/* %XX for everything that may not stand in a segment of a path, or in a query, as it is. */
void percent_append(struct buffer *out, const char *text);
/* The first value, or NULL when the key is absent. */
const char *query_get(const struct query *query, const char *key);
/* Absent and "" are `fallback`; "0" and "false" (any case) are false, all else true. */
bool query_bool(const struct query *query, const char *key, bool fallback);
/* 0; -ENOENT when absent or ""; -EINVAL when it is no number. */
MUST_USE int query_int(const struct query *query, const char *key, int64_t *ret_value);
/* Appends key=value escaped, with '?' or '&' as fits; for proxied requests. */
void query_append(struct buffer *out, bool first, const char *key, const char *value);
/* Appends a decoded path, escaped again where it must be (RFC 3986 section 3.3). */
void path_append(struct buffer *out, const char *path);
#endif
