#include "apiserver/flow_level.h"

#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* What a request is taken to need before its end shows what it did need. */
static const double expected_seconds = 0.003;
static const double ns_per_second = 1e9;

struct flow_queue {
    struct list tickets;
    uint32_t waiting; /* Tickets. */
    uint32_t waiting_seats;
    uint32_t work;     /* Seats of those that wait and those that sit. */
    double next_start; /* In virtual seconds: when the next one would start under fair service. */
};

struct flow_level {
    struct flow_level_config config;
    uint32_t seats;
    uint32_t sitting;        /* Seats in use. */
    uint32_t waiting;        /* Tickets. */
    uint32_t waiting_seats;  /* Theirs. */
    uint32_t shape;          /* Counts changes of the queues. */
    struct list seats_taken; /* Tickets that sit. */
    uint32_t executing;      /* How many. */
    uint64_t dispatched, rejected;
    struct flow_queue *queues;
    uint32_t busy_queues; /* With work. */
    double virtual_time;
    uint64_t now_ns;
    /* Of the demand, since window_ns. */
    uint64_t window_ns;
    double sum, squares; /* Demand (squared) times seconds. */
    uint32_t high;
    uint32_t measure; /* Seats that ratios are of. */
    struct flow_timings timings;
    struct flow_virtual_facts facts;
};

/* A level without queues still has one to count in, and for those that waited when it lost them. */
static uint32_t queue_count(const struct flow_level *level)
{
    return level->config.queues == 0 ? 1 : level->config.queues;
}

static uint32_t demand(const struct flow_level *level)
{
    return level->sitting + level->waiting_seats;
}

static void pass_time(struct flow_level *level, uint64_t ns)
{
    const struct flow_level_config *config = &level->config;
    double seats = level->measure, places = (double)config->queues * config->waiting;
    struct flow_timings *timings = &level->timings;
    flow_timing_pass(&timings->seats, &flow_utilization_bounds, level->sitting / seats, ns);
    flow_timing_pass(&timings->demand, &flow_demand_bounds, demand(level) / seats, ns);
    flow_timing_pass(&timings->executing, &flow_request_bounds, level->executing / seats, ns);
    flow_timing_pass(&timings->waiting, &flow_request_bounds, level->waiting / fmax(1, places), ns);
}

/* Virtual time passes as fast as each busy queue is served. */
static void advance(struct flow_level *level, uint64_t now_ns)
{
    if (now_ns <= level->now_ns) {
        return;
    }
    double seconds = (double)(now_ns - level->now_ns) / ns_per_second, wanted = demand(level);
    pass_time(level, now_ns - level->now_ns);
    level->sum += wanted * seconds;
    level->squares += wanted * wanted * seconds;
    if (level->busy_queues > 0) {
        double served = fmin(wanted, level->seats);
        level->virtual_time += seconds * served / level->busy_queues;
    }
    level->now_ns = now_ns;
}

static void note_demand(struct flow_level *level)
{
    uint32_t wanted = demand(level);
    level->high = wanted > level->high ? wanted : level->high;
}

/* --- Queues --- */

static void queue_add_work(struct flow_level *level, struct flow_queue *queue, uint32_t seats)
{
    if (queue->work == 0) {
        level->busy_queues++;
        /* A queue that had nothing to do has saved nothing up. */
        queue->next_start = fmax(queue->next_start, level->virtual_time);
    }
    queue->work += seats;
}

static void queue_drop_work(struct flow_level *level, struct flow_queue *queue, uint32_t seats)
{
    assert(queue->work >= seats);
    queue->work -= seats;
    level->busy_queues -= queue->work == 0;
}

/* Of the queues dealt to this flow, the one with the least work. Each card is drawn from those that
 * are left, which is what keeps the cards of a hand apart (KEP-1040, "Shuffle sharding"). */
static uint32_t choose_queue(const struct flow_level *level, uint64_t hash)
{
    uint32_t hand[FLOW_HAND_MAX];
    uint32_t best = 0;
    for (uint32_t i = 0; i < level->config.hand && level->config.queues > 0; i++) {
        uint32_t left = level->config.queues - i;
        uint32_t card = (uint32_t)(hash % left);
        hash /= left;
        uint32_t at = 0; /* `hand` is kept sorted. */
        while (at < i && hand[at] <= card) {
            card++;
            at++;
        }
        for (uint32_t j = i; j > at; j--) {
            hand[j] = hand[j - 1];
        }
        hand[at] = card;
        if (i == 0 || level->queues[card].work < level->queues[best].work) {
            best = card;
        }
    }
    return best;
}

static void enqueue(struct flow_level *level, struct flow_ticket *ticket)
{
    struct flow_queue *queue = &level->queues[ticket->queue];
    queue_add_work(level, queue, ticket->seats);
    list_push_back(&queue->tickets, &ticket->node);
    queue->waiting++;
    queue->waiting_seats += ticket->seats;
    level->waiting++;
    level->waiting_seats += ticket->seats;
    ticket->state = FLOW_WAITS;
}

static void dequeue(struct flow_level *level, struct flow_ticket *ticket)
{
    struct flow_queue *queue = &level->queues[ticket->queue];
    list_remove(&ticket->node);
    queue_drop_work(level, queue, ticket->seats);
    queue->waiting--;
    queue->waiting_seats -= ticket->seats;
    level->waiting--;
    level->waiting_seats -= ticket->seats;
    ticket->state = FLOW_OUT;
}

/* The queue whose first ticket would end first under fair service. */
static struct flow_queue *next_queue(const struct flow_level *level)
{
    struct flow_queue *best = NULL;
    double best_end = 0;
    for (uint32_t i = 0; i < queue_count(level); i++) {
        struct flow_queue *queue = &level->queues[i];
        struct list *first = list_first(&queue->tickets);
        if (first == NULL) {
            continue;
        }
        const struct flow_ticket *ticket = LIST_ENTRY(first, struct flow_ticket, node);
        double end = queue->next_start + ticket->seats * expected_seconds;
        if (best == NULL || end < best_end) {
            best = queue;
            best_end = end;
        }
    }
    return best;
}

/* --- Seats --- */

static bool has_seats(const struct flow_level *level, uint32_t seats)
{
    return level->sitting == 0 || (uint64_t)level->sitting + seats <= level->seats;
}

static void sit(struct flow_level *level, struct flow_ticket *ticket)
{
    ticket->state = FLOW_SITS;
    ticket->since_ns = level->now_ns;
    ticket->shape = level->shape;
    level->sitting += ticket->seats;
    level->executing++;
    level->dispatched++;
    list_push_back(&level->seats_taken, &ticket->seat);
    struct flow_queue *queue = &level->queues[ticket->queue];
    queue_add_work(level, queue, ticket->seats);
    level->facts.dispatched_at = level->virtual_time;
    level->facts.latest_start = queue->next_start;
    queue->next_start += ticket->seats * expected_seconds;
}

static void stand_up(struct flow_level *level, struct flow_ticket *ticket)
{
    level->sitting -= ticket->seats;
    level->executing--;
    list_remove(&ticket->seat);
    ticket->state = FLOW_OUT;
    if (ticket->shape != level->shape) {
        return; /* It sat down under another order of queues. */
    }
    struct flow_queue *queue = &level->queues[ticket->queue];
    double took = (double)(level->now_ns - ticket->since_ns) / ns_per_second;
    queue->next_start += ticket->seats * (took - expected_seconds);
    queue_drop_work(level, queue, ticket->seats);
}

enum flow_state flow_level_arrive(struct flow_level *level, struct flow_ticket *ticket,
                                  uint64_t hash, uint32_t seats, uint64_t now_ns)
{
    advance(level, now_ns);
    *ticket = (struct flow_ticket){
        .hash = hash, .seats = seats == 0 ? 1 : seats, .since_ns = level->now_ns};
    list_init(&ticket->node);
    list_init(&ticket->seat);
    ticket->queue = choose_queue(level, hash);
    bool may_wait =
        level->config.queues > 0 && level->queues[ticket->queue].waiting < level->config.waiting;
    if (level->config.exempt || (level->waiting == 0 && has_seats(level, ticket->seats))) {
        sit(level, ticket);
    } else if (may_wait) {
        enqueue(level, ticket);
    } else {
        level->rejected++;
    }
    note_demand(level);
    return ticket->state;
}

/* Where the queues stand in which somebody waits, of which there is one. */
static void note_starts(struct flow_level *level)
{
    struct flow_virtual_facts *facts = &level->facts;
    bool first = true;
    for (uint32_t i = 0; i < queue_count(level); i++) {
        const struct flow_queue *queue = &level->queues[i];
        if (queue->waiting == 0) {
            continue;
        }
        double start = queue->next_start;
        double discounted = start - (queue->work - queue->waiting_seats) * expected_seconds;
        facts->least_start = first ? start : fmin(facts->least_start, start);
        facts->most_start = first ? start : fmax(facts->most_start, start);
        facts->least_discounted = first ? discounted : fmin(facts->least_discounted, discounted);
        facts->most_discounted = first ? discounted : fmax(facts->most_discounted, discounted);
        first = false;
    }
}

/* Of those who wait: there must be one. */
static struct flow_ticket *first_ticket(const struct flow_level *level)
{
    struct flow_queue *queue = next_queue(level);
    return LIST_ENTRY(list_first(&queue->tickets), struct flow_ticket, node);
}

struct flow_ticket *flow_level_too_wide(const struct flow_level *level)
{
    if (level->waiting == 0 || level->sitting >= level->seats) {
        return NULL;
    }
    struct flow_ticket *ticket = first_ticket(level);
    return level->config.exempt || has_seats(level, ticket->seats) ? NULL : ticket;
}

struct flow_ticket *flow_level_next(struct flow_level *level, uint64_t now_ns)
{
    advance(level, now_ns);
    if (level->waiting == 0) {
        return NULL;
    }
    struct flow_ticket *ticket = first_ticket(level);
    /* A wide one is not overtaken, or it would never find its seats. */
    if (!level->config.exempt && !has_seats(level, ticket->seats)) {
        return NULL;
    }
    note_starts(level);
    dequeue(level, ticket);
    sit(level, ticket);
    return ticket;
}

void flow_level_leave(struct flow_level *level, struct flow_ticket *ticket, uint64_t now_ns)
{
    advance(level, now_ns);
    assert(ticket->state != FLOW_OUT);
    if (ticket->state == FLOW_WAITS) {
        dequeue(level, ticket);
    } else {
        stand_up(level, ticket);
    }
}

/* --- Shape --- */

static void collect_waiting(struct flow_level *level, struct list *ret_tickets)
{
    list_init(ret_tickets);
    for (uint32_t i = 0; i < queue_count(level); i++) {
        LIST_FOREACH(node, next, &level->queues[i].tickets)
        {
            struct flow_ticket *ticket = LIST_ENTRY(node, struct flow_ticket, node);
            dequeue(level, ticket);
            list_push_back(ret_tickets, &ticket->node);
        }
    }
}

static void make_queues(struct flow_level *level, const struct flow_level_config *config)
{
    free(level->queues);
    level->config = *config;
    level->queues = alloc_array(queue_count(level), sizeof(*level->queues));
    level->busy_queues = 0;
    level->shape++;
    for (uint32_t i = 0; i < queue_count(level); i++) {
        level->queues[i] = (struct flow_queue){.next_start = level->virtual_time};
        list_init(&level->queues[i].tickets);
    }
}

void flow_level_configure(struct flow_level *level, const struct flow_level_config *config,
                          uint64_t now_ns)
{
    assert(config->queues <= FLOW_QUEUES_MAX && config->hand <= FLOW_HAND_MAX);
    assert(config->queues == 0 || (config->hand >= 1 && config->hand <= config->queues));
    advance(level, now_ns);
    if (config->queues == level->config.queues && config->hand == level->config.hand) {
        level->config = *config;
        return;
    }
    struct list tickets;
    collect_waiting(level, &tickets);
    make_queues(level, config);
    LIST_FOREACH(node, next, &tickets)
    {
        struct flow_ticket *ticket = LIST_ENTRY(node, struct flow_ticket, node);
        list_remove(node);
        ticket->queue = choose_queue(level, ticket->hash);
        enqueue(level, ticket);
    }
}

void flow_level_set_seats(struct flow_level *level, uint32_t seats, uint32_t measure,
                          uint64_t now_ns)
{
    assert(measure > 0);
    advance(level, now_ns);
    level->seats = seats;
    level->measure = measure;
}

struct flow_level *flow_level_new(uint64_t now_ns)
{
    struct flow_level *level = alloc_zeroed(sizeof(*level));
    level->now_ns = now_ns;
    level->window_ns = now_ns;
    level->measure = 1;
    list_init(&level->seats_taken);
    make_queues(level, &(struct flow_level_config){.queues = 0});
    return level;
}

void flow_level_free(struct flow_level *level)
{
    if (level != NULL) {
        assert(level->waiting == 0 && level->sitting == 0);
        free(level->queues);
        free(level);
    }
}

uint32_t flow_level_sitting(const struct flow_level *level)
{
    return level->sitting;
}

uint32_t flow_level_waiting(const struct flow_level *level)
{
    return level->waiting;
}

bool flow_level_has_queues(const struct flow_level *level)
{
    return level->config.queues > 0;
}

uint32_t flow_level_queue_length(const struct flow_level *level, const struct flow_ticket *ticket)
{
    return level->queues[ticket->queue].waiting;
}

struct flow_demand flow_level_demand(struct flow_level *level, uint64_t now_ns)
{
    advance(level, now_ns);
    double seconds = (double)(level->now_ns - level->window_ns) / ns_per_second;
    struct flow_demand seen = {.mean = demand(level), .high = level->high};
    if (seconds > 0) {
        seen.mean = level->sum / seconds;
        seen.deviation = sqrt(fmax(0, level->squares / seconds - seen.mean * seen.mean));
    }
    level->window_ns = level->now_ns;
    level->sum = level->squares = 0;
    level->high = demand(level);
    return seen;
}

struct flow_timings flow_level_timings(struct flow_level *level, uint64_t now_ns)
{
    advance(level, now_ns);
    struct flow_timings passed = level->timings;
    level->timings = (struct flow_timings){.seats = {.sum = 0}};
    return passed;
}

/* --- To be shown --- */

struct flow_virtual_facts flow_level_virtual_facts(const struct flow_level *level)
{
    struct flow_virtual_facts facts = level->facts;
    facts.now = level->virtual_time;
    return facts;
}

struct flow_level_facts flow_level_facts(const struct flow_level *level)
{
    struct flow_level_facts facts = {.queues = level->config.queues,
                                     .waiting = level->waiting,
                                     .executing = level->executing,
                                     .dispatched = level->dispatched,
                                     .rejected = level->rejected};
    for (uint32_t i = 0; i < queue_count(level); i++) {
        facts.active_queues += level->queues[i].waiting > 0;
    }
    return facts;
}

/* Where a ticket that sits stood, or would have; -1 for none of the queues that are there. */
static int64_t queue_of(const struct flow_level *level, const struct flow_ticket *ticket)
{
    return level->config.queues > 0 && ticket->shape == level->shape ? (int64_t)ticket->queue : -1;
}

struct flow_queue_facts flow_level_queue_facts(const struct flow_level *level, uint32_t queue)
{
    assert(queue < queue_count(level));
    const struct flow_queue *at = &level->queues[queue];
    struct flow_queue_facts facts = {
        .waiting = at->waiting, .waiting_seats = at->waiting_seats, .next_start = at->next_start};
    LIST_FOREACH(node, next, &level->seats_taken)
    {
        const struct flow_ticket *ticket = LIST_ENTRY(node, struct flow_ticket, seat);
        if (queue_of(level, ticket) == (int64_t)queue) {
            facts.executing++;
            facts.seats_in_use += ticket->seats;
        }
    }
    facts.waiting_work = facts.waiting_seats * expected_seconds;
    return facts;
}

void flow_level_each(const struct flow_level *level,
                     void (*each)(void *data, const struct flow_ticket *ticket, int64_t queue,
                                  int64_t place),
                     void *data)
{
    for (uint32_t i = 0; i < queue_count(level); i++) {
        int64_t place = 0;
        LIST_FOREACH(node, next, &level->queues[i].tickets)
        {
            each(data, LIST_ENTRY(node, struct flow_ticket, node), (int64_t)i, place++);
        }
    }
    LIST_FOREACH(node, next, &level->seats_taken)
    {
        const struct flow_ticket *ticket = LIST_ENTRY(node, struct flow_ticket, seat);
        each(data, ticket, queue_of(level, ticket), -1);
    }
}
