#include "tests/etcdctl/differential.h"

#include "lib/base/compiler.h"
#include <string.h>

enum { DEPTH_MAX = 3, OPS_MAX = 3, OWN_ID_MIN = 10000 };

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t random_number(struct chooser *chooser)
{
    uint64_t z = chooser->state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint64_t random_below(struct chooser *chooser, uint64_t limit)
{
    return random_number(chooser) % limit;
}

bool one_in(struct chooser *chooser, uint64_t count)
{
    return random_below(chooser, count) == 0;
}

static ProtobufCBinaryData bytes_of(struct arena *arena, const char *text, size_t len)
{
    uint8_t *bytes = arena_alloc(arena, len + 1);
    memcpy(bytes, text, len);
    return (ProtobufCBinaryData){.len = len, .data = bytes};
}

static const char *const key_texts[] = {"a", "b", "c", "d", "e", "aa", "ab", "b/1", "b/2", "zz"};

ProtobufCBinaryData choose_key(struct chooser *chooser, struct arena *arena)
{
    if (one_in(chooser, 40)) {
        return bytes_of(arena, "", 0);
    }
    const char *text = key_texts[random_below(chooser, sizeof(key_texts) / sizeof(key_texts[0]))];
    return bytes_of(arena, text, strlen(text));
}

ProtobufCBinaryData choose_end(struct chooser *chooser, struct arena *arena)
{
    switch (random_below(chooser, 5)) {
    case 0:
    case 1:
        return bytes_of(arena, "", 0);
    case 2:
        return bytes_of(arena, "\0", 1);
    default:
        return choose_key(chooser, arena);
    }
}

static ProtobufCBinaryData choose_value(struct chooser *chooser, struct arena *arena)
{
    static const char *const texts[] = {"", "1", "2", "10", "x", "longer value"};
    const char *text = texts[random_below(chooser, sizeof(texts) / sizeof(texts[0]))];
    return bytes_of(arena, text, strlen(text));
}

/* Mostly inside history. */
static int64_t choose_revision(struct chooser *chooser)
{
    switch (random_below(chooser, 8)) {
    case 0:
        return chooser->revision + 1;
    case 1:
        return -1;
    case 2:
    case 3: {
        int64_t back = (int64_t)random_below(chooser, 30);
        return back >= chooser->revision ? 1 : chooser->revision - back;
    }
    default:
        return 0;
    }
}

static int64_t choose_lease(struct chooser *chooser)
{
    return (int64_t)random_below(chooser, 6);
}

static int64_t bound(struct chooser *chooser)
{
    return one_in(chooser, 5) ? 1 + (int64_t)random_below(chooser, (uint64_t)chooser->revision + 1)
                              : 0;
}

bool is_inverted(ProtobufCBinaryData key, ProtobufCBinaryData end)
{
    bool to_the_end = end.len == 1 && end.data[0] == 0;
    return end.len > 0 && !to_the_end &&
           slice_compare(slice_of(key.data, key.len), slice_of(end.data, end.len)) >= 0;
}

static Etcdserverpb__RangeRequest *choose_range(struct chooser *chooser, struct arena *arena)
{
    Etcdserverpb__RangeRequest *range = arena_alloc(arena, sizeof(*range));
    etcdserverpb__range_request__init(range);
    range->key = choose_key(chooser, arena);
    range->range_end = choose_end(chooser, arena);
    if (chooser->users && is_inverted(range->key, range->range_end)) {
        range->range_end = bytes_of(arena, "", 0); /* Who may look at nothing? We say: anybody. */
    }
    range->limit = one_in(chooser, 3) ? (int64_t)random_below(chooser, 4) : 0;
    range->revision = choose_revision(chooser);
    range->sort_order = (Etcdserverpb__RangeRequest__SortOrder)random_below(chooser, 3);
    range->sort_target = (Etcdserverpb__RangeRequest__SortTarget)random_below(chooser, 5);
    range->serializable = one_in(chooser, 4);
    range->keys_only = one_in(chooser, 6);
    range->count_only = one_in(chooser, 8);
    range->min_mod_revision = bound(chooser);
    range->max_mod_revision = bound(chooser);
    range->min_create_revision = bound(chooser);
    range->max_create_revision = bound(chooser);
    return range;
}

static Etcdserverpb__PutRequest *choose_put(struct chooser *chooser, struct arena *arena)
{
    Etcdserverpb__PutRequest *put = arena_alloc(arena, sizeof(*put));
    etcdserverpb__put_request__init(put);
    put->key = choose_key(chooser, arena);
    put->ignore_value = one_in(chooser, 8);
    put->ignore_lease = one_in(chooser, 8);
    if (!put->ignore_value || one_in(chooser, 5)) {
        put->value = choose_value(chooser, arena);
    }
    if (one_in(chooser, 3) && (!put->ignore_lease || one_in(chooser, 5))) {
        put->lease = choose_lease(chooser);
    }
    put->prev_kv = one_in(chooser, 3);
    return put;
}

/* etcd overlooks that "to the end" covers a key that the same transaction puts; we refuse it. */
static Etcdserverpb__DeleteRangeRequest *choose_delete(struct chooser *chooser, struct arena *arena,
                                                       bool in_txn)
{
    Etcdserverpb__DeleteRangeRequest *request = arena_alloc(arena, sizeof(*request));
    etcdserverpb__delete_range_request__init(request);
    request->key = choose_key(chooser, arena);
    request->range_end = one_in(chooser, 3) ? choose_end(chooser, arena) : bytes_of(arena, "", 0);
    if (in_txn && request->range_end.len == 1 && request->range_end.data[0] == 0) {
        request->range_end = bytes_of(arena, "zzz", 3);
    }
    if (chooser->users && is_inverted(request->key, request->range_end)) {
        request->range_end = bytes_of(arena, "", 0);
    }
    request->prev_kv = one_in(chooser, 2);
    return request;
}

static Etcdserverpb__Compare *choose_compare(struct chooser *chooser, struct arena *arena)
{
    Etcdserverpb__Compare *compare = arena_alloc(arena, sizeof(*compare));
    etcdserverpb__compare__init(compare);
    compare->result = (Etcdserverpb__Compare__CompareResult)random_below(chooser, 4);
    compare->target = (Etcdserverpb__Compare__CompareTarget)random_below(chooser, 5);
    compare->key = choose_key(chooser, arena);
    compare->range_end = one_in(chooser, 3) ? choose_end(chooser, arena) : bytes_of(arena, "", 0);
    if (chooser->users && is_inverted(compare->key, compare->range_end)) {
        compare->range_end = bytes_of(arena, "", 0);
    }
    int64_t number = (int64_t)random_below(chooser, 4);
    int64_t revision = (int64_t)random_below(chooser, (uint64_t)chooser->revision + 2);
    if (one_in(chooser, 12)) {
        return compare; /* Nothing to compare with. */
    }
    switch ((int)compare->target) {
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION:
        compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
        compare->version = number;
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE:
        compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
        compare->create_revision = revision;
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD:
        compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
        compare->mod_revision = revision;
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE:
        compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
        compare->value = choose_value(chooser, arena);
        break;
    default:
        compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE;
        compare->lease = choose_lease(chooser);
        break;
    }
    return compare;
}

static Etcdserverpb__TxnRequest *choose_txn(struct chooser *chooser, struct arena *arena,
                                            unsigned depth);

static Etcdserverpb__RequestOp **choose_ops(struct chooser *chooser, struct arena *arena,
                                            unsigned depth, size_t *ret_count)
{
    size_t count = random_below(chooser, OPS_MAX + 1);
    Etcdserverpb__RequestOp **ops = arena_array(arena, count + 1, sizeof(*ops));
    for (size_t i = 0; i < count; i++) {
        ops[i] = arena_alloc(arena, sizeof(*ops[i]));
        etcdserverpb__request_op__init(ops[i]);
        /* etcd looks for no permissions in inner transactions, for leases of puts and what was
         * there before them. */
        uint64_t kind = random_below(chooser, depth < DEPTH_MAX && !chooser->users ? 8 : 7);
        if (kind < 2) {
            ops[i]->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
            ops[i]->request_range = choose_range(chooser, arena);
        } else if (kind < 5) {
            ops[i]->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
            ops[i]->request_put = choose_put(chooser, arena);
            if (chooser->users) {
                ops[i]->request_put->lease = 0;
                ops[i]->request_put->prev_kv = false;
            }
        } else if (kind < 7) {
            ops[i]->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
            ops[i]->request_delete_range = choose_delete(chooser, arena, /* in_txn= */ true);
        } else {
            ops[i]->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
            ops[i]->request_txn = choose_txn(chooser, arena, depth + 1);
        }
    }
    *ret_count = count;
    return ops;
}

static Etcdserverpb__TxnRequest *choose_txn(struct chooser *chooser, struct arena *arena,
                                            unsigned depth)
{
    Etcdserverpb__TxnRequest *txn = arena_alloc(arena, sizeof(*txn));
    etcdserverpb__txn_request__init(txn);
    txn->n_compare = random_below(chooser, 3);
    txn->compare = arena_array(arena, txn->n_compare + 1, sizeof(*txn->compare));
    for (size_t i = 0; i < txn->n_compare; i++) {
        txn->compare[i] = choose_compare(chooser, arena);
    }
    txn->success = choose_ops(chooser, arena, depth, &txn->n_success);
    txn->failure = choose_ops(chooser, arena, depth, &txn->n_failure);
    if (txn->n_compare == 0 && txn->n_success == 1 && txn->n_failure == 0) {
        /* Our store takes it for the request by itself, of which etcd sees the lease before the key
         * when both are missing. */
        txn->compare[txn->n_compare++] = choose_compare(chooser, arena);
    }
    return txn;
}

struct question question_of(const char *path, const void *message,
                            const ProtobufCMessageDescriptor *answer)
{
    return (struct question){.path = path, .message = message, .answer = answer};
}

/* --- Leases and the rest. */

static struct question choose_lease_request(struct chooser *chooser, struct arena *arena)
{
    switch (random_below(chooser, 4)) {
    case 0: {
        Etcdserverpb__LeaseGrantRequest *grant = arena_alloc(arena, sizeof(*grant));
        etcdserverpb__lease_grant_request__init(grant);
        grant->id = 1 + choose_lease(chooser);
        grant->ttl = one_in(chooser, 8) ? INT64_C(9000000001) : 5000 + choose_lease(chooser);
        return question_of("/etcdserverpb.Lease/LeaseGrant", grant,
                           &etcdserverpb__lease_grant_response__descriptor);
    }
    case 1: {
        Etcdserverpb__LeaseRevokeRequest *revoke = arena_alloc(arena, sizeof(*revoke));
        etcdserverpb__lease_revoke_request__init(revoke);
        revoke->id = choose_lease(chooser);
        return question_of("/etcdserverpb.Lease/LeaseRevoke", revoke,
                           &etcdserverpb__lease_revoke_response__descriptor);
    }
    default: {
        Etcdserverpb__LeaseTimeToLiveRequest *ttl = arena_alloc(arena, sizeof(*ttl));
        etcdserverpb__lease_time_to_live_request__init(ttl);
        ttl->id = choose_lease(chooser);
        /* A follower of etcd 3.4 has its leader answer, which may not have applied what the
         * follower has: ask the leader. By users: etcd 3.4 tells everybody (CVE-2023-32082). */
        ttl->keys = !chooser->users && one_in(chooser, 2);
        return question_of("/etcdserverpb.Lease/LeaseTimeToLive", ttl,
                           &etcdserverpb__lease_time_to_live_response__descriptor);
    }
    }
}

static struct question choose_keepalive(struct chooser *chooser, struct arena *arena)
{
    Etcdserverpb__LeaseKeepAliveRequest *keep = arena_alloc(arena, sizeof(*keep));
    etcdserverpb__lease_keep_alive_request__init(keep);
    keep->id = choose_lease(chooser);
    struct question question = question_of("/etcdserverpb.Lease/LeaseKeepAlive", keep,
                                           &etcdserverpb__lease_keep_alive_response__descriptor);
    question.kind = QUESTION_KEEPALIVE;
    return question;
}

/* --- Watches. */

static Etcdserverpb__WatchCreateRequest *choose_create(struct chooser *chooser, struct arena *arena)
{
    static const Etcdserverpb__WatchCreateRequest__FilterType filters[] = {
        ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NOPUT,
        ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NODELETE};
    Etcdserverpb__WatchCreateRequest *create = arena_alloc(arena, sizeof(*create));
    etcdserverpb__watch_create_request__init(create);
    create->key = choose_key(chooser, arena);
    create->range_end = choose_end(chooser, arena);
    bool to_the_end = create->range_end.len == 1 && create->range_end.data[0] == 0;
    if (chooser->users && (to_the_end || is_inverted(create->key, create->range_end))) {
        /* "To the end" etcd 3.4 shows all to who may see one key (GHSA-xg4h-6gfc-h4m8). */
        create->range_end = bytes_of(arena, "", 0);
    }
    int64_t revision = choose_revision(chooser);
    create->start_revision = revision < 0 ? chooser->revision + 5 : revision; /* To come. */
    if (create->start_revision > chooser->last_start) {
        chooser->last_start = create->start_revision;
    }
    create->prev_kv = one_in(chooser, 2);
    create->fragment = one_in(chooser, 4);
    create->watch_id = one_in(chooser, 4) ? OWN_ID_MIN + (int64_t)random_below(chooser, 40) : 0;
    if (one_in(chooser, 4)) {
        create->n_filters = 1 + random_below(chooser, 2);
        create->filters = arena_array(arena, 2, sizeof(*create->filters));
        memcpy(create->filters, filters, sizeof(filters));
        if (create->n_filters == 1 && one_in(chooser, 2)) {
            create->filters[0] = filters[1];
        }
    }
    return create;
}

static struct question choose_watch(struct chooser *chooser, struct arena *arena)
{
    Etcdserverpb__WatchRequest *watch = arena_alloc(arena, sizeof(*watch));
    etcdserverpb__watch_request__init(watch);
    uint64_t kind = random_below(chooser, 8);
    if (kind < 5) {
        watch->request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
        watch->create_request = choose_create(chooser, arena);
        chooser->watches++;
    } else if (kind < 7 || chooser->last_start > chooser->revision + 1) {
        /* While a watch begins later, etcd 3.4 tells of progress, and 3.5 and we do not. */
        watch->request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST;
        watch->cancel_request = arena_alloc(arena, sizeof(*watch->cancel_request));
        etcdserverpb__watch_cancel_request__init(watch->cancel_request);
        watch->cancel_request->watch_id = (one_in(chooser, 4) ? OWN_ID_MIN : 0) +
                                          (int64_t)random_below(chooser, chooser->watches + 2);
    } else {
        watch->request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST;
        watch->progress_request = arena_alloc(arena, sizeof(*watch->progress_request));
        etcdserverpb__watch_progress_request__init(watch->progress_request);
    }
    struct question question =
        question_of("/etcdserverpb.Watch/Watch", watch, &etcdserverpb__watch_response__descriptor);
    question.kind = QUESTION_WATCH;
    return question;
}

static struct question choose_maintenance(struct chooser *chooser, struct arena *arena)
{
    if (one_in(chooser, 3)) {
        Etcdserverpb__CompactionRequest *compaction = arena_alloc(arena, sizeof(*compaction));
        etcdserverpb__compaction_request__init(compaction);
        compaction->revision = choose_revision(chooser);
        if (compaction->revision == 0) {
            compaction->revision = chooser->revision > 8 ? chooser->revision - 8 : -1;
        }
        /* The old versions are gone when it answers: HashKV of etcd sees those that are not. */
        compaction->physical = true;
        struct question question = question_of("/etcdserverpb.KV/Compact", compaction,
                                               &etcdserverpb__compaction_response__descriptor);
        question.takes_history = true;
        return question;
    }
    Etcdserverpb__HashKVRequest *hash = arena_alloc(arena, sizeof(*hash));
    etcdserverpb__hash_kvrequest__init(hash);
    hash->revision = choose_revision(chooser);
    hash->revision = hash->revision < 0 ? 0 : hash->revision;
    return question_of("/etcdserverpb.Maintenance/HashKV", hash,
                       &etcdserverpb__hash_kvresponse__descriptor);
}

static struct question choose_any(struct chooser *chooser, struct arena *arena)
{
    uint64_t kind = random_below(chooser, 24);
    if (kind < 5) {
        return question_of("/etcdserverpb.KV/Range", choose_range(chooser, arena),
                           &etcdserverpb__range_response__descriptor);
    }
    if (kind < 9) {
        return question_of("/etcdserverpb.KV/Put", choose_put(chooser, arena),
                           &etcdserverpb__put_response__descriptor);
    }
    if (kind < 10) {
        return question_of("/etcdserverpb.KV/DeleteRange",
                           choose_delete(chooser, arena, /* in_txn= */ false),
                           &etcdserverpb__delete_range_response__descriptor);
    }
    if (kind < 17) {
        return question_of("/etcdserverpb.KV/Txn", choose_txn(chooser, arena, 1),
                           &etcdserverpb__txn_response__descriptor);
    }
    return kind < 19   ? choose_lease_request(chooser, arena)
           : kind < 20 ? choose_keepalive(chooser, arena)
           : kind < 21 ? choose_maintenance(chooser, arena)
           : kind < 22 ? choose_watch(chooser, arena)
                       : choose_auth(chooser, arena);
}

/* Where etcd 3.4 is laxer than we are, or says it in its own way, those ask who may. */
static enum asker choose_asker(struct chooser *chooser, const struct question *question)
{
    static const enum asker askers[] = {ASK_ALICE, ASK_ALICE,  ASK_ALICE,   ASK_ROOT,
                                        ASK_ROOT,  ASK_NOBODY, ASK_STRANGER};
    enum asker asker = askers[random_below(chooser, ARRAY_LEN(askers))];
    if (question->answer == &etcdserverpb__hash_kvresponse__descriptor ||
        question->answer == &etcdserverpb__compaction_response__descriptor) {
        return ASK_ROOT;
    }
    const Etcdserverpb__TxnRequest *txn =
        question->answer == &etcdserverpb__txn_response__descriptor
            ? (const void *)question->message
            : NULL;
    if (txn != NULL &&
        asker == ASK_NOBODY) { /* It may hold nothing that anybody could object to. */
        return ASK_ALICE;
    }
    bool about_lease = question->answer == &etcdserverpb__lease_revoke_response__descriptor ||
                       question->answer == &etcdserverpb__lease_grant_response__descriptor ||
                       question->answer == &etcdserverpb__lease_time_to_live_response__descriptor;
    return about_lease && asker != ASK_ROOT ? ASK_ALICE : asker;
}

struct question choose(struct chooser *chooser, struct arena *arena, bool first)
{
    if (first) {
        Etcdserverpb__RangeRequest *range = arena_alloc(arena, sizeof(*range));
        etcdserverpb__range_request__init(range);
        range->key = bytes_of(arena, "a", 1);
        return question_of("/etcdserverpb.KV/Range", range,
                           &etcdserverpb__range_response__descriptor);
    }
    struct question question = choose_any(chooser, arena);
    if (chooser->users && question.kind == QUESTION_UNARY && question.asker == ASK_ROOT) {
        question.asker = choose_asker(chooser, &question);
    }
    return question;
}
