/* A whole API server in one process over a one-member store, for trying clients against it by hand:
 * apiserver_try DIR PORT. Ends on SIGTERM or SIGINT. */
#include "apiserver/apiserver.h"
#include "apiserver/pki.h"
#include "lib/base/env_uv.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/net/loop.h"
#include "raft/raft.h"
#include "store/storage.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct
try {
    struct loop *store_loop;
    struct loop *io_loops[2];
    struct env_uv *env;
    struct store *store;
    struct raft_node *raft;
    struct apiserver *server;
    struct metrics *metrics;
    struct pki pki;
    uint16_t port;
};

static void role_changed(void *data, enum raft_role role, uint64_t term, uint64_t leader)
{
    struct try *try = data;
    (void)term;
    (void)leader;
    if (try->server != NULL) {
        apiserver_set_leader(try->server, role == RAFT_LEADER);
    }
}

static void die(const char *what, const struct error *error)
{
    fprintf(stderr, "%s: %s\n", what, error_message(error));
    exit(1);
}

static void opened(void *data, const struct error *failure)
{
    struct try *try = data;
    if (failure != NULL) {
        die("raft", failure);
    }
    struct apiserver_config config = {.env = env_uv_env(try->env),
                                      .store_loop = try->store_loop,
                                      .io_loops = try->io_loops,
                                      .io_loop_count = 2,
                                      .storage = store_storage(try->store),
                                      .metrics = try->metrics,
                                      .pki = &try->pki,
                                      .listen_host = "127.0.0.1",
                                      .listen_port = try->port,
                                      .advertise_url = "https://127.0.0.1:6443",
                                      .member_name = "try",
                                      .service_cidr = "10.96.0.0/12",
                                      .cluster_cidr = "10.244.0.0/16",
                                      .cluster_domain = "cluster.local",
                                      .anonymous = true};
    struct error error = {0};
    if (apiserver_new(&config, &try->server, &error) < 0) {
        die("apiserver", &error);
    }
    raft_on_role_change(try->raft, role_changed, try);
    if (raft_is_settled_leader(try->raft)) {
        apiserver_set_leader(try->server, true);
    }
    for (size_t i = 0; i < 2; i++) {
        if (loop_start_thread(try->io_loops[i]) < 0) {
            exit(1);
        }
    }
    printf("listening on %u\n", apiserver_port(try->server));
    fflush(stdout);
}

static void api_closed(void *data)
{
    struct try *try = data;
    printf("closed\n");
    fflush(stdout);
    loop_stop(try->io_loops[0]);
    loop_stop(try->io_loops[1]);
    loop_join(try->io_loops[0]);
    loop_join(try->io_loops[1]);
    _Exit(0);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct try *try = handle->data;
    (void)number;
    apiserver_close(try->server, api_closed, try);
}

int main(int argc, char **argv)
{
    static struct try try;
    struct error error = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: %s DIR PORT\n", argv[0]);
        return 2;
    }
    try.port = (uint16_t)atoi(argv[2]);
    const char *hosts[] = {"127.0.0.1", "localhost"};
    struct pki_config pki = {.data_dir = argv[1],
                             .member_name = "try",
                             .hosts = hosts,
                             .host_count = 2,
                             .service_ip = "10.96.0.1",
                             .cluster_domain = "cluster.local"};
    if (pki_open(&pki, &try.pki, &error) < 0) {
        die("pki", &error);
    }
    if (loop_new("store", &try.store_loop) < 0 || loop_new("io0", &try.io_loops[0]) < 0 ||
        loop_new("io1", &try.io_loops[1]) < 0 ||
        env_uv_new(loop_uv(try.store_loop), &try.env) < 0) {
        return 1;
    }
    try.metrics = metrics_new();
    struct store_config store = {.env = env_uv_env(try.env),
                                 .metrics = try.metrics,
                                 .member_id = 1,
                                 .compact_age_ms = 300000,
                                 .lease_grace_ms = 1000};
    try.store = store_new(&store);
    char dir[512];
    snprintf(dir, sizeof(dir), "%s/raft", argv[1]);
    struct raft_peer peer = {.id = 1, .name = "try", .url = "http://127.0.0.1:1"};
    struct raft_config raft = {.env = env_uv_env(try.env),
                               .id = 1,
                               .cluster_id = 7,
                               .dir = dir,
                               .peers = &peer,
                               .peer_count = 1,
                               .fsm = store_fsm(try.store)};
    if (raft_open(&raft, opened, &try, &try.raft, &error) < 0) {
        die("raft", &error);
    }
    store_attach_raft(try.store, try.raft);
    uv_signal_t term;
    uv_signal_init(loop_uv(try.store_loop), &term);
    term.data = &try;
    uv_signal_start(&term, on_signal, SIGTERM);
    loop_run(try.store_loop);
    return 0;
}
