/* A remote store against a double of etcd that answers as it is told: what is sent again and what
 * is not, an event that is lost, an etcd that went back, compaction, progress. */
#include "lib/base/env_uv.h"
#include "lib/net/grpc.h"
#include "store/remote/codec.h"
#include "store/remote/remote.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

Suite *remote_suite(void);

/* What the double knows and counts. One key, whose version is `version`. */
static struct {
    struct grpc_server *grpc;
    struct http_server *http;
    struct grpc_call *watch;
    struct arena *arena;
    int64_t revision, created, modified, version, watched_from, compacted;
    int refuse_txns, lose_txns;
    int txns, lists, statuses, progress_requests;
} etcd;

static struct loop *loop;
static struct env_uv *env;
static struct remote_store *remote;
static struct metrics *metrics;
static bool ready;
static int done_status;
static int done_count;

/* --- The double. */

static void respond(struct grpc_call *call, const ProtobufCMessage *message)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    remote_pack(message, &out);
    grpc_call_respond(call, buffer_slice(&out));
    buffer_release(&out);
}

static Etcdserverpb__ResponseHeader header(void)
{
    Etcdserverpb__ResponseHeader message = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    message.cluster_id = 7;
    message.revision = etcd.revision;
    return message;
}

static void on_status(void *data, struct grpc_call *call, struct slice request)
{
    (void)data;
    (void)request;
    Etcdserverpb__ResponseHeader head = header();
    Etcdserverpb__StatusResponse response = ETCDSERVERPB__STATUS_RESPONSE__INIT;
    response.header = &head;
    response.version = (char *)(uintptr_t) "3.5.17";
    etcd.statuses++;
    respond(call, &response.base);
}

static Mvccpb__KeyValue key_value(void)
{
    Mvccpb__KeyValue kv = MVCCPB__KEY_VALUE__INIT;
    kv.key = remote_bytes(slice_text("/registry/configmaps/a/b"));
    kv.create_revision = etcd.created;
    kv.mod_revision = etcd.modified;
    kv.version = etcd.version;
    return kv;
}

static void on_range(void *data, struct grpc_call *call, struct slice request)
{
    (void)data;
    const Etcdserverpb__RangeRequest *range =
        remote_unpack(&etcdserverpb__range_request__descriptor, etcd.arena, request);
    Etcdserverpb__ResponseHeader head = header();
    Etcdserverpb__RangeResponse response = ETCDSERVERPB__RANGE_RESPONSE__INIT;
    Mvccpb__KeyValue kv = key_value();
    Mvccpb__KeyValue *kvs[] = {&kv};
    response.header = &head;
    if (range->limit > 0) {
        etcd.lists++;
        if (range->revision < etcd.revision) { /* It remembers no history. */
            grpc_call_finish(call, GRPC_OUT_OF_RANGE, store_status_text(STORE_COMPACTED),
                             slice_text(""));
            return;
        }
        response.kvs = kvs;
        response.n_kvs = etcd.version > 0;
    }
    respond(call, &response.base);
}

static void send_watch(const Etcdserverpb__WatchResponse *response)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    remote_pack(&response->base, &out);
    (void)grpc_call_send(etcd.watch, buffer_slice(&out));
    buffer_release(&out);
}

static void send_event(void)
{
    Etcdserverpb__ResponseHeader head = header();
    Etcdserverpb__WatchResponse response = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    Mvccpb__Event event = MVCCPB__EVENT__INIT;
    Mvccpb__KeyValue kv = key_value();
    event.kv = &kv;
    response.header = &head;
    response.n_events = 1;
    response.events = &(Mvccpb__Event *){&event};
    send_watch(&response);
}

static void change(void)
{
    etcd.modified = ++etcd.revision;
    etcd.created = etcd.version == 0 ? etcd.revision : etcd.created;
    etcd.version++;
}

static void on_txn(void *data, struct grpc_call *call, struct slice request)
{
    (void)data;
    const Etcdserverpb__TxnRequest *txn =
        remote_unpack(&etcdserverpb__txn_request__descriptor, etcd.arena, request);
    bool ours = txn->n_success == 1 && txn->n_compare == 0; /* Not of leader or compaction. */
    etcd.txns += ours;
    if (ours && etcd.refuse_txns > 0) {
        etcd.refuse_txns--;
        grpc_call_finish(call, GRPC_UNAVAILABLE, "etcdserver: no leader", slice_text(""));
        return;
    }
    if (ours) {
        change();
        send_event();
    }
    if (ours && etcd.lose_txns > 0) {
        etcd.lose_txns--;
        grpc_call_finish(call, GRPC_UNAVAILABLE, "transport is closing", slice_text(""));
        return;
    }
    Etcdserverpb__ResponseHeader head = header();
    Etcdserverpb__TxnResponse response = ETCDSERVERPB__TXN_RESPONSE__INIT;
    Etcdserverpb__PutResponse put = ETCDSERVERPB__PUT_RESPONSE__INIT;
    Etcdserverpb__ResponseOp op = ETCDSERVERPB__RESPONSE_OP__INIT;
    op.response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
    op.response_put = &put;
    response.header = &head;
    response.succeeded = true;
    response.n_responses = 1;
    response.responses = &(Etcdserverpb__ResponseOp *){&op};
    respond(call, &response.base);
}

static void on_compact(void *data, struct grpc_call *call, struct slice request)
{
    (void)data;
    const Etcdserverpb__CompactionRequest *compaction =
        remote_unpack(&etcdserverpb__compaction_request__descriptor, etcd.arena, request);
    Etcdserverpb__CompactionResponse response = ETCDSERVERPB__COMPACTION_RESPONSE__INIT;
    etcd.compacted = compaction->revision;
    respond(call, &response.base);
}

static void on_refused(void *data, struct grpc_call *call, struct slice request)
{
    (void)data;
    (void)request;
    grpc_call_finish(call, GRPC_PERMISSION_DENIED, "no leases here", slice_text(""));
}

static void on_watch_message(void *data, struct slice bytes)
{
    (void)data;
    const Etcdserverpb__WatchRequest *request =
        remote_unpack(&etcdserverpb__watch_request__descriptor, etcd.arena, bytes);
    Etcdserverpb__ResponseHeader head = header();
    Etcdserverpb__WatchResponse response = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    response.header = &head;
    if (request->request_union_case == ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST) {
        etcd.watched_from = request->create_request->start_revision;
        response.created = true;
    } else {
        etcd.progress_requests++;
        response.watch_id = -1;
    }
    send_watch(&response);
}

static void on_watch(void *data, struct grpc_call *call, struct slice request)
{
    (void)data;
    (void)request;
    if (etcd.watch != NULL) {
        grpc_call_unref(etcd.watch);
    }
    etcd.watch = grpc_call_ref(call);
    grpc_call_on_message(call, on_watch_message, NULL, NULL);
}

static void open_double(void)
{
    static const struct grpc_method methods[] = {
        {.path = "/etcdserverpb.Maintenance/Status", .kind = GRPC_UNARY, .on_call = on_status},
        {.path = "/etcdserverpb.KV/Range", .kind = GRPC_UNARY, .on_call = on_range},
        {.path = "/etcdserverpb.KV/Txn", .kind = GRPC_UNARY, .on_call = on_txn},
        {.path = "/etcdserverpb.KV/Compact", .kind = GRPC_UNARY, .on_call = on_compact},
        {.path = "/etcdserverpb.Lease/LeaseGrant", .kind = GRPC_UNARY, .on_call = on_refused},
        {.path = "/etcdserverpb.Watch/Watch", .kind = GRPC_BIDI_STREAM, .on_call = on_watch}};
    memset(&etcd, 0, sizeof(etcd));
    etcd.revision = 10;
    etcd.arena = arena_new(SIZE_MAX);
    etcd.grpc = grpc_server_new();
    grpc_server_add(etcd.grpc, methods, ARRAY_LEN(methods));
    struct net_address address = {.host = "127.0.0.1"};
    struct http_server_options options = {.loops = &loop,
                                          .loop_count = 1,
                                          .address = &address,
                                          .grpc = grpc_server_handler(etcd.grpc)};
    ck_assert_int_eq(http_server_listen(&options, &etcd.http, NULL), 0);
}

/* --- The remote store. */

static void on_ready(void *data)
{
    (void)data;
    ready = true;
}

static void until(bool (*holds)(void))
{
    while (!holds()) {
        loop_turn(loop, true);
    }
}

static bool is_ready(void)
{
    return ready;
}

static void open_remote(uint64_t compact_ms)
{
    struct net_address address = {.host = "127.0.0.1", .port = http_server_port(etcd.http)};
    struct remote_store_config config = {.loop = loop,
                                         .env = env_uv_env(env),
                                         .endpoints = &address,
                                         .endpoint_count = 1,
                                         .prefix = "/registry",
                                         .name = "s",
                                         .api_url = "https://192.0.2.1:6443",
                                         .compact_ms = compact_ms,
                                         .metrics = metrics,
                                         .on_ready = on_ready};
    ck_assert_int_eq(remote_store_open(&config, &remote, NULL), 0);
    until(is_ready);
}

static void setup(void)
{
    ready = false;
    done_count = 0;
    ck_assert_int_eq(loop_new("test", &loop), 0);
    ck_assert_int_eq(env_uv_new(loop_uv(loop), &env), 0);
    metrics = metrics_new();
    open_double();
}

static void set_closed(void *data)
{
    *(bool *)data = true;
}

static void teardown(void)
{
    bool closed[3] = {false, false, false};
    remote_store_close(remote, set_closed, &closed[0]);
    while (!closed[0]) {
        loop_turn(loop, true);
    }
    grpc_call_unref(etcd.watch);
    http_server_close(etcd.http, 0, set_closed, &closed[1]);
    while (!closed[1]) {
        loop_turn(loop, true);
    }
    env_uv_close(env, set_closed, &closed[2]);
    while (!closed[2]) {
        loop_turn(loop, true);
    }
    grpc_server_free(etcd.grpc);
    arena_free(etcd.arena);
    metrics_free(metrics);
    loop_free(loop);
}

static void written(void *data, int status, const struct store_txn_result *result)
{
    (void)data;
    done_status = status;
    done_count++;
    if (status == 0) { /* Who was answered can read it. */
        struct store_snapshot *snapshot = storage_snapshot(remote_store_storage(remote));
        ck_assert_int_ge(store_snapshot_revision(snapshot), result->revision);
        store_snapshot_unref(snapshot);
    }
}

static bool is_done(void)
{
    return done_count > 0;
}

static void write_key(void)
{
    struct store_op put = {.kind = STORE_OP_PUT,
                           .put = {.key = slice_text("/registry/configmaps/a/b")}};
    struct store_txn txn = {.success = &put, .success_count = 1};
    done_count = 0;
    storage_txn(remote_store_storage(remote), &txn, written, NULL);
    ck_assert_int_eq(done_count, 0);
    until(is_done);
}

START_TEST(a_write_is_answered_when_it_can_be_read)
{
    open_remote(0);
    write_key();
    ck_assert_int_eq(done_status, 0);
    ck_assert_int_eq(etcd.txns, 1);
    ck_assert_int_eq(etcd.watched_from, 11);
}
END_TEST

START_TEST(a_write_without_a_leader_was_not_done_and_is_sent_again)
{
    open_remote(0);
    etcd.refuse_txns = 2;
    write_key();
    ck_assert_int_eq(done_status, 0);
    ck_assert_int_eq(etcd.txns, 3);
    ck_assert_int_eq(etcd.version, 1);
}
END_TEST

START_TEST(a_write_whose_answer_is_lost_is_not_sent_again)
{
    open_remote(0);
    etcd.lose_txns = 1;
    write_key();
    ck_assert_int_eq(done_status, STORE_TIMEOUT);
    ck_assert_int_eq(etcd.txns, 1);
}
END_TEST

static bool has_listed_again(void)
{
    return etcd.lists > 2 && etcd.watched_from == etcd.revision + 1;
}

static void check_metric(const char *line)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    metrics_render(metrics, &out);
    buffer_append_byte(&out, 0);
    ck_assert_msg(strstr((const char *)out.data, line) != NULL, "%s", (const char *)out.data);
    buffer_release(&out);
}

START_TEST(a_lost_event_is_noticed_and_listed)
{
    etcd.created = etcd.modified = 9;
    etcd.version = 1;
    open_remote(0);
    ck_assert_int_eq(etcd.lists, 2); /* With history first, which the double has not. */
    check_metric("\ncoracle_remote_store_lists_total 1\n");
    change();
    change();
    send_event(); /* Of the second only. */
    until(has_listed_again);
    ck_assert_int_eq(etcd.lists, 3);
    check_metric("\ncoracle_remote_store_lists_total 2\n");
    ck_assert_int_eq(storage_revision(remote_store_storage(remote)), etcd.revision);
}
END_TEST

static bool was_asked_again(void)
{
    return etcd.statuses >= 3;
}

START_TEST(an_etcd_that_went_back_is_refused)
{
    open_remote(0);
    etcd.revision = 5;
    etcd.watched_from = 0;
    grpc_call_finish(etcd.watch, GRPC_UNAVAILABLE, "it restarts", slice_text(""));
    until(was_asked_again);
    ck_assert_int_eq(etcd.watched_from, 0);
    etcd.revision = 10; /* It was not the right one. */
    write_key();
    ck_assert_int_eq(done_status, 0);
    ck_assert_int_eq(etcd.watched_from, 11);
}
END_TEST

static bool is_compacted(void)
{
    return etcd.compacted != 0;
}

START_TEST(what_was_current_a_period_ago_is_compacted)
{
    open_remote(30);
    until(is_compacted);
    ck_assert_int_eq(etcd.compacted, 10);
}
END_TEST

static void passed(void *data, int status)
{
    (void)data;
    done_status = status;
    done_count++;
}

START_TEST(a_barrier_passes_when_others_alone_have_written)
{
    open_remote(0);
    etcd.revision = 25;
    storage_read_barrier(remote_store_storage(remote), passed, NULL);
    until(is_done);
    ck_assert_int_eq(done_status, 0);
    ck_assert_int_eq(storage_revision(remote_store_storage(remote)), 25);
    ck_assert_int_eq(etcd.progress_requests, 1);
}
END_TEST

Suite *remote_suite(void)
{
    Suite *suite = suite_create("store/remote");
    TCase *tcase = tcase_create("remote");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_write_is_answered_when_it_can_be_read);
    tcase_add_test(tcase, a_write_without_a_leader_was_not_done_and_is_sent_again);
    tcase_add_test(tcase, a_write_whose_answer_is_lost_is_not_sent_again);
    tcase_add_test(tcase, a_lost_event_is_noticed_and_listed);
    tcase_add_test(tcase, an_etcd_that_went_back_is_refused);
    tcase_add_test(tcase, what_was_current_a_period_ago_is_compacted);
    tcase_add_test(tcase, a_barrier_passes_when_others_alone_have_written);
    suite_add_tcase(suite, tcase);
    return suite;
}
