/* Requests at the edges of what is allowed, one by one: chance rarely gets there. */
#include "tests/etcdctl/differential.h"

#include "lib/base/compiler.h"
#include <string.h>

enum {
    OPS_ALLOWED = 128,
    OWN_LEASE = 7777,
    MESSAGE_ALLOWED = 2 * 1024 * 1024,
    PUT_AROUND = 1 + 1 + 6 + 1 + 4, /* Of a put: the key, and what says how long the value is. */
};

static ProtobufCBinaryData bytes_of(struct arena *arena, const char *text)
{
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)arena_text(arena, text)};
}

static ProtobufCBinaryData filled(struct arena *arena, size_t len)
{
    uint8_t *bytes = arena_alloc(arena, len + 1);
    memset(bytes, 'v', len);
    return (ProtobufCBinaryData){.len = len, .data = bytes};
}

/* --- Leases. */

static struct question grant(struct arena *arena, int64_t id, int64_t ttl)
{
    Etcdserverpb__LeaseGrantRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__lease_grant_request__init(message);
    message->id = id;
    message->ttl = ttl;
    return question_of("/etcdserverpb.Lease/LeaseGrant", message,
                       &etcdserverpb__lease_grant_response__descriptor);
}

static struct question revoke(struct arena *arena, int64_t id)
{
    Etcdserverpb__LeaseRevokeRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__lease_revoke_request__init(message);
    message->id = id;
    return question_of("/etcdserverpb.Lease/LeaseRevoke", message,
                       &etcdserverpb__lease_revoke_response__descriptor);
}

static struct question time_to_live(struct arena *arena, int64_t id)
{
    Etcdserverpb__LeaseTimeToLiveRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__lease_time_to_live_request__init(message);
    message->id = id;
    message->keys = true;
    return question_of("/etcdserverpb.Lease/LeaseTimeToLive", message,
                       &etcdserverpb__lease_time_to_live_response__descriptor);
}

static struct question keep(struct arena *arena, int64_t id)
{
    Etcdserverpb__LeaseKeepAliveRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__lease_keep_alive_request__init(message);
    message->id = id;
    struct question question = question_of("/etcdserverpb.Lease/LeaseKeepAlive", message,
                                           &etcdserverpb__lease_keep_alive_response__descriptor);
    question.kind = QUESTION_KEEPALIVE;
    return question;
}

static bool lease_step(size_t at, struct arena *arena, struct question *ret_question)
{
    static const struct {
        struct question (*ask)(struct arena *arena, int64_t id, int64_t ttl);
        int64_t id, ttl;
    } grants[] = {
        {grant, OWN_LEASE, 0},
        {grant, OWN_LEASE, 100},
        {grant, OWN_LEASE + 1, -5},
        {grant, OWN_LEASE + 2, 1},
        {grant, OWN_LEASE + 3, 9000000000},
        {grant, OWN_LEASE + 4, 9000000001},
        {grant, -OWN_LEASE, 100},
        {grant, INT64_MAX, 100},
        {grant, INT64_MIN, 100},
    };
    static const int64_t ids[] = {OWN_LEASE + 3, -OWN_LEASE, INT64_MAX, INT64_MIN, 0, 99, -1};
    size_t count = ARRAY_LEN(grants);
    if (at < count) {
        *ret_question = grants[at].ask(arena, grants[at].id, grants[at].ttl);
        return true;
    }
    at -= count;
    struct question (*const asks[])(struct arena * arena, int64_t id) = {time_to_live, keep, revoke,
                                                                         time_to_live, keep};
    if (at < ARRAY_LEN(asks) * ARRAY_LEN(ids)) {
        *ret_question = asks[at / ARRAY_LEN(ids)](arena, ids[at % ARRAY_LEN(ids)]);
        return true;
    }
    return false;
}

/* --- Keys. */

static Etcdserverpb__PutRequest *new_put(struct arena *arena, const char *key,
                                         ProtobufCBinaryData value)
{
    Etcdserverpb__PutRequest *put = arena_alloc(arena, sizeof(*put));
    etcdserverpb__put_request__init(put);
    put->key = bytes_of(arena, key);
    put->value = value;
    return put;
}

static struct question put(struct arena *arena, size_t value_len)
{
    return question_of("/etcdserverpb.KV/Put", new_put(arena, "corner", filled(arena, value_len)),
                       &etcdserverpb__put_response__descriptor);
}

static struct question range(struct arena *arena, void (*set)(Etcdserverpb__RangeRequest *range))
{
    Etcdserverpb__RangeRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__range_request__init(message);
    message->key = bytes_of(arena, "a");
    message->range_end = bytes_of(arena, "z");
    set(message);
    return question_of("/etcdserverpb.KV/Range", message,
                       &etcdserverpb__range_response__descriptor);
}

static void set_negative_limit(Etcdserverpb__RangeRequest *range)
{
    range->limit = -1;
}

static void set_negative_bounds(Etcdserverpb__RangeRequest *range)
{
    range->min_mod_revision = range->max_create_revision = -1;
    range->count_only = true;
}

static void set_far_revision(Etcdserverpb__RangeRequest *range)
{
    range->revision = INT64_MAX;
}

static void set_negative_revision(Etcdserverpb__RangeRequest *range)
{
    range->revision = INT64_MIN;
}

/* --- Transactions. */

static Etcdserverpb__TxnRequest *new_txn(struct arena *arena)
{
    Etcdserverpb__TxnRequest *txn = arena_alloc(arena, sizeof(*txn));
    etcdserverpb__txn_request__init(txn);
    return txn;
}

static Etcdserverpb__RequestOp *new_op(struct arena *arena)
{
    Etcdserverpb__RequestOp *op = arena_alloc(arena, sizeof(*op));
    etcdserverpb__request_op__init(op);
    return op;
}

static Etcdserverpb__RequestOp **new_gets(struct arena *arena, size_t count, const char *key)
{
    Etcdserverpb__RequestOp **ops = arena_array(arena, count + 1, sizeof(*ops));
    for (size_t i = 0; i < count; i++) {
        Etcdserverpb__RangeRequest *get = arena_alloc(arena, sizeof(*get));
        etcdserverpb__range_request__init(get);
        get->key = bytes_of(arena, key);
        get->count_only = true;
        ops[i] = new_op(arena);
        ops[i]->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
        ops[i]->request_range = get;
    }
    return ops;
}

static Etcdserverpb__TxnRequest *gets_of(struct arena *arena, size_t count)
{
    Etcdserverpb__TxnRequest *txn = new_txn(arena);
    txn->n_success = count;
    txn->success = new_gets(arena, count, "corner");
    return txn;
}

/* `around` reads, one of which is the inner transaction. */
static Etcdserverpb__TxnRequest *nest(struct arena *arena, Etcdserverpb__TxnRequest *inner,
                                      size_t around)
{
    Etcdserverpb__TxnRequest *txn = gets_of(arena, around);
    txn->success[0]->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
    txn->success[0]->request_txn = inner;
    return txn;
}

static Etcdserverpb__TxnRequest *nest_deep(struct arena *arena, size_t depth)
{
    Etcdserverpb__TxnRequest *txn = gets_of(arena, 1);
    for (size_t i = 1; i < depth; i++) {
        txn = nest(arena, txn, 1);
    }
    return txn;
}

static Etcdserverpb__TxnRequest *compares_of(struct arena *arena, size_t count)
{
    Etcdserverpb__TxnRequest *txn = new_txn(arena);
    txn->compare = arena_array(arena, count + 1, sizeof(*txn->compare));
    for (size_t i = 0; i < count; i++) {
        txn->compare[i] = arena_alloc(arena, sizeof(*txn->compare[i]));
        etcdserverpb__compare__init(txn->compare[i]);
        txn->compare[i]->key = bytes_of(arena, "corner");
    }
    txn->n_compare = count;
    return txn;
}

static Etcdserverpb__TxnRequest *with_nothing(struct arena *arena)
{
    Etcdserverpb__TxnRequest *txn = gets_of(arena, 2);
    txn->success[1] = new_op(arena);
    return txn;
}

static Etcdserverpb__TxnRequest *corner_txn(size_t at, struct arena *arena)
{
    switch (at) {
    case 0:
        return gets_of(arena, OPS_ALLOWED);
    case 1:
        return gets_of(arena, OPS_ALLOWED + 1);
    case 2:
        return compares_of(arena, OPS_ALLOWED);
    case 3:
        return compares_of(arena, OPS_ALLOWED + 1);
    case 4: /* What the outer one has left. */
        return nest(arena, gets_of(arena, OPS_ALLOWED - 1), 1);
    case 5:
        return nest(arena, gets_of(arena, OPS_ALLOWED), 1);
    case 6:
        return nest(arena, gets_of(arena, 1), OPS_ALLOWED);
    case 7:
        return nest(arena, gets_of(arena, OPS_ALLOWED / 2 + 1), OPS_ALLOWED / 2);
    case 8:
        return nest_deep(arena, 8);
    case 9:
        return with_nothing(arena);
    case 10:
        return new_txn(arena);
    default:
        return NULL;
    }
}

static bool key_step(size_t at, struct arena *arena, struct question *ret_question)
{
    static const size_t lens[] = {0,
                                  1024 * 1024,
                                  1536 * 1024 - 64,
                                  1536 * 1024,
                                  1536 * 1024 + 1,
                                  1900 * 1024,
                                  MESSAGE_ALLOWED - PUT_AROUND,
                                  MESSAGE_ALLOWED - PUT_AROUND + 1,
                                  3 * 1024 * 1024,
                                  5 * 1024 * 1024};
    static void (*const ranges[])(Etcdserverpb__RangeRequest * range) = {
        set_negative_limit, set_negative_bounds, set_far_revision, set_negative_revision};
    if (at < ARRAY_LEN(lens)) {
        *ret_question = put(arena, lens[at]);
        return true;
    }
    at -= ARRAY_LEN(lens);
    if (at < ARRAY_LEN(ranges)) {
        *ret_question = range(arena, ranges[at]);
        return true;
    }
    const Etcdserverpb__TxnRequest *txn = corner_txn(at - ARRAY_LEN(ranges), arena);
    if (txn != NULL) {
        *ret_question =
            question_of("/etcdserverpb.KV/Txn", txn, &etcdserverpb__txn_response__descriptor);
    }
    return txn != NULL;
}

/* --- Members, alarms, leadership: what changes nothing. */

static struct question add_member(struct arena *arena, const char *url)
{
    Etcdserverpb__MemberAddRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__member_add_request__init(message);
    message->peerurls = arena_array(arena, 1, sizeof(*message->peerurls));
    message->n_peerurls = url != NULL;
    message->peerurls[0] = url == NULL ? NULL : arena_text(arena, url);
    return question_of("/etcdserverpb.Cluster/MemberAdd", message,
                       &etcdserverpb__member_add_response__descriptor);
}

static struct question alarm_of(struct arena *arena, int action, int alarm, uint64_t member)
{
    Etcdserverpb__AlarmRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__alarm_request__init(message);
    message->action = (Etcdserverpb__AlarmRequest__AlarmAction)action;
    message->alarm = (Etcdserverpb__AlarmType)alarm;
    message->memberid = member;
    return question_of("/etcdserverpb.Maintenance/Alarm", message,
                       &etcdserverpb__alarm_response__descriptor);
}

static struct question hash_at(struct arena *arena, int64_t revision)
{
    Etcdserverpb__HashKVRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__hash_kvrequest__init(message);
    message->revision = revision;
    return question_of("/etcdserverpb.Maintenance/HashKV", message,
                       &etcdserverpb__hash_kvresponse__descriptor);
}

static struct question compact_at(struct arena *arena, int64_t revision)
{
    Etcdserverpb__CompactionRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__compaction_request__init(message);
    message->revision = revision;
    return question_of("/etcdserverpb.KV/Compact", message,
                       &etcdserverpb__compaction_response__descriptor);
}

static struct question move_leader(struct arena *arena)
{
    Etcdserverpb__MoveLeaderRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__move_leader_request__init(message);
    message->targetid = 99;
    return question_of("/etcdserverpb.Maintenance/MoveLeader", message,
                       &etcdserverpb__move_leader_response__descriptor);
}

static struct question promote_member(struct arena *arena)
{
    Etcdserverpb__MemberPromoteRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__member_promote_request__init(message);
    message->id = 99;
    return question_of("/etcdserverpb.Cluster/MemberPromote", message,
                       &etcdserverpb__member_promote_response__descriptor);
}

static struct question remove_member(struct arena *arena)
{
    Etcdserverpb__MemberRemoveRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__member_remove_request__init(message);
    message->id = 99;
    return question_of("/etcdserverpb.Cluster/MemberRemove", message,
                       &etcdserverpb__member_remove_response__descriptor);
}

static struct question update_member(struct arena *arena)
{
    Etcdserverpb__MemberUpdateRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__member_update_request__init(message);
    message->id = 99;
    message->peerurls = arena_array(arena, 1, sizeof(*message->peerurls));
    message->n_peerurls = 1;
    message->peerurls[0] = arena_text(arena, "http://127.0.0.1:2380");
    return question_of("/etcdserverpb.Cluster/MemberUpdate", message,
                       &etcdserverpb__member_update_response__descriptor);
}

static struct question snapshot(void)
{
    static const Etcdserverpb__SnapshotRequest message = ETCDSERVERPB__SNAPSHOT_REQUEST__INIT;
    struct question question = question_of("/etcdserverpb.Maintenance/Snapshot", &message,
                                           &etcdserverpb__snapshot_response__descriptor);
    question.kind = QUESTION_STREAM;
    return question;
}

static bool cluster_step(size_t at, struct arena *arena, struct question *ret_question)
{
    static const char *const urls[] = {NULL,           "",
                                       "127.0.0.1:1",  "http://127.0.0.1",
                                       "ftp://a:1",    "http://127.0.0.1:1/path",
                                       "http://a:b:1", "unix://socket"};
    if (at < ARRAY_LEN(urls)) {
        *ret_question = add_member(arena, urls[at]);
        return true;
    }
    switch (at - ARRAY_LEN(urls)) {
    case 0:
        *ret_question = move_leader(arena);
        break;
    case 1:
        *ret_question = promote_member(arena);
        break;
    case 2:
        *ret_question = remove_member(arena);
        break;
    case 3:
        *ret_question = update_member(arena);
        break;
    case 4: /* Of a member that does not exist: raised, asked for, cleared, cleared again. */
        *ret_question = alarm_of(arena, 1, 1, 99);
        break;
    case 5:
        *ret_question = alarm_of(arena, 0, 0, 99);
        break;
    case 6:
        *ret_question = put(arena, 10); /* There is no space. */
        break;
    case 7:
        *ret_question = grant(arena, OWN_LEASE + 9, 100);
        break;
    case 8:
        *ret_question = revoke(arena, OWN_LEASE + 3);
        break;
    case 9:
        *ret_question = alarm_of(arena, 2, 1, 98);
        break;
    case 10:
        *ret_question = alarm_of(arena, 2, 1, 99);
        break;
    case 11:
        *ret_question = alarm_of(arena, 2, 1, 99);
        break;
    case 12: /* Not raised: of no kind, which ends etcd 3.4. */
        *ret_question = alarm_of(arena, 0, 0, 0);
        break;
    case 13:
        *ret_question = hash_at(arena, INT64_MAX);
        break;
    case 14:
        *ret_question = compact_at(arena, -1);
        break;
    case 15:
        *ret_question = compact_at(arena, INT64_MAX);
        break;
    case 16:
        *ret_question = snapshot();
        break;
    default:
        return false;
    }
    return true;
}

/* --- Watches. */

static struct question watch(struct arena *arena, int64_t id, int64_t start)
{
    Etcdserverpb__WatchRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__watch_request__init(message);
    message->request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    message->create_request = arena_alloc(arena, sizeof(*message->create_request));
    etcdserverpb__watch_create_request__init(message->create_request);
    message->create_request->key = bytes_of(arena, "corner");
    message->create_request->watch_id = id;
    message->create_request->start_revision = start;
    message->create_request->fragment = true;
    message->create_request->prev_kv = true;
    struct question question = question_of("/etcdserverpb.Watch/Watch", message,
                                           &etcdserverpb__watch_response__descriptor);
    question.kind = QUESTION_WATCH;
    return question;
}

static struct question unwatch(struct arena *arena, int64_t id)
{
    Etcdserverpb__WatchRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__watch_request__init(message);
    message->request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST;
    message->cancel_request = arena_alloc(arena, sizeof(*message->cancel_request));
    etcdserverpb__watch_cancel_request__init(message->cancel_request);
    message->cancel_request->watch_id = id;
    struct question question = question_of("/etcdserverpb.Watch/Watch", message,
                                           &etcdserverpb__watch_response__descriptor);
    question.kind = QUESTION_WATCH;
    return question;
}

static struct question progress(struct arena *arena)
{
    Etcdserverpb__WatchRequest *message = arena_alloc(arena, sizeof(*message));
    etcdserverpb__watch_request__init(message);
    message->request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST;
    message->progress_request = arena_alloc(arena, sizeof(*message->progress_request));
    etcdserverpb__watch_progress_request__init(message->progress_request);
    struct question question = question_of("/etcdserverpb.Watch/Watch", message,
                                           &etcdserverpb__watch_response__descriptor);
    question.kind = QUESTION_WATCH;
    return question;
}

static bool watch_step(size_t at, struct arena *arena, struct question *ret_question)
{
    switch (at) {
    case 0:
        *ret_question = watch(arena, 5, 0);
        break;
    case 1:
        *ret_question = watch(arena, 5, 0); /* Taken. */
        break;
    case 2:
        *ret_question = watch(arena, 0, INT64_MAX);
        break;
    case 3:
        *ret_question = put(arena, 1400 * 1024);
        break;
    case 4:
        *ret_question = put(arena, 1500 * 1024); /* More than a message, with the one before. */
        break;
    case 5:
        *ret_question = unwatch(arena, 5);
        break;
    case 6:
        *ret_question = unwatch(arena, 5);
        break;
    case 7:
        *ret_question = watch(arena, 5, 0); /* Free again. */
        break;
    case 8:
        *ret_question = put(arena, 3);
        break;
    case 9:
        *ret_question = unwatch(arena, 0);
        break;
    case 10:
        *ret_question = unwatch(arena, 5);
        break;
    case 11: /* The id that refusals and progress have. */
        *ret_question = watch(arena, -1, 0);
        break;
    case 12:
        *ret_question = watch(arena, INT64_MIN, 0);
        break;
    case 13:
        *ret_question = progress(arena);
        break;
    case 14:
        *ret_question = unwatch(arena, -1);
        break;
    case 15:
        *ret_question = unwatch(arena, INT64_MIN);
        break;
    case 16:
        *ret_question = progress(arena);
        break;
    default:
        return false;
    }
    return true;
}

bool corners(size_t at, struct arena *arena, struct question *ret_question)
{
    static bool (*const steps[])(size_t at, struct arena * arena,
                                 struct question * ret_question) = {lease_step, key_step,
                                                                    cluster_step, watch_step};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        size_t count = 0;
        while (steps[i](count, arena, ret_question)) {
            if (count++ == at) {
                return true;
            }
        }
        at -= count;
    }
    return false;
}
