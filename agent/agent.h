/* The node agent: registers, keeps a session with one control-plane member, runs the pods that are
 * bound to its node through CRI (or pretends to: `hollow`), and serves logs, exec, attach and
 * port-forward on its own port. Losing the control plane or restarting the agent stops no
 * container. One agent lives on one loop; several hollow agents may share a loop. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H
#include "agent/network_hooks.h"
#include "lib/base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent; /* Opaque. */
struct loop;
struct metrics;

struct agent_config {
    struct loop *loop;          /* Everything runs here; outlives the agent. */
    struct metrics *metrics;    /* May be NULL. */
    const char *node_name;      /* NULL: the host name in lower case. */
    const char *node_ip;        /* NULL: the address of the route to the first server. */
    const char *const *servers; /* "https://HOST:PORT", any member; at least one. */
    size_t server_count;
    const char *token;         /* "<id>.<secret>"; may be NULL once data_dir holds a certificate. */
    const char *ca_file;       /* PEM of the cluster CA; NULL: data_dir/pki/ca.crt, and when that is
                                * missing too the first answer is trusted (and then pinned). */
    const char *data_dir;      /* Certificates, checkpoints, volumes and logs live below it. */
    const char *runtime;       /* "unix:///...sock", or "hollow". */
    uint16_t port;             /* 0: 10250. */
    uint32_t heartbeat_ms;     /* 0: AGENT_HEARTBEAT_MS_DEFAULT. */
    uint32_t lease_seconds;    /* 0: AGENT_LEASE_SECONDS_DEFAULT. */
    uint32_t max_pods;         /* 0: 110. */
    const char *const *labels; /* "key=value" for the Node object, besides the well-known ones. */
    size_t label_count;
    const char *const
        *upstream_resolvers; /* For dnsPolicy Default; none: those of /etc/resolv.conf. */
    size_t upstream_resolver_count;
    struct network_hooks network; /* All NULL: the runtime's own network is enough. */
};

/* Everything in `config` is copied. Returns at once; connecting goes on in the background and never
 * gives up. -EINVAL for a configuration that cannot work, -EACCES and others from data_dir and the
 * port. */
MUST_USE int agent_open(const struct agent_config *config, struct agent **ret_agent,
                        struct error *reterr);
/* Ends the session and closes sockets. Containers go on running. `closed` runs on the loop, after
 * which the agent is gone; NULL agent: `closed` is not called. */
void agent_close(struct agent *agent, void (*closed)(void *data), void *data);
/* The session is up and the pods, services and nodes of the cluster have been received once. */
bool agent_ready(const struct agent *agent);

#endif
