/* Every limit of controllers. */
#ifndef CONTROLLERS_LIMITS_H
#define CONTROLLERS_LIMITS_H
enum {
    CONTROLLERS_BURST = 500, /* Pods that a replica set makes or deletes in a round. */
    CONTROLLERS_ENDPOINTS_PER_SLICE = 100,   /* Endpoints in one EndpointSlice. */
    CONTROLLERS_ENDPOINTS_MAX = 1000,        /* Addresses in one Endpoints object. */
    CONTROLLERS_REVISION_HISTORY_MAX = 2000, /* Bytes of the revision-history annotation. */
    CONTROLLERS_NODES_MAX = 65536,           /* Ranges that node CIDR allocation hands out. */
    CONTROLLERS_API_ENDPOINTS_MAX = 16,      /* Members behind the kubernetes Service. */
    CONTROLLERS_PATCH_MAX = 3 << 20,         /* Bytes of a patch of metadata. */
    CONTROLLERS_GC_CALLS = 100,          /* Objects that the garbage collector works on at once. */
    CONTROLLERS_GC_ORPHANS = 100,        /* Dependents that it sets free in a round. */
    CONTROLLERS_DELETIONS = 500,         /* Objects of a namespace, or pods, deleted at once, */
    CONTROLLERS_DELETIONS_ROUND = 10000, /* and one after the other in a round. */
    CONTROLLERS_NAMESPACE_MANY = 1000,   /* Of so many of a kind, not each that goes has a round. */
    CONTROLLERS_NAMESPACE_REST_MS = 500, /* How long their rounds are apart. */
};
#endif
