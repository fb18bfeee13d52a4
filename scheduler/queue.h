/* The scheduling queue: pods to be tried now (by priority, then age), pods in back-off, and pods
 * that nothing fits until something changes. Pure: time is an argument. Entries are in the caller's
 * memory. */
#ifndef SCHEDULER_QUEUE_H
#define SCHEDULER_QUEUE_H
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include <stdint.h>

enum queue_place { QUEUE_NONE, QUEUE_ACTIVE, QUEUE_BACKOFF, QUEUE_UNSCHEDULABLE };

struct queue_entry {
    enum queue_place place;
    int32_t priority;
    uint64_t since_ns; /* When it came first; older goes first among equals. */
    uint64_t sequence;
    uint32_t attempts;
    uint64_t backoff_until_ns;
    uint64_t parked_ns; /* When it became unschedulable. */
    uint32_t filters;   /* What refused it: enum filter bits; 0 means anything may help. */
    size_t position;    /* In the heap of its place. */
    struct list link;   /* In the unschedulable ones. */
};

struct queue {
    struct heap active;
    struct heap backoff;
    struct list unschedulable;
    uint64_t sequence;
};

void queue_init(struct queue *queue);
void queue_release(struct queue *queue);
void queue_entry_init(struct queue_entry *entry, int32_t priority, uint64_t now_ns);
void queue_add(struct queue *queue, struct queue_entry *entry); /* Tries it as soon as possible. */
void queue_remove(struct queue *queue, struct queue_entry *entry); /* No-op when not in it. */
/* The best active one, taken out and its attempts counted; NULL when none. */
struct queue_entry *queue_pop(struct queue *queue);
/* It failed for a passing reason: again after its back-off. */
void queue_back_off(struct queue *queue, struct queue_entry *entry, uint64_t now_ns);
/* Nothing fits it. */
void queue_park(struct queue *queue, struct queue_entry *entry, uint32_t filters, uint64_t now_ns);
/* Something changed that may help those refused by any of `filters`. */
void queue_wake(struct queue *queue, uint32_t filters, uint64_t now_ns);
/* Moves what is due; returns the time of the next such moment, UINT64_MAX for none. */
uint64_t queue_advance(struct queue *queue, uint64_t now_ns);
#endif
