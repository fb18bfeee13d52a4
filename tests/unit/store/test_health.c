/* What the store does about itself: its quota, its alarms, and a member whose state differs from
 * that of the others. Three stores on virtual time over the raft double. */
#include "store/store.h"
#include "tests/unit/store/raft_double.h"

#include <check.h>
#include <stdlib.h>

Suite *store_health_suite(void);

enum { MEMBERS = 3, QUOTA = 200, CHECK_MS = 1000 };

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
        struct store_config config = {.env = &fixture.env.env,
                                      .member_id = i + 1,
                                      .quota_bytes = QUOTA,
                                      .check_period_ms = CHECK_MS,
                                      .lease_grace_ms = 300};
        fixture.stores[i] = store_new(&config);
        fixture.cluster.nodes[i].fsm = store_fsm(fixture.stores[i]);
        store_attach_raft(fixture.stores[i], &fixture.cluster.nodes[i]);
    }
    raft_cluster_set_leader(&fixture.cluster, 1);
    virtual_env_run(&fixture.env, 5);
}

static void tear_down(void)
{
    raft_cluster_set_leader(&fixture.cluster, 0); /* What is under way ends, and nothing begins. */
    virtual_env_run(&fixture.env, 10);
    for (size_t i = 0; i < MEMBERS; i++) {
        store_free(fixture.stores[i]);
    }
    virtual_env_release(&fixture.env);
}

static void on_txn(void *data, int status, const struct store_txn_result *result)
{
    (void)result;
    *(int *)data = status;
}

static void on_done(void *data, int status, int64_t revision)
{
    (void)revision;
    *(int *)data = status;
}

static void on_lease(void *data, int status, const struct store_lease_info *info)
{
    (void)info;
    *(int *)data = status;
}

static void on_read(void *data, int status)
{
    *(int *)data = status;
}

static int run_txn(size_t member, struct store_op op)
{
    struct store_txn txn = {.success = &op, .success_count = 1};
    int status = 1;
    store_txn(fixture.stores[member], &txn, on_txn, &status);
    virtual_env_run(&fixture.env, 10);
    return status;
}

static int put(size_t member, const char *key, const char *value)
{
    return run_txn(member,
                   (struct store_op){.kind = STORE_OP_PUT,
                                     .put = {.key = slice_text(key), .value = slice_text(value)}});
}

static int erase(size_t member, const char *key)
{
    return run_txn(member, (struct store_op){.kind = STORE_OP_DELETE,
                                             .delete_range = {.key = slice_text(key)}});
}

static int read_status(size_t member)
{
    int status = 1;
    store_read_barrier(fixture.stores[member], on_read, &status);
    virtual_env_run(&fixture.env, 10);
    return status;
}

static int set_alarm(uint64_t member, enum store_alarm_kind kind, bool raised)
{
    const struct store_alarm alarm = {.member = member, .kind = kind};
    int status = 1;
    store_alarm_set(fixture.stores[1], &alarm, raised, on_done, &status);
    virtual_env_run(&fixture.env, 10);
    return status;
}

static size_t alarm_count(size_t member)
{
    struct store_alarm alarms[STORE_ALARMS_MAX];
    return store_alarms(fixture.stores[member], alarms);
}

static void check_value(size_t member, const char *key, const char *expected)
{
    struct store_snapshot *snapshot = store_snapshot_ref(fixture.stores[member]);
    const struct store_kv *kv = store_snapshot_get(snapshot, slice_text(key));
    ck_assert_ptr_nonnull(kv);
    ck_assert(slice_equal(kv->value, slice_text(expected)));
    store_kv_unref(kv);
    store_snapshot_unref(snapshot);
}

/* --- Quota. */

static const char half[] = "0123456789012345678901234567890123456789012345678901234567890123456789"
                           "0123456789012345678901234567890";

START_TEST(over_the_quota_nothing_grows_at_any_member_until_there_is_room)
{
    int status = 1;
    ck_assert_int_eq(put(0, "a", half), 0);
    ck_assert_int_eq(put(1, "b", half), STORE_NO_SPACE);
    ck_assert_uint_eq(alarm_count(2), 1);
    ck_assert_int_eq(put(2, "c", "small"), STORE_NO_SPACE); /* The alarm holds for all. */
    store_lease_grant(fixture.stores[0], 7, 10, on_lease, &status);
    virtual_env_run(&fixture.env, 10);
    ck_assert_int_eq(status, STORE_NO_SPACE);
    check_value(2, "a", half);
    ck_assert_int_eq(erase(2, "a"), 0); /* What shrinks is taken. */
    store_compact(fixture.stores[0], store_revision(fixture.stores[0]), on_done, &status);
    virtual_env_run(&fixture.env, 2000);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(alarm_count(0), 0);
    ck_assert_int_eq(put(1, "b", half), 0);
}
END_TEST

START_TEST(an_alarm_of_space_raised_by_hand_stays)
{
    ck_assert_int_eq(set_alarm(9, STORE_ALARM_NOSPACE, /* raised= */ true), 0);
    virtual_env_run(&fixture.env, 5000);
    ck_assert_int_eq(put(0, "a", "1"), STORE_NO_SPACE);
    ck_assert_int_eq(set_alarm(8, STORE_ALARM_NOSPACE, /* raised= */ false), STORE_KEY_NOT_FOUND);
    ck_assert_int_eq(set_alarm(9, STORE_ALARM_NOSPACE, /* raised= */ false), 0);
    ck_assert_int_eq(put(0, "a", "1"), 0);
}
END_TEST

START_TEST(an_alarm_of_corruption_raised_by_hand_stops_everything)
{
    ck_assert_int_eq(put(0, "a", "1"), 0);
    ck_assert_int_eq(set_alarm(2, STORE_ALARM_CORRUPT, /* raised= */ true), 0);
    ck_assert_int_eq(put(0, "a", "2"), STORE_CORRUPT);
    ck_assert_int_eq(erase(1, "a"), STORE_CORRUPT);
    ck_assert_int_eq(store_health(fixture.stores[0]), STORE_CORRUPT);
    ck_assert_int_eq(set_alarm(2, STORE_ALARM_CORRUPT, /* raised= */ false), 0);
    ck_assert_int_eq(store_health(fixture.stores[0]), 0);
    ck_assert_int_eq(put(0, "a", "2"), 0);
}
END_TEST

/* --- Divergence. */

/* A bit flips in one member's memory. */
static void flip(size_t member, const char *key)
{
    struct store_snapshot *snapshot = store_snapshot_ref(fixture.stores[member]);
    const struct store_kv *kv = store_snapshot_get(snapshot, slice_text(key));
    uint8_t *value = (uint8_t *)(uintptr_t)kv->value.data;
    value[0] ^= 1;
    store_kv_unref(kv);
    store_snapshot_unref(snapshot);
}

static uint64_t failed_checks(size_t member)
{
    struct store_figures figures;
    store_read_figures(fixture.stores[member], &figures);
    return figures.checks_failed;
}

static uint64_t passed_checks(size_t member)
{
    struct store_figures figures;
    store_read_figures(fixture.stores[member], &figures);
    return figures.checks;
}

START_TEST(members_that_hold_the_same_agree)
{
    int status = 1;
    store_lease_grant(fixture.stores[2], 7, 100, on_lease, &status);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(put((size_t)i % MEMBERS, i % 2 == 0 ? "a" : "b", "1"), 0);
        virtual_env_run(&fixture.env, CHECK_MS / 2);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        ck_assert_uint_ge(passed_checks(i), 4);
        ck_assert_uint_eq(failed_checks(i), 0);
    }
}
END_TEST

static int ended_status;

static void on_events(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    (void)data;
    (void)revision;
    (void)events;
    (void)count;
}

static void on_watch_end(void *data, int status, int64_t compact_revision)
{
    (void)data;
    (void)compact_revision;
    ended_status = status;
}

static void diverge_and_heal(size_t member)
{
    const struct store_watch_options watch = {
        .key = slice_text("a"), .on_events = on_events, .on_end = on_watch_end};
    ck_assert_int_eq(put(0, "a", "1"), 0);
    ck_assert_int_eq(put(0, "b", "1"), 0);
    ck_assert_ptr_nonnull(store_watch(fixture.stores[member], &watch));
    flip(member, "a");
    int served = 0;
    for (int i = 0; i < 30 && failed_checks(member) == 0; i++) {
        virtual_env_run(&fixture.env, CHECK_MS / 4);
    }
    served = store_health(fixture.stores[member]);
    ck_assert(served == STORE_CORRUPT || ended_status == STORE_CORRUPT);
    ck_assert_int_eq(put((member + 1) % MEMBERS, "b", "2"), 0); /* The others go on. */
    virtual_env_run(&fixture.env, 5000);
    ck_assert_int_eq(store_health(fixture.stores[member]), 0);
    ck_assert_int_eq(read_status(member), 0);
    check_value(member, "a", "1");
    check_value(member, "b", "2");
    ck_assert_int_eq(ended_status, STORE_CORRUPT); /* Watchers start over. */
    ck_assert_uint_eq(alarm_count(member), 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        ck_assert_uint_eq(failed_checks(i), i == member ? 1 : 0);
    }
    ck_assert_int_eq(put(member, "b", "3"), 0);
    check_value(member, "b", "3");
}

START_TEST(a_follower_that_differs_stops_serving_and_gets_the_state_of_the_others)
{
    diverge_and_heal(2);
}
END_TEST

START_TEST(a_leader_that_differs_hands_over_first)
{
    diverge_and_heal(0);
    ck_assert_uint_ne(fixture.cluster.leader, 1);
}
END_TEST

START_TEST(what_is_asked_of_a_member_that_differs_is_refused)
{
    ck_assert_int_eq(put(0, "a", "1"), 0);
    flip(2, "a");
    for (int i = 0; i < 100000 && store_health(fixture.stores[2]) == 0; i++) {
        virtual_env_run(&fixture.env, 1);
    }
    int status = 1;
    store_read_barrier(fixture.stores[2], on_read, &status);
    int put_status = 1;
    struct store_op op = {.kind = STORE_OP_PUT,
                          .put = {.key = slice_text("x"), .value = slice_text("y")}};
    struct store_txn txn = {.success = &op, .success_count = 1};
    store_txn(fixture.stores[2], &txn, on_txn, &put_status);
    virtual_env_run(&fixture.env, 1);
    ck_assert_int_eq(status, STORE_CORRUPT);
    ck_assert_int_eq(put_status, STORE_CORRUPT);
}
END_TEST

START_TEST(lost_requests_for_the_state_are_made_again)
{
    ck_assert_int_eq(put(0, "a", "1"), 0);
    flip(1, "a");
    for (int i = 0; i < 100000 && store_health(fixture.stores[1]) == 0; i++) {
        virtual_env_run(&fixture.env, 1);
    }
    fixture.cluster.drop_replies = 2;
    ck_assert_int_eq(put(0, "b", "1"), 0); /* Waits for the new state. */
    virtual_env_run(&fixture.env, 100 * 1000);
    ck_assert_int_eq(store_health(fixture.stores[1]), 0);
    check_value(1, "a", "1");
    check_value(1, "b", "1");
}
END_TEST

Suite *store_health_suite(void)
{
    Suite *suite = suite_create("store/health");
    TCase *alarms = tcase_create("alarms");
    tcase_add_checked_fixture(alarms, set_up, tear_down);
    tcase_add_test(alarms, over_the_quota_nothing_grows_at_any_member_until_there_is_room);
    tcase_add_test(alarms, an_alarm_of_space_raised_by_hand_stays);
    tcase_add_test(alarms, an_alarm_of_corruption_raised_by_hand_stops_everything);
    suite_add_tcase(suite, alarms);
    TCase *states = tcase_create("divergence");
    tcase_add_checked_fixture(states, set_up, tear_down);
    tcase_add_test(states, members_that_hold_the_same_agree);
    tcase_add_test(states, a_follower_that_differs_stops_serving_and_gets_the_state_of_the_others);
    tcase_add_test(states, a_leader_that_differs_hands_over_first);
    tcase_add_test(states, what_is_asked_of_a_member_that_differs_is_refused);
    tcase_add_test(states, lost_requests_for_the_state_are_made_again);
    suite_add_tcase(suite, states);
    return suite;
}
