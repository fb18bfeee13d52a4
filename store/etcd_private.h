/* What the files of the etcd services share; nobody else includes it. */
#ifndef STORE_ETCD_PRIVATE_H
#define STORE_ETCD_PRIVATE_H
#include "etcd/rpc.pb-c.h"
#include "lib/base/list.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include "raft/raft.h"
#include "store/etcd_identity.h"
#include "store/etcd_service.h"

/* What clients may rely on; Kubernetes asks for it before it uses progress requests. */
#define ETCD_VERSION         "3.5.17"
#define ETCD_CLUSTER_VERSION "3.5.0"

struct etcd_request;

/* One unary method: how a request goes. */
struct etcd_method {
    const char *path;
    const ProtobufCMessageDescriptor *request;
    int (*prepare)(struct etcd_request *request); /* Connection's loop; a status ends it. */
    void (*run)(struct etcd_request *request);    /* Store loop; ends in etcd_request_done(). */
    void (*answer)(struct etcd_request *request); /* Connection's loop; sends the response. */
};

/* Requests and streams hold references: they may come back from the store after the service has
 * been closed. */
struct etcd_service {
    _Atomic uint32_t refs;
    struct store *store; /* NULL once closed. Store loop. */
    struct loop *store_loop;
    struct metrics *metrics;
    struct metric *events_sent; /* NULL without `metrics`. */
    size_t events_made;         /* In this turn, and not counted there yet. Store loop. */
    int64_t started_s;
    _Atomic uint64_t healthy, unhealthy; /* What /health has said. */
    struct grpc_server *server;          /* That it is mounted on. */
    struct http_handler http, gateway;
    size_t gateway_answer_bytes_max;
    const struct store *guarded; /* Whether it has users decides who may come in. */
    uint64_t progress_ms;
    bool check_certificates;
    struct grpc_health *health;
    struct grpc_reflection *reflection;
    struct loop_timer health_timer;
    struct etcd_tokens *tokens;        /* Store loop. */
    struct password_worker *passwords; /* Store loop; NULL once closed. */
    struct list watch_streams;         /* Store loop. */
    _Atomic uint32_t snapshot_streams, hashes;
    struct loop_timer progress_timer, retry_timer, leader_timer;
    unsigned leaderless_looks;
    struct list leader_wanted; /* Store loop. */
    struct list leader_moves;
    struct loop_turn_end flush;
    struct watch_encoder *encoder; /* Store loop. */
    struct list dirty_streams;
    struct etcd_binding {
        struct etcd_service *service;
        const struct etcd_method *method;
        enum etcd_needs needs;
    } bindings[96];
    size_t binding_count;
};

struct etcd_header {
    uint64_t cluster_id, member_id, term;
    int64_t revision;
};

/* What some methods tell of the cluster: too large to be part of every request. */
struct etcd_cluster_view {
    struct raft_status raft;
    struct store_member_url client_urls[STORE_MEMBERS_MAX];
    struct store_alarm alarms[STORE_ALARMS_MAX];
};

/* A unary request on its way: connection's loop, store loop, and back. It, `message` and what
 * prepare() makes live in the call's arena. */
struct etcd_request {
    struct etcd_service *service;
    const struct etcd_method *method;
    enum etcd_needs needs;
    struct grpc_call *call;
    struct arena *arena; /* The call's; connection's loop only. */
    struct slice bytes;  /* Of the message. */
    const void *message;
    char *secret; /* A password inside of `message`: it and `bytes` are wiped at the end. */
    /* Store loop, while `run` runs: later it may have to be asked for again. */
    struct auth_caller caller;
    bool caught_up; /* Asked again after the member had caught up. */
    bool wants_leader;
    struct etcd_header header;
    int status;
    struct store_range range;
    struct store_txn txn;
    struct store_op op;
    struct store_compare compare;
    struct store_snapshot *snapshot; /* A reference. */
    struct store_txn_result *result; /* A reference. */
    int64_t put_revision;            /* Of a put that has no `result`. */
    struct {
        int64_t id, ttl_s, granted_ttl_s;
        ProtobufCBinaryData *keys; /* One allocation for all. */
        size_t key_count;
        int64_t *ids;
        size_t id_count, ids_checked;
    } lease;
    struct etcd_auth_reply *auth; /* store/etcd_auth.h */
    struct store_figures figures;
    uint32_t key_hash;
    void (*compute)(struct etcd_request *request); /* See etcd_request_compute(). */
    bool elsewhere;                                /* It is to run, or runs. */
    struct chunk *packed;                          /* The response, when made there. */
    struct etcd_cluster_view *view;                /* NULL before etcd_request_view(). */
    uint64_t member_id;                            /* Whom a change of members is about. */
    char *peer_urls;                               /* And where it is to be. */
    size_t alarm_count;                            /* In `view`. */
};

struct etcd_service *etcd_service_ref(struct etcd_service *service);
void etcd_service_unref(struct etcd_service *service); /* Any thread. */
/* `status`, or STORE_STOPPED when the service was closed meanwhile. Store loop. */
int etcd_status_now(const struct etcd_service *service, int status);
/* As etcd_status_now(0), but for what a learner does not serve: STORE_NOT_FOR_LEARNER. Store loop.
 */
int etcd_voter_status(const struct etcd_service *service);
/* Results are in the request; takes them to the connection's loop. Store loop. */
void etcd_request_done(struct etcd_request *request, int status);
/* The same for an answer that takes its time: `compute` runs on a thread of libuv's pool, behind
 * all that is in more of a hurry, with an arena of its own, and either responds or leaves that to
 * answer(), which then runs on the connection's loop. It may set request->status. Store loop. */
void etcd_request_compute(struct etcd_request *request,
                          void (*compute)(struct etcd_request *request));
/* The same from inside answer(), which does no more than that: the answer turned out to be long. */
void etcd_answer_compute(struct etcd_request *request,
                         void (*compute)(struct etcd_request *request));
/* Who it is from, now: for after a wait. 0 or a status; fills request->caller. Store loop. */
MUST_USE int etcd_request_caller(struct etcd_request *request);
/* All zero at the first call; the request's own. */
struct etcd_cluster_view *etcd_request_view(struct etcd_request *request);
/* From answer() or what computes it, in place of etcd_respond(). */
void etcd_too_large(struct etcd_request *request);
/* From answer() or what computes it. */
void etcd_respond(struct etcd_request *request, const ProtobufCMessage *response);
void etcd_fill_header(const struct etcd_header *header, Etcdserverpb__ResponseHeader *response);
/* In the arena of the call. */
Etcdserverpb__ResponseHeader *etcd_new_header(struct etcd_request *request);
struct etcd_header etcd_header_now(struct etcd_service *service); /* Store loop. */
/* Unpacks into the arena; NULL when malformed. */
void *etcd_unpack(const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
                  struct slice bytes);
/* Packs and sends; returns the bytes queued. */
size_t etcd_send(struct grpc_call *call, const ProtobufCMessage *message);
void etcd_fail(struct grpc_call *call, int status);
void etcd_malformed(struct grpc_call *call);        /* Ends it: the request is no such message. */
void etcd_malformed_stream(struct grpc_call *call); /* The same of one that is a stream. */

static inline struct slice etcd_slice(ProtobufCBinaryData bytes)
{
    return slice_of(bytes.data, bytes.len);
}

static inline ProtobufCBinaryData etcd_bytes(struct slice bytes)
{
    /* Encoding does not write to it; protobuf-c has no const form. */
    return (ProtobufCBinaryData){.len = bytes.len, .data = (uint8_t *)(uintptr_t)bytes.data};
}

void etcd_kv_message(const struct store_kv *kv, bool keys_only, Mvccpb__KeyValue *ret_message);

/* The methods of each service, ended by a row without a path. */
extern const struct etcd_method etcd_kv_methods[];
extern const struct etcd_method etcd_lease_methods[];
extern const struct etcd_method etcd_cluster_methods[];
extern const struct etcd_method etcd_maintenance_methods[];
extern const struct etcd_method etcd_auth_methods[];
extern const struct etcd_method etcd_auth_ask_methods[];
extern const struct etcd_method etcd_lock_methods[];
extern const struct etcd_method etcd_election_methods[];

void etcd_txn_run(struct etcd_request *request); /* Does request->txn; gives request->result. */

void etcd_auth_reply_free(struct etcd_auth_reply *reply);

void etcd_lease_keepalive_call(void *data, struct grpc_call *call, struct slice request);
void etcd_watch_call(void *data, struct grpc_call *call, struct slice request);
void etcd_snapshot_call(void *data, struct grpc_call *call, struct slice request);
void etcd_lock_call(void *data, struct grpc_call *call, struct slice request);
void etcd_campaign_call(void *data, struct grpc_call *call, struct slice request);
void etcd_observe_call(void *data, struct grpc_call *call, struct slice request);
/* What /metrics tells of the store at one moment. */
struct etcd_figures {
    struct store_figures store;
    struct raft_status raft;
    size_t watch_streams;
};
/* `figures` is NULL while there is no store. Any thread. */
void etcd_metrics_render(struct etcd_service *service, const struct etcd_figures *figures,
                         struct buffer *out);
void etcd_http_request(void *data, struct http_exchange *exchange);
void etcd_gateway_request(void *data, struct http_exchange *exchange);
void etcd_health_init(struct etcd_service *service);
void etcd_health_mount(struct etcd_service *service, struct grpc_server *server);
void etcd_health_release(struct etcd_service *service);
/* Whether the client wants to know when there is no leader. Connection's loop. */
bool etcd_wants_leader(const struct grpc_call *call);
bool etcd_has_leader(const struct etcd_service *service); /* Store loop. */
/* For streams. `node` is made with list_init(); off the list before `lost` is called, and by
 * list_remove(). */
struct etcd_leader_want {
    struct list node;
    void (*lost)(struct etcd_leader_want *want); /* There has been no leader for long. */
};
/* Of a call that wants no leader it does nothing. STORE_NO_LEADER when there is none already. Store
 * loop. */
MUST_USE int etcd_leader_want(struct etcd_service *service, const struct grpc_call *call,
                              struct etcd_leader_want *want);
/* Maintenance.HashKV, not on these loops. */
void etcd_hash_kv_run(struct etcd_request *request);
void etcd_hash_kv_answer(struct etcd_request *request);
/* Maintenance.MoveLeader: is done when the other one leads. */
void etcd_move_leader_run(struct etcd_request *request);
void etcd_leader_init(struct etcd_service *service);
void etcd_leader_release(struct etcd_service *service);
void etcd_watch_init(struct etcd_service *service);
void etcd_watch_release(struct etcd_service *service);
#endif
