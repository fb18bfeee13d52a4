/* Streams of coracle.v1.Objects: lists in parts, watches, and what ends them. */
#include "lib/base/memory_budget.h"
#include "tests/unit/apiserver/objects_fixture.h"
#include <stdlib.h>

static struct objects_fixture fixture;

static void setup(void)
{
    objects_fixture_init(&fixture);
}

static void teardown(void)
{
    objects_fixture_release(&fixture);
}

static char *text(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

/* Config maps of "ns", as JSON. */
static Objects__V1__Resource resource;
static Objects__V1__Format json;

static void init_parts(void)
{
    objects__v1__resource__init(&resource);
    resource.version = text("v1");
    resource.resource = text("configmaps");
    resource.namespace_ = text("ns");
    objects__v1__format__init(&json);
    json.encoding = OBJECTS__V1__ENCODING__ENCODING_JSON;
}

static Objects__V1__ListRequest list_request(void)
{
    Objects__V1__ListRequest list;
    init_parts();
    objects__v1__list_request__init(&list);
    list.resource = &resource;
    list.format = &json;
    return list;
}

static Objects__V1__WatchRequest watch_request(void)
{
    Objects__V1__WatchRequest watch;
    init_parts();
    objects__v1__watch_request__init(&watch);
    watch.resource = &resource;
    watch.format = &json;
    return watch;
}

/* Through the registry, which is quicker than a call. */
static uint64_t make(const char *name, size_t size)
{
    char *value = arena_alloc(fixture.base.arena, size + 1);
    memset(value, 'v', size);
    value[size] = 0;
    struct registry_call call =
        create(&fixture.base, "configmaps", "ns",
               arena_printf(fixture.base.arena,
                            "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"name\":\"%s\"}},\"data\":"
                            "{\"v\":\"%s\"}}",
                            name, name, value));
    ck_assert_ptr_null(call.status);
    const Meta__V1__ObjectMeta *meta = api_message_meta(call.kind->message, call.result);
    return strtoull(meta->resource_version, NULL, 10);
}

static void make_many(int count, size_t size)
{
    for (int i = 0; i < count; i++) {
        make(arena_printf(fixture.base.arena, "c-%02d", i), size);
    }
}

static void remove_one(const char *name)
{
    struct registry_call call = simple(&fixture.base, REGISTRY_DELETE, "configmaps", "ns", name);
    ck_assert_ptr_null(call.status);
}

static Objects__V1__ListResponse *part(struct answer *answer, size_t index)
{
    return objects_unpack(answer, index, &objects__v1__list_response__descriptor);
}

static Objects__V1__WatchResponse *event(struct answer *answer, size_t index)
{
    objects_await(&fixture, answer, index + 1);
    return objects_unpack(answer, index, &objects__v1__watch_response__descriptor);
}

/* --- Lists --- */

START_TEST(a_large_list_comes_in_parts_that_are_the_whole)
{
    make_many(12, 100 * 1024);
    Objects__V1__ListRequest list = list_request();
    struct answer *answer = objects_ask(&fixture, fixture.admin, "List", &list);
    ck_assert_int_eq(answer->code, GRPC_OK);
    ck_assert_uint_gt(answer->count, 2);
    ck_assert_str_eq(part(answer, 0)->kind, "ConfigMapList");
    ck_assert_uint_gt(strlen(part(answer, 0)->resource_version), 0);
    ck_assert_str_eq(part(answer, 1)->resource_version, "");
    size_t items = 0;
    for (size_t i = 0; i < answer->count; i++) {
        ck_assert_uint_le(answer->messages[i].len, 512 * 1024);
        for (size_t j = 0; j < part(answer, i)->n_items; j++) {
            char *name = arena_printf(fixture.base.arena, "\"name\":\"c-%02zu\"", items++);
            ck_assert_ptr_nonnull(strstr(part(answer, i)->items[j]->json, name));
        }
    }
    ck_assert_uint_eq(items, 12);
}
END_TEST

START_TEST(an_empty_list_has_a_version)
{
    Objects__V1__ListRequest list = list_request();
    struct answer *answer = objects_ask(&fixture, fixture.admin, "List", &list);
    ck_assert_int_eq(answer->code, GRPC_OK);
    ck_assert_uint_eq(answer->count, 1);
    ck_assert_uint_eq(part(answer, 0)->n_items, 0);
    ck_assert_uint_gt(strlen(part(answer, 0)->resource_version), 0);
}
END_TEST

START_TEST(pages_are_of_one_state)
{
    make_many(5, 1);
    Objects__V1__ListRequest list = list_request();
    list.limit = 2;
    Objects__V1__ListResponse *page = part(objects_ask(&fixture, fixture.admin, "List", &list), 0);
    ck_assert_uint_eq(page->n_items, 2);
    ck_assert_int_eq(page->remaining_item_count, 3);
    char *version = page->resource_version;
    make("c-99", 1); /* Too late to be seen. */
    size_t items = 2;
    while (page->continue_token[0] != 0) {
        list.continue_token = page->continue_token;
        page = part(objects_ask(&fixture, fixture.admin, "List", &list), 0);
        ck_assert_str_eq(page->resource_version, version);
        items += page->n_items;
    }
    ck_assert_uint_eq(items, 5);
}
END_TEST

START_TEST(a_selection_is_deleted_and_told)
{
    make_many(3, 1);
    init_parts();
    Objects__V1__DeleteCollectionRequest request;
    objects__v1__delete_collection_request__init(&request);
    request.resource = &resource;
    request.format = &json;
    request.label_selector = text("name in (c-00,c-02)");
    struct answer *answer = objects_ask(&fixture, fixture.admin, "DeleteCollection", &request);
    ck_assert_int_eq(answer->code, GRPC_OK);
    ck_assert_uint_eq(part(answer, 0)->n_items, 2);
    Objects__V1__ListRequest list = list_request();
    ck_assert_uint_eq(part(objects_ask(&fixture, fixture.admin, "List", &list), 0)->n_items, 1);
}
END_TEST

START_TEST(a_list_of_metadata_has_no_data)
{
    make_many(2, 1);
    Objects__V1__ListRequest list = list_request();
    json.metadata_only = true;
    Objects__V1__ListResponse *page = part(objects_ask(&fixture, fixture.admin, "List", &list), 0);
    ck_assert_str_eq(page->kind, "PartialObjectMetadataList");
    ck_assert_uint_eq(page->n_items, 2);
    ck_assert_str_eq(page->items[0]->kind, "PartialObjectMetadata");
    ck_assert_ptr_null(strstr(page->items[0]->json, "\"data\""));
}
END_TEST

START_TEST(a_client_that_leaves_in_a_list_harms_nobody)
{
    make_many(12, 500 * 1024);
    Objects__V1__ListRequest list = list_request();
    for (int i = 0; i < 5; i++) {
        struct answer *answer = objects_open(&fixture, fixture.admin, "List", &list, NULL);
        objects_await(&fixture, answer, (size_t)i);
        if (!answer->over) {
            grpc_stream_cancel(answer->stream);
        }
    }
    ck_assert_int_eq(objects_ask(&fixture, fixture.admin, "List", &list)->code, GRPC_OK);
}
END_TEST

START_TEST(what_a_slow_list_keeps_from_being_freed_is_counted)
{
    static const int64_t most_of_one = 350 * 1024;
    struct memory_budget budget = {.limit = SIZE_MAX};
    make_many(20, 100 * 1024);
    loop_set_memory(fixture.base.loop, &budget);
    Objects__V1__ListRequest list = list_request();
    struct answer *answer = objects_open(&fixture, fixture.admin, "List", &list, NULL);
    grpc_stream_pause(answer->stream);
    while (!answer->headers) {
        loop_turn(fixture.base.loop, true);
    }
    int64_t before = atomic_load(&budget.held);
    remove_one("c-19");
    while (atomic_load(&budget.held) < before + most_of_one) {
        loop_turn(fixture.base.loop, true);
    }
    grpc_stream_resume(answer->stream);
    objects_await(&fixture, answer, ANSWER_MESSAGES_MAX);
    ck_assert_int_eq(answer->code, GRPC_OK);
    ck_assert_int_lt(atomic_load(&budget.held), most_of_one);
    loop_set_memory(fixture.base.loop, NULL);
}
END_TEST

/* --- Watches --- */

START_TEST(a_watch_tells_what_is_and_what_changes)
{
    make("a", 1);
    Objects__V1__WatchRequest watch = watch_request();
    struct answer *answer = objects_open(&fixture, fixture.admin, "Watch", &watch, NULL);
    ck_assert_int_eq(event(answer, 0)->type, OBJECTS__V1__WATCH_RESPONSE__TYPE__ADDED);
    ck_assert_str_eq(event(answer, 0)->resource_version, ""); /* No place to go on from. */
    uint64_t version = make("b", 1);
    ck_assert_int_eq(event(answer, 1)->type, OBJECTS__V1__WATCH_RESPONSE__TYPE__ADDED);
    ck_assert_uint_eq(strtoull(event(answer, 1)->resource_version, NULL, 10), version);
    ck_assert_ptr_nonnull(strstr(event(answer, 1)->object->json, "\"name\":\"b\""));
    remove_one("a");
    ck_assert_int_eq(event(answer, 2)->type, OBJECTS__V1__WATCH_RESPONSE__TYPE__DELETED);
    ck_assert_str_eq(event(answer, 2)->object->kind, "ConfigMap");
    grpc_stream_cancel(answer->stream);
}
END_TEST

START_TEST(a_watch_goes_on_where_another_ended)
{
    uint64_t version = make("a", 1);
    make("b", 1);
    remove_one("a");
    Objects__V1__WatchRequest watch = watch_request();
    watch.resource_version = arena_printf(fixture.base.arena, "%llu", (unsigned long long)version);
    struct answer *answer = objects_open(&fixture, fixture.admin, "Watch", &watch, NULL);
    ck_assert_int_eq(event(answer, 0)->type, OBJECTS__V1__WATCH_RESPONSE__TYPE__ADDED);
    ck_assert_ptr_nonnull(strstr(event(answer, 0)->object->json, "\"name\":\"b\""));
    ck_assert_int_eq(event(answer, 1)->type, OBJECTS__V1__WATCH_RESPONSE__TYPE__DELETED);
    grpc_stream_cancel(answer->stream);
}
END_TEST

START_TEST(the_end_of_the_initial_state_is_marked)
{
    make_many(2, 1);
    Objects__V1__WatchRequest watch = watch_request();
    watch.bookmarks = true;
    watch.initial_events_case = OBJECTS__V1__WATCH_REQUEST__INITIAL_EVENTS_SEND_INITIAL_EVENTS;
    watch.send_initial_events = true;
    watch.resource_version_match = text("NotOlderThan");
    struct answer *answer = objects_open(&fixture, fixture.admin, "Watch", &watch, NULL);
    ck_assert(!event(answer, 1)->initial_events_end);
    ck_assert_int_eq(event(answer, 2)->type, OBJECTS__V1__WATCH_RESPONSE__TYPE__BOOKMARK);
    ck_assert(event(answer, 2)->initial_events_end);
    ck_assert_uint_gt(strtoull(event(answer, 2)->resource_version, NULL, 10), 0);
    ck_assert_ptr_nonnull(strstr(event(answer, 2)->object->json, "k8s.io/initial-events-end"));
    grpc_stream_cancel(answer->stream);
    watch.resource_version_match = text("");
    ck_assert_int_eq(objects_ask(&fixture, fixture.admin, "Watch", &watch)->code,
                     GRPC_INVALID_ARGUMENT);
}
END_TEST

START_TEST(a_change_moves_objects_in_and_out_of_a_selection)
{
    make("a", 1);
    Objects__V1__WatchRequest watch = watch_request();
    watch.label_selector = text("name=a");
    struct answer *answer = objects_open(&fixture, fixture.admin, "Watch", &watch, NULL);
    (void)event(answer, 0);
    make("b", 1);
    struct registry_call patch = {.verb = REGISTRY_PATCH,
                                  .kind = core("configmaps"),
                                  .namespace = "ns",
                                  .name = "a",
                                  .patch_type = REGISTRY_PATCH_MERGE,
                                  .patch =
                                      slice_text("{\"metadata\":{\"labels\":{\"name\":\"z\"}}}")};
    run(&fixture.base, &patch);
    ck_assert_ptr_null(patch.status);
    ck_assert_int_eq(event(answer, 1)->type, OBJECTS__V1__WATCH_RESPONSE__TYPE__DELETED);
    grpc_stream_cancel(answer->stream);
}
END_TEST

START_TEST(a_version_of_another_time_is_refused_or_waited_for)
{
    Objects__V1__WatchRequest watch = watch_request();
    watch.resource_version = text("not-a-number");
    ck_assert_int_eq(objects_ask(&fixture, fixture.admin, "Watch", &watch)->code,
                     GRPC_INVALID_ARGUMENT);
    Objects__V1__ListRequest list = list_request();
    list.resource_version = text("999999999");
    list.resource_version_match = text("NotOlderThan");
    struct answer *answer = objects_ask(&fixture, fixture.admin, "List", &list);
    ck_assert_int_eq(answer->code, GRPC_DEADLINE_EXCEEDED);
    ck_assert_str_eq(answer->status->reason, "Timeout");
}
END_TEST

START_TEST(a_watch_ends_well_when_its_time_is_over)
{
    Objects__V1__WatchRequest watch = watch_request();
    watch.timeout_seconds = 1;
    watch.bookmarks = true;
    struct answer *answer = objects_ask(&fixture, fixture.admin, "Watch", &watch);
    ck_assert_int_eq(answer->code, GRPC_OK);
    ck_assert_uint_eq(answer->count, 2); /* Where what there was ends, and how far it was. */
    ck_assert_int_eq(event(answer, 0)->type, OBJECTS__V1__WATCH_RESPONSE__TYPE__BOOKMARK);
    ck_assert(event(answer, 0)->initial_events_end);
    ck_assert_int_eq(event(answer, 1)->type, OBJECTS__V1__WATCH_RESPONSE__TYPE__BOOKMARK);
    ck_assert(!event(answer, 1)->initial_events_end);
}
END_TEST

START_TEST(the_clients_deadline_ends_a_watch)
{
    Objects__V1__WatchRequest watch = watch_request();
    const struct http_header late[] = {http_header("grpc-timeout", "100m")};
    const struct grpc_call_options options = {.metadata = late, .metadata_count = 1};
    struct answer *answer = objects_open(&fixture, fixture.admin, "Watch", &watch, &options);
    objects_await(&fixture, answer, SIZE_MAX);
    ck_assert_int_eq(answer->code, GRPC_DEADLINE_EXCEEDED); /* As the server says. */
    make("a", 1);                                           /* Nobody is told of it. */
}
END_TEST

START_TEST(who_may_not_watch_is_told_so)
{
    Objects__V1__WatchRequest watch = watch_request();
    struct answer *answer = objects_ask(&fixture, fixture.jane, "Watch", &watch);
    ck_assert_int_eq(answer->code, GRPC_PERMISSION_DENIED);
    ck_assert_str_eq(answer->status->reason, "Forbidden");
}
END_TEST

START_TEST(a_closing_server_ends_its_watches)
{
    Objects__V1__WatchRequest watch = watch_request();
    struct answer *answer = objects_open(&fixture, fixture.admin, "Watch", &watch, NULL);
    while (!answer->headers) {
        loop_turn(fixture.base.loop, true);
    }
    /* The rest is teardown's: it must come to an end, and leave nothing. */
}
END_TEST

Suite *objects_streams_suite(void);

Suite *objects_streams_suite(void)
{
    Suite *suite = suite_create("apiserver/objects_streams");
    TCase *lists = tcase_create("lists");
    TCase *watches = tcase_create("watches");
    tcase_add_checked_fixture(lists, setup, teardown);
    tcase_add_checked_fixture(watches, setup, teardown);
    tcase_set_timeout(lists, 60);
    tcase_set_timeout(watches, 60);
    tcase_add_test(lists, a_large_list_comes_in_parts_that_are_the_whole);
    tcase_add_test(lists, an_empty_list_has_a_version);
    tcase_add_test(lists, pages_are_of_one_state);
    tcase_add_test(lists, a_selection_is_deleted_and_told);
    tcase_add_test(lists, a_list_of_metadata_has_no_data);
    tcase_add_test(lists, a_client_that_leaves_in_a_list_harms_nobody);
    tcase_add_test(lists, what_a_slow_list_keeps_from_being_freed_is_counted);
    tcase_add_test(watches, a_watch_tells_what_is_and_what_changes);
    tcase_add_test(watches, a_watch_goes_on_where_another_ended);
    tcase_add_test(watches, the_end_of_the_initial_state_is_marked);
    tcase_add_test(watches, a_change_moves_objects_in_and_out_of_a_selection);
    tcase_add_test(watches, a_version_of_another_time_is_refused_or_waited_for);
    tcase_add_test(watches, a_watch_ends_well_when_its_time_is_over);
    tcase_add_test(watches, the_clients_deadline_ends_a_watch);
    tcase_add_test(watches, who_may_not_watch_is_told_so);
    tcase_add_test(watches, a_closing_server_ends_its_watches);
    suite_add_tcase(suite, lists);
    suite_add_tcase(suite, watches);
    return suite;
}
