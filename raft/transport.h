/* Peers over TCP: one outgoing connection to each member with mutual TLS (or plaintext for http://
 * URLs), length-prefixed frames, reconnecting with a small back-off, to its URLs in turn. Messages
 * that cannot be queued are dropped: Raft sends again. The peers follow the configuration in force.
 * Belongs to the loop of the node. */
#ifndef RAFT_TRANSPORT_H
#define RAFT_TRANSPORT_H
#include "lib/base/error.h"
#include "lib/net/stream.h"
#include "raft/data_dir.h"
#include "raft/raft.h"

struct raft_transport;
struct loop;
struct env_uv;
struct tls_config;
struct metrics;

struct raft_transport_config {
    struct loop *loop;
    struct env_uv *env; /* raft_transport_open() plugs itself in with env_uv_set_transport(). */
    uint64_t id;
    uint64_t cluster_id;
    const struct net_address *listen; /* At least one, at most URL_LIST_MAX. */
    size_t listen_count;
    struct tls_config *server_tls; /* Both NULL for plaintext. Borrowed, must outlive it. */
    struct tls_config *client_tls;
    const struct raft_peer *peers; /* To begin with. Copied; the own id among them is skipped. */
    size_t peer_count;
    struct metrics *metrics; /* May be NULL. Must outlive it. */
};

/* Listens at once. Returns 0, or a negative errno with *reterr. */
MUST_USE int raft_transport_open(const struct raft_transport_config *config,
                                 struct raft_transport **ret_transport, struct error *reterr);
/* For who is no member yet: the members of a cluster that runs, asked of one at its peer URL.
 * Blocking, two seconds at most; on a loop of its own. `ret_identity->id` is 0; what that member
 * knows may be old. -EHOSTUNREACH or -EPROTO with the reason. */
MUST_USE int raft_ask_members(const char *url, struct tls_config *client_tls,
                              struct raft_identity *ret_identity, struct error *reterr);
/* Where received messages go (before it is set they are dropped), and whose members are dialled
 * from now on. The node must be closed before the transport. */
void raft_transport_attach(struct raft_transport *transport, struct raft_node *node);
void raft_transport_close(struct raft_transport *transport, void (*closed)(void *data), void *data);
#endif
