/* Who leads: clients that want a leader ("hasleader"), against a member that has lost its others,
 * and moving the lead. */
#include "etcd/v3election.pb-c.h"
#include "etcd/v3lock.pb-c.h"
#include "tests/unit/store/live_clients.h"
#include "tests/unit/unit.h"

#include <check.h>

static const char no_leader[] = "etcdserver: no leader";

static struct etcd_client_stream *stream_of(const char *path,
                                            const ProtobufCMessageDescriptor *response)
{
    return etcd_client_stream(live.clients[0], path, response);
}

static struct etcd_client_stream *watch_start(void)
{
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    create.key = etcd_client_bytes("k");
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &create;
    struct etcd_client_stream *stream =
        stream_of("/etcdserverpb.Watch/Watch", &etcdserverpb__watch_response__descriptor);
    etcd_client_send(stream, &request.base);
    return stream;
}

static struct etcd_client_stream *keepalive_start(void)
{
    Etcdserverpb__LeaseKeepAliveRequest request = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    request.id = 99;
    struct etcd_client_stream *stream = stream_of(
        "/etcdserverpb.Lease/LeaseKeepAlive", &etcdserverpb__lease_keep_alive_response__descriptor);
    etcd_client_send(stream, &request.base);
    return stream;
}

static struct etcd_client_stream *observe_start(void)
{
    V3electionpb__LeaderRequest request = V3ELECTIONPB__LEADER_REQUEST__INIT;
    request.name = etcd_client_bytes("e");
    struct etcd_client_stream *stream =
        stream_of("/v3electionpb.Election/Observe", &v3electionpb__leader_response__descriptor);
    etcd_client_send(stream, &request.base);
    etcd_client_end(stream);
    return stream;
}

static struct etcd_client_stream *snapshot_start(void)
{
    Etcdserverpb__SnapshotRequest request = ETCDSERVERPB__SNAPSHOT_REQUEST__INIT;
    struct etcd_client_stream *stream = stream_of("/etcdserverpb.Maintenance/Snapshot",
                                                  &etcdserverpb__snapshot_response__descriptor);
    etcd_client_send(stream, &request.base);
    etcd_client_end(stream);
    return stream;
}

static void check_refused(struct etcd_client_stream *stream)
{
    while (etcd_client_next(stream) != NULL) {
    }
    ck_assert_int_eq(etcd_client_stream_code(stream), GRPC_UNAVAILABLE);
    ck_assert_str_eq(etcd_client_stream_message(stream), no_leader);
    etcd_client_stream_close(stream);
}

static void check_call_refused(const char *path, const ProtobufCMessage *request,
                               const ProtobufCMessageDescriptor *response)
{
    ck_assert_int_eq(etcd_client_call(live.clients[0], path, request, response, NULL),
                     GRPC_UNAVAILABLE);
    ck_assert_str_eq(etcd_client_message(live.clients[0]), no_leader);
}

static void lose_the_others(void)
{
    live_cluster_stop_member(live.cluster, 1);
    live_cluster_stop_member(live.cluster, 2);
}

START_TEST(open_streams_end_when_the_leader_is_lost)
{
    etcd_client_require_leader(live.clients[0]);
    struct etcd_client_stream *watch = watch_start();
    struct etcd_client_stream *keepalive = keepalive_start();
    struct etcd_client_stream *observe = observe_start();
    ck_assert_ptr_nonnull(etcd_client_next(watch));
    ck_assert_ptr_nonnull(etcd_client_next(keepalive));
    lose_the_others();
    check_refused(watch);
    check_refused(keepalive);
    check_refused(observe);
}
END_TEST

START_TEST(nothing_begins_without_a_leader)
{
    V3lockpb__LockRequest lock = V3LOCKPB__LOCK_REQUEST__INIT;
    V3electionpb__CampaignRequest campaign = V3ELECTIONPB__CAMPAIGN_REQUEST__INIT;
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    etcd_client_require_leader(live.clients[0]);
    struct etcd_client_stream *watch = watch_start();
    lose_the_others();
    check_refused(watch); /* Now this member knows. */
    check_refused(watch_start());
    check_refused(keepalive_start());
    check_refused(observe_start());
    check_refused(snapshot_start());
    lock.name = campaign.name = etcd_client_bytes("l");
    check_call_refused("/v3lockpb.Lock/Lock", &lock.base, &v3lockpb__lock_response__descriptor);
    check_call_refused("/v3electionpb.Election/Campaign", &campaign.base,
                       &v3electionpb__campaign_response__descriptor);
    range.key = etcd_client_bytes("k");
    range.serializable = true;
    check_call_refused("/etcdserverpb.KV/Range", &range.base,
                       &etcdserverpb__range_response__descriptor);
}
END_TEST

START_TEST(who_does_not_ask_for_a_leader_is_served_without)
{
    struct etcd_client_stream *watch = watch_start();
    ck_assert_ptr_nonnull(etcd_client_next(watch));
    etcd_client_require_leader(live.clients[0]);
    struct etcd_client_stream *other = watch_start();
    lose_the_others();
    check_refused(other);
    ck_assert_int_eq(etcd_client_stream_code(watch), -1); /* It goes on. */
    etcd_client_stream_close(watch);
}
END_TEST

static Etcdserverpb__StatusResponse *status_of(size_t member)
{
    Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    Etcdserverpb__StatusResponse *response;
    ck_assert_int_eq(etcd_client_call(live.clients[member], "/etcdserverpb.Maintenance/Status",
                                      &request.base, &etcdserverpb__status_response__descriptor,
                                      &response),
                     GRPC_OK);
    return response;
}

static int move_leader(size_t member, uint64_t target)
{
    Etcdserverpb__MoveLeaderRequest request = ETCDSERVERPB__MOVE_LEADER_REQUEST__INIT;
    request.targetid = target;
    return etcd_client_call(live.clients[member], "/etcdserverpb.Maintenance/MoveLeader",
                            &request.base, &etcdserverpb__move_leader_response__descriptor, NULL);
}

/* Several times, as another election may come in between on a busy machine. */
START_TEST(the_lead_has_moved_when_that_is_answered)
{
    bool moved = false;
    for (int i = 0; i < 10 && !moved; i++) {
        size_t leader = live_cluster_leader(live.cluster);
        uint64_t target = status_of((leader + 1) % 3)->header->member_id;
        moved = move_leader(leader, target) == GRPC_OK && status_of(leader)->leader == target;
    }
    ck_assert(moved);
}
END_TEST

START_TEST(the_lead_is_moved_by_the_leader_and_to_itself_at_once)
{
    bool done = false;
    for (int i = 0; i < 10 && !done; i++) {
        size_t leader = live_cluster_leader(live.cluster);
        uint64_t own = status_of(leader)->header->member_id;
        done = move_leader(leader, own) == GRPC_OK &&
               move_leader((leader + 1) % 3, own) == GRPC_FAILED_PRECONDITION;
    }
    ck_assert(done);
}
END_TEST

START_TEST(a_lead_that_cannot_move_is_told_as_such)
{
    size_t leader = live_cluster_leader(live.cluster);
    size_t other = (leader + 1) % 3;
    uint64_t target = status_of(other)->header->member_id;
    live_cluster_stop_member(live.cluster, other);
    ck_assert_int_ne(move_leader(leader, target), GRPC_OK);
}
END_TEST

static struct etcd_client_call *move_start(size_t member, uint64_t target)
{
    Etcdserverpb__MoveLeaderRequest request = ETCDSERVERPB__MOVE_LEADER_REQUEST__INIT;
    request.targetid = target;
    return etcd_client_start(live.clients[member], "/etcdserverpb.Maintenance/MoveLeader",
                             &request.base, &etcdserverpb__move_leader_response__descriptor);
}

/* Whether one more is refused while so many wait for a member that is not there. Not when the lead
 * went elsewhere meanwhile. */
static bool one_more_is_refused(uint64_t absent)
{
    enum { MOVES_MAX = 64 };
    struct etcd_client_call *calls[MOVES_MAX];
    size_t leader = live_cluster_leader(live.cluster);
    for (size_t i = 0; i < MOVES_MAX; i++) {
        calls[i] = move_start(leader, absent);
    }
    bool refused = move_leader(leader, absent) == GRPC_RESOURCE_EXHAUSTED;
    if (refused) {
        ck_assert_str_eq(etcd_client_message(live.clients[leader]),
                         "etcdserver: too many requests");
    }
    for (size_t i = 0; i < MOVES_MAX; i++) {
        etcd_client_drop(calls[i]);
    }
    return refused;
}

START_TEST(moves_that_wait_are_limited)
{
    size_t other = (live_cluster_leader(live.cluster) + 1) % 3;
    uint64_t absent = status_of(other)->header->member_id;
    live_cluster_stop_member(live.cluster, other);
    bool refused = false;
    for (int i = 0; i < 10 && !refused; i++) {
        refused = one_more_is_refused(absent);
    }
    ck_assert(refused);
}
END_TEST

static Suite *leader_suite(void)
{
    Suite *suite = suite_create("store/etcd_leader");
    TCase *three = tcase_create("three members");
    tcase_add_checked_fixture(three, live_clients_open_three, live_clients_close);
    tcase_set_timeout(three, 120);
    tcase_add_test(three, open_streams_end_when_the_leader_is_lost);
    tcase_add_test(three, nothing_begins_without_a_leader);
    tcase_add_test(three, who_does_not_ask_for_a_leader_is_served_without);
    tcase_add_test(three, the_lead_has_moved_when_that_is_answered);
    tcase_add_test(three, the_lead_is_moved_by_the_leader_and_to_itself_at_once);
    tcase_add_test(three, a_lead_that_cannot_move_is_told_as_such);
    tcase_add_test(three, moves_that_wait_are_limited);
    suite_add_tcase(suite, three);
    return suite;
}

int main(void)
{
    Suite *suites[] = {leader_suite()};
    return unit_main(suites, 1);
}
