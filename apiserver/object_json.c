#include "apiserver/object_json.h"

#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

/* What a line of a watch has around its object. */
#define EVENT_HEAD "{\"type\":\"%s\",\"object\":"
#define EVENT_TAIL "}\n"
enum {
    TIDY_BATCH = 4096
}; /* Slots, while the others wait for the shelf: a tenth of a millisecond. */

/* Three views of the same bytes, each a chunk of its own: room for EVENT_HEAD, the object,
 * EVENT_TAIL. */
struct object_json {
    struct chunk views[OBJECT_JSON_EVENT + 1];
    const char *event_type; /* NULL: the head is not written yet. */
    atomic_size_t parts;    /* Views that are still referenced. */
    uint8_t *bytes;
    struct object_json *next; /* While it is being taken away. */
};

struct json_shelf {
    atomic_size_t references;
    pthread_mutex_t lock;
    struct list slots;
    size_t count;
    struct env *env;
    struct env_timer tidy;
};

/* --- An encoding --- */

static void part_free(struct object_json *json)
{
    if (atomic_fetch_sub_explicit(&json->parts, 1, memory_order_acq_rel) == 1) {
        free(json->bytes);
        free(json);
    }
}

static void whole_free(struct chunk *chunk)
{
    part_free(CONTAINER_OF(chunk, struct object_json, views[OBJECT_JSON_WHOLE]));
}

static void members_free(struct chunk *chunk)
{
    part_free(CONTAINER_OF(chunk, struct object_json, views[OBJECT_JSON_MEMBERS]));
}

static void event_free(struct chunk *chunk)
{
    part_free(CONTAINER_OF(chunk, struct object_json, views[OBJECT_JSON_EVENT]));
}

static void json_unref(struct object_json *json)
{
    for (size_t i = ARRAY_LEN(json->views); i > 0; i--) {
        chunk_unref(&json->views[i - 1]);
    }
}

struct object_json *object_json_new(struct buffer *text_consume, size_t members)
{
    size_t end = text_consume->len;
    buffer_append_text(text_consume, EVENT_TAIL);
    if (buffer_error(text_consume) < 0 || end < OBJECT_JSON_ROOM + members) {
        return NULL;
    }
    struct object_json *json = alloc_zeroed(sizeof(*json));
    size_t len = 0;
    json->bytes = buffer_take(text_consume, &len);
    json->bytes = alloc_resize(json->bytes, len, 1); /* It may last long. */
    struct slice object = slice_of(json->bytes + OBJECT_JSON_ROOM, end - OBJECT_JSON_ROOM);
    atomic_init(&json->parts, ARRAY_LEN(json->views));
    chunk_init(&json->views[OBJECT_JSON_WHOLE], object, whole_free);
    chunk_init(&json->views[OBJECT_JSON_MEMBERS],
               slice_of(object.data + members, object.len - members), members_free);
    chunk_init(&json->views[OBJECT_JSON_EVENT], slice_of(object.data, 0), event_free);
    return json;
}

/* Writes the head so that it ends where the object begins. */
static void make_event(struct object_json *json, const char *type)
{
    char head[OBJECT_JSON_ROOM + 1];
    size_t len = (size_t)snprintf(head, sizeof(head), EVENT_HEAD, type);
    assert(len <= OBJECT_JSON_ROOM);
    uint8_t *start = json->bytes + OBJECT_JSON_ROOM - len;
    memcpy(start, head, len);
    json->event_type = type;
    json->views[OBJECT_JSON_EVENT].bytes =
        slice_of(start, len + json->views[OBJECT_JSON_WHOLE].bytes.len + strlen(EVENT_TAIL));
}

/* --- A slot. Its lock is held for a few instructions; the shelf's comes before it. --- */

void json_slot_init(struct json_slot *slot, struct json_shelf *shelf)
{
    *slot = (struct json_slot){.shelf = shelf};
    list_init(&slot->node);
    pthread_spin_init(&slot->lock, PTHREAD_PROCESS_PRIVATE);
}

bool json_slot_is_filled(struct json_slot *slot)
{
    pthread_spin_lock(&slot->lock);
    bool filled = slot->json != NULL;
    pthread_spin_unlock(&slot->lock);
    return filled;
}

bool json_slot_take(struct json_slot *slot, enum object_json_view view, const char *type,
                    struct chunk **ret_chunk)
{
    pthread_spin_lock(&slot->lock);
    struct object_json *json = slot->json;
    bool found = json != NULL;
    if (found) {
        bool event = view == OBJECT_JSON_EVENT;
        if (event && json->event_type == NULL) {
            make_event(json, type);
        }
        bool same = !event || strcmp(json->event_type, type) == 0;
        *ret_chunk = same ? chunk_ref(&json->views[view]) : NULL;
        slot->used = true;
    }
    pthread_spin_unlock(&slot->lock);
    return found;
}

static void shelf_unref(struct json_shelf *shelf)
{
    if (atomic_fetch_sub(&shelf->references, 1) == 1) {
        pthread_mutex_destroy(&shelf->lock);
        free(shelf);
    }
}

void json_slot_put(struct json_slot *slot, struct object_json *json_consume)
{
    pthread_spin_lock(&slot->lock);
    bool first = slot->json == NULL;
    if (first) {
        slot->json = json_consume;
        slot->used = true;
    }
    pthread_spin_unlock(&slot->lock);
    if (!first) {
        json_unref(json_consume);
    } else if (slot->shelf != NULL) {
        /* Only what is on the shelf is taken away: until then the slot stays as it is. */
        atomic_fetch_add(&slot->shelf->references, 1);
        pthread_mutex_lock(&slot->shelf->lock);
        list_push_back(&slot->shelf->slots, &slot->node);
        slot->shelf->count++;
        pthread_mutex_unlock(&slot->shelf->lock);
    }
}

void json_slot_release(struct json_slot *slot)
{
    if (!json_slot_is_filled(slot)) {
        return;
    }
    if (slot->shelf == NULL) {
        json_unref(slot->json);
        return;
    }
    pthread_mutex_lock(&slot->shelf->lock);
    struct object_json *json = slot->json; /* NULL: it was taken away just now. */
    if (json != NULL) {
        list_remove(&slot->node);
        slot->shelf->count--;
    }
    pthread_mutex_unlock(&slot->shelf->lock);
    if (json != NULL) {
        json_unref(json);
        shelf_unref(slot->shelf);
    }
}

/* --- The shelf --- */

static size_t free_all(struct json_shelf *shelf, struct object_json *first)
{
    size_t bytes = 0;
    while (first != NULL) {
        struct object_json *json = first;
        first = json->next;
        bytes += json->views[OBJECT_JSON_WHOLE].bytes.len;
        json_unref(json);
        shelf_unref(shelf);
    }
    return bytes;
}

/* Takes the encoding out unless it was used: then it goes to the end. */
static struct object_json *age(struct json_shelf *shelf, struct json_slot *slot)
{
    struct object_json *unused = NULL;
    list_remove(&slot->node);
    pthread_spin_lock(&slot->lock);
    if (slot->used) {
        slot->used = false;
        list_push_back(&shelf->slots, &slot->node);
    } else {
        unused = slot->json;
        slot->json = NULL;
        shelf->count--;
    }
    pthread_spin_unlock(&slot->lock); /* From here on the slot may be gone. */
    return unused;
}

/* One batch of `*left`. */
static size_t tidy_some(struct json_shelf *shelf, size_t *left)
{
    struct object_json *unused = NULL;
    pthread_mutex_lock(&shelf->lock);
    for (size_t i = 0; i<TIDY_BATCH && * left> 0; i++, (*left)--) {
        struct list *first = list_first(&shelf->slots);
        struct object_json *json =
            first == NULL ? NULL : age(shelf, LIST_ENTRY(first, struct json_slot, node));
        if (json != NULL) {
            json->next = unused;
            unused = json;
        }
    }
    pthread_mutex_unlock(&shelf->lock);
    return free_all(shelf, unused);
}

size_t json_shelf_tidy(struct json_shelf *shelf)
{
    pthread_mutex_lock(&shelf->lock);
    size_t left = shelf->count;
    pthread_mutex_unlock(&shelf->lock);
    size_t bytes = 0;
    while (left > 0) {
        bytes += tidy_some(shelf, &left);
    }
    return bytes;
}

static void on_tidy(void *data)
{
    struct json_shelf *shelf = data;
    if (json_shelf_tidy(shelf) >= OBJECT_JSON_TRIM_BYTES) {
        (void)malloc_trim(0); /* 0: there was nothing to give back. */
    }
    env_timer_start(shelf->env, &shelf->tidy, OBJECT_JSON_IDLE_MS / 2 * NS_PER_MS);
}

struct json_shelf *json_shelf_new(struct env *env)
{
    struct json_shelf *shelf = alloc_zeroed(sizeof(*shelf));
    atomic_init(&shelf->references, 1);
    pthread_mutex_init(&shelf->lock, NULL);
    list_init(&shelf->slots);
    shelf->env = env;
    shelf->tidy = (struct env_timer){.fire = on_tidy, .data = shelf};
    env_timer_start(env, &shelf->tidy, OBJECT_JSON_IDLE_MS / 2 * NS_PER_MS);
    return shelf;
}

void json_shelf_close(struct json_shelf *shelf)
{
    env_timer_stop(shelf->env, &shelf->tidy);
    shelf_unref(shelf);
}
