/* What a control-plane member is told by its flags, checked and taken apart. Pure but for messages.
 */
#ifndef CMD_MEMBER_CONFIG_H
#define CMD_MEMBER_CONFIG_H
#include "apiserver/audit_options.h"
#include "apiserver/authn_options.h"
#include "apiserver/authz_options.h"
#include "cmd/external_store.h"
#include "cmd/flags.h"
#include "cmd/listen_urls.h"
#include "cmd/store_options.h"
#include "lib/base/arena.h"
#include "lib/net/stream.h"
#include "raft/raft.h"

#define MEMORY_BUDGET_OF_MACHINE UINT64_MAX /* What server_memory_default() says. */

struct member_config {
    const char *name;
    const char *data_dir;
    struct net_address api;
    struct listen_urls etcd;    /* None with a store of somebody else's, as `peer`. */
    struct listen_urls peer;    /* All with TLS or none. */
    struct net_address metrics; /* --metrics-listen, if has_metrics. */
    bool has_metrics;
    struct store_options store_options;
    const char *api_url;   /* https://HOST:PORT that others reach this member's API at. */
    const char *etcd_url;  /* The first that clients are told. */
    const char *etcd_urls; /* All of them, and those of the peers: lib/base/url_list.h. */
    const char *peer_urls;
    bool peer_urls_given; /* Not the default, where only this machine reaches it. */
    uint64_t id;          /* 0 without --initial-cluster, as the next. */
    uint64_t cluster_id;
    bool existing;        /* --initial-cluster names one that runs already. */
    bool join;            /* It was added to a cluster that runs already. */
    const char *join_url; /* --join, --token and --join-user, or NULL. */
    const char *join_token;
    const char *join_user;
    struct raft_peer peers[RAFT_MEMBERS_MAX];
    size_t peer_count;
    const char *service_cidr;
    const char *cluster_cidr;
    const char *cluster_domain;
    const char *service_ip; /* First address of service_cidr: the kubernetes Service. */
    uint32_t heartbeat_ms;
    uint32_t election_ms;
    uint32_t requests_in_flight; /* Shared out among the priority levels. */
    uint64_t memory_budget;      /* Bytes; 0: none; MEMORY_BUDGET_OF_MACHINE. */
    uint32_t node_grace_ms;
    uint32_t snapshot_entries;      /* Log entries between two snapshots. */
    struct external_store external; /* In place of a store of its own, if it has endpoints. */
    struct authn_options authn;
    struct authz_options authz;
    struct audit_options audit;
    const char *encryption_config; /* The text of --encryption-provider-config, or NULL. */
    const char *encryption_path;   /* Where that is, when it is to be followed; else NULL. */
    bool anonymous;                /* --anonymous-auth */
    bool api_enabled;
    bool scheduler_enabled;
    bool controllers_enabled;
};

/* The "NAME=URL" of --initial-cluster, by name, which several URLs of one member share; ids are
 * made from them alone. Texts live in `arena`. At most RAFT_MEMBERS_MAX go to `peers`. -EINVAL. */
MUST_USE int member_peers_from(const struct flag *flag, struct arena *arena,
                               struct raft_peer *peers, size_t *ret_count, struct error *reterr);
/* A number that is not 0, the same for the same text everywhere. */
uint64_t member_id_from(const char *text);

/* What is wrong with the flags for a member that starts for the first time; later its data says who
 * belongs to the cluster. -EINVAL with a message that names the flag. */
MUST_USE int member_config_check_first_start(const struct member_config *config,
                                             struct error *reterr);

/* Texts live in `arena` or in the flags. -EINVAL with a message that names the flag. */
MUST_USE int member_config_from(const struct flag_set *set, struct arena *arena,
                                struct member_config *ret_config, struct error *reterr);
#endif
