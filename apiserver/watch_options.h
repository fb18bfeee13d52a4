/* What the query of a watch asks for: what it begins with, and how long it lasts. Inside of the API
 * server. */
#ifndef APISERVER_WATCH_OPTIONS_H
#define APISERVER_WATCH_OPTIONS_H
#include <stdbool.h>
#include <stdint.h>

struct api_status;
struct request;

struct watch_options {
    bool bookmarks;
    bool from_state;     /* Begins at a state as new as `resourceVersion`, not behind a revision. */
    bool initial_events; /* That state is told first. */
    bool end_is_told;    /* And, with a bookmark, where it ends. */
    uint64_t revision;   /* Of whose next event it begins with, when not from a state. */
    uint64_t lasts_ms;
};

/* NULL, or why it is refused. After fill_options(). */
const struct api_status *watch_options_read(struct request *request,
                                            struct watch_options *ret_options);
#endif
