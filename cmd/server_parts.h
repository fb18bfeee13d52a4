/* The parts of `coracle server` and the order of their lives: opened from the bottom up on the
 * store loop and the io loops (server_open.c), led by leadership (server_control.c), closed from
 * the top down (server_close.c). All on the store loop, or before it runs. Nothing here decides
 * anything. */
#ifndef CMD_SERVER_PARTS_H
#define CMD_SERVER_PARTS_H
#include "apiserver/apiserver.h"
#include "apiserver/pki.h"
#include "cmd/member_config.h"
#include "cmd/server_memory.h"
#include "lib/net/loop.h"
#include "raft/raft.h"
#include "store/etcd_access.h"

enum { IO_LOOPS_MAX = 64 };

struct member {
    struct member_config config;
    struct error *reterr;
    bool joins; /* A cluster that runs already, for the first time. */
    int lock;   /* On the data directory; kept until the process ends. */
    struct pki pki;
    struct metrics *metrics;
    struct server_memory memory;
    struct loop *store_loop;
    struct loop *io_loops[IO_LOOPS_MAX];
    size_t io_loop_count;
    size_t io_started;
    struct env_uv *env;
    struct tls_config *server_tls; /* Of the etcd and peer listeners. */
    struct tls_config *client_tls; /* To the peers. */
    struct storage *storage;       /* Of one of these two. */
    struct store *store;
    struct remote_store *remote;
    struct raft_transport *transport;
    struct raft_node *raft;
    struct member_progress *progress;
    struct grpc_server *etcd_grpc;
    struct etcd_service *etcd;
    struct etcd_access etcd_access;
    struct http_server *etcd_servers[URL_LIST_MAX];
    size_t etcd_server_count;
    struct http_server *metrics_server; /* NULL: only on etcd_servers. */
    struct apiserver *apiserver;
    struct local_client *client;
    struct scheduler *scheduler;
    struct controllers *controllers;
    struct net_address api_addresses[RAFT_MEMBERS_MAX]; /* What api_endpoints() lends out. */
    struct stop_signal *stop;
    bool stopping;
    uint64_t handover_until_ms; /* Stopping: while leadership is being handed over; or 0. */
    struct loop_timer handover;
    int status; /* Exit status. */
};

/* Opens what the configuration says. 0, or a negative errno with member->reterr set. */
MUST_USE int server_open(struct member *member, struct arena *arena);
/* Frees what closing left, when the store loop has ended. */
void server_release(struct member *member);

/* The API, for the parts that open after it: scheduler and controllers follow leadership. */
void server_open_control(struct member *member);
void server_on_leadership(void *data, bool leading, uint64_t term);
/* What the controllers ask of the API server (controllers_config); `data` is the member. */
struct Certificates__V1__CertificateSigningRequestSpec;
bool server_may_request(void *data,
                        const struct Certificates__V1__CertificateSigningRequestSpec *request,
                        const char *subresource);
struct Meta__V1__ObjectMeta;
int server_account_token(void *data, const struct Meta__V1__ObjectMeta *account, const char *secret,
                         struct buffer *token, struct error *reterr);

/* Closes part after part; the store loop ends when the last is gone. Again is a no-op. */
void server_stop(void *member);
/* Closes and frees what an opening that failed has left. */
void server_give_up(struct member *member);
#endif
