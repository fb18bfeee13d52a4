#include "lib/client/work_queue.h"

#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/client/limits.h"
#include <assert.h>
#include <stdlib.h>

enum item_state { ITEM_IDLE, ITEM_QUEUED, ITEM_TAKEN, ITEM_TAKEN_DIRTY };

struct item {
    enum item_state state;
    uint32_t failures;
    uint64_t due_ns; /* Meaningful while it waits (position != 0). */
    uint64_t sequence;
    size_t position;  /* In the heap of waiting items. */
    struct list link; /* In `queued` when QUEUED. */
    char key[];
};

struct work_queue {
    struct env *env;
    void (*ready)(void *data);
    void *data;
    struct hash_map *items; /* key -> item; gone when idle, not waiting and without failures. */
    struct list queued;
    size_t length;
    struct heap waiting;
    uint64_t sequence;
    struct env_timer wake;  /* Fires `ready` soon. */
    struct env_timer alarm; /* Fires when the first waiting item is due. */
};

static bool item_before(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    return left->due_ns != right->due_ns ? left->due_ns < right->due_ns
                                         : left->sequence < right->sequence;
}

static void wake_fired(void *data)
{
    struct work_queue *queue = data;
    queue->ready(queue->data);
}

static void alarm_arm(struct work_queue *queue)
{
    const struct item *first = heap_peek(&queue->waiting);
    if (first == NULL) {
        env_timer_stop(queue->env, &queue->alarm);
        return;
    }
    uint64_t now = env_now_ns(queue->env);
    env_timer_start(queue->env, &queue->alarm, first->due_ns > now ? first->due_ns - now : 0);
}

static void alarm_fired(void *data)
{
    struct work_queue *queue = data;
    uint64_t now = env_now_ns(queue->env);
    for (struct item *item = heap_peek(&queue->waiting); item != NULL && item->due_ns <= now;
         item = heap_peek(&queue->waiting)) {
        heap_pop(&queue->waiting);
        work_queue_add(queue, item->key);
    }
    alarm_arm(queue);
}

struct work_queue *work_queue_new(struct env *env, void (*ready)(void *data), void *data)
{
    struct work_queue *queue = alloc_zeroed(sizeof(*queue));
    queue->env = env;
    queue->ready = ready;
    queue->data = data;
    queue->items = hash_map_new(/* seed= */ 0x71756575);
    list_init(&queue->queued);
    heap_init(&queue->waiting, offsetof(struct item, position), item_before);
    queue->wake = (struct env_timer){.fire = wake_fired, .data = queue};
    queue->alarm = (struct env_timer){.fire = alarm_fired, .data = queue};
    return queue;
}

void work_queue_free(struct work_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    env_timer_stop(queue->env, &queue->wake);
    env_timer_stop(queue->env, &queue->alarm);
    heap_release(&queue->waiting);
    void *item;
    for (size_t at = 0; hash_map_next(queue->items, &at, NULL, &item);) {
        free(item);
    }
    hash_map_free(queue->items);
    free(queue);
}

static struct item *item_of(struct work_queue *queue, const char *key)
{
    struct slice name = slice_text(key);
    struct item *item = hash_map_get(queue->items, name);
    if (item != NULL) {
        return item;
    }
    if (hash_map_count(queue->items) >= CLIENT_QUEUE_MAX) {
        return NULL;
    }
    item = alloc_zeroed(sizeof(*item) + name.len + 1);
    memcpy(item->key, key, name.len);
    list_init(&item->link);
    hash_map_set(queue->items, name, item);
    return item;
}

static void item_drop_if_idle(struct work_queue *queue, struct item *item)
{
    if (item->state == ITEM_IDLE && item->position == 0 && item->failures == 0) {
        hash_map_remove(queue->items, slice_text(item->key));
        free(item);
    }
}

void work_queue_wake(struct work_queue *queue)
{
    if (queue->wake.position == 0) {
        env_timer_start(queue->env, &queue->wake, /* delay_ns= */ 0);
    }
}

void work_queue_add(struct work_queue *queue, const char *key)
{
    struct item *item = item_of(queue, key);
    if (item == NULL) {
        return;
    }
    switch (item->state) {
    case ITEM_IDLE:
        item->state = ITEM_QUEUED;
        list_push_back(&queue->queued, &item->link);
        queue->length++;
        break;
    case ITEM_TAKEN:
        item->state = ITEM_TAKEN_DIRTY;
        break;
    case ITEM_QUEUED:
    case ITEM_TAKEN_DIRTY:
        return;
    }
    work_queue_wake(queue);
}

void work_queue_add_after(struct work_queue *queue, const char *key, uint64_t delay_ns)
{
    if (delay_ns == 0) {
        work_queue_add(queue, key);
        return;
    }
    struct item *item = item_of(queue, key);
    if (item == NULL) {
        return;
    }
    uint64_t due = env_now_ns(queue->env) + delay_ns;
    if (item->position == 0) {
        item->due_ns = due;
        item->sequence = queue->sequence++;
        heap_push(&queue->waiting, item);
    } else if (due < item->due_ns) {
        item->due_ns = due;
        heap_update(&queue->waiting, item);
    }
    alarm_arm(queue);
}

void work_queue_add_rate_limited(struct work_queue *queue, const char *key)
{
    struct item *item = item_of(queue, key);
    if (item == NULL) {
        return;
    }
    uint64_t delay_ms = CLIENT_BACKOFF_MAX_MS;
    if (item->failures < 32) {
        uint64_t doubled = (uint64_t)CLIENT_BACKOFF_MIN_MS << item->failures;
        delay_ms = doubled < CLIENT_BACKOFF_MAX_MS ? doubled : CLIENT_BACKOFF_MAX_MS;
    }
    item->failures++;
    work_queue_add_after(queue, key, delay_ms * NS_PER_MS);
}

void work_queue_forget(struct work_queue *queue, const char *key)
{
    struct item *item = hash_map_get(queue->items, slice_text(key));
    if (item != NULL) {
        item->failures = 0;
        item_drop_if_idle(queue, item);
    }
}

uint32_t work_queue_failures(const struct work_queue *queue, const char *key)
{
    const struct item *item = hash_map_get(queue->items, slice_text(key));
    return item == NULL ? 0 : item->failures;
}

const char *work_queue_take(struct work_queue *queue)
{
    struct list *link = list_first(&queue->queued);
    if (link == NULL) {
        return NULL;
    }
    struct item *item = LIST_ENTRY(link, struct item, link);
    assert(item->state == ITEM_QUEUED);
    list_remove(&item->link);
    queue->length--;
    item->state = ITEM_TAKEN;
    return item->key;
}

void work_queue_done(struct work_queue *queue, const char *key)
{
    struct item *item = hash_map_get(queue->items, slice_text(key));
    assert(item != NULL);
    assert(item->state == ITEM_TAKEN || item->state == ITEM_TAKEN_DIRTY);
    bool dirty = item->state == ITEM_TAKEN_DIRTY;
    item->state = ITEM_IDLE;
    if (dirty) {
        work_queue_add(queue, item->key);
    }
    item_drop_if_idle(queue, item);
}

size_t work_queue_length(const struct work_queue *queue)
{
    return queue->length;
}

void work_queue_drop(struct work_queue *queue)
{
    void *value;
    for (size_t at = 0; hash_map_next(queue->items, &at, NULL, &value);) {
        struct item *item = value;
        heap_remove(&queue->waiting, item);
        item->failures = 0;
        if (item->state == ITEM_QUEUED) {
            list_remove(&item->link);
            queue->length--;
            item->state = ITEM_IDLE;
        } else if (item->state == ITEM_TAKEN_DIRTY) {
            item->state = ITEM_TAKEN;
        }
        item_drop_if_idle(queue, item);
    }
    env_timer_stop(queue->env, &queue->alarm);
    env_timer_stop(queue->env, &queue->wake);
}
