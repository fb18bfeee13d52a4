/* Maintenance.HashKV: the hash of all versions of all keys. The store loop takes a view, and a
 * thread of libuv's pool orders and hashes what is in it, which takes a second for a million keys.
 */
#include "store/etcd_private.h"

#include "store/hash_kv.h"

enum { HASHES_MAX = 4 }; /* At once: each holds an ordering of all versions. */

static void compute(struct etcd_request *request)
{
    const Etcdserverpb__HashKVRequest *message = request->message;
    request->status = store_hash_kv(request->snapshot, message->revision, &request->key_hash);
    store_snapshot_unref(TAKE(request->snapshot)); /* Here: there may be much to be freed. */
    atomic_fetch_sub(&request->service->hashes, 1);
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
    etcd_request_compute(request, compute); /* Its header has the revision that is hashed. */
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
