/* Where a Service is reached: at one of its ready endpoints, as a control plane machine need not
 * route service addresses; at its own address when nothing is known of endpoints. Reads the watch
 * cache; any thread. */
#ifndef APISERVER_SERVICE_ENDPOINT_H
#define APISERVER_SERVICE_ENDPOINT_H
#include "lib/base/arena.h"
#include "lib/net/stream.h"

struct watch_cache;

enum service_finding {
    SERVICE_FOUND,
    SERVICE_ABSENT,
    SERVICE_WITHOUT_PORT,      /* It does not have the port asked for. */
    SERVICE_WITHOUT_ENDPOINTS, /* There are no EndpointSlices of it, nor an address. */
    SERVICE_WITHOUT_READY,     /* None of its endpoints is ready. */
};

struct service_question {
    const char *namespace;
    const char *name;
    int32_t port;          /* Of the Service; 0: by its name. */
    const char *port_name; /* "" for the port without a name. */
    uint64_t turn;         /* Which of the ready ones, modulo their number. */
    bool endpoints_only;   /* Not at the Service's own address (but an ExternalName's). */
    bool pods_only; /* Only endpoints that are pods of the namespace, at addresses of theirs, and
                     * never the Service's own address: what users may have us connect to. */
};

struct service_answer {
    struct net_address address; /* SERVICE_FOUND */
    const char *port_name;      /* In the arena; "" for none. Not set when SERVICE_ABSENT. */
    const char *pod; /* Whose address it is; in the arena; "" for none of the namespace. */
};

enum service_finding service_endpoint_find(struct watch_cache *cache, struct arena *arena,
                                           const struct service_question *question,
                                           struct service_answer *ret_answer);
/* "no endpoints available for service \"s\"" and the like, for what is not found. */
const char *service_finding_words(struct arena *arena, enum service_finding finding,
                                  const struct service_question *question);
#endif
