/* The JSON of a cached object: one encoding that its answers, list items and watch events share,
 * kept for as long as it is asked for now and then. Any thread. */
#ifndef APISERVER_OBJECT_JSON_H
#define APISERVER_OBJECT_JSON_H
#include "lib/base/env.h"
#include "lib/base/list.h"
#include "lib/net/chunk.h"
#include <pthread.h>

/* All encodings that may be taken away. Held by its owner and by each slot that has one. */
struct json_shelf;
MUST_USE struct json_shelf *json_shelf_new(struct env *env); /* Its timer is on this thread. */
void json_shelf_close(struct json_shelf *shelf); /* Drops the owner's hold; nothing ages more. */
/* Takes away what was not asked for since the last time; twice in OBJECT_JSON_IDLE_MS by itself.
 * Returns the bytes. */
size_t json_shelf_tidy(struct json_shelf *shelf);

struct buffer;
struct object_json;
/* `text` begins with OBJECT_JSON_ROOM bytes of any content, then comes the object, of which the
 * members begin at `members`. Takes the buffer's memory; NULL when the buffer overflowed. */
enum { OBJECT_JSON_ROOM = sizeof("{'type':'MODIFIED','object':") - 1 };
struct object_json *object_json_new(struct buffer *text_consume, size_t members);

enum object_json_view {
    OBJECT_JSON_WHOLE,   /* The object with kind and apiVersion, without a final newline. */
    OBJECT_JSON_MEMBERS, /* From the member "metadata" on: an item of a typed list behind "{". */
    OBJECT_JSON_EVENT,   /* The line that tells a watch of it. */
};

/* Where an object has its encoding, if any. */
struct json_slot {
    struct json_shelf *shelf; /* NULL: what is there stays. */
    struct object_json *json;
    struct list node; /* In the shelf, while there is something. */
    pthread_spinlock_t lock;
    bool used; /* Since the shelf was tidied. */
};

void json_slot_init(struct json_slot *slot, struct json_shelf *shelf);
void json_slot_release(struct json_slot *slot);
bool json_slot_is_filled(struct json_slot *slot);
/* A reference to that view in *ret_chunk, which is NULL for an event of another `type` (a literal)
 * than the first that was asked for: most watches see the same. False when there is nothing. */
MUST_USE bool json_slot_take(struct json_slot *slot, enum object_json_view view, const char *type,
                             struct chunk **ret_chunk);
/* Fills it, unless somebody was faster. */
void json_slot_put(struct json_slot *slot, struct object_json *json_consume);
#endif
