/* Changes of members asked of any member, over the raft double; what statuses mean; and the hash of
 * history that etcd computes. */
#include "store/hash_kv.h"
#include "store/mvcc.h"
#include "store/status.h"
#include "store/store.h"
#include "tests/unit/store/raft_double.h"

#include <check.h>
#include <stdlib.h>

Suite *store_members_suite(void);

enum { MEMBERS = 3 };

static struct fixture {
    struct virtual_env env;
    struct raft_cluster cluster;
    struct store *stores[MEMBERS];
} fixture;

static void set_up(void)
{
    virtual_env_init(&fixture.env);
    raft_cluster_init(&fixture.cluster, &fixture.env, MEMBERS);
    for (size_t i = 0; i < MEMBERS; i++) {
        struct store_config config = {.env = &fixture.env.env, .member_id = i + 1};
        fixture.stores[i] = store_new(&config);
        fixture.cluster.nodes[i].fsm = store_fsm(fixture.stores[i]);
        store_attach_raft(fixture.stores[i], &fixture.cluster.nodes[i]);
    }
    raft_cluster_set_leader(&fixture.cluster, 1);
    virtual_env_run(&fixture.env, 5);
}

static void tear_down(void)
{
    raft_cluster_set_leader(&fixture.cluster, 0);
    virtual_env_run(&fixture.env, 30 * 1000); /* Lost answers, too, come to an end. */
    for (size_t i = 0; i < MEMBERS; i++) {
        store_free(fixture.stores[i]);
    }
    virtual_env_release(&fixture.env);
}

static void on_done(void *data, int status, int64_t revision)
{
    (void)revision;
    *(int *)data = status;
}

static int change(size_t member, enum raft_change_kind kind, uint64_t id, uint64_t wait_ms)
{
    const struct raft_change change = {
        .kind = kind, .id = id, .url = kind == RAFT_CHANGE_ADD ? "http://192.0.2.4:2380" : NULL};
    int status = 1;
    store_change_member(fixture.stores[member], &change, on_done, &status);
    virtual_env_run(&fixture.env, wait_ms);
    return status;
}

START_TEST(any_member_carries_a_change_to_the_leader)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        ck_assert_int_eq(change(i, RAFT_CHANGE_ADD, 40 + i, 20), 0);
        ck_assert_uint_eq(fixture.cluster.changes, i + 1);
        ck_assert_uint_eq(fixture.cluster.last_change.id, 40 + i);
        ck_assert_int_eq(fixture.cluster.last_change.kind, RAFT_CHANGE_ADD);
    }
}
END_TEST

START_TEST(what_raft_refuses_has_etcds_reason_at_any_member)
{
    static const struct {
        int raft;
        int status;
        int code;
        const char *text;
    } rows[] = {
        {-EEXIST, STORE_MEMBER_EXISTS, 9, "etcdserver: member ID already exist"},
        {-EADDRINUSE, STORE_PEER_URL_EXISTS, 9, "etcdserver: Peer URLs already exists"},
        {-ENOENT, STORE_MEMBER_NOT_FOUND, 5, "etcdserver: member not found"},
        {-EINVAL, STORE_BAD_MEMBER_URLS, 3, "etcdserver: given member URLs are invalid"},
        {-EDQUOT, STORE_TOO_MANY_LEARNERS, 9, "etcdserver: too many learner members in cluster"},
        {-EALREADY, STORE_NOT_A_LEARNER, 9, "etcdserver: can only promote a learner member"},
        {-EAGAIN, STORE_LEARNER_NOT_READY, 9,
         "etcdserver: can only promote a learner member which is in sync with leader"},
        {-EPERM, STORE_NOT_ENOUGH_STARTED, 9,
         "etcdserver: re-configuration failed due to not enough started members"},
        {-ENOSPC, STORE_TOO_MANY_MEMBERS, 8, "etcdserver: too many members in cluster"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fixture.cluster.change_status = rows[i].raft;
        for (size_t member = 0; member < MEMBERS; member++) {
            ck_assert_int_eq(change(member, RAFT_CHANGE_UPDATE, 2, 20), rows[i].status);
        }
        ck_assert_int_eq(store_status_grpc_code(rows[i].status), rows[i].code);
        ck_assert_str_eq(store_status_text(rows[i].status), rows[i].text);
    }
}
END_TEST

START_TEST(a_change_waits_for_the_one_under_way)
{
    const struct raft_change removal = {.kind = RAFT_CHANGE_REMOVE, .id = 2};
    int status = 1;
    fixture.cluster.change_status = -EBUSY;
    store_change_member(fixture.stores[2], &removal, on_done, &status);
    virtual_env_run(&fixture.env, 1000);
    ck_assert_int_eq(status, 1);
    fixture.cluster.change_status = 0;
    virtual_env_run(&fixture.env, 100);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* The answer is lost, the change is asked for again, and is there already. */
START_TEST(a_change_whose_answer_was_lost_is_done_when_it_is_found_done)
{
    const struct raft_change removal = {.kind = RAFT_CHANGE_REMOVE, .id = 3};
    int status = 1;
    fixture.cluster.drop_replies = 1;
    store_change_member(fixture.stores[1], &removal, on_done, &status);
    virtual_env_run(&fixture.env, 20);
    ck_assert_int_eq(status, 1);
    fixture.cluster.change_status = -ENOENT;
    virtual_env_run(&fixture.env, 3000);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(change(1, RAFT_CHANGE_REMOVE, 9, 20), STORE_MEMBER_NOT_FOUND);
}
END_TEST

/* --- Statuses. */

START_TEST(no_two_statuses_have_one_number)
{
    /* A status that shares the number of another would give the other's code and text. */
    for (int status = -1; status > -200; status--) {
        const char *text = store_status_text(status);
        ck_assert_ptr_nonnull(text);
    }
    static const int statuses[] = {STORE_NO_SPACE,         STORE_CORRUPT,
                                   STORE_MEMBER_EXISTS,    STORE_PEER_URL_EXISTS,
                                   STORE_MEMBER_NOT_FOUND, STORE_BAD_MEMBER_URLS,
                                   STORE_NO_LEADER,        STORE_NOT_ENOUGH_STARTED,
                                   STORE_DUPLICATE_KEY,    STORE_TOO_MANY_LEARNERS,
                                   STORE_TIMEOUT,          STORE_TOO_MANY_MEMBERS,
                                   STORE_STOPPED,          STORE_NOT_A_LEARNER,
                                   STORE_EMPTY_KEY,        STORE_LEARNER_NOT_READY,
                                   STORE_LEASE_EXISTS,     STORE_DOWNGRADE_FORMAT,
                                   STORE_COMPACTED,        STORE_DOWNGRADE_TARGET,
                                   STORE_TOO_MANY_OPS,     STORE_NO_DOWNGRADE};
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        ck_assert_ptr_nonnull(strstr(store_status_text(statuses[i]), "etcdserver: "));
        for (size_t k = 0; k < i; k++) {
            ck_assert_int_ne(statuses[i], statuses[k]);
        }
    }
}
END_TEST

/* --- HashKV. The numbers are what etcd 3.4.23 answers after the same commands. */

static uint32_t hash_of(struct mvcc *mvcc, int64_t revision)
{
    uint32_t hash = 0;
    struct store_snapshot *view = mvcc_view(mvcc);
    ck_assert_int_eq(store_hash_kv(view, revision, &hash), 0);
    store_snapshot_unref(view);
    return hash;
}

static void put(struct mvcc *mvcc, const char *key, const char *value)
{
    mvcc_begin(mvcc);
    (void)mvcc_put(mvcc, slice_text(key), slice_text(value), 0);
    ck_assert_uint_eq(mvcc_end(mvcc), 1);
}

START_TEST(the_hash_of_history_is_etcds)
{
    struct mvcc *mvcc = mvcc_new();
    ck_assert_uint_eq(hash_of(mvcc, 0), 1084519789);
    put(mvcc, "a", "b");
    ck_assert_uint_eq(hash_of(mvcc, 0), 3628877040);
    put(mvcc, "a", "c");
    ck_assert_uint_eq(hash_of(mvcc, 2), 3628877040); /* As of then. */
    ck_assert_uint_ne(hash_of(mvcc, 0), 3628877040);
    mvcc_free(mvcc);
}
END_TEST

START_TEST(the_hash_of_history_does_not_depend_on_when_old_versions_are_freed)
{
    struct mvcc *mvcc = mvcc_new();
    uint32_t hash = 0;
    for (int i = 0; i < 50; i++) {
        put(mvcc, i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c", i % 2 == 0 ? "x" : "y");
    }
    mvcc_begin(mvcc);
    (void)mvcc_delete(mvcc, slice_text("b"));
    (void)mvcc_end(mvcc);
    ck_assert_int_eq(mvcc_compact(mvcc, 40), 0);
    uint32_t before = hash_of(mvcc, 0);
    while (mvcc_trim(mvcc, 4)) {
        ck_assert_uint_eq(hash_of(mvcc, 0), before);
    }
    ck_assert_uint_eq(hash_of(mvcc, 0), before);
    struct store_snapshot *view = mvcc_view(mvcc);
    ck_assert_int_eq(store_hash_kv(view, 40, &hash), STORE_COMPACTED);
    ck_assert_int_eq(store_hash_kv(view, 41, &hash), 0);
    ck_assert_int_eq(store_hash_kv(view, 53, &hash), STORE_FUTURE_REVISION);
    store_snapshot_unref(view);
    mvcc_free(mvcc);
}
END_TEST

Suite *store_members_suite(void)
{
    Suite *suite = suite_create("store/members");
    TCase *members = tcase_create("changes");
    tcase_add_checked_fixture(members, set_up, tear_down);
    tcase_add_test(members, any_member_carries_a_change_to_the_leader);
    tcase_add_test(members, what_raft_refuses_has_etcds_reason_at_any_member);
    tcase_add_test(members, a_change_waits_for_the_one_under_way);
    tcase_add_test(members, a_change_whose_answer_was_lost_is_done_when_it_is_found_done);
    suite_add_tcase(suite, members);
    TCase *pure = tcase_create("statuses and hashes");
    tcase_add_test(pure, no_two_statuses_have_one_number);
    tcase_add_test(pure, the_hash_of_history_is_etcds);
    tcase_add_test(pure, the_hash_of_history_does_not_depend_on_when_old_versions_are_freed);
    suite_add_tcase(suite, pure);
    return suite;
}
