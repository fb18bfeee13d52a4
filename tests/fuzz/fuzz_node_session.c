/* What an agent may say to a member, from any bytes: registration, and sessions with a true node
 * certificate. A whole API server answers, over a store of one member. The first byte: 0 registers,
 * 1 sends the messages as they come, all else after a good Hello. */
#include "apiserver/apiserver.h"
#include "apiserver/pki.h"
#include "coracle/node/v1/session.pb-c.h"
#include "lib/base/env_uv.h"
#include "lib/base/metrics.h"
#include "lib/net/loop.h"
#include "raft/raft.h"
#include "store/storage.h"
#include "tests/fuzz/grpc_calls.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct grpc_channel *channel;
static struct pki pki;

static void on_opened(void *data, const struct error *error)
{
    must(error != NULL, "raft");
    *(bool *)data = true;
}

static struct storage *open_storage(struct env_uv *env, const char *dir)
{
    struct raft_node *raft = NULL;
    bool opened = false;
    const struct store_config config = {
        .env = env_uv_env(env), .member_id = 1, .compact_age_ms = 300000, .lease_grace_ms = 300};
    struct store *store = store_new(&config);
    struct raft_peer peer = {.id = 1, .name = "n1", .url = "http://127.0.0.1:1"};
    const struct raft_config options = {.env = env_uv_env(env),
                                        .id = 1,
                                        .cluster_id = 1,
                                        .dir = dir,
                                        .peers = &peer,
                                        .peer_count = 1,
                                        .fsm = store_fsm(store)};
    must(raft_open(&options, on_opened, &opened, &raft, NULL), "raft");
    store_attach_raft(store, raft);
    while (!opened || !raft_is_settled_leader(raft)) {
        loop_turn(loop, true);
    }
    return store_storage(store);
}

static void open_pki(const char *dir)
{
    static const char *const hosts[] = {"127.0.0.1"};
    const struct pki_config config = {.data_dir = dir,
                                      .member_name = "n1",
                                      .hosts = hosts,
                                      .host_count = 1,
                                      .service_ip = "10.96.0.1",
                                      .cluster_domain = "cluster.local"};
    must(pki_open(&config, &pki, NULL), "pki");
}

/* A channel of node n1. */
static void open_channel(uint16_t port)
{
    static const char *const groups[] = {"system:nodes"};
    struct net_address address;
    struct tls_config *tls = NULL;
    char *cert = NULL, *key = NULL;
    must(pki_client_cert(&pki, "system:node:n1", groups, 1, 3600, &cert, &key, NULL), "cert");
    const struct tls_options options = {.cert_pem = slice_text(cert),
                                        .key_pem = slice_text(key),
                                        .ca_pem = slice_text(pki.ca_cert),
                                        .verify = TLS_VERIFY_REQUIRED,
                                        .alpn = TLS_ALPN_H2};
    must(tls_config_new_client(&options, &tls, NULL), "tls");
    must(net_address_parse("127.0.0.1:0", &address), "address");
    address.port = port;
    const struct grpc_channel_options client = {.address = &address, .tls = tls};
    channel = grpc_channel_new(loop, &client);
    free(cert);
    free(key);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct env_uv *env = NULL;
    struct apiserver *server = NULL;
    const char *dir = scratch_dir();
    (void)argc, (void)argv;
    must(loop_new("fuzz", &loop), "loop");
    must(env_uv_new(loop_uv(loop), &env), "env");
    open_pki(dir);
    const struct apiserver_config config = {.env = env_uv_env(env),
                                            .store_loop = loop,
                                            .io_loops = &loop,
                                            .io_loop_count = 1,
                                            .storage = open_storage(env, dir),
                                            .metrics = metrics_new(),
                                            .pki = &pki,
                                            .listen_host = "127.0.0.1",
                                            .advertise_url = "https://127.0.0.1:6443",
                                            .member_name = "n1",
                                            .service_cidr = "10.96.0.0/24",
                                            .cluster_cidr = "10.244.0.0/16",
                                            .cluster_domain = "cluster.local"};
    must(apiserver_new(&config, &server, NULL), "apiserver");
    apiserver_set_leader(server, true);
    open_channel(apiserver_port(server));
    return 0;
}

static struct slice good_hello(uint8_t bytes[64])
{
    Session__V1__Hello hello;
    Session__V1__AgentMessage message;
    session__v1__hello__init(&hello);
    session__v1__agent_message__init(&message);
    hello.node_name = (char *)(uintptr_t) "n1";
    message.message_case = SESSION__V1__AGENT_MESSAGE__MESSAGE_HELLO;
    message.hello = &hello;
    assert(session__v1__agent_message__get_packed_size(&message) <= 64);
    return slice_of(bytes, session__v1__agent_message__pack(&message, bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[64];
    if (size == 0) {
        return 0;
    }
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] == 0) {
        (void)grpc_calls_unary(loop, channel, "/coracle.node.v1.NodeService/RegisterNode", rest);
    } else {
        (void)grpc_calls_stream(loop, channel, "/coracle.node.v1.NodeService/Session",
                                data[0] == 1 ? slice_of(NULL, 0) : good_hello(bytes), rest);
    }
    return 0;
}
