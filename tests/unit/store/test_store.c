/* struct store on virtual time over the raft double: who answers what, when, and how often. */
#include "store/command.h"
#include "store/lease_table.h"
#include "store/status.h"
#include "store/store.h"
#include "tests/unit/store/raft_double.h"

#include <check.h>
#include <stdlib.h>

Suite *store_suite(void);

struct fixture {
    struct virtual_env env;
    struct raft_cluster cluster;
    struct store *stores[CLUSTER_MAX];
};

static struct fixture *fixture_new(size_t members)
{
    struct fixture *f = calloc(1, sizeof(*f));
    virtual_env_init(&f->env);
    raft_cluster_init(&f->cluster, &f->env, members);
    for (size_t i = 0; i < members; i++) {
        struct store_config config = {
            .env = &f->env.env, .member_id = i + 1, .compact_age_ms = 10000, .lease_grace_ms = 300};
        f->stores[i] = store_new(&config);
        f->cluster.nodes[i].fsm = store_fsm(f->stores[i]);
        store_attach_raft(f->stores[i], &f->cluster.nodes[i]);
    }
    raft_cluster_set_leader(&f->cluster, 1);
    virtual_env_run(&f->env, 5);
    return f;
}

static void fixture_free(struct fixture *f)
{
    for (size_t i = 0; i < f->cluster.count; i++) {
        store_free(f->stores[i]);
    }
    virtual_env_release(&f->env);
    free(f);
}

struct answer {
    int calls;
    int status;
    int64_t revision;
    struct store_lease_info lease;
};

static void on_txn(void *data, int status, const struct store_txn_result *result)
{
    struct answer *answer = data;
    answer->calls++;
    answer->status = status;
    answer->revision = status == 0 ? result->revision : 0;
}

static void on_done(void *data, int status, int64_t revision)
{
    struct answer *answer = data;
    answer->calls++;
    answer->status = status;
    answer->revision = revision;
}

static void on_lease(void *data, int status, const struct store_lease_info *info)
{
    struct answer *answer = data;
    answer->calls++;
    answer->status = status;
    answer->lease = *info;
}

static void put(struct store *store, const char *key, int64_t lease, struct answer *answer)
{
    struct store_op op = {
        .kind = STORE_OP_PUT,
        .put = {.key = slice_text(key), .value = slice_text("v"), .lease = lease}};
    struct store_txn txn = {.success = &op, .success_count = 1};
    *answer = (struct answer){0};
    store_txn(store, &txn, on_txn, answer);
    ck_assert_int_eq(answer->calls, 0); /* Never from inside the call. */
}

static bool has(struct store *store, const char *key)
{
    struct store_snapshot *snapshot = store_snapshot_ref(store);
    const struct store_kv *kv = store_snapshot_get(snapshot, slice_text(key));
    bool found = kv != NULL;
    store_kv_unref(kv);
    store_snapshot_unref(snapshot);
    return found;
}

START_TEST(any_member_takes_writes_and_then_reads_its_own)
{
    struct fixture *f = fixture_new(3);
    struct answer answers[3];
    for (size_t i = 0; i < 3; i++) {
        put(f->stores[i], i == 0 ? "a" : i == 1 ? "b" : "c", 0, &answers[i]);
    }
    virtual_env_run(&f->env, 10);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(answers[i].calls, 1);
        ck_assert_int_eq(answers[i].status, 0);
        ck_assert(has(f->stores[i], "a") && has(f->stores[i], "c"));
    }
    struct store_figures figures[2];
    store_read_figures(f->stores[0], &figures[0]);
    store_read_figures(f->stores[2], &figures[1]);
    ck_assert_uint_eq(figures[0].hash, figures[1].hash);
    ck_assert_uint_ne(figures[0].hash, 0);
    fixture_free(f);
}
END_TEST

START_TEST(without_a_leader_requests_wait_and_then_go_through_once)
{
    struct fixture *f = fixture_new(3);
    struct answer answer, late;
    raft_cluster_set_leader(&f->cluster, 0);
    virtual_env_run(&f->env, 5);
    put(f->stores[1], "a", 0, &answer);
    virtual_env_run(&f->env, 1000);
    ck_assert_int_eq(answer.calls, 0);
    raft_cluster_set_leader(&f->cluster, 3);
    virtual_env_run(&f->env, 100);
    ck_assert_int_eq(answer.calls, 1);
    ck_assert_int_eq(answer.status, 0);
    ck_assert_uint_eq(f->cluster.entries, 1);
    raft_cluster_set_leader(&f->cluster, 0);
    put(f->stores[1], "b", 0, &late);
    virtual_env_run(&f->env, STORE_TXN_TIMEOUT_MS + 200);
    ck_assert_int_eq(late.status, STORE_NO_LEADER); /* It was never sent to anybody. */
    ck_assert_int_eq(late.calls, 1);
    fixture_free(f);
}
END_TEST

START_TEST(nothing_waits_for_longer_than_the_grace_of_a_process_that_ends)
{
    struct fixture *f = fixture_new(3);
    struct answer waiting, late;
    raft_cluster_set_leader(&f->cluster, 0);
    put(f->stores[1], "a", 0, &waiting);
    virtual_env_run(&f->env, 500);
    ck_assert_int_eq(waiting.calls, 0);
    store_last_calls(f->stores[1], /* grace_ms= */ 200);
    put(f->stores[1], "b", 0, &late);
    virtual_env_run(&f->env, 200 + STORE_TIMEOUT_TICK_MS);
    ck_assert_int_eq(waiting.calls, 1);
    ck_assert_int_eq(waiting.status, STORE_NO_LEADER);
    ck_assert_int_eq(late.calls, 1);
    put(f->stores[1], "c", 0, &late);
    virtual_env_run(&f->env, STORE_TIMEOUT_TICK_MS + 1);
    ck_assert_int_eq(late.calls, 1);
    fixture_free(f);
}
END_TEST

START_TEST(a_command_whose_fate_is_unclear_is_sent_again_and_takes_effect_once)
{
    struct fixture *f = fixture_new(1);
    struct answer answer;
    f->cluster.lose_next = true;
    put(f->stores[0], "a", 0, &answer);
    virtual_env_run(&f->env, 1000);
    ck_assert_int_eq(answer.calls, 1);
    ck_assert_int_eq(answer.status, 0);
    ck_assert_int_eq(answer.revision, 2);
    virtual_env_run(&f->env, 3000);
    ck_assert_int_eq(store_revision(f->stores[0]), 2);
    fixture_free(f);
}
END_TEST

START_TEST(what_an_earlier_process_had_written_answers_no_call_of_this_one)
{
    struct fixture *f = fixture_new(1);
    struct answer answer;
    raft_cluster_set_leader(&f->cluster, 0);
    put(f->stores[0], "new", 0, &answer);
    for (uint64_t sequence = 1; sequence < 5; sequence++) { /* The log is replayed meanwhile. */
        struct store_op op = {.kind = STORE_OP_PUT,
                              .put = {.key = slice_text("old"), .value = slice_text("v")}};
        struct store_txn txn = {.success = &op, .success_count = 1};
        struct store_command command = {.kind = STORE_COMMAND_TXN,
                                        .member = 1,
                                        .sequence = sequence,
                                        .incarnation = 99,
                                        .floor = sequence,
                                        .txn = &txn};
        struct buffer bytes;
        buffer_init(&bytes, 1000);
        ck_assert_int_eq(store_command_encode(&command, &bytes), 0);
        const struct raft_fsm *fsm = f->cluster.nodes[0].fsm;
        fsm->apply(fsm->data, ++f->cluster.index, 1, buffer_slice(&bytes), 0);
        buffer_release(&bytes);
    }
    ck_assert_int_eq(answer.calls, 0);
    ck_assert(has(f->stores[0], "old") && !has(f->stores[0], "new"));
    raft_cluster_set_leader(&f->cluster, 1);
    virtual_env_run(&f->env, 1000);
    ck_assert_int_eq(answer.calls, 1);
    ck_assert_int_eq(answer.status, 0);
    ck_assert(has(f->stores[0], "new"));
    fixture_free(f);
}
END_TEST

START_TEST(a_lost_forward_is_sent_again_and_takes_effect_once)
{
    struct fixture *f = fixture_new(3);
    struct answer answer;
    f->cluster.drop_forwards = 2;
    put(f->stores[2], "a", 0, &answer);
    virtual_env_run(&f->env, 2500);
    ck_assert_int_eq(answer.calls, 1);
    ck_assert_int_eq(answer.status, 0);
    f->cluster.drop_replies = 1; /* Applied, but the leader's word is lost. */
    put(f->stores[2], "a", 0, &answer);
    virtual_env_run(&f->env, 60000);
    ck_assert_int_eq(answer.calls, 1);
    ck_assert_int_eq(store_revision(f->stores[1]), 3);
    fixture_free(f);
}
END_TEST

START_TEST(a_lease_lives_while_renewed_and_ends_on_every_member_at_once)
{
    struct fixture *f = fixture_new(3);
    struct answer grant = {0}, answer, ttl = {0};
    store_lease_grant(f->stores[1], 77, 10, on_lease, &grant);
    virtual_env_run(&f->env, 10);
    ck_assert_int_eq(grant.status, 0);
    ck_assert_int_eq(grant.lease.id, 77);
    put(f->stores[0], "leased", 77, &answer);
    uint64_t entries = f->cluster.entries;
    for (int i = 0; i < 4; i++) {
        struct answer alive = {0};
        virtual_env_run(&f->env, 6000);
        store_lease_keepalive(f->stores[2], 77, on_lease, &alive); /* A follower. */
        virtual_env_run(&f->env, 10);
        ck_assert_int_eq(alive.status, 0);
        ck_assert_int_eq(alive.lease.ttl_s, 10);
    }
    ck_assert_uint_le(f->cluster.entries, entries + 3); /* Compactions; renewals are no entries. */
    store_lease_ttl(f->stores[2], 77, /* with_keys= */ true, on_lease, &ttl);
    virtual_env_run(&f->env, 10);
    ck_assert_int_eq(ttl.lease.ttl_s, 9);
    ck_assert_int_eq(ttl.lease.granted_ttl_s, 10);
    ck_assert_uint_eq(ttl.lease.key_count, 1);
    virtual_env_run(&f->env, 9000);
    ck_assert(has(f->stores[2], "leased"));
    virtual_env_run(&f->env, 1200);
    ck_assert(!has(f->stores[0], "leased"));
    ck_assert(!has(f->stores[2], "leased"));
    struct answer gone = {0};
    store_lease_keepalive(f->stores[1], 77, on_lease, &gone);
    virtual_env_run(&f->env, 10);
    ck_assert_int_eq(gone.status, STORE_LEASE_NOT_FOUND);
    fixture_free(f);
}
END_TEST

START_TEST(a_new_leader_gives_every_lease_its_whole_time_again)
{
    struct fixture *f = fixture_new(3);
    struct answer grant = {0}, answer;
    store_lease_grant(f->stores[0], 5, 10, on_lease, &grant);
    virtual_env_run(&f->env, 10);
    put(f->stores[0], "leased", 5, &answer);
    virtual_env_run(&f->env, 9000);
    raft_cluster_set_leader(&f->cluster, 2);
    virtual_env_run(&f->env, 9900);
    ck_assert(has(f->stores[1], "leased"));
    virtual_env_run(&f->env, 1000);
    ck_assert(!has(f->stores[1], "leased"));
    fixture_free(f);
}
END_TEST

START_TEST(a_leader_that_stood_still_gives_every_lease_its_whole_time_again)
{
    struct fixture *f = fixture_new(1);
    struct answer grant = {0}, answer;
    store_lease_grant(f->stores[0], 5, 10, on_lease, &grant);
    virtual_env_run(&f->env, 10);
    put(f->stores[0], "leased", 5, &answer);
    virtual_env_run(&f->env, 9000);
    f->env.now_ns += 5 * NS_PER_S; /* Renewals may wait in the sockets. */
    virtual_env_run(&f->env, 9000);
    ck_assert(has(f->stores[0], "leased"));
    virtual_env_run(&f->env, 2000);
    ck_assert(!has(f->stores[0], "leased"));
    fixture_free(f);
}
END_TEST

START_TEST(a_lease_that_would_end_right_after_a_standstill_waits_for_what_came_meanwhile)
{
    struct fixture *f = fixture_new(1);
    struct answer grant = {0}, answer;
    store_lease_grant(f->stores[0], 5, 10, on_lease, &grant);
    virtual_env_run(&f->env, 10);
    put(f->stores[0], "leased", 5, &answer);
    f->env.now_ns += 9900 * NS_PER_MS; /* No timer of a lease is late by that. */
    f->cluster.absences++;
    virtual_env_run(&f->env, 9000);
    ck_assert(has(f->stores[0], "leased"));
    virtual_env_run(&f->env, 3000);
    ck_assert(!has(f->stores[0], "leased"));
    fixture_free(f);
}
END_TEST

START_TEST(a_lease_whose_end_is_on_its_way_is_not_extended)
{
    struct lease_table *table = lease_table_new();
    int64_t due[2];
    ck_assert_int_eq(lease_table_grant(table, 5, 10), 0);
    ck_assert_int_eq(lease_table_grant(table, 6, 20), 0);
    lease_table_lead(table, /* now_ms= */ 1000, /* grace_ms= */ 0);
    ck_assert_uint_eq(lease_table_due(table, 11000, 1000, due, 2), 1);
    lease_table_extend(table, 15000, 600);
    ck_assert_int_eq(lease_table_renew(table, 5, 15000), -EAGAIN);
    ck_assert_int_eq(lease_table_left_ms(table, 6, 15000), 20600);
    lease_table_free(table);
}
END_TEST

START_TEST(history_is_compacted_by_age_but_the_present_stays)
{
    struct fixture *f = fixture_new(1);
    struct answer answer;
    put(f->stores[0], "a", 0, &answer);
    virtual_env_run(&f->env, 100);
    put(f->stores[0], "a", 0, &answer);
    virtual_env_run(&f->env, 9000);
    ck_assert_int_eq(store_compact_revision(f->stores[0]), 0);
    virtual_env_run(&f->env, 3000);
    ck_assert_int_eq(store_compact_revision(f->stores[0]), 3);
    ck_assert(has(f->stores[0], "a"));
    struct answer again = {0};
    store_compact(f->stores[0], 2, on_done, &again);
    virtual_env_run(&f->env, 10);
    ck_assert_int_eq(again.status, STORE_COMPACTED);
    fixture_free(f);
}
END_TEST

static void on_events(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    struct answer *answer = data;
    (void)events;
    answer->revision = revision;
    answer->calls += (int)count;
}

static void on_end(void *data, int status, int64_t compact_revision)
{
    struct answer *answer = data;
    (void)compact_revision;
    answer->status = status;
}

START_TEST(a_watch_on_a_follower_follows_and_ends_with_the_store)
{
    struct fixture *f = fixture_new(3);
    struct answer answer, seen = {0};
    struct store_watch_options options = {.key = slice_text("a"),
                                          .start_revision = 2,
                                          .on_events = on_events,
                                          .on_end = on_end,
                                          .data = &seen};
    put(f->stores[0], "a", 0, &answer);
    virtual_env_run(&f->env, 10);
    ck_assert_ptr_nonnull(store_watch(f->stores[2], &options));
    virtual_env_run(&f->env, 10);
    put(f->stores[1], "a", 0, &answer);
    virtual_env_run(&f->env, 10);
    ck_assert_int_eq(seen.calls, 2);
    ck_assert_int_eq(seen.revision, 3);
    fixture_free(f);
    ck_assert_int_eq(seen.status, STORE_STOPPED);
}
END_TEST

START_TEST(a_put_by_itself_answers_with_the_revision_that_it_got)
{
    struct fixture *f = fixture_new(3);
    struct answer first, second = {0}, empty = {0};
    struct store_op op = {.kind = STORE_OP_PUT,
                          .put = {.key = slice_text("a"), .value = slice_text("v")}};
    struct store_txn txn = {.success = &op, .success_count = 1};
    put(f->stores[2], "b", 0, &first);
    store_put_as(f->stores[2], /* caller= */ NULL, &txn, on_done, &second);
    op.put.key = slice_text("");
    store_put_as(f->stores[2], /* caller= */ NULL, &txn, on_done, &empty);
    virtual_env_run(&f->env, 100);
    ck_assert_int_eq(first.status, 0);
    ck_assert_int_eq(second.status, 0);
    ck_assert_int_eq(second.revision, store_revision(f->stores[2]));
    ck_assert_int_eq(empty.status, STORE_EMPTY_KEY);
    ck_assert(has(f->stores[2], "a"));
    fixture_free(f);
}
END_TEST

START_TEST(bad_requests_fail_without_reaching_the_log)
{
    struct fixture *f = fixture_new(1);
    struct answer answer;
    put(f->stores[0], "", 0, &answer);
    virtual_env_run(&f->env, 10);
    ck_assert_int_eq(answer.status, STORE_EMPTY_KEY);
    static char big[STORE_REQUEST_BYTES_MAX + 10];
    struct store_op op = {.kind = STORE_OP_PUT,
                          .put = {.key = slice_text("a"), .value = slice_of(big, sizeof(big))}};
    struct store_txn txn = {.success = &op, .success_count = 1};
    answer = (struct answer){0};
    store_txn(f->stores[0], &txn, on_txn, &answer);
    virtual_env_run(&f->env, 10);
    ck_assert_int_eq(answer.status, STORE_REQUEST_TOO_LARGE);
    ck_assert_uint_eq(f->cluster.entries, 0);
    fixture_free(f);
}
END_TEST

Suite *store_suite(void)
{
    Suite *suite = suite_create("store/store");
    TCase *tcase = tcase_create("store");
    tcase_add_test(tcase, nothing_waits_for_longer_than_the_grace_of_a_process_that_ends);
    tcase_add_test(tcase, any_member_takes_writes_and_then_reads_its_own);
    tcase_add_test(tcase, without_a_leader_requests_wait_and_then_go_through_once);
    tcase_add_test(tcase, a_command_whose_fate_is_unclear_is_sent_again_and_takes_effect_once);
    tcase_add_test(tcase, what_an_earlier_process_had_written_answers_no_call_of_this_one);
    tcase_add_test(tcase, a_lost_forward_is_sent_again_and_takes_effect_once);
    tcase_add_test(tcase, a_lease_lives_while_renewed_and_ends_on_every_member_at_once);
    tcase_add_test(tcase, a_new_leader_gives_every_lease_its_whole_time_again);
    tcase_add_test(tcase, a_leader_that_stood_still_gives_every_lease_its_whole_time_again);
    tcase_add_test(tcase,
                   a_lease_that_would_end_right_after_a_standstill_waits_for_what_came_meanwhile);
    tcase_add_test(tcase, a_lease_whose_end_is_on_its_way_is_not_extended);
    tcase_add_test(tcase, history_is_compacted_by_age_but_the_present_stays);
    tcase_add_test(tcase, a_watch_on_a_follower_follows_and_ends_with_the_store);
    tcase_add_test(tcase, a_put_by_itself_answers_with_the_revision_that_it_got);
    tcase_add_test(tcase, bad_requests_fail_without_reaching_the_log);
    suite_add_tcase(suite, tcase);
    return suite;
}
