/* Watches: who wants which keys, and how far each has got. A watch keeps a position, never a queue:
 * a live one gets events as they are applied, a slow or late one is served from history. Pure, but
 * for the watches' own callbacks. One thread. See store_watch() in store/store.h for the promises.
 */
#ifndef STORE_WATCH_HUB_H
#define STORE_WATCH_HUB_H
#include "store/mvcc.h"
#include "store/store.h"

struct watch_hub;

/* `wake` is called when watch_hub_catch_up() has work; it must only remember that. */
MUST_USE struct watch_hub *store_watch_hub_new(void (*wake)(void *data), void *data);
void store_watch_hub_free(struct watch_hub *hub); /* All watches must have ended. */
size_t watch_hub_count(const struct watch_hub *hub);
size_t watch_hub_behind(const struct watch_hub *hub); /* Catching up, or paused. */
/* NULL at STORE_WATCHES_MAX. */
MUST_USE struct store_watch *watch_hub_add(struct watch_hub *hub, const struct mvcc *mvcc,
                                           const struct store_watch_options *options);
/* The last `event_count` changes of history, one revision, have just been applied. */
void watch_hub_notify(struct watch_hub *hub, const struct mvcc *mvcc, size_t event_count);
/* The revision has moved without a change: tells those who asked for progress. */
void watch_hub_progress(struct watch_hub *hub, const struct mvcc *mvcc);
/* Up to the current revision, history was told in summary and is forgotten: tells who asked. */
void watch_hub_gap(struct watch_hub *hub, const struct mvcc *mvcc);
/* The state was replaced by one as of another revision: everybody catches up from history. */
void watch_hub_restored(struct watch_hub *hub, const struct mvcc *mvcc);
/* One turn for each watch that is behind, or for as many as there is time for, in their order; true
 * when more turns are needed. */
bool watch_hub_catch_up(struct watch_hub *hub, const struct mvcc *mvcc);
void watch_hub_end_all(struct watch_hub *hub, int status);
#endif
