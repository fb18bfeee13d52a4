#include "cmd/member_join.h"

#include "cmd/etcd_client.h"
#include "cmd/join_token.h"
#include "cmd/pause.h"
#include "cmd/peer_probe.h"
#include "coracle/member/v1/member.pb-c.h"
#include "etcd/rpc.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/url_list.h"
#include "lib/net/x509.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ETCD_URL_FILE "join-etcd-url" /* Where the server that gave the keys serves etcd. */

enum { JOIN_TRIES = 60, JOIN_RETRY_MS = 1000 };

/* ---- keys ---- */

static int ask_api(const struct member_config *config, struct slice ca_pem, const char *path,
                   const ProtobufCMessage *request, const ProtobufCMessageDescriptor *descriptor,
                   ProtobufCMessage **ret_answer, struct error *reterr)
{
    struct tls_config *tls;
    const struct tls_options options = {.ca_pem = ca_pem,
                                        .verify =
                                            ca_pem.len == 0 ? TLS_VERIFY_NONE : TLS_VERIFY_REQUIRED,
                                        .alpn = TLS_ALPN_H2};
    int result = tls_config_new_client(&options, &tls, reterr);
    if (result < 0) {
        return result;
    }
    struct etcd_client *client;
    const struct etcd_client_options target = {
        .endpoints = &config->join_url, .endpoint_count = 1, .tls = tls};
    result = etcd_client_open(&target, &client, reterr);
    if (result == 0) {
        result = etcd_client_call(client, path, request, descriptor, 0, ret_answer, reterr);
        etcd_client_close(client);
    }
    tls_config_unref(tls);
    return result;
}

/* The token is shown only to a server that has this CA behind it. */
static int fetch_ca(const struct member_config *config, const uint8_t *ca_hash, struct buffer *out,
                    struct error *reterr)
{
    Member__V1__GetCaRequest request = MEMBER__V1__GET_CA_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    uint8_t hash[X509_SHA256_SIZE];
    int result = ask_api(config, slice_of(NULL, 0), "/coracle.member.v1.MemberService/GetCa",
                         &request.base, &member__v1__get_ca_response__descriptor, &message, reterr);
    if (result != 0) {
        return result;
    }
    assert(message != NULL);
    const Member__V1__GetCaResponse *answer = (const void *)message;
    x509_sha256(slice_of(answer->ca.data, answer->ca.len), hash);
    if (memcmp(hash, ca_hash, sizeof(hash)) == 0) {
        buffer_append(out, answer->ca.data, answer->ca.len);
    } else {
        result = error_set(reterr, -EACCES,
                           "%s has another CA than the token says: it is not the cluster that the "
                           "token was made for",
                           config->join_url);
    }
    protobuf_c_message_free_unpacked(message, NULL);
    return result;
}

static int check_settings(const struct member_config *config,
                          const Member__V1__JoinResponse *answer, struct error *reterr)
{
    const char *const settings[][3] = {
        {"service-cidr", config->service_cidr, answer->service_cidr},
        {"cluster-cidr", config->cluster_cidr, answer->cluster_cidr},
        {"cluster-domain", config->cluster_domain, answer->cluster_domain}};
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (strcmp(settings[i][1], settings[i][2]) != 0) {
            return error_set(reterr, -EINVAL, "--%s=%s: the cluster has %s", settings[i][0],
                             settings[i][1], settings[i][2]);
        }
    }
    return 0;
}

/* ca.key last: it says that the others are there. */
static int save_keys(const struct member_config *config, const Member__V1__JoinResponse *answer,
                     struct error *reterr)
{
    const struct {
        const char *file;
        ProtobufCBinaryData pem;
    } files[] = {{"sa.key", answer->account_key},
                 {"sa.pub", answer->account_public},
                 {"ca.crt", answer->ca},
                 {"ca.key", answer->ca_key}};
    CLEANUP(alloc_freep) char *dir = alloc_printf("%s/pki", config->data_dir);
    int result = directory_make_durable(dir, 0755, reterr);
    for (size_t i = 0; i < ARRAY_LEN(files) && result == 0; i++) {
        CLEANUP(alloc_freep) char *path = alloc_printf("%s/%s", dir, files[i].file);
        result = file_write(path, slice_of(files[i].pem.data, files[i].pem.len), 0600, reterr);
    }
    return result;
}

static int fetch_keys(const struct member_config *config, char *token, struct slice ca_pem,
                      struct error *reterr)
{
    Member__V1__JoinRequest request = MEMBER__V1__JOIN_REQUEST__INIT;
    CLEANUP(alloc_freep) char *name = alloc_text(config->name);
    ProtobufCMessage *message = NULL;
    request.token = token;
    request.name = name;
    int result = ask_api(config, ca_pem, "/coracle.member.v1.MemberService/Join", &request.base,
                         &member__v1__join_response__descriptor, &message, reterr);
    if (result != 0) {
        return result;
    }
    assert(message != NULL);
    const Member__V1__JoinResponse *answer = (const void *)message;
    result = check_settings(config, answer, reterr);
    if (result == 0) {
        CLEANUP(alloc_freep) char *path = alloc_printf("%s/" ETCD_URL_FILE, config->data_dir);
        result = file_write(path, slice_text(answer->etcd_url), 0600, reterr);
    }
    if (result == 0) {
        result = save_keys(config, answer, reterr);
    }
    protobuf_c_message_free_unpacked(message, NULL);
    return result;
}

static bool has_file(const struct member_config *config, const char *file)
{
    CLEANUP(alloc_freep) char *path = alloc_printf("%s/%s", config->data_dir, file);
    return access(path, F_OK) == 0;
}

static bool has_keys(const struct member_config *config)
{
    return has_file(config, "pki/ca.key") && has_file(config, ETCD_URL_FILE);
}

/* Certificates that were signed by another CA would be left beside it. */
static int check_own_ca(const struct member_config *config, struct slice ca_pem,
                        struct error *reterr)
{
    CLEANUP(alloc_freep) char *path = alloc_printf("%s/pki/ca.crt", config->data_dir);
    CLEANUP(buffer_release) struct buffer own;
    buffer_init(&own, SIZE_MAX);
    if (!has_file(config, "pki/ca.crt") || file_read(path, &own, NULL) < 0 ||
        slice_equal(buffer_slice(&own), ca_pem)) {
        return 0;
    }
    return error_set(reterr, -EEXIST,
                     "%s/pki is that of another cluster: move it away before this server joins",
                     config->data_dir);
}

/* Without them a CA of its own would be made here, which no member knows. */
static int check_own_keys(const struct member_config *config, struct error *reterr)
{
    bool tls = strncmp(config->join_url, "https://", strlen("https://")) == 0;
    return !tls || has_file(config, "pki/ca.key")
               ? 0
               : error_set(reterr, -EINVAL,
                           "--join needs --token, which `coracle token create --member` prints on "
                           "a server; or the pki files of a member in %s/pki",
                           config->data_dir);
}

int member_join_keys(const struct member_config *config, struct error *reterr)
{
    char token[JOIN_TOKEN_SIZE];
    uint8_t ca_hash[JOIN_TOKEN_HASH];
    if (config->join_token == NULL) {
        return check_own_keys(config, reterr);
    }
    if (join_token_split(config->join_token, token, ca_hash) < 0) {
        return error_set(reterr, -EINVAL,
                         "--token: must be what `coracle token create --member` prints");
    }
    CLEANUP(buffer_release) struct buffer ca;
    buffer_init(&ca, SIZE_MAX);
    int result = fetch_ca(config, ca_hash, &ca, reterr);
    if (result == 0) {
        result = check_own_ca(config, buffer_slice(&ca), reterr);
    }
    if (result == 0) {
        result = fetch_keys(config, token, buffer_slice(&ca), reterr);
    }
    if (result == 0) {
        LOG_INFO("server", "got the cluster's keys", KV_TEXT("from", config->join_url));
    } else if (result != -EEXIST && has_keys(config)) {
        LOG_INFO("server", "going on with the keys of an earlier try",
                 KV_TEXT("reason", error_message(reterr)));
        error_release(reterr);
        result = 0;
    }
    return result;
}

/* ---- membership ---- */

struct joining {
    struct member_config *config;
    struct arena *arena;
    struct etcd_client *client;
    struct error *reterr;
};

static bool has_peer_url(const Etcdserverpb__Member *member, const char *urls)
{
    for (size_t i = 0; i < member->n_peerurls; i++) {
        if (url_list_has(urls, member->peerurls[i])) {
            return true;
        }
    }
    return false;
}

static const Etcdserverpb__Member *find_place(const struct joining *joining,
                                              const Etcdserverpb__MemberListResponse *list)
{
    const struct member_config *config = joining->config;
    for (size_t i = 0; i < list->n_members; i++) {
        const Etcdserverpb__Member *member = list->members[i];
        if (has_peer_url(member, config->peer_urls) || strcmp(member->name, config->name) == 0) {
            return member;
        }
    }
    return NULL;
}

/* As a list, empty when they are too many or too long. */
static const char *urls_of(const struct joining *joining, char *const *urls, size_t count)
{
    const char *given[URL_LIST_MAX];
    char *list = arena_alloc(joining->arena, RAFT_URL_MAX);
    for (size_t i = 0; i < count && i < URL_LIST_MAX; i++) {
        given[i] = urls[i];
    }
    return url_list_join(given, count, list, RAFT_URL_MAX) < 0 ? "" : list;
}

/* Client URLs come with the first start. */
static bool was_started(const Etcdserverpb__Member *member)
{
    return member->n_clienturls > 0;
}

static int remove_lost(const struct joining *joining, const Etcdserverpb__Member *member)
{
    const char *url = urls_of(joining, member->peerurls, member->n_peerurls);
    if (peer_listens(url) ||
        peer_listens(urls_of(joining, member->clienturls, member->n_clienturls))) {
        return error_set(joining->reterr, -EEXIST,
                         "member %s at %s is in the cluster and answers: stop it first, or choose "
                         "another --name and --peer-url",
                         member->name, url);
    }
    LOG_WARN("server",
             "removing the member whose place this one takes: it is silent, and its data "
             "is not here",
             KV_TEXT("member", member->name), KV_TEXT("url", url), KV_ID("id", member->id));
    Etcdserverpb__MemberRemoveRequest request = ETCDSERVERPB__MEMBER_REMOVE_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.id = member->id;
    int result = etcd_client_call(joining->client, "/etcdserverpb.Cluster/MemberRemove",
                                  &request.base, &etcdserverpb__member_remove_response__descriptor,
                                  0, &message, joining->reterr);
    if (result == 0) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return result;
}

static int add(const struct joining *joining)
{
    Etcdserverpb__MemberAddRequest request = ETCDSERVERPB__MEMBER_ADD_REQUEST__INIT;
    char *urls[URL_LIST_MAX];
    const char *list = joining->config->peer_urls;
    struct slice url;
    ProtobufCMessage *message = NULL;
    request.peerurls = urls;
    while (url_list_next(&list, &url)) {
        urls[request.n_peerurls++] = arena_text_n(joining->arena, (const char *)url.data, url.len);
    }
    int result = etcd_client_call(joining->client, "/etcdserverpb.Cluster/MemberAdd", &request.base,
                                  &etcdserverpb__member_add_response__descriptor, 0, &message,
                                  joining->reterr);
    if (result == 0) {
        LOG_INFO("server", "added to the cluster", KV_TEXT("member", joining->config->name),
                 KV_TEXT("url", joining->config->peer_urls));
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return result;
}

/* Its name comes later, with its first words to the cluster: the leader knows none yet. */
static int take_place(const struct joining *joining, const Etcdserverpb__MemberListResponse *list,
                      const Etcdserverpb__Member *own)
{
    struct member_config *config = joining->config;
    if (list->n_members > RAFT_MEMBERS_MAX) {
        return error_set(joining->reterr, -EPROTO, "the cluster lists too many members");
    }
    config->cluster_id = list->header->cluster_id;
    config->id = own->id;
    config->join = true;
    config->peer_count = list->n_members;
    for (size_t i = 0; i < list->n_members; i++) {
        const Etcdserverpb__Member *member = list->members[i];
        config->peers[i] =
            (struct raft_peer){.id = member->id,
                               .name = arena_text(joining->arena, member->name),
                               .url = urls_of(joining, member->peerurls, member->n_peerurls),
                               .learner = member->islearner};
    }
    return 0;
}

/* One look at the list and one step towards standing in it: 0 when it does; 1 to look again. */
static int step(const struct joining *joining)
{
    Etcdserverpb__MemberListRequest request = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.linearizable = true;
    int result = etcd_client_call(joining->client, "/etcdserverpb.Cluster/MemberList",
                                  &request.base, &etcdserverpb__member_list_response__descriptor, 0,
                                  &message, joining->reterr);
    if (result < 0) {
        return result;
    }
    const Etcdserverpb__MemberListResponse *list = (const void *)message;
    const Etcdserverpb__Member *place = find_place(joining, list);
    if (list->header == NULL) {
        result = error_set(joining->reterr, -EPROTO, "the member's answer has no header");
    } else if (place != NULL && !was_started(place) &&
               has_peer_url(place, joining->config->peer_urls)) {
        result = take_place(joining, list, place);
    } else if (place != NULL) {
        result = remove_lost(joining, place);
        result = result < 0 ? result : 1;
    } else {
        result = add(joining);
        result = result < 0 ? result : 1;
    }
    protobuf_c_message_free_unpacked(message, NULL);
    return result;
}

/* Another change may be under way, or an election: worth some patience. */
static bool worth_waiting(const struct joining *joining, int result)
{
    enum grpc_code code = etcd_client_code(joining->client);
    return result == -EHOSTUNREACH ||
           (result == -EREMOTEIO && (code == GRPC_UNAVAILABLE || code == GRPC_FAILED_PRECONDITION ||
                                     code == GRPC_RESOURCE_EXHAUSTED));
}

static int step_until_done(const struct joining *joining)
{
    int result = 1;
    for (int tries = 0; tries < JOIN_TRIES && result != 0; tries++) {
        result = step(joining);
        if (result < 0 && !worth_waiting(joining, result)) {
            return result;
        }
        if (result < 0) {
            LOG_INFO("server", "cannot join yet, trying again",
                     KV_TEXT("reason", error_message(joining->reterr)));
            pause_ms(JOIN_RETRY_MS);
        }
    }
    if (result > 0) {
        return error_set(joining->reterr, -ETIMEDOUT, "the cluster does not list this member");
    }
    return result;
}

/* The etcd URL that came with the keys, or --join itself. */
static const char *etcd_url_of(const struct joining *joining)
{
    CLEANUP(alloc_freep) char *path = alloc_printf("%s/" ETCD_URL_FILE, joining->config->data_dir);
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, NET_HOST_MAX + 64);
    if (joining->config->join_token == NULL || file_read(path, &text, NULL) < 0) {
        return joining->config->join_url;
    }
    return arena_text(joining->arena, buffer_text(&text));
}

int member_join_cluster(struct member_config *config, struct arena *arena, struct error *reterr)
{
    struct joining joining = {.config = config, .arena = arena, .reterr = reterr};
    const char *url = etcd_url_of(&joining);
    const struct etcd_client_options options = {.endpoints = &url,
                                                .endpoint_count = 1,
                                                .data_dir = config->data_dir,
                                                .user = config->join_user};
    int result = etcd_client_open(&options, &joining.client, reterr);
    if (result == 0) {
        result = step_until_done(&joining);
        etcd_client_close(joining.client);
    }
    if (result == 0) {
        LOG_INFO("server", "joining: the leader brings the log, then this member gets its vote",
                 KV_TEXT("member", config->name), KV_ID("id", config->id),
                 KV_ID("cluster", config->cluster_id));
        error_release(reterr);
    }
    return result;
}
