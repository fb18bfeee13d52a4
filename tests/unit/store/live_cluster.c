#include "tests/unit/store/live_cluster.h"

#include "lib/base/alloc.h"
#include "lib/base/env_uv.h"
#include "lib/base/file.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include "lib/net/tls.h"
#include "lib/net/x509.h"
#include "raft/raft.h"
#include "raft/transport.h"
#include "store/etcd_service.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct live_member {
    struct live_cluster *cluster;
    size_t place;
    struct loop *store_loop, *io_loop;
    struct env_uv *env;
    struct raft_transport *transport;
    struct raft_node *raft;
    struct store *store;
    struct etcd_service *etcd;
    struct grpc_server *grpc;
    struct http_server *http;
    uint16_t port;
    bool stopped;
};

struct live_cluster {
    char dir[64];
    size_t count;
    struct live_member members[LIVE_MEMBERS_MAX];
    struct raft_peer peers[LIVE_MEMBERS_MAX];
    uint16_t peer_ports[LIVE_MEMBERS_MAX];
    struct tls_config *tls;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t leader; /* Place; SIZE_MAX for none. */
};

static void must(int status, const char *what, const struct error *error)
{
    if (status != 0) {
        fprintf(stderr, "live cluster: %s: %d %s\n", what, status,
                error == NULL ? "" : error_message(error));
        abort();
    }
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(fd, (struct sockaddr *)&address, sizeof(address)), "bind", NULL);
    must(getsockname(fd, (struct sockaddr *)&address, &len), "getsockname", NULL);
    close(fd);
    return ntohs(address.sin_port);
}

static void make_tls(struct live_cluster *cluster)
{
    const char *addresses[] = {"127.0.0.1"};
    const struct x509_subject subject = {
        .common_name = "store", .addresses = addresses, .address_count = 1};
    struct buffer key, ca, public, cert;
    struct error error = {0};
    char path[128];
    int64_t now = (int64_t)time(NULL);
    buffer_init(&key, 65536);
    buffer_init(&ca, 65536);
    buffer_init(&public, 65536);
    buffer_init(&cert, 65536);
    must(x509_make_key(&key, &error), "key", &error);
    must(x509_make_ca(buffer_slice(&key), "test", now - 60, now + 3600, &ca, &error), "ca", &error);
    must(x509_public_key(buffer_slice(&key), &public, &error), "public", &error);
    const struct x509_sign_options sign = {.ca_cert_pem = buffer_slice(&ca),
                                           .ca_key_pem = buffer_slice(&key),
                                           .public_pem = buffer_slice(&public),
                                           .subject = &subject,
                                           .usages = X509_USAGE_SERVER | X509_USAGE_CLIENT,
                                           .not_before_s = now - 60,
                                           .not_after_s = now + 3600};
    must(x509_sign(&sign, &cert, &error), "sign", &error);
    snprintf(path, sizeof(path), "%s/ca.pem", cluster->dir);
    must(file_write(path, buffer_slice(&ca), 0644, &error), "save", &error);
    const struct tls_options options = {.cert_pem = buffer_slice(&cert),
                                        .key_pem = buffer_slice(&key),
                                        .verify = TLS_VERIFY_NONE,
                                        .alpn = TLS_ALPN_H2};
    must(tls_config_new_server(&options, &cluster->tls, &error), "tls", &error);
    buffer_release(&key);
    buffer_release(&ca);
    buffer_release(&public);
    buffer_release(&cert);
}

static void on_leadership(void *data, bool leading, uint64_t term)
{
    struct live_member *member = data;
    struct live_cluster *cluster = member->cluster;
    (void)term;
    pthread_mutex_lock(&cluster->lock);
    if (leading) {
        cluster->leader = member->place;
    } else if (cluster->leader == member->place) {
        cluster->leader = SIZE_MAX;
    }
    pthread_cond_broadcast(&cluster->changed);
    pthread_mutex_unlock(&cluster->lock);
}

static void on_opened(void *data, const struct error *error)
{
    struct live_member *member = data;
    char url[64];
    must(error != NULL, "raft", error);
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u", member->cluster->tls ? "https" : "http",
             (unsigned)member->port);
    store_publish_url(member->store, url);
}

static void open_store(struct live_member *member)
{
    struct live_cluster *cluster = member->cluster;
    struct error error = {0};
    char dir[128];
    must(loop_new("store", &member->store_loop), "loop", NULL);
    must(loop_new("io", &member->io_loop), "loop", NULL);
    must(env_uv_new(loop_uv(member->store_loop), &member->env), "env", NULL);
    const struct store_config config = {.env = env_uv_env(member->env),
                                        .member_id = member->place + 1,
                                        .compact_age_ms = STORE_COMPACT_AGE_MS,
                                        .lease_grace_ms = 300};
    member->store = store_new(&config);
    const struct net_address listen = {.host = "127.0.0.1",
                                       .port = cluster->peer_ports[member->place]};
    const struct raft_transport_config transport = {.loop = member->store_loop,
                                                    .env = member->env,
                                                    .id = member->place + 1,
                                                    .cluster_id = 7,
                                                    .listen = &listen,
                                                    .listen_count = 1,
                                                    .peers = cluster->peers,
                                                    .peer_count = cluster->count};
    must(raft_transport_open(&transport, &member->transport, &error), "transport", &error);
    snprintf(dir, sizeof(dir), "%s/m%zu", cluster->dir, member->place);
    const struct raft_config raft = {.env = env_uv_env(member->env),
                                     .id = member->place + 1,
                                     .cluster_id = 7,
                                     .dir = dir,
                                     .peers = cluster->peers,
                                     .peer_count = cluster->count,
                                     .fsm = store_fsm(member->store)};
    must(raft_open(&raft, on_opened, member, &member->raft, &error), "raft", &error);
    store_attach_raft(member->store, member->raft);
    raft_transport_attach(member->transport, member->raft);
    store_on_leadership(member->store, on_leadership, member);
}

static void open_member(struct live_cluster *cluster, size_t place)
{
    struct live_member *member = &cluster->members[place];
    struct error error = {0};
    member->cluster = cluster;
    member->place = place;
    open_store(member);
    const struct etcd_service_config service = {.store = member->store,
                                                .store_loop = member->store_loop,
                                                .progress_ms = 200,
                                                .gateway_answer_bytes_max =
                                                    LIVE_GATEWAY_ANSWER_BYTES_MAX};
    member->etcd = etcd_service_new(&service);
    member->grpc = grpc_server_new();
    etcd_service_mount(member->etcd, member->grpc);
    struct net_address address;
    must(net_address_parse("127.0.0.1:0", &address), "address", NULL);
    const struct http_server_options options = {.loops = &member->io_loop,
                                                .loop_count = 1,
                                                .address = &address,
                                                .tls = cluster->tls,
                                                .handler = etcd_service_gateway(member->etcd),
                                                .grpc = grpc_server_handler(member->grpc)};
    must(http_server_listen(&options, &member->http, &error), "listen", &error);
    member->port = http_server_port(member->http);
    must(loop_start_thread(member->io_loop), "thread", NULL);
    must(loop_start_thread(member->store_loop), "thread", NULL);
}

struct live_cluster *live_cluster_open(size_t members, bool tls)
{
    static char urls[LIVE_MEMBERS_MAX][64];
    static const char *names[LIVE_MEMBERS_MAX] = {"n1", "n2", "n3"};
    struct live_cluster *cluster = alloc_zeroed(sizeof(*cluster));
    cluster->count = members;
    cluster->leader = SIZE_MAX;
    pthread_mutex_init(&cluster->lock, NULL);
    pthread_cond_init(&cluster->changed, NULL);
    snprintf(cluster->dir, sizeof(cluster->dir), "/tmp/live-cluster-XXXXXX");
    must(mkdtemp(cluster->dir) == NULL, "mkdtemp", NULL);
    if (tls) {
        make_tls(cluster);
    }
    for (size_t i = 0; i < members; i++) {
        cluster->peer_ports[i] = free_port();
        snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.1:%u", (unsigned)cluster->peer_ports[i]);
        cluster->peers[i] = (struct raft_peer){.id = i + 1, .name = names[i], .url = urls[i]};
    }
    for (size_t i = 0; i < members; i++) {
        open_member(cluster, i);
    }
    (void)live_cluster_leader(cluster);
    return cluster;
}

size_t live_cluster_leader(struct live_cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    while (cluster->leader == SIZE_MAX) {
        pthread_cond_wait(&cluster->changed, &cluster->lock);
    }
    size_t leader = cluster->leader;
    pthread_mutex_unlock(&cluster->lock);
    return leader;
}

uint16_t live_cluster_port(const struct live_cluster *cluster, size_t member)
{
    return cluster->members[member].port;
}

const char *live_cluster_dir(const struct live_cluster *cluster)
{
    return cluster->dir;
}

/* --- Closing, top down. */

static void on_env_closed(void *data)
{
    struct live_member *member = data;
    loop_stop(member->store_loop);
    loop_stop(member->io_loop);
}

static void on_transport_closed(void *data)
{
    struct live_member *member = data;
    store_free(member->store);
    env_uv_close(member->env, on_env_closed, member);
}

static void on_raft_closed(void *data)
{
    struct live_member *member = data;
    raft_transport_close(member->transport, on_transport_closed, member);
}

static void close_store(void *data)
{
    struct live_member *member = data;
    etcd_service_free(member->etcd);
    grpc_server_free(member->grpc);
    store_attach_raft(member->store, NULL);
    raft_close(member->raft, on_raft_closed, member);
}

static void on_http_closed(void *data)
{
    struct live_member *member = data;
    loop_post(member->store_loop, close_store, member);
}

static void close_http(void *data)
{
    struct live_member *member = data;
    http_server_close(member->http, /* grace_ms= */ 50, on_http_closed, member);
}

void live_cluster_stop_member(struct live_cluster *cluster, size_t place)
{
    struct live_member *member = &cluster->members[place];
    if (member->stopped) {
        return;
    }
    member->stopped = true;
    loop_post(member->io_loop, close_http, member);
    loop_join(member->store_loop);
    loop_join(member->io_loop);
    loop_free(member->store_loop);
    loop_free(member->io_loop);
    on_leadership(member, /* leading= */ false, 0);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

void live_cluster_close(struct live_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++) {
        live_cluster_stop_member(cluster, i);
    }
    tls_config_unref(cluster->tls);
    (void)nftw(cluster->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(cluster);
}
