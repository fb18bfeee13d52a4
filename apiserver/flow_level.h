/* One priority level: how many seats it has, who sits and who waits. Queues are chosen by shuffle
 * sharding, so that one busy flow spoils few queues of another, and served in the order of fair
 * queuing over virtual time (KEP-1040, "Fair Queuing for Server Requests"): each queue with work
 * gets the same share of seat-seconds, whatever its requests cost.
 *
 * Pure: the clock is an argument that never goes back. Not thread-safe: the caller locks. Tickets
 * live in the memory of whoever asks, from flow_level_arrive() until flow_level_leave(). */
#ifndef APISERVER_FLOW_LEVEL_H
#define APISERVER_FLOW_LEVEL_H
#include "apiserver/flow_timing.h"
#include "lib/base/list.h"
#include <stdint.h>

struct flow_level;

struct flow_level_config {
    bool exempt;      /* Nobody waits and nobody is refused; seats are only counted. */
    uint32_t queues;  /* 0: who finds no seat is refused. At most FLOW_QUEUES_MAX. */
    uint32_t hand;    /* Queues a flow is dealt, 1 to `queues`. */
    uint32_t waiting; /* At most this many tickets in one queue. */
};

enum flow_state { FLOW_OUT, FLOW_WAITS, FLOW_SITS };

struct flow_ticket {
    struct list node; /* All of this is the level's. */
    struct list seat; /* In the level's list of those who sit. */
    enum flow_state state;
    uint32_t seats;
    uint64_t hash;
    uint32_t queue;
    uint32_t shape;    /* Of the level when it got its queue. */
    uint64_t since_ns; /* Since when it waits, or sits. */
};

/* Seats wanted (sitting and waiting) since the last call of flow_level_demand(). */
struct flow_demand {
    double mean, deviation; /* Weighted by time. */
    uint32_t high;
};

MUST_USE struct flow_level *flow_level_new(uint64_t now_ns);
void flow_level_free(struct flow_level *level); /* Nobody sits or waits any more. */

/* Waiting tickets move to the new queues, in their order, even where those are shorter. */
void flow_level_configure(struct flow_level *level, const struct flow_level_config *config,
                          uint64_t now_ns);
/* `measure`: the seats that ratios are of, 1 or more. */
void flow_level_set_seats(struct flow_level *level, uint32_t seats, uint32_t measure,
                          uint64_t now_ns);

/* FLOW_SITS: go on. FLOW_WAITS: flow_level_next() will name it. FLOW_OUT: refused. One that wants
 * more seats than there are gets them all. */
enum flow_state flow_level_arrive(struct flow_level *level, struct flow_ticket *ticket,
                                  uint64_t hash, uint32_t seats, uint64_t now_ns);
/* The next one that waited and sits now; NULL when there is none. To be asked again after each
 * departure and each change of seats. */
struct flow_ticket *flow_level_next(struct flow_level *level, uint64_t now_ns);
/* Who is next and waits although some seats are free; NULL when there is nobody. */
struct flow_ticket *flow_level_too_wide(const struct flow_level *level);
/* Gives up its seats, or its place in the queue. */
void flow_level_leave(struct flow_level *level, struct flow_ticket *ticket, uint64_t now_ns);

uint32_t flow_level_sitting(const struct flow_level *level); /* Seats in use. */
uint32_t flow_level_waiting(const struct flow_level *level); /* Tickets. */
bool flow_level_has_queues(const struct flow_level *level);
/* How many stand in the queue of one who waits. */
uint32_t flow_level_queue_length(const struct flow_level *level, const struct flow_ticket *ticket);

/* --- To be shown --- */

struct flow_level_facts {
    uint32_t queues, active_queues; /* In which somebody waits. */
    uint32_t waiting, executing;    /* Tickets. */
    uint64_t dispatched, rejected;  /* Ever. */
};

struct flow_queue_facts {
    uint32_t waiting, waiting_seats, executing, seats_in_use;
    double next_start, waiting_work; /* Seconds of virtual time; of seats. */
};

struct flow_level_facts flow_level_facts(const struct flow_level *level);
struct flow_queue_facts flow_level_queue_facts(const struct flow_level *level, uint32_t queue);
/* Those who wait, queue by queue, then those who sit. `queue` is -1 for those who stood in none,
 * `place` for those who sit. */
void flow_level_each(const struct flow_level *level,
                     void (*each)(void *data, const struct flow_ticket *ticket, int64_t queue,
                                  int64_t place),
                     void *data);
struct flow_demand flow_level_demand(struct flow_level *level, uint64_t now_ns);

/* Seats taken, seats wanted and requests that sit, as parts of the seats that there are; requests
 * that wait as a part of the places that there are to wait. */
struct flow_timings {
    struct flow_timing seats, demand, executing, waiting;
};
/* Since the last call. */
struct flow_timings flow_level_timings(struct flow_level *level, uint64_t now_ns);

/* Fair queuing, in seconds of virtual time. The lowest and highest of what the first request of a
 * queue is to start at are those of the last time that one of several queues was served;
 * `discounted`: less what its requests that sit are taken to need. */
struct flow_virtual_facts {
    double now, dispatched_at, latest_start;
    double least_start, most_start;
    double least_discounted, most_discounted;
};
struct flow_virtual_facts flow_level_virtual_facts(const struct flow_level *level);
#endif
