/* Closing an API server while the store owes answers: whoever asked has heard of it before what
 * answers him is freed. */
#include "apiserver/node_session.h"
#include "lib/base/metrics.h"
#include "tests/unit/apiserver/objects_fixture.h"

enum { LAST_CALLS_MS = 300 };

static struct objects_fixture fixture;

static void setup(void)
{
    objects_fixture_init(&fixture);
}

static void teardown(void)
{
    objects_fixture_release(&fixture);
}

/* From here on nothing that takes a quorum is answered, until the end of the last calls. */
static void lose_quorum(void)
{
    store_attach_raft(fixture.base.store, NULL);
}

static void close_server(void)
{
    store_last_calls(fixture.base.store, LAST_CALLS_MS);
    objects_fixture_close(&fixture);
}

static Objects__V1__GetRequest *get_namespace(const char *version)
{
    struct arena *arena = fixture.base.arena;
    Objects__V1__GetRequest *request = arena_alloc(arena, sizeof(*request));
    objects__v1__get_request__init(request);
    request->resource = arena_alloc(arena, sizeof(*request->resource));
    objects__v1__resource__init(request->resource);
    request->resource->version = arena_text(arena, "v1");
    request->resource->resource = arena_text(arena, "namespaces");
    request->name = arena_text(arena, "ns");
    request->resource_version = arena_text(arena, version);
    return request;
}

/* --- Calls --- */

static void on_done(struct registry_call *call)
{
    *(bool *)call->data = true;
}

START_TEST(a_call_of_the_servers_own_parts_ends_before_the_server_is_gone)
{
    bool done = false;
    struct registry_call call = {.verb = REGISTRY_GET,
                                 .kind = core("namespaces"),
                                 .name = "ns",
                                 .user = &user_system_apiserver,
                                 .arena = fixture.base.arena,
                                 .done = on_done,
                                 .data = &done};
    lose_quorum();
    registry_start(apiserver_registry(fixture.server), &call);
    close_server();
    ck_assert(done);
    ck_assert_ptr_nonnull(call.status);
    registry_finish(&call);
}
END_TEST

static unsigned refusals;

/* As parts do that try again: the next call begins inside of `done`. */
static void ask_again(struct registry_call *call)
{
    struct registry *registry = call->data;
    ck_assert_ptr_nonnull(call->status);
    registry_finish(call);
    if (++refusals < 3) {
        registry_start(registry, call);
    }
}

START_TEST(a_call_that_another_call_began_ends_as_well)
{
    struct registry_call call = {.verb = REGISTRY_LIST,
                                 .kind = core("namespaces"),
                                 .user = &user_system_apiserver,
                                 .arena = fixture.base.arena,
                                 .done = ask_again,
                                 .data = apiserver_registry(fixture.server)};
    refusals = 0;
    lose_quorum();
    registry_start(apiserver_registry(fixture.server), &call);
    close_server();
    ck_assert_uint_eq(refusals, 3);
}
END_TEST

static int64_t answered(void)
{
    return metric_value(
        metrics_counter(fixture.metrics, "apiserver_requests_total", "Requests answered.", NULL));
}

START_TEST(a_request_whose_client_has_left_ends_before_the_server_is_gone)
{
    static const char *const masters[] = {"system:masters"};
    struct grpc_channel *leaver = objects_fixture_channel(&fixture, "leaver", masters, 1);
    lose_quorum();
    struct answer *lost = objects_open(&fixture, leaver, "Get", get_namespace(""), NULL);
    /* Behind the first on its connection: when this is answered, that has come to the store. */
    struct answer *behind = objects_ask(&fixture, leaver, "Get", get_namespace("0"));
    ck_assert_int_eq(behind->code, GRPC_OK);
    ck_assert(!lost->over);
    int64_t before = answered();
    grpc_channel_close(leaver);
    close_server();
    ck_assert_int_eq(answered(), before + 1);
}
END_TEST

START_TEST(a_heartbeat_may_be_under_way_when_its_keeper_is_freed)
{
    struct fixture base;
    fixture_init(&base);
    struct node_liveness *liveness =
        node_liveness_new(env_uv_env(base.env), store_storage(base.store));
    store_attach_raft(base.store, NULL);
    node_liveness_beat(liveness, "n1", /* ttl_s= */ 0);
    node_liveness_free(liveness);
    fixture_release(&base); /* The store answers what it still owes. */
}
END_TEST

Suite *server_close_suite(void);

Suite *server_close_suite(void)
{
    Suite *suite = suite_create("closing a server");
    TCase *closing = tcase_create("calls");
    tcase_set_timeout(closing, 60);
    tcase_add_checked_fixture(closing, setup, teardown);
    tcase_add_test(closing, a_call_of_the_servers_own_parts_ends_before_the_server_is_gone);
    tcase_add_test(closing, a_call_that_another_call_began_ends_as_well);
    tcase_add_test(closing, a_request_whose_client_has_left_ends_before_the_server_is_gone);
    suite_add_tcase(suite, closing);
    TCase *heartbeats = tcase_create("heartbeats");
    tcase_add_test(heartbeats, a_heartbeat_may_be_under_way_when_its_keeper_is_freed);
    suite_add_tcase(suite, heartbeats);
    return suite;
}
