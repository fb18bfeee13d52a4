/* What a request wants to do, as authorization is asked: the attributes that rules speak of. Plain
 * data; texts are borrowed and, but for the version, never NULL. */
#ifndef APISERVER_ACCESS_H
#define APISERVER_ACCESS_H
#include <stdbool.h>

struct access {
    const char *verb; /* "get"; of a path, the HTTP method in lower case. */
    bool is_resource;
    const char *group, *resource, *subresource, *namespace, *name;
    const char *version; /* Of the resource; NULL where nobody has said. */
    const char *path;    /* When it is no resource. */
    /* Of a list or watch: the one value that the field selector asks spec.nodeName to have; "" when
     * it does not. */
    const char *node_selected;
};
#endif
