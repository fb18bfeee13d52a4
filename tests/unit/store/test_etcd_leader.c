/* Clients that want a leader ("hasleader"), against a member that has lost its others. */
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

static Suite *leader_suite(void)
{
    Suite *suite = suite_create("store/etcd_leader");
    TCase *three = tcase_create("three members");
    tcase_add_checked_fixture(three, live_clients_open_three, live_clients_close);
    tcase_set_timeout(three, 120);
    tcase_add_test(three, open_streams_end_when_the_leader_is_lost);
    tcase_add_test(three, nothing_begins_without_a_leader);
    tcase_add_test(three, who_does_not_ask_for_a_leader_is_served_without);
    suite_add_tcase(suite, three);
    return suite;
}

int main(void)
{
    Suite *suites[] = {leader_suite()};
    return unit_main(suites, 1);
}
