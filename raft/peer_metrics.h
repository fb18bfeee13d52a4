/* What is counted about one other member, under etcd's names. The loop of the transport. */
#ifndef RAFT_PEER_METRICS_H
#define RAFT_PEER_METRICS_H
#include "lib/base/metrics.h"
#include <stdint.h>

struct peer_metrics { /* All NULL without a registry: then nothing is counted. */
    struct metric *sent_bytes, *sent_failures, *received_bytes;
    struct metric_histogram *round_trip;
};

/* Series stay in the registry when the member goes; asking again gives the same. */
struct peer_metrics peer_metrics_of(struct metrics *metrics, uint64_t id);
void peer_metrics_sent(const struct peer_metrics *peer, size_t bytes);
void peer_metrics_not_sent(const struct peer_metrics *peer);
void peer_metrics_received(const struct peer_metrics *peer, size_t bytes);
void peer_metrics_round_trip(const struct peer_metrics *peer, uint32_t us); /* 0: not known. */
#endif
