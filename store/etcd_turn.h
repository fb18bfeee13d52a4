/* Waiting for one's turn, as the Lock and Election services do: every waiter puts a key
 * NAME/LEASE-IN-HEX bound to its lease, and the oldest key of those that are left has its turn. A
 * client that goes away gives its place up. Nobody else includes it. */
#ifndef STORE_ETCD_TURN_H
#define STORE_ETCD_TURN_H
#include "lib/base/buffer.h"
#include "store/etcd_private.h"

enum { ETCD_SESSION_TTL_S = 60 }; /* Of the lease of one that names none. As etcd. */

struct etcd_turn {
    _Atomic uint32_t refs; /* One until it is answered, and one for each message under way. */
    struct etcd_service *service;
    struct grpc_call *call;
    const struct etcd_turn_kind *kind;
    const void *message; /* In the call's arena. */
    struct slice name;
    struct slice value;
    int64_t lease;
    struct etcd_identity identity; /* From here on of the store loop, until it is answered. */
    bool caught_up;
    bool own_lease; /* Granted here. */
    bool put;       /* The key may be there. */
    bool waited;    /* There was somebody before. */
    bool gone;      /* Nobody waits for the answer. */
    bool answered;
    struct buffer key;
    size_t prefix_len;         /* Of the key: NAME/ */
    int64_t revision;          /* At which the key was created. */
    struct store_watch *watch; /* For the deletion of the key before. */
    int status;
    struct etcd_header header;
};

struct etcd_turn_kind {
    const char *expired;                    /* What to say when the lease ended while waiting. */
    void (*answer)(struct etcd_turn *turn); /* Connection's loop: sends the response. */
};

/* Connection's loop. `message` and slices live in the call's arena. */
void etcd_turn_start(struct etcd_service *service, struct grpc_call *call,
                     const struct etcd_turn_kind *kind, const void *message, struct slice name,
                     struct slice value, int64_t lease);
/* "NAME/" with its end, for ranges over all who wait. */
struct slice etcd_turn_prefix(struct slice name, struct buffer *out, struct buffer *out_end);
#endif
