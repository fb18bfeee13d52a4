#include "store/etcd_service.h"

#include "lib/base/alloc.h"
#include "lib/base/metrics.h"
#include "lib/base/urgency.h"
#include "store/etcd_private.h"
#include "store/limits.h"
#include "store/password.h"
#include <assert.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

enum {
    PROGRESS_DEFAULT_MS = 10 * 60 * 1000,
    ARENA_SLACK = 64 * 1024,
    SMALL_RESPONSE_BYTES = 1024,
};

/* --- Messages. */

static void *arena_pb_alloc(void *data, size_t size)
{
    /* Refusing makes protobuf-c give up on the message, which is the right answer to one that
     * needs more memory than a request may take. */
    return arena_left(data) < size + ARENA_SLACK ? NULL : arena_alloc(data, size);
}

static void arena_pb_free(void *data, void *memory)
{
    (void)data;
    (void)memory;
}

void *etcd_unpack(const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
                  struct slice bytes)
{
    ProtobufCAllocator allocator = {
        .alloc = arena_pb_alloc, .free = arena_pb_free, .allocator_data = arena};
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.len, bytes.data);
}

size_t etcd_send(struct grpc_call *call, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = alloc_bytes(len + 1);
    (void)protobuf_c_message_pack(message, bytes);
    size_t queued = grpc_call_send(call, slice_of(bytes, len));
    free(bytes);
    return queued;
}

void etcd_fail(struct grpc_call *call, int status)
{
    grpc_call_finish(call, (enum grpc_code)store_status_grpc_code(status),
                     store_status_text(status), slice_of(NULL, 0));
}

void etcd_malformed(struct grpc_call *call)
{
    grpc_call_finish(call, GRPC_INTERNAL, "grpc: error unmarshalling request", slice_of(NULL, 0));
}

void etcd_malformed_stream(struct grpc_call *call)
{
    grpc_call_finish(call, GRPC_INTERNAL, "grpc: failed to unmarshal the received message",
                     slice_of(NULL, 0));
}

void etcd_fill_header(const struct etcd_header *header, Etcdserverpb__ResponseHeader *response)
{
    etcdserverpb__response_header__init(response);
    response->cluster_id = header->cluster_id;
    response->member_id = header->member_id;
    response->raft_term = header->term;
    response->revision = header->revision;
}

Etcdserverpb__ResponseHeader *etcd_new_header(struct etcd_request *request)
{
    Etcdserverpb__ResponseHeader *header = arena_alloc(request->arena, sizeof(*header));
    etcd_fill_header(&request->header, header);
    return header;
}

void etcd_kv_message(const struct store_kv *kv, bool keys_only, Mvccpb__KeyValue *ret_message)
{
    mvccpb__key_value__init(ret_message);
    ret_message->key = etcd_bytes(kv->key);
    ret_message->create_revision = kv->create_revision;
    ret_message->mod_revision = kv->mod_revision;
    ret_message->version = kv->version;
    ret_message->lease = kv->lease;
    if (!keys_only) {
        ret_message->value = etcd_bytes(kv->value);
    }
}

struct etcd_header etcd_header_now(struct etcd_service *service)
{
    struct etcd_header header = {0};
    struct raft_node *raft = service->store == NULL ? NULL : store_raft(service->store);
    if (raft != NULL) {
        header.revision = store_revision(service->store);
        header.cluster_id = raft_cluster_id(raft);
        header.member_id = raft_id(raft);
        header.term = raft_term(raft);
    }
    return header;
}

int etcd_status_now(const struct etcd_service *service, int status)
{
    if (service->store == NULL || store_raft(service->store) == NULL) {
        return STORE_STOPPED;
    }
    return status != 0 ? status : store_health(service->store);
}

int etcd_voter_status(const struct etcd_service *service)
{
    int status = etcd_status_now(service, 0);
    return status == 0 && raft_is_learner(store_raft(service->store)) ? STORE_NOT_FOR_LEARNER
                                                                      : status;
}

/* --- Unary requests. */

static void request_wipe(struct etcd_request *request)
{
    if (request->secret != NULL) {
        password_wipe(request->secret, strlen(request->secret));
        /* A copy that the call's arena holds for its handler. */
        password_wipe((void *)(uintptr_t)request->bytes.data, request->bytes.len);
    }
}

static void request_free(struct etcd_request *request)
{
    request_wipe(request);
    etcd_auth_reply_free(request->auth);
    store_snapshot_unref(request->snapshot);
    store_txn_result_unref(request->result);
    free(request->view);
    free(request->lease.keys);
    free(request->lease.ids);
    chunk_unref(request->packed);
    etcd_service_unref(request->service);
    grpc_call_unref(request->call); /* The request itself lies in its arena. */
}

struct etcd_cluster_view *etcd_request_view(struct etcd_request *request)
{
    if (request->view == NULL) {
        request->view = alloc_zeroed(sizeof(*request->view));
    }
    return request->view;
}

void etcd_too_large(struct etcd_request *request)
{
    if (request->elsewhere) {
        request->status = STORE_RANGE_TOO_LARGE;
    } else {
        etcd_fail(request->call, STORE_RANGE_TOO_LARGE);
    }
}

void etcd_respond(struct etcd_request *request, const ProtobufCMessage *response)
{
    size_t len = protobuf_c_message_get_packed_size(response);
    if (len > STORE_ANSWER_BYTES_MAX) {
        etcd_too_large(request);
        return;
    }
    if (request->elsewhere) {
        uint8_t *packed = alloc_bytes(len + 1);
        (void)protobuf_c_message_pack(response, packed);
        request->packed = chunk_new_owned(packed, len);
        return;
    }
    uint8_t small[SMALL_RESPONSE_BYTES];
    uint8_t *bytes = len <= sizeof(small) ? small : alloc_bytes(len);
    (void)protobuf_c_message_pack(response, bytes);
    grpc_call_respond(request->call, slice_of(bytes, len));
    if (bytes != small) {
        free(bytes);
    }
}

/* --- What takes long is computed by a thread of libuv's pool: no loop of others' requests stands
 * still for it. */

struct computing {
    struct etcd_request *request; /* In the hands of the pool, then of its connection's loop. */
    uv_work_t work;
};

static void request_finish(void *data);

static void compute(uv_work_t *work)
{
    struct etcd_request *request = CONTAINER_OF(work, struct computing, work)->request;
    struct arena *arena = request->arena; /* Of the connection's loop. */
    request->arena = arena_new(arena_left(arena));
    urgency_lower(); /* For good, as for backups, which these threads make, too. */
    request->compute(request);
    arena_free(request->arena);
    request->arena = arena;
}

static void on_computed(uv_work_t *work, int status)
{
    struct computing *computing = CONTAINER_OF(work, struct computing, work);
    (void)status; /* Nobody cancels it. */
    computing->request->elsewhere = false;
    request_finish(computing->request);
    free(computing);
}

static void compute_start(void *data) /* Connection's loop. */
{
    struct etcd_request *request = data;
    struct computing *computing = alloc_zeroed(sizeof(*computing));
    computing->request = request;
    int status = uv_queue_work(loop_uv(grpc_call_loop(request->call)), &computing->work, compute,
                               on_computed);
    assert(status == 0); /* Else for wrong arguments only. */
    (void)status;
}

void etcd_answer_compute(struct etcd_request *request,
                         void (*compute_it)(struct etcd_request *request))
{
    request->elsewhere = true;
    request->compute = compute_it;
}

void etcd_request_compute(struct etcd_request *request,
                          void (*compute_it)(struct etcd_request *request))
{
    request->header = etcd_header_now(request->service);
    etcd_answer_compute(request, compute_it);
    loop_post(grpc_call_loop(request->call), compute_start, request);
}

/* --- The end of a unary request. */

static void request_finish(void *data)
{
    struct etcd_request *request = data;
    if (request->status != 0) {
        etcd_fail(request->call, request->status);
    } else if (grpc_call_is_over(request->call)) {
        request_free(request);
        return;
    } else if (request->packed != NULL) {
        (void)grpc_call_send_shared(request->call, request->packed); /* It may be large. */
        grpc_call_finish(request->call, GRPC_OK, NULL, slice_text(""));
    } else {
        request->method->answer(request);
    }
    if (request->elsewhere) {
        compute_start(request);
    } else {
        request_free(request);
    }
}

void etcd_request_done(struct etcd_request *request, int status)
{
    request->header = etcd_header_now(request->service);
    request->status = status;
    loop_post(grpc_call_loop(request->call), request_finish, request);
}

/* --- Its beginning. */

int etcd_request_caller(struct etcd_request *request)
{
    return etcd_caller_needs(request->service, request->call, request->needs, &request->caller);
}

static void request_run(void *data);

static void request_caught_up(void *data, int status)
{
    struct etcd_request *request = data;
    if (status != 0) {
        etcd_request_done(request, status);
    } else {
        request_run(request);
    }
}

/* What does not take part in votes may be far behind, and says so but for this, as etcd. */
static bool is_for_learner(const struct etcd_request *request)
{
    const ProtobufCMessageDescriptor *kind = request->method->request;
    return kind == &etcdserverpb__status_request__descriptor ||
           (kind == &etcdserverpb__range_request__descriptor &&
            ((const Etcdserverpb__RangeRequest *)request->message)->serializable);
}

static void request_run(void *data)
{
    struct etcd_request *request = data;
    struct store *store = request->service->store;
    if (store == NULL || store_raft(store) == NULL) {
        etcd_request_done(request, STORE_STOPPED);
        return;
    }
    if (raft_is_learner(store_raft(store)) && !is_for_learner(request)) {
        etcd_request_done(request, STORE_NOT_FOR_LEARNER);
        return;
    }
    if (request->wants_leader && !etcd_has_leader(request->service)) {
        etcd_request_done(request, STORE_NO_LEADER);
        return;
    }
    int status = etcd_request_caller(request);
    if (status == STORE_INVALID_AUTH_TOKEN && !request->caught_up) {
        /* Of a user or secret that this member may not have heard of yet. */
        request->caught_up = true;
        store_read_barrier(store, request_caught_up, request);
    } else if (status != 0) {
        etcd_request_done(request, status);
    } else {
        request->method->run(request);
    }
}

static void on_unary(void *data, struct grpc_call *call, struct slice bytes)
{
    struct etcd_binding *binding = data;
    struct arena *arena = grpc_call_arena(call);
    const void *message = etcd_unpack(binding->method->request, arena, bytes);
    if (message == NULL) {
        etcd_malformed(call);
        return;
    }
    struct etcd_request *request = arena_zeroed(arena, sizeof(*request));
    request->service = etcd_service_ref(binding->service);
    request->method = binding->method;
    request->needs = binding->needs;
    request->bytes = bytes;
    request->wants_leader = etcd_wants_leader(call);
    request->call = grpc_call_ref(call);
    request->arena = arena;
    request->message = message;
    int status = binding->method->prepare == NULL ? 0 : binding->method->prepare(request);
    if (status != 0) {
        etcd_fail(call, status);
        request_free(request);
        return;
    }
    loop_post(binding->service->store_loop, request_run, request);
}

/* --- The service. */

struct etcd_service *etcd_service_ref(struct etcd_service *service)
{
    atomic_fetch_add_explicit(&service->refs, 1, memory_order_relaxed);
    return service;
}

void etcd_service_unref(struct etcd_service *service)
{
    if (atomic_fetch_sub_explicit(&service->refs, 1, memory_order_acq_rel) == 1) {
        etcd_tokens_free(service->tokens);
        free(service);
    }
}

struct etcd_service *etcd_service_new(const struct etcd_service_config *config)
{
    struct etcd_service *service = alloc_zeroed(sizeof(*service));
    atomic_init(&service->refs, 1);
    service->store = config->store;
    service->store_loop = config->store_loop;
    service->metrics = config->metrics;
    service->events_sent =
        config->metrics == NULL
            ? NULL
            : metrics_counter(config->metrics, "etcd_debugging_mvcc_events_total",
                              "Events sent to watches.", NULL);
    service->started_s = time(NULL);
    service->http = (struct http_handler){.on_request = etcd_http_request, .data = service};
    service->gateway = (struct http_handler){.on_request = etcd_gateway_request, .data = service};
    service->guarded = config->store;
    service->check_certificates = config->check_certificates;
    service->gateway_answer_bytes_max = config->gateway_answer_bytes_max == 0
                                            ? STORE_GATEWAY_ANSWER_BYTES_MAX
                                            : config->gateway_answer_bytes_max;
    service->tokens = etcd_tokens_new();
    service->passwords = password_worker_new();
    service->progress_ms = config->progress_ms == 0 ? PROGRESS_DEFAULT_MS : config->progress_ms;
    etcd_watch_init(service);
    etcd_leader_init(service);
    etcd_health_init(service);
    return service;
}

static void mount_methods(struct etcd_service *service, struct grpc_server *server,
                          const struct etcd_method *methods)
{
    for (; methods->path != NULL; methods++) {
        assert(service->binding_count < ARRAY_LEN(service->bindings));
        struct etcd_binding *binding = &service->bindings[service->binding_count++];
        *binding = (struct etcd_binding){
            .service = service, .method = methods, .needs = etcd_needs_of(methods->path)};
        const struct grpc_method method = {.path = methods->path,
                                           .kind = GRPC_UNARY,
                                           .on_call = on_unary,
                                           .data = binding,
                                           .message_bytes_max = STORE_MESSAGE_BYTES_MAX,
                                           .secret = etcd_holds_password(methods->path)};
        grpc_server_add(server, &method, 1);
    }
}

void etcd_service_mount(struct etcd_service *service, struct grpc_server *server)
{
    service->binding_count = 0;
    service->server = server;
    mount_methods(service, server, etcd_kv_methods);
    mount_methods(service, server, etcd_lease_methods);
    mount_methods(service, server, etcd_cluster_methods);
    mount_methods(service, server, etcd_maintenance_methods);
    mount_methods(service, server, etcd_auth_methods);
    mount_methods(service, server, etcd_auth_ask_methods);
    mount_methods(service, server, etcd_lock_methods);
    mount_methods(service, server, etcd_election_methods);
    struct grpc_method streams[] = {
        {.path = "/etcdserverpb.Maintenance/Snapshot",
         .kind = GRPC_SERVER_STREAM,
         .on_call = etcd_snapshot_call},
        {.path = "/etcdserverpb.Watch/Watch", .kind = GRPC_BIDI_STREAM, .on_call = etcd_watch_call},
        {.path = "/etcdserverpb.Lease/LeaseKeepAlive",
         .kind = GRPC_BIDI_STREAM,
         .on_call = etcd_lease_keepalive_call},
        {.path = "/v3lockpb.Lock/Lock", .kind = GRPC_UNARY, .on_call = etcd_lock_call},
        {.path = "/v3electionpb.Election/Campaign",
         .kind = GRPC_UNARY,
         .on_call = etcd_campaign_call},
        {.path = "/v3electionpb.Election/Observe",
         .kind = GRPC_SERVER_STREAM,
         .on_call = etcd_observe_call},
    };
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        streams[i].data = service;
        streams[i].message_bytes_max = STORE_MESSAGE_BYTES_MAX;
    }
    grpc_server_add(server, streams, ARRAY_LEN(streams));
    etcd_health_mount(service, server);
}

const struct http_handler *etcd_service_http(struct etcd_service *service)
{
    return &service->http;
}

const struct http_handler *etcd_service_gateway(struct etcd_service *service)
{
    return &service->gateway;
}

void etcd_service_free(struct etcd_service *service)
{
    if (service != NULL) {
        etcd_leader_release(service);
        etcd_watch_release(service);
        etcd_health_release(service);
        service->store = NULL;
        password_worker_free(TAKE(service->passwords));
        etcd_service_unref(service);
    }
}
