/* Members of a store in this process, as real as it gets without more processes: threads, loopback
 * sockets, files under /tmp, gRPC with or without TLS. */
#ifndef TESTS_UNIT_STORE_LIVE_CLUSTER_H
#define TESTS_UNIT_STORE_LIVE_CLUSTER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LIVE_MEMBERS_MAX = 3, LIVE_GATEWAY_ANSWER_BYTES_MAX = 1024 * 1024 };

struct live_cluster;

/* Ends the process with a message when it cannot. Returns once a leader has been elected. */
struct live_cluster *live_cluster_open(size_t members, bool tls);
void live_cluster_close(struct live_cluster *cluster); /* Removes the files too. */
uint16_t live_cluster_port(const struct live_cluster *cluster, size_t member);
const char *live_cluster_dir(const struct live_cluster *cluster); /* ca.pem is there with TLS. */
/* Closes the member for good, as a clean stop does. */
void live_cluster_stop_member(struct live_cluster *cluster, size_t member);
size_t live_cluster_leader(struct live_cluster *cluster); /* Place of the member that leads. */
#endif
