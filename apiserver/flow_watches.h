/* How many watches there are of what: so many a change is told to, which priority and fairness
 * shows. Any thread. */
#ifndef APISERVER_FLOW_WATCHES_H
#define APISERVER_FLOW_WATCHES_H
#include "apiserver/access.h"
#include "lib/base/compiler.h"
#include <stdint.h>

struct flow_watches;

MUST_USE struct flow_watches *flow_watches_new(uint64_t seed);
void flow_watches_free(struct flow_watches *watches); /* NULL is a no-op. */

/* One more watch as `watch` says, and one less: with the same texts. */
void flow_watches_add(struct flow_watches *watches, const struct access *watch);
void flow_watches_remove(struct flow_watches *watches, const struct access *watch);
/* Whether watches hear of it; of a token nobody does. */
bool flow_watches_hear(const struct access *change);
/* How many hear of what `change` does: those of all objects, those of its namespace, and those of
 * the one object. Watches of the pods of one node are left out, as in v1.32. */
uint32_t flow_watches_interested(struct flow_watches *watches, const struct access *change);
#endif
