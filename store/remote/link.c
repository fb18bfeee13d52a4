/* The connection to one of the endpoints: made, asked who is there, watched over, given up, made
 * again with the next one. */
#include "store/remote/remote_private.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Requests. */

static size_t metadata(const struct remote_store *remote, struct http_header fields[2])
{
    size_t count = 0;
    /* An etcd member without a leader ends the request rather than let it hang. */
    fields[count++] = (struct http_header){slice_text("hasleader"), slice_text("true")};
    if (remote->link.token != NULL) {
        fields[count++] = (struct http_header){slice_text("token"), slice_text(remote->link.token)};
    }
    return count;
}

struct grpc_stream *remote_request_bytes(struct remote_store *remote, const char *path,
                                         struct slice bytes, uint64_t timeout_ms, grpc_done done,
                                         void *data)
{
    struct http_header fields[2];
    struct grpc_call_options options = {.path = path,
                                        .metadata = fields,
                                        .metadata_count = metadata(remote, fields),
                                        .timeout_ms = timeout_ms,
                                        .fail_fast = true};
    assert(remote->link.channel != NULL);
    return grpc_unary(remote->link.channel, &options, bytes, done, data);
}

struct grpc_stream *remote_request(struct remote_store *remote, const char *path,
                                   const ProtobufCMessage *message, uint64_t timeout_ms,
                                   grpc_done done, void *data)
{
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, REMOTE_MESSAGE_MAX);
    remote_pack(message, &bytes);
    return remote_request_bytes(remote, path, buffer_slice(&bytes), timeout_ms, done, data);
}

struct grpc_stream *remote_stream(struct remote_store *remote, const char *path,
                                  const struct grpc_stream_events *events)
{
    struct http_header fields[2];
    struct grpc_call_options options = {.path = path,
                                        .metadata = fields,
                                        .metadata_count = metadata(remote, fields),
                                        .fail_fast = true};
    assert(remote->link.channel != NULL);
    return grpc_stream_open(remote->link.channel, &options, events, remote);
}

void remote_send(struct grpc_stream *stream, const ProtobufCMessage *message)
{
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, REMOTE_MESSAGE_MAX);
    remote_pack(message, &bytes);
    (void)grpc_stream_send(stream, buffer_slice(&bytes)); /* Few and small: no back-pressure. */
}

struct grpc_stream *remote_probe(struct remote_store *remote, grpc_done done, void *data)
{
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    CLEANUP(buffer_release) struct buffer key;
    buffer_init(&key, REMOTE_KEY_MAX);
    buffer_append_slice(&key, remote->keys.prefix);
    buffer_append_text(&key, "/coracle/probe");
    range.key = remote_bytes(buffer_slice(&key));
    range.count_only = true;
    return remote_request(remote, "/etcdserverpb.KV/Range", &range.base, REMOTE_PROBE_MS, done,
                          data);
}

int remote_probe_revision(struct slice response, int64_t *ret_revision)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(REMOTE_MESSAGE_MAX);
    const Etcdserverpb__RangeResponse *message =
        remote_unpack(&etcdserverpb__range_response__descriptor, arena, response);
    if (message == NULL || message->header == NULL || message->header->revision <= 0) {
        return -EPROTO;
    }
    *ret_revision = message->header->revision;
    return 0;
}

int remote_status(const struct grpc_status *status)
{
    int known = store_status_of_text(status->message);
    if (known != 0) {
        return known;
    }
    switch (status->code) {
    case GRPC_PERMISSION_DENIED:
    case GRPC_UNAUTHENTICATED:
        return -EACCES;
    case GRPC_RESOURCE_EXHAUSTED:
        return -ENOSPC;
    case GRPC_OK:
    case GRPC_CANCELLED:
    case GRPC_UNKNOWN:
    case GRPC_INVALID_ARGUMENT:
    case GRPC_DEADLINE_EXCEEDED:
    case GRPC_NOT_FOUND:
    case GRPC_ALREADY_EXISTS:
    case GRPC_FAILED_PRECONDITION:
    case GRPC_ABORTED:
    case GRPC_OUT_OF_RANGE:
    case GRPC_UNIMPLEMENTED:
    case GRPC_INTERNAL:
    case GRPC_UNAVAILABLE:
    case GRPC_DATA_LOSS:
        break;
    }
    return STORE_TIMEOUT;
}

/* --- Losing it. */

static const struct net_address *endpoint(const struct remote_store *remote)
{
    return &remote->endpoints[remote->link.endpoint];
}

/* Says a thing once, and again after a while. */
static void complain(struct remote_store *remote, const char *why)
{
    struct link *link = &remote->link;
    uint64_t now = env_now_ns(remote->env);
    bool same = strncmp(link->why, why, sizeof(link->why) - 1) == 0;
    if (same && now - link->complained_ns < REMOTE_COMPLAIN_MS * NS_PER_MS) {
        return;
    }
    link->complained_ns = now;
    snprintf(link->why, sizeof(link->why), "%s", why);
    LOG_WARN("store", "etcd cannot be used; trying again", KV_TEXT("host", endpoint(remote)->host),
             KV_U64("port", endpoint(remote)->port), KV_TEXT("reason", why));
}

static uint64_t next_backoff(struct remote_store *remote)
{
    struct link *link = &remote->link;
    link->backoff_ms =
        link->backoff_ms == 0 ? (uint64_t)REMOTE_BACKOFF_MIN_MS : link->backoff_ms * 2;
    if (link->backoff_ms > REMOTE_BACKOFF_MAX_MS) {
        link->backoff_ms = REMOTE_BACKOFF_MAX_MS;
    }
    return link->backoff_ms / 2 + env_random(remote->env) % link->backoff_ms;
}

/* The channel is closed on the next turn: this may run inside of one of its callbacks. */
void link_lost(struct remote_store *remote, const char *why)
{
    struct link *link = &remote->link;
    if (link->state == LINK_DOWN || link->state == LINK_CLOSED) {
        return;
    }
    link->state = LINK_DOWN;
    complain(remote, why);
    if (remote->metrics.up != NULL) {
        metric_set(remote->metrics.up, 0);
    }
    link->failures++;
    link->endpoint = (link->endpoint + 1) % remote->config.endpoint_count;
    /* All others first, then wait. */
    bool tried_all = link->failures % remote->config.endpoint_count == 0;
    link->delay_ms = tried_all ? next_backoff(remote) : 0;
    env_timer_stop(remote->env, &link->health);
    env_timer_start(remote->env, &link->timer, 0);
}

/* --- Making it: authenticate, ask for version and cluster, ask a quorum. */

static void fail_probe(struct remote_store *remote, const struct grpc_status *status)
{
    if (remote->link.state == LINK_PROBING) {
        link_lost(remote,
                  status->message[0] == '\0' ? grpc_code_name(status->code) : status->message);
    }
}

static void probed(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_store *remote = data;
    int64_t revision = 0;
    if (status->code != GRPC_OK || remote->link.state != LINK_PROBING) {
        fail_probe(remote, status);
    } else if (remote_probe_revision(response, &revision) != 0) {
        link_lost(remote, "answers that are not etcd's");
    } else if (mirror_is_filled(remote->mirror) && revision < mirror_revision(remote->mirror)) {
        /* Restored from an older state: what this server has told others is not true there. */
        link_lost(remote, "its revision went back: it was restored from an older state, and this "
                          "server must be started again");
    } else {
        follow_start(remote, revision);
    }
}

static bool is_same_cluster(struct remote_store *remote, const Etcdserverpb__ResponseHeader *header)
{
    struct link *link = &remote->link;
    if (link->cluster_id == 0) {
        link->cluster_id = header->cluster_id;
    }
    return link->cluster_id == header->cluster_id;
}

static void versioned(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_store *remote = data;
    CLEANUP(arena_freep) struct arena *arena = arena_new(REMOTE_MESSAGE_MAX);
    if (status->code != GRPC_OK || remote->link.state != LINK_PROBING) {
        fail_probe(remote, status);
        return;
    }
    const Etcdserverpb__StatusResponse *message =
        remote_unpack(&etcdserverpb__status_response__descriptor, arena, response);
    if (message == NULL || message->header == NULL) {
        link_lost(remote, "answers that are not etcd's");
    } else if (!is_same_cluster(remote, message->header)) {
        link_lost(remote, "it is of another etcd cluster than the one before");
    } else {
        remote->link.ordered_progress = remote_progress_is_ordered(message->version);
        (void)remote_probe(remote, probed, remote);
    }
}

static void ask_version(struct remote_store *remote)
{
    Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    (void)remote_request(remote, "/etcdserverpb.Maintenance/Status", &request.base, REMOTE_PROBE_MS,
                         versioned, remote);
}

static void authenticated(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_store *remote = data;
    CLEANUP(arena_freep) struct arena *arena = arena_new(REMOTE_MESSAGE_MAX);
    if (status->code != GRPC_OK || remote->link.state != LINK_PROBING) {
        fail_probe(remote, status);
        return;
    }
    const Etcdserverpb__AuthenticateResponse *message =
        remote_unpack(&etcdserverpb__authenticate_response__descriptor, arena, response);
    if (message == NULL) {
        link_lost(remote, "answers that are not etcd's");
        return;
    }
    free(remote->link.token);
    remote->link.token = alloc_text(message->token);
    ask_version(remote);
}

static void authenticate(struct remote_store *remote)
{
    Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    request.name = remote->user;
    request.password = remote->password;
    free(TAKE(remote->link.token));
    (void)remote_request(remote, "/etcdserverpb.Auth/Authenticate", &request.base, REMOTE_PROBE_MS,
                         authenticated, remote);
}

static void connect_now(struct remote_store *remote)
{
    struct grpc_channel_options options = {.address = endpoint(remote),
                                           .tls = remote->config.tls,
                                           .message_bytes_max = REMOTE_MESSAGE_MAX};
    assert(remote->link.channel == NULL);
    remote->link.channel = grpc_channel_new(remote->config.loop, &options);
    remote->link.state = LINK_PROBING;
    if (remote->metrics.connects != NULL) {
        metric_add(remote->metrics.connects, 1);
    }
    if (remote->user != NULL) {
        authenticate(remote);
    } else {
        ask_version(remote);
    }
}

static void timer_fired(void *data)
{
    struct remote_store *remote = data;
    struct link *link = &remote->link;
    assert(link->state == LINK_DOWN);
    if (link->channel != NULL) {
        grpc_channel_close(TAKE(link->channel)); /* What was under way ends here. */
    }
    if (link->delay_ms > 0) {
        env_timer_start(remote->env, &link->timer, link->delay_ms * NS_PER_MS);
        link->delay_ms = 0;
        return;
    }
    connect_now(remote);
}

/* --- Watching over it. */

static void health_fired(void *data)
{
    struct remote_store *remote = data;
    if (link_up(remote)) {
        remote->link.failures = 0; /* It has lasted for a while. */
        remote->link.backoff_ms = 0;
        env_timer_start(remote->env, &remote->link.health, REMOTE_HEALTH_MS * NS_PER_MS);
        calls_health(remote);
    }
}

void link_is_up(struct remote_store *remote)
{
    struct link *link = &remote->link;
    link->state = LINK_UP;
    link->why[0] = '\0';
    LOG_INFO("store", "etcd is followed", KV_TEXT("host", endpoint(remote)->host),
             KV_U64("port", endpoint(remote)->port),
             KV_I64("revision", mirror_revision(remote->mirror)));
    if (remote->metrics.up != NULL) {
        metric_set(remote->metrics.up, 1);
    }
    env_timer_start(remote->env, &link->health, REMOTE_HEALTH_MS * NS_PER_MS);
    calls_link_up(remote);
    leader_link_up(remote);
}

void link_init(struct remote_store *remote)
{
    struct link *link = &remote->link;
    link->timer = (struct env_timer){.fire = timer_fired, .data = remote};
    link->health = (struct env_timer){.fire = health_fired, .data = remote};
    link->endpoint = env_random(remote->env) % remote->config.endpoint_count;
    env_timer_start(remote->env, &link->timer, 0);
}

void link_release(struct remote_store *remote)
{
    struct link *link = &remote->link;
    link->state = LINK_CLOSED;
    env_timer_stop(remote->env, &link->timer);
    env_timer_stop(remote->env, &link->health);
    if (link->channel != NULL) {
        grpc_channel_close(TAKE(link->channel));
    }
    free(TAKE(link->token));
}
