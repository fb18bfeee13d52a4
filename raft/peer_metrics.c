#include "raft/peer_metrics.h"

#include <inttypes.h>
#include <stdio.h>

/* etcd's: 0.1 ms, and twice as much each. */
static const double round_trip_bounds[] = {0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032,
                                           0.0064, 0.0128, 0.0256, 0.0512, 0.1024, 0.2048,
                                           0.4096, 0.8192, 1.6384, 3.2768};

struct peer_metrics peer_metrics_of(struct metrics *metrics, uint64_t id)
{
    char to[32];
    char from[32];
    if (metrics == NULL) {
        return (struct peer_metrics){0};
    }
    (void)snprintf(to, sizeof(to), "To=\"%" PRIx64 "\"", id);
    (void)snprintf(from, sizeof(from), "From=\"%" PRIx64 "\"", id);
    return (struct peer_metrics){
        .sent_bytes = metrics_counter(metrics, "etcd_network_peer_sent_bytes_total",
                                      "Bytes of messages to a member.", to),
        .sent_failures = metrics_counter(metrics, "etcd_network_peer_sent_failures_total",
                                         "Messages to a member that could not be sent.", to),
        .received_bytes = metrics_counter(metrics, "etcd_network_peer_received_bytes_total",
                                          "Bytes of messages from a member.", from),
        .round_trip = metrics_histogram(
            metrics, "etcd_network_peer_round_trip_time_seconds",
            "Round trips to a member, as the kernel measures them on the connection.", to,
            round_trip_bounds, sizeof(round_trip_bounds) / sizeof(round_trip_bounds[0]))};
}

void peer_metrics_sent(const struct peer_metrics *peer, size_t bytes)
{
    if (peer->sent_bytes != NULL) {
        metric_add(peer->sent_bytes, (int64_t)bytes);
    }
}

void peer_metrics_not_sent(const struct peer_metrics *peer)
{
    if (peer->sent_failures != NULL) {
        metric_add(peer->sent_failures, 1);
    }
}

void peer_metrics_received(const struct peer_metrics *peer, size_t bytes)
{
    if (peer->received_bytes != NULL) {
        metric_add(peer->received_bytes, (int64_t)bytes);
    }
}

void peer_metrics_round_trip(const struct peer_metrics *peer, uint32_t us)
{
    if (peer->round_trip != NULL && us != 0) {
        metric_observe(peer->round_trip, us / 1e6);
    }
}
