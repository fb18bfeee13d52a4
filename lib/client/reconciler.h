/* Reconciler: runs one control loop over a work queue. A round looks at one key: it reads caches,
 * plans, and makes API calls; when all of them are answered it ends, and a failed round is repeated
 * with back-off. Everything a round takes from its arena goes at its end. One thread. */
#ifndef LIB_CLIENT_RECONCILER_H
#define LIB_CLIENT_RECONCILER_H
#include "lib/client/client.h"
#include "lib/client/work_queue.h"

struct reconciler;
struct round;

struct reconciler_config {
    struct env *env;
    struct client *client;
    const char *name;                 /* For logs and metrics; borrowed. */
    const struct client_identity *as; /* Of calls that do not say; borrowed. May be NULL. */
    uint32_t concurrency;             /* Rounds at once; 0 is 1. */
    /* Must come to an end without blocking; may be called with a key that no longer exists. */
    void (*reconcile)(void *data, struct round *round);
    void *data;
    /* A round failed (may be NULL): for logs. */
    void (*failed)(void *data, const char *name, const char *key, const char *why);
    void *failed_data;
};

struct round {
    struct arena *arena;
    const char *key;        /* As queued: "namespace/name" or "name". */
    const char *namespace_; /* "" when the key has none. */
    const char *name;
    struct reconciler *reconciler;
    void *state; /* The loop's. */
};

MUST_USE struct reconciler *reconciler_new(const struct reconciler_config *config);
/* Takes no more keys; `closed` runs once the rounds under way have ended, at once or later; the
 * reconciler is gone then. */
void reconciler_close(struct reconciler *reconciler, void (*closed)(void *data), void *data);
struct work_queue *reconciler_queue(struct reconciler *reconciler);
void reconciler_add(struct reconciler *reconciler, const char *key);
void reconciler_add_object(struct reconciler *reconciler, const struct client_object *object);
void reconciler_add_name(struct reconciler *reconciler, const char *namespace_, const char *name);

/* Keeps an object of a cache until the round ends, however it ends. */
void round_hold(struct round *round, const struct client_object *object);
/* One API call of the round. `done` may be NULL: then any failure fails the round, except that
 * deleting what is gone succeeds. `done` decides itself, and may make further calls; it does not
 * run for a call beyond CLIENT_ROUND_CALLS_MAX, which fails the round. */
typedef void round_done(struct round *round, const struct client_reply *reply, void *data);
void round_call(struct round *round, const struct client_request *request, round_done *done,
                void *data);
/* What a NULL `done` does; for use inside one. True when the call succeeded. */
bool round_check(struct round *round, const struct client_request *request,
                 const struct client_reply *reply);
void round_fail(struct round *round, const char *why);          /* Repeat with back-off. */
void round_again_after(struct round *round, uint64_t delay_ns); /* The earliest counts. */
bool round_failed(const struct round *round);
bool round_stopping(const struct round *round); /* The reconciler closes: make no more calls. */
#endif
