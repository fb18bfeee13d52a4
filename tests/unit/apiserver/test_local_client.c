/* The client of this process: lists are told by turns of the loop, and nothing is missed. */
#include "lib/client/local_client.h"

#include "lib/client/limits.h"
#include "tests/unit/apiserver/registry_fixture.h"
#include <stdio.h>

Suite *local_client_suite(void);

/* A turn of the loop fires timers twice at most: before it waits, and after. */
enum { OBJECTS = 3 * CLIENT_LIST_AT_ONCE };

struct heard {
    size_t told; /* Objects of the list. */
    size_t restarts, ends;
    size_t added, deleted; /* After its end. */
};

static void event(void *data, enum client_event type, const struct client_object *object)
{
    struct heard *heard = data;
    ck_assert_str_eq(client_object_namespace(object), "ns");
    if (heard->ends == 0) {
        ck_assert_int_eq(type, CLIENT_ADDED);
        heard->told++;
    }
    heard->added += heard->ends > 0 && type == CLIENT_ADDED;
    heard->deleted += heard->ends > 0 && type == CLIENT_DELETED;
}

static void restart(void *data)
{
    ((struct heard *)data)->restarts++;
}

static void synced(void *data)
{
    ((struct heard *)data)->ends++;
}

static const struct client_watch_ops ops = {.event = event, .restart = restart, .synced = synced};

static void make_objects(struct fixture *fixture)
{
    make_namespace(fixture);
    for (int i = 0; i < OBJECTS; i++) {
        char json[64];
        (void)snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"o%04d\"}}", i);
        struct registry_call call = create(fixture, "configmaps", "ns", json);
        ck_assert_int_eq(call.code, 201);
    }
}

START_TEST(a_list_is_told_by_turns_and_what_changes_meanwhile_follows_it)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_objects(&fixture);
    struct local_client *local =
        local_client_new(env_uv_env(fixture.env), fixture.registry, /* user= */ NULL);
    struct client *client = local_client_client(local);
    struct heard heard = {0};
    struct client_watch *watch = client_watch(client, core("configmaps"), &ops, &heard);
    while (heard.told == 0) {
        loop_turn(fixture.loop, true);
    }
    ck_assert_uint_lt(heard.told, OBJECTS);
    ck_assert_uint_eq(heard.ends, 0);
    ck_assert_uint_eq(client_watch_revision(client, watch), 0);
    /* One that was told of goes; and all of the list may be told by when it has gone. */
    struct registry_call gone = simple(&fixture, REGISTRY_DELETE, "configmaps", "ns", "o0000");
    ck_assert_int_eq(gone.code, 200);
    struct registry_call late =
        create(&fixture, "configmaps", "ns", "{\"metadata\":{\"name\":\"late\"}}");
    ck_assert_int_eq(late.code, 201);
    while (heard.added + heard.deleted < 2) {
        loop_turn(fixture.loop, true);
    }
    ck_assert_uint_eq(heard.told, OBJECTS);
    ck_assert_uint_eq(heard.restarts, 1);
    ck_assert_uint_eq(heard.ends, 1);
    ck_assert_uint_eq(heard.added, 1);
    ck_assert_uint_eq(heard.deleted, 1);
    client_watch_stop(client, watch);
    local_client_free(local);
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_watch_can_be_stopped_while_its_list_is_told)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_objects(&fixture);
    struct local_client *local =
        local_client_new(env_uv_env(fixture.env), fixture.registry, /* user= */ NULL);
    struct client *client = local_client_client(local);
    struct heard heard = {0};
    struct client_watch *watch = client_watch(client, core("configmaps"), &ops, &heard);
    while (heard.told == 0) {
        loop_turn(fixture.loop, true);
    }
    client_watch_stop(client, watch);
    local_client_free(local);
    ck_assert_uint_eq(heard.ends, 0);
    fixture_release(&fixture);
}
END_TEST

Suite *local_client_suite(void)
{
    Suite *suite = suite_create("apiserver/local_client");
    TCase *tcase = tcase_create("lists");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, a_list_is_told_by_turns_and_what_changes_meanwhile_follows_it);
    tcase_add_test(tcase, a_watch_can_be_stopped_while_its_list_is_told);
    suite_add_tcase(suite, tcase);
    return suite;
}
