/* The API server of one member: HTTPS with authentication, authorization, discovery, resources,
 * watches, the node session service, all on one listener. Built by `coracle server` over an open
 * store; created and closed on the store loop, serves on io loops. */
#ifndef APISERVER_APISERVER_H
#define APISERVER_APISERVER_H
#include "apiserver/audit_options.h"
#include "apiserver/authn_options.h"
#include "apiserver/authz_options.h"
#include "lib/base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct apiserver;
struct authorizer;
struct env;
struct loop;
struct metrics;
struct node_liveness;
struct pki;
struct registry;
struct storage;
struct token_signer;
struct watch_cache;

struct apiserver_config {
    struct env *env;              /* The store loop's. */
    struct loop *store_loop;      /* Where the store, raft and watch cache run. */
    struct loop *const *io_loops; /* At least one; each runs (or will) on its own thread. */
    size_t io_loop_count;
    struct storage *storage;
    struct metrics *metrics;
    const struct pki *pki; /* Borrowed for the life of the server. */
    const char *listen_host;
    uint16_t listen_port;
    const char *advertise_url; /* https://host:port of this member, for the relay and the SANs. */
    const char *etcd_url;      /* Of this member, for those that join it; NULL: none can. */
    const char *member_name;
    const char *service_cidr;    /* "10.96.0.0/12" */
    const char *cluster_cidr;    /* "10.244.0.0/16" */
    const char *cluster_domain;  /* "cluster.local" */
    uint32_t requests_in_flight; /* Seats of all priority levels; 0: FLOW_SEATS_DEFAULT. */
    struct authn_options authn;
    struct authz_options authz;
    struct audit_options audit;
    const char *encryption_config; /* Text of an EncryptionConfiguration; NULL for none. */
    const char *encryption_path;   /* Where it was read, to be followed; NULL: never again. */
    bool anonymous;                /* Who shows nothing is system:anonymous; else refused. */
    bool plaintext;                /* Tests only: no TLS, every request is system:masters. */
};

/* Builds cache, registry and listener; the listener accepts when this returns. 0 or negative errno.
 */
MUST_USE int apiserver_new(const struct apiserver_config *config, struct apiserver **ret_server,
                           struct error *reterr);
/* Stops accepting, ends streams, waits for calls under way, then runs `closed` on the store loop;
 * the server is gone then. That takes as long as the store has no answer: see store_last_calls().
 * Local clients are to be freed before it. */
void apiserver_close(struct apiserver *server, void (*closed)(void *data), void *data);

struct registry *apiserver_registry(struct apiserver *server); /* For lib/client's local client. */
struct authorizer *apiserver_authorizer(struct apiserver *server);
const struct token_signer *apiserver_signer(const struct apiserver *server);
struct watch_cache *apiserver_cache(struct apiserver *server);
struct node_liveness *apiserver_liveness(struct apiserver *server);
/* Leadership of this member changed (store loop): bootstrap objects, node grace periods. */
void apiserver_set_leader(struct apiserver *server, bool leader);
/* What this process does beside serving, for ComponentStatus; absent until told. Any thread. */
enum apiserver_part { APISERVER_SCHEDULER, APISERVER_CONTROLLERS, APISERVER_PARTS };
enum apiserver_part_state { APISERVER_PART_ABSENT, APISERVER_PART_STANDS_BY, APISERVER_PART_RUNS };
void apiserver_note_part(struct apiserver *server, enum apiserver_part part,
                         enum apiserver_part_state state);
uint16_t apiserver_port(const struct apiserver *server); /* The real one after listening on 0. */
#endif
