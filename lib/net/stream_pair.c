#include "lib/net/stream_pair.h"

#include "lib/net/limits.h"

void stream_pair_end(struct stream_pair *pair)
{
    if (pair->over) {
        return;
    }
    pair->over = true;
    net_stream_finish(pair->one);
    net_stream_finish(pair->other);
    pair->ended(pair->data);
}

static void pass(struct net_stream *from, struct net_stream *to, struct slice bytes)
{
    if (net_stream_write(to, bytes) >= NET_WRITE_HIGH_BYTES) {
        net_stream_pause(from);
    }
}

static void from_one(void *data, struct slice bytes)
{
    struct stream_pair *pair = data;
    pass(pair->one, pair->other, bytes);
}

static void from_other(void *data, struct slice bytes)
{
    struct stream_pair *pair = data;
    pass(pair->other, pair->one, bytes);
}

static void on_end(void *data, int status)
{
    (void)status;
    stream_pair_end(data);
}

static void one_drained(void *data)
{
    struct stream_pair *pair = data;
    net_stream_resume(pair->other);
}

static void other_drained(void *data)
{
    struct stream_pair *pair = data;
    net_stream_resume(pair->one);
}

void stream_pair_start(struct stream_pair *pair)
{
    static const struct net_stream_events one_events = {
        .on_read = from_one, .on_end = on_end, .on_drain = one_drained};
    static const struct net_stream_events other_events = {
        .on_read = from_other, .on_end = on_end, .on_drain = other_drained};
    net_stream_start(pair->one, &one_events, pair);
    net_stream_start(pair->other, &other_events, pair);
}
