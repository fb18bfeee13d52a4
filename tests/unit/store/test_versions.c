/* Members of different versions: what is in use is what all can apply, and who cannot stops. */
#include "store/command.h"
#include "store/snapshot.h"
#include "store/status.h"
#include "store/store.h"
#include "store/versions.h"
#include "tests/unit/store/raft_double.h"

#include <check.h>
#include <stdlib.h>

Suite *versions_suite(void);

enum { LATER = STORE_VERSION_NEWEST + 1, FORWARDED_COMMAND = 1, HEAD_BYTES = 34 };

START_TEST(who_has_said_nothing_can_what_was_there_from_the_beginning)
{
    struct versions versions = {0};
    ck_assert_uint_eq(versions_in_use(&versions), STORE_VERSION_FIRST);
    ck_assert_uint_eq(versions_of(&versions, 7), STORE_VERSION_FIRST);
    versions_note(&versions, 7, 3);
    versions_note(&versions, 8, 2);
    versions_note(&versions, 7, 4); /* Upgraded. */
    ck_assert_uint_eq(versions_of(&versions, 7), 4);
    ck_assert_uint_eq(versions_of(&versions, 8), 2);
    ck_assert_uint_eq(versions_of(&versions, 9), STORE_VERSION_FIRST);
}
END_TEST

START_TEST(what_is_in_use_never_falls)
{
    struct versions versions = {0};
    versions_raise(&versions, 3);
    versions_raise(&versions, 2);
    ck_assert_uint_eq(versions_in_use(&versions), 3);
}
END_TEST

START_TEST(members_that_are_gone_make_room)
{
    struct versions versions = {0};
    for (uint64_t id = 1; id <= STORE_MEMBERS_MAX + 1; id++) {
        versions_note(&versions, id, 2);
    }
    ck_assert_uint_eq(versions_of(&versions, STORE_MEMBERS_MAX + 1), 2);
    ck_assert_uint_eq(versions_of(&versions, STORE_MEMBERS_MAX), 2);
}
END_TEST

static size_t write_out(struct store_state *state, uint8_t *bytes, size_t max)
{
    struct state_writer *writer = state_writer_new(state);
    size_t len = state_writer_read(writer, bytes, max);
    ck_assert_uint_lt(len, max);
    state_writer_free(writer);
    return len;
}

START_TEST(snapshots_begin_with_the_versions)
{
    enum { MAX = 4096 };
    static uint8_t bytes[MAX];
    struct store_state state, copy;
    store_state_init(&state);
    size_t without = write_out(&state, bytes, MAX);
    versions_raise(&state.versions, 2);
    versions_note(&state.versions, 7, 3);
    size_t len = write_out(&state, bytes, MAX);
    ck_assert_uint_gt(len, without);
    struct state_reader *reader = state_reader_new();
    size_t some = without - 16; /* Without the record of the end, and then a bit. */
    ck_assert_int_eq(state_reader_feed(reader, slice_of(bytes, some + 40)), 0);
    ck_assert_uint_eq(state_reader_version(reader), 2);
    ck_assert_int_eq(state_reader_feed(reader, slice_of(bytes + some + 40, len - some - 40)), 0);
    ck_assert_int_eq(state_reader_end(reader, &copy), 0);
    ck_assert_uint_eq(versions_in_use(&copy.versions), 2);
    ck_assert_uint_eq(versions_of(&copy.versions, 7), 3);
    state_reader_free(reader);
    store_state_release(&copy);
    store_state_release(&state);
}
END_TEST

/* --- Commands that are too new. */

struct text {
    uint8_t bytes[1 + HEAD_BYTES];
};

/* As forwarded: the command itself begins at its second byte. */
static struct text unknown(uint8_t version, uint8_t kind)
{
    struct text text = {.bytes = {FORWARDED_COMMAND, version, kind}};
    return text;
}

START_TEST(a_command_of_a_later_version_is_not_skipped)
{
    const struct text texts[] = {unknown(LATER, STORE_COMMAND_TXN),
                                 unknown(STORE_VERSION_FIRST, /* kind= */ 60)};
    struct store_state state;
    store_state_init(&state);
    for (size_t i = 0; i < 2; i++) {
        struct store_applied applied;
        store_state_apply(&state, /* index= */ 5, /* term= */ 1,
                          slice_of(texts[i].bytes + 1, HEAD_BYTES), NULL, NULL, &applied);
        ck_assert_int_eq(applied.status, STORE_TOO_OLD);
        ck_assert_uint_eq(state.applied_index, 0);
    }
    store_state_release(&state);
}
END_TEST

struct fixture {
    struct virtual_env env;
    struct raft_cluster cluster;
    struct store *stores[CLUSTER_MAX];
};

static void fixture_init_lossy(struct fixture *f, const uint32_t versions[CLUSTER_MAX],
                               int lost_forwards)
{
    virtual_env_init(&f->env);
    raft_cluster_init(&f->cluster, &f->env, CLUSTER_MAX);
    for (size_t i = 0; i < CLUSTER_MAX; i++) {
        struct store_config config = {
            .env = &f->env.env, .member_id = i + 1, .command_version = versions[i]};
        f->stores[i] = store_new(&config);
        f->cluster.nodes[i].fsm = store_fsm(f->stores[i]);
        store_attach_raft(f->stores[i], &f->cluster.nodes[i]);
    }
    f->cluster.drop_forwards = lost_forwards;
    raft_cluster_set_leader(&f->cluster, 1);
    virtual_env_run(&f->env, 5 * STORE_VERSION_RETRY_MS);
}

static void fixture_init(struct fixture *f, const uint32_t versions[CLUSTER_MAX])
{
    fixture_init_lossy(f, versions, /* lost_forwards= */ 0);
}

static void fixture_release(struct fixture *f)
{
    for (size_t i = 0; i < CLUSTER_MAX; i++) {
        store_free(f->stores[i]);
    }
    virtual_env_release(&f->env);
}

static uint32_t in_use(const struct fixture *f, size_t place)
{
    struct store_figures figures;
    store_read_figures(f->stores[place], &figures);
    return figures.command_version;
}

START_TEST(members_of_one_version_say_nothing)
{
    struct fixture f = {0};
    fixture_init(&f, (uint32_t[CLUSTER_MAX]){0, 0, 0});
    ck_assert_uint_eq(f.cluster.entries, 0);
    ck_assert_uint_eq(in_use(&f, 0), STORE_VERSION_FIRST);
    fixture_release(&f);
}
END_TEST

START_TEST(a_version_is_used_when_all_members_have_it)
{
    struct fixture f = {0};
    fixture_init(&f, (uint32_t[CLUSTER_MAX]){4, 3, 3});
    for (size_t i = 0; i < CLUSTER_MAX; i++) {
        ck_assert_uint_eq(in_use(&f, i), 3);
    }
    ck_assert_uint_eq(f.cluster.entries, 4);
    virtual_env_run(&f.env, 10 * STORE_VERSION_RETRY_MS);
    ck_assert_uint_eq(f.cluster.entries, 4);
    fixture_release(&f);
}
END_TEST

START_TEST(the_oldest_member_holds_it_back_until_it_is_removed)
{
    struct fixture f = {0};
    fixture_init(&f, (uint32_t[CLUSTER_MAX]){2, 2, 1});
    ck_assert_uint_eq(in_use(&f, 0), 1);
    f.cluster.count = 2;
    virtual_env_run(&f.env, 2 * STORE_VERSION_RETRY_MS);
    ck_assert_uint_eq(in_use(&f, 0), 2);
    ck_assert_uint_eq(in_use(&f, 1), 2);
    fixture_release(&f);
}
END_TEST

START_TEST(what_was_lost_with_a_leader_is_said_again)
{
    struct fixture f = {0};
    fixture_init_lossy(&f, (uint32_t[CLUSTER_MAX]){2, 2, 2}, /* lost_forwards= */ 2);
    ck_assert_uint_eq(in_use(&f, 2), 2);
    virtual_env_run(&f.env, 20000); /* The lost ones time out. */
    fixture_release(&f);
}
END_TEST

static void on_proposed(void *data, int status, uint64_t index)
{
    (void)data;
    (void)index;
    ck_assert_int_eq(status, 0);
}

static void propose(struct fixture *f, struct slice command)
{
    int status = raft_propose(&f->cluster.nodes[0], command, /* tag= */ 0, on_proposed, NULL);
    ck_assert_int_eq(status, 0);
    virtual_env_run(&f->env, 5);
}

START_TEST(a_member_that_is_too_old_for_what_is_in_use_stops)
{
    struct fixture f = {0};
    CLEANUP(buffer_release) struct buffer raise;
    const struct store_command command = {.kind = STORE_COMMAND_VERSION, .version = {.version = 2}};
    buffer_init(&raise, STORE_REQUEST_BYTES_MAX);
    ck_assert_int_eq(store_command_encode(&command, &raise), 0);
    fixture_init(&f, (uint32_t[CLUSTER_MAX]){2, 2, 1});
    f.env.fatal_expected = true;
    propose(&f, buffer_slice(&raise));
    ck_assert_int_eq(f.env.fatals, 1);
    propose(&f, buffer_slice(&raise)); /* It applies no more. */
    ck_assert_int_eq(f.env.fatals, 1);
    fixture_release(&f);
}
END_TEST

START_TEST(a_kind_that_a_member_does_not_know_stops_it)
{
    struct fixture f = {0};
    struct text text = unknown(STORE_VERSION_FIRST, /* kind= */ 60);
    fixture_init(&f, (uint32_t[CLUSTER_MAX]){1, 1, 1});
    f.env.fatal_expected = true;
    propose(&f, slice_of(text.bytes + 1, HEAD_BYTES));
    ck_assert_int_eq(f.env.fatals, CLUSTER_MAX);
    fixture_release(&f);
}
END_TEST

static void on_forwarded(void *data, int status, struct slice reply)
{
    (void)reply;
    *(int *)data = status;
}

START_TEST(a_leader_does_not_propose_what_others_cannot_apply)
{
    struct fixture f = {0};
    int status = 1;
    struct text text = unknown(LATER, STORE_COMMAND_TXN);
    fixture_init(&f, (uint32_t[CLUSTER_MAX]){LATER, LATER, 1});
    size_t entries = f.cluster.entries;
    ck_assert_int_eq(raft_forward(&f.cluster.nodes[1], slice_of(text.bytes, sizeof(text.bytes)),
                                  on_forwarded, &status, /* ret_id= */ NULL),
                     0);
    virtual_env_run(&f.env, 5);
    ck_assert_int_eq(status, -EAGAIN);
    ck_assert_uint_eq(f.cluster.entries, entries);
    fixture_release(&f);
}
END_TEST

Suite *versions_suite(void)
{
    Suite *suite = suite_create("store/versions");
    TCase *tcase = tcase_create("versions");
    tcase_add_test(tcase, who_has_said_nothing_can_what_was_there_from_the_beginning);
    tcase_add_test(tcase, what_is_in_use_never_falls);
    tcase_add_test(tcase, members_that_are_gone_make_room);
    tcase_add_test(tcase, snapshots_begin_with_the_versions);
    tcase_add_test(tcase, a_command_of_a_later_version_is_not_skipped);
    tcase_add_test(tcase, members_of_one_version_say_nothing);
    tcase_add_test(tcase, a_version_is_used_when_all_members_have_it);
    tcase_add_test(tcase, the_oldest_member_holds_it_back_until_it_is_removed);
    tcase_add_test(tcase, what_was_lost_with_a_leader_is_said_again);
    tcase_add_test(tcase, a_member_that_is_too_old_for_what_is_in_use_stops);
    tcase_add_test(tcase, a_kind_that_a_member_does_not_know_stops_it);
    tcase_add_test(tcase, a_leader_does_not_propose_what_others_cannot_apply);
    suite_add_tcase(suite, tcase);
    return suite;
}
