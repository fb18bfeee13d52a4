#include "lib/api/decode_memory.h"

#include "lib/api/custom.h"
#include "lib/api/limits.h"
#include <protobuf-c/protobuf-c.h>

enum { SLACK_BYTES = 4096, LIST_FIRST = 4 };

void decode_memory_init(struct decode_memory *memory, struct arena *arena)
{
    size_t left = arena_left(arena);
    left = left > SLACK_BYTES ? left - SLACK_BYTES : 0; /* For paths and problems. */
    *memory = (struct decode_memory){
        .arena = arena, .left = left < API_DECODED_BYTES_MAX ? left : API_DECODED_BYTES_MAX};
}

void *decode_take(struct decode_memory *memory, size_t size)
{
    size_t rounded = size / 16 * 16 + 16;
    if (rounded > memory->left) {
        memory->exhausted = true;
        memory->left = 0;
        return NULL;
    }
    memory->left -= rounded;
    return arena_zeroed(memory->arena, size);
}

char *decode_text(struct decode_memory *memory, struct slice text)
{
    char *copy = decode_take(memory, text.len + 1);
    if (copy != NULL && text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    return copy;
}

static bool fill(struct decode_memory *memory, const struct api_message *message, void *object)
{
    ((ProtobufCMessage *)object)->descriptor = message->descriptor;
    for (size_t i = 0; i < message->field_count; i++) {
        const struct api_field *field = &message->fields[i];
        if (field->type == API_OBJECT && field->label == API_SINGLE &&
            (field->flags & API_POINTER) == 0) {
            void *inner = decode_message_new(memory, field->message);
            if (inner == NULL) {
                return false;
            }
            *(void **)api_field_at(field, object) = inner;
        }
    }
    return true;
}

void *decode_message_new(struct decode_memory *memory, const struct api_message *message)
{
    void *object = decode_take(memory, message->size);
    if (object == NULL || !fill(memory, message, object)) {
        return NULL;
    }
    if (message->custom != NULL) {
        ((struct custom_object *)object)->content = json_new_object(memory->arena);
    }
    return object;
}

void *decode_list_add(struct decode_memory *memory, struct decode_list *list)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? LIST_FIRST : list->capacity * 2;
        uint8_t *items = decode_take(memory, capacity * list->item_size);
        if (items == NULL) {
            return NULL;
        }
        if (list->count > 0) {
            memcpy(items, list->items, list->count * list->item_size);
        }
        list->items = items;
        list->capacity = capacity;
    }
    return list->items + list->item_size * list->count++;
}
