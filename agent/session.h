/* The agent's end of the node session: obtains a certificate, keeps one stream to one member of the
 * control plane, moves on to the next member when it is lost, and delivers what the node has to
 * say, the latest state of each pod only. One loop; callbacks run on it, never from inside a call
 * of this header. */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H
#include "agent/pod_manager.h"
#include "coracle/node/v1/session.pb-c.h"
#include "lib/base/slice.h"

struct session; /* Opaque. */

struct agent_session_hooks {
    void *data;
    /* core/v1 Node for the Hello, as protobuf; lent until the next call. */
    struct slice (*node)(void *data);
    /* A certificate was obtained or renewed: PEM, lent for the call. */
    void (*identity)(void *data, struct slice cert_pem, struct slice key_pem, struct slice ca_pem);
    void (*welcome)(void *data, const Session__V1__Welcome *welcome);
    void (*object)(void *data, const Session__V1__ObjectEvent *event);
    void (*synced)(void *data, const char *resource);
    void (*gone)(void *data, const char *resource);
};

struct agent_session_config {
    struct loop *loop;
    const char *node_name;
    const char *const *servers;
    size_t server_count;
    const char *token;   /* May be NULL. */
    const char *ca_file; /* May be NULL. */
    const char *data_dir;
    const char *const *addresses; /* That the agent's port is reached at. */
    size_t address_count;
    uint32_t heartbeat_ms;
    uint32_t lease_seconds;
    struct agent_session_hooks hooks;
};

/* -EINVAL for addresses that cannot be read; others from data_dir/pki. Starts at once. */
MUST_USE int agent_session_new(const struct agent_session_config *config,
                               struct session **ret_session, struct error *reterr);
/* Ends the stream; questions under way are answered with code 0, inside. NULL is a no-op. */
void agent_session_free(struct session *session);
bool agent_session_is_up(const struct session *session); /* Welcome has come. */

/* All bytes are copied. What is not acknowledged is sent again in the next session. */
/* Whether a status of that pod is not acknowledged yet. */
bool agent_session_pod_status_waits(const struct session *session, const char *uid);
void agent_session_pod_status(struct session *session, const Core__V1__Pod *pod,
                              struct slice status);
void agent_session_pod_deleted(struct session *session, const Core__V1__Pod *pod);
void agent_session_node_status(struct session *session, struct slice status);
/* Best effort, bounded (AGENT_EVENTS_QUEUED_MAX; the oldest goes first). */
void agent_session_event(struct session *session, struct slice event);
/* Nothing more is reported about this pod. */
void agent_session_forget_pod(struct session *session, const char *uid);

void agent_session_get(struct session *session, const char *resource, const char *namespace_name,
                       const char *name, object_done done, void *data);
void agent_session_token(struct session *session, const Core__V1__Pod *pod,
                         const Core__V1__ServiceAccountTokenProjection *projection,
                         object_done done, void *data);
#endif
