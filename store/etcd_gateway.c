/* etcd's JSON gateway: what /v3/... answers to a POST of JSON on the client listener, by the gRPC
 * method behind it, in the same process. Texts and statuses are those of etcd's gateway. A stream's
 * answers are lines, {"result": ...} or at last {"error": ...}; its requests are the values in the
 * body, which has to be complete before the first is looked at. Differs: no CORS headers, and the
 * certificate of a client counts as it does for gRPC. Reference: etcd API v3, "gRPC gateway". */
#include "store/etcd_private.h"

#include "etcd/v3election.pb-c.h"
#include "etcd/v3lock.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/memory_budget.h"
#include "lib/base/urgency.h"
#include "lib/net/grpc_frame.h"
#include "lib/net/limits.h"
#include "store/etcd_access.h"
#include "store/etcd_json.h"
#include "store/password.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    /* More than a body can hold: its bytes, and a prefix for each of its values. */
    MESSAGES_BYTES_MAX = 4 * 1024 * 1024,
    ERROR_BYTES_MAX = 16 * 1024,
    JSON_MADE_HERE = 256 * 1024, /* Bytes of a message, on the connection's loop: a millisecond. */
};

/* --- What is behind a path. */

struct route {
    const char *path; /* Behind /v3/ */
    const ProtobufCServiceDescriptor *service;
    const char *method;
    enum { ONE_ANSWER, ANSWERS } answers;
};

static const struct route routes[] = {
    {"kv/range", &etcdserverpb__kv__descriptor, "Range", ONE_ANSWER},
    {"kv/put", &etcdserverpb__kv__descriptor, "Put", ONE_ANSWER},
    {"kv/deleterange", &etcdserverpb__kv__descriptor, "DeleteRange", ONE_ANSWER},
    {"kv/txn", &etcdserverpb__kv__descriptor, "Txn", ONE_ANSWER},
    {"kv/compaction", &etcdserverpb__kv__descriptor, "Compact", ONE_ANSWER},
    {"watch", &etcdserverpb__watch__descriptor, "Watch", ANSWERS},
    {"lease/grant", &etcdserverpb__lease__descriptor, "LeaseGrant", ONE_ANSWER},
    {"lease/revoke", &etcdserverpb__lease__descriptor, "LeaseRevoke", ONE_ANSWER},
    {"lease/keepalive", &etcdserverpb__lease__descriptor, "LeaseKeepAlive", ANSWERS},
    {"lease/timetolive", &etcdserverpb__lease__descriptor, "LeaseTimeToLive", ONE_ANSWER},
    {"lease/leases", &etcdserverpb__lease__descriptor, "LeaseLeases", ONE_ANSWER},
    {"kv/lease/revoke", &etcdserverpb__lease__descriptor, "LeaseRevoke", ONE_ANSWER},
    {"kv/lease/timetolive", &etcdserverpb__lease__descriptor, "LeaseTimeToLive", ONE_ANSWER},
    {"kv/lease/leases", &etcdserverpb__lease__descriptor, "LeaseLeases", ONE_ANSWER},
    {"cluster/member/add", &etcdserverpb__cluster__descriptor, "MemberAdd", ONE_ANSWER},
    {"cluster/member/remove", &etcdserverpb__cluster__descriptor, "MemberRemove", ONE_ANSWER},
    {"cluster/member/update", &etcdserverpb__cluster__descriptor, "MemberUpdate", ONE_ANSWER},
    {"cluster/member/list", &etcdserverpb__cluster__descriptor, "MemberList", ONE_ANSWER},
    {"cluster/member/promote", &etcdserverpb__cluster__descriptor, "MemberPromote", ONE_ANSWER},
    {"maintenance/alarm", &etcdserverpb__maintenance__descriptor, "Alarm", ONE_ANSWER},
    {"maintenance/status", &etcdserverpb__maintenance__descriptor, "Status", ONE_ANSWER},
    {"maintenance/defragment", &etcdserverpb__maintenance__descriptor, "Defragment", ONE_ANSWER},
    {"maintenance/hash", &etcdserverpb__maintenance__descriptor, "HashKV", ONE_ANSWER},
    {"maintenance/snapshot", &etcdserverpb__maintenance__descriptor, "Snapshot", ANSWERS},
    {"maintenance/transfer-leadership", &etcdserverpb__maintenance__descriptor, "MoveLeader",
     ONE_ANSWER},
    {"maintenance/downgrade", &etcdserverpb__maintenance__descriptor, "Downgrade", ONE_ANSWER},
    {"auth/enable", &etcdserverpb__auth__descriptor, "AuthEnable", ONE_ANSWER},
    {"auth/disable", &etcdserverpb__auth__descriptor, "AuthDisable", ONE_ANSWER},
    {"auth/status", &etcdserverpb__auth__descriptor, "AuthStatus", ONE_ANSWER},
    {"auth/authenticate", &etcdserverpb__auth__descriptor, "Authenticate", ONE_ANSWER},
    {"auth/user/add", &etcdserverpb__auth__descriptor, "UserAdd", ONE_ANSWER},
    {"auth/user/get", &etcdserverpb__auth__descriptor, "UserGet", ONE_ANSWER},
    {"auth/user/list", &etcdserverpb__auth__descriptor, "UserList", ONE_ANSWER},
    {"auth/user/delete", &etcdserverpb__auth__descriptor, "UserDelete", ONE_ANSWER},
    {"auth/user/changepw", &etcdserverpb__auth__descriptor, "UserChangePassword", ONE_ANSWER},
    {"auth/user/grant", &etcdserverpb__auth__descriptor, "UserGrantRole", ONE_ANSWER},
    {"auth/user/revoke", &etcdserverpb__auth__descriptor, "UserRevokeRole", ONE_ANSWER},
    {"auth/role/add", &etcdserverpb__auth__descriptor, "RoleAdd", ONE_ANSWER},
    {"auth/role/get", &etcdserverpb__auth__descriptor, "RoleGet", ONE_ANSWER},
    {"auth/role/list", &etcdserverpb__auth__descriptor, "RoleList", ONE_ANSWER},
    {"auth/role/delete", &etcdserverpb__auth__descriptor, "RoleDelete", ONE_ANSWER},
    {"auth/role/grant", &etcdserverpb__auth__descriptor, "RoleGrantPermission", ONE_ANSWER},
    {"auth/role/revoke", &etcdserverpb__auth__descriptor, "RoleRevokePermission", ONE_ANSWER},
    {"lock/lock", &v3lockpb__lock__descriptor, "Lock", ONE_ANSWER},
    {"lock/unlock", &v3lockpb__lock__descriptor, "Unlock", ONE_ANSWER},
    {"election/campaign", &v3electionpb__election__descriptor, "Campaign", ONE_ANSWER},
    {"election/proclaim", &v3electionpb__election__descriptor, "Proclaim", ONE_ANSWER},
    {"election/leader", &v3electionpb__election__descriptor, "Leader", ONE_ANSWER},
    {"election/observe", &v3electionpb__election__descriptor, "Observe", ANSWERS},
    {"election/resign", &v3electionpb__election__descriptor, "Resign", ONE_ANSWER},
};

static const struct route *route_of(struct slice path)
{
    static const char prefix[] = "/v3/";
    if (!slice_starts_with(path, slice_text(prefix))) {
        return NULL;
    }
    path = slice_of(path.data + strlen(prefix), path.len - strlen(prefix));
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (slice_is(path, routes[i].path)) {
            return &routes[i];
        }
    }
    return NULL;
}

/* --- Answers. */

/* Lies in the exchange's arena. */
struct carried {
    struct http_exchange *exchange;
    const struct route *route;
    const ProtobufCMessageDescriptor *answer;
    size_t answer_bytes_max;
    struct buffer json;                /* The one answer, until the call is over. */
    struct long_message *long_message; /* In place of `json`, when it takes its time. */
    bool begun;
};

static unsigned http_status(enum grpc_code code)
{
    static const unsigned statuses[] = {
        [GRPC_OK] = 200,
        [GRPC_CANCELLED] = 408,
        [GRPC_UNKNOWN] = 500,
        [GRPC_INVALID_ARGUMENT] = 400,
        [GRPC_DEADLINE_EXCEEDED] = 504,
        [GRPC_NOT_FOUND] = 404,
        [GRPC_ALREADY_EXISTS] = 409,
        [GRPC_PERMISSION_DENIED] = 403,
        [GRPC_RESOURCE_EXHAUSTED] = 429,
        [GRPC_FAILED_PRECONDITION] = 412,
        [GRPC_ABORTED] = 409,
        [GRPC_OUT_OF_RANGE] = 400,
        [GRPC_UNIMPLEMENTED] = 501,
        [GRPC_INTERNAL] = 500,
        [GRPC_UNAVAILABLE] = 503,
        [GRPC_DATA_LOSS] = 500,
        [GRPC_UNAUTHENTICATED] = 401,
    };
    return (size_t)code < ARRAY_LEN(statuses) ? statuses[code] : 500;
}

static void respond(struct http_exchange *exchange, unsigned status, struct slice json)
{
    const struct http_header type = http_header("content-type", "application/json");
    http_respond(exchange, status, &type, 1, json);
}

static void refuse(struct http_exchange *exchange, enum grpc_code code, const char *message)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ERROR_BYTES_MAX);
    buffer_append_text(&out, "{\"error\":");
    etcd_json_write_text(message, &out);
    buffer_append_text(&out, ",\"message\":");
    etcd_json_write_text(message, &out);
    buffer_printf(&out, ",\"code\":%d}", (int)code);
    respond(exchange, http_status(code), buffer_slice(&out));
}

static void stream_begin(struct carried *carried, unsigned status)
{
    if (!carried->begun) {
        carried->begun = true;
        const struct http_header type = http_header("content-type", "application/json");
        http_respond_start(carried->exchange, status, &type, 1);
    }
}

static size_t stream_line(struct carried *carried, const char *name, struct slice json)
{
    (void)http_write(carried->exchange, slice_text(name));
    (void)http_write(carried->exchange, json);
    return http_write(carried->exchange, slice_text("}\n"));
}

/* An answer that is too long to be queued at once: given to the client as he takes it. */
struct long_answer {
    struct http_exchange *exchange; /* A reference. */
    uint8_t *json;
    size_t len, at;
    struct memory_hold hold;
    bool writing;
};

static void long_answer_free(struct long_answer *answer)
{
    http_on_drain(answer->exchange, NULL, NULL);
    http_on_abort(answer->exchange, NULL, NULL);
    memory_hold_set(&answer->hold, 0);
    http_exchange_unref(answer->exchange);
    free(answer->json);
    free(answer);
}

static void long_answer_go_on(void *data)
{
    struct long_answer *answer = data;
    size_t queued = 0;
    answer->writing = true;
    while (answer->at < answer->len && queued < NET_WRITE_HIGH_BYTES &&
           !http_is_aborted(answer->exchange)) {
        size_t left = answer->len - answer->at;
        size_t piece = left < NET_WRITE_LOW_BYTES ? left : NET_WRITE_LOW_BYTES;
        queued = http_write(answer->exchange, slice_of(answer->json + answer->at, piece));
        answer->at += piece;
    }
    answer->writing = false;
    if (answer->at == answer->len || http_is_aborted(answer->exchange)) {
        http_finish(answer->exchange);
        long_answer_free(answer);
    }
}

static void long_answer_aborted(void *data)
{
    struct long_answer *answer = data;
    if (!answer->writing) {
        long_answer_free(answer);
    }
}

/* Takes the answer over. The call is over: nobody else is told of the exchange. */
static void respond_long(struct carried *carried)
{
    struct http_exchange *exchange = carried->exchange;
    struct long_answer *answer = alloc_zeroed(sizeof(*answer));
    answer->exchange = http_exchange_ref(exchange);
    answer->json = buffer_take(&carried->json, &answer->len);
    answer->hold.budget = loop_memory(http_exchange_loop(exchange));
    memory_hold_set(&answer->hold, answer->len);
    const struct http_header fields[] = {
        http_header("content-type", "application/json"),
        http_header("content-length", arena_printf(http_arena(exchange), "%zu", answer->len))};
    http_respond_start(exchange, 200, fields, ARRAY_LEN(fields));
    http_on_drain(exchange, long_answer_go_on, answer);
    http_on_abort(exchange, long_answer_aborted, answer);
    long_answer_go_on(answer);
}

static void respond_one(struct carried *carried)
{
    if (buffer_error(&carried->json) != 0) {
        refuse(carried->exchange, GRPC_RESOURCE_EXHAUSTED,
               arena_printf(http_arena(carried->exchange),
                            "the answer is longer than %zu bytes as JSON: ask for less at a time, "
                            "or by gRPC",
                            carried->answer_bytes_max));
    } else if (carried->json.len < NET_WRITE_HIGH_BYTES) {
        respond(carried->exchange, 200, buffer_slice(&carried->json));
    } else {
        respond_long(carried);
    }
    buffer_release(&carried->json);
}

/* False for what is no message. */
static bool write_json(const struct carried *carried, struct slice bytes, struct buffer *out)
{
    ProtobufCMessage *message =
        protobuf_c_message_unpack(carried->answer, NULL, bytes.len, bytes.data);
    if (message != NULL) {
        etcd_json_write(message, out);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return message != NULL;
}

/* An answer that takes long to be made JSON of, a second for some hundred megabytes: by a thread of
 * libuv's pool, so that the loop's other connections do not stand still for it. */
struct long_message {
    struct carried *carried; /* With a reference to its exchange. */
    struct slice bytes;      /* A copy. */
    struct memory_hold hold;
    uv_work_t work;
    bool good;
};

static void long_message_free(struct long_message *message)
{
    memory_hold_set(&message->hold, 0);
    http_exchange_unref(message->carried->exchange); /* What carries lies in its arena. */
    free((void *)(uintptr_t)message->bytes.data);
    free(message);
}

static void keep_message(struct carried *carried, struct slice bytes)
{
    struct long_message *message = alloc_zeroed(sizeof(*message));
    void *copy = alloc_bytes(bytes.len);
    memcpy(copy, bytes.data, bytes.len);
    message->bytes = slice_of(copy, bytes.len);
    message->carried = carried;
    message->hold.budget = loop_memory(http_exchange_loop(carried->exchange));
    memory_hold_set(&message->hold, bytes.len);
    (void)http_exchange_ref(carried->exchange);
    carried->long_message = message;
}

static void make_json(uv_work_t *work)
{
    struct long_message *message = CONTAINER_OF(work, struct long_message, work);
    urgency_lower(); /* For good, as for backups, which these threads make, too. */
    message->good = write_json(message->carried, message->bytes, &message->carried->json);
}

static void on_json_made(uv_work_t *work, int status)
{
    struct long_message *message = CONTAINER_OF(work, struct long_message, work);
    struct carried *carried = message->carried;
    (void)status; /* Nobody cancels it. */
    if (http_is_aborted(carried->exchange)) {
        buffer_release(&carried->json);
    } else if (!message->good) {
        http_abort(carried->exchange);
    } else {
        respond_one(carried);
    }
    long_message_free(message);
}

static void finish_one(struct carried *carried, enum grpc_code code, const char *message)
{
    struct long_message *late = TAKE(carried->long_message);
    if (late != NULL) {
        int status = uv_queue_work(loop_uv(http_exchange_loop(carried->exchange)), &late->work,
                                   make_json, on_json_made);
        assert(status == 0); /* Else for wrong arguments only. */
        (void)status;
    } else if (carried->begun) {
        respond_one(carried);
    } else {
        refuse(carried->exchange, code, message);
    }
}

static size_t carry_message(void *data, struct slice bytes)
{
    struct carried *carried = data;
    CLEANUP(buffer_release) struct buffer line = {0};
    bool one = carried->route->answers == ONE_ANSWER;
    if (one && bytes.len > JSON_MADE_HERE) {
        keep_message(carried, bytes);
        return 0;
    }
    buffer_init(&line, carried->answer_bytes_max);
    struct buffer *out = one ? &carried->json : &line;
    if (!write_json(carried, bytes, out) || (!one && buffer_error(out) != 0)) {
        http_abort(carried->exchange);
        return 0;
    }
    if (one) {
        carried->begun = true; /* Sent by carry_finish(), which follows. */
        return 0;
    }
    stream_begin(carried, 200);
    return stream_line(carried, "{\"result\":", buffer_slice(out));
}

static void carry_finish(void *data, enum grpc_code code, const char *message)
{
    struct carried *carried = data;
    if (carried->route->answers == ONE_ANSWER) {
        finish_one(carried, code, message);
        return;
    }
    unsigned status = http_status(code);
    stream_begin(carried, status);
    if (code != GRPC_OK) {
        CLEANUP(buffer_release) struct buffer out;
        buffer_init(&out, ERROR_BYTES_MAX);
        buffer_printf(&out, "{\"grpc_code\":%d,\"http_code\":%u,\"message\":", (int)code, status);
        etcd_json_write_text(message, &out);
        buffer_printf(&out, ",\"http_status\":\"%s\"}", http_reason(status));
        (void)stream_line(carried, "{\"error\":", buffer_slice(&out));
    }
    http_finish(carried->exchange);
}

/* --- Requests. */

static void frame(const ProtobufCMessage *message, struct buffer *out)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *at = buffer_reserve(out, GRPC_PREFIX_SIZE + len);
    if (at != NULL) {
        grpc_prefix(len, at);
        (void)protobuf_c_message_pack(message, at + GRPC_PREFIX_SIZE);
        buffer_commit(out, GRPC_PREFIX_SIZE + len);
    }
}

/* The messages of a body, each with its prefix. Who takes one gets the first, whatever follows, as
 * in etcd; an empty body is a message without fields. */
static int read_body(const ProtobufCMessageDescriptor *descriptor, const struct route *route,
                     struct slice body, struct buffer *out, struct error *reterr)
{
    if (!etcd_json_is_bounded(body)) {
        return error_set(reterr, -EINVAL, "the request has too many values");
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    body = slice_trimmed(body).len == 0 ? slice_text("{}") : body;
    do {
        size_t used = 0;
        ProtobufCMessage *message = etcd_json_read(descriptor, arena, body, &used, reterr);
        if (message == NULL) {
            return -EINVAL;
        }
        frame(message, out);
        body = slice_of(body.data + used, body.len - used);
    } while (body.len > 0 && route->answers == ANSWERS);
    return buffer_error(out) == 0 ? 0 : error_set(reterr, -EINVAL, "the request is too large");
}

static void wipe(struct slice bytes)
{
    password_wipe((void *)(uintptr_t)bytes.data, bytes.len);
}

static void call(struct etcd_service *service, struct http_exchange *exchange,
                 const struct route *route)
{
    const ProtobufCMethodDescriptor *method =
        protobuf_c_service_descriptor_get_method_by_name(route->service, route->method);
    assert(method != NULL);
    const char *path =
        arena_printf(http_arena(exchange), "/%s/%s", route->service->name, route->method);
    CLEANUP(buffer_release) struct buffer messages;
    CLEANUP(error_release) struct error error = {0};
    buffer_init(&messages, MESSAGES_BYTES_MAX);
    if (read_body(method->input, route, http_body(exchange), &messages, &error) != 0) {
        refuse(exchange, GRPC_INVALID_ARGUMENT, error_message(&error));
    } else {
        struct carried *carried = arena_zeroed(http_arena(exchange), sizeof(*carried));
        *carried = (struct carried){.exchange = exchange,
                                    .route = route,
                                    .answer = method->output,
                                    .answer_bytes_max = service->gateway_answer_bytes_max};
        buffer_init(&carried->json, carried->answer_bytes_max);
        const struct grpc_carrier carrier = {
            .message = carry_message, .finish = carry_finish, .data = carried};
        if (grpc_server_carry(service->server, exchange, path, buffer_slice(&messages), &carrier) !=
            0) {
            refuse(exchange, GRPC_INVALID_ARGUMENT, "invalid grpc-timeout");
        }
    }
    if (etcd_holds_password(path)) {
        wipe(http_body(exchange));
        wipe(buffer_slice(&messages));
    }
}

static void plain(struct http_exchange *exchange, unsigned status)
{
    const struct http_header type = http_header("content-type", "text/plain; charset=utf-8");
    const char *text = arena_printf(http_arena(exchange), "%s\n", http_reason(status));
    http_respond(exchange, status, &type, 1, slice_text(text));
}

void etcd_gateway_request(void *data, struct http_exchange *exchange)
{
    struct etcd_service *service = data;
    if (!slice_starts_with(http_path(exchange), slice_text("/v3/"))) {
        etcd_http_request(service, exchange);
        return;
    }
    const struct route *route = route_of(http_path(exchange));
    if (route == NULL) {
        plain(exchange, 404);
    } else if (!slice_is(http_method(exchange), "POST")) {
        plain(exchange, 405);
    } else if (!etcd_access_allows(service->guarded, exchange)) {
        refuse(exchange, GRPC_PERMISSION_DENIED, "etcdserver: permission denied");
    } else {
        call(service, exchange, route);
    }
}
