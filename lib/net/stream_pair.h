/* Two connections whose bytes pass from each to the other, until one of them ends. One loop. */
#ifndef LIB_NET_STREAM_PAIR_H
#define LIB_NET_STREAM_PAIR_H
#include "lib/net/stream.h"

struct stream_pair {
    struct net_stream *one, *other; /* Taken over. */
    void (*ended)(void *data);      /* Once, last: both are closed, or closing, by then. */
    void *data;
    bool over;
};

/* In the caller's memory, filled in by the caller; it lives until `ended`. What waits to be written
 * is bounded: a side is not read while the other has more than NET_WRITE_HIGH_BYTES to take. */
void stream_pair_start(struct stream_pair *pair);
void stream_pair_end(struct stream_pair *pair); /* Ends both; `ended` runs inside. */
#endif
