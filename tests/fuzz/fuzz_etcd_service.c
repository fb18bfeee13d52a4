/* Requests to the etcd services from any bytes, against a store of one member that keeps running:
 * whatever is asked, each call is answered, and the next one too. The first byte picks the method;
 * membership stays as it is, as one member that waits for a second answers nobody. */
#include "lib/base/env_uv.h"
#include "lib/net/loop.h"
#include "raft/raft.h"
#include "store/etcd_service.h"
#include "tests/fuzz/grpc_calls.h"
#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct grpc_channel *channel;

static const struct {
    const char *path;
    bool stream;
} methods[] = {
    {"/etcdserverpb.KV/Range", false},
    {"/etcdserverpb.KV/Put", false},
    {"/etcdserverpb.KV/DeleteRange", false},
    {"/etcdserverpb.KV/Txn", false},
    {"/etcdserverpb.KV/Compact", false},
    {"/etcdserverpb.Watch/Watch", true},
    {"/etcdserverpb.Lease/LeaseGrant", false},
    {"/etcdserverpb.Lease/LeaseRevoke", false},
    {"/etcdserverpb.Lease/LeaseKeepAlive", true},
    {"/etcdserverpb.Lease/LeaseTimeToLive", false},
    {"/etcdserverpb.Lease/LeaseLeases", false},
    {"/etcdserverpb.Cluster/MemberList", false},
    {"/etcdserverpb.Cluster/MemberPromote", false},
    {"/etcdserverpb.Maintenance/Status", false},
    {"/etcdserverpb.Maintenance/Defragment", false},
    {"/etcdserverpb.Maintenance/Hash", false},
    {"/etcdserverpb.Maintenance/HashKV", false},
    {"/etcdserverpb.Maintenance/MoveLeader", false},
    {"/etcdserverpb.Maintenance/Downgrade", false},
    {"/etcdserverpb.Auth/AuthStatus", false}, /* Not AuthEnable: then nobody could ask more. */
    {"/etcdserverpb.Auth/AuthDisable", false},
    {"/etcdserverpb.Auth/Authenticate", false},
    {"/etcdserverpb.Auth/UserAdd", false},
    {"/etcdserverpb.Auth/UserGet", false},
    {"/etcdserverpb.Auth/UserList", false},
    {"/etcdserverpb.Auth/UserDelete", false},
    {"/etcdserverpb.Auth/UserChangePassword", false},
    {"/etcdserverpb.Auth/UserGrantRole", false},
    {"/etcdserverpb.Auth/UserRevokeRole", false},
    {"/etcdserverpb.Auth/RoleAdd", false},
    {"/etcdserverpb.Auth/RoleGet", false},
    {"/etcdserverpb.Auth/RoleList", false},
    {"/etcdserverpb.Auth/RoleDelete", false},
    {"/etcdserverpb.Auth/RoleGrantPermission", false},
    {"/etcdserverpb.Auth/RoleRevokePermission", false},
    {"/v3lockpb.Lock/Lock", false},
    {"/v3lockpb.Lock/Unlock", false},
    {"/v3electionpb.Election/Campaign", false},
    {"/v3electionpb.Election/Proclaim", false},
    {"/v3electionpb.Election/Leader", false},
    {"/v3electionpb.Election/Observe", true},
    {"/v3electionpb.Election/Resign", false},
    {"/grpc.health.v1.Health/Check", false},
    {"/grpc.health.v1.Health/Watch", true},
    {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", true},
};

static void on_opened(void *data, const struct error *error)
{
    must(error != NULL, "raft");
    *(bool *)data = true;
}

static struct store *open_store(void)
{
    struct env_uv *env = NULL;
    struct raft_node *raft = NULL;
    bool opened = false;
    must(env_uv_new(loop_uv(loop), &env), "env");
    const struct store_config config = {
        .env = env_uv_env(env), .member_id = 1, .compact_age_ms = 300000, .lease_grace_ms = 300};
    struct store *store = store_new(&config);
    struct raft_peer peer = {.id = 1, .name = "n1", .url = "http://127.0.0.1:1"};
    const struct raft_config options = {.env = env_uv_env(env),
                                        .id = 1,
                                        .cluster_id = 1,
                                        .dir = scratch_dir(),
                                        .peers = &peer,
                                        .peer_count = 1,
                                        .fsm = store_fsm(store)};
    must(raft_open(&options, on_opened, &opened, &raft, NULL), "raft");
    store_attach_raft(store, raft);
    while (!opened || !raft_is_settled_leader(raft)) {
        loop_turn(loop, true);
    }
    return store;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct net_address address;
    struct http_server *http = NULL;
    (void)argc, (void)argv;
    /* The store is never closed: passwords may be hashed while the process ends. */
    must(OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) == 1 ? 0 : -EINVAL, "crypto");
    must(loop_new("fuzz", &loop), "loop");
    const struct etcd_service_config config = {
        .store = open_store(), .store_loop = loop, .progress_ms = 1000};
    struct grpc_server *grpc = grpc_server_new();
    etcd_service_mount(etcd_service_new(&config), grpc);
    must(net_address_parse("127.0.0.1:0", &address), "address");
    const struct http_server_options options = {
        .loops = &loop, .loop_count = 1, .address = &address, .grpc = grpc_server_handler(grpc)};
    must(http_server_listen(&options, &http, NULL), "listen");
    address.port = http_server_port(http);
    const struct grpc_channel_options client = {.address = &address};
    channel = grpc_channel_new(loop, &client);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    size_t method = data[0] % ARRAY_LEN(methods);
    struct slice rest = slice_of(data + 1, size - 1);
    if (methods[method].stream) {
        (void)grpc_calls_stream(loop, channel, methods[method].path, slice_of(NULL, 0), rest);
    } else {
        (void)grpc_calls_unary(loop, channel, methods[method].path, rest);
    }
    return 0;
}
