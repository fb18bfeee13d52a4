/* Maintenance.Snapshot: the state as an etcd database file, in pieces, with its SHA-256 at the end.
 *
 * The store loop only takes a view. Ordering, encoding and hashing are done by a thread of libuv's
 * pool, one piece after the other, as the client takes them, and at a bounded rate while others
 * write: what is queued is bounded, writers go on, and the view is immutable. A stream is at any
 * time in the hands of exactly one of: the store loop, the pool, or the connection's loop. */
#include "store/etcd_private.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/urgency.h"
#include "lib/net/limits.h"
#include "lib/net/x509.h"
#include "store/bolt_export.h"
#include <stdlib.h>
#include <uv.h>

enum {
    PIECE = 64 * 1024,
    STREAMS_MAX = 4, /* At once: each holds an ordering of all versions. */
    /* While others write, a piece each REST_MS, so at most 32 MiB/s: what a piece costs, here and
     * at the client, who is often on the same machine, is taken from them. */
    REST_MS = 2,
    LOOK_EVERY = 16, /* Pieces, until it is looked again whether others write. */
};

struct snapshot_stream {
    struct etcd_service *service; /* A reference, as the next. */
    struct grpc_call *call;
    struct etcd_header header;
    struct bolt_export *bolt_export;
    struct bolt_writer *writer; /* NULL until planned. */
    struct x509_digest *digest;
    uint64_t left;
    uv_work_t work;
    int status;
    bool waiting;          /* For the client to take what is queued. */
    int64_t seen_revision; /* Store loop: when it was last looked whether others write. */
    bool others_write;
    struct loop_timer rest; /* Armed between two pieces while they do. */
    unsigned pieces;        /* Since it was last looked whether they do. */
    size_t len;
    uint8_t piece[PIECE];
};

static void stream_free(struct snapshot_stream *stream)
{
    grpc_call_on_drain(stream->call, NULL, NULL);
    grpc_call_on_cancel(stream->call, NULL, NULL);
    loop_timer_stop(grpc_call_loop(stream->call), &stream->rest);
    atomic_fetch_sub(&stream->service->snapshot_streams, 1);
    bolt_export_free(stream->bolt_export);
    x509_digest_free(stream->digest);
    grpc_call_unref(stream->call);
    etcd_service_unref(stream->service);
    free(stream);
}

static void drop_export(uv_work_t *work)
{
    struct snapshot_stream *stream = CONTAINER_OF(work, struct snapshot_stream, work);
    stream->writer = NULL;
    bolt_export_free(TAKE(stream->bolt_export));
}

static void on_dropped(uv_work_t *work, int status)
{
    (void)status; /* Nobody cancels it. */
    stream_free(CONTAINER_OF(work, struct snapshot_stream, work));
}

/* A stream that ends early: by what was written meanwhile its view may be the last to hold much,
 * which no loop stands still for. Nothing is told of the call any more. */
static void give_up(struct snapshot_stream *stream)
{
    struct loop *loop = grpc_call_loop(stream->call);
    grpc_call_on_drain(stream->call, NULL, NULL);
    grpc_call_on_cancel(stream->call, NULL, NULL);
    loop_timer_stop(loop, &stream->rest);
    if (stream->bolt_export == NULL ||
        uv_queue_work(loop_uv(loop), &stream->work, drop_export, on_dropped) < 0) {
        stream_free(stream);
    }
}

static void send_piece(struct snapshot_stream *stream, struct slice bytes)
{
    Etcdserverpb__SnapshotResponse response;
    Etcdserverpb__ResponseHeader header;
    etcdserverpb__snapshot_response__init(&response);
    etcd_fill_header(&stream->header, &header);
    response.header = &header;
    response.remaining_bytes = stream->left;
    response.blob = etcd_bytes(bytes);
    (void)etcd_send(stream->call, &response.base);
}

static void make_piece(uv_work_t *work)
{
    struct snapshot_stream *stream = CONTAINER_OF(work, struct snapshot_stream, work);
    /* A thread of the pool, for good. What else the pool does, looking up names and looking at
     * files, is in no hurry either. */
    urgency_lower();
    if (stream->writer == NULL) {
        stream->writer = bolt_export_writer(stream->bolt_export);
        stream->left = bolt_writer_size(stream->writer);
    }
    stream->len = bolt_writer_read(stream->writer, stream->piece, PIECE);
    x509_digest_add(stream->digest, slice_of(stream->piece, stream->len));
    stream->left -= stream->len;
    if (stream->left == 0) { /* Here: what was written meanwhile has made much to be freed. */
        stream->writer = NULL;
        bolt_export_free(TAKE(stream->bolt_export));
    }
}

static void on_made(uv_work_t *work, int status);

static void next_piece(struct snapshot_stream *stream)
{
    struct loop *loop = grpc_call_loop(stream->call);
    int status = uv_queue_work(loop_uv(loop), &stream->work, make_piece, on_made);
    if (status < 0) { /* Only for wrong arguments. */
        etcd_fail(stream->call, status);
        stream_free(stream);
    }
}

static void rest_or_go_on(struct snapshot_stream *stream)
{
    if (stream->others_write) {
        loop_timer_start(grpc_call_loop(stream->call), &stream->rest, REST_MS);
    } else {
        next_piece(stream);
    }
}

static void on_rested(void *data)
{
    next_piece(data);
}

static void on_looked(void *data) /* Connection's loop again. */
{
    struct snapshot_stream *stream = data;
    if (grpc_call_is_over(stream->call)) {
        give_up(stream);
    } else {
        rest_or_go_on(stream);
    }
}

static void look_for_writers(void *data) /* Store loop. */
{
    struct snapshot_stream *stream = data;
    struct store *store = stream->service->store;
    int64_t revision = store == NULL ? stream->seen_revision : store_revision(store);
    stream->others_write = revision != stream->seen_revision;
    stream->seen_revision = revision;
    loop_post(grpc_call_loop(stream->call), on_looked, stream);
}

/* The piece before is with the client, or queued for him. */
static void go_on(struct snapshot_stream *stream)
{
    if (++stream->pieces < LOOK_EVERY) {
        rest_or_go_on(stream);
        return;
    }
    stream->pieces = 0;
    loop_post(stream->service->store_loop, look_for_writers, stream);
}

static void finish(struct snapshot_stream *stream)
{
    uint8_t digest[X509_SHA256_SIZE];
    x509_digest_end(stream->digest, digest);
    send_piece(stream, slice_of(digest, sizeof(digest)));
    grpc_call_finish(stream->call, GRPC_OK, NULL, slice_of(NULL, 0));
    stream_free(stream);
}

static void on_drain(void *data)
{
    struct snapshot_stream *stream = data;
    if (stream->waiting) {
        stream->waiting = false;
        go_on(stream);
    }
}

static void on_cancel(void *data)
{
    struct snapshot_stream *stream = data;
    if (stream->waiting || loop_timer_armed(&stream->rest)) {
        give_up(stream);
    }
}

static void on_made(uv_work_t *work, int status)
{
    struct snapshot_stream *stream = CONTAINER_OF(work, struct snapshot_stream, work);
    if (status < 0 || grpc_call_is_over(stream->call)) {
        give_up(stream);
        return;
    }
    send_piece(stream, slice_of(stream->piece, stream->len));
    if (stream->left == 0) {
        finish(stream);
        return;
    }
    stream->waiting = grpc_call_queued(stream->call) >= NET_WRITE_HIGH_BYTES;
    if (!stream->waiting) {
        go_on(stream);
    }
}

/* Connection's loop again, with the export or without. */
static void on_exported(void *data)
{
    struct snapshot_stream *stream = data;
    if (stream->bolt_export == NULL || grpc_call_is_over(stream->call)) {
        etcd_fail(stream->call, stream->status != 0 ? stream->status : STORE_STOPPED);
        give_up(stream);
        return;
    }
    LOG_INFO("etcd", "a client takes a snapshot",
             KV_TEXT("client", grpc_call_peer_address(stream->call)),
             KV_I64("revision", stream->header.revision));
    next_piece(stream);
}

static void export_state(void *data) /* Store loop. */
{
    struct snapshot_stream *stream = data;
    struct store *store = stream->service->store;
    struct auth_caller caller;
    stream->status = STORE_STOPPED;
    if (store != NULL && store_raft(store) != NULL) {
        stream->status =
            etcd_wants_leader(stream->call) && !etcd_has_leader(stream->service)
                ? STORE_NO_LEADER
                : etcd_caller_needs(stream->service, stream->call, ETCD_NEEDS_ROOT, &caller);
    }
    if (stream->status == 0) {
        stream->header = etcd_header_now(stream->service);
        stream->seen_revision = stream->header.revision;
        stream->bolt_export = store_export(store);
    }
    loop_post(grpc_call_loop(stream->call), on_exported, stream);
}

void etcd_snapshot_call(void *data, struct grpc_call *call, struct slice request)
{
    struct etcd_service *service = data;
    /* It says nothing, but has to be one. */
    if (etcd_unpack(&etcdserverpb__snapshot_request__descriptor, grpc_call_arena(call), request) ==
        NULL) {
        etcd_malformed_stream(call);
        return;
    }
    if (atomic_fetch_add(&service->snapshot_streams, 1) >= STREAMS_MAX) {
        atomic_fetch_sub(&service->snapshot_streams, 1);
        etcd_fail(call, STORE_TOO_MANY_REQUESTS);
        return;
    }
    struct snapshot_stream *stream = alloc_zeroed(sizeof(*stream));
    stream->service = etcd_service_ref(service);
    stream->call = grpc_call_ref(call);
    stream->digest = x509_digest_new();
    stream->rest = (struct loop_timer){.fire = on_rested, .data = stream};
    grpc_call_on_drain(call, on_drain, stream);
    grpc_call_on_cancel(call, on_cancel, stream);
    loop_post(service->store_loop, export_state, stream);
}
