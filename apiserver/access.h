/* What a request wants to do, as authorization is asked: the attributes that rules speak of. Plain
 * data; texts are borrowed and, but for the version, never NULL. */
#ifndef APISERVER_ACCESS_H
#define APISERVER_ACCESS_H
#include "lib/api/selector.h"
#include <string.h>

/* What a selector asks for, all of it; access_selector.h makes them. Zeroes: no selector. */
struct access_selector {
    const struct api_requirement *items;
    size_t count;
    bool faulty; /* Some of it, or all, could not be read and is left out. */
};

struct access {
    const char *verb; /* "get"; of a path, the HTTP method in lower case. */
    bool is_resource;
    const char *group, *resource, *subresource, *namespace, *name;
    const char *version;                   /* Of the resource; NULL where nobody has said. */
    const char *path;                      /* When it is no resource. */
    struct access_selector fields, labels; /* Of a list, a watch or a deletion of many. */
};

/* Whether it changes nothing, as its verb says. */
static inline bool access_reads(const struct access *access)
{
    const char *verb = access->verb;
    return strcmp(verb, "get") == 0 || strcmp(verb, "list") == 0 || strcmp(verb, "watch") == 0;
}
#endif
