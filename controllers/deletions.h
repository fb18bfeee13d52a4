/* Many deletions of one round, so many at once: the loop that makes them shares its thread, and its
 * store, with everybody else. */
#ifndef CONTROLLERS_DELETIONS_H
#define CONTROLLERS_DELETIONS_H
#include "lib/client/reconciler.h"

/* The round's state is used for it. False when the round has as many as it takes: another has to
 * do the others. `grace_seconds` < 0: as the object says. */
bool deletions_add(struct round *round, const struct client_object *object, int64_t grace_seconds);
/* Begins, once all have been added. One that fails makes the round fail, when all were tried. */
void deletions_start(struct round *round);
#endif
