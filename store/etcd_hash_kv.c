/* Maintenance.HashKV: the hash of all versions of all keys. The store loop takes a view, and a
 * thread of libuv's pool orders and hashes what is in it, which takes a second for a million keys:
 * no loop of others' connections stands still for that. */
#include "store/etcd_private.h"

#include "lib/base/alloc.h"
#include "lib/base/urgency.h"
#include "store/hash_kv.h"
#include <stdlib.h>
#include <uv.h>

enum { HASHES_MAX = 4 }; /* At once: each holds an ordering of all versions. */

struct hashing {
    struct etcd_request *request; /* In the hands of the pool, then of its connection's loop. */
    uv_work_t work;
};

static void compute(uv_work_t *work)
{
    struct etcd_request *request = CONTAINER_OF(work, struct hashing, work)->request;
    const Etcdserverpb__HashKVRequest *message = request->message;
    urgency_lower(); /* For good, as for backups, which these threads make, too. */
    request->status = store_hash_kv(request->snapshot, message->revision, &request->key_hash);
    store_snapshot_unref(TAKE(request->snapshot)); /* Here: there may be much to be freed. */
}

static void on_computed(uv_work_t *work, int status)
{
    struct hashing *hashing = CONTAINER_OF(work, struct hashing, work);
    struct etcd_request *request = hashing->request;
    (void)status; /* Nobody cancels it. */
    atomic_fetch_sub(&request->service->hashes, 1);
    free(hashing);
    etcd_request_finish(request);
}

static void start(void *data) /* Connection's loop. */
{
    struct etcd_request *request = data;
    struct hashing *hashing = alloc_zeroed(sizeof(*hashing));
    hashing->request = request;
    int status =
        uv_queue_work(loop_uv(grpc_call_loop(request->call)), &hashing->work, compute, on_computed);
    if (status < 0) { /* Only for wrong arguments. */
        request->status = status;
        on_computed(&hashing->work, status);
    }
}

void etcd_hash_kv_run(struct etcd_request *request)
{
    struct etcd_service *service = request->service;
    if (atomic_fetch_add(&service->hashes, 1) >= HASHES_MAX) {
        atomic_fetch_sub(&service->hashes, 1);
        etcd_request_done(request, STORE_TOO_MANY_REQUESTS);
        return;
    }
    request->snapshot = store_snapshot_ref(service->store);
    store_read_figures(service->store, &request->figures);
    request->header = etcd_header_now(service); /* Of the revision that is hashed. */
    loop_post(grpc_call_loop(request->call), start, request);
}

void etcd_hash_kv_answer(struct etcd_request *request)
{
    Etcdserverpb__HashKVResponse response;
    etcdserverpb__hash_kvresponse__init(&response);
    int64_t compact = request->figures.compact_revision;
    response.hash = request->key_hash;
    response.compact_revision = compact == 0 ? -1 : compact; /* As etcd says of none. */
    response.header = etcd_new_header(request);
    etcd_respond(request, &response.base);
}
