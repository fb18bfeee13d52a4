/* A member on a simulated disk that loses whole files: what it finds missing, and what it must not.
 * docs/decisions/log-repair.md has the rules. */
#include "raft/node.h"
#include "tests/sim/env_sim.h"
#include "tests/sim/ghost_raft.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *lost_files_suite(void);

enum { CLUSTER = 7, OWN = 1, LEADER = 2, SEGMENT_BYTES = 8192, ENTRIES_MAX = 256 };

struct machine {
    struct sim_world world;
    struct raft_node *node;
    struct raft_fsm fsm;
    size_t voters;
    bool opened;
    int status;     /* Of opening. */
    char what[256]; /* What was said about it. */
    uint64_t applied;
    uint64_t chains[ENTRIES_MAX], terms[ENTRIES_MAX]; /* Of the log that the leader sent. */
};

/* ---- the state machine: the index of the last command ---- */

static bool apply(void *data, uint64_t index, uint64_t term, struct slice command, uint64_t tag)
{
    struct machine *m = data;
    (void)term;
    (void)command;
    (void)tag;
    m->applied = index;
    return true;
}

static int restore_begin(void *data, uint64_t index, uint64_t term)
{
    struct machine *m = data;
    (void)term;
    m->applied = index;
    return 0;
}

static int restore_chunk(void *data, struct slice chunk)
{
    (void)data;
    (void)chunk;
    return 0;
}

static int restore_end(void *data)
{
    (void)data;
    return 0;
}

/* ---- the machine ---- */

static void on_receive(struct sim_node *to, uint64_t from, struct slice message)
{
    (void)to;
    (void)from;
    (void)message;
}

static void on_sent(struct sim_node *from, uint64_t to, struct slice message)
{
    (void)from;
    (void)to;
    (void)message;
}

static void on_crashed(struct sim_node *machine, const char *why)
{
    (void)machine;
    ck_abort_msg("%s", why);
}

static void on_opened(void *data, const struct error *error)
{
    struct machine *m = data;
    m->opened = true;
    m->status = error == NULL ? 0 : error->code;
    (void)snprintf(m->what, sizeof(m->what), "%s", error == NULL ? "" : error_message(error));
}

static void run(struct machine *m, uint64_t ms)
{
    uint64_t until = m->world.now + ms * NS_PER_MS;
    while (m->world.now < until && sim_run_one(&m->world)) {
    }
}

static void start(struct machine *m)
{
    struct raft_peer peers[SIM_NODES_MAX] = {0};
    for (size_t i = 0; i < m->voters; i++) {
        peers[i] = (struct raft_peer){.id = i + 1, .name = "m", .url = "http://m"};
    }
    const struct raft_config config = {.env = &m->world.nodes[0].env,
                                       .id = OWN,
                                       .cluster_id = CLUSTER,
                                       .dir = "/raft",
                                       .peers = peers,
                                       .peer_count = m->voters,
                                       .fsm = &m->fsm,
                                       .segment_bytes = SEGMENT_BYTES};
    CLEANUP(error_release) struct error error = {0};
    sim_boot(&m->world.nodes[0]);
    m->opened = false;
    ck_assert_int_eq(raft_open(&config, on_opened, m, &m->node, &error), 0);
    while (!m->opened && sim_run_one(&m->world)) {
    }
    ck_assert(m->opened);
}

static void cut_power(struct machine *m)
{
    sim_raft_power_cut(&m->world.nodes[0], m->node);
    m->node = NULL;
}

static void make(struct machine *m, size_t voters)
{
    *m = (struct machine){.voters = voters};
    m->fsm = (struct raft_fsm){.data = m,
                               .apply = apply,
                               .restore_begin = restore_begin,
                               .restore_chunk = restore_chunk,
                               .restore_end = restore_end};
    sim_init(&m->world, /* seed= */ 1, voters);
    m->world.receive = on_receive;
    m->world.sent = on_sent;
    m->world.crashed = on_crashed;
    start(m);
    ck_assert_int_eq(m->status, 0);
}

static void stop(struct machine *m)
{
    if (m->node != NULL) {
        cut_power(m);
    }
    sim_release(&m->world);
}

/* Files whose names begin so: how many; and the greatest name. */
static size_t find(struct machine *m, const char *prefix, char last[SIM_NAME_MAX])
{
    size_t count = 0;
    const char *name;
    last[0] = '\0';
    for (size_t i = 0; sim_durable_file(&m->world.nodes[0], i, &name) != NULL; i++) {
        const char *base = strrchr(name, '/') == NULL ? name : strrchr(name, '/') + 1;
        if (strncmp(base, prefix, strlen(prefix)) == 0) {
            count++;
            if (strcmp(name, last) > 0) {
                (void)snprintf(last, SIM_NAME_MAX, "%s", name);
            }
        }
    }
    return count;
}

static size_t files(struct machine *m, const char *prefix)
{
    char last[SIM_NAME_MAX];
    return find(m, prefix, last);
}

static void lose_last(struct machine *m, const char *prefix)
{
    char last[SIM_NAME_MAX];
    ck_assert_uint_gt(find(m, prefix, last), 0);
    sim_disk_lose(&m->world.nodes[0], last);
}

static void lose_all(struct machine *m, const char *prefix)
{
    while (files(m, prefix) > 0) {
        lose_last(m, prefix);
    }
}

/* Its log is all there, as far as it can tell. */
static bool is_whole(const struct machine *m)
{
    return m->status == 0 && raft_is_whole(&m->node->core);
}

static bool floor_is_unknown(const struct machine *m)
{
    return m->status == 0 && m->node->core.floor.index == UINT64_MAX;
}

/* ---- what the leader sends ---- */

static void receive(struct machine *m, struct raft_message message)
{
    struct buffer bytes;
    buffer_init(&bytes, RAFT_MESSAGE_MAX);
    message.cluster = CLUSTER;
    message.from = LEADER;
    message.to = OWN;
    raft_message_encode(&message, &bytes);
    ck_assert_int_eq(buffer_error(&bytes), 0);
    raft_receive(m->node, LEADER, buffer_slice(&bytes));
    buffer_release(&bytes);
    run(m, 100);
}

/* One entry of `len` bytes after entry `last`. */
static void append(struct machine *m, uint64_t term, uint64_t last, size_t len)
{
    static const uint8_t zeros[SEGMENT_BYTES];
    ck_assert_uint_lt(last + 1, ENTRIES_MAX);
    struct raft_entry *entry =
        raft_entry_new(last + 1, term, RAFT_ENTRY_COMMAND, m->chains[last], slice_of(zeros, len));
    receive(m, (struct raft_message){.kind = RAFT_APPEND,
                                     .term = term,
                                     .last = {last, m->terms[last], m->chains[last]},
                                     .entries = &entry,
                                     .entry_count = 1});
    m->chains[last + 1] = entry->chain;
    m->terms[last + 1] = term;
    raft_entry_unref(entry);
}

static void append_many(struct machine *m, uint64_t term, uint64_t from, uint64_t to)
{
    for (uint64_t index = from; index <= to; index++) {
        append(m, term, index - 1, /* len= */ 500);
    }
    ck_assert_uint_eq(m->node->core.stable, to);
}

/* A snapshot of entry `index`, in one piece. */
static void install(struct machine *m, uint64_t term, uint64_t index)
{
    struct snapshot_head head = {.cluster = CLUSTER,
                                 .point = {.index = index, .term = term, .chain = 99},
                                 .members = m->node->core.members};
    struct buffer bytes;
    buffer_init(&bytes, SEGMENT_BYTES);
    snapshot_encode_head(&head, &bytes);
    snapshot_encode_chunk(slice_text("state"), &bytes);
    snapshot_encode_chunk(slice_of(NULL, 0), &bytes);
    receive(m, (struct raft_message){.kind = RAFT_SNAPSHOT,
                                     .term = term,
                                     .last = head.point,
                                     .commit = bytes.len,
                                     .bytes = buffer_slice(&bytes)});
    buffer_release(&bytes);
    ck_assert_uint_eq(m->applied, index);
    m->chains[index] = head.point.chain;
    m->terms[index] = term;
}

static void ask_for_vote(struct machine *m, uint64_t term)
{
    receive(m, (struct raft_message){.kind = RAFT_VOTE, .term = term, .force = true});
    ck_assert_uint_eq(m->node->core.term, term);
    ck_assert_uint_eq(m->node->core.vote, LEADER);
}

/* ---- the rules ---- */

START_TEST(a_member_that_voted_before_it_wrote_anything_lacks_nothing)
{
    struct machine m;
    make(&m, 3);
    ask_for_vote(&m, 1);
    cut_power(&m);
    ck_assert_uint_eq(files(&m, "log-"), 0);
    start(&m);
    ck_assert(is_whole(&m));
    stop(&m);
}
END_TEST

START_TEST(all_files_of_a_log_are_missed)
{
    struct machine m;
    make(&m, 3);
    append_many(&m, 1, 1, 3);
    cut_power(&m);
    lose_all(&m, "log-");
    start(&m);
    ck_assert(!is_whole(&m));
    ck_assert(floor_is_unknown(&m));
    cut_power(&m);
    start(&m);
    ck_assert(floor_is_unknown(&m)); /* It is not forgotten. */
    stop(&m);
}
END_TEST

/* SIM-2 seed 5092259 lost the only segment beside a snapshot. */
START_TEST(a_log_lost_beside_a_snapshot_is_missed)
{
    struct machine m;
    make(&m, 3);
    install(&m, 1, 20);
    append_many(&m, 1, 21, 22);
    cut_power(&m);
    ck_assert_uint_eq(files(&m, "snap-"), 1);
    lose_all(&m, "log-");
    start(&m);
    ck_assert(floor_is_unknown(&m));
    ck_assert_uint_eq(m.node->core.trail.base.index, 20);
    stop(&m);
}
END_TEST

/* SIM-2 seed 5128022: nothing else said that another segment had followed. */
START_TEST(the_newest_segment_is_missed_by_itself)
{
    struct machine m;
    make(&m, 3);
    append_many(&m, 1, 1, 20);
    cut_power(&m);
    ck_assert_uint_gt(files(&m, "log-"), 1);
    lose_last(&m, "log-");
    start(&m);
    ck_assert(floor_is_unknown(&m));
    ck_assert_uint_gt(raft_last_index(m.node), 0);
    stop(&m);
}
END_TEST

/* SIM-2 seed 5140854: while one repair is under way, the next segment is lost as well. */
START_TEST(what_is_lost_during_a_repair_is_missed_too)
{
    struct machine m;
    make(&m, 3);
    append_many(&m, 1, 1, 20);
    cut_power(&m);
    lose_last(&m, "log-");
    start(&m);
    uint64_t good = raft_last_index(m.node);
    append_many(&m, 2, good + 1, good + 8);
    ck_assert(is_whole(&m)); /* Term 2 has more than any log of term 1. */
    cut_power(&m);
    lose_last(&m, "log-");
    start(&m);
    ck_assert(floor_is_unknown(&m));
    ck_assert_uint_eq(m.node->core.floor.term, 2);
    stop(&m);
}
END_TEST

START_TEST(an_installed_snapshot_leaves_no_segment_to_be_missed)
{
    struct machine m;
    make(&m, 3);
    append_many(&m, 1, 1, 20);
    install(&m, 2, 40);
    cut_power(&m);
    ck_assert_uint_eq(files(&m, "log-"), 0);
    start(&m);
    ck_assert(is_whole(&m));
    ck_assert_uint_eq(raft_last_index(m.node), 40);
    cut_power(&m);
    lose_all(&m, "snap-"); /* But the snapshot itself is. */
    start(&m);
    ck_assert(floor_is_unknown(&m));
    stop(&m);
}
END_TEST

START_TEST(a_truncation_leaves_no_segment_to_be_missed)
{
    struct machine m;
    make(&m, 3);
    append_many(&m, 1, 1, 20);
    size_t before = files(&m, "log-");
    append(&m, 2, 4, 500);
    cut_power(&m);
    ck_assert_uint_lt(files(&m, "log-"), before);
    start(&m);
    ck_assert(is_whole(&m));
    ck_assert_uint_eq(raft_last_index(m.node), 5);
    stop(&m);
}
END_TEST

/* SIM-2 seeds 4121819, 4144032. */
START_TEST(a_truncation_before_a_new_segment_is_no_damage)
{
    struct machine m;
    make(&m, 3);
    append_many(&m, 1, 1, 5);
    size_t before = files(&m, "log-");
    append(&m, 2, 4, 4000); /* Does not fit: what was cut off stays in the segment before. */
    cut_power(&m);
    ck_assert_uint_eq(files(&m, "log-"), before + 1);
    start(&m);
    ck_assert(is_whole(&m));
    ck_assert_uint_eq(files(&m, "aside-"), 0);
    ck_assert_uint_eq(raft_trail_end(&m.node->core.trail).chain, m.chains[5]);
    stop(&m);
}
END_TEST

START_TEST(a_lone_member_without_its_log_does_not_start)
{
    struct machine m;
    make(&m, 1);
    run(&m, 500);
    ck_assert(raft_is_leader(m.node));
    cut_power(&m);
    start(&m);
    ck_assert(is_whole(&m));
    cut_power(&m);
    lose_all(&m, "log-");
    start(&m);
    ck_assert_int_eq(m.status, -EBADMSG);
    ck_assert_ptr_nonnull(strstr(m.what, "log-0000000000000001"));
    ck_assert_ptr_nonnull(strstr(m.what, "is missing"));
    stop(&m);
}
END_TEST

Suite *lost_files_suite(void)
{
    Suite *suite = suite_create("raft/lost files");
    TCase *tcase = tcase_create("recovery");
    tcase_add_test(tcase, a_member_that_voted_before_it_wrote_anything_lacks_nothing);
    tcase_add_test(tcase, all_files_of_a_log_are_missed);
    tcase_add_test(tcase, a_log_lost_beside_a_snapshot_is_missed);
    tcase_add_test(tcase, the_newest_segment_is_missed_by_itself);
    tcase_add_test(tcase, what_is_lost_during_a_repair_is_missed_too);
    tcase_add_test(tcase, an_installed_snapshot_leaves_no_segment_to_be_missed);
    tcase_add_test(tcase, a_truncation_leaves_no_segment_to_be_missed);
    tcase_add_test(tcase, a_truncation_before_a_new_segment_is_no_damage);
    tcase_add_test(tcase, a_lone_member_without_its_log_does_not_start);
    suite_add_tcase(suite, tcase);
    return suite;
}
