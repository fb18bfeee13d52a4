#include "lib/net/send_queue.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>

/* Small writes share a segment: a response's head, its chunk sizes and short bodies. The first one
 * is small: often nothing follows. */
enum { SEGMENT_FIRST_BYTES_MIN = 256, SEGMENT_BYTES_MIN = 2048 };

struct send_segment {
    struct send_segment *next;
    struct chunk *chunk; /* NULL: the bytes are in `own`. */
    const uint8_t *data;
    size_t len;  /* What is left of it. */
    size_t room; /* In `own`, behind data + len. */
    uint8_t own[];
};

static void segment_free(struct send_segment *segment)
{
    chunk_unref(segment->chunk);
    free(segment);
}

void send_queue_release(struct send_queue *queue)
{
    while (queue->first != NULL) {
        struct send_segment *segment = queue->first;
        queue->first = segment->next;
        segment_free(segment);
    }
    queue->last = NULL;
    queue->bytes = 0;
    memory_hold_set(&queue->hold, 0);
}

static void push(struct send_queue *queue, struct send_segment *segment)
{
    segment->next = NULL;
    if (queue->last == NULL) {
        queue->first = segment;
    } else {
        queue->last->next = segment;
    }
    queue->last = segment;
    queue->bytes += segment->len;
    memory_hold_set(&queue->hold, queue->bytes);
}

void send_queue_append(struct send_queue *queue, struct slice bytes)
{
    if (bytes.len == 0) {
        return;
    }
    struct send_segment *last = queue->last;
    if (last != NULL && last->chunk == NULL && last->room >= bytes.len) {
        size_t at = (size_t)(last->data - last->own) + last->len;
        memcpy(last->own + at, bytes.data, bytes.len);
        last->len += bytes.len;
        last->room -= bytes.len;
        queue->bytes += bytes.len;
        memory_hold_set(&queue->hold, queue->bytes);
        return;
    }
    size_t least = last == NULL ? SEGMENT_FIRST_BYTES_MIN : SEGMENT_BYTES_MIN;
    size_t size = bytes.len < least ? least : bytes.len;
    struct send_segment *segment = alloc_bytes(sizeof(*segment) + size);
    segment->chunk = NULL;
    segment->data = segment->own;
    segment->len = bytes.len;
    segment->room = size - bytes.len;
    memcpy(segment->own, bytes.data, bytes.len);
    push(queue, segment);
}

void send_queue_append_chunk(struct send_queue *queue, struct chunk *chunk, struct slice part)
{
    if (part.len == 0) {
        return;
    }
    assert(part.data >= chunk->bytes.data);
    assert(part.data + part.len <= chunk->bytes.data + chunk->bytes.len);
    struct send_segment *segment = alloc_bytes(sizeof(*segment));
    segment->chunk = chunk_ref(chunk);
    segment->data = part.data;
    segment->len = part.len;
    segment->room = 0;
    push(queue, segment);
}

size_t send_queue_peek(const struct send_queue *queue, struct slice *ret_pieces, size_t max)
{
    size_t count = 0;
    for (const struct send_segment *at = queue->first; at != NULL && count < max; at = at->next) {
        ret_pieces[count++] = slice_of(at->data, at->len);
    }
    return count;
}

void send_queue_consume(struct send_queue *queue, size_t bytes)
{
    assert(bytes <= queue->bytes);
    queue->bytes -= bytes;
    memory_hold_set(&queue->hold, queue->bytes);
    while (bytes > 0) {
        struct send_segment *first = queue->first;
        if (bytes < first->len) {
            first->data += bytes;
            first->len -= bytes;
            return;
        }
        bytes -= first->len;
        queue->first = first->next;
        if (queue->first == NULL) {
            queue->last = NULL;
        }
        segment_free(first);
    }
}

void send_queue_move(struct send_queue *from, struct send_queue *to, size_t bytes)
{
    assert(bytes <= from->bytes);
    while (bytes > 0) {
        struct send_segment *first = from->first;
        assert(first != NULL); /* from->bytes is the sum over the segments. */
        if (first->len <= bytes) {
            bytes -= first->len;
            from->bytes -= first->len;
            memory_hold_set(&from->hold, from->bytes);
            from->first = first->next;
            if (from->first == NULL) {
                from->last = NULL;
            }
            push(to, first);
            continue;
        }
        struct slice part = slice_of(first->data, bytes);
        if (first->chunk != NULL) {
            send_queue_append_chunk(to, first->chunk, part);
        } else {
            send_queue_append(to, part);
        }
        send_queue_consume(from, bytes);
        return;
    }
}
