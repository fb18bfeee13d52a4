/* Memory for decoding: from an arena, never more than API_DECODED_BYTES_MAX for one input, so that
 * a small input of many empty objects cannot take the process down. Internal to lib/api. */
#ifndef LIB_API_DECODE_MEMORY_H
#define LIB_API_DECODE_MEMORY_H
#include "lib/api/schema.h"
#include "lib/base/arena.h"

struct decode_memory {
    struct arena *arena;
    size_t left;
    bool exhausted; /* Sticky; what was asked for last came back as NULL. */
};

void decode_memory_init(struct decode_memory *memory, struct arena *arena);
/* Zeroed, or NULL when exhausted. */
void *decode_take(struct decode_memory *memory, size_t size);
char *decode_text(struct decode_memory *memory, struct slice text); /* NUL is added. */
/* A message with its non-pointer API_OBJECT fields, or NULL when exhausted. */
void *decode_message_new(struct decode_memory *memory, const struct api_message *message);

/* A growing array of values of one field. */
struct decode_list {
    size_t count, capacity, item_size;
    uint8_t *items;
};
/* Room for one more item, zeroed; or NULL when exhausted. */
void *decode_list_add(struct decode_memory *memory, struct decode_list *list);
#endif
