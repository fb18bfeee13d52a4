#include "scheduler/queue.h"

#include "lib/base/env.h"
#include "scheduler/limits.h"
#include <assert.h>

static bool active_before(const void *a, const void *b)
{
    const struct queue_entry *left = a, *right = b;
    if (left->priority != right->priority) {
        return left->priority > right->priority;
    }
    return left->since_ns != right->since_ns ? left->since_ns < right->since_ns
                                             : left->sequence < right->sequence;
}

static bool backoff_before(const void *a, const void *b)
{
    const struct queue_entry *left = a, *right = b;
    return left->backoff_until_ns != right->backoff_until_ns
               ? left->backoff_until_ns < right->backoff_until_ns
               : left->sequence < right->sequence;
}

void queue_init(struct queue *queue)
{
    *queue = (struct queue){0};
    heap_init(&queue->active, offsetof(struct queue_entry, position), active_before);
    heap_init(&queue->backoff, offsetof(struct queue_entry, position), backoff_before);
    list_init(&queue->unschedulable);
}

void queue_release(struct queue *queue)
{
    heap_release(&queue->active);
    heap_release(&queue->backoff);
}

void queue_entry_init(struct queue_entry *entry, int32_t priority, uint64_t now_ns)
{
    *entry = (struct queue_entry){.priority = priority, .since_ns = now_ns};
    list_init(&entry->link);
}

void queue_add(struct queue *queue, struct queue_entry *entry)
{
    queue_remove(queue, entry);
    entry->place = QUEUE_ACTIVE;
    entry->sequence = queue->sequence++;
    heap_push(&queue->active, entry);
}

void queue_remove(struct queue *queue, struct queue_entry *entry)
{
    switch (entry->place) {
    case QUEUE_NONE:
        break;
    case QUEUE_ACTIVE:
        heap_remove(&queue->active, entry);
        break;
    case QUEUE_BACKOFF:
        heap_remove(&queue->backoff, entry);
        break;
    case QUEUE_UNSCHEDULABLE:
        list_remove(&entry->link);
        break;
    }
    entry->place = QUEUE_NONE;
}

struct queue_entry *queue_pop(struct queue *queue)
{
    struct queue_entry *entry = heap_pop(&queue->active);
    if (entry != NULL) {
        entry->place = QUEUE_NONE;
        entry->attempts++;
    }
    return entry;
}

static uint64_t backoff_ns(const struct queue_entry *entry)
{
    uint64_t ms = SCHEDULER_BACKOFF_MIN_MS;
    for (uint32_t i = 1; i < entry->attempts && ms < SCHEDULER_BACKOFF_MAX_MS; i++) {
        ms *= 2;
    }
    return (ms < SCHEDULER_BACKOFF_MAX_MS ? ms : SCHEDULER_BACKOFF_MAX_MS) * NS_PER_MS;
}

static void enter_backoff(struct queue *queue, struct queue_entry *entry)
{
    entry->place = QUEUE_BACKOFF;
    entry->sequence = queue->sequence++;
    heap_push(&queue->backoff, entry);
}

void queue_back_off(struct queue *queue, struct queue_entry *entry, uint64_t now_ns)
{
    assert(entry->place == QUEUE_NONE);
    entry->backoff_until_ns = now_ns + backoff_ns(entry);
    enter_backoff(queue, entry);
}

void queue_park(struct queue *queue, struct queue_entry *entry, uint32_t filters, uint64_t now_ns)
{
    assert(entry->place == QUEUE_NONE);
    entry->place = QUEUE_UNSCHEDULABLE;
    entry->filters = filters;
    entry->parked_ns = now_ns;
    entry->backoff_until_ns = now_ns + backoff_ns(entry);
    list_push_back(&queue->unschedulable, &entry->link);
}

/* Out of the unschedulable ones: to back-off when that is not over, else to be tried. */
static void unpark(struct queue *queue, struct queue_entry *entry, uint64_t now_ns)
{
    queue_remove(queue, entry);
    if (entry->backoff_until_ns > now_ns) {
        enter_backoff(queue, entry);
    } else {
        queue_add(queue, entry);
    }
}

void queue_wake(struct queue *queue, uint32_t filters, uint64_t now_ns)
{
    LIST_FOREACH(link, next, &queue->unschedulable)
    {
        struct queue_entry *entry = LIST_ENTRY(link, struct queue_entry, link);
        if (entry->filters == 0 || (entry->filters & filters) != 0) {
            unpark(queue, entry, now_ns);
        }
    }
}

uint64_t queue_advance(struct queue *queue, uint64_t now_ns)
{
    for (struct queue_entry *entry = heap_peek(&queue->backoff);
         entry != NULL && entry->backoff_until_ns <= now_ns; entry = heap_peek(&queue->backoff)) {
        queue_add(queue, entry);
    }
    uint64_t limit = SCHEDULER_UNSCHEDULABLE_MS * NS_PER_MS;
    LIST_FOREACH(link, next_link, &queue->unschedulable)
    {
        struct queue_entry *entry = LIST_ENTRY(link, struct queue_entry, link);
        if (now_ns - entry->parked_ns >= limit) {
            unpark(queue, entry, now_ns);
        }
    }
    const struct queue_entry *waiting = heap_peek(&queue->backoff);
    uint64_t next = waiting == NULL ? UINT64_MAX : waiting->backoff_until_ns;
    uint64_t flush = now_ns + SCHEDULER_FLUSH_MS * NS_PER_MS;
    return !list_empty(&queue->unschedulable) && flush < next ? flush : next;
}
