/* Certificates of nodes and users are signed by the same CA; only members may speak Raft. */
#ifndef RAFT_PEER_CERTIFICATE_H
#define RAFT_PEER_CERTIFICATE_H
#include "lib/net/stream.h"
#include "lib/net/tls.h"
#include <string.h>

/* Also any stream without TLS: who listens in plaintext trusts the network. */
static inline bool peer_is_member(const struct net_stream *stream)
{
    const struct tls_peer *peer = net_stream_tls_peer(stream);
    return peer == NULL || (peer->verified && strcmp(peer->common_name, "coracle-member") == 0);
}
#endif
