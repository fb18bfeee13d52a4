/* One member on the real disk and loop: what it acknowledged is there after it was closed. */
#include "lib/base/env_uv.h"
#include "raft/raft.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

Suite *node_suite(void);

enum { COMMANDS = 500 };

struct run {
    uv_loop_t loop;
    struct env_uv *env;
    struct raft_node *node;
    struct raft_fsm fsm;
    struct env_timer again;
    uint64_t applied_sum, restored_sum, acked;
    uint64_t wanted;
    bool proposed, read, wants_snapshot;
    unsigned turns_left;      /* Of the entry being applied. */
    struct slice command;     /* ... and its command. */
    unsigned snapshots_asked; /* Since it was opened. */
};

/* How its state machine is; each test runs in a process of its own. */
static unsigned turns_an_entry, snapshots_refused;

static void on_env_closed(void *data)
{
    (void)data;
}

static void on_closed(void *data)
{
    struct run *run = data;
    env_uv_close(run->env, on_env_closed, NULL);
}

static void on_read(void *data, int status, uint64_t index);

static void read_again(void *data)
{
    struct run *run = data;
    ck_assert_int_eq(raft_read_index(run->node, on_read, run), 0);
}

static void on_read(void *data, int status, uint64_t index)
{
    struct run *run = data;
    struct raft_status now;
    ck_assert_int_eq(status, 0);
    ck_assert_uint_ge(raft_applied_index(run->node), index);
    raft_get_status(run->node, &now);
    if (run->wants_snapshot && now.snapshot_index == 0) { /* It is under way. */
        run->again = (struct env_timer){.fire = read_again, .data = run};
        env_timer_start(env_uv_env(run->env), &run->again, 5 * NS_PER_MS);
        return;
    }
    run->read = true;
    raft_close(run->node, on_closed, run);
}

static void on_done(void *data, int status, uint64_t index)
{
    struct run *run = data;
    ck_assert_int_eq(status, 0);
    ck_assert_uint_gt(index, 0);
    ck_assert_uint_eq(run->turns_left, 0);
    run->acked++;
    ck_assert_uint_ge(run->applied_sum, run->acked * (run->acked + 1) / 2 * (run->wanted > 1));
    if (run->acked == run->wanted) {
        ck_assert_int_eq(raft_read_index(run->node, on_read, run), 0);
    }
}

static void on_role(void *data, enum raft_role role, uint64_t term, uint64_t leader)
{
    struct run *run = data;
    (void)term;
    (void)leader;
    if (role != RAFT_LEADER || run->proposed) {
        return;
    }
    run->proposed = true;
    for (uint64_t i = 1; i <= run->wanted; i++) {
        ck_assert_int_eq(
            raft_propose(run->node, slice_of(&i, sizeof(i)), /* tag= */ i, on_done, run), 0);
    }
    if (run->wanted == 0) {
        ck_assert_int_eq(raft_read_index(run->node, on_read, run), 0);
    }
}

static void apply_now(struct run *run, struct slice command)
{
    uint64_t value;
    ck_assert_uint_eq(command.len, sizeof(value));
    memcpy(&value, command.data, sizeof(value));
    run->applied_sum += value;
}

static bool apply(void *data, uint64_t index, uint64_t term, struct slice command, uint64_t tag)
{
    struct run *run = data;
    (void)index;
    (void)term;
    (void)tag;
    ck_assert_uint_eq(run->turns_left, 0);
    if (turns_an_entry > 1) {
        run->turns_left = turns_an_entry - 1;
        run->command = command;
        return false;
    }
    apply_now(run, command);
    return true;
}

static bool apply_more(void *data)
{
    struct run *run = data;
    ck_assert_uint_gt(run->turns_left, 0);
    if (--run->turns_left > 0) {
        return false;
    }
    apply_now(run, run->command);
    return true;
}

static void *take(void *data)
{
    struct run *run = data;
    ck_assert_uint_eq(run->turns_left, 0);
    if (run->snapshots_asked++ < snapshots_refused) {
        return NULL;
    }
    uint64_t *copy = malloc(sizeof(*copy));
    *copy = run->applied_sum;
    return copy;
}

static int64_t read_snapshot(void *data, void *handle, uint64_t offset, uint8_t *buffer, size_t len)
{
    (void)data;
    (void)len;
    if (offset > 0) {
        return 0;
    }
    memcpy(buffer, handle, sizeof(uint64_t));
    return sizeof(uint64_t);
}

static void release(void *data, void *handle)
{
    (void)data;
    free(handle);
}

static int restore_begin(void *data, uint64_t index, uint64_t term)
{
    (void)data;
    (void)index;
    (void)term;
    return 0;
}

static int restore_chunk(void *data, struct slice chunk)
{
    struct run *run = data;
    ck_assert_uint_eq(chunk.len, sizeof(uint64_t));
    memcpy(&run->applied_sum, chunk.data, sizeof(uint64_t));
    run->restored_sum = run->applied_sum;
    return 0;
}

static int restore_end(void *data)
{
    (void)data;
    return 0;
}

static void on_opened(void *data, const struct error *error)
{
    (void)data;
    ck_assert_msg(error == NULL, "%s", error == NULL ? "" : error_message(error));
}

static void open_node(struct run *run, const char *dir, uint32_t snapshot_entries)
{
    struct raft_peer peer = {.id = 1, .name = "a", .url = "http://127.0.0.1:1"};
    run->fsm = (struct raft_fsm){.data = run,
                                 .apply = apply,
                                 .apply_more = apply_more,
                                 .snapshot_take = take,
                                 .snapshot_read = read_snapshot,
                                 .snapshot_release = release,
                                 .restore_begin = restore_begin,
                                 .restore_chunk = restore_chunk,
                                 .restore_end = restore_end};
    ck_assert_int_eq(uv_loop_init(&run->loop), 0);
    ck_assert_int_eq(env_uv_new(&run->loop, &run->env), 0);
    struct raft_config config = {.env = env_uv_env(run->env),
                                 .id = 1,
                                 .cluster_id = 5,
                                 .dir = dir,
                                 .peers = &peer,
                                 .peer_count = 1,
                                 .fsm = &run->fsm,
                                 .heartbeat_ms = 100, /* A busy machine must not look stalled. */
                                 .election_ms = 3000, /* Not waited for by a single member. */
                                 .segment_bytes = 16384,
                                 .snapshot_entries = snapshot_entries,
                                 .snapshot_catch_up = 10};
    CLEANUP(error_release) struct error error = {0};
    ck_assert_int_eq(raft_open(&config, on_opened, run, &run->node, &error), 0);
}

static void run_once(struct run *run, const char *dir, uint64_t wanted, uint32_t snapshot_entries)
{
    *run = (struct run){.wanted = wanted, .wants_snapshot = wanted > snapshot_entries};
    open_node(run, dir, snapshot_entries);
    raft_on_role_change(run->node, on_role, run);
    ck_assert_int_eq(uv_run(&run->loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&run->loop), 0);
    ck_assert(run->read);
}

static void remove_tree(const char *dir)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void acknowledged_survives(uint32_t snapshot_entries)
{
    char dir[] = "/tmp/coracle-raft-XXXXXX";
    struct run run;
    const uint64_t sum = COMMANDS * (COMMANDS + 1) / 2;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    run_once(&run, dir, COMMANDS, snapshot_entries);
    ck_assert_uint_eq(run.acked, COMMANDS);
    ck_assert_uint_eq(run.applied_sum, sum);
    run_once(&run, dir, 0, snapshot_entries);
    ck_assert_uint_eq(run.applied_sum, sum);
    ck_assert_int_eq(run.restored_sum > 0, snapshot_entries <= COMMANDS);
    run_once(&run, dir, 1, snapshot_entries);
    ck_assert_uint_eq(run.applied_sum, sum + 1);
    remove_tree(dir);
}

START_TEST(what_was_acknowledged_is_there_after_a_restart)
{
    acknowledged_survives(/* snapshot_entries= */ 100000);
}
END_TEST

START_TEST(what_was_acknowledged_is_there_after_a_restart_from_a_snapshot)
{
    acknowledged_survives(/* snapshot_entries= */ 50);
}
END_TEST

START_TEST(an_entry_of_several_turns_counts_after_the_last)
{
    turns_an_entry = 3;
    acknowledged_survives(/* snapshot_entries= */ 50);
}
END_TEST

START_TEST(a_state_that_is_not_fit_for_a_snapshot_is_asked_for_one_later)
{
    snapshots_refused = 20;
    acknowledged_survives(/* snapshot_entries= */ 50);
}
END_TEST

/* As a server is that finds another one's port in use, or is stopped at once. */
START_TEST(closing_in_the_middle_of_opening_waits_for_the_step_under_way)
{
    enum { TURNS = 10 };
    char empty[] = "/tmp/coracle-raft-XXXXXX";
    char dir[] = "/tmp/coracle-raft-XXXXXX";
    struct run run;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    run_once(&run, dir, COMMANDS, /* snapshot_entries= */ 50);
    for (int turns = 0; turns < TURNS; turns++) {
        const char *const dirs[] = {empty, dir};
        memcpy(empty + sizeof(empty) - 7, "XXXXXX", 6);
        ck_assert_ptr_nonnull(mkdtemp(empty));
        for (size_t i = 0; i < 2; i++) {
            run = (struct run){0};
            open_node(&run, dirs[i], /* snapshot_entries= */ 50);
            for (int turn = 0; turn < turns; turn++) {
                (void)uv_run(&run.loop, UV_RUN_ONCE);
            }
            raft_close(run.node, on_closed, &run);
            ck_assert_int_eq(uv_run(&run.loop, UV_RUN_DEFAULT), 0);
            ck_assert_int_eq(uv_loop_close(&run.loop), 0);
        }
        remove_tree(empty);
    }
    run_once(&run, dir, 0, /* snapshot_entries= */ 50);
    ck_assert_uint_eq(run.applied_sum, (uint64_t)COMMANDS * (COMMANDS + 1) / 2);
    remove_tree(dir);
}
END_TEST

Suite *node_suite(void)
{
    Suite *suite = suite_create("raft/node");
    TCase *tcase = tcase_create("restart");
    tcase_set_timeout(tcase, 300); /* It waits for a real disk. */
    tcase_add_test(tcase, what_was_acknowledged_is_there_after_a_restart);
    tcase_add_test(tcase, what_was_acknowledged_is_there_after_a_restart_from_a_snapshot);
    tcase_add_test(tcase, an_entry_of_several_turns_counts_after_the_last);
    tcase_add_test(tcase, a_state_that_is_not_fit_for_a_snapshot_is_asked_for_one_later);
    tcase_add_test(tcase, closing_in_the_middle_of_opening_waits_for_the_step_under_way);
    suite_add_tcase(suite, tcase);
    return suite;
}
