/* What waits to be sent: copied bytes and references to shared chunks, in order. Pure. */
#ifndef LIB_NET_SEND_QUEUE_H
#define LIB_NET_SEND_QUEUE_H
#include "lib/base/memory_budget.h"
#include "lib/net/chunk.h"

struct send_segment;

struct send_queue {
    struct send_segment *first;
    struct send_segment *last;
    size_t bytes;
    struct memory_hold hold; /* All of them, also those of chunks that others share. */
};

void send_queue_release(struct send_queue *queue); /* Empties it; it can be used again. */
void send_queue_append(struct send_queue *queue, struct slice bytes); /* Copies. */
/* References the chunk; `part` lies inside of its bytes. */
void send_queue_append_chunk(struct send_queue *queue, struct chunk *chunk, struct slice part);
/* The first `max` pieces: how many there are. They stay put until send_queue_consume(). */
size_t send_queue_peek(const struct send_queue *queue, struct slice *ret_pieces, size_t max);
void send_queue_consume(struct send_queue *queue, size_t bytes);
/* Moves `bytes` (all of them at most) from the front of one queue to the end of another. */
void send_queue_move(struct send_queue *from, struct send_queue *to, size_t bytes);
#endif
