/* What the files of struct remote_store share; nobody else includes it. */
#ifndef STORE_REMOTE_REMOTE_PRIVATE_H
#define STORE_REMOTE_REMOTE_PRIVATE_H
#include "lib/base/env.h"
#include "lib/net/grpc.h"
#include "store/remote/codec.h"
#include "store/remote/mirror.h"
#include "store/remote/remote.h"

/* How far the connection is. */
enum link_state {
    LINK_DOWN,     /* None; link.timer makes one. */
    LINK_PROBING,  /* Who is there, and does a quorum answer? */
    LINK_LISTING,  /* Filling the mirror. */
    LINK_WATCHING, /* The watch is asked for. */
    LINK_UP,       /* Calls are sent. */
    LINK_CLOSED,
};

/* --- The connection (store/remote/link.c). */
struct link {
    enum link_state state;
    struct grpc_channel *channel;
    struct env_timer timer; /* While down: to the next attempt. */
    struct env_timer health;
    size_t endpoint;
    unsigned failures; /* In a row. */
    uint64_t backoff_ms, delay_ms;
    char *token;
    uint64_t cluster_id; /* 0 until known; another one is refused. */
    bool ordered_progress;
    uint64_t complained_ns;
    char why[256]; /* The last complaint. */
};

/* --- Filling and following (store/remote/follow.c). */
struct follow {
    bool relist; /* The watch cannot go on from the mirror's revision. */
    int64_t list_revision;
    int64_t current; /* etcd's revision when it was probed. */
    int64_t page_keys;
    struct buffer next_key;
    struct grpc_stream *watch;
    int64_t watch_id;
    struct arena *arena; /* Of the message being handled. */
    int64_t wanted;      /* Somebody waits for the mirror to get here. */
    struct env_timer advance;
    bool in_grace; /* The timer runs for the first time for what is wanted. */
    bool ticking;
    bool ready_told;
    struct mirror_waiter ready;
};

enum remote_call_kind { REMOTE_TXN, REMOTE_BARRIER, REMOTE_GRANT, REMOTE_KEEPALIVE, REMOTE_TTL };

/* A request from above, from its start to its one answer. */
struct remote_call {
    struct remote_store *remote;
    enum remote_call_kind kind;
    struct list node;  /* In calls.all, by deadline. */
    struct list queue; /* Where it waits: to be sent, or for an answer that serves many. */
    uint64_t deadline_ns;
    struct buffer request;    /* REMOTE_TXN: encoded. */
    struct grpc_stream *sent; /* Under way. */
    bool was_sent;
    int failed_status; /* Answered on the next turn. */
    struct store_txn_result *result;
    struct mirror_waiter waiter;
    int64_t lease_id, ttl_s;
    union {
        store_txn_done *txn;
        store_lease_done *lease;
        void (*read)(void *data, int status);
    } done;
    void *data;
};

/* --- Calls (store/remote/calls.c). */
struct calls {
    struct list all;
    size_t count;
    struct list waiting; /* For the connection. */
    struct list failed;
    struct list barriers; /* For the next round. */
    struct list asked;    /* In the round under way. */
    bool asking;
    unsigned health_failures;
    struct env_timer timeout, retry, turn;
    struct grpc_stream *keepalive;
    struct list keepalives; /* Sent, in order. */
};

/* --- Who leads (store/remote/leader.c). */
struct leader {
    int64_t lease;
    uint64_t until_ns; /* By then the lease may end. */
    uint64_t renew_ns, asked_ns;
    bool busy, registered, resigned;
    bool leading;
    uint64_t term;
    struct env_timer step, tell;
    struct store_watch *watch;
    struct {
        void (*changed)(void *data, bool leading, uint64_t term);
        void *data;
        bool told;
    } listeners[STORE_LISTENERS_MAX];
    size_t listener_count;
    bool revoking;
};

/* --- Compaction (store/remote/compact.c). */
struct compact {
    struct env_timer timer;
    int64_t version;  /* Of compact_rev_key, as we saw it. */
    int64_t revision; /* etcd's, when we saw that. */
    int64_t mirror_revision;
};

struct remote_metrics {
    struct metric *up, *connects, *lists, *revision, *keys, *ticks;
};

struct remote_store {
    struct storage storage;
    struct remote_store_config config;
    struct net_address endpoints[REMOTE_ENDPOINTS_MAX];
    char *prefix, *user, *password, *name, *api_url;
    struct env *env;
    struct remote_keys keys;
    struct mirror *mirror;
    struct env_timer pump;
    struct link link;
    struct follow follow;
    struct calls calls;
    struct leader leader;
    struct compact compact;
    struct remote_metrics metrics;
    struct env_timer close_timer;
    bool closing;
    void (*closed)(void *data);
    void *closed_data;
};

/* Unary, on the connection there is; `done` runs once, with GRPC_CANCELLED when it is given up. */
struct grpc_stream *remote_request(struct remote_store *remote, const char *path,
                                   const ProtobufCMessage *message, uint64_t timeout_ms,
                                   grpc_done done, void *data);
struct grpc_stream *remote_request_bytes(struct remote_store *remote, const char *path,
                                         struct slice bytes, uint64_t timeout_ms, grpc_done done,
                                         void *data);
struct grpc_stream *remote_stream(struct remote_store *remote, const char *path,
                                  const struct grpc_stream_events *events);
void remote_send(struct grpc_stream *stream, const ProtobufCMessage *message);
/* A linearizable read of a key that is not there: its answer's header is what counts. */
struct grpc_stream *remote_probe(struct remote_store *remote, grpc_done done, void *data);
/* The revision of an answer's header; -EPROTO when it has none. */
MUST_USE int remote_probe_revision(struct slice response, int64_t *ret_revision);
/* What a failed request means here: a status of store/status.h. */
int remote_status(const struct grpc_status *status);

void link_init(struct remote_store *remote);
void link_release(struct remote_store *remote); /* Ends every request. */
/* Gives the connection up; another is made by itself. */
void link_lost(struct remote_store *remote, const char *why);
void link_is_up(struct remote_store *remote);
static inline bool link_up(const struct remote_store *remote)
{
    return remote->link.state == LINK_UP;
}

void follow_init(struct remote_store *remote);
void follow_release(struct remote_store *remote);
void follow_start(struct remote_store *remote, int64_t current); /* The connection was probed. */
/* Sees to it that the mirror gets to `revision` though no event may bring it there. */
void follow_advance(struct remote_store *remote, int64_t revision);

void calls_init(struct remote_store *remote);
void calls_release(struct remote_store *remote);
void calls_link_up(struct remote_store *remote);
void calls_health(struct remote_store *remote); /* Asks, unless an answer is owed. */
void remote_txn(struct storage *storage, const struct store_txn *txn, store_txn_done *done,
                void *data);
void remote_read_barrier(struct storage *storage, void (*done)(void *data, int status), void *data);
struct remote_call *call_new(struct remote_store *remote, enum remote_call_kind kind, void *data);
void call_start(struct remote_call *call); /* Sends it, or lets it wait. */
void call_wait(struct remote_call *call);  /* To be sent again. */
void call_finish(struct remote_call *call, int status, const struct store_lease_info *info);
/* A request that failed: waits to be sent again when nothing was done, else finishes. */
void call_failed(struct remote_call *call, const struct grpc_status *status);

void lease_call_send(struct remote_call *call);
void leases_release(struct remote_store *remote);
void remote_lease_grant(struct storage *storage, int64_t id, int64_t ttl_s, store_lease_done *done,
                        void *data);
void remote_lease_keepalive(struct storage *storage, int64_t id, store_lease_done *done,
                            void *data);
void remote_lease_ttl(struct storage *storage, int64_t id, store_lease_done *done, void *data);

void leader_init(struct remote_store *remote);
void leader_release(struct remote_store *remote);
void leader_ready(struct remote_store *remote); /* The mirror is filled. */
void leader_link_up(struct remote_store *remote);
void remote_on_leadership(struct storage *storage,
                          void (*changed)(void *data, bool leading, uint64_t term), void *data);

void compact_init(struct remote_store *remote);
void compact_release(struct remote_store *remote);
#endif
