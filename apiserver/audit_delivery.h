/* A request that goes on only when an event about it has reached those who keep it (the modes
 * blocking and blocking-strict). Shared by the request, on its loop, and by the backends, on
 * threads of their own. */
#ifndef APISERVER_AUDIT_DELIVERY_H
#define APISERVER_AUDIT_DELIVERY_H
#include "lib/net/loop.h"

struct audit_delivery;

/* `done` runs on `home` once, in a later turn, after as many ends as were expected and that of the
 * maker: with 0, or the first error. The maker's end comes last. */
struct audit_delivery *audit_delivery_new(struct loop *home, void (*done)(void *data, int status),
                                          void *data);
void audit_delivery_expect(struct audit_delivery *delivery); /* One more end. */
/* Any thread. NULL, for an event that nobody waits for, is a no-op. */
void audit_delivery_end(struct audit_delivery *delivery, int status);
/* Nobody waits any more: `done` does not run. On `home`, before `done` ran. */
void audit_delivery_forget(struct audit_delivery *delivery);
#endif
