/* Progress notifications by interval: which revision they say, and what they never come before or
 * in the middle of. The interval is the live cluster's; what is waited for comes sooner or later.
 */
#include "tests/unit/store/live_clients.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <string.h>

static int64_t put(const char *key, const char *value)
{
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__PutResponse *response;
    request.key = etcd_client_bytes(key);
    request.value = etcd_client_bytes(value);
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Put", &request.base,
                                      &etcdserverpb__put_response__descriptor, &response),
                     GRPC_OK);
    return response->header->revision;
}

static struct etcd_client_stream *stream_open(void)
{
    return etcd_client_stream(live.clients[0], "/etcdserverpb.Watch/Watch",
                              &etcdserverpb__watch_response__descriptor);
}

static Etcdserverpb__WatchResponse *next(struct etcd_client_stream *stream)
{
    Etcdserverpb__WatchResponse *response = etcd_client_next(stream);
    ck_assert_ptr_nonnull(response);
    return response;
}

static int64_t watch_add(struct etcd_client_stream *stream,
                         Etcdserverpb__WatchCreateRequest *create)
{
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = create;
    etcd_client_send(stream, &request.base);
    for (;;) {
        const Etcdserverpb__WatchResponse *response = next(stream);
        if (response->created) {
            return response->watch_id;
        }
    }
}

static int64_t watch_key(struct etcd_client_stream *stream, const char *key, bool progress,
                         int64_t start)
{
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = etcd_client_bytes(key);
    create.progress_notify = progress;
    create.start_revision = start;
    return watch_add(stream, &create);
}

/* Waits until that watch has been told that it is at the revision. No event comes before. */
static void await_progress(struct etcd_client_stream *stream, int64_t watch, int64_t revision)
{
    for (;;) {
        const Etcdserverpb__WatchResponse *response = next(stream);
        ck_assert_uint_eq(response->n_events, 0);
        ck_assert_int_le(response->header->revision, revision);
        ck_assert_int_eq(response->watch_id, watch);
        if (response->header->revision == revision) {
            return;
        }
    }
}

START_TEST(a_quiet_watch_that_asks_is_told_the_revision_and_one_that_does_not_ask_is_not)
{
    struct etcd_client_stream *stream = stream_open();
    int64_t silent = watch_key(stream, "x", /* progress= */ false, 0);
    int64_t told = watch_key(stream, "x", /* progress= */ true, 0);
    ck_assert_int_ne(silent, told);
    for (int i = 0; i < 3; i++) {
        await_progress(stream, told, put("other", "1"));
    }
    etcd_client_stream_close(stream);
}
END_TEST

START_TEST(a_watch_of_a_revision_to_come_is_told_of_none_before)
{
    int64_t now = put("k", "1");
    struct etcd_client_stream *stream = stream_open();
    int64_t later = watch_key(stream, "k", /* progress= */ true, now + 3);
    int64_t told = watch_key(stream, "x", /* progress= */ true, 0);
    await_progress(stream, told, now);
    await_progress(stream, told, put("k", "2"));
    (void)put("k", "3");
    int64_t start = put("k", "4");
    ck_assert_int_eq(start, now + 3);
    bool had_event = false, had_progress = false;
    while (!had_progress) {
        const Etcdserverpb__WatchResponse *response = next(stream);
        if (response->watch_id == later && response->n_events > 0) {
            ck_assert_int_eq(response->events[0]->kv->mod_revision, start);
            had_event = true;
        } else if (response->watch_id == later) {
            ck_assert_int_eq(had_event, response->header->revision == start);
            had_progress = had_event;
        }
    }
    etcd_client_stream_close(stream);
}
END_TEST

static void ask_for_progress(struct etcd_client_stream *stream)
{
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    Etcdserverpb__WatchProgressRequest progress = ETCDSERVERPB__WATCH_PROGRESS_REQUEST__INIT;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST;
    request.progress_request = &progress;
    etcd_client_send(stream, &request.base);
}

/* As etcd since 3.5.22: it has to be asked for again. */
START_TEST(progress_is_not_told_on_request_while_a_watch_of_the_stream_begins_later)
{
    int64_t now = put("k", "1");
    struct etcd_client_stream *stream = stream_open();
    (void)watch_key(stream, "x", /* progress= */ false, 0);
    (void)watch_key(stream, "k", /* progress= */ false, now + 3);
    ask_for_progress(stream);
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = etcd_client_bytes("x");
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &create;
    etcd_client_send(stream, &request.base);
    ck_assert(next(stream)->created); /* And nothing before. */
    (void)put("k", "2");
    int64_t last = put("k", "3");
    ck_assert_int_eq(last, now + 2); /* What follows is asked for. */
    ask_for_progress(stream);
    const Etcdserverpb__WatchResponse *response = next(stream);
    ck_assert_int_eq(response->watch_id, -1);
    ck_assert_uint_eq(response->n_events, 0);
    ck_assert_int_eq(response->header->revision, last);
    etcd_client_stream_close(stream);
}
END_TEST

enum { MANY = 5, MANY_VALUE_BYTES = 250 * 1024 }; /* With what was there before, two parts. */

/* All in one revision. */
static int64_t put_many(void)
{
    static char value[MANY_VALUE_BYTES];
    static const char *const keys[MANY] = {"w1", "w2", "w3", "w4", "w5"};
    Etcdserverpb__TxnRequest request = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__PutRequest puts[MANY];
    Etcdserverpb__RequestOp ops[MANY], *pointers[MANY];
    Etcdserverpb__TxnResponse *response;
    memset(value, 'v', sizeof(value));
    for (size_t i = 0; i < MANY; i++) {
        etcdserverpb__put_request__init(&puts[i]);
        etcdserverpb__request_op__init(&ops[i]);
        puts[i].key = etcd_client_bytes(keys[i]);
        puts[i].value = (ProtobufCBinaryData){.len = sizeof(value), .data = (uint8_t *)value};
        ops[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        ops[i].request_put = &puts[i];
        pointers[i] = &ops[i];
    }
    request.success = pointers;
    request.n_success = MANY;
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Txn", &request.base,
                                      &etcdserverpb__txn_response__descriptor, &response),
                     GRPC_OK);
    return response->header->revision;
}

/* A fragmented answer's parts follow each other, whatever else there would be to say; and what is
 * said to have been seen has been sent before. */
START_TEST(progress_of_a_busy_watch_comes_after_its_events_and_not_between_parts_of_an_answer)
{
    enum { WRITES = 12 };
    (void)put_many();
    struct etcd_client_stream *stream = stream_open();
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = etcd_client_bytes("w");
    create.range_end = etcd_client_bytes("x");
    create.progress_notify = create.fragment = create.prev_kv = true;
    int64_t watch = watch_add(stream, &create);
    int64_t last = 0;
    for (int i = 0; i < WRITES; i++) {
        last = put_many();
    }
    int64_t seen = 0;
    size_t parts = 0;
    bool in_parts = false, done = false;
    while (!done) {
        const Etcdserverpb__WatchResponse *response = next(stream);
        ck_assert_int_eq(response->watch_id, watch);
        if (response->n_events == 0) {
            ck_assert(!in_parts);
            ck_assert(response->header->revision >= seen);
            done = response->header->revision == last;
            seen = response->header->revision;
        } else {
            ck_assert_int_ge(response->events[0]->kv->mod_revision, seen + !in_parts);
            seen = response->events[0]->kv->mod_revision;
            in_parts = response->fragment;
            parts += in_parts;
        }
    }
    ck_assert_uint_eq(parts, WRITES); /* Each of them came in two. */
    etcd_client_stream_close(stream);
}
END_TEST

static Suite *progress_suite(void)
{
    Suite *suite = suite_create("store/etcd_progress");
    TCase *one = tcase_create("one member");
    tcase_add_checked_fixture(one, live_clients_open_one, live_clients_close);
    tcase_set_timeout(one, 120);
    tcase_add_test(one,
                   a_quiet_watch_that_asks_is_told_the_revision_and_one_that_does_not_ask_is_not);
    tcase_add_test(one, a_watch_of_a_revision_to_come_is_told_of_none_before);
    tcase_add_test(one, progress_is_not_told_on_request_while_a_watch_of_the_stream_begins_later);
    tcase_add_test(
        one, progress_of_a_busy_watch_comes_after_its_events_and_not_between_parts_of_an_answer);
    suite_add_tcase(suite, one);
    return suite;
}

int main(void)
{
    Suite *suites[] = {progress_suite()};
    return unit_main(suites, 1);
}
