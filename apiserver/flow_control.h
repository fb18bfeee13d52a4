/* API Priority and Fairness (KEP-1040): follows the FlowSchemas and PriorityLevelConfigurations in
 * the watch cache, finds the level of each request, and lets it in, makes it wait for its turn or
 * refuses it. Every ten seconds seats that some levels do not need are lent to others.
 *
 * Made and freed on the store loop; requests enter and leave on any thread. */
#ifndef APISERVER_FLOW_CONTROL_H
#define APISERVER_FLOW_CONTROL_H
#include "apiserver/access.h"
#include "apiserver/flow_level.h"
#include "apiserver/user.h"

struct buffer;
struct env;
struct flow_control;
struct flow_pool;
struct flow_tally;
struct flow_watches;
struct loop;
struct metric;
struct metric_histogram;
struct metrics;
struct watch_cache;

/* What is counted for one schema at one level. */
struct flow_counts {
    struct metric *dispatched, *full, *no_queue, *timed_out, *cancelled;
    struct metric *waiting, *waiting_seats, *executing, *executing_seats;
    struct metric *too_wide; /* Times that it was next and there were seats, but too few. */
    struct metric_histogram *wait, *wait_in_vain, *execution, *watch_execution, *length, *seats;
    struct metric_histogram *watches;
};

enum { FLOW_UID_SIZE = 40, FLOW_NAME_SIZE = 256 };

/* What is shown of a request. Borrowed while it is in a level. */
struct flow_request {
    const struct user *user;
    struct access access;
    const char *path, *version;
};

/* One request. In its memory, zeroed before its first use. */
struct flow_entry {
    /* Runs on `loop` when a request that was told to wait may go on; never from inside a call. It
     * calls flow_control_admitted() first. */
    void (*admitted)(void *data);
    void *data;
    struct loop *loop;
    struct flow_request request;
    /* The rest is set by flow_control_enter(). */
    struct flow_ticket ticket;
    struct flow_pool *pool; /* Referenced; NULL when the request is in none. */
    struct flow_counts counts;
    uint64_t entered_ns;
    struct flow_tally *tally; /* In which it is counted. */
    struct flow_watches *watches;
    bool is_watch_counted;
    char schema[FLOW_NAME_SIZE];
    const char *flow; /* Within the schema. */
    char schema_uid[FLOW_UID_SIZE], level_uid[FLOW_UID_SIZE];
};

/* `seats` of all levels together. */
MUST_USE struct flow_control *flow_control_new(struct env *env, struct watch_cache *cache,
                                               struct metrics *metrics, uint32_t seats);
void flow_control_free(struct flow_control *control); /* Before the cache; NULL is a no-op. */

/* FLOW_SITS: go on, and leave at the end. FLOW_WAITS: `admitted` will run, unless
 * flow_control_cancel() comes first. FLOW_OUT: refused; there is nothing to leave. */
enum flow_state flow_control_enter(struct flow_control *control, uint32_t seats,
                                   struct flow_entry *entry);
/* True: it no longer waits and is out. False: it was let in; `admitted` is on its way. */
bool flow_control_cancel(struct flow_entry *entry, bool timed_out);
void flow_control_admitted(struct flow_entry *entry); /* Counts it. */
/* Gives the seats back; a no-op for one that has none. */
void flow_control_leave(struct flow_entry *entry);

/* The request is over: after flow_control_leave(). */
void flow_control_end(struct flow_entry *entry);

/* Tells the metrics what is told for spans of time: to be called before they are shown. */
void flow_control_show(struct flow_control *control);
/* As text in columns, as v1.32 shows them at /debug/api_priority_and_fairness. */
enum flow_dump { FLOW_DUMP_LEVELS, FLOW_DUMP_QUEUES, FLOW_DUMP_REQUESTS };
void flow_control_dump(struct flow_control *control, enum flow_dump what, bool details,
                       struct buffer *out);
#endif
